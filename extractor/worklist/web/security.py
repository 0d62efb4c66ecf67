"""Who may see which page, and what keeps everybody else out.

``PAGES`` is the one table of pages and roles: a page that is not in it cannot be served.
``Shield`` stands before all of them. It answers for the right host only, refuses what is
too large, sets the headers, and catches what fails: neither its error page nor its log
holds anything of a note.
"""

from __future__ import annotations

import ipaddress
import logging
import time
import traceback
from collections.abc import Callable, Iterable, MutableMapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from starlette.requests import ClientDisconnect

from extractor.errors import WorklistError
from extractor.worklist.models import Role
from extractor.worklist.people import LONGEST

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

PUBLIC: Final[frozenset[Role]] = frozenset()
"""Who sees a page without signing in: everybody."""

_ALL = frozenset(Role)
_READS = frozenset({Role.coder, Role.lead, Role.auditor})
_WORKS = frozenset({Role.coder, Role.lead})
_LOOKS_BACK = frozenset({Role.lead, Role.auditor, Role.admin})
_LEADS = frozenset({Role.lead})
_SETS = frozenset({Role.lead, Role.admin})
_ADMIN = frozenset({Role.admin})

PAGES: dict[tuple[str, str], frozenset[Role]] = {
    # everybody
    ("GET", "/static/{name}"): PUBLIC,
    ("GET", "/sign-in"): PUBLIC,
    ("POST", "/sign-in"): PUBLIC,
    ("POST", "/looks"): PUBLIC,
    ("GET", "/"): _ALL,
    ("POST", "/sign-out"): _ALL,
    ("GET", "/account"): _ALL,
    ("POST", "/account"): _ALL,
    # the queue
    ("GET", "/queue"): _READS,
    ("POST", "/queue/next"): _WORKS,
    ("POST", "/views"): _READS,
    ("POST", "/views/{view_id}/delete"): _READS,
    # a note
    ("GET", "/notes/{entry_id}"): _READS,
    ("POST", "/notes/{entry_id}/decide"): _WORKS,
    ("POST", "/notes/{entry_id}/next"): _WORKS,
    ("POST", "/notes/{entry_id}/defer"): _WORKS,
    ("POST", "/notes/{entry_id}/assign"): _WORKS,
    ("POST", "/notes/{entry_id}/queries"): _WORKS,
    ("POST", "/queries/{query_id}"): _WORKS,
    ("GET", "/queries/{query_id}/text"): _READS,
    ("POST", "/decisions/{decision_id}/undo"): _WORKS,
    # what came of it
    ("GET", "/learn"): _ALL,
    ("GET", "/learn/notes"): _ALL,
    ("POST", "/learn/gold"): _LEADS,
    ("GET", "/exports"): _LOOKS_BACK,
    ("POST", "/exports"): _LEADS,
    ("POST", "/exports/{export_id}/file"): _LEADS,
    # looking back
    ("GET", "/trail"): _LOOKS_BACK,
    ("GET", "/trail/verify"): _LOOKS_BACK,
    # running it
    ("GET", "/settings"): _SETS,
    ("POST", "/settings"): _SETS,
    ("GET", "/people"): _ADMIN,
    ("POST", "/people"): _ADMIN,
    ("POST", "/people/{user_id}/role"): _ADMIN,
    ("POST", "/people/{user_id}/reset"): _ADMIN,
    ("POST", "/people/{user_id}/disable"): _ADMIN,
    ("POST", "/people/{user_id}/enable"): _ADMIN,
}
"""Method and path of every page, and who may see it. Reading notes is not an admin's work."""

LARGEST = 512 * 1024  # bytes of a request
_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
_log = logging.getLogger("pvl.worklist")

_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
_HEADERS: dict[str, str] = {
    "content-security-policy": _POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    # Not no-referrer: with that, browsers hide where a form comes from, which is checked here.
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}


class Refused(Exception):  # noqa: N818 - an answer, more than an error
    """A request that is not answered, and what to do instead."""

    def __init__(self, status: int, problem: str, remedy: str) -> None:
        super().__init__(problem)
        self.status, self.problem, self.remedy = status, problem, remedy


