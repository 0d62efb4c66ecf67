"""Exports: decisions leave the worklist, each once, and every file can be had again.

Only entries that are done are exported, and each decision once: whoever needs a file
again gets the same bytes from ``again``. A decision that follows an exported one (a new
text of the note came later) is a correction: it stands in for all lines of the other one,
also where it claims none, and each form says so.

``csv``
    A row for each line, for a spreadsheet; a rejected note has one row without a code.
    ``corrects`` is the number of the decision that a correction stands in for.
``jsonl``
    A line of JSON for each note with the whole decision, comment and suggestion.
``fhir``
    A Bundle (R4) for each note, see ``extractor.export.fhir.decided``. A correction takes
    the charges of the decision before back.
``x12``
    The claims and service lines for an 837P, loops 2300 and 2400: ``CLM``, then ``LX``,
    ``SV1``, ``DTP`` (where the day is known) and ``REF*6R`` of each line, a segment on each
    line of the file. ``CLM01`` is the same for every decision about a note; ``CLM05-3`` is 1,
    for a correction 7 (stands in for the claim before) or, where nothing is claimed any
    more, 8 (takes it back). Charges (``CLM02``, ``SV102``), the place of service
    (``CLM05-1``) and the diagnosis pointer (``SV107``) are empty: the billing system's to
    fill in. A note that is rejected and was never billed has no segment.
"""

from __future__ import annotations

import hashlib
import json
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache, cached_property
from typing import Any, cast

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session, defer, joinedload, selectinload, undefer

from extractor.errors import NotFound, WorklistError
from extractor.export import Annotated, annotate, fhir
from extractor.marking import evidence
from extractor.output import codes_text, csv_line
from extractor.rules import load_rules
from extractor.suggestion import Line, Suggestion
from extractor.worklist.database import Store
from extractor.worklist.decisions import Coded, lines_of, same_lines
from extractor.worklist.models import (
    Decision,
    Entry,
    Export,
    Exported,
    FiledSuggestion,
    Lane,
    Revision,
    Role,
    TrailRow,
    User,
)
from extractor.worklist.people import name_of, permit
from extractor.worklist.queue import Filters, conditions
from extractor.worklist.trail import Happening, record, sealed

EXPORTERS = (Role.lead,)
"""Who exports: the files quote the notes, which an admin does not read."""

MOST = 2_000
"""Decisions in one file; the rest is for the next one."""

FETCHED = "export fetched"
"""What the trail calls it when a file is had from the list."""

COLUMNS = (
    "note_id", "service_date", "site", "line", "code", "units", "modifiers", "decision", "reason",
    "decided_by", "decided_at", "checked_by", "suggested", "rules_version", "decision_id", "corrects",
)  # fmt: skip


@dataclass(frozen=True)
class _Item:
    """A decision that leaves, with all that is told of it."""

    entry: Entry
    decision: Decision
    revision: Revision
    filed: FiledSuggestion
    by: str
    checked: str
    before: _Item | None  # the decision about the same note that left last

    @property
    def lines(self) -> tuple[Coded, ...]:
        return lines_of(self.decision)

    @property
    def corrects(self) -> int | None:
        return None if self.before is None else self.before.decision.id

    @cached_property
    def suggestion(self) -> Suggestion:
        return Suggestion.model_validate_json(self.filed.content)

    @property
    def at(self) -> str:
        return self.decision.made_at.isoformat(timespec="seconds")


@dataclass(frozen=True, slots=True)
class Leaving:
    """A decision that would leave now: what is claimed, by whom, and the exported one it stands in for."""

    entry: Entry
    decision: Decision
    lines: tuple[Coded, ...]
    by: str
    checked: str
    corrects: int | None


@dataclass(frozen=True, slots=True)
class Fetched:
    """How often a file was fetched, and the last time by whom and when."""

    times: int
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Form:
    """A form of file: what it is called, its type and the end of its name."""

    title: str
    media_type: str
    suffix: str
    write: Callable[[Iterable[_Item]], Iterator[str]]


def waiting(session: Session, filters: Filters | None = None) -> int:
    """How many decisions would leave now; ``MOST`` + 1 stands for more than one file holds."""
    return len(session.execute(_unexported(filters)).all())


def preview(session: Session, filters: Filters | None = None, limit: int = 20) -> list[Leaving]:
    """The first of the decisions that would leave now."""
    items = _items(session, session.scalars(_entries(filters).limit(limit)).all(), text=False)
    return [
        Leaving(item.entry, item.decision, item.lines, item.by, item.checked, item.corrects) for item in items
    ]


