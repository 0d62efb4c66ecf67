"""Diagnoses: what is given to confirm for plain sentences, with the exact words, and what never is."""

from __future__ import annotations

import re

import pytest

from extractor.coder import Coder
from extractor.suggestion import Diagnosis
from extractor.tables import load_tables

CODER = Coder(tables=load_tables(own=None))
NOTE = "{}\n\nProcedure: Mitral paravalvular leak closure.\n\nA 12 mm AVP II was deployed and released.{}\n"


def diagnoses(text: str) -> list[Diagnosis]:
    """What is suggested; every span is checked against the note."""
    found = list(CODER.suggest(text).diagnoses)
    for diagnosis in found:
        assert diagnosis.evidence
        for span in diagnosis.evidence:
            assert text[span.start : span.end] == span.text
    return found


def told(sentence: str, *families: str) -> list[tuple[str, str]]:
    """Codes of some families, a question marked, with their words, of a note that begins with a sentence."""
    return [
        (d.code + "?" * d.question, d.evidence[0].text)
        for d in diagnoses(NOTE.format(sentence, ""))
        if d.code.startswith(families)
    ]


# Sentence, what is given, why.
HEART_FAILURE: list[tuple[str, list[tuple[str, str]], str]] = [
    ("Heart failure, NYHA III.", [("I50.9", "Heart failure")], "not specified"),
    ("Readmitted twice with CHF.", [("I50.9", "CHF")], "an abbreviation"),
    ("Chronic systolic heart failure.", [("I50.22", "Chronic systolic heart failure")], "kind and acuity"),
    ("Systolic heart failure.", [("I50.20", "Systolic heart failure")], "kind alone"),
    ("Acute systolic (congestive) HF.", [("I50.21", "Acute systolic (congestive) HF")], "a word between"),
    ("Acute on chronic systolic HF.", [("I50.23", "Acute on chronic systolic HF")], "both acuities"),
    ("Chronic diastolic heart failure.", [("I50.32", "Chronic diastolic heart failure")], "diastolic"),
    ("Acute on chronic HFpEF.", [("I50.33", "Acute on chronic HFpEF")], "preserved"),
    ("HFrEF, EF 30%.", [("I50.20", "HFrEF")], "reduced"),
    (
        "Chronic heart failure with reduced ejection fraction.",
        [("I50.22", "Chronic heart failure with reduced ejection fraction")],
        "reduced, in words",
    ),
    (
        "Chronic combined systolic and diastolic heart failure.",
        [("I50.42", "Chronic combined systolic and diastolic heart failure")],
        "both kinds",
    ),
    (
        "Acute systolic and diastolic heart failure.",
        [("I50.41", "Acute systolic and diastolic heart failure")],
        "both kinds, joined",
    ),
    ("Heart failure (chronic, diastolic).", [("I50.32", "Heart failure (chronic, diastolic")], "behind"),
    ("Decompensated systolic heart failure.", [("I50.23", "Decompensated systolic heart failure")], "index"),
    ("Chronic heart failure.", [("I50.9", "Chronic heart failure")], "acuity without a kind"),
    ("Progressive right heart failure.", [("I50.810", "right heart failure")], "of the right side"),
    ("Refractory left heart failure.", [("I50.1", "left heart failure")], "of the left side"),
    ("Biventricular failure.", [("I50.82", "Biventricular failure")], "of both"),
    ("History of heart failure.", [("I50.9", "heart failure")], "chronic, whatever its history"),
    (
        "CHF. Chronic systolic heart failure.",
        [("I50.22", "Chronic systolic heart failure")],
        "the better one",
    ),
    (
        "Developed heart failure symptoms.",
        [("I50.9?", "heart failure symptoms")],
        "symptoms are no diagnosis",
    ),
    ("NYHA class III, dyspnea.", [], "a class is no diagnosis"),
    ("No heart failure.", [], "denied"),
    ("There were no signs of heart failure.", [], "denied, of its signs"),
    ("Without evidence of heart failure.", [], "denied by without"),
    ("She denies heart failure.", [], "denied by the patient"),
    ("Heart failure was ruled out.", [], "denied behind"),
    ("Possible heart failure.", [], "uncertain"),
    ("Suspected heart failure.", [], "suspected"),
    ("Dyspnea, probable heart failure.", [], "probable"),
    ("Findings consistent with heart failure.", [], "consistent with"),
    ("Rule out heart failure.", [], "asked"),
    ("Heart failure is likely.", [], "likely"),
    ("Family history: heart failure.", [], "of the family"),
    ("His father died of heart failure.", [], "of a relative"),
    ("Heart failure, resolved.", [], "gone"),
    ("Referring: Heart Failure Clinic", [], "a clinic"),
    ("Risks including stroke, bleeding, heart failure and death were explained.", [], "a risk"),
    ("Plan: furosemide if heart failure.", [], "planned for"),
    ("Chronic respiratory failure.", [], "another failure"),
    ("Failure of the retrograde route.", [], "no disease"),
]


@pytest.mark.parametrize(("sentence", "expected", "why"), HEART_FAILURE)
def test_diagnoses_heart_failure(sentence: str, expected: list[tuple[str, str]], why: str) -> None:
    assert told(sentence, "I50") == expected, why


