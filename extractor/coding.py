"""Coding: codes, units, reasons and proof from the count and the circumstances.

In: a ``Case``, its ``Count`` and ``Circumstances``. Out: a ``Suggestion``. Code
numbers and role names are data (``patterns/coding.yaml``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from extractor.circumstances import Circumstances
from extractor.claims import Case, Claim
from extractor.count import Count
from extractor.events import Event, Timeline, TrackedDevice, same_size
from extractor.mentions import Mention
from extractor.rules import CodingRule, RuleBook
from extractor.site import ACCESS
from extractor.suggestion import (
    Companion,
    Device,
    Line,
    Outcome,
    Proof,
    Reason,
    ReasonCode,
    Span,
    Status,
    Suggestion,
)
from extractor.treated import Share, Treated

_LEFT_VALVES = ("mitral", "aortic")


@dataclass(frozen=True, slots=True)
class Evidence:
    """Makes spans of one note."""

    text: str
    section_at: dict[int, str]

    def span(self, start: int, end: int, section: str, rule: str) -> Span:
        """Characters ``start`` to ``end``, as a rule found them in a section."""
        return Span(start=start, end=end, text=self.text[start:end], section=section, rule=rule)

    def of_event(self, event: Event) -> Span:
        """The words that tell of an event."""
        return self.span(event.start, event.end, event.section, event.rule)

    def of_claim(self, claim: Claim) -> Span:
        """The words that make a claim."""
        return self.span(claim.start, claim.end, claim.section, claim.rule)

    def of_mention(self, mention: Mention) -> Span:
        """The words of a mention."""
        return self.span(mention.start, mention.end, self.section_at.get(mention.first, ""), mention.rule)


Interval = tuple[int, int, int | None]  # units, and their bounds


def units_of(lines: Iterable[Line], companions: Iterable[Companion]) -> dict[str, int]:
    """Units of each code, companions with them."""
    units = {line.code: line.units for line in lines}
    return units | {companion.code: companion.units for companion in companions}


@dataclass(frozen=True, slots=True)
class Coded:
    """The codes for a count at the treated valves, with the devices at each coded valve."""

    lines: tuple[Line, ...]
    companions: tuple[Companion, ...]
    reasons: list[Reason]
    share: dict[str, Interval]

    @property
    def units(self) -> dict[str, int]:
        """Units of each code, companions with them."""
        return units_of(self.lines, self.companions)


@dataclass(frozen=True, slots=True)
class _Session:
    """What a note tells of its session, as far as codes depend on it."""

    case: Case
    count: Count
    around: Circumstances
    today: list[TrackedDevice]

    @property
    def counted(self) -> bool:
        """Whether any part of the note says that a device may have stayed in."""
        return any(claim.high != 0 for claim in self.case.claims)

    @property
    def tried(self) -> bool:
        """Whether anything was done with a device, beyond its being named."""
        idle = ("named", "withdraw", "removed")
        handled = any(
            d.tried
            or (d.state not in ("named", "unused") and any(event.event not in idle for event in d.events))
            for d in self.today
        )
        removed = any(d.state == "removed" and d.size for d in self.today)
        crossed = self.around.closure is not None or bool(self.around.routes.all)
        return handled or (crossed and removed)

    @property
    def of_this_stay(self) -> bool:
        """Whether a discharge summary names the closure as a procedure of this stay."""
        document = self.around.document
        discharge = document is not None and document.means.document == "discharge"
        return discharge and self.around.closure is not None

    @property
    def access_closed(self) -> bool:
        """Whether a device was left in the way by which the leak was reached through the apex."""
        devices = (d for d in self.case.main.devices if d.standing == "today" and d.in_place)
        return any(d.target == "apical_tract" for d in devices)

    @property
    def told(self) -> bool:
        """Whether the course of events is told, and not only its result."""
        result = ("named", "listed", "implanted")
        return any(event.event not in result for d in self.today for event in d.events)

    @property
    def elsewhere(self) -> TrackedDevice | None:
        """A device left in another defect in this session."""
        at_leak = (None, *ACCESS)
        left = (d for d in self.case.main.devices if d.standing == "today" and d.in_place)
        return next((d for d in left if d.target not in at_leak), None)


def suggest(
    note_id: str, book: RuleBook, evidence: Evidence, case: Case, count: Count, around: Circumstances
) -> Suggestion:
    """The suggestion for one note."""
    devices = _devices(tracked(case, count), around, evidence)
    session = _Session(case, count, around, case.main.today())
    if any(says(session) for says in _NOTHING_TO_CODE):
        return _nothing(note_id, book, devices, around, evidence)
    if around.document is not None:
        reasons = [_not_its_report(around.document, evidence)]
        return _result(note_id, book, "review", (), reasons, devices, around, (), evidence, count)
    if _left_elsewhere_only(session):
        return _nothing(note_id, book, devices, around, evidence)
    reasons = _device_reasons(session, evidence)
    coded = code(book, count, around, devices, evidence)
    reasons += coded.reasons
    reasons += _circumstance_reasons(around, evidence)
    status: Status = "review" if reasons else "ready"
    lines, companions = coded.lines, coded.companions
    return _result(note_id, book, status, lines, reasons, devices, around, companions, evidence, count)


def code(
    book: RuleBook, count: Count, around: Circumstances, devices: tuple[Device, ...], evidence: Evidence
) -> Coded:
    """The codes for a count of devices at the treated valves, and what leaves the valve open."""
    reasons, share = _valve_share(count, around, evidence)
    lines = _lines(book, share, count, devices)
    return Coded(lines, _companions(book, around, share, evidence), reasons, share)


# -- whether there is anything to code ---------------------------------------------


def _no_closure(session: _Session) -> bool:
    """No closure of a leak was begun in this session."""
    around = session.around
    if around.leak is None:
        return around.ring is None or not session.today or not _begun(session)
    claims = session.case.claims
    occurred = (
        session.of_this_stay
        or bool(session.today)
        or any(c.low for c in claims if c.source in ("narrative", "log"))
        or (around.closure is not None and (around.attempted or session.counted))
        or (around.attempted is not None and bool(around.routes.sought or around.routes.all))
        or session.access_closed
    )
    return not occurred or not _begun(session)


def _begun(session: _Session) -> bool:
    attempted = session.around.attempted is not None or session.access_closed
    return session.tried or attempted or session.counted or session.of_this_stay


def _surgical_only(session: _Session) -> bool:
    """Closed by the surgeon's hand, or plugs of an earlier session were cut out."""
    around = session.around
    if around.surgical is None and around.exposed is None:
        return False
    operated = around.surgical is not None and around.exposed is not None and not around.routes.all
    sewn = around.surgical is not None and not any(d.in_place for d in session.today)
    return operated or sewn or (_taken_out(session.case) and not _opened(session.case))


