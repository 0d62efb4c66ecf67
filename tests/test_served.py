"""Dates of service: every source that tells one gives it to its note, and none is ever guessed in silence."""

from __future__ import annotations

import csv
import json
import sqlite3
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from extractor.blocks import Block
from extractor.cli import app
from extractor.dates import NoDayError, told_day, told_period
from extractor.errors import InputError
from extractor.readers import Note, Options, read
from extractor.seen import Seen

SECRET = "Zebrafish"
DAY = date(2024, 8, 12)
TEXT = "Aortic paravalvular leak closure. One AVP II was released."
FORMATS = ("csv", "tsv", "parquet", "sqlite")


def served(*paths: str | Path, **options: str) -> tuple[dict[str, date | None], list[str]]:
    """(dates of service by id, codes of what is told) of sources."""
    errors: list[InputError] = []
    found = {note.note_id: note.served for note in read(paths, errors.append, Options(**options))}
    assert not any(SECRET in str(error) for error in errors)
    return found, [error.code for error in errors]


def write(kind: str, folder: Path, names: str, *rows: Sequence[object]) -> tuple[str, dict[str, str]]:
    """A table of a kind: where to read it, and with which options."""
    path = folder / f"notes.{kind}"
    if kind == "parquet":
        pq.write_table(pa.table([list(cells) for cells in zip(*rows, strict=True)], names.split()), path)
    elif kind == "sqlite":
        path.unlink(missing_ok=True)
        with sqlite3.connect(path) as base:
            base.execute(f"CREATE TABLE note ({', '.join(names.split())})")
            base.executemany(f"INSERT INTO note VALUES ({', '.join('?' * len(rows[0]))})", rows)
        base.close()
        return f"sqlite:///{path}", {"query": "SELECT * FROM note"}
    else:
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, delimiter="," if kind == "csv" else "\t")
            writer.writerows([names.split(), *rows])
    return str(path), {}


def table(kind: str, folder: Path, names: str, *rows: Sequence[object], **options: str) -> Any:
    where, more = write(kind, folder, names, *rows)
    return served(where, **more, **options)


# -- what a field may hold -------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "2024-08-12", "20240812", "20240812103000-0500", "2024-08-12T23:59:00-05:00",
        "2024-08-12 00:00:00.000",
        "2024-08-12T01:00:00Z", "8/12/2024", "8/12/2024 12:00:00 AM", "12-AUG-24", "12-AUG-2024 08:00",
        "Aug 12 2024 12:00AM", "12 August 2024", "12.08.2024", " 2024-08-12 ",
    ],
)  # fmt: skip
def test_served_reads_a_day_however_systems_write_it(text: str) -> None:
    assert told_day(text) == DAY


@pytest.mark.parametrize(
    "text", ["soon", "2024", "2024-08", "202408", "20241301", "1900-01-01", "9999-12-31", "45516"]
)
def test_served_takes_nothing_else_for_a_day(text: str) -> None:
    with pytest.raises(NoDayError) as error:
        told_day(text)
    assert text not in str(error.value)


def test_served_period_is_a_service_and_no_stay() -> None:
    assert told_period("2024-08-12", "") == told_period("20240812230000", "20240813010000") == DAY
    assert told_period("", "2024-08-12") is None
    for start, end in (("2024-08-12", "2024-08-15"), ("2024-08-12", "2024-08-11")):
        with pytest.raises(NoDayError, match="longer than a day"):
            told_period(start, end)


# -- tables ----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("name", ["SERVICE_DATE", "DateOfService", "dos", "Procedure_Date", "CONTACT_DATE"])
def test_served_column_of_a_table_is_found(kind: str, name: str, tmp_path: Path) -> None:
    rows = [("a", TEXT, "2024-08-12"), ("b", TEXT + " ", None), ("c", TEXT + "  ", "8/13/2024")]
    assert table(kind, tmp_path, f"note_id text {name}", *rows) == (
        {"a": DAY, "b": None, "c": date(2024, 8, 13)},
        [],
    )


