"""Published files: workbooks, zips and text of fixed width become the table that plain text becomes."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook
from typer.testing import CliRunner

from extractor import unpacked
from extractor.cli import app
from extractor.tables import Row, load_tables

Rows = Iterable[Sequence[object]]
COPYRIGHT = "CPT only copyright. All rights reserved. Fee schedules are not assigned by the owner."

MUE_HEAD: Rows = [
    [COPYRIGHT],
    ["HCPCS/\nCPT Code", "Practitioner Services MUE Values", "MUE Adjudication Indicator", "MUE Rationale"],
]
MUE: Rows = [
    *MUE_HEAD,
    [100, 1, "2 Date of Service Edit: Policy", "Nature of Service/Procedure"],  # 00100, taken for a number
    ["0001A", 1, "1 Line Edit", "Clinical: Data"],
    [93590, 1, "2 Date of Service Edit: Policy", "Code Descriptor / CPT Instruction"],
    ["93591", "1", "2 Date of Service Edit: Policy", "Code Descriptor / CPT Instruction"],
    [93592.0, 4.0, "3 Date of Service Edit: Clinical", "Clinical: Data"],
]
MUE_ROWS = {
    ("93590",): ("93590", "1", "2", "Code Descriptor / CPT Instruction", "Practitioner"),
    ("93591",): ("93591", "1", "2", "Code Descriptor / CPT Instruction", "Practitioner"),
    ("93592",): ("93592", "4", "3", "Clinical: Data", "Practitioner"),
}
WHY = "Misuse of Column Two code with Column One code"
PTP_HEAD: Rows = [
    [COPYRIGHT],
    ["Column1/Column 2 Edits"],
    ["Column 1", "Column 2", "*=in existence", "Effective", "Deletion", "Modifier", "PTP Edit Rationale"],
    [None, None, "prior to 1996", "Date", "Date", "0=not allowed"],
    [None, None, None, None, "*=no data", "1=allowed"],
    [None, None, None, None, None, "9=not applicable"],
]
PTP: Rows = [
    *PTP_HEAD,
    [100, "93590", "*", 19960101, "*", 1, WHY],
    [10004, 10012, None, 20190101, "*", 1, WHY],
    [93590, 93591, None, 20170101, "*", 0, WHY],
    ["93590", "93462", None, date(2017, 1, 1), datetime(2024, 9, 30), "1", WHY],
    ["93591", "93462", None, 45566, "*", 1, WHY],  # 2024-10-01 as a spreadsheet counts
    ["93592", "93452", None, date(2025, 1, 1), "*", 1, WHY],
]
PTP_PAIRS = {("00100", "93590"): "1", ("93590", "93591"): "0", ("93591", "93462"): "1"}
AOC_NAMES = [
    "AOC_Edit_Type", "Add-On_Code", "AOC_DelDT", "Primary_Code", "Primary_Code_DelDT", "AOC_Edit_EffDT",
    "AOC_Edit_DelDT", "Special_Instruction_Notes",
]  # fmt: skip
AOC_DATA: list[list[object]] = [
    [1, "93592", None, "93590", None, 2017001, None, None],
    [1, "93592", None, "93591", None, 2017001, None, None],
    [1, "93462", None, "93590", None, 2017001, 2024366, None],  # until the end of 2024
    [1, "93462", None, "93591", None, 2017001, None, '("Except, as noted")'],
    [2, "0001T", 2023001, "CCCCC", None, 2013091, None, "Contractor Defined Primary Codes"],
    [1, "99999", None, "99998", 2022001, 2017001, None, None],
]
AOC_PAIRS = {("93592", "93590"), ("93592", "93591"), ("93462", "93591")}


def sheet(*tables: tuple[str, Rows], hide: str = "") -> bytes:
    """A workbook with these sheets."""
    book = Workbook()
    book.remove(book.active)
    for name, rows in tables:
        one = book.create_sheet(name)
        for row in rows:
            one.append(list(row))
        if name == hide:
            one.sheet_state = "hidden"
    data = io.BytesIO()
    book.save(data)
    return data.getvalue()


def text(rows: Rows, delimiter: str = "\t") -> bytes:
    """The same as text; dates as CMS writes them there."""

    def cell(value: object) -> str:
        if isinstance(value, date):
            return value.strftime("%Y%m%d")
        if isinstance(value, float):
            value = int(value)
        plain = "" if value is None else str(value)
        return f'"{plain.replace(chr(34), chr(34) * 2)}"' if any(c in plain for c in '",\n') else plain

    return "".join(delimiter.join(map(cell, row)) + "\r\n" for row in rows).encode()


def fixed(rows: Iterable[Sequence[object]], gap: int = 0) -> bytes:
    """Add-on codes in fields of fixed width."""
    widths = (1, 5, 7, 5, 7, 7, 7, 0)
    lines = (
        (" " * gap).join(f"{'' if v is None else v!s:{w}}" for v, w in zip(row, widths, strict=True))
        for row in rows
    )
    return "".join(line.rstrip() + "\r\n" for line in lines).encode()


def packed(*files: tuple[str, bytes]) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files:
            archive.writestr(name, content)
    return data.getvalue()


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PVL_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


@pytest.fixture
def bring(tmp_path: Path) -> Callable[..., tuple[int, str]]:
    def run(
        kind: str, *files: tuple[str, bytes], edition: str = "2024-10-01", more: Sequence[str] = ()
    ) -> Any:
        """Import files; exit status and what was printed."""
        for name, content in files:
            (tmp_path / name).write_bytes(content)
        paths = [str(tmp_path / name) for name, _ in files]
        result = CliRunner().invoke(
            app, ["tables", "import", *paths, "--kind", kind, "--edition", edition, *more]
        )
        return result.exit_code, result.output

    return run


def stored(kind: Any, setting: Any = None) -> dict[Row, Row]:
    (table,) = [t for t in load_tables().of(kind, setting) if t.own]
    return table.rows


# -- forms of one table ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("mue.csv", text(MUE, ",")),
        ("mue.txt", text(MUE)),
        ("mue.xlsx", sheet(("MUE", MUE))),
        ("named-otherwise", sheet(("MUE", MUE))),
        ("mue-unicode.txt", text(MUE).decode().encode("utf-16")),
        ("mue.zip", packed(("MCR_MUE_PractitionerServices_Eff_10-01-2024.csv", text(MUE, ",")))),
        (
            "mue.zip",
            packed(("a/MUE.xlsx", sheet(("MUE", MUE))), ("a/MUE.txt", b"x\0"), ("Read me.pdf", b"%PDF")),
        ),
        ("mue.xlsx", sheet(("About", [["Remark", "Date"], ["None", "today"]]), ("MUE", MUE))),
        ("mue.xlsx", sheet(("MUE", MUE), ("Old", [[1, 2, 3]]), hide="Old")),
    ],
)
def test_published_limits_are_the_same_in_every_form(name: str, content: bytes, bring: Any) -> None:
    code, out = bring("mue", (name, content))
    assert code == 0, out
    assert stored("mue", "practitioner") == MUE_ROWS


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("ptp.txt", text(PTP)),
        ("ptp.xlsx", sheet(("PTP", PTP))),
        (
            "ptp.zip",
            packed(("ccipra-v303r0-f1.TXT", text(PTP)), ("ccipra-v303r0-f1.xlsx", sheet(("PTP", PTP)))),
        ),
    ],
)
def test_published_pairs_are_the_same_in_every_form(name: str, content: bytes, bring: Any) -> None:
    """Dates are figures, date cells, or days as a spreadsheet counts; 00100 keeps its zeros."""
    code, out = bring("ptp", (name, content), more=("--setting", "practitioner"))
    assert code == 0, out
    assert {key: row[3] for key, row in stored("ptp", "practitioner").items()} == PTP_PAIRS


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("aoc.xlsx", sheet(("AOC", [[COPYRIGHT], AOC_NAMES, *AOC_DATA]))),
        ("aoc.csv", text([[COPYRIGHT], AOC_NAMES, *AOC_DATA], ",")),
        ("aoc-without-names.txt", text(AOC_DATA)),
        ("aoc-fixed.txt", fixed(AOC_DATA)),
        ("aoc-fixed-parted.txt", fixed(AOC_DATA, gap=1)),
        ("aoc-fixed-wide.txt", COPYRIGHT.encode() + b"\r\n\r\n" + fixed(AOC_DATA, gap=3)),
    ],
)
def test_published_add_on_codes_are_the_same_in_every_form(name: str, content: bytes, bring: Any) -> None:
    code, out = bring("aoc", (name, content), edition="2025-01-01")
    assert code == 0, out
    assert set(stored("aoc")) == AOC_PAIRS
    assert {row[2] for row in stored("aoc").values()} == {"1"}


def test_published_source_names_the_files(bring: Any, data: Path) -> None:
    name = "MCR_MUE_PractitionerServices_Eff_10-01-2024.csv"
    bring("mue", ("limits.zip", packed((name, text(MUE, ",")))))
    assert name in (data / "cms" / "2024-10-01" / "sources.csv").read_text()


def test_published_pairs_may_come_in_parts(bring: Any) -> None:
    lines = [list(row) for row in PTP][6:]
    files = [
        (f"ccipra-v303r0-f{n}.zip", packed((f"ccipra-v303r0-f{n}.txt", text([*PTP_HEAD, *lines[at:to]]))))
        for n, at, to in ((1, 0, 2), (2, 2, 4), (3, 4, 6))
    ]
    code, out = bring("ptp", *files)  # for whom they are, their names say
    assert code == 0, out
    assert set(stored("ptp", "practitioner")) == set(PTP_PAIRS)


# -- what is refused -------------------------------------------------------------------


def book(rows: Rows) -> list[tuple[str, bytes]]:
    return [("a.xlsx", sheet(("Table", rows)))]


def plain(rows: Rows, *names: str) -> list[tuple[str, bytes]]:
    return [(name, text(rows, ",")) for name in names or ["a.csv"]]


def archive(name: str, content: bytes) -> list[tuple[str, bytes]]:
    return [("a.zip", packed((name, content)))]


LOCKED = b"\xd0\xcf\x11\xe0" + b"\0" * 600
WHOM = "HCPCS/CPT Code,{} MUE Values,MUE Adjudication Indicator,MUE Rationale"
HOSPITAL = [WHOM.format("Outpatient Hospital Services").split(","), *list(MUE)[2:]]
SUPPLIER = [WHOM.format("DME Supplier Services").split(","), *list(MUE)[2:]]
PRACTITIONER = ("--setting", "practitioner")
OF_JULY = "by its name it is of the quarter from 2024-07-01"
MUE_NAME = "MCR_MUE_{}Services_Eff_{}-01-2024.csv"
PTP_NAME = "ccipra-v{}r0-f{}.txt"
OTHER_ORDER = [[row[0], row[2], row[1], *row[3:]] for row in AOC_DATA]
LAST_PAIR = [99999, 99998, None, 20170101, "*", 0, WHY]
NO_DAY = ["93592", "93451", None, "soon", "*", 1, WHY]
CUT_PTP, CUT_AOC = text([*PTP, LAST_PAIR]), fixed(AOC_DATA)

BAD: list[tuple[str, list[tuple[str, bytes]], Sequence[str], str]] = [
    # of a kind that is not read, or damaged
    ("mue", [("a.xls", LOCKED)], (), "[T002] {}: an Excel file of the old kind"),
    ("mue", [("a.xlsx", book(MUE)[0][1][:-60])], (), "[T002] {}: a zip or workbook that is cut or damaged"),
    ("mue", archive("b.zip", packed(("mue.csv", text(MUE, ",")))), (), "[T002] {}, b.zip: a zip in a zip"),
    ("mue", archive("b.txt", packed(("c.txt", b"x"))), (), "[T002] {}, b.txt: a zip in a zip"),
    ("mue", archive("b.pdf", b"%PDF"), (), "[T002] {}: no table in this zip"),
    ("mue", [("a.bin", b"\1\2\0\4" * 99)], (), "[T002] {}: no text, no workbook and no zip"),
    ("mue", book([]), (), "[T003] {}: the workbook holds no visible table"),
    # of another kind
    ("ptp", book(MUE), PRACTITIONER, "[T003] {}: no names of columns as in a file of kind ptp"),
    ("aoc", book(PTP), (), "[T003] {}: no names of columns as in a file of kind aoc"),
    (
        "mue", [("a.xlsx", sheet(("A", [["x", "y"]]), ("B", PTP)))], PRACTITIONER,
        "[T003] {}, sheet A: no names of columns",
    ),
    # for others
    ("mue", plain(HOSPITAL), PRACTITIONER, "[T006] {}: the file says that it is for outpatient_hospital"),
    ("mue", plain(SUPPLIER), (), "[T006] {}: it is for suppliers of equipment"),
    ("mue", [*plain(MUE), *plain(HOSPITAL, "b.csv")], (), "[T006] {}: the file says that it is for"),
    ("mue", plain(MUE, MUE_NAME.format("OutpatientHospital", "10")), (), "[T006] {}: its name says"),
    ("ptp", plain(PTP, "ccioph-v303r0-f1.txt"), PRACTITIONER, "[T006] {}: the file says that it is for outp"),
    # of another edition, or not all of it
    ("mue", plain(MUE, MUE_NAME.format("Practitioner", "07")), (), "[T012] {}: " + OF_JULY),
    ("ptp", plain(PTP, PTP_NAME.format(302, 1)), (), "[T012] {}: " + OF_JULY),
    (
        "ptp", plain(PTP, PTP_NAME.format(303, 1), PTP_NAME.format(310, 2)), (),
        "[T012] {}: the names of the files tell of several editions: 2024-10-01, 2025-01-01",
    ),
    ("aoc", plain([AOC_NAMES, *AOC_DATA], "AOC_V2024Q2-MCR.csv"), (), "[T012] {}: by its name"),
    ("ptp", plain(PTP, PTP_NAME.format(303, 1), PTP_NAME.format(303, 4)), (), "part 2, 3 of the"),
    ("mue", plain(list(MUE)[:-1]), (), "[T005] {}: it has no line about 93592"),
    # cut
    ("mue", [("a.csv", text([*MUE, ["99999", 1, "2 Date", "A, B"]], ",")[:-4])], (), "quote is not closed"),
    ("ptp", [("a.txt", CUT_PTP[:-64])], PRACTITIONER, "[T004] {}:13: 2 columns where 7 are needed"),
    ("ptp", [("a.txt", CUT_PTP[:-70])], PRACTITIONER, "[T004] {}:13: 1 columns where 7 are needed"),
    ("aoc", [("a.txt", CUT_AOC[:-30])], (), "[T004] {}:6: not a line of add-on codes, or cut"),
    ("aoc", [("a.txt", fixed(OTHER_ORDER))], (), "[T003] {}"),
    # cells that cannot be
    ("ptp", book([*PTP, NO_DAY]), PRACTITIONER, "[T004] {}:13: 'soon' is no day"),
    ("mue", book([*MUE_HEAD, [93592, 1.5, "3 Date", "x"]]), (), "[T004] {}:3: '1.5' cannot stand in column"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "files", "more", "message"), BAD)
def test_published_bad_file_is_one_message(
    kind: str,
    files: list[tuple[str, bytes]],
    more: Sequence[str],
    message: str,
    bring: Any,
    data: Path,
    tmp_path: Path,
) -> None:
    code, out = bring(kind, *files, more=more)
    assert code == 1
    assert message.format(tmp_path / files[-1][0]) in out
    assert len(out.splitlines()) == 1
    assert not data.exists()


def test_published_limits_without_a_code_can_be_forced(bring: Any) -> None:
    """A code that CMS has dropped must not stop all later editions."""
    assert bring("mue", ("mue.csv", text(list(MUE)[:-1], ",")), more=("--force",))[0] == 0
    assert set(stored("mue", "practitioner")) == {("93590",), ("93591",)}


def test_published_zip_that_unpacks_to_too_much(
    monkeypatch: pytest.MonkeyPatch, bring: Any, data: Path
) -> None:
    files = [("mue.csv", text(MUE, ",")), ("more.csv", b"0" * 100_000)]
    monkeypatch.setattr(unpacked, "_MOST_BYTES", 50_000)
    code, out = bring("mue", ("a.zip", packed(*files)))
    assert (code, "[T014]" in out, data.exists()) == (1, True, False)
    large = sheet(("MUE", [*MUE, *([str(n), 1, "2 x", "y"] for n in range(2_000))]))
    code, out = bring("mue", ("a.xlsx", large))
    assert (code, "[T014]" in out, data.exists()) == (1, True, False)


def test_published_zip_that_lies_about_its_size_is_damaged(bring: Any) -> None:
    """Nothing beyond the size that a file in a zip says is ever unpacked."""
    content = bytearray(packed(("mue.csv", b"0" * 100_000)))
    at = content.rindex(b"PK\x01\x02") + 24
    content[at : at + 4] = (10).to_bytes(4, "little")
    code, out = bring("mue", ("a.zip", bytes(content)))
    assert (code, "[T002]" in out) == (1, True)


def test_published_sheet_of_any_width_makes_no_room_for_it(bring: Any) -> None:
    """One cell far to the right would make a library fill the memory with empty ones."""
    wide = Workbook()
    for row in MUE:
        wide.active.append(list(row))
    wide.active["XFD1048576"] = "x"
    content = io.BytesIO()
    wide.save(content)
    code, out = bring("mue", ("a.xlsx", content.getvalue()))
    assert (code, "[T014]" in out) == (1, True)
