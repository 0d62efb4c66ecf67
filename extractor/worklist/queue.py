"""The queue: which notes wait, for whom, and in which order.

``rows`` shows a page of it. ``next_note`` hands out one note with a lease, a short hold
that runs out by itself, so that no note is with two coders and none is lost with a
browser that was closed. A lease is no part of the trail: that a note was opened is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from datetime import date, datetime, timedelta
from math import inf
from time import monotonic
from typing import Any, Literal

from sqlalchemy import ColumnElement, Select, UnaryExpression, and_, exists, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased

from extractor.errors import Conflict, NotFound
from extractor.worklist.database import Store
from extractor.worklist.models import Decision, Entry, Lane, Role, Trait, User

LEASE = timedelta(minutes=15)
"""How long a note is held for the coder who opened it."""

WORKED = (Lane.ready, Lane.edits, Lane.review)
"""Lanes whose notes are handed out."""

WAITING = (*WORKED, Lane.query)
"""Lanes with work in them."""

NOBODY = "-"
"""As an assignee: none."""

Sort = Literal["age", "doubt", "date"]
_SORTS: tuple[Sort, ...] = ("age", "doubt", "date")
_LONGEST = 200  # characters of a filter
_LARGEST_PAGE = 500
_CHOICES = 300  # values offered for a filter
_KEPT = 200  # filters of which counts are kept
_AHEAD = 20  # notes of a lane that are looked at, to take one: as many coders may ask at once


@dataclass(frozen=True, slots=True)
class Filters:
    """Which notes of the queue, and in which order. Empty fields do not filter.

    Attributes
    ----------
    lane
        The lane; without one, all that still have work in them.
    everything
        Without a lane: also what is done or has nothing to code.
    reason, code, valve
        A reason, code or valve of the suggestion.
    operator, site, style
        As filed.
    since, until
        First and last date of service.
    fewest, most
        Units suggested.
    assignee
        Name of the user, ``-`` for nobody.
    search
        Part of the note's id.
    sort
        ``age`` (what waits longest first), ``doubt`` (largest first) or ``date`` (of service).
    page, size
        The page, counted from 1, and how many rows it has.

    Examples
    --------
    >>> filters = Filters.from_query({"lane": "review", "fewest": "2", "page": "no"})
    >>> filters.lane, filters.fewest, filters.page
    (<Lane.review: 'review'>, 2, 1)
    >>> filters.to_query()
    {'lane': 'review', 'fewest': '2'}
    """

    lane: Lane | None = None
    everything: bool = False
    reason: str = ""
    code: str = ""
    operator: str = ""
    since: date | None = None
    until: date | None = None
    valve: str = ""
    fewest: int | None = None
    most: int | None = None
    site: str = ""
    style: str = ""
    assignee: str = ""
    search: str = ""
    sort: Sort = "age"
    page: int = 1
    size: int = 50

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> Filters:
        """Read what an address says; what makes no sense there does not filter."""
        given: dict[str, Any] = {}
        for one in fields(cls):
            value = _read(one.name, str(query.get(one.name, "")).strip()[:_LONGEST])
            if value is not None:
                given[one.name] = value
        return cls(**given)

    def to_query(self) -> dict[str, str]:
        """As an address says it, without what is as usual; ``from_query`` gives the same filters."""
        plain = Filters()
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        said = {name: value for name, value in values.items() if value != getattr(plain, name)}
        return {name: "yes" if value is True else str(value) for name, value in said.items()}


@dataclass(frozen=True, slots=True)
class QueueRow:
    """A note as the queue shows it."""

    entry_id: int
    note_id: str
    version: int
    lane: Lane
    status: str
    units: int
    doubt: int
    service_date: date | None
    operator: str
    site: str
    style: str
    codes: tuple[str, ...]
    reasons: tuple[str, ...]
    valves: tuple[str, ...]
    assignee: str
    holder: str  # who has it open
    deferred_until: datetime | None
    reopened: bool
    second_check: bool
    disputed: bool
    exported: bool
    created_at: datetime


class Rows(list[QueueRow]):
    """A page of the queue; ``more`` tells whether another one follows."""

    more: bool = False


@dataclass(frozen=True, slots=True)
class Choices:
    """What filters can be set to, by what the worklist holds."""

    sites: tuple[str, ...]
    styles: tuple[str, ...]
    operators: tuple[str, ...]
    codes: tuple[str, ...]
    reasons: tuple[str, ...]
    valves: tuple[str, ...]
    users: tuple[str, ...]


def rows(session: Session, filters: Filters, now: datetime) -> Rows:
    """A page of the queue."""
    assignee, holder = aliased(User), aliased(User)
    numbers = _page(session, filters)
    shown = numbers[: filters.size]
    found = {
        entry.id: (entry, assigned, held)
        for entry, assigned, held in session.execute(
            select(Entry, assignee.name, holder.name)
            .outerjoin(assignee, Entry.assignee_id == assignee.id)
            .outerjoin(holder, Entry.holder_id == holder.id)
            .where(Entry.id.in_(shown))
        )
    }
    traits = _traits(session, shown)
    result = Rows(_row(*found[number], traits, now) for number in shown)
    result.more = len(numbers) > filters.size
    return result


def _page(session: Session, filters: Filters) -> list[int]:
    """The entries of a page in order, and one more if another page follows."""
    begin, end = (filters.page - 1) * filters.size, filters.page * filters.size + 1
    if filters.lane is not None or filters.everything:
        lanes = [] if filters.lane is None else [Entry.lane == filters.lane]
        page = select(Entry.id).where(*conditions(filters), *lanes).order_by(*_order(filters))
        return list(session.scalars(page.offset(begin).limit(end - begin)))
    # What is not done may be little of what there is: one lane at a time is what an index has in order.
    columns = (Entry.id, Entry.doubt, Entry.service_date, Entry.created_at)
    found = [
        row
        for lane in WAITING
        for row in session.execute(
            select(*columns)
            .where(*conditions(filters), Entry.lane == lane)
            .order_by(*_order(filters))
            .limit(end)
        )
    ]
    postgres = session.get_bind().dialect.name == "postgresql"  # has what has no date last
    undated = date.max if postgres else date.min
    return [row.id for row in sorted(found, key=lambda row: _rank(row, filters, undated))[begin:end]]


def lane_counts(session: Session, filters: Filters, now: datetime) -> dict[Lane, int]:
    """How many notes each lane has by these filters, whatever lane they name."""
    counted = select(Entry.lane, func.count()).where(*conditions(filters)).group_by(Entry.lane)
    found = dict(session.execute(counted).all())
    return {lane: found.get(lane, 0) for lane in Lane}


class Counts:
    """Counts of the lanes that are a little old at most: all coders ask for them all the time.

    Parameters
    ----------
    seconds
        How old; 0 for never.
    """

    def __init__(self, seconds: float = 1.0) -> None:
        self._seconds = seconds
        self._kept: dict[Filters, tuple[float, dict[Lane, int]]] = {}

    def of(self, session: Session, filters: Filters, now: datetime) -> dict[Lane, int]:
        """As ``lane_counts``."""
        key = replace(filters, lane=None, sort="age", page=1, size=1)
        asked = monotonic()
        at, counts = self._kept.get(key, (-inf, {}))
        if asked - at >= self._seconds:
            if len(self._kept) > _KEPT:
                self._kept.clear()
            if counts:
                self._kept[key] = asked, counts  # whoever asks meanwhile does not count too
            counts = lane_counts(session, filters, now)
            self._kept[key] = asked, counts
        return dict(counts)


def choices(session: Session) -> Choices:
    """What the filters can be set to."""
    return Choices(
        sites=_values(session, Entry.site),
        styles=_values(session, Entry.style),
        operators=_values(session, Entry.operator),
        codes=_values(session, Trait.value, Trait.kind == "code"),
        reasons=_values(session, Trait.value, Trait.kind == "reason"),
        valves=_values(session, Trait.value, Trait.kind == "valve"),
        users=tuple(session.scalars(select(User.name).where(User.active).order_by(User.name))),
    )


def next_note(
    store: Store, user: User, filters: Filters, *, lease: timedelta = LEASE, skip: Iterable[int] = ()
) -> int | None:
    """Hand out the next note and hold it for a coder.

    Parameters
    ----------
    store
        The worklist.
    user
        The coder.
    filters
        Which notes, and which first. Without a lane, those of ``WORKED``.
    lease
        How long it is held.
    skip
        Entries that the coder does not want now, though they are held.

    Returns
    -------
    int or None
        The entry: one that the coder holds already, else the first that nobody holds,
        that is not put off, is assigned to nobody else and, where it is checked a second
        time, was not decided by this coder. ``None`` where there is none.
    """
    now = store.clock()
    lanes = WORKED if filters.lane is None else (filters.lane,)
    if Lane.done in lanes:
        return None
    free = or_(Entry.held_until.is_(None), Entry.held_until <= now)
    mine = and_(Entry.holder_id == user.id, Entry.held_until > now)
    # Said in this way, no index of lanes is tempting where the ids are known.
    fit = [*_fit_for(user, now), Entry.lane.not_in([lane for lane in Lane if lane not in lanes])]
    wanted = [*conditions(filters), *fit, *([Entry.id.not_in(left)] if (left := list(skip)) else [])]
    # To look takes longer than to take, and while this coder looks others can write.
    while ahead := _ahead(store, filters, lanes, wanted, mine, free):
        still = select(Entry).where(Entry.id.in_(ahead), or_(free, mine), *fit)
        first = still.order_by(*_order(filters)).limit(1)
        with store.writing() as session:
            # Those that another coder takes at this moment are passed over, unless there are no others.
            for skip_locked in (True, False):
                entry = session.scalars(first.with_for_update(skip_locked=skip_locked)).first()
                if entry is not None:
                    entry.holder_id, entry.held_until = user.id, now + lease
                    return entry.id
    return None


def _ahead(
    store: Store,
    filters: Filters,
    lanes: Iterable[Lane],
    wanted: list[ColumnElement[bool]],
    mine: ColumnElement[bool],
    free: ColumnElement[bool],
) -> list[int]:
    """The note that a coder holds already, else the first ones of each lane that nobody holds.

    One lane at a time is what an index has in order. What a search finds is looked for once.
    """
    each = [()] if filters.search else [(Entry.lane == lane,) for lane in lanes]
    with store.reading() as session:
        held = list(session.scalars(select(Entry.id).where(mine)))
        if held:
            still = select(Entry.id).where(Entry.id.in_(held), *wanted)
            if found := list(session.scalars(still.order_by(Entry.held_until, Entry.id).limit(1))):
                return found
        found = []
        for lane in each:
            waiting = select(Entry.id).where(*lane, free, *wanted)
            found += session.scalars(waiting.order_by(*_order(filters)).limit(_AHEAD))
        return found


def hold(store: Store, user: User, entry_id: int, *, lease: timedelta = LEASE) -> datetime:
    """Hold a note for a coder who opens it, or go on holding it.

    Returns
    -------
    datetime
        Until when.

    Raises
    ------
    Conflict
        Where another coder holds it.
    NotFound
        Where there is no such entry.
    """
    now = store.clock()
    with store.writing() as session:
        entry = _locked(session, entry_id)
        if entry.holder_id not in (None, user.id) and entry.held_until and entry.held_until > now:
            holder = session.get_one(User, entry.holder_id)
            raise Conflict(
                "W008",
                f"entry {entry_id}",
                f"{holder.name} works on this note until {entry.held_until:%H:%M} UTC",
                "take another one, or wait",
            )
        entry.holder_id, entry.held_until = user.id, now + lease
        return entry.held_until


extend = hold
"""Hold a note longer; where the lease ran out and another coder took it, a ``Conflict``."""


def release(store: Store, user: User, entry_id: int) -> None:
    """Give a note back that a coder holds; nothing where another one holds it."""
    with store.writing() as session:
        entry = _locked(session, entry_id)
        if entry.holder_id == user.id:
            entry.holder_id = entry.held_until = None


def _locked(session: Session, entry_id: int) -> Entry:
    entry = session.get(Entry, entry_id, with_for_update={"of": Entry})
    if entry is None:
        raise NotFound("W007", f"entry {entry_id}", "there is no such entry", "go back to the queue")
    return entry


def _fit_for(user: User, now: datetime) -> Iterator[ColumnElement[bool]]:
    """What a note must be to be handed to a coder, beside that nobody holds it."""
    yield or_(Entry.deferred_until.is_(None), Entry.deferred_until <= now)
    # Of an "or" SQLite would go through an index of almost all entries.
    yield func.coalesce(Entry.assignee_id, user.id) == user.id
    decided = exists().where(
        Decision.entry_id == Entry.id,
        Decision.revision_id == Entry.revision_id,  # who decided an earlier text may check the new one
        Decision.user_id == user.id,
        Decision.undone_at.is_(None),
    )
    yield or_(Entry.second_check.is_(False), ~decided)
    if user.role is not Role.lead:
        yield Entry.disputed.is_(False)


def conditions(filters: Filters) -> Iterator[ColumnElement[bool]]:
    """What the filters ask for, but the lane: for queries over entries."""
    wanted = [("reason", filters.reason), ("code", filters.code), ("valve", filters.valve)]
    for number, (kind, value) in enumerate([one for one in wanted if one[1]]):
        is_it = and_(Trait.kind == kind, Trait.value == value)
        if number == 0:
            yield Entry.id.in_(select(Trait.entry_id).where(is_it))
        else:
            yield exists().where(is_it, Trait.entry_id == Entry.id)
    for column, same in (
        (Entry.operator, filters.operator),
        (Entry.site, filters.site),
        (Entry.style, filters.style),
    ):
        if same:
            yield column == same
    if filters.since is not None:
        yield Entry.service_date >= filters.since
    if filters.until is not None:
        yield Entry.service_date <= filters.until
    if filters.fewest is not None:
        yield Entry.units >= filters.fewest
    if filters.most is not None:
        yield Entry.units <= filters.most
    if filters.assignee == NOBODY:
        yield Entry.assignee_id.is_(None)
    elif filters.assignee:
        yield Entry.assignee_id.in_(select(User.id).where(User.name == filters.assignee))
    if filters.search:
        named = aliased(Entry)  # an index holds all that is looked through
        yield Entry.id.in_(select(named.id).where(named.note_id.icontains(filters.search, autoescape=True)))


def _order(filters: Filters) -> tuple[InstrumentedAttribute[Any] | UnaryExpression[Any], ...]:
    """As the indexes have it, so that no page sorts the whole lane."""
    if filters.sort == "doubt":
        return Entry.doubt.desc(), Entry.created_at.desc(), Entry.id.desc()
    if filters.sort == "date":
        return Entry.service_date, Entry.created_at, Entry.id
    return Entry.created_at, Entry.id


def _rank(entry: Any, filters: Filters, undated: date = date.min) -> tuple[Any, ...]:
    """As ``_order``, of entries of several lanes by their columns."""
    age = (entry.created_at, entry.id)
    if filters.sort == "doubt":
        return (-entry.doubt, -entry.created_at.timestamp(), -entry.id)
    if filters.sort == "date":
        return (entry.service_date or undated, *age)
    return age


def _row(
    entry: Entry,
    assignee: str | None,
    holder: str | None,
    traits: dict[tuple[int, str], tuple[str, ...]],
    now: datetime,
) -> QueueRow:
    held = entry.held_until is not None and entry.held_until > now
    deferred = entry.deferred_until if entry.deferred_until and entry.deferred_until > now else None
    return QueueRow(
        entry_id=entry.id,
        note_id=entry.note_id,
        version=entry.version,
        lane=entry.lane,
        status=entry.status,
        units=entry.units,
        doubt=entry.doubt,
        service_date=entry.service_date,
        operator=entry.operator,
        site=entry.site,
        style=entry.style,
        codes=traits.get((entry.id, "code"), ()),
        reasons=traits.get((entry.id, "reason"), ()),
        valves=traits.get((entry.id, "valve"), ()),
        assignee=assignee or "",
        holder=(holder or "") if held else "",
        deferred_until=deferred,
        reopened=entry.reopened,
        second_check=entry.second_check,
        disputed=entry.disputed,
        exported=entry.exported_at is not None,
        created_at=entry.created_at,
    )


def _traits(session: Session, numbers: list[int]) -> dict[tuple[int, str], tuple[str, ...]]:
    """The traits of entries, by entry and kind."""
    found: dict[tuple[int, str], tuple[str, ...]] = {}
    wanted = select(Trait.entry_id, Trait.kind, Trait.value).where(Trait.entry_id.in_(numbers))
    for entry_id, kind, value in session.execute(wanted.order_by(Trait.value)):
        found[entry_id, kind] = (*found.get((entry_id, kind), ()), value)
    return found


def _values(
    session: Session, column: InstrumentedAttribute[str], *where: ColumnElement[bool]
) -> tuple[str, ...]:
    """The values of an indexed column, the index asked for one after the other: most rows are never read."""
    first = select(func.min(column).label("value")).where(column > "", *where).cte("found", recursive=True)
    following = select(func.min(column)).where(column > first.c.value, *where).scalar_subquery()
    found = first.union_all(select(following).where(first.c.value.is_not(None)))
    listed: Select[tuple[str]] = select(found.c.value).where(found.c.value.is_not(None)).limit(_CHOICES)
    return tuple(session.scalars(listed))


def _read(name: str, value: str) -> Any:
    """The value of a filter, or nothing where it says none."""
    if not value:
        return None
    if name == "lane":
        return next((lane for lane in Lane if lane.value == value), None)
    if name == "everything":
        return True
    if name == "sort":
        return value if value in _SORTS else None
    if name in ("since", "until"):
        try:
            return date.fromisoformat(value)
        except ValueError:
            return None
    if name in ("fewest", "most", "page", "size"):
        number = int(value) if value.isascii() and value.isdecimal() and len(value) < 10 else None
        if name == "size" and number is not None:
            return min(max(number, 1), _LARGEST_PAGE)
        return None if name == "page" and not number else number
    return value
