"""A chart as data: shapes in the pixels of an SVG, which the page's template draws in the reader's colours."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from matplotlib.ticker import LogLocator, MaxNLocator

COLOURS = 10  # of series in the page's style sheet


class Scale(NamedTuple):
    """From values to pixels along one axis."""

    low: float
    high: float
    start: float
    end: float
    is_log: bool = False

    def __call__(self, value: float) -> float:
        """The pixel of a value; values beyond the axis lie at its end."""
        low, high, at = (math.log10(one) if self.is_log else one for one in (self.low, self.high, self.inside(value)))
        return round(self.start + (at - low) / (high - low) * (self.end - self.start), 1)

    def inside(self, value: float) -> float:
        """The value, or the end of the axis that it lies beyond."""
        return min(max(value, self.low), self.high)

    def ticks(self, count: int = 5) -> list[tuple[float, str]]:
        """Pixel and label of round values."""
        few = self.is_log and self.high / self.low < 30  # decades alone would be one tick or two
        logarithmic = LogLocator(subs=(1, 2, 5) if few else (1,), numticks=count + 2)
        locator = logarithmic if self.is_log else MaxNLocator(count, steps=[1, 2, 2.5, 5, 10])
        inner = [one for one in locator.tick_values(self.low, self.high) if self.low <= one <= self.high * (1 + 1e-9)]
        return [(self(float(one)), f"{one:.6g}") for one in inner]


class Shape(NamedTuple):
    """One mark: a "line" or "area" through points, a "dot", a "bar" (corner and opposite corner), or "text"."""

    kind: str
    points: Sequence[tuple[float, float]]
    series: int = 0  # its colour, from 1; 0: that of text
    title: str = ""  # shown where a mouse points
    text: str = ""
    look: str = ""  # class of the style sheet

    @property
    def path(self) -> str:
        """The points as SVG writes them."""
        return " ".join(f"{x:g},{y:g}" for x, y in self.points)


@dataclass
class Chart:
    """A picture of `width` x `height` pixels, of which `left`, `right`, `top` and `bottom` are margins."""

    title: str
    x_label: str = ""
    y_label: str = ""
    width: int = 460
    height: int = 280
    left: int = 52
    right: int = 12
    top: int = 10
    bottom: int = 40
    x_ticks: list[tuple[float, str]] = field(default_factory=list)
    y_ticks: list[tuple[float, str]] = field(default_factory=list)
    shapes: list[Shape] = field(default_factory=list)
    legend: list[tuple[int, str]] = field(default_factory=list)
    note: str = ""

    def x_scale(self, values: Sequence[float], is_log: bool = False) -> Scale:
        """The horizontal axis of some values, whose ticks are drawn."""
        scale = Scale(*limits(values, is_log), self.left, self.width - self.right, is_log)
        self.x_ticks = scale.ticks()
        return scale

    def y_scale(self, values: Sequence[float], is_log: bool = False) -> Scale:
        """The vertical axis, growing upwards."""
        scale = Scale(*limits(values, is_log), self.height - self.bottom, self.top, is_log)
        self.y_ticks = scale.ticks()
        return scale


def limits(values: Sequence[float], is_log: bool = False) -> tuple[float, float]:
    """Round ends of an axis: 0 to 1 for values of that range, else somewhat more than the values."""
    known = np.asarray([one for one in values if math.isfinite(one) and (one > 0 or not is_log)], dtype=float)
    if not len(known):
        return (0.1, 1.0) if is_log else (0.0, 1.0)
    low, high = float(known.min()), float(known.max())
    if is_log:
        return low / 1.3, high * 1.3
    if low >= 0 and high <= 1 and (high > 0.2 or low == high):
        return 0.0, 1.0
    room = 0.05 * (high - low) or 0.5 * abs(high) or 0.5
    return (0.0 if low >= 0 and low < 0.5 * high else low - room), high + room


def series(number: int) -> int:
    """The colour of the series of this number, from 0."""
    return number % COLOURS + 1
