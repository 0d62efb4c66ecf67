"""Claims: who says how many devices stayed in.

In: the parsed sentences of a note. Out: a ``Case``: a timeline for the
narrative and one for each other part that tells of devices (title, findings,
implant table, summary, addendum), and the claims they make.

Every part is read by the same grammar; each becomes an independent claim
``low..high``. Detailed sources (narrative, event log, implant table, correcting
addendum) win over titles and summaries (coding-policy section 3).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

from extractor.events import Event, Standing, Statement, Timeline, TrackedDevice
from extractor.grammar import Parse
from extractor.layout import Section
from extractor.mentions import Mention
from extractor.phrases import DevicePhrase, size_key
from extractor.timeline import TimelineBuilder

Source = Literal["narrative", "log", "implants", "findings", "summary", "title", "addendum", "equipment"]

_SOURCE_OF_ROLE: dict[str, Source] = {
    "body": "narrative", "description": "narrative", "other": "narrative", "complications": "narrative",
    "letterhead": "narrative", "log": "log", "findings": "findings", "summary": "summary",
    "title": "title", "addendum": "addendum", "implants": "implants", "equipment": "equipment",
}  # fmt: skip
_SOURCES: tuple[Source, ...] = (
    "title", "narrative", "log", "findings", "implants", "equipment", "summary", "addendum",
)  # fmt: skip
# Sources that may tell the course of events when there is no narrative.
_NARRATORS: tuple[Source, ...] = ("narrative", "log", "findings", "implants", "summary")


_MOST_OF_ONE_ARTICLE = 9  # a larger number in a quantity column is a size or an order number


@dataclass(frozen=True, slots=True)
class Claim:
    """``low`` to ``high`` devices left in, as one source of the note has it."""

    source: Source
    detailed: bool
    low: int
    high: int | None
    start: int
    end: int
    section: str
    rule: str
    corrects: bool = False
    best: int | None = None  # what it comes to, taken as it reads; None: it gives no number
    stated: bool = False  # said or listed in so many words, and not added up from events

    def admits(self, count: int) -> bool:
        """Whether a count agrees with this claim."""
        return self.low <= count and (self.high is None or count <= self.high)


@dataclass(slots=True)
class Case:
    """All that a note says about devices: timelines by source, and claims."""

    timelines: dict[Source, Timeline] = field(default_factory=dict)
    claims: list[Claim] = field(default_factory=list)
    narrator: Source | None = None
    parses: list[tuple[Parse, Source, Standing]] = field(default_factory=list)
    listed: bool = False  # a part of the note lists implants, and not only supplies

    @property
    def main(self) -> Timeline:
        """The timeline that tells the course of events."""
        return self.timelines[self.narrator] if self.narrator else Timeline()


def build_case(parses: list[Parse], tables: list[Mention]) -> Case:
    """Read every sentence into the timeline of its source and draw the claims.

    Parameters
    ----------
    parses
        Parsed sentences in text order.
    tables
        Mentions of the ``table`` layer (column names and row fates).
    """
    case = Case()
    builders: dict[Source, TimelineBuilder] = {}
    has_log = sum(p.sentence.form == "log" for p in parses) >= 3
    begun: Section | None = None
    corrected = any(p.sentence.section.role == "addendum" and "correction" in p.cue_kinds() for p in parses)
    rows: list[tuple[Parse, Source]] = []
    for parse in parses:
        section = parse.sentence.section
        standing: Standing = "today"
        source: Source
        if section.role == "history":
            # A narrative that follows without a header begins with consent or access.
            if parse.cue_kinds() & {"today", "history"} == {"today"} and not parse.phrases:
                begun = section
            standing, source = ("today" if begun is section else "prior"), "narrative"
        elif section.role in ("copied", "plan"):
            standing, source = ("prior" if section.role == "copied" else "planned"), "narrative"
        else:
            source = _SOURCE_OF_ROLE[section.role]
            if source == "narrative" and has_log and parse.sentence.form == "log":
                source = "log"
        case.parses.append((parse, source, standing))
        if source in ("implants", "equipment") and parse.sentence.form == "prose" and _tells(parse):
            source = "narrative"  # running text under an implant header
        fates = {m.means.fate for m in tables if m.means.fate and parse.first <= m.first < parse.last}
        if standing == "today" and (
            source in ("implants", "equipment")
            or (parse.sentence.form == "row" and (source != "log" or fates & {"implanted", "removed"}))
        ):
            told = {m.means.fate for m in tables if m.means.fate and parse.first <= m.first < parse.last}
            rows.append(
                (
                    parse,
                    "equipment"
                    if source == "equipment" and not told & {"implanted", "removed"}
                    else "implants",
                )
            )
            continue
        builder = builders.get(source)
        if builder is None:
            builder = builders[source] = TimelineBuilder(summary=source in ("summary", "title", "findings"))
        builder.read(parse, standing)
    case.timelines = {source: builders[source].timeline for source in _SOURCES if source in builders}
    for source in ("implants", "equipment"):
        mine = [parse for parse, its in rows if its == source]
        if mine:
            case.timelines[source] = _table(mine, tables, source)
    case.listed = any(p.sentence.section.role == "implants" for p, s in rows if s == "implants")
    case.narrator = _narrator(case)
    _share_targets(case)
    others = _other_implants(parses)
    for source, timeline in case.timelines.items():
        case.claims += _claims(case, source, timeline, others, corrected)
    return case


def _share_targets(case: Case) -> None:
    """A table lists what went into other defects too: the narrative knows which that was."""
    elsewhere = [
        size_key(d.size) for d in case.main.devices if d.target is not None and d.standing == "today"
    ]
    for source, timeline in case.timelines.items():
        if source == case.narrator:
            continue
        for key in list(elsewhere):
            if any(d.target is not None and size_key(d.size) == key for d in timeline.devices):
                continue
            match = next(
                (d for d in timeline.devices if d.target is None and key and size_key(d.size) == key), None
            )
            at_leak = sum(size_key(d.size) == key and d.in_place for d in case.main.today())
            listed = sum(size_key(d.size) == key and d.in_place for d in timeline.devices)
            if match is not None and listed > at_leak:
                timeline.devices[timeline.devices.index(match)].target = "other"


def _other_implants(parses: list[Parse]) -> int:
    """Implants of other kinds (appendage occluder, valve, clip) that a total may include."""
    roles = {
        noun.means.role
        for parse in parses
        for noun in parse.nouns
        if noun.kind == "other_device" and noun.means.role in ("appendage", "valve", "clip")
        and any(a.means.event in ("open", "release") for a in parse.actions)
    }  # fmt: skip
    return len(roles)


def _tells(parse: Parse) -> bool:
    """Whether a line is a sentence and not a list entry."""
    return parse.last - parse.first > 6 and any(role in ("be", "subject") for role in parse.roles.values())


def _narrator(case: Case) -> Source | None:
    """The source that tells most of the course of events; ties go to the narrative."""
    events = {
        s: sum(len(d.events) for d in case.timelines[s].today())
        for s in ("narrative", "log")
        if s in case.timelines and any(d.events[1:] for d in case.timelines[s].today())
    }
    if events:
        return max(events, key=lambda s: (events[s], s == "narrative"))
    told = [s for s in _NARRATORS if s in case.timelines and (case.timelines[s].today())]
    for source in told:
        if any(d.events[1:] for d in case.timelines[source].today()):
            return source
    return told[0] if told else None


def bounds(timeline: Timeline) -> tuple[int, int | None]:
    """How many devices a timeline leaves in: at least, at most."""
    low, high = 0, 0
    unbounded = False
    described = sum(d.in_place and not d.many for d in timeline.today())
    for device in timeline.today():
        if device.many and device.size is None and described > 1:
            continue  # "the plugs were placed one after another", and then each is told
        if device.many and device.in_place:
            low, unbounded = low + 2, True
        elif device.in_place:
            low += not (device.doubtful or device.unsure or device.only_named)
            high += 1
        elif device.many and device.state in ("named", "loaded"):
            low, unbounded = low + (0 if device.pending else 1), True
        elif (device.state in ("named", "loaded") and not device.tried) or device.state == "embolized":
            high += 1
    high += sum(loose.extra for loose in timeline.loose)
    return low, None if unbounded else high


def _claims(case: Case, source: Source, timeline: Timeline, others: int, corrected: bool) -> list[Claim]:
    prior = max((t.prior() for t in case.timelines.values()), default=0)
    left_in = sum(d.in_place for d in case.main.today())
    corrects = source == "addendum" and corrected
    narrates = source == case.narrator
    claims = _of_devices(source, timeline, narrates, corrects, case.listed)
    if prior and not narrates and source != "implants":
        # "he now has three devices in all": a lifetime total
        claims = [c for c in claims if c.best is None or c.best != left_in + prior]
    final = sum(d.in_place for d in timeline.today())
    for statement in timeline.statements:
        claims += _stated(source, statement, final, prior, others, left_in, narrates, corrects)
    return claims


def _of_devices(
    source: Source, timeline: Timeline, narrates: bool, corrects: bool, listed: bool
) -> list[Claim]:
    """What the devices of a source come to; nothing where it only says that there were some."""
    today = timeline.today()
    only_out = source == "implants" and not any(d.in_place for d in today) and not listed
    if not today or source == "equipment" or only_out:
        if source != "implants" or not timeline.devices or only_out:
            return []  # a supply list that marks what was taken out does not list what stayed
        proof = timeline.devices[0].events[0]
        return [
            Claim(source, True, 0, 0, proof.start, proof.end, proof.section, proof.rule, best=0, stated=True)
        ]
    low, high = bounds(timeline)
    tells = narrates or source == "implants"
    if not tells and not low:
        return []  # summaries name devices; what they leave out they do not deny
    if source in ("title", "summary", "findings") and not narrates and not any(d.counted for d in today):
        high = None  # what only names the device does not count
    proof = next((d.events[-1] for d in reversed(today) if d.in_place), today[0].events[0])
    many = any(d.many for d in today if d.in_place)
    return [
        Claim(
            source,
            tells,
            low,
            high,
            proof.start,
            proof.end,
            proof.section,
            proof.rule,
            corrects,
            best=None if many or high is None else sum(d.in_place for d in today),
            stated=source == "implants" or _confirmed(timeline),
        )
    ]


def _confirmed(timeline: Timeline) -> bool:
    """As in "Both plugs were released": the text counts the devices that its events leave in."""
    final = sum(d.in_place for d in timeline.today())
    return any(s.low == s.high == s.at == final for s in timeline.statements)


def _stated(
    source: Source,
    statement: Statement,
    final: int,
    prior: int,
    others: int,
    left_in: int,
    narrates: bool,
    corrects: bool,
) -> list[Claim]:
    """A stated count as a claim about the end: what came after it is added."""
    later = final - statement.at if narrates else 0
    if statement.high == 0 < statement.at:
        return []  # "nothing was put in the septum", with devices in place
    told_later = final or (left_in and source in ("narrative", "log"))
    if statement.low == statement.high == statement.at == 0 and told_later:
        return []  # "no device was placed then", and later one was
    if statement.kind == "position" and prior and not final and not left_in and statement.low <= prior:
        return []  # what earlier sessions left is seen again
    if statement.mixed and prior and statement.low == statement.high == statement.at + prior:
        return []  # "three plugs around this valve, counting the old one"
    if statement.kind == "position":
        prior = others = 0
    if narrates and statement.others and statement.low == statement.high == statement.at + statement.others:
        return []  # counts the device in another defect as well
    at = statement.at if narrates else left_in
    if others and statement.low == statement.high and at < statement.low <= at + others:
        return []  # counts implants of other kinds as well
    if prior and statement.low == statement.high == at + prior:
        return []  # a lifetime total
    if statement.kind == "position":
        if narrates and statement.at >= statement.low:
            return []  # said of some of the devices, or before the next one
        detailed = narrates
        later = 0
    else:
        detailed = narrates and source != "summary"
    low = statement.low + later
    if later < 0:
        later = 0  # something was taken out after the count was said: either may hold
    high = None if statement.high is None or statement.kind == "position" else statement.high + later
    return [
        Claim(
            source,
            detailed,
            low,
            high,
            statement.start,
            statement.end,
            statement.section,
            statement.rule,
            corrects,
            best=low if statement.low == statement.high else None,
            stated=True,
        )
    ]


# -- implant tables -------------------------------------------------------------


def _table(parses: list[Parse], tables: list[Mention], source: Source) -> Timeline:
    """Devices of implant tables, supply logs and implant lists: one entry a line."""
    timeline = Timeline()
    quantity_column: int | None = None
    asked_column: int | None = None  # "Released | yes"
    rows: Counter[str] = Counter()
    by_word = {m.first: m for m in tables}
    valve: str | None = None
    for parse in parses:
        marks = [by_word[i] for i in range(parse.first, parse.last) if i in by_word]
        columns = [m for m in marks if m.means.column]
        if len(columns) >= 2 and not any(p.product or p.sizes for p in parse.phrases):
            quantity = next((m for m in columns if m.means.column == "quantity"), None)
            quantity_column = _cell(parse, quantity.first) if quantity else None
            asked = next(
                (m for m in marks if m.means.fate == "implanted" or m.means.column == "status"), None
            )
            asked_column = _cell(parse, asked.first) if asked else None
            continue
        fates = [m for m in marks if m.means.fate and m.means.fate != "other"]
        fate = fates[-1].means.fate if fates else _fate_of_header(parse, tables)
        if len(fates) > 1 and all(_beside(parse, [m]) for m in fates):
            fate = fates[0].means.fate  # "implanted 1, wasted 1": the rest is listed below
        if asked_column is not None and not fates:
            answer = [
                parse.words.words[i]
                for i in range(parse.first, parse.last)
                if _cell(parse, i) == asked_column and parse.words.words[i] != "|"
            ]
            fate = "unused" if answer and answer[0] in ("no", "n") else fate
        others = any(m.kind == "other_device" for m in parse.nouns)
        entries = _entries(parse, parse.phrases)
        for n, phrase in enumerate(entries):
            if fates and len(entries) > 1 and fates[0].first > entries[0].first:
                following = entries[n + 1].first if n + 1 < len(entries) else parse.last
                own = [m for m in fates if phrase.first < m.first < following]
                fate = own[-1].means.fate if own else None  # each entry has its own
            if (others or (phrase.plural and phrase.number is None)) and not phrase.product:
                phrase.explanation = "other device" if others else "heading"
                continue
            if phrase.headless or phrase.none or phrase.head is None or phrase.head.means.head == "weak":
                phrase.explanation = "none" if phrase.none else "reference"
                continue
            target = (
                next((m.means.site for m in parse.nouns if m.kind == "target"), None)
                or phrase.head.means.usual_target
            )
            number = phrase.quantity
            if phrase.number is None and not phrase.plural:
                number = _beside(parse, marks) or number
            if phrase.number is None and quantity_column is not None:
                number = _quantity(parse, quantity_column) or number
            unused = any(a.means.event == "unused" for a in parse.actions)
            removed = any(
                a.means.event in ("withdraw", "waste", "exchange", "embolize", "capture")
                for a in parse.actions
            )
            outcome = fate or (
                "unused"
                if unused
                else "removed"
                if removed
                else "implanted"
                if source == "implants"
                else None
            )
            if unused and fate == "implanted" and len(fates) == 1:
                outcome = "unused"
            for _ in range(number or 1):
                device = TrackedDevice(
                    phrase.product,
                    phrase.sizes[0] if phrase.sizes else None,
                    valve=phrase.valve or valve,
                    target=target,
                )
                device.state = {"implanted": "released", "removed": "removed", "unused": "unused"}.get(
                    outcome or "", "loaded"
                )  # type: ignore[assignment]
                start, end = parse.words.starts[parse.first], parse.words.ends[parse.last - 1]
                device.events.append(
                    Event(outcome or "listed", start, end, parse.sentence.section.role, phrase.head.rule)
                )
                device.many = number is None
                if outcome == "removed":
                    # IMPLANTED, then EXPLANTED in a later row: one device.
                    earlier = [
                        d
                        for d in timeline.devices
                        if d.in_place
                        and size_key(d.size) == size_key(device.size)
                        and d.product == device.product
                    ]
                    if earlier and any(a.means.event == "withdraw" for a in parse.actions):
                        earlier[-1].state = "removed"
                        continue
                row = " ".join([*parse.between(parse.first, parse.last), str(phrase.first - parse.first)])
                rows[row] += 1
                device.doubtful = rows[row] > max(1, number or 1)
                timeline.devices.append(device)
            phrase.explanation = f"{source}: {outcome or 'listed'} x{number or '?'}"
        for phrase in parse.phrases:
            timeline.explained.append((phrase, phrase.explanation))
    return timeline


def _fate_of_header(parse: Parse, tables: list[Mention]) -> str | None:
    """As in "OPENED, NOT IMPLANTED:" says what became of the rows under it."""
    section = parse.sentence.section
    fates = [
        m.means.fate
        for m in tables
        if section.start <= m.start < section.body and m.means.fate in ("removed", "unused")
    ]
    return fates[-1] if fates else None


def _beside(parse: Parse, marks: list[Mention]) -> int | None:
    """The number right behind the word for a row's fate: "implanted 2"."""
    for mark in marks:
        mention = parse.items.get(mark.last)
        if mark.means.fate and mention is not None and mention.kind == "count":
            return mention.value or mention.means.number
    return None


