"""How fast the screen is with each engine, beside what a scan of memory costs.

Run it as ``python tests/benchmarks/screen_speed.py NOTES [--same N]``: ``NOTES`` is a
``.jsonl`` or ``.jsonl.gz`` with a ``text`` per line, of notes that mostly concern no
closure. All engines run by turns on one core, timed by its clock for this work alone;
the figures are medians. ``--same N`` first compares the suggestions for the N first
notes with those of the full pipeline.
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
import sys
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

from extractor.coder import Coder
from extractor.rules import load_rules
from extractor.screen import SIGNS, Screen, Search, Terms, by_hyperscan, by_re, terms_of

ROUNDS = 5
SLOW = 20  # the part of the notes an engine of the slow kind is measured on: one in so many

Scan = Callable[[str], Any]


def by_re2(expressions: Sequence[bytes]) -> Search:
    """Search by google-re2; it knows bytes as Latin-1."""
    import re2

    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.case_sensitive = False
    options.max_mem = 1 << 28
    searches = [re2.compile(expression, options).search for expression in expressions]
    return lambda data: {number for number, find in enumerate(searches) if find(data)}


def by_aho_corasick() -> Scan:
    """The longest word of each term by ahocorasick_rs: the first half of a screen, without any check."""
    import ahocorasick_rs

    terms = [terms_of(rule for rule in load_rules().rules if says(rule)) for says in SIGNS.values()]
    words = {max(term, key=len) for found in terms if found is not None for term in found.whole}
    find = ahocorasick_rs.AhoCorasick(sorted(words)).find_matches_as_indexes
    return lambda text: find(text.lower())


def one_list() -> Scan:
    """One list of all words that name a leak, by ``re`` without case: what a screen is without conditions."""
    found = terms_of(rule for rule in load_rules().rules if rule.kind == "leak") or Terms((), ())
    words = sorted({max(term, key=len) for term in found.whole})
    return re.compile("|".join(words), re.I).search


def engines() -> dict[str, tuple[Scan, int]]:
    """Each contender, and one in how many notes it is measured on."""
    book = load_rules()
    out: dict[str, tuple[Scan, int]] = {"str.lower()": (str.lower, 1)}
    if find_spec("hyperscan"):
        out["screen, hyperscan"] = Screen(book, by_hyperscan), 1
    if find_spec("re2"):
        out["screen, google-re2"] = Screen(book, by_re2), 1
    out["screen, standard library by words"] = Screen(book, None), 1
    out["screen, re alone"] = Screen(book, by_re), SLOW
    if find_spec("ahocorasick_rs"):
        out["ahocorasick_rs on lower(), words only"] = by_aho_corasick(), 1
    out["re.I, one list of words, no conditions"] = one_list(), SLOW
    return out


def compare(texts: list[str]) -> int:
    """How many suggestions differ between a coder that screens and one that does not."""
    with_screen, without = Coder(), Coder()
    with_screen._unscreened, without._unscreened = 0, len(texts)
    return sum(with_screen.suggest(t).to_json() != without.suggest(t).to_json() for t in texts)


def main() -> int:
    """Measure by turns and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("notes", type=Path)
    parser.add_argument("--same", type=int, default=0, metavar="N")
    given = parser.parse_args()
    opened = gzip.open if given.notes.suffix == ".gz" else open
    with opened(given.notes, "rt", encoding="utf-8") as lines:
        texts = [json.loads(line)["text"] for line in lines]
    write = sys.stdout.write
    differing = compare(texts[: given.same])
    if given.same:
        write(f"{differing} of {len(texts[: given.same])} suggestions differ\n")
    contenders = engines()
    answers = {
        name: [bool(scan(t)) for t in texts[::SLOW]]
        for name, (scan, _) in contenders.items()
        if name.startswith("screen")
    }
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(ROUNDS + 1):  # the first warms up
        for name, (scan, one_in) in contenders.items():
            some = texts[::one_in]
            start = time.thread_time()
            for text in some:
                scan(text)
            rate = sum(len(t.encode()) for t in some) / 1e6
            times[name].append(rate / (time.thread_time() - start))
    for name, rates in times.items():
        scan, one_in = contenders[name]
        share = sum(bool(scan(t)) for t in texts[::one_in]) / len(texts[::one_in])
        passed = "" if name == "str.lower()" else f"  passes {share:.2%}"
        write(f"{name:42} {median(rates[1:]):8.1f} MB/s{passed}\n")
    agree = len({tuple(a) for a in answers.values()}) == 1
    write("the engines of the screen agree\n" if agree else "the engines of the screen DISAGREE\n")
    return int(not agree or differing > 0)


if __name__ == "__main__":
    sys.exit(main())
