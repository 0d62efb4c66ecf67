"""DOCX: the paragraphs and tables of a Word document, in their order, become one text.

The document is an archive of XML. Everything between its marks is text unless a mark
says otherwise, so that content controls, text boxes, tables inside tables and marks
that no reader knows lose nothing: the marks that do say otherwise are listed here. At
the end the letters of all text that is not taken back are counted against the result.
"""

from __future__ import annotations

import io
import posixpath
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from extractor.readers.flow import UNREADABLE_FIELD, CannotReadError, Flow, superscript
from extractor.readers.symbols import symbol

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_MAX_XML = 40_000_000  # bytes of all parts that are read; a note of the largest size needs less
_MAX_UNPACKED = 200_000_000  # bytes of all parts, pictures and all
_MOST_PARTS = 5_000
_RATIO = 300  # of unpacked to packed; the XML of documents has 10 to 50
_OLD_WORD = b"\xd0\xcf\x11\xe0"
_PAGE = (5_400_000, 7_200_000)  # 6 by 8 inches, in the units of drawings
_WORD = (
    "http://schemas.openxmlformats.org/wordprocessingml/2006/main",
    "http://purl.oclc.org/ooxml/wordprocessingml/main",
)
# Graphics whose text, if any, stands in the document itself.
_DRAWN_HERE = ("/picture", "/wordprocessingShape", "/wordprocessingGroup", "/wordprocessingCanvas")

_PROPERTIES = {"rPr", "pPr", "sectPr", "tblPr", "tblGrid", "tblPrEx", "trPr", "tcPr", "sdtPr", "sdtEndPr"}
_TAKEN_BACK = {"del", "moveFrom", "delText", "delInstrText"}
_NO_TEXT = {*_PROPERTIES, *_TAKEN_BACK, "instrText", "Fallback", "footnoteReference", "endnoteReference"}
_LINES = {"br": "\n", "cr": "\n"}
_CHARS = {"tab": "\t", "ptab": "\t", "noBreakHyphen": "-"}
_REFUSED = {
    "commentReference": "a remark in the margin",
    "object": "an embedded object",
    "OLEObject": "an embedded object",
    "altChunk": "another document inside",
    "subDoc": "a link to another document",
    "checkBox": "a box to tick",
    "ddList": "a box to choose from",
}
_NOTES = ("footnotes", "endnotes")


def docx_text(data: bytes) -> str:
    """The text of a Word document: headers, body, footnotes, footers.

    Raises
    ------
    CannotReadError
        Where the archive is damaged, locked or too large, or holds what is no text.
    """
    archive = _Archive(data)
    name = archive.main()
    related = archive.related(name)
    styles = _Styles()
    for part in related.get("styles", ()):
        styles = _styles(archive.parse(part))
    main = archive.parse(name)
    body = [_part_text(main, styles)]
    headers, footers, notes = (
        [_part_text(archive.parse(part), styles) for kind in kinds for part in related.get(kind, ())]
        for kinds in (("header",), ("footer",), _NOTES)
    )
    parts = [*dict.fromkeys(headers), *body, *notes, *dict.fromkeys(footers)]
    return "\n\n".join(part for part in parts if part.strip())


# -- the archive ------------------------------------------------------------------


