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
from itertools import groupby, pairwise
from typing import Literal

from extractor.events import Standing, Statement, Timeline, TrackedDevice, same_size
from extractor.grammar import Parse
from extractor.implants import Listing, read_implants
from extractor.layout import Section
from extractor.mentions import Mention, begun
from extractor.phrases import size_key
from extractor.timeline import TimelineBuilder
from extractor.totals import Total, read_totals, state_total

Source = Literal["narrative", "log", "implants", "findings", "summary", "title", "addendum", "equipment"]

_SOURCE_OF_ROLE: dict[str, Source] = {
    "body": "narrative", "description": "narrative", "other": "narrative", "particulars": "narrative",
    "letterhead": "narrative", "log": "log", "findings": "findings", "summary": "summary",
    "title": "title", "addendum": "addendum", "implants": "implants", "equipment": "equipment",
}  # fmt: skip
_SOURCES: tuple[Source, ...] = (
    "title", "narrative", "log", "findings", "implants", "equipment", "summary", "addendum",
)  # fmt: skip
# Sources that may tell the course of events when there is no narrative.
_NARRATORS: tuple[Source, ...] = ("narrative", "log", "findings", "implants", "summary")

_LEAST_OF_LOG = 3  # lines that bear a time
_ENDS = frozenset({"implanted", "removed"})


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
    totals: list[Total] = field(default_factory=list)  # counts in the fields of forms

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
    reading = _Reading(
        tables,
        logs=_logs(parses),
        opening=next((p.first for p in parses if _opens_session(p)), 0),
        begins=_begun(parses),
    )
    for parse in _as_it_happened(parses):
        reading.read(parse)
    case = reading.finish()
    case.narrator = _narrator(case)
    _share_targets(case)
    others = _other_implants(parses)
    corrected = any(p.sentence.section.role == "addendum" and "correction" in p.cue_kinds() for p in parses)
    for source, timeline in case.timelines.items():
        case.claims += _claims(case, source, timeline, others, corrected)
    return case


@dataclass(slots=True)
class _Reading:
    """Hands every sentence to the reader of its source."""

    tables: list[Mention]
    logs: frozenset[int]  # starts of the sections that are event logs
    opening: int  # the first word of the narrative, where the text says "Today:"
    begins: dict[int, int]  # by the start of a history section: the word at which today's narrative begins
    case: Case = field(default_factory=Case)
    builders: dict[Source, TimelineBuilder] = field(default_factory=dict)
    rows: list[tuple[Parse, Listing]] = field(default_factory=list)
    begun: Section | None = None  # a title under which the narrative has begun
    told: bool = False  # whether any sentence so far says that something was done
    titled: Section | None = None  # the title that the sentence before stands in

    def read(self, parse: Parse) -> None:
        """Take in one sentence."""
        source, standing = self._source(parse)
        if _blank(parse):
            standing = "planned"  # of what nobody filled in nothing is known
        self.case.parses.append((parse, source, standing))
        form = parse.sentence.form
        if standing == "today":
            totals = read_totals(parse, self.tables)
            self.case.totals += totals
            if totals:
                return
        if source in ("implants", "equipment") and form == "prose" and _tells(parse):
            source = "narrative"  # running text under an implant header
        tabular = form in ("row", "record", "heap") and (source != "log" or self._told(parse) & _ENDS)
        if standing == "today" and (source in ("implants", "equipment") or tabular):
            self.rows.append((parse, "equipment" if source == "equipment" else "implants"))
            self.case.listed |= parse.sentence.section.role == "implants"
            return
        if source not in self.builders:
            self.builders[source] = TimelineBuilder(summary=source in ("summary", "title", "findings"))
        self.builders[source].read(parse, standing)

    def _source(self, parse: Parse) -> tuple[Source, Standing]:
        """Which source a sentence is of, and when what it says happened."""
        section = parse.sentence.section
        if section.role == "history":
            begun = parse.first >= self.begins.get(section.start, parse.last)
            return "narrative", "today" if begun else "prior"
        if section.role in ("copied", "plan"):
            return "narrative", "prior" if section.role == "copied" else "planned"
        source = _SOURCE_OF_ROLE[section.role]
        if source == "title" and (self.begun is section or (self.titled is section and _goes_on(parse))):
            self.begun, source = section, "narrative"
        self.titled = section if source == "title" else None
        if source == "narrative" and not self.told and _entitles(parse):
            source = "title"
        self.told |= bool(parse.actions)
        if source == "narrative" and parse.first < self.opening and "today" not in parse.cue_kinds():
            return source, "prior"
        if source == "narrative" and section.start in self.logs and parse.sentence.form == "log":
            source = "log"
        return source, "today"

    def _told(self, parse: Parse) -> set[str]:
        """The fates that a row names."""
        return {m.means.fate for m in begun(self.tables, parse.first, parse.last) if m.means.fate}

    def finish(self) -> Case:
        """The case with a timeline for each source."""
        timelines = {s: self.builders[s].timeline for s in _SOURCES if s in self.builders}
        for listing, timeline in read_implants(self.rows, self.tables).items():
            timelines[listing] = timeline
        listed = timelines.get("implants", Timeline())
        total = state_total(self.case.totals, sum(d.in_place for d in listed.today()))
        if total is not None:
            listed.statements.append(total)
            timelines["implants"] = listed
        self.case.timelines = timelines
        return self.case


