"""Screen: whether a note can be anything but ``none``, from its raw text.

In: the text of a note. Out: yes or no, at the speed of a memory scan. What a note
must name to concern a closure is stated once, in ``CONCERNS``, and holds twice: the
pipeline asks it of the mentions it found (``Concern``), the screen of the raw text
(``Screen``), by terms derived from the phrases of the same rules. A term is never
narrower than its rule, so the screen lets every note pass that the pipeline would
call anything but ``none``.

The terms run on the UTF-8 bytes of the text, in ASCII lower case. Of the characters
outside ASCII only the Kelvin sign has a small letter inside it; it is read as "k".

``hyperscan`` searches for all terms at once where it is installed; where it is not,
the words of a text choose the few terms that the standard library looks for. Both
give the same answers. Measured by ``tests/benchmarks/screen_speed.py`` on 2,376
medical reports of all fields (3.3 kB each, medians of five, one busy core), where
``str.lower`` runs at 1,380 MB/s: hyperscan 560 MB/s, google-re2 78, words and the
standard library 49, the same expressions by ``re`` alone 6. 1.5 % of the reports pass.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from itertools import chain
from typing import Any, Literal

from extractor.lines import SPOKEN_MARKS
from extractor.mentions import Mention, split_words
from extractor.rules import Rule, RuleBook, spellings
from extractor.suggestion import Proof, Suggestion

# -- what a note must name ----------------------------------------------------------

SIGNS: dict[str, Callable[[Rule], bool]] = {
    "paravalvular": lambda r: (
        (r.kind == "leak" and r.means.term in ("paravalvular", "closure"))
        or (r.kind == "device" and r.means.leak)
    ),
    "ring": lambda r: (
        (r.kind == "leak" and r.means.term == "ring") or (r.kind == "other_device" and r.means.role == "ring")
    ),
    "leak": lambda r: r.kind == "leak" and r.means.term == "leak" and not r.means.common,
    "common": lambda r: r.kind == "leak" and r.means.term == "leak" and r.means.common,
    "valve": lambda r: (
        (r.kind == "valve" and bool(r.means.valve or r.means.near))
        or (r.kind == "leak" and bool(r.means.valve))
    ),
    "device": lambda r: r.kind == "device",
}
# A note concerns a closure where it shows every sign of one of these. Words common in
# reports of any heart ("regurgitation", "defect") do not, unless an occluder is named.
CONCERNS: tuple[tuple[str, ...], ...] = (
    ("paravalvular",),
    ("ring",),
    ("leak", "valve"),
    ("common", "valve", "device"),
)


class Concern:
    """Tells whether the mentions of a note can concern a closure, by the rules of a rule book."""

    def __init__(self, book: RuleBook) -> None:
        self._signs = {rule.id: signs for rule in book.rules if (signs := signs_of(rule))}

    def __call__(self, found: Mapping[str, Iterable[Mention]]) -> bool:
        """Whether mentions, by layer, show every sign of a closure."""
        shown: set[str] = set()
        for rule in {mention.rule for mention in chain.from_iterable(found.values())}:
            shown |= self._signs.get(rule, frozenset())
        return any(shown.issuperset(signs) for signs in CONCERNS)


def signs_of(rule: Rule) -> frozenset[str]:
    """What a rule is a sign of.

    Examples
    --------
    >>> from extractor.rules import load_rules
    >>> [sorted(signs_of(r)) for r in load_rules().rules if r.id == "leak.mitral_defect"]
    [['leak', 'valve']]
    """
    return frozenset(sign for sign, says in SIGNS.items() if says(rule))


def unconcerned(note_id: str, book: RuleBook) -> Suggestion:
    """The suggestion for a note that concerns no closure: nothing in it was looked at further."""
    proof = Proof(statement="No paravalvular leak is mentioned.", rule="coding.none")
    return Suggestion(note_id=note_id, status="none", proof=proof, rules_version=book.version)


# -- terms: what the raw text must hold where a rule matches --------------------------

_Concerns = Sequence[tuple[str, ...]]  # conditions, each the signs it needs
_Term = tuple[str, ...]  # words that follow one another; an empty one stands for marks between them
_PIECE = re.compile(r"[^\W_]+")
# White space, hyphens, marks of bold type, and anything outside ASCII.
_GAP = rb"[\x00-\x20\x7f-\xff_*-]"
_LONGEST_GAP = 32  # characters between two words, for the fast search
_MARKS = rb"(?:[^a-z0-9]|" + "|".join(SPOKEN_MARKS).encode() + rb")+"
_BEFORE, _AFTER = rb"(?:^|[^a-z0-9])", rb"(?:[^a-z0-9]|$)"
_KELVIN = "\u212a".encode()


@dataclass(frozen=True, slots=True)
class Terms:
    """What each match of some rules holds one of: runs of ``whole`` words, or ``fragments`` of words."""

    whole: tuple[_Term, ...]
    fragments: tuple[str, ...]

    def __bool__(self) -> bool:
        """Whether there are any: no text shows a sign that no rule speaks of."""
        return bool(self.whole or self.fragments)


def terms_of(rules: Iterable[Rule]) -> Terms | None:
    """The terms of some rules; None where a rule may match a text without any known word.

    Examples
    --------
    >>> from extractor.rules import load_rules
    >>> terms_of(r for r in load_rules().rules if r.id == "leak.regurgitation").whole
    (('regurgitation',), ('residual', 'insufficiency'))
    """
    whole: set[_Term] = set()
    fragments: set[str] = set()
    regexes: list[str] = []
    for rule in rules:
        whole.update(_run(split_words(spelling)) for spelling in spellings((*rule.phrases, *rule.plurals)))
        whole.update(_required_word(pattern) for pattern in rule.tokens)
        regexes += [rule.regex] if rule.regex is not None else []
    known = frozenset(term[0] for term in whole if len(term) == 1)
    for regex in regexes:
        found = _required_pieces(regex, known)
        whole.update((text,) for text, is_word in found if is_word)
        fragments.update(text for text, is_word in found if not is_word)
        if not found:
            return None
    if () in whole:
        return None
    return Terms(
        tuple(sorted(term for term in whole if not _holds(term, whole))),
        tuple(sorted(f for f in fragments if not any(other in f for other in fragments - {f}))),
    )


def _run(words: Iterable[str]) -> _Term:
    """Words without their marks: a mark may be spelled out, or typed in another way."""
    run: list[str] = []
    for word in words:
        if _PIECE.fullmatch(word):
            run.append(word)
        elif run and run[-1]:
            run.append("")
    return tuple(run if not run or run[-1] else run[:-1])


def _required_word(pattern: Iterable[Mapping[str, Any]]) -> _Term:
    """The longest word a token pattern demands; nothing where it only offers some to choose from."""
    words = (token.get("ORTH", token.get("LOWER")) for token in pattern if "OP" not in token)
    return (max((w for w in words if isinstance(w, str) and _PIECE.fullmatch(w)), key=len, default=""),)[:1]


def _holds(term: _Term, terms: set[_Term]) -> bool:
    """Whether a shorter term stands in a term: then it is found wherever the longer one is."""
    spans = ((i, j) for i in range(len(term)) for j in range(i + 1, len(term) + 1) if j - i < len(term))
    return any(term[i:j] in terms for i, j in spans)


_Pieces = set[tuple[str, bool]]  # letters and digits; whether no other may stand beside them


def _required_pieces(regex: str, known: frozenset[str]) -> _Pieces:
    """Pieces of which every match of a regular expression holds one; none if that cannot be told."""
    from re import _parser  # type: ignore[attr-defined]

    parsed = _parser.parse(regex)
    return set() if parsed.state.flags & re.IGNORECASE else _of_sequence(list(parsed), known)


def _of_sequence(nodes: list[tuple[Any, Any]], known: frozenset[str]) -> _Pieces:
    """The best piece of a sequence, or the best of each branch of an alternative in it."""
    choices: list[_Pieces] = []
    start = 0
    while start < len(nodes):
        end = start
        while end < len(nodes) and _letter(nodes[end]):
            end += 1
        if end > start:
            run = "".join(chr(value).lower() for _, value in nodes[start:end])
            parted = (_parts(node) for node in (*nodes[max(0, start - 1) : start], *nodes[end : end + 1]))
            choices.append({(run, start > 0 and end < len(nodes) and all(parted))})
            start = end
            continue
        name, value = str(nodes[start][0]), nodes[start][1]
        if name == "SUBPATTERN":
            choices.append(_of_sequence(list(value[3]), known))
        elif name == "BRANCH":
            branches = [_of_sequence(list(branch), known) for branch in value[1]]
            choices.append(set().union(*branches) if all(branches) else set())
        elif name in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT") and value[0] > 0:
            choices.append(_of_sequence(list(value[2]), known))
        start += 1

    def worth(pieces: _Pieces) -> tuple[bool, int]:
        return all(text in known for text, _ in pieces), min(len(text) for text, _ in pieces)

    return max(filter(None, choices), key=worth, default=set())


def _letter(node: tuple[Any, Any]) -> bool:
    return str(node[0]) == "LITERAL" and node[1] < 128 and chr(node[1]).isalnum()


def _parts(node: tuple[Any, Any]) -> bool:
    """Whether what stands beside a piece is the end of a word."""
    name, value = str(node[0]), node[1]
    return (name == "LITERAL" and not chr(value).isalnum()) or (name == "AT" and str(value) == "AT_BOUNDARY")


def _expression(terms: Terms, longest: int | None = None) -> bytes:
    """Terms as one regular expression over lower-cased UTF-8, which every engine can read.

    ``longest`` bounds the white space between two words.
    """
    groups: dict[tuple[bool, bool], list[_Term]] = {}
    for term in terms.whole:
        # "12mm" is two words to the tokenizer, and so are a number and its unit in "plug 2mm".
        groups.setdefault((_may_be_glued(term[0]), term[-1][-1].isdigit()), []).append(term)
    parts = [
        (b"" if before else _BEFORE) + _tree(group, longest) + (b"" if after else _AFTER)
        for (before, after), group in groups.items()
    ]
    return b"|".join([*parts, *map(_escaped, terms.fragments)])


def _tree(terms: Iterable[_Term], longest: int | None, before: str | None = None) -> bytes:
    """Terms as one group: those that begin alike share their beginning, those that go on alike the rest."""
    rest: dict[str, list[_Term]] = {}
    for term in terms:
        rest.setdefault(term[0], []).append(term[1:])
    alike: dict[tuple[bytes, str, tuple[_Term, ...]], list[str]] = {}
    for word, tails in rest.items():
        end = word[-1:] if word[-1:].isdigit() else "x"
        key = (_link(before, word, longest), end if word else "", tuple(tails))
        alike.setdefault(key, []).append(word)
    branches = [
        link + _either(map(_escaped, words)) + (_tree(tails, longest, end) if all(tails) else b"")
        for (link, end, tails), words in alike.items()
    ]
    return _either(branches)


def _either(branches: Iterable[bytes]) -> bytes:
    several = list(branches)
    return several[0] if len(several) == 1 else rb"(?:" + b"|".join(several) + rb")"


def _link(before: str | None, word: str, longest: int | None) -> bytes:
    """What may stand between two words of a term."""
    if not word:
        return _MARKS
    if not before:
        return b""
    least = 0 if before[-1].isdigit() and _may_be_glued(word) else 1
    return _GAP + (b"{%d,}" % least if longest is None else b"{%d,%d}" % (least, longest))


@cache
def _may_be_glued(word: str) -> bool:
    """Whether a word is one of its own right behind a digit, as a unit is."""
    return split_words(f"1{word}") == ["1", word]


def _escaped(word: str) -> bytes:
    """A word in lower case; a letter outside ASCII stands for any."""
    return b"".join(re.escape(c).encode() if c.isascii() else rb"[\x80-\xff]+" for c in word.lower())


# -- engines --------------------------------------------------------------------------

Search = Callable[[bytes], AbstractSet[int]]  # which of several expressions bytes hold
Compile = Callable[[Sequence[bytes]], Search]


def by_hyperscan(expressions: Sequence[bytes]) -> Search:
    """Search by hyperscan, one automaton of all expressions (an optional dependency)."""
    import hyperscan as hs  # type: ignore[import-not-found, import-untyped, unused-ignore]

    database = hs.Database(mode=hs.HS_MODE_BLOCK)
    flags = hs.HS_FLAG_CASELESS | hs.HS_FLAG_SINGLEMATCH
    count = len(expressions)
    database.compile(expressions=list(expressions), ids=list(range(count)), flags=[flags] * count)
    scan, own = database.scan, threading.local()

    def search(data: bytes) -> AbstractSet[int]:
        try:
            scratch = own.scratch
        except AttributeError:  # scratch space serves one scan at a time
            scratch = own.scratch = hs.Scratch(database)
        found: set[int] = set()
        scan(data, lambda number, *where: found.add(number), 0, None, scratch)
        return found

    return search


def by_re(expressions: Sequence[bytes]) -> Search:
    """Search by the standard library, on the text in lower case."""
    searches = [re.compile(expression).search for expression in expressions]

    def search(data: bytes) -> AbstractSet[int]:
        lowered = data.lower()
        return {number for number, find in enumerate(searches) if find(lowered)}

    return search


def best_engine() -> Compile | None:
    """The fastest engine that is installed, or None."""
    try:
        import_module("hyperscan")
    except ImportError:
        return None
    return by_hyperscan


class Screen:
    """Tells from the raw text of a note whether it can concern a closure.

    Parameters
    ----------
    book
        The rules from which the terms are derived.
    engine
        What searches a text for many expressions at once; by default the fastest that
        is installed. With None, the standard library alone.

    Examples
    --------
    >>> from extractor.rules import load_rules
    >>> passes = Screen(load_rules())
    >>> passes("Closure of a PARA- valvular leak"), passes("Mitral regurgitation, no device")
    (True, True)
    >>> passes("Mitral regurgitation, mild."), passes("The jet skied to the channel.")
    (False, False)
    """

    def __init__(self, book: RuleBook, engine: Compile | Literal["best"] | None = "best") -> None:
        terms = {sign: terms_of(rule for rule in book.rules if says(rule)) for sign, says in SIGNS.items()}
        known = {sign: found for sign, found in terms.items() if found is not None}
        concerns = _askable(known)
        make = best_engine() if engine == "best" else engine
        self._passes: Callable[[bytes], bool]
        if () in concerns:
            self._passes = bool  # a condition asks for nothing that a text must hold
        elif make is None or not concerns:
            self._passes = _ByWords(known, concerns)
        else:
            self._passes = _ByAutomata(known, concerns, make)

    def __call__(self, text: str) -> bool:
        """Whether the note must be read; no means that its suggestion is ``unconcerned``."""
        return self._passes(text.encode("utf-8", "surrogatepass"))


def _askable(known: Mapping[str, Terms]) -> _Concerns:
    """The conditions that some text may meet, without the signs that any text may show."""
    never = {sign for sign, found in known.items() if not found}
    return [tuple(s for s in signs if s in known) for signs in CONCERNS if never.isdisjoint(signs)]


class _ByAutomata:
    """Asks for all signs but one in one search, and for that one where only it is missing.

    The one put off is the longest to ask for that no condition needs alone. Gaps of
    bounded length halve the work; a text with a longer gap is asked again, without.
    """

    def __init__(self, known: Mapping[str, Terms], concerns: _Concerns, make: Compile) -> None:
        whole = {sign: _expression(found) for sign, found in known.items()}
        asked = sorted({sign for signs in concerns for sign in signs})
        alone = {signs[0] for signs in concerns if len(signs) == 1}
        late = max((sign for sign in asked if sign not in alone), key=lambda s: len(whole[s]), default=None)
        self._first = [sign for sign in asked if sign != late]
        self._now = [frozenset(signs) for signs in concerns if late not in signs]
        self._later = [frozenset(signs) - {late} for signs in concerns if late in signs]
        bounded = [_expression(known[sign], _LONGEST_GAP) for sign in self._first]
        self._search = make([*bounded, _KELVIN, _GAP + rb"{%d}" % (_LONGEST_GAP + 1)])
        self._unbounded = _Lazy(make, [whole[sign] for sign in self._first])
        self._late = _Lazy(make, [whole[late]] if late else [])

    def __call__(self, data: bytes) -> bool:
        found = self._search(data)
        if not found:
            return False
        if max(found) >= len(self._first):
            data = data.replace(_KELVIN, b"k")
            found = self._unbounded(data)
        shown = {self._first[number] for number in found}
        if any(map(shown.issuperset, self._now)):
            return True
        return any(map(shown.issuperset, self._later)) and bool(self._late(data))


class _Lazy:
    """A search that is made when it is first needed."""

    def __init__(self, make: Compile, expressions: Sequence[bytes]) -> None:
        self._make, self._expressions = make, expressions
        self._search: Search | None = None

    def __call__(self, data: bytes) -> AbstractSet[int]:
        if self._search is None:
            self._search = self._make(self._expressions)
        return self._search(data)


class _ByWords:
    """Asks the words of a text which terms it may hold, and the standard library for these alone."""

    def __init__(self, known: Mapping[str, Terms], concerns: _Concerns) -> None:
        self._concerns = concerns
        self._by_word: dict[str, dict[str, list[_Term]]] = {}
        self._pieces: dict[str, list[tuple[bytes, _Term | None]]] = {}
        for sign, found in known.items():
            by_word = self._by_word.setdefault(sign, {})
            pieces = self._pieces.setdefault(sign, [(piece.encode(), None) for piece in found.fragments])
            for term in found.whole:
                if apart := _apart(term):
                    by_word.setdefault(max(apart, key=len), []).append(term)
                else:
                    ascii_ones = [word for word in term if word.isascii()]
                    pieces.append((max(ascii_ones, key=len, default="").encode(), term))

    def __call__(self, data: bytes) -> bool:
        lowered = data.replace(_KELVIN, b"k").lower()
        words = set(lowered.translate(_WORDS_ONLY).decode("ascii").split())
        shown: dict[str, bool] = {}
        for signs in self._concerns:
            for sign in signs:
                if sign not in shown:
                    shown[sign] = self._shows(sign, lowered, words)
                if not shown[sign]:
                    break
            else:
                return True
        return False

    def _shows(self, sign: str, lowered: bytes, words: set[str]) -> bool:
        by_word = self._by_word[sign]
        return any(
            words.issuperset(_apart(term)) and _stands_in(lowered, term)
            for word in by_word.keys() & words
            for term in by_word[word]
        ) or any(
            piece in lowered and (term is None or _stands_in(lowered, term))
            for piece, term in self._pieces[sign]
        )


@cache
def _apart(term: _Term) -> frozenset[str]:
    """The words of a term that have no other letter or digit beside them wherever it stands."""
    return frozenset(w for w in term if w and w.isascii() and not (_may_be_glued(w) or w[-1].isdigit()))


@cache
def _finder(term: _Term) -> Callable[[bytes, int], re.Match[bytes] | None]:
    after = b"" if term[-1][-1].isdigit() else _AFTER
    return re.compile(_tree([term], None) + after).search


def _stands_in(lowered: bytes, term: _Term) -> bool:
    """Whether a text holds a term; one that begins with a letter is looked for faster than its edge."""
    find = _finder(term)
    match = find(lowered, 0)
    while match is not None:
        at = match.start()
        if at == 0 or _WORDS_ONLY[lowered[at - 1]] == _BLANK or _may_be_glued(term[0]):
            return True
        match = find(lowered, at + 1)
    return False


_BLANK = 32
_WORDS_ONLY = bytes(i if chr(i).isascii() and chr(i).isalnum() else _BLANK for i in range(256))
