"""Versions: what record systems send of one note, and the note that a coder has to read.

A record system sends a note more than once: as a draft, signed, corrected, with
an addendum in a message of its own. Coded is the newest signed version with its
addenda beneath it. What is left out is told, never dropped in silence.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Literal, Self

from extractor.errors import InputError, InputNotice
from extractor.readers.attachment import told_once
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
        Its text; ``None`` where the source tells of its standing only ("now signed") and
        means the text that it sent before.
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
    alias
        Another id by which addenda and replacements may name this version.
    name
        The id that the note gets, where ``note_id`` holds more to tell it from others.
    unreadable
        Why its text cannot be read. It costs the note that it is the newest version of,
        or an addendum to: without it that note would not be whole.
    tied
        An equal revision in another file of the source says nothing of which is newer.
    served
        The date of service, where the source tells it with this version.
    encounter
        Id of the encounter, where the source tells it with this version.
    parent_name, replaces_name
        The ids that users see of the notes that ``parent`` and ``replaces`` mean.
    """

    note_id: str
    text: str | None
    source: str
    line: int | None = None
    standing: Literal["final", "preliminary", "cancelled"] = "final"
    revision: str = ""
    parent: str | None = None
    replaces: str | None = None
    alias: str | None = None
    name: str | None = None
    unreadable: InputError | None = None
    tied: bool = False
    served: date | None = None
    encounter: str | None = None
    parent_name: str | None = None
    replaces_name: str | None = None

    @property
    def shown(self) -> str:
        """The id that users see."""
        return self.name or self.note_id


