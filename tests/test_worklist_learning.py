"""Learning: figures of the decisions, and decided notes as labels that `pvl evaluate` reads."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from extractor.cli import app
from extractor.coder import Coder
from extractor.evaluate import Labelled, load
from extractor.suggestion import Device, Span
from extractor.worklist import asking
from extractor.worklist.database import Store
from extractor.worklist.decisions import Coded
from extractor.worklist.filing import Label, file_notes
from extractor.worklist.learning import Figures, Row, Scope, figures
from extractor.worklist.learning import gold as gold_of
from extractor.worklist.models import Kind
from tests.worklist_bench import ONE_LINE, TWO_LINES, Bench
from tests.worklist_store import Clock, ToldCoder

SPAN = Span(start=0, end=1, text="a", section="body", rule="device.avp2")
DEVICE = Device(number=1, valve="mitral", product=None, size=None, outcome="implanted", evidence=(SPAN,))
REASON = {"code": "valve_conflict", "message": "two valves"}


@pytest.fixture
def bench(store: Store, told_coder: ToldCoder, clock: Clock) -> Bench:
    return Bench(store, told_coder, clock)


def told(bench: Bench, **more: Any) -> Figures:
    with bench.store.reading() as session:
        return figures(session, Scope(**more))


def shares(rows: tuple[Row, ...]) -> dict[str, tuple[int, int, int, int]]:
    return {row.value: (row.agreed.right, row.agreed.of, row.over, row.under) for row in rows}


def test_learning_counts_agreement_by_everything(bench: Bench) -> None:
    bench.file("a", "b", label=Label("north", "ehr"))
    bench.file("c", status="review", reasons=[REASON], devices=[DEVICE], label=Label("south", "brief"))
    bench.file("d", label=Label("south", "brief"))
    bench.decide(note_id="a")
    bench.decide("bo", "b", Kind.change, ONE_LINE, reason="device_not_left")
    bench.decide("bo", "c", Kind.change, [*TWO_LINES, Coded("93591", 2)], reason="missed_device")
    bench.decide("bo", "d", Kind.reject, (), reason="not_this_session")
    found = told(bench)
    assert (found.agreed.right, found.agreed.of, found.over, found.under) == (1, 4, 3, 2)
    assert found.kinds == {"accept": 1, "change": 2, "reject": 1}
    assert shares(found.by["code"]) == {
        "93590": (3, 4, 1, 0),
        "93591": (0, 1, 0, 2),
        "93592": (2, 4, 2, 0),
    }
    assert shares(found.by["reason"]) == {"valve_conflict": (0, 1, 0, 2)}
    assert shares(found.by["site"]) == {"north": (1, 2, 1, 0), "south": (0, 2, 2, 2)}
    assert shares(found.by["style"]) == {"ehr": (1, 2, 1, 0), "brief": (0, 2, 2, 2)}
    assert shares(found.by["rules_version"]) == {"rules-1": (1, 4, 3, 2)}
    assert shares(found.by["coder"]) == {"ada": (1, 1, 0, 0), "bo": (0, 3, 3, 2)}
    assert {row.value for row in found.by["why"]} == {"device_not_left", "missed_device", "not_this_session"}
    (north,) = (row for row in found.by["site"] if row.value == "north")
    assert [(one.note_id, one.entry_id) for one in north.changed] == [("b", bench.entry("b").id)]
    assert [(one.value, one.agreed.of, [e.note_id for e in one.changed]) for one in found.overrides] == [
        ("device.avp2", 1, ["c"])
    ]


def test_learning_reasons_of_accepted_notes_count_too(bench: Bench) -> None:
    bench.file("a", "b", status="review", reasons=[REASON])
    bench.decide(note_id="a")
    bench.decide(note_id="b", kind=Kind.change, lines=ONE_LINE, reason="wrong_valve")
    assert shares(told(bench).by["reason"]) == {"valve_conflict": (1, 2, 1, 0)}


def test_learning_of_nothing_is_nothing(bench: Bench) -> None:
    found = told(bench)
    assert (found.agreed.of, found.hours, found.hours_90, found.periods, found.overrides) == (
        0,
        None,
        None,
        (),
        (),
    )
    assert all(rows == () for rows in found.by.values())


def test_learning_turn_around_throughput_and_time(bench: Bench) -> None:
    names = [f"n{number}" for number in range(4)]
    bench.file(*names)
    for number, name in enumerate(names):
        bench.clock.go_on(hours=1)
        opened = bench.clock() - timedelta(seconds=10 * (number + 1))
        bench.decide("ada" if number < 3 else "bo", name, opened_at=opened)
    found = told(bench)
    assert (found.hours, found.hours_90) == (2.5, 3.0)
    assert [(one.begin, one.coder, one.decided, one.seconds) for one in found.work] == [
        (date(2024, 9, 2), "ada", 3, 20),
        (date(2024, 9, 2), "bo", 1, 40),
    ]
    today = bench.clock().date()
    bench.clock.go_on(days=1)
    bench.file("next")
    bench.decide(note_id="next")
    assert told(bench, since=today + timedelta(days=1)).agreed.of == 1
    assert told(bench, until=today).agreed.of == 4
    assert told(bench, coder="bo").agreed.of == 1
    assert told(bench, site="elsewhere").agreed.of == 0


def test_learning_second_checks_and_what_was_taken_back(bench: Bench) -> None:
    bench.set(second_check_share=1.0)
    bench.file("a", "b", "c")
    for name in "abc":
        bench.decide("ada", name)
    bench.decide("bo", "a")
    bench.decide("bo", "b", Kind.change, ONE_LINE, reason="device_not_left")
    bench.decide("lea", "b", Kind.change, ONE_LINE, reason="device_not_left")
    bench.undo(bench.decide("bo", "c"), "bo", "c")
    found = told(bench)
    assert (found.second.right, found.second.of, found.taken_back) == (1, 2, 1)
    assert found.agreed.of == 3


def test_learning_blind_answers_count_as_first_given(bench: Bench) -> None:
    bench.file("s")
    bench.decide(note_id="s")
    bench.set(blind_share=1.0)
    bench.file("a", "b")
    bench.decide(note_id="a", kind=Kind.accept, lines=TWO_LINES, blind=True)
    first = bench.decide(note_id="b", kind=Kind.accept, lines=ONE_LINE, blind=True)
    bench.undo(first, note_id="b")
    bench.decide(note_id="b")  # persuaded by the suggestion
    found = told(bench)
    assert (found.blind.right, found.blind.of) == (1, 2)
    assert (found.sighted.right, found.sighted.of) == (1, 1)
    assert (found.agreed.right, found.agreed.of) == (3, 3)


# -- gold --------------------------------------------------------------------------


def labels(bench: Bench) -> dict[str, dict[str, Any]]:
    with bench.store.reading() as session:
        return {one["id"]: one["gold"] for one in gold_of(session)}


def test_learning_gold_says_what_a_coder_could_tell_by_the_note(bench: Bench) -> None:
    review: dict[str, Any] = {"status": "review", "reasons": [REASON]}
    bench.file("accepted", "changed", "elsewhere", "rejected")
    bench.file("review", "asked", "nothing", **review)
    bench.file("none", status="none", units={})
    bench.file("access", companions=[{"code": "93462", "units": 1, "message": "transseptal"}])
    for name in ("accepted", "review", "none", "access"):
        bench.decide(note_id=name)
    bench.decide(note_id="changed", kind=Kind.change, lines=ONE_LINE, reason="device_not_left",
                 outcomes={"2": {"outcome": "removed"}})  # fmt: skip
    bench.decide(note_id="elsewhere", kind=Kind.change, lines=ONE_LINE, reason="documentation_elsewhere")
    bench.decide(note_id="rejected", kind=Kind.reject, lines=(), reason="not_this_session")
    bench.decide(note_id="nothing", kind=Kind.reject, lines=(), reason="device_not_left")
    entry, ada = bench.entry("asked"), bench.users["ada"]
    query = asking.draft(bench.store, ada, entry.id, entry.version, "valve_conflict", "Which valve?")
    asking.send(bench.store, ada, query.id, bench.entry("asked").version)
    asking.answer(bench.store, ada, query.id, bench.entry("asked").version, "The mitral one.")
    bench.decide(note_id="asked")
    found = labels(bench)
    two = {"93590": 1, "93592": 1}
    assert {name: (one["status"], one["lines"]) for name, one in found.items()} == {
        "accepted": ("ready", two),
        "changed": ("ready", {"93590": 1}),
        "elsewhere": (["ready", "review"], None),
        "rejected": (["none", "review"], {}),
        "review": (["ready", "review"], two),
        "asked": ("review", None),
        "nothing": (["none", "review"], {}),
        "none": ("none", {}),
        "access": ("ready", two),
    }
    assert (found["access"]["companions"], found["accepted"]["companions"]) == ({"93462": 1}, {})
    assert (found["changed"]["not_counted"], found["accepted"]["not_counted"]) == (1, None)


def test_learning_gold_leaves_out_what_is_open_disputed_or_without_text(bench: Bench) -> None:
    bench.set(second_check_share=1.0)
    bench.file("checked", "disputed", "waiting", "open")
    bench.file("textless", keep=False)
    for name in ("checked", "disputed", "waiting", "textless"):
        bench.decide("ada", name)
    for name in ("checked", "textless"):
        bench.decide("bo", name)
    bench.decide("bo", "disputed", Kind.change, ONE_LINE, reason="device_not_left")
    bench.decide("lea", "disputed", Kind.change, ONE_LINE, reason="device_not_left")
    assert set(labels(bench)) == {"checked"}


def test_learning_gold_is_read_by_evaluate(
    bench: Bench,
    coder: Coder,
    gold: list[Labelled],
    tmp_path: Path,
) -> None:
    chosen = [item for item in gold if item.gold.status == {"ready"}][:12]
    filed = file_notes(
        bench.store, [item.note for item in chosen], coder, by="import", label=Label("north", "mine")
    )
    assert filed.new == 12
    wrong = chosen[0].note.note_id
    for item in chosen[1:]:
        entry = bench.entry(item.note.note_id)
        if entry.status == "ready":
            bench.decide(note_id=entry.note_id)
    lines = [Coded("93590", 1), Coded("93592", 7)]
    bench.decide(note_id=wrong, kind=Kind.change, lines=lines, reason="missed_device")
    path = tmp_path / "mine.jsonl"
    with bench.store.reading() as session:
        records = list(gold_of(session))
    path.write_text("".join(json.dumps(one) + "\n" for one in records), encoding="utf-8")
    failed: list[object] = []
    assert len(list(load([path], failed.append))) == len(records) > 8
    assert failed == []
    result = CliRunner().invoke(app, ["evaluate", str(path), "--format", "json"])
    assert result.exit_code == 0, result.output
    score = json.loads(result.stdout)
    assert score["overall"]["notes"] == len(records)
    assert [one["note_id"] for one in score["wrong"]] == [wrong] * len(score["wrong"])
    assert score["overall"]["exact_lines"]["right"] == len(records) - 1


def test_learning_counts_what_happened_over_months(bench: Bench) -> None:
    bench.file(*"abcdef")
    bench.decide(note_id="a")  # agrees
    bench.undo(bench.decide("bo", "b", Kind.reject, (), reason="not_this_session"), "bo", "b")
    bench.decide("bo", "b")  # agrees; the first one was taken back
    bench.decide(note_id="c")  # agrees, with the text of then
    bench.file("c", text="a later text", units={"93590": 1})
    bench.decide("bo", "c", Kind.change, TWO_LINES, reason="missed_device")  # one unit too few
    bench.set(second_check_share=1.0)
    bench.decide(note_id="d")  # agrees
    bench.decide("bo", "d", Kind.change, ONE_LINE, reason="device_not_left")  # a check that differs
    bench.decide("lea", "d", Kind.change, ONE_LINE, reason="device_not_left")  # settled: no check
    bench.set(second_check_share=0.0)
    bench.decide(note_id="e", kind=Kind.reject, lines=(), reason="not_this_session")  # two too many
    bench.set(blind_share=1.0)
    bench.decide(note_id="f", lines=ONE_LINE, blind=True)  # one too many
    found = told(bench)
    assert (found.agreed.right, found.agreed.of, found.over, found.under) == (4, 7, 3, 1)
    assert found.kinds == {"accept": 4, "change": 2, "reject": 1}
    assert (found.second.right, found.second.of, found.taken_back) == (0, 1, 1)
    assert (found.blind.right, found.blind.of) == (0, 1)
    # Of the first answers of coders to what they saw, that of bo to b was no.
    assert (found.sighted.right, found.sighted.of) == (3, 6)
    assert shares(found.by["code"]) == {"93590": (6, 7, 1, 0), "93592": (4, 7, 2, 1)}
    assert sum(one.decided for one in found.work) == 9


def test_learning_times_are_never_less_than_none(bench: Bench) -> None:
    bench.file("a")
    bench.clock.go_on(hours=-1)
    bench.decide()
    assert told(bench).hours == 0


def test_learning_gold_of_a_text_that_answers_the_query_is_compared(bench: Bench) -> None:
    bench.file("a", status="review", reasons=[REASON])
    ada, entry = bench.users["ada"], bench.entry()
    query = asking.draft(bench.store, ada, entry.id, entry.version, "valve_conflict", "Which valve?")
    asking.send(bench.store, ada, query.id, bench.entry().version)
    asking.answer(bench.store, ada, query.id, bench.entry().version, "The mitral one.")
    bench.file("a", text="with the answer as an addendum")
    bench.decide()
    label = labels(bench)["a"]
    assert (label["status"], label["lines"]) == ("ready", {"93590": 1, "93592": 1})


def test_learning_gold_heeds_why_either_coder_decided(bench: Bench) -> None:
    bench.set(second_check_share=1.0)
    bench.file("a")
    bench.decide(kind=Kind.change, lines=ONE_LINE, reason="documentation_elsewhere")
    bench.decide("bo", kind=Kind.change, lines=ONE_LINE, reason="device_not_left")
    assert labels(bench)["a"]["lines"] is None
