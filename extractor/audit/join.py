"""Join: which note belongs to which billed lines, by encounter and date of service."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from extractor.audit.billed import BilledClaim, BilledLine, ClaimKind, Days
from extractor.audit.documented import DocumentedNote
from extractor.audit.family import Family

BY_DATE = "encounter and date"
BY_ENCOUNTER = "encounter alone"


@dataclass(slots=True)
class Billing:
    """What was billed for an encounter and a date, by one kind of claimant.

    Attributes
    ----------
    encounter, days, kind
        For what it was billed, and by whom.
    lines
        The lines, each with its claim.
    unread, incomplete
        Lines of it could not be read, or may be missing from the file.
    """

    encounter: str
    days: Days | None
    kind: ClaimKind
    lines: list[tuple[BilledClaim, BilledLine]] = field(default_factory=list)
    unread: bool = False
    incomplete: bool = False

    @property
    def codes(self) -> frozenset[str]:
        """All codes on its lines."""
        return frozenset(line.code for _, line in self.lines)


@dataclass(frozen=True, slots=True)
class Joined:
    """Billed lines beside the note that they are judged by.

    Attributes
    ----------
    encounter
        The encounter.
    billing
        What was billed; ``None`` where nothing of the family was.
    notes
        The note; several where it is not clear which one.
    by
        What they were joined by.
    doubt
        Why a person must say what belongs together.
    hint
        What else is known of the encounter.
    """

    encounter: str
    billing: Billing | None
    notes: tuple[DocumentedNote, ...]
    by: str = BY_DATE
    doubt: str = ""
    hint: str = ""


def join(notes: Iterable[DocumentedNote], claims: Iterable[BilledClaim], family: Family) -> Iterator[Joined]:
    """Bring notes and claims together, encounter by encounter in the order of their ids.

    Parameters
    ----------
    notes
        With what they support.
    claims
        Those that count.
    family
        The codes that are judged.
    """
    noted: defaultdict[str, list[DocumentedNote]] = defaultdict(list)
    for note in notes:
        noted[note.encounter].append(note)
    claimed: defaultdict[str, list[BilledClaim]] = defaultdict(list)
    for claim in claims:
        claimed[claim.encounter].append(claim)
    for encounter in sorted(noted.keys() | claimed.keys()):
        billings = _billings(encounter, claimed[encounter])
        yield from _of_encounter(encounter, sorted(noted[encounter], key=_order), billings, family)


def _order(note: DocumentedNote) -> tuple[str, str]:
    return str(note.day or ""), note.suggestion.note_id


def _billings(encounter: str, claims: list[BilledClaim]) -> list[Billing]:
    """The lines of an encounter by claimant and day; a stay that holds one billed day is that day."""
    found: dict[tuple[ClaimKind, Days | None], Billing] = {}
    for claim in claims:
        days_of = {line.days for line in claim.lines} or {None}
        for days in days_of:
            key = (claim.kind, days)
            billing = found.setdefault(key, Billing(encounter, days, claim.kind))
            billing.lines += [(claim, line) for line in claim.lines if line.days == days]
            billing.unread |= claim.unread
            billing.incomplete |= claim.incomplete
    for (kind, days), billing in list(found.items()):
        if days is None or days[0] == days[1]:
            continue
        inside = [
            one
            for (other, day), one in found.items()
            if other == kind and day and day[0] == day[1] and days[0] <= day[0] <= days[1]
        ]
        if len(inside) == 1:
            inside[0].lines += billing.lines
            inside[0].unread |= billing.unread
            inside[0].incomplete |= billing.incomplete
            del found[kind, days]
    return sorted(found.values(), key=lambda one: (one.kind, str(one.days or "")))


def _of_encounter(
    encounter: str, notes: list[DocumentedNote], billings: list[Billing], family: Family
) -> Iterator[Joined]:
    closures = [note for note in notes if note.is_closure]
    met: set[int] = set()
    for billing in billings:
        alike = [one for one in billings if one.kind == billing.kind and _concerns(one, family)]
        joined = _joined(billing, notes, closures, alike)
        if not _concerns(billing, family) or (not joined.notes and not _closes(billing, family)):
            continue
        if not any(note.is_closure for note in joined.notes) and not _closes(billing, family):
            continue  # another procedure of the day
        met.update(id(note) for note in joined.notes)
        yield joined
    for note in closures:
        if id(note) not in met:
            yield from _unclaimed(encounter, note, closures, billings, family)


def _concerns(billing: Billing, family: Family) -> bool:
    """Whether anything is billed that an audit looks at."""
    return billing.unread or bool(billing.codes & family.codes)


def _closes(billing: Billing, family: Family) -> bool:
    """Whether a closure is billed, or may be."""
    return bool(billing.codes.intersection(family.closure))


def _joined(
    billing: Billing, notes: list[DocumentedNote], closures: list[DocumentedNote], alike: list[Billing]
) -> Joined:
    """The note for some billed lines: of their day, else of the encounter where that is clear."""
    encounter, days = billing.encounter, billing.days
    dated = [note for note in closures if note.day and days and days[0] <= note.day <= days[1]]
    undated = [note for note in closures if note.day is None]
    candidates = closures if days is None else dated + undated
    if not candidates:
        return _without_closure(billing, notes)
    by = BY_DATE if dated and len(candidates) == len(dated) else BY_ENCOUNTER
    doubt = ""
    if len(candidates) > 1:
        doubt = f"{len(candidates)} notes of this encounter tell of a closure that this may be"
    elif by == BY_ENCOUNTER and len({one.days for one in alike}) > 1:
        doubt = "the note, or a claim, has no date, and there are claims for several days"
    return Joined(encounter, billing, tuple(candidates), by, doubt)


def _without_closure(billing: Billing, notes: list[DocumentedNote]) -> Joined:
    """Billed lines for which no note tells of a closure: a note of the day that tells of none, or no note."""
    days = billing.days
    same_day = [note for note in notes if not note.is_closure and (note.day is None or _on(note.day, days))]
    if same_day:
        dated = days is not None and any(note.day for note in same_day)
        return Joined(billing.encounter, billing, tuple(same_day), BY_DATE if dated else BY_ENCOUNTER)
    others = sorted({str(note.day) for note in notes if note.is_closure and note.day})
    hint = f"A note of this encounter tells of a closure on {' and '.join(others)}." if others else ""
    return Joined(billing.encounter, billing, (), hint=hint)


def _on(day: object, days: Days | None) -> bool:
    return days is None or days[0] <= day <= days[1]  # type: ignore[operator]


def _unclaimed(
    encounter: str,
    note: DocumentedNote,
    closures: list[DocumentedNote],
    billings: list[Billing],
    family: Family,
) -> Iterator[Joined]:
    """A closure for which nothing was billed; of several notes of a day the first speaks for all."""
    rivals = [other for other in closures if None in (other.day, note.day) or other.day == note.day]
    if rivals[0] is not note:
        return
    doubt = f"{len(rivals)} notes of this encounter tell of a closure on this day" if len(rivals) > 1 else ""
    days = sorted({_words(one.days) for one in billings if one.days and _closes(one, family)})
    hint = f"A closure is billed for this encounter on {' and '.join(days)}." if days else ""
    if not hint and any(one.lines for one in billings):
        hint = "There are claims for this encounter, without a code of this family."
    yield Joined(encounter, None, tuple(rivals), BY_DATE if note.day else BY_ENCOUNTER, doubt, hint)


def _words(days: Days) -> str:
    return str(days[0]) if days[0] == days[1] else f"{days[0]} to {days[1]}"
