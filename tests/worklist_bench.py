"""A worklist with people and notes on it, for tests of what coders do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select

from extractor.readers import Note
from extractor.worklist import settings
from extractor.worklist.database import Store
from extractor.worklist.decisions import Coded, decide, undo
from extractor.worklist.filing import Label, file_notes
from extractor.worklist.models import Decision, Entry, Kind, Role, TrailRow, User
from extractor.worklist.trail import verify, verify_seals
from tests.worklist_store import Clock, ToldCoder, add_user

TWO = {"93590": 1, "93592": 1}
ONE_LINE = (Coded("93590", 1),)
TWO_LINES = (Coded("93590", 1), Coded("93592", 1))
PEOPLE = {"ada": "coder", "bo": "coder", "lea": "lead", "lin": "lead", "eye": "auditor"}


@dataclass
class Bench:
    """Coders, leads and an auditor; notes suggest two devices at the mitral valve unless told otherwise."""

    store: Store
    told: ToldCoder
    clock: Clock
    users: dict[str, User] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.users = {name: add_user(self.store, name, Role(role)) for name, role in PEOPLE.items()}
        self.set(second_check_share=0.0)

    def file(
        self, *note_ids: str, text: str = "", label: Label | None = None, keep: bool = True, **told: Any
    ) -> None:
        given = {"status": "ready", "units": TWO, **told}
        notes = [Note(one, self.told.tell(f"{one}: {text or 'a note'}", **given)) for one in note_ids]
        file_notes(self.store, notes, self.told, by="import", label=label, keep_text=keep, keep_none=True)

    def entry(self, note_id: str = "a") -> Entry:
        with self.store.reading() as session:
            return session.scalars(select(Entry).where(Entry.note_id == note_id)).one()

    def decide(
        self,
        who: str = "ada",
        note_id: str = "a",
        kind: Kind = Kind.accept,
        lines: Sequence[Coded] | None = None,
        **more: Any,
    ) -> Decision:
        entry = self.entry(note_id)
        return decide(self.store, self.users[who], entry.id, entry.version, kind, lines, **more)

    def undo(self, decision: Decision, who: str = "ada", note_id: str = "a") -> Entry:
        return undo(self.store, self.users[who], decision.id, self.entry(note_id).version)

    def set(self, **changes: Any) -> None:
        settings.write(self.store, "command line", **changes)

    def trail(self, action: str) -> list[TrailRow]:
        """The rows of an action; the whole trail is checked by the way."""
        with self.store.reading() as session:
            assert verify(session).wrong is None
            assert [*verify_seals(session)] == []
            found = select(TrailRow).where(TrailRow.action == action).order_by(TrailRow.id)
            return list(session.scalars(found))
