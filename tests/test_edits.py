"""Edits: what the payer's tables do with suggested codes, checked by hand against their rows."""

from __future__ import annotations

from datetime import date

import pytest

from extractor.coder import Coder
from extractor.dates import parse_date, service_date
from extractor.edits import edits
from extractor.evaluate import Labelled
from extractor.output import print_table
from extractor.page import render_page
from extractor.rules import RuleBook
from extractor.suggestion import Companion, Line, Proof, Reason, Span, Suggestion
from extractor.tables import SETTINGS, Tables, load_tables
from extractor.terminal import console

P, H = SETTINGS
IN_FORCE = date(2024, 8, 12)
TAVI = " 33361 33362 33363 33364 33365 33366"
TMVI = " 0483T 0484T"

# Codes and units; what else was implanted; expected for the practitioner; for the outpatient hospital.
# Read off the rows of 2024-07-01: limits 93590 1 (MAI 2), 93591 1 (MAI 2), 93592 2 (MAI 3), 93462 1 (MAI 3);
# pairs 93590/93591 0, 93590/93462 1, no pair 93591/93462, 93590/93592 or 93591/93592;
# add-on codes 93592 with 93590 or 93591, 93462 with either (among others), never with 93592.
CASES: list[tuple[str, str, list[str], list[str]]] = [
    ("93590", "", [], []),
    ("93591", "", [], []),
    ("93590 93592", "", [], []),
    ("93591 93592", "", [], []),
    ("93590 93592x2", "", [], []),
    ("93591 93592x2", "", [], []),
    ("93590 93592x3", "", ["mue warning 93592"], ["mue warning 93592"]),
    ("93591 93592x3", "", ["mue warning 93592"], ["mue warning 93592"]),
    ("93590x2", "", ["mue error 93590"], ["mue error 93590"]),
    ("93591x2", "", ["mue error 93591"], ["mue error 93591"]),
    ("93592", "", ["aoc error 93592"], ["aoc error 93592"]),
    ("93592x3", "", ["aoc error 93592", "mue warning 93592"], ["aoc error 93592", "mue warning 93592"]),
    ("93590 93591", "", ["ptp error 93590 93591"], ["ptp error 93590 93591"]),
    ("93591 93590", "", ["ptp error 93590 93591"], ["ptp error 93590 93591"]),
    ("93590 93591 93592", "", ["ptp error 93590 93591"], ["ptp error 93590 93591"]),
    ("93590 93591 93592x2", "", ["ptp error 93590 93591"], ["ptp error 93590 93591"]),
    (
        "93590 93591 93592x3", "",
        ["mue warning 93592", "ptp error 93590 93591"], ["mue warning 93592", "ptp error 93590 93591"],
    ),
    ("93590 93462", "", ["ptp warning 93590 93462"], ["ptp warning 93590 93462"]),
    ("93590 93592 93462", "", ["ptp warning 93590 93462"], ["ptp warning 93590 93462"]),
    ("93591 93462", "", [], []),
    ("93591 93592x2 93462", "", [], []),
    (
        "93590 93591 93462", "",
        ["ptp error 93590 93591", "ptp warning 93590 93462"],
        ["ptp error 93590 93591", "ptp warning 93590 93462"],
    ),
    ("93462", "", ["aoc error 93462"], ["aoc error 93462"]),
    ("93592 93462", "", ["aoc error 93592", "aoc error 93462"], ["aoc error 93592", "aoc error 93462"]),
    ("93591 93462x2", "", ["mue warning 93462"], ["mue warning 93462"]),
    # Hospital pairs have the closure in column 1 where the physician's have the implant there.
    ("93591", "valve", ["ptp error 93591" + TAVI], ["ptp error 93591" + TAVI]),
    ("93590", "valve", ["ptp error 93590" + TMVI], ["ptp error 93590" + TMVI]),
    (
        "93591 93592", "valve",
        ["ptp error 93591 93592" + TMVI + TAVI], ["ptp error 93591 93592" + TMVI + TAVI],
    ),
    ("93590", "clip", ["ptp error 93590 33418 33419"], ["ptp error 93590 33418 33419"]),
    ("93590 93592", "clip", ["ptp error 93590 93592 33418 33419"], ["ptp error 93590 93592 33418 33419"]),
    ("93591", "clip", [], []),
    ("93591 93592", "clip", ["ptp error 93592 33418 33419"], ["ptp error 93592 33418 33419"]),
]  # fmt: skip


