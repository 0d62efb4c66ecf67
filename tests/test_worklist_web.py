"""The worklist's pages: who sees which, what is kept out, and what the frame's pages do."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.request import urlopen

import httpx
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select, text
from typer.testing import CliRunner

from extractor.cli import app as pvl
from extractor.cli.worklist_serve import _socket
from extractor.errors import NotAllowed, WorklistError
from extractor.readers import Note
from extractor.worklist import people
from extractor.worklist.database import Store
from extractor.worklist.filing import Label, file_notes
from extractor.worklist.history import Asked, changes
from extractor.worklist.models import Entry, Role, TrailRow, User
from extractor.worklist.trail import verify, verify_seals
from extractor.worklist.web import queue as queue_pages
from extractor.worklist.web.app import make_app, pages_of
from extractor.worklist.web.security import LARGEST, PAGES, PUBLIC, Place, Proxy
from extractor.worklist.web.visit import NAV
from tests.worklist_browser import HOST, ORIGIN, Browser
from tests.worklist_store import Clock, ToldCoder, add_user

if TYPE_CHECKING:
    from httpx import Response

pytestmark = pytest.mark.filterwarnings("ignore:Using `httpx` with")
PASSWORD = "plug, leak and wire"
HOSTILE = "<script>alert(\"x\")</script>\u202eevil\u2066 =cmd|' /C calc'!A0"
SECRET = "Testperson, Ada"


@pytest.fixture
def people_of(store: Store) -> dict[Role, User]:
    """A user of each role, named as the role."""
    return {role: add_user(store, role.value, role) for role in Role}


@pytest.fixture
def browser(store: Store, people_of: dict[Role, User]) -> Browser:
    return Browser(store)


@pytest.fixture
def notes(store: Store, told_coder: ToldCoder) -> list[str]:
    """Five notes: two ready, three to review."""
    filed = []
    for number in range(5):
        status = "ready" if number < 2 else "review"
        more = {} if number < 2 else {"reasons": [{"code": "device_count_conflict", "message": "m"}]}
        told_coder.tell(f"{SECRET} {number}", status, {"93590": 1, "93592": number}, **more)
        filed.append(Note(f"note-{number}", f"{SECRET} {number}"))
    file_notes(store, filed, told_coder, by="system", label=Label("North", "brief"))
    return [note.note_id for note in filed]


def rows_of_trail(store: Store) -> list[TrailRow]:
    with store.reading() as session:
        return list(session.scalars(select(TrailRow).order_by(TrailRow.id)))


def filled(path: str) -> str:
    return re.sub(r"{\w+}", "1", path)


def text_of(response: Response) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.text))


# -- who sees which page -----------------------------------------------------------


def test_security_every_page_is_in_the_table_and_no_other(browser: Browser) -> None:
    assert pages_of(browser.app) == set(PAGES)


def test_security_a_page_without_roles_is_not_served(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(PAGES, ("GET", "/trail"))
    with pytest.raises(RuntimeError, match="/trail"):
        make_app(store)


def test_security_nobody_sees_more_than_the_entrance_without_signing_in(browser: Browser) -> None:
    for (method, path), roles in PAGES.items():
        answer = browser.get(filled(path)) if method == "GET" else browser.post(filled(path))
        if roles == PUBLIC:
            assert answer.status_code in (200, 303, 403, 404), path
        elif method == "GET":
            assert answer.status_code == 303, path
            assert answer.headers["location"].startswith("/sign-in"), path
        else:
            assert answer.status_code == 401, path


@pytest.mark.parametrize("role", list(Role))
def test_security_each_role_sees_its_pages_and_no_other(
    browser: Browser, role: Role, notes: list[str]
) -> None:
    for (method, path), roles in PAGES.items():
        if roles == PUBLIC or path == "/sign-out":
            continue
        browser.become(role.value)
        before = len(rows_of_trail(browser.store))
        answer = browser.get(filled(path)) if method == "GET" else browser.post(filled(path))
        refused = "not for the role" in answer.text
        assert refused == (role not in roles), (method, path)
        assert answer.status_code < 500, (method, path)
        if refused:
            assert answer.status_code == 403
            assert len(rows_of_trail(browser.store)) == before


def test_security_an_admin_reads_no_notes(browser: Browser) -> None:
    for (_, path), roles in PAGES.items():
        if path.startswith(("/notes", "/queue")):
            assert Role.admin not in roles


def test_security_a_navigation_shows_what_a_role_may_see(browser: Browser) -> None:
    shown = {
        role: set(re.findall(r'<a href="(/\w+)"', browser.become(role.value).get("/account").text))
        for role in Role
    }
    for role, pages in shown.items():
        seen = {path for (method, path), roles in PAGES.items() if method == "GET" and role in roles}
        assert pages == seen & {path for path, _ in NAV}


def test_security_a_one_time_password_opens_nothing_but_the_account(store: Store, browser: Browser) -> None:
    with store.writing() as session:
        user = session.scalars(select(User).where(User.name == "coder")).one()
        user.must_change, user.password_hash = True, "x"
    browser.become("coder")
    for path in ("/", "/queue"):
        answer = browser.get(path)
        assert (answer.status_code, answer.headers["location"]) == (303, "/account")
    assert browser.post("/queue/next").headers["location"] == "/account"
    assert "one-time password" in browser.get("/account").text


# -- forms of others ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("token", "headers"),
    [
        ("", {"origin": ORIGIN}),
        ("x" * 43, {"origin": ORIGIN}),
        ("of another user", {"origin": ORIGIN}),
        ("ä", {"origin": ORIGIN}),
        ("own", {}),
        ("own", {"origin": "null"}),
        ("own", {"origin": "http://evil.example"}),
        ("own", {"origin": "http://localhost"}),
        ("own", {"origin": f"https://{HOST}"}),
        ("own", {"origin": f"{ORIGIN}.evil.example"}),
        ("own", {"sec-fetch-site": "cross-site"}),
        ("own", {"origin": ORIGIN, "sec-fetch-site": "cross-site"}),
        ("own", {"origin": ORIGIN, "sec-fetch-site": "same-site"}),
    ],
)
def test_security_a_form_that_is_not_ours_changes_nothing(
    browser: Browser, token: str, headers: dict[str, str]
) -> None:
    other = Browser(browser.store).become("lead")
    browser.become("admin")
    given = {"own": browser.csrf, "of another user": other.csrf}.get(token, token)
    before = len(rows_of_trail(browser.store))
    answer = browser.client.post(
        "/people", data={"csrf": given, "name": "eve", "role": "admin"}, headers=headers
    )
    assert answer.status_code == 403
    assert len(rows_of_trail(browser.store)) == before


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": ORIGIN},
        {"origin": "null", "sec-fetch-site": "same-origin"},
        {"sec-fetch-site": "same-origin"},
    ],
)
def test_security_a_form_of_our_own_does_what_it_says(browser: Browser, headers: dict[str, str]) -> None:
    browser.become("admin")
    fields = {"csrf": browser.csrf, "name": "eve", "role": "coder"}
    assert browser.client.post("/people", data=fields, headers=headers).status_code == 200
    assert rows_of_trail(browser.store)[-1].about == "user eve"


def test_security_signing_in_for_somebody_else_is_refused(browser: Browser) -> None:
    fields = {"name": "coder", "password": PASSWORD}
    headers = {"origin": "http://evil.example"}
    assert browser.client.post("/sign-in", data=fields, headers=headers).status_code == 403


# -- what every answer has, and what is not answered -------------------------------


def test_security_headers_are_on_every_answer(browser: Browser) -> None:
    wrong_host = browser.client.get("/sign-in", headers={"host": "evil.example"})
    too_large = browser.client.post("/sign-in", content=b"x" * (LARGEST + 1), headers={"origin": ORIGIN})
    answers = [
        wrong_host,
        too_large,
        browser.get("/sign-in"),
        browser.get("/nothing"),
        browser.get("/queue"),
        browser.client.post("/sign-in", headers={"origin": "http://evil.example"}),
        browser.client.delete("/queue"),
        browser.get("/static/worklist.css"),
        browser.get("/static/../app.py"),
        browser.become("lead").get("/queue"),
    ]
    assert [one.status_code for one in answers] == [400, 413, 200, 404, 303, 403, 405, 200, 404, 200]
    for answer in answers:
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; style-src 'self'; script-src 'self';")
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "same-origin"
        assert answer.headers["cache-control"] == "no-store"
        assert "strict-transport-security" not in answer.headers


def test_security_pages_need_nothing_from_outside_and_no_inline_code(
    browser: Browser, notes: list[str]
) -> None:
    browser.become("lead")
    for path in ("/queue", "/trail", "/settings", "/account", "/trail/verify"):
        page = browser.get(path).text
        assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:|<script(?! src=\"/static/)", page)
        assert not re.findall(r"(?:src|href|action)=\"(?!/)[^\"]*", page.replace('href="#main"', ""))


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8765", "localhost.evil.example", "127.0.0.1.nip.io", ""]
)
def test_security_another_host_is_not_answered(browser: Browser, host: str) -> None:
    answer = browser.client.get("/sign-in", headers={"host": host})
    assert answer.status_code == 400
    assert "password" not in answer.text


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:1", "127.0.0.1:8765", "[::1]:8765", "LOCALHOST:8765"]
)
def test_security_this_machine_is_answered(browser: Browser, host: str) -> None:
    assert browser.client.get("/sign-in", headers={"host": host}).status_code == 200


def test_security_behind_a_proxy_its_address_alone_counts(store: Store, people_of: dict[Role, User]) -> None:
    browser = Browser(store, Place(public="https://worklist.example.org"))
    browser.become("admin")
    assert browser.get("/people").status_code == 200
    answer = browser.post("/looks", {"theme": "dark"})
    assert answer.status_code == 303
    assert "Secure" in answer.headers["set-cookie"]
    assert answer.headers["strict-transport-security"].startswith("max-age=")
    assert browser.place.cookie == "__Host-pvl"
    assert browser.post("/looks", {"theme": "dark"}, origin="http://worklist.example.org").status_code == 403
    assert browser.get("/people", host="other.example.org").status_code == 400


@pytest.mark.parametrize(
    ("place", "where"),
    [
        ({"host": "0.0.0.0"}, "--host 0.0.0.0"),
        ({"host": "::"}, "--host ::"),
        ({"host": "worklist.example.org"}, "--host worklist.example.org"),
        ({"public": "http://worklist.example.org"}, "--behind-proxy"),
        ({"public": "worklist.example.org"}, "--behind-proxy"),
        ({"public": "https://worklist.example.org/pvl"}, "--behind-proxy"),
    ],
)
def test_security_an_unprotected_address_is_refused(place: dict[str, str], where: str) -> None:
    with pytest.raises(WorklistError) as caught:
        Place(**place)
    assert (caught.value.code, caught.value.where) == ("W012", where)


def test_security_too_much_is_refused_also_without_a_length(browser: Browser) -> None:
    def parts() -> Iterator[bytes]:
        for _ in range(LARGEST // 1024 + 2):
            yield b"x" * 1024

    browser.become("coder")
    headers = {"origin": ORIGIN, "content-type": "application/x-www-form-urlencoded"}
    assert browser.client.post("/views", content=parts(), headers=headers).status_code == 413


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (
            b"--x\r\nContent-Disposition: form-data; name=csrf\r\n\r\n1\r\n--x--\r\n",
            "multipart/form-data; boundary=x",
        ),
        (b'{"csrf": "x"}', "application/json"),
        (b"csrf=%00", "application/x-www-form-urlencoded"),
        (b"csrf=\xff", "application/x-www-form-urlencoded"),
        (b"a&" * 5000, "application/x-www-form-urlencoded"),
    ],
)
def test_security_what_is_no_form_is_refused(browser: Browser, content: bytes, kind: str) -> None:
    browser.become("coder")
    headers = {"origin": ORIGIN, "content-type": kind}
    assert browser.client.post("/views", content=content, headers=headers).status_code == 400


@pytest.mark.parametrize(
    "path",
    [
        "/queue?search=%00",
        "/queue?page=99999999999999999999&fewest=-1&since=0000-00-00&lane=x&sort=x",
        "/queue?page=999999999",
        "/queue?fewest=999999999",
        "/queue?search=%F0%9F&search=%ED%A0%80",
        "/queue?" + "search=x&" * 500,
        "/trail?entry=99999999999999999999&before=-1",
        "/trail?entry=2147483647&before=2147483647",
        "/trail?by=%27%20OR%201=1--",
        "/trail?action=%25",
    ],
)
def test_security_senseless_addresses_do_no_harm(browser: Browser, path: str, notes: list[str]) -> None:
    assert browser.become("lead").get(path).status_code in (200, 400)


@pytest.mark.parametrize("number", ["0", "-1", "x", "2147483648", "9" * 30, "1.5", "%00"])
def test_security_a_senseless_number_is_no_page(browser: Browser, number: str) -> None:
    assert browser.become("coder").post(f"/views/{number}/delete").status_code in (400, 404, 405)


# -- sessions ----------------------------------------------------------------------


def test_entrance_signs_in_and_out(store: Store, browser: Browser) -> None:
    once = people.reset(store, "test", "coder")
    answer = browser.post("/sign-in", {"name": " Coder ", "password": once, "next": "/queue?lane=review"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/queue?lane=review")
    cookie = answer.headers["set-cookie"]
    assert re.match(r"pvl=[\w-]{40,}; Path=/; HttpOnly; SameSite=Strict; Max-Age=43200$", cookie)
    wrong = {"old": once, "new": PASSWORD, "again": PASSWORD + "."}
    assert "not the same" in browser.post("/account", wrong).text
    assert "old password is wrong" in browser.post("/account", {**wrong, "old": "x", "again": PASSWORD}).text
    short = {"old": once, "new": "short", "again": "short"}
    assert "fewer than 12" in browser.post("/account", short).text
    before = browser.client.cookies["pvl"]
    changed = browser.post("/account", {"old": once, "new": PASSWORD, "again": PASSWORD})
    assert changed.headers["location"] == "/account"
    assert people.signed_in(store, before) is None  # whoever had this token is out
    assert "Your password is changed." in browser.get("/account").text
    assert "Your password is changed." not in browser.get("/account").text
    token = browser.client.cookies["pvl"]
    assert browser.post("/sign-out").headers["location"] == "/sign-in"
    assert "You are signed out." in browser.get("/sign-in").text
    browser.client.cookies.set("pvl", token)
    assert browser.get("/queue").headers["location"].startswith("/sign-in")


def test_entrance_a_new_sign_in_ends_the_old_one(store: Store, browser: Browser) -> None:
    once = people.reset(store, "test", "lead")
    old = browser.become("coder").client.cookies["pvl"]
    assert browser.post("/sign-in", {"name": "lead", "password": once}).status_code == 303
    assert people.signed_in(store, old) is None


def test_entrance_locks_out_after_five_failures(store: Store, browser: Browser, clock: Clock) -> None:
    once = people.reset(store, "test", "coder")
    answers = [browser.post("/sign-in", {"name": "coder", "password": "wrong"}) for _ in range(5)]
    assert {one.status_code for one in answers} == {403}
    assert browser.post("/sign-in", {"name": "coder", "password": once}).status_code == 403
    unknown = browser.post("/sign-in", {"name": "nobody", "password": "wrong"})
    assert unknown.text.replace("nobody", "coder") == answers[0].text
    clock.go_on(minutes=16)
    assert browser.post("/sign-in", {"name": "coder", "password": once}).status_code == 303


def test_entrance_many_passwords_at_once_hold_nobody_up(
    store: Store, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A password takes much memory, and anybody may send one."""
    at_once, most, go_on = 0, 0, threading.Event()
    lock = threading.Lock()

    def slow(*_: object) -> str:
        nonlocal at_once, most
        with lock:
            at_once += 1
            most = max(most, at_once)
        go_on.wait(30)
        with lock:
            at_once -= 1
        raise NotAllowed("W022", "sign-in", "wrong", "try again")

    async def flood() -> tuple[int, set[int]]:
        transport = httpx.ASGITransport(browser.app)
        async with httpx.AsyncClient(transport=transport, base_url=ORIGIN, timeout=60) as client:
            fields = {"name": "coder", "password": "wrong"}
            posts = [client.post("/sign-in", data=fields, headers={"origin": ORIGIN}) for _ in range(60)]
            waiting = asyncio.gather(*posts)
            await asyncio.sleep(0.5)
            try:
                page = await asyncio.wait_for(client.get("/sign-in"), 10)
            finally:
                go_on.set()
            return page.status_code, {answer.status_code for answer in await waiting}

    monkeypatch.setattr(people, "sign_in", slow)
    assert asyncio.run(flood()) == (200, {403})
    assert 1 < most <= 8


