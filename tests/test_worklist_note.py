"""The note view: what it shows to whom, and what its forms do."""

from __future__ import annotations

import re
from html import unescape
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from fastapi.testclient import TestClient

from extractor.worklist import people
from extractor.worklist.database import Store
from extractor.worklist.models import Decision, Kind, Lane, User
from extractor.worklist.web.app import make_app
from tests.worklist_bench import ONE_LINE, TWO_LINES, Bench
from tests.worklist_store import Clock, ToldCoder

WORDS = "secret-words of a note"
HOSTILE = '<script>alert("x")</script> <img src=x onerror=alert(1)> \u202eabc\u202c \x1b[31m {{ 7*7 }} </pre>'


class Browser:
    """A user's browser: signed in without a password, it sends forms as the pages hold them."""

    def __init__(self, bench: Bench, name: str) -> None:
        self.bench, self.user = bench, bench.users[name]
        self.client = TestClient(
            make_app(bench.store, recent=0), base_url="http://localhost", follow_redirects=False
        )
        token = people._open(bench.store, name, "sign in")
        self.client.cookies.set("pvl", token)
        found = people.signed_in(bench.store, token)
        assert found is not None
        self.csrf = found[1]

    def note(self, number: int = 1, **asked: Any) -> str:
        query = f"?{urlencode(asked)}" if asked else ""
        answer = self.client.get(f"/notes/{number}{query}")
        assert answer.status_code == 200, answer.text
        return answer.text

    def send(self, path: str, **fields: Any) -> httpx.Response:
        return self.client.post(
            path,
            data={"csrf": self.csrf, **{name: str(value) for name, value in fields.items()}},
            headers={"origin": "http://localhost"},
        )

    def decide(self, number: int = 1, **fields: Any) -> httpx.Response:
        version = fields.pop("version", None) or version_of(self.note(number))
        return self.send(f"/notes/{number}/decide", version=version, **fields)


def version_of(page: str) -> str:
    found = re.search(r'name="version" value="(\d+)"', page)
    assert found, "no form"
    return found[1]


def paper(page: str) -> str:
    """The note as the page shows it."""
    found = re.search(r'<pre id="note"[^>]*>\n(.*?)</pre>', page, re.S)
    assert found
    return unescape(re.sub(r"<[^>]*>", "", found[1]))


@pytest.fixture
def bench(store: Store, told_coder: ToldCoder, clock: Clock) -> Bench:
    return Bench(store, told_coder, clock)


@pytest.fixture
def ada(bench: Bench) -> Browser:
    bench.file("a", "b", "c", text=WORDS)
    return Browser(bench, "ada")


def evidence(text: str, words: str, rule: str = "device.plug") -> dict[str, Any]:
    start = text.index(words)
    return {"start": start, "end": start + len(words), "text": words, "section": "description", "rule": rule}


def told(bench: Bench, note_id: str = "a") -> str:
    """A note with everything that a suggestion can have."""
    text = "first plug, second plug; echo; three in all"
    said = f"{note_id}: {text}"
    plug, second = evidence(said, "first plug"), evidence(said, "second plug")
    echo, all_three = evidence(said, "echo"), evidence(said, "three in all", "count.three")
    device = {"valve": "mitral", "product": "AVP <II>", "size": "12 mm", "outcome": "implanted"}
    bench.file(
        note_id,
        text=text,
        status="review",
        devices=[{**device, "number": 1, "evidence": [plug]}, {**device, "number": 2, "evidence": [second]}],
        reasons=[
            {"code": "device_count_conflict", "message": "Two and three.", "evidence": [all_three]},
        ],
        queries=[{"reason": "device_count_conflict", "text": "Which devices remained?"}],
        also_documented=[
            {"service": "guidance", "codes": ["93355"], "message": "bundled", "evidence": [echo]},
        ],
        modifiers=[{"modifier": "62", "codes": ["93590"], "message": "two surgeons", "evidence": [echo]}],
        diagnoses=[{"code": "T82.03XA", "question": True, "message": "a leak", "evidence": [plug]}],
        changes=[{"answer": "If three remained", "units": {"93590": 1, "93592": 2}, "evidence": [all_three]}],
        edits=[
            {
                "table": "mue", "edition": "2024-07-01", "setting": "practitioner", "severity": "warning",
                "codes": ["93592"], "message": "more than the table allows",
            },
            {
                "table": "ptp", "edition": "2024-07-01", "setting": "practitioner", "severity": "info",
                "codes": ["93590", "93355"], "message": "a modifier may bypass the pair",
            },
            {
                "table": "all", "edition": "2024-07-01", "setting": "practitioner", "severity": "info",
                "codes": ["93590"], "message": "the tables are older than the note",
            },
        ],
        proof={
            "statement": "2 devices left in", "rule": "count.reconcile", "evidence": [],
            "children": [{"statement": "device 1", "rule": "action.release", "evidence": [plug]}],
        },
    )  # fmt: skip
    return said


