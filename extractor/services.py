"""Services: what a note documents beside the closure.

In: the parsed sentences of a note with their standing, its mentions and its timelines. Out:
the services done in this session, each with evidence. They are shown to the coder, and
change neither lines nor status. What names a service, and what its documentation would
have to say, is data (``patterns/services.yaml``). Source: coding-policy sections 2 and 4.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from functools import cached_property

from extractor.claims import Case, Source
from extractor.coding import Evidence
from extractor.events import Standing
from extractor.grammar import Parse
from extractor.layout import Layout, Section
from extractor.mentions import Mention, begun
from extractor.rules import RuleBook, ServiceMeans, ServiceRule
from extractor.status import dated
from extractor.suggestion import Service, Span

_QUOTED = 3  # pieces of evidence for each part of a service
_BESIDE = 2  # words between a service and what is said right beside it
_NEAR = 4
_WAY_OF_DATE = 3
_LAST_DAY = 31
_NOT_LEFT = ("unused", "removed")
_STEPS = ("open", "load", "release", "withdraw")
_PLACES = ("open", "release", "implanted", "close", "listed")
_PERFORMED = 8
# Parts of a note whose entries name what was done and by whom, and tell nothing.
_FIELDS = frozenset({"title", "letterhead", "particulars", "equipment", "implants", "log"})
_ASIDE = ("history", "plan", "copied")  # sections of another time
_PLAIN = ServiceMeans()
_BREAKS = frozenset(".,;:")


def read_services(
    layout: Layout, case: Case, found: dict[str, list[Mention]], book: RuleBook, evidence: Evidence
) -> tuple[Service, ...]:
    """The services that a note documents as done in this session, in the order of the rules.

    Parameters
    ----------
    layout
        The sections of the note.
    case
        The sentences of the note with their standing, and its timelines.
    found
        Its mentions by layer.
    book
        The rules: they say what services there are.
    evidence
        Makes the spans.

    Examples
    --------
    >>> from extractor import Coder
    >>> note = "Mitral paravalvular leak closure under TEE guidance. A 12 mm AVP II was released. "
    >>> note += "A temporary pacing wire was placed. ICE was not used."
    >>> [(s.service, s.codes) for s in Coder().suggest(note).also_documented]
    [('guidance TEE', ('93355',)), ('temporary pacing', ('33210',))]
    """
    shown = _shown(_Session(layout, case, found, evidence.text), book, evidence)
    used: set[str] = set()
    services = []
    for rule in book.services:
        if not used.isdisjoint(rule.of) or not shown.keys() >= set(rule.of):
            continue
        used.update(rule.of)
        spans = [span for part in rule.of for span in shown[part].spans[:_QUOTED]]
        message = rule.message
        if rule.performers:
            performer, by = shown[rule.of[0]].performer
            message = f"{rule.performers[performer]} {message}" if performer in rule.performers else message
            spans += [by] if by is not None else []
        services.append(
            Service(
                service=rule.name,
                codes=rule.codes,
                message=message,
                evidence=tuple(sorted(dict.fromkeys(spans), key=lambda span: (span.start, span.end))),
            )
        )
    return tuple(services)


class _Shown:
    """What a note shows of one part of a service."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.mentions: list[Mention] = []
        self.performer: tuple[str, Span | None] = ("unstated", None)


def _shown(session: _Session, book: RuleBook, evidence: Evidence) -> dict[str, _Shown]:
    """The parts of services that were done in this session, with their evidence in text order."""
    shown: dict[str, _Shown] = defaultdict(_Shown)
    named = {rule_id: rule.of for rule in book.services for rule_id in rule.rules}
    for mention, parts in session.named(named):
        if session.done(mention):
            start, section = session.opening(mention)
            span = evidence.span(start, mention.end, section, mention.rule)
            for part in parts:
                shown[part].mentions.append(mention)
                shown[part].spans.append(span)
    for rule in book.services:
        spans = _left_in(session, rule, evidence) if rule.targets else []
        if spans:
            shown[rule.of[0]].spans += spans
        if rule.performers and rule.of[0] in shown:
            kind, by = session.performer(shown[rule.of[0]].mentions)
            shown[rule.of[0]].performer = kind, None if by is None else evidence.of_mention(by)
    return shown


