"""The command: what it prints and writes, and how it ends."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from extractor.cli import app
from extractor.output import csv_lines, print_table
from extractor.rules import patterns_dir
from extractor.terminal import console

ESCAPE = "\x1b]0;title\x07"
LINES = [
    {"code": "93591", "units": 1, "low": 1, "high": 1, "role": "initial device, aortic", "devices": [1]},
    {"code": "93592", "units": 2, "low": 2, "high": 3, "role": "each additional device", "devices": [2, 3]},
]
Write = Callable[[Path, Iterable[object]], Path]


def device(number: int, outcome: str) -> dict[str, object]:
    return {"number": number, "valve": "aortic", "product": None, "size": None, "outcome": outcome}


@pytest.fixture
def told(fake_coder: Any, make_suggestion: Any) -> Any:
    fake_coder.told["full"] = make_suggestion(
        "full",
        "review",
        lines=LINES,
        devices=[
            device(1, "implanted"),
            device(2, "implanted"),
            device(3, "implanted"),
            device(4, "removed"),
        ],
        reasons=[{"code": "device_count_conflict", "message": "three or four " * 15 + ESCAPE}],
        approaches=["retrograde", "transseptal"],
        companions=[{"code": "93462", "units": 1, "message": "transseptal"}],
    )
    return fake_coder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("full", "plain"):
        (tmp_path / f"{name}.txt").write_text("A leak.\n")
    return tmp_path


def pvl(*arguments: str | Path, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], input=stdin)


def run(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-c", "from extractor.cli import app; app()", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, env={**os.environ, **environment}, check=False)


def test_cli_code_table_reads_like_a_coder_writes(told: Any, folder: Path) -> None:
    result = pvl("code", folder)
    lines = result.stdout.splitlines()
    assert result.exit_code == 0
    assert lines[0].split() == ["Note", "Status", "Codes", "Devices", "Approach", "93462"]
    assert lines[2].split("  ")[0] == "full"
    for words in (
        "review",
        "93591 x1 + 93592 x2 (2 to 3)",
        "3 implanted, 1 removed",
        "retrograde, transseptal",
        "x1",
    ):
        assert words in lines[2]
    assert lines[3].startswith("    device_count_conflict: three or four")
    assert lines[4].startswith("      ")
    assert lines[-2].split() == ["plain", "none", "-", "-", "-", "-"]
    assert lines[-1] == "2 notes coded (1 review, 1 none), 0 inputs failed"
    assert "\x1b" not in result.stdout
    assert max(map(len, lines)) <= 120


def test_cli_table_fits_a_narrow_console(told: Any) -> None:
    stream = io.StringIO()
    narrow = console(stream)
    narrow.width = 70
    print_table([told.told["full"]], narrow)
    lines = stream.getvalue().splitlines()
    assert max(map(len, lines)) <= 70
    assert "retrograde," in stream.getvalue()
    assert "transseptal" in stream.getvalue()


def test_cli_code_jsonl_is_the_contract(told: Any, folder: Path, make_suggestion: Any) -> None:
    result = pvl("code", folder, "--format", "jsonl")
    rows = result.stdout_bytes.split(b"\n")
    assert rows == [told.told["full"].to_json().encode(), make_suggestion("plain").to_json().encode(), b""]
    assert result.stderr == ""


def test_cli_code_csv(told: Any, folder: Path) -> None:
    result = pvl("code", folder, "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(result.stdout_bytes.decode(), newline="")))
    assert rows[0] == {
        "note_id": "full",
        "status": "review",
        "codes": "93591 x1 + 93592 x2 (2 to 3)",
        "93590": "0",
        "93591": "1",
        "93592 units": "2",
        "93592_low": "2",
        "93592_high": "3",
        "93462": "1",
        "approaches": "retrograde transseptal",
        "reasons": "device_count_conflict",
        "rules_version": "abc123",
    }
    assert rows[1]["93592 units"] == "0"


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_cli_csv_cell_is_never_a_formula(make_suggestion: Any, start: str) -> None:
    text = "".join(csv_lines([make_suggestion(start + "1+1")]))
    rows = list(csv.reader(io.StringIO(text, newline="")))
    assert rows[1][0] == "'" + start + "1+1"


def test_cli_code_stdin(fake_coder: Any) -> None:
    result = pvl("code", "-", "--format", "jsonl", stdin="é leak\r\n".encode())
    assert json.loads(result.stdout)["note_id"] == "stdin"
    assert [note.text for note in fake_coder.seen] == ["é leak\r\n"]


def test_cli_code_failed_input_is_one_line_and_the_rest_is_coded(told: Any, folder: Path) -> None:
    (folder / "broken.txt").write_bytes(b"\xff")
    result = pvl("code", folder, folder / "gone\x1b[2J.txt", "--format", "jsonl")
    errors = result.stderr.splitlines()
    assert result.exit_code == 1
    assert [json.loads(row)["note_id"] for row in result.stdout.splitlines()] == ["full", "plain"]
    assert [line[:11] for line in errors[:2]] == ["pvl: [I007]", "pvl: [I001]"]
    assert errors[2] == "2 notes coded (1 review, 1 none), 2 inputs failed"
    assert len(errors) == 3
    assert "\x1b" not in result.stderr


def test_cli_code_out_replaces_only_when_complete(
    told: Any, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out" / "result.jsonl"
    out.parent.mkdir()
    out.write_text("old")
    result = pvl("code", folder / "full.txt", "--format", "jsonl", "--out", out)
    assert result.exit_code == 0
    assert out.read_text() == told.told["full"].to_json() + "\n"
    assert result.stdout == ""
    assert result.stderr == "1 note coded (1 review), 0 inputs failed\n"

    def broken(notes: Iterable[object], workers: int) -> Iterable[object]:
        yield told.told["full"]
        raise RuntimeError("engine failure")

    monkeypatch.setattr(told, "pipe", broken)
    result = pvl("code", folder / "plain.txt", "--format", "jsonl", "--out", out)
    assert result.exit_code == 1
    assert out.read_text() == told.told["full"].to_json() + "\n"
    assert os.listdir(out.parent) == ["result.jsonl"]


def test_cli_code_out_table(told: Any, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "table.out"
    assert pvl("code", folder, "--out", out).stdout == ""
    assert out.read_text().splitlines()[0].startswith("Note")


@pytest.mark.parametrize(
    "arguments",
    [
        ["code"],
        ["code", "full.txt", "--format", "xml"],
        ["code", "full.txt", "--workers", "0"],
        ["code", "full.txt", "--out", "full.txt"],
        ["code", "full.txt", "--out", "."],
        ["code", "full.txt", "--out", "nowhere/out.csv"],
        ["explain"],
        ["explain", "."],
        ["evaluate"],
        ["rules", "try"],
        ["rules", "impact"],
        ["unknown"],
    ],
)
def test_cli_wrong_usage_is_status_2(
    told: Any, folder: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    monkeypatch.chdir(folder)
    result = pvl(*arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert (folder / "full.txt").read_text() == "A leak.\n"


def test_cli_code_passes_workers_on(told: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[int] = []
    monkeypatch.setattr(told, "pipe", lambda notes, workers: given.append(workers) or [])
    pvl("code", folder, "--workers", "3")
    assert given == [3]


def test_cli_explain_marks_words_and_shows_the_proof(fake_coder: Any, tmp_path: Path, note: str) -> None:
    path = tmp_path / "demo.txt"
    path.write_text(note + "\x1b[31m")
    result = pvl("explain", path)
    assert result.exit_code == 0
    for words in (
        "[1,2: A [1: 12 mm plug] and a [2: 10 mm plug]\nwere released]. An [3: 8 mm plug] was [recaptured].",
        "device_count_conflict: The description tells of two devices",
        "device 1 released",
        "claim: 3 devices",
        "3 mentions, 1 unexplained",
        "[ ] Other",
    ):
        assert words in result.stdout
    assert "\x1b" not in result.stdout


def test_cli_explain_html(fake_coder: Any, tmp_path: Path, note: str) -> None:
    (tmp_path / "demo.txt").write_text(note)
    result = pvl("explain", tmp_path / "demo.txt", "--html", tmp_path / "page.html")
    assert result.exit_code == 0
    assert (tmp_path / "page.html").read_text().startswith("<!doctype html>")
    assert result.stdout == ""


def test_cli_explain_chooses_by_note_id(
    fake_coder: Any, tmp_path: Path, note: str, write_jsonl: Write
) -> None:
    rows = [{"id": "a", "text": ""}, {"id": "b", "text": note}, {"id": "c", "text": note}]
    path = write_jsonl(tmp_path / "notes.jsonl", rows)
    chosen = pvl("explain", path, "--note-id", "c")
    assert (chosen.exit_code, chosen.stderr) == (0, "")
    assert chosen.stdout.startswith("Note c ")
    unnamed = pvl("explain", path)
    assert unnamed.exit_code == 2
    assert "b, c" in unnamed.stderr
    missing = pvl("explain", path, "--note-id", "d")
    assert missing.exit_code == 1
    assert [line[:11] for line in missing.stderr.splitlines()] == ["pvl: [I005]", "pvl: [I017]"]


def test_cli_evaluate_counts_and_lists(told: Any, tmp_path: Path, write_jsonl: Write) -> None:
    gold = {"lines": {}, "reasons": []}
    rows = [
        {"id": "full", "text": "x", "gold": {"status": "none", **gold}},
        {"id": "other", "text": "x", "gold": {"status": "none", **gold}},
    ]
    path = write_jsonl(tmp_path / "letters.jsonl", rows)
    result = pvl("evaluate", path)
    assert result.exit_code == 0
    assert "false positives           1/2" in result.stdout
    assert "letters" in result.stdout
    assert "review, 93591 x1 + 93592 x2, device_count_conflict" in " ".join(result.stdout.split())
    assert "device_count_conflict" not in pvl("evaluate", path, "--show", "0").stdout
    data = json.loads(pvl("evaluate", path, "--format", "json").stdout)
    assert data["overall"]["false_positives"]["count"] == 1
    write_jsonl(path, [*rows, {"id": "bare", "text": "x"}])
    failed = pvl("evaluate", path)
    assert failed.exit_code == 1
    assert "[I018]" in failed.stderr


def test_cli_rules_check_fails_when_an_example_does_not_hold(tmp_path: Path) -> None:
    rule = """
