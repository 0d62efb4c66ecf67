"""Starts: where in a text a regular expression can match at all.

In: a regular expression. Out: a ``Search`` that finds what it matches. Most
expressions match only from the beginning of a run: letters behind no letter,
digits behind no digit, a mark. A text is parted into runs once, and each
expression is tried at those that begin with one of its characters; a search of
its own through every character takes many times as long.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from re import _constants as codes  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any, NamedTuple

DIGIT = "0"  # stands for all digits
_RUN = re.compile(r"\d+|[^\W\d]+|[^\w\s]")
_WIDEST = 64  # characters of a range
_NOTHING: frozenset[str] = frozenset()
_DIGITS = frozenset({"digits"})
_WORDS = frozenset({"digits", "letters"})

Runs = dict[str, list[int]]
"""Where the runs of a text begin, by their first character."""


def runs_of(text: str) -> Runs:
    """Part a text into runs.

    Examples
    --------
    >>> runs_of("two 12mm (2)")
    {'t': [0], '0': [4, 10], 'm': [6], '(': [9], ')': [11]}
    """
    runs: Runs = {}
    for match in _RUN.finditer(text):
        start = match.start()
        first = text[start]
        key = DIGIT if first.isdecimal() else first
        if key in runs:
            runs[key].append(start)
        else:
            runs[key] = [start]
    return runs


class Search:
    r"""Finds what a regular expression matches.

    Attributes
    ----------
    first
        The characters with which its matches begin, if these begin runs; empty where
        that is not known.
    needed
        A piece of text that every match has; empty where none is known.

    Examples
    --------
    >>> search = Search(r"\b(?:came|went) (?:in|out)")
    >>> sorted(search.first), Search(r"\d*(?:mm|cm)? ?clock").needed
    (['c', 'w'], 'clock')
    >>> text = "it came in and went out"
    >>> [match.group() for match in search.matches(text, runs_of(text))]
    ['came in', 'went out']
    """

    def __init__(self, regex: str) -> None:
        self._pattern = re.compile(regex)
        parts = parser.parse(regex)
        any_case = bool(parts.state.flags & re.IGNORECASE)
        self.first = _NOTHING if any_case else _first_characters(parts)
        self.needed = "" if any_case else _needed(parts)

    def matches(self, text: str, runs: Runs) -> Iterator[re.Match[str]]:
        """What ``finditer`` of the expression gives; ``runs`` are those of the text."""
        if self.needed not in text:
            return
        if not self.first:
            yield from self._pattern.finditer(text)
            return
        match_at = self._pattern.match
        end = 0
        for start in sorted(at for character in self.first for at in runs.get(character, ())):
            match = match_at(text, start) if start >= end else None
            if match is not None:
                end = match.end()
                yield match


def _needed(parts: Any) -> str:
    """The longest piece of fixed text among the parts of an expression."""
    pieces = [""]
    for code, value in parts:
        if code is codes.LITERAL:
            pieces[-1] += chr(value)
        else:
            pieces.append("")
    return max(pieces, key=len)


def _first_characters(parts: Any) -> frozenset[str]:
    first = _sequence(parts)
    return _NOTHING if first is None or first.empty or first.unbarred else first.characters


class _First(NamedTuple):
    """How a part of an expression begins.

    Attributes
    ----------
    characters
        What it may begin with.
    unbarred
        ``letters`` or ``digits`` that may stand before it, so that it begins no run.
    empty
        Whether it may match nothing, so that the next part begins.
    bars
        What its assertions say does not stand before it, where it is no more than these.
    """

    characters: frozenset[str]
    unbarred: frozenset[str]
    empty: bool
    bars: frozenset[str] = _NOTHING


def _sequence(parts: Any) -> _First | None:
    """How a row of parts begins; None where that may be with anything."""
    characters, unbarred, bars = _NOTHING, _NOTHING, _NOTHING
    for code, value in parts:
        first = _part(code, value)
        if first is None:
            return None
        bars |= first.bars
        characters |= first.characters
        unbarred |= first.unbarred - bars
        if not first.empty:
            return _First(characters, unbarred, False)
    return _First(characters, unbarred, True, _NOTHING if characters else bars)


def _part(code: Any, value: Any) -> _First | None:
    """How one part begins."""
    if code in (codes.AT, codes.ASSERT, codes.ASSERT_NOT):
        return _First(_NOTHING, _NOTHING, True, _barred(code, value))
    if code is codes.LITERAL:
        return _choice([chr(value)])
    if code is codes.IN:
        return _set(value)
    if code is codes.SUBPATTERN:
        return None if value[1] else _sequence(value[3])
    if code is codes.MAX_REPEAT or code is codes.MIN_REPEAT:
        first = _sequence(value[2])
        optional = first is not None and not value[0]
        return first._replace(empty=True, bars=_NOTHING) if first is not None and optional else first
    if code is codes.BRANCH:
        return _any_of([_sequence(branch) for branch in value[1]])
    return None


def _any_of(branches: list[_First | None]) -> _First | None:
    known = [first for first in branches if first is not None]
    if len(known) < len(branches):
        return None
    return _First(
        frozenset().union(*(first.characters for first in known)),
        frozenset().union(*(first.unbarred for first in known)),
        any(first.empty for first in known),
        frozenset.intersection(*(first.bars for first in known)),
    )


def _choice(characters: list[str]) -> _First | None:
    """One of some characters: a mark is a run by itself, whatever stands before it."""
    if any(character.isspace() for character in characters):
        return None
    keys = frozenset(DIGIT if character.isdecimal() else character for character in characters)
    words = {key for key in keys if _in_word(key)}
    return _First(keys, _NOTHING if not words else _DIGITS if words == {DIGIT} else _WORDS, False)


def _in_word(character: str) -> bool:
    return character.isalnum() or character == "_"


def _set(parts: list[tuple[Any, Any]]) -> _First | None:
    """A choice in square brackets."""
    characters: list[str] = []
    for kind, value in parts:
        if kind is codes.LITERAL:
            characters.append(chr(value))
        elif kind is codes.CATEGORY and value is codes.CATEGORY_DIGIT:
            characters.append(DIGIT)
        elif kind is codes.RANGE and value[1] - value[0] < _WIDEST:
            characters += map(chr, range(value[0], value[1] + 1))
        else:
            return None
    return _choice(characters)


def _barred(code: Any, value: Any) -> frozenset[str]:
    r"""What an assertion says does not stand before it: ``\b``, ``(?<!\w)``, ``(?<!\d)``, ``(?<= )``.

    A boundary before a letter or a digit bars both.
    """
    if code is codes.AT:
        return _WORDS if value is codes.AT_BOUNDARY else _NOTHING
    direction, parts = value
    if direction > 0 or not len(parts):
        return _NOTHING
    last, choice = parts[-1]
    if code is codes.ASSERT:
        marks = [(last, choice)] if last is codes.LITERAL else choice if last is codes.IN else []
        fixed = all(kind is codes.LITERAL and not _in_word(chr(char)) for kind, char in marks)
        return _WORDS if marks and fixed else _NOTHING
    kinds = [char for kind, char in choice if kind is codes.CATEGORY] if last is codes.IN else []
    if len(parts) > 1:
        return _NOTHING  # "not behind a certain word": behind others
    if codes.CATEGORY_WORD in kinds:
        return _WORDS
    return _DIGITS if codes.CATEGORY_DIGIT in kinds else _NOTHING
