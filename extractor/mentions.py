"""Mentions: which words of a note matter, by which rule.

In: text. Out: non-overlapping mentions per layer, each with its rule. Phrases
run through spaCy's PhraseMatcher on the *words* of the note: lower-cased, with
white space and hyphens dropped, so that a hard wrap, a double space or
"AVP-II" for "AVP II" changes nothing.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from spacy.matcher import Matcher, PhraseMatcher
from spacy.tokenizer import Tokenizer
from spacy.tokens import Doc
from spacy.vocab import Vocab

from extractor.lines import written
from extractor.rules import Rule, RuleBook, spellings

# Mentions compete for words inside a layer: the longest wins, then the earlier kind.
LAYERS: dict[str, tuple[str, ...]] = {
    "items": ("device", "other_device", "target", "leak", "valve", "size", "action", "count"),
    "cues": ("cue",),
    "grammar": ("grammar",),
    "approach": ("approach",),
    "document": ("document",),
    "table": ("table",),
    "session": ("session",),
}
_LAYER_OF = {kind: layer for layer, kinds in LAYERS.items() for kind in kinds}
_PRIORITY = {kind: i for kinds in LAYERS.values() for i, kind in enumerate(kinds)}

_PUNCTUATION = r"""[^\w\s]|_"""
_UNIT = r"(?<=[0-9])(?:mm|cm|fr|f|ml|mg|mmHg|mmhg|french)"


# The words of a phrase, split as the tokenizer splits a note (tested equal).
_WORD = re.compile(rf"\d+(?={_UNIT[len('(?<=[0-9])') :]}(?!\w))|[^\W_]+|(?!-){_PUNCTUATION}")


def _split(phrase: str) -> list[str]:
    return _WORD.findall(phrase.lower())


_LINE_BREAK = re.compile(r"[ \t]*\r?\n[ \t]+(?=\S)|[ \t]*\r\n(?=\S)|[ \t]+\n(?=\S)")
_BLANK_LINE = re.compile(r"\n[ \t\r]*\n")
_CELL_END = re.compile(r"\t| {2,}")
_TO_COLON = re.compile(r"(?:[ \t]+[\w/()-]+){0,3}[ \t]*:(?!\d)")
_DROP_DOWN = re.compile(r"\{[^{}\n]{0,120}\}|\[ \][^\n\[]{0,60}|\( \)[^\n(]{0,40}|☐[^\n☐☑☒]{0,60}")


@dataclass(frozen=True, slots=True)
class Words:
    """The words of a text: lower-cased tokens without white space and hyphens.

    ``starts`` and ``ends`` are character offsets into the text.
    """

    words: list[str]
    starts: list[int]
    ends: list[int]

    def at(self, start: int, end: int) -> tuple[int, int]:
        """Word indices covered by characters ``start`` to ``end``."""
        return bisect_right(self.ends, start), bisect_left(self.starts, end)


@dataclass(frozen=True, slots=True)
class Mention:
    """Words that a rule matched: characters ``start:end``, words ``first:last``."""

    start: int
    end: int
    first: int
    last: int
    source: Rule = field(hash=False)  # as large as its list of phrases
    plural: bool = False
    value: int | None = None

    @property
    def rule(self) -> str:
        """Id of the rule that matched."""
        return self.source.id

    @property
    def kind(self) -> str:
        """Kind of the rule: ``device``, ``action``, ``cue`` ..."""
        return self.source.kind

    @property
    def means(self) -> Any:
        """What the rule says these words mean (a model of ``extractor.rules``)."""
        return self.source.means


def make_tokenizer(vocab: Vocab) -> Tokenizer:
    """A fast tokenizer for clinical text: words, numbers and units, punctuation apart.

    spaCy's English exceptions contain white space, which keeps most of a note
    out of the tokenizer's cache (spaCy issue 13950); this one has none.

    Examples
    --------
    >>> tokenizer = make_tokenizer(Vocab())
    >>> [token.text for token in tokenizer("A 12mm AVP-II")]
    ['A', '12', 'mm', 'AVP', '-', 'II']
    """
    mark = re.compile(_PUNCTUATION)
    return Tokenizer(
        vocab,
        prefix_search=re.compile(rf"^(?:{_PUNCTUATION})").search,
        suffix_search=re.compile(rf"(?:{_PUNCTUATION}|{_UNIT})$").search,
        infix_finditer=mark.finditer,
    )


def words_of(doc: Doc) -> Words:
    """The words of a Doc."""
    words, starts, ends = [], [], []
    for token in doc:
        text = token.text
        if text in ("-", "_") or text.isspace():
            continue
        words.append(text.lower())
        starts.append(token.idx)
        ends.append(token.idx + len(text))
    return Words(words, starts, ends)


class MentionFinder:
    """Finds the mentions of all rules of a rule book in a text."""

    def __init__(self, book: RuleBook) -> None:
        # No language: words are compared as they are written, so nothing of English is needed.
        self._vocab = Vocab()
        self._tokenizer = make_tokenizer(self._vocab)
        self._rules: dict[int, tuple[Rule, bool]] = {}
        self._phrases = PhraseMatcher(self._vocab, attr="ORTH")
        self._tokens = Matcher(self._vocab)
        self._regexes: list[tuple[Rule, re.Pattern[str]]] = []
        for rule in book.rules:
            if rule.kind == "section":
                continue
            for plural, phrases in ((False, rule.phrases), (True, rule.plurals)):
                if phrases:
                    key = rule.id + ("#plural" if plural else "")
                    self._phrases.add(key, self._patterns(phrases))
                    self._rules[self._vocab.strings[key]] = (rule, plural)
            if rule.tokens:
                self._tokens.add(rule.id, list(rule.tokens))
                self._rules[self._vocab.strings[rule.id]] = (rule, False)
            if rule.regex:
                self._regexes.append((rule, re.compile(rule.regex)))

    def _patterns(self, phrases: tuple[str, ...]) -> Any:
        """Every spelling of phrases as the matcher stores it: the hashes of its words.

        A Doc for each would give the same matches and take ten times as long.
        """
        add = self._vocab.strings.add
        return [[add(word) for word in _split(spelling)] for spelling in spellings(phrases)]

    def _by_regex(self, text: str, words: Words) -> Iterator[Mention]:
        """What the regular expressions match; a break of a line is one blank to them."""
        squeezed = _Squeezed(text)
        for rule, pattern in self._regexes:
            for match in pattern.finditer(squeezed.text):
                start, end = squeezed.original(match.start()), squeezed.original(match.end() - 1) + 1
                while start < end and text[start].isspace():
                    start += 1
                first, last = words.at(start, end)
                if first < last:
                    value = next((int(group) for group in match.groups() if group and group.isdigit()), None)
                    if value is None and rule.kind == "count" and match.group().isdigit():
                        value = int(match.group())
                    yield Mention(start, end, first, last, rule, False, value)

    def words(self, text: str) -> Words:
        """The words of a text."""
        return words_of(self._tokenizer(written(text)))

    def find(self, text: str, words: Words, line_starts: Sequence[int] = ()) -> dict[str, list[Mention]]:
        """Mentions by layer, in text order, not overlapping inside a layer.

        None runs over a blank line, or over one of ``line_starts``.
        """
        text = written(text)
        doc = Doc(self._vocab, words=words.words)
        found: dict[str, list[Mention]] = {layer: [] for layer in LAYERS}
        hits = self._phrases(doc)
        if len(self._tokens):
            hits = hits + self._tokens(doc)
        for key, first, last in hits:
            rule, plural = self._rules[key]
            if last - first > 1 and _BLANK_LINE.search(text, words.starts[first], words.ends[last - 1]):
                continue  # words of two paragraphs are no phrase
            if rule.kind == "table" and _CELL_END.search(text, words.starts[first], words.ends[last - 1]):
                continue  # nor those of two cells
            if (
                last - first > 1
                and not line_starts
                and _opens_field(text, words.starts[first], words.ends[last - 1])
            ):
                continue  # "Valve: aortic" and "Prosthesis: 19 mm" on the next line
            found[_LAYER_OF[rule.kind]].append(
                Mention(words.starts[first], words.ends[last - 1], first, last, rule, plural)
            )
        for mention in self._by_regex(text, words):
            found[_LAYER_OF[mention.kind]].append(mention)
        # What a drop-down left behind ("{mitral/aortic:30988} mitral") offers choices and makes none.
        offered = [match.span() for match in _DROP_DOWN.finditer(text)]
        for name, mentions in found.items():
            found[name] = [m for m in mentions if not _runs_over(m, line_starts)]
        if offered:
            for name, mentions in found.items():
                found[name] = [m for m in mentions if not any(a <= m.start < b for a, b in offered)]
        return {name: _longest(mentions, len(words.words)) for name, mentions in found.items()}


def in_context(found: dict[str, list[Mention]]) -> dict[str, list[Mention]]:
    """Mentions without those that presuppose a route the note does not name."""
    named = {m.means.route for mentions in found.values() for m in mentions if m.kind == "approach"}
    return {
        layer: [m for m in mentions if m.kind != "target" or m.means.after in (None, *named)]
        for layer, mentions in found.items()
    }


class _Squeezed:
    """A text in lower case with one character for each line break, whatever blanks stand around it."""

    def __init__(self, text: str) -> None:
        self._lost: list[int] = []  # characters lost up to each break
        self._at: list[int] = []  # where it stands in the squeezed text
        pieces, position, lost = [], 0, 0
        lowered = _lower(text)
        for match in _LINE_BREAK.finditer(text):
            pieces += [lowered[position : match.start()], "\n"]
            position = match.end()
            self._at.append(match.start() - lost + 1)
            lost += len(match.group()) - 1
            self._lost.append(lost)
        self.text = "".join([*pieces, lowered[position:]])

    def original(self, position: int) -> int:
        """Where a character of the squeezed text stands."""
        breaks = bisect_right(self._at, position)
        return position + (self._lost[breaks - 1] if breaks else 0)


def _runs_over(mention: Mention, line_starts: Sequence[int]) -> bool:
    following = bisect_right(line_starts, mention.start)
    return following < len(line_starts) and line_starts[following] < mention.end


def _opens_field(text: str, start: int, end: int) -> bool:
    """Whether words run over a line break into the name of a field."""
    return "\n" in text[start:end] and _TO_COLON.match(text, end) is not None


def _lower(text: str) -> str:
    lowered = text.lower()
    if len(lowered) == len(text):
        return lowered
    # A few characters change length in lower case; offsets must not move.
    return "".join(c.lower() if len(c.lower()) == 1 else c for c in text)


def _longest(mentions: list[Mention], size: int) -> list[Mention]:
    taken = bytearray(size)
    kept = []
    for mention in sorted(mentions, key=lambda m: (m.first - m.last, _PRIORITY[m.kind], m.first)):
        if not any(taken[mention.first : mention.last]):
            taken[mention.first : mention.last] = b"\1" * (mention.last - mention.first)
            kept.append(mention)
    return sorted(kept, key=lambda m: m.first)


@lru_cache(maxsize=4)
def _finder(book: RuleBook) -> MentionFinder:
    return MentionFinder(book)


def match_text(text: str, book: RuleBook) -> list[Mention]:
    """All mentions of a short text, of every layer, in text order.

    Examples
    --------
    >>> from extractor.rules import load_rules
    >>> [m.rule for m in match_text("two AVP-II", load_rules())]
    ['count.two', 'device.avp2']
    """
    finder = _finder(book)
    found = finder.find(text, finder.words(text))
    return sorted((m for layer in found.values() for m in layer), key=lambda m: (m.start, m.end, m.rule))
