"""The page Learn: figures and plots of the decisions, the notes behind them, gold labels."""

from __future__ import annotations

import json
import re
from datetime import date, timedelta
from pathlib import Path
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner

from extractor.cli import app as pvl
from extractor.suggestion import Device, Span
from extractor.worklist.database import Store
from extractor.worklist.decisions import Coded
from extractor.worklist.filing import Label
from extractor.worklist.learning import Scope, figures
from extractor.worklist.models import Kind, Role
from extractor.worklist.web import plots
from tests.worklist_bench import ONE_LINE, Bench
from tests.worklist_browser import Browser
from tests.worklist_store import Clock, ToldCoder, add_user

pytestmark = pytest.mark.filterwarnings("ignore:Using `httpx` with")
SECRET = "Testperson, Ada"
HOSTILE = "<script>alert(1)</script>\u202eevil"
SPAN = Span(start=0, end=1, text="T", section="body", rule="device.avp2")
DEVICE = Device(number=1, valve="mitral", product=None, size=None, outcome="implanted", evidence=(SPAN,))


@pytest.fixture
def bench(store: Store, told_coder: ToldCoder, clock: Clock) -> Bench:
    """Four decided notes: bo changed one of two, ada none; one waits."""
    bench = Bench(store, told_coder, clock)
    add_user(store, "root", Role.admin)
    bench.file("a", "b", "open", text=SECRET, label=Label("North", "ehr"), devices=[DEVICE])
    bench.file("c", "d", text=SECRET, label=Label(HOSTILE, "brief"))
    clock.go_on(hours=2)
    bench.decide("ada", "a")
    bench.decide("bo", "b", Kind.change, ONE_LINE, reason="device_not_left")
    clock.go_on(days=1)
    bench.decide("ada", "c")
    bench.decide("bo", "d")
    return bench


@pytest.fixture
def browser(bench: Bench) -> Browser:
    return Browser(bench.store)


def words(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page)).replace("&nbsp;", " ")


def row(page: str, table: str, value: str) -> str:
    """The row of a table, as words."""
    section = page.replace("<wbr>", "").partition(f'aria-labelledby="{table}"')[2].partition("</section>")[0]
    (found,) = (one for one in section.split("<tr>") if f"<bdi>{value}</bdi>" in one)
    return words(found).strip()


def plot(page: str, name: str) -> ElementTree.Element:
    (drawing,) = (
        one for one in re.findall(r"<svg[^>]*>.*?</svg>", page, re.DOTALL) if f'id="{name}-title"' in one
    )
    return ElementTree.fromstring(drawing)


def test_learn_shows_what_was_decided(browser: Browser) -> None:
    page = browser.become("lea").get("/learn").text
    told = words(page)
    assert "Agreement 75.0 % 3 of 4" in told
    assert "3 accepted, 1 changed, 0 rejected" in told
    assert "Units suggested too few 0 1 too many" in told
    assert "Turn-around, median 14.0 h 90th percentile" in told
    assert row(page, "by-code", "93592").startswith("93592 75.0 %")
    assert "1 of 4" in row(page, "by-code", "93592")
    assert "0 of 4" in row(page, "by-code", "93590")
    assert "1 of 2" in row(page, "by-rule", "device.avp2")
    assert "1 of 2" in row(page, "coders", "bo")
    assert "device not left" in told
    assert SECRET not in page


def test_learn_plots_say_the_same_as_the_tables(browser: Browser) -> None:
    page = browser.become("lea").get("/learn").text
    decided = plot(page, "decided")
    assert [one.findtext("title") for one in decided.iter("rect")] == [
        "2024-09-02: 2 decisions",
        "2024-09-03: 2 decisions",
    ]
    agreement = [dot.findtext("title") for dot in plot(page, "agreement").iter("circle")]
    assert agreement == ["2024-09-02: agreement 50%", "2024-09-03: agreement 100%"]
    turn_around = plot(page, "turn-around")
    assert [dot.findtext("title") for dot in turn_around.iter("circle")] == [
        "2024-09-02: median 2 h",
        "2024-09-03: median 26 h",
    ]
    for drawing in (decided, plot(page, "agreement"), turn_around):
        assert drawing.get("role") == "img"
        labelled = drawing.get("aria-labelledby", "").split()
        assert [one.get("id") for one in drawing if one.tag in ("title", "desc")] == labelled
    assert "<style" not in page
    assert " style=" not in page


