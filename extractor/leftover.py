"""Left over: device phrases that no action took up.

In: such a phrase, and what the text has told so far. Out: its explanation: a
reference, a claim, a description, the next device, or a loose end that keeps the
count open.
"""

from __future__ import annotations

from collections.abc import Callable

from extractor.events import TrackedDevice
from extractor.grammar import Parse
from extractor.introduction import introduce
from extractor.phrases import LARGEST_COUNT, LETTER_LABELS, DevicePhrase, size_key
from extractor.reference import is_landmark, matching
from extractor.status import group_negated, negated
from extractor.telling import Telling

_HANGS_ON = ("preposition", "of", "with")


def explain_left_over(telling: Telling, phrase: DevicePhrase) -> None:
    """Explain a phrase by the first reading that fits it; the last is a device of its own."""
    for explains in _READINGS:
        if explains(telling, phrase):
            return
    _next_device(telling, phrase)


# -- phrases without a noun -------------------------------------------------------


def _mere_reference(telling: Telling, phrase: DevicePhrase) -> bool:
    """As in "It", "both": words that name no device by themselves."""
    counts = phrase.number is not None or phrase.ordinal is not None or "another" in phrase.words
    spoken = telling.focus[0] if phrase.pronoun and len(telling.focus) == 1 else None
    if spoken is not None and spoken.state == "deployed":
        spoken.talked |= spoken.events[0].start < telling.span(telling.parse.first, telling.parse.last)[0]
    if phrase.pronoun or (phrase.headless and not phrase.sizes and not counts):
        phrase.explanation = "reference"
        return True
    return False


def _without_noun(telling: Telling, phrase: DevicePhrase) -> bool:
    """As in "The latter", "another", "a second": a reference, unless it tells of one more."""
    if not phrase.headless or (phrase.sizes and phrase.determiner == "bare"):
        return False
    live = telling.timeline.today()
    if _next_in_row(telling, phrase, live):
        return False
    phrase.explanation = "reference"
    _turn_to(telling, phrase)
    if (
        (phrase.number or "another" in phrase.words)
        and phrase.determiner == "indefinite"
        and _ellipsis(telling, phrase)
    ):
        for device in introduce(telling, phrase):
            _repeat_verb(telling, device, phrase)
    elif (
        phrase.sizes
        and phrase.determiner == "indefinite"
        and live
        and not _not_new(telling, phrase)
        and _verbless(telling)
        and telling.opened_in == telling.parse.sentence.paragraph
    ):
        return False  # "Second, a 10 mm of the same.", after a sentence that opened one
    elif phrase.sizes and phrase.determiner == "indefinite" and live and not _not_new(telling, phrase):
        telling.loosen(phrase, 1)  # "next in the row came a 10 mm"
    elif phrase.ordinal is not None and phrase.determiner == "definite" and _ellipsis(telling, phrase):
        for device in telling.focus[-1:]:  # "the first was released, then the second"
            _repeat_verb(telling, device, phrase)
    elif "part" in phrase.words and phrase.number and phrase.number > len(live):
        telling.loosen(phrase, phrase.number - len(live))
    elif phrase.words & {"another", "more"} and telling.known and not group_negated(telling.parse, phrase):
        telling.loosen(phrase, phrase.number or 1)  # beside a device; "two leaks, and another" is not one
    elif _next_size(telling, phrase, live):
        _chosen(telling, phrase)  # "We went up to the 12 mm. This seated better."
    elif _unheard_size(phrase, live):
        telling.loosen(phrase, 1)  # "10 first and then the 8", and no 8 mm is known
    elif phrase.ordinal is not None and phrase.number == 1 and live and phrase.ordinal > len(live):
        telling.loosen(phrase, phrase.ordinal - len(live))  # "the second one", and only one is known
    return True


def _next_in_row(telling: Telling, phrase: DevicePhrase, live: list[TrackedDevice]) -> bool:
    """As in "The second was another 14 x 5", after one told of in the same paragraph."""
    here = telling.parse.sentence.paragraph
    told = bool(live) and live[-1].in_place and telling.opened_in == here
    next_one = bool(phrase.sizes) and phrase.determiner == "indefinite" and phrase.ordinal == len(live) + 1
    return told and next_one and not group_negated(telling.parse, phrase)


