"""Events: the devices of a timeline, what happened to them, and the counts a text states.

Types only, and what follows from them alone: which state an event leads to, and
whether two spellings may be one size or product.

States of a device, in the order a case usually runs through them::

    named -> loaded -> deployed -> released -> embolized
    any of these -> removed; named -> unused

A device is left in when it ends deployed or released. "Deployed" is the opening
of the device and may be undone; a later recapture, exchange or snare takes it
out (coding-policy section 1.2).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from extractor.phrases import DevicePhrase, size_key

State = Literal["named", "loaded", "deployed", "released", "embolized", "removed", "unused"]
Standing = Literal["today", "prior", "planned"]
StatementKind = Literal["total", "position"]  # said of all that stayed in, or of what is seen in place

IN_PLACE: frozenset[State] = frozenset({"deployed", "released"})


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened to a device, and the words that say so."""

    event: str
    start: int
    end: int
    section: str
    rule: str
    final: bool = False  # said in a word for what is put in to stay


@dataclass(slots=True, eq=False)
class TrackedDevice:
    """One device of the timeline."""

    product: str | None
    size: str | None
    state: State = "named"
    standing: Standing = "today"
    valve: str | None = None
    target: str | None = None
    ordinal: int | None = None
    label: int | None = None
    further: bool = False  # brought in on top of those told before: "another", "a further"
    astray: bool = False  # one more, of which only an earlier sentence says that it went elsewhere
    pending: bool = False  # only intended so far
    at_leak: bool = False  # a sentence ties it to the leak
    tried: bool = False
    unsure: bool = False  # pulled back, and not said how far
    in_doubt: bool = False  # something may have taken it out in words no rule knows
    doubtful: bool = False  # its introduction may repeat an earlier device
    many: bool = False  # "multiple plugs": stands for two or more
    paragraph: int = 0
    renamed: int = -1  # the paragraph that names it again by product and size, without an article
    quantity: int | None = 1
    counted: bool = False  # introduced with a number or a size
    listed: bool = False  # in a title, a summary or a list of what was placed
    announced: bool = False  # counted before it is described
    talked: bool = False  # "it" was said of it in words no rule knows, and it was not let go yet
    placed: bool = False  # a list names the leak or the valve it went to
    events: list[Event] = field(default_factory=list)

    @property
    def in_place(self) -> bool:
        """Whether the device is left in as things stand."""
        return self.state in IN_PLACE

    @property
    def on_cable(self) -> bool:
        """Whether the device is brought in and not yet let go; one that slipped may be held by it."""
        slipped = self.state == "embolized" and all(event.event != "release" for event in self.events)
        return self.state in ("loaded", "deployed") or slipped

    @property
    def withheld(self) -> bool:
        """The last word of its release, or of its staying, is that it did not come to it."""
        asked = ("release", "remain", "not release", "not remain")
        told = [event.event for event in self.events if event.event in asked]
        return bool(told) and told[-1].startswith("not ")

    @property
    def unreleased(self) -> bool:
        """The last word of its release is that it did not come to it."""
        told = [e.event for e in self.events if e.event in ("release", "not release", "remain")]
        return bool(told) and told[-1] == "not release"

    @property
    def only_named(self) -> bool:
        """No word says that it was put in or stayed."""
        return all(event.event in ("named", "check", "select") for event in self.events) and not self.listed


@dataclass(slots=True)
class Statement:
    """A count the text states: ``low`` to ``high`` devices (high None: no upper bound)."""

    low: int
    high: int | None
    start: int
    end: int
    section: str
    rule: str
    kind: StatementKind
    valve: str | None = None
    told_valve: str | None = None  # the one valve its sentence names
    at: int = 0  # devices the timeline had in place when this was said
    others: int = 0  # and those it had put elsewhere
    mixed: bool = False  # said in one breath with devices of earlier sessions
    now: bool = False  # said of what the patient now has
    acted: bool = False  # said of what this session put in: "closure with three plugs"


@dataclass(frozen=True, slots=True)
class Loose:
    """A device phrase that nothing explains: it may be up to ``extra`` more devices."""

    phrase: DevicePhrase | None  # None: an action whose device is not named
    start: int
    end: int
    section: str
    extra: int


@dataclass(slots=True)
class Timeline:
    """Devices, stated counts and loose ends of one source."""

    devices: list[TrackedDevice] = field(default_factory=list)
    statements: list[Statement] = field(default_factory=list)
    loose: list[Loose] = field(default_factory=list)
    explained: list[tuple[DevicePhrase, str]] = field(default_factory=list)
    lost_unnamed: bool = False  # tells of a loss, and not of which device

    def prior(self) -> int:
        """Devices of earlier sessions, as far as they are counted."""
        prior = [d for d in self.devices if d.standing == "prior"]
        told_apart = {(d.product, d.size) for d in prior if d.size is not None}
        told = any(explanation == "history" for _, explanation in self.explained)
        return max([len(told_apart), int(told), *(d.quantity or 0 for d in prior)])

    def today(self) -> list[TrackedDevice]:
        """Devices of this session put at the leak."""
        return [d for d in self.devices if d.standing == "today" and d.target is None]


def same_size(a: str | None, b: str | None) -> bool:
    """Whether two sizes may be one device's: the longer may add a second dimension."""
    x, y = size_key(a), size_key(b)
    shorter = min(len(x), len(y))
    return shorter == 0 or x[:shorter] == y[:shorter]


def same_product(a: str | None, b: str | None) -> bool:
    """Whether two product names may be one: "Duct Occluder" is short for "Duct Occluder II"."""
    return a is None or b is None or f"{a} ".startswith(f"{b} ") or f"{b} ".startswith(f"{a} ")


def next_state(state: State, event: str, *, named: bool) -> State:
    """The state an event leads to; ``named`` when its device is named beside it."""
    match event:
        case "load" if state in ("named", "removed"):
            return "loaded"
        case "open":
            return "released" if state == "released" else "deployed"
        case "release":
            return "released"
        case "remain" if state in ("named", "loaded", "deployed"):
            return "released" if state == "deployed" else "deployed"
        case "reposition" if state in ("named", "loaded", "removed"):
            return "deployed"
        case "withdraw":
            return "unused" if state == "unused" else "removed"
        case "embolize" if state in ("named", "loaded", "deployed", "released"):
            return "embolized"
        case "capture" if state in ("embolized", "deployed", "released"):
            return "removed"
        case "waste" if named or state not in IN_PLACE:
            return "removed"
        case "unused" if state == "named":
            return "unused"
        case "unused" if state in ("loaded", "deployed"):
            return "removed"
    return state
