"""Fictional notes, and a coder that needs no engine: it says what a test tells it to say."""

from __future__ import annotations

import gc
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from extractor.readers import Note
from extractor.suggestion import Companion, Device, Edit, Line, Proof, Query, Reason, Span, Suggestion
from tests.worklist_store import BASES, SERVER, Clock, Migrated, ToldCoder, empty_database

if TYPE_CHECKING:
    from extractor.coder import Coder
    from extractor.evaluate import Labelled
    from extractor.rules import RuleBook
    from extractor.worklist.database import Store

# Tables that were imported on this machine are none of the tests' business, also in their workers.
os.environ["PVL_DATA"] = str(Path(tempfile.gettempdir()) / "pvl-tests-no-data")

ROOT = Path(__file__).parent.parent
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
NOTE = """\
PATIENT: Testperson, Ada
TITLE: Transcatheter closure of aortic paravalvular leak

DESCRIPTION OF PROCEDURE:
Retrograde crossing with an AL1. A 12 mm plug and a 10 mm plug
were released. An 8 mm plug was recaptured.

IMPRESSION: Closure with three plugs. <script>alert("x")</script>
"""


@dataclass(frozen=True)
class FakeMention:
    start: int
    end: int
    text: str
    kind: str
    rule: str
    section: str
    explanation: str


@dataclass(frozen=True)
class FakeExplanation:
    suggestion: Suggestion
    mentions: tuple[FakeMention, ...]


def span(words: str, section: str = "description", rule: str = "device.plug", text: str = NOTE) -> Span:
    start = text.index(words)
    return Span(start=start, end=start + len(words), text=words, section=section, rule=rule)


def make_explanation() -> FakeExplanation:
    both = span("A 12 mm plug and a 10 mm plug\nwere released", rule="action.release")
    devices = (
        Device(
            number=1,
            valve="aortic",
            product=None,
            size="12 mm",
            outcome="implanted",
            evidence=(span("12 mm plug"), both),
        ),
        Device(
            number=2,
            valve="aortic",
            product="AVP <b>",
            size="10 mm",
            outcome="implanted",
            evidence=(span("10 mm plug"), both),
        ),
        Device(
            number=3,
            valve="aortic",
            product=None,
            size="8 mm",
            outcome="removed",
            evidence=(span("8 mm plug"),),
        ),
    )
    proof = Proof(
        statement="two devices stayed in",
        rule="coding.units",
        children=(
            Proof(
                statement="93591: first device, aortic",
                rule="coding.first_aortic",
                children=(Proof(statement="device 1 released", rule="timeline.release", evidence=(both,)),),
            ),
            Proof(
                statement="device 3 recaptured",
                rule="timeline.removed",
                evidence=(span("recaptured", rule="action.capture"),),
            ),
        ),
    )
    suggestion = Suggestion(
        note_id="demo-<1>",
        status="review",
        lines=(
            Line(code="93591", units=1, low=1, high=1, role="initial device, aortic", devices=(1,)),
            Line(code="93592", units=1, low=1, high=2, role="each additional device", devices=(2,)),
        ),
        reasons=(
            Reason(
                code="device_count_conflict",
                message="The description tells of two devices, the impression of three.",
                evidence=(span("three plugs", "summary", "count.three"),),
            ),
        ),
        devices=devices,
        approaches=("retrograde",),
        companions=(Companion(code="93462", units=1, message="transseptal puncture"),),
        edits=(
            Edit(
                table="mue",
                edition="2024-07-01",
                setting="practitioner",
                severity="warning",
                codes=("93592",),
                message="more than the table allows",
            ),
        ),
        queries=(
            Query(reason="device_count_conflict", text="Please clarify which device(s) remained:\n[ ] Other"),
        ),
        proof=proof,
        rules_version="abc123",
    )
    three = span("three plugs")
    mentions = (
        FakeMention(*_at("12 mm plug"), "device", "device.plug", "description", "device 1"),
        FakeMention(
            three.start, three.end, three.text, "count", "count.three", "summary", "claim: 3 devices"
        ),
        FakeMention(*_at("Retrograde"), "approach", "approach.retrograde", "description", "unexplained"),
    )
    return FakeExplanation(suggestion, mentions)


def _at(words: str) -> tuple[int, int, str]:
    return NOTE.index(words), NOTE.index(words) + len(words), words


def suggest(note_id: str, status: str = "none", **more: object) -> Suggestion:
    """A suggestion with defaults."""
    proof = Proof(statement="nothing to code", rule="coding.none")
    return Suggestion.model_validate(
        {"note_id": note_id, "status": status, "proof": proof, "rules_version": "abc123", **more}
    )