def test_note_shows_all_of_a_suggestion_with_links_to_the_words(bench: Bench) -> None:
    said = told(bench)
    page = Browser(bench, "ada").note()
    assert paper(page) == said
    for shown in (
        "93590 ×1", "93592 ×1", "Device count conflict", "Two and three.", "AVP &lt;II&gt;",
        "2 devices left in",
        "Also documented", "93355", "two surgeons", "T82.03XA ?", "If three remained",
        "more than the table allows", "Which devices remained?",
    ):  # fmt: skip
        assert shown in page
    assert '<mark class="device c1" data-n="1"' in page
    targets = set(re.findall(r'id="([^"]+)"', page))
    assert set(re.findall(r'href="#([^"]+)"', page)) <= targets
    assert len(re.findall(r'\bid="([^"]+)"', page)) == len(targets)


def test_note_shows_with_the_codes_only_the_edits_that_matter_for_them(bench: Bench) -> None:
    told(bench)
    page = Browser(bench, "ada").note()

    def section(name: str) -> str:
        return page.partition(f'aria-labelledby="{name}-title"')[2].partition("</section>")[0]

    codes, beside = section("codes"), section("also")
    assert "more than the table allows" in codes
    assert "may bypass" not in codes
    assert "<details><summary>Their claim edits (1)</summary>" in beside
    assert "a modifier may bypass the pair" in beside
    assert "older than the note" not in codes + beside
    assert "older than the note" in page.partition('class="foot soft"')[2]


def test_note_says_what_two_coders_say_where_they_differ(bench: Bench) -> None:
    bench.set(second_check_share=1.0)
    bench.file("a", text=WORDS)
    Browser(bench, "ada").decide(kind="accept")
    Browser(bench, "bo").decide(
        kind="change", code0="93590", units0="1", reason="device_not_left", comment="", anyway="yes"
    )
    page = Browser(bench, "lea").note()
    decide = page.partition('aria-labelledby="decide-title"')[2].partition("</section>")[0]
    assert re.search(r"93590 ×1</p>\s*<p>Changed by <bdi>bo</bdi>", decide)
    assert "The first, <bdi>ada</bdi>, says <b>93590 ×1 + 93592 ×1</b>, accepted" in decide


def test_note_opening_is_in_the_trail_without_its_words(ada: Browser) -> None:
    ada.note()
    Browser(ada.bench, "eye").note()
    rows = ada.bench.trail("open")
    assert [(row.by, row.entry_id) for row in rows] == [("ada", 1), ("eye", 1)]
    assert not any(WORDS in row.after + row.before + row.reason for row in rows)


def test_note_shown_by_a_form_that_does_not_do_is_in_the_trail_too(ada: Browser) -> None:
    answer = ada.send("/notes/1/decide", kind="nonsense")
    assert WORDS in unescape(answer.text)
    assert [(row.by, row.entry_id) for row in ada.bench.trail("open")] == [("ada", 1)]


