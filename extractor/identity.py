"""Identity: whether the parts of a note tell of the same devices.

In: a ``Case``. Out: how many devices of one part are not among those of another,
although both give one number. "An 8 mm plug was released" and a list of one
12 mm plug agree on the count and on nothing else.
"""

from __future__ import annotations

from extractor.claims import Case, Source
from extractor.events import Timeline, TrackedDevice, same_product, same_size

_TELLERS: tuple[Source, ...] = ("narrative", "log")
_LISTS: tuple[Source, ...] = ("log", "implants", "summary", "title")
_SUMS_UP: tuple[Source, ...] = ("title", "findings", "summary", "addendum")
_ADDS: tuple[Source, ...] = ("narrative", "log", "findings", "addendum")
_OUT = ("removed", "unused", "embolized")


def strangers(case: Case, count: int) -> int:
    """The most devices that one part surely left in, by name and size, and another part does not know.

    A part that tells of fewer than ``count`` is not asked: what it does not know it
    may have left out.
    """
    most = 0
    claimed = {claim.source for claim in case.claims}.intersection(case.timelines)
    for teller in claimed.intersection(_TELLERS):
        for listing in claimed.intersection(_LISTS) - {teller}:
            told, listed = case.timelines[teller], case.timelines[listing]
            for these, those in ((told, listed), (listed, told)):
                if _complete(those) and len(_left(those)) >= count:
                    most = max(most, _unknown(_sure(these), _left(those)))
    return max(most, _added(case), _passed_over(case))


def _added(case: Case) -> int:
    """The devices by size that another part puts in, and the part that tells the course does not know."""
    known = [d for d in case.main.devices if d.standing == "today"]
    others = (case.timelines[s] for s in _ADDS if s in case.timelines and s != case.narrator)
    return max((_unknown([d for d in _sure(t) if d.size and _put_in(d)], known) for t in others), default=0)


def _put_in(device: TrackedDevice) -> bool:
    """Whether the text says so, and does not only name it."""
    return any(event.event in ("open", "release") for event in device.events)


def _passed_over(case: Case) -> int:
    """The devices by name and size that today's text seems to plan, or to remember, and names no more."""
    known = [d for timeline in case.timelines.values() for d in timeline.devices if d.standing == "today"]
    planned = (
        d
        for timeline in case.timelines.values()
        for d in timeline.devices
        if d.standing != "today" and d.pending and d.target is None and d.size and d.product
    )
    return sum(not _known(device, known) for device in planned)


def further_told(case: Case, count: int) -> int:
    """How many devices above ``count`` are told, where one came on top of those told before.

    As in "An 8 mm plug was put in. A further 8 mm plug was released.": who writes "a further"
    counts what came before, so a list or total that has fewer settles no doubt of that.
    """
    today = case.main.today()
    left = [d for d in today if d.in_place and not d.withheld]
    astray = sum(d.astray and d.standing == "today" for d in case.main.devices)
    beside = _told_beside(case, today)
    if not (astray or beside or any(_on_top(d) for d in left)):
        return 0
    others = [t for source, t in case.timelines.items() if source != case.narrator]
    spent = [d for t in others for d in t.devices if d.state in _OUT or d.target is not None]
    waiting = sum(_waits(d) and not _known(d, spent) for d in today)
    numbered = [e for e in case.main.loose if e.phrase and (e.phrase.quantity or e.phrase.pronoun)]
    told = sum(1 + d.many for d in left) + waiting + sum(end.extra for end in numbered)
    return max(0, told + astray + beside - count)


def _told_beside(case: Case, today: list[TrackedDevice]) -> int:
    """The devices that another part puts in on top, where the part that tells the course has none such."""
    listed = case.narrator not in _TELLERS  # a list does not say "another"
    later = [d for k, d in enumerate(today) if d.further or (d.ordinal or 1) > 1 or (k and listed)]
    others = (case.timelines[s].today() for s in _ADDS if s in case.timelines and s != case.narrator)
    return max(
        (sum(_on_top(d) and _put_in(d) and not _known(d, later) for d in t) for t in others), default=0
    )


def _on_top(device: TrackedDevice) -> bool:
    return device.further and device.in_place and not (device.doubtful or device.unsure or device.withheld)


def _waits(device: TrackedDevice) -> bool:
    """Named by its size, and nothing says what became of it."""
    return device.state in ("named", "loaded") and not device.tried and bool(device.size)


def untold_losses(case: Case) -> int:
    """The most devices that one part says were taken out, and the course does not know."""
    told = sum(d.state in _OUT or d.tried for d in case.main.devices if d.standing == "today")
    return max(
        (
            max(case.timelines[source].lost_unnamed, _lost(case.timelines[source])) - told
            for source in _SUMS_UP
            if source in case.timelines and source != case.narrator
        ),
        default=0,
    )


def listed_though_lost(case: Case) -> int:
    """The devices a list has as left in, and the course, which counts only "many", tells of as lost."""
    listed = case.timelines.get("implants")
    today = case.main.today()
    if listed is None or not any(d.many and d.in_place for d in today):
        return 0
    gone = [d for d in today if d.state in ("removed", "embolized") and d.size]
    left = [d for d in listed.today() if d.in_place and d.size]
    stayed = [d for d in today if d.in_place]
    return sum(_known(d, left) and not _known(d, stayed) for d in gone)


def _lost(timeline: Timeline) -> int:
    return sum(d.state in ("removed", "embolized") for d in timeline.today())


def _left(timeline: Timeline) -> list[TrackedDevice]:
    """The devices of this session that may have stayed, at the leak or elsewhere."""
    return [d for d in timeline.devices if d.standing == "today" and d.state not in _OUT]


def _sure(timeline: Timeline) -> list[TrackedDevice]:
    return [
        d for d in timeline.today() if d.in_place and _described(d) and not (d.doubtful or d.unsure or d.many)
    ]


def _complete(listed: Timeline) -> bool:
    """Whether a part describes every device it leaves in."""
    left = [d for d in listed.today() if d.in_place]
    return bool(left) and all(_described(d) for d in left)


def _described(device: TrackedDevice) -> bool:
    return bool(device.size or device.product)


def _unknown(these: list[TrackedDevice], those: list[TrackedDevice]) -> int:
    """How many of these cannot each be one of those."""
    partner: dict[int, int] = {}

    def found(i: int, tried: set[int]) -> bool:
        for j, other in enumerate(those):
            if j in tried or not _may_be(these[i], other):
                continue
            tried.add(j)
            if j not in partner or found(partner[j], tried):
                partner[j] = i
                return True
        return False

    return sum(not found(i, set()) for i in range(len(these)))


def _known(device: TrackedDevice, those: list[TrackedDevice]) -> bool:
    return any(_may_be(device, other) for other in those)


def _may_be(one: TrackedDevice, other: TrackedDevice) -> bool:
    return same_size(one.size, other.size) and same_product(one.product, other.product)
