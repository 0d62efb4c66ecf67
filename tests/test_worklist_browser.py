"""The worklist in a real browser: by keyboard, by two coders at once, in the dark, and checked by axe."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from extractor.readers import Note
from extractor.worklist import asking, people, settings
from extractor.worklist.database import Store
from extractor.worklist.decisions import Coded, decide, lines_of
from extractor.worklist.filing import file_notes
from extractor.worklist.models import Decision, Entry, FiledQuery, Kind, Lane, QueryState, Role, User
from extractor.worklist.trail import Happening, record, sealed, verify, verify_seals
from extractor.worklist.web.app import make_app
from tests.conftest import suggest
from tests.worklist_store import ToldCoder

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")

ARGUMENTS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
PASSWORD = "sheath and wire rail"
WIDE, TABLET = {"width": 1280, "height": 800}, {"width": 820, "height": 1180}
TEXT = "Mitral leak.\nA first plug and a second plug were released.\nThree plugs in all."
HOSTILE = (
    '<script>document.title = "stolen"</script><img src=x onerror="document.title=1">'
    " \u202egnp.exe\u202c </pre><h1>no</h1> {{ 7*7 }} =HYPERLINK(1)\r\n\x1b[31m"
)


class House:
    """A worklist that is served, and the people who work on it."""

    def __init__(self, store: Store, address: str) -> None:
        self.store, self.address = store, address
        self.coder = ToldCoder(suggest)
        for name, role in {
            "ada": Role.coder, "bob": Role.coder, "ruth": Role.lead, "eve": Role.auditor, "max": Role.admin,
        }.items():  # fmt: skip
            given = people.add(store, "command line", name, role)
            people.change_password(store, self.user(name), given, PASSWORD)

    def empty(self) -> None:
        """Everything decided, so that the next test sees its own notes alone."""
        settings.write(self.store, "command line", second_check_share=0.0, blind_share=0.0)
        with self.store.writing() as session:
            for entry in session.scalars(select(Entry).where(Entry.lane != Lane.none)):
                entry.lane = Lane.none
                entry.exported_at = entry.exported_at or self.store.clock()
                record(
                    session, Happening(self.store.clock(), "test", "emptied", entry.id, after=sealed(entry))
                )

    def file(self, *note_ids: str, text: str = TEXT) -> None:
        notes = [Note(one, self.coder.tell(f"{one}. {text}", **told(f"{one}. {text}"))) for one in note_ids]
        file_notes(self.store, notes, self.coder, by="import")

    def entry(self, note_id: str) -> Entry:
        with self.store.reading() as session:
            return session.scalars(select(Entry).where(Entry.note_id == note_id)).one()

    def decide(self, *note_ids: str, units: int = 1) -> None:
        """Decide as ada: what is suggested, unless it is more units of the second code."""
        for note_id in note_ids:
            entry = self.entry(note_id)
            lines = [Coded("93590", 1), Coded("93592", units)]
            same = units == 1
            kind, reason = (Kind.accept, "") if same else (Kind.change, "missed_device")
            decide(self.store, self.user("ada"), entry.id, entry.version, kind, lines, None, reason)

    def ask(self, note_id: str) -> None:
        """Send a query about a note, and draft another one."""
        ada = self.user("ada")
        for _ in range(2):
            query = asking.draft(
                self.store,
                ada,
                self.entry(note_id).id,
                self.entry(note_id).version,
                asking.OWN,
                "Which plug?",
            )
        asking.send(self.store, ada, query.id, self.entry(note_id).version)

    def user(self, name: str) -> User:
        with self.store.reading() as session:
            return next(one for one in people.users(session) if one.name == name)

    def decisions(self, *note_ids: str) -> list[Decision]:
        with self.store.reading() as session:
            assert verify(session).wrong is None
            assert [*verify_seals(session)] == []
            found = select(Decision).join(Entry, Entry.id == Decision.entry_id)
            return list(session.scalars(found.where(Entry.note_id.in_(note_ids)).order_by(Decision.id)))


def told(text: str) -> dict[str, Any]:
    """A suggestion of two devices, where the text tells of them; else of one."""

    def words(wanted: str, rule: str) -> list[dict[str, Any]]:
        start = text.find(wanted)
        span = {"start": start, "end": start + len(wanted), "text": wanted, "section": "body", "rule": rule}
        return [span] if start >= 0 else []

    device = {"valve": "mitral", "product": "AVP II", "size": "12 mm", "outcome": "implanted"}
    first, second = words("first plug", "device.plug"), words("second plug", "device.plug")
    return {
        "status": "review",
        "lines": [
            {"code": "93590", "units": 1, "low": 1, "high": 1, "role": "initial device", "devices": [1]},
            {"code": "93592", "units": 1, "low": 1, "high": 2, "role": "additional device", "devices": [2]},
        ],
        "devices": [{**device, "number": 1, "evidence": first}, {**device, "number": 2, "evidence": second}],
        "reasons": [
            {
                "code": "device_count_conflict",
                "message": "Two, and three.",
                "evidence": words("Three plugs", "count"),
            }
        ],
        "queries": [{"reason": "device_count_conflict", "text": "Which plugs remained implanted?"}],
        "proof": {
            "statement": "2 devices left in", "rule": "count.reconcile", "evidence": [],
            "children": [{"statement": "device 1", "rule": "action.release", "evidence": first}],
        },
    }  # fmt: skip


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    import uvicorn

    folder: Path = tmp_path_factory.mktemp("worklist")
    store = Store(f"sqlite:///{folder / 'worklist.db'}")
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    server = uvicorn.Server(uvicorn.Config(make_app(store, recent=0), log_level="warning", lifespan="off"))
    serving = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    serving.start()
    yield House(store, address)
    server.should_exit = True
    serving.join(5)
    listener.close()
    store.close()


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    with playwright.sync_playwright() as started:
        launched = started.chromium.launch(executable_path=chromium, args=list(ARGUMENTS))
        yield launched
        launched.close()


@pytest.fixture
def people_at(house: House, browser: Browser) -> Iterator[Any]:
    """Gives a page of a browser of its own in which somebody is signed in, or nobody."""
    house.empty()
    opened: list[BrowserContext] = []
    wrong: list[str] = []

    def sign_in(name: str, **looks: Any) -> Page:
        context = browser.new_context(**{"viewport": WIDE, **looks})
        opened.append(context)
        page = context.new_page()
        page.set_default_timeout(8_000)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        # What the policy of the pages stops is told on the console.
        page.on("console", lambda said: wrong.append(said.text) if "Policy" in said.text else None)
        if not name:
            return page
        page.goto(f"{house.address}/sign-in")
        page.keyboard.press("Tab")
        page.locator("[name=name]").focus()
        page.keyboard.type(name)
        page.keyboard.press("Tab")
        page.keyboard.type(PASSWORD)
        page.keyboard.press("Enter")
        page.wait_for_url(lambda address: "/sign-in" not in address)
        return page

    yield sign_in
    for context in opened:
        context.close()
    assert wrong == []


def go(page: Page, key: str) -> None:
    """Press a key that leads to another page."""
    with page.expect_navigation():
        page.keyboard.press(key)


def accept(page: Page) -> None:
    """Accept, and once more where the note leaves a number open."""
    go(page, "a")
    assert "1 to 2: 1 would be claimed" in page.locator("[role=alert]").inner_text()
    go(page, "a")


def until(page: Page, true: str) -> None:
    """Wait until something is true; the policy of the pages forbids the browser's own way to wait."""
    ends = time.monotonic() + 8
    while not page.evaluate(true):
        assert time.monotonic() < ends, true
        page.wait_for_timeout(20)