def exported(session: Session) -> int:
    """How many decisions have left, each of them once."""
    return session.scalar(select(func.count()).select_from(Exported)) or 0


def exports(session: Session, limit: int = 100, before: int | None = None) -> list[Export]:
    """The last exports, the newest first; with ``before`` those that were made earlier than that one."""
    found = select(Export).options(joinedload(Export.user)).order_by(Export.id.desc()).limit(limit)
    return list(session.scalars(found if before is None else found.where(Export.id < before)))


def fetched(session: Session, made: Iterable[Export]) -> dict[int, Fetched]:
    """Which of these files were fetched from the list, how often, and by whom and when the last time."""
    numbers = {f"export {export.id}": export.id for export in made}
    rows = session.execute(
        select(TrailRow.about, TrailRow.by, TrailRow.at)
        .where(TrailRow.action == FETCHED, TrailRow.about.in_(numbers))
        .order_by(TrailRow.id)
    )
    found: dict[int, Fetched] = {}
    for about, by, at in rows:
        number = numbers[about]
        times = found[number].times if number in found else 0
        found[number] = Fetched(times + 1, by, datetime.fromisoformat(at))
    return found


def make(store: Store, user: User | str, form: str, filters: Filters | None = None) -> tuple[Export, bytes]:
    """Export what is decided and was never exported.

    Parameters
    ----------
    store
        The worklist.
    user
        Who exports; a name alone is the command line's.
    form
        One of ``FORMS``.
    filters
        Which entries; all by default. Their lane is not looked at.

    Returns
    -------
    tuple
        The export and the file.

    Raises
    ------
    WorklistError
        Where nothing is left to export (W033).
    """
    permit(user, *EXPORTERS)
    if form not in FORMS:
        raise WorklistError("W035", "export", "this form is unknown", f"choose one of {', '.join(FORMS)}")
    now = store.clock()
    with store.reading() as session:  # nobody has to wait until the file is written
        planned, content = _written(session, session.scalars(_entries(filters).limit(MOST)).all(), form)
    with store.writing() as session:
        entries = _taken(session, filters)
        if not entries:
            raise WorklistError("W033", "export", "nothing is decided that was not exported", "decide first")
        if [(entry.id, entry.version) for entry in entries] != planned:
            _, content = _written(session, entries, form)
        export = Export(
            form=form,
            user_id=None if isinstance(user, str) else user.id,
            number=len(entries),
            sha256=hashlib.sha256(content).hexdigest(),
            content=zlib.compress(content),
            made_at=now,
        )
        session.add(export)
        session.flush()
        left = [
            Exported(export_id=export.id, position=position, decision_id=entry.decision_id)
            for position, entry in enumerate(entries)
        ]
        session.add_all(left)
        for entry in entries:
            entry.exported_at = entry.changed_at = now
            entry.version += 1
        _tell(session, now, name_of(user), export, entries, left)
    return export, content


def _written(session: Session, entries: Sequence[Entry], form: str) -> tuple[list[tuple[int, int]], bytes]:
    """The file of these entries, and each of them with the version that it holds."""
    items = _items(session, entries, text=form == "fhir")
    return [(entry.id, entry.version) for entry in entries], "".join(FORMS[form].write(items)).encode()


def again(store: Store, user: User | str, export_id: int) -> tuple[Export, bytes]:
    """The file of an export, the same bytes every time; that it was fetched is recorded too."""
    permit(user, *EXPORTERS)
    with store.writing() as session:
        export = session.get(Export, export_id, options=[undefer(Export.content)])
        if export is None:
            raise NotFound("W007", f"export {export_id}", "there is no such export", "look at the list")
        content = _unpacked(export)
        happening = Happening(
            store.clock(),
            name_of(user),
            FETCHED,
            about=f"export {export_id}",
            after={"sha256": export.sha256},
        )
        record(session, happening)
    return export, content


def _unpacked(export: Export) -> bytes:
    try:
        content = zlib.decompress(export.content)
    except zlib.error:
        content = b""
    if hashlib.sha256(content).hexdigest() != export.sha256:
        problem = "what is kept is not what was exported"
        raise WorklistError("W034", f"export {export.id}", problem, "look into the trail who changed it")
    return content


