"""Batch: a corpus of any size to tables, a worklist and a report, in a folder.

The parent reads the sources block by block, looks for repetitions and screens; the
notes that may concern a closure go to worker processes, each on its own. A finished
block is kept as a part; once all are there, the files are written from them. A run that
was stopped reads its sources again, checks that they are the same, and works on the
blocks that have no part. So neither time, nor workers, nor a stop shows in the files.
"""

from __future__ import annotations

import gc
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from extractor import __version__
from extractor.blocks import Block, Candidate, Limits, Screen, cut
from extractor.crew import RECYCLE, Answer, Crew
from extractor.errors import PvlError
from extractor.files import BatchFormat, TableFiles
from extractor.parts import Facts, Parts, finish
from extractor.progress import files_of
from extractor.readers import Found, Options, dated, read_all, shown
from extractor.report import Report, render_report
from extractor.results import Rows, rows
from extractor.seen import Seen
from extractor.tables import load_tables

if TYPE_CHECKING:
    from extractor.rules import RuleBook

Begin = Callable[["RuleBook"], Callable[[Candidate], Rows]]

TIME_LIMIT = 60.0
"""Seconds that a note may take; the longest procedure notes take less than one."""

_PARTS = ".parts"
_MANIFEST = "manifest.json"
_REPORT = "report.json"
_AHEAD = 32  # notes to code read ahead for each worker
_OPEN_BLOCKS = 64  # so many go on while one waits for a note that hangs
_GARBAGE = 20_000  # objects, before a worker looks for those that nothing needs
_ATTEND = 128  # notes read, after which the workers are looked after
_TICK = 1.0


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be done.

    Attributes
    ----------
    sources
        Files, folders, ``-``; as for ``extractor.readers.read``.
    out
        Folder of the results.
    form
        Form of the tables.
    workers
        Processes that code notes.
    time_limit
        Seconds that a note may take.
    resume
        Go on with a run that was stopped; without one, begin.
    options
        Names of columns and fields of the sources.
    served
        Date of service of the notes whose source tells none.
    limits
        Where blocks end.
    recycle
        Notes after which a process is replaced.
    """

    sources: tuple[str, ...]
    out: Path
    form: BatchFormat = BatchFormat.parquet
    workers: int = 1
    time_limit: float = TIME_LIMIT
    resume: bool = False
    options: Options = field(default_factory=Options)
    served: date | None = None
    limits: Limits = field(default_factory=Limits)
    recycle: int = RECYCLE


class Watcher(Protocol):
    """What is told how a run goes."""

    def read(self, block: Block) -> None:
        """A block was read."""

    def done(self, facts: Facts, earlier: bool) -> None:
        """A block is finished, or was in an earlier run."""

    def tick(self) -> None:
        """Time goes by."""


def coding(rules: RuleBook) -> Callable[[Candidate], Rows]:
    """What a worker process does with each note."""
    from extractor.coder import Coder

    coder = Coder(rules, screen=False)
    gc.collect()
    gc.freeze()  # what loading made stays: nobody needs to look at it again
    gc.set_threshold(_GARBAGE)  # and hardly anything of a note goes in circles

    def code(note: Candidate) -> Rows:
        return rows(coder.suggest(note.text, note.note_id, note.standing, note.served))

    return code


def load_screen(rules: RuleBook) -> Screen:
    """What decides which notes have to be coded. Imported when a run begins: it needs what spaCy needs."""
    from extractor.screen import Screen as RawTextScreen

    return RawTextScreen(rules)


def run(
    job: Job, rules: RuleBook, watcher: Watcher, begin: Begin = coding, screen: Screen | None = None
) -> Report:
    """Do a job, or what is left of it, and write its files.

    Parameters
    ----------
    job
        What is to be done.
    rules
        The rules to code by.
    watcher
        Is told how it goes.
    begin
        What each worker process calls with the rules for what is done with a note.
    screen
        What decides which notes have to be coded; that of the rules by default.

    Raises
    ------
    PvlError
        Where the folder holds something else, or the run to go on with is another one.
    """
    with _claimed(job, rules) as parts:
        if parts is not None:
            with closing(_Work(job, rules, parts, watcher, begin)) as work:
                work.start()
                count = work.do(screen or load_screen(rules))
            _write(job, parts, count)
    return Report.load(json.loads((job.out / _REPORT).read_text("utf-8")))


class _Work:
    """From sources to parts."""

    def __init__(self, job: Job, rules: RuleBook, parts: Parts, watcher: Watcher, begin: Begin) -> None:
        self._job, self._rules, self._parts, self._watcher = job, rules, parts, watcher
        self._crew = Crew(begin, rules, job.workers, job.time_limit, job.recycle)
        self._seen = Seen()
        self._open: dict[int, tuple[Block, dict[int, Rows]]] = {}
        self._done: dict[int, Facts | None] = {}
        self._last = time.monotonic()

    def close(self) -> None:
        self._crew.close()
        self._seen.close()

    def start(self) -> None:
        """Start the workers: while they load the rules, the screen is made here."""
        self._crew.start()

    def do(self, screen: Screen) -> int:
        """Finish every block; gives their number."""
        count = 0
        found = self._attended(dated(read_all(self._job.sources, self._job.options), self._job.served))
        for block in cut(found, self._seen, screen, self._length, self._job.limits):
            count += 1
            self._watcher.read(block)
            done = self._done.pop(block.number)
            if done is not None:
                self._check(block, done)
                self._last = time.monotonic()
                continue
            self._open[block.number] = (block, {})
            for row, candidate in block.candidates.items():
                self._crew.give((block.number, row), candidate)
            self._settle(block.number)
            self._collect(0)
            while self._is_behind():
                self._collect(_TICK)
        while self._open:
            self._collect(_TICK)
        return count

    def _attended(self, found: Iterator[Found]) -> Iterator[Found]:
        """What is read, while the workers are given the next notes as soon as they are done with some."""
        for count, one in enumerate(found):
            if count % _ATTEND == 0:
                self._collect(0)
            yield one

    def _length(self, number: int) -> int | None:
        facts = self._done[number] = self._parts.facts(number)
        return None if facts is None else facts.length

    def _check(self, block: Block, done: Facts) -> None:
        if block.digest != done.digest:
            raise _changed(self._job)
        self._watcher.done(done, earlier=True)

    def _is_behind(self) -> bool:
        return self._crew.waiting >= _AHEAD * self._job.workers or len(self._open) >= _OPEN_BLOCKS

    def _collect(self, timeout: float) -> None:
        for answer in self._crew.answers(timeout):
            number, row = answer.key
            block, results = self._open[number]
            if answer.value is not None:
                results[row] = answer.value
            else:
                block.fail(row, *_failure(answer, self._job.time_limit))
            del block.candidates[row]
            self._settle(number)
        self._watcher.tick()

    def _settle(self, number: int) -> None:
        """Keep a block as a part if nothing of it is waiting."""
        block, results = self._open[number]
        if block.candidates:
            return
        del self._open[number]
        now = time.monotonic()
        part = finish(block, results, self._rules.version, now - self._last)
        self._last = now
        self._parts.save(number, part)
        self._watcher.done(part.facts, earlier=False)


def _changed(job: Job) -> PvlError:
    return PvlError(
        "B003",
        ", ".join(map(shown, job.sources)),
        "a source has changed since this run began",
        "give the same sources again, or begin anew in another folder",
    )


def _failure(answer: Answer, time_limit: float) -> tuple[str, str, str]:
    """Code, problem and remedy of a note that was not coded."""
    if answer.trouble == "time":
        return "B006", f"coding it took longer than {time_limit:g} seconds", "code it by hand"
    if answer.trouble == "died":
        return "B007", "coding it ended the worker process, three times", "code it by hand"
    return "B008", f"coding it failed ({answer.error})", "code it by hand, and report this"


# -- the folder -----------------------------------------------------------------------


@contextmanager
def _claimed(job: Job, rules: RuleBook) -> Iterator[Parts | None]:
    """The parts of the run in its folder, for this process alone; ``None`` when it is finished."""
    folder = job.out / _PARTS
    manifest = _manifest(job, rules)
    job.out.mkdir(parents=True, exist_ok=True)
    finished = (job.out / _REPORT).exists()
    _check_folder(job, manifest, _read_manifest(job.out / _REPORT if finished else folder / _MANIFEST))
    folder.mkdir(exist_ok=True)
    with _locked(folder):
        if not finished:
            _write_json(folder / _MANIFEST, manifest)
        yield None if finished else Parts(folder)
        shutil.rmtree(folder)


def _manifest(job: Job, rules: RuleBook) -> dict[str, Any]:
    """All that decides what a run ends with."""
    return {
        "version": __version__,
        "rules_version": rules.version,
        "tables_version": load_tables().version,
        "sources": [shown(source) for source in job.sources],
        "bytes": sum(os.path.getsize(path) for source in job.sources for path in files_of(source)),
        "options": asdict(job.options),
        "service_date": job.served and job.served.isoformat(),
        "format": job.form.value,
        "limits": job.limits._asdict(),
    }


def _check_folder(job: Job, manifest: dict[str, Any], begun: dict[str, Any] | None) -> None:
    """Whether a job may work in its folder, in which a run was begun, or not."""
    where = str(job.out)
    if not job.resume and any(job.out.iterdir()):
        remedy = "give another one, or --resume to go on with a run that was stopped"
        raise PvlError("B001", where, "this folder is not empty", remedy)
    if begun is None:
        if any(path.name != _PARTS for path in job.out.iterdir()):
            remedy = "give the folder of the run, or an empty one"
            raise PvlError("B001", where, "this folder holds no run to go on with", remedy)
        return
    for name, value in manifest.items():
        if begun.get(name) != value:
            if name == "bytes":
                raise _changed(job)
            problem = f"the run in this folder was begun with other {name.replace('_', ' ')}"
            remedy = "go on with the same, or begin anew in another folder"
            raise PvlError("B002", where, problem, remedy)


def _read_manifest(path: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(path.read_text("utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    found = found.get("run", found) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else None


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keep other processes out of a folder; the lock is gone with this process."""
    with (folder / "lock").open("w") as file:
        with suppress(ImportError):  # where the system has no such lock, nobody checks
            import fcntl

            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise PvlError(
                    "B009",
                    str(folder.parent),
                    "another process works on the run in this folder",
                    "wait for it, or stop it first",
                ) from None
        yield


def _write(job: Job, parts: Parts, count: int) -> None:
    """Write all files from the parts; the report comes last and says that they are complete."""
    report = Report()
    with TableFiles(job.out, job.form) as files:
        for number in range(count):
            part = parts.load(number)
            if part is None:
                raise PvlError(
                    "B010", str(job.out), "a finished part is gone or damaged", "go on with --resume"
                )
            files.write(part.tables)
            report.add(part.facts)
    manifest = json.loads((job.out / _PARTS / _MANIFEST).read_text("utf-8"))
    _write_json(job.out / "run.json", report.timing(job.workers))
    _write_text(job.out / "report.html", render_report(report, manifest))
    _write_json(job.out / _REPORT, {"run": manifest, **report.counts})


def _write_json(path: Path, value: object) -> None:
    _write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def _write_text(path: Path, text: str) -> None:
    part = path.with_name(f".{path.name}.part")
    part.write_text(text, "utf-8")
    os.replace(part, path)
