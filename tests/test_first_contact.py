"""Wordings that notes of a new hospital brought, and their neighbours."""

from __future__ import annotations

import pytest

from extractor.coder import Coder

M, A, MORE = "93590", "93591", "93592"
TAVR = (
    "TAVR Procedure Report\nProcedure: Transfemoral TAVR\n\nDetails. Sapien 3 Ultra 26 mm at nominal volume. "
    "Aortography with a moderate paravalvular leak. Leak went to mild. {told}\n"
)
LEAK = "Mitral paravalvular leak closure.\n\nTransseptal puncture. {told}\n"


@pytest.mark.parametrize(
    ("title", "told"),
    [
        ("aortic", "Mechanical mitral prosthesis. The leak was crossed. A 10 mm AVP II was released."),
        (
            "aortic",
            "Mechanical AVR and mitral bioprosthesis. The defect at 8 o'clock lateral of the mitral sewing "
            "ring was crossed from the left atrium. AVP II 10 mm was deployed. Device released.",
        ),
        ("mitral", "Status post TAVR. The leak was crossed. A 10 mm AVP II was released."),
    ],
)
def test_first_contact_title_against_the_text_is_a_conflict(coder: Coder, title: str, told: str) -> None:
    note = f"PROCEDURE: Transcatheter closure of {title} paravalvular leak\n\nDESCRIPTION: {told}\n"
    assert [reason.code for reason in coder.suggest(note).reasons] == ["valve_conflict"]


@pytest.mark.parametrize(
    "told",
    [
        "There was a discussion of plug closure: AVP II in 6-8 mm was available in the room, but we decided "
        "to watch; no plug was opened.",
        "We had an 8 mm AVP II in the room in case; no device was opened.",
        "If the leak persists, a plug could be placed.",
    ],
)
def test_first_contact_only_discussed_is_nothing(coder: Coder, told: str) -> None:
    assert coder.suggest(TAVR.format(told=told)).status == "none"


@pytest.mark.parametrize(
    ("told", "units"),
    [
        (
            "An AVP 4 of 7 mm was considered, but the neck was too wide, so the 10 mm AVP II came. "
            "It sat well. Detached.",
            {M: 1},
        ),
        (
            "The first was a 14 x 5 AVP III and was placed. The second was another 14 x 5. I then placed a "
            "12 x 5. All devices were tugged and then disconnected.",
            {M: 1, MORE: 2},
        ),
        (
            "The first device, an Occlutech PLD 12W (rectangular, 12 x 5 mm), deformed the hinge, so it was "
            "recaptured and replaced by the rectangular PLD 10W. I released it.",
            {M: 1},
        ),
        (
            "A 14 mm AVP II was deployed. Cable detached after he and I had both looked at the echo.",
            {M: 1},
        ),
        ("12 mm AVP II deployed, released. A second plug, Amplatzer Vascular Plug II 6 mm, was deployed "
         "and released.", {M: 1, MORE: 1}),
    ],
)  # fmt: skip
def test_first_contact_wordings_are_ready(coder: Coder, told: str, units: dict[str, int]) -> None:
    suggestion = coder.suggest(LEAK.format(told=told))
    assert (suggestion.status, suggestion.units) == ("ready", units)


@pytest.mark.parametrize(
    "told",
    [
        "An 8 mm muscular VSD occluder was released. The lateral end was then sealed by a duct occluder 6/4. "
        "Second occluder not required.\n\nFinal: closure of paravalvular mitral leak with an 8 mm muscular "
        "VSD occluder.",
        "An 8 mm AVP II and a 6 mm AVP II were released.\n\nThree plugs were implanted, not two.",
    ],
)
def test_first_contact_contradictions_are_never_ready(coder: Coder, told: str) -> None:
    assert coder.suggest(LEAK.format(told=told)).status == "review"


def test_first_contact_a_valve_of_an_earlier_day_is_not_implanted_today(coder: Coder) -> None:
    told = (
        "Procedure: TAVR PVL closure\n\nPt with Evolut R implanted for severe AS on the outside. "
        "An 8 mm Amplatzer Vascular Plug 4 was deployed in the leak. Plug was detached.\n"
    )
    assert coder.suggest(told).status == "ready"
