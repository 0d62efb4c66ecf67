"""Many notes, several processes: notes go out, what is made of them comes back in order."""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from datetime import date
from typing import Any, TypeVar

from extractor.coder import Coder
from extractor.readers import Standing
from extractor.rules import RuleBook
from extractor.suggestion import Suggestion
from extractor.tables import Tables, load_tables

_Given = tuple[str, str, Standing, date | None]
_Setup = TypeVar("_Setup")
_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

_CHUNK = 16
_AHEAD = 2  # chunks read ahead for each worker: enough to keep it busy, little enough for any input
_work: Callable[[Any], Any] | None = None  # one per worker process


def pipe(
    rules: RuleBook, notes: Iterable[_Given], workers: int, tables: Tables | None = None
) -> Iterator[Suggestion]:
    """Code notes (text, id, standing, day) by ``workers`` processes, in input order; see ``spread``."""
    yield from spread(_coding, (rules, tables or load_tables()), notes, workers)


def _coding(setup: tuple[RuleBook, Tables]) -> Callable[[_Given], Suggestion]:
    coder = Coder(*setup)
    return lambda note: coder.suggest(*note)


def spread(
    begin: Callable[[_Setup], Callable[[_Item], _Result]],
    setup: _Setup,
    items: Iterable[_Item],
    workers: int,
) -> Iterator[_Result]:
    """Do the same with every item by ``workers`` processes, and give the results in input order.

    ``items`` is read in the caller's thread, a bounded number ahead of the last
    result. An error of its own is raised after the results for what came before
    it, as in one process.

    Parameters
    ----------
    begin
        Called once in each process with ``setup``; gives what is done with an item.
    setup
        What the work needs, for example a rule book.
    items
        What to work on.
    workers
        How many processes.
    """
    pool = ProcessPoolExecutor(
        workers, multiprocessing.get_context("spawn"), initializer=_start, initargs=(begin, setup)
    )
    waiting: deque[Future[list[_Result]]] = deque()
    failed: list[Exception] = []
    try:
        for chunk in _chunks(items, failed):
            waiting.append(pool.submit(_do, chunk))
            if len(waiting) >= _AHEAD * workers:
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
    if failed:
        raise failed[0]


def _chunks(items: Iterable[_Item], failed: list[Exception]) -> Iterator[list[_Item]]:
    """Items in chunks, up to the first error of the reader, which goes to ``failed``."""
    chunk: list[_Item] = []
    try:
        for item in items:
            chunk.append(item)
            if len(chunk) == _CHUNK:
                yield chunk
                chunk = []
    except Exception as error:
        failed.append(error)
    if chunk:
        yield chunk


def _start(begin: Callable[[Any], Callable[[Any], Any]], setup: Any) -> None:
    global _work
    _work = begin(setup)


def _do(chunk: list[Any]) -> list[Any]:
    assert _work is not None
    return [_work(item) for item in chunk]