@pytest.mark.parametrize("kind", FORMATS)
def test_served_column_is_that_of_the_option(kind: str, tmp_path: Path) -> None:
    row = ("a", TEXT, "2024-08-12", "2024-09-01")
    names = "note_id text WHEN_DONE service_date"
    assert table(kind, tmp_path, names, row)[0] == {"a": date(2024, 9, 1)}
    assert table(kind, tmp_path, names, row, date_column="when_done")[0] == {"a": DAY}


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_served_column_can_be_refused_and_must_be_there(kind: str, tmp_path: Path) -> None:
    where, _ = write(kind, tmp_path, "note_id text service_date", ("a", TEXT, "2024-08-12"))
    assert served(where, date_column="") == ({"a": None}, [])
    assert served(where, date_column="done") == ({}, ["I022"])


@pytest.mark.parametrize("kind", FORMATS)
def test_served_value_that_is_no_day_costs_the_date_only(kind: str, tmp_path: Path) -> None:
    rows = [("a", TEXT, SECRET), ("b", TEXT + " ", "2024-08-12")]
    assert table(kind, tmp_path, "note_id text dos", *rows) == ({"a": None, "b": DAY}, ["N023"])


@pytest.mark.parametrize("kind", FORMATS)
def test_served_of_a_note_in_lines_is_what_its_rows_tell(kind: str, tmp_path: Path) -> None:
    rows = [
        ("a", 1, "One ", "2024-08-12"), ("a", 2, "plug.", "08/12/2024"),
        ("b", 1, "Two ", "2024-08-12"), ("b", 2, "plugs.", None),
        ("c", 1, "No ", "2024-08-12"), ("c", 2, "plug.", "2024-08-13"),
    ]  # fmt: skip
    found, codes = table(kind, tmp_path, "note_id line text service_date", *rows)
    assert (found, codes) == ({"a": DAY, "b": DAY, "c": None}, ["N023"])


def test_served_of_a_note_in_versions_is_that_of_the_one_read(tmp_path: Path) -> None:
    names = "note_id note_csn_id note_status text service_date"
    rows = [
        ("a", 1, "Signed", "Old text.", "2024-08-01"), ("a", 2, "Signed", "New text.", "2024-08-12"),
        ("b", 1, "Signed", "Old text.", "2024-08-12"), ("b", 2, "Signed", "New text.", ""),
    ]  # fmt: skip
    found, _ = table("csv", tmp_path, names, *rows)
    assert found == {"a": DAY, "b": DAY}


@pytest.mark.parametrize(
    ("values", "day"),
    [
        (pa.array([date(2024, 8, 12)]), DAY),
        (pa.array([datetime(2024, 8, 12, 23, 30)], pa.timestamp("ns")), DAY),
        (pa.array([20240812]), DAY),
        (pa.array([20240812.0]), DAY),
        # Half past nine in the evening, where the procedure was.
        (pa.array([datetime(2024, 8, 13, 2, 30, tzinfo=UTC)], pa.timestamp("us", "-05:00")), DAY),
        (pa.array([datetime(2024, 8, 12, 21, 30, tzinfo=UTC)], pa.timestamp("us", "UTC")), DAY),
        (pa.array([None], pa.date32()), None),
    ],
)  # fmt: skip
def test_served_column_of_parquet_may_have_any_type(
    values: pa.Array, day: date | None, tmp_path: Path
) -> None:
    path = tmp_path / "notes.parquet"
    pq.write_table(pa.table([["a"], [TEXT], values], ["note_id", "text", "service_date"]), path)
    assert served(path) == ({"a": day}, [])


# -- records and messages --------------------------------------------------------------


