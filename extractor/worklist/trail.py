"""The trail: everything that happened, in a chain that shows every change made to it later.

Each row holds the SHA-256 of its own content and of the row before. ``verify`` walks
the chain; a site that notes the last hash elsewhere can also tell that nobody cut the
end off or made the whole chain anew. What is kept elsewhere (texts, suggestions,
decisions, queries, exports, users, settings, and where an entry stands) has its ``seal``
in the row that recorded its last change, and ``verify_seals`` compares.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Final

from sqlalchemy import inspect, select
from sqlalchemy.orm import Session

from extractor.worklist.models import (
    Base,
    Decision,
    Entry,
    Export,
    Exported,
    FiledQuery,
    FiledSuggestion,
    Revision,
    Setting,
    TrailEnd,
    TrailRow,
    User,
)

GENESIS = "0" * 64
"""What stands for the hash before the first row."""

SYSTEM = "system"
"""Who did what no user did."""

DECIDE, UNDO = "decide", "undo"
"""Actions that record a decision and its undoing."""

_SEALED: Final[dict[type[Base], str]] = {
    Entry: "entry",
    Revision: "revision",
    FiledSuggestion: "suggestion",
    Decision: "decision",
    FiledQuery: "query",
    Export: "export",
    Exported: "exported",
    User: "user",
    Setting: "setting",
}
"""What is sealed, and what it is called."""

_PASSING: Final[dict[type[Base], frozenset[str]]] = {
    Entry: frozenset(
        {
            "version", "reopened", "assignee_id", "holder_id", "held_until", "deferred_until",
            "exported_at", "changed_at",
        }
    ),
    User: frozenset({"failures", "locked_until"}),
}  # fmt: skip
"""What is not sealed: it says who works on an entry now, or stands in rows of its own."""

_PAGE = 2000  # rows


@dataclass(frozen=True, slots=True)
class Happening:
    """What is to be recorded; ``before`` and ``after`` are JSON values, never the text of a note."""

    at: datetime
    by: str
    action: str
    entry_id: int | None = None
    about: str = ""
    before: Any = None
    after: Any = None
    reason: str = ""
    rules_version: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a walk along the trail found: how many rows, the last hash, and the first row that is wrong."""

    rows: int
    last: str
    wrong: int | None = None
    problem: str = ""


def record(session: Session, *happenings: Happening) -> None:
    """Add to the trail, in the transaction of what happened: both are kept or neither."""
    # Read anew: another transaction may have added to the trail since this one looked.
    end = session.scalars(select(TrailEnd).with_for_update().execution_options(populate_existing=True)).one()
    for happening in happenings:
        row = TrailRow(
            id=end.last + 1,
            at=happening.at.astimezone(UTC).isoformat(timespec="microseconds"),
            by=happening.by,
            action=happening.action,
            entry_id=happening.entry_id,
            about=happening.about,
            before=_json(happening.before),
            after=_json(happening.after),
            reason=happening.reason,
            rules_version=happening.rules_version,
            previous=end.hash,
        )
        row.hash = _hash(row)
        session.add(row)
        end.last, end.hash = row.id, row.hash


def sealed(*rows: Base) -> dict[str, dict[str, str]]:
    """The seals of rows as they are now, for the trail: ``after={**sealed(decision, entry), ...}``.

    Every change of such a row goes with its seal. The rows must have their ids: flush the session first.
    """
    return {"seals": {_about(row): _seal(row) for row in rows}}


def _about(row: Base) -> str:
    """What a row is called, by its key: "decision 17"."""
    key = inspect(type(row)).primary_key
    return f"{_SEALED[type(row)]} {'.'.join(str(getattr(row, column.name)) for column in key)}"


def _seal(row: Base) -> str:
    """The SHA-256 of all that matters in a row."""
    left_out = _PASSING.get(type(row), frozenset())
    columns = [name for name in inspect(type(row)).columns.keys() if name not in left_out]  # noqa: SIM118
    return hashlib.sha256(_json({name: _plain(getattr(row, name)) for name in columns}).encode()).hexdigest()


def verify_seals(session: Session) -> Iterator[str]:
    """What stands beside the trail and is not as the trail recorded it.

    Yields
    ------
    str
        One finding each, such as "decision 17 was changed".
    """
    seals = _recorded(session)
    for model in _SEALED:
        rows = select(model).order_by(*inspect(model).primary_key)
        for row in session.scalars(rows.execution_options(yield_per=_PAGE)):
            about = _about(row)
            recorded = seals.pop(about, None)
            if recorded is None:
                yield f"{about} is not in the trail"
            elif recorded != _seal(row):
                yield f"{about} was changed"
            session.expunge(row)
    yield from (f"{about} is missing" for about in seals)


def _recorded(session: Session) -> dict[str, str]:
    """The last seal that the trail holds of each row, by what the row is called."""
    seals: dict[str, str] = {}
    rows = select(TrailRow.after).where(TrailRow.after != "").order_by(TrailRow.id)
    for after in session.scalars(rows.execution_options(yield_per=_PAGE)):
        if '"seals"' in after:
            seals.update(json.loads(after).get("seals", {}))
    return seals


def holds(session: Session, noted: str) -> bool:
    """Whether a hash that was noted elsewhere is that of a row: what was before it is as it was then."""
    wanted = noted.strip().lower()
    return wanted == GENESIS or session.scalar(select(TrailRow.id).where(TrailRow.hash == wanted)) is not None


def verify(session: Session) -> Verdict:
    """Walk the whole chain and stop at the first row that is not what was recorded."""
    previous, number = GENESIS, 0
    for row in session.scalars(select(TrailRow).order_by(TrailRow.id).execution_options(yield_per=_PAGE)):
        number += 1
        if row.id != number:
            return Verdict(number - 1, previous, number, "a row is missing")
        if row.previous != previous:
            return Verdict(number - 1, previous, number, "the row does not follow the one before it")
        if row.hash != _hash(row):
            return Verdict(number - 1, previous, number, "the row was changed")
        previous = row.hash
        session.expunge(row)
    end = session.scalars(select(TrailEnd)).one_or_none()
    if end is None or (end.last, end.hash) != (number, previous):
        return Verdict(number, previous, number + 1, "rows are missing at the end")
    return Verdict(number, previous)


def _plain(value: Any) -> Any:
    """A value as JSON has it, the same from every database."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds")
    if isinstance(value, bytes):
        return hashlib.sha256(value).hexdigest()
    return value.isoformat() if isinstance(value, date) else value


def _json(value: Any) -> str:
    if value is None:
        return ""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _hash(row: TrailRow) -> str:
    content = [
        row.id, row.at, row.by, row.action, row.entry_id, row.about, row.before, row.after, row.reason,
        row.rules_version, row.previous,
    ]  # fmt: skip
    return hashlib.sha256(_json(content).encode()).hexdigest()
