"""Crew: a process that ends costs the item it was at, and no other."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable

import pytest

from extractor.crew import Answer, Crew
from extractor.errors import PvlError


def begin(setup: str) -> Callable[[str], str]:
    """Do as the item says."""

    def work(item: str) -> str:
        if item == "crash":
            os._exit(3)
        if item == "hang":
            time.sleep(600)
        if item == "spin":
            sum(range(10**12))  # one call that never comes back to look for a signal
        if item == "fail":
            raise ValueError(item)
        return f"{setup} {item} {os.getpid()}"

    return work


def never(_: object) -> Callable[[str], str]:
    os._exit(1)


def all_answers(crew: Crew) -> dict[int, Answer]:
    found = {}
    while crew.waiting:
        for answer in crew.answers(1.0):
            assert answer.key not in found
            found[answer.key] = answer
    return found


def give(crew: Crew, items: list[str]) -> dict[int, Answer]:
    for key, item in enumerate(items):
        crew.give(key, item)
    return all_answers(crew)


@pytest.mark.parametrize("workers", [1, 3])
def test_crew_answers_every_item_once(workers: int) -> None:
    with Crew(begin, "did", workers, time_limit=60) as crew:
        found = give(crew, [f"item{n}" for n in range(50)])
    assert [found[n].value.split()[:2] for n in range(50)] == [["did", f"item{n}"] for n in range(50)]


def test_crew_started_is_ready_before_there_is_work() -> None:
    with Crew(begin, "did", 2, time_limit=60) as crew:
        assert list(crew.answers(None)) == []  # no process, nothing to wait for
        crew.start()
        assert len(multiprocessing.active_children()) == 2
        until = time.monotonic() + 60
        while not all(worker.ready for worker in crew._workers) and time.monotonic() < until:
            assert list(crew.answers(1.0)) == []
        assert list(crew.answers(None)) == []
        assert [answer.error for answer in give(crew, ["a", "b"]).values()] == [None, None]


def test_crew_blames_the_item_that_crashes_hangs_or_fails_alone() -> None:
    items = ["a", "crash", "b", "hang", "c", "spin", "d", "fail", "e"]
    with Crew(begin, "did", 2, time_limit=1) as crew:
        found = give(crew, items)
    troubles = {items[key]: answer.trouble or answer.error for key, answer in found.items()}
    assert troubles == {
        **dict.fromkeys("abcde", None),
        "crash": "died",
        "hang": "time",
        "spin": "time",
        "fail": "ValueError",
    }


def test_crew_gives_an_item_again_whose_process_was_killed_from_outside() -> None:
    killed = set()
    with Crew(begin, "did", 1, time_limit=60) as crew:
        for key in range(40):
            crew.give(key, f"item{key}")
        found = {}
        while crew.waiting:
            for answer in crew.answers(1.0):
                found[answer.key] = answer
                pid = int(answer.value.split()[-1])
                if len(killed) < 3 and pid not in killed:
                    killed.add(pid)
                    os.kill(pid, signal.SIGKILL)
    assert sorted(found) == list(range(40))
    assert all(answer.value for answer in found.values())
    assert len(killed) == 3


def test_crew_replaces_processes_after_so_many_items() -> None:
    with Crew(begin, "did", 1, time_limit=60, recycle=8) as crew:
        found = give(crew, [f"item{n}" for n in range(24)])
    assert len({answer.value.split()[-1] for answer in found.values()}) == 3


def test_crew_takes_items_and_answers_larger_than_a_pipe() -> None:
    items = ["x" * 3_000_000, "crash", "y" * 3_000_000]
    with Crew(begin, "did", 1, time_limit=60) as crew:
        found = give(crew, items)
    assert [len(found[key].value or "") > 3_000_000 for key in range(3)] == [True, False, True]


@pytest.mark.parametrize("pause", [0.0, 0.05, 0.5])
def test_crew_starts_another_process_where_one_is_killed_as_it_starts(
    monkeypatch: pytest.MonkeyPatch, pause: float
) -> None:
    killed = []
    start = multiprocessing.context.SpawnProcess.start

    def start_and_kill(process: multiprocessing.context.SpawnProcess) -> None:
        start(process)
        if len(killed) < 3:
            killed.append(process)
            threading.Timer(pause, process.kill).start()

    monkeypatch.setattr(multiprocessing.context.SpawnProcess, "start", start_and_kill)
    setup = "did" + "." * 1_000_000  # more than a pipe takes
    with Crew(begin, setup, 2, time_limit=60) as crew:
        found = give(crew, [f"item{n}" for n in range(20)])
    assert len(killed) >= 2
    assert all(answer.value for answer in found.values())


def test_crew_gives_up_when_no_process_starts() -> None:
    with Crew(never, None, 2, time_limit=60) as crew, pytest.raises(PvlError, match="B004"):
        give(crew, ["a"])
