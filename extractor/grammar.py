"""Grammar: the noun phrases, actions and clauses of one sentence.

In: the words and mentions of a note and the span of a sentence. Out: a
``Parse``: device phrases ("a second 10 mm AVP II", "both plugs", "the latter",
"it"), other nouns, actions and cues, each with the clause it stands in.

A device phrase is read outward from a device noun over the sizes, counts and
adjectives beside it; a phrase without a noun ("a 10 mm", "two more") is one
only where no other noun follows.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from extractor.layout import Sentence
from extractor.mentions import Mention, Words

Determiner = Literal["indefinite", "definite", "bare"]

_MOST_UNKNOWN = 2
_OPENING, _CLOSING = frozenset("(["), frozenset(")]")


@dataclass(slots=True, eq=False)
class DevicePhrase:
    """Words that denote one or more devices."""

    first: int
    last: int
    head: Mention | None
    product: str | None = None
    sizes: list[str] = field(default_factory=list)
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
        return "pronoun" in self.words

    @property
    def none(self) -> bool:
        return bool(self.words & {"none", "none_more"})

    @property
    def headless(self) -> bool:
        return self.head is None

    @property
    def several(self) -> bool:
        """More than one device, number not said here."""
        return self.number is None and len(self.sizes) < 2 and (self.plural or "several" in self.words)

    @property
    def quantity(self) -> int | None:
        """How many devices the phrase denotes; None when it does not say."""
        if self.number is not None:
            return self.number
        if len(self.sizes) > 1:
            return len(self.sizes)
        if self.plural or self.words & {"several", "all", "each"}:
            return None
        return 1


@dataclass(slots=True)
class Parse:
    """A sentence taken apart. Word indices are those of the note."""

    sentence: Sentence
    first: int
    last: int
    phrases: list[DevicePhrase]
    groups: list[list[DevicePhrase]]
    actions: list[Mention]
    nouns: list[Mention]
    cues: list[Mention]
    items: dict[int, Mention]
    roles: dict[int, str]
    clause: dict[int, int]
    words: Words

    def cue_kinds(self) -> set[str]:
        """All cues of the sentence."""
        return {cue.means.cue for cue in self.cues}

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

    def read(self, sentence: Sentence) -> Parse:
        """Parse of one sentence."""
        first, last = self._words.at(sentence.start, sentence.end)
        self._first, self._last = first, last
        items = {i: self._item[i] for i in range(first, last) if i in self._item}
        items = {i: m for i, m in items.items() if m.first >= first and m.last <= last}
        mentions = list(dict.fromkeys(items.values()))
        phrases = [
            self._device_phrase(m, first, last)
            for m in mentions
            if m.kind == "device" and m.means.head != "weak"
        ]
        # A phrase swallowed by a neighbour ("Amplatzer device, plug") is one phrase.
        phrases = self._elaborations(self._appositions(self._merge(phrases)))
        used = {i for phrase in phrases for i in range(phrase.first, phrase.last)}
        phrases += self._headless(first, last, used)
        phrases.sort(key=lambda p: p.first)
        phrases = self._attached(self._uncorrected(phrases))
        used = {i for phrase in phrases for i in range(phrase.first, phrase.last)}
        actions = [m for m in mentions if m.kind == "action" and not any(p.inner is m for p in phrases)]
        nouns = [
            m for m in mentions
            if m.first not in used and (m.kind in ("other_device", "target", "leak", "valve") or m.kind == "device")
        ]  # fmt: skip
        cues = list(dict.fromkeys(self._cue[i] for i in range(first, last) if i in self._cue))
        return Parse(
            sentence, first, last, phrases, self._groups(phrases), actions, nouns, cues, items,
            {i: self._role[i] for i in range(first, last) if i in self._role},
            self._clauses(first, last, used, phrases), self._words,
        )  # fmt: skip

    # -- device phrases ----------------------------------------------------

    def _device_phrase(self, head: Mention, first: int, last: int) -> DevicePhrase:
        phrase = DevicePhrase(head.first, head.last, head, head.means.product, plural=head.plural)
        if head.means.relative:
            phrase.words.add("another")
        if head.value is not None:
            phrase.sizes.append(f"{head.value} mm")  # an order number tells the size
        self._extend_left(phrase, first)
        self._extend_right(phrase, last)
        self._determine(phrase)
        return phrase

    def _extend_left(self, phrase: DevicePhrase, first: int) -> None:
        i, unknown = phrase.first - 1, 0
        committed = phrase.first
        joined = False
        while i >= first:
            word, mention, role, cue = self._at(i)
            if mention is not None:
                if mention.kind == "size" and mention.means.form == "device":
                    phrase.sizes.insert(0, self._text(mention))
                elif mention.kind == "size" and mention.means.form in ("clock", "label", "date"):
                    pass
                elif (
                    mention.kind == "count"
                    and self._role.get(mention.first) == "adverb"
                    and mention.means.word in ("last", "only")
                ):
                    i = mention.first - 1  # "at last ADO II"
                    continue
                elif mention.kind == "count":
                    if (
                        mention.value is not None
                        and mention.means.word is None
                        and self._column_gap(mention.last)
                    ):
                        break  # the number of a table row
                    if (
                        mention.means.word in ("times", "numbered")
                        and phrase.sizes
                        and mention.means.word == "times"
                        and mention.value
                        and not mention.means.number
                        and self._starts_phrase_before(mention, first)
                    ):
                        break  # "10/5 x2 AVP III": belongs to what stands before
                    number = mention.means.number or mention.value
                    if (
                        joined
                        and phrase.number is not None
                        and number
                        and mention.means.word is None
                        and number <= 6
                    ):
                        phrase.number += number  # "one 12 mm and two 10 mm plugs"
                    elif not self._take_count(phrase, mention, left=True):
                        break
                    if mention.means.word in ("article", "definite", "possessive") and not self._opens_before(
                        mention.first - 1, first
                    ):
                        committed = mention.first
                        break
                elif mention.kind == "valve":
                    phrase.valve = phrase.valve or mention.means.valve
                elif mention.kind == "leak" and mention.last == phrase.head_first:
                    pass
                elif (
                    mention.kind == "device"
                    and mention.means.product
                    and mention.last == committed
                    and not phrase.product
                ):
                    phrase.product = mention.means.product
                elif mention.kind == "action" and self._is_modifier(mention, first):
                    phrase.inner = mention
                else:
                    break
                committed, unknown = mention.first, 0
                i = mention.first - 1
                continue
            if cue is not None and cue.means.cue in ("history", "landmark"):
                if cue.means.cue == "landmark":
                    break
                phrase.prior = True
                committed, unknown = cue.first, 0
                i = cue.first - 1
            elif role == "adjective" or role == "adverb":
                i -= 1
            elif role == "conjunction" or word in (",", "&"):
                # "a 12 mm and a 10 mm AVP II", "8 and 10 mm plugs"
                if self._between_numbers(i, first, phrase):
                    committed = i - 1  # "two or three plugs"
                    break
                if self._contrasted(i, first):
                    self._take_count(phrase, self._item[i - 4], left=True)  # "three, not two, plugs"
                    committed, i = i - 4, i - 5
                    continue
                if not self._coordinates(i, first, phrase):
                    break
                joined = True
                i -= 1
            elif (
                word == ")"
                and i - 2 >= first
                and self._words.words[i - 2] == "("
                and self._partitive(i - 1, first)
            ):
                self._take_count(phrase, self._item[i - 1], left=True)  # "(2) AVP II 10 mm"
                committed = i - 2
                i -= 3
            elif word == ":" and self._ordinal(i - 1, first):
                phrase.ordinal = self._item[i - 1].means.ordinal  # "Second: AVP II, 8 mm"
                committed = i - 1
                break
            elif role == "of" and self._partitive(i - 1, first):
                phrase.words.add("definite")
                i -= 1
            elif (
                role is None
                and cue is None
                and word.isalpha()
                and unknown < (1 if phrase.product else _MOST_UNKNOWN)
            ):
                unknown += 1
                i -= 1
            else:
                break
        phrase.first = committed

    def _column_gap(self, i: int) -> bool:
        """Whether two blanks, a tab or a bar stand before word ``i``: a table column ends there."""
        return i < len(self._words.words) and (
            self._words.words[i] == "|" or self._words.starts[i] - self._words.ends[i - 1] >= 2
        )

    def _between_numbers(self, i: int, first: int, phrase: DevicePhrase) -> bool:
        """ "Two or three plugs": the note leaves the number open."""
        before = self._item.get(i - 1) if i - 1 >= first else None
        number = (
            before is not None
            and before.kind == "count"
            and (before.means.number or before.value)
            and before.means.word is None
        )
        if self._words.words[i] == "or" and phrase.number is not None and number:
            phrase.number = None
            phrase.plural = True
            phrase.words.add("several")
            return True
        return False

    def _contrasted(self, i: int, first: int) -> bool:
        """Whether words before a comma read "three, not two"."""
        if (
            i - 4 < first
            or self._words.words[i] != ","
            or self._words.words[i - 2] != "not"
            or self._words.words[i - 3] != ","
        ):
            return False
        stated, denied = self._item.get(i - 4), self._item.get(i - 1)
        return stated is not None and denied is not None and stated.kind == denied.kind == "count"

    def _starts_phrase_before(self, mention: Mention, first: int) -> bool:
        before = self._item.get(mention.first - 1) if mention.first > first else None
        return before is not None and before.kind == "device"

    def _opens_before(self, i: int, first: int) -> bool:
        """Whether a phrase goes on to the left of its article: "both the", "one of the", "a 12 mm and a"."""
        if i < first:
            return False
        mention = self._item.get(i)
        if mention is not None:
            return mention.kind == "count" and (
                mention.means.word in ("both", "all", "each", "only", "none")
                or mention.means.number is not None
            )
        return self._role.get(i) in ("of", "conjunction") or self._words.words[i] == ","

    def _coordinates(self, i: int, first: int, phrase: DevicePhrase) -> bool:
        """Whether the conjunction at ``i`` joins two sizes of one phrase."""
        if not phrase.sizes or i - 1 < first:
            return False
        if self._words.words[i] == "," and self._role.get(i - 1) == "conjunction":
            return False
        before = self._item.get(i - 1)
        if self._role.get(i) == "conjunction" and before is None and self._words.words[i - 1] == ",":
            before = self._item.get(i - 2)
        if before is None:
            return False
        return (before.kind == "size" and before.means.form == "device") or (
            before.kind == "count" and before.value is not None and 3 <= before.value <= 22
        )

    def _ordinal(self, i: int, first: int) -> bool:
        mention = self._item.get(i) if i >= first else None
        return mention is not None and mention.kind == "count" and mention.means.ordinal is not None

    def _partitive(self, i: int, first: int) -> bool:
        mention = self._item.get(i) if i >= first else None
        return (
            mention is not None
            and mention.kind == "count"
            and (
                mention.means.number is not None
                or mention.value is not None
                or mention.means.word in ("each", "none", "all", "both", "only")
            )
        )

    def _take_count(self, phrase: DevicePhrase, mention: Mention, left: bool) -> bool:
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
        before = self._item.get(mention.first - 1)
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
        if self._role.get(following) == "conjunction" or self._words.words[following : following + 1] == [
            ","
        ]:
            if phrase.sizes and 3 <= number <= 22:
                phrase.sizes.insert(0, f"{number} mm")
                return True
            return False
        if "definite" in phrase.words and phrase.number is not None:
            phrase.number = number  # "one of the two plugs": the part counts
            return True
        if phrase.number is not None and phrase.number != number:
            return False
        if number > 22:
            return False
        if phrase.number is None and number > 6 and not phrase.sizes:
            # "the twelve plug", "a 10 plug": a size said without its unit.
            phrase.sizes.insert(0, f"{number} mm")
            return True
        phrase.number = number
        return True

    def _is_modifier(self, action: Mention, first: int) -> bool:
        """Whether an action word stands inside a phrase: "the deployed plug"."""
        if action.means.form == "noun" or action.last - action.first > 1:
            return False
        word = self._words.words[action.first]
        if not word.endswith(("ed", "en", "wn", "st")):
            return False
        i = action.first - 1
        while i >= first and self._role.get(i) == "adverb" and i not in self._item:
            i -= 1
        if i < first:
            return False
        cue = self._cue.get(i)
        if cue is not None and cue.means.cue == "history":
            return True
        before = self._item.get(i)
        return (
            before is not None
            and before.kind == "count"
            and before.means.word != "pronoun"
            and not (
                before.value is None
                and before.means.word is None
                and before.means.number is None
                and before.means.ordinal is None
            )
        )

    def _extend_right(self, phrase: DevicePhrase, last: int) -> None:
        if (
            phrase.plural
            and not phrase.product
            and phrase.number is None
            and self._labels(phrase, phrase.last, last)
        ):
            return
        i, opened = phrase.last, False
        left_sizes = bool(phrase.sizes)
        while i < last:
            word, mention, role, _ = self._at(i)
            if mention is not None:
                if mention.kind == "size" and mention.means.form == "device":
                    if (left_sizes and not opened) or self._belongs_to_next(mention.last, last):
                        break
                    if not left_sizes:
                        phrase.sizes.append(self._text(mention))
                elif mention.kind == "size" and mention.means.form == "label":
                    pass
                elif (
                    mention.kind == "size"
                    and mention.means.form == "date"
                    and self._words.words[mention.first] in ("of", "from")
                ):
                    phrase.prior = True  # "the two plugs of 2018"
                elif mention.kind == "count" and mention.means.word in ("times", "numbered"):
                    if mention.means.word == "times" and self._starts_next(mention.last, last):
                        break
                    self._take_count(phrase, mention, left=False)
                elif (
                    mention.kind == "count"
                    and opened
                    and (mention.means.number or mention.value)
                    and self._words.words[mention.last : mention.last + 1] == [")"]
                ):
                    number = mention.means.number or mention.value
                    if phrase.number is None and number is not None:
                        if phrase.plural or phrase.product or phrase.sizes:
                            phrase.number = number
                        else:
                            phrase.label = number
                elif (
                    mention.kind == "count"
                    and mention.value is not None
                    and 3 <= mention.value <= 22
                    and phrase.product
                    and not phrase.sizes
                    and not left_sizes
                    and i == phrase.last
                ):
                    phrase.sizes.append(f"{mention.value} mm")  # "AVP II 8": a size without its unit
                elif (
                    mention.kind == "count"
                    and (mention.value or mention.means.number)
                    and mention.means.word is None
                    and not opened
                    and phrase.label is None
                    and phrase.head is not None
                    and not phrase.product
                    and not phrase.plural
                    and i == phrase.head.last
                ):
                    phrase.label = mention.value or mention.means.number
                elif self._letter(phrase, i, last):
                    phrase.label = 100 + ord(self._words.words[i])
                    i += 1
                    phrase.last = i
                    continue
                elif mention.kind == "device" and mention.means.product and not phrase.product and opened:
                    phrase.product = mention.means.product
                elif (
                    mention.kind == "device"
                    and not mention.means.product
                    and phrase.product
                    and mention.first == phrase.last
                ):
                    phrase.plural = phrase.plural or mention.plural
                else:
                    break
                i = mention.last
                phrase.last = i + 1 if opened and self._words.words[i : i + 1] == [")"] else i
                continue
            if self._letter(phrase, i, last):
                phrase.label = 100 + ord(word)
                i += 1
                phrase.last = i
                continue
            if word in _OPENING:
                opened = True
            elif word in _CLOSING:
                opened = False
            elif (
                word in (",", ":", "/", "=", "®", "™", "|")
                or role in ("of", "adjective")
                or (role == "conjunction" and phrase.sizes and not left_sizes)
                or word in ("again", "also", "measuring", "sizes", "measures", "measured", "diameter", "s")
            ):
                pass
            else:
                break
            if i - phrase.last > 4:
                break
            i += 1

    def _labels(self, phrase: DevicePhrase, i: int, last: int) -> int:
        """ "Plugs 1 and 2": how many numbers follow a plural noun."""
        n = 0
        while i < last:
            mention = self._item.get(i)
            if (
                mention is not None
                and mention.kind == "count"
                and (mention.value is not None or mention.means.number)
                and mention.means.word is None
            ):
                n += 1
            elif not (n and (self._role.get(i) == "conjunction" or self._words.words[i] == ",")):
                break
            i += 1
        while n and (self._role.get(i - 1) == "conjunction" or self._words.words[i - 1] == ","):
            i -= 1
        if n < 2:
            return 0
        phrase.number = n
        phrase.words.add("definite")
        phrase.last = i
        return n

    def _letter(self, phrase: DevicePhrase, i: int, last: int) -> bool:
        """ "Plug A": a letter right behind the noun, at the end of the phrase."""
        word = self._words.words[i]
        if (
            len(word) != 1
            or word not in "abcde"
            or phrase.label is not None
            or phrase.head is None
            or i != phrase.head.last
            or phrase.plural
        ):
            return False
        if i + 1 >= last:
            return True
        after = self._item.get(i + 1)
        acted = after is not None and after.kind == "action"
        return (
            self._words.words[i + 1] in ",:.;()=" or self._role.get(i + 1) in ("be", "conjunction") or acted
        )

    def _starts_next(self, i: int, last: int) -> bool:
        mention = self._item.get(i) if i < last else None
        return mention is not None and (
            mention.kind == "device" or (mention.kind == "size" and mention.means.form == "device")
        )

    def _belongs_to_next(self, i: int, last: int) -> bool:
        """Whether a size ending at ``i`` is followed by a device noun of its own."""
        for k in range(i, min(last, i + 3)):
            mention = self._item.get(k)
            if mention is not None:
                return mention.kind in ("device", "leak", "other_device", "target")
            if self._role.get(k) != "adjective":
                return False
        return False

    def _determine(self, phrase: DevicePhrase) -> None:
        words = phrase.words
        if "more" in words and "definite" in words:
            words.discard("more")  # "the more posterior device"
        if "none_more" in words:
            words.add("none")
        if phrase.head is not None and phrase.head.means.relative:
            phrase.determiner = "indefinite"
        elif words & {
            "definite",
            "both",
            "all",
            "each",
            "same",
            "former",
            "latter",
            "remaining",
            "last",
            "possessive",
            "pronoun",
        }:
            phrase.determiner = "definite"
        elif words & {"article", "another", "several", "more", "pair"} or phrase.number is not None:
            phrase.determiner = "indefinite"
        elif phrase.ordinal is not None or phrase.label is not None:
            phrase.determiner = "bare"
        singular = (
            phrase.head is not None
            and not phrase.head.plural
            and "article" in words
            and not words & {"pair", "another"}
        )
        if singular and phrase.number is not None and phrase.number > 1 and not phrase.sizes:
            phrase.sizes.append(f"{phrase.number} mm")  # "a six AVP II": a size without its unit
            phrase.number = None
        if phrase.number is not None and phrase.number > 1:
            phrase.plural = True

    def _merge(self, phrases: list[DevicePhrase]) -> list[DevicePhrase]:
        kept: list[DevicePhrase] = []
        for phrase in sorted(phrases, key=lambda p: p.first):
            if kept and phrase.first < kept[-1].last:
                previous = kept[-1]
                # The noun that names the product leads; the other only adds what it knows.
                previous.product = previous.product or phrase.product
                previous.last = max(previous.last, phrase.last)
                previous.sizes = previous.sizes or phrase.sizes
                previous.number = previous.number if previous.number is not None else phrase.number
                previous.plural = previous.plural or phrase.plural
                previous.label = previous.label or phrase.label
                previous.ordinal = previous.ordinal or phrase.ordinal
                continue
            kept.append(phrase)
        return kept

    def _appositions(self, phrases: list[DevicePhrase]) -> list[DevicePhrase]:
        """ "A second device, ADO II 4 x 4 mm," and "Plug one: AVP II 10 mm" are one phrase each."""
        kept: list[DevicePhrase] = []
        for phrase in phrases:
            before = kept[-1] if kept else None
            if (
                before is not None
                and before.head is not None
                and not before.head.means.product
                and not before.product
                and phrase.product
            ):
                gap = self._words.words[before.last : phrase.first]
                if set(gap) <= {",", "again", "also", "likewise", "this", "time"} or (
                    gap in ([], [","], [":"], ["("], ["="], ["was"], ["is"])
                    and before.quantity == 1
                    and phrase.quantity == 1
                    and not (
                        ("another" in phrase.words and before.label is None)
                        or (phrase.ordinal and before.ordinal)
                    )
                ):
                    before.product, before.sizes = phrase.product, before.sizes or phrase.sizes
                    before.last = phrase.last
                    continue
            kept.append(phrase)
        return kept

    def _uncorrected(self, phrases: list[DevicePhrase]) -> list[DevicePhrase]:
        """ "A seven, correction, a six millimeter plug": what is taken back in the same breath is dropped."""
        kept: list[DevicePhrase] = []
        for phrase in phrases:
            before = kept[-1] if kept else None
            if before is not None and phrase.first - before.last <= 6:
                gap = range(before.last, phrase.first)
                taken_back = any(i in self._cue and self._cue[i].means.cue == "correction" for i in gap)
                if taken_back and not any(i in self._item and self._item[i].kind == "action" for i in gap):
                    kept.pop()
                    phrase.first = min(phrase.first, before.first)
            kept.append(phrase)
        return kept

    def _attached(self, phrases: list[DevicePhrase]) -> list[DevicePhrase]:
        """ "Another plug, this one an eight" and "number two was a 10 mm AVP II" are one phrase each."""
        kept: list[DevicePhrase] = []
        for phrase in phrases:
            before = kept[-1] if kept else None
            gap = self._words.words[before.last : phrase.first] if before is not None else []
            if before is not None and gap in ([","], ["was"], ["is"], [":"]):
                if (
                    phrase.headless
                    and "definite" in phrase.words
                    and phrase.sizes
                    and not before.sizes
                    and before.quantity == 1
                ):
                    before.sizes, before.last = phrase.sizes, phrase.last
                    continue
                if (
                    before.headless
                    and not before.sizes
                    and (before.label or before.ordinal)
                    and (phrase.sizes or phrase.product)
                ):
                    phrase.label, phrase.ordinal = (
                        before.label or phrase.label,
                        before.ordinal or phrase.ordinal,
                    )
                    phrase.first = before.first
                    kept.pop()
            kept.append(phrase)
        return kept

    def _elaborations(self, phrases: list[DevicePhrase]) -> list[DevicePhrase]:
        """ "Two plugs were opened, a 12 mm AVP II and an 8 mm AVP II": the list says which two."""
        kept: list[DevicePhrase] = []
        i = 0
        while i < len(phrases):
            phrase = phrases[i]
            kept.append(phrase)
            number = phrase.number
            parts = phrases[i + 1 : i + 1 + (number or 0)]
            if (
                number is not None
                and number > 1
                and not phrase.sizes
                and len(parts) == number
                and all(p.quantity == 1 and p.sizes and p.determiner != "definite" for p in parts)
            ):
                opening = self._words.words[parts[0].first - 1]
                acts = [
                    self._item[k]
                    for k in range(parts[0].last, parts[-1].first)
                    if k in self._item
                    and self._item[k].kind == "action"
                    and self._item[k].means.event not in ("check", "remain")
                ]
                if opening in (",", ":", "(", "-", "–") and not acts:
                    phrase.sizes = [p.sizes[0] for p in parts]
                    phrase.product = phrase.product or parts[0].product
                    i += number
            i += 1
        return kept

    def _headless(self, first: int, last: int, used: set[int]) -> list[DevicePhrase]:
        out: list[DevicePhrase] = []
        i = first
        while i < last:
            mention = self._item.get(i)
            if i in used or mention is None or not self._may_stand_alone(mention):
                i += 1
                continue
            phrase = DevicePhrase(i, i, None)
            k = i
            while k < last and k not in used:
                m = self._item.get(k)
                if m is not None and m.kind == "count":
                    number = m.means.number if m.means.number is not None else m.value
                    if m.means.word == "pronoun":
                        if k != i:
                            break
                        phrase.words.add("pronoun")
                        phrase.plural = self._words.words[k] in ("they", "them", "themselves")
                        k = m.last
                        break
                    if m.means.word == "numbered":
                        phrase.label = m.means.ordinal or m.value
                    elif m.means.ordinal is not None:
                        phrase.ordinal = m.means.ordinal
                    elif m.means.word is not None:
                        phrase.words.add(m.means.word)
                        if number is not None:
                            phrase.number = number
                    elif number is not None and (
                        ("article" in phrase.words and number >= 3)
                        or ("definite" in phrase.words and number > 6)
                    ):
                        phrase.sizes.append(f"{number} mm")  # "the twelve was released"
                    else:
                        phrase.number = number
                    k = m.last
                elif m is not None and m.kind == "size" and m.means.form == "device":
                    phrase.sizes.append(self._text(m))
                    k = m.last
                elif m is None and self._role.get(k) == "adjective":
                    k += 1
                else:
                    break
            phrase.last = max(k, i + 1)
            if phrase.number is not None and self._of_them(phrase.last, last):
                phrase.words |= {"definite", "part"}
                phrase.last += 2
                self._determine(phrase)
                out.append(phrase)
                i = phrase.last
                continue
            if self._stands_alone(phrase, first, last):
                self._determine(phrase)
                out.append(phrase)
            i = phrase.last
        return out

    @staticmethod
    def _may_stand_alone(mention: Mention) -> bool:
        return (mention.kind == "count" and mention.means.word not in ("times", "none", "none_more")) or (
            mention.kind == "size" and mention.means.form == "device"
        )

    def _stands_alone(self, phrase: DevicePhrase, first: int, last: int) -> bool:
        """Whether a run of counts and sizes is a device phrase without a noun."""
        i = phrase.last
        word, mention, role, cue = self._at(i) if i < last else ("", None, None, None)
        verb = role in ("be", "modal") or (
            mention is not None
            and mention.kind == "action"
            and (
                mention.means.event == "remain"
                or word.endswith(("ed", "wn", "en", "were", "was", "put", "left"))
            )
        )
        if role == "adverb" and i + 1 < last and self._role.get(i + 1) == "be":
            verb = True
        if phrase.pronoun:
            return True
        if phrase.ordinal is not None and phrase.number == 1 and phrase.words & {"definite", "article"}:
            return True  # "the second one"
        if (
            (phrase.number is not None and phrase.number <= 4) or "another" in phrase.words
        ) and not phrase.sizes:
            if self._again_a_device(phrase, first, i, last):
                return True
        noun_follows = (
            (i < last and role is None and cue is None and mention is None and word.isalnum())
            or (mention is not None and mention.kind not in ("action",))
            or (role == "of")
        )
        if phrase.sizes:
            before = self._role.get(phrase.first - 1) if phrase.first > first else None
            determined = (
                bool(phrase.words & {"article", "definite", "another", "same"}) or phrase.ordinal is not None
            )
            return not noun_follows and (
                determined
                or (
                    self._changes(first, i)
                    and (before == "exchange" or self._words.words[phrase.first - 1 : phrase.first] == ["to"])
                )
            )
        if (
            "both" in phrase.words
            and not verb
            and self._role.get(phrase.first - 1) not in ("preposition", "of", "with", "be")
        ):
            return False  # "leaflets moving 85 degrees both"
        if phrase.words & {"former", "latter"}:
            return mention is None or mention.kind == "action"
        if phrase.words & {"both", "remaining"} and not phrase.words & {"possessive"}:
            return not noun_follows
        if (
            phrase.ordinal is not None
            and not phrase.words
            and phrase.first > first
            and self._words.words[phrase.first - 1] not in (",", ";", ":", ".")
        ):
            return False  # "the AVP4 first opened": an adverb
        if phrase.number is not None and phrase.number > 6 and phrase.words & {"another", "more"}:
            return False
        if (
            phrase.words & {"another", "more", "same", "other"}
            or phrase.ordinal is not None
            or phrase.label is not None
        ):
            # "the second was released"; "second" alone, before a comma, is an adverb.
            return not noun_follows and (
                verb
                or (
                    bool(phrase.words & {"article", "definite", "more", "another"})
                    and (word != "," or ("article" in phrase.words and self._verb_follows(i, last)))
                )
            )
        if phrase.number is not None and phrase.number <= 6:
            if self._trails(phrase, first) or (
                mention is not None and mention.kind == "action" and mention.means.event == "check"
            ):
                return False
            return verb and not noun_follows and (mention is None or not self._words.words[i].endswith("ing"))
        if phrase.number is not None:  # "the twelve was released"
            return verb and bool(phrase.words & {"definite", "article"})
        return bool(phrase.words & {"all", "each"}) and verb

    def _of_them(self, i: int, last: int) -> bool:
        """ "One of them", "two of these": a part of what is known."""
        after = self._item.get(i + 1) if i + 1 < last else None
        return (
            self._role.get(i) == "of"
            and after is not None
            and after.kind == "count"
            and self._words.words[i + 1] in ("them", "these", "those", "it")
        )

    def _again_a_device(self, phrase: DevicePhrase, first: int, i: int, last: int) -> bool:
        """ "... and one at 9 o'clock", "... and another in the medial leak": a device noun understood."""
        joined = self._role.get(phrase.first - 1) == "conjunction" or self._words.words[
            phrase.first - 1 : phrase.first
        ] == [","]
        placed = i < last and (
            self._role.get(i) == "preposition"
            or (self._item.get(i) is not None and self._item[i].kind == "size")
        )
        known = any(self._item[k].kind == "device" for k in range(first, phrase.first) if k in self._item)
        return joined and placed and known

    def _trails(self, phrase: DevicePhrase, first: int) -> bool:
        """Whether a bare number ends another noun: "wire 2 was put"."""
        i = phrase.first - 1
        if i < first or phrase.words:
            return False
        mention = self._item.get(i)
        if mention is not None:
            return mention.kind in ("other_device", "target", "leak", "valve")
        return self._role.get(i) is None and i not in self._cue and self._words.words[i].isalpha()

    def _changes(self, first: int, last: int) -> bool:
        """Whether a device is exchanged between two words."""
        return any(
            self._item[i].kind == "action" and self._item[i].means.event == "exchange"
            for i in range(first, last)
            if i in self._item
        )

    # -- groups and clauses ------------------------------------------------

    def _groups(self, phrases: list[DevicePhrase]) -> list[list[DevicePhrase]]:
        """Phrases joined by nothing but commas and conjunctions."""
        groups: list[list[DevicePhrase]] = []
        for phrase in phrases:
            if groups and not phrase.pronoun:
                gap = range(groups[-1][-1].last, phrase.first)
                joined = all(
                    self._role.get(i) == "conjunction" or self._words.words[i] in (",", ")", "(", ";")
                    for i in gap
                )
                if (
                    joined
                    and len(gap) > 0
                    and not groups[-1][-1].pronoun
                    and self._role.get(groups[-1][0].first - 1) != "exchange"
                ):
                    groups[-1].append(phrase)
                    continue
            groups.append([phrase])
        return groups

    def _clauses(self, first: int, last: int, used: set[int], phrases: list[DevicePhrase]) -> dict[int, int]:
        clause, n = {}, 0
        starts = {phrase.first for phrase in phrases}
        for i in range(first, last):
            word, mention, role, _ = self._at(i)
            if i not in used and i > first:
                following = i + 1
                if word in (";", "–", "—") or role in ("clause", "relative"):
                    n += 1
                elif word == "," and following < last:
                    if (
                        self._role.get(following) in ("conjunction", "subject")
                        or following in starts
                        or self._role.get(following) == "clause"
                    ):
                        n += 1
                elif role == "conjunction" and following < last:
                    if self._role.get(following) == "subject" or (
                        following in starts and self._verb_follows(following, last)
                    ):
                        n += 1
            clause[i] = n
            del mention
        return clause

    def _verb_follows(self, i: int, last: int) -> bool:
        for k in range(i, min(last, i + 12)):
            mention = self._item.get(k)
            if self._role.get(k) in ("be", "modal") or (mention is not None and mention.kind == "action"):
                return True
        return False

    def _at(self, i: int) -> tuple[str, Mention | None, str | None, Mention | None]:
        mention = self._item.get(i)
        if mention is not None and (mention.first < self._first or mention.last > self._last):
            mention = None  # it runs over the end of the sentence
        return self._words.words[i], mention, self._role.get(i), self._cue.get(i)

    def _text(self, mention: Mention) -> str:
        return " ".join(self._words.words[mention.first : mention.last])
