"""Plain text and JSON lines: a file is a note, or each of its lines is one.

A byte order mark at the start of a file is taken off; line ends stay as they are.
"""

from __future__ import annotations

import json
import re
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any, BinaryIO

from extractor.dates import NoDayError, told_day
from extractor.errors import InputError
from extractor.readers.columns import Columns, choose
from extractor.readers.note import MAX_CHARS, Found, Note, checked, place, too_large, undated
from extractor.readers.options import Options

# UTF-8 needs at most 4 bytes per character, a JSON escape at most 12.
MAX_TEXT_BYTES = 4 * MAX_CHARS + 3
_MAX_LINE_BYTES = 12 * MAX_CHARS + 65_536

_HEAD = 8192
_UTF16_BOMS = (BOM_UTF16_LE, BOM_UTF16_BE)
_ID = ("id", "note_id")
_ENCOUNTER = ("encounter", "encounter_id")
_SERVED = ("date_of_service", "service_date", "dos", "date_of_procedure", "procedure_date")
_MAGIC = (b"%PDF-", b"PK\x03\x04", b"\x1f\x8b", b"{\\rtf", b"\xd0\xcf\x11\xe0", b"\x89PNG")
_OTHERS = (
    (re.compile(rb"\x0b?(?:MSH|FHS|BHS)\|"), "HL7 v2", ".hl7"),
    (re.compile(rb"[\[{][^\n]{0,2000}\"resourceType\"", re.S), "FHIR", ".json"),
    (re.compile(rb"<\?xml|<ClinicalDocument\b"), "XML", ".xml"),
    (re.compile(rb"<!doctype html|<html\b", re.I), "HTML", ".html"),
    (re.compile(rb"\{\s*\"(?:note_)?id\"\s*:"), "JSON", ".jsonl"),
)
_NO_JSON = ("I007", "I008")
_CONTROL = bytes(byte for byte in range(32) if byte not in b"\t\n\v\f\r\x1b")


def read_text(path: str, _options: Options) -> Iterator[Found]:
    """The note of a ``.txt`` file; its id is the file's stem."""
    with open(path, "rb") as file:
        yield text_note(path, Path(path).stem, file.read(MAX_TEXT_BYTES + 1))


def read_jsonl(path: str, _options: Options) -> Iterator[Found]:
    """The notes of a ``.jsonl`` file: objects with ``id`` or ``note_id`` and ``text``.

    They may have ``service_date`` and ``encounter`` (or ``encounter_id``) too.

    Lines next to each other that are no JSON are told as one.
    """
    run: list[InputError] = []  # the first of those lines
    last = 0
    with open(path, "rb") as file:
        for number, found in _records(path, file):
            if isinstance(found, InputError) and found.code in _NO_JSON:
                run, last = run or [found], number
                continue
            yield from _told(run, last)
            run = []
            yield found
    yield from _told(run, last)


def _told(run: list[InputError], last: int) -> Iterator[InputError]:
    """The error of lines that are no JSON, by the first and the last of them."""
    for first in run:
        alone = first.where.endswith(f":{last}")
        until = "" if alone else f" (and so on, until line {last})"
        yield InputError(first.code, first.where, first.problem + until, first.remedy)


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
    return _other_kind(where, data, text) or checked(Note(note_id, text, source))


def _other_kind(where: str, data: bytes, text: str) -> InputError | None:
    """The error of what is plain text only by its name: its notes would not be told apart."""
    head = data[:_HEAD].removeprefix(BOM_UTF8).lstrip(b" \t\r\n")
    found = next(((kind, suffix) for begins, kind, suffix in _OTHERS if begins.match(head)), None)
    kind, suffix = found or (("a table", ".csv") if _is_table(text) else ("", ""))
    if not kind:
        return None
    return InputError(
        "I019",
        where,
        f"no plain text but {kind}, by its first line",
        f"give it as a file with the suffix {suffix}",
    )


def _is_table(text: str) -> bool:
    """Whether the first line names columns with the id and the text of notes, and the next one has them."""
    lines = [line for line in text[:_HEAD].splitlines() if line.strip()][:2]
    if len(lines) < 2:
        return False
    for delimiter in "\t|,;":
        names = [name.strip().strip('"') for name in lines[0].split(delimiter)]
        columns = len(names) > 1 and choose("", names, Options())
        if isinstance(columns, Columns) and lines[1].count(delimiter) >= columns.text:
            return True
    return False


def _records(path: str, file: BinaryIO) -> Iterator[tuple[int, Found]]:
    """Each line that is not blank: its number, and the note or the error that it is."""
    number = 0
    offset = 0
    empty = True
    while data := file.readline(_MAX_LINE_BYTES + 1):
        number += 1
        start, offset = offset, offset + len(data)
        if number == 1:
            wrong = binary(path, data)
            if wrong:
                yield number, wrong
                return
        if len(data) > _MAX_LINE_BYTES and not data.endswith(b"\n"):
            while (rest := file.readline(_MAX_LINE_BYTES)) and not rest.endswith(b"\n"):
                offset += len(rest)
            offset += len(rest)
            yield number, too_large(place(path, number), f"more than {MAX_CHARS:,} characters")
            empty = False
            continue
        if not data.strip():
            continue
        empty = False
        for found in _record(path, number, data, start):
            yield number, found
    if empty:
        yield number, InputError("I005", path, "the file is empty", "give one JSON object per line")


def _record(path: str, number: int, data: bytes, start: int) -> Iterator[Found]:
    """The note of a line or its error, behind what is to be told of it."""
    record = _object(path, number, data, start)
    if isinstance(record, InputError):
        yield record
        return
    note_id = _first_id(record, _ID)
    if note_id is None:
        remedy = 'give the note an "id" (or "note_id") that is not empty'
        yield InputError("I010", place(path, number), "no id", remedy)
        return
    where = place(path, number, note_id)
    text = record.get("text")
    if not isinstance(text, str):
        problem = '"text" is missing' if "text" not in record else '"text" is not a string'
        yield InputError("I012", where, problem, 'give the note as a string in "text"')
        return
    served = None
    try:
        served = _served(record)
    except NoDayError as error:
        yield undated(where, str(error))
    encounter = _first_id(record, _ENCOUNTER)
    yield checked(Note(note_id, text, path, number, served=served, encounter=encounter))


def _object(path: str, number: int, data: bytes, start: int) -> dict[str, Any] | InputError:
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
        problem, remedy = (
            "this line is JSON but not an object",
            'write {"id": "...", "text": "..."} on each line',
        )
        return InputError("I009", where, problem, remedy)
    return record


def _served(record: dict[str, Any]) -> date | None:
    """The date of service of a record, by the first of its names that has a value."""
    value = next((record[name] for name in _SERVED if record.get(name) not in (None, "")), "")
    return told_day(str(value))


def _first_id(record: dict[str, Any], keys: tuple[str, ...]) -> str | None:
    """The first of some fields that holds an id."""
    for key in keys:
        value = record.get(key)
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        if isinstance(value, str) and value.strip():
            return value
    return None


def binary(where: str, data: bytes) -> InputError | None:
    """The error of a file that is no text, or no UTF-8, by its first bytes."""
    head = data[:_HEAD]
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
            "export it as text (UTF-8), or give it the suffix of its kind",
        )
    return None


def _decode(where: str, data: bytes, start: int = 0, line: int | None = None) -> str | InputError:
    skip = len(BOM_UTF8) if start == 0 and data.startswith(BOM_UTF8) else 0
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
