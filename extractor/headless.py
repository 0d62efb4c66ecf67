"""Headless: device phrases without a noun.

In: the tagged words of a sentence and which of them phrases with a noun cover.
Out: runs of counts and sizes ("a 10 mm", "two more", "the second", "it") that
stand alone: no other noun follows that they could belong to.
"""

from __future__ import annotations

from dataclasses import dataclass

from extractor.mentions import Mention
from extractor.phrases import LARGEST_COUNT, DevicePhrase, Tags, determine, size_key

_LEAST_RANGE = 3  # mm: a smaller number before a size counts
_PAIR = 6  # words between "one" and "the other"
_ENDS = ("remain", "release", "withdraw", "unused", "waste")  # what ends the telling of a device
_PARTS = frozenset({"other", "former", "latter", "remaining", "last"})


def headless_phrases(tags: Tags, used: set[int]) -> list[DevicePhrase]:
    """The phrases without a noun, in text order."""
    out: list[DevicePhrase] = []
    i = tags.first
    while i < tags.last:
        mention = tags.item.get(i)
        if mention is None or i in used or not _may_stand_alone(mention) or _of_other(tags, i):
            i += 1
            continue
        phrase = _run(tags, i, used)
        end = _of_them(tags, phrase.last)
        if end is not None and (phrase.number is not None or phrase.ordinal or phrase.words & _PARTS):
            phrase.words |= {"definite", "part"} if phrase.number is not None else {"definite"}
            phrase.last = end
            alone = True
        else:
            alone = _stands_alone(tags, phrase)
        if alone:
            if _demonstrative(phrase):
                phrase.words = {"pronoun"}
            phrase.words.discard("alone")
            determine(phrase)
            out.append(phrase)
        i = phrase.last
    return out


def _run(tags: Tags, first: int, used: set[int]) -> DevicePhrase:
    """The run of counts, sizes and adjectives from a word on, as a phrase."""
    phrase = DevicePhrase(first, first, None)
    k = first
    while k < tags.last and k not in used:
        mention = tags.item.get(k)
        if mention is None and tags.role.get(k) == "adjective":
            k += 1
        elif mention is not None and mention.kind == "size" and mention.means.form == "device":
            if _range(tags, k, mention):
                return DevicePhrase(first, mention.last, None, words={"range"})  # "6-7 mm"
            phrase.sizes.append(tags.text(mention))
            k = mention.last
        elif mention is None or mention.kind != "count":
            break
        elif mention.means.word == "pronoun":
            if k == first:
                phrase.words.add("pronoun")
                phrase.plural = mention.plural
                k = mention.last
            break
        elif _second_half(tags, phrase, mention):
            phrase.sizes.append(f"{phrase.number} / {mention.value}")  # "ADO2 6-4 was placed"
            phrase.number = None
            k = mention.last
        else:
            _count(phrase, mention)
            if mention.means.alone:
                phrase.words.add("alone")
                phrase.plural |= mention.plural
            k = mention.last
    phrase.last = max(k, first + 1)
    return phrase


def _second_half(tags: Tags, phrase: DevicePhrase, mention: Mention) -> bool:
    """As in "6-4": a number right behind another one."""
    beside = mention.start == tags.words.ends[mention.first - 1] + 1
    number = phrase.number or 0
    return beside and mention.value is not None and number >= _LEAST_RANGE and not phrase.words


def _demonstrative(phrase: DevicePhrase) -> bool:
    """As in "This was released", "these were let go"."""
    bare = phrase.words == {"definite", "alone"} and phrase.number is None and phrase.ordinal is None
    return bare and not phrase.sizes


def _count(phrase: DevicePhrase, mention: Mention) -> None:
    """Take a count into a run: a label, an ordinal, a word, a size without its unit, or a number."""
    means = mention.means
    number = means.number if means.number is not None else mention.value
    if means.word == "numbered":
        phrase.label = means.ordinal or mention.value
    elif means.ordinal is not None:
        phrase.ordinal = means.ordinal
    elif means.word is not None:
        phrase.words.add(means.word)
        if number is not None:
            phrase.number = number
    elif number is not None and (
        ("article" in phrase.words and number >= 3)
        or (phrase.words & {"definite", "another", "same"} and number > LARGEST_COUNT)
    ):
        phrase.sizes.append(f"{number} mm")  # "the twelve was released"
    else:
        phrase.number = number


