"""Notes in: every source, and one clear error for each thing that can be wrong with one."""

from __future__ import annotations

import io
import json
import os
import pickle
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extractor.errors import InputError, InputNotice
from extractor.readers import Note, plain, read

if TYPE_CHECKING:
    from extractor.evaluate import Labelled

SECRET = "Zebrafish"


def collect(*paths: str | Path) -> tuple[list[Note], list[InputError]]:
    errors: list[InputError] = []
    return list(read(paths, errors.append)), errors


def jsonl(path: Path, *lines: str | bytes) -> Path:
    path.write_bytes(b"".join((line if isinstance(line, bytes) else line.encode()) + b"\n" for line in lines))
    return path


def row(**fields: object) -> str:
    return json.dumps(fields)


def test_readers_text_keeps_every_character(tmp_path: Path) -> None:
    path = tmp_path / "note-7.txt"
    path.write_bytes("\r\nÄ leak\r\n\tx\x0c\u2028y\r".encode())
    notes, errors = collect(path)
    assert errors == []
    assert notes == [Note("note-7", "\r\nÄ leak\r\n\tx\x0c\u2028y\r", str(path), None)]


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1))
def test_readers_jsonl_text_comes_back_unchanged(text: str) -> None:
    (found,) = plain._record("f.jsonl", 1, json.dumps({"id": "a", "text": text}).encode(), 0)
    if text.isspace():
        assert isinstance(found, InputError)
    else:
        assert isinstance(found, Note)
        assert found.text == text


def test_readers_bom_is_taken_off(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"\xef\xbb\xbfleak")
    records = jsonl(tmp_path / "b.jsonl", b"\xef\xbb\xbf" + row(id="b", text="\ufeffleak").encode())
    assert [note.text for note in collect(path, records)[0]] == ["leak", "\ufeffleak"]


def test_readers_folder_is_recursive_sorted_and_leaves_out_hidden(tmp_path: Path) -> None:
    for name in ("b.txt", "a/z.TXT", "a/.hidden.txt", ".git/c.txt", "a/readme.md", "c/1.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("leak")
    jsonl(tmp_path / "a" / "b.jsonl", row(id="r1", text="x"), row(note_id="r2", text="y"))
    notes, errors = collect(tmp_path)
    assert [note.note_id for note in notes] == ["r1", "r2", "z", "b", "1"]
    assert [note.line for note in notes] == [1, 2, None, None, None]
    assert [error.code for error in errors] == ["N003"]  # readme.md


def test_readers_is_lazy(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "a.jsonl", row(id="1", text="x"), "not json")
    errors: list[InputError] = []
    notes = read([path], errors.append)
    assert next(notes).note_id == "1"
    assert errors == []


def test_readers_stdin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO("é leak\r\n".encode())))
    assert collect("-") == ([Note("stdin", "é leak\r\n", "-", None)], [])


def test_readers_integer_id_becomes_text(tmp_path: Path) -> None:
    notes, _ = collect(jsonl(tmp_path / "a.jsonl", row(id=17, text="x")))
    assert notes[0].note_id == "17"


def test_readers_note_survives_pickling() -> None:
    note = Note("a", "text", "f.jsonl", 3)
    assert pickle.loads(pickle.dumps(note)) == note


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "I005"),
        (b" \r\n\t", "I005"),
        (b"\xef\xbb\xbf", "I005"),
        (b"\x00\x01\x02\x03" * 50, "I006"),
        (b"%PDF-1.7\n" + SECRET.encode(), "I006"),
        (b"\xff\xfe" + SECRET.encode("utf-16-le"), "I007"),
        (SECRET.encode() + b"\nM\xe4rz", "I007"),
        ((SECRET * 20 + "\0" + SECRET).encode(), "I014"),
        (SECRET.encode() * 600_000, "I013"),
        (SECRET.encode() * 115_000, "I013"),
    ],
)
def test_readers_bad_text_file_is_one_clear_error(tmp_path: Path, data: bytes, code: str) -> None:
    path = tmp_path / "bad.txt"
    path.write_bytes(data)
    notes, errors = collect(path)
    assert notes == []
    assert [error.code for error in errors] == [code]
    assert errors[0].where.startswith(str(path))
    assert errors[0].remedy
    assert SECRET not in str(errors[0])


