"""The stages as spaCy components, for use in other pipelines.

Examples
--------
>>> import spacy
>>> nlp = spacy.blank("en")
>>> for name in ("pvl_layout", "pvl_mentions", "pvl_timeline"):
...     _ = nlp.add_pipe(name)
>>> doc = nlp("Mitral paravalvular leak closure. An 8 mm AVP II was deployed and released.")
>>> doc._.pvl_suggestion.units
{'93590': 1}
"""

from __future__ import annotations

from spacy.language import Language
from spacy.tokens import Doc, Span

from extractor.coder import Coder
from extractor.layout import LayoutReader
from extractor.mentions import MentionFinder
from extractor.rules import load_rules

for _name in ("pvl_layout", "pvl_suggestion"):
    if not Doc.has_extension(_name):
        Doc.set_extension(_name, default=None)


class LayoutComponent:
    """Sets ``doc._.pvl_layout``: sections and sentences with character offsets."""

    def __init__(self) -> None:
        self._reader = LayoutReader(load_rules())

    def __call__(self, doc: Doc) -> Doc:
        """Read the layout of a Doc."""
        doc._.pvl_layout = self._reader.read(doc.text)
        return doc


class MentionsComponent:
    """Sets ``doc.spans["pvl"]``: a span per mention, label its kind, id its rule."""

    def __init__(self) -> None:
        self._finder = MentionFinder(load_rules())

    def __call__(self, doc: Doc) -> Doc:
        """Find the mentions of a Doc."""
        found = self._finder.find(doc.text, self._finder.words(doc.text))
        spans = []
        for mention in sorted((m for layer in found.values() for m in layer), key=lambda m: (m.start, m.end)):
            span = doc.char_span(
                mention.start, mention.end, label=mention.kind, span_id=mention.rule, alignment_mode="expand"
            )
            if isinstance(span, Span):
                spans.append(span)
        doc.spans["pvl"] = spans
        return doc


class TimelineComponent:
    """Sets ``doc._.pvl_suggestion``: the ``Suggestion`` for the text of the Doc."""

    def __init__(self) -> None:
        self._coder = Coder()

    def __call__(self, doc: Doc) -> Doc:
        """Code the text of a Doc."""
        doc._.pvl_suggestion = self._coder.suggest(doc.text)
        return doc


@Language.factory("pvl_layout")
def make_layout(nlp: Language, name: str) -> LayoutComponent:
    """Factory of ``pvl_layout``."""
    return LayoutComponent()


@Language.factory("pvl_mentions")
def make_mentions(nlp: Language, name: str) -> MentionsComponent:
    """Factory of ``pvl_mentions``."""
    return MentionsComponent()


@Language.factory("pvl_timeline")
def make_timeline(nlp: Language, name: str) -> TimelineComponent:
    """Factory of ``pvl_timeline``."""
    return TimelineComponent()