@pytest.mark.parametrize("name", ["service_date", "date_of_service", "dos", "procedure_date"])
def test_served_of_a_record(name: str, tmp_path: Path) -> None:
    path = tmp_path / "notes.jsonl"
    values = ["2024-08-12", 20240812, "", None, SECRET, ["2024-08-12", SECRET]]
    lines = [json.dumps({"id": str(n), "text": TEXT, name: value}) for n, value in enumerate(values)]
    path.write_text("\n".join(lines))
    found, codes = served(path)
    assert list(found.values()) == [DAY, DAY, None, None, None, None]
    assert codes == ["N023", "N023"]


def fhir(folder: Path, kind: str, **more: Any) -> Any:
    """What comes of a resource with a text."""
    attached = {"contentType": "text/plain", "data": "T25lIHBsdWcu"}
    body = {
        "DocumentReference": {"content": [{"attachment": attached}]},
        "DiagnosticReport": {"presentedForm": [attached]},
        "Composition": {"section": [{"text": {"div": "<div>One plug.</div>"}}]},
    }[kind]
    path = folder / "a.json"
    status = "current" if kind == "DocumentReference" else "final"
    path.write_text(json.dumps({"resourceType": kind, "id": "a", "status": status, **body, **more}))
    found, codes = served(path)
    assert list(found) == ["a"]
    return found["a"], codes


PERIOD = {"start": "2024-08-12T22:00:00-05:00", "end": "2024-08-13T00:30:00-05:00"}
STAY = {"start": "2024-08-10", "end": "2024-08-16"}


@pytest.mark.parametrize(
    ("kind", "more", "told"),
    [
        ("DocumentReference", {"context": {"period": PERIOD}, "date": "2024-08-14T08:00:00Z"}, (DAY, [])),
        ("DocumentReference", {"period": PERIOD}, (DAY, [])),
        ("DocumentReference", {"context": {"period": STAY}}, (None, ["N023"])),
        ("DocumentReference", {"context": {"period": {"start": "2024-08"}}}, (None, ["N023"])),
        ("DocumentReference", {"date": "2024-08-12T08:00:00Z"}, (None, [])),  # when it was filed
        (
            "DiagnosticReport",
            {"effectiveDateTime": "2024-08-12", "issued": "2024-08-13T08:00:00Z"},
            (DAY, []),
        ),
        ("DiagnosticReport", {"effectivePeriod": PERIOD}, (DAY, [])),
        ("DiagnosticReport", {"issued": "2024-08-13T08:00:00Z"}, (None, [])),
        ("Composition", {"event": [{"period": PERIOD}], "date": "2024-08-13"}, (DAY, [])),
        (
            "Composition",
            {"event": [{"period": PERIOD}, {"period": {"start": "2024-08-20"}}]},
            (None, ["N023"]),
        ),
        ("Composition", {"date": "2024-08-12"}, (None, [])),  # when it was written
    ],
)
def test_served_of_fhir_is_when_it_was_done(
    kind: str, more: dict[str, Any], told: Any, tmp_path: Path
) -> None:
    assert fhir(tmp_path, kind, **more) == told


def mdm(activity: str = "", observed: str = "", visit: str = "", text: bool = True, minute: int = 0) -> str:
    event = "T02" if text else "T03"
    segments = [
        f"MSH|^~\\&|A|H|P|H|2024081310{minute:02}||MDM^{event}|c{minute}|P|2.5.1||||||UNICODE UTF-8",
        *([f"PV1|1|{visit}"] if visit else []),
        *([f"OBR|1|p|f|x|||{observed}"] if observed else []),
        f"TXA|1|OP|TX|{activity}||||||||d1|||||AU||AV",
        *(["OBX|1|TX|||One plug.||||||F"] if text else []),
    ]
    return "".join(f"{segment}\r" for segment in segments)


def oru(observed: str = "", visit: str = "") -> str:
    segments = [
        "MSH|^~\\&|A|H|P|H|202408131000||ORU^R01|r1|P|2.5.1||||||UNICODE UTF-8",
        *([f"PV1|1|{visit}"] if visit else []),
        f"OBR|1|p|d1|x|||{observed}{'|' * 18}F",
        "OBX|1|TX|||One plug.||||||F",
    ]
    return "".join(f"{segment}\r" for segment in segments)


