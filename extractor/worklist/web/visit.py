"""A visit: one request for a page, by whom, and how it is answered.

A page takes a ``Visit`` and gives back what ``render`` or ``go`` makes:

    @router.get("/queue")
    def queue(visit: Here) -> Response:
        with visit.store.reading() as session:
            ...
        return visit.render("queue.html", rows=found)

``enter`` has then checked who it is, that the role may see the page, and, of a form, that
it was sent from here.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, TypeVar
from urllib.parse import parse_qsl, quote, unquote, urlencode

from fastapi import Depends, Path, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import ImmutableMultiDict

from extractor.errors import WorklistError
from extractor.worklist import people
from extractor.worklist import settings as settings_of
from extractor.worklist.database import Store
from extractor.worklist.models import Role, User
from extractor.worklist.queue import Counts
from extractor.worklist.settings import Settings
from extractor.worklist.web.security import PAGES, PUBLIC, Place, Refused, cookie, cookies_of, token_cookie

if TYPE_CHECKING:
    from jinja2 import Environment

T = TypeVar("T")
Number = Annotated[int, Path(ge=1, le=2**31 - 1)]
"""The number of something, in an address."""

Fields = ImmutableMultiDict[str, str]
"""What a form holds."""

NAV = (
    ("/queue", "Queue"),
    ("/learn", "Learn"),
    ("/exports", "Exports"),
    ("/trail", "Trail"),
    ("/people", "People"),
    ("/settings", "Settings"),
)
"""The way around; a page is shown to those who may see it."""

THEMES = {"auto": "As the system", "light": "Light", "dark": "Dark"}
_YEAR = timedelta(days=365)
_SAID, _THEME, _KEYS = "pvl_said", "pvl_theme", "pvl_keys"
VISIT = "pvl.visit"
"""Where a request keeps its visit."""

_MOST_FIELDS = 2000
_FIGURES = 60  # seconds that figures are remembered where no decision was made since
_PATH = 2000  # characters of a way back

SAID = {
    "nothing-waits": "Nothing waits here for you now.",
    "signed-out": "You are signed out.",
    "password-changed": "Your password is changed.",
    "settings-saved": "The settings are saved.",
    "role-changed": "The role is changed.",
    "user-disabled": "The user can sign in no more.",
    "user-enabled": "The user can sign in again.",
    "view-saved": "The view is saved.",
    "view-deleted": "The view is deleted.",
    "exported": "The export is made. Fetch its file below.",
    "nothing-to-export": "Nothing waits for export here: no file was made.",
    "undone": "The decision is taken back.",
    "put-off": "The note is put off.",
    "resumed": "The note is open again.",
    "assigned": "It is kept who works on this note.",
    "query-saved": "The query is saved as a draft.",
    "query-sent": "The query is kept as sent; its note waits for the answer.",
    "query-answered": "The answer is kept; the note is open again.",
    "query-withdrawn": "The query is withdrawn.",
    "query-not-neutral": "The query is saved as a draft, not as sent: see what is to be corrected in it.",
}
"""What a page says after something was done, by a name that fits into a cookie."""


class SignInFirst(Exception):  # noqa: N818 - an answer, more than an error
    """Nobody is signed in."""


class ChangeFirst(Exception):  # noqa: N818
    """The one-time password has to be changed."""


@dataclass(frozen=True, slots=True)
class Flash:
    """What was just done; ``about`` is a number or name, by the kind."""

    kind: str
    about: str = ""

    @property
    def text(self) -> str:
        """In words; nothing of a kind that pages say in their own way."""
        return SAID.get(self.kind, "")


class Recent:
    """Remembers for a moment what is asked for again and again."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._kept: dict[object, tuple[float, Any]] = {}

    def get(self, key: object, make: Callable[[], T]) -> T:
        """What is known of a key, made anew when it is too old."""
        now = time.monotonic()
        kept = self._kept.get(key)
        if kept is not None and now < kept[0]:
            found: T = kept[1]
            return found
        made = make()
        for old in [one for one, (until, _) in list(self._kept.items()) if until <= now]:
            self._kept.pop(old, None)
        self._kept[key] = (now + self._seconds, made)
        return made

    def forget(self) -> None:
        """Forget everything."""
        self._kept.clear()


