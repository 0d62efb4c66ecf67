"""Treated: which valves were treated in this session, and how many devices went to each.

In: a ``Case``. Out: ``Treated``: the treated valves with their words, and the
``Share`` each part of the note gives: a table by its rows, a statement such as "two
at the mitral, one at the aortic valve", the narrative by the valve it talks about.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from extractor.claims import Case
from extractor.events import TrackedDevice
from extractor.grammar import Parse
from extractor.mentions import Mention
from extractor.phrases import size_key
from extractor.site import Site, denied, heading, leak_valves, left_alone, spoken_of, valve_of
from extractor.status import dated, negated

_MOST = 6  # a larger number is no count of devices
_PLACE_REACH = 4  # words from a device to the valve it lies at
_FIELD_REACH = 8  # words from the name of a field to the valve in it

Named = dict[str, Mention]  # valves, each with the words that name it


@dataclass(slots=True)
class Share:
    """How the devices divide over the valves, as one part of the note has it."""

    source: str
    units: dict[str, int]
    unplaced: int = 0
    witness: Named = field(default_factory=dict)

    @property
    def total(self) -> int:
        """All devices of this part."""
        return sum(self.units.values()) + self.unplaced


@dataclass(slots=True)
class Treated:
    """The treated valves, and what the parts of the note say of them."""

    valves: Named = field(default_factory=dict)
    titled: Named = field(default_factory=dict)  # in the title, or a field of a form
    leaking: Named = field(default_factory=dict)  # with a leak told of in the text
    closed: Named = field(default_factory=dict)  # whose leak a sentence tells as closed
    shares: list[Share] = field(default_factory=list)  # the surest first
    contested: tuple[Mention, Mention] | None = None  # the parts name different valves
    prosthesis: bool = False
    valve_of: dict[int, str] = field(default_factory=dict)  # by id of the device


def read_treated(case: Case) -> Treated:
    """The treated valves of a note."""
    out = Treated(titled=_titled(case), leaking=_leaking(case), closed=_closed(case))
    loose = not out.titled and not out.leaking
    if loose:
        out.leaking = _loose(case)
    prostheses = _prostheses(case)
    out.prosthesis = bool(prostheses)
    rows = _rows(case)
    table = _of_rows(rows)
    stated = list(_statements(case))
    talk = _talk(case)
    told = _of_talk(case, talk, out.leaking)
    matched = _of_rows(_matched(case, talk, rows), "matched") if table is None else None
    out.shares = [share for share in (table, *stated, matched, told) if share is not None]
    sure = next((s for s in out.shares if s not in (matched, told) and not s.unplaced), None)
    fields = _fields(case)
    out.valves = _decide(out, fields, sure, told, prostheses, case)
    out.titled = out.titled or fields
    out.contested = (
        _contest(told, sure.witness if sure is not None else out.closed)
        or _found_closed(case, out.titled)
        or _placed_elsewhere(case, out.titled)
        or (_told_elsewhere(case, talk, out) if sure is None else None)
        or (_replaced_elsewhere(out.titled, out.leaking, prostheses) if sure is None else None)
        or (_either(out, told, prostheses, case) if sure is None else None)
        or (_native(out, prostheses) if sure is None and loose else None)
    )
    out.valve_of = _valve_of(case, talk, rows)
    return out


def _decide(
    out: Treated, fields: Named, sure: Share | None, told: Share | None, prostheses: Named, case: Case
) -> Named:
    """The treated valves: as the title has them if it names two, else as the surest part does."""
    if len(out.titled) > 1:
        return dict(out.titled)
    if fields:
        return fields
    if sure is not None:
        return dict(sure.witness)
    if len(out.closed) > 1:
        return dict(out.closed)
    if len(out.leaking) == 1:
        return dict(out.leaking)
    if told is not None:
        return dict(told.witness)
    if out.closed and not out.titled:
        return dict(out.closed)
    if out.titled or out.leaking:
        return dict(out.titled or out.leaking)
    placed = _placed(case)
    if len(placed) == 1:
        return placed
    if prostheses:
        return prostheses if len(prostheses) == 1 else {}
    return _named_at_all(case)


def _either(
    out: Treated, told: Share | None, prostheses: Named, case: Case
) -> tuple[Mention, Mention] | None:
    """As in a patient with two prostheses, where nothing said before the first device names its valve."""
    if out.titled or out.closed or len(prostheses) < 2 or told is None or len(out.valves) != 1:
        return None
    if not told.unplaced and not _named_late(case, out.valves):
        return None
    (valve,) = out.valves
    other = next(mention for name, mention in prostheses.items() if name != valve)
    return out.valves[valve], other


def _native(out: Treated, prostheses: Named) -> tuple[Mention, Mention] | None:
    """As in "the wire went out of the aortic valve", in a patient with a mitral prosthesis alone."""
    if out.titled or out.closed or len(prostheses) != 1 or len(out.valves) != 1:
        return None
    (valve, mention), (replaced, prosthesis) = *out.valves.items(), *prostheses.items()
    return (mention, prosthesis) if valve != replaced else None


def _named_late(case: Case, valves: Named) -> bool:
    """Whether the words that name the valve stand behind the first device."""
    first = min((d.events[0].start for d in case.main.today()), default=0)
    return all(mention.start > first for mention in valves.values())


def _contest(told: Share | None, other: Named) -> tuple[Mention, Mention] | None:
    """Where the narrative puts every device at one valve, and another part at another."""
    if (
        told is None
        or told.unplaced
        or len(told.units) > 1
        or len(other) != 1
        or set(other) & set(told.units)
    ):
        return None
    return next(iter(told.witness.values())), next(iter(other.values()))


def _found_closed(case: Case, titled: Named) -> tuple[Mention, Mention] | None:
    """As in "Aortic: paravalvular leak, trace after device", under a title of the mitral valve."""
    for parse, source, standing in case.parses:
        if len(titled) != 1 or source == "title" or standing != "today":
            continue
        found = leak_valves(parse, tied=True, flow=False)
        after = any(
            c.means.cue == "landmark"
            and any(c.last == p.first and p.explanation != "history" for p in parse.phrases)
            for c in parse.cues
        )
        valve = next(iter(found)) if len(found) == 1 else None
        witness = _witness(parse, valve) if valve is not None and valve not in titled and after else None
        if witness is not None:
            return next(iter(titled.values())), witness
    return None


def _placed_elsewhere(case: Case, titled: Named) -> tuple[Mention, Mention] | None:
    """As in "distal disc under the aortic annulus", under a title of the mitral valve."""
    if len(titled) != 1:
        return None
    for parse, source, standing in case.parses:
        if source not in ("narrative", "log") or standing != "today":
            continue
        device = any(p.sizes and not p.prior and p.explanation.startswith("device") for p in parse.phrases)
        valves = spoken_of(parse)
        if device and valves and not set(titled) & {v.means.valve for v in valves}:
            return next(iter(titled.values())), valves[0]
    return None


def _told_elsewhere(case: Case, talk: dict[int, str], out: Treated) -> tuple[Mention, Mention] | None:
    """As in "the defect lateral of the mitral ring was crossed", and a plug put in, under an aortic title."""
    told = {talk.get(d.events[0].start, d.valve) for d in case.main.today() if d.in_place}
    valve = next(iter(told), None)
    if len(out.titled) != 1 or len(told) != 1 or valve is None or valve in out.titled:
        return None
    if set(out.titled) & {*out.leaking, *out.closed}:
        return None
    for parse, source, standing in case.parses:
        tied = source == case.narrator and standing == "today" and leak_valves(parse, tied=True) == {valve}
        witness = _witness(parse, valve) if tied else None
        if witness is not None and not left_alone(parse, witness):
            return next(iter(out.titled.values())), witness
    return None


def _replaced_elsewhere(titled: Named, leaking: Named, prostheses: Named) -> tuple[Mention, Mention] | None:
    """As in "Aortic paravalvular leak closure" of a patient with a mitral prosthesis and no other."""
    if len(titled) != 1 or len(prostheses) != 1 or set(titled) & {*leaking, *prostheses}:
        return None
    return next(iter(titled.values())), next(iter(prostheses.values()))


# -- the valves a text names ------------------------------------------------------


def _strong(parse: Parse) -> bool:
    return any(m.kind == "leak" and m.means.term in ("paravalvular", "closure") for m in parse.mentions)


def _witness(parse: Parse, valve: str) -> Mention | None:
    """The words that name a leaking valve; None where its leak is denied."""
    mentions = parse.mentions
    witness = next(
        (m for m in mentions if m.kind in ("leak", "valve", "other_device") and m.means.valve == valve),
        next((m for m in mentions if m.kind == "valve" and m.means.near == valve), None),
    )
    if witness is None or witness.kind == "leak":
        return None if witness is None or denied(parse, witness) else witness
    leak = next((m for m in mentions if m.kind == "leak" and m.means.term not in ("central", "device")), None)
    return None if leak is not None and denied(parse, leak) else witness


def _titled(case: Case) -> Named:
    """The valves whose leak the title names."""
    found: Named = {}
    for parse, source, standing in case.parses:
        if source == "title" and standing == "today" and _strong(parse):
            for valve in sorted(leak_valves(parse, tied=True)):
                witness = _witness(parse, valve)
                if witness is not None:
                    found.setdefault(valve, witness)
    return found


def _closed(case: Case) -> Named:
    """The valves whose leak a sentence of this session tells as closed; both only if one sentence does."""
    found: Named = {}
    for parse, source, standing in case.parses:
        if standing != "today" or source == "title" or not _closes(parse):
            continue
        named = {
            valve: witness
            for valve in sorted(leak_valves(parse, tied=True, flow=False))
            if (witness := _witness(parse, valve)) is not None
        }
        if len(named) > 1:
            return named
        found.update(named)
    return found if len(found) == 1 else {}


def _closes(parse: Parse) -> bool:
    """Whether a sentence tells a closure as done."""
    undone = {"negation", "inability", "plan", "history", "cancelled"}
    if any(dated(parse, clause) for clause in set(parse.clause.values())):
        return False
    whens = {c.last for c in parse.cues if c.means.cue == "landmark"}  # "seen again after closure"
    closes = any(a.means.event == "close" and a.first not in whens for a in parse.actions)
    return closes and not parse.cue_kinds() & undone


def _leaking(case: Case) -> Named:
    """The valves whose leak the text tells of; mere regurgitation only where nothing else is told."""
    holes: Named = {}
    flows: Named = {}
    former: Named = {}  # closed in an earlier session, trivial or left alone: perhaps the one meant
    for parse, source, standing in case.parses:
        titled = source == "title" and standing == "today"
        strong = _strong(parse)
        if titled or standing == "planned" or not (strong or standing == "today"):
            continue
        sure = leak_valves(parse, tied=True, flow=False)
        for valve in sorted(leak_valves(parse, tied=True)):
            witness = _witness(parse, valve)
            if witness is not None:
                if _closed_before(parse, standing) or left_alone(parse, witness):
                    former.setdefault(valve, witness)
                elif valve in sure:
                    holes.setdefault(valve, witness)
                elif "negation" not in parse.cue_kinds():  # "mitral regurgitation did not increase"
                    flows.setdefault(valve, witness)
    replaced = _prostheses(case)  # a regurgitation may be through a native valve
    beside = {valve: m for valve, m in flows.items() if valve in replaced or not replaced}
    return {**_headed(case), **holes} or beside or former


def _closed_before(parse: Parse, standing: str) -> bool:
    """As in "Mitral PVL closed 2019 with two AVP II"."""
    told = (
        standing == "prior"
        or "history" in parse.cue_kinds()
        or any(m.kind == "size" and m.means.form == "date" for m in parse.mentions)
    )
    return (
        told
        and any(a.means.event == "close" for a in parse.actions)
        and any(p.explanation == "history" for p in parse.phrases)
    )


def _headed(case: Case) -> Named:
    """The valves to which a heading turned the talk, and a device was left there."""
    closed = {d.valve for d in case.main.today() if d.in_place}
    found: Named = {}
    for parse, _, standing in case.parses:
        turned = heading(parse) if standing == "today" else None
        valve = valve_of(turned) if turned is not None else None
        if turned is not None and valve in closed and valve is not None:
            found.setdefault(valve, turned)
    return found


def _loose(case: Case) -> Named:
    """The one valve only named in the same sentence as a leak."""
    found: Named = {}
    replaced = _prostheses(case)
    for parse, _, standing in case.parses:
        if standing != "planned":
            sure = leak_valves(parse, flow=False)
            for valve in sorted(leak_valves(parse)):
                if valve not in sure and replaced and valve not in replaced:
                    continue  # "mitral regurgitation never more than mild", of a valve of the patient's own
                witness = _witness(parse, valve)
                if witness is not None:
                    found.setdefault(valve, witness)
    return found


def _fields(case: Case) -> Named:
    """The valves in the field of a form that names the treated one: "Valve position: mitral"."""
    found: Named = {}
    for parse, _, standing in case.parses:
        opened = next((m for m in parse.mentions if m.kind == "valve" and m.means.field), None)
        if opened is None or standing == "planned":
            continue
        end = opened.last
        for valve in spoken_of(parse):
            if 0 <= valve.first - end <= _FIELD_REACH:
                found.setdefault(valve.means.valve, valve)
                end = valve.last
    return found


def _prostheses(case: Case) -> Named:
    found: Named = {}
    for parse, _, _ in case.parses:
        for mention in parse.mentions:
            if (mention.kind == "valve" and mention.means.valve and mention.means.prosthesis) or (
                mention.kind == "other_device" and mention.means.valve
            ):
                found.setdefault(mention.means.valve, mention)
            beside = parse.items.get(mention.last)
            surgical = mention.kind == "other_device" and mention.means.surgical
            if surgical and beside is not None and beside.kind == "valve" and beside.means.valve:
                found.setdefault(beside.means.valve, beside)  # "27 Mosaic mitral"
    return found


def _placed(case: Case) -> Named:
    """As in "four occluders stay in her mitral annulus": the valves where devices are said to lie."""
    found: Named = {}
    for parse, _, standing in case.parses:
        stays = {"open", "release", "remain"}
        acted = any(a.means.event in stays and not negated(parse, a) for a in parse.actions)
        if standing != "today" or not acted:
            continue
        today = [
            p for p in parse.phrases if not (p.prior or p.none or p.pronoun) and p.explanation != "history"
        ]
        for valve in spoken_of(parse):
            if any(0 < valve.first - p.last <= _PLACE_REACH for p in today):
                found.setdefault(valve.means.valve, valve)
    return found


def _named_at_all(case: Case) -> Named:
    """The only valve a note names, or the only one with a place it names; not one that bears a ring."""
    for place in (False, True):
        found: Named = {}
        for parse, _, _ in case.parses:
            if any(m.kind == "other_device" and m.means.role == "ring" for m in parse.nouns):
                continue
            for mention in parse.mentions:
                if mention.kind == "valve" and (mention.means.near if place else mention in spoken_of(parse)):
                    found[mention.means.near or mention.means.valve] = mention
        if found:
            return found if len(found) == 1 else {}
    return {}


# -- how the devices divide -------------------------------------------------------


def _of_talk(case: Case, talk: dict[int, str], leaking: Named) -> Share | None:
    """By the valve the narrative was talking about when a device was named."""
    share = Share("narrative", {})
    for device in case.main.today():
        if not device.in_place:
            continue
        valve = talk.get(device.events[0].start, device.valve)
        if valve in leaking:
            share.units[valve] = share.units.get(valve, 0) + 1
            share.witness.setdefault(valve, leaking[valve])
        else:
            share.unplaced += 1
    return share if share.units else None


def _talk(case: Case) -> dict[int, str]:
    """The valve that a sentence, or else the talk before it, names for the device first told of in it.

    By the offset of the device's first event; nothing for a sentence that names two.
    """
    events = sorted(device.events[0].start for device in case.main.devices)
    site = Site()
    found: dict[int, str] = {}
    for parse, source, standing in case.parses:
        if source != case.narrator or standing != "today":
            continue
        site.read(parse)
        here = {m.means.valve for m in _valves_named(parse)}
        if site.valve is None or len(here) > 1:
            continue
        start, end = parse.words.starts[parse.first], parse.words.ends[parse.last - 1]
        found.update(dict.fromkeys(events[bisect_left(events, start) : bisect_left(events, end)], site.valve))
    return found


@dataclass(frozen=True, slots=True)
class _Row:
    """A device of a table and the valve its row names."""

    device: TrackedDevice
    valve: Mention | None


def _rows(case: Case) -> list[_Row]:
    """The devices of the implant table, each with the valve of its row or of the heading above."""
    timeline = case.timelines.get("implants")
    if timeline is None:
        return []
    listed = timeline.today()
    begun = sorted((d.events[0].start, k) for k, d in enumerate(listed))
    rows: list[_Row] = []
    above: Mention | None = None
    section = None
    for parse, _, _ in case.parses:
        if parse.first == parse.last:
            continue
        start, end = parse.words.starts[parse.first], parse.words.ends[parse.last - 1]
        inside = begun[bisect_left(begun, (start, 0)) : bisect_left(begun, (end, 0))]
        devices = [listed[k] for k in sorted(k for _, k in inside)]
        valves = _valves_named(parse)
        if parse.sentence.section is not section:
            above, section = None, parse.sentence.section
        if not devices:
            above = valves[0] if len({m.means.valve for m in valves}) == 1 else None
        elif len({m.means.valve for m in valves}) > 1:
            rows += [_Row(d, v) for d, v in zip(devices, _in_order(parse, len(devices)), strict=True)]
        else:
            rows += [_Row(device, valves[0] if valves else above) for device in devices]
    return rows


def _matched(case: Case, talk: dict[int, str], rows: list[_Row]) -> list[_Row]:
    """The rows of a table without valves, each with the valve at which the narrative has its size."""
    words: Named = {}
    for parse, _, _ in case.parses:
        for named in spoken_of(parse):
            words.setdefault(named.means.valve, named)
    valves: dict[tuple[str, ...], set[str | None]] = {}
    for device in case.main.today():
        valve = talk.get(device.events[0].start, device.valve)
        valves.setdefault(size_key(device.size), set()).add(valve)
    out = []
    for row in rows:
        at = valves.get(size_key(row.device.size), set()) if row.device.size else set()
        only = next(iter(at)) if len(at) == 1 else None
        out.append(_Row(row.device, words.get(only) if only is not None else None))
    return out


def _of_rows(rows: list[_Row], source: str = "implants") -> Share | None:
    share = Share(source, {})
    for row in rows:
        if not row.device.in_place:
            continue
        if row.valve is None or row.device.many:
            share.unplaced += 1
            continue
        valve = row.valve.means.valve
        share.units[valve] = share.units.get(valve, 0) + 1
        share.witness.setdefault(valve, row.valve)
    return share if share.units else None


def _valve_of(case: Case, talk: dict[int, str], rows: list[_Row]) -> dict[int, str]:
    """The valve of each device: that of a table row with the same size, else the one talked about."""
    left = [row for row in rows if row.valve is not None]
    found: dict[int, str] = {}
    for device in case.main.devices:
        match = next(
            (
                row
                for row in left
                if size_key(row.device.size) == size_key(device.size)
                and row.device.in_place == device.in_place
            ),
            None,
        )
        if match is not None and match.valve is not None and device.size is not None:
            left.remove(match)
            found[id(device)] = match.valve.means.valve
            continue
        valve = talk.get(device.events[0].start, device.valve)
        if valve is not None:
            found[id(device)] = valve
    return found


def _statements(case: Case) -> Iterator[Share]:
    """Statements that divide the devices: in one sentence, or line by line in a summary."""
    by_section: dict[int, list[Parse]] = {}
    for parse, source, standing in case.parses:
        if standing != "today" or source in ("implants", "equipment"):
            continue
        share = _divided([parse])
        if share is not None:
            yield share
        if source == "summary":
            by_section.setdefault(parse.sentence.section.start, []).append(parse)
    for parses in by_section.values():
        share = _divided(parses) if len(parses) > 1 else None
        if share is not None:
            yield share


def _divided(parses: Iterable[Parse]) -> Share | None:
    """The share that sentences state, where they name two valves or more."""
    share = Share("statement", {})
    for parse in parses:
        for number, valve in _pairs(parse):
            share.units[valve.means.valve] = share.units.get(valve.means.valve, 0) + number
            share.witness.setdefault(valve.means.valve, valve)
    return share if len(share.units) > 1 else None


def _in_order(parse: Parse, number: int) -> list[Mention | None]:
    """The valves of the devices of a row, in their order."""
    valves: list[Mention | None] = [valve for count, valve in _pairs(parse) for _ in range(count)]
    return valves if len(valves) == number else [None] * number


def _pairs(parse: Parse) -> list[tuple[int, Mention]]:
    """Numbers of devices with their valve, where a sentence names them in turns.

    "Mitral: two plugs, aortic: one" has the valve first, "one mitral, one aortic"
    the number; a total that opens or ends the sentence counts nothing of its own.
    """
    tokens = _turns(parse)
    numbers = [t for _, t in tokens if isinstance(t, int)]
    if sum(numbers) in _counting_others(parse):
        return []
    valves_first = bool(tokens) and not isinstance(tokens[0][1], int)
    total = -1 if valves_first else 0
    if len(numbers) > 2 and numbers[total] == sum(numbers) - numbers[total]:
        k = next(i for i, t in enumerate(tokens[:: total or 1]) if isinstance(t[1], int))
        del tokens[k if total == 0 else len(tokens) - 1 - k]
    pairs: list[tuple[int, Mention]] = []
    for _, token in tokens if valves_first else reversed(tokens):
        if not isinstance(token, int):
            valve = token
            pairs.append((0, valve))
        elif pairs:
            pairs[-1] = (pairs[-1][0] + token, pairs[-1][1])
        else:
            return []  # "two mitral, one aortic, one more": the last belongs nowhere
    if not valves_first:
        pairs.reverse()
    return pairs if all(number for number, _ in pairs) else []


def _counting_others(parse: Parse) -> set[int]:
    """As in "4 leaflets seen (2 aortic, 2 mitral)": the numbers of things that are no device."""
    return {
        number
        for m in parse.mentions
        if m.kind == "count"
        and m.means.word is None
        and (number := m.means.number or m.value)
        and m.last < parse.last
        and m.last not in parse.items
        and parse.roles.get(m.last) is None
        and parse.words.words[m.last].isalpha()
    }


def _turns(parse: Parse) -> list[tuple[int, int | Mention]]:
    """The numbers of devices and the valves of a sentence, in text order; a valve named twice is one."""
    found: list[tuple[int, int | Mention]] = [(m.first, m) for m in _valves_named(parse)]
    found += _numbers(parse)
    found.sort(key=lambda pair: pair[0])
    turns: list[tuple[int, int | Mention]] = []
    for at, token in found:
        before = turns[-1][1] if turns else None
        if (
            isinstance(token, Mention)
            and isinstance(before, Mention)
            and token.means.valve == before.means.valve
        ):
            continue
        turns.append((at, token))
    return turns


def _valves_named(parse: Parse) -> list[Mention]:
    """Valves and their leaks, in text order."""
    leaks = [
        m
        for m in parse.mentions
        if m.kind == "leak" and m.means.valve and not m.means.flow and not denied(parse, m)
    ]
    return sorted([*spoken_of(parse), *leaks], key=lambda m: m.first)


def _numbers(parse: Parse) -> list[tuple[int, int]]:
    """Numbers of devices: of device phrases, and bare ones that count no other thing."""
    found: list[tuple[int, int]] = []
    taken: set[int] = set()
    for phrase in parse.phrases:
        taken.update(range(phrase.first, phrase.last))
        if phrase.pronoun or phrase.none or phrase.determiner == "definite" or phrase.prior:
            continue
        if phrase.quantity is not None and not (phrase.headless and phrase.ordinal):
            found.append((phrase.head_first, phrase.quantity))
    for mention in parse.mentions:
        number = mention.means.number or mention.value if mention.kind == "count" else None
        if number and number <= _MOST and mention.first not in taken and _bare(parse, mention):
            found.append((mention.first, number))
    return found


def _bare(parse: Parse, count: Mention) -> bool:
    """As in "one at the mitral, two at the aortic": a number that stands for devices by itself."""
    if count.means.word is not None or count.means.ordinal is not None:
        return False
    behind = count.last
    entry = count.first == parse.first or (count.value is not None and behind + 1 < parse.last)
    if entry and parse.words.words[behind : behind + 1] in (["."], [")"]):
        return False  # the number of a list entry, also in a row of them: "1. Mitral 2. Aortic"
    if behind >= parse.last:
        return True
    item = parse.items.get(behind)
    if item is not None and item.kind == "valve":
        return True
    return item is None and (
        parse.roles.get(behind) in ("preposition", "conjunction", "be")
        or not parse.words.words[behind].isalnum()
    )
