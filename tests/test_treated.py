"""Treated: which valve was treated, and how many devices went to each of two."""

from __future__ import annotations

import pytest

from extractor.coder import Coder
from extractor.grammar import Parse
from extractor.site import heading, leak_valves, valve_of

BOTH = "Closure of mitral and aortic paravalvular leaks.\n\n"
ONE = " A 10 mm AVP II was deployed and released."
M, A, MORE = "93590", "93591", "93592"


def parsed(coder: Coder, text: str) -> Parse:
    return coder.analyse(text).case.parses[0][0]


@pytest.mark.parametrize(
    ("sentence", "valves", "why"),
    [
        ("The mitral paravalvular leak was large.", {"mitral"}, "named with the leak"),
        ("Paravalvular leak of the AVR.", {"aortic"}, "behind the leak"),
        ("Paravalvular leak mitral, lateral.", {"mitral"}, "behind it without a preposition"),
        ("Mitral and aortic paravalvular leaks.", {"mitral", "aortic"}, "two joined before it"),
        ("Paravalvular leaks, mitral and aortic.", {"mitral", "aortic"}, "two joined behind it"),
        ("PVL closure (mitral, aortic).", {"mitral", "aortic"}, "two in brackets"),
        ("Paravalvular AI at the left cusp.", {"aortic"}, "the regurgitation of one valve"),
        ("The leak lies below the non-coronary cusp.", {"aortic"}, "a place only one valve has"),
        ("The aortic prosthesis is normal with no leak.", set(), "a leak denied"),
        ("No mitral paravalvular leak.", set(), "denied by its article"),
        ("The wire went through the mitral prosthesis and the leak.", set(), "a valve on the way"),
        ("The leak was crossed across the native aortic valve.", set(), "a native valve on the way"),
        (
            "A paravalvular leak, in a patient with a mitral prosthesis.",
            {"mitral"},
            "the only valve beside it",
        ),
    ],
)
def test_treated_leak_valves(coder: Coder, sentence: str, valves: set[str], why: str) -> None:
    assert leak_valves(parsed(coder, sentence)) == valves, why


@pytest.mark.parametrize(
    ("sentence", "valve", "why"),
    [
        ("PART TWO - AORTIC", "aortic", "a heading"),
        ("Mitral: septal puncture, RFV, Agilis, LA mean 20.", "mitral", "before a colon"),
        ("Part II (mitral).", "mitral", "in brackets"),
        ("Then the mitral.", "mitral", "a few words"),
        ("9:45 TO AORTIC SIDE. AL1 VIA RFA", "aortic", "the side that is turned to"),
        ("Turning to the mitral side: transseptal puncture, RF needle.", "mitral", "turning to"),
        ("Attention was turned to the aortic valve.", "aortic", "attention turned"),
        ("The mitral side was addressed first.", "mitral", "addressed"),
        ("I did the aortic one first because it was easy.", "aortic", "the one"),
        ("We did the aortic first.", "aortic", "first"),
        ("Mitral: no new regurgitation.", None, "a finding that is denied"),
        ("We elected to take on the mitral first since it haemolyses.", "mitral", "the first"),
        ("While I waited Dr Dale crossed the septum and dealt with the mitral side.", "mitral", "dealt with"),
        ("For the aortic we then made a puncture of the apex.", "aortic", "fronted"),
        ("Then, by puncture of the septum, we went to the mitral prosthesis.", "mitral", "gone to"),
        ("We then moved to the mitral valve.", "mitral", "moved to"),
        ("Mitral: no new MR with the loop.", None, "an answer of none"),
        ("There was no impingement on the mitral valve, and all was well.", None, "said of a valve"),
        ("Because of the aortic prosthesis the retrograde road was closed.", None, "a reason"),
        ("Mitral 2, aortic 2, and nothing else was done today.", None, "two valves"),
        ("The wire was taken through the aortic valve.", None, "a valve on the way"),
    ],
)
def test_treated_headings(coder: Coder, sentence: str, valve: str | None, why: str) -> None:
    found = heading(parsed(coder, sentence))
    assert (valve_of(found) if found is not None else None) == valve, why


