"""Coding: codes and units, the companion code, and the reasons for which a person must decide."""

from __future__ import annotations

import pytest

from extractor.coder import Coder
from extractor.suggestion import Proof, Suggestion

MITRAL = "Mitral paravalvular leak closure.\n\nDESCRIPTION:\n"
AORTIC = "Aortic paravalvular leak closure.\n\nDESCRIPTION:\n"
ONE = "A 12 mm AVP II was deployed and released. "


def codes(suggestion: Suggestion) -> set[str]:
    return {reason.code for reason in suggestion.reasons}


@pytest.mark.parametrize(
    ("text", "units", "why"),
    [
        (MITRAL + ONE, {"93590": 1}, "one at the mitral valve"),
        (AORTIC + ONE, {"93591": 1}, "one at the aortic valve"),
        (MITRAL + "Two 8 mm plugs were released.", {"93590": 1, "93592": 1}, "a second device"),
        (AORTIC + "Three 8 mm plugs were released.", {"93591": 1, "93592": 2}, "a second and a third"),
        (
            AORTIC + "Four 8 mm plugs were released.",
            {"93591": 1, "93592": 3},
            "more than the tables pay is not capped",
        ),
        (
            MITRAL + "There were three leaks. One 12 mm plug was released and covered all of them.",
            {"93590": 1},
            "devices are counted, not leaks",
        ),
        (
            MITRAL + "There was one leak. Two 8 mm plugs were released in it.",
            {"93590": 1, "93592": 1},
            "devices are counted, not leaks",
        ),
        (
            "Closure of mitral and aortic paravalvular leaks.\n\nDESCRIPTION:\nA 12 mm plug was "
            "released in the mitral "
            "leak. A 10 mm plug was released in the aortic leak.",
            {"93590": 1, "93591": 1},
            "one at each valve: no further unit",
        ),
        (
            "Closure of mitral and aortic paravalvular leaks.\n\nDESCRIPTION:\nA 12 mm plug was "
            "released in the mitral "
            "leak. Two 10 mm plugs were released in the aortic leak.",
            {"93590": 1, "93591": 1, "93592": 1},
            "both valves: total less two",
        ),
        (
            "Closure of a leak around the TAVR valve.\n\nINDICATION: Paravalvular leak of a "
            "CoreValve from 2020.\n\n"
            "DESCRIPTION:\n" + ONE,
            {"93591": 1},
            "a transcatheter valve has its place",
        ),
        (
            "Perimitral leak closure.\n\nDESCRIPTION:\nThe paravalvular leak of the MVR was crossed. " + ONE,
            {"93590": 1},
            "the valve by its abbreviation",
        ),
    ],
)
def test_coding_ready_units(coder: Coder, text: str, units: dict[str, int], why: str) -> None:
    suggestion = coder.suggest(text)
    assert suggestion.units == units, why
    assert suggestion.status == "ready", why
    assert suggestion.reasons == ()


