"""Many notes, several processes: text goes out, suggestions come back in order."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterable, Iterator

from extractor.coder import Coder
from extractor.rules import RuleBook
from extractor.suggestion import Suggestion

_CHUNK = 16
_coder: Coder | None = None  # one per worker process


def pipe(rules: RuleBook, pairs: Iterable[tuple[str, str]], workers: int) -> Iterator[Suggestion]:
    """Code (text, note id) pairs by ``workers`` processes, in input order."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(workers, initializer=_start, initargs=(rules,)) as pool:
        yield from pool.imap(_suggest, pairs, chunksize=_CHUNK)


def _start(rules: RuleBook) -> None:
    global _coder
    _coder = Coder(rules)


def _suggest(pair: tuple[str, str]) -> Suggestion:
    text, note_id = pair
    assert _coder is not None
    return _coder.suggest(text, note_id)
