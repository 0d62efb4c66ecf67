"""Introduction: the devices a phrase brings into the telling.

In: a device phrase that denotes nothing known. Out: new tracked devices, or those
that were only intended, only announced by their number, or named in the same breath.
"""

from __future__ import annotations

from collections.abc import Sequence

from extractor.events import TrackedDevice, same_product, same_size
from extractor.grammar import Parse
from extractor.mentions import Mention
from extractor.phrases import DevicePhrase, size_key
from extractor.site import WAY_THROUGH
from extractor.telling import Telling


def introduce_group(telling: Telling, group: list[DevicePhrase]) -> list[TrackedDevice]:
    """New devices of every phrase of a group."""
    out: list[TrackedDevice] = []
    for phrase in group:
        devices = introduce(telling, phrase)
        telling.remember(phrase, devices)
        out += devices
    return out


def introduce(
    telling: Telling, phrase: DevicePhrase, taken: Sequence[TrackedDevice] = ()
) -> list[TrackedDevice]:
    """New devices, or those that were only intended or announced until now.

    Parameters
    ----------
    telling
        What the text has told so far.
    phrase
        The words that bring the devices in.
    taken
        Devices of the phrases joined before it, which it cannot denote.
    """
    if _another_kind(telling, phrase):
        return []
    number = phrase.quantity
    waiting = _waiting(telling, phrase, taken)
    if waiting and number == 1 and _fits(phrase, waiting[-1]):
        return [_take_up(phrase, waiting[-1])]
    if number is None or distributed(telling.parse, phrase):
        device = telling.add(phrase, "today")
        device.many = True
        return [device]
    if waiting and number > 1 and len(waiting) >= number:
        for device in waiting[-number:]:
            device.pending = False
        return waiting[-number:]
    return (
        _said_twice(telling, phrase)
        or _announced(telling, phrase, number, taken)
        or _new(telling, phrase, number)
    )


def _another_kind(telling: Telling, phrase: DevicePhrase) -> bool:
    """As in "The device was released" where the only device spoken of so far is a valve or a clip."""
    other_here = any(
        m.kind == "other_device" and m.means.role in ("valve", "appendage", "clip")
        for m in telling.parse.nouns
    )
    if telling.timeline.today() or phrase.product or (phrase.label is not None and not other_here):
        return False
    if phrase.too_large:
        return True
    if phrase.headless:
        return telling.appendage or telling.listing  # "two leaks, one medial and a smaller one lateral"
    vague = phrase.head is not None and phrase.head.means.vague and not phrase.sizes
    if vague and telling.listing and phrase.determiner == "indefinite" and not telling.parse.actions:
        # "two leaks, one medial and a smaller one lateral"
        return any(m.kind == "leak" for m in telling.parse.nouns)
    return vague and telling.other_implant


def _waiting(telling: Telling, phrase: DevicePhrase, taken: Sequence[TrackedDevice]) -> list[TrackedDevice]:
    """Devices chosen or loaded, not yet opened, that the phrase may name."""
    if phrase.head is not None and phrase.head.means.relative:
        return []
    size = phrase.sizes[0] if phrase.sizes else None
    further = bool(phrase.words & {"another", "more"})
    listed = phrase.determiner == "indefinite" and bool(phrase.product and phrase.sizes)
    named_here = (
        [d for devices in telling.known.values() for d in devices if further or d.product == phrase.product]
        if further or listed
        else []
    )
    return [
        d
        for d in telling.timeline.today()
        if d.state in ("named", "loaded")
        and not d.tried
        and d not in taken
        and same_size(d.size, size)
        and same_product(d.product, phrase.product)
        and (phrase.ordinal is None or d.ordinal in (None, phrase.ordinal))
        and (phrase.label is None or phrase.label in (d.label, d.ordinal))
        and (not further or (d.pending and None in (d.size, size) and not (d.further and size)))
        and d not in named_here
    ]


def _fits(phrase: DevicePhrase, device: TrackedDevice) -> bool:
    return phrase.ordinal in (None, device.ordinal) or (device.pending and device.size is None)


