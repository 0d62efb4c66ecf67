"""Implants: the rows of implant tables, supply logs and implant lists.

In: the parsed rows of one source and the words of tables (column names, fates).
Out: a ``Timeline``: one entry of a row is a device, or as many as its quantity
says, with the fate the row gives it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

from extractor.events import Event, State, Timeline, TrackedDevice, size_key
from extractor.grammar import Parse
from extractor.mentions import Mention
from extractor.phrases import DevicePhrase

_MOST_OF_ONE_ARTICLE = 9  # a larger number in a quantity column is a size or an order number
_STATE: dict[str, State] = {"implanted": "released", "removed": "removed", "unused": "unused"}
_TAKES_OUT = frozenset({"withdraw", "waste", "exchange", "embolize", "capture"})


def read_implants(
    parses: list[Parse], tables: list[Mention], source: Literal["implants", "equipment"]
) -> Timeline:
    """Devices of implant tables, supply logs and implant lists: one entry a line.

    Parameters
    ----------
    parses
        The rows in text order.
    tables
        Mentions of the ``table`` layer (column names and row fates) of the note.
    source
        What a row without a fate says: ``implants`` left in, ``equipment`` taken from the shelf.
    """
    reader = _TableReader(tables, source)
    for parse in parses:
        reader.read(parse)
    return reader.timeline


@dataclass(slots=True)
class _Columns:
    """Where the columns of a table stand that its header names."""

    quantity: int | None = None
    asked: int | None = None  # "Released | yes"


@dataclass(slots=True)
class _TableReader:
    tables: list[Mention]
    source: Literal["implants", "equipment"]
    timeline: Timeline = field(default_factory=Timeline)
    columns: _Columns = field(default_factory=_Columns)
    rows: Counter[str] = field(default_factory=Counter)

    def read(self, parse: Parse) -> None:
        """Take in one row."""
        marks = [m for m in self.tables if parse.first <= m.first < parse.last]
        if _is_header(parse, marks):
            self.columns = _columns(parse, marks)
            return
        entries = _entries(parse, parse.phrases)
        for n, phrase in enumerate(entries):
            following = entries[n + 1].first if n + 1 < len(entries) else parse.last
            fate = self._fate(parse, marks, phrase, following if len(entries) > 1 else None, entries[0])
            phrase.explanation = _no_entry(parse, phrase) or self._enter(parse, marks, phrase, fate)
        for phrase in parse.phrases:
            self.timeline.explained.append((phrase, phrase.explanation))

    def _fate(
        self,
        parse: Parse,
        marks: list[Mention],
        phrase: DevicePhrase,
        following: int | None,
        first: DevicePhrase,
    ) -> str | None:
        """What the words of a row say became of an entry; ``following`` is where the next entry begins."""
        fates = [m for m in marks if m.means.fate and m.means.fate != "other"]
        if fates and following is not None and fates[0].first > first.first:
            own = [m for m in fates if phrase.first < m.first < following]
            return own[-1].means.fate if own else None  # each entry has its own
        if len(fates) > 1 and all(_beside(parse, [m]) for m in fates):
            return fates[0].means.fate  # type: ignore[no-any-return]  # "implanted 1, wasted 1": listed below
        if fates:
            return fates[-1].means.fate  # type: ignore[no-any-return]
        if self.columns.asked is not None and _answer(parse, self.columns.asked) in ("no", "n"):
            return "unused"
        return _fate_of_header(parse, self.tables)

    def _enter(self, parse: Parse, marks: list[Mention], phrase: DevicePhrase, fate: str | None) -> str:
        """Put the devices of an entry on the timeline; returns how the entry is explained."""
        outcome = self._outcome(parse, marks, fate)
        number = self._number(parse, marks, phrase)
        for _ in range(number or 1):
            device = _device(parse, phrase, outcome)
            device.many = number is None
            if outcome == "removed" and self._took_out(parse, device):
                continue
            row = " ".join([*parse.between(parse.first, parse.last), str(phrase.first - parse.first)])
            self.rows[row] += 1
            device.doubtful = self.rows[row] > max(1, number or 1)
            self.timeline.devices.append(device)
        return f"{self.source}: {outcome or 'listed'} x{number or '?'}"

    def _outcome(self, parse: Parse, marks: list[Mention], fate: str | None) -> str | None:
        events = {a.means.event for a in parse.actions}
        told = [m for m in marks if m.means.fate and m.means.fate != "other"]
        if "unused" in events and (not fate or (fate == "implanted" and len(told) == 1)):
            return "unused"
        if fate:
            return fate
        if events & _TAKES_OUT:
            return "removed"
        return "implanted" if self.source == "implants" else None

    def _number(self, parse: Parse, marks: list[Mention], phrase: DevicePhrase) -> int | None:
        """How many devices an entry stands for."""
        number = phrase.quantity
        if phrase.number is None and not phrase.plural:
            number = _beside(parse, marks) or number
        if phrase.number is None and self.columns.quantity is not None:
            number = _quantity(parse, self.columns.quantity) or number
        return number

    def _took_out(self, parse: Parse, device: TrackedDevice) -> bool:
        """IMPLANTED, then EXPLANTED in a later row: one device."""
        earlier = [
            d
            for d in self.timeline.devices
            if d.in_place and size_key(d.size) == size_key(device.size) and d.product == device.product
        ]
        if not earlier or not any(a.means.event == "withdraw" for a in parse.actions):
            return False
        earlier[-1].state = "removed"
        return True


# -- header rows ------------------------------------------------------------------


def _is_header(parse: Parse, marks: list[Mention]) -> bool:
    """Whether a row names the columns."""
    named = sum(m.means.column is not None for m in marks)
    return named >= 2 and not any(p.product or p.sizes for p in parse.phrases)


def _columns(parse: Parse, marks: list[Mention]) -> _Columns:
    quantity = next((m for m in marks if m.means.column == "quantity"), None)
    asked = next((m for m in marks if m.means.fate == "implanted" or m.means.column == "status"), None)
    return _Columns(
        _cell(parse, quantity.first) if quantity else None,
        _cell(parse, asked.first) if asked else None,
    )


def _fate_of_header(parse: Parse, tables: list[Mention]) -> str | None:
    """As in "OPENED, NOT IMPLANTED:" says what became of the rows under it."""
    section = parse.sentence.section
    fates = [
        m.means.fate
        for m in tables
        if section.start <= m.start < section.body and m.means.fate in ("removed", "unused")
    ]
    return fates[-1] if fates else None


# -- entries ----------------------------------------------------------------------


def _device(parse: Parse, phrase: DevicePhrase, outcome: str | None) -> TrackedDevice:
    """One device of an entry."""
    size = phrase.sizes[0] if phrase.sizes else None
    target = next((m.means.site for m in parse.nouns if m.kind == "target"), None)
    head = phrase.head
    device = TrackedDevice(phrase.product, size, valve=phrase.valve)
    device.target = target or (head.means.usual_target if head else None)
    device.state = _STATE.get(outcome or "", "loaded")
    start, end = parse.words.starts[parse.first], parse.words.ends[parse.last - 1]
    rule = head.rule if head else "count.reference"
    device.events.append(Event(outcome or "listed", start, end, parse.sentence.section.role, rule))
    return device


def _no_entry(parse: Parse, phrase: DevicePhrase) -> str:
    """Why a phrase of a row is no device of it; empty when it is one."""
    others = any(m.kind == "other_device" for m in parse.nouns)
    if (others or (phrase.plural and phrase.number is None)) and not phrase.product:
        return "other device" if others else "heading"
    if phrase.headless or phrase.none or phrase.head is None or phrase.head.means.head == "weak":
        return "none" if phrase.none else "reference"
    return ""


def _entries(parse: Parse, phrases: list[DevicePhrase]) -> list[DevicePhrase]:
    """One phrase a device of a row: the same article named twice is one entry."""
    kept: list[DevicePhrase] = []
    for phrase in phrases:
        same = next(
            (p for p in kept if _same_article(p, phrase) and not _listed_apart(parse, p, phrase)), None
        )
        if same is None:
            kept.append(phrase)
            continue
        same.product = same.product or phrase.product
        same.sizes = same.sizes or phrase.sizes
        same.number = same.number if same.number is not None else phrase.number
        phrase.explanation = "the same entry"
    return kept


def _listed_apart(parse: Parse, one: DevicePhrase, other: DevicePhrase) -> bool:
    """As in "AVP II 10 mm and AVP II 10 mm": two entries, where "Name: X  Item: X" is one."""
    gap = parse.between(one.last, other.first)
    return len(gap) <= 4 and bool(set(gap) & {"and", ",", "+", "&", ";"})


def _same_article(one: DevicePhrase, other: DevicePhrase) -> bool:
    """Whether two phrases of a row may name one article: what both tell agrees."""
    if other.headless or (one.number is not None and other.number is not None):
        return False
    if one.product != other.product and one.product is not None and other.product is not None:
        return False
    return not one.sizes or not other.sizes or size_key(one.sizes[0]) == size_key(other.sizes[0])


# -- cells ------------------------------------------------------------------------


def _beside(parse: Parse, marks: list[Mention]) -> int | None:
    """The number right behind the word for a row's fate: "implanted 2"."""
    for mark in marks:
        mention = parse.items.get(mark.last)
        if mark.means.fate and mention is not None and mention.kind == "count":
            return mention.value or mention.means.number
    return None


def _cell(parse: Parse, word: int) -> int:
    """Index of the table cell in which a word stands: cells end at a bar, or at two spaces or a tab."""
    words = parse.words
    if "|" in parse.between(parse.first, parse.last):
        return sum(words.words[i] == "|" for i in range(parse.first, word))
    return sum(words.starts[i] - words.ends[i - 1] >= 2 for i in range(parse.first + 1, word + 1))


def _answer(parse: Parse, column: int) -> str:
    """The first word of a row's cell in a column."""
    words = parse.words.words
    told = (words[i] for i in range(parse.first, parse.last) if _cell(parse, i) == column and words[i] != "|")
    return next(told, "")


def _quantity(parse: Parse, column: int) -> int | None:
    numbers = [
        m.value for i, m in parse.items.items()
        if m.kind == "count" and m.value is not None and m.first == i and _cell(parse, i) == column
    ]  # fmt: skip
    return numbers[0] if len(numbers) == 1 and numbers[0] <= _MOST_OF_ONE_ARTICLE else None
