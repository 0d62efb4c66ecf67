"""Circumstances: which valve, which route, which document, what else was done.

In: the parsed sentences of a note with their standing, and its mentions. Out: a
``Circumstances`` with evidence for each finding. Sources: coding-policy
sections 1 to 3.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from extractor.approach import Routes, read_exposure, read_routes
from extractor.claims import Case
from extractor.grammar import Parse
from extractor.layout import Layout
from extractor.mentions import Mention
from extractor.patient import passive
from extractor.site import ACCESS, denied, minor
from extractor.status import dated, negated
from extractor.treated import Treated, read_treated

_OTHER_DEFECTS = ("vsd", "pda", "fistula", "pseudoaneurysm")
_UNDONE = frozenset({"negation", "inability", "plan", "history", "cancelled"})


@dataclass(slots=True)
class Circumstances:
    """What surrounds the count. Evidence values are mentions."""

    leak: Mention | None = None  # a paravalvular leak that is really there
    closure: Mention | None = None  # its closure, named as today's procedure
    attempted: Mention | None = None  # words that an attempt was given up
    failed: Mention | None = None  # a title or a summary calls the closure an attempt that failed
    other_closure: Mention | None = None  # the title names the closure of another defect
    treated: Treated = field(default_factory=Treated)
    routes: Routes = field(default_factory=Routes)
    exposed: Mention | None = None
    other_procedure: Mention | None = None
    surgical: Mention | None = None
    ring: Mention | None = None
    document: Mention | None = None
    cancelled: Mention | None = None


def read_circumstances(layout: Layout, case: Case, found: dict[str, list[Mention]]) -> Circumstances:
    """Read the circumstances of a note."""
    out = Circumstances()
    sentence_of = _Locator(case)
    _leak(case, out)
    out.leak = out.leak or _any_leak(case)
    out.treated = read_treated(case)
    out.ring = out.ring or _repaired(case, out.treated)
    if out.closure is None and _only_seen(case):
        out.leak = None
    out.exposed = read_exposure(case, found["approach"])
    _session(found["session"], sentence_of, out)
    out.routes = read_routes(case, found["approach"], out.treated.valves, out.exposed)
    _implants(case, out)
    out.failed = _failed(case)
    _document(layout, [m for m in found["document"] if not _ticked_off(m, sentence_of)], out)
    out.other_closure = next(
        (
            m
            for parse, source, standing in case.parses
            if source == "title" and standing == "today"
            for m in parse.nouns
            if m.kind == "target" and any(a.means.event == "close" for a in parse.actions)
        ),
        None,
    )
    out.cancelled = next(
        (
            c
            for parse, _, standing in case.parses
            if standing == "today"
            for c in parse.cues
            if c.means.cue == "cancelled"
        ),
        None,
    )
    return out


class _Locator:
    """Finds the parsed sentence a mention stands in."""

    def __init__(self, case: Case) -> None:
        self._parses = case.parses
        self._at = {i: k for k, (p, _, _) in enumerate(self._parses) for i in range(p.first, p.last)}

    def __call__(self, mention: Mention) -> tuple[Parse, str, str] | None:
        k = self._at.get(mention.first)
        return None if k is None else self._parses[k]


def _leak(case: Case, out: Circumstances) -> None:
    """A leak beside a prosthesis, or a ring, and its closure in this session."""
    for parse, source, standing in case.parses:
        for mention in parse.mentions:
            if standing == "today" and _names_procedure(parse, mention, titled=source == "title"):
                out.leak = out.leak or mention
                out.closure = out.closure or (mention if _closed(parse, mention) else None)
            if mention.kind != "leak" or denied(parse, mention) or _asked(parse, mention):
                continue
            if minor(parse, [mention]) and mention.means.term != "closure":
                continue  # "a trace paravalvular leak": what nobody closes, or what is left
            if mention.means.term == "ring":
                out.ring = out.ring or mention
            elif mention.means.term in ("paravalvular", "closure"):
                out.leak = out.leak or (None if _treated_before(parse, standing, mention) else mention)
            elif mention.means.term != "leak" or mention.means.flow or not mention.means.valve:
                continue
            if standing == "today" and mention.means.term != "ring" and _closed(parse, mention):
                out.closure = out.closure or mention


def _names_procedure(parse: Parse, device: Mention, *, titled: bool) -> bool:
    """As in "Procedure: PVL device", "PVL plug closure": a device that names the leak, and what is done."""
    if device.kind != "device" or not device.means.leak:
        return False
    act = parse.items.get(device.last)
    named = act is not None and act.kind == "action" and act.means.event in ("close", "open")
    return (titled or named) and not parse.cue_kinds() & {"history", "plan", "negation"}


def _repaired(case: Case, treated: Treated) -> Mention | None:
    """The ring of a repaired valve, where the note knows no valve that was replaced."""
    rings: list[Mention] = []
    for parse, _, _ in case.parses:
        for noun in parse.nouns:
            if noun.kind == "other_device" and noun.means.role == "valve":
                return None
            replaced = noun.kind == "valve" and noun.means.prosthesis and noun.last - noun.first > 1
            if replaced and not denied(parse, noun):
                return None
            if noun.kind == "other_device" and noun.means.role == "ring":
                rings.append(noun)
    return rings[0] if rings and not treated.prosthesis else None


def _only_seen(case: Case) -> bool:
    """Whether all that is in place is seen in place, and the history tells of a closure."""
    today = [d for d in case.main.today() if d.in_place]
    told = any(
        parse.cue_kinds() & {"history"} or standing == "prior" or dated(parse, parse.clause.get(a.first))
        for parse, _, standing in case.parses
        for a in parse.actions
        if a.means.event == "close" and any(p.explanation == "history" for p in parse.phrases)
    )
    seen = {"named", "remain", "check"}
    return (
        case.narrator == "findings" and told and bool(today)
        and all(event.event in seen for d in today for event in d.events)
        and not any(claim.source != "findings" and claim.high != 0 for claim in case.claims)
    )  # fmt: skip


def _treated_before(parse: Parse, standing: str, mention: Mention) -> bool:
    """As in "In 2014 two plugs were implanted for a paravalvular leak": it need not be there today."""
    earlier = standing == "prior" or dated(parse, parse.clause.get(mention.first))
    told = earlier and any(a.means.event in ("open", "release", "close") for a in parse.actions)
    kept = any(p.prior or p.explanation == "history" for p in parse.phrases)
    return kept and (told or any(p.prior and 0 <= p.head_first - mention.last <= 1 for p in parse.phrases))


def _closed(parse: Parse, mention: Mention) -> bool:
    """Whether a sentence tells the closure of a leak as done."""
    return (
        any(a.means.event == "close" for a in parse.actions)
        and "negation" not in parse.cue_kinds()
        and not _undone(parse, mention)
    )


def _failed(case: Case) -> Mention | None:
    """As in "Attempted closure of mitral paravalvular leak, unsuccessful", where the procedure is named."""
    for parse, source, standing in case.parses:
        if source not in ("title", "summary") or standing != "today":
            continue
        closes = any(a.means.event == "close" for a in parse.actions) or any(
            m.kind == "leak" and m.means.term == "closure" for m in parse.items.values()
        )
        failed = next(
            (
                c for c in parse.cues
                if c.means.cue == "inability" and (c.first - parse.first <= 2 or parse.last - c.last <= 2)
            ),
            None,
        )  # fmt: skip
        if closes and failed is not None and not parse.phrases:
            return failed
    return None


def _any_leak(case: Case) -> Mention | None:
    """As in "Aortic bioprosthesis, leak in the sinus": a leak and a prosthesis, and a device put in."""
    brought = {"open", "load", "release", "implanted"}
    placed = any(c.low for c in case.claims) or any(
        d.in_place or any(event.event in brought for event in d.events)
        for t in case.timelines.values()
        for d in t.today()
    )
    named = [m for p, _, _ in case.parses for m in p.items.values() if m.kind in ("valve", "leak")]
    if not placed or not any(m.means.valve or (m.kind == "valve" and m.means.near) for m in named):
        return None  # "prosthesis" and "defect" are words of many fields
    if _denied_for_another(case):
        return None
    if any(source == "title" and _elsewhere(m) for parse, source, _ in case.parses for m in parse.nouns):
        return None
    if any(
        m.kind == "leak" and m.means.term == "device"
        for parse, _, _ in case.parses
        for m in parse.items.values()
    ):
        return None
    for parse, _, standing in case.parses:
        if any(_elsewhere(m) for m in parse.nouns):
            continue
        for mention in parse.mentions:
            if (
                mention.kind == "leak"
                and mention.means.term == "leak"
                and standing != "planned"
                and not denied(parse, mention)
            ):
                return mention
    return None


def _denied_for_another(case: Case) -> bool:
    """Whether every leak beside the valve is denied, asked for or of the past, and another defect told of."""
    leaks = [
        (parse, standing, m)
        for parse, _, standing in case.parses
        for m in parse.items.values()
        if m.kind == "leak" and m.means.term in ("paravalvular", "closure")
    ]
    jets = any(
        m.kind == "leak" and m.means.term == "leak" and not m.means.hole and not denied(parse, m)
        for parse, _, _ in case.parses
        for m in parse.items.values()
    )
    other = any(
        m.kind == "target"
        and not denied(parse, m)
        and (_closes_other(parse, m) or (m.means.site in _OTHER_DEFECTS and (leaks or not jets)))
        for parse, _, standing in case.parses if standing == "today"
        for m in parse.nouns
    )  # fmt: skip
    return other and all(
        denied(parse, m) or _asked(parse, m) or minor(parse, [m]) or _treated_before(parse, standing, m)
        for parse, standing, m in leaks
    )


def _closes_other(parse: Parse, target: Mention) -> bool:
    """Whether a sentence tells another defect as closed; the septum only where it is today's purpose."""
    closes = any(a.means.event == "close" and not negated(parse, a) for a in parse.actions)
    own = target.means.site in _OTHER_DEFECTS or "today" in parse.cue_kinds()
    denying = any(m.kind == "count" and m.means.word == "none" for m in parse.items.values())
    return closes and own and target.means.site not in ACCESS and not denying and not _undone(parse, target)


