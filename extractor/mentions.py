"""Mentions: which words of a note matter, by which rule.

In: text. Out: non-overlapping mentions per layer, each with its rule. Phrases
run through spaCy's PhraseMatcher on the *words* of the note: lower-cased, with
white space and hyphens dropped, so that a hard wrap, a double space or
"AVP-II" for "AVP II" changes nothing.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from math import prod
from operator import attrgetter, itemgetter
from typing import Any, Literal, NamedTuple

from spacy.matcher import Matcher, PhraseMatcher
from spacy.tokenizer import Tokenizer
from spacy.tokens import Doc
from spacy.vocab import Vocab

from extractor.lines import written
from extractor.rules import Rule, RuleBook, spellings
from extractor.starts import Search, runs_of

# Mentions compete for words inside a layer: the longest wins, then the earlier kind.
LAYERS: dict[str, tuple[str, ...]] = {
    "items": ("device", "other_device", "target", "leak", "valve", "size", "action", "count"),
    "cues": ("cue",),
    "grammar": ("grammar",),
    "approach": ("approach",),
    "document": ("document",),
    "table": ("table",),
    "session": ("session",),
    "services": ("service",),
    "modifier": ("modifier",),
    "diagnosis": ("diagnosis",),
}
_LAYER_OF = {kind: layer for layer, kinds in LAYERS.items() for kind in kinds}
_PRIORITY = {kind: i for kinds in LAYERS.values() for i, kind in enumerate(kinds)}

_PUNCTUATION = r"""[^\w\s]|_"""
_UNIT = r"(?<=[0-9])(?:mm|cm|fr|f|ml|mg|mmHg|mmhg|french)"


# The words of a phrase, split as the tokenizer splits a note (tested equal).
_WORD = re.compile(rf"\d+(?={_UNIT[len('(?<=[0-9])') :]}(?!\w))|[^\W_]+|(?!-){_PUNCTUATION}")


def split_words(phrase: str) -> list[str]:
    """The words of a phrase, in lower case, as the tokenizer would split them.

    Examples
    --------
    >>> split_words("AVP-II 8mm")
    ['avp', 'ii', '8', 'mm']
    """
    return _WORD.findall(phrase.lower())


_LINE_BREAK = re.compile(r"\n[ \t]*(?=\S)")
_LINE_END = re.compile(r"[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]|\\\.br\\", re.I)  # of any kind of line
_BLANK_LINE = re.compile(r"\n[ \t\r]*\n")
_CELL_END = re.compile(r"\t| {2,}")
_TO_COLON = re.compile(r"(?:[ \t]+[\w/()-]+){0,3}[ \t]*:(?!\d)")
_DROP_DOWN = re.compile(r"\{[^{}\n]{0,120}\}|\[ \][^\n\[]{0,60}|\( \)[^\n(]{0,40}|☐[^\n☐☑☒]{0,60}")
_DROP_DOWN_MARKS = ("{", "[ ]", "( )", "☐")
_REMEMBERED_WORDS = 2**16
_MOST_PHRASES = 1000  # a token pattern that stands for more is left to the Matcher


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


@dataclass(slots=True, eq=False)
class Mention:
    """Words that a rule matched: characters ``start:end``, words ``first:last``.

    ``kind`` is that of the rule (``device``, ``action``, ``cue`` ...), ``means`` what
    the rule says of these words (a model of ``extractor.rules``). A mention is equal
    to itself alone: in its layer no other has its words.
    """

    start: int
    end: int
    first: int
    last: int
    source: Rule
    kind: str
    means: Any
    plural: bool = False
    value: int | None = None

    @property
    def rule(self) -> str:
        """Id of the rule that matched."""
        return self.source.id


def begun(mentions: list[Mention], first: int, last: int) -> list[Mention]:
    """Those of the mentions of a layer that begin at the words ``first`` to ``last``."""
    start = bisect_left(mentions, first, key=_first)
    return mentions[start : bisect_left(mentions, last, start, key=_first)]


def begun_at(mentions: list[Mention], start: int, end: int) -> list[Mention]:
    """Those of the mentions of a layer that begin at the characters ``start`` to ``end``."""
    at = bisect_left(mentions, start, key=_start)
    return mentions[at : bisect_left(mentions, end, at, key=_start)]


_first, _start, _first_of = attrgetter("first"), attrgetter("start"), itemgetter(0)


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


@dataclass(slots=True, eq=False)
class Hit:
    """A match before the rules have competed for its words, and the lines of the text have their say."""

    start: int
    end: int
    first: int
    last: int
    matched: _Matched
    by: Literal["word", "phrase", "regex"]
    value: int | None = None


class _Matched(NamedTuple):
    """What a match of a pattern is a mention of."""

    rule: Rule
    plural: bool
    layer: str
    rank: int  # of its kind, among matches of one length
    phrase: bool  # and not a token pattern or a regular expression: these come last


def _matched(rule: Rule, *, plural: bool = False, phrase: bool = False) -> _Matched:
    return _Matched(rule, plural, _LAYER_OF[rule.kind], _PRIORITY[rule.kind], phrase)


class MentionFinder:
    """Finds the mentions of all rules of a rule book in a text."""

    def __init__(self, book: RuleBook) -> None:
        # No language: words are compared as they are written, so nothing of English is needed.
        self._vocab = Vocab()
        self._tokenizer = make_tokenizer(self._vocab)
        self._word = lru_cache(_REMEMBERED_WORDS)(self._read_word)
        self._rules: dict[int, _Matched] = {}
        self._phrases = PhraseMatcher(self._vocab, attr="ORTH")
        self._tokens = Matcher(self._vocab)
        self._regexes: list[tuple[_Matched, Search]] = []
        for rule in book.rules:
            if rule.kind == "section":
                continue
            for plural, phrases in ((False, rule.phrases), (True, rule.plurals)):
                if phrases:
                    key = rule.id + ("#plural" if plural else "")
                    self._phrases.add(key, self._hashes(map(split_words, spellings(phrases))))
                    self._rules[self._vocab.strings[key]] = _matched(rule, plural=plural, phrase=True)
            for pattern in rule.tokens:
                key = rule.id + "#tokens"
                stands_for = _phrases_of(pattern)
                if stands_for:
                    self._phrases.add(key, self._hashes(stands_for))
                else:
                    self._tokens.add(key, [pattern])
                self._rules[self._vocab.strings[key]] = _matched(rule)
            if rule.regex:
                self._regexes.append((_matched(rule), Search(rule.regex)))

    def _hashes(self, phrases: Iterable[Sequence[str]]) -> Any:
        """Phrases, given by their words, as the matcher stores them: the hashes of the words.

        A Doc for each would give the same matches and take ten times as long.
        """
        add = self._vocab.strings.add
        return [[add(word) for word in words] for words in phrases]

    def _read_word(self, orth: int) -> tuple[str, int] | None:
        """A token as a word and its length in the text; None for white space and hyphens."""
        text = self._vocab.strings[orth]
        return None if text in ("-", "_") or text.isspace() else (text.lower(), len(text))

    def words(self, text: str) -> Words:
        """The words of a text."""
        doc = self._tokenizer(written(text))
        words, starts, ends = [], [], []
        for orth, start in zip(doc.to_array("ORTH").tolist(), doc.to_array("IDX").tolist(), strict=True):
            read = self._word(orth)
            if read is not None:
                word, length = read
                words.append(word)
                starts.append(start)
                ends.append(start + length)
        return Words(words, starts, ends)

    def find(self, text: str, words: Words, line_starts: Sequence[int] = ()) -> dict[str, list[Mention]]:
        """Mentions by layer, in text order, not overlapping inside a layer.

        None runs over a blank line, or over one of ``line_starts``.
        """
        return self.settle(text, words, self.hits(text, words), line_starts)

    def hits(self, text: str, words: Words) -> list[Hit]:
        """All that the rules match, whatever the lines of the text are."""
        text = written(text)
        hits = [*self._by_phrase(text, words), *self._by_regex(text, words)]
        # What a drop-down left behind ("{mitral/aortic:30988} mitral") offers choices and makes none.
        offered = [match.span() for match in _DROP_DOWN.finditer(text)] if _may_offer(text) else []
        if not offered:
            return hits
        before = [bisect_right(offered, hit.start, key=_first_of) - 1 for hit in hits]
        return [hit for hit, k in zip(hits, before, strict=True) if k < 0 or hit.start >= offered[k][1]]

    def settle(
        self, text: str, words: Words, hits: Iterable[Hit], line_starts: Sequence[int] = ()
    ) -> dict[str, list[Mention]]:
        """The mentions that ``hits`` come to; see ``find``."""
        text = written(text)
        found: dict[str, list[Hit]] = {layer: [] for layer in LAYERS}
        for hit in hits:
            if hit.by != "word" and _runs_over(hit.start, hit.end, line_starts):
                continue
            if hit.by == "phrase" and not line_starts and _opens_field(text, hit.start, hit.end):
                continue  # "Valve: aortic" and "Prosthesis: 19 mm" on the next line
            found[hit.matched.layer].append(hit)
        return {layer: _longest(layer_hits, len(words.words)) for layer, layer_hits in found.items()}

    def settled_items(self, text: str, words: Words, hits: Iterable[Hit]) -> list[Mention] | None:
        """The mentions of the layer ``items`` where the lines of the text have no say in them, else None."""
        items = [hit for hit in hits if hit.matched.layer == "items"]
        if any(hit.by != "word" and _LINE_END.search(text, hit.start, hit.end) for hit in items):
            return None
        return _longest(items, len(words.words))

    def _by_phrase(self, text: str, words: Words) -> Iterator[Hit]:
        """What the phrases match, and the token patterns."""
        doc = Doc(self._vocab, words=words.words)
        hits = self._phrases(doc)
        if len(self._tokens):
            hits = hits + self._tokens(doc)
        for key, first, last in hits:
            matched = self._rules[key]
            start, end = words.starts[first], words.ends[last - 1]
            several = last - first > 1
            if several and _BLANK_LINE.search(text, start, end):
                continue  # words of two paragraphs are no phrase
            if matched.layer == "table" and _CELL_END.search(text, start, end):
                continue  # nor those of two cells
            yield Hit(start, end, first, last, matched, "phrase" if several else "word")

    def _by_regex(self, text: str, words: Words) -> Iterator[Hit]:
        """What the regular expressions match; a break of a line is one blank to them."""
        squeezed = _Squeezed(text)
        runs = runs_of(squeezed.text)
        for matched, search in self._regexes:
            for match in search.matches(squeezed.text, runs):
                start, end = squeezed.original(match.start()), squeezed.original(match.end() - 1) + 1
                while start < end and text[start].isspace():
                    start += 1
                first, last = words.at(start, end)
                if first < last:
                    yield Hit(start, end, first, last, matched, "regex", _value(matched.rule, match))


def _value(rule: Rule, match: re.Match[str]) -> int | None:
    """The number a regular expression has read."""
    value = next((int(group) for group in match.groups() if group and group.isdecimal()), None)
    if value is None and rule.kind == "count" and match.group().isdecimal():
        value = int(match.group())
    return value


def _phrases_of(pattern: list[dict[str, Any]]) -> list[tuple[str, ...]]:
    """The phrases a token pattern stands for; none where it is more than a choice of words at each place."""
    choices: list[list[str]] = []
    for token in pattern:
        orth = token.get("ORTH") if len(token) == 1 else None
        words: Any = orth.get("IN") if isinstance(orth, dict) and len(orth) == 1 else [orth]
        if not words or not all(isinstance(word, str) for word in words):
            return []
        choices.append(words)
    return list(product(*choices)) if prod(map(len, choices)) <= _MOST_PHRASES else []


def in_context(found: dict[str, list[Mention]]) -> dict[str, list[Mention]]:
    """Mentions without those that presuppose a route the note does not name."""
    unsure = {m.means.after for m in found["items"] if m.kind == "target"} - {None}
    unnamed = unsure - {m.means.route for m in found["approach"]}
    if not unnamed:
        return found
    items = [m for m in found["items"] if m.kind != "target" or m.means.after not in unnamed]
    return {**found, "items": items}


class _Squeezed:
    """A text in lower case with one character for each line break, whatever blanks stand around it."""

    def __init__(self, text: str) -> None:
        self._lost: list[int] = []  # characters lost up to each break
        self._at: list[int] = []  # where it stands in the squeezed text
        pieces, position, lost = [], 0, 0
        lowered = _lower(text)
        for match in _LINE_BREAK.finditer(text):
            start = match.start()
            if text[start - 1 : start] == "\r":
                start -= 1
            while start > position and text[start - 1] in " \t":
                start -= 1
            if match.end() - start == 1:
                continue
            pieces += [lowered[position:start], "\n"]
            position = match.end()
            self._at.append(start - lost + 1)
            lost += position - start - 1
            self._lost.append(lost)
        self.text = "".join([*pieces, lowered[position:]])

    def original(self, position: int) -> int:
        """Where a character of the squeezed text stands."""
        breaks = bisect_right(self._at, position)
        return position + (self._lost[breaks - 1] if breaks else 0)


def _runs_over(start: int, end: int, line_starts: Sequence[int]) -> bool:
    following = bisect_right(line_starts, start)
    return following < len(line_starts) and line_starts[following] < end


def _opens_field(text: str, start: int, end: int) -> bool:
    """Whether words run over a line break into the name of a field."""
    return text.find("\n", start, end) >= 0 and _TO_COLON.match(text, end) is not None


def _may_offer(text: str) -> bool:
    """Whether a text has a mark with which a drop-down begins."""
    return any(mark in text for mark in _DROP_DOWN_MARKS)


def _lower(text: str) -> str:
    lowered = text.lower()
    if len(lowered) == len(text):
        return lowered
    # A few characters change length in lower case; offsets must not move.
    return "".join(c.lower() if len(c.lower()) == 1 else c for c in text)


def _precedence(hit: Hit) -> tuple[int, int, int, bool]:
    return hit.first - hit.last, hit.matched.rank, hit.first, not hit.matched.phrase


def _longest(hits: list[Hit], size: int) -> list[Mention]:
    """The mentions that win their words: the longest first, then the earlier kind."""
    taken = bytearray(size)
    kept = []
    for hit in sorted(hits, key=_precedence):
        if 1 not in taken[hit.first : hit.last]:
            taken[hit.first : hit.last] = b"\1" * (hit.last - hit.first)
            kept.append(hit)
    kept.sort(key=lambda h: h.first)
    return [
        Mention(h.start, h.end, h.first, h.last, rule, rule.kind, rule.means, plural, h.value)
        for h in kept
        for rule, plural, *_ in [h.matched]
    ]


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
