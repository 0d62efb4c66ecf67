"""Diagnoses: codes for the coder to confirm, where a note documents the finding as present.

In: the stages of one note and its suggestion. Out: a ``Diagnosis`` for each finding, with the
words that tell of it. Messages, codes and words are data (``patterns/diagnoses.yaml``).

What is denied, possible, planned, of the family or gone is no diagnosis: nobody codes an
uncertain one of an outpatient. A chronic one stays one in the history. Where the words leave
open whether the code applies, the diagnosis is a ``question``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from extractor.coding import Evidence
from extractor.events import Standing
from extractor.grammar import Parse
from extractor.mentions import Mention, begun
from extractor.places import Places
from extractor.queries import fill
from extractor.rules import RuleBook
from extractor.site import denied
from extractor.suggestion import Diagnosis, Span, Suggestion

if TYPE_CHECKING:
    from extractor.coder import Analysis

_UNCERTAIN_CUES = ("plan", "possible", "asked", "cancelled")
_REACH = 6  # words between a word that takes a finding back and the finding
_BEHIND = 3
_BESIDE = 2  # "resolved hemolysis": it reaches no further
_NEAR = 5  # words between what a prosthesis is of and the valve
_SPECIFIED = 8  # words on either side that specify a heart failure
_BETWEEN = frozenset("(),/&-–:;") | {"and", "+"}
_BESIDE_VALVE = ("paravalvular", "closure")  # words of a leak that say so much
_ENDS = frozenset(".;,")


class _Told(NamedTuple):
    """A finding, and the sentence it stands in."""

    mention: Mention
    parse: Parse
    standing: Standing


def suggest_diagnoses(
    book: RuleBook, evidence: Evidence, analysis: Analysis, suggestion: Suggestion
) -> tuple[Diagnosis, ...]:
    """The diagnosis codes that a note documents, for the coder to confirm.

    Parameters
    ----------
    book
        The rules; without advice on diagnoses there are none.
    evidence
        Makes the spans.
    analysis
        The stages of the note.
    suggestion
        What is suggested for it.

    Examples
    --------
    >>> from extractor import Coder
    >>> note = "Chronic systolic heart failure, no hemolysis. Mitral paravalvular leak closure. "
    >>> note += "A 12 mm AVP II was deployed and released."
    >>> [(d.code, d.evidence[0].text) for d in Coder().suggest(note).diagnoses]
    [('T82.03X-', 'Mitral paravalvular leak'), ('I50.22', 'Chronic systolic heart failure')]
    """
    if not book.advice or suggestion.status == "none":
        return ()
    note = _Findings(book, evidence, analysis)
    found = [*_leak(note, suggestion), *_hemolysis(note), *_heart_failure(note)]
    return tuple(diagnosis for diagnosis in found if diagnosis is not None)


class _Findings:
    """The findings of a note that are told as present."""

    def __init__(self, book: RuleBook, evidence: Evidence, analysis: Analysis) -> None:
        self.book = book
        self.evidence = evidence
        self.analysis = analysis
        self.mentions = analysis.found["diagnosis"]
        self._places = Places(analysis.case, analysis.layout)

    def of(self, *signs: str) -> list[_Told]:
        """The mentions of some signs that are told as present, in text order."""
        told = []
        for mention in self.mentions:
            place = self._places.of(mention) if mention.means.sign in signs else None
            if place is not None and self._present(mention, place.parse, place.standing):
                told.append(_Told(mention, place.parse, place.standing))
        return told

    def around(self, parse: Parse, *signs: str) -> list[Mention]:
        """The mentions of some signs in a sentence."""
        return [m for m in begun(self.mentions, parse.first, parse.last) if m.means.sign in signs]

    def _present(self, mention: Mention, parse: Parse, standing: Standing) -> bool:
        other_time = parse.sentence.section.role in ("plan", "copied") and standing != "today"
        if other_time or standing == "planned" or self._of_family(mention, parse):
            return False
        return not (denied(parse, mention) or self._taken_back(mention, parse) or _open(mention, parse))

    def _of_family(self, mention: Mention, parse: Parse) -> bool:
        """As in "Family history: heart failure", "his father died of heart failure"."""
        section = parse.sentence.section
        family = [m for m in self.mentions if m.means.sign == "family"]
        return any(
            section.start <= m.start < section.body or (parse.first <= m.first < mention.first)
            for m in family
        )

    def _taken_back(self, mention: Mention, parse: Parse) -> bool:
        """Whether words of uncertainty, denial or recovery stand beside a finding."""
        words = parse.words.words
        for other in self.around(parse, "uncertain", "resolved", "denied"):
            reach = other.means.reach
            between = words[other.last : mention.first]
            most = _BESIDE if other.means.sign == "resolved" else _REACH
            ahead = other.last <= mention.first and (other.means.list or _reaches(between, most))
            if reach in ("after", "both") and ahead:
                return True
            between = words[mention.last : other.first]
            behind = mention.last <= other.first and _reaches(between[:-1], _BEHIND)
            if reach in ("before", "both") and behind:
                return True
        return False

    def diagnosis(self, advice_id: str, spans: tuple[Span, ...], code: str = "", **values: str) -> Diagnosis:
        """A diagnosis as the advice has it."""
        advice = self.book.advice[f"advice.{advice_id}"]
        message = fill(advice.message, **values) if values else advice.message
        return Diagnosis(code=code or advice.gives, question=advice.question, message=message, evidence=spans)

    def span(self, first: Mention, last: Mention) -> Span:
        """The words from one mention to another."""
        return self.evidence.span(first.start, last.end, self._places.section(first.start), first.rule)


def _reaches(between: list[str], most: int = _REACH) -> bool:
    """Whether a word reaches over some others: a few, and over no mark between parts of a sentence."""
    return len(between) <= most and not _ENDS & set(between)


def _open(mention: Mention, parse: Parse) -> bool:
    """Whether a cue before a finding, or right behind it, says that it is planned for, feared or asked."""
    words = parse.words.words
    for cue in parse.cues:
        if cue.means.cue not in _UNCERTAIN_CUES:
            continue
        if cue.last <= mention.first and _reaches(words[cue.last : mention.first]):
            return True
        behind = cue.means.reach in ("both", "before") and 0 <= cue.first - mention.last <= 1
        if behind and parse.clause.get(cue.first) == parse.clause.get(mention.first):
            return True
    return False


# -- the leak ----------------------------------------------------------------------


def _leak(note: _Findings, suggestion: Suggestion) -> list[Diagnosis]:
    """The leak of a prosthesis, and the question of what the prosthesis is."""
    around = note.analysis.circumstances
    named = [mention for mention in (around.closure, around.leak) if mention is not None]
    beside = [mention for mention in named if getattr(mention.means, "term", None) in _BESIDE_VALVE]
    leak = next(iter((*beside, *named)), None)
    if leak is None or any(reason.code == "annuloplasty_ring" for reason in suggestion.reasons):
        return []
    found = [note.diagnosis("leak", (note.span(leak, leak),))]
    treated = around.treated.valves
    for told in note.of("biological", "graft"):
        valve = _valve_beside(told)
        if valve is None or not treated or valve in treated:
            found.append(note.diagnosis("graft", (note.span(told.mention, told.mention),)))
            break
    return found


def _valve_beside(told: _Told) -> str | None:
    """The valve that is named with what a prosthesis is of, or nearest to it."""
    mention, best, valve = told.mention, _NEAR + 1, None
    for other in told.parse.mentions:
        named = getattr(other.means, "valve", None)
        if named is None or other.kind not in ("valve", "other_device", "leak"):
            continue
        gap = max(other.first - mention.last, mention.first - other.last, 0)
        if gap < best:
            best, valve = gap, named
    return valve


# -- hemolysis ---------------------------------------------------------------------


def _hemolysis(note: _Findings) -> list[Diagnosis]:
    """Hemolysis by the prosthesis or its leak; where the cause or the time is not told, a question."""
    told = [one for one in note.of("mechanical", "hemolysis") if not _symptom(note, one)]
    caused = [one for one in told if _caused(note, one)]
    if caused:
        return [note.diagnosis("hemolysis", (note.span(caused[0].mention, caused[0].mention),))]
    if told:
        return [note.diagnosis("hemolysis_cause", (note.span(told[0].mention, told[0].mention),))]
    return []


def _symptom(note: _Findings, told: _Told) -> bool:
    return any(m.last <= told.mention.last and m.first >= told.mention.first - 3
               for m in note.around(told.parse, "symptom"))  # fmt: skip


def _caused(note: _Findings, told: _Told) -> bool:
    """Whether a hemolysis is called mechanical, or told with the leak, and is not of the past."""
    mention, parse = told.mention, told.parse
    if any(0 <= mention.first - m.last <= _NEAR for m in note.around(parse, "past")):
        return False
    leak = any(
        m.kind == "leak" and m.means.term in ("paravalvular", "closure", "leak") and not denied(parse, m)
        for m in parse.mentions
    )
    return mention.means.sign == "mechanical" or leak


# -- heart failure -----------------------------------------------------------------


class _Failure(NamedTuple):
    """A heart failure as one place of a note specifies it."""

    kind: str
    acuity: str
    first: Mention
    last: Mention


def _heart_failure(note: _Findings) -> list[Diagnosis]:
    """Heart failure by what the note specifies of it; the less specified ones are left out."""
    failures: dict[tuple[str, str], _Failure] = {}
    for told in note.of("heart_failure"):
        failure = _specified(note, told)
        failures.setdefault((failure.kind, failure.acuity), failure)
    advice = note.book.advice["advice.heart_failure"]
    found: dict[str, Diagnosis] = {}
    for failure in _most_specified(list(failures.values())):
        key = f"{failure.kind} {failure.acuity}".strip()
        code = advice.codes.get(key) or advice.codes.get(failure.kind, advice.gives)
        words = " ".join((failure.acuity, failure.kind)).replace("_", " ").strip() or "not specified further"
        span = note.span(failure.first, failure.last)
        found.setdefault(code, note.diagnosis("heart_failure", (span,), code, specified=words))
    if found:
        return list(found.values())
    symptoms = note.of("symptom")
    about = [s for s in symptoms if "failure" in _text(s) or "hf" in _text(s) or "chf" in _text(s)]
    return [note.diagnosis("heart_failure_symptoms", (note.span(about[0].mention, about[0].mention),))
            ] if about else []  # fmt: skip


def _text(told: _Told) -> list[str]:
    return told.parse.words.words[told.mention.first : told.mention.last]


def _specified(note: _Findings, told: _Told) -> _Failure:
    """A heart failure with the words around it that specify it: "chronic systolic (congestive) ..."."""
    head, words = told.mention, told.parse.words.words
    at = {
        i: m
        for m in note.around(told.parse, "kind", "acuity", "link", "heart_failure")
        for i in range(m.first, m.last)
    }
    said = [head]
    for step, begin in ((-1, head.first - 1), (1, head.last)):
        for i in range(begin, begin + step * _SPECIFIED, step):
            mention = at.get(i)
            if not told.parse.first <= i < told.parse.last:
                break
            if mention is None and words[i] not in _BETWEEN:
                break
            if mention is not None and mention.means.sign == "heart_failure":
                break
            if mention is not None and mention.means.sign != "link" and mention not in said:
                said.append(mention)
    kinds = {m.means.kind for m in said if m.means.kind}
    acuities = {m.means.acuity for m in said if m.means.acuity}
    said.sort(key=lambda m: m.first)
    return _Failure(_one_kind(kinds), _one_acuity(acuities), said[0], said[-1])


def _one_kind(kinds: set[str]) -> str:
    if "combined" in kinds or kinds >= {"systolic", "diastolic"}:
        return "combined"
    if "both" in kinds or kinds >= {"left", "right"}:
        return "both"
    order = ("systolic", "diastolic", "right", "left", "high_output")
    return next((kind for kind in order if kind in kinds), "")


def _one_acuity(acuities: set[str]) -> str:
    if "acute_on_chronic" in acuities or len(acuities) > 1:
        return "acute_on_chronic"
    return next(iter(acuities), "")


def _most_specified(failures: list[_Failure]) -> list[_Failure]:
    """Without those that another one includes: no kind beside a kind, and of a kind the vaguer acuity."""
    kept = [f for f in failures if f.kind] or failures
    rank = {"": 0, "chronic": 1, "acute": 1, "acute_on_chronic": 2}
    return [f for f in kept if not any(g.kind == f.kind and rank[g.acuity] > rank[f.acuity] for g in kept)]