@pytest.mark.parametrize(
    ("text", "valves", "why"),
    [
        ("Mitral paravalvular leak closure." + ONE, ["mitral"], "the only one"),
        ("Valve position: Mitral\nValve kind: mechanical\nParavalvular leak." + ONE, ["mitral"], "a field"),
        ("Valve: AORTIC\nProsthesis: 19 mm\nParavalvular leak." + ONE, ["aortic"], "a field before a field"),
        ("Valve treated: Mitral [X] Aortic [ ]\nParavalvular leak." + ONE, ["mitral"], "boxes behind"),
        (
            "Position: [ ] Mitral [x] Aortic [ ] Tricuspid\nParavalvular leak." + ONE,
            ["aortic"],
            "boxes before",
        ),
        ("Paravalvular leak closure.\n\nThe leak was at the non-coronary cusp." + ONE, ["aortic"], "a place"),
        ("Paravalvular leak closure. Mechanical MVR." + ONE, ["mitral"], "the only prosthesis"),
        ("Paravalvular leak closure. Mechanical MVR and AVR." + ONE, [], "two prostheses"),
        ("Paravalvular leak closure." + ONE, [], "none named"),
        (
            "Mitral paravalvular leak.\n\n" + ONE + " Aortic regurgitation mild as before.",
            ["mitral"],
            "regurgitation is less than a leak",
        ),
        (
            "Severe mitral PVL and moderate aortic PVL.\n\nThe mitral leak was crossed." + ONE,
            ["mitral"],
            "the leak talked about",
        ),
        (
            "Mechanical aortic and mitral valves.\n\nParavalvular leak closure." + ONE + "\n\n"
            "IMPLANTS:\nAVP II 10 mm | aortic | implanted\n",
            ["aortic"],
            "only the table says it",
        ),
        (
            "Aortic paravalvular leak. The wedge was floated through the mitral valve and the leak was "
            "crossed." + ONE,
            ["aortic"],
            "the mitral valve is only on the way",
        ),
    ],
)
def test_treated_valves(coder: Coder, text: str, valves: list[str], why: str) -> None:
    assert list(coder.analyse(text).circumstances.treated.valves) == valves, why


@pytest.mark.parametrize(
    ("text", "units", "why"),
    [
        (
            "MITRAL\nTransseptal puncture. A 12 mm AVP II was released. An 8 mm AVP II was released.\n\n"
            "AORTIC\nAL1. A 6 mm AVP 4 was released.\n",
            {M: 1, A: 1, MORE: 1},
            "headings",
        ),
        (
            "Mitral first. A 12 mm AVP II was released. Then aortic. A 6 mm AVP 4 was released.",
            {M: 1, A: 1},
            "a few words",
        ),
        (
            "Three AVP II were released.\n\nIMPLANTS:\nAVP II 12 mm | mitral | implanted\n"
            "AVP II 8 mm | mitral | implanted\nAVP II 6 mm | aortic | implanted\n",
            {M: 1, A: 1, MORE: 1},
            "rows of a table",
        ),
        (
            "Three plugs were released.\n\nDEVICES LEFT IN: AVP II 8 mm (aortic), AVP II 10 mm and AVP "
            "II 12 mm "
            "(mitral)\n",
            {M: 1, A: 1, MORE: 1},
            "one row, the valve behind its devices",
        ),
        (
            "Three plugs were released.\n\nIMPLANTS:\nMitral position: AVP II 8 mm, AVP II 6 mm.\n"
            "Aortic position: AVP 4, 5 mm.\n",
            {M: 1, A: 1, MORE: 1},
            "the valve before its devices",
        ),
        (
            "Three plugs were released.\n\nIMPRESSION:\n1. MITRAL PVL CLOSED - 2 PLUGS\n2. AORTIC PVL "
            "CLOSED - 1 PLUG",
            {M: 1, A: 1, MORE: 1},
            "lines of a summary",
        ),
        (
            "Three plugs were released.\n\nSUMMARY: one plug aortic, two plugs mitral.",
            {M: 1, A: 1, MORE: 1},
            "a statement, the number first",
        ),
        (
            "Two plugs were released.\n\nDevices in:\n   MV, 7 o'clock - AVP II 12 mm\n   RCC side - "
            "AVP 4 8 mm\n",
            {M: 1, A: 1},
            "the one device without a valve went to the one valve without a device",
        ),
        (
            "The aortic leak was crossed. An 8 mm AVP II was released. The mitral leak was crossed. A 12 mm "
            "AVP II was loaded, and a 10 mm AVP II next to it. Released in order.\n\n"
            "IMPLANTS:\n- AVP II 12 mm\n- AVP II 10 mm\n- AVP II 8 mm\n",
            {"93590": 1, "93591": 1, "93592": 1},
            "the list has the sizes, the narrative their valves",
        ),
        (
            "The mitral leak was crossed. A 10 mm AVP II was released. The aortic leak was crossed. An 8 mm "
            "AVP II was released. 4 leaflets seen to move (2 aortic 2 mitral).",
            {"93590": 1, "93591": 1},
            "leaflets divide no devices",
        ),
    ],
)
def test_treated_share_of_two_valves(coder: Coder, text: str, units: dict[str, int], why: str) -> None:
    suggestion = coder.suggest(BOTH + text)
    assert suggestion.units == units, why
    assert suggestion.status == "ready", why


