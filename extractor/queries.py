"""Queries: draft questions to the physician, where a physician can clear up what a note leaves open.

In: a note with its layout, ``Case``, ``Count``, ``Circumstances`` and suggestion. Out:
a ``Query`` for each such reason. Every word of a query that is not the note's is data
(``patterns/queries.yaml``).

A draft quotes the note with the place of its words, offers each answer that a part of
the note supports, "Other" and "Unable to determine", and never mentions codes, units,
edits or payment (coding policy, section 5). Options stand in the order of their
number of devices, fewest first, whatever is suggested. Where the note supports fewer
than two answers the question is open: one option alone would lead.

Asked are the devices that remained (``device_count_conflict``,
``device_count_unstated``) and the treated valve (``valve_unstated``,
``valve_conflict``). The other reasons give no query, since nothing in the record is
open that a physician could tell:

- ``no_device_implanted``: documented; what is coded of it is the coder's decision.
- ``other_valve``, ``annuloplasty_ring``, ``open_approach``,
  ``same_session_valve_implant``: documented; a coder decides what follows.
- ``not_procedure_note``, ``addendum_alone``, ``note_not_signed``: another document, or
  a signature, is needed.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from extractor.circumstances import Circumstances
from extractor.claims import Case
from extractor.count import Count
from extractor.doubts import unsettled
from extractor.events import Event, Timeline, TrackedDevice, same_product, same_size
from extractor.layout import Layout, Section
from extractor.phrases import size_key
from extractor.rules import QueryForm, QueryRule, RuleBook
from extractor.suggestion import Query, Reason, Suggestion

_MOST_QUOTES = 10
_MOST_NUMBERS = 4  # of devices to choose from; where more are possible the question is open
_LONGEST_QUOTE = 200  # characters
_FEWEST_WORDS = 5  # a shorter sentence is quoted with the one before it
_LONGEST_TITLE = 60
_LOSSES = ("withdraw", "embolize", "capture", "exchange", "waste", "unused", "removed", "not release")
_IDLE = ("check", "select")  # events that change nothing
_FIELD = re.compile(r"\{(\w+)\}")
_LINE_END = re.compile(r"\r\n|\r|\n")

Mark = tuple[int, int]  # characters of the note


@dataclass(frozen=True, slots=True)
class Material:
    """What a query is drafted from: the stages of one note."""

    text: str
    layout: Layout
    case: Case
    count: Count
    around: Circumstances


def draft_queries(book: RuleBook, material: Material, suggestion: Suggestion) -> tuple[Query, ...]:
    r"""Draft the query for each reason that a physician can clear up, in the order of the reasons.

    Parameters
    ----------
    book
        The rules; without templates for queries none are drafted.
    material
        What is known of the note.
    suggestion
        What is suggested for it, with the reasons.

    Examples
    --------
    >>> from extractor import Coder
    >>> note = (
    ...     "Mitral paravalvular leak closure.\n"
    ...     "A 12 mm AVP II was deployed and released. An 8 mm AVP II was deployed and released.\n"
    ...     "IMPRESSION: closure with one plug."
    ... )
    >>> print(Coder().suggest(note).queries[0].text)  # doctest: +NORMALIZE_WHITESPACE
    The record of this procedure states:
    - “A 12 mm AVP II was deployed and released.” (text, line 2)
    - “An 8 mm AVP II was deployed and released.” (text, line 2)
    - “closure with one plug.” (IMPRESSION, line 3)
    <BLANKLINE>
    Based on your clinical judgment, please clarify which occlusion device(s), if any, remained
    implanted at the paravalvular leak(s) at the end of this procedure, with product and size:
    [ ] One occlusion device; product and size: ____
    [ ] 12 mm Amplatzer Vascular Plug II and 8 mm Amplatzer Vascular Plug II
    [ ] Other: ____
    [ ] Unable to determine
    """
    if book.form is None:
        return ()
    drafts = _Drafts(book.form, material)
    found = []
    for reason in suggestion.reasons:
        rule = book.queries.get(_situation(reason, material))
        text = drafts.draft(rule, reason) if rule is not None else ""
        if text:
            found.append(Query(reason=reason.code, text=text))
    return tuple(found)


def fill(template: str, **values: object) -> str:
    """A template with its names in braces filled; braces in what is filled in mean nothing.

    Examples
    --------
    >>> fill("{size} {product}", size="8 mm", product="{size}")
    '8 mm {size}'
    """
    return _FIELD.sub(lambda name: str(values[name[1]]), template)


def line_at(text: str, start: int) -> int:
    r"""The number of the line of a note that a character stands in, the first line being 1.

    Examples
    --------
    >>> line_at("Title\r\nTwo plugs.", 7)
    2
    """
    return len(_LINE_END.findall(text, 0, start)) + 1


def _situation(reason: Reason, material: Material) -> str:
    """Id of the template for a reason; one that names no template where there is nothing to ask."""
    match reason.code:
        case "device_count_unstated":
            return "query.devices.unstated"
        case "valve_unstated":
            return "query.valve.unstated"
        case "valve_conflict":
            return "query.valve.parts"
        case "device_count_conflict":
            return f"query.devices.{_count_situation(reason, material.count, material.around)}"
    return ""


def _count_situation(reason: Reason, count: Count, around: Circumstances) -> str:
    if count.conflict is not None:
        return "parts"
    if count.exact is None and count.unstated is None:
        return "range"
    starts = {span.start for span in reason.evidence}
    if {m.start for m in (around.failed, around.attempted) if m is not None} & starts:
        return "failed"
    if {m.start for m in around.treated.valves.values()} & starts:
        return "division"
    return "elsewhere"


@dataclass(frozen=True, slots=True)
class _Place:
    """Where quoted words stand: their section, and the sentence or line they are taken from."""

    section: Section
    start: int
    end: int


class _Drafts:
    """Drafts the queries of one note."""

    def __init__(self, form: QueryForm, material: Material) -> None:
        self._form = form
        self._note = material
        self._quotes = _Quotes(form, material.text, material.layout)

    def draft(self, rule: QueryRule, reason: Reason) -> str:
        """The text of a query; empty where the note has no words to ask about."""
        form = self._form
        quotes = list(self._quotes.lines(self._marks(rule.id, reason)))
        if not quotes:
            return ""
        choices = list(dict.fromkeys(self._choices(rule.id)))
        answers = choices if len(choices) > 1 else [rule.answer]
        options = (fill(form.option, choice=choice) for choice in (*answers, form.other, form.unable))
        return "\n".join((form.intro, *quotes, "", rule.ask, *options))

    # -- what is quoted -----------------------------------------------------------

    def _marks(self, query: str, reason: Reason) -> Iterator[Mark]:
        """The words that a question is about, the most telling first."""
        marks = list(dict.fromkeys(self._telling(query, reason)))
        devices = [d for t in self._note.case.timelines.values() for d in t.devices]
        idle = {(e.start, e.end) for d in devices for e in d.events if e.event in _IDLE}
        telling = [mark for mark in marks if mark not in idle]
        yield from telling or marks

    def _telling(self, query: str, reason: Reason) -> Iterator[Mark]:
        yield from ((span.start, span.end) for span in reason.evidence)
        case, around = self._note.case, self._note.around
        if query.startswith("query.valve"):
            named = (around.closure, around.leak)
            yield from ((m.start, m.end) for m in named if m is not None)
            if reason.evidence:
                return
        yield from ((claim.start, claim.end) for claim in case.claims)
        timelines = [t for source, t in case.timelines.items() if source != "equipment"]
        yield from ((loose.start, loose.end) for t in timelines for loose in t.loose)
        devices = [d for t in timelines for d in t.today() if d.events]
        for told in (_lost, self._named, self._last):
            for device in devices:
                event = told(device)
                if event is not None:
                    yield event.start, event.end

    def _named(self, device: TrackedDevice) -> Event:
        """The first event whose words hold a number, as a size does."""
        events = (e for e in device.events if any(map(str.isdigit, self._note.text[e.start : e.end])))
        return next(events, device.events[0])

    def _last(self, device: TrackedDevice) -> Event:
        return next((e for e in reversed(device.events) if e.event not in _IDLE), device.events[-1])

    # -- what is offered ----------------------------------------------------------

    def _choices(self, query: str) -> Iterator[str]:
        match query:
            case "query.devices.parts":
                yield from self._device_choices(self._numbers())
            case "query.devices.range":
                count = self._note.count
                top = count.low if count.high is None else count.high
                if top - count.low < _MOST_NUMBERS:
                    yield from self._device_choices({*range(count.low, top + 1)})
            case "query.devices.failed":
                yield from self._device_choices({0, self._note.count.low})
            case "query.devices.division":
                yield from self._shares()
            case "query.valve.parts":
                yield from self._valves()

    def _numbers(self) -> set[int]:
        """How many devices the parts of the note give."""
        claims = self._note.case.claims
        return {c.best for c in claims if c.best is not None} | {c.low for c in claims if c.low == c.high}

    def _device_choices(self, numbers: set[int]) -> Iterator[str]:
        form = self._form
        sets = _sets(self._note.case)
        if any(_all_lost(timeline) for timeline in self._note.case.timelines.values()):
            numbers = numbers | {0}
        for number in sorted(numbers):
            named = [group for group in sets if len(group) == number and all(map(_known, group))]
            if number == 0:
                yield form.none
            elif named:
                yield from sorted(_capital(self._told(group)) for group in named)
            else:
                yield form.one if number == 1 else fill(form.many, count=number)
        conflict = self._note.count.conflict or ()
        most = [claim.low for claim in conflict if claim.high is None and claim.best is None]
        if most:
            yield fill(form.more, count=max(most))

    def _told(self, group: Iterable[TrackedDevice]) -> str:
        """Devices by size and product; the same twice is told once."""
        kinds = Counter((size_key(d.size), d.product) for d in sorted(group, key=_order))
        return _and([self._name(*kind, count) for kind, count in kinds.items()])

    def _name(self, key: tuple[str, ...], product: str | None, count: int) -> str:
        form = self._form
        if not key:
            if product is None:
                return form.nameless if count == 1 else fill(form.nameless_many, count=count)
            return fill(form.unsized if count == 1 else form.unsized_many, product=product, count=count)
        size = f"{' x '.join(key)} mm"
        one = fill(form.sized, size=size, product=product) if product else fill(form.unnamed, size=size)
        return one if count == 1 else fill(form.repeated, device=one, count=count)

    def _shares(self) -> Iterator[str]:
        """How the devices divide over the valves, as each part of the note has it that divides them all."""
        form, treated = self._form, self._note.around.treated
        for share in treated.shares:
            whole = share.source == "statement" or share.total == self._note.count.exact
            if share.unplaced or not whole or set(share.units) != set(treated.valves):
                continue
            yield _capital(
                "; ".join(
                    fill(
                        form.shared,
                        valve=valve,
                        device=form.one_device if units == 1 else fill(form.devices, count=units),
                    )
                    for valve, units in sorted(share.units.items(), reverse=True)
                )
            )

    def _valves(self) -> Iterator[str]:
        """Each valve that a part of the note names, and both."""
        form, treated = self._form, self._note.around.treated
        named = {*treated.valves, *treated.titled, *treated.leaking, *treated.closed}
        named |= {m.means.valve for m in treated.contested or () if getattr(m.means, "valve", None)}
        valves = sorted(named, reverse=True)
        for valve in valves:
            yield _capital(fill(form.prosthesis, valve=valve))
        if len(valves) == 2:
            yield fill(form.both, first=valves[0], second=valves[1])


def _known(device: TrackedDevice) -> bool:
    return bool(device.size or device.product)


def _lost(device: TrackedDevice) -> Event | None:
    """The last event that took a device out, whatever is told of it afterwards."""
    return next((event for event in reversed(device.events) if event.event in _LOSSES), None)


def _all_lost(timeline: Timeline) -> bool:
    """Whether every device is told of as taken out, and none as let go after that."""
    devices = timeline.today()
    for device in devices:
        told = [e.event for e in device.events if e.event in (*_LOSSES, "release", "remain", "implanted")]
        if not told or told[-1] not in _LOSSES:
            return False
    return bool(devices)


def _sets(case: Case) -> list[list[TrackedDevice]]:
    """The sets of devices that the parts of a note leave in, and those left without what is in doubt."""
    found: list[list[TrackedDevice]] = []
    detailed = {claim.source for claim in case.claims if claim.detailed}
    others = {claim.source for claim in case.claims} - detailed
    for source in (s for sources in (detailed, others) for s in case.timelines if s in sources):
        timeline = case.timelines[source]
        left = [d for d in timeline.today() if d.in_place]
        for group in (left, _settled(timeline, left), left + _open(timeline)):
            if not group or any(d.many for d in group):
                continue
            if source in others and any(len(group) == len(other) for other in found):
                continue  # the parts that tell the details also tell which devices these are
            alike = next((n for n, other in enumerate(found) if _same(group, other)), None)
            if alike is None:
                found.append(group)
            elif sum(map(_detail, group)) > sum(map(_detail, found[alike])):
                found[alike] = group
    return found


def _settled(timeline: Timeline, left: list[TrackedDevice]) -> list[TrackedDevice]:
    open_ = [*unsettled(timeline), *(d for d in left if d.doubtful or d.unsure or d.only_named or d.withheld)]
    return [d for d in left if d not in open_]


def _open(timeline: Timeline) -> list[TrackedDevice]:
    """Devices brought in, or lost, of which the text does not say where they ended."""
    return [
        d
        for d in timeline.today()
        if (d.state in ("named", "loaded") and not d.tried) or d.state == "embolized"
    ]


def _same(one: list[TrackedDevice], other: list[TrackedDevice]) -> bool:
    """Whether two parts may mean the same devices."""
    rest = list(other)
    for device in sorted(one, key=_detail, reverse=True):
        alike = next(
            (d for d in rest if same_size(d.size, device.size) and same_product(d.product, device.product)),
            None,
        )
        if alike is None:
            return False
        rest.remove(alike)
    return not rest


def _detail(device: TrackedDevice) -> int:
    return 2 * len(size_key(device.size)) + (device.product is not None)


def _order(device: TrackedDevice) -> tuple[list[float], str]:
    """The largest devices first."""
    return [-float(number) for number in size_key(device.size)], device.product or ""


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _merged(found: dict[Mark, _Place]) -> Iterator[tuple[Mark, _Place]]:
    """Stretches of a note in their order, those that overlap as one."""
    last: tuple[Mark, _Place] | None = None
    for start, end in sorted(found):
        place = found[start, end]
        if last is not None and start < last[0][1]:
            (first, before), was = last
            both = _Place(was.section, min(was.start, place.start), max(was.end, place.end))
            last = (first, max(end, before)), both
            continue
        if last is not None:
            yield last
        last = (start, end), place
    if last is not None:
        yield last


def _and(parts: list[str]) -> str:
    return ", ".join(parts[:-1]) + " and " + parts[-1] if len(parts) > 1 else parts[0]


class _Quotes:
    """Quotes a note, with the place of every quotation."""

    def __init__(self, form: QueryForm, text: str, layout: Layout) -> None:
        self._form = form
        self._text = text
        self._sentences = layout.sentences
        self._starts = [sentence.start for sentence in layout.sentences]
        words = "|".join(re.escape(word) for word in form.avoid)
        self._avoid = re.compile(rf"(?<!\w)(?:{words})(?!\w)", re.IGNORECASE)

    def lines(self, marks: Iterable[Mark]) -> Iterator[str]:
        """The quotations of the first marks, each once, in the order of the note."""
        found: dict[Mark, _Place] = {}
        for mark in marks:
            quoted = self._quoted(*mark)
            if quoted is not None and not any(a <= mark[0] and mark[1] <= b for a, b in found):
                found[quoted[0]] = quoted[1]
            if len(found) == _MOST_QUOTES:
                break
        for (start, end), place in _merged(found):
            words = " ".join(self._text[start:end].split())
            yield fill(
                self._form.quote,
                words=f"{self._cut(place.start, start)}{words}{self._cut(end, place.end)[::-1]}",
                section=self._name(place.section),
                line=line_at(self._text, start),
            )

    def _quoted(self, start: int, end: int) -> tuple[Mark, _Place] | None:
        """What to quote for a mark: its sentence, or as much of it as is short and may be repeated."""
        n = bisect_right(self._starts, start) - 1
        hit = self._avoid.search(self._text, start, end)
        end = min(end, start + _LONGEST_QUOTE, hit.start() if hit else end)
        if n < 0 or end == start:
            return None
        sentence = self._sentences[n]
        low, high = min(sentence.start, start), max(sentence.end, end)
        before = self._sentences[max(n - 1, 0)]
        short = sentence.form == "prose" and len(self._text[low:high].split()) < _FEWEST_WORDS
        if short and before.paragraph == sentence.paragraph and before.section is sentence.section:
            low = before.start
        if sentence.form in ("row", "record", "heap", "log") or high - low > _LONGEST_QUOTE:
            low = max([low, *(m.end() for m in _LINE_END.finditer(self._text, low, start))])
            high = min([high, *(m.start() for m in _LINE_END.finditer(self._text, end, high))])
        place = _Place(sentence.section, low, high)
        if high - low > _LONGEST_QUOTE:
            room = max(0, _LONGEST_QUOTE - (end - start)) // 2
            low, high = self._at_words(max(low, start - room), min(high, end + room), start, end)
        for hit in self._avoid.finditer(self._text, low, high):
            if hit.end() <= start:
                low = hit.end()
            elif hit.start() >= end:
                high = hit.start()
                break
        words = self._text[low:high]
        low += len(words) - len(words.lstrip(" \t\r\n,;:.)|•*-"))
        high -= len(words) - len(words.rstrip(" \t\r\n,;:(|-"))
        return ((low, high), place) if low < high else None

    def _cut(self, start: int, end: int) -> str:
        """The sign that words of a sentence are left out, with a blank behind it."""
        return "… " if any(map(str.isalnum, self._text[start:end])) else ""

    def _at_words(self, low: int, high: int, start: int, end: int) -> Mark:
        """The same stretch, without a piece of a word at either end."""
        while low < start and low > 0 and not self._text[low - 1].isspace():
            low += 1
        while high > end and high < len(self._text) and not self._text[high].isspace():
            high -= 1
        return low, high

    def _name(self, section: Section) -> str:
        """The header of a section as the note has it, or what such a part is called."""
        title = " ".join(section.title.split()).strip(" :*=_#-")
        if title and len(title) <= _LONGEST_TITLE and not self._avoid.search(title):
            return title
        return self._form.sections.get(section.role, section.role)
