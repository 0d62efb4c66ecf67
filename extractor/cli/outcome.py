"""How a command ends: its exit status, and what it says of what failed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer

from extractor.errors import InputNotice, PvlError
from extractor.terminal import printable

FAILED = 1
"""Exit status when an input, a rule or an example failed."""

MISUSED = 2
"""Exit status when nothing was begun, because of how the command was given."""

STOPPED = 130
"""Exit status after an interrupt from the keyboard."""


class Errors:
    """Prints each failed input on standard error, and counts them.

    Attributes
    ----------
    count
        Inputs that failed; what was left out as it should is printed, and does not count.

    Examples
    --------
    >>> from extractor.errors import InputError, InputNotice
    >>> errors = Errors()
    >>> errors(InputError("I001", "x.txt", "no such file", "check the name"))
    >>> errors(InputNotice("N021", "y.txt", "the same text once more", "nothing to do"))
    >>> errors.count
    1
    """

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, error: PvlError) -> None:
        """Take an error, as the readers hand it out."""
        self.count += not isinstance(error, InputNotice)
        complain(error)


def tell(text: str) -> None:
    r"""Print a line, whatever is in it, without steering the terminal.

    Examples
    --------
    >>> tell("red: \x1b[31m")
    red: ␛[31m
    """
    typer.echo(printable(text))


def complain(error: object) -> None:
    """Print an error, or what else went wrong, on standard error.

    Examples
    --------
    >>> complain("stopped")  # on standard error: pvl: stopped
    """
    typer.echo(f"pvl: {printable(str(error))}", err=True)


@contextmanager
def reported(status: int = FAILED) -> Iterator[None]:
    """Turn an error that stops everything into its message and an exit status.

    Examples
    --------
    >>> from extractor.errors import RuleError
    >>> try:
    ...     with reported():
    ...         raise RuleError("R001", "patterns", "no pattern files", "name another folder")
    ... except typer.Exit as end:
    ...     print(end.exit_code)
    1
    """
    try:
        yield
    except PvlError as error:
        complain(error)
        raise typer.Exit(status) from None