@pytest.mark.parametrize(
    ("wait", "clicks", "still"), [(29, 1, True), (31, 1, False), (29, 20, True), (29, 26, False)]
)
def test_entrance_sessions_end(browser: Browser, clock: Clock, wait: int, clicks: int, still: bool) -> None:
    browser.become("coder")
    for _ in range(clicks):
        clock.go_on(minutes=wait)
        answer = browser.get("/queue")
    assert (answer.status_code == 200) is still


def test_entrance_sessions_end_as_it_is_set(store: Store, browser: Browser, clock: Clock) -> None:
    Browser(store).become("admin").post("/settings", {**SETTINGS, "idle_minutes": "5"})
    browser.become("coder")
    clock.go_on(minutes=6)
    assert browser.get("/queue").status_code == 303
    browser.become("coder")
    assert browser.post("/queue/next", {"csrf": "x"}).status_code == 403


def test_entrance_a_disabled_user_is_out_at_once(browser: Browser) -> None:
    browser.become("coder")
    people.disable(browser.store, "test", "coder")
    assert browser.get("/queue").status_code == 303


@pytest.mark.parametrize(
    "way",
    [
        "//evil.example",
        "https://evil.example",
        "/\\evil.example",
        "/\t/evil.example",
        "queue",
        "/" + "a" * 3000,
    ],
)
def test_entrance_leads_nowhere_else(browser: Browser, way: str) -> None:
    assert browser.post("/looks", {"theme": "dark", "next": way}).headers["location"] == "/"
    browser.become("coder")
    assert browser.client.get("/sign-in", params={"next": way}).headers["location"] == "/"


