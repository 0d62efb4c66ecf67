"""What the worklist stores.

An ``Entry`` is a note on the worklist, under the id its source gives it. Each text it
ever had is a ``Revision``, each answer of the pipeline a ``FiledSuggestion``, each
answer of a coder a ``Decision``; none of them is ever changed or deleted, only
followed by another one. What the queue filters and sorts by stands in the entry
itself, derived from its current suggestion.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    JSON,
    DateTime,
    Dialect,
    Enum,
    ForeignKey,
    Index,
    LargeBinary,
    MetaData,
    String,
    Text,
    UniqueConstraint,
)
from sqlalchemy.engine.default import DefaultExecutionContext
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship
from sqlalchemy.types import TypeDecorator


class Role(StrEnum):
    """What a user may do."""

    coder = "coder"
    lead = "lead"
    auditor = "auditor"
    admin = "admin"


class Lane(StrEnum):
    """Where an entry stands in the queue."""

    ready = "ready"
    edits = "edits"
    review = "review"
    query = "query"
    done = "done"
    none = "none"


class Kind(StrEnum):
    """What a coder decided about a suggestion."""

    accept = "accept"
    change = "change"
    reject = "reject"


class QueryState(StrEnum):
    """What became of a query to the physician."""

    draft = "draft"
    sent = "sent"
    answered = "answered"
    withdrawn = "withdrawn"


class Instant(TypeDecorator[datetime]):
    """A moment, kept as UTC without a zone, which every database can."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """To the database."""
        return None if value is None else value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """From the database."""
        return None if value is None else value.replace(tzinfo=UTC)


class Base(DeclarativeBase):
    """The tables of the worklist."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_label)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012 - read by SQLAlchemy
        datetime: Instant,
        dict[str, Any]: JSON,
        list[dict[str, Any]]: JSON,
        StrEnum: Enum(StrEnum, native_enum=False, length=16),
    }


class User(Base):
    """Somebody who may sign in."""

    __tablename__ = "users"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(80), unique=True)
    role: Mapped[Role]
    password_hash: Mapped[str | None] = mapped_column(Text)  # None: comes through the proxy only
    must_change: Mapped[bool] = mapped_column(default=False)
    active: Mapped[bool] = mapped_column(default=True)
    failures: Mapped[int] = mapped_column(default=0)
    locked_until: Mapped[datetime | None]
    created_at: Mapped[datetime]


class SignIn(Base):
    """A browser that is signed in. The cookie's token is kept as its SHA-256 only."""

    __tablename__ = "sign_ins"

    token_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True)
    csrf: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime]
    seen_at: Mapped[datetime]

    user: Mapped[User] = relationship()


class Entry(Base):
    """A note on the worklist."""

    __tablename__ = "entries"

    id: Mapped[int] = mapped_column(primary_key=True)
    note_id: Mapped[str] = mapped_column(String(512), unique=True)
    version: Mapped[int] = mapped_column(default=1)  # counts every change: two coders never overwrite another
    lane: Mapped[Lane]
    # The current revision, suggestion and decision: the newest of each.
    revision_id: Mapped[int | None]
    suggestion_id: Mapped[int | None]
    decision_id: Mapped[int | None]
    # What the queue filters and sorts by.
    source: Mapped[str] = mapped_column(Text, default="")
    site: Mapped[str] = mapped_column(String(120), default="")
    style: Mapped[str] = mapped_column(String(120), default="")
    operator: Mapped[str] = mapped_column(String(200), default="")
    service_date: Mapped[date | None]
    status: Mapped[str] = mapped_column(String(8))
    units: Mapped[int] = mapped_column(default=0)  # devices left in, as suggested
    doubt: Mapped[int] = mapped_column(default=0)  # high - low of all lines, and one for each reason
    reopened: Mapped[bool] = mapped_column(default=False)  # decided, then superseded by a newer revision
    # Who works on it.
    assignee_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    holder_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    held_until: Mapped[datetime | None]
    deferred_until: Mapped[datetime | None]
    second_check: Mapped[bool] = mapped_column(default=False)  # drawn for a second coder
    disputed: Mapped[bool] = mapped_column(default=False)  # the second coder says something else: for a lead
    exported_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    changed_at: Mapped[datetime]

    assignee: Mapped[User | None] = relationship(foreign_keys=assignee_id)
    holder: Mapped[User | None] = relationship(foreign_keys=holder_id)
    traits: Mapped[list[Trait]] = relationship(cascade="all, delete-orphan")

    __table_args__ = (
        # In each order of the queue, within a lane and over all.
        Index("ix_entries_lane_age", "lane", "created_at", "id"),
        Index("ix_entries_lane_doubt", "lane", "doubt", "created_at", "id"),
        Index("ix_entries_lane_date", "lane", "service_date", "created_at", "id"),
        Index("ix_entries_age", "created_at", "id"),
        # What the filters offer.
        Index("ix_entries_site", "site"),
        Index("ix_entries_style", "style"),
        Index("ix_entries_operator", "operator"),
        Index("ix_entries_holder_id", "holder_id"),
        Index("ix_entries_assignee_id", "assignee_id"),
    )


