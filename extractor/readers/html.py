"""HTML: a page becomes the text that a browser shows.

The page is read tag by tag, without a tree: no depth is too deep, and the ends that
HTML lets one leave out (of cells, rows, paragraphs) are known. A "<" before a word
that is no tag would swallow words; there, as where the page ends early, it is refused.
"""

from __future__ import annotations

import codecs
import re
from collections import Counter
from dataclasses import dataclass
from html.parser import HTMLParser

from extractor.readers.flow import CannotReadError, Flow, superscript

_Attributes = dict[str, str]

_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_CHARSET = re.compile(
    rb"""<(?:meta|\?xml)[^>]{0,300}?(?:charset|encoding)\s*=\s*["']?([\w.:-]{1,40})""", re.I
)
_DEEPEST = 5_000  # tags inside one another


def _tags(names: str) -> frozenset[str]:
    return frozenset(names.split())


_VOID = _tags("area base basefont br col frame hr img input link meta param source track wbr")
_GAPS = _tags("p h1 h2 h3 h4 h5 h6 ul ol dl blockquote pre table hr fieldset figure")
_LINES = _tags(
    "html body div li dt dd address article aside section header footer main nav center form details summary "
    "caption figcaption legend hgroup menu dir thead tbody tfoot tr optgroup option search"
)
_INLINE = _tags(
    "a abbr acronym b bdi bdo big cite code colgroup data del dfn em font i ins kbd label map mark meter "
    "nobr output picture progress q rp rt ruby s samp small span strike strong sub sup svg tt time u var "
    "td th head title style script noscript template textarea button text g path"
)
_TAGS = _VOID | _GAPS | _LINES | _INLINE
_NO_TEXT = _tags("title script style noscript template")
_TAKEN_BACK = _tags("del s strike")
_REFUSED = {
    "select": "a box to choose from",
    "iframe": "another page inside",
    "frameset": "other pages inside",
    "object": "an embedded object",
    "embed": "an embedded object",
    "canvas": "a drawing",
    "math": "a formula",
}
_PARTS = _tags("td th caption tr thead tbody tfoot")
# A tag that begins ends these (first) where they stand open inside the nearest of those (second).
_ENDS = {
    **dict.fromkeys(_GAPS | _LINES - {"tr", "thead", "tbody", "tfoot", "caption"}, ({"p"}, _PARTS | {"div"})),
    "li": ({"li", "p"}, {"ul", "ol", "table"}),
    **dict.fromkeys(("dt", "dd"), ({"dt", "dd", "p"}, {"dl", "table"})),
    **dict.fromkeys(("td", "th"), ({"td", "th", "caption"}, {"table", "tr"})),
    "tr": ({"tr", "caption"}, {"table"}),
    **dict.fromkeys(("thead", "tbody", "tfoot"), ({"thead", "tbody", "tfoot", "tr", "caption"}, {"table"})),
}
_MUST_END = _tags("table div span ul ol pre")
_HIDES = re.compile(r"display\s*:\s*none|visibility\s*:\s*(?:hidden|collapse)", re.I)
_STRUCK = re.compile(r"text-decoration(?:-line)?\s*:[^;]*line-through", re.I)
_SPACED = re.compile(r"white-space\s*:\s*(?:pre|break-spaces)", re.I)
_COMMENT = re.compile(r"/\*.*?(?:\*/|$)", re.S)
_RULE = re.compile(r"([^{};]*)\{([^{}]*)\}")
_SELECTOR = re.compile(r"[a-z0-9]*(?:[.#][\w-]+)?", re.I)
_BLANKS = re.compile(r"[ \t\n\r\f]+")


def html_text(data: bytes) -> str:
    r"""The text of a page.

    Raises
    ------
    CannotReadError
        Where the page ends early, is no HTML, or holds what is no text.

    Examples
    --------
    >>> html_text(b"<p>One plug,&nbsp;12 mm<table><tr><td>AVP II<td>12 mm</table>")
    'One plug, 12 mm\n\nAVP II\t12 mm'
    """
    page = _Page()
    page.feed(_decoded(data).replace("\r\n", "\n").replace("\r", "\n"))
    if page.cdata_elem or page.rawdata.startswith("<"):
        raise _cut("inside a tag, a comment or a script")
    page.close()
    return page.end()


def _decoded(data: bytes) -> str:
    for bom, codec in _BOMS:
        if data.startswith(bom):
            return _in_codec(data[len(bom) :], codec)
    declared = _CHARSET.search(data[:4096])
    name = declared[1].decode().lower() if declared else "utf-8"
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return _in_codec(data, "cp1252" if name in ("iso-8859-1", "latin1", "us-ascii") else name)


