"""Phrases: words that denote devices, and how their counts are read.

In: the tagged words of a sentence. Out: a ``DevicePhrase`` ("a second 10 mm
AVP II", "both plugs", "the latter", "it") that knows its number, sizes, product
and determiner. The other modules of the grammar build these phrases.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal

from extractor.mentions import Mention, Words

Determiner = Literal["indefinite", "definite", "bare"]

LARGEST_SIZE = 22  # mm: a larger number is no size of an occluder
LETTER_LABELS = 196  # "plug A" is labelled 197, "plug B" 198: beyond any number
ARROWS = (">", "→")  # "opened -> leaflet stuck -> removed": one step and the next
_LEAST_SIZE = 5  # mm: "a single 6 plug"
LARGEST_COUNT = 6  # a larger number beside a device is its size
_DEFINITE = frozenset(
    {
        "definite",
        "both",
        "all",
        "all_but",
        "each",
        "same",
        "former",
        "latter",
        "remaining",
        "last",
        "possessive",
        "pronoun",
    }
)
_INDEFINITE = frozenset({"article", "another", "several", "more", "pair"})


_DIGITS = re.compile(r"\d+(?:[.,]\d)?")
# A size spoken in a dictation, as the note writes it.
_SPOKEN = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen"
)
_NUMBER_WORDS = {word: str(number) for number, word in enumerate(_SPOKEN.split())}


@lru_cache(4096)
def size_key(size: str | None) -> tuple[str, ...]:
    """What two spellings of one size share: "14 x 5 mm" and "14/5" are both ("14", "5")."""
    if not size:
        return ()
    digits = _DIGITS.findall(size)
    if not digits:
        digits = [_NUMBER_WORDS[w] for w in re.split(r"[\s-]+", size) if w in _NUMBER_WORDS]
    return tuple(d.replace(",", ".").lstrip("0") or "0" for d in digits)


@dataclass(slots=True, eq=False)
class DevicePhrase:
    """Words that denote one or more devices."""

    first: int
    last: int
    head: Mention | None
    product: str | None = None
    sizes: list[str] = field(default_factory=list)
    products: list[str | None] = field(default_factory=list)  # one for each size, where a list names them
    number: int | None = None
    plural: bool = False
    ordinal: int | None = None
    label: int | None = None
    determiner: Determiner = "bare"
    words: set[str] = field(default_factory=set)
    prior: bool = False
    inner: Mention | None = None
    valve: str | None = None
    explanation: str = ""

    @property
    def head_first(self) -> int:
        """First word of the noun."""
        return self.head.first if self.head else self.first

    @property
    def pronoun(self) -> bool:
        """Whether it is "it", "they", "this"."""
        return "pronoun" in self.words

    @property
    def none(self) -> bool:
        """Whether it says that there is no such device."""
        return bool(self.words & {"none", "none_more", "nothing"})

    @property
    def headless(self) -> bool:
        """Whether it has no noun: "a 10 mm", "the second"."""
        return self.head is None

    @property
    def too_large(self) -> bool:
        """Whether it has a size that only other implants have."""
        return any(float(number) > LARGEST_SIZE for size in self.sizes for number in size_key(size))

    @property
    def quantity(self) -> int | None:
        """How many devices the phrase denotes; None when it does not say."""
        if self.number is not None:
            return self.number
        if len(self.sizes) > 1:
            return len(self.sizes)
        if self.plural or self.words & {"several", "all", "all_but", "each"}:
            return None
        return 1


@dataclass(frozen=True, slots=True)
class Tags:
    """The words ``first`` to ``last`` of a sentence, and what rules say of each.

    ``item``, ``role`` and ``cue`` cover the whole note; a mention that runs over
    the end of the sentence is none of it.
    """

    words: Words
    item: dict[int, Mention]
    role: dict[int, str]
    cue: dict[int, Mention]
    first: int
    last: int
    sizes: frozenset[tuple[str, ...]] = frozenset()  # of devices named elsewhere in the note
    listed: bool = False  # an entry of a list of implants or supplies

    def at(self, i: int) -> tuple[str, Mention | None, str | None, Mention | None]:
        """The word at ``i``, its mention, its role in grammar and its cue."""
        mention = self.item.get(i)
        if mention is not None and (mention.first < self.first or mention.last > self.last):
            mention = None  # it runs over the end of the sentence
        return self.words.words[i], mention, self.role.get(i), self.cue.get(i)

    def text(self, mention: Mention) -> str:
        """The words of a mention."""
        return " ".join(self.words.words[mention.first : mention.last])

    def verb_at(self, i: int) -> bool:
        """Whether the word at ``i`` is a verb no rule gives an event."""
        return self.at(i)[2] == "verb"

    def noun_at(self, i: int) -> bool:
        """Whether the word at ``i`` may be a noun: one of a rule, or a word no rule knows."""
        if i >= self.last:
            return False
        word, mention, role, cue = self.at(i)
        if mention is not None:
            return mention.kind not in ("action", "count")
        return role is None and cue is None and word.isalpha()

    def verb_follows(self, i: int) -> bool:
        """Whether a verb stands within a dozen words from ``i``."""
        for k in range(i, min(self.last, i + 12)):
            mention = self.item.get(k)
            if self.role.get(k) in ("be", "modal", "verb") or (
                mention is not None and mention.kind == "action"
            ):
                return True
        return False


def take_count(tags: Tags, phrase: DevicePhrase, mention: Mention, *, left: bool) -> bool:
    """Let a phrase take in a count beside it; False where the count belongs to something else."""
    means = mention.means
    number = means.number if means.number is not None else mention.value
    if means.word == "times":
        if left and phrase.number is not None:
            return False
        phrase.number = number
        phrase.plural = phrase.plural or (number or 1) > 1
        return True
    if means.word == "numbered":
        phrase.label = means.ordinal or mention.value
        return True
    if means.ordinal is not None:
        if phrase.ordinal is not None:
            return False
        phrase.ordinal = means.ordinal
        return True
    if means.word is not None:
        if means.word == "pronoun":
            return False
        if means.word in ("article", "definite") and phrase.words & {"article"} and not phrase.sizes:
            return False
        phrase.words.add("another" if means.word == "additional" else means.word)
        if number is not None:
            phrase.number = number
        return True
    if number is None:
        return False
    before = tags.item.get(mention.first - 1)
    if (
        left
        and before is not None
        and before.kind == "device"
        and not before.means.product
        and not before.plural
    ):
        return False  # "Device 2 - 12 mm AVP II": the number is a label
    # "8 and 10 mm plugs": a bare number before a conjunction and a size is a size.
    following = mention.last
    if tags.role.get(following) == "conjunction" or tags.words.words[following : following + 1] == [","]:
        if phrase.sizes and 3 <= number <= LARGEST_SIZE:
            phrase.sizes.insert(0, f"{number} mm")
            return True
        return False
    if "definite" in phrase.words and phrase.number is not None:
        phrase.number = number  # "one of the two plugs": the part counts
        return True
    if phrase.number is not None and phrase.number != number:
        return False
    if number > LARGEST_SIZE:
        return False
    if left and _beside(tags, mention.last):
        phrase.sizes[:1] = [f"{number} x {phrase.sizes[0]}"] if phrase.sizes else [f"{number} mm"]
        return True  # "a 10-8 Konar": two measures of one device
    if (
        phrase.number is None
        and not phrase.sizes
        and (number > LARGEST_COUNT or _beside(tags, mention.first))
    ):
        # "the twelve plug", "a 10 plug": a size said without its unit.
        phrase.sizes.insert(0, f"{number} mm")
        return True
    if number > LARGEST_COUNT and phrase.sizes:
        return False
    phrase.number = number
    return True


def _beside(tags: Tags, i: int) -> bool:
    """As in "10-8": bare figures on both sides of a place between words, one character apart."""
    one, other = (tags.item.get(k) for k in (i - 1, i))
    return all(m is not None and m.kind == "count" and m.value is not None for m in (one, other)) and (
        tags.words.starts[i] == tags.words.ends[i - 1] + 1
    )


def take_sizes(tags: Tags, phrase: DevicePhrase, mention: Mention) -> None:
    """As in "plugs of 10, 8 and 6 mm": one unit for several sizes, a device for each."""
    numbers = _DIGITS.findall(tags.text(mention))
    phrase.sizes = [f"{n} mm" for n in numbers]
    phrase.number = phrase.number or len(numbers)


def _said_in_full(size: str, other: str) -> bool:
    """Whether the second of two sizes only adds a measure to the first."""
    short, long = size_key(size), size_key(other)
    return 0 < len(short) < len(long) and long[: len(short)] == short


def determine(phrase: DevicePhrase) -> None:
    """Settle the determiner of a phrase once all its words are read."""
    words = phrase.words
    if "more" in words and "definite" in words:
        words.discard("more")  # "the more posterior device"
    if "none_more" in words:
        words.add("none")
    one = phrase.number is None and not phrase.plural and phrase.head is not None
    if one and len(phrase.sizes) == 2 and _said_in_full(*phrase.sizes):
        phrase.sizes.pop()  # "a PLD 12W (rectangular, 12 x 5 mm)"
    if phrase.headless and phrase.ordinal is not None and phrase.number == 1 and not words:
        phrase.determiner = "definite"  # "second one"
    elif phrase.head is not None and phrase.head.means.relative:
        phrase.determiner = "indefinite"
    elif words & _DEFINITE:
        phrase.determiner = "definite"
    elif words & _INDEFINITE or phrase.number is not None:
        phrase.determiner = "indefinite"
    elif phrase.ordinal is not None or phrase.label is not None:
        phrase.determiner = "bare"
    singular = (
        phrase.head is not None
        and not phrase.head.plural
        and "article" in words
        and not words & {"pair", "another"}
    )
    lone = phrase.head is not None and not phrase.head.plural and (phrase.number or 0) >= _LEAST_SIZE
    if (singular or lone) and phrase.number is not None and phrase.number > 2 and not phrase.sizes:
        phrase.sizes.append(f"{phrase.number} mm")  # "a six AVP II": a size without its unit
        phrase.number = None
    if phrase.headless and "each" in words and phrase.number == 1:
        phrase.number, phrase.plural = None, True  # "each one was released": all of them
    if phrase.number is not None and phrase.number > 1:
        phrase.plural = True
