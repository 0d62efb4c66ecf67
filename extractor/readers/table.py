"""Tables: rows become notes, whatever file or database they come from.

Each row is a note, a version of one, or a line of a version. All rows are read
before the first note is given: only then is it certain that no other row has the
same id. Where each row is a note and the ids can be read alone they are, first: if
all differ, each note is given as soon as it is read.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from hashlib import blake2b
from uuid import UUID

from extractor.dates import NoDayError, told_day
from extractor.errors import InputError
from extractor.readers.columns import Cells, Columns, standing_of
from extractor.readers.extract import Extract, Part, Wrong
from extractor.readers.note import MAX_CHARS, Found, Note, checked, has_surrogate, not_kept, place, undated
from extractor.readers.versions import Version

_MAX_DIGITS = 9
_DIGEST = 8  # bytes
_AT_ONCE = 10_000_000  # digests compared at a time


@dataclass(frozen=True, slots=True)
class Unread:
    """A row, or several, that could not be read; the error is told apart.

    Attributes
    ----------
    cells
        What it holds, as far as that is certain: it may be of the wrong length.
    torn
        It may be no row at all but a piece of the text of the row before.
    """

    cells: Cells | None = None
    torn: bool = False


Row = tuple[int, Cells] | Unread | InputError
"""A row with its number, one that could not be read, or what is to be told of those."""


def table_notes(
    source: str, columns: Columns, rows: Iterator[Row], distinct: bool = False
) -> Iterator[Found | Version]:
    """The notes or versions that the rows of a table are.

    Parameters
    ----------
    source
        Path of the table, or what stands for its database.
    columns
        Which of its columns are there.
    rows
        Numbers and cells of its rows.
    distinct
        Each row is a note, and it is known that no two have one id (``all_differ``).

    Examples
    --------
    >>> rows = iter([(2, ("a", "One plug.", None, None, None, None, None, None))])
    >>> [note.text for note in table_notes("notes.csv", Columns(id=0, text=1), rows)]
    ['One plug.']
    """
    empty = True
    try:
        if distinct:
            for row in rows:
                empty = False
                if not isinstance(row, Unread):
                    yield from _whole(source, row)
            if empty:
                yield _no_rows(source)
            return
        with closing(Extract(source)) as extract:
            for row in rows:
                empty = False
                error = _keep(extract, source, columns, row)
                if error:
                    yield error
            if empty:
                yield _no_rows(source)
            for found in extract.found():
                yield _note(found) if columns.whole and isinstance(found, Version) else found
    except sqlite3.Error as error:
        yield not_kept(source, error)


def all_differ(ids: Callable[[], Iterable[object]], count: int) -> bool:
    """Whether no two rows of a table have one id.

    Compared are digests, some millions at a time, so that the memory does not grow with the
    table. Two ids that share a digest would only make the table take the longer way.

    Parameters
    ----------
    ids
        Gives the ids of all rows, each time it is called.
    count
        How many there are, about.

    Examples
    --------
    >>> all_differ(lambda: ["a", "b", None, None], 4), all_differ(lambda: [1, 1.0], 2)
    (True, False)
    """
    import numpy as np

    shares = count // _AT_ONCE + 1
    for share in range(shares):
        some = bytearray()
        for value in ids():
            note_id = _id(value)
            if note_id is not None:
                digest = blake2b(note_id.encode(), digest_size=_DIGEST).digest()
                if digest[0] % shares == share:
                    some += digest
        digests = np.frombuffer(some, np.uint64)
        digests.sort()
        if (digests[1:] == digests[:-1]).any():
            return False
    return True


def _whole(source: str, row: tuple[int, Cells] | InputError) -> Iterator[Found]:
    """The note that a row is by itself, behind what is to be told of it."""
    if isinstance(row, InputError):
        yield row
        return
    number, cells = row
    note_id = _id(cells[0])
    if note_id is None:
        yield _no_id(source, number)
        return
    where = place(source, number, note_id)
    text = _text(cells[1])
    if isinstance(text, Wrong):
        yield InputError(text.code, where, text.problem, text.remedy)
        return
    served = None
    try:
        served = told_day(_plain(cells[6]))
    except NoDayError as error:
        yield undated(where, str(error))
    yield checked(Note(note_id, text, source, number, served=served, encounter=_id(cells[7])))


def _no_rows(source: str) -> InputError:
    return InputError("I020", source, "the table has no rows", "give a table with a note in it")


def _no_id(source: str, row: int) -> InputError:
    return InputError("I010", place(source, row), "no id in this row", "give every row the id of its note")


def _keep(extract: Extract, source: str, columns: Columns, row: Row) -> InputError | None:
    """Keep a row; the error to tell at once where no note can be named for it."""
    if isinstance(row, InputError):
        return row
    if isinstance(row, Unread):
        if row.torn:
            extract.doubt_last()
        _leave_out(extract, columns, row.cells)
        return None
    number, cells = row
    note_id = _id(cells[0])
    if note_id is None:
        _leave_out(extract, columns, cells)
        return _no_id(source, number)
    extract.add(_part(note_id, number, columns, cells))
    return None


def _leave_out(extract: Extract, columns: Columns, cells: Cells | None) -> None:
    """Mark the notes that a row which cannot be read may belong to."""
    if columns.whole:
        return  # it was a note of its own
    note_id = _id(cells[0]) if cells else None
    parent = _id(cells[5]) if cells else None
    known = note_id is not None and (columns.line is None or (cells and _line(cells[2]) is not None))
    if parent is not None:
        extract.spoil(parent, "an addendum to this note cannot be read")
    if note_id is not None and known:
        extract.spoil(note_id, "a row of this note cannot be read")
    elif columns.line is not None or columns.revision is not None:
        extract.lose()


def _part(note_id: str, number: int, columns: Columns, cells: Cells) -> Part:
    _, raw, line, revision, status, parent, served, encounter = cells
    status = _plain(status)
    text = _text(raw)
    wrong = None
    number_of_line = None if columns.line is None else _line(line)
    if columns.line is not None and number_of_line is None:
        wrong = Wrong(
            "I026", "the number of the line is missing or no whole number", "correct it in this row"
        )
    elif isinstance(text, Wrong):
        wrong = text
    elif not text and columns.line is not None and standing_of(status) != "cancelled":
        problem = "this row has no text, and the note may lack a piece"
        wrong = Wrong(
            "I026", problem, "extract the note again; a line that is empty needs a blank as its text"
        )
    elif len(text) > MAX_CHARS:
        problem = f"the note is too large: {len(text):,} characters, more than {MAX_CHARS:,}"
        wrong = Wrong("I013", problem, "split it into one note per procedure")
    above = _id(parent)
    return Part(
        note_id,
        "" if wrong or isinstance(text, Wrong) else text,
        number,
        number_of_line,
        _whole_letters(_plain(revision)),
        _whole_letters(status),
        None if above == note_id else above,
        wrong,
        _whole_letters(_plain(served).strip()),
        _id(encounter),
    )


def _note(version: Version) -> Found:
    """The note of a row that stands for itself."""
    if version.text is None:
        assert version.unreadable is not None
        return version.unreadable
    served, encounter = version.served, version.encounter
    return checked(
        Note(version.shown, version.text, version.source, version.line, served=served, encounter=encounter)
    )


def _id(value: object) -> str | None:
    """An id as text; numbers that a table made of it lose their fraction.

    Examples
    --------
    >>> _id(17.0), _id(" a-17 "), _id(float("nan")), _id("")
    ('17', 'a-17', None, None)
    """
    text = _plain(value).strip()
    return text if text and not has_surrogate(text) else None


def _line(value: object) -> int | None:
    """The number of a line.

    Examples
    --------
    >>> _line("3"), _line(3.0), _line("3.0"), _line("3.5"), _line("x"), _line(None)
    (3, 3, 3, None, None, None)
    """
    text = _plain(value).strip()
    whole, _, fraction = text.partition(".")
    counts = whole.isascii() and whole.isdigit() and not fraction.strip("0")
    return int(whole) if counts and len(whole) <= _MAX_DIGITS else None


def _plain(value: object) -> str:
    """A short value as text; empty where it is none that an id or a number can be."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return ""
    if isinstance(value, (float, Decimal)):
        finite = value == value and abs(value) != float("inf")
        return str(int(value)) if finite and value == int(value) else str(value) if finite else ""
    if isinstance(value, date):
        return value.isoformat()
    return str(value) if isinstance(value, (int, UUID)) else ""


def _text(value: object) -> str | Wrong:
    if value is None or value != value:
        return ""
    if callable(getattr(value, "read", None)):  # a large object of a database
        value = value.read()  # type: ignore[attr-defined]
    if isinstance(value, (bytes, bytearray, memoryview)):
        try:
            value = bytes(value).decode("utf-8")
        except UnicodeDecodeError:
            return _wrong_letters()
    if not isinstance(value, str):
        return Wrong(
            "I026", "what this row has in the column of the text is no text", "give the column as text"
        )
    return _wrong_letters() if has_surrogate(value) else value


def _wrong_letters() -> Wrong:
    problem = "the text of this row has bytes that are no letters in the encoding of the table"
    return Wrong("I007", problem, "export the table again, all of it in UTF-8")


def _whole_letters(text: str) -> str:
    return text.encode("utf-8", "replace").decode() if has_surrogate(text) else text
