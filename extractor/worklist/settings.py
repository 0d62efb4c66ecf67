"""Settings of a site: what a lead or admin may set, each with a default."""

from __future__ import annotations

import json
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy import select
from sqlalchemy.orm import Session

from extractor.errors import WorklistError
from extractor.worklist.database import Store
from extractor.worklist.models import Role, Setting, User
from extractor.worklist.people import name_of, permit
from extractor.worklist.trail import Happening, record, sealed

Share = Annotated[float, Field(ge=0, le=1)]
Code = Annotated[str, Field(pattern=r"^[0-9]{4}[0-9A-Z]$")]


class Settings(BaseModel):
    """Every setting.

    Attributes
    ----------
    second_check_share
        Share of the decided notes that a second coder checks, 0 to 1.
    blind_share
        Share of the notes whose suggestion is hidden until they are coded: 0 never, 1 always.
    lease_minutes
        How long a coder holds a note.
    idle_minutes
        After how long without a click a user is signed out.
    keep_text
        Whether notes are filed with their text.
    more_codes
        Codes that may be claimed beside those of the closure, such as an unlisted one.

    Examples
    --------
    >>> Settings().lease_minutes
    15
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    second_check_share: Share = 0.05
    blind_share: Share = 0.0
    lease_minutes: Annotated[int, Field(ge=1, le=24 * 60)] = 15
    idle_minutes: Annotated[int, Field(ge=1, le=12 * 60)] = 30
    keep_text: bool = True
    more_codes: Annotated[tuple[Code, ...], Field(max_length=100)] = ()


def read(session: Session) -> Settings:
    """The settings in force."""
    kept = {row.name: json.loads(row.value) for row in session.scalars(select(Setting))}
    # A setting that a later version left behind is no reason to stop.
    return Settings.model_validate({name: kept[name] for name in Settings.model_fields if name in kept})


def write(store: Store, by: User | str, **changes: Any) -> Settings:
    """Change settings.

    Parameters
    ----------
    store
        The worklist.
    by
        The lead or admin who changes them.
    changes
        Names and new values.

    Raises
    ------
    NotAllowed
        By a user of another role.
    WorklistError
        Where a value does not fit, named by its setting.
    """
    permit(by, Role.lead, Role.admin)
    with store.writing() as session:
        before = read(session)
        after = _changed(before, changes)
        old, new = before.model_dump(mode="json"), after.model_dump(mode="json")
        names = [name for name in new if new[name] != old[name]]
        kept = [session.merge(Setting(name=name, value=json.dumps(new[name]))) for name in names]
        if names:
            happening = Happening(
                store.clock(),
                name_of(by),
                "settings",
                about="settings",
                before={name: old[name] for name in names},
                after={**{name: new[name] for name in names}, **sealed(*kept)},
            )
            record(session, happening)
    return after


def _changed(before: Settings, changes: dict[str, Any]) -> Settings:
    try:
        return Settings.model_validate({**before.model_dump(), **changes})
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        raise WorklistError("W020", f"setting {name}", first["msg"].lower(), "give another value") from None
