"""Layout: the lines, sections and sentences of a note.

In: the text of a note. Out: a ``Layout`` whose spans are characters of that
text. Nothing here knows a clinical word; header phrases come from
``patterns/sections.yaml``, the names of columns from ``patterns/tables.yaml``.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice

from extractor.lines import BULLET, FIELD, TIME, Line, read_lines, written
from extractor.rows import Cell, ColumnNames, Entry, cells_of, entries_of
from extractor.rules import RuleBook, spellings

_OPENING = 3  # lines
_LONGEST_ENTRY = 16  # words of an entry in a list of procedures
_NUMBERING = re.compile(r"\s*\(?(?:\d{1,2}|[A-Z]\d?|[IVX]{1,4})[.)]")
# "(1) ... (2) ...", "[1] ...", "1) ... 2) ...": with a word behind that the number may stand for.
_STEP = re.compile(
    r"(?:\((?P<round>\d{1,2})\)|\[(?P<square>\d{1,2})\]|(?<![^\s:;,])(?P<half>\d{1,2})\)"
    r"|(?<![^\s;,])(?P<dot>\d{1,2})\.(?=[ \t]))"
    r"[ \t]*(?!(?:and|or|were|was|are|is)\b)(?=\w)",
    re.I,
)
_SIZE_OR_MARK = re.compile(r"(?:\dmm|\bmm|[.),;]|\s\d+(?:\s?[x/]\s?\d+)?)\s*$", re.I)
_WORDS = re.compile(r"\S+")
_BRACKET = re.compile(r"[()]")
_LOOK_BACK = 100  # characters: longer than any size
_SENTENCE_END = re.compile(r"[.!?;]+[\"')\]]*(?=\s)|;")
_ABBREVIATION = re.compile(
    r"(?<!\w)(?:dr|mr|mrs|ms|prof|st|vs|approx|no|nr|resp|fig|pt|e\.g|i\.e|ca|inc|(hr|min|a\.m|p\.m))\.$",
    re.I,
)

# A word that the rules know cut short, in their phrases and in notes: "parav. leak".
_CUT_SHORT = re.compile(r"(?<![^\W_])([^\W\d_]{3,})\.(?!\w)")
_LONGEST_SHORT = 16

# Header phrases are compared piece by piece: words, single marks, and gaps that all count as one space.
_PIECE = re.compile(r"(\w+|[^\w\s-])|[\s-]+")
_IN_WORD = re.compile(r"\w")
_AFTER_SENTENCE = re.compile(r"[.!?]\s+(?=\S)")
_LEADING_WORD = re.compile(r"[\w/'-]+ ")
_PART_LEAD = re.compile(
    r"\s*(?:[<>*=~#:|_-]{2,}|\[\d{1,2}\]|(?:doc|document|entry|part|obx|msg)\s*[\w-]{1,8}(?=\s)"
    r"|.{0,40}\b(?:document|note|report) type:)\s*",
    re.I,
)
_PART_ROLES = frozenset(
    {"log", "findings", "description", "summary", "implants", "equipment", "addendum", "copied", "plan"}
)
_LONGEST_PART, _LONGEST_HEADING = 14, 8  # words
_HEADER_LEAD = re.compile(r"[\s#*=_~>\[-]*(?:\d{1,2}[.)]\s*|(?:[ivx]+|[A-Z]\d?)[.)]\s+)?", re.I)
_HEADER_END = re.compile(r"\s*(?:\([^)]{0,80}\)\s*)?(?::|[*=_~\]-]*\s*$| +(?:[-–—]|--) |\s*\t|  +|\])[*=_~]*")
_MORE_OF_HEADER = re.compile(r"(?: [\w/&()'-]+){1,4}\s*:(?!\d)")
# Behind the header of a part added later: who signed it and when ("4 July 2024, [NAME]:").
_DAY = r"\d{1,2}[-/.]\d{1,2}|\d{1,2}(?:st|nd|rd|th)? [^\W\d]{3,9}|[^\W\d]{3,9} \d{1,2}|\d{4}"
_SIGNATURE = r"[ \w,.#/()'\[\]-]"
_SIGNED = re.compile(
    rf"(?=[^\n]{{0,40}}?(?:\b(?:{_DAY})\b|\[\w+\]))"
    rf"{_SIGNATURE}{{1,60}}?(?:\d:\d\d{_SIGNATURE}{{0,40}}?)?(?::(?!\d)|\)\.|[ \t]+[-–—][ \t]|$)"
)
_MOST_LOWER = 2  # words of a signature that are not written large
_VALUE = re.compile(r":\s*\S")  # a field with its value is no heading
_WORD_START = re.compile(r"(?<![\w'])\w")
_FRAMED = re.compile(
    r"\s*(?:-{2,}|={2,}|\*{2,}|~{2,}|#{2,})\s*([^\W\d][^.:;,|]{2,50}?)\s*(?:-{2,}|={2,}|\*{2,}|~{2,}|#{2,})\s*"
)
_COLON = re.compile(r"\s*:")
_COLON_NO_TIME = re.compile(r"\s*:(?!\d)")
# A number, boxes before numbers, or a number and then the next field.
_MERE_COUNT = re.compile(
    r"(?:[\s#:=/.>≥]|\(\s?[xX]?\s?\)|\[\s?[xX]?\s?\]|\(?\d{1,2}\)?)+$"
    r"|\s*\d(?:\s*[;,|/]|  +|\t)(?=[^:=]*[:=]\s*\d)"
)
_ROW_NUMBER = re.compile(r"\s*\d{1,3}[.)]?\s+(?=\d{1,2}[:h]\d{2}\b)")
_STATEMENT = re.compile(r"\s*(?:[\[(][\divx]{1,4}[\])]|\d|[A-Z])")
# "9:26 sheath up   9:31 wire across", "8:12 asleep / 8:40 prepped": the next entry on the same line.
_NEXT_TIME = re.compile(r"(?:[ \t]{2,}|\t|\s[/|;]\s*)(?=(?P<time>\d{1,2}:\d{2}|\d{4})\s+[^\W\d])")
_LEAST_OF_LOG = 3  # lines that begin with a time


_QUOTES = {'"': '"', "“": "”", "«": "»"}
# Headers of these roles may count by themselves: "Devices implanted: 2".
_OF_DEVICES = frozenset({"implants", "equipment"})
# Headers of these roles may say something themselves: "Aortic leak closure:".
_TALKING_HEADERS = frozenset({"description", "other", "body", "log", "addendum"})
_TOLD = ("description", "body", "other", "log")  # sections that tell the course of events


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

    ``form`` is ``prose``, ``item``, ``log`` or ``row``, or of several lines ``record``
    (its cells are fields) or ``heap`` (a table whose cells cannot be told apart);
    ``paragraph`` counts the blocks of the note, ``clock`` has the digits of the time
    before an entry of a log.
    """

    start: int
    end: int
    section: Section
    form: str
    paragraph: int
    cells: tuple[Cell, ...] = ()
    clock: str = ""


