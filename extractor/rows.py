"""Rows: what of a note stands in cells.

In: the lines of a note, and the words that name columns (``patterns/tables.yaml``).
Out: the cells of a line, and the lines that make up one row together: a record
of ``key: value`` lines, or a table that is printed one cell a line.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from extractor.rules import RuleBook, spellings

# Cells end at a tab, at two blanks or at a dotted line; two blanks behind a full stop or a colon are style.
_GAP = re.compile(r"\t|(?<=[^\s.!?:;,]) {2,}(?=\S)|(?<=[.!?;,]) {3,}(?=\S)|(?<=\S)\s?\.{3,}\s?(?=\S)")
_GAP_MARKS = ("\t", "  ", "...")  # no gap is without one of these
_REMEMBERED = 256  # lines
_CELL_END = re.compile(r"\t| {2,}(?=\S)")
_LEAD = re.compile(r"[\s*•·–—>#=_~-]*(?:\(?\d{1,2}[.)]\s+|\[?\([a-z]\)\s+)?")
_PARTING = re.compile(r"[;,|/\t]\s*|\.\s+|\s{2,}")
_PARTING_MARKS = ";,|/."
_MARK = re.compile(r"\?\s*[:=]?|[:=](?![=>])")
_LABEL = r"(?:#|no\.? ?|nr\.? ?|number )?(?:[a-z]?\d{1,2}|[a-h]|i{1,3}|iv)"
_ORDINAL = r"(?:first|second|third|fourth|fifth|1st|2nd|3rd|4th|5th)"
_SEMICOLON = re.compile(r";(?=\S)")
_COUNTS = re.compile(r"\d{1,2}(?:\s*/\s*\d{1,2}){2,}")  # "1 / 1 / 0": a cell for each of three columns
_DROP_DOWN = re.compile(r"\{[^{}\n]*\}")
_LEADER = re.compile(r"\.{4,}")
_LEAST_LEADERS = 3  # of three dots in a row
_LONGEST_KEY = 40  # characters
_MOST_UNKNOWN = 2  # fields of a record that are no column
_TELLING = frozenset(["size", "lot", "serial", "quantity", "number", "fate"])  # of one device
_LEAST_COLUMNS = 3  # of a table printed one cell a line
_LONGEST_CELL = 8  # words
_ANY_FIELD = re.compile(r"\s*(?:[-*•]\s*)?[^\W\d_][\w /()&.'+#-]{1,48}?\s*[:=]")


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of a row: characters ``start:end``, and where its value begins behind a key.

    ``index`` counts the cells of the line and ``offset`` the characters before it;
    ``fixed`` when only blanks part the cells, so that an empty one leaves no trace.
    """

    start: int
    end: int
    value: int
    index: int
    offset: int
    fixed: bool = False

    def text(self, line: str, at: int = 0) -> str:
        """The words of the cell in its line, which begins at character ``at``."""
        return line[self.start - at : self.end - at]


@dataclass(frozen=True, slots=True)
class Entry:
    """Lines ``first`` to ``last`` that are one row; ``form`` is ``row``, ``record`` or ``heap``."""

    first: int
    last: int
    form: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Key:
    """What a key names: a device ("Plug 2"), and one of its columns ("size")."""

    noun: str
    label: str
    column: str


@dataclass(frozen=True, slots=True)
class _Field:
    start: int
    value: int
    key: Key