def test_entrance_comes_back_to_where_it_was_asked(browser: Browser) -> None:
    location = browser.get("/queue?lane=review&search=a%26b").headers["location"]
    way = re.search(r'name="next" value="([^"]*)"', browser.get(location).text)
    assert way is not None
    assert way[1] == "/queue?lane=review&amp;search=a%26b"


def test_entrance_keeps_the_looks(browser: Browser) -> None:
    assert 'data-theme="auto" data-keys="on"' in browser.get("/sign-in").text
    browser.post("/looks", {"theme": "dark", "keys": "off"})
    assert 'data-theme="dark" data-keys="off"' in browser.get("/sign-in").text
    browser.post("/looks", {"theme": '"><script>', "keys": "x"})
    assert 'data-theme="dark" data-keys="off"' in browser.get("/sign-in").text
    browser.client.cookies.set("pvl_theme", "x\"'><script>")
    assert 'data-theme="auto"' in Browser(browser.store).get("/sign-in", cookie="pvl_theme=%22x").text


def test_entrance_a_browser_keeps_style_and_script(browser: Browser) -> None:
    address = re.search(r'href="(/static/worklist.css\?v=\w+)"', browser.get("/sign-in").text)
    assert address is not None
    answer = browser.get(address[1])
    assert answer.headers["content-type"] == "text/css; charset=utf-8"
    assert "immutable" in answer.headers["cache-control"]


