"""The application: every page of the worklist, behind the shield."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from importlib.resources import files
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from anyio.to_thread import current_default_thread_limiter
from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.exceptions import HTTPException
from starlette.routing import Route

from extractor.errors import Conflict, NotAllowed, NotFound, PvlError, WorklistError
from extractor.worklist.database import Store
from extractor.worklist.queue import Counts
from extractor.worklist.web import entrance, exports, learn, note, people, queue, settings, trail
from extractor.worklist.web.security import PAGES, Place, Refused, Shield
from extractor.worklist.web.visit import VISIT, ChangeFirst, House, Recent, SignInFirst, Visit, enter

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

    from jinja2 import Environment

_ROUTERS = (
    entrance.router,
    queue.router,
    note.router,
    learn.router,
    exports.router,
    trail.router,
    people.router,
    settings.router,
)
_KINDS = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
_RECENT = 1.5  # seconds
_THREADS = 4  # pages that are made at a time


def make_app(store: Store, place: Place | None = None, recent: float = _RECENT) -> FastAPI:
    """Put the pages together.

    Parameters
    ----------
    store
        The worklist.
    place
        Where the pages are; this machine only by default.
    recent
        How many seconds counts and settings are remembered.

    Returns
    -------
    FastAPI
        The application. Each of its pages is in ``PAGES``, and each of these is there.
    """
    place = place or Place()
    assets = _assets()
    house = House(store, place, _templates(assets), Recent(recent), Counts(recent), assets)
    app = FastAPI(
        title="pvl worklist",
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=_begin,
        dependencies=[Depends(enter)],
    )
    app.state.house = house
    for router in _ROUTERS:
        app.include_router(router)
    _check_pages(app)
    for kind in (PvlError, HTTPException, RequestValidationError, Refused, SignInFirst, ChangeFirst):
        app.add_exception_handler(kind, _answer)
    app.add_middleware(Shield, place=place, tell=_bare(house))
    return app


@asynccontextmanager
async def _begin(app: FastAPI) -> AsyncIterator[None]:
    """Make few pages at a time, for many threads would take the processor from each other.

    The templates are made ready now, or the first visitors would wait for them.
    """
    current_default_thread_limiter().total_tokens = _THREADS
    templates = app.state.house.templates
    for name in templates.list_templates():
        templates.get_template(name)
    yield


def pages_of(app: FastAPI) -> set[tuple[str, str]]:
    """Method and path of every page that an application has."""
    found = set()
    for router in _ROUTERS:
        for route in router.routes:
            if isinstance(route, Route):
                found |= {(method, route.path) for method in route.methods or ()}
    own = {
        (method, route.path)
        for route in app.routes
        if isinstance(route, Route)
        for method in route.methods or ()
    }
    return found | own


def _check_pages(app: FastAPI) -> None:
    wrong = pages_of(app) ^ set(PAGES)
    if wrong:
        raise RuntimeError(f"pages without roles, or roles without a page: {sorted(wrong)}")


def _assets() -> dict[str, tuple[bytes, str, str]]:
    folder = files("extractor.worklist.web") / "static"
    return {one.name: _asset(one) for one in folder.iterdir() if _ending(one.name) in _KINDS}


def _asset(file: Traversable) -> tuple[bytes, str, str]:
    content = file.read_bytes()
    return content, _KINDS[_ending(file.name)], hashlib.sha256(content).hexdigest()[:12]


def _ending(name: str) -> str:
    return name[name.rfind(".") :]


def _templates(assets: dict[str, tuple[bytes, str, str]]) -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    from extractor.terminal import printable

    made = Environment(
        loader=PackageLoader("extractor.worklist.web"),
        autoescape=True,
        undefined=StrictUndefined,
        auto_reload=False,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals["asset"] = lambda name: f"/static/{name}?v={assets[name][2]}"
    made.filters["shown"] = lambda text: printable(str(text))
    made.filters["words"] = lambda code: printable(str(code)).replace("_", " ")
    made.filters["span"] = _span
    made.filters["moment"] = lambda at: f"{at:%Y-%m-%d %H:%M}"
    return made


def _span(time: timedelta) -> str:
    """How long, as it is said: the largest unit that fits."""
    seconds = max(0, int(time.total_seconds()))
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return "now"


def _bare(house: House) -> Any:
    """Error pages of the shield, which knows of no user."""

    def tell(status: int, problem: str, remedy: str) -> bytes:
        page = house.templates.get_template("error.html")
        frame: dict[str, Any] = {
            "user": None,
            "nav": [],
            "theme": "auto",
            "keys": "off",
            "flash": None,
            "path": "",
            "csrf": "",
        }
        return page.render(**frame, status=status, problem=problem, remedy=remedy).encode()

    return tell


async def _answer(request: Request, error: Exception) -> Response:
    """Say what is wrong, without a word of a note."""
    if isinstance(error, SignInFirst):
        return _to_sign_in(request)
    if isinstance(error, ChangeFirst):
        return RedirectResponse("/account", 303)
    return _error_page(request, *_told(error))


def _to_sign_in(request: Request) -> Response:
    if request.method != "GET":
        return _error_page(
            request, 401, "You are no longer signed in.", "Sign in again; the form was not kept."
        )
    here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return RedirectResponse("/sign-in" + (f"?next={quote(here, safe='')}" if here != "/" else ""), 303)


def _error_page(request: Request, status: int, problem: str, remedy: str) -> HTMLResponse:
    visit: Visit = request.scope.get(VISIT) or Visit(request, request.app.state.house, None)
    return visit.render("error.html", status, problem=problem, remedy=remedy)


def _told(error: Exception) -> tuple[int, str, str]:
    if isinstance(error, Refused):
        return error.status, error.problem, error.remedy
    if isinstance(error, PvlError):
        where = "the worklist" if error.code == "W004" else error.where  # not where its database is
        return status_of(error), f"{where}: {error.problem} ({error.code})", error.remedy
    missing = isinstance(error, RequestValidationError) or getattr(error, "status_code", 0) == 404
    if missing:
        return 404, "There is no such page.", "Go back to the start page."
    return getattr(error, "status_code", 400), "This cannot be done here.", "Go back to the start page."


def status_of(error: PvlError) -> int:
    """The status of the answer to an error.

    Examples
    --------
    >>> status_of(NotFound("W007", "entry 5", "there is no such entry", "go back"))
    404
    """
    if isinstance(error, Conflict):
        return 409
    if isinstance(error, NotAllowed):
        return 403
    if isinstance(error, NotFound):
        return 404
    if isinstance(error, WorklistError) and error.code == "W004":
        return 503
    return 400
