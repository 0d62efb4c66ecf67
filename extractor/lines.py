"""Lines: the lines of a note as they were meant, once wrapping is undone.

In: the text of a note. Out: its lines, each with its form; a line that a system
broke at a fixed width is one line again.

Hospital systems wrap prose at a fixed width, and write lists, logs and tables
one entry a line. A break is soft when the line before it is full: the next word
would not have fitted into the width of the note. That width is the one most
breaks in mid-sentence speak for, whatever stands beside them in rows or entries
that no system wraps; where none is clear, it is that of the widest line.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

from extractor.rows import columns

BULLET = re.compile(r"\s*(?:[-*•·–—>#]+\s*|\(?\d{1,2}[.)]\s+|\(?[a-z][.)]\s+|\[[ xX✓]?\]\s*)")
TIME = re.compile(
    r"\s*(?:[-*•>·–|]\s*)?[\[(]?(?:\d{1,2}[:h.]\d{2}(?:[:.]\d{2})?|t\s?[+=]\s?\d+|\d{4}h?(?=\s+[^\d\s.]))\s*(?:hrs?|h|am|pm)?[\])]?[\s:|,–-]",
    re.I,
)
FIELD = re.compile(r"\s*[^\W\d_][\w /()&.'+-]{1,48}?\s*(?::(?!\d)|\t)")
_LEADERS = re.compile(r"\S ?\.{4,} ?[^\s:.]")
_YEAR = re.compile(r"\s*(?:19|20)\d\d\s")
_CLOCK = re.compile(r"\s*(?:[01]\d|2[0-3])[0-5]\d\s+\d")
# A gap of two blanks parts columns, but not behind a full stop, where many typists put two.
_COLUMNS = re.compile(r"[^\s.!?:;,](?: {2,}|\t)\S|[.!?:;,](?: {3,}|\t)\S")
_ALIGNED = re.compile(r"\s*[^\W\d_][\w /().#-]{1,30}?(?: {3,}|\t)\S")  # a key and its value in two columns
_CELLS = re.compile(rf"{_COLUMNS.pattern}|\|")  # what no system wraps
_IN_WORD = re.compile(r"\w")  # a ruled line has no word
_BREAK = re.compile(r"[ \t]*[\r\n\v\f\x1c-\x1e\x85\u2028\u2029]+[ \t]*")
_SENTENCE_END = re.compile(r"[.!?:;][\"')\]]*$")
_PLAIN = str.maketrans("\u2018\u2019\u201c\u201d\u2010\u2011", "''\"\"--")
# With a letter in it, which is looked for once: a line without end may hold many marks.
_BOLD = re.compile(r"\*\*(?!\s)(?=(?:(?![*\n])[\W\d_])*+[^\W\d_])([^*\n]*+)(?<!\s)\*\*(?!\*)")
_SPOKEN = re.compile(r"\b(?:comma|period|semicolon|colon)\b(?!\s*[.,;:]|\s+of\b)", re.I)
SPOKEN_MARKS = {"comma": ",", "period": ".", "colon": ":", "semicolon": ";"}
_SPELLED = ("comma", "period", "colon")  # "semicolon" is counted by its end
_LEAST_SPOKEN = 4  # marks, for a text that spells them out
_NARROWEST = 55  # no system wraps at less
_LEAST_BREAKS = 3  # that must speak for a width
_MOST_IN_PROSE = 1  # gap between words
_LONGEST_ROW = 1000  # characters
_BREAKS_FOR_ONE_LONGER = 8
_HANGING = 2  # blanks that indent the rest of an entry
_MOST_YEARS = 5  # that open the lines of a history: more of them are times in the evening
_PAD = re.compile(r"(?<=\w)  (?=\d(?!\d))")  # before a number of one digit
_TWO_DIGITS = re.compile(r"\w \d\d(?!\d)")
_HL7_BREAK = re.compile(r"(?<=\\\.br\\)", re.I)  # left in by interfaces that do not resolve it


@dataclass(frozen=True, slots=True)
class Line:
    """A line; its ``form`` is ``prose``, ``item``, ``log`` or ``row``, empty for a blank one.

    ``text`` has blanks in the place of line breaks, so that its positions are
    those of the note.
    """

    start: int
    end: int
    text: str
    form: str


def written(text: str) -> str:
    """The text as plain typing has it; every character keeps its place.

    Typeset quotes and hyphens become plain ones, marks of bold type blanks, and
    the marks of a dictation that spells them out become marks.

    Examples
    --------
    >>> written("One plug comma then comma released period Done period").split()
    ['One', 'plug', ',', 'then', ',', 'released', '.', 'Done', '.']
    >>> written("**Result:** the patient\u2019s").split()
    ['Result:', 'the', "patient's"]
    """
    if not text.isascii():
        text = text.translate(_PLAIN)
    # No-break spaces fill the place: unlike blanks they part no columns.
    if "**" in text:
        text = _BOLD.sub("\xa0\xa0\\1\xa0\xa0", text)
    lowered = text.lower()
    if sum(map(lowered.count, _SPELLED)) < _LEAST_SPOKEN or len(_SPOKEN.findall(text)) < _LEAST_SPOKEN:
        return text
    return _SPOKEN.sub(lambda m: SPOKEN_MARKS[m[0].lower()].rjust(len(m[0]), "\xa0"), text)


def read_lines(text: str, header_end: Callable[[str], int | None]) -> list[Line]:
    """The lines of a note.

    Parameters
    ----------
    text
        The note.
    header_end
        Tells where the header ends that a line begins with; None for no header.
        Such a line goes on with none, and none goes on with a header alone.
    """
    pieces = _pieces(text)
    width = _width(pieces)
    lower_case = not any(c.isupper() for c in text)
    lines: list[Line] = []
    for before, piece in zip([None, *pieces], pieces, strict=False):
        hangs = before is not None and bool(before.form) and _hangs(lines[-1], piece)
        if not hangs and (
            before is None or not _full(before, piece, width) or not _continues(lines[-1], before, piece)
        ):
            lines.append(piece)
            continue
        opens = not hangs and (before is None or _may_open(lines[-1], before, piece, lower_case))
        if (opens and header_end(piece.text) is not None) or (
            before is not None
            and before is lines[-1]
            and not hangs
            and (header_end(before.text) or 0) >= _length(before)
        ):
            lines.append(piece)
            continue
        start = lines[-1].start
        lines[-1] = Line(start, piece.end, _straight(text[start : piece.end]), lines[-1].form)
    return lines


def _straight(text: str) -> str:
    """Wrapped text on one line: a blank for a break and its indent, filled up with what is no blank."""
    return _BREAK.sub(lambda m: " ".ljust(len(m[0]), "\u200b"), text)


def _pieces(text: str) -> list[Line]:
    """The lines as they stand.

    In a note that logs by the clock "1018 12 mm plug" is an entry too; in any other
    "2013 normal" opens none, nor where no line bears a clock time that is no year.
    """
    pieces = _raw_pieces(text)
    years = sum(piece.form == "log" and _YEAR.match(piece.text) is not None for piece in pieces)
    logged = sum(piece.form == "log" for piece in pieces) - years
    if logged + (years if years > _MOST_YEARS else 0) < _LEAST_BREAKS:
        return [
            Line(p.start, p.end, p.text, "prose") if p.form == "log" and _YEAR.match(p.text) else p
            for p in pieces
        ]
    return [
        Line(p.start, p.end, p.text, "log") if p.form == "prose" and _CLOCK.match(p.text) else p
        for p in pieces
    ]


def _padded(pieces: list[Line]) -> list[Line]:
    """Numbers aligned under one another: "AVP II  8" below "AVP II 12" has no gap between columns."""
    out = []
    for n, piece in enumerate(pieces):
        beside = [other.text for other in pieces[max(0, n - 1) : n + 2] if other is not piece]
        text = piece.text
        for gap in _PAD.finditer(text):
            if any(_TWO_DIGITS.match(other, gap.start() - 1) for other in beside):
                text = f"{text[: gap.start()]} \xa0{text[gap.end() :]}"
        out.append(piece if text == piece.text else Line(piece.start, piece.end, text, _form(text)))
    return out


def _raw_pieces(text: str) -> list[Line]:
    pieces, start = [], 0
    for raw in (part for line in text.splitlines(keepends=True) for part in _HL7_BREAK.split(line) if part):
        body = raw.rstrip("\r\n\v\f\x1c\x1d\x1e\x85\u2028\u2029")
        pieces.append(Line(start, start + len(body), body, _form(body)))
        start += len(raw)
    return _padded(pieces)


def _form(line: str) -> str:
    words = line.strip()
    if not words:
        return ""
    if len(words) > _LONGEST_ROW:
        return "prose"  # an export that took the line breaks out
    if ("...." in line and _LEADERS.search(line)) or "\t" in words or columns(line) >= 2:
        return "row"
    if TIME.match(line):
        return "log"
    return "item" if BULLET.match(line) or FIELD.match(line) else "prose"


def _length(line: Line) -> int:
    return len(line.text.rstrip())


def _with_next_word(line: Line, following: Line) -> int:
    """How long a line would be with the first word of the next."""
    return _length(line) + 1 + len(following.text.strip(" \t").split(" ", 1)[0])


def _full(line: Line, following: Line, width: int) -> bool:
    if not (line.form and following.form and _IN_WORD.search(line.text) and _IN_WORD.search(following.text)):
        return False
    return _length(line) <= width < _with_next_word(line, following)


def _width(pieces: list[Line]) -> int:
    """The width of a wrapped note: hardly any prose is longer, most long lines in mid-sentence are full."""
    breaks = [
        (_length(a), _with_next_word(a, b))
        for a, b in pairwise(pieces)
        if a.form not in ("", "row") and b.form == "prose" and not _SENTENCE_END.search(a.text.rstrip())
    ]
    votes = {width: sum(a <= width < b for a, b in breaks) for width, _ in breaks}
    best = max(votes, key=lambda width: (votes[width], width), default=0)
    long = sum(0.6 * best <= a for a, _ in breaks)
    plain = [p for p in pieces if not _CELLS.search(p.text)]
    prose = max((_length(p) for p in plain if p.form == "prose"), default=0)
    if votes.get(best, 0) >= max(_LEAST_BREAKS, long / 2):
        widest = min(b for a, b in breaks if a <= best < b) - 1
        longer = sum(p.form == "prose" and _length(p) > widest for p in plain)
        if _BREAKS_FOR_ONE_LONGER * longer <= votes[best]:
            return max((n for p in plain if (n := _length(p)) <= widest), default=0)
    fields = max((_length(p) for p in plain if p.form == "item" and not BULLET.match(p.text)), default=0)
    other = max((_length(p) for p in pieces if p.form != "row"), default=0)
    # Where every line is short, none was broken for its width.
    return next((width for width in (max(prose, fields), other) if width >= _NARROWEST), 0)


def _hangs(line: Line, piece: Line) -> bool:
    """Whether a piece is indented under the log line it goes on with."""
    return line.form == "log" and piece.form == "prose" and _deeper(line, piece)


def _indent(line: Line) -> int:
    return len(line.text) - len(line.text.lstrip())


def _may_open(line: Line, before: Line, piece: Line, lower_case: bool) -> bool:
    """Whether a header may open at a break: not in mid-sentence before a small letter or an indent."""
    if _SENTENCE_END.search(before.text.rstrip()):
        return True
    return not _deeper(line, piece) and (lower_case or not piece.text.lstrip()[0].islower())


def _deeper(line: Line, piece: Line) -> bool:
    return _indent(piece) >= _indent(line) + _HANGING


def _continues(line: Line, before: Line, piece: Line) -> bool:
    """Whether a piece may go on with a line that is full.

    What looks like the start of an entry ("9:30 ...", "11. ...", "the leak: ...")
    goes on with running text that has not come to the end of its sentence.
    """
    columns_go_on = _ALIGNED.match(before.text) and _ALIGNED.match(piece.text)
    if line.form == "row" or columns_go_on or ("|" in before.text and "|" in piece.text):
        return False
    match piece.form:
        case "prose":
            return True
        case "row":
            parted = "|" in piece.text or "\t" in piece.text or columns(piece.text) > _MOST_IN_PROSE
            return line.form == "prose" and not parted
    if _SENTENCE_END.search(before.text.rstrip()):
        return False
    if _deeper(line, piece):
        return True
    if piece.form == "log":
        return line.form != "log"
    if BULLET.match(piece.text):
        return not BULLET.match(line.text)
    label = piece.text.partition(":")[0].strip()
    return not label[0].isupper() or any(c.isdigit() for c in label)