_COLUMNS = (
    "note_id, text, source, line, standing, revision, parent, replaces, alias, name, tied, served, "
    "encounter, parent_name, replaces_name, unreadable"
)


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
            "line INTEGER, standing TEXT, revision TEXT, parent TEXT, replaces TEXT, alias TEXT, "
            "name TEXT, tied INTEGER, served TEXT, encounter TEXT, parent_name TEXT, replaces_name TEXT, "
            "unreadable TEXT)"
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
            f"INSERT INTO version ({_COLUMNS}) VALUES (?{', ?' * 15})",
            (
                version.note_id,
                version.text,
                version.source,
                version.line,
                version.standing,
                version.revision,
                version.parent,
                version.replaces,
                version.alias,
                version.name,
                version.tied,
                version.served and version.served.isoformat(),
                version.encounter,
                version.parent_name,
                version.replaces_name,
                _packed(version.unreadable),
            ),
        )

    def notes(self) -> Iterator[Found]:
        """The notes, in the order in which each was first seen, and a notice for each version left out.

        Addenda whose note is not there, or was taken back, come last, each as a note of its own.
        """
        for column in ("note_id", "parent", "replaces", "alias"):
            self._base.execute(f"CREATE INDEX IF NOT EXISTS by_{column} ON version ({column})")
        self._base.execute("CREATE TABLE IF NOT EXISTS told (note_id TEXT PRIMARY KEY)")
        ids = "SELECT note_id FROM version GROUP BY note_id ORDER BY min(number)"
        for roots in (True, False):
            with closing(self._base.execute(ids)) as rows:
                for (note_id,) in rows:
                    yield from self._note(note_id, roots)

    def _note(self, note_id: str, root: bool) -> Iterator[Found]:
        newest, *older = self._newest_first(note_id)
        if self._is_told(note_id) or (root and self._belongs(newest)):
            return
        self._tell(note_id)
        for version in older:
            yield version.unreadable or _left_out(version, newest)
        replacing = self._replacing(note_id)
        if newest.standing == "cancelled":
            yield _notice("N002", newest, "the source takes this note back", "it is not read")
        elif replacing:
            by = self._replacing(note_id, "coalesce(name, note_id)")
            yield _notice("N001", newest, f"note {by} of this source replaces it", "that one is read")
        elif newest.unreadable:
            yield newest.unreadable
        elif newest.text is None:
            problem = "the source tells of this note without its text"
            yield _notice("N010", newest, problem, "give the source that has the text too")
        else:
            yield from self._whole(newest, "final" if root else "addendum")

    def _whole(self, newest: Version, standing: Literal["final", "addendum"]) -> Iterator[Found]:
        """A version with the addenda to it, and to what it replaces, beneath it."""
        parts = [newest]
        waiting = [newest]
        while waiting:
            for version in self._addenda(waiting.pop(0)):
                self._tell(version.note_id)
                for older in self._newest_first(version.note_id)[1:]:
                    yield older.unreadable or _left_out(older, version)
                parts.append(version)
                waiting.append(version)
        missing = [part for part in parts if part.unreadable or part.text is None]
        yield from (part.unreadable for part in missing if part.unreadable)
        if missing:
            yield InputError(
                "I030",
                place(newest.source, newest.line, newest.shown),
                f"its addendum {missing[0].shown} cannot be read, and without it the note is not whole",
                "export the addendum again, with its text",
            )
            return
        draft = any(part.standing == "preliminary" for part in parts)
        # Some systems send the whole note again with its addendum.
        texts = [part.text or "" for part in parts]
        once = texts if len(texts) == 1 else told_once(texts, place(newest.source, newest.line, newest.shown))
        if isinstance(once, InputError):
            yield once
            return
        note = Note(
            newest.shown,
            ADDENDUM.join(once),
            newest.source,
            newest.line,
            "preliminary" if draft else standing,
            newest.served,
            newest.encounter,
            newest.revision,
            self._parent(newest) if standing == "addendum" else None,
            self._names_replaced(newest),
        )
        yield checked(note)

    def _parent(self, note: Version) -> str | None:
        """Id of the note that an addendum is to, as users see it."""
        chain = [note, *(one for key in self._replaced(note)[1:] for one in self._newest_first(key)[:1])]
        return next((one.parent_name or one.parent for one in chain if one.parent), None)

    def _names_replaced(self, note: Version) -> tuple[str, ...]:
        """Ids of the notes that one stands in for, as users see them."""
        names: list[str] = []
        while note.replaces:
            versions = self._newest_first(note.replaces)
            name = versions[0].shown if versions else note.replaces_name or note.replaces
            if name in (*names, note.shown):
                break
            names.append(name)
            if not versions:
                break
            note = versions[0]
        return tuple(names)

    def _addenda(self, note: Version) -> Iterator[Version]:
        for above in self._replaced(note):
            rows = self._base.execute(
                "SELECT note_id FROM version WHERE parent = ? GROUP BY note_id ORDER BY min(number)", (above,)
            )
            for (note_id,) in rows.fetchall():
                newest = self._newest_first(self._standing_in(note_id))[0]
                if newest.standing != "cancelled" and not self._is_told(newest.note_id):
                    yield newest

    def _belongs(self, note: Version) -> bool:
        """Whether a version is an addendum, or stands in for one."""
        return any(
            version.parent is not None
            for note_id in self._replaced(note)
            for version in self._newest_first(note_id)[:1]
        )

    def _standing_in(self, note_id: str) -> str:
        """Id of the note that replaces a note in the end, its own where none does."""
        seen = {note_id}
        while (replacing := self._replacing(note_id)) and replacing not in seen:
            seen.add(replacing)
            note_id = replacing
        return note_id

    def _replaced(self, note: Version) -> list[str]:
        """Ids of a note and of all that it replaces, one after the other."""
        ids = [note.note_id]
        while note.replaces and note.replaces not in ids:
            ids.append(note.replaces)
            versions = self._newest_first(note.replaces)
            if not versions:
                break
            note = versions[0]
        marks = ", ".join("?" * len(ids))
        named = f"SELECT DISTINCT alias FROM version WHERE note_id IN ({marks}) AND alias IS NOT NULL"
        return ids + [alias for (alias,) in self._base.execute(named, ids).fetchall() if alias not in ids]

    def _newest_first(self, note_id: str) -> list[Version]:
        """Versions of a note in their order; where none can be told the first cannot be read."""
        versions = self._in_order(note_id)
        rival = next((one for one in versions[1:] if _are_rivals(versions[0], one)), None)
        if rival is None or versions[0].unreadable:
            return versions
        return [replace(versions[0], text=None, unreadable=_no_order(versions[0], rival)), *versions[1:]]

    def _in_order(self, note_id: str) -> list[Version]:
        """Versions of a note, drafts last; what tells of a standing has the text that it means."""
        rows = self._base.execute(
            f"SELECT {_COLUMNS} FROM version WHERE note_id = ? "
            "ORDER BY standing = 'preliminary', length(revision) DESC, revision DESC, number DESC",
            (note_id,),
        )
        versions = _dated([_version(row) for row in rows])
        if not versions or versions[0].text is not None or versions[0].unreadable:
            return versions[:1] + [one for one in versions[1:] if one.text is not None or one.unreadable]
        told, *rest = versions
        rest = [one for one in rest if one.text is not None or one.unreadable]
        if not rest:
            return [told]
        now = _age(told)
        meant = max(rest, key=lambda one: (_age(one) <= now, _age(one)))
        return [
            replace(
                meant,
                standing=told.standing,
                revision=told.revision,
                served=told.served,
                encounter=told.encounter,
            ),
            *(one for one in rest if one is not meant),
        ]

    def _replacing(self, note_id: str, column: str = "note_id") -> str | None:
        row = self._base.execute(
            f"SELECT {column} FROM version WHERE note_id != ? AND standing = 'final' AND (replaces = ? OR "
            "replaces IN (SELECT alias FROM version WHERE note_id = ? AND alias IS NOT NULL))",
            (note_id, note_id, note_id),
        ).fetchone()
        return None if row is None else str(row[0])

    def _is_told(self, note_id: str) -> bool:
        return self._base.execute("SELECT 1 FROM told WHERE note_id = ?", (note_id,)).fetchone() is not None

    def _tell(self, note_id: str) -> None:
        self._base.execute("INSERT OR IGNORE INTO told VALUES (?)", (note_id,))


