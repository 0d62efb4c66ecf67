"""Explanation: how every mention of a note was explained.

In: what the stages made of a note. Out: one entry for every device phrase, action,
number, size, other device, place and approach, and for all that served as
evidence: the devices it tells of, the claim it makes, or the reason why it is
neither. Everything follows from what the stages wrote down; nothing is decided
here.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from extractor.circumstances import Circumstances
from extractor.claims import Case, Source
from extractor.counted import FAR, counted, name_of, unknown
from extractor.events import Event, Standing
from extractor.grammar import Parse
from extractor.layout import Layout
from extractor.mentions import Mention
from extractor.patient import Patients
from extractor.phrases import LARGEST_SIZE, DevicePhrase
from extractor.status import cued, negated

UNEXPLAINED = "unexplained"
"""The explanation of a mention that has none."""

_ASIDE: dict[Standing, str] = {"prior": "history", "planned": "plan"}
_FORMS = {
    "clock": "clock position",
    "date": "date",
    "time": "time of day",
    "label": "label or grade",
    "other_unit": "measure in another unit",
}
# Words of the count rules that say nothing about how many.
_NO_NUMBER = frozenset({"article", "definite", "possessive", "pronoun", "only", "same", "last"})
_NO_ROUTE = ("rail", "snare", "vessel", "tool", "site")
_BULLETS = ("", "(", "[", "-", "*", "#")


@dataclass(frozen=True, slots=True)
class ExplainedMention:
    """A mention of the note and how it was explained."""

    start: int
    end: int
    text: str
    kind: str
    rule: str
    section: str
    explanation: str


@dataclass(frozen=True, slots=True)
class _Place:
    """The sentence of a mention, and the part of the note it belongs to."""

    parse: Parse
    source: Source
    standing: Standing


def explain_mentions(
    text: str, layout: Layout, found: dict[str, list[Mention]], case: Case, around: Circumstances
) -> tuple[ExplainedMention, ...]:
    """Explain every mention of a note, in text order.

    Parameters
    ----------
    text
        The note.
    layout
        Its sections.
    found
        Its mentions by layer.
    case
        Its timelines and claims.
    around
        Its circumstances.
    """
    explainer = _Explainer(text, layout, case, around)
    entries = [*explainer.phrases(), *explainer.mentions(found)]
    return tuple(sorted(entries, key=lambda entry: (entry.start, entry.end, entry.kind, entry.rule)))


class _Explainer:
    """Explains the mentions of one note."""

    def __init__(self, text: str, layout: Layout, case: Case, around: Circumstances) -> None:
        self._text = text
        self._sections = layout.sections
        self._case = case
        self._around = around
        self._evidence = _evidence(around)
        self._places = {
            i: _Place(parse, source, standing)
            for parse, source, standing in case.parses
            for i in range(parse.first, parse.last)
        }
        self._told: dict[int, str] = {}  # phrases as their timeline explained them, by id
        self._events: dict[str, list[tuple[Source, int, Event]]] = defaultdict(list)  # by rule
        self._rows: list[tuple[Source, Event]] = []
        for source, timeline in case.timelines.items():
            for phrase, explanation in timeline.explained:
                self._told[id(phrase)] = self._of_source(source, explanation)
            for number, device in enumerate(timeline.devices, 1):
                for event in device.events[1:] if source not in ("implants", "equipment") else ():
                    self._events[event.rule].append((source, number, event))
                if source in ("implants", "equipment"):
                    self._rows += [(source, event) for event in device.events]
        self._loose = {
            (loose.start, loose.end)
            for timeline in case.timelines.values()
            for loose in timeline.loose
            if loose.phrase is None
        }

    def _of_source(self, source: Source, explanation: str) -> str:
        """Devices and claims by the part of the note that counts them: only the narrator's are the note's."""
        if source == self._case.narrator or not explanation.startswith(("device ", "claim: ")):
            return explanation
        return f"{source} {explanation}"

    # -- all mentions -----------------------------------------------------------

    def phrases(self) -> Iterator[ExplainedMention]:
        """Every device phrase."""
        for parse, _, _ in self._case.parses:
            for phrase in parse.phrases:
                start, end = parse.words.starts[phrase.first], parse.words.ends[phrase.last - 1]
                rule = phrase.head.rule if phrase.head else "count.reference"
                yield self._entry(start, end, "device", rule, self._phrase(phrase))

    def mentions(self, found: dict[str, list[Mention]]) -> Iterator[ExplainedMention]:
        """Every mention outside the device phrases."""
        inside = {
            i for parse, _, _ in self._case.parses for p in parse.phrases for i in range(p.first, p.last)
        }
        for mention in (mention for layer in found.values() for mention in layer):
            place = self._places.get(mention.first)
            explanation = self._evidence.get(id(mention))
            if explanation is None and (mention.kind == "approach" or mention.first not in inside):
                explanation = self._explained(mention, place)
            if explanation is not None:
                yield self._entry(mention.start, mention.end, mention.kind, mention.rule, explanation)

    def _entry(self, start: int, end: int, kind: str, rule: str, explanation: str) -> ExplainedMention:
        section = next((part.role for part in self._sections if part.start <= start < part.end), "body")
        return ExplainedMention(start, end, self._text[start:end], kind, rule, section, explanation)

    def _phrase(self, phrase: DevicePhrase) -> str:
        told = self._told.get(id(phrase), "heading")
        return "refers to no device at hand" if told == "no device" else told or UNEXPLAINED

    def _explained(self, mention: Mention, place: _Place | None) -> str | None:
        """How a mention was explained; None for words that need no explanation."""
        if mention.kind not in ("device", "other_device", "target", "action", "count", "size", "approach"):
            return None
        if mention.kind == "count" and mention.means.word in _NO_NUMBER:
            return None
        if mention.kind == "approach" and mention.means.route is None and mention.means.use not in _NO_ROUTE:
            return None  # "crossed", "tried": says what came of a route
        if mention.kind == "size" and mention.means.form in _FORMS:
            return _FORMS[mention.means.form]
        if place is None:
            return "heading"  # or the time of a log line: in no sentence
        if mention.last > place.parse.last:
            return UNEXPLAINED if mention.kind == "device" else "runs over the end of a sentence"
        match mention.kind:
            case "action":
                return self._action(mention, place)
            case "count" | "size":
                return self._number(mention, place)
            case "approach":
                return self._approach(mention, place)
        return _ASIDE.get(place.standing) or _other(mention)

    # -- actions ------------------------------------------------------------------

    def _action(self, action: Mention, place: _Place) -> str:
        """Which event of which devices an action tells, or why it tells none."""
        told = self._events_of(action)
        if told:
            return told
        if (action.start, action.end) in self._loose:
            return UNEXPLAINED
        if place.standing != "today":
            return _ASIDE[place.standing]
        row = self._row(action)
        if row is not None:
            return row
        return self._no_event(action, place.parse)

    def _events_of(self, action: Mention) -> str:
        told: dict[tuple[Source, str], list[int]] = defaultdict(list)
        for source, number, event in self._events[action.rule]:
            # An event is told by its action and the device phrases: the action stands at one end.
            inside = event.start <= action.start and action.end <= event.end
            if inside and (event.start == action.start or event.end == action.end):
                told[source, event.event].append(number)
        parts = (
            f"{event}: {self._of_source(source, 'device ' + ', '.join(map(str, dict.fromkeys(numbers))))}"
            for (source, event), numbers in told.items()
        )
        return "; ".join(parts)

    def _no_event(self, action: Mention, parse: Parse) -> str:
        event = action.means.event
        for why, cue in (("planned", "plan"), ("history", "history"), ("not done", "inability")):
            if cued(parse, action, cue):
                return f"{why}: no event"
        if negated(parse, action):
            return "denied: no event"
        nearest = _nearest(parse, action)
        if isinstance(nearest, DevicePhrase):
            words = self._words(parse, nearest.first, nearest.last)
            told = self._phrase(nearest)
            if told.startswith("device ") and event != "check":
                other = Patients(parse, lambda phrase: False).patient(action) is None
                why = "said of something else" if other else "nothing new"
                return f"{why}; nearest: “{words}”, {told}"
            return f"check of “{words}”" if event == "check" else f"said of “{words}”: {told}"
        if nearest is not None:
            return f"said of “{self._words(parse, nearest.first, nearest.last)}”: {name_of(nearest)}"
        if event == "check":
            return "check only"
        word = _word_beside(parse, action)
        if word is not None:
            return f"said of “{self._words(parse, word, word + 1)}”: no device noun"
        return UNEXPLAINED if action.means.sure and action.means.form != "noun" else "names no device"

    # -- numbers --------------------------------------------------------------------

    def _number(self, mention: Mention, place: _Place) -> str:
        """What a number outside the device phrases counts or measures."""
        parse = place.parse
        if any(total.start <= mention.start < total.end for total in self._case.totals):
            return "claim: a count of devices, stated in a field"
        if self._numbers_a_line(mention):
            return "number of a list item"
        if self._text[mention.end : mention.end + 1] == "+":
            return "grade"
        noun = counted(parse, mention)
        phrase = None if noun is None else _phrase_at(parse, noun.first)
        if noun is not None and phrase is None:
            does = "measures" if mention.kind == "size" else "counts"
            return f"{does} “{self._words(parse, noun.first, noun.last)}”" + (noun.what and f": {noun.what}")
        if place.standing != "today":
            return _ASIDE[place.standing]
        row = self._row(mention)
        if row is not None:
            return row
        return self._without_noun(mention, parse, phrase)

    def _without_noun(self, mention: Mention, parse: Parse, phrase: DevicePhrase | None) -> str:
        """A number that belongs to no noun but, perhaps, to a device."""
        ordinal = mention.kind == "count" and mention.means.ordinal is not None
        if phrase is None and mention.kind == "count":
            phrase = _apposition(parse, mention)
            if phrase is not None:
                return f"is “{self._words(parse, phrase.first, phrase.last)}”: {self._phrase(phrase)}"
        elif phrase is not None and not ordinal:
            why = self._phrase(phrase)
            left_out = why == UNEXPLAINED or "device " in why or "claim" in why
            return UNEXPLAINED if left_out else f"of “{self._words(parse, phrase.first, phrase.last)}”: {why}"
        section = parse.sentence.section
        listing = section.role in ("implants", "equipment")
        if section.title and not listing and not self._text[section.body : mention.start].strip():
            return f"answers “{' '.join(section.title.split())}”"
        if _largest(self._text[mention.start : mention.end]) > LARGEST_SIZE:
            return "too large for a count or a size of devices"
        before = parse.items.get(mention.first - 1)
        if ordinal and (before is None or before.kind != "count"):
            return "order of telling"
        return UNEXPLAINED if listing or _may_concern_devices(parse, mention) else "no device in its sentence"

    def _numbers_a_line(self, mention: Mention) -> bool:
        """As in "2. Transseptal puncture", "(3) two plugs"."""
        line = self._text.rfind("\n", 0, mention.start) + 1
        before = self._text[line : mention.start].strip()
        return before in _BULLETS and self._text[mention.end : mention.end + 1] in (".", ")", "]")

    def _row(self, mention: Mention) -> str | None:
        """The row of a table or list in which a mention is read."""
        return next(
            (
                f"{source} row: {row.event}"
                for source, row in self._rows
                if row.start <= mention.start < row.end
            ),
            None,
        )

    # -- approaches -----------------------------------------------------------------

    def _approach(self, mention: Mention, place: _Place) -> str:
        """Why the words of an approach are not the evidence for one."""
        parse, route = place.parse, mention.means.route
        if place.standing != "today":
            return _ASIDE[place.standing]
        clause = parse.clause.get(mention.first)
        cues = sorted({c.means.cue for c in parse.cues if parse.clause.get(c.first) == clause})
        against = [cue for cue in cues if cue in ("negation", "inability", "plan")]
        if against:
            return f"not taken: {against[0]}"
        if route in self._around.routes.all:
            return f"route {route}, named again"
        if mention.means.use in _NO_ROUTE:
            return f"{mention.means.use}: no route by itself"
        return "no evidence for a route"

    def _words(self, parse: Parse, first: int, last: int) -> str:
        return " ".join(self._text[parse.words.starts[first] : parse.words.ends[last - 1]].split())


def _other(mention: Mention) -> str:
    """Why a noun outside the device phrases is no occluder of the leak."""
    if mention.kind == "target":
        return f"other place than the leak: {name_of(mention)}"
    if mention.kind == "device":
        return name_of(mention)
    appendage = mention.means.role == "appendage"
    return f"{name_of(mention)}, not {'of the leak' if appendage else 'an occluder'}"


def _evidence(around: Circumstances) -> dict[int, str]:
    """What each mention is evidence for, by its id."""
    treated = around.treated
    named = {**treated.leaking, **treated.titled}
    used: list[tuple[str, Mention | None]] = [
        ("closure of the leak", around.closure),
        ("the leak", around.leak if around.leak is not around.closure else None),
        *((f"treated valve: {valve}", mention) for valve, mention in treated.valves.items()),
        *((f"valve: {valve}", mention) for valve, mention in named.items() if valve not in treated.valves),
        *(
            (f"route {route}", mention)
            for found in around.routes.of.values()
            for route, mention in found.items()
        ),
        ("surgical exposure", around.exposed),
        ("another implant of this session", around.other_procedure),
        ("surgical closure", around.surgical),
        ("leak beside an annuloplasty ring", around.ring),
        ("another defect closed by the title", around.other_closure),
        ("kind of document", around.document),
        ("cancelled", around.cancelled),
    ]
    evidence: dict[int, list[str]] = defaultdict(list)
    for what, mention in used:
        if mention is not None and what not in evidence[id(mention)]:
            evidence[id(mention)].append(what)
    return {key: f"evidence: {', '.join(what)}" for key, what in evidence.items()}


def _nearest(parse: Parse, action: Mention) -> DevicePhrase | Mention | None:
    """The noun nearest to an action in its clause."""
    clause = parse.clause.get(action.first)
    nouns: list[DevicePhrase | Mention] = [*parse.phrases, *parse.nouns]
    here = [noun for noun in nouns if parse.clause.get(noun.first) == clause]
    return min(here, key=lambda noun: max(noun.first - action.last, action.first - noun.last), default=None)


def _word_beside(parse: Parse, action: Mention) -> int | None:
    """An unknown word right before an action, or behind it: what it is said of."""
    for words in (
        range(action.first - 1, max(parse.first - 1, action.first - FAR), -1),
        range(action.last, min(parse.last, action.last + FAR)),
    ):
        word = _first_unknown(parse, words)
        if word is not None:
            return word
    return None


def _first_unknown(parse: Parse, words: Iterable[int]) -> int | None:
    """The first word that no rule knows, before a mark or another clause."""
    for i in words:
        if not parse.words.words[i][0].isalnum() or parse.roles.get(i) in ("clause", "relative"):
            return None
        if unknown(parse, i):
            return i
    return None


def _apposition(parse: Parse, mention: Mention) -> DevicePhrase | None:
    """As in "The first, a 10 mm plug, was released"."""
    comma = parse.words.words[mention.last : mention.last + 1] == [","]
    return _phrase_at(parse, mention.last + 1) if comma else None


def _may_concern_devices(parse: Parse, mention: Mention) -> bool:
    """Whether a sentence names a device or what happens to one; a size may name one by itself."""
    if parse.phrases or any(noun.kind == "device" for noun in parse.nouns):
        return True
    if any(action.means.event not in ("check", "close", "select") for action in parse.actions):
        return True
    placed = any(
        item.kind == "leak" or (item.kind == "size" and item.means.form == "clock")
        for item in parse.items.values()
    )
    return mention.kind == "size" and not placed


def _phrase_at(parse: Parse, i: int) -> DevicePhrase | None:
    return next((phrase for phrase in parse.phrases if phrase.first <= i < phrase.last), None)


def _largest(words: str) -> int:
    """The largest number in some words, 0 where there is none."""
    return max((int(number) for number in re.findall(r"\d+", words)), default=0)
