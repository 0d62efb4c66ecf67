"""Kill ``pvl batch`` and its workers at random moments, and compare what it ends with.

Run it as ``python tests/benchmarks/kill_test.py``. A run over the sample notes, some notes that cannot be
read and some that come twice is killed with ``kill -9`` twenty times, now the parent, now a worker,
and started again with ``--resume``. It fails unless all files are those of a run that nobody disturbed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[2]
PVL = [sys.executable, "-c", "from extractor.cli import app; app(prog_name='pvl')"]
UNSTEADY = ("run.json", "report.html")  # they tell how long it took
FAILED = 1  # exit status of a run that went well, but for the notes that cannot be read


def say(text: str) -> None:
    """Print a line now, however long the rest takes."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def build(path: Path, notes: int) -> None:
    """Sample notes over and over with ids of their own; one in 50 cannot be read or comes twice."""
    texts = [
        json.loads(line)["text"]
        for gold in sorted((ROOT / "sample_notes" / "gold").glob("*.jsonl"))
        for line in gold.read_text("utf-8").splitlines()
    ]
    with path.open("w", encoding="utf-8") as file:
        for number in range(notes):
            note = {"id": f"n{number}", "text": texts[number % len(texts)]}
            if number % 50 == 20:
                note["text"] += "\0"
            file.write(json.dumps(note) + "\n")
            if number % 50 == 40:
                file.write(json.dumps(note) + "\n")


def start(source: Path, out: Path, workers: int) -> subprocess.Popen[bytes]:
    """Begin a run, or go on with it."""
    command = [*PVL, "batch", str(source), "--out", str(out), "--workers", str(workers), "--resume"]
    return subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)


def digests(folder: Path) -> dict[str, str]:
    """What the files of a run hold."""
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.iterdir())
        if path.name not in UNSTEADY
    }


def kill_one(process: subprocess.Popen[bytes], chance: random.Random) -> str | None:
    """Kill the parent or one of its workers; gives which."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    try:
        workers = [int(pid) for pid in children.read_text().split() if _is_worker(int(pid))]
    except OSError:
        return None
    who = chance.choice(["parent", "worker"] if workers else ["parent"])
    try:
        os.kill(process.pid if who == "parent" else chance.choice(workers), signal.SIGKILL)
    except ProcessLookupError:
        return None
    return who


def _is_worker(pid: int) -> bool:
    try:
        return b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def disturb(
    source: Path, folder: Path, workers: int, kills: int, chance: random.Random, pause: float
) -> list[Path]:
    """Runs that were killed so many times together, and ended all the same."""
    done: list[Path] = []
    killed: Counter[str] = Counter()
    process = None
    while killed.total() < kills or process is not None:
        out = folder / f"out{len(done)}"
        process = process or start(source, out, workers)
        try:
            process.wait(chance.uniform(0, pause) if killed.total() < kills else None)
        except subprocess.TimeoutExpired:
            who = kill_one(process, chance)
            if who is not None:
                killed[who] += 1
                say(f"kill {killed.total()}: {who}")
            if who == "parent":
                process.wait()
                process = None
            continue
        if process.returncode != FAILED:
            raise SystemExit(f"a run ended with status {process.returncode}")
        done.append(out)
        process = None
    say(f"killed {killed['parent']} times the parent, {killed['worker']} times a worker")
    return done


def main() -> int:
    """Compare; 1 where a file differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--notes", type=int, default=1_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--pause", type=float, default=12.0, help="seconds between two kills, at most")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        source = folder / "notes.jsonl"
        build(source, given.notes)
        begun = time.monotonic()
        start(source, folder / "whole", given.workers).wait()
        say(f"undisturbed: {time.monotonic() - begun:.0f} s")
        expected = digests(folder / "whole")
        chance = random.Random(given.seed)
        runs = disturb(source, folder, given.workers, given.kills, chance, given.pause)
        differing = [f"{run.name}/{name}" for run in runs for name in expected if digests(run) != expected]
    say(f"{len(runs)} runs killed {given.kills} times: {len(expected)} files each, {len(differing)} differ")
    return int(bool(differing) or not expected)


if __name__ == "__main__":
    sys.exit(main())
