"""Sheets: tables whose columns are known.

In: parsed rows of one source and the words of tables. Out: ``Sheet``s: rows that
stand together under one header, every cell with the column it is in, and which
numbers only count the rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from extractor.grammar import Parse
from extractor.mentions import Mention, begun, begun_at
from extractor.rows import Cell

_ANSWERS = frozenset(["y", "n", "yes", "no", "?", "/", "(", ")", ":"])
_MARKS = frozenset("|.,;:/()[]<>{}=*")
_NAMED_INSIDE = frozenset(["size", "quantity", "lot", "serial"])
_LEAST_RUN = 3  # rows numbered 1, 2, 3; two rows "1" and "2" may as well be quantities


@dataclass(frozen=True, slots=True)
class SheetCell:
    """Words ``first`` to ``last`` in a column; ``fate`` where the column asks for one ("Released: yes").

    ``blank`` where other rows answer and this one does not; ``reverses`` where it counts
    among the implanted those taken out again.
    """

    first: int
    last: int
    column: str | None
    fate: str | None
    blank: bool = False
    reverses: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """A row, or a part of one: words ``first`` to ``last``, and the cells with their columns.

    ``headed`` when a header names its columns. ``label`` is the running number in
    front of it; ``uncertain`` when that may be a quantity.
    """

    parse: Parse
    first: int
    last: int
    cells: list[SheetCell]
    marks: list[Mention]  # words of tables in the values of cells
    headed: bool = False
    label: int | None = None
    uncertain: bool = False
    earlier: str = ""  # "surely" or "maybe": by its date of another session
    keys: frozenset[int] = frozenset()  # the words of its keys

    def of(self, *columns: str) -> list[SheetCell]:
        """The cells in these columns."""
        return [cell for cell in self.cells if cell.column in columns]

    def words(self, cell: SheetCell) -> list[str]:
        """The words of a cell, without marks and without the choices of a drop-down ("{size}")."""
        words, offered = [], 0
        for word in self.parse.between(cell.first, cell.last):
            offered += (word == "{") - (word == "}")
            if not offered and word not in _MARKS:
                words.append(word)
        return words

    def mentions(self, cell: SheetCell | None = None) -> list[Mention]:
        """What rules matched in the row, or in one of its cells."""
        first, last = (cell.first, cell.last) if cell else (self.first, self.last)
        return list(
            dict.fromkeys(
                m for i, m in self.parse.items.items() if first <= i < last and m.last - 1 not in self.keys
            )
        )

    def numbers(self, cell: SheetCell) -> list[int]:
        """The counts of a cell: "2 (two)" gives 2 twice."""
        told = [count_of(m) for m in self.mentions(cell) if m.kind == "count"]
        words = self.parse.between(cell.first, cell.last)
        if not told and len(words) == 1 and words[0].isdecimal():
            return [int(words[0])]
        return [number for number in told if number is not None]

    def figures(self, cell: SheetCell) -> bool:
        """Whether a cell has a figure in it: "0", and not "none"."""
        return any(word.isdigit() for word in self.words(cell))

    def nouns(self) -> list[Mention]:
        """Nouns of the row that belong to no device phrase."""
        return [
            m for m in self.parse.nouns if self.first <= m.first < self.last and m.last - 1 not in self.keys
        ]

    def actions(self) -> list[Mention]:
        """Verbs of the row."""
        return [
            m for m in self.parse.actions if self.first <= m.first < self.last and m.last - 1 not in self.keys
        ]

    def fates(self) -> list[Mention]:
        """The words of the row that tell of a fate."""
        return [
            m for m in self.marks if m.means.fate and not m.means.column and self.first <= m.first < self.last
        ]

    def years(self) -> list[int]:
        """The years that the dates of a row give."""
        words = [word for cell in self.of("time") for word in self.parse.between(cell.first, cell.last)]
        return [
            int(word) for word in words if len(word) == 4 and word[:2] in ("19", "20") and word.isdecimal()
        ]

    def of_today(self) -> bool:
        """Whether its date is "today"."""
        return any(
            cue.means.cue == "today" and cell.first <= cue.first < cell.last
            for cell in self.of("time")
            for cue in self.parse.cues
        )

    def place(self) -> str | None:
        """The other defect a row names; None where it names a leak or a valve."""
        if any(m.kind in ("leak", "valve") for m in self.mentions()):
            return None
        targets = [m.means.site for m in self.nouns() if m.kind == "target"]
        targets += [
            m.means.target for m in self.marks if m.means.target and self.first <= m.first < self.last
        ]
        return next(iter(targets), None)

    def told(self, cell: SheetCell) -> list[Mention]:
        """The fates named in a cell."""
        return [m for m in self.fates() if cell.first <= m.first < cell.last]

    def answer(self, cell: SheetCell) -> str | None:
        """``yes`` or ``no``, where a cell begins with it or is a number."""
        if cell.blank:
            return "no"
        numbers = self.numbers(cell)
        if numbers and cell.last - cell.first == 1:
            return "yes" if numbers[0] else "no"
        words = self.parse.words.words
        first = next((i for i in range(cell.first, cell.last) if words[i] not in _MARKS), cell.last)
        told = next((m for m in self.marks if m.means.answer and m.first == first), None)
        return told.means.answer if told is not None else None

    def part(self, first: int, last: int) -> Row:
        """The part of the row between two words."""
        cells = [cell for cell in self.cells if first <= cell.first < last]
        return replace(self, first=first, last=last, cells=cells)


@dataclass(slots=True)
class Sheet:
    """Rows that stand together, in one kind of list."""

    part: str
    rows: list[Row] = field(default_factory=list)


def count_of(mention: Mention) -> int | None:
    """The number a count gives; None for an ordinal, an article, a label."""
    if mention.means.ordinal is not None or mention.means.word not in (None, "times", "none", "both", "pair"):
        return None
    number: int | None = mention.value if mention.value is not None else mention.means.number
    return number


def sheets_of(parses: list[Parse], tables: list[Mention], parts: list[str]) -> Iterator[Sheet]:
    """The sheets of a note: rows that follow one another, under the last header above them.

    Parameters
    ----------
    parses
        The rows in text order.
    tables
        Mentions of the ``table`` layer.
    parts
        For each row the kind of list it is in; a sheet is of one kind.
    """
    header: list[_Column] = []
    sheet, paragraph, section = Sheet(""), -2, -1
    for parse, part in zip(parses, parts, strict=True):
        apart = parse.sentence.paragraph > paragraph + 1
        if apart and parse.sentence.section.start != section:
            header = []
        marks = begun(tables, parse.first, parse.last)
        named = _header(parse, marks)
        if named or apart or part != sheet.part:
            if sheet.rows:
                yield _numbered(sheet, header)
            sheet = Sheet(part)
        paragraph, section = parse.sentence.paragraph, parse.sentence.section.start
        if named:
            header = named
        else:
            sheet.rows.append(_row(parse, tables, header))
    if sheet.rows:
        yield _numbered(sheet, header)


# -- headers ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Column:
    cell: Cell
    column: str | None
    fate: str | None
    reverses: bool = False


def _header(parse: Parse, marks: list[Mention]) -> list[_Column]:
    """The columns a row names; empty when it is no header."""
    if parse.sentence.form in ("record", "heap") or any(p.product or p.sizes for p in parse.phrases):
        return []
    columns, named = [], 0
    for cell in parse.sentence.cells:
        first, last = _span(parse, cell.start, cell.end)
        inside = [m for m in marks if first <= m.first < last]
        covered = {i for m in inside for i in range(m.first, m.last)}
        whole = all(
            i in covered or parse.words.words[i] in _ANSWERS or parse.words.words[i] in _MARKS
            for i in range(first, last)
        )
        named += bool(inside) and whole
        meaning = _meaning(inside) if whole else (None, None)
        columns.append(_Column(cell, *meaning, any(m.means.reverses for m in inside)))
    kinds = {column.column for column in columns if column.column}
    return columns if named >= 3 or (named == 2 and len(kinds) == 2) else []


def _meaning(marks: list[Mention]) -> tuple[str | None, str | None]:
    """The column and the fate that words name: "Qty implanted" is both."""
    column = next((m.means.column for m in marks if m.means.column), None)
    fates = list(dict.fromkeys(m.means.fate for m in marks if m.means.fate))
    if column is None and len(fates) > 1:
        return "status", None  # "Used/Wasted"
    return column, next(iter(fates), None)


def _column_of(cell: Cell, row: tuple[Cell, ...], header: list[_Column]) -> _Column | None:
    """The column a cell stands in: by its number, or where blanks part the cells by its place."""
    if not cell.fixed or not header[0].cell.fixed:
        return next((c for c in header if c.cell.index == cell.index), None)
    if len(row) == len(header):
        return header[row.index(cell)]
    width = cell.end - cell.start

    def distance(column: _Column) -> int:
        begin, end = column.cell.offset, column.cell.offset + column.cell.end - column.cell.start
        return max(begin - (cell.offset + width), cell.offset - end)

    return min(header, key=lambda column: (distance(column), abs(column.cell.offset - cell.offset)))


# -- rows -------------------------------------------------------------------------


def _span(parse: Parse, start: int, end: int) -> tuple[int, int]:
    """The words of a row between two characters, without bars at their ends."""
    first, last = parse.words.at(start, end)
    first, last = max(first, parse.first), min(last, parse.last)
    while first < last and parse.words.words[first] == "|":
        first += 1
    while first < last and parse.words.words[last - 1] == "|":
        last -= 1
    return first, last


def _row(parse: Parse, tables: list[Mention], header: list[_Column]) -> Row:
    headed = bool(header) and parse.sentence.form == "row" and len(parse.sentence.cells) > 1
    cells = [_cell(parse, cell, tables, header if headed else []) for cell in parse.sentence.cells]
    keys = frozenset(
        i
        for cell in parse.sentence.cells
        if cell.value > cell.start
        for i in range(*parse.words.at(cell.start, cell.value))
    )
    marks = [
        m
        for m in begun(tables, parse.first, parse.last)
        if m.first not in keys
        and (m.means.fate or m.means.answer or m.means.target or m.means.column == "quantity")
        and (not m.means.alone or _alone(parse, cells, m))
    ]
    return Row(parse, parse.first, parse.last, cells, marks, headed, keys=keys)


def _cell(parse: Parse, cell: Cell, tables: list[Mention], header: list[_Column]) -> SheetCell:
    """The words of a cell, with the column that its key, a header or its first word names."""
    first, last = _span(parse, cell.value, cell.end)
    row = parse.sentence.cells
    if parse.sentence.form == "record" and cell is row[0]:
        return SheetCell(first, last, "item", None)  # the name, which other fields follow
    if cell.value > cell.start:
        inside = begun_at(tables, cell.start, cell.value)
        reverses = any(m.means.reverses for m in inside)
        return SheetCell(first, last, *_meaning(inside[::-1]), reverses=reverses)
    if header:
        named = _column_of(cell, row, header)
        if named is not None:
            return SheetCell(first, last, named.column, named.fate, reverses=named.reverses)
    name = next((m for m in begun(tables, first, first + 1) if m.last < last), None)
    if not header and name is not None and name.means.column in _NAMED_INSIDE:
        return SheetCell(name.last, last, name.means.column, None)  # "Lot 123", "Size 10"
    return SheetCell(first, last, None, None)


def _alone(parse: Parse, cells: list[SheetCell], mark: Mention) -> bool:
    """Whether a word stands between marks or the edges of its cell."""
    words = parse.words.words
    opens = mark.first == parse.first or words[mark.first - 1] in _MARKS
    closes = mark.last == parse.last or words[mark.last] in _MARKS
    return (opens or any(cell.first == mark.first for cell in cells)) and (
        closes or any(cell.last == mark.last for cell in cells)
    )


# -- running numbers --------------------------------------------------------------


def _numbered(sheet: Sheet, header: list[_Column]) -> Sheet:
    """Tell running numbers from quantities: 1, 2, 3 down the first column count the rows."""
    sheet = Sheet(sheet.part, [_answered(row, sheet, header) for row in sheet.rows])
    last = max((year for row in sheet.rows for year in row.years()), default=0)
    undated = any(row.of("time") and not row.years() for row in sheet.rows)
    today = any(row.of_today() for row in sheet.rows)
    sheet.rows = [
        replace(row, earlier="surely" if today or max(row.years()) < last else "maybe" if undated else "")
        if row.years()
        else row
        for row in sheet.rows
    ]
    kinds = {column.column for column in header} if any(row.headed for row in sheet.rows) else set()
    numbers = [_number_in_front(row, kinds) for row in sheet.rows]
    run = [number for number in numbers if number is not None]
    alone = len(run) == 1 and (run == [1] or not kinds)
    if not run or alone or run != [*range(run[0], run[0] + len(run))]:
        return sheet
    rows = []
    for row, number in zip(sheet.rows, numbers, strict=True):
        cells = row.of("number")
        sure = cells[0] == row.cells[0] if cells else row.headed or len(run) >= _LEAST_RUN
        uncertain = number is not None and (run[0] != 1 or not sure)
        rows.append(replace(row, label=number, uncertain=uncertain))
    return Sheet(sheet.part, rows)


def _answered(row: Row, sheet: Sheet, header: list[_Column]) -> Row:
    """A row with blank cells in the columns that ask for a fate, where other rows tick them."""
    if not row.headed:
        return row
    blank = []
    for fate in dict.fromkeys(c.fate for c in header if c.fate and c.column is None):
        ticked = any(
            cell.fate == fate and other.answer(cell) == "yes" for other in sheet.rows for cell in other.cells
        )
        if ticked and not any(cell.fate == fate for cell in row.cells):
            blank.append(SheetCell(row.last - 1, row.last - 1, None, fate, blank=True))
    return replace(row, cells=[*row.cells, *blank])


def _number_in_front(row: Row, kinds: set[str | None]) -> int | None:
    """What may be the running number of a row: its "No." column, or a bare number it begins with."""
    cells = row.of("number")
    if cells:
        return next(iter(row.numbers(cells[0])), None)
    mention = row.parse.items.get(row.parse.first)
    if kinds & {"number", "quantity"} or mention is None or mention.kind != "count" or mention.means.word:
        return None
    return mention.value if row.parse.words.words[mention.last : mention.last + 1] != ["."] else None
