"""Impact: what a change of the rules does to the notes of a corpus.

In: two rule books and notes, with labels where there are any. Out: an ``Impact``
for each note: what both books make of it, and the rules behind a difference.
Both books are read by the code of today, so the rules are all that differs.
No word of a note is printed.
"""

from __future__ import annotations

import json
import textwrap
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from extractor.coder import Coder
from extractor.evaluate import Gold
from extractor.output import codes_text
from extractor.readers import Note
from extractor.rules import RuleBook
from extractor.suggestion import Proof, Suggestion
from extractor.terminal import printable
from extractor.workbench import Hit, finder

if TYPE_CHECKING:
    from rich.console import Console

Edit = Literal["added", "removed", "changed"]
Labelled = tuple[Note, Gold | None]
Words = tuple[int, int]  # characters of the note

# How a result compares with the label, by how bad it is; what is equally bad got neither better nor worse.
_BADNESS = {
    "right": 0,
    "wrong companion": 1,
    "wrong lines": 1,
    "needless review": 1,
    "missed": 2,
    "wrong ready": 3,
}
_STATUSES = ("ready", "review", "none")


@dataclass(frozen=True, slots=True)
class EditedRule:
    """A rule that is not the same in both books, examples and source apart.

    ``meaning`` says that what it means was changed, and not only what it matches.
    """

    rule: str
    kind: str
    edit: Edit
    meaning: bool = False


@dataclass(frozen=True, slots=True)
class Cause:
    """A rule that does not do the same in a note by both books.

    Attributes
    ----------
    rule, kind
        The rule.
    edit
        What was done to it in its file; None where it only gained or lost words to other rules.
    gained, lost
        Where only the new book, or only the old one, lets it match.
    """

    rule: str
    kind: str
    edit: Edit | None
    gained: tuple[Words, ...] = ()
    lost: tuple[Words, ...] = ()


@dataclass(frozen=True, slots=True)
class Result:
    """What one rule book makes of a note; ``label`` is how that compares with the label."""

    status: str
    codes: str
    units: dict[str, int]
    reasons: tuple[str, ...]
    label: str | None


@dataclass(frozen=True, slots=True)
class Impact:
    """What the change does to one note.

    ``detail`` says that devices, routes or evidence differ; ``causes`` are given for
    notes whose result differs.
    """

    note_id: str
    old: Result
    new: Result
    detail: bool
    causes: tuple[Cause, ...] = ()

    @property
    def changed(self) -> bool:
        """Whether status, codes, units or reasons differ."""
        return self.old != self.new

    @property
    def worse(self) -> int:
        """Above zero where the note got worse by its label, below where it got better."""
        if self.old.label is None or self.new.label is None:
            return 0
        return _BADNESS[self.new.label] - _BADNESS[self.old.label]


def edited_rules(old: RuleBook, new: RuleBook) -> tuple[EditedRule, ...]:
    """Rules that match or mean something else in the new book, by id."""
    before, after = _contents(old), _contents(new)
    edited = []
    for rule in sorted(before | after):
        was, now = before.get(rule), after.get(rule)
        if was != now:
            edit: Edit = "added" if was is None else "removed" if now is None else "changed"
            meaning = was is not None and now is not None and was.meaning != now.meaning
            edited.append(EditedRule(rule, (now or before[rule]).kind, edit, meaning))
    return tuple(edited)


@dataclass(frozen=True, slots=True)
class _Content:
    """All of a rule that bears on what it does."""

    kind: str
    meaning: str
    words: str


def _contents(book: RuleBook) -> dict[str, _Content]:
    patterns = {
        rule.id: _Content(
            rule.kind,
            f"{rule.kind} {rule.means!r}",
            repr((rule.phrases, rule.plurals, rule.tokens, rule.regex)),
        )
        for rule in book.rules
    }
    coding = {
        rule.id: _Content("coding", f"{rule.code} {rule.role}", rule.statement)
        for rule in book.coding.values()
    }
    queries = {
        rule.id: _Content("query", f"{rule.reason} {rule.answer}", rule.ask) for rule in book.queries.values()
    }
    changes = {rule.id: _Content("change", rule.condition, rule.when) for rule in book.changes.values()}
    return patterns | coding | queries | changes


