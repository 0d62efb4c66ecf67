"""Asking: queries from the draft to the answer, and what is objected to in them."""

from __future__ import annotations

import json

import pytest

from extractor.compliance import concerns
from extractor.errors import Conflict, NotAllowed, NotFound, WorklistError
from extractor.evaluate import Labelled
from extractor.suggestion import Suggestion
from extractor.worklist import asking
from extractor.worklist.database import Store
from extractor.worklist.models import FiledQuery, Lane, QueryState
from tests.worklist_bench import Bench
from tests.worklist_store import Clock, ToldCoder

TEXT = "Which devices remained? [Jane Testperson]"
CHOICE = "What remained?\n[ ] One device\n[ ] Two devices\n[ ] Other: ____\n[ ] Unable to determine"


@pytest.fixture
def bench(store: Store, told_coder: ToldCoder, clock: Clock) -> Bench:
    made = Bench(store, told_coder, clock)
    reason = {"code": "device_count_conflict", "message": "two or three"}
    made.file("a", status="review", reasons=[reason])
    return made


def draft(
    bench: Bench, text: str = TEXT, who: str = "ada", reason: str = "device_count_conflict"
) -> FiledQuery:
    entry = bench.entry()
    return asking.draft(bench.store, bench.users[who], entry.id, entry.version, reason, text)


def send(bench: Bench, query: FiledQuery, who: str = "ada", anyway: bool = False) -> FiledQuery:
    return asking.send(bench.store, bench.users[who], query.id, bench.entry().version, anyway)


def kept(bench: Bench) -> list[tuple[QueryState, str]]:
    with bench.store.reading() as session:
        return [(one.state, one.text) for one in asking.queries_of(session, bench.entry().id)]


def test_asking_goes_from_draft_to_answer_and_the_entry_waits_between(bench: Bench) -> None:
    query = draft(bench)
    assert bench.entry().lane is Lane.review
    asking.save(bench.store, bench.users["ada"], query.id, bench.entry().version, CHOICE)
    send(bench, query)
    assert bench.entry().lane is Lane.query
    with pytest.raises(Conflict) as error:
        bench.decide()
    assert error.value.code == "W027"
    asking.answer(bench.store, bench.users["bo"], query.id, bench.entry().version, "Two.")
    assert bench.entry().lane is Lane.review
    with bench.store.reading() as session:
        (found,) = asking.queries_of(session, bench.entry().id)
    assert (found.state, found.text, found.answer) == (QueryState.answered, CHOICE, "Two.")
    bench.decide()
    assert bench.entry().lane is Lane.done


def test_asking_tells_the_trail_everything_but_the_words(bench: Bench) -> None:
    query = draft(bench)
    send(bench, query)
    asking.answer(
        bench.store, bench.users["ada"], query.id, bench.entry().version, "Jane Testperson had two."
    )
    for action in ("query drafted", "query sent", "query answered"):
        (row,) = bench.trail(action)
        assert (row.by, row.about, row.entry_id) == ("ada", f"query {query.id}", bench.entry().id)
        assert "Jane" not in row.before + row.after + row.reason
        assert len(json.loads(row.after)["text"]) == 64


def test_asking_is_back_in_its_lane_when_the_last_query_is_withdrawn(bench: Bench) -> None:
    first, second = draft(bench), draft(bench, CHOICE, reason=asking.OWN)
    for query in (first, second):
        send(bench, query)
    asking.withdraw(bench.store, bench.users["ada"], first.id, bench.entry().version)
    assert bench.entry().lane is Lane.query
    asking.withdraw(bench.store, bench.users["ada"], second.id, bench.entry().version)
    assert bench.entry().lane is Lane.review
    assert [state for state, _ in kept(bench)] == [QueryState.withdrawn] * 2


def test_asking_a_draft_is_withdrawn_without_a_change_of_lane(bench: Bench) -> None:
    query = draft(bench)
    asking.withdraw(bench.store, bench.users["ada"], query.id, bench.entry().version)
    assert bench.entry().lane is Lane.review