def note_of(page: Page) -> str:
    return page.locator("main h1").inner_text()


def flaws(page: Page, *rules: str) -> list[str]:
    """What axe finds by these rules, or by all; of the size of targets it looks only when told."""
    options: dict[str, Any] = {"resultTypes": ["violations"], "rules": {"target-size": {"enabled": True}}}
    if rules:
        options["runOnly"] = list(rules)
    found = axe.Axe().run(page, options=options).response["violations"]
    return [f"{one['id']}: {one['nodes'][0]['html'][:200]}" for one in found]


def fits(page: Page) -> bool:
    """Whether the page is no wider than the window."""
    return bool(page.evaluate("document.documentElement.scrollWidth <= innerWidth"))


def test_browser_five_notes_by_keyboard_alone(house: House, people_at: Any) -> None:
    names = ["k1", "k2", "k3", "k4", "k5"]
    house.file(*names)
    page = people_at("ada")
    seen = []
    go(page, "n")
    for kind in ("accept", "change", "query", "reject", "undo"):
        seen.append(note_of(page))
        if kind in ("accept", "undo"):
            accept(page)
        elif kind == "change":
            page.keyboard.press("c")
            until(page, "document.activeElement.name === 'units0'")
            page.locator("[name=units1]").focus()
            page.keyboard.type("3")  # what is in the field of a line is not taken as a key
            page.locator("[name=units1]").fill("2")
            page.locator("details[open] [name=reason]").focus()
            page.keyboard.type("A device that was left in")
            go(page, "Control+Enter")
            assert "the lines say" in page.locator("[role=alert]").inner_text()
            page.locator("[name=anyway]").first.focus()
            page.keyboard.press("Space")
            go(page, "Control+Enter")
        elif kind == "query":
            page.keyboard.press("q")
            page.keyboard.press("Control+Home")
            page.keyboard.type("Please clarify. n a ")
            page.keyboard.press("Tab")
            assert page.evaluate("document.activeElement.textContent") == "Keep as sent"
            go(page, "Enter")
        else:
            page.keyboard.press("r")
            until(page, "document.activeElement.name === 'reason'")
            page.keyboard.type("It was done in another")
            go(page, "Control+Enter")
    assert "Nothing else waits here" in page.locator(".flash").inner_text()
    go(page, "u")
    assert note_of(page) == seen[4]
    assert seen == names
    kept = house.decisions(*names)
    assert [one.kind for one in kept] == [Kind.accept, Kind.change, Kind.reject, Kind.accept]
    assert [line.units for line in lines_of(kept[1])] == [1, 2]
    assert kept[1].reason == "missed_device"
    assert kept[3].undone_at is not None
    assert all(one.seconds is not None for one in kept)
    assert house.entry("k3").lane is Lane.query
    with house.store.reading() as session:
        query = session.scalars(select(FiledQuery)).one()
        assert query.state is QueryState.sent
        assert query.text.startswith("Please clarify. n a Which plugs")