@pytest.mark.parametrize(
    ("text", "reason", "units", "why"),
    [
        (
            MITRAL + "Two 8 mm plugs were released.\n\nIMPRESSION: Closure with three plugs.",
            "device_count_conflict",
            {"93590": 1, "93592": 1},
            "the narrative wins over the summary",
        ),
        (
            MITRAL + "Two 8 mm plugs were released.\n\nIMPLANT LOG:\nAVP II 8 mm | 3 | implanted\n",
            "device_count_conflict",
            {"93590": 1},
            "the details disagree: no further unit is asserted",
        ),
        (
            MITRAL + "Multiple plugs were deployed and released.",
            "device_count_unstated",
            {"93590": 1},
            "the first device only",
        ),
        (
            MITRAL + "Several AVP II plugs of different size were released.",
            "device_count_unstated",
            {"93590": 1},
            "the first device only",
        ),
        ("Paravalvular leak closure.\n\nDESCRIPTION:\n" + ONE, "valve_unstated", None, "no valve named"),
        (
            "PROCEDURE: Aortic paravalvular leak closure\n\nDESCRIPTION:\nThe leak of the mitral "
            "prosthesis was crossed "
            "transseptally. " + ONE + "No mitral paravalvular leak remained.",
            "valve_conflict",
            None,
            "title and body differ",
        ),
        (
            MITRAL + "A 12 mm plug was deployed but was recaptured. The procedure was abandoned.",
            "no_device_implanted",
            {},
            "attempted",
        ),
        (
            MITRAL + "A 12 mm plug was deployed but had to be recaptured. The procedure was abandoned.",
            "no_device_implanted",
            {},
            "attempted, told as a necessity",
        ),
        (
            MITRAL + "Access was obtained. The leak could not be crossed. The procedure was abandoned.",
            "no_device_implanted",
            {},
            "never crossed",
        ),
        (
            "Cath report - ATTEMPT mitral PVL closure, not done\n81 F, Carp-Edwards 27, PVL medial mod-sev\n"
            "RFV 8F. TSP difficult, LA entered.\nLeak could not be wired.\nStopped. No plug opened.",
            "no_device_implanted",
            {},
            "given up on the way, in few words",
        ),
        (
            MITRAL + "A 12 mm plug was released and embolized. It was snared and removed. We stopped here.",
            "no_device_implanted",
            {},
            "every device removed",
        ),
        (
            "Closure of a tricuspid paravalvular leak.\n\nDESCRIPTION:\nThe leak of the tricuspid "
            "bioprosthesis was "
            "crossed. " + ONE,
            "other_valve",
            {},
            "no code of this family",
        ),
        (
            "Closure of a pulmonary paravalvular leak.\n\nDESCRIPTION:\nThe leak of the pulmonary "
            "bioprosthesis was "
            "crossed. " + ONE,
            "other_valve",
            {},
            "no code of this family",
        ),
        (
            "Closure of a leak beside a mitral annuloplasty ring.\n\nDESCRIPTION:\nThe leak beside "
            "the annuloplasty ring "
            "was crossed. " + ONE,
            "annuloplasty_ring",
            {},
            "a ring is no valve prosthesis",
        ),
        (
            MITRAL + "The apex was exposed through a left mini-thoracotomy and punctured. " + ONE,
            "open_approach",
            {"93590": 1},
            "counted as documented",
        ),
        (
            AORTIC + "A 26 mm Sapien 3 was deployed first. " + ONE,
            "same_session_valve_implant",
            {"93591": 1},
            "counted as documented",
        ),
        (
            "DISCHARGE SUMMARY\n\nHospital course: On the second day the mitral paravalvular leak "
            "was closed with a 12 mm "
            "AVP II, which was released. He recovered well.",
            "not_procedure_note",
            {},
            "tells of a closure, and is no report of it",
        ),
        (
            "DISCHARGE SUMMARY\n\nProcedures this admission: Closure of mitral paravalvular leak\n\n"
            "Clinical summary:\nOn the second day two plugs were implanted. He recovered well.",
            "not_procedure_note",
            {},
            "names the closure as a procedure of this stay",
        ),
    ],
)
def test_coding_review_names_its_reason(
    coder: Coder, text: str, reason: str, units: dict[str, int] | None, why: str
) -> None:
    suggestion = coder.suggest(text)
    assert suggestion.status == "review", why
    assert reason in codes(suggestion), why
    if units is not None:
        assert suggestion.units == units, why


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("Coronary angiography. No paravalvular leak was seen.", "no leak"),
        ("A 24 mm septal occluder was released in the atrial septal defect.", "another defect"),
        (
            "LAA occlusion. Mild mitral paravalvular leak is known. A Watchman was deployed.",
            "the leak was left alone",
        ),
        (
            "Clinic letter. He had a mitral paravalvular leak, which was closed with two plugs in "
            "2019. He is well.",
            "history only",
        ),
        (
            "DISCHARGE SUMMARY\n\nProcedures this admission: TEE\n\nHistory:\nProcedures: mitral "
            "paravalvular leak closure with two plugs in 2019.\n\nClinical summary:\nDiuresis. Well.",
            "a closure of another stay",
        ),
        ("Mitral paravalvular leak. We plan closure with two plugs next month.", "planned only"),
        (
            "Mitral paravalvular leak closure was cancelled before access because of fever.",
            "cancelled before access",
        ),
        (
            "Redo sternotomy on cardiopulmonary bypass. The mitral paravalvular leak was repaired "
            "with pledgeted sutures. "
            "Two old plugs were explanted.",
            "surgical repair",
        ),
        (
            "TAVR. Moderate aortic paravalvular leak was treated by post-dilatation with a balloon.",
            "no occluder",
        ),
        (
            "Shoulder prosthesis. The defect of the humerus was closed and an implant was placed.",
            "prosthesis and defect are words of many fields",
        ),
        ("Mitral valve: ?PVL. A 12 mm plug was released.", "a leak in question"),
        ("", "nothing at all"),
        ("\n\n   \n", "nothing at all"),
        ("Heart Center, 93590 Springfield. Coronary angiography.", "a bare number is no code"),
    ],
)
def test_coding_none(coder: Coder, text: str, why: str) -> None:
    suggestion = coder.suggest(text)
    assert suggestion.status == "none", why
    assert suggestion.lines == ()
    assert suggestion.companions == ()


