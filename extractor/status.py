"""Status of a mention: today or not, done or not.

In: a ``Parse`` and a device group or an action of it. Out: why the group is no
device of this session (history, plan, said not to exist), or whether a cue
(negation, plan, intent, inability) governs the action. A cue reaches no
further than its clause, and over no other action.
"""

from __future__ import annotations

from extractor.events import Standing
from extractor.grammar import Parse
from extractor.mentions import Mention
from extractor.phrases import DevicePhrase

NONE = "none: says there is no such device"
_NEGATION_REACH = 5  # words
_REACH_OF_TOOL = 3
_TAKES_AWAY = ("withdraw", "capture", "embolize")
_SINCE = ("in", "since", "of", "from")


def why_not_today(
    parse: Parse, group: list[DevicePhrase], standing: Standing, *, something_done: bool
) -> str:
    """Why a group names no device of this session; empty when it may.

    Parameters
    ----------
    parse
        The sentence.
    group
        Device phrases of it that stand together.
    standing
        That of the section.
    something_done
        Whether a device of this session is known already; before that, what
        imaging shows was there before.
    """
    if standing != "today":
        return "history" if standing == "prior" else "plan"
    if any(p.prior for p in group):
        return "history"
    if any(p.none for p in group):
        return NONE
    clause = parse.clause.get(group[0].first)
    told_of = _hangs_on(parse, clause)
    if told_of is not None and _cue_in_clause(parse, group, told_of, something_done) == "history":
        return "history"  # "eleven months ago, when she left a 12 mm plug in it"
    return (
        _cue_in_clause(parse, group, clause, something_done)
        or _plan_of_sentence(parse, group[0], clause)
        or _denied(parse, group[0])
        or _history_of_sentence(parse, clause)
    )


def _cue_in_clause(parse: Parse, group: list[DevicePhrase], clause: int | None, something_done: bool) -> str:
    """What the cues of the clause say; the last one decides."""
    why = ""
    today = "today" in parse.cue_kinds()
    for cue in parse.cues:
        if parse.clause.get(cue.first) != clause:
            continue
        kind = cue.means.cue
        if today and kind in ("history", "imaging", "cancelled"):
            continue
        if kind == "history" and _reaches(parse, cue, group):
            why = "history"
        elif kind == "cancelled" or (kind == "plan" and _plans(parse, cue, group, clause)):
            why = "plan"
        elif kind == "imaging" and not something_done and not _chosen(parse, clause):
            why = "history"
    return why


def _chosen(parse: Parse, clause: int | None) -> bool:
    """As in "First choice, going by the CT, was a 12 mm AVP II": what imaging led to, not what it saw."""
    return any(a.means.event == "select" and parse.clause.get(a.first) == clause for a in parse.actions)


def _reaches(parse: Parse, cue: Mention, group: list[DevicePhrase]) -> bool:
    """Whether a history cue stands before a group or close behind it; inside a phrase it is of that alone."""
    inside = any(p.first <= cue.first < p.last for p in parse.phrases) or _of_tool(parse, cue)
    behind = cue.means.reach == "both" and cue.first <= group[-1].last + 6
    return not inside and (cue.first < group[0].first or behind)


def _of_tool(parse: Parse, cue: Mention) -> bool:
    """As in "through a catheter that was already in place": said of the tool before it."""
    before = [m for m in parse.nouns if m.kind == "other_device" and m.last <= cue.first]
    devices = [p for p in parse.phrases if p.last <= cue.first]
    return (
        cue.means.reach == "both"
        and bool(before)
        and cue.first - before[-1].last <= _REACH_OF_TOOL
        and not any(p.last > before[-1].last for p in devices)
    )


