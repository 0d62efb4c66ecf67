"""The note: its words with the evidence, the suggestion, and what the coder decides about it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache, cached_property
from typing import Any, TypeVar, get_args
from urllib.parse import parse_qsl, urlencode

from fastapi import APIRouter
from fastapi.responses import Response
from markupsafe import Markup
from sqlalchemy import select
from sqlalchemy.orm import Session

from extractor.edits import together
from extractor.errors import Conflict, NotFound, WorklistError
from extractor.layout import LayoutReader
from extractor.paper import Paper, badge, section_label, text, widest
from extractor.rules import load_rules
from extractor.suggestion import Outcome, Proof, Span, Suggestion, Valve
from extractor.worklist import asking, opening
from extractor.worklist.decisions import (
    BLIND,
    DECIDERS,
    DEFERRALS,
    LONGEST_COMMENT,
    REASONS,
    Answer,
    Check,
    Coded,
    check,
    decide,
    defer,
    known_codes,
    lines_of,
    must_code_blind,
    reassign,
    same_lines,
    suggested_lines,
    undo,
)
from extractor.worklist.filing import Difference, line_difference
from extractor.worklist.history import Asked, history
from extractor.worklist.models import Decision, Entry, FiledQuery, FiledSuggestion, Kind, Role, User
from extractor.worklist.opening import Opened, before_of, open_note
from extractor.worklist.people import LONGEST
from extractor.worklist.queue import Filters, next_note, release
from extractor.worklist.web.queue import LANES, address
from extractor.worklist.web.visit import Fields, Here, Number, Visit

router = APIRouter()
T = TypeVar("T", Decision, FiledQuery)
_OUTLINED = 200_000  # characters: a longer note is shown without the names of its sections
_SPARE_ROWS = 2  # empty lines of the form
_CONTEXT = 2  # lines around a difference
_MOST_DIFFERENT = 400  # lines of a difference that are shown
_DAYS = {1: "1 day", 3: "3 days", 7: "1 week", 14: "2 weeks", 30: "30 days"}
_HISTORY = 60
_QUOTED = 20  # characters that tell whether words were quoted already
_NOTICE = "info"
_MOST_LEFT = 50  # notes that were left as they are and do not come again at once


@router.get("/notes/{entry_id}")
def note(visit: Here, entry_id: Number) -> Response:
    """A note."""
    return _note(visit, entry_id, _Way.of(visit.query))


@router.post("/notes/{entry_id}/decide")
def keep_decision(visit: Here, entry_id: Number) -> Response:
    """Keep what the coder says, and go on with the next note."""
    way = _Way.of_form(visit.fields)
    form = _Form.of(visit.fields)
    if form.problem:
        return _note(visit, entry_id, way, form)
    try:
        if not form.anyway:
            warnings = _warnings(visit, entry_id, form)
            if warnings:
                return _note(visit, entry_id, way, replace(form, warnings=warnings))
        answer = form.answer
        decision = decide(
            visit.store,
            visit.user,
            entry_id,
            form.version,
            answer.kind,
            answer.lines,
            answer.outcomes,
            answer.reason,
            answer.comment,
            answer.blind,
            _opened_at(visit),
        )
    except WorklistError as error:
        if isinstance(error, NotFound):
            raise
        problem = f"{error.problem}; {error.remedy}" if isinstance(error, Conflict) else error.problem
        status = 409 if isinstance(error, Conflict) else 422
        return _note(visit, entry_id, way, replace(form, problem=problem, status=status))
    return _onward(visit, entry_id, way, "decided", decision.id)


@router.post("/notes/{entry_id}/next")
def leave(visit: Here, entry_id: Number) -> Response:
    """Leave a note as it is and take the next one."""
    way = _Way.of_form(visit.fields)
    release(visit.store, visit.user, entry_id)
    way = way.past(entry_id)
    found = _next(visit, way)
    if found is None:  # from the beginning again
        way = replace(way, left=())
        found = _next(visit, way.past(entry_id))
    if found is None:
        return visit.go("/queue", "nothing-waits", **way.asked)
    return visit.go(f"/notes/{found}", **way.asked)


@router.post("/notes/{entry_id}/defer")
def put_off(visit: Here, entry_id: Number) -> Response:
    """Put a note off, or take it up again."""
    fields = visit.fields
    way = _Way.of_form(fields)
    days = fields.get("days", "")
    if days == "0":
        defer(visit.store, visit.user, entry_id, _version(fields), None, "other")
        return visit.go(f"/notes/{entry_id}", "resumed", **way.asked)
    until = visit.now + timedelta(days=int(days)) if days in {str(day) for day in _DAYS} else visit.now
    defer(visit.store, visit.user, entry_id, _version(fields), until, fields.get("reason", ""))
    return _onward(visit, entry_id, way, "put-off", entry_id)


@router.post("/notes/{entry_id}/assign")
def assign(visit: Here, entry_id: Number) -> Response:
    """Say who works on a note."""
    fields = visit.fields
    named = fields.get("to", "")
    to = int(named) if named.isascii() and named.isdecimal() and len(named) < 10 else None
    reassign(visit.store, visit.user, entry_id, _version(fields), to)
    return visit.go(f"/notes/{entry_id}", "assigned", **_Way.of_form(fields).asked)


@router.post("/notes/{entry_id}/queries")
def new_query(visit: Here, entry_id: Number) -> Response:
    """Keep a query as a draft, and call it sent if that is asked for."""
    fields = visit.fields
    words = _lines_of_form(fields.get("text", ""))
    version = _version(fields)
    query = asking.draft(visit.store, visit.user, entry_id, version, fields.get("reason", ""), words)
    if fields.get("do") == "send":
        return _send(visit, query, version + 1)
    return _back(visit, entry_id, "query-saved")


@router.post("/queries/{query_id}")
def change_query(visit: Here, query_id: Number) -> Response:
    """Change, send, answer or withdraw a query."""
    fields, store, user = visit.fields, visit.store, visit.user
    version, wanted = _version(fields), fields.get("do", "")
    if wanted == "answer":
        query = asking.answer(store, user, query_id, version, _lines_of_form(fields.get("answer", "")))
        return _back(visit, query.entry_id, "query-answered")
    if wanted == "withdraw":
        query = asking.withdraw(store, user, query_id, version)
        return _back(visit, query.entry_id, "query-withdrawn")
    query = asking.save(store, user, query_id, version, _lines_of_form(fields.get("text", "")))
    if wanted == "send":
        return _send(visit, query, version + 1)
    return _back(visit, query.entry_id, "query-saved")


@router.get("/queries/{query_id}/text")
def query_text(visit: Here, query_id: Number) -> Response:
    """A query as a file of plain text, to be sent."""
    words = opening.query_text(visit.store, visit.user, query_id, visit.settings)
    headers = {"content-disposition": f'attachment; filename="query-{query_id}.txt"'}
    return Response(words.encode("utf-8", "replace"), 200, headers, "text/plain; charset=utf-8")


@router.post("/decisions/{decision_id}/undo")
def take_back(visit: Here, decision_id: Number) -> Response:
    """Take a decision back and open its note."""
    entry = undo(visit.store, visit.user, decision_id, _version(visit.fields))
    return visit.go(f"/notes/{entry.id}", "undone", **_Way.of_form(visit.fields).asked)


# -- forms -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Form:
    """What the form of a decision held, and what is wrong with it."""

    version: int
    answer: Answer
    anyway: bool = False
    problem: str = ""
    warnings: tuple[str, ...] = ()
    status: int = 422

    @classmethod
    def of(cls, fields: Fields) -> _Form:
        kind = fields.get("kind", "")
        blind = kind == "blind"
        problem = ""
        if kind not in (*Kind, "blind"):
            kind, problem = Kind.accept, "the form is not complete"
        lines: tuple[Coded, ...] | None = None
        if kind in (Kind.change, "blind"):
            lines, problem = _coded(fields)
        elif kind == Kind.reject:
            lines = ()
        outcomes = dict(_outcomes(fields)) if kind == Kind.change else None
        answer = Answer(
            Kind.change if blind else Kind(kind),
            lines,
            outcomes,
            fields.get("reason", ""),
            _lines_of_form(fields.get("comment", "")),
            blind,
        )
        return cls(_version(fields), answer, fields.get("anyway") == "yes", problem)


def _coded(fields: Fields) -> tuple[tuple[Coded, ...], str]:
    """The lines of a form, and what is wrong with them; a line without a code is none."""
    lines, problem = [], ""
    for number in range(100):
        code = fields.get(f"code{number}")
        if code is None:
            break
        if not code:
            continue
        units = fields.get(f"units{number}", "").strip()
        if not (units.isascii() and units.isdecimal() and len(units) < 4):
            problem, units = f"{code[:5]} has no number of units", "0"
        modifiers = fields.get(f"modifiers{number}", "").upper().replace(",", " ").split()
        lines.append(Coded(code[:5], int(units), tuple(modifiers)))
    return tuple(lines), problem


def _outcomes(fields: Fields) -> Iterator[tuple[str, dict[str, Any]]]:
    """The devices of which the form says something else than the suggestion."""
    for name in fields:
        number = name.removeprefix("outcome")
        if number == name or not fields[name]:
            continue
        said = (fields[name], fields.get(f"valve{number}", ""))
        if said != (fields.get(f"was-outcome{number}", ""), fields.get(f"was-valve{number}", "")):
            yield number, {"outcome": said[0], **({"valve": said[1]} if said[1] else {})}


def _lines_of_form(words: str) -> str:
    return words.replace("\r\n", "\n")


def _version(fields: Fields) -> int:
    version = fields.get("version", "")
    return int(version) if version.isascii() and version.isdecimal() and len(version) < 10 else 0


@dataclass(frozen=True, slots=True)
class _Way:
    """How the coder goes through the queue: by which filters, and past which notes.

    It travels along in the address and, in one field, with every form.
    """

    filters: Filters
    left: tuple[int, ...] = ()

    @classmethod
    def of(cls, asked: Mapping[str, str]) -> _Way:
        left = [one for one in asked.get("left", "").split(".") if one.isascii() and one.isdecimal()]
        return cls(Filters.from_query(asked), tuple(int(one) for one in left[-_MOST_LEFT:] if len(one) < 10))

    @classmethod
    def of_form(cls, fields: Fields) -> _Way:
        return cls.of(dict(parse_qsl(fields.get("back", ""))))

    @property
    def asked(self) -> dict[str, str]:
        found = {
            name: value for name, value in self.filters.to_query().items() if name not in ("page", "size")
        }
        return {**found, **({"left": ".".join(map(str, self.left))} if self.left else {})}

    def past(self, entry_id: int) -> _Way:
        return replace(self, left=(*self.left, entry_id))


def _opened_at(visit: Visit) -> datetime | None:
    try:
        opened = datetime.fromisoformat(visit.fields.get("opened", ""))
    except ValueError:
        return None
    now = visit.now
    return opened if opened.tzinfo is not None and now - LONGEST <= opened <= now else None


def _warnings(visit: Visit, entry_id: int, form: _Form) -> tuple[str, ...]:
    """What is odd in an answer that could be kept; nothing of one coded blind: it would tell.

    A form of an older state of the note is not asked about: its answer is to be refused.
    """
    if form.answer.blind or form.answer.kind is Kind.reject:
        return ()
    with visit.store.reading() as session:
        found = _check(session, entry_id, form, visit)
    return () if found is None or found.problems else found.warnings


def _check(session: Session, entry_id: int, form: _Form, visit: Visit) -> Check | None:
    entry = session.get(Entry, entry_id)
    if entry is None or entry.version != form.version:
        return None
    if must_code_blind(session, visit.user, entry, visit.settings):
        return None
    suggestion = Suggestion.model_validate_json(session.get_one(FiledSuggestion, entry.suggestion_id).content)
    return check(suggestion, form.answer, visit.settings, entry.service_date)


# -- where to go on ----------------------------------------------------------------


def _next(visit: Visit, way: _Way) -> int | None:
    lease = timedelta(minutes=visit.settings.lease_minutes)
    return next_note(visit.store, visit.user, way.filters, lease=lease, skip=way.left)


def _onward(visit: Visit, entry_id: int, way: _Way, said: str, about: int) -> Response:
    """To the next note by the same filters; without one, to the note as it is now."""
    found = _next(visit, way.past(entry_id))
    return visit.go(f"/notes/{found or entry_id}", said, about, **way.asked)


def _back(visit: Visit, entry_id: int, said: str) -> Response:
    return visit.go(f"/notes/{entry_id}", said, **_Way.of_form(visit.fields).asked)


def _send(visit: Visit, query: FiledQuery, version: int) -> Response:
    """Call a query sent; where its words are not neutral, the draft is shown with what to correct."""
    try:
        asking.send(visit.store, visit.user, query.id, version, visit.fields.get("anyway") == "yes")
    except WorklistError as error:
        if error.code != "W032":
            raise
        return _back(visit, query.entry_id, "query-not-neutral")
    return _onward(visit, query.entry_id, _Way.of_form(visit.fields), "query-sent", query.entry_id)


# -- the page ----------------------------------------------------------------------


def _note(visit: Visit, entry_id: int, way: _Way, form: _Form | None = None) -> Response:
    settings = visit.settings
    opened = open_note(
        visit.store,
        visit.user,
        entry_id,
        settings,
        lease=timedelta(minutes=settings.lease_minutes),
    )
    suggestion = opened.suggestion
    shown = _nothing(suggestion) if opened.blind else suggestion
    works = visit.user.role in DECIDERS
    with visit.store.reading() as session:
        content = _stored(session, visit, opened, shown)
    lines = suggested_lines(shown)
    beside = {code for one in shown.also_documented for code in one.codes}
    edits = together(shown.edits)
    notices = [one for one in edits if one[0].severity == _NOTICE]
    codes = known_codes(shown, settings)
    return visit.render(
        "note.html",
        form.status if form else 200,
        opened=opened,
        entry=opened.entry,
        marks=_Marks(opened.revision.text, shown),
        given=shown,
        edits=[one for one in edits if one[0].severity != _NOTICE],
        notices=[one for one in notices if beside.isdisjoint(one[0].codes)],
        beside=[one for one in notices if not beside.isdisjoint(one[0].codes)],
        lane_words=LANES,
        works=works,
        form=form,
        accepts=" + ".join(f"{line.code} ×{line.units}" for line in lines) or "no codes",
        rows=_rows(form, lines),
        devices=_device_rows(form, shown),
        codes=codes,
        reasons={code: words for code, words in REASONS.items() if code != BLIND},
        deferrals=DEFERRALS,
        days=_DAYS,
        outcomes=get_args(Outcome),
        valves=get_args(Valve),
        longest_comment=LONGEST_COMMENT,
        longest_query=asking.LONGEST,
        back=urlencode(way.asked),
        queue=address(way.filters),
        **content,
    )


def _nothing(suggestion: Suggestion) -> Suggestion:
    """What is shown of a suggestion that must not be seen: its note, and nothing else."""
    proof = Proof(statement="", rule="")
    return Suggestion(
        note_id=suggestion.note_id, status="none", proof=proof, rules_version=suggestion.rules_version
    )


def _stored(session: Session, visit: Visit, opened: Opened, shown: Suggestion) -> dict[str, Any]:
    """What the page shows beside the note and its suggestion."""
    entry, secret = opened.entry, opened.blind or opened.apart
    decisions = [] if secret else _decisions(session, entry)
    queries = _with_user(asking.queries_of(session, entry.id))
    asked = {(query.reason, query.suggestion_id) for query in queries}
    drafts = [query for query in shown.queries if (query.reason, entry.suggestion_id) not in asked]
    people = select(User).where(User.active, User.role.in_(DECIDERS)).order_by(User.name)
    return {
        "decisions": decisions,
        "last": next((one for one in decisions if one.id == entry.decision_id), None),
        "may_undo": _may_undo(visit.user, entry, decisions),
        "before": _before(session, opened),
        "history": [] if secret else history(session, Asked(entry=entry.id), _HISTORY),
        "queries": [
            (query, asking.check(query.text))
            for query in queries
            if not secret or query.user_id == visit.user.id
        ],
        "drafts": [(query, asking.check(query.text)) for query in drafts],
        "people": list(session.scalars(people)) if visit.user.role is Role.lead else [],
        "decided": _just_decided(session, visit),
    }


def _decisions(session: Session, entry: Entry) -> list[Decision]:
    found = list(
        session.scalars(select(Decision).where(Decision.entry_id == entry.id).order_by(Decision.id.desc()))
    )
    return _with_user(found)


def _with_user(found: list[T]) -> list[T]:
    """Read who it was while the session is open: the page is made when it is closed."""
    for one in found:
        _ = one.user.name
    return found


def _may_undo(user: User, entry: Entry, decisions: Sequence[Decision]) -> bool:
    if entry.exported_at is not None or user.role not in DECIDERS:
        return False
    last = next((one for one in decisions if one.id == entry.decision_id), None)
    return last is not None and (last.user_id == user.id or user.role is Role.lead)


@dataclass(frozen=True, slots=True)
class _Decided:
    """What was just decided, on the page of the next note."""

    decision: Decision
    entry: Entry
    suggested: str
    agrees: bool


def _just_decided(session: Session, visit: Visit) -> _Decided | None:
    flash = visit.flash()
    if flash is None or flash.kind != "decided" or not flash.about.isdecimal() or len(flash.about) > 9:
        return None
    decision = session.get(Decision, int(flash.about))
    if decision is None or decision.user_id != visit.user.id or decision.undone_at is not None:
        return None
    filed = session.get_one(FiledSuggestion, decision.suggestion_id)
    lines = suggested_lines(Suggestion.model_validate_json(filed.content))
    agrees = same_lines(lines, lines_of(decision))
    return _Decided(decision, session.get_one(Entry, decision.entry_id), _told(lines), agrees)


def _told(lines: Iterable[Coded]) -> str:
    return " + ".join(f"{line.code} ×{line.units}{_modified(line.modifiers)}" for line in lines) or "no codes"


def _modified(modifiers: Sequence[str]) -> str:
    return f" ({' '.join(modifiers)})" if modifiers else ""


@dataclass(frozen=True, slots=True)
class _Earlier:
    """The difference to the text before, in stretches of lines."""

    number: int
    filed_at: datetime
    decision: Decision | None
    units: list[Any]
    stretches: list[list[Difference]] | None
    more: bool


def _before(session: Session, opened: Opened) -> _Earlier | None:
    before = before_of(session, opened)
    if before is None:
        return None
    units: list[Any] = []
    if before.filed is not None and not opened.blind:
        old = Suggestion.model_validate_json(before.filed.content)
        units = [one for one in line_difference(old, opened.suggestion) if one.before != one.now]
    secret = opened.blind or opened.apart
    stretches, more = _stretches(before.lines)
    decision = None if secret else before.decision
    _with_user([decision] if decision is not None else [])
    return _Earlier(before.revision.number, before.revision.filed_at, decision, units, stretches, more)


def _stretches(lines: Sequence[Difference] | None) -> tuple[list[list[Difference]] | None, bool]:
    """What differs, each time with the lines around it."""
    if lines is None:
        return None, False
    near = {
        around
        for at, line in enumerate(lines)
        if line.kind != "same"
        for around in range(max(0, at - _CONTEXT), min(len(lines), at + _CONTEXT + 1))
    }
    found: list[list[Difference]] = []
    last = -2
    for at in sorted(near)[:_MOST_DIFFERENT]:
        if at != last + 1:
            found.append([])
        found[-1].append(lines[at])
        last = at
    return found, len(near) > _MOST_DIFFERENT


@dataclass(frozen=True, slots=True)
class _Row:
    """A line of the form."""

    number: int
    code: str
    units: str
    modifiers: str


def _rows(form: _Form | None, suggested: Sequence[Coded]) -> list[_Row]:
    """The lines that the form shows: as typed where it comes back, else as suggested; then empty ones."""
    typed = form.answer.lines if form and form.answer.kind is Kind.change else None
    lines = list(suggested if typed is None else typed)
    rows = [
        _Row(number, line.code, str(line.units or ""), " ".join(line.modifiers))
        for number, line in enumerate(lines)
    ]
    return rows + [_Row(len(rows) + spare, "", "1", "") for spare in range(_SPARE_ROWS)]


@dataclass(frozen=True, slots=True)
class _DeviceRow:
    """A device of the form: as suggested, and as the coder says."""

    number: int
    name: str
    was: tuple[str, str]
    said: tuple[str, str]


def _device_rows(form: _Form | None, suggestion: Suggestion) -> list[_DeviceRow]:
    typed: Mapping[str, Mapping[str, Any]] = (form.answer.outcomes if form else None) or {}
    rows = []
    for device in suggestion.devices:
        was = (str(device.outcome), device.valve or "")
        rows.append(_DeviceRow(device.number, device_name(device), was, _said(typed, device.number, was)))
    missed = max((device.number for device in suggestion.devices), default=0) + 1
    if missed < 100:
        rows.append(_DeviceRow(missed, "A device that is missing", ("", ""), _said(typed, missed, ("", ""))))
    return rows


def _said(typed: Mapping[str, Mapping[str, Any]], number: int, was: tuple[str, str]) -> tuple[str, str]:
    said = typed.get(str(number))
    return was if said is None else (str(said.get("outcome", "")), str(said.get("valve", "")))


def device_name(device: Any) -> str:
    """What a device is called: its size and product, as far as the note names them."""
    return " ".join(part for part in (device.size, device.product or "device") if part)


# -- the words ---------------------------------------------------------------------


class _Marks:
    """The note with its evidence, for the template; what is HTML here is made safe in ``paper``."""

    def __init__(self, words: str | None, suggestion: Suggestion) -> None:
        self.kept = words is not None
        self._text = words or ""
        self._suggestion = suggestion
        self.outline = _outline(self._text)
        labels = {at: section_label(name, f"s{at}") for at, name in self.outline}
        self._paper = Paper(self._text, suggestion, labels=labels)
        self._lines = {line.code: line for line in suggestion.lines}

    @property
    def headings(self) -> list[tuple[int, str]]:
        """Sections that have a name of their own."""
        return [(at, name) for at, name in self.outline if name != "body"]

    @cached_property
    def words(self) -> Markup:
        return Markup(self._paper.words())

    @cached_property
    def tree(self) -> Markup:
        return Markup(self._paper.tree(self._suggestion.proof))

    @property
    def number(self) -> int:
        """How many places are marked."""
        return len(self._paper.marked.spans)

    def refs(self, spans: Iterable[Span]) -> Markup:
        return Markup(self._paper.refs_of(spans))

    def refs_of_line(self, line: Any) -> Markup:
        wanted = {device.number: device.evidence for device in self._suggestion.devices}
        return self.refs(span for number in line.devices for span in wanted.get(number, ()))

    def links(self, spans: Iterable[Span]) -> Markup:
        return Markup(self._paper.links(widest(spans)))

    def links_beside(self, said: str, spans: Sequence[Span]) -> Markup:
        """Links to words, without those that were quoted just before: for these "show" is enough."""
        quoted = {span for span in widest(spans) if span.text[:_QUOTED] in said}
        return Markup(self._paper.links(widest(spans), shown=quoted))

    def badge(self, number: int) -> Markup:
        return Markup(badge(number))

    def first(self, spans: Sequence[Span]) -> int | None:
        """The number of the first place of some evidence."""
        found = [self._paper.ids[key] for s in spans if (key := (s.start, s.end)) in self._paper.ids]
        return min(found, default=None)

    def safe(self, words: str) -> Markup:
        return Markup(text(words))


def _outline(words: str) -> list[tuple[int, str]]:
    """Where a section of another kind begins, and its name."""
    if not words or len(words) > _OUTLINED:
        return []
    found: list[tuple[int, str]] = []
    for section in _reader().read(words).sections:
        empty = not words[section.start : section.end].strip()
        if not empty and (not found or found[-1][1] != section.role):
            found.append((section.start, section.role))
    return found


@cache
def _reader() -> LayoutReader:
    return LayoutReader(load_rules())