def test_browser_evidence_by_keyboard_and_mouse(house: House, people_at: Any) -> None:
    house.file("e1")
    page = people_at("ada")
    go(page, "n")
    page.keyboard.press("j")
    assert page.evaluate("document.activeElement.textContent") == "first plug"
    assert page.locator("tr#d1.hit").count() == 1
    page.keyboard.press("j")
    assert page.evaluate("document.activeElement.dataset.n") == "2"
    page.keyboard.press("k")
    page.keyboard.press("Enter")  # from the words to what they prove, and back
    assert page.evaluate("document.activeElement.closest('#side') !== null")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.textContent") == "first plug"
    page.keyboard.press("2")
    assert page.evaluate("document.activeElement.textContent") == "second plug"
    page.locator("tr", has_text="93592 ×1").first.hover()
    assert page.locator("#note .hit").all_inner_texts() == ["second plug"]
    page.locator("#note mark", has_text="first plug").hover()
    assert page.locator("tr#d1.hit").count() == 1
    page.keyboard.press("?")
    assert page.locator("dialog[open]").count() == 1
    page.keyboard.press("a")  # a key of the list is only told there
    page.keyboard.press("Escape")
    assert note_of(page) == "e1"
    assert house.decisions("e1") == []


def test_browser_single_keys_can_be_turned_off(house: House, people_at: Any) -> None:
    house.file("o1")
    page = people_at("ada")
    page.goto(f"{house.address}/account")
    page.locator("[name=keys][value=off]").check()
    with page.expect_navigation():
        page.get_by_role("button", name="Save").click()
    page.goto(f"{house.address}/notes/{house.entry('o1').id}")
    for key in ("a", "r", "n", "j", "?"):
        page.keyboard.press(key)
    page.wait_for_timeout(200)
    assert page.locator("dialog[open], .hit, details[name=act][open]").count() == 0
    assert house.decisions("o1") == []


