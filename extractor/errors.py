"""The one catalogue of errors.

Each error says what is wrong, where, and what to do. The text of a note never
appears in one.
"""

from __future__ import annotations


class PvlError(Exception):
    """Base of every error of this package.

    Parameters
    ----------
    code
        Stable code, for searching: ``I...`` input, ``N...`` notices, ``O...`` output, ``R...`` rules,
        ``B...`` runs over a corpus, ``T...`` payer tables.
    where
        File, line, note id or rule, as far as known.
    problem
        What is wrong.
    remedy
        What the user can do about it.
    """

    def __init__(self, code: str, where: str, problem: str, remedy: str) -> None:
        self.code, self.where, self.problem, self.remedy = code, where, problem, remedy
        super().__init__(f"[{code}] {where}: {problem}; {remedy}")

    def __reduce__(self) -> tuple[type[PvlError], tuple[str, str, str, str]]:
        # Errors travel between worker processes.
        return type(self), (self.code, self.where, self.problem, self.remedy)


class InputError(PvlError):
    """Something about a source or a note: it costs that note only."""


class InputNotice(InputError):  # noqa: N818 - told like an error, and none
    """Something that a reader left out as it should: told, and no failure."""


class OutputError(PvlError):
    """A file or folder that cannot be written, or may hold what must not be lost."""


class RuleError(PvlError):
    """A pattern file that cannot be used."""


class TableError(PvlError):
    """A payer's table that cannot be used or stored."""