def _next_size(telling: Telling, phrase: DevicePhrase, live: list[TrackedDevice]) -> bool:
    """Whether a definite size is one not met before, after a device that was taken out."""
    out = bool(live) and live[-1].state == "removed"
    new = bool(phrase.sizes) and phrase.determiner == "definite" and not matching(telling, phrase, live)
    return out and new and not is_landmark(telling, phrase)


def _chosen(telling: Telling, phrase: DevicePhrase) -> None:
    """Bring in a device that is only named: what became of it is told after."""
    devices = introduce(telling, phrase)
    for device in devices:
        device.pending = device.state == "named"
    telling.remember(phrase, devices)
    telling.focus = devices


def _unheard_size(phrase: DevicePhrase, live: list[TrackedDevice]) -> bool:
    """As in "the 8": a size without its unit, of no device told of."""
    number = phrase.number or 0
    if phrase.words != {"definite"} or phrase.sizes or number <= max(LARGEST_COUNT, len(live)):
        return False
    return bool(live) and all(size_key(d.size)[:1] != (str(number),) for d in live)


def _not_new(telling: Telling, phrase: DevicePhrase) -> bool:
    """Whether a size without a noun is one already met, or one not taken."""
    known = [size_key(d.size) for d in telling.timeline.devices if d.standing != "prior"]
    again = "another" not in phrase.words and all(size_key(size) in known for size in phrase.sizes)
    return again or group_negated(telling.parse, phrase)


def _turn_to(telling: Telling, phrase: DevicePhrase) -> None:
    """Bring the device into focus that a phrase without a noun points to."""
    live = telling.timeline.today()
    if "former" in phrase.words and len(live) > 1:
        telling.focus = live[-2:-1]
    elif "latter" in phrase.words:
        telling.focus = live[-1:] or telling.focus
    elif phrase.sizes and phrase.determiner == "definite" and not is_landmark(telling, phrase):
        telling.focus = matching(telling, phrase, telling.active())[-1:] or telling.focus
    elif phrase.ordinal is not None and phrase.determiner == "definite" and not is_landmark(telling, phrase):
        known = [d for d in live if phrase.ordinal == d.ordinal] or (
            live[phrase.ordinal - 1 : phrase.ordinal] if len(live) >= phrase.ordinal else []
        )
        telling.focus = known[-1:] or telling.focus


# -- phrases that name nothing new ------------------------------------------------


def _relative(telling: Telling, phrase: DevicePhrase) -> bool:
    """As in "Its neighbour": a device known by another one."""
    if phrase.head is None or not phrase.head.means.relative:
        return False
    hangs = telling.parse.roles.get(phrase.first - 1) in _HANGS_ON or any(
        c.means.cue == "landmark" and c.last == phrase.first for c in telling.parse.cues
    )
    if not hangs and _passive_after(telling, phrase):
        return False
    if hangs or sum(d.in_place for d in telling.timeline.today()) > 1:
        phrase.explanation = "reference"
    else:
        telling.loosen(phrase, 1)
    return True


def _weak(telling: Telling, phrase: DevicePhrase) -> bool:
    if phrase.head is not None and phrase.head.means.head == "weak":
        phrase.explanation = "described"
        return True
    return False


def _not_done(telling: Telling, phrase: DevicePhrase) -> bool:
    """Denied, or failed; a named article that failed was at least tried."""
    attempt = _failed(telling) and bool(phrase.sizes and phrase.product)
    if group_negated(telling.parse, phrase) and not attempt:
        phrase.explanation = "not done"
        return True
    return False


def _definite(telling: Telling, phrase: DevicePhrase) -> bool:
    """As in "The plug", "beside the first plug": known, unless its product and size are new."""
    landmark = is_landmark(telling, phrase)
    if phrase.determiner != "definite" and not landmark and not phrase.prior:
        return False
    active = telling.active()
    if "former" in phrase.words and not active:
        phrase.explanation = "history"
        return True
    if phrase.words & {"both", "all", "each"} and phrase.number and len(active) != phrase.number:
        telling.state([phrase], phrase.number, phrase.number, "position")
    elif phrase.plural and len(active) == 1 and not active[0].many:
        telling.loosen(phrase, 1)
        return True
    unheard = phrase.product and phrase.sizes and not matching(telling, phrase, telling.timeline.today())
    if unheard and not phrase.prior and not landmark:
        devices = introduce(telling, phrase)
        for device in devices:
            device.pending = device.state == "named"
        telling.remember(phrase, devices)
        telling.focus = devices
        return True
    named = matching(telling, phrase, active) if (phrase.sizes or phrase.product) else []
    if phrase.ordinal or phrase.label:
        named = [d for d in active if (phrase.ordinal or phrase.label) in (d.ordinal, d.label)]
    if named and not landmark:
        telling.focus = named[-1:]
    phrase.explanation = "reference" if active else "described"
    return True


