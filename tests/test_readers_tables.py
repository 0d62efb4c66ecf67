"""Tables: the same notes, whatever file or database they come from, and never half of one."""

from __future__ import annotations

import csv
import random
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from extractor.cli import app
from extractor.errors import InputError, InputNotice
from extractor.readers import Note, Options, read, read_all, shown

if TYPE_CHECKING:
    from extractor.coder import Coder

DEMO = Path(__file__).parent.parent / "sample_notes" / "demo"
SECRET = "Zebrafish"
ODD = (
    'Paravalvular leak closure, aortic; "redo".\r\n\r\nA 12 mm\tAVP II was deployed and released;\r\n'
    "größer | 5' sheath, 2\" wire.\n\nNo leak."
)
FORMATS = ("csv", "tsv", "parquet", "sqlite")
WIDTH = 211  # the pieces of a text: it falls inside of words
Table = tuple[list[str], list[tuple[object, ...]]]


def demo() -> dict[str, str]:
    notes = {path.stem: path.read_bytes().decode() for path in sorted(DEMO.glob("*.txt"))[:5]}
    return {**notes, "odd": ODD}


def pieces(text: str) -> list[str]:
    return [text[at : at + WIDTH] for at in range(0, len(text), WIDTH)]


def plain() -> Table:
    return ["note_id", "text"], list(demo().items())


def other_names() -> Table:
    rows: list[tuple[object, ...]] = [(n, text, None, key) for n, (key, text) in enumerate(demo().items())]
    return ["PAT_ID", "Report Text", "Remark", "Document ID"], rows


def lines() -> Table:
    rows = [(key, at, piece) for key, text in demo().items() for at, piece in enumerate(pieces(text), 1)]
    return ["NOTE_ID", "LINE", "NOTE_TEXT"], list(rows)


def shuffled_lines_from_zero() -> Table:
    rows = [(at, key, piece) for key, text in demo().items() for at, piece in enumerate(pieces(text))]
    random.Random(7).shuffle(rows)
    return ["Line Num", "NoteKey", "LineText"], list(rows)


def revisions() -> Table:
    """In one heap: what is read, an older version, and a newer draft; one note tells of its addendum."""
    rows: list[tuple[object, ...]] = []
    for number, (key, text) in enumerate(demo().items()):
        for csn, status, told in (
            (9, "Signed", "An older version. " * 20),
            (10, "Addendum", text),
            (11, "Incomplete", "A newer draft. " * 30),
        ):
            rows += [
                (key, csn + 100 * number, line, piece, status) for line, piece in enumerate(pieces(told), 1)
            ]
    random.Random(8).shuffle(rows)
    return ["HNO_NOTE_ID", "NOTE_CSN_ID", "LINE", "NOTE_TEXT", "NOTE_STATUS_C_NAME"], rows


SHAPES = (plain, other_names, lines, shuffled_lines_from_zero, revisions)


def write(kind: str, folder: Path, names: Sequence[str], rows: Iterable[Sequence[object]], **how: Any) -> str:
    """A table of a kind, and the path or URL to read it by."""
    path = folder / f"notes.{kind}"
    rows = [tuple(row) for row in rows]
    if kind in ("csv", "tsv"):
        with path.open("w", newline="", encoding=how.pop("encoding", "utf-8")) as file:
            writer = csv.writer(file, **{"delimiter": "," if kind == "csv" else "\t", **how})
            writer.writerow(names)
            writer.writerows(rows)
    elif kind == "parquet":
        columns = [list(column) for column in zip(*rows, strict=True)] or [[] for _ in names]
        pq.write_table(pa.table([_array(column) for column in columns], names=list(names)), path)
    else:
        with sqlite3.connect(path) as base:
            base.execute(f"CREATE TABLE note ({', '.join(map(repr, names))})")
            base.executemany(f"INSERT INTO note VALUES ({', '.join('?' * len(names))})", rows)
        base.close()
        return f"sqlite:///{path}"
    return str(path)


def _array(values: list[object]) -> pa.Array:
    mixed = len({type(value) for value in values if value is not None}) > 1
    return pa.array([value if value is None else str(value) for value in values] if mixed else values)


def collect(*sources: str | Path, **options: str) -> tuple[list[Note], list[InputError]]:
    errors: list[InputError] = []
    query = {"query": "SELECT * FROM note"} if "://" in str(sources[0]) else {}
    return list(read(sources, errors.append, Options(**{**query, **options}))), errors