class _Archive:
    def __init__(self, data: bytes) -> None:
        if data.startswith(_OLD_WORD):
            raise CannotReadError(
                "I053",
                "a locked document, or one of an old Word (.doc)",
                "save it as .docx, without a password",
            )
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(data))
        except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError) as error:
            code, problem = (
                ("I051", "the Word document ends early or is damaged")
                if data.startswith(b"PK")
                else ("I050", "not a Word document")
            )
            raise CannotReadError(code, problem, "export the note again") from error
        parts = self._zip.infolist()
        if len(parts) > _MOST_PARTS or sum(part.file_size for part in parts) > _MAX_UNPACKED:
            raise _too_much()
        if any(part.file_size > _RATIO * max(part.compress_size, 1_000) for part in parts):
            raise _too_much()
        self._left = _MAX_XML
        names = self._zip.namelist()
        if len(set(names)) < len(names):
            raise CannotReadError(
                "I058", "the Word document has two parts of one name", "export the note again"
            )

    def parse(self, name: str) -> Element:
        """The XML of a part."""
        from defusedxml.common import DefusedXmlException  # type: ignore[import-untyped]
        from defusedxml.ElementTree import ParseError, fromstring  # type: ignore[import-untyped]

        try:
            root: Element = fromstring(self._bytes(name), forbid_dtd=True)
        except DefusedXmlException as error:
            raise CannotReadError(
                "I058", "the Word document declares XML entities", "export the note again"
            ) from error
        except (ParseError, ValueError, LookupError) as error:
            raise CannotReadError(
                "I058", "the Word document holds damaged XML", "export the note again"
            ) from error
        return root

    def _bytes(self, name: str) -> bytes:
        try:
            with self._zip.open(name) as part:
                data = part.read(self._left + 1)
        except KeyError as error:
            raise CannotReadError(
                "I058", "a part of the Word document is missing", "export it again"
            ) from error
        except NotImplementedError as error:
            raise CannotReadError(
                "I058", "the Word document is packed in a way that is not known", "save it again"
            ) from error
        except RuntimeError as error:  # a password is needed
            raise CannotReadError(
                "I053", "the Word document is locked", "save it without a password"
            ) from error
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError) as error:
            raise CannotReadError("I058", "the Word document is damaged", "export the note again") from error
        self._left -= len(data)
        if self._left < 0:
            raise _too_much()
        return data

    def main(self) -> str:
        """Name of the part with the body."""
        try:
            found = self.related("").get("officeDocument", [])
        except CannotReadError as error:
            if error.problem.endswith("missing"):
                raise CannotReadError(
                    "I050", "not a Word document", "check how the note was exported"
                ) from error
            raise
        if len(found) != 1:
            raise CannotReadError("I050", "not a Word document", "check how the note was exported")
        return found[0]

    def related(self, name: str) -> dict[str, list[str]]:
        """Names of the parts that a part refers to, by kind."""
        folder, file = posixpath.split(name)
        listing = posixpath.join(folder, "_rels", f"{file}.rels")
        found: dict[str, list[str]] = {}
        if name and listing not in self._zip.namelist():
            return found
        for relation in self.parse(listing):
            if relation.get("TargetMode") != "External":
                kind = relation.get("Type", "").rpartition("/")[2]
                target = posixpath.normpath(posixpath.join("/", folder, relation.get("Target", "")))
                found.setdefault(kind, []).append(target.lstrip("/"))
        return found


# -- styles -----------------------------------------------------------------------


@dataclass(slots=True)
class _Styles:
    """Ids of the styles that hide or strike their words, and of those that make a list."""

    unseen: set[str] = field(default_factory=set)
    lists: set[str] = field(default_factory=set)


def _styles(root: Element) -> _Styles:
    found = _Styles()
    based: dict[str, str] = {}
    for style in root:
        if _name(style) != "style":
            continue
        style_id = _attribute(style, "styleId") or ""
        for part in style:
            if _name(part) == "basedOn":
                based[style_id] = _attribute(part, "val") or ""
            elif _name(part) == "rPr" and _unseen(part):
                found.unseen.add(style_id)
            elif _name(part) == "pPr" and _numbered(part):
                found.lists.add(style_id)
    for style_id in based:
        seen = {style_id}
        above = based[style_id]
        while above and above not in seen:
            seen.add(above)
            for group in (found.unseen, found.lists):
                if above in group:
                    group.add(style_id)
            above = based.get(above, "")
    return found


def _unseen(properties: Element) -> bool:
    """Whether words are struck through or hidden."""
    return any(_name(p) in ("strike", "dstrike", "vanish") and _is_on(p) for p in properties)


def _numbered(properties: Element) -> bool:
    """Whether a paragraph is an item of a list."""
    ids = [_attribute(n, "val") for p in properties if _name(p) == "numPr" for n in p if _name(n) == "numId"]
    return any(one not in (None, "0") for one in ids)


def _is_on(element: Element) -> bool:
    return _attribute(element, "val") not in ("0", "false", "off", "none")


def _name(element: Element) -> str:
    return str(element.tag).rpartition("}")[2]


def _attribute(element: Element, name: str) -> str | None:
    return next((value for key, value in element.attrib.items() if key.rpartition("}")[2] == name), None)


def _child(element: Element, name: str) -> Element | None:
    return next((child for child in element if _name(child) == name), None)


def _style_of(properties: Element | None, name: str) -> str:
    style = None if properties is None else _child(properties, name)
    return "" if style is None else _attribute(style, "val") or ""


# -- text -------------------------------------------------------------------------


def _part_text(root: Element, styles: _Styles) -> str:
    writer = _Writer(styles)
    writer.write(root)
    text = writer.flow.text()
    letters = sum(map(str.isalnum, text))
    if letters != writer.letters or letters != sum(map(str.isalnum, "".join(_seen(root, styles)))):
        raise CannotReadError("I060", "not all of the Word document could be read", "export the note as text")
    return text


def _seen(element: Element, styles: _Styles, style: str = "") -> Iterator[str]:
    """All words between marks that are not taken back, whatever stands around them."""
    name = _name(element)
    if name in _NO_TEXT:
        return
    if name == "p":
        style = _style_of(_child(element, "pPr"), "pStyle")
    if name == "r" and _run_unseen(element, styles, style):
        return
    if name == "t":
        yield element.text or ""
    elif name == "sym":
        yield _symbol(element)
    for child in element:
        yield from _seen(child, styles, style)