def test_asking_sends_what_is_not_neutral_only_when_told_to(bench: Bench) -> None:
    query = draft(bench, "Please confirm that 93592 has two units.")
    with pytest.raises(WorklistError) as error:
        send(bench, query)
    assert error.value.code == "W032"
    assert "confirm" not in str(error.value)
    assert kept(bench)[0][0] is QueryState.draft
    send(bench, query, anyway=True)
    (row,) = bench.trail("query sent")
    assert row.reason == "sent anyway"
    empty = draft_after(bench, query)
    with pytest.raises(WorklistError):
        send(bench, empty, anyway=True)


def draft_after(bench: Bench, query: FiledQuery) -> FiledQuery:
    asking.withdraw(bench.store, bench.users["ada"], query.id, bench.entry().version)
    return draft(bench, " ")


def test_asking_never_changes_what_was_sent(bench: Bench) -> None:
    query = send(bench, draft(bench))
    version = bench.entry().version
    for change in (
        lambda: asking.save(bench.store, bench.users["ada"], query.id, version, "Other words?"),
        lambda: send(bench, query),
    ):
        with pytest.raises(Conflict):
            change()
    assert kept(bench) == [(QueryState.sent, TEXT)]


def test_asking_refuses_stale_pages_other_roles_and_unknown_queries(bench: Bench) -> None:
    query = draft(bench)
    ada, version = bench.users["ada"], bench.entry().version
    with pytest.raises(Conflict):
        asking.save(bench.store, ada, query.id, version - 1, "Late?")
    with pytest.raises(NotFound):
        asking.save(bench.store, ada, 999, version, "What?")
    with pytest.raises(NotAllowed):
        asking.save(bench.store, bench.users["eye"], query.id, version, "What?")
    with pytest.raises(Conflict):
        asking.answer(bench.store, ada, query.id, version, "an answer to a draft")
    for text, reason in (("x" * 20_001, asking.OWN), ("a\0b", asking.OWN), ("What?", "valve_conflict")):
        with pytest.raises(WorklistError) as error:
            draft(bench, text, reason=reason)
        assert error.value.code == "W031"
    with pytest.raises(WorklistError):
        asking.answer(bench.store, ada, query.id, version, " ")
    assert kept(bench) == [(QueryState.draft, TEXT)]


def test_asking_of_a_decided_note_waits_for_its_undoing(bench: Bench) -> None:
    query = draft(bench)
    bench.decide()
    with pytest.raises(Conflict):
        send(bench, query)
    with pytest.raises(Conflict):
        draft(bench)
    assert bench.entry().lane is Lane.done


# -- compliance --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        (CHOICE, []),
        ("Which devices remained implanted?", []),
        ("Is 93592 right?", ["word"]),
        ("How many units were left in?", ["word"]),
        ("It costs $4,000 or 4000 €.", ["word", "word"]),
        ("So that we can bill it?", ["word", "leading"]),
        ("Please\nconfirm that two remained.", ["leading"]),
        ("The record states:\n- “Please confirm the count” (text, line 2)\nWhat remained?", []),
        ("The record states:\n- “a text” (text, line 2). Please confirm it.", ["leading"]),
        ("What remained?\n[ ] Two\n[ ] Three", ["options", "options"]),
        ("What remained?\n[ ] Two\n[ ] Other: ____\n[ ] Unable to determine", ["options"]),
        ("What remained?\n[ ] Devices: ____\n[ ] Other: ____\n[ ] Unable to determine", []),
        ("", ["options"]),
        ("The codeine was given; a billowing leaflet; 19359 ml", []),
    ],
)
def test_compliance_concerns_name_what_is_wrong(text: str, kinds: list[str]) -> None:
    found = concerns(text)
    assert [one.kind for one in found] == kinds
    for one in found:
        assert one.kind == "options" or " ".join(text[one.start : one.end].split()) in one.message


def test_compliance_has_nothing_against_what_the_software_drafts(
    gold: list[Labelled], gold_suggestions: list[Suggestion]
) -> None:
    texts = [query.text for suggestion in gold_suggestions for query in suggestion.queries]
    assert len(texts) > 200
    assert [text for text in texts if concerns(text)] == []
