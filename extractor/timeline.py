"""Timeline: what happened to each device.

In: the parsed sentences of one source (the narrative, an impression, a title).
Out: devices with their events and final state, the counts the text states, and
every device phrase with how it was explained.

States of a device, in the order a case usually runs through them::

    named -> loaded -> deployed -> released
                 \\________\\_________\\____> removed
                            released -> embolized -> removed

A device is left in when it ends deployed or released. "Deployed" is the opening
of the device and may be undone; a later recapture, exchange or snare takes it
out (coding-policy section 1.2).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal

from extractor.grammar import DevicePhrase, Parse
from extractor.mentions import Mention

State = Literal["named", "loaded", "deployed", "released", "embolized", "removed", "unused"]
Standing = Literal["today", "prior", "planned"]

IN_PLACE: frozenset[State] = frozenset({"deployed", "released"})


@dataclass(slots=True)
class Event:
    """One thing that happened to a device, and the words that say so."""

    event: str
    start: int
    end: int
    section: str
    rule: str


@dataclass(slots=True, eq=False)
class TrackedDevice:
    """One device of the timeline."""

    product: str | None
    size: str | None
    state: State = "named"
    standing: Standing = "today"
    valve: str | None = None
    target: str | None = None
    ordinal: int | None = None
    label: int | None = None
    pending: bool = False  # only intended so far
    tried: bool = False
    doubtful: bool = False  # its introduction may repeat an earlier device
    many: bool = False  # "multiple plugs": stands for two or more
    paragraph: int = 0
    quantity: int | None = 1
    counted: bool = False  # introduced with a number or a size
    listed: bool = False  # in a title, a summary or a list of what was placed
    announced: bool = False  # counted before it is described
    events: list[Event] = field(default_factory=list)

    @property
    def in_place(self) -> bool:
        return self.state in IN_PLACE

    @property
    def only_named(self) -> bool:
        """No word says that it was put in or stayed."""
        return all(event.event in ("named", "check", "select") for event in self.events) and not self.listed


@dataclass(slots=True)
class Statement:
    """A count the text states: ``low`` to ``high`` devices (high None: no upper bound)."""

    low: int
    high: int | None
    start: int
    end: int
    section: str
    rule: str
    kind: Literal["total", "position", "opened"]
    valve: str | None = None
    at: int = 0  # devices the timeline had in place when this was said
    others: int = 0  # and those it had put elsewhere


@dataclass(slots=True)
class Loose:
    """A device phrase that nothing explains: it may be up to ``extra`` more devices."""

    phrase: DevicePhrase | None  # None: an action whose device is not named
    start: int
    end: int
    section: str
    extra: int


@dataclass(slots=True)
class Timeline:
    """Devices, stated counts and loose ends of one source."""

    devices: list[TrackedDevice] = field(default_factory=list)
    statements: list[Statement] = field(default_factory=list)
    loose: list[Loose] = field(default_factory=list)
    explained: list[tuple[DevicePhrase, str]] = field(default_factory=list)

    def prior(self) -> int:
        """Devices of earlier sessions, as far as they are counted."""
        return max((d.quantity or 0 for d in self.devices if d.standing == "prior"), default=0)

    def today(self) -> list[TrackedDevice]:
        """Devices of this session put at the leak."""
        return [d for d in self.devices if d.standing == "today" and d.target is None]


_DIGITS = re.compile(r"\d+(?:[.,]\d)?")
_NUMBER_WORDS = {
    w: n
    for n, w in enumerate(
        [
            "zero",
            "one",
            "two",
            "three",
            "four",
            "five",
            "six",
            "seven",
            "eight",
            "nine",
            "ten",
            "eleven",
            "twelve",
            "thirteen",
            "fourteen",
            "fifteen",
            "sixteen",
        ]
    )
}


def size_key(size: str | None) -> tuple[str, ...]:
    """What two spellings of one size share: "14 x 5 mm" and "14/5" are both ("14", "5")."""
    if not size:
        return ()
    digits = _DIGITS.findall(size)
    if not digits:
        digits = [str(_NUMBER_WORDS[w]) for w in re.split(r"[\s-]+", size) if w in _NUMBER_WORDS]
    return tuple(d.replace(",", ".") for d in digits)


def _same_size(a: str | None, b: str | None) -> bool:
    """Whether two sizes may be one device's: the longer may add a second dimension."""
    x, y = size_key(a), size_key(b)
    shorter = min(len(x), len(y))
    return shorter == 0 or x[:shorter] == y[:shorter]


def leak_valves(parse: Parse, *, tied: bool = False) -> set[str]:
    """The valves whose leak a sentence speaks of: named with the leak, or the only valve beside it.

    With ``tied`` only those named with the leak itself.
    """
    mentions = list(dict.fromkeys(parse.items.values()))
    leaks = [m for m in mentions if m.kind == "leak" and m.means.term not in ("central", "device")]
    valves = [m for m in mentions if m.kind == "valve" and m.means.valve]
    if not leaks:
        # A heading of a few words ("B. Aortic") opens the talk about that valve.
        return (
            {m.means.valve for m in valves}
            if parse.last - parse.first <= 5 and len({m.means.valve for m in valves}) == 1
            else set()
        )
    named = {m.means.valve for m in leaks if m.means.valve}
    if named:
        return named
    if len({m.means.valve for m in valves}) <= 1 and not tied:
        return {m.means.valve for m in valves}
    for leak in leaks:
        # "PVL of the AVR", "leak at the mitral bioprosthesis"
        after = next((m for m in valves if 0 < m.first - leak.last <= 5), None)
        before = next((m for m in reversed(valves) if 0 <= leak.first - m.last <= 2), None)
        nearest = (
            after
            if after is not None
            and any(parse.roles.get(i) in ("of", "preposition") for i in range(leak.last, after.first))
            else before or after
        )
        if nearest is not None:
            joined = next(
                (
                    m
                    for m in valves
                    if 0 < m.first - nearest.last <= 8
                    and any(parse.roles.get(i) == "conjunction" for i in range(nearest.last, m.first))
                ),
                None,
            )
            return {nearest.means.valve, joined.means.valve} if joined is not None else {nearest.means.valve}
    return set()


def _same_product(a: str | None, b: str | None) -> bool:
    """Whether two product names may be one: "Duct Occluder" is short for "Duct Occluder II"."""
    return a is None or b is None or a.startswith(b) or b.startswith(a)


