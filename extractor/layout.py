"""Layout: the lines, sections and sentences of a note.

In: the text of a note. Out: a ``Layout`` whose spans are characters of that
text. Nothing here knows a clinical word; header phrases come from
``patterns/sections.yaml``, the names of columns from ``patterns/tables.yaml``.

How a line break is read: hospital systems wrap prose at a fixed width, and
write lists and logs one entry a line. A break is soft when the first word of
the next line would not have fitted into the widest line of the note, hard
otherwise; bullets, numbers, times and ``key: value`` starts are always hard.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from extractor.rows import Cell, ColumnNames, Entry, cells_of, columns, entries_of
from extractor.rules import RuleBook, spellings

_BULLET = re.compile(r"\s*(?:[-*•·–—>#]+\s*|\(?\d{1,2}[.)]\s+|\(?[a-z][.)]\s+|\[[ xX✓]?\]\s*)")
_TIME = re.compile(
    r"\s*(?:[-*•>·–|]\s*)?[\[(]?(?:\d{1,2}[:h.]\d{2}(?:[:.]\d{2})?|t\s?[+=]\s?\d+|\d{4}h?(?=\s+[^\d\s.]))\s*(?:hrs?|h|am|pm)?[\])]?[\s:|,–-]",
    re.I,
)
# Hours and minutes before another number: a time only beside lines that begin with one.
_BARE_TIME = re.compile(r"\s*(?:[01]\d|2[0-3])[0-5]\d\s+(?=\d)")
_LEAST_OF_LOG = 3  # lines that begin with a time
_FIELD = re.compile(r"\s*[^\W\d_][\w /()&.'+-]{1,48}?\s*(?::(?!\d)|\t)")
_NUMBERING = re.compile(r"\s*\(?\d{1,2}[.)]")
_SENTENCE_END = re.compile(r"[.!?;]+[\"')\]]*(?=\s)|;|\bperiod\b(?=\s+[A-Z]|\s*$)")
_ABBREVIATION = re.compile(
    r"(?<!\w)(?:dr|mr|mrs|ms|prof|st|vs|approx|no|nr|resp|fig|pt|e\.g|i\.e|ca|inc|hr|min|a\.m|p\.m)\.$",
    re.I,
)

# Header phrases are compared piece by piece: words, single marks, and gaps that all count as one space.
_PIECE = re.compile(r"(\w+|[^\w\s-])|[\s-]+")
_IN_WORD = re.compile(r"\w")
_AFTER_SENTENCE = re.compile(r"[.!?]\s+(?=\S)")
_LEADING_WORD = re.compile(r"[\w/'-]+ ")
_COLON = re.compile(r"\s*:")
_COLON_NO_TIME = re.compile(r"\s*:(?!\d)")
# A number, boxes before numbers, or a number and then the next field.
_MERE_COUNT = re.compile(
    r"(?:[\s#:=/.>≥]|\(\s?[xX]?\s?\)|\[\s?[xX]?\s?\]|\(?\d{1,2}\)?)+$"
    r"|\s*\d(?:\s*[;,|/]|  +|\t)(?=[^:=]*[:=]\s*\d)"
)


# Headers of these roles may count by themselves: "Devices implanted: 2".
_OF_DEVICES = frozenset({"implants", "equipment"})
# Headers of these roles may say something themselves: "Aortic leak closure:".
_TALKING_HEADERS = frozenset({"description", "other", "body", "log"})


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the note under one header; ``role`` as in patterns/sections.yaml."""

    start: int
    end: int
    role: str
    title: str
    body: int = 0  # where the header ends


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence, list item, log line or table row.

    ``form`` is ``prose``, ``item``, ``log``, ``row``, or of several lines ``record``
    (its cells are fields) or ``heap`` (a table whose cells cannot be told apart);
    ``paragraph`` counts the blocks of the note.
    """

    start: int
    end: int
    section: Section
    form: str
    paragraph: int
    cells: tuple[Cell, ...] = ()


@dataclass(frozen=True, slots=True)
class Layout:
    """Sections and sentences of one note, in text order."""

    sections: tuple[Section, ...]
    sentences: tuple[Sentence, ...]
    opening: tuple[tuple[int, int], ...] = ()  # spans of the first lines


@dataclass(frozen=True, slots=True)
class _Line:
    start: int
    end: int
    text: str


class LayoutReader:
    r"""Reads the layout of notes by the header phrases of a rule book.

    Examples
    --------
    >>> from extractor.rules import load_rules
    >>> layout = LayoutReader(load_rules()).read("INDICATION: leak.\nIMPRESSION: one plug.")
    >>> [section.role for section in layout.sections]
    ['history', 'summary']
    """

    # Roles that describe one field; the text after a blank line is body again.
    _FIELD_ROLES = frozenset(
        {
            "letterhead",
            "title",
            "complications",
            "equipment",
            "implants",
            "findings",
            "history",
            "plan",
            "summary",
        }
    )
    # A title longer than this many words tells the procedure under that header.
    _LONGEST_TITLE = 70

    def __init__(self, book: RuleBook) -> None:
        self._roles: dict[str, str] = {
            _words(phrase): rule.means.role
            for rule in book.kind("section")
            for phrase in spellings((*rule.phrases, *rule.plurals))
        }
        self._beginnings = {
            phrase[: piece.end()] for phrase in self._roles for piece in _PIECE.finditer(phrase)
        }

        self._names = ColumnNames(book)

    def _header_end(self, text: str, start: int) -> int | None:
        """Where the longest header phrase that begins at ``start`` ends."""
        end, read = None, ""
        for piece in _PIECE.finditer(text, start):
            read += piece[0].lower() if piece[1] else " "
            if read not in self._beginnings:
                break
            if read in self._roles and not _IN_WORD.match(text, piece.end()):
                end = piece.end()
        return end

    def _role(self, header: str) -> str:
        return self._roles[_words(header)]

    def read(self, text: str) -> Layout:
        """Sections and sentences of ``text``."""
        lines = _lines(text)
        entries = entries_of(
            [(line.start, line.text) for line in lines],
            self._names,
            lambda n: self._line_header(lines[n]) is not None,
        )
        sections = self._sections(text, lines, entries)
        blocks = _blocks(lines, sections, entries, self._names)
        opening = tuple((line.start, line.end) for line in lines if line.text.strip())[:3]
        return Layout(sections, tuple(_sentences(text, blocks, sections)), opening)

    def _sections(self, text: str, lines: list[_Line], entries: list[Entry]) -> tuple[Section, ...]:
        starts: list[tuple[int, int, str, str]] = []  # header start, content start, role, title
        open_field = counted = False
        hard = _hard_starts(lines)
        rows = {n for entry in entries for n in range(entry.first, entry.last + 1)}
        opening = {entry.first for entry in entries if entry.form == "record"}
        for n, line in enumerate(lines):
            if n in rows and n not in opening:
                continue
            if not line.text.strip():
                # A field ends at a blank line, unless its value is still to come.
                if open_field and starts and text[starts[-1][1] : line.start].strip():
                    starts.append((line.start, line.start, "body", ""))
                    open_field = False
                continue
            found = self._line_header(line) or _standing_alone(lines, n)
            if found is not None and n in opening and found[1] not in _OF_DEVICES:
                found = None
            if found is not None:
                content, role, title = found
                inline = bool(text[content : line.end].strip())
                if (
                    role == "findings"
                    and inline
                    and starts
                    and starts[-1][2] in ("description", "body", "other", "log")
                ):
                    continue  # "Final TEE: ..." is a sentence of the narrative
                counted = role in _OF_DEVICES and _is_count(text[content : line.end])
                starts.append((line.start, line.start if counted else content, role, title))
                open_field = role in self._FIELD_ROLES and (
                    inline or role in ("letterhead", "title", "complications")
                )
            elif (
                open_field
                and text[starts[-1][1] : line.start].strip()
                and line.start in hard
                and self._ends_field("count" if counted else starts[-1][2], line)
            ):
                starts.append((line.start, line.start, "body", ""))
                open_field = False
            if n in rows:
                continue
            for gap in _AFTER_SENTENCE.finditer(line.text):
                end = self._header_end(line.text, gap.end())
                colon = _COLON.match(line.text, end) if end else None
                if colon is not None:
                    title = line.text[gap.end() : end]
                    role = self._role(title)
                    starts.append((line.start + gap.end(), line.start + colon.end(), role, title))
                    open_field, counted = role in self._FIELD_ROLES, False
        if not starts or starts[0][0] > 0:
            starts.insert(0, (0, 0, "body", ""))
        sections = []
        for k, (start, content, role, title) in enumerate(starts):
            end = starts[k + 1][0] if k + 1 < len(starts) else len(text)
            told = text[content:end]
            if role == "title" and (
                len(told.split()) > self._LONGEST_TITLE
                or (len(_split(told, 0, len(told))) > 3 and "\n\n" not in told.strip())
            ):
                role = "description"
            sections.append(Section(start, end, role, title, content))
        return tuple(sections)

    def _ends_field(self, role: str, line: _Line) -> bool:
        """Whether a line stands outside the field above it.

        A letterhead runs over its own kind of line; a result or a plan of one line
        ends where a form goes on with its next field, a count where that is of no device.
        """
        is_field = _FIELD.match(line.text) is not None
        if role == "count":
            return is_field and not self._names.fields(line.text)
        if role in ("letterhead", "findings"):
            return not is_field
        return is_field and role in ("summary", "plan", "equipment", "complications", "history")

    def _line_header(self, line: _Line) -> tuple[int, str, str] | None:
        """(content start, role, title) when a line opens a section; one that names columns does not."""
        cells = cells_of(line.text, self._names)
        if self._names.are_names([line.text[cell.start : cell.end] for cell in cells]):
            return None
        lead = re.match(r"[\s#*=_~>\[-]*(?:\d{1,2}[.)]\s*|[ivx]+\.\s+)?", line.text)
        begin = lead.end() if lead else 0
        end = self._header_end(line.text, begin)
        if end is None:
            return self._late_header(line, begin) or self._shouted_header(line, begin)
        header = line.text[begin:end]
        rest = line.text[end:]
        opened = re.match(r"\s*(?:\([^)]{0,40}\)\s*)?(?::|[*=_~\]-]*\s*$| +[-–—] |\s*\t|  +|\])[*=_~]*", rest)
        if opened is None:
            # "Description of the procedure in detail:": known words, then a few more and a colon.
            longer = re.match(r"(?: [\w/&()'-]+){1,4}\s*:(?!\d)", rest)
            if longer is None or end > 60:
                return None
            opened = longer
        return line.start + end + opened.end(), self._role(header), header

    def _late_header(self, line: _Line, begin: int) -> tuple[int, str, str] | None:
        """As in "Staged plan:", "Left heart findings:": known words behind one or two others."""
        first = _LEADING_WORD.match(line.text, begin)
        second = _LEADING_WORD.match(line.text, first.end()) if first else None
        for lead in (second, first):
            end = self._header_end(line.text, lead.end()) if lead else None
            colon = _COLON_NO_TIME.match(line.text, end) if end else None
            if lead is not None and colon is not None:
                header = line.text[lead.end() : end]
                return line.start + colon.end(), self._role(header), header
        return None

    def _shouted_header(self, line: _Line, begin: int) -> tuple[int, str, str] | None:
        """An unknown header: a short line that ends in a colon, or stands alone in capitals."""
        words = line.text[begin:].strip()
        if re.fullmatch(r"[^\W\d][^.:;,|]{2,50}:", words) and len(words.split()) <= 6:
            return line.end, "other", words[:-1]
        return None


def _words(header: str) -> str:
    return " ".join(header.lower().replace("-", " ").split())


def _lines(text: str) -> list[_Line]:
    lines, start = [], 0
    for raw in text.splitlines(keepends=True):
        body = raw.rstrip("\r\n\v\f\x1c\x1d\x1e\x85\u2028\u2029")
        lines.append(_Line(start, start + len(body), body))
        start += len(raw)
    return lines


def _standing_alone(lines: list[_Line], n: int) -> tuple[int, str, str] | None:
    """A heading without a colon: a few words between a blank line and running text."""
    words = lines[n].text.strip()
    after = lines[n + 1].text.strip() if n + 1 < len(lines) else ""
    if n == 0 or lines[n - 1].text.strip() or not after:
        return None
    if (
        re.fullmatch(r"[^\W\d][^.:;,|\d]{3,50}", words)
        and len(words.split()) <= 6
        and len(after.split()) >= 8
        and len(after) > len(words)
    ):
        return lines[n].start, "other", words
    return None


def _hard_starts(lines: list[_Line]) -> set[int]:
    """Starts of the lines that do not continue a wrapped one."""
    width = max((len(line.text.rstrip()) for line in lines), default=0)
    hard = set()
    previous = ""
    for line in lines:
        words = line.text.split(None, 1)
        if not words or not previous or len(previous) + 1 + len(words[0]) <= width:
            hard.add(line.start)
        previous = line.text.rstrip()
    return hard


def _is_count(value: str) -> bool:
    """Whether the value of a field is a number, or boxes before numbers with one of them ticked."""
    return any(c.isdigit() for c in value) and _MERE_COUNT.match(value) is not None


def _form(line: _Line) -> str:
    if columns(line.text) >= 2 or "\t" in line.text.strip():
        return "row"
    if _TIME.match(line.text):
        return "log"
    if _BULLET.match(line.text) or _FIELD.match(line.text):
        return "item"
    return "prose"


def _log_lines(lines: list[_Line], names: ColumnNames) -> dict[int, int]:
    """Lines of an event log, and where the event begins in each, behind its time.

    What stands under the header of a supply list is none, though it may give times.
    """
    timed = {n: time.end() for n, line in enumerate(lines) if (time := _TIME.match(line.text))}
    if len(timed) < _LEAST_OF_LOG:
        return {}
    bare = {
        n: time.end()
        for n, line in enumerate(lines)
        if n not in timed and {n - 1, n + 1} & set(timed) and (time := _BARE_TIME.match(line.text))
    }
    supplies = False
    for n, line in enumerate(lines):
        texts = [line.text[cell.start : cell.end] for cell in cells_of(line.text, names)]
        if names.are_names(texts):
            kinds = {key.column for text in texts if (key := names.key(text))}
            supplies = bool(kinds & {"quantity", "lot", "serial", "size"})
        elif not line.text.strip():
            supplies = False
        elif supplies:
            timed.pop(n, None)
    return timed | bare


@dataclass(slots=True)
class _Block:
    """Lines that belong together: a wrapped paragraph, a row, an entry of a list."""

    start: int
    end: int
    form: str
    cells: tuple[Cell, ...] = ()
    whole: bool = False  # one sentence, whatever marks it contains


def _blocks(
    lines: list[_Line], sections: tuple[Section, ...], entries: Sequence[Entry], names: ColumnNames
) -> list[_Block]:
    width = max((len(line.text.rstrip()) for line in lines), default=0)
    section_starts = {section.start for section in sections}
    entry_at = {entry.first: entry for entry in entries}
    logged = _log_lines(lines, names)
    blocks: list[_Block] = []
    previous: _Line | None = None
    until = -1  # the last line of the entry being passed over
    for n, line in enumerate(lines):
        stripped = line.text.strip()
        entry = entry_at.get(n)
        if entry is not None:
            until = entry.last
            blocks.append(_Block(line.start, lines[until].end, entry.form, entry.cells, whole=True))
        if n <= until or not stripped:
            previous = None
            continue
        form = "log" if n in logged else _form(line)
        bare = "|" not in line.text and "\t" not in line.text
        if (
            previous is not None
            and (form == "prose" or (form == "row" and blocks[-1].form == "prose" and bare))
            and line.start not in section_starts
            and len(previous.text.rstrip()) + 1 + len(stripped.split(None, 1)[0]) > width
            and blocks[-1].form != "row"
        ):
            blocks[-1] = _Block(blocks[-1].start, line.end, blocks[-1].form)
        else:
            time = _TIME.match(line.text) if form == "log" else None
            begin = logged.get(n, time.end() if time else 0)
            cells = cells_of(line.text, names, line.start) if form != "log" else ()
            blocks.append(_Block(line.start + begin, line.end, form, cells, _form(line) == "row"))
        previous = line
    return blocks


def _sentences(text: str, blocks: list[_Block], sections: tuple[Section, ...]) -> list[Sentence]:
    out: list[Sentence] = []
    k = 0
    for paragraph, block in enumerate(blocks):
        position = block.start
        while position < block.end:
            while k + 1 < len(sections) and sections[k + 1].start <= position:
                k += 1
            stop = min(block.end, sections[k + 1].start) if k + 1 < len(sections) else block.end
            if sections[k].role not in _TALKING_HEADERS:
                position = min(stop, max(position, sections[k].body))
            listed = block.form == "item" and sections[k].role == "implants"
            for a, b in (
                _trim(text, [(position, stop)]) if block.whole else _split(text, position, stop, listed)
            ):
                cells = tuple(cell for cell in block.cells if a < cell.end and cell.start < b)
                out.append(Sentence(a, b, sections[k], block.form, paragraph, cells))
            position = stop
    return out


def _split(text: str, start: int, end: int, listed: bool = False) -> list[tuple[int, int]]:
    """Sentences of one block: at . ! ? ; but not after an abbreviation or inside a number.

    In the entry of a list a semicolon ends nothing.
    """
    spans, begin = [], start
    for match in _SENTENCE_END.finditer(text, start, end):
        if listed and ";" in match.group():
            continue
        if match.group().startswith(".") and _ABBREVIATION.search(
            text, max(begin, match.start() - 8), match.start() + 1
        ):
            continue
        if _NUMBERING.fullmatch(text[begin : match.end()]):
            continue  # "1." opens a step, it is none
        if text[match.end() : end].strip():
            spans.append((begin, match.end()))
            begin = match.end()
    spans.append((begin, end))
    return _trim(text, spans)


def _trim(text: str, spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Spans without the blanks at their ends; empty ones are left out."""
    trimmed = []
    for a, b in spans:
        piece = text[a:b]
        a += len(piece) - len(piece.lstrip())
        b -= len(piece) - len(piece.rstrip())
        if a < b:
            trimmed.append((a, b))
    return trimmed
