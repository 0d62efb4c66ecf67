"""Encounters: every source that tells one gives it to its note."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from extractor.errors import InputError
from extractor.readers import Options, read

TEXT = "Aortic paravalvular leak closure. One AVP II was released."


def encounters(*paths: str | Path, **options: str) -> dict[str, str | None]:
    errors: list[InputError] = []
    found = {note.note_id: note.encounter for note in read(paths, errors.append, Options(**options))}
    assert not [error.code for error in errors if error.code.startswith("I")]
    return found


def table(kind: str, folder: Path, names: list[str], rows: list[tuple[object, ...]], **options: str) -> Any:
    path = folder / f"notes.{kind}"
    if kind == "parquet":
        pq.write_table(pa.table([list(cells) for cells in zip(*rows, strict=True)], names), path)
        return encounters(path, **options)
    if kind == "csv":
        path.write_text("\n".join(",".join(map(str, row)) for row in [names, *rows]) + "\n")
        return encounters(path, **options)
    with sqlite3.connect(path) as base:
        base.execute(f"CREATE TABLE note ({', '.join(names)})")
        base.executemany(f"INSERT INTO note VALUES ({', '.join('?' * len(names))})", rows)
    base.close()
    return encounters(f"sqlite:///{path}", query="SELECT * FROM note", **options)


@pytest.mark.parametrize("kind", ["csv", "parquet", "sqlite"])
def test_readers_tables_tell_the_encounter(kind: str, tmp_path: Path) -> None:
    names = ["NOTE_ID", "PAT_ENC_CSN_ID", "NOTE_TEXT"]
    rows: list[tuple[object, ...]] = [("a", 17, TEXT), ("b", 18, TEXT)]
    assert table(kind, tmp_path, names, rows) == {"a": "17", "b": "18"}


@pytest.mark.parametrize("kind", ["csv", "parquet", "sqlite"])
def test_readers_lines_of_a_note_tell_one_encounter_or_none(kind: str, tmp_path: Path) -> None:
    names = ["NOTE_ID", "NOTE_CSN_ID", "LINE", "NOTE_TEXT", "VISIT"]
    rows: list[tuple[object, ...]] = [
        ("a", 1, 1, TEXT, "E1"), ("a", 1, 2, "No leak is left.", "E1"),
        ("b", 1, 1, TEXT, "E2"), ("b", 1, 2, "No leak is left.", "E3"),
    ]  # fmt: skip
    assert table(kind, tmp_path, names, rows, encounter_column="VISIT") == {"a": "E1", "b": None}


def test_readers_encounter_column_can_be_named_or_ruled_out(tmp_path: Path) -> None:
    names = ["NOTE_ID", "CSN", "OTHER", "NOTE_TEXT"]
    rows: list[tuple[object, ...]] = [("a", "E1", "E2", TEXT)]
    assert table("csv", tmp_path, names, rows) == {"a": "E1"}
    assert table("csv", tmp_path, names, rows, encounter_column="other") == {"a": "E2"}
    assert table("csv", tmp_path, names, rows, encounter_column="") == {"a": None}


def test_readers_jsonl_tells_the_encounter(tmp_path: Path) -> None:
    path = tmp_path / "notes.jsonl"
    records = [{"id": "a", "encounter": "E1"}, {"id": "b", "encounter_id": 17}, {"id": "c"}]
    path.write_text("".join(json.dumps({**record, "text": TEXT}) + "\n" for record in records))
    assert encounters(path) == {"a": "E1", "b": "17", "c": None}


@pytest.mark.parametrize(
    ("around", "expected"),
    [
        ({"context": {"encounter": [{"reference": "Encounter/17"}]}}, "17"),
        ({"context": [{"reference": "https://example.org/fhir/Encounter/17/_history/2"}]}, "17"),
        ({"encounter": {"reference": "Encounter/17"}}, "17"),
        ({"encounter": {"reference": "Encounter/17", "identifier": {"value": "CSN-17"}}}, "CSN-17"),
        ({"context": {"encounter": [{"reference": "Encounter/17"}, {"reference": "Encounter/18"}]}}, None),
        ({"context": {"encounter": [{"reference": "EpisodeOfCare/17"}]}}, None),
        ({"context": "Encounter/17"}, None),
        ({}, None),
    ],
)
def test_readers_fhir_tells_the_encounter(
    around: dict[str, Any], expected: str | None, tmp_path: Path
) -> None:
    import base64

    data = base64.b64encode(TEXT.encode()).decode()
    resource = {
        "resourceType": "DocumentReference", "id": "a", "status": "current",
        "content": [{"attachment": {"contentType": "text/plain", "data": data}}], **around,
    }  # fmt: skip
    path = tmp_path / "a.json"
    path.write_text(json.dumps(resource))
    assert encounters(path) == {"a": expected}


def test_readers_hl7_tells_the_encounter(tmp_path: Path) -> None:
    visit = ["PV1", "1", "I", *[""] * 16, "V17^^^HOSPITAL"]
    segments = [
        "MSH|^~\\&|A|B|C|D|20240715||MDM^T02|m1|P|2.5",
        "|".join(visit),
        "TXA|1|PN||||||||||a|||||AU",
        f"OBX|1|TX|||{TEXT}||||||F",
    ]
    path = tmp_path / "a.hl7"
    path.write_text("\r".join(segments) + "\r", newline="")
    assert encounters(path) == {"a": "V17"}


def test_readers_ccda_tells_the_encounter(tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    path.write_text(
        '<ClinicalDocument xmlns="urn:hl7-org:v3"><id root="1.2" extension="a"/>'
        '<componentOf><encompassingEncounter><id root="1.3" extension="V17"/></encompassingEncounter>'
        "</componentOf><component><structuredBody><component><section><title>Procedure</title>"
        f"<text>{TEXT}</text></section></component></structuredBody></component></ClinicalDocument>"
    )
    assert encounters(path) == {"a": "V17"}
