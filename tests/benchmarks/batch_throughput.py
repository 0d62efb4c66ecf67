"""How fast and with how much memory ``pvl batch`` codes a mixed corpus, and what a note costs by size.

Run it as ``python tests/benchmarks/batch_throughput.py --megabytes 1000``. The corpus is one note
in 200 from ``sample_notes/gold`` among other notes: those of a file of JSON lines with a ``text``
(``--corpus``, also ``.gz``), or made-up visits. It fails where a limit is missed.

Measured on two cores, with medical reports of all fields as the other notes: 303 MB in 12.6 s, which is
24 MB/s, with 631 MB of memory. One note in 50 has to be coded, at 8 to 10 ms, which is most of the work; to
read, screen and write a note takes 22 microseconds. So the limits are missed: at 100 MB/s one to code would
have to take 2 ms.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

ROOT = Path(__file__).parents[2]
SHARE = 200  # one note in so many is labelled
GROUP = 4_096
RATE, TIMES, MEMORY = 100.0, 2.0, 1_000.0  # MB/s at least; times of reading, MB of memory at most
PVL = [sys.executable, "-c", "from extractor.cli import app; app(prog_name='pvl')"]
SENTENCES = (
    "Seen today for follow up of knee pain after a fall on the stairs.",
    "No fever, chills or cough, and no chest pain at rest or on exertion.",
    "Lungs are clear, the abdomen is soft, the skin is warm and dry.",
    "Takes metformin twice a day and walks two miles on most days.",
    "Works as a teacher, sleeps well and lives with the family.",
    "The wound is clean, sutures were removed, and the dressing was changed.",
    "Plan: rest, ice, physical therapy, and a visit in six weeks.",
    "Blood count and chemistry of last month were within normal limits.",
)


def say(text: str) -> None:
    """Print a line now, however long the rest takes."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


class Cost(NamedTuple):
    """Wall time, time of processors, and peak memory (MB) of a command and its processes."""

    seconds: float
    work: float
    memory: float

    def __str__(self) -> str:
        return f"{self.seconds:.1f} s ({self.work:.1f} s of processors), {self.memory:,.0f} MB of memory"


def visits() -> Iterator[str]:
    """Made-up notes of about 3 kB that concern no heart at all."""
    chance = random.Random(1)
    while True:
        yield " ".join(chance.choices(SENTENCES, k=chance.randint(30, 70)))


def others(corpus: Path | None) -> Iterator[str]:
    """Notes to mix the labelled ones into, without end."""
    if corpus is None:
        return visits()
    with (gzip.open if corpus.suffix == ".gz" else open)(corpus, "rt", encoding="utf-8") as file:
        return cycle([json.loads(line)["text"] for line in file])


def mixed(corpus: Path | None) -> Iterator[str]:
    """The texts of the corpus; no two are the same."""
    labelled = cycle(
        json.loads(line)["text"]
        for path in sorted((ROOT / "sample_notes" / "gold").glob("*.jsonl"))
        for line in path.read_text("utf-8").splitlines()
    )
    for number, text in enumerate(others(corpus)):
        yield f"{next(labelled) if number % SHARE == 0 else text}\n\nDocument {number}."


def build(path: Path, texts: Iterator[str], megabytes: float, notes: int | None = None) -> tuple[int, int]:
    """Write a Parquet file of so much text, or of so many notes; gives notes and bytes."""
    form = pa.schema([("note_id", pa.string()), ("text", pa.string())])
    count = size = 0
    with pq.ParquetWriter(path, form) as writer:
        while size < megabytes * 1e6 if notes is None else count < notes:
            room = GROUP if notes is None else min(GROUP, notes - count)
            group = [next(texts) for _ in range(room)]
            ids = [f"note-{number:09}" for number in range(count, count + room)]
            writer.write_table(pa.table({"note_id": ids, "text": group}, schema=form))
            count += room
            size += sum(len(text.encode()) for text in group)
    return count, size


def read_and_lower(path: Path) -> Cost:
    """What it costs to read the texts and lower-case them."""
    start, work = time.perf_counter(), time.process_time()
    for batch in pq.ParquetFile(path).iter_batches(1_024, columns=["text"]):
        for text in batch.column(0).to_pylist():
            text.lower()
    return Cost(time.perf_counter() - start, time.process_time() - work, _memory(os.getpid()))


def run(source: Path, out: Path, workers: int) -> Cost:
    """Run ``pvl batch``, and look at the memory of it and its workers all the while."""
    start, work = time.perf_counter(), _work_of_children()
    command = [*PVL, "batch", str(source), "--out", str(out), "--workers", str(workers)]
    memory = 0.0
    with subprocess.Popen(command, cwd=ROOT) as process:
        while process.poll() is None:
            memory = max(memory, sum(map(_memory, [process.pid, *_children(process.pid)])))
            time.sleep(0.05)
    if process.returncode:
        raise SystemExit(process.returncode)
    return Cost(time.perf_counter() - start, _work_of_children() - work, memory)


def _work_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def _memory(pid: int) -> float:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    return sum(float(line.split()[1]) / 1e3 for line in status.splitlines() if line.startswith("VmRSS"))


def main() -> int:
    """Measure; 1 where a limit is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", type=Path, help="JSON lines with the notes to mix the labelled ones into")
    parser.add_argument("--megabytes", type=float, default=100)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument(
        "--sizes", type=int, nargs="*", default=[], help="numbers of notes to find the cost of"
    )
    parser.add_argument("--folder", type=Path, help="where to work; a temporary folder by default")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as temporary:
        folder = Path(temporary)
        source = folder / "corpus.parquet"
        notes, size = build(source, mixed(given.corpus), given.megabytes)
        read_and_lower(source)  # the file is in memory from here on, for both
        plain = min(read_and_lower(source) for _ in range(3))
        cost = run(source, folder / "out", given.workers)
        rate, times = size / cost.seconds / 1e6, cost.seconds / plain.seconds
        say(f"{notes:,} notes, {size / 1e6:,.0f} MB: {cost}; {rate:.1f} MB/s")
        say(f"read and lower-case: {plain}; {times:.1f} times")
        for count in given.sizes:
            build(source, mixed(given.corpus), 0, count)
            cost_of_size = run(source, folder / f"out{count}", given.workers)
            say(
                f"{count:>9,} notes: {cost_of_size}; a note {1e3 * cost_of_size.seconds / count:.3f} ms "
                f"({1e3 * cost_of_size.work / count:.3f} ms of processors)"
            )
    return int(rate < RATE or times > TIMES or cost.memory > MEMORY)


if __name__ == "__main__":
    sys.exit(main())
