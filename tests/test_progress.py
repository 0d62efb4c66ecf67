"""Progress: what is told of a run that goes on."""

from __future__ import annotations

import io
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from extractor.blocks import Block
from extractor.parts import Facts
from extractor.progress import Extent, Progress


def test_progress_share_goes_by_bytes_over_all_files(tmp_path: Path) -> None:
    for name, size in (("a.txt", 100), ("b.jsonl", 300)):
        (tmp_path / name).write_bytes(b"x" * size)
    first, second = str(tmp_path / "a.txt"), str(tmp_path / "b.jsonl")
    extent = Extent([str(tmp_path)])
    assert extent.share(first, None, 100) == 0.25
    assert extent.share(second, 1, 150) == 0.625
    assert extent.share(second, 2, 10_000) == 1.0


def test_progress_share_goes_by_rows_where_a_file_is_compressed(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": ["the same"] * 1_000}), path)
    assert Extent([str(path)]).share(str(path), 250, 1_000_000) == 0.25


def test_progress_share_of_what_is_no_file_is_unknown() -> None:
    assert Extent(["-"]).share("-", None, 100) is None


def test_progress_tells_counts_and_time_left_where_there_is_no_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("extractor.progress._EVERY", 0.0)
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"x" * 1_000)
    stream = io.StringIO()
    block = Block(0, size=250, ids=["n"], sources=[str(path)], lines=[1])
    counts = {"status": {"ready": 2, "review": 1, "none": 1_000}, "error": {"I005": 4}}
    with Progress([str(path)], stream) as progress:
        progress.read(block)
        progress.done(Facts("", 1_007, 250, 0.1, counts), earlier=False)
    told = stream.getvalue()
    assert told.startswith("1,003 notes, ")
    assert "2 ready, 1 review, 4 failed" in told
    assert told.rstrip().endswith("left")
