"""The queue: what it shows, in which order, and that no note is with two coders."""

from __future__ import annotations

import threading
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import insert

from extractor.errors import Conflict, NotFound
from extractor.worklist import queue
from extractor.worklist.database import Store
from extractor.worklist.models import Decision, Entry, FiledSuggestion, Kind, Lane, Revision, Trait, User
from extractor.worklist.queue import (
    LEASE,
    NOBODY,
    Counts,
    Filters,
    choices,
    extend,
    hold,
    lane_counts,
    next_note,
    release,
    rows,
)
from tests.worklist_store import Clock, add_user

SAVED = Filters(
    lane=Lane.review,
    everything=True,
    reason="valve_unstated",
    code="93592",
    operator="Dr A; One & Co",
    since=date(2024, 1, 1),
    until=date(2024, 2, 1),
    valve="mitral",
    fewest=0,
    most=3,
    site="north",
    style="short",
    assignee=NOBODY,
    search="a_%b",
    sort="doubt",
    page=3,
    size=20,
)


def put(
    store: Store, *entries: dict[str, Any], traits: dict[int, list[tuple[str, str]]] | None = None
) -> None:
    """Entries as filing leaves them; what is not named is as usual."""
    usual = {"lane": Lane.ready, "status": "ready", "version": 1}
    with store.writing() as session:
        for number, given in enumerate(entries, 1):
            at = store.clock() - timedelta(hours=len(entries) - number)
            values = {"note_id": f"n{number}", "created_at": at, "changed_at": at, **usual, **given}
            session.add(Entry(id=number, **values))
        session.flush()
        for number, found in (traits or {}).items():
            session.execute(insert(Trait), [{"entry_id": number, "kind": k, "value": v} for k, v in found])


def shown(store: Store, **filters: Any) -> list[int]:
    with store.reading() as session:
        return [row.entry_id for row in rows(session, Filters(**filters), store.clock())]


def change(store: Store, number: int, **values: Any) -> None:
    with store.writing() as session:
        entry = session.get_one(Entry, number)
        for name, value in values.items():
            setattr(entry, name, value)


def decided_by(store: Store, number: int, user: User) -> None:
    with store.writing() as session:
        revision = Revision(
            entry_id=number,
            number=1,
            source="",
            known_as=str(number),
            sha256="",
            standing="final",
            filed_at=store.clock(),
        )
        session.add(revision)
        session.flush()
        session.get_one(Entry, number).revision_id = revision.id
        filed = FiledSuggestion(
            entry_id=number,
            revision_id=revision.id,
            rules_version="",
            status="ready",
            content="{}",
            made_at=store.clock(),
        )
        session.add(filed)
        session.flush()
        session.add(
            Decision(
                entry_id=number,
                revision_id=revision.id,
                suggestion_id=filed.id,
                user_id=user.id,
                kind=Kind.accept,
                lines=[],
                outcomes={},
                made_at=store.clock(),
            )
        )


def test_queue_filters_go_to_an_address_and_back() -> None:
    assert Filters.from_query(SAVED.to_query()) == SAVED
    assert len(SAVED.to_query()) == 17
    assert Filters().to_query() == {}


@pytest.mark.parametrize(
    "query",
    [
        {"lane": "all"},
        {"page": "0"},
        {"page": "-1"},
        {"page": "9" * 30},
        {"fewest": "x"},
        {"most": "²"},
        {"since": "yesterday"},
        {"sort": "units; DROP"},
        {"other": "1"},
    ],
)
def test_queue_filters_that_make_no_sense_do_not_filter(query: dict[str, str]) -> None:
    assert Filters.from_query(query) == Filters()


