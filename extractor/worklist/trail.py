"""The trail: everything that happened, in a chain that shows every change made to it later.

Each row holds the SHA-256 of its own content and of the row before. ``verify`` walks
the chain; a site that notes the last hash elsewhere can also tell that nobody cut the
end off or made the whole chain anew.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from extractor.worklist.models import TrailEnd, TrailRow

GENESIS = "0" * 64
"""What stands for the hash before the first row."""

SYSTEM = "system"
"""Who did what no user did."""


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
    end = session.scalars(select(TrailEnd).with_for_update()).one()
    for happening in happenings:
        row = TrailRow(
            id=end.last + 1,
            at=happening.at.isoformat(timespec="microseconds"),
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


def verify(session: Session) -> Verdict:
    """Walk the whole chain and stop at the first row that is not what was recorded."""
    previous, number = GENESIS, 0
    for row in session.scalars(select(TrailRow).order_by(TrailRow.id).execution_options(yield_per=5000)):
        number += 1
        if row.id != number:
            return Verdict(number - 1, previous, number, "a row is missing")
        if row.previous != previous:
            return Verdict(number - 1, previous, number, "the row does not follow the one before it")
        if row.hash != _hash(row):
            return Verdict(number - 1, previous, number, "the row was changed")
        previous = row.hash
        session.expunge(row)
    end = session.scalars(select(TrailEnd)).one()
    if (end.last, end.hash) != (number, previous):
        return Verdict(number, previous, number + 1, "rows are missing at the end")
    return Verdict(number, previous)


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
