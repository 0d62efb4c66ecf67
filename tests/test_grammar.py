"""Grammar: which words of a sentence denote devices, and how many they say there are."""

from __future__ import annotations

import textwrap

import pytest

from extractor.coder import Coder
from extractor.grammar import Parse
from extractor.phrases import DevicePhrase


def parses(coder: Coder, text: str) -> list[Parse]:
    return [parse for parse, _, _ in coder.analyse(text).case.parses]


def phrases(coder: Coder, text: str) -> list[DevicePhrase]:
    return [phrase for parse in parses(coder, text) for phrase in parse.phrases]


def words(coder: Coder, text: str) -> list[str]:
    return [
        text[parse.words.starts[phrase.first] : parse.words.ends[phrase.last - 1]]
        for parse in parses(coder, text)
        for phrase in parse.phrases
    ]


@pytest.mark.parametrize(
    ("text", "quantity", "sizes", "why"),
    [
        ("A 12 mm AVP II was deployed.", 1, ["12 mm"], "an article is one"),
        ("One 12 mm plug was deployed.", 1, ["12 mm"], "a number word"),
        ("Two 8 mm plugs were deployed.", 2, ["8 mm"], "a number word and one size for both"),
        ("2 plugs were deployed.", 2, [], "a digit"),
        ("8 mm AVP II x 2 deployed.", 2, ["8 mm"], "a multiplier behind the product"),
        ("AVP II 8 mm x2 deployed.", 2, ["8 mm"], "and behind the size"),
        ("Two (2) plugs were deployed.", 2, [], "said twice, counted once"),
        ("A 10-8 Konar MF was deployed.", 1, ["10 x 8 mm"], "two measures of one device"),
        ("A 6-4 ADO II was deployed.", 1, ["6 x 4 mm"], "small ones too"),
        ("A 14 x 5 mm AVP III was deployed.", 1, ["14 x 5 mm"], "a second dimension does not multiply"),
        ("An AVP 4 was deployed.", 1, [], "the number of a product name does not count"),
        ("Plug 2 was deployed.", 1, [], "a label does not count"),
        ("A pair of plugs was deployed.", 2, [], "a pair"),
        ("Both plugs were released.", 2, [], "both"),
        ("One of the two plugs was recaptured.", 1, [], "a part of a number"),
        ("A single 10 mm plug was deployed.", 1, ["10 mm"], "single"),
        ("An 8 and a 10 mm plug were deployed.", 2, ["8 mm", "10 mm"], "two sizes are two devices"),
        ("Multiple plugs were deployed.", None, [], "no number said"),
        ("All plugs were released.", None, [], "no number said"),
        ("Plugs were deployed.", None, [], "a plural says no number"),
    ],
)
def test_grammar_quantity_of_a_phrase(
    coder: Coder, text: str, quantity: int | None, sizes: list[str], why: str
) -> None:
    found = phrases(coder, text)
    assert len(found) == 1, why
    assert found[0].quantity == quantity, why
    if len(sizes) == 1 or not sizes:
        assert [size.replace(" ", "") for size in found[0].sizes] == [
            size.replace(" ", "") for size in sizes
        ], why


@pytest.mark.parametrize(
    ("text", "expected", "why"),
    [
        (
            "We deployed a second 10 mm AVP II there.",
            ["a second 10 mm AVP II"],
            "the article and all between",
        ),
        ("We deployed AVP II 10 mm at the leak.", ["AVP II 10 mm"], "a size behind"),
        ("A 12 mm plug and an 8 mm plug were used.", ["A 12 mm plug", "an 8 mm plug"], "two phrases"),
        ("The plug was released and it was stable.", ["The plug", "it"], "a pronoun"),
        (
            "The first was released, the second recaptured.",
            ["The first", "the second"],
            "ordinals without a noun",
        ),
        ("A 10 mm was chosen instead.", ["A 10 mm"], "a size without a noun"),
        ("The latter was removed.", ["The latter"], "the latter"),
        ("A 7 Fr sheath was used.", [], "a sheath is none"),
        (
            "A 10 mm plug was deployed through the first sheath and an 8 mm plug through the second.",
            ["A 10 mm plug", "an 8 mm plug"],
            "the second sheath",
        ),
        ("A 10 mm gap was seen.", [], "a gap is none"),
        pytest.param(
            "The second attempt failed.",
            [],
            "an attempt is none",
            marks=pytest.mark.xfail(reason="'attempt' is read as a cue, so the ordinal stands alone"),
        ),
        ("A Perclose and an Angio-Seal were used.", [], "vascular closure is none"),
        ("Three wires were left in the ventricle.", [], "wires are none"),
        ("The second leak was crossed.", [], "a leak is none"),
        ("Deployed at 3 and 9 o'clock.", [], "clock positions are none"),
    ],
)
def test_grammar_words_of_a_phrase(coder: Coder, text: str, expected: list[str], why: str) -> None:
    assert words(coder, text) == expected, why