@pytest.mark.parametrize(
    ("line", "code", "names_note"),
    [
        ('{"id": "n1", "text": ' + SECRET, "I008", False),
        ('{"id": "n1", "text": ' + "[" * 100_000, "I008", False),
        ('{"id": "n1", "text": ' + "9" * 5000 + "}", "I008", False),
        (f'["{SECRET}"]', "I009", False),
        (row(text=SECRET), "I010", False),
        (row(id=" ", text=SECRET), "I010", False),
        (row(id=True, text=SECRET), "I010", False),
        (row(id="n1"), "I012", True),
        (row(id="n1", text=None), "I012", True),
        (row(id="n1", text=[SECRET]), "I012", True),
        (row(id="n1", text=""), "I005", True),
        (row(id="n1", text=SECRET + "\0"), "I014", True),
        (row(id="n1", text=SECRET + "\ud83d"), "I015", True),
        (row(id="n\ud83d", text=SECRET), "I015", False),
        (row(id="n1", text=SECRET * 600_000), "I013", True),
        (row(id="n1", text=SECRET * 2_000_000), "I013", False),
        (b'{"id": "n1", "text": "\xe4"}', "I007", False),
    ],
)
def test_readers_bad_record_costs_only_itself(
    tmp_path: Path, line: str | bytes, code: str, names_note: bool
) -> None:
    path = jsonl(tmp_path / "a.jsonl", row(id="first", text="x"), "", line, row(id="last", text="y"))
    notes, errors = collect(path)
    assert [(note.note_id, note.line) for note in notes] == [("first", 1), ("last", 4)]
    assert [error.code for error in errors] == [code]
    assert errors[0].where == f"{path}:3" + (", note n1" if names_note else "")
    assert SECRET not in str(errors[0])


def test_readers_wrong_encoding_names_byte_and_line(tmp_path: Path) -> None:
    text = tmp_path / "a.txt"
    text.write_bytes(b"\xef\xbb\xbfone\ntwo \xfc")
    records = jsonl(tmp_path / "b.jsonl", row(id="1", text="x"), b"\xfc")
    _, errors = collect(text, records)
    assert [error.where for error in errors] == [f"{text}:2", f"{records}:2"]
    size = len(row(id="1", text="x")) + 1
    assert "byte 11 " in errors[0].problem
    assert f"byte {size} " in errors[1].problem
    assert "iconv" in errors[0].remedy


def test_readers_duplicate_id_keeps_the_first(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("first")
    records = jsonl(
        tmp_path / "b.jsonl", row(id="a", text="second"), row(id="c", text="x"), row(id="c", text="y")
    )
    notes, errors = collect(tmp_path / "a.txt", records)
    assert [(note.note_id, note.text) for note in notes] == [("a", "first"), ("c", "x")]
    assert [(error.code, error.where) for error in errors] == [
        ("I011", f"{records}:1, note a"),
        ("I011", f"{records}:3, note c"),
    ]
    assert f"{records}:2" in errors[1].problem


@pytest.mark.parametrize(
    ("name", "code"),
    [("missing.txt", "I001"), ("letter.doc", "I003"), ("empty", "I004"), ("empty.jsonl", "I005")],
)
def test_readers_bad_path_is_one_clear_error(tmp_path: Path, name: str, code: str) -> None:
    (tmp_path / "letter.doc").write_text("x")
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty.jsonl").write_text("\n \n")
    (tmp_path / "good.txt").write_text("leak")
    notes, errors = collect(tmp_path / name, tmp_path / "good.txt")
    assert [note.note_id for note in notes] == ["good"]
    assert [(error.code, error.where) for error in errors] == [(code, str(tmp_path / name))]


def test_readers_unreadable_file(tmp_path: Path) -> None:
    link = tmp_path / "a.txt"
    os.symlink(link, link)
    assert [error.code for error in collect(link)[1]] == ["I002"]


def test_readers_binary_jsonl_is_one_error_not_one_a_line(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"\x1f\x8b\x08\n\x00\n\x00\n")
    assert [error.code for error in collect(path)[1]] == ["I006"]


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"MSH|^~\\&|LAB|H\rTXA|1\r" + SECRET.encode(), ".hl7"),
        (b'\xef\xbb\xbf\n{"resourceType": "Bundle", "x": "' + SECRET.encode(), ".json"),
        (b'[{"id": "1", "resourceType": "DocumentReference"}]', ".json"),
        (b'{"id": "1", "text": "' + SECRET.encode() + b'"}\n', ".jsonl"),
        (b'<?xml version="1.0"?><ClinicalDocument/>', ".xml"),
        (b"<!DOCTYPE html><html>" + SECRET.encode(), ".html"),
        (b"NOTE_ID|LINE|NOTE_TEXT\n17|1|" + SECRET.encode(), ".csv"),
        (b'"note_id","text"\n"17","' + SECRET.encode() + b'"', ".csv"),
    ],
)
def test_readers_text_file_that_holds_another_kind_is_not_one_note(
    tmp_path: Path, data: bytes, says: str
) -> None:
    (tmp_path / "a.txt").write_bytes(data)
    notes, errors = collect(tmp_path / "a.txt")
    assert notes == []
    assert [error.code for error in errors] == ["I019"]
    assert says in errors[0].remedy
    assert SECRET not in str(errors[0])


