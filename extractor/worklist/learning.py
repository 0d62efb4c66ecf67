"""Learning: what the decisions say about the suggestions, and decided notes as gold labels.

Agreement is counted over first decisions: those that nobody took back and that check no
other one. A note agrees where its suggestion was accepted, or coded alike before it was
shown; a code, where its units were claimed. Whether automation leads the coders shows
beside it: the same figure of notes that were coded before the suggestion was shown, by
their first answer, even where it was taken back afterwards.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, time, timedelta
from functools import cache, cached_property
from itertools import chain
from statistics import median
from typing import Any, Literal

from sqlalchemy import ColumnElement, Text, and_, case, cast, func, select
from sqlalchemy.orm import Session

from extractor.evaluate import Share
from extractor.rules import load_rules
from extractor.worklist.database import Store
from extractor.worklist.decisions import Coded, same_lines
from extractor.worklist.models import (
    Decision,
    Entry,
    FiledQuery,
    FiledSuggestion,
    Kind,
    Lane,
    QueryState,
    Revision,
    Role,
    User,
)
from extractor.worklist.people import name_of, permit
from extractor.worklist.trail import Happening, record

_PAGE = 1_000
_BEYOND_THE_NOTE = ("documentation_elsewhere", "payer_rule")  # reasons that the note itself does not bear out
_LONGEST = 120  # characters of a filter
_MOST_STEPS = 62  # days or weeks in a row

GOLD = (Role.lead,)
"""Who takes decided notes out with their text."""

DIMENSIONS = ("code", "why", "reason", "rule", "style", "site", "rules_version", "coder")
"""By what agreement is told: ``why`` is the reason that a coder gave, ``reason`` one of the suggestion,
``rule`` one whose words are evidence in it."""

Step = Literal["day", "week", "month"]


@dataclass(frozen=True, slots=True)
class Scope:
    """Which decisions are counted. Empty fields do not filter.

    Attributes
    ----------
    since, until
        First and last day (UTC) on which they were made.
    site, style
        Of the note.
    coder
        Name of the user who made them.

    Examples
    --------
    >>> scope = Scope.from_query({"since": "2024-07-01", "until": "soon", "site": " North "})
    >>> scope.to_query()
    {'since': '2024-07-01', 'site': 'North'}
    """

    since: date | None = None
    until: date | None = None
    site: str = ""
    style: str = ""
    coder: str = ""

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> Scope:
        """Read what an address says; what makes no sense there does not filter."""
        words = {name: query.get(name, "").strip()[:_LONGEST] for name in ("site", "style", "coder")}
        return cls(_day(query.get("since", "")), _day(query.get("until", "")), **words)

    def to_query(self) -> dict[str, str]:
        """As an address says it."""
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        return {name: str(value) for name, value in values.items() if value}

    def conditions(self) -> Iterator[ColumnElement[bool]]:
        """For queries over decisions and their entries."""
        if self.since is not None:
            yield Decision.made_at >= datetime.combine(self.since, time(), UTC)
        if self.until is not None and self.until < date.max:
            yield Decision.made_at < datetime.combine(self.until + timedelta(days=1), time(), UTC)
        if self.site:
            yield Entry.site == self.site
        if self.style:
            yield Entry.style == self.style
        if self.coder:
            yield Decision.user_id.in_(select(User.id).where(User.name == self.coder))


@dataclass(frozen=True, slots=True)
class Changed:
    """A note whose suggestion was changed or rejected.

    Attributes
    ----------
    entry_id, note_id
        The note.
    suggested, claimed
        Units of each code.
    why, coder, at
        The reason that was given, by whom, when.
    """

    entry_id: int
    note_id: str
    suggested: Mapping[str, int]
    claimed: Mapping[str, int]
    why: str
    coder: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Row:
    """Agreement of one value of a dimension.

    Attributes
    ----------
    value
        Such as ``93592``, a reason, a site.
    agreed
        How many of how many, with its interval.
    over, under
        Units suggested that were not claimed, and claimed that were not suggested.
    changed
        The notes that did not agree.
    """

    value: str
    agreed: Share
    over: int
    under: int
    changed: tuple[Changed, ...]


@dataclass(frozen=True, slots=True)
class Period:
    """A day, week or month (UTC).

    Attributes
    ----------
    begin
        Its first day.
    decided
        Decisions, with second checks.
    agreed
        Agreement of the first decisions.
    hours, hours_90
        Turn-around of what was done then: median and 90th percentile.
    """

    begin: date
    decided: int
    agreed: Share
    hours: float | None
    hours_90: float | None


@dataclass(frozen=True, slots=True)
class Work:
    """What a coder decided in a period, and the median seconds for each."""

    begin: date
    coder: str
    decided: int
    seconds: int | None


@dataclass(frozen=True, slots=True)
class Coding:
    """What a coder decided in all: on how many days, and the median seconds for each."""

    coder: str
    decided: int
    days: int
    seconds: int | None
    agreed: Share


@dataclass(frozen=True, slots=True)
class Figures:
    """What the decisions of a time say.

    Attributes
    ----------
    agreed
        Notes whose suggestion was claimed as it stood.
    kinds
        How many were accepted, changed, rejected.
    over, under
        Units suggested too many and too few.
    by
        For each of ``DIMENSIONS`` its rows, the most frequent first.
    hours, hours_90
        From a text being filed until it was done: median and 90th percentile.
    step, periods
        Time in steps that fit a plot, none left out; ``hours`` of a period without any are None.
    work, coders
        Throughput of each coder, by period and in all.
    second
        Second checks that agreed with the first decision.
    blind, sighted
        Agreement of first answers before and after the suggestion was shown.
    taken_back
        Decisions that were undone.
    """

    agreed: Share
    kinds: Mapping[str, int]
    over: int
    under: int
    by: Mapping[str, tuple[Row, ...]]
    hours: float | None
    hours_90: float | None
    step: Step
    periods: tuple[Period, ...]
    work: tuple[Work, ...]
    coders: tuple[Coding, ...]
    second: Share
    blind: Share
    sighted: Share
    taken_back: int

    @property
    def overrides(self) -> tuple[Row, ...]:
        """The rules behind suggestions that were changed or rejected, the most frequent there first."""
        found = [row for row in self.by["rule"] if row.changed]
        return tuple(sorted(found, key=lambda row: (-len(row.changed), row.agreed.of, row.value)))


def figures(session: Session, scope: Scope | None = None) -> Figures:
    """Count what was decided."""
    found = _made(session, scope or Scope())
    standing = [one for one in found if not one.undone]
    first = [one for one in standing if one.second_of is None]
    changed = [one for one in first if not one.agrees]
    times = [one.hours for one in standing if one.hours is not None]
    step = _step([one.at.date() for one in standing])
    groups = _grouped(standing, step)
    blind, sighted = _blind(found)
    return Figures(
        agreed=Share(len(first) - len(changed), len(first)),
        kinds=dict(Counter(str(one.kind) for one in first)),
        over=sum(one.over for one in changed),
        under=sum(one.under for one in changed),
        by={name: _rows(first, changed, values) for name, values in _VALUES.items()}
        | {"code": _codes(first)},
        hours=median(times) if times else None,
        hours_90=_ninetieth(times),
        step=step,
        periods=_periods(groups, step),
        work=_work(groups),
        coders=_coders(standing),
        second=_second(session, standing),
        blind=blind,
        sighted=sighted,
        taken_back=len(found) - len(standing),
    )


def last_change(session: Session) -> tuple[object, ...]:
    """What is another one once a decision was made or undone: to know whether figures still hold."""
    return tuple(session.execute(select(func.max(Decision.id), func.max(Decision.undone_at))).one())


# -- what was decided --------------------------------------------------------------


@dataclass(eq=False)
class _Made:
    """A decision beside its suggestion."""

    id: int
    entry_id: int
    note_id: str
    site: str
    style: str
    user_id: int
    coder: str
    kind: Kind
    agrees: bool
    lines: tuple[Coded, ...]
    claimed: dict[str, int]
    why: str
    blind: bool
    second_of: int | None
    seconds: int | None
    at: datetime
    undone: bool
    suggestion_id: int
    rules_version: str
    suggested: dict[str, int]
    reasons: tuple[str, ...]
    rules: tuple[str, ...]
    hours: float | None  # from the text being filed, of the decision by which it was done

    @cached_property
    def change(self) -> Changed:
        return Changed(
            self.entry_id, self.note_id, self.suggested, self.claimed, self.why, self.coder, self.at
        )

    @cached_property
    def over(self) -> int:
        return sum(max(0, self.extra(code)) for code in self.suggested)

    @cached_property
    def under(self) -> int:
        return sum(max(0, -self.extra(code)) for code in self.claimed)

    def extra(self, code: str) -> int:
        """Units suggested beyond those claimed."""
        return self.suggested.get(code, 0) - self.claimed.get(code, 0)


# Whether it is the decision by which its note is done.
_DONE = and_(Entry.decision_id == Decision.id, Entry.lane == Lane.done)

_VALUES: dict[str, Callable[[_Made], Iterable[str]]] = {
    "why": lambda one: (one.why,) if one.why else (),
    "reason": lambda one: one.reasons,
    "rule": lambda one: one.rules,
    "style": lambda one: (one.style,) if one.style else (),
    "site": lambda one: (one.site,) if one.site else (),
    "rules_version": lambda one: (one.rules_version,),
    "coder": lambda one: (one.coder,),
}


def _made(session: Session, scope: Scope) -> list[_Made]:
    """The decisions of a scope, also those undone: columns only, and what many have in common read once."""
    columns: tuple[Any, ...] = (
        Decision.id,
        Decision.entry_id,
        Entry.note_id,
        Entry.site,
        Entry.style,
        Decision.user_id,
        User.name.label("coder"),
        Decision.kind,
        cast(Decision.lines, Text).label("lines"),
        Decision.reason.label("why"),
        Decision.blind,
        Decision.second_of,
        Decision.seconds,
        Decision.made_at.label("at"),
        Decision.undone_at,
        Decision.suggestion_id,
        FiledSuggestion.rules_version,
        FiledSuggestion.gist,
        case((_DONE, Revision.filed_at)).label("filed_at"),
    )
    asked = (
        select(*columns)
        .select_from(Decision)
        .join(Entry, Entry.id == Decision.entry_id)
        .join(User, User.id == Decision.user_id)
        .join(FiledSuggestion, FiledSuggestion.id == Decision.suggestion_id)
        .join(Revision, Revision.id == Decision.revision_id)
        .where(*scope.conditions())
        .order_by(Decision.id)
    )
    lines, gists = cache(_lines), cache(_gist)
    found = []
    for row in session.connection().execute(asked):
        told = row._asdict()
        filed = told.pop("filed_at")
        # Not less than none, where a clock was set back.
        told["hours"] = max(0.0, (told["at"] - filed).total_seconds() / 3600) if filed else None
        told["agrees"] = told["kind"] is Kind.accept
        told["lines"], told["claimed"] = lines(told["lines"])
        told["undone"] = told.pop("undone_at") is not None
        told |= gists(told.pop("gist"))
        found.append(_Made(**told))
    return found


def _lines(written: str) -> tuple[tuple[Coded, ...], dict[str, int]]:
    """Lines, and the units of each code."""
    lines = tuple(Coded(one["code"], one["units"], tuple(one["modifiers"])) for one in json.loads(written))
    units: Counter[str] = Counter()
    for line in lines:
        units[line.code] += line.units
    return lines, dict(units)


def _gist(gist: str) -> dict[str, Any]:
    read = json.loads(gist)
    return {
        "suggested": read["units"],
        "reasons": tuple(read["reasons"]),
        "rules": tuple(read["rules"]),
    }


# -- counting ----------------------------------------------------------------------


def _rows(
    first: list[_Made], changed: list[_Made], values: Callable[[_Made], Iterable[str]]
) -> tuple[Row, ...]:
    total = Counter(chain.from_iterable(map(values, first)))
    differ: dict[str, list[_Made]] = defaultdict(list)
    for one in changed:
        for value in values(one):
            differ[value].append(one)
    return _sorted(
        Row(
            value,
            Share(of - len(differ[value]), of),
            sum(one.over for one in differ[value]),
            sum(one.under for one in differ[value]),
            tuple(one.change for one in differ[value]),
        )
        for value, of in total.items()
    )


def _codes(first: list[_Made]) -> tuple[Row, ...]:
    """A code agrees where its units do, whatever became of the others of its note."""
    total: Counter[str] = Counter()
    differ: dict[str, list[tuple[int, Changed]]] = defaultdict(list)
    for one in first:
        if one.agrees:
            total.update(one.claimed.keys())
            continue
        codes = {*one.suggested, *one.claimed}
        total.update(codes)
        for code in codes:
            if extra := one.extra(code):
                differ[code].append((extra, one.change))
    return _sorted(
        Row(
            code,
            Share(of - len(differ[code]), of),
            sum(max(0, extra) for extra, _ in differ[code]),
            sum(max(0, -extra) for extra, _ in differ[code]),
            tuple(change for _, change in differ[code]),
        )
        for code, of in total.items()
    )


def _sorted(rows: Iterable[Row]) -> tuple[Row, ...]:
    return tuple(sorted(rows, key=lambda row: (-row.agreed.of, row.value)))


def _blind(found: list[_Made]) -> tuple[Share, Share]:
    """Agreement of the first answer of each coder to a suggestion: blind ones, and others."""
    answers: dict[tuple[int, int], _Made] = {}
    for one in found:
        if one.second_of is None:
            answers.setdefault((one.user_id, one.suggestion_id), one)
    counted = Counter((one.blind, one.agrees) for one in answers.values())
    blind, sighted = (
        Share(counted[way, True], counted[way, True] + counted[way, False]) for way in (True, False)
    )
    return blind, sighted


def _second(session: Session, standing: list[_Made]) -> Share:
    """Second checks that agreed with the decision they check; what a lead settles is none."""
    checks = {one.second_of: one for one in standing if one.second_of is not None}
    right = of = 0
    numbers = list(checks)
    for begin in range(0, len(numbers), _PAGE):
        asked = select(Decision.id, cast(Decision.lines, Text)).where(
            Decision.id.in_(numbers[begin : begin + _PAGE]), Decision.second_of.is_(None)
        )
        for number, written in session.execute(asked):
            of += 1
            right += same_lines(_lines(written)[0], checks[number].lines)
    return Share(right, of)


# -- time --------------------------------------------------------------------------


def _step(days: list[date]) -> Step:
    """Days, or steps of which not too many make up the whole time."""
    if not days:
        return "day"
    length = (max(days) - min(days)).days + 1
    if length <= _MOST_STEPS:
        return "day"
    return "week" if length <= 7 * _MOST_STEPS else "month"


def _begin(day: date, step: Step) -> date:
    if step == "day":
        return day
    return day - timedelta(days=day.weekday()) if step == "week" else day.replace(day=1)


def _next(begin: date, step: Step) -> date:
    if step == "month":
        return (begin.replace(day=28) + timedelta(days=4)).replace(day=1)
    return begin + timedelta(days=1 if step == "day" else 7)


def _grouped(standing: list[_Made], step: Step) -> dict[date, list[_Made]]:
    groups: dict[date, list[_Made]] = defaultdict(list)
    for one in standing:
        groups[_begin(one.at.date(), step)].append(one)
    return dict(groups)


def _periods(groups: Mapping[date, list[_Made]], step: Step) -> tuple[Period, ...]:
    if not groups:
        return ()
    begin, last = min(groups), max(groups)
    periods = []
    while begin <= last:
        group = groups.get(begin, [])
        first = [one for one in group if one.second_of is None]
        hours = [one.hours for one in group if one.hours is not None]
        agreed = Share(sum(one.agrees for one in first), len(first))
        middle = median(hours) if hours else None
        periods.append(Period(begin, len(group), agreed, middle, _ninetieth(hours)))
        begin = _next(begin, step)
    return tuple(periods)


def _ninetieth(values: list[float]) -> float | None:
    return sorted(values)[int(0.9 * (len(values) - 1))] if values else None


def _work(groups: Mapping[date, list[_Made]]) -> tuple[Work, ...]:
    found = []
    for begin, group in sorted(groups.items()):
        each: dict[str, list[_Made]] = defaultdict(list)
        for one in group:
            each[one.coder].append(one)
        found += [Work(begin, coder, len(made), _seconds(made)) for coder, made in sorted(each.items())]
    return tuple(found)


def _coders(standing: list[_Made]) -> tuple[Coding, ...]:
    groups: dict[str, list[_Made]] = defaultdict(list)
    for one in standing:
        groups[one.coder].append(one)
    found = []
    for coder, group in sorted(groups.items(), key=lambda item: (-len(item[1]), item[0])):
        first = [one for one in group if one.second_of is None]
        agreed = Share(sum(one.agrees for one in first), len(first))
        days = len({one.at.date() for one in group})
        found.append(Coding(coder, len(group), days, _seconds(group), agreed))
    return tuple(found)


def _seconds(group: list[_Made]) -> int | None:
    known = [one.seconds for one in group if one.seconds is not None]
    return int(median(known)) if known else None


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text.strip()[:10])
    except ValueError:
        return None


# -- gold --------------------------------------------------------------------------


def write_gold(
    store: Store, by: User | str, write: Callable[[str], object], scope: Scope | None = None
) -> int:
    """Write decided notes as labels, a line of JSON each; the trail says who took them, and what file.

    Parameters
    ----------
    store
        The worklist.
    by
        A lead, or the command line.
    write
        Takes the lines, one after the other.
    scope
        Which ones; all without it.

    Returns
    -------
    int
        How many.
    """
    permit(by, *GOLD)
    scope = scope or Scope()
    number, written = 0, hashlib.sha256()
    with store.reading() as session:
        for one in gold(session, scope):
            line = json.dumps(one, ensure_ascii=False) + "\n"
            write(line)
            written.update(line.encode())
            number += 1
    after = {"number": number, "sha256": written.hexdigest(), **scope.to_query()}
    with store.writing() as session:
        record(session, Happening(store.clock(), name_of(by), "gold", about="gold labels", after=after))
    return number


def gold(session: Session, scope: Scope | None = None) -> Iterator[dict[str, Any]]:
    """Decided notes with their labels, as ``pvl evaluate`` reads them; those of a dispute are left out.

    A note is labelled ``ready`` where a coder could decide by it, and ``review`` where the
    physician was asked about this text of it; where the suggestion was ``review`` and the
    coder decided without asking, both are right. What another document or a payer's rule
    decided is not compared. Reasons, approaches and what was accepted without being looked
    at one by one are not compared either.

    Yields
    ------
    dict
        ``id``, ``text`` and ``gold``; with ``site``, ``style`` and whether it was coded blind.
    """
    asked = set(
        session.scalars(
            select(FiledSuggestion.revision_id)
            .join(FiledQuery, FiledQuery.suggestion_id == FiledSuggestion.id)
            .where(FiledQuery.state == QueryState.answered)
        )
    )
    found = (
        select(Entry, Decision, Revision.text, FiledSuggestion.content)
        .join(Decision, Decision.id == Entry.decision_id)
        .join(Revision, Revision.id == Decision.revision_id)
        .join(FiledSuggestion, FiledSuggestion.id == Decision.suggestion_id)
        .where(Entry.lane == Lane.done, Revision.text.is_not(None), *(scope or Scope()).conditions())
        .order_by(Entry.id)
        .execution_options(yield_per=_PAGE)
    )
    for entry, decision, text, content in session.execute(found):
        checked = None if decision.second_of is None else session.get_one(Decision, decision.second_of)
        if checked is not None and checked.second_of is not None:
            continue  # coders differed about it: there is a decision behind the one that it checks
        why = {decision.reason, checked.reason if checked is not None else ""}
        label = _label(decision, json.loads(content), decision.revision_id in asked, why)
        yield {
            "id": entry.note_id,
            "text": text,
            "gold": label,
            "site": entry.site,
            "style": entry.style,
            "blind": decision.blind,
        }


@cache
def _family() -> tuple[frozenset[str], str]:
    """The codes of the closure, and the one that goes with them."""
    coding = load_rules().coding
    companion = coding["coding.left_heart"].code
    return frozenset(rule.code for rule in coding.values()) - {companion}, companion


def _label(decision: Decision, suggestion: dict[str, Any], asked: bool, why: set[str]) -> dict[str, Any]:
    family, companion = _family()
    lines = {one["code"]: one["units"] for one in decision.lines if one["code"] in family}
    companions = {one["code"]: one["units"] for one in decision.lines if one["code"] == companion}
    compared = not asked and why.isdisjoint(_BEYOND_THE_NOTE)
    outcomes = {device["number"]: device["outcome"] for device in suggestion["devices"]}
    outcomes |= {int(number): said["outcome"] for number, said in decision.outcomes.items()}
    removed = sum(outcome == "removed" for outcome in outcomes.values())
    return {
        "status": _status(decision, suggestion["status"], asked, compared),
        "lines": lines if compared else None,
        "reasons": None,
        "not_counted": removed if compared and decision.outcomes else None,
        "approaches": None,
        "companions": companions if compared else None,
    }


def _status(decision: Decision, suggested: str, asked: bool, compared: bool) -> str | list[str]:
    if asked:
        return "review"
    if not compared:
        return ["ready", "review"]
    if decision.lines:
        return "ready" if suggested == "ready" else ["ready", "review"]
    return suggested if decision.kind is Kind.accept else ["none", "review"]