def _left_in(session: _Session, rule: ServiceRule, evidence: Evidence) -> list[Span]:
    """The words that leave a device in another defect, in the part that tells most of it."""
    for timeline in (session.case.main, *session.case.timelines.values()):
        left = [
            d for d in timeline.devices
            if d.standing == "today" and d.in_place and d.target in rule.targets and (d.size or d.product)
        ]  # fmt: skip
        placed = [
            e for d in left for e in d.events if e.event in _PLACES and not session.told_of_past(e.start)
        ]
        if placed:
            return [evidence.of_event(event) for event in placed]
    return []


class _Session:
    """Tells of the services that a note names which were done in its session."""

    def __init__(self, layout: Layout, case: Case, found: dict[str, list[Mention]], text: str) -> None:
        self.case = case
        self._sections = layout.sections
        self._parses = sorted(case.parses, key=lambda place: place[0].first)
        self._starts = [parse.first for parse, _, _ in self._parses]
        self._found = found
        self._words = found["services"]
        self._text = text

    def named(self, rules: dict[str, tuple[str, ...]]) -> list[tuple[Mention, tuple[str, ...]]]:
        """Mentions that name parts of services, in text order; those of ``rules`` are of other files."""
        mentions = [(m, m.means.parts) for m in self._words if m.means.parts]
        mentions += [(m, rules[m.rule]) for m in self._found["items"] if m.rule in rules]
        return sorted(mentions, key=lambda one: one[0].first)

    @cached_property
    def _begun(self) -> int:
        """The first word of the session's course: what is looked at behind it is looked at in the session."""
        return next((p.first for p, source, standing in self._parses if self._tells(p, source, standing)), -1)

    def _tells(self, parse: Parse, source: Source, standing: Standing) -> bool:
        if standing != "today" or source not in ("narrative", "log", self.case.narrator):
            return False
        kinds = parse.cue_kinds()
        if "history" in kinds or dated(parse, parse.clause.get(parse.first)):
            return False
        ways = begun(self._found["approach"], parse.first, parse.last)
        named = ("step",) if parse.sentence.section.role == "body" else ("step", "named")
        handled = bool(parse.phrases) or any(m.kind == "other_device" for m in parse.nouns)
        return (
            bool(kinds & {"today", "begins"})
            or any(m.means.use in named and m.means.route for m in ways)
            or (handled and any(a.means.event in _STEPS for a in parse.actions))
        )

    def _place(self, mention: Mention) -> tuple[Parse, Source, Standing] | None:
        """The sentence of a mention; None for one in a header, or that runs over an end."""
        k = bisect_right(self._starts, mention.first) - 1
        return self._parses[k] if k >= 0 and mention.last <= self._parses[k][0].last else None

    def _section(self, mention: Mention) -> Section:
        return self._sections[bisect_right(self._sections, mention.start, key=lambda s: s.start) - 1]

    def _said(self, first: int, last: int) -> list[Mention]:
        """What the words of the services say, without their names."""
        return [m for m in begun(self._words, first, last) if not m.means.parts]

    def _said_in(self, parse: Parse) -> list[Mention]:
        return self._said(parse.first, parse.last)

    def told_of_past(self, start: int) -> bool:
        """Whether the sentence at a character tells of another day: "a 30 mm occluder was put in in 2020"."""
        for parse, _, _ in self._parses:
            if parse.sentence.start <= start < parse.sentence.end:
                dates = any(m.kind == "size" and m.means.form == "date" for m in parse.items.values())
                return "history" in parse.cue_kinds() or dates
        return False

    def done(self, mention: Mention) -> bool:
        """Whether a service was done in this session."""
        means = mention.means if mention.kind == "service" else _PLAIN
        if means.capitals and not self._text[mention.start : mention.end].isupper():
            return False
        place = self._place(mention)
        if place is None:
            return self._heads(mention)
        parse, source, standing = place
        if standing != "today" or self._left_undone(parse, mention) or self._left_out(parse, mention):
            return False
        if source != "title" and _dated(parse, mention):
            return False
        return not means.weak or self._in_session(parse, source, mention)

    def _left_undone(self, parse: Parse, mention: Mention) -> bool:
        """Whether a sentence denies a service, or puts it into another time."""
        first = self._first(mention)
        for word in self._said_in(parse):
            if word.means.says == "undone" and _undone(parse, mention, word):
                return True
            if word.means.says == "another_day" and _of_another_day(parse, mention, word):
                return True
        return (
            _denied(parse, first) or _answered_no(parse, mention)
            or any(_governs(parse, cue, first, mention) for cue in parse.cues)
        )  # fmt: skip

    def _in_session(self, parse: Parse, source: Source, mention: Mention) -> bool:
        """Whether an examination belongs to the session: by its place, a word beside it, or who did it."""
        if source == "title" or parse.sentence.section.role in _FIELDS or 0 <= self._begun <= mention.first:
            return True
        return self._guides(mention) or self._by(parse, mention) is not None

    def _heads(self, mention: Mention) -> bool:
        """Whether a header is of this session: "Intraprocedural TEE", "TOE: Dr Kell", one in the course."""
        section = self._section(mention)
        if not section.start <= mention.start < section.body or section.role in _ASIDE:
            return False
        said = self._said(mention.last, mention.last + _BESIDE + 1)
        if any(w.means.says in ("undone", "another_day") for w in said) or self._answered_no(section):
            return False
        if mention.kind != "service" or not mention.means.weak:
            return True
        entry = not self._text[section.body : section.end].strip() and section is not self._sections[0]
        return (
            self._guides(mention) or entry or self._of_header(mention) is not None
            or 0 <= self._begun <= mention.first
        )  # fmt: skip

    def _answered_no(self, section: Section) -> bool:
        """As in "ICE used: no."; not "TEE: no residual leak"."""
        parse = next((p for p, _, _ in self._parses if p.sentence.section is section), None)
        if parse is None:
            return False
        item = parse.items.get(parse.first)
        none = item is not None and item.kind == "count" and item.means.word in ("none", "none_more")
        behind = parse.between(parse.first + 1, parse.last)
        return none and not "".join(behind[:1]).isalnum()

    def _of_header(self, mention: Mention) -> Mention | None:
        """As in "TOE: Dr Kell": who stands right behind a header."""
        said = self._said(mention.last, mention.last + _BESIDE + 1)
        return next((w for w in said if w.means.performer), None)

    def _guides(self, mention: Mention) -> bool:
        """Whether a word beside it makes a guidance of an examination: "GA and TEE", "TEE guidance"."""
        place = self._place(mention)
        last = mention.last + _BESIDE + 1
        behind = self._said(mention.last, last if place is None else min(last, place[0].last))
        return self._first(mention) < mention.first or any(
            w.means.says == "guides" and not w.means.leads and self._linked(mention.last, w.first)
            for w in behind
        )

    def _first(self, mention: Mention) -> int:
        """The first word of a service with the word that makes it one: "guided by | TEE"."""
        if mention.kind != "service":
            return mention.first
        place = self._place(mention)
        begin = self._section(mention).start if place is None else place[0].sentence.start
        guides = (
            w.first
            for w in self._said(max(0, mention.first - 2 * _NEAR), mention.first)
            if w.means.says == "guides" and w.start >= begin and self._linked(w.last, mention.first)
        )
        return next(guides, mention.first)

    def _linked(self, first: int, last: int) -> bool:
        """Whether nothing but a link stands between two words: "/", "and", "with", ":"."""
        words = self._parses[0][0].words.words if self._parses else []
        return 0 <= last - first <= _BESIDE and all(
            i in self._links or not (words[i].isalnum() or words[i] in (".", ";")) for i in range(first, last)
        )

    @cached_property
    def _links(self) -> set[int]:
        roles = ("conjunction", "with", "exchange")
        return {
            i for m in self._found["grammar"] if m.means.role in roles for i in range(m.first, m.last)
        }  # fmt: skip

    def opening(self, mention: Mention) -> tuple[int, str]:
        """The character at which the evidence for a service begins, and the part of the note it is in."""
        first = self._first(mention)
        start = mention.start if first == mention.first else self._parses[0][0].words.starts[first]
        return start, self._section(mention).role

    def _left_out(self, parse: Parse, mention: Mention) -> bool:
        """As in "ProGlide 6F | 1 | WASTED": a row that says that its article was not used."""
        if mention.kind == "service" or parse.sentence.form not in ("row", "record"):
            return False
        fates = begun(self._found["table"], parse.first, parse.last)
        return any(m.means.fate in _NOT_LEFT for m in fates)

    # -- who did it ---------------------------------------------------------------

    def performer(self, mentions: list[Mention]) -> tuple[str, Mention | None]:
        """Who did what these mentions name, and the words that say so; a role goes before a mere name."""
        told = []
        for mention in mentions:
            place = self._place(mention)
            by = self._of_header(mention) if place is None else self._by(place[0], mention)
            if by is not None:
                told.append(by)
        fields = (
            w
            for parse, _, standing in self._parses
            if standing == "today" and parse.sentence.section.role == "letterhead"
            for w in self._said_in(parse)
            if w.means.performer == "echo"
        )
        by = next((w for w in told if w.means.performer != "named"), next(iter(told), None))
        by = by or next(fields, None)
        return ("unstated", None) if by is None else (by.means.performer, by)

    def _by(self, parse: Parse, mention: Mention) -> Mention | None:
        """As in "TEE by cardiac anesthesia", "TOE (Dr. Kell)", "Dr. Kell did the TEE"."""
        said = [w for w in self._said_in(parse) if w.means.performer]
        behind = (w for w in said if _performed(parse, mention, w))
        return next(behind, None) or next((w for w in said if _performs(parse, w, mention)), None)