def _take_up(phrase: DevicePhrase, device: TrackedDevice) -> TrackedDevice:
    """The device intended before, with what the phrase adds to it."""
    device.size = device.size or (phrase.sizes[0] if phrase.sizes else None)
    device.label = device.label or phrase.label
    device.product = device.product or phrase.product
    device.pending = False
    device.many = device.many and not (phrase.sizes and phrase.quantity == 1)  # "devices were obtained"
    return device


def _said_twice(telling: Telling, phrase: DevicePhrase) -> list[TrackedDevice]:
    """As in "A ten, so I opened a ten plug": one device, said twice in one breath."""
    if (
        phrase.quantity != 1
        or not phrase.product
        or not phrase.sizes
        or phrase.ordinal is not None
        or "another" in phrase.words
    ):
        return []
    announced = [
        d for devices in telling.known.values() for d in devices
        if d.size is None and d.product == phrase.product
    ][-1:]  # fmt: skip
    if announced and ":" in telling.parse.between(telling.parse.first, phrase.first):
        announced[0].size = phrase.sizes[0]  # "a duct occluder was used: 8/6 ADO"
        return announced
    twice = [
        d
        for devices in telling.known.values()
        for d in devices
        if d.product is None and d.size is not None and size_key(d.size) == size_key(phrase.sizes[0])
    ][-1:]
    for device in twice:
        device.product = phrase.product
    return twice


def _announced(
    telling: Telling, phrase: DevicePhrase, number: int, taken: Sequence[TrackedDevice]
) -> list[TrackedDevice]:
    """As in "Two plugs were placed. A 10 mm ... and an 8 mm ...": counted before they are described."""
    valve = phrase.valve or telling.site.valve
    announced = [
        d for d in telling.timeline.today()
        if d.announced and d not in taken and same_product(d.product, phrase.product)
        and (valve is None or d.valve in (None, valve))
    ][:number]  # fmt: skip
    if len(announced) < number or not (phrase.sizes or phrase.product):
        return []
    for i, device in enumerate(announced):
        device.announced = False
        device.size = _size(phrase, i, number)
        device.product = phrase.product or device.product
        device.ordinal = device.ordinal or phrase.ordinal
        device.label = device.label or phrase.label
    return announced


def _new(telling: Telling, phrase: DevicePhrase, number: int) -> list[TrackedDevice]:
    doubtful = _repeats(telling, phrase, number) or _told_of_loss(telling, phrase)
    made = []
    if _in_each_leak(telling.parse, phrase):
        telling.loosen(phrase, number)  # as many again, for every leak but the first
    for i in range(number):
        device = telling.add(phrase, "today")
        device.size = _size(phrase, i, number)
        device.product = phrase.products[i] if len(phrase.products) == number else device.product
        device.doubtful = doubtful
        device.announced = number > 1 and not phrase.sizes
        made.append(device)
    return made


def _told_of_loss(telling: Telling, phrase: DevicePhrase) -> bool:
    """As in a log below the complications: "plug 10 released", and a 10 mm plug was told of."""
    again = bool(_of_size(telling, phrase)) if phrase.sizes else False
    return telling.parse.sentence.section.role == "particulars" and again


def _of_size(telling: Telling, phrase: DevicePhrase) -> list[TrackedDevice]:
    """Devices of this session that bear the first size of a phrase, whatever became of them."""
    return [d for d in telling.timeline.today() if d.size and size_key(d.size) == size_key(phrase.sizes[0])]


def _size(phrase: DevicePhrase, i: int, number: int) -> str | None:
    """The size of the ``i``-th device of a phrase: its own, or the one given for all."""
    if not phrase.sizes:
        return None
    return phrase.sizes[i if len(phrase.sizes) == number else 0]