def failures(errors: list[InputError]) -> list[str]:
    return [error.code for error in errors if not isinstance(error, InputNotice)]


def given(
    kind: str, folder: Path, names: str, *rows: Sequence[object]
) -> tuple[dict[str, str], list[InputError]]:
    """(texts by id, errors) of a small table."""
    notes, errors = collect(write(kind, folder, names.split(), rows))
    assert all(SECRET not in str(error) for error in errors)
    assert all(error.where and error.remedy for error in errors)
    return {note.note_id: note.text for note in notes}, errors


every_format = pytest.mark.parametrize("kind", FORMATS)


@every_format
@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.__name__)
def test_readers_tables_give_the_notes_and_suggestions_of_text_files(
    tmp_path: Path, coder: Coder, kind: str, shape: Callable[[], Table]
) -> None:
    (tmp_path / "texts").mkdir()
    for key, text in demo().items():
        (tmp_path / "texts" / f"{key}.txt").write_bytes(text.encode())
    expected, _ = collect(tmp_path / "texts")
    notes, errors = collect(write(kind, tmp_path, *shape()))
    notes.sort(key=lambda note: note.note_id)
    assert failures(errors) == []
    assert len(errors) == (2 * len(expected) if shape is revisions else 0)  # what was left out is told
    assert [(n.note_id, n.text, n.standing) for n in notes] == [
        (n.note_id, n.text, "final") for n in expected
    ]
    assert list(coder.pipe(notes)) == list(coder.pipe(expected))


@every_format
def test_readers_tables_keep_the_order_of_the_notes_and_name_rows(tmp_path: Path, kind: str) -> None:
    source = write(kind, tmp_path, ["id", "text"], [("b", "x"), ("a", "y")])
    first = 2 if kind in ("csv", "tsv") else 1
    assert collect(source)[0] == [Note("b", "x", source, first), Note("a", "y", source, first + 1)]


@every_format
def test_readers_tables_addendum_stands_beneath_its_note(tmp_path: Path, kind: str) -> None:
    texts, errors = given(
        kind,
        tmp_path,
        "note_id parent_note_id line note_text",
        ("a", None, 1, "One plug."),
        ("b", "a", 1, "Correction: "),
        ("b", "a", 2, "two plugs."),
        ("c", "c", 1, "Its own parent."),
    )
    assert errors == []
    assert texts == {"a": "One plug.\n\nADDENDUM:\nCorrection: two plugs.", "c": "Its own parent."}


@every_format
@pytest.mark.parametrize(
    ("names", "rows", "codes"),
    [
        ("id words", [("a", SECRET)], ["I022"]),
        ("number text", [("a", SECRET)], ["I022"]),
        ("id text", [], ["I020"]),
        ("id text", [("a", "x"), (None, SECRET), ("b", "y")], ["I010"]),
        ("id text", [("a", "x"), ("c", None), ("b", "y")], ["I005"]),
        ("id text", [("a", "x"), ("c", SECRET + "\0"), ("b", "y")], ["I014"]),
        ("id text", [("a", "x"), ("c", SECRET), ("b", "y"), ("c", SECRET + ".")], ["I027"]),
        ("id line text", [("a", 1, "x"), ("c", 1, SECRET), ("c", 3, "."), ("b", 1, "y")], ["I024"]),
        ("id line text", [("a", 1, "x"), ("c", 2, SECRET), ("b", 1, "y")], ["I024"]),
        ("id line text", [("a", 1, "x"), ("c", 1, SECRET), ("c", 1, "."), ("b", 1, "y")], ["I025"]),
        ("id line text", [("a", 1, "x"), ("c", 1, "."), ("c", 1, "."), ("b", 1, "y")], ["I025"]),
        ("id line text", [("a", 1, "x"), ("c", 1, "."), ("c", "2b", SECRET), ("b", 1, "y")], ["I026"]),
        ("id line text", [("a", 1, "x"), ("c", 1, "."), ("c", 1.5, SECRET), ("b", 1, "y")], ["I026"]),
        ("id line text", [("a", 1, "x"), ("c", 1, "."), ("c", -2, SECRET), ("b", 1, "y")], ["I026"]),
        ("id line text", [("a", 1, "x"), ("c", 1, "."), ("c", None, SECRET), ("b", 1, "y")], ["I026"]),
        ("id line text", [("a", 1, "x"), ("c", 1, SECRET), ("c", 2, None), ("b", 1, "y")], ["I026"]),
        (
            "id line text rev",
            [("a", 1, "x", 1), ("c", 1, SECRET, "old"), ("c", 1, ".", "new"), ("b", 1, "y", 1)],
            ["I027"],
        ),
        (
            "id line text rev",
            [("a", 1, "x", 1), ("c", 1, SECRET, 1), ("c", 2, ".", 2), ("b", 1, "y", 1)],
            ["I024"],
        ),
    ],
)
def test_readers_tables_bad_row_costs_its_note_only(
    tmp_path: Path, kind: str, names: str, rows: list[tuple[object, ...]], codes: list[str]
) -> None:
    texts, errors = given(kind, tmp_path, names, *rows)
    assert [error.code for error in errors] == codes
    assert texts == ({"a": "x", "b": "y"} if len(rows) > 2 else {})


