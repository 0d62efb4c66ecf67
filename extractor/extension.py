"""Extension: a device phrase is read outward from its noun.

In: a device noun among the tagged words of a sentence. Out: a ``DevicePhrase``
over the sizes, counts and adjectives to its left and right.
"""

from __future__ import annotations

from extractor.mentions import Mention
from extractor.phrases import (
    LARGEST_COUNT,
    LARGEST_SIZE,
    LETTER_LABELS,
    DevicePhrase,
    Tags,
    determine,
    take_count,
    take_sizes,
)

_MOST_UNKNOWN = 2  # words no rule knows, between a noun and its article
_FURTHEST = 4  # words between a noun and what describes it
# Marks and words that may stand between a noun and its size.
_BETWEEN = frozenset(
    [
        ",",
        ":",
        "/",
        "=",
        "®",
        "™",
        "|",
        "again",
        "also",
        "measuring",
        "sizes",
        "measures",
        "measured",
        "diameter",
        "s",
    ]
)
_OPENING, _CLOSING = frozenset("(["), frozenset(")]")


def device_phrase(tags: Tags, head: Mention) -> DevicePhrase:
    """The phrase around a device noun."""
    phrase = DevicePhrase(head.first, head.last, head, head.means.product, plural=head.plural)
    if head.means.relative:
        phrase.words.add("another")
    if head.value is not None:
        phrase.sizes.append(f"{head.value} mm")  # an order number tells the size
    _Leftward(tags, phrase).extend()
    _take_bracket(tags, phrase)
    _Rightward(tags, phrase).extend()
    determine(phrase)
    return phrase


def _take_bracket(tags: Tags, phrase: DevicePhrase) -> None:
    """As in "plug(s)": one or more, which counts none."""
    behind = tags.words.words[phrase.last : min(tags.last, phrase.last + 3)]
    if behind == ["(", "s", ")"]:
        phrase.last += 3
    if behind == ["(", "s", ")"] or tags.words.words[phrase.last - 3 : phrase.last] == ["(", "s", ")"]:
        phrase.words.add("some")


# -- to the left ------------------------------------------------------------------