def _asked(parse: Parse, leak: Mention) -> bool:
    return any(c.means.cue == "asked" and 0 <= leak.first - c.last <= 2 for c in parse.cues)


def _elsewhere(noun: Mention) -> bool:
    """Whether a noun is another defect, or an appendage device, whose leak may be meant."""
    return noun.kind == "target" or (noun.kind == "other_device" and noun.means.role == "appendage")


def _undone(parse: Parse, mention: Mention, *, ahead: bool = False) -> bool:
    """Whether a cue near a mention denies or plans it; with ``ahead`` only one that stands before it."""
    clause = parse.clause.get(mention.first)
    if dated(parse, clause):
        return True
    end = mention.first if ahead else mention.last + 6
    return any(
        c.means.cue in _UNDONE and parse.clause.get(c.first) == clause and c.first < end for c in parse.cues
    )


def _session(mentions: list[Mention], sentence_of: _Locator, out: Circumstances) -> None:
    for mention in mentions:
        located = sentence_of(mention)
        if located is None:
            continue
        parse, source, standing = located
        given_up = mention.means.event == "aborted"  # "... and surgery will be discussed"
        if standing != "today" or _undone(parse, mention, ahead=given_up):
            continue
        if mention.means.titled and not (source == "title" and _opens_entry(parse, mention)):
            continue
        if mention.means.event in ("valve_implant", "clip_implant"):
            out.other_procedure = out.other_procedure or mention
        elif mention.means.event == "surgical_closure":
            out.surgical = out.surgical or mention
        elif mention.means.event == "aborted":
            out.attempted = out.attempted or mention


