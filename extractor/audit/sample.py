"""Sample: findings for people to check, drawn from every kind of them.

The strata are result, status of the suggestion and number of codes of the encounter. Each
gives one finding while there is room, the larger strata first; the rest is shared out in
proportion to their sizes (the largest remainders get one more). Which findings of a stratum
are drawn depends on the seed and on what identifies them (encounter, date, claimant, code)
by a hash: not on the order of the input, nor on the machine.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from fractions import Fraction

from extractor.audit.finding import Finding

Stratum = tuple[str, str, int]


def stratum(finding: Finding) -> Stratum:
    """The stratum of a finding."""
    return finding.result, finding.status, finding.codes


def sample(findings: Iterable[Finding], size: int, seed: int) -> list[Finding]:
    """Draw findings.

    Parameters
    ----------
    findings
        All of an audit.
    size
        How many to draw; all where there are no more.
    seed
        The same seed draws the same ones.

    Returns
    -------
    list of Finding
        In the order of findings.
    """
    strata: defaultdict[Stratum, list[Finding]] = defaultdict(list)
    for finding in findings:
        strata[stratum(finding)].append(finding)
    shares = _shares({name: len(some) for name, some in strata.items()}, size, seed)
    drawn = []
    for name, some in strata.items():
        ranked = sorted(some, key=lambda finding: (_rank(seed, *finding.key), finding.key))
        drawn += ranked[: shares[name]]
    return sorted(drawn, key=lambda finding: finding.key)


def _shares(sizes: dict[Stratum, int], size: int, seed: int) -> dict[Stratum, int]:
    """How many to draw from each stratum.

    Examples
    --------
    >>> sizes = {("agree", "ready", 1): 90, ("agree", "ready", 2): 9, ("no note", "", 1): 1}
    >>> list(_shares(sizes, 10, 7).values()), list(_shares(sizes, 2, 7).values())
    ([7, 2, 1], [1, 1, 0])
    """
    order = sorted(sizes, key=lambda name: (-sizes[name], _rank(seed, *map(str, name)), name))
    shares = {name: int(at < size) for at, name in enumerate(order)}
    shares = {name: shares[name] for name in sizes}
    left = min(size, sum(sizes.values())) - sum(shares.values())
    rest = sum(sizes[name] - shares[name] for name in sizes)
    if left <= 0 or rest == 0:
        return shares
    exact = {name: Fraction(left * (sizes[name] - shares[name]), rest) for name in sizes}
    for name in sizes:
        shares[name] += int(exact[name])
    left -= sum(int(share) for share in exact.values())
    for name in sorted(order, key=lambda name: (-(exact[name] % 1), order.index(name)))[:left]:
        shares[name] += 1
    return shares


def _rank(seed: int, *parts: str) -> str:
    return hashlib.sha256("\0".join((str(seed), *parts)).encode("utf-8", "replace")).hexdigest()
