"""Answers: what the codes would be, if one thing of a note were otherwise.

In: the stages of a note. Out: ``Answer``: one other count, valve or route, and the
words it is asked about. The units it gives come from ``coding.code``, as those of
the suggestion do; nothing is reckoned here but how the devices then divide over two
valves.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property

from extractor.approach import Routes, read_routes
from extractor.circumstances import Circumstances
from extractor.claims import Case, Claim, Source
from extractor.coding import Coded, Evidence, code, tracked, units_of
from extractor.count import Count
from extractor.events import Event, TrackedDevice
from extractor.grammar import Parse
from extractor.mentions import Mention
from extractor.phrases import DevicePhrase
from extractor.rules import RuleBook
from extractor.suggestion import Span, Suggestion
from extractor.treated import Share

_IDLE = ("named", "check", "select")  # events that change nothing
LOSSES = ("withdraw", "embolize", "capture", "exchange", "waste", "unused", "removed", "not release")
"""Events that take a device out, or keep it from being left in."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One thing that is perhaps otherwise: ``rule`` names the sentence that asks for it.

    ``places`` are the words asked about, the first of them of ``device``, if any. With
    ``rerouted`` the routes are to be read again, for its valves.
    """

    rule: str
    count: Count
    around: Circumstances
    places: tuple[Span, ...]
    device: TrackedDevice | None = None
    other: TrackedDevice | None = None
    source: Source | None = None
    valve: str = ""
    route: str = ""
    rerouted: bool = False


@dataclass(frozen=True)
class Ground:
    """The stages of one note, and what any answer gives."""

    book: RuleBook
    evidence: Evidence
    case: Case
    count: Count
    around: Circumstances
    approaches: list[Mention] = field(repr=False)
    suggestion: Suggestion = field(repr=False)

    @cached_property
    def devices(self) -> list[TrackedDevice]:
        """The devices of the suggestion, in its order."""
        return tracked(self.case, self.count)

    @cached_property
    def coded(self) -> Coded:
        """The codes as things stand, whatever the kind of document."""
        return self._code(self.count, self.around)

    @cached_property
    def namings(self) -> list[Span]:
        """The words that bring in a device, of every part of the note."""
        devices = (d for timeline in self.case.timelines.values() for d in timeline.devices)
        return [self.evidence.of_event(device.events[0]) for device in devices]

    @cached_property
    def announced(self) -> bool:
        """Whether devices are counted, or named, before they are described."""
        return any(not any(map(str.isdigit, span.text)) for span in self.namings)

    @property
    def number(self) -> int | None:
        """How many devices are coded; None where the parts of the note leave open any further one."""
        count = self.count
        if count.exact is None and (count.conflict or count.unstated):
            return None
        return count.low

    @cached_property
    def units(self) -> dict[str, int]:
        """Units of each suggested code, companions with them."""
        return units_of(self.suggestion.lines, self.suggestion.companions)

    def units_if(self, answer: Answer) -> dict[str, int]:
        """Units of each code if the answer is given, in the order of codes on a claim."""
        around = answer.around
        if answer.rerouted:
            around = replace(around, routes=self._routes(around))
        return self._code(answer.count, around).units

    def _routes(self, around: Circumstances) -> Routes:
        """The routes to these valves; none, unread, where no word tells of one that has a code."""
        sides = {m.means.side for m in self.approaches}
        coded = {"transapical"} if "aortic" not in around.treated.valves else {"transapical", "transseptal"}
        told = coded & {m.means.route for m in self.approaches} or "apex" in sides
        if not told and (sides == {None} or len(coded) == 1):
            return Routes()
        return read_routes(self.case, self.approaches, around.treated.valves, around.exposed)

    def _code(self, count: Count, around: Circumstances) -> Coded:
        return code(self.book, count, around, (), self.evidence)

    # -- what may be otherwise ---------------------------------------------------

    def counting(self, number: int, at: str | None = None) -> tuple[Count, Circumstances] | None:
        """As things stand, but for the number of devices; ``at`` is the valve of those that differ.

        None where two valves were treated, and it is open what that does to each.
        """
        around, treated = self.around, self.around.treated
        if number < 0:
            return None
        if number == 0 or len(treated.valves) < 2:
            return Count(number, number), around
        units = self._divided(number, at)
        if units is None:
            return None
        valves = {valve: m for valve, m in treated.valves.items() if units.get(valve)}
        shares = [Share("statement", units)]
        return Count(number, number), replace(around, treated=replace(treated, valves=valves, shares=shares))

    def _divided(self, number: int, at: str | None) -> dict[str, int] | None:
        """How many devices are at each valve: as many as now, but at one."""
        units = {valve: least for valve, (_, least, _) in self.coded.share.items()}
        units = {valve: units.get(valve, 0) for valve in self.around.treated.valves}
        more = number - sum(units.values())
        missing = [valve for valve, here in units.items() if not here]
        if missing and at is None:
            at = missing[0] if len(missing) == 1 else None
        elif at is None:  # the units are the same wherever it is, as long as one is left at each
            at = max(units, key=lambda valve: (units[valve], valve))
            at = at if units[at] + more > 0 else None
        if at not in units or units[at] + more < 0:
            return None
        units[at] += more
        return {valve: here for valve, here in units.items() if here}

    def at_valve(self, valve: str, witness: Mention) -> Circumstances:
        """The circumstances, with one valve treated, and that alone."""
        return self._at({valve: witness}, [])

    def at_both(self, first: str, second: str, witness: Mention) -> Circumstances:
        """The circumstances, with one of the devices at the second valve and the others at the first."""
        treated = self.around.treated
        valves = {first: treated.valves.get(first, witness), second: witness}
        return self._at(valves, [Share("statement", {first: self.count.low - 1, second: 1})])

    def _at(self, valves: dict[str, Mention], shares: list[Share]) -> Circumstances:
        treated = replace(self.around.treated, valves=valves, titled={}, contested=None, shares=shares)
        return replace(self.around, treated=treated)

    def valve_of(self, device: TrackedDevice) -> str | None:
        """The valve at which the suggestion has a device."""
        number = next((n for n, d in enumerate(self.devices) if d is device), None)
        return None if number is None else self.suggestion.devices[number].valve

    # -- words ------------------------------------------------------------------------

    def told(self, device: TrackedDevice) -> Span:
        """The words that say last what became of a device."""
        event = next((e for e in reversed(device.events) if e.event not in _IDLE), device.events[0])
        return self.evidence.of_event(event)

    def kept(self, device: TrackedDevice) -> Span:
        """The words that say last that a device was let go or is in the patient."""
        final = ("release", "implanted")
        event = next((e for e in reversed(device.events) if e.event in final), None)
        told = [e for e in device.events if e.event not in _IDLE] or device.events
        longest = max(told, key=lambda e: (e.end - e.start, e.start))
        return self.evidence.of_event(event or longest)

    def named(self, device: TrackedDevice) -> Span:
        """The words that bring a device in: the first that hold its size, if any do."""
        text = self.evidence.text
        sized = (e for e in device.events if any(map(str.isdigit, text[e.start : e.end])))
        return self.evidence.of_event(next(sized, device.events[0]))

    def lost(self, device: TrackedDevice) -> Span | None:
        """The words that say last that a device was taken out."""
        event: Event | None = next((e for e in reversed(device.events) if e.event in LOSSES), None)
        return None if event is None else self.evidence.of_event(event)

    def of_claim(self, claim: Claim) -> Span:
        """The words that make a claim; where it is added up, those for the last of its devices."""
        timeline = self.case.timelines.get(claim.source)
        left = [d for d in timeline.today() if d.in_place] if timeline is not None else []
        return self.evidence.of_claim(claim) if claim.stated or not left else self.kept(left[-1])

    def of_phrase(self, parse: Parse, phrase: DevicePhrase) -> Span:
        """The words of a device phrase."""
        start, end = parse.words.starts[phrase.first], parse.words.ends[phrase.last - 1]
        rule = phrase.head.rule if phrase.head else "count.reference"
        return self.evidence.span(start, end, parse.sentence.section.role, rule)

    def spans(self, *mentions: Mention | None) -> tuple[Span, ...]:
        """The words of mentions, as far as there are any."""
        return tuple(self.evidence.of_mention(m) for m in mentions if m is not None)

    def about(self) -> Iterable[Mention]:
        """The words that name the leak, or else its closure or ring."""
        around = self.around
        return [m for m in (around.closure, around.leak, around.ring) if m is not None]