def _listed_apart(parse: Parse, one: DevicePhrase, other: DevicePhrase) -> bool:
    """As in "AVP II 10 mm and AVP II 10 mm": two entries, where "Name: X  Item: X" is one."""
    gap = parse.between(one.last, other.first)
    return len(gap) <= 4 and bool(set(gap) & {"and", ",", "+", "&", ";"})


def _entries(parse: Parse, phrases: list[DevicePhrase]) -> list[DevicePhrase]:
    """One phrase a device of a row: the same article named twice is one entry."""
    kept: list[DevicePhrase] = []
    for phrase in phrases:
        same = next(
            (p for p in kept if _same_article(p, phrase) and not _listed_apart(parse, p, phrase)), None
        )
        if same is None:
            kept.append(phrase)
            continue
        same.product = same.product or phrase.product
        same.sizes = same.sizes or phrase.sizes
        same.number = same.number if same.number is not None else phrase.number
        phrase.explanation = "the same entry"
    return kept


def _same_article(one: DevicePhrase, other: DevicePhrase) -> bool:
    """Whether two phrases of a row may name one article: what both tell agrees."""
    if other.headless or (one.number is not None and other.number is not None):
        return False
    if one.product != other.product and one.product is not None and other.product is not None:
        return False
    return not one.sizes or not other.sizes or size_key(one.sizes[0]) == size_key(other.sizes[0])


def _cell(parse: Parse, word: int) -> int:
    """Index of the table cell in which a word stands: cells end at a bar, or at two spaces or a tab."""
    words = parse.words
    if "|" in parse.between(parse.first, parse.last):
        return sum(words.words[i] == "|" for i in range(parse.first, word))
    return sum(words.starts[i] - words.ends[i - 1] >= 2 for i in range(parse.first + 1, word + 1))


def _quantity(parse: Parse, column: int) -> int | None:
    numbers = [
        m.value for i, m in parse.items.items()
        if m.kind == "count" and m.value is not None and m.first == i and _cell(parse, i) == column
    ]  # fmt: skip
    return numbers[0] if len(numbers) == 1 and numbers[0] <= _MOST_OF_ONE_ARTICLE else None
