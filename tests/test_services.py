"""Services beside the closure: recognised where done in this session, with the edits that govern them."""

from __future__ import annotations

import csv
import sys
from datetime import date

import pytest

from extractor.coder import Coder
from extractor.edits import edits, governed
from extractor.explain import print_explanation
from extractor.output import print_table
from extractor.page import render_page
from extractor.rules import load_rules
from extractor.suggestion import Line, Proof, Service, Suggestion
from extractor.tables import SETTINGS, Tables, load_tables
from extractor.terminal import console
from tests.conftest import ROOT

TITLE = "Mitral paravalvular leak closure. "
ONE = "A 12 mm AVP II was deployed and released. "
TEE, ICE, PACING, VASCULAR, SEPTUM = (
    "guidance TEE", "intracardiac echo", "temporary pacing", "vascular closure", "closure of a septal defect",
)  # fmt: skip
CORONARY, RIGHT, LEFT = "coronary angiography", "right-heart catheterization", "left-heart catheterization"
IN_FORCE = date(2024, 8, 12)


@pytest.fixture(scope="module")
def coder() -> Coder:
    return Coder(tables=load_tables(own=None), screen=False)


@pytest.fixture(scope="module")
def tables() -> Tables:
    return load_tables(own=None)


def services(coder: Coder, text: str) -> dict[str, Service]:
    return {one.service: one for one in coder.suggest(text).also_documented}


# Behind a closure: what is added, the service, and the words that prove it.
DONE = [
    ("The septum was crossed under TEE guidance.", TEE, "under TEE"),
    ("On TEE the plug was well seated.", TEE, "TEE"),
    ("Final TEE: trace residual leak.", TEE, "Final TEE"),
    ("Intraprocedural 3D TOE confirmed free leaflets.", TEE, "Intraprocedural 3D TOE"),
    ("Guided by transesophageal echocardiography.", TEE, "Guided by transesophageal echocardiography"),
    ("General anesthesia with TEE.", TEE, "General anesthesia with TEE"),
    ("GA / TOE.", TEE, "GA / TOE"),
    ("The TEE probe was removed.", TEE, "TEE"),
    ("trans-esophageal\necho showed no effusion.", TEE, "trans-esophageal\necho"),
    ("Sized on ICE, 9 to 10 mm.", ICE, "ICE"),
    ("An AcuNav catheter was placed in the right atrium.", ICE, "AcuNav catheter"),
    ("Guidance by intracardiac echocardiography.", ICE, "Guidance by intracardiac echocardiography"),
    ("LFV 9F for ICE.", ICE, "ICE"),
    ("ICE used: yes.", ICE, "ICE"),
    ("Selective coronary angiography showed no encroachment.", CORONARY, "Selective coronary angiography"),
    ("RCA shot OK.", CORONARY, "RCA shot"),
    ("A left coronary injection was normal.", CORONARY, "left coronary injection"),
    ("Coronarography: no stenosis.", CORONARY, "Coronarography"),
    ("Coronary angiography did not show a stenosis.", CORONARY, "Coronary angiography"),
    ("Prior to coronary angiography heparin was given.", CORONARY, "coronary angiography"),
    ("Right heart catheterization: RA 9, PA 52/24.", RIGHT, "Right heart catheterization"),
    ("RHC via 7 Fr Swan: RA 12.", RIGHT, "RHC"),
    ("Right heart study from the jugular vein.", RIGHT, "Right heart study"),
    ("Left heart catheterization was performed.", LEFT, "Left heart catheterization"),
    ("A temporary pacing wire was passed to the right ventricle.", PACING, "temporary pacing wire"),
    ("R IJ 6F for temp pacer.", PACING, "temp pacer"),
    ("The pacing wire was removed at the end.", PACING, "pacing wire"),
    ("A TVP was left in overnight for a new block.", PACING, "TVP"),
    ("Temporary wire via left femoral vein.", PACING, "Temporary wire"),
    ("Perclose x2.", VASCULAR, "Perclose"),
    ("The groin was closed with the previously placed ProGlides.", VASCULAR, "ProGlides"),
    ("Haemostasis: 8F Angio-Seal.", VASCULAR, "Angio-Seal"),
    ("Venotomy closed with a MANTA.", VASCULAR, "MANTA"),
    ("A vascular closure device was deployed.", VASCULAR, "vascular closure device"),
    ("The iatrogenic ASD was closed with a 12 mm ASO.", SEPTUM, "iatrogenic ASD was closed"),
    ("Closure of the iatrogenic atrial septal defect.", SEPTUM,
     "Closure of the iatrogenic atrial septal defect"),
]  # fmt: skip