# -- signing in by a proxy ---------------------------------------------------------

HEADER = "X-Remote-User"


def by_proxy(store: Store, address: str, role: Role = Role.coder) -> Browser:
    proxy = Proxy.of(HEADER, ["10.1.0.0/24", "::1"], role)
    return Browser(store, Place(proxy=proxy), address)


def test_proxy_names_the_user(store: Store) -> None:
    browser = by_proxy(store, "10.1.0.7", Role.auditor)
    assert "new.user" in browser.get("/queue", **{HEADER: "New.User"}).text
    with store.reading() as session:
        user = session.scalars(select(User)).one()
    assert (user.name, user.role, user.password_hash) == ("new.user", Role.auditor, None)
    assert [row.action for row in rows_of_trail(store)] == ["user added", "sign in by proxy"]
    browser.get("/queue", **{HEADER: "New.User"})
    assert len(rows_of_trail(store)) == 2


@pytest.mark.parametrize("address", ["10.2.0.7", "127.0.0.1", "::2", "testclient", "::ffff:10.2.0.7"])
def test_proxy_header_from_elsewhere_is_nothing(store: Store, address: str) -> None:
    browser = by_proxy(store, address)
    assert browser.get("/queue", **{HEADER: "eve", "x-forwarded-for": "10.1.0.7"}).status_code == 303
    assert rows_of_trail(store) == []


