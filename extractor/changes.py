"""Changes: the single answers that would give other codes, for the coder who checks a suggestion.

In: the ``Ground`` of a note. Out: ``Change``: a sentence that names the words asked
about, and the units that the answer gives. For a note in review the answers are those
that its reasons ask for; for a ready one those about what it rests on least. All words
of a sentence that are not the note's are data (``patterns/changes.yaml``). Changes are
for the coder alone and never part of a query to the physician.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from extractor.answers import Answer, Ground
from extractor.claims import Claim
from extractor.doubts import taken_back, unsettled
from extractor.events import TrackedDevice, same_product, same_size
from extractor.mentions import Mention
from extractor.queries import fill, line_at
from extractor.suggestion import Change, Reason, Span
from extractor.weakest import counting, weakest

_MOST = 4
_MOST_WEAK = 2  # where nothing is open
_LONGEST_QUOTE = 60  # characters
_LEFT_VALVES = ("mitral", "aortic")
# Answers about one device each: two of them may give the same units.
_OF_A_DEVICE = ("change.stayed", "change.further", "change.same")


def draft_changes(ground: Ground) -> tuple[Change, ...]:
    """The answers that would give other codes, the most telling first.

    Parameters
    ----------
    ground
        The stages of a note, with its suggestion.

    Examples
    --------
    >>> from extractor import Coder
    >>> note = "Mitral paravalvular leak. Several plugs were deployed and released."
    >>> for change in Coder().suggest(note).changes:
    ...     print(change.answer)
    If 2 devices stayed in (line 1: “Several plugs”): also 93592 x1.
    If 3 devices stayed in (line 1: “Several plugs”): also 93592 x2.
    """
    given, form = ground.suggestion, ground.book.change_form
    if given.status == "none" or form is None:
        return ()
    asked = tuple(_told(ground, _asked(ground), _MOST, each=True))
    return asked or tuple(_told(ground, iter(weakest(ground)), _MOST_WEAK, each=False))


def _told(ground: Ground, answers: Iterator[Answer], most: int, *, each: bool) -> Iterator[Change]:
    """The first answers that give other codes than those suggested, and than each other.

    With ``each`` every device in doubt has its own, though the codes are the same.
    """
    seen = {_key(ground.units)}
    places: set[int] = set()
    sentences = _Sentences(ground)
    left = most
    for answer in answers:
        if answer.rule not in ground.book.changes:
            continue
        units = ground.units_if(answer)
        start = answer.places[0].start if each and answer.rule in _OF_A_DEVICE else None
        repeated = start is None or not places or start in places or _key(units) == _key(ground.units)
        if left == 0 or (_key(units) in seen and repeated):
            continue
        seen.add(_key(units))
        places |= {start} if start is not None else set()
        left -= 1
        yield Change(answer=sentences.tell(answer, units), units=units, evidence=answer.places)


def _key(units: dict[str, int]) -> tuple[tuple[str, int], ...]:
    return tuple(sorted(units.items()))


# -- what the reasons of a review ask for ------------------------------------------------


def _asked(ground: Ground) -> Iterator[Answer]:
    """The answers to what a note leaves open, reason by reason."""
    for reason in ground.suggestion.reasons:
        match reason.code:
            case "device_count_conflict":
                yield from _conflict(ground, reason)
            case "device_count_unstated":
                yield from _unstated(ground)
            case "no_device_implanted":
                yield from _left_after_all(ground, reason)
            case "valve_unstated":
                yield from _one_of(ground, "change.valve", _LEFT_VALVES)
            case "valve_conflict":
                yield from _other_valve(ground)
            case "other_valve":
                rule = "change.all_at" if len(ground.around.treated.valves) > 1 else "change.valve"
                yield from _one_of(ground, rule, _named(ground) or _LEFT_VALVES)
            case "annuloplasty_ring":
                yield from _no_ring(ground)
            case "open_approach":
                around = replace(ground.around, exposed=None)
                yield Answer(
                    "change.puncture",
                    ground.count,
                    around,
                    ground.spans(ground.around.exposed),
                    rerouted=True,
                )
            case "not_procedure_note":
                yield Answer("change.report", ground.count, ground.around, reason.evidence)


def _conflict(ground: Ground, reason: Reason) -> Iterator[Answer]:
    count, around = ground.count, ground.around
    if count.conflict is not None:
        yield from _claims(ground, (*count.conflict, *ground.case.claims))
        place = ground.evidence.of_claim(count.conflict[0])
        yield from _numbers(ground, place, (count.low, count.high or count.low))
    elif count.unstated is not None:
        yield from _unstated(ground)
    elif count.exact is None:
        yield from _doubts(ground)
    elif {m.start for m in around.treated.valves.values()} & {span.start for span in reason.evidence}:
        yield from _division(ground)
    else:
        given = ground.counting(0)
        if given is not None:
            yield Answer("change.none_left", *given, reason.evidence)


def _claims(ground: Ground, claims: tuple[Claim, ...]) -> Iterator[Answer]:
    """Each part that gives a number, if it is right."""
    for claim in claims:
        exact = claim.low if claim.high in (claim.low, None) else None
        number = claim.best if claim.best is not None else exact
        given = None if number is None else ground.counting(number)
        if given is not None:
            places = (ground.of_claim(claim),)
            yield Answer("change.claim", *given, places, source=claim.source)


def _numbers(ground: Ground, place: Span, numbers: tuple[int, ...]) -> Iterator[Answer]:
    for number in numbers:
        given = ground.counting(number)
        if given is not None:
            yield Answer("change.number", *given, (place,))


def _unstated(ground: Ground) -> Iterator[Answer]:
    """As in "multiple plugs": two, or three."""
    claim = ground.count.unstated
    if claim is None:
        return
    many = (d for d in ground.case.timelines[claim.source].today() if d.many)
    place = next((ground.named(device) for device in many), ground.evidence.of_claim(claim))
    for number in (2, 3) if ground.count.low <= 2 else (ground.count.low,):
        yield from _numbers(ground, place, (number,))


def _doubts(ground: Ground) -> Iterator[Answer]:
    """Each device, and each word, that may be one more than those sure to have stayed."""
    main = ground.case.main
    doubted = [*unsettled(main), *taken_back(main)]
    for device in ground.devices:
        if device.standing == "today" and device.target is None and (device in doubted or _open(device)):
            places = (ground.lost(device) or ground.told(device), ground.named(device))
            yield from counting(ground, "change.stayed", 1, places, device)
    for timeline in ground.case.timelines.values():
        for loose in timeline.loose:
            head = loose.phrase.head if loose.phrase is not None else None
            rule = head.rule if head is not None else "count.reference"
            place = ground.evidence.span(loose.start, loose.end, loose.section, rule)
            yield from counting(ground, "change.further", 1, (place,))
    for device in _strangers(ground):
        yield from counting(ground, "change.further", 1, (ground.named(device),))
    count = ground.count
    if count.doubt is not None:
        others = (d for t in ground.case.timelines.values() if t is not main for d in t.today())
        lost = (ground.lost(d) for d in others if not d.in_place)
        place = next((span for span in lost if span is not None), ground.of_claim(count.doubt))
        yield from _numbers(ground, place, (count.low + 1,))


def _strangers(ground: Ground) -> Iterator[TrackedDevice]:
    """Devices left in, or perhaps planned today, by size, that are none of those of the suggestion."""
    known = [d for d in ground.devices if d.standing == "today" and d.target is None]
    for timeline in ground.case.timelines.values():
        for device in timeline.devices:
            left = device.in_place if device.standing == "today" else device.pending
            alike = (
                same_size(d.size, device.size) and same_product(d.product, device.product) for d in known
            )
            if left and device.size and device.target is None and not any(alike):
                yield device


def _open(device: TrackedDevice) -> bool:
    """Whether the words for a device alone leave open if it stayed."""
    if device.in_place:
        return device.doubtful or device.unsure or device.only_named or device.withheld
    return device.state == "embolized" or (device.state in ("named", "loaded") and not device.tried)


def _left_after_all(ground: Ground, reason: Reason) -> Iterator[Answer]:
    """One device left in, at the treated valve, or at either where that is open."""
    devices = [d for d in ground.devices if d.standing == "today" and d.target is None]
    tried = [d for d in devices if d.tried or d.state in ("removed", "embolized")]
    places = reason.evidence or ground.spans(*ground.about())[:1]
    count, treated = replace(ground.count, low=1, high=1, conflict=None, unstated=None), ground.around.treated
    if len(treated.valves) == 1:
        for device in sorted(tried, key=lambda d: len(d.events))[-1:]:
            told = (ground.lost(device) or ground.told(device), ground.named(device))
            yield Answer("change.stayed", count, ground.around, tuple(dict.fromkeys(told)), device)
        yield Answer("change.left", count, ground.around, places)
        return
    for valve in _named(ground) or _LEFT_VALVES:
        for witness in list(ground.about())[:1]:
            yield Answer(
                "change.left_at", count, ground.at_valve(valve, witness), places, valve=valve, rerouted=True
            )


def _one_of(ground: Ground, rule: str, valves: tuple[str, ...]) -> Iterator[Answer]:
    """Each of these valves as the treated one."""
    for valve in valves:
        witness = _witness(ground, valve)
        if witness is not None:
            around = ground.at_valve(valve, witness)
            yield Answer(rule, ground.count, around, ground.spans(witness), valve=valve, rerouted=True)


def _other_valve(ground: Ground) -> Iterator[Answer]:
    """Where parts name different valves: the other one instead, or for one of the devices."""
    named, treated = _named(ground), ground.around.treated
    yield from _one_of(ground, "change.valve", named)
    if len(treated.valves) != 1 or ground.count.low < 2:
        return
    (first,) = treated.valves
    for valve in named:
        witness = _witness(ground, valve)
        if valve != first and witness is not None:
            around = ground.at_both(first, valve, witness)
            yield Answer(
                "change.both", ground.count, around, ground.spans(witness), valve=valve, rerouted=True
            )


def _named(ground: Ground) -> tuple[str, ...]:
    """The valves of the left heart that a part of the note has as the treated one."""
    treated = ground.around.treated
    contested = {m.means.valve for m in treated.contested or () if getattr(m.means, "valve", None)}
    named = {*treated.valves, *treated.titled, *treated.leaking, *treated.closed, *contested}
    return tuple(valve for valve in _LEFT_VALVES if valve in named)


def _witness(ground: Ground, valve: str) -> Mention | None:
    """The words that name a valve as the treated one, or else the leak."""
    treated = ground.around.treated
    for named in (treated.titled, treated.closed, treated.leaking, treated.valves):
        if valve in named:
            return named[valve]
    contested = (m for m in treated.contested or () if getattr(m.means, "valve", None) == valve)
    return next(contested, next(iter(ground.about()), None))


def _division(ground: Ground) -> Iterator[Answer]:
    """How the devices divide over two valves: one at least at each, or all at one."""
    treated = ground.around.treated
    valves = [valve for valve in treated.valves if valve in _LEFT_VALVES]
    for valve in valves:
        others = [other for other in valves if other != valve]
        if others and ground.count.low > 1:
            witness = treated.valves[valve]
            around = ground.at_both(others[0], valve, witness)
            places = ground.spans(witness)
            yield Answer("change.both", ground.count, around, places, valve=valve, rerouted=True)
    yield from _one_of(ground, "change.all_at", tuple(valves))


def _no_ring(ground: Ground) -> Iterator[Answer]:
    """A valve prosthesis, and no ring, beside the leak."""
    ring = ground.around.ring
    if ring is None:
        return
    for valve in _named(ground) or _LEFT_VALVES:
        around = replace(ground.at_valve(valve, ring), ring=None)
        yield Answer(
            "change.prosthesis", ground.count, around, ground.spans(ring), valve=valve, rerouted=True
        )


# -- in words ---------------------------------------------------------------------------------


class _Sentences:
    """Tells answers in the words of the rules."""

    def __init__(self, ground: Ground) -> None:
        form = ground.book.change_form
        assert form is not None
        self._form = form
        self._ground = ground

    def tell(self, answer: Answer, units: dict[str, int]) -> str:
        """The sentence for an answer, with what it would give."""
        form, places = self._form, answer.places
        number = answer.count.low
        values: dict[str, object] = {
            "place": self._place(places[0]) if places else "",
            "quote": self._place(places[0], self._form.quote) if places else "",
            "device": self._device(answer.device, places),
            "other": self._device(answer.other, places[1:]),
            "devices": {0: form.no_device, 1: form.one_device}.get(number, fill(form.devices, count=number)),
            "part": form.parts.get(answer.source, answer.source) if answer.source else "",
            "valve": answer.valve,
            "route": answer.route,
        }
        condition = fill(self._ground.book.changes[answer.rule].condition, **values)
        return fill(form.sentence, condition=condition, result=self._result(units))

    def _place(self, span: Span, template: str = "") -> str:
        words = " ".join(span.text.split())
        if len(words) > _LONGEST_QUOTE:
            words = words[:_LONGEST_QUOTE].rsplit(" ", 1)[0] + " …"
        line = line_at(self._ground.evidence.text, span.start)
        return fill(template or self._form.place, line=line, words=words)

    def _device(self, device: TrackedDevice | None, places: tuple[Span, ...]) -> str:
        if device is None or not places:
            return ""
        number = next(n for n, d in enumerate(self._ground.devices, 1) if d is device)
        name = " ".join(part for part in (device.size, device.product) if part)
        form = self._form.device if name else self._form.unnamed
        return fill(form, number=number, name=name, place=self._place(places[0]))

    def _result(self, units: dict[str, int]) -> str:
        """What the codes would be: all of them where there were none, else what differs."""
        form, before = self._form, self._ground.units
        if not units:
            return form.none
        added = {code: n for code, n in units.items() if code not in before}
        dropped = [code for code in before if code not in units]
        if not before:
            return self._codes(added)
        if not added and len(units) == 1:
            return fill(form.alone, codes=self._codes(units))
        first = [rule.code for name, rule in self._ground.book.coding.items() if _is_first(name)]
        parts = []
        for old, new in zip(
            [c for c in dropped if c in first], [c for c in added if c in first], strict=False
        ):
            parts.append(fill(form.swapped, code=new, before=old))
            dropped.remove(old)
            del added[new]
        for code, n in units.items():
            if before.get(code, n) != n:
                parts.append(fill(form.instead, code=code, units=n, before=before[code]))
        parts += [fill(form.dropped, code=code) for code in dropped]
        parts += [fill(form.added, codes=self._codes(added))] if added else []
        return ", ".join(parts)

    def _codes(self, units: dict[str, int]) -> str:
        return " + ".join(fill(self._form.code, code=code, units=n) for code, n in units.items())


def _is_first(rule: str) -> bool:
    """Whether a coding rule is that of a first device."""
    return rule.startswith("coding.initial.")
