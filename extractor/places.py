"""Places: the sentence and the section in which a mention of a note stands."""

from __future__ import annotations

from bisect import bisect_right
from functools import cached_property
from operator import attrgetter, itemgetter
from typing import NamedTuple

from extractor.claims import Case, Source
from extractor.events import Standing
from extractor.grammar import Parse
from extractor.layout import Layout
from extractor.mentions import Mention

_first, _start = itemgetter(0), attrgetter("start")


class Place(NamedTuple):
    """The sentence of a mention, the source it is of, and when what it says happened."""

    parse: Parse
    source: Source
    standing: Standing


class Places:
    """Tells where the mentions of one note stand.

    Parameters
    ----------
    case
        The parsed sentences.
    layout
        The sections.
    """

    def __init__(self, case: Case, layout: Layout) -> None:
        self._parses = case.parses
        self._sections = layout.sections

    @cached_property
    def _sorted(self) -> list[tuple[int, Place]]:
        return sorted(((parse[0].first, Place(*parse)) for parse in self._parses), key=_first)

    def of(self, mention: Mention) -> Place | None:
        """The sentence of a mention; headers stand in none."""
        at = bisect_right(self._sorted, mention.first, key=_first) - 1
        if at < 0 or mention.first >= self._sorted[at][1].parse.last:
            return None
        return self._sorted[at][1]

    def section(self, start: int) -> str:
        """The role of the section at a character."""
        at = bisect_right(self._sections, start, key=_start) - 1
        return self._sections[at].role if at >= 0 else ""
