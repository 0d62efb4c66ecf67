"""Options: what a user may say about a source."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Options:
    """Names of columns and fields where the guesses do not fit, and the query of a database.

    Attributes
    ----------
    id_column, text_column
        Columns with the id and the text of a note (or of a line of it).
    line_column, revision_column, status_column, parent_column
        Columns of extracts that hold a line per row, or versions: number of the line,
        number or time of the revision, whether it is signed, the note an addendum belongs to.
    date_column, encounter_column
        Columns with the date of service, and with the id of the encounter.
        Of these an empty name says that there is none, whatever the columns are called.
    query
        SQL of a database source; its result is read like a table.
    """

    id_column: str | None = None
    text_column: str | None = None
    line_column: str | None = None
    revision_column: str | None = None
    status_column: str | None = None
    parent_column: str | None = None
    query: str | None = None
    date_column: str | None = None
    encounter_column: str | None = None
