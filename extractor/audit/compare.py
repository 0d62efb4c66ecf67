"""Compare: whether what was billed is what the note supports, code by code."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date

from extractor.audit.billed import BilledClaim, BilledLine
from extractor.audit.billed_units import Billed, billed_units
from extractor.audit.documented import DocumentedNote, Interval, evidence, proof, supported
from extractor.audit.family import Family
from extractor.audit.finding import Finding, Issue, Result, words_of
from extractor.audit.join import Joined, join
from extractor.edits import edits
from extractor.rules import RuleBook
from extractor.suggestion import Edit, Line, Proof, Suggestion


def compare(
    notes: Iterable[DocumentedNote],
    claims: Iterable[BilledClaim],
    book: RuleBook,
    family: Family,
    lost: bool = False,
) -> list[Finding]:
    """The findings of an audit, by encounter, date, claimant and code: the same for any order of the input.

    Parameters
    ----------
    notes
        Notes with their suggestions.
    claims
        The claims that count.
    book
        The rules.
    family
        The codes that are judged.
    lost
        Some claims could not be read, so that a missing one may be among them.
    """
    found = [
        finding
        for joined in join(notes, claims, family)
        for finding in _Comparison(joined, book, family, lost).findings()
    ]
    return sorted(found, key=lambda finding: finding.key)


@dataclass(slots=True)
class _Row:
    """What is said of a code, while it is worked out."""

    code: str
    billed: Billed
    interval: Interval | None
    result: Result
    issue: Issue = ""
    words: list[str] = field(default_factory=list)

    def say(self, issue: Issue, *words: str) -> None:
        self.issue = issue
        self.words = [*words, *self.words]


class _Comparison:
    """The findings of one encounter, date and claimant."""

    def __init__(self, joined: Joined, book: RuleBook, family: Family, lost: bool) -> None:
        self._joined, self._book, self._family, self._lost = joined, book, family, lost
        self._billing = joined.billing
        self._note = joined.notes[0] if joined.notes and not joined.doubt else None
        self._rows: dict[str, _Row] = {}

    @property
    def _day(self) -> date | None:
        if self._billing is not None and self._billing.days is not None:
            return self._billing.days[0]
        return next((note.day for note in self._joined.notes if note.day), None)

    def findings(self) -> Iterator[Finding]:
        """Work the rows out, and give them."""
        if self._note is not None:
            self._compare(self._note)
        else:
            self._unjudged()
        self._add_on()
        self._remarks()
        edits = self._edits()
        codes = len([row for row in self._rows.values() if row.code])
        for row in self._rows.values():
            yield self._finding(row, codes, tuple(edit for edit in edits if row.code in edit.codes))

    def _billed(self, code: str) -> Billed:
        return billed_units(self._billing, code) if self._billing is not None else Billed()

    # -- one note ----------------------------------------------------------------------

    def _compare(self, note: DocumentedNote) -> None:
        intervals = supported(note, self._family)
        for code in self._family.judged:
            interval, billed = intervals[code], self._billed(code)
            if billed.units or billed.places or interval.low or interval.units:
                self._rows[code] = self._judge(note, code, billed, interval)
        if self._billing is None:
            self._unbilled(note)
            self._without_code()
            return
        self._other_family(note, intervals)
        self._wrong_valve(note, intervals)
        self._companion(note)
        if self._billing.unread:
            for row in self._rows.values():
                row.result = "needs review"
                row.say("claim_unread", "A line of this claim could not be read, so that more may be billed.")
        self._without_code()

    def _judge(self, note: DocumentedNote, code: str, billed: Billed, interval: Interval) -> _Row:
        low, high, units = interval.low, interval.high, billed.units
        least = "" if note.is_sure else "at least "
        told = f"Billed {units}, supported {words_of(low, high)}"
        row = _Row(code, billed, interval, "agree")
        if high is not None and units > high:
            row.result = "over-billed" if high else "not supported"
            row.say("too_many_units", f"{told} ({least}{units - high} too many).")
            if not high and not note.is_closure:
                row.say("no_closure", "The note of this encounter tells of no closure.")
                row.words.pop()
        elif units < low:
            row.result = "under-billed"
            row.say("too_few_units", f"{told} ({least}{low - units} too few).")
        elif not note.is_sure:
            row.result = "needs review"
            row.say("note_in_doubt", f"{told}: it cannot be judged before the note is settled.")
        else:
            row.say("", f"Billed and supported: {units}.")
        if row.code in self._family.initial and units > 1:
            row.words.append(
                f"{code} is for the first device, {self._family.additional} for each further one."
            )
        if billed.discontinued and note.is_closure:
            row.result = "needs review"
            row.say("discontinued", "A line is billed as reduced or discontinued; see whether it was.")
        return row

    def _unbilled(self, note: DocumentedNote) -> None:
        """No claim holds a code of the family."""
        for row in self._rows.values():
            if row.result == "under-billed":
                least = "" if note.is_sure else "at least "
                row.result = "no claim"
                row.words = []
                row.say(
                    "not_billed",
                    f"The note supports {least}{row.interval.low if row.interval else 0}; not billed.",
                )

    def _without_code(self) -> None:
        """A note of which nothing can be judged is told all the same."""
        if not self._rows:
            row = _Row("", Billed(), None, "needs review")
            words = "The note tells of a closure and supports no code for sure; none of the family is billed."
            row.say("note_in_doubt", words)
            self._rows[""] = row

    def _other_family(self, note: DocumentedNote, intervals: dict[str, Interval]) -> None:
        """Codes of other families are billed where the first code of this one is missing."""
        family = self._family
        if not note.is_closure or any(self._billed(code).units for code in family.initial):
            return
        others = {code: self._billed(code) for code in family.others}
        others = {code: billed for code, billed in others.items() if billed.units}
        if not others:
            return
        first = [code for code in family.initial if intervals[code].low]
        named = " and ".join(f"{code} ({family.others[code]})" for code in others)
        for code in self._rows:
            if self._rows[code].result == "under-billed":
                words = f"Closure coded as another family: {named} is billed, and {code} is missing."
                self._rows[code].say("other_family", words)
        for code, billed in others.items():
            row = _Row(code, billed, Interval(0, 0, 0), "not supported" if first else "needs review")
            if first:
                primary = " or ".join(first)
                words = f"Closure coded as another family: {code} ({family.others[code]}) is billed, "
                words += f"and the primary code {primary} is missing."
            else:
                words = f"{code} ({family.others[code]}) is billed, and no initial code: "
                words += "which of them is right cannot be judged before the note is settled."
            row.say("other_family", words)
            if not note.is_sure:
                row.result = "needs review"
            self._rows[code] = row

    def _wrong_valve(self, note: DocumentedNote, intervals: dict[str, Interval]) -> None:
        initial = self._family.initial
        if not note.is_closure:
            return
        extra = [c for c in initial if self._billed(c).units and intervals[c].high == 0]
        missing = [c for c in initial if not self._billed(c).units and intervals[c].low]
        if len(extra) == len(missing) == 1:
            wrong, right = extra[0], missing[0]
            words = f"Wrong valve: {wrong} is billed ({initial[wrong]}), "
            words += f"the note supports {right} ({initial[right]})."
            self._rows[wrong].say("wrong_valve", words)
            self._rows[right].say("wrong_valve", words)

    def _companion(self, note: DocumentedNote) -> None:
        """The companion: missing, or more than the route gives."""
        code = self._family.companion
        row = self._rows.get(code)
        if row is None or self._billing is None:
            return
        if row.result == "under-billed":
            row.say("companion_missing", f"{code} is missing: the note tells of the route that gives it.")
        elif row.issue == "too_many_units" and row.interval and not row.interval.high:
            others = self._family.primaries(code, self._day) - set(self._family.initial)
            beside = sorted(others & self._billing.codes)
            if beside:
                row.result = "needs review"
                words = (
                    f"{code} goes with no code of this family here, but may go with {' or '.join(beside)}."
                )
                row.say("companion_extra", words)
            else:
                row.say("companion_extra", f"{code} is extra: the note tells of no route that gives it.")

    # -- no note, or several -----------------------------------------------------------

    def _unjudged(self) -> None:
        """Billed lines without a note, or notes of which nobody knows which one it is."""
        joined = self._joined
        codes = [code for code in self._family.judged if self._billed(code).places]
        if joined.doubt and self._billing is not None and not set(codes) & set(self._family.closure):
            codes += [code for code in self._family.others if self._billed(code).places]
        if joined.doubt and not codes:
            codes = sorted(
                {line.code for note in joined.notes for line in note.suggestion.lines}
                | {one.code for note in joined.notes for one in note.suggestion.companions}
            ) or [""]
        for code in codes:
            row = _Row(code, self._billed(code), None, "no note")
            if joined.doubt:
                row.result = "needs review"
                issue: Issue = "several_notes" if len(joined.notes) > 1 else "note_in_doubt"
                row.say(issue, f"A person must say which: {joined.doubt}.")
            else:
                row.say("no_note", f"{code} is billed, and no note of this encounter and date is there.")
            self._rows[code] = row

    def _add_on(self) -> None:
        """The add-on code without any of its primary codes, on all claims of the day."""
        code, billing = self._family.additional, self._billing
        if billing is None or not self._billed(code).units:
            return
        primaries = self._family.primaries(code, self._day)
        if not primaries or any(self._billed(primary).places for primary in primaries):
            return
        named = " or ".join(sorted(primaries))
        self._rows[code].say(
            "add_on_without_primary", f"Add-on without primary: {code} is billed without {named}."
        )
        for primary in primaries:
            row = self._rows.get(primary)
            if row is not None and row.result == "under-billed" and row.issue != "other_family":
                row.say("add_on_without_primary", f"The primary {primary} of the add-on {code} is missing.")

    # -- what goes with every row ------------------------------------------------------

    def _remarks(self) -> None:
        joined, billing = self._joined, self._billing
        for row in self._rows.values():
            if joined.hint:
                row.words.append(joined.hint)
            if billing is None and self._lost and row.result == "no claim":
                row.words.append("Some claims could not be read, and it may be among them.")
            if billing is not None and billing.incomplete:
                if row.result == "under-billed":
                    row.result = "needs review"
                row.words.append("The claims file may lack lines here: its counts do not fit.")
            if any(claim.repeated for claim, line in self._lines() if line.code == row.code):
                row.words.append("The claim is in the files more than once; it is counted once.")
            if joined.notes and joined.by != "encounter and date":
                row.words.append("Joined by the encounter alone: the note or the claim has no date.")

    def _lines(self) -> list[tuple[BilledClaim, BilledLine]]:
        return self._billing.lines if self._billing is not None else []

    def _edits(self) -> list[Edit]:
        """What the payer's tables do with the billed lines, for who claims."""
        if self._billing is None:
            return []
        lines = tuple(
            Line(code=code, units=billed.units, low=billed.units, high=billed.units, role="billed")
            for code in self._family.judged
            if (billed := self._billed(code)).units
        )
        reasons = self._note.suggestion.reasons if self._note else ()
        claim = Suggestion(
            note_id="", status="review", lines=lines, reasons=reasons,
            proof=Proof(statement="", rule=""), rules_version=self._book.version,
        )  # fmt: skip
        found = edits(claim, self._book, self._family.tables, self._day)
        kind = self._billing.kind
        return [_as_billed(edit) for edit in found if not kind or edit.setting in (kind, "all")]

    def _finding(self, row: _Row, codes: int, found: tuple[Edit, ...]) -> Finding:
        joined, note = self._joined, self._note
        days = self._billing.days if self._billing else None
        stay = days is not None and days[0] != days[1]
        when = f"{days[0]}/{days[1]}" if stay and days else str(self._day or "")
        notes = joined.notes
        interval = row.interval
        status = notes[0].suggestion.status if notes else ""
        return Finding(
            encounter=joined.encounter,
            date=when,
            kind=self._billing.kind if self._billing else "",
            code=row.code,
            billed=row.billed.units,
            low=interval.low if interval else None,
            high=interval.high if interval else None,
            result=row.result,
            issue=row.issue,
            finding=" ".join(row.words),
            joined=joined.by if notes else "",
            status=status if len({one.suggestion.status for one in notes}) < 2 else "review",
            notes=tuple(one.suggestion.note_id for one in notes),
            codes=codes,
            modifiers=row.billed.modifiers,
            claims=row.billed.places,
            evidence=evidence(note, row.code, whole=row.result != "agree") if note else (),
            proof=proof(note, row.code) if note else "",
            edits=found,
        )


def _as_billed(edit: Edit) -> Edit:
    """The edits speak of what is documented; here it is what was billed."""
    return edit.model_copy(update={"message": edit.message.replace(" is documented, the", " is billed, the")})
