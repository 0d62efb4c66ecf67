"""Asking: queries to the physician, from the draft to the answer.

A query is a draft until a coder sends it; while one is sent its entry waits in the lane
``query``. Answered or withdrawn, the entry is back where its suggestion puts it. What is
sent is never changed afterwards. The trail holds the hash of each text, not its words:
they quote the note.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from extractor.compliance import Concern, concerns
from extractor.errors import Conflict, NotFound, WorklistError
from extractor.suggestion import Suggestion
from extractor.worklist.database import Store
from extractor.worklist.decisions import DECIDERS, open_entry, touch
from extractor.worklist.filing import lane_for
from extractor.worklist.models import Entry, FiledQuery, FiledSuggestion, Lane, QueryState, User
from extractor.worklist.people import permit
from extractor.worklist.trail import Happening, record, sealed

LONGEST = 20_000  # characters of a query or an answer
OWN = "own"
"""Reason of a query that no reason of the suggestion asks for."""

_NOT_FROM = {
    QueryState.draft: "it is a draft still",
    QueryState.sent: "it was sent already",
    QueryState.answered: "it is answered already",
    QueryState.withdrawn: "it was withdrawn",
}


def check(text: str) -> tuple[Concern, ...]:
    """What a compliance officer would object to in a query, to be shown while it is edited."""
    return concerns(text)


def queries_of(session: Session, entry_id: int) -> list[FiledQuery]:
    """The queries of an entry, the newest last."""
    found = select(FiledQuery).where(FiledQuery.entry_id == entry_id).order_by(FiledQuery.id)
    return list(session.scalars(found))


def draft(store: Store, user: User, entry_id: int, expected: int, reason: str, text: str) -> FiledQuery:
    """Keep a draft.

    Parameters
    ----------
    store
        The worklist.
    user
        The coder.
    entry_id, expected
        The entry, and its version when the page was made.
    reason
        Code of the reason of the suggestion it is about, or ``OWN``.
    text
        The query, as drafted by the software or edited.
    """
    permit(user, *DECIDERS)
    now = store.clock()
    with store.writing() as session:
        entry = open_entry(session, user, entry_id, expected, now)
        _not_done(entry)
        filed = session.get_one(FiledSuggestion, entry.suggestion_id)
        known = {one.code for one in Suggestion.model_validate_json(filed.content).reasons}
        if reason not in (*known, OWN):
            raise _refused(f"entry {entry_id}", "the suggestion gives no such reason", "choose another one")
        _check_length(text, f"entry {entry_id}")
        query = FiledQuery(
            entry_id=entry.id,
            suggestion_id=filed.id,
            user_id=user.id,
            reason=reason,
            text=text,
            state=QueryState.draft,
            made_at=now,
            changed_at=now,
        )
        session.add(query)
        session.flush()
        _changed(entry, now)
        _tell(session, now, user, "query drafted", query, entry, None)
        return query


def save(store: Store, user: User, query_id: int, expected: int, text: str) -> FiledQuery:
    """Change the words of a draft."""
    permit(user, *DECIDERS)
    now = store.clock()
    with store.writing() as session:
        query, entry = _found(session, user, query_id, expected, now, QueryState.draft)
        _check_length(text, f"query {query_id}")
        before = _shown(query)
        query.text, query.changed_at = text, now
        _changed(entry, now)
        _tell(session, now, user, "query changed", query, entry, before)
        return query


def send(store: Store, user: User, query_id: int, expected: int, anyway: bool = False) -> FiledQuery:
    """Call a draft sent: its entry waits for the answer.

    Parameters
    ----------
    store
        The worklist.
    user
        The coder.
    query_id, expected
        The draft, and the version of its entry when the page was made.
    anyway
        Send it though ``check`` objects; that is in the trail.

    Raises
    ------
    WorklistError
        Where ``check`` objects (W032).
    """
    permit(user, *DECIDERS)
    now = store.clock()
    with store.writing() as session:
        query, entry = _found(session, user, query_id, expected, now, QueryState.draft)
        _not_done(entry)
        found = check(query.text)
        if not query.text.strip() or (found and not anyway):
            kinds = ", ".join(sorted({one.kind for one in found}))
            problem = f"it is not neutral ({len(found)} places: {kinds})"
            raise WorklistError("W032", f"query {query_id}", problem, "correct it, or send it anyway")
        before = _shown(query)
        query.state, query.changed_at = QueryState.sent, now
        entry.lane = Lane.query
        touch(entry, now)
        _tell(session, now, user, "query sent", query, entry, before, "sent anyway" if found else "")
        return query


def answer(store: Store, user: User, query_id: int, expected: int, text: str) -> FiledQuery:
    """Record what the physician answered: the entry is open again."""
    permit(user, *DECIDERS)
    now = store.clock()
    if not text.strip():
        raise _refused(f"query {query_id}", "the answer is empty", "type what the physician answered")
    _check_length(text, f"query {query_id}")
    with store.writing() as session:
        query, entry = _found(session, user, query_id, expected, now, QueryState.sent)
        before = _shown(query)
        query.state, query.answer, query.changed_at = QueryState.answered, text, now
        _back(session, entry, query)
        touch(entry, now)
        _tell(session, now, user, "query answered", query, entry, before)
        return query


def withdraw(store: Store, user: User, query_id: int, expected: int) -> FiledQuery:
    """Take a query back, draft or sent."""
    permit(user, *DECIDERS)
    now = store.clock()
    with store.writing() as session:
        query, entry = _found(session, user, query_id, expected, now, QueryState.draft, QueryState.sent)
        before = _shown(query)
        was_sent = query.state is QueryState.sent
        query.state, query.changed_at = QueryState.withdrawn, now
        if was_sent:
            _back(session, entry, query)
        touch(entry, now)
        _tell(session, now, user, "query withdrawn", query, entry, before)
        return query


def _found(
    session: Session, user: User, query_id: int, expected: int, now: datetime, *states: QueryState
) -> tuple[FiledQuery, Entry]:
    query = session.get(FiledQuery, query_id)
    if query is None:
        raise NotFound("W007", f"query {query_id}", "there is no such query", "open the note again")
    entry = open_entry(session, user, query.entry_id, expected, now)
    session.refresh(query)
    if query.state not in states:
        raise Conflict("W005", f"query {query_id}", _NOT_FROM[query.state], "open the note again")
    return query, entry


def _not_done(entry: Entry) -> None:
    if entry.lane is Lane.done:
        raise Conflict("W005", f"entry {entry.id}", "it is decided already", "undo that decision first")


def _back(session: Session, entry: Entry, query: FiledQuery) -> None:
    """To the lane of the suggestion, unless another query is open or the entry was decided meanwhile."""
    others = select(FiledQuery.id).where(
        FiledQuery.entry_id == entry.id, FiledQuery.state == QueryState.sent, FiledQuery.id != query.id
    )
    if entry.lane is not Lane.query or session.scalar(others.limit(1)) is not None:
        return
    filed = session.get_one(FiledSuggestion, entry.suggestion_id)
    entry.lane = lane_for(entry, Suggestion.model_validate_json(filed.content))


def _changed(entry: Entry, now: datetime) -> None:
    """Count a change; the coder goes on working on the entry."""
    entry.version += 1
    entry.changed_at = now


def _check_length(text: str, where: str) -> None:
    if len(text) > LONGEST:
        raise _refused(where, f"more than {LONGEST:,} characters", "make it shorter")
    if "\0" in text:
        raise _refused(where, "it holds a NUL character", "type it anew")


def _refused(where: str, problem: str, remedy: str) -> WorklistError:
    return WorklistError("W031", where, problem, remedy)


def _shown(query: FiledQuery) -> dict[str, Any]:
    return {"state": query.state, "text": _sha256(query.text), "answer": _sha256(query.answer)}


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest() if text else ""


def _tell(
    session: Session,
    now: datetime,
    user: User,
    action: str,
    query: FiledQuery,
    entry: Entry,
    before: dict[str, Any] | None,
    reason: str = "",
) -> None:
    about = f"query {query.id}"
    after = {**_shown(query), "reason": query.reason, **sealed(query, entry)}
    record(session, Happening(now, user.name, action, query.entry_id, about, before, after, reason))
