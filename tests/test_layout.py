"""Layout: where sections, sentences and rows begin and end."""

from __future__ import annotations

import textwrap
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extractor.layout import Layout, LayoutReader
from extractor.rules import load_rules

READER = LayoutReader(load_rules())

# Pieces that make any text look like a note: what layout decides by.
_PIECES = st.sampled_from(
    ["\n", "\n\n", "\r\n", "\t", "  ", " | ", ": ", ". ", "; ", "- ", "1. ", "10:42 ", "PLAN:", "Implant log",
     "ADDENDUM", "findings", "a plug", "Dr. ", "8 mm", "\x0b", "\x0c", "\x85", "\u2028", "\ufeff"]
)  # fmt: skip
NOTES = st.one_of(st.text(), st.lists(st.one_of(_PIECES, st.text(max_size=8)), max_size=40).map("".join))


def roles(text: str) -> list[str]:
    return [section.role for section in READER.read(text).sections]


def sentences(text: str) -> list[str]:
    return [text[s.start : s.end] for s in READER.read(text).sentences]


def forms(text: str) -> list[str]:
    return [s.form for s in READER.read(text).sentences]


@pytest.mark.parametrize(
    ("header", "role", "why"),
    [
        ("INDICATION: fever", "history", "capitals and a colon"),
        ("Brief HPI -- fever", "history", "two hyphens"),
        ("indication: fever", "history", "lower case"),
        ("Indication : fever", "history", "a blank before the colon"),
        ("Past Medical History\nfever", "history", "no colon, alone on its line"),
        ("PAST   MEDICAL HISTORY\nfever", "history", "several blanks between the words"),
        ("**Indication:** fever", "history", "bold marks"),
        ("## Plan\nrest", "plan", "a heading mark"),
        ("=== ADDENDUM ===\nnone", "addendum", "ruled on both sides"),
        ("[PLAN]\nrest", "plan", "in brackets"),
        ("3. Plan: rest", "plan", "numbered"),
        ("Plan - rest", "plan", "a dash for the colon"),
        ("Plan\trest", "plan", "a tab for the colon"),
        ("Addendum (second day): none", "addendum", "a remark in brackets before the colon"),
        ("Post-procedure plan: rest", "plan", "a hyphen inside the words"),
        ("Post procedure plan: rest", "plan", "and none"),
        ("COPIED FORWARD: closure", "copied", "text of another day"),
        ("Implant log:\nnone", "implants", "an implant list"),
        ("Impression:\ngood", "summary", "the text on the next line"),
        ("Weather in the lab:\nfine", "other", "a header nobody knows opens a section still"),
    ],
)
def test_layout_reads_header_forms(header: str, role: str, why: str) -> None:
    assert roles(header)[0] == role, why


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("Findings were discussed with the family.", "a sentence that begins with a header word"),
        ("Plan changed during the case.", "a sentence that begins with a header word"),
        ("The impression was good.", "a header word inside a sentence"),
        ("10:30 heparin given.", "a time has a colon as well"),
    ],
)
def test_layout_takes_no_sentence_for_a_header(text: str, why: str) -> None:
    assert roles(text) == ["body"], why


def test_layout_sections_follow_the_text() -> None:
    text = (
        "PROCEDURE: leak closure\n\nINDICATION:\ndyspnoea\n\nDESCRIPTION OF PROCEDURE:\nA plug was "
        "put in.\n\n"
        "FINAL RESULT: no leak\n\nPLAN:\nhome\n"
    )
    assert [role for role in roles(text) if role != "body"] == [
        "title",
        "history",
        "description",
        "summary",
        "plan",
    ]


def test_layout_header_inside_a_line_opens_a_section() -> None:
    text = "DESCRIPTION: A plug was released. IMPRESSION: one plug. PLAN: home."
    assert roles(text) == ["description", "summary", "plan"]


def test_layout_field_ends_at_a_blank_line() -> None:
    text = "Complications: none\n\nThe leak was crossed and a plug released."
    layout = READER.read(text)
    assert layout.sentences[-1].section.role == "body"


def test_layout_quotation_under_a_header_of_copied_text_is_copied_to_its_end() -> None:
    text = (
        'PREVIOUS PROCEDURE (copied forward from the operative note of last year)\n\n"PROCEDURE: closure\n'
        'INDICATION: fever\nIMPRESSION: two plugs."\n\nINDICATION: fever again\n'
    )
    assert roles(text) == ["copied", "copied", "copied", "body", "history"]