class _Leftward:
    """Takes in the counts, sizes and adjectives before a phrase, up to its article.

    Words are passed over one by one; what was passed becomes part of the phrase
    only where a count, size or name follows further left.
    """

    def __init__(self, tags: Tags, phrase: DevicePhrase) -> None:
        self.tags = tags
        self.phrase = phrase
        self.i = phrase.first - 1  # the next word to look at
        self.committed = phrase.first  # the phrase begins here, as far as is known
        self.unknown = 0  # words no rule knows, passed since then
        self.joined = False  # over a conjunction to another size

    def extend(self) -> None:
        """Read on until a word does not belong."""
        while self.i >= self.tags.first and self._step():
            pass
        self.phrase.first = self.committed

    def _step(self) -> bool:
        """Take the next word in; False where the phrase ends."""
        tags, phrase, i = self.tags, self.phrase, self.i
        word, mention, role, cue = tags.at(i)
        if mention is not None:
            return self._mention(mention)
        if (
            cue is not None
            and cue.means.cue == "landmark"
            and not (role == "of" and "definite" in phrase.words and _partitive(tags, i - 1))
        ):
            return False
        if cue is not None and cue.means.cue == "history":
            phrase.prior = True
            self._commit(cue.first)
        elif role in ("adjective", "adverb"):
            self.i -= 1
        elif role == "conjunction" or word in (",", "&"):
            return self._conjunction()
        elif (
            word == ")"
            and (i - 2 > tags.first or tags.listed)
            and tags.words.words[i - 2] == "("
            and _partitive(tags, i - 1)
        ):
            take_count(tags, phrase, tags.item[i - 1], left=True)  # "(2) AVP II 10 mm"
            self.committed, self.i = i - 2, i - 3
        elif word == ":" and _ordinal(tags, i - 1):
            phrase.ordinal = tags.item[i - 1].means.ordinal  # "Second: AVP II, 8 mm"
            self.committed = i - 1
            return False
        elif role == "of" and _partitive(tags, i - 1):
            phrase.words.add("definite")
            self.i -= 1
        elif role is None and cue is None and word.isalpha() and self._may_pass():
            self.unknown += 1
            self.i -= 1
        else:
            return False
        return True

    def _commit(self, first: int) -> None:
        self.committed, self.unknown, self.i = first, 0, first - 1

    def _may_pass(self) -> bool:
        if self.phrase.number is not None:
            return False  # "in the sack two coils": what stands before a number is another noun
        return self.unknown < (1 if self.phrase.product else _MOST_UNKNOWN)

    def _mention(self, mention: Mention) -> bool:
        if mention.kind == "count":
            word = mention.means.word
            if word in ("last", "only") and self.tags.role.get(mention.first) == "adverb":
                self.i = mention.first - 1  # "at last ADO II"
                return True
            if not self._count(mention):
                return False
            opens = word in ("article", "definite", "possessive", "another") or (
                self.tags.words.words[mention.first] in ("a", "an")  # "over this a further plug was set"
            )
            article = word == "article"
            if opens and not _opens_before(self.tags, mention.first - 1, article=article):
                self.committed = mention.first
                return False
        elif not self._belongs(mention):
            return False
        self._commit(mention.first)
        return True

    def _count(self, mention: Mention) -> bool:
        """Take in a count; False where it belongs to something else."""
        tags, phrase, means = self.tags, self.phrase, mention.means
        if mention.value is not None and means.word is None and _column_gap(tags, mention.last):
            return False  # the number of a table row
        if (
            means.word == "times"
            and phrase.sizes
            and mention.value
            and not means.number
            and _starts_phrase_before(tags, mention)
        ):
            return False  # "10/5 x2 AVP III": belongs to what stands before
        number = means.number or mention.value
        if (
            self.joined
            and phrase.number is not None
            and number
            and means.word is None
            and number <= LARGEST_COUNT
        ):
            phrase.number += number  # "one 12 mm and two 10 mm plugs"
            return True
        return take_count(tags, phrase, mention, left=True)

    def _belongs(self, mention: Mention) -> bool:
        """Whether a size, a place, a product or a participle is part of the phrase."""
        phrase = self.phrase
        match mention.kind:
            case "size" if mention.means.form == "device":
                if _behind_product(self.tags, mention):
                    return False
                phrase.sizes.insert(0, self.tags.text(mention))
            case "size" if mention.means.form == "devices":
                take_sizes(self.tags, phrase, mention)
            case "size" if mention.means.form == "date":
                phrase.prior = True  # "the 2019 plug"
            case "size":
                return mention.means.form in ("clock", "label")
            case "valve":
                phrase.valve = phrase.valve or mention.means.valve
            case "leak":
                return mention.last == phrase.head_first
            case "device":
                if not mention.means.product or mention.last != self.committed or phrase.product:
                    return False
                phrase.product = mention.means.product
            case "action" if _is_modifier(self.tags, mention):
                phrase.inner = mention
            case _:
                return False
        return True

    def _conjunction(self) -> bool:
        """As in "a 12 mm and a 10 mm AVP II", "8 and 10 mm plugs"."""
        i = self.i
        if _between_numbers(self.tags, i, self.phrase):
            self.committed = i - 1  # "two or three plugs"
            return False
        if _contrasted(self.tags, i):
            stated = self.tags.item[i - 4]  # "three, not two, plugs"
            self.phrase.number = stated.means.number or stated.value
            self.committed, self.i = i - 4, i - 5
            return True
        if not _coordinates(self.tags, i, self.phrase):
            return False
        self.joined = True
        self.i -= 1
        return True


def _behind_product(tags: Tags, size: Mention) -> bool:
    """As in "AVP III 8x4 - AVP III 10x3": a list that gives each size behind its product."""
    before = tags.item.get(size.first - 1) if size.first > tags.first else None
    if before is None or before.kind != "device" or not before.means.product:
        return False
    own = tags.item.get(before.first - 1) if before.first > tags.first else None
    return own is None or own.kind != "size"


def _column_gap(tags: Tags, i: int) -> bool:
    """Whether two blanks, a tab or a bar stand before word ``i``: a table column ends there."""
    return i < len(tags.words.words) and (
        tags.words.words[i] == "|" or tags.words.starts[i] - tags.words.ends[i - 1] >= 2
    )


def _between_numbers(tags: Tags, i: int, phrase: DevicePhrase) -> bool:
    """As in "Two or three plugs": the note leaves the number open."""
    before = tags.item.get(i - 1) if i - 1 >= tags.first else None
    number = (
        before is not None
        and before.kind == "count"
        and (before.means.number or before.value)
        and before.means.word is None
    )
    if tags.words.words[i] == "or" and phrase.number is not None and number:
        phrase.number = None
        phrase.plural = True
        phrase.words.add("several")
        return True
    return False