def _another_defect(session: _Session) -> bool:
    """The title names the closure of another defect, and none of a leak."""
    return session.around.closure is None and session.around.other_closure is not None


def _cancelled(session: _Session) -> bool:
    around = session.around
    told = session.tried and session.case.narrator not in ("summary", "title")
    told |= around.attempted is not None and bool(around.routes.sought or around.routes.all)
    return session.around.cancelled is not None and not told


def _none_opened(session: _Session) -> bool:
    """Every device stayed in its box, and no attempt is told."""
    today = session.today
    return bool(today) and all(d.state == "unused" for d in today) and not session.around.attempted


def _mere_document(session: _Session) -> bool:
    """A document of another kind that does not tell of this encounter's closure."""
    document = session.around.document
    if document is None or session.told:
        return False
    return document.means.document != "discharge" or not (session.counted or session.of_this_stay)


_NOTHING_TO_CODE: tuple[Callable[[_Session], bool], ...] = (
    _no_closure, _surgical_only, _another_defect, _cancelled, _none_opened, _mere_document,
)  # fmt: skip


def _left_elsewhere_only(session: _Session) -> bool:
    """Devices were tried, and the only one left in is in another defect."""
    return (
        session.around.closure is None
        and session.elsewhere is not None
        and not any(d.at_leak or d.in_place for d in session.today)
    )


# -- reasons about the devices -----------------------------------------------------


def _not_its_report(document: Mention, evidence: Evidence) -> Reason:
    return Reason(
        code="not_procedure_note",
        message="This document tells of a closure but is not its procedure report.",
        evidence=(evidence.of_mention(document),),
    )