@dataclass(slots=True)
class House:
    """What all visits share."""

    store: Store
    place: Place
    templates: Environment
    recent: Recent
    counts: Counts
    assets: dict[str, tuple[bytes, str, str]] = field(default_factory=dict)  # content, kind, version
    figures: Recent = field(default_factory=lambda: Recent(_FIGURES))


@dataclass
class Visit:
    """One request for a page.

    Attributes
    ----------
    request
        The request.
    house
        What all visits share.
    someone
        Who is signed in, if anybody is.
    csrf
        What every form holds that a signed-in user sends.
    token
        The token of the cookie.
    fields
        What the form held.
    """

    request: Request
    house: House
    someone: User | None
    csrf: str = ""
    token: str = ""
    fields: Fields = field(default_factory=lambda: ImmutableMultiDict[str, str]([]))

    @property
    def store(self) -> Store:
        """The worklist."""
        return self.house.store

    @property
    def user(self) -> User:
        """Who is signed in."""
        if self.someone is None:
            raise SignInFirst
        return self.someone

    @property
    def now(self) -> datetime:
        """The time."""
        return self.store.clock()

    @cached_property
    def settings(self) -> Settings:
        """The settings of the site."""
        return settings_in_force(self.house)

    @property
    def query(self) -> Mapping[str, str]:
        """What the address asks for."""
        return self.request.query_params

    @property
    def here(self) -> str:
        """Path and query of this page, to come back to."""
        url = self.request.url
        return url.path + (f"?{url.query}" if url.query else "")

    def may(self, path: str, method: str = "GET") -> bool:
        """Whether this user may see a page; ``path`` as in ``PAGES``."""
        roles = PAGES.get((method, path))
        return roles is not None and (
            roles == PUBLIC or (self.someone is not None and self.someone.role in roles)
        )

    def render(self, template: str, status: int = 200, **content: Any) -> HTMLResponse:
        """Make a page of a template."""
        page = self.house.templates.get_template(template)
        return HTMLResponse(page.render(**self._frame(), **content), status)

    def go(self, path: str, said: str = "", about: object = "", **query: object) -> RedirectResponse:
        """Send the browser on to a page, which then says what was done."""
        if said:
            self.set_cookie(_SAID, quote(f"{said}|{about}"))
        asked = urlencode({name: str(value) for name, value in query.items() if value not in ("", None)})
        return RedirectResponse(f"{path}?{asked}" if asked else path, 303)

    def set_cookie(self, name: str, value: str, lasts: timedelta | None = None) -> None:
        """Let the browser keep something that is no secret."""
        cookies_of(self.request.scope).append(
            cookie(name, value, secure=self.house.place.secure, lasts=lasts)
        )

    def let_in(self, token: str) -> None:
        """Give the browser its token, or without one take it away."""
        cookies_of(self.request.scope).append(token_cookie(self.house.place, token))

    def set_looks(self, theme: str, keys: str) -> None:
        """Keep how the pages look and whether single keys do something; what makes no sense is left."""
        if theme in THEMES:
            self.set_cookie(_THEME, theme, _YEAR)
        if keys in ("on", "off"):
            self.set_cookie(_KEYS, keys, _YEAR)

    def flash(self) -> Flash | None:
        """What was just done, once."""
        said = unquote(self.request.cookies.get(_SAID, ""))
        if not said:
            return None
        self.set_cookie(_SAID, "")
        kind, _, about = said[:200].partition("|")
        return Flash(kind, about)

    def _frame(self) -> dict[str, Any]:
        cookies = self.request.cookies
        theme = cookies.get(_THEME, "auto")
        return {
            "visit": self,
            "user": self.someone,
            "csrf": self.csrf,
            "nav": [(path, words) for path, words in NAV if self.someone is not None and self.may(path)],
            "path": self.request.url.path,
            "theme": theme if theme in THEMES else "auto",
            "keys": "off" if cookies.get(_KEYS) == "off" else "on",
            "flash": self.flash(),
            "now": self.now,
        }


