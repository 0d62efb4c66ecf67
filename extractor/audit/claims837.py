"""Claims of X12: 837P and 837I.

Of each claim are read its id, its dates, its frequency and its service lines; nothing of
the patient. A line that cannot be read costs its encounter a judgement, and no other.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from datetime import date, datetime

from extractor.audit.billed import BilledClaim, BilledLine, ClaimKind, Days, FoundClaim, place_of
from extractor.audit.x12 import Segment, segments
from extractor.errors import InputError, InputNotice

_KINDS: dict[str, ClaimKind] = {"222": "practitioner", "223": "outpatient_hospital"}
_GUIDE = re.compile(r"\d{6}X(\d{3})")
_BY_QUALIFIER: dict[str, ClaimKind] = {"A": "outpatient_hospital", "B": "practitioner"}
_DATES = ("472", "434")  # of the service, else of the statement
_SERVICES = {"SV1": (1, 4), "SV2": (2, 5)}  # elements with the procedure, and with the units
_OTHER_SERVICES = ("SV3", "SV4", "SV5", "SV6", "SV7")
_AGAIN = "export the claim again"
_CODE = re.compile(r"[0-9A-Z]{5}", re.ASCII)
_UNITS = re.compile(r"\d{1,9}(?:\.0*)?")


def units_of(text: str) -> int | None:
    """Units as a whole number; ``None`` where they are none.

    Examples
    --------
    >>> units_of("2"), units_of("2.0"), units_of("-1"), units_of("1.5"), units_of("")
    (2, 2, None, None, None)
    """
    return int(float(text)) if _UNITS.fullmatch(text) and text.isascii() else None


def read_837(
    path: str, text: str, codes: Collection[str], encounter_from: str = "clm01"
) -> Iterator[FoundClaim]:
    """The claims of an 837 file.

    Parameters
    ----------
    path
        The file, for messages.
    text
        What it holds.
    codes
        The codes whose units matter.
    encounter_from
        Where the id of the encounter stands: ``clm01``, or ``ref-`` and a qualifier of REF.
    """
    reader = _Reader(path, codes, encounter_from)
    for found in segments(path, text):
        if isinstance(found, InputError):
            reader.spoil()
            yield found
        else:
            yield from reader.take(found)
    yield from reader.finish()


@dataclass(slots=True)
class _Open:
    """An envelope that is open: its name, its control number and what was counted in it."""

    name: str
    control: str
    count: int = 0


@dataclass(slots=True)
class _Line:
    number: int
    service: Segment | None = None
    days: Days | None = None
    other: bool = False


@dataclass(slots=True)
class _Claim:
    """A claim while it is read."""

    head: Segment
    kind: ClaimKind
    provider: str
    payer: str
    sent: str
    days: dict[str, Days] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)
    lines: list[_Line] = field(default_factory=list)
    inner: bool = False  # in a loop of a provider or of another payer
    unread: bool = False
    cut: bool = False  # what is behind this is not known
    errors: list[tuple[str, int, str]] = field(default_factory=list)

    @property
    def line(self) -> _Line | None:
        return self.lines[-1] if self.lines else None


class _Reader:
    """Follows the loops of the transactions."""

    def __init__(self, path: str, codes: Collection[str], encounter_from: str) -> None:
        self._path, self._codes = path, codes
        self._ref = encounter_from.upper().removeprefix("REF-") if encounter_from != "clm01" else None
        self._open: list[_Open] = []
        self._guide: ClaimKind = ""
        self._is_837 = False
        self._provider = self._payer = self._sent = ""
        self._claim: _Claim | None = None
        self._claims: list[BilledClaim] = []  # of the transaction that is open
        self._last = 0
        self._spoiled = False

    # -- envelopes -------------------------------------------------------------------

    def take(self, segment: Segment) -> Iterator[FoundClaim]:
        """Go on by one segment."""
        self._last = segment.number
        name = segment.name
        if name in _OPENING:
            yield from self._begin(segment)
        elif name in _CLOSING:
            yield from self._end(segment)
        elif self._open and self._open[-1].name == "ST":
            self._open[-1].count += 1
            if self._is_837:
                yield from self._inside(segment)

    def finish(self) -> Iterator[FoundClaim]:
        """What the end of the file leaves open."""
        if self._open:
            yield from self._cut("the file ends before the trailer of its " + _NAMES[self._open[-1].name])

    def spoil(self) -> None:
        """Something could not be read here: the claim that is open may lack it."""
        self._spoiled = True
        if self._claim is not None:
            self._claim.unread = self._claim.cut = True

    def _begin(self, segment: Segment) -> Iterator[FoundClaim]:
        name = segment.name
        depth = _OPENING.index(name)
        if len(self._open) > depth:
            yield from self._cut(f"the {_NAMES[self._open[-1].name]} before it has no trailer", depth)
        if self._open:
            self._open[-1].count += 1
        control = segment[{"ISA": 13, "GS": 6, "ST": 2}[name]]
        self._open.append(_Open(name, control, 1 if name == "ST" else 0))
        guide = _GUIDE.search(segment[8 if name == "GS" else 3])
        if name == "ISA":
            self._spoiled = False
        if name == "GS" or (name == "ST" and guide):
            self._guide = _KINDS.get(guide[1], "") if guide else ""
        if name == "ST":
            self._is_837 = segment[1] == "837"
            self._provider = self._payer = self._sent = ""
            if not self._is_837:
                problem = "a transaction that holds no claims (not 837)"
                yield InputNotice("N031", place_of(self._path, segment.number), problem, "it is not read")

    def _end(self, segment: Segment) -> Iterator[FoundClaim]:
        name = {"SE": "ST", "GE": "GS", "IEA": "ISA"}[segment.name]
        depth = _OPENING.index(name)
        if name not in [one.name for one in self._open]:
            problem = f"a trailer ({segment.name}) without its header"
            yield InputError("I073", place_of(self._path, segment.number), problem, "export the file again")
            return
        if len(self._open) > depth + 1:
            yield from self._cut(f"the {_NAMES[self._open[-1].name]} before it has no trailer", depth + 1)
        if name == "ST":
            yield from self._close_claim()
        opened = self._open.pop()
        counted = opened.count + (name == "ST")
        wrong = units_of(segment[1]) != counted
        if (wrong or segment[2] != opened.control) and not self._spoiled:
            what = f"{_COUNTED[name]} than its trailer ({segment.name}) tells" if wrong else ""
            problem = f"the {_NAMES[name]} holds another number of {what}"
            if not wrong:
                problem = f"header and trailer of the {_NAMES[name]} have different control numbers"
            remedy = "export the file again; something may be missing from it"
            yield InputError("I073", place_of(self._path, segment.number), problem, remedy)
        if name == "ST":
            yield from self._give(incomplete=wrong)

    def _cut(self, problem: str, depth: int = 0) -> Iterator[FoundClaim]:
        """Leave envelopes that have no end: the last claim in them may lack lines."""
        where = place_of(self._path, self._last)
        if self._claim is not None:
            self._claim.unread = self._claim.cut = True
            where = place_of(self._path, self._last, encounter=self._encounter(self._claim))
        if not self._spoiled:
            yield InputError("I072", where, problem, "export the file again")
        yield from self._close_claim()
        yield from self._give()
        del self._open[depth:]

    def _give(self, incomplete: bool = False) -> Iterator[FoundClaim]:
        for claim in self._claims:
            yield replace(claim, incomplete=True) if incomplete else claim
        self._claims = []

    # -- claims ----------------------------------------------------------------------

    def _inside(self, segment: Segment) -> Iterator[FoundClaim]:
        name = segment.name
        if name == "CLM":
            yield from self._close_claim()
            kind = self._guide or _BY_QUALIFIER.get([*segment.parts(5), ""][1], "")
            self._claim = _Claim(segment, kind, self._provider, self._payer or "P", self._sent)
        elif name == "HL":
            yield from self._close_claim()
        elif self._claim is None:
            self._before_claims(segment)
        else:
            self._of_claim(self._claim, segment)

    def _before_claims(self, segment: Segment) -> None:
        if segment.name == "BHT":
            self._sent = f"{segment[4]:0>8}{segment[5]:0<8}"
        elif segment.name == "NM1" and segment[1] == "85":
            self._provider = segment[9]
        elif segment.name == "SBR":
            self._payer = segment[1]

    def _of_claim(self, claim: _Claim, segment: Segment) -> None:
        name, line = segment.name, claim.line
        if name == "LX":
            self._check_line(claim)
            claim.lines.append(_Line(segment.number))
        elif name in _SERVICES:
            if line is None or line.service is not None:
                # A service without a number of its own (LX) is a line all the same.
                line = _Line(segment.number)
                claim.lines.append(line)
            line.service = segment
        elif name in _OTHER_SERVICES and line is not None:
            line.other = line.other or line.service is None
        elif name == "DTP" and segment[1] in _DATES:
            days = _days(segment[3])
            if days is None:
                claim.unread = True
                claim.errors.append(("I077", segment.number, "the date of service (DTP) is no day"))
            elif line is None:
                claim.days.setdefault(segment[1], days)
            elif segment[1] == "472":
                line.days = days
        elif line is None and name in ("NM1", "SBR"):
            claim.inner = True
        elif line is None and name == "REF" and not claim.inner:
            claim.refs.setdefault(segment[1].upper(), segment[2])

    def _check_line(self, claim: _Claim) -> None:
        line = claim.line
        if line is not None and line.service is None and not line.other and not claim.cut:
            claim.unread = True
            claim.errors.append(("I075", line.number, "a line without its service (SV1, SV2)"))

    def _close_claim(self) -> Iterator[FoundClaim]:
        claim, self._claim = self._claim, None
        if claim is None:
            return
        self._check_line(claim)
        if not claim.lines and not claim.unread:
            claim.unread = True
            claim.errors.append(("I075", claim.head.number, "a claim without a service line (SV1, SV2)"))
        encounter = self._encounter(claim)
        lines = [found for line in claim.lines if (found := self._line(claim, line))]
        for code, number, problem in claim.errors:
            yield InputError(code, place_of(self._path, number, encounter=encounter), problem, _AGAIN)
        if not encounter:
            what = f"REF*{self._ref}" if self._ref else "CLM01"
            problem = f"the claim has no id of its encounter ({what})"
            remedy = "name where the id stands with --encounter-from"
            yield InputError("I074", place_of(self._path, claim.head.number), problem, remedy)
            return
        frequency = claim.head.parts(5)
        self._claims.append(
            BilledClaim(
                encounter,
                claim.head[1],
                claim.refs.get("F8", ""),
                claim.kind,
                claim.provider,
                claim.payer,
                frequency[2] if len(frequency) > 2 and frequency[2] else "1",
                claim.sent,
                tuple(lines),
                place_of(self._path, claim.head.number),
                claim.unread,
            )
        )

    def _encounter(self, claim: _Claim) -> str:
        return claim.refs.get(self._ref, "") if self._ref else claim.head[1]

    def _line(self, claim: _Claim, line: _Line) -> BilledLine | None:
        """A line as billed; ``None`` where it names no procedure, or cannot be read."""
        service = line.service
        if service is None:
            return None
        at, units_at = _SERVICES[service.name]
        procedure = service.parts(at)
        if procedure[0] and len(procedure) == 1:
            claim.unread = True
            problem = f"the procedure ({service.name}) is not parted by the separator that the header tells"
            claim.errors.append(("I071", service.number, problem))
            return None
        code = procedure[1].upper() if len(procedure) > 1 else ""
        if not code or (procedure[0] not in ("HC", "HP") and code not in self._codes):
            return None  # a revenue line, or codes of another kind
        if not _CODE.fullmatch(code):
            claim.unread = True
            problem = f"the procedure ({service.name}) has no code of five characters"
            claim.errors.append(("I075", service.number, problem))
            return None
        units = units_of(service[units_at])
        if units is None and code in self._codes:
            claim.unread = True
            problem = f"the units of {code} ({service.name}) are no whole number of 0 or more"
            claim.errors.append(("I076", service.number, problem))
            return None
        days = line.days or next((claim.days[q] for q in _DATES if q in claim.days), None)
        modifiers = tuple(part.upper() for part in procedure[2:6] if part)
        return BilledLine(code, units or 0, modifiers, days, place_of(self._path, service.number))


_OPENING = ("ISA", "GS", "ST")
_CLOSING = ("SE", "GE", "IEA")
_NAMES = {"ISA": "interchange", "GS": "group", "ST": "transaction"}
_COUNTED = {"ISA": "groups", "GS": "transactions", "ST": "segments"}


def _days(text: str) -> Days | None:
    """The days of a DTP: one, or a range.

    Examples
    --------
    >>> first, last = _days("20240715-20240717")
    >>> str(first), str(last), _days("20240231"), _days("july")
    ('2024-07-15', '2024-07-17', None, None)
    """
    found = [_day(part) for part in text.split("-")]
    if len(found) > 2 or None in found:
        return None
    first, last = found[0], found[-1]
    assert first is not None
    assert last is not None
    return (first, last) if first <= last else None


def _day(text: str) -> date | None:
    if not re.fullmatch(r"\d{8}(?:\d{4})?", text, re.ASCII):
        return None
    try:
        return datetime.strptime(text[:8], "%Y%m%d").date()
    except ValueError:
        return None
