"""Decisions: what coders say of a suggestion, kept for ever and undone only by saying so.

A decision is never changed. Undoing adds when; deciding again adds another one. A share
of the decisions, drawn by the id of the note, waits for a second coder: where both say
the same lines the entry is done, else it is disputed and waits for a lead.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache
from typing import Any, NoReturn, get_args

from sqlalchemy import select
from sqlalchemy.orm import Session

from extractor.edits import edits
from extractor.errors import Conflict, NotAllowed, NotFound, WorklistError
from extractor.rules import load_rules
from extractor.suggestion import Line, Outcome, Suggestion, Valve
from extractor.tables import load_tables
from extractor.worklist.database import Store
from extractor.worklist.filing import lane_for
from extractor.worklist.models import (
    Decision,
    Entry,
    Exported,
    FiledSuggestion,
    Kind,
    Lane,
    Role,
    User,
)
from extractor.worklist.people import permit
from extractor.worklist.settings import Settings, read
from extractor.worklist.trail import DECIDE, UNDO, Happening, record, sealed

DECIDERS = (Role.coder, Role.lead)
"""Who decides."""

REASONS = {
    "missed_device": "A device that was left in is not counted",
    "device_not_left": "A device is counted that was not left in",
    "same_device_twice": "One device is counted twice",
    "wrong_valve": "The valve is wrong",
    "wrong_approach": "The way to the leak is wrong",
    "modifier": "A modifier is missing or wrong",
    "not_this_session": "It was done in another session, or is only planned",
    "documentation_elsewhere": "Another document says more than this note",
    "payer_rule": "A rule of the payer decides",
    "coded_blind": "Coded before the suggestion was shown",
    "other": "Another reason: see the comment",
}
"""Why a suggestion is changed or rejected: code and words."""

DEFERRALS = {
    "waiting_for_document": "A document is awaited",
    "waiting_for_operator": "An answer of the operator is awaited",
    "waiting_for_payer": "An answer of the payer is awaited",
    "other": "Another reason",
}
"""Why an entry is put off: code and words."""

BLIND = "coded_blind"
LONGEST_COMMENT = 2_000
_MOST_UNITS = 99
_MOST_LINES = 20
_MOST_MODIFIERS = 4
_LONGEST_DEFERRAL = timedelta(days=366)
_MODIFIER = re.compile(r"[0-9A-Z]{2}")
_IMPLANTED = "implanted"


@dataclass(frozen=True, slots=True, order=True)
class Coded:
    """A line as a coder claims it."""

    code: str
    units: int
    modifiers: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As a decision keeps it."""
        return {"code": self.code, "units": self.units, "modifiers": list(self.modifiers)}


@dataclass(frozen=True, slots=True)
class Answer:
    """What a coder says of one entry.

    Attributes
    ----------
    kind
        Accept, change or reject. Of a note coded blind it follows from the lines.
    lines
        What is claimed; those suggested if left out of an ``accept``.
    outcomes
        By number of a device what became of it, where the coder says something else:
        ``{"2": {"outcome": "removed", "valve": "mitral"}}``. Further numbers are devices
        that the suggestion missed.
    reason
        One of ``REASONS``, for a change or rejection.
    comment
        Free words; needed for the reason ``other``.
    blind
        The suggestion was not shown.
    """

    kind: Kind
    lines: Sequence[Coded] | None = None
    outcomes: Mapping[str, Mapping[str, Any]] | None = None
    reason: str = ""
    comment: str = ""
    blind: bool = False


@dataclass(frozen=True, slots=True)
class Check:
    """What is wrong with an answer (it cannot be kept), and what is only odd."""

    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


# -- what is suggested and what a coder may say ------------------------------------