def test_proxy_header_counts_only_where_there_is_a_proxy(browser: Browser) -> None:
    assert browser.get("/queue", **{HEADER: "admin"}).status_code == 303


def test_proxy_who_is_named_now_counts(store: Store) -> None:
    browser = by_proxy(store, "::1")
    assert ">ada<" in browser.get("/account", **{HEADER: "ada"}).text
    assert ">ben<" in browser.get("/account", **{HEADER: "ben"}).text
    assert browser.get("/account").status_code == 303
    people.disable(store, "test", "ben")
    assert browser.get("/account", **{HEADER: "ben"}).status_code == 403


def test_proxy_user_needs_no_new_password(store: Store) -> None:
    people.add(store, "test", "ada", Role.coder)  # with a one-time password
    assert by_proxy(store, "10.1.0.7").get("/queue", **{HEADER: "ada"}).status_code == 200


def test_proxy_two_names_are_refused(store: Store) -> None:
    browser = by_proxy(store, "10.1.0.7")
    answer = browser.client.get("/queue", headers=[(HEADER, "ada"), (HEADER, "admin")])
    assert answer.status_code == 400
    assert rows_of_trail(store) == []


@pytest.mark.parametrize("name", ["system", "a b", "<script>", "x" * 100])
def test_proxy_senseless_names_are_refused(store: Store, name: str) -> None:
    answer = by_proxy(store, "10.1.0.7").get("/queue", **{HEADER: name})
    assert answer.status_code == 403
    assert rows_of_trail(store) == []


# -- hostile input -----------------------------------------------------------------


def harmless(page: str) -> bool:
    inside = page.partition("<body")[2].rpartition('<script src="/static/')[0]
    # Values go back as they came; what is read is made visible.
    return "<script" not in inside and not set("\u202e\u2066") & set(re.sub(r"<[^>]*>", "", page))


def test_queue_shows_hostile_notes_as_they_are(store: Store, browser: Browser, told_coder: ToldCoder) -> None:
    body = told_coder.tell(f"Operator: {HOSTILE}", "review", {"93590": 1})
    label = Label(HOSTILE, HOSTILE)
    file_notes(store, [Note(HOSTILE, body), Note("z" * 512, body)], told_coder, by=HOSTILE[:20], label=label)
    other = told_coder.tell("other", "review", {"93590": 1})
    file_notes(store, [Note("other", other)], told_coder, by="system", label=Label("other", "other"))
    browser.become("lead")
    page = browser.get("/queue").text
    assert harmless(page)
    assert "&lt;script&gt;alert" in page
    found = browser.client.get("/queue", params={"search": HOSTILE, "site": HOSTILE, "style": HOSTILE})
    assert harmless(found.text)
    assert "All 1 " in text_of(found)
    assert harmless(browser.get("/trail").text)
    assert harmless(browser.client.get("/trail", params={"by": HOSTILE, "action": HOSTILE}).text)


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/views", "name"), ("/views", "search"), ("/views", "operator"), ("/people", "name"),
        ("/people", "role"), ("/settings", "more_codes"), ("/settings", "idle_minutes"),
        ("/settings", "blind_share"),
        ("/sign-in", "name"), ("/sign-in", "password"), ("/sign-in", "next"), ("/account", "old"),
        ("/account", "new"), ("/looks", "theme"), ("/looks", "next"), ("/queue/next", "search"),
    ],
)  # fmt: skip
def test_pages_show_hostile_fields_as_they_are(browser: Browser, path: str, field: str) -> None:
    role = {"/people": "admin", "/settings": "lead"}.get(path, "coder")
    browser.become(role)
    answer = browser.post(path, {"name": "a view", "role": "coder", **SETTINGS, field: HOSTILE})
    assert answer.status_code in (200, 303, 400, 403)
    assert harmless(answer.text)
    if answer.status_code == 303 and path != "/sign-in":
        assert answer.headers["location"].startswith("/")
        assert harmless(browser.get(answer.headers["location"]).text)


def test_pages_a_forged_flash_says_nothing_of_its_own(browser: Browser) -> None:
    browser.become("coder")
    forged = f"pvl={browser.client.cookies['pvl']}; pvl_said=%3Cscript%3E%7C%3Cscript%3E"
    page = browser.get("/account", cookie=forged).text
    assert harmless(page)
    assert 'class="flash"' not in page


# -- what fails --------------------------------------------------------------------


def test_security_what_fails_tells_nothing_of_a_note(
    browser: Browser, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, notes: list[str]
) -> None:
    def fail(*_: object) -> None:
        raise ValueError(f"cannot read {SECRET}")

    caplog.set_level(logging.DEBUG, "pvl.worklist")
    browser.become("coder")
    monkeypatch.setattr(queue_pages, "rows", fail)
    answer = browser.get(f"/queue?search={SECRET}")
    assert answer.status_code == 500
    assert "Testperson" not in answer.text
    said = [record.getMessage() for record in caplog.records if record.name == "pvl.worklist"]
    assert len(said) == 2
    assert said[0].startswith("GET /queue failed: ValueError in fail:")
    assert re.fullmatch(r"GET /queue 500 \d+ ms", said[1])
    assert all(record.exc_info is None for record in caplog.records if record.name == "pvl.worklist")