def _begun(parses: list[Parse]) -> dict[int, int]:
    """Where the narrative begins that follows a history without a header: with consent, access, or a release.

    By the start of the section, the first word; of what was told before that, all
    that no date and no word of the past sets apart is of the same day.
    """
    begun: dict[int, int] = {}
    run: list[Parse] = []  # what may be of today, up to here
    for parse in parses:
        section = parse.sentence.section
        if section.role != "history" or section.start in begun:
            continue
        if not run or run[-1].sentence.section is not section:
            run = []
        if parse.sentence.start <= section.body or _of_the_past(parse):
            run = []
            continue
        run.append(parse)
        consent = "today" in parse.cue_kinds() and not parse.phrases
        if consent or _begins(parse):
            begun[section.start] = run[0].first if not consent else parse.first
    return begun


def _of_the_past(parse: Parse) -> bool:
    dated = any(m.kind == "size" and m.means.form == "date" for m in parse.items.values())
    return dated or "history" in parse.cue_kinds()


def _begins(parse: Parse) -> bool:
    """As in "Indication: heart failure. A transseptal puncture was made.": told of no other day."""
    dated = any(m.kind == "size" and m.means.form == "date" for m in parse.items.values())
    released = any(a.means.event == "release" and a.means.form == "verb" for a in parse.actions)
    kinds = parse.cue_kinds()
    return ("begins" in kinds or released) and "history" not in kinds and not dated


def _goes_on(parse: Parse) -> bool:
    """As in "Procedure: PVL closure with ADO II / ADO II 5x4 opened.": the course, under its title."""
    acts = ("open", "load", "release", "withdraw", "embolize", "capture")
    told = any(a.means.event in acts and a.means.form == "verb" for a in parse.actions)
    return told and any(p.sizes and p.product and not p.prior for p in parse.phrases)


def _entitles(parse: Parse) -> bool:
    """As in "Mitral paravalvular leak closure with three devices.": a title, with nothing told before."""
    verbs = any(role in ("be", "verb", "modal", "subject") for role in parse.roles.values())
    leak = any(m.kind == "leak" for m in parse.nouns)
    closes = bool(parse.actions) and all(a.means.event == "close" for a in parse.actions)
    return leak and closes and bool(parse.phrases) and not verbs and "history" not in parse.cue_kinds()


def _share_targets(case: Case) -> None:
    """A table lists what went into other defects too: the part that tells the course knows which that was."""
    tellers = [case.timelines[s] for s in ("narrative", "log", "findings") if s in case.timelines]
    for teller in [case.main, *tellers]:
        for source, timeline in case.timelines.items():
            if timeline is not teller and (teller is case.main or source == "implants"):
                _share_target(teller, timeline)