def _device_reasons(session: _Session, evidence: Evidence) -> list[Reason]:
    """Why the number of devices left in at the leak is not certain."""
    count, around, today = session.count, session.around, session.today
    if _none_implanted(count, today):
        return [
            Reason(
                code="no_device_implanted",
                message="Closure was attempted; no device is documented as left in place.",
                evidence=tuple(evidence.of_event(d.events[-1]) for d in today[:3]),
            )
        ]
    reasons = _count_reasons(count, evidence)
    if reasons or count.low == 0:
        return reasons
    given_up = around.failed or (None if _kept(today) else around.attempted)
    if given_up is not None:
        message = "The procedure is called an attempt that failed, and the text leaves a device in."
        spans = (evidence.of_mention(given_up),)
        return [Reason(code="device_count_conflict", message=message, evidence=spans)]
    at_leak = any(d.at_leak and d.in_place for d in today)
    elsewhere = session.elsewhere
    if around.closure is None and not (at_leak or around.routes.all) and elsewhere is not None:
        message = (
            "Another defect was closed in this session, and no sentence says that a device closed the leak."
        )
        spans = (evidence.of_event(elsewhere.events[0]),)
        return [Reason(code="device_count_conflict", message=message, evidence=spans)]
    return []


def _kept(today: list[TrackedDevice]) -> bool:
    """Whether a device is said to have been let go or to have stayed, and not only to have been opened."""
    return any(
        d.in_place and (d.state == "released" or d.listed or any(event.final for event in d.events))
        for d in today
    )


def _none_implanted(count: Count, today: list[TrackedDevice]) -> bool:
    """Whether the closure was attempted and every device taken out again, or none opened."""
    if count.low == 0 and count.high == 0:
        return True
    return (
        count.low == 0
        and not any(d.in_place for d in today)
        and count.conflict is None
        and all(d.state in ("removed", "unused") or d.tried for d in today)
    )


def _taken_out(case: Case) -> bool:
    return any(d.state == "removed" for t in case.timelines.values() for d in t.today())


def _opened(case: Case) -> bool:
    """Whether any source tells of a device being brought in, and not only taken out."""
    into = {"open", "load", "select", "implanted", "reposition"}
    return any(e.event in into for t in case.timelines.values() for d in t.today() for e in d.events)


def tracked(case: Case, count: Count) -> list[TrackedDevice]:
    """The devices of the part that comes to the count, and those only other parts know as not left in."""
    account = _account(case, count)
    found = list(account.devices)
    for source in ("implants", "equipment", "addendum", "log"):
        timeline = case.timelines.get(source)
        if timeline is None or timeline is account:
            continue
        for device in timeline.devices:
            alike = [d for d in found if d.standing == "today" and same_size(d.size, device.size)]
            if device.state == "unused" and not any(d.state == "unused" for d in alike):
                found.append(device)
            elif (
                device.state == "removed" and device.size and not any(_outcome(d) == "removed" for d in alike)
            ):
                found = [d for d in found if d not in alike or d.in_place] + [device]
    return found


def _account(case: Case, count: Count) -> Timeline:
    """The part whose devices come to the count: the one that tells the course, where it does."""
    for source in (case.narrator, "addendum", "implants", "log", "summary"):
        timeline = case.timelines.get(source) if source else None
        if timeline is not None and sum(d.in_place for d in timeline.today()) == count.exact:
            return timeline
    return case.main


def _outcome(device: TrackedDevice) -> Outcome:
    if device.standing == "prior":
        return "prior"
    if device.standing == "planned":
        return "planned"
    if device.target is not None:
        return "other_target"
    if device.in_place:
        return "implanted"
    if device.state in ("removed", "embolized") or (device.tried and device.state == "loaded"):
        return "removed"
    if device.state == "unused":
        return "unused"
    return "unknown"