def _dated(versions: list[Version]) -> list[Version]:
    """Versions of one note; those that tell no date of service have that of the newest that does.

    The same holds for the encounter.
    """
    day = next((version.served for version in versions if version.served), None)
    encounter = next((version.encounter for version in versions if version.encounter), None)
    return [replace(one, served=one.served or day, encounter=one.encounter or encounter) for one in versions]


def _age(version: Version) -> tuple[int, str]:
    return len(version.revision), version.revision


def _are_rivals(newest: Version, other: Version) -> bool:
    """Whether nothing says which of two that differ is newer, or whether they are one note at all."""
    return (
        newest.tied
        and newest.source != other.source
        and (newest.standing == "preliminary") == (other.standing == "preliminary")
        and newest.revision == other.revision
        and (newest.text, newest.standing) != (other.text, other.standing)
    )


def _no_order(newest: Version, other: Version) -> InputError:
    return InputError(
        "I027",
        place(newest.source, newest.line, newest.shown),
        f"another text has this id in {place(other.source, other.line)}, and nothing says which is newer",
        "name the column with numbers or ISO times of the versions (--revision-column); "
        "files of several hospitals have to be given one by one",
    )


def _left_out(version: Version, newest: Version) -> InputNotice:
    """The notice of a version that is not read, because of the newest one."""
    if version.text is not None and (version.text, version.standing) == (newest.text, newest.standing):
        return _notice("N021", version, "the same text is there more than once", "it is read once")
    counts = "that one cannot be read" if newest.unreadable else "that one is read"
    return _notice("N001", version, "another version of this note is signed or newer", counts)


def _packed(error: InputError | None) -> str | None:
    return None if error is None else json.dumps([error.code, error.where, error.problem, error.remedy])


def _version(row: tuple[Any, ...]) -> Version:
    *cells, tied, served, encounter, parent_name, replaces_name, unreadable = row
    return replace(
        Version(*cells),
        tied=bool(tied),
        served=date.fromisoformat(served) if served else None,
        encounter=encounter,
        parent_name=parent_name,
        replaces_name=replaces_name,
        unreadable=InputError(*json.loads(unreadable)) if unreadable else None,
    )


def _notice(code: str, version: Version, problem: str, remedy: str) -> InputNotice:
    return InputNotice(code, place(version.source, version.line, version.shown), problem, remedy)
