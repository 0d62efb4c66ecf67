"""Published: the files in which CMS publishes its tables, read into the form they are stored in.

Of a file of all codes only the rows of this code family are kept. Files are CSV or text with
tabs; a line of the family that cannot be read is an error, never left out.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Literal

from extractor.errors import TableError
from extractor.tables import SCHEMAS, Kind, Row, Setting, Table, Tables, checked_rows, read_bytes

PublishedKind = Literal["ptp", "mue", "aoc", "mpfs"]

_CODE = re.compile(r"[0-9A-Z][0-9]{3}[0-9A-Z]")
_HEAD = 40  # lines in which the names of the columns stand
_NAMES: dict[PublishedKind, dict[str, str]] = {
    "ptp": {
        "column_1": "column1", "column_2": "column2", "effective": "effective", "deletion": "deletion",
        "modifier_indicator": "modifier", "rationale": "rationale",
    },
    "mue": {"code": "code", "units": "muevalue", "mai": "adjudicationindicator", "rationale": "rationale"},
    "aoc": {
        "add_on_code": "addoncode", "primary_code": "primarycode", "type": "edittype",
        "effective": "editeffd", "deletion": "editdeld", "add_on_deleted": "aocdeld",
        "primary_deleted": "primarycodedeld",
    },
    "mpfs": {"code": "hcpcs", "mod": "mod", "status": "status", "work": "work", "glob": "glob", "cf": "conv"},
}  # fmt: skip
"""For each kind, what the names of its columns hold, without blanks and punctuation."""

# Where a fee schedule file holds the columns of the stored tables.
_MPFS = {
    "hcpcs_code": 0, "mod": 1, "status": 3, "not_used_mcr": 4, "rvu_work": 5, "non_na": 7, "rvu_fac_pe": 8,
    "fac_na": 9, "rvu_mp": 10, "rvu_fac_sum": 12, "pctc": 13, "glob": 14, "pre_op": 15, "intra_op": 16,
    "post_op": 17, "mult_proc": 18, "bilat_surg": 19, "asst_surg": 20, "co_surg": 21, "team_surg": 22,
    "endo_base": 23, "cf": 24, "phys_diag_pro": 25, "diag_img_fam": 27,
}  # fmt: skip
_MPFS_TABLES: tuple[Kind, ...] = ("mpfs_indicators", "mpfs_rvu")

_Line = tuple[int, list[str]]


@dataclass(frozen=True, slots=True)
class Change:
    """A row that two editions do not share: added, removed, or with another value."""

    key: Row
    before: Row | None
    after: Row | None


def read_published(
    paths: Sequence[Path], kind: PublishedKind, edition: date, setting: Setting | None, tables: Tables
) -> list[Table]:
    """The tables in the files of one edition, which CMS may part; two in one of the fee schedule.

    Parameters
    ----------
    paths
        The files, unpacked.
    kind
        What they hold.
    edition
        The day from which it holds. Rows that are not active on that day are left out.
    setting
        For whom they are, which files of pairs do not say.
    tables
        The editions there are: they say which codes belong to the family.

    Raises
    ------
    TableError
        What cannot be read, with file and line.
    """
    stored: tuple[Kind, ...] = _MPFS_TABLES if kind == "mpfs" else (kind,)
    rows: dict[Kind, dict[Row, Row]] = {name: {} for name in stored}
    for path in paths:
        lines = list(_lines(path, {code for name in stored for code in _family(name, tables)}))
        setting = _setting(str(path), kind, setting, lines)
        for name in stored:
            family = _family(name, tables)
            records = _rows(str(path), lines, kind, name, edition, setting)
            kept = ((line, row) for line, row in records if _belongs(name, row, family))
            for key, row in checked_rows(str(path), name, setting, kept).items():
                if rows[name].setdefault(key, row) != row:
                    problem = f"{' with '.join(key)} stands in two files, with different values"
                    raise TableError("T009", str(path), problem, "give the files of one edition")
    for name in stored:
        if not rows[name]:
            where = ", ".join(map(str, paths))
            problem = "no line of it is about this code family"
            raise TableError("T005", where, problem, "check that it is every file of that day")
    source = f"CMS, imported from {', '.join(path.name for path in paths)}"
    return [Table(name, setting, edition, source, True, rows[name]) for name in stored]


def _rows(
    where: str, lines: list[_Line], kind: PublishedKind, name: Kind, edition: date, setting: Setting | None
) -> Iterator[tuple[int, Row]]:
    """The rows of a file in the form in which they are stored."""
    if kind == "mpfs":
        return _fees(where, lines, name)
    if lines and lines[0][1] == list(SCHEMAS[kind].columns):
        return iter([(line, tuple(row)) for line, row in lines[1:]])
    return _READ[kind](where, lines, edition, setting)


def changes(before: Table | None, after: Table) -> list[Change]:
    """What an edition changes, by code.

    Examples
    --------
    >>> old = Table("mue", None, date(2024, 7, 1), "", False, {("93592",): ("93592", "2")})
    >>> new = Table("mue", None, date(2024, 10, 1), "", True, {("93592",): ("93592", "3")})
    >>> [change.after for change in changes(old, new)]
    [('93592', '3')]
    """
    old = before.rows if before else {}
    return [
        Change(key, old.get(key), after.rows.get(key))
        for key in sorted({*old, *after.rows})
        if not _same(old.get(key), after.rows.get(key))
    ]


def _same(old: Row | None, new: Row | None) -> bool:
    if old is None or new is None:
        return old is new
    return [_plain_number(cell) for cell in old] == [_plain_number(cell) for cell in new]


def _plain_number(cell: str) -> str:
    """A number as another file would write it: 2.0 is 2, 000 stays what it is."""
    whole = re.fullmatch(r"(\d+)\.0*", cell)
    return whole[1] if whole else cell


def _lines(path: Path, family: set[str]) -> Iterator[_Line]:
    """The lines of a file: the first ones, and behind them those with a code of the family."""
    data = read_bytes(path)
    if data[:4] in (b"PK\x03\x04", b"\xd0\xcf\x11\xe0") or b"\0" in data[:4096]:
        problem = "an Excel or zip file, or no text"
        raise TableError("T002", str(path), problem, "unpack it, and save a sheet as CSV")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("cp1252", errors="replace")
    head = text[:20_000]
    delimiter = "\t" if head.count("\t") > head.count(",") else ","
    number = 0
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        for row in rows:
            number += 1
            if number > _HEAD and family.isdisjoint(cell.strip() for cell in row[:4]):
                continue
            cells = [" ".join(cell.split()) for cell in row]
            if any(cells):
                yield rows.line_num, cells
    except csv.Error:
        problem = "not a line of a table"
        raise TableError("T004", f"{path}:{rows.line_num}", problem, "get the file again") from None


def _setting(where: str, kind: PublishedKind, given: Setting | None, lines: list[_Line]) -> Setting | None:
    if kind in ("aoc", "mpfs"):
        if given is not None:
            raise TableError(
                "T006", where, f"a table of kind {kind} is for both settings", "leave --setting out"
            )
        return None
    head = " ".join(_plain(cell) for _, row in lines[:_HEAD] for cell in row)
    told: Setting | None = None
    if kind == "mue" and "outpatienthospital" in head:
        told = "outpatient_hospital"
    elif kind == "mue" and "practitioner" in head:
        told = "practitioner"
    if given and told and given != told:
        raise TableError("T006", where, f"the file says that it is for {told}", "correct --setting")
    if not (given or told):
        problem = "the file does not say for whom it is"
        raise TableError("T006", where, problem, "give --setting practitioner or outpatient_hospital")
    return given or told


def _family(kind: Kind, tables: Tables) -> set[str]:
    """Codes that belong to the family: of pairs the closures, else all of which something is known."""
    closures = {code for code, use in tables.uses.items() if use == "closure"}
    if kind == "ptp":
        return closures
    known = {key[0] for table in tables.editions if table.kind == kind for key in table.rows}
    return known | (set() if kind == "aoc" else set(tables.uses)) | closures


def _belongs(kind: Kind, row: Row, family: set[str]) -> bool:
    codes = row[1:3] if kind == "ptp" else row[:1]
    return not family.isdisjoint(codes)


def _columns(where: str, lines: list[_Line], kind: PublishedKind) -> tuple[dict[str, int], int]:
    """Where each column stands, and the first line behind their names, which may fill several lines."""
    begin = next(
        (i for i, (_, row) in enumerate(lines) if _CODE.fullmatch(_first_code(row, kind))), len(lines)
    )
    width = max((len(row) for _, row in lines[: begin + 1]), default=0)
    names = [
        "".join(_plain(row[i]) for _, row in lines[:begin] if i < len(row) and len([c for c in row if c]) > 1)
        for i in range(width)
    ]
    found: dict[str, int] = {}
    for role, words in _NAMES[kind].items():
        exact = [i for i, name in enumerate(names) if name == words]
        holding = [i for i, name in enumerate(names) if words in name and i not in found.values()]
        if not (exact or holding):
            problem = (
                f"no names of columns as in a file of kind {kind} (none holds “{role.replace('_', ' ')}”)"
            )
            raise TableError("T003", where, problem, "check --kind, and that the file begins with its names")
        found[role] = (exact or holding)[0]
    return found, begin


def _first_code(row: list[str], kind: PublishedKind) -> str:
    """The first cell, which is a code where a line of the table begins; behind the type in add-on files."""
    cells = row[1:2] if kind == "aoc" and row[0] in ("1", "2", "3") else row[:1]
    return cells[0] if cells else ""


def _cells(where: str, lines: list[_Line], kind: PublishedKind) -> Iterator[tuple[int, dict[str, str]]]:
    """The lines of the table by the names of their columns; a remark of one cell is none of them."""
    columns, begin = _columns(where, lines, kind)
    for line, row in lines[begin:]:
        if len(row) <= max(columns.values()):
            if len([cell for cell in row if cell]) == 1 and not _CODE.fullmatch(_first_code(row, kind)):
                continue
            problem = f"{len(row)} columns where {max(columns.values()) + 1} are needed"
            raise TableError("T004", f"{where}:{line}", problem, "get the file again")
        yield line, {role: row[at] for role, at in columns.items()}


def _ptp(where: str, lines: list[_Line], edition: date, setting: Setting | None) -> Iterator[tuple[int, Row]]:
    for line, cells in _cells(where, lines, "ptp"):
        row = (
            setting or "",
            cells["column_1"],
            cells["column_2"],
            cells["modifier_indicator"],
            cells["rationale"],
        )
        if _active(f"{where}:{line}", cells["effective"], cells["deletion"], edition):
            yield line, row


def _mue(where: str, lines: list[_Line], edition: date, setting: Setting | None) -> Iterator[tuple[int, Row]]:
    service = "Practitioner" if setting == "practitioner" else "Outpatient Hospital"
    for line, cells in _cells(where, lines, "mue"):
        yield line, (cells["code"], cells["units"], cells["mai"][:1], cells["rationale"], service)


def _aoc(where: str, lines: list[_Line], edition: date, setting: Setting | None) -> Iterator[tuple[int, Row]]:
    for line, cells in _cells(where, lines, "aoc"):
        place = f"{where}:{line}"
        deleted = [cells[name] for name in ("deletion", "add_on_deleted", "primary_deleted")]
        if all(_active(place, cells["effective"], day, edition) for day in deleted):
            yield line, (cells["add_on_code"], cells["primary_code"], cells["type"])


_READ = {"ptp": _ptp, "mue": _mue, "aoc": _aoc}


def _fees(where: str, lines: list[_Line], kind: Kind) -> Iterator[tuple[int, Row]]:
    columns, begin = _columns(where, lines, "mpfs")
    expected = {
        "code": "hcpcs_code",
        "mod": "mod",
        "status": "status",
        "work": "rvu_work",
        "glob": "glob",
        "cf": "cf",
    }
    moved = [role for role, name in expected.items() if columns[role] != _MPFS[name]]
    if moved:
        problem = f"the column “{moved[0]}” is not where a fee schedule file has it"
        raise TableError("T003", where, problem, "give the national payment file as published")
    for line, row in lines[begin:]:
        if not _CODE.fullmatch(row[0]):
            continue
        if len(row) <= max(_MPFS.values()):
            problem = f"{len(row)} columns where {max(_MPFS.values()) + 1} are needed"
            raise TableError("T004", f"{where}:{line}", problem, "get the file again")
        yield line, tuple(row[_MPFS[name]] for name in SCHEMAS[kind].columns)


def _active(where: str, effective: str, deletion: str, day: date) -> bool:
    """Whether a row holds on a day; the day of its deletion is its last."""
    begun = _day(where, effective)
    ended = _day(where, deletion)
    return (begun is None or begun <= day) and (ended is None or day <= ended)


def _day(where: str, text: str) -> date | None:
    """A day as CMS writes it: 20240701, 2024183 (the day of the year), or nothing or ``*`` for none.

    Examples
    --------
    >>> _day("", "20240701"), _day("", "2024183"), _day("", "*")
    (datetime.date(2024, 7, 1), datetime.date(2024, 7, 1), None)
    """
    if text in ("", "*", "0", "9999999", "99999999", "9999365"):
        return None
    try:
        if re.fullmatch(r"\d{8}", text):
            return date(int(text[:4]), int(text[4:6]), int(text[6:]))
        if re.fullmatch(r"\d{7}", text) and 1 <= int(text[4:]) <= 366:
            return date(int(text[:4]), 1, 1) + timedelta(int(text[4:]) - 1)
    except ValueError:
        pass
    raise TableError("T004", where, f"{text[:20]!r} is no day", "get the file again")


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "", name).casefold()