def test_layout_finding_inside_the_narrative_stays_narrative() -> None:
    text = "DESCRIPTION:\nA plug was released.\nFinal TEE: no leak.\nThe sheath was removed."
    assert roles(text) == ["description"]


def test_layout_account_of_somebody_else_is_no_narrative() -> None:
    text = "Narrative: A plug was released.\n\nTEE (Dr. Lee): A plug is seen.\n"
    assert roles(text) == ["description", "findings"]


def test_layout_result_of_each_attempt_is_a_field_of_it() -> None:
    text = (
        "Technique: The leak was crossed.\nAttempt 1: 8 mm plug. Result: removed.\n"
        "Attempt 2: 6 mm plug. Result: released."
    )
    assert "summary" not in roles(text)


def test_layout_findings_before_the_narrative_are_findings() -> None:
    text = "Disposition: ward\n\nFindings: Leak closed with a plug.\n\nTechnique: A plug was released."
    assert roles(text) == ["plan", "body", "findings", "body", "description"]


@pytest.mark.parametrize(
    "label", ["Diagnosis", "Indication", "History", "Background", "Reason for procedure"]
)
def test_layout_history_label_of_one_line_ends_with_it(label: str) -> None:
    text = (
        f"{label}: valve replaced in 2015, now a leak. Afebrile.\nDone under sedation.\n(i) First plug in.\n"
    )
    assert roles(text) == ["history", "body"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("History: valve replaced in 2015 and\nnow a leak.\n", "the sentence goes on"),
        ("History: a leak.\nand dyspnoea on stairs.\n", "a small letter goes on"),
        (
            "History: a leak since May.\nDyspnoea on stairs.\n\nDescription of procedure:\nA plug put in.\n",
            "the procedure has a header of its own",
        ),
    ],
)
def test_layout_history_label_goes_on(text: str, why: str) -> None:
    history = next(s for s in READER.read(text).sections if s.role == "history")
    assert history.end >= text.index("\n", text.index("\n") + 1), why


def test_layout_a_told_procedure_under_its_title_header_describes_it() -> None:
    text = "Intervention\n  The leak was crossed. A plug was opened. It was let go.\n"
    assert roles(text) == ["description"]


def test_layout_device_noun_in_running_narrative_opens_no_list() -> None:
    text = "DESCRIPTION:\nTwo sheaths up. Plugs: one of 8 and one of 6 mm. After a check both were let go.\n"
    assert roles(text) == ["description"]


@pytest.mark.parametrize(
    ("text", "expected", "why"),
    [
        ("(1) plug in\n(2) sheath out", ["plug in", "sheath out"], "at the beginning of lines"),
        ("Steps: (1) wire in (2) plug in", ["Steps:", "wire in", "plug in"], "in one line"),
        ("1) wire in 2) plug in", ["1) wire in", "plug in"], "closed only"),
        ("(2) plugs of 8 mm", ["(2) plugs of 8 mm"], "one number by itself may count"),
        ("wire in (1), plug in (2)", ["wire in (1), plug in (2)"], "behind what they count"),
        ("1. plug x 2. Let go.", ["1. plug x 2.", "Let go."], "a number behind a multiplier"),
    ],
)
def test_layout_numbers_of_entries_are_left_out(text: str, expected: list[str], why: str) -> None:
    assert sentences(text) == expected, why


def test_layout_log_line_with_several_times_is_several_entries() -> None:
    text = "9:10 wire across    9:20 plug up\n9:31 plug let go\n9:40 sheath out / 9:45 leg closed\n"
    assert sentences(text) == ["wire across", "plug up", "plug let go", "sheath out", "leg closed"]


def test_layout_lines_led_by_years_are_no_log() -> None:
    assert set(forms("2009 valve replaced\n2014 redo\n2019 leak closed\n")) == {"prose"}
    assert set(forms("1009 wire in\n1014 plug up\n1019 plug let go\n")) == {"log"}


PROSE = (
    "The patient was brought to the laboratory in the fasting state. After the left femoral artery had been "
    "punctured, a hydrophilic wire was passed through the defect, which lay at the lateral aspect of "
    "the ring. "
    "A first plug of 12 mm was deployed; a second one of 10 mm followed it. No regurgitation remained."
)