def _contrasted(tags: Tags, i: int) -> bool:
    """Whether words before a comma read "three, not two"."""
    if (
        i - 4 < tags.first
        or tags.words.words[i] != ","
        or tags.words.words[i - 2] != "not"
        or tags.words.words[i - 3] != ","
    ):
        return False
    stated, denied = tags.item.get(i - 4), tags.item.get(i - 1)
    return stated is not None and denied is not None and stated.kind == denied.kind == "count"


def _starts_phrase_before(tags: Tags, mention: Mention) -> bool:
    before = tags.item.get(mention.first - 1) if mention.first > tags.first else None
    return before is not None and before.kind == "device"


def _opens_before(tags: Tags, i: int, *, article: bool = False) -> bool:
    """Whether a phrase goes on to the left of its article: "both the", "one of the", "a 12 mm and a"."""
    if i < tags.first:
        return False
    mention = tags.item.get(i)
    if mention is not None:
        words = ("both",) if article else ("both", "all", "each", "only", "none")
        return mention.kind == "count" and mention.means.word in words  # not "on each an 8 mm plug"
    return tags.role.get(i) in ("of", "conjunction") or tags.words.words[i] == ","


def _coordinates(tags: Tags, i: int, phrase: DevicePhrase) -> bool:
    """Whether the conjunction at ``i`` joins two sizes of one phrase."""
    if not phrase.sizes or i - 1 < tags.first:
        return False
    if tags.words.words[i] == "," and tags.role.get(i - 1) == "conjunction":
        return False
    before = tags.item.get(i - 1)
    if tags.role.get(i) == "conjunction" and before is None and tags.words.words[i - 1] == ",":
        before = tags.item.get(i - 2)
    if before is None:
        return False
    ahead = tags.item.get(before.first - 1) if before.first > tags.first else None
    if (
        ahead is not None
        and ahead.kind == "count"
        and ahead.means.word == "definite"
        and "article" in phrase.words
    ):
        return False  # "beside the 12, and an 8 mm plug": two different things
    return (before.kind == "size" and before.means.form == "device") or (
        before.kind == "count" and before.value is not None and 3 <= before.value <= LARGEST_SIZE
    )


def _ordinal(tags: Tags, i: int) -> bool:
    mention = tags.item.get(i) if i >= tags.first else None
    return mention is not None and mention.kind == "count" and mention.means.ordinal is not None


def _partitive(tags: Tags, i: int) -> bool:
    mention = tags.item.get(i) if i >= tags.first else None
    return (
        mention is not None
        and mention.kind == "count"
        and (
            mention.means.number is not None
            or mention.value is not None
            or mention.means.word in ("each", "none", "all", "both", "only")
        )
    )


def _is_modifier(tags: Tags, action: Mention) -> bool:
    """Whether an action word stands inside a phrase: "the deployed plug"."""
    if action.means.form == "noun" or action.last - action.first > 1:
        return False
    word = tags.words.words[action.first]
    if not word.endswith(("ed", "en", "wn", "st")):
        return False
    i = action.first - 1
    while i >= tags.first and tags.role.get(i) == "adverb" and i not in tags.item:
        i -= 1
    if i < tags.first:
        return False
    cue = tags.cue.get(i)
    if cue is not None and cue.means.cue == "history":
        return True
    before = tags.item.get(i)
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


# -- to the right -----------------------------------------------------------------