def _plans(parse: Parse, cue: Mention, group: list[DevicePhrase], clause: int | None) -> bool:
    """Whether a plan cue governs a group: before or right behind it, and no intent carried out."""
    first = group[0].first
    behind = 5 if cue.means.reach == "both" else 1
    acted = any(  # "retrieved without sequelae, discussed openly"
        group[-1].last <= a.first < cue.first and a.means.event in _TAKES_AWAY for a in parse.actions
    )
    return (
        not _elliptical(parse, cue)
        and (cue.first < first or (0 <= cue.first - group[-1].last <= behind and not acted))
        and not any(
            c.means.cue == "intent" and c.first < first and parse.clause.get(c.first) == clause
            for c in parse.cues
        )
    )


def _elliptical(parse: Parse, cue: Mention) -> bool:
    """As in "the 10 mm certainly would have, I think": what it would have done is no plan."""
    behind = parse.between(cue.last, parse.last)
    return behind[:1] == ["have"] and not "".join(behind[1:2]).isalpha()


def _plan_of_sentence(parse: Parse, first: DevicePhrase, clause: int | None) -> str:
    if any(c.means.cue == "plan" and c.means.reach == "sentence" for c in parse.cues):
        return "plan"
    if _plan_behind(parse, first):
        return "plan"
    verb_here = any(parse.clause.get(a.first) == clause for a in parse.actions) or any(
        role in ("be", "verb") and parse.clause.get(i) == clause for i, role in parse.roles.items()
    )
    planned = [p for p in parse.phrases if p.explanation == "plan" and p.first < first.first]
    if not planned or verb_here or _turned(parse, planned[-1].last, first.first):
        return ""
    return "plan"  # "he proposes a 14/6 ..., and for the other leak one 5W"


def _turned(parse: Parse, first: int, last: int) -> bool:
    """As in "I had thought of an AVP 4 but wanted more force, so an AVP II": what follows is done."""
    return any(c.means.cue == "turn" and first <= c.first < last for c in parse.cues)


def _plan_behind(parse: Parse, first: DevicePhrase) -> bool:
    """As in "Two 8 mm plugs, or one 12 x 5, would be expected to suffice": one verb for all of them."""
    ahead = (
        c for c in parse.cues if c.means.cue == "plan" and c.means.reach == "both" and c.first >= first.last
    )
    return any(
        not any(
            parse.roles.get(i) in ("be", "verb", "subject")
            or (i in parse.items and parse.items[i].kind == "action")
            for i in range(first.last, cue.first)
        )
        for cue in ahead
    )


def _denied(parse: Parse, first: DevicePhrase) -> str:
    if _instead(parse, first):
        return "instead: named for what was not taken"
    return NONE if _under_none(parse, first) else ""


def _history_of_sentence(parse: Parse, clause: int | None) -> str:
    told = any(c.means.cue == "history" and c.means.reach == "sentence" for c in parse.cues)
    return "history" if told or dated(parse, clause) or _goes_on(parse, clause) else ""


def _goes_on(parse: Parse, clause: int | None) -> bool:
    """As in "PVL plugged elsewhere 2021, two AVP II (12, 10)": no verb of its own, so of the same date."""
    own = any(
        parse.clause.get(i) == clause and (role in ("be", "verb", "subject"))
        for i, role in parse.roles.items()
    ) or any(parse.clause.get(a.first) == clause for a in parse.actions)
    return clause is not None and clause > 0 and not own and dated(parse, clause - 1)


def _instead(parse: Parse, phrase: DevicePhrase) -> bool:
    """As in "Instead of a 12 mm plug, a 10 mm was deployed"."""
    return phrase.determiner != "definite" and any(
        c.means.cue == "instead" and c.last == phrase.first for c in parse.cues
    )


def _under_none(parse: Parse, phrase: DevicePhrase) -> bool:
    """As in "No sheath, wire or device was opened": the negation reaches over the list."""
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