def test_note_is_held_by_who_opened_it_first(ada: Browser) -> None:
    ada.note()
    bo = Browser(ada.bench, "bo")
    page = bo.note()
    assert "ada works on this note until" in page
    assert 'name="kind"' not in page
    answer = bo.decide(kind="accept", version=ada.bench.entry().version)
    assert answer.status_code == 409
    assert ada.bench.entry().lane is Lane.ready


def test_note_accepted_the_next_one_comes_with_the_same_filters(ada: Browser) -> None:
    ada.note(sort="doubt")
    answer = ada.decide(kind="accept", back="sort=doubt&lane=ready", opened=ada.bench.clock().isoformat())
    assert answer.status_code == 303
    place = answer.headers["location"]
    assert re.fullmatch(r"/notes/[23]\?lane=ready&sort=doubt", place)
    entry = ada.bench.entry("a")
    assert entry.lane is Lane.done
    page = ada.client.get(place).text
    assert "Decided:" in page
    assert "93590 ×1 + 93592 ×1" in page
    undo = re.search(r'action="(/decisions/\d+/undo)"', page)
    assert undo
    back = ada.send(undo[1], version=entry.version, back="lane=ready")
    assert back.headers["location"] == "/notes/1?lane=ready"
    assert ada.bench.entry("a").lane is Lane.ready


def test_note_changed_with_a_reason(ada: Browser) -> None:
    answer = ada.decide(
        kind="change", code0="93590", units0="1", code1="93592", units1="2", modifiers1="62 lt",
        reason="missed_device", comment="one more", anyway="yes",
    )  # fmt: skip
    assert answer.status_code == 303
    row = ada.bench.trail("decide")[-1]
    assert '"units":2' in row.after
    assert row.reason == "missed_device"
    assert "one more" in ada.note()
    assert '"LT"' in row.after


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"kind": "change", "code0": "93592", "units0": "2", "reason": "missed_device"}, "add-on code"),
        ({"kind": "change", "code0": "93590", "units0": "x", "reason": "missed_device"}, "number of units"),
        ({"kind": "change", "code0": "93590", "units0": "1"}, "a reason is missing"),
        ({"kind": "reject", "reason": "other"}, "needs a comment"),
        ({"kind": "nonsense"}, "not complete"),
        ({"kind": "change", "code0": "<b>x</b>", "units0": "1", "reason": "other"}, "not known"),
    ],
)
def test_note_form_that_cannot_be_kept_comes_back_as_typed(
    ada: Browser, fields: dict[str, str], problem: str
) -> None:
    answer = ada.decide(**fields, comment="" if "comment" in problem else "as <i>typed</i>")
    assert answer.status_code == 422
    assert problem in answer.text
    assert "<i>typed" not in answer.text
    if fields["kind"] == "change" and "comment" not in problem:
        assert "as &lt;i&gt;typed" in answer.text
    assert ada.bench.trail("decide") == []


def test_note_devices_and_lines_that_differ_are_kept_when_confirmed(bench: Bench) -> None:
    told(bench)
    ada = Browser(bench, "ada")
    fields = {
        "kind": "change", "code0": "93590", "units0": 1, "code1": "93592", "units1": 1,
        "was-outcome2": "implanted", "was-valve2": "mitral", "outcome2": "removed", "valve2": "mitral",
        "reason": "device_not_left",
    }  # fmt: skip
    answer = ada.decide(**fields)
    assert answer.status_code == 422
    assert "the lines say" in answer.text
    assert '<option value="removed" selected' in answer.text
    assert ada.decide(**fields, anyway="yes").status_code == 303
    assert '"outcome":"removed"' in bench.trail("decide")[-1].after


