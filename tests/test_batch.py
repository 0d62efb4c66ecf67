"""Batch: the same files, whatever happens on the way; nothing lost, nothing twice."""

from __future__ import annotations

import csv
import json
import multiprocessing
import os
import re
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from extractor import cli
from extractor.batch import Job, run
from extractor.blocks import Candidate, Limits
from extractor.errors import PvlError
from extractor.files import BatchFormat
from extractor.results import COLUMNS, Rows, rows
from extractor.suggestion import Device, Line, Proof, Reason, Suggestion

TABLES = ("notes", "lines", "devices", "worklist", "errors")
UNSTEADY = ("run.json", "report.html")  # they tell how long it took
SMALL = Limits(notes=7, chars=10_000, candidates=4)


@dataclass(frozen=True)
class Rules:
    """All that a run asks of a rule book itself."""

    version: str = "abc123"


def begin(rules: Rules) -> Callable[[Candidate], Rows]:
    """A coder that counts plugs, and does to its process what a note says."""

    def code(note: Candidate) -> Rows:
        if "CRASH" in note.text:
            os._exit(3)
        if "HANG" in note.text:
            time.sleep(600)
        if "FAIL" in note.text:
            raise ValueError(note.text)
        return rows(counted(note.note_id, note.text.count("plug"), rules.version))

    return code


def counted(note_id: str, plugs: int, version: str) -> Suggestion:
    numbers = tuple(range(1, plugs + 1))
    device: dict[str, Any] = {"valve": "mitral", "product": None, "size": "8 mm", "outcome": "implanted"}
    many = Reason(code="device_count_conflict", message="More than two.")
    return Suggestion(
        note_id=note_id,
        status="review" if plugs > 2 else "ready" if plugs else "none",
        lines=(Line(code="93590", units=plugs, low=1, high=plugs, role="mitral", devices=numbers),)
        if plugs
        else (),
        reasons=(many,) if plugs > 2 else (),
        devices=tuple(Device(number=number, **device) for number in numbers),
        proof=Proof(statement="counted", rule="test"),
        rules_version=version,
    )


def screen(text: str) -> bool:
    return "leak" in text


class Quiet:
    """Watches a run, and may stop it after some blocks."""

    def __init__(self, stop_after: int | None = None, kill: bool = False) -> None:
        self.left, self.kill = stop_after, kill
        self.earlier = 0

    def read(self, block: object) -> None: ...

    def tick(self) -> None: ...

    def done(self, facts: object, earlier: bool) -> None:
        self.earlier += earlier
        if self.left is None or earlier:
            return
        self.left -= 1
        if self.left < 0:
            if self.kill:
                os.kill(os.getpid(), signal.SIGKILL)
            raise KeyboardInterrupt


def record(number: int, **more: str) -> dict[str, str]:
    text = "Nothing of the kind." if number % 3 else "A leak." + " One plug." * (number % 4)
    return {"id": f"n{number}", "text": f"{text} Visit {number}.", **more}


@pytest.fixture
def source(tmp_path: Path, write_jsonl: Callable[..., Path]) -> Path:
    return write_jsonl(tmp_path / "notes.jsonl", [record(number) for number in range(60)])


def work(job: Job, watcher: Quiet | None = None) -> None:
    run(job, Rules(), watcher or Quiet(), begin, screen)  # type: ignore[arg-type]


def job(source: Path, out: Path, **more: Any) -> Job:
    return Job((str(source),), out, **{"limits": SMALL, "time_limit": 60.0, **more})


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name not in UNSTEADY}


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_batch_writes_a_row_per_note_line_and_device(source: Path, tmp_path: Path) -> None:
    work(job(source, tmp_path / "out"))
    notes = pq.read_table(tmp_path / "out/notes.parquet").to_pylist()
    assert [note["note_id"] for note in notes] == [f"n{number}" for number in range(60)]
    assert [note["line"] for note in notes] == list(range(1, 61))
    plugs = [number % 4 if number % 3 == 0 else 0 for number in range(60)]
    assert [note["units_93590"] for note in notes] == plugs
    # A note that the screen holds back is none without a suggestion of its own.
    assert [note["suggestion"] is None for note in notes] == [number % 3 != 0 for number in range(60)]
    assert json.loads(notes[3]["suggestion"])["note_id"] == "n3"
    lines = pq.read_table(tmp_path / "out/lines.parquet").to_pylist()
    assert [line["units"] for line in lines] == [some for some in plugs if some]
    devices = pq.read_table(tmp_path / "out/devices.parquet").to_pylist()
    assert len(devices) == sum(plugs)
    worklist = read_csv(tmp_path / "out/worklist.csv")
    assert [task["note_id"] for task in worklist] == [f"n{n}" for n, some in enumerate(plugs) if some]