@pytest.fixture(scope="module")
def tables() -> Tables:
    return load_tables(own=None)


def suggestion(codes: str, implanted: str = "") -> Suggestion:
    """A suggestion of these codes, as in ``93590 93592x2``."""
    units = {code.partition("x")[0]: int(code.partition("x")[2] or 1) for code in codes.split()}
    lines = [Line(code=code, units=n, low=n, high=n, role="") for code, n in units.items() if code != "93462"]
    companions = [Companion(code="93462", units=units["93462"], message="")] if "93462" in units else []
    reasons = []
    if implanted:
        rule = f"session.{implanted}_implant"
        span = Span(start=0, end=1, text="x", section="body", rule=rule)
        reasons = [Reason(code="same_session_valve_implant", message="", evidence=(span,))]
    return Suggestion(
        note_id="n", status="review" if reasons else "ready", lines=tuple(lines), reasons=tuple(reasons),
        companions=tuple(companions), proof=Proof(statement="", rule="r"), rules_version="v",
    )  # fmt: skip


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize(("codes", "implanted", "practitioner", "hospital"), CASES)
def test_edits_are_those_of_the_rows(
    codes: str,
    implanted: str,
    practitioner: list[str],
    hospital: list[str],
    setting: str,
    book: RuleBook,
    tables: Tables,
) -> None:
    found = [e for e in edits(suggestion(codes, implanted), book, tables, IN_FORCE) if e.setting == setting]
    told = [f"{e.table} {e.severity} {' '.join(e.codes)}" for e in found]
    assert sorted(told) == sorted(practitioner if setting == P else hospital)
    assert {e.edition for e in found if e.table != "aoc"} <= {"2024-07-01"}
    assert {e.edition for e in found if e.table == "aoc"} <= {"2024-06-03"}


def test_edits_cases_are_enough_and_differ() -> None:
    assert len({(codes, implanted) for codes, implanted, _, _ in CASES}) * len(SETTINGS) >= 40


@pytest.mark.parametrize(
    ("day", "notices"),
    [
        (date(2024, 7, 1), []),
        (date(2024, 9, 30), []),
        (date(2024, 10, 1), ["mue older", "ptp older"]),
        (date(2024, 12, 31), ["mue older", "ptp older"]),
        (date(2026, 1, 1), ["aoc older", "mue older", "ptp older"]),
        (date(2024, 6, 30), ["mue newer", "ptp newer"]),
        (date(2024, 6, 2), ["aoc newer", "mue newer", "ptp newer"]),
        (None, []),
    ],
)
def test_edits_tell_of_a_table_that_is_not_of_the_day(
    day: date | None, notices: list[str], book: RuleBook, tables: Tables
) -> None:
    found = edits(suggestion("93591"), book, tables, day)
    assert [f"{e.table} {e.message.split()[3]}" for e in found] == notices
    assert all(e.severity == "info" and e.setting == "all" and str(day) in e.message for e in found)


@pytest.mark.parametrize("codes", ["93591x2", "93590 93591 93592x3 93462"])
def test_edits_say_once_where_the_date_is_not_known(codes: str, book: RuleBook, tables: Tables) -> None:
    """Every edit is as on a known day, and one more tells that the newest editions were taken."""
    dated = edits(suggestion(codes), book, tables, IN_FORCE)
    *undated, notice = edits(suggestion(codes), book, tables, None)
    assert tuple(undated) == dated
    assert (notice.table, notice.setting, notice.severity) == ("all", "all", "info")
    assert (
        notice.message == "The date of service is not known: each edit is by the newest edition of its table."
    )
    assert set(notice.codes) == {code for edit in dated for code in edit.codes}
    assert notice.edition == max(edit.edition for edit in dated)


