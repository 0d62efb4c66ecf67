"""Site: the valve and the defect a text is speaking of.

In: parsed sentences one after another. Out: the valve that devices named now
belong to, and the other defect (septum, appendage, access) they went into, if any.
"""

from __future__ import annotations

from extractor.grammar import Parse
from extractor.mentions import Mention
from extractor.status import negated

WAY_THROUGH = ("through", "via", "from", "past")


def leak_valves(parse: Parse, *, tied: bool = False) -> set[str]:
    """The valves whose leak a sentence speaks of: named with the leak, or the only valve beside it.

    With ``tied`` only those named with the leak itself.
    """
    mentions = list(dict.fromkeys(parse.items.values()))
    leaks = [m for m in mentions if m.kind == "leak" and m.means.term not in ("central", "device")]
    valves = [m for m in mentions if m.kind == "valve" and m.means.valve]
    if not leaks:
        # A heading of a few words ("B. Aortic") opens the talk about that valve.
        return (
            {m.means.valve for m in valves}
            if parse.last - parse.first <= 5 and len({m.means.valve for m in valves}) == 1
            else set()
        )
    named = {m.means.valve for m in leaks if m.means.valve}
    if named:
        return named
    if len({m.means.valve for m in valves}) <= 1 and not tied:
        return {m.means.valve for m in valves}
    for leak in leaks:
        # "PVL of the AVR", "leak at the mitral bioprosthesis"
        after = next((m for m in valves if 0 < m.first - leak.last <= 5), None)
        before = next((m for m in reversed(valves) if 0 <= leak.first - m.last <= 2), None)
        nearest = (
            after
            if after is not None
            and any(parse.roles.get(i) in ("of", "preposition") for i in range(leak.last, after.first))
            else before or after
        )
        if nearest is not None:
            joined = next(
                (
                    m
                    for m in valves
                    if 0 < m.first - nearest.last <= 8
                    and any(parse.roles.get(i) == "conjunction" for i in range(nearest.last, m.first))
                ),
                None,
            )
            return {nearest.means.valve, joined.means.valve} if joined is not None else {nearest.means.valve}
    return set()


class Site:
    """Follows the talk from valve to valve and from leak to other defects."""

    def __init__(self) -> None:
        self.valve: str | None = None
        self.target: str | None = None  # the other defect this sentence is about
        self._talk: str | None = None  # the other defect the talk last turned to
        self._paragraph = -1  # whose sentences all belong to that defect

    def read(self, parse: Parse) -> None:
        """Take in one sentence."""
        leaks = [
            m for m in parse.nouns if m.kind == "leak" and m.means.term in ("paravalvular", "closure", "leak")
        ]
        targets = [m for m in parse.nouns if m.kind == "target" and not _passage(parse, m)]
        valves = leak_valves(parse)
        if len(valves) == 1:
            self.valve = next(iter(valves))
        paragraph = parse.sentence.paragraph
        strong = any(m.means.term != "leak" for m in leaks)
        if targets and not strong:
            self._talk = targets[0].means.site
        elif strong or paragraph != self._paragraph:
            self._talk = None
        if targets and self._talk and _closes(parse, targets[0]):
            self._paragraph = paragraph
        self.target = self._talk if targets or self._paragraph == paragraph else None


def _passage(parse: Parse, target: Mention) -> bool:
    """Whether a defect is only a way through: "the wire went through the PFO"."""
    for i in range(max(parse.first, target.first - 3), target.first):
        if parse.words.words[i] in WAY_THROUGH:
            return True
    return any(p.none and 0 <= target.first - p.last <= 2 for p in parse.phrases)


def _closes(parse: Parse, target: Mention) -> bool:
    """Whether a sentence turns to closing another defect: what follows in its paragraph belongs there."""
    heading = parse.words.words[target.last : target.last + 1] == [":"] or parse.last - parse.first <= 4
    return heading or any(a.means.event == "close" and not negated(parse, a) for a in parse.actions)
