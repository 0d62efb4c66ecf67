"""Extracts: notes that come in pieces, a line of text in each row, and in several versions.

Rows may come in any order, so they wait on disk until all have been read. A note
of which any row is missing or cannot be read is an error: it never comes through
with the rows that are left, and never as an older version instead.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from itertools import groupby
from typing import Any

from extractor.dates import NoDayError, told_day
from extractor.errors import InputError, InputNotice
from extractor.readers.columns import standing_of
from extractor.readers.note import MAX_CHARS, place, too_large, undated
from extractor.readers.versions import Version

# Shorter lines are broken between words: that one is as long as the longest means nothing.
_NARROWEST = 200
_AGAIN = "extract the note again with all its rows; an extract in several files has to be put into one"
_IN_DOUBT = "rows that cannot be read may belong to this note"
# Behind a revision: of two that are equal, as from two files of one extract, the partial one counts.
_ALL, _PARTIAL = "0", "1"
# Before an id: a note of a message with the same id is another one.
_KEY = "row/"
_COLUMNS = "note_id, text, row, line, revision, status, parent, served, encounter, wrong"


@dataclass(frozen=True, slots=True)
class Wrong:
    """What is wrong with a row, without its place."""

    code: str
    problem: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Part:
    """What a row of a table says: a note, a version of it, or a line of one of them."""

    note_id: str
    text: str
    row: int
    line: int | None = None
    revision: str = ""
    status: str = ""
    parent: str | None = None
    wrong: Wrong | None = None
    served: str = ""
    encounter: str | None = None


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A version of a note, as far as its rows make one."""

    version: Version
    order: str
    known: bool
    again: bool
    undated: InputNotice | None = None

    @property
    def rank(self) -> tuple[bool, int, str]:
        """The newest signed one has the highest; the order is that of ``Versions``."""
        version = self.version
        return version.standing != "preliminary", len(version.revision), version.revision