def test_browser_works_without_script(house: House, people_at: Any) -> None:
    house.file("w1", "w2")
    page = people_at("ada", java_script_enabled=False)
    page.get_by_role("button", name="Next note").click()
    page.locator("summary", has_text="Change").click()
    form = page.locator("form", has=page.locator("[name=kind][value=change]"))
    form.locator("[name=code1]").select_option("")
    form.locator("[name=reason]").select_option("device_not_left")
    form.locator("details summary").click()
    form.locator("[name=outcome2]").select_option("removed")
    form.get_by_role("button", name="Keep the change").click()
    assert note_of(page) == "w2"
    assert [(one.kind, one.outcomes) for one in house.decisions("w1")] == [
        (Kind.change, {"2": {"outcome": "removed", "valve": "mitral"}})
    ]
    page.get_by_role("button", name="Undo").click()
    assert note_of(page) == "w1"


def test_browser_blind_note_shows_nothing_until_it_is_coded(house: House, people_at: Any) -> None:
    house.file("b1")
    settings.write(house.store, "command line", blind_share=1.0)
    page = people_at("ada")
    go(page, "n")
    assert page.locator("mark, [data-e], .tree").count() == 0
    assert "93592 ×" not in page.content()
    assert flaws(page) == []
    page.locator("[name=code0]").focus()
    page.keyboard.type("93590")
    go(page, "Control+Enter")
    assert "The suggestion was 93590 ×1 + 93592 ×1" in page.locator(".flash").inner_text()
    assert page.locator("mark").count() == 3
    assert [one.blind for one in house.decisions("b1")] == [True]


def test_browser_two_coders_at_once_never_have_the_same_note(house: House, people_at: Any) -> None:
    names = [f"t{number}" for number in range(6)]
    house.file(*names)
    ada, bob = people_at("ada"), people_at("bob")
    go(ada, "n")
    go(bob, "n")
    seen = []
    for _ in range(3):
        pair = note_of(ada), note_of(bob)
        assert pair[0] != pair[1]
        seen += pair
        accept(ada)
        accept(bob)
    assert sorted(seen) == names
    assert len(house.decisions(*names)) == 6
    # One opens what the other one has open, and two tabs decide the same note.
    house.file("t7")
    where = f"{house.address}/notes/{house.entry('t7').id}"
    ada.goto(where)
    bob.goto(where)
    assert "ada works on this note" in bob.locator(".notice").inner_text()
    tab = ada.context.new_page()
    tab.goto(where)
    accept(ada)
    go(tab, "a")
    assert "somebody else changed it" in tab.locator(".problem").inner_text()
    assert len(house.decisions("t7")) == 1


def furnished(house: House, name: str) -> dict[str, list[str]]:
    """Notes in every state, and the pages that each user looks at."""
    house.file(*(f"{what}-{name}" for what in ("open", "asked", "done", "revised")))
    house.decide(f"done-{name}", f"revised-{name}")
    house.file(f"revised-{name}", text=f"{TEXT}\nAddendum: seen again.")
    house.ask(f"asked-{name}")
    at = {what: f"/notes/{house.entry(f'{what}-{name}').id}" for what in ("open", "asked", "done", "revised")}
    return {
        "": ["/sign-in"],
        "ada": ["/queue", "/queue?search=nothing", at["open"], at["asked"], at["done"], at["revised"]],
        "ruth": [
            at["open"],
            "/queue?everything=yes&site=north&fewest=1",
            "/learn",
            "/learn/notes",
            "/exports",
            "/trail",
            "/trail/verify",
            "/settings",
            "/account",
            "/notes/999999",
        ],
        "eve": [at["open"]],
        "max": ["/people"],
    }


def opened(page: Page) -> None:
    """Open all that can be folded open."""
    page.evaluate("document.querySelectorAll('details:not([name])').forEach((one) => { one.open = true })")
    if page.locator("details[name=act]").count():
        page.keyboard.press("c")
        until(page, "document.activeElement.name === 'units0'")
        page.keyboard.press("Escape")


