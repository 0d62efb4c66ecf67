"""The page Exports and its command: what waits, each decision once, every file again."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from extractor.cli import app as pvl
from extractor.worklist import exports
from extractor.worklist.database import Store
from extractor.worklist.filing import Label
from extractor.worklist.models import Kind, Role
from extractor.worklist.trail import verify
from tests.worklist_bench import ONE_LINE, Bench
from tests.worklist_browser import Browser
from tests.worklist_store import Clock, ToldCoder, add_user

pytestmark = pytest.mark.filterwarnings("ignore:Using `httpx` with")
SECRET = "Testperson, Ada"
FORMULA = "=cmd|' /C calc'!A0"


@pytest.fixture
def bench(store: Store, told_coder: ToldCoder, clock: Clock) -> Bench:
    """Three decided notes at two sites; one waits for its coder."""
    bench = Bench(store, told_coder, clock)
    add_user(store, "root", Role.admin)
    bench.file("a", "b", "open", text=SECRET, label=Label("North", "ehr"))
    bench.file("c", text=SECRET, label=Label(FORMULA, "<b>brief"))
    bench.decide("ada", "a")
    bench.decide("bo", "b", Kind.change, ONE_LINE, reason="device_not_left")
    bench.decide("ada", "c")
    return bench


@pytest.fixture
def browser(bench: Bench) -> Browser:
    return Browser(bench.store)


def words(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


def note_ids(content: str) -> set[str]:
    return {row["note_id"] for row in csv.DictReader(io.StringIO(content))}


def test_out_shows_what_waits_and_exports_it_once(browser: Browser, bench: Bench) -> None:
    page = browser.become("lea").get("/exports").text
    told = words(page)
    assert "3 decided notes" in told
    assert "0 have left so far" in told
    assert "93590 × 1, 93592 × 1 ada" in told
    assert f'<a href="/notes/{bench.entry("b").id}">' in page
    assert "Nothing was exported yet" in told
    answer = browser.post("/exports", {"form": "csv"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/exports#export-1")
    after = words(browser.get("/exports").text)
    assert "The export is made" in after
    assert "0 decided notes" in after
    assert "3 have left so far" in after
    assert "not yet" in after
    assert "The export is made" not in browser.get("/exports").text


def test_out_sent_twice_by_accident_makes_no_second_file(browser: Browser, bench: Bench) -> None:
    browser.become("lea").post("/exports", {"form": "csv"})
    answer = browser.post("/exports", {"form": "csv"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/exports")
    page = browser.get("/exports").text
    assert "Nothing waits for export here" in page
    assert page.count('id="export-') == 1
    assert len(bench.trail("export")) == 1
    assert 'action="/exports"' not in re.sub(r'method="get" action="/exports"', "", page)


def test_out_file_is_fetched_as_often_as_wanted_and_the_page_tells(browser: Browser, bench: Bench) -> None:
    browser.become("lea").post("/exports", {"form": "csv"})
    assert "Fetch the file" in browser.get("/exports").text
    first = browser.post("/exports/1/file")
    assert first.headers["content-disposition"] == 'attachment; filename="pvl-export-1.csv"'
    assert first.headers["content-type"].startswith("text/csv")
    assert note_ids(first.text) == {"a", "b", "c"}
    assert f"'{FORMULA}" in first.text
    bench.clock.go_on(minutes=1)
    assert browser.become("lin").post("/exports/1/file").content == first.content
    page = browser.get("/exports").text
    assert "Fetch again" in page
    assert "2× last lin , 2024-09-02 08:01" in words(page)
    assert [row.by for row in bench.trail(exports.FETCHED)] == ["lea", "lin"]


@pytest.mark.parametrize("form", sorted(exports.FORMS))
def test_out_every_form_can_be_made(browser: Browser, form: str) -> None:
    browser.become("lea").post("/exports", {"form": form})
    answer = browser.post("/exports/1/file")
    assert answer.status_code == 200
    assert f"pvl-export-1.{exports.FORMS[form].suffix}" in answer.headers["content-disposition"]
    assert answer.headers["content-type"] == exports.FORMS[form].media_type


def test_out_filters_choose_what_leaves(browser: Browser, bench: Bench) -> None:
    browser.become("lea")
    page = words(browser.get("/exports?site=North").text)
    assert "2 decided notes by these filters, of 3" in page
    assert "Export 2 notes" in page
    browser.post("/exports", {"form": "csv", "site": "North", "lane": "ready", "search": "zzz"})
    assert note_ids(browser.post("/exports/1/file").text) == {"a", "b"}
    assert "1 decided note" in words(browser.get("/exports").text)
    assert "0 decided notes by these filters" in words(browser.get("/exports?since=2030-01-01").text)


def test_out_a_decision_that_corrects_an_exported_one_says_so(browser: Browser, bench: Bench) -> None:
    browser.become("lea").post("/exports", {"form": "csv"})
    bench.file("a", text="another text", label=Label("North", "ehr"))
    decision = bench.decide("ada", "a")
    page = words(browser.get("/exports").text)
    assert "corrects decision 1" in page
    assert "1 decided note" in page
    assert decision.id != 1


def test_out_roles(browser: Browser, bench: Bench) -> None:
    assert browser.become("ada").get("/exports").status_code == 403
    page = browser.become("eye").get("/exports").text
    assert "3 decided notes" in words(page)
    assert 'method="post" action="/exports' not in page
    for who in ("ada", "eye", "root"):
        browser.become(who)
        assert browser.post("/exports", {"form": "csv"}).status_code == 403
        assert browser.post("/exports/1/file").status_code == 403
    assert "/notes/" not in browser.become("root").get("/exports").text
    assert bench.trail("export") == []


def test_out_hostile_and_mistaken_requests(browser: Browser, bench: Bench) -> None:
    browser.become("lea")
    page = browser.get("/exports").text
    assert "<b>brief" not in page
    assert SECRET not in page
    assert browser.post("/exports", {"form": "<b>"}).status_code == 400
    assert browser.post("/exports/99/file").status_code == 404
    assert browser.post("/exports/99999999999/file").status_code == 404
    assert browser.post("/exports", {"form": "csv", "csrf": "x"}).status_code == 403
    for before in ("0", "x", "²", "99999999999", "-1"):
        assert browser.get(f"/exports?before={before}").status_code == 200
    assert bench.trail("export") == []


def test_out_a_file_that_was_changed_is_not_handed_out(browser: Browser, bench: Bench) -> None:
    from sqlalchemy import text

    browser.become("lea").post("/exports", {"form": "csv"})
    with bench.store.writing() as session:
        session.execute(text("UPDATE exports SET sha256 = :other"), {"other": "0" * 64})
    answer = browser.post("/exports/1/file")
    assert answer.status_code == 400
    assert "W034" in answer.text
    with bench.store.reading() as session:
        assert exports.fetched(session, exports.exports(session)) == {}


def test_out_long_lists_of_exports_go_on_on_another_page(browser: Browser, bench: Bench) -> None:
    for number in range(52):
        bench.file(f"n{number}")
        bench.decide("ada", f"n{number}")
        exports.make(bench.store, bench.users["lea"], "csv")
    page = browser.become("lea").get("/exports").text
    (onward,) = re.findall(r'href="(/exports\?before=\d+)"', page)
    numbers = re.findall(r'id="export-(\d+)"', page + browser.get(onward).text)
    assert [int(one) for one in numbers] == list(range(52, 0, -1))


# -- command line ------------------------------------------------------------------


def run(url: str, *arguments: str) -> Result:
    return CliRunner().invoke(pvl, ["worklist", "export", "--database", url, *arguments])


def test_out_command_exports_once_and_again_by_number(
    bench: Bench, database_url: str, tmp_path: Path
) -> None:
    out, same = tmp_path / "out.csv", tmp_path / "same.csv"
    result = run(database_url, "--site", "North", "--out", str(out))
    assert (result.exit_code, result.stdout) == (0, "")
    assert "export 1: 2 notes; the same file again with --again 1" in result.stderr
    assert note_ids(out.read_text(encoding="utf-8")) == {"a", "b"}
    assert out.stat().st_mode & 0o077 == 0
    result = run(database_url, "--again", "1", "--out", str(same))
    assert result.exit_code == 0
    assert same.read_bytes() == out.read_bytes()
    result = run(database_url, "--format", "x12")
    assert result.stdout.startswith("CLM*c.4****:B:1~\nLX*1~\nSV1*HC:93590**UN*1~\n")
    result = run(database_url, "--out", str(tmp_path / "none.csv"))
    assert (result.exit_code, (tmp_path / "none.csv").exists()) == (0, False)
    assert "nothing is decided that was not exported" in result.stderr
    assert [row.by for row in bench.trail("export")] == ["command line", "command line"]
    assert len(bench.trail(exports.FETCHED)) == 1
    page = words(Browser(bench.store).become("lea").get("/exports").text)
    assert "command line" in page
    assert "when it was made" in page


def test_out_command_that_cannot_write_marks_nothing_as_exported(
    bench: Bench, database_url: str, tmp_path: Path
) -> None:
    for place in (tmp_path / "missing" / "out.csv", tmp_path):
        assert run(database_url, "--out", str(place)).exit_code == 2
    long = tmp_path / ("n" * 300)
    assert run(database_url, "--out", str(long)).exit_code == 1
    with bench.store.reading() as session:
        assert exports.waiting(session) == 3
        assert verify(session).wrong is None


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        (["--again", "9"], 1, "W007"),
        (["--again", "0"], 2, "--again"),
        (["--again", "1", "--site", "North"], 2, "leave out"),
        (["--format", "xml"], 2, "--format"),
        (["--since", "soon"], 2, "--since"),
    ],
)
def test_out_command_says_what_is_wrong(
    bench: Bench, database_url: str, arguments: list[str], status: int, told: str
) -> None:
    result = run(database_url, *arguments)
    assert result.exit_code == status
    assert told in result.stderr
    assert result.stdout == ""