@pytest.mark.parametrize(
    ("text", "routes", "units", "why"),
    [
        (
            MITRAL + "A transseptal puncture was made. " + ONE,
            {"transseptal"},
            0,
            "included in the mitral code",
        ),
        (MITRAL + "A transapical puncture was made. " + ONE, {"transapical"}, 1, "transapical, mitral"),
        (AORTIC + "A transseptal puncture was made. " + ONE, {"transseptal"}, 1, "transseptal, aortic"),
        (AORTIC + "A transapical puncture was made. " + ONE, {"transapical"}, 1, "transapical, aortic"),
        (AORTIC + "The leak was crossed retrogradely. " + ONE, {"retrograde"}, 0, "retrograde needs none"),
        (
            MITRAL + "A left mini-thoracotomy exposed the apex, which was punctured transapically. " + ONE,
            None,
            0,
            "after surgical exposure a person decides",
        ),
        (
            "Closure of mitral and aortic paravalvular leaks.\n\nDESCRIPTION:\nA transseptal "
            "puncture was made and a 12 mm "
            "plug was released in the mitral leak. The aortic leak was crossed retrogradely and a 10 "
            "mm plug was released "
            "in the aortic leak.",
            {"transseptal", "retrograde"},
            0,
            "the transseptal route served the mitral leak only",
        ),
        (
            AORTIC + "A transseptal attempt failed. The leak was crossed retrogradely. " + ONE,
            {"retrograde"},
            0,
            "a failed route adds none",
        ),
    ],
)
def test_coding_companion_93462(
    coder: Coder, text: str, routes: set[str] | None, units: int, why: str
) -> None:
    suggestion = coder.suggest(text)
    found = {companion.code: companion.units for companion in suggestion.companions}
    assert found == ({"93462": units} if units else {}), why
    if routes is not None:
        assert set(suggestion.approaches) == routes, why


@pytest.mark.parametrize(
    ("text", "reason", "why"),
    [
        (AORTIC + "PVL around a 26 mm Sapien 3 implanted in 2021. " + ONE, None, "a valve of another year"),
        (AORTIC + "Prosthesis: 25 mm Perimount. " + ONE, None, "a surgical valve only named"),
        (
            MITRAL + "A disc stuck on the TEE clip. " + ONE,
            None,
            "a film clip",
        ),
        (MITRAL + "MVR 2021 after MitraClip 2019. " + ONE, None, "a clip of another year"),
        (
            "TEE FINDINGS: Well seated bileaflet valve, both discs opening.\n\n" + MITRAL + ONE,
            None,
            "a valve that was seen",
        ),
        (
            AORTIC + "Valve: 26 mm Sapien 3, nominal, deployed under pacing. " + ONE,
            "same_session_valve_implant",
            "a valve put in",
        ),
        (
            AORTIC + ONE + "\n\nIMPLANTS:\nAVP II 12 mm | 1 | implanted\nSAPIEN 3 26 mm | 1 | implanted\n",
            "same_session_valve_implant",
            "a valve in the implant list",
        ),
        (
            MITRAL + "The septal leaflets were clipped with two MitraClips. " + ONE,
            "same_session_valve_implant",
            "clips",
        ),
        (MITRAL + ONE + " Leaflets of the On-X opening fully.", None, "a valve that opens"),
        (MITRAL + "He was reluctant to have another sternotomy. " + ONE, None, "a sternotomy not wanted"),
        (MITRAL + "Redo sternotomy was felt to carry a high risk. " + ONE, None, "a sternotomy weighed"),
        (MITRAL + "By apical puncture, with no thoracotomy. " + ONE, None, "no thoracotomy"),
        (MITRAL + "He has already had three sternotomies. " + ONE, None, "sternotomies of the past"),
        (MITRAL + "Through a mini-thoracotomy the apex was exposed. " + ONE, "open_approach", "done"),
    ],
)
def test_coding_circumstances_of_this_session(coder: Coder, text: str, reason: str | None, why: str) -> None:
    found = codes(coder.suggest(text)) & {"same_session_valve_implant", "open_approach"}
    assert found == ({reason} if reason else set()), why


