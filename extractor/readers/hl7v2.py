r"""HL7 v2: the notes in messages of documents (MDM) and of results (ORU).

The texts of one document (OBX) are joined in their order. What the document header
(TXA) or the order (OBR) says of it decides which version is read, and where an
addendum belongs. A message that is cut, lacks a segment or a line, or has an escape
that cannot be resolved costs its note an error: a note of which a device is missing
would be counted low.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Literal

from extractor.dates import NoDayError, told_day, told_period
from extractor.errors import InputError, InputNotice
from extractor.readers.attachment import AGAIN
from extractor.readers.hl7file import RawMessage, raw_messages
from extractor.readers.hl7text import Marks, charsets, decoded
from extractor.readers.note import Found, place, undated
from extractor.readers.observation import (
    CANCELLED,
    DRAFT,
    Observation,
    ObservationError,
    document,
    has_text,
    observations_of,
)
from extractor.readers.options import Options
from extractor.readers.plain import binary
from extractor.readers.stamp import stamp
from extractor.readers.versions import Version

_Standing = Literal["final", "preliminary", "cancelled"]

# Segments that may stand in these messages; any other line goes on with the text above it.
_NAMES = (
    "ABS ACC ADD AL1 ARV BLG CON CTD CTI DB1 DEV DG1 DRG DSC ERR EVN FT1 GT1 IAM IN1 IN2 IN3 MSH NK1 NTE "
    "OBR OBX OH1 OH2 OH3 OH4 OMC ORC PAC PD1 PDA PDC PEO PID PR1 PRB PRD PRT PSH PV1 PV2 REL RGS ROL SAC "
    "SFT SHP SPM TQ1 TQ2 TXA UAC UB1 UB2 VAR"
)
_SEGMENTS = frozenset(_NAMES.split())
_TEXTS = ("OBX", "NTE")
_LOCAL = re.compile(r"Z[A-Z0-9]{2}")
_NUMBER = re.compile(r"[0-9]{1,9}")
_SIGNED = ("AU", "LA")
_REPLACING, _EDITING, _ADDING = ("T09", "T10"), ("T07", "T08"), ("T05", "T06")
_UNTOLD = ("T07", "T09")  # they tell that there is another text, and not which
_MDM = {f"T{number:02}" for number in range(1, 12)}
_TEXTLESS = ("T01", "T03", "T05", "T11")


@dataclass(slots=True)
class _Segment:
    """A segment: its line, and its fields as written, counted from 1 as the standard does."""

    line: int
    name: str
    fields: list[str]

    def __getitem__(self, number: int) -> str:
        value = self.fields[number] if number < len(self.fields) else ""
        return "" if value == '""' else value


@dataclass(slots=True)
class _Message:
    kind: str
    event: str
    control: str
    sent: str
    source: str
    line: int
    marks: Marks
    charsets: list[str]
    segments: list[_Segment] = field(default_factory=list)
    broken: InputError | None = None

    def place(self, name: str | None = None) -> str:
        return place(self.source, self.line, name)

    def first(self, name: str) -> _Segment | None:
        return next((segment for segment in self.segments if segment.name == name), None)


def read_hl7(path: str, _options: Options) -> Iterator[Found | Version]:
    """The versions of notes in a file of HL7 v2 messages."""
    others, messages, failed = 0, 0, False
    with open(path, "rb") as file:
        wrong = binary(path, file.read(8192))
        if wrong:
            yield wrong
            return
        file.seek(0)
        for raw in raw_messages(path, file):
            if isinstance(raw, InputError):
                failed = True
                yield raw
                continue
            messages += 1
            message = _message(path, raw)
            if message is None:
                others += 1
            elif isinstance(message, InputError):
                yield message
            else:
                yield from _of_document(message) if message.kind == "MDM" else _of_orders(message)
    if not messages and not failed:
        yield InputError(
            "I040", path, "no HL7 message in this file", "check that it is HL7 v2 (MSH|^~\\&|...)"
        )
    if others:
        problem = f"{others:,} messages that are neither MDM nor ORU hold no note"
        yield InputNotice("N011", path, problem, "they are not read")


def _message(path: str, raw: RawMessage) -> _Message | InputError | None:
    """A message with its segments, or None where it is of a kind that holds no notes."""
    header = raw.segments[0][1].decode("latin-1")
    where = place(path, raw.line)
    fields = ["", *header.split(header[3])]
    if len(fields) < 10 or not 2 <= len(fields[2]) <= 5 or header[3].isalnum():
        return InputError("I040", where, "the header of the message (MSH) is cut", AGAIN)
    component, repetition, escape, part, cut = tuple(fields[2] + "^~\\&#"[len(fields[2]) :])
    marks = Marks(header[3], component, repetition, escape, part, cut)
    kind, event, *_ = [*fields[9].split(component), ""]
    if kind.strip() not in ("MDM", "ORU") or (kind == "MDM" and event not in _MDM):
        return None
    names = charsets(fields[18].split(repetition)[0] if len(fields) > 18 else "")
    message = _Message(
        kind, event, fields[10] if len(fields) > 10 else "", fields[7], path, raw.line, marks, names
    )
    if raw.cut:
        message.broken = InputError("I044", where, "the file breaks off in or behind this message", AGAIN)
    _fill(message, raw)
    return message


def _fill(message: _Message, raw: RawMessage) -> None:
    """Decode and part the segments; what is wrong with them is kept, for the ids are wanted all the same."""
    import hl7  # type: ignore[import-untyped]

    texts = [decoded(data, message.charsets) for _, data in raw.segments]
    if None in texts:
        problem = "the text is not in the character set of the message (MSH-18; UTF-8 where there is none)"
        message.broken = message.broken or InputError(
            "I033", message.place(), problem, "export the message in UTF-8, or name its character set"
        )
    lines = [
        (number, data.decode("latin-1") if text is None else text)
        for (number, data), text in zip(raw.segments, texts, strict=True)
    ]
    joined = _continued(lines, message.marks.field)
    # Texts are parted at their fields only: what else is in them stands for itself.
    heads = [(number, text) for number, text in joined if text[:3] not in _TEXTS]
    try:
        parted = hl7.parse("\r".join(text for _, text in heads))
    except (hl7.HL7Exception, IndexError, AssertionError):
        message.broken = InputError("I040", message.place(), "the header of the message (MSH) is cut", AGAIN)
        return
    fields = {
        number: [str(one) for one in segment] for (number, _), segment in zip(heads, parted, strict=True)
    }
    for number, text in joined:
        parts = fields.get(number) or text.split(message.marks.field)
        message.segments.append(_Segment(number, text[:3], parts))
        wrong = "a line that is no segment" if "\n" in text and text[:3] not in _TEXTS else ""
        wrong = "a segment that goes on in another one (ADD)" if text[:3] == "ADD" else wrong
        if wrong:
            message.broken = message.broken or InputError("I041", message.place(), wrong, AGAIN)
    dsc = message.first("DSC")
    if message.segments[0][14] or (dsc and dsc[1]):
        problem = "the message is continued in another one (MSH-14, DSC)"
        message.broken = message.broken or InputError(
            "I044", message.place(), problem, "export it in one piece"
        )


def _continued(lines: Sequence[tuple[int, str]], separator: str) -> list[tuple[int, str]]:
    """Segments; a line that is none goes on with the text of the one above, blank lines between too."""
    out: list[tuple[int, str]] = []
    blank = 0
    for number, text in lines:
        name, mark = text[:3], text[3:4]
        if not text.strip():
            blank += 1
            continue
        if mark == separator and (name in _SEGMENTS or _LOCAL.fullmatch(name)):
            out.append((number, text))
        else:
            first, above = out.pop()
            out.append((first, above + "\n" * (blank + 1) + text))
        blank = 0
    return out


def _of_document(message: _Message) -> Iterator[Found | Version]:
    """The version that a message of the MDM family tells of."""
    txa = message.first("TXA")
    if sum(segment.name == "TXA" for segment in message.segments) > 1:
        yield InputError("I041", message.place(), "more than one document header (TXA)", AGAIN)
        return
    if txa is None:
        yield message.broken or InputError("I036", message.place(), "no document header (TXA)", AGAIN)
        return
    key, name = _entity(message, txa[12])
    if not key:
        yield message.broken or InputError("I010", message.place(), "no document number (TXA-12)", AGAIN)
        return
    parent, above = _entity(message, txa[13])
    replaces = ""
    if message.event in _REPLACING:
        replaces, parent = parent, ""
    elif message.event in _ADDING and parent in ("", key):
        # An addendum under the number of its note; its message tells it from the note.
        own = message.control or str(message.line)
        above, parent, key, name = name, key, f"{key} {own}", f"{name}-{own}"
    where = message.place(name)
    seen = _observations(message, message.segments, where)
    kept, notice = _kept(seen, where)
    version = Version(
        key,
        None,
        message.source,
        message.line,
        _standing(message.event, txa[17].strip(), txa[19].strip(), kept),
        stamp(message.sent.split(message.marks.component)[0]),
        parent=parent if parent and parent != key else None,
        replaces=replaces if replaces and replaces != key else None,
        alias=name if name != key else None,
        name=name,
        parent_name=above or None,
        replaces_name=above or None,
    )
    if version.standing != "cancelled":
        yield from notice
        version = _with_text(version, message, seen, kept)
        order = message.first("OBR")
        yield from _dated(version, message, [txa[4], order[7] if order else ""])
        return
    yield version


def _dated(version: Version, message: _Message, times: Sequence[str]) -> Iterator[Found | Version]:
    """A version with its encounter and its date of service: the first time that is told, else the day of a
    visit of one day.
    """
    component, repetition = message.marks.component, message.marks.repetition
    visit = message.first("PV1")
    try:
        told = (told_day(time.split(repetition)[0].split(component)[0]) for time in times)
        served = next(filter(None, told), None)
        if served is None and visit is not None:
            start, end = (visit[at].split(component)[0] for at in (44, 45))
            # When a stay began says nothing of the day on which something was done.
            if visit[2].strip() == "O" or start[:8] == end[:8]:
                served = told_period(start, end)
    except NoDayError as error:
        yield undated(message.place(version.shown), str(error))
        served = None
    encounter = _entity(message, visit[19])[1] if visit is not None else ""
    yield replace(version, served=served, encounter=encounter or None)


def _with_text(
    version: Version, message: _Message, seen: list[Observation] | InputError, kept: Sequence[Observation]
) -> Version:
    """The version with its text, where the message has one, or with what is wrong with it."""
    where = message.place(version.shown)
    text: str | InputError | None = None
    if message.broken:
        text = _at(message.broken, where)
    elif isinstance(seen, InputError):
        text = seen
    elif message.event in _UNTOLD:
        text = InputError("I035", where, "the document was edited, and the new text is not here", AGAIN)
    elif kept:
        text = document(kept, where, message.charsets)
    elif message.kind == "ORU" or message.event not in _TEXTLESS:
        text = InputError("I037", where, "the message has no text (OBX)", AGAIN)
    if isinstance(text, InputError):
        return replace(version, unreadable=text)
    return replace(version, text=text)


def _kept(seen: list[Observation] | InputError, where: str) -> tuple[list[Observation], list[InputNotice]]:
    """What counts of the observations, and a notice of those that are marked as deleted."""
    if isinstance(seen, InputError):
        return [], []
    kept = [one for one in seen if one.status not in CANCELLED]
    gone = len(seen) - len(kept)
    problem = f"{gone} observations are marked as deleted or wrong"
    return kept, [InputNotice("N012", where, problem, "they are not read")] if gone else []


def _standing(event: str, completion: str, availability: str, seen: Sequence[Observation]) -> _Standing:
    if event == "T11" or availability in ("CA", "OB"):
        return "cancelled"
    if completion and completion not in _SIGNED:
        return "preliminary"
    return "preliminary" if any(one.status in DRAFT for one in seen) else "final"


def _of_orders(message: _Message) -> Iterator[Found | Version]:
    """The versions that a message of results tells of: one for each order with text."""
    orders = [n for n, segment in enumerate(message.segments) if segment.name == "OBR"]
    if not orders:
        yield message.broken or InputError("I036", message.place(), "no order (OBR)", AGAIN)
        return
    ends = [*orders[1:], len(message.segments)]
    groups: dict[str, list[_Segment]] = {}
    named: dict[str, tuple[str, _Segment]] = {}
    for start, end in zip(orders, ends, strict=True):
        obr = message.segments[start]
        key, name = _entity(message, obr[3])
        if not key:
            key, name = _entity(message, obr[2])
        groups.setdefault(key, []).extend(message.segments[start:end])
        named.setdefault(key, (name, obr))
    empty = True
    for key, segments in groups.items():
        name, obr = named[key]
        where = message.place(name or None)
        seen = _observations(message, segments, where)
        if not isinstance(seen, InputError) and seen and not has_text(seen):
            continue
        empty = False
        if not key:
            yield message.broken or InputError("I010", where, "no order number (OBR-3, OBR-2)", AGAIN)
        else:
            yield from _of_order(message, key, name, obr, seen)
    if empty:
        yield InputNotice("N011", message.place(), "results without a text hold no note", "they are not read")


def _of_order(
    message: _Message, key: str, name: str, obr: _Segment, seen: list[Observation] | InputError
) -> Iterator[Found | Version]:
    where = message.place(name)
    kept, notice = _kept(seen, where)
    state = obr[25].strip()
    standing: _Standing = "preliminary"
    if state == "X" or (notice and not kept):
        standing = "cancelled"
    elif state in ("", "F", "C") and not any(one.status in DRAFT for one in kept):
        standing = "final"
    sent = stamp(message.sent.split(message.marks.component)[0])
    alias = name if name != key else None
    version = Version(key, None, message.source, message.line, standing, sent, alias=alias, name=name)
    if standing != "cancelled":
        yield from notice
        yield from _dated(_with_text(version, message, seen, kept), message, [obr[7]])
        return
    yield version


def _observations(
    message: _Message, segments: Sequence[_Segment], where: str
) -> list[Observation] | InputError:
    """What the segments observe, in order; remarks (NTE) behind them included."""
    out: list[Observation] = []
    numbers: list[int] = []
    inside = False
    for segment in segments:
        inside = inside or segment.name in ("OBX", "OBR")
        if segment.name != "OBX" and not (segment.name == "NTE" and inside):
            continue
        try:
            out.extend(observations_of(segment.name, segment.fields, message.marks, message.charsets))
        except ObservationError as error:
            return InputError(error.code, f"{where}, line {segment.line}", str(error), AGAIN)
        if segment.name == "OBX" and _NUMBER.fullmatch(segment[1].strip()):
            numbers.append(int(segment[1].strip()))
    gap = next((a + 1 for a, b in pairwise(numbers) if b > a + 1), None)
    if numbers and numbers[0] > 1 and message.kind == "MDM":
        gap = 1
    above, last = (None, None, *(segment for segment in segments if segment.name == "OBX"))[-2:]
    if above and last and above[2] == last[2] and above[11].strip() and not last[11].strip():
        return InputError("I044", where, "the last observation (OBX) breaks off before its end", AGAIN)
    if gap is not None:
        return InputError("I045", where, f"observation {gap} (OBX-1) is missing", AGAIN)
    return out


def _entity(message: _Message, value: str) -> tuple[str, str]:
    """An identifier with the system that gave it, and alone."""
    parts = [part.strip() for part in value.split(message.marks.repetition)[0].split(message.marks.component)]
    whole = message.marks.component.join(parts)
    return (whole.rstrip(message.marks.component) if parts[0] else "", parts[0])


def _at(error: InputError, where: str) -> InputError:
    return InputError(error.code, where, error.problem, error.remedy)
