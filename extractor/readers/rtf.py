r"""RTF: a document of groups in braces becomes one text.

The grammar of RTF is small, and this reads all of it: groups, control words with
their numbers, binary data, code pages, Unicode with its replacement characters.
Libraries that match RTF loosely go on where braces do not match, or stop there,
and either way text is lost without a word. Here the first brace closes with the
last character of the file, or the document is refused.

Words in groups that no reader knows by name are kept, unless the group itself says
that it may be left out (``\*``).
"""

from __future__ import annotations

import codecs
import re
from codecs import BOM_UTF8
from dataclasses import dataclass, field, replace

from extractor.readers.flow import UNREADABLE_FIELD, CannotReadError, Flow, superscript
from extractor.readers.symbols import is_symbol_font, symbol

_TOKEN = re.compile(
    rb"\\(?P<word>[a-zA-Z]{1,32})(?P<number>-?\d{1,10})?[ ]?"
    rb"|\\'(?P<hex>[0-9a-fA-F]{2})"
    rb"|\\(?P<mark>[^a-zA-Z'])"
    rb"|(?P<brace>[{}])"
    rb"|[\r\n]+"
    rb"|(?P<plain>[^\\{}\r\n]+)",
    re.DOTALL,
)
_START = re.compile(rb"\s*\{\\rtf\d*(?![a-zA-Z])")

_LINES = {"par": "", "line": "\n", "softline": "\n", "sect": "", "page": "\n", "column": "\n"}
_CHARS = {
    "emdash": "—",
    "endash": "–",
    "bullet": "•",
    "lquote": "‘",
    "rquote": "’",
    "ldblquote": "“",
    "rdblquote": "”",
    "emspace": " ",
    "enspace": " ",
    "qmspace": " ",
}
_MARKS = {b"~": " ", b"_": "-", b"\t": "\t"}
_HEADERS = {"header", "headerl", "headerr", "headerf"}
_FOOTERS = {"footer", "footerl", "footerr", "footerf"}
_BOXES = {"shptxt", "dptxbxtext"}
_ASIDES = {*_HEADERS, *_FOOTERS, *_BOXES, "footnote"}
# What a reader of the printed document does not see, or sees in another group beside it.
_NO_TEXT = {
    *("colortbl", "stylesheet", "info", "pict", "nonesttables", "shprslt", "filetbl", "ud"),
    *("ftnsep", "ftnsepc", "ftncn", "aftnsep", "aftnsepc", "aftncn", "xe", "tc", "tcn", "rxe", "txe"),
    *("listtable", "listoverridetable", "revtbl", "rsidtbl", "bkmkstart", "bkmkend", "template"),
}
_REFUSED = {
    "annotation": "a remark in the margin",
    "object": "an embedded object",
    "moMath": "a formula",
}
_LABELS = {"listtext", "pntext"}
_CHARSETS = {
    0: "cp1252",
    77: "mac_roman",
    128: "cp932",
    129: "cp949",
    130: "johab",
    134: "cp936",
    136: "cp950",
    161: "cp1253",
    162: "cp1254",
    163: "cp1258",
    177: "cp1255",
    178: "cp1256",
    186: "cp1257",
    204: "cp1251",
    222: "cp874",
    238: "cp1250",
    254: "cp437",
    255: "cp850",
}
_SYMBOLS = 2  # the charset of fonts of pictures
_CODE_PAGES = {0: "cp1252", 10000: "mac_roman", 65001: "utf-8", 1361: "johab"}


def rtf_text(data: bytes) -> str:
    r"""The text of an RTF document.

    Raises
    ------
    CannotReadError
        Where its end does not fit its beginning, or it holds what is no text.

    Examples
    --------
    >>> rtf_text(rb"{\rtf1\ansi 12\~mm plug\par M\'fcller {\v hidden}\u8805?8}")
    '12 mm plug\nMüller ≥8'
    """
    return _Reader(data).read()


