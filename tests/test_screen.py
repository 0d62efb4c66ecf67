"""The screen never disagrees with the pipeline: what it stops would have come out the same."""

from __future__ import annotations

import json
import re
import sys
from functools import cache
from importlib.util import find_spec

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from extractor.coder import Coder
from extractor.mentions import MentionFinder
from extractor.rules import load_rules, spellings
from extractor.screen import (
    CONCERNS,
    SIGNS,
    Concern,
    Screen,
    best_engine,
    by_hyperscan,
    by_re,
    signs_of,
    terms_of,
    unconcerned,
)
from tests.conftest import ROOT

BOOK = load_rules()
FINDER = MentionFinder(BOOK)
CONCERN = Concern(BOOK)
ENGINES = {"words": None, "re": by_re} | ({"hyperscan": by_hyperscan} if find_spec("hyperscan") else {})
SCREENS = {name: Screen(BOOK, engine) for name, engine in ENGINES.items() if name != "re"}
SIGNED = [rule for rule in BOOK.rules if signs_of(rule)]


@cache
def coder() -> Coder:
    """A coder that screens nothing."""
    made = Coder(BOOK)
    made._unscreened = 10**9
    return made


@cache
def paragraphs() -> list[str]:
    """The notes of the evaluation set and each of their paragraphs and lines, once."""
    texts: dict[str, None] = {}
    for path in sorted((ROOT / "sample_notes" / "gold").glob("*.jsonl")):
        for row in path.read_text(encoding="utf-8").splitlines():
            text = json.loads(row)["text"]
            texts.update(dict.fromkeys([text, *re.split(r"\n\s*\n", text), *text.split("\n")]))
    return list(texts)


def concerns(text: str) -> bool:
    """What the pipeline says of the mentions it found."""
    return CONCERN(FINDER.find(text, FINDER.words(text)))


def phrases() -> list[str]:
    """What the rules of the signs match: their phrases, and their examples."""
    out: dict[str, None] = {}
    for rule in SIGNED:
        out.update(dict.fromkeys(spellings((*rule.phrases, *rule.plurals))))
        out.update((told.replace("[", "").replace("]", ""), None) for told in rule.examples.match)
    return list(out)


# -- the terms ----------------------------------------------------------------------


def test_screen_every_phrase_of_a_rule_shows_its_sign() -> None:
    context = {
        "leak": "mitral", "common": "mitral {} plug", "valve": "leak", "device": "mitral regurgitation",
    }  # fmt: skip
    missed = []
    for rule in SIGNED:
        for sign in signs_of(rule):
            beside = context.get(sign, "")
            texts = [*spellings((*rule.phrases, *rule.plurals)), *rule.examples.match]
            for text in (f"{beside}; {text.upper()}" for text in texts):
                if concerns(text) and not all(screen(text) for screen in SCREENS.values()):
                    missed.append(text)
    assert missed == []


def test_screen_a_rule_without_a_known_word_lets_everything_pass() -> None:
    rule = next(rule for rule in SIGNED if rule.kind == "leak")
    open_ended = rule.model_copy(update={"regex": r"\b\w{3}-\d+\b"})
    assert terms_of([open_ended]) is None
    book = BOOK.model_copy(update={"rules": (open_ended,), "version": "open"})
    assert all(Screen(book, engine)("any text") for engine in ENGINES.values())


@pytest.mark.parametrize(
    "text", ["a 5f zorb", "zorb 2mm", "Zorb 12mm gap", "ZORB-\n  12 mm gap", "zorb, zorb"]
)
def test_screen_takes_a_number_and_its_unit_apart(text: str) -> None:
    rule = next(rule for rule in SIGNED if rule.id == "leak.paravalvular")
    phrases = ("f zorb", "zorb 2", "zorb 12 mm gap", "zorb, zorb")
    bare = rule.model_copy(update={"phrases": phrases, "plurals": (), "regex": None})
    book = BOOK.model_copy(update={"rules": (bare,), "version": "units"})
    finder = MentionFinder(book)
    assert finder.find(text, finder.words(text))["items"]
    assert all(Screen(book, engine)(text) for engine in ENGINES.values())
    assert not any(Screen(book, engine)("zorbs 12 mm, 3 zorb 12 gap") for engine in ENGINES.values())


def test_screen_without_rules_of_a_leak_stops_everything() -> None:
    book = BOOK.model_copy(update={"rules": BOOK.kind("device"), "version": "devices"})
    assert not any(Screen(book, engine)("Mitral paravalvular leak, plug") for engine in ENGINES.values())


@pytest.mark.parametrize("screen", SCREENS.values(), ids=SCREENS)
@pytest.mark.parametrize(
    "text",
    [
        "PARAVALVULAR LEAK",
        "para-\r\n        valvular leak",
        "para" + "\n" * 20 + " " * 20 + "valvular",  # a longer gap than the fast search knows
        "para\u2011valvular",
        "para**valv**ular leak of the mitral valve",
        "mitral valve jet\u212a lea\u212a",  # the Kelvin sign is a k in lower case
        "regurgitation, mitral; one 12mm vascular plug2mm",
        "\ud800 paravalvular",
    ],
)
def test_screen_passes_what_the_pipeline_reads_through(screen: Screen, text: str) -> None:
    assert screen(text)