@pytest.mark.parametrize(
    ("text", "ordinal", "determiner"),
    [
        ("A second plug was deployed.", 2, "indefinite"),
        ("The second plug was deployed.", 2, "definite"),
        ("The plug was deployed.", None, "definite"),
        ("Another plug was deployed.", None, "indefinite"),
        ("Both plugs were deployed.", None, "definite"),
        ("Plug was deployed.", None, "bare"),
        pytest.param(
            "The third and last plug was deployed.",
            3,
            "definite",
            marks=pytest.mark.xfail(reason="one device read as two phrases"),
        ),
        ("A 3rd plug was deployed.", 3, "indefinite"),
    ],
)
def test_grammar_ordinal_and_determiner(
    coder: Coder, text: str, ordinal: int | None, determiner: str
) -> None:
    (phrase,) = phrases(coder, text)
    assert (phrase.ordinal, phrase.determiner) == (ordinal, determiner)


@pytest.mark.parametrize(
    ("text", "label"),
    [("Plug #2 was deployed.", 2), ("Device no. 3 was deployed.", 3), ("Plug number one was deployed.", 1)],
)
def test_grammar_label(coder: Coder, text: str, label: int) -> None:
    (phrase,) = phrases(coder, text)
    assert phrase.label == label
    assert phrase.quantity == 1


def test_grammar_no_plug_is_none(coder: Coder) -> None:
    (phrase,) = phrases(coder, "No further plug was deployed.")
    assert phrase.none


def test_grammar_prior_plug_is_prior(coder: Coder) -> None:
    assert [p.prior for p in phrases(coder, "The previously placed plug was seen.")] == [True]


def test_grammar_product_of_an_apposition(coder: Coder) -> None:
    (phrase,) = phrases(coder, "A second device, an 8 mm AVP II, was deployed.")
    assert phrase.product == "Amplatzer Vascular Plug II"
    assert phrase.ordinal == 2


@pytest.mark.parametrize(
    ("text", "sizes", "why"),
    [
        ("A 12 mm plug and an 8 mm plug were used.", [2], "joined by and"),
        ("A 12 mm, a 10 mm and an 8 mm plug were used.", [3], "a list"),
        ("A 12 mm plug was used and an 8 mm plug was wasted.", [1, 1], "a verb between"),
    ],
)
def test_grammar_groups(coder: Coder, text: str, sizes: list[int], why: str) -> None:
    groups = [
        sum(phrase.quantity or 1 for phrase in group)
        for parse in parses(coder, text)
        for group in parse.groups
    ]
    assert groups == sizes, why


@pytest.mark.parametrize(
    "text",
    [
        "The plug was released, but the second one slipped.",
        "The plug was released while we watched the leaflets.",
        "The plug was released; the sheath was removed.",
        "The plug was released and we removed the sheath.",
    ],
)
def test_grammar_clause_ends_before_a_new_statement(coder: Coder, text: str) -> None:
    places = [(number, n) for number, parse in enumerate(parses(coder, text)) for n in parse.clause.values()]
    assert places[0] != places[-1]


def test_grammar_clause_holds_subject_and_verb_together(coder: Coder) -> None:
    (parse,) = parses(coder, "The 12 mm plug in the lateral part of the leak was slowly released.")
    assert set(parse.clause.values()) == {0}


@pytest.mark.parametrize("width", [36, 44, 52, 60])
def test_grammar_line_break_changes_no_phrase(coder: Coder, width: int) -> None:
    flat = (
        "After the first plug had been deployed at the lateral part of the leak we then deployed a "
        "second 10 mm "
        "Amplatzer vascular plug II beside the first plug, and both plugs were released together."
    )
    wrapped = textwrap.fill(flat, width)
    assert [" ".join(w.split()) for w in words(coder, wrapped)] == words(coder, flat)


def test_grammar_sentence_without_a_word_is_none(coder: Coder) -> None:
    assert len(parses(coder, "Mitral PVL closure with an ADO.\n\n-")) == 1
    assert coder.suggest("Jet NCC 4/4 ADO\n-").status == "none"
