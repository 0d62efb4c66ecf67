"""The rule author's workbench, on a small rule book of its own."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from extractor import impact
from extractor.errors import RuleError
from extractor.evaluate import Gold
from extractor.readers import Note
from extractor.revisions import other_rules
from extractor.rules import RuleBook, load_rules, patterns_dir
from extractor.suggestion import Suggestion
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


# -- impact: two rule books on the same notes ----------------------------------------

INVENTED = """
- id: action.invented
  means: {event: release, sure: true}
  phrases: [zorbed]
  examples: {match: ["it was [zorbed]"]}
  source: test
"""
ZORBED = "Mitral paravalvular leak closure.\n\nAn 8 mm AVP II was zorbed."
OTHER = "Mitral paravalvular leak closure.\n\nAn 8 mm AVP II was deployed and released."


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The shipped patterns, to be changed."""
    return Path(shutil.copytree(patterns_dir(), tmp_path / "patterns"))


def invent(folder: Path) -> None:
    actions = folder / "actions.yaml"
    actions.write_text(actions.read_text(encoding="utf-8") + INVENTED, encoding="utf-8")


def gold(status: str, **lines: int) -> Gold:
    return Gold(status=frozenset({status}), lines={code[1:]: units for code, units in lines.items()})


def test_impact_names_the_change_and_the_rule(book: RuleBook, folder: Path) -> None:
    invent(folder)
    new = load_rules(folder)
    notes = [(Note("b", OTHER), None), (Note("a", ZORBED), gold("ready", _93590=1))]
    totals = impact.total(impact.compare(notes, book, new))
    (changed,) = totals.changed
    assert (changed.note_id, changed.old.status, changed.new.status) == ("a", "review", "ready")
    assert (changed.old.label, changed.new.label, changed.worse) == ("needless review", "right", -1)
    start = ZORBED.index("zorbed")
    assert changed.causes == (
        impact.Cause("action.invented", "action", "added", gained=((start, start + 6),)),
    )
    assert (totals.notes, totals.better, totals.worse) == (2, ["a"], [])
    assert (totals.gained["ready"], totals.lost["review"]) == (1, 1)
    assert impact.edited_rules(book, new) == (impact.EditedRule("action.invented", "action", "added"),)


def test_impact_of_a_changed_meaning(book: RuleBook, folder: Path) -> None:
    """Every match is where it was, and the device ends otherwise."""
    actions = folder / "actions.yaml"
    text = actions.read_text(encoding="utf-8")
    release = "id: action.release\n  means: {event: release, sure: true}"
    assert release in text
    actions.write_text(text.replace(release, release.replace("event: release", "event: withdraw")), "utf-8")
    (changed,) = impact.compare([(Note("a", OTHER), gold("ready", _93590=1))], book, load_rules(folder))
    assert (changed.old.label, changed.worse > 0) == ("right", True)
    assert [(c.rule, c.edit, c.gained, c.lost) for c in changed.causes] == [
        ("action.release", "changed", (), ())
    ]


@pytest.mark.parametrize(
    ("labelled", "status", "lines", "label"),
    [
        (gold("ready", _93590=1), "ready", {"93590": 1}, "right"),
        (gold("ready", _93590=1), "ready", {"93591": 1}, "wrong ready"),
        (gold("review"), "ready", {"93590": 1}, "wrong ready"),
        (gold("ready", _93590=1), "none", {}, "missed"),
        (gold("none"), "review", {}, "needless review"),
        (gold("review", _93590=1), "review", {}, "wrong lines"),
        (Gold(status=frozenset({"review", "ready"}), lines=None), "review", {"93590": 1}, "right"),
    ],
)
def test_impact_compares_with_the_label(
    labelled: Gold, status: str, lines: dict[str, int], label: str, make_suggestion: Callable[..., Suggestion]
) -> None:
    given = [{"code": code, "units": n, "low": n, "high": n, "role": "r"} for code, n in lines.items()]
    assert impact._label(make_suggestion("a", status, lines=given), {}, labelled) == label


def test_impact_is_the_same_by_two_workers(book: RuleBook, folder: Path) -> None:
    invent(folder)
    notes = [(Note(f"n{n}", ZORBED if n % 3 else OTHER), None) for n in range(20)]
    found = [list(impact.compare(notes, book, load_rules(folder), workers)) for workers in (1, 2)]
    assert found[0] == found[1]
    assert sum(item.changed for item in found[0]) == 13


def git(folder: Path, *arguments: str) -> None:
    who = ("-c", "user.name=t", "-c", "user.email=t@t", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *who, "-C", str(folder), *arguments], check=True, capture_output=True)


def test_other_rules_of_a_revision(book: RuleBook, folder: Path) -> None:
    git(folder.parent, "init", "-q")
    git(folder.parent, "add", ".")
    git(folder.parent, "commit", "-qm", "one")
    invent(folder)
    assert other_rules("HEAD", folder).version == book.version
    assert load_rules(folder).version != book.version
    for revision in ("HEAD~1", "nothing", "--help"):
        with pytest.raises(RuleError, match="R008"):
            other_rules(revision, folder)
    (folder / "actions.yaml").write_text("kind: deed\nrules: []\n", encoding="utf-8")
    git(folder.parent, "commit", "-qam", "a format of another day")
    with pytest.raises(RuleError, match=r"\[R010\] HEAD: actions.yaml: .*R002: unknown kind 'deed'"):
        other_rules("HEAD", folder)
    git(folder.parent, "rm", "-rq", "--cached", "patterns")
    git(folder.parent, "commit", "-qm", "no patterns")
    with pytest.raises(RuleError, match="this revision has no folder patterns"):
        other_rules("HEAD", folder)


def test_other_rules_of_a_folder_a_zip_and_one_file(book: RuleBook, folder: Path, tmp_path: Path) -> None:
    invent(folder)
    changed = load_rules(folder).version
    shutil.make_archive(str(tmp_path / "flat"), "zip", folder)
    shutil.make_archive(str(tmp_path / "deep"), "zip", tmp_path, "patterns")
    for named in (folder, folder.parent, tmp_path / "flat.zip", tmp_path / "deep.zip"):
        assert other_rules(str(named), patterns_dir()).version == changed
    assert other_rules(str(folder / "actions.yaml"), patterns_dir()).version == changed
    assert other_rules(str(folder / "devices.yaml"), patterns_dir()).version == book.version


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("mine.yaml", b"kind: device\nrules: []\n", "R008"),  # no namesake
        ("notes.txt", b"no zip", "R008"),
        ("broken.zip", b"PK\x05\x06" + b"\0" * 18, "R001"),
        ("actions.yaml", b"kind: action\nrules: [one]\n", "R010"),
        ("coding.yaml", b"kind: coding\nrules: []\n", "R010"),
    ],
)
def test_other_rules_that_cannot_be_used(tmp_path: Path, name: str, content: bytes, code: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(RuleError) as error:
        other_rules(str(tmp_path / name), patterns_dir())
    assert error.value.code == code
    assert name in error.value.where