def dated(parse: Parse, clause: int | None) -> bool:
    """A calendar year in running text tells of another day."""
    if parse.sentence.form not in ("prose", "item") or not any(
        m.kind == "size" and m.means.form == "date" for m in parse.mentions
    ):
        return False
    told_of = _hangs_on(parse, clause)
    if _led_by_year(parse) or (told_of is not None and dated(parse, told_of)):
        return True
    for i, mention in parse.items.items():
        inside = any(p.first <= i < p.last for p in parse.phrases)
        if (
            mention.kind == "size"
            and mention.means.form == "date"
            and not inside
            and (parse.clause.get(i) == clause or _fronted(parse, mention, clause))
        ):
            words = parse.words.words[mention.first : mention.last]
            before = parse.words.words[mention.first - 1] if mention.first > parse.first else ""
            months = len(words) == 2 and len(words[1]) == 4 and words[1].isdigit()
            if (
                words[0] in _SINCE
                or (len(words) == 1 and len(words[0]) == 4)
                or (months and (before in _SINCE or before == ","))
            ):
                return True
    return False


def _led_by_year(parse: Parse) -> bool:
    """As in "2020: PVL closure, 1 plug": all of an entry under a year."""
    date = parse.items.get(parse.first)
    words = parse.words.words
    if date is None or date.kind != "size" or date.means.form != "date" or "today" in parse.cue_kinds():
        return False
    alone = date.last - date.first == 1 and len(words[date.first]) == 4
    return alone and not any(a.means.event == "release" and a.means.form == "verb" for a in parse.actions)


def _hangs_on(parse: Parse, clause: int | None) -> int | None:
    """The clause that one with "when" or "that was" goes on to tell of."""
    opens = next((i for i in range(parse.first, parse.last) if parse.clause.get(i) == clause), parse.first)
    if clause is None or opens == parse.first:
        return None
    begin = opens
    while begin > parse.first and (
        parse.roles.get(begin - 1) == "relative" or parse.words.words[begin - 1] == ","
    ):
        begin -= 1
    link = [word for word in parse.between(begin, opens + 1) if word != ","]
    return parse.clause.get(begin - 1) if link in (["when"], ["that", "was"]) else None


def _fronted(parse: Parse, date: Mention, clause: int | None) -> bool:
    """As in "In March 2018 at the affiliate, two plugs were placed": of what the comma opens."""
    of_date = parse.clause.get(date.first)
    if clause is None or of_date is None or clause != of_date + 1:
        return False
    front = [i for i in range(parse.first, parse.last) if parse.clause.get(i) == of_date]
    return (
        parse.words.words[front[-1] + 1] == ","
        and not any(parse.roles.get(i) in ("be", "verb") for i in front)
        and not any(parse.clause.get(a.first) == of_date for a in parse.actions)
    )


def left_in(parse: Parse, clause: int | None) -> bool:
    """Whether a clause says that something is put in or stays."""
    return any(
        a.means.event in ("open", "release", "remain") and parse.clause.get(a.first) == clause
        for a in parse.actions
    )


def acted_away(parse: Parse, group: list[DevicePhrase]) -> bool:
    """Whether the clause takes these devices out again, or leaves them unused."""
    clause = parse.clause.get(group[0].first)
    return any(
        a.means.event in ("withdraw", "unused", "waste", "embolize", "exchange", "capture")
        and parse.clause.get(a.first) == clause
        and not negated(parse, a)
        for a in parse.actions
    )


def negated(parse: Parse, action: Mention) -> bool:
    """Whether an action is denied, by a cue or by its subject ("no plug was deployed")."""
    if any(c.means.cue == "until" and c.first >= action.last for c in parse.cues):
        return False  # "was not released until the leaflets moved"
    return (
        cued(parse, action, "negation")
        or _none_phrase(parse, action)
        or none_of_them(parse, action)
        or _neither(parse, action)
    )


def _neither(parse: Parse, action: Mention) -> bool:
    """As in "neither the 6 mm plug nor, after a long try, the 7 mm one was left in"."""
    opens = [c.first for c in parse.cues if c.means.cue == "neither" and c.first < action.first]
    if not opens:
        return False
    if any(c.means.cue == "negation" and opens[-1] < c.first < action.first for c in parse.cues):
        return True
    between = range(opens[-1] + 1, action.first)  # "neither would stay"
    return len(between) <= _NEGATION_REACH and not any(
        i in parse.items or parse.words.words[i] in (",", ";") or parse.roles.get(i) == "conjunction"
        for i in between
    )


