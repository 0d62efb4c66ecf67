"""Changes a reader would not notice: the suggestions for the labelled notes survive them."""

from __future__ import annotations

import os

import pytest

from extractor.coder import Coder
from extractor.evaluate import Labelled
from extractor.suggestion import Suggestion
from tests.metamorphic import (
    MORE,
    SAME,
    Change,
    Result,
    abbreviated_leak,
    arabic_product_names,
    bold_labels,
    digits_for_words,
    further_plug,
    hanging_72,
    history_added,
    letterhead_added,
    long_product_names,
    measure,
    no_further_device,
    perivalvular,
    roman_product_names,
    two_blanks,
    typeset,
    unwrapped,
    vascular_closure_added,
    words_for_digits,
    wrapped_60,
)

# The share of the notes that must hold, 0.99 but for what is listed; it may only go up.
TARGET = 0.99
LOWEST: dict[str, float] = {}
# Called ready with other lines than labelled, and not before the change. These lists may only grow shorter.
KNOWN_HARM = {"further_plug": "ehmx-011 ehst-008 ltin-009 stry-002 vmix-007"}
# Each change is tried on one note in so many, each on others; METAMORPHIC_EVERY=1 tries all on every note.
EVERY = int(os.environ.get("METAMORPHIC_EVERY", "5"))
NOTE = "A 12 mm AVP II was opened in the leak and released.\n\nImplants: one AVP II."


@pytest.fixture(scope="module")
def results(coder: Coder, gold: list[Labelled], gold_suggestions: list[Suggestion]) -> dict[str, Result]:
    """What every change does to every labelled note."""
    return measure(coder, gold, gold_suggestions, workers=os.cpu_count() or 1, every=EVERY)


NAMES = [change.__name__ for change in SAME + MORE]


@pytest.mark.parametrize("name", NAMES)
def test_metamorphic_suggestions_hold(name: str, results: dict[str, Result]) -> None:
    result = results[name]
    assert result.touched > 0
    allowed = (1 - LOWEST.get(name, TARGET)) * result.touched + 2 * (EVERY > 1)  # of a sample, chance
    assert len(result.moved) <= allowed, f"{len(result.moved)}/{result.touched}: {' '.join(result.moved)}"


@pytest.mark.parametrize("name", NAMES)
def test_metamorphic_no_change_makes_a_note_wrongly_ready(name: str, results: dict[str, Result]) -> None:
    harmed = set(results[name].harmed) - set(KNOWN_HARM.get(name, "").split())
    assert not harmed, " ".join(sorted(harmed))


@pytest.mark.parametrize(
    ("change", "text", "expected"),
    [
        (digits_for_words, "Two AVP II plugs and one device", "2 AVP II plugs and 1 device"),
        (
            digits_for_words,
            "the one at 2, a six plug, AVP two plugs",
            "the one at 2, a six plug, AVP two plugs",
        ),
        (digits_for_words, "two 8 mm plugs, two o'clock", "two 8 mm plugs, two o'clock"),
        (words_for_digits, "with 3 plugs, 2 jets", "with three plugs, two jets"),
        (words_for_digits, "8 mm, AVP 2 plugs, x 2 plugs", "8 mm, AVP 2 plugs, x 2 plugs"),
        (perivalvular, "Paravalvular leak. PARAVALVULAR.", "Perivalvular leak. PERIVALVULAR."),
        (perivalvular, "Amplatzer Paravalvular Plug 3", "Amplatzer Paravalvular Plug 3"),
        (abbreviated_leak, "a paravalvular leak (PVL), two paravalvular leaks", "a PVL, two PVLs"),
        (long_product_names, "AVP II, AVP-2, avp2", ", ".join(["Amplatzer Vascular Plug II"] * 3)),
        (long_product_names, "9-AVP2-012, AVP III, ADO", "9-AVP2-012, Amplatzer Vascular Plug III, ADO"),
        (roman_product_names, "Amplatzer Vascular Plug 2; AVP4; Amplatzer AVP II", "AVP II; AVP 4; AVP II"),
        (roman_product_names, "Amplatzer Vascular Plug II (AVP II)", "Amplatzer Vascular Plug II (AVP II)"),
        (arabic_product_names, "AVP II 8 mm, ADO II", "AVP2 8 mm, ADO2"),
        (unwrapped, "Done.\nThe leak was crossed and then closed.", None),
        (unwrapped, "The leak was crossed\nand then closed.", "The leak was crossed and then closed."),
        (hanging_72, "- " + "word " * 20, "- " + "word " * 13 + "word\n    " + "word " * 5 + "word"),
        (two_blanks, "Done. Next.", "Done.  Next."),
        (typeset, '"a" patient\'s', "\u201ca\u201d patient\u2019s"),
        (bold_labels, "Result: good\n3 mm: bad", "**Result:** good\n3 mm: bad"),
        (wrapped_60, "| " + "a " * 40 + "|", None),
        (wrapped_60, "- " + "a " * 40, None),
        (wrapped_60, "08:12 " + "a " * 40, None),
        (wrapped_60, "word " * 20, "word " * 11 + "word\n" + "word " * 7 + "word"),
    ],
)
def test_metamorphic_changes_change_what_they_say(change: Change, text: str, expected: str | None) -> None:
    assert change(text) == (text if expected is None else expected)


@pytest.mark.parametrize("change", [no_further_device, further_plug])
def test_metamorphic_sentences_join_the_narrative(change: Change) -> None:
    told, rest = NOTE.split("\n", 1)
    changed = change(NOTE)
    assert changed.startswith(told + " ")
    assert changed.endswith("\n" + rest)
    assert changed.count("\n") == NOTE.count("\n")


def test_metamorphic_paragraphs_stand_where_they_would() -> None:
    assert vascular_closure_added(NOTE).split("\n\n")[1].startswith("Femoral haemostasis")
    assert history_added("REPORT\n\nINDICATION: leak\n\nTold.").split("\n\n")[1].startswith("PAST HISTORY")
    assert history_added("Told in one paragraph.").startswith("PAST HISTORY")
    assert letterhead_added(NOTE).endswith(f"\n\n{NOTE}")
