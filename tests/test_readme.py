"""README: every block that can run does, and every command it names exists."""

from __future__ import annotations

import doctest
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from extractor.cli import app
from extractor.coder import Coder
from extractor.evaluate import Labelled
from extractor.readers import SUFFIXES, Options
from extractor.rules import load_rules, spellings
from extractor.workbench import check

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
LANGUAGES = ("console", "sh", "python", "yaml")


def blocks(language: str) -> list[str]:
    found = re.findall(rf"^```{language}\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    assert found
    return found


def shell_commands() -> list[str]:
    return [line for block in blocks("sh") for line in block.splitlines() if line.strip()]


def test_readme_knows_the_language_of_every_block() -> None:
    opened = re.findall(r"^```(\w*)$", TEXT, re.MULTILINE)
    assert set(opened[::2]) <= set(LANGUAGES)
    assert set(opened[1::2]) == {""}


def test_readme_python_blocks_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """As one session, with the output shown."""
    monkeypatch.chdir(ROOT)
    test = doctest.DocTestParser().get_doctest("\n".join(blocks("python")), {}, "README", "README.md", 0)
    assert len(test.examples) > 10
    report: list[str] = []
    result = doctest.DocTestRunner(verbose=False).run(test, out=report.append)
    assert result.failed == 0, "".join(report)


@pytest.mark.parametrize("block", blocks("console"))
def test_readme_console_output_is_what_the_command_prints(block: str) -> None:
    first, expected = block.split("\n", 1)
    assert first.startswith("$ pvl ")
    command = [sys.executable, "-c", "from extractor.cli import app; app()", *shlex.split(first)[2:]]
    environment = {**os.environ, "COLUMNS": "100", "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(command, capture_output=True, cwd=ROOT, env=environment, check=True)
    assert done.stdout.decode("utf-8").replace("\r\n", "\n") == expected


@pytest.mark.parametrize("line", shell_commands())
def test_readme_shell_command_exists(line: str) -> None:
    program, *arguments = shlex.split(line, comments=True)
    if program == "make":
        targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
        assert set(arguments) <= set(targets)
        return
    assert program == "pvl"
    command = typer.main.get_command(app)
    while arguments and isinstance(getattr(command, "commands", None), dict):
        command = command.commands[arguments.pop(0)]  # type: ignore[attr-defined]
    known = {name for parameter in command.params for name in parameter.opts}
    options = [argument for argument in arguments if argument.startswith("--")]
    assert set(options) <= known
    for argument in arguments:
        if argument.startswith("sample_notes/"):
            assert (ROOT / argument).exists()


def test_readme_rule_is_a_rule_that_holds(tmp_path: Path) -> None:
    (block,) = blocks("yaml")
    (tmp_path / "example.yaml").write_text(block, encoding="utf-8")
    book = load_rules(tmp_path)
    assert check(book).failures == ()
    assert len(spellings(book.rules[0].phrases)) == 8


def test_readme_output_names_every_field_of_the_contract() -> None:
    part = TEXT[TEXT.index("## Output") : TEXT.index("## Rules")]
    for name in Coder().suggest("").model_dump():
        assert f"`{name}`" in part


def test_readme_says_truly_what_is_still_empty(coder: Coder, gold: list[Labelled]) -> None:
    suggestions = list(coder.pipe(item.note for item in gold[:40]))
    assert any(suggestion.edits for suggestion in suggestions)
    empty = all(not suggestion.queries for suggestion in suggestions)
    assert ("still empty" in TEXT) is empty


def test_readme_names_every_kind_of_source_and_every_option_of_tables() -> None:
    part = TEXT[TEXT.index("## Sources") : TEXT.index("## A corpus")]
    for suffix in SUFFIXES:
        assert f"`{suffix}`" in part
    for name in Options.__slots__:
        assert f"--{name.replace('_', '-')}" in part


def test_readme_names_every_stage() -> None:
    stages = re.findall(r"^\| `(\w+)` \| .*\?", TEXT, re.MULTILINE)
    assert len(stages) >= 9
    known = {path.stem for path in (ROOT / "extractor").glob("*.py")}
    known |= {path.parent.name for path in (ROOT / "extractor").glob("*/__init__.py")}
    assert set(stages) <= known


def test_readme_accuracy_table_has_a_row_for_every_style(gold: list[Labelled]) -> None:
    rows = dict(re.findall(r"^\| (\w+) \| (\d+) \|", TEXT, re.MULTILINE))
    styles = [item.style for item in gold]
    expected = {style: str(styles.count(style)) for style in styles} | {"all": str(len(styles))}
    assert rows == expected


def test_readme_files_it_names_exist() -> None:
    for name in ("LICENSE", "CHANGELOG.md", "sample_notes/gold", "patterns", "sample_notes/demo"):
        assert name in TEXT
        assert (ROOT / name).exists()
