"""Crew: worker processes that may crash or hang, and cost only the item they were at.

Each worker has a pipe of its own and no lock is shared, so a process killed at any
moment leaves the others as they were. A worker answers item by item: when it dies, the
first item without an answer is the one it was at. The time limit is an alarm that the
system holds, which also ends a process stuck in native code, and one whose parent is gone.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnContext, SpawnProcess
from typing import Any, Literal, Self

from extractor.errors import PvlError

Trouble = Literal["time", "died"]
"""What ended a process: its time limit, or something else."""

RECYCLE = 5_000
"""Items after which a process makes way for a new one, whatever it may have piled up."""

_AHEAD = 8  # items a worker has waiting, so that it never waits for the parent
_AHEAD_CHARS = 16_000  # of text, which fits into a pipe: the parent never waits for a worker
_TRIES = 3  # a process may also be killed from outside, through no fault of the item
_START_LIMIT = 300.0  # seconds to load the rules; only a process that is stuck takes so long
_HAS_ALARM = hasattr(signal, "SIGALRM")  # where the system has none, there is no time limit
_STARTS = 3  # failed starts in a row, after which there is no hope


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of an item: a value, or ``error`` (name of an exception's type), or ``trouble``."""

    key: int
    value: Any = None
    error: str | None = None
    trouble: Trouble | None = None


@dataclass(frozen=True, slots=True)
class _Task:
    key: int
    item: Any
    size: int


@dataclass(slots=True)
class _Worker:
    process: SpawnProcess
    pipe: Connection
    ready: bool = False
    given: int = 0
    at: deque[_Task] = field(default_factory=deque)

    def has_room(self, task: _Task) -> bool:
        if self.ready and not self.at:
            return True  # it is listening, so that an item of any size goes through
        return len(self.at) < _AHEAD and sum(one.size for one in self.at) + task.size <= _AHEAD_CHARS


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
        How many processes at most; each is started when there is work for it.
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
        begin: Callable[[Any], Any],
        setup: Any,
        workers: int,
        time_limit: float,
        recycle: int = RECYCLE,
    ) -> None:
        self._begin, self._setup, self._time_limit = begin, setup, time_limit
        self._most, self._recycle = workers, recycle
        self._context: SpawnContext = multiprocessing.get_context("spawn")
        self._workers: list[_Worker] = []
        self._queue: deque[_Task] = deque()
        self._deaths: Counter[int] = Counter()
        self._failed_starts = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def waiting(self) -> int:
        """Items given and not answered yet."""
        return len(self._queue) + sum(len(worker.at) for worker in self._workers)

    def give(self, key: int, item: Any, size: int) -> None:
        """Queue an item of about ``size`` characters; its answer carries the key."""
        self._queue.append(_Task(key, item, size))

    def answers(self, timeout: float | None) -> Iterator[Answer]:
        """Send out what there is room for, wait until something happens, and yield what is answered."""
        yield from self._send()
        pipes = {worker.pipe: worker for worker in self._workers}
        if not pipes or not self.waiting:
            return
        for pipe in wait(list(pipes), timeout):
            assert isinstance(pipe, Connection)
            yield from self._heard(pipes[pipe])
        yield from self._send()

    def close(self) -> None:
        """End all processes, whatever they are at."""
        for worker in self._workers:
            worker.process.kill()
            worker.pipe.close()
        for worker in self._workers:
            worker.process.join()
        self._workers.clear()

    def _send(self) -> Iterator[Answer]:
        while self._queue:
            worker = self._free(self._queue[0])
            if worker is None:
                return
            task = self._queue.popleft()
            worker.at.append(task)
            worker.given += 1
            try:
                worker.pipe.send(task.item)
            except OSError:
                yield from self._lost(worker)

    def _free(self, task: _Task) -> _Worker | None:
        """The worker to give a task to: the least busy one, or a new one while there may be more."""
        for worker in [one for one in self._workers if not one.at and one.given >= self._recycle]:
            self._workers.remove(worker)
            worker.pipe.close()  # it ends when nothing more can come
            worker.process.join()
        room = [one for one in self._workers if one.given < self._recycle and one.has_room(task)]
        best = min(room, key=lambda worker: len(worker.at), default=None)
        if (best is None or best.at) and len(self._workers) < self._most:
            best = self._start()
        return best

    def _start(self) -> _Worker:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(
            target=_work, args=(theirs, self._begin, self._setup, self._time_limit), daemon=True
        )
        process.start()
        theirs.close()
        worker = _Worker(process, ours)
        self._workers.append(worker)
        return worker

    def _heard(self, worker: _Worker) -> Iterator[Answer]:
        """All that a worker has said by now."""
        try:
            while True:
                message = worker.pipe.recv()
                if message is None:
                    worker.ready, self._failed_starts = True, 0
                else:
                    error, value = message
                    key = worker.at.popleft().key
                    self._deaths.pop(key, None)
                    yield Answer(key, value, error)
                if not worker.pipe.poll():
                    return
        except (EOFError, OSError):
            yield from self._lost(worker)

    def _lost(self, worker: _Worker) -> Iterator[Answer]:
        """Put back what a dead worker had before it, but for the item that killed it."""
        if worker not in self._workers:
            return
        self._workers.remove(worker)
        worker.pipe.close()
        worker.process.join()
        late = _HAS_ALARM and worker.process.exitcode == -signal.SIGALRM
        tasks = worker.at
        if not worker.ready:
            self._failed_starts += 1
            if self._failed_starts >= _STARTS:
                raise PvlError(
                    "B004",
                    "worker processes",
                    "they end before they are ready",
                    "code one note with pvl code to see why; there may be too little memory",
                )
        elif tasks:
            key = tasks[0].key
            self._deaths[key] += 1
            if late or self._deaths[key] >= _TRIES:
                tasks.popleft()
                del self._deaths[key]
                yield Answer(key, trouble="time" if late else "died")
        self._queue.extendleft(reversed(tasks))


def _work(pipe: Connection, begin: Callable[[Any], Any], setup: Any, time_limit: float) -> None:
    """A worker process: ``None`` says that it is ready, then an answer follows for each item."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what an interrupt means
    if _HAS_ALARM:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
    _alarm(_START_LIMIT)
    work = begin(setup)
    _alarm(0)
    try:
        pipe.send(None)
        while True:
            item = pipe.recv()
            _alarm(time_limit)
            answer = _answer(work, item)
            _alarm(0)
            pipe.send(answer)
    except (EOFError, OSError):
        return  # the parent is done, or gone


def _alarm(seconds: float) -> None:
    """Let the system end this process after some seconds; 0 calls it off."""
    if _HAS_ALARM:
        signal.setitimer(signal.ITIMER_REAL, seconds)


def _answer(work: Callable[[Any], Any], item: Any) -> tuple[str | None, Any]:
    try:
        return None, work(item)
    except Exception as error:  # its message may quote the note, its type does not
        return type(error).__name__, None
