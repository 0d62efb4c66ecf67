"""What every reader makes: a note, or the error that it costs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Literal, overload

from extractor.errors import InputError, InputNotice

MAX_CHARS = 1_000_000
"""Longest note, in characters. The longest procedure notes have about 50,000."""

Standing = Literal["final", "preliminary", "addendum"]
"""What a source says of a note: signed, not signed yet, or an addendum whose note is not there."""


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
        Line of a ``.jsonl`` file or row of a table, counted from 1; ``None`` elsewhere.
    standing
        ``preliminary`` where the source says that the note is not signed, ``addendum``
        where it is one and the note it belongs to is not in the source; else ``final``.
    served
        The date of service, where the source tells it: when the procedure was done, never
        when the note was written.
    encounter
        Id of the encounter (visit) that it is of, where the source tells it.
    revision
        Sorts versions of the note, as in ``Version``: of two of equal length the later one
        is newer. Empty where the source does not tell.
    parent
        Id of the note that this one is an addendum to, which is not in the source.
    replaces
        Ids of the notes that this one stands in for.
    """

    note_id: str
    text: str
    source: str = ""
    line: int | None = None
    standing: Standing = "final"
    served: date | None = None
    encounter: str | None = None
    revision: str = field(default="", compare=False)
    parent: str | None = None
    replaces: tuple[str, ...] = ()


Found = Note | InputError
"""What a reader yields: a note, or what is wrong with one."""


def place(source: str, line: int | None = None, note_id: str | None = None) -> str:
    """Where an error is: file, line and note, as far as known.

    Examples
    --------
    >>> place("notes.jsonl", 3, "a-17")
    'notes.jsonl:3, note a-17'
    """
    found = "standard input" if source == "-" else source
    if line is not None:
        found += f":{line}"
    return found if note_id is None else f"{found}, note {note_id}"


def checked(note: Note) -> Found:
    """The note, or the error where no suggestion could be made for its text.

    Examples
    --------
    >>> checked(Note("a", " ", "a.txt"))
    InputError('[I005] a.txt: the note is empty; give a note with text, or leave it out')
    """
    source, line, note_id, text = note.source, note.line, note.note_id, note.text
    where = place(source, line, note_id if line is not None else None)
    if has_surrogate(note_id):
        return InputError(
            "I015", place(source, line), "the id holds half a character (a lone surrogate)", "correct the id"
        )
    if not text or text.isspace():
        return InputError("I005", where, "the note is empty", "give a note with text, or leave it out")
    if len(text) > MAX_CHARS:
        return too_large(where, f"{len(text):,} characters, more than {MAX_CHARS:,}")
    position = text.find("\0")
    if position >= 0:
        return InputError(
            "I014",
            where,
            f"a NUL character at offset {position}",
            "export the note again, or remove the NULs",
        )
    if has_surrogate(text):
        position = next(at for at, char in enumerate(text) if "\ud800" <= char <= "\udfff")
        return InputError(
            "I015",
            where,
            f"half a character (a lone surrogate) at offset {position}",
            "export the note again; an emoji or rare letter was cut in two",
        )
    return note


def too_large(where: str, size: str) -> InputError:
    """The error of a note that no pipeline should be given."""
    return InputError("I013", where, f"the note is too large: {size}", "split it into one note per procedure")


@overload
def dated(found: Iterable[Note], day: date | None) -> Iterator[Note]: ...
@overload
def dated(found: Iterable[Found], day: date | None) -> Iterator[Found]: ...
def dated(found: Iterable[Found], day: date | None) -> Iterator[Found]:
    """Notes with a date of service for those whose source tells none.

    Examples
    --------
    >>> notes = [Note("a", "One plug."), Note("b", "One plug.", served=date(2024, 8, 1))]
    >>> [str(note.served) for note in dated(notes, date(2024, 7, 1))]
    ['2024-07-01', '2024-08-01']
    """
    for one in found:
        if day is not None and isinstance(one, Note) and one.served is None:
            yield replace(one, served=day)
        else:
            yield one


def undated(where: str, problem: str) -> InputNotice:
    """The notice of a note that is read without the date of service that its source means to tell."""
    remedy = "the note is read without it; write it like 2024-07-01, or give --service-date"
    return InputNotice("N023", where, problem, remedy)


def not_kept(where: str, error: Exception) -> InputError:
    """The error of a source whose pieces wait on disk until all of it has been read, where they cannot."""
    problem = f"what is read cannot be kept on disk until all is read ({type(error).__name__})"
    remedy = "make room in the temporary folder, or name another one in SQLITE_TMPDIR"
    return InputError("I049", where, problem, remedy)


def has_surrogate(text: str) -> bool:
    """Whether a text holds half a character, as one whose bytes could not be decoded does."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return True
    return False
