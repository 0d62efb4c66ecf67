"""Seen: which notes have been read already, on disk, for a source of any size."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

from extractor.readers.note import place

_DIGEST = 16  # bytes: no two ids of any source will ever share one
_CACHE_KB = 65_536


@dataclass(frozen=True, slots=True)
class Before:
    """What was read before under the id of a note.

    Attributes
    ----------
    same
        Whether the text was the same too.
    where
        Its place.
    """

    same: bool
    where: str


class Seen:
    """Ids and texts of the notes read so far, as digests in a temporary database of its own.

    Examples
    --------
    >>> seen = Seen()
    >>> one, other = bytes(32), bytes([1] * 32)
    >>> seen.add(["a", "b", "a"], [one, one, other], ["x.jsonl"] * 3, [1, 2, 3])
    {2: Before(same=False, where='x.jsonl:1')}
    >>> seen.add(["b"], [one], ["x.jsonl"], [4])
    {0: Before(same=True, where='x.jsonl:2')}
    >>> seen.close()
    """

    def __init__(self) -> None:
        self._base = sqlite3.connect("", isolation_level=None)  # a private file that SQLite deletes
        # What it holds can be read again from the source: it need not survive anything.
        for setting in ("journal_mode = OFF", "synchronous = OFF", f"cache_size = -{_CACHE_KB}"):
            self._base.execute(f"PRAGMA {setting}")
        self._base.execute(
            "CREATE TABLE note (id BLOB PRIMARY KEY, number INTEGER, text BLOB, source INTEGER, "
            "line INTEGER) WITHOUT ROWID"
        )
        self._base.execute("CREATE TABLE source (number INTEGER PRIMARY KEY, name TEXT)")
        self._source: tuple[str | None, int] = (None, 0)
        self._count = 0

    def close(self) -> None:
        """Delete what is kept."""
        self._base.close()

    def add(
        self,
        ids: Sequence[str],
        texts: Sequence[bytes],
        sources: Sequence[str],
        lines: Sequence[int | None],
    ) -> dict[int, Before]:
        """Add notes in their order; gives those that repeat an id, by their place in ``ids``.

        ``texts`` are digests of the texts.
        """
        keys = [blake2b(note_id.encode(), digest_size=_DIGEST).digest() for note_id in ids]
        first = self._count
        self._count += len(ids)
        self._base.execute("BEGIN")
        numbers = self._numbers(sources)
        values = zip(keys, range(first, self._count), texts, numbers, lines, strict=True)
        before = self._base.total_changes
        # In the order of the keys, which is that of the pages: each is looked at once.
        self._base.executemany("INSERT OR IGNORE INTO note VALUES (?, ?, ?, ?, ?)", sorted(values))
        added = self._base.total_changes - before
        repeated = {} if added == len(ids) else self._repeated(keys, texts, first)
        self._base.execute("COMMIT")
        return repeated

    def _numbers(self, sources: Sequence[str]) -> list[int]:
        """A number for each source; notes of one source come one after the other."""
        numbers = []
        for name in sources:
            if name != self._source[0]:
                self._source = (name, self._source[1] + 1)
                self._base.execute("INSERT INTO source VALUES (?, ?)", (self._source[1], name))
            numbers.append(self._source[1])
        return numbers

    def _repeated(self, keys: list[bytes], texts: Sequence[bytes], first: int) -> dict[int, Before]:
        found = {}
        for i, key in enumerate(keys):
            number, text, source, line = self._base.execute(
                "SELECT note.number, text, name, line FROM note JOIN source ON source = source.number "
                "WHERE id = ?",
                (key,),
            ).fetchone()
            if number != first + i:
                found[i] = Before(text == texts[i], place(source, line))
        return found
