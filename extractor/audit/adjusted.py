"""Adjusted: which claims count, where later ones replace, void or repeat them."""

from __future__ import annotations

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
    kept: dict[tuple[str, str], list[BilledClaim]] = {}
    notices: list[InputNotice] = []
    order: list[BilledClaim] = []
    for claim in sorted(claims, key=lambda claim: claim.sent):
        mine = kept.setdefault((claim.kind, claim.provider), [])
        if claim.frequency in (*_REPLACES, _VOIDS):
            earlier = _replaced(claim, mine)
            if claim.frequency == _VOIDS and not earlier:
                problem = "a claim is voided that is not in these files"
                notices.append(_notice("N033", claim, problem, "give the files with the first claim too"))
            mine[:] = [one for one in mine if one not in earlier]
            order = [one for one in order if not any(one is gone for gone in earlier)]
            if claim.frequency == _VOIDS:
                continue
        else:
            again = next((one for one in mine if _is_same(one, claim)), None)
            if again is not None and again.payer == claim.payer:
                problem = "the same claim is there more than once"
                notices.append(_notice("N032", claim, problem, "it is counted once"))
                told = replace(again, repeated=True)
                mine[:] = [told if one is again else one for one in mine]
                order = [told if one is again else one for one in order]
                continue
            if again is not None and _rank(again) <= _rank(claim):
                continue
            if again is not None:
                mine[:] = [one for one in mine if one is not again]
                order = [one for one in order if one is not again]
        mine.append(claim)
        order.append(claim)
    return order, notices


def _replaced(claim: BilledClaim, earlier: list[BilledClaim]) -> list[BilledClaim]:
    """The claims before one that it replaces or voids."""
    ids = {claim.claim_id, claim.original} - {""}
    found = [one for one in earlier if one.claim_id in ids]
    if found:
        return found
    # Payers give claims numbers of their own, and those are not in the first claim.
    of_encounter = [one for one in earlier if one.encounter == claim.encounter]
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
