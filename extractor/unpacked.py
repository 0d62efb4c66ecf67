"""Unpacked: the lines of cells in a published file, which is text, a workbook, or a zip of such files.

A number of a workbook becomes the text that it stands for: 2.0 is 2, and a date is 20240701.
"""

from __future__ import annotations

import csv
import io
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING
from zipfile import BadZipFile, ZipFile, ZipInfo

from extractor.errors import TableError
from extractor.tables import read_bytes

if TYPE_CHECKING:
    from python_calamine import CalamineSheet, CalamineWorkbook

Line = tuple[int, list[str]]
"""A line of a table with its number."""

_MOST_BYTES = 600_000_000  # unpacked; the largest workbook of pairs has half of it
_MOST_FILES = 1_000
_CHUNK = 16_000_000
_OVERLAP = 64
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_OLD_EXCEL = b"\xd0\xcf\x11\xe0"
_SHEETS = "xl/worksheets/"
# A cell right of column AZ: a table of CMS has thirty columns, and room is made for all that stand between.
_WIDE = re.compile(rb"\br\s*=\s*[\"'](?:[B-Z][A-Z]|[A-Z]{3,})\d")
_PREFERRED = (".csv", ".xlsx", ".tsv", ".txt")  # of one file in several forms, the first of these
_AGAIN = "get the file again"


@dataclass(frozen=True, slots=True)
class Part:
    """A table in a published file.

    Attributes
    ----------
    where
        File, file in a zip, or sheet, for messages.
    name
        The name of the file that it stands in.
    lines
        Its lines that are not empty, read once.
    text
        The whole of it, where it is text.
    beside
        Other sheets stand beside it, so that it may hold something else.
    """

    where: str
    name: str
    lines: Iterator[Line]
    text: str | None = None
    beside: bool = False


def parts(path: Path) -> Iterator[Part]:
    r"""The tables in a file.

    Raises
    ------
    TableError
        It cannot be read, is of no kind that is known, is damaged, or unpacks to too much.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "mue.csv")
    ...     _ = path.write_text("Code,Units\n93592,2\n")
    ...     [(part.name, list(part.lines)) for part in parts(path)]
    [('mue.csv', [(1, ['Code', 'Units']), (2, ['93592', '2'])])]
    """
    yield from _parts(str(path), path.name, read_bytes(path), inside=False)


def _parts(where: str, name: str, data: bytes, inside: bool) -> Iterator[Part]:
    if data.startswith(_ZIP):
        archive, members = _archive(where, data)
        if any(member.filename == "xl/workbook.xml" for member in members):
            yield from _sheets(where, name, data, archive, members)
        elif inside:
            raise TableError("T002", where, "a zip in a zip", "unpack it first")
        else:
            yield from _members(where, archive, members)
    elif data.startswith(_OLD_EXCEL):
        problem = "an Excel file of the old kind (.xls), or one with a password"
        raise TableError("T002", where, problem, "save it as .xlsx without a password, or as CSV")
    else:
        text = _decoded(where, data)
        yield Part(where, name, _text_lines(where, text), text)


# -- zips ------------------------------------------------------------------------------


def _archive(where: str, data: bytes) -> tuple[ZipFile, list[ZipInfo]]:
    """A zip that is safe to read: none of its files gives more bytes than it says beforehand."""
    try:
        archive = ZipFile(io.BytesIO(data))
    except (BadZipFile, ValueError, OSError, NotImplementedError):
        raise _damaged(where) from None
    members = [member for member in archive.infolist() if not member.is_dir()]
    if len(members) > _MOST_FILES or sum(member.file_size for member in members) > _MOST_BYTES:
        problem = f"it unpacks to more than {_MOST_BYTES:,} bytes or {_MOST_FILES:,} files"
        raise TableError("T014", where, problem, "give the file as CMS publishes it, or as text")
    if any(member.flag_bits & 1 for member in members):
        raise TableError("T002", where, "a zip with a password", "unpack it first")
    return archive, members


def _members(where: str, archive: ZipFile, members: list[ZipInfo]) -> Iterator[Part]:
    """The tables in a zip; of one that is there in several forms only one is read."""
    chosen: dict[str, ZipInfo] = {}
    for member in members:
        path = PurePosixPath(member.filename)
        if path.name.startswith(".") or "__MACOSX" in path.parts:
            continue
        if path.suffix.lower() == ".zip":
            raise TableError("T002", f"{where}, {path.name}", "a zip in a zip", "unpack it first")
        if path.suffix.lower() in _PREFERRED:
            stem = path.stem.casefold()
            chosen[stem] = min(chosen.get(stem, member), member, key=_preference)
    if not chosen:
        raise TableError("T002", where, "no table in this zip", f"give one with {', '.join(_PREFERRED)}")
    for member in chosen.values():
        inner = f"{where}, {PurePosixPath(member.filename).name}"
        with _opened(inner, archive, member) as file:
            data = b"".join(_chunks(inner, file))
        yield from _parts(inner, PurePosixPath(member.filename).name, data, inside=True)