def test_queue_each_filter_filters(store: Store, clock: Clock) -> None:
    ada = add_user(store, "ada")
    put(
        store,
        {"lane": Lane.review, "site": "north", "style": "short", "operator": "Dr A", "units": 1},
        {"service_date": date(2024, 1, 5), "units": 3, "note_id": "Special_7"},
        {"lane": Lane.done, "assignee_id": ada.id, "units": 2, "service_date": date(2024, 3, 5)},
        traits={
            1: [("reason", "valve_unstated"), ("code", "93590"), ("valve", "mitral")],
            2: [("code", "93590"), ("code", "93592"), ("valve", "aortic")],
        },
    )
    for wanted, filters in [
        ([1, 2, 3], {}),
        ([1], {"lane": Lane.review}),
        ([1], {"reason": "valve_unstated"}),
        ([2], {"code": "93592"}),
        ([1, 2], {"code": "93590"}),
        ([2], {"code": "93590", "valve": "aortic"}),
        ([1], {"code": "93590", "valve": "mitral", "reason": "valve_unstated"}),
        ([], {"code": "93592", "valve": "mitral"}),
        ([], {"code": "valve_unstated"}),
        ([1], {"operator": "Dr A"}),
        ([1], {"site": "north"}),
        ([1], {"style": "short"}),
        ([3], {"since": date(2024, 2, 1)}),
        ([2], {"until": date(2024, 2, 1)}),
        ([2, 3], {"fewest": 2}),
        ([1, 3], {"most": 2}),
        ([3], {"assignee": "ada"}),
        ([1, 2], {"assignee": NOBODY}),
        ([], {"assignee": "bob"}),
        ([2], {"search": "special_"}),
        ([], {"search": "n_"}),
        ([], {"search": "%"}),
    ]:
        assert shown(store, **{"everything": True, **filters}) == wanted, filters


def test_queue_without_a_lane_has_what_waits_in_the_same_order_as_one_lane(store: Store) -> None:
    lanes = (Lane.done, Lane.review, Lane.query, Lane.ready, Lane.none, Lane.edits)
    put(
        store,
        *(
            {"lane": lanes[i % 6], "doubt": i * 7 % 5, "service_date": date(2024, 1, 1 + i * 5 % 9)}
            for i in range(30)
        ),
        {"lane": Lane.review, "service_date": None},
    )
    for sort in ("age", "doubt", "date"):
        waiting = [
            one
            for one in shown(store, sort=sort, everything=True, size=100)
            if one % 6 not in (1, 5) or one == 31
        ]
        assert len(waiting) == 21
        pages = [shown(store, sort=sort, size=4, page=page) for page in range(1, 8)]
        assert [one for page in pages for one in page] == waiting
        assert shown(store, sort=sort, size=100) == waiting


def test_queue_orders(store: Store) -> None:
    put(
        store,
        {"doubt": 1, "service_date": date(2024, 3, 1)},
        {"doubt": 3, "service_date": date(2024, 1, 1)},
        {"doubt": 2, "service_date": date(2024, 2, 1)},
    )
    assert shown(store) == [1, 2, 3]
    assert shown(store, sort="doubt") == [2, 3, 1]
    assert shown(store, sort="date") == [2, 3, 1]
    assert shown(store, sort="date", lane=Lane.ready) == [2, 3, 1]


def test_queue_pages_hold_every_row_once(store: Store, clock: Clock) -> None:
    put(store, *({"created_at": clock()} for _ in range(7)))
    with store.reading() as session:
        pages = [rows(session, Filters(size=3, page=page), clock()) for page in (1, 2, 3, 4)]
    assert [[row.entry_id for row in page] for page in pages] == [[1, 2, 3], [4, 5, 6], [7], []]
    assert [page.more for page in pages] == [True, True, False, False]


def test_queue_row_says_who_has_it(store: Store, clock: Clock) -> None:
    ada, bob = add_user(store, "ada"), add_user(store, "bob")
    put(
        store,
        {"assignee_id": bob.id, "deferred_until": clock() + timedelta(days=1)},
        traits={1: [("code", "93592"), ("code", "93590"), ("valve", "mitral")]},
    )
    hold(store, ada, 1)
    with store.reading() as session:
        (row,) = rows(session, Filters(), clock())
        assert (row.assignee, row.holder, row.deferred_until is not None) == ("bob", "ada", True)
        assert (row.codes, row.valves, row.reasons) == (("93590", "93592"), ("mitral",), ())
        clock.go_on(days=2)
        (row,) = rows(session, Filters(), clock())
        assert (row.holder, row.deferred_until) == ("", None)


def test_queue_counts_lanes_by_the_same_filters(store: Store, clock: Clock) -> None:
    put(store, {"site": "north"}, {"lane": Lane.review, "site": "north"}, {"lane": Lane.review})
    with store.reading() as session:
        counts = lane_counts(session, Filters(), clock())
        assert list(counts) == list(Lane)
        assert (counts[Lane.ready], counts[Lane.review], counts[Lane.done]) == (1, 2, 0)
        north = lane_counts(session, Filters(site="north", lane=Lane.ready, page=9), clock())
    assert (north[Lane.ready], north[Lane.review]) == (1, 1)


