"""Identity: one number of devices that are not the same ones is a doubt."""

from __future__ import annotations

import pytest

from extractor.coder import Coder

CASE = "Closure of an aortic paravalvular leak.\n\nDESCRIPTION: {told}\n\nIMPLANTS:\n{listed}\n"


@pytest.mark.parametrize(
    ("told", "listed", "status", "why"),
    [
        ("A 12 mm AVP II was released.", "AVP II 12 mm", "ready", "the same plug"),
        ("A 12 mm plug was released.", "AVP II 12 mm", "ready", "a plug is any plug"),
        ("An AVP II was released.", "AVP II 12 mm", "ready", "the list gives the size"),
        ("A 12 mm AVP II was released.", "AVP II 10 mm", "review", "another size"),
        ("A 12 mm AVP II was released.", "AVP 4 12 mm", "review", "another product"),
        (
            "A 12 mm AVP II and an 8 mm AVP II were released.",
            "AVP II 8 mm\nAVP II 12 mm",
            "ready",
            "any order",
        ),
        (
            "A 12 mm AVP II and an 8 mm AVP II were released.",
            "AVP II 8 mm\nAVP II 8 mm",
            "review",
            "one of two",
        ),
    ],
)
def test_identity_of_what_is_told_and_what_is_listed(
    coder: Coder, told: str, listed: str, status: str, why: str
) -> None:
    assert coder.suggest(CASE.format(told=told, listed=listed)).status == status, why


@pytest.mark.parametrize(
    ("summary", "status", "why"),
    [
        ("One plug in place.", "ready", "the same count"),
        ("An 8 mm plug embolized and was snared. One plug in place.", "review", "a loss nobody else tells"),
    ],
)
def test_identity_of_a_loss_that_only_the_summary_tells(
    coder: Coder, summary: str, status: str, why: str
) -> None:
    note = (
        "Closure of an aortic paravalvular leak.\n\nDESCRIPTION: A 12 mm plug was released.\n\nIMPRESSION: "
    )
    assert coder.suggest(note + summary).status == status, why


def test_identity_devices_are_those_of_the_part_that_comes_to_the_count(coder: Coder) -> None:
    """The course names one device; the addendum that decides has two."""
    note = CASE.format(told="A 12 mm AVP II was released.", listed="AVP II 12 mm")
    note += "\nADDENDUM: Correction: a 12 mm AVP II and a 10 mm AVP II were released.\n"
    suggestion = coder.suggest(note)
    assert suggestion.units == {"93591": 1, "93592": 1}
    assert [d.size for d in suggestion.devices if d.outcome == "implanted"] == ["12 mm", "10 mm"]


def test_identity_of_a_device_that_only_the_list_knows_as_unused(coder: Coder) -> None:
    listed = "AVP II 12 mm - implanted\nAVP II 8 mm - opened, not implanted"
    suggestion = coder.suggest(CASE.format(told="A 12 mm AVP II was released.", listed=listed))
    assert suggestion.units == {"93591": 1}
    assert [(d.size, d.outcome) for d in suggestion.devices] == [("12 mm", "implanted"), ("8 mm", "removed")]


FURTHER = [
    ("A 12 mm AVP II and an 8 mm AVP II were released.", "ready", "the list has both"),
    (
        "A 12 mm AVP II was deployed and released. A further 8 mm AVP II was then deployed and released.",
        "ready",
        "two told, two listed",
    ),
    (
        "A 12 mm AVP II was released. Through the other sheath an 8 mm AVP II. "
        "A further 8 mm AVP II was then deployed and released.",
        "review",
        "what was named before a further one counts, and the list has one fewer",
    ),
    (
        "Three AVP II in place. A further 8 mm AVP II was then deployed and released.",
        "review",
        "a count said before a further one",
    ),
    (
        "A 12 mm AVP II and an 8 mm AVP II were released. "
        "The septum was closed with a 20 mm septal occluder. Another 8 mm AVP II was deployed and released.",
        "review",
        "only the sentence before speaks of the septum",
    ),
]


@pytest.mark.parametrize(("told", "status", "why"), FURTHER)
def test_identity_of_a_further_device_that_the_list_does_not_have(
    coder: Coder, told: str, status: str, why: str
) -> None:
    assert coder.suggest(CASE.format(told=told, listed="AVP II 12 mm\nAVP II 8 mm")).status == status, why


@pytest.mark.parametrize(
    ("second", "status", "why"),
    [
        ("a second 8 mm AVP II", "ready", "the course has it too"),
        ("an 8 mm AVP II", "review", "the course tells of none on top"),
    ],
)
def test_identity_of_a_further_device_told_among_the_findings(
    coder: Coder, second: str, status: str, why: str
) -> None:
    told = f"A 12 mm AVP II was released and {second} was deployed and released."
    note = f"Closure of an aortic paravalvular leak.\n\nDESCRIPTION: {told}\n\n"
    note += "FINDINGS\nThe leak was crescentic. A further vascular plug was deployed and released.\n\n"
    note += "CONCLUSION\nGood result."
    assert coder.suggest(note).status == status, why