@every_format
def test_readers_tables_row_without_an_id_puts_the_lines_around_it_in_doubt(
    tmp_path: Path, kind: str
) -> None:
    rows = [("a", 1, "x"), ("b", 1, "One "), (None, 2, SECRET), ("c", 1, "y"), ("d", 1, "z")]
    texts, errors = given(kind, tmp_path, "id line text", *rows)
    assert texts == {"a": "x", "d": "z"}
    assert [error.code for error in errors] == ["I010", "I023", "I023"]
    scattered = [*rows, ("a", 2, "w")]
    (tmp_path / "more").mkdir()
    assert given(kind, tmp_path / "more", "id line text", *scattered)[0] == {}


@every_format
def test_readers_tables_same_row_twice_is_read_once_and_told(tmp_path: Path, kind: str) -> None:
    texts, errors = given(kind, tmp_path, "id text", ("a", "x"), ("a", "x"))
    assert (texts, [error.code for error in errors]) == ({"a": "x"}, ["N021"])


@every_format
def test_readers_tables_id_of_a_row_is_no_id_of_a_note(tmp_path: Path, kind: str) -> None:
    rows = [
        (1, "a", 1, "One "),
        (2, "a", 2, "plug."),
        (3, "b", 1, "Two "),
        (4, "b", 2, SECRET),
        (5, "b", 3, "."),
    ]
    texts, errors = given(kind, tmp_path, "id of line text", *rows)
    assert (texts, {error.code for error in errors}) == ({}, {"I023"})
    assert "--id-column" in errors[0].problem


@every_format
def test_readers_tables_full_last_line_may_have_lost_the_next(tmp_path: Path, kind: str) -> None:
    full, longer = "x" * 250, "x" * 251
    rows = [("a", 1, full), ("a", 2, full), ("a", 3, "."), ("b", 1, full), ("c", 1, longer), ("d", 1, "y")]
    texts, errors = given(kind, tmp_path, "id line text", *rows)
    assert list(texts) == ["a", "c", "d"]
    assert [error.where[-6:] for error in errors] == ["note b"]
    assert failures(errors) == ["I023"]


@every_format
def test_readers_tables_addendum_that_cannot_be_read_costs_its_note(tmp_path: Path, kind: str) -> None:
    rows = [("a", None, 1, "One plug."), ("b", "a", 2, SECRET), ("c", None, 1, "y")]
    texts, errors = given(kind, tmp_path, "id parent_id line text", *rows)
    assert texts == {"c": "y"}
    assert set(failures(errors)) == {"I024", "I030"}


@every_format
def test_readers_tables_addendum_without_an_id_costs_its_note(tmp_path: Path, kind: str) -> None:
    rows = [("a", None, "One plug."), ("x", None, "x"), ("y", None, "y"), ("", "a", SECRET), ("z", None, "z")]
    texts, errors = given(kind, tmp_path, "id parent_id text", *rows)
    assert texts == {"x": "x", "y": "y", "z": "z"}
    assert failures(errors) == ["I010", "I023"]


@every_format
def test_readers_tables_what_is_not_signed_is_marked(tmp_path: Path, kind: str) -> None:
    rows = [("a", "x", "Signed"), ("b", "y", "Incomplete"), ("c", "z", SECRET), ("d", None, "Deleted")]
    notes, errors = collect(write(kind, tmp_path, ["id", "text", "note_status"], rows))
    assert {note.note_id: note.standing for note in notes} == {
        "a": "final",
        "b": "preliminary",
        "c": "preliminary",
    }
    assert sorted(error.code for error in errors) == ["N002", "N020"]
    notes, errors = collect(
        write(kind, tmp_path / "..", ["id", "text", "note_status"], rows), status_column=""
    )
    assert {note.standing for note in notes} == {"final"}


