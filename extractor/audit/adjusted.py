"""Adjusted: which claims count, where later ones replace, void or repeat them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace

from extractor.audit.billed import BilledClaim
from extractor.errors import InputNotice

_REPLACES = ("6", "7")
_VOIDS = "8"
_PAYERS = "PSTABCDEFGH"  # in the order in which they are billed


def adjusted(claims: Iterable[BilledClaim]) -> tuple[list[BilledClaim], list[InputNotice]]:
    """The claims that count, in the order in which they were sent.

    A replacement (frequency 6 or 7) stands in for the claims before it with its id, or with the id that it
    names as its original; a void (8) takes them away. A claim that was sent to a second payer as well,
    or twice in the same words, counts once.

    Parameters
    ----------
    claims
        As they were read, file after file.

    Examples
    --------
    >>> from extractor.audit.billed import BilledLine
    >>> first = BilledClaim("E1", "E1", lines=(BilledLine("93592", 1),))
    >>> second = BilledClaim("E1", "E1", frequency="7", lines=(BilledLine("93592", 2),))
    >>> kept, _ = adjusted([first, second])
    >>> [(claim.frequency, claim.lines[0].units) for claim in kept]
    [('7', 2)]
    """
    kept = _Kept()
    notices: list[InputNotice] = []
    for claim in sorted(claims, key=lambda claim: claim.sent):
        if claim.frequency in (*_REPLACES, _VOIDS):
            earlier = kept.replaced(claim)
            if claim.frequency == _VOIDS and not earlier:
                problem = "a claim is voided that is not in these files"
                notices.append(_notice("N033", claim, problem, "give the files with the first claim too"))
            kept.drop(earlier)
            if claim.frequency != _VOIDS:
                kept.add(claim)
            continue
        again = next((n for n in kept.alike(claim) if _is_same(kept.claims[n], claim)), None)
        if again is None:
            kept.add(claim)
        elif kept.claims[again].payer == claim.payer:
            problem = "the same claim is there more than once"
            notices.append(_notice("N032", claim, problem, "it is counted once"))
            kept.claims[again] = replace(kept.claims[again], repeated=True)
        elif _rank(kept.claims[again]) > _rank(claim):
            kept.drop([again])
            kept.add(claim)
    return list(kept.claims.values()), notices


class _Kept:
    """The claims that count so far, by number, with the numbers of each claimant's ids and encounters."""

    def __init__(self) -> None:
        self.claims: dict[int, BilledClaim] = {}
        self._next = 0
        self._of: defaultdict[tuple[str, str, str, str], list[int]] = defaultdict(list)

    def add(self, claim: BilledClaim) -> None:
        """Count a claim."""
        number = self._next
        self._next += 1
        self.claims[number] = claim
        for name, value in (("claim", claim.claim_id), ("encounter", claim.encounter)):
            self._of[claim.kind, claim.provider, name, value].append(number)

    def drop(self, numbers: Iterable[int]) -> None:
        """Count these no longer."""
        for number in numbers:
            del self.claims[number]

    def _numbered(self, claim: BilledClaim, name: str, value: str) -> list[int]:
        numbers = self._of[claim.kind, claim.provider, name, value]
        return [number for number in numbers if number in self.claims]

    def alike(self, claim: BilledClaim) -> list[int]:
        """Claims with the id of this one."""
        return self._numbered(claim, "claim", claim.claim_id) if claim.claim_id else []

    def replaced(self, claim: BilledClaim) -> list[int]:
        """The claims before one that it replaces or voids."""
        ids = dict.fromkeys(one for one in (claim.claim_id, claim.original) if one)
        found = [number for one in ids for number in self._numbered(claim, "claim", one)]
        if found:
            return found
        # Payers give claims numbers of their own, and those are not in the first claim.
        of_encounter = self._numbered(claim, "encounter", claim.encounter)
        return of_encounter if len(of_encounter) == 1 else []


def _is_same(one: BilledClaim, other: BilledClaim) -> bool:
    """Whether two claims bill the same services, once: to two payers, or twice in the same words."""
    if not one.claim_id or (one.encounter, one.claim_id) != (other.encounter, other.claim_id):
        return False
    return one.payer != other.payer or _services(one) == _services(other)


def _rank(claim: BilledClaim) -> int:
    return _PAYERS.find(claim.payer) % len(_PAYERS)  # one that is not known comes last


def _services(claim: BilledClaim) -> list[tuple[object, ...]]:
    return sorted((line.code, line.units, line.modifiers, str(line.days)) for line in claim.lines)


def _notice(code: str, claim: BilledClaim, problem: str, remedy: str) -> InputNotice:
    return InputNotice(code, f"{claim.place}, encounter {claim.encounter}", problem, remedy)
