"""Claims: which parts of a note say how many devices stayed in, and how many they say."""

from __future__ import annotations

import pytest

from extractor.claims import Claim
from extractor.coder import Coder


def claims(coder: Coder, text: str) -> list[Claim]:
    return coder.analyse(text).case.claims


def said(coder: Coder, text: str) -> list[tuple[str, int, int | None]]:
    """(source, low, high) of the claims of a note, in text order."""
    return [(c.source, c.low, c.high) for c in sorted(claims(coder, text), key=lambda c: c.start)]


LEAK = "Mitral paravalvular leak closure.\n\n"
TWO = "DESCRIPTION:\nA 12 mm plug and a 10 mm plug were deployed and released.\n\n"


@pytest.mark.parametrize(
    ("text", "claim", "why"),
    [
        (TWO, ("narrative", 2, 2), "the narrative counts by its events"),
        (TWO + "IMPRESSION: Closure with two plugs.", ("summary", 2, 2), "an impression with a number"),
        (TWO + "IMPRESSION: Closure with three plugs.", ("summary", 3, 3), "and one that disagrees"),
        (
            TWO + "IMPRESSION: Closure with multiple plugs.",
            ("summary", 2, None),
            "more than one is a claim too",
        ),
        (TWO + "A total of two plugs were implanted.", ("narrative", 2, 2), "a total in the narrative"),
        (TWO + "ADDENDUM: Correction: three plugs were implanted.", ("addendum", 3, 3), "a correction"),
        (
            TWO + "ADDENDUM: Correction: three, not two, plugs were implanted.",
            ("addendum", 3, 3),
            "a correction in the words of the policy",
        ),
        (
            TWO + "IMPLANT LOG:\nAVP II 12 mm | 1 | implanted\nAVP II 10 mm | 1 | implanted\n",
            ("implants", 2, 2),
            "a table, one row a device",
        ),
        (
            TWO + "IMPLANT LOG:\nItem | Qty | Status\nAVP II 12 mm | 2 | implanted\n",
            ("implants", 2, 2),
            "a table with a quantity",
        ),
        (
            TWO + "IMPLANT LOG:\nDevice\tSize\tFate\nAVP II\t12 mm\tleft in\nAVP II\t10 mm\tleft in\n",
            ("implants", 2, 2),
            "columns by tabs",
        ),
        (
            TWO + "IMPLANT LOG:\nDevice     Size     Fate\nAVP II     12 mm    left in\nAVP II     10 mm "
            "   left in\n",
            ("implants", 2, 2),
            "columns by blanks",
        ),
        (
            TWO + "IMPLANT LOG:\nAVP II 12 mm | implanted\nAVP II 10 mm | implanted\nAVP II 8 mm | wasted\n",
            ("implants", 2, 2),
            "a wasted row does not count",
        ),
        (
            TWO + "IMPLANT LOG:\nAVP II 12 mm | implanted\nAVP II 10 mm | implanted\nPerclose | 2 | used\n",
            ("implants", 2, 2),
            "vascular closure in the table does not count",
        ),
    ],
)
def test_claims_of_each_source(coder: Coder, text: str, claim: tuple[str, int, int | None], why: str) -> None:
    found = said(coder, LEAK + text)
    assert claim in found, why
    assert found.count(claim) == 1 or claim[0] == "narrative", why


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("IMPRESSION: Successful closure, no leak left.", "no device, no claim"),
        ("IMPRESSION: He now has four plugs in all, two of them from 2019.", "a lifetime total"),
        ("PLAN: He may need a third plug.", "a plan claims nothing"),
        ("PRIOR PROCEDURE:\nThree plugs were released.", "nor does a copied report"),
        ("INDICATION: Closure with three plugs in 2018.", "nor does the history"),
        ("COMPLICATIONS: none", "nor a field"),
        ("EQUIPMENT:\nAVP II 12 mm x 4", "boxes taken out of the cupboard are not devices left in"),
    ],
)
def test_claims_are_not_made_by_other_parts(coder: Coder, text: str, why: str) -> None:
    counted = [c for c in claims(coder, LEAK + TWO + text) if not c.admits(2)]
    assert counted == [], why


@pytest.mark.parametrize(
    ("source", "detailed", "text"),
    [
        ("narrative", True, TWO),
        ("implants", True, TWO + "IMPLANT LOG:\nAVP II 12 mm | implanted\nAVP II 10 mm | implanted\n"),
        ("summary", False, TWO + "IMPRESSION: Closure with two plugs."),
        ("title", False, "PROCEDURE: Closure of a mitral paravalvular leak with two plugs\n\n" + TWO),
    ],
)
def test_claims_detailed_sources_are_those_of_the_policy(
    coder: Coder, source: str, detailed: bool, text: str
) -> None:
    found = {c.detailed for c in claims(coder, LEAK + text) if c.source == source}
    assert found == {detailed}


def test_claims_summary_tells_when_there_is_no_narrative(coder: Coder) -> None:
    case = coder.analyse("IMPRESSION: The mitral paravalvular leak was closed with a 12 mm AVP II.").case
    assert case.narrator == "summary"
    assert len(case.main.today()) == 1


BOTH_VALVES = (
    "Closure of aortic and mitral paravalvular leaks.\n\nDESCRIPTION:\nAn 8 mm AVP II was released in the "
    "aortic leak. A 12 mm AVP II was released in the mitral leak.\n\nCONCLUSIONS:\n"
)


