"""The trail: everything that happened, in a chain that shows every change made to it later.

Each row holds the SHA-256 of its own content and of the row before. ``verify`` walks
the chain; a site that notes the last hash elsewhere can also tell that nobody cut the
end off or made the whole chain anew. What is kept elsewhere and never changes
(revisions, suggestions, decisions) has its ``seal`` in the row that recorded it, and
``verify_seals`` compares.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import inspect, select
from sqlalchemy.orm import Session

from extractor.worklist.models import (
    Base,
    Decision,
    FiledSuggestion,
    Revision,
    TrailEnd,
    TrailRow,
)

GENESIS = "0" * 64
"""What stands for the hash before the first row."""

SYSTEM = "system"
"""Who did what no user did."""

DECIDE, UNDO = "decide", "undo"
"""Actions that record a decision and its undoing."""

_SEALED: tuple[tuple[type[Base], str], ...] = (
    (Revision, "revision"),
    (FiledSuggestion, "suggestion"),
    (Decision, "decision"),
)
_ADDED_LATER = frozenset({"undone_at"})
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


def seal(row: Base) -> str:
    """The SHA-256 of a row that never changes, for the trail: ``after={"seal": seal(decision), ...}``.

    The row must have its id: flush the session first.
    """
    columns = inspect(type(row)).columns.keys()
    content = {name: _plain(getattr(row, name)) for name in columns if name not in _ADDED_LATER}
    return hashlib.sha256(_json(content).encode()).hexdigest()


def verify_seals(session: Session) -> Iterator[str]:
    """What of the revisions, suggestions and decisions is not as the trail recorded it.

    The row that records one is ``about`` it ("decision 17") and holds its seal; a
    decision is undone by a row of the action ``undo``.

    Yields
    ------
    str
        One finding each, such as "decision 17 was changed".
    """
    seals, undone = _recorded(session)
    for model, name in _SEALED:
        for row in session.scalars(select(model).order_by(model.id).execution_options(yield_per=_PAGE)):  # type: ignore[attr-defined]
            about = f"{name} {row.id}"  # type: ignore[attr-defined]
            recorded = seals.pop(about, None)
            if recorded is None:
                yield f"{about} is not in the trail"
            elif recorded != seal(row):
                yield f"{about} was changed"
            elif isinstance(row, Decision) and (row.undone_at is not None) != (about in undone):
                yield f"{about} was {'' if row.undone_at else 'not '}undone, which the trail does not say"
            session.expunge(row)
    yield from (f"{about} is missing" for about in seals)


def _recorded(session: Session) -> tuple[dict[str, str], set[str]]:
    """The seals that the trail holds, by what they are about, and the decisions that it says were undone."""
    seals: dict[str, str] = {}
    undone = set()
    names = {name for _, name in _SEALED}
    rows = select(TrailRow.action, TrailRow.about, TrailRow.after).order_by(TrailRow.id)
    for action, about, after in session.execute(rows.execution_options(yield_per=_PAGE)):
        if action == UNDO:
            undone.add(about)
        elif '"seal"' in after and about.partition(" ")[0] in names:
            content = json.loads(after)
            seals[about] = content["seal"]
            seals.update(
                {f"{name} {row['id']}": row["seal"] for name, row in content.get("with", {}).items()}
            )
    return seals, undone


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