def _one_of_many(telling: Telling, phrase: DevicePhrase) -> bool:
    """As in "One in each leak: a 10 mm and an 8 mm": the sizes say which devices "many" were."""
    if "article" not in phrase.words or not phrase.sizes:
        return False
    many = [d for d in telling.active() if d.many and d.size is None]
    if many:
        many[0].many, many[0].size = False, phrase.sizes[0]
        many[0].product = many[0].product or phrase.product
        telling.split_in = telling.parse.first
        telling.remember(phrase, many[:1])
        return True
    if telling.split_in == telling.parse.first:
        devices = introduce(telling, phrase)
        for device in devices:
            device.state, device.listed = "deployed", True
        telling.remember(phrase, devices)
        return True
    return False


def _named_again(telling: Telling, phrase: DevicePhrase) -> bool:
    """A single device that fits one at hand; a list counts each leak's devices apart."""
    if telling.listing and phrase.number is not None:
        return False
    if phrase.words & {"another", "more"} or phrase.ordinal is not None or phrase.quantity != 1:
        return False
    if telling.next_label is not None:
        return False  # "Device B: ..." announces another one
    if "article" in phrase.words and phrase.sizes and _ellipsis(telling, phrase):
        return False  # "A 6 mm plug was released, followed by a 12 mm plug"
    match = matching(telling, phrase, telling.active())
    if match and phrase.sizes and (_listed_beside(telling, phrase) or _twin(telling, phrase, match)):
        return False
    if not match and _put_elsewhere(telling, phrase):
        phrase.explanation = "other target"
        return True
    if phrase.label is not None:
        match = [d for d in match if d.label == phrase.label]
    if match:
        device = match[-1]
        if any(device in devices for devices in telling.known.values()):
            # "a bigger device used, AVP III 8 x 4": what one breath adds belongs to it
            device.size = device.size or (phrase.sizes[0] if phrase.sizes else None)
            device.product = device.product or phrase.product
        telling.name_again(phrase, [device])
        phrase.explanation = f"device {telling.timeline.devices.index(device) + 1}"
    return bool(match)


def _put_elsewhere(telling: Telling, phrase: DevicePhrase) -> bool:
    """As in "Implants: ..., Amplatzer Septal Occluder 12 mm (atrial septum)": told of, of another defect."""
    return bool(phrase.sizes and phrase.product) and any(
        d.standing == "today" and d.target is not None and d.product == phrase.product
        and size_key(d.size) == size_key(phrase.sizes[0])
        for d in telling.timeline.devices
    )  # fmt: skip


def _listed_beside(telling: Telling, phrase: DevicePhrase) -> bool:
    """As in "AVP II 6 mm in the one, AVP II 6 mm in the other": one sentence lists two alike."""
    alike = [
        p for p in telling.parse.phrases
        if p is not phrase and p.last <= phrase.first and p.quantity == 1 and p.determiner != "definite"
        and p.product and p.product == phrase.product
        and [size_key(s) for s in p.sizes] == [size_key(s) for s in phrase.sizes]
    ]  # fmt: skip
    if not alike:
        return False
    gap = range(alike[-1].last, phrase.first)
    return any(telling.parse.words.words[i] in (",", ";", "+") for i in gap) or any(
        telling.parse.roles.get(i) == "conjunction" for i in gap
    )


def _twin(telling: Telling, phrase: DevicePhrase, alike: list[TrackedDevice]) -> bool:
    """As in "AVP II 8 mm, lateral. AVP II 8 mm next to it.": telegraphic, the next device of the same size.

    The device told of before is released, or stands at the head of the sentence before in the same way.
    """
    if telling.listing or phrase.determiner != "bare" or not phrase.product or not _verbless(telling):
        return False
    if not _opens_sentence(telling.parse, phrase):
        return False
    if all(d.state == "released" for d in alike):
        return True
    before = telling.before
    return before is not None and any(
        p.determiner == "bare" and p.sizes == phrase.sizes and p.product == phrase.product
        and p.explanation == f"device {telling.timeline.devices.index(alike[-1]) + 1}"
        and _opens_sentence(before, p) and not before.actions
        for p in before.phrases
    )  # fmt: skip