def test_coding_a_leak_sought_and_never_crossed_was_an_attempt(coder: Coder) -> None:
    text = (
        "PLANNED: closure of perivalvular leak, aortic\nPERFORMED: attempted, unsuccessful\n\n"
        "I was not able to get a wire through the leak. It was never crossed. No device was introduced."
    )
    suggestion = coder.suggest(text)
    assert suggestion.status == "review"
    assert codes(suggestion) == {"no_device_implanted"}


def test_coding_open_heart_surgery_is_no_closure_by_catheter(coder: Coder) -> None:
    text = (
        "Mitral paravalvular leak. With re-sternotomy the heart was reached, passed to cardiopulmonary "
        "bypass, cross "
        "clamp placed. The Amplatzer device was standing loose inside this opening. The device was "
        "pulled and "
        "removed. The separated area was repaired with pledgeted sutures."
    )
    assert coder.suggest(text).status == "none"


def test_coding_lines_number_their_devices(coder: Coder) -> None:
    suggestion = coder.suggest(MITRAL + "A 14 mm plug was recaptured. Two 8 mm plugs were released.")
    implanted = [device.number for device in suggestion.devices if device.outcome == "implanted"]
    assert [n for line in suggestion.lines for n in line.devices] == implanted
    assert [device.number for device in suggestion.devices] == list(range(1, len(suggestion.devices) + 1))


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("Two 8 mm plugs were released.", 1, 1),
        ("Two 8 mm plugs were released. A 10 mm plug found its way too.", 1, 2),
        pytest.param(
            "Two or three 8 mm plugs were released.",
            1,
            2,
            marks=pytest.mark.xfail(reason="'or' is not read between numbers"),
        ),
    ],
)
def test_coding_interval_of_the_additional_units(coder: Coder, text: str, low: int, high: int) -> None:
    (line,) = [line for line in coder.suggest(MITRAL + text).lines if line.code == "93592"]
    assert (line.low, line.high) == (low, high)
    assert low <= line.units <= high


def test_coding_conflict_shows_both_statements(coder: Coder) -> None:
    text = MITRAL + "Two 8 mm plugs were released.\n\nIMPRESSION: Closure with three plugs."
    (reason,) = coder.suggest(text).reasons
    assert {span.section for span in reason.evidence} == {"description", "summary"}


def test_coding_roles_are_our_own_words(coder: Coder) -> None:
    lines = coder.suggest(AORTIC + "Two 8 mm plugs were released.").lines
    assert [line.role for line in lines] == ["initial device, aortic", "each additional device"]


def test_coding_proof_leads_from_code_to_words(coder: Coder) -> None:
    text = AORTIC + "Two 8 mm plugs were released. A 12 mm plug was recaptured and removed."

    def walk(proof: Proof) -> list[Proof]:
        return [proof, *(node for child in proof.children for node in walk(child))]

    nodes = walk(coder.suggest(text).proof)
    statements = " / ".join(node.statement for node in nodes)
    assert "93591 x1" in statements
    assert "93592 x1" in statements
    assert "Not counted" in statements
    assert any("released" in span.text for node in nodes for span in node.evidence)
    assert all(node.rule for node in nodes)


def test_coding_every_rule_named_is_known(coder: Coder) -> None:
    known = {rule.id for rule in coder.rules.rules} | set(coder.rules.coding)
    text = AORTIC + "Transseptal puncture. Two 8 mm plugs were released. A 12 mm plug was recaptured."
    suggestion = coder.suggest(text)
    spans = [span for device in suggestion.devices for span in device.evidence]
    spans += [span for companion in suggestion.companions for span in companion.evidence]
    assert {span.rule for span in spans} - known <= {"count.reference", "claim.stated"}
