"""Tables: dated editions of the payer's tables, shipped and the user's own.

A table is a CSV file in a folder named by its edition: ``cms/2024-07-01/mue_practitioner.csv``.
The shipped ones are in ``patterns/cms``; those a user has imported are in the data folder
(``PVL_DATA``, else ``$XDG_DATA_HOME/pvl``, else ``~/.local/share/pvl``).
"""

from __future__ import annotations

import csv
import hashlib
import io
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Literal, NamedTuple

from extractor.errors import TableError

Kind = Literal["ptp", "mue", "aoc", "mpfs_indicators", "mpfs_rvu"]
Setting = Literal["practitioner", "outpatient_hospital"]

SETTINGS: tuple[Setting, ...] = ("practitioner", "outpatient_hospital")
"""Who claims: the physician, or the hospital for an outpatient."""

_CODE = r"[0-9A-Z][0-9]{3}[0-9A-Z]"
_SETTING = "|".join(SETTINGS)
_NUMBER = r"\d+(?:\.\d+)?"
_ANY = r"[^\r\n]*"


class Schema(NamedTuple):
    """What a file of a kind holds: a pattern for each column; the first ``key`` columns name a row."""

    columns: dict[str, str]
    key: tuple[str, ...]


_INDICATORS = [
    "pctc", "glob", "pre_op", "intra_op", "post_op", "mult_proc", "bilat_surg", "asst_surg", "co_surg",
    "team_surg", "endo_base", "phys_diag_pro", "diag_img_fam", "non_na", "fac_na", "not_used_mcr",
]  # fmt: skip
SCHEMAS: dict[Kind, Schema] = {
    "ptp": Schema(
        {
            "setting": _SETTING, "column_1": _CODE, "column_2": _CODE, "modifier_indicator": "[019]",
            "rationale": _ANY,
        },
        ("column_1", "column_2"),
    ),
    "mue": Schema(
        {
            "hcpcs_code": _CODE, "mue_units": r"\d{1,5}", "mue_mai": "[123]", "mue_rationale": _ANY,
            "mue_service": "Practitioner|Outpatient Hospital",
        },
        ("hcpcs_code",),
    ),
    "aoc": Schema(
        {"add_on_code": _CODE, "primary_code": rf"{_CODE}|CCCCC", "aoc_edit_type": "[123]"},
        ("add_on_code", "primary_code"),
    ),
    "mpfs_indicators": Schema(
        {"hcpcs_code": _CODE, "mod": "[0-9A-Z]{0,2}", "status": "[A-Z]", **dict.fromkeys(_INDICATORS, _ANY)},
        ("hcpcs_code", "mod"),
    ),
    "mpfs_rvu": Schema(
        {
            "hcpcs_code": _CODE, "mod": "[0-9A-Z]{0,2}",
            **dict.fromkeys(("rvu_work", "rvu_fac_pe", "rvu_mp", "rvu_fac_sum", "cf"), _NUMBER),
        },
        ("hcpcs_code", "mod"),
    ),
}  # fmt: skip
"""The columns of each kind of table, as it is stored."""

_BY_SETTING: tuple[Kind, ...] = ("ptp", "mue")
_SOURCES = "sources.csv"

Row = tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """One edition of one table.

    Attributes
    ----------
    kind
        ``ptp`` pairs, ``mue`` units per day, ``aoc`` add-on codes, ``mpfs_...`` fee schedule.
    setting
        Who claims; ``None`` where the table is for both.
    edition
        The day from which it holds.
    source
        Where its numbers come from.
    own
        Whether the user imported it.
    rows
        Its rows by the codes that name them.
    """

    kind: Kind
    setting: Setting | None
    edition: date
    source: str
    own: bool
    rows: dict[Row, Row]

    @property
    def until(self) -> date:
        """The first day for which another edition is to be expected.

        Pairs, units and fees change with the quarter, add-on codes with the year.

        Examples
        --------
        >>> Table("mue", "practitioner", date(2024, 7, 1), "", False, {}).until
        datetime.date(2024, 10, 1)
        >>> Table("aoc", None, date(2024, 6, 3), "", False, {}).until
        datetime.date(2025, 1, 1)
        """
        month = 13 if self.kind == "aoc" else (self.edition.month - 1) // 3 * 3 + 4
        return date(self.edition.year + (month > 12), month - 12 if month > 12 else month, 1)

    @property
    def file(self) -> str:
        """The name of its file."""
        return file_of(self.kind, self.setting)


def file_of(kind: Kind, setting: Setting | None) -> str:
    """The name of the file of a table.

    Examples
    --------
    >>> file_of("mue", "practitioner")
    'mue_practitioner.csv'
    """
    return f"{kind}_{setting}.csv" if setting else f"{kind}.csv"