@dataclass(slots=True)
class _State:
    """What a group may change and its end restores."""

    skip: str = ""  # "", "soft" (a text box inside counts), or "hard"
    target: str = ""  # a destination whose words are for the reader: fonttbl, fldinst, label
    font: int = -1
    fallback: int = 1  # characters that stand in for a Unicode one
    hidden: bool = False
    deleted: bool = False
    struck: bool = False
    raised: bool = False
    depth: int = 0  # tables around the paragraph
    fresh: bool = True  # nothing of the group has been read but its controls
    aside: str = ""  # the text apart from the body that the group is


@dataclass(slots=True)
class _Font:
    charset: int = 1
    code_page: int | None = None
    name: bytes = b""


@dataclass(slots=True)
class _Asides:
    headers: list[str] = field(default_factory=list)
    footnotes: list[str] = field(default_factory=list)
    footers: list[str] = field(default_factory=list)


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data.removeprefix(BOM_UTF8)
        self._at = 0
        self._state = _State()
        self._stack: list[_State] = []
        self._flows: list[tuple[Flow, bool]] = [(Flow(), False)]  # with: whether a row has begun
        self._asides = _Asides()
        self._bytes = bytearray()  # characters not decoded yet: some need two bytes
        self._waiting = 0  # characters to come that stand in for the last Unicode one
        self._starred = False
        self._fonts: dict[int, _Font] = {}
        self._font = _Font()  # of the font table, being read
        self._default_font = -1
        self._code_page = "cp1252"
        self._field = b""

    def read(self) -> str:
        if not _START.match(self._data):
            raise CannotReadError("I050", "not an RTF document", "check how the note was exported")
        size = len(self._data)
        while self._at < size:
            token = _TOKEN.match(self._data, self._at)
            if token is None:
                if self._at > size - 4:
                    break  # cut in the middle of a control
                raise CannotReadError("I058", "the RTF has a damaged control", "export the note again")
            self._at = token.end()
            self._token(token)
            if not self._stack and self._at > 0 and token["brace"]:
                self._flush()
                break
        if self._stack or not self._data[:1]:
            raise CannotReadError(
                "I051", "the RTF ends before its last closing brace", "export the note again; it was cut"
            )
        if self._data[self._at :].strip(b" \t\r\n\0\x1a"):
            raise CannotReadError(
                "I052",
                f"the RTF goes on behind its last closing brace (byte {self._at})",
                "export the note again; a brace is one too many",
            )
        body = self._flows[0][0].text()
        parts = [*self._asides.headers, body, *self._asides.footnotes, *self._asides.footers]
        text = "\n\n".join(part for part in parts if part.strip())
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")

    def _token(self, token: re.Match[bytes]) -> None:
        if token["word"]:
            self._control(token["word"].decode(), int(token["number"]) if token["number"] else None)
        elif token["hex"]:
            self._characters(bytes([int(token["hex"], 16)]))
        elif token["mark"]:
            self._mark(token["mark"])
        elif token["brace"]:
            self._flush()
            self._waiting = 0
            self._starred = False
            if token["brace"] == b"{":
                self._open()
            else:
                self._close()
        elif token["plain"]:
            self._characters(token["plain"])

    # -- groups ---------------------------------------------------------------------

    def _open(self) -> None:
        self._stack.append(self._state)
        self._state = replace(self._state, fresh=True, aside="")

    def _close(self) -> None:
        state = self._state
        if state.aside:
            self._end_aside(state.aside)
        if state.target == "fldinst" and self._stack[-1].target != "fldinst":
            if UNREADABLE_FIELD.match(self._field.decode("latin-1")):
                raise _refused("a box to tick or to choose from, or a symbol made by a field")
            self._field = b""
        self._state = self._stack.pop()
        self._state.fresh = False

    def _begin_aside(self, word: str) -> None:
        self._flows.append((Flow(), False))
        self._state = replace(self._state, skip="", target="", depth=0, aside=word)

    def _end_aside(self, word: str) -> None:
        text = self._flows.pop()[0].text()
        if not text.strip():
            return
        if word in _BOXES:
            self._enter()
            self._flow.beside(text)
            return
        kept = (
            self._asides.headers
            if word in _HEADERS
            else self._asides.footers
            if word in _FOOTERS
            else self._asides.footnotes
        )
        if text not in kept or word == "footnote":
            kept.append(text)

    # -- controls -------------------------------------------------------------------

    def _control(self, word: str, number: int | None) -> None:
        if word == "bin":
            self._binary(number or 0)
            return
        starred, self._starred = self._starred, False
        if self._waiting and word in _CHARS:
            self._waiting -= 1
            return
        if word != "u":
            self._flush()
            self._waiting = 0
        if self._destination(word, starred):
            return
        if self._state.target == "fonttbl":
            self._font_entry(word, number)
        elif word == "u":
            self._unicode(number or 0)
        elif word == "uc":
            self._state.fallback = number if number is not None else 1
        elif word in _CHARS:
            self._put(_CHARS[word])
        elif word == "tab":
            self._put(" " if self._state.target == "label" else "\t")
        elif word in _LINES:
            self._end_line(_LINES[word])
        elif not self._table_control(word, number):
            self._format(word, number)

    def _destination(self, word: str, starred: bool) -> bool:
        """Whether a control word says what its group is."""
        state = self._state
        known = word in _NO_TEXT or word in _ASIDES or word in _REFUSED or word in ("fonttbl", "fldinst")
        if state.skip == "hard":
            return known
        if known and not (state.fresh and len(self._stack) > 1):
            raise CannotReadError(
                "I058", "the RTF begins a part in the middle of a group", "export the note again"
            )
        if word in _REFUSED:
            raise _refused(_REFUSED[word])
        if word in _ASIDES and (not state.skip or word in _BOXES):
            self._begin_aside(word)
        elif word in ("fonttbl", "fldinst"):
            self._state = replace(state, skip="hard", target=word)
        elif known:
            self._state = replace(state, skip="hard", target="")
        elif starred:
            self._state = replace(state, skip="soft", target=word)
        elif word in _LABELS:
            state.target = "label"
        else:
            return False
        return True

    def _format(self, word: str, number: int | None) -> None:
        """Controls that change how the words behind them are read."""
        state, on = self._state, number != 0
        if word == "f":
            state.font = number or 0
        elif word == "plain":
            state.font = self._default_font
            state.hidden = state.deleted = state.struck = state.raised = False
        elif word == "v":
            state.hidden = on
        elif word in ("deleted", "mvf"):
            state.deleted = on
        elif word in ("strike", "striked"):
            state.struck = on
        elif word in ("super", "up", "nosupersub", "sub", "dn"):
            state.raised = word in ("super", "up") and on
        elif word == "deff":
            self._default_font = state.font = number or 0
        elif word in ("mac", "pc", "pca"):
            self._code_page = {"mac": "mac_roman", "pc": "cp437", "pca": "cp850"}[word]
        elif word == "ansicpg":
            self._code_page = _codec(number or 0)

    def _font_entry(self, word: str, number: int | None) -> None:
        if word == "f":
            self._font = self._fonts.setdefault(number or 0, _Font())
        elif word == "fcharset":
            self._font.charset = number or 0
        elif word == "cpg":
            self._font.code_page = number

    def _binary(self, size: int) -> None:
        if size < 0 or self._at + size > len(self._data):
            raise CannotReadError(
                "I051", "the RTF ends inside a picture", "export the note again; it was cut"
            )
        self._at += size

    # -- tables ---------------------------------------------------------------------

    @property
    def _flow(self) -> Flow:
        return self._flows[-1][0]

    def _row_begun(self, begun: bool) -> None:
        self._flows[-1] = (self._flow, begun)

    def _table_control(self, word: str, number: int | None) -> bool:
        state, flow = self._state, self._flow
        if word == "nestrow":  # stands in a group that may be left out
            if flow.depth > 1:
                flow.close_row()
        elif word in ("intbl", "itap", "pard"):
            state.depth = {"intbl": max(1, state.depth), "itap": number or 0, "pard": 0}[word]
        elif state.skip:
            return False
        elif word == "trowd":
            self._row_begun(flow.depth < 2)
        elif word in ("cell", "nestcell"):
            self._enter(1 if word == "cell" else max(2, state.depth))
            flow.close_cell()
        elif word == "row":
            while flow.depth > 1:
                flow.close_table()
            if flow.depth:
                flow.close_row()
            self._row_begun(False)
        else:
            return False
        return True

    def _enter(self, depth: int | None = None) -> None:
        """Open or close tables so that as many are open as stand around the paragraph."""
        flow, begun = self._flows[-1]
        if depth is None:
            depth = max(self._state.depth, int(begun))
        while flow.depth > depth:
            flow.close_table()
        while True:
            if flow.depth and not flow.in_cell:
                flow.open_cell()
            if flow.depth >= depth:
                return
            flow.open_table()

    # -- words ----------------------------------------------------------------------

    def _mark(self, mark: bytes) -> None:
        if mark == b"*":
            self._starred = True
        elif mark in b"\\{}":
            self._characters(mark)
        elif self._waiting and mark in _MARKS:
            self._waiting -= 1
        elif mark in (b"\r", b"\n"):
            self._flush()
            self._end_line("")
        elif mark in _MARKS:
            self._flush()
            self._put(_MARKS[mark])

    def _characters(self, data: bytes) -> None:
        if self._waiting:
            used = min(self._waiting, len(data))
            self._waiting -= used
            data = data[used:]
        self._bytes += data

    def _unicode(self, number: int) -> None:
        self._flush()
        code = number & 0xFFFF
        font = self._fonts.get(self._state.font, _Font())
        if 0xF000 <= code <= 0xF0FF and not self._state.skip:
            self._put(symbol(font.name.decode("latin-1").strip(" ;"), code))
        else:
            self._put(chr(code))
        self._waiting = self._state.fallback

    def _flush(self) -> None:
        """Decode the bytes collected so far by the code page of their font."""
        if not self._bytes:
            return
        data = bytes(self._bytes)
        self._bytes.clear()
        self._state.fresh = False
        if self._state.target == "fonttbl":
            self._font.name += data
        elif self._state.target == "fldinst":
            self._field += data
        elif not self._state.skip:
            self._put(self._decoded(data))

    def _decoded(self, data: bytes) -> str:
        font = self._fonts.get(self._state.font, _Font())
        name = font.name.decode("latin-1").strip(" ;")
        if font.charset == _SYMBOLS or (font.name and is_symbol_font(name)):
            return "".join(symbol(name, code) for code in data)
        codec = self._code_page
        if font.code_page:
            codec = _codec(font.code_page)
        elif font.charset != 1:
            codec = _CHARSETS.get(font.charset, codec)
        try:
            return data.decode(codec)
        except UnicodeDecodeError as error:
            raise CannotReadError(
                "I055",
                f"characters that code page {codec} does not have (before byte {self._at})",
                "export the note again, as Unicode",
            ) from error

    def _put(self, text: str) -> None:
        state = self._state
        state.fresh = False
        if state.skip or state.hidden or state.deleted or state.struck:
            return
        self._enter()
        self._flow.write(superscript(text) if state.raised else text)

    def _end_line(self, text: str) -> None:
        if self._state.skip:
            return
        self._enter()
        if text:
            self._flow.write(text)
        else:
            self._flow.line()


def _codec(number: int) -> str:
    name = _CODE_PAGES.get(number, f"cp{number}")
    try:
        codecs.lookup(name)
    except LookupError as error:
        raise CannotReadError(
            "I055", f"the code page {number} is not known", "export the note again, as Unicode"
        ) from error
    return name


def _refused(what: str) -> CannotReadError:
    return CannotReadError(
        "I057", f"the document holds {what}, which is no text", "export the note again without it"
    )