class Trait(Base):
    """A code, reason or valve of an entry's current suggestion, to filter by."""

    __tablename__ = "traits"

    entry_id: Mapped[int] = mapped_column(ForeignKey("entries.id", ondelete="CASCADE"), primary_key=True)
    kind: Mapped[str] = mapped_column(String(8), primary_key=True)  # code, reason, valve
    value: Mapped[str] = mapped_column(String(64), primary_key=True)

    __table_args__ = (Index("ix_traits_kind_value", "kind", "value", "entry_id"),)


class Revision(Base):
    """A text that an entry's note had. Where a site keeps no text, its place and hash instead."""

    __tablename__ = "revisions"

    id: Mapped[int] = mapped_column(primary_key=True)
    entry_id: Mapped[int] = mapped_column(ForeignKey("entries.id"), index=True)
    number: Mapped[int]
    source: Mapped[str] = mapped_column(Text)
    line: Mapped[int | None]
    known_as: Mapped[str] = mapped_column(String(512), index=True)  # by the source: a replacement has its own
    version: Mapped[str] = mapped_column(Text, default="")  # how the source orders its versions
    sha256: Mapped[str] = mapped_column(String(64), index=True)
    standing: Mapped[str] = mapped_column(String(16))
    served: Mapped[date | None]  # the date of service, where the source told it
    filed_at: Mapped[datetime]
    text: Mapped[str | None] = mapped_column(
        Text
    )  # what is long stands last: SQLite reads a row from its begin

    __table_args__ = (UniqueConstraint("entry_id", "number"),)


def _gist(context: DefaultExecutionContext) -> str:
    return gist_of(context.get_current_parameters()["content"])  # type: ignore[no-untyped-call]


def gist_of(content: str) -> str:
    """Of a suggestion as JSON: units of each code, reasons, and the rules of all its evidence.

    Examples
    --------
    >>> gist_of('{"lines": [{"code": "93590", "units": 1}], "reasons": [{"code": "valve_conflict"}]}')
    '{"units":{"93590":1},"reasons":["valve_conflict"],"rules":[]}'
    """
    suggestion = json.loads(content)
    units: dict[str, int] = {}
    for line in (*suggestion.get("lines", ()), *suggestion.get("companions", ())):
        units[line["code"]] = units.get(line["code"], 0) + line["units"]
    reasons = list(dict.fromkeys(one["code"] for one in suggestion.get("reasons", ())))
    found = {"units": units, "reasons": reasons, "rules": sorted(set(_rules(suggestion)))}
    return json.dumps(found, separators=(",", ":"))


def _rules(value: Any) -> Iterator[str]:
    """The rules of all spans of evidence in a suggestion."""
    if isinstance(value, dict):
        if "start" in value and "rule" in value:
            yield value["rule"]
        for part in value.values():
            yield from _rules(part)
    elif isinstance(value, list):
        for part in value:
            yield from _rules(part)


class FiledSuggestion(Base):
    """What the pipeline said about a revision, with the rules it used."""

    __tablename__ = "suggestions"

    id: Mapped[int] = mapped_column(primary_key=True)
    entry_id: Mapped[int] = mapped_column(ForeignKey("entries.id"), index=True)
    revision_id: Mapped[int] = mapped_column(ForeignKey("revisions.id"))
    rules_version: Mapped[str] = mapped_column(String(64), index=True)
    status: Mapped[str] = mapped_column(String(8))
    made_at: Mapped[datetime]
    gist: Mapped[str] = mapped_column(Text, default=_gist)  # what figures count, read by the thousand
    content: Mapped[str] = mapped_column(Text)  # Suggestion.to_json()