kind: device
rules:
  - id: device.button
    means: {head: weak}
    phrases: [button]
    examples: {match: ["a [button]"], not_match: ["buttonhole"]}
    source: test
"""
    (tmp_path / "note.txt").write_text("nothing")
    texts = {"good": rule, "bad": rule.replace("buttonhole", "button"), "broken": "kind: ["}
    for name, text in texts.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "devices.yaml").write_text(text)
    good = pvl("rules", "check", "--patterns", tmp_path / "good", "--notes", tmp_path / "note.txt")
    assert good.exit_code == 0
    assert good.stdout.splitlines()[0] == "used by none of 1 notes (1): device.button"
    assert good.stdout.splitlines()[-1] == "1 rules, 2 examples, 0 failed, 0 double phrases"
    bad = pvl("rules", "check", "--patterns", tmp_path / "bad")
    assert bad.exit_code == 1
    assert "device.button: not_match example does not hold: button" in bad.stdout
    broken = pvl("rules", "check", "--patterns", tmp_path / "broken")
    assert broken.exit_code == 1
    assert broken.stderr.startswith("pvl: [R004] devices.yaml:")


def test_cli_rules_try(tmp_path: Path) -> None:
    found = pvl("rules", "try", "one AVP-II")
    assert found.exit_code == 0
    assert (
        "4-10  AVP-II\n    device.avp2  (product=Amplatzer Vascular Plug II, round=True)\n    by phrase"
        in found.stdout
    )
    nothing = pvl("rules", "try", "xyzzy")
    assert (nothing.exit_code, nothing.stdout) == (0, "no rule matches\n")


def test_cli_rules_impact(tmp_path: Path, write_jsonl: Write) -> None:
    old = Path(shutil.copytree(patterns_dir(), tmp_path / "old"))
    actions = old / "actions.yaml"
    actions.write_text(actions.read_text("utf-8").replace(" wasted,", ""), "utf-8")
    text = "Mitral paravalvular leak closure.\n\nAn 8 mm AVP II was released. A 10 mm AVP II was wasted."
    gold = {"status": ["ready"], "lines": {"93590": 1}}
    rows = [{"id": "b", "text": text, "gold": gold}, {"id": "a", "text": text}]
    path = write_jsonl(tmp_path / "notes.jsonl", rows)
    result = pvl("rules", "impact", path, "--against", old)
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0].endswith(": ~action.waste")
    assert lines[2] == "a"
    assert "b   needless review -> right" in lines
    assert "  by      action.waste (action, changed in its file): +1 match" in lines
    assert "notes     2 compared, 2 changed" in lines
    assert "labels    right -> wrong 0, wrong -> right 1; right 0 -> 1 of 1" in lines
    assert max(map(len, lines)) <= 100
    back = pvl("rules", "impact", path, "--against", patterns_dir(), "--patterns", old, "--format", "jsonl")
    *changed, totals = map(json.loads, back.stdout.splitlines())
    assert (back.exit_code, [row["note_id"] for row in changed]) == (0, ["a", "b"])
    assert changed[0]["rules"][0]["lost"] == [[text.index("wasted"), text.index("wasted") + 6]]
    assert [row["worse"] for row in changed] == [False, True]
    assert changed[1]["new"]["label"] == "needless review"
    assert (totals["totals"]["worse"], totals["totals"]["right_to_wrong"]) == (["b"], 1)
    again = ("rules", "impact", path, "--against", patterns_dir(), "--patterns", old, "--fail-on-loss")
    assert pvl(*again).exit_code == 1
    write_jsonl(path, [*rows, {"id": "c", "text": text, "gold": {}}])
    failed = pvl("rules", "impact", path, "--against", old)
    assert (failed.exit_code, "3 compared" in failed.stdout, "[I018]" in failed.stderr) == (1, True, True)


def test_cli_rules_impact_against_nothing_known(tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("A leak.")
    result = pvl("rules", "impact", tmp_path, "--against", "no-such-revision")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("pvl: [R008] no-such-revision: no such")


def test_cli_process_reports_bad_inputs_without_the_engine(tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_bytes(b"")
    result = run("code", tmp_path / "gone.txt", tmp_path / "empty.txt")
    lines = result.stderr.decode().splitlines()
    assert (result.returncode, result.stdout) == (1, b"")
    assert [line[:11] for line in lines[:2]] == ["pvl: [I001]", "pvl: [I005]"]
    assert lines[2:] == ["0 notes coded, 2 inputs failed"]


def test_cli_process_codes_a_real_note(tmp_path: Path) -> None:
    text = "Mitral paravalvular leak closure.\r\nA 12 mm AVP II was deployed and released. ✓\r\n"
    (tmp_path / "one.txt").write_bytes(text.encode())
    (tmp_path / "bad.txt").write_bytes(b"\0" * 90)
    result = run("code", tmp_path, "--format", "jsonl", PYTHONIOENCODING="latin-1")
    suggestion = json.loads(result.stdout.decode("utf-8"))
    assert result.returncode == 1
    assert suggestion["lines"][0]["code"] == "93590"
    for device in suggestion["devices"]:
        for span in device["evidence"]:
            assert text[span["start"] : span["end"]] == span["text"]
    table = run("code", tmp_path / "one.txt", PYTHONIOENCODING="ascii", FORCE_COLOR="1")
    assert table.returncode == 0
    assert b"\x1b" not in table.stdout


def test_cli_process_same_bytes_with_any_workers(tmp_path: Path, write_jsonl: Write) -> None:
    text = "Aortic paravalvular leak. Two 8 mm plugs were deployed and released."
    path = write_jsonl(tmp_path / "notes.jsonl", [{"id": n, "text": f"{text} Case {n}."} for n in range(40)])
    outputs = {run("code", path, "--format", "jsonl", "--workers", n).stdout for n in ("1", "2")}
    assert len(outputs) == 1
    assert next(iter(outputs)).count(b"\n") == 40