@pytest.mark.parametrize(
    ("text", "units", "why"),
    [
        (
            BOTH + "We turned to the aortic side first. AL1 across." + ONE + " The septum was "
            "crossed. A sheath was aimed at the mitral prosthesis." + ONE,
            {M: 1, A: 1},
            "a tool is aimed at the second valve",
        ),
        (
            "Mitral paravalvular leak. A whiff of leak beside the aortic prosthesis, which we agreed not to "
            "chase. The fossa was crossed." + ONE,
            {M: 1},
            "a leak left alone",
        ),
        (
            "Leak beside one of her prostheses (aortic 21 mm, mitral 27 mm). The septum was crossed, the gap "
            "too. Two AVP II were released, so two occluders stay in her mitral annulus.",
            {M: 1, MORE: 1},
            "devices are said to lie at a valve",
        ),
        (
            "Patulous leak of an aortic prosthesis. The leak was crossed." + ONE
            + " Mitral regurgitation never more than mild.",
            {A: 1},
            "the regurgitation of the patient's own valve",
        ),
    ],
)  # fmt: skip
def test_treated_talk(coder: Coder, text: str, units: dict[str, int], why: str) -> None:
    assert coder.suggest(text).units == units, why


@pytest.mark.parametrize(
    ("text", "reason", "why"),
    [
        (
            "PROCEDURE: Mitral paravalvular leak closure\n\nDESCRIPTION: The leak was crossed. "
            "A 10x5 AVP III was released, its distal disc under the aortic annulus.",
            "valve_conflict",
            "title, and the place of the device",
        ),
        (
            "PROCEDURE: Mitral paravalvular leak closure\n\nDESCRIPTION: Paravalvular AI was seen along "
            "the left "
            "coronary sinus. It was crossed from the ascending aorta." + ONE,
            "valve_conflict",
            "title and text",
        ),
        (
            "Paravalvular leak closure.\n\nThe mitral leak was crossed." + ONE + "\n\n"
            "IMPLANTS:\nAVP II 10 mm | aortic | implanted\n",
            "valve_conflict",
            "text and table",
        ),
        (
            "The aortic paravalvular leak was crossed."
            + ONE
            + "\n\nCONCLUSION: Successful mitral PVL closure.",
            "valve_conflict",
            "text and conclusion",
        ),
        (
            "PROCEDURE: Mitral paravalvular leak closure\n\nDESCRIPTION: The leak was crossed."
            + ONE
            + "\n\nAortic bioprosthesis: paravalvular leak, trace after device.",
            "valve_conflict",
            "title and the leak found closed",
        ),
        (BOTH + "Three AVP II were released.", "device_count_conflict", "no part divides them"),
        (
            BOTH + "The mitral leak was crossed and a 10 mm AVP II was released. The aortic leak was crossed "
            "and an "
            "8 mm AVP II was released.\n\nSUMMARY: one plug mitral, two plugs aortic.",
            "device_count_conflict",
            "the parts divide them in different ways",
        ),
        (
            "Mitral and tricuspid paravalvular leaks. The tricuspid leak was crossed. A 12 mm AVP II "
            "was released. "
            "The mitral leak was crossed. An 8 mm AVP II was released.",
            "other_valve",
            "one of them is no valve of this family",
        ),
    ],
)
def test_treated_review(coder: Coder, text: str, reason: str, why: str) -> None:
    suggestion = coder.suggest(text)
    assert suggestion.status == "review", why
    assert reason in {r.code for r in suggestion.reasons}, why


def test_treated_only_the_devices_of_the_coded_valve_count(coder: Coder) -> None:
    text = (
        "Mitral and tricuspid paravalvular leaks. The tricuspid leak was crossed. Two 12 mm AVP II were "
        "released. "
        "The mitral leak was crossed. An 8 mm AVP II was released."
    )
    assert coder.suggest(text).units == {M: 1}


def test_treated_devices_know_their_valve(coder: Coder) -> None:
    text = BOTH + "MITRAL\nA 12 mm AVP II was released.\n\nAORTIC\nAn 8 mm AVP II was released.\n"
    assert [device.valve for device in coder.suggest(text).devices] == ["mitral", "aortic"]
