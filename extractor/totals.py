"""Totals: counts of devices that a form states in its fields.

In: parsed sentences of this session and the words of tables. Out: a ``Statement``
of how many devices stayed in, from fields such as "Number of plugs implanted: 2",
"Devices opened / implanted / removed: 3 / 2 / 1" or a ticked box before "2 plugs".
What was opened or used is no count of what stayed in; it only bounds it.
"""

from __future__ import annotations

from dataclasses import dataclass

from extractor.events import Statement
from extractor.grammar import Parse
from extractor.mentions import Mention, begun
from extractor.sheet import count_of

_PARTING = frozenset(";|,")
_ASKING = frozenset(":=#?")
_MARKS = frozenset(":=#?()[].<>/*")
_WITHIN = frozenset({"of", "preposition", "be", "adjective", "adverb"})
_ELSEWHERE = frozenset({"history", "plan", "possible", "cancelled"})
_MOST = 9  # a larger number counts no devices


@dataclass(frozen=True, slots=True)
class Total:
    """A count in a field: of which fate, and whether the field calls it a total."""

    fate: str
    number: int
    summed: bool
    start: int
    end: int
    section: str


@dataclass(frozen=True, slots=True)
class _Piece:
    """Words ``first`` to ``last``: the key of a count, with the number that belongs to it."""

    first: int
    last: int
    number: int | None


def read_totals(parse: Parse, tables: list[Mention]) -> list[Total]:
    """The counts a sentence states as fields; empty unless all of it is such fields."""
    counts = any(m.kind == "count" for m in parse.items.values())
    if not counts or parse.sentence.form in ("log", "heap") or parse.cue_kinds() & _ELSEWHERE:
        return []
    marks = {i: m for m in begun(tables, parse.first, parse.last) for i in range(m.first, m.last)}
    nouns = [m for m in parse.items.values() if m.kind == "device" and not m.means.product]
    pieces = _listed(parse) or _pieces(parse)
    totals = []
    for piece in pieces:
        if piece.number is None or piece.number > _MOST or not _all_known(parse, piece, marks):
            return []
        mine = [m for i, m in marks.items() if piece.first <= i < piece.last]
        summed = any(m.means.total or m.means.column == "quantity" for m in mine)
        fate = _fate(mine)
        if fate is None and nouns and (summed or _numbered(mine) or _ticked(parse, piece)):
            fate = "implanted"
        asked = len(pieces) > 1 or summed or _asks(parse, piece)
        if fate is None or not asked or not (summed or any(m.plural for m in nouns)):
            return []
        start, end = parse.words.starts[parse.first], parse.words.ends[parse.last - 1]
        totals.append(Total(fate, piece.number, summed, start, end, parse.sentence.section.role))
    return totals


def state_total(totals: list[Total], at: int) -> Statement | None:
    """What the fields of a note come to: how many devices stayed in; None where no field says so.

    Parameters
    ----------
    totals
        The counts of all fields.
    at
        Devices the implant lists of the note have in place.
    """
    stayed = [t for t in totals if t.fate == "implanted"]
    stayed = [t for t in stayed if t.summed] or stayed
    if not stayed:
        return None
    low, high = max(t.number for t in stayed), max(t.number for t in stayed)
    if len(stayed) > 1:
        high = sum(t.number for t in stayed)  # one count a leak, or the same said again
    opened = max((t.number for t in totals if t.fate == "other"), default=None)
    out = sum(t.number for t in totals if t.fate in ("removed", "unused"))
    if opened == high == low and out:
        low = high = max(0, low - out)
    elif out and opened != high + out:
        low = max(0, low - out)  # "deployed 3, removed 1": of the three, or beside them
    last = stayed[-1]
    return Statement(low, high, last.start, last.end, last.section, "table.total", "total", at=at)


# -- pieces -----------------------------------------------------------------------


def _listed(parse: Parse) -> list[_Piece]:
    """As in "Devices opened / implanted / removed: 3 / 2 / 1": keys and numbers in one order."""
    words = parse.words.words
    colon = next((i for i in range(parse.first, parse.last) if words[i] in (":", "=")), None)
    if colon is None:
        return []
    keys = _split(parse, parse.first, colon)
    values = [words[a:b] for a, b in _split(parse, colon + 1, parse.last)]
    numbers = [int(value[0]) for value in values if len(value) == 1 and value[0].isdecimal()]
    if len(keys) < 2 or not len(keys) == len(values) == len(numbers):
        return []
    return [_Piece(a, b, number) for (a, b), number in zip(keys, numbers, strict=True)]