def test_security_a_browser_that_goes_away_is_no_failure(
    browser: Browser, caplog: pytest.LogCaptureFixture
) -> None:
    async def gone() -> dict[str, str]:
        return {"type": "http.disconnect"}

    async def nobody(message: Any) -> None:
        raise AssertionError(message)

    headers = [(b"host", HOST.encode()), (b"origin", ORIGIN.encode())]
    asked = {"type": "http", "method": "POST", "path": "/sign-in", "query_string": b"", "headers": headers}
    asyncio.run(browser.app(asked, gone, nobody))
    assert caplog.records == []


def test_security_a_log_names_pages_and_not_what_they_show(
    browser: Browser, caplog: pytest.LogCaptureFixture, notes: list[str]
) -> None:
    caplog.set_level(logging.DEBUG, "pvl.worklist")
    browser.become("coder")
    browser.get("/queue?search=note-1")
    browser.post("/views", {"name": "note-1", "search": "note-1"})
    browser.get("/note-1")
    said = [record.getMessage() for record in caplog.records if record.name == "pvl.worklist"]
    assert [re.sub(r"\d+ ms", "", one).strip() for one in said] == [
        "GET /queue 200", "POST /views 303", "GET (no page) 404",
    ]  # fmt: skip


def test_security_a_database_that_fails_is_told_without_its_words(
    browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(session: Any, *_: object) -> None:
        session.execute(text("SELECT secret_words FROM nowhere"))

    browser.become("coder")
    monkeypatch.setattr(queue_pages, "rows", fail)
    answer = browser.get("/queue")
    assert answer.status_code == 503
    assert "secret_words" not in answer.text
    assert "(W004)" in answer.text
    assert browser.store.place not in answer.text


# -- the queue ---------------------------------------------------------------------


def test_queue_shows_lanes_and_rows(browser: Browser, notes: list[str]) -> None:
    answer = browser.become("coder").get("/queue?lane=review")
    said = text_of(answer)
    assert "Ready 2 Ready with claim edits 0 Review 3 Query open 0 Done 0 All 5" in said
    assert re.findall(r"<bdi>(note-\d)</bdi>", answer.text) == ["note-2", "note-3", "note-4"]
    assert "device count conflict" in said
    assert SECRET not in answer.text
    assert browser.get("/").headers["location"] == "/queue"


def test_queue_filters_sorts_and_goes_through_pages(browser: Browser, notes: list[str]) -> None:
    browser.become("auditor")

    def shown(query: str) -> list[str]:
        return re.findall(r"<bdi>(note-\d)</bdi>", browser.get(f"/queue?{query}").text)

    assert shown("search=NOTE-3") == ["note-3"]
    assert shown("fewest=4") == ["note-3", "note-4"]
    assert shown("reason=device_count_conflict&most=3") == ["note-2"]
    assert shown("sort=doubt&lane=review") == ["note-4", "note-3", "note-2"]
    assert shown("size=2&page=2") == ["note-2", "note-3"]
    page = browser.get("/queue?size=2&page=2").text
    assert 'href="/queue?page=3&amp;size=2" rel="next"' in page
    assert 'href="/queue?size=2" rel="prev"' in page
    assert "No note here by these filters" in browser.get("/queue?site=South").text


def test_queue_hands_out_notes_with_their_filters(store: Store, browser: Browser, notes: list[str]) -> None:
    other = Browser(store).become("lead")
    browser.become("coder")
    first = browser.post("/queue/next", {"lane": "ready", "search": "note", "page": "3"}).headers["location"]
    second = other.post("/queue/next", {"lane": "ready"}).headers["location"]
    taken = [re.fullmatch(r"/notes/(\d+)\?lane=ready(&search=note)?", way) for way in (first, second)]
    assert all(taken)
    numbers = [int(one[1]) for one in taken if one]
    with store.reading() as session:
        found = {session.get_one(Entry, number).note_id for number in numbers}
    assert found == {"note-0", "note-1"}
    assert "open: coder" in text_of(other.get("/queue"))


def test_queue_says_when_nothing_waits(browser: Browser, notes: list[str]) -> None:
    browser.become("coder")
    answer = browser.post("/queue/next", {"lane": "edits"})
    assert answer.headers["location"] == "/queue?lane=edits"
    assert "Nothing waits here for you now." in browser.get("/queue?lane=edits").text


def test_queue_an_auditor_takes_no_note(browser: Browser, notes: list[str]) -> None:
    assert "Next note" not in browser.become("auditor").get("/queue").text


def test_queue_keeps_views(store: Store, browser: Browser, notes: list[str]) -> None:
    browser.become("coder")
    fields = {"name": " large   ones ", "lane": "review", "fewest": "3", "page": "2"}
    assert browser.post("/views", fields).headers["location"] == "/queue?lane=review&fewest=3"
    page = browser.get("/queue").text
    assert "The view is saved." in page
    assert '<a href="/queue?lane=review&amp;fewest=3"><bdi>large ones</bdi></a>' in page
    browser.post("/views", {**fields, "fewest": "4", "name": "large ones"})
    assert browser.get("/queue").text.count("<bdi>large ones</bdi>") == 1
    number = re.search(r"/views/(\d+)/delete", browser.get("/queue").text)
    assert number is not None
    other = Browser(store).become("lead")
    assert "large ones" not in other.get("/queue").text
    assert other.post(f"/views/{number[1]}/delete").status_code == 404
    assert browser.post(f"/views/{number[1]}/delete").status_code == 303
    assert "<bdi>large ones</bdi>" not in browser.get("/queue").text
    assert [row.action for row in rows_of_trail(store)][-3:] == [
        "view saved",
        "sign in by proxy",
        "view deleted",
    ]


@pytest.mark.parametrize("name", ["", "   ", "x" * 81])
def test_queue_a_view_needs_a_name(browser: Browser, name: str) -> None:
    answer = browser.become("coder").post("/views", {"name": name})
    assert answer.status_code == 400
    assert "(W013)" in answer.text


# -- people, settings, trail -------------------------------------------------------

SETTINGS = {
    "second_check_share": "5", "blind_share": "0", "lease_minutes": "15", "idle_minutes": "30",
    "keep_text": "yes", "more_codes": "",
}  # fmt: skip


def test_people_adds_resets_and_disables(store: Store, browser: Browser) -> None:
    browser.become("admin")
    added = browser.post("/people", {"name": "Eve", "role": "coder"})
    once = re.search(r'class="secret">([\w-]+)<', added.text)
    assert once is not None
    assert once[1] not in browser.get("/people").text
    assert people.sign_in(store, "eve", once[1])
    number = max(int(one) for one in re.findall(r"/people/(\d+)/role", added.text))
    assert browser.post(f"/people/{number}/role", {"role": "lead"}).status_code == 303
    again = browser.post(f"/people/{number}/reset")
    assert once[1] not in again.text
    assert 'class="secret"' in again.text
    assert browser.post(f"/people/{number}/disable").status_code == 303
    assert "disabled" in browser.get("/people").text
    assert browser.post(f"/people/{number}/enable").status_code == 303
    said = [
        (row.by, row.action) for row in rows_of_trail(store) if row.about == "user eve" and row.by == "admin"
    ]
    assert [action for _, action in said] == [
        "user added", "role", "password reset", "user disabled", "user enabled",
    ]  # fmt: skip


def test_people_says_what_does_not_do(store: Store, browser: Browser) -> None:
    browser.become("admin")
    assert "There is a user of this name" in browser.post("/people", {"name": "lead", "role": "coder"}).text
    assert "no name for a user" in browser.post("/people", {"name": "a b", "role": "coder"}).text
    assert browser.post("/people", {"name": "eve", "role": "king"}).status_code == 400
    assert browser.post("/people/999/reset").status_code == 404
    with store.reading() as session:
        number = session.scalars(select(User.id).where(User.name == "admin")).one()
    assert "last admin" in browser.post(f"/people/{number}/disable").text


def test_settings_are_shown_and_kept(store: Store, browser: Browser) -> None:
    browser.become("lead")
    changed = {**SETTINGS, "second_check_share": "12,5", "more_codes": "93799, 33999", "lease_minutes": "20"}
    del changed["keep_text"]
    assert browser.post("/settings", changed).headers["location"] == "/settings"
    page = browser.get("/settings").text
    assert 'value="12.5"' in page
    assert 'value="93799 33999"' in page
    assert "checked" not in page
    row = rows_of_trail(store)[-1]
    assert (row.by, row.action) == ("lead", "settings")
    assert ("second_check_share", "0.05", "0.125") in changes(row.before, row.after)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("second_check_share", "101"), ("blind_share", "-1"), ("blind_share", "nan"), ("lease_minutes", "0"),
        ("idle_minutes", "x"), ("idle_minutes", "9" * 400), ("more_codes", "DROP TABLE"),
    ],
)  # fmt: skip
def test_settings_refuse_what_does_not_fit(browser: Browser, name: str, value: str) -> None:
    answer = browser.become("lead").post("/settings", {**SETTINGS, name: value})
    assert answer.status_code == 400
    assert re.search(rf'id="{name}"[^>]*aria-invalid="true"', answer.text)
    assert 'role="alert"' in answer.text