class ColumnNames:
    """The words that name the columns of a table and the fields of a record."""

    def __init__(self, book: RuleBook) -> None:
        self._columns: dict[str, str] = {}
        self._none: set[str] = set()
        nouns: list[str] = []
        totals: list[str] = []
        for rule in book.kind("table"):
            means = rule.means
            for phrase in spellings(rule.phrases):
                if means.record:
                    nouns.append(_plain(phrase))
                elif means.total:
                    totals.append(_plain(phrase))
                elif means.answer == "no":
                    self._none.add(_plain(phrase))
                elif means.column or means.fate:
                    self._columns.setdefault(_plain(phrase), means.column or "fate")
        words, total = (
            "|".join(sorted(map(re.escape, names), key=len, reverse=True)) for names in (nouns, totals)
        )
        self._counted = re.compile(rf"(?:{total}) (?P<noun>{words})(?:s|\(s\))?")
        # The stages of the layout ask for the same lines again and again.
        self.key = lru_cache(_REMEMBERED)(self._key)
        self.fields = lru_cache(_REMEMBERED)(self._fields)
        self._noun = re.compile(
            rf"(?:{_ORDINAL} )?(?P<noun>{words})(?:\(s\))?(?: ?(?P<label>{_LABEL}))?(?P<rest>(?: .*)?)"
        )

    def _key(self, text: str) -> Key | None:
        """What a key names, or None where its words are no column."""
        plain = _plain(text)
        found = self._noun.fullmatch(plain)
        if found is not None:
            ordinal = plain[: found.start("noun")].strip()
            rest = found["rest"].strip()
            if not rest or rest in self._columns:
                label = found["label"] or ordinal
                return Key(found["noun"], label, self._columns.get(rest, ""))
        counted = self._counted.fullmatch(plain)
        if counted is not None:
            return Key(counted["noun"], "", "quantity")
        column = self._columns.get(plain, "")
        if not column and all(self._columns.get(part.strip()) == "fate" for part in plain.split("/")):
            column = "fate"  # "Used/Wasted"
        return Key("", "", column) if column else None

    def is_none(self, value: str) -> bool:
        """Whether a value says that there is none: "N/A", "<none>", "--"."""
        plain = _plain(_DROP_DOWN.sub("", value)).strip("<>()[]–—. ")
        return plain in self._none or not re.search(r"\w", plain)

    def are_names(self, texts: Sequence[str]) -> bool:
        """Whether cells are the names of columns: nearly all of them, and two at least."""
        known = sum(self.key(text) is not None for text in texts)
        return known >= 2 and known >= len(texts) - 1

    def _fields(self, text: str) -> tuple[_Field, ...]:
        """The fields of a line whose keys are known."""
        found: list[_Field] = []
        begin = _begin(text)
        for mark in _MARK.finditer(text):
            if mark.start() < begin or _in_number(text, mark.start()):
                continue
            for start in _starts(text, begin, mark.start()):
                key = self.key(text[start : mark.start()])
                if key is not None:
                    value = mark.end()
                    while text[value : value + 1].isspace():
                        value += 1
                    found.append(_Field(start, value, key))
                    begin = value
                    break
        return tuple(found) or self._aligned(text)

    def _aligned(self, text: str) -> tuple[_Field, ...]:
        """As in "Size      12 mm": a key and its value in two columns."""
        gaps = list(_gaps(text.rstrip(), len(text) - len(text.lstrip())))
        if len(gaps) != 1 or "." in gaps[0].group():
            return ()
        begin = _begin(text)
        key, value = self.key(text[begin : gaps[0].start()]), text[gaps[0].end() :]
        if key is None or (self.key(value) is not None and not self.is_none(value)):
            return ()
        return (_Field(begin, gaps[0].end(), key),)


def _plain(text: str) -> str:
    plain = text.lower().replace("-", " ").replace("_", " ").replace("*", " ")
    return " ".join(plain.split()).strip(" .")


def _begin(text: str) -> int:
    """Where the words of a line begin, behind its bullet or number."""
    lead = _LEAD.match(text)
    return lead.end() if lead else 0


def _in_number(text: str, i: int) -> bool:
    return text[i - 1 : i].isdigit() and text[i + 1 : i + 2].isdigit()