@dataclass(frozen=True, slots=True)
class Layout:
    """Sections and sentences of one note, in text order."""

    sections: tuple[Section, ...]
    sentences: tuple[Sentence, ...]
    opening: tuple[tuple[int, int], ...] = ()  # spans of the first lines
    line_starts: tuple[int, ...] = ()  # of the lines as meant, wrapping undone


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
            "particulars",
            "equipment",
            "implants",
            "findings",
            "history",
            "plan",
            "summary",
            "copied",
        }
    )
    # A title longer than this many words tells the procedure under that header.
    _LONGEST_TITLE = 70
    _LEAST_TOLD = 20  # words, for a summary to have something to sum up

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
        self._short = frozenset(
            short[1].lower()
            for rule in book.rules if rule.kind != "section"
            for phrase in (*rule.phrases, *rule.plurals)
            for short in _CUT_SHORT.finditer(phrase)
        )  # fmt: skip

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
        text = written(text)
        lines = read_lines(text, self._content_start)
        entries = entries_of(
            [(line.start, line.text) for line in lines],
            self._names,
            lambda n: self._line_header(lines[n]) is not None,
        )
        sections = self._sections(text, lines, entries)
        opening = _opening(lines, sections)
        sentences = tuple(_sentences(text, _blocks(lines, entries, self._names), sections, self._short))
        return Layout(sections, sentences, opening, tuple(line.start for line in lines))

    def _sections(self, text: str, lines: list[Line], entries: list[Entry]) -> tuple[Section, ...]:
        starts: list[tuple[int, int, str, str]] = []  # header start, content start, role, title
        open_field = counted = False
        rows = {n for entry in entries for n in range(entry.first, entry.last + 1)}
        opening = {entry.first for entry in entries if entry.form == "record"}
        for n, line in enumerate(lines):
            if (n in rows and n not in opening) or self._names_columns(line):
                continue
            if not line.text.strip():
                # A field ends at a blank line, unless its value is still to come.
                if open_field and starts and text[starts[-1][1] : line.start].strip():
                    starts.append((line.start, line.start, "body", ""))
                    open_field = False
                continue
            found = self._part_header(lines, n) or self._line_header(line) or _standing_alone(lines, n)
            if found is not None and n in opening and found[1] not in _OF_DEVICES:
                found = None
            inline = found is not None and bool(text[found[0] : line.end].strip())
            told = bool(starts) and starts[-1][2] in _TOLD
            telling = told and bool(text[starts[-1][1] : line.start].strip())
            if (
                found is not None
                and "(" in text[line.start : found[0]]
                and n
                and not lines[n - 1].text.strip()
            ):
                telling = False  # "Intraprocedural TEE (Dr. Lee): ...": the account of somebody else
            if found is not None and found[1] == "findings" and inline and telling:
                pass  # "Final TEE: ..." is a sentence of the narrative
            elif found is not None:
                content, role, title = found
                value = text[content : line.end]
                none = bool(value.strip()) and self._names.is_none(value)
                counted = role in _OF_DEVICES and (
                    _is_count(value) or (none and _IN_WORD.search(value) is not None)
                )
                starts.append((line.start, line.start if counted else content, role, title))
                open_field = role in self._FIELD_ROLES and (
                    inline or role in ("letterhead", "title", "particulars")
                )
            elif (
                open_field
                and text[starts[-1][1] : line.start].strip()
                and (
                    self._ends_field("count" if counted else starts[-1][2], line)
                    or (self._leads(text, starts) and self._opens_statement(lines, n, starts[-1][0]))
                )
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
                    if starts and starts[-1][2] in _TOLD and _told_on(title, role, line.text[end:]):
                        continue  # "... TEE: leaflets free": a sentence of the narrative
                    if role == "summary" and text.count(f"{title}:") > 1:
                        continue  # "Attempt 1: 8 mm plug. Result: removed.": a field of each entry
                    starts.append((line.start + gap.end(), line.start + colon.end(), role, title))
                    open_field, counted = role in self._FIELD_ROLES, False
        if not starts or starts[0][0] > 0:
            starts.insert(0, (0, 0, "body", ""))
        return self._tiled(text, starts)

    def _tiled(self, text: str, starts: list[tuple[int, int, str, str]]) -> tuple[Section, ...]:
        """Sections from each start to the next; what tells the procedure describes it under any header."""
        sections = []
        before = 0  # words told before
        for k, (start, content, role, title) in enumerate(starts):
            end = starts[k + 1][0] if k + 1 < len(starts) else len(text)
            told = text[content:end]
            if role == "summary" and before < self._LEAST_TOLD and len(told.split()) > self._LONGEST_TITLE:
                role = "description"  # what nothing was told before sums up nothing
            before += len(told.split()) if role in _TOLD else 0
            if (
                role == "title"
                and not _enumerated(told)
                and (
                    len(told.split()) > self._LONGEST_TITLE
                    or (
                        len(_split(told, 0, len(told), self._short)) > (2 if told[:1] in "\r\n" else 3)
                        and "\n\n" not in told.strip()
                    )
                )
            ):
                role = "description"
            sections.append(Section(start, end, role, title, content))
        return _with_quotations(text, sections)

    def _leads(self, text: str, starts: list[tuple[int, int, str, str]]) -> bool:
        """Whether the last label is one that the course of events may follow without a header."""
        start, role = starts[-1][0], starts[-1][2]
        if role != "summary":
            return role in ("history", "title")
        return sum(1 for _ in islice(_WORDS.finditer(text, 0, start), self._LEAST_TOLD)) < self._LEAST_TOLD

    def _counts(self, value: str) -> bool:
        """Whether the value of a field is a number, or says that there is none."""
        return _is_count(value) or (_IN_WORD.search(value) is not None and self._names.is_none(value))

    def _names_columns(self, line: Line) -> bool:
        """Whether a line is the header of a table, and so of no section."""
        return self._names.are_names([c.text(line.text) for c in cells_of(line.text, self._names)])

    def _ends_field(self, role: str, line: Line) -> bool:
        """Whether a line stands outside the field above it.

        A letterhead runs over its own kind of line; a result or a plan of one line
        ends where a form goes on with its next field, a count where that is of no device.
        """
        is_field = FIELD.match(line.text) is not None
        if role == "count":
            return is_field and not self._names.fields(line.text)
        if role in ("letterhead", "findings"):
            return not is_field
        if role == "title":
            return is_field and bool(self._names.fields(line.text))
        return is_field and role in ("summary", "plan", "equipment", "particulars", "history")

    def _opens_statement(self, lines: list[Line], n: int, label: int) -> bool:
        """Whether a new statement begins right under a label with its value on one line.

        Wrapping is undone by now: the line ended because its statement did. Where the
        course of events has a header of its own further down, the label goes on.
        """
        if lines[n - 1].start != label or not lines[n - 1].text.rstrip().endswith("."):
            return False
        later = (self._line_header(line) for line in lines[n + 1 :])
        told = any(header is not None and header[1] == "description" for header in later)
        return not told and _STATEMENT.match(lines[n].text) is not None

    def _content_start(self, line: str) -> int | None:
        """Where the text begins behind the header that opens a line."""
        found = self._line_header(Line(0, len(line), line, ""))
        return found[0] if found else None

    def _line_header(self, line: Line) -> tuple[int, str, str] | None:
        """(content start, role, title) when a line opens a section."""
        lead = _HEADER_LEAD.match(line.text)
        begin = lead.end() if lead else 0
        end = self._header_end(line.text, begin)
        if end is None:
            return self._late_header(line, begin) or self._shouted_header(line, begin)
        header = line.text[begin:end]
        rest = line.text[end:]
        opened = _HEADER_END.match(rest)
        if opened is None:
            # "Description of the procedure in detail:": known words, then a few more and a colon.
            longer = _MORE_OF_HEADER.match(rest) or self._signed(header, rest)
            if longer is None or end > 60:
                return None
            opened = longer
        return line.start + end + opened.end(), self._role(header), header

    def _signed(self, header: str, rest: str) -> re.Match[str] | None:
        """As in "ADDENDUM 4 July 2024, [NAME]: ...": a part added later, with its date and author."""
        signed = _SIGNED.match(rest) if self._role(header) == "addendum" else None
        said = sum(word[:1].islower() for word in signed[0].split()) if signed else 0
        return signed if said <= _MOST_LOWER else None

    def _part_header(self, lines: list[Line], n: int) -> tuple[int, str, str] | None:
        """The heading of an author's part: framed ("<<< NURSING RECORD >>>"), or a short line by itself.

        Known words count wherever they stand in it.
        """
        line = lines[n]
        framed = _PART_LEAD.match(line.text)
        words = line.text.split()
        if len(words) > (_LONGEST_PART if framed else _LONGEST_HEADING):
            return None
        if framed is None and (not _alone(lines, n) or _VALUE.search(line.text)):
            return None
        for word in _WORD_START.finditer(line.text, framed.end() if framed else 0):
            end = self._header_end(line.text, word.start())
            role = self._role(line.text[word.start() : end]) if end else ""
            if end and framed and role == "letterhead":
                return line.end, "other", line.text[word.start() : end]  # "ENTRY 17:05 Operator"
            if end and role == "findings" and framed is None and word.start() and line.text[end:].strip():
                return None  # "Diagnostic catheterisation and TOE under sedation": what was done
            if end and role not in ("letterhead", "other"):
                return (line.end, role, line.text[word.start() : end]) if role in _PART_ROLES else None
        return None

    def _late_header(self, line: Line, begin: int) -> tuple[int, str, str] | None:
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

    def _shouted_header(self, line: Line, begin: int) -> tuple[int, str, str] | None:
        """An unknown header: a short line that ends in a colon, or stands alone in capitals."""
        words = line.text[begin:].strip()
        if re.fullmatch(r"[^\W\d][^.:;,|]{2,50}:", words) and len(words.split()) <= 6:
            return line.end, "other", words[:-1]
        framed = _FRAMED.fullmatch(line.text)
        if framed is not None and len(framed[1].split()) <= 6:
            return line.end, "other", framed[1]
        return None


def _enumerated(text: str) -> bool:
    """Whether every line is a short numbered entry, as in a list of the procedures performed."""
    entries = [line for line in text.splitlines() if line.strip()]
    return len(entries) > 1 and all(
        BULLET.match(entry) and len(entry.split()) <= _LONGEST_ENTRY for entry in entries
    )


def _with_quotations(text: str, sections: list[Section]) -> tuple[Section, ...]:
    """A quotation under a header of copied text is copied to its end, whatever headers stand in it."""
    end = 0
    out = []
    for section in sections:
        body = text[section.body : section.end].lstrip()
        if section.role == "copied" and body[:1] in _QUOTES:
            opened = text.index(body[0], section.body)
            end = text.find(_QUOTES[body[0]], opened + 1)
        out.append(replace(section, role="copied") if section.start < end else section)
    return tuple(out)


def _opening(lines: list[Line], sections: tuple[Section, ...]) -> tuple[tuple[int, int], ...]:
    """The first lines, up to the third that is none of the letterhead."""
    out, told = [], 0
    for line in lines:
        if not line.form:
            continue
        out.append((line.start, line.end))
        told += not any(s.role == "letterhead" and s.start <= line.start < s.end for s in sections)
        if told == _OPENING:
            break
    return tuple(out)


def _words(header: str) -> str:
    return " ".join(header.lower().replace("-", " ").split())


def _alone(lines: list[Line], n: int) -> bool:
    """Whether a line stands below a blank line and above a text, and is no sentence and no row itself."""
    words = lines[n].text.strip()
    if "  " in words or "\t" in words:
        return False
    after = lines[n + 1].text.strip() if n + 1 < len(lines) else ""
    before = lines[n - 1].text.strip() if n else ""
    return n > 0 and not before and bool(after) and re.fullmatch(r"[^\W\d][^.;|]{2,70}", words) is not None


def _told_on(title: str, role: str, rest: str) -> bool:
    """Whether a header inside a narrative line opens no section: the narrative goes on behind its value."""
    goes_on = title.isalpha() and not title.isupper() and _AFTER_SENTENCE.search(rest) is not None
    return role == "findings" or (role in _OF_DEVICES and goes_on)


def _standing_alone(lines: list[Line], n: int) -> tuple[int, str, str] | None:
    """A heading without a colon: a few words between a blank line and running text or entries."""
    words = lines[n].text.strip()
    if not _alone(lines, n) or not re.fullmatch(r"[^\W\d][^.;,|\d]{3,50}", words):
        return None
    entries = ":" not in words and lines[n + 1].form in ("item", "row")
    if len(words.split()) <= 6 and (entries or _runs(lines[n + 1].text.strip(), words)):
        return lines[n].start, "other", words
    return None


def _runs(words: str, heading: str) -> bool:
    return len(words.split()) >= 8 and len(words) > len(heading)


def _is_count(value: str) -> bool:
    """Whether the value of a field is a number, or boxes before numbers with one of them ticked."""
    return any(c.isdigit() for c in value) and _MERE_COUNT.match(value) is not None


@dataclass(slots=True)
class _Block:
    """A line, or the lines of an entry; ``whole`` when it is one sentence whatever marks it contains."""

    start: int
    end: int
    form: str
    cells: tuple[Cell, ...]
    whole: bool
    clock: str = ""


def _blocks(lines: list[Line], entries: Sequence[Entry], names: ColumnNames) -> list[_Block]:
    entry_at = {entry.first: entry for entry in entries}
    logged = _log_lines(lines, names)
    blocks: list[_Block] = []
    until = -1  # the last line of the entry being passed over
    headed = False  # under a line that names columns
    for n, line in enumerate(lines):
        entry = entry_at.get(n)
        if entry is not None:
            until = entry.last
            blocks.append(_Block(line.start, lines[until].end, entry.form, entry.cells, whole=True))
        if n <= until or not line.form:
            continue
        cells = cells_of(line.text, names, line.start)
        headed = bool(cells) and (headed or names.are_names([c.text(line.text, line.start) for c in cells]))
        between = 0 < n < len(lines) - 1 and lines[n - 1].form == lines[n + 1].form == "row"
        form = "log" if n in logged else "row" if headed or (cells and between) else line.form
        time = TIME.match(line.text) if form == "log" else None
        begin = line.start + logged.get(n, time.end() if time else 0)
        if form == "log":
            clock = "".join(filter(str.isdigit, line.text[: begin - line.start]))
            blocks += [_Block(a, b, form, (), False, clock) for a, b in _entries_of_log(line, begin)]
            continue
        blocks.append(_Block(begin, line.end, form, cells, form == "row"))
    return blocks


def _entries_of_log(line: Line, begin: int) -> list[tuple[int, int]]:
    """The entries of a log line: each behind a time written as the first of the line is."""
    clock = ":" in line.text[: begin - line.start]
    spans = []
    for mark in _NEXT_TIME.finditer(line.text, begin - line.start):
        if (":" in mark["time"]) == clock:
            spans.append((begin, line.start + mark.start()))
            begin = line.start + mark.end("time")
    return [*spans, (begin, line.end)]


def _log_lines(lines: list[Line], names: ColumnNames) -> dict[int, int]:
    """Lines of an event log, and where the event begins in each: behind its time, whatever its columns.

    What stands under the header of a supply list is none, though it may give times.
    """
    timed = {}
    for n, line in enumerate(lines):
        number = _ROW_NUMBER.match(line.text)
        time = TIME.match(line.text, number.end() if number else 0)
        if time is not None and line.form != "prose":  # "2019 MVR"
            timed[n] = time.end()
    if len(timed) < _LEAST_OF_LOG:
        return {}
    supplies = False
    for n, line in enumerate(lines):
        texts = [cell.text(line.text) for cell in cells_of(line.text, names)]
        if names.are_names(texts):
            kinds = {key.column for text in texts if (key := names.key(text))}
            supplies = bool(kinds & {"quantity", "lot", "serial", "size"})
        elif not line.form:
            supplies = False
        elif supplies:
            timed.pop(n, None)
    return timed


def _steps(text: str, blocks: list[_Block]) -> list[tuple[int, int]]:
    """Spans of the numbers that count entries: 1, 2, 3 in brackets, at the beginning of lines or in a line.

    The first stands where a line or a statement begins; a number that stands alone may as well
    be a quantity ("(2) AVP II 8 mm"). One that opens a line without a bracket before it stays.
    """
    runs: list[list[re.Match[str]]] = []
    last: dict[str, list[re.Match[str]]] = {}  # the run of each kind of mark
    leading: set[int] = set()
    for block in blocks:
        begin = block.end - len(text[block.start : block.end].lstrip(" \t-*•>"))
        depth, counted = 0, block.start  # brackets that are open
        for mark in _STEP.finditer(text, block.start, block.end):
            for bracket in _BRACKET.finditer(text, counted, mark.start()):
                depth = depth + 1 if bracket.group() == "(" else max(0, depth - 1)
            counted = mark.start()
            kind, number = _number_of(mark)
            leads = mark.start() <= begin
            leading |= {mark.start()} if leads else set()
            run = last.get(kind, [])
            before = _end_of(text, block.start, mark.start())
            inline = bool(run) and run[-1].start() >= block.start and not depth and _ends(before, kind)
            if number == 1 and (leads or before[-1:] in (":", ".", ";")):
                last[kind] = [mark]
                runs.append(last[kind])
            elif run and number == len(run) + 1 and (leads or inline):
                run.append(mark)
            elif leads:
                last.pop(kind, None)
    kept = [mark for run in runs if len(run) > 1 for mark in run]
    return sorted(m.span() for m in kept if m.start() not in leading or text[m.start()] in "([")


def _number_of(mark: re.Match[str]) -> tuple[str, int]:
    """The kind of a mark that counts entries, and its number."""
    return next((kind, int(number)) for kind, number in mark.groupdict().items() if number)


def _end_of(text: str, start: int, end: int) -> str:
    """The last words of a piece of a text, without the blanks behind them."""
    while end > start and text[end - 1].isspace():
        end -= 1
    return text[max(start, end - _LOOK_BACK) : end]


def _ends(text: str, kind: str) -> bool:
    """Whether an entry may end with these words: before "2." there is a size or a mark."""
    return kind != "dot" or _SIZE_OR_MARK.search(text) is not None  # "AVP II x 2. Released."


def _sentences(
    text: str, blocks: list[_Block], sections: tuple[Section, ...], forms: frozenset[str]
) -> list[Sentence]:
    out: list[Sentence] = []
    k = 0
    steps = _steps(text, [block for block in blocks if not block.whole])
    for paragraph, block in enumerate(blocks):
        position = block.start
        while position < block.end:
            while k + 1 < len(sections) and sections[k + 1].start <= position:
                k += 1
            stop = min(block.end, sections[k + 1].start) if k + 1 < len(sections) else block.end
            if sections[k].role not in _TALKING_HEADERS:
                position = min(stop, max(position, sections[k].body))
            listed = block.form == "item" and sections[k].role == "implants"
            spans = [(position, stop)] if block.whole else _split(text, position, stop, forms, listed)
            for a, b in _trim(text, _stepwise(spans, steps)):
                cells = tuple(cell for cell in block.cells if a < cell.end and cell.start < b)
                out.append(Sentence(a, b, sections[k], block.form, paragraph, cells, block.clock))
            position = stop
    return out


def _stepwise(spans: list[tuple[int, int]], steps: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Spans cut at the numbers of entries, which are left out."""
    out = []
    for a, b in spans:
        for k in range(bisect_left(steps, (a, a)), len(steps)):
            start, end = steps[k]
            if start >= b:
                break
            out.append((a, start))
            a = min(end, b)
        out.append((a, b))
    return out


def _abbreviated(text: str, begin: int, end: int, forms: frozenset[str]) -> bool:
    """Whether a full stop belongs to a short form; behind a unit a capital opens a sentence all the same."""
    short = _ABBREVIATION.search(text, max(begin, end - 9), end)
    if short is None:
        word = _CUT_SHORT.search(text, max(begin, end - _LONGEST_SHORT), end)
        return word is not None and word[1].lower() in forms
    return not (short[1] and text[end:].lstrip()[:1].isupper())


def _split(
    text: str, start: int, end: int, forms: frozenset[str], listed: bool = False
) -> list[tuple[int, int]]:
    """Sentences of one block: at . ! ? ; but not after an abbreviation or inside a number.

    In the entry of a list a semicolon ends nothing.
    """
    spans, begin = [], start
    for match in _SENTENCE_END.finditer(text, start, end):
        if listed and ";" in match.group():
            continue
        if match.group().startswith("..") and text[begin : match.start()][-1:].isspace():
            continue  # "10 mm ... explanted": a leader
        if match.group().startswith(".") and _abbreviated(text, begin, match.start() + 1, forms):
            continue
        if _NUMBERING.fullmatch(text[begin : match.end()]):
            continue  # "1." opens a step, it is none
        if text[match.end() : end].strip():
            spans.append((begin, match.end()))
            begin = match.end()
    spans.append((begin, end))
    return spans


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
