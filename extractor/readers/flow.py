r"""Flow: what the formats with paragraphs and tables share, from their marks to lines of text.

In: words, ends of lines, cells and rows, in the order of the document. Out: its
text. A row of a table becomes a line whose cells are parted by tabs, so that the
layout of the note sees the columns; a paragraph becomes a line.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from extractor.readers.note import MAX_CHARS

# Fields of text processors that print what stands in no text.
UNREADABLE_FIELD = re.compile(r"\s*(?:FORMCHECKBOX|FORMDROPDOWN|SYMBOL|EQ)\b", re.I)

_LONGEST_CELL = 120  # characters of a cell of several lines that is written on one
_MOST_LINES = 4  # of such a cell
_MOST_NESTED = 100  # tables inside one another
_SUPERSCRIPT = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


class CannotReadError(Exception):
    """Why a document cannot be read as a whole: the parts of an ``InputError`` but the place.

    Neither part may hold words of the document.
    """

    def __init__(self, code: str, problem: str, remedy: str) -> None:
        self.code, self.problem, self.remedy = code, problem, remedy
        super().__init__(f"[{code}] {problem}; {remedy}")


def superscript(text: str) -> str:
    """Raised digits as such: the 2 of "cm2" is an exponent and a footnote mark is no size.

    Examples
    --------
    >>> superscript("2"), superscript("nd")
    ('²', 'nd')
    """
    return text.translate(_SUPERSCRIPT)


def row_lines(cells: Sequence[Sequence[str]]) -> list[str]:
    r"""The lines that a row of a table becomes; each cell comes as its own lines.

    Mostly it is one line. Where a cell holds paragraphs, as in tables that only
    arrange a page, the cells follow one another.

    Examples
    --------
    >>> row_lines([["1"], ["AVP II", "12 mm"], [], ["implanted"]])
    ['1\tAVP II, 12 mm\t\timplanted']
    >>> row_lines([["Procedure:"], ["Access was obtained.", "A plug was released."]])
    ['Procedure:\tAccess was obtained.', 'A plug was released.']
    """
    kept = [[line for line in cell if line.strip()] for cell in cells]
    full = [n for n, cell in enumerate(kept) if cell]
    if not full:
        return []
    if len(full) == 1:
        return _trimmed(cells[full[0]])
    several = [n for n in full if len(kept[n]) > 1]
    if len(full) == 2 and several == full[1:]:
        label, value = kept[full[0]][0], _trimmed(cells[full[1]])
        return [_joined([label, value[0]]), *value[1:]]
    if any(
        len(kept[n]) > _MOST_LINES or sum(map(len, kept[n])) > _LONGEST_CELL or "\t" in "".join(kept[n])
        for n in several
    ):
        return [line for n in full for line in _trimmed(cells[n])]
    return [_joined([_one_line(cell) for cell in kept])]


def _trimmed(lines: Sequence[str]) -> list[str]:
    """Lines without the blank ones at both ends."""
    kept = [n for n, line in enumerate(lines) if line.strip()]
    return list(lines[kept[0] : kept[-1] + 1])


def _one_line(lines: Sequence[str]) -> str:
    text = ""
    for line in lines:
        text += (" " if text[-1:] in ".,;:/-" else ", ") + line.strip() if text else line.strip()
    return text


def _joined(cells: Sequence[str]) -> str:
    """Cells on one line; where the first is empty, bars keep its place."""
    texts = ["\t".join(" ".join(part.split()) for part in cell.split("\t")) for cell in cells]
    return ("\t" if texts[0] else " | ").join(texts).rstrip("\t |")


@dataclass(slots=True)
class _Table:
    cells: list[list[str]] = field(default_factory=list)  # of the row being written
    in_cell: bool = False


class Flow:
    r"""Collects a document and gives its text.

    Examples
    --------
    >>> flow = Flow()
    >>> flow.write("Devices")
    >>> flow.line()
    >>> flow.open_table()
    >>> for cell in ("AVP II", "12 mm"):
    ...     flow.open_cell()
    ...     flow.write(cell)
    >>> flow.close_table()
    >>> flow.text()
    'Devices\nAVP II\t12 mm'
    """

    def __init__(self) -> None:
        self._boxes: list[list[str]] = [[]]  # lines of the body, and of each cell that is open
        self._tables: list[_Table] = []
        self._words: list[str] = []
        self._length = 0

    @property
    def depth(self) -> int:
        """How many tables are open."""
        return len(self._tables)

    @property
    def in_cell(self) -> bool:
        """Whether a cell of the innermost table is open."""
        return bool(self._tables) and self._tables[-1].in_cell

    def write(self, text: str) -> None:
        """Words of the line being written."""
        self._length += len(text)
        if self._length > MAX_CHARS:
            raise CannotReadError("I013", f"more than {MAX_CHARS:,} characters of text", "split the document")
        if text:
            self._words.append(text.replace("\xa0", " "))

    def line(self) -> None:
        """End the line, an empty one too."""
        self._length += 1
        self._boxes[-1].extend("".join(self._words).split("\n"))
        self._words = []

    def fresh_line(self) -> None:
        """End the line if there is something on it."""
        if self._words:
            self.line()

    def gap(self) -> None:
        """A blank line, unless there is one already or nothing above it."""
        self.fresh_line()
        if self._boxes[-1] and self._boxes[-1][-1].strip():
            self._boxes[-1].append("")

    def beside(self, text: str) -> None:
        """Lines of their own that stand before the line being written: a text box."""
        self.write("")
        self._length += len(text)
        self._boxes[-1].extend(text.split("\n"))

    def open_table(self) -> None:
        """Begin a table, inside the open cell where there is one."""
        if len(self._tables) >= _MOST_NESTED:
            raise CannotReadError("I056", "too many tables inside one another", "export the note again")
        self.fresh_line()
        self._tables.append(_Table())

    def open_cell(self) -> None:
        """Begin a cell, after the one that is open."""
        self.close_cell()
        self._tables[-1].in_cell = True
        self._boxes.append([])

    def close_cell(self) -> None:
        """End the cell, if one is open."""
        if self.in_cell:
            self.fresh_line()
            self._tables[-1].cells.append(self._boxes.pop())
            self._tables[-1].in_cell = False

    def skip_cells(self, count: int) -> None:
        """Empty cells, where one spans several columns."""
        self.close_cell()
        self._tables[-1].cells.extend([] for _ in range(min(count, 100)))

    def close_row(self) -> None:
        """End the row; its lines stand in what the table stands in."""
        self.close_cell()
        self.fresh_line()
        self._boxes[-1].extend(row_lines(self._tables[-1].cells))
        self._tables[-1].cells = []

    def close_table(self) -> None:
        """End the innermost table."""
        self.close_row()
        self._tables.pop()

    def text(self) -> str:
        """The text, with every open table ended."""
        while self._tables:
            self.close_table()
        self.fresh_line()
        return "\n".join(self._boxes[0])