def suggested_lines(suggestion: Suggestion) -> tuple[Coded, ...]:
    """The lines that an ``accept`` claims: lines and companions.

    Examples
    --------
    >>> from extractor import Coder
    >>> note = "Mitral paravalvular leak closure. A 12 mm AVP II was deployed and released."
    >>> suggested_lines(Coder().suggest(note))
    (Coded(code='93590', units=1, modifiers=()),)
    """
    lines = [Coded(line.code, line.units, line.modifiers) for line in suggestion.lines]
    return (*lines, *(Coded(one.code, one.units) for one in suggestion.companions))


def lines_of(decision: Decision) -> tuple[Coded, ...]:
    """The lines of a decision."""
    return tuple(Coded(one["code"], one["units"], tuple(one["modifiers"])) for one in decision.lines)


def known_codes(suggestion: Suggestion, settings: Settings) -> dict[str, str]:
    """The codes that a coder may claim for a note, and what each is called here."""
    found = {rule.code: rule.role for rule in load_rules().coding.values()}
    for service in suggestion.also_documented:
        found |= {code: service.service for code in service.codes if code not in found}
    return found | {code: "of this site" for code in settings.more_codes if code not in found}


def check(suggestion: Suggestion, answer: Answer, settings: Settings, day: date | None = None) -> Check:
    """Look at an answer before it is kept; ``day`` is the date of service, for the payer's tables.

    Examples
    --------
    >>> from extractor import Coder
    >>> note = "Mitral paravalvular leak closure. A 12 mm AVP II was deployed and released."
    >>> answer = Answer(Kind.change, [Coded("93592", 2)], reason="missed_device")
    >>> check(Coder().suggest(note), answer, Settings()).problems
    ('93592 is an add-on code: it goes with 93590 or 93591',)
    """
    problems = _problems(suggestion, answer, settings)
    if problems or answer.kind is Kind.reject:
        return Check(problems)
    if answer.kind is Kind.accept:
        return Check((), tuple(_open_counts(suggestion)))
    lines, outcomes = _lines(suggestion, answer), answer.outcomes or {}
    warnings = [*_device_warnings(suggestion, lines, outcomes), *_line_warnings(lines)]
    return Check((), (*warnings, *_edit_warnings(suggestion, lines, day)))


def _problems(suggestion: Suggestion, answer: Answer, settings: Settings) -> tuple[str, ...]:
    """Why an answer cannot be kept."""
    lines, outcomes = _lines(suggestion, answer), answer.outcomes or {}
    problems = [*_line_problems(lines, known_codes(suggestion, settings)), *_outcome_problems(outcomes)]
    return tuple(problems or _kind_problems(suggestion, answer, lines))


def _lines(suggestion: Suggestion, answer: Answer) -> tuple[Coded, ...]:
    if answer.lines is None:
        return suggested_lines(suggestion) if answer.kind is Kind.accept and not answer.blind else ()
    return tuple(answer.lines)


def same_lines(one: Iterable[Coded], other: Iterable[Coded]) -> bool:
    """Whether both claim the same, in whatever order."""
    return _sorted(one) == _sorted(other)


def _sorted(lines: Iterable[Coded]) -> list[Coded]:
    return sorted(Coded(line.code, line.units, tuple(sorted(line.modifiers))) for line in lines)


def _line_problems(lines: tuple[Coded, ...], known: Mapping[str, str]) -> Iterable[str]:
    codes = [line.code for line in lines]
    if len(lines) > _MOST_LINES:
        yield f"more than {_MOST_LINES} lines"
    for line in lines[:_MOST_LINES]:
        if line.code not in known:
            yield f"a code is not known here; known: {', '.join(known)}"
        elif not 1 <= line.units <= _MOST_UNITS:
            yield f"{line.code} has {line.units} units: 1 to {_MOST_UNITS} are possible"
        elif len(line.modifiers) > _MOST_MODIFIERS or len(set(line.modifiers)) < len(line.modifiers):
            yield f"{line.code} has more than {_MOST_MODIFIERS} modifiers, or one twice"
        elif not all(_MODIFIER.fullmatch(modifier) for modifier in line.modifiers):
            yield f"{line.code} has a modifier that is not two digits or capital letters"
    if len(set(codes)) < len(codes):
        yield "a code stands in two lines"
    first, more = _family()
    if more in codes and not set(first.values()).intersection(codes):
        yield f"{more} is an add-on code: it goes with {' or '.join(first.values())}"