@dataclass(frozen=True, slots=True)
class Proxy:
    """A reverse proxy that signs users in and names them in a header.

    Attributes
    ----------
    header
        The header; it counts only where the request comes from a trusted address.
    trusted
        Addresses or networks of the proxy.
    role
        What a user becomes who comes for the first time.
    """

    header: str
    trusted: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]
    role: Role = Role.coder

    @classmethod
    def of(cls, header: str, trusted: Iterable[str], role: Role = Role.coder) -> Proxy:
        """Read the addresses.

        Examples
        --------
        >>> Proxy.of("X-Remote-User", ["127.0.0.1"]).trusts("127.0.0.1")
        True
        """
        try:
            networks = tuple(ipaddress.ip_network(one) for one in trusted)
        except ValueError:
            raise WorklistError(
                "W012", "--trusted-proxy", "this is no address", "give one like 127.0.0.1 or 10.1.0.0/24"
            ) from None
        return cls(header, networks, role)

    def trusts(self, address: str | None) -> bool:
        """Whether a request from this address may name a user."""
        try:
            known = ipaddress.ip_address(address or "")
        except ValueError:
            return False
        known = getattr(known, "ipv4_mapped", None) or known
        return any(known in network for network in self.trusted)


@dataclass(frozen=True, slots=True)
class Place:
    """Where the pages are: under which names they answer, and who stands before them.

    Attributes
    ----------
    host
        The address that is listened on.
    public
        The address under which users reach it, where that is another one.
    proxy
        The proxy that signs users in.
    """

    host: str = "127.0.0.1"
    public: str = ""
    proxy: Proxy | None = None
    names: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        parts = urlsplit(self.public)
        if self.public and (parts.scheme != "https" or not parts.hostname or parts.path.strip("/")):
            raise WorklistError(
                "W012",
                "--behind-proxy",
                "this is no address of a site over https",
                "give one like https://worklist.example.org, without a path",
            )
        names = {*_LOOPBACK, _bracketed(self.host), _bracketed(parts.hostname or "")} - {""}
        if not self.public and not is_loopback(self.host):
            raise WorklistError(
                "W012",
                f"--host {self.host}",
                "other machines could reach it, and passwords and notes would travel unprotected",
                "put a reverse proxy with https before it and name its address with --behind-proxy",
            )
        object.__setattr__(self, "names", frozenset(names))

    @property
    def secure(self) -> bool:
        """Whether browsers come over https."""
        return bool(self.public)

    @property
    def cookie(self) -> str:
        """Name of the cookie of a session; the browser itself guards the one with the prefix."""
        return "__Host-pvl" if self.secure else "pvl"

    def answers(self, host: str) -> bool:
        """Whether a request for this host is meant for these pages.

        Examples
        --------
        >>> Place().answers("localhost:8765"), Place().answers("evil.example")
        (True, False)
        """
        name, colon, port = host.lower().rpartition(":")
        if not colon or not port.isdecimal():
            name = host.lower()
        return name in self.names

    def is_own(self, origin: str, site: str, host: str) -> bool:
        """Whether a form was sent from one of these pages.

        Parameters
        ----------
        origin, site, host
            The headers ``Origin``, ``Sec-Fetch-Site`` and ``Host``.

        Examples
        --------
        >>> Place().is_own("http://localhost:8765", "same-origin", "localhost:8765")
        True
        >>> Place().is_own("http://evil.example", "", "localhost:8765")
        False
        >>> Place().is_own("", "", "localhost:8765")
        False
        """
        if site and site != "same-origin":
            return False
        if origin in ("", "null"):
            return site == "same-origin"
        wanted = self.public.rstrip("/").lower() if self.public else f"http://{host.lower()}"
        return origin.lower() == wanted


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address.

    Examples
    --------
    >>> is_loopback("localhost"), is_loopback("::1"), is_loopback("0.0.0.0")
    (True, True, False)
    """
    try:
        return host == "localhost" or ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _bracketed(host: str) -> str:
    return f"[{host.strip('[]')}]".lower() if ":" in host else host.lower()


def cookie(name: str, value: str, *, secure: bool, lasts: timedelta | None = None) -> str:
    """A Set-Cookie header of a cookie that no script and no other site sees; an empty value removes it.

    Examples
    --------
    >>> cookie("pvl", "token", secure=False)
    'pvl=token; Path=/; HttpOnly; SameSite=Strict'
    """
    parts = [f"{name}={value}", "Path=/", "HttpOnly", "SameSite=Strict"]
    if not value:
        parts.append("Max-Age=0")
    elif lasts:
        parts.append(f"Max-Age={int(lasts.total_seconds())}")
    if secure:
        parts.append("Secure")
    return "; ".join(parts)


class Shield:
    """Stands before every page.

    Parameters
    ----------
    app
        The pages.
    place
        Where they are.
    tell
        Makes the error page of a status, from what is wrong and what to do.
    """

    def __init__(self, app: ASGIApp, place: Place, tell: Callable[[int, str, str], bytes]) -> None:
        self._app, self._place, self._tell = app, place, tell

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = time.monotonic()
        answer = _Answer(scope, send, self._place.secure)
        try:
            self._check(scope)
            await self._app(scope, _limited(receive), answer)
        except ClientDisconnect:
            pass  # nobody is there any more to be told
        except Refused as refused:
            await self._say(answer, refused.status, refused.problem, refused.remedy)
        except Exception as error:
            _log.error("%s %s failed: %s", scope["method"], _page(scope), _where(error))
            problem, remedy = "Something went wrong here.", "Nothing was changed. Go back and try again."
            await self._say(answer, 500, problem, remedy)
        took = round((time.monotonic() - begun) * 1000)
        _log.info("%s %s %d %d ms", scope["method"], _page(scope), answer.status, took)

    def _check(self, scope: Scope) -> None:
        headers = [(name.lower(), value.decode("latin-1")) for name, value in scope["headers"]]
        hosts = [value for name, value in headers if name == b"host"]
        if len(hosts) != 1 or not self._place.answers(hosts[0]):
            raise Refused(400, "This is not the address of the worklist.", "Use the address you were given.")
        for name, value in headers:
            if name == b"content-length" and (not value.isdecimal() or int(value) > LARGEST):
                raise _too_large()
        if "\x00" in scope["path"] or b"%00" in scope.get("query_string", b""):
            raise Refused(400, "This address cannot be read.", "Go back to the start page.")

    async def _say(self, answer: _Answer, status: int, problem: str, remedy: str) -> None:
        if answer.status:
            return  # too late to say anything
        body = self._tell(status, problem, remedy)
        headers = [(b"content-type", b"text/html; charset=utf-8"), (b"content-length", b"%d" % len(body))]
        await answer({"type": "http.response.start", "status": status, "headers": headers})
        await answer({"type": "http.response.body", "body": body})


class _Answer:
    """Sends an answer with the headers that all of them have."""

    def __init__(self, scope: Scope, send: Send, secure: bool) -> None:
        self._scope, self._send, self._secure = scope, send, secure
        self.status = 0

    async def __call__(self, message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            own = {name.lower() for name, _ in message["headers"]}
            added = dict(_HEADERS)
            if self._secure:
                added["strict-transport-security"] = f"max-age={365 * 24 * 3600}"
            message["headers"] = [
                *message["headers"],
                *((n.encode(), v.encode()) for n, v in added.items() if n.encode() not in own),
                *((b"set-cookie", one.encode("latin-1")) for one in cookies_of(self._scope)),
            ]
        await self._send(message)


def cookies_of(scope: Scope) -> list[str]:
    """The cookies that go out with the answer to a request; add to it."""
    found: list[str] = scope.setdefault("pvl.cookies", [])
    return found


def token_cookie(place: Place, token: str) -> str:
    """The cookie of a browser that is signed in; without a token, that of one that no longer is."""
    return cookie(place.cookie, token, secure=place.secure, lasts=LONGEST)


def _limited(receive: Receive) -> Receive:
    read = 0

    async def limited() -> Message:
        nonlocal read
        message = await receive()
        read += len(message.get("body", b""))
        if read > LARGEST:
            raise _too_large()
        return message

    return limited


def _too_large() -> Refused:
    return Refused(413, "This is too much for one form.", "Go back and shorten what you wrote.")


def _page(scope: Scope) -> str:
    """The page as the table has it: an address may name a note, and at some sites that names a patient."""
    return getattr(scope.get("route"), "path", "(no page)")


def _where(error: BaseException) -> str:
    """Kind and place of an error; its words could quote a note."""
    frames = traceback.extract_tb(error.__traceback__)
    steps = " < ".join(f"{frame.name}:{frame.lineno}" for frame in reversed(frames[-6:]))
    return f"{type(error).__name__} in {steps}"
