"""RVU: relative value units of what was billed and of what the notes support, for auditors.

Work, facility practice expense and malpractice of the fee schedule of the day, before any
reduction for several procedures, for claims of practitioners; hospitals are paid otherwise.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from extractor.audit.finding import Finding
from extractor.tables import Tables

_PARTS = slice(2, 5)  # columns of a row: work, facility practice expense, malpractice


@dataclass(frozen=True, slots=True)
class Value:
    """RVUs billed, and supported where that is one number and is not for a person to judge."""

    billed: Decimal
    supported: Decimal | None

    @property
    def difference(self) -> Decimal | None:
        """Billed less supported."""
        return None if self.supported is None else self.billed - self.supported


def value_of(finding: Finding, tables: Tables) -> Value | None:
    """What a finding is worth; ``None`` where the fee schedule here does not say.

    Examples
    --------
    >>> from extractor.tables import load_tables
    >>> row = load_tables(own=None).in_force("mpfs_rvu", None, None).rows["93592", ""]
    >>> sum(map(Decimal, row[_PARTS]))
    Decimal('11.26')
    """
    if finding.kind == "outpatient_hospital":
        return None
    day = date.fromisoformat(finding.date[:10]) if finding.date else None
    table = tables.in_force("mpfs_rvu", None, day)
    row = table.rows.get((finding.code, "")) if table else None
    if row is None:
        return None
    one = sum(map(Decimal, row[_PARTS]), Decimal(0))
    judged = finding.result != "needs review"
    exact = judged and finding.low is not None and finding.low == finding.high
    return Value(one * finding.billed, one * (finding.low or 0) if exact else None)


def totals(findings: Iterable[Finding], tables: Tables) -> dict[str, Value]:
    """The sum for each result, and of those that can be compared under ``all``."""
    sums: defaultdict[str, list[Decimal]] = defaultdict(lambda: [Decimal(0), Decimal(0)])
    open_ones: defaultdict[str, Decimal] = defaultdict(Decimal)
    for finding in findings:
        value = value_of(finding, tables)
        if value is None:
            continue
        if value.supported is None:
            open_ones[finding.result] += value.billed
            continue
        for name in (finding.result, "all"):
            sums[name][0] += value.billed
            sums[name][1] += value.supported
    found = {name: Value(billed, supported) for name, (billed, supported) in sums.items()}
    return found | {name: Value(billed, None) for name, billed in open_ones.items() if name not in found}