@every_format
def test_readers_tables_columns_may_be_named(tmp_path: Path, kind: str) -> None:
    names = ["Nr", "Zeile", "Wortlaut", "id", "Stand"]
    rows = [(17, 2, "plugs.", "x", 1), (17, 1, "Two ", "y", 1), (17, 1, "One.", "z", 0)]
    source = write(kind, tmp_path, names, rows)
    named = {"id_column": "nr", "line_column": "Zeile", "text_column": "Wortlaut", "revision_column": "Stand"}
    notes, errors = collect(source, **named)
    assert [(note.note_id, note.text) for note in notes] == [("17", "Two plugs.")]
    assert [error.code for error in errors] == ["N001"]
    _, errors = collect(source, id_column="Number", text_column="Wortlaut")
    assert "--id-column" in errors[0].remedy
    assert "Nr, Zeile, Wortlaut" in errors[0].problem


@pytest.mark.parametrize("seed", range(40))
def test_readers_tables_never_give_a_part_of_a_note(tmp_path: Path, seed: int) -> None:
    """Rows taken out, doubled, emptied; the file cut, quotes and line ends put anywhere."""
    names, rows = lines()
    chance = random.Random(seed)
    chance.shuffle(rows) if seed % 2 else None
    for _ in range(chance.randint(1, 3)):
        at = chance.randrange(len(rows))
        note_id, line, text = rows[at]
        rows[at : at + 1] = chance.choice(
            [[], [rows[at]] * 2, [(None, line, text)], [(note_id, None, text)], [(note_id, line, None)]]
        )
    path = Path(write("csv", tmp_path, names, rows))
    data = path.read_bytes().decode()
    if seed % 4 > 1:
        at = chance.randrange(len(data))
        path.write_bytes((data[:at] + chance.choice(['"', 'x"', '"\n', ""]) + data[at + 1 :]).encode())
    notes, errors = collect(path)
    assert errors
    whole = {note_id: len(text) for note_id, text in demo().items()}
    assert all(len(note.text) >= whole[note.note_id] - 2 for note in notes if note.note_id in whole)


def test_readers_tables_extract_in_several_files_is_never_half_a_note(tmp_path: Path) -> None:
    write("parquet", tmp_path, ["id", "line", "text"], [("a", 2, "two"), ("b", 1, "x")])
    write("tsv", tmp_path, ["id", "line", "text"], [("a", 1, "One, ")])
    write("csv", tmp_path, ["id", "line", "text"], [("a", 3, SECRET)])
    notes, errors = collect(tmp_path)
    assert [note.note_id for note in notes] == ["b"]
    assert set(failures(errors)) == {"I023", "I024"}


def test_readers_tables_one_id_in_two_files_is_read_only_where_an_order_is_known(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,line,text\n1,1,One plug.\n2,1,the same\n")
    (tmp_path / "b.csv").write_text(f"id,line,text\n1,1,{SECRET}\n2,1,the same\n3,1,x\n")
    notes, errors = collect(tmp_path)
    assert {note.note_id: note.text for note in notes} == {"2": "the same", "3": "x"}
    assert failures(errors) == ["I027"]
    assert "a.csv:2" in str(errors[1])
    assert sorted(error.code for error in errors) == ["I027", "N001", "N021"]
    assert all(SECRET not in str(error) for error in errors)
    (tmp_path / "a.csv").write_text("id,revision,text\n1,9,One plug.\n")
    (tmp_path / "b.csv").write_text("id,revision,text\n1,10,Two plugs.\n")
    notes, errors = collect(tmp_path)
    assert [note.text for note in notes] == ["Two plugs."]
    assert [error.code for error in errors] == ["N001"]


def test_readers_tables_addendum_in_two_files_is_read_only_where_an_order_is_known(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,parent_note_id,text\n1,,One plug.\n2,1,It was two.\n")
    (tmp_path / "b.csv").write_text("id,parent_note_id,text\n2,1,It was three.\n")
    notes, errors = collect(tmp_path)
    assert notes == []
    assert failures(errors) == ["I027", "I030"]


# Text with delimiters


@pytest.mark.parametrize("kind", ["csv", "tsv"])
@pytest.mark.parametrize(
    "how",
    [
        {"delimiter": ";"},
        {"delimiter": "\t"},
        {"delimiter": "|"},
        {"delimiter": ","},
        {"encoding": "utf-8-sig"},
        {"encoding": "utf-16"},
        {"encoding": "cp1252"},
        {"quoting": csv.QUOTE_ALL, "lineterminator": "\n"},
        {"quoting": csv.QUOTE_ALL, "lineterminator": "\r"},
    ],
    ids=str,
)
def test_readers_delimited_whoever_wrote_it(tmp_path: Path, kind: str, how: dict[str, Any]) -> None:
    notes, errors = collect(write(kind, tmp_path, ["id", "text"], [("a", ODD), ("b", "x")], **how))
    assert [(note.note_id, note.text) for note in notes] == [("a", ODD), ("b", "x")]
    assert [error.code for error in errors] == (["N022"] if how.get("encoding") == "cp1252" else [])


def raw(folder: Path, data: bytes | str) -> tuple[dict[str, str], list[InputError]]:
    path = folder / "notes.csv"
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    notes, errors = collect(path)
    assert all(SECRET not in str(error) for error in errors)
    return {note.note_id: note.text for note in notes}, errors


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "I005"),
        (b"\r\n \n", "I005"),
        (b"\xef\xbb\xbf", "I022"),
        (b"PK\x03\x04" + b"\0" * 50, "I006"),
        (b"id\0,\0text\0" * 9, "I006"),
        ("id^text\na^" + SECRET, "I022"),
        ("17,Two plugs: " + SECRET, "I022"),
        ('id,"text\n' + SECRET, "I022"),
        ("id,text,Text\na,b," + SECRET, "I022"),
        ("id,text\n", "I020"),
        ("x" * 5_000_000, "I022"),
    ],
)
def test_readers_delimited_bad_file_is_one_error(tmp_path: Path, data: bytes | str, code: str) -> None:
    texts, errors = raw(tmp_path, data)
    assert (texts, [error.code for error in errors]) == ({}, [code])