@pytest.mark.parametrize("form", [BatchFormat.jsonl, BatchFormat.csv])
def test_batch_formats_hold_the_same(source: Path, tmp_path: Path, form: BatchFormat) -> None:
    work(job(source, tmp_path / "parquet"))
    work(job(source, tmp_path / "other", form=form))
    for table in ("notes", "lines", "devices"):
        expected = pq.read_table(tmp_path / f"parquet/{table}.parquet").to_pylist()
        path = tmp_path / f"other/{table}.{form}"
        if form is BatchFormat.jsonl:
            found = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
            for row in expected:
                if row.get("suggestion"):
                    row["suggestion"] = json.loads(row["suggestion"])
        else:
            found = read_csv(path)
            for row in expected:
                row.pop("suggestion", None)
                for name, value in row.items():
                    row[name] = "" if value is None else str(value)
                    if isinstance(value, list):
                        row[name] = " ".join(map(str, value))
        assert found == expected
    assert (tmp_path / "other/worklist.csv").read_bytes() == (tmp_path / "parquet/worklist.csv").read_bytes()


def test_batch_files_do_not_depend_on_workers(source: Path, tmp_path: Path) -> None:
    work(job(source, tmp_path / "one"))
    work(job(source, tmp_path / "three", workers=3, recycle=2))
    assert files(tmp_path / "one") == files(tmp_path / "three")


@pytest.mark.parametrize("after", [0, 1, 4])
def test_batch_goes_on_after_a_stop_and_ends_with_the_same_bytes(
    source: Path, tmp_path: Path, after: int
) -> None:
    work(job(source, tmp_path / "whole"))
    with pytest.raises(KeyboardInterrupt):
        work(job(source, tmp_path / "out"), Quiet(after))
    assert not (tmp_path / "out/notes.parquet").exists()
    watcher = Quiet()
    work(job(source, tmp_path / "out", resume=True), watcher)
    assert watcher.earlier == after + 1
    assert files(tmp_path / "out") == files(tmp_path / "whole")


def killed_run(source: Path, out: Path, after: int) -> None:
    """In a process of its own: killed in the middle, with its workers at work."""
    work(job(source, out, workers=2, resume=True), Quiet(after, kill=True))


def test_batch_goes_on_after_kill_9(source: Path, tmp_path: Path) -> None:
    work(job(source, tmp_path / "whole"))
    context = multiprocessing.get_context("spawn")
    for after in (0, 2, 1):
        process = context.Process(target=killed_run, args=(source, tmp_path / "out", after))
        process.start()
        process.join()
        assert process.exitcode == -signal.SIGKILL
    work(job(source, tmp_path / "out", resume=True))
    assert files(tmp_path / "out") == files(tmp_path / "whole")


def test_batch_stopped_while_the_files_are_written_writes_them_again(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work(job(source, tmp_path / "whole"))

    def full(*_: object) -> str:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("extractor.batch.render_report", full)
        with pytest.raises(OSError, match="No space"):
            work(job(source, tmp_path / "out"))
    work(job(source, tmp_path / "out", resume=True))
    assert files(tmp_path / "out") == files(tmp_path / "whole")


def test_batch_does_a_damaged_part_again(source: Path, tmp_path: Path) -> None:
    work(job(source, tmp_path / "whole"))
    with pytest.raises(KeyboardInterrupt):
        work(job(source, tmp_path / "out"), Quiet(3))
    part = tmp_path / "out/.parts/00000001"
    data = part.read_bytes()
    part.write_bytes(data[:-100] + bytes(100))
    work(job(source, tmp_path / "out", resume=True))
    assert files(tmp_path / "out") == files(tmp_path / "whole")


def test_batch_resume_of_a_finished_run_leaves_it_as_it_is(source: Path, tmp_path: Path) -> None:
    work(job(source, tmp_path / "out"))
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()}
    report = run(job(source, tmp_path / "out", resume=True), Rules(), Quiet(), begin, screen)  # type: ignore[arg-type]
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()} == before
    assert report.statuses == {"none": 45, "ready": 10, "review": 5}


