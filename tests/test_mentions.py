"""Mentions: which words matter, by which rule, and which only look as if they did."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from spacy.matcher import PhraseMatcher
from spacy.tokens import Doc

from extractor.lines import read_lines, written
from extractor.mentions import LAYERS, MentionFinder, match_text, split_words
from extractor.rules import load_rules, spellings

BOOK = load_rules()
FINDER = MentionFinder(BOOK)

_PIECES = st.sampled_from(
    ["two ", "8 mm ", "x 2", "AVP II", "avp-ii\n", " plugs", "mitral ", "Perclose", "{a/b:1}", "[ ] ", "\t",
     "İ", "ß", "14x5", " o'clock", "10:42", "®", "-", "was not ", "deployed "]
)  # fmt: skip
TEXTS = st.one_of(st.text(), st.lists(st.one_of(_PIECES, st.text(max_size=5)), max_size=30).map("".join))


def matched(text: str, *kinds: str) -> list[tuple[str, str]]:
    """(words, kind) of the mentions of these kinds."""
    return [(text[m.start : m.end], m.kind) for m in match_text(text, BOOK) if m.kind in kinds]


def sizes(text: str) -> list[tuple[str, str]]:
    return [(text[m.start : m.end], m.means.form) for m in match_text(text, BOOK) if m.kind == "size"]


@pytest.mark.parametrize(
    ("text", "expected", "why"),
    [
        ("a 14 x 5 mm AVP III", [("14 x 5 mm", "device")], "two dimensions"),
        ("a 14x5 AVP III", [("14x5", "device")], "and without blanks or unit"),
        ("an ADO II 6/4", [("6/4", "device")], "a duct occluder's two ends"),
        ("a 12-mm plug", [("12-mm", "device")], "a hyphen"),
        ("an 8mm plug", [("8mm", "device")], "no blank"),
        ("a ten millimeter plug", [("ten millimeter", "device")], "dictated"),
        ("a 7 Fr sheath", [("7 Fr", "other_unit")], "French is no plug size"),
        ("60 mL of contrast", [("60 mL", "other_unit")], "millilitres"),
        ("gradient 12 mmHg", [("12 mmHg", "other_unit")], "pressure is not millimetres"),
        ("at 3 and 9 o'clock", [("at 3 and 9 o'clock", "clock")], "a place on the ring"),
        ("on 03/04/2024", [("03/04/2024", "date")], "a date"),
        ("at 14:32 the plug", [("14:32", "time")], "a time"),
        ("lot 7781234", [("lot 7781234", "label")], "a lot number"),
    ],
)
def test_mentions_sizes(text: str, expected: list[tuple[str, str]], why: str) -> None:
    assert sizes(text) == expected, why


def counts(text: str) -> list[int]:
    """Numbers the text offers as counts."""
    found = []
    for mention in match_text(text, BOOK):
        number = mention.means.number if mention.kind == "count" else None
        number = mention.value if mention.kind == "count" and number is None else number
        if number is not None:
            found.append(number)
    return found


@pytest.mark.parametrize(
    ("text", "expected", "why"),
    [
        ("two 8 mm plugs", [2], "a number word beside a size"),
        ("2 plugs 8 mm", [2], "a digit beside a size"),
        ("8 mm AVP II x 2", [2], "a multiplier"),
        ("8 mm AVP II x2", [2], "and without a blank"),
        ("AVP II 8 mm ×3", [3], "with the sign"),
        ("plug 8 mm (qty 2)", [2], "a quantity"),
        ("a 14 x 5 mm plug", [], "the second dimension is no multiplier"),
        ("a 12 mm AVP II", [], "neither is II"),
        ("an 8 mm AVP 4", [], "nor the 4 of a product name"),
        ("at 3 and 9 o'clock", [], "nor a clock position"),
        ("two weeks later", [], "nor a time span"),
        ("a 6 Fr sheath", [], "nor French"),
        ("NYHA class 3", [], "nor a grade"),
    ],
)
def test_mentions_counts_are_not_sizes(text: str, expected: list[int], why: str) -> None:
    assert counts(text) == expected, why


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("AVP II", "device.avp2"),
        ("avp ii", "device.avp2"),
        ("AVP-II", "device.avp2"),
        ("AVP2", "device.avp2"),
        ("Amplatzer Vascular Plug II", "device.avp2"),
        ("Amplatzer  vascular\nplug II", "device.avp2"),
        ("Amplatzer Vascular Plug III", "device.avp3"),
        ("AVP III", "device.avp3"),
        ("AVP 4", "device.avp4"),
        ("Amplatzer Duct Occluder II", "device.ado2"),
        ("muscular VSD occluder", "device.mvsd"),
        ("Occlutech PLD", "device.pld"),
        ("vascular coil", "device.coil"),
    ],
)
def test_mentions_products_in_any_spelling(text: str, rule: str) -> None:
    assert rule in [m.rule for m in match_text(f"a {text} was seen", BOOK)]


@pytest.mark.parametrize(
    "words",
    [
        "Perclose ProGlide", "Angio-Seal", "MANTA", "Sapien 3", "Evolut", "Melody valve", "AL1 catheter",
        "Amplatz Super Stiff wire", "MitraClip", "Watchman", "Amplatzer Amulet", "Agilis sheath",
        "gooseneck snare", "Sentinel filter", "pacemaker lead", "Amplatz left catheter",
        "Vascade", "StarClose", "Mynx",
    ],
)  # fmt: skip
def test_mentions_never_occluders(words: str) -> None:
    text = f"A {words} was used."
    assert matched(text, "device") == []
    assert matched(text, "other_device"), words


@pytest.mark.parametrize(
    ("text", "plural"),
    [
        ("plug", False),
        ("plugs", True),
        ("occluders", True),
        ("AVP II", False),
        ("AVP IIs", True),
        ("device", False),
    ],
)
def test_mentions_plural(text: str, plural: bool) -> None:
    devices = [m for m in match_text(text, BOOK) if m.kind == "device"]
    assert [m.plural for m in devices] == [plural]


@pytest.mark.parametrize(
    ("text", "expected", "why"),
    [
        ("{mitral/aortic:30988} mitral", ["mitral"], "an unresolved choice offers, the word after it says"),
        ("{aortic|mitral|tricuspid}", [], "only the choice"),
        ("[ ] aortic\n[x] mitral", ["mitral"], "an empty box and a ticked one"),
        ("☐ aortic ☒ mitral", ["mitral"], "the same in signs"),
        ("☑ aortic ☐ mitral", ["aortic"], "ticked first"),
    ],
)
def test_mentions_drop_down_residue_is_no_mention(text: str, expected: list[str], why: str) -> None:
    assert [m.means.valve for m in match_text(text, BOOK) if m.kind == "valve"] == expected, why


@pytest.mark.parametrize(
    "text",
    [
        "Mitral paravalvular leak closure\n\nDevices: none yet",
        "Mitral paravalvular leak closure.\n\nDevices: none yet",
    ],
)
def test_mentions_phrase_ends_with_its_paragraph(text: str) -> None:
    assert all("\n\n" not in text[m.start : m.end] for m in match_text(text, BOOK))
    assert any(m.kind == "leak" for m in match_text(text, BOOK))


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("Valve: AORTIC\nProsthesis: 19 mm", "valve.aortic"),
        ("Valve position: Mitral\nValve kind: mechanical", "valve.mitral"),
        ("the aortic\nprosthesis was rocking", "valve.aortic_prosthesis"),
    ],
)
def test_mentions_phrase_does_not_run_into_the_name_of_a_field(text: str, rule: str) -> None:
    assert rule in {mention.rule for mention in match_text(text, BOOK)}


def test_mentions_offsets_survive_letters_that_grow_in_lower_case() -> None:
    text = "İİİ a 12 mm plug"
    assert ("12 mm", "device") in sizes(text)


@given(
    st.lists(
        st.sampled_from(["\n", "\r\n", "\x0b", "\\.br\\", " ", "AVP ", "II ", "12 ", "mm ", "x 5", "leak"])
    )
)
def test_mentions_settled_without_lines_are_those_of_any_lines(pieces: list[str]) -> None:
    text = "".join(pieces)
    words = FINDER.words(text)
    hits = FINDER.hits(text, words)
    settled = FINDER.settled_items(text, words, hits)
    starts = [line.start for line in read_lines(text, lambda _: 0)]  # every line begins with a header
    if settled is not None:
        for line_starts in ((), starts, starts[::2]):
            found = FINDER.find(text, words, line_starts)["items"]
            assert [(m.start, m.end, m.rule) for m in found] == [(m.start, m.end, m.rule) for m in settled]


def test_mentions_are_not_settled_where_words_run_over_a_line() -> None:
    for text, known in (("an AVP II plug", True), ("an AVP\nII plug", False), ("a plug\nwas put in", True)):
        words = FINDER.words(text)
        assert (FINDER.settled_items(text, words, FINDER.hits(text, words)) is not None) is known


@given(TEXTS)
def test_mentions_lie_inside_and_do_not_overlap_in_a_layer(text: str) -> None:
    words = FINDER.words(text)
    found = FINDER.find(text, words)
    assert list(found) == list(LAYERS)
    for mentions in found.values():
        position = 0
        for mention in mentions:
            assert position <= mention.first < mention.last <= len(words.words)
            assert words.starts[mention.first] <= mention.start < mention.end <= words.ends[mention.last - 1]
            position = mention.last


@given(TEXTS)
def test_mentions_words_are_slices_of_the_text(text: str) -> None:
    words = FINDER.words(text)
    plain = written(text)
    assert len(plain) == len(text)
    for word, start, end in zip(words.words, words.starts, words.ends, strict=True):
        assert plain[start:end].lower() == word
        assert word.strip() == word != ""


def test_mentions_phrases_split_as_notes_do() -> None:
    phrases = [
        p for rule in BOOK.rules if rule.kind != "section" for p in spellings((*rule.phrases, *rule.plurals))
    ]
    differing = [p for p in phrases if FINDER.words(p).words != split_words(p)]
    assert differing == []


_WORD = st.text(alphabet="abc d", max_size=4)
_ALTERNATIVES = st.lists(_WORD, min_size=1, max_size=3).map(lambda words: "<" + "|".join(words) + ">")
_PHRASE = st.lists(st.one_of(_WORD, _ALTERNATIVES), min_size=1, max_size=4).map(" ".join)


@given(_PHRASE)
def test_mentions_spellings_take_one_alternative_each(phrase: str) -> None:
    """Every spelling fits the phrase read as a pattern, blanks apart, and no two are the same."""
    pattern = phrase.replace(" ", "").replace("<", "(?:").replace(">", ")")
    found = spellings((phrase,))
    assert len(found) == len(set(found)) >= 1
    for spelling in found:
        assert re.fullmatch(pattern, spelling.replace(" ", ""))
        assert spelling == " ".join(spelling.split())


@given(
    st.lists(
        st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=4, unique=True), min_size=1, max_size=4
    )
)
def test_mentions_spellings_are_as_many_as_the_choices_multiply_to(choices: list[list[str]]) -> None:
    phrase = " ".join("<" + "|".join(words) + ">" for words in choices)
    product = 1
    for words in choices:
        product *= len(words)
    found = spellings((phrase,))
    assert len(found) == product
    assert found[0] == " ".join(words[0] for words in choices)
    assert found[-1] == " ".join(words[-1] for words in choices)


@given(st.lists(st.text(alphabet="abc ", max_size=6), max_size=5).map(tuple))
def test_mentions_spellings_of_plain_phrases_are_themselves(phrases: tuple[str, ...]) -> None:
    assert spellings(phrases) == list(dict.fromkeys(" ".join(p.split()) for p in phrases))


def test_mentions_phrase_hashes_match_what_docs_match() -> None:
    by_docs = PhraseMatcher(FINDER._vocab, attr="ORTH")
    by_hashes = PhraseMatcher(FINDER._vocab, attr="ORTH")
    phrases = {rule.id: (*rule.phrases, *rule.plurals) for rule in BOOK.rules if rule.phrases or rule.plurals}
    for key, some in phrases.items():
        by_docs.add(key, [Doc(FINDER._vocab, words=split_words(spelling)) for spelling in spellings(some)])
        by_hashes.add(key, FINDER._hashes(map(split_words, spellings(some))))
    for some in phrases.values():
        doc = Doc(
            FINDER._vocab, words=[word for phrase in spellings(some)[:50] for word in split_words(phrase)]
        )
        assert sorted(by_hashes(doc)) == sorted(by_docs(doc))