def distributed(parse: Parse, phrase: DevicePhrase) -> bool:
    """As in "A plug was loaded in each", "two in each of the leaks": for every one, however many."""
    several = phrase.quantity != 1
    behind = parse.items.get(phrase.last)
    if behind is not None and behind.kind == "count" and behind.means.word == "each" and not several:
        after = parse.words.words[behind.last : behind.last + 1]
        if behind.last >= parse.last or not after[0].isalpha():
            return True  # "both leaks closed, one plug each"
    for i in [
        *range(max(parse.first, phrase.first - 5), phrase.first),
        *range(phrase.last, min(parse.last, phrase.last + 8)),
    ]:
        mention = parse.items.get(i)
        if mention is not None and mention.kind == "count" and mention.means.word == "each":
            if any(c.first < i < c.last for c in parse.cues):
                continue  # "on each side"
            if several and not _at_every_leak(parse, phrase, i):
                continue  # "two plugs, one in each leak"
            before = parse.roles.get(i - 1)
            return before in ("preposition", "with") or parse.words.words[i - 1] in WAY_THROUGH
    return False


def _at_every_leak(parse: Parse, phrase: DevicePhrase, each: int) -> bool:
    """As in "Two plugs were released in each of the two leaks": no count between, and a leak behind."""
    between = range(phrase.last, each - 1)
    if any(i in parse.items and parse.items[i].kind == "count" for i in between):
        return False
    ahead = range(each + 1, min(parse.last, each + 6))
    return each > phrase.last and any(i in parse.items and parse.items[i].kind == "leak" for i in ahead)


def _in_each_leak(parse: Parse, phrase: DevicePhrase) -> bool:
    """As in "Each of the two leaks received two plugs", "the second and third leaks each a plug"."""
    inside = {i for p in parse.phrases if p.head for i in range(p.first, p.last)}
    for i, mention in parse.items.items():
        alone = mention.kind == "count" and mention.first == i < phrase.first and i not in inside
        if alone and _every_leak(parse, phrase, mention):
            return True
        if mention.kind == "count" and mention.means.word == "each" and i <= phrase.first:
            before = parse.items.get(i - 1)
            leak = any(
                parse.items[k].kind == "leak"
                for k in range(i + 1, min(i + 6, phrase.first))
                if k in parse.items
            )
            if (before is not None and before.kind == "leak") or (parse.roles.get(i + 1) == "of" and leak):
                return True
    return False


def _every_leak(parse: Parse, phrase: DevicePhrase, mention: Mention) -> bool:
    """As in "Each leak was closed with a plug", "Both leaks were closed with a plug", "Each received one"."""
    after = parse.items.get(mention.last)
    leak = after is not None and after.kind == "leak"
    if mention.means.word == "both":
        return leak and "article" in phrase.words and phrase.number is None
    plural = any(
        m.kind == "leak" and m.plural and k < mention.first for k, m in parse.items.items()
    )  # "the two leaks were each closed with"
    return mention.means.word == "each" and (leak or plural or mention.first == parse.first)


def _repeats(telling: Telling, phrase: DevicePhrase, number: int) -> bool:
    """Whether "two plugs were placed" may retell devices that are already in place."""
    if (
        phrase.words & {"another", "more"}
        or phrase.ordinal is not None
        or phrase.label is not None
        or telling.parse.cue_kinds() & {"sequence"}
    ):
        return False
    valve = phrase.valve or telling.site.valve
    in_place = [d for d in telling.timeline.today() if d.in_place and (not valve or d.valve in (None, valve))]
    paragraph = telling.parse.sentence.paragraph
    if number > 1:
        sizes = {size_key(size) for size in phrase.sizes}
        alike = [d for d in in_place if not sizes or d.size is None or size_key(d.size) in sizes]
        told_before = any(d.paragraph != paragraph for d in in_place)
        # "Three plugs were implanted, not two.", after two are told of, and more of their own kind
        return len(alike) >= number or (told_before and not sizes and not phrase.product)
    if not phrase.sizes and not phrase.product and len(in_place) == 1:
        return in_place[0].paragraph != paragraph  # "the leak was closed with a small device"
    if phrase.product and not phrase.sizes and any(d.product == phrase.product for d in in_place):
        return True  # "PVL closed with AVP II", after one was released
    same = [d for d in in_place if phrase.sizes and size_key(d.size) == size_key(phrase.sizes[0])]
    return bool(same) and any(d.paragraph != paragraph for d in same)