class Comparison:
    """Codes notes by two rule books and compares.

    Parameters
    ----------
    books
        The old and the new one.
    """

    def __init__(self, books: tuple[RuleBook, RuleBook]) -> None:
        old, new = books
        self._old, self._new = Coder(old), Coder(new)
        self._find_old, self._find_new = finder(old), finder(new)
        self._edited = edited_rules(old, new)
        self._kinds = {rule: content.kind for book in books for rule, content in _contents(book).items()}

    def __call__(self, labelled: Labelled) -> Impact:
        """Compare one note."""
        note, gold = labelled
        old, new = (coder.suggest(note.text, note.note_id) for coder in (self._old, self._new))
        results = _result(old, gold), _result(new, gold)
        detail = old.model_copy(update={"rules_version": new.rules_version}) != new
        causes = self._causes(note.text, old, new) if results[0] != results[1] else ()
        return Impact(note.note_id, *results, detail, causes)

    def _causes(self, text: str, old: Suggestion, new: Suggestion) -> tuple[Cause, ...]:
        before, after = set(self._find_old(text)), set(self._find_new(text))
        used = {hit.rule for hit in before | after} | _proven(old.proof) | _proven(new.proof)
        at_work = [edited for edited in self._edited if edited.rule in used]
        rules = {hit.rule for hit in before ^ after} | {edited.rule for edited in at_work if edited.meaning}
        edits = {edited.rule: edited.edit for edited in at_work}
        causes = (
            Cause(
                rule,
                self._kinds[rule],
                edits.get(rule),
                _words(after - before, rule),
                _words(before - after, rule),
            )
            for rule in rules or edits
        )
        return tuple(sorted(causes, key=lambda cause: (cause.edit is None, cause.rule)))


def _words(hits: set[Hit], rule: str) -> tuple[Words, ...]:
    return tuple(sorted((hit.start, hit.end) for hit in hits if hit.rule == rule))


def _proven(proof: Proof) -> set[str]:
    return {proof.rule}.union(*(_proven(child) for child in proof.children))


def _result(suggestion: Suggestion, gold: Gold | None) -> Result:
    companions = {companion.code: companion.units for companion in suggestion.companions}
    codes = codes_text(suggestion.lines)
    return Result(
        suggestion.status,
        " + ".join(part for part in (codes, *(f"{code} x{n}" for code, n in companions.items())) if part),
        suggestion.units | companions,
        tuple(reason.code for reason in suggestion.reasons),
        None if gold is None else _label(suggestion, companions, gold),
    )


def _label(suggestion: Suggestion, companions: dict[str, int], gold: Gold) -> str:
    """How a suggestion compares with its label."""
    accepted = suggestion.status in gold.status
    exact = gold.lines is None or suggestion.units == gold.lines
    if suggestion.status == "ready" and not (accepted and exact):
        return "wrong ready"
    if not accepted:
        return "missed" if suggestion.status == "none" else "needless review"
    if not exact:
        return "wrong lines"
    return "right" if gold.companions is None or companions == gold.companions else "wrong companion"


def compare(notes: Iterable[Labelled], old: RuleBook, new: RuleBook, workers: int = 1) -> Iterator[Impact]:
    """Yield the impact on every note, in input order.

    Parameters
    ----------
    notes
        Notes with their labels, None where there is none.
    old, new
        The rule books.
    workers
        How many processes to use.
    """
    if workers <= 1:
        yield from map(Comparison((old, new)), notes)
        return
    from extractor.workers import spread

    yield from spread(Comparison, (old, new), notes, workers)


