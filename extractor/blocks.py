"""Blocks: what the sources hold, read in order and cut into pieces of bounded size.

A block ends after so many notes, so much text, or so many notes to code, whichever
comes first: it depends on the sources and the rules alone, never on time or workers.
A block that an earlier run has done is read again, by its length, without the screen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from hashlib import blake2b, sha256
from typing import NamedTuple

from extractor.errors import InputError, InputNotice
from extractor.readers import Found, Standing
from extractor.readers.note import place
from extractor.seen import Before, Seen

Screen = Callable[[str], bool]
"""Whether a text may concern a closure, so that it has to be coded."""


class Limits(NamedTuple):
    """Where a block ends.

    Attributes
    ----------
    notes
        Most notes and errors.
    chars
        Characters of text, reached by its last note.
    candidates
        Most notes to code: seconds of work, which is what a run loses when it is stopped.
    """

    notes: int = 4_096
    chars: int = 8_000_000
    candidates: int = 64


class Candidate(NamedTuple):
    """A note that has to be coded."""

    text: str
    note_id: str
    standing: Standing
    served: date | None = None


@dataclass(slots=True)
class Block:
    """A piece of the sources.

    Attributes
    ----------
    number
        Its place among the blocks.
    length
        Notes and errors read for it.
    digest
        Of all that was read for it, to notice a source that has changed.
    size
        Bytes of text.
    ids, sources, lines, digests, days
        A value for each note; digests are SHA-256 of the text, days the dates of service.
    candidates
        Notes to code, by row.
    left_out
        Rows of notes without a result: they repeat another one, or failed.
    errors
        What is to be told, each with the row it stands before or belongs to.
    """

    number: int
    length: int = 0
    digest: str = ""
    size: int = 0
    ids: list[str] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)
    lines: list[int | None] = field(default_factory=list)
    digests: list[bytes] = field(default_factory=list)
    days: list[str] = field(default_factory=list)
    candidates: dict[int, Candidate] = field(default_factory=dict)
    left_out: set[int] = field(default_factory=set)
    errors: list[tuple[int, InputError]] = field(default_factory=list)

    def add(self, found: Found, screen: Screen | None) -> None:
        """Add a note or an error; the note is a candidate where it passes the screen."""
        self.length += 1
        row = len(self.ids)
        if isinstance(found, InputError):
            self.errors.append((row, found))
            return
        data = found.text.encode()
        self.size += len(data)
        self.ids.append(found.note_id)
        self.sources.append(found.source)
        self.lines.append(found.line)
        self.digests.append(sha256(data).digest())
        self.days.append(found.served.isoformat() if found.served else "")
        if screen is not None and screen(found.text):
            self.candidates[row] = Candidate(found.text, found.note_id, found.standing, found.served)

    def is_full(self, limits: Limits) -> bool:
        """Whether it ends here."""
        return (
            self.length >= limits.notes
            or self.size >= limits.chars
            or len(self.candidates) >= limits.candidates
        )

    def close(self, seen: Seen) -> None:
        """Leave out the notes that were read before, and take the digest."""
        digest = blake2b(digest_size=16)
        digest.update(repr(self.days).encode())
        digest.update(repr((self.ids, [(row, str(error)) for row, error in self.errors])).encode())
        digest.update(b"".join(self.digests))
        self.digest = digest.hexdigest()
        for row, before in seen.add(self.ids, self.digests, self.sources, self.lines).items():
            self.left_out.add(row)
            self.candidates.pop(row, None)
            where = place(self.sources[row], self.lines[row], self.ids[row])
            self.errors.append((row, _repeated(where, before)))

    def fail(self, row: int, code: str, problem: str, remedy: str) -> None:
        """Leave out a note that could not be coded."""
        where = place(self.sources[row], self.lines[row], self.ids[row])
        self.left_out.add(row)
        self.errors.append((row, InputError(code, where, problem, remedy)))


def cut(
    found: Iterable[Found],
    seen: Seen,
    screen: Screen,
    length_of: Callable[[int], int | None],
    limits: Limits,
) -> Iterator[Block]:
    """Cut what a reader yields into blocks.

    Parameters
    ----------
    found
        Notes and errors.
    seen
        Where the notes read are kept.
    screen
        What decides which notes have to be coded.
    length_of
        The length of a block that is done already, which is only counted; else ``None``.
    limits
        Where other blocks end.

    Examples
    --------
    >>> from extractor.readers import Note
    >>> notes = [Note(str(n), f"text {n}") for n in range(5)]
    >>> found = cut(notes, Seen(), lambda text: True, lambda number: None, Limits(notes=2))
    >>> [block.ids for block in found]
    [['0', '1'], ['2', '3'], ['4']]
    """
    block = Block(0)
    length = length_of(0)
    for one in found:
        block.add(one, screen if length is None else None)
        if block.is_full(limits) if length is None else block.length >= length:
            block.close(seen)
            yield block
            block = Block(block.number + 1)
            length = length_of(block.number)
    if block.length or length is not None:
        block.close(seen)
        yield block


def _repeated(where: str, before: Before) -> InputError:
    if before.same:
        problem = f"this note was already read in {before.where}"
        return InputNotice("B005", where, problem, "it is coded once")
    return InputError(
        "I011",
        where,
        f"this note id was already used in {before.where}",
        "the first note was kept; give this one another id",
    )
