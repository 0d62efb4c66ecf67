"""Reference: which devices a phrase denotes.

In: a device phrase, the act told of it, and what the text has told so far. Out:
tracked devices: known ones for "the second", "both", "it", "the 12 mm"; new ones
where the phrase introduces them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from extractor.events import TrackedDevice, same_product, same_size
from extractor.grammar import Parse
from extractor.introduction import introduce
from extractor.phrases import DevicePhrase, size_key
from extractor.telling import Telling

_ON_KNOWN = ("withdraw", "pull", "embolize", "capture", "remain", "check", "reposition", "unused", "waste")
_LOSSES = ("embolize", "withdraw", "capture")


@dataclass(frozen=True, slots=True)
class Act:
    """What is told of a phrase; ``taken`` are the devices of the phrases joined before it."""

    event: str
    by_verb: bool  # and not by a noun: "deployment of a plug"
    taken: tuple[TrackedDevice, ...] = ()


def resolve(telling: Telling, group: list[DevicePhrase], event: str, *, by_verb: bool) -> list[TrackedDevice]:
    """The devices a group denotes; new ones where it introduces them. An empty group: those in focus."""
    if not group:
        return _in_hand(telling, event, by_verb)
    out: list[TrackedDevice] = []
    for phrase in group:
        if id(phrase) in telling.known:
            out += telling.known[id(phrase)]
            if event == "release" and phrase.plural and "all" in phrase.words and phrase.number is None:
                out += _not_looked_at(telling, out)
            continue
        devices = _denoted(telling, phrase, Act(event, by_verb, tuple(out)))
        if len(devices) == 1:
            _fill_in(devices[0], phrase)
        telling.remember(phrase, devices)
        out += devices
    return out


def _not_looked_at(telling: Telling, devices: list[TrackedDevice]) -> list[TrackedDevice]:
    """As in "All plugs were tugged and then released": of those chosen, too, that were not told as open."""
    return [
        d
        for d in telling.active()
        if d not in devices and d.state in ("named", "loaded") and d.size and not d.tried
    ]


def _in_hand(telling: Telling, event: str, by_verb: bool) -> list[TrackedDevice]:
    """The devices in focus; for a release not those that were put away, if another waits for it."""
    focus = [d for d in telling.focus if d.standing == "today"]
    if event == "release" and not focus and not telling.active():
        return _taken_up(telling)  # "I favoured a 10 mm ... Released."
    if event == "release" and not by_verb:  # "On release there was no movement."
        waiting = [d for d in telling.active() if d.state != "released"]
        return [d for d in waiting if d.state != "named"] or waiting[-1:] or focus
    if event in ("open", "release") and any(c.means.cue == "simultaneous" for c in telling.parse.cues):
        closed = ("named", "loaded") if event == "open" else ("named", "loaded", "deployed")
        waiting = [d for d in telling.active() if d.state in closed]
        if len(waiting) > 1:
            return waiting  # "One plug over each wire. Opened together."
    away = all(d.state in ("unused", "removed") for d in focus)
    if event == "release" and by_verb and away and len(focus) > 1 and not telling.active():
        return []  # "Both were retrieved. With 8 mm there was no contact. Released.": of one not told
    if event in ("release", "remain") and away:
        return [d for d in telling.active() if d.state != "released"][-1:] or focus
    return focus


def _taken_up(telling: Telling) -> list[TrackedDevice]:
    """The device last intended, which is now told as used."""
    planned = [d for d in telling.timeline.devices if d.standing == "planned" and d.pending and d.size][-1:]
    for device in planned:
        device.standing = "today"
    return planned


def _fill_in(device: TrackedDevice, phrase: DevicePhrase) -> None:
    """What a phrase adds to a device known before: "the first of the pair, an AVP II 8 mm"."""
    device.valve = phrase.valve or device.valve
    if phrase.sizes and device.size is None and phrase.quantity == 1:
        device.size, device.announced = phrase.sizes[0], False
    device.product = device.product or phrase.product


def _denoted(telling: Telling, phrase: DevicePhrase, act: Act) -> list[TrackedDevice]:
    live = [d for d in telling.timeline.devices if d.standing == "today"]
    if phrase.pronoun:
        return _pronoun(telling, phrase, act, live)
    if phrase.determiner == "definite":
        return _definite(telling, phrase, act, live)
    if _is_loss(telling, phrase, act, live):
        return []
    if "some" in phrase.words and phrase.quantity == 1 and not phrase.sizes:
        return _some(telling, phrase)
    if phrase.determiner == "bare":
        return _bare(telling, phrase, act, live)
    return _indefinite(telling, phrase, act, live)


def _some(telling: Telling, phrase: DevicePhrase) -> list[TrackedDevice]:
    """As in "treated with vascular plug(s)": a form of words, of devices told elsewhere."""
    if not telling.active():
        telling.loosen(phrase, 1)
    return []


def _is_loss(telling: Telling, phrase: DevicePhrase, act: Act, live: list[TrackedDevice]) -> bool:
    """As in "Complications: device embolization, retrieved": what the course told of, or left out."""
    if act.event not in _LOSSES or (phrase.sizes and not telling.listing):
        return False
    gone = any(d.state in ("removed", "embolized") for d in live)
    if telling.listing and phrase.determiner == "indefinite" and live:
        telling.timeline.lost_unnamed = True  # "three plugs left in. One plug lost": none of the three
        return True
    if phrase.determiner == "bare":
        telling.timeline.lost_unnamed |= act.event != "withdraw" and not live
        if act.event == "embolize" and gone:
            return True
    if telling.parse.sentence.section.role != "particulars" or phrase.product:
        return False
    if not gone and not any(d.tried for d in live):
        for device in [d for d in live if d.in_place][-1:]:
            device.in_doubt = True  # the course of events does not tell of it
    return True


def _pronoun(
    telling: Telling, phrase: DevicePhrase, act: Act, live: list[TrackedDevice]
) -> list[TrackedDevice]:
    """As in "It", "they": the devices in focus, or the one named just before."""
    if phrase.plural and len(telling.focus) > 1:
        return list(telling.focus)
    if phrase.plural:  # "they were released": those brought in since, too
        states = ("loaded", "deployed") if act.event == "release" else ("deployed", "released")
        told = [d for d in live if d.state in states] or [d for d in live if d.in_place]
        told = told or [d for d in live if d.state == "named" and not d.tried]
        reflexive = telling.parse.words.words[phrase.first].endswith("selves")
        if not told and act.event in ("open", "release") and act.by_verb and not reflexive:
            telling.loosen(phrase, 2)  # "They were uncovered together", and no device was told of
        return told
    named = _named_before(telling, phrase)
    if named is not None:
        devices = _denoted(telling, named, replace(act, event="select"))
        telling.remember(named, devices)
        return devices
    if telling.parse.sentence.section.role == "particulars" and not telling.known:
        return [d for d in telling.focus if d.state == "embolized"]  # "transient block, it recovered"
    if not telling.focus and not live and act.event in ("load", "open", "release"):
        planned = [d for d in telling.timeline.devices if d.standing == "planned"][-1:]
        for device in planned:
            device.standing = "today"  # "a 7 mm would fit ... it was advanced"
        return planned
    return telling.focus[-1:] if telling.focus else live[-1:]


def _indefinite(
    telling: Telling, phrase: DevicePhrase, act: Act, live: list[TrackedDevice]
) -> list[TrackedDevice]:
    """As in "A plug", "two plugs": new devices, unless what is told can only be of known ones."""
    if _counts_part(phrase):
        number = phrase.number or 1
        waiting = [d for d in live if d.state in ("named", "loaded", "deployed")]
        if len(waiting) > number or ("only" in phrase.words and len(waiting) >= number):
            return _part_of(phrase, act, waiting)  # "two were opened, one was released"
    if act.event not in _ON_KNOWN:
        return introduce(telling, phrase, act.taken)
    match = matching(telling, phrase, [d for d in live if d.state not in ("removed", "unused")])
    if "article" in phrase.words and phrase.sizes:
        match = [d for d in match if d.size is not None]
    if phrase.ordinal is not None:
        match = [d for d in match if d.ordinal == phrase.ordinal]
    if act.event == "remain" and phrase.quantity and not any(d.in_place for d in live) and not match:
        return introduce(telling, phrase, act.taken)
    if (
        match
        and (phrase.number or 1) == 1
        and (phrase.sizes or act.event != "unused")
        and "another" not in phrase.words
    ):
        return match[-1:]
    single = (
        phrase.quantity == 1
        and bool(phrase.words & {"article", "another"})
        and (phrase.sizes or phrase.product or phrase.ordinal)
    )
    if act.event in ("remain", "check") and not single:
        return _position(telling, phrase, live)
    return introduce(telling, phrase, act.taken)


def _counts_part(phrase: DevicePhrase) -> bool:
    """A bare number ("one was released") that may count some of the devices at hand."""
    return bool(
        phrase.headless
        and phrase.number
        and not phrase.sizes
        and phrase.ordinal is None
        and not phrase.words & {"another", "more", "article"}
    )


def _named_before(telling: Telling, pronoun: DevicePhrase) -> DevicePhrase | None:
    """The device a sentence named before its "it", when no action has taken it up yet."""
    before = [p for p in telling.parse.phrases if p.last <= pronoun.first and not p.pronoun]
    if (
        not before
        or before[-1].explanation
        or id(before[-1]) in telling.known
        or is_landmark(telling, before[-1])
    ):
        return None
    phrase = before[-1]
    return phrase if (phrase.sizes or phrase.product) and phrase.quantity == 1 else None


def _definite(
    telling: Telling, phrase: DevicePhrase, act: Act, live: list[TrackedDevice]
) -> list[TrackedDevice]:
    topic = _topic(telling, phrase)
    if topic is not None:
        devices = matching(telling, topic, live)[-1:] or introduce(telling, topic, act.taken)
        telling.remember(topic, devices)
        return devices
    usable = [d for d in live if d.state != "unused"]
    active = [d for d in usable if d.state != "removed"]
    if phrase.headless and not phrase.sizes and not live and not telling.listing:
        return []  # "the second leak may wait if the first takes long": no device was told of
    sized = _by_bare_size(phrase, usable if "same" in phrase.words else active)
    if sized:
        return sized
    part = "part" in phrase.words and phrase.number is not None and bool(active)
    if part and act.event == "release" and phrase.number < len(active):  # type: ignore[operator]
        return _part_of(phrase, act, active)  # "two of the three were released"
    if phrase.words & {"both", "all", "all_but", "each"} or (phrase.plural and not phrase.ordinal):
        return _plural(telling, phrase, act, active)
    if "former" in phrase.words:
        return usable[-2:-1]
    if "latter" in phrase.words or "last" in phrase.words:
        return usable[-1:]
    if phrase.words & {"other", "remaining"} and active:
        others = [d for d in active if d not in telling.focus]
        return others[-1:] or active[-1:]
    if part:
        return _part_of(phrase, act, active)
    if "pair" in phrase.words and phrase.number is not None and len(active) >= phrase.number:
        return _plural(telling, phrase, act, active)
    if phrase.words & {"another", "more"} or "pair" in phrase.words:
        return introduce(telling, phrase, act.taken)
    if phrase.ordinal is not None or phrase.label is not None:
        return _by_ordinal(telling, phrase, act, usable)
    if phrase.words == {"same"} and not phrase.plural and not phrase.sizes and telling.focus:
        return telling.focus[-1:]  # "back in the sheath. Same plug opened again"
    if act.event in _LOSSES and not (phrase.sizes or phrase.product or phrase.plural):
        told = [d for devices in telling.known.values() for d in devices if d.state == "removed"]
        if told:
            return told[-1:]  # "the 8 mm plug was recaptured, the sheath advanced and the plug removed"
    pool = active or usable
    match = matching(telling, phrase, pool)
    if match:
        if phrase.sizes or phrase.product:
            return match[-1:]
        return [d for d in telling.focus if d in pool][-1:] or match[-1:]
    if phrase.sizes and ("same" in phrase.words or act.event in ("withdraw", "unused", "capture")):
        removed = matching(telling, phrase, usable)
        if removed:
            return removed[-1:]
    if not active and usable and not phrase.sizes:
        return usable[-1:]
    if act.event in ("remain", "check") and active and not phrase.sizes:
        return active[-1:]
    return introduce(telling, phrase, act.taken)


def _by_bare_size(phrase: DevicePhrase, active: list[TrackedDevice]) -> list[TrackedDevice]:
    """As in "Released the six": a size without its unit, unless there are six."""
    number = phrase.number
    definite = "definite" in phrase.words or "same" in phrase.words
    if (
        not phrase.headless
        or phrase.sizes
        or number is None
        or phrase.words - {"definite", "same"}
        or not definite
    ):
        return []
    return [d for d in active if size_key(d.size)[:1] == (str(number),)][-1:] if number != len(active) else []


def _part_of(phrase: DevicePhrase, act: Act, active: list[TrackedDevice]) -> list[TrackedDevice]:
    """Some of the devices at hand; "only one" says that the others did not stay."""
    number = phrase.number or 1
    waiting = [d for d in active if d.state != "released"] or active
    chosen = waiting[:number]
    if "only" in phrase.words and act.event in ("open", "release", "remain"):
        for device in active:
            if device not in chosen and device.state != "released":
                device.state = "removed"
    return chosen


def _by_ordinal(
    telling: Telling, phrase: DevicePhrase, act: Act, usable: list[TrackedDevice]
) -> list[TrackedDevice]:
    n = phrase.ordinal or phrase.label or 1
    if phrase.plural and phrase.number is None and not phrase.words:
        return []  # "between the second and third occluders": the last of several
    size = phrase.sizes[0] if phrase.sizes else None
    named = [d for d in usable if n in (d.ordinal, d.label) and same_size(d.size, size)]
    if named:
        return named[-1:]
    if len(usable) >= n and act.event != "select":
        kept = [d for d in usable if d.state != "removed"]
        pool = kept if len(kept) >= n else usable
        candidate = pool[n - 1]
        over = act.event in ("open", "load") and candidate.state == "released"
        if candidate.ordinal in (None, n) and same_size(candidate.size, size) and not over:
            return [candidate]
    return introduce(telling, phrase, act.taken)


def _plural(
    telling: Telling, phrase: DevicePhrase, act: Act, active: list[TrackedDevice]
) -> list[TrackedDevice]:
    """As in "Both plugs", "the devices", "all three"."""
    # Before anything is deployed every device at hand is meant; later those in place.
    pool = [d for d in active if d.in_place] if act.event in ("remain", "check") else active
    pool = [d for d in pool if d.target is None] or pool
    if act.event == "release":  # "all of them were detached": of those that were not given up before
        pool = [d for d in pool if not _given_up(d)] or pool
    if phrase.valve and pool and all(d.valve not in (None, phrase.valve) for d in pool):
        phrase.explanation = "history"  # "The mitral plugs remain in place", where the aortic leak is closed
        return []
    if phrase.number is None:
        return _uncounted(telling, phrase, act, active, pool)
    return _counted(telling, phrase, act, pool, phrase.number)


def _given_up(device: TrackedDevice) -> bool:
    """Whether the last that was done with a device is that it was not brought in."""
    done = [e.event for e in device.events if e.event not in ("named", "select", "check")]
    return device.tried and bool(done) and done[-1] in ("not load", "not open")


def _uncounted(
    telling: Telling, phrase: DevicePhrase, act: Act, active: list[TrackedDevice], pool: list[TrackedDevice]
) -> list[TrackedDevice]:
    """As in "The plugs": those in focus, or all at hand."""
    if "each" in phrase.words and not phrase.plural and len(pool) == 1:
        return pool
    if len(telling.focus) > 1 and "all" not in phrase.words and all(d in active for d in telling.focus):
        return list(telling.focus)
    if len(pool) >= 2 or (len(pool) == 1 and pool[0].many):
        return pool
    if not pool and act.event in ("open", "release") and act.by_verb:
        return introduce(telling, phrase, act.taken)
    if not pool and act.event in ("load", "select"):
        return []
    telling.loosen(phrase, 1)
    return pool


def _counted(
    telling: Telling, phrase: DevicePhrase, act: Act, pool: list[TrackedDevice], number: int
) -> list[TrackedDevice]:
    """As in "Both plugs", "all three": as many as said; what is missing is new, or a loose end."""
    pool = _expand(telling, pool, number)
    spoken = [d for d in telling.focus if d in pool]
    if len(spoken) == number < len(pool) and act.event in ("release", "remain", "check"):
        return spoken  # "three 6 mm plugs were used, and all three were released"
    if "all_but" in phrase.words and len(pool) > number and act.event in ("open", "release", "remain"):
        for device in pool[number:]:
            device.state = "removed"  # the one that was not
        pool = pool[:number]
    if "all" in phrase.words and number < sum(d.in_place for d in pool):
        telling.state([phrase], number, number, "total")
    if act.event in ("remain", "check", "release") and pool:
        telling.state([phrase], number, number, "position")
    waiting = [d for d in telling.active() if d not in pool and d.state == "loaded" and not d.tried]
    if len(pool) < number == len(pool) + len(waiting) and act.event in ("release", "remain"):
        return pool + waiting  # "one was exchanged for a 12 mm; both were stable"
    if len(pool) < number and act.event in ("release", "remain", "reposition", "withdraw"):
        introduced = [d for d in telling.timeline.today() if d.state != "unused"]
        if len(introduced) == number or (
            len(introduced) > number > 1 and "another" not in phrase.words and len(pool) + 1 == number
        ):
            # A number said at the end tells that one taken back was put in again.
            pool = introduced[-number:]
    if len(pool) >= number:
        fresh = [d for d in pool if d.state != "released"]
        if act.event == "release" and len(fresh) >= number:
            for device in fresh[:-number]:
                device.unsure = True  # "both were released", and three were open
        elif act.event == "release" and "remaining" in phrase.words and len(pool) > number:
            pool[0].in_doubt = True  # "the remaining two", and three are left
        if act.event == "release" and len(fresh) >= number:
            return fresh[-number:]
        return pool[-number:]
    if not pool and phrase.headless and "all" in phrase.words:
        telling.loosen(phrase, number)  # "all four open and shut properly", and no device was told of
        return []
    if not pool and act.event in ("open", "load", "release", "select"):
        return introduce(telling, phrase, act.taken)
    together = act.event in ("open", "load") and not phrase.words & {"both", "all"}
    if together or act.event not in ("remain", "check", "release"):
        telling.loosen(phrase, number - len(pool))
    return pool


def _expand(telling: Telling, pool: list[TrackedDevice], number: int) -> list[TrackedDevice]:
    """As in "One in each sheath ... both were released": the number said later fixes a "many"."""
    many = [d for d in pool if d.many]
    if len(many) != 1 or len(pool) > number:
        return pool
    first = many[0]
    first.many = False
    while len(pool) < number:
        twin = TrackedDevice(
            first.product,
            first.size,
            first.state,
            valve=first.valve,
            target=first.target,
            paragraph=first.paragraph,
            events=list(first.events),
        )
        telling.timeline.devices.insert(telling.timeline.devices.index(first) + 1, twin)
        pool.append(twin)
    return pool


def _topic(telling: Telling, phrase: DevicePhrase) -> DevicePhrase | None:
    """As in "ADO II 5/4: the device slipped": the device that is named before a colon."""
    if phrase.sizes or phrase.product or phrase.headless or phrase.plural:
        return None
    words = telling.parse.words.words
    return next(
        (
            p
            for p in telling.parse.phrases
            if p.last <= phrase.first and words[p.last] == ":" and p.sizes and p.product
            and p.quantity == 1 and not telling.is_done(p) and p.determiner != "definite"
        ),
        None,
    )  # fmt: skip


def _bare(telling: Telling, phrase: DevicePhrase, act: Act, live: list[TrackedDevice]) -> list[TrackedDevice]:
    if phrase.ordinal is not None or phrase.label is not None:
        return _by_ordinal(telling, phrase, act, [d for d in live if d.state != "unused"])
    active = [d for d in live if d.state not in ("removed", "unused")]
    if not act.by_verb and not (phrase.sizes or phrase.product or phrase.number) and phrase.head is not None:
        # "device placement", "plug deployment": the act by name, of devices told of elsewhere
        return [d for d in telling.focus if d in active]
    match = matching(telling, phrase, active)
    if phrase.plural and not phrase.sizes:
        if act.event in ("open", "load", "select", "release") and not active:
            return introduce(telling, phrase, act.taken)
        return _plural(telling, phrase, act, active)
    if act.event in ("open", "load", "select"):
        return _next_to_open(phrase, act, match) or introduce(telling, phrase, act.taken)
    if act.event == "release":
        fresh = [d for d in match if d.state in ("named", "loaded", "deployed")]
        if fresh:
            return _in_focus(telling, fresh)
        here = telling.site.valve
        if match and phrase.sizes and here and all(d.valve not in (None, here) for d in match):
            return introduce(telling, phrase, act.taken)  # of the same size, at the other valve
        same_breath = bool(match) and match[-1].paragraph == telling.parse.sentence.paragraph
        if match and phrase.product and (not phrase.sizes or same_breath):
            made = introduce(telling, phrase, act.taken)  # released already: this may be the next one
            for device in made:
                device.doubtful = True
            return made
    if match:
        return telling.name_again(phrase, _in_focus(telling, match))
    gone = [d for d in live if d.state == "removed"] if phrase.sizes else []
    told_again = act.event in ("withdraw", "waste", "unused", "capture", "embolize")
    if told_again and matching(telling, phrase, gone):
        return matching(telling, phrase, gone)[-1:]  # "Discarded: PLD 12 x 5"
    if act.event in ("remain", "check") and not (phrase.sizes and phrase.product and phrase.quantity == 1):
        return _position(telling, phrase, live)
    if act.event in ("withdraw", "pull", "embolize", "capture", "unused", "waste", "reposition") and not (
        phrase.sizes or phrase.product
    ):
        return []
    if (
        phrase.head is not None
        and phrase.head.means.vague
        and any(d.in_place for d in live)
        and not phrase.sizes
    ):
        return []  # "serial number of implant recorded"
    return introduce(telling, phrase, act.taken)


def _next_to_open(phrase: DevicePhrase, act: Act, match: list[TrackedDevice]) -> list[TrackedDevice]:
    """The last fitting device that waits to be opened; one already open may be told again."""
    return [
        d
        for d in match
        if d.state in ("named", "loaded")
        or len(d.events) == 1  # told of by a field of a form alone
        or (act.event == "open" and d.state == "deployed" and not phrase.sizes)
    ][-1:]


def _in_focus(telling: Telling, pool: list[TrackedDevice]) -> list[TrackedDevice]:
    """The device of a pool last spoken of, or its last."""
    return [d for d in telling.focus if d in pool][-1:] or pool[-1:]


def _position(telling: Telling, phrase: DevicePhrase, live: list[TrackedDevice]) -> list[TrackedDevice]:
    """As in "Two plugs well seated": a statement about what is in place."""
    in_place = [d for d in live if d.in_place]
    number = phrase.quantity
    if phrase.sizes and live and not matching(telling, phrase, live):
        return introduce(telling, phrase)  # "6 mm plug looked too small": none of those told of
    if number is not None and (phrase.number is not None or len(phrase.sizes) > 1):
        telling.state([phrase], number, number, "position")
    elif number is None and len(in_place) < 2 and not any(d.many for d in in_place):
        telling.state([phrase], 2, None, "position")
    phrase.explanation = "claim: position"
    return in_place[-number:] if number else in_place


def matching(telling: Telling, phrase: DevicePhrase, pool: list[TrackedDevice]) -> list[TrackedDevice]:
    """Devices of the pool that fit size, product, number and site of a phrase."""
    size = phrase.sizes[0] if phrase.sizes else None
    fitting = [
        d for d in pool
        if same_size(d.size, size)
        and same_product(d.product, phrase.product)
        and (telling.site.target is None or d.target in (None, telling.site.target))
    ]  # fmt: skip
    if size is not None:
        exact = [d for d in fitting if size_key(d.size) == size_key(size)]
        fitting = exact or [d for d in fitting if d.size is None]
    return fitting


def is_landmark(telling: Telling, phrase: DevicePhrase) -> bool:
    """Whether a device is named only to say where, or to compare: "adjacent to the first plug"."""
    if telling.parse.words.words[phrase.first - 1 : phrase.first] == ["than"] and not phrase.headless:
        return True  # "was thought to fit better than another plug"
    if phrase.determiner != "definite" and phrase.ordinal is None and not phrase.prior:
        return False
    if phrase.sizes and not phrase.prior and not matching(telling, phrase, telling.timeline.today()):
        return False  # a size not met before is a new device
    for cue in telling.parse.cues:
        if cue.means.cue == "landmark" and cue.last == phrase.first:
            before = telling.parse.items.get(cue.first - 1)
            return not (before is not None and before.kind == "action" and before.means.form == "noun")
    return telling.parse.roles.get(phrase.first - 1) in ("preposition", "of") and not _nominal_object(
        telling.parse, phrase
    )


def _nominal_object(parse: Parse, phrase: DevicePhrase) -> bool:
    for i in (phrase.first - 1, phrase.first - 2):
        mention = parse.items.get(i)
        if (
            mention is not None
            and mention.kind == "action"
            and (mention.means.form == "noun" or mention.last == phrase.first)
        ):
            return True
    return False