def stay(kind: str, admitted: str, left: str = "") -> str:
    """PV1 from its second field on."""
    return f"{kind}{'|' * 42}{admitted}|{left}"


@pytest.mark.parametrize(
    ("message", "told"),
    [
        (mdm("20240812083000"), (DAY, [])),
        (mdm("20240812", "20240901", stay("O", "20240902")), (DAY, [])),
        (mdm("", "202408120830-0500^S"), (DAY, [])),
        (oru("20240812083000.0000-0500"), (DAY, [])),
        (oru("20240812", stay("I", "20240810")), (DAY, [])),
        (oru("", stay("O", "202408120600")), (DAY, [])),
        (oru("", stay("I", "202408120600", "202408122000")), (DAY, [])),  # in and out on one day
        (oru("", stay("I", "202408100600", "202408152000")), (None, [])),  # nobody knows on which of them
        (oru("", stay("I", "202408120600")), (None, [])),
        (oru(), (None, [])),
        (mdm('""'), (None, [])),
        (mdm("202408"), (None, ["N023"])),
        (oru(SECRET), (None, ["N023"])),
    ],
)
def test_served_of_hl7_is_when_it_was_done(message: str, told: Any, tmp_path: Path) -> None:
    path = tmp_path / "a.hl7"
    path.write_bytes(message.encode())
    found, codes = served(path)
    assert (found["d1"], codes) == told


def test_served_of_hl7_may_come_with_another_message(tmp_path: Path) -> None:
    """The message with the text tells no date, the later one that it is signed does."""
    path = tmp_path / "a.hl7"
    path.write_bytes((mdm() + mdm("20240812", text=False, minute=5)).encode())
    assert served(path)[0] == {"d1": DAY}


def event(time: str, kind: str = "PROC") -> str:
    return f'<documentationOf><serviceEvent classCode="{kind}">{time}</serviceEvent></documentationOf>'


LOW = '<effectiveTime><low value="20240812083000-0500"/>{}</effectiveTime>'
YEARS = '<effectiveTime><low value="1950"/><high value="20240812"/></effectiveTime>'


