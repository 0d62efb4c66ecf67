"""Weakest: what a count, a valve or a route rests on least.

In: the ``Ground`` of a note. Out: the answers that would bring it down, the likeliest
first: how little a thing rests on is told by the words for it, and by whether another
part of the note says the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

from extractor.answers import LOSSES, Answer, Ground
from extractor.counted import counted
from extractor.events import Event, TrackedDevice, same_product, same_size
from extractor.grammar import Parse
from extractor.mentions import Mention
from extractor.phrases import DevicePhrase, size_key
from extractor.rules import RuleBook
from extractor.status import negated
from extractor.suggestion import Span

# What may be wrong, the likeliest first: in the order in which words taken out of the sample notes, one at
# a time, brought the codes down beside the words pointed at, against how often the same is seen where
# nothing is wrong.
_ORDER = (
    "size of no device", "let go once more", "never said to be put in", "opened, and no more",
    "another claim", "only named", "same kind", "stays, and never let go", "unnamed", "in doubt",
    "no device of its own", "route of two valves", "told again", "leak at the other valve",
    "put in again after a loss", "loss of no device", "let go with others", "lost", "planned",
    "let go after a loss", "let go", "said by two parts", "valve in no title", "route", "told apart",
    "valve", "earlier", "in another defect",
)  # fmt: skip
_RANK = {kind: rank for rank, kind in enumerate(_ORDER)}

_PUT_IN = ("open", "load", "release")
_BEHIND = 6  # words from a size to what is done with its device
_CLOSE = 2  # words
_BARE = 3  # words of an event that names no device
_GAP = 3  # characters between two events that are not one
_ROUTES_WITH_CODE = {"mitral": ("transapical",), "aortic": ("transapical", "transseptal")}


class Link(NamedTuple):
    """An answer that would bring something down, and how little holds it up."""

    kind: str
    words: int  # events that speak for it
    answer: Answer


def weakest(ground: Ground) -> list[Answer]:
    """Answers that would give other codes, those about the least of words first."""
    found = [*_of_count(ground), *_valves(ground), *_routes(ground)]
    return [link.answer for link in sorted(found, key=lambda link: (_RANK[link.kind], link.words))]


# -- the number of devices ---------------------------------------------------------


def _of_count(ground: Ground) -> Iterator[Link]:
    if ground.number is None:
        return
    yield from _claims(ground)
    yield from _devices(ground)
    for parse, source, standing in ground.case.parses:
        if standing == "today" and source in ("narrative", "log"):
            yield from _phrases(ground, parse)
            yield from _sizes(ground, parse)
            if source == ground.case.narrator:
                yield from _losses(ground, parse)


def counting(
    ground: Ground,
    rule: str,
    more: int,
    places: Iterable[Span],
    device: TrackedDevice | None = None,
    other: TrackedDevice | None = None,
) -> Iterator[Answer]:
    """The answer that there are more devices or fewer, at the valve of this one."""  # fmt: skip
    at = ground.valve_of(device) if device is not None else None
    given = None if ground.number is None else ground.counting(ground.number + more, at)
    if given is not None:
        yield Answer(rule, *given, tuple(dict.fromkeys(places)), device, other)


def _claims(ground: Ground) -> Iterator[Link]:
    """A part of the note that gives another number, taken as it reads."""
    for claim in ground.case.claims:
        given = None if claim.best in (None, ground.number) else ground.counting(claim.best or 0)
        if given is not None:
            places = (ground.of_claim(claim),)
            yield Link("another claim", 0, Answer("change.claim", *given, places, source=claim.source))


def _devices(ground: Ground) -> Iterator[Link]:
    held = [d for d in ground.devices if d.standing == "today" and d.target is None and d.in_place]
    for device in ground.devices:
        places = (ground.lost(device) or ground.told(device), ground.named(device))
        if device in held:
            yield from _held(ground, device, held)
        elif device.target is not None:
            for answer in counting(ground, "change.at_leak", 1, places, device):
                yield Link("in another defect", len(device.events), answer)
        elif device.standing != "today" and (device.size or device.product):
            kind = "planned" if device.pending else "earlier"
            for answer in counting(ground, "change.session", 1, places, device):
                yield Link(kind, len(device.events), answer)
        elif device.standing == "today" and len(held) == ground.number:
            for answer in counting(ground, "change.stayed", 1, places, device):
                yield Link(_how_lost(device), len(device.events), answer)


def _how_lost(device: TrackedDevice) -> str:
    if device.state in ("named", "loaded") and not device.tried:
        return "never said to be put in"
    lost = max((i for i, event in enumerate(device.events) if event.event in LOSSES), default=-1)
    again = any(event.event in (*_PUT_IN, "reposition", "remain") for event in device.events[lost + 1 :])
    return "put in again after a loss" if again else "lost"


def _held(ground: Ground, device: TrackedDevice, held: list[TrackedDevice]) -> Iterator[Link]:
    """A device that is counted: it may be gone, may be two, or the same as another."""
    confirmed = _confirmed(ground)
    words = sum(event.event in (*_PUT_IN, "remain", "implanted") for event in device.events)
    kind = "said by two parts" if confirmed else _how_held(device, held)
    places = (ground.kept(device), ground.named(device))
    for answer in counting(ground, "change.gone", -1, places, device):
        yield Link(kind, words, answer)
    once_more = _once_more(ground, device, held)
    if once_more is not None:
        for answer in counting(ground, "change.further", 1, (ground.evidence.of_event(once_more),)):
            yield Link("let go once more", 0, answer)
    twin = _twin(device, held)
    if twin is None:
        return
    places = (ground.evidence.of_event(device.events[0]), ground.evidence.of_event(twin.events[0]))
    apart = confirmed or not (device.ordinal is None and device.label is None)
    kind = "told apart" if apart else "same kind" if device.size else "unnamed"
    for answer in counting(ground, "change.same", -1, places, device, twin):
        yield Link(kind, words, answer)


def _confirmed(ground: Ground) -> bool:
    """Whether two parts of the note give the number that is coded."""
    alike = {
        c.source for c in ground.case.claims if c.best == ground.number or c.low == c.high == ground.number
    }
    return len(alike) > 1


def _how_held(device: TrackedDevice, held: list[TrackedDevice]) -> str:
    """How the words say that a device stayed."""
    if device.only_named:
        return "only named"
    if device.in_doubt or device.unsure or device.doubtful or device.talked or device.withheld:
        return "in doubt"
    let_go = {(e.start, e.end) for e in device.events if e.event in ("release", "implanted")}
    if not let_go:
        stays = any(event.final or event.event == "remain" for event in device.events)
        return "stays, and never let go" if stays else "opened, and no more"
    if let_go <= {(e.start, e.end) for other in held if other is not device for e in other.events}:
        return "let go with others"
    return "let go after a loss" if any(e.event in LOSSES for e in device.events) else "let go"


def _once_more(ground: Ground, device: TrackedDevice, held: list[TrackedDevice]) -> Event | None:
    """Bare words that let go a device that was let go before: perhaps the next one."""
    shared = {(e.start, e.end) for other in held if other is not device for e in other.events}
    done: Event | None = None
    for event in device.events:
        if event.event != "release" or (event.start, event.end) in shared:
            continue
        words = ground.evidence.text[event.start : event.end]
        bare = len(words.split()) <= _BARE and not any(map(str.isdigit, words))
        if (
            done is not None
            and bare
            and event.start > done.end + _GAP
            and event.rule not in _nouns(ground.book)
        ):
            return event
        done = event
    return None


@lru_cache(maxsize=4)
def _nouns(book: RuleBook) -> frozenset[str]:
    """Rules of actions told in a noun: "after release"."""
    return frozenset(rule.id for rule in book.kind("action") if rule.means.form == "noun")


def _twin(device: TrackedDevice, held: list[TrackedDevice]) -> TrackedDevice | None:
    """The device before this one that may be the same, told of elsewhere."""
    for other in reversed(held[: held.index(device)]):
        alike = same_size(device.size, other.size) and same_product(device.product, other.product)
        alike &= bool(other.size) or not device.size  # "a plug", and then "an 8 mm plug": another one
        if alike and device.events[0].start != other.events[0].start:
            return other
    return None


# -- words that are read as no device ------------------------------------------------


def _phrases(ground: Ground, parse: Parse) -> Iterator[Link]:
    """Words for one device that are read as a device told of before, or as none."""
    if not parse.phrases or parse.sentence.form in ("row", "record", "heap"):
        return
    for phrase in parse.phrases:
        kind = _read_as(parse, phrase)
        if kind is None or (kind == "told again" and ground.announced):
            continue  # "two plugs were used: a 10 mm and an 8 mm"
        place = ground.of_phrase(parse, phrase)
        if not any(place.start < span.end and span.start < place.end for span in ground.namings):
            for answer in counting(ground, "change.further", 1, (place,)):
                yield Link(kind, 0, answer)


def _read_as(parse: Parse, phrase: DevicePhrase) -> str | None:
    if (
        phrase.pronoun
        or phrase.none
        or phrase.prior
        or phrase.quantity != 1
        or phrase.determiner == "definite"
    ):
        return None
    fresh = phrase.determiner == "indefinite"
    if phrase.explanation.startswith("device"):
        return "told again" if phrase.sizes and (fresh or phrase.ordinal is not None) else None
    if phrase.headless or not (phrase.product or phrase.sizes):
        return None
    acted = any(a.means.event in _PUT_IN and not negated(parse, a) for a in parse.actions)
    open_ = phrase.explanation in ("unexplained", "no device", "described", "reference")
    return "no device of its own" if open_ and (fresh or acted) else None


def _sizes(ground: Ground, parse: Parse) -> Iterator[Link]:
    """As in "8 mm opened and released": something of that size was put in, by a name that no rule knows."""
    sizes = [m for m in parse.mentions if m.kind == "size" and m.means.form == "device"]
    known = {size_key(device.size) for device in ground.devices} if sizes else set()
    # A size close behind a device is said of it: "the first, 10 mm".
    inside = {i for p in parse.phrases for i in range(p.first, p.last + _CLOSE)} if sizes else set()
    for size in sizes:
        if size.first in inside:
            continue
        if size_key(ground.evidence.text[size.start : size.end]) in known or not _put_in(parse, size):
            continue
        noun = counted(parse, size)
        if noun is None or (not noun.what and noun.first >= size.last):
            for answer in counting(ground, "change.further", 1, (ground.evidence.of_mention(size),)):
                yield Link("size of no device", 0, answer)


def _put_in(parse: Parse, size: Mention) -> bool:
    """Whether something of a size is opened, loaded or let go, and the size is not that of a movement."""
    before = parse.items.get(size.first - 1)
    word = parse.words.words[size.first - 1] if size.first > parse.first else ""
    opens = before is not None and before.kind == "count" and before.means.word != "definite"
    if word.isalpha() and not opens:
        return False  # "pulled up 5 mm and opened"
    clause = parse.clause.get(size.first)
    return any(
        a.means.event in _PUT_IN
        and 0 <= a.first - size.last <= _BEHIND
        and parse.clause.get(a.first) == clause
        and not negated(parse, a)
        and not any(
            m.kind in ("valve", "other_device") and size.last <= m.first < a.first for m in parse.nouns
        )
        for a in parse.actions
    )


def _losses(ground: Ground, parse: Parse) -> Iterator[Link]:
    """Words of a loss that only a device can meet, where none is read to have met it."""
    told = [(e.start, e.end) for d in ground.case.main.devices for e in d.events]
    for action in parse.actions:
        event = action.means.event in LOSSES and action.means.sure and action.means.form != "noun"
        if not event or negated(parse, action):
            continue
        if any(start <= action.start and action.end <= end for start, end in told):
            continue
        if any(m.kind in ("other_device", "target") for m in parse.nouns):
            continue
        before = [
            d for d in ground.devices
            if d.in_place and d.standing == "today" and d.target is None and d.events[0].start < action.start
        ]  # fmt: skip
        for device in before[-1:]:
            places = (ground.evidence.of_mention(action), ground.named(device))
            for answer in counting(ground, "change.lost", -1, places, device):
                yield Link("loss of no device", 0, answer)


# -- the valve and the route -----------------------------------------------------------


def _valves(ground: Ground) -> Iterator[Link]:
    """The other valve instead, or for one of the devices; or one valve for all."""
    treated = ground.around.treated
    for valve, witness in treated.valves.items():
        if len(treated.valves) > 1:
            around = ground.at_valve(valve, witness)
            places = ground.spans(*(m for other, m in treated.valves.items() if other != valve))
            yield Link(
                "valve", 0, Answer("change.all_at", ground.count, around, places, valve=valve, rerouted=True)
            )
            continue
        other = "aortic" if valve == "mitral" else "mitral"
        leaking = treated.leaking.get(other)
        if leaking is not None and ground.count.low > 1:
            around = ground.at_both(valve, other, leaking)
            answer = Answer(
                "change.both", ground.count, around, ground.spans(leaking), valve=other, rerouted=True
            )
            yield Link("leak at the other valve", 0, answer)
        kind = "valve" if treated.titled or treated.closed else "valve in no title"
        around = ground.at_valve(other, leaking or witness)
        answer = Answer(
            "change.valve", ground.count, around, ground.spans(leaking or witness), valve=other, rerouted=True
        )
        yield Link("leak at the other valve" if leaking is not None else kind, 1, answer)


def _routes(ground: Ground) -> Iterator[Link]:
    """A puncture that gives a code, or that would if it had served this leak."""
    around = ground.around
    if around.exposed is not None:
        return
    of = around.routes.of
    for valve in around.treated.valves:
        for route in _ROUTES_WITH_CODE.get(valve, ()):
            taken = of.get(valve, {})
            witness = taken.get(route) or _told_route(ground, route)
            if witness is None:
                continue
            rest = {r: m for r, m in taken.items() if r != route}
            changed = {**of, valve: rest if route in taken else {**taken, route: witness}}
            rule = "change.no_route" if route in taken else "change.route"
            answer = Answer(
                rule, ground.count, replace(around, routes=replace(around.routes, of=changed)),
                ground.spans(witness), valve=valve, route=route,
            )  # fmt: skip
            yield Link("route of two valves" if len(around.treated.valves) > 1 else "route", 0, answer)


def _told_route(ground: Ground, route: str) -> Mention | None:
    """Words of this session for a route that was not taken to this leak, as it is read."""
    today = {
        i for parse, source, standing in ground.case.parses if standing == "today" and source != "title"
        for i in range(parse.first, parse.last)
    }  # fmt: skip
    named = (m for m in ground.approaches if m.means.route == route and m.means.use in ("named", "step"))
    return next((m for m in named if m.first in today), None)
