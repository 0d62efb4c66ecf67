"""How good are the suggestions: figures against gold labels, overall and per style.

Ready precision
    Of the notes called ready, the share whose label accepts ready and whose lines
    are exactly the labelled ones.
Ready coverage
    Of the notes labelled ready, the share called ready with exactly those lines.

Every share comes with its Wilson 95 % interval.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from extractor.errors import InputError
from extractor.readers import Note, Options, place, read
from extractor.suggestion import Suggestion

if TYPE_CHECKING:
    from rich.console import Console

_Z95 = 1.96


class Gold(BaseModel):
    """The label of one note; ``None`` in a field means that it is not compared."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    status: frozenset[str]
    lines: dict[str, int] | None
    reasons: tuple[str, ...] | None = None
    not_counted: int | None = None
    approaches: tuple[str, ...] | None = None
    companions: dict[str, int] | None = None

    @field_validator("status", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return [value] if isinstance(value, str) else value

    @property
    def positive(self) -> bool:
        """Whether the note documents something to code or to decide."""
        return "none" not in self.status


@dataclass(frozen=True, slots=True)
class Labelled:
    """A note with its label and its style, the stem of the file it stands in."""

    note: Note
    gold: Gold
    style: str


@dataclass(frozen=True, slots=True)
class Share:
    """A count out of a count, with its Wilson 95 % interval.

    Examples
    --------
    >>> share = Share(97, 100)
    >>> f"{share.value:.2f} [{share.low:.3f}-{share.high:.3f}]"
    '0.97 [0.915-0.990]'
    """

    right: int
    of: int

    @property
    def value(self) -> float:
        """The share itself, 0 when there was nothing to count."""
        return self.right / self.of if self.of else 0.0

    @property
    def low(self) -> float:
        """Lower bound of the 95 % interval."""
        return self._wilson()[0]

    @property
    def high(self) -> float:
        """Upper bound of the 95 % interval."""
        return self._wilson()[1]

    def _wilson(self) -> tuple[float, float]:
        if not self.of:
            return 0.0, 1.0
        n, p, z2 = self.of, self.value, _Z95 * _Z95
        centre = p + z2 / (2 * n)
        half = _Z95 * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n))
        return (centre - half) / (1 + z2 / n), (centre + half) / (1 + z2 / n)

    def __str__(self) -> str:
        percent = f"{100 * self.value:.1f}%"
        return f"{self.right}/{self.of} = {percent}  [{100 * self.low:.0f}-{100 * self.high:.0f}]"


@dataclass(frozen=True, slots=True)
class Wrong:
    """A note that was not coded as labelled.

    Attributes
    ----------
    note_id, style
        The note.
    problem
        ``missing``, ``missed``, ``false positive``, ``wrong ready`` or ``not covered``.
    expected, found
        Status and lines by label, and as suggested (with the reasons given).
    """

    note_id: str
    style: str
    problem: str
    expected: str
    found: str


@dataclass(slots=True)
class _Tally:
    right: int = 0
    of: int = 0

    def add(self, right: bool) -> None:
        self.right += right
        self.of += 1

    def share(self) -> Share:
        return Share(self.right, self.of)


@dataclass(frozen=True, slots=True)
class Score:
    """The figures of a set of labelled notes.

    Attributes
    ----------
    notes, missing
        Notes labelled, and those without a suggestion.
    ready_precision, ready_coverage
        See the module.
    exact_lines
        Notes with something to code whose lines are exactly the labelled ones.
    missed
        Notes with something to code that were called none.
    false_positives
        Notes with nothing to code that were not called none.
    right_reason
        Of the notes labelled review and called review, those with a labelled reason.
    approaches, companion_93462, removed_devices
        Notes where these are exactly as labelled.
    wrong_spans
        Spans of device evidence whose text is not the note's slice.
    wrong
        The notes that are wrong, in order.
    """

    notes: int
    missing: int
    ready_precision: Share
    ready_coverage: Share
    exact_lines: Share
    missed: Share
    false_positives: Share
    right_reason: Share
    approaches: Share
    companion_93462: Share
    removed_devices: Share
    wrong_spans: Share
    wrong: tuple[Wrong, ...] = field(default=(), repr=False)


FIGURES = (
    "ready_precision",
    "ready_coverage",
    "exact_lines",
    "missed",
    "false_positives",
    "right_reason",
    "approaches",
    "companion_93462",
    "removed_devices",
    "wrong_spans",
)
_PLAIN = ("missed", "false_positives", "wrong_spans")
_TITLES = {
    "ready_precision": "ready precision",
    "ready_coverage": "ready coverage",
    "exact_lines": "exact lines on positives",
    "missed": "missed positives",
    "false_positives": "false positives",
    "right_reason": "right reason on review",
    "approaches": "approaches exact",
    "companion_93462": "93462 exact",
    "removed_devices": "removed devices exact",
    "wrong_spans": "evidence spans wrong",
}


