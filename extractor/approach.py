"""Approach: by which routes the leak of each treated valve was reached.

In: the parsed sentences of a note with their standing, its approach mentions and
the treated valves. Out: ``Routes``: the routes of each valve with their witness.

The note is read as a row of attempts. A word for a route opens one, unless the
clause bars it, plans it or tells it of the past; that the leak was crossed, or a
device was put in, proves the attempt that is running; that it was given up ends
it. Where any attempt at a valve is proven, only proven ones count, so a failed
route, a route only tried and the far end of a rail add none (coding policy, label
format). Vessels and tools speak only where nothing else does.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from extractor.claims import Case, Source
from extractor.grammar import Parse
from extractor.mentions import Mention
from extractor.site import ACCESS, WAY_THROUGH, Site, spoken_of

ROUTES = ("retrograde", "transseptal", "transapical")
_LEFT_VALVES = ("mitral", "aortic")
_STATED: tuple[Source, ...] = ("title", "summary", "implants", "equipment")  # tell no course of events
# What a side of the leak proves, by valve.
_ROUTE_OF_SIDE = {
    "mitral": {
        "atrium": "transseptal", "above": "transseptal", "antegrade": "transseptal", "vein": "transseptal",
        "ventricle": "retrograde", "below": "retrograde", "aorta": "retrograde", "artery": "retrograde",
    },
    "aortic": {
        "aorta": "retrograde", "above": "retrograde", "artery": "retrograde",
        "ventricle": "transseptal", "below": "transseptal", "antegrade": "transseptal", "vein": "transseptal",
    },
    None: {"atrium": "transseptal", "vein": "transseptal", "antegrade": "transseptal", "aorta": "retrograde"},
}  # fmt: skip
_FROM_VENTRICLE = ("ventricle", "below")


@dataclass(slots=True)
class Attempt:
    """A route that was taken or tried, and what came of it."""

    route: str
    witness: Mention
    valve: str | None
    tried: bool = False  # only named as an attempt
    crossed: bool = False
    placed: bool = False  # a device was put in by it
    failed: bool = False

    @property
    def proven(self) -> bool:
        """Whether the leak was crossed by this route, and it was not given up after that."""
        return self.crossed and not self.failed


@dataclass(slots=True)
class Routes:
    """The routes of each treated valve (None: the valve is not known), with their words."""

    of: dict[str | None, dict[str, Mention]] = field(default_factory=dict)
    sought: bool = False  # a sentence tells that the leak was crossed, or could not be

    @property
    def all(self) -> dict[str, Mention]:
        """The routes of the session."""
        found: dict[str, Mention] = {}
        for routes in self.of.values():
            for route, witness in routes.items():
                found.setdefault(route, witness)
        return {route: found[route] for route in ROUTES if route in found}


def read_routes(
    case: Case, mentions: list[Mention], valves: Iterable[str], exposed: Mention | None
) -> Routes:
    """The routes of each treated valve.

    Parameters
    ----------
    case
        The sentences of the note, and what became of its devices.
    mentions
        Mentions of the ``approach`` layer.
    valves
        The treated valves.
    exposed
        The words for a surgical exposure of the heart, if any.
    """
    treated = list(valves)
    left = [valve for valve in treated if valve in _LEFT_VALVES]
    if treated and not left:
        return Routes()  # the right heart is reached without crossing to the left
    walk = _Walk(left)
    for parse, source, here in _sentences(case, mentions):
        walk.read(parse, source, here)
    if exposed is not None and any(m.means.route == "transapical" for m in mentions):
        walk.attempts.append(Attempt("transapical", exposed, None, crossed=True))
    tried = walk.reached or not walk.denied or any(d.tried or d.in_place for d in case.main.today())
    routes = Routes(sought=walk.sought)
    served: list[str | None] = [*left] if left else [None]
    for valve in served:
        routes.of[valve] = _routes_of(valve, left, walk, tried)
    return routes


def read_exposure(case: Case, mentions: list[Mention]) -> Mention | None:
    """The words for a surgical exposure of the heart in this session."""
    for parse, _, here in _sentences(case, mentions):
        for mention in here:
            if mention.means.use != "open" or _standing(parse, mention, here) != "taken":
                continue
            before = parse.items.get(mention.first - 1)
            if before is None or before.kind != "count" or before.means.word == "article":
                return mention  # not "no thoracotomy", "a third sternotomy", "another"
    return None


def _sentences(case: Case, mentions: list[Mention]) -> Iterable[tuple[Parse, Source, list[Mention]]]:
    """The sentences of this session with their approach mentions."""
    by_word = {m.first: m for m in mentions}
    for parse, source, standing in case.parses:
        if standing == "today":
            yield parse, source, [by_word[i] for i in range(parse.first, parse.last) if i in by_word]


def _routes_of(valve: str | None, left: list[str], walk: _Walk, tried: bool) -> dict[str, Mention]:
    """The routes by which the leak of one valve was reached."""
    attempts = [a for a in walk.attempts if _concerns(a, valve, left)]
    proven = [a for a in attempts if a.proven]
    stated = [
        a for a in walk.stated
        if _concerns(a, valve, left) and not any(b.route == a.route and b.failed for b in attempts)
    ]  # fmt: skip
    taken = proven or [a for a in attempts if not a.tried and not a.failed]
    if stated and not proven:
        taken = [a for a in taken if a.route in {s.route for s in stated}] or stated
    elif stated:
        taken = taken + stated
    found: dict[str, Mention] = {}
    for attempt in taken:
        found.setdefault(attempt.route, attempt.witness)
    return found or (_by_vessel(valve, walk) if tried and valve else {})


def _concerns(attempt: Attempt, valve: str | None, left: list[str]) -> bool:
    """Whether an attempt may have been at this valve; one apical puncture serves both."""
    if len(left) < 2 or attempt.route == "transapical":
        return True
    if attempt.valve is not None:
        return attempt.valve == valve
    return {"transseptal": "mitral", "retrograde": "aortic"}[attempt.route] == valve


def _by_vessel(valve: str, walk: _Walk) -> dict[str, Mention]:
    """The route the vessels and tools speak for: the usual one of the valve, or the only one."""
    usual = {"mitral": "transseptal", "aortic": "retrograde"}[valve]
    if usual in walk.vessels:
        return {usual: walk.vessels[usual]}
    if len(walk.vessels) == 1 and valve != "aortic":
        return dict(walk.vessels)
    if not walk.vessels and valve == "aortic" and walk.groin is not None:
        return {usual: walk.groin}
    return {}


class _Walk:
    """Reads the sentences of a session one after another into attempts.

    Parameters
    ----------
    left
        The treated valves of the left heart.
    """

    def __init__(self, left: list[str]) -> None:
        self.attempts: list[Attempt] = []
        self.stated: list[Attempt] = []  # by a title, a summary or a list
        self.vessels: dict[str, Mention] = {}
        self.groin: Mention | None = None  # artery or vein, it is not said
        self.reached = False  # the leak was crossed, by whatever route
        self.denied = False  # it was not
        self.sought = False  # a sentence tells of crossing the leak, with success or not
        self._left = left
        self._site = Site()
        self._apical = False
        self._current: Attempt | None = None

    def read(self, parse: Parse, source: Source, mentions: list[Mention]) -> None:
        """Take in one sentence."""
        if source not in _STATED or len(self._left) < 2:
            self._site.read(parse)  # the titles of two procedures name one valve after the other
        way_in = any(m.means.route == "transseptal" and m.means.use == "step" for m in mentions)
        if self._site.target not in (None, *ACCESS) and not way_in:
            return  # how another defect was reached
        # "crossed from the left ventricle": the side belongs to the crossing of its clause.
        last = ("crossed", "arrived", "failed")
        for mention in sorted(mentions, key=lambda m: (parse.clause.get(m.first, 0), m.means.use in last)):
            use = mention.means.use
            if use == "crossed":
                self.sought |= any(m.kind == "leak" for m in parse.items.values())
                self._cross(parse, mention)
            elif use == "arrived":
                if self._from_ventricle():
                    self._cross(parse, mention)
            elif use == "failed":
                self._fail(parse, mention, mentions)
            elif use == "groin":
                self.groin = self.groin or mention
            elif (mention.means.route and use != "open") or use == "side":
                self._route(parse, source, mention, mentions)
        let_go = self.reached and (_delivered(parse, mentions) or _lets_go(parse))
        if source not in _STATED and (_puts_in(parse) or let_go):
            self._prove()
            if self._current is not None:
                self._current.placed = True

    @property
    def _valve(self) -> str | None:
        return self._left[0] if len(self._left) == 1 else self._site.valve if self._left else None

    def _from_ventricle(self) -> bool:
        """Whether the mitral leak is being tried from the ventricle: then the atrium lies behind it."""
        current = self._current
        return current is not None and current.valve == "mitral" and current.route != "transseptal"

    def _cross(self, parse: Parse, mention: Mention) -> None:
        if _denied(parse, mention):
            self.denied = True
            self._give_up()
            return
        self.reached = True
        self._prove()

    def _fail(self, parse: Parse, mention: Mention, mentions: list[Mention]) -> None:
        barred = any(m.means.use == "barred" and _together(parse, m, mention) for m in mentions)
        if not barred and not _denied(parse, mention):
            self._give_up()

    def _prove(self) -> None:
        """The leak spoken of was crossed by the route that is being tried."""
        current, valve = self._current, self._valve
        if current is not None and current.placed and None is not valve != current.valve:
            self._current = current = None  # the talk has gone on to the other valve, and no route is named
        if current is not None:
            current.valve = valve or current.valve
            current.crossed, current.failed = True, False

    def _give_up(self) -> None:
        if self._current is not None and not self._current.placed:
            self._current.failed = True

    def _route(self, parse: Parse, source: Source, mention: Mention, mentions: list[Mention]) -> None:
        """A word for a route: an attempt, a statement, or only a vessel or tool that suits it."""
        standing = _standing(parse, mention, mentions)
        if standing == "not":
            return
        use, side = mention.means.use, self._side(parse, mention, mentions)
        if use == "side" and _opened_from(parse, mention):
            return
        listed = use in ("step", "side") and source in ("implants", "equipment")
        if use == "vessel" and source not in _STATED:
            self._turn(mention)
        if use in ("vessel", "tool") or listed:
            if mention.means.route:
                self.vessels.setdefault(mention.means.route, mention)
            if side is None:
                return
        if use == "site" and not _punctured(parse, mention):
            return
        if side in ("vein", "artery") and not self._brings(parse, side, mention, mentions):
            return
        route = self._resolve(mention, side)
        if route is None:
            return
        attempt = Attempt(route, mention, self._valve, tried=standing != "taken", failed=standing == "failed")
        if source not in _STATED:
            self._begin(attempt)
        elif use == "named" and standing == "taken":
            attempt.valve = _only_valve(parse)
            self.stated.append(attempt)
            self._apical |= route == "transapical"

    def _turn(self, vessel: Mention) -> None:
        """Another vessel, named at the other valve: what was tried before does not go on there."""
        current = self._current
        other = current is not None and self._site.valve not in (None, current.valve)
        if len(self._left) > 1 and other and vessel.means.route not in (None, current and current.route):
            self._current = None

    def _begin(self, attempt: Attempt) -> None:
        """An attempt begins, or is named again."""
        current = self._current
        self._apical |= attempt.route == "transapical" and not attempt.tried
        same = current is not None and (current.route, current.valve) == (attempt.route, attempt.valve)
        if current is not None and same and not attempt.failed:
            current.tried &= attempt.tried
            return
        self.attempts.append(attempt)
        self._current = attempt

    def _side(self, parse: Parse, mention: Mention, mentions: list[Mention]) -> str | None:
        """The side of the leak a word speaks of; a vessel that is entered speaks of one."""
        if mention.means.use == "vessel" and _entered(parse, mention):
            return "vein" if mention.means.route == "transseptal" else "artery"
        if mention.means.use == "tool" and self._valve == "aortic" and _alone(mention, mentions):
            return "artery"
        side: str | None = mention.means.side
        return side

    def _resolve(self, mention: Mention, side: str | None) -> str | None:
        """The route a word stands for, at the valve spoken of."""
        if side is None:
            route: str = mention.means.route
            return route
        if side == "apex":
            return "transapical"
        if self._apical and (side in _FROM_VENTRICLE or (side == "antegrade" and self._valve != "mitral")):
            return "transapical"
        return _ROUTE_OF_SIDE.get(self._valve, {}).get(side)

    def _brings(self, parse: Parse, side: str, mention: Mention, mentions: list[Mention]) -> bool:
        """Whether a catheter or sheath goes to the leak from a vessel, and no snare, probe or pacing wire."""
        if any(m.means.use in ("purpose", "probe") and _together(parse, m, mention) for m in mentions):
            return False
        carried = _carried(parse, mention)
        snares = [
            m.last for m in mentions
            if m.means.use == "snare" and m.last <= mention.first and _together(parse, m, mention)
        ]  # fmt: skip
        if snares and not any(snares[-1] <= i < mention.first for i in carried):
            return False  # "the wire was snared and pulled out from the vein"
        if _of_rail(parse, mention, mentions) and not carried:
            return False  # "a loop was made through the left femoral artery"
        crosses = any(m.means.use == "crossed" for m in mentions)
        if side == "vein" and self._valve != "mitral":
            return crosses or (bool(carried) and any(m.means.use == "rail" for m in mentions))
        return bool(carried) or crosses


def _of_rail(parse: Parse, mention: Mention, mentions: list[Mention]) -> bool:
    """Whether a rail is what the clause tells of."""
    return any(
        m.means.use == "rail" and m.first < mention.first and _together(parse, m, mention) for m in mentions
    )


def _opened_from(parse: Parse, side: Mention) -> bool:
    """As in "Konar opened from below", "drawn up hard from below": how a device came to lie, and no way."""
    clause = parse.clause.get(side.first)
    handled = [
        a for a in parse.actions
        if 0 <= side.first - a.last <= 2 and a.means.event in ("open", "pull", "reposition", "withdraw")
    ]  # fmt: skip
    tools = [m for m in parse.nouns if m.kind == "other_device" and parse.clause.get(m.first) == clause]
    return side.means.side in ("above", "below") and bool(handled) and not tools


def _alone(mention: Mention, mentions: list[Mention]) -> bool:
    """As in "RFA: an AL1 crossed the leak": an arterial tool, where no word names another way."""
    return mention.means.route == "retrograde" and not any(
        m.means.use in ("side", "step", "named", "rail") or m.means.route not in ("retrograde", None)
        for m in mentions
    )


def _carried(parse: Parse, mention: Mention) -> list[int]:
    """Where the clause of a vessel names what comes from it: a catheter, a sheath, a device."""
    clause = parse.clause.get(mention.first)
    nouns = [
        m.first
        for m in parse.nouns
        if m.kind == "other_device" and m.means.role in ("sheath", "catheter") and not _entered(parse, m)
    ]
    return [i for i in [*nouns, *(p.first for p in parse.phrases)] if parse.clause.get(i) == clause]


def _together(parse: Parse, one: Mention, other: Mention) -> bool:
    """Whether two words stand in one clause."""
    return parse.clause.get(one.first) == parse.clause.get(other.first)


def _puts_in(parse: Parse) -> bool:
    """Whether a sentence puts a device in."""
    return bool(parse.phrases) and any(
        a.means.event in ("open", "release") and a.means.form == "verb" and not _denied(parse, a)
        for a in parse.actions
    )


def _lets_go(parse: Parse) -> bool:
    """As in "Left attached and, after a second wire, released": the device is not named again."""
    others = any(m.kind == "other_device" and m.means.role != "part" for m in parse.nouns)
    return not others and any(
        a.means.event == "release" and a.means.form == "verb" and not _denied(parse, a) for a in parse.actions
    )


def _delivered(parse: Parse, mentions: list[Mention]) -> bool:
    """As in "all the devices were advanced from the venous side"."""
    return (
        any(m.means.use == "side" and m.means.side in ("vein", "artery", "apex") for m in mentions)
        and any(not p.pronoun and not p.none for p in parse.phrases)
        and any(a.means.event == "load" and not _denied(parse, a) for a in parse.actions)
    )


def _only_valve(parse: Parse) -> str | None:
    """The valve a line of a title or a list names, if it names one."""
    named = {m.means.valve for m in spoken_of(parse)}
    named |= {m.means.valve for m in parse.items.values() if m.kind == "leak" and m.means.valve}
    return named.pop() if len(named) == 1 else None


def _entered(parse: Parse, mention: Mention) -> bool:
    """As in "from the right femoral artery", "AL1 via RFA", "through the septal sheath"."""
    words = parse.words.words
    for i in range(mention.first - 1, max(parse.first, mention.first - 3) - 1, -1):
        if words[i] in WAY_THROUGH:
            return True
        item = parse.items.get(i)
        if not words[i].isalpha() or i in parse.roles or (item is not None and item.kind != "count"):
            return False
    return False


def _punctured(parse: Parse, mention: Mention) -> bool:
    """As in "a 21G needle was advanced to the LV apex": a place is a step with a needle beside it."""
    clause = parse.clause.get(mention.first)
    tools = [m for m in parse.nouns if m.kind == "other_device" and parse.clause.get(m.first) == clause]
    needles = [m for m in tools if m.means.role == "needle"]
    # "NRG needle, a catheter was turned in the apex": another tool stands nearer
    nearer = [
        m for m in tools
        if m.means.role in ("wire", "catheter") and any(n.last <= m.first < mention.first for n in needles)
    ]  # fmt: skip
    return bool(needles) and not nearer


def _denied(parse: Parse, mention: Mention) -> bool:
    """Whether what a word says did not happen: denied or tried in vain, before it in its clause."""
    clause = parse.clause.get(mention.first)
    if any(
        c.means.cue in ("negation", "inability", "plan", "cancelled")
        and c.first < mention.first
        and parse.clause.get(c.first) == clause
        for c in parse.cues
    ):
        return True
    return any(
        m.kind == "count"
        and m.means.word in ("none", "nothing")
        and m.first < mention.first
        and parse.clause.get(m.first) == clause
        for m in parse.items.values()
    )


def _standing(parse: Parse, mention: Mention, mentions: list[Mention]) -> str:
    """Whether a clause says that a route was ``taken``, ``tried``, ``failed``, or ``not`` taken."""
    clause = parse.clause.get(mention.first)
    here = [m for m in mentions if parse.clause.get(m.first) == clause]
    barred = [m for m in mentions if m.means.use == "barred"]
    if _elsewhen(parse, mention, clause) or any(
        (m in here and not _colon(parse, mention, m)) or _goes_on(parse, mention, m) for m in barred
    ):
        return "not"
    if _served_else(mention, mentions, clause, parse) or _for_snare(parse, mention, mentions):
        return "not"
    if any(m.means.use == "failed" for m in here):
        return "failed"
    inability = any(c.means.cue == "inability" and parse.clause.get(c.first) == clause for c in parse.cues)
    if inability or any(m.means.use == "tried" for m in here):
        return "tried"
    return "taken"


def _colon(parse: Parse, one: Mention, other: Mention) -> bool:
    """As in "not needed: the AL1 crossed from the aorta": what follows is told for itself."""
    first, second = sorted((one, other), key=lambda m: m.first)
    return ":" in parse.between(first.last, second.first)


def _goes_on(parse: Parse, mention: Mention, behind: Mention) -> bool:
    """As in "an apical access was prepared but not needed": nothing but its verbs stands between."""
    verbs = ("be", "verb", "clause", "adverb", "modal", "conjunction")
    return behind.first >= mention.last and all(
        parse.roles.get(i) in verbs or (i in parse.items and parse.items[i].kind == "action")
        for i in range(mention.last, behind.first)
    )


def _elsewhen(parse: Parse, mention: Mention, clause: int | None) -> bool:
    """Whether a route is denied, planned, or of an earlier day."""
    for cue in parse.cues:
        if parse.clause.get(cue.first) != clause:
            continue
        kind, gap = cue.means.cue, mention.first - cue.last
        behind = cue.first - mention.last
        if kind == "negation" and (
            0 <= gap <= 5 or (0 <= behind <= 2 and parse.roles.get(cue.first) == "be")
        ):
            return True
        apart = gap >= 0 and _colon(parse, cue, mention)
        if kind in ("plan", "cancelled") and (gap >= 0 or behind <= 4) and not apart:
            return True
        if kind == "history" and (0 <= gap <= 4 or (cue.means.reach != "after")):
            return True
    before = parse.items.get(mention.first - 1)
    if before is not None and before.kind == "count" and before.means.word == "none":
        return True
    return any(
        m.kind == "size" and m.means.form == "date" and parse.clause.get(m.first) == clause
        for m in parse.items.values()
    )


def _served_else(mention: Mention, mentions: list[Mention], clause: int | None, parse: Parse) -> bool:
    """As in "left femoral vein for ICE": the next word about routes names another purpose."""
    after = [m for m in mentions if m.first >= mention.last and m.means.use != "crossed"]
    served = ("purpose", "probe") if mention.means.use == "vessel" else ("purpose",)
    return (
        bool(after)
        and after[0].means.use in served
        and after[0].first - mention.last <= 6
        and parse.clause.get(after[0].first) == clause
    )


def _for_snare(parse: Parse, mention: Mention, mentions: list[Mention]) -> bool:
    """As in "Through the septal sheath the wire was snared": a wire is caught, and no leak crossed."""
    snares = [m for m in mentions if m.means.use == "snare"]
    if mention.means.use == "side":
        return mention.means.side not in ("vein", "artery") and any(
            _together(parse, m, mention) for m in snares
        )
    if mention.means.use not in ("step", "named") or not snares:
        return False
    before = [m for m in mentions if m is not mention and m.first < snares[0].first]
    other = any(m.means.use in ("step", "named") and m.means.route != mention.means.route for m in before)
    return other or not any(m.means.use in ("crossed", "side") for m in before)