HEMOLYSIS: list[tuple[str, list[tuple[str, str]], str]] = [
    ("Mechanical hemolysis.", [("D59.4", "Mechanical hemolysis")], "by its name"),
    ("Hemolytic anemia, mechanical (HCC).", [("D59.4", "Hemolytic anemia, mechanical")], "of a problem list"),
    ("Mitral paravalvular leak with hemolysis.", [("D59.4", "hemolysis")], "told with the leak"),
    (
        "Haemolytic anaemia from the paravalvular leak.",
        [("D59.4", "Haemolytic anaemia from the paravalvular leak")],
        "told as its cause",
    ),
    ("Hemolysis requiring transfusion.", [("D59.4?", "Hemolysis")], "no cause told"),
    (
        "Hemolytic anemia, mechanical valve 2009.",
        [("D59.4?", "Hemolytic anemia, mechanical valve")],
        "a list",
    ),
    ("Recurrent hemolysis.", [("D59.4?", "hemolysis")], "again"),
    ("A history of hemolysis with the mitral leak.", [("D59.4?", "hemolysis")], "whether it is present"),
    ("No evidence of hemolysis.", [], "denied"),
    ("NYHA III, no hemolysis.", [], "denied in a list"),
    ("Hemolysis: no.", [], "denied in a field"),
    ("Not hemolyzing.", [], "denied of the patient"),
    ("Hemolysis was not present.", [], "denied behind"),
    ("Labs negative for hemolysis.", [], "negative"),
    ("Rule out hemolysis.", [], "asked"),
    ("Possible hemolysis.", [], "possible"),
    ("Hemolysis is suspected.", [], "suspected"),
    ("LDH 1,480, haptoglobin undetectable.", [], "values are no diagnosis"),
    ("Anemia with hemolysis labs pending.", [], "a test"),
    ("Autoimmune hemolytic anemia.", [], "another kind"),
    ("Her hemolysis has resolved.", [], "gone"),
    ("Plan: LDH weekly, surgery if hemolysis persists.", [], "what may come"),
    ("Risks include stroke, residual leak and hemolysis.", [], "a risk"),
]


@pytest.mark.parametrize(("sentence", "expected", "why"), HEMOLYSIS)
def test_diagnoses_hemolysis(sentence: str, expected: list[tuple[str, str]], why: str) -> None:
    assert told(sentence, "D59") == expected, why


PROSTHESIS: list[tuple[str, list[tuple[str, str]], str]] = [
    ("27 mm mechanical mitral valve.", [], "metal"),
    ("27 mm mitral bioprosthesis 2015.", [("T82.223-?", "bioprosthesis")], "biological"),
    ("Porcine mitral valve.", [("T82.223-?", "Porcine")], "of an animal"),
    ("Mitral homograft 2012.", [("T82.223-?", "homograft")], "a graft"),
    ("Mechanical mitral valve, aortic bioprosthesis without leak.", [], "the other valve"),
    ("Two bypass grafts patent.", [], "of a vessel"),
    ("Closed with a bovine pericardial patch.", [], "a patch"),
    ("Plan: mitral bioprosthesis if the leak recurs.", [], "planned"),
]


@pytest.mark.parametrize(("sentence", "expected", "why"), PROSTHESIS)
def test_diagnoses_leak_and_what_the_prosthesis_is(
    sentence: str, expected: list[tuple[str, str]], why: str
) -> None:
    leak, *rest = told(sentence, "T82")
    assert leak[0] == "T82.03X-"
    assert rest == expected, why


def test_diagnoses_leave_the_seventh_character_and_the_trap_to_the_coder() -> None:
    leak, trap = diagnoses(NOTE.format("Mitral bioprosthesis.", ""))[:2]
    assert (leak.code, leak.question, leak.evidence[0].text) == (
        "T82.03X-",
        False,
        "Mitral paravalvular leak",
    )
    assert "7th character is the coder's" in leak.message
    assert trap.question
    assert "?" in trap.message
    assert {"T82.03X-", "T82.223-"} <= set(re.findall(r"T82[.\w]+-", trap.message))


def test_diagnoses_none_of_the_prosthesis_beside_a_ring() -> None:
    text = (
        "Leak beside the annuloplasty ring after mitral repair.\n\nA 12 mm AVP II was deployed and released."
    )
    suggestion = CODER.suggest(text)
    assert "annuloplasty_ring" in [reason.code for reason in suggestion.reasons]
    assert not [d for d in suggestion.diagnoses if d.code.startswith("T82")]


def test_diagnoses_conditions_in_the_history_stand_and_copied_ones_do_not() -> None:
    prior = "Past medical history: chronic systolic heart failure."
    copied = "Copied forward:\nChronic systolic heart failure."
    assert told(prior, "I50") == [("I50.22", "chronic systolic heart failure")]
    assert told(copied, "I50") == []


def test_diagnoses_of_several_kinds_are_all_given() -> None:
    found = told("Chronic systolic heart failure. Right heart failure.", "I50")
    assert [code for code, _ in found] == ["I50.22", "I50.810"]


@pytest.mark.parametrize(
    "text",
    [
        "Mitral bioprosthesis with chronic systolic heart failure and mechanical hemolysis.",
        "Severe mitral paravalvular leak with hemolysis. Closure is planned for next week.",
        "",
    ],
)
def test_diagnoses_only_where_there_is_something_to_code(text: str) -> None:
    suggestion = CODER.suggest(text)
    assert suggestion.status == "none"
    assert suggestion.diagnoses == ()


def test_diagnoses_are_no_procedure_codes_and_not_in_queries() -> None:
    sentence = "Mitral bioprosthesis, mechanical hemolysis, chronic systolic heart failure."
    text = NOTE.format(sentence, "\n\nIMPRESSION: closure with two plugs.")
    suggestion = CODER.suggest(text)
    codes = [d.code for d in suggestion.diagnoses]
    assert codes == ["T82.03X-", "T82.223-", "D59.4", "I50.22"]
    assert all(re.fullmatch(r"[A-TV-Z]\d\w(\.\w{1,4}-?)?", code) for code in codes)
    assert suggestion.queries
    for query in suggestion.queries:
        assert not any(code in query.text for code in codes)
        assert not any(d.message in query.text for d in suggestion.diagnoses)
