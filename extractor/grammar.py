"""Grammar: the noun phrases, actions and clauses of one sentence.

In: the words and mentions of a note and the span of a sentence. Out: a
``Parse``: device phrases, other nouns, actions and cues, each with the clause it
stands in. Phrases with a noun are found first (extension), what stands alone
after (headless), and neighbours that say the same are joined.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from extractor.extension import device_phrase
from extractor.headless import headless_phrases
from extractor.joining import appositions, attached, elaborations, merge, uncorrected
from extractor.layout import Sentence
from extractor.mentions import Mention, Words
from extractor.phrases import ARROWS, DevicePhrase, Tags, size_key

_SHORTEST_VERB = 4  # letters: a longer word in -ed may be a regular past form


@dataclass(frozen=True, slots=True, eq=False)
class Parse:
    """A sentence taken apart. Word indices are those of the note.

    It is equal to itself alone, so that what is asked of it often can be remembered.
    """

    sentence: Sentence
    first: int
    last: int
    phrases: list[DevicePhrase]
    groups: list[list[DevicePhrase]]
    actions: list[Mention]
    nouns: list[Mention]
    cues: list[Mention]
    kinds_of_cues: frozenset[str]
    mentions: list[Mention]  # of the items, each once, in text order
    items: dict[int, Mention]
    roles: dict[int, str]
    clause: dict[int, int]
    words: Words

    def cue_kinds(self) -> frozenset[str]:
        """All cues of the sentence."""
        return self.kinds_of_cues

    def between(self, a: int, b: int) -> list[str]:
        """The words from ``a`` to ``b``."""
        return self.words.words[a:b]


class SentenceReader:
    """Takes the sentences of one note apart."""

    def __init__(self, words: Words, found: dict[str, list[Mention]]) -> None:
        self._words = words
        self._item: dict[int, Mention] = {}
        for mention in found["items"]:
            for i in range(mention.first, mention.last):
                self._item[i] = mention
        self._cue: dict[int, Mention] = {}
        for mention in found["cues"]:
            covered = [self._item.get(i) for i in range(mention.first, mention.last)]
            if all(
                m is not None and m.kind != "count" and m.last - m.first > mention.last - mention.first
                for m in covered
            ):
                continue
            for i in range(mention.first, mention.last):
                self._cue[i] = mention
        self._role: dict[int, str] = {}
        for mention in found["grammar"]:
            for i in range(mention.first, mention.last):
                if i not in self._item or self._item[i].kind == "count":
                    self._role[i] = mention.means.role
        for i, word in enumerate(words.words):
            if (
                len(word) > _SHORTEST_VERB
                and word.endswith("ed")
                and self._unknown(i)
                and not self._noun(i + 1)
            ):
                self._role[i] = "verb"

    def _unknown(self, i: int) -> bool:
        return i not in self._item and i not in self._cue and i not in self._role

    def _noun(self, i: int) -> bool:
        """Whether a word may be a noun: one of a rule, or one no rule knows."""
        if i >= len(self._words.words):
            return False
        mention = self._item.get(i)
        if mention is not None:
            numbered = mention.kind == "count" and mention.value is not None  # "six pledgeted 2-0 sutures"
            return numbered or mention.kind not in ("action", "count")
        return self._unknown(i) and self._words.words[i].isalpha()

    def read_all(self, sentences: Sequence[Sentence]) -> list[Parse]:
        """Parses of all sentences of the note that hold a word, and not a hyphen alone.

        A second look is taken where a size stands alone ("8 x 4 along the ring, released"):
        it is a device when the note gives one of that size elsewhere.
        """
        parses = [parse for parse in map(self.read, sentences) if parse.first < parse.last]
        sizes = frozenset(
            size_key(size) for parse in parses for phrase in parse.phrases if phrase.head
            for size in phrase.sizes
        )  # fmt: skip
        return [self.read(parse.sentence, sizes) if _bare_sizes(parse, sizes) else parse for parse in parses]

    def read(self, sentence: Sentence, sizes: frozenset[tuple[str, ...]] = frozenset()) -> Parse:
        """Parse of one sentence; ``sizes`` are those of devices of the note."""
        first, last = self._words.at(sentence.start, sentence.end)
        listed = sentence.section.role in ("implants", "equipment")
        tags = Tags(self._words, self._item, self._role, self._cue, first, last, sizes, listed)
        items = {
            i: m
            for i, m in ((i, self._item[i]) for i in range(first, last) if i in self._item)
            if m.first >= first and m.last <= last
        }
        mentions = list(dict.fromkeys(items.values()))
        phrases = _phrases(tags, mentions)
        used = _covered(phrases)
        inner = [p.inner for p in phrases]
        cues = list(dict.fromkeys(self._cue[i] for i in range(first, last) if i in self._cue))
        return Parse(
            sentence=sentence,
            first=first,
            last=last,
            phrases=phrases,
            groups=_groups(tags, phrases),
            actions=[
                m
                for m in mentions
                if m.kind == "action" and not any(i is m for i in inner) and not _attributive(tags, m)
            ],
            nouns=[
                m
                for m in mentions
                if m.first not in used and m.kind in ("device", "other_device", "target", "leak", "valve")
            ],
            cues=cues,
            kinds_of_cues=frozenset(cue.means.cue for cue in cues),
            mentions=mentions,
            items=items,
            roles={i: self._role[i] for i in range(first, last) if i in self._role},
            clause=_clauses(tags, used, phrases),
            words=self._words,
        )


def _bare_sizes(parse: Parse, sizes: frozenset[tuple[str, ...]]) -> bool:
    """Whether a size of a device stands in no phrase of a sentence."""
    used = _covered(parse.phrases)
    return any(
        m.kind == "size" and m.means.form == "device" and m.first not in used
        and size_key(" ".join(parse.words.words[m.first : m.last])) in sizes
        for m in parse.items.values()
    )  # fmt: skip


def _phrases(tags: Tags, mentions: list[Mention]) -> list[DevicePhrase]:
    """All device phrases of a sentence, in text order."""
    if not any(i in tags.item for i in range(tags.first, tags.last)):
        return []
    nouns = [
        m for m in mentions
        if m.kind == "device" and m.means.head != "weak" and not _describes(tags, m)
    ]  # fmt: skip
    headed = elaborations(tags, appositions(tags, merge([device_phrase(tags, m) for m in nouns])))
    alone = headless_phrases(tags, _covered(headed))
    phrases = attached(tags, uncorrected(tags, sorted(headed + alone, key=lambda p: p.first)))
    return elaborations(tags, phrases)


def _describes(tags: Tags, mention: Mention) -> bool:
    """As in "a companion wire", "two device representatives": it only says of what kind another noun is."""
    if mention.last >= tags.last:
        return False
    word, following, role, cue = tags.at(mention.last)
    if mention.means.relative or (not mention.plural and _tool(following)):
        return following is not None and following.kind in ("other_device", "target")
    before = tags.item.get(mention.first - 1)
    counted = before is not None and before.kind == "count" and (before.means.number or before.value or 0) > 1
    unknown = following is None and role is None and cue is None and word.isalpha()
    return counted and unknown and not mention.plural and not mention.means.product


def _tool(noun: Mention | None) -> bool:
    """As in "a coil wire", "the plug sheath"."""
    return (
        noun is not None
        and noun.kind == "other_device"
        and noun.means.role in ("wire", "sheath", "catheter", "needle", "balloon")
    )


def _attributive(tags: Tags, action: Mention) -> bool:
    """As in "over a retained wire": a participle that says of what kind another noun is."""
    before = tags.item.get(action.first - 1) if action.first > tags.first else None
    after = tags.item.get(action.last) if action.last < tags.last else None
    return (
        before is not None
        and before.kind == "count"
        and before.means.word in ("article", "definite", "possessive")
        and after is not None
        and after.kind in ("other_device", "target")
    )


def _covered(phrases: list[DevicePhrase]) -> set[int]:
    return {i for phrase in phrases for i in range(phrase.first, phrase.last)}


def _groups(tags: Tags, phrases: list[DevicePhrase]) -> list[list[DevicePhrase]]:
    """Phrases joined by nothing but commas and conjunctions."""
    groups: list[list[DevicePhrase]] = []
    for phrase in phrases:
        if groups and not phrase.pronoun:
            gap = range(groups[-1][-1].last, phrase.first)
            aside = (
                groups[-1][-1].determiner == "definite"
                and phrase.determiner == "indefinite"
                and tags.role.get(groups[-1][-1].first - 1) in ("of", "preposition")
            )  # "on the medial side of that plug, and a 10 mm plug was deployed"
            joined = not aside and all(
                tags.role.get(i) == "conjunction" or tags.words.words[i] in (",", ")", "(", ";", "then")
                for i in gap
            )
            if (
                joined
                and len(gap) > 0
                and not groups[-1][-1].pronoun
                and tags.role.get(groups[-1][0].first - 1) != "exchange"
            ):
                groups[-1].append(phrase)
                continue
        groups.append([phrase])
    return groups


def _clauses(tags: Tags, used: set[int], phrases: list[DevicePhrase]) -> dict[int, int]:
    clause, n = {}, 0
    starts = {phrase.first for phrase in phrases}
    for i in range(tags.first, tags.last):
        if i > tags.first and i not in used and _opens_clause(tags, i, starts):
            n += 1
        clause[i] = n
    return clause


def _opens_clause(tags: Tags, i: int, starts: set[int]) -> bool:
    """Whether a word ends one statement and opens the next; ``starts`` are the first words of phrases."""
    word, role = tags.words.words[i], tags.role.get(i)
    if word in (";", "–", "—", *ARROWS) or role in ("clause", "relative"):
        return True
    following = tags.role.get(i + 1)
    if i + 1 >= tags.last:
        return False
    if word == ",":
        return following in ("conjunction", "subject", "clause") or i + 1 in starts
    return role == "conjunction" and (
        following == "subject" or (i + 1 in starts and tags.verb_follows(i + 1))
    )