def _preference(member: ZipInfo) -> int:
    return _PREFERRED.index(PurePosixPath(member.filename).suffix.lower())


def _opened(where: str, archive: ZipFile, member: ZipInfo) -> IO[bytes]:
    try:
        return archive.open(member)
    except (BadZipFile, NotImplementedError, RuntimeError, OSError, ValueError):
        raise _damaged(where) from None


def _chunks(where: str, file: IO[bytes]) -> Iterator[bytes]:
    """What a file in a zip holds; at its end it is known that it is whole."""
    try:
        while chunk := file.read(_CHUNK):
            yield chunk
    except (BadZipFile, zlib.error, EOFError, OSError, ValueError):
        raise _damaged(where) from None


def _damaged(where: str) -> TableError:
    return TableError("T002", where, "a zip or workbook that is cut or damaged", _AGAIN)


# -- workbooks -------------------------------------------------------------------------


def _sheets(where: str, name: str, data: bytes, archive: ZipFile, members: list[ZipInfo]) -> Iterator[Part]:
    """The visible sheets of a workbook that hold anything."""
    for member in members:
        with _opened(where, archive, member) as file:
            tail = b""
            for chunk in _chunks(where, file):
                if member.filename.startswith(_SHEETS) and _WIDE.search(tail + chunk):
                    problem = "a sheet has cells in columns where no table of CMS has any"
                    raise TableError("T014", where, problem, "give the file as CMS publishes it, or as CSV")
                tail = chunk[-_OVERLAP:]
    book = _workbook(where, data)
    sheets = [sheet for sheet in _visible(where, book) if sheet.height]
    if not sheets:
        raise TableError("T003", where, "the workbook holds no visible table", "give the file as published")
    for sheet in sheets:
        beside = len(sheets) > 1
        yield Part(f"{where}, sheet {sheet.name}" if beside else where, name, _rows(sheet), None, beside)


def _workbook(where: str, data: bytes) -> CalamineWorkbook:
    try:
        from python_calamine import CalamineWorkbook
    except ModuleNotFoundError:
        remedy = "install it: pip install python-calamine; or save the sheet as CSV"
        raise TableError("T002", where, "reading a workbook needs python-calamine", remedy) from None
    try:
        return CalamineWorkbook.from_filelike(io.BytesIO(data))
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException:  # what the library is made of may panic, which is no Exception
        raise _damaged(where) from None


def _visible(where: str, book: CalamineWorkbook) -> Iterator[CalamineSheet]:
    from python_calamine import SheetTypeEnum, SheetVisibleEnum

    for sheet in book.sheets_metadata:
        if sheet.typ == SheetTypeEnum.WorkSheet and sheet.visible == SheetVisibleEnum.Visible:
            try:
                yield book.get_sheet_by_name(sheet.name)
            except (KeyboardInterrupt, SystemExit, GeneratorExit):
                raise
            except BaseException:
                raise _damaged(where) from None


def _rows(sheet: CalamineSheet) -> Iterator[Line]:
    for number, row in enumerate(sheet.iter_rows(), 1):
        cells = [_cell(value) for value in row]
        if any(cells):
            yield number, cells


def _cell(value: object) -> str:
    """A cell as text.

    Examples
    --------
    >>> _cell(93592.0), _cell(" Clinical:  Data "), _cell(date(2024, 7, 1)), _cell(1.5)
    ('93592', 'Clinical: Data', '20240701', '1.5')
    """
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, date):
        return value.strftime("%Y%m%d")
    return " ".join(str(value).split())


# -- text ------------------------------------------------------------------------------


def _decoded(where: str, data: bytes) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):  # as spreadsheets save text
        return data.decode("utf-16", errors="replace")
    if b"\0" in data[:4096]:
        raise TableError("T002", where, "no text, no workbook and no zip", "give the file as published")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace")


def _text_lines(where: str, text: str) -> Iterator[Line]:
    head = text[:20_000]
    delimiter = "\t" if head.count("\t") > head.count(",") else ","
    row_lines: list[str] = []  # of the row that is read now
    last: list[str] = []

    def told() -> Iterator[str]:
        for line in io.StringIO(text, newline=""):
            row_lines.append(line)
            yield line

    rows = csv.reader(told(), delimiter=delimiter)
    try:
        for row in rows:
            last = row_lines.copy()
            row_lines.clear()
            cells = [" ".join(cell.split()) for cell in row]
            if any(cells):
                yield rows.line_num, cells
        # Only of the last row nobody else would notice that its quotes do not close.
        next(csv.reader(last, delimiter=delimiter, strict=True), None)
    except csv.Error:
        problem = "not a line of a table: a quote is not closed, or the file is cut"
        raise TableError("T004", f"{where}:{rows.line_num}", problem, _AGAIN) from None
