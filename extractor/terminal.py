"""What may be written to a terminal: safe text, and consoles that print alike everywhere."""

from __future__ import annotations

import sys
import unicodedata
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.console import Console

PIPE_WIDTH = 120
"""Width of the output when it does not go to a terminal."""


def printable(text: str, keep: str = "") -> str:
    r"""Replace every character that could steer a terminal or hide in a page.

    Control characters become their Unicode pictures, format characters (such as
    the ones that reverse the direction of text) a replacement sign. The length
    never changes, so offsets stay true.

    Parameters
    ----------
    text
        Any text, for example of a note.
    keep
        Control characters to leave alone, for example the line feed.

    Examples
    --------
    >>> printable("red: \x1b[31m")
    'red: ␛[31m'
    >>> len(printable("a\u202eb\r\n")) == len("a\u202eb\r\n")
    True
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(char if char in keep else _safe(char) for char in text)


def _safe(char: str) -> str:
    if char < " ":
        return chr(0x2400 + ord(char))
    if char == "\x7f":
        return "␡"
    return "�" if unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp") else char


def console(stream: TextIO | None = None) -> Console:
    """Make a console on a stream: colour only on a terminal, else plain text of a fixed width.

    Parameters
    ----------
    stream
        Where to print; standard output by default.

    Examples
    --------
    >>> import io
    >>> console(io.StringIO()).width
    120
    """
    from rich.console import Console

    stream = sys.stdout if stream is None else stream
    if stream.isatty():
        return Console(file=stream, highlight=False, markup=False, emoji=False)
    return Console(
        file=stream,
        width=PIPE_WIDTH,
        force_terminal=False,
        color_system=None,
        highlight=False,
        markup=False,
        emoji=False,
    )
