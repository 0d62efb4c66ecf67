"""Finding: what an audit says of one billed code of one encounter."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from extractor.suggestion import Edit, Span, Status

Result = Literal[
    "agree", "under-billed", "over-billed", "not supported", "no note", "no claim", "needs review"
]
RESULTS: tuple[Result, ...] = (
    "under-billed", "over-billed", "not supported", "no note", "no claim", "needs review", "agree",
)  # fmt: skip
"""The results, those to look at first before the others."""

Issue = Literal[
    "", "too_few_units", "too_many_units", "wrong_valve", "add_on_without_primary", "other_family",
    "not_billed", "companion_missing", "companion_extra", "no_closure", "no_note", "note_in_doubt",
    "several_notes", "claim_unread", "discontinued",
]  # fmt: skip
"""What is wrong, in a word that never changes."""


class Finding(BaseModel):
    """One code of one encounter, date and claimant: what was billed, and what the note supports.

    Attributes
    ----------
    encounter, date, kind
        For what was billed, and by whom; the date is empty where it is not known.
    code, billed
        The code with the units that count of all its lines.
    low, high
        The units that the note supports; ``high`` is null where it sets no bound, both are without a note.
    result, issue, finding
        What comes of it, as a word, as a name for machines and in plain words.
    joined
        What brought note and claim together.
    status, notes
        Status of the suggestion, and the ids of its notes.
    codes
        How many codes are billed or supported for this encounter and date.
    modifiers, claims
        Modifiers of the billed lines, and where these are.
    evidence, proof
        The words of the note, with their offsets, and what follows from them.
    edits
        What the payer's tables do with the billed lines.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    encounter: str
    date: str
    kind: str
    code: str
    billed: int
    low: int | None
    high: int | None
    result: Result
    issue: Issue
    finding: str
    joined: str
    status: Status | Literal[""]
    notes: tuple[str, ...]
    codes: int
    modifiers: tuple[str, ...]
    claims: tuple[str, ...]
    evidence: tuple[Span, ...]
    proof: str
    edits: tuple[Edit, ...]

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What no two findings share, and what they are sorted by."""
        return self.encounter, self.date, self.kind, self.code

    @property
    def supported(self) -> str:
        """The supported units in words.

        Examples
        --------
        >>> from extractor.audit.finding import words_of
        >>> words_of(1, 1), words_of(1, 2), words_of(1, None), words_of(0, None), words_of(None, None)
        ('1', '1 to 2', '1 or more', 'any number', '')
        """
        return words_of(self.low, self.high)


def words_of(low: int | None, high: int | None) -> str:
    """An interval in words."""
    if low is None:
        return ""
    if high is None:
        return f"{low} or more" if low else "any number"
    return str(low) if low == high else f"{low} to {high}"