def test_edits_before_the_first_edition_are_by_that_and_say_so(book: RuleBook, tables: Tables) -> None:
    found = edits(suggestion("93591x2"), book, tables, date(2024, 6, 30))
    limits = [e for e in found if e.table == "mue" and e.setting != "all"]
    assert [(e.edition, e.severity) for e in limits] == [("2024-07-01", "error")] * 2
    assert [e.table for e in found if "newer than the service date, 2024-06-30" in e.message] == [
        "mue",
        "ptp",
    ]


def test_edits_of_nothing_suggested_are_none(book: RuleBook, tables: Tables) -> None:
    assert edits(suggestion(""), book, tables, date(2030, 1, 1)) == ()


def test_edits_say_which_code_is_paid(book: RuleBook, tables: Tables) -> None:
    """The physician's 33361 is column 1 over 93591; the hospital's 93591 is column 1 over 33361."""
    found = {e.setting: e.message for e in edits(suggestion("93591", "valve"), book, tables, IN_FORCE)}
    assert "33361 to 33366 is paid and 93591 is not" in found[P]
    assert "93591 is paid and 33361 to 33366 is not" in found[H]
    assert all(
        "no modifier bypasses this pair for Medicare; other payers may differ" in m for m in found.values()
    )


# -- whole notes -----------------------------------------------------------------------

FOUR = (
    "Date of procedure: 12 Aug 2024\nAortic paravalvular leak closure, retrograde. "
    "Four 8 mm AVP II plugs were deployed and released at the aortic valve."
)
BOTH = (
    "PROCEDURE: Mitral and aortic paravalvular leak closure.\n"
    "IMPLANTS:\n| Device | Size | Site |\n| AVP II | 12 mm | mitral |\n| AVP II | 10 mm | mitral |\n"
    "| AVP II | 8 mm | aortic |\n"
)
WITH_VALVE = (
    "Procedure: Transfemoral TAVR and aortic paravalvular leak closure.\n"
    "A 26 mm Sapien 3 was deployed. An 8 mm AVP II was then deployed and released in the aortic leak."
)


def told(found: Suggestion) -> list[str]:
    return [f"{e.table} {e.setting} {e.severity} {' '.join(e.codes)}" for e in found.edits]


def test_edits_four_devices_on_one_valve_are_not_capped(coder: Coder) -> None:
    found = coder.suggest(FOUR)
    assert found.units == {"93591": 1, "93592": 3}
    assert found.status == "ready"
    assert told(found) == [f"mue {P} warning 93592", f"mue {H} warning 93592"]
    assert "93592 x3 is documented, the limit is 2 a day (MAI 3" in found.edits[0].message


def test_edits_both_valves_are_a_pair_without_modifier(coder: Coder) -> None:
    found = coder.suggest(BOTH)
    assert found.units == {"93590": 1, "93591": 1, "93592": 1}
    assert told(found) == [
        f"ptp {P} error 93590 93591",
        f"ptp {H} error 93590 93591",
        "all all info 93590 93591",  # it has no date
    ]
    assert all("no modifier bypasses this pair for Medicare" in e.message for e in found.edits[:2])


def test_edits_a_valve_of_the_same_session_bundles(coder: Coder) -> None:
    found = coder.suggest(WITH_VALVE)
    assert [reason.code for reason in found.reasons] == ["same_session_valve_implant"]
    assert {"93591", "33361", "33366"} <= set(found.edits[0].codes)


def test_edits_change_neither_status_nor_units(
    gold: list[Labelled], gold_suggestions: list[Suggestion], coder: Coder
) -> None:
    """Without any table everything else of a suggestion is the same."""
    bare = Coder(coder.rules, Tables((), {}, (), "none"))
    some = [i for i, found in enumerate(gold_suggestions) if found.edits][:60]
    assert len(some) > 30
    for i in some:
        without = bare.suggest(gold[i].note.text, gold[i].note.note_id)
        assert without.edits == ()
        given = gold_suggestions[i]
        assert [(one.service, one.evidence) for one in given.also_documented] == [
            (one.service, one.evidence) for one in without.also_documented
        ]
        # The messages of services and modifiers name the tables.
        told = {"edits": (), "also_documented": (), "modifiers": ()}
        assert given.model_copy(update=told) == without.model_copy(update=told)


