"""Tables: dated editions, shipped and imported, checked and compared."""

from __future__ import annotations

import csv
import json
from datetime import date
from pathlib import Path

import pytest
from typer.testing import CliRunner

from extractor.cli import app
from extractor.coder import Coder
from extractor.errors import TableError
from extractor.rules import patterns_dir
from extractor.tables import SCHEMAS, SETTINGS, Tables, data_dir, load_tables, own_dir, shipped_dir

CMS = patterns_dir() / "cms"
PRACTITIONER = ("--setting", "practitioner")
FOUR = "Aortic paravalvular leak closure. Four 8 mm AVP II plugs were deployed and released."

MUE = """\
"CPT only copyright. All rights reserved.",,,
HCPCS/CPT Code,Practitioner Services MUE Values,MUE Adjudication Indicator,MUE Rationale
0001A,1,3 Date of Service Edit: Clinical,Clinical: Data
93590,1,2 Date of Service Edit: Policy,Code Descriptor / CPT Instruction
93591,1,2 Date of Service Edit: Policy,Code Descriptor / CPT Instruction
93592,4,3 Date of Service Edit: Clinical,Clinical: Data
"""
PTP = (
    "CPT only copyright. All rights reserved.\n"
    "Column1/Column 2 Edits\t\t\t\t\t\n"
    "Column 1\tColumn 2\t*=in existence prior to 1996\tEffective Date\tDeletion Date *=no data\t"
    '"Modifier\n0=not allowed 1=allowed 9=not applicable"\tPTP Edit Rationale\n'
    "10004\t10012\t\t20190101\t*\t1\tMisuse of Column Two code with Column One code\n"
    "93590\t93591\t\t20170101\t*\t0\tMisuse of Column Two code with Column One code\n"
    "93590\t93462\t\t20170101\t20240930\t1\tCPT Manual or CMS manual coding instruction\n"
    "93591\t93462\t\t20241001\t*\t1\tCPT Manual or CMS manual coding instruction\n"
    "93591\t93452\t\t20250101\t*\t1\tNot yet in force\n"
)
AOC = """\
Copyright notice
AOC_Edit_Type,Add-On_Code,AOC_DelDT,Primary_Code,Primary_Code_DelDT,AOC_Edit_EffDT,AOC_Edit_DelDT,Special_Instruction_Notes
1,93592,,93590,,2017001,,
1,93592,,93591,,2017001,,
1,93462,,93591,,2017001,,
1,93462,,93590,,2017001,2024366,
1,99999,,99998,,2017001,,
"""


