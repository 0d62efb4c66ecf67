"""Documented: what a note supports of each code, as an interval.

A ready suggestion supports its units and nothing else. One in review supports an interval,
and where its doubt is about the valve, the kind of the document or whether the codes apply
at all, it proves nothing against a claim.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date

from extractor.audit.family import Family
from extractor.dates import service_date
from extractor.readers import Note
from extractor.suggestion import Line, Span, Suggestion

# With one of these the codes themselves are open, so that no claim can be shown to be wrong.
_OPEN_CODES = frozenset(
    {
        "no_device_implanted", "other_valve", "annuloplasty_ring", "not_procedure_note",
        "note_not_signed", "addendum_alone",
    }
)  # fmt: skip
# With one of these another code may stand in for a code that is not billed.
_OTHER_CODES = frozenset({"open_approach", "same_session_valve_implant"})
_OPEN_VALVE = frozenset({"valve_unstated", "valve_conflict"})
_OF_TODAY = ("implanted", "removed", "unused", "unknown")
_TOLD_RANGE = re.compile(r"(\d+)(?: (?:to (\d+)|or more))? device\(s\) left in")


@dataclass(frozen=True, slots=True)
class Interval:
    """Units that a note supports; ``high`` is ``None`` where it sets no bound."""

    low: int
    high: int | None
    units: int


@dataclass(frozen=True, slots=True)
class DocumentedNote:
    """A note and what it supports.

    Attributes
    ----------
    encounter, day
        What it is joined by.
    suggestion
        What is suggested for it.
    """

    encounter: str
    day: date | None
    suggestion: Suggestion

    @property
    def is_closure(self) -> bool:
        """Whether it tells of a closure, surely or not."""
        return self.suggestion.status != "none"

    @property
    def is_sure(self) -> bool:
        """Whether nothing of it is open."""
        return self.suggestion.status != "review"

    @property
    def reasons(self) -> frozenset[str]:
        """Codes of what is open."""
        return frozenset(reason.code for reason in self.suggestion.reasons)


def documented(
    notes: Iterable[Note],
    suggest: Callable[[Iterator[Note]], Iterable[Suggestion]],
    labels: tuple[str, ...],
) -> Iterator[DocumentedNote]:
    """Notes with their encounters, days and suggestions; of a text nothing is kept but the evidence.

    Parameters
    ----------
    notes
        As they are read.
    suggest
        What codes them, in their order.
    labels
        How letterheads call the date of service.
    """
    waiting: deque[tuple[str, date | None]] = deque()

    def remembered() -> Iterator[Note]:
        for note in notes:
            day = note.served or service_date(note.text, labels)
            waiting.append((note.encounter or note.note_id, day))
            yield note

    for suggestion in suggest(remembered()):
        encounter, day = waiting.popleft()
        yield DocumentedNote(encounter, day, suggestion)


def supported(note: DocumentedNote, family: Family) -> dict[str, Interval]:
    """What a note supports of each code of the family.

    Examples
    --------
    >>> from extractor import Coder
    >>> from extractor.audit.family import load_family
    >>> coder = Coder()
    >>> text = "Mitral paravalvular leak closure. Two 12 mm AVP II were deployed and released."
    >>> note = DocumentedNote("E1", None, coder.suggest(text))
    >>> {code: (i.low, i.high) for code, i in supported(note, load_family(coder.rules, coder.tables)).items()}
    {'93590': (1, 1), '93591': (0, 0), '93592': (1, 1), '93462': (0, 0)}
    """
    suggestion = note.suggestion
    if note.is_sure:
        units = suggestion.units | {one.code: one.units for one in suggestion.companions}
        return {code: Interval(*(units.get(code, 0),) * 3) for code in family.judged}
    lines = {line.code: line for line in suggestion.lines}
    companions = {one.code: one.units for one in suggestion.companions}
    unknown = Interval(0, None, 0)
    found: dict[str, Interval] = {}
    for code in family.judged:
        line = lines.get(code)
        if note.reasons & _OPEN_CODES or (code in family.initial and note.reasons & _OPEN_VALVE):
            found[code] = Interval(0, None, line.units if line else companions.get(code, 0))
        elif line is not None and code == family.additional and _is_open(note, line):
            found[code] = Interval(0, None, line.units)
        elif line is not None:
            low = 0 if note.reasons & _OTHER_CODES else line.low
            found[code] = Interval(low, line.high, line.units)
        elif code == family.additional:
            found[code] = _further(note, family)
        else:
            found[code] = Interval(0, None, companions[code]) if code in companions else unknown
    return found


def _is_open(note: DocumentedNote, line: Line) -> bool:
    """Whether parts of the note disagree on the number of devices, and no interval holds them all."""
    return "device_count_conflict" in note.reasons and line.low == line.high


def _further(note: DocumentedNote, family: Family) -> Interval:
    """Further devices where the suggestion asserts none: the range of its count less the first devices."""
    told = _TOLD_RANGE.match(note.suggestion.proof.statement)
    if told and told[0].split()[1] == "device(s)" and "device_count_conflict" in note.reasons:
        return Interval(0, None, 0)  # another part of the note gives another number
    first = [line for line in note.suggestion.lines if line.code in family.initial]
    if told is None or not first:
        return Interval(0, None, 0)
    sure = told[0].split()[1] == "device(s)"
    low = int(told[1])
    high = low if sure else int(told[2]) if told[2] else None
    least = 0 if note.reasons & (_OTHER_CODES | _OPEN_VALVE) else max(0, low - len(first))
    return Interval(least, None if high is None else max(0, high - 1), 0)


def evidence(note: DocumentedNote, code: str, whole: bool) -> tuple[Span, ...]:
    """The words behind a code: those of its devices, or of all devices where its units are in question."""
    suggestion = note.suggestion
    mine = {n for line in suggestion.lines if line.code == code for n in line.devices}
    spans = [
        span
        for device in suggestion.devices
        if device.number in mine or (whole and device.outcome in _OF_TODAY)
        for span in device.evidence
    ]
    spans = [span for one in suggestion.companions if one.code == code for span in one.evidence] or spans
    spans = spans or list(suggestion.proof.evidence)
    if not note.is_sure:
        spans += [span for reason in suggestion.reasons for span in reason.evidence]
    return tuple(dict.fromkeys(spans))


def proof(note: DocumentedNote, code: str) -> str:
    """What the proof says of a code: how many devices, for what, and which are not counted."""
    root = note.suggestion.proof
    told = [root.statement]
    for child in root.children:
        if child.statement.startswith(f"{code} x"):
            told.append(child.statement)
        elif child.rule == "coding.not_counted":
            told += [f"not counted: {node.statement}" for node in child.children]
    return "; ".join(told)