def _outcome_problems(outcomes: Mapping[str, Mapping[str, Any]]) -> Iterable[str]:
    for number, said in outcomes.items():
        if not re.fullmatch(r"[1-9][0-9]?", number):
            yield "a device has no number from 1 to 99"
        elif said.get("outcome") not in get_args(Outcome) or not {*said} <= {"outcome", "valve"}:
            yield f"device {number} has no known outcome"
        elif said.get("valve") not in (None, *get_args(Valve)):
            yield f"device {number} is at no known valve"


def _kind_problems(suggestion: Suggestion, answer: Answer, lines: tuple[Coded, ...]) -> Iterable[str]:
    same = same_lines(lines, suggested_lines(suggestion))
    if len(answer.comment) > LONGEST_COMMENT:
        yield f"the comment has more than {LONGEST_COMMENT} characters"
    if "\0" in answer.comment:
        yield "the comment holds a NUL character"
    if answer.reason and answer.reason not in REASONS:
        yield "the reason is none of those to choose from"
    if answer.blind:
        return
    if answer.kind is Kind.accept:
        if not same or answer.outcomes:
            yield "what is accepted is not what was suggested: choose change"
        return
    if answer.kind is Kind.reject and lines:
        yield "a rejected suggestion has no lines: choose change to claim others"
    if answer.kind is Kind.change and same and not answer.outcomes:
        yield "nothing was changed: choose accept"
    if not answer.reason:
        yield "a reason is missing"
    if answer.reason == BLIND:
        yield "this reason is only for notes that were coded blind"
    if answer.reason == "other" and not answer.comment.strip():
        yield "this reason needs a comment"


def _device_warnings(
    suggestion: Suggestion, lines: tuple[Coded, ...], outcomes: Mapping[str, Mapping[str, Any]]
) -> Iterable[str]:
    """Where the devices left in would give other lines."""
    left: dict[int, str | None] = {
        device.number: device.valve for device in suggestion.devices if device.outcome == _IMPLANTED
    }
    for number, said in outcomes.items():
        left.pop(int(number), None)
        if said["outcome"] == _IMPLANTED:
            left[int(number)] = said.get("valve")
    first, more = _family()
    if not left and not lines:
        return
    expected = {first[valve]: 1 for valve in first if valve in left.values()}
    counted = sum(valve in first for valve in left.values())
    if counted > len(expected):
        expected[more] = counted - len(expected)
    claimed = {line.code: line.units for line in lines if line.code in (*first.values(), more)}
    if claimed != expected:
        yield f"the devices left in would give {_told(expected)}, the lines say {_told(claimed)}"


def _line_warnings(lines: tuple[Coded, ...]) -> Iterable[str]:
    first, more = _family()
    for line in lines:
        if line.code in first.values() and line.units > 1:
            yield f"{line.code} is for the first device alone: further ones are {more}"
        if line.code == more and {"50", "51", "59"}.intersection(line.modifiers):
            yield f"50, 51 and 59 have no place on the add-on code {more}"


def _open_counts(suggestion: Suggestion) -> Iterable[str]:
    """Where an ``accept`` claims a number that the note leaves open."""
    for line in suggestion.lines:
        if line.low != line.high:
            span = f"{line.low} to {line.high}"
            yield f"the note leaves {line.code} open, {span}: {line.units} would be claimed"


