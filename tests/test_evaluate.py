"""Figures: the same definitions as the policy, counted by hand here."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from extractor.errors import InputError
from extractor.evaluate import Gold, Labelled, Share, by_style, load, score, to_json
from extractor.readers import Note
from extractor.suggestion import Suggestion

Make = Callable[..., Suggestion]
LINE = {"code": "93590", "units": 1, "low": 1, "high": 1, "role": "initial device, mitral"}
REASON = {"code": "valve_unstated", "message": "which valve?"}


def labelled(
    note_id: str, status: str | list[str], text: str = "leak", style: str = "a", **gold: object
) -> Labelled:
    fields = {
        "lines": {"93590": 1},
        "reasons": [],
        "not_counted": None,
        "approaches": None,
        "companions": None,
    }
    return Labelled(Note(note_id, text), Gold.model_validate({"status": status, **fields, **gold}), style)


@pytest.mark.parametrize(
    ("right", "of", "low", "high"),
    [(0, 0, 0.0, 1.0), (10, 10, 0.7225, 1.0), (0, 10, 0.0, 0.2775), (97, 100, 0.9155, 0.9897)],
)
def test_evaluate_wilson_interval(right: int, of: int, low: float, high: float) -> None:
    share = Share(right, of)
    assert (share.low, share.high) == pytest.approx((low, high), abs=1e-4)


def test_evaluate_ready_needs_exact_lines(make_suggestion: Make) -> None:
    gold = [
        labelled("right", "ready"),
        labelled("wrong-lines", "ready"),
        labelled("either", ["ready", "review"]),
        labelled("not-compared", "ready", lines=None),
        labelled("review-only", "review"),
        labelled("cautious", "ready"),
    ]
    found = [
        make_suggestion("right", "ready", lines=[LINE]),
        make_suggestion("wrong-lines", "ready", lines=[{**LINE, "units": 2}]),
        make_suggestion("either", "ready", lines=[LINE]),
        make_suggestion("not-compared", "ready"),
        make_suggestion("review-only", "ready", lines=[LINE]),
        make_suggestion("cautious", "review", lines=[LINE]),
    ]
    result = score(gold, found)
    assert result.ready_precision == Share(3, 5)
    assert result.ready_coverage == Share(2, 4)
    assert result.exact_lines == Share(4, 5)
    assert result.missed == Share(0, 6)
    assert [(wrong.note_id, wrong.problem) for wrong in result.wrong] == [
        ("wrong-lines", "wrong ready"),
        ("review-only", "wrong ready"),
        ("cautious", "not covered"),
    ]
    assert result.wrong[0].expected == "ready, 93590 x1"
    assert result.wrong[0].found == "ready, 93590 x2"


def test_evaluate_missed_false_positive_and_missing(make_suggestion: Make) -> None:
    gold = [
        labelled("missed", "review"),
        labelled("false", "none", lines={}),
        labelled("open", ["none", "review"], lines={}),
        labelled("clear", "none", lines={}),
        labelled("gone", "ready"),
    ]
    found = [
        make_suggestion("missed"),
        make_suggestion("false", "review", reasons=[REASON]),
        make_suggestion("open", "review"),
        make_suggestion("clear"),
        make_suggestion("stranger", "ready"),
    ]
    result = score(gold, found)
    assert (result.notes, result.missing) == (5, 1)
    assert result.missed == Share(1, 1)
    assert result.false_positives == Share(1, 2)
    assert [wrong.problem for wrong in result.wrong] == ["missed", "false positive", "missing"]
    assert result.wrong[1].found == "review, no lines, valve_unstated"
    assert result.ready_coverage == Share(0, 0)


def test_evaluate_details(make_suggestion: Make) -> None:
    def device(number: int, outcome: str, text: str) -> dict[str, object]:
        span = {"start": 0, "end": 4, "text": text, "section": "", "rule": "r"}
        return {
            "number": number,
            "valve": None,
            "product": None,
            "size": None,
            "outcome": outcome,
            "evidence": [span],
        }

    more = {"reasons": ["valve_unstated", "other_valve"], "not_counted": 1, "approaches": ["retrograde"]}
    gold = [
        labelled("a", "review", **more),
        labelled("b", "review", **more),
        labelled("c", "ready", companions={"93462": 1}),
        labelled("d", "ready", companions={}),
    ]
    companion = {"code": "93462", "units": 1, "message": ""}
    found = [
        make_suggestion(
            "a", "review", reasons=[REASON], devices=[device(1, "removed", "leak")], approaches=["retrograde"]
        ),
        make_suggestion("b", "review", devices=[device(1, "implanted", "plug")], approaches=["transseptal"]),
        make_suggestion("c", "ready", lines=[LINE], companions=[companion]),
        make_suggestion("d", "ready", lines=[LINE], companions=[{**companion, "code": "93355"}, companion]),
    ]
    result = score(gold, found)
    assert result.right_reason == Share(1, 2)
    assert result.approaches == Share(1, 2)
    assert result.removed_devices == Share(1, 2)
    assert result.companion_93462 == Share(1, 2)
    assert result.wrong_spans == Share(1, 2)


def test_evaluate_by_style_and_json(make_suggestion: Make) -> None:
    gold = [labelled("x", "ready", style="letters"), labelled("y", "ready", style="logs")]
    found = [make_suggestion("x", "ready", lines=[LINE]), make_suggestion("y", "review")]
    styles = by_style(gold, found)
    assert {name: value.ready_coverage for name, value in styles.items()} == {
        "letters": Share(1, 1),
        "logs": Share(0, 1),
    }
    data = json.loads(to_json(score(gold, found), styles))
    assert data["overall"]["ready_coverage"]["right"] == 1
    assert data["overall"]["ready_coverage"]["share"] == 0.5
    assert data["styles"]["logs"]["notes"] == 1
    assert [wrong["note_id"] for wrong in data["wrong"]] == ["y"]


def test_evaluate_load_reports_unusable_labels(
    tmp_path: Path, write_jsonl: Callable[[Path, Iterable[object]], Path]
) -> None:
    label = {"status": "none", "lines": {}}
    path = write_jsonl(
        tmp_path / "letters.jsonl",
        [
            {"id": "1", "text": "x", "gold": label},
            {"id": "2", "text": "x"},
            {"id": "3", "text": "x", "gold": {"status": "none", "lines": {"93590": "many"}}},
            {"id": "4", "text": "", "gold": label},
            {"id": "5", "text": "x", "gold": label},
        ],
    )
    errors: list[InputError] = []
    found = list(load([path], errors.append))
    assert [(item.note.note_id, item.style) for item in found] == [("1", "letters"), ("5", "letters")]
    assert [(error.code, error.where) for error in errors] == [
        ("I018", f"{path}:2, note 2"),
        ("I018", f"{path}:3, note 3"),
        ("I005", f"{path}:4, note 4"),
    ]
    assert "lines.93590" in errors[1].problem


@pytest.mark.parametrize("suffix", ["jsonl", "ndjson", "json"])
def test_evaluate_load_reads_labels_of_json_lines_by_any_name(tmp_path: Path, suffix: str) -> None:
    gold = {"status": "none", "lines": {}}
    rows = [json.dumps({"id": str(n), "text": "leak", "gold": gold}) for n in range(2)]
    (tmp_path / f"a.{suffix}").write_text("\n".join(rows))
    errors: list[InputError] = []
    assert [item.note.note_id for item in load([tmp_path / f"a.{suffix}"], errors.append)] == ["0", "1"]
    assert errors == []


def test_evaluate_load_names_a_note_without_a_line(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("leak")
    errors: list[InputError] = []
    assert list(load([tmp_path / "a.txt"], errors.append)) == []
    assert [(error.code, error.where) for error in errors] == [("I018", f"{tmp_path}/a.txt, note a")]