@pytest.mark.parametrize(("added", "service", "words"), DONE, ids=[added for added, _, _ in DONE])
def test_services_done_in_the_session(coder: Coder, added: str, service: str, words: str) -> None:
    text = TITLE + ONE + added
    plain, found = coder.suggest(TITLE + ONE), services(coder, text)
    assert list(found) == [service]
    assert [span.text for span in found[service].evidence][:1] == [words]
    assert all(text[span.start : span.end] == span.text for span in found[service].evidence)
    coded = coder.suggest(text)
    assert (coded.status, coded.units) == (plain.status, plain.units)
    assert plain.also_documented == ()


# What must give nothing, whatever it names.
NOT_DONE = [
    "ICE was not used.",
    "ICE not used, transthoracic echo sufficed.",
    "ICE used: no.",
    "Conscious sedation with ICE? No, general anesthesia.",
    "An ice pack was put on the groin.",
    "No coronary angiography was performed.",
    "Coronary angiography was not performed.",
    "Coronary angiography not done, recent study available.",
    "Coronary angiography in 2019 showed normal vessels.",
    "Coronary angiography last month was unremarkable.",
    "Coronary angiography had shown normal vessels.",
    "Recent coronary angiography showed no stenosis.",
    "Coronary CT angiography showed no stenosis.",
    "An AL1 catheter was used.",
    "The coronary ostia were patent on the aortogram.",
    "The left main is 12 mm from the plug.",
    "Pre-procedural TEE showed two leaks.",
    "TEE on 3/2 showed two leaks.",
    "TEE in 3 months.",
    "A TEE is planned.",
    "We may consider ICE next time.",
    "No TEE was needed.",
    "Without TEE guidance.",
    "TTE guidance.",
    "RHC last month: PCWP 24.",
    "Previous right heart catheterization showed PA 60/30.",
    "Right heart failure improved.",
    "Left heart failure.",
    "Transseptal left heart catheterization.",
    "Right heart catheterization was deferred.",
    "A balloon-tipped catheter was floated through the mitral valve.",
    "The valve was predilated under rapid pacing.",
    "The permanent pacemaker leads were in place.",
    "The plug is clear of the pacing lead.",
    "Pacing wire was on standby and not used.",
    "RFV 6F (for temporary wire, not needed).",
    "No pacing wire, as she already has a pacemaker.",
    "Epicardial pacing wires were sewn on.",
    "MANTA not used.",
    "EQUIPMENT USED:\nItem | Qty | Status\nProGlide 6F | 1 | WASTED\nAgilis | 1 | USED",
    "Route: transseptal. ICE used: no. Heparin 9000.",
    "A MANTA was not required.",
    "No vascular closure device was used.",
    "A TR band was applied.",
    "Manual compression of the groin.",
    "A figure-of-eight suture was placed.",
    "The iatrogenic ASD was left open.",
    "The small iatrogenic ASD needs no closure.",
    "PLAN: coronary angiography and RHC.",
    "PLAN: TEE guidance, ICE, temporary pacing wire.",
    "COPIED FORWARD: coronary angiography, Perclose x2, ICE.",
]


@pytest.mark.parametrize("added", NOT_DONE)
def test_services_not_done_in_the_session_give_nothing(coder: Coder, added: str) -> None:
    assert services(coder, f"{TITLE}{ONE}\n\n{added}") == {}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("HISTORY: Coronary angiography showed no disease. TEE showed two leaks. Perclose of 2019.\n", set()),
        ("INDICATION: RHC with PA 60/30, TEE with severe leak.\n", set()),
        ("Procedures: 1. Right heart catheterization 2. Mitral paravalvular leak closure\n", {RIGHT}),
        ("Procedures performed:\n1. TEE guidance\n2. Mitral paravalvular leak closure\n", {TEE}),
        ("TOE: Dr Kell\n", {TEE}),
        ("HPI: TEE shows a severe leak.\n", set()),
        ("Referred by his cardiologist\nTEE: severe leak.\n", set()),
        ("EQUIPMENT USED:\nItem | Qty | Status\nProGlide 6F | 2 | USED\nAgilis | 1 | USED\n", {VASCULAR}),
    ],
)
def test_services_by_the_part_of_the_note(coder: Coder, text: str, expected: set[str]) -> None:
    note = f"{text}\nDESCRIPTION OF PROCEDURE: {TITLE}{ONE}"
    assert set(services(coder, note)) == expected


