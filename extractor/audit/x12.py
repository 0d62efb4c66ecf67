"""X12: the segments of a file of interchanges, parted as each header (ISA) tells.

A general X12 library is not used: those that are kept up stop at an empty segment, drop
a last segment that is cut, and read all interchanges by the separators of the first. For
an audit each of these would be a line that was billed and is not seen.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from extractor.audit.billed import place_of
from extractor.errors import InputError

_NAME = re.compile(r"[A-Z][A-Z0-9]{1,2}")
_HEADER = re.compile(r"ISA[^A-Za-z0-9\s]")
_ELEMENTS = 16
_LONGEST_HEADER = 250
_AGAIN = "export the file again"


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment: its number in the file, its name and its elements, counted from 1 as the standard does."""

    number: int
    name: str
    elements: tuple[str, ...]
    component: str

    def __getitem__(self, at: int) -> str:
        return self.elements[at].strip() if at < len(self.elements) else ""

    def parts(self, at: int) -> list[str]:
        """The components of an element."""
        return [part.strip() for part in self[at].split(self.component)]


@dataclass(frozen=True, slots=True)
class _Marks:
    element: str
    component: str
    end: str


def segments(path: str, text: str) -> Iterator[Segment | InputError]:
    """The segments of all interchanges of a file, and what is wrong with them.

    Examples
    --------
    >>> isa = "ISA*00*          *00*          *ZZ*A              *ZZ*B              "
    >>> isa += "*240701*1200*^*00501*000000001*0*P*:~"
    >>> for found in segments("a.837", isa + "SV1*HC:93592:59*900*UN*2~" + "SV1*HC"):
    ...     print(found if isinstance(found, InputError) else (found.number, found.parts(1)[:3]))
    (1, ['00'])
    (2, ['HC', '93592', '59'])
    [I072] a.837, segment 3: the file ends inside a segment; export the file again
    """
    return _Scanner(path, text).segments()


def _skip(text: str, position: int) -> int:
    while position < len(text) and text[position].isspace():
        position += 1
    return position


def _marks(text: str, position: int) -> _Marks | None:
    """The separators that a header tells; ``None`` where it is none."""
    if not _HEADER.match(text, position):
        return None
    element = text[position + 3]
    parts = text[position : position + _LONGEST_HEADER].split(element, _ELEMENTS)
    if len(parts) <= _ELEMENTS or len(parts[_ELEMENTS]) < 2:
        return None
    component, end = parts[_ELEMENTS][0], parts[_ELEMENTS][1]
    marks = (element, component, end)
    if len(set(marks)) < 3 or any(mark.isalnum() or (mark.isspace() and mark != "\n") for mark in marks):
        return None
    return _Marks(*marks)


class _Scanner:
    """Goes through a file: where it is, and how many segments it has seen."""

    def __init__(self, path: str, text: str) -> None:
        self._path, self._number, self._at = path, 0, 0
        self._text = text.replace("\r\n", "\n").replace("\r", "\n")

    def segments(self) -> Iterator[Segment | InputError]:
        """All interchanges, one after the other."""
        text = self._text
        while (start := _skip(text, self._at)) < len(text):
            self._at = start
            marks = _marks(text, start)
            if marks is not None:
                yield from self._interchange(marks)
                continue
            problem = "no whole X12 header (ISA) where one must stand"
            yield self._error("I070", self._number + 1, problem, f"give 837 claims, or {_AGAIN}")
            again = _HEADER.search(text, start + 1)
            self._at = again.start() if again else len(text)

    def _interchange(self, marks: _Marks) -> Iterator[Segment | InputError]:
        """From a header to its trailer, to the next header, or to the end of the file."""
        text, first, told = self._text, True, False
        while (start := _skip(text, self._at)) < len(text):
            if not first and _HEADER.match(text, start):
                return
            first = False
            end = text.find(marks.end, start)
            raw = text[start : end if end >= 0 else len(text)].strip()
            self._at = end + 1 if end >= 0 else len(text)
            if not raw:
                continue
            self._number += 1
            name, *elements = raw.split(marks.element)
            if end < 0 and not (name == "IEA" and len(elements) == 2):
                yield self._error("I072", self._number, "the file ends inside a segment", _AGAIN)
            elif not _NAME.fullmatch(name) or not elements:
                if not told:
                    problem = "this is not parted by the separators that the header (ISA) tells"
                    yield self._error("I071", self._number, problem, _AGAIN)
                told = True
            else:
                yield Segment(self._number, name, (name, *elements), marks.component)
                if name == "IEA":
                    return

    def _error(self, code: str, number: int, problem: str, remedy: str) -> InputError:
        return InputError(code, place_of(self._path, number), problem, remedy)
