"""Delimited text: ``.csv`` and ``.tsv`` files, whoever wrote them.

The encoding is UTF-8 (with or without a byte order mark), UTF-16 with one, or else
Windows-1252, which is told. The delimiter is the one with which the first row gives
the names of the columns.
"""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Iterator
from typing import TextIO

from extractor.errors import InputError, InputNotice
from extractor.readers.columns import Cells, Columns, choose
from extractor.readers.note import MAX_CHARS, Found, place
from extractor.readers.options import Options
from extractor.readers.plain import binary
from extractor.readers.table import Row, Unread, table_notes
from extractor.readers.versions import Version

_BLOCK = 1 << 20
_HEAD = 8192
# A row has its note once, with quotes doubled, and other columns.
_MAX_ROW_CHARS = 4 * MAX_CHARS
_ID = re.compile(r"\S*\w")
_DIGITS, _LETTER = re.compile(r"\d+"), re.compile(r"[^\W\d_]")
_MOST_SHAPES = 1000
_EXCEL = re.compile('"?sep=."?')  # what Excel may write above the names of the columns
_QUOTES = 'put text with quotes, delimiters or line ends in quotes, and write " in it as ""'
_Record = tuple[int, list[str], bool]
"""The line where a row begins, its cells, and whether it ends."""


def read_csv(path: str, options: Options) -> Iterator[Found | Version]:
    """The notes of a ``.csv`` file."""
    yield from _read(path, options, ",;\t|")


def read_tsv(path: str, options: Options) -> Iterator[Found | Version]:
    """The notes of a ``.tsv`` file."""
    yield from _read(path, options, "\t,;|")


def _read(path: str, options: Options, delimiters: str) -> Iterator[Found | Version]:
    encoding = _encoding(path)
    if isinstance(encoding, InputError):
        yield encoding
        return
    if encoding == "cp1252":
        problem = "the text is not UTF-8"
        yield InputNotice("N022", path, problem, "it is read as Windows-1252; look at letters with accents")
    # Bytes that are none become lone surrogates, which cost the row in which they are used.
    errors = "replace" if encoding == "utf-16" else "surrogateescape"
    with open(path, encoding=encoding, errors=errors, newline="") as file:
        records = _Records(file)
        try:
            header = records.header()
        except _TooLongError:
            header = ""
        chosen = _columns(path, header, options, delimiters)
        if isinstance(chosen, InputError):
            yield chosen
            return
        delimiter, columns, width = chosen
        yield from table_notes(path, columns, _rows(path, records.rows(delimiter), columns, width))


def _encoding(path: str) -> str | InputError:
    """The encoding of a file, by all its bytes."""
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    letters = wrong = 0
    with open(path, "rb") as file:
        head = file.read(_HEAD)
        if not head.strip():
            return InputError("I005", path, "the file is empty", "give a table with a note in it")
        if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            return "utf-16"
        no_text = binary(path, head)
        if no_text:
            return no_text
        file.seek(0)
        while block := file.read(_BLOCK):
            text = decoder.decode(block)
            letters += 0 if text.isascii() else len(text) - len(text.encode("ascii", "ignore"))
            wrong += len(text) - len(text.encode("utf-8", "ignore").decode())
        wrong += len(decoder.decode(b"", final=True))
    # A few broken bytes in UTF-8 cost their rows; where they are most of what is not ASCII, it is none.
    return "utf-8-sig" if not wrong or letters - wrong > wrong else "cp1252"


def _columns(
    path: str, header: str, options: Options, delimiters: str
) -> tuple[str, Columns, int] | InputError:
    """The delimiter with which the first row names the columns, the columns, and how many there are."""
    error, most = None, 0
    for delimiter in delimiters:
        try:
            names = next(csv.reader([header], delimiter=delimiter, strict=True), [])
        except csv.Error:
            continue
        names = [name.strip() for name in names]
        columns = choose(path, names, options)
        if isinstance(columns, Columns):
            return delimiter, columns, len(names)
        if len(names) > most:
            error, most = columns, len(names)
    if error and most > 1:
        return error
    problem = "the first row does not name several columns"
    return InputError("I022", path, problem, "part the columns with commas, semicolons, tabs or bars")


