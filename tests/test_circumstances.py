"""Circumstances: whether what was closed is a leak beside a prosthesis, or another defect."""

from __future__ import annotations

import pytest

from extractor.coder import Coder

ONE = " A 12 mm AVP II was deployed and released."


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (
            "Prior AVR. Referred with suspicion of PVL; none seen.\nThe VSD was crossed." + ONE,
            "a leak only asked for",
        ),
        (
            "Aortic prosthesis without paravalvular leak, though one had been feared.\n"
            "Closure of the pseudoaneurysm of the root." + ONE,
            "a leak feared, and another defect",
        ),
        (
            "Mitral PVL closed in 2020 with two AVP II, dry since. Ruptured sinus of Valsalva.\n"
            "Transcatheter closure of the ruptured sinus." + ONE,
            "a leak of the past, and another defect",
        ),
        (
            "In August I closed her mitral paravalvular leak, that was a long case with two plugs. "
            "So today it was an ASD closure only. A 16 mm septal occluder was released.",
            "a month without its day is not this session",
        ),
        (
            "She had a percutaneous paravalvular closure eleven months ago, when Dr Dale left a 12 mm and a "
            "10 mm AVP II in a lateral defect. Redo sternotomy, cross-clamp; both plugs were cut out and "
            "a new mitral prosthesis was sewn in.",
            "what hangs on an earlier time is of that time",
        ),
        (
            "Transfemoral TAVR, 26 mm Sapien 3. Paravalvular leak, mild after post-dilatation. If haemolysis "
            "appears later we'd look at an AVP. No leak closure device was used.",
            "a plug thought of",
        ),
        (
            "PROCEDURE: TAVR\nHISTORY: mitral paravalvular leak closed 2021 with two AVP II.\n"
            "FINDINGS: MVR: two occluders lateral, stable. New valve well seated, trivial paravalvular leak.",
            "plugs only seen in place",
        ),
        (
            "Gerbode defect after aortic valve replacement. The defect was crossed." + ONE,
            "a hole of another kind",
        ),
        ("Mitral bioprosthesis. The vertical vein was occluded with a 16 mm AVP II.", "no word of a leak"),
        (
            "Pseudoaneurysm of the LV apex. A 6/4 ADO was placed in the neck and released. The aortic "
            "prosthesis shows a trace paravalvular leak.",
            "a trivial leak, and another defect",
        ),
    ],
)
def test_circumstances_another_defect_is_no_leak(coder: Coder, text: str, why: str) -> None:
    assert coder.suggest(text).status == "none", why


@pytest.mark.parametrize(
    ("text", "units", "why"),
    [
        (
            "Suspected aortic paravalvular leak. Root injection: leak at the left cusp. It was "
            "crossed." + ONE,
            {"93591": 1},
            "asked for, and found",
        ),
        (
            "Mitral paravalvular leak. Fossa crossed, the leak was crossed." + ONE
            + " The residual septal defect was small and was not treated.",
            {"93590": 1},
            "the way in, left open",
        ),
        (
            "Aortic paravalvular leak. The leak was crossed." + ONE + " Leaflets of the On-X opening fully.",
            {"93591": 1},
            "a part of a valve is no implant",
        ),
        (
            "Mitral paravalvular leak, redo sternotomy turned down. The septum was crossed." + ONE,
            {"93590": 1},
            "an exposure that was not made",
        ),
        (
            "CATH PROCEDURE\n[x] H&P  [x] NPO\nAortic paravalvular leak. The leak was crossed." + ONE,
            {"93591": 1},
            "a checklist names no document",
        ),
    ],
)  # fmt: skip
def test_circumstances_a_leak_is_a_leak(coder: Coder, text: str, units: dict[str, int], why: str) -> None:
    suggestion = coder.suggest(text)
    assert (suggestion.status, suggestion.units) == ("ready", units), why


@pytest.mark.parametrize(
    ("text", "reason", "why"),
    [
        (
            "63M, P2 resection and 32 Physio II ring 2020. Severe MR outside of the ring. Septum crossed."
            + ONE + " The paravalvular type leak was closed.",
            "annuloplasty_ring",
            "a repaired valve, and none replaced",
        ),
        (
            "Aortic paravalvular leak. Part 1: conduit stent, then Melody 22 on Ensemble. Part 2: the leak "
            "was crossed." + ONE,
            "same_session_valve_implant",
            "a valve as the next step, with no verb",
        ),
    ],
)  # fmt: skip
def test_circumstances_reasons(coder: Coder, text: str, reason: str, why: str) -> None:
    assert reason in {r.code for r in coder.suggest(text).reasons}, why


@pytest.mark.parametrize(
    ("title", "status", "why"),
    [
        ("Procedure: PVL device closure - mitral", "ready", "in a title"),
        ("Paravalvular leak plug closure, mitral", "ready", "by what is done"),
        ("History: PVL device closure 2019, mitral", "none", "of another year"),
        ("Paravalv. leak closure MITRAL", "ready", "a word cut short"),
        ("Mech MVR, parav. MR gr 3", "ready", "two words cut short"),
    ],
)
def test_circumstances_leak_named_by_the_device_alone(
    coder: Coder, title: str, status: str, why: str
) -> None:
    assert coder.suggest(f"{title}\n\nA 12 mm AVP II was deployed and released.").status == status, why