@given(st.integers(min_value=45, max_value=110))
def test_layout_hard_wrap_changes_no_sentence(width: int) -> None:
    wrapped = textwrap.fill(PROSE, width)
    assert [" ".join(s.split()) for s in sentences(wrapped)] == sentences(PROSE)


@given(st.integers(min_value=45, max_value=110), st.sampled_from(["\n", "\r\n"]))
def test_layout_hard_wrap_under_a_header_changes_no_sentence(width: int, line_end: str) -> None:
    wrapped = ("DESCRIPTION:\n" + textwrap.fill(PROSE, width)).replace("\n", line_end)
    assert [" ".join(s.split()) for s in sentences(wrapped)] == sentences("DESCRIPTION:\n" + PROSE)


@pytest.mark.parametrize(
    ("text", "expected", "why"),
    [
        ("One plug. Two wires.", ["One plug.", "Two wires."], "full stops"),
        ("Dr. Noon put in a plug.", ["Dr. Noon put in a plug."], "a title is no end"),
        ("A gap of approx. 4.5 mm was seen.", ["A gap of approx. 4.5 mm was seen."], "nor a decimal point"),
        ("Plug out; plug in.", ["Plug out;", "plug in."], "a semicolon parts two statements"),
        ("Released? Yes.", ["Released?", "Yes."], "a question and its answer"),
        (
            f"Plug in\nSheath out\n\n{'wide ' * 9}",
            ["Plug in", "Sheath out", ("wide " * 9).strip()],
            "short lines",
        ),
        ("- plug in\n- sheath out", ["- plug in", "- sheath out"], "bullets"),
        ("1. plug in\n2. sheath out", ["1. plug in", "2. sheath out"], "numbered steps"),
        ("1) plug in\n2) sheath out", ["1) plug in", "2) sheath out"], "numbered steps"),
        ("Colour: red\nShape: long", ["Colour: red", "Shape: long"], "fields"),
        (
            "10:42 plug in\n10:44 sheath out",
            ["plug in", "sheath out"],
            "a time log: the time is no part of it",
        ),
    ],
)
def test_layout_sentences(text: str, expected: list[str], why: str) -> None:
    assert sentences(text) == expected, why


@pytest.mark.parametrize(
    ("line", "form"),
    [
        ("| Plug | 8 mm | implanted |", "row"),
        ("Plug\t8 mm\timplanted", "row"),
        ("Plug        8 mm       implanted", "row"),
        ("10:42 plug deployed", "log"),
        ("[10:42] plug deployed", "log"),
        ("1042 plug deployed", "log"),
        ("10:42:07 - plug deployed", "log"),
        ("* plug deployed", "item"),
        ("(2) plug deployed", "item"),
        ("Device: plug", "item"),
        ("A plug was deployed at the leak.", "prose"),
    ],
)
def test_layout_form_of_a_line(line: str, form: str) -> None:
    assert forms(line) == [form]


def test_layout_rows_of_a_table_stay_apart() -> None:
    rows = ["Device    Size    Fate", "Plug      8 mm    left in", "Plug      6 mm    taken out again"]
    assert sentences("\n".join(rows)) == rows


def _check(text: str, layout: Layout) -> None:
    position = 0
    for sentence in layout.sentences:
        assert position <= sentence.start < sentence.end <= len(text)
        assert text[sentence.start : sentence.end].strip()
        assert sentence.section.start <= sentence.start
        assert sentence.end <= sentence.section.end
        position = sentence.end


@given(NOTES)
def test_layout_sentences_lie_in_order_and_do_not_overlap(text: str) -> None:
    _check(text, READER.read(text))


@given(NOTES)
def test_layout_sections_tile_the_text(text: str) -> None:
    sections = READER.read(text).sections
    assert sections[0].start == 0
    assert sections[-1].end == len(text)
    assert all(one.end == two.start for one, two in pairwise(sections))
    assert all(section.start <= section.body for section in sections)


def test_layout_of_nothing_is_one_empty_body() -> None:
    layout = READER.read("")
    assert [section.role for section in layout.sections] == ["body"]
    assert layout.sentences == ()


def test_layout_title_that_names_the_echo_is_no_header_of_findings() -> None:
    letterhead = "RIVERSIDE HOSPITAL\nDate of service: 03/04/2024\n\n"
    layout = READER.read(
        f"{letterhead}Diagnostic catheterisation and TOE under sedation\nThe leak was seen.\n"
    )
    assert "findings" not in {section.role for section in layout.sections}
