"""Billed: what a claims file says was billed, whatever its form.

No name of a patient, no diagnosis and no charge is kept of a claim.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Literal

from extractor.errors import InputError

ClaimKind = Literal["practitioner", "outpatient_hospital", ""]
"""Who claims, in the words of the payer's tables; empty where the file does not say."""

Days = tuple[date, date]
"""The first and the last day of a service."""


@dataclass(frozen=True, slots=True)
class BilledLine:
    """One service line.

    Attributes
    ----------
    code, units, modifiers
        What was billed.
    days
        When the service was; ``None`` where neither line nor claim says so.
    place
        File and segment or line, for people.
    """

    code: str
    units: int
    modifiers: tuple[str, ...] = ()
    days: Days | None = None
    place: str = ""


@dataclass(frozen=True, slots=True)
class BilledClaim:
    """One claim as it was sent.

    Attributes
    ----------
    encounter
        Id of the encounter.
    claim_id
        Id of the claim at its sender; empty where the file has none.
    original
        The claim that a replacement or a void names as its original.
    kind
        Who claims.
    provider
        Id of the billing provider.
    payer
        Place of the payer in the order of payers: ``P`` first, ``S`` second, ``T`` third.
    frequency
        Why it was sent: ``7`` replaces an earlier claim, ``8`` voids it.
    sent
        When its transaction was made, in a form that sorts.
    lines
        Its service lines.
    place
        File and segment or line.
    unread
        A line of it could not be read: what is billed is not known.
    incomplete
        The file may lack lines of it.
    repeated
        It is there more than once, and counts once.
    """

    encounter: str
    claim_id: str = ""
    original: str = ""
    kind: ClaimKind = ""
    provider: str = ""
    payer: str = "P"
    frequency: str = "1"
    sent: str = ""
    lines: tuple[BilledLine, ...] = ()
    place: str = ""
    unread: bool = False
    incomplete: bool = False
    repeated: bool = False


FoundClaim = BilledClaim | InputError
"""What a reader of claims yields: a claim, or what is wrong with one."""


def place_of(path: str, segment: int | None = None, line: int | None = None, encounter: str = "") -> str:
    """Where an error is: file, segment or line, and encounter as far as known.

    Examples
    --------
    >>> place_of("june.837", segment=42, encounter="E17")
    'june.837, segment 42, encounter E17'
    """
    found = path if line is None else f"{path}:{line}"
    if segment is not None:
        found += f", segment {segment}"
    return f"{found}, encounter {encounter}" if encounter else found
