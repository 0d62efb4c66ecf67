"""The coder: from the text of a note to its suggestion."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from math import inf
from typing import Protocol

from extractor.answers import Ground
from extractor.changes import draft_changes
from extractor.circumstances import Circumstances, read_circumstances
from extractor.claims import Case, build_case
from extractor.coding import Evidence, suggest
from extractor.count import Count, reconcile
from extractor.dates import service_date
from extractor.diagnoses import suggest_diagnoses
from extractor.edits import edits, governed
from extractor.explanation import ExplainedMention, explain_mentions
from extractor.grammar import SentenceReader
from extractor.layout import Layout, LayoutReader
from extractor.mentions import Hit, Mention, MentionFinder, Words, in_context
from extractor.modifiers import advise_modifiers
from extractor.queries import Material, draft_queries
from extractor.readers import Standing
from extractor.rules import RuleBook, load_rules
from extractor.screen import Concern, Screen, unconcerned
from extractor.services import read_services
from extractor.standing import FINAL, hold
from extractor.suggestion import Suggestion
from extractor.tables import Tables, load_tables

_UNSCREENED = 16  # notes


class NoteLike(Protocol):
    """Anything with an id and a text."""

    @property
    def note_id(self) -> str:
        """What the note is called; repeated in its suggestion."""

    @property
    def text(self) -> str:
        """The text of the note."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """A suggestion with every mention behind it."""

    suggestion: Suggestion
    mentions: tuple[ExplainedMention, ...]


@dataclass(frozen=True, slots=True)
class Analysis:
    """The stages of one note, side by side."""

    layout: Layout
    found: dict[str, list[Mention]]
    case: Case
    count: Count
    circumstances: Circumstances


class Coder:
    """Codes notes by a rule book.

    Parameters
    ----------
    rules
        The rules; the shipped ones by default.
    screen
        Look first whether a note can concern a closure at all, which changes no
        suggestion; not needed where somebody has looked already.
    tables
        The payer's tables; by default the shipped ones and those the user imported.

    Examples
    --------
    >>> coder = Coder()
    >>> note = "Aortic paravalvular leak. Two 8 mm AVP II plugs were deployed and released."
    >>> suggestion = coder.suggest(note)
    >>> suggestion.status, suggestion.units
    ('ready', {'93591': 1, '93592': 1})
    """

    def __init__(
        self, rules: RuleBook | None = None, tables: Tables | None = None, *, screen: bool = True
    ) -> None:
        self.rules = rules or load_rules()
        self.tables = tables or load_tables()
        self._finder = MentionFinder(self.rules)
        self._layout = LayoutReader(self.rules)
        self._concern = Concern(self.rules)
        self._unscreened: float = _UNSCREENED if screen else inf

    @cached_property
    def _screen(self) -> Screen:
        return Screen(self.rules)

    def analyse(self, text: str) -> Analysis:
        """Run every stage up to the count."""
        words = self._finder.words(text)
        return self._analyse(text, words, self._finder.hits(text, words))

    def _analyse(self, text: str, words: Words, hits: list[Hit]) -> Analysis:
        layout = self._layout.read(text)
        found = in_context(self._finder.settle(text, words, hits, layout.line_starts))
        parses = SentenceReader(words, found).read_all(layout.sentences)
        case = build_case(parses, found["table"])
        return Analysis(layout, found, case, reconcile(case), read_circumstances(layout, case, found))

    def suggest(
        self, text: str, note_id: str = "", standing: Standing = FINAL, served: date | None = None
    ) -> Suggestion:
        """The suggestion for the text of one note.

        ``served`` is the date of service; without it that of the letterhead, if it names one.
        """
        if self._unscreened:
            self._unscreened -= 1  # the same comes out, and the screen takes as long to make as these
        elif not self._screen(text):
            return unconcerned(note_id, self.rules)
        words = self._finder.words(text)
        hits = self._finder.hits(text, words)
        items = self._finder.settled_items(text, words, hits)
        if items is not None and not self._concern({"items": items}):
            return unconcerned(note_id, self.rules)  # nothing of it needs to be understood
        analysis = self._analyse(text, words, hits)
        suggestion = self._suggest(analysis, text, note_id)
        return self._final(suggestion, analysis, text, standing, served)

    def _final(
        self, suggestion: Suggestion, analysis: Analysis, text: str, standing: Standing, served: date | None
    ) -> Suggestion:
        """The suggestion as the standing of the note leaves it, with what is for the coder alone."""
        held = hold(suggestion, standing)
        if held.status == "none":
            return held
        day = served or service_date(text, self.tables.labels)
        evidence = Evidence(text, {})
        update: dict[str, object] = {
            "also_documented": governed(held, self.tables, day),
            "modifiers": advise_modifiers(self.rules, self.tables, evidence, analysis, held, day),
            "diagnoses": suggest_diagnoses(self.rules, evidence, analysis, held),
        }
        if held.lines:
            update["edits"] = edits(held, self.rules, self.tables, day)
        return held.model_copy(update=update)

    def _suggest(self, analysis: Analysis, text: str, note_id: str) -> Suggestion:
        if not self._concern(analysis.found):
            return unconcerned(note_id, self.rules)
        section_at = {
            i: parse.sentence.section.role
            for parse, _, _ in analysis.case.parses
            for i in range(parse.first, parse.last)
        }
        evidence = Evidence(text, section_at)
        case, count, around = analysis.case, analysis.count, analysis.circumstances
        suggestion = suggest(note_id, self.rules, evidence, case, count, around)
        approaches = analysis.found["approach"]
        ground = Ground(self.rules, evidence, case, count, around, approaches, suggestion)
        suggestion = suggestion.model_copy(update={"changes": draft_changes(ground)})
        if suggestion.status != "none":
            services = read_services(analysis.layout, case, analysis.found, self.rules, evidence)
            suggestion = suggestion.model_copy(update={"also_documented": services})
        if not suggestion.reasons:
            return suggestion
        material = Material(text, analysis.layout, case, count, around)
        return suggestion.model_copy(update={"queries": draft_queries(self.rules, material, suggestion)})

    def pipe(self, notes: Iterable[str | NoteLike], workers: int = 1) -> Iterator[Suggestion]:
        """Suggestions for many notes, in their order, by ``workers`` processes.

        A note that has a ``standing`` and is not final is never ``ready``; one that has a
        date of service as ``served`` gets the edits of that day.
        """
        given = (
            (note, "", FINAL, None)
            if isinstance(note, str)
            else (
                note.text,
                note.note_id,
                getattr(note, "standing", FINAL),
                getattr(note, "served", None),
            )
            for note in notes
        )
        if workers <= 1:
            for one in given:
                yield self.suggest(*one)
            return
        from extractor.workers import pipe

        yield from pipe(self.rules, given, workers, self.tables)

    def explain(
        self, text: str, note_id: str = "", standing: Standing = FINAL, served: date | None = None
    ) -> Explanation:
        """The suggestion, and how each mention of the note was explained."""
        analysis = self.analyse(text)
        mentions = explain_mentions(
            text, analysis.layout, analysis.found, analysis.case, analysis.circumstances
        )
        suggestion = self._suggest(analysis, text, note_id)
        return Explanation(self._final(suggestion, analysis, text, standing, served), mentions)