class FakeCoder:
    """Says ``none`` of every note, unless told otherwise by note id."""

    def __init__(self, told: dict[str, Suggestion] | None = None) -> None:
        self.told = told or {}
        self.seen: list[Note] = []

    def pipe(self, notes: Iterable[Note], workers: int = 1) -> Iterator[Suggestion]:
        for note in notes:
            self.seen.append(note)
            yield self.told.get(note.note_id) or suggest(note.note_id)

    def explain(
        self, text: str, note_id: str = "", standing: str = "final", served: object = None
    ) -> FakeExplanation:
        explanation = make_explanation()
        return FakeExplanation(
            explanation.suggestion.model_copy(update={"note_id": note_id}), explanation.mentions
        )


@pytest.fixture(autouse=True)
def _thaw() -> Iterator[None]:
    """A command keeps the engine it loads until its process ends; here many run in one process."""
    yield
    if gc.get_freeze_count():
        gc.unfreeze()
        gc.collect()


@pytest.fixture
def note() -> str:
    return NOTE


@pytest.fixture
def explanation() -> FakeExplanation:
    return make_explanation()


@pytest.fixture
def make_suggestion() -> Callable[..., Suggestion]:
    return suggest


@pytest.fixture
def fake_coder(monkeypatch: pytest.MonkeyPatch) -> FakeCoder:
    coder = FakeCoder()
    monkeypatch.setattr("extractor.cli.suggesting.make_coder", lambda: coder)
    return coder


@pytest.fixture
def write_jsonl() -> Callable[[Path, Iterable[object]], Path]:
    def write(path: Path, rows: Iterable[object]) -> Path:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return path

    return write


@pytest.fixture(scope="session")
def book() -> RuleBook:
    """The shipped rules."""
    from extractor.rules import load_rules

    return load_rules()


@pytest.fixture(scope="session")
def coder(book: RuleBook) -> Coder:
    """The real engine; it keeps nothing from note to note."""
    from extractor.coder import Coder

    return Coder(book)


@pytest.fixture(scope="session")
def gold() -> list[Labelled]:
    """Every labelled sample note."""
    from extractor.evaluate import load

    failed: list[object] = []
    labelled = list(load(sorted((ROOT / "sample_notes" / "gold").glob("*.jsonl")), failed.append))
    assert not failed
    return labelled


@pytest.fixture(scope="session")
def gold_suggestions(coder: Coder, gold: list[Labelled]) -> list[Suggestion]:
    """What the engine says of every labelled sample note, by one process."""
    return list(coder.pipe(item.note for item in gold))


@pytest.fixture
def clock() -> Clock:
    """A clock that stands still."""
    return Clock()


@pytest.fixture(params=BASES)
def base(request: pytest.FixtureRequest) -> str:
    """Each kind of database; PostgreSQL where ``PVL_TEST_POSTGRES`` names a server."""
    kind: str = request.param
    if kind == "postgresql" and not os.environ.get(SERVER):
        pytest.skip(f"{SERVER} names no server")
    return kind


@pytest.fixture
def empty_url(base: str, tmp_path: Path) -> Iterator[str]:
    """The address of a database that holds nothing."""
    with empty_database(base, tmp_path) as url:
        yield url


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Migrated]:
    """Empty worklists to copy."""
    made = Migrated(tmp_path_factory.mktemp("migrated"))
    yield made
    made.close()


@pytest.fixture
def database_url(base: str, migrated: Migrated, tmp_path: Path) -> Iterator[str]:
    """The address of an empty worklist, the one of ``store``."""
    with migrated.database(base, tmp_path) as url:
        yield url


@pytest.fixture
def store(database_url: str, clock: Clock) -> Iterator[Store]:
    """An empty worklist on each database."""
    from extractor.worklist.database import Store

    opened = Store(database_url, clock)
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def chromium() -> str:
    """The program of a browser; tests without it are skipped, unless ``PVL_TEST_BROWSER`` is ``require``."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        missing = f"there is none of the browsers {', '.join(BROWSERS)}"
        (pytest.fail if os.environ.get("PVL_TEST_BROWSER") == "require" else pytest.skip)(missing)
    return found


@pytest.fixture
def told_coder(make_suggestion: Callable[..., Suggestion]) -> ToldCoder:
    """A coder that says what it is told of a text."""
    return ToldCoder(make_suggestion)
