"""Report: what a run came to, as numbers and as one self-contained page with plots.

The counts depend on the notes alone; what depends on the machine is kept apart.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any, Self

from extractor.page import asset, page
from extractor.terminal import printable

if TYPE_CHECKING:
    from extractor.parts import Facts

_STEPS = 200  # kept of a run, at most twice as many
_POINTS = 60  # of the plot of the cost
_STATUSES = ("ready", "review", "none")
_Step = tuple[int, int, float]  # notes and errors, bytes of text, seconds


@dataclass
class Report:
    """What a run came to, summed up block by block.

    Attributes
    ----------
    counts
        By kind, how often each value occurs.
    steps
        Notes, bytes and seconds along the run, in a bounded number of steps.
    """

    counts: dict[str, dict[str, int]] = field(default_factory=dict)
    steps: list[_Step] = field(default_factory=list)

    @classmethod
    def load(cls, record: Mapping[str, Any]) -> Self:
        """The report that was written as ``report.json``."""
        return cls({name: some for name, some in record.items() if name != "run"})

    def add(self, facts: Facts) -> None:
        """Add a finished block."""
        sums: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for counts in (self.counts, facts.counts):
            for name, some in counts.items():
                sums[name].update(some)
        self.counts = {name: dict(sorted(sums[name].items())) for name in sorted(sums)}
        self.steps.append((facts.length, facts.size, facts.seconds))
        if len(self.steps) >= 2 * _STEPS:
            pairs = zip(self.steps[::2], self.steps[1::2], strict=True)
            self.steps = [(a[0] + b[0], a[1] + b[1], a[2] + b[2]) for a, b in pairs]

    @property
    def statuses(self) -> Counter[str]:
        """Notes by status."""
        return Counter(self.counts.get("status", {}))

    @property
    def failed(self) -> int:
        """Inputs and notes that failed."""
        return sum(self.counts.get("error", {}).values())

    @property
    def whole(self) -> _Step:
        """All steps in one."""
        length, size = (sum(step[at] for step in self.steps) for at in (0, 1))
        return int(length), int(size), sum(step[2] for step in self.steps)

    def timing(self, workers: int) -> dict[str, Any]:
        """How long it took: the work on the blocks, over all starts of the run."""
        length, size, seconds = self.whole
        return {
            "workers": workers,
            "seconds": round(seconds, 3),
            "bytes": size,
            "notes_per_second": round(length / seconds, 1) if seconds else None,
            "megabytes_per_second": round(size / seconds / 1e6, 2) if seconds else None,
            "steps": [
                {"notes": notes, "bytes": some, "seconds": round(took, 4)} for notes, some, took in self.steps
            ],
        }


def render_report(report: Report, run: Mapping[str, Any]) -> str:
    """The page of a report; ``run`` is what the run was begun with."""
    counts = report.counts
    parts = [
        _section("Status", _bars({name: report.statuses[name] for name in _STATUSES})),
        _section("Devices per note", _devices(counts), "Notes by the devices that their lines count."),
        _section("Units by code", _bars(counts.get("code", {}))),
        _section("Why a person must decide", _bars(_by_size(counts.get("reason", {})))),
        _section("Approaches", _bars(_by_size(counts.get("approach", {})))),
        _section("Not read or not coded", _bars(_by_size(counts.get("error", {}))), "See errors.csv."),
        _section("Left out as it should be", _bars(_by_size(counts.get("notice", {}))), "See errors.csv."),
        _section("Speed", _speed(report)),
        _section("Cost per note", _cost(report.steps), "Milliseconds per note along the run."),
    ]
    body = (
        f'{_head(report, run)}\n<main class="report">\n'
        + "\n".join(part for part in parts if part)
        + "\n</main>"
    )
    return page("Run report", body, asset("page.css") + asset("report.css"))


def _head(report: Report, run: Mapping[str, Any]) -> str:
    title = f"Run over {', '.join(run['sources'])}"
    rules = f"pvl {run['version']}, rules {run['rules_version']}"
    statuses = [(name, f"{report.statuses[name]:,} {name}") for name in _STATUSES]
    if report.failed:
        statuses.append(("failed", f"{report.failed:,} failed"))
    return (
        f"<header><h1>{_text(title)}</h1>"
        f'<span class="codes">{report.counts.get("read", {}).get("notes", 0):,} notes</span>'
        + "".join(f'<span class="status {name}">{words}</span>' for name, words in statuses)
        + f'<span class="rules">{_text(rules)}</span></header>'
    )


def _section(title: str, body: str, note: str = "") -> str:
    under = f'<p class="soft">{note}</p>' if note else ""
    return f"<section><h2>{title}</h2>{body}{under}</section>" if body else ""


def _text(value: str) -> str:
    return escape(printable(value))


def _by_size(counts: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda one: (-one[1], one[0])))


def _bars(counts: Mapping[str, int]) -> str:
    """Bars with their numbers, drawn to the largest."""
    if not any(counts.values()):
        return ""
    return _rows({name: [("all", count)] for name, count in counts.items()})


def _devices(counts: Mapping[str, Mapping[str, int]]) -> str:
    """Notes by number of devices, those that are ready and those under review side by side."""
    split = {status: counts.get(f"devices_{status}", {}) for status in ("ready", "review")}
    numbers = sorted({int(number) for some in split.values() for number in some})
    if not numbers:
        return ""
    rows = {
        str(number): [(status, split[status].get(str(number), 0)) for status in split] for number in numbers
    }
    legend = "".join(f'<span><span class="swatch {name}"></span> {name}</span>' for name in split)
    return f'<p class="legend">{legend}</p>' + _rows(rows)


def _rows(rows: Mapping[str, list[tuple[str, int]]]) -> str:
    most = max(sum(count for _, count in parts) for parts in rows.values())
    html = []
    for name, parts in rows.items():
        at = 0.0
        bars = []
        for kind, count in parts:
            width = 100 * count / most
            style = name if kind == "all" and name in _STATUSES else kind
            bars.append(f'<rect class="bar {style}" x="{at:.2f}%" width="{width:.2f}%" height="100%"/>')
            at += width
        total = sum(count for _, count in parts)
        label = _text(name.replace("_", " "))
        plot = f'<svg role="img" aria-label="{label}: {total:,}">{"".join(bars)}</svg>'
        html.append(
            f'<tr><th scope="row">{label}</th><td class="count">{total:,}</td>'
            f'<td class="plot">{plot}</td></tr>'
        )
    return f'<table class="bars">{"".join(html)}</table>'


def _speed(report: Report) -> str:
    length, size, seconds = report.whole
    if not seconds:
        return ""
    minutes, rest = divmod(seconds, 60)
    figures = {
        "time": f"{int(minutes):,} min {rest:.1f} s",
        "notes per second": f"{length / seconds:,.0f}",
        "megabytes of text": f"{size / 1e6:,.1f}",
        "megabytes per second": f"{size / seconds / 1e6:,.1f}",
    }
    rows = "".join(
        f'<tr><th scope="row">{name}</th><td class="count">{value}</td></tr>'
        for name, value in figures.items()
    )
    return f'<table class="bars">{rows}</table>'


_WIDTH, _HEIGHT, _LEFT, _BOTTOM = 640, 220, 56, 24


def _cost(steps: Sequence[_Step]) -> str:
    """Milliseconds per note, drawn over the number of notes."""
    notes = sum(step[0] for step in steps)
    points: list[tuple[float, float]] = []
    at = waiting = 0
    seconds = 0.0
    for length, _, took in steps:
        waiting, seconds = waiting + length, seconds + took
        if waiting >= notes / _POINTS:
            points.append((at + waiting / 2, 1000 * seconds / waiting))
            at, waiting, seconds = at + waiting, 0, 0.0
    if not points:
        return ""
    top = max(cost for _, cost in points) or 1.0
    right, floor = _WIDTH - 8, _HEIGHT - _BOTTOM

    def x(value: float) -> float:
        return _LEFT + (right - _LEFT) * value / notes

    def y(value: float) -> float:
        return floor - (floor - 12) * value / top

    places = [(f"{x(middle):.1f}", f"{y(cost):.1f}") for middle, cost in points]
    line = " ".join(f"{left},{down}" for left, down in places)
    dots = "".join(f'<circle cx="{left}" cy="{down}" r="2"/>' for left, down in places)
    grid = "".join(
        f'<line x1="{_LEFT}" x2="{right}" y1="{y(value):.1f}" y2="{y(value):.1f}"/>'
        f'<text x="{_LEFT - 6}" y="{y(value) + 4:.1f}" text-anchor="end">{value:.3g}</text>'
        for value in (0.0, top / 2, top)
    )
    return (
        f'<svg class="curve" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="Cost per note">'
        f'{grid}<polyline points="{line}"/>{dots}'
        f'<text x="{_LEFT}" y="{_HEIGHT - 6}">0</text>'
        f'<text x="{right}" y="{_HEIGHT - 6}" text-anchor="end">{notes:,} notes</text></svg>'
    )
