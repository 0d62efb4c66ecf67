"""Naming: files named after note ids."""

from __future__ import annotations

import hashlib
import re

_LONGEST_NAME = 80
_UNSAFE = re.compile(r"[^A-Za-z0-9_-]")
# Windows has devices of these names in every folder.
_RESERVED = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)", re.IGNORECASE)


class FileNames:
    """Names files after note ids: safe on every system, and never two alike.

    An id of ASCII letters, digits, ``-`` and ``_`` is its own name. Of any other
    the unsafe characters become ``_`` and a digest of the id follows, as it does
    when a name is taken already, also by one that only differs in case.

    Examples
    --------
    >>> names = FileNames()
    >>> names.of("A-17"), names.of("../x"), names.of("a-17")
    ('A-17', '___x-d6b96a97d147', 'a-17-065b558c8e3c')
    """

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def of(self, note_id: str) -> str:
        """The name for a note id, without an ending."""
        safe = _UNSAFE.sub("_", note_id)[:_LONGEST_NAME]
        digest = hashlib.sha256(note_id.encode()).hexdigest()
        plain = safe == note_id and not _RESERVED.fullmatch(note_id)
        # The whole digest belongs to this id alone, so the last name cannot be taken.
        names = ([safe] if plain else []) + [f"{safe}-{digest[:12]}", f"{safe}-{digest}"]
        name = next((name for name in names if name.casefold() not in self._taken), names[-1])
        self._taken.add(name.casefold())
        return name
