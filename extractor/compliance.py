"""Whether a query to the physician is one that may be asked: no codes, no money, no leading words.

In: the text of a query, as drafted or as a person edited it. Out: what a compliance
officer would object to, with its place, so that a page can show it before the query is
sent. The words are data (``patterns/queries.yaml``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from extractor.rules import QueryForm, load_rules

_NUMBERS = r"\b9\d{4}\b|[$€£]\s?\d|\d\s?[$€£]"  # code numbers and sums
_BLANK = "____"


@dataclass(frozen=True, slots=True)
class Concern:
    """Something in a query that should not be asked like that.

    Attributes
    ----------
    kind
        ``word`` (codes, units, edits, payment), ``leading`` or ``options``.
    message
        What is wrong with it.
    start, end
        Where it stands in the query; both 0 where something is missing.
    """

    kind: Literal["word", "leading", "options"]
    message: str
    start: int = 0
    end: int = 0


def concerns(text: str, form: QueryForm | None = None) -> tuple[Concern, ...]:
    """What is wrong with a query.

    Parameters
    ----------
    text
        The query.
    form
        The words that queries share; the shipped ones by default.

    Examples
    --------
    >>> [found.message for found in concerns("We believe that two units of 93592 were left in?")]
    ['“units” has no place in a query', '“93592” has no place in a query', '“We believe” leads to an answer']
    >>> concerns("Which occlusion devices remained?")
    ()
    """
    form = form or load_rules().form
    if form is None or not text.strip():
        return (Concern("options", "the query is empty"),) if form is not None else ()
    avoid, leading = _patterns(form.avoid, form.leading)
    found = [_at("word", hit, "has no place in a query") for hit in avoid.finditer(text)]
    # What the note says leads nobody: it is quoted.
    own = re.sub(_quoted(form), lambda quote: " " * len(quote[0]), text)
    found += (_at("leading", hit, "leads to an answer") for hit in leading.finditer(own))
    return (*found, *_options(text, form))


def _at(kind: Literal["word", "leading"], hit: re.Match[str], problem: str) -> Concern:
    return Concern(kind, f"“{' '.join(hit[0].split())}” {problem}", hit.start(), hit.end())


def _options(text: str, form: QueryForm) -> Iterator[Concern]:
    """A choice must leave every other answer open."""
    mark = form.option.partition("{")[0]
    offered = [line.strip().removeprefix(mark).strip() for line in text.splitlines() if line.startswith(mark)]
    if not offered:
        return
    other = form.other.partition(":")[0]
    ways_out = [one for one in offered if one.startswith(other) or one == form.unable]
    if not any(one.startswith(other) for one in ways_out):
        yield Concern("options", f"the option “{other}” is missing")
    if form.unable not in ways_out:
        yield Concern("options", f"the option “{form.unable}” is missing")
    answers = [one for one in offered if one not in ways_out]
    if len(answers) == 1 and _BLANK not in answers[0]:
        yield Concern("options", "a single answer to choose leads to it: offer another one, or leave a blank")


def _quoted(form: QueryForm) -> re.Pattern[str]:
    before, _, after = form.quote.partition("{words}")
    return re.compile(rf"^{re.escape(before)}.*{re.escape(after.partition('{')[0])}", re.MULTILINE)


@lru_cache(maxsize=4)
def _patterns(avoid: tuple[str, ...], leading: tuple[str, ...]) -> tuple[re.Pattern[str], re.Pattern[str]]:
    listed = "|".join(re.escape(word) for word in avoid)
    words = re.compile(rf"{_NUMBERS}|(?<!\w)(?:{listed})(?!\w)", re.IGNORECASE)
    phrases = "|".join(r"\s+".join(map(re.escape, phrase.split())) for phrase in leading) or r"(?!)"
    return words, re.compile(rf"(?<!\w)(?:{phrases})(?!\w)", re.IGNORECASE)
