"""A picture of a chain of training stages: the cases of each, which model filled them, and the scores."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Patch, Rectangle

from ..io.atomic_write import replacing
from .case_picture import DOTS_PER_INCH, class_colour
from .stage_records import (
    DONE,
    CaseCount,
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

_INK, _SOFT, _LINE = "0.15", "0.45", "0.75"
_ANNOTATED, _FILLED_BEFORE, _FILLED = "#0072B2", "#F5CF87", "#E69F00"
_CONTROL_COLOURS = ("#882255", "#CC79A7", "#999933", "#44AA99")
_BOX, _SPACE, _SIDE = 2.3, 1.15, 0.75  # inches: width of a stage, between two, beside all
_TITLE_HEIGHT, _PANEL_HEIGHT, _BAR_HEIGHT = 0.95, 1.75, 0.36
_LETTER = 0.066  # inches: width of one at 8 points
_ON_WHITE = {"facecolor": "white", "alpha": 0.85, "linewidth": 0, "pad": 0.8}  # keeps numbers readable on lines


def draw_pipeline(picture_file: str | Path, records: Sequence[Record], title: str = "") -> None:
    """Write a PNG: the stages as boxes from left to right, below each its scores on the validation set.

    A box shows the cases of each group the stage trains on, annotated and filled; an arrow leads from the model that
    filled a group to the stage that trains on it. Each group of scores has a panel, with the gain on the stage before
    and the controls as horizontal lines.
    """
    stages, controls = split_controls(records)
    groups = [group for group in score_groups(records) if any(score_of(one, group) is not None for one in records)]
    longest = max((len(stage_name(record)) for record in controls), default=0)
    beside = 0.3 + _LETTER * (longest + 6) if controls else 0.35  # the names and values of the controls
    width = max(_SIDE + len(stages) * (_BOX + _SPACE) - _SPACE + 0.3 + beside, 7.5)
    box_height = 0.85 + _BAR_HEIGHT * max((len(record.get("cases") or {}) for record in stages), default=1)
    arcs = _arc_room(stages)
    flow_height = box_height + arcs + 0.55
    height = _TITLE_HEIGHT + flow_height + (_PANEL_HEIGHT + 0.35) * len(groups) + (0.35 if groups else 0.1)
    figure = Figure(figsize=(width, height), dpi=DOTS_PER_INCH, facecolor="white")
    FigureCanvasAgg(figure)
    figure.text(_SIDE / width, 1 - 0.22 / height, title, fontsize=15, weight="bold", va="top", color=_INK)
    bottom = height - _TITLE_HEIGHT - flow_height
    flow = figure.add_axes((0, bottom / height, 1, flow_height / height))
    flow.set(xlim=(0, width), ylim=(0, flow_height))
    flow.axis("off")
    _draw_flow(flow, stages, box_height)
    _draw_flow_legend(figure, ((_SIDE - 0.05) / width, 1 - 0.47 / height))
    for number, group in enumerate(groups):
        low = bottom - (number + 1) * (_PANEL_HEIGHT + 0.35) + 0.1
        right = width - beside
        box = (_SIDE / width, low / height, (right - _SIDE) / width, _PANEL_HEIGHT / height)
        axes = figure.add_axes(box)
        axes.set_xlim(_SIDE, right)
        _draw_scores(axes, group, stages, controls, is_last=number == len(groups) - 1)
    with replacing(picture_file) as temporary:
        figure.savefig(temporary, format="png")


def _box_left(number: int) -> float:
    return _SIDE + number * (_BOX + _SPACE)


def _stage_places(stages: Sequence[Record]) -> dict[str, int]:
    return {stage_name(record): number for number, record in enumerate(stages)}


def _arrows(stages: Sequence[Record]) -> dict[tuple[int, int], list[str]]:
    """From stage, to stage -> the groups that are filled."""
    places = _stage_places(stages)
    arrows: dict[tuple[int, int], list[str]] = {}
    for number, record in enumerate(stages):
        for fill in record.get("fill") or ():
            source = places.get(str(fill.get("model_stage")))
            if source is not None and source != number:
                arrows.setdefault((source, number), []).append(str(fill["group"]))
    return arrows


def _arc_room(stages: Sequence[Record]) -> float:
    """Height above the boxes for the arrows that pass over some."""
    return 0.38 * max((abs(to - start) - 1 for start, to in _arrows(stages)), default=0) + 0.05


def _draw_flow(axes: Axes, stages: Sequence[Record], box_height: float) -> None:
    counts = [case_counts(record) for record in stages]
    most = max((sum(count) for groups in counts for count in groups.values()), default=1)
    bottom = 0.4
    if not stages:
        axes.text(_SIDE, bottom + box_height / 2, "no stage has begun", color=_SOFT, fontsize=11)
    for number, record in enumerate(stages):
        _draw_stage(axes, record, (_box_left(number), bottom), box_height)
        for row, (group, count) in enumerate(counts[number].items()):
            y = bottom + box_height - 0.82 - row * _BAR_HEIGHT
            _draw_bar(axes, group, count, (_box_left(number) + 0.13, y), max(most, 1))
    arrows = _arrows(stages)
    for (start, to), names in arrows.items():
        _draw_arrow(axes, start, to, [_shortened(name, 17) for name in names], bottom, box_height)
    for start, to in pairwise(range(len(stages))):
        if (start, to) not in arrows:
            y = bottom + box_height / 2
            axes.plot([_box_left(start) + _BOX + 0.1, _box_left(to) - 0.1], [y, y], color="0.85", linewidth=1)


def _draw_stage(axes: Axes, record: Record, place: tuple[float, float], height: float) -> None:
    x, y = place
    is_done = record.get("state") == DONE
    style: dict[str, Any] = {
        "facecolor": "0.975" if is_done else "white",
        "edgecolor": "0.6",
        "linestyle": "-" if is_done else "--",
    }
    shape = "round,pad=0,rounding_size=0.09"
    axes.add_patch(FancyBboxPatch((x, y), _BOX, height, boxstyle=shape, linewidth=1.1, **style))
    top = y + height
    name = _shortened(stage_name(record), 21)
    axes.text(x + 0.13, top - 0.13, name, fontsize=11, weight="bold", va="top", color=_INK)
    parts = [] if is_done else [text_of(record.get("state") or "not begun")]
    if record.get("epochs") is not None:
        parts.append(f"{record['epochs']} epoch{'' if record['epochs'] == 1 else 's'}")
    if (seconds := seconds_of(record)) is not None:
        parts.append(clock(seconds))
    axes.text(x + 0.13, top - 0.37, "   ".join(parts), fontsize=8, va="top", color=_SOFT)


def _draw_bar(axes: Axes, group: str, count: CaseCount, place: tuple[float, float], most: int) -> None:
    x, y = place
    length = _BOX - 0.26
    axes.text(x, y + 0.065, _shortened(group, 28), fontsize=7.5, color=_INK, va="bottom")
    axes.text(x + length, y + 0.065, str(sum(count)), fontsize=7.5, color=_INK, va="bottom", ha="right")
    axes.add_patch(Rectangle((x, y - 0.05), length, 0.1, facecolor="0.91", linewidth=0))
    for cases, colour in zip(count, (_ANNOTATED, _FILLED_BEFORE, _FILLED), strict=True):
        axes.add_patch(Rectangle((x, y - 0.05), length * cases / most, 0.1, facecolor=colour, linewidth=0))
        x += length * cases / most


def _shortened(name: str, letters: int) -> str:
    return name if len(name) <= letters else f"{name[: letters - 6]}...{name[-3:]}"


def _draw_arrow(axes: Axes, start: int, to: int, groups: Sequence[str], bottom: float, box_height: float) -> None:
    """Straight to the next stage, over the boxes between to a later one."""
    text = "fills\n" + "\n".join(groups)
    look: dict[str, Any] = {"arrowstyle": "-|>", "mutation_scale": 13, "color": _FILLED, "linewidth": 1.8}
    style: dict[str, Any] = {"fontsize": 7.5, "color": _INK, "ha": "center"}
    if abs(to - start) == 1:
        y = bottom + box_height / 2
        left, right = _box_left(start) + _BOX + 0.06, _box_left(to) - 0.06
        axes.add_patch(FancyArrowPatch((left, y), (right, y), shrinkA=0, shrinkB=0, **look))
        axes.text((left + right) / 2, y + 0.09, text, va="bottom", linespacing=1.2, **style)
        return
    top = bottom + box_height
    rise = 0.38 * (abs(to - start) - 1)
    left, right = _box_left(start) + 0.72 * _BOX, _box_left(to) + 0.28 * _BOX
    corners = f"bar,angle=180,fraction={-rise / abs(right - left):.4f}"
    ends = ((left, top + 0.04), (right, top + 0.04))
    axes.add_patch(FancyArrowPatch(*ends, connectionstyle=corners, shrinkA=0, shrinkB=0, **look))
    axes.text((left + right) / 2, top + 0.04 + rise + 0.03, f"fills {', '.join(groups)}", va="bottom", **style)


def _draw_flow_legend(figure: Figure, corner: tuple[float, float]) -> None:
    meanings = {
        _ANNOTATED: "cases with annotations only",
        _FILLED_BEFORE: "filled for an earlier stage",
        _FILLED: "filled for this stage",
    }
    handles = [Patch(facecolor=colour, label=label) for colour, label in meanings.items()]
    style: dict[str, Any] = {"frameon": False, "fontsize": 8.5, "handlelength": 1.3, "borderpad": 0}
    figure.legend(handles=handles, loc="upper left", bbox_to_anchor=corner, ncols=3, columnspacing=1.5, **style)


def _draw_scores(axes: Axes, group: str, stages: Sequence[Record], controls: Sequence[Record], is_last: bool) -> None:
    centres = [_box_left(number) + _BOX / 2 for number in range(len(stages))]
    dice = np.array([_nan(score_of(record, group)) for record in stages])
    nsd = np.array([_nan(score_of(record, group, "nsd")) for record in stages])
    levels = [(stage_name(record), score_of(record, group)) for record in controls]
    known = np.array([*dice, *nsd, *(_nan(level) for _, level in levels)])
    low, high = _score_range(known[np.isfinite(known)])
    axes.set_ylim(low, high)
    for number, (_, level) in enumerate(levels):
        if level is not None:
            axes.axhline(level, color=_CONTROL_COLOURS[number % len(_CONTROL_COLOURS)], linestyle=(0, (5, 3)), lw=1.3)
    _label_controls(axes, levels)
    _draw_line(axes, centres, nsd, "NSD", _SOFT, "o", filled=False)
    _draw_line(axes, centres, dice, "DSC", _ANNOTATED, "o", filled=True)
    for x, value, other, gain in zip(centres, dice, nsd, gains(stages), strict=True):
        if np.isfinite(value):
            _label_point(axes, x, float(value), gain.get(group), above=bool(other < value))
    axes.set_title(group, fontsize=11, weight="bold", loc="left", color=_INK, pad=5)
    axes.set_xticks(centres, [stage_name(record) for record in stages] if is_last else [""] * len(stages))
    axes.tick_params(axis="both", labelsize=8.5, length=0, colors=_INK)
    axes.grid(axis="y", color="0.92", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(_LINE)


def _nan(value: float | None) -> float:
    return math.nan if value is None else value


def _score_range(values: np.ndarray) -> tuple[float, float]:
    """All values with room for their labels; a range below 0.15 would make noise look like progress."""
    low, high = float(values.min()), float(values.max())
    room = max(high - low, 0.15)
    return low - 0.35 * room, high + 0.35 * room


def _draw_line(
    axes: Axes, x: Sequence[float], y: np.ndarray, label: str, colour: str, marker: str, filled: bool
) -> None:
    finite = np.isfinite(y)
    if not finite.any():
        return
    style: dict[str, Any] = {"markerfacecolor": colour if filled else "white", "markersize": 6, "markeredgewidth": 1.3}
    width = 2.0 if filled else 1.2
    places = np.asarray(x)[finite]
    axes.plot(places, y[finite], color=colour, linewidth=width, marker=marker, zorder=3, **style)
    at: dict[str, Any] = {"textcoords": "offset points", "ha": "right", "va": "center", "bbox": _ON_WHITE}
    axes.annotate(label, (places[0], y[finite][0]), (-9, 0), fontsize=8.5, color=colour, **at)


def _label_point(axes: Axes, x: float, value: float, gain: float | None, above: bool) -> None:
    """The value and behind it the gain, on the side of the point where no other curve is."""
    at: dict[str, Any] = {"textcoords": "offset points", "va": "center", "fontsize": 8.5, "bbox": _ON_WHITE}
    y = 12 if above else -12
    axes.annotate(f"{value:.3f}", (x, value), (-1 if gain is not None else 14, y), ha="right", color=_INK, **at)
    if gain is not None:
        colour = class_colour(3) if gain > 0 else class_colour(5) if gain < 0 else _SOFT
        axes.annotate(f"{gain:+.3f}", (x, value), (4, y), ha="left", color=colour, weight="bold", **at)


def _label_controls(axes: Axes, levels: Sequence[tuple[str, float | None]]) -> None:
    """Name and value at the right of each line, moved apart where lines are close."""
    low, high = axes.get_ylim()
    step = 0.115 * (high - low)
    shown = sorted((level, number, name) for number, (name, level) in enumerate(levels) if level is not None)
    places: list[float] = []
    for level, _, _ in shown:
        places.append(level if not places else max(level, places[-1] + step))
    for (level, number, name), place in zip(shown, places, strict=True):
        colour = _CONTROL_COLOURS[number % len(_CONTROL_COLOURS)]
        axes.annotate(
            f"{name} {level:.3f}",
            (1, place),
            (5, 0),
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            color=colour,
            fontsize=8,
            va="center",
            annotation_clip=False,
        )
