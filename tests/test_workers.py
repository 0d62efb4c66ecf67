"""Workers: the same suggestions as one process, read a bounded number of notes ahead."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from extractor.coder import Coder
from extractor.rules import RuleBook, load_rules
from extractor.workers import _AHEAD, _CHUNK, pipe

NOTES = [
    (f"Mitral paravalvular leak. {n} AVP II plugs of 8 mm were deployed and released.", f"n{n}")
    for n in range(40)
]
WORKERS = 2


@pytest.fixture(scope="module")
def book() -> RuleBook:
    return load_rules()


@pytest.fixture(scope="module")
def alone(book: RuleBook) -> list[str]:
    coder = Coder(book)
    return [coder.suggest(text, note_id).to_json() for text, note_id in NOTES]


def test_workers_give_what_one_process_gives_in_order(book: RuleBook, alone: list[str]) -> None:
    assert [suggestion.to_json() for suggestion in pipe(book, NOTES, WORKERS)] == alone


def test_workers_read_a_bounded_number_ahead_in_the_callers_thread(book: RuleBook) -> None:
    read = 0
    threads = set()

    def endless() -> Iterator[tuple[str, str]]:
        nonlocal read
        while True:
            read += 1
            threads.add(threading.get_ident())
            yield NOTES[read % len(NOTES)]

    suggestions = pipe(book, endless(), WORKERS)
    for taken in range(1, 100):
        next(suggestions)
        assert read <= taken + _AHEAD * WORKERS * _CHUNK
    suggestions.close()  # type: ignore[attr-defined]
    assert threads == {threading.get_ident()}


@pytest.mark.parametrize("good", [0, 3, _CHUNK, 2 * _CHUNK + 1])
def test_workers_raise_an_error_of_the_reader_after_what_came_before(
    book: RuleBook, alone: list[str], good: int
) -> None:
    def breaking() -> Iterator[tuple[str, str]]:
        yield from NOTES[:good]
        raise OSError("disk gone")

    suggestions = pipe(book, breaking(), WORKERS)
    done = [next(suggestions).to_json() for _ in range(good)]
    with pytest.raises(OSError, match="disk gone"):
        next(suggestions)
    assert done == alone[:good]


def test_workers_of_nothing_give_nothing(book: RuleBook) -> None:
    assert list(pipe(book, [], WORKERS)) == []