def test_note_changed_meanwhile_shows_it_anew_and_keeps_what_was_typed(ada: Browser) -> None:
    version = version_of(ada.note())
    ada.bench.decide("ada", "a")
    ada.bench.undo(decision := ada.bench.decide("ada", "b"), note_id="b")
    assert decision.kind is Kind.accept
    answer = ada.send("/notes/2/decide", version=version, kind="reject", reason="other", comment="my words")
    assert answer.status_code == 409
    assert "somebody else changed it" in answer.text
    assert "my words" in answer.text
    assert version_of(answer.text) == str(ada.bench.entry("b").version)


def test_note_blind_holds_nothing_of_the_suggestion(bench: Bench) -> None:
    said = told(bench)
    bench.set(blind_share=1.0)
    ada = Browser(bench, "ada")
    page = ada.note()
    assert paper(page) == said
    for hidden in (
        "data-e", "<mark", "Two and three", "conflict", "93355", "T82", "2 devices left in", "×", "AVP",
        "Which devices remained", "more than the table", "review", "Review", "device_count", "selected",
    ):  # fmt: skip
        assert hidden not in page, hidden
    assert "2 devices left in" in Browser(bench, "eye").note()
    # What is odd about the lines would tell of the suggestion: it is not said.
    answer = ada.decide(kind="blind", code0="93590", units0="1")
    assert answer.status_code == 303
    after = ada.client.get(answer.headers["location"]).text
    assert "The suggestion was 93590 ×1 + 93592 ×1" in after
    assert "2 devices left in" in after
    assert '"blind":true' in bench.trail("decide")[-1].after


def test_note_blind_is_not_told_by_the_queue(bench: Bench) -> None:
    told(bench)
    bench.set(blind_share=1.0)
    rows = re.compile(r"<tbody>.*</tbody>", re.S)
    queue = rows.search(Browser(bench, "ada").client.get("/queue").text)
    seen = rows.search(Browser(bench, "eye").client.get("/queue").text)
    assert queue
    assert "coded blind" in queue[0]
    assert not re.search("93590|93592|conflict|mitral|Review", queue[0])
    assert seen
    assert "93590 93592" in seen[0]


def test_note_blind_cannot_be_accepted_by_a_forged_form(bench: Bench) -> None:
    told(bench)
    bench.set(blind_share=1.0)
    ada = Browser(bench, "ada")
    answer = ada.decide(kind="accept")
    assert answer.status_code == 409
    assert "<mark" not in answer.text
    # Nor does the form of one who sees the suggestion tell what its devices would give.
    answer = ada.decide(kind="change", reason="missed_device", code0="93591", units0="7")
    assert answer.status_code == 409
    assert "would give" not in answer.text
    assert bench.entry().lane is Lane.review


def test_note_second_coder_does_not_see_what_the_first_one_said(ada: Browser) -> None:
    ada.bench.set(second_check_share=1.0)
    ada.bench.decide(
        "ada", "a", Kind.change, ONE_LINE, reason="device_not_left", comment="words of the first"
    )
    assert "words of the first" in ada.note()
    page = Browser(ada.bench, "bo").note()
    assert "words of the first" not in page
    assert "History" not in page
    assert "second check" in page
    assert "words of the first" in Browser(ada.bench, "eye").note()


def test_note_revised_shows_the_difference_and_the_decision_of_then(bench: Bench) -> None:
    bench.file("a", text="one plug\nreleased")
    bench.decide("ada", "a")
    bench.file("a", text="two plugs\nreleased", units={"93590": 1, "93592": 2})
    page = Browser(bench, "ada").note()
    assert "reopened" in page
    assert re.search(r"<del>.*a: one plug</del>", page)
    assert re.search(r"<ins>.*a: two plugs</ins>", page)
    assert "93592: <del>×1</del> → <ins>×2</ins>" in page
    assert "Decided then by" in page