class Decision(Base):
    """What a coder decided. ``undone_at`` is the one thing that is ever added to it."""

    __tablename__ = "decisions"

    id: Mapped[int] = mapped_column(primary_key=True)
    entry_id: Mapped[int] = mapped_column(ForeignKey("entries.id"))
    revision_id: Mapped[int] = mapped_column(ForeignKey("revisions.id"))
    suggestion_id: Mapped[int] = mapped_column(ForeignKey("suggestions.id"))
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True)
    kind: Mapped[Kind]
    lines: Mapped[list[dict[str, Any]]]  # code, units, modifiers
    outcomes: Mapped[dict[str, Any]]  # device number: outcome and valve, where they were changed
    reason: Mapped[str] = mapped_column(String(40), default="")
    comment: Mapped[str] = mapped_column(Text, default="")
    blind: Mapped[bool] = mapped_column(default=False)  # coded before the suggestion was shown
    second_of: Mapped[int | None] = mapped_column(ForeignKey("decisions.id"))  # the decision it checks
    seconds: Mapped[int | None]  # from the note being opened
    made_at: Mapped[datetime] = mapped_column(index=True)
    undone_at: Mapped[datetime | None]

    user: Mapped[User] = relationship()

    # Both in one: whether this coder decided about that entry is asked of every note to be handed out.
    __table_args__ = (Index("ix_decisions_entry_user", "entry_id", "user_id"),)


class FiledQuery(Base):
    """A query to the physician, as the coder edited it."""

    __tablename__ = "queries"

    id: Mapped[int] = mapped_column(primary_key=True)
    entry_id: Mapped[int] = mapped_column(ForeignKey("entries.id"), index=True)
    suggestion_id: Mapped[int] = mapped_column(ForeignKey("suggestions.id"))
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    reason: Mapped[str] = mapped_column(String(40))
    text: Mapped[str] = mapped_column(Text)
    answer: Mapped[str] = mapped_column(Text, default="")
    state: Mapped[QueryState] = mapped_column(index=True)
    made_at: Mapped[datetime]
    changed_at: Mapped[datetime]

    user: Mapped[User] = relationship()


class Export(Base):
    """Decisions that left the worklist in one file."""

    __tablename__ = "exports"

    id: Mapped[int] = mapped_column(primary_key=True)
    form: Mapped[str] = mapped_column(String(16))
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))  # None: on the command line
    number: Mapped[int]  # of decisions
    sha256: Mapped[str] = mapped_column(String(64))  # of the file
    content: Mapped[bytes] = mapped_column(LargeBinary, deferred=True)  # the file, packed by zlib
    made_at: Mapped[datetime]

    user: Mapped[User | None] = relationship()


class Exported(Base):
    """A decision in an export, in the order of the file."""

    __tablename__ = "exported"

    export_id: Mapped[int] = mapped_column(ForeignKey("exports.id"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    decision_id: Mapped[int] = mapped_column(ForeignKey("decisions.id"), index=True)


class SavedView(Base):
    """Filters of the queue that a user keeps under a name."""

    __tablename__ = "saved_views"

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    name: Mapped[str] = mapped_column(String(80))
    filters: Mapped[str] = mapped_column(Text)  # as in the address of the queue page

    __table_args__ = (UniqueConstraint("user_id", "name"),)


class Setting(Base):
    """A setting of the site."""

    __tablename__ = "settings"

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    value: Mapped[str] = mapped_column(Text)  # JSON


class TrailRow(Base):
    """One thing that happened. Rows are only ever added; each holds the hash of the one before."""

    __tablename__ = "trail"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)  # 1, 2, 3 ... without a gap
    at: Mapped[str] = mapped_column(String(32))  # as hashed: ISO 8601, UTC
    by: Mapped[str] = mapped_column(String(80))  # name of the user, or "system"
    action: Mapped[str] = mapped_column(String(40), index=True)
    entry_id: Mapped[int | None] = mapped_column(index=True)
    about: Mapped[str] = mapped_column(String(80), default="")  # such as "decision 17" or "user ada"
    before: Mapped[str] = mapped_column(Text, default="")  # JSON
    after: Mapped[str] = mapped_column(Text, default="")  # JSON
    reason: Mapped[str] = mapped_column(Text, default="")
    rules_version: Mapped[str] = mapped_column(String(64), default="")
    previous: Mapped[str] = mapped_column(String(64))
    hash: Mapped[str] = mapped_column(String(64))


class TrailEnd(Base):
    """The last row of the trail: one row, locked while another one is added."""

    __tablename__ = "trail_end"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)  # always 1
    last: Mapped[int]
    hash: Mapped[str] = mapped_column(String(64))