def test_queue_counts_may_be_a_little_old(store: Store, clock: Clock) -> None:
    put(store, {}, {})
    old, fresh = Counts(seconds=3600), Counts(seconds=0)
    for wanted_old, wanted in ((2, 2), (2, 1)):
        with store.reading() as session:
            for page in (1, 2):
                assert old.of(session, Filters(page=page), clock())[Lane.ready] == wanted_old
            assert fresh.of(session, Filters(), clock())[Lane.ready] == wanted
            assert old.of(session, Filters(site="north"), clock())[Lane.ready] == 0
        change(store, 1, lane=Lane.done)


def test_queue_whoever_asks_while_lanes_are_counted_gets_the_old_counts(
    store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(store, {})
    counts, meanwhile = Counts(seconds=3600), []
    with store.reading() as session:
        counts.of(session, Filters(), clock())
    change(store, 1, lane=Lane.review)

    def count(*_: Any) -> dict[Lane, int]:
        meanwhile.append(counts.of(session, Filters(), clock()))
        return lane_counts(session, Filters(), clock())

    monkeypatch.setattr(queue, "lane_counts", count)
    monkeypatch.setattr(queue, "monotonic", lambda: float("inf"))
    with store.reading() as session:
        assert counts.of(session, Filters(), clock())[Lane.review] == 1
    assert [one[Lane.ready] for one in meanwhile] == [1]


def test_queue_choices_are_what_is_there(store: Store) -> None:
    put(
        store,
        {"site": "south", "operator": "Dr B"},
        {"site": "north"},
        {"site": "south"},
        traits={1: [("code", "93590"), ("reason", "other_valve")], 2: [("code", "93590")]},
    )
    add_user(store, "ada")
    with store.reading() as session:
        found = choices(session)
    assert (found.sites, found.operators, found.styles) == (("north", "south"), ("Dr B",), ())
    assert (found.codes, found.reasons, found.valves) == (("93590",), ("other_valve",), ())
    assert found.users == ("ada",)


def test_queue_next_is_the_first_that_waits(store: Store) -> None:
    ada, bob = add_user(store, "ada"), add_user(store, "bob")
    put(store, {"lane": Lane.review}, {}, {"lane": Lane.edits}, {"lane": Lane.query}, {"lane": Lane.done})
    assert next_note(store, ada, Filters()) == 1
    assert next_note(store, ada, Filters()) == 1  # the one that is open already
    assert next_note(store, ada, Filters(), skip=[1]) == 2
    assert next_note(store, bob, Filters()) == 3
    assert next_note(store, add_user(store, "eve"), Filters()) is None
    assert next_note(store, bob, Filters(lane=Lane.query)) == 4
    assert next_note(store, bob, Filters(lane=Lane.done)) is None


@pytest.mark.parametrize("sort", ["age", "doubt", "date"])
def test_queue_next_goes_by_the_order_of_the_page(store: Store, sort: Any) -> None:
    lanes = [Lane.ready, Lane.edits, Lane.review]
    put(
        store,
        *(
            {
                "lane": lanes[i % 3],
                "doubt": i * 7 % 5,
                "service_date": date(2024, 1, 1) + timedelta(days=i * 5 % 9),
            }
            for i in range(9)
        ),
    )
    ada = add_user(store, "ada")
    expected = shown(store, sort=sort)
    found = []
    while (number := next_note(store, ada, Filters(sort=sort))) is not None:
        found.append(number)
        change(store, number, lane=Lane.done)
    assert found == expected


def test_queue_next_passes_over_what_is_not_for_this_coder(store: Store, clock: Clock) -> None:
    ada, bob = add_user(store, "ada"), add_user(store, "bob")
    put(store, {"assignee_id": bob.id}, {"deferred_until": clock() + timedelta(hours=1)}, {})
    assert next_note(store, ada, Filters()) == 3
    release(store, ada, 3)
    clock.go_on(hours=1)
    assert next_note(store, ada, Filters()) == 2
    assert next_note(store, bob, Filters()) == 1


def test_queue_second_check_is_for_another_coder(store: Store) -> None:
    ada, bob = add_user(store, "ada"), add_user(store, "bob")
    put(store, {"second_check": True})
    decided_by(store, 1, ada)
    assert next_note(store, ada, Filters()) is None
    assert next_note(store, bob, Filters()) == 1


def test_queue_second_check_of_a_new_text_is_for_whoever_decided_the_old_one(store: Store) -> None:
    ada = add_user(store, "ada")
    put(store, {"second_check": True})
    decided_by(store, 1, ada)
    assert next_note(store, ada, Filters()) is None
    change(store, 1, revision_id=99)
    assert next_note(store, ada, Filters()) == 1


def test_queue_lease_runs_out(store: Store, clock: Clock) -> None:
    ada, bob = add_user(store, "ada"), add_user(store, "bob")
    put(store, {})
    assert next_note(store, ada, Filters()) == 1
    clock.go_on(minutes=14)
    assert next_note(store, bob, Filters()) is None
    extend(store, ada, 1)
    clock.go_on(minutes=14)
    assert next_note(store, bob, Filters()) is None
    clock.go_on(minutes=1)
    assert next_note(store, bob, Filters()) == 1
    with pytest.raises(Conflict, match="bob works on this note until 08:44 UTC"):
        extend(store, ada, 1)


def test_queue_hold_and_release(store: Store, clock: Clock) -> None:
    ada, bob = add_user(store, "ada"), add_user(store, "bob")
    put(store, {}, {})
    assert hold(store, ada, 2) == clock() + LEASE
    with pytest.raises(Conflict) as caught:
        hold(store, bob, 2)
    assert caught.value.code == "W008"
    release(store, bob, 2)  # not bob's to give back
    with pytest.raises(Conflict):
        hold(store, bob, 2)
    release(store, ada, 2)
    assert hold(store, bob, 2, lease=timedelta(minutes=1)) == clock() + timedelta(minutes=1)
    with pytest.raises(NotFound):
        hold(store, ada, 99)


def test_queue_to_look_for_the_next_waits_for_nobody_who_writes(store: Store) -> None:
    ada = add_user(store, "ada")
    put(store, {}, {"lane": Lane.review})
    found: list[int | None] = []

    def look() -> None:
        found.extend(next_note(store, ada, filters) for filters in (Filters(search="z"), Filters(code="1")))

    thread = threading.Thread(target=look)
    with store.writing() as session:
        session.get_one(Entry, 1, with_for_update=True)
        thread.start()
        thread.join(timeout=20)
        assert found == [None, None]


def test_queue_next_looks_again_when_what_it_saw_was_taken(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada, bob = add_user(store, "ada"), add_user(store, "bob")
    put(store, {}, {}, {}, {})
    looks = []

    def ahead(*given: Any) -> list[int]:
        looks.append(seen := look(*given))
        if len(looks) == 1:  # between looking and taking, others are quicker
            hold(store, bob, 1)
            change(store, 2, lane=Lane.done)
            change(store, 3, deferred_until=store.clock() + timedelta(days=1))
            return seen[:3]
        return seen

    look = queue._ahead
    monkeypatch.setattr(queue, "_ahead", ahead)
    assert next_note(store, ada, Filters()) == 4
    assert looks == [[1, 2, 3, 4], [4]]


def test_queue_next_of_a_search_goes_by_the_same_order_and_lanes(store: Store) -> None:
    ada = add_user(store, "ada")
    lanes = [Lane.done, Lane.review, Lane.query, Lane.ready, Lane.none, Lane.edits]
    put(store, *({"lane": lane, "note_id": f"x{n}"} for n, lane in enumerate(lanes)), {"note_id": "y"})
    found = []
    while (number := next_note(store, ada, Filters(search="X"), skip=found)) is not None:
        found.append(number)
    assert found == [2, 4, 6]


def test_queue_two_coders_at_once_never_get_the_same_note(store: Store) -> None:
    coders = [add_user(store, f"coder.{i}") for i in range(8)]
    put(store, *({"lane": (Lane.ready, Lane.review)[i % 2]} for i in range(80)))
    got: dict[int, list[int]] = {coder.id: [] for coder in coders}
    start = threading.Barrier(len(coders))

    def work(coder: User) -> None:
        start.wait()
        while (number := next_note(store, coder, Filters())) is not None:
            got[coder.id].append(number)
            change(store, number, lane=Lane.done)

    threads = [threading.Thread(target=work, args=(coder,)) for coder in coders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    handed = [number for numbers in got.values() for number in numbers]
    assert sorted(handed) == list(range(1, 81))


def test_queue_coders_who_keep_their_notes_have_different_ones(store: Store) -> None:
    coders = [add_user(store, f"coder.{i}") for i in range(12)]
    put(store, *({} for _ in range(12)))
    got: list[int | None] = []
    start = threading.Barrier(len(coders))

    def work(coder: User) -> None:
        start.wait()
        got.append(next_note(store, coder, Filters()))

    threads = [threading.Thread(target=work, args=(coder,)) for coder in coders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(got, key=str) == sorted(range(1, 13), key=str)