@pytest.mark.parametrize(
    ("added", "name", "codes"),
    [
        ("Coronary angiography.", CORONARY, ("93454", "93455")),
        ("RHC and coronary angiography.", f"{CORONARY} with {RIGHT}", ("93456", "93457")),
        ("Left heart catheterization, coronary angiography.", f"{CORONARY} with {LEFT}", ("93458", "93459")),
        (
            "Right and left heart catheterization, coronary angiography.",
            f"{CORONARY} with right- and {LEFT}", ("93460", "93461"),
        ),
        ("RHC.", RIGHT, ("93451",)),
        ("LHC.", LEFT, ("93452",)),
        ("R/LHC.", f"right- and {LEFT}", ("93453",)),
    ],
)  # fmt: skip
def test_services_catheterization_is_coded_by_its_parts(
    coder: Coder, added: str, name: str, codes: tuple[str, ...]
) -> None:
    found = services(coder, TITLE + ONE + added)
    assert {one.service: one.codes for one in found.values()} == {name: codes}


@pytest.mark.parametrize(
    ("added", "says"),
    [
        ("TEE was performed by the imaging attending.", "an echocardiologist"),
        ("TEE (Dr. Kell) showed trace leak.", "names a physician"),
        ("Doctor Kell did the TEE.", "names a physician"),
        ("TEE was used throughout (separate report, Dr. Kell).", "names a physician"),
        ("TEE was read live by Dr. Kell.", "names a physician"),
        ("Intraop TEE by cardiac anesthesia.", "anaesthesia performed it"),
        ("TEE was performed by the operator.", "operator performed it"),
        ("I performed the TEE.", "operator performed it"),
        ("Dr. Kell crossed the leak under TEE.", "does not say who"),
        ("The plug was released under TEE guidance.", "does not say who"),
    ],
)
def test_services_guidance_says_who_performed_it(coder: Coder, added: str, says: str) -> None:
    message = services(coder, TITLE + ONE + added)[TEE].message
    assert says in message
    assert "own report" in message


def test_services_only_beside_a_closure_or_an_attempt(coder: Coder) -> None:
    beside = "Perclose x2. ICE was used."
    assert coder.suggest(f"ASD closure. {beside}").also_documented == ()
    attempt = f"{TITLE}The leak could not be crossed and the procedure was aborted. {beside}"
    suggestion = coder.suggest(attempt)
    assert (suggestion.status, suggestion.lines, suggestion.edits) == ("review", (), ())
    assert [one.service for one in suggestion.also_documented] == [ICE, VASCULAR]


def test_services_septal_defect_by_the_device_left_in_it(coder: Coder) -> None:
    added = "The septal hole was 9 mm, so it was closed with a 12 mm Amplatzer septal occluder."
    assert SEPTUM in services(coder, TITLE + ONE + added)
    assert SEPTUM not in services(coder, TITLE + ONE + "A 30 mm septal occluder was put in in 2018.")


# -- the edits that govern them --------------------------------------------------------

# Read off the rows of 2024-07-01: indicator 0 for the practitioner and 1 for the hospital of 93590, 93591
# and 93592 with 93355 and 33210; 1 in both with 93451 to 93461 and G0269; none with 93662 or 93580.
GOVERNED = [
    ("93590", "93355", "0", "1"), ("93591", "93355", "0", "1"), ("93592", "93355", "0", "1"),
    ("93590", "33210", "0", "1"), ("93591", "33210", "0", "1"), ("93592", "33210", "0", "1"),
    ("93590", "93451", "1", "1"), ("93591", "93452", "1", "1"), ("93592", "93453", "1", "1"),
    ("93590", "93454", "1", "1"), ("93591", "93456", "1", "1"), ("93590", "93458", "1", "1"),
    ("93591", "93461", "1", "1"), ("93590", "G0269", "1", "1"), ("93591", "G0269", "1", "1"),
    ("93592", "G0269", "1", "1"), ("93590", "93662", "", ""), ("93591", "93662", "", ""),
    ("93590", "93580", "", ""), ("93591", "93580", "", ""), ("93462", "93451", "", ""),
]  # fmt: skip


def given(claim: tuple[str, ...], *beside: tuple[str, ...]) -> Suggestion:
    lines = tuple(Line(code=code, units=1, low=1, high=1, role="role") for code in claim)
    found = tuple(
        Service(service=f"service {'/'.join(codes)}", codes=codes, message="Needed: a report.")
        for codes in beside
    )
    proof = Proof(statement="", rule="count")
    return Suggestion(
        note_id="", status="ready", lines=lines, also_documented=found, proof=proof, rules_version=""
    )


