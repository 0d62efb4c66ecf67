"""Fates: what a row of a table says became of its article.

In: a ``Row`` of a sheet. Out: a ``Fate``, which is not sure where the row can be
read in another way, or several fates with a number each.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from extractor.mentions import Mention
from extractor.sheet import Row, count_of

Outcome = Literal["implanted", "removed", "unused"]

_TAKES_OUT = frozenset({"withdraw", "waste", "exchange", "embolize", "capture"})
_OUTCOMES = ("implanted", "removed", "unused")
_PLACES = ("leak", "valve", "target")


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of an article; ``target`` where it was put into another defect."""

    outcome: Outcome | None
    sure: bool = True
    target: str | None = None


def fate_of(row: Row, unsaid: Outcome | None) -> Fate | None:
    """What the words of a row say; None where it says nothing.

    Parameters
    ----------
    row
        The row, or the part of one that tells of one article.
    unsaid
        What holds for the rows of the source that say nothing.
    """
    asked = _asked(row)
    if asked is not None:
        return asked
    status = row.of("status")
    told = [m for cell in status for m in row.told(cell) if m.means.fate != "other"] or _told(row)
    events = {a.means.event for a in row.actions()}
    fate = _resolve(row, told) if told else None
    if "unused" in events and (fate is None or fate.outcome == "implanted"):
        return Fate("unused")
    if fate is not None:
        return fate
    if events & _TAKES_OUT:
        return Fate("removed")
    silent = row.fates() or any(row.words(cell) for cell in status)  # "used", or words no rule knows
    return Fate(unsaid, sure=False) if silent and unsaid == "implanted" else None


def _told(row: Row) -> list[Mention]:
    return [m for m in row.fates() if m.means.fate != "other"]


def _resolve(row: Row, told: list[Mention]) -> Fate:
    """One fate of several words: "implanted, then explanted" is out, the other way round is open."""
    last: Outcome = told[-1].means.fate
    if last == "implanted":
        return Fate(last, sure=all(m.means.fate == last for m in told))
    put_in = [m for m in told if m.means.fate == "implanted"]
    between = range(put_in[-1].last, told[-1].first) if put_in else range(0)
    return Fate(last, sure=not any(p.first in between for p in row.parse.phrases))


def _asked(row: Row) -> Fate | None:
    """The answer to "Released? yes", or to several such questions; None where none is asked."""
    said: list[tuple[str, bool]] = []
    for cell in row.cells:
        answer = row.answer(cell)
        if cell.fate is not None and cell.column != "quantity" and answer is not None:
            said.append((cell.fate, answer == "yes"))
    yes = {fate for fate, answer in said if answer and fate != "other"}
    if "removed" in yes:
        return Fate("removed")  # and perhaps deployed before
    if yes:
        return Fate(yes.pop())  # type: ignore[arg-type]
    if ("implanted", False) in said:
        opened = ("other", True) in said or any(m.means.fate in ("other", "removed") for m in row.fates())
        return Fate("removed" if opened else "unused")
    return None


# -- fates with numbers -----------------------------------------------------------


def counted_fates(row: Row) -> list[tuple[Fate, int]]:
    """How many met which fate: "Implanted | Wasted" with numbers, or "leak (2), apex (1)"."""
    return _in_columns(row) or _beside(row) or _placed(row)


def _in_columns(row: Row) -> list[tuple[Fate, int]]:
    counted: list[tuple[Fate, int]] = []
    again, used = 0, None
    for cell in row.cells:
        numbers = set(row.numbers(cell)) if row.figures(cell) else set()
        if cell.fate == "other" and cell.column in (None, "quantity") and len(numbers) == 1:
            used = numbers.pop()
        elif cell.fate in _OUTCOMES and cell.column in (None, "quantity") and len(numbers) == 1:
            number = numbers.pop()
            counted.append((Fate(cell.fate), number))  # type: ignore[arg-type]
            again += number if cell.reverses else 0
    if not any(fate.outcome == "implanted" for fate, _ in counted):
        wasted = sum(number for _, number in counted)
        stayed = [(Fate("implanted", sure=False), max(0, used - wasted))] if used is not None else []
        return stayed + counted if stayed and counted else []
    return [(fate, max(0, n - again) if fate.outcome == "implanted" else n) for fate, n in counted]


def _beside(row: Row) -> list[tuple[Fate, int]]:
    """As in "implanted 1, wasted 1", "x1 implanted, x1 wasted"."""
    told = _told(row)
    for beside in (number_behind, _number_before):
        counted = [(Fate(m.means.fate), n) for m in told if (n := beside(row, m)) is not None]
        if len(told) == len(counted) > 1:
            return counted
    return []


def _placed(row: Row) -> list[tuple[Fate, int]]:
    """Where a status names the place an article went to: the leak, or another defect."""
    counted = []
    for cell in row.of("status"):
        if row.told(cell):
            return []
        for mention in row.mentions(cell):
            if mention.kind in _PLACES:
                target = mention.means.site if mention.kind == "target" else None
                counted.append((Fate("implanted", target=target), number_behind(row, mention) or 0))
    if len(counted) == 1:
        numbers = {n for cell in row.of("quantity") for n in row.numbers(cell)} or {1}
        return [(counted[0][0], counted[0][1] or numbers.pop())] if len(numbers) == 1 else []
    return counted if all(number for _, number in counted) else []


def number_behind(row: Row, mention: Mention) -> int | None:
    """The number right behind a word: "implanted 2", "leak (2)"."""
    words = row.parse.words.words
    i = mention.last + (words[mention.last : mention.last + 1] == ["("])
    count = row.parse.items.get(i)
    return count_of(count) if count is not None and count.kind == "count" and i < row.last else None


def _number_before(row: Row, mention: Mention) -> int | None:
    count = row.parse.items.get(mention.first - 1)
    return (
        count_of(count) if count is not None and count.kind == "count" and count.first >= row.first else None
    )
