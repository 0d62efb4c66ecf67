"""Sample notes: the demo is the gold set in plain text, and the engine is held to its figures."""

from __future__ import annotations

from pathlib import Path

import pytest

from extractor.evaluate import Labelled, score
from extractor.suggestion import Suggestion

ROOT = Path(__file__).parent.parent
DEMO = sorted((ROOT / "sample_notes" / "demo").glob("*.txt"))

# What must never be lost again. The README holds today's figures.
LOWEST_READY_PRECISION = 0.90
LOWEST_READY_COVERAGE = 0.60


@pytest.mark.parametrize("path", DEMO, ids=lambda path: path.stem)
def test_sample_notes_demo_is_the_text_of_its_gold_note(path: Path, gold: list[Labelled]) -> None:
    texts = {item.note.note_id: item.note.text for item in gold}
    assert path.read_bytes() == texts[path.stem].encode("utf-8")


def test_sample_notes_demo_shows_every_status_and_six_styles(gold: list[Labelled]) -> None:
    shown = [item for item in gold if item.note.note_id in {path.stem for path in DEMO}]
    assert len(shown) == len(DEMO) == 12
    assert {"ready", "review", "none"} <= {status for item in shown for status in item.gold.status}
    assert len({item.style for item in shown}) >= 6
    reasons = {
        reason for item in shown if item.gold.status == {"review"} for reason in item.gold.reasons or ()
    }
    assert len(reasons) >= 4
    codes = [set(item.gold.lines or ()) for item in shown]
    assert {"93590", "93591"} in [found - {"93592"} for found in codes]


def test_sample_notes_ready_precision_and_coverage_keep_their_floor(
    gold: list[Labelled], gold_suggestions: list[Suggestion]
) -> None:
    result = score(gold, gold_suggestions)
    assert result.missing == 0
    assert result.wrong_spans.right == 0
    assert result.ready_precision.value >= LOWEST_READY_PRECISION
    assert result.ready_coverage.value >= LOWEST_READY_COVERAGE