def _opens_sentence(parse: Parse, phrase: DevicePhrase) -> bool:
    """Whether no word stands before a phrase in its sentence, and words that say more stand behind it."""
    words = parse.words.words
    ahead = any(words[i].isalpha() for i in range(parse.first, phrase.first))
    return not ahead and any(words[i].isalpha() for i in range(phrase.last, parse.last))


def _known_ordinal(telling: Telling, phrase: DevicePhrase) -> bool:
    if (
        phrase.ordinal is not None
        and phrase.determiner == "bare"
        and not phrase.sizes
        and len(telling.timeline.today()) >= phrase.ordinal
    ):
        phrase.explanation = "reference"
        return True
    return False


def _other_target(telling: Telling, phrase: DevicePhrase) -> bool:
    if telling.site.target is not None:
        phrase.explanation = "other target"
        return True
    return False


# -- counts and descriptions ------------------------------------------------------


def _several_counted(telling: Telling, phrase: DevicePhrase) -> bool:
    """As in "Two plugs", with no event: a claim about what is in place."""
    if phrase.number is None or phrase.quantity is None or phrase.quantity <= 1:
        return False
    if telling.listing or (_verbless(telling) and not telling.active()):
        return False
    if phrase.sizes and phrase.product and not matching(telling, phrase, telling.timeline.today()):
        return False  # "two more, AVP II 6 mm both"
    parse = telling.parse
    if phrase.first == parse.first + 1 and parse.roles.get(parse.first) == "of":
        phrase.explanation = "described"  # "Of five plugs opened only two stayed"
        return True
    start = telling.span(parse.first, parse.last)[0]
    new = [d for d in telling.timeline.today() if d.events[0].start >= start]
    if len(new) == phrase.quantity:
        phrase.explanation = "reference"  # "The defect required two plugs: a 10 mm and an 8 mm AVP II"
        return True
    in_place = sum(d.in_place for d in telling.timeline.today())
    counted = in_place > phrase.quantity and phrase.determiner == "indefinite"
    telling.state([phrase], phrase.quantity, phrase.quantity, "total" if counted else "position")
    phrase.explanation = f"claim: {phrase.quantity} devices"
    return True


def _bare(telling: Telling, phrase: DevicePhrase) -> bool:
    """As in "Plug", "AVP II": the article as such."""
    if phrase.determiner != "bare" or phrase.sizes or phrase.quantity != 1:
        return False
    if phrase.ordinal is not None:
        if not (_verbless(telling) and _heads(telling, phrase)):
            return False
        telling.next_label = phrase.ordinal  # "First plug." heads the lines about it
        phrase.explanation = "heading"
        return True
    if phrase.label is not None and _unheard_label(telling, phrase.label):
        after = telling.parse.words.words[phrase.last : telling.parse.last]
        if _verbless(telling) and after[:1] in ([":"], ["="], []):
            telling.next_label = phrase.label if any(w.isalpha() for w in after) else None
            phrase.explanation = "heading" if telling.next_label else "blank field"  # "Device 3: ___"
            return True
        if _heads(telling, phrase):
            telling.next_label = phrase.label
            phrase.explanation = "heading"
            return True
        return False  # "Plug C was too long": the next device
    if phrase.product and not telling.active() and not telling.listing:
        telling.loosen(phrase, 1)  # a product by name, and nothing says what became of it
    else:
        phrase.explanation = "described"
    return True


def announces(telling: Telling, phrase: DevicePhrase) -> bool:
    """As in "Device B - Next we tried a 10 mm plug": a label that heads what is told of its device."""
    labelled = phrase.determiner == "bare" and phrase.label is not None and not phrase.sizes
    return labelled and _unheard_label(telling, phrase.label or 0) and _heads(telling, phrase)


def _heads(telling: Telling, phrase: DevicePhrase) -> bool:
    """As in "Plug 2." or "Device B - Next we tried a 10 mm plug": the device is told after its label."""
    parse = telling.parse
    if any(parse.words.words[i].isalpha() for i in range(parse.first, phrase.first)):
        return False
    rest = [i for i in range(phrase.last, parse.last) if parse.words.words[i].isalnum()]
    if not rest:
        return True
    dash = parse.words.starts[rest[0]] - parse.words.ends[phrase.last - 1] >= len(" - ")
    return dash and any(p.first > phrase.last and p.determiner == "indefinite" for p in parse.phrases)