def test_learn_filters_by_time_site_and_coder(browser: Browser, bench: Bench) -> None:
    browser.become("lea")
    assert "Agreement 50.0 % 1 of 2" in words(browser.get("/learn?site=North").text)
    assert "Agreement 100.0 % 2 of 2" in words(browser.get("/learn?coder=ada").text)
    assert "Agreement 100.0 % 2 of 2" in words(browser.get("/learn?since=2024-09-03").text)
    assert "Agreement 50.0 % 1 of 2" in words(browser.get("/learn?until=2024-09-02").text)
    assert "Nothing was decided" in browser.get("/learn?style=unknown").text
    bench.clock.go_on(days=8)
    browser.become("lea")  # signed out meanwhile
    assert "Nothing was decided" in browser.get("/learn?days=7").text
    for days in ("all", "30", "no such"):
        assert "3 of 4" in browser.get(f"/learn?days={days}").text
    assert "3 of 4" in browser.get("/learn?since=0000-99-99&until=%F0%9F%8E%89").text


def test_learn_follows_every_decision_at_once(bench: Bench) -> None:
    browser = Browser(bench.store).become("lea")
    assert "3 of 4" in browser.get("/learn").text
    made = bench.decide("ada", "open", Kind.reject, (), reason="not_this_session")
    assert "3 of 5" in browser.get("/learn").text
    bench.clock.go_on(minutes=1)
    bench.undo(made, note_id="open")
    assert "3 of 4" in browser.get("/learn").text


