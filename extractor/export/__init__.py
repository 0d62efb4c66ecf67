"""Suggestions with their evidence in the formats of other tools, to be checked and corrected there.

Every format starts from one view of a note, :class:`Annotated`: its text, its
suggestion, and the evidence as labelled spans. Offsets in it are code points of
the note as given, and so they are in every file written: brat, Prodigy and
displaCy count code points, and so does Label Studio (its first versions counted
UTF-16 units; each CR and each LF is one character in all of them).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from extractor.marking import evidence
from extractor.output import codes_text

if TYPE_CHECKING:
    from extractor.suggestion import Span, Suggestion

LABELS = {
    "implanted": "#8fd19e",
    "removed": "#f1a9a0",
    "unused": "#c9cdd2",
    "prior": "#c8b6e2",
    "planned": "#a9cdf0",
    "other_target": "#d9c2a3",
    "unknown": "#f3e28b",
    "reason": "#ffb85c",
    "companion": "#8ed6d1",
    "proof": "#e3e6ea",
}
"""Every label there is, and its colour: the outcome of a device, or what else the words are evidence for."""

_PIECES = re.compile(r"\w+|[^\w\s]|[^\S ]+| +")


@dataclass(frozen=True, slots=True)
class Annotation:
    """Words of a note that are evidence for one thing.

    Attributes
    ----------
    start, end
        Code points of the note, end exclusive.
    text
        The words.
    label
        One of :data:`LABELS`.
    rules
        Ids of the rules that read them.
    section
        Role of the section they stand in.
    devices
        Numbers of the devices they prove, in order.
    reasons
        Codes of the reasons they prove.
    """

    start: int
    end: int
    text: str
    label: str
    rules: tuple[str, ...]
    section: str
    devices: tuple[int, ...] = ()
    reasons: tuple[str, ...] = ()

    @property
    def remark(self) -> str:
        """What a person should know of it, on one line."""
        numbers = ", ".join(map(str, self.devices))
        parts = (numbers and f"device {numbers}", *self.reasons, *self.rules, self.section)
        return "; ".join(part for part in parts if part)


@dataclass(frozen=True, slots=True)
class Annotated:
    """A note, what was suggested for it, and the evidence as labelled spans.

    Attributes
    ----------
    text
        The note as given.
    suggestion
        What was suggested for it.
    annotations
        The evidence, in order of the text, outer spans before inner ones.
    """

    text: str
    suggestion: Suggestion
    annotations: tuple[Annotation, ...]

    @property
    def summary(self) -> dict[str, str]:
        """Status, codes and reasons, as they head a note in a tool."""
        given = self.suggestion
        return {
            "note_id": given.note_id,
            "status": given.status,
            "codes": codes_text(given.lines),
            "companions": ", ".join(f"{item.code} x{item.units}" for item in given.companions),
            "reasons": "; ".join(f"{reason.code}: {reason.message}" for reason in given.reasons),
            "rules_version": given.rules_version,
        }

    @property
    def headline(self) -> str:
        """The same as one line, without the note id."""
        summary = self.summary
        parts = (summary[name] for name in ("status", "codes", "companions", "reasons"))
        return "; ".join(part for part in parts if part)


def annotate(text: str, suggestion: Suggestion) -> Annotated:
    """See a note and its suggestion as labelled spans.

    Spans with the same place and label become one, with all their devices and
    rules. What the proof quotes is labelled ``proof`` only where nothing else is.

    Parameters
    ----------
    text
        The note as given.
    suggestion
        What was suggested for it.

    Examples
    --------
    >>> from extractor.suggestion import Device, Proof, Span, Suggestion
    >>> span = Span(start=2, end=6, text="plug", section="body", rule="device.plug")
    >>> device = Device(number=1, valve=None, product=None, size=None, outcome="removed", evidence=(span,))
    >>> proof = Proof(statement="one device", rule="count", evidence=(span,))
    >>> given = Suggestion(note_id="", status="none", devices=(device,), proof=proof, rules_version="")
    >>> [(item.text, item.label, item.remark) for item in annotate("A plug.", given).annotations]
    [('plug', 'removed', 'device 1; device.plug; body')]
    """
    found: dict[tuple[int, int, str], list[tuple[Span, int | None, str | None]]] = {}
    for label, span, device, reason in _labelled(suggestion):
        found.setdefault((span.start, span.end, label), []).append((span, device, reason))
    places = {(start, end) for start, end, _ in found}
    for span in evidence(suggestion):
        if (span.start, span.end) not in places:
            found.setdefault((span.start, span.end, "proof"), []).append((span, None, None))
    order = list(LABELS)
    annotations = tuple(
        Annotation(
            start,
            end,
            text[start:end],
            label,
            tuple(dict.fromkeys(span.rule for span, _, _ in uses)),
            uses[0][0].section,
            tuple(sorted({device for _, device, _ in uses if device is not None})),
            tuple(dict.fromkeys(reason for _, _, reason in uses if reason is not None)),
        )
        for (start, end, label), uses in sorted(
            found.items(), key=lambda item: (item[0][0], -item[0][1], order.index(item[0][2]))
        )
    )
    return Annotated(text, suggestion, annotations)


def _labelled(suggestion: Suggestion) -> Iterator[tuple[str, Span, int | None, str | None]]:
    for device in suggestion.devices:
        for span in device.evidence:
            yield device.outcome, span, device.number, None
    for reason in suggestion.reasons:
        for span in reason.evidence:
            yield "reason", span, None, reason.code
    for companion in suggestion.companions:
        for span in companion.evidence:
            yield "companion", span, None, None


@dataclass(frozen=True, slots=True)
class Token:
    """A word, a mark or white space that tools show as one.

    Attributes
    ----------
    start, end
        Code points of the note, end exclusive.
    text
        The token.
    space
        Whether a single blank follows that belongs to no token.
    """

    start: int
    end: int
    text: str
    space: bool


def tokens_of(text: str, annotations: Iterable[Annotation]) -> list[Token]:
    r"""Cut a note into tokens such that every annotation begins and ends with one.

    The tokens with their blanks are the note, character for character.

    Examples
    --------
    >>> [(token.text, token.space) for token in tokens_of("An 8 mm\nplug.", [])]
    [('An', True), ('8', True), ('mm', False), ('\n', False), ('plug', False), ('.', False)]
    """
    starts, ends = set(), set()
    for annotation in annotations:
        starts.add(annotation.start)
        ends.add(annotation.end)
    cuts = iter(sorted({0, len(text), *starts, *ends}))
    tokens: list[Token] = []
    cut = next(cuts)
    for piece in _PIECES.finditer(text):
        at = piece.start()
        while at < piece.end():
            while cut <= at:
                cut = next(cuts)
            end = min(cut, piece.end())
            blank = text[at:end] == " " and at not in starts and end not in ends
            if blank and tokens and not tokens[-1].text.isspace():
                last = tokens[-1]
                tokens[-1] = Token(last.start, last.end, last.text, True)
            else:
                tokens.append(Token(at, end, text[at:end], False))
            at = end
    return tokens


def token_places(tokens: list[Token]) -> tuple[dict[int, int], dict[int, int]]:
    """Index of the token that begins, and of the one that ends, at a character."""
    first = {token.start: index for index, token in enumerate(tokens)}
    last = {token.end: index for index, token in enumerate(tokens)}
    return first, last