def _share_target(teller: Timeline, listing: Timeline) -> None:
    _take_targets(teller, listing)
    elsewhere = [d for d in teller.devices if d.target is not None and d.standing == "today"]
    for key in [size_key(device.size) for device in elsewhere if device.size]:
        alike = [d for d in listing.devices if size_key(d.size) == key]
        if any(d.target is not None for d in alike):
            continue
        match = next((d for d in alike if not d.placed), None)
        at_leak = sum(size_key(d.size) == key and d.in_place for d in teller.today())
        if match is not None and sum(d.in_place for d in alike) > at_leak:
            match.target = "other"


def _take_targets(teller: Timeline, listing: Timeline) -> None:
    """As in "septum, one 18 mm occluder": a list says where the one device of that size went."""
    for device in listing.devices:
        if device.target is None or device.standing != "today" or not device.size:
            continue
        alike = [d for d in teller.today() if d.in_place and size_key(d.size) == size_key(device.size)]
        listed = [d for d in listing.devices if size_key(d.size) == size_key(device.size) and d.in_place]
        if len(alike) == len(listed) == 1 and not alike[0].at_leak:
            alike[0].target = device.target


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


def _logs(parses: list[Parse]) -> frozenset[int]:
    """Sections that are event logs: most of their lines bear a time, and the note has three of these."""
    timed = Counter(p.sentence.section.start for p in parses if p.sentence.form == "log")
    lines = Counter(p.sentence.section.start for p in parses)
    return frozenset(s for s, n in timed.items() if 2 * n > lines[s] and timed.total() >= _LEAST_OF_LOG)


def _as_it_happened(parses: list[Parse]) -> list[Parse]:
    """The sentences in the order of events: an event list that has the newest first is turned round."""
    out: list[Parse] = []
    for _, run in groupby(parses, lambda p: (p.sentence.section.start, bool(p.sentence.clock))):
        log = list(run)
        clocks = [p.sentence.clock.zfill(len(p.sentence.clock) + len(p.sentence.clock) % 2) for p in log]
        down = sum(a > b for a, b in pairwise(clocks))
        falls = bool(clocks[0]) and len({len(c) for c in clocks}) == 1 and down >= _LEAST_OF_LOG
        if falls and all(a >= b for a, b in pairwise(clocks)):
            entries = [list(entry) for _, entry in groupby(log, lambda p: p.sentence.paragraph)]
            log = [p for entry in reversed(entries) for p in entry]
        out += log
    return out


def _opens_session(parse: Parse) -> bool:
    """As in "Today: general anaesthesia": what stands before is of another day."""
    return parse.words.words[parse.first + 1 : parse.first + 2] in ([":"], ["."]) and any(
        c.first == parse.first and c.last == parse.first + 1 and c.means.cue == "today" for c in parse.cues
    )


def _blank(parse: Parse) -> bool:
    """As in "Device 2: ***": the name of a field, and no value."""
    words = parse.words.words[parse.first : parse.last]
    value = words[len(words) - words[::-1].index(":") :] if ":" in words else []
    return bool(value) and not any(character.isalnum() for word in value for character in word)


def _tells(parse: Parse) -> bool:
    """Whether a line is a sentence and not a list entry."""
    return parse.last - parse.first > 6 and any(role in ("be", "subject") for role in parse.roles.values())


def _narrator(case: Case) -> Source | None:
    """The source that tells most of the course of events; ties go to the narrative."""
    listed = any(d.in_place for d in case.timelines.get("implants", Timeline()).today())
    told = [s for s in _NARRATORS if s in case.timelines and case.timelines[s].today()]
    if listed:
        told = [s for s in told if s == "implants" or (s in ("narrative", "log") and not _repeats(case, s))]
    events = {
        s: sum(len(d.events) for d in case.timelines[s].today())
        for s in told
        if any(_told_of(d) for d in case.timelines[s].today())
    }
    tellers = [s for s in events if s in ("narrative", "log")]
    if tellers:
        return max(tellers, key=lambda s: (events[s], s == "narrative"))
    placed = [s for s in told if any(d.in_place for d in case.timelines[s].today())]
    return next(iter((events if not listed else []) or placed or told), _told_in_title(case))