def _entries(filters: Filters | None) -> Select[Entry]:
    gone = select(Exported.decision_id).where(Exported.decision_id == Entry.decision_id)
    return (
        select(Entry)
        .where(Entry.lane == Lane.done, Entry.decision_id.is_not(None), ~gone.exists())
        .where(*(() if filters is None else conditions(filters)))
        .order_by(Entry.id)
    )


def _taken(session: Session, filters: Filters | None) -> list[Entry]:
    """The entries of this export, locked.

    Whoever waited for another export looks once more: what that one took is gone.
    """
    while True:
        taken = session.scalars(_entries(filters).limit(MOST).with_for_update(of=Entry)).all()
        still = _entries(filters).where(Entry.id.in_([entry.id for entry in taken]))
        found = list(session.scalars(still.execution_options(populate_existing=True)))
        if found or not taken:
            return found


def _unexported(filters: Filters | None) -> Select[int]:
    return _entries(filters).with_only_columns(Entry.id).order_by(None).limit(MOST + 1)


def _items(session: Session, entries: Sequence[Entry], text: bool) -> list[_Item]:
    """What leaves of these entries, with the texts of the notes where they are needed."""
    left = (
        select(Decision.entry_id, func.max(Exported.decision_id))
        .join(Decision, Decision.id == Exported.decision_id)
        .where(Decision.entry_id.in_([entry.id for entry in entries]))
        .group_by(Decision.entry_id)
    )
    before: dict[int, int] = dict(session.execute(left).all())
    decisions = _decisions(session, {*before.values(), *(entry.decision_id for entry in entries)})
    filed = _by_id(session, FiledSuggestion, {one.suggestion_id for one in decisions.values()})
    revisions = _by_id(
        session,
        Revision,
        {one.revision_id for one in decisions.values()},
        () if text else (defer(Revision.text),),
    )

    def item(entry: Entry, number: int, earlier: int | None) -> _Item:
        decision = decisions[number]
        first = None if decision.second_of is None else decisions[decision.second_of]
        # The second coder checks what the first one decided; a lead who settles a dispute decides alone.
        agreed = first is not None and first.second_of is None and _same(first, decision)
        return _Item(
            entry,
            decision,
            revisions[decision.revision_id],
            filed[decision.suggestion_id],
            by=first.user.name if first is not None and agreed else decision.user.name,
            checked=decision.user.name if agreed else "",
            before=None if earlier is None else item(entry, earlier, None),
        )

    return [item(entry, cast(int, entry.decision_id), before.get(entry.id)) for entry in entries]


def _same(one: Decision, other: Decision) -> bool:
    return same_lines(lines_of(one), lines_of(other))


def _decisions(session: Session, numbers: Iterable[int | None]) -> dict[int, Decision]:
    """Decisions, with those that they check and with who made them."""
    users = (selectinload(Decision.user),)
    found: dict[int, Decision] = _by_id(session, Decision, numbers, users)
    checked = {one.second_of for one in found.values()} - {None}
    return found | _by_id(session, Decision, checked, users)


def _by_id(
    session: Session, model: Any, numbers: Iterable[int | None], options: Sequence[Any] = ()
) -> dict[int, Any]:
    rows = session.scalars(select(model).where(model.id.in_(list(numbers))).options(*options))
    return {row.id: row for row in rows}


def _tell(
    session: Session, now: datetime, by: str, export: Export, entries: Sequence[Entry], left: list[Exported]
) -> None:
    about = f"export {export.id}"
    after = {"form": export.form, "number": export.number, "sha256": export.sha256, **sealed(export)}
    each = (
        Happening(now, by, "exported", entry.id, about, after={"decision": one.decision_id, **sealed(one)})
        for entry, one in zip(entries, left, strict=True)
    )
    record(session, Happening(now, by, "export", about=about, after=after), *each)


# -- forms -------------------------------------------------------------------------


def _csv(items: Iterable[_Item]) -> Iterator[str]:
    yield csv_line(COLUMNS)
    for item in items:
        head = [item.entry.note_id, _day(item), item.entry.site]
        tail = [
            item.decision.kind, item.decision.reason, item.by, item.at, item.checked,
            _suggested(item), item.filed.rules_version, str(item.decision.id),
            "" if item.corrects is None else str(item.corrects),
        ]  # fmt: skip
        for number, line in enumerate(item.lines, 1):
            cells = [str(number), line.code, str(line.units), " ".join(line.modifiers)]
            yield csv_line([*head, *cells, *tail])
        if not item.lines:
            yield csv_line([*head, "", "", "0", "", *tail])