def none_of_them(parse: Parse, action: Mention) -> bool:
    """As in "none needed to be recaptured": a denial is the subject by itself."""
    clause = parse.clause.get(action.first)
    return any(
        mention.kind == "count" and mention.means.word == "none" and i < action.first
        and ")" not in parse.between(i, action.first)
        and parse.clause.get(i) == clause
        and parse.roles.get(i + 1) in ("be", "verb", "modal", "of")
        for i, mention in parse.items.items()
    )  # fmt: skip


def _none_phrase(parse: Parse, action: Mention) -> bool:
    clause = parse.clause.get(action.first)
    return any(
        p.none and parse.clause.get(p.first) == clause and p.last <= action.first for p in parse.phrases
    )


def cued(parse: Parse, action: Mention, kind: str) -> bool:
    """Whether a cue governs an action: in its clause, before it, nothing acted between."""
    clause = parse.clause.get(action.first)
    return any(
        cue.means.cue == kind
        and cue.last <= action.first
        and parse.clause.get(cue.first) == clause
        and not (kind == "negation" and _stops_negation(parse, cue, action))
        and not (kind in ("inability", "intent") and _acted_between(parse, cue, action))
        and not (kind == "inability" and "," in parse.between(cue.last, action.first))
        and not (kind == "inability" and _new_verb(parse, range(cue.last, action.first)))
        for cue in parse.cues
    )


def _stops_negation(parse: Parse, cue: Mention, action: Mention) -> bool:
    """Whether a negation ends before an action: at a comma, another noun or action, or for distance."""
    between = range(cue.last, action.first)
    return (
        len(between) > _NEGATION_REACH
        or any(parse.words.words[i] == "," for i in between)
        or _new_verb(parse, between)
        or any(
            i in parse.items and parse.items[i].kind in ("action", "leak", "other_device") for i in between
        )
        or (
            # "without": an unknown noun is what was lacking
            parse.words.words[cue.first] == "without"
            and any(
                parse.roles.get(i) is None
                and i not in parse.items
                and not parse.words.words[i].endswith("ing")
                for i in between
            )
        )
    )


def _new_verb(parse: Parse, between: range) -> bool:
    """As in "did not hold and was withdrawn": what denies the first verb leaves the second alone."""
    return any(parse.roles.get(i) == "conjunction" and parse.roles.get(i + 1) == "be" for i in between)


def _acted_between(parse: Parse, cue: Mention, action: Mention) -> bool:
    """Whether the cue governs an action before this one, and not both of them."""
    return any(
        i in parse.items
        and parse.items[i].kind == "action"
        and parse.roles.get(i - 1) != "conjunction"
        and not _joined(parse, i, action)
        for i in range(cue.last, action.first)
    )


def _joined(parse: Parse, i: int, action: Mention) -> bool:
    """As in "to recapture and exchange": both actions stand under one cue."""
    return any(parse.roles.get(k) == "conjunction" for k in range(i, action.first))


def group_negated(parse: Parse, phrase: DevicePhrase) -> bool:
    """Whether a denial or a failure stands before a phrase, or behind it in place of a verb."""
    clause = parse.clause.get(phrase.first)
    behind = any(
        c.means.cue in ("negation", "inability")
        and parse.clause.get(c.first) == clause
        and 0 <= c.first - phrase.last <= 8
        for c in parse.cues
    )
    if behind and not any(parse.clause.get(a.first) == clause for a in parse.actions):
        return True  # "a plug of 14 mm did not conform"
    return any(
        c.means.cue in ("negation", "inability")
        and parse.clause.get(c.first) == clause
        and c.first < phrase.first
        for c in parse.cues
    )
