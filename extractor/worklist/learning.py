"""Learning: what the decisions say about the suggestions, and decided notes as gold labels.

Agreement is counted over first decisions: those that nobody took back and that check no
other one. A note agrees where exactly the suggested lines were claimed; a code, where
its units were. Whether automation leads the coders shows beside it: the same figure of
notes that were coded before the suggestion was shown, by their first answer, even where
it was taken back afterwards.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import groupby
from statistics import median
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from extractor.evaluate import Share
from extractor.rules import load_rules
from extractor.worklist.decisions import lines_of as coded_lines
from extractor.worklist.decisions import same_lines
from extractor.worklist.models import (
    Decision,
    Entry,
    FiledQuery,
    FiledSuggestion,
    Kind,
    Lane,
    QueryState,
    Revision,
    Trait,
    User,
)

_PAGE = 1_000
_BEYOND_THE_NOTE = ("documentation_elsewhere", "payer_rule")  # reasons that the note itself does not bear out
DIMENSIONS = ("code", "reason", "why", "style", "site", "rules_version", "coder")
"""By what agreement is told."""


@dataclass(frozen=True, slots=True)
class Changed:
    """An entry whose suggestion was changed or rejected, to link to."""

    entry_id: int
    note_id: str


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
        The entries that did not agree.
    """

    value: str
    agreed: Share
    over: int
    under: int
    changed: tuple[Changed, ...]


@dataclass(frozen=True, slots=True)
class Override:
    """A rule whose words are evidence in suggestions that were changed or rejected."""

    rule: str
    number: int
    entries: tuple[Changed, ...]