def _suggested(item: _Item) -> str:
    """The suggested lines; the rest of a suggestion is long, and takes its time to be checked."""
    return codes_text(Line.model_validate(line) for line in json.loads(item.filed.content)["lines"])


def _jsonl(items: Iterable[_Item]) -> Iterator[str]:
    for item in items:
        decision = item.decision
        content = {
            "note_id": item.entry.note_id,
            "site": item.entry.site,
            "style": item.entry.style,
            "service_date": _day(item) or None,
            "revision": {"number": item.revision.number, "sha256": item.revision.sha256},
            "decision": {
                "id": decision.id,
                "kind": decision.kind,
                "lines": decision.lines,
                "outcomes": decision.outcomes,
                "reason": decision.reason,
                "comment": decision.comment,
                "blind": decision.blind,
                "by": item.by,
                "checked_by": item.checked or None,
                "at": item.at,
                "corrects": item.corrects,
            },
            "suggestion": json.loads(item.filed.content),
        }
        yield json.dumps(content, ensure_ascii=False) + "\n"


def _fhir(items: Iterable[_Item]) -> Iterator[str]:
    for item in items:
        before = None if item.before is None else (_annotated(item.before), _ruling(item.before))
        yield json.dumps(fhir.decided(_annotated(item), _ruling(item), before)) + "\n"


def _annotated(item: _Item) -> Annotated:
    text = item.revision.text
    return annotate(_traces(item.suggestion) if text is None else text, item.suggestion)


def _ruling(item: _Item) -> fhir.Ruling:
    return fhir.Ruling(
        key=str(item.decision.id),
        lines=tuple(_claimed(item)),
        by=item.by,
        checked=item.checked,
        recorded=item.at,
        text_kept=item.revision.text is not None,
    )


def _claimed(item: _Item) -> Iterator[fhir.Claimed]:
    """The decided lines with the devices of the suggested line of the same code."""
    roles = _roles()
    devices = {line.code: line.devices for line in item.suggestion.lines}
    for line in item.lines:
        role = roles.get(line.code, "added by a person")
        yield fhir.Claimed(line.code, role, line.units, line.modifiers, devices.get(line.code, ()))


@cache
def _roles() -> dict[str, str]:
    return {rule.code: rule.role for rule in load_rules().coding.values()}


def _traces(suggestion: Suggestion) -> str:
    """What is left of a text that is not kept: the words of the evidence at their places."""
    found = list(evidence(suggestion))
    text = [" "] * max((span.end for span in found), default=0)
    for span in found:
        text[span.start : span.end] = span.text
    return "".join(text)


def _x12(items: Iterable[_Item]) -> Iterator[str]:
    for item in items:
        billed = item.before is not None and bool(item.before.lines)
        if not (item.lines or billed):
            continue
        frequency = 1 if not billed else 7 if item.lines else 8
        yield f"CLM*{_control(item, f'.{item.entry.id}', 20)}****:B:{frequency}~\n"
        for number, line in enumerate(item.lines, 1):
            yield f"LX*{number}~\n"
            yield f"SV1*{':'.join(['HC', line.code, *line.modifiers])}**UN*{line.units}~\n"
            if item.entry.service_date is not None:
                yield f"DTP*472*D8*{item.entry.service_date:%Y%m%d}~\n"
            yield f"REF*6R*{_control(item, f'.{item.decision.id}.{number}', 50)}~\n"


def _control(item: _Item, end: str, longest: int) -> str:
    """The id of the note and what makes it one of its kind, without what separates anything in X12."""
    return re.sub(r"[^0-9A-Za-z._-]", "_", item.entry.note_id)[: longest - len(end)] + end


def _day(item: _Item) -> str:
    return "" if item.entry.service_date is None else item.entry.service_date.isoformat()


FORMS = {
    "csv": Form("Spreadsheet (CSV)", "text/csv; charset=utf-8", "csv", _csv),
    "jsonl": Form("JSON lines", "application/jsonl", "jsonl", _jsonl),
    "fhir": Form("FHIR R4 bundles", "application/fhir+ndjson", "ndjson", _fhir),
    "x12": Form("X12 837P claims and lines", "text/plain; charset=utf-8", "txt", _x12),
}
"""Every form of file."""
