"""Site: the valve and the defect a text is speaking of.

In: parsed sentences one after another. Out: the valve that devices named now
belong to, and the other defect (septum, appendage, access) they went into, if any.
"""

from __future__ import annotations

from functools import lru_cache

from extractor.grammar import Parse
from extractor.mentions import Mention
from extractor.status import negated

# Where the way in is closed again: part of closing a leak, and no defect of its own.
ACCESS = ("apical_tract", "septal_access", "vessel")
WAY_THROUGH = ("through", "via", "from", "past", "up")
_PASSED = ("through", "thru", "via", "past", "across", "over", "out")  # before a valve that a catheter passes
_TOWARD = ("at", "to", "toward", "towards")
_TOOLS = ("sheath", "catheter", "wire")
_OPENING = 3  # words before the valve in a heading
_HEADING = 5  # words of a sentence that is one
_AFTER_HEADING = frozenset(".:,;()[]-–—")
_NEAR, _FAR = 5, 9  # words from a leak to its valve: any, and such as tell its place
_ENDS_PLACE = frozenset(",;:()")
_REMEMBERED = 256  # sentences: the stages ask the same of each sentence of a note


@lru_cache(_REMEMBERED)
def spoken_of(parse: Parse) -> tuple[Mention, ...]:
    """The words of a sentence that name a valve; not one passed through, not a box left empty."""
    valves = [
        m
        for m in parse.mentions
        if m.kind == "valve" and m.means.valve and not _passed(parse, m) and not _avoided(parse, m)
    ]
    return tuple(_ticked(parse, valves))


def _passed(parse: Parse, valve: Mention) -> bool:
    """As in "through the native mitral valve": a valve on the way."""
    words = parse.words.words
    listed = False  # "through septum, mitral valve and the leak"
    for i in range(valve.first - 1, max(parse.first, valve.first - 4) - 1, -1):
        if words[i] in _PASSED:
            return True
        if listed or words[i] == ",":
            listed = True
            continue
        stops = parse.roles.get(i) in ("of", "be", "conjunction", "preposition")
        if stops or not words[i].isalpha() or _noun(parse, i):
            return False
    return False


def _avoided(parse: Parse, valve: Mention) -> bool:
    """As in "kept well clear of the MVR"."""
    return any(c.means.cue == "apart" and 0 <= valve.first - c.last <= 1 for c in parse.cues)


def _noun(parse: Parse, i: int) -> bool:
    item = parse.items.get(i)
    return item is not None and item.kind in ("device", "leak", "other_device", "target")


def _ticked(parse: Parse, valves: list[Mention]) -> list[Mention]:
    """As in "Mitral [x]  Aortic [ ]": without the valves whose box behind them is empty."""
    words = parse.words.words
    if not valves or words[valves[0].first - 1] in ("]", ")"):
        return valves  # the boxes stand before
    return [m for m in valves if words[m.last : m.last + 2] not in (["[", "]"], ["(", ")"])]


@lru_cache(_REMEMBERED)
def heading(parse: Parse) -> Mention | None:
    """The valve to which a few words turn the talk: "PART TWO - AORTIC", "Then the mitral."."""
    sides = [m for m in parse.mentions if m.kind == "valve" and m.means.side]
    valves = sorted([*spoken_of(parse), *sides], key=lambda m: m.first)
    if len({valve_of(m) for m in valves}) != 1:
        return None
    first = valves[0]
    if _answered_none(parse, first):
        return None  # "Mitral: no new MR"
    if any(_taken_up(parse, valve) for valve in valves):
        return first
    if parse.last - parse.first <= _HEADING and not first.means.side and _bare_heading(parse, valves[-1]):
        return first
    before = range(_begin(parse), first.first)
    turns = [c for c in parse.cues if c.means.cue == "sequence" and c.first in before]
    if len(before) > (2 * _OPENING if turns else _OPENING) or "negation" in parse.cue_kinds():
        return None
    if any(m.kind == "leak" and denied(parse, m) for m in parse.items.values()):
        return None  # "Mitral: no new regurgitation"
    if any(_says_more(parse, i) and not any(c.first <= i < c.last for c in turns) for i in before):
        return None
    return first if first.means.side or _ends_heading(parse, first) else None


def _bare_heading(parse: Parse, valve: Mention) -> bool:
    """Whether nothing is said of the valve: not "Mitral prosthesis ok.", "Mitral valve without leak."."""
    behind = range(valve.last, parse.last)
    said = any(
        parse.words.words[i].isalpha() and i not in parse.items and parse.roles.get(i) is None for i in behind
    )
    return not said and "negation" not in parse.cue_kinds()


