"""Spark: the same suggestions as without it, from a DataFrame in any partitions."""

from __future__ import annotations

import csv
import json
import shutil
import sys
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from extractor import Coder
from extractor.results import rows

pytest.importorskip("pyspark", reason="the optional group spark is not installed")
if shutil.which("java") is None:
    pytest.skip("Spark needs Java", allow_module_level=True)

from extractor.cli import app
from extractor.spark import suggest, table

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, Row, SparkSession

GOLD = Path(__file__).parents[1] / "sample_notes" / "gold"
NOTE = "Mitral paravalvular leak closure. A 12 mm AVP II was deployed and released."


@pytest.fixture(scope="module")
def session() -> Iterator[SparkSession]:
    from pyspark.sql import SparkSession

    patch = pytest.MonkeyPatch()
    patch.setenv("PYSPARK_PYTHON", sys.executable)
    patch.setenv("SPARK_LOCAL_IP", "127.0.0.1")
    builder = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false")
    session = builder.config("spark.sql.shuffle.partitions", "2").getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    yield session
    session.stop()
    patch.undo()


def labelled(style: str) -> list[tuple[str, str]]:
    lines = (GOLD / f"{style}.jsonl").read_text(encoding="utf-8").splitlines()
    return [(note["id"], note["text"]) for note in map(json.loads, lines)]


def frame(session: SparkSession, notes: list[tuple[Any, ...]]) -> DataFrame:
    return session.createDataFrame(notes, "note_id string, text string")


def by_id(coded: DataFrame) -> dict[str, Row]:
    return {row["note_id"]: row for row in coded.collect()}


@pytest.mark.parametrize("partitions", [1, 5])
def test_spark_gives_the_suggestions_of_the_coder(
    session: SparkSession, coder: Coder, partitions: int
) -> None:
    notes = labelled("academic")
    made = by_id(suggest(frame(session, notes).repartition(partitions)))
    assert {note_id: row["suggestion"] for note_id, row in made.items()} == {
        note_id: coder.suggest(text, note_id).to_json() for note_id, text in notes
    }


def test_spark_tables_are_those_of_the_results(session: SparkSession, coder: Coder) -> None:
    notes = labelled("cycle")
    coded = suggest(frame(session, notes)).cache()
    expected = [rows(coder.suggest(text, note_id)) for note_id, text in notes]
    for name, wanted in (
        ("lines", [line for made in expected for line in made.lines]),
        ("devices", [device for made in expected for device in made.devices]),
    ):
        assert sorted(map(tuple, table(coded, name).collect()), key=repr) == sorted(wanted, key=repr)  # type: ignore[arg-type]
    assert [tuple(row)[2:] for row in table(coded, "notes").collect()] == [made.note for made in expected]
    assert table(coded, "errors").count() == 0


def test_spark_keeps_columns_and_other_names(session: SparkSession) -> None:
    given = session.createDataFrame([(17, "2024-05-01", NOTE)], "id int, day string, body string")
    coded = suggest(given, note_id="id", text="body", keep=["day"])
    (row,) = coded.collect()
    assert (row["note_id"], row["day"], row["codes"]) == ("17", "2024-05-01", "93590 x1")


def test_spark_note_that_is_not_final_is_never_ready(session: SparkSession) -> None:
    given = session.createDataFrame(
        [("a", NOTE, "final"), ("b", NOTE, "preliminary"), ("c", NOTE, "signed?")],
        "note_id string, text string, state string",
    )
    made = by_id(suggest(given, standing="state"))
    assert [made[i]["status"] for i in "abc"] == ["ready", "review", None]
    assert made["c"]["error"]["code"] == "B011"


def test_spark_takes_the_date_of_service(session: SparkSession) -> None:
    """One of a column, else that of the option; what is no day costs the date only, and is told."""
    four = NOTE + " Three 8 mm AVP II plugs were deployed and released."
    days = [("a", four, "2024-08-01"), ("b", four, None), ("c", four, "soon")]
    notes = session.createDataFrame(days, "note_id string, text string, done string")
    coded = suggest(notes, served="done", day=date(2026, 3, 1))
    found = {key: json.loads(row["suggestion"])["edits"] for key, row in by_id(coded).items()}
    older = {key: any("older than" in edit["message"] for edit in edits) for key, edits in found.items()}
    assert older == {"a": False, "b": True, "c": True}
    (told,) = table(coded, "errors").collect()
    assert (told["code"], told["kind"]) == ("N023", "notice")
    assert table(coded, "notes").count() == 3
    assert "notice" not in table(coded, "notes").columns


def test_spark_bad_note_costs_only_itself(session: SparkSession) -> None:
    given = [("nul", "a\0b"), ("empty", " "), ("none", None), (None, NOTE), ("good", NOTE)]
    made = by_id(suggest(frame(session, given)))
    assert {i: row["error"] and row["error"]["code"] for i, row in made.items()} == {
        "nul": "I014", "empty": "I005", "none": "I012", None: "I010", "good": None,
    }  # fmt: skip
    assert made["good"]["status"] == "ready"
    assert table(suggest(frame(session, given)), "errors").count() == 4