def _edit_warnings(suggestion: Suggestion, lines: tuple[Coded, ...], day: date | None) -> Iterable[str]:
    """What the payer's tables say of the claimed lines, where they did not say it of those suggested."""
    claimed = tuple(
        Line(code=one.code, units=one.units, low=one.units, high=one.units, role="claimed") for one in lines
    )
    changed = suggestion.model_copy(update={"status": "ready", "lines": claimed, "companions": ()})
    known = {edit.message for edit in suggestion.edits}
    found = edits(changed, load_rules(), load_tables(), day)
    messages = (edit.message for edit in found if edit.severity != "info")
    return dict.fromkeys(message for message in messages if message not in known)


def _told(units: Mapping[str, int]) -> str:
    return " + ".join(f"{code} x{number}" for code, number in sorted(units.items())) or "none"


@cache
def _family() -> tuple[dict[str, str], str]:
    """The code of the first device of each valve, and the code of each further one."""
    coding = load_rules().coding
    first = {valve: coding[f"coding.initial.{valve}"].code for valve in ("mitral", "aortic")}
    return first, coding["coding.additional"].code


# -- drawing -----------------------------------------------------------------------


def drawn(note_id: str, what: str, share: float) -> bool:
    """Whether a note is in a share of all notes: the same answer each time, and more notes for more share.

    Examples
    --------
    >>> drawn("A17", "blind", 0.0), drawn("A17", "blind", 1.0)
    (False, True)
    """
    digest = hashlib.sha256(f"{what}\0{note_id}".encode("utf-8", "replace")).digest()
    return int.from_bytes(digest[:8], "big") < share * 2**64


def is_blind(entry: Entry, settings: Settings) -> bool:
    """Whether the suggestion of an entry is hidden until it is coded."""
    return drawn(entry.note_id, "blind", settings.blind_share)


def must_code_blind(session: Session, user: User, entry: Entry, settings: Settings) -> bool:
    """Whether a user may not see the suggestion yet: only those who decide are kept from it, once.

    A lead who settles a dispute sees it, and whoever has decided about it already.
    """
    if user.role not in DECIDERS or entry.lane is Lane.done or entry.disputed:
        return False
    if not is_blind(entry, settings):
        return False
    own = select(Decision.id).where(
        Decision.user_id == user.id, Decision.suggestion_id == entry.suggestion_id
    )
    return session.scalar(own.limit(1)) is None


# -- deciding ----------------------------------------------------------------------


def decide(
    store: Store,
    user: User,
    entry_id: int,
    expected: int,
    kind: Kind,
    lines: Sequence[Coded] | None = None,
    outcomes: Mapping[str, Mapping[str, Any]] | None = None,
    reason: str = "",
    comment: str = "",
    blind: bool = False,
    opened_at: datetime | None = None,
) -> Decision:
    """Keep what a coder says.

    Parameters
    ----------
    store
        The worklist.
    user
        The coder.
    entry_id, expected
        The entry, and its version when the page was made.
    kind, lines, outcomes, reason, comment, blind
        What the coder says: an ``Answer``.
    opened_at
        When the coder opened the note.

    Returns
    -------
    Decision
        As kept.

    Raises
    ------
    Conflict
        Where somebody else changed the entry, or holds it.
    NotAllowed
        Where this user may not decide about it.
    WorklistError
        Where the answer is not possible; ``check`` tells why beforehand.
    """
    permit(user, *DECIDERS)
    answer = Answer(kind, lines, outcomes, reason, comment, blind)
    now = store.clock()
    with store.writing() as session:
        entry = open_entry(session, user, entry_id, expected, now)
        _may_decide(session, user, entry)
        settings = read(session)
        if answer.blind != must_code_blind(session, user, entry, settings):
            raise Conflict(
                "W005", f"entry {entry_id}", "whether it is coded blind has changed", "open the note again"
            )
        filed = session.get_one(FiledSuggestion, entry.suggestion_id)
        suggestion = Suggestion.model_validate_json(filed.content)
        if problems := _problems(suggestion, answer, settings):
            raise WorklistError("W026", f"entry {entry_id}", "; ".join(problems), "correct the answer")
        decision = _decision(entry, user, _settled(suggestion, answer), now, opened_at)
        session.add(decision)
        session.flush()
        before = state_of(entry)
        _move(session, entry, decision, suggestion, settings)
        touch(entry, now)
        _record(session, now, user, entry, decision, before, filed.rules_version)
    return decision