def _in_codec(data: bytes, codec: str) -> str:
    try:
        return data.decode(codec)
    except (UnicodeError, LookupError) as error:
        problem = "the letters are not in the character set that the page names (UTF-8 where it names none)"
        raise CannotReadError("I055", problem, "export the note again, in UTF-8") from error


@dataclass(slots=True)
class _Open:
    """A tag that is open, and what it says of the words inside."""

    tag: str
    unseen: bool = False
    spaced: bool = False
    raised: bool = False
    number: int | None = None  # of the next item of the list


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._flow = Flow()
        self._open = [_Open("")]
        self._blank = False  # a blank waits for the next word of the line
        self._begun = False  # whether the line has words
        self._spans: list[dict[int, int]] = []  # of each open table: rows to come that a column is taken in
        self._columns: list[int] = []
        self._hidden: set[str] = set()  # selectors of a style sheet
        self._any_tag = False
        self._counts: Counter[str] = Counter()  # of open tags, by name

    def end(self) -> str:
        """The text, after the last tag."""
        left = {one.tag for one in self._open}
        if left & _MUST_END or {"html", "body"} <= left:
            raise _cut("before its last closing tag")
        self._until(0)
        if not self._any_tag:
            raise CannotReadError("I050", "not an HTML page", "check how the note was exported")
        return "\n".join(line.rstrip() for line in self._flow.text().strip("\n").split("\n"))

    # -- tags ------------------------------------------------------------------------

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said: _Attributes = {name: value or "" for name, value in attrs}
        self._any_tag = True
        if tag in _REFUSED and not self._open[-1].unseen:
            raise CannotReadError(
                "I057",
                f"the document holds {_REFUSED[tag]}, which is no text",
                "export the note again without it",
            )
        if tag not in _TAGS and ":" not in tag and "-" not in tag and tag not in _REFUSED:
            problem = f'a "<" that begins no tag of HTML (line {self.getpos()[0]})'
            raise CannotReadError("I058", problem, 'export the note again, with "&lt;" for each "<"')
        self._implied_ends(tag)
        if tag in _VOID:
            self._void(tag, said)
            return
        self._break(tag)
        if len(self._open) > _DEEPEST:
            raise CannotReadError(
                "I056", f"more than {_DEEPEST:,} tags inside one another", "export it as text"
            )
        self._open.append(self._opened(tag, said))
        self._counts[tag] += 1
        if not self._open[-1].unseen:
            self._begin(tag, said)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """A tag as ``<br/>``; as in a browser, ``<div/>`` stays open, but not in XHTML: refuse to guess."""
        self.handle_starttag(tag, attrs)
        if tag not in _VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag == "br":
            self._new_line()
        if not self._counts[tag]:
            return
        stop = (
            {"td", "th", "table"}
            if tag not in ("table", "tr", "tbody", "thead", "tfoot", "html", "body")
            else {}
        )
        for at in range(len(self._open) - 1, 0, -1):
            if self._open[at].tag == tag:
                self._until(at)
                return
            if self._open[at].tag in stop:
                return
            if self._open[at].tag == "table" and tag not in ("table", "html", "body"):
                return

    def _opened(self, tag: str, said: _Attributes) -> _Open:
        above = self._open[-1]
        style = said.get("style", "")
        names = {tag, *(f".{name}" for name in said.get("class", "").split()), f"#{said.get('id', '')}"}
        names |= {f"{tag}{name}" for name in names if name[0] in ".#"}
        unseen = tag in _NO_TEXT or tag in _TAKEN_BACK or "hidden" in said
        unseen = unseen or bool(_HIDES.search(style) or _STRUCK.search(style)) or bool(names & self._hidden)
        return _Open(
            tag,
            above.unseen or unseen,
            tag in ("pre", "textarea")
            or bool(_SPACED.search(style))
            or (above.spaced and "normal" not in style),
            tag == "sup" or above.raised,
            int(said.get("start", "1")) if tag == "ol" and said.get("start", "1").isdecimal() else None,
        )

    def _begin(self, tag: str, said: _Attributes) -> None:
        if tag == "table":
            self._flow.open_table()
            self._spans.append({})
            self._columns.append(0)
        elif tag in ("td", "th", "caption"):
            if not self._spans:
                return
            self._taken()
            self._flow.open_cell()
            if tag != "caption":
                self._span(said)
        elif tag == "li":
            items = next(
                (one for one in reversed(self._open) if one.tag in ("ul", "ol", "table")), self._open[0]
            )
            self._write("- " if items.number is None else f"{items.number}. ")
            items.number = None if items.number is None else items.number + 1
            self._begun, self._blank = False, False

    def _span(self, said: _Attributes) -> None:
        """Remember how many columns and rows the cell takes."""
        wide, high = (
            min(int(said[name]), 100) if said.get(name, "").isdecimal() else 1
            for name in ("colspan", "rowspan")
        )
        for column in range(self._columns[-1], self._columns[-1] + max(wide, 1)):
            if high > 1:
                self._spans[-1][column] = high
        self._open[-1].number = max(wide, 1)

    def _taken(self) -> None:
        """Pass by the columns that a cell of a row above takes."""
        while self._spans[-1].get(self._columns[-1], 0) > 0:
            self._flow.skip_cells(1)
            self._columns[-1] += 1

    def _void(self, tag: str, said: _Attributes) -> None:
        if tag == "br":
            self._new_line()
        elif tag == "hr":
            self._break(tag)
        elif tag == "input" and not self._open[-1].unseen and "hidden" not in said:
            kind = said.get("type", "text").lower()
            if kind in ("checkbox", "radio"):
                self._write("[x] " if "checked" in said else "[ ] ")
            elif kind not in ("hidden", "button", "submit", "reset", "image", "password"):
                self.handle_data(said.get("value", ""))

    def _implied_ends(self, tag: str) -> None:
        ended, stop = _ENDS.get(tag, (frozenset(), frozenset()))
        last = len(self._open)
        for at in range(len(self._open) - 1, 0, -1):
            if self._open[at].tag in stop:
                break
            if self._open[at].tag in ended:
                last = at
        self._until(last)

    def _until(self, at: int) -> None:
        """End all tags from number ``at`` on."""
        while len(self._open) > max(at, 1):
            one = self._open.pop()
            self._counts[one.tag] -= 1
            if one.unseen:
                continue
            self._break(one.tag)
            if one.tag in ("td", "th", "caption") and self._spans:
                self._flow.close_cell()
                self._flow.skip_cells((one.number or 1) - 1)
                self._columns[-1] += one.number or 1
                if one.tag == "caption":
                    self._end_row()
            elif one.tag == "tr" and self._spans:
                self._end_row()
            elif one.tag == "table":
                self._flow.close_table()
                self._spans.pop()
                self._columns.pop()
                self._break("table")

    def _end_row(self) -> None:
        self._flow.close_row()
        self._spans[-1] = {column: rows - 1 for column, rows in self._spans[-1].items() if rows > 1}
        self._columns[-1] = 0

    # -- words -----------------------------------------------------------------------

    def handle_data(self, data: str) -> None:
        one = self._open[-1]
        if one.tag == "style":
            self._style_sheet(data)
        if one.unseen:
            return
        text = superscript(data) if one.raised else data
        if one.spaced:
            first, *lines = text.split("\n")
            self._write(first)
            for line in lines:
                self._new_line()
                self._write(line)
            return
        text = _BLANKS.sub(" ", text)
        if text.startswith(" "):
            self._blank = self._begun
        words = text.strip(" ")
        if words:
            self._write(words)
            self._blank = text.endswith(" ")

    def _write(self, text: str) -> None:
        if not text or self._open[-1].unseen:
            return
        if self._spans and not self._flow.in_cell:
            text = text.strip()
            if not text:
                return
            self._flow.open_cell()  # words between cells: no browser loses them
        self._flow.write(" " + text if self._blank else text)
        self._begun, self._blank = True, False

    def _new_line(self) -> None:
        if not self._open[-1].unseen and (not self._spans or self._flow.in_cell):
            self._flow.line()
        self._begun = self._blank = False

    def _break(self, tag: str) -> None:
        if self._open[-1].unseen or tag not in _GAPS | _LINES | {"td", "th"}:
            return
        if self._spans and not self._flow.in_cell:
            pass
        elif tag in _GAPS:
            self._flow.gap()
        else:
            self._flow.fresh_line()
        self._begun = self._blank = False

    def _style_sheet(self, sheet: str) -> None:
        """Learn what a style sheet hides, where its selectors are simple enough to be sure."""
        sheet = _COMMENT.sub("", sheet)
        depth = position = 0
        for rule in _RULE.finditer(sheet):
            depth += sheet.count("{", position, rule.start()) - sheet.count("}", position, rule.start())
            position = rule.end()
            if not (_HIDES.search(rule[2]) or _STRUCK.search(rule[2])):
                continue
            selectors = [one.strip() for one in rule[1].split(",")]
            if depth > 0 or not all(_SELECTOR.fullmatch(one) and one for one in selectors):
                raise CannotReadError(
                    "I057",
                    "a style sheet of the page hides some of it, and which part cannot be told",
                    "export the note again, as text",
                )
            self._hidden.update(selectors)


def _cut(where: str) -> CannotReadError:
    return CannotReadError("I051", f"the page ends {where}", "export the note again; it was cut")