def load(paths: Iterable[str | Path], on_error: Callable[[InputError], None]) -> Iterator[Labelled]:
    """Yield the labelled notes of gold files, in order.

    Parameters
    ----------
    paths
        ``.jsonl`` files with ``id``, ``text`` and ``gold``, or folders of them.
    on_error
        Called with each note that cannot be read or has no usable label.

    Yields
    ------
    Labelled
        Notes with their labels.
    """
    for note, gold in notes_with_labels(paths, on_error):
        if isinstance(gold, Gold):
            yield Labelled(note, gold, Path(note.source).stem)
        else:
            on_error(
                gold
                or InputError(
                    "I018",
                    place(note.source, note.line, note.note_id),
                    "no gold label",
                    'give the label in "gold"',
                )
            )


def notes_with_labels(
    paths: Iterable[str | Path],
    on_error: Callable[[InputError], None],
    options: Options | None = None,
) -> Iterator[tuple[Note, Gold | InputError | None]]:
    """Yield the notes of all sources, in order, each with its label.

    Parameters
    ----------
    paths
        Sources as ``extractor.readers.read`` takes them.
    on_error
        Called with each note that cannot be read.
    options
        Names of columns, where the guesses do not fit.

    Yields
    ------
    tuple
        The note; its label, the error where that is not usable, or None where there is none.
    """
    labels: dict[int, Any] = {}
    source = None
    for note in read(paths, on_error, options):
        if note.source != source:
            source, labels = note.source, _labels(note)
        yield note, _label(note, labels[note.line]) if note.line in labels else None


def _label(note: Note, label: Any) -> Gold | InputError:
    try:
        return Gold.model_validate(label)
    except ValidationError as error:
        name = ".".join(str(part) for part in error.errors()[0]["loc"]) or "gold"
        problem = f"the gold label is not usable (field {name})"
        return InputError(
            "I018",
            place(note.source, note.line, note.note_id),
            problem,
            "correct the field; see sample_notes/README.md",
        )


def _labels(note: Note) -> dict[int, Any]:
    if note.line is None or not note.source.lower().endswith((".jsonl", ".ndjson", ".json")):
        return {}
    found: dict[int, Any] = {}
    with open(note.source, "rb") as file:
        for number, line in enumerate(file, 1):
            try:
                record = json.loads(line.decode("utf-8-sig"))
            except (ValueError, RecursionError):
                continue
            if isinstance(record, dict) and "gold" in record:
                found[number] = record["gold"]
    return found


def score(labelled: Sequence[Labelled], suggestions: Iterable[Suggestion]) -> Score:
    """Compare suggestions with labels.

    Parameters
    ----------
    labelled
        Notes with labels.
    suggestions
        Suggestions, found by note id; others are ignored.

    Returns
    -------
    Score
        All figures, and the notes that are wrong.
    """
    by_id = {suggestion.note_id: suggestion for suggestion in suggestions}
    tallies = {name: _Tally() for name in FIGURES}
    wrong: list[Wrong] = []
    missing = 0
    for item in labelled:
        suggestion = by_id.get(item.note.note_id)
        if suggestion is None:
            missing += 1
            wrong.append(_wrong(item, None, "missing"))
            continue
        wrong.extend(_wrong(item, suggestion, problem) for problem in _compare(item, suggestion, tallies))
    shares = {name: tally.share() for name, tally in tallies.items()}
    return Score(notes=len(labelled), missing=missing, wrong=tuple(wrong), **shares)


def _compare(item: Labelled, suggestion: Suggestion, tallies: dict[str, _Tally]) -> Iterator[str]:
    gold, text = item.gold, item.note.text
    exact = gold.lines is None or suggestion.units == gold.lines
    ready = suggestion.status == "ready"
    for device in suggestion.devices:
        for span in device.evidence:
            tallies["wrong_spans"].add(text[span.start : span.end] != span.text)
    if gold.positive:
        tallies["missed"].add(suggestion.status == "none")
        if suggestion.status == "none":
            yield "missed"
        if gold.lines is not None:
            tallies["exact_lines"].add(exact)
        if gold.approaches is not None:
            tallies["approaches"].add(set(suggestion.approaches) == set(gold.approaches))
        if gold.companions is not None and "ready" in gold.status:
            units = {c.code: c.units for c in suggestion.companions if c.code == "93462"}
            tallies["companion_93462"].add(units == gold.companions)
        if gold.not_counted is not None:
            removed = sum(device.outcome == "removed" for device in suggestion.devices)
            tallies["removed_devices"].add(removed == gold.not_counted)
    elif gold.status == {"none"}:
        tallies["false_positives"].add(suggestion.status != "none")
        if suggestion.status != "none":
            yield "false positive"
    if ready:
        right = "ready" in gold.status and exact
        tallies["ready_precision"].add(right)
        if not right:
            yield "wrong ready"
    if gold.status == {"ready"}:
        tallies["ready_coverage"].add(ready and exact)
        if suggestion.status == "review":
            yield "not covered"
    if gold.status == {"review"} and suggestion.status == "review" and gold.reasons is not None:
        tallies["right_reason"].add(any(reason.code in gold.reasons for reason in suggestion.reasons))