def _compares(tags: Tags, i: int) -> bool:
    """As in "rather more than usual": a comparison, and nothing more."""
    mention = tags.item[i]
    following = tags.words.words[i + 1 : i + 2]
    return mention.kind == "count" and mention.means.word == "more" and following == ["than"]


def _of_other(tags: Tags, i: int) -> bool:
    """As in "tried once more", "rather more than usual", "over wire no. 2 a 12 mm": no count of devices."""
    again = i in tags.cue and tags.cue[i].means.cue == "again"
    return again or _compares(tags, i) or _labels(tags, i) or _of_both(tags, i)


def _of_both(tags: Tags, i: int) -> bool:
    """As in "Both 2 and 3 were released": the numbers say which two."""
    if tags.item[i].kind != "count" or tags.item[i].value is None:
        return False
    for both in (i - 1, i - 3):
        mention = tags.item.get(both) if both >= tags.first else None
        if mention is not None and mention.kind == "count" and mention.means.word == "both":
            return both == i - 1 or tags.role.get(i - 1) == "conjunction"
    return False


def _labels(tags: Tags, i: int) -> bool:
    """As in "wire no. 2": the number tells which of them."""
    mention = tags.item[i]
    before = tags.item.get(mention.first - 1) if mention.first > tags.first else None
    numbered = mention.kind == "count" and mention.means.word == "numbered"
    return numbered and before is not None and before.kind == "other_device"


def _of_the_same(tags: Tags, i: int) -> bool:
    """As in "a 12 x 5 of the same family": of what has been told."""
    after = tags.item.get(i + 1) if i + 1 < tags.last else None
    return (
        tags.role.get(i) == "of"
        and after is not None
        and after.kind == "count"
        and after.means.word == "same"
    )


def _of_size(tags: Tags, i: int) -> bool:
    """As in "one more of 8 mm"."""
    after = tags.item.get(i + 1) if i + 1 < tags.last else None
    return (
        tags.role.get(i) == "of"
        and after is not None
        and after.kind == "size"
        and after.means.form == "device"
    )


def _may_stand_alone(mention: Mention) -> bool:
    return (mention.kind == "count" and mention.means.word not in ("times", "none", "none_more")) or (
        mention.kind == "size" and mention.means.form == "device"
    )


def _range(tags: Tags, k: int, size: Mention) -> bool:
    """As in "6-7 mm": a number right before a larger size of one dimension."""
    before = tags.item.get(k - 1) if k > tags.first else None
    key = size_key(tags.text(size))
    return (
        before is not None
        and before.kind == "count"
        and before.value is not None
        and before.value >= _LEAST_RANGE
        and len(key) == 1
        and float(key[0]) > before.value
        and size.start == tags.words.ends[k - 1] + 1
    )


def _of_other_noun(tags: Tags, phrase: DevicePhrase) -> bool:
    """As in "a wire was left, and a second was placed": the noun understood is the one before."""
    if phrase.sizes or phrase.pronoun or phrase.label is not None:
        return False
    nouns = [
        tags.item[k] for k in range(tags.first, phrase.first)
        if k in tags.item and tags.item[k].kind in ("device", "other_device", "leak", "target")
    ]  # fmt: skip
    return (
        bool(nouns)
        and not any(noun.kind == "device" for noun in nouns)
        and nouns[-1].kind == "other_device"
        and nouns[-1].means.role != "part"
    )


def _parallel(tags: Tags, phrase: DevicePhrase) -> bool:
    """As in "a 10 through the first sheath and an 8 through the second": of the same noun."""
    before = phrase.first - 1
    if phrase.sizes or phrase.pronoun or phrase.label is not None or tags.role.get(before) != "preposition":
        return False
    for k in range(tags.first, before):
        if tags.role.get(k) == "preposition" and tags.words.words[k] == tags.words.words[before]:
            behind = (tags.item[i] for i in range(k + 1, before) if i in tags.item)
            noun = next((m for m in behind if m.kind not in ("count", "size")), None)
            if noun is not None and noun.kind == "other_device":
                return True
    return False


