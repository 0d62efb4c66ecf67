"""Standing: what a source says of a note beside its text, and what follows from it.

A draft may change before it is signed, and an addendum alone tells half a story:
what they say is suggested, but a person decides.
"""

from __future__ import annotations

from extractor.readers import Standing
from extractor.suggestion import Reason, ReasonCode, Suggestion

FINAL: Standing = "final"
"""The standing of a note of which nothing else is known."""

_HELD: dict[Standing, tuple[ReasonCode, str]] = {
    "preliminary": ("note_not_signed", "The source marks this note as not signed: code it when it is."),
    "addendum": (
        "addendum_alone",
        "This is an addendum, and the note it belongs to is not in the source: read them together.",
    ),
}


def hold(suggestion: Suggestion, standing: Standing) -> Suggestion:
    """The suggestion for a note of this standing: one that is not final is never ready.

    Examples
    --------
    >>> from extractor import Coder
    >>> note = "Mitral paravalvular leak closure. A 12 mm AVP II was deployed and released."
    >>> held = hold(Coder().suggest(note), "preliminary")
    >>> held.status, held.units, held.reasons[0].code
    ('review', {'93590': 1}, 'note_not_signed')
    """
    if standing == "final" or suggestion.status == "none":
        return suggestion
    code, message = _HELD[standing]
    reasons = (*suggestion.reasons, Reason(code=code, message=message))
    return suggestion.model_copy(update={"status": "review", "reasons": reasons})
