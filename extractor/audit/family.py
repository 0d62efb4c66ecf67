"""Family: the codes that an audit judges, and those under which a closure is billed by mistake."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from datetime import date
from functools import cached_property

from extractor.rules import RuleBook
from extractor.tables import Tables, read_bytes, shipped_dir

_OTHERS = "other_families.csv"


@dataclass(frozen=True)
class Family:
    """The codes of the closure family.

    Attributes
    ----------
    initial
        The codes of a first device, with the valve of each.
    additional
        The code of each further device.
    companion
        The code that goes with a closure.
    others
        Codes of other families that stand on claims in place of these, with what each is for.
    tables
        The payer's tables.
    """

    initial: dict[str, str]
    additional: str
    companion: str
    others: dict[str, str]
    tables: Tables

    @property
    def closure(self) -> tuple[str, ...]:
        """The codes of a closure itself."""
        return (*self.initial, self.additional)

    @cached_property
    def judged(self) -> tuple[str, ...]:
        """All codes whose units are judged."""
        return (*self.closure, self.companion)

    @cached_property
    def codes(self) -> frozenset[str]:
        """All codes whose units matter on a claim."""
        return frozenset((*self.judged, *self.others))

    def primaries(self, code: str, day: date | None) -> frozenset[str]:
        """The codes beside which an add-on code may stand, by the table of the day.

        Examples
        --------
        >>> from extractor.rules import load_rules
        >>> from extractor.tables import load_tables
        >>> family = load_family(load_rules(), load_tables(own=None))
        >>> sorted(family.primaries("93592", None)), family.initial
        (['93590', '93591'], {'93590': 'mitral', '93591': 'aortic'})
        """
        table = self.tables.in_force("aoc", None, day)
        rows = table.rows if table else {}
        return frozenset(primary for add_on, primary in rows if add_on == code)


def load_family(book: RuleBook, tables: Tables) -> Family:
    """The family of some rules, and the codes mistaken for it (``patterns/cms/other_families.csv``)."""
    text = read_bytes(shipped_dir() / _OTHERS).decode("utf-8-sig")
    rows = csv.DictReader(io.StringIO(text))
    prefix = "coding.initial."
    return Family(
        {
            rule.code: rule_id.removeprefix(prefix)
            for rule_id, rule in book.coding.items()
            if rule_id.startswith(prefix)
        },
        book.coding["coding.additional"].code,
        book.coding["coding.left_heart"].code,
        {row["code"]: row["what"] for row in rows},
        tables,
    )