def _performed(parse: Parse, mention: Mention, by: Mention) -> bool:
    between = range(mention.last, by.first)
    # "by Dr. Kell", "(separate report, Dr. Kell)"
    led = parse.roles.get(by.first - 1) == "with" or "(" in parse.between(mention.last, by.first)
    reach = _PERFORMED if led or by.means.performer != "named" else _BESIDE
    return (
        by.first >= mention.last
        and len(between) <= reach
        and not any(parse.words.words[i] in (".", ";") or _names(parse, i) for i in between)
    )


def _performs(parse: Parse, by: Mention, mention: Mention) -> bool:
    """As in "Doctor Kell did the TEE", "Dr Kell (TOE)"; not "Dr. Kell crossed the leak under TEE"."""
    between = range(by.last, mention.first)
    return (
        mention.first >= by.last
        and len(between) <= _NEAR
        and not any(
            parse.roles.get(i) in ("preposition", "with", "conjunction", "clause", "relative")
            or parse.words.words[i] in (",", ";", ":")
            or _noun(parse, i)
            for i in between
        )
    )


# -- whether it was done --------------------------------------------------------------


def _names(parse: Parse, i: int) -> bool:
    item = parse.items.get(i)
    return item is not None and item.kind in ("device", "leak", "target")


def _noun(parse: Parse, i: int) -> bool:
    """Whether a word is of something else that is told of: a device, a leak, an action."""
    item = parse.items.get(i)
    return item is not None and item.kind not in ("size", "count")


