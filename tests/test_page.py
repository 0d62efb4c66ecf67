"""The page: complete, from nothing outside, and safe whatever a note holds."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from extractor.explain import marked_note
from extractor.marking import mark
from extractor.page import render_page
from extractor.suggestion import Device, Proof, Span, Suggestion
from extractor.terminal import printable

VOID = {"meta", "br"}


class Page(HTMLParser):
    """Collects elements, the note's text, and what is not closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text: dict[str, str] = {}
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        for tag in set(self.open):
            self.text[tag] = self.text.get(tag, "") + data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def note_text(page: Page) -> str:
    return page.text["pre"].removeprefix("\n")


def test_page_shows_the_note_character_for_character(note: str, explanation: Any) -> None:
    page = Page(render_page(note, explanation))
    assert page.open == []
    assert note_text(page) == note


def test_page_escapes_everything(note: str, explanation: Any) -> None:
    html = render_page(note, explanation)
    page = Page(html)
    assert len(page.all("script")) == 1
    assert "<b>" not in html.replace("<b>Device count", "")
    assert "demo-&lt;1&gt;" in html


def test_page_takes_nothing_from_outside(note: str, explanation: Any) -> None:
    page = Page(render_page(note, explanation))
    for _, attributes in page.elements:
        assert not {"src", "style", "action", "onclick", "onload"} & set(attributes)
        assert (attributes.get("href") or "#").startswith("#")
    assert not re.search(r"url\(|@import|https?:", page.text["style"] + page.text["script"])


def test_page_policy_pins_style_and_script(note: str, explanation: Any) -> None:
    page = Page(render_page(note, explanation))
    policy = next(m["content"] for m in page.all("meta") if m.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert policy.startswith("default-src 'none';")
    for tag in ("style", "script"):
        digest = base64.b64encode(hashlib.sha256(page.text[tag].encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy


def test_page_reasons_come_first_and_links_lead_to_words(note: str, explanation: Any) -> None:
    html = render_page(note, explanation)
    order = [
        "Why a person must decide",
        "<h2>Codes",
        "<h2>Devices",
        "<h2>Proof",
        "<h2>Draft queries",
        "All mentions",
    ]
    positions = [html.index(words) for words in order]
    assert positions == sorted(positions)
    page = Page(html)
    targets = {attributes.get("id") for _, attributes in page.elements}
    links = [attributes["href"] for attributes in page.all("a")]
    assert links
    assert all(link and link[1:] in targets for link in links)


def test_page_numbers_devices_and_shows_sections(note: str, explanation: Any) -> None:
    page = Page(render_page(note, explanation))
    assert [m["data-n"] for m in page.all("mark") if m.get("data-n")] == ["1 2", "1", "2", "3"]
    labels = [s["data-s"] for s in page.all("span") if s.get("class") == "read"]
    assert labels == ["read as: description", "read as: summary"]


def test_page_proof_is_nested_details(note: str, explanation: Any) -> None:
    page = Page(render_page(note, explanation))
    assert len(page.all("details")) == 3
    assert len(page.all("summary")) == 3


def test_page_without_evidence_or_reasons(make_suggestion: Any, explanation: Any) -> None:
    bare = type(explanation)(make_suggestion("x"), ())
    html = render_page("\n\nNothing here.\r\nEnd", bare)
    assert note_text(Page(html)) == "\n\nNothing here.\nEnd"
    assert "Why a person must decide" not in html


def test_page_shows_control_characters_as_pictures(make_suggestion: Any, explanation: Any) -> None:
    bare = type(explanation)(make_suggestion("\x1b[2J\u202e"), ())
    html = render_page("a\x1b[31mb\u202ec", bare)
    assert not re.search("[\x00-\x08\x0b-\x1f\u202e]", html)
    assert note_text(Page(html)) == "a␛[31mb�c"


def _suggestion(text: str, places: list[tuple[int, int]]) -> Suggestion:
    devices = tuple(
        Device(
            number=number,
            valve=None,
            product=None,
            size=None,
            outcome="implanted",
            evidence=(Span(start=start, end=end, text=text[start:end], section="s", rule="r"),),
        )
        for number, (start, end) in enumerate(places, 1)
    )
    return Suggestion(
        note_id="n", status="none", devices=devices, proof=Proof(statement="", rule=""), rules_version=""
    )


@given(
    st.text("ab<&\"' \r\n\x1b\u202eé", max_size=30),
    st.lists(st.tuples(st.integers(-2, 35), st.integers(-2, 35)), max_size=5),
)
def test_page_any_overlap_keeps_the_note(text: str, places: list[tuple[int, int]]) -> None:
    suggestion = _suggestion(text, places)
    pieces = mark(text, suggestion).pieces
    assert "".join(text[piece.start : piece.end] for piece in pieces) == text
    for piece in pieces:
        covering = {
            n
            for n, (s, e) in enumerate(places, 1)
            if 0 <= s < e <= len(text) and s <= piece.start and piece.end <= e
        }
        assert set(piece.devices) <= covering
        assert bool(piece.devices) == bool(covering)

    class Bare:
        mentions = ()

    Bare.suggestion = suggestion  # type: ignore[attr-defined]
    page = Page(render_page(text, Bare()))  # type: ignore[arg-type]
    assert note_text(page) == printable(text.replace("\r\n", "\n"), keep="\n")


def test_page_terminal_brackets_nest_and_merge() -> None:
    def plain(*places: tuple[int, int]) -> str:
        return marked_note("abcdefghij", _suggestion("abcdefghij", list(places))).plain

    assert plain() == "abcdefghij"
    assert plain((0, 6), (2, 4)) == "[1: ab[2: cd]ef]ghij"
    assert plain((0, 4), (4, 10)) == "[1: abcd][2: efghij]"
    assert plain((0, 6), (3, 9)) == "[1: abc[2: defghi]]j"
    suggestion = _suggestion("abcdefghij", [(0, 6)])
    twice = suggestion.devices[0].evidence + _suggestion("abcdefghij", [(3, 9)]).devices[0].evidence
    merged = suggestion.model_copy(
        update={"devices": (suggestion.devices[0].model_copy(update={"evidence": twice}),)}
    )
    assert marked_note("abcdefghij", merged).plain == "[1: abcdefghi]j"