def test_note_query_from_draft_to_answer(bench: Bench) -> None:
    told(bench)
    ada = Browser(bench, "ada")
    page = ada.note()
    answer = ada.send(
        "/notes/1/queries", version=version_of(page), reason="device_count_conflict",
        text="Which of the\r\ndevices remained?", do="save",
    )  # fmt: skip
    assert answer.headers["location"] == "/notes/1"
    page = ada.note()
    assert "Which of the\ndevices remained?" in page
    file = ada.client.get("/queries/1/text")
    assert file.text == "Which of the\ndevices remained?"
    assert file.headers["content-disposition"] == 'attachment; filename="query-1.txt"'
    sent = {"version": version_of(page), "text": "We believe that 2 units were left?", "do": "send"}
    assert ada.send("/queries/1", **sent).headers["location"] == "/notes/1"
    page = ada.note()
    assert "not as sent" in page
    assert "leads to an answer" in page
    sent = {"version": version_of(page), "text": "Which devices remained?", "do": "send"}
    assert ada.send("/queries/1", **sent).status_code == 303
    assert bench.entry().lane is Lane.query
    page = ada.note()
    assert "A query waits for its answer" in page
    assert 'value="accept"' not in page
    ada.send("/queries/1", version=version_of(page), answer="Two <b>plugs</b>.", do="answer")
    assert bench.entry().lane is Lane.review
    assert "Two &lt;b&gt;plugs" in ada.note()


def test_note_words_of_a_query_are_recorded_and_not_for_the_second_coder(ada: Browser) -> None:
    ada.bench.set(second_check_share=1.0)
    words = "How many devices remained?"
    ada.send("/notes/1/queries", version=version_of(ada.note()), reason="own", text=words, do="save")
    ada.bench.decide("ada", "a", Kind.change, ONE_LINE, reason="device_not_left")
    assert ada.client.get("/queries/1/text").text == words
    assert Browser(ada.bench, "eye").client.get("/queries/1/text").text == words
    assert Browser(ada.bench, "bo").client.get("/queries/1/text").status_code == 404
    rows = ada.bench.trail("query fetched")
    assert [(row.by, row.about, row.entry_id) for row in rows] == [
        ("ada", "query 1", 1),
        ("eye", "query 1", 1),
    ]


@pytest.mark.parametrize(
    ("opened", "seconds"),
    [
        ("2024-09-02T07:59:00+00:00", 60),
        ("0001-01-01T00:00:00+00:00", None),
        ("0001-01-01T00:00:00+23:59", None),
        ("2999-01-01T00:00:00Z", None),
        ("soon", None),
    ],
)
def test_note_time_that_cannot_be_is_not_counted(ada: Browser, opened: str, seconds: int | None) -> None:
    assert ada.decide(kind="reject", reason="missed_device", opened=opened).status_code == 303
    with ada.bench.store.reading() as session:
        assert [one.seconds for one in session.query(Decision)] == [seconds]


def test_note_put_off_left_and_assigned(ada: Browser) -> None:
    version = version_of(ada.note())
    answer = ada.send("/notes/1/defer", version=version, days="3", reason="waiting_for_document")
    assert answer.headers["location"] == "/notes/2"
    assert ada.bench.entry("a").deferred_until is not None
    assert ada.send("/notes/2/next").headers["location"] == "/notes/3?left=2"
    # None is left: from the beginning again, but not the one that was just left.
    assert ada.send("/notes/3/next", back="left=2").headers["location"] == "/notes/2"
    ada.send("/notes/2/assign", version=version_of(ada.note(2)), to=ada.user.id)
    assert ada.bench.entry("b").assignee_id == ada.user.id
    bo = Browser(ada.bench, "bo")
    assert "assigned to another coder" in bo.note(2)
    refused = bo.send("/notes/2/assign", version=ada.bench.entry("b").version, to=bo.user.id)
    assert refused.status_code == 403
    lea = Browser(ada.bench, "lea")
    lea.send("/notes/2/assign", version=version_of(lea.note(2)), to=bo.user.id)
    assert ada.bench.entry("b").assignee_id == bo.user.id


def test_note_last_one_decided_stays_with_its_undo(bench: Bench) -> None:
    bench.file("a")
    ada = Browser(bench, "ada")
    answer = ada.decide(kind="accept")
    page = ada.client.get(answer.headers["location"]).text
    assert answer.headers["location"] == "/notes/1"
    assert "Nothing else waits here for you now." in page
    assert "/decisions/1/undo" in page