def test_spark_note_that_hangs_or_breaks_costs_only_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    import pyarrow as pa

    from extractor import spark
    from extractor.screen import Screen

    class Slow(Coder):
        def suggest(self, text: str, *args: Any) -> Any:  # type: ignore[override]
            if "slow" in text:
                time.sleep(60)
            if "secret" in text:
                raise ValueError(text)
            return super().suggest(text, *args)

    slow = Slow()
    monkeypatch.setattr(spark, "_tools_of", lambda rules: spark._Tools(slow, Screen(slow.rules)))
    texts = [f"{NOTE} slow", f"{NOTE} secret", NOTE]
    given = pa.RecordBatch.from_pydict({"note_id": ["a", "b", "c"], "text": texts})
    (made,) = (batch.to_pylist() for batch in spark._coded(iter([given]), spark._schema(), None, 0.5))
    assert [row["error"] and row["error"]["code"] for row in made] == ["B006", "B008", None]
    assert [row["status"] for row in made] == [None, None, "ready"]
    assert "secret" not in str(made[1]["error"])


def test_spark_empty_frame(session: SparkSession) -> None:
    assert suggest(frame(session, [])).collect() == []


def test_spark_of_the_command_line_gives_the_tables_of_the_local_engine(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq
    from typer.testing import CliRunner

    notes = labelled("academic")
    notes += [("laa", "LAA closure with a plug."), notes[0], (notes[1][0], "another text"), ("nul", "a\0b")]
    ids, texts = zip(*notes, strict=True)
    source = tmp_path / "notes.parquet"
    days = [date(2024, 8, 1) if note_id == ids[0] else date(2026, 3, 1) for note_id in ids]
    days[2] = None
    pq.write_table(pa.table({"NOTE_ID": ids, "NOTE_TEXT": texts, "SERVICE_DATE": days}), source)
    run = CliRunner().invoke
    spark = run(
        app,
        ["batch", str(source), "--out", str(tmp_path / "spark"), "--engine", "spark", "--master", "local[2]"],
    )
    local = run(app, ["batch", str(source), "--out", str(tmp_path / "local"), "--workers", "1"])
    assert (spark.exit_code, local.exit_code) == (1, 1)
    for name in ("notes", "lines", "devices"):
        tables = (
            pq.read_table(tmp_path / "spark" / name),
            pq.read_table(tmp_path / "local" / f"{name}.parquet"),
        )
        same = [column for column in tables[0].schema.names if column != "source"]
        one, other = (sorted(map(repr, found.select(same).to_pylist())) for found in tables)
        assert one == other, name
    errors = csv.DictReader((tmp_path / "local" / "errors.csv").open(encoding="utf-8", newline=""))
    found = pq.read_table(tmp_path / "spark" / "errors").to_pylist()
    assert sorted(row["code"] for row in found) == sorted(row["code"] for row in errors)


def test_spark_of_the_command_line_takes_no_note_with_two_dates(tmp_path: Path) -> None:
    """The same text on two days: nobody knows which edits are its own."""
    import pyarrow as pa
    import pyarrow.parquet as pq
    from typer.testing import CliRunner

    days = ["2024-08-01", "2026-03-01", "2024-08-01", "2024-08-01"]
    notes = {"id": ["a", "a", "b", "b"], "text": [NOTE] * 4, "dos": days}
    pq.write_table(pa.table(notes), tmp_path / "notes.parquet")
    given = ["batch", str(tmp_path / "notes.parquet"), "--out", str(tmp_path / "out"), "--engine", "spark"]
    result = CliRunner().invoke(app, [*given, "--master", "local[1]"])
    assert result.exit_code == 1
    found = pq.read_table(tmp_path / "out" / "errors").to_pylist()
    assert sorted((row["code"], row["where"]) for row in found) == [("I027", "note a"), ("N021", "note b")]
    assert [row["note_id"] for row in pq.read_table(tmp_path / "out" / "notes").to_pylist()] == ["b"]


@pytest.mark.parametrize(
    ("name", "options", "told"),
    [
        ("notes.txt", [], "B012"),
        ("notes.parquet", ["--resume"], "takes no --resume"),
        ("notes.parquet", ["--text-column", "x"], "I022"),
    ],
)
def test_spark_of_the_command_line_says_what_is_wrong(
    tmp_path: Path, name: str, options: list[str], told: str
) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq
    from typer.testing import CliRunner

    pq.write_table(pa.table({"id": ["a"], "text": [NOTE]}), tmp_path / name)
    given = ["batch", str(tmp_path / name), "--out", str(tmp_path / "out"), "--engine", "spark", *options]
    result = CliRunner().invoke(app, given)
    assert result.exit_code in (1, 2)
    assert told in result.stderr
