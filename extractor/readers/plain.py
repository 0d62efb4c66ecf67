"""Plain text and JSON lines: a file is a note, or each of its lines is one.

A byte order mark at the start of a file is taken off; line ends stay as they are.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from extractor.dates import parse_date
from extractor.errors import InputError
from extractor.readers.note import MAX_CHARS, Found, Note, checked, place, too_large
from extractor.readers.options import Options

# UTF-8 needs at most 4 bytes per character, a JSON escape at most 12.
MAX_TEXT_BYTES = 4 * MAX_CHARS + 3
_MAX_LINE_BYTES = 12 * MAX_CHARS + 65_536

_SERVED = ("date_of_service", "service_date")
_BOM = b"\xef\xbb\xbf"
_UTF16_BOMS = (b"\xff\xfe", b"\xfe\xff")
_MAGIC = (b"%PDF-", b"PK\x03\x04", b"\x1f\x8b", b"{\\rtf", b"\xd0\xcf\x11\xe0", b"\x89PNG")
_CONTROL = bytes(byte for byte in range(32) if byte not in b"\t\n\v\f\r\x1b")


def read_text(path: str, _options: Options) -> Iterator[Found]:
    """The note of a ``.txt`` file; its id is the file's stem."""
    with open(path, "rb") as file:
        yield text_note(path, Path(path).stem, file.read(MAX_TEXT_BYTES + 1))


def read_jsonl(path: str, _options: Options) -> Iterator[Found]:
    """The notes of a ``.jsonl`` file: objects with ``id``, ``text`` and maybe ``service_date``."""
    with open(path, "rb") as file:
        yield from _records(path, file)


def text_note(source: str, note_id: str, data: bytes) -> Found:
    """The note that these bytes of a file or of standard input are."""
    where = place(source)
    if len(data) > MAX_TEXT_BYTES:
        return too_large(where, f"more than {MAX_CHARS:,} characters")
    wrong = binary(where, data)
    if wrong:
        return wrong
    text = _decode(where, data)
    if isinstance(text, InputError):
        return text
    return checked(Note(note_id, text, source))


def _records(path: str, file: BinaryIO) -> Iterator[Found]:
    number = 0
    offset = 0
    empty = True
    while data := file.readline(_MAX_LINE_BYTES + 1):
        number += 1
        start, offset = offset, offset + len(data)
        if number == 1:
            wrong = binary(path, data)
            if wrong:
                yield wrong
                return
        if len(data) > _MAX_LINE_BYTES and not data.endswith(b"\n"):
            while (rest := file.readline(_MAX_LINE_BYTES)) and not rest.endswith(b"\n"):
                offset += len(rest)
            offset += len(rest)
            yield too_large(place(path, number), f"more than {MAX_CHARS:,} characters")
            empty = False
            continue
        if not data.strip():
            continue
        empty = False
        yield _record(path, number, data, start)
    if empty:
        yield InputError("I005", path, "the file is empty", "give one JSON object per line")


def _record(path: str, number: int, data: bytes, start: int) -> Found:
    where = place(path, number)
    line = _decode(where, data, start, line=number)
    if isinstance(line, InputError):
        return line
    try:
        record = json.loads(line)
    except json.JSONDecodeError as error:
        problem = f"not valid JSON at column {error.colno} ({error.msg})"
        return InputError("I008", where, problem, "write one JSON object per line")
    except (ValueError, RecursionError):
        return InputError("I008", where, "not valid JSON", "write one JSON object per line")
    if not isinstance(record, dict):
        return InputError(
            "I009",
            where,
            "this line is JSON but not an object",
            'write {"id": "...", "text": "..."} on each line',
        )
    note_id = _record_id(record)
    if note_id is None:
        return InputError("I010", where, "no id", 'give the note an "id" (or "note_id") that is not empty')
    text = record.get("text")
    if not isinstance(text, str):
        problem = '"text" is missing' if "text" not in record else '"text" is not a string'
        return InputError(
            "I012", place(path, number, note_id), problem, 'give the note as a string in "text"'
        )
    served = next((record[name] for name in _SERVED if record.get(name) not in (None, "")), None)
    day = parse_date(served) if isinstance(served, str) else None
    if served is not None and day is None:
        problem = "the date of service is no day"
        return InputError("I061", place(path, number, note_id), problem, "write it like 2024-07-01")
    return checked(Note(note_id, text, path, number, served=day))


def _record_id(record: dict[str, Any]) -> str | None:
    for key in ("id", "note_id"):
        value = record.get(key)
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        if isinstance(value, str) and value.strip():
            return value
    return None


def binary(where: str, data: bytes) -> InputError | None:
    """The error of a file that is no text, or no UTF-8, by its first bytes."""
    head = data[:8192]
    if head.startswith(_UTF16_BOMS):
        return InputError(
            "I007",
            where,
            "the text is UTF-16, not UTF-8 (byte 0)",
            "convert it: iconv -f UTF-16 -t UTF-8 OLD > NEW",
        )
    odd = len(head) - len(head.translate(None, _CONTROL))
    if head.startswith(_MAGIC) or head.count(0) * 20 > len(head) or odd * 5 > len(head):
        return InputError(
            "I006",
            where,
            "a binary file, not text",
            "export the note as plain text (UTF-8) and give that file",
        )
    return None


def _decode(where: str, data: bytes, start: int = 0, line: int | None = None) -> str | InputError:
    skip = len(_BOM) if start == 0 and data.startswith(_BOM) else 0
    try:
        return data[skip:].decode("utf-8")
    except UnicodeDecodeError as error:
        at = error.start + skip
        place = where if line is not None else f"{where}:{data.count(10, 0, at) + 1}"
        return InputError(
            "I007",
            place,
            f"the text is not UTF-8 (byte {start + at} of the file)",
            "convert it, for example: iconv -f WINDOWS-1252 -t UTF-8 OLD > NEW",
        )
