"""Count: whether the claims agree.

In: a ``Case``. Out: a ``Count``: the number of devices left in, with the bounds
the note supports, and the disagreement where there is one.
"""

from __future__ import annotations

from dataclasses import dataclass

from extractor.addenda import added_later
from extractor.claims import Case, Claim, bounds
from extractor.doubts import taken_back, unsettled
from extractor.identity import further_told, listed_though_lost, strangers, untold_losses


@dataclass(frozen=True, slots=True)
class Count:
    """Devices left in: ``units`` where proven (low == high), else the range.

    ``conflict`` holds the two claims that disagree; ``unstated`` one that gives
    no number.
    """

    low: int
    high: int | None
    conflict: tuple[Claim, Claim] | None = None
    unstated: Claim | None = None
    doubt: Claim | None = None

    @property
    def exact(self) -> int | None:
        """The count, when the bounds meet."""
        return self.low if self.low == self.high else None


def reconcile(case: Case) -> Count:
    """Bring the claims of a case to one interval.

    Detailed claims are intersected; where they cannot all be true the range over
    them is given and nothing is asserted. A correcting addendum decides. Titles
    and summaries narrow what the details leave open, and are in conflict where
    they deny it. Sources that give one number of devices that are not the same
    ones leave a doubt.
    """
    correction = next((c for c in reversed(case.claims) if c.corrects and c.low == c.high), None)
    if correction is not None:
        return _corrected(case, correction)
    detailed = [c for c in case.claims if c.detailed]
    others = [c for c in case.claims if not c.detailed]
    if not detailed:
        detailed, others = others, []
    if not detailed:
        low, high = bounds(case.main)
        return Count(low, high)
    detailed = _outvoted(detailed)
    low = max(c.low for c in detailed)
    highs = [c.high for c in detailed if c.high is not None]
    high = min(highs) if highs else None
    if high is not None and low > high:
        most = max(detailed, key=lambda c: c.low)
        least = min((c for c in detailed if c.high is not None), key=lambda c: c.high or 0)
        return Count(high, low, conflict=(least, most))
    if low != high:
        exact = {
            c.low for c in others if c.low == c.high and low <= c.low and (high is None or c.low <= high)
        }
        if len(exact) == 1:
            low = high = exact.pop()
    if low != high:
        low, high = _agreed(detailed, low, high)
    if low == high:
        high = max(
            [low, *(c.best or 0 for c in detailed if c.source == "implants")]
        )  # rows told apart by nobody
    for claim in others:
        if low == high and not claim.admits(low):
            witness = next((c for c in detailed if c.admits(low)), detailed[0])
            return Count(low, high, conflict=(claim, witness))
    if high is None:
        return Count(low, high, unstated=next(c for c in detailed if c.high is None))
    if low == high:
        open_low, open_high = _unsettled(case, low)
        more, fewer = added_later(case, low)
        high += max(strangers(case, low), further_told(case, low), open_high if low else 0, more)
        low -= min(low, max(0, untold_losses(case), listed_though_lost(case), open_low, fewer))
    return Count(low, high, doubt=None if low == high else detailed[0])


def _corrected(case: Case, correction: Claim) -> Count:
    """The count a correction gives, where the devices it names do not say otherwise."""
    for claim in case.claims:
        if claim.source != correction.source or claim.stated == correction.stated:
            continue
        exact = claim.corrects and claim.low == claim.high != correction.low
        if claim.low > correction.low or exact:
            low, high = sorted((claim.low, correction.low))
            return Count(low, high, conflict=(correction, claim))
    return Count(correction.low, correction.high)


def _unsettled(case: Case, count: int) -> tuple[int, int]:
    """How many devices may be gone, and how many still in, where only the telling of them gives the count."""
    teller = case.narrator or next(iter(case.timelines), None)
    sure = [c for c in case.claims if c.low >= count]
    if teller is None or any(c.source != teller for c in sure):
        return 0, 0
    doubted = unsettled(case.timelines[teller])
    if any(c.stated for c in sure):
        doubted = [d for d in doubted if d.in_doubt]  # "both were released" says which, and not where
    return len(doubted), len(taken_back(case.timelines[teller]))


def _agreed(detailed: list[Claim], low: int, high: int | None) -> tuple[int, int | None]:
    """The count two sources read alike, where each by itself leaves a doubt: doubts differ."""
    bests = {c.source: c.best for c in detailed if c.best is not None}
    counts = set(bests.values())
    count = next(iter(counts)) if len(bests) > 1 and len(counts) == 1 else None
    if count is not None and low <= count and (high is None or count <= high):
        return count, count
    return low, high


def _outvoted(detailed: list[Claim]) -> list[Claim]:
    """Without what was added up from events, where the text and its table both state another count."""
    stated = [c for c in detailed if c.stated]
    sources = {c.source for c in stated}
    if len(sources) > 1 and len({c.best for c in stated}) == 1 and stated[0].best is not None:
        return stated
    return detailed
