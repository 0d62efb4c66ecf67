"""Telling: what a text has told so far, and the one place that writes it down.

In: the sentence being read, and what the other stages find in it. Out: a
``Timeline`` that grows by devices, events, stated counts and loose ends.
"""

from __future__ import annotations

from extractor.events import (
    Event,
    Loose,
    Standing,
    Statement,
    StatementKind,
    Timeline,
    TrackedDevice,
    next_state,
)
from extractor.grammar import Parse
from extractor.mentions import Mention
from extractor.phrases import DevicePhrase
from extractor.site import Site

_TAKES_AWAY = frozenset({"withdraw", "embolize", "capture", "waste", "unused"})


class Telling:
    """The state of one source while it is read, sentence by sentence.

    Parameters
    ----------
    listing
        Whether the source names what was placed, often without a verb.
    """

    def __init__(self, *, listing: bool) -> None:
        self.timeline = Timeline()
        self.listing = listing
        self.site = Site()
        self.focus: list[TrackedDevice] = []  # the devices spoken of last
        self.opened_in = -1  # the paragraph in which a device was last opened
        self.split_in = -1  # the sentence that says which devices "one in each" were
        self.other_implant = False  # a valve, clip or appendage device is being told of
        self.next_label: int | None = None  # a heading ("Plug 2.") labels the device told after it
        self.appendage = False  # an appendage device is being told of
        self.parse: Parse  # the sentence being read
        self.before: Parse | None = None  # the one before it
        self.known: dict[int, list[TrackedDevice]] = {}  # its phrases understood so far, by id

    def begin(self, parse: Parse) -> None:
        """Turn to the next sentence."""
        self.before = getattr(self, "parse", None)
        self.parse = parse
        self.known = {}
        self.site.read(parse)
        self.appendage |= any(m.kind == "other_device" and m.means.role == "appendage" for m in parse.nouns)
        self.other_implant |= any(
            m.kind == "other_device" and m.means.role in ("valve", "appendage", "clip", "vascular_closure")
            for m in parse.nouns
        )

    def active(self) -> list[TrackedDevice]:
        """Devices of this session, at the leak, that are neither taken out nor put aside."""
        return [d for d in self.timeline.today() if d.state not in ("removed", "unused")]

    def span(self, first: int, last: int) -> tuple[int, int]:
        """Characters of the words ``first`` to ``last``."""
        words = self.parse.words
        return words.starts[first], words.ends[last - 1]

    # -- devices and their events ---------------------------------------------

    def add(self, phrase: DevicePhrase, standing: Standing) -> TrackedDevice:
        """A new device of the timeline, as a phrase describes it."""
        start, end = self.span(phrase.first, phrase.last)
        rule = phrase.head.rule if phrase.head else "count.reference"
        further = bool(phrase.words & {"another", "more"})
        device = TrackedDevice(
            phrase.product,
            phrase.sizes[0] if phrase.sizes else None,
            standing=standing,
            valve=phrase.valve or self.site.valve,
            target=self.site.target or self._usual_target(phrase),
            ordinal=phrase.ordinal,
            further=further,
            astray=further and self.site.target is not None and not self._target_told(),
            label=phrase.label if phrase.label is not None else self.next_label,
            quantity=phrase.quantity,
            counted=phrase.number is not None or (bool(phrase.sizes) and phrase.determiner != "definite"),
            paragraph=self.parse.sentence.paragraph,
            events=[Event("named", start, end, self.parse.sentence.section.role, rule)],
        )
        if standing == "today":
            self.next_label = None
            self._type_told(device)
        self.timeline.devices.append(device)
        return device

    def _target_told(self) -> bool:
        """Whether this sentence itself speaks of another defect."""
        return any(m.kind == "target" for m in self.parse.nouns)

    def _type_told(self, device: TrackedDevice) -> None:
        """A product named before by its type alone ("Leak closure, Occlutech PLD") is this one."""
        self.timeline.loose = [
            loose
            for loose in self.timeline.loose
            if loose.phrase is None
            or loose.phrase.determiner != "bare"
            or loose.phrase.sizes
            or not (device.product or "some" in loose.phrase.words)
            or loose.phrase.product != device.product
        ]

    def _usual_target(self, phrase: DevicePhrase) -> str | None:
        """Where a septal occluder and its like go, unless the sentence ties it to the leak."""
        usual: str | None = phrase.head.means.usual_target if phrase.head else None
        if usual and any(
            m.kind == "leak" and m.means.term not in ("central", "device") for m in self.parse.items.values()
        ):
            return None
        return usual

    def apply(self, device: TrackedDevice, event: str, action: Mention, group: list[DevicePhrase]) -> None:
        """Let an event happen to a device; ``group`` names the device, or is empty."""
        state = device.state
        if device.many and event in _TAKES_AWAY and not any(p.plural for p in group):
            self.log(device, event, action, group)
            return  # "one plug came loose": the others stay
        if event in ("release", "withdraw", "remain", "embolize"):
            device.announced = False
        if state == "removed" and action.means.form == "noun":
            return  # "since the opening of the first plug": nothing new
        elsewhere = device.paragraph != self.parse.sentence.paragraph
        if event in _TAKES_AWAY and elsewhere and self._to_stay(device, group):
            device.in_doubt = True
            return  # "he went home", "coming out we closed the groin": of what was put in to stay
        if not group and event == "open" and state == "removed" and elsewhere:
            return  # "the plane of the disc when open": of the valve, or nothing we know
        if not group and event == "withdraw" and state == "released":
            tool = any(m.kind == "other_device" for m in self.parse.nouns)
            device.unsure |= not tool and device.paragraph == self.parse.sentence.paragraph
            return  # "removed", said of nothing: a released device is not taken out unnamed
        if not group and event == "unused" and device.in_place:
            return  # "good, another not needed": nothing is said of this one
        if event == "unused" and device.in_place and group and group[0].determiner == "bare":
            device.in_doubt = True  # "Second plug not required.", and a second one was put in
            return
        if event == "open":
            self.opened_in = self.parse.sentence.paragraph
        if event in ("open", "release") or (event == "remain" and state in ("named", "loaded", "deployed")):
            device.pending = False
        if event in ("open", "release", "remain", "reposition"):
            device.unsure = False
        elif event == "pull":
            device.unsure = device.in_place
        named = device.renamed == self.parse.sentence.paragraph
        if event == "release" and state == "released" and elsewhere and named:
            self._released_again(action)
        device.state = next_state(state, event, named=bool(group))
        here = self.span(self.parse.first, self.parse.last)[0]
        # "set on the table, where it stayed"
        where = "where" in self.parse.between(self.parse.first, action.first)
        if event == "remain" and state == "removed" and device.events[-1].start >= here and not where:
            device.state, device.unsure = (
                "deployed",
                True,
            )  # "pulled back twice, on the third try it was stable"
        self.log(device, event, action, group)

    def _released_again(self, action: Mention) -> None:
        """As in "AVP II 8 mm, stable. Released.", told of one released before: it may be the next one."""
        start, end = self.span(action.first, action.last)
        self.timeline.loose.append(Loose(None, start, end, self.parse.sentence.section.role, 1))

    def _to_stay(self, device: TrackedDevice, group: list[DevicePhrase]) -> bool:
        """Whether the last word of a device is that it was implanted, and running text names it no more."""
        told = [e for e in device.events if e.event not in ("named", "check", "remain")]
        unnamed = all(phrase.pronoun for phrase in group)
        prose = self.parse.sentence.form == "prose"
        return prose and unnamed and bool(told) and told[-1].final and device.state == "deployed"

    def log(self, device: TrackedDevice, event: str, action: Mention, group: list[DevicePhrase]) -> None:
        """Write down an event of a device with the words that say so."""
        device.at_leak |= device.target is None and any(
            m.kind == "leak" and m.means.term not in ("central", "device") for m in self.parse.items.values()
        )
        start, end = self.span(action.first, action.last)
        if group:
            a, b = self.span(group[0].first, group[-1].last)
            start, end = min(a, start), max(b, end)
        final = action.kind == "action" and action.means.final
        device.events.append(Event(event, start, end, self.parse.sentence.section.role, action.rule, final))

    # -- phrases and how they are explained -----------------------------------

    def remember(self, phrase: DevicePhrase, devices: list[TrackedDevice]) -> None:
        """Explain a phrase by the devices it denotes."""
        self.known[id(phrase)] = devices
        if devices:
            numbers = (str(self.timeline.devices.index(d) + 1) for d in devices)
            phrase.explanation = "device " + ", ".join(numbers)
        elif not phrase.explanation:
            phrase.explanation = "no device"

    def name_again(self, phrase: DevicePhrase, devices: list[TrackedDevice]) -> list[TrackedDevice]:
        """Note that a phrase, by product and size and without an article, is taken for known devices."""
        if phrase.determiner == "bare" and phrase.sizes and phrase.product:
            for device in devices:
                device.renamed = self.parse.sentence.paragraph
        return devices

    def is_done(self, phrase: DevicePhrase) -> bool:
        """Whether a phrase has been taken up by an action of this sentence."""
        return id(phrase) in self.known

    def state(self, group: list[DevicePhrase], low: int, high: int | None, kind: StatementKind) -> None:
        """Write down a count the text states."""
        start, end = self.span(group[0].first, group[-1].last)
        rule = next((c.rule for c in self.parse.cues if c.means.cue == "summary"), "claim.stated")
        role = self.parse.sentence.section.role
        clause = self.parse.clause.get(group[0].first)
        acted = any(
            a.means.event in ("open", "release", "close") and self.parse.clause.get(a.first) == clause
            for a in self.parse.actions
        )
        valve = group[0].valve
        now = any(
            c.means.cue == "summary" and self.parse.words.words[c.first] == "now" for c in self.parse.cues
        )
        told_valve = valve or self._valve_told(group[0])
        self.timeline.statements.append(
            Statement(low, high, start, end, role, rule, kind, valve, told_valve, acted=acted, now=now)
        )

    def _valve_told(self, phrase: DevicePhrase) -> str | None:
        """The valve that a sentence names: the last before a phrase, else the only one."""
        named = [m for m in self.parse.mentions if m.kind in ("leak", "valve") and m.means.valve]
        ahead = [m.means.valve for m in named if m.first < phrase.first]
        valves = ahead[-1:] or list({m.means.valve for m in named})
        return valves[0] if len(valves) == 1 else None

    def loosen(self, phrase: DevicePhrase, extra: int) -> None:
        """Write down a phrase that may be ``extra`` devices more."""
        if self.listing and phrase.determiner == "definite":
            phrase.explanation = "reference"  # to what the narrative tells
            return
        start, end = self.span(phrase.first, phrase.last)
        phrase.explanation = "unexplained"
        self.timeline.loose.append(Loose(phrase, start, end, self.parse.sentence.section.role, extra))
