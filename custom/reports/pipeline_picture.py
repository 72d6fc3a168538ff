"""A picture of a chain of training stages: the cases of each, which model filled them, and the scores."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch, Patch, Rectangle

from .drawing import INK, SOFT, class_colour, new_figure, save_picture, shortened
from .stage_records import (
    DONE,
    Record,
    case_counts,
    clock,
    gains,
    score_groups,
    score_of,
    seconds_of,
    split_controls,
    stage_name,
    text_of,
)

ANNOTATED, FILLED_BEFORE, FILLED = "#0072B2", "#F5CF87", "#E69F00"
CONTROL_COLOURS = ("#882255", "#CC79A7", "#999933", "#44AA99")
_STAGE, _PANEL, _ROW = 3.3, 2.0, 0.36  # inches: width of a stage, height of a panel of scores and of a group of cases
_BOX = 0.68  # width of a box where a stage has 1
_ON_WHITE = {"facecolor": "white", "alpha": 0.85, "linewidth": 0, "pad": 0.8}  # keeps numbers readable on lines


def draw_pipeline(picture_file: str | Path, records: Sequence[Record], title: str = "") -> None:
    """Write a PNG: the stages as boxes from left to right, below each its scores on the validation set.

    A box shows the cases of each group the stage trains on, annotated and filled; an arrow leads from the model that
    filled a group to the stage that trains on it. Each group of scores has a panel, with the gain on the stage before
    and the controls as horizontal lines.
    """
    stages, controls = split_controls(records)
    groups = [group for group in score_groups(records) if any(score_of(one, group) is not None for one in records)]
    rows = max((len(record.get("cases") or {}) for record in stages), default=1)
    heights = [1.9 + _ROW * rows, *[_PANEL] * len(groups)]
    width = max(_STAGE * len(stages), 6.0) + (2.5 if controls else 0.8)
    figure = new_figure(width, sum(heights) + 0.8)
    flow, *panels = figure.subplots(len(heights), 1, squeeze=False, height_ratios=heights, sharex=True)[:, 0]
    flow.set(xlim=(-0.5, max(len(stages), 1) - 0.5), ylim=(-rows - 0.2, 4))
    flow.axis("off")
    _draw_flow(flow, stages, rows)
    for axes, group in zip(panels, groups, strict=True):
        _draw_scores(axes, group, stages, controls)
    if panels:
        panels[-1].set_xticks(range(len(stages)), [stage_name(record) for record in stages])
    figure.suptitle(title, fontsize=15, weight="bold", color=INK)
    save_picture(figure, picture_file)


def _draw_flow(axes: Axes, stages: Sequence[Record], rows: int) -> None:
    """Boxes from 2 down to -`rows` in units of a group of cases, arrows above them."""
    counts = [case_counts(record) for record in stages]
    most = max((sum(count) for groups in counts for count in groups.values()), default=0) or 1
    if not stages:
        axes.text(0, 0, "no stage has begun", color=SOFT, fontsize=11, ha="center")
    for number, (record, groups) in enumerate(zip(stages, counts, strict=True)):
        _draw_stage(axes, record, number - _BOX / 2, rows)
        for row, (group, count) in enumerate(groups.items()):
            _draw_bar(axes, group, count, (number - _BOX / 2 + 0.05, -row - 0.4), most)
    for (start, to), names in _arrows(stages).items():
        left, right = start + 0.25, to - 0.25
        look: dict[str, Any] = {"arrowstyle": "-|>", "color": FILLED, "linewidth": 1.8, "mutation_scale": 13}
        arch = f"arc3,rad={0.35 / (start - to)}"  # of one height
        axes.annotate("", (right, 2.1), (left, 2.1), arrowprops={**look, "connectionstyle": arch, "shrinkA": 0})
        text = f"fills {', '.join(shortened(name, 17) for name in names)}"
        axes.text((left + right) / 2, 3.5, text, ha="center", fontsize=7.5, color=INK, bbox=_ON_WHITE)
    meanings = ("cases with annotations only", "filled for an earlier stage", "filled for this stage")
    colours = (ANNOTATED, FILLED_BEFORE, FILLED)
    handles = [Patch(facecolor=colour, label=label) for colour, label in zip(colours, meanings, strict=True)]
    axes.legend(handles=handles, loc="lower center", bbox_to_anchor=(0.5, 1), ncols=3, frameon=False, fontsize=8.5)


def _arrows(stages: Sequence[Record]) -> dict[tuple[int, int], list[str]]:
    """From stage, to stage -> the groups that are filled."""
    places = {stage_name(record): number for number, record in enumerate(stages)}
    arrows: dict[tuple[int, int], list[str]] = {}
    for number, record in enumerate(stages):
        for fill in record.get("fill") or ():
            source = places.get(str(fill.get("model_stage")))
            if source is not None and source != number:
                arrows.setdefault((source, number), []).append(str(fill["group"]))
    return arrows


def _draw_stage(axes: Axes, record: Record, left: float, rows: int) -> None:
    is_done = record.get("state") == DONE
    style: dict[str, Any] = {"facecolor": "0.975" if is_done else "white", "linestyle": "-" if is_done else "--"}
    box = "round,pad=0,rounding_size=0.03"
    axes.add_patch(
        FancyBboxPatch((left, -rows), _BOX, rows + 2, boxstyle=box, mutation_aspect=8, edgecolor="0.6", **style)
    )
    axes.text(left + 0.05, 1.4, shortened(stage_name(record), 21), fontsize=11, weight="bold", color=INK)
    parts = [] if is_done else [text_of(record.get("state") or "not begun")]
    if record.get("epochs") is not None:
        parts.append(f"{record['epochs']} epoch{'' if record['epochs'] == 1 else 's'}")
    if (seconds := seconds_of(record)) is not None:
        parts.append(clock(seconds))
    axes.text(left + 0.05, 0.75, "   ".join(parts), fontsize=8, color=SOFT)


def _draw_bar(axes: Axes, group: str, count: Sequence[int], place: tuple[float, float], most: int) -> None:
    x, y = place
    length = _BOX - 0.1
    style: dict[str, Any] = {"fontsize": 7.5, "color": INK, "va": "bottom"}
    axes.text(x, y + 0.2, shortened(group, 28), **style)
    axes.text(x + length, y + 0.2, str(sum(count)), ha="right", **style)
    axes.add_patch(Rectangle((x, y - 0.14), length, 0.28, facecolor="0.91", linewidth=0))
    for cases, colour in zip(count, (ANNOTATED, FILLED_BEFORE, FILLED), strict=True):
        axes.add_patch(Rectangle((x, y - 0.14), length * cases / most, 0.28, facecolor=colour, linewidth=0))
        x += length * cases / most


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
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False, fontsize=8)
    axes.tick_params(axis="both", labelsize=8.5, length=0, colors=INK)
    axes.grid(axis="y", color="0.92", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)


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
