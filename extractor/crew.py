"""Crew: worker processes that may crash or hang, and cost only the item they were at.

Each worker has a pipe of its own and no lock is shared, so a process killed at any
moment leaves the others as they were. A worker takes a handful of items and answers
one by one: when it dies, the first item without an answer is the one it was at. The
time limit is an alarm that the system holds, which also ends a process that is stuck
in native code, or whose parent is gone.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnContext, SpawnProcess
from typing import Any, Literal, Self

from extractor.errors import PvlError

Trouble = Literal["time", "died"]
"""What ended a process: its time limit, or something else."""

RECYCLE = 5_000
"""Items after which a process makes way for a new one, whatever it may have piled up."""

_HANDFUL = 8  # items at a time, so that a worker seldom waits for a parent that reads
_TRIES = 3  # a process may also be killed from outside, through no fault of the item
_START_LIMIT = 300.0  # seconds to load the rules; only a process that is stuck takes so long
_END_LIMIT = 10.0  # seconds between the last word of a process and its end
_STARTS = 5  # failed starts in a row, after which there is no hope
_HAS_ALARM = hasattr(signal, "SIGALRM")  # where the system has none, there is no time limit


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of an item: a value, or ``error`` (name of an exception's type), or ``trouble``."""

    key: Any
    value: Any = None
    error: str | None = None
    trouble: Trouble | None = None


@dataclass(slots=True)
class _Worker:
    process: SpawnProcess
    pipe: Connection
    begun: bool = False
    ready: bool = False
    given: int = 0
    at: deque[tuple[Any, Any]] = field(default_factory=deque)  # keys and items without an answer


class Crew:
    """Worker processes, each of which does the same with every item it is given.

    Parameters
    ----------
    begin
        Called once in each process with ``setup``; gives what is done with an item. Both
        are sent to a new interpreter, so ``begin`` is a function of a module.
    setup
        What the work needs, for example a rule book.
    workers
        How many processes at most; they are started when there is work.
    time_limit
        Seconds an item may take.
    recycle
        Items after which a process is replaced.

    Examples
    --------
    >>> with Crew(abs, -1, workers=1, time_limit=60) as crew:
    ...     crew.waiting
    0
    """

    def __init__(
        self,
        begin: Callable[[Any], Callable[[Any], Any]],
        setup: Any,
        workers: int,
        time_limit: float,
        recycle: int = RECYCLE,
    ) -> None:
        self._begin, self._setup, self._time_limit = begin, setup, time_limit
        self._most, self._recycle = workers, recycle
        self._context: SpawnContext = multiprocessing.get_context("spawn")
        self._workers: list[_Worker] = []
        self._queue: deque[tuple[Any, Any]] = deque()
        self._deaths: Counter[Any] = Counter()
        self._failed_starts = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def waiting(self) -> int:
        """Items given and not answered yet."""
        return len(self._queue) + sum(len(worker.at) for worker in self._workers)

    def start(self) -> None:
        """Start all processes, so that they are ready when there is work."""
        while len(self._workers) < self._most:
            self._start()

    def give(self, key: Any, item: Any) -> None:
        """Queue an item; its answer carries the key."""
        self._queue.append((key, item))

    def answers(self, timeout: float | None) -> Iterator[Answer]:
        """Send out what there is room for, wait until something happens, and yield what is answered."""
        self._send()
        if not self.waiting and all(worker.ready for worker in self._workers):
            return
        pipes = {worker.pipe: worker for worker in self._workers}
        for pipe in wait(list(pipes), timeout):
            assert isinstance(pipe, Connection)
            yield from self._heard(pipes[pipe])
        self._send()

    def close(self) -> None:
        """End all processes, whatever they are at."""
        for worker in list(self._workers):
            self._end(worker)

    def _send(self) -> None:
        """Give a handful to every worker that has none, and start workers that are wanted."""
        for worker in [one for one in self._workers if not one.at and one.given >= self._recycle]:
            self._end(worker)
        if self._queue:
            self.start()
        for worker in self._workers:
            # It has answered everything and is listening: a message of any size goes through.
            if self._queue and worker.ready and not worker.at:
                count = min(_HANDFUL, -(-len(self._queue) // len(self._workers)))
                worker.at.extend(self._queue.popleft() for _ in range(count))
                worker.given += count
                with suppress(OSError):  # it is dead, and is found so when its pipe is read
                    worker.pipe.send([item for _, item in worker.at])

    def _start(self) -> None:
        ours, theirs = self._context.Pipe()
        # The setup is sent when the process asks for it: a start with more than a pipe takes would
        # wait for ever if the process is killed before it reads.
        process = self._context.Process(target=_work, args=(theirs,), daemon=True)
        process.start()
        theirs.close()
        self._workers.append(_Worker(process, ours))

    def _end(self, worker: _Worker) -> None:
        self._workers.remove(worker)
        worker.pipe.close()
        worker.process.kill()
        worker.process.join()

    def _heard(self, worker: _Worker) -> Iterator[Answer]:
        """All that a worker has said by now."""
        try:
            while True:
                message = worker.pipe.recv()
                if not worker.begun:
                    worker.begun = True
                    worker.pipe.send((self._begin, self._setup, self._time_limit))
                elif message is None:
                    worker.ready, self._failed_starts = True, 0
                else:
                    error, value = message
                    key, _ = worker.at.popleft()
                    self._deaths.pop(key, None)
                    yield Answer(key, value, error)
                if not worker.pipe.poll():
                    return
        except (EOFError, OSError):
            yield from self._lost(worker)

    def _lost(self, worker: _Worker) -> Iterator[Answer]:
        """Put back what a dead worker had before it, but for an item that is to blame."""
        worker.process.join(_END_LIMIT)
        late = _HAS_ALARM and worker.process.exitcode == -signal.SIGALRM
        self._end(worker)
        if not worker.ready:
            self._failed_starts += 1
            if self._failed_starts >= _STARTS:
                raise PvlError(
                    "B004",
                    "worker processes",
                    "they end before they are ready",
                    "code one note with pvl code to see why; there may be too little memory",
                )
        if worker.at:
            key, _ = worker.at[0]
            self._deaths[key] += 1
            if late or self._deaths[key] >= _TRIES:
                worker.at.popleft()
                del self._deaths[key]
                yield Answer(key, trouble="time" if late else "died")
        self._queue.extendleft(reversed(worker.at))


def _work(pipe: Connection) -> None:
    """A worker process: ``None`` asks for the setup, ``None`` says that it is ready; then come answers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what an interrupt means
    if _HAS_ALARM:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
    _alarm(_START_LIMIT)
    try:
        pipe.send(None)
        begin, setup, time_limit = pipe.recv()
    except (EOFError, OSError):
        return  # the parent is done, or gone
    work = begin(setup)
    _alarm(0)
    try:
        pipe.send(None)
        while True:
            for item in pipe.recv():
                _alarm(time_limit)
                answer = _answer(work, item)
                _alarm(0)
                pipe.send(answer)
    except (EOFError, OSError):
        return


def _alarm(seconds: float) -> None:
    """Let the system end this process after some seconds; 0 calls it off."""
    if _HAS_ALARM:
        signal.setitimer(signal.ITIMER_REAL, seconds)


def _answer(work: Callable[[Any], Any], item: Any) -> tuple[str | None, Any]:
    try:
        return None, work(item)
    except Exception as error:  # its message may quote the note, its type does not
        return type(error).__name__, None