_FILES: dict[str, tuple[Kind, Setting | None]] = {
    file_of(kind, setting): (kind, setting)
    for kind in SCHEMAS
    for setting in (SETTINGS if kind in _BY_SETTING else (None,))
}


@dataclass(frozen=True)
class Tables:
    """Every edition there is, and what the edits need to know of codes and notes.

    Attributes
    ----------
    editions
        The tables, by kind, setting and edition, the oldest edition first.
    uses
        What a code stands for: ``closure``, ``companion``, ``valve`` or ``clip`` (implanted
        in the same session).
    labels
        How letterheads call the date of service.
    version
        A hash of all of it.
    operators
        How letterheads call who did the procedure.
    """

    editions: tuple[Table, ...]
    uses: dict[str, str]
    labels: tuple[str, ...]
    version: str
    operators: tuple[str, ...] = ()

    def of(self, kind: Kind, setting: Setting | None = None) -> list[Table]:
        """The editions of a table, the oldest first."""
        return [t for t in self.editions if t.kind == kind and t.setting == setting]

    def in_force(self, kind: Kind, setting: Setting | None, day: date | None) -> Table | None:
        """The edition in force on a day: the newest one that is not later.

        Without a day the newest of all; before the first edition, the first.

        Examples
        --------
        >>> table = load_tables(own=None).in_force("mue", "practitioner", date(2024, 8, 12))
        >>> str(table.edition), table.rows["93592",][1]
        ('2024-07-01', '2')
        """
        found = self.of(kind, setting)
        earlier = [table for table in found if day is None or table.edition <= day]
        return earlier[-1] if earlier else next(iter(found), None)


def shipped_dir() -> Path:
    """Folder of the tables that come with the program."""
    from extractor.rules import patterns_dir

    return patterns_dir() / "cms"


def data_dir() -> Path:
    """The user's data folder."""
    if named := os.environ.get("PVL_DATA"):
        return Path(named)
    base = os.environ.get("XDG_DATA_HOME") or os.path.join("~", ".local", "share")
    return Path(base).expanduser() / "pvl"


def own_dir() -> Path:
    """Folder of the tables that the user imported."""
    return data_dir() / "cms"


_OWN = Path()  # stands for the folder of this user


def load_tables(own: Path | None = _OWN) -> Tables:
    """Read and check every edition: those shipped, and those of the user, which go before them.

    Parameters
    ----------
    own
        Folder of the user's tables; by default that of the data folder, ``None`` for none.

    Raises
    ------
    TableError
        Naming file and line of the first thing that is wrong.

    Examples
    --------
    >>> tables = load_tables(own=None)
    >>> [str(table.edition) for table in tables.of("ptp", "practitioner")]
    ['2024-07-01']
    """
    folders = (shipped_dir(), own_dir() if own is _OWN else own)
    files = tuple(path for folder in folders if folder is not None for path in _files(folder))
    return _load(folders[1], tuple((path, _stamp(path)) for path in files))


def _files(folder: Path) -> list[Path]:
    return sorted([*folder.glob("*.csv"), *folder.glob("????-??-??/*.csv")]) if folder.is_dir() else []


