"""The rule author's workbench, on a small rule book of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from extractor.readers import Note
from extractor.rules import RuleBook, load_rules
from extractor.workbench import check, duplicates, split_example, try_text

DEVICES = """
kind: device
rules:
  - id: device.disc_one
    means: {product: Disc One}
    phrases: [Disc One, disk one]
    examples:
      match: ["A [Disc One] and a [disk-one] were used."]
      not_match: ["Disc two"]
    source: test
  - id: device.button
    means: {head: weak}
    phrases: [button]
    plurals: [buttons]
    examples:
      match: ["two [buttons]"]
    source: test
"""


@pytest.fixture
def make_book(tmp_path: Path) -> object:
    def make(devices: str = DEVICES, **files: str) -> RuleBook:
        folder = tmp_path / f"patterns{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        (folder / "devices.yaml").write_text(devices, encoding="utf-8")
        for name, text in files.items():
            (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
        return load_rules(folder)

    return make


@pytest.mark.parametrize(
    ("example", "text", "spans"),
    [
        ("no mark", "no mark", ()),
        ("[all]", "all", ((0, 3),)),
        ("a [b c] d [e]", "a b c d e", ((2, 5), (8, 9))),
    ],
)
def test_workbench_split_example(example: str, text: str, spans: tuple[tuple[int, int], ...]) -> None:
    assert split_example(example) == (text, spans)


def test_workbench_check_good_rules(make_book) -> None:
    report = check(make_book())
    assert (report.rules, report.examples, report.notes) == (2, 3, 0)
    assert (report.failures, report.duplicates, report.unused) == ((), (), ())


@pytest.mark.parametrize(
    ("old", "new", "listed", "problem"),
    [
        ("two [buttons]", "two buttons", "match", "nothing is marked"),
        ("two [buttons]", "[two buttons]", "match", "found there: device.button “buttons”"),
        ("two [buttons]", "two [knobs]", "match", "found there: nothing"),
        ("Disc two", "Disc two, disc one", "not_match", "matched “disc one”"),
    ],
)
def test_workbench_check_finds_examples_that_do_not_hold(
    make_book, old: str, new: str, listed: str, problem: str
) -> None:
    failures = check(make_book(DEVICES.replace(old, new))).failures
    assert [failure.list for failure in failures] == [listed]
    assert problem in failures[0].problem


def test_workbench_check_reports_rules_without_use(make_book) -> None:
    notes = [Note("1", "A button was left."), Note("2", "Nothing.")]
    report = check(make_book(), notes)
    assert report.notes == 2
    assert report.unused == ("device.disc_one",)


def test_workbench_duplicates_ignore_case_and_hyphens_but_not_kind(make_book) -> None:
    twice = DEVICES.replace("phrases: [button]", 'phrases: [button, "DISC-ONE"]')
    other = DEVICES.replace("kind: device", "kind: other_device").replace("id: device.", "id: other.")
    other = other.replace("{product: Disc One}", "{role: other}").replace("{head: weak}", "{role: other}")
    found = duplicates(make_book(twice, other=other))
    assert [(item.kind, item.phrase, item.rules) for item in found] == [
        ("device", "disc one", ("device.disc_one", "device.button"))
    ]


def test_workbench_section_rules_are_checked_as_headers(make_book) -> None:
    sections = """
kind: section
rules:
  - id: section.verdict
    means: {role: summary}
    phrases: [verdict]
    examples:
      match: ["[VERDICT]: one button.", "Text before.\\n[Verdict]: all well."]
      not_match: ["The verdict was clear."]
    source: test
"""
    report = check(make_book(sections=sections))
    assert report.failures == ()
    wrong = sections.replace("The verdict was clear.", "VERDICT: clear")
    assert [failure.rule for failure in check(make_book(sections=wrong)).failures] == ["section.verdict"]


def test_workbench_try_text_says_what_and_why(make_book) -> None:
    matches = try_text("Buttons beside a disk one", make_book())
    assert [(match.text, match.rule, match.means, match.why) for match in matches] == [
        ("Buttons", "device.button", "head=weak", "plural “buttons”"),
        ("disk one", "device.disc_one", "product=Disc One", "phrase “disk one”"),
    ]
