"""Timeline: what happened to each device.

In: the parsed sentences of one source (the narrative, an impression, a title).
Out: devices with their events and final state, the counts the text states, and
every device phrase with how it was explained.

Each sentence is read in four steps: which phrases are of this session (status),
which counts it states, what its actions do to which devices (patient, reference),
and what the phrases mean that no action took up (leftover).
"""

from __future__ import annotations

from extractor.doubts import doubt_unexplained
from extractor.events import Loose, Standing, Timeline, TrackedDevice
from extractor.grammar import Parse
from extractor.introduction import distributed, introduce_group
from extractor.leftover import announces, explain_left_over
from extractor.mentions import Mention
from extractor.patient import Patients, passive
from extractor.phrases import DevicePhrase, size_key
from extractor.reference import is_landmark, matching, resolve
from extractor.status import NONE, acted_away, cued, left_in, negated, none_of_them, why_not_today
from extractor.telling import Telling

_MAY_BE_PLANNED = ("select", "load", "open", "release", "withdraw", "exchange")
_REFERS_BACK = frozenset({"another", "more", "remaining", "other", "former", "latter", "same"})


class TimelineBuilder:
    """Reads parsed sentences one after another into a timeline.

    Parameters
    ----------
    summary
        Whether the source names what was placed, often without a verb.
    """

    def __init__(self, *, summary: bool = False) -> None:
        self._telling = Telling(listing=summary)

    @property
    def timeline(self) -> Timeline:
        """What has been read so far."""
        return self._telling.timeline

    # -- one sentence --------------------------------------------------------

    def read(self, parse: Parse, standing: Standing) -> None:
        """Take in one sentence; ``standing`` is that of its section."""
        telling = self._telling
        telling.begin(parse)
        self._parse = parse
        self._patients = Patients(parse, lambda phrase: is_landmark(telling, phrase))
        stated = len(self.timeline.statements)
        before = [d for d in self.timeline.today() if d.in_place]
        self._take_back_slip()
        for group in parse.groups:
            self._set_apart(group, standing)
        self._state_totals()
        if parse.groups and standing == "today" and not parse.groups[0][0].explanation:
            self._subject(parse.groups[0][0])
        first = next(iter(parse.phrases), None)
        if first is not None and standing == "today" and announces(telling, first):
            explain_left_over(telling, first)
        for action in parse.actions:
            self._act(action, standing)
        for group in parse.groups:
            for phrase in group:
                if not phrase.explanation:
                    explain_left_over(telling, phrase)
                self.timeline.explained.append((phrase, phrase.explanation))
        self._retrieve()
        self._same_again(standing)
        if standing == "today":
            doubt_unexplained(telling, before)
        self._date_statements(stated)

    def _retrieve(self) -> None:
        """As in "a gooseneck took it by the screw and out": a snare brings back what was lost."""
        taken = [a for a in self._parse.actions if a.means.event in ("capture", "withdraw")]
        lost = [d for d in self.timeline.today() if d.state == "embolized"] if taken else []
        snares = [m for m in self._parse.nouns if m.kind == "other_device" and m.means.role == "snare"]
        if not lost or not snares:
            return
        self._telling.apply(
            lost[-1], "withdraw", taken[-1], self._parse.groups[0] if self._parse.groups else []
        )

    def _same_again(self, standing: Standing) -> None:
        """As in "Same again, leak trivial.": what was done is done once more, to how many is not said."""
        parse = self._parse
        if (
            standing == "today"
            and not parse.groups
            and "repeat" in parse.cue_kinds()
            and self.timeline.today()
        ):
            start, end = self._telling.span(parse.first, parse.last)
            self.timeline.loose.append(Loose(None, start, end, parse.sentence.section.role, 1))

    def _take_back_slip(self) -> None:
        """A slip of the tongue, corrected by this sentence: the device it named is none."""
        if (
            "correction" not in self._parse.cue_kinds()
            or not self._parse.phrases
            or not self.timeline.devices
        ):
            return
        slip = self.timeline.devices[-1]
        if slip.standing == "today" and all(e.event in ("named", "select") for e in slip.events):
            slip.standing, slip.pending = "planned", False

    def _set_apart(self, group: list[DevicePhrase], standing: Standing) -> None:
        """Explain a group that is not of this session: history, plan, denied."""
        first = group[0]
        why = why_not_today(self._parse, group, standing, something_done=bool(self.timeline.today()))
        if not why:
            return
        if why == NONE and self._says_none_left(first):
            self._telling.state(group, 0, 0, "total")
        for phrase in group:
            phrase.explanation = why
        if why == NONE and standing == "today" and self._says_none_opened(first):
            for device in self.timeline.today():
                if device.state == "named" and not device.tried:
                    device.state = "unused"
        if first.pronoun or first.none or first.determiner == "definite":
            return
        if why == "history" and (standing == "today" or first.number is not None):
            device = self._telling.add(first, "prior")
            device.pending = standing == "today" and not first.prior and self._may_be_new(first)
        elif why == "plan":
            device = self._telling.add(first, "planned")
            device.pending = standing == "today" and not (self._says_unused() or self._turned_to(group))

    def _may_be_new(self, first: DevicePhrase) -> bool:
        """As in "past the old scar an 8 mm plug was released": put in, and no date or time says when."""
        parse = self._parse
        told = any(c.means.cue == "history" and c.means.reach != "after" for c in parse.cues)
        dates = any(m.kind == "size" and m.means.form == "date" for m in parse.items.values())
        return not (told or dates) and left_in(parse, parse.clause.get(first.first))

    def _says_unused(self) -> bool:
        """As in "A third plug was discussed, its package was not opened."."""
        return "negation" in self._parse.cue_kinds() or any(
            a.means.event == "unused" for a in self._parse.actions
        )

    def _turned_to(self, group: list[DevicePhrase]) -> bool:
        """As in "an AVP 4 of 7 mm was considered, but the neck was too wide, so the 10 mm came"."""
        sizes = {size_key(size) for phrase in group for size in phrase.sizes}
        turns = [c.first for c in self._parse.cues if c.means.cue == "turn" and c.first >= group[-1].last]
        return bool(turns) and any(
            p.first > turns[0] and p.sizes and size_key(p.sizes[0]) not in sizes for p in self._parse.phrases
        )

    def _says_none_left(self, first: DevicePhrase) -> bool:
        """As in "No device was left in": a count of zero."""
        return (
            ("nothing" in first.words or ("none" in first.words and first.head is not None))
            and "none_more" not in first.words
            and not first.sizes
            and not self._telling.site.target
            and left_in(self._parse, self._parse.clause.get(first.first))
        )

    def _says_none_opened(self, first: DevicePhrase) -> bool:
        """As in "AVP II was available in the room. No plug was opened.": what was named stayed in its box."""
        words = {"another", "more", "none_more", "remaining"}
        return not (first.sizes or first.ordinal or first.words & words) and any(
            a.means.event in ("open", "unused")
            and negated(self._parse, a)
            and not "".join(self._parse.between(a.last, a.last + 1)).isalpha()  # "put in the septum"
            for a in self._parse.actions
        )

    def _subject(self, phrase: DevicePhrase) -> None:
        """As in "The former blocked a leaflet, so it was withdrawn": the subject is what "it" means."""
        live = self.timeline.today()
        if "former" in phrase.words and len(live) > 1:
            self._telling.focus = live[-2:-1]
        elif "latter" in phrase.words and live:
            self._telling.focus = live[-1:]

    def _date_statements(self, stated: int) -> None:
        """Note how many devices were in place when the counts of this sentence were said."""
        if stated == len(self.timeline.statements):
            return
        in_place = sum(d.in_place for d in self.timeline.today())
        others = sum(
            d.in_place and d.standing == "today" and d.target is not None for d in self.timeline.devices
        )
        mixed = "history" in self._parse.cue_kinds() or any(p.prior for p in self._parse.phrases)
        for statement in self.timeline.statements[stated:]:
            statement.mixed = mixed
            statement.at = in_place
            statement.others = others

    # -- counts ----------------------------------------------------------------

    def _state_totals(self) -> None:
        """The counts of a summing sentence."""
        if "summary" not in self._parse.cue_kinds():
            return
        at_leak = (
            [p for p in g if p.head is None or not p.head.means.usual_target] for g in self._parse.groups
        )
        groups = [g for g in at_leak if g and not g[0].explanation]
        if self._lifetime():
            for phrase in (p for g in groups for p in g):
                phrase.explanation = "claim: a lifetime total"
            return
        counted = [g for g in groups if all(p.number is not None and p.determiner == "indefinite" for p in g)]
        if len(counted) > 1 and not any(
            p.ordinal or p.words & {"another", "more"} for g in counted for p in g
        ):
            # "one plug mitral, one plug aortic": one total
            self._state_total([p for g in counted for p in g])
            groups = [g for g in groups if g not in counted]
        numbered = [g for g in groups if any(p.number is not None for p in g)]
        for group in groups:
            if numbered and group not in numbered and len(group) == 1 and group[0].quantity == 1:
                continue  # "Two plugs in total: the 8 mm above and a 6 mm AVP II": one of the two
            self._state_total(group)

    def _lifetime(self) -> bool:
        """As in "he now has four plugs in all, two of them from 2019": not the count of this session."""
        parse = self._parse
        dated = any(m.kind == "size" and m.means.form == "date" for m in parse.items.values())
        return dated and any("part" in phrase.words for phrase in parse.phrases)

    def _state_total(self, group: list[DevicePhrase]) -> None:
        """A stated total: "a total of three plugs", "successful closure with two devices"."""
        parse = self._parse
        if any(p.pronoun or p.words & _REFERS_BACK or p.ordinal for p in group):
            return
        if acted_away(parse, group) or self._telling.site.target:
            return
        if group[0].determiner == "definite" and group[0].number is None:
            return
        clause = parse.clause.get(group[0].first)
        acts = [a.means.event for a in parse.actions if parse.clause.get(a.first) == clause]
        if acts and all(event in ("load", "select") for event in acts):
            return  # "four plugs were taken through": how many stayed is told after
        low, high = self._total(group)
        beside = [d for d in self._telling.active() if not _may_be(d, group[0])]
        if beside and all(p.number is None for p in group) and len(group) == 1:
            return  # "Final: closure with an 8 mm plug": names one, and counts none
        # "Both mitral plugs in place at the end", "a jet between the two medial plugs": of some, not of all
        in_place = sum(d.in_place for d in self.timeline.today())
        of_some = group[0].determiner == "definite" and (any(p.valve for p in group) or low < in_place)
        self._telling.state(group, low, high, "position" if of_some else "total")
        if self.timeline.today():
            for phrase in group:
                phrase.explanation = f"claim: {low if high == low else f'{low} or more'} devices"

    def _total(self, group: list[DevicePhrase]) -> tuple[int, int | None]:
        """How many devices a group counts: at least, at most."""
        quantities = [None if p.quantity == 1 and distributed(self._parse, p) else p.quantity for p in group]
        low = sum(q if q is not None else 2 for q in quantities)
        high = None if None in quantities else low
        if (
            group[0].determiner == "bare"
            and high is not None
            and not any(p.sizes for p in group)
            and all(p.number is None for p in group)
        ):
            return 1, None  # "closure with Amplatzer plug": a title does not count
        return low, high

    # -- actions -----------------------------------------------------------------

    def _act(self, action: Mention, standing: Standing) -> None:
        """Let an action happen to the devices it is about."""
        event = self._event(action)
        if event == "exchange":
            self._exchange(action)
            return
        if event == "close" and self._tells_when(action):
            return
        if event == "aside":
            return  # "in its stead", "in place of it"
        if event == "remain" and self._stays_unused(action):
            return
        if event == "release" and self._tells_when(action) and self._before_subject(action):
            return
        group = self._group(action, event)
        if event == "close":
            group = group or self._closes(action)
            if group is None or group[0].explanation:
                return
            event = "open"
        if group is None:
            self._unclaimed(action, standing)
            return
        if standing != "today" or (group and self._spent(group[0])):
            return
        if event == "release" and self._never_came_to(action):
            return
        if self._planned(action) and event in _MAY_BE_PLANNED:
            _explain(group, "plan")
            return
        denied = negated(self._parse, action)
        if denied or cued(self._parse, action, "inability"):
            self._undone(action, group, event, denied)
            return
        self._happen(action, group, event)
        if action.means.event == "close" and self._closes_unknown(action):
            for device in self._telling.focus:
                device.in_doubt = True

    def _closes(self, action: Mention) -> list[DevicePhrase] | None:
        """As in "An 8 mm AVP II closed it": the device is the subject."""
        group = self._patients.left(action)
        behind = self._parse.items.get(action.last)
        closed = behind is not None and (
            behind.kind == "leak" or (behind.kind == "count" and behind.means.word in ("pronoun", "definite"))
        )
        if group is None or not closed or group[0].determiner != "indefinite":
            return None
        return group if group[0].sizes and group[0].product else None

    def _closes_unknown(self, action: Mention) -> bool:
        """As in "The track was closed with a 6 mm plug": where it went is no leak that we know."""
        parse = self._parse
        known = any(m.kind in ("leak", "target") for m in parse.nouns)
        noun = parse.words.words[action.first - 2] if action.first - 2 > parse.first else ""
        unknown = noun.isalpha() and action.first - 2 not in parse.items
        the = parse.items.get(action.first - 3)
        named = the is not None and the.kind == "count" and the.means.word == "definite"
        return not known and passive(parse, action) and unknown and named

    def _group(self, action: Mention, event: str) -> list[DevicePhrase] | None:
        """What an action is about: a group, nothing by name (empty), or nothing of ours (None)."""
        if event == "close":
            return self._patients.after_with(action)
        group = self._patients.patient(action)
        if group is None and self._awaited(action):
            return []  # "observed for half an hour prior to detachment"
        if event == "embolize" and not group and self._of_wire(action):
            return None
        told = action.means.sure or self._parse.words.words[action.first - 1] == ":"
        if group is None and event == "withdraw" and told and self._in_hand(action):
            return []  # "the disc stuck, recaptured": only a device is; "it slipped: taken back"
        if group is None and event == "release" and none_of_them(self._parse, action):
            return []  # "None was released"
        return group

    def _of_wire(self, action: Mention) -> bool:
        """As in "crossed with a Terumo, and this was snared in the descending aorta": no device is named."""
        wires = [m for m in self._parse.nouns if m.kind == "other_device" and m.means.role == "wire"]
        named = [p for p in self._parse.phrases if not p.pronoun]
        return bool(wires) and wires[0].first < action.first and not named

    def _happen(self, action: Mention, group: list[DevicePhrase], event: str) -> None:
        """Apply an event to the devices of a group; what is only intended leaves them waiting."""
        intended = cued(self._parse, action, "intent")
        devices = self._resolve(group, event, action)
        if action.means.all and (not group or group[0].pronoun):
            devices = [d for d in self.timeline.today() if d.on_cable] or devices
            self._both_cables(action, devices)
        for device in devices:
            if intended and event in ("open", "load", "select") and device.state == "named":
                device.pending = True
                self._telling.log(device, "select", action, group)
            else:
                self._telling.apply(device, event, action, group)
        if devices:
            self._telling.focus = devices

    def _both_cables(self, action: Mention, devices: list[TrackedDevice]) -> None:
        """As in "Both cables disconnected", where one device is known on its cable: another may be back."""
        both = "both" in self._parse.between(action.first, action.last)
        if both and len(devices) < 2:
            start, end = self._telling.span(action.first, action.last)
            role = self._parse.sentence.section.role
            self.timeline.loose.append(Loose(None, start, end, role, 2 - len(devices)))

    def _event(self, action: Mention) -> str:
        """The event that an action tells here: some words tell another, by what stands around them."""
        event: str = action.means.event
        if event == "pull" and self._seats(action):
            return "check"
        if event == "pull" and self._like_the_one_before(action):
            return "withdraw"
        if event == "pull" and any(d.state == "embolized" for d in self._telling.focus):
            return "withdraw"  # "it fell into the aorta: retracted"
        if event == "select" and self._takes(action):
            return "open"
        return event

    def _in_hand(self, action: Mention) -> bool:
        """Whether this sentence told of the device in focus, and of no other since."""
        focus = self._telling.focus
        told = [d for devices in self._telling.known.values() for d in devices]
        return len(focus) == 1 and focus[0] in told and focus[0].in_place and action.means.form == "verb"

    def _awaited(self, action: Mention) -> bool:
        """As in "tested before release": the release is told by what came before it."""
        return (
            action.means.event == "release"
            and action.means.form == "noun"
            and self._tells_when(action)
            and any(a.means.event == "check" for a in self._parse.actions)
            and not any(
                a.means.event in ("withdraw", "exchange", "embolize", "unused") for a in self._parse.actions
            )
        )

    def _never_came_to(self, action: Mention) -> bool:
        """As in "recaptured and removed prior to release": what was taken out was not released."""
        ahead = any(c.last == action.first and c.means.ahead for c in self._parse.cues)
        return self._tells_when(action) and any(
            (a.means.event == "withdraw" and a.last <= action.first)
            or (ahead and a.means.event in ("withdraw", "exchange", "embolize"))
            for a in self._parse.actions
        )

    def _takes(self, action: Mention) -> bool:
        """As in "the medial end took a 14/5 plug": where the subject is the leak, the device is in it."""
        parse = self._parse
        clause = parse.clause.get(action.first)
        before = [i for i in range(parse.first, action.first) if parse.clause.get(i) == clause]
        leaks = [i for i in before if i in parse.items and parse.items[i].kind == "leak"]
        return (
            bool(leaks)
            and not any(parse.roles.get(i) in ("subject", "be") for i in before)
            and not any(parse.roles.get(i) == "preposition" for i in range(parse.first, leaks[0]))
            and self._patients.right(action) is not None
        )

    def _like_the_one_before(self, action: Mention) -> bool:
        """As in "Pulled back as well", after one that was taken out."""
        before = [d for d in self.timeline.today() if d not in self._telling.focus]
        return (
            any(c.first == action.last and c.means.cue == "likewise" for c in self._parse.cues)
            and bool(before)
            and before[-1].state == "removed"
        )

    def _seats(self, action: Mention) -> bool:
        """As in "pulled back against the ring", "pulled back together": the disc is brought to the leak."""
        i = action.last
        if i >= self._parse.last:
            return False
        likewise = any(c.first == i and c.means.cue in ("again", "likewise") for c in self._parse.cues)
        return (
            not likewise
            and self._parse.roles.get(i) != "conjunction"
            and self._parse.words.words[i].isalpha()
        )

    def _stays_unused(self, action: Mention) -> bool:
        """As in "both remain in their sealed boxes": where they stay is not the leak."""
        clause = self._parse.clause
        return any(
            a.means.event == "unused" and clause.get(a.first) == clause.get(action.first)
            for a in self._parse.actions
        )

    def _tells_when(self, action: Mention) -> bool:
        """As in "After closure: two plugs in good position": when it was, not what was done."""
        return any(
            c.means.cue == "landmark" and c.last == action.first and c.first < action.first
            for c in self._parse.cues
        )

    def _before_subject(self, action: Mention) -> bool:
        """As in "After release one plug embolized": what stands behind the noun is the subject of a verb."""
        right = self._patients.right(action)
        gerund = self._parse.words.words[action.first].endswith("ing")
        return right is not None and right[0].first == action.last and not gerund

    def _spent(self, phrase: DevicePhrase) -> bool:
        """Whether a phrase is explained, and not by a device of this sentence."""
        return bool(phrase.explanation) and not phrase.pronoun and not self._telling.is_done(phrase)

    def _planned(self, action: Mention) -> bool:
        return cued(self._parse, action, "plan") and not cued(self._parse, action, "intent")

    def _resolve(self, group: list[DevicePhrase], event: str, action: Mention) -> list[TrackedDevice]:
        by_verb = action.means.form == "verb" and not _gerund(self._parse, action, group)
        return resolve(self._telling, group, event, by_verb=by_verb)

    def _unclaimed(self, action: Mention, standing: Standing) -> None:
        """As in "A twin was deployed": a verb of occluders only, and no noun of ours before it."""
        parse = self._parse
        clause = parse.clause.get(action.first)
        if (
            not action.means.sure
            or standing != "today"
            or action.means.form == "noun"
            or self._telling.site.target
            or negated(parse, action)
            or any(cued(parse, action, cue) for cue in ("plan", "history", "inability"))
            or "history" in parse.cue_kinds()
            or any(
                m.kind in ("other_device", "target", "leak") and parse.clause.get(m.first) == clause
                for m in parse.nouns
            )
            or any(parse.clause.get(p.first) == clause for p in parse.phrases)
            or not passive(parse, action)
            or self._patients.subject_is_other(action)
        ):
            return
        waiting = [d for d in self.timeline.today() if d.state == "deployed"]
        if action.means.event == "release" and waiting:
            return  # one of those on the cable was released, whatever it is called here
        start, end = self._telling.span(action.first, action.last)
        self.timeline.loose.append(Loose(None, start, end, parse.sentence.section.role, 1))

    def _undone(self, action: Mention, group: list[DevicePhrase], event: str, denied: bool) -> None:
        """An action that did not happen: denied, or tried in vain."""
        if event not in ("open", "load", "release", "select", "remain"):
            if group and _described(group[0]):
                # "we did not recapture the 8 mm plug"
                self._telling.focus = self._resolve(group, "select", action)
                return
            if event == "check" and group and _new_to(self._telling, group[0]):
                return  # "an 8 mm plug, which sat well without touching the trunk"
            if event == "check" and group:
                known = matching(self._telling, group[0], self._telling.active())
                self._telling.name_again(group[0], known[-1:])
            _explain(group, "not done" if event in ("withdraw", "embolize", "capture") else "described")
            return
        any_kind = group and _of_any_kind(group[0]) and not self._telling.is_done(group[0])
        if group and denied and (group[0].none or any_kind):
            _explain(group, "not done")
            return
        if event == "remain" and denied and group and self._left_out(action):
            for device in self._resolve(group, "withdraw", action):
                self._telling.apply(device, "withdraw", action, group)  # "the first was not left in"
            return
        devices = self._resolve(group, "load", action)
        for device in devices:
            device.tried = True
            if device.state == "named":
                device.state = "loaded"
            self._telling.log(device, f"not {event}", action, group)
        if devices:
            self._telling.focus = devices

    def _left_out(self, action: Mention) -> bool:
        """As in "the first was not left in", "used and not left"; not "it did not leave its box"."""
        before = [c for c in self._parse.cues if c.means.cue == "negation" and c.last == action.first]
        return passive(self._parse, action) or (
            bool(before) and self._parse.roles.get(before[-1].first - 1) == "conjunction"
        )

    # -- exchanges -----------------------------------------------------------------

    def _exchange(self, action: Mention) -> None:
        """As in "The 12 mm was exchanged for a 10 mm": one out, one in."""
        if self._patients.exchanges_other(action):
            return
        subject = self._patients.left(action)
        new = self._patients.exchanged_for(action)
        if negated(self._parse, action) or self._planned(action):
            for group in (subject, new):
                if group:
                    _explain(group, "plan")
            return
        if new is None and subject is not None and self._comes_in(action, subject[0]):
            self._put_in(subject, self._in_turn(), action)
            return
        old = self._given_up(action, subject, new)
        if old is None and new is None:
            return
        if old is not None and old is subject and self._patients.subject_is_other(action):
            return
        if old is None and new is not None and new[0].headless and not self.timeline.today():
            return  # "6 French, later exchanged for an 8": of nothing that was told
        devices = self._taken_out(old, action)
        if new is None and (
            not devices or old is None or (old[0].pronoun and action.first - old[-1].last > 4)
        ):
            return
        for device in devices:
            self._telling.apply(device, "withdraw", action, old or [])
        if new is not None and not new[0].explanation:
            self._put_in(new, devices, action)

    def _comes_in(self, action: Mention, phrase: DevicePhrase) -> bool:
        """As in "An 8 mm device was substituted": a size not met before, and nothing it was changed for."""
        known = [d for d in self.timeline.today() if d.size is not None]
        unheard = bool(phrase.sizes) and not matching(self._telling, phrase, known)
        return unheard and phrase.determiner == "indefinite" and passive(self._parse, action)

    def _in_turn(self) -> list[TrackedDevice]:
        """The device in focus, taken out if it is still in."""
        old = [d for d in self._telling.focus if d.standing == "today"][-1:]
        for device in old:
            if device.state in ("named", "loaded", "deployed"):
                device.state = "removed"
        return old

    def _given_up(
        self, action: Mention, subject: list[DevicePhrase] | None, new: list[DevicePhrase] | None
    ) -> list[DevicePhrase] | None:
        """The group that is exchanged: the subject, or the object ("upsized the 8 mm to a 10 mm")."""
        if subject is not None and not self._spent(subject[0]):
            return subject
        right = self._patients.right(action)
        return right if right is not new else None

    def _taken_out(self, old: list[DevicePhrase] | None, action: Mention) -> list[TrackedDevice]:
        if old is not None:
            return self._resolve(old, "withdraw", action)
        focus = self._telling.focus
        if not any(d.standing == "today" for d in focus):
            return []
        return [d for d in focus if d.state != "removed"]

    def _put_in(self, new: list[DevicePhrase], devices: list[TrackedDevice], action: Mention) -> None:
        """The devices that come in: they take valve and product from those they replace."""
        made = introduce_group(self._telling, new)
        for device in made:
            device.state = "loaded"
            if devices and device.valve is None:
                device.valve = devices[0].valve
            if devices and device.product is None:
                device.product = devices[0].product
            if devices and device.target is None:
                device.target = devices[0].target
            self._telling.log(device, "load", action, new)
        self._telling.focus = made


