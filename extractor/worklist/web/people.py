"""People: who may sign in, and as what. For admins."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import Response

from extractor.errors import NotFound, WorklistError
from extractor.worklist import people as accounts
from extractor.worklist.models import Role, User
from extractor.worklist.web.visit import Here, Number, Visit

router = APIRouter()

ROLES = {
    Role.coder: "reads notes and decides",
    Role.lead: "also reassigns, settles differences, exports and sets",
    Role.auditor: "reads notes and the trail, changes nothing",
    Role.admin: "adds people and sets; reads no notes",
}
"""What each role is for."""


@router.get("/people")
def people(visit: Here) -> Response:
    """Everybody."""
    return _people(visit)


@router.post("/people")
def add(visit: Here) -> Response:
    """Add somebody, and show the one-time password this once."""
    name = visit.fields.get("name", "")
    try:
        role = _role(visit)
        password = accounts.add(visit.store, visit.user, name, role)
    except WorklistError as error:
        return _people(
            visit, problem=f"{error.problem[0].upper()}{error.problem[1:]}; {error.remedy}.", name=name
        )
    return _people(visit, given=(name.strip().casefold(), password))


@router.post("/people/{user_id}/reset")
def reset(visit: Here, user_id: Number) -> Response:
    """Give somebody a new one-time password, and show it this once."""
    name = _name(visit, user_id)
    return _people(visit, given=(name, accounts.reset(visit.store, visit.user, name)))


@router.post("/people/{user_id}/role")
def change_role(visit: Here, user_id: Number) -> Response:
    """Give somebody another role."""
    accounts.set_role(visit.store, visit.user, _name(visit, user_id), _role(visit))
    return visit.go("/people", "role-changed")


@router.post("/people/{user_id}/disable")
def disable(visit: Here, user_id: Number) -> Response:
    """Let somebody sign in no more."""
    accounts.disable(visit.store, visit.user, _name(visit, user_id))
    return visit.go("/people", "user-disabled")


@router.post("/people/{user_id}/enable")
def enable(visit: Here, user_id: Number) -> Response:
    """Let somebody sign in again."""
    accounts.enable(visit.store, visit.user, _name(visit, user_id))
    return visit.go("/people", "user-enabled")


def _people(
    visit: Visit, given: tuple[str, str] | None = None, problem: str = "", name: str = ""
) -> Response:
    with visit.store.reading() as session:
        everybody = accounts.users(session)
    status = 400 if problem else 200
    return visit.render(
        "people.html", status, everybody=everybody, roles=ROLES, given=given, problem=problem, name=name[:80]
    )


def _name(visit: Visit, user_id: int) -> str:
    with visit.store.reading() as session:
        user = session.get(User, user_id)
    if user is None:
        raise NotFound("W007", f"user {user_id}", "there is no such user", "go back to the list")
    return user.name


def _role(visit: Visit) -> Role:
    try:
        return Role(visit.fields.get("role", ""))
    except ValueError:
        raise WorklistError("W025", "role", "there is no such role", "choose one of the list") from None
