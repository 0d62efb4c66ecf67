"""Addenda: what a part added later says of devices is taken at its word, or leaves a doubt."""

from __future__ import annotations

import pytest

from extractor.coder import Coder

NOTE = (
    "Report of procedure, 2 July 2024\n\n21 mm aortic valve prosthesis with a paravalvular leak.\n\n"
    "An 8 mm AVP II was deployed and released. A second AVP II, 6 mm, was deployed and released.\n\n"
)
ONE = (
    "Report of procedure, 2 July 2024\n\n21 mm aortic valve prosthesis with a paravalvular leak.\n\n"
    "I placed an Amplatzer Vascular Plug II, 8 mm.\n\n"
)
HEADERS = [
    "ADDENDUM 4 July 2024, [NAME]: ",
    "Addendum 7/4/24 14:05 - Dr. Smith: ",
    "Addendum by Dr. Smith 7/4/2024: ",
    "Late entry 7/4/24: ",
    "ADDENDUM #1 (07/04/2024 0930, [NAME] MD): ",
    "*** ADDENDUM 07/04/2024 ***\n",
]


@pytest.mark.parametrize("header", HEADERS)
def test_addenda_signed_header_opens_one(coder: Coder, header: str) -> None:
    parses = coder.analyse(NOTE + header + "The lot number is 12345.\n").case.parses
    assert parses[-1][0].sentence.section.role == "addendum"


@pytest.mark.parametrize("header", [*HEADERS, ""])
def test_addenda_count_of_all_is_no_second_count(coder: Coder, header: str) -> None:
    told = (
        "Two plugs, not one, were implanted: the 8 mm AVP II as described and then a further AVP II of 6 mm."
    )
    suggestion = coder.suggest(f"{ONE}{header}{told}\n")
    assert suggestion.status == "review" or suggestion.units == {"93591": 1, "93592": 1}


@pytest.mark.parametrize(
    "told",
    [
        "A third plug was also implanted, a 4 mm AVP II.",
        "I forgot to mention the third device, 4 mm, which was also released.",
        "The 6 mm AVP II was never implanted; it was removed with the sheath.",
        "Correction: the 8 mm plug was placed at 5 o'clock, not 7 o'clock.",
        "Correction: in addition a 4 mm AVP II was implanted.",
    ],
)
def test_addenda_that_give_no_number_leave_a_doubt(coder: Coder, told: str) -> None:
    assert coder.suggest(f"{NOTE}Addendum 7/4/24: {told}\n").status == "review"


@pytest.mark.parametrize(
    ("told", "further"),
    [
        ("Correction: three plugs were implanted, not two.", 2),
        ("The lot number of the 8 mm AVP II is 1234567.", 1),
        ("No third device was implanted.", 1),
    ],
)
def test_addenda_that_decide_or_change_nothing(coder: Coder, told: str, further: int) -> None:
    suggestion = coder.suggest(f"{NOTE}Addendum 7/4/24: {told}\n")
    assert (suggestion.status, suggestion.units) == ("ready", {"93591": 1, "93592": further})


def test_addenda_correction_that_lists_and_counts_is_one_number(coder: Coder) -> None:
    told = "Two plugs in total were placed: the 8 mm AVP II above and a 6 mm AVP II."
    assert coder.suggest(f"{ONE}Correction dated 4.7.2024: {told}\n").units == {"93591": 1, "93592": 1}