def test_browser_pages_have_no_flaw_that_axe_finds(house: House, people_at: Any) -> None:
    """By day, and what may be another in the dark and on a tablet: contrast, the size of targets, width."""
    found: dict[str, list[str]] = {}
    for name, paths in furnished(house, "axe").items():
        page = people_at(name, color_scheme="light", reduced_motion="reduce")
        for path in paths:
            page.goto(house.address + path)
            opened(page)
            if name == "ada" and path == paths[-1]:
                page.keyboard.press("?")
            found[f"{name} {path}"] = flaws(page)
            assert fits(page), path
            page.emulate_media(color_scheme="dark")
            found[f"{name} {path} in the dark"] = flaws(page, "color-contrast")
            page.emulate_media(color_scheme="light")
            page.set_viewport_size(TABLET)
            found[f"{name} {path} on a tablet"] = flaws(page, "target-size", "scrollable-region-focusable")
            assert fits(page), path
            page.set_viewport_size(WIDE)
    assert {where: flaw for where, flaw in found.items() if flaw} == {}


def test_browser_pages_reflow_at_four_times_their_size(house: House, people_at: Any) -> None:
    """A window of 1280 pixels at 400 % is one of 320: nothing is to be scrolled in two directions."""
    wide = []
    for name, paths in furnished(house, "narrow").items():
        page = people_at(name, viewport={"width": 320, "height": 256})
        for path in paths:
            page.goto(house.address + path)
            opened(page)
            if not fits(page):
                wide.append(path)
    assert wide == []


def test_browser_focus_is_seen_wherever_the_keyboard_leads(house: House, people_at: Any) -> None:
    where = furnished(house, "focus")["ada"][2]
    page = people_at("ada")
    for path in ("/queue", where):
        page.goto(house.address + path)
        seen = set()
        for _ in range(40):
            page.keyboard.press("Tab")
            node, width, inside, free = page.evaluate(
                """() => {
                  const node = document.activeElement, box = node.getBoundingClientRect();
                  const style = getComputedStyle(node);
                  const x = box.x + Math.min(box.width / 2, 20), y = box.y + Math.min(box.height / 2, 10);
                  const top = document.elementFromPoint(x, y);
                  const width = style.outlineStyle === "none" ? 0 : parseFloat(style.outlineWidth);
                  return [node.outerHTML.slice(0, 90), width,
                    box.top >= 0 && box.left >= 0 && x < innerWidth && y < innerHeight,
                    top !== null && (node.contains(top) || top.contains(node))];
                }"""
            )
            if node.startswith("<body"):
                break
            seen.add(node)
            assert width >= 2, node
            assert inside, node
            assert free, node
        assert len(seen) > 15


def test_browser_evidence_is_told_apart_without_colour(house: House, people_at: Any) -> None:
    house.file("c1")
    page = people_at("ada", forced_colors="active")
    go(page, "n")
    numbers = page.locator("#note mark[data-n]").evaluate_all(
        "all => all.map((one) => getComputedStyle(one, '::before').content.replaceAll('\"', ''))"
    )
    assert numbers == ["1", "2"]
    lines = page.locator("#note mark").evaluate_all(
        "all => all.map((one) => getComputedStyle(one).borderBottomStyle)"
    )
    assert lines == ["solid"] * 3
    rows = page.locator(".claim tbody tr").all_inner_texts()
    assert [row.split()[-1] for row in rows] == ["1", "2"]


def test_browser_note_on_paper_is_whole(house: House, people_at: Any) -> None:
    house.file("p1", text=TEXT + "\nThe plug was seated well." * 200)
    page = people_at("ada")
    go(page, "n")
    assert page.evaluate("paper.scrollHeight > paper.clientHeight")
    page.emulate_media(media="print")
    assert page.evaluate("paper.scrollHeight <= paper.clientHeight + 1")
    assert not page.locator("#side").is_visible()
    assert page.locator("h1").is_visible()


