"""Filing: what comes onto the worklist, what supersedes it, and what other rules change."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from sqlalchemy import select, text
from typer.testing import CliRunner

from extractor.cli import app
from extractor.readers import Note
from extractor.worklist import trail
from extractor.worklist.database import Store
from extractor.worklist.filing import (
    Filed,
    Label,
    difference,
    doubt_of,
    file_notes,
    lane_of,
    line_difference,
    operator_of,
    resuggest,
    sha256,
    traits_of,
)
from extractor.worklist.models import Decision, Entry, FiledSuggestion, Kind, Lane, Revision, TrailRow
from tests.worklist_store import Clock, ToldCoder, add_user

ONE, TWO = "One plug was deployed.", "Two plugs were deployed."
EDIT = {
    "table": "mue",
    "edition": "2024-07-01",
    "setting": "practitioner",
    "severity": "warning",
    "codes": ["93590"],
    "message": "m",
}


@pytest.fixture
def says(told_coder: ToldCoder) -> ToldCoder:
    told_coder.tell(ONE, units={"93590": 1})
    told_coder.tell(TWO, units={"93590": 1, "93592": 1})
    return told_coder


def import_(store: Store, coder: Any, *notes: Note, **more: Any) -> Filed:
    return file_notes(store, notes, coder, by="system", **more)


def entry_of(store: Store, note_id: str = "a") -> Entry:
    with store.reading() as session:
        return session.scalars(select(Entry).where(Entry.note_id == note_id)).one()


def revisions(store: Store) -> list[Revision]:
    with store.reading() as session:
        return list(session.scalars(select(Revision).order_by(Revision.id)))


def decide(store: Store, note_id: str, units: dict[str, int]) -> None:
    user = add_user(store, f"coder.of.{note_id}")
    with store.writing() as session:
        entry = session.scalars(select(Entry).where(Entry.note_id == note_id)).one()
        decision = Decision(
            entry_id=entry.id,
            revision_id=entry.revision_id,
            suggestion_id=entry.suggestion_id,
            user_id=user.id,
            kind=Kind.accept,
            lines=[{"code": code, "units": number, "modifiers": []} for code, number in units.items()],
            outcomes={},
            made_at=store.clock(),
        )
        session.add(decision)
        session.flush()
        entry.lane, entry.decision_id, entry.exported_at = Lane.done, decision.id, store.clock()


def test_filing_a_note_twice_changes_nothing(store: Store, says: ToldCoder, clock: Clock) -> None:
    note = Note("a", ONE, "x.jsonl", 7, served=date(2024, 7, 1))
    assert import_(store, says, note, label=Label("north", "short")) == Filed(new=1)
    before = entry_of(store)
    clock.go_on(days=1)
    assert import_(store, says, note) == Filed(same=1)
    after = entry_of(store)
    assert len(says.seen) == 1
    assert (after.version, after.changed_at) == (before.version, before.changed_at)
    assert (after.lane, after.units, after.site, after.style) == (Lane.ready, 1, "north", "short")
    assert after.service_date == date(2024, 7, 1)
    with store.reading() as session:
        assert session.query(TrailRow).count() == 1


@pytest.mark.parametrize(
    "other",
    [
        Note("a", TWO),
        Note("a", ONE, standing="preliminary"),
        Note("a", ONE, served=date(2024, 7, 2)),
    ],
)
def test_filing_another_text_standing_or_date_supersedes(store: Store, says: ToldCoder, other: Note) -> None:
    import_(store, says, Note("a", ONE))
    first = entry_of(store)
    assert import_(store, says, other) == Filed(revised=1)
    second = entry_of(store)
    assert second.version == first.version + 1
    assert not second.reopened
    assert [one.number for one in revisions(store)] == [1, 2]
    assert second.revision_id == revisions(store)[1].id
    with store.reading() as session:
        assert session.query(FiledSuggestion).count() == 2


def test_filing_a_new_text_opens_a_decided_note_again(store: Store, says: ToldCoder) -> None:
    import_(store, says, Note("a", ONE))
    decide(store, "a", {"93590": 1})
    assert import_(store, says, Note("a", TWO)) == Filed(revised=1, reopened=1)
    entry = entry_of(store)
    assert (entry.lane, entry.reopened, entry.decision_id, entry.exported_at) == (
        Lane.ready,
        True,
        None,
        None,
    )
    assert entry.units == 2
    with store.reading() as session:
        kept = session.scalars(select(Decision)).one()
        row = session.scalars(select(TrailRow).order_by(TrailRow.id.desc())).first()
    assert kept.lines[0]["units"] == 1
    assert row is not None
    assert row.action == "reopen"
    assert json.loads(row.before)["decision"] == kept.id
    assert json.loads(row.after)["decision"] is None


def test_filing_a_decided_note_that_now_says_nothing_is_for_a_person(store: Store, says: ToldCoder) -> None:
    import_(store, says, Note("a", ONE), Note("b", ONE))
    decide(store, "a", {"93590": 1})
    assert import_(store, says, Note("a", "Nothing."), Note("b", "Nothing.")).revised == 2
    assert entry_of(store, "a").lane is Lane.review
    assert entry_of(store, "b").lane is Lane.none


def test_filing_leaves_out_what_concerns_no_closure(store: Store, says: ToldCoder) -> None:
    assert import_(store, says, Note("a", "A hip."), Note("b", ONE)) == Filed(new=1, skipped=1)
    assert import_(store, says, Note("a", "A hip."), keep_none=True) == Filed(new=1)
    assert entry_of(store, "a").lane is Lane.none


def test_filing_without_texts_keeps_hashes_only(store: Store, says: ToldCoder) -> None:
    note = Note("a", ONE, "x.jsonl", 3)
    import_(store, says, note, keep_text=False)
    kept = revisions(store)[0]
    assert (kept.text, kept.sha256, kept.source, kept.line) == (None, sha256(ONE), "x.jsonl", 3)
    assert import_(store, says, note, keep_text=False) == Filed(same=1)
    with store.reading() as session:
        for table in ("entries", "revisions", "trail"):
            assert "plug" not in str(session.execute(text(f"SELECT * FROM {table}")).all())


def test_filing_an_addendum_that_comes_later_joins_its_note(store: Store, says: ToldCoder) -> None:
    addendum = Note("a", "Correction: two plugs.", "later.hl7", standing="addendum")
    whole = says.tell(f"{ONE}\n\nADDENDUM:\nCorrection: two plugs.", "review", {"93590": 1, "93592": 1})
    import_(store, says, Note("a", ONE))
    decide(store, "a", {"93590": 1})
    assert import_(store, says, addendum) == Filed(revised=1, reopened=1)
    assert (revisions(store)[1].text, revisions(store)[1].standing) == (whole, "final")
    assert entry_of(store).lane is Lane.review
    # Neither the addendum nor the note it belongs to is news now, in any order.
    assert import_(store, says, Note("a", ONE), addendum, Note("a", ONE)) == Filed(same=3)


def test_filing_an_addendum_to_a_text_that_is_not_kept(store: Store, says: ToldCoder) -> None:
    notes = [Note("a", ONE), Note("a", "Correction.", standing="addendum")]
    for note in notes:
        import_(store, says, note, keep_text=False)
    assert [one.standing for one in revisions(store)] == ["final", "addendum"]
    for note in notes:
        assert import_(store, says, note, keep_text=False) == Filed(same=1)


def test_filing_two_texts_of_one_note_at_once_keeps_both_in_order(store: Store, says: ToldCoder) -> None:
    assert import_(store, says, Note("a", ONE), Note("b", ONE), Note("a", TWO)) == Filed(new=2, revised=1)
    assert [one.text for one in revisions(store) if one.entry_id == entry_of(store).id] == [ONE, TWO]
    assert entry_of(store).units == 2


def test_filing_is_not_confused_by_another_import_at_the_same_time(store: Store, says: ToldCoder) -> None:
    class Slow(ToldCoder):
        def pipe(self, notes: Any, workers: int = 1) -> Any:
            found = list(super().pipe(notes))
            if len(self.seen) == 1:
                import_(store, says, Note("a", ONE))  # between reading and filing
            yield from found

    slow = Slow(says._suggest)
    slow.told = says.told
    assert import_(store, slow, Note("a", ONE)) == Filed(same=1)
    assert len(revisions(store)) == 1


def test_filing_an_id_that_is_too_long_costs_that_note_only(store: Store, says: ToldCoder) -> None:
    filed = import_(store, says, Note("x" * 600, ONE, "notes.jsonl", 4), Note("b", ONE))
    assert (filed.new, [error.code for error in filed.refused]) == (1, ["W009"])
    assert str(filed.refused[0]).startswith("[W009] notes.jsonl:4:")


def test_filing_many_notes_in_batches(store: Store, says: ToldCoder) -> None:
    notes = [Note(f"n{i}", ONE if i % 2 else "A hip.") for i in range(450)]
    assert import_(store, says, *notes) == Filed(new=225, skipped=225)
    assert import_(store, says, *notes) == Filed(same=225, skipped=225)
    with store.reading() as session:
        verdict = trail.verify(session)
        assert (verdict.rows, verdict.wrong, list(trail.verify_seals(session))) == (225, None, [])


def test_filing_much_lets_the_database_look_over_it(
    store: Store, says: ToldCoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("extractor.worklist.filing._MANY", 3)
    import_(store, says, *(Note(f"n{i}", ONE) for i in range(5)))
    if store.engine.dialect.name == "postgresql":
        with store.reading() as session:
            known = session.scalar(text("SELECT reltuples FROM pg_class WHERE relname = 'entries'"))
        assert known == 5
    assert import_(store, says, Note("n0", ONE)) == Filed(same=1)


def test_filing_lanes(make_suggestion: Callable[..., Any]) -> None:
    cases = [
        (make_suggestion("a", "none"), Lane.none),
        (make_suggestion("a", "ready"), Lane.ready),
        (make_suggestion("a", "ready", edits=[{**EDIT, "severity": "info"}]), Lane.ready),
        (make_suggestion("a", "ready", edits=[EDIT]), Lane.edits),
        (make_suggestion("a", "ready", edits=[{**EDIT, "severity": "error"}]), Lane.edits),
        (make_suggestion("a", "review", edits=[EDIT]), Lane.review),
    ]
    assert [lane_of(suggestion) for suggestion, _ in cases] == [lane for _, lane in cases]


def test_filing_doubt_and_traits(make_suggestion: Callable[..., Any]) -> None:
    line = {"code": "93590", "units": 1, "low": 1, "high": 3, "role": "r"}
    devices = [
        {"number": 1, "valve": "mitral", "product": None, "size": None, "outcome": "implanted"},
        {"number": 2, "valve": "aortic", "product": None, "size": None, "outcome": "prior"},
    ]
    given = make_suggestion(
        "a",
        "review",
        lines=[line],
        devices=devices,
        reasons=[{"code": "valve_unstated", "message": "m"}],
        companions=[{"code": "93462", "units": 1, "message": "m"}],
    )
    assert doubt_of(given) == 3
    assert traits_of(given) == {
        ("code", "93590"),
        ("code", "93462"),
        ("reason", "valve_unstated"),
        ("valve", "mitral"),
    }


@pytest.mark.parametrize(
    ("letterhead", "name"),
    [
        ("OPERATORS: Dr A. One, Dr B. Two", "Dr A. One, Dr B. Two"),
        ("  Primary operator : A. One, MD\nMRN: 1", "A. One, MD"),
        ("Performed by: A. One | Room: 2", "A. One"),
        ("Operator: A. One MRN: 0001 Name: Testperson", ""),
        ("Operator: A. One MRN 00012345", ""),
        ("Operator:\nName: Testperson", ""),
        ("Operator: " + "A" * 90, ""),
        ("Operator: -", ""),
        ("The operator: deployed", ""),
        ("Patient: Testperson", ""),
    ],
)
def test_filing_operator_only_where_it_is_sure(letterhead: str, name: str) -> None:
    assert operator_of(f"REPORT\n{letterhead}\n\nOne plug.") == name


def test_filing_difference_has_every_line_of_both() -> None:
    before, now = "a\nb\nc\nd", "a\nc\nx\nd\ne"
    found = difference(before, now)
    assert [line.text for line in found if line.kind != "added"] == before.splitlines()
    assert [line.text for line in found if line.kind != "removed"] == now.splitlines()
    assert sum(line.kind == "same" for line in found) == 3


def test_filing_difference_of_units(make_suggestion: Callable[..., Any]) -> None:
    def of(**units: int) -> Any:
        lines = [
            {"code": code[1:], "units": number, "low": 1, "high": 1, "role": "r"}
            for code, number in units.items()
        ]
        return make_suggestion("a", "ready", lines=lines)

    found = line_difference(of(c93590=1, c93592=2), of(c93591=1, c93592=1))
    assert [(one.code, one.before, one.now) for one in found] == [
        ("93590", 1, 0),
        ("93591", 0, 1),
        ("93592", 2, 1),
    ]


def test_filing_other_rules_change_undecided_notes_and_tell_of_decided(store: Store, says: ToldCoder) -> None:
    import_(store, says, Note("decided", ONE), Note("open", ONE), Note("alike", TWO))
    decide(store, "decided", {"93590": 1})
    kept, alike = entry_of(store, "decided"), entry_of(store, "alike")
    says.rules = "rules-2"
    says.tell(ONE, "review", {"93590": 2})
    found = resuggest(store, says, by="system")
    assert (found.changed, found.same, found.without_text) == (1, 1, 0)
    assert [(one.note_id, one.decided, one.suggested, one.now, one.status) for one in found.decided] == [
        ("decided", {"93590": 1}, {"93590": 1}, {"93590": 2}, ("ready", "review"))
    ]
    assert entry_of(store, "decided").suggestion_id == kept.suggestion_id
    assert entry_of(store, "decided").version == kept.version
    changed = entry_of(store, "open")
    assert (changed.lane, changed.units, changed.version) == (Lane.review, 2, 2)
    # What says the same by the new rules has them, and a page that is open stays good.
    assert entry_of(store, "alike").suggestion_id != alike.suggestion_id
    assert entry_of(store, "alike").version == alike.version
    assert resuggest(store, says, by="system").same == 2
    with store.reading() as session:
        assert (trail.verify(session).wrong, session.query(TrailRow).count()) == (None, 6)


def test_filing_other_rules_need_the_text_of_then(store: Store, says: ToldCoder) -> None:
    import_(store, says, Note("a", ONE), Note("b", ONE), keep_text=False)
    says.rules = "rules-2"
    assert resuggest(store, says, by="system").without_text == 2
    entry = entry_of(store, "a").id
    found = resuggest(store, says, by="system", texts=lambda r: ONE if r.entry_id == entry else TWO)
    assert (found.same, found.without_text) == (1, 1)


def test_filing_other_rules_leave_an_asked_note_with_its_query(store: Store, says: ToldCoder) -> None:
    import_(store, says, Note("a", ONE))
    with store.writing() as session:
        session.scalars(select(Entry)).one().lane = Lane.query
    says.tell(ONE, "review", {"93590": 2})
    assert resuggest(store, says, by="system").changed == 1
    assert entry_of(store).lane is Lane.query


def test_filing_real_notes(store: Store, coder: Any) -> None:
    note = Note("a", "Operator: Dr A. One\nMitral paravalvular leak closure. A 12 mm AVP II was released.")
    assert import_(store, coder, note).new == 1
    entry = entry_of(store)
    assert (entry.lane, entry.units, entry.operator) == (Lane.ready, 1, "Dr A. One")
    assert import_(store, coder, replace(note, standing="preliminary")).revised == 1
    assert entry_of(store).lane is Lane.review
    assert resuggest(store, coder, by="system").same == 1


def test_cli_worklist_import_resuggest_verify(database_url: str, tmp_path: Any, fake_coder: Any) -> None:
    def pvl(*arguments: str, status: int = 0) -> str:
        result = CliRunner().invoke(app, ["worklist", *arguments], env={"PVL_DATABASE_URL": database_url})
        assert result.exit_code == status, result.output
        return result.output

    notes = tmp_path / "notes"
    notes.mkdir()
    (notes / "a.txt").write_text(ONE)
    (notes / "bad.txt").write_text("")
    said = pvl("import", str(notes), "--keep-none", status=1)
    assert "1 new" in said
    assert "[I005]" in said
    assert "1 as before" in pvl("import", str(notes / "a.txt"))
    assert "1 as before" in pvl("resuggest")
    whole = pvl("verify")
    assert whole.startswith("1 rows, all as they were recorded")
    noted = whole.split()[-1]
    pvl("verify", "--expect", noted)
    assert "[W011]" in pvl("verify", "--expect", "0" * 63 + "1", status=1)
    store = Store(database_url)
    with store.writing() as session:
        session.execute(text("UPDATE revisions SET text = 'Three plugs.'"))
    store.close()
    said = pvl("verify", status=1)
    assert "revision 1 was changed" in said
    assert "plugs" not in said


def test_cli_worklist_without_a_database_is_one_line() -> None:
    result = CliRunner().invoke(
        app, ["worklist", "verify", "--database", "postgresql://u:word@127.0.0.1:1/x"]
    )
    assert result.exit_code == 1
    assert result.output.startswith("pvl: [W002] postgresql://127.0.0.1:1/x: ")
    assert "word@" not in result.output