@pytest.mark.parametrize("screen", SCREENS.values(), ids=SCREENS)
@pytest.mark.parametrize(
    "text",
    [
        "",
        "Severe mitral regurgitation.",
        "Regurgitation and a plug.",
        "A leak at the bladder, closed by a device.",
        "The projected bleaker channels of the aortography",
    ],
)
def test_screen_stops_what_names_no_closure(screen: Screen, text: str) -> None:
    assert not screen(text)


# -- never narrower than the pipeline -------------------------------------------------

_GAPS = [
    " ",
    "\n",
    "-",
    "\r\n      ",
    "  ",
    "\t",
    "\xa0",
    "\u2011",
    "_",
    ", ",
    ". ",
    " comma ",
    "/",
    "\n\n",
    " " * 40,
]
_FILLERS = [
    "",
    "the",
    "12",
    "8x4 mm",
    "no",
    "closure",
    "was released",
    "history of",
    "TAVR 2019",
    "**",
    "\u212a",
    "\xe9",
]
_CASES = [str, str.upper, str.lower, str.title, str.swapcase]


@st.composite
def texts(draw: st.DrawFn) -> str:
    """Phrases of rules in any case, wrapped and joined in any way, some glued or cut short."""
    pieces = []
    for phrase in draw(st.lists(st.sampled_from(PHRASES), min_size=1, max_size=5)):
        gap = draw(st.sampled_from(_GAPS))
        words = draw(st.sampled_from(_CASES))(phrase).replace(" ", gap)
        cut = draw(st.integers(0, 9))
        pieces += [words[:-1] if cut == 0 else words, draw(st.sampled_from(["", *_GAPS]))]
        pieces += [draw(st.sampled_from(_FILLERS)), draw(st.sampled_from(["", *_GAPS]))]
    text = "".join(pieces)
    return text.replace("k", "\u212a", 1) if draw(st.integers(0, 19)) == 0 else text


PHRASES = phrases()


@settings(max_examples=600, deadline=None)
@given(texts())
@example("mitral leak comma colon period comma plug comma vascular comma amplatzer 2")
def test_screen_passes_whatever_the_mentions_concern(text: str) -> None:
    answers = {name: screen(text) for name, screen in SCREENS.items()}
    assert len(set(answers.values())) == 1, answers
    if not answers["words"]:
        assert not concerns(text)


@settings(max_examples=60, deadline=None)
@given(texts())
def test_screen_stopped_text_comes_out_of_the_pipeline_the_same(text: str) -> None:
    if not SCREENS["words"](text):
        assert coder().suggest(text, "n").to_json() == unconcerned("n", BOOK).to_json()


def test_screen_agrees_with_the_pipeline_on_the_evaluation_set() -> None:
    screen = SCREENS["words"]
    stopped = [text for text in paragraphs() if "\n" in text and not screen(text)]
    assert [text for text in stopped if concerns(text)] == []


def test_screen_engines_agree_on_the_evaluation_set() -> None:
    answers = [tuple(screen(text) for text in paragraphs()) for screen in SCREENS.values()]
    assert len(set(answers)) == 1
    assert any(answers[0])
    assert not all(answers[0])


def test_screen_stops_nothing_that_would_be_coded() -> None:
    """Without the concern, the stages behind it find nothing to code either."""
    unasked = Coder(BOOK)
    unasked._concern = lambda found: True  # type: ignore[assignment]
    stopped = [text for text in paragraphs() if "\n" in text and not SCREENS["words"](text)]
    assert len(stopped) > 100
    statuses = {unasked._suggest(unasked.analyse(text), text, "").status for text in stopped}
    assert statuses == {"none"}


def test_screen_coder_gives_the_same_with_and_without_it() -> None:
    notes = [text for text in paragraphs() if "\n" in text][::20]
    screening = Coder(BOOK)
    screening._unscreened = 0
    without = [coder().suggest(note, "n").to_json() for note in notes]
    assert [screening.suggest(note, "n").to_json() for note in notes] == without
    assert [s.to_json() for s in screening.pipe(notes)] == [coder().suggest(note).to_json() for note in notes]


def test_screen_without_an_engine_takes_the_standard_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "hyperscan", None)
    assert best_engine() is None
    assert Screen(BOOK)("Mitral paravalvular leak")
    assert not Screen(BOOK)("Mitral regurgitation")


def test_screen_conditions_name_known_signs() -> None:
    assert {sign for signs in CONCERNS for sign in signs} == set(SIGNS)
    assert all(any(says(rule) for rule in BOOK.rules) for says in SIGNS.values())