@pytest.mark.parametrize(
    "bad",
    [
        f"c,{SECRET},{SECRET}",
        "c",
        f'c,"{SECRET}"{SECRET}',
        f'c,"{SECRET}\nthree,\n{SECRET}',
        f'c,"{SECRET}" , x\n\n{SECRET}\n"',
        f"c,one\n{SECRET} two.\n{SECRET},{SECRET},{SECRET}",
        "c," + "x" * 4_100_000,
        'c,"' + "x" * 4_100_000 + '"',
        "c," + "x" * 1_000_001,
    ],
    ids=range(9),
)
def test_readers_delimited_bad_row_costs_only_itself(tmp_path: Path, bad: str) -> None:
    texts, errors = raw(tmp_path, f'id,text\na,x\n{bad}\nb,"y\nz"\n')
    assert texts == {"a": "x", "b": "y\nz"}
    if bad.startswith("c,one"):  # what follows on it is a piece of its text
        assert [(error.code, error.where[-9:]) for error in errors] == [
            ("I026", "notes.csv:4"[-9:]),
            ("I023", "3, note c"),
        ]
    else:
        assert len(errors) == 1
        assert errors[0].where.startswith(f"{tmp_path / 'notes.csv'}:3")


@pytest.mark.parametrize("options", [{}, {"id_column": "MRN"}])
def test_readers_delimited_row_in_the_place_of_names_is_not_shown(
    tmp_path: Path, options: dict[str, str]
) -> None:
    (tmp_path / "a.csv").write_text(f"{SECRET},Mitral leak closed\nSmith,x\n")
    notes, errors = collect(tmp_path / "a.csv", **options)
    assert notes == []
    assert [error.code for error in errors] == ["I022"]
    assert SECRET not in str(errors[0])
    assert "Mitral" not in str(errors[0])
    _, errors = collect(write("parquet", tmp_path, ["Nr", "Befund"], [("a", "x")]))
    assert "Nr, Befund" in str(errors[0])


def test_readers_delimited_piece_of_a_text_is_no_row(tmp_path: Path) -> None:
    first = f'n1,1,x\nn2,1,"An 8 F{chr(34)}\nsheath {SECRET}, then two, plugs"\nn3,1,y\n'
    texts, errors = raw(tmp_path, "id,line,text\n" + first)
    assert texts == {"n1": "x"}
    assert [error.code for error in errors] == ["I026", "I023", "I023"]
    texts, errors = raw(tmp_path, "id,text\n" + first.replace(",1,", ",").replace(", plugs", " plugs"))
    assert texts == {"n1": "x", "n3": "y"}
    assert [error.code for error in errors] == ["I026", "I023"]