class _Rightward:
    """Takes in the sizes, counts and labels behind a noun."""

    def __init__(self, tags: Tags, phrase: DevicePhrase) -> None:
        self.tags = tags
        self.phrase = phrase
        self.i = phrase.last  # the next word to look at
        self.opened = False  # inside a bracket
        self.sized = bool(phrase.sizes)  # before its noun: a size behind is another's

    def extend(self) -> None:
        """Read on until a word does not belong."""
        phrase = self.phrase
        several = phrase.plural and not phrase.product and phrase.number is None
        if several and _labels(self.tags, phrase, phrase.last):
            return
        while self.i < self.tags.last and self._step():
            pass

    def _step(self) -> bool:
        """Take the next word in; False where the phrase ends."""
        word, mention, role, _ = self.tags.at(self.i)
        if mention is not None and (self._size(mention) or self._count(mention)):
            return self._commit(mention)
        if _letter(self.tags, self.phrase, self.i):
            self.phrase.label = LETTER_LABELS + ord(word) - ord("a") + 1
            self.i += 1
            self.phrase.last = self.i
            return True
        if mention is not None:
            return self._noun(mention) and self._commit(mention)
        if word in _OPENING and (self.phrase.number or 1) > 1 and _list_in_brackets(self.tags, self.i):
            return False
        if word in _OPENING:
            self.opened = True
        elif word in _CLOSING:
            self.opened = False
        elif not (
            word in _BETWEEN
            or role in ("of", "adjective")
            or self._with_size(role)
            or (role == "conjunction" and self.phrase.sizes and not self.sized)
        ):
            return False
        if self.i - self.phrase.last > _FURTHEST:
            return False
        self.i += 1
        return True

    def _with_size(self, role: str | None) -> bool:
        """As in "a Plug 4 with 7 mm: opened", not "with 7 mm of overlap": the size right behind a product."""
        size = self.tags.item.get(self.i + 1)
        if role != "with" or self.i != self.phrase.last or size is None or size.kind != "size":
            return False
        behind = self.tags.words.words[size.last] if size.last < self.tags.last else "."
        adverb = self.tags.role.get(size.last) in ("adverb", "be")
        return bool(self.phrase.product) and not self.sized and (not behind.isalpha() or adverb)

    def _commit(self, mention: Mention) -> bool:
        self.i = mention.last
        closed = self.opened and self.tags.words.words[self.i : self.i + 1] == [")"]
        self.phrase.last = self.i + 1 if closed else self.i
        return True

    def _size(self, mention: Mention) -> bool:
        if mention.kind != "size":
            return False
        form = mention.means.form
        if form == "devices" and not self.sized:
            take_sizes(self.tags, self.phrase, mention)
            return True
        if form == "device":
            if (self.sized and not self.opened) or (
                _belongs_to_next(self.tags, mention.last) and not self._own_noun(mention.last)
            ):
                return False
            if not self.sized:
                self.phrase.sizes.append(self.tags.text(mention))
            return True
        if form == "date" and self.tags.words.words[mention.first] in ("of", "from"):
            self.phrase.prior = True  # "the two plugs of 2018"
            return True
        return bool(form == "label")

    def _own_noun(self, i: int) -> bool:
        """As in "two AVP II 8 mm plugs": the noun behind the size says again what the product is."""
        mention = self.tags.item.get(i)
        adjacent = self.i == self.phrase.last and bool(self.phrase.product)
        return adjacent and mention is not None and mention.kind == "device" and not mention.means.product

    def _count(self, mention: Mention) -> bool:
        """A multiplier, a number in brackets, a size without its unit, or a label."""
        if mention.kind != "count":
            return False
        tags, phrase, means = self.tags, self.phrase, mention.means
        if means.word in ("times", "numbered"):
            if means.word == "times" and _starts_next(tags, mention.last):
                return False
            take_count(tags, phrase, mention, left=False)
            return True
        if (
            means.word == "both"
            and mention.first == phrase.last
            and phrase.sizes
            and _ends_clause(tags, mention)
        ):
            phrase.number = 2  # "two more, AVP II 6 mm both"
            return True
        asked = tags.words.words[mention.first - 1] in (":", "=") and _ends_clause(tags, mention)
        if means.word == "none" and asked:
            phrase.words.add("none")  # "Device 2: none"
            return True
        return self._in_brackets(mention) or self._unitless(mention) or self._label(mention)

    def _in_brackets(self, mention: Mention) -> bool:
        """As in "AVP II 12 mm (2)": how many; "the plug (2)": which one."""
        tags, phrase = self.tags, self.phrase
        number = mention.means.number or mention.value
        alone = tags.words.words[mention.first - 1] in _OPENING
        closed = tags.words.words[mention.last : mention.last + 1] == [")"]
        if not (self.opened and alone and number and closed):
            return False
        single = "article" in phrase.words and not phrase.plural  # "an 8 mm AVP II (2)"
        if phrase.number is None and not single and (phrase.plural or phrase.product or phrase.sizes):
            phrase.number = number
        elif phrase.number is None:
            phrase.label = number
        return True

    def _unitless(self, mention: Mention) -> bool:
        """As in "AVP II 8", "MFO 8-6": a size, or its second half, without its unit."""
        tags, phrase, value = self.tags, self.phrase, mention.value
        if value is None:
            return False
        adjacent = self.i == phrase.last
        if (
            3 <= value <= LARGEST_SIZE
            and phrase.product
            and not phrase.sizes
            and not self.sized
            and (adjacent or tags.role.get(self.i - 1) == "adjective")
        ):
            phrase.sizes.append(f"{value} mm")
            return True
        before = tags.words.words[self.i - 1]
        if adjacent and phrase.sizes == [f"{before} mm"] and mention.start == tags.words.ends[self.i - 1] + 1:
            phrase.sizes = [f"{before} / {value}"]
            return True
        return False

    def _label(self, mention: Mention) -> bool:
        """As in "plug 2": a number right behind a noun that is no product."""
        phrase, means = self.phrase, mention.means
        if (
            not (means.number or mention.value)
            or means.word is not None
            or self.opened
            or phrase.label is not None
            or phrase.head is None
            or phrase.product
            or phrase.plural
            or self.i != phrase.head.last
        ):
            return False
        if (mention.value or 0) > LARGEST_COUNT:
            phrase.sizes.append(f"{mention.value} mm")  # "plug 10 released"
            return True
        phrase.label = mention.value or means.number
        return True

    def _noun(self, mention: Mention) -> bool:
        """A product in brackets, or a noun that repeats the product: "AVP II plugs"."""
        phrase = self.phrase
        if mention.kind != "device":
            return False
        if mention.means.product and not phrase.product and self.opened:
            phrase.product = mention.means.product
            return True
        if not mention.means.product and phrase.product and mention.first == phrase.last:
            phrase.plural = phrase.plural or mention.plural
            return True
        return False