def _told_in_title(case: Case) -> Source | None:
    """As in "Procedure: transseptal access. A plug was deployed and released.", where nothing else tells."""
    devices = case.timelines.get("title", Timeline()).today()
    released = any(event.event == "release" for d in devices if d.in_place for event in d.events)
    return "title" if released else None


def _only_losses(case: Case, source: Source) -> bool:
    """As in an event "8 mm out": nothing but what the implant list has as taken out too."""
    lost = [d for d in case.timelines["implants"].today() if not d.in_place]
    return all(
        d.state == "removed" and any(same_size(d.size, other.size) for other in lost)
        for d in case.timelines[source].today()
    )


def _told_of(device: TrackedDevice) -> bool:
    """Whether something happened to a device, beyond its being named, chosen or looked at."""
    return any(event.event not in ("named", "select", "check") for event in device.events)


def _repeats(case: Case, source: Source) -> bool:
    """As in "The 10 was opened first": no device but those of the list, and what it has as taken out."""
    today = case.timelines[source].today()
    final = any(event.final or event.event == "release" for d in today if d.product for event in d.events)
    known = all(d.size is not None and not d.counted for d in today)
    return (known and not (final and source == "narrative")) or _only_losses(case, source)


def bounds(timeline: Timeline) -> tuple[int, int | None]:
    """How many devices a timeline leaves in: at least, at most."""
    low, high = 0, 0
    unbounded = False
    described = sum(d.in_place and not d.many for d in timeline.today())
    released = any(d.in_place and not d.unreleased and d.state == "released" for d in timeline.today())
    for device in timeline.today():
        if device.many and device.size is None and described > 1:
            continue  # "the plugs were placed one after another", and then each is told
        if device.many and device.in_place:
            low, unbounded = low + 2, True
        elif device.in_place:
            low += not (device.doubtful or device.unsure or device.only_named or device.withheld)
            high += not (device.unreleased and released)  # it never came to its release: another did
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
    decides = corrects and (_numbered(timeline) or _told_anew(timeline, case.main))
    narrates = source == case.narrator
    claims = _of_devices(source, timeline, narrates, decides, case.listed)
    if not narrates and source != "implants" and _all_of_one_valve(timeline, case.main):
        claims = []
    acted = any(e.event in ("open", "release") for d in timeline.today() for e in d.events)
    if prior and not narrates and not acted and source != "implants":
        # "he now has three devices in all": a lifetime total
        now = {s.low for s in timeline.statements if s.now}
        claims = [c for c in claims if c.best is None or (c.best != left_in + prior and c.best not in now)]
    final = sum(d.in_place for d in timeline.today())
    on_top = tuple(d.events[0].start for d in timeline.today() if narrates and d.further and d.in_place)
    known = _Known(source, final, prior, others, left_in, narrates, corrects, on_top)
    for statement in timeline.statements:
        told_of = statement.told_valve if statement.kind == "total" else statement.valve
        share = _is_share(told_of, statement.low, case.main) or _is_share(
            statement.valve, statement.low, timeline
        )
        if not (share or _of_other_valve(statement, case.main)):
            claims += _stated(known, statement)
    return claims


def _numbered(timeline: Timeline) -> bool:
    """As in "three plugs, not two, were implanted": a part that counts, and has as many."""
    numbers = [
        phrase.number
        for phrase, _ in timeline.explained
        if phrase.number is not None
        and phrase.ordinal is None
        and not (phrase.pronoun or phrase.words & {"another", "more", "part"})
    ]
    return bool(numbers) and max(numbers) <= sum(d.in_place for d in timeline.today())


def _told_anew(timeline: Timeline, main: Timeline) -> bool:
    """As in "a 12 mm and a 10 mm AVP II were released": all devices told before by size, and more."""
    sizes = [size_key(d.size) for d in timeline.today() if d.in_place and d.size]
    before = [size_key(d.size) for d in main.today() if d.in_place]
    return len(sizes) > len(before) > 0 and all(size in sizes for size in before)