def _stamp(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_mtime_ns, status.st_size


@lru_cache(maxsize=4)
def _load(own: Path | None, files: tuple[tuple[Path, tuple[int, int]], ...]) -> Tables:
    digest = hashlib.sha256()
    found: dict[tuple[Kind, Setting | None, date], Table] = {}
    plain: dict[str, list[Row]] = {}
    for path, _ in files:
        data = read_bytes(path)
        digest.update(
            f"{path.parent.name}/{path.name}".encode() + b"\0" + data.replace(b"\r\n", b"\n") + b"\0"
        )
        mine = own is not None and path.is_relative_to(own)
        if path.parent in (shipped_dir(), own):
            if not mine:
                plain[path.name] = [row for _, row in _records(path, data)][1:]
        elif path.name != _SOURCES:
            table = _table(path, data, mine)
            found[table.kind, table.setting, table.edition] = table
    order = sorted(
        found.values(), key=lambda t: (t.kind, SETTINGS.index(t.setting or "practitioner"), t.edition)
    )
    uses = {row[0]: row[1] for row in plain["codes.csv"]}
    labels = tuple(row[0] for row in plain["service_date.csv"])
    operators = tuple(row[0] for row in plain["operator.csv"])
    return Tables(tuple(order), uses, labels, digest.hexdigest()[:12], operators)


def _table(path: Path, data: bytes, own: bool) -> Table:
    """A stored table; its source stands beside it."""
    if path.name not in _FILES:
        raise TableError("T008", str(path), "not a table that is known here", "move it out of this folder")
    kind, setting = _FILES[path.name]
    records = _records(path, data)
    columns = list(SCHEMAS[kind].columns)
    if next(records, (0, ()))[1] != tuple(columns):
        problem = f"the first line does not name the columns {', '.join(columns)}"
        raise TableError("T003", str(path), problem, "import the file that CMS publishes once more")
    rows = checked_rows(str(path), kind, setting, records)
    return Table(kind, setting, edition_of(path.parent.name, str(path)), _source(path), own, rows)


def checked_rows(
    where: str, kind: Kind, setting: Setting | None, records: Iterator[tuple[int, Row]]
) -> dict[Row, Row]:
    """Rows by their key, each checked against the schema of its kind.

    Parameters
    ----------
    where
        The file, for messages.
    kind, setting
        What the rows are.
    records
        Line numbers and cells, in the order of the schema.

    Raises
    ------
    TableError
        A cell that cannot be what its column holds, or codes that come twice with other values.
    """
    schema = SCHEMAS[kind]
    patterns = [(name, re.compile(pattern)) for name, pattern in schema.columns.items()]
    at = [list(schema.columns).index(name) for name in schema.key]
    rows: dict[Row, Row] = {}
    service = {"practitioner": "Practitioner", "outpatient_hospital": "Outpatient Hospital"}
    for line, row in records:
        place = f"{where}:{line}"
        if len(row) != len(patterns):
            problem = f"{len(row)} columns where {len(patterns)} are needed"
            raise TableError("T004", place, problem, "correct the line, or import the file again")
        for cell, (name, pattern) in zip(row, patterns, strict=True):
            other = (name == "setting" and cell != setting) or (
                name == "mue_service" and setting is not None and cell != service[setting]
            )
            if other or not pattern.fullmatch(cell):
                problem = f"{cell[:20]!r} cannot stand in column {name}"
                raise TableError("T004", place, problem, "correct the line, or import the file again")
        key = tuple(row[i] for i in at)
        if rows.setdefault(key, row) != row:
            problem = f"{' with '.join(key)} comes twice, with different values"
            raise TableError("T009", place, problem, "keep one of the two lines")
    return rows


def edition_of(text: str, where: str = "--edition") -> date:
    """The day that names an edition.

    Examples
    --------
    >>> edition_of("2024-07-01")
    datetime.date(2024, 7, 1)
    """
    try:
        if not re.fullmatch(r"\d{4}-\d\d-\d\d", text):
            raise ValueError
        return date.fromisoformat(text)
    except ValueError:
        problem = f"{text[:40]!r} is no day"
        raise TableError("T007", where, problem, "write the edition like 2024-07-01") from None


def read_bytes(path: Path) -> bytes:
    """What a file holds."""
    try:
        return path.read_bytes()
    except OSError as error:
        problem = f"cannot be read ({error.strerror or type(error).__name__})"
        raise TableError("T001", str(path), problem, "check the path, and that you may read it") from None


def _records(path: Path, data: bytes) -> Iterator[tuple[int, Row]]:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise TableError("T002", str(path), "not text in UTF-8", "import the file again") from None
    lines = csv.reader(io.StringIO(text, newline=""))
    for row in lines:
        if row:
            yield lines.line_num, tuple(row)


def _source(path: Path) -> str:
    beside = path.parent / _SOURCES
    if not beside.is_file():
        return ""
    rows = (row for _, row in _records(beside, read_bytes(beside)))
    return next((row[1] for row in rows if len(row) > 1 and row[0] == path.name), "")


def store(table: Table, folder: Path) -> Path:
    """Write a table into a folder of editions, with its source beside it, and give its path.

    Raises
    ------
    TableError
        The folder cannot be written.
    """
    target = folder / table.edition.isoformat()
    beside = target / _SOURCES
    try:
        target.mkdir(parents=True, exist_ok=True)
        _write(target / table.file, [tuple(SCHEMAS[table.kind].columns), *table.rows.values()])
        known = {"file": "source"}
        if beside.exists():
            known |= {row[0]: row[1] for _, row in _records(beside, read_bytes(beside)) if len(row) == 2}
        known[table.file] = table.source
        _write(beside, list(known.items()))
    except OSError as error:
        problem = f"cannot be written ({error.strerror or type(error).__name__})"
        raise TableError("T011", str(target), problem, "name another folder in PVL_DATA") from None
    return target / table.file


def _write(path: Path, rows: list[Row]) -> None:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    part.write_text(text.getvalue(), encoding="utf-8", newline="")
    os.replace(part, path)