def _rows(path: str, records: Iterator[_Record], columns: Columns, width: int) -> Iterator[Row]:
    """Rows with what they hold; those next to each other that cannot be read are told as one."""
    run: list[int] = []  # first and last row of those that cannot be read
    broken = False
    ids = _Ids()
    for number, record, ends in records:
        note_id = record[columns.id] if len(record) > columns.id else ""
        fits = ends and _fits(record, width) and ids.may_be(note_id)
        if fits and columns.line is not None and not record[columns.line].strip().isdigit():
            fits = ids.alike(note_id)
        if not fits or (broken and not ids.alike(note_id)):
            if not ends or not broken:
                torn = not ids.may_be(note_id)
                yield Unread(_before_text(record, columns) if ends and not torn else None, torn)
            broken = broken or not ends
            run = [*run[:1], number]
            continue
        if run:
            yield _unread(path, run, width, broken)
            run, broken = [], False
        ids.add(note_id)
        yield number, tuple(None if at is None else record[at] for at in columns.positions)
    if run:
        yield _unread(path, run, width, broken)


class _Ids:
    """What the ids of a table look like: pieces of a text that stand in their place do not."""

    def __init__(self) -> None:
        self._shapes: set[str] = set()
        self._words = False  # whether they may be words with blanks between

    def add(self, note_id: str) -> None:
        if len(self._shapes) < _MOST_SHAPES:
            self._shapes.add(self._shape(note_id))
        self._words = self._words or not _ID.fullmatch(note_id.strip())

    def may_be(self, note_id: str) -> bool:
        """Whether this may be an id; it may lack."""
        plain = note_id.strip()
        return not self._shapes or self._words or not plain or bool(_ID.fullmatch(plain))

    def alike(self, note_id: str) -> bool:
        """Whether this is as the ids before; where there are none, as ids are."""
        if not self._shapes:
            return bool(_ID.fullmatch(note_id.strip()))
        return self._shape(note_id) in self._shapes

    @staticmethod
    def _shape(note_id: str) -> str:
        # demo-003 and demo-17 are alike, three is not.
        return _LETTER.sub("a", _DIGITS.sub("0", note_id.strip()))


def _fits(record: list[str], width: int) -> bool:
    """Whether a row has the right number of cells; empty ones behind the last are none."""
    return len(record) == width or (len(record) > width and not any(record[width:]))


def _before_text(record: list[str], columns: Columns) -> Cells | None:
    """What a row of the wrong length holds before its text; beside the text, cells may be shifted."""
    if columns.id > columns.text or columns.id >= len(record):
        return None
    safe = min(columns.text, len(record))
    return tuple(None if at is None or at >= safe else record[at] for at in columns.positions)


def _unread(path: str, run: list[int], width: int, broken: bool) -> InputError:
    until = f" (from here to row {run[-1]})" if len(run) > 1 else ""
    if broken:
        problem = f"the quotes of a row do not close, or stand in text without quotes around it{until}"
    else:
        problem = f"not {width} cells as in the first row, or no id in its place{until}"
    return InputError("I026", place(path, run[0]), problem, _QUOTES)


class _TooLongError(Exception):
    """A row is longer than any note."""


class _Records:
    """Rows of a file with the numbers of the lines where they begin.

    After one that does not end where it should, reading goes on at the line after its first.
    """

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._number = 0  # of the line that was given last
        self._again: list[str] = []  # lines to give again, last one first
        self._row: list[str] = []  # lines of the row that is read now

    def header(self) -> str:
        """The first row with something in it."""
        for line in self._lines():
            self._row.clear()
            if line.strip() and not _EXCEL.fullmatch(line.strip()):
                return line
        return ""

    def rows(self, delimiter: str) -> Iterator[_Record]:
        """Each row; of one that does not end, the cells of its first line."""
        csv.field_size_limit(max(csv.field_size_limit(), _MAX_ROW_CHARS + 1))
        going = True
        while going:
            self._row.clear()
            first = self._number + 1
            try:
                for record in csv.reader(self._lines(), delimiter=delimiter, strict=True):
                    if record:
                        yield first, record, True
                    self._row.clear()
                    first = self._number + 1
                going = False
            except (csv.Error, _TooLongError):
                yield first, next(csv.reader(self._row[:1], delimiter=delimiter), []), False
                self._number -= len(self._row) - 1
                self._again += reversed(self._row[1:])

    def _lines(self) -> Iterator[str]:
        size = 0
        while line := self._again.pop() if self._again else self._file.readline(_MAX_ROW_CHARS):
            self._number += 1
            size = size + len(line) if self._row else len(line)
            self._row.append(line)
            if len(line) >= _MAX_ROW_CHARS:
                while line and not line.endswith(("\n", "\r")):
                    line = self._file.readline(_MAX_ROW_CHARS)
                self._row[-1] = "\n"
                raise _TooLongError
            if size > _MAX_ROW_CHARS:
                raise _TooLongError
            yield line