def _settled(suggestion: Suggestion, answer: Answer) -> Answer:
    """The answer with its lines and, where it was given blind, with the kind that follows from them."""
    lines = _lines(suggestion, answer)
    if not answer.blind:
        return Answer(answer.kind, lines, answer.outcomes, answer.reason, answer.comment)
    if same_lines(lines, suggested_lines(suggestion)):
        return Answer(Kind.accept, lines, answer.outcomes, "", answer.comment, blind=True)
    kind = Kind.change if lines else Kind.reject
    return Answer(kind, lines, answer.outcomes, answer.reason or BLIND, answer.comment, blind=True)


def _decision(
    entry: Entry, user: User, answer: Answer, now: datetime, opened_at: datetime | None
) -> Decision:
    seconds = None if opened_at is None else max(0, int((now - opened_at).total_seconds()))
    return Decision(
        entry_id=entry.id,
        revision_id=entry.revision_id,
        suggestion_id=entry.suggestion_id,
        user_id=user.id,
        kind=answer.kind,
        lines=[line.to_json() for line in answer.lines or ()],
        outcomes={number: dict(said) for number, said in (answer.outcomes or {}).items()},
        reason=answer.reason,
        comment=answer.comment.strip(),
        blind=answer.blind,
        second_of=entry.decision_id,
        seconds=seconds,
        made_at=now,
    )


def _may_decide(session: Session, user: User, entry: Entry) -> None:
    where = f"entry {entry.id}"
    if entry.lane is Lane.done:
        raise Conflict("W005", where, "it is decided already", "undo that decision first")
    if entry.lane is Lane.query:
        raise Conflict("W027", where, "a query is open", "record its answer or withdraw it first")
    if hindrance := not_for(session, user, entry):
        raise NotAllowed("W028", where, hindrance, "take another note")


def not_for(session: Session, user: User, entry: Entry) -> str:
    """Why a second check or a dispute is for somebody else to decide; empty where it is not.

    Two who differ are settled by a lead who is none of them; where there is no other
    lead, by one of them.
    """
    if not (entry.second_check or entry.disputed):
        return ""
    told = _deciders(session, entry)
    if not entry.disputed:
        return "you decided about it; it waits for a second coder" if user.id in told else ""
    if user.role is not Role.lead:
        return "two coders differ about it: a lead decides"
    if user.id in told and _has_other_lead(session, told):
        return "you are one of the two who differ about it: another lead decides"
    return ""


def _deciders(session: Session, entry: Entry) -> set[int]:
    """Who decided what is checked, or disputed."""
    found: set[int] = set()
    number = entry.decision_id
    while number is not None:
        decision = session.get_one(Decision, number)
        found.add(decision.user_id)
        number = decision.second_of
    return found


def _has_other_lead(session: Session, than: set[int]) -> bool:
    others = select(User.id).where(User.active, User.role == Role.lead, User.id.not_in(than))
    return session.scalar(others.limit(1)) is not None


def _move(
    session: Session, entry: Entry, decision: Decision, suggestion: Suggestion, settings: Settings
) -> None:
    """Where the entry goes with this decision: done, to a second coder or to a lead."""
    entry.decision_id = decision.id
    entry.reopened = False
    if entry.disputed:
        entry.lane, entry.second_check, entry.disputed = Lane.done, False, False
    elif entry.second_check:
        first = session.get_one(Decision, decision.second_of)
        _dispute(session, entry, not same_lines(lines_of(first), lines_of(decision)))
        entry.lane = lane_for(entry, suggestion) if entry.disputed else Lane.done
    elif drawn(entry.note_id, "second check", settings.second_check_share):
        entry.second_check = True
        entry.lane = lane_for(entry, suggestion)
    else:
        entry.lane = Lane.done
    if entry.lane is not Lane.done:
        entry.assignee_id = None