def _unheard_label(telling: Telling, label: int) -> bool:
    """Whether no device so far bears a label, and those that bear none are too few for it."""
    today = telling.timeline.today()
    place = label - LETTER_LABELS if label > LETTER_LABELS else label
    labelled = {d.label for d in today} - {None}
    return label not in labelled and (bool(labelled) or place > len(today))


def _several_uncounted(telling: Telling, phrase: DevicePhrase) -> bool:
    """As in "Plugs", "several plugs": more than one, or a heading."""
    if not phrase.plural or phrase.quantity is not None:
        return False
    parse = telling.parse
    if phrase.determiner != "bare":
        telling.state([phrase], 2, None, "position")
        phrase.explanation = "claim: more than one device"
    elif parse.last - parse.first <= 4 and not parse.actions:
        phrase.explanation = "heading"
    else:
        if len(telling.active()) < 2:
            telling.state([phrase], 2, None, "position")
        phrase.explanation = "described"
    return True


# -- a device named without a verb ------------------------------------------------


def _next_device(telling: Telling, phrase: DevicePhrase) -> None:
    """It may be the next device: how far it got, the form of the text says."""
    active = telling.active()
    parse = telling.parse
    form = parse.sentence.form
    verbless = _verbless(telling)
    alike = matching(telling, phrase, active)
    twin = bool(alike) and (_listed_beside(telling, phrase) or _twin(telling, phrase, alike))
    devices = introduce(telling, phrase, alike if twin else ())
    for device in devices:
        if _ellipsis(telling, phrase):
            _repeat_verb(telling, device, phrase)
        elif _failed(telling):
            device.state = "loaded" if device.state == "named" else device.state
            device.tried = True
        elif (
            telling.listing
            or (verbless and not active and phrase.number)
            or (_is_labelled(phrase) and form != "log" and (verbless or telling.listing))
            or (form == "item" and verbless)
            or (verbless and (phrase.number or 1) > 1 and phrase.sizes)
            or (verbless and telling.opened_in == parse.sentence.paragraph)
        ):
            # The last: "In the middle, a 12/5 AVP III.", after a sentence that opened one.
            device.state = "deployed"
            device.listed = telling.listing or phrase.label is not None or form == "item"
        elif device.state == "named" and form == "log":
            device.state = "loaded"
        elif device.state == "named":
            device.pending = True
    telling.remember(phrase, devices)
    telling.focus = devices


def _is_labelled(phrase: DevicePhrase) -> bool:
    """As in "Device 2: AVP II 8 mm", "First device: AVP III 14 x 5"."""
    named = bool(phrase.sizes and phrase.product)
    return phrase.label is not None or (phrase.ordinal is not None and phrase.determiner == "bare" and named)


def _ellipsis(telling: Telling, phrase: DevicePhrase) -> bool:
    """As in "One plug was deployed, followed by a second": the verb is not said again."""
    parse = telling.parse
    joined = any(
        parse.roles.get(i) == "conjunction" or parse.words.words[i] == "then"
        for i in range(max(parse.first, phrase.first - 6), phrase.first)
    )
    acts = [a for a in parse.actions if a.last <= phrase.first]
    return (
        joined
        and bool(acts)
        and acts[-1].means.event in ("open", "release", "remain")
        and not negated(parse, acts[-1])
    )


def _repeat_verb(telling: Telling, device: TrackedDevice, phrase: DevicePhrase) -> None:
    """The verb before the conjunction holds for this device too."""
    action = [a for a in telling.parse.actions if a.last <= phrase.first][-1]
    telling.remember(phrase, [device])
    telling.apply(device, action.means.event, action, [phrase])


def _verbless(telling: Telling) -> bool:
    return not telling.parse.actions and "be" not in telling.parse.roles.values()


def _failed(telling: Telling) -> bool:
    return any(c.means.cue == "inability" for c in telling.parse.cues)


def _passive_after(telling: Telling, phrase: DevicePhrase) -> bool:
    parse = telling.parse
    return any(parse.roles.get(i) == "be" for i in range(phrase.last, min(parse.last, phrase.last + 8)))


# In the order in which they are tried: each returns whether it explained the phrase.
_READINGS: tuple[Callable[[Telling, DevicePhrase], bool], ...] = (
    _mere_reference,
    _without_noun,
    _relative,
    _weak,
    _not_done,
    _definite,
    _one_of_many,
    _named_again,
    _known_ordinal,
    _other_target,
    _several_counted,
    _bare,
    _several_uncounted,
)
