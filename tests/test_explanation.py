"""Explanation: nothing of a note is left without a word, and what is left open says so."""

from __future__ import annotations

import io

import pytest

from extractor.coder import Coder, Explanation
from extractor.evaluate import Labelled
from extractor.explain import print_explanation, tally
from extractor.explanation import UNEXPLAINED
from extractor.terminal import console

TITLE = "PROCEDURE: Mitral paravalvular leak closure\n\nDESCRIPTION:\n"
PLUG = "A 12 mm AVP II was deployed and released. "
# Words of these kinds say nothing about how many.
NO_NUMBER = ("article", "definite", "possessive", "pronoun", "only", "same", "last")


def told(coder: Coder, text: str) -> dict[str, str]:
    """Explanations by their words, those of the last place where words are said twice."""
    return {mention.text: mention.explanation for mention in coder.explain(TITLE + text).mentions}


def test_explanation_covers_every_mention_of_every_sample_note(coder: Coder, gold: list[Labelled]) -> None:
    for item in gold:
        text = item.note.text
        mentions = coder.explain(text).mentions
        spans = [(mention.start, mention.end) for mention in mentions]
        assert all(text[m.start : m.end] == m.text and m.explanation and m.section for m in mentions)
        for found in coder.analyse(text).found["items"]:
            listed = found.kind in ("device", "other_device", "target", "action", "count", "size")
            if listed and not (found.kind == "count" and found.means.word in NO_NUMBER):
                assert any(a <= found.start and found.end <= b for a, b in spans), (item.note.note_id, found)


@pytest.mark.parametrize(
    ("text", "words", "explanation"),
    [
        ("A 12 mm AVP II was put in. It was released.", "released", "release: device 1"),
        ("Two 8 mm plugs were deployed.", "deployed", "open: device 1, 2"),
        (PLUG + "The 12 mm AVP II was exchanged for a 10 mm AVP II.", "exchanged", "withdraw: device 1"),
        ("An 8 mm plug was loaded. It was not released.", "released", "not release: device 1"),
        (PLUG + "A further plug was not used.", "not used", "unused: device 2"),
        (PLUG + "The sheath was withdrawn.", "withdrawn", "said of “sheath”: sheath"),
        (PLUG + "The foley was removed.", "removed", "said of “foley”: no device noun"),
        (PLUG + "No plug was lost.", "was lost", "denied: no event"),
        (PLUG + "PLAN: A further plug will be implanted in May.", "implanted", "plan"),
        (PLUG + "A tug test was done.", "tug test", "check"),
        (PLUG + "Something odd. Deployed twice.", "Deployed", "open: device 1"),
    ],
)
def test_explanation_of_actions(coder: Coder, text: str, words: str, explanation: str) -> None:
    assert told(coder, text)[words].startswith(explanation)


@pytest.mark.parametrize(
    ("text", "words", "explanation"),
    [
        ("Two large leaks were seen.", "Two", "counts “leaks”: leak"),
        ("Two sheaths were used.", "Two", "counts “sheaths”: sheath"),
        ("Two 0.035 stiff wires were placed.", "Two", "counts “stiff wires”: wire"),
        ("There were two lateral access points.", "two", "counts “points”"),
        ("Both leaflets moved.", "Both", "counts “leaflets”"),
        ("Perclose x2 in the vein.", "x2", "counts “Perclose”: closure device of the access"),
        ("No complications.", "No", "counts “complications”"),
        ("The defect measured 8 x 4 mm.", "8 x 4 mm", "measures “defect”: leak"),
        ("It lay at 3 o'clock.", "at 3 o'clock", "clock position"),
        ("A 6 Fr catheter was used.", "6 Fr", "measure in another unit"),
        ("The operation was in 2016.", "in 2016", "date"),
        ("LA pressure fell from 29 to 14.", "14", "counts “pressure”"),
        ("3. " + PLUG, "3", "number of a list item"),
        ("The first, a 12 mm AVP II, was released.", "first", "is “a 12 mm AVP II”: device 1"),
        ("After this, the plug was released in each.", "each", UNEXPLAINED),
        ("Devices implanted: 2", "2", "claim: a count of devices, stated in a field"),
    ],
)
def test_explanation_of_numbers(coder: Coder, text: str, words: str, explanation: str) -> None:
    assert told(coder, text)[words] == explanation


@pytest.mark.parametrize(
    ("text", "words", "explanation"),
    [
        (PLUG + "Hemostasis by Perclose.", "Perclose", "closure device of the access, not an occluder"),
        (PLUG + "The VSD was left alone.", "VSD", "other place than the leak: vsd"),
        (PLUG + "The disc was flat.", "disc", "part of a device"),
        ("After a transseptal puncture, " + PLUG, "transseptal puncture", "evidence: route transseptal"),
        (PLUG + "An AV loop was made.", "AV loop", "rail: no route by itself"),
        (PLUG, "Mitral paravalvular leak", "evidence: closure of the leak, treated valve: mitral"),
    ],
)
def test_explanation_of_other_devices_places_and_evidence(
    coder: Coder, text: str, words: str, explanation: str
) -> None:
    assert told(coder, text)[words] == explanation


def test_explanation_of_what_another_part_of_the_note_counts(coder: Coder) -> None:
    mentions = told(coder, PLUG + "\n\nIMPRESSION: One 12 mm plug was released.")
    assert mentions["One 12 mm plug"] == "summary device 1"
    assert mentions["A 12 mm AVP II"] == "device 1"


def test_explanation_marks_a_device_that_nothing_explains(coder: Coder) -> None:
    mentions = told(coder, PLUG + "The plugs were then considered as a whole.")
    assert mentions["The plugs"] == UNEXPLAINED


def shown(text: str, explanation: Explanation) -> list[str]:
    stream = io.StringIO()
    print_explanation(text, explanation, console(stream))
    lines = stream.getvalue().splitlines()
    return lines[next(i for i, line in enumerate(lines) if line.startswith("Mentions")) + 1 :]


def test_explanation_is_printed_in_100_columns_and_ends_with_the_tally(
    coder: Coder, gold: list[Labelled]
) -> None:
    for item in gold[:40]:
        explanation = coder.explain(item.note.text)
        lines = shown(item.note.text, explanation)
        assert max(len(line) for line in lines) <= 100
        left = sum(mention.explanation == UNEXPLAINED for mention in explanation.mentions)
        assert lines[-1] == tally(len(explanation.mentions), left)


def test_explanation_is_printed_by_section(coder: Coder) -> None:
    text = TITLE + PLUG + "\n\nIMPRESSION: One plug."
    lines = shown(text, coder.explain(text))
    assert [line.strip() for line in lines if line.startswith("[")] == [
        "[title]",
        "[description]",
        "[summary]",
    ]
    assert shown("Fever.", coder.explain("Fever.")) == ["0 mentions, 0 unexplained"]