def _devices(found: list[TrackedDevice], around: Circumstances, evidence: Evidence) -> tuple[Device, ...]:
    only = next(iter(around.treated.valves)) if len(around.treated.valves) == 1 else None
    out = []
    for number, device in enumerate(found, 1):
        outcome = _outcome(device)
        own = around.treated.valve_of.get(id(device), device.valve)
        valve = (only or own) if outcome in ("implanted", "removed", "unknown") else device.valve
        out.append(
            Device(
                number=number,
                valve=valve,  # type: ignore[arg-type]
                product=device.product,
                size=device.size,
                outcome=outcome,
                evidence=tuple(dict.fromkeys(evidence.of_event(e) for e in device.events)),
            )
        )
    return tuple(out)


def _count_reasons(count: Count, evidence: Evidence) -> list[Reason]:
    if count.conflict is not None:
        first, second = count.conflict
        return [
            Reason(
                code="device_count_conflict",
                message=f"{_SAYS[first.source]} {_said(first)}, "
                f"{_SAYS[second.source].lower()} {_said(second)}.",
                evidence=(evidence.of_claim(first), evidence.of_claim(second)),
            )
        ]
    if count.unstated is not None:
        return [
            Reason(
                code="device_count_unstated",
                message="More than one device, and the note does not say how many.",
                evidence=(evidence.of_claim(count.unstated),),
            )
        ]
    if count.exact is None:
        spans = (evidence.of_claim(count.doubt),) if count.doubt else ()
        return [
            Reason(
                code="device_count_conflict",
                message=f"The note supports {count.low} to {count.high} devices: "
                "not every device mentioned is accounted for.",
                evidence=spans,
            )
        ]
    return []


_SAYS = {
    "narrative": "The narrative gives", "log": "The event log gives", "implants": "The implant list gives",
    "findings": "The findings give", "summary": "The summary gives", "title": "The title gives",
    "addendum": "The addendum gives", "equipment": "The equipment list gives",
}  # fmt: skip


def _said(claim: Claim) -> str:
    if claim.high is None:
        return f"{claim.low} or more devices"
    return f"{claim.low}" if claim.low == claim.high else f"{claim.low} to {claim.high}"


def _valve_share(
    count: Count, around: Circumstances, evidence: Evidence
) -> tuple[list[Reason], dict[str, Interval]]:
    """Reasons about the valve, and (units, low, high) per coded valve."""
    reasons = _other_valve(around, evidence)
    ring = _ring(around, evidence)
    if ring is not None:
        return [*reasons, ring], {}
    valves = [v for v in _LEFT_VALVES if v in around.treated.valves]
    if not valves and not reasons:
        return [Reason(code="valve_unstated", message="The treated valve is not named.", evidence=())], {}
    reasons += _valve_conflict(valves, count, around, evidence)
    if count.low == 0 or not valves:
        return reasons, {}
    if len(around.treated.valves) == 1:
        return reasons, {valves[0]: (count.low, count.low, count.high)}
    share, doubt = _divide(list(around.treated.valves), count, around, evidence)
    return [*reasons, *doubt], {v: share[v] for v in valves if v in share}


def _other_valve(around: Circumstances, evidence: Evidence) -> list[Reason]:
    """A leak at the tricuspid or the pulmonary valve."""
    other = next((v for v in around.treated.valves if v not in _LEFT_VALVES), None)
    if other is None:
        return []
    return [
        Reason(
            code="other_valve",
            message=f"Leak at the {other} valve: no code of this family applies.",
            evidence=(evidence.of_mention(around.treated.valves[other]),),
        )
    ]


def _ring(around: Circumstances, evidence: Evidence) -> Reason | None:
    """A leak beside an annuloplasty ring, and no leak beside a prosthesis."""
    ring, leak = around.ring, around.leak
    if ring is None:
        return None
    beside_valve = leak is not None and (leak.kind == "device" or leak.means.term != "leak")
    if beside_valve and leak is not None and (around.treated.prosthesis or ring.start > leak.start):
        return None
    return Reason(
        code="annuloplasty_ring",
        message="The leak is beside an annuloplasty ring, not a valve prosthesis.",
        evidence=(evidence.of_mention(ring),),
    )


