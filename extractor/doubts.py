"""Doubts: devices whose last told state leaves open whether they stayed.

In: a ``Case``. Out: how many of the devices it counts may have been taken out in
words no rule knows. The count keeps them as possible, and no longer as proven,
unless another part of the note, or a number it states, confirms them.
"""

from __future__ import annotations

from extractor.claims import Case
from extractor.events import Timeline, TrackedDevice


def doubted(case: Case, count: int) -> int:
    """How many of ``count`` devices are in doubt.

    Parameters
    ----------
    case
        What the note says.
    count
        The devices its claims agree on.
    """
    confirmed = any(c.low >= count and (c.stated or c.source != case.narrator) for c in case.claims)
    return 0 if confirmed else len(_unsettled(case.main))


def _unsettled(timeline: Timeline) -> list[TrackedDevice]:
    """Devices opened and never said to be let go, where others are: what became of them is not told.

    As in "The 14 mm was opened. Undone. The 12 mm was released." Devices opened in one
    breath stand or fall together, and those of a numbered list are each told of.
    """
    today = timeline.today()
    if not any(d.in_place and _told(d, "release") for d in today):
        return []
    return [
        d
        for d in today
        if d.state == "deployed"
        and not (d.listed or d.many or d.label or _told(d, "release") or _told(d, "remain"))
        and not any(_together(d, other) for other in today if other is not d)
    ]


def _told(device: TrackedDevice, what: str) -> bool:
    return any(event.event == what for event in device.events)


def _together(one: TrackedDevice, other: TrackedDevice) -> bool:
    """Whether one event happened to both devices."""
    told = {(event.start, event.end) for event in one.events}
    return any((event.start, event.end) in told for event in other.events)