def _dispute(session: Session, entry: Entry, disputed: bool) -> None:
    """Whether an entry waits for a lead: one of those who differ is handed it if there is no other."""
    entry.disputed = disputed
    entry.second_check = disputed and _has_other_lead(session, _deciders(session, entry))


def undo(store: Store, user: User, decision_id: int, expected: int) -> Entry:
    """Take a decision back: one's own, or as a lead anybody's, until it was exported.

    Returns
    -------
    Entry
        As it is now: where it was before the decision.
    """
    permit(user, *DECIDERS)
    now = store.clock()
    with store.writing() as session:
        decision = session.get(Decision, decision_id)
        if decision is None:
            raise NotFound(
                "W007", f"decision {decision_id}", "there is no such decision", "look at the history"
            )
        entry = locked(session, decision.entry_id, expected)
        where = f"decision {decision_id}"
        if decision.undone_at is not None or entry.decision_id != decision.id:
            raise Conflict("W005", where, "it is not the last one of its note", "open the note again")
        if session.scalar(select(Exported.export_id).where(Exported.decision_id == decision.id).limit(1)):
            raise NotAllowed("W029", where, "it was exported", "tell the billing office of a correction")
        if decision.user_id != user.id and user.role is not Role.lead:
            raise NotAllowed("W006", where, "somebody else decided", "ask a lead to undo it")
        before = state_of(entry)
        decision.undone_at = now
        _move_back(session, entry, decision)
        touch(entry, now)
        after = {**state_of(entry), **sealed(decision, entry)}
        record(session, Happening(now, user.name, UNDO, entry.id, f"decision {decision.id}", before, after))
        return entry


def _move_back(session: Session, entry: Entry, decision: Decision) -> None:
    """To where the entry was: open, waiting for a second coder, or for a lead."""
    filed = session.get_one(FiledSuggestion, entry.suggestion_id)
    entry.decision_id = decision.second_of
    entry.second_check = entry.disputed = False
    if decision.second_of is None:
        earlier = select(Decision.id).where(
            Decision.entry_id == entry.id,
            Decision.revision_id != entry.revision_id,
            Decision.undone_at.is_(None),
        )
        entry.reopened = session.scalar(earlier.limit(1)) is not None
    elif session.get_one(Decision, decision.second_of).second_of is not None:
        _dispute(session, entry, True)  # what was undone settled it
    else:
        entry.second_check = True
    entry.lane = lane_for(entry, Suggestion.model_validate_json(filed.content))


def defer(
    store: Store, user: User, entry_id: int, expected: int, until: datetime | None, reason: str = "other"
) -> Entry:
    """Put an entry off until a time, for one of ``DEFERRALS``; without a time it is open again."""
    permit(user, *DECIDERS)
    now = store.clock()
    if until is not None and not now < until <= now + _LONGEST_DEFERRAL:
        problem = "the time is not within the next year"
        raise WorklistError("W030", f"entry {entry_id}", problem, "choose another day")
    if reason not in DEFERRALS:
        problem = "the reason is none of those to choose from"
        raise WorklistError("W030", f"entry {entry_id}", problem, f"choose one of {', '.join(DEFERRALS)}")
    with store.writing() as session:
        entry = open_entry(session, user, entry_id, expected, now)
        if entry.lane is Lane.done:
            raise Conflict("W005", f"entry {entry_id}", "it is decided already", "undo that decision first")
        before = _iso(entry.deferred_until)
        touch(entry, now)
        entry.deferred_until = until
        action = "defer" if until is not None else "resume"
        about = f"entry {entry_id}"
        record(
            session,
            Happening(
                now, user.name, action, entry.id, about, {"until": before}, {"until": _iso(until)}, reason
            ),
        )
        return entry