@pytest.mark.parametrize(
    ("summary", "status", "why"),
    [
        ("1. Closure of the aortic leak (8 mm AVP II).\n2. Closure of the mitral leak (12 mm AVP II).",
         "ready", "each tells of its valve"),
        ("Closure of the mitral leak with one plug.", "ready", "of one valve of two"),
        ("Closure of the mitral leak with three plugs.", "review", "more than there are"),
    ],
)  # fmt: skip
def test_claims_summary_of_one_valve_is_compared_with_that_valve(
    coder: Coder, summary: str, status: str, why: str
) -> None:
    assert coder.suggest(BOTH_VALVES + summary).status == status, why


def test_claims_evidence_is_text_of_the_note(coder: Coder) -> None:
    text = LEAK + TWO + "IMPRESSION: Closure with three plugs."
    words = {text[c.start : c.end] for c in claims(coder, text)}
    assert any("three plugs" in w for w in words)


def test_claims_explanted_row_takes_back_an_implanted_one(coder: Coder) -> None:
    table = "IMPLANT LOG:\nAVP II 12 mm | implanted\nAVP II 12 mm | explanted\nAVP II 14 mm | implanted\n"
    found = [c for c in claims(coder, LEAK + table) if c.source == "implants"]
    assert [(c.low, c.high) for c in found] == [(1, 1)]


def test_claims_log_and_narrative_are_two_sources(coder: Coder) -> None:
    text = (
        LEAK + "DESCRIPTION:\nA 12 mm plug was deployed and released.\n\nEVENT LOG:\n10:01 sheath in\n"
        "10:05 12 mm plug deployed\n10:06 12 mm plug released\n10:20 sheath out\n"
    )
    assert {c.source for c in claims(coder, text)} == {"narrative", "log"}
    assert {(c.low, c.high) for c in claims(coder, text)} == {(1, 1)}


@pytest.mark.parametrize(
    "history",
    [
        "2019 MVR, 2021 PVL closure 2 AVP III",
        "2020: PVL closure, 1 plug (AVP II 12)",
        "2010 MVR\n2015 redo MVR\n2021 PVL closure, 2 AVP III",
        "2020 second procedure, 1 further AVP II",
    ],
)
def test_claims_entries_led_by_a_year_are_history(coder: Coder, history: str) -> None:
    text = f"Mitral paravalvular leak closure.\n\n{history}\n\nAn AVP II 10 mm was deployed and released."
    assert coder.suggest(text).units == {"93590": 1}


def test_claims_procedure_told_in_its_title_counts(coder: Coder) -> None:
    text = (
        "Mitral paravalvular leak closure.\n\n2020: PVL closure, 1 plug (AVP II 12).\n\n"
        "Procedure: Transseptal access. An AVP II 10 mm was deployed and released."
    )
    assert coder.suggest(text).units == {"93590": 1}


def test_claims_number_of_a_wire_counts_no_device(coder: Coder) -> None:
    text = (
        "Mitral paravalvular leak closure.\n\nOver wire no. 1 we delivered a 14 mm AVP II and over wire "
        "no. 2 a 12 mm. Both were released."
    )
    assert coder.suggest(text).units == {"93590": 1, "93592": 1}


def test_claims_log_with_the_newest_event_first_is_turned_round(coder: Coder) -> None:
    log = [
        "9:10 10 mm plug opened",
        "9:20 10 mm plug recaptured, out",
        "9:40 8 mm plug opened",
        "9:50 Released",
    ]
    text = (
        "Mitral paravalvular leak closure.\n\nEVENT LOG\n" + "\n".join(["10:02 end", *reversed(log)]) + "\n"
    )
    found = coder.suggest(text)
    assert [(d.size, d.outcome) for d in found.devices] == [("10 mm", "removed"), ("8 mm", "implanted")]


def test_claims_field_of_a_form_counts_this_case(coder: Coder) -> None:
    text = "Aortic paravalvular leak closure.\n\nNumber of closure devices placed this case: 1\n"
    assert [(c.low, c.high) for c in coder.analyse(text).case.claims] == [(1, 1)]


@pytest.mark.parametrize(
    ("text", "expected", "why"),
    [
        (
            "Procedure: Aortic PVL closure with ADO II\nADO II 5x4 opened. ADO II released.",
            [("title", 1, None), ("narrative", 1, 1)],
            "the course of events under its title",
        ),
        (
            "Mitral PVL closure with two plugs. A 10 mm AVP II was removed. Two 8 mm AVP II were released.",
            [("title", 2, 2), ("narrative", 2, 2)],
            "a title in running text",
        ),
        (
            "Mitral PVL closure.\nIndication: AF. Transseptal puncture was made. An 8 mm plug was released.",
            [("narrative", 1, 1)],
            "the course of events behind an indication",
        ),
        (
            "Mitral PVL closure.\nHistory: two plugs in 2020.\n\nA 12 mm AVP II was released.\n\n"
            "IMPRESSION: Closure with three plugs.",
            [("narrative", 1, 1), ("summary", 3, 3)],
            "what this session put in is no lifetime total",
        ),
        (
            "Mitral PVL closure.\nHistory: two plugs in 2020.\n\nA 12 mm AVP II was released.\n\n"
            "IMPRESSION: Closure with one plug. The patient now has three plugs.",
            [("narrative", 1, 1), ("summary", 1, 1)],
            "what the patient now has is one",
        ),
    ],
)
def test_claims_of_titles_indications_and_lifetimes(
    coder: Coder, text: str, expected: list[tuple[str, int, int | None]], why: str
) -> None:
    assert said(coder, text) == expected, why
