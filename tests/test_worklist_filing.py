"""Filing: what comes onto the worklist, what supersedes it, and what other rules change."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text
from typer.testing import CliRunner

from extractor.cli import app
from extractor.errors import InputError
from extractor.readers import Note, read
from extractor.worklist import settings, trail
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
        Note("a", TWO, standing="preliminary"),
        Note("a", ONE),
        Note("a", ONE, standing="preliminary", served=date(2024, 7, 2)),
    ],
)
def test_filing_another_text_standing_or_date_supersedes(store: Store, says: ToldCoder, other: Note) -> None:
    import_(store, says, Note("a", ONE, standing="preliminary"))
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
    draft = replace(note, note_id="b", standing="preliminary")
    assert import_(store, coder, draft).new == 1
    assert entry_of(store, "b").lane is Lane.review
    assert import_(store, coder, replace(draft, standing="final")).revised == 1
    assert entry_of(store, "b").lane is Lane.ready
    assert resuggest(store, coder, by="system").same == 2


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


# -- versions, addenda and replacements ------------------------------------------------


def told(filed: Filed) -> list[str]:
    return [one.code for one in (*filed.refused, *filed.notices)]


def test_filing_an_older_text_that_comes_again_changes_nothing(store: Store, says: ToldCoder) -> None:
    import_(store, says, Note("a", ONE), Note("a", TWO))
    decide(store, "a", {"93590": 1, "93592": 1})
    before = entry_of(store)
    # A folder with both versions, imported every night.
    for _ in range(2):
        assert import_(store, says, Note("a", ONE), Note("a", TWO)) == Filed(same=1, older=1)
    assert (entry_of(store).version, entry_of(store).lane) == (before.version, Lane.done)
    assert import_(store, says, Note("a", ONE), restore=True) == Filed(revised=1, reopened=1)
    assert entry_of(store).units == 1


def test_filing_follows_the_order_of_versions_that_the_source_tells(store: Store, says: ToldCoder) -> None:
    import_(store, says, Note("a", TWO, revision="20240105"))
    late = import_(store, says, Note("a", ONE, "x.hl7", 3, revision="20240104"))
    assert (late.older, told(late)) == (1, ["N001"])
    assert "x.hl7:3, note a" in str(late.notices[0])
    assert entry_of(store).units == 2
    assert import_(store, says, Note("a", ONE, revision="20240106")).revised == 1
    assert import_(store, says, Note("a", TWO, revision="20240107")).revised == 1  # back again, and meant so
    assert import_(store, says, Note("a", ONE, revision="7")).older == 1  # of another kind: tells nothing


def test_filing_a_draft_does_not_supersede_what_is_signed(store: Store, says: ToldCoder) -> None:
    import_(store, says, Note("a", ONE, revision="1"))
    late = import_(store, says, Note("a", TWO, standing="preliminary", revision="2"))
    assert (late.older, told(late), entry_of(store).units) == (1, ["N001"], 1)
    import_(store, says, Note("b", ONE, standing="preliminary", revision="2"))
    assert import_(store, says, Note("b", TWO, revision="1")).revised == 1


def test_filing_a_source_that_tells_no_date_takes_none_away(store: Store, says: ToldCoder) -> None:
    import_(store, says, Note("a", ONE, served=date(2024, 7, 1)))
    assert import_(store, says, Note("a", ONE)) == Filed(same=1)
    import_(store, says, Note("a", TWO))
    assert entry_of(store).service_date == date(2024, 7, 1)


def test_filing_a_reopened_note_that_then_says_nothing_is_not_lost(store: Store, says: ToldCoder) -> None:
    import_(store, says, Note("a", ONE))
    decide(store, "a", {"93590": 1})  # and exported
    import_(store, says, Note("a", TWO))
    import_(store, says, Note("a", "Nothing at all."))
    assert (entry_of(store).lane, entry_of(store).reopened) == (Lane.review, True)
    says.tell("Nothing at all.", "none", approaches=["transseptal"])
    assert resuggest(store, says, by="system").changed == 1
    assert entry_of(store).lane is Lane.review


def test_filing_a_replacement_takes_the_place_of_its_note(store: Store, says: ToldCoder) -> None:
    import_(store, says, Note("a", ONE))
    decide(store, "a", {"93590": 1})
    assert import_(store, says, Note("b", TWO, replaces=("a",))) == Filed(revised=1, reopened=1)
    assert entry_of(store).units == 2
    with store.reading() as session:
        assert session.query(Entry).count() == 1
    # The first one again, even changed, is replaced; the second one may be revised by its own id.
    assert import_(store, says, Note("a", ONE), Note("b", TWO, replaces=("a",))) == Filed(same=1, older=1)
    assert import_(store, says, Note("a", "Another.")).older == 1
    assert import_(store, says, Note("b", "Nothing.")).revised == 1


def test_filing_an_addendum_with_an_id_of_its_own_joins_the_note_it_names(
    store: Store, says: ToldCoder
) -> None:
    addendum = Note("a-2", "Correction: two plugs.", standing="addendum", parent="a")
    whole = says.tell(f"{ONE}\n\nADDENDUM:\nCorrection: two plugs.", "review", {"93590": 1, "93592": 1})
    # Also where it comes first.
    assert import_(store, says, addendum, Note("a", ONE)) == Filed(new=1, revised=1)
    assert revisions(store)[1].text == whole
    assert import_(store, says, addendum) == Filed(same=1)
    import_(store, says, Note("b", TWO))
    assert told(import_(store, says, replace(addendum, parent="b", standing="preliminary"))) == ["N001"]
    assert import_(store, says, replace(addendum, parent="b")) == Filed(revised=1)
    assert import_(store, says, replace(addendum, parent="gone")) == Filed(skipped=1)


def test_filing_three_versions_far_apart_keep_their_order(store: Store, says: ToldCoder) -> None:
    third = says.tell("Three plugs.", units={"93590": 3})
    others = [Note(f"n{i}", f"{i}") for i in range(450)]
    import_(store, says, Note("a", ONE), Note("a", TWO), *others, Note("a", third))
    assert [one.text for one in revisions(store) if one.entry_id == entry_of(store).id] == [ONE, TWO, third]


def test_filing_an_addendum_joins_the_text_of_now(store: Store, says: ToldCoder) -> None:
    class Slow(ToldCoder):
        def pipe(self, notes: Any, workers: int = 1) -> Any:
            found = list(super().pipe(notes))
            if len(self.seen) == 1:
                import_(store, says, Note("a", TWO))  # a revision, between reading and filing
            yield from found

    import_(store, says, Note("a", ONE))
    import_(store, Slow(says._suggest), Note("a", "More.", standing="addendum"))
    assert [one.text for one in revisions(store)] == [ONE, TWO, f"{TWO}\n\nADDENDUM:\nMore."]


def test_filing_an_addendum_without_the_text_of_its_note_leaves_its_letterhead(
    store: Store, says: ToldCoder
) -> None:
    first = says.tell("Operator: Dr A. One\nDate of procedure: 01/05/2024\nOne plug.", units={"93590": 1})
    import_(store, says, Note("a", first), keep_text=False)
    before = entry_of(store)
    assert (before.operator, before.service_date) == ("Dr A. One", date(2024, 1, 5))
    import_(store, says, Note("a", "Date of procedure: 02/02/2024", standing="addendum"), keep_text=False)
    after = entry_of(store)
    assert (after.operator, after.service_date) == ("Dr A. One", date(2024, 1, 5))


def test_filing_an_id_that_cannot_be_kept_costs_that_note_only(store: Store, says: ToldCoder) -> None:
    filed = import_(store, says, Note("a\0b", ONE), Note("stdin", ONE, "-"), Note("b", ONE))
    assert (filed.new, told(filed)) == (1, ["W009", "W009"])


def test_filing_tells_of_the_same_text_under_another_id(store: Store, says: ToldCoder) -> None:
    import_(store, says, Note("a", ONE))
    filed = import_(store, says, Note("b", ONE, "x.jsonl", 1), Note("c", TWO), Note("d", TWO))
    assert (filed.new, told(filed)) == (3, ["N024", "N024"])
    assert "x.jsonl:1, note b: the worklist has the same text as note a" in str(filed.notices[0])


def test_filing_by_two_imports_at_once_makes_one_entry_of_a_note(store: Store, says: ToldCoder) -> None:
    notes = [Note(f"n{number}", f"{ONE} {number}") for number in range(300)]

    def run(_: int) -> Filed:
        coder = ToldCoder(says._suggest)
        return file_notes(store, notes, coder, by="system", keep_none=True)

    with ThreadPoolExecutor(3) as pool:
        filed = list(pool.map(run, range(3)))
    assert (sum(one.new for one in filed), sum(one.same for one in filed)) == (300, 600)
    with store.reading() as session:
        assert trail.verify(session).rows == 300


def test_filing_other_rules_tell_of_companions_too(store: Store, says: ToldCoder) -> None:
    import_(store, says, Note("a", ONE))
    decide(store, "a", {"93590": 1})
    says.tell(ONE, units={"93590": 1}, companions=[{"code": "93462", "units": 1, "message": "m"}])
    (found,) = resuggest(store, says, by="system").decided
    assert (found.suggested, found.now) == ({"93590": 1}, {"93590": 1, "93462": 1})


def mdm(event: str, minute: int, words: str, number: str = "D1", parent: str = "") -> str:
    header = f"MSH|^~\\&|A|H|PVL|H|2024010510{minute:02}||MDM^{event}|c{minute}|P|2.5.1"
    document = f"TXA|1|OP||20240105||||||||{number}|{parent}||||AU"
    return "\r".join([header, document, f"OBX|1|TX|||{words}||||||F", ""])


def document(number: str, words: str, minute: int, relation: str = "", target: str = "") -> str:
    data = base64.b64encode(words.encode()).decode()
    resource: dict[str, Any] = {
        "resourceType": "DocumentReference",
        "id": number,
        "status": "current",
        "date": f"2024-01-05T10:{minute:02}:00Z",
        "content": [{"attachment": {"contentType": "text/plain", "data": data}}],
    }
    if relation:
        resource["relatesTo"] = [{"code": relation, "target": {"reference": f"DocumentReference/{target}"}}]
    return json.dumps(resource)


@pytest.mark.parametrize(
    ("suffix", "said"),
    [
        (
            "hl7",
            [
                mdm("T02", 1, ONE),
                mdm("T06", 2, "Two.", "D1a", "D1"),
                mdm("T06", 3, "Three."),
                mdm("T10", 4, TWO, "D2", "D1"),
                mdm("T02", 1, ONE),
            ],
        ),
        (
            "json",
            [
                document("D1", ONE, 1),
                document("D1a", "Two.", 2, "appends", "D1"),
                document("D1b", "Three.", 3, "appends", "D1"),
                document("D2", TWO, 4, "replaces", "D1"),
                document("D1", ONE, 1),
            ],
        ),
    ],
)
def test_filing_a_feed_bit_by_bit_ends_as_at_once(
    store: Store, says: ToldCoder, tmp_path: Path, suffix: str, said: list[str]
) -> None:
    for number, message in enumerate(said):
        file = tmp_path / f"{number}.{suffix}"
        file.write_text(message)
        errors: list[InputError] = []
        filed = import_(store, says, *read([str(file)], errors.append), keep_none=True)
        assert (filed.new, filed.revised, filed.older, errors) == (
            number == 0,
            0 < number < 4,
            number == 4,
            [],
        )
    added = f"{ONE}\n\nADDENDUM:\nTwo."
    assert [one.text for one in revisions(store)] == [ONE, added, f"{added}\n\nADDENDUM:\nThree.", TWO]


def test_cli_worklist_import_keeps_no_text_where_the_site_says_so(
    store: Store, database_url: str, tmp_path: Path, fake_coder: Any
) -> None:
    settings.write(store, "command line", keep_text=False)
    (tmp_path / "a.txt").write_text(ONE)
    result = CliRunner().invoke(
        app, ["worklist", "import", str(tmp_path / "a.txt"), "--keep-none", "--database", database_url]
    )
    assert (result.exit_code, [one.text for one in revisions(store)]) == (0, [None])