def _answered_none(parse: Parse, valve: Mention) -> bool:
    item = parse.items.get(valve.last + 1)
    colon = parse.words.words[valve.last : valve.last + 1] == [":"]
    return colon and item is not None and item.kind == "count" and item.means.word in ("none", "none_more")


def _taken_up(parse: Parse, valve: Mention) -> bool:
    """As in "and dealt with the mitral side", "For the aortic we then ...", "to take on the mitral first"."""
    if parse.cue_kinds() & {"negation", "plan", "cancelled", "history"}:
        return False
    begin = valve.first
    while begin > parse.first and (item := parse.items.get(begin - 1)) is not None and item.kind == "count":
        begin -= 1  # "the"
    if begin == parse.first + 1 and parse.roles.get(parse.first) == "exchange":
        return True
    if any(a.means.event == "close" and a.means.form == "verb" and a.last == begin for a in parse.actions):
        return True
    if _goes(parse, begin):
        return True
    behind = parse.items.get(valve.last)
    first = behind is not None and behind.kind == "count" and 1 in (behind.means.number, behind.means.ordinal)
    return first and not any(_noun(parse, i) for i in range(_begin(parse), valve.first))


def _goes(parse: Parse, i: int) -> bool:
    """As in "by puncture of the septum, we went to | the mitral prosthesis", "we then moved to"."""
    if any(c.means.cue == "sequence" and c.last == i and c.last - c.first > 1 for c in parse.cues):
        return True
    if parse.words.words[i - 1] not in (*_TOWARD, "with", "on"):
        return False
    item = parse.items.get(i - 2)
    verb = parse.roles.get(i - 2) == "verb" or (item is not None and item.kind == "action")
    begin = max(parse.first, i - 5)
    return (
        verb
        and "subject" in [parse.roles.get(k) for k in range(begin, i - 2)]
        and not any(_noun(parse, k) for k in range(begin, i))
    )


@lru_cache(_REMEMBERED)
def _steered(parse: Parse) -> Mention | None:
    """As in "the sheath was aimed at the sewing ring of the mitral prosthesis": the valve a tool goes to."""
    valves = spoken_of(parse)
    if len({m.means.valve for m in valves}) != 1 or parse.cue_kinds() & {"negation", "inability", "plan"}:
        return None
    first = valves[0]
    tools = [m.last for m in parse.nouns if m.kind == "other_device" and m.means.role in _TOOLS]
    begin = max((last for last in tools if last <= first.first), default=first.first)
    aimed = any(parse.words.words[i] in _TOWARD for i in range(begin, first.first))
    return first if aimed and parse.clause.get(begin) == parse.clause.get(first.first) else None


def valve_of(mention: Mention) -> str | None:
    """The valve a word names, or turns to."""
    valve: str | None = mention.means.valve or mention.means.side
    return valve


def _begin(parse: Parse) -> int:
    """The first word of a sentence behind the header of its section."""
    body = parse.sentence.section.body
    return next((i for i in range(parse.first, parse.last) if parse.words.starts[i] >= body), parse.first)


def _says_more(parse: Parse, i: int) -> bool:
    """Whether a word before the valve makes a sentence of the heading: a noun, a verb, "no"."""
    item = parse.items.get(i)
    if item is None:
        return False
    if item.kind == "action":
        return bool(item.means.event != "close")
    return _noun(parse, i) or (item.kind == "count" and item.means.word in ("none", "none_more"))


def _ends_heading(parse: Parse, valve: Mention) -> bool:
    """As in "Aortic: ...", "I did the aortic one first", "the aortic valve was then addressed"."""
    i = valve.last
    answer = parse.items.get(i + 1)
    if answer is not None and answer.kind == "count" and answer.means.word in ("none", "none_more"):
        return False  # "Mitral: no new MR"
    if i >= parse.last or parse.words.words[i] in _AFTER_HEADING:
        return True
    item = parse.items.get(i)
    if item is not None and item.kind == "count" and 1 in (item.means.number, item.means.ordinal):
        return True
    if any(parse.roles.get(k) in ("of", "preposition", "clause") for k in range(_begin(parse), valve.first)):
        return False
    return any(a.means.event == "close" and abs(a.first - i) <= _HEADING for a in parse.actions)


def denied(parse: Parse, mention: Mention) -> bool:
    """Whether a finding is denied or asked: "no paravalvular leak", "without PVL", "?PVL"."""
    words = parse.words.words
    if (
        _answered_no(parse, mention)
        or words[mention.first - 1 : mention.first] == ["?"]
        or words[mention.last : mention.last + 1] == ["?"]
    ):
        return True
    for i in range(mention.first - 1, max(parse.first - 1, mention.first - 7), -1):
        item = parse.items.get(i)
        if item is not None and item.kind == "count" and item.means.word in ("none", "none_more"):
            return True
        if any(c.first <= i < c.last and c.means.cue == "negation" for c in parse.cues):
            return True
        if parse.words.words[i] == "," and _none_listed(parse, i, mention.first):
            return True  # "No AR, central or paravalvular."
        if (
            parse.words.words[i] in (",", ";", ".")
            or parse.roles.get(i) in ("be", "clause")
            or (item is not None and item.kind in ("action", "device"))
        ):
            return False
    return False


