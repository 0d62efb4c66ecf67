"""Cut a note into pieces, each with the devices and words of evidence that cover it.

Evidence overlaps: one count word proves two devices, one sentence a claim and an
outcome. Cutting the note at every boundary gives pieces that never overlap, so a
terminal or a page can show them one after the other.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from extractor.suggestion import Proof, Span, Suggestion


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of the note that is marked alike throughout.

    Attributes
    ----------
    start, end
        Characters of the note.
    devices
        Numbers of the devices it proves, in order: those of the shortest evidence
        over it, since "a 10 mm plug" says more about whose words these are than a
        sentence about both plugs around it.
    marks
        Spans of evidence that cover it, as indices into :attr:`Marked.spans`.
    """

    start: int
    end: int
    devices: tuple[int, ...] = ()
    marks: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Marked:
    """A note cut into pieces.

    Attributes
    ----------
    pieces
        The whole note, in order.
    spans
        The spans (start, end) it was cut by, in order, outer before inner.
    devices
        For each span, the numbers of the devices it proves.
    """

    pieces: tuple[Piece, ...]
    spans: tuple[tuple[int, int], ...]
    devices: tuple[tuple[int, ...], ...]

    def opens(self, piece: Piece) -> bool:
        """Whether the evidence that numbers a piece begins with it."""
        return any(
            self.spans[index][0] == piece.start and self.devices[index] == piece.devices
            for index in piece.marks
            if piece.devices
        )


def evidence(suggestion: Suggestion) -> Iterator[Span]:
    """Yield every span of evidence of a suggestion."""
    for device in suggestion.devices:
        yield from device.evidence
    for reason in suggestion.reasons:
        yield from reason.evidence
    for companion in suggestion.companions:
        yield from companion.evidence
    yield from _proof_evidence(suggestion.proof)


def _proof_evidence(proof: Proof) -> Iterator[Span]:
    yield from proof.evidence
    for child in proof.children:
        yield from _proof_evidence(child)


def mark(text: str, suggestion: Suggestion, also: Iterable[tuple[int, int]] = ()) -> Marked:
    """Cut a note at every boundary of its evidence.

    Parameters
    ----------
    text
        The note as given.
    suggestion
        What was suggested for it.
    also
        Further spans (start, end) to cut at, for example of mentions.

    Returns
    -------
    Marked
        Pieces that together are the whole note, in order.

    Examples
    --------
    >>> from extractor.suggestion import Device, Proof, Span, Suggestion
    >>> span = Span(start=2, end=6, text="plug", section="body", rule="device.plug")
    >>> device = Device(number=1, valve=None, product=None, size=None, outcome="implanted", evidence=(span,))
    >>> proof = Proof(statement="one device", rule="count")
    >>> given = Suggestion(note_id="", status="none", devices=(device,), proof=proof, rules_version="")
    >>> [(piece.start, piece.end, piece.devices) for piece in mark("A plug.", given).pieces]
    [(0, 2, ()), (2, 6, (1,)), (6, 7, ())]
    """
    proven = ((span.start, span.end) for span in evidence(suggestion))
    valid = {span for span in (*proven, *also) if 0 <= span[0] < span[1] <= len(text)}
    spans = sorted(valid, key=lambda span: (span[0], -span[1]))
    numbers: dict[tuple[int, int], set[int]] = defaultdict(set)
    for device in suggestion.devices:
        for span in device.evidence:
            numbers[span.start, span.end].add(device.number)
    devices = tuple(tuple(sorted(numbers[span])) for span in spans)
    cuts = sorted({0, len(text), *(cut for span in spans for cut in span)})
    pieces = []
    open_marks: list[int] = []
    following = 0
    for start, end in pairwise(cuts):
        open_marks = [index for index in open_marks if spans[index][1] > start]
        while following < len(spans) and spans[following][0] == start:
            open_marks.append(following)
            following += 1
        proving = [index for index in open_marks if devices[index]]
        closest = min(proving, key=lambda index: spans[index][1] - spans[index][0], default=None)
        pieces.append(Piece(start, end, () if closest is None else devices[closest], tuple(open_marks)))
    return Marked(tuple(pieces), tuple(spans), devices)