def _opens_entry(parse: Parse, mention: Mention) -> bool:
    """As in "Procedure: TAVR, transfemoral; leak closure"; not "leak closure after TAVR"."""
    clause = parse.clause.get(mention.first)
    leaks = [m.first for m in parse.items.values() if m.kind == "leak"]
    begin = max(
        (
            i + 1 for i in range(parse.first, mention.first)
            if _parts(parse, i) and not (parse.words.words[i] == "," and min(leaks, default=i) < i)
        ),
        default=parse.first,
    )  # fmt: skip
    before = range(begin, mention.first)
    told = any(
        i in parse.items or parse.roles.get(i) in ("preposition", "of", "with")
        or any(c.first <= i < c.last for c in parse.cues)
        for i in before
    )  # fmt: skip
    behind = range(mention.last, min(parse.last, mention.last + 3))
    named = any(i in parse.items and parse.items[i].kind in ("leak", "valve") for i in behind)
    dated = any(
        m.kind == "size" and m.means.form == "date" and parse.clause.get(m.first) == clause
        for m in parse.items.values()
    )
    return not told and not named and not dated


def _parts(parse: Parse, i: int) -> bool:
    """Whether a word ends an entry, or the header or number before it."""
    word = parse.words.words[i]
    return word in (":", ";", ",", ".", ")", "+", "/") or parse.roles.get(i) == "conjunction"


