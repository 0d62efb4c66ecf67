"""Lines: wrapping is undone, and nothing else."""

from __future__ import annotations

import textwrap
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extractor.lines import read_lines, written

PROSE = (
    "The leak was crossed from the left atrium with a hydrophilic wire and a multipurpose catheter, the plug "
    "of 10 mm lay well at 9:30 o'clock, beside it, at 11 and 12 o'clock, no leak was seen; one more was not "
    "needed, and the wire was taken out, the sheath was removed and the vein closed with a stitch; "
    "the patient was brought back to the ward in a stable state and without pain, and had a meal later on."
)
ROW = "Vascular plug        10 mm        implanted        lot 1234567        mitral, lateral, at 9 o'clock"


def lines(text: str) -> list[str]:
    return [" ".join(text[line.start : line.end].split()) for line in read_lines(text, lambda _: None)]


def wrap(text: str, width: int, indent: str = "") -> str:
    return textwrap.fill(text, width, break_on_hyphens=False, subsequent_indent=indent)


def test_lines_marks_of_bold_type_take_no_time_in_a_line_without_end() -> None:
    begun = time.process_time()
    text = "**12 " + "word " * 100_000 + "** "
    assert written(text * 2) == text * 2
    assert written(text + "**One plug** 12**x**") == text + "\xa0\xa0One plug\xa0\xa0 12\xa0\xa0x\xa0\xa0"
    assert time.process_time() - begun < 5  # where every word is tried as the last one, hours


@given(st.integers(min_value=58, max_value=110), st.sampled_from(["\n", "\r\n"]))
def test_lines_wrapped_prose_is_one_line_beside_a_wide_row(width: int, line_end: str) -> None:
    text = f"{wrap(PROSE, width)}\n\n{ROW}".replace("\n", line_end)
    assert lines(text) == [PROSE, "", " ".join(ROW.split())]


def test_lines_indent_of_a_wrapped_line_is_no_column() -> None:
    (line,) = read_lines(wrap(PROSE, 70, "    "), lambda _: None)
    assert line.form == "prose"
    assert "  " not in line.text


@pytest.mark.parametrize(
    "start", ["9:30 o'clock it lay", "11. The wire was out", "the disc: free", "II 8/4: in"]
)
def test_lines_what_looks_like_an_entry_goes_on_with_a_sentence(start: str) -> None:
    text = f"{wrap(PROSE, 80)}\n{'word ' * 15}atop\n{start}."
    assert lines(text)[-1].endswith(f"word atop {start}.")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("Plug in.\nSheath out, and the vein was closed with a stitch by hand.", "a short line is not full"),
        (f"{ROW}\nand then the vein was closed.", "nothing goes on with a row"),
        ("09:15 plug opened in the leak, and the discs of the valve move\n09:20 released", "two log lines"),
        ("- plug opened in the leak, and then the discs of the valve move\n- released", "two list items"),
        ("Sheath: taken out of the vein by hand, and pressed for a while\nVein: dry", "two fields"),
    ],
)
def test_lines_that_are_apart_stay_apart(text: str, why: str) -> None:
    assert lines(text) == [" ".join(line.split()) for line in text.split("\n")], why


def test_lines_a_header_goes_on_with_no_line_and_no_line_with_a_header() -> None:
    text = "The wire was taken out of the atrium and the vein was closed with a\nRESULT no leak"
    headers = {"RESULT no leak": 6}
    assert len(read_lines(text, lambda line: headers.get(line))) == 2
    assert len(read_lines(text, lambda line: None)) == 1


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("Two stops.  Two blanks.  As typists put them.", "prose"),
        ("Plug    10 mm    in", "row"),
        ("A 12 mm plug was opened.", "prose"),
    ],
)
def test_lines_blanks_behind_a_full_stop_part_no_columns(text: str, form: str) -> None:
    assert [line.form for line in read_lines(text, lambda _: None)] == [form]


@given(st.text(alphabet="ab\u2019\u201c*\n .", max_size=40))
def test_lines_written_keeps_every_place(text: str) -> None:
    assert len(written(text)) == len(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("the patient\u2019s \u201cplug\u201d", 'the patient\'s "plug"'),
        ("**Result:** one plug", "Result: one plug"),
        ("Date: **/**/**** Name: ***", "Date: **/**/**** Name: ***"),
        ("one comma two comma three comma four period", "one , two , three , four ."),
        ("a period of waiting, for a period of weeks", "a period of waiting, for a period of weeks"),
    ],
)
def test_lines_written_is_plain_typing(text: str, expected: str) -> None:
    assert " ".join(written(text).split()) == expected


def test_lines_a_note_of_columns_alone_is_not_wrapped() -> None:
    text = (
        "BLOOD LOSS      minimal\n"
        "SPECIMEN        nil\n"
        "COMPLICATION    nil\n"
        "FLUORO / DAP    66 min / 141 Gy.cm2"
    )
    assert [line.text for line in read_lines(text, lambda _: None)] == text.split("\n")
