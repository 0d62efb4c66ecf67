"""Signing in and out, the own account, and what every browser may have: style and script."""

from __future__ import annotations

from collections.abc import Callable

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter
from fastapi.responses import Response

from extractor.errors import NotAllowed, WorklistError
from extractor.worklist import people
from extractor.worklist.models import Role
from extractor.worklist.web.security import Refused
from extractor.worklist.web.visit import THEMES, Here, Visit, own_path

router = APIRouter()
_FOREVER = "public, max-age=31536000, immutable"
_PASSWORDS = CapacityLimiter(4)
"""How many passwords are checked at once: each takes 64 MB, and anybody may ask. Others wait
without a thread, so that those who are signed in go on working.
"""


@router.get("/static/{name}")
def static(visit: Here, name: str) -> Response:
    """Style and script; kept by the browser as long as they are the same."""
    found = visit.house.assets.get(name)
    if found is None:
        raise Refused(404, "There is no such file.", "Go back to the start page.")
    content, kind, version = found
    caching = {"cache-control": _FOREVER} if visit.query.get("v") == version else {}
    return Response(content, media_type=kind, headers=caching)


@router.get("/")
def start(visit: Here) -> Response:
    """Where the work of a role begins."""
    return visit.go("/people" if visit.user.role is Role.admin else "/queue")


@router.get("/sign-in")
def sign_in(visit: Here) -> Response:
    """Ask who it is."""
    way = own_path(visit.query.get("next", "/"))
    return visit.go(way) if visit.someone else visit.render("sign_in.html", way=way, name="", problem="")


@router.post("/sign-in")
async def signed_in(visit: Here) -> Response:
    """Let somebody in, or not."""
    return await _in_turn(_signed_in, visit)


def _signed_in(visit: Visit) -> Response:
    name, way = visit.fields.get("name", ""), own_path(visit.fields.get("next", "/"))
    try:
        token = people.sign_in(visit.store, name, visit.fields.get("password", ""))
    except NotAllowed as error:
        problem = f"{error.problem[0].upper()}{error.problem[1:]}: {error.remedy}."
        return visit.render("sign_in.html", 403, way=way, name=name[:80], problem=problem)
    if visit.token:
        people.sign_out(visit.store, visit.token)
    visit.let_in(token)
    return visit.go(way)


@router.post("/sign-out")
def sign_out(visit: Here) -> Response:
    """Forget the browser."""
    people.sign_out(visit.store, visit.token)
    visit.let_in("")
    return visit.go("/sign-in", "signed-out")


@router.post("/looks")
def looks(visit: Here) -> Response:
    """Change how the pages look in this browser."""
    visit.set_looks(visit.fields.get("theme", ""), visit.fields.get("keys", ""))
    return visit.go(own_path(visit.fields.get("next", "/")))


@router.get("/account")
def account(visit: Here) -> Response:
    """The own account."""
    return _account(visit)


@router.post("/account")
async def change_password(visit: Here) -> Response:
    """Change the own password."""
    return await _in_turn(_change_password, visit)


def _change_password(visit: Visit) -> Response:
    old, new, again = (visit.fields.get(name, "") for name in ("old", "new", "again"))
    if new != again:
        return _account(visit, "The two new passwords are not the same.")
    try:
        people.change_password(visit.store, visit.user, old, new)
    except NotAllowed:
        return _account(visit, "The old password is wrong.")
    except WorklistError as error:
        return _account(visit, f"{error.where}: {error.problem}; {error.remedy}.")
    visit.let_in(people.sign_in(visit.store, visit.user.name, new))
    return visit.go("/account", "password-changed")


async def _in_turn(page: Callable[[Visit], Response], visit: Visit) -> Response:
    return await to_thread.run_sync(page, visit, limiter=_PASSWORDS)


def _account(visit: Visit, problem: str = "") -> Response:
    shortest = people.SHORTEST
    status = 400 if problem else 200
    return visit.render("account.html", status, problem=problem, shortest=shortest, themes=THEMES)