def mpfs() -> str:
    def row(cells: dict[int, str]) -> str:
        return ",".join(cells.get(i, "") for i in range(31))

    names = {0: "HCPCS", 1: "MOD", 2: "DESCRIPTION", 3: "STATUS CODE", 5: "WORK RVU", 14: "GLOB DAYS"}
    numbers = {5: "21.70", 8: "7.90", 10: "1.76", 12: "31.36", 24: "32.3465"}
    ours = {0: "93590", 2: "licensed words", 3: "A", 14: "000", 19: "0", 20: "2", 21: "1", **numbers}
    other = {0: "99213", 2: "licensed words", 3: "A", 14: "XXX", **numbers}
    return "\n".join([row({0: "2025 fee schedule"}), row(names | {24: "CONV FACTOR"}), row(other), row(ours)])


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder of its own."""
    monkeypatch.setenv("PVL_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


def run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["tables", *arguments])
    return result.exit_code, result.stdout, result.stderr


def bring(
    tmp_path: Path, text: str, kind: str, edition: str = "2024-10-01", *more: str
) -> tuple[int, str, str]:
    file = tmp_path / f"published-{kind}.txt"
    file.write_text(text, encoding="utf-8")
    return run("import", str(file), "--kind", kind, "--edition", edition, *more)


# -- shipped ---------------------------------------------------------------------------


def test_tables_shipped_have_edition_and_source() -> None:
    tables = load_tables(own=None)
    assert {(t.kind, t.setting) for t in tables.editions} == {
        ("aoc", None), ("mpfs_indicators", None), ("mpfs_rvu", None),
        *((kind, setting) for kind in ("mue", "ptp") for setting in SETTINGS),
    }  # fmt: skip
    for table in tables.editions:
        assert table.source
        assert table.rows
        assert not table.own


@pytest.mark.parametrize(
    ("file", "rows"),
    [
        ("2024-07-01/ptp_practitioner.csv", 1059),
        ("2024-07-01/ptp_outpatient_hospital.csv", 1010),
        ("2024-07-01/mue_practitioner.csv", 38),
        ("2024-07-01/mue_outpatient_hospital.csv", 38),
        ("2024-06-03/aoc.csv", 78),
    ],
)
def test_tables_lose_no_row_of_a_file(file: str, rows: int) -> None:
    lines = list(csv.reader((CMS / file).open(encoding="utf-8", newline="")))[1:]
    edition, name = file.split("/")
    (table,) = [t for t in load_tables(own=None).editions if t.file == name and str(t.edition) == edition]
    assert [tuple(line) for line in lines] == list(table.rows.values())
    assert len(lines) == rows


def test_tables_hold_code_numbers_and_no_descriptors() -> None:
    assert not any("description" in "".join(schema.columns).lower() for schema in SCHEMAS.values())


def test_tables_facts_of_the_policy_are_in_the_rows() -> None:
    tables = load_tables(own=None)
    for setting in SETTINGS:
        limits = tables.of("mue", setting)[-1].rows
        assert [limits[code,][1:3] for code in ("93590", "93591", "93592")] == [
            ("1", "2"), ("1", "2"), ("2", "3"),
        ]  # fmt: skip
        assert tables.of("ptp", setting)[-1].rows["93590", "93591"][3] == "0"
    practitioner = tables.of("ptp", "practitioner")[-1].rows
    for code in range(33361, 33367):
        assert practitioner[str(code), "93591"][3] == practitioner[str(code), "93592"][3] == "0"


# -- editions --------------------------------------------------------------------------


def test_tables_the_edition_of_the_day_is_in_force(data: Path, tmp_path: Path) -> None:
    assert bring(tmp_path, MUE, "mue")[0] == 0
    tables = load_tables()
    for day, edition in (
        (date(2024, 6, 1), "2024-07-01"),
        (date(2024, 9, 30), "2024-07-01"),
        (date(2024, 10, 1), "2024-10-01"),
        (date(2030, 1, 1), "2024-10-01"),
        (None, "2024-10-01"),
    ):
        table = tables.in_force("mue", "practitioner", day)
        assert table is not None
        assert str(table.edition) == edition
    assert len(tables.of("mue", "outpatient_hospital")) == 1


def test_tables_imported_edition_changes_the_edits_of_its_days(data: Path, tmp_path: Path) -> None:
    """The limit of 93592 is 2 in the third quarter, and in the imported fourth one 4."""
    bring(tmp_path, MUE, "mue")
    coder = Coder()
    before = coder.suggest(FOUR, served=date(2024, 9, 30))
    after = coder.suggest(FOUR, served=date(2024, 10, 1))
    assert [e.setting for e in before.edits if e.table == "mue"] == list(SETTINGS)
    limits = [e for e in after.edits if e.codes == ("93592",)]
    assert [(e.setting, e.edition) for e in limits] == [("outpatient_hospital", "2024-07-01")]
    assert before.units == after.units == {"93591": 1, "93592": 3}


def test_tables_travel_to_the_workers(data: Path, tmp_path: Path) -> None:
    bring(tmp_path, MUE, "mue")
    coder = Coder()
    notes = [FOUR, FOUR.replace("Four", "Five"), "Nothing."]
    assert [s.to_json() for s in coder.pipe(notes, workers=2)] == [s.to_json() for s in coder.pipe(notes)]


def test_tables_are_kept_where_the_platform_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PVL_DATA", str(tmp_path / "a"))
    assert data_dir() == tmp_path / "a"
    monkeypatch.delenv("PVL_DATA")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "b"))
    assert own_dir() == tmp_path / "b" / "pvl" / "cms"
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert data_dir() == tmp_path / ".local" / "share" / "pvl"


def test_tables_list_shows_every_edition(data: Path, tmp_path: Path) -> None:
    bring(tmp_path, MUE, "mue")
    code, out, _ = run("list")
    assert code == 0
    assert [
        line.split()[:4] for line in out.splitlines() if line.startswith("mue") and "practitioner" in line
    ] == [
        ["mue", "practitioner", "2024-07-01", "2024-09-30"],
        ["mue", "practitioner", "2024-10-01", "2024-12-31"],
    ]
    assert "published-mue.txt" in out
    assert str(data / "cms") in out


# -- import ----------------------------------------------------------------------------


def test_tables_import_of_limits_tells_what_changed(data: Path, tmp_path: Path) -> None:
    code, out, _ = bring(tmp_path, MUE.replace("93591,1,2", "93591,1,3"), "mue")
    assert code == 0
    assert "  * 93591: 2 to 3\n" in out
    assert "  * 93592: 2 to 4\n" in out
    assert "  - 33340\n" in out  # not in this file
    stored = data / "cms" / "2024-10-01"
    assert sorted(path.name for path in stored.iterdir()) == ["mue_practitioner.csv", "sources.csv"]
    assert "0001A" not in (stored / "mue_practitioner.csv").read_text()  # of another family


def test_tables_import_of_pairs_keeps_those_active_on_the_day(data: Path, tmp_path: Path) -> None:
    code, _, _ = bring(tmp_path, PTP, "ptp", "2024-10-01", "--setting", "practitioner")
    assert code == 0
    table = load_tables().in_force("ptp", "practitioner", date(2024, 11, 1))
    assert table is not None
    assert {key: row[3] for key, row in table.rows.items()} == {
        ("93590", "93591"): "0",
        ("93591", "93462"): "1",
    }


def test_tables_import_of_pairs_in_several_files(data: Path, tmp_path: Path) -> None:
    """CMS parts the pairs by code: a file may hold nothing of the family."""
    head, lines = PTP[: PTP.index("10004")], PTP[PTP.index("10004") :].splitlines(keepends=True)
    parts = [head + lines[0], head + lines[0] * 90 + lines[1], head + lines[3]]
    files = [tmp_path / f"f{i}.txt" for i in range(3)]
    for file, text in zip(files, parts, strict=True):
        file.write_text(text)
    arguments = ["--kind", "ptp", "--edition", "2024-10-01", *PRACTITIONER]
    code, _, err = run("import", *map(str, files), *arguments)
    assert code == 0, err
    assert set(load_tables().of("ptp", "practitioner")[-1].rows) == {("93590", "93591"), ("93591", "93462")}
    files[2].write_text(head + lines[1].replace("*\t0", "*\t1"))
    code, _, err = run("import", *map(str, files), *arguments)
    assert (code, "[T009]" in err) == (1, True)


def test_tables_import_counts_the_pairs_that_changed(data: Path, tmp_path: Path) -> None:
    """Three changes, by hand, to the shipped pairs: one added, one removed, one with another indicator."""
    lines = (CMS / "2024-07-01" / "ptp_practitioner.csv").read_text(encoding="utf-8").splitlines()
    lines.remove(next(line for line in lines if line.startswith("practitioner,93590,93462,")))
    at = next(i for i, line in enumerate(lines) if line.startswith("practitioner,93590,93591,0"))
    lines[at] = lines[at].replace("93591,0", "93591,1")
    lines.append("practitioner,93591,93462,1,Made up")
    code, out, _ = bring(tmp_path, "\n".join(lines), "ptp", "2024-10-01", "--setting", "practitioner")
    assert code == 0
    assert out.splitlines()[:4] == [
        "ptp_practitioner.csv: 3 pairs changed for this code family since 2024-07-01",
        "  * 93590 93591: 0 to 1",
        "  + 93591 93462",
        "  - 93590 93462",
    ]


def test_tables_import_of_add_on_codes(data: Path, tmp_path: Path) -> None:
    assert bring(tmp_path, AOC, "aoc", "2025-01-01")[0] == 0
    table = load_tables().in_force("aoc", None, date(2025, 2, 1))
    assert table is not None
    assert set(table.rows) == {("93592", "93590"), ("93592", "93591"), ("93462", "93591")}


def test_tables_import_of_the_fee_schedule_leaves_descriptors_out(data: Path, tmp_path: Path) -> None:
    code, out, _ = bring(tmp_path, mpfs(), "mpfs", "2025-01-01")
    assert code == 0, out
    tables = load_tables()
    assert tables.of("mpfs_rvu")[-1].rows["93590", ""] == (
        "93590", "", "21.70", "7.90", "1.76", "31.36", "32.3465",
    )  # fmt: skip
    indicators = dict(
        zip(
            SCHEMAS["mpfs_indicators"].columns,
            tables.of("mpfs_indicators")[-1].rows["93590", ""],
            strict=True,
        )
    )
    assert (indicators["glob"], indicators["asst_surg"], indicators["co_surg"]) == ("000", "2", "1")
    assert not any("licensed" in path.read_text() for path in (data / "cms").rglob("*.csv"))


def test_tables_import_of_a_shipped_file_changes_nothing(data: Path) -> None:
    for name, kind, more in (
        ("2024-07-01/mue_practitioner.csv", "mue", []),
        ("2024-07-01/ptp_outpatient_hospital.csv", "ptp", ["--setting", "outpatient_hospital"]),
        ("2024-06-03/aoc.csv", "aoc", []),
    ):
        code, out, err = run("import", str(CMS / name), "--kind", kind, "--edition", "2024-10-01", *more)
        assert code == 0, err
        assert ": 0 " in out.splitlines()[0]
        assert (data / "cms" / "2024-10-01" / Path(name).name).read_bytes() == (CMS / name).read_bytes()


def test_tables_import_replaces_nothing_unasked(data: Path, tmp_path: Path) -> None:
    assert bring(tmp_path, MUE, "mue")[0] == 0
    assert bring(tmp_path, MUE, "mue")[0] == 0
    code, _, err = bring(tmp_path, MUE.replace("93592,4", "93592,5"), "mue")
    assert (code, "[T010]" in err) == (1, True)
    assert bring(tmp_path, MUE.replace("93592,4", "93592,5"), "mue", "2024-10-01", "--force")[0] == 0
    assert load_tables().of("mue", "practitioner")[-1].rows["93592",][1] == "5"


@pytest.mark.parametrize(
    ("text", "kind", "more", "message"),
    [
        (MUE.replace("93592,4", "93592,four"), "mue", (), "FILE:6: 'four' cannot stand in column mue_units"),
        (MUE.replace("4,3 Date", "4,7 Date"), "mue", (), "[T004] FILE:6: '7' cannot stand in column mue_mai"),
        (MUE + "93591\n", "mue", (), "[T004] FILE:7: 1 columns where 4 are needed"),
        (MUE + "93591,3,2 x,y\n", "mue", (), "[T009] FILE:7: 93591 comes twice, with different values"),
        (MUE, "mue", ("--setting", "outpatient_hospital"), "[T006] FILE: the file says that it is"),
        (MUE.replace("Practitioner Services ", ""), "mue", (), "[T006] FILE: the file does not say"),
        (MUE.replace("MUE Values", "Numbers"), "mue", (), "[T003] FILE: no names of columns as in"),
        (MUE.replace("9359", "1359"), "mue", (), "[T005] FILE: no line of it is about this code family"),
        ("", "mue", PRACTITIONER, "[T003] FILE: no names of columns"),
        (PTP, "mue", PRACTITIONER, "[T003] FILE: no names of columns"),
        (PTP, "ptp", (), "[T006] FILE: the file does not say for whom it is"),
        (PTP.replace("20240930", "2024-09-31"), "ptp", PRACTITIONER, "'2024-09-31' is no day"),
        (PTP.replace("*\t0\t", "*\tno\t"), "ptp", PRACTITIONER, "stand in column modifier_indicator"),
        (AOC.replace("1,93592,,93590", "1,93592,,mitral"), "aoc", (), "'mitral' cannot stand in column"),
        (AOC, "aoc", PRACTITIONER, "[T006] FILE: a table of kind aoc is for both settings"),
        (AOC, "mpfs", (), "[T003] FILE: no names of columns as in a file of kind mpfs"),
        ("PK\x03\x04 a workbook", "mue", (), "[T002] FILE: a zip or workbook that is cut"),
    ],
)  # fmt: skip
def test_tables_import_of_a_bad_file_is_one_message(
    text: str, kind: str, more: tuple[str, ...], message: str, data: Path, tmp_path: Path
) -> None:
    code, out, err = bring(tmp_path, text, kind, "2024-10-01", *more)
    assert code == 1
    assert out == ""
    assert message.replace("FILE", str(tmp_path / f"published-{kind}.txt")) in err
    assert len(err.splitlines()) == 1
    assert not data.exists()


def test_tables_import_wants_a_file_and_a_day(data: Path, tmp_path: Path) -> None:
    assert "[T007]" in bring(tmp_path, MUE, "mue", "2024-13-01")[2]
    assert "[T007]" in bring(tmp_path, MUE, "mue", "July 2024")[2]
    assert "[T001]" in run("import", str(tmp_path / "none"), "--kind", "mue", "--edition", "2024-10-01")[2]
    (tmp_path / "file").write_text("")
    file = str(tmp_path / "published-mue.txt")
    result = CliRunner(env={"PVL_DATA": str(tmp_path / "file")}).invoke(
        app, ["tables", "import", file, "--kind", "mue", "--edition", "2024-10-01"]
    )
    assert (result.exit_code, "[T011]" in result.stderr) == (1, True)


@pytest.mark.parametrize(
    ("file", "text", "code"),
    [
        ("2024-10-01/mue_practitioner.csv", "hcpcs_code,mue_units\n93592,2\n", "T003"),
        ("2024-10-01/aoc.csv", "add_on_code,primary_code,aoc_edit_type\n93592,93590\n", "T004"),
        ("2024-10-01/limits.csv", "a,b\n", "T008"),
        ("2024-99-01/aoc.csv", "add_on_code,primary_code,aoc_edit_type\n93592,93590,1\n", "T007"),
    ],
)
def test_tables_a_stored_table_that_is_spoilt_stops_with_its_name(
    file: str, text: str, code: str, data: Path, tmp_path: Path
) -> None:
    path = data / "cms" / file
    path.parent.mkdir(parents=True)
    path.write_text(text)
    with pytest.raises(TableError, match=code) as raised:
        load_tables()
    assert str(path) in str(raised.value)
    (tmp_path / "n.txt").write_text(FOUR)
    result = CliRunner().invoke(app, ["code", str(tmp_path / "n.txt")])
    assert result.exit_code == 1
    assert f"[{code}]" in result.stderr


# -- the date of service from the source -----------------------------------------------


def coded(*arguments: str) -> list[dict[str, object]]:
    result = CliRunner().invoke(app, ["code", *arguments, "--format", "jsonl"])
    assert result.exit_code == 0, result.stderr
    return [json.loads(line) for line in result.stdout.splitlines()]


def tables_of(found: dict[str, object]) -> set[str]:
    return {edit["table"] for edit in found["edits"]}  # type: ignore[index, attr-defined]


def test_tables_date_of_service_from_record_and_option(tmp_path: Path) -> None:
    path = tmp_path / "notes.jsonl"
    records = [
        {"id": "a", "text": FOUR, "service_date": "2026-03-01"},
        {"id": "b", "text": FOUR, "date_of_service": "2024-08-01"},
        {"id": "c", "text": FOUR},
    ]
    path.write_text("\n".join(map(json.dumps, records)))
    assert [tables_of(found) for found in coded(str(path))] == [
        {"aoc", "mue", "ptp"},
        {"mue"},
        {"mue", "all"},
    ]
    given = coded(str(path), "--service-date", "2024-12-01")
    assert [tables_of(found) for found in given] == [{"aoc", "mue", "ptp"}, {"mue"}, {"mue", "ptp"}]


def test_tables_date_of_service_of_the_option_is_a_day(tmp_path: Path) -> None:
    path = tmp_path / "notes.jsonl"
    path.write_text(json.dumps({"id": "a", "text": FOUR}))
    assert CliRunner().invoke(app, ["code", str(path), "--service-date", "soon"]).exit_code == 2


def test_tables_versions_follow_their_content(data: Path, tmp_path: Path) -> None:
    before: Tables = load_tables()
    assert before.version == load_tables(own=None).version
    bring(tmp_path, MUE, "mue")
    assert load_tables().version != before.version
    assert shipped_dir() == CMS