def _ends_clause(tags: Tags, mention: Mention) -> bool:
    return mention.last >= tags.last or tags.words.words[mention.last] in (",", ".", ";", ")")


def _list_in_brackets(tags: Tags, i: int) -> bool:
    """As in "two devices (AVP III 10 x 3, AVP 4 8 mm)": the bracket names each of them."""
    named = 0
    for k in range(i + 1, tags.last):
        if tags.words.words[k] in _CLOSING:
            break
        mention = tags.item.get(k)
        named += mention is not None and mention.first == k and mention.kind == "device"
    return named > 1


def _labels(tags: Tags, phrase: DevicePhrase, i: int) -> int:
    """As in "Plugs 1 and 2": how many numbers follow a plural noun."""
    n = 0
    while i < tags.last:
        mention = tags.item.get(i)
        if (
            mention is not None
            and mention.kind == "count"
            and (mention.value is not None or mention.means.number)
            and mention.means.word is None
        ):
            n += 1
        elif not (n and (tags.role.get(i) == "conjunction" or tags.words.words[i] == ",")):
            break
        i += 1
    while n and (tags.role.get(i - 1) == "conjunction" or tags.words.words[i - 1] == ","):
        i -= 1
    if n < 2:
        return 0
    phrase.number = n
    phrase.words.add("definite")
    phrase.last = i
    return n


def _letter(tags: Tags, phrase: DevicePhrase, i: int) -> bool:
    """As in "Plug A": a letter right behind the noun, at the end of the phrase."""
    word = tags.words.words[i]
    if (
        len(word) != 1
        or word not in "abcde"
        or phrase.label is not None
        or phrase.head is None
        or i != phrase.head.last
        or phrase.plural
    ):
        return False
    if i + 1 >= tags.last:
        return True
    after = tags.item.get(i + 1)
    told = after is not None and after.kind in ("action", "device", "size", "count")
    if tags.words.starts[i + 1] - tags.words.ends[i] >= len(" - "):
        return True  # "Plug D - there was still a jet"
    return tags.words.words[i + 1] in ",:.;()=" or tags.role.get(i + 1) in ("be", "conjunction") or told


def _starts_next(tags: Tags, i: int) -> bool:
    mention = tags.item.get(i) if i < tags.last else None
    return mention is not None and (
        mention.kind == "device" or (mention.kind == "size" and mention.means.form == "device")
    )


def _belongs_to_next(tags: Tags, i: int) -> bool:
    """Whether a size ending at ``i`` is followed by a device noun of its own."""
    for k in range(i, min(tags.last, i + 3)):
        mention = tags.item.get(k)
        if mention is not None:
            return mention.kind in ("device", "leak", "other_device", "target")
        if tags.role.get(k) != "adjective":
            return False
    return False
