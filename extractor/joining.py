"""Joining: neighbouring phrases that denote the same devices become one.

In: the device phrases of a sentence, in text order. Out: fewer of them.
"""

from __future__ import annotations

from extractor.phrases import DevicePhrase, Tags, size_key


def merge(phrases: list[DevicePhrase]) -> list[DevicePhrase]:
    """As in "Amplatzer device, plug": a phrase that overlaps its neighbour is part of it."""
    kept: list[DevicePhrase] = []
    for phrase in sorted(phrases, key=lambda p: p.first):
        if kept and kept[-1].first < phrase.first < kept[-1].last and _two_articles(kept[-1], phrase):
            phrase.first, phrase.number = kept[-1].last, None  # "AVP II 10 mm (1) AVP II 8 mm (1)"
            kept.append(phrase)
            continue
        beside = bool(kept) and phrase.first == kept[-1].last and not (phrase.sizes or phrase.words)
        if kept and (phrase.first < kept[-1].last or (beside and kept[-1].product is not None)):
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


def _two_articles(one: DevicePhrase, other: DevicePhrase) -> bool:
    """Whether both name a product with a size, of which the sizes differ."""
    named = bool(one.product and other.product and one.sizes and other.sizes)
    return named and size_key(one.sizes[0]) != size_key(other.sizes[0])


def appositions(tags: Tags, phrases: list[DevicePhrase]) -> list[DevicePhrase]:
    """As in "A second device, ADO II 4 x 4 mm," and "Plug one: AVP II 10 mm" are one phrase each."""
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
            gap = tags.words.words[before.last : phrase.first]
            if gap[-1:] in ([","], [":"]) and _only_places(tags, before.last, phrase.first - 1):
                gap = [","]  # "the smallest plug on the shelf, a 6 x 3 mm AVP III"
            elif (
                gap[-1:] in ([":"], ["="])
                and before.label is not None
                and _plain(tags, before.last, phrase.first)
            ):
                gap = [":"]  # "Device 1 type/size: AVP II 10 mm"
            listed = (
                before.quantity or 1
            ) > 1 and phrase.quantity == 1  # "two devices, an 8 mm AVP II and ..."
            if (set(gap) <= {",", "again", "also", "likewise", "this", "time"} and not listed) or (
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


def _only_places(tags: Tags, a: int, b: int) -> bool:
    """Whether a few words hang on a preposition: "on our shelf"."""
    return (
        0 < b - a <= 5
        and tags.role.get(a) in ("preposition", "of", "with")
        and all(i not in tags.item or tags.item[i].kind in ("count", "valve") for i in range(a, b))
        and not any(tags.words.words[i] == "," for i in range(a, b))
    )


def _plain(tags: Tags, a: int, b: int) -> bool:
    """Whether a few words are no more than the rest of a field name."""
    return b - a <= 5 and not any(i in tags.item for i in range(a, b))


def uncorrected(tags: Tags, phrases: list[DevicePhrase]) -> list[DevicePhrase]:
    """As in "A seven, correction, a six millimeter plug": what is taken back at once is dropped."""
    kept: list[DevicePhrase] = []
    for phrase in phrases:
        before = kept[-1] if kept else None
        if before is not None and phrase.first - before.last <= 6:
            gap = range(before.last, phrase.first)
            taken_back = any(i in tags.cue and tags.cue[i].means.cue == "correction" for i in gap)
            if taken_back and not any(i in tags.item and tags.item[i].kind == "action" for i in gap):
                kept.pop()
                phrase.first = min(phrase.first, before.first)
        kept.append(phrase)
    return kept


def attached(tags: Tags, phrases: list[DevicePhrase]) -> list[DevicePhrase]:
    """As in "Another plug, this one an eight" and "number two was a 10 mm AVP II" are one phrase each."""
    kept: list[DevicePhrase] = []
    for phrase in phrases:
        before = kept[-1] if kept else None
        gap = tags.words.words[before.last : phrase.first] if before is not None else []
        if (
            before is not None
            and before.head is not None
            and before.head.means.relative
            and not before.sizes
            and phrase.headless
            and phrase.sizes
            and set(gap) <= {",", "also", "again"}
        ):
            before.sizes, before.last = phrase.sizes, phrase.last  # "its twin, also a 10"
            continue
        again = bool(gap) and gap[0] == "," and set(gap[1:]) <= {"this", "time", "again"}
        new_one = (
            phrase.headless
            and phrase.words == {"another"}
            and not phrase.sizes
            and phrase.number in (1, None)
        )
        if before is not None and before.head is not None and gap in (["("], [","]) and new_one:
            before.words.add("another")  # "12 mm AVP II (new one)"
            before.last = phrase.last
            continue
        unsized = before is not None and bool(before.product) and not before.sizes and before.quantity == 1
        again = again and (len(gap) > 1 or "article" in phrase.words)  # "another AVP 4, a 6 mm"
        if before is not None and unsized and again and phrase.headless and phrase.sizes:
            before.sizes, before.last = phrase.sizes, phrase.last  # "a second AVP III, this time 8 x 4"
            continue
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
                if phrase.headless and before.determiner == "indefinite":
                    phrase.determiner = "indefinite"  # "a second, this one 10 mm"
                    phrase.words = phrase.words - {"definite"} | before.words
                kept.pop()
        kept.append(phrase)
    return kept


def elaborations(tags: Tags, phrases: list[DevicePhrase]) -> list[DevicePhrase]:
    """As in "Two plugs were opened, a 12 mm AVP II and an 8 mm AVP II": the list says which two."""
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
            opening = tags.words.words[parts[0].first - 1]
            acts = [
                tags.item[k]
                for k in range(parts[0].last, parts[-1].first)
                if k in tags.item
                and tags.item[k].kind == "action"
                and tags.item[k].means.event not in ("check", "remain")
            ]
            if opening in (",", ":", "(", "-", "–") and not acts:
                phrase.sizes = [p.sizes[0] for p in parts]
                phrase.products = [p.product or phrase.product for p in parts]
                phrase.product = phrase.product or parts[0].product
                i += number
        i += 1
    return kept
