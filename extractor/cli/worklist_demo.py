"""What ``pvl worklist demo`` shows: fictional notes, and what became of some of them in the weeks before."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

from extractor.cli import suggesting
from extractor.cli.outcome import Errors
from extractor.coder import Coder
from extractor.dates import service_date
from extractor.readers import Note, read
from extractor.tables import load_tables
from extractor.worklist import asking, people, settings
from extractor.worklist.database import Store
from extractor.worklist.decisions import Coded, decide, defer, reassign, same_lines, suggested_lines
from extractor.worklist.exports import again, make
from extractor.worklist.filing import Label, file_notes
from extractor.worklist.models import Entry, Kind, Lane, Role, User
from extractor.worklist.opening import Opened, open_note
from extractor.worklist.queue import Filters, release
from extractor.worklist.trail import SYSTEM
from extractor.worklist.views import save_view

PEOPLE = {
    "coder": Role.coder,
    "second": Role.coder,
    "lead": Role.lead,
    "auditor": Role.auditor,
    "admin": Role.admin,
}
"""Who may sign in, and the role of each."""

STYLES = {
    "brief": "Lakeside",
    "ehrsmart": "Lakeside",
    "exchange": "Lakeside",
    "lateus": "Northfield",
    "letters": "Northfield",
    "multidev": "St Brannoc",
    "registry": "St Brannoc",
    "surgical": "Northfield",
}
"""Labelled files shown beside the plain notes, each with a fictional site. The wheel has no others."""

_PLAIN_SITE = "Lakeside"
_EACH = 10  # notes of a file
_OLD = 8  # of them, those of the weeks before; the others are new
_DAYS = 26  # from the first note to today
_NEW_SINCE, _LATEST = timedelta(hours=60), timedelta(minutes=25)
_FILED_AT, _WORK_FROM, _WORK_FOR = time(6, 30), time(8, 10), timedelta(hours=8)
_READING, _LONGEST_READ = 45, 300  # seconds
_SECOND_CHECKS, _BLIND = 0.12, 0.06

# What no label says, by note id.
_ASKED = ("reg-002", "exc-005")  # a query is open
_ANSWERED = {"ehs-007": "No plug was left in place."}
_ASSIGNED = "exc-010"  # to the coder
_PUT_OFF = {"exc-004": "waiting_for_document"}
_DISPUTED = ("brff-006",)  # the second coder says something else
_OTHERWISE = {  # other documents say something else
    "surg-002": (),
    "lett-004": (Coded("93590", 1), Coded("93592", 2)),
    "reg-005": (Coded("93590", 1, ("62",)), Coded("93591", 1), Coded("93592", 1), Coded("93462", 1)),
}
_REASONS = {
    "surg-002": ("payer_rule", "Included in the valve that was implanted in the same session."),
    "lett-004": ("documentation_elsewhere", "The implant record lists three plugs by serial number."),
    "reg-005": ("modifier", "Both operators have dictated their part."),
}
_REVISED = {"mul-001": 3}  # the paragraph that its first text lacks


def fill(store: Store) -> tuple[int, str]:
    """Make users of every role, file the sample notes, and decide some of them as their labels have it.

    Returns
    -------
    tuple of int and str
        How many notes are on the worklist, and the password of all users.
    """
    clock, today = store.clock, store.clock()
    past = _Past(today - timedelta(days=_DAYS))
    store.clock = past
    try:
        password = _sign_up(store)
        return _Story(store, past, suggesting.make_coder(), today).tell(), password
    finally:
        store.clock = clock


def samples() -> list[Path]:
    """Files of notes: those inside the package, or beside it."""
    package = Path(__file__).parent.parent
    inside = package / "sample_notes"
    folder = inside if inside.is_dir() else package.parent / "sample_notes"
    return [*sorted(folder.glob("demo/*.txt")), *(folder / "gold" / f"{style}.jsonl" for style in STYLES)]


def _sign_up(store: Store) -> str:
    password = secrets.token_urlsafe(12)
    for name, role in PEOPLE.items():
        once = people.add(store, "demo", name, role)
        people.change_password(store, User(name=name, role=role), once, password)
    return password


@dataclass(slots=True)
class _Past:
    """A clock that is set; each look at it moves it on by a moment."""

    at: datetime

    def __call__(self) -> datetime:
        self.at += timedelta(milliseconds=137)
        return self.at

    def until(self, moment: datetime) -> None:
        """Wait; time never goes back."""
        self.at = max(self.at, moment)


@dataclass(frozen=True, slots=True)
class _Sample:
    """A note, where it is from, and the lines that are right by its label."""

    note: Note
    site: str
    style: str
    right: tuple[Coded, ...] | None = None

    @property
    def name(self) -> str:
        return self.note.note_id


def _samples() -> tuple[list[_Sample], list[_Sample]]:
    """The old ones, a note of each file in turn, and the new ones."""
    files = [[*_read_file(path)] for path in samples()]
    plain = [one for notes in files for one in notes if one.right is None]
    labelled = [notes for notes in files if notes and notes[0].right is not None]
    turns = [[notes[at] for notes in labelled] for at in range(_EACH)]
    old = [one for turn in turns[:_OLD] for one in turn]
    new = [one for turn in turns[_OLD:] for one in turn]
    return old, [*new, *plain]


def _read_file(path: Path) -> Iterator[_Sample]:
    notes = list(read([str(path)], Errors()))[:_EACH]
    if path.suffix == ".txt":
        yield from (_Sample(note, _PLAIN_SITE, path.stem.partition("-")[0]) for note in notes)
        return
    for note, line in zip(notes, path.read_text("utf-8").splitlines(), strict=False):
        label = json.loads(line)["gold"]
        right = {**(label["lines"] or {}), **(label["companions"] or {})}
        yield _Sample(note, STYLES[path.stem], path.stem, tuple(Coded(*one) for one in right.items()))


def _first(one: _Sample) -> _Sample:
    """The first text of a note, which lacks a paragraph; what was suggested for it is accepted."""
    paragraphs = one.note.text.split("\n\n")
    del paragraphs[_REVISED[one.name]]
    return replace(one, note=replace(one.note, text="\n\n".join(paragraphs)), right=None)


@dataclass(slots=True)
class _Story:
    """What happened, day by day."""

    store: Store
    past: _Past
    coder: Coder
    today: datetime
    users: dict[str, User] = field(default_factory=dict)
    filed: int = 0
    opened: int = 0

    def tell(self) -> int:
        """Tell it; returns how many notes are on the worklist."""
        self._settle()
        old, new = _samples()
        revised = [one for one in old if one.name in _REVISED]
        old = [_first(one) if one in revised else one for one in old]
        days = [self.past.at.date() + timedelta(days=day) for day in range(1, _DAYS - 3)]
        working = [day for day in days if day.weekday() < 5]
        for number, day in enumerate(working):
            begin, end = (len(old) * at // len(working) for at in (number, number + 1))
            for one in old[begin:end]:
                self._file(one, datetime.combine(day, _FILED_AT, UTC))
            self._work(old[begin:end], datetime.combine(day, _WORK_FROM, UTC))
            if number == len(working) // 2:
                made, _ = make(self.store, self.users["lead"], "csv")
                again(self.store, self.users["lead"], made.id)
        for number, one in enumerate(new):
            self._file(one, self.today - _NEW_SINCE * (1 - number / len(new)) - _LATEST)
            if one.name == _ASSIGNED and (entry := self._entry(one)) is not None:
                reassign(self.store, self.users["lead"], entry.id, entry.version, self.users["coder"].id)
        for one in revised:
            self._file(one, self.today - _LATEST / 2)
        return self.filed

    def _settle(self) -> None:
        """People, settings and saved views."""
        with self.store.reading() as session:
            self.users = {user.name: user for user in people.users(session)}
        lead = self.users["lead"]
        settings.write(self.store, lead, second_check_share=_SECOND_CHECKS, blind_share=_BLIND)
        for user in (self.users["coder"], lead):
            differ = Filters(lane=Lane.review, reason="device_count_conflict", sort="doubt")
            save_view(self.store, user, "Counts that differ", differ)
            save_view(self.store, user, "Three units and more", Filters(fewest=3))

    def _file(self, one: _Sample, at: datetime) -> None:
        self.past.until(at)
        note = one.note
        if note.served is None and service_date(note.text, load_tables().labels) is None:
            note = replace(note, served=_working_day_before(at.date()))
        label = Label(site=one.site, style=one.style)
        self.filed += file_notes(self.store, [note], self.coder, by=SYSTEM, label=label).new

    def _work(self, notes: Sequence[_Sample], begin: datetime) -> None:
        """A day of two coders and of a lead who settles what they differ about."""
        for number, one in enumerate(notes):
            self.past.until(begin + _WORK_FOR * (number + 1) / (len(notes) + 1))
            first, second = ("coder", "second") if self.opened % 3 else ("second", "coder")
            entry = self._decide(one, first)
            if entry is not None and entry.second_check:
                self._decide(one, second)

    def _decide(self, one: _Sample, by: str) -> Entry | None:
        """Open a note, read it for a while and decide it; ``None`` where it does not come to that."""
        entry, user = self._entry(one), self.users[by]
        if entry is None:
            return None
        with self.store.reading() as session:
            kept = settings.read(session)
        opened, at = open_note(self.store, user, entry.id, kept), self.past.at
        self.opened += 1
        self.past.until(at + timedelta(seconds=_READING + 31 * (self.opened * 3 % 7)))
        if not self._set_aside(one, opened, user):
            return None
        at = max(at, self.past.at - timedelta(seconds=_LONGEST_READ))  # an answer may have been awaited
        suggested = suggested_lines(opened.suggestion)
        lines = _claimed(one, suggested, second=opened.entry.second_check)
        same = same_lines(lines, suggested)
        reason, comment = ("", "") if same or opened.blind else _why(one, lines, suggested)
        kind = Kind.accept if same and not opened.blind else Kind.change if lines else Kind.reject
        version = self._version(entry)
        decide(self.store, user, entry.id, version, kind, lines, None, reason, comment, opened.blind, at)
        return self._entry(one)

    def _set_aside(self, one: _Sample, opened: Opened, user: User) -> bool:
        """Put a note off, or ask the physician; whether it can be decided then."""
        entry = opened.entry
        if one.name in _PUT_OFF:
            until = self.today + timedelta(days=2)
            defer(self.store, user, entry.id, entry.version, until, _PUT_OFF[one.name])
            release(self.store, user, entry.id)
            return False
        if one.name not in (*_ASKED, *_ANSWERED):
            return True
        drafted = opened.suggestion.queries[0]
        query = asking.draft(self.store, user, entry.id, entry.version, drafted.reason, drafted.text)
        asking.send(self.store, user, query.id, self._version(entry))
        if one.name in _ASKED:
            return False
        self.past.until(self.past.at + timedelta(hours=5))
        asking.answer(self.store, user, query.id, self._version(entry), _ANSWERED[one.name])
        return True

    def _entry(self, one: _Sample) -> Entry | None:
        with self.store.reading() as session:
            return session.query(Entry).filter_by(note_id=one.name).one_or_none()

    def _version(self, entry: Entry) -> int:
        with self.store.reading() as session:
            return session.get_one(Entry, entry.id).version


def _working_day_before(day: date) -> date:
    return day - timedelta(days=max(1, (day.weekday() - 4) % 7 if day.weekday() in (5, 6, 0) else 1))


def _claimed(one: _Sample, suggested: tuple[Coded, ...], second: bool) -> tuple[Coded, ...]:
    """What a coder claims: what is right by the label, unless other documents say otherwise."""
    right = one.right if one.right is not None else suggested
    if second and one.name in _DISPUTED:
        return right[:1]
    return _OTHERWISE.get(one.name, right)


def _why(one: _Sample, lines: Sequence[Coded], suggested: Sequence[Coded]) -> tuple[str, str]:
    """The reason for a change, and a comment."""
    if one.name in _REASONS:
        return _REASONS[one.name]
    more = sum(line.units for line in lines) - sum(line.units for line in suggested)
    return ("missed_device" if more > 0 else "device_not_left" if more else "wrong_valve"), ""
