"""Sources: which reader reads what, over files, folders, databases and standard input."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from importlib import import_module
from pathlib import Path

from extractor.errors import InputError
from extractor.readers.note import Found, Note, place
from extractor.readers.options import Options
from extractor.readers.plain import MAX_TEXT_BYTES, text_note
from extractor.readers.versions import Version, Versions

Reader = Callable[[str, Options], Iterator[Found | Version]]
"""Reads one file or URL: notes that are whole, versions that may have others beside them, errors."""

# Imported when first needed: a text file waits for no PDF library.
_READERS = {
    ".txt": "plain:read_text",
    ".jsonl": "content:read_lines",
    ".ndjson": "content:read_lines",
    ".json": "content:read_json",
    ".csv": "delimited:read_csv",
    ".tsv": "delimited:read_tsv",
    ".parquet": "parquet:read_parquet",
    ".hl7": "hl7v2:read_hl7",
    ".xml": "ccda:read_xml",
    ".rtf": "document:read_document",
    ".docx": "document:read_document",
    ".pdf": "document:read_document",
    ".html": "document:read_document",
    ".htm": "document:read_document",
}
_DATABASE = "database:read_database"
SUFFIXES = tuple(_READERS)
"""Ends of the names of files that can be read; a folder is searched for them."""


def read(
    paths: Iterable[str | Path],
    on_error: Callable[[InputError], None],
    options: Options | None = None,
) -> Iterator[Note]:
    r"""Yield the notes of all sources, in order, one at a time; of two with one id the first.

    It needs memory for every id; see ``read_all`` for a source of any size.

    Parameters
    ----------
    paths
        Files, folders (all files in them and below whose kind is known, sorted by path,
        hidden ones left out), the URL of a database (``postgresql://host/database``, with
        a query in the options), or ``-`` for one note from standard input.
    on_error
        Called with each thing that cannot be read; reading goes on after it. An
        ``InputNotice`` tells of something that was left out as it should.
    options
        Names of columns and fields, where the guesses do not fit, and the query of a database.

    Yields
    ------
    Note
        Each with its id, text and place.

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
    for found in read_all(paths, options):
        if isinstance(found, InputError):
            on_error(found)
            continue
        if found.note_id in first_seen:
            on_error(repeated(found, first_seen[found.note_id]))
            continue
        first_seen[found.note_id] = place(found.source, found.line)
        yield found


def read_all(paths: Iterable[str | Path], options: Options | None = None) -> Iterator[Found]:
    """Notes and errors as they come, also notes that repeat an id; see ``read``."""
    for path in paths:
        yield from _whole(_source(str(path), options or Options()))


def repeated(note: Note, first: str) -> InputError:
    """The error of a note whose id another one has already, which is at ``first``."""
    return InputError(
        "I011",
        place(note.source, note.line, note.note_id),
        f"this note id was already used in {first}",
        "the first note was kept; give this one another id",
    )


def _whole(found: Iterable[Found | Version]) -> Iterator[Found]:
    """Notes as they come, and after them those that had to be put together from versions."""
    versions: Versions | None = None
    try:
        for one in found:
            if isinstance(one, Version):
                versions = versions or Versions()
                versions.add(one)
            else:
                yield one
        if versions:
            yield from versions.notes()
    finally:
        if versions:
            versions.close()


def _source(path: str, options: Options) -> Iterator[Found | Version]:
    if path == "-":
        yield text_note("-", "stdin", sys.stdin.buffer.read(MAX_TEXT_BYTES + 1))
    elif "://" in path:
        yield from _reader(_DATABASE)(path, options)
    elif os.path.isdir(path):
        yield from _folder(path, options)
    elif not os.path.lexists(path):
        yield InputError("I001", path, "no such file or folder", "check the path")
    elif not path.lower().endswith(SUFFIXES):
        yield InputError(
            "I003",
            path,
            "not a kind of file that can be read",
            f"give a file of these kinds: {' '.join(SUFFIXES)}; a folder of them, or - for standard input",
        )
    else:
        yield from _file(path, options)


def _folder(path: str, options: Options) -> Iterator[Found | Version]:
    empty = True
    for file in _files(path):
        empty = False
        if isinstance(file, InputError):
            yield file
        else:
            yield from _file(file, options)
    if empty:
        kinds = " ".join(SUFFIXES)
        remedy = f"check the path; kinds: {kinds}"
        yield InputError("I004", path, "no file in this folder that can be read", remedy)


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
        elif entry.name.lower().endswith(SUFFIXES) and not entry.is_dir():
            yield entry.path


def _file(path: str, options: Options) -> Iterator[Found | Version]:
    suffix = next(suffix for suffix in SUFFIXES if path.lower().endswith(suffix))
    try:
        yield from _reader(_READERS[suffix])(path, options)
    except OSError as error:
        yield _unreadable(path, error)


@cache
def _reader(name: str) -> Reader:
    module, function = name.split(":")
    reader: Reader = getattr(import_module(f"extractor.readers.{module}"), function)
    return reader


def _unreadable(path: str, error: OSError) -> InputError:
    problem = f"cannot be read ({error.strerror or type(error).__name__})"
    return InputError("I002", path, problem, "check that it is a file and that you may read it")
