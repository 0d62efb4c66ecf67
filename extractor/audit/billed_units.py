"""Billed units: the lines of a code added up."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from extractor.audit.join import Billing

_CO_SURGEONS = frozenset({"62", "66"})  # each of them bills the whole service
_ASSISTANTS = frozenset({"80", "81", "82", "AS"})  # they bill it once more
_DISCONTINUED = frozenset({"52", "53", "73", "74"})


@dataclass(frozen=True, slots=True)
class Billed:
    """What was billed of a code.

    Attributes
    ----------
    units
        Of all lines; those that a second surgeon or an assistant bills for the same service once.
    modifiers
        Of all lines, in order.
    places
        Where the lines are.
    discontinued
        A line says that the service was reduced or given up.
    """

    units: int = 0
    modifiers: tuple[str, ...] = ()
    places: tuple[str, ...] = ()
    discontinued: bool = False


def billed_units(billing: Billing, code: str) -> Billed:
    """Add up the lines of a code.

    Examples
    --------
    >>> from extractor.audit.billed import BilledClaim, BilledLine
    >>> lines = [BilledLine("93592", 1), BilledLine("93592", 1, ("59",)), BilledLine("93592", 2, ("80",))]
    >>> claim = BilledClaim("E1", lines=tuple(lines))
    >>> billed_units(Billing("E1", None, "", [(claim, line) for line in lines]), "93592").units
    2
    """
    own = assisted = 0
    shared: defaultdict[str, int] = defaultdict(int)
    mine = [(claim, line) for claim, line in billing.lines if line.code == code]
    for claim, line in mine:
        if _ASSISTANTS.intersection(line.modifiers):
            assisted = max(assisted, line.units)
        elif _CO_SURGEONS.intersection(line.modifiers):
            shared[claim.place if claim.claim_id else ""] += line.units
        else:
            own += line.units
    # Where rows do not say of which claim they are, half of these are those of the other surgeon.
    shared[""] = (shared[""] + 1) // 2
    units = own + max(shared.values())
    return Billed(
        units or assisted,
        tuple(dict.fromkeys(m for _, line in mine for m in line.modifiers)),
        tuple(dict.fromkeys(line.place for _, line in mine)),
        any(_DISCONTINUED.intersection(line.modifiers) for _, line in mine),
    )
