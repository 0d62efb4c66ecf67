"""What a user meets first: help for everything, quick, and a package that is complete."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

import extractor
from extractor.cli import app

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
HEAVY = ("spacy", "yaml", "numpy")


def commands() -> Iterator[tuple[tuple[str, ...], object]]:
    def walk(path: tuple[str, ...], command: object) -> Iterator[tuple[tuple[str, ...], object]]:
        yield path, command
        for name, child in getattr(command, "commands", {}).items():
            yield from walk((*path, name), child)

    return walk((), typer.main.get_command(app))


def loaded_after(code: str) -> set[str]:
    script = f"import sys\ntry:\n    {code}\nexcept SystemExit: pass\nprint('\\n!' + ' '.join(sys.modules))"
    output = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    return set(output.rsplit("!", 1)[1].split())


@pytest.mark.parametrize(
    "code",
    [
        "import extractor",
        "from extractor import Note, read, InputError",
        "from extractor.cli import app; app(['--help'])",
        "from extractor.cli import app; app(['code', '--help'])",
        "from extractor.cli import app; app(['export', '--help'])",
        "from extractor.cli import app; app(['export', 'no-such-note.txt', '--to', 'prodigy'])",
        "from extractor.cli import app; app(['query', '--help'])",
        "from extractor.cli import app; app(['rules', 'check', '--help'])",
        "from extractor.cli import app; app(['rules', 'impact', '--help'])",
        "from extractor.cli import app; app(['--version'])",
        "from extractor.cli import app; app(['code', 'no-such-note.txt'])",
    ],
)
def test_packaging_light_uses_import_nothing_heavy(code: str) -> None:
    modules = loaded_after(code)
    assert "extractor" in modules
    # typer itself may load pydantic to read a command's options.
    assert not modules.intersection(HEAVY if "cli" in code else (*HEAVY, "pydantic", "typer"))


def test_packaging_every_command_and_option_has_help() -> None:
    paths = [path for path, _ in commands()]
    assert {("code",), ("export",), ("explain",), ("evaluate",), ("rules",)} <= set(paths)
    assert {("rules", name) for name in ("check", "try", "impact")} <= set(paths)
    for path, command in commands():
        assert command.help, path
        for parameter in command.params:
            assert parameter.help, (path, parameter.name)
        result = CliRunner().invoke(app, [*path, "--help"])
        assert result.exit_code == 0, path


def test_packaging_version_is_one() -> None:
    result = CliRunner().invoke(app, ["--version"])
    assert result.stdout == f"pvl {extractor.__version__}\n"
    assert PROJECT["tool"]["hatch"]["version"]["path"] == "extractor/__init__.py"


def test_packaging_every_public_name_can_be_imported() -> None:
    for name in extractor.__all__:
        assert getattr(extractor, name).__name__ == name
    with pytest.raises(AttributeError, match="nothing_here"):
        _ = extractor.nothing_here


def test_packaging_constraints_pin_every_dependency_and_name_no_host() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.]+", line) for line in pins)
    pinned = {re.sub(r"[-_.]+", "-", line.split("==")[0]).lower() for line in pins}
    wanted = PROJECT["project"]["dependencies"] + PROJECT["project"]["optional-dependencies"]["dev"]
    for requirement in wanted:
        name = re.match(r"[A-Za-z0-9._-]+", requirement)[0]
        assert re.sub(r"[-_.]+", "-", name).lower() in pinned


def test_packaging_factories_and_script_exist() -> None:
    from importlib import import_module

    points = [
        *PROJECT["project"]["entry-points"]["spacy_factories"].values(),
        *PROJECT["project"]["scripts"].values(),
    ]
    assert len(points) == 4
    for point in points:
        module, name = point.split(":")
        assert callable(getattr(import_module(module), name))


def test_packaging_rules_travel_in_the_wheel() -> None:
    included = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    assert included["patterns"] == "extractor/patterns"
    assert list((ROOT / "patterns").glob("*.yaml"))
    assert all(
        (ROOT / source).exists() and goal == f"extractor/{source}" for source, goal in included.items()
    )


def test_packaging_gold_notes_are_complete() -> None:
    files = sorted((ROOT / "sample_notes" / "gold").glob("*.jsonl"))
    assert len(files) == 74
    assert sum(path.read_bytes().count(b"\n") for path in files) == 1317
