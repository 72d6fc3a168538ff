"""A picture of a chain of training stages: the cases of each, and the scores."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from .drawing import INK, SOFT, class_colour, new_figure, save_picture, shortened
from .stage_records import CaseCount, Record, case_counts, gains, score_groups, score_of, split_controls, stage_name

ANNOTATED, FILLED_BEFORE, FILLED = "#0072B2", "#F5CF87", "#E69F00"
CONTROL_COLOURS = ("#882255", "#CC79A7", "#999933", "#44AA99")
_STAGE, _PANEL = 2.2, 2.2  # inches: width of a stage, height of a panel
_BEHIND: dict[str, Any] = {"loc": "center left", "bbox_to_anchor": (1, 0.5), "frameon": False, "fontsize": 8}
_ON_WHITE = {"facecolor": "white", "alpha": 0.85, "linewidth": 0, "pad": 0.8}  # keeps numbers readable on lines


def draw_pipeline(picture_file: str | Path, records: Sequence[Record], title: str = "") -> None:
    """Write a PNG: a column for each stage, with the cases it trains on and its scores on the validation set.

    Bars show the cases with annotations only and those that models filled. Each group of scores has a panel, with the
    gain on the stage before and the controls as horizontal lines.
    """
    stages, controls = split_controls(records)
    groups = [group for group in score_groups(records) if any(score_of(one, group) is not None for one in records)]
    width = max(_STAGE * len(stages), 6.0) + 2.5
    figure = new_figure(width, _PANEL * (1 + len(groups)) + 0.8)
    cases, *panels = figure.subplots(1 + len(groups), 1, squeeze=False, sharex=True)[:, 0]
    _draw_cases(cases, stages)
    for axes, group in zip(panels, groups, strict=True):
        _draw_scores(axes, group, stages, controls)
    for axes in (cases, *panels):
        axes.tick_params(axis="both", labelsize=8.5, length=0, colors=INK)
        axes.grid(axis="y", color="0.92", linewidth=0.8)
        axes.set_axisbelow(True)
        axes.spines[["top", "right", "left"]].set_visible(False)
    axes.set_xticks(range(len(stages)), [shortened(stage_name(record), 20) for record in stages])  # of the lowest panel
    figure.suptitle(title, fontsize=15, weight="bold", color=INK)
    save_picture(figure, picture_file)


def _draw_cases(axes: Axes, stages: Sequence[Record]) -> None:
    """Cases of each stage by where their labels come from, one bar on the other."""
    counts = np.array([np.sum([CaseCount(), *case_counts(record).values()], axis=0) for record in stages])
    meanings = ("annotations only", "filled for an earlier stage", "filled for this stage")
    below = np.zeros(len(stages))
    for part, colour, label in zip(counts.reshape(-1, 3).T, (ANNOTATED, FILLED_BEFORE, FILLED), meanings, strict=True):
        bars = axes.bar(range(len(stages)), part, 0.6, below, color=colour, label=label)
        axes.bar_label(bars, [f"{number}" if number else "" for number in part], label_type="center", fontsize=8)
        below += part
    axes.set_title("cases" if stages else "no stage has begun", fontsize=11, weight="bold", loc="left", color=INK)
    axes.legend(**_BEHIND)


def _draw_scores(axes: Axes, group: str, stages: Sequence[Record], controls: Sequence[Record]) -> None:
    dice, nsd = (np.array([_nan(score_of(one, group, metric)) for one in stages]) for metric in ("dice", "nsd"))
    levels = [_nan(score_of(record, group)) for record in controls]
    known = np.array([*dice, *nsd, *levels])
    low, high = float(np.nanmin(known)), float(np.nanmax(known))
    room = 0.35 * max(high - low, 0.15)  # a range below 0.15 would make noise look like progress
    axes.set_ylim(low - room, high + room)
    places = np.arange(len(stages))
    for values, label, colour, face in ((nsd, "NSD", SOFT, "white"), (dice, "DSC", ANNOTATED, ANNOTATED)):
        if np.isfinite(values).any():
            there = np.isfinite(values)
            axes.plot(places[there], values[there], "o-", color=colour, markerfacecolor=face, label=label, zorder=3)
    for number, (record, level) in enumerate(zip(controls, levels, strict=True)):
        if np.isfinite(level):
            colour = CONTROL_COLOURS[number % len(CONTROL_COLOURS)]
            name = f"{stage_name(record)} {level:.3f}"
            axes.axhline(level, color=colour, linestyle=(0, (5, 3)), linewidth=1.3, label=name)
    for x, value, other, gain in zip(places, dice, nsd, gains(stages), strict=True):
        if np.isfinite(value):
            _label_point(axes, float(x), float(value), gain.get(group), above=bool(other < value))
    axes.set_title(group, fontsize=11, weight="bold", loc="left", color=INK)
    axes.legend(**_BEHIND)


def _nan(value: float | None) -> float:
    return math.nan if value is None else value


def _label_point(axes: Axes, x: float, value: float, gain: float | None, above: bool) -> None:
    """The value and behind it the gain, on the side of the point where no other curve is."""
    at: dict[str, Any] = {"textcoords": "offset points", "va": "center", "fontsize": 8.5, "bbox": _ON_WHITE}
    y = 12 if above else -12
    axes.annotate(f"{value:.3f}", (x, value), (-1 if gain is not None else 14, y), ha="right", color=INK, **at)
    if gain is not None:
        colour = class_colour(3) if gain > 0 else class_colour(5) if gain < 0 else SOFT
        axes.annotate(f"{gain:+.3f}", (x, value), (4, y), ha="left", color=colour, weight="bold", **at)