def test_readers_delimited_ragged_row_costs_its_note_in_an_extract(tmp_path: Path) -> None:
    texts, errors = raw(tmp_path, f"id,line,text\na,1,x\nb,1,One \nb,2,two, {SECRET}\nb,3,.\nc,1,y\n")
    assert texts == {"a": "x", "c": "y"}
    assert [error.code for error in errors] == ["I026", "I023"]


def test_readers_delimited_rows_that_run_together_put_their_neighbours_in_doubt(tmp_path: Path) -> None:
    texts, errors = raw(tmp_path, f'id,line,text\na,1,x\nb,1,One \nb,2,"{SECRET}\nc,1,y\nd,1,z\n')
    assert texts == {"a": "x", "d": "z"}
    assert [error.code for error in errors] == ["I026", "I023", "I023"]


def test_readers_delimited_broken_byte_in_utf8_costs_its_row(tmp_path: Path) -> None:
    texts, errors = raw(tmp_path, "id,text\na,größer\nb,".encode() + b"\xff" + b"\nc,\xc3\xa4\n")
    assert texts == {"a": "größer", "c": "ä"}
    assert [error.code for error in errors] == ["I007"]
    assert errors[0].where.endswith(":3, note b")


def test_readers_delimited_excel_says_its_separator_and_leaves_empty_cells(tmp_path: Path) -> None:
    assert raw(tmp_path, "sep=;\r\nid;text\r\na;x;;\r\n\r\nb;y;\r\n") == ({"a": "x", "b": "y"}, [])


# Parquet