def test_batch_refuses_a_source_that_has_changed(
    source: Path, tmp_path: Path, write_jsonl: Callable[..., Path]
) -> None:
    with pytest.raises(KeyboardInterrupt):
        work(job(source, tmp_path / "out"), Quiet(2))
    write_jsonl(source, [record(number + (number == 2)) for number in range(60)])
    with pytest.raises(PvlError, match="B003"):
        work(job(source, tmp_path / "out", resume=True))


@pytest.mark.parametrize("finished", [False, True])
def test_batch_refuses_a_source_that_has_grown(source: Path, tmp_path: Path, finished: bool) -> None:
    with suppress(KeyboardInterrupt):
        work(job(source, tmp_path / "out"), Quiet(None if finished else 2))
    with source.open("a") as file:
        file.write(json.dumps(record(60)) + "\n")
    with pytest.raises(PvlError, match="B003"):
        work(job(source, tmp_path / "out", resume=True))


def test_batch_refuses_to_go_on_with_another_run(source: Path, tmp_path: Path) -> None:
    given = job(source, tmp_path / "out")
    with pytest.raises(KeyboardInterrupt):
        work(given, Quiet(2))
    for other in (replace(given, form=BatchFormat.csv), replace(given, sources=("other.jsonl",))):
        with pytest.raises(PvlError, match="B002"):
            work(replace(other, resume=True))
    with pytest.raises(PvlError, match="B002"):
        run(replace(given, resume=True), Rules("other"), Quiet(), begin, screen)  # type: ignore[arg-type]
    with pytest.raises(PvlError, match="B001"):
        work(given)