class TimelineBuilder:
    """Reads parsed sentences one after another into a timeline."""

    def __init__(self, *, summary: bool = False) -> None:
        self.timeline = Timeline()
        self._listing = summary  # the source names what was placed, often without a verb
        self._focus: list[TrackedDevice] = []
        self._valve: str | None = None
        self._target: str | None = None
        self._target_paragraph = -1
        self._opened_in = -1
        self._split_in = -1  # the sentence that says which devices "one in each" were
        self._other_implant = False  # a valve, clip or appendage device is being told of
        self._verb = True
        self._taken: list[TrackedDevice] = []  # denoted by earlier phrases of the same group

    # -- one sentence --------------------------------------------------------

    def read(self, parse: Parse, standing: Standing) -> None:
        """Take in one sentence; ``standing`` is that of its section."""
        self._parse = parse
        stated = len(self.timeline.statements)
        self._site(parse)
        self._other_implant |= any(
            m.kind == "other_device" and m.means.role in ("valve", "appendage", "clip", "vascular_closure")
            for m in parse.nouns
        )
        self._group_of = {id(p): g for g in parse.groups for p in g}
        self._done: set[int] = set()
        self._known: dict[int, list[TrackedDevice]] = {}
        kinds = parse.cue_kinds()
        if "correction" in kinds and parse.phrases and self.timeline.devices:
            slip = self.timeline.devices[-1]
            if slip.standing == "today" and all(e.event in ("named", "select") for e in slip.events):
                slip.standing = "planned"  # a slip of the tongue, taken back
        for group in parse.groups:
            self._standing_of(group, standing, kinds)
        open_groups = [g for g in parse.groups if not g[0].explanation]
        if "summary" in kinds:
            counted = [
                g
                for g in open_groups
                if all(p.number is not None and p.determiner == "indefinite" for p in g)
            ]
            if len(counted) > 1 and not any(
                p.ordinal or p.words & {"another", "more"} for g in counted for p in g
            ):
                # "one plug mitral, one plug aortic": one total
                self._state_total([p for g in counted for p in g])
                open_groups = [g for g in open_groups if g not in counted]
            for group in open_groups:
                self._state_total(group)
        if parse.groups and standing == "today" and not parse.groups[0][0].explanation:
            self._subject(parse.groups[0][0])
        for action in parse.actions:
            self._act(action, standing)
        for group in parse.groups:
            for phrase in group:
                if not phrase.explanation:
                    self._left_over(phrase)
                self.timeline.explained.append((phrase, phrase.explanation))
        in_place = sum(d.in_place for d in self.timeline.today())
        others = sum(
            d.in_place and d.standing == "today" and d.target is not None for d in self.timeline.devices
        )
        for statement in self.timeline.statements[stated:]:
            statement.at = in_place
            statement.others = others

    def _subject(self, phrase: DevicePhrase) -> None:
        """ "The former blocked a leaflet, so it was withdrawn": the subject is what "it" means."""
        live = self.timeline.today()
        if "former" in phrase.words and len(live) > 1:
            self._focus = live[-2:-1]
        elif "latter" in phrase.words and live:
            self._focus = live[-1:]

    def _site(self, parse: Parse) -> None:
        """Follow the talk from valve to valve and from leak to other defects."""
        leaks = [
            m for m in parse.nouns if m.kind == "leak" and m.means.term in ("paravalvular", "closure", "leak")
        ]
        valves = leak_valves(parse)
        targets = [m for m in parse.nouns if m.kind == "target" and not self._passage(m)]
        if len(valves) == 1:
            self._valve = next(iter(valves))
        strong = any(m.means.term != "leak" for m in leaks)
        if targets and not strong:
            self._target = targets[0].means.site
        elif strong or parse.sentence.paragraph != self._target_paragraph:
            self._target = None
        if targets and self._target and self._closes(targets[0]):
            self._target_paragraph = parse.sentence.paragraph
        here = targets or (self._target and self._target_paragraph == parse.sentence.paragraph)
        self._sentence_target = self._target if here else None

    def _passage(self, target: Mention) -> bool:
        """Whether a defect is only a way through: "the wire went through the PFO"."""
        parse = self._parse
        for i in range(max(parse.first, target.first - 3), target.first):
            if parse.words.words[i] in ("through", "via", "from", "past"):
                return True
        return any(p.none and 0 <= target.first - p.last <= 2 for p in parse.phrases)

    def _closes(self, target: Mention) -> bool:
        """Whether a sentence turns to closing another defect: what follows in its paragraph belongs there."""
        parse = self._parse
        heading = parse.words.words[target.last : target.last + 1] == [":"] or parse.last - parse.first <= 4
        return heading or any(a.means.event == "close" and not self._negated(a) for a in parse.actions)

    def _standing_of(self, group: list[DevicePhrase], standing: Standing, kinds: set[str]) -> None:
        parse = self._parse
        first = group[0]
        clause = parse.clause.get(first.first)
        if standing != "today":
            why = "history" if standing == "prior" else "plan"
        elif any(p.prior for p in group):
            why = "history"
        elif any(p.none for p in group):
            why = "none: says there is no such device"
            if (
                "none" in first.words
                and first.head
                and not first.sizes
                and not self._sentence_target
                and self._left_in(clause)
            ):
                self._statement(group, 0, 0, "total")
        else:
            why = ""
            for cue in parse.cues:
                cue_clause = parse.clause.get(cue.first)
                if cue_clause != clause or "today" in kinds:
                    continue
                if cue.means.cue == "history":
                    inside = any(p.first <= cue.first < p.last for p in parse.phrases)
                    behind = cue.means.reach == "both" and cue.first <= group[-1].last + 6
                    if not inside and (cue.first < first.first or behind):
                        why = "history"
                elif (
                    cue.means.cue == "plan"
                    and (cue.first < first.first or 0 <= cue.first - group[-1].last <= 1)
                    and not any(
                        c.means.cue == "intent"
                        and c.first < first.first
                        and parse.clause.get(c.first) == clause
                        for c in parse.cues
                    )
                ) or cue.means.cue == "cancelled":
                    why = "plan"
                elif cue.means.cue == "imaging" and not self.timeline.today():
                    why = "history"
            if not why and any(c.means.cue == "plan" and c.means.reach == "sentence" for c in parse.cues):
                why = "plan"
            verb_here = any(parse.clause.get(a.first) == clause for a in parse.actions) or any(
                role == "be" and parse.clause.get(i) == clause for i, role in parse.roles.items()
            )
            if (
                not why
                and not verb_here
                and any(p.explanation == "plan" for p in parse.phrases if p.first < first.first)
            ):
                why = "plan"  # "he proposes a 14/6 ..., and for the other leak one 5W"
            if not why and self._instead(first):
                why = "instead: named for what was not taken"
            if not why and self._under_none(first):
                why = "none: says there is no such device"
            if not why and (
                self._dated(parse, clause)
                or any(c.means.cue == "history" and c.means.reach == "sentence" for c in parse.cues)
            ):
                why = "history"
        if why:
            for phrase in group:
                phrase.explanation = why
            if (
                why == "history"
                and not first.pronoun
                and not first.none
                and (standing == "today" or first.number is not None)
                and first.determiner != "definite"
            ):
                self._add(first, "prior")
            elif why == "plan" and not first.pronoun and first.determiner != "definite" and not first.none:
                self._add(first, "planned")

    def _instead(self, phrase: DevicePhrase) -> bool:
        """ "Instead of a 12 mm plug, a 10 mm was deployed"."""
        before = self._parse.words.words[max(self._parse.first, phrase.first - 2) : phrase.first]
        return before in (["instead", "of"], ["rather", "than"]) and phrase.determiner != "definite"

    def _under_none(self, phrase: DevicePhrase) -> bool:
        """ "No sheath, wire or device was opened": the negation reaches over the list."""
        parse = self._parse
        if phrase.determiner == "definite" or phrase.number is not None:
            return False
        listed = False
        for i in range(phrase.first - 1, max(parse.first - 1, phrase.first - 9), -1):
            item = parse.items.get(i)
            if item is not None and item.kind == "count" and item.means.word in ("none", "none_more"):
                return listed
            if parse.words.words[i] == "," or parse.roles.get(i) == "conjunction":
                listed = True
            elif (item is not None and item.kind != "other_device") or parse.roles.get(i) is not None:
                return False
        return False

    def _left_in(self, clause: int | None) -> bool:
        return any(
            a.means.event in ("open", "release", "remain") and self._parse.clause.get(a.first) == clause
            for a in self._parse.actions
        )

    @staticmethod
    def _dated(parse: Parse, clause: int | None) -> bool:
        """A calendar year in running text tells of another day."""
        if parse.sentence.form not in ("prose", "item"):
            return False
        for i, mention in parse.items.items():
            inside = any(p.first <= i < p.last for p in parse.phrases)
            if (
                mention.kind == "size"
                and mention.means.form == "date"
                and not inside
                and parse.clause.get(i) == clause
            ):
                words = parse.words.words[mention.first : mention.last]
                before = parse.words.words[mention.first - 1] if mention.first > parse.first else ""
                months = len(words) == 2 and len(words[1]) == 4 and words[1].isdigit()
                if (
                    words[0] in ("in", "since", "of", "from")
                    or (len(words) == 1 and len(words[0]) == 4)
                    or (months and before in ("in", "since", "of", "from"))
                ):
                    return True
        return False

    # -- counts ----------------------------------------------------------------

    def _state_total(self, group: list[DevicePhrase]) -> None:
        """A stated total: "a total of three plugs", "successful closure with two devices"."""
        quantities = [None if p.quantity == 1 and self._distributed(p) else p.quantity for p in group]
        if any(
            p.pronoun
            or p.words & {"another", "more", "remaining", "other", "former", "latter", "same"}
            or p.ordinal
            for p in group
        ):
            return
        if self._acted_away(group):
            return
        low = sum(q if q is not None else 2 for q in quantities)
        high = None if None in quantities else low
        if (
            group[0].determiner == "bare"
            and high is not None
            and not any(p.sizes for p in group)
            and all(p.number is None for p in group)
        ):
            # "closure with Amplatzer plug": a title does not count.
            low, high = 1, None
        if group[0].determiner == "definite" and group[0].number is None:
            return
        clause = self._parse.clause.get(group[0].first)
        acts = [a.means.event for a in self._parse.actions if self._parse.clause.get(a.first) == clause]
        if acts and all(event in ("load", "select") for event in acts):
            return  # "four plugs were taken through": how many stayed is told after
        self._statement(group, low, high, "total")
        if self.timeline.today():
            for phrase in group:
                phrase.explanation = f"claim: {low if high == low else f'{low} or more'} devices"

    def _acted_away(self, group: list[DevicePhrase]) -> bool:
        """Whether the clause takes these devices out again, or leaves them unused."""
        clause = self._parse.clause.get(group[0].first)
        return any(
            a.means.event in ("withdraw", "unused", "waste", "embolize", "exchange", "capture")
            and self._parse.clause.get(a.first) == clause
            and not self._negated(a)
            for a in self._parse.actions
        )

    def _statement(
        self,
        group: list[DevicePhrase],
        low: int,
        high: int | None,
        kind: Literal["total", "position", "opened"],
    ) -> None:
        start, end = self._span(group[0].first, group[-1].last)
        rule = next((c.rule for c in self._parse.cues if c.means.cue == "summary"), "claim.stated")
        self.timeline.statements.append(
            Statement(low, high, start, end, self._parse.sentence.section.role, rule, kind, self._valve)
        )

    # -- actions -----------------------------------------------------------------

    def _act(self, action: Mention, standing: Standing) -> None:
        event = action.means.event
        self._verb = action.means.form == "verb"
        if event == "exchange":
            self._exchange(action)
            return
        if event == "close":
            group = self._after_with(action)
            if group is None or group[0].explanation:
                return
            event = "open"
        else:
            found = self._patient(action)
            if found is None:
                self._unclaimed(action, standing)
                return
            group = found
        if group and group[0].explanation and not group[0].pronoun and id(group[0]) not in self._done:
            return
        if standing != "today":
            return
        standing_cue = self._cue_before(action, group)
        negated = self._negated(action)
        unable = self._cued(action, "inability")
        planned = self._cued(action, "plan") and not self._cued(action, "intent")
        intended = self._cued(action, "intent")
        del standing_cue
        if planned and event in ("select", "load", "open", "release", "withdraw", "exchange"):
            self._explain(group, "plan")
            return
        if negated or unable:
            self._undone(action, group, event, negated)
            return
        devices = self._resolve(group, event, action)
        for device in devices:
            if intended and event in ("open", "load", "select") and device.state == "named":
                device.pending = True
                self._log(device, "select", action, group)
            else:
                self._apply(device, event, action, group)
        if devices:
            self._focus = devices

    def _unclaimed(self, action: Mention, standing: Standing) -> None:
        """ "A twin was deployed": a verb of occluders only, and no noun of ours before it."""
        parse = self._parse
        if (
            not action.means.sure
            or standing != "today"
            or action.means.form == "noun"
            or self._sentence_target
        ):
            return
        if self._negated(action) or any(self._cued(action, cue) for cue in ("plan", "history", "inability")):
            return
        clause = parse.clause.get(action.first)
        if any(
            m.kind in ("other_device", "target", "leak") and parse.clause.get(m.first) == clause
            for m in parse.nouns
        ):
            return
        if (
            "history" in parse.cue_kinds()
            or any(parse.clause.get(p.first) == clause for p in parse.phrases)
            or not self._passive(action)
        ):
            return
        start, end = self._span(action.first, action.last)
        self.timeline.loose.append(Loose(None, start, end, parse.sentence.section.role, 1))

    def _undone(self, action: Mention, group: list[DevicePhrase], event: str, negated: bool) -> None:
        """An action that did not happen."""
        if event in ("open", "load", "release", "select", "remain"):
            if (
                group
                and negated
                and (
                    group[0].determiner == "indefinite"
                    or (group[0].determiner == "bare" and group[0].plural and not group[0].sizes)
                )
            ):
                self._explain(group, "not done")
                return
            devices = self._resolve(group, "load", action)
            for device in devices:
                device.tried = True
                if device.state in ("named",):
                    device.state = "loaded"
                self._log(device, f"not {event}", action, group)
            if devices:
                self._focus = devices
        elif event == "withdraw" or event == "embolize" or event == "capture":
            self._explain(group, "not done")
        else:
            self._explain(group, "described")

    def _exchange(self, action: Mention) -> None:
        if self._exchanges_other(action):
            return
        old = self._left(action)
        new = self._exchange_object(action)
        if self._negated(action) or (self._cued(action, "plan") and not self._cued(action, "intent")):
            for group in (old, new):
                if group:
                    self._explain(group, "plan")
            return
        if old is not None and old[0].explanation and not old[0].pronoun and id(old[0]) not in self._done:
            old = None
        right = self._right(action)
        if old is None and new is None and right is not None:
            # "We exchanged the plug", "upsized the 8 mm to a 10 mm"
            old = right
        elif old is None and new is not None and right is not None and right is not new:
            old = right
        if old is None and new is None:
            return
        if old is None:
            if not self._focus or not any(d.standing == "today" for d in self._focus):
                devices: list[TrackedDevice] = []
            else:
                devices = [d for d in self._focus if d.state not in ("removed",)] or []
        else:
            if self._subject_is_other(action) and old is self._left(action):
                return
            devices = self._resolve(old, "withdraw", action)
        if new is None and (
            not devices or old is None or (old[0].pronoun and action.first - old[-1].last > 4)
        ):
            return
        for device in devices:
            self._apply(device, "withdraw", action, old or [])
        if new is not None and not new[0].explanation:
            made = self._introduce(new)
            for device in made:
                device.state = "loaded"
                if devices and device.valve is None:
                    device.valve = devices[0].valve
                if device.product is None and devices:
                    device.product = devices[0].product
                self._log(device, "load", action, new)
            self._focus = made

    def _exchanges_other(self, action: Mention) -> bool:
        """ "exchanged it for a stiff wire"."""
        parse = self._parse
        for noun in parse.nouns:
            if (
                noun.kind == "other_device"
                and noun.means.role != "part"
                and 0 <= noun.first - action.last <= 6
            ):
                between = range(action.last, noun.first)
                if any(
                    parse.roles.get(i) in ("exchange", "with") or parse.words.words[i] in ("to", "over")
                    for i in between
                ) and not any(p.first in between and not p.pronoun for p in parse.phrases):
                    return True
        return False

    def _exchange_object(self, action: Mention) -> list[DevicePhrase] | None:
        """The group after for / with / by / to."""
        roles, words = self._parse.roles, self._parse.words.words
        for group in self._parse.groups:
            if group[0].first < action.last or group[0].pronoun:
                continue
            gap = range(action.last, group[0].first)
            if len(gap) > 12:
                break
            before = group[0].first - 1
            if roles.get(before) in ("exchange", "with") or words[before] in ("to", "into"):
                return group
            if len(gap) == 0 and words[action.first] in ("exchanged", "upsized", "downsized"):
                continue
        return None

    # -- who is acted upon -------------------------------------------------------

    def _patient(self, action: Mention) -> list[DevicePhrase] | None:
        """The group an action is about; [] for the devices in focus; None for something else."""
        if action.means.form == "noun":
            right = self._right(action)
            if right is not None:
                return right
            left = self._left(action)
            if left is not None and left[-1].last == action.first:
                return left
            return None
        left = self._left(action)
        right = self._right(action)
        if action.means.event == "embolize" and (left is None or action.first - left[-1].last > 6):
            return None if not self._no_subject(action) else []
        if left is not None and left[0].pronoun and self._noun_between(left[-1].last, action.first):
            left = None
        part = self._part(action, left)
        if part is not None:
            # "LV disc opened": a part opens with its device; a part pulled back does not take it out.
            return (left or []) if action.means.event in ("open", "check") else None
        if right is None and self._object_is_other(action):
            return None
        if self._passive(action):
            if self._subject_is_other(action):
                return None
            if left is not None and not (
                right is not None and left[0].pronoun and right[0].determiner != "definite"
            ):
                return left  # but: "it was deployed a 10 mm plug"
            return right
        if right is not None:
            tight = left is not None and left[-1].last == action.first
            if not tight or right[0].determiner != "bare":
                # "Plug deployed, a second advanced" keeps its own subject by the comma.
                return right
        if self._subject_is_other(action):
            return None
        if left is not None:
            return left
        if right is None and self._no_subject(action):
            return []
        return None

    def _noun_between(self, a: int, b: int) -> bool:
        return any(
            m.kind in ("other_device", "target") and a <= m.first < b and not self._prepositional(m.first, m)
            for m in self._parse.nouns
        )

    def _part(self, action: Mention, left: list[DevicePhrase] | None) -> Mention | None:
        """A part of a device ("distal disc") that is the subject of an action."""
        start = left[-1].last if left else self._parse.first
        clause = self._parse.clause.get(action.first)
        return next(
            (
                m
                for m in self._parse.nouns
                if (m.kind == "device" or (m.kind == "other_device" and m.means.role == "part"))
                and start <= m.first < action.first
                and self._parse.clause.get(m.first) == clause
            ),
            None,
        )

    def _object_is_other(self, action: Mention) -> bool:
        """ "withdrawing the sheath": the object right behind the verb is no device."""
        parse = self._parse
        for i in range(action.last, min(parse.last, action.last + 6)):
            mention, role = parse.items.get(i), parse.roles.get(i)
            if mention is not None and mention.kind in ("other_device", "target"):
                return not self._passive(action) and not (
                    mention.kind == "other_device" and mention.means.role == "part"
                )
            if role in (
                "preposition",
                "of",
                "with",
                "conjunction",
                "clause",
                "relative",
                "be",
                "exchange",
            ) or parse.words.words[i] in (",", ".", ";", ":"):
                return False
        return False

    def _right(self, action: Mention) -> list[DevicePhrase] | None:
        parse = self._parse
        for group in parse.groups:
            phrase = group[0]
            if phrase.first < action.last:
                if phrase.last > action.last and phrase.first <= action.first:
                    return None
                continue
            gap = range(action.last, phrase.first)
            if len(gap) > 6:
                return None
            for i in gap:
                word, role = parse.words.words[i], parse.roles.get(i)
                mention = parse.items.get(i)
                if word in (",", ";", ".", ":") and not (
                    word == ":" and (action.means.form == "noun" or action.means.event == "unused")
                ):
                    return None
                if role in ("preposition", "clause", "relative", "conjunction", "be", "with", "exchange"):
                    if role == "conjunction" and self._next_action(i + 1, phrase.first):
                        # "deployed and released the plug"
                        continue
                    return None
                if mention is not None and mention.kind not in ("count", "size", "action", "valve"):
                    return None
            return group
        return None

    def _next_action(self, a: int, b: int) -> bool:
        return any(i in self._parse.items and self._parse.items[i].kind == "action" for i in range(a, b))

    def _left(self, action: Mention) -> list[DevicePhrase] | None:
        parse = self._parse
        clause = parse.clause.get(action.first)
        best: list[DevicePhrase] | None = None
        for group in parse.groups:
            if group[-1].last > action.first:
                break
            if self._landmark(group) and best is not None:
                continue
            if self._landmark(group) and not group[0].pronoun:
                continue
            best = group
        if best is None:
            return None
        here = parse.clause.get(best[-1].last - 1)
        if here == clause:
            return best
        if here is None or clause is None:
            return None
        # The subject carries over a comma or relative clause: "a plug, which was then released".
        boundary = [i for i in range(best[-1].last, action.first) if parse.clause.get(i) != here]
        nearer = any(
            m.kind in ("other_device", "target") and best[-1].last <= m.first < (boundary or [0])[0]
            for m in parse.nouns
        )
        if boundary and parse.roles.get(boundary[0]) == "relative" and nearer:
            return None  # "through a sheath which was placed": another noun stands nearer
        if boundary and (
            parse.roles.get(boundary[0]) in ("relative", "clause", "conjunction")
            or parse.words.words[boundary[0]] in (",", ";", "–", "—")
        ):
            between = range(boundary[0], action.first)
            if not any(self._is_subject_noun(i) for i in between):
                return best
        return None

    def _is_subject_noun(self, i: int) -> bool:
        """A word between a device and an action that may be the action's own subject."""
        parse = self._parse
        mention = parse.items.get(i)
        if mention is not None:
            return mention.kind in ("other_device", "target", "leak")
        return False

    def _landmark(self, group: list[DevicePhrase]) -> bool:
        """A device named only to say where: "adjacent to the first plug"."""
        phrase = group[0]
        if phrase.determiner != "definite" and phrase.ordinal is None and not phrase.prior:
            return False
        if phrase.sizes and not phrase.prior and not self._matching(phrase, self.timeline.today()):
            return False  # a size not met before is a new device
        for cue in self._parse.cues:
            if cue.means.cue == "landmark" and cue.last == phrase.first:
                before = self._parse.items.get(cue.first - 1)
                return not (before is not None and before.kind == "action" and before.means.form == "noun")
        return self._parse.roles.get(phrase.first - 1) in ("preposition", "of") and not self._nominal_object(
            phrase
        )

    def _nominal_object(self, phrase: DevicePhrase) -> bool:
        for i in (phrase.first - 1, phrase.first - 2):
            mention = self._parse.items.get(i)
            if (
                mention is not None
                and mention.kind == "action"
                and (mention.means.form == "noun" or mention.last == phrase.first)
            ):
                return True
        return False

    def _passive(self, action: Mention) -> bool:
        i = action.first - 1
        while i >= self._parse.first and (
            self._parse.roles.get(i) in ("adverb",)
            or any(
                c.first <= i < c.last
                and c.means.cue in ("negation", "again", "sequence")
                and self._parse.roles.get(i) != "be"
                for c in self._parse.cues
            )
        ):
            i -= 1
        return self._parse.roles.get(i) == "be"

    def _subject_is_other(self, action: Mention) -> bool:
        """Whether the nearest noun before the verb is not a device."""
        parse = self._parse
        clause = parse.clause.get(action.first)
        i = action.first - 1
        seen_verb = False
        while i >= parse.first and parse.clause.get(i) == clause:
            if any(p.first <= i < p.last for g in parse.groups for p in g):
                return False
            mention, role = parse.items.get(i), parse.roles.get(i)
            if mention is not None and mention.kind == "action":
                seen_verb = True
            elif mention is not None and mention.kind in ("other_device", "target", "valve", "leak"):
                # "through the sheath was deployed": a place, not a subject.
                return not self._prepositional(i, mention)
            elif (
                mention is None
                and role is None
                and parse.words.words[i].isalpha()
                and not any(c.first <= i < c.last for c in parse.cues)
            ):
                if role is None and not seen_verb and self._passive(action):
                    return not self._group_before_preposition(i)
            i -= 1
        return False

    def _group_before_preposition(self, i: int) -> bool:
        """Whether an unknown noun hangs on a preposition behind a device: "the plug in the sheath was released"."""
        parse = self._parse
        k = i
        while k >= parse.first:
            if any(p.first <= k < p.last for g in parse.groups for p in g):
                return k < i and any(
                    parse.roles.get(j) in ("preposition", "of", "with", "exchange") for j in range(k, i)
                )
            if parse.roles.get(k) in ("clause", "relative", "subject"):
                return False
            k -= 1
        return False

    def _prepositional(self, i: int, mention: Mention) -> bool:
        parse = self._parse
        for k in range(mention.first - 1, max(parse.first - 1, mention.first - 5), -1):
            if parse.roles.get(k) in ("preposition", "with", "of", "exchange"):
                return True
            if parse.roles.get(k) in ("be", "clause", "conjunction"):
                return False
        return False

    def _no_subject(self, action: Mention) -> bool:
        parse = self._parse
        clause = parse.clause.get(action.first)
        i = action.first - 1
        while i >= parse.first and parse.clause.get(i) == clause:
            mention = parse.items.get(i)
            known = parse.roles.get(i) is not None or any(c.first <= i < c.last for c in parse.cues)
            if mention is not None and mention.kind in ("size", "action", "count"):
                known = True
            if not known and parse.words.words[i].isalpha():
                return False
            i -= 1
        return True

    def _after_with(self, action: Mention) -> list[DevicePhrase] | None:
        """ "closed with two plugs", "using a 10 mm AVP II"."""
        for group in self._parse.groups:
            if group[0].first >= action.last and not group[0].pronoun:
                gap = range(action.last, group[0].first)
                if (
                    any(
                        self._parse.roles.get(i) == "with" or self._parse.words.words[i] in ("by", "via", ":")
                        for i in gap
                    )
                    and len(gap) < 14
                ):
                    if any(
                        self._parse.items.get(i) is not None
                        and self._parse.items[i].kind == "action"
                        and self._parse.items[i] is not action
                        and self._parse.items[i].means.event != "close"
                        for i in gap
                    ):
                        return None
                    return group
                return None
        return None

    # -- cues ----------------------------------------------------------------------

    def _negated(self, action: Mention) -> bool:
        return self._cued(action, "negation") or self._none_phrase(action)

    def _none_phrase(self, action: Mention) -> bool:
        clause = self._parse.clause.get(action.first)
        return any(
            p.none and self._parse.clause.get(p.first) == clause and p.last <= action.first
            for p in self._parse.phrases
        )

    def _cue_before(self, action: Mention, group: list[DevicePhrase]) -> set[str]:
        return {c.means.cue for c in self._parse.cues if c.last <= action.first}

    def _cued(self, action: Mention, kind: str) -> bool:
        """Whether a cue governs an action: in its clause, before it, nothing acted between."""
        parse = self._parse
        clause = parse.clause.get(action.first)
        for cue in parse.cues:
            if cue.means.cue != kind or cue.last > action.first or parse.clause.get(cue.first) != clause:
                continue
            between = range(cue.last, action.first)
            if kind == "negation":
                if any(parse.words.words[i] == "," for i in between):
                    continue
                blockers = [
                    parse.items[i]
                    for i in between
                    if i in parse.items and parse.items[i].kind in ("action", "leak", "other_device")
                ]
                if (
                    blockers
                    or (len(between) > 5)
                    or (
                        parse.words.words[cue.first] == "without"
                        and any(parse.roles.get(i) is None and i not in parse.items for i in between)
                    )
                ):
                    continue
            elif kind in ("inability", "intent"):
                if any(
                    parse.items.get(i) is not None
                    and parse.items[i].kind == "action"
                    and parse.roles.get(i - 1) not in ("conjunction",)
                    and not self._joined(i, action)
                    for i in between
                ):
                    continue
            return True
        return False

    def _joined(self, i: int, action: Mention) -> bool:
        """ "to recapture and exchange": both actions stand under one cue."""
        return any(self._parse.roles.get(k) == "conjunction" for k in range(i, action.first))

    # -- devices ---------------------------------------------------------------------

    def _resolve(self, group: list[DevicePhrase], event: str, action: Mention) -> list[TrackedDevice]:
        """The devices a group denotes; new ones where it introduces them."""
        if not group:
            return [d for d in self._focus if d.standing == "today"]
        out: list[TrackedDevice] = []
        for phrase in group:
            if id(phrase) in self._done:
                out += self._known[id(phrase)]
                continue
            self._taken = out
            devices = self._denoted(phrase, event)
            self._taken = []
            if phrase.valve and len(devices) == 1:
                devices[0].valve = phrase.valve
            self._remember(phrase, devices)
            out += devices
        return out

    def _remember(self, phrase: DevicePhrase, devices: list[TrackedDevice]) -> None:
        self._done.add(id(phrase))
        self._known[id(phrase)] = devices
        if devices:
            phrase.explanation = "device " + ", ".join(
                str(self.timeline.devices.index(d) + 1) for d in devices
            )
        elif not phrase.explanation:
            phrase.explanation = "no device"

    def _denoted(self, phrase: DevicePhrase, event: str) -> list[TrackedDevice]:
        live = [d for d in self.timeline.devices if d.standing == "today"]
        if phrase.pronoun:
            if phrase.plural:
                return [d for d in self._focus] if len(self._focus) > 1 else [d for d in live if d.in_place]
            named = self._named_before(phrase)
            if named is not None:
                devices = self._denoted(named, "select")
                self._remember(named, devices)
                return devices
            if not self._focus and not live and event in ("load", "open", "release"):
                planned = [d for d in self.timeline.devices if d.standing == "planned"]
                for device in planned[-1:]:
                    device.standing = "today"  # "a 7 mm would fit ... it was advanced"
                return planned[-1:]
            return self._focus[-1:] if self._focus else live[-1:]
        if phrase.determiner == "definite":
            return self._definite(phrase, event, live)
        if phrase.determiner == "bare":
            return self._bare(phrase, event, live)
        waiting = [d for d in live if d.state in ("named", "loaded", "deployed")]
        if (
            phrase.headless
            and phrase.number
            and not phrase.sizes
            and phrase.ordinal is None
            and not phrase.words & {"another", "more", "article"}
        ):
            if len(waiting) > phrase.number or ("only" in phrase.words and len(waiting) >= phrase.number):
                return self._part_of(phrase, event, waiting)  # "two were opened, one was released"
        if event in ("withdraw", "embolize", "capture", "remain", "check", "reposition", "unused", "waste"):
            match = self._matching(phrase, [d for d in live if d.state not in ("removed", "unused")])
            if "article" in phrase.words and phrase.sizes:
                match = [d for d in match if d.size is not None]
            if phrase.ordinal is not None:
                match = [d for d in match if d.ordinal == phrase.ordinal]
            if event == "remain" and phrase.quantity and not any(d.in_place for d in live) and not match:
                return self._introduce(phrase)
            if (
                match
                and (phrase.number or 1) == 1
                and (phrase.sizes or event != "unused")
                and not phrase.words & {"another"}
            ):
                return match[-1:]
            single = (
                phrase.quantity == 1
                and "article" in phrase.words
                and (phrase.sizes or phrase.product or phrase.ordinal)
            )
            if event in ("remain", "check") and not single:
                return self._position(phrase, live)
        return self._introduce(phrase)

    def _named_before(self, pronoun: DevicePhrase) -> DevicePhrase | None:
        """The device a sentence named before its "it", when no action has taken it up yet."""
        before = [p for p in self._parse.phrases if p.last <= pronoun.first and not p.pronoun]
        if (
            not before
            or before[-1].explanation
            or id(before[-1]) in self._done
            or self._landmark([before[-1]])
        ):
            return None
        phrase = before[-1]
        return phrase if (phrase.sizes or phrase.product) and phrase.quantity == 1 else None

    def _definite(self, phrase: DevicePhrase, event: str, live: list[TrackedDevice]) -> list[TrackedDevice]:
        usable = [d for d in live if d.state not in ("unused",)]
        active = [d for d in usable if d.state != "removed"]
        if phrase.words & {"both", "all", "each"} or (phrase.plural and not phrase.ordinal):
            return self._plural(phrase, event, active)
        if "former" in phrase.words:
            return usable[-2:-1]
        if "latter" in phrase.words or "last" in phrase.words:
            return usable[-1:]
        if phrase.words & {"other", "remaining"} and active:
            others = [d for d in active if d not in self._focus]
            return others[-1:] or active[-1:]
        if "part" in phrase.words and phrase.number is not None and active:
            return self._part_of(phrase, event, active)
        if "pair" in phrase.words and phrase.number is not None and len(active) >= phrase.number:
            return self._plural(phrase, event, active)
        if phrase.words & {"another", "more"} or "pair" in phrase.words:
            return self._introduce(phrase)
        if phrase.ordinal is not None or phrase.label is not None:
            return self._by_ordinal(phrase, event, usable)
        pool = active or usable
        match = self._matching(phrase, pool)
        if match:
            if phrase.sizes or phrase.product:
                return match[-1:]
            focus = [d for d in self._focus if d in pool]
            return focus[-1:] or match[-1:]
        if phrase.sizes:
            removed = self._matching(phrase, usable)
            if removed and ("same" in phrase.words or event in ("withdraw", "unused", "capture")):
                return removed[-1:]
        if not active and usable and not phrase.sizes:
            return usable[-1:]
        if event in ("remain", "check") and active and not phrase.sizes:
            return active[-1:]
        return self._introduce(phrase)

    def _part_of(self, phrase: DevicePhrase, event: str, active: list[TrackedDevice]) -> list[TrackedDevice]:
        """Some of the devices at hand; "only one" says that the others did not stay."""
        number = phrase.number or 1
        waiting = [d for d in active if d.state != "released"] or active
        chosen = waiting[:number]
        if "only" in phrase.words and event in ("open", "release", "remain"):
            for device in active:
                if device not in chosen and device.state != "released":
                    device.state = "removed"
        return chosen

    def _by_ordinal(
        self, phrase: DevicePhrase, event: str, usable: list[TrackedDevice]
    ) -> list[TrackedDevice]:
        n = phrase.ordinal or phrase.label or 1
        named = [
            d
            for d in usable
            if n in (d.ordinal, d.label) and _same_size(d.size, phrase.sizes[0] if phrase.sizes else None)
        ]
        if named:
            return named[-1:]
        if len(usable) >= n and event != "select":
            kept = [d for d in usable if d.state != "removed"]
            pool = kept if len(kept) >= n else usable
            candidate = pool[n - 1]
            if candidate.ordinal in (None, n) and _same_size(
                candidate.size, phrase.sizes[0] if phrase.sizes else None
            ):
                if not (event in ("open", "load") and candidate.state == "released"):
                    return [candidate]
        return self._introduce(phrase)

    def _plural(self, phrase: DevicePhrase, event: str, active: list[TrackedDevice]) -> list[TrackedDevice]:
        number = phrase.number
        # Before anything is deployed every device at hand is meant; later those in place.
        pool = [d for d in active if d.in_place] if event in ("remain", "check") else active
        pool = [d for d in pool if d.target is None] or pool
        if number is None and "each" in phrase.words and not phrase.plural and len(pool) == 1:
            return pool
        if number is None:
            if len(self._focus) > 1 and all(d in active for d in self._focus):
                return list(self._focus)
            if len(pool) >= 2 or (len(pool) == 1 and pool[0].many):
                if event in ("remain", "check"):
                    return pool
                return pool
            if not pool and event in ("open", "release") and self._verb:
                return self._introduce(phrase)
            if not pool and event in ("load", "select"):
                return []
            self._loosen(phrase, 1)
            return pool
        pool = self._expand(pool, number)
        if "all" in phrase.words and number < sum(d.in_place for d in pool):
            self._statement([phrase], number, number, "total")
        if event in ("remain", "check", "release") and pool:
            self._statement([phrase], number, number, "position")
        if len(pool) < number and event in ("release", "remain", "reposition", "withdraw"):
            introduced = [d for d in self.timeline.today() if d.state != "unused"]
            if len(introduced) == number or (
                len(introduced) > number > 1 and not phrase.words & {"another"} and len(pool) + 1 == number
            ):
                # A number said at the end tells that one taken back was put in again.
                pool = introduced[-number:]
        if len(pool) >= number:
            fresh = [d for d in pool if d.state not in ("released",)]
            if event == "release" and len(fresh) >= number:
                return fresh[-number:]
            return pool[-number:]
        if not pool and event in ("open", "load", "release", "select"):
            return self._introduce(phrase)
        if (
            event in ("open", "load") and len(pool) < number and not phrase.words & {"both", "all"}
        ) or event not in ("remain", "check", "release"):
            self._loosen(phrase, number - len(pool))
        return pool

    def _expand(self, pool: list[TrackedDevice], number: int) -> list[TrackedDevice]:
        """ "One in each sheath ... both were released": the number said later fixes a "many"."""
        many = [d for d in pool if d.many]
        if len(many) != 1 or len(pool) > number:
            return pool
        first = many[0]
        first.many = False
        while len(pool) < number:
            twin = TrackedDevice(
                first.product, first.size, first.state, valve=first.valve, target=first.target, paragraph=first.paragraph,
                events=list(first.events),
            )  # fmt: skip
            self.timeline.devices.insert(self.timeline.devices.index(first) + 1, twin)
            pool.append(twin)
        return pool

    def _bare(self, phrase: DevicePhrase, event: str, live: list[TrackedDevice]) -> list[TrackedDevice]:
        if phrase.ordinal is not None or phrase.label is not None:
            return self._by_ordinal(phrase, event, [d for d in live if d.state != "unused"])
        active = [d for d in live if d.state not in ("removed", "unused")]
        if (
            not self._verb
            and not (phrase.sizes or phrase.product or phrase.number)
            and phrase.head is not None
        ):
            # "device placement", "plug deployment": the act by name, of devices told of elsewhere
            return [d for d in self._focus if d in active]
        if (
            event == "embolize"
            and not phrase.sizes
            and any(d.state in ("removed", "embolized") for d in live)
        ):
            return []  # "device embolization, retrieved": told again
        match = self._matching(phrase, active)
        if phrase.plural and not phrase.sizes:
            if event in ("open", "load", "select", "release") and not active:
                return self._introduce(phrase)
            return self._plural(phrase, event, active)
        if event in ("open", "load", "select"):
            fresh = [
                d
                for d in match
                if d.state in ("named", "loaded")
                or (event == "open" and d.state == "deployed" and not phrase.sizes)
            ]
            if fresh:
                return fresh[-1:]
            if match and not phrase.sizes and not phrase.product:
                # "Device deployed" with every device already released: the next one.
                return self._introduce(phrase)
            return self._introduce(phrase)
        if event == "release":
            fresh = [d for d in match if d.state in ("named", "loaded", "deployed")]
            if fresh:
                focus = [d for d in self._focus if d in fresh]
                return focus[-1:] or fresh[-1:]
            if match and phrase.product and not phrase.sizes:
                made = self._introduce(phrase)  # released already: this may be the next one
                for device in made:
                    device.doubtful = True
                return made
        if match:
            focus = [d for d in self._focus if d in match]
            return focus[-1:] or match[-1:]
        if event in ("remain", "check") and not (phrase.sizes and phrase.product and phrase.quantity == 1):
            return self._position(phrase, live)
        if event in ("withdraw", "embolize", "capture", "unused", "waste", "reposition") and not (
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
        return self._introduce(phrase)

    def _position(self, phrase: DevicePhrase, live: list[TrackedDevice]) -> list[TrackedDevice]:
        """ "Two plugs well seated": a statement about what is in place."""
        in_place = [d for d in live if d.in_place]
        number = phrase.quantity
        if number is not None and (phrase.number is not None or len(phrase.sizes) > 1):
            self._statement([phrase], number, number, "position")
        elif number is None and len(in_place) < 2 and not any(d.many for d in in_place):
            self._statement([phrase], 2, None, "position")
        phrase.explanation = "claim: position"
        return in_place[-number:] if number else in_place

    def _matching(self, phrase: DevicePhrase, pool: list[TrackedDevice]) -> list[TrackedDevice]:
        """Devices of the pool that fit size, product, number and site of a phrase."""
        size = phrase.sizes[0] if phrase.sizes else None
        fitting = [
            d for d in pool
            if _same_size(d.size, size)
            and _same_product(d.product, phrase.product)
            and (self._sentence_target is None or d.target in (None, self._sentence_target))
        ]  # fmt: skip
        if size is not None:
            exact = [d for d in fitting if size_key(d.size) == size_key(size)]
            fitting = exact or [d for d in fitting if d.size is None]
        return fitting

    def _another_kind(self, phrase: DevicePhrase) -> bool:
        """ "The device was released" where the only device spoken of so far is a valve or a clip."""
        vague = (
            phrase.head is not None and phrase.head.means.vague and not phrase.sizes and not phrase.product
        )
        return vague and self._other_implant and not self.timeline.today()

    def _introduce(self, phrase: DevicePhrase | list[DevicePhrase]) -> list[TrackedDevice]:
        """New devices, or the one that was only intended until now."""
        if isinstance(phrase, list):
            out = []
            for each in phrase:
                devices = self._introduce(each)
                self._remember(each, devices)
                out += devices
            return out
        if self._another_kind(phrase):
            return []
        number = phrase.quantity
        waiting = [
            d for d in self.timeline.today()
            if d.state in ("named", "loaded") and not d.tried and d not in self._taken
            and _same_size(d.size, phrase.sizes[0] if phrase.sizes else None)
            and _same_product(d.product, phrase.product)
            and (phrase.ordinal is None or d.ordinal in (None, phrase.ordinal))
            and (phrase.label is None or phrase.label in (d.label, d.ordinal))
            and (not phrase.words & {"another", "more"} or d.pending)
        ]  # fmt: skip
        if phrase.head is not None and phrase.head.means.relative:
            waiting = []
        if (
            waiting
            and number == 1
            and (
                phrase.ordinal in (None, waiting[-1].ordinal)
                or (waiting[-1].pending and waiting[-1].size is None)
            )
        ):
            device = waiting[-1]
            device.size = device.size or (phrase.sizes[0] if phrase.sizes else None)
            device.label = device.label or phrase.label
            device.product = device.product or phrase.product
            device.pending = False
            return [device]
        if number is None or self._distributed(phrase):
            device = self._add(phrase, "today")
            device.many = True
            return [device]
        if waiting and number > 1 and len(waiting) >= number:
            for device in waiting[-number:]:
                device.pending = False
            return waiting[-number:]
        said = [
            d for devices in self._known.values() for d in devices if d.product is None and d.size is not None
        ]
        if (
            number == 1
            and phrase.product
            and phrase.sizes
            and phrase.ordinal is None
            and not phrase.words & {"another"}
        ):
            twice = [d for d in said if size_key(d.size) == size_key(phrase.sizes[0])]
            if twice:
                twice[
                    -1
                ].product = phrase.product  # "a ten, so I opened a ten plug": said twice in one breath
                return twice[-1:]
        announced = [d for d in self.timeline.today() if d.announced and d not in self._taken]
        if (
            len(announced) >= number
            and (phrase.sizes or phrase.product)
            and self._parse.sentence.paragraph is not None
        ):
            for i, device in enumerate(announced[:number]):
                device.announced = False
                device.size = phrase.sizes[i if len(phrase.sizes) == number else 0] if phrase.sizes else None
                device.product = phrase.product or device.product
                device.ordinal = device.ordinal or phrase.ordinal
                device.label = device.label or phrase.label
            return announced[:number]
        doubtful = self._repeats(phrase, number)
        made = []
        for i in range(number):
            device = self._add(phrase, "today")
            if phrase.sizes:
                device.size = phrase.sizes[i if len(phrase.sizes) == number else 0]
            device.doubtful = doubtful
            device.announced = number > 1 and not phrase.sizes
            made.append(device)
        return made

    def _distributed(self, phrase: DevicePhrase) -> bool:
        """ "A plug was loaded in each": one for every sheath, however many."""
        parse = self._parse
        for i in [
            *range(max(parse.first, phrase.first - 5), phrase.first),
            *range(phrase.last, min(parse.last, phrase.last + 8)),
        ]:
            mention = parse.items.get(i)
            if mention is not None and mention.kind == "count" and mention.means.word == "each":
                before = parse.roles.get(i - 1)
                return before in ("preposition", "with") or parse.words.words[i - 1] in (
                    "from",
                    "via",
                    "through",
                )
        return False

    def _repeats(self, phrase: DevicePhrase, number: int) -> bool:
        """Whether "two plugs were placed" may retell devices that are already in place."""
        if (
            phrase.words & {"another", "more"}
            or phrase.ordinal is not None
            or phrase.label is not None
            or self._parse.cue_kinds() & {"sequence"}
        ):
            return False
        in_place = [d for d in self.timeline.today() if d.in_place]
        if number > 1:
            return len(in_place) >= number
        same = [d for d in in_place if phrase.sizes and size_key(d.size) == size_key(phrase.sizes[0])]
        return bool(same) and any(d.paragraph != self._parse.sentence.paragraph for d in same)

    def _add(self, phrase: DevicePhrase, standing: Standing) -> TrackedDevice:
        device = TrackedDevice(
            phrase.product,
            phrase.sizes[0] if phrase.sizes else None,
            standing=standing,
            valve=phrase.valve or self._valve,
            target=self._sentence_target or self._usual_target(phrase),
            ordinal=phrase.ordinal,
            label=phrase.label,
            quantity=phrase.quantity,
            counted=phrase.number is not None or bool(phrase.sizes),
            paragraph=self._parse.sentence.paragraph,
        )
        start, end = self._span(phrase.first, phrase.last)
        rule = phrase.head.rule if phrase.head else "count.reference"
        device.events.append(Event("named", start, end, self._parse.sentence.section.role, rule))
        self.timeline.devices.append(device)
        return device

    def _usual_target(self, phrase: DevicePhrase) -> str | None:
        """Where a septal occluder and its like go, unless the sentence ties it to the leak."""
        usual: str | None = phrase.head.means.usual_target if phrase.head else None
        if usual and any(
            m.kind == "leak" and m.means.term not in ("central", "device") for m in self._parse.items.values()
        ):
            return None
        return usual

    def _apply(self, device: TrackedDevice, event: str, action: Mention, group: list[DevicePhrase]) -> None:
        state = device.state
        if event in ("release", "withdraw", "remain", "embolize"):
            device.announced = False
        if state == "removed" and action.means.form == "noun":
            return  # "since the opening of the first plug": nothing new
        if event == "load" and state in ("named", "removed"):
            device.state = "loaded"
        elif event == "open":
            self._opened_in = self._parse.sentence.paragraph
            device.state = "released" if state == "released" else "deployed"
            device.pending = False
        elif event == "release":
            device.state = "released"
            device.pending = False
        elif event == "remain" and state in ("named", "loaded", "deployed"):
            device.state = "released" if state == "deployed" else "deployed"
            device.pending = False
        elif event == "reposition":
            device.state = "deployed" if state in ("loaded", "named", "removed") else state
        elif event == "withdraw" and not group and state == "released":
            return  # "removed", said of nothing: a released device is not taken out unnamed
        elif event == "withdraw":
            device.state = "unused" if state == "unused" else "removed"
        elif event == "embolize":
            device.state = "embolized" if state in ("deployed", "released", "loaded", "named") else state
        elif event == "capture" and state in ("embolized", "deployed", "released"):
            device.state = "removed"
        elif event == "waste":
            device.state = "removed" if not (not group and device.in_place) else state
        elif event == "unused" and not group and device.in_place:
            return  # "good, another not needed": nothing is said of this one
        elif event == "unused":
            device.state = (
                "unused" if state == "named" else "removed" if state in ("loaded", "deployed") else state
            )
        self._log(device, event, action, group)

    def _log(self, device: TrackedDevice, event: str, action: Mention, group: list[DevicePhrase]) -> None:
        start, end = self._span(action.first, action.last)
        if group:
            a, b = self._span(group[0].first, group[-1].last)
            start, end = min(a, start), max(b, end)
        device.events.append(Event(event, start, end, self._parse.sentence.section.role, action.rule))

    # -- loose ends --------------------------------------------------------------------

    def _left_over(self, phrase: DevicePhrase) -> None:
        """A device phrase no action took up."""
        live = self.timeline.today()
        if phrase.pronoun or (
            phrase.headless and not phrase.sizes and phrase.ordinal is None and phrase.number is None
        ):
            phrase.explanation = "reference"
            return
        if phrase.headless:
            phrase.explanation = "reference"
            if "former" in phrase.words and len(live) > 1:
                self._focus = live[-2:-1]
            elif "latter" in phrase.words:
                self._focus = live[-1:] or self._focus
            elif (
                phrase.ordinal is not None
                and phrase.determiner == "definite"
                and not self._landmark([phrase])
            ):
                known = [d for d in live if phrase.ordinal == d.ordinal] or (
                    live[phrase.ordinal - 1 : phrase.ordinal] if len(live) >= phrase.ordinal else []
                )
                self._focus = known[-1:] or self._focus
            if (
                (phrase.number or phrase.words & {"another"})
                and phrase.determiner == "indefinite"
                and self._ellipsis(phrase)
            ):
                for device in self._introduce(phrase):
                    self._repeat_verb(device, phrase)
                return
            if "part" in phrase.words and phrase.number and phrase.number > len(live):
                self._loosen(phrase, phrase.number - len(live))
                return
            if phrase.words & {"another", "more"} and not self._group_negated(phrase):
                self._loosen(phrase, phrase.number or 1)
            elif phrase.ordinal is not None and phrase.number == 1 and live and phrase.ordinal > len(live):
                self._loosen(phrase, phrase.ordinal - len(live))  # "the second one", and only one is known
            return
        if (
            phrase.head is not None
            and phrase.head.means.relative
            and (
                self._parse.roles.get(phrase.first - 1) in ("preposition", "of", "with")
                or not self._passive_after(phrase)
            )
        ):
            neighbours = sum(d.in_place for d in live) > 1
            if neighbours or self._parse.roles.get(phrase.first - 1) in ("preposition", "of", "with"):
                phrase.explanation = "reference"
            else:
                self._loosen(phrase, 1)
            return
        if phrase.head is not None and phrase.head.means.head == "weak":
            phrase.explanation = "described"
            return
        attempt = any(c.means.cue == "inability" for c in self._parse.cues) and bool(
            phrase.sizes and phrase.product
        )
        if self._group_negated(phrase) and not attempt:
            phrase.explanation = "not done"
            return
        active = [d for d in live if d.state not in ("removed", "unused")]
        if phrase.determiner == "definite" or self._landmark([phrase]) or phrase.prior:
            if phrase.words & {"both", "all", "each"} and phrase.number and len(active) != phrase.number:
                self._statement([phrase], phrase.number, phrase.number, "position")
            elif phrase.plural and len(active) == 1 and not active[0].many:
                self._loosen(phrase, 1)
                return
            if (
                phrase.product
                and phrase.sizes
                and not self._matching(phrase, live)
                and not phrase.prior
                and not self._landmark([phrase])
            ):
                devices = self._introduce(phrase)
                for device in devices:
                    device.pending = device.state == "named"
                self._remember(phrase, devices)
                self._focus = devices
                return
            named = self._matching(phrase, active) if (phrase.sizes or phrase.product) else []
            if phrase.ordinal or phrase.label:
                named = [d for d in active if (phrase.ordinal or phrase.label) in (d.ordinal, d.label)]
            if named and not self._landmark([phrase]):
                self._focus = named[-1:]
            phrase.explanation = "reference" if active else "described"
            return
        many = [d for d in active if d.many and d.size is None]
        if many and "article" in phrase.words and phrase.sizes:
            many[0].many, many[0].size = False, phrase.sizes[0]
            many[0].product = many[0].product or phrase.product
            self._split_in = self._parse.first
            self._remember(phrase, many[:1])
            return
        if self._split_in == self._parse.first and "article" in phrase.words and phrase.sizes:
            devices = self._introduce(phrase)
            for device in devices:
                device.state = "deployed"
            self._remember(phrase, devices)
            return
        match = self._matching(phrase, active)
        if phrase.label is not None:
            match = [d for d in match if d.label == phrase.label]
        if self._listing and phrase.number is not None:
            match = []  # a list counts each leak's devices apart
        if (
            match
            and not phrase.words & {"another", "more"}
            and phrase.ordinal is None
            and (phrase.quantity == 1)
        ):
            phrase.explanation = f"device {self.timeline.devices.index(match[-1]) + 1}"
            return
        if (
            phrase.ordinal is not None
            and phrase.determiner == "bare"
            and not phrase.sizes
            and len(live) >= phrase.ordinal
        ):
            phrase.explanation = "reference"
            return
        if self._sentence_target is not None:
            phrase.explanation = "other target"
            return
        verbless = not self._parse.actions and "be" not in self._parse.roles.values()
        if (
            phrase.quantity is not None
            and phrase.number is not None
            and phrase.quantity > 1
            and not (self._listing or (verbless and not active))
        ):
            counted = sum(d.in_place for d in live) > phrase.quantity and phrase.determiner == "indefinite"
            self._statement([phrase], phrase.quantity, phrase.quantity, "total" if counted else "position")
            phrase.explanation = f"claim: {phrase.quantity} devices"
            return
        if (
            phrase.determiner == "bare"
            and not phrase.sizes
            and phrase.quantity == 1
            and phrase.ordinal is None
        ):
            if phrase.product and not active and not self._listing:
                self._loosen(phrase, 1)  # a product by name, and nothing says what became of it
                return
            phrase.explanation = "described"
            return
        if phrase.plural and phrase.quantity is None:
            if (
                phrase.determiner == "bare"
                and self._parse.last - self._parse.first <= 4
                and not self._parse.actions
            ):
                phrase.explanation = "heading"
                return
            if phrase.determiner == "bare":
                if len(active) < 2:
                    self._statement([phrase], 2, None, "position")
                phrase.explanation = "described"
                return
            self._statement([phrase], 2, None, "position")
            phrase.explanation = "claim: more than one device"
            return
        # Named without a verb: it may be the next device.
        devices = self._introduce(phrase)
        for device in devices:
            if self._ellipsis(phrase):
                self._repeat_verb(device, phrase)
            elif any(c.means.cue == "inability" for c in self._parse.cues):
                device.state = "loaded" if device.state == "named" else device.state
                device.tried = True
            elif (
                self._listing
                or (verbless and not active and phrase.number)
                or (phrase.label is not None and self._parse.sentence.form != "log")
                or (self._parse.sentence.form == "item" and verbless)
                or self._ellipsis(phrase)
                or self._fragment()
            ):
                device.state = "deployed"
                device.listed = (
                    self._listing or phrase.label is not None or self._parse.sentence.form == "item"
                )
            elif device.state == "named" and self._parse.sentence.form == "log":
                device.state = "loaded"
            elif device.state == "named":
                device.pending = True
        self._remember(phrase, devices)
        self._focus = devices

    def _ellipsis(self, phrase: DevicePhrase) -> bool:
        """ "One plug was deployed, followed by a second": the verb is not said again."""
        parse = self._parse
        before = [
            parse.roles.get(i) == "conjunction" or parse.words.words[i] == "then"
            for i in range(max(parse.first, phrase.first - 3), phrase.first)
        ]
        acts = [a for a in parse.actions if a.last <= phrase.first]
        return (
            any(before)
            and bool(acts)
            and acts[-1].means.event in ("open", "release")
            and not self._negated(acts[-1])
        )

    def _repeat_verb(self, device: TrackedDevice, phrase: DevicePhrase) -> None:
        """The verb before the conjunction holds for this device too."""
        action = [a for a in self._parse.actions if a.last <= phrase.first][-1]
        self._remember(phrase, [device])
        self._apply(device, action.means.event, action, [phrase])

    def _fragment(self) -> bool:
        """ "In the middle, a 12/5 AVP III.": a sentence without a verb, after one that deployed."""
        return (
            not self._parse.actions
            and "be" not in self._parse.roles.values()
            and self._opened_in == self._parse.sentence.paragraph
        )

    def _passive_after(self, phrase: DevicePhrase) -> bool:
        return any(
            self._parse.roles.get(i) == "be"
            for i in range(phrase.last, min(self._parse.last, phrase.last + 8))
        )

    def _group_negated(self, phrase: DevicePhrase) -> bool:
        clause = self._parse.clause.get(phrase.first)
        behind = any(
            c.means.cue in ("negation", "inability")
            and self._parse.clause.get(c.first) == clause
            and 0 <= c.first - phrase.last <= 8
            for c in self._parse.cues
        )
        if behind and not any(self._parse.clause.get(a.first) == clause for a in self._parse.actions):
            return True  # "a plug of 14 mm did not conform"
        return any(
            c.means.cue in ("negation", "inability")
            and self._parse.clause.get(c.first) == clause
            and c.first < phrase.first
            for c in self._parse.cues
        )

    def _loosen(self, phrase: DevicePhrase, extra: int) -> None:
        if self._listing and phrase.determiner == "definite":
            phrase.explanation = "reference"  # to what the narrative tells
            return
        start, end = self._span(phrase.first, phrase.last)
        phrase.explanation = "unexplained"
        self.timeline.loose.append(Loose(phrase, start, end, self._parse.sentence.section.role, extra))

    def _explain(self, group: list[DevicePhrase], explanation: str) -> None:
        for phrase in group:
            if not phrase.explanation:
                phrase.explanation = explanation

    def _span(self, first: int, last: int) -> tuple[int, int]:
        words = self._parse.words
        return words.starts[first], words.ends[last - 1]