def _all_of_one_valve(timeline: Timeline, main: Timeline) -> bool:
    """As in "Mitral leak closed (12 mm plug)": one valve of the two that the course of events tells of."""
    valves = [d.valve for d in timeline.today() if d.in_place]
    return len(set(valves)) == 1 and _is_share(valves[0], len(valves), main)


def _is_share(valve: str | None, count: int, timeline: Timeline) -> bool:
    """As in "Both mitral plugs": not the count of the session, where others lie elsewhere."""
    valves = [d.valve for d in timeline.today() if d.in_place]
    return valve is not None and valves.count(valve) == count < len(valves) - valves.count(None)


def _of_other_valve(statement: Statement, main: Timeline) -> bool:
    """As in "Mitral plugs unchanged", where every device of this session lies at the aortic valve."""
    valves = {d.valve for d in main.today() if d.in_place}
    return statement.valve is not None and bool(valves) and not valves & {None, statement.valve}


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
    if source not in ("implants", "addendum") and not narrates and not any(d.counted for d in today):
        high = None  # what only names the device does not count
    if narrates and listed and source == "narrative" and not any(d.counted or d.size for d in today):
        high = None  # "the medial plug was released", beside a list
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


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known of the devices where a source states a count."""

    source: Source
    final: int  # devices that the source itself leaves in
    prior: int  # devices of earlier sessions
    others: int  # implants of other kinds
    left_in: int  # devices that the course of events leaves in
    narrates: bool  # whether the source tells the course of events
    corrects: bool
    on_top: tuple[int, ...] = ()  # where the course brings in "a further" device that stays


def _stated(known: _Known, statement: Statement) -> list[Claim]:
    """A stated count as a claim about the end: what came after it is added."""
    if _of_another_time(known, statement) or _of_more_than_devices(known, statement):
        return []
    position = statement.kind == "position"
    if position and known.narrates and statement.at >= statement.low:
        return []  # said of some of the devices, or before the next one
    later = known.final - statement.at if known.narrates and not position else 0
    more = position and known.narrates and known.final > statement.low  # told after it was said
    on_top = sum(start > statement.start for start in known.on_top) if position else 0
    low = statement.low + later + on_top
    # Where something was taken out after the count was said, either may hold.
    high = None if statement.high is None or position else statement.high + max(0, later)
    return [
        Claim(
            known.source,
            known.narrates and (position or known.source != "summary"),
            low,
            high,
            statement.start,
            statement.end,
            statement.section,
            statement.rule,
            known.corrects,
            best=low if statement.low == statement.high and not (more or on_top) else None,
            stated=True,
        )
    ]


def _of_another_time(known: _Known, statement: Statement) -> bool:
    """A count of what was there before this session, or before its devices were placed."""
    at, prior = statement.at, known.prior
    if statement.high == 0 < at:
        return True  # "nothing was put in the septum", with devices in place
    told_later = known.final or (known.left_in and known.source in ("narrative", "log"))
    if statement.low == statement.high == at == 0 and told_later:
        return True  # "no device was placed then", and later one was
    if not prior:
        return False
    position = statement.kind == "position"
    if position and not known.final and not known.left_in and statement.low <= prior:
        return True  # what earlier sessions left is seen again
    # "Three plugs around this valve, counting the old one"; all that is seen, old and new
    seen = position and at > 0 and not statement.acted
    return statement.low == statement.high == at + prior and (statement.mixed or seen)


def _of_more_than_devices(known: _Known, statement: Statement) -> bool:
    """A count of devices at the leak and of other things together."""
    low = statement.low
    if low != statement.high:
        return False
    if known.narrates and statement.others and low == statement.at + statement.others:
        return True  # counts the device in another defect as well
    if statement.kind == "position":
        return False
    at = statement.at if known.narrates else known.left_in
    if known.others and at < low <= at + known.others:
        return True  # counts implants of other kinds as well
    # A lifetime total; "he now has six", where it is more than this session put in, may be one
    return (
        known.prior > 0 and not statement.acted and (low == at + known.prior or (statement.now and low > at))
    )
