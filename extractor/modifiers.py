"""Modifiers: what a note says for them, as advice to the coder.

In: the stages of one note, its suggestion and the payer's tables. Out: a ``Modifier`` for each
that the documentation speaks for, with its words. Messages and words are data
(``patterns/modifiers.yaml``; coding policy, section 4).

A person decides: no line of a suggestion is ever given a modifier. 50 and 51 are in no
advice, and nothing is advised on 93592 that would set aside a pair edit.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from datetime import date
from typing import TYPE_CHECKING, NamedTuple

from extractor.coding import Evidence
from extractor.mentions import Mention
from extractor.places import Places
from extractor.queries import fill
from extractor.rules import Advice, RuleBook
from extractor.site import denied
from extractor.status import dated
from extractor.suggestion import Modifier, Span, Suggestion
from extractor.tables import SCHEMAS, SETTINGS, Tables

if TYPE_CHECKING:
    from extractor.coder import Analysis
    from extractor.grammar import Parse

_OTHER_TIME = ("history", "copied", "plan")  # sections that tell of no work of today
_BESIDE = 6  # words in which a word says more of the one before it
_NAME = 8  # words of a name with its titles
_NO_COLON = 6  # words and dots between a label and its colon
_FILL = frozenset("(s)./&") | {"and", "role", "roles"}
_NO_MORE = frozenset(";/)")
_INITIAL = ([","], ["."])  # marks in a name before its title: "B. Doe, MD"
_PARTS = frozenset(".,;/|(")

Extent = tuple[int, int]  # words of the note


class _Field(NamedTuple):
    """A label of the team ("Assistant:") and the words of its value."""

    label: Mention
    first: int
    last: int


def advise_modifiers(
    book: RuleBook,
    tables: Tables,
    evidence: Evidence,
    analysis: Analysis,
    suggestion: Suggestion,
    day: date | None,
) -> tuple[Modifier, ...]:
    r"""The modifiers that a note speaks for, for a person to decide.

    Parameters
    ----------
    book
        The rules; without advice on modifiers there is none.
    tables
        The payer's tables: indicators of the fee schedule, and pairs.
    evidence
        Makes the spans.
    analysis
        The stages of the note.
    suggestion
        What is suggested for it.
    day
        Date of service; the newest editions where it is not known.

    Examples
    --------
    >>> from extractor import Coder
    >>> note = "Operator: Dr. A\nAssistant: B. Doe, PA-C\n\nMitral paravalvular leak closure. "
    >>> note += "A 12 mm AVP II was deployed and released."
    >>> [(m.modifier, m.codes, m.evidence[0].text) for m in Coder().suggest(note).modifiers]
    [('AS', ('93590',), 'Assistant: B. Doe, PA-C')]
    """
    if not book.advice or suggestion.status == "none":
        return ()
    note = _Note(analysis, evidence)
    found: list[Modifier] = []
    if note.mentions:
        exposed = any(reason.code == "open_approach" for reason in suggestion.reasons)
        for advice_id, extents in (("co_surgeons", _co_surgeons(note, exposed)), *_assistants(note)):
            advice = book.advice.get(f"advice.{advice_id}")
            if extents and advice is not None:
                found += _by_schedule(advice, tables, suggestion, day, note.spans(extents))
        found += _greater_work(book, note, suggestion)
        codes = [code for service in suggestion.also_documented for code in service.codes]
        found += separate_study(book, tables, evidence, analysis, suggestion, codes, day)
    return (*found, *_discontinued(book, note, suggestion))


class _Note:
    """The mentions of a note that speak for modifiers, and where they stand."""

    def __init__(self, analysis: Analysis, evidence: Evidence) -> None:
        self.analysis = analysis
        self.mentions = analysis.found["modifier"]
        self.evidence = evidence
        parses = analysis.case.parses
        self.words = parses[0][0].words if parses else None
        self._places = Places(analysis.case, analysis.layout)
        self.section = self._places.section
        self._lines = analysis.layout.line_starts

    def of(self, *signs: str) -> list[Mention]:
        """The mentions of some signs that are of this session, in text order."""
        return [m for m in self.mentions if m.means.sign in signs and self.of_today(m)]

    def of_today(self, mention: Mention) -> bool:
        """Whether a mention stands in no history, plan or copied text."""
        place = self._places.of(mention)
        if place is not None:
            return place.standing == "today"
        return self.section(mention.start) not in _OTHER_TIME

    def parse(self, mention: Mention) -> Parse | None:
        """The sentence of a mention."""
        place = self._places.of(mention)
        return place.parse if place is not None else None

    def within(self, extent: Extent, *signs: str) -> list[Mention]:
        """The mentions of some signs among the words of an extent."""
        return [m for m in self.mentions if m.means.sign in signs and extent[0] <= m.first < extent[1]]

    def text(self, first: int, last: int) -> list[str]:
        """Words of the note."""
        return self.words.words[max(0, first) : last] if self.words else []

    def line_end(self, word: int) -> int:
        """The word after the last of the line in which a word stands, wrapping undone."""
        assert self.words is not None
        line = bisect_right(self._lines, self.words.starts[word])
        if line >= len(self._lines):
            return len(self.words.words)
        return self.words.at(self._lines[line], self._lines[line])[0]

    def spans(self, extents: Iterable[Extent]) -> tuple[Span, ...]:
        """The words of extents as evidence; the rule is that of the first mention in each."""
        return tuple(self._span(extent) for extent in extents)

    def _span(self, extent: Extent) -> Span:
        assert self.words is not None
        start, end = self.words.starts[extent[0]], self.words.ends[extent[1] - 1]
        first = next(m for m in self.mentions if m.last > extent[0])
        return self.evidence.span(start, end, self.section(start), first.rule)

    # -- the team -----------------------------------------------------------------

    def fields(self, *signs: str) -> Iterator[_Field]:
        """The labels of some signs, each with its value: to the end of the line, or to the next label."""
        for label in self.of(*signs):
            first = self._value(label)
            if first is None:
                continue
            end = self.line_end(label.first)
            last = next((i for i in range(first, end) if self._labels(i)), end)
            if last < end:  # words of the next label
                covering = [m for m in self.mentions if first <= m.first < last <= m.last]
                last = min((m.first for m in covering), default=last - 1)
            if first < last:
                yield _Field(label, first, last)

    def names(self, i: int) -> bool:
        """Whether a word may be of a name, or a mark that stands for one."""
        word = self.text(i, i + 1)
        return bool(word) and (word[0].isalpha() or word[0] in ("*", "@"))

    def whole(self, field: _Field) -> Extent:
        """The label and the value of a field, without the mark at its end."""
        return field.label.first, self.ended(field.last, field.first)

    def ended(self, last: int, first: int) -> int:
        """The end of words without the marks that part them from the next."""
        while last > first + 1 and self.text(last - 1, last)[0] in _PARTS:
            last -= 1
        return last

    def _value(self, label: Mention) -> int | None:
        """The word behind the colon of a label."""
        for i, word in enumerate(self.text(label.last, label.last + _NO_COLON), label.last):
            if word == ":":
                return i + 1
            if word not in _FILL:
                return None
        return None

    def _labels(self, i: int) -> bool:
        """Whether a colon stands at a word, and not inside a time."""
        around = self.text(i - 1, i + 2)
        return around[1:2] == [":"] and not (around[0].isdigit() and around[-1].isdigit())


# -- who was there -----------------------------------------------------------------


def _co_surgeons(note: _Note, exposed: bool) -> list[Extent]:
    """Where a note tells of two surgeons: named so, of two disciplines, or each with a part of the work."""
    fields = {field.label.first: field for field in note.fields("co_surgeon")}
    for named in note.of("co_surgeon"):
        behind = note.within((named.last, named.last + 3), "nobody")
        if behind or _denied(note, named) or _blank(note, named):
            continue
        field = fields.get(named.first)
        return [(named.first, named.last) if field is None else note.whole(field)]
    return _two_disciplines(note, exposed) or _part_of_surgeon(note)


def _denied(note: _Note, mention: Mention) -> bool:
    parse = note.parse(mention)
    return parse is not None and denied(parse, mention)


def _blank(note: _Note, label: Mention) -> bool:
    """As in "Co-surgeon: ____": a field that nobody filled in."""
    if note.text(label.last, label.last + 1) != [":"]:
        return False
    value = range(label.last + 1, note.line_end(label.first))
    return not any(note.names(i) and not note.within((i, i + 1), "physician") for i in value)


def _two_disciplines(note: _Note, exposed: bool) -> list[Extent]:
    """As in "Operators: Dr. A (structural), Dr. B (CT surgery)", "Cardiac surgeon: A. Cardiologist: B".

    Who is called the operating surgeon is one of surgery only where the heart was ``exposed``.
    """
    found: dict[str, Extent] = {}
    for field in note.fields("operator"):
        for mention in note.within((field.first, field.last), "surgery", "cardiology"):
            if not _aside(note, mention):
                found.setdefault(mention.means.sign, note.whole(field))
        if exposed and field.label.means.surgeon and not _blank(note, field.label):
            found.setdefault("surgery", note.whole(field))
    for field in note.fields("surgery", "cardiology"):
        told = note.within((field.first, field.last), "aside", "trainee", "nobody")
        numbered = any(word.isdigit() for word in note.text(field.first, field.last))
        if not told and not numbered and not _blank(note, field.label):
            found.setdefault(field.label.means.sign, note.whole(field))
    return sorted(set(found.values())) if len(found) > 1 else []


def _aside(note: _Note, mention: Mention) -> bool:
    """As in "(cardiac surgery, standby)", "(IC fellow)": one who operates not, or learns to."""
    for i, word in enumerate(note.text(mention.last, mention.last + _BESIDE), mention.last):
        told = note.within((i, i + 1), "aside", "trainee", "other_label")
        if told:
            return True
        if word in _NO_MORE or note.within((i, i + 1), "physician", "surgery", "cardiology"):
            return False
    return False


def _part_of_surgeon(note: _Note) -> list[Extent]:
    """As in "the apex was exposed by the cardiac surgeon", "CT surgery (Dr. B) made the thoracotomy"."""
    for surgeon in note.of("surgery"):
        parse = note.parse(surgeon)
        if parse is None or note.section(surgeon.start) == "letterhead":
            continue
        told = parse.cue_kinds() & {"history", "plan", "inability", "negation"}
        if told or dated(parse, parse.clause.get(surgeon.first)) or _aside(note, surgeon):
            continue
        if note.text(surgeon.last, surgeon.last + 1) == ["'"]:
            continue  # "in the surgeon's view"
        before = note.within((parse.first, surgeon.first), "work")
        behind = note.within((surgeon.last, parse.last), "work")
        if before and "by" in note.text(max(before[-1].last, surgeon.first - _BESIDE), surgeon.first):
            return [(before[-1].first, surgeon.last)]
        opens = surgeon.first - parse.first <= _BESIDE - 2 and not _agentless(parse, surgeon)
        if behind and opens:
            return [(surgeon.first, behind[0].last)]
    return []


def _agentless(parse: Parse, surgeon: Mention) -> bool:
    """As in "After discussion with cardiac surgery ...": a preposition stands before the surgeon."""
    return any(
        parse.roles.get(i) in ("preposition", "with") for i in range(parse.first, surgeon.first)
    ) or any(c.last <= surgeon.first and c.means.cue == "landmark" for c in parse.cues)


def _assistants(note: _Note) -> list[tuple[str, list[Extent]]]:
    """Which modifier of an assistant a note speaks for, with the words that name the assistant."""
    physicians: list[Extent] = []
    others: list[Extent] = []
    for extent, first in (*_assistant_fields(note), *_assisting(note)):
        physician, other = (bool(note.within((first, extent[1]), s)) for s in ("physician", "non_physician"))
        if note.within((first, extent[1]), "trainee", "nobody", "aside"):
            continue
        if other:
            others.append(extent)
        elif physician and not note.within((first, extent[1]), "staff"):
            physicians.append(extent)
    lacking = [(m.first, m.last) for m in note.of("no_resident")][:1]
    advice = "assistant_no_resident" if lacking else "assistant"
    found = [(advice, [*physicians[:1], *lacking])] if physicians else []
    return [*found, ("assistant_non_physician", others[:1])]


def _assistant_fields(note: _Note) -> Iterator[tuple[Extent, int]]:
    """The entries of fields of assistants: all words of each, and where its name begins."""
    for field in note.fields("assistant"):
        if any(field.label.first - 2 <= m.last <= field.label.first for m in note.of("operator")):
            continue  # "Surgeon / assistant: A / B"
        first = field.first
        for i in range(field.first, field.last + 1):
            if i < field.last and note.text(i, i + 1) not in ([";"], ["/"]):
                continue
            if any(note.names(k) and not note.within((k, k + 1), "physician") for k in range(first, i)):
                begin = field.label.first if first == field.first else first
                yield (begin, note.ended(i, first)), first
            first = i + 1


def _assisting(note: _Note) -> Iterator[tuple[Extent, int]]:
    """As in "assisted by Dr. B", "with Dr. B assisting": all words, and where the name begins."""
    for mention in note.of("assistant"):
        words = note.text(mention.first, mention.last)
        if words[-1] == "by" and words[0] == "assisted":
            last = min(mention.last + _NAME, note.line_end(mention.first))
            stop = next((i for i in range(mention.last, last) if note.text(i, i + 1)[0] in ",;"), last)
            named = note.within((mention.last, last), "non_physician", "trainee")
            end = named[0].last if named else _name_end(note, mention.last, stop)
            if end > mention.last and not _denied(note, mention):
                yield (mention.first, end), mention.last
        elif words == ["assisting"] and note.text(mention.last, mention.last + 1) != [":"]:
            titles = note.within((mention.first - _BESIDE, mention.first), "physician", "non_physician")
            if titles and "." not in note.text(titles[-1].last + 1, mention.first):
                first = _name_begin(note, titles[0].first, mention.first)
                named = note.within((mention.last, mention.last + 3), "trainee")
                last = named[-1].last if named else mention.last
                yield (first, last + (note.text(last, last + 1) == [")"])), first


def _name_begin(note: _Note, title: int, end: int) -> int:
    """The beginning of a name with its title: "Dr. B. Doe", "B. Doe, MD"."""
    if any(note.text(i, i + 1)[0].isalpha() for i in range(title + 1, end)):
        return title
    first, line = title, note.line_end(title)
    while first > title - _BESIDE and (note.names(first - 1) or note.text(first - 1, first) in _INITIAL):
        other = note.within((first - 1, first), "physician", "operator", "surgery", "cardiology")
        if other or note.line_end(first - 1) != line:
            break
        first -= 1
    named = [i for i in range(first, title + 1) if note.names(i)]
    return next((i for i in named if note.text(i, i + 1)[0].isalpha()), named[0])


def _name_end(note: _Note, first: int, stop: int) -> int:
    """The end of a name behind its title: "Dr. B. Doe"."""
    titles = note.within((first, min(first + 2, stop)), "physician")
    if not titles:
        return first
    behind = range(titles[0].last, min(titles[0].last + 4, stop))
    return max((i + 1 for i in behind if note.names(i)), default=first)


# -- what was done -----------------------------------------------------------------


def _greater_work(book: RuleBook, note: _Note, suggestion: Suggestion) -> Iterator[Modifier]:
    """As in "substantially more work than usual"; not where the number of devices is the reason."""
    advice = book.advice.get("advice.greater_work")
    codes = _first_devices(book, suggestion)
    for mention in note.of("greater_work"):
        parse = note.parse(mention)
        if parse is None or denied(parse, mention) or parse.cue_kinds() & {"plan", "history"}:
            continue
        several = any(p.quantity is None or p.quantity > 1 or p.ordinal for p in parse.phrases)
        if advice is not None and codes and not several:
            yield Modifier(
                modifier=advice.gives,
                codes=codes,
                message=advice.message,
                evidence=note.spans([(mention.first, mention.last)]),
            )
            return


def _first_devices(book: RuleBook, suggestion: Suggestion) -> tuple[str, ...]:
    """The suggested codes that are of a first device."""
    first = {r.code for r in book.coding.values() if r.id.startswith("coding.initial.")}
    return tuple(line.code for line in suggestion.lines if line.code in first)


def _discontinued(book: RuleBook, note: _Note, suggestion: Suggestion) -> Iterator[Modifier]:
    """53 and 73 or 74, where a closure was begun and given up and nothing was left in."""
    if not any(reason.code == "no_device_implanted" for reason in suggestion.reasons):
        return
    around = note.analysis.circumstances
    told = [m for m in note.of("discontinued") if not _denied(note, m)]
    given_up = (told[-1] if told else None) or around.attempted or around.failed
    treated = tuple(around.treated.valves) or ("mitral", "aortic")
    rules = [book.coding.get(f"coding.initial.{valve}") for valve in treated]
    codes = tuple(rule.code for rule in rules if rule is not None)
    if given_up is None or not codes:
        return
    spans = (note.evidence.span(given_up.start, given_up.end, note.section(given_up.start), given_up.rule),)
    before = note.of("before_anesthesia")[:1]
    begun = before or [m for m in note.of("anesthesia") if not _denied(note, m)][:1]
    started = note.spans((m.first, m.last) for m in begun)
    facility = "discontinued_before_anesthesia" if before else "discontinued_facility"
    for advice_id, more in (("discontinued_physician", ()), (facility, started)):
        advice = book.advice.get(f"advice.{advice_id}")
        if advice is not None:
            yield Modifier(
                modifier=advice.gives, codes=codes, message=advice.message, evidence=(*spans, *more)
            )


def separate_study(
    book: RuleBook,
    tables: Tables,
    evidence: Evidence,
    analysis: Analysis,
    suggestion: Suggestion,
    codes: Iterable[str],
    day: date | None,
) -> tuple[Modifier, ...]:
    """The advice on the codes of a documented diagnostic study, where the note says why it was needed.

    The note must say that there was no earlier study to go by, or that the patient's condition
    changed since. No advice is given on a code of the closure, on one that bundles with a
    suggested code by a pair that no modifier bypasses, or on one that bundles with none.

    Parameters
    ----------
    codes
        Codes that the study may have.
    book, tables, evidence, analysis, suggestion, day
        As for ``advise_modifiers``.
    """
    advice = book.advice.get("advice.separate_study")
    codes = tuple(dict.fromkeys(codes))
    if advice is None or not codes:
        return ()
    note = _Note(analysis, evidence)
    why = [m for m in note.mentions if m.means.sign in ("no_prior_study", "changed") and _stands(note, m)]
    found: dict[str, Mention] = {}
    editions: dict[str, None] = {}
    for code in codes:
        kinds = {kind for kind, some in advice.studies.items() if code in some}
        reasons = [m for m in why if kinds and (m.means.study is None or m.means.study in kinds)]
        pairs = _bypassed(tables, code, suggestion, day)
        if reasons and pairs:
            found[code] = reasons[0]
            editions |= dict.fromkeys(pairs)
    if not found:
        return ()
    message = fill(advice.message, code=" or ".join(found), edition=", ".join(editions), indicators="")
    spans = note.spans((m.first, m.last) for m in dict.fromkeys(found.values()))
    return (Modifier(modifier=advice.gives, codes=tuple(found), message=message, evidence=spans),)


def _stands(note: _Note, mention: Mention) -> bool:
    """Whether a reason for a study is told of this session: in its history, but in no plan or copied text."""
    parse = note.parse(mention)
    if parse is None or note.section(mention.start) in ("copied", "plan"):
        return False
    own = mention.means.sign == "changed"  # the other begins with its own "no"
    return not (own and denied(parse, mention)) and not parse.cue_kinds() & {"plan"}


def _bypassed(tables: Tables, code: str, suggestion: Suggestion, day: date | None) -> tuple[str, ...]:
    """Editions of the pairs of a code with the suggested ones, if a modifier bypasses every one of them."""
    suggested = _suggested(suggestion)
    editions: dict[str, None] = {}
    for setting in SETTINGS:
        table = tables.in_force("ptp", setting, day)
        for other in suggested if table is not None else ():
            for pair in ((other, code), (code, other)):
                row = table.rows.get(pair) if table is not None else None
                if row is not None and row[3] == "0":
                    return ()
                if row is not None and row[3] == "1" and table is not None:
                    editions[f"ptp {table.edition}"] = None
    return () if code in suggested else tuple(editions)


def _suggested(suggestion: Suggestion) -> list[str]:
    """The codes that are suggested, of the closure and of what goes with it."""
    return [
        *(line.code for line in suggestion.lines),
        *(companion.code for companion in suggestion.companions),
    ]


# -- the fee schedule --------------------------------------------------------------


def _by_schedule(
    advice: Advice, tables: Tables, suggestion: Suggestion, day: date | None, spans: tuple[Span, ...]
) -> Iterator[Modifier]:
    """Advice with what the fee schedule of the day says of each suggested code."""
    codes = _suggested(suggestion)
    table = tables.in_force("mpfs_indicators", None, day)
    told, open_to = [], []
    for code in codes:
        row = table.rows.get((code, "")) if table is not None else None
        if row is None:
            told.append(f"{code}: not in the fee schedule at hand")
            open_to.append(code)
            continue
        assert advice.indicator is not None
        value = row[list(SCHEMAS["mpfs_indicators"].columns).index(advice.indicator)].split(".")[0]
        told.append(f"{code}: {value}, {advice.says.get(value, 'see the fee schedule')}")
        if value not in _CLOSED[advice.indicator]:
            open_to.append(code)
    if not open_to:
        return
    edition = f" (fee schedule {table.edition})." if table is not None else "."
    known = ""
    if table is not None and day is not None and not table.edition <= day < table.until:
        older = "older" if day >= table.until else "newer"
        known = f" The table is {older} than the service date, {day}."
    indicators = f"Indicator {'; '.join(told)}{edition}{known}"
    message = fill(advice.message, indicators=indicators, edition="", code="")
    yield Modifier(modifier=advice.gives, codes=tuple(open_to), message=message, evidence=spans)


_CLOSED = {"co_surg": ("0", "9"), "asst_surg": ("1", "9")}  # indicators by which it is never paid