def _valve_conflict(
    valves: list[str], count: Count, around: Circumstances, evidence: Evidence
) -> list[Reason]:
    """Where the parts of a note name different valves."""
    treated = around.treated
    message = ""
    spans: tuple[Span, ...] = ()
    titled = [v for v in treated.titled if v in _LEFT_VALVES]
    alone = len(treated.valves) == 1
    if treated.contested is not None:
        message = "The narrative and the list of devices or the summary name different valves."
        spans = tuple(evidence.of_mention(m) for m in treated.contested)
    elif alone and valves and titled and valves[0] not in titled:
        message = f"The title names the {titled[0]} valve, the text the {valves[0]} valve."
        spans = (
            evidence.of_mention(treated.titled[titled[0]]),
            evidence.of_mention(treated.valves[valves[0]]),
        )
    elif (
        alone
        and valves
        and count.low > 1
        and valves not in (titled, list(treated.closed))
        and not _placed(valves[0], count, treated)
    ):
        other = next((v for v in treated.leaking if v != valves[0]), None)
        if other is not None:
            message = (
                f"Leaks at the {valves[0]} and the {other} valve: "
                "it is not clear that every device went to the first."
            )
            spans = (
                evidence.of_mention(treated.valves[valves[0]]),
                evidence.of_mention(treated.leaking[other]),
            )
    return [Reason(code="valve_conflict", message=message, evidence=spans)] if message else []


def _placed(valve: str, count: Count, treated: Treated) -> bool:
    """Whether a table puts every device at one valve."""
    return any(s.source == "implants" and s.units == {valve: count.exact} for s in treated.shares)


def _divide(
    valves: list[str], count: Count, around: Circumstances, evidence: Evidence
) -> tuple[dict[str, Interval], list[Reason]]:
    """The units of each of two valves, where the parts that divide all devices agree."""
    shares = [_completed(s, valves) for s in around.treated.shares]
    whole = [s for s in shares if set(s.units) == set(valves) and not s.unplaced and s.total == count.exact]
    stated = [s for s in shares if s.source == "statement" and count.exact not in (s.total, None)]
    if whole and not stated and all(s.units == whole[0].units for s in whole):
        return {v: (whole[0].units[v],) * 3 for v in valves}, []
    best = whole[0] if whole else shares[-1] if shares else Share("none", {})
    units: dict[str, Interval] = {v: (best.units[v],) * 3 for v in valves if best.units.get(v)}
    spans = tuple(evidence.of_mention(around.treated.valves[v]) for v in valves)
    message = "The note does not say how many devices went to each valve."
    if len(whole) > 1 or stated:
        message = "The parts of the note divide the devices over the valves in different ways."
    return units, [Reason(code="device_count_conflict", message=message, evidence=spans)]


def _completed(share: Share, valves: list[str]) -> Share:
    """The one device without a valve went to the one valve without a device."""
    missing = [v for v in valves if v not in share.units]
    if share.unplaced == 1 and len(missing) == 1:
        return Share(share.source, {**share.units, missing[0]: 1})
    return share


def _lines(
    book: RuleBook, share: dict[str, Interval], count: Count, devices: tuple[Device, ...]
) -> tuple[Line, ...]:
    lines, further, low, high = [], 0, 0, 0
    additional: list[int] = []
    implanted = [d for d in devices if d.outcome == "implanted"]
    for valve, (units, least, most) in share.items():
        rule = book.coding[f"coding.initial.{valve}"]
        mine = [d.number for d in implanted if d.valve == valve]
        lines.append(
            Line(code=rule.code, units=1, low=min(1, least), high=1, role=rule.role, devices=tuple(mine[:1]))
        )
        # Where detailed sources disagree no further unit is asserted (policy, section 3).
        asserted = (
            units - 1 if count.exact is not None or (count.conflict is None and count.unstated is None) else 0
        )
        further += asserted
        low += max(0, least - 1)
        high += max(0, (most if most is not None else units) - 1)
        additional += mine[1:]
    rule = book.coding["coding.additional"]
    if further:
        lines.append(
            Line(
                code=rule.code,
                units=further,
                low=min(low, further),
                high=max(high, further),
                role=rule.role,
                devices=tuple(additional),
            )
        )
    return tuple(lines)


