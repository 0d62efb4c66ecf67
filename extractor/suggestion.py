"""The output contract: what the pipeline says about one note.

Every type is a frozen pydantic model; ``Suggestion.to_json`` gives the one
JSON form that files, the command line and later stages share. Offsets are
characters of the note as given, end exclusive; ``span.text`` always equals
``note[span.start:span.end]``.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

Status = Literal["ready", "review", "none"]
Valve = Literal["mitral", "aortic", "tricuspid", "pulmonary"]
Route = Literal["retrograde", "transseptal", "transapical"]
Outcome = Literal["implanted", "removed", "unused", "prior", "planned", "other_target", "unknown"]
ReasonCode = Literal[
    "device_count_conflict",
    "device_count_unstated",
    "valve_unstated",
    "valve_conflict",
    "no_device_implanted",
    "other_valve",
    "annuloplasty_ring",
    "open_approach",
    "same_session_valve_implant",
    "not_procedure_note",
    "note_not_signed",
    "addendum_alone",
]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Span(_Frozen):
    """Words of the note that prove something, and the rule that read them."""

    start: int
    end: int
    text: str
    section: str
    rule: str


class Line(_Frozen):
    """One code with its units; ``low`` and ``high`` bound what the note supports.

    ``modifiers`` stays empty: those a note speaks for are advice (``Suggestion.modifiers``),
    and a person decides which are claimed.
    """

    code: str
    units: int
    low: int
    high: int
    role: str
    devices: tuple[int, ...] = ()
    modifiers: tuple[str, ...] = ()


class Reason(_Frozen):
    """Why a person must decide."""

    code: ReasonCode
    message: str
    evidence: tuple[Span, ...] = ()


class Device(_Frozen):
    """One occluder of the note and what became of it."""

    number: int
    valve: Valve | None
    product: str | None
    size: str | None
    outcome: Outcome
    evidence: tuple[Span, ...] = ()


class Companion(_Frozen):
    """A code that goes with the closure (93462)."""

    code: str
    units: int
    message: str
    evidence: tuple[Span, ...] = ()


class Edit(_Frozen):
    """What a payer's dated table does with the suggested codes."""

    table: str
    edition: str
    setting: str
    severity: Literal["info", "warning", "error"]
    codes: tuple[str, ...]
    message: str


class Query(_Frozen):
    """A draft question to the physician."""

    reason: ReasonCode
    text: str


class Service(_Frozen):
    """A service documented beside the closure: shown to the coder, never a line of the claim.

    ``codes`` are those it may have; ``message`` says which edit governs it and what the
    documentation would have to say.
    """

    service: str
    codes: tuple[str, ...]
    message: str
    evidence: tuple[Span, ...] = ()


class Modifier(_Frozen):
    """A modifier that the note speaks for, as advice on ``codes``: a person decides whether it is claimed.

    No line of the suggestion carries it.
    """

    modifier: str
    codes: tuple[str, ...]
    message: str
    evidence: tuple[Span, ...] = ()


class Diagnosis(_Frozen):
    """A diagnosis code to confirm, or with ``question`` a trap to rule out first."""

    code: str
    question: bool
    message: str
    evidence: tuple[Span, ...] = ()


class Change(_Frozen):
    """A single answer that would change the codes, for the coder alone.

    ``units`` are the units of each code if the answer is given.
    """

    answer: str
    units: dict[str, int]
    evidence: tuple[Span, ...] = ()


class Proof(_Frozen):
    """A node of the proof tree: code, arithmetic, devices, events, words."""

    statement: str
    rule: str
    evidence: tuple[Span, ...] = ()
    children: tuple[Proof, ...] = ()


class Suggestion(_Frozen):
    """Everything the pipeline says about one note (design contract, section 1).

    Examples
    --------
    >>> from extractor import Coder
    >>> note = "Mitral paravalvular leak closure. A 12 mm AVP II was deployed and released."
    >>> Coder().suggest(note).units
    {'93590': 1}
    """

    note_id: str
    status: Status
    lines: tuple[Line, ...] = ()
    reasons: tuple[Reason, ...] = ()
    devices: tuple[Device, ...] = ()
    approaches: tuple[Route, ...] = ()
    companions: tuple[Companion, ...] = ()
    edits: tuple[Edit, ...] = ()
    queries: tuple[Query, ...] = ()
    also_documented: tuple[Service, ...] = ()
    modifiers: tuple[Modifier, ...] = ()
    diagnoses: tuple[Diagnosis, ...] = ()
    changes: tuple[Change, ...] = ()
    proof: Proof
    rules_version: str

    @property
    def units(self) -> dict[str, int]:
        """Units per code, in code order."""
        return {line.code: line.units for line in self.lines}

    def to_json(self) -> str:
        """One line of JSON, the same bytes for the same suggestion everywhere."""
        return self.model_dump_json()