class Extract:
    """Collects the rows of one table on disk, and gives the versions that they come to.

    Examples
    --------
    >>> with closing(Extract("x.csv")) as extract:
    ...     for row, (line, text) in enumerate([(2, "two plugs"), (1, "We used "), (3, ".")], 2):
    ...         extract.add(Part("a", text, row, line))
    ...     extract.add(Part("b", "One.", 5, 1))
    ...     extract.add(Part("b", "Three.", 6, 3))
    ...     for found in extract.found():
    ...         print(found.text or found.unreadable)
    We used two plugs.
    [I024] x.csv:5, note b: line 2 of the note is missing; extract the note again with all its rows; \
an extract in several files has to be put into one
    """

    def __init__(self, source: str) -> None:
        self._source = source
        self._base = sqlite3.connect("")  # a private file that SQLite deletes
        self._base.execute(
            "CREATE TABLE part (number INTEGER PRIMARY KEY, note_id TEXT, text TEXT, row INTEGER, "
            "line INTEGER, revision TEXT, status TEXT, parent TEXT, served TEXT, encounter TEXT, "
            "wrong TEXT)"
        )
        self._base.execute("CREATE TABLE spoiled (note_id TEXT PRIMARY KEY, problem TEXT)")
        self._runs = 0
        self._last: str | None = None
        self._lost = False
        self._next_is_in_doubt = False

    def close(self) -> None:
        """Delete what is kept."""
        self._base.close()

    def add(self, part: Part) -> None:
        """Keep what one row says."""
        if part.note_id != self._last:
            self._runs += 1
            self._last = part.note_id
        if self._next_is_in_doubt:
            self._next_is_in_doubt = False
            self.spoil(part.note_id, _IN_DOUBT)
        wrong = part.wrong
        self._base.execute(
            f"INSERT INTO part ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                part.note_id,
                part.text,
                part.row,
                part.line,
                part.revision,
                part.status,
                part.parent,
                part.served,
                part.encounter,
                json.dumps([wrong.code, wrong.problem, wrong.remedy]) if wrong else None,
            ),
        )

    def spoil(self, note_id: str, problem: str) -> None:
        """Give no text of this note; what is wrong is told with its place when it is found."""
        self._base.execute("INSERT OR IGNORE INTO spoiled VALUES (?, ?)", (note_id, problem))

    def doubt_last(self) -> None:
        """Give no text of the note of the row before."""
        if self._last is not None:
            self.spoil(self._last, _IN_DOUBT)

    def lose(self) -> None:
        """Rows were lost here, nobody knows of which notes: of those around them, at best."""
        self.doubt_last()
        self._lost = self._next_is_in_doubt = True

    def found(self) -> Iterator[Version | InputNotice]:
        """All versions of all notes; one that is not whole has its error instead of its text."""
        self._base.execute("CREATE INDEX by_note ON part (note_id, revision, status, line, number)")
        (notes,) = self._base.execute("SELECT count(DISTINCT note_id) FROM part").fetchone()
        if self._lost and self._runs > notes:  # rows of a note do not stand together: it may be any one
            self._spoil_all(_IN_DOUBT)
        self._first, self._widths = self._first_line(), self._full_widths()
        if self._ids_are_of_rows(notes):
            self._spoil_all("every row has an id of its own, which is then not that of a note (--id-column)")
        ids = "SELECT note_id FROM part GROUP BY note_id ORDER BY min(number)"
        with closing(self._base.execute(ids)) as rows:
            for (note_id,) in rows:
                yield from self._note(note_id)

    def _spoil_all(self, problem: str) -> None:
        self._base.execute("INSERT OR IGNORE INTO spoiled SELECT DISTINCT note_id, ? FROM part", (problem,))

    def _problem(self, note_id: str) -> str | None:
        row = self._base.execute("SELECT problem FROM spoiled WHERE note_id = ?", (note_id,)).fetchone()
        return None if row is None else str(row[0])

    def _first_line(self) -> int:
        """The number that the first line of a note has in this table: 0 where any line has it."""
        (least,) = self._base.execute("SELECT min(line) FROM part").fetchone()
        return 0 if least == 0 else 1

    def _ids_are_of_rows(self, notes: int) -> bool:
        """Whether no two rows have one id, and yet most are no first lines."""
        (rows, later) = self._base.execute(
            "SELECT count(*), sum(line > ?) FROM part", (self._first,)
        ).fetchone()
        return bool(rows == notes and rows < 2 * (later or 0))

    def _full_widths(self) -> set[int]:
        """Lengths at which text is broken into lines: the greatest, and the one that most lines have."""
        goes_on = (
            "SELECT length(text), count(*) FROM part AS one WHERE length(text) >= ? AND EXISTS ("
            "SELECT 1 FROM part AS next WHERE next.note_id = one.note_id AND next.revision = one.revision "
            "AND next.status = one.status AND next.line = one.line + 1) GROUP BY 1"
        )
        lines = dict(self._base.execute(goes_on, (_NARROWEST,)).fetchall())
        (greatest,) = self._base.execute(
            "SELECT max(length(text)) FROM part WHERE line IS NOT NULL"
        ).fetchone()
        most = sum(lines.values()) / 2
        return {width for width, count in lines.items() if width == greatest or count > most}

    def _note(self, note_id: str) -> Iterator[Version | InputNotice]:
        """The versions of a note; only the one that cannot be read where that is the one to read."""
        candidates = self._candidates(note_id)
        newest = max(candidates, key=lambda candidate: candidate.rank)
        version = newest.version
        where = place(version.source, version.line, version.shown)
        problem = self._problem(note_id)
        spoiled = InputError("I023", where, problem, _AGAIN) if problem else None
        wrong = spoiled or version.unreadable or _undecided(newest, candidates)
        if wrong:
            yield replace(version, text=None, revision=version.revision[:-1] + _PARTIAL, unreadable=wrong)
            return
        if not newest.known:
            problem = "its status is none that is known"
            yield InputNotice("N020", where, problem, "it is read as not signed")
        if newest.undated:
            yield newest.undated
        for candidate in candidates:
            yield candidate.version
        if newest.again:
            yield InputNotice("N021", where, "the same text is there more than once", "it is read once")

    def _candidates(self, note_id: str) -> list[_Candidate]:
        rows = self._base.execute(
            f"SELECT {_COLUMNS} FROM part INDEXED BY by_note "
            "WHERE note_id = ? ORDER BY revision, status, line, number",
            (note_id,),
        )
        parts = (_part(row) for row in rows)
        found = [
            self._candidate(list(_without_excess(group)))
            for _, group in groupby(parts, key=lambda part: (part.revision, part.status))
        ]
        return sorted(found, key=lambda candidate: candidate.version.line or 0)

    def _candidate(self, parts: list[Part]) -> _Candidate:
        """The version that the rows of one revision are."""
        first = parts[0]
        row = min(part.row for part in parts)
        order, revision = _revision(first.revision)
        standing = standing_of(first.status)
        text: str | InputError = ""
        if standing != "cancelled":  # what is taken back is not read
            text = self._text(place(self._source, row, first.note_id), parts)
        wrong = text if isinstance(text, InputError) else None
        parent = next((part.parent for part in parts if part.parent is not None), None)
        served, notice = self._served(place(self._source, row, first.note_id), parts)
        version = Version(
            _KEY + first.note_id,
            None if isinstance(text, InputError) else text,
            self._source,
            row,
            standing or "preliminary",
            revision + (_PARTIAL if wrong else _ALL),
            None if parent is None else _KEY + parent,
            name=first.note_id,
            unreadable=wrong,
            tied=True,
            served=served,
            encounter=_encounter(parts),
            parent_name=parent,
        )
        again = first.line is None and len(parts) > 1
        return _Candidate(version, order, standing is not None, again, notice)

    def _served(self, where: str, parts: list[Part]) -> tuple[date | None, InputNotice | None]:
        """The date of service that all rows of a version tell, as far as they tell one."""
        try:
            days = {told_day(text) for text in {part.served for part in parts}} - {None}
        except NoDayError as error:
            return None, undated(where, str(error))
        if len(days) > 1:
            return None, undated(where, "its rows tell several dates of service")
        return next(iter(days), None), None

    def _text(self, where: str, parts: list[Part]) -> str | InputError:
        """The lines of a version put together, with nothing between them."""
        bad = next((part for part in parts if part.wrong), None)
        if bad and bad.wrong:
            at = place(self._source, bad.row, bad.note_id)
            return InputError(bad.wrong.code, at, bad.wrong.problem, bad.wrong.remedy)
        if sum(len(part.text) for part in parts) > MAX_CHARS:
            return too_large(where, f"more than {MAX_CHARS:,} characters")
        lines: dict[int | None, str] = {}
        for part in parts:
            if part.line is not None and part.line in lines:
                problem = f"line {part.line} of the note is there twice"
                remedy = "name the column that tells the versions apart (--revision-column), or take one out"
                return InputError("I025", where, problem, remedy)
            if lines.setdefault(part.line, part.text) != part.text:
                return _ambiguous(where)
        numbers = [number for number in lines if number is not None]
        for expected, number in enumerate(numbers, self._first):
            if number != expected:
                return InputError("I024", where, f"line {expected} of the note is missing", _AGAIN)
        width = len(parts[-1].text)
        if numbers and width in self._widths:
            problem = f"the last line is full ({width} characters), so that lines after it may be missing"
            return InputError("I023", where, problem, "look whether the note ends there; " + _AGAIN)
        return "".join(lines.values())