def _starts(text: str, begin: int, end: int) -> list[int]:
    """Where the key that ends at ``end`` may begin: the longest first, none over the end of a cell."""
    near = max(begin, end - _LONGEST_KEY)
    while near > begin and (text[near - 1].isspace() or text[near - 1] in _PARTING_MARKS):
        near -= 1  # not from inside of what parts two words
    starts = [begin, *(m.end() for m in _PARTING.finditer(text, near, end))]
    return [s for s in starts if 0 < end - s <= _LONGEST_KEY and not _CELL_END.search(text, s, end)]


# -- cells ------------------------------------------------------------------------


def _gaps(text: str, start: int = 0) -> Iterator[re.Match[str]]:
    """The gaps that part a line into cells, from a character on."""
    return _GAP.finditer(text, start) if any(mark in text for mark in _GAP_MARKS) else iter(())


@lru_cache(_REMEMBERED)
def columns(text: str) -> int:
    """How often a line is parted into columns; an ellipsis or two are style."""
    words = text.strip()
    if _exported(words):
        return words.count(";")
    if "..." in words and not _LEADER.search(words) and words.count("...") < _LEAST_LEADERS:
        words = words.replace("...", "")
    return max(words.count("|"), sum(1 for _ in _gaps(words)))


def _exported(text: str) -> bool:
    """Whether a line is one of a file in which semicolons part the cells."""
    least = _LEAST_LEADERS - 1
    return text.count(";") >= least and "; " not in text and len(_SEMICOLON.findall(text)) >= least


def cells_of(text: str, names: ColumnNames, at: int = 0) -> tuple[Cell, ...]:
    """The cells of a line that begins at character ``at`` of the note; none where it is one piece."""
    if not columns(text) and "/" not in text:
        return ()
    stripped = len(text) - len(text.lstrip())
    mark = "|" if "|" in text else ";" if _exported(text.strip()) else ""
    fixed = not mark and "\t" not in text.strip()
    if columns(text):
        spans = _spans(text, re.finditer(re.escape(mark), text) if mark else _gaps(text, stripped))
    elif text.count("/") > 1 and names.are_names(text.split("/")):
        spans = _spans(text, re.finditer("/", text))  # "Cat no. / description / qty used"
    else:
        return ()
    cells = []
    for index, (start, end) in enumerate(_apart(text, spans)):
        if start < end:
            fields = names.fields(text[start:end])
            value = (
                start + fields[0].value if fields and fields[0].start <= _begin(text[start:end]) else start
            )
            cells.append(Cell(at + start, at + end, at + min(value, end), index, start, fixed))
    return tuple(cells) if len(cells) > 1 else ()


def _spans(text: str, marks: Iterator[re.Match[str]]) -> list[tuple[int, int]]:
    """What stands between marks."""
    spans, position = [], 0
    for mark in marks:
        spans.append((position, mark.start()))
        position = mark.end()
    return [*spans, (position, len(text))]


