"""Plots: where each bar, line and label of one stands. The templates draw them as SVG.

Everything a plot shows stands as a figure in a table beside or below it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from math import ceil, log10

from extractor.worklist.learning import Step

WIDTH, HEIGHT = 380, 170
_LEFT, _RIGHT, _TOP, _BOTTOM = 40, 8, 10, 22
_TICKS = 4  # at most, above zero
_LABELS = 6  # at most, below
_WIDEST = 26  # of a bar


@dataclass(frozen=True, slots=True)
class Tick:
    """A label at the edge."""

    at: float
    words: str


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar, and what it says."""

    x: float
    y: float
    width: float
    height: float
    words: str


@dataclass(frozen=True, slots=True)
class Dot:
    """A point of a line, and what it says."""

    x: float
    y: float
    words: str


@dataclass(frozen=True, slots=True)
class Line:
    """A line through its dots."""

    name: str
    dots: tuple[Dot, ...]

    @property
    def points(self) -> str:
        """As SVG has it."""
        return " ".join(f"{dot.x:g},{dot.y:g}" for dot in self.dots)


@dataclass(frozen=True, slots=True)
class Plot:
    """A plot over time.

    Attributes
    ----------
    up, along
        Labels at the left and below.
    bars, lines
        What is drawn.
    """

    up: tuple[Tick, ...]
    along: tuple[Tick, ...]
    bars: tuple[Bar, ...] = ()
    lines: tuple[Line, ...] = ()
    width: int = WIDTH
    height: int = HEIGHT
    left: int = _LEFT
    right: int = WIDTH - _RIGHT
    bottom: int = HEIGHT - _BOTTOM


def ticks(most: float) -> tuple[float, ...]:
    """Round numbers from 0 to at least ``most``.

    Examples
    --------
    >>> ticks(17), ticks(0.9), ticks(0)
    ((0, 5, 10, 15, 20), (0, 0.25, 0.5, 0.75, 1), (0, 1))
    """
    if most <= 0:
        return (0, 1)
    size = 10 ** (ceil(log10(most)) - 1)
    step = next(
        one * size for one in (0.25, 0.5, 1, 2, 2.5, 5, 10) if one * size * _TICKS >= most * (1 - 1e-9)
    )
    number = ceil(most / step - 1e-9)
    return tuple(_plain(index * step) for index in range(number + 1))


def named(begin: date, step: Step) -> str:
    """A period in words.

    Examples
    --------
    >>> named(date(2024, 7, 1), "week"), named(date(2024, 7, 1), "month")
    ('week of 2024-07-01', '2024-07')
    """
    if step == "month":
        return f"{begin:%Y-%m}"
    return f"week of {begin}" if step == "week" else f"{begin}"


def bars(begins: Sequence[date], step: Step, values: Sequence[int], unit: str) -> Plot:
    """A bar for each period.

    Examples
    --------
    >>> plot = bars([date(2024, 7, 1), date(2024, 7, 2)], "day", [3, 0], "notes")
    >>> [bar.words for bar in plot.bars], [tick.words for tick in plot.up]
    (['2024-07-01: 3 notes', '2024-07-02: 0 notes'], ['0', '1', '2', '3'])
    """
    up = _whole(ticks(max(values, default=0)))
    places = _places(len(begins))
    width = min(_WIDEST, max(1.0, 0.75 * (WIDTH - _LEFT - _RIGHT) / max(1, len(begins))))
    drawn = []
    for begin, place, value in zip(begins, places, values, strict=True):
        top = _height(value, up[-1])
        words = f"{named(begin, step)}: {value} {unit}"
        drawn.append(Bar(_round(place - width / 2), top, _round(width), HEIGHT - _BOTTOM - top, words))
    return Plot(_up(up), _along(begins, step, places), bars=tuple(drawn))


def lines(
    begins: Sequence[date],
    step: Step,
    series: Sequence[tuple[str, Sequence[float | None]]],
    unit: str,
    most: float | None = None,
) -> Plot:
    """A line for each series; a period without a value has no dot.

    Examples
    --------
    >>> plot = lines([date(2024, 7, 1), date(2024, 7, 2)], "day", [("median", [2.5, None])], " h", most=10)
    >>> [dot.words for dot in plot.lines[0].dots], plot.up[-1].words
    (['2024-07-01: median 2.5 h'], '10 h')
    """
    known = [value for _, values in series for value in values if value is not None]
    up = ticks(most if most is not None else max(known, default=0))
    places = _places(len(begins))
    drawn = []
    for name, values in series:
        dots = (
            Dot(place, _height(value, up[-1]), f"{named(begin, step)}: {name} {value:.3g}{unit}")
            for begin, place, value in zip(begins, places, values, strict=True)
            if value is not None
        )
        drawn.append(Line(name, tuple(dots)))
    return Plot(_up(up, unit), _along(begins, step, places), lines=tuple(drawn))


def _places(number: int) -> list[float]:
    room = (WIDTH - _LEFT - _RIGHT) / max(1, number)
    return [_round(_LEFT + room * (index + 0.5)) for index in range(number)]


def _height(value: float, most: float) -> float:
    return _round(_TOP + (HEIGHT - _TOP - _BOTTOM) * (1 - min(value, most) / most))


def _up(values: Sequence[float], unit: str = "") -> tuple[Tick, ...]:
    return tuple(Tick(_height(value, values[-1]), f"{value:g}{unit}") for value in values)


def _along(begins: Sequence[date], step: Step, places: Sequence[float]) -> tuple[Tick, ...]:
    every = max(1, ceil(len(begins) / _LABELS))
    form = "%Y-%m" if step == "month" else "%m-%d"
    return tuple(
        Tick(place, begin.strftime(form))
        for begin, place in list(zip(begins, places, strict=True))[every // 2 :: every]
    )


def _whole(values: Sequence[float]) -> tuple[float, ...]:
    """Ticks for what is counted: no halves."""
    return tuple(value for value in values if value == int(value))


def _plain(value: float) -> float:
    rounded = round(value, 6)
    return int(rounded) if rounded == int(rounded) else rounded


def _round(value: float) -> float:
    return round(value, 1)