def _answered_no(parse: Parse, mention: Mention) -> bool:
    """As in "paravalvular leak {Y/N} N": a choice, and what was chosen."""
    words = parse.words.words[mention.last : parse.last]
    if words[:1] != ["{"] or "}" not in words:
        return False
    chosen = words[words.index("}") + 1 :]
    return chosen[:1] in (["n"], ["no"], ["none"])


def _none_listed(parse: Parse, comma: int, mention: int) -> bool:
    """Whether "no" stands right before a comma, behind which its kinds are listed with "or"."""
    if not {"or", "nor"} & set(parse.between(comma, mention)):
        return False
    for i in range(comma - 1, max(parse.first - 1, comma - 5), -1):
        item = parse.items.get(i)
        if item is not None and item.kind == "count" and item.means.word in ("none", "none_more"):
            return True
        if parse.roles.get(i) in ("be", "verb", "clause") or parse.words.words[i] in (",", ";", "."):
            return False
    return False


@lru_cache(3 * _REMEMBERED)
def leak_valves(parse: Parse, *, tied: bool = False, flow: bool = True) -> frozenset[str]:
    """The valves whose leak a sentence speaks of: named with the leak, or the only valve beside it.

    With ``tied`` only those named with the leak itself; without ``flow`` not those of
    a regurgitation, which may be through the valve.
    """
    leaks = [
        m
        for m in parse.mentions
        if m.kind == "leak"
        and m.means.term not in ("central", "device", "ring")
        and (flow or not m.means.flow)
        and not denied(parse, m)
    ]
    if not leaks:
        return frozenset()
    valves = spoken_of(parse) or tuple(
        m for m in parse.mentions if m.kind == "other_device" and m.means.valve and not _passed(parse, m)
    )  # "the leak between the CoreValve frame and the annulus"
    return frozenset(_named_with(parse, leaks, [m for m in valves if not _landmark(parse, m)], tied=tied))


def _named_with(parse: Parse, leaks: list[Mention], valves: list[Mention], *, tied: bool) -> set[str]:
    """Which of the valves of a sentence, or of its leaks themselves, the leaks are named with."""
    named = {m.means.valve for m in leaks if m.means.valve}
    if not named and not valves:
        return _places(parse, leaks)
    if named:
        return named | {m.means.valve for m in valves if any(_joins(parse, m, leak) for leak in leaks)}
    if len({m.means.valve for m in valves}) <= 1 and not tied:
        return {m.means.valve for m in valves}
    for leak in leaks:
        beside = _beside(parse, leak, valves)
        if beside:
            return beside
    return set()


def _landmark(parse: Parse, valve: Mention) -> bool:
    """As in "the leak lay close to the aortic valve": it says where, and not of which."""
    item = parse.items.get(valve.first - 1)
    article = item is not None and item.kind == "count"
    at = valve.first - article
    return any(c.means.cue == "landmark" and c.means.beside and c.last == at for c in parse.cues)


def _places(parse: Parse, leaks: list[Mention]) -> set[str]:
    """As in "the leak was below the non-coronary cusp": a place that only one valve has."""
    clauses = {parse.clause.get(leak.first) for leak in leaks}
    return {
        m.means.near
        for m in parse.items.values()
        if m.kind == "valve" and m.means.near and parse.clause.get(m.first) in clauses
    }


def _joins(parse: Parse, valve: Mention, other: Mention) -> bool:
    """As in "mitral and aortic paravalvular leaks", "(mitral, aortic)": two joined by nothing but a link."""
    between = range(valve.last, other.first)
    articles = {i for i in between if i in parse.items and parse.items[i].kind == "count"}
    links = [i for i in between if i not in articles]
    return 0 < len(links) <= 2 and all(
        parse.roles.get(i) == "conjunction" or parse.words.words[i] in (",", "/") for i in links
    )


