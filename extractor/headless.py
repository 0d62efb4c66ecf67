"""Headless: device phrases without a noun.

In: the tagged words of a sentence and which of them phrases with a noun cover.
Out: runs of counts and sizes ("a 10 mm", "two more", "the second", "it") that
stand alone: no other noun follows that they could belong to.
"""

from __future__ import annotations

from extractor.mentions import Mention
from extractor.phrases import LARGEST_COUNT, DevicePhrase, Tags, determine


def headless_phrases(tags: Tags, used: set[int]) -> list[DevicePhrase]:
    """The phrases without a noun, in text order."""
    out: list[DevicePhrase] = []
    i = tags.first
    while i < tags.last:
        mention = tags.item.get(i)
        if i in used or mention is None or not _may_stand_alone(mention):
            i += 1
            continue
        phrase = _run(tags, i, used)
        if phrase.number is not None and _of_them(tags, phrase.last):
            phrase.words |= {"definite", "part"}
            phrase.last += 2
            alone = True
        else:
            alone = _stands_alone(tags, phrase)
        if alone:
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
        else:
            _count(phrase, mention)
            k = mention.last
    phrase.last = max(k, first + 1)
    return phrase


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
        ("article" in phrase.words and number >= 3) or ("definite" in phrase.words and number > LARGEST_COUNT)
    ):
        phrase.sizes.append(f"{number} mm")  # "the twelve was released"
    else:
        phrase.number = number


def _may_stand_alone(mention: Mention) -> bool:
    return (mention.kind == "count" and mention.means.word not in ("times", "none", "none_more")) or (
        mention.kind == "size" and mention.means.form == "device"
    )


def _stands_alone(tags: Tags, phrase: DevicePhrase) -> bool:
    """Whether a run of counts and sizes is a device phrase without a noun."""
    i = phrase.last
    word, mention, role, cue = tags.at(i) if i < tags.last else ("", None, None, None)
    verb = role in ("be", "modal") or (
        mention is not None
        and mention.kind == "action"
        and (
            mention.means.event == "remain" or word.endswith(("ed", "wn", "en", "were", "was", "put", "left"))
        )
    )
    if role == "adverb" and i + 1 < tags.last and tags.role.get(i + 1) == "be":
        verb = True
    if phrase.pronoun:
        return True
    if phrase.ordinal is not None and phrase.number == 1:
        return True  # "the second one"
    if _again_a_device(tags, phrase, i):
        return True
    noun_follows = (
        (i < tags.last and role is None and cue is None and mention is None and word.isalnum())
        or (mention is not None and mention.kind not in ("action",))
        or (role == "of")
    )
    if phrase.sizes and _measures(tags, phrase):
        return False
    if phrase.sizes:
        before = tags.role.get(phrase.first - 1) if phrase.first > tags.first else None
        determined = (
            bool(phrase.words & {"article", "definite", "another", "same"}) or phrase.ordinal is not None
        )
        return not noun_follows and (
            determined
            or (
                _changes(tags, i)
                and (before == "exchange" or tags.words.words[phrase.first - 1 : phrase.first] == ["to"])
            )
        )
    if (
        "both" in phrase.words
        and not verb
        and tags.role.get(phrase.first - 1) not in ("preposition", "of", "with", "be")
    ):
        return False  # "leaflets moving 85 degrees both"
    if phrase.words & {"former", "latter"}:
        return mention is None or mention.kind == "action"
    if phrase.words & {"both", "remaining"} and not phrase.words & {"possessive"}:
        return not noun_follows
    if (
        phrase.ordinal is not None
        and not phrase.words
        and phrase.first > tags.first
        and tags.words.words[phrase.first - 1] not in (",", ";", ":", ".")
    ):
        return False  # "the AVP4 first opened": an adverb
    if phrase.number is not None and phrase.number > LARGEST_COUNT and phrase.words & {"another", "more"}:
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
                and (word != "," or ("article" in phrase.words and tags.verb_follows(i)))
            )
        )
    if phrase.number is not None and phrase.number <= LARGEST_COUNT:
        if _trails(tags, phrase) or (
            mention is not None and mention.kind == "action" and mention.means.event == "check"
        ):
            return False
        return verb and not noun_follows and (mention is None or not tags.words.words[i].endswith("ing"))
    if phrase.number is not None:  # "the twelve was released"
        return verb and bool(phrase.words & {"definite", "article"})
    return bool(phrase.words & {"all", "each"}) and verb


def _of_them(tags: Tags, i: int) -> bool:
    """As in "One of them", "two of these": a part of what is known."""
    after = tags.item.get(i + 1) if i + 1 < tags.last else None
    return (
        tags.role.get(i) == "of"
        and after is not None
        and after.kind == "count"
        and tags.words.words[i + 1] in ("them", "these", "those", "it")
    )


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
    known = any(tags.item[k].kind == "device" for k in range(tags.first, phrase.first) if k in tags.item)
    return joined and placed and known


def _trails(tags: Tags, phrase: DevicePhrase) -> bool:
    """Whether a bare number ends another noun: "wire 2 was put"."""
    i = phrase.first - 1
    if i < tags.first or phrase.words:
        return False
    mention = tags.item.get(i)
    if mention is not None:
        return mention.kind in ("other_device", "target", "leak", "valve")
    return tags.role.get(i) is None and i not in tags.cue and tags.words.words[i].isalpha()


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