def _undone(parse: Parse, mention: Mention, word: Mention) -> bool:
    """As in "ICE was not used", "6F (for temporary wire, not needed)", "not used: MANTA"."""
    words = parse.words.words
    if word.last <= mention.first:
        return words[word.last : mention.first] == [":"]
    between = range(mention.last, word.first)
    return len(between) <= _NEAR and not any(
        words[i] in (".", ";")
        or _noun(parse, i)
        or parse.roles.get(i) in ("verb", "subject", "clause", "preposition")
        for i in between
    )


def _of_another_day(parse: Parse, mention: Mention, word: Mention) -> bool:
    """As in "previous coronary angiography", "coronary angiography last month", "TEE in 3 months"."""
    if mention.kind != "service" or (word.means.leads and word.first >= mention.last):
        return False  # "the previously placed ProGlide"; "the TEE confirmed it lay outside"
    before = word.last <= mention.first
    between = parse.between(word.last, mention.first) if before else parse.between(mention.last, word.first)
    return len(between) <= (_BESIDE if before else _WAY_OF_DATE) and _BREAKS.isdisjoint(between)


def _denied(parse: Parse, first: int) -> bool:
    """As in "no coronary angiography", "without the use of ICE", "no ICE or TEE"."""
    for i in range(first - 1, max(parse.first, first - _NEAR) - 1, -1):
        item = parse.items.get(i)
        if item is not None and item.kind == "count" and item.means.word in ("none", "none_more"):
            return True
        if any(c.first <= i < c.last and c.means.cue == "negation" for c in parse.cues):
            return True
        alternative = parse.words.words[i] in ("or", "nor", "/")
        stops = parse.roles.get(i) in (
            "preposition", "be", "clause", "relative", "subject", "with", "exchange", "conjunction",
        )  # fmt: skip
        if parse.words.words[i] in _BREAKS or _noun(parse, i) or (stops and not alternative):
            return False
    return False