def test_trail_shows_what_happened(store: Store, browser: Browser, notes: list[str]) -> None:
    page = browser.become("auditor").get("/trail").text
    assert "sign in by proxy" in page
    assert SECRET not in page
    with store.reading() as session:
        entry = session.scalars(select(Entry).where(Entry.note_id == "note-3")).one()
    one = browser.get(f"/trail?entry={entry.id}").text
    assert "note-3" in one or f"entry {entry.id}" in one
    assert one.count("<tr>") == 2
    assert "sign in" not in re.sub(r"<select.*?</select>", "", one, flags=re.S)
    assert browser.get("/trail?by=nobody").text.count("<tr>") == 0
    assert browser.get("/trail?action=file").text.count("<tr>") == 6


def test_trail_an_admin_sees_no_note_ids(browser: Browser, notes: list[str]) -> None:
    assert "note-3" not in browser.become("admin").get("/trail").text


def test_trail_goes_back_page_by_page(store: Store, browser: Browser) -> None:
    from extractor.worklist.trail import Happening, record

    with store.writing() as session:
        record(session, *(Happening(store.clock(), "test", f"act {n % 7}") for n in range(250)))
    browser.become("auditor")
    numbers: list[str] = []
    way: str | None = "/trail"
    while way:
        page = browser.get(way).text
        numbers += re.findall(r'<td class="number">(\d+)</td>', page)
        further = re.search(r'href="(/trail\?before=\d+)"', page)
        way = further and further[1]
    assert numbers == [str(n) for n in range(255, 0, -1)]
    assert Asked.from_query({"before": "5"}).to_query() == {"before": "5"}


