"""PDF: the text layer of a document, page by page.

Lines are taken as they stand on the page, so that a row of a table is a line whose
cells are parted by blanks. A page that is a picture has no text to read: the document
is refused, because its other pages would tell of fewer devices than the note does.
"""

from __future__ import annotations

import io
import logging
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from statistics import median_low
from typing import TYPE_CHECKING, Any

from extractor.readers.flow import CannotReadError
from extractor.readers.note import MAX_CHARS
from extractor.readers.symbols import symbol

if TYPE_CHECKING:
    from pypdf import PageObject, PdfReader

_MOST_PAGES = 500
_MAX_CONTENT = 20_000_000  # bytes of drawing of one page
_PICTURE = 0.5  # of a page
_FEW_LETTERS = 400  # beside a picture of a page: a stamp or a line of a fax, not its text layer
_MANY_LINES = 40  # drawn on a page without a letter
# Of the height of a letter: beside one another, between words, between columns.
_SAME_LINE, _WORD_ROOM, _CELL_ROOM = 0.4, 0.12, 1.2
_BLANK_LINE = 2.7
_PARAGRAPH = 1.5  # of the usual step from line to line
_COLUMN = "   "
_NARROW, _WIDE = re.compile(r"(?<=\S) {2,3}(?=\S)"), re.compile(r"(?<=\S) {4,}(?=\S)")
_PAINTS = frozenset((b"f", b"F", b"f*", b"S", b"s", b"B", b"B*", b"b", b"b*", b"sh"))
_REFUSED = {
    "/Widget": "a form that is filled in",
    "/FreeText": "a remark",
    "/Text": "a remark",
    "/StrikeOut": "words that are struck through by a remark",
    "/Redact": "words that are blacked out",
    "/Caret": "a remark",
    "/Stamp": "a stamp",
    "/Ink": "a handwritten remark",
    "/FileAttachment": "an embedded file",
}
# What the library says where nothing is lost.
_HARMLESS = re.compile(r"Rotated text|Multiple definitions in dictionary|Ignoring wrong pointing object")
_BULLET = re.compile(r"^(\s*)([\uf0b7\uf0a7\uf0d8\uf076\uf06e])(?=\s|$)", re.M)
_UNKNOWN = re.compile("[\ufffd\ue000-\uf8ff\x00-\x08\x0e-\x1f]")
_LETTER = re.compile(r"\w")
_WORD = re.compile(r"\w+")


def pdf_text(data: bytes) -> str:
    """The text of all pages.

    Raises
    ------
    CannotReadError
        Where the file is cut, locked or damaged, or a page holds what is no text.
    """
    if b"%PDF-" not in data[:1024]:
        raise CannotReadError("I050", "not a PDF document", "check how the note was exported")
    if b"%%EOF" not in data[-1024:]:
        raise CannotReadError("I051", "the PDF ends early", "export the note again; it was cut")
    with _warnings() as told:
        text = _text(data)
    if any(not _HARMLESS.search(one) for one in told):
        raise _damaged()
    return text


def _text(data: bytes) -> str:
    from pypdf import PdfReader
    from pypdf.errors import DependencyError

    try:
        reader = PdfReader(io.BytesIO(data))
        locked = reader.is_encrypted
    except DependencyError:  # it would try an empty password, and cannot by the newer ciphers
        locked = True
    if locked:
        raise CannotReadError(
            "I053", "the PDF is locked", "save it without a password and without restrictions"
        )
    count = len(reader.pages)
    if not count:
        raise CannotReadError("I051", "the PDF has no pages", "export the note again")
    if _get(reader.root_object, "/Pages", "/Count") != count:
        raise _damaged()
    if count > _MOST_PAGES:
        raise CannotReadError("I056", f"more than {_MOST_PAGES} pages", "split the document")
    _check_catalog(reader)
    pages, length = [], 0
    for number, page in enumerate(reader.pages, 1):
        pages.append(_page_text(page, number))
        length += len(pages[-1])
        if length > MAX_CHARS:
            raise CannotReadError("I013", f"more than {MAX_CHARS:,} characters of text", "split the document")
    return "\n".join(page for page in pages if page)


def _check_catalog(reader: PdfReader) -> None:
    """Refuse what a page does not show: embedded files, hidden layers, forms of another kind."""
    root = reader.root_object
    hidden = _get(root, "/OCProperties", "/D", "/OFF")
    files = _get(root, "/Names", "/EmbeddedFiles", "/Names") or _get(
        root, "/Names", "/EmbeddedFiles", "/Kids"
    )
    for found, what in (
        (hidden, "a layer that is hidden"),
        (files or _get(root, "/Collection"), "an embedded file"),
        (_get(root, "/AcroForm", "/XFA"), "a form that is filled in"),
    ):
        if found:
            raise _refused(what, None)


def _get(value: Any, *names: str) -> Any:
    for name in names:
        value = value.get(name) if hasattr(value, "get") else None
        value = value.get_object() if hasattr(value, "get_object") else value
    return value


def _page_text(page: PageObject, number: int) -> str:
    for annotation in _get(page, "/Annots") or ():
        kind = _get(annotation.get_object(), "/Subtype")
        if kind in _REFUSED:
            raise _refused(_REFUSED[kind], number)
    contents = page.get_contents()
    if contents is not None and len(contents.get_data()) > _MAX_CONTENT:
        raise CannotReadError("I056", f"too much is drawn on page {number}", "export the note as text")
    _check_fonts(_get(page, "/Resources"), number, 0)
    drawn = _Drawn()
    plain = page.extract_text(visitor_operand_before=drawn.see)
    letters = _letters(plain)
    share = drawn.pictures / max(abs(float(page.mediabox.width) * float(page.mediabox.height)), 1.0)
    if (share >= _PICTURE and letters.total() < _FEW_LETTERS) or (
        not letters and (drawn.pictures or drawn.lines > _MANY_LINES)
    ):
        raise CannotReadError(
            "I054",
            f"page {number} is a picture (a scan), without its text",
            "export the note as text, or type it",
        )
    text = _as_printed(page, plain) if letters else ""
    if _words(text) != _words(plain):
        text = plain  # its lines may lose the columns of a table, but none of its words
    return _known("\n".join(_moved_left(text)), number)