def _may_be(device: TrackedDevice, phrase: DevicePhrase) -> bool:
    """Whether a device may be the one a phrase names by its first size."""
    return not (phrase.sizes and device.size) or size_key(device.size) == size_key(phrase.sizes[0])


def _gerund(parse: Parse, action: Mention, group: list[DevicePhrase]) -> bool:
    """As in "present for crossing, device positioning, plug release": the act by name."""
    return (
        bool(group)
        and group[-1].last == action.first
        and group[-1].determiner == "bare"
        and parse.words.words[action.first].endswith(("ing", "e"))
    )


def _described(phrase: DevicePhrase) -> bool:
    """As in "The 8 mm plug": a certain device, by its size or product."""
    return phrase.determiner == "definite" and bool(phrase.sizes or phrase.product)


def _new_to(telling: Telling, phrase: DevicePhrase) -> bool:
    """A sized device that the text has not told of, and no action of this sentence has taken up."""
    return (
        phrase.determiner != "definite"
        and bool(phrase.sizes)
        and not telling.is_done(phrase)
        and not matching(telling, phrase, telling.timeline.today())
    )


def _of_any_kind(phrase: DevicePhrase) -> bool:
    """As in "A plug", "plugs": where these are denied, no particular device is meant."""
    return phrase.determiner == "indefinite" or (
        phrase.determiner == "bare" and phrase.plural and not phrase.sizes
    )


def _explain(group: list[DevicePhrase], explanation: str) -> None:
    for phrase in group:
        if not phrase.explanation:
            phrase.explanation = explanation