def _split(parse: Parse, first: int, last: int) -> list[tuple[int, int]]:
    """Stretches of words between slashes."""
    spans, begin = [], first
    for i in range(first, last + 1):
        if i == last or parse.words.words[i] == "/":
            end = i - 1 if i == last and i > begin and parse.words.words[i - 1] == "." else i
            spans.append((begin, end))
            begin = i + 1
    return spans


def _pieces(parse: Parse) -> list[_Piece]:
    """Stretches between marks and columns, each with its number."""
    words = parse.words
    spans, begin = [], parse.first
    for i in range(parse.first, parse.last):
        parted = words.words[i] in _PARTING or (
            words.words[i] == "/" and _number(parse, begin, i) is not None
        )
        gap = i > begin and words.starts[i] - words.ends[i - 1] >= 2 and words.words[i - 1] not in _ASKING
        if parted or (gap and not _boxed(words.words[begin:i]) and _number(parse, begin, i) is not None):
            spans.append((begin, i))
            begin = i + parted
    spans.append((begin, parse.last))
    return [_Piece(a, b, _number(parse, a, b)) for a, b in spans if a < b]


def _boxed(words: list[str]) -> bool:
    return "(" in words or "[" in words


def _number(parse: Parse, first: int, last: int) -> int | None:
    """The number a stretch of words ends with, or that a ticked box stands before."""
    mentions = dict.fromkeys(m for i, m in parse.items.items() if first <= i < last and m.kind == "count")
    counted = [(m, n) for m in mentions if (n := count_of(m)) is not None]
    counted = [(m, n) for m, n in counted if m.means.word != "none"] or counted  # "No. of plugs: 2"
    if len({n for _, n in counted}) != 1:
        return None
    mention, number = counted[-1]
    words = parse.words.words
    behind = [i for i in range(mention.last, last) if words[i] not in _MARKS]
    ticked = words[mention.first - 1 : mention.first] in (["]"], [")"]) and mention.first - 1 >= first
    boxes = ticked and all(words[i].isdigit() for i in behind)
    nouns = all(i in parse.items and parse.items[i].kind == "device" for i in behind)
    asked = ticked or words[mention.first - 1] in _ASKING
    return number if not behind or boxes or (nouns and asked) else None


# -- what a piece says ------------------------------------------------------------


def _all_known(parse: Parse, piece: _Piece, marks: dict[int, Mention]) -> bool:
    """Whether a piece holds nothing but the words of such a field."""
    words = parse.words.words
    for i in range(piece.first, piece.last):
        mention, mark = parse.items.get(i), marks.get(i)
        if words[i] in _MARKS or (words[i].isdigit() and words[i - 1] in ")]<>≥"):
            continue
        if mark is not None and (mark.means.fate or mark.means.total or mark.means.answer):
            continue
        if mark is not None and mark.means.column in ("quantity", "number", "item", "status"):
            continue
        if mention is not None and (
            (mention.kind == "device" and not mention.means.product)
            or (mention.kind == "count" and mention.means.ordinal is None)
            or mention.kind == "action"
        ):
            continue
        today = any(c.means.cue in ("today", "summary") and c.first <= i < c.last for c in parse.cues)
        today = today or (words[i - 1] == "this" and words[i].isalpha())  # "placed this case: 1"
        if not today and parse.roles.get(i) not in _WITHIN:
            return False
    return True


def _fate(marks: list[Mention]) -> str | None:
    """The fate that a field names; "opened and implanted" is implanted."""
    fates = {m.means.fate for m in marks if m.means.fate}
    if len(fates) > 1:
        fates.discard("other")
    return fates.pop() if len(fates) == 1 else None


def _numbered(marks: list[Mention]) -> bool:
    """As in "# plugs: 2"."""
    return any(m.means.column == "number" for m in marks)


def _ticked(parse: Parse, piece: _Piece) -> bool:
    """As in "[x] 2 plugs"."""
    return parse.between(piece.first, piece.last)[:3] in (["[", "x", "]"], ["(", "x", ")"])


def _asks(parse: Parse, piece: _Piece) -> bool:
    """Whether a colon or a box stands in a piece."""
    return bool(set(parse.between(piece.first, piece.last)) & (_ASKING | {"[", "("}))