def _as_printed(page: PageObject, plain: str) -> str:
    """The lines of a page as they stand on it, with the gaps between the columns of its tables.

    The layout of the library draws a page on a grid of letters; where letters differ in
    width, words run together there. Only its measures of the pieces of text are used.
    """
    from pypdf._text_extraction import _layout_mode
    from pypdf.generic import ContentStream

    contents = page.get("/Contents")
    if contents is None:
        return ""
    operations = iter(ContentStream(contents.get_object(), page.pdf, "bytes").operations)
    pieces = _layout_mode.text_show_operations(operations, page._layout_mode_fonts(), False)
    pieces.sort(key=lambda piece: -piece["ty"] * piece["flip_sort"])
    rows: list[list[Any]] = []
    for piece in pieces:
        if rows and abs(piece["ty"] - rows[-1][0]["ty"]) < _SAME_LINE * piece["font_height"]:
            rows[-1].append(piece)
        else:
            rows.append([piece])
    steps = [abs(above[0]["ty"] - row[0]["ty"]) for above, row in pairwise(rows)]
    usual = median_low(steps) if steps else 0.0
    lines = []
    for row, step in zip(rows, [0.0, *steps], strict=True):
        if step > min(_PARAGRAPH * usual, _BLANK_LINE * row[0]["font_height"]):
            lines.append("")
        lines.append(_line(sorted(row, key=lambda piece: piece["tx"]), plain))
    return "\n".join(lines)


def _line(row: list[Any], plain: str) -> str:
    """The pieces of a line, with blanks where the page has room between them."""
    text, end = "", row[0]["tx"]
    for piece in row:
        room = (piece["tx"] - end) / max(piece["font_height"], 0.1)
        gap = "" if not text or room < _WORD_ROOM else " " if room < _CELL_ROOM else _COLUMN
        words = piece["text"]
        if words.strip() not in plain:  # its blanks are measured, not typed
            words = _WIDE.sub(_COLUMN, _NARROW.sub(" ", words))
        text += gap + words
        end = piece["displaced_tx"]
    return text.rstrip()


def _known(text: str, number: int) -> str:
    """The text with its bullets, where no other letter is unknown."""
    text = _BULLET.sub(
        lambda found: found[1] + symbol("Symbol" if found[2] == "\uf0b7" else "Wingdings", ord(found[2])),
        text,
    )
    if _UNKNOWN.search(text):
        raise _letters_unknown(number)
    return text.replace("\xa0", " ")


def _moved_left(text: str) -> Iterator[str]:
    """Lines without the margin of the page, and without blank ones at both ends."""
    lines = [line.expandtabs().rstrip() for line in text.strip("\r\n").split("\n")]
    margin = min((len(line) - len(line.lstrip()) for line in lines if line), default=0)
    return (line[margin:] for line in lines)


def _words(text: str) -> Counter[str]:
    return Counter(_WORD.findall(text))


def _letters(text: str) -> Counter[str]:
    return Counter(_LETTER.findall(text))


def _check_fonts(resources: Any, number: int, depth: int) -> None:
    """Refuse fonts whose letters have no names: what they print cannot be told."""
    for font in (_get(resources, "/Font") or {}).values():
        font = font.get_object()
        if font.get("/Subtype") == "/Type0" and "/ToUnicode" not in font:
            encoding = _get(font, "/Encoding")
            if not isinstance(encoding, str) or encoding.startswith("/Identity"):
                raise _letters_unknown(number)
    for form in (_get(resources, "/XObject") or {}).values() if depth < 10 else ():
        if _get(form.get_object(), "/Subtype") == "/Form":
            _check_fonts(_get(form.get_object(), "/Resources"), number, depth + 1)


class _Drawn:
    """What is drawn on a page beside letters: the area of its pictures, and how many lines."""

    def __init__(self) -> None:
        self.pictures = 0.0
        self.lines = 0

    def see(self, operator: bytes, operands: Any, matrix: Any, _text_matrix: Any) -> None:
        """Called with every operator of the page."""
        if operator in (b"Do", b"INLINE IMAGE", b"EI"):
            a, b, c, d = (float(value) for value in matrix[:4])
            self.pictures += abs(a * d - b * c)
        elif operator in _PAINTS:
            self.lines += 1


@contextmanager
def _warnings() -> Iterator[list[str]]:
    """What the library warns of; it never reaches a log, as it may quote the document."""
    told: list[str] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: told.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger("pypdf")
    spread, level = logger.propagate, logger.level
    logger.addHandler(handler)
    logger.propagate = False
    logger.setLevel(logging.WARNING)
    try:
        yield told
    finally:
        logger.removeHandler(handler)
        logger.propagate = spread
        logger.setLevel(level)


def _damaged() -> CannotReadError:
    return CannotReadError("I058", "the PDF is damaged", "export the note again")


def _letters_unknown(number: int) -> CannotReadError:
    problem = f"page {number} has letters of a font that does not name them"
    return CannotReadError("I055", problem, "export the note as text")


def _refused(what: str, number: int | None) -> CannotReadError:
    where = "the document" if number is None else f"page {number}"
    return CannotReadError(
        "I057", f"{where} holds {what}, which is no text", "export the note again without it"
    )