def _beside(parse: Parse, leak: Mention, valves: list[Mention]) -> set[str]:
    """The valve a leak is named with, as in "PVL of the AVR", "leak at the mitral bioprosthesis", or both."""
    after = next((m for m in valves if 0 <= m.first - leak.last <= _reach(parse, leak)), None)
    gap = parse.between(leak.last, after.first) if after is not None else []
    if "," in gap[:-1]:
        after = None  # "a leak, in a patient with a mitral prosthesis"
    before = next((m for m in reversed(valves) if 0 <= leak.first - m.last <= 2), None)
    linked = after is not None and (
        after.first == leak.last  # "a paravalvular leak mitral"
        or any(parse.roles.get(i) in ("of", "preposition") for i in range(leak.last, after.first))
    )
    nearest = after if linked else before or after
    if nearest is None:
        return set()
    joined = next(
        (
            m
            for m in valves
            if 0 < m.first - nearest.last <= 8
            and any(parse.roles.get(i) == "conjunction" for i in range(nearest.last, m.first))
        ),
        nearest,
    )
    beyond = {m.means.valve for m in valves if _joins(parse, nearest, m)}
    return {nearest.means.valve, joined.means.valve, *beyond}


def _reach(parse: Parse, leak: Mention) -> int:
    """How many words behind a leak its valve may be named: more where they only say the place of it."""
    words, end = parse.words.words, leak.last
    while end < parse.last and end - leak.last < _FAR:
        item = parse.items.get(end)
        place = item is None or item.kind in ("count", "size", "valve")
        if not place or words[end] in _ENDS_PLACE or parse.roles.get(end) not in (None, "preposition", "of"):
            break
        end += 1
    return max(_NEAR, end - leak.last)


class Site:
    """Follows the talk from valve to valve and from leak to other defects."""

    def __init__(self) -> None:
        self.valve: str | None = None
        self.target: str | None = None  # the other defect this sentence is about
        self._talk: str | None = None  # the other defect the talk last turned to
        self._paragraph = -1  # whose sentences all belong to that defect

    def read(self, parse: Parse) -> None:
        """Take in one sentence."""
        leaks, targets, strong = _defects(parse)
        opening = self.valve is None
        valves = leak_valves(parse, tied=not opening, flow=opening)
        if len(valves) == 1 and not (self.valve and minor(parse, leaks)):
            self.valve = next(iter(valves))
        elif not valves:
            turned = heading(parse) or _steered(parse)
            self.valve = valve_of(turned) if turned is not None else self.valve
        paragraph = parse.sentence.paragraph
        if targets and not strong:
            self._talk = targets[0].means.site
        elif strong or paragraph != self._paragraph:
            self._talk = None
        if targets and self._talk and _closes(parse, targets[0]):
            self._paragraph = paragraph
        self.target = self._talk if targets or self._paragraph == paragraph else None


@lru_cache(_REMEMBERED)
def _defects(parse: Parse) -> tuple[list[Mention], list[Mention], bool]:
    """The leaks and the other defects of a sentence, and whether it is surely about the leak."""
    leaks = [
        m for m in parse.nouns if m.kind == "leak" and m.means.term in ("paravalvular", "closure", "leak")
    ]
    targets = [m for m in parse.nouns if m.kind == "target" and not _passage(parse, m)]
    return leaks, targets, any(m.means.term != "leak" for m in leaks) or _same_place(parse)


def minor(parse: Parse, leaks: list[Mention]) -> bool:
    """As in "There is also a trivial aortic paravalvular jet": the talk does not turn to it."""
    return any(
        c.means.cue == "minor" and 0 <= leak.first - c.last <= _OPENING for c in parse.cues for leak in leaks
    )


def left_alone(parse: Parse, valve: Mention) -> bool:
    """As in "just a whiff of leak next to the aortic one, which we had agreed not to chase"."""
    leaks = [m for m in parse.nouns if m.kind == "leak"]
    before = [m for m in leaks if m.first <= valve.first]
    return minor(parse, leaks[:1]) or any(
        c.means.cue == "unhandled" and before and c.first > before[-1].first for c in parse.cues
    )


def _same_place(parse: Parse) -> bool:
    """As in "at the same valve", "in the same leak": back to where the plugs are."""
    return any(
        m.kind in ("valve", "leak")
        and (before := parse.items.get(m.first - 1)) is not None
        and before.kind == "count"
        and before.means.word == "same"
        for m in parse.mentions
    )


def _passage(parse: Parse, target: Mention) -> bool:
    """Whether a defect is only a way through: "the wire went through the PFO"."""
    for i in range(max(parse.first, target.first - 3), target.first):
        if parse.words.words[i] in WAY_THROUGH:
            return True
    return any(p.none and 0 <= target.first - p.last <= 2 for p in parse.phrases)


def _closes(parse: Parse, target: Mention) -> bool:
    """Whether a sentence turns to closing another defect: what follows in its paragraph belongs there."""
    heading = parse.words.words[target.last : target.last + 1] == [":"] or parse.last - parse.first <= 4
    closed = any(a.means.event == "close" and not negated(parse, a) for a in parse.actions)
    return heading or (closed and "history" not in parse.cue_kinds())
