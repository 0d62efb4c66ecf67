"""Published: the files in which CMS publishes its tables, read into the form they are stored in.

Of a file of all codes only the rows of this code family are kept; a line of the family that
cannot be read is an error, never left out. The names of the files say of which edition they
are, and for whom: what contradicts the user is an error too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Literal, NamedTuple

from extractor.dates import parse_date
from extractor.errors import TableError
from extractor.tables import SCHEMAS, Kind, Row, Setting, Table, Tables, checked_rows
from extractor.unpacked import Line, Part, parts

PublishedKind = Literal["ptp", "mue", "aoc", "mpfs"]

_CODE = re.compile(r"[0-9A-Z][0-9]{3}[0-9A-Z]")
_PIECE = re.compile(r"[0-9A-Z]{1,5}")  # of a code, where a file is cut
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
_CODES = ("column_1", "column_2", "code", "add_on_code", "primary_code")

# Where a fee schedule file holds the columns of the stored tables.
_MPFS = {
    "hcpcs_code": 0, "mod": 1, "status": 3, "not_used_mcr": 4, "rvu_work": 5, "non_na": 7, "rvu_fac_pe": 8,
    "fac_na": 9, "rvu_mp": 10, "rvu_fac_sum": 12, "pctc": 13, "glob": 14, "pre_op": 15, "intra_op": 16,
    "post_op": 17, "mult_proc": 18, "bilat_surg": 19, "asst_surg": 20, "co_surg": 21, "team_surg": 22,
    "endo_base": 23, "cf": 24, "phys_diag_pro": 25, "diag_img_fam": 27,
}  # fmt: skip
_MPFS_TABLES: tuple[Kind, ...] = ("mpfs_indicators", "mpfs_rvu")

# The columns of add-on files, which their text does not name, and their widths there.
_AOC_NAMES = [
    "AOC_Edit_Type",
    "Add-On_Code",
    "AOC_DelDT",
    "Primary_Code",
    "Primary_Code_DelDT",
    "AOC_Edit_EffDT",
    "AOC_Edit_DelDT",
    "Special_Instruction_Notes",
]
_AOC_FIELDS = (
    "[123]",
    "[0-9A-Z][0-9]{3}[0-9A-Z]",
    r"(?:\d{7}|\s{7})",
    "(?:[0-9A-Z][0-9]{3}[0-9A-Z]|CCCCC)",
    r"(?:\d{7}|\s{7})",
    r"\d{7}",
    r"(?:\d{7}|\s{7})",
)
_AOC_LINE = re.compile(r"[123] {0,8}[0-9A-Z][0-9]{3}[0-9A-Z][ \d]")
_GAPS = range(9)  # blanks between the fields
_EXCEL_DAYS = range(20_000, 80_000)  # in the years 1954 to 2119

# What the names of files tell: pairs are ccipra-v302r0-f1 (32.2 is July 2026), limits
# MCR_MUE_PractitionerServices_Eff_07-01-2024, add-on codes AOC_V2024Q2-MCR.
_PTP_NAME = re.compile(
    r"cci(?P<who>pra|oph)-?v(?P<year>\d\d)(?P<quarter>[0-3])r\d+(?:-?f(?P<part>\d+))?", re.I
)
_MUE_NAME = re.compile(
    r"MUE_(?P<who>Practitioner|OutpatientHospital|DME)\w*?Eff[_-](?P<month>\d\d)-(?P<day>\d\d)-(?P<year>\d{4})",
    re.I,
)
_AOC_NAME = re.compile(r"AOC_V(?P<year>\d{4})Q(?P<quarter>[1-4])", re.I)
_SETTINGS: dict[str, Setting] = {
    "pra": "practitioner",
    "practitioner": "practitioner",
    "oph": "outpatient_hospital",
    "outpatienthospital": "outpatient_hospital",
}
_FIRST_VERSION = 1994  # pairs of version 1.0 would be of this year


@dataclass(frozen=True, slots=True)
class Change:
    """A row that two editions do not share: added, removed, or with another value."""

    key: Row
    before: Row | None
    after: Row | None


class _Mark(NamedTuple):
    """What the name of a file tells: the first day of its quarter, for whom it is, which part it is."""

    quarter: date | None = None
    setting: Setting | None = None
    number: int | None = None


def read_published(
    paths: Sequence[Path],
    kind: PublishedKind,
    edition: date,
    setting: Setting | None,
    tables: Tables,
    *,
    complete: bool = True,
) -> list[Table]:
    """The tables in the files of one edition, which CMS may part; two in one of the fee schedule.

    Parameters
    ----------
    paths
        The files: text, workbooks, or the zips in which they are published.
    kind
        What they hold.
    edition
        The day from which it holds. Rows that are not active on that day are left out.
    setting
        For whom they are, where neither files nor their names say it.
    tables
        The editions there are: they say which codes belong to the family.
    complete
        Limits without one of the closure's own codes are an error.

    Raises
    ------
    TableError
        What cannot be read, with file and line.
    """
    stored: tuple[Kind, ...] = _MPFS_TABLES if kind == "mpfs" else (kind,)
    rows: dict[Kind, dict[Row, Row]] = {name: {} for name in stored}
    families = {name: _family(name, tables) for name in stored}
    marks: dict[str, _Mark] = {}
    names: list[str] = []
    for part, lines in _fitting(paths, kind, set().union(*families.values())):
        marks[part.where] = mark = _mark(part.name)
        _check_marks(marks, edition)
        names.append(part.name)
        setting = _setting(part.where, kind, setting, mark, lines)
        for name in stored:
            records = _rows(part.where, lines, kind, name, edition, setting)
            kept = ((line, row) for line, row in records if _belongs(name, row, families[name]))
            for key, row in checked_rows(part.where, name, setting, kept).items():
                if rows[name].setdefault(key, row) != row:
                    problem = f"{' with '.join(key)} stands in two files, with different values"
                    raise TableError("T009", part.where, problem, "give the files of one edition")
    where = ", ".join(map(str, paths))
    _check_parts(where, marks.values())
    for name in stored:
        _check_content(where, name, rows[name], tables, complete)
    source = f"CMS, imported from {', '.join(dict.fromkeys(names))}"
    return [Table(name, setting, edition, source, True, rows[name]) for name in stored]


def _fitting(
    paths: Sequence[Path], kind: PublishedKind, family: set[str]
) -> Iterator[tuple[Part, list[Line]]]:
    """Each table with its first lines and those of the family; a sheet beside others may hold none."""
    for path in paths:
        unfit: TableError | None = None
        fits = False
        for part in parts(path):
            lines = list(_kept(_named(part) if kind == "aoc" else part.lines, family))
            if part.beside and not _is_stored(lines, kind):
                try:
                    _columns(part.where, lines, kind)
                except TableError as error:
                    unfit = unfit or error
                    continue
            fits = True
            yield part, lines
        if unfit and not fits:
            raise unfit


def _kept(lines: Iterator[Line], family: set[str]) -> Iterator[Line]:
    """The first lines, behind them those with a code of the family, and the last one, which may be cut."""
    last: Line | None = None
    for count, (number, cells) in enumerate(lines):
        last = (number, cells)
        if count < _HEAD or not family.isdisjoint(cells[:4]):
            yield last
            last = None
    if last:
        yield last


def _is_stored(lines: list[Line], kind: PublishedKind) -> bool:
    """Whether a file has the form in which tables are stored here."""
    return kind != "mpfs" and bool(lines) and lines[0][1] == list(SCHEMAS[kind].columns)


# -- names of files ----------------------------------------------------------------------


def _mark(name: str) -> _Mark:
    """What the name of a file tells.

    Examples
    --------
    >>> mark = _mark("ccipra-v302r0-f3.TXT")
    >>> str(mark.quarter), mark.setting, mark.number
    ('2024-07-01', 'practitioner', 3)
    >>> mark = _mark("MCR_MUE_OutpatientHospitalServices_Eff_10-01-2024.xlsx")
    >>> str(mark.quarter), mark.setting
    ('2024-10-01', 'outpatient_hospital')
    """
    if found := _PTP_NAME.search(name):
        day = date(_FIRST_VERSION + int(found["year"]), int(found["quarter"]) * 3 + 1, 1)
        return _Mark(day, _SETTINGS[found["who"].lower()], int(found["part"]) if found["part"] else None)
    if found := _MUE_NAME.search(name):
        first = (int(found["month"]) - 1) // 3 * 3 + 1
        quarter = date(int(found["year"]), first, 1) if 1 <= first <= 10 else None
        return _Mark(quarter, _SETTINGS.get(found["who"].lower()))
    if found := _AOC_NAME.search(name):
        return _Mark(date(int(found["year"]), int(found["quarter"]) * 3 - 2, 1))
    return _Mark()


def _check_marks(marks: dict[str, _Mark], edition: date) -> None:
    """Whether the names of the files tell of one edition, the one that the user means."""
    *_, (where, mark) = marks.items()
    told = {str(other.quarter) for other in marks.values() if other.quarter}
    if len(told) > 1:
        problem = f"the names of the files tell of several editions: {', '.join(sorted(told))}"
        raise TableError("T012", where, problem, "give the files of one edition")
    if mark.quarter and mark.quarter != date(edition.year, (edition.month - 1) // 3 * 3 + 1, 1):
        problem = f"by its name it is of the quarter from {mark.quarter}, and the edition is {edition}"
        raise TableError("T012", where, problem, "correct --edition, or the name of the file if it is wrong")


def _check_parts(where: str, marks: Iterable[_Mark]) -> None:
    """Whether the files are all up to the last one that is given."""
    numbers = {mark.number for mark in marks if mark.number}
    missing = [str(number) for number in range(1, max(numbers, default=0)) if number not in numbers]
    if missing:
        problem = f"by their names part {', '.join(missing)} of the files is missing"
        raise TableError("T013", where, problem, "give all files of the edition at once")


def _check_content(where: str, name: Kind, rows: dict[Row, Row], tables: Tables, complete: bool) -> None:
    if not rows:
        problem = "no line of it is about this code family"
        raise TableError("T005", where, problem, "check that it is every file of that day")
    closures = {code for code, use in tables.uses.items() if use == "closure"}
    missing = sorted(closures - {key[0] for key in rows})
    if name == "mue" and missing and complete:
        problem = f"it has no line about {', '.join(missing)}"
        remedy = "get the file again, it may be cut; if CMS has dropped the code, give --force"
        raise TableError("T005", where, problem, remedy)


# -- add-on codes as text ----------------------------------------------------------------


def _named(part: Part) -> Iterator[Line]:
    """The lines of an add-on file, under the names of its columns: its text has none."""
    first = next((line for line in part.text.splitlines() if _AOC_LINE.match(line)), "") if part.text else ""
    if part.text and first:
        yield from _fixed(part.where, part.text)
        return
    named = False
    for number, cells in part.lines:
        named = named or any("addoncode" in _plain(cell) for cell in cells)
        named = named or cells == list(SCHEMAS["aoc"].columns)
        if not named and cells[0] in ("1", "2", "3") and len(cells) >= len(_AOC_NAMES) - 1:
            named = True
            yield 0, _AOC_NAMES
        yield number, cells


def _fixed(where: str, text: str) -> Iterator[Line]:
    """The lines of a file of fixed width; how many blanks part its fields is seen from the lines."""
    lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    begin = next(at for at, (_, line) in enumerate(lines) if _AOC_LINE.match(line))
    lines = lines[begin:]
    width = max(len(line) for _, line in lines)
    forms = [re.compile((" " * gap).join(f"({field})" for field in _AOC_FIELDS) + "(.*)") for gap in _GAPS]
    count, form = max(
        ((sum(bool(form.match(line.ljust(width))) for _, line in lines), form) for form in forms),
        key=lambda one: one[0],
    )
    if count * 2 <= len(lines):
        problem = "the fields of this text are not where those of add-on codes are expected"
        raise TableError("T003", where, problem, "import the workbook (.xlsx) that CMS publishes beside it")
    yield 0, _AOC_NAMES
    for number, line in lines:
        found = form.match(line.ljust(width))
        if found is None:
            problem = "not a line of add-on codes, or cut"
            raise TableError("T004", f"{where}:{number}", problem, "get the file again")
        yield number, [cell.strip() for cell in found.groups()]


# -- rows --------------------------------------------------------------------------------


def _rows(
    where: str, lines: list[Line], kind: PublishedKind, name: Kind, edition: date, setting: Setting | None
) -> Iterator[tuple[int, Row]]:
    """The rows of a file in the form in which they are stored."""
    if kind == "mpfs":
        return _fees(where, lines, name)
    if _is_stored(lines, kind):
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


def _setting(
    where: str, kind: PublishedKind, given: Setting | None, mark: _Mark, lines: list[Line]
) -> Setting | None:
    """For whom a file is, as it, its name and the user tell."""
    if kind in ("aoc", "mpfs"):
        if given is not None:
            problem = f"a table of kind {kind} is for both settings"
            raise TableError("T006", where, problem, "leave --setting out")
        return None
    head = " ".join(_plain(cell) for _, row in lines[:_HEAD] for cell in row) if kind == "mue" else ""
    if "dmesupplier" in head:
        problem = "it is for suppliers of equipment"
        raise TableError("T006", where, problem, "give that of practitioners or of outpatient hospitals")
    told: set[Setting] = {mark.setting} if mark.setting else set()
    if "outpatienthospital" in head or "facilityoutpatient" in head:
        told.add("outpatient_hospital")
    elif "practitioner" in head:
        told.add("practitioner")
    if len(told) > 1:
        raise TableError(
            "T006", where, "its name says that it is for others than its columns", "get it again"
        )
    if given and told and given not in told:
        problem = f"the file says that it is for {next(iter(told))}"
        raise TableError("T006", where, problem, "correct --setting, and give files of one setting")
    if not (given or told):
        problem = "the file does not say for whom it is"
        raise TableError("T006", where, problem, "give --setting practitioner or outpatient_hospital")
    return given or told.pop()


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


def _columns(where: str, lines: list[Line], kind: PublishedKind) -> tuple[dict[str, int], int]:
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
    return _code(cells[0]) if cells and len([cell for cell in row if cell]) > 2 else ""


def _code(cell: str) -> str:
    """A code; of one that a spreadsheet took for a number, with the zeros that it lost.

    Examples
    --------
    >>> _code("100"), _code("93592"), _code("*")
    ('00100', '93592', '*')
    """
    return cell.zfill(5) if cell.isascii() and cell.isdigit() and 3 <= len(cell) < 5 else cell


def _cells(where: str, lines: list[Line], kind: PublishedKind) -> Iterator[tuple[int, dict[str, str]]]:
    """The lines of the table by the names of their columns; a remark of one cell is none of them."""
    columns, begin = _columns(where, lines, kind)
    for line, row in lines[begin:]:
        if len(row) <= max(columns.values()):
            if len([cell for cell in row if cell]) == 1 and not _PIECE.fullmatch(row[0]):
                continue
            problem = f"{len(row)} columns where {max(columns.values()) + 1} are needed"
            raise TableError("T004", f"{where}:{line}", problem, "get the file again")
        yield line, {role: _code(row[at]) if role in _CODES else row[at] for role, at in columns.items()}


def _ptp(where: str, lines: list[Line], edition: date, setting: Setting | None) -> Iterator[tuple[int, Row]]:
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


def _mue(where: str, lines: list[Line], edition: date, setting: Setting | None) -> Iterator[tuple[int, Row]]:
    service = "Practitioner" if setting == "practitioner" else "Outpatient Hospital"
    for line, cells in _cells(where, lines, "mue"):
        yield line, (cells["code"], cells["units"], cells["mai"][:1], cells["rationale"], service)


def _aoc(where: str, lines: list[Line], edition: date, setting: Setting | None) -> Iterator[tuple[int, Row]]:
    for line, cells in _cells(where, lines, "aoc"):
        place = f"{where}:{line}"
        deleted = [cells[name] for name in ("deletion", "add_on_deleted", "primary_deleted")]
        if all(_active(place, cells["effective"], day, edition) for day in deleted):
            yield line, (cells["add_on_code"], cells["primary_code"], cells["type"])


_READ = {"ptp": _ptp, "mue": _mue, "aoc": _aoc}


def _fees(where: str, lines: list[Line], kind: Kind) -> Iterator[tuple[int, Row]]:
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
    """A day as CMS or a spreadsheet writes it, or nothing, ``*``, zeros or nines for none.

    Examples
    --------
    >>> days = ("20240701", "2024183", "45474", "7/1/2024", "*", "0000000")
    >>> [str(_day("", day)) for day in days]  # 2024183: the day of the year; 45474: a day counted from 1900
    ['2024-07-01', '2024-07-01', '2024-07-01', '2024-07-01', 'None', 'None']
    """
    if text in ("", "*", "9999365") or not text.strip("0") or (len(text) > 6 and not text.strip("9")):
        return None
    if text.isascii() and text.isdigit() and len(text) == 5 and int(text) in _EXCEL_DAYS:
        return date(1899, 12, 30) + timedelta(int(text))
    try:
        if re.fullmatch(r"\d{8}", text):
            return date(int(text[:4]), int(text[4:6]), int(text[6:]))
        if re.fullmatch(r"\d{7}", text) and 1 <= int(text[4:]) <= 366:
            return date(int(text[:4]), 1, 1) + timedelta(int(text[4:]) - 1)
    except ValueError:
        pass
    written = None if text.isdigit() else parse_date(text)
    if written is not None:
        return written
    raise TableError("T004", where, f"{text[:20]!r} is no day", "get the file again")


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "", name).casefold()