def _counted(parse: Parse, mention: Mention) -> bool:
    """As in "two previous MitraClips", "a Perceval from 2020": told of the past."""
    before = parse.items.get(mention.first - 1)
    if before is not None and before.kind == "count" and before.means.ordinal:
        return True
    if any(c.means.cue == "history" and 0 <= mention.first - c.last <= 3 for c in parse.cues):
        return True
    return any(
        m.kind == "size" and m.means.form == "date" and _year_only(parse, m) for m in parse.items.values()
    )


def _year_only(parse: Parse, date: Mention) -> bool:
    """As in "2015", "March 2015": the date of this session has a day."""
    return sum(word.isdigit() for word in parse.words.words[date.first : date.last]) == 1


def _implants(case: Case, out: Circumstances) -> None:
    """A valve or clip that an action, or the implant list, of this session puts in."""
    for parse, source, standing in case.parses:
        if standing != "today" or source == "findings" or parse.cue_kinds() & {"history"}:
            continue
        for noun in parse.nouns:
            if noun.kind != "other_device" or noun.means.role not in ("valve", "clip"):
                continue
            if _undone(parse, noun) or _counted(parse, noun):
                continue
            listed = (source == "implants" and not noun.means.surgical) or noun.means.role == "clip"
            kept = not any(a.means.event in ("unused", "withdraw") for a in parse.actions)
            if (
                (listed and kept)
                or _next_in(parse, noun)
                or any(_put_in(parse, noun, action) for action in parse.actions)
            ):
                out.other_procedure = out.other_procedure or noun


def _next_in(parse: Parse, noun: Mention) -> bool:
    """As in "8Z39 stent, then Melody 22": a telegraphic step, and no verb to say it."""
    then = any(c.means.cue == "sequence" and c.last == noun.first for c in parse.cues)
    verbs = any(parse.roles.get(i) in ("be", "verb") for i in range(parse.first, noun.first))
    return then and not parse.actions and not verbs


def _put_in(parse: Parse, noun: Mention, action: Mention) -> bool:
    """Whether an action beside a noun puts it in: "a Sapien 3 was deployed"."""
    if action.means.event not in ("open", "release"):
        return False
    if parse.clause.get(action.first) != parse.clause.get(noun.first):
        return False
    near = 0 <= noun.first - action.last <= 4 or 0 <= action.first - noun.last <= 4
    if noun.last <= action.first and _part_of(parse, noun):
        return False  # "leaflets of the On-X opening fully"
    if noun.last == action.first and parse.roles.get(noun.first - 1) == "with":
        return False  # "Pt with Evolut R implanted for severe AS"
    between = range(min(action.last, noun.last), max(action.first, noun.first))
    if (
        noun.means.surgical
        and "," in parse.between(between.start, between.stop)
        and not passive(parse, action)
    ):
        return False  # "a bileaflet valve, both discs opening"
    return near and not any(
        (i in parse.items and parse.items[i].kind in ("device", "leak"))
        or parse.roles.get(i) in ("preposition", "with")
        for i in between
    )


def _part_of(parse: Parse, noun: Mention) -> bool:
    """As in "of the On-X": what is told is told of a part of it."""
    item = parse.items.get(noun.first - 1)
    before = noun.first - 1 if item is None or item.kind != "count" else item.first - 1
    return parse.roles.get(before) == "of"


def _ticked_off(mention: Mention, sentence_of: _Locator) -> bool:
    """As in "[x] H&P": an entry of a checklist names no document."""
    located = sentence_of(mention)
    return located is not None and located[0].words.words[mention.first - 1 : mention.first] == ["]"]


def _document(layout: Layout, mentions: list[Mention], out: Circumstances) -> None:
    """The kind of document, by its first lines."""
    procedure = None
    for mention in mentions:
        if mention.means.document == "cancelled":
            out.cancelled = out.cancelled or mention
        elif any(
            start <= mention.start < end and mention.start - start < 40 for start, end in layout.opening
        ):
            if mention.means.document == "procedure":
                procedure = procedure or mention
            elif mention.means.document == "surgical":
                out.surgical = out.surgical or mention
            else:
                out.document = out.document or mention
    if procedure is not None and out.document is not None and procedure.start < out.document.start:
        out.document = None
