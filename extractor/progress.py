"""Progress of a run: how much is done, how fast, how long it will still take, and what came of it."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TextIO

from extractor.readers import SUFFIXES
from extractor.terminal import console

if TYPE_CHECKING:
    from extractor.blocks import Block
    from extractor.parts import Facts

_EVERY = 10.0  # seconds between lines where there is no terminal


class Extent:
    """How much of the sources has been read, as a share of their bytes.

    Of a Parquet file the rows are known, of other files the bytes; of a source that is
    no file, nothing.

    Parameters
    ----------
    sources
        Files and folders.

    Examples
    --------
    >>> Extent(["no such file"]).share("no such file", 3, 100) is None
    True
    """

    def __init__(self, sources: Iterable[str]) -> None:
        self._sizes = {path: os.path.getsize(path) for source in sources for path in files_of(source)}
        self._all = sum(self._sizes.values())
        self._before = 0
        self._file = ""
        self._rows: int | None = None
        self._text = 0

    def share(self, file: str, line: int | None, size: int) -> float | None:
        """The share after ``size`` more bytes of text, the last of them from this place."""
        if file != self._file:
            self._before += self._sizes.pop(self._file, 0)
            self._file, self._rows, self._text = file, _rows(file), 0
        self._text += size
        if not self._all:
            return None
        whole = self._sizes.get(file, 0)
        within = line / self._rows if self._rows and line else self._text / whole if whole else 0.0
        return min(1.0, (self._before + whole * min(1.0, within)) / self._all)


def files_of(source: str) -> list[str]:
    """The files that a source is, as far as it is any.

    Examples
    --------
    >>> files_of("-")
    []
    """
    if os.path.isdir(source):
        found = (str(path) for path in Path(source).rglob("*") if path.name.lower().endswith(SUFFIXES))
        return [path for path in found if os.path.isfile(path)]
    return [source] if os.path.isfile(source) else []


def _rows(file: str) -> int | None:
    if not file.lower().endswith(".parquet"):
        return None
    import pyarrow as pa  # type: ignore[import-untyped, unused-ignore]
    import pyarrow.parquet as pq  # type: ignore[import-untyped, unused-ignore]

    try:
        return int(pq.read_metadata(file).num_rows)
    except (OSError, pa.ArrowException):
        return None


class Progress:
    """Shows how a run goes: a bar on a terminal, a line now and then elsewhere.

    Parameters
    ----------
    sources
        What is read.
    stream
        Where to show it.
    """

    def __init__(self, sources: Iterable[str], stream: TextIO) -> None:
        from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        self._console = console(stream)
        self._extent = Extent(sources)
        self._share: float | None = None
        self._statuses: Counter[str] = Counter()
        self._failed = self._notes = self._size = 0
        self._began = self._told = time.monotonic()
        self._bar = Bar(
            BarColumn(bar_width=12),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeRemainingColumn(compact=True),
            TextColumn("left  {task.description}"),
            console=self._console,
            disable=not stream.isatty(),
            transient=True,
        )
        self._task = self._bar.add_task("reading", total=None)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._bar.stop()

    def read(self, block: Block) -> None:
        """A block was read."""
        if block.sources:
            self._share = self._extent.share(block.sources[-1], block.lines[-1], block.size)

    def done(self, facts: Facts, earlier: bool) -> None:
        """A block is finished, or was in an earlier run."""
        self._statuses.update(facts.counts.get("status", {}))
        self._failed += sum(facts.counts.get("error", {}).values())
        if not earlier:
            self._notes += facts.length
            self._size += facts.size
        self.tick()

    def tick(self) -> None:
        """Show the state of things."""
        now = time.monotonic()
        if not self._bar.disable:
            total = None if self._share is None else 1.0
            self._bar.update(self._task, description=self._line(now), total=total, completed=self._share or 0)
        elif now - self._told >= _EVERY:
            self._told = now
            left = self._left(now)
            self._console.print(self._line(now) + (f", {left} left" if left else ""), soft_wrap=True)

    def _line(self, now: float) -> str:
        seconds = max(now - self._began, 0.001)
        counts = ", ".join(f"{self._statuses[name]:,} {name}" for name in ("ready", "review"))
        return (
            f"{sum(self._statuses.values()):,} notes, {self._notes / seconds:,.0f}/s: "
            f"{counts}, {self._failed:,} failed; {self._size / seconds / 1e6:.1f} MB/s"
        )

    def _left(self, now: float) -> str:
        if not self._share:
            return ""
        seconds = int((now - self._began) * (1 - self._share) / self._share)
        return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"