@dataclass(slots=True)
class Totals:
    """What the change does to a corpus.

    Attributes
    ----------
    notes, detail
        Notes compared, and those where nothing but devices, routes or evidence differs.
    changed
        Notes whose status, codes, units or reasons differ, by note id.
    gained, lost
        Units per code, and notes per status, that the new rules add and take away.
    rules
        How many of the changed notes each rule had a part in.
    labels
        How many notes went from which to which comparison with their label.
    """

    notes: int = 0
    detail: int = 0
    changed: list[Impact] = field(default_factory=list)
    gained: Counter[str] = field(default_factory=Counter)
    lost: Counter[str] = field(default_factory=Counter)
    rules: Counter[tuple[str, str]] = field(default_factory=Counter)
    labels: Counter[tuple[str, str]] = field(default_factory=Counter)

    def add(self, impact: Impact) -> None:
        """Take in one note."""
        self.notes += 1
        if impact.old.label is not None and impact.new.label is not None:
            self.labels[impact.old.label, impact.new.label] += 1
        if not impact.changed:
            self.detail += impact.detail
            return
        self.changed.append(impact)
        if impact.old.status != impact.new.status:
            self.lost[impact.old.status] += 1
            self.gained[impact.new.status] += 1
        for code in impact.old.units.keys() | impact.new.units.keys():
            more = impact.new.units.get(code, 0) - impact.old.units.get(code, 0)
            if more:
                (self.gained if more > 0 else self.lost)[code] += abs(more)
        self.rules.update((cause.rule, cause.kind) for cause in impact.causes)

    @property
    def worse(self) -> list[str]:
        """Ids of the labelled notes that got worse."""
        return [impact.note_id for impact in self.changed if impact.worse > 0]

    @property
    def better(self) -> list[str]:
        """Ids of the labelled notes that got better."""
        return [impact.note_id for impact in self.changed if impact.worse < 0]

    def right(self, side: Literal[0, 1]) -> int:
        """How many labelled notes the old (0) or the new (1) rules get right."""
        return sum(n for labels, n in self.labels.items() if labels[side] == "right")

    def turned(self, old: bool, new: bool) -> int:
        """How many labelled notes went from right or wrong to right or wrong."""
        return sum(n for (a, b), n in self.labels.items() if (a == "right", b == "right") == (old, new))


def total(impacts: Iterable[Impact]) -> Totals:
    """Add up the impact on every note of a corpus."""
    totals = Totals()
    for impact in impacts:
        totals.add(impact)
    totals.changed.sort(key=lambda impact: impact.note_id)
    return totals


# -- JSON lines ---------------------------------------------------------------------


def jsonl(totals: Totals, edited: Iterable[EditedRule], old: RuleBook, new: RuleBook) -> Iterator[str]:
    """Yield a JSON line for each changed note, by note id, and one for the totals."""
    for impact in totals.changed:
        yield _line({"note_id": impact.note_id, "old": _side(impact.old), "new": _side(impact.new)}, impact)
    yield _dump(
        {
            "totals": {
                "notes": totals.notes,
                "changed": len(totals.changed),
                "detail_only": totals.detail,
                "status": {name: _balance(totals, name) for name in _STATUSES},
                "units": {code: _balance(totals, code) for code in _codes(totals)},
                "labelled": sum(totals.labels.values()),
                "right": {"old": totals.right(0), "new": totals.right(1)},
                "right_to_wrong": totals.turned(True, False),
                "wrong_to_right": totals.turned(False, True),
                "worse": totals.worse,
                "better": totals.better,
                "rules": [
                    {"rule": rule, "kind": kind, "notes": n} for (rule, kind), n in _by_notes(totals.rules)
                ],
                "edited": [{"rule": e.rule, "kind": e.kind, "edit": e.edit} for e in edited],
                "rules_version": {"old": old.version, "new": new.version},
            }
        }
    )


def _line(data: dict[str, object], impact: Impact) -> str:
    causes = [
        {
            "rule": cause.rule,
            "kind": cause.kind,
            "edit": cause.edit,
            "gained": cause.gained,
            "lost": cause.lost,
        }
        for cause in impact.causes
    ]
    return _dump(data | {"worse": impact.worse > 0, "better": impact.worse < 0, "rules": causes})


def _side(result: Result) -> dict[str, object]:
    return {
        "status": result.status,
        "codes": result.codes,
        "units": result.units,
        "reasons": result.reasons,
        "label": result.label,
    }


def _dump(data: dict[str, object]) -> str:
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")) + "\n"


def _balance(totals: Totals, name: str) -> dict[str, int]:
    return {"gained": totals.gained[name], "lost": totals.lost[name]}


def _codes(totals: Totals) -> list[str]:
    return sorted({code for code in totals.gained.keys() | totals.lost.keys() if code not in _STATUSES})


