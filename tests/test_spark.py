"""Spark: the same suggestions as without it, from a DataFrame in any partitions."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from extractor import Coder
from extractor.results import rows

pytest.importorskip("pyspark", reason="the optional group spark is not installed")
if shutil.which("java") is None:
    pytest.skip("Spark needs Java", allow_module_level=True)

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
    assert made["c"]["error_code"] == "B006"


def test_spark_bad_note_costs_only_itself(session: SparkSession) -> None:
    given = [("nul", "a\0b"), ("empty", " "), ("none", None), (None, NOTE), ("good", NOTE)]
    made = by_id(suggest(frame(session, given)))
    assert {i: row["error_code"] for i, row in made.items()} == {
        "nul": "I014", "empty": "I005", "none": "I005", None: "I005", "good": None,
    }  # fmt: skip
    assert made["good"]["status"] == "ready"
    assert table(suggest(frame(session, given)), "errors").count() == 4


def test_spark_time_limit_ends_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    import pyarrow as pa

    from extractor import spark

    class Slow(Coder):
        def suggest(self, text: str, *args: Any) -> Any:  # type: ignore[override]
            if text == "slow":
                time.sleep(60)
            if text == "bad":
                raise ValueError(text)
            return super().suggest(text, *args)

    monkeypatch.setattr(spark, "_coder", lambda rules: Slow())
    given = pa.RecordBatch.from_pydict({"note_id": ["a", "b", "c"], "text": ["slow", "bad", NOTE]})
    out = spark._coded_schema([])
    (made,) = spark._coded(iter([given]), out, None, 0.5)
    assert made.column("error_code").to_pylist() == ["B002", "B001", None]
    assert made.column("status").to_pylist() == [None, None, "ready"]
    assert "bad" not in made.column("error").to_pylist()[1]


def test_spark_empty_frame(session: SparkSession) -> None:
    assert suggest(frame(session, [])).collect() == []
