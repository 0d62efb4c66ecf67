"""The settings of the site. For leads and admins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from fastapi import APIRouter
from fastapi.responses import Response

from extractor.errors import WorklistError
from extractor.worklist import settings as kept
from extractor.worklist.web.visit import Here, Visit

router = APIRouter()


@dataclass(frozen=True, slots=True)
class Field:
    """A setting as the page asks for it."""

    name: str
    words: str
    help: str
    kind: Literal["percent", "number", "yes", "codes"]
    least: int = 0
    most: int = 100


FIELDS = (
    Field(
        "second_check_share",
        "Second check (%)",
        "Share of the decided notes that another coder checks.",
        "percent",
    ),
    Field(
        "blind_share",
        "Coded blind (%)",
        "Share of the notes whose suggestion is hidden until the coder has coded: 0 never, 100 always.",
        "percent",
    ),
    Field(
        "lease_minutes",
        "Hold (minutes)",
        "How long a note is held for the coder who opened it.",
        "number",
        1,
        1440,
    ),
    Field(
        "idle_minutes",
        "Sign-out (minutes)",
        "After how long without a click a user is signed out.",
        "number",
        1,
        720,
    ),
    Field(
        "keep_text",
        "Keep the text of notes",
        "Without, an entry has only the place and the hash of its note.",
        "yes",
    ),
    Field(
        "more_codes",
        "Further codes",
        "Codes that may be claimed beside those of the closure, with spaces between them.",
        "codes",
    ),
)
"""Every setting."""


@router.get("/settings")
def settings(visit: Here) -> Response:
    """What is set."""
    with visit.store.reading() as session:
        found = kept.read(session)
    return _settings(visit, {field.name: _shown(field, getattr(found, field.name)) for field in FIELDS})


@router.post("/settings")
def change(visit: Here) -> Response:
    """Set it."""
    given = {field.name: visit.fields.get(field.name, "").strip()[:1000] for field in FIELDS}
    try:
        kept.write(
            visit.store, visit.user, **{field.name: _value(field, given[field.name]) for field in FIELDS}
        )
    except WorklistError as error:
        name = error.where.removeprefix("setting ")
        return _settings(
            visit, given, name, f"{error.problem[0].upper()}{error.problem[1:]}; {error.remedy}."
        )
    visit.house.recent.forget()
    return visit.go("/settings", "settings-saved")


def _settings(visit: Visit, values: dict[str, str], wrong: str = "", problem: str = "") -> Response:
    status = 400 if problem else 200
    return visit.render("settings.html", status, fields=FIELDS, values=values, wrong=wrong, problem=problem)


def _shown(field: Field, value: Any) -> str:
    if field.kind == "percent":
        return f"{value * 100:.4g}"
    if field.kind == "yes":
        return "yes" if value else ""
    return " ".join(value) if field.kind == "codes" else str(value)


def _value(field: Field, text: str) -> Any:
    if field.kind == "yes":
        return text == "yes"
    if field.kind == "codes":
        return tuple(text.upper().replace(",", " ").split())
    try:
        return float(text.replace(",", ".")) / 100 if field.kind == "percent" else int(text)
    except ValueError:
        raise WorklistError(
            "W020", f"setting {field.name}", "this is no number", "give another value"
        ) from None