def _tells(tags: Tags, i: int) -> bool:
    """Whether a form of "be", or what happens to a device, stands at a word."""
    mention = tags.item.get(i)
    return tags.role.get(i) == "be" or (
        mention is not None
        and mention.kind == "action"
        and mention.means.form == "verb"
        and mention.means.event != "check"
    )


def _one_of_a_pair(tags: Tags, phrase: DevicePhrase) -> bool:
    """As in "one just above the other": how two things stand that were named before."""
    if phrase.number != 1 or phrase.sizes or phrase.words - {"only"}:
        return False
    ahead = range(phrase.last, min(tags.last, phrase.last + _PAIR))
    return any(
        tags.item[k].kind == "count" and tags.item[k].means.word == "other"
        and not any(tags.item[j].kind == "action" for j in range(phrase.last, k) if j in tags.item)
        for k in ahead if k in tags.item
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Behind:
    """What stands right behind a run of counts and sizes."""

    i: int
    word: str
    mention: Mention | None
    role: str | None
    verb: bool  # what happens to a device
    noun: bool  # a noun that the run may belong to

    @property
    def action(self) -> bool:
        """Whether an action word follows."""
        return self.mention is not None and self.mention.kind == "action"


def _behind(tags: Tags, i: int) -> _Behind:
    """What stands at word ``i``, behind a run."""
    while i + 1 < tags.last and i in tags.cue and tags.cue[i].means.cue == "minor":
        i += 1  # "a third tiny jet"
    word, mention, role, cue = tags.at(i) if i < tags.last else ("", None, None, None)
    verb = role in ("be", "modal", "verb") or (
        mention is not None
        and mention.kind == "action"
        and (
            (mention.means.event in _ENDS and mention.means.form == "verb")
            or word.endswith(("ed", "wn", "en", "were", "was", "put", "left"))
        )
    )
    if role in ("adverb", "clause") and i + 1 < tags.last and _tells(tags, i + 1):
        verb = True  # "both then released"
    unknown = role is None and cue is None and mention is None and word.isalnum()
    noun = (
        (unknown and not tags.verb_at(i))
        or (mention is not None and mention.kind != "action")
        or (role == "of" and not _of_the_same(tags, i) and not _of_size(tags, i))
    )
    return _Behind(i, word, mention, role, verb, noun)


def _stands_alone(tags: Tags, phrase: DevicePhrase) -> bool:
    """Whether a run of counts and sizes is a device phrase without a noun."""
    if (
        "range" in phrase.words
        or _of_other_noun(tags, phrase)
        or _parallel(tags, phrase)
        or _one_of_a_pair(tags, phrase)
    ):
        return False
    if phrase.pronoun or (phrase.ordinal is not None and phrase.number == 1):
        return True  # "it", "the second one"
    behind = _behind(tags, phrase.last)
    if _again_a_device(tags, phrase, behind.i):
        return True
    if phrase.sizes:
        return _size_alone(tags, phrase, behind)
    if "both" in phrase.words and _both_of_other_things(tags, phrase, behind):
        return False
    if phrase.words & {"former", "latter"}:
        return behind.mention is None or behind.action
    if phrase.words & {"both", "remaining"} and "possessive" not in phrase.words:
        return not behind.noun
    if phrase.words & {"another", "more", "same", "other"} or phrase.ordinal or phrase.label is not None:
        return _one_of_several(tags, phrase, behind)
    if "nothing" in phrase.words:
        return behind.action or behind.role == "be"
    if phrase.number is not None:
        return _number_alone(tags, phrase, behind)
    if _demonstrative(phrase):
        ends = behind.role in ("conjunction", "clause") or behind.word in (",", ".", ";", "")
        return behind.role in ("be", "modal") or (ends and _object(tags, phrase))
    return bool(phrase.words & {"all", "each"}) and behind.verb


def _size_alone(tags: Tags, phrase: DevicePhrase, behind: _Behind) -> bool:
    """As in "a 10 mm was released", "changed to 12 mm"; not "a 3+ jet"."""
    verb = "definite" in phrase.words and behind.mention is None and behind.word.endswith("ed")
    if verb and all(size_key(size) in tags.sizes for size in phrase.sizes):
        return True  # "The 14 mm caused restriction": a verb that no rule knows
    if _of_the_same(tags, behind.i):
        return True  # "8 mm of the same make, opened alongside"
    if behind.noun or behind.word == "+" or _measures(tags, phrase):
        return False
    determined = bool(phrase.words & {"article", "definite", "another", "same"})
    if determined or phrase.ordinal is not None or phrase.number is not None or _known_size(tags, phrase):
        return True
    before = tags.role.get(phrase.first - 1) if phrase.first > tags.first else None
    to = tags.words.words[phrase.first - 1 : phrase.first] == ["to"]
    return _changes(tags, behind.i) and (before == "exchange" or to)


def _both_of_other_things(tags: Tags, phrase: DevicePhrase, behind: _Behind) -> bool:
    """As in "both a stable position and free leaflets", "leaflets moving 85 degrees both"."""
    if "article" in phrase.words or (phrase.words == {"both"} and _of_subject(tags, phrase)):
        return True
    return not behind.verb and tags.role.get(phrase.first - 1) not in ("preposition", "of", "with", "be")


def _of_subject(tags: Tags, phrase: DevicePhrase) -> bool:
    """As in "the hemidiscs both opened": said of the noun right before it."""
    i = phrase.first - 1
    if i < tags.first:
        return False
    word, mention, role, cue = tags.at(i)
    if mention is not None:
        return mention.kind in ("other_device", "target", "leak", "valve")
    if role == "subject" or (role == "be" and i > tags.first and tags.role.get(i - 1) == "subject"):
        return True  # "after the surgeon and I had both looked"
    return role is None and cue is None and word.isalpha() and word.endswith("s")


def _one_of_several(tags: Tags, phrase: DevicePhrase, behind: _Behind) -> bool:
    """As in "another was placed", "the second was released"; "second" before a comma is an adverb."""
    first = phrase.first
    if (
        phrase.ordinal is not None
        and not phrase.words
        and first > tags.first
        and tags.words.words[first - 1] not in (",", ";", ":", ".")
    ):
        return False  # "the AVP4 first opened": an adverb
    if phrase.ordinal is not None and _joined_ordinal(tags, behind):
        return False
    if phrase.number is not None and phrase.number > LARGEST_COUNT and phrase.words & {"another", "more"}:
        return False
    if behind.role == "conjunction" and tags.noun_at(behind.i + 1):
        return False  # "a bigger and stiffer choice"
    if behind.noun or behind.verb:
        return not behind.noun
    told_later = "article" in phrase.words and tags.verb_follows(behind.i)
    return bool(phrase.words & {"article", "definite", "more", "another"}) and (
        behind.word != "," or told_later
    )


def _joined_ordinal(tags: Tags, behind: _Behind) -> bool:
    """As in "the second and third leaks": the noun stands behind the last of the ordinals."""
    after = tags.item.get(behind.i + 1)
    return (
        behind.role == "conjunction"
        and after is not None
        and after.kind == "count"
        and after.means.ordinal is not None
        and tags.noun_at(after.last)
    )


def _number_alone(tags: Tags, phrase: DevicePhrase, behind: _Behind) -> bool:
    """As in "two were released", "released the six", "the twelve was released"."""
    if phrase.number is not None and phrase.number > LARGEST_COUNT:
        return behind.verb and bool(phrase.words & {"definite", "article"})
    checked = behind.mention is not None and behind.action and behind.mention.means.event == "check"
    if behind.noun or (checked and not _taken_out_later(tags, behind.i)) or _trails(tags, phrase):
        return False
    if "definite" in phrase.words and _object(tags, phrase):
        return True
    return behind.verb and (behind.mention is None or not behind.word.endswith("ing"))


def _taken_out_later(tags: Tags, i: int) -> bool:
    """As in "One impeded the leaflet and was brought home"."""
    return any(
        mention.kind == "action" and mention.means.event in ("withdraw", "exchange")
        for mention in (tags.item.get(k) for k in range(i, tags.last))
        if mention is not None
    )


def _of_them(tags: Tags, i: int) -> int | None:
    """Where "of them", "of these", "of the two" ends: a part of what is known; None where it is not said."""
    if i >= tags.last or tags.role.get(i) != "of" or _of_the_same(tags, i):
        return None  # "a second one of the same size" is no part of anything
    k = i + 1
    while k < tags.last:
        mention = tags.item.get(k)
        if mention is None or mention.kind != "count" or mention.means.word == "times":
            break
        k = mention.last
    bare = tags.words.words[i + 1 : k] in (["the"], ["a"], ["an"])
    if k == i + 1 or bare or tags.noun_at(k):
        return None
    return k


def _again_a_device(tags: Tags, phrase: DevicePhrase, i: int) -> bool:
    """As in "... and one at 9 o'clock", "... and another in the medial leak": a device noun understood."""
    counts = (phrase.number is not None and phrase.number <= 4) or "another" in phrase.words
    if not counts or phrase.sizes:
        return False
    joined = tags.role.get(phrase.first - 1) == "conjunction" or tags.words.words[
        phrase.first - 1 : phrase.first
    ] == [","]
    placed = i < tags.last and (
        tags.role.get(i) == "preposition" or (tags.item.get(i) is not None and tags.item[i].kind == "size")
    )
    nouns = [
        tags.item[k] for k in range(tags.first, phrase.first)
        if k in tags.item and tags.item[k].kind in ("device", "other_device", "leak", "target")
    ]  # fmt: skip
    known = any(noun.kind == "device" for noun in nouns)
    if nouns and ((nouns[-1].kind == "device" and nouns[-1].means.head == "weak") or _is_part(nouns[-1])):
        return False  # "one lobe on the ventricular side and two on the atrial"
    shared_out = any(
        tags.item[k].kind == "count" and tags.item[k].means.word == "each"
        for k in range(i, min(tags.last, i + 3))
        if k in tags.item
    )  # "two plugs, one in each leak"
    return joined and placed and known and not shared_out


def _is_part(noun: Mention) -> bool:
    return noun.kind == "other_device" and bool(noun.means.role == "part")


def _object(tags: Tags, phrase: DevicePhrase) -> bool:
    """Whether a verb of what happens to devices stands right before a phrase."""
    before = tags.item.get(phrase.first - 1) if phrase.first > tags.first else None
    return before is not None and before.kind == "action" and before.means.event not in ("check", "close")


def _trails(tags: Tags, phrase: DevicePhrase) -> bool:
    """Whether a bare number ends another noun: "wire 2 was put"."""
    i = phrase.first - 1
    if i < tags.first or phrase.words:
        return False
    mention = tags.item.get(i)
    if mention is not None:
        return mention.kind in ("other_device", "target", "leak", "valve")
    return tags.role.get(i) is None and i not in tags.cue and tags.words.words[i].isalpha()


def _known_size(tags: Tags, phrase: DevicePhrase) -> bool:
    """As in "8 x 4 along the ring, released": a device of the note by its size, where a statement opens."""
    if not all(size_key(size) in tags.sizes for size in phrase.sizes):
        return False
    elsewhere = any(
        tags.item[k].kind in ("leak", "target") for k in range(tags.first, tags.last) if k in tags.item
    )
    if elsewhere:
        return False  # it may be the size of that
    i = phrase.first - 1
    if i < tags.first:
        return True
    word, mention, role, _ = tags.at(i)
    acted = mention is not None and mention.kind == "action" and mention.means.event != "check"
    oblong = len(size_key(phrase.sizes[0])) > 1  # a comma and one number may say how large or how far
    if role == "conjunction":
        return oblong and any(tags.item[k].kind == "device" for k in range(tags.first, i) if k in tags.item)
    return acted or role == "clause" or (not word.isalnum() and (word != "," or oblong))


def _measures(tags: Tags, phrase: DevicePhrase) -> bool:
    """As in "it cleared the left main by a good 9 mm": a distance, where nothing was put in by it."""
    i = phrase.first - 1
    if i < tags.first or tags.role.get(i) != "with":
        return False
    acts = [tags.item[k] for k in range(tags.first, i) if k in tags.item and tags.item[k].kind == "action"]
    return not acts or acts[-1].means.event == "check"


def _changes(tags: Tags, end: int) -> bool:
    """Whether a device is exchanged before a word."""
    return any(
        tags.item[i].kind == "action" and tags.item[i].means.event == "exchange"
        for i in range(tags.first, end)
        if i in tags.item
    )