def test_edits_carry_an_edition_there_is(gold_suggestions: list[Suggestion], tables: Tables) -> None:
    known = {(t.kind, str(t.edition)) for t in tables.editions}
    found = [edit for one in gold_suggestions for edit in one.edits]
    assert {edit.table for edit in found} >= {"mue", "ptp"}
    for edit in found:
        assert (edit.table, edit.edition) in known or (edit.table == "all" and edit.severity == "info")
        assert edit.setting in (*SETTINGS, "all")
        assert edit.codes
        assert edit.message.endswith(".")
    assert not any(one.edits for one in gold_suggestions if not one.lines)


def test_edits_follow_the_date_of_the_note(coder: Coder) -> None:
    later = FOUR.replace("2024", "2026")
    assert [e.table for e in coder.suggest(later).edits][-3:] == ["aoc", "mue", "ptp"]
    assert "older than the service date, 2026-08-12" in coder.suggest(later).edits[-1].message
    # What the source says goes before the letterhead.
    assert coder.suggest(later, served=IN_FORCE).edits == coder.suggest(FOUR).edits


def test_edits_are_shown_with_their_edition(
    coder: Coder, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    monkeypatch.setenv("COLUMNS", "100")
    explanation = coder.explain(FOUR, "n")
    print_table([explanation.suggestion], console(sys.stdout))
    shown = " ".join(capsys.readouterr().out.split())
    assert shown.count("edit:") == 1
    assert "(mue 2024-07-01, practitioner and outpatient hospital)" in shown
    page = render_page(FOUR, explanation)
    assert "93592 x3 is documented" in page
    assert "mue 2024-07-01, practitioner and outpatient hospital" in page


# -- the date of service ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2024-07-15", "2024-07-15"),
        ("7/5/2024 08:30", "2024-07-05"),
        ("15/07/2024", "2024-07-15"),
        ("15.07.2024", "2024-07-15"),
        ("15-Jul-2024", "2024-07-15"),
        ("15th July 2024", "2024-07-15"),
        ("July 15, 2024", "2024-07-15"),
        ("Sept 3 2024", "2024-09-03"),
        ("30 Feb 2024", None),
        ("7/5/24", "2024-07-05"),
        ("02/11/20__", None),
        ("2024", None),
        ("soon", None),
    ],
)
def test_edits_read_a_date(text: str, day: str | None) -> None:
    found = parse_date(text)
    assert (found and str(found)) == day


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("DATE OF PROCEDURE: 15 July 2024\nNarrative.", "2024-07-15"),
        ("**Procedure date:** 07/15/2024", "2024-07-15"),
        ("| Date of service | 2024-07-15 |", "2024-07-15"),
        ("Name: A B     DOS: 2024-07-15     MRN: 1", "2024-07-15"),
        ("Date of procedure: Monday, 15 July 2024", "2024-07-15"),
        ("DOS: 2024-07-15\nDate of procedure: 15 July 2024", "2024-07-15"),
        ("DOS: 2024-07-15\nDate of procedure: 16 July 2024", None),
        ("Date of service 07/15/2024\nProceduralist: A", "2024-07-15"),
        ("Date of procedure is today, after 3/4/2020.", None),
        ("Date of birth: 1 May 1950\nDate: 15 July 2024", None),
        ("A plug was placed on 15 July 2024.", None),
        ("x" * 5000 + "\nDate of procedure: 15 July 2024", None),
    ],
)
def test_edits_date_of_service_is_that_of_the_letterhead(text: str, day: str | None, tables: Tables) -> None:
    found = service_date(text, tables.labels)
    assert (found and str(found)) == day
