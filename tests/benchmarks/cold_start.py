"""How long one note takes from a cold start, against ``import spacy`` alone.

Run it as ``python tests/benchmarks/cold_start.py``; it fails above the limit.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

LIMIT = 1.5
ROUNDS = 7
NOTE = "Mitral paravalvular leak closure. Two 8 mm AVP II plugs were deployed and released.\n"


def seconds(command: list[str]) -> float:
    """Wall time of a command."""
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def main() -> int:
    """Measure by turns, so that a busy machine slows both."""
    with tempfile.TemporaryDirectory() as folder:
        note = Path(folder, "one.txt")
        note.write_text(NOTE, encoding="utf-8")
        bare = [sys.executable, "-c", "import spacy"]
        pvl = [sys.executable, "-c", "from extractor.cli import app; app()", "code", str(note)]
        times = [(seconds(bare), seconds(pvl)) for _ in range(ROUNDS + 1)][1:]
    import_spacy, one_note = (median(column) for column in zip(*times, strict=True))
    ratio = one_note / import_spacy
    sys.stdout.write(f"import spacy {import_spacy:.2f} s, pvl code {one_note:.2f} s: {ratio:.2f} times\n")
    return int(ratio > LIMIT)


if __name__ == "__main__":
    sys.exit(main())
