"""Kept texts: what offsets refer to, in a file for each note."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from extractor.cli import app
from extractor.errors import OutputError
from extractor.readers import Note
from extractor.texts import INDEX, keep

DEMO = Path(__file__).parent.parent / "sample_notes" / "demo"
TEXT = "Aortic PVL closure.\r\nA 12 mm AVP II – größer –\twas deployed and released.\u2028No leak.\r"


def pvl(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def index(folder: Path) -> dict[str, str]:
    with (folder / INDEX).open(encoding="utf-8", newline="") as file:
        return {row["note_id"]: row["file"] for row in csv.DictReader(file)}


def test_texts_every_offset_finds_its_words(tmp_path: Path) -> None:
    rows = [{"id": "A/1", "text": TEXT}, {"id": "a/1", "text": TEXT}, {"id": "ä", "text": "\ufeff" + TEXT}]
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.jsonl").write_text(
        "".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8"
    )
    (tmp_path / "in" / "b.html").write_text(
        "<html><body><p>A &lt;12&nbsp;mm AVP&#160;II</p><p>was <b>released</b>.</p></body></html>",
        encoding="utf-8",
    )
    for name in ("log-015", "eur-011"):
        shutil.copy(DEMO / f"{name}.txt", tmp_path / "in")
    texts = tmp_path / "texts"
    result = pvl("code", tmp_path / "in", "--format", "jsonl", "--keep-text", texts)
    assert result.exit_code == 0
    suggestions = [json.loads(line) for line in result.stdout.splitlines()]
    files = index(texts)
    assert list(files) == [suggestion["note_id"] for suggestion in suggestions]
    assert {path.name for path in texts.iterdir()} == {INDEX, *files.values()}
    assert len({name.casefold() for name in files.values()}) == 6
    spans = 0
    for suggestion in suggestions:
        text = (texts / files[suggestion["note_id"]]).read_bytes().decode("utf-8")
        for device in suggestion["devices"]:
            for span in device["evidence"]:
                assert text[span["start"] : span["end"]] == span["text"]
                spans += 1
    assert spans > 10
    assert (texts / files["log-015"]).read_bytes() == (DEMO / "log-015.txt").read_bytes()
    assert (texts / files["A/1"]).read_bytes().decode("utf-8") == TEXT
    assert "<12 mm AVP II" in (texts / files["b"]).read_text(encoding="utf-8")


def test_texts_are_kept_with_any_number_of_workers_and_forms(tmp_path: Path) -> None:
    plain = pvl("code", DEMO, "--format", "jsonl").stdout
    for number, more in enumerate((["--workers", "2"], ["--out", str(tmp_path / "out.jsonl")])):
        folder = tmp_path / f"texts{number}"
        result = pvl("code", DEMO, "--format", "jsonl", "--keep-text", folder, *more)
        assert (result.stdout or (tmp_path / "out.jsonl").read_text(encoding="utf-8")) == plain
        assert len(index(folder)) == 12


def test_texts_of_bad_inputs_are_none(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"id": "a", "text": "x"}\n{"id": "a", "text": "y"}\n{"id": "b"}\n')
    assert pvl("code", tmp_path / "a.jsonl", "--keep-text", tmp_path / "texts").exit_code == 1
    assert index(tmp_path / "texts") == {"a": "a.txt"}
    assert (tmp_path / "texts" / "a.txt").read_text() == "x"


def test_texts_folder_must_be_new_and_beside_the_input(tmp_path: Path) -> None:
    source = tmp_path / "in"
    source.mkdir()
    (source / "a.txt").write_text("leak")
    full = tmp_path / "full"
    full.mkdir()
    (full / "mine.txt").write_text("mine")
    for folder in (full, full / "mine.txt", source / "texts", source, tmp_path / "no" / "texts"):
        result = pvl("code", source, "--keep-text", folder)
        assert result.exit_code == 2
        assert "name" in result.stderr or "create it first" in result.stderr
    assert [path.name for path in full.iterdir()] == ["mine.txt"]
    assert [path.name for path in source.iterdir()] == ["a.txt"]
    (tmp_path / "empty").mkdir()
    assert pvl("code", source, "--keep-text", tmp_path / "empty").exit_code == 0
    assert index(tmp_path / "empty") == {"a": "a.txt"}


def test_texts_that_cannot_be_written_are_one_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OutputError, match=r"O004.*No space left") as raised:
        list(keep([Note("a", "Zebrafish", "a.txt")], tmp_path))
    assert "Zebrafish" not in str(raised.value)
    result = pvl("code", DEMO / "log-015.txt", "--keep-text", tmp_path / "texts")
    assert result.exit_code == 1
    assert "O004" in result.stderr
    assert not (tmp_path / "texts").exists()