def _circumstance_reasons(around: Circumstances, evidence: Evidence) -> list[Reason]:
    reasons = []
    found: list[tuple[ReasonCode, str, Mention | None]] = [
        ("open_approach", "The heart was reached by surgical exposure.", around.exposed),
        (
            "same_session_valve_implant",
            "A valve or clip was also implanted in this session.",
            around.other_procedure,
        ),
    ]
    for code, message, mention in found:
        if mention is not None:
            reasons.append(Reason(code=code, message=message, evidence=(evidence.of_mention(mention),)))
    return reasons


def _companions(
    book: RuleBook, around: Circumstances, share: dict[str, Interval], evidence: Evidence
) -> tuple[Companion, ...]:
    """93462: transapical for any valve, transseptal for an aortic closure (policy, section 2)."""
    if around.exposed is not None:
        return ()
    route = None
    if "transapical" in around.routes.all and share:
        route = "transapical"
    elif "aortic" in share and "transseptal" in around.routes.of.get("aortic", {}):
        route = "transseptal"
    if route is None:
        return ()
    rule: CodingRule = book.coding["coding.left_heart"]
    return (
        Companion(
            code=rule.code,
            units=1,
            message=f"Left heart reached by {route} puncture.",
            evidence=(evidence.of_mention(around.routes.all[route]),),
        ),
    )


def _nothing(
    note_id: str, book: RuleBook, devices: tuple[Device, ...], around: Circumstances, evidence: Evidence
) -> Suggestion:
    leak = around.leak
    statement = (
        "No closure of a paravalvular leak in this session." if leak else "No paravalvular leak is mentioned."
    )
    return Suggestion(
        note_id=note_id,
        status="none",
        devices=devices,
        proof=Proof(
            statement=statement, rule="coding.none", evidence=(evidence.of_mention(leak),) if leak else ()
        ),
        rules_version=book.version,
    )


def _result(
    note_id: str, book: RuleBook, status: Status, lines: tuple[Line, ...], reasons: list[Reason],
    devices: tuple[Device, ...], around: Circumstances, companions: tuple[Companion, ...],
    evidence: Evidence, count: Count,
) -> Suggestion:  # fmt: skip
    unique: dict[str, Reason] = {}
    for reason in reasons:
        unique.setdefault(reason.code, reason)
    return Suggestion(
        note_id=note_id,
        status=status,
        lines=lines,
        reasons=tuple(unique.values()),
        devices=devices,
        approaches=tuple(around.routes.all),  # type: ignore[arg-type]
        companions=companions,
        proof=_proof(book, lines, devices, around, companions, evidence, count),
        rules_version=book.version,
    )


def _proof(
    book: RuleBook, lines: tuple[Line, ...], devices: tuple[Device, ...], around: Circumstances,
    companions: tuple[Companion, ...], evidence: Evidence, count: Count,
) -> Proof:  # fmt: skip
    """Code -> arithmetic -> devices -> events -> words."""
    by_number = {device.number: device for device in devices}
    children = []
    for line in lines:
        nodes = tuple(_device_proof(by_number[n]) for n in line.devices)
        rule = next(r.id for r in book.coding.values() if r.code == line.code)
        children.append(Proof(statement=f"{line.code} x{line.units}: {line.role}", rule=rule, children=nodes))
    for companion in companions:
        children.append(
            Proof(
                statement=f"{companion.code} x{companion.units}: {companion.message}",
                rule="coding.left_heart",
                evidence=companion.evidence,
            )
        )
    left_out = [d for d in devices if d.outcome != "implanted"]
    if left_out:
        children.append(
            Proof(
                statement="Not counted",
                rule="coding.not_counted",
                children=tuple(_device_proof(d) for d in left_out),
            )
        )
    high = "or more" if count.high is None else f"to {count.high}"
    total = f"{count.low}" if count.exact is not None else f"{count.low} {high}"
    valves = " and ".join(around.treated.valves) or "unstated"
    return Proof(
        statement=f"{total} device(s) left in; valve: {valves}",
        rule="count.reconcile",
        evidence=tuple(evidence.of_mention(m) for m in around.treated.valves.values()),
        children=tuple(children),
    )


def _device_proof(device: Device) -> Proof:
    name = " ".join(part for part in (device.size, device.product or "device") if part)
    return Proof(
        statement=f"device {device.number}: {name}, {device.outcome}",
        rule=device.evidence[-1].rule if device.evidence else "device",
        evidence=device.evidence,
    )
