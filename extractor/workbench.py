"""The rule author's workbench: run every rule's own examples, and try rules on a sentence."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from extractor.readers import Note
from extractor.rules import Rule, RuleBook, spellings

_MARKED = re.compile(r"\[([^\[\]]*)\]")


@dataclass(frozen=True, slots=True)
class Failure:
    """An example that does not hold.

    Attributes
    ----------
    rule
        Id of the rule whose example it is.
    list
        ``match`` or ``not_match``: the list it stands in.
    example
        The example as written.
    problem
        What happened instead.
    """

    rule: str
    list: Literal["match", "not_match"]
    example: str
    problem: str


@dataclass(frozen=True, slots=True)
class Duplicate:
    """A phrase that more than one rule of a kind claims: only one of them can have it."""

    kind: str
    phrase: str
    rules: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """What a check of the rules found.

    Attributes
    ----------
    rules, examples, notes
        How many of each were looked at.
    failures
        Examples that do not hold.
    duplicates
        Phrases claimed twice.
    unused
        Ids of rules that matched in no note; empty when no notes were given.
    """

    rules: int
    examples: int
    notes: int
    failures: tuple[Failure, ...]
    duplicates: tuple[Duplicate, ...]
    unused: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Match:
    """One rule that matched in a text, and why.

    Attributes
    ----------
    start, end, text
        The words matched.
    rule, kind
        The rule and its kind.
    means
        What the rule says the words mean, for example ``product=Amplatzer Vascular Plug II``.
    why
        The phrase, pattern or expression of the rule that matched.
    source
        Where the rule comes from.
    """

    start: int
    end: int
    text: str
    rule: str
    kind: str
    means: str
    why: str
    source: str


@dataclass(frozen=True, slots=True)
class Hit:
    """Words that a rule matched: a mention, or a header that a section rule opens."""

    start: int
    end: int
    rule: str


def split_example(example: str) -> tuple[str, tuple[tuple[int, int], ...]]:
    """Take the marks out of an example.

    Parameters
    ----------
    example
        A sentence with ``[...]`` around the words that must match.

    Returns
    -------
    tuple
        The sentence without brackets, and the marked spans in it.

    Examples
    --------
    >>> split_example("A 12 mm [AVP II] was deployed.")
    ('A 12 mm AVP II was deployed.', ((8, 14),))
    """
    text, spans, end = "", [], 0
    for found in _MARKED.finditer(example):
        text += example[end : found.start()]
        spans.append((len(text), len(text) + len(found[1])))
        text += found[1]
        end = found.end()
    return text + example[end:], tuple(spans)


def check(book: RuleBook, notes: Iterable[Note] = ()) -> Report:
    """Run every example of every rule both ways, and look for rules without use.

    A ``match`` example must give a mention of its rule at exactly each marked
    span; a ``not_match`` example must give no mention of its rule at all.

    Parameters
    ----------
    book
        The rules.
    notes
        Notes in which each rule should be of use; none by default.

    Examples
    --------
    >>> from extractor.rules import load_rules
    >>> check(load_rules()).failures
    ()
    """
    find = finder(book)
    failures: list[Failure] = []
    examples = 0
    for rule in book.rules:
        for example in rule.examples.match:
            examples += 1
            text, wanted = split_example(example)
            problem = _match_problem(rule.id, text, wanted, find(text))
            if problem:
                failures.append(Failure(rule.id, "match", example, problem))
        for example in rule.examples.not_match:
            examples += 1
            text, _ = split_example(example)
            found = [hit for hit in find(text) if hit.rule == rule.id]
            if found:
                words = ", ".join(f"“{text[hit.start : hit.end]}”" for hit in found)
                failures.append(Failure(rule.id, "not_match", example, f"the rule matched {words}"))
    used: set[str] = set()
    count = 0
    for note in notes:
        count += 1
        used.update(hit.rule for hit in find(note.text))
    unused = tuple(rule.id for rule in book.rules if rule.id not in used) if count else ()
    return Report(len(book.rules), examples, count, tuple(failures), duplicates(book), unused)


def finder(book: RuleBook) -> Callable[[str], list[Hit]]:
    """Give a function that finds what every rule matches in a text.

    Parameters
    ----------
    book
        The rules.
    """
    from extractor.layout import LayoutReader
    from extractor.mentions import match_text

    layout = LayoutReader(book)
    headers = {
        _normal(phrase): rule.id
        for rule in book.kind("section")
        for phrase in spellings((*rule.phrases, *rule.plurals))
    }

    def find(text: str) -> list[Hit]:
        hits = [Hit(mention.start, mention.end, mention.rule) for mention in match_text(text, book)]
        for section in layout.read(text).sections:
            rule = headers.get(_normal(section.title))
            if rule is not None:
                start = text.index(section.title, section.start)
                hits.append(Hit(start, start + len(section.title), rule))
        return hits

    return find


def _match_problem(rule: str, text: str, wanted: tuple[tuple[int, int], ...], hits: list[Hit]) -> str | None:
    if not wanted:
        return "nothing is marked: put [brackets] around the words that must match"
    for start, end in wanted:
        if Hit(start, end, rule) in hits:
            continue
        near = [hit for hit in hits if hit.start < end and start < hit.end]
        found = ", ".join(f"{hit.rule} “{text[hit.start : hit.end]}”" for hit in near)
        return f"“{text[start:end]}” was not matched by the rule; found there: {found or 'nothing'}"
    return None


def duplicates(book: RuleBook) -> tuple[Duplicate, ...]:
    """Find phrases that more than one rule of the same kind claims.

    Parameters
    ----------
    book
        The rules.
    """
    claims: dict[tuple[str, str], list[str]] = defaultdict(list)
    for rule in book.rules:
        for phrase in {_normal(phrase) for phrase in spellings((*rule.phrases, *rule.plurals))}:
            claims[rule.kind, phrase].append(rule.id)
    return tuple(
        Duplicate(kind, phrase, tuple(rules))
        for (kind, phrase), rules in sorted(claims.items())
        if len(rules) > 1
    )


def _normal(phrase: str) -> str:
    return " ".join(re.split(r"[\s-]+", phrase.lower().strip()))


def try_text(text: str, book: RuleBook) -> list[Match]:
    """Say which rules match a text, where and why.

    Parameters
    ----------
    text
        Any sentence.
    book
        The rules.

    Examples
    --------
    >>> from extractor.rules import load_rules
    >>> [match.rule for match in try_text("an AVP II", load_rules()) if match.kind == "device"]
    ['device.avp2']
    """
    rules = {rule.id: rule for rule in book.rules}
    matches = []
    for hit in finder(book)(text):
        rule = rules[hit.rule]
        words = text[hit.start : hit.end]
        why = _why(rule, words)
        matches.append(Match(hit.start, hit.end, words, rule.id, rule.kind, _means(rule), why, rule.source))
    return sorted(matches, key=lambda match: (match.start, -match.end, match.rule))


def _means(rule: Rule) -> str:
    fields = rule.means.model_dump(exclude_none=True, exclude_defaults=True)
    return ", ".join(f"{name}={value}" for name, value in fields.items())


def _why(rule: Rule, words: str) -> str:
    normal = _normal(words)
    for name, phrases in (("phrase", rule.phrases), ("plural", rule.plurals)):
        for phrase in spellings(phrases):
            if _normal(phrase) == normal:
                return f"{name} “{phrase}”"
    if rule.regex is not None and re.search(rule.regex, words.lower()):
        return f"regular expression {rule.regex}"
    return "token pattern" if rule.tokens else "phrase"
