"""Reading the trail: what happened, to whom and by whom, the latest first."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from extractor.worklist.models import Entry, TrailRow

_PAGE = 100  # rows
_LONGEST = 300  # characters of a value that is shown
_SEALS = ("seal", "seals", "with")  # what is recorded for `verify` alone
_LARGEST = 2**31


@dataclass(frozen=True, slots=True)
class Asked:
    """Which rows of the trail.

    Attributes
    ----------
    entry
        Number of an entry.
    by
        Name of a user.
    action
        What was done.
    before
        Only rows with a smaller number: how pages follow each other.

    Examples
    --------
    >>> asked = Asked.from_query({"entry": "12", "by": "ada", "before": "x"})
    >>> asked.entry, asked.before, asked.to_query()
    (12, None, {'entry': '12', 'by': 'ada'})
    """

    entry: int | None = None
    by: str = ""
    action: str = ""
    before: int | None = None

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> Asked:
        """Read what an address says; what makes no sense there does not filter."""
        return cls(
            entry=_number(query.get("entry", "")),
            by=query.get("by", "").strip()[:80],
            action=query.get("action", "").strip()[:40],
            before=_number(query.get("before", "")),
        )

    def to_query(self) -> dict[str, str]:
        """As an address says it."""
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        return {name: str(value) for name, value in values.items() if value}


@dataclass(frozen=True, slots=True)
class Happened:
    """A row of the trail as people read it.

    Attributes
    ----------
    number, at, by, action, entry_id, about, reason, rules_version, hash
        As recorded.
    note_id
        The note of the entry.
    changes
        What was changed: name, value before, value after.
    """

    number: int
    at: str
    by: str
    action: str
    entry_id: int | None
    note_id: str
    about: str
    changes: tuple[tuple[str, str, str], ...]
    reason: str
    rules_version: str
    hash: str


def history(session: Session, asked: Asked, size: int = _PAGE) -> list[Happened]:
    """A page of the trail, the latest first; where it is full, another one may follow."""
    found = select(TrailRow, Entry.note_id).outerjoin(Entry, Entry.id == TrailRow.entry_id)
    found = found.where(*_conditions(asked)).order_by(TrailRow.id.desc()).limit(size)
    return [_happened(row, note_id or "") for row, note_id in session.execute(found)]


def actions(session: Session) -> list[str]:
    """Every action that the trail holds."""
    # The index asked for one value after the other: a trail has many rows and few actions.
    first = select(func.min(TrailRow.action).label("action")).cte("found", recursive=True)
    following = select(func.min(TrailRow.action)).where(TrailRow.action > first.c.action).scalar_subquery()
    found = first.union_all(select(following).where(first.c.action.is_not(None)))
    return [action for action in session.scalars(select(found.c.action)) if action]


def changes(before: str, after: str) -> tuple[tuple[str, str, str], ...]:
    """What is another value than before, by name.

    Examples
    --------
    >>> changes('{"lane":"ready","units":2}', '{"lane":"done","units":2}')
    (('lane', 'ready', 'done'),)
    """
    old, new = _named(before), _named(after)
    names = [name for name in {**old, **new} if old.get(name) != new.get(name) and name not in _SEALS]
    told = ((name, _told(old.get(name)), _told(new.get(name))) for name in names)
    return tuple(one for one in told if one[1] or one[2])


def _conditions(asked: Asked) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if asked.entry is not None:
        found.append(TrailRow.entry_id == asked.entry)
    if asked.by:
        found.append(TrailRow.by == asked.by)
    if asked.action:
        found.append(TrailRow.action == asked.action)
    if asked.before is not None:
        found.append(TrailRow.id < asked.before)
    return found


def _happened(row: TrailRow, note_id: str) -> Happened:
    return Happened(
        number=row.id,
        at=row.at[:19].replace("T", " "),
        by=row.by,
        action=row.action,
        entry_id=row.entry_id,
        note_id=note_id,
        about=row.about,
        changes=changes(row.before, row.after),
        reason=row.reason,
        rules_version=row.rules_version,
        hash=row.hash,
    )


def _named(content: str) -> dict[str, Any]:
    value = json.loads(content) if content else {}
    return value if isinstance(value, dict) else {"": value}


def _told(value: Any) -> str:
    if value is None or value is False or value == [] or value == {}:
        return ""
    if value is True:
        return "yes"
    if isinstance(value, list) and all(isinstance(one, dict) and "code" in one for one in value):
        return " + ".join(_line(one) for one in value)[:_LONGEST]
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"


def _line(line: dict[str, Any]) -> str:
    modifiers = " ".join(line.get("modifiers") or ())
    return f"{line['code']} ×{line.get('units', '')}{f' ({modifiers})' if modifiers else ''}"


def _number(text: str) -> int | None:
    if not (text.isascii() and text.isdecimal() and len(text) < 11):
        return None
    number = int(text)
    return number if 0 < number < _LARGEST else None
