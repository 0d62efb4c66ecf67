"""Notes a second of pvl, beside a bare spaCy tokenizer and two clinical pipelines.

Run it as ``python tests/benchmarks/pipeline_speed.py``. All engines read the same
labelled notes by turns in one run, each in a process of its own on one thread;
what counts is the ratio of the medians. The peers are installed into environments
of their own; one that cannot be installed is left out, and the table says so.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

STYLES = ("academic", "adversarial", "cycle", "ehr", "european", "lablog")
GOLD = Path(__file__).parents[2] / "sample_notes" / "gold"
PEERS = {"medspaCy": "medspacy==1.3.1", "EDS-NLP": "edsnlp==0.23.0"}
BARE = "spacy.blank"
TARGETS = 200  # phrases the peers look for
ROUNDS = 5
_QUIET = {"LOGURU_LEVEL": "WARNING", "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}

Read = Callable[[str], Any]


# -- the engines, each made in its own process --------------------------------------


def make_pvl(_: list[str]) -> Read:
    """The whole way from a text to its suggestion."""
    from extractor.coder import Coder

    return Coder().suggest


def make_bare(_: list[str]) -> Read:
    """spaCy's English tokenizer as it comes."""
    import spacy

    return spacy.blank("en")


def make_medspacy(targets: list[str]) -> Read:
    """PyRuSH sentences, target rules and ConText, as they come."""
    import medspacy
    from medspacy.ner import TargetRule

    nlp = medspacy.load()
    nlp.get_pipe("medspacy_target_matcher").add([TargetRule(phrase, "TARGET") for phrase in targets])
    return nlp  # type: ignore[no-any-return]


def make_edsnlp(targets: list[str]) -> Read:
    """Sentences, matcher, negation and history."""
    import edsnlp

    nlp = edsnlp.blank("eds")
    nlp.add_pipe("eds.sentences")
    nlp.add_pipe("eds.matcher", config={"terms": {"target": targets}, "attr": "LOWER"})
    nlp.add_pipe("eds.negation")
    nlp.add_pipe("eds.history")
    return nlp  # type: ignore[no-any-return]


MAKERS = {"pvl": make_pvl, BARE: make_bare, "medspaCy": make_medspacy, "EDS-NLP": make_edsnlp}


def work(engine: str, material: Path) -> None:
    """Read all notes once for each line of standard input, and answer with the seconds it took.

    These are seconds of the processor: what else the machine does is not counted.
    """
    given = json.loads(material.read_text(encoding="utf-8"))
    read = MAKERS[engine](given["targets"])
    for text in given["notes"][:20]:
        read(text)
    for _ in sys.stdin:
        start = time.process_time()
        for text in given["notes"]:
            read(text)
        sys.stdout.write(f"\nseconds {time.process_time() - start}\n")
        sys.stdout.flush()


# -- the run ------------------------------------------------------------------------


class Engine:
    """An engine at work in another process."""

    def __init__(self, name: str, python: str, material: Path) -> None:
        self.name = name
        self._process = subprocess.Popen(
            [python, __file__, "--engine", name, "--material", str(material)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, **_QUIET},
        )

    def seconds(self) -> float | None:
        """The time of one pass over the notes; None when the engine does not run."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write("\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            return None
        answers = (line.split() for line in self._process.stdout if line.startswith("seconds "))
        return next((float(answer[1]) for answer in answers), None)

    def close(self) -> None:
        """Let the process end."""
        self._process.communicate()


def installed(name: str, requirement: str, envs: Path) -> str | None:
    """The interpreter of an environment that has a peer; None when it cannot be installed."""
    home = envs / name.lower()
    python = home / "bin" / "python"
    ready = home / "ready"
    if ready.exists():
        return str(python)
    commands = (
        [sys.executable, "-m", "venv", "--clear", str(home)],
        [str(python), "-m", "pip", "install", "--quiet", requirement],
    )
    if any(subprocess.run(command, capture_output=True).returncode for command in commands):
        return None
    ready.write_text(requirement + "\n", encoding="utf-8")
    return str(python)


def write_material(path: Path, every: int) -> int:
    """The notes and the phrases all engines are given; how many notes."""
    from extractor.rules import load_rules

    lines = [line for style in STYLES for line in (GOLD / f"{style}.jsonl").read_text("utf-8").splitlines()]
    notes = [json.loads(line)["text"] for line in lines][::every]
    kinds = ("leak", "valve", "device", "other_device", "target")
    phrases = [p for kind in kinds for rule in load_rules().kind(kind) for p in rule.phrases]
    material = {"notes": notes, "targets": phrases[:: max(1, len(phrases) // TARGETS)][:TARGETS]}
    path.write_text(json.dumps(material), encoding="utf-8")
    return len(notes)


def measure(folder: Path, envs: Path, every: int) -> dict[str, list[float]]:
    """Notes a second of each engine, round by round; nothing for one that does not run."""
    material = folder / "material.json"
    count = write_material(material, every)
    pythons = {"pvl": sys.executable, BARE: sys.executable}
    for name, requirement in PEERS.items():
        python = installed(name, requirement, envs)
        if python is not None:
            pythons[name] = python
    engines = [Engine(name, python, material) for name, python in pythons.items()]
    rates: dict[str, list[float]] = {name: [] for name in MAKERS}
    for _ in range(ROUNDS):
        for engine in engines:
            seconds = engine.seconds()
            if seconds is not None:
                rates[engine.name].append(count / seconds)
    for engine in engines:
        engine.close()
    return rates


def main() -> int:
    """Measure and print; fails only when pvl itself does not run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--envs", type=Path, help="where the peers are installed; a new folder by default")
    parser.add_argument("--every", type=int, default=1, help="take every n-th note only")
    parser.add_argument("--engine", choices=MAKERS, help=argparse.SUPPRESS)
    parser.add_argument("--material", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.engine:
        work(given.engine, given.material)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        rates = measure(Path(folder), given.envs or Path(folder, "envs"), given.every)
    medians = {name: median(some) for name, some in rates.items() if some}
    pvl = medians.get("pvl")
    for name in MAKERS:
        if name not in medians:
            sys.stdout.write(f"{name:12} not measured: it could not be installed or does not run\n")
        elif pvl is not None:
            sys.stdout.write(
                f"{name:12} {medians[name]:8.1f} notes/s   pvl is {pvl / medians[name]:.2f} times as fast\n"
            )
    return int(pvl is None)


if __name__ == "__main__":
    sys.exit(main())
