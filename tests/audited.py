"""A fictional set for the audit: 500 encounters with notes and claims, and the errors planted in them.

Everything follows from a seed. The claims are written as 837 files, as hospitals send them
(several transactions, split lines, replacements, voids, a second payer), and as a table.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from random import Random

from extractor.readers import Note

INITIAL = {"mitral": "93590", "aortic": "93591"}
Expected = dict[str, tuple[str, str]]
"""Result and issue of each code of an encounter that does not simply agree."""

_PLUGS = ("AVP II", "Amplatzer Vascular Plug II", "AVP III", "AVP 4")
_WORDS = {1: "An", 2: "Two", 3: "Three", 4: "Four"}
_OTHERS = (
    ("Coronary angiography by the right radial artery. No stenosis above 40 %.", [("93458", 1)]),
    ("Closure of an atrial septal defect. A 24 mm Amplatzer septal occluder was released.", [("93580", 1)]),
    ("Screening colonoscopy. A polyp was removed from the sigmoid colon.", [("45385", 1)]),
    ("Transfemoral aortic valve implantation. A 26 mm Sapien 3 was deployed.", [("33361", 1)]),
    ("Right heart catheterization by the jugular vein for shortness of breath.", [("93451", 1)]),
)
PLANTED = ("too_few", "too_many", "wrong_valve", "no_primary", "other_family", "no_claim")


@dataclass
class Encounter:
    """One encounter: its note, what is billed, and what an audit has to say."""

    number: int
    day: date
    text: str
    valve: str = ""
    devices: int = 0
    septal: bool = False
    billed: list[tuple[str, int]] = field(default_factory=list)
    planted: str = ""
    expected: Expected = field(default_factory=dict)

    @property
    def id(self) -> str:
        return f"CSN{self.number:05}"

    @property
    def note(self) -> Note:
        return Note(f"note-{self.number}", self.text, served=self.day, encounter=self.id)


@dataclass(frozen=True)
class Sent:
    """A claim as it is sent."""

    encounter: str
    day: date
    lines: tuple[tuple[str, int, str], ...]
    frequency: str = "1"
    payer: str = "P"


def make(seed: int, count: int = 500, planted: int = 10) -> list[Encounter]:
    """The encounters; ``planted`` of them for each kind of error."""
    random = Random(seed)
    found = [_encounter(random, number) for number in range(count)]
    closures = [one for one in found if one.devices]
    for kind in PLANTED:
        fit = [one for one in closures if not one.planted and _fits(one, kind)]
        for one in random.sample(fit, planted):
            _plant(one, kind, random)
    return found


def _encounter(random: Random, number: int) -> Encounter:
    day = date(2024, 7, 1) + timedelta(days=random.randrange(90))
    if random.random() < 0.25:
        text, billed = random.choice(_OTHERS)
        return Encounter(number, day, text, billed=list(billed))
    valve = random.choice(("mitral", "aortic"))
    devices = random.choice((1, 1, 2, 2, 3, 4))
    septal = random.random() < 0.5
    one = Encounter(number, day, _closure(random, valve, devices, septal), valve, devices, septal)
    one.billed = [(INITIAL[valve], 1)]
    if devices > 1:
        one.billed.append(("93592", devices - 1))
    if septal and valve == "aortic":
        one.billed.append(("93462", 1))
    return one


def _closure(random: Random, valve: str, devices: int, septal: bool) -> str:
    size = random.choice((6, 8, 10, 12))
    plug = random.choice(_PLUGS)
    route = "Transseptal puncture was performed. " if septal else ""
    way = "antegrade" if septal else "retrograde"
    article = ("An" if size == 8 else "A") if devices == 1 else _WORDS[devices]
    were = "was" if devices == 1 else "were"
    plugs = plug if devices == 1 else f"{plug} plugs"
    lost = random.choice(("", "", f"A first {size - 2} mm {plug} was recaptured and removed. "))
    return (
        f"PROCEDURE: Percutaneous closure of a {valve} paravalvular leak\n\n"
        f"DESCRIPTION OF PROCEDURE:\n{route}The leak beside the {valve} prosthesis was crossed {way}. {lost}"
        f"{article} {size} mm {plugs} {were} deployed and released. No residual leak was seen.\n"
    )


def _fits(one: Encounter, kind: str) -> bool:
    if kind in ("too_few", "too_many", "no_primary"):
        return one.devices > 1
    return kind != "wrong_valve" or not one.septal


def _plant(one: Encounter, kind: str, random: Random) -> None:
    billed = dict(one.billed)
    first, more = INITIAL[one.valve], "93592"
    one.planted = kind
    if kind == "too_few":
        billed[more] -= 1
        one.expected = {more: ("under-billed", "too_few_units")}
    elif kind == "too_many":
        billed[more] += 1
        one.expected = {more: ("over-billed", "too_many_units")}
    elif kind == "wrong_valve":
        wrong = INITIAL["aortic" if one.valve == "mitral" else "mitral"]
        billed[wrong] = billed.pop(first)
        one.expected = {wrong: ("not supported", "wrong_valve"), first: ("under-billed", "wrong_valve")}
    elif kind == "no_primary":
        del billed[first]
        one.expected = {
            more: ("agree", "add_on_without_primary"),
            first: ("under-billed", "add_on_without_primary"),
        }
    elif kind == "other_family":
        other = random.choice(("93580", "93581", "93799", "33999"))
        one.expected = {code: ("under-billed", "other_family") for code in billed if code != "93462"}
        one.expected[other] = ("not supported", "other_family")
        billed = {other: 1} | ({"93462": 1} if "93462" in billed else {})
    else:
        one.expected = dict.fromkeys(billed, ("no claim", "not_billed"))
        billed = {}
    one.billed = list(billed.items())


def claims(encounters: Iterable[Encounter], seed: int) -> list[Sent]:
    """The claims as they are sent, in the order in which they are."""
    random = Random(seed)
    sent: list[Sent] = []
    for one in encounters:
        if not one.billed:
            continue
        claim = Sent(one.id, one.day, tuple(_lines(one.billed, random)))
        manner = random.choice(("once", "once", "once", "replaced", "voided", "two payers", "twice"))
        if manner == "replaced":
            sent += [_other(claim), replace(claim, frequency="7")]
        elif manner == "voided":
            sent += [_other(claim), replace(_other(claim), frequency="8"), claim]
        elif manner == "two payers":
            sent += [claim, replace(claim, payer="S")]
        elif manner == "twice":
            sent += [claim, claim]
        else:
            sent.append(claim)
    return sent


def _lines(billed: Iterable[tuple[str, int]], random: Random) -> Iterable[tuple[str, int, str]]:
    """Lines; some units are billed line by line."""
    for code, units in billed:
        if units > 1 and random.random() < 0.5:
            yield code, 1, ""
            yield from ((code, 1, random.choice(("59", "76"))) for _ in range(units - 1))
        else:
            yield code, units, ""


def _other(claim: Sent) -> Sent:
    """An earlier claim of the same services, with other units."""
    return replace(claim, lines=tuple((code, units + 1, modifier) for code, units, modifier in claim.lines))


def header(element: str = "*", component: str = ":", end: str = "~", repetition: str = "^") -> str:
    """An ISA segment."""
    fields = ["ISA", "00", " " * 10, "00", " " * 10, "ZZ", "SENDER".ljust(15), "ZZ", "RECEIVER".ljust(15)]
    fields += ["240930", "1200", repetition, "00501", "000000001", "0", "P", component]
    return element.join(fields) + end


def claim_segments(claim: Sent, institutional: bool = False) -> list[list[str]]:
    """The segments of a claim, with a patient whose name must never be told."""
    found = [
        ["HL", "2", "1", "22", "0"],
        ["SBR", claim.payer, "18", "", "", "", "", "", "", "MB"],
        ["NM1", "IL", "1", "TESTPERSON", "ADA", "", "", "", "MI", "W000"],
        [
            "CLM",
            claim.encounter,
            "900",
            "",
            "",
            f"11:{'A' if institutional else 'B'}:{claim.frequency}",
            "",
            "A",
        ],
        ["REF", "D9", f"REF{claim.encounter}"],
        ["HI", "ABK:T82223A"],
        ["NM1", "82", "1", "DOCTOR", "DORA", "", "", "", "XX", "1999999999"],
        ["REF", "D9", "OF-THE-DOCTOR"],
    ]
    for number, (code, units, modifier) in enumerate(claim.lines, 1):
        procedure = f"HC:{code}" + (f":{modifier}" if modifier else "")
        found.append(["LX", str(number)])
        if institutional:
            found.append(["SV2", "0481", procedure, "900", "UN", str(units)])
        else:
            found.append(["SV1", procedure, "900", "UN", str(units), "", "", "1"])
        found.append(["DTP", "472", "D8", claim.day.strftime("%Y%m%d")])
    return found


def x12(
    sent: Iterable[Sent], element: str = "*", component: str = ":", end: str = "~", newline: str = "",
    institutional: bool = False, clock: int = 0,
) -> str:  # fmt: skip
    """An interchange with one group and a transaction for every hundred claims."""
    guide = "005010X223A2" if institutional else "005010X222A1"
    waiting, body, transactions = list(sent), [], 0
    while waiting:
        part, waiting = waiting[:100], waiting[100:]
        transactions += 1
        control = f"{transactions:04}"
        inner = [
            ["ST", "837", control, guide],
            ["BHT", "0019", "00", control, "20241001", f"{clock + transactions:04}", "CH"],
            ["HL", "1", "", "20", "1"],
            ["NM1", "85", "2", "CLINIC", "", "", "", "", "XX", "1888888888"],
        ]
        for claim in part:
            inner += claim_segments(claim, institutional)
        body += [*inner, ["SE", str(len(inner) + 1), control]]
    segments = [
        ["GS", "HC", "A", "B", "20241001", "1200", "1", "X", guide],
        *body,
        ["GE", str(transactions), "1"],
        ["IEA", "1", "000000001"],
    ]
    text = "".join(element.join(parts).replace(":", component) + end + newline for parts in segments)
    return header(element, component, end) + newline + text


def table(sent: Iterable[Sent], delimiter: str = ",") -> str:
    """The claims that count as a table, a line a row; what was replaced or voided is left out of it."""
    last: dict[str, Sent] = {}
    for claim in sent:
        last[claim.encounter] = claim
    rows = [["CSN", "Service Date", "CPT", "Units", "Modifier 1"]]
    rows += [
        [claim.encounter, claim.day.strftime("%m/%d/%Y"), code, str(units), modifier]
        for claim in last.values()
        for code, units, modifier in claim.lines
    ]
    return "".join(delimiter.join(row) + "\r\n" for row in rows)
