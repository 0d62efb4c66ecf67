"""Counted: the noun a number belongs to.

In: a ``Parse`` and a number or size of it that belongs to no device phrase. Out:
what it counts or measures: the noun behind it, or before it, and what that noun
is as far as the rules know it.
"""

from __future__ import annotations

from dataclasses import dataclass

from extractor.grammar import Parse
from extractor.mentions import Mention

# How the roles and sites of pattern files are called, where the name alone does not say it.
_ROLES = {
    "vascular_closure": "closure device of the access",
    "valve": "valve prosthesis",
    "lead": "pacing lead",
    "clip": "clip of the leaflets",
    "ring": "annuloplasty ring",
    "appendage": "occluder of the appendage",
    "imaging": "imaging",
    "support": "circulatory support",
    "part": "part of a device",
    "other": "other hardware",
}
_SITES = {
    "septal_access": "the access through the septum",
    "apical_tract": "the access through the apex",
    "vessel": "a vessel",
}
_NOUNS = ("device", "other_device", "target", "leak", "valve")
_LITTLE = ("be", "of", "preposition", "conjunction", "adverb", "adjective", "subject", "verb")
FAR = 8
"""Most words between a number or an action and the noun it is said of."""


@dataclass(frozen=True, slots=True)
class Noun:
    """The noun a number belongs to: words ``first`` to ``last``, and what it is, as far as known."""

    first: int
    last: int
    what: str = ""


def name_of(mention: Mention) -> str:
    """What a noun outside the device phrases is, for example ``closure device of the access``."""
    match mention.kind:
        case "other_device":
            role: str = mention.means.role
            return _ROLES.get(role, role)
        case "target":
            site: str = mention.means.site
            return _SITES.get(site, site)
        case "device":
            return "part of a device" if mention.means.head == "weak" else "names the devices counted before"
        case "action":
            return f"{mention.means.event}, not a device"
    return mention.kind


def counted(parse: Parse, mention: Mention) -> Noun | None:
    """Find the noun a number belongs to: behind it, or before it.

    Parameters
    ----------
    parse
        The sentence.
    mention
        A number or size of it.
    """
    if mention.kind == "count" and mention.means.word == "times":
        return _before(parse, mention) or _behind(parse, mention)
    behind = _behind(parse, mention)
    if behind is not None:
        return behind
    if mention.kind == "count" and parse.sentence.form != "row" and _is_verb(parse, mention.last):
        item = parse.items.get(mention.last)
        if item is not None and item.kind == "action" and item.means.form == "noun":
            return Noun(item.first, item.last, name_of(item))  # "after each release"
        return None  # "two were released": a noun before it belongs to something else
    return _before(parse, mention)


def _behind(parse: Parse, mention: Mention) -> Noun | None:
    """As in "Two large leaks", "two lateral access points": the noun after a number."""
    word = None
    for i in range(mention.last, min(parse.last, mention.last + FAR)):
        item, role = parse.items.get(i), parse.roles.get(i)
        if item is not None and item.kind in _NOUNS:
            return Noun(item.first, item.last, name_of(item))
        if role == "subject" or (i == mention.last and _denies(parse, mention)):
            return Noun(i, i + 1)
        if unknown(parse, i):
            word = i  # the last of "two lateral access points"
            continue
        if _in_number(parse, i):
            continue
        following = parse.items.get(i + 1)
        if not (
            role in ("adjective", "adverb", "of")
            or (item is not None and item.kind in ("count", "size"))
            or (
                role in ("preposition", "conjunction")
                and following is not None
                and following.kind == mention.kind
            )
        ):
            break
    return Noun(word, word + 1) if word is not None else None


def _in_number(parse: Parse, i: int) -> bool:
    """As in "two 0.035 wires": digits, and the point between them."""
    words, starts, ends = parse.words.words, parse.words.starts, parse.words.ends
    if words[i].isdigit():
        return True
    return words[i] == "." and i + 1 < parse.last and words[i + 1].isdigit() and ends[i] == starts[i + 1]


def _is_verb(parse: Parse, i: int) -> bool:
    """Whether a word tells what happens: what stands before it is its subject."""
    item = parse.items.get(i)
    return parse.roles.get(i) in ("be", "modal") or (item is not None and item.kind == "action")


def _denies(parse: Parse, mention: Mention) -> bool:
    """As in "No treatment": what is denied may be any word but a verb."""
    if mention.kind != "count" or mention.means.word not in ("none", "none_more"):
        return False
    i = mention.last
    item = parse.items.get(i)
    named = item is not None and item.kind == "action" and item.means.event in ("check", "close")
    return i < parse.last and parse.words.words[i].isalpha() and (named or not _is_verb(parse, i))


def _before(parse: Parse, mention: Mention) -> Noun | None:
    """As in "The defect measured 8 mm", "LA pressure 29 -> 14": the noun before a number.

    A noun of the rules may stand a few words off, a word that none knows only
    where nothing but numbers, marks and little words stands between.
    """
    word, close = None, True
    i, words = mention.first - 1, 0
    while i >= parse.first and words < FAR:
        item = parse.items.get(i)
        if item is not None and (item.kind in _NOUNS or (close and _checks(item))):
            if word is not None and item.kind == "device":
                break  # "AVP II released, gradient 5"
            return Noun(item.first, item.last, name_of(item))
        if item is not None and item.kind in ("count", "size"):
            i = item.first - 1
            continue
        if parse.words.words[i] in (";", ".") and parse.sentence.form != "row":
            break
        if parse.words.words[i].isalpha():
            words += 1
            if close and word is None and (unknown(parse, i) or _names(parse, i)):
                word = i
            acts = item is not None and item.kind == "action"  # "LA pressure fell from 29 to 14"
            close = close and (acts or parse.roles.get(i) in _LITTLE)
        i -= 1
    return Noun(word, word + 1) if word is not None else None


def _checks(item: Mention) -> bool:
    """As in "tug x3", "interference: none"."""
    return item.kind == "action" and item.means.event == "check"


def _names(parse: Parse, i: int) -> bool:
    """As in "Attempt 2": a cue that is a noun, and no denial."""
    cues = [cue for cue in parse.cues if cue.first <= i < cue.last]
    return i not in parse.roles and bool(cues) and all(cue.means.cue != "negation" for cue in cues)


def unknown(parse: Parse, i: int) -> bool:
    """Whether no rule knows a word.

    Parameters
    ----------
    parse
        The sentence.
    i
        Index of the word in the note.
    """
    return (
        i not in parse.items
        and i not in parse.roles
        and parse.words.words[i].isalpha()
        and not any(cue.first <= i < cue.last for cue in parse.cues)
    )
