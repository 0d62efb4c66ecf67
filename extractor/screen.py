r"""Screen: whether a note can be anything but ``none``, from its raw text.

In: the text of a note. Out: yes or no, at the speed of a memory scan. What a note
must name to concern a closure is stated once, in ``CONCERNS``, and holds twice: the
pipeline asks it of the mentions it found (``Concern``), the screen of the raw text
(``Screen``), by terms derived from the phrases of the same rules. A term is never
narrower than its rule, so the screen lets every note pass that the pipeline would
call anything but ``none``.

The terms run on the UTF-8 bytes of the text, in ASCII lower case. Of the characters
outside ASCII only the Kelvin sign has a small letter inside it; it is read as "k".
First comes one search for the few signs of which each condition needs one; only where
one of them is found is every sign of a condition asked for.

``hyperscan`` makes the searches where it is installed, and the standard library
where it is not, with the same answers. ``tests/benchmarks/screen_speed.py`` measures
them side by side.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from itertools import chain, product
from typing import Any

from extractor.lines import SPOKEN_MARKS
from extractor.mentions import Mention, split_words
from extractor.rules import Rule, RuleBook, spellings
from extractor.suggestion import Proof, Suggestion

# -- what a note must name ----------------------------------------------------------

SIGNS: dict[str, Callable[[Rule], bool]] = {
    "paravalvular": lambda r: r.kind == "leak" and r.means.term in ("paravalvular", "closure"),
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

_Term = tuple[str, ...]  # words that follow one another; an empty one stands for marks between them
_PIECE = re.compile(r"[^\W_]+")
# White space, hyphens, marks of bold type, and anything outside ASCII.
_GAP = rb"[\x00-\x20\x7f-\xff_*-]"
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


def _expression(terms: Terms, *, edges: bool = True) -> bytes:
    """Terms as one regular expression over lower-cased UTF-8, which every engine can read.

    Without ``edges`` a term may also stand inside a word: more passes, and faster.
    """
    groups: dict[tuple[bool, bool], list[_Term]] = {}
    for term in terms.whole:
        # "12mm" is two words to the tokenizer, and so are a number and its unit in "plug 2mm".
        open_ends = (_may_be_glued(term[0]), term[-1][-1].isdigit()) if edges else (True, True)
        groups.setdefault(open_ends, []).append(term)
    parts = [
        (b"" if before else _BEFORE) + _tree(group) + (b"" if after else _AFTER)
        for (before, after), group in groups.items()
    ]
    return b"|".join([*parts, *map(_escaped, terms.fragments)])


def _tree(terms: Iterable[_Term], before: str | None = None) -> bytes:
    """Terms as one group: those that begin alike share their beginning, those that go on alike the rest."""
    rest: dict[str, list[_Term]] = {}
    for term in terms:
        rest.setdefault(term[0], []).append(term[1:])
    alike: dict[tuple[bytes, str, tuple[_Term, ...]], list[str]] = {}
    for word, tails in rest.items():
        end = word[-1:] if word[-1:].isdigit() else "x"
        alike.setdefault((_link(before, word), end if word else "", tuple(tails)), []).append(word)
    branches = [
        link + _either(map(_escaped, words)) + (_tree(tails, end) if all(tails) else b"")
        for (link, end, tails), words in alike.items()
    ]
    return _either(branches)


def _either(branches: Iterable[bytes]) -> bytes:
    several = list(branches)
    return several[0] if len(several) == 1 else rb"(?:" + b"|".join(several) + rb")"


def _link(before: str | None, word: str) -> bytes:
    """What may stand between two words of a term."""
    if not word:
        return _MARKS
    if not before:
        return b""
    return _GAP + (b"*" if before[-1].isdigit() and _may_be_glued(word) else b"+")


@cache
def _may_be_glued(word: str) -> bool:
    """Whether a word is one of its own right behind a digit, as a unit is."""
    return split_words(f"1{word}") == ["1", word]


def _escaped(word: str) -> bytes:
    """A word in lower case; a letter outside ASCII stands for any."""
    return b"".join(re.escape(c).encode() if c.isascii() else rb"[\x80-\xff]+" for c in word.lower())


# -- engines --------------------------------------------------------------------------

Search = Callable[[bytes], bool]  # whether an expression is found in bytes
Compile = Callable[[bytes], Search]


def by_hyperscan(expression: bytes) -> Search:
    """Search by hyperscan, an automaton of all terms at once (an optional dependency)."""
    import hyperscan as hs  # type: ignore[import-not-found, import-untyped, unused-ignore]

    database = hs.Database(mode=hs.HS_MODE_BLOCK)
    flags = hs.HS_FLAG_CASELESS | hs.HS_FLAG_SINGLEMATCH
    database.compile(expressions=[expression], ids=[0], flags=[flags])
    scan, own = database.scan, threading.local()

    def search(data: bytes) -> bool:
        try:
            scratch = own.scratch
        except AttributeError:  # scratch space serves one scan at a time
            scratch = own.scratch = hs.Scratch(database)
        found: list[int] = []
        scan(data, lambda *match: found.append(0), 0, None, scratch)
        return bool(found)

    return search


def by_re(expression: bytes) -> Search:
    """Search by the standard library, on the text in lower case."""
    search = re.compile(expression).search
    return lambda data: search(data.lower()) is not None


ENGINES: dict[str, Compile] = {"hyperscan": by_hyperscan, "re": by_re}


def best_engine() -> str:
    """The fastest engine that is installed."""
    return "hyperscan" if find_spec("hyperscan") else "re"


class Screen:
    """Tells from the raw text of a note whether it can concern a closure.

    Parameters
    ----------
    book
        The rules from which the terms are derived.
    search
        What makes a search of an expression; by default the fastest engine that is installed.

    Examples
    --------
    >>> from extractor.rules import load_rules
    >>> passes = Screen(load_rules())
    >>> passes("Closure of a PARA- valvular leak"), passes("Mitral regurgitation, no device")
    (True, True)
    >>> passes("Mitral regurgitation, mild."), passes("The jet skied to the channel.")
    (False, False)
    """

    def __init__(self, book: RuleBook, search: Compile | None = None) -> None:
        make = search or ENGINES[best_engine()]
        terms = {sign: terms_of(rule for rule in book.rules if says(rule)) for sign, says in SIGNS.items()}
        self._concerns = _askable(terms)
        self._search = {s: _Later(make, _expression(t)) for s, t in terms.items() if t is not None}
        self._gate = make(b"|".join([*_gate(terms, self._concerns), _KELVIN]))

    def __call__(self, text: str) -> bool:
        """Whether the note must be read; no means that its suggestion is ``unconcerned``."""
        data = text.encode("utf-8", "surrogatepass")
        return self._gate(data) and self._shows(data.replace(_KELVIN, b"k"))

    def _shows(self, data: bytes) -> bool:
        """Whether a text that passed the gate shows every sign of a closure."""
        shown: dict[str, bool] = {}
        for signs in self._concerns:
            for sign in signs:
                if sign not in shown:
                    shown[sign] = self._search[sign](data)
                if not shown[sign]:
                    break
            else:
                return True
        return False


class _Later:
    """A search that is made when it is first needed."""

    def __init__(self, make: Compile, expression: bytes) -> None:
        self._make, self._expression = make, expression
        self._search: Search | None = None

    def __call__(self, data: bytes) -> bool:
        if self._search is None:
            self._search = self._make(self._expression)
        return self._search(data)


def _askable(terms: Mapping[str, Terms | None]) -> list[tuple[str, ...]]:
    """The conditions that some text may meet, without the signs that any text may show."""
    known = {sign for sign, found in terms.items() if found is not None}
    never = {sign for sign, found in terms.items() if found is not None and not found}
    return [tuple(s for s in signs if s in known) for signs in CONCERNS if never.isdisjoint(signs)]


def _gate(terms: Mapping[str, Terms | None], concerns: Sequence[tuple[str, ...]]) -> list[bytes]:
    """The shortest expressions of which each condition needs one: they tell which texts to ask further."""
    loose = {sign: _expression(found, edges=False) for sign, found in terms.items() if found}
    choices = [{loose[sign] for sign in chosen} for chosen in product(*concerns)]
    if not choices:
        return [rb"[\x00-\xff]"]  # a condition asks for nothing: any text passes
    return sorted(min(choices, key=lambda chosen: (sum(map(len, chosen)), sorted(chosen))))
