"""Versions: what record systems send of one note, and the note that a coder has to read.

A record system sends a note more than once: as a draft, signed, corrected, with
an addendum in a message of its own. Coded is the newest signed version with its
addenda beneath it. What is left out is told, never dropped in silence.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Literal, Self

from extractor.errors import InputNotice
from extractor.readers.note import Found, Note, checked, place

ADDENDUM = "\n\nADDENDUM:\n"
"""What stands between a note and an addendum that came apart from it."""


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a note, as a record system sends it.

    Attributes
    ----------
    note_id
        Id of the note; versions of one note share it.
    text
        Its text.
    source, line
        Where it is, as in ``Note``.
    standing
        ``final`` where signed, ``preliminary`` where not, ``cancelled`` where the source
        takes the note back (entered in error).
    revision
        Sorts the versions of a note: of two texts of equal length the later one is newer.
        Equal revisions: the one that comes later in the source is newer.
    parent
        Id of the note that this one is an addendum to.
    replaces
        Id of the note that this one stands in for.
    """

    note_id: str
    text: str
    source: str
    line: int | None = None
    standing: Literal["final", "preliminary", "cancelled"] = "final"
    revision: str = ""
    parent: str | None = None
    replaces: str | None = None


class Versions:
    """Collects the versions of a source on disk, and gives the notes they come to.

    A source of any size costs no more memory than its longest note: versions wait in a
    temporary database that is gone with the process.

    Examples
    --------
    >>> with Versions() as versions:
    ...     versions.add(Version("a", "One plug, no, two.", "x.hl7", revision="2"))
    ...     versions.add(Version("a", "One plug.", "x.hl7", revision="1"))
    ...     versions.add(Version("b", "Correction: three.", "x.hl7", parent="a"))
    ...     for found in versions.notes():
    ...         print(found if isinstance(found, InputNotice) else found.text)
    [N001] x.hl7, note a: another version of this note is signed or newer; that one is read
    One plug, no, two.
    <BLANKLINE>
    ADDENDUM:
    Correction: three.
    """

    def __init__(self) -> None:
        self._base = sqlite3.connect("")  # a private file that SQLite deletes
        self._base.execute(
            "CREATE TABLE version (number INTEGER PRIMARY KEY, note_id TEXT, text TEXT, source TEXT, "
            "line INTEGER, standing TEXT, revision TEXT, parent TEXT, replaces TEXT)"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Delete what is kept."""
        self._base.close()

    def add(self, version: Version) -> None:
        """Keep one version."""
        self._base.execute(
            "INSERT INTO version (note_id, text, source, line, standing, revision, parent, replaces) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                version.note_id,
                version.text,
                version.source,
                version.line,
                version.standing,
                version.revision,
                version.parent,
                version.replaces,
            ),
        )

    def notes(self) -> Iterator[Found]:
        """The notes, in the order in which each was first seen, and a notice for each version left out.

        Addenda whose note is not there, or was taken back, come last, each as a note of its own.
        """
        for column in ("note_id", "parent", "replaces"):
            self._base.execute(f"CREATE INDEX IF NOT EXISTS by_{column} ON version ({column})")
        self._base.execute("CREATE TABLE IF NOT EXISTS told (note_id TEXT PRIMARY KEY)")
        ids = "SELECT note_id FROM version GROUP BY note_id ORDER BY min(number)"
        for roots in (True, False):
            with closing(self._base.execute(ids)) as rows:
                for (note_id,) in rows:
                    yield from self._note(note_id, roots)

    def _note(self, note_id: str, root: bool) -> Iterator[Found]:
        newest, *older = self._newest_first(note_id)
        if self._is_told(note_id) or (root and newest.parent is not None):
            return
        for version in older:
            yield _notice(
                "N001", version, "another version of this note is signed or newer", "that one is read"
            )
        self._tell(note_id)
        replacing = self._replacing(note_id)
        if newest.standing == "cancelled":
            yield _notice("N002", newest, "the source takes this note back", "it is not read")
        elif replacing:
            yield _notice("N001", newest, f"note {replacing} of this source replaces it", "that one is read")
        else:
            yield self._whole(newest, "final" if root else "addendum")

    def _whole(self, newest: Version, standing: Literal["final", "addendum"]) -> Found:
        """A version with the addenda to it, and to what it replaces, beneath it."""
        parts = [newest]
        waiting = [newest]
        while waiting:
            for version in self._addenda(waiting.pop(0)):
                self._tell(version.note_id)
                parts.append(version)
                waiting.append(version)
        draft = any(part.standing == "preliminary" for part in parts)
        text = ADDENDUM.join(part.text for part in parts)
        note = Note(newest.note_id, text, newest.source, newest.line, "preliminary" if draft else standing)
        return checked(note)

    def _addenda(self, note: Version) -> Iterator[Version]:
        for above in self._replaced(note):
            rows = self._base.execute(
                "SELECT note_id FROM version WHERE parent = ? GROUP BY note_id ORDER BY min(number)", (above,)
            )
            for (note_id,) in rows.fetchall():
                newest = self._newest_first(note_id)[0]
                if newest.standing != "cancelled" and not (
                    self._is_told(note_id) or self._replacing(note_id)
                ):
                    yield newest

    def _replaced(self, note: Version) -> list[str]:
        """Ids of a note and of all that it replaces, one after the other."""
        ids = [note.note_id]
        while note.replaces and note.replaces not in ids:
            ids.append(note.replaces)
            versions = self._newest_first(note.replaces)
            if not versions:
                break
            note = versions[0]
        return ids

    def _newest_first(self, note_id: str) -> list[Version]:
        """Versions of a note, drafts last."""
        rows = self._base.execute(
            "SELECT note_id, text, source, line, standing, revision, parent, replaces FROM version "
            "WHERE note_id = ? "
            "ORDER BY standing = 'preliminary', length(revision) DESC, revision DESC, number DESC",
            (note_id,),
        )
        return [Version(*row) for row in rows]

    def _replacing(self, note_id: str) -> str | None:
        row = self._base.execute(
            "SELECT note_id FROM version WHERE replaces = ? AND note_id != ? AND standing = 'final'",
            (note_id, note_id),
        ).fetchone()
        return None if row is None else str(row[0])

    def _is_told(self, note_id: str) -> bool:
        return self._base.execute("SELECT 1 FROM told WHERE note_id = ?", (note_id,)).fetchone() is not None

    def _tell(self, note_id: str) -> None:
        self._base.execute("INSERT OR IGNORE INTO told VALUES (?)", (note_id,))


def _notice(code: str, version: Version, problem: str, remedy: str) -> InputNotice:
    return InputNotice(code, place(version.source, version.line, version.note_id), problem, remedy)