def _by_notes(rules: Counter[tuple[str, str]]) -> list[tuple[tuple[str, str], int]]:
    return sorted(rules.items(), key=lambda item: (-item[1], item[0]))


# -- text ---------------------------------------------------------------------------


def print_impact(
    totals: Totals, edited: Iterable[EditedRule], old: RuleBook, new: RuleBook, console: Console
) -> None:
    """Print the edited rules, the changed notes one after another, and the totals.

    Parameters
    ----------
    totals
        The impact on the corpus.
    edited
        The rules that differ.
    old, new
        The rule books.
    console
        Where to print.
    """
    write = _writer(console)
    marks = {"added": "+", "removed": "-", "changed": "~"}
    rules = ", ".join(f"{marks[e.edit]}{e.rule}" for e in edited)
    write("rules", f"{old.version} -> {new.version}: {rules or 'none added (+), removed (-) or changed (~)'}")
    for impact in totals.changed:
        _print_note(impact, console)
    if totals.changed:
        console.print()
    more = f", {totals.detail} more in devices, routes or evidence only" if totals.detail else ""
    write("notes", f"{totals.notes} compared, {len(totals.changed)} changed{more}")
    if not totals.changed:
        return
    write("status", ", ".join(_signed(totals, name) for name in _STATUSES))
    write("units", ", ".join(_signed(totals, code) for code in _codes(totals)) or "no change")
    if totals.labels:
        lost, won = totals.turned(True, False), totals.turned(False, True)
        write("labels", f"right -> wrong {lost}, wrong -> right {won}; right {_right(totals)}")
        write("worse", ", ".join(map(printable, totals.worse)) or "none")
        write("better", ", ".join(map(printable, totals.better)) or "none")
    write("by rule", ", ".join(f"{rule} {_notes(n)}" for (rule, _), n in _by_notes(totals.rules)) or "-")


def _writer(console: Console) -> Callable[[str, str], None]:
    def write(label: str, words: str) -> None:
        width = min(console.width, 100)
        console.print(
            textwrap.fill(
                words, width, initial_indent=f"{label:10}", subsequent_indent=" " * 10, break_on_hyphens=False
            ),
            soft_wrap=True,
        )

    return write


def _print_note(impact: Impact, console: Console) -> None:
    old, new = impact.old, impact.new
    write = _writer(console)
    console.print()
    label = "" if old.label is None else f"   {_turn(old.label, new.label or '')}"
    console.print(printable(impact.note_id) + label, style="bold", soft_wrap=True)
    write("  status", _turn(old.status, new.status))
    if old.codes != new.codes:
        write("  codes", _turn(old.codes or "no codes", new.codes or "no codes"))
    if old.reasons != new.reasons:
        gone = [f"- {reason}" for reason in old.reasons if reason not in new.reasons]
        come = [f"+ {reason}" for reason in new.reasons if reason not in old.reasons]
        write("  reasons", ", ".join(gone + come) or "in another order")
    for number, cause in enumerate(impact.causes):
        write("" if number else "  by", _cause(cause))
    if not impact.causes:
        write("  by", "no rule whose matches differ here: the order of rules")


def _turn(old: str, new: str) -> str:
    return old if old == new else f"{old} -> {new}"


def _cause(cause: Cause) -> str:
    edit = f", {cause.edit} in its file" if cause.edit else ""
    counts = [f"{sign}{len(words)}" for sign, words in (("+", cause.gained), ("-", cause.lost)) if words]
    matches = f"{' '.join(counts)} {_plural(len(cause.gained) + len(cause.lost), 'match', 'matches')}"
    return f"{cause.rule} ({cause.kind}{edit}): {matches if counts else 'the same matches'}"


def _signed(totals: Totals, name: str) -> str:
    return f"{name} +{totals.gained[name]} -{totals.lost[name]}"


def _right(totals: Totals) -> str:
    return f"{totals.right(0)} -> {totals.right(1)} of {sum(totals.labels.values())}"


def _notes(count: int) -> str:
    return f"{count} {_plural(count, 'note', 'notes')}"


def _plural(count: int, one: str, many: str) -> str:
    return one if count == 1 else many