def _wrong(item: Labelled, suggestion: Suggestion | None, problem: str) -> Wrong:
    expected = _verdict(" or ".join(sorted(item.gold.status)), item.gold.lines, ())
    if suggestion is None:
        found = "nothing"
    else:
        reasons = tuple(reason.code for reason in suggestion.reasons)
        found = _verdict(suggestion.status, suggestion.units, reasons)
    return Wrong(item.note.note_id, item.style, problem, expected, found)


def _verdict(status: str, lines: dict[str, int] | None, reasons: tuple[str, ...]) -> str:
    codes = "any lines" if lines is None else " + ".join(f"{code} x{n}" for code, n in lines.items())
    return ", ".join(part for part in (status, codes or "no lines", " ".join(reasons)) if part)


def by_style(labelled: Sequence[Labelled], suggestions: Sequence[Suggestion]) -> dict[str, Score]:
    """Score each style apart, in order of first appearance."""
    groups: dict[str, list[Labelled]] = {}
    for item in labelled:
        groups.setdefault(item.style, []).append(item)
    return {style: score(items, suggestions) for style, items in groups.items()}


def to_json(overall: Score, styles: dict[str, Score]) -> str:
    """Give all figures and all wrong notes as one JSON document."""
    wrong = [
        {
            "note_id": w.note_id,
            "style": w.style,
            "problem": w.problem,
            "expected": w.expected,
            "found": w.found,
        }
        for w in overall.wrong
    ]
    data = {
        "overall": _figures(overall),
        "styles": {name: _figures(value) for name, value in styles.items()},
        "wrong": wrong,
    }
    return json.dumps(data, indent=2, ensure_ascii=False)


def _figures(value: Score) -> dict[str, Any]:
    shares: dict[str, Share] = {name: getattr(value, name) for name in FIGURES}
    return {"notes": value.notes, "missing": value.missing} | {
        name: {
            "right" if name not in _PLAIN else "count": share.right,
            "of": share.of,
            "share": round(share.value, 6),
            "low": round(share.low, 6),
            "high": round(share.high, 6),
        }
        for name, share in shares.items()
    }


def print_score(overall: Score, styles: dict[str, Score], show: int, console: Console) -> None:
    """Print the figures, a row per style, and the first wrong notes.

    Parameters
    ----------
    overall, styles
        Figures of all notes and of each style.
    show
        How many wrong notes to list.
    console
        Where to print.
    """
    from rich.table import Table
    from rich.text import Text

    from extractor.terminal import printable

    console.print(f"{'notes':26}{overall.notes}  (without suggestion: {overall.missing})")
    for name in FIGURES:
        share: Share = getattr(overall, name)
        console.print(f"{_TITLES[name]:26}" + (f"{share.right}/{share.of}" if name in _PLAIN else str(share)))
    console.print()
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("Style")
    for title in (
        "Notes",
        "Precision",
        "Coverage",
        "Lines",
        "Missed",
        "False pos.",
        "Reason",
        "Routes",
        "93462",
        "Removed",
    ):
        table.add_column(title, justify="right")
    for style, value in styles.items():
        shares = [getattr(value, name) for name in FIGURES if name != "wrong_spans"]
        table.add_row(Text(printable(style)), str(value.notes), *(f"{s.right}/{s.of}" for s in shares))
    console.print(table)
    if not overall.wrong or show <= 0:
        return
    console.print()
    wrong = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for title in ("Wrong note", "Problem", "Expected", "Found"):
        wrong.add_column(title, overflow="fold")
    for item in overall.wrong[:show]:
        cells = (item.note_id, item.problem, item.expected, item.found)
        wrong.add_row(*(Text(printable(cell)) for cell in cells))
    console.print(wrong)
    if len(overall.wrong) > show:
        console.print(f"... and {len(overall.wrong) - show} more (--show {len(overall.wrong)} lists all)")
