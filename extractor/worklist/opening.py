"""Opening a note: who looks at it is in the trail, and a coder who may work on it holds it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from extractor.errors import NotFound
from extractor.suggestion import Suggestion
from extractor.worklist.database import Store
from extractor.worklist.decisions import DECIDERS, must_code_blind, not_for
from extractor.worklist.filing import Difference as TextLine
from extractor.worklist.filing import difference
from extractor.worklist.models import Decision, Entry, FiledQuery, FiledSuggestion, Lane, Revision, Role, User
from extractor.worklist.queue import LEASE
from extractor.worklist.settings import Settings
from extractor.worklist.trail import Happening, record

OPEN = "open"
"""Action of the trail: somebody looked at a note."""

FETCHED = "query fetched"
"""Action of the trail: somebody took the words of a query."""

_MOST_COMPARED = 200_000  # characters of a text
_MOST_LINES = 3_000


@dataclass(frozen=True, slots=True)
class Opened:
    """A note as somebody opened it.

    Attributes
    ----------
    entry, revision, filed
        The entry, its text and its suggestion of now.
    assignee
        Name of the user to whom it is assigned.
    blind
        The suggestion must not be shown to this user yet.
    apart
        Neither must what the first coder decided: this user is to check it.
    hindrance
        Why this user cannot decide about it now; empty where that is possible.
    """

    entry: Entry
    revision: Revision
    filed: FiledSuggestion
    assignee: str
    blind: bool
    apart: bool
    hindrance: str

    @property
    def suggestion(self) -> Suggestion:
        """What was suggested."""
        return Suggestion.model_validate_json(self.filed.content)


def open_note(
    store: Store,
    user: User,
    entry_id: int,
    settings: Settings,
    *,
    lease: timedelta = LEASE,
) -> Opened:
    """Open a note for a user: it is recorded, and held where the user may work on it.

    Parameters
    ----------
    store
        The worklist.
    user
        Who opens it.
    entry_id
        The entry.
    settings
        Those of the site: whether it is coded blind.
    lease
        How long it is held.

    Raises
    ------
    NotFound
        Where there is no such entry.
    """
    now = store.clock()
    with store.writing() as session:
        entry = session.get(Entry, entry_id, with_for_update={"of": Entry})
        if entry is None:
            raise NotFound("W007", f"entry {entry_id}", "there is no such entry", "go back to the queue")
        hindrance = _hindrance(session, user, entry, now)
        if not hindrance:
            entry.holder_id, entry.held_until = user.id, now + lease
        blind = must_code_blind(session, user, entry, settings)
        after = {"revision": entry.revision_id, "suggestion": None if blind else entry.suggestion_id}
        record(session, Happening(now, user.name, OPEN, entry.id, f"entry {entry.id}", after=after))
        return Opened(
            entry,
            session.get_one(Revision, entry.revision_id),
            session.get_one(FiledSuggestion, entry.suggestion_id),
            "" if entry.assignee_id is None else session.get_one(User, entry.assignee_id).name,
            blind,
            _kept_apart(session, user, entry),
            hindrance,
        )


def _hindrance(session: Session, user: User, entry: Entry, now: datetime) -> str:
    """Why a user cannot work on an entry: what deciding would refuse."""
    if user.role not in DECIDERS:
        return "You may read this note; coders and leads decide."
    if entry.lane is Lane.done:
        return "It is decided."
    if entry.assignee_id not in (None, user.id) and user.role is not Role.lead:
        return "It is assigned to another coder."
    if entry.holder_id not in (None, user.id) and entry.held_until is not None and entry.held_until > now:
        holder = session.get_one(User, entry.holder_id)
        return f"{holder.name} works on this note until {entry.held_until:%H:%M} UTC."
    hindrance = not_for(session, user, entry)
    return hindrance and f"{hindrance[0].upper()}{hindrance[1:]}."


def _decided_by(session: Session, entry: Entry) -> int | None:
    return session.scalar(select(Decision.user_id).where(Decision.id == entry.decision_id))


def _kept_apart(session: Session, user: User, entry: Entry) -> bool:
    """Whether a user is the second coder, who says what the note says and not what the first one said."""
    waits = entry.second_check and not entry.disputed and entry.lane is not Lane.done
    return waits and user.role in DECIDERS and _decided_by(session, entry) != user.id


def query_text(store: Store, user: User, query_id: int, settings: Settings) -> str:
    """The words of a query: they quote its note, so whoever takes them is recorded.

    Raises
    ------
    NotFound
        Where there is no such query, or somebody else's that would tell what this user is not to know yet.
    """
    with store.writing() as session:
        query = session.get(FiledQuery, query_id)
        entry = None if query is None else session.get_one(Entry, query.entry_id)
        if query is None or entry is None or _is_secret(session, user, entry, query, settings):
            raise NotFound("W007", f"query {query_id}", "there is no such query", "open the note again")
        record(session, Happening(store.clock(), user.name, FETCHED, entry.id, f"query {query_id}"))
        return query.text


def _is_secret(session: Session, user: User, entry: Entry, query: FiledQuery, settings: Settings) -> bool:
    if query.user_id == user.id:
        return False
    return _kept_apart(session, user, entry) or must_code_blind(session, user, entry, settings)


@dataclass(frozen=True, slots=True)
class Before:
    """What an entry was before its note was revised.

    Attributes
    ----------
    revision
        The earlier text.
    filed
        What was suggested for it.
    decision
        What was decided about it, if anything.
    lines
        The lines of both texts; nothing where one is not kept, or too long to compare.
    """

    revision: Revision
    filed: FiledSuggestion | None
    decision: Decision | None
    lines: tuple[TextLine, ...] | None


def before_of(session: Session, opened: Opened) -> Before | None:
    """The text before, that of the last decision where there was one; nothing of a first text."""
    entry, revision = opened.entry, opened.revision
    if revision.number == 1:
        return None
    decided = select(Decision).where(
        Decision.entry_id == entry.id, Decision.undone_at.is_(None), Decision.revision_id != revision.id
    )
    decision = session.scalars(decided.order_by(Decision.id.desc()).limit(1)).first()
    earlier = select(Revision).where(Revision.entry_id == entry.id, Revision.number < revision.number)
    if decision is not None:
        earlier = earlier.where(Revision.id == decision.revision_id)
    old = session.scalars(earlier.order_by(Revision.number.desc()).limit(1)).first()
    if old is None:
        return None
    wanted = select(FiledSuggestion).where(FiledSuggestion.revision_id == old.id)
    if decision is not None:
        wanted = wanted.where(FiledSuggestion.id == decision.suggestion_id)
    filed = session.scalars(wanted.order_by(FiledSuggestion.id.desc()).limit(1)).first()
    return Before(old, filed, decision, _compared(old.text, revision.text))


def _compared(old: str | None, new: str | None) -> tuple[TextLine, ...] | None:
    if old is None or new is None:
        return None
    for one in (old, new):
        if len(one) > _MOST_COMPARED or one.count("\n") > _MOST_LINES:
            return None
    return tuple(difference(old, new))