@pytest.mark.parametrize(
    ("events", "told"),
    [
        (event('<effectiveTime value="20240812"/>'), (DAY, [])),
        (event(LOW.format('<high value="20240812093000-0500"/>')), (DAY, [])),
        (event(LOW.format('<width value="45" unit="min"/>')), (DAY, [])),
        (event(YEARS, "PCPR") + event(LOW.format("")), (DAY, [])),
        (event(YEARS, "PCPR"), (None, [])),
        (event('<effectiveTime nullFlavor="UNK"/>'), (None, [])),
        (event(LOW.format('<high value="20240815"/>')), (None, ["N023"])),
        (event('<effectiveTime value="2024"/>'), (None, ["N023"])),
        (
            event('<effectiveTime value="20240812"/>') + event('<effectiveTime value="20240813"/>'),
            (None, ["N023"]),
        ),
        ("", (None, [])),
    ],
)
def test_served_of_ccda_is_when_it_was_done(events: str, told: Any, tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    path.write_text(
        '<ClinicalDocument xmlns="urn:hl7-org:v3"><id root="1.2.3" extension="d1"/>'
        '<effectiveTime value="20240901"/>'
        f'<legalAuthenticator><signatureCode code="S"/></legalAuthenticator>{events}'
        "<component><structuredBody><component><section><text>One plug.</text></section></component>"
        "</structuredBody></component></ClinicalDocument>"
    )
    found, codes = served(path)
    assert (found["d1"], codes) == told


# -- commands --------------------------------------------------------------------------


FOUR = "Aortic paravalvular leak closure. Four 8 mm AVP II plugs were deployed and released."


def edits_of(found: dict[str, Any]) -> set[tuple[str, str]]:
    return {(edit["table"], edit["severity"]) for edit in found["edits"]}


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    """Notes with a late date, with one in the quarter of the shipped tables, and with none."""
    rows = [("late", FOUR, "2026-03-01"), ("now", FOUR + " ", "2024-08-01"), ("none", FOUR + "  ", "")]
    return Path(write("csv", tmp_path, "note_id text done_on", *rows)[0])


def run(*arguments: str) -> Any:
    return CliRunner().invoke(app, list(arguments))


OF_DAY = {("mue", "warning")}
LATER = OF_DAY | {(table, "info") for table in ("aoc", "mue", "ptp")}
UNDATED = OF_DAY | {("all", "info")}


def test_served_column_and_option_reach_the_edits_of_every_command(notes: Path, tmp_path: Path) -> None:
    column = [str(notes), "--date-column", "done_on"]
    for more, expected in (([], UNDATED), (["--service-date", "2026-03-01"], LATER)):
        result = run("code", *column, "--format", "jsonl", *more)
        found = [json.loads(line) for line in result.stdout.splitlines()]
        assert [edits_of(one) for one in found] == [LATER, OF_DAY, expected]

        out = tmp_path / f"batch{len(more)}"
        result = run("batch", *column, "--out", str(out), "--workers", "1", "--format", "jsonl", *more)
        assert result.exit_code == 0, result.output
        records = [json.loads(line) for line in (out / "notes.jsonl").read_text().splitlines()]
        found = [record["suggestion"] for record in records]
        assert [edits_of(one) for one in found] == [LATER, OF_DAY, expected]

        result = run("export", *column, "--to", "fhir", *more)
        bundles = result.stdout.splitlines()
        assert [sum("older than the service date" in one for one in bundles[:2]), len(bundles)] == [1, 3]
        assert ("older than the service date" in bundles[2]) is (expected == LATER)


@pytest.mark.parametrize("command", [["code"], ["export", "--to", "fhir"], ["batch", "--out"]])
def test_served_option_must_be_a_day(command: list[str], notes: Path, tmp_path: Path) -> None:
    where = [str(tmp_path / "out")] if command[-1] == "--out" else []
    result = run(*command, *where, str(notes), "--service-date", "2024-13-01")
    assert (result.exit_code, "is no day" in " ".join(result.stderr.split())) == (2, True)
    assert not (tmp_path / "out").exists()


def test_served_batch_goes_on_with_the_same_date_only(notes: Path, tmp_path: Path) -> None:
    arguments = ["batch", str(notes), "--out", str(tmp_path / "out"), "--workers", "1"]
    assert run(*arguments, "--service-date", "2024-08-01").exit_code == 0
    assert run(*arguments, "--service-date", "2024-08-01", "--resume").exit_code == 0
    result = run(*arguments, "--service-date", "2024-08-02", "--resume")
    assert (result.exit_code, "[B002]" in result.stderr, "service date" in result.stderr) == (1, True, True)


def test_served_batch_sees_that_a_date_has_changed(tmp_path: Path) -> None:
    """The file has as many bytes as before, and the texts are the same."""
    blocks = []
    for day in (DAY, date(2024, 8, 13)):
        block = Block(0)
        block.add(Note("a", TEXT, "notes.csv", 2, served=day), None)
        block.close(Seen())
        blocks.append(block.digest)
    assert blocks[0] != blocks[1]


def test_served_notice_is_told_and_the_note_coded(notes: Path, tmp_path: Path) -> None:
    notes.write_text(notes.read_text().replace("2026-03-01", SECRET))
    for command in (["code", "--format", "jsonl"], ["explain", "--note-id", "late"]):
        result = run(*command, str(notes), "--date-column", "done_on")
        assert result.exit_code == 0
        assert "[N023]" in result.stderr
        assert "notes.csv:2, note late: the date of service is no day" in result.stderr
        assert SECRET not in result.output