def reassign(store: Store, user: User, entry_id: int, expected: int, to: int | None) -> Entry:
    """Say who works on an entry: a lead gives it to anybody, a coder takes a free one or gives it back."""
    permit(user, *DECIDERS)
    now = store.clock()
    with store.writing() as session:
        entry = locked(session, entry_id, expected)
        takes = entry.assignee_id is None and to == user.id
        gives_back = entry.assignee_id == user.id and to is None
        if user.role is not Role.lead and not (takes or gives_back):
            raise NotAllowed("W006", f"entry {entry_id}", "a lead says who works on it", "ask a lead")
        target = None if to is None else session.get(User, to)
        if to is not None and (target is None or not target.active or target.role not in DECIDERS):
            raise NotFound("W007", f"entry {entry_id}", "there is no such coder", "choose another one")
        if target is not None and not_for(session, target, entry):
            problem = f"{target.name} may not decide about it: " + (
                "two coders differ, and another lead decides" if entry.disputed else "it is a second check"
            )
            raise NotAllowed("W028", f"entry {entry_id}", problem, "choose somebody else")
        before = None if entry.assignee_id is None else session.get_one(User, entry.assignee_id).name
        entry.assignee_id = to
        entry.version += 1
        entry.changed_at = now
        if to is not None and entry.holder_id != to:
            entry.holder_id = entry.held_until = None
        after = None if target is None else target.name
        about = f"entry {entry_id}"
        record(session, Happening(now, user.name, "reassign", entry.id, about, {"to": before}, {"to": after}))
        return entry


# -- entries, also for queries -----------------------------------------------------


def locked(session: Session, entry_id: int, expected: int) -> Entry:
    """The entry, to be changed, if it is as the page showed it."""
    entry = session.get(Entry, entry_id, with_for_update={"of": Entry}, populate_existing=True)
    if entry is None:
        raise NotFound("W007", f"entry {entry_id}", "there is no such entry", "go back to the queue")
    if entry.version != expected:
        raise Conflict(
            "W005", f"entry {entry_id}", "somebody else changed it in the meantime", "look at it again"
        )
    return entry


def open_entry(session: Session, user: User, entry_id: int, expected: int, now: datetime) -> Entry:
    """The entry, to be changed by a user who may work on it now."""
    entry = locked(session, entry_id, expected)
    where = f"entry {entry_id}"
    if entry.holder_id not in (None, user.id) and entry.held_until is not None and entry.held_until > now:
        _held(session, entry)
    if entry.assignee_id not in (None, user.id) and user.role is not Role.lead:
        raise NotAllowed("W028", where, "it is assigned to another coder", "ask a lead to reassign it")
    return entry


def _held(session: Session, entry: Entry) -> NoReturn:
    holder = session.get_one(User, entry.holder_id)
    raise Conflict("W008", f"entry {entry.id}", f"{holder.name} works on it", "take another one, or wait")


def touch(entry: Entry, now: datetime) -> None:
    """Count a change, and let go of the entry."""
    entry.version += 1
    entry.changed_at = now
    entry.holder_id = entry.held_until = entry.deferred_until = None


def state_of(entry: Entry) -> dict[str, Any]:
    """What the trail says of an entry before and after a decision."""
    return {
        "lane": entry.lane,
        "decision": entry.decision_id,
        "second_check": entry.second_check,
        "disputed": entry.disputed,
    }


def _record(
    session: Session,
    now: datetime,
    user: User,
    entry: Entry,
    decision: Decision,
    before: dict[str, Any],
    rules_version: str,
) -> None:
    """Into the trail, all but the comment, which may quote the note: its words are sealed, not told."""
    after = {
        **state_of(entry),
        "kind": decision.kind,
        "lines": decision.lines,
        "outcomes": decision.outcomes,
        "blind": decision.blind,
        "second_of": decision.second_of,
        **sealed(decision, entry),
    }
    about = f"decision {decision.id}"
    record(
        session,
        Happening(now, user.name, DECIDE, entry.id, about, before, after, decision.reason, rules_version),
    )


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