@pytest.mark.parametrize(
    "text",
    [
        "Report, Note\nA leak was closed.",
        "[x] mitral { } <aortic>\nA leak.",
        "ID: 17 | Text: A leak\nclosed | with one plug.",
        "id,text",
        "MSH and MRN | see chart",
    ],
)
def test_readers_text_file_with_marks_of_other_kinds_is_a_note(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.txt").write_text(text)
    assert [note.text for note in collect(tmp_path / "a.txt")[0]] == [text]


def test_readers_gold_notes_are_all_plain_text(gold: list[Labelled]) -> None:
    assert [
        one.note.note_id for one in gold if plain._other_kind("", one.note.text.encode(), one.note.text)
    ] == []


def test_readers_folder_tells_what_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    for name in (
        "a.txt",
        "b.doc",
        "deep/c.DOC",
        "scan.tiff",
        f"x.{SECRET}",
        "Makefile",
        ".hidden",
        "~$a.docx",
    ):
        (tmp_path / name).write_text("leak")
    (tmp_path / "elsewhere").symlink_to(tmp_path / "deep", target_is_directory=True)
    notes, errors = collect(tmp_path)
    assert [note.note_id for note in notes] == ["a"]
    (notice,) = errors
    assert isinstance(notice, InputNotice)
    assert (notice.code, notice.where) == ("N003", str(tmp_path))
    assert "2 .doc" in notice.problem
    assert "1 .tiff" in notice.problem
    assert "2 others" in notice.problem
    assert "1 links to folders" in notice.problem
    assert SECRET not in str(notice)


def test_readers_folder_with_a_pipe_does_not_wait(tmp_path: Path) -> None:
    (tmp_path / "b.txt").write_text("leak")
    os.mkfifo(tmp_path / "a.txt")
    notes, errors = collect(tmp_path)
    assert [note.note_id for note in notes] == ["b"]
    assert [(error.code, error.where) for error in errors] == [("I002", str(tmp_path / "a.txt"))]


def test_readers_folder_without_rights_costs_only_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "shut").mkdir()
    (tmp_path / "open.txt").write_text("leak")
    scan = os.scandir

    def scandir(folder: str) -> object:
        if folder.endswith("shut"):
            raise PermissionError(13, "Permission denied")
        return scan(folder)

    monkeypatch.setattr(os, "scandir", scandir)
    notes, errors = collect(tmp_path)
    assert [note.note_id for note in notes] == ["open"]
    assert [(error.code, error.where) for error in errors] == [("I002", str(tmp_path / "shut"))]


@pytest.mark.parametrize("name", ["b.txt", "b"])
def test_readers_folder_with_a_link_in_circles_costs_only_itself(tmp_path: Path, name: str) -> None:
    (tmp_path / "a.txt").write_text("leak")
    (tmp_path / name).symlink_to(tmp_path / name)
    (tmp_path / "c.txt").write_text("leak")
    notes, errors = collect(tmp_path)
    assert [note.note_id for note in notes] == ["a", "c"]
    assert [(error.code, error.where) for error in errors] == [("I002", str(tmp_path / name))]


@pytest.mark.parametrize("kind", [str, Path])
def test_readers_take_a_single_source_as_it_is(tmp_path: Path, kind: type[str | Path]) -> None:
    path = tmp_path / "a.txt"
    path.write_text("leak")
    errors: list[InputError] = []
    assert [note.note_id for note in read(kind(path), errors.append)] == ["a"]
    assert errors == []


def test_readers_folder_with_one_id_in_two_kinds_is_no_version(tmp_path: Path) -> None:
    """Neither text goes without an error: nothing says that the id means the same note."""
    message = (
        "MSH|^~\\&|A|B|C|D|20240105||MDM^T02|1|P|2.5\rTXA|1|OP|TX|||||||||7|||||AU\rOBX|1|TX|||one||||||F\r"
    )
    (tmp_path / "a.hl7").write_text(message)
    (tmp_path / "b.csv").write_text("note_id,line,text\n7,1,two\n")
    notes, errors = collect(tmp_path)
    assert [note.text for note in notes] == ["one"]
    assert [(error.code, error.where) for error in errors] == [("I011", f"{tmp_path / 'b.csv'}:2, note 7")]


def test_readers_jsonl_lines_that_are_no_json_are_told_as_one(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "a.jsonl", row(id="1", text="x"), *[SECRET] * 50, row(id="2", text="y"), "{")
    notes, errors = collect(path)
    assert [note.note_id for note in notes] == ["1", "2"]
    assert [(error.code, error.where) for error in errors] == [("I008", f"{path}:2"), ("I008", f"{path}:53")]
    assert "until line 51" in errors[0].problem
    assert "until" not in errors[1].problem
    assert SECRET not in str(errors[0])


@pytest.mark.parametrize("kind", ["txt", "csv", "hl7", "xml", "json"])
def test_readers_file_name_that_is_no_utf8_costs_only_itself(tmp_path: Path, kind: str) -> None:
    os.mkdir(os.fsencode(tmp_path) + b"/\xe9")
    for name in (b"/\xe9/b.", b"/\xe9."):
        with open(os.fsencode(tmp_path) + name + kind.encode(), "w") as file:
            file.write("leak")
    (tmp_path / "good.txt").write_text("leak")
    notes, errors = collect(tmp_path)
    assert [note.note_id for note in notes] == ["good"]
    assert [error.code for error in errors] == ["I015", "I015"]
    assert {error.where for error in errors} == {f"{tmp_path}/?.{kind}", f"{tmp_path}/?/b.{kind}"}
