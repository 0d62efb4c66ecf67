"""Patient: which device phrase an action is about.

In: a ``Parse`` and an action of it. Out: the group of phrases that is acted upon:
object or subject, of an active or a passive verb; an empty group for the devices
in focus ("deployed and released"); None when another noun is acted upon.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from extractor.grammar import Parse
from extractor.mentions import Mention
from extractor.phrases import ARROWS, DevicePhrase

Group = list[DevicePhrase]


def passive(parse: Parse, action: Mention) -> bool:
    """Whether an action is told in the passive: a form of "be" before it, adverbs apart."""
    i = action.first - 1
    while i >= parse.first and (
        parse.roles.get(i) in ("adverb",)
        or any(
            c.first <= i < c.last
            and c.means.cue in ("negation", "again", "sequence")
            and parse.roles.get(i) != "be"
            for c in parse.cues
        )
    ):
        i -= 1
    return parse.roles.get(i) == "be"


@dataclass(frozen=True, slots=True)
class Patients:
    """Finds what the actions of one sentence are about.

    ``is_landmark`` tells whether a phrase only says where, which depends on the
    devices known.
    """

    parse: Parse
    is_landmark: Callable[[DevicePhrase], bool]

    def exchanges_other(self, action: Mention) -> bool:
        """As in "exchanged it for a stiff wire"."""
        parse = self.parse
        for noun in parse.nouns:
            if (
                noun.kind == "other_device"
                and noun.means.role != "part"
                and 0 <= noun.first - action.last <= 6
            ):
                between = range(action.last, noun.first)
                if all(self._qualifies(i) for i in between):
                    return True  # "exchanging the medium-curl catheter for a large-curl one"
                if any(
                    parse.roles.get(i) in ("exchange", "with") or parse.words.words[i] in ("to", "over")
                    for i in between
                ) and not any(p.first in between and not p.pronoun for p in parse.phrases):
                    return True
        return False

    def _qualifies(self, i: int) -> bool:
        """A word that may stand between a verb and its object."""
        item = self.parse.items.get(i)
        known = item is not None and not (item.kind == "count" and item.means.word in ("article", "definite"))
        return (
            not known
            and self.parse.roles.get(i) in (None, "adjective", "adverb")
            and self.parse.words.words[i] != ","
        )

    def exchanged_for(self, action: Mention) -> Group | None:
        """The group after for / with / by / to."""
        roles, words = self.parse.roles, self.parse.words.words
        for group in self.parse.groups:
            if group[0].first < action.last or group[0].pronoun:
                continue
            gap = range(action.last, group[0].first)
            if len(gap) > 12:
                break
            before = group[0].first - 1
            if roles.get(before) in ("exchange", "with") or words[before] in ("to", "into"):
                return group
        return None

    def patient(self, action: Mention) -> Group | None:
        """The group an action is about; [] for the devices in focus; None for something else."""
        if action.means.form == "noun":
            right = self.right(action)
            if right is not None:
                return right
            left = self.left(action)
            if left is not None and left[-1].last == action.first:
                return left
            return [] if self._stands_alone(action) else None
        left = self.left(action)
        right = self.right(action)
        if self._of_size(action):
            return None
        if self._snares_it(action):
            return []
        if action.means.event == "embolize" and right is not None and right[0].first == action.last:
            return right  # "Embolized 8 mm plug retrieved"
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
        if passive(self.parse, action):
            if self.subject_is_other(action):
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
        if self.subject_is_other(action):
            return None
        if left is not None:
            return left
        if right is None and self._no_subject(action):
            return self._named_before(action) or []
        return None

    def _snares_it(self, action: Mention) -> bool:
        """As in "the gooseneck brought it out": a verb around its object, and a snare for its subject."""
        items, clause = self.parse.items, self.parse.clause
        around = any(self.parse.words.words[i] in ("it", "them") for i in range(action.first, action.last))
        return around and any(
            m.kind == "other_device" and m.means.role == "snare" and clause.get(i) == clause.get(action.first)
            for i, m in items.items() if i < action.first
        )  # fmt: skip

    def _named_before(self, action: Mention) -> Group | None:
        """As in "AVP 4 7 mm thru the catheter, released": the one device that the sentence names."""
        before = [g for g in self.parse.groups if g[-1].last <= action.first]
        if len(before) != 1:
            return None
        phrase = before[0][0]
        if any(
            phrase.last <= a.first < action.first and a.means.event != "check" for a in self.parse.actions
        ):
            return None
        named = bool(phrase.sizes and phrase.product) and phrase.determiner != "definite"
        return before[0] if named and len(before[0]) == 1 and not phrase.explanation else None

    def _of_size(self, action: Mention) -> bool:
        """As in "10 and 8 mm plugs in, 12 mm out": said of a size that is no phrase here."""
        before = self.parse.items.get(action.first - 1)
        return (
            before is not None
            and before.kind == "size"
            and before.means.form == "device"
            and not any(p.first <= before.first < p.last for p in self.parse.phrases)
        )

    def _stands_alone(self, action: Mention) -> bool:
        """As in "10:46 recapture.": the whole statement is what was done to the device at hand."""
        parse = self.parse
        if action.means.event == "release" and self._opens_with(action):
            return True
        rest = [i for i in range(parse.first, parse.last) if not action.first <= i < action.last]
        unknown = [i for i in rest if parse.words.words[i].isalpha() and i not in parse.roles]
        if action.means.sure and unknown == [action.first - 1] and unknown[0] not in parse.items:
            return True  # "Emergency recapture."
        return not unknown

    def _opens_with(self, action: Mention) -> bool:
        """As in "Release without incident.", "Detachment after a tug.": how it went stands behind it."""
        parse = self.parse
        before = any(parse.words.words[i].isalpha() for i in range(parse.first, action.first))
        denies = any(c.means.cue in ("negation", "landmark") and c.first == action.last for c in parse.cues)
        return not before and (denies or parse.roles.get(action.last) == "with")

    def _noun_between(self, a: int, b: int) -> bool:
        return any(
            m.kind in ("other_device", "target") and a <= m.first < b and not self._prepositional(m)
            for m in self.parse.nouns
        )

    def _part(self, action: Mention, left: Group | None) -> Mention | None:
        """A part of a device ("distal disc") that is the subject of an action."""
        start = left[-1].last if left else self.parse.first
        clause = self.parse.clause.get(action.first)
        return next(
            (
                m
                for m in self.parse.nouns
                if (m.kind == "device" or (m.kind == "other_device" and m.means.role == "part"))
                and start <= m.first < action.first
                and self.parse.clause.get(m.first) == clause
                and not self._motion(m.last, action.first)
                and not {",", ")"} & set(self.parse.between(m.last, action.first))
                and not (left and self._prepositional(m))
                and not (left and self._passively(action) and self._object(m))
                and not (left and self._with_part(m))
            ),
            None,
        )

    def _passively(self, action: Mention) -> bool:
        """As in "was pulled back and removed": the form of "be" holds for both."""
        parse = self.parse
        before = next((a for a in parse.actions if a.last == action.first - 1), None)
        joined = parse.roles.get(action.first - 1) == "conjunction" and before is not None
        return passive(parse, action) or (joined and before is not None and passive(parse, before))

    def _object(self, part: Mention) -> bool:
        """As in "impeded the disc and was pulled back": the part is what an earlier verb was done to."""
        i = part.first - 1
        while i > self.parse.first and i in self.parse.items and self.parse.items[i].kind == "count":
            i -= 1
        verb = self.parse.items.get(i)
        return self.parse.roles.get(i) == "verb" or (verb is not None and verb.kind == "action")

    def _with_part(self, part: Mention) -> bool:
        """As in "opened with its disc flush and let go": the part tells how, the plug is the subject."""
        return any(self.parse.roles.get(i) == "with" for i in range(part.first - 3, part.first))

    def _motion(self, a: int, b: int) -> bool:
        """As in "disc motion was normal with opening angle 60": an unknown noun and a preposition between."""
        parse = self.parse
        unknown = any(
            parse.roles.get(i) is None and i not in parse.items and parse.words.words[i].isalpha()
            for i in range(a, b)
        )
        return unknown and any(parse.roles.get(i) in ("preposition", "with", "of") for i in range(a, b))

    def _object_is_other(self, action: Mention) -> bool:
        """As in "withdrawing the sheath": the object right behind the verb is no device."""
        parse = self.parse
        for i in range(action.last, min(parse.last, action.last + 6)):
            mention, role = parse.items.get(i), parse.roles.get(i)
            if mention is not None and mention.kind in ("other_device", "target"):
                return not passive(self.parse, action) and not (
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

    def right(self, action: Mention) -> Group | None:
        """The group right behind an action, its object."""
        parse = self.parse
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
                if action.means.form == "noun" and phrase.pronoun and role is None and mention is None:
                    return None  # "after removal of the loop it was left in place"
                if word in (",", ";", ".", ":", "than", *ARROWS) and not (
                    word == ":" and (action.means.form == "noun" or action.means.event in ("unused", "waste"))
                ):
                    return None
                if role in (
                    "preposition",
                    "clause",
                    "relative",
                    "conjunction",
                    "subject",
                    "be",
                    "with",
                    "exchange",
                ):
                    if role == "conjunction" and self._next_action(i + 1, phrase.first):
                        # "deployed and released the plug"
                        continue
                    return None
                if mention is not None and mention.kind not in ("count", "size", "action", "valve"):
                    return None
            return group
        return None

    def _next_action(self, a: int, b: int) -> bool:
        return any(i in self.parse.items and self.parse.items[i].kind == "action" for i in range(a, b))

    def left(self, action: Mention) -> Group | None:
        """The group before an action, its subject: in its clause, or carried over from the one before."""
        parse = self.parse
        clause = parse.clause.get(action.first)
        best: Group | None = None
        for group in parse.groups:
            if group[-1].last > action.first:
                break
            if self.is_landmark(group[0]) and best is not None:
                continue
            if self.is_landmark(group[0]) and not group[0].pronoun:
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
            or parse.words.words[boundary[0]] in (",", ";", "–", "—", *ARROWS)
        ):
            between = range(boundary[0], action.first)
            if not any(self._is_subject_noun(i) for i in between):
                return best
        return None

    def _is_subject_noun(self, i: int) -> bool:
        """Whether a word between a device and an action may be the action's own subject."""
        mention = self.parse.items.get(i)
        if mention is None or mention.kind not in ("other_device", "target", "leak"):
            return False
        return not self._prepositional(mention)

    def subject_is_other(self, action: Mention) -> bool:
        """Whether the nearest noun before the verb is not a device."""
        parse = self.parse
        clause = parse.clause.get(action.first)
        i = action.first - 1
        seen_verb = False
        if self._subject_left_out(action):
            return False
        if self._absolute(action):
            return True
        while i >= parse.first and parse.clause.get(i) == clause:
            if any(p.first <= i < p.last for g in parse.groups for p in g):
                return False
            mention, role = parse.items.get(i), parse.roles.get(i)
            if mention is not None and mention.kind == "action":
                seen_verb = True
            elif mention is not None and self._part_told_of(mention, action):
                pass
            elif mention is not None and mention.kind in ("other_device", "target", "valve", "leak"):
                # "through the sheath was deployed": a place, not a subject.
                return not self._prepositional(mention)
            elif (
                mention is None
                and role is None
                and parse.words.words[i].isalpha()
                and not any(c.first <= i < c.last for c in parse.cues)
                and not seen_verb
                and passive(parse, action)
            ):
                return not self._group_before_preposition(i)
            i -= 1
        return False

    def _absolute(self, action: Mention) -> bool:
        """As in "left there, with the rail withdrawn": what "with" opens has a subject of its own."""
        parse, i = self.parse, action.first - 1
        if i <= parse.first or not parse.words.words[i].isalpha() or parse.roles.get(i) is not None:
            return False
        if any(p.first <= i < p.last for p in parse.phrases):
            return False
        return any(parse.words.words[k] == "with" for k in range(max(parse.first, i - 3), i))

    def _part_told_of(self, mention: Mention, action: Mention) -> bool:
        """As in "a plug was tried: waist too fat, sat proud, retrieved": the comma ends what its part did."""
        part = mention.kind == "other_device" and mention.means.role == "part"
        return part and "," in self.parse.between(mention.last, action.first)

    def _subject_left_out(self, action: Mention) -> bool:
        """As in "a plug fit properly and was released": the subject is said once, for both verbs."""
        parse = self.parse
        i = action.first - 1
        while i >= parse.first and parse.roles.get(i) in ("be", "adverb", "modal"):
            i -= 1
        joined = i == action.first - 1  # "delivered via the guide and released"
        if parse.roles.get(i) != "conjunction" or not (joined or passive(parse, action)):
            return False
        subject = self.left(action)
        return subject is not None and not any(
            m.kind in ("other_device", "target", "leak") and subject[-1].last <= m.first < i
            and not (m.kind == "other_device" and m.means.role == "part")
            and not self._prepositional(m)
            for m in parse.nouns
        )  # fmt: skip

    def _group_before_preposition(self, i: int) -> bool:
        """As in "the plug in the sheath was released": an unknown noun behind a device and a preposition."""
        parse = self.parse
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

    def _prepositional(self, mention: Mention) -> bool:
        """Whether a noun hangs on a preposition: "through the sheath"."""
        parse = self.parse
        for k in range(mention.first - 1, max(parse.first - 1, mention.first - 5), -1):
            if parse.roles.get(k) in ("preposition", "with", "of", "exchange"):
                return True
            verb = parse.items.get(k)
            if verb is not None and verb.kind == "action":
                held = verb.last - verb.first > 1  # "advanced through two sheaths": the verb holds it
                return held and "," not in parse.between(k, mention.first)
            if parse.roles.get(k) in ("be", "clause", "conjunction"):
                return False
        return False

    def _no_subject(self, action: Mention) -> bool:
        parse = self.parse
        clause = parse.clause.get(action.first)
        if action.means.event == "release" and parse.words.words[action.first - 1 : action.first] == [","]:
            return True  # "leaflets free, released"
        if self._begins_with_verb() and not any(p.last <= action.first for g in parse.groups for p in g):
            return True  # "Came away on pull, taken out": no subject is said
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

    def _begins_with_verb(self) -> bool:
        parse = self.parse
        i = parse.first
        while i < parse.last and parse.roles.get(i) == "adverb":
            i += 1
        return parse.roles.get(i) == "verb"

    def after_with(self, action: Mention) -> Group | None:
        """As in "closed with two plugs", "using a 10 mm AVP II"."""
        for group in self.parse.groups:
            if group[0].first >= action.last and not group[0].pronoun:
                gap = range(action.last, group[0].first)
                if (
                    any(
                        self.parse.roles.get(i) == "with" or self.parse.words.words[i] in ("by", "via", ":")
                        for i in gap
                    )
                    and len(gap) < 14
                ):
                    if any(
                        self.parse.items.get(i) is not None
                        and self.parse.items[i].kind == "action"
                        and self.parse.items[i] is not action
                        and self.parse.items[i].means.event != "close"
                        for i in gap
                    ):
                        return None
                    return group if not self._acted_on(group, gap) else None
                return None
        return None

    def _acted_on(self, group: Group, gap: range) -> bool:
        """As in "plug closure discussed: AVP II was in the room": behind a colon, a verb of its own."""
        parse = self.parse
        return any(parse.words.words[i] == ":" for i in gap) and any(
            a.first >= group[-1].last
            and parse.clause.get(a.first) == parse.clause.get(group[-1].first)
            and passive(parse, a)
            for a in parse.actions
        )