def test_browser_exports_what_is_decided_once(house: House, people_at: Any) -> None:
    names = ["d1", "d2", "d3"]
    house.file(*names, "d4")
    house.decide(*names)
    page = people_at("ruth")
    page.goto(f"{house.address}/exports")
    assert "3 decided notes" in page.locator(".waiting").inner_text()
    page.get_by_label("Form").select_option("csv")
    with page.expect_navigation():
        page.get_by_role("button", name="Export 3 notes").click()
    with page.expect_download() as fetched:
        page.get_by_role("button", name="Fetch the file").click()
    file = fetched.value
    assert re.fullmatch(r"pvl-export-\d+\.csv", file.suggested_filename)
    content = Path(file.path()).read_bytes()
    rows = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"))))
    assert [(row["note_id"], row["code"], row["units"]) for row in rows] == [
        (name, code, "1") for name in names for code in ("93590", "93592")
    ]
    page.reload()
    row = page.locator("tbody tr").first
    assert hashlib.sha256(content).hexdigest() == row.locator("code").get_attribute("title")
    assert "1×" in row.inner_text()
    with page.expect_download() as again:
        page.get_by_role("button", name="Fetch again").click()
    assert Path(again.value.path()).read_bytes() == content
    # What has left is not offered a second time, and not taken back.
    assert "0 decided notes" in page.locator(".waiting").inner_text()
    assert page.get_by_role("button", name=re.compile("^Export ")).count() == 0
    page.goto(f"{house.address}/notes/{house.entry('d1').id}")
    assert page.locator(".heading .badge", has_text="exported").count() == 1
    assert page.get_by_role("button", name=re.compile("Undo")).count() == 0
    page.keyboard.press("u")
    assert [one.undone_at for one in house.decisions(*names)] == [None] * 3


def test_browser_learn_leads_from_a_figure_to_its_notes(house: House, people_at: Any) -> None:
    house.file("f1", "f2")
    house.decide("f1")
    house.decide("f2", units=2)
    page = people_at("ruth")
    page.goto(f"{house.address}/learn")
    row = page.locator("section", has_text="Agreement by code").locator("tr", has_text="93592")
    with page.expect_navigation():
        row.get_by_role("link").first.click()
    assert "f2" in page.locator("tbody th").all_inner_texts()
    assert "f1" not in page.locator("tbody th").all_inner_texts()
    with page.expect_navigation():
        page.get_by_role("link", name="f2", exact=True).click()
    assert note_of(page) == "f2"
    page.goto(f"{house.address}/learn")
    with page.expect_download() as fetched:
        page.get_by_role("button", name="Gold labels").click()
    labels = [json.loads(line) for line in Path(fetched.value.path()).read_text().splitlines()]
    assert {one["id"]: one["gold"]["lines"] for one in labels if one["id"] in ("f1", "f2")} == {
        "f1": {"93590": 1, "93592": 1},
        "f2": {"93590": 1, "93592": 2},
    }


def test_browser_dark_mode_by_system_and_by_switch(house: House, people_at: Any) -> None:
    house.file("m1")
    at = f"{house.address}/notes/{house.entry('m1').id}"
    ground = "getComputedStyle(document.body).backgroundColor"
    dark, light = people_at("ada", color_scheme="dark"), people_at("eve", color_scheme="light")
    dark.goto(at)
    light.goto(at)
    assert dark.evaluate(ground) != light.evaluate(ground)
    with light.expect_navigation():
        light.get_by_role("button", name="Dark").click()
    assert light.evaluate("document.documentElement.dataset.theme") == "dark"
    assert dark.evaluate(ground) == light.evaluate(ground)


def test_browser_hostile_note_is_shown_and_nothing_of_it_runs(house: House, people_at: Any) -> None:
    house.file("h1<b>", text=HOSTILE)
    page = people_at("ada")
    go(page, "n")
    assert note_of(page) == "h1<b>"
    assert "h1" in page.title()
    assert page.locator("#note h1, #note img, #note script").count() == 0
    shown = page.locator("#note").evaluate("node => node.textContent")
    assert "<script>" in shown
    assert "{{ 7*7 }}" in shown
    assert not re.search("[\u202e\u202c\x1b]", shown)


def test_browser_note_of_a_megabyte_stays_usable(house: House, people_at: Any) -> None:
    house.file("l1", text=TEXT + "\nThe plug was seated well." * 40_000 + "\n")
    page = people_at("ada")
    begun = time.monotonic()
    go(page, "n")
    page.keyboard.press("j")
    assert page.evaluate("document.activeElement.textContent") == "first plug"
    page.keyboard.press("c")
    until(page, "document.activeElement.name === 'units0'")
    assert time.monotonic() - begun < 8