@pytest.mark.parametrize("change", ["bytes", "head", "half", "empty", "middle"])
def test_readers_parquet_damaged_is_one_error(tmp_path: Path, change: str) -> None:
    path = Path(
        write("parquet", tmp_path, ["id", "text"], [(f"n{n}", SECRET * 50 + str(n)) for n in range(3000)])
    )
    data = path.read_bytes()
    at = len(data) // 3
    path.write_bytes(
        {
            "bytes": SECRET.encode() * 100,
            "head": data[4:],
            "half": data[: len(data) // 2],
            "empty": b"",
            "middle": data[:at] + bytes(200) + data[at + 200 :],
        }[change]
    )
    notes, errors = collect(path)
    assert [error.code for error in errors] == ["I005" if change == "empty" else "I021"]
    assert SECRET not in str(errors[0])
    assert len(notes) < 3000


def test_readers_parquet_kinds_of_columns(tmp_path: Path) -> None:
    text = ["Two ", "plugs.", "One."]
    table = {
        "note_id": pa.array([7.0, 7.0, 8.0]),
        "line": pa.array([1, 2, 1], pa.int16()),
        "note_text": pa.array(text).dictionary_encode(),
        "version": pa.array([1_700_000_000_000_000_001] * 3, pa.timestamp("ns", "UTC")),
        "nested": pa.array([{"a": 1}] * 3),
    }
    for name, kind in (("a", pa.large_string()), ("b", pa.binary()), ("c", None)):
        column = table["note_text"] if kind is None else pa.array(text).cast(kind)
        pq.write_table(pa.table({**table, "note_text": column}), tmp_path / f"{name}.parquet")
        notes, errors = collect(tmp_path / f"{name}.parquet")
        assert ([(n.note_id, n.text) for n in notes], errors) == ([("7", "Two plugs."), ("8", "One.")], [])


def test_readers_parquet_text_that_is_not_utf8_costs_its_row(tmp_path: Path) -> None:
    text = pa.array([b"x", b"\xff", b"y"]).view(pa.string())
    pq.write_table(pa.table({"id": ["a", "b", "c"], "text": text}), tmp_path / "a.parquet")
    notes, errors = collect(tmp_path / "a.parquet")
    assert [note.note_id for note in notes] == ["a", "c"]
    assert [error.code for error in errors] == ["I007"]


ODD_ROWS = [
    (None, "x"),
    (float("nan"), "x"),
    (" ", "x"),
    (" e ", "Padded."),
    ("f", None),
    ("g", "  "),
    ("h", "a\0b"),
    ("i", b"\xff"),
    ("j", "x" * 1_000_001),
    (7.0, "A number."),
    ("k", b"One plug."),
]


@pytest.mark.parametrize("row", ODD_ROWS)
def test_readers_parquet_says_the_same_whether_ids_repeat_or_not(
    tmp_path: Path, row: tuple[object, object]
) -> None:
    ids = pa.float64() if isinstance(row[0], float) else pa.string()
    texts = pa.binary() if isinstance(row[1], bytes) else pa.string()
    twice = (99.0 if ids == pa.float64() else "twice", b"Same." if texts == pa.binary() else "Same.")
    told = []
    for rows in ([row], [row, twice, twice]):
        columns = {"id": pa.array([r[0] for r in rows], ids), "text": pa.array([r[1] for r in rows], texts)}
        pq.write_table(pa.table(columns), tmp_path / "a.parquet")
        notes, errors = collect(tmp_path / "a.parquet")
        told.append([*notes, *map(str, errors)])
    alone, beside = told
    assert "[N021]" in str(beside.pop())  # the same text is there more than once
    assert [one for one in beside if not (isinstance(one, Note) and one.text == "Same.")] == alone


@pytest.mark.parametrize("at_once", [3, 1000])
def test_readers_parquet_finds_ids_that_repeat(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr("extractor.readers.table._AT_ONCE", at_once)
    ids = [f"n{n}" for n in range(20)]
    for again in ("n3", " n19", None):
        rows = [(one, f"Text {n}.") for n, one in enumerate([*ids, again or "n20"])]
        notes, errors = collect(write("parquet", tmp_path, ["id", "text"], rows))
        assert [error.code for error in errors] == (["I027"] if again else [])
        assert len(notes) == (19 if again else 21)


def test_readers_parquet_gives_notes_before_it_has_read_all(tmp_path: Path) -> None:
    path = Path(write("parquet", tmp_path, ["id", "text"], [(f"n{n}", f"{n} " * 50) for n in range(3000)]))
    found = read_all([path])
    assert next(found) == Note("n0", "0 " * 50, str(path), 1)
    damage = pq.ParquetFile(path).metadata.row_group(0).column(1)
    with path.open("r+b") as file:
        file.seek(
            (damage.dictionary_page_offset or damage.data_page_offset) + damage.total_compressed_size // 2
        )
        file.write(bytes(500))
    assert [one.code for one in read_all([path]) if isinstance(one, InputError)] == ["I021"]


# Databases


@pytest.fixture
def base(tmp_path: Path) -> str:
    return write("sqlite", tmp_path, ["id", "text"], [("a", SECRET), ("b", "12:30 :x 5%")])


@pytest.mark.parametrize(
    ("query", "code", "says"),
    [
        ("", "I029", "--query"),
        ("SELECT * FROM absent", "I028", "no such table"),
        ("SELECT absent FROM note", "I028", "no such column"),
        (f"SELEC {SECRET}", "I028", "not valid SQL"),
        ("DELETE FROM note", "I028", "would change"),
        ("DROP TABLE note", "I028", "would change"),
        ("SELECT text FROM note", "I022", "--id-column"),
        ("SELECT id, text FROM note WHERE 0", "I020", "no rows"),
        ("SELECT id, id, text FROM note", "I022", "more than one column"),
    ],
)
def test_readers_database_bad_query_is_one_error(base: str, query: str, code: str, says: str) -> None:
    notes, errors = collect(base, query=query)
    assert (notes, [error.code for error in errors]) == ([], [code])
    assert says in str(errors[0])
    assert SECRET not in str(errors[0])
    assert len(collect(base)[0]) == 2  # nothing was changed


@pytest.mark.parametrize("more", ["", ", 1 AS line"])
def test_readers_database_that_fails_amid_the_rows(tmp_path: Path, more: str) -> None:
    base = write("sqlite", tmp_path, ["id", "text"], [(n, "x") for n in range(1000)])
    late = "CASE id WHEN 700 THEN abs(-9223372036854775808) ELSE 'x' END"
    notes, errors = collect(base, query=f"SELECT id, {late} AS text {more} FROM note")
    assert 255 <= len(notes) < 700
    assert [error.code for error in errors] == (["I028", "I023"] if more else ["I028"])
    assert "from this row on" in errors[0].problem


def test_readers_database_query_without_a_database_is_told(tmp_path: Path) -> None:
    notes, errors = collect(write("csv", tmp_path, *plain()), query="SELECT 1")
    assert len(notes) == len(demo())
    assert [error.code for error in errors] == ["I029"]


def test_readers_database_query_is_given_as_it_is(base: str) -> None:
    notes, errors = collect(base, query="SELECT id AS note_id, text FROM note WHERE text LIKE '%30 :x 5%'")
    assert ([note.text for note in notes], errors) == (["12:30 :x 5%"], [])


def test_readers_database_locked_missing_or_none(tmp_path: Path, base: str) -> None:
    holder = sqlite3.connect(tmp_path / "notes.sqlite")
    holder.execute("BEGIN EXCLUSIVE")
    assert "locked" in str(collect(base + "?timeout=0.1")[1][0])
    holder.close()
    missing = tmp_path / "missing.db"
    assert [error.code for error in collect(f"sqlite:///{missing}")[1]] == ["I028"]
    assert not missing.exists()
    (tmp_path / "text.db").write_text(SECRET * 100)
    (error,) = collect(f"sqlite:///{tmp_path / 'text.db'}")[1]
    assert (error.code, "not a database" in error.problem) == ("I028", True)


def test_readers_database_text_that_is_not_utf8_costs_its_row(tmp_path: Path, base: str) -> None:
    with sqlite3.connect(tmp_path / "notes.sqlite") as writer:
        writer.execute(
            "INSERT INTO note VALUES ('c', CAST(x'ff' AS TEXT)), ('d', 7), ('e', CAST('y' AS BLOB))"
        )
    writer.close()
    notes, errors = collect(base)
    assert [note.note_id for note in notes] == ["a", "b", "e"]
    assert [error.code for error in errors] == ["I007", "I026"]


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("nothing://ada:hunter2@host/epic", "I029"),
        ("postgresql+nothing://ada:hunter2@host/epic", "I029"),
        ("postgresql://ada:hunter2@host:port/epic", "I029"),
        ("postgresql://ada:x@hunter2@host/epic", "I028"),
        ("sqlite:////nowhere/at/all.db?password=hunter2", "I028"),
        ("mssql://host/epic?odbc_connect=PWD%3Dhunter2", "I029"),
        ("://ada:hunter2@host", "I029"),
    ],
)
def test_readers_database_password_is_never_shown(url: str, code: str) -> None:
    (error,) = collect(url)[1]
    told = [str(error), shown(url)]
    result = CliRunner().invoke(app, ["code", url, "--query", "SELECT 1"])
    found = CliRunner().invoke(app, ["explain", url, "--query", "SELECT 1", "--note-id", "x"])
    told += [result.output, found.output]
    assert not any("hunter2" in words for words in told)
    assert (result.exit_code, found.exit_code) == (1, 1)
    assert error.code == code or "not installed" in error.problem


