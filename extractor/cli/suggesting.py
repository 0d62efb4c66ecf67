"""The engine as the commands use it: loaded when the first note is there, and not before."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING

from extractor.cli.outcome import reported

if TYPE_CHECKING:
    from extractor.coder import Coder
    from extractor.readers import Note
    from extractor.suggestion import Suggestion


def make_coder() -> Coder:
    """Load the engine; no other command than those that need it waits for spaCy.

    Examples
    --------
    >>> make_coder().suggest("Aortic paravalvular leak, not treated.").lines
    ()
    """
    # All that loading makes is kept: looking for garbage in it, now or at exit, finds none and takes long.
    gc.disable()
    try:
        from extractor.coder import Coder

        with reported():
            return Coder()
    finally:
        gc.freeze()
        gc.enable()


def suggestions(notes: Iterator[Note], workers: int, statuses: Counter[str]) -> Iterator[Suggestion]:
    """Suggest for notes, in their order, and count the statuses.

    Parameters
    ----------
    notes
        Read one at a time; without a single note the engine is not loaded.
    workers
        How many processes to use.
    statuses
        Counts how many notes have each status, as far as they were taken.

    Examples
    --------
    >>> from extractor import Note
    >>> statuses: Counter[str] = Counter()
    >>> notes = iter([Note("a", "Aortic paravalvular leak, not treated.")])
    >>> [suggestion.note_id for suggestion in suggestions(notes, 1, statuses)]
    ['a']
    >>> statuses.total()
    1
    """
    first = next(notes, None)
    if first is None:
        return
    for suggestion in make_coder().pipe(chain([first], notes), workers=workers):
        statuses[suggestion.status] += 1
        yield suggestion