def own_path(path: str) -> str:
    """A way back that leads nowhere else.

    Examples
    --------
    >>> own_path("/queue?lane=ready"), own_path("//evil.example"), own_path("https://evil.example")
    ('/queue?lane=ready', '/', '/')
    """
    own = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable()
    return path if own and path.isascii() and len(path) <= _PATH else "/"


def settings_in_force(house: House) -> Settings:
    """The settings of the site, as of a moment ago."""

    def read() -> Settings:
        with house.store.reading() as session:
            return settings_of.read(session)

    return house.recent.get("settings", read)


async def enter(request: Request) -> Visit:
    """Let a request in: by whom it is, whether the role may see the page, whether a form is its own."""
    route = getattr(request.scope.get("route"), "path", "")
    roles = PAGES[request.method, route]
    house: House = request.app.state.house
    fields = await _fields(request, house.place) if request.method == "POST" else None
    return await run_in_threadpool(_enter, request, house, roles, fields)


Here = Annotated[Visit, Depends(enter)]


async def _fields(request: Request, place: Place) -> Fields:
    headers = request.headers
    origin, site = headers.get("origin", ""), headers.get("sec-fetch-site", "")
    if not place.is_own(origin, site, headers.get("host", "")):
        raise Refused(403, "This form was not sent from the worklist.", "Open the page anew and try again.")
    unread = Refused(400, "This form cannot be read.", "Open the page anew and try again.")
    body = await request.body()
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if body and kind != "application/x-www-form-urlencoded":
        raise unread
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=_MOST_FIELDS)
    except ValueError:
        raise unread from None
    if any("\x00" in name + value for name, value in pairs):
        raise unread
    return ImmutableMultiDict(pairs)


def _enter(request: Request, house: House, roles: frozenset[Role], fields: Fields | None) -> Visit:
    visit = Visit(request, house, None)
    request.scope[VISIT] = visit
    _recognise(visit)
    if fields is not None:
        visit.fields = fields
    if roles == PUBLIC:
        return visit
    user = visit.user
    if fields is not None and not secrets.compare_digest(
        fields.get("csrf", "").encode(), visit.csrf.encode()
    ):
        raise Refused(403, "This form is from another sign-in.", "Open the page anew and try again.")
    by_proxy = _named_by_proxy(request, house.place) is not None  # who needs no password needs no new one
    if user.must_change and not by_proxy and request.url.path not in ("/account", "/sign-out"):
        raise ChangeFirst
    if user.role not in roles:
        raise Refused(403, f"This page is not for the role {user.role}.", "Ask an admin if you need it.")
    return visit


def _recognise(visit: Visit) -> None:
    """Find out who it is, by the cookie and by what a trusted proxy says."""
    house, request = visit.house, visit.request
    named = _named_by_proxy(request, house.place)
    token = request.cookies.get(house.place.cookie, "")
    idle = timedelta(minutes=settings_in_force(house).idle_minutes)
    found = people.signed_in(house.store, token, idle) if token else None
    if found is not None and house.place.proxy is not None:
        # Whom the proxy names now counts more than who was here before.
        wanted = named.strip().casefold() if named else None
        if (wanted is None and found[0].password_hash is None) or wanted not in (None, found[0].name):
            people.sign_out(house.store, token)
            found = None
    if found is None and named and house.place.proxy is not None:
        try:
            token = people.sign_in_by_proxy(house.store, named, house.place.proxy.role)
        except WorklistError:
            raise Refused(403, "This account may not sign in.", "Ask an admin.") from None
        visit.let_in(token)
        found = people.signed_in(house.store, token, idle)
    if found is not None:
        (visit.someone, visit.csrf), visit.token = found, token


def _named_by_proxy(request: Request, place: Place) -> str | None:
    """Whom the proxy names; nobody where the request does not come from it."""
    if place.proxy is None or not place.proxy.trusts(request.client.host if request.client else None):
        return None
    named = request.headers.getlist(place.proxy.header)
    if len(named) > 1:
        raise Refused(400, "The proxy names several users.", "Ask who runs the proxy.")
    return named[0].strip() or None if named else None