def test_batch_writes_into_no_folder_that_holds_something_else(source: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/mine.txt").write_text("mine")
    for resume in (False, True):
        with pytest.raises(PvlError, match="B001"):
            work(job(source, tmp_path / "out", resume=resume))
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine.txt"]


def test_batch_lets_one_process_work_in_a_folder(source: Path, tmp_path: Path) -> None:
    class Second(Quiet):
        def done(self, facts: object, earlier: bool) -> None:
            with pytest.raises(PvlError, match="B009"):
                work(job(source, tmp_path / "out", resume=True))

    work(job(source, tmp_path / "out"), Second())
    assert (tmp_path / "out/report.json").exists()


def test_batch_poison_notes_cost_only_themselves(tmp_path: Path, write_jsonl: Callable[..., Path]) -> None:
    poison = {4: "leak CRASH", 9: "leak HANG", 13: "leak FAIL secret", 20: "leak \0", 21: "leak \ud800"}
    poison[22] = "leak " * 4_000_000
    records = [record(n, **({"text": poison[n]} if n in poison else {})) for n in range(40)]
    source = write_jsonl(tmp_path / "notes.jsonl", records)
    with source.open("ab") as file:
        file.write(b"{broken\n")
    work(job(source, tmp_path / "out", workers=2, time_limit=2.0))
    notes = pq.read_table(tmp_path / "out/notes.parquet").to_pylist()
    assert [note["note_id"] for note in notes] == [f"n{n}" for n in range(40) if n not in poison]
    errors = read_csv(tmp_path / "out/errors.csv")
    told = {re.search(r"(?:note n|jsonl:)(\d+)$", error["where"])[1]: error["code"] for error in errors}  # type: ignore[index]
    assert told == {
        "4": "B007",
        "9": "B006",
        "13": "B008",
        "20": "I014",
        "21": "I015",
        "23": "I013",  # the reader knows no more than the line of these
        "41": "I008",
    }
    assert all(error["kind"] == "error" for error in errors)
    for path in (tmp_path / "out").iterdir():
        assert b"secret" not in path.read_bytes()
    report = json.loads((tmp_path / "out/report.json").read_text())
    assert sum(report["status"].values()) == 34
    assert sum(report["error"].values()) == 7


def test_batch_codes_the_same_note_once(tmp_path: Path, write_jsonl: Callable[..., Path]) -> None:
    records = [record(n) for n in range(30)]
    again = [record(3), {**record(6), "text": "A leak, another text."}, record(27)]
    source = write_jsonl(tmp_path / "notes.jsonl", records + again)
    work(job(source, tmp_path / "out"))
    notes = pq.read_table(tmp_path / "out/notes.parquet").to_pylist()
    assert [note["note_id"] for note in notes] == [f"n{n}" for n in range(30)]
    errors = read_csv(tmp_path / "out/errors.csv")
    assert [(error["code"], error["kind"]) for error in errors] == [
        ("B005", "notice"),
        ("I011", "error"),
        ("B005", "notice"),
    ]
    assert errors[0]["where"] == f"{source}:31, note n3"
    assert errors[0]["problem"] == f"this note was already read in {source}:4"
    report = json.loads((tmp_path / "out/report.json").read_text())
    assert report["read"] == {"notes": 33, "coded": 10, "left_out": 3}


def test_batch_csv_cells_are_no_formulas(tmp_path: Path, write_jsonl: Callable[..., Path]) -> None:
    ids = ["=1+1", "+1", "-1", "@x", "\tx", "plain"]
    source = write_jsonl(tmp_path / "notes.jsonl", [{"id": one, "text": "leak plug"} for one in ids])
    work(job(source, tmp_path / "out", form=BatchFormat.csv))
    for name in ("worklist", "notes", "lines", "devices"):
        found = [row["note_id"] for row in read_csv(tmp_path / f"out/{name}.csv")]
        assert found == [f"'{one}" for one in ids[:-1]] + ["plain"]


def test_batch_report_is_one_page_with_plots_and_nothing_from_outside(source: Path, tmp_path: Path) -> None:
    work(job(source, tmp_path / "out"))
    page = (tmp_path / "out/report.html").read_text("utf-8")
    assert "default-src 'none'" in page
    assert not re.search(r"https?://|<script|<link|<img|\ssrc=|\sstyle=", page)
    for words in ("60 notes", "45 none", "Devices per note", "device count conflict", "Cost per note"):
        assert words in page
    assert page.count("<svg") >= 3 + 3 + 1 + 1 + 1
    timing = json.loads((tmp_path / "out/run.json").read_text())
    assert sum(step["notes"] for step in timing["steps"]) == 60
    counts = json.loads((tmp_path / "out/report.json").read_text())
    assert counts["devices_ready"] == {"1": 5, "2": 5}
    assert counts["devices_review"] == {"3": 5}


def test_batch_of_nothing_writes_empty_tables(tmp_path: Path) -> None:
    work(job(tmp_path / "missing.jsonl", tmp_path / "out"))
    for table in TABLES[:3]:
        found = pq.read_table(tmp_path / f"out/{table}.parquet")
        assert (found.num_rows, found.column_names) == (0, list(COLUMNS[table]))  # type: ignore[index]
    assert [error["code"] for error in read_csv(tmp_path / "out/errors.csv")] == ["I001"]


def test_batch_command_says_what_pvl_code_says(tmp_path: Path, write_jsonl: Callable[..., Path]) -> None:
    text = "Mitral paravalvular leak closure. Two 8 mm AVP II plugs were deployed and released."
    source = write_jsonl(tmp_path / "in.jsonl", [{"id": "a", "text": text}, {"id": "b"}])
    runner = CliRunner()
    coded = runner.invoke(cli.app, ["code", str(source), "--format", "jsonl"])
    out = tmp_path / "out"
    found = runner.invoke(cli.app, ["batch", str(source), "--out", str(out), "--workers", "1"])
    assert (coded.exit_code, found.exit_code) == (1, 1)  # one input failed, the other is done
    assert "1 note coded (1 ready), 1 input failed" in found.stderr
    note = pq.read_table(out / "notes.parquet").to_pylist()[0]
    assert note["suggestion"] == coded.stdout.strip()
    assert (note["units_93590"], note["units_93592"]) == (1, 1)


def test_batch_command_refuses_a_folder_inside_the_inputs(tmp_path: Path) -> None:
    found = CliRunner().invoke(cli.app, ["batch", str(tmp_path), "--out", str(tmp_path / "out")])
    assert found.exit_code == 2
    assert not (tmp_path / "out").exists()
