"""Modifiers: what is advised for plain sentences, with the exact words, and what never is."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest
from pydantic import ValidationError

from extractor.coder import Coder
from extractor.coding import Evidence
from extractor.errors import RuleError
from extractor.modifiers import separate_study
from extractor.page import render_page
from extractor.rules import Advice, RuleBook, load_rules
from extractor.suggestion import Modifier, Service, Suggestion
from extractor.tables import SCHEMAS, Tables, load_tables
from tests.conftest import ROOT

CODER = Coder(tables=load_tables(own=None))
MITRAL = "\n\nProcedure: Mitral paravalvular leak closure.\n\n{}A 12 mm AVP II was deployed and released.\n"
AORTIC = MITRAL.replace("Mitral", "Aortic")
FAILED = (
    "\n\nProcedure: Mitral paravalvular leak closure.\n\nTransseptal puncture, the leak was crossed. "
    "A 12 mm AVP II was opened and interfered with the disc. It was recaptured and removed. {}\n"
)
TWO = MITRAL.replace("A 12 mm AVP II was", "Two 10 mm AVP II plugs were")
APEX = "\n\nOperation: Transapical closure of a mitral paravalvular leak through a mini-thoracotomy.\n\n{}"
OPEN = APEX + "The apex was exposed. A 12 mm AVP II was deployed and released.\n"


def advised(text: str) -> list[Modifier]:
    return list(CODER.suggest(text).modifiers)


def told(text: str) -> list[tuple[str, str]]:
    """Modifiers with the first words they rest on; every span is checked against the note."""
    found = advised(text)
    for modifier in found:
        assert modifier.evidence
        for span in modifier.evidence:
            assert text[span.start : span.end] == span.text
    return [(modifier.modifier, modifier.evidence[0].text) for modifier in found]


# Head of the note, what is advised, why.
TEAM: list[tuple[str, list[tuple[str, str]], str]] = [
    ("Co-surgeon: Dr. B, cardiac surgery", [("62", "Co-surgeon: Dr. B, cardiac surgery")], "named so"),
    ("Co-surgeon: none", [], "there was none"),
    ("CO-SURGEON none", [], "without a colon"),
    ("Operator: Dr. A. No co-surgeon.", [], "denied"),
    ("Co-surgeon: ____", [], "a field left blank"),
    (
        "Operators: Dr. A (structural), Dr. B (CT surgery)",
        [("62", "Operators: Dr. A (structural), Dr. B (CT surgery)")],
        "two disciplines",
    ),
    ("OPERATORS: Stone (IC) / Reed (CTS)", [("62", "OPERATORS: Stone (IC) / Reed (CTS)")], "short"),
    (
        "Cardiologist: Dr. A   Cardiac surgeon: Dr. B",
        [("62", "Cardiologist: Dr. A")],
        "two labels with a discipline",
    ),
    ("Operators: Dr. A (cardiology), Dr. B (cardiac surgery, standby)", [], "one stands by"),
    ("Operators: Dr. A (cardiology), Dr. B (CT surgery fellow)", [], "one learns"),
    ("Operators: Dr. A, Dr. B", [], "a second operator is no co-surgeon"),
    ("Primary operator: Dr. A   Second operator: Dr. B", [], "nor with a label"),
    ("Operators: Dr. A (IC), Dr. B (IC fellow)", [], "a fellow"),
    ("Operators: Dr. A, interventional cardiology; Dr. B, echocardiography", [], "who images"),
    ("Operators: Dr. A, interventional cardiology; Dr. B, anesthesia", [], "who gives anesthesia"),
    ("Surgeon: Dr. A   Cardiologist: Dr. B", [], "no surgery was done: any operator is called surgeon"),
    ("Operator: Dr. A\nReferring: Dr. B, cardiac surgery", [], "who referred"),
    ("Prior cardiac surgery: 2009\nCardiologist: Dr. B", [], "an operation of another day"),
    ("Operator: Dr. A\nTwo surgeons had turned him down.", [], "who refused"),
    ("Assistant: Dr. B. Doe", [("80", "Assistant: Dr. B. Doe")], "a physician"),
    ("ASSISTANT: B. DOE, MD", [("80", "ASSISTANT: B. DOE, MD")], "by a title behind the name"),
    ("Assistant surgeon: B. Doe, DO", [("80", "Assistant surgeon: B. Doe, DO")], "an osteopath"),
    ("Operator: Dr. A   Assist: Dr. Rao   Anes: GA", [("80", "Assist: Dr. Rao")], "to the next label"),
    ("Operator: Dr. A, assisted by Dr. B. Doe.", [("80", "assisted by Dr. B. Doe")], "running text"),
    ("Procedure done with Dr. Nanda assisting.", [("80", "Dr. Nanda assisting")], "the name first"),
    ("* A. Lind, MD - Primary\n* B. Weiss, MD - Assisting", [("80", "B. Weiss, MD - Assisting")], "a list"),
    (
        "Assistant: B. Doe, MD. No qualified resident was available.",
        [("82", "Assistant: B. Doe, MD. No qualified resident was available")],
        "no resident",
    ),
    ("Assistant: B. Doe, PA-C", [("AS", "Assistant: B. Doe, PA-C")], "a physician assistant"),
    ("Asst: Sandoval NP", [("AS", "Asst: Sandoval NP")], "a nurse practitioner"),
    ("First assistant: C. Roe, RNFA", [("AS", "First assistant: C. Roe, RNFA")], "a first assistant"),
    ("Operator: Dr. A, assisted by C. Roe, PA-C.", [("AS", "assisted by C. Roe, PA-C")], "running text"),
    (
        "Assistants: B. Doe, MD; C. Roe, PA-C",
        [("80", "Assistants: B. Doe, MD"), ("AS", "C. Roe, PA-C")],
        "one of each",
    ),
    ("Assistant: Dr. B (structural fellow)", [], "a fellow"),
    ("Assistant: B. Doe, MD, PGY-7", [], "by the year of training"),
    ("Operator: Dr. A, assisted by the resident.", [], "a resident"),
    ("Assistant: none", [], "nobody"),
    ("Assistant: Dr ____", [], "a field left blank"),
    ("Assist: RCIS staff", [], "staff of the laboratory"),
    ("Assistants: scrub nurse, RN", [], "a nurse"),
    ("Surgeon / assistant: Dr. A / Dr. B", [], "one label for both"),
    ("Recorded by: voice assistant, edited by Dr. A", [], "no person"),
    ("Fellow: B. Doe, MD", [], "another label"),
]


@pytest.mark.parametrize(("head", "expected", "why"), TEAM)
def test_modifiers_of_the_team(head: str, expected: list[tuple[str, str]], why: str) -> None:
    assert told(f"{head}{MITRAL.format('')}") == expected, why


# Sentence of the narrative, what is advised, why.
NARRATIVE: list[tuple[str, list[tuple[str, str]], str]] = [
    (
        "The LV apex was exposed by the cardiac surgeon. ",
        [("62", "exposed by the cardiac surgeon")],
        "a part of the work",
    ),
    (
        "The surgeon made a left mini-thoracotomy. ",
        [("62", "The surgeon made a left mini-thoracotomy")],
        "as the subject",
    ),
    ("After discussion with cardiac surgery access was taken from the groin. ", [], "a talk"),
    ("CT surgery was on standby, with access ready. ", [], "nothing done"),
    ("The leak lay at 3 o'clock in the surgeon's view, access was transseptal. ", [], "a view"),
    ("Exposure of the apex by the cardiac surgeon is planned if this fails. ", [], "planned"),
    (
        "This required substantially more work than usual because of calcification. ",
        [("22", "substantially more work than usual")],
        "greater work",
    ),
    ("Crossing took twice the usual time. ", [("22", "twice the usual time")], "time"),
    ("The work was not substantially greater than usual. ", [], "denied"),
    ("Three plugs meant substantially more work than usual. ", [], "only the number of devices"),
    ("Crossing was difficult and took 40 minutes. ", [], "no comparison"),
]


@pytest.mark.parametrize(("sentence", "expected", "why"), NARRATIVE)
def test_modifiers_of_the_narrative(sentence: str, expected: list[tuple[str, str]], why: str) -> None:
    assert [one for one in told(MITRAL.format(sentence)) if one[0] in ("62", "22")] == expected, why


def test_modifiers_any_surgeon_is_one_of_surgery_where_the_heart_was_exposed() -> None:
    text = f"Surgeon: Dr. A   Cardiologist: Dr. B{OPEN.format('')}"
    suggestion = CODER.suggest(text)
    assert "open_approach" in [reason.code for reason in suggestion.reasons]
    assert [(m.modifier, [s.text for s in m.evidence]) for m in suggestion.modifiers] == [
        ("62", ["Surgeon: Dr. A", "Cardiologist: Dr. B"])
    ]


# What becomes of a closure that left nothing in, what is advised, why.
GIVEN_UP: list[tuple[str, str, list[str], str]] = [
    ("", "We elected to stop.", ["53", "74"], "stopped"),
    ("", "The procedure was abandoned.", ["53", "74"], "abandoned"),
    ("Anesthesia: GETA", "The procedure was terminated.", ["53", "74"], "after anesthesia"),
    ("", "Further attempts were abandoned before induction of anesthesia.", ["53", "73"], "before it"),
    ("", "All was withdrawn.", [], "nothing says that it was given up"),
    ("", "The plan is to stop aspirin.", [], "what is planned"),
]


@pytest.mark.parametrize(("head", "end", "expected", "why"), GIVEN_UP)
def test_modifiers_of_a_closure_that_was_given_up(head: str, end: str, expected: list[str], why: str) -> None:
    text = head + FAILED.format(end)
    suggestion = CODER.suggest(text)
    assert [reason.code for reason in suggestion.reasons] == ["no_device_implanted"]
    assert [one[0] for one in told(text)] == expected, why
    assert all(modifier.codes == ("93590",) for modifier in suggestion.modifiers)
    assert suggestion.lines == ()


def test_modifiers_facility_advice_names_what_had_begun() -> None:
    text = "Anesthesia: GETA" + FAILED.format("We elected to stop.")
    facility = advised(text)[1]
    assert [span.text for span in facility.evidence] == ["elected to stop", "Anesthesia: GETA"]


def test_modifiers_a_second_device_given_up_is_no_discontinued_closure() -> None:
    text = MITRAL.format("") + "A second plug was tried, and the attempt was abandoned.\n"
    assert CODER.suggest(text).units == {"93590": 1}
    assert advised(text) == []


# -- the fee schedule ---------------------------------------------------------------


def test_modifiers_message_states_the_indicator_of_each_code() -> None:
    head = "Co-surgeon: Dr. B\nAssistant: B. Doe, PA-C\nDate of procedure: 2024-08-12"
    surgeons, assistant = advised(head + TWO.format(""))
    assert surgeons.codes == ("93590", "93592") == assistant.codes
    assert "93590: 1, documentation of the need for two surgeons required" in surgeons.message
    assert "93592: 1, documentation of the need for two surgeons required" in surgeons.message
    assert "(fee schedule 2024-07-01)." in surgeons.message
    assert "distinct part" in surgeons.message
    assert "rare" in surgeons.message
    assert "93590: 2, an assistant may be paid" in assistant.message


def test_modifiers_aortic_codes_have_indicators_of_their_own() -> None:
    surgeons, assistant = advised("Co-surgeon: Dr. B\nAssistant: B. Doe, MD" + AORTIC.format(""))
    assert "93591: 2, permitted" in surgeons.message
    assert "93591: 0, paid only with documentation of medical necessity" in assistant.message


def test_modifiers_tables_of_another_day_are_told_of() -> None:
    early = advised("Co-surgeon: Dr. B\nDate of procedure: 2020-01-02" + MITRAL.format(""))[0]
    late = advised("Co-surgeon: Dr. B\nDate of procedure: 2029-01-02" + MITRAL.format(""))[0]
    assert early.message.endswith("newer than the service date, 2020-01-02.")
    assert late.message.endswith("older than the service date, 2029-01-02.")


def test_modifiers_the_table_in_force_decides(tables: Tables) -> None:
    table = tables.in_force("mpfs_indicators", None, None)
    assert table is not None
    row = list(table.rows["93590", ""])
    row[list(SCHEMAS["mpfs_indicators"].columns).index("co_surg")] = "0"
    own = type(table)(table.kind, None, table.edition, "", True, {("93590", ""): tuple(row)})
    others = [t for t in tables.editions if t.kind != "mpfs_indicators"]
    changed = Tables((*others, own), tables.uses, tables.labels, "changed")
    text = "Co-surgeon: Dr. B" + MITRAL.format("")
    assert Coder(tables=changed).suggest(text).modifiers == ()
    found = Coder(tables=changed).suggest("Co-surgeon: Dr. B" + TWO.format("")).modifiers
    assert found[0].codes == ("93592",)
    assert "93590: 0, co-surgeons not allowed" in found[0].message
    assert "93592: not in the fee schedule at hand" in found[0].message


@pytest.fixture(scope="module")
def tables() -> Tables:
    return load_tables(own=None)


# -- diagnostic studies -------------------------------------------------------------


def study(sentence: str, *codes: str, note: str = MITRAL, tables: Tables | None = None) -> list[Modifier]:
    text = note.format(sentence)
    suggestion = CODER.suggest(text)
    evidence = Evidence(text, {})
    analysis = CODER.analyse(text)
    used = tables or CODER.tables
    found = separate_study(CODER.rules, used, evidence, analysis, suggestion, codes, date(2024, 8, 12))
    assert all(text[s.start : s.end] == s.text for m in found for s in m.evidence)
    return list(found)


# Sentence, codes of the study, codes advised, why.
STUDIES: list[tuple[str, tuple[str, ...], tuple[str, ...], str]] = [
    ("There was no prior coronary angiogram. ", ("93454",), ("93454",), "no earlier study of this kind"),
    ("No prior study was available. ", ("93454", "93451"), ("93454", "93451"), "of any kind"),
    ("No prior right heart catheterization. ", ("93454", "93451"), ("93451",), "of one of them"),
    ("The prior angiogram was inadequate. ", ("93458",), ("93458",), "an earlier one of no use"),
    (
        "There was a change in clinical condition since the prior study. ",
        ("93458",), ("93458",), "a documented change",
    ),
    ("There was no change in clinical condition since the prior study. ", ("93458",), (), "no change"),
    ("The prior coronary angiogram was normal. ", ("93454",), (), "there was one"),
    ("Coronary angiography was done. ", ("93454",), (), "no reason given"),
    ("No prior study was available. ", ("93592",), (), "never on the further device"),
    ("No prior study was available. ", ("93590", "93591"), (), "never on the closure"),
    ("No prior study was available. ", ("93462",), (), "no diagnostic study"),
    ("No prior study was available. ", ("33361",), (), "a pair of indicator 0 with another code"),
]  # fmt: skip


@pytest.mark.parametrize(("sentence", "codes", "expected", "why"), STUDIES)
def test_modifiers_of_a_diagnostic_study(
    sentence: str, codes: tuple[str, ...], expected: tuple[str, ...], why: str
) -> None:
    found = study(sentence, *codes)
    assert [m.modifier for m in found] == ["XU"] * bool(expected), why
    assert tuple(code for m in found for code in m.codes) == expected, why


def test_modifiers_never_bypass_a_pair_of_indicator_0(tables: Tables) -> None:
    barred = []
    for table in tables.editions:
        rows = table.rows
        if table.kind == "ptp":
            rows = {
                pair: (*row[:3], "0", row[4]) if pair == ("93590", "93454") else row
                for pair, row in rows.items()
            }
        barred.append(type(table)(table.kind, table.setting, table.edition, table.source, table.own, rows))
    changed = Tables(tuple(barred), tables.uses, tables.labels, "barred")
    sentence = "No prior study was available. "
    assert [m.codes for m in study(sentence, "93454", "93458", tables=changed)] == [("93458",)]


def test_modifiers_of_a_study_follow_the_services_documented() -> None:
    text = MITRAL.format("No prior coronary angiogram was available. ")
    suggestion = CODER.suggest(text)
    service = Service(service="coronary angiography", codes=("93454",), message="")
    documented = suggestion.model_copy(update={"also_documented": (service,)})
    from extractor.modifiers import advise_modifiers

    found = advise_modifiers(
        CODER.rules, CODER.tables, Evidence(text, {}), CODER.analyse(text), documented, None
    )
    assert [(m.modifier, m.codes) for m in found] == [("XU", ("93454",))]
    assert suggestion.modifiers == ()  # none is documented as a service


# -- what never is ------------------------------------------------------------------


def gold() -> list[str]:
    folder = ROOT / "sample_notes" / "gold"
    rows = (row for path in sorted(folder.glob("*.jsonl")) for row in path.read_text("utf-8").splitlines())
    return [json.loads(row)["text"] for row in rows][::3]


@pytest.fixture(scope="module")
def suggestions() -> list[Suggestion]:
    texts = [f"{head}{MITRAL.format('')}" for head, *_ in TEAM]
    texts += [MITRAL.format(sentence) for sentence, *_ in NARRATIVE]
    texts += [head + FAILED.format(end) for head, end, *_ in GIVEN_UP]
    return [CODER.suggest(text) for text in (*texts, *gold())]


def test_modifiers_never_50_or_51_and_never_on_a_line(suggestions: list[Suggestion]) -> None:
    assert {m.modifier for s in suggestions for m in s.modifiers} >= {"22", "53", "62", "74", "80", "AS"}
    for suggestion in suggestions:
        assert not {m.modifier for m in suggestion.modifiers} & {"50", "51"}
        assert all(line.modifiers == () for line in suggestion.lines)


def test_modifiers_that_set_a_pair_aside_never_on_the_further_device(suggestions: list[Suggestion]) -> None:
    for modifier in (m for s in suggestions for m in s.modifiers):
        if "93592" in modifier.codes:
            assert modifier.modifier in ("62", "80", "82", "AS")


def test_modifiers_only_where_there_is_something_to_code(suggestions: list[Suggestion]) -> None:
    nothing = [s for s in suggestions if s.status == "none"]
    assert nothing
    assert all(s.modifiers == () for s in nothing)


@pytest.mark.parametrize("modifier", ["50", "51", "LT", "59X", ""])
def test_modifiers_the_rules_cannot_give_others(modifier: str) -> None:
    with pytest.raises(ValidationError, match="gives"):
        Advice(id="advice.x", gives=modifier, message="", source="test")


def test_modifiers_advice_of_51_is_refused_with_file_and_field(tmp_path: Path) -> None:
    text = (ROOT / "patterns" / "modifiers.yaml").read_text("utf-8")
    (tmp_path / "modifiers.yaml").write_text(text.replace('gives: "53"', 'gives: "51"'), "utf-8")
    with pytest.raises(RuleError, match=r"R006.*advice\.discontinued_physician, field gives"):
        load_rules(tmp_path)


def test_modifiers_advice_must_be_mappings(tmp_path: Path) -> None:
    (tmp_path / "modifiers.yaml").write_text("kind: modifier\nadvice: [text]\nrules: []\n", "utf-8")
    with pytest.raises(RuleError, match="R003"):
        load_rules(tmp_path)


def test_modifiers_need_their_advice() -> None:
    book: RuleBook = CODER.rules.model_copy(update={"advice": {}, "version": "without"})
    suggestion = Coder(book, CODER.tables).suggest("Co-surgeon: Dr. B" + MITRAL.format(""))
    assert suggestion.units == {"93590": 1}
    assert suggestion.modifiers == suggestion.diagnoses == ()


def test_modifiers_are_the_same_explained_and_shown_apart_from_queries() -> None:
    text = "Co-surgeon: Dr. B" + MITRAL.format("") + "\nIMPRESSION: closure with two plugs.\n"
    explanation = CODER.explain(text, "n")
    assert explanation.suggestion == CODER.suggest(text, "n")
    assert explanation.suggestion.queries
    for query in explanation.suggestion.queries:
        assert all(m.message not in query.text for m in explanation.suggestion.modifiers)
        assert "62" not in query.text
        assert "T82" not in query.text
    page = render_page(text, explanation)
    assert "<h2>Modifiers to consider</h2>" in page
    assert "<h2>Diagnoses to confirm</h2>" in page
