"""Sources: which reader reads what, over files, folders, databases and standard input."""

from __future__ import annotations

import os
import re
import sqlite3
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from importlib import import_module
from pathlib import Path

from extractor.errors import InputError, InputNotice
from extractor.readers.address import shown
from extractor.readers.note import Found, Note, has_surrogate, not_kept, place
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
# Hidden, or what Word and LibreOffice put beside a document that is open.
_NO_NOTES = (".", "~$")
_KINDS_SHOWN = 6
SUFFIXES = tuple(_READERS)
"""Ends of the names of files that can be read; a folder is searched for them."""


def read(
    paths: str | Path | Iterable[str | Path],
    on_error: Callable[[InputError], None],
    options: Options | None = None,
) -> Iterator[Note]:
    r"""Yield the notes of all sources, in order, one at a time; of two with one id the first.

    It needs memory for every id; see ``read_all`` for a source of any size.

    Parameters
    ----------
    paths
        One source or several: files, folders (all files in them and below whose kind is known, sorted
        by path; others are told, hidden ones are not), the URL of a database (``postgresql://host/database``,
        with a query in the options), or ``-`` for one note from standard input.
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


def read_all(paths: str | Path | Iterable[str | Path], options: Options | None = None) -> Iterator[Found]:
    """Notes and errors as they come, also notes that repeat an id; see ``read``."""
    given = [str(path) for path in ([paths] if isinstance(paths, str | Path) else paths)]
    options = options or Options()
    if options.query and not any("://" in path for path in given):
        problem = "a query, and no database to ask"
        yield InputError("I029", "query", problem, "give the URL of the database as a source too")
    for path in given:
        yield from _whole(shown(path), _source(path, options))


def repeated(note: Note, first: str) -> InputError:
    """The error of a note whose id another one has already, which is at ``first``."""
    return InputError(
        "I011",
        place(note.source, note.line, note.note_id),
        f"this note id was already used in {first}",
        "the first note was kept; give this one another id",
    )


def _whole(source: str, found: Iterable[Found | Version]) -> Iterator[Found]:
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
    except sqlite3.Error as error:
        yield not_kept(source, error)
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
        yield InputError("I001", shown(path), "no such file or folder", "check the path")
    elif not path.lower().endswith(SUFFIXES):
        yield InputError(
            "I003",
            shown(path),
            "not a kind of file that can be read",
            f"give a file of these kinds: {' '.join(SUFFIXES)}; a folder of them, the URL of a database, "
            "or - for standard input",
        )
    else:
        yield from _file(path, options)


def _folder(path: str, options: Options) -> Iterator[Found | Version]:
    empty = True
    others: Counter[str] = Counter()
    for file in _files(path, others):
        empty = False
        if isinstance(file, InputError):
            yield file
        else:
            yield from _file(file, options)
    if empty:
        kinds = " ".join(SUFFIXES)
        remedy = f"check the path; kinds: {kinds}"
        yield InputError("I004", shown(path), "no file in this folder that can be read", remedy)
    if others:
        kinds = ", ".join(f"{count} {kind}" for kind, count in others.most_common(_KINDS_SHOWN))
        more = ", and more" if len(others) > _KINDS_SHOWN else ""
        problem = f"left out, as they are of no kind that can be read: {kinds}{more}"
        yield InputNotice(
            "N003", shown(path), problem, "if any of them holds a note, export it as one of the kinds"
        )


def _files(folder: str, others: Counter[str]) -> Iterator[str | InputError]:
    """The files to read in a folder and below it; what else is there is counted by its kind."""
    try:
        with os.scandir(folder) as scan:
            entries = sorted(scan, key=lambda entry: entry.name)
    except OSError as error:
        yield _unreadable(folder, error)
        return
    for entry in entries:
        if entry.name.startswith(_NO_NOTES):
            continue
        try:
            yield from _entry(entry, others)
        except OSError as error:  # a link in circles, or into a folder that may not be entered
            yield _unreadable(entry.path, error)


def _entry(entry: os.DirEntry[str], others: Counter[str]) -> Iterator[str | InputError]:
    if entry.is_dir(follow_symlinks=False):
        yield from _files(entry.path, others)
    elif entry.is_dir():
        others["links to folders"] += 1
    elif not entry.name.lower().endswith(SUFFIXES):
        others[_kind(entry.name)] += 1
    elif entry.is_file() or not os.path.exists(entry.path):
        yield entry.path
    else:  # opening a pipe would wait for ever
        yield InputError("I002", shown(entry.path), "cannot be read (no regular file)", "save it as a file")


def _kind(name: str) -> str:
    """The suffix of a file name; where it may be part of the name it is not shown."""
    suffix = os.path.splitext(name)[1].lower()
    return suffix if re.fullmatch(r"\.[a-z0-9]{1,5}", suffix) else "others"


def _file(path: str, options: Options) -> Iterator[Found | Version]:
    if has_surrogate(path):
        yield InputError("I015", shown(path), "the name of the file is not in UTF-8", "give it another name")
        return
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
    return InputError("I002", shown(path), problem, "check that it is a file and that you may read it")
