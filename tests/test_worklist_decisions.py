"""Decisions: what may be said of a suggestion, by whom, and what becomes of the entry."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from extractor.errors import Conflict, NotAllowed, NotFound, WorklistError
from extractor.suggestion import Device
from extractor.worklist import exports, queue, settings
from extractor.worklist.database import Store
from extractor.worklist.decisions import (
    Answer,
    Check,
    Coded,
    check,
    decide,
    defer,
    drawn,
    must_code_blind,
    reassign,
    undo,
)
from extractor.worklist.models import Decision, Entry, Kind, Lane, Role, User
from extractor.worklist.trail import verify_seals
from tests.conftest import suggest
from tests.worklist_bench import ONE_LINE, TWO, TWO_LINES, Bench
from tests.worklist_store import Clock, ToldCoder, add_user


@pytest.fixture
def bench(store: Store, told_coder: ToldCoder, clock: Clock) -> Bench:
    made = Bench(store, told_coder, clock)
    made.file("a")
    return made


# -- what may be said --------------------------------------------------------------


def said(kind: Kind, lines: Sequence[Coded] | None = None, **more: Any) -> Answer:
    return Answer(kind, lines, **more)


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (said(Kind.accept), ""),
        (said(Kind.accept, [TWO_LINES[1], TWO_LINES[0]]), ""),
        (said(Kind.accept, ONE_LINE), "not what was suggested"),
        (said(Kind.accept, outcomes={"1": {"outcome": "removed"}}), "not what was suggested"),
        (said(Kind.change, ONE_LINE, reason="device_not_left"), ""),
        (said(Kind.change, ONE_LINE), "a reason is missing"),
        (said(Kind.change, ONE_LINE, reason="because"), "none of those"),
        (said(Kind.change, ONE_LINE, reason="coded_blind"), "only for notes that were coded blind"),
        (said(Kind.change, ONE_LINE, reason="other", comment=" "), "needs a comment"),
        (said(Kind.change, ONE_LINE, reason="other", comment="x" * 2001), "more than 2000"),
        (said(Kind.change, TWO_LINES, reason="modifier"), "nothing was changed"),
        (said(Kind.change, TWO_LINES, reason="wrong_valve", outcomes={"1": {"outcome": "removed"}}), ""),
        (said(Kind.change, [Coded("93592", 1)], reason="missed_device"), "add-on code"),
        (said(Kind.change, [Coded("93590", 0)], reason="missed_device"), "0 units"),
        (said(Kind.change, [Coded("93590", 100)], reason="missed_device"), "100 units"),
        (said(Kind.change, [Coded("12345", 1)], reason="missed_device"), "not known"),
        (said(Kind.change, [*ONE_LINE, *ONE_LINE], reason="missed_device"), "two lines"),
        (said(Kind.change, [Coded("93590", 1, ("6 2",))], reason="modifier"), "modifier"),
        (said(Kind.change, [Coded("93590", 1, ("62", "62"))], reason="modifier"), "one twice"),
        (said(Kind.change, [Coded("93590", 1, ("62",))], reason="modifier"), ""),
        (said(Kind.change, [Coded("33999", 1)], reason="wrong_valve"), ""),
        (said(Kind.change, ONE_LINE, reason="modifier", outcomes={"0": {"outcome": "removed"}}), "no number"),
        (
            said(Kind.change, ONE_LINE, reason="modifier", outcomes={"1": {"outcome": "lost"}}),
            "no known outcome",
        ),
        (
            said(
                Kind.change, ONE_LINE, reason="modifier", outcomes={"1": {"outcome": "removed", "valve": "x"}}
            ),
            "no known valve",
        ),
        (said(Kind.reject, (), reason="not_this_session"), ""),
        (said(Kind.reject, ONE_LINE, reason="not_this_session"), "has no lines"),
        (said(Kind.reject, ()), "a reason is missing"),
    ],
)
def test_decisions_check_tells_what_is_not_possible(answer: Answer, problem: str) -> None:
    lines = [{"code": c, "units": n, "low": n, "high": n, "role": "device"} for c, n in TWO.items()]
    found = check(suggest("a", "ready", lines=lines), answer, settings.Settings(more_codes=("33999",)))
    assert [problem in one for one in found.problems] == ([True] if problem else [])


def device(number: int, valve: str, outcome: str = "implanted") -> Device:
    return Device(number=number, valve=valve, product=None, size=None, outcome=outcome)


@pytest.mark.parametrize(
    ("lines", "outcomes", "warning"),
    [
        (TWO_LINES, {"1": {"outcome": "implanted", "valve": "mitral"}}, ""),
        (ONE_LINE, {"2": {"outcome": "removed", "valve": "mitral"}}, ""),
        (ONE_LINE, {}, "would give 93590 x1 + 93592 x1, the lines say 93590 x1"),
        ([Coded("93591", 1)], {"1": {"outcome": "removed"}}, "would give 93590 x1, the lines say 93591 x1"),
        (
            [*TWO_LINES, Coded("93591", 1)],
            {"7": {"outcome": "implanted", "valve": "aortic"}},
            "93590 is paid and 93591 is not",
        ),
        ([Coded("93590", 1), Coded("93592", 5)], {}, "the limit is 2"),
        ([Coded("93462", 1)], {}, "93462 is an add-on code"),
        ([Coded("93590", 1, ("62",)), Coded("93592", 1, ("59",))], {}, "no place on the add-on code"),
        ([Coded("93590", 2)], {}, "for the first device alone"),
    ],
)
def test_decisions_check_warns_where_lines_and_devices_differ(
    lines: Sequence[Coded], outcomes: dict[str, Any], warning: str
) -> None:
    given = suggest("a", "ready", devices=(device(1, "mitral"), device(2, "mitral")))
    found = check(
        given, said(Kind.change, lines, outcomes=outcomes, reason="wrong_valve"), settings.Settings()
    )
    assert found.problems == ()
    assert any(warning in one for one in found.warnings) if warning else found.warnings == ()


# -- deciding ----------------------------------------------------------------------


def test_decisions_are_kept_and_finish_the_entry(bench: Bench) -> None:
    opened = bench.clock()
    bench.clock.go_on(seconds=95)
    before = bench.entry()
    made = bench.decide(
        kind=Kind.change, lines=ONE_LINE, reason="device_not_left", comment=" x ", opened_at=opened
    )
    assert (made.kind, made.lines, made.reason) == (
        Kind.change, [{"code": "93590", "units": 1, "modifiers": []}], "device_not_left",
    )  # fmt: skip
    assert (made.comment, made.seconds, made.blind, made.second_of) == ("x", 95, False, None)
    after = bench.entry()
    assert (after.lane, after.decision_id, after.version) == (Lane.done, made.id, before.version + 1)
    (row,) = bench.trail("decide")
    told = json.loads(row.after)
    assert (row.by, row.entry_id, row.about, row.reason) == (
        "ada",
        after.id,
        f"decision {made.id}",
        "device_not_left",
    )
    assert (json.loads(row.before)["lane"], told["lane"], told["lines"]) == ("ready", "done", made.lines)
    assert row.rules_version == "rules-1"


def test_decisions_comment_is_sealed_in_the_trail_and_not_told(bench: Bench) -> None:
    words = "Jane Testperson had three"
    made = bench.decide(kind=Kind.change, lines=ONE_LINE, reason="other", comment=words)
    (row,) = bench.trail("decide")
    assert words not in row.after + row.reason + row.before
    with bench.store.writing() as session:
        session.get_one(Decision, made.id).comment = "nothing of the kind"
    with bench.store.reading() as session:
        assert [*verify_seals(session)] == [f"decision {made.id} was changed"]


def test_decisions_that_are_not_possible_change_nothing_and_quote_nothing(bench: Bench) -> None:
    with pytest.raises(WorklistError) as error:
        bench.decide(kind=Kind.change, lines=[Coded("<script>", 1)], reason="<b>", comment="Jane")
    assert error.value.code == "W026"
    assert not any(words in str(error.value) for words in ("<", "Jane"))
    assert bench.entry().version == 1
    assert bench.trail("decide") == []


def test_decisions_of_two_coders_on_the_same_page_do_not_overwrite_each_other(bench: Bench) -> None:
    seen = bench.entry()
    bench.decide("ada")
    with pytest.raises(Conflict) as error:
        decide(bench.store, bench.users["bo"], seen.id, seen.version, Kind.accept)
    assert error.value.code == "W005"
    with pytest.raises(Conflict, match="decided already"):
        bench.decide("bo")
    assert len(bench.trail("decide")) == 1


def test_decisions_wait_while_another_coder_holds_the_note(bench: Bench) -> None:
    assert queue.next_note(bench.store, bench.users["ada"], queue.Filters()) == bench.entry().id
    with pytest.raises(Conflict, match="ada works on it") as error:
        bench.decide("bo")
    assert error.value.code == "W008"
    bench.clock.go_on(minutes=16)
    bench.decide("bo")
    assert bench.entry().holder_id is None


@pytest.mark.parametrize("role", [Role.auditor, Role.admin])
def test_decisions_are_for_coders_and_leads(bench: Bench, role: Role) -> None:
    user = add_user(bench.store, "other", role)
    entry = bench.entry()
    for change in (
        lambda: decide(bench.store, user, entry.id, entry.version, Kind.accept),
        lambda: undo(bench.store, user, 1, entry.version),
        lambda: defer(bench.store, user, entry.id, entry.version, None),
        lambda: reassign(bench.store, user, entry.id, entry.version, user.id),
    ):
        with pytest.raises(NotAllowed):
            change()


def test_decisions_of_unknown_entries_are_told(bench: Bench) -> None:
    with pytest.raises(NotFound):
        decide(bench.store, bench.users["ada"], 999, 1, Kind.accept)
    with pytest.raises(NotFound):
        undo(bench.store, bench.users["ada"], 999, 1)


def test_decisions_accept_companions_with_the_lines(bench: Bench) -> None:
    bench.file("c", units={"93591": 1}, companions=[{"code": "93462", "units": 1, "message": "transseptal"}])
    made = bench.decide(note_id="c")
    assert [line["code"] for line in made.lines] == ["93591", "93462"]


# -- undoing -----------------------------------------------------------------------


def test_decisions_are_undone_by_their_coder_or_a_lead(bench: Bench) -> None:
    made = bench.decide("ada")
    with pytest.raises(NotAllowed):
        bench.undo(made, "bo")
    entry = bench.undo(made, "ada")
    assert (entry.lane, entry.decision_id) == (Lane.ready, None)
    with pytest.raises(Conflict):
        bench.undo(made, "ada")
    again = bench.decide("bo", kind=Kind.reject, lines=(), reason="not_this_session")
    bench.undo(again, "lea")
    with bench.store.reading() as session:
        assert all(one.undone_at for one in session.scalars(select(Decision)))
    assert [row.by for row in bench.trail("undo")] == ["ada", "lea"]


def test_decisions_that_were_exported_stay(bench: Bench) -> None:
    made = bench.decide()
    exports.make(bench.store, bench.users["lea"], "csv")
    with pytest.raises(NotAllowed) as error:
        bench.undo(made)
    assert error.value.code == "W029"
    assert bench.entry().lane is Lane.done


def test_decisions_on_a_new_text_are_made_anew(bench: Bench) -> None:
    old = bench.decide()
    bench.file("a", text="addendum", units={"93590": 1})
    entry = bench.entry()
    assert (entry.lane, entry.reopened, entry.decision_id) == (Lane.ready, True, None)
    with pytest.raises(Conflict):
        bench.undo(old)
    new = bench.decide("bo")
    assert new.revision_id != old.revision_id
    assert not bench.entry().reopened


# -- second checks -----------------------------------------------------------------


def test_decisions_are_drawn_by_the_id_of_the_note_in_the_share_that_is_set() -> None:
    ids = [f"note-{number}" for number in range(4000)]
    few = {one for one in ids if drawn(one, "second check", 0.05)}
    more = {one for one in ids if drawn(one, "second check", 0.2)}
    assert few < more
    assert 150 < len(few) < 250
    assert 700 < len(more) < 900
    assert len(few & {one for one in ids if drawn(one, "blind", 0.05)}) < 30


def test_decisions_drawn_for_a_second_check_wait_for_another_coder(bench: Bench) -> None:
    bench.set(second_check_share=1.0)
    first = bench.decide("ada")
    entry = bench.entry()
    assert (entry.lane, entry.second_check, entry.decision_id) == (Lane.ready, True, first.id)
    assert queue.next_note(bench.store, bench.users["ada"], queue.Filters()) is None
    with pytest.raises(NotAllowed) as error:
        bench.decide("ada")
    assert error.value.code == "W028"
    assert queue.next_note(bench.store, bench.users["bo"], queue.Filters()) == entry.id
    second = bench.decide("bo")
    done = bench.entry()
    assert second.second_of == first.id
    assert (done.lane, done.decision_id, done.second_check, done.disputed) == (
        Lane.done,
        second.id,
        False,
        False,
    )
    back = bench.undo(second, "bo")
    assert (back.lane, back.second_check, back.decision_id) == (Lane.ready, True, first.id)
    free = bench.undo(first, "ada")
    assert (free.lane, free.second_check, free.decision_id) == (Lane.ready, False, None)


def test_decisions_that_differ_go_to_a_lead(bench: Bench) -> None:
    bench.set(second_check_share=1.0)
    bench.decide("ada")
    second = bench.decide("bo", kind=Kind.change, lines=ONE_LINE, reason="device_not_left")
    entry = bench.entry()
    assert (entry.lane, entry.disputed, entry.second_check) == (Lane.review, True, True)
    third = add_user(bench.store, "third")
    assert queue.next_note(bench.store, third, queue.Filters()) is None
    with pytest.raises(NotAllowed):
        decide(bench.store, third, entry.id, entry.version, Kind.accept)
    assert queue.next_note(bench.store, bench.users["lea"], queue.Filters()) == entry.id
    final = bench.decide("lea", kind=Kind.change, lines=ONE_LINE, reason="device_not_left")
    done = bench.entry()
    assert (done.lane, done.disputed, done.second_check, done.decision_id) == (
        Lane.done,
        False,
        False,
        final.id,
    )
    assert final.second_of == second.id
    again = bench.undo(final, "lea")
    assert (again.lane, again.disputed, again.decision_id) == (Lane.review, True, second.id)
    calm = bench.undo(second, "bo")
    assert (calm.lane, calm.disputed, calm.second_check) == (Lane.ready, False, True)


# -- blind -------------------------------------------------------------------------


def is_hidden(bench: Bench, who: str, note_id: str = "a") -> bool:
    entry = bench.entry(note_id)
    with bench.store.reading() as session:
        return must_code_blind(session, bench.users[who], entry, settings.read(session))


def test_decisions_blind_are_told_apart_and_take_their_kind_from_the_lines(bench: Bench) -> None:
    bench.set(blind_share=1.0)
    bench.file("b", "c")
    assert is_hidden(bench, "ada")
    assert not is_hidden(bench, "eye")
    with pytest.raises(Conflict):
        bench.decide()  # a page from before the setting
    same = bench.decide(kind=Kind.change, lines=TWO_LINES, blind=True)
    other = bench.decide(note_id="b", kind=Kind.accept, lines=ONE_LINE, blind=True)
    none = bench.decide(note_id="c", kind=Kind.accept, blind=True)
    assert [(one.kind, one.reason, one.blind) for one in (same, other, none)] == [
        (Kind.accept, "", True),
        (Kind.change, "coded_blind", True),
        (Kind.reject, "coded_blind", True),
    ]


def test_decisions_blind_may_be_undone_and_made_again_with_the_suggestion_shown(bench: Bench) -> None:
    bench.set(blind_share=1.0)
    made = bench.decide(kind=Kind.accept, lines=ONE_LINE, blind=True)
    bench.undo(made)
    assert not is_hidden(bench, "ada")
    assert is_hidden(bench, "bo")
    assert bench.decide().blind is False


def test_decisions_blind_is_never_claimed_for_what_was_shown(bench: Bench) -> None:
    with pytest.raises(Conflict):
        bench.decide(lines=TWO_LINES, blind=True)


# -- putting off and giving to ------------------------------------------------------


def test_decisions_defer_puts_off_until_a_time(bench: Bench) -> None:
    entry = bench.entry()
    ada = bench.users["ada"]
    until = bench.clock() + timedelta(days=2)
    defer(bench.store, ada, entry.id, entry.version, until, "waiting_for_document")
    assert queue.next_note(bench.store, ada, queue.Filters()) is None
    bench.clock.go_on(days=2)
    assert queue.next_note(bench.store, ada, queue.Filters()) == entry.id
    entry = bench.entry()
    defer(bench.store, ada, entry.id, entry.version, None)
    assert bench.entry().deferred_until is None
    (row,) = bench.trail("defer")
    assert (row.reason, json.loads(row.after)) == ("waiting_for_document", {"until": until.isoformat()})
    assert len(bench.trail("resume")) == 1


@pytest.mark.parametrize(("days", "reason"), [(0, "other"), (-1, "other"), (400, "other"), (1, "no such")])
def test_decisions_defer_refuses_other_times_and_reasons(bench: Bench, days: int, reason: str) -> None:
    until = bench.clock() + timedelta(days=days)
    with pytest.raises(WorklistError) as error:
        defer(bench.store, bench.users["ada"], bench.entry().id, 1, until, reason)
    assert error.value.code == "W030"


def test_decisions_reassign_follows_the_role(bench: Bench) -> None:
    store, users = bench.store, bench.users

    def give(who: str, to: str | None) -> Entry:
        entry = bench.entry()
        return reassign(store, users[who], entry.id, entry.version, None if to is None else users[to].id)

    assert give("ada", "ada").assignee_id == users["ada"].id
    with pytest.raises(NotAllowed):
        give("bo", "bo")
    with pytest.raises(NotAllowed):
        bench.decide("bo")
    assert queue.next_note(store, users["bo"], queue.Filters()) is None
    assert give("ada", None).assignee_id is None
    with pytest.raises(NotAllowed):
        give("ada", "bo")
    assert give("lea", "bo").assignee_id == users["bo"].id
    for nobody in ("eye",):
        with pytest.raises(NotFound):
            give("lea", nobody)
    assert [json.loads(row.after)["to"] for row in bench.trail("reassign")] == ["ada", None, "bo"]
    bench.decide("bo")


# -- second checks and disputes, over time -------------------------------------------


def dispute(bench: Bench, *who: str) -> None:
    bench.set(second_check_share=1.0)
    bench.decide(who[0])
    bench.decide(who[1], kind=Kind.change, lines=ONE_LINE, reason="device_not_left")
    assert bench.entry().disputed


def test_decisions_a_lead_who_differs_leaves_it_to_another_lead(bench: Bench) -> None:
    dispute(bench, "ada", "lea")
    entry = bench.entry()
    assert queue.next_note(bench.store, bench.users["lea"], queue.Filters()) is None
    with pytest.raises(NotAllowed, match="another lead") as error:
        bench.decide("lea")
    assert error.value.code == "W028"
    with pytest.raises(NotAllowed):
        reassign(bench.store, bench.users["lea"], entry.id, entry.version, bench.users["lea"].id)
    assert queue.next_note(bench.store, bench.users["lin"], queue.Filters()) == entry.id
    bench.undo(bench.decide("lin"), "lin")
    assert (bench.entry().disputed, bench.entry().second_check) == (True, True)


def test_decisions_a_lead_settles_an_own_difference_where_there_is_no_other_lead(bench: Bench) -> None:
    with bench.store.writing() as session:
        session.get_one(User, bench.users["lin"].id).active = False
    dispute(bench, "lea", "ada")
    entry = bench.entry()
    assert queue.next_note(bench.store, bench.users["bo"], queue.Filters()) is None
    assert queue.next_note(bench.store, bench.users["lea"], queue.Filters()) == entry.id
    final = bench.decide("lea")
    assert bench.entry().lane is Lane.done
    bench.undo(final, "lea")
    assert queue.next_note(bench.store, bench.users["lea"], queue.Filters()) == entry.id


def test_decisions_are_not_given_to_who_may_not_make_them(bench: Bench) -> None:
    bench.set(second_check_share=1.0)
    bench.decide("ada")

    def give(who: str, to: str) -> Entry:
        entry = bench.entry()
        return reassign(bench.store, bench.users[who], entry.id, entry.version, bench.users[to].id)

    for who in ("ada", "lea"):
        with pytest.raises(NotAllowed) as error:
            give(who, "ada")
        assert error.value.code == "W028"
    give("lea", "bo")
    bench.decide("bo", kind=Kind.change, lines=ONE_LINE, reason="device_not_left")
    for nobody in ("ada", "bo"):
        with pytest.raises(NotAllowed):
            give("lea", nobody)
    assert give("lea", "lin").assignee_id == bench.users["lin"].id


def test_decisions_of_notes_without_a_closure_are_checked_too(bench: Bench) -> None:
    bench.set(second_check_share=1.0)
    bench.file("n", status="none", units={})
    bench.decide("ada", "n", Kind.change, ONE_LINE, reason="missed_device")
    assert bench.entry("n").lane is Lane.review  # where notes are handed out
    assert queue.next_note(bench.store, bench.users["bo"], queue.Filters(search="n")) == bench.entry("n").id


def test_decisions_undone_after_a_new_text_leave_the_note_reopened(bench: Bench) -> None:
    bench.decide()
    exports.make(bench.store, bench.users["lea"], "csv")
    bench.file("a", text="a later one", status="none", units={})
    again = bench.decide("bo", kind=Kind.change, lines=ONE_LINE, reason="missed_device")
    entry = bench.undo(again, "bo")
    assert (entry.reopened, entry.lane) == (True, Lane.review)
    first = bench.decide("bo", kind=Kind.change, lines=ONE_LINE, reason="missed_device")
    assert not bench.entry().reopened
    bench.undo(first, "bo")
    bench.file("b")
    assert not bench.undo(bench.decide(note_id="b"), note_id="b").reopened


def test_decisions_check_asks_before_an_open_count_is_accepted() -> None:
    line = {"code": "93592", "units": 1, "low": 1, "high": 3, "role": "device"}
    first = {"code": "93590", "units": 1, "low": 1, "high": 1, "role": "device"}
    found = check(suggest("a", "review", lines=[first, line]), said(Kind.accept), settings.Settings())
    assert found == Check((), ("the note leaves 93592 open, 1 to 3: 1 would be claimed",))


def test_decisions_refuse_what_a_database_cannot_keep(bench: Bench) -> None:
    with pytest.raises(WorklistError) as error:
        bench.decide(kind=Kind.change, lines=ONE_LINE, reason="other", comment="a\0b")
    assert error.value.code == "W026"
    with pytest.raises(WorklistError):
        bench.decide(
            kind=Kind.change, lines=ONE_LINE, reason="modifier", outcomes={"1\u0662": {"outcome": "removed"}}
        )
    assert bench.entry().version == 1