def _part(row: tuple[Any, ...]) -> Part:
    *cells, served, encounter, wrong = row
    part = replace(Part(*cells), served=served, encounter=encounter)
    return part if wrong is None else replace(part, wrong=Wrong(*json.loads(wrong)))


def _encounter(parts: list[Part]) -> str | None:
    """The encounter that the rows of a version tell; none where they tell several."""
    told = {part.encounter for part in parts} - {None}
    return told.pop() if len(told) == 1 else None


def _without_excess(parts: Iterator[Part]) -> Iterator[Part]:
    """The rows of one version, as far as a note can be long."""
    size = 0
    for part in parts:
        yield part
        size += len(part.text)
        if size > MAX_CHARS:
            return


def _undecided(newest: _Candidate, candidates: list[_Candidate]) -> InputError | None:
    """The error where another version may be newer than the newest, or says something else."""
    version = newest.version
    for candidate in candidates:
        other = candidate.version
        if other is version or (other.standing == "preliminary") != (version.standing == "preliminary"):
            continue
        same_order = candidate.order == newest.order != ""
        same_note = (other.text, other.standing) == (version.text, version.standing)
        if not same_note and (not same_order or other.revision == version.revision):
            return _ambiguous(place(version.source, version.line, version.shown))
    return None


def _ambiguous(where: str) -> InputError:
    return InputError(
        "I027",
        where,
        "several texts have this id, and nothing says in which order they belong or which is the newest",
        "name the column with line numbers (--line-column), one with numbers or ISO times of the "
        "versions (--revision-column), or another one with ids (--id-column)",
    )


def _revision(revision: str) -> tuple[str, str]:
    """What kind of order a revision has, and the revision so that the longer or greater one is newer.

    Examples
    --------
    >>> _revision("9") < _revision("10.0")
    True
    >>> _revision("12/31/2023 11:00:00 PM") < _revision("1/2/2024 9:00:00 AM")
    True
    >>> _revision("second")
    ('', 'second')
    """
    text = revision.strip()
    if not text:
        return "", ""
    try:
        number = Decimal(text) if text.isascii() else Decimal("NaN")
        if number.is_finite() and 0 <= number < 10**30:
            return "number", f"{number:.12f}".zfill(50)
    except InvalidOperation:
        pass
    time = _time(text)
    if time is None:
        return "", revision
    if time.tzinfo is None:
        return "time", time.isoformat(timespec="microseconds")
    return "instant", time.astimezone(UTC).isoformat(timespec="microseconds")


def _time(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        pass
    try:
        # Only with AM or PM is it certain that the month comes first.
        return datetime.strptime(text, "%m/%d/%Y %I:%M:%S %p")
    except ValueError:
        return None
