"""Starts: an expression tried at the runs of a text finds what it finds anywhere."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extractor.rules import load_rules
from extractor.starts import Search, runs_of

REGEXES = [rule.regex for rule in load_rules().rules if rule.regex is not None]
SEARCHES = {regex: Search(regex) for regex in REGEXES}

_PIECES = st.sampled_from(
    ["12mm", " x 2", "2x ", "14 x 5 mm", "8-4", "at 3 o'clock", "out.", "more ", "\n", "apex: ", "10:42",
     "pulled it", " into the sheath", "avp 2", "9-avp2-010", "lot 12", "qty: 2", "2015", "_", "-", "\u0663"]
)  # fmt: skip
TEXTS = st.lists(st.one_of(_PIECES, st.text(max_size=3)), max_size=20).map("".join)


def found(search: Search, text: str) -> list[tuple[tuple[int, int], tuple[str | None, ...]]]:
    return [(match.span(), match.groups()) for match in search.matches(text, runs_of(text))]


def everywhere(regex: str, text: str) -> list[tuple[tuple[int, int], tuple[str | None, ...]]]:
    return [(match.span(), match.groups()) for match in re.finditer(regex, text)]


@given(TEXTS.map(str.lower))
def test_starts_finds_what_a_search_of_every_character_finds(text: str) -> None:
    for regex, search in SEARCHES.items():
        assert found(search, text) == everywhere(regex, text), regex


@pytest.mark.parametrize(
    ("regex", "first", "needed", "why"),
    [
        (r"\bout\b", "o", "out", "a boundary before a letter"),
        (r"out\b", "", "out", "may begin inside a word"),
        (r"(?<!\d)\d+:", "0", ":", "no digit before a digit"),
        (r"(?<!\d)x\d", "", "x", "but a letter before a letter"),
        (r"[x*]?(?<!\w)\d", "", "", "the assertion is of what comes after the mark"),
        (r"(?<!no )plug", "", "plug", "one word before it is barred, others are not"),
        (r"(?:(?<=\n)|(?<=; ))apex", "a", "apex", "behind marks alone"),
        (r"\b\s?\d", "", "", "white space begins no run"),
        (r"(?i)\bout", "", "", "any case"),
        (r"\b(?:[4-6]|ten) mm", "0t", " mm", "a range of digits, or a word"),
        (r"#|nr\.", "", "", "a word without a boundary in one of the branches"),
    ],
)
def test_starts_of_an_expression(regex: str, first: str, needed: str, why: str) -> None:
    search = Search(regex)
    assert (search.first, search.needed) == (frozenset(first), needed), why
    for text in ("out 12:30 x2 10 mm", "about x12 no plug\napex; apex nr. 4 #2", "ten mm OUT *5"):
        assert found(search, text) == everywhere(regex, text), why