def _apart(text: str, spans: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Spans without the blanks at their ends; three counts parted by slashes are three."""
    for start, end in spans:
        piece = text[start:end]
        start += len(piece) - len(piece.lstrip())
        end = start + len(piece.strip())
        if _COUNTS.fullmatch(text, start, end):
            yield from (number.span() for number in re.compile(r"\d+").finditer(text, start, end))
        else:
            yield start, end


# -- records ----------------------------------------------------------------------


def entries_of(
    lines: Sequence[tuple[int, str]], names: ColumnNames, opens_section: Callable[[int], bool]
) -> list[Entry]:
    """The rows of a note that run over several lines, or hold several fields in one.

    Parameters
    ----------
    lines
        Start and text of every line.
    names
        The words that name columns.
    opens_section
        Whether the line with this number is the header of a section.
    """
    out: list[Entry] = []
    n = 0
    while n < len(lines):
        found = _record(lines, n, names, opens_section) or _transposed(lines, n, names)
        made = [found] if found else _stack(lines, n, names)
        out += made
        n = made[-1].last + 1 if made else n + 1
    return out


def _record(
    lines: Sequence[tuple[int, str]], n: int, names: ColumnNames, opens_section: Callable[[int], bool]
) -> Entry | None:
    """A record that begins at line ``n``: a device by name, and fields that tell of it."""
    first = _opening(lines[n][1], names) or _name_alone(lines, n, names)
    if first is None:
        return None
    start, value, key = first
    at, text = lines[n]
    fields = [(at + start, at + min(value, len(text)), at + len(text))]
    known: list[Key] = []
    for field in names.fields(text):
        if field.start > start and known and not _same_device(key, field.key):
            return Entry(n, n, "heap", (Cell(at + start, at + len(text.rstrip()), at + start, 0, 0),))
        if field.start > start and field.key.column:
            fields[-1] = (*fields[-1][:2], at + field.start)
            fields.append((at + field.start, at + field.value, at + len(text)))
            known.append(field.key)
    last, unknown = n, 0
    for m in range(n + 1, len(lines)):
        kind, more = _continues(lines[m], key, names)
        if kind == "known":
            fields += more
            known += [field.key for field in names.fields(lines[m][1])]
            last = m
        elif kind == "unknown" and unknown < _MOST_UNKNOWN and not opens_section(m):
            unknown += 1
        else:
            break
    if len(known) == 1 and last == n + 1 and _in_a_list(lines, n, key, names):
        return None
    named = bool(key.label or (key.noun and key.column))
    empty = last == n and not known and bool(text[value:].strip()) and names.is_none(text[value:])
    if not empty and not any(named or k.column in _TELLING for k in known):
        return None
    return Entry(n, last, "record", _cells(lines, fields))


def _in_a_list(lines: Sequence[tuple[int, str]], n: int, key: Key, names: ColumnNames) -> bool:
    """Whether "Device 2: ..." stands right under "Device 1: ...": a field below is of neither."""
    before = _opening(lines[n - 1][1], names) if n and key.label else None
    return before is not None and bool(before[2].label) and before[2].label != key.label


def _cells(lines: Sequence[tuple[int, str]], fields: list[tuple[int, int, int]]) -> tuple[Cell, ...]:
    cells = []
    for i, (start, value, end) in enumerate(fields):
        ends = max(start, _trimmed(lines, end))
        cells.append(Cell(start, ends, min(value, ends), i, i))
    return tuple(cells)


def _name_alone(lines: Sequence[tuple[int, str]], n: int, names: ColumnNames) -> tuple[int, int, Key] | None:
    """A name on a line by itself, above indented fields that tell of one article."""
    text = lines[n][1]
    begin = _begin(text)
    if not text.strip() or names.fields(text) or columns(text) or text.rstrip()[-1] in ".:;,":
        return None
    told = 0
    for _, line in lines[n + 1 : n + 4]:
        fields = names.fields(line)
        indented = len(line) - len(line.lstrip()) > len(text) - len(text.lstrip())
        if not fields or not indented or fields[0].key.noun:
            break
        told += fields[0].key.column in _TELLING or fields[0].key.column == "item"
    return (begin, begin, Key("", "", "")) if told > 1 else None


def _opening(text: str, names: ColumnNames) -> tuple[int, int, Key] | None:
    """The key that opens a record at the beginning of a line, and where its value begins."""
    begin = _begin(text)
    fields = names.fields(text)
    if fields and fields[0].start == begin:
        key = fields[0].key
        return (begin, fields[0].value, key) if key.noun and key.column in ("", "item") else None
    key_alone = names.key(text.strip().strip("-=*#:[]() "))
    if key_alone is not None and key_alone.noun and key_alone.label and not key_alone.column:
        return begin, len(text), key_alone
    return None


def _continues(line: tuple[int, str], key: Key, names: ColumnNames) -> tuple[str, list[tuple[int, int, int]]]:
    """Whether a line goes on with a record: ``known`` or ``unknown`` fields, or ``no``."""
    at, text = line
    fields = names.fields(text)
    if not text.strip():
        return "no", []
    if not fields or fields[0].start > _begin(text):
        return ("unknown" if _ANY_FIELD.match(text) else "no"), []
    if not _same_device(key, fields[0].key):
        return "no", []
    ends = [field.start for field in fields[1:]] + [len(text)]
    return "known", [
        (at + field.start, at + field.value, at + end) for field, end in zip(fields, ends, strict=True)
    ]


def _same_device(opened: Key, key: Key) -> bool:
    """Whether a key goes on with the device that another one opened."""
    if not key.noun:
        return True
    if key.label or opened.label:
        return key.label == opened.label and bool(key.column) and (key.column != "item" or not opened.column)
    return bool(key.column) and not (key.column == opened.column == "item")


def _trimmed(lines: Sequence[tuple[int, str]], end: int) -> int:
    """Where the words before character ``end`` end, without the mark that parts them from the next."""
    at, text = next((at, text) for at, text in reversed(lines) if at < end)
    return at + len(text[: end - at].rstrip(" ;,|/\t"))


def _transposed(lines: Sequence[tuple[int, str]], n: int, names: ColumnNames) -> Entry | None:
    """A table with a column for each device ("Device 1 | Device 2"): nobody can say which cell is whose."""
    keys = [names.key(cell.text(lines[n][1])) for cell in cells_of(lines[n][1], names)]
    labelled = [key for key in keys if key is not None and key.noun and key.label and not key.column]
    if len(labelled) < 2 or len(labelled) < len(keys) - 1:
        return None
    last = n
    while last + 1 < len(lines) and columns(lines[last + 1][1]):
        last += 1
    start, end = lines[n][0], lines[last][0] + len(lines[last][1].rstrip())
    return Entry(n, last, "heap", (Cell(start, end, start, 0, 0),)) if last > n else None


# -- one cell a line --------------------------------------------------------------


def _stack(lines: Sequence[tuple[int, str]], n: int, names: ColumnNames) -> list[Entry]:
    """A table printed one cell a line, from its column names on: its rows.

    Where the cells do not fill the rows, one was empty, and nobody can say which: a ``heap``.
    """
    width = 0
    while n + width < len(lines) and _is_name(lines[n + width][1], names):
        width += 1
    if width < _LEAST_COLUMNS:
        return []
    groups = _groups(lines, n + width)
    body = groups[0] if groups else []
    if not body:
        return []
    if len(body) % width:
        at, text = lines[body[-1]]
        return [Entry(n, body[-1], "heap", (Cell(lines[n][0], at + len(text.rstrip()), lines[n][0], 0, 0),))]
    for group in groups[1:]:
        if len(group) != width:
            break
        body += group
    numbers = [*range(n, n + width), *body]
    return [_stacked(lines, numbers[k : k + width]) for k in range(0, len(numbers), width)]


def _groups(lines: Sequence[tuple[int, str]], n: int) -> list[list[int]]:
    """Numbers of the short lines from ``n`` on, parted where a blank line stands."""
    groups: list[list[int]] = [[]]
    for m in range(n, len(lines)):
        text = lines[m][1].strip()
        if not text:
            groups.append([])
        elif ":" in text or columns(text) or len(text.split()) > _LONGEST_CELL:
            break
        else:
            groups[-1].append(m)
    return [group for group in groups if group]


def _stacked(lines: Sequence[tuple[int, str]], numbers: list[int]) -> Entry:
    """One row of a table whose cells stand on lines of their own."""
    cells = []
    for index, m in enumerate(numbers):
        at, text = lines[m]
        start = at + len(text) - len(text.lstrip())
        cells.append(Cell(start, at + len(text.rstrip()), start, index, index))
    return Entry(numbers[0], numbers[-1], "row", tuple(cells))


def _is_name(text: str, names: ColumnNames) -> bool:
    key = names.key(text.strip())
    return key is not None and not key.label and key.column != "fate" and ":" not in text