def test_learn_counts_once_while_nothing_is_decided(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    from extractor.worklist.web import learn

    counted: list[Scope | None] = []

    def counting(session: object, scope: Scope | None = None) -> object:
        counted.append(scope)
        return figures(session, scope)  # type: ignore[arg-type]

    monkeypatch.setattr(learn, "figures", counting)
    browser = Browser(bench.store).become("lea")
    for path in ("/learn", "/learn", "/learn/notes?by=code&value=93592", "/learn?site=North", "/learn"):
        assert browser.get(path).status_code == 200
    assert len(counted) == 2


def test_learn_links_each_figure_to_its_notes(browser: Browser, bench: Bench) -> None:
    page = browser.become("lea").get("/learn?site=North").text
    links = {one.replace("&amp;", "&") for one in re.findall(r'href="(/learn/notes[^"]*)"', page)}
    assert {re.search(r"by=(\w+)", one)[1] for one in links} >= {"code", "rule", "why", "site", "style"}  # type: ignore[index]
    for link in links:
        found = browser.get(link).text
        assert f'<a href="/notes/{bench.entry("b").id}">' in found
        assert "93590 × 1 , 93592 × 1 93590 × 1 device not left bo" in words(found)
    assert "0 notes" in browser.get("/learn/notes?by=code&value=99999").text
    assert "1 note changed" in words(browser.get("/learn/notes?by=nothing&page=0").text)
    assert "No note here" in browser.get("/learn/notes?page=99999").text


def test_learn_pages_of_notes_hold_a_hundred_each(bench: Bench) -> None:
    names = [f"n{number:03}" for number in range(100)]
    bench.file(*names)
    for name in names:
        bench.decide("bo", name, Kind.change, ONE_LINE, reason="device_not_left")
    browser = Browser(bench.store).become("lea")
    first = browser.get("/learn/notes?by=code&value=93592").text
    (onward,) = re.findall(r'href="([^"]*)" rel="next"', first)
    second = browser.get(onward.replace("&amp;", "&")).text
    assert (first.count("<tr><th"), second.count("<tr><th")) == (101, 2)
    assert 'rel="prev"' in second


def test_learn_a_coder_sees_own_figures_only(browser: Browser, bench: Bench) -> None:
    browser.become("ada")
    for path in ("/learn", "/learn?coder=bo"):
        page = browser.get(path).text
        assert "Agreement 100.0 % 2 of 2" in words(page)
        assert "Coders</h2>" not in page
        assert "Gold labels" not in page
    assert "0 notes" in browser.get("/learn/notes?by=code&value=93592&coder=bo").text
    browser.become("bo")
    assert "Agreement 50.0 % 1 of 2" in words(browser.get("/learn?coder=ada").text)


def test_learn_an_admin_sees_figures_and_no_note(browser: Browser, bench: Bench) -> None:
    page = browser.become("root").get("/learn/notes?by=code&value=93592").text
    assert f"entry {bench.entry('b').id}" in page
    assert "/notes/" not in page.partition("<main")[2].replace("/learn/notes", "")


def test_learn_what_sites_are_called_is_never_markup(browser: Browser) -> None:
    page = browser.become("lea").get("/learn").text
    assert "<script>alert" not in page
    assert "\u202e" not in page


# -- gold labels -------------------------------------------------------------------


def test_learn_gold_labels_are_for_leads_and_in_the_trail(browser: Browser, bench: Bench) -> None:
    for who in ("ada", "eye", "root"):
        assert browser.become(who).post("/learn/gold").status_code == 403
    assert bench.trail("gold") == []
    answer = browser.become("lea").post("/learn/gold", {"days": "all", "site": "North"})
    assert answer.status_code == 200
    assert answer.headers["content-disposition"] == 'attachment; filename="pvl-gold-2024-09-03.jsonl"'
    found = [json.loads(line) for line in answer.text.splitlines()]
    assert {one["id"]: one["gold"]["lines"] for one in found} == {
        "a": {"93590": 1, "93592": 1},
        "b": {"93590": 1},
    }
    (told,) = bench.trail("gold")
    assert (told.by, json.loads(told.after)["number"]) == ("lea", 2)
    assert SECRET not in told.after


def test_learn_gold_on_the_command_line_is_what_evaluate_reads(
    bench: Bench, database_url: str, tmp_path: Path
) -> None:
    out = tmp_path / "mine.jsonl"
    run = CliRunner()
    command = ["worklist", "gold", "--database", database_url, "--out", str(out)]
    result = run.invoke(pvl, [*command, "--site", "North"])
    assert (result.exit_code, result.stdout) == (0, "")
    assert "2 notes with labels" in result.stderr
    assert len(out.read_text(encoding="utf-8").splitlines()) == 2
    assert out.stat().st_mode & 0o077 == 0
    result = run.invoke(pvl, [*command, "--since", "2024-09-03"])
    assert {json.loads(line)["id"] for line in out.read_text(encoding="utf-8").splitlines()} == {"c", "d"}
    assert [row.by for row in bench.trail("gold")] == ["command line", "command line"]
    result = run.invoke(pvl, ["evaluate", str(out), "--format", "json"])
    assert json.loads(result.stdout)["overall"]["notes"] == 2


# -- plots -------------------------------------------------------------------------


@pytest.mark.parametrize("most", [0.004, 0.3, 1, 3, 7, 9.5, 10, 11, 99, 100, 101, 12345])
def test_plots_ticks_are_few_and_reach_the_top(most: float) -> None:
    found = plots.ticks(most)
    assert found[0] == 0
    assert found[-1] >= most > found[-2]
    assert 3 <= len(found) <= 5


def test_plots_stay_within_their_edges() -> None:
    begins = [date(2024, 1, 1) + timedelta(days=number) for number in range(62)]
    values = [number * 7 % 61 for number in range(62)]
    drawn = plots.bars(begins, "day", values, "notes")
    for bar in drawn.bars:
        assert drawn.left <= bar.x <= bar.x + bar.width <= drawn.right
        assert 0 <= bar.y <= bar.y + bar.height <= drawn.bottom + 0.1
    assert [bar.height for bar in drawn.bars if bar.words.endswith(": 0 notes")] == [0, 0]
    tallest = max(drawn.bars, key=lambda bar: bar.height)
    assert tallest.words.endswith(": 60 notes")
    assert len(drawn.along) <= 7
    assert plots.bars([], "day", [], "notes").bars == ()


@pytest.mark.parametrize(("days", "step"), [(61, "day"), (62, "week"), (430, "week"), (500, "month")])
def test_learn_time_is_told_in_steps_that_fit(bench: Bench, days: int, step: str) -> None:
    bench.clock.go_on(days=days - 1)
    bench.decide("bo", "open", Kind.change, [Coded("93590", 3)], reason="missed_device")
    with bench.store.reading() as session:
        found = figures(session)
    assert found.step == step
    assert sum(one.decided for one in found.periods) == 5
    assert len(found.periods) <= 64
    begins = [one.begin for one in found.periods]
    assert begins == sorted(set(begins))