def test_trail_verifies_the_chain(store: Store, browser: Browser, notes: list[str]) -> None:
    browser.become("auditor")
    assert "The trail is whole" in browser.get("/trail/verify").text
    postgres = store.engine.dialect.name == "postgresql"
    guard = "trail_is_only_added ON trail" if postgres else "trail_refuses_update"
    with store.writing() as session:
        session.execute(text(f"DROP TRIGGER {guard}"))
        session.execute(text("UPDATE trail SET reason = 'x' WHERE id = 2"))
    page = browser.get("/trail/verify").text
    assert "The trail was changed" in page
    assert "Row 2" in page


def test_trail_verifies_what_is_beside_it(store: Store, browser: Browser, notes: list[str]) -> None:
    with store.writing() as session:
        session.execute(text("UPDATE revisions SET text = 'x' WHERE id = 1"))
    assert "revision 1 was changed" in browser.become("auditor").get("/trail/verify").text


# -- the commands ------------------------------------------------------------------


def test_serve_refuses_what_is_not_safe(tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path / 'worklist.db'}"
    for arguments, said in (
        (["--host", "0.0.0.0"], "[W012] --host 0.0.0.0"),
        (["--behind-proxy", "http://x.example"], "[W012] --behind-proxy"),
        (["--proxy-user-header", "X-Remote-User"], "[W012] --proxy-user-header"),
        (["--proxy-user-header", "X", "--trusted-proxy", "here"], "[W012] --trusted-proxy"),
    ):
        result = CliRunner().invoke(pvl, ["worklist", "serve", "--database", database, *arguments])
        assert result.exit_code == 1
        assert said in result.output
    assert not (tmp_path / "worklist.db").exists()


def test_serve_sends_the_end_of_a_page_at_once() -> None:
    with (
        closing(_socket("127.0.0.1", 0)) as listening,
        closing(socket.create_connection(listening.getsockname())),
        closing(listening.accept()[0]) as connection,
    ):
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0


def test_serve_makes_templates_ready_before_a_page_is_asked_for(store: Store) -> None:
    app = make_app(store)
    templates = app.state.house.templates
    with TestClient(app):
        known = templates.list_templates()
        assert "note.html" in known
        assert len(templates.cache) == len(known)


def test_serve_serves_until_it_is_stopped(tmp_path: Path) -> None:
    database = tmp_path / "worklist.db"
    # uvicorn prefers this library where it is installed; it takes headers of any length.
    (tmp_path / "httptools.py").write_text("")
    code = "import sys; from extractor.cli import app; app(sys.argv[1:])"
    command = [sys.executable, "-u", "-c", code, "worklist", "serve", "--port", "0"]
    process = subprocess.Popen(
        [*command, "--database", f"sqlite:///{database}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": f"{Path(__file__).parent.parent}{os.pathsep}{tmp_path}"},
    )
    try:
        assert process.stdout is not None
        first, second = process.stdout.readline(), process.stdout.readline()
        assert re.match(r"The first user is admin, with the one-time password [\w-]{20}$", first)
        address = re.search(r"http://127\.0\.0\.1:\d+", second)
        assert address is not None
        with urlopen(f"{address[0]}/sign-in?next=/queue%3Fsearch%3Dnote-1", timeout=20) as page:
            assert page.headers["server"] is None
            assert b"Password" in page.read()
    finally:
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=20)
    assert process.returncode == 0
    assert re.search(r"INFO GET /sign-in 200 \d+ ms\n", log)
    assert "note-1" not in log
    assert database.stat().st_mode & 0o077 == 0


def test_demo_shows_every_lane_and_what_was_decided(
    tmp_path: Path, coder: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    from extractor.cli import worklist_demo

    monkeypatch.setattr("extractor.cli.suggesting.make_coder", lambda: coder)
    store = Store(f"sqlite:///{tmp_path / 'worklist.db'}")
    number, password = worklist_demo.fill(store)
    assert number > 60
    browser = Browser(store)
    assert browser.post("/sign-in", {"name": "lead", "password": password}).headers["location"] == "/"
    said = text_of(browser.get("/queue"))
    lanes = ("Ready", "Ready with claim edits", "Review", "Query open", "Done")
    assert all(re.search(rf"{lane} [1-9]\d*\b", said) for lane in lanes)
    for word in ("reopened", "two coders differ", "put off", "Counts that differ"):
        assert word in said
    learned = text_of(browser.get("/learn"))
    for reason in ("missed device", "documentation elsewhere", "wrong valve", "modifier"):
        assert reason in learned
    exports = text_of(browser.get("/exports"))
    assert re.search(r"Waiting for export [1-9]\d* decided notes", exports)
    assert "SHA-256" in exports
    with store.reading() as session:
        assert verify(session).wrong is None
        assert [*verify_seals(session)] == []
        assert all(entry.created_at <= store.clock() for entry in session.scalars(select(Entry)))
    store.close()


def test_demo_has_its_notes_in_the_wheel_too() -> None:
    from extractor.cli import worklist_demo

    root = Path(__file__).parent.parent
    project = tomllib.loads((root / "pyproject.toml").read_text())
    packed = project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    for path in worklist_demo.samples():
        inside = path.relative_to(root)
        assert any(packed.get(str(one)) == f"extractor/{one}" for one in (inside, *inside.parents)), inside
