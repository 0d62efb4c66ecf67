"""Filing: notes and their suggestions come onto the worklist.

In: notes from any reader. Out: an entry for each, with a revision for each text that
it ever had and a suggestion for each revision. A note that says the same as before
changes nothing; one that says something else supersedes what is there, and if that was
decided, the entry is open again.

What comes bit by bit ends as what comes at once: an addendum joins its note, a
replacement stands in for it, a version that is older than the one that is there, or a
draft of what is signed, is left out.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from difflib import SequenceMatcher
from functools import lru_cache
from itertools import islice
from typing import Any, Literal, Protocol, cast

from sqlalchemy import func, select
from sqlalchemy.orm import Session, defer, selectinload

from extractor.dates import service_date
from extractor.errors import InputNotice, WorklistError
from extractor.readers import Note, Standing, place
from extractor.readers.versions import ADDENDUM
from extractor.suggestion import Suggestion
from extractor.tables import load_tables
from extractor.worklist.database import Store
from extractor.worklist.models import (
    Decision,
    Entry,
    FiledSuggestion,
    Lane,
    Revision,
    Trait,
)
from extractor.worklist.trail import Happening, record, sealed

_BATCH = 200  # notes in one transaction
_MANY = 1000  # new notes, after which the database has another idea of what it holds
_MOST_LATE = 20_000  # notes that wait until the note they belong to has come
_ONE_FILES = 0x70766C  # key of the lock that lets one import file at a time
_LONGEST_ID = 512
_LONGEST_LABEL = 120
_LONGEST_OPERATOR = 80
_LETTERHEAD = 1_500  # characters
_THIS_SESSION = frozenset({"implanted", "removed", "unknown"})  # outcomes of devices that tell the valve


class Pipeline(Protocol):
    """What makes suggestions: a ``Coder``."""

    def pipe(self, notes: Iterable[Note], workers: int = 1) -> Iterator[Suggestion]:
        """Suggestions for notes, in their order."""


@dataclass(frozen=True, slots=True)
class Label:
    """Where notes come from and who writes like that, to filter and to compare by."""

    site: str = ""
    style: str = ""

    def __post_init__(self) -> None:
        for what, value in (("site", self.site), ("style", self.style)):
            if len(value) > _LONGEST_LABEL:
                problem = f"{len(value)} characters, more than {_LONGEST_LABEL}"
                raise WorklistError("W010", what, problem, "choose a shorter one")


@dataclass(slots=True)
class Filed:
    """What became of the notes: how many, those that could not be filed, and what is to be told.

    ``older`` are versions that a newer one on the worklist stands in for.
    """

    new: int = 0
    same: int = 0
    older: int = 0
    revised: int = 0
    reopened: int = 0
    skipped: int = 0
    refused: list[WorklistError] = field(default_factory=list)
    notices: list[InputNotice] = field(default_factory=list, compare=False)


@dataclass(frozen=True, slots=True)
class WouldChange:
    """A decided note of which the rules of today say something else than those it was decided by."""

    entry_id: int
    note_id: str
    decided: dict[str, int]
    suggested: dict[str, int]
    now: dict[str, int]
    status: tuple[str, str]


@dataclass(slots=True)
class Resuggested:
    """What other rules change: undecided entries are changed, of decided ones it is told."""

    changed: int = 0
    same: int = 0
    without_text: int = 0
    decided: list[WouldChange] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Difference:
    """A line of two texts."""

    kind: Literal["same", "added", "removed"]
    text: str


@dataclass(frozen=True, slots=True)
class LineDifference:
    """Units of a code before and now."""

    code: str
    before: int
    now: int


@dataclass(frozen=True, slots=True)
class _Given:
    """A note to file, the revision of its entry that it was compared with, and what it came as.

    ``known_as`` is the id by which the source knows the text, ``version`` its place among the
    versions there.
    """

    note: Note
    base: int | None
    told: Note
    known_as: str
    version: str


def file_notes(
    store: Store,
    notes: Iterable[Note],
    coder: Pipeline,
    *,
    by: str,
    keep_text: bool = True,
    keep_none: bool = False,
    label: Label | None = None,
    workers: int = 1,
    restore: bool = False,
) -> Filed:
    """Put notes on the worklist with their suggestions.

    Parameters
    ----------
    store
        The worklist.
    notes
        The notes; only those that say something new are coded.
    coder
        What makes the suggestions.
    by
        Who files, for the trail.
    keep_text
        Keep the texts. Without, a revision has only its place and hash.
    keep_none
        Also file notes that concern no closure. One that is on the worklist already stays there.
    label
        Site and style of these notes.
    workers
        Processes that code.
    restore
        A text that was superseded supersedes in its turn where it comes again. Without, it is
        an old version, unless the source tells that it is newer.

    Returns
    -------
    Filed
        How many were new, the same, older, revised (of them reopened), skipped or refused.
    """
    clerk = _Clerk(store, by, keep_text, keep_none, label or Label(), restore)
    given: Iterable[Note] = notes
    while True:
        waiting: deque[_Given] = deque()
        done = coder.pipe(clerk.news(given, waiting), workers)
        for suggestions in _batches(done, _BATCH):
            clerk.file([(waiting.popleft(), suggestion) for suggestion in suggestions])
        if not (following := clerk.following()):
            break
        given, workers = following, workers if len(following) > _BATCH else 1
    if clerk.filed.new > _MANY:
        store.look_over()
    return clerk.filed


class _Clerk:
    """Compares notes with the worklist and files what is new."""

    def __init__(
        self, store: Store, by: str, keep_text: bool, keep_none: bool, label: Label, restore: bool
    ) -> None:
        self._store, self._by, self._label = store, by, label
        self._keep_text, self._keep_none, self._restore = keep_text, keep_none, restore
        self._again: list[Note] = []  # whose entry changed while they were coded
        self._ids_again: set[str] = set()
        self._late: list[Note] = []  # whose note, to which they belong, may still come
        self._waits = True
        self.filed = Filed()

    def following(self) -> list[Note]:
        """What has to be looked at once more."""
        if not self._again:
            self._waits = False
            self._again, self._late = self._late, []
        found, self._again, self._ids_again = self._again, [], set()
        return found

    def news(self, notes: Iterable[Note], waiting: deque[_Given]) -> Iterator[Note]:
        """The notes that have to be coded; what they are goes into ``waiting``."""
        for batch in _batches(notes, _BATCH):
            fit = [note for note in batch if self._fits(note)]
            with self._store.reading() as session:
                known = _history(session, {name for note in fit for name in _names(note)})
            for note in fit:
                found = self._placed(note, known)
                if found is not None:
                    waiting.append(found)
                    yield found.note

    def _placed(self, note: Note, known: dict[str, _Known]) -> _Given | None:
        """A note that is news, with the entry it is for; what is none is counted."""
        home = next((known[name] for name in _names(note) if name in known), None)
        if home is None:
            if self._waits and len(_names(note)) > 1 and len(self._late) < _MOST_LATE:
                self._late.append(note)
                return None
            return _Given(note, None, note, note.note_id, note.revision)
        found = _compared(note, home, self._restore)
        if isinstance(found, _Given):
            return found
        self.filed.same += found == "same"
        self.filed.older += found != "same"
        if found == "late":
            where = place(note.source, note.line, note.note_id)
            problem = "the worklist has a version of this note that is signed or newer"
            self.filed.notices.append(InputNotice("N001", where, problem, "that one stays"))
        return None

    def _fits(self, note: Note) -> bool:
        problem, remedy = "", "give the note a shorter id"
        if len(note.note_id) > _LONGEST_ID:
            problem = f"the id of the note has {len(note.note_id)} characters, more than {_LONGEST_ID}"
        elif "\0" in note.note_id:
            problem, remedy = "the id of the note holds a NUL character", "correct the id"
        elif (note.source, note.note_id) == ("-", "stdin"):
            problem = "a note that is typed or piped in has no id: the next one would stand in for it"
            remedy = "save it in a file, or give it as JSON with an id"
        if problem:
            where = place(note.source, note.line)
            self.filed.refused.append(WorklistError("W009", where, problem, remedy))
        return not problem

    def file(self, found: Sequence[tuple[_Given, Suggestion]]) -> None:
        """File one batch in one transaction."""
        at = self._store.clock()
        counts: Counter[str] = Counter()
        again: list[_Given] = []
        with self._store.writing() as session:
            if session.get_bind().dialect.name == "postgresql":
                # Two imports of the same new note would both make its entry.
                session.execute(select(func.pg_advisory_xact_lock(_ONE_FILES)))
            known = _entries(session, [given.note.note_id for given, _ in found])
            work: list[_Work] = []
            taken = set(self._ids_again)  # what follows a version that waits, waits too
            for given, suggestion in found:
                note = given.note
                entry = known.get(note.note_id)
                if (entry.revision_id if entry else None) != given.base or note.note_id in taken:
                    again.append(given)
                elif entry is None and suggestion.status == "none" and not self._keep_none:
                    counts["skipped"] += 1
                    continue
                else:
                    known[note.note_id] = entry = entry or _new_entry(note, at)
                    work.append(_Work(entry, given, suggestion))
                taken.add(note.note_id)
            self._write(session, work, at, counts)
            notices = _twins(session, [one for one in work if one.new])
        for name, number in counts.items():
            setattr(self.filed, name, getattr(self.filed, name) + number)
        self._again += (given.told for given in again)
        self._ids_again.update(given.note.note_id for given in again)
        self.filed.notices += notices

    def _write(self, session: Session, work: list[_Work], at: datetime, counts: Counter[str]) -> None:
        numbers = _numbers(session, [one.entry.id for one in work if not one.new])
        for one in work:
            one.before = None if one.new else _state(one.entry)
            _describe(one, self._label, at)
            _put_in_lane(one)
        session.add_all(one.entry for one in work)
        session.flush()
        for one in work:
            one.revision = _revision(one, numbers.get(one.entry.id, 0) + 1, self._keep_text, at)
        session.add_all(one.revision for one in work if one.revision)
        session.flush()
        for one in work:
            one.filed = _filed(one.entry, one.revision, one.suggestion, at)
        session.add_all(one.filed for one in work if one.filed)
        session.flush()
        for one in work:
            assert one.revision is not None
            assert one.filed is not None
            one.entry.revision_id, one.entry.suggestion_id = one.revision.id, one.filed.id
            counts["new" if one.new else "revised"] += 1
            counts["reopened"] += one.reopened
        record(session, *(_filing(one, at, self._by) for one in work))


@dataclass(slots=True)
class _Work:
    """One note on its way onto the worklist."""

    entry: Entry
    given: _Given
    suggestion: Suggestion
    reopened: bool = False
    before: dict[str, Any] | None = None
    revision: Revision | None = None
    filed: FiledSuggestion | None = None

    @property
    def new(self) -> bool:
        return self.given.base is None

    @property
    def note(self) -> Note:
        return self.given.note


@dataclass(frozen=True, slots=True)
class _Earlier:
    """A revision as filing compares it."""

    revision_id: int
    known_as: str
    version: str
    sha256: str
    standing: str
    served: date | None
    text: str | None


@dataclass(frozen=True, slots=True)
class _Known:
    """An entry as filing compares it: its revisions, the newest last."""

    note_id: str
    earlier: list[_Earlier] = field(default_factory=list)

    @property
    def last(self) -> _Earlier:
        return self.earlier[-1]


def _names(note: Note) -> tuple[str, ...]:
    """The ids by which the entry of a note may be known: its own, and those of the notes it belongs to."""
    return (note.note_id, *note.replaces, *(() if note.parent is None else (note.parent,)))


def _history(session: Session, names: set[str]) -> dict[str, _Known]:
    """The entries of these ids with their revisions; only the newest with its text."""
    wanted = select(Revision.entry_id).where(Revision.known_as.in_(names))
    rows = session.execute(
        select(Entry.note_id, Entry.revision_id, Revision)
        .join(Revision, Revision.entry_id == Entry.id)
        .where(Entry.id.in_(wanted))
        .order_by(Revision.entry_id, Revision.number)
        .options(defer(Revision.text))
    ).all()
    newest = [revision.id for _, current, revision in rows if revision.id == current]
    kept = session.execute(select(Revision.id, Revision.text).where(Revision.id.in_(newest)))
    texts: dict[int, str | None] = dict(kept.all())
    found: dict[str, _Known] = {}
    entries: dict[str, _Known] = {}
    for note_id, _, one in rows:
        known = entries.setdefault(note_id, _Known(note_id))
        text = texts.get(one.id)
        known.earlier.append(
            _Earlier(one.id, one.known_as, one.version, one.sha256, one.standing, one.served, text)
        )
        found.setdefault(one.known_as, known)
    return found


def _compared(told: Note, home: _Known, restore: bool) -> _Given | Literal["same", "older", "late"]:
    """The note as it has to be filed, or why it has not: the worklist has it already, or a newer one.

    ``late`` is an older version that was never there.
    """
    last = home.last
    note = replace(told, note_id=home.note_id, served=told.served or last.served)
    added = told.parent is not None or told.standing == "addendum"
    if added and last.text is not None and last.standing != "addendum":
        return _joined(note, told, last)
    if _follows(told, last, home) is False:
        return "older" if _seen(told, home.earlier) else "late"
    if (
        last.text is not None
        and last.text.startswith(note.text + ADDENDUM)
        and note.standing == last.standing
    ):
        return "same"  # the note again, of which the worklist has the addendum too
    for one in reversed(home.earlier):
        if _seen(note, [one]):
            return "same"
        if one.standing != "addendum" or one.text is not None:
            break  # addenda without texts lie upon the note; anything else supersedes it
    if _seen(told, home.earlier) and not (restore or _follows(told, last, home)):
        return "older"
    known_as = last.known_as if added else told.note_id
    return _Given(note, last.revision_id, told, known_as, told.revision)


def _joined(note: Note, told: Note, last: _Earlier) -> _Given | Literal["same", "late"]:
    """An addendum beneath its note: alone it tells half a story, the other half is here."""
    assert last.text is not None
    if ADDENDUM + note.text + ADDENDUM in last.text + ADDENDUM:
        return "same"
    if told.standing == "preliminary":
        return "late"  # it comes again when it is signed
    text = last.text + ADDENDUM + note.text
    whole = replace(note, text=text, standing=cast(Standing, last.standing))
    return _Given(whole, last.revision_id, told, last.known_as, last.version)


def _seen(note: Note, earlier: Iterable[_Earlier]) -> bool:
    """Whether one of these revisions says the same. That no date of service is told says nothing."""
    said = (sha256(note.text), note.standing)
    return any((one.sha256, one.standing) == said and note.served in (None, one.served) for one in earlier)


def _follows(note: Note, last: _Earlier, home: _Known) -> bool | None:
    """Whether a version follows the last one by what the source tells; ``None`` where it does not."""
    if note.note_id != last.known_as and last.known_as not in note.replaces:
        replaced = any(one.known_as == note.note_id for one in home.earlier)
        return False if replaced else None
    draft, was_draft = note.standing == "preliminary", last.standing == "preliminary"
    if draft != was_draft:
        return was_draft
    if not note.revision or len(note.revision) != len(last.version) or note.revision == last.version:
        return None
    return note.revision > last.version


def _twins(session: Session, work: list[_Work]) -> list[InputNotice]:
    """What is to be told of new notes whose text the worklist has under another id too."""
    by_hash: dict[str, list[tuple[int, str]]] = {}
    rows = session.execute(
        select(Revision.sha256, Entry.id, Entry.note_id)
        .join(Entry, Entry.revision_id == Revision.id)
        .where(Revision.sha256.in_({one.revision.sha256 for one in work if one.revision}))
        .order_by(Entry.id)
    )
    for sha, entry_id, note_id in rows:
        by_hash.setdefault(sha, []).append((entry_id, note_id))
    found = []
    for one in work:
        first = by_hash[sha256(one.note.text)][0]
        if first[0] != one.entry.id:
            where = place(one.note.source, one.note.line, one.note.note_id)
            problem = f"the worklist has the same text as note {first[1]}"
            remedy = "decide about one of the two, and reject the other"
            found.append(InputNotice("N024", where, problem, remedy))
    return found


def lane_of(suggestion: Suggestion) -> Lane:
    """Where a suggestion waits for its coder.

    Examples
    --------
    >>> from extractor import Coder
    >>> lane_of(Coder().suggest("Mitral paravalvular leak closure. A 12 mm AVP II was released."))
    <Lane.ready: 'ready'>
    """
    if suggestion.status != "ready":
        return Lane(suggestion.status)
    contested = any(edit.severity != "info" for edit in suggestion.edits)
    return Lane.edits if contested else Lane.ready


def lane_for(entry: Entry, suggestion: Suggestion) -> Lane:
    """Where an entry waits: what was decided once goes to a person, though nothing speaks for a code now."""
    lane = lane_of(suggestion)
    decided = entry.reopened or entry.second_check or entry.disputed
    return Lane.review if entry.disputed or (lane is Lane.none and decided) else lane


def doubt_of(suggestion: Suggestion) -> int:
    """How much is open: the units between low and high of all lines, and one for each reason.

    Examples
    --------
    >>> from extractor import Coder
    >>> doubt_of(Coder().suggest("Mitral paravalvular leak closure. A 12 mm AVP II was released."))
    0
    """
    return sum(line.high - line.low for line in suggestion.lines) + len(suggestion.reasons)


def traits_of(suggestion: Suggestion) -> set[tuple[str, str]]:
    """What the queue can be filtered by: (kind, value) of codes, reasons and valves."""
    codes = {line.code for line in suggestion.lines} | {one.code for one in suggestion.companions}
    valves = {one.valve for one in suggestion.devices if one.valve and one.outcome in _THIS_SESSION}
    return {
        *(("code", code) for code in codes),
        *(("reason", reason.code) for reason in suggestion.reasons),
        *(("valve", valve) for valve in valves),
    }


def operator_of(text: str, labels: tuple[str, ...] | None = None) -> str:
    """Who did the procedure, where the letterhead says it in a field of its own; else nothing.

    Parameters
    ----------
    text
        The note.
    labels
        What letterheads call it; by default the shipped names.

    Examples
    --------
    >>> operator_of("Operator: Dr A. Example, MD   MRN: 000")
    'Dr A. Example, MD'
    >>> operator_of("Operator: Dr A. Example MRN: 000")  # where the name ends is not sure
    ''
    """
    found = _operator_field(labels or load_tables().operators).search(text, 0, _LETTERHEAD)
    if found is None:
        return ""
    name = re.split(r"\t|\s{2,}|[|;]", found[1].strip())[0].strip(" .,*_-")
    sure = 0 < len(name) <= _LONGEST_OPERATOR and ":" not in name and not re.search(r"\d{3}", name)
    return name if sure and re.search(r"[^\W\d_]{2}", name) else ""


def difference(before: str, now: str) -> list[Difference]:
    r"""The lines of two texts side by side.

    Examples
    --------
    >>> for line in difference("One plug.\nDone.", "Two plugs.\nDone."):
    ...     print(line.kind, line.text)
    removed One plug.
    added Two plugs.
    same Done.
    """
    old, new = before.splitlines(), now.splitlines()
    found: list[Difference] = []
    for kind, i, j, k, m in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind == "equal":
            found += (Difference("same", line) for line in old[i:j])
            continue
        found += (Difference("removed", line) for line in old[i:j])
        found += (Difference("added", line) for line in new[k:m])
    return found


def line_difference(before: Suggestion, now: Suggestion) -> list[LineDifference]:
    """The units of each code before and now, of all codes that either suggests."""
    old, new = before.units, now.units
    return [LineDifference(code, old.get(code, 0), new.get(code, 0)) for code in sorted({*old, *new})]


def resuggest(
    store: Store,
    coder: Pipeline,
    *,
    by: str,
    texts: Callable[[Revision], str | None] | None = None,
    workers: int = 1,
) -> Resuggested:
    """Suggest anew for every note by the rules of today.

    Undecided entries get the new suggestion. Decided ones stay as they are: it is
    listed what would change.

    Parameters
    ----------
    store
        The worklist.
    coder
        What makes the suggestions.
    by
        Who does it, for the trail.
    texts
        Gives the text of a revision whose text is not kept; one that is not the text of
        then, by its hash, is not used.
    workers
        Processes that code.
    """
    result = Resuggested()
    waiting: deque[tuple[int, int]] = deque()  # entry, suggestion

    def notes() -> Iterator[Note]:
        for entry, revision in _current(store):
            text = revision.text if revision.text is not None else texts and texts(revision)
            if text is None or sha256(text) != revision.sha256:
                result.without_text += 1
                continue
            waiting.append((entry.id, cast(int, entry.suggestion_id)))
            yield Note(
                entry.note_id,
                text,
                revision.source,
                revision.line,
                cast(Standing, revision.standing),
                revision.served,
            )

    for suggestions in _batches(coder.pipe(notes(), workers), _BATCH):
        _suggest_anew(store, [(*waiting.popleft(), one) for one in suggestions], by, result)
    return result


def _current(store: Store) -> Iterator[tuple[Entry, Revision]]:
    """Each entry with its revision, a page at a time: nothing stays open while notes are coded."""
    last = 0
    while True:
        with store.reading() as session:
            rows = session.execute(
                select(Entry, Revision)
                .join(Revision, Revision.id == Entry.revision_id)
                .where(Entry.id > last)
                .order_by(Entry.id)
                .limit(_BATCH)
            ).all()
        if not rows:
            return
        yield from ((entry, revision) for entry, revision in rows)
        last = rows[-1][0].id


def _suggest_anew(
    store: Store, found: list[tuple[int, int, Suggestion]], by: str, result: Resuggested
) -> None:
    at = store.clock()
    happenings: list[Happening] = []
    changed = same = 0
    decided: list[WouldChange] = []
    with store.writing() as session:
        entries = {
            entry.id: entry
            for entry in session.scalars(
                select(Entry)
                .where(Entry.id.in_([number for number, _, _ in found]))
                .order_by(Entry.id)  # all lock in the same order
                .with_for_update()
            )
        }
        filed = _by_id(session, FiledSuggestion, [number for _, number, _ in found])
        decisions = _by_id(session, Decision, [e.decision_id for e in entries.values() if e.decision_id])
        for entry_id, suggestion_id, now in found:
            entry = entries[entry_id]
            before = Suggestion.model_validate_json(filed[suggestion_id].content)
            if entry.suggestion_id != suggestion_id or before == now:
                same += 1  # or somebody filed a newer revision in the meantime, which has the new rules
            elif entry.decision_id is None:
                alike = before == now.model_copy(update={"rules_version": before.rules_version})
                happenings.append(_suggested(session, entry, now, alike, by, at))
                changed, same = changed + (not alike), same + alike
            elif (before.status, _claimed(before)) != (now.status, _claimed(now)):
                decided.append(_would_change(entry, decisions[entry.decision_id], before, now))
            else:
                same += 1
        record(session, *happenings)
    result.changed += changed
    result.same += same
    result.decided += decided


def _suggested(
    session: Session, entry: Entry, now: Suggestion, alike: bool, by: str, at: datetime
) -> Happening:
    """Give an undecided entry its new suggestion."""
    before = _state(entry)
    filed = FiledSuggestion(
        entry_id=entry.id,
        revision_id=cast(int, entry.revision_id),
        rules_version=now.rules_version,
        status=now.status,
        content=now.to_json(),
        made_at=at,
    )
    session.add(filed)
    session.flush()
    entry.suggestion_id = filed.id
    if not alike:  # a page that shows the same answer by older rules is as good
        if entry.lane is not Lane.query:
            entry.lane = lane_for(entry, now)
        _measure(entry, now)
        entry.version += 1
        entry.changed_at = at
    return Happening(
        at,
        by,
        "suggest",
        entry.id,
        f"suggestion {filed.id}",
        before,
        {**sealed(filed, entry), **_state(entry)},
        rules_version=now.rules_version,
    )


def _would_change(entry: Entry, decision: Decision, before: Suggestion, now: Suggestion) -> WouldChange:
    decided = _units((line["code"], line["units"], line["modifiers"]) for line in decision.lines)
    status = (before.status, now.status)
    return WouldChange(entry.id, entry.note_id, decided, _claimed(before), _claimed(now), status)


def _claimed(suggestion: Suggestion) -> dict[str, int]:
    """What accepting a suggestion claims: lines and companions."""
    return _units(
        [
            *((line.code, line.units, line.modifiers) for line in suggestion.lines),
            *((one.code, one.units, ()) for one in suggestion.companions),
        ]
    )


def _units(lines: Iterable[tuple[str, int, Iterable[str]]]) -> dict[str, int]:
    """The units of each code with its modifiers."""
    found: Counter[str] = Counter()
    for code, units, modifiers in lines:
        found["-".join([code, *modifiers])] += units
    return dict(found)


def _by_id(session: Session, model: Any, numbers: Iterable[int]) -> dict[int, Any]:
    return {row.id: row for row in session.scalars(select(model).where(model.id.in_(list(numbers))))}


def _entries(session: Session, note_ids: list[str]) -> dict[str, Entry]:
    found = session.scalars(
        select(Entry)
        .where(Entry.note_id.in_(note_ids))
        .options(selectinload(Entry.traits))
        .order_by(Entry.id)  # all lock in the same order
        .with_for_update(of=Entry)
    )
    return {entry.note_id: entry for entry in found}


def _numbers(session: Session, entry_ids: list[int]) -> dict[int, int]:
    """The number of the newest revision of each entry."""
    rows = session.execute(
        select(Revision.entry_id, Revision.number)
        .where(Revision.entry_id.in_(entry_ids))
        .order_by(Revision.number)
    )
    return dict(rows.all())


def _new_entry(note: Note, at: datetime) -> Entry:
    return Entry(note_id=note.note_id, created_at=at, version=0)


def _describe(one: _Work, label: Label, at: datetime) -> None:
    """What the queue shows and filters, from the note and its suggestion."""
    entry, note = one.entry, one.note
    entry.source = note.source
    entry.site = label.site or entry.site or ""
    entry.style = label.style or entry.style or ""
    if one.new or note.standing != "addendum":  # an addendum alone has no letterhead
        entry.operator = operator_of(note.text)
        entry.service_date = note.served or service_date(note.text, load_tables().labels)
    entry.changed_at = at
    entry.version += 1


def _measure(entry: Entry, suggestion: Suggestion) -> None:
    entry.status = suggestion.status
    entry.units = sum(line.units for line in suggestion.lines)
    entry.doubt = doubt_of(suggestion)
    wanted = traits_of(suggestion)
    entry.traits = [one for one in entry.traits if (one.kind, one.value) in wanted] + [
        Trait(kind=kind, value=value)
        for kind, value in sorted(wanted - {(one.kind, one.value) for one in entry.traits})
    ]


def _put_in_lane(one: _Work) -> None:
    """The lane by the new suggestion. What was decided is open again: nobody has read this text."""
    entry = one.entry
    if entry.decision_id is not None:
        one.reopened = entry.reopened = True
        entry.decision_id = None
        entry.exported_at = None
        entry.second_check = entry.disputed = False
    entry.lane = lane_for(entry, one.suggestion)
    entry.deferred_until = None
    _measure(entry, one.suggestion)


def _revision(one: _Work, number: int, keep_text: bool, at: datetime) -> Revision:
    note = one.note
    return Revision(
        entry_id=one.entry.id,
        number=number,
        known_as=one.given.known_as,
        version=one.given.version,
        text=note.text if keep_text else None,
        source=note.source,
        line=note.line,
        sha256=sha256(note.text),
        standing=note.standing,
        served=note.served,
        filed_at=at,
    )


def _filed(entry: Entry, revision: Revision | None, suggestion: Suggestion, at: datetime) -> FiledSuggestion:
    assert revision is not None
    return FiledSuggestion(
        entry_id=entry.id,
        revision_id=revision.id,
        rules_version=suggestion.rules_version,
        status=suggestion.status,
        content=suggestion.to_json(),
        made_at=at,
    )


def _filing(one: _Work, at: datetime, by: str) -> Happening:
    """What the trail says: hashes, codes and places, no word of the note."""
    assert one.revision is not None
    assert one.filed is not None
    after = {
        **sealed(one.revision, one.filed, one.entry),
        "number": one.revision.number,
        **_state(one.entry),
    }
    action = "file" if one.new else "reopen" if one.reopened else "revise"
    about = f"revision {one.revision.id}"
    version = one.suggestion.rules_version
    return Happening(at, by, action, one.entry.id, about, one.before, after, rules_version=version)


def _state(entry: Entry) -> dict[str, Any]:
    """What the trail says of an entry before and after."""
    return {
        "lane": entry.lane,
        "status": entry.status,
        "units": entry.units,
        "revision": entry.revision_id,
        "suggestion": entry.suggestion_id,
        "decision": entry.decision_id,
    }


def sha256(text: str) -> str:
    """The hash by which a text is known, kept or not."""
    return hashlib.sha256(text.encode()).hexdigest()


@lru_cache(maxsize=4)
def _operator_field(labels: tuple[str, ...]) -> re.Pattern[str]:
    names = "|".join(r"\s+".join(map(re.escape, label.split())) for label in labels)
    return re.compile(rf"^[ \t*_-]*(?:{names})[ \t*_]*:([^\r\n]+)", re.IGNORECASE | re.MULTILINE)


def _batches(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    given = iter(items)
    while batch := list(islice(given, size)):
        yield batch