@dataclass(frozen=True, slots=True)
class Day:
    """How many notes a coder decided on a day (UTC), and the median seconds for each."""

    day: date
    coder: str
    decided: int
    seconds: int | None


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
        For each of ``DIMENSIONS`` its rows, the most frequent first. ``why`` is the reason
        that a coder gave, ``reason`` one of the suggestion.
    overrides
        The rules behind suggestions that were changed.
    hours, hours_90
        From a text being filed until it was done: median and 90th percentile.
    days
        Throughput.
    second
        Second checks that agreed with the first decision.
    blind, sighted
        Agreement of first answers before and after the suggestion was shown.
    taken_back
        Decisions that were undone.
    """

    agreed: Share
    kinds: dict[str, int]
    over: int
    under: int
    by: dict[str, tuple[Row, ...]]
    overrides: tuple[Override, ...]
    hours: float | None
    hours_90: float | None
    days: tuple[Day, ...]
    second: Share
    blind: Share
    sighted: Share
    taken_back: int


@dataclass(frozen=True, slots=True)
class _Case:
    """A first decision beside its suggestion."""

    decision: Decision
    entry_id: int
    note_id: str
    site: str
    style: str
    rules_version: str
    coder: str
    suggested: dict[str, int]
    reasons: tuple[str, ...]
    rules: frozenset[str]

    @property
    def agreed(self) -> bool:
        return self.decision.kind is Kind.accept

    @property
    def claimed(self) -> dict[str, int]:
        return {line["code"]: line["units"] for line in self.decision.lines}

    @property
    def changed(self) -> Changed:
        return Changed(self.entry_id, self.note_id)

    def values(self, dimension: str) -> tuple[str, ...]:
        if dimension == "code":
            return tuple(sorted({*self.suggested, *self.claimed}))
        if dimension == "reason":
            return self.reasons
        value = {
            "why": self.decision.reason,
            "style": self.style,
            "site": self.site,
            "rules_version": self.rules_version,
            "coder": self.coder,
        }[dimension]
        return (value,) if value else ()


@dataclass(slots=True)
class _Tally:
    of: int = 0
    agreed: int = 0
    over: int = 0
    under: int = 0
    changed: list[Changed] = field(default_factory=list)

    def add(self, case: _Case, agreed: bool, codes: Iterable[str]) -> None:
        self.of += 1
        self.agreed += agreed
        if not agreed:
            self.changed.append(case.changed)
        for code in codes:
            extra = case.suggested.get(code, 0) - case.claimed.get(code, 0)
            self.over += max(0, extra)
            self.under += max(0, -extra)

    def row(self, value: str) -> Row:
        return Row(value, Share(self.agreed, self.of), self.over, self.under, tuple(self.changed))


def figures(
    session: Session,
    since: datetime | None = None,
    until: datetime | None = None,
    *,
    site: str = "",
    style: str = "",
) -> Figures:
    """Count what was decided from ``since`` to before ``until``, at one site or of one style where named."""
    where = [*_between(since, until)]
    where += [Entry.site == site] if site else []
    where += [Entry.style == style] if style else []
    cases = list(_cases(session, where))
    overall = _Tally()
    tallies: dict[str, dict[str, _Tally]] = {one: defaultdict(_Tally) for one in DIMENSIONS}
    rules: dict[str, list[Changed]] = defaultdict(list)
    for case in cases:
        codes = case.values("code")
        overall.add(case, case.agreed, codes)
        for dimension in DIMENSIONS:
            for value in case.values(dimension):
                if dimension == "code":
                    same = case.suggested.get(value) == case.claimed.get(value)
                    tallies[dimension][value].add(case, same, (value,))
                else:
                    tallies[dimension][value].add(case, case.agreed, codes)
        for rule in case.rules:
            rules[rule].append(case.changed)
    blind, sighted = _blind(session, where)
    hours = _hours(session, where)
    return Figures(
        agreed=Share(overall.agreed, overall.of),
        kinds=dict(Counter(str(case.decision.kind) for case in cases)),
        over=overall.over,
        under=overall.under,
        by={dimension: _rows(found) for dimension, found in tallies.items()},
        overrides=tuple(
            Override(rule, len(found), tuple(found))
            for rule, found in sorted(rules.items(), key=lambda item: (-len(item[1]), item[0]))
        ),
        hours=median(hours) if hours else None,
        hours_90=sorted(hours)[int(0.9 * (len(hours) - 1))] if hours else None,
        days=_days(session, where),
        second=_second(session, where),
        blind=blind,
        sighted=sighted,
        taken_back=len(
            session.execute(_decisions(where, Decision.id).where(Decision.undone_at.is_not(None))).all()
        ),
    )


def _rows(tallies: Mapping[str, _Tally]) -> tuple[Row, ...]:
    return tuple(
        tally.row(value) for value, tally in sorted(tallies.items(), key=lambda item: (-item[1].of, item[0]))
    )


def _between(since: datetime | None, until: datetime | None) -> Iterator[Any]:
    if since is not None:
        yield Decision.made_at >= since
    if until is not None:
        yield Decision.made_at < until


def _decisions(where: list[Any], *columns: Any) -> Select[Any]:
    return select(*columns).select_from(Decision).join(Entry, Entry.id == Decision.entry_id).where(*where)


def _cases(session: Session, where: list[Any]) -> Iterator[_Case]:
    """First decisions. Only of those that changed something the whole suggestion is read."""
    found = (
        _decisions(
            where, Decision, Entry.note_id, Entry.site, Entry.style, User.name, FiledSuggestion.rules_version
        )
        .join(User, User.id == Decision.user_id)
        .join(FiledSuggestion, FiledSuggestion.id == Decision.suggestion_id)
        .where(Decision.undone_at.is_(None), Decision.second_of.is_(None))
        .order_by(Decision.id)
        .execution_options(yield_per=_PAGE)
    )
    for rows in session.execute(found).partitions(_PAGE):
        changed = [row[0].suggestion_id for row in rows if row[0].kind is not Kind.accept]
        read = {
            number: json.loads(content)
            for number, content in session.execute(
                select(FiledSuggestion.id, FiledSuggestion.content).where(FiledSuggestion.id.in_(changed))
            )
        }
        reasons = _reasons(session, [row[0].entry_id for row in rows if row[0].kind is Kind.accept])
        for decision, note_id, site, style, coder, version in rows:
            content = read.get(decision.suggestion_id)
            claimed = {line["code"]: line["units"] for line in decision.lines}
            given = reasons.get(decision.entry_id, ()) if content is None else _codes(content["reasons"])
            yield _Case(
                decision,
                decision.entry_id,
                note_id,
                site,
                style,
                version,
                coder,
                claimed if content is None else _suggested(content),
                given,
                frozenset() if content is None else frozenset(_rules(content)),
            )


def _reasons(session: Session, entry_ids: list[int]) -> dict[int, tuple[str, ...]]:
    """The reasons of accepted suggestions, as the queue keeps them."""
    found = (
        select(Trait.entry_id, Trait.value)
        .where(Trait.kind == "reason", Trait.entry_id.in_(entry_ids))
        .order_by(Trait.entry_id, Trait.value)
    )
    rows = groupby(session.execute(found), key=lambda row: row[0])
    return {entry_id: tuple(row[1] for row in group) for entry_id, group in rows}


def _suggested(content: dict[str, Any]) -> dict[str, int]:
    return {one["code"]: one["units"] for one in (*content["lines"], *content["companions"])}


def _codes(parts: list[dict[str, Any]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(part["code"] for part in parts))


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


def _blind(session: Session, where: list[Any]) -> tuple[Share, Share]:
    """Agreement of the first answer of each coder to a suggestion: blind ones, and others."""
    answers = session.execute(
        _decisions(where, Decision.user_id, Decision.suggestion_id, Decision.blind, Decision.kind)
        .where(Decision.second_of.is_(None))
        .order_by(Decision.id)
    )
    first: dict[tuple[int, int], tuple[bool, Kind]] = {}
    for user_id, suggestion_id, blind, kind in answers:
        first.setdefault((user_id, suggestion_id), (blind, kind))
    counted = Counter((blind, kind is Kind.accept) for blind, kind in first.values())
    return tuple(  # type: ignore[return-value]
        Share(counted[blind, True], counted[blind, True] + counted[blind, False]) for blind in (True, False)
    )


def _second(session: Session, where: list[Any]) -> Share:
    """Second checks that agreed with the decision they check."""
    found = session.scalars(
        _decisions(where, Decision).where(Decision.undone_at.is_(None), Decision.second_of.is_not(None))
    ).all()
    first = {
        one.id: one
        for one in session.scalars(select(Decision).where(Decision.id.in_([one.second_of for one in found])))
    }
    pairs = [(first[one.second_of], one) for one in found if one.second_of is not None]
    checks = [(one, two) for one, two in pairs if one.second_of is None]
    return Share(sum(same_lines(coded_lines(one), coded_lines(two)) for one, two in checks), len(checks))


def _hours(session: Session, where: list[Any]) -> list[float]:
    done = (
        _decisions(where, Revision.filed_at, Decision.made_at)
        .join(Revision, Revision.id == Decision.revision_id)
        .where(Entry.decision_id == Decision.id, Entry.lane == Lane.done)
    )
    return [(made - filed).total_seconds() / 3600 for filed, made in session.execute(done)]


def _days(session: Session, where: list[Any]) -> tuple[Day, ...]:
    found = (
        _decisions(where, Decision.made_at, User.name, Decision.seconds)
        .join(User, User.id == Decision.user_id)
        .where(Decision.undone_at.is_(None))
    )
    groups: dict[tuple[date, str], list[int | None]] = defaultdict(list)
    for made, name, seconds in session.execute(found):
        groups[made.date(), name].append(seconds)
    return tuple(
        Day(
            day,
            name,
            len(times),
            int(median(known)) if (known := [t for t in times if t is not None]) else None,
        )
        for (day, name), times in sorted(groups.items())
    )


# -- gold --------------------------------------------------------------------------


def gold(session: Session) -> Iterator[dict[str, Any]]:
    """Decided notes with their labels, as ``pvl evaluate`` reads them; those of a dispute are left out.

    A note is labelled ``ready`` where a coder could decide by it, and ``review`` where the
    physician was asked; where the suggestion was ``review`` and the coder decided without
    asking, both are right. What another document or a payer's rule decided is not
    compared. Reasons, approaches and what was accepted without being looked at one by one
    are not compared either.

    Yields
    ------
    dict
        ``id``, ``text`` and ``gold``; with ``site``, ``style`` and whether it was coded blind.
    """
    asked = set(
        session.scalars(select(FiledQuery.entry_id).where(FiledQuery.state == QueryState.answered).distinct())
    )
    found = (
        select(Entry, Decision, Revision.text, FiledSuggestion.content)
        .join(Decision, Decision.id == Entry.decision_id)
        .join(Revision, Revision.id == Decision.revision_id)
        .join(FiledSuggestion, FiledSuggestion.id == Decision.suggestion_id)
        .where(Entry.lane == Lane.done, Revision.text.is_not(None))
        .order_by(Entry.id)
        .execution_options(yield_per=_PAGE)
    )
    for entry, decision, text, content in session.execute(found):
        if _disputed(session, decision):
            continue
        label = _label(decision, json.loads(content), entry.id in asked)
        yield {
            "id": entry.note_id,
            "text": text,
            "gold": label,
            "site": entry.site,
            "style": entry.style,
            "blind": decision.blind,
        }


def _disputed(session: Session, decision: Decision) -> bool:
    """Whether coders differed about it: then there is a decision behind the one it checks."""
    if decision.second_of is None:
        return False
    return session.get_one(Decision, decision.second_of).second_of is not None


def _label(decision: Decision, suggestion: dict[str, Any], asked: bool) -> dict[str, Any]:
    coding = load_rules().coding
    companion = coding["coding.left_heart"].code
    family = {rule.code for rule in coding.values()} - {companion}
    lines = {one["code"]: one["units"] for one in decision.lines if one["code"] in family}
    companions = {one["code"]: one["units"] for one in decision.lines if one["code"] == companion}
    compared = not asked and decision.reason not in _BEYOND_THE_NOTE
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
