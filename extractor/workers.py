"""Many notes, several processes: text goes out, suggestions come back in order."""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor

from extractor.coder import Coder
from extractor.rules import RuleBook
from extractor.suggestion import Suggestion

_Pair = tuple[str, str]

_CHUNK = 16
_AHEAD = 2  # chunks read ahead for each worker: enough to keep it busy, little enough for any input
_coder: Coder | None = None  # one per worker process


def pipe(rules: RuleBook, pairs: Iterable[_Pair], workers: int) -> Iterator[Suggestion]:
    """Code (text, note id) pairs by ``workers`` processes, in input order.

    ``pairs`` is read in the caller's thread, a bounded number of notes ahead of
    the last suggestion. An error of its own is raised after the suggestions for
    what came before it, as in one process.
    """
    pool = ProcessPoolExecutor(
        workers, multiprocessing.get_context("spawn"), initializer=_start, initargs=(rules,)
    )
    waiting: deque[Future[list[Suggestion]]] = deque()
    failed: list[Exception] = []
    try:
        for chunk in _chunks(pairs, failed):
            waiting.append(pool.submit(_suggest, chunk))
            if len(waiting) >= _AHEAD * workers:
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
    if failed:
        raise failed[0]


def _chunks(pairs: Iterable[_Pair], failed: list[Exception]) -> Iterator[list[_Pair]]:
    """Pairs in chunks, up to the first error of the reader, which goes to ``failed``."""
    chunk: list[_Pair] = []
    try:
        for pair in pairs:
            chunk.append(pair)
            if len(chunk) == _CHUNK:
                yield chunk
                chunk = []
    except Exception as error:
        failed.append(error)
    if chunk:
        yield chunk


def _start(rules: RuleBook) -> None:
    global _coder
    _coder = Coder(rules)


def _suggest(chunk: list[_Pair]) -> list[Suggestion]:
    assert _coder is not None
    return [_coder.suggest(text, note_id) for text, note_id in chunk]