def _answered_no(parse: Parse, mention: Mention) -> bool:
    """As in "ICE used: no", "TEE [ ]", "ICE {yes/no} no"; not "TEE: no residual leak"."""
    words = parse.words.words
    behind = [word for word in words[mention.last : min(mention.last + 2, parse.last)] if word != '"']
    ticked = words[mention.first - 1 : mention.first] == ["]"]  # its box stands before it
    if (behind == ["[", "]"] and not ticked) or behind[:1] == ["?"]:
        return True
    begin = mention.last
    if words[begin : begin + 1] == ["{"] and "}" in words[begin : parse.last]:
        begin = words.index("}", begin) + 1
    for i in range(begin, min(begin + _NEAR, parse.last)):
        item = parse.items.get(i)
        if item is not None and item.kind == "count" and item.means.word in ("none", "none_more"):
            ends = i + 1 >= parse.last or not words[i + 1].isalnum()
            return ends and (i == begin or words[i - 1] in (":", "=", "?", "-"))
        told = item is not None and item.kind != "action"
        if told or parse.roles.get(i) not in (None, "verb"):
            return False
    return False


def _governs(parse: Parse, cue: Mention, first: int, mention: Mention) -> bool:
    """Whether a cue near a service puts it into the past or the future, or says that it failed."""
    kind, reach = cue.means.cue, cue.means.reach
    if kind == "apart":
        return 0 <= first - cue.last <= 1  # "clear of the pacing lead"
    if kind not in ("history", "plan", "inability", "asked") or (
        kind == "history" and mention.kind != "service"
    ):
        return False
    if kind in ("history", "plan") and reach == "sentence":
        return True
    if cue.last <= first:
        between = range(cue.last, first)
        far = _BESIDE if kind in ("inability", "asked") else _NEAR
    else:
        between = range(mention.last, cue.first)
        far = _NEAR if reach == "both" else _BESIDE if kind == "plan" else -1
        stops = ("preposition", "with", "exchange", "clause", "conjunction")
        if any(parse.roles.get(i) in stops for i in between):
            return False
    return (
        len(between) <= far
        and cue.first not in range(first, mention.last)
        and parse.words.words[cue.first - 1] != "as"  # "as planned"
        and not any(parse.words.words[i] in _BREAKS or _noun(parse, i) for i in between)
    )


def _dated(parse: Parse, mention: Mention) -> bool:
    """As in "TEE on 3/2", "coronary angiography in 2019", "2018: RHC"."""
    dates = [m for m in parse.items.values() if m.kind == "size" and m.means.form == "date"]
    near = any(
        0 <= d.first - mention.last <= _WAY_OF_DATE or 0 <= mention.first - d.last <= _WAY_OF_DATE
        for d in dates
    )
    if near or (bool(dates) and dated(parse, parse.clause.get(mention.first))):
        return True
    behind = parse.words.words[mention.last : min(mention.last + _BESIDE + 2, parse.last)]
    day = behind[1:4] if behind[:1] and parse.roles.get(mention.last) in ("preposition", "of") else behind[:3]
    if len(day) < 3 or not all(n.isdigit() and int(n) <= _LAST_DAY for n in day[::2]):
        return False
    return day[1] == "/" or (day[1] == "." and len(day[0]) == len(day[2]) == 2)  # "05.10"; not "8.5 F"
