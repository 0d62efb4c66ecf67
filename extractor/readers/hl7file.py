"""HL7 v2 files: the messages in a file, whatever stands around them.

Segments may end with a carriage return, a line feed or both; messages may stand in
batches (FHS, BHS, BTS, FTS) or in the frames of the transport (MLLP). Batches that
hold fewer messages than they say, and a message at which the file breaks off, are told.
"""

from __future__ import annotations

import re
from codecs import BOM_UTF8
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from extractor.errors import InputError
from extractor.readers.note import place, too_large

_CHUNK = 1 << 20
_LONGEST = 80_000_000  # bytes of a segment: a document of 50 MB in base64, and some more
_END = re.compile(rb"\r\n|\r|\n")
_FRAME = re.compile(rb"(\x0b(?=MSH|FHS|BHS)|\x1c(?=\s*$|\x0b))")
_NUMBER = re.compile(rb"[0-9]{1,9}")
_EXPORT = "export the file again"


@dataclass(slots=True)
class RawMessage:
    """A message: its segments with their lines, and whether the file may break off inside it."""

    line: int
    segments: list[tuple[int, bytes]] = field(default_factory=list)
    cut: bool = False


def raw_messages(path: str, file: BinaryIO) -> Iterator[RawMessage | InputError]:
    """The messages of a file, and what is wrong with its batches.

    Examples
    --------
    >>> import io
    >>> data = b"BHS|^~&|" + bytes([13]) + b"MSH|^~&|" + bytes([13]) + b"OBX|1" + bytes([13]) + b"BTS|2"
    >>> for found in raw_messages("a.hl7", io.BytesIO(data)):
    ...     print(found if isinstance(found, InputError) else found.segments)
    [(2, b'MSH|^~&|'), (3, b'OBX|1')]
    [I044] a.hl7:4: the batch holds 1 of the 2 that its trailer tells of; export the file again
    """
    reader = _Reader(path)
    try:
        for number, line in _lines(file):
            for piece in _FRAME.split(line):
                yield from reader.take(number, piece)
    except _TooLongError as error:
        yield too_large(place(path, error.line), f"a segment of more than {_LONGEST:,} bytes")
        reader.mark_cut()
    yield from reader.finish()


class _TooLongError(Exception):
    def __init__(self, line: int) -> None:
        self.line = line
        super().__init__(line)


def _lines(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    number, rest = 0, b""
    first = True
    while chunk := file.read(_CHUNK):
        data = rest + (chunk.removeprefix(BOM_UTF8) if first else chunk)
        first = False
        held = b"\r" if data.endswith(b"\r") else b""  # a line feed may follow
        *whole, rest = _END.split(data[: len(data) - len(held)])
        rest += held
        for line in whole:
            number += 1
            yield number, line
        if len(rest) > _LONGEST:
            raise _TooLongError(number + 1)
    yield number + 1, rest.removesuffix(b"\r")


class _Reader:
    """What is open while a file is read: a message, a frame, a batch, the file itself."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._message: RawMessage | None = None
        self._framed = False
        self._batch: int | None = None  # messages in the batch that is open
        self._batches: int | None = None  # batches in the file that is open
        self._stray = False

    def take(self, number: int, piece: bytes) -> Iterator[RawMessage | InputError]:
        name, mark = piece[:3], piece[3:4]
        if piece == b"\x0b":
            yield from self._flush(self._framed)
            self._framed = True
        elif piece == b"\x1c":
            yield from self._flush()
            self._framed = False
        elif name == b"MSH" and mark:
            yield from self._flush()
            self._message = RawMessage(number, [(number, piece)])
            self._batch = None if self._batch is None else self._batch + 1
        elif name in (b"FHS", b"BHS", b"BTS", b"FTS") and (mark == b"|" or not piece[3:].strip()):
            yield from self._flush(name in (b"FHS", b"BHS") and self._batch is not None)
            yield from self._envelope(name, number, piece)
        elif self._message is not None:
            self._message.segments.append((number, piece))
        elif piece.strip() and not self._stray:
            self._stray = True
            where, remedy = (
                place(self._path, number),
                "check that it is HL7 v2 (MSH|^~\\&|...), or export it again",
            )
            yield InputError("I040", where, "a line that belongs to no message", remedy)

    def finish(self) -> Iterator[RawMessage | InputError]:
        """What the end of the file leaves open."""
        broken = self._framed or self._batch is not None
        yield from self._flush(broken)
        if self._batch is not None or self._batches is not None:
            yield InputError("I044", self._path, "the file ends before the end of its batch", _EXPORT)

    def mark_cut(self) -> None:
        if self._message:
            self._message.cut = True

    def _flush(self, cut: bool = False) -> Iterator[RawMessage]:
        if self._message is not None:
            self._message.cut |= cut
            yield self._message
        self._message, self._stray = None, False

    def _envelope(self, name: bytes, number: int, piece: bytes) -> Iterator[InputError]:
        if name == b"FHS":
            self._batches = 0
        elif name == b"BHS":
            self._batch = 0
            self._batches = None if self._batches is None else self._batches + 1
        else:
            found = self._batch if name == b"BTS" else self._batches
            told = piece.split(b"|")[1].strip() if piece.count(b"|") else b""
            # Some count the messages in the file's trailer where it holds no batch.
            counted = found is not None and (found > 0 or name == b"BTS")
            if counted and _NUMBER.fullmatch(told) and int(told) != found:
                problem = f"the batch holds {found} of the {int(told)} that its trailer tells of"
                yield InputError("I044", place(self._path, number), problem, _EXPORT)
            if name == b"BTS":
                self._batch = None
            else:
                self._batches = self._batch = None
