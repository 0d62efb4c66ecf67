"""Narrative blocks of C-CDA: paragraphs, lists and tables as lines of text."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_BLOCKS = ("paragraph", "list", "table", "item", "caption", "footnote")
_ROWS = ("thead", "tbody", "tfoot")
_LEFT_OUT = ("renderMultiMedia", "col", "colgroup", "footnoteRef")
_WRAP, _WRAPPED = re.compile(r"\A[ \t]*\n[ \t]*"), re.compile(r"\n[ \t]*\Z")
_BREAK = "\0"  # which XML cannot hold
_SUPERSCRIPT = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
_MOST_SPANNED = 100  # columns or rows


class NarrativeError(ValueError):
    """What is wrong with a document, by the code of its error; it quotes nothing."""

    def __init__(self, code: str, problem: str) -> None:
        self.code = code
        super().__init__(problem)


def narrative(block: Element) -> str:
    r"""The text of a narrative block.

    Lines in it stay lines, without the indentation that the writing of the XML gave
    them. What is marked as deleted is left out.

    Examples
    --------
    >>> from xml.etree.ElementTree import fromstring
    >>> narrative(fromstring(
    ...     "<text><paragraph>Devices:</paragraph><table><tr><td>AVP II</td><td>12 mm</td></tr></table>"
    ...     "<list listType='ordered'><item>No leak.</item></list></text>"))
    'Devices:\nAVP II\t12 mm\n1. No leak.'
    """
    lines = _lines(block)
    return "\n".join(lines).strip("\n")


def _lines(element: Element, flat: bool = False) -> list[str]:
    """The lines of an element: those of running text, and those of the blocks in it.

    Where it is ``flat``, as in a cell, line ends in the XML are spaces.
    """
    out: list[str] = []
    running = [""]

    def end() -> None:
        out.extend(_dedented("".join(running)))
        running[:] = [""]

    def write(text: str | None) -> None:
        running.append(" ".join((text or "").split("\n")) if flat else text or "")

    def take(part: Element) -> None:
        write(part.text)
        for child in part:
            name = _name(child)
            if name in _BLOCKS:
                end()
                out.extend(_block(child, name, flat))
            elif name == "br":
                # Where the XML has a line end beside it too, it is one.
                running[-1] = _WRAPPED.sub("", running[-1])
                running.append(_BREAK)
            elif name == "sup":
                running.append("".join(child.itertext()).translate(_SUPERSCRIPT))
            elif child.get("revised") != "delete" and name not in _LEFT_OUT:
                take(child)
            write(_WRAP.sub("", child.tail or "") if name == "br" else child.tail)

    take(element)
    end()
    return out


def _name(element: Element) -> str:
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else "renderMultiMedia"


def _block(element: Element, name: str, flat: bool) -> list[str]:
    if element.get("revised") == "delete":
        return []
    if name == "list":
        return _list(element, flat)
    return _table(element) if name == "table" else _lines(element, flat)


def _list(element: Element, flat: bool) -> list[str]:
    out: list[str] = []
    number = 0
    for child in element:
        lines = _block(child, _name(child), flat)
        if _name(child) != "item":
            out += lines
            continue
        number += 1
        mark = f"{number}. " if element.get("listType") == "ordered" else "- "
        out += [f"{mark}{lines[0]}", *lines[1:]] if lines else []
    return out


def _table(element: Element) -> list[str]:
    out: list[str] = []
    for child in element:
        name = _name(child)
        if name in _ROWS:
            out += _rows([row for row in child if _name(row) == "tr"])
        elif name == "caption":
            out += _lines(child)
    return out + _rows([row for row in element if _name(row) == "tr"])


def _rows(rows: list[Element]) -> list[str]:
    """Rows as lines; a cell that spans rows is written in the first of them."""
    out: list[str] = []
    taken: dict[int, int] = {}  # rows that a column is taken for from above
    for row in rows:
        cells: list[str] = []
        for cell in row if row.get("revised") != "delete" else ():
            while taken.get(len(cells), 0):
                taken[len(cells)] -= 1
                cells.append("")
            wide, high = _span(cell, "colspan"), _span(cell, "rowspan")
            for column in range(len(cells), len(cells) + wide):
                taken[column] = high - 1
            cells += [_cell(cell), *[""] * (wide - 1)]
        for column in [column for column in taken if column >= len(cells) and taken[column]]:
            taken[column] -= 1
        if any(cells):
            # Where the first cell is empty, bars keep its place.
            out.append(("\t" if cells[0] else " | ").join(cells).rstrip("\t |"))
    return out


def _span(cell: Element, name: str) -> int:
    value = cell.get(name) or ""
    return max(1, min(int(value), _MOST_SPANNED)) if re.fullmatch(r"[0-9]{1,9}", value) else 1


def _cell(cell: Element) -> str:
    text = ""
    for line in _lines(cell, flat=True) if cell.get("revised") != "delete" else ():
        line = " ".join(line.split())
        if line:
            text += (" " if text[-1:] in ".,;:/-" else ", ") + line if text else line
    return text


def _dedented(text: str) -> list[str]:
    """Lines without blank ones at both ends and without the indentation that those of the XML share."""
    if not text.replace(_BREAK, "").strip():
        return []
    # Behind a break a line begins as its author meant it; the first may follow its mark.
    parts = re.split(f"(\n|{_BREAK})", text.replace("\xa0", " "))
    lines, ends = [part.rstrip() for part in parts[::2]], [_BREAK, *parts[1::2]]
    shared = min(
        (_indent(line) for line, end in zip(lines, ends, strict=True) if line and end == "\n"), default=0
    )
    lines = [line[shared:] if end == "\n" else line for line, end in zip(lines, ends, strict=True)]
    kept = [n for n, line in enumerate(lines) if line]
    lines = lines[kept[0] : kept[-1] + 1]
    return [lines[0].lstrip(), *lines[1:]]


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" \t"))