@pytest.mark.parametrize(("claimed", "code", "practitioner", "hospital"), GOVERNED)
def test_services_edits_follow_the_rows_of_the_tables(
    claimed: str, code: str, practitioner: str, hospital: str, tables: Tables
) -> None:
    with (ROOT / "patterns/cms/2024-07-01/ptp_practitioner.csv").open(newline="") as file:
        rows = {(r["column_1"], r["column_2"]): r["modifier_indicator"] for r in csv.DictReader(file)}
    assert rows.get((claimed, code), "") == practitioner
    found = [
        e for e in edits(given((claimed,), (code,)), load_rules(), tables, IN_FORCE) if e.severity == "info"
    ]
    expected = dict(zip(SETTINGS, (practitioner, hospital), strict=True))
    assert {edit.setting for edit in found} == {
        setting for setting, indicator in expected.items() if indicator
    }
    for edit in found:
        assert (edit.table, edit.codes) == ("ptp", (claimed, code))
        assert f"{claimed} is paid and {code} is not" in edit.message
        assert ("no modifier bypasses" in edit.message) == (expected[edit.setting] == "0")
    message = governed(given((claimed,), (code,)), tables, IN_FORCE)[0].message
    assert message.startswith("Needed: a report. ")
    assert ("no pair edit" in message) == (not practitioner)


def test_services_one_edit_for_each_service_and_setting(tables: Tables) -> None:
    beside = ("93454", "93455", "93456"), ("93355",)
    found = edits(given(("93590", "93592"), *beside), load_rules(), tables, IN_FORCE)
    info = [edit for edit in found if edit.severity == "info"]
    assert [(edit.setting, edit.codes) for edit in info] == [
        (setting, ("93590", "93592", *codes)) for setting in SETTINGS for codes in beside
    ]
    assert "93590, 93592 are paid and 93454 to 93456 are not when both are claimed" in info[0].message
    assert [edit for edit in found if edit.severity != "info"] == list(
        edits(given(("93590", "93592")), load_rules(), tables, IN_FORCE)
    )


def test_services_say_what_governs_them(coder: Coder) -> None:
    found = services(coder, f"{TITLE}{ONE}TEE guidance. ICE was used. Perclose x2.")
    assert "Practitioner, 2024-07-01: no modifier bypasses the pair edit with 93590." in found[TEE].message
    assert "Outpatient hospital, 2024-07-01: a modifier may bypass" in found[TEE].message
    assert "2024-07-01: no pair edit with 93590." in found[ICE].message
    assert "93662 is an add-on code: the table of 2024-06-03 lists 93590 as primary." in found[ICE].message
    assert "Practitioner and outpatient hospital, 2024-07-01: a modifier may" in found[VASCULAR].message


def test_services_never_reach_the_claim(coder: Coder) -> None:
    note = f"{TITLE}{ONE}TEE guidance. ICE was used. RHC. Coronary angiography. TVP. Perclose x2."
    suggestion = coder.suggest(note)
    beside = {code for one in suggestion.also_documented for code in one.codes}
    assert len(suggestion.also_documented) == 5
    assert beside.isdisjoint({line.code for line in suggestion.lines})
    assert beside.isdisjoint({companion.code for companion in suggestion.companions})
    assert beside.isdisjoint(suggestion.proof.model_dump_json().split('"'))
    assert coder.explain(note).suggestion == suggestion


# -- how they are shown -----------------------------------------------------------------


def test_services_are_shown_with_their_words(coder: Coder, capsys: pytest.CaptureFixture[str]) -> None:
    note = f"{TITLE}{ONE}A temporary pacing wire was passed."
    explanation = coder.explain(note, "n")
    print_explanation(note, explanation, console(sys.stdout))
    shown = " ".join(capsys.readouterr().out.split())
    assert "temporary pacing (33210), also documented, not claimed: “temporary pacing wire”" in shown
    assert "an indication of its own" in shown
    print_table([explanation.suggestion], console(sys.stdout))
    assert "33210" not in capsys.readouterr().out
    page = render_page(note, explanation)
    assert "Also documented, not claimed" in page
    assert "“temporary pacing wire”</a>" in page
    assert "Also documented" not in render_page(TITLE + ONE, coder.explain(TITLE + ONE))
