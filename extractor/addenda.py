"""Addenda: what a part added later says of devices, where it does not decide the count.

In: a ``Case`` whose parts agree on a count. Out: how many devices more, or fewer,
an addendum leaves possible: it is written where the report was wrong, so what it
says is taken at its word.
"""

from __future__ import annotations

from extractor.claims import Case
from extractor.events import Timeline, TrackedDevice, same_size
from extractor.phrases import DevicePhrase

_OUT = ("removed", "unused", "embolized")
_SAYS_NOTHING = ("not done", "plan", "history", "none", "other target")


def added_later(case: Case, count: int) -> tuple[int, int]:
    """How many devices above and below ``count`` an addendum leaves possible."""
    timeline = case.timelines.get("addendum")
    if timeline is None or case.narrator == "addendum" or not count:
        return 0, 0
    return max(0, _most(case, timeline) - count), _fewer(case, timeline)


def _most(case: Case, timeline: Timeline) -> int:
    """The largest number of devices an addendum speaks of: "a third device", "three plugs", "another"."""
    known = sum(d.in_place for d in case.main.today())
    most = 0
    for phrase, explanation in timeline.explained:
        if (
            explanation.startswith(_SAYS_NOTHING)
            or phrase.prior
            or phrase.none
            or _gone(timeline, explanation)
        ):
            continue
        most = max(
            most, phrase.ordinal or 0, phrase.quantity or 0, (phrase.number or 0) if phrase.head else 0
        )
        if _further(phrase) or (phrase.sizes and not _heard_of(case, phrase)):
            most = max(most, known + (phrase.quantity or 1))
    return most


def _further(phrase: DevicePhrase) -> bool:
    return bool(phrase.words & {"another", "more"}) and "none_more" not in phrase.words


def _heard_of(case: Case, phrase: DevicePhrase) -> bool:
    """Whether each size of a phrase is that of a device told of elsewhere in the note."""
    known = [d.size for s, t in case.timelines.items() if s != "addendum" for d in t.devices if d.size]
    return all(any(same_size(size, other) for other in known) for size in phrase.sizes)


def _gone(timeline: Timeline, explanation: str) -> bool:
    """Whether a phrase is that of devices which did not stay."""
    numbers = [int(n) for n in explanation.removeprefix("device ").split(", ") if n.isdigit()]
    return bool(numbers) and all(timeline.devices[n - 1].state in _OUT for n in numbers)


def _fewer(case: Case, timeline: Timeline) -> int:
    """The devices an addendum takes out, or says not to have been put in, and the report leaves in."""
    return sum(_taken_out(case, device) for device in timeline.today())


def _taken_out(case: Case, device: TrackedDevice) -> bool:
    gone = device.state in _OUT or device.tried
    left = [d for d in case.main.today() if d.in_place and same_size(d.size, device.size)]
    told = [d for d in case.main.today() if not d.in_place and device.size and same_size(d.size, device.size)]
    return gone and bool(left) and not told