# The command


def test_readers_tables_command_takes_columns_and_query(tmp_path: Path, fake_coder: Any) -> None:
    rows = [
        (17, 2, "plugs.", 1, "Signed", None),
        (17, 1, "Two ", 1, "Signed", None),
        (18, 1, "x", 1, "Signed", 17),
    ]
    names = ["Nr", "Zeile", "Wort", "Stand", "Status der Notiz", "zu"]
    options = [
        *("--id-column", "Nr", "--line-column", "Zeile", "--text-column", "Wort"),
        *("--revision-column", "Stand", "--status-column", "Status der Notiz", "--parent-column", "zu"),
    ]
    table = [write("csv", tmp_path, names, rows), *options]
    base = [write("sqlite", tmp_path, names, rows), "--query", "SELECT * FROM note", *options]
    for source in (table, base):
        export = ["export", "--to", "prodigy"]
        for command in (["code"], ["explain"], export, ["rules", "impact"], ["rules", "check", "--notes"]):
            result = CliRunner().invoke(app, [*command, *source])
            assert (result.exit_code, result.stderr) == (0, "")
    assert [note.text for note in fake_coder.seen] == ["Two plugs.\n\nADDENDUM:\nx"] * 4


# Memory

_PEAK = """
import resource, sys
from extractor.readers import read_all
if sys.argv[1].endswith("parquet"):
    import pyarrow.parquet
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
count = sum(len(note.text) > 900 for note in read_all([sys.argv[1]]))
print(count, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_readers_tables_memory_is_flat(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"notes.{kind}"
    words = "One plug was released. " * 40
    rows = ((f"n{n}", f"{n} {words}") for n in range(200_000))
    if kind == "csv":
        with path.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["id", "text"])
            writer.writerows(rows)
    else:
        schema = pa.schema({"id": pa.string(), "text": pa.string()})
        with pq.ParquetWriter(path, schema) as writer:
            while chunk := [row for row, _ in zip(rows, range(20_000), strict=False)]:
                columns = [list(column) for column in zip(*chunk, strict=True)]
                writer.write_table(pa.table(columns, schema=schema))
    command = [sys.executable, "-c", _PEAK, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    notes, grown = map(int, done.stdout.split())
    assert notes >= 199_990
    assert grown < 100 * 1024  # KiB, of some 190 MB of text