def _run_unseen(run: Element, styles: _Styles, paragraph_style: str) -> bool:
    properties = _child(run, "rPr")
    if properties is not None:
        said = [p for p in properties if _name(p) in ("strike", "dstrike", "vanish")]
        if said:
            return _unseen(properties)
        if _style_of(properties, "rStyle") in styles.unseen:
            return True
    return paragraph_style in styles.unseen


def _symbol(element: Element) -> str:
    return symbol(_attribute(element, "font") or "", int(_attribute(element, "char") or "0", 16))


class _Writer:
    def __init__(self, styles: _Styles) -> None:
        self.flow = Flow()
        self.letters = 0
        self._styles = styles
        self._style = ""
        self._raised = False
        self._special: dict[str, Callable[[Element], None]] = {
            "p": self._paragraph,
            "r": self._run,
            "t": self._words,
            "sym": lambda element: self._put(_symbol(element)),
            "tbl": self._table,
            "tr": self._row,
            "tc": self._cell,
            "txbxContent": self._box,
            "graphicData": self._graphic,
            "extent": self._extent,
            "fldSimple": self._field,
            "footnote": self._note,
            "endnote": self._note,
        }

    def write(self, element: Element) -> None:
        name = _name(element)
        if name == "instrText":
            self._check_field(element.text or "")
        if name in _REFUSED:
            raise _refused(_REFUSED[name])
        if name == "ffData":
            self._children(element)
        elif name in _NO_TEXT:
            pass
        elif name in self._special:
            self._special[name](element)
        elif element.tag[1:].startswith(_WORD) and name in _LINES | _CHARS:
            self.flow.write((_LINES | _CHARS)[name])
        else:
            self._children(element)

    def _children(self, element: Element) -> None:
        for child in element:
            self.write(child)

    def _put(self, text: str) -> None:
        self.letters += sum(map(str.isalnum, text))
        self.flow.write(text)

    def _words(self, element: Element) -> None:
        text = element.text or ""
        self._put(superscript(text) if self._raised else text)

    def _paragraph(self, element: Element) -> None:
        properties = _child(element, "pPr")
        before, self._style = self._style, _style_of(properties, "pStyle")
        self.flow.fresh_line()
        if (properties is not None and _numbered(properties)) or self._style in self._styles.lists:
            self.flow.write("- ")
        self._children(element)
        self.flow.line()
        self._style = before

    def _run(self, element: Element) -> None:
        if _run_unseen(element, self._styles, self._style):
            return
        properties = _child(element, "rPr")
        raised = _style_of(properties, "vertAlign") == "superscript"
        self._raised, before = raised, self._raised
        self._children(element)
        self._raised = before

    def _table(self, element: Element) -> None:
        self.flow.open_table()
        self._children(element)
        self.flow.close_table()

    def _row(self, element: Element) -> None:
        properties = _child(element, "trPr")
        for skipped in () if properties is None else properties:
            if _name(skipped) == "gridBefore":
                self.flow.skip_cells(int(_attribute(skipped, "val") or "0"))
        self._children(element)
        self.flow.close_row()

    def _cell(self, element: Element) -> None:
        self.flow.open_cell()
        self._children(element)
        span = _style_of(_child(element, "tcPr"), "gridSpan")
        self.flow.close_cell()
        self.flow.skip_cells(int(span) - 1 if span.isdecimal() else 0)

    def _box(self, element: Element) -> None:
        """A text box stands before the paragraph that it hangs on."""
        outer, self.flow = self.flow, Flow()
        self._children(element)
        text, self.flow = self.flow.text(), outer
        if text.strip():
            self.flow.beside(text)

    def _note(self, element: Element) -> None:
        if "eparator" not in (_attribute(element, "type") or ""):
            self._children(element)

    def _graphic(self, element: Element) -> None:
        if not (_attribute(element, "uri") or "").endswith(_DRAWN_HERE):
            raise _refused("a chart or a diagram")
        self._children(element)

    def _extent(self, element: Element) -> None:
        size = [int(_attribute(element, side) or "0") for side in ("cx", "cy")]
        if size[0] >= _PAGE[0] and size[1] >= _PAGE[1]:
            raise CannotReadError(
                "I054", "the document holds a picture of a whole page", "export the note as text, or type it"
            )

    def _field(self, element: Element) -> None:
        self._check_field(_attribute(element, "instr") or "")
        self._children(element)

    def _check_field(self, text: str) -> None:
        if UNREADABLE_FIELD.match(text):
            raise _refused("a box to tick or to choose from, or a symbol made by a field")


def _too_much() -> CannotReadError:
    return CannotReadError("I056", "the Word document unpacks to too much", "export the note as text")


def _refused(what: str) -> CannotReadError:
    return CannotReadError(
        "I057", f"the document holds {what}, which is no text", "export the note again without it"
    )
