"""Changes: which single answers would give other codes, and whether a coder is shown the right ones."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from extractor.cli import app
from extractor.coder import Coder
from extractor.errors import RuleError
from extractor.evaluate import Labelled
from extractor.rules import load_rules, patterns_dir
from extractor.suggestion import Suggestion

M = "Mitral paravalvular leak closure.\n"
A = "Aortic paravalvular leak closure.\n"
BOTH = "Closure of mitral and aortic paravalvular leaks.\n"
ONE = "A 12 mm AVP II was deployed and released."
TWO = f"{ONE} An 8 mm AVP II was deployed and released."
PLUG = "Amplatzer Vascular Plug II"
CODES = {"93590", "93591", "93592", "93462"}
ASKED = {"device_count_conflict", "device_count_unstated", "valve_unstated", "valve_conflict"}


def units_of(suggestion: Suggestion) -> dict[str, int]:
    """Units of lines and companions."""
    return {coded.code: coded.units for coded in (*suggestion.lines, *suggestion.companions)}


@pytest.mark.parametrize(
    ("note", "answer", "units"),
    [
        # Ready: the one device, the valve, the route.
        (
            M + ONE,
            f"If device 1 (12 mm {PLUG}, line 2: “A 12 mm AVP II was deployed and released”) "
            "did not stay in: no codes.",
            {},
        ),
        (
            M + ONE,
            "If the treated valve is the aortic one (line 1: “Mitral paravalvular leak”): "
            "93591 instead of 93590.",
            {"93591": 1},
        ),
        (
            A + ONE,
            "If the treated valve is the mitral one (line 1: “Aortic paravalvular leak”): "
            "93590 instead of 93591.",
            {"93590": 1},
        ),
        (
            M + f"Transseptal puncture was performed. {ONE}",
            "If the treated valve is the aortic one (line 1: “Mitral paravalvular leak”): "
            "93591 instead of 93590, also 93462 x1.",
            {"93591": 1, "93462": 1},
        ),
        (
            A + f"Transseptal puncture was performed. {ONE}",
            "If the aortic leak was not reached by transseptal puncture (line 2: “Transseptal puncture”): "
            "93591 x1 alone.",
            {"93591": 1},
        ),
        (
            M + f"Transapical puncture was performed. {ONE}",
            "If the mitral leak was not reached by transapical puncture (line 2: “Transapical puncture”): "
            "93590 x1 alone.",
            {"93590": 1},
        ),
        # Ready: what is told again, or may be.
        (
            M + f"{ONE}\nAnother 12 mm AVP II was deployed and released.",
            f"If device 2 (12 mm {PLUG}, line 3: “Another 12 mm AVP II”) is the same as "
            f"device 1 (12 mm {PLUG}, line 2: “A 12 mm AVP II”): 93590 x1 alone.",
            {"93590": 1},
        ),
        (
            M + f"{ONE}\nA 12 mm AVP II was then released.\nA 6 mm AVP 4 was released.",
            f"If device 2 (12 mm {PLUG}, line 3: “A 12 mm AVP II”) is the same as device 1 (12 mm {PLUG}, "
            "line 2: “A 12 mm AVP II”): 93592 x1 instead of x2.",
            {"93590": 1, "93592": 1},
        ),
        # Ready: what was taken out.
        (
            M + "A 12 mm AVP II was deployed and recaptured.\nA 10 mm AVP II was deployed and released.",
            f"If device 1 (12 mm {PLUG}, line 2: “A 12 mm AVP II was deployed and recaptured”) stayed in: "
            "also 93592 x1.",
            {"93590": 1, "93592": 1},
        ),
        (
            M + "A 12 mm AVP II was opened. A gooseneck brought it out. A 10 mm AVP II was released.",
            f"If device 1 (12 mm {PLUG}, line 2: “brought it out”) stayed in: also 93592 x1.",
            {"93590": 1, "93592": 1},
        ),
        # Ready: words that no rule knows.
        (
            M + f"{ONE} An 8 mm Wonderplug was opened and released.",
            "If “8 mm” (line 2) tells of one device more: also 93592 x1.",
            {"93590": 1, "93592": 1},
        ),
        (
            A + f"{ONE}\nWire recrossed.\nOpened, stable, released.",
            "If “released” (line 4) tells of one device more: also 93592 x1.",
            {"93591": 1, "93592": 1},
        ),
        # Ready: a table confirms the count.
        (
            M + "Two 8 mm AVP II were deployed. Both were released.\n"
            "IMPLANTS:\nAVP II 8 mm implanted\nAVP II 8 mm implanted",
            f"If device 1 (8 mm {PLUG}, line 2: “Both were released”) did not stay in: 93590 x1 alone.",
            {"93590": 1},
        ),
        # Both valves.
        (
            BOTH
            + "A 12 mm AVP II was released at the mitral leak. "
            + "An 8 mm AVP II was released at the aortic leak.",
            f"If device 1 (12 mm {PLUG}, line 2: “A 12 mm AVP II was released”) did not stay in: "
            "93591 x1 alone.",
            {"93591": 1},
        ),
        (
            BOTH + "A 12 mm AVP II and a 10 mm AVP II were released at the mitral leak. "
            "An 8 mm AVP II was released at the aortic leak.",
            f"If device 1 (12 mm {PLUG}, line 2: “A 12 mm AVP II and a 10 mm AVP II were released”) "
            "did not stay in: no 93592.",
            {"93590": 1, "93591": 1},
        ),
        (
            BOTH + "Three AVP II plugs were deployed and released.",
            "If one of the devices went to the aortic valve (line 1: “aortic paravalvular leaks”): "
            "93590 x1 + 93591 x1 + 93592 x1.",
            {"93590": 1, "93591": 1, "93592": 1},
        ),
        (
            BOTH + "Three AVP II plugs were deployed and released.",
            "If every device was left at the mitral valve (line 1: “mitral”): 93590 x1 + 93592 x2.",
            {"93590": 1, "93592": 2},
        ),
        # Review: parts that disagree.
        (
            M + f"{ONE}\nIMPRESSION: closure with two plugs.",
            "If the summary is right (line 3: “closure with two plugs”) and 2 devices stayed in: "
            "also 93592 x1.",
            {"93590": 1, "93592": 1},
        ),
        (
            M + f"{TWO}\nIMPRESSION: closure with one plug.",
            "If the summary is right (line 3: “closure with one plug”) and 1 device stayed in: "
            "93590 x1 alone.",
            {"93590": 1},
        ),
        (
            f"TITLE: mitral paravalvular leak closure with 3 devices\nDESCRIPTION:\n{TWO}",
            "If the title is right (line 1: “closure with 3 devices”) and 3 devices stayed in: "
            "93592 x2 instead of x1.",
            {"93590": 1, "93592": 2},
        ),
        (
            M + f"{TWO}\nIMPLANTS:\nAVP II 12 mm implanted\nAVP II 8 mm wasted",
            "If the narrative is right (line 2: “An 8 mm AVP II was deployed and released”) "
            "and 2 devices stayed in: also 93592 x1.",
            {"93590": 1, "93592": 1},
        ),
        # Review: devices in doubt.
        (
            M + f"{ONE} An 8 mm AVP II was deployed.",
            f"If device 2 (8 mm {PLUG}, line 2: “An 8 mm AVP II was deployed”) stayed in: also 93592 x1.",
            {"93590": 1, "93592": 1},
        ),
        (
            M + f"An 8 mm AVP II was loaded. {ONE}",
            f"If device 1 (8 mm {PLUG}, line 2: “An 8 mm AVP II was loaded”) stayed in: also 93592 x1.",
            {"93590": 1, "93592": 1},
        ),
        (
            M + "A 12 mm AVP II was deployed. It embolized.",
            f"If device 1 (12 mm {PLUG}, line 2: “It embolized”) stayed in: 93590 x1.",
            {"93590": 1},
        ),
        # Review: no number.
        (
            M + "Several plugs were deployed and released.",
            "If 2 devices stayed in (line 2: “Several plugs”): also 93592 x1.",
            {"93590": 1, "93592": 1},
        ),
        (
            A + "Several plugs were deployed and released.",
            "If 3 devices stayed in (line 2: “Several plugs”): also 93592 x2.",
            {"93591": 1, "93592": 2},
        ),
        # Review: nothing left in.
        (
            M + "A 12 mm AVP II was deployed and recaptured. No device was left in.",
            f"If device 1 (12 mm {PLUG}, line 2: “A 12 mm AVP II was deployed and recaptured”) stayed in: "
            "93590 x1.",
            {"93590": 1},
        ),
        # Review: the valve, the ring, the document, the opened chest.
        (
            f"Paravalvular leak closure. {TWO}",
            "If the treated valve is the aortic one (line 1: “Paravalvular leak”): 93591 x1 + 93592 x1.",
            {"93591": 1, "93592": 1},
        ),
        (
            f"Paravalvular leak closure. Transseptal puncture. {ONE}",
            "If the treated valve is the aortic one (line 1: “Paravalvular leak”): 93591 x1 + 93462 x1.",
            {"93591": 1, "93462": 1},
        ),
        (
            f"Procedure: Tricuspid paravalvular leak closure. {ONE}",
            "If the treated valve is the mitral one (line 1: “Tricuspid paravalvular leak”): 93590 x1.",
            {"93590": 1},
        ),
        (
            f"Leak closure beside a mitral annuloplasty ring. Paravalvular leak. {ONE}",
            "If the leak is beside a prosthesis of the mitral valve and not beside a ring "
            "(line 1: “mitral annuloplasty ring”): 93590 x1.",
            {"93590": 1},
        ),
        (
            f"DISCHARGE SUMMARY\n{M}{TWO}",
            "If this document is the report of the procedure (line 1: “DISCHARGE SUMMARY”): "
            "93590 x1 + 93592 x1.",
            {"93590": 1, "93592": 1},
        ),
        (
            M + f"Left mini-thoracotomy with transapical access. {ONE}",
            "If the heart was reached by puncture and not by surgical exposure "
            "(line 2: “Left mini-thoracotomy”): also 93462 x1.",
            {"93590": 1, "93462": 1},
        ),
        (
            "PROCEDURE: mitral paravalvular leak closure\nThe aortic paravalvular leak was crossed. "
            "A 12 mm AVP II was deployed and released at the aortic leak.",
            "If every device was left at the mitral valve (line 1: “mitral paravalvular leak”): "
            "93590 instead of 93591.",
            {"93590": 1},
        ),
        # Review that asks nothing about codes: as for a ready note.
        (
            M + f"{ONE} A Sapien 3 valve was implanted.",
            f"If device 1 (12 mm {PLUG}, line 2: “A 12 mm AVP II was deployed and released”) "
            "did not stay in: no codes.",
            {},
        ),
    ],
)
def test_changes_name_the_answer_and_its_units(
    coder: Coder, note: str, answer: str, units: dict[str, int]
) -> None:
    changes = coder.suggest(note).changes
    assert {change.answer: change.units for change in changes}.get(answer) == units


def test_changes_are_true_answers(coder: Coder) -> None:
    """What is said of an answer is what the same note is coded as that gives it."""
    asked = coder.suggest(M + f"{ONE}\nIMPRESSION: closure with two plugs.").changes[0]
    assert units_of(coder.suggest(M + TWO)) == asked.units
    note = M + f"Transseptal puncture was performed. {ONE}"
    aortic = coder.suggest(note).changes[1]
    assert units_of(coder.suggest(note.replace("Mitral", "Aortic"))) == aortic.units


@pytest.mark.parametrize(
    "note",
    [
        "History: mitral paravalvular leak closed in 2019 with one AVP II.",
        "Colonoscopy. Two polyps were removed.",
    ],
)
def test_changes_are_none_where_there_is_nothing_to_code(coder: Coder, note: str) -> None:
    assert coder.suggest(note).changes == ()


def test_changes_of_labelled_notes_give_other_and_valid_codes(
    gold: list[Labelled], gold_suggestions: list[Suggestion]
) -> None:
    for item, suggestion in zip(gold, gold_suggestions, strict=True):
        text, given = item.note.text, units_of(suggestion)
        changes = suggestion.changes
        assert len(changes) <= (4 if suggestion.status == "review" else 2)
        assert len({change.answer for change in changes}) == len(changes)
        for change in changes:
            assert change.units != given
            assert set(change.units) <= CODES
            assert all(units > 0 for units in change.units.values())
            assert not set(change.units) & {"93592", "93462"} or {"93590", "93591"} & set(change.units)
            assert change.evidence
            assert all(text[span.start : span.end] == span.text != "" for span in change.evidence)
            lines = re.split(r"\r\n|\r|\n", text)
            for number, words in re.findall(r"line (\d+): “([^”\s]+)", change.answer):
                assert words in lines[int(number) - 1]


def test_changes_are_told_of_every_labelled_note_with_something_open(
    gold_suggestions: list[Suggestion],
) -> None:
    for suggestion in gold_suggestions:
        asked = {reason.code for reason in suggestion.reasons} & ASKED
        assert suggestion.changes or not (suggestion.status == "ready" or asked)
        assert not (suggestion.status == "none" and suggestion.changes)


def test_changes_of_a_ready_note_never_give_the_same_codes_twice(gold_suggestions: list[Suggestion]) -> None:
    for suggestion in gold_suggestions:
        if suggestion.status == "ready":
            told = [tuple(sorted(change.units.items())) for change in suggestion.changes]
            assert len(set(told)) == len(told)


def test_changes_touch_nothing_else(coder: Coder, gold: list[Labelled]) -> None:
    silent = Coder(load_rules().model_copy(update={"change_form": None}))
    for item in gold[::10]:
        told = coder.suggest(item.note.text)
        assert silent.suggest(item.note.text) == told.model_copy(update={"changes": ()})


def test_changes_are_the_same_each_time(coder: Coder, gold: list[Labelled]) -> None:
    other = Coder()
    for item in gold[::25]:
        assert other.suggest(item.note.text).changes == coder.suggest(item.note.text).changes
        assert coder.explain(item.note.text).suggestion.changes == coder.suggest(item.note.text).changes


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_changes_count_lines_whatever_ends_them(coder: Coder, end: str) -> None:
    note = (M + f"{ONE}\nIMPRESSION: closure with two plugs.").replace("\n", end)
    assert "(line 3: “closure with two plugs”)" in coder.suggest(note).changes[0].answer


def test_changes_take_braces_of_a_note_as_words(coder: Coder) -> None:
    note = M + f"{ONE}\nIMPRESSION: closure with two {{device}} plugs."
    assert all("{device}" in c.answer or "12 mm" in c.answer for c in coder.suggest(note).changes)


def test_changes_stand_in_the_explanation_and_on_its_page(tmp_path: Path) -> None:
    note, page = tmp_path / "a.txt", tmp_path / "a.html"
    note.write_text(M + f"{ONE}\nIMPRESSION: closure with two plugs.", encoding="utf-8")
    shown = CliRunner().invoke(app, ["explain", str(note)]).output
    assert CliRunner().invoke(app, ["explain", str(note), "--html", str(page)]).exit_code == 0
    for output in (shown, page.read_text(encoding="utf-8")):
        assert "What would change the answer" in output
        assert "If the summary is right (line 3: “closure with two plugs”)" in " ".join(output.split())


@pytest.mark.parametrize(
    ("before", "after", "problem"),
    [
        ("{device} did not stay in", "{valve} did not stay in", "valve"),
        ("id: change.gone", "id: change.unheard", "change.claim"),
        ("no codes", "no {codes}", "codes"),
    ],
)
def test_changes_file_that_cannot_be_used_is_named(
    tmp_path: Path, before: str, after: str, problem: str
) -> None:
    text = (patterns_dir() / "changes.yaml").read_text(encoding="utf-8")
    assert before in text
    (tmp_path / "changes.yaml").write_text(text.replace(before, after, 1), encoding="utf-8")
    with pytest.raises(RuleError, match=r"\[R006\] changes\.yaml, rule change\.") as error:
        load_rules(tmp_path)
    assert problem in str(error.value)


def test_changes_without_a_sentence_for_them_are_left_out(coder: Coder) -> None:
    book = load_rules()
    rules = {name: rule for name, rule in book.changes.items() if name != "change.gone"}
    told = Coder(book.model_copy(update={"changes": rules})).suggest(M + ONE).changes
    assert [change.units for change in told] == [{"93591": 1}]
