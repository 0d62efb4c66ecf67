"""Read notes from files, folders, JSON lines and standard input.

A reader hands out notes one at a time and never changes a character of them:
line ends stay as they are. Only a UTF-8 byte order mark at the start of a file
is taken off, and offsets refer to the text after it. What cannot be read
becomes an ``InputError`` that costs that note only. No message quotes a note.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from extractor.errors import InputError

MAX_CHARS = 1_000_000
"""Longest note, in characters. The longest procedure notes have about 50,000."""

# UTF-8 needs at most 4 bytes per character, a JSON escape at most 12.
_MAX_TEXT_BYTES = 4 * MAX_CHARS + 3
_MAX_LINE_BYTES = 12 * MAX_CHARS + 65_536

_BOM = b"\xef\xbb\xbf"
_UTF16_BOMS = (b"\xff\xfe", b"\xfe\xff")
_MAGIC = (b"%PDF-", b"PK\x03\x04", b"\x1f\x8b", b"{\\rtf", b"\xd0\xcf\x11\xe0", b"\x89PNG")
_CONTROL = bytes(byte for byte in range(32) if byte not in b"\t\n\v\f\r\x1b")
_SUFFIXES = (".txt", ".jsonl")


@dataclass(frozen=True, slots=True)
class Note:
    """One note and where it came from.

    Attributes
    ----------
    note_id
        Id of the note: the file's stem, the record's id, or ``stdin``.
    text
        The note as given; every offset of a suggestion refers to it.
    source
        Path as given by the user, ``-`` for standard input.
    line
        Line of a ``.jsonl`` file, counted from 1; ``None`` elsewhere.
    """

    note_id: str
    text: str
    source: str = ""
    line: int | None = None


def read(paths: Iterable[str | Path], on_error: Callable[[InputError], None]) -> Iterator[Note]:
    r"""Yield the notes of all sources, in order, one at a time.

    Parameters
    ----------
    paths
        ``.txt`` files (one note, its id is the file's stem), ``.jsonl`` files (one
        object per line with ``id`` or ``note_id``, and ``text``), folders (all such
        files in them and below, sorted by path, hidden ones left out), or ``-`` for
        one note from standard input.
    on_error
        Called with each thing that cannot be read; reading goes on after it.

    Yields
    ------
    Note
        Notes with unique ids: of two notes with one id, the first is kept.

    Examples
    --------
    >>> import tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = Path(folder.name) / "letter.txt"
    >>> _ = path.write_bytes(b"Dear colleague,\r\n")
    >>> [(note.note_id, note.text) for note in read([path], on_error=print)]
    [('letter', 'Dear colleague,\r\n')]
    >>> folder.cleanup()
    """
    first_seen: dict[str, str] = {}
    for path in paths:
        for found in _source(str(path)):
            if isinstance(found, InputError):
                on_error(found)
                continue
            where = _where(found.source, found.line)
            if found.note_id in first_seen:
                on_error(
                    InputError(
                        "I011",
                        _where(found.source, found.line, found.note_id),
                        f"this note id was already used in {first_seen[found.note_id]}",
                        "the first note was kept; give this one another id",
                    )
                )
                continue
            first_seen[found.note_id] = where
            yield found


def _where(source: str, line: int | None = None, note_id: str | None = None) -> str:
    place = "standard input" if source == "-" else source
    if line is not None:
        place += f":{line}"
    return place if note_id is None else f"{place}, note {note_id}"


def _source(path: str) -> Iterator[Note | InputError]:
    if path == "-":
        yield _text_note("-", "stdin", sys.stdin.buffer.read(_MAX_TEXT_BYTES + 1))
    elif os.path.isdir(path):
        yield from _folder(path)
    elif not os.path.lexists(path):
        yield InputError("I001", path, "no such file or folder", "check the path")
    elif not path.lower().endswith(_SUFFIXES):
        yield InputError(
            "I003",
            path,
            "not a kind of file that can be read",
            "give a .txt file, a .jsonl file, a folder of them, or - for standard input",
        )
    else:
        yield from _file(path)


def _folder(path: str) -> Iterator[Note | InputError]:
    empty = True
    for file in _files(path):
        empty = False
        if isinstance(file, InputError):
            yield file
        else:
            yield from _file(file)
    if empty:
        yield InputError("I004", path, "no .txt or .jsonl file in this folder", "check the path")


def _files(folder: str) -> Iterator[str | InputError]:
    try:
        with os.scandir(folder) as scan:
            entries = sorted(scan, key=lambda entry: entry.name)
    except OSError as error:
        yield _unreadable(folder, error)
        return
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _files(entry.path)
        elif entry.name.lower().endswith(_SUFFIXES) and not entry.is_dir():
            yield entry.path


def _file(path: str) -> Iterator[Note | InputError]:
    try:
        with open(path, "rb") as file:
            if path.lower().endswith(".jsonl"):
                yield from _records(path, file)
            else:
                yield _text_note(path, Path(path).stem, file.read(_MAX_TEXT_BYTES + 1))
    except OSError as error:
        yield _unreadable(path, error)


def _unreadable(path: str, error: OSError) -> InputError:
    problem = f"cannot be read ({error.strerror or type(error).__name__})"
    return InputError("I002", path, problem, "check that it is a file and that you may read it")


def _text_note(source: str, note_id: str, data: bytes) -> Note | InputError:
    where = _where(source)
    if len(data) > _MAX_TEXT_BYTES:
        return _too_large(where, f"more than {MAX_CHARS:,} characters")
    binary = _binary(where, data)
    if binary:
        return binary
    text = _decode(where, data)
    if isinstance(text, InputError):
        return text
    return _note(source, None, note_id, text)


def _records(path: str, file: BinaryIO) -> Iterator[Note | InputError]:
    number = 0
    offset = 0
    empty = True
    while data := file.readline(_MAX_LINE_BYTES + 1):
        number += 1
        start, offset = offset, offset + len(data)
        if number == 1:
            binary = _binary(path, data)
            if binary:
                yield binary
                return
        if len(data) > _MAX_LINE_BYTES and not data.endswith(b"\n"):
            while (rest := file.readline(_MAX_LINE_BYTES)) and not rest.endswith(b"\n"):
                offset += len(rest)
            offset += len(rest)
            yield _too_large(_where(path, number), f"more than {MAX_CHARS:,} characters")
            empty = False
            continue
        if not data.strip():
            continue
        empty = False
        yield _record(path, number, data, start)
    if empty:
        yield InputError("I005", path, "the file is empty", "give one JSON object per line")


def _record(path: str, number: int, data: bytes, start: int) -> Note | InputError:
    where = _where(path, number)
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
            "I012", _where(path, number, note_id), problem, 'give the note as a string in "text"'
        )
    return _note(path, number, note_id, text)


def _record_id(record: dict[str, Any]) -> str | None:
    for key in ("id", "note_id"):
        value = record.get(key)
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        if isinstance(value, str) and value.strip():
            return value
    return None


def _note(source: str, line: int | None, note_id: str, text: str) -> Note | InputError:
    where = _where(source, line, note_id if line is not None else None)
    if _has_surrogate(note_id):
        return InputError(
            "I015", _where(source, line), "the id holds half a character (a lone surrogate)", "correct the id"
        )
    if not text or text.isspace():
        return InputError("I005", where, "the note is empty", "give a note with text, or leave it out")
    if len(text) > MAX_CHARS:
        return _too_large(where, f"{len(text):,} characters, more than {MAX_CHARS:,}")
    position = text.find("\0")
    if position >= 0:
        return InputError(
            "I014",
            where,
            f"a NUL character at offset {position}",
            "export the note again, or remove the NULs",
        )
    if _has_surrogate(text):
        position = next(at for at, char in enumerate(text) if "\ud800" <= char <= "\udfff")
        return InputError(
            "I015",
            where,
            f"half a character (a lone surrogate) at offset {position}",
            "export the note again; an emoji or rare letter was cut in two",
        )
    return Note(note_id, text, source, line)


def _too_large(where: str, size: str) -> InputError:
    return InputError("I013", where, f"the note is too large: {size}", "split it into one note per procedure")


def _has_surrogate(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return True
    return False


def _binary(where: str, data: bytes) -> InputError | None:
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