@pytest.mark.parametrize("who", ["ada", "eye", "lea"])
def test_note_hostile_words_are_only_words(bench: Bench, who: str) -> None:
    bench.file("a", text=HOSTILE)
    page = Browser(bench, who).note()
    assert page.count("<script") == 2  # those of the frame
    assert "<img src=x" not in page
    assert "{{ 7*7 }}" in paper(page)
    assert "\u202e" not in page
    assert "\x1b" not in page


def test_note_without_kept_text_says_where_it_is(bench: Bench) -> None:
    bench.file("a", text=WORDS, keep=False)
    page = Browser(bench, "ada").note()
    assert "is not kept here" in page
    assert WORDS not in page


def test_note_of_a_megabyte_is_shown_whole_and_soon(bench: Bench) -> None:
    text = "A plug was released and seated well.\n" * 28_000
    bench.file("a", text=text)
    ada = Browser(bench, "ada")
    assert len(paper(ada.note())) == len(f"a: {text}")


def test_note_words_are_in_no_address_and_no_trail(bench: Bench) -> None:
    said = told(bench)
    ada = Browser(bench, "ada")
    page = ada.note()
    for address in re.findall(r'(?:href|action)="([^"]*)"', page):
        assert "plug" not in address
    ada.decide(kind="reject", reason="other", comment="first plug")
    with bench.store.reading() as session:
        from extractor.worklist.models import TrailRow

        for row in session.query(TrailRow):
            assert "plug" not in row.before + row.after + row.reason + row.about
    assert "first plug" in said


def test_note_that_is_not_there(ada: Browser) -> None:
    assert ada.client.get("/notes/99").status_code == 404
    assert ada.client.get("/notes/nine").status_code == 404
    assert ada.client.get("/queries/99/text").status_code == 404
    assert ada.send("/notes/99/decide", kind="accept", version=1).status_code == 404
    assert ada.send("/decisions/99/undo", version=1).status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        "/notes/1/decide",
        "/notes/1/next",
        "/notes/1/defer",
        "/notes/1/assign",
        "/notes/1/queries",
        "/queries/1",
        "/decisions/1/undo",
    ],
)
def test_note_forms_are_not_for_those_who_only_read(ada: Browser, path: str) -> None:
    eye = Browser(ada.bench, "eye")
    assert eye.send(path, version=1).status_code == 403
    page = eye.note()
    assert "coders and leads decide" in page
    assert 'name="version"' not in page


def test_note_decided_by_somebody_else_is_undone_by_a_lead_alone(ada: Browser) -> None:
    decision = ada.bench.decide("ada", "a", Kind.accept, TWO_LINES)
    path = f"/decisions/{decision.id}/undo"
    assert path not in Browser(ada.bench, "bo").note()
    assert Browser(ada.bench, "bo").send(path, version=ada.bench.entry().version).status_code == 403
    lea = Browser(ada.bench, "lea")
    assert path in lea.note()
    assert lea.send(path, version=ada.bench.entry().version).status_code == 303
    assert ada.bench.entry().lane is Lane.ready
    assert isinstance(lea.user, User)


def test_note_with_an_open_count_is_accepted_only_when_asked_twice(bench: Bench) -> None:
    lines = [
        {"code": "93590", "units": 1, "low": 1, "high": 1, "role": "first"},
        {"code": "93592", "units": 1, "low": 1, "high": 3, "role": "more"},
    ]
    bench.file("a", status="review", lines=lines)
    ada = Browser(bench, "ada")
    asked = ada.decide(kind="accept")
    assert asked.status_code == 422
    assert "the note leaves 93592 open, 1 to 3: 1 would be claimed" in asked.text
    assert "all the same" in asked.text
    assert bench.trail("decide") == []
    assert ada.decide(kind="accept", anyway="yes").status_code == 303
