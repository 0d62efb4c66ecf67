"""Doubts: devices whose last told state leaves open whether they stayed.

In: what a text has told so far. Out: the devices it leaves in that may have been
taken out in words no rule knows: something else came in their place, a snare was
taken to hand, or the telling ends before they were let go. The count keeps them as
possible, and no longer as proven, unless another part of the note, or a number it
states, confirms them.
"""

from __future__ import annotations

from extractor.events import Timeline, TrackedDevice
from extractor.mentions import Mention
from extractor.phrases import size_key
from extractor.telling import Telling


def doubt_unexplained(telling: Telling, before: list[TrackedDevice]) -> None:
    """Doubt a device where a sentence tells of a loss that no device met.

    Parameters
    ----------
    telling
        What has been told, this sentence included.
    before
        The devices that were in place before it.
    """
    older = [d for d in before if d.in_place]
    cue = _succession(telling) if older else None
    if cue is not None and cue.means.sure and older[-1].state == "deployed":
        telling.log(older[-1], "withdraw", cue, [])
        older[-1].state = "removed"
    elif older and (cue is not None or _snared(telling)):
        older[-1].in_doubt = True
    told = [d for devices in telling.known.values() for d in devices if d.standing == "today"]
    if len(told) > 1 and _elsewhere_too(telling):
        told[-1].in_doubt = True
    _doubt_counted_again(telling, before)


def _doubt_counted_again(telling: Telling, before: list[TrackedDevice]) -> None:
    """As in "two plugs were implanted: the 8 mm as described and a 6 mm": one was told before."""
    words = telling.parse.words.words
    for phrase in telling.parse.phrases:
        new = [d for d in telling.known.get(id(phrase), []) if d not in before and d.in_place]
        if len(new) < 2 or phrase.number is None or phrase.words & {"another", "more"}:
            continue
        listed = [
            p for p in telling.parse.phrases
            if p.first >= phrase.last and ":" in words[phrase.last : p.first]
            and p.determiner == "definite" and p.sizes
            and any(size_key(d.size) == size_key(p.sizes[0]) for d in before)
        ]  # fmt: skip
        for device in new[-len(listed) :] if listed else []:
            device.doubtful = True


def _succession(telling: Telling) -> Mention | None:
    """As in "A 10 mm plug took its place": something came where a device was, and none went."""
    new = [d for devices in telling.known.values() for d in devices if d.events[0].start >= _start(telling)]
    cues = [c for c in telling.parse.cues if c.means.cue == "succession"]
    return cues[0] if cues and new and not _gone(telling) else None


def _elsewhere_too(telling: Telling) -> bool:
    """As in "one for the leak, the other for the duct": a sentence tells of both defects."""
    kinds = {m.kind for m in telling.parse.nouns}
    return telling.site.target is None and {"leak", "target"} <= kinds


def _snared(telling: Telling) -> bool:
    """As in "The gooseneck brought it out": a snare, and no wire that it may be for."""
    roles = {m.means.role for m in telling.parse.nouns if m.kind == "other_device"}
    denied = "negation" in telling.parse.cue_kinds() or any(p.none for p in telling.parse.phrases)
    return "snare" in roles and not roles & {"wire", "vascular_closure"} and not denied and not _gone(telling)


def _gone(telling: Telling) -> bool:
    today = [d for d in telling.timeline.devices if d.standing == "today"]
    return any(d.state in ("removed", "embolized", "unused") or d.tried for d in today)


def _start(telling: Telling) -> int:
    return telling.span(telling.parse.first, telling.parse.first + 1)[0]


def unsettled(timeline: Timeline) -> list[TrackedDevice]:
    """Devices in doubt, and those opened and never said to be let go, where others are.

    As in "The 14 mm was opened. Undone. The 12 mm was released." Devices opened in one
    breath stand or fall together, and those of a numbered list are each told of.
    """
    today = timeline.today()
    released = any(d.in_place and _told(d, "release") for d in today)
    return [d for d in today if d.in_place and (d.in_doubt or (released and _left_open(d, today)))]


def taken_back(timeline: Timeline) -> list[TrackedDevice]:
    """Devices released and then taken out, of which no loss and no snare is told: perhaps others were."""
    return [
        d
        for d in timeline.today()
        if d.state == "removed"
        and d.size
        and _told(d, "release")
        and not any(_told(d, event) for event in ("embolize", "capture", "exchange", "not release"))
    ]


def _left_open(device: TrackedDevice, today: list[TrackedDevice]) -> bool:
    return (
        device.state == "deployed"
        and not (device.listed or device.many or device.label)
        and not (_told(device, "release") or _told(device, "remain"))
        and not (any(event.final for event in device.events) and not device.talked)
        and not any(_together(device, other) for other in today if other is not device)
    )


def _told(device: TrackedDevice, what: str) -> bool:
    return any(event.event == what for event in device.events)


def _together(one: TrackedDevice, other: TrackedDevice) -> bool:
    """Whether one event happened to both devices."""
    told = {(event.start, event.end) for event in one.events}
    return any((event.start, event.end) in told for event in other.events)
