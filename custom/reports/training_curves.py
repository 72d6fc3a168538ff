"""A picture of a training run: losses, validation metrics, learning rate and gradient norms over the epochs."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from ..errors import InputError
from .drawing import INK, class_colour, new_figure, save_picture

# The columns of the log, besides those with a prefix: "loss/TERM", "gradient_norm/NAME", "validation/METRIC" and
# "validation/METRIC/CLASS".
EPOCH, LEARNING_RATE, LOSS = "epoch", "learning_rate", "loss"
LOSS_TERM, GRADIENT_NORM, VALIDATION = "loss/", "gradient_norm/", "validation/"

_PANEL = (6.2, 3.4)  # inches: width, height
_MARKED = 40  # points up to which each is marked
_SMOOTHED = 100  # points from which a running mean is drawn over the pale values
_DISTANCE_WORDS = ("hd", "hd95", "hausdorff", "asd", "assd", "distance")
_FILLER_WORDS = ("val", "validation", "mean", "average", "per", "by", "class", "classes", "mm")
_LABELS = {  # kind of panel: title, label of the axis
    LOSS: ("Training loss", "loss, mean over the epoch"),
    LEARNING_RATE: ("Learning rate", "learning rate"),
    GRADIENT_NORM: ("Gradient norms", "L2 norm of the gradient"),
}


def draw_training_curves(log_file: str | Path, picture_file: str | Path, title: str = "") -> None:
    """Write a PNG of the curves in a CSV log of one row per epoch (`custom.engines.TrainingLog` writes such a log).

    Panels: the loss and its terms; each validation metric, per class and as mean; the learning rate; the gradient
    norms. A panel without values is left out. Values that span decades are drawn on a logarithmic axis.

    Raises:
        InputError: the log is missing, has no row, or holds something else than numbers.
    """
    columns = read_training_log(log_file)
    panels = panels_of(columns)
    rows = -(-len(panels) // 2)
    figure = new_figure(2 * _PANEL[0], rows * _PANEL[1] + (0.4 if title else 0))
    grid = figure.add_gridspec(rows, 2)
    for number, (kind, names) in enumerate(panels):
        is_alone = number == len(panels) - 1 and number % 2 == 0
        axes = figure.add_subplot(grid[number // 2, :] if is_alone else grid[number // 2, number % 2])
        curves = {name: columns[name] for name in names}
        if kind in _LABELS:
            _draw_curves(axes, columns[EPOCH], kind, curves)
        else:
            _draw_metric(axes, columns[EPOCH], kind, curves)
        _finish(axes, columns[EPOCH])
    if title:
        figure.suptitle(title, fontsize=14, weight="bold")
    save_picture(figure, picture_file)


def read_training_log(log_file: str | Path) -> dict[str, np.ndarray]:
    """The columns of the log as float arrays, one value a row, NaN where a cell is empty.

    Raises:
        InputError: as `draw_training_curves`.
    """
    path = Path(log_file)
    if not path.is_file():
        raise InputError(f"{path}: no such training log; train first, or give the log's place")
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            names = list(reader.fieldnames or [])
            rows = list(reader)
        columns = {name: np.array([float(row[name] or "nan") for row in rows]) for name in names}
    except (ValueError, csv.Error) as error:
        raise InputError(f"{path}: not a training log ({error}); repair the row or remove it") from error
    if EPOCH not in names or not rows:
        raise InputError(f"{path}: not a training log with a column {EPOCH!r} and a row per epoch; train first")
    return columns


def panels_of(columns: dict[str, np.ndarray]) -> list[tuple[str, list[str]]]:
    """Kind of panel and the columns in it; a validation panel's kind is its metric, such as "dice"."""
    filled = [name for name, values in columns.items() if np.isfinite(values).any()]
    panels = [(LOSS, [name for name in filled if name == LOSS or name.startswith(LOSS_TERM)])]
    metrics: dict[str, list[str]] = {}
    for name in filled:
        if name.startswith(VALIDATION):
            metrics.setdefault(metric_family(name), []).append(name)
    panels += metrics.items()
    panels.append((LEARNING_RATE, [name for name in filled if name == LEARNING_RATE]))
    panels.append((GRADIENT_NORM, [name for name in filled if name.startswith(GRADIENT_NORM)]))
    return [(kind, names) for kind, names in panels if names] or [(LOSS, [])]


def metric_family(column: str) -> str:
    """What a validation column measures, whichever way it is averaged: "validation/val_mean_dice" -> "dice"."""
    metric = column.removeprefix(VALIDATION).split("/")[0]
    words = [word for word in metric.lower().replace("-", "_").split("_") if word not in _FILLER_WORDS]
    return " ".join(words) or metric


def _draw_curves(axes: Axes, epochs: np.ndarray, kind: str, curves: Mapping[str, np.ndarray]) -> None:
    """Losses, gradient norms or the learning rate; the total of a loss in black."""
    title, label = _LABELS[kind]
    axes.set(title=title, ylabel=label)
    number = 0
    for name, values in curves.items():
        if name in (LOSS, LEARNING_RATE):
            _draw_curve(axes, epochs, values, "total" if name == LOSS else None, INK, 2.2)
        else:
            number += 1
            _draw_curve(axes, epochs, values, name.split("/", 1)[1].replace("_", " "), class_colour(number), 1.4)
    values = _finite(curves)
    if kind == LEARNING_RATE:
        axes.ticklabel_format(axis="y", style="sci", scilimits=(-4, 4))
        axes.set_ylim(bottom=0, top=1.08 * max(float(values.max()), np.finfo(float).tiny))
    elif values.size and values.min() > 0 and values.max() / values.min() > 10**1.5:
        axes.set_yscale("log")  # on a linear axis they would be flat lines


def _draw_metric(axes: Axes, epochs: np.ndarray, family: str, curves: Mapping[str, np.ndarray]) -> None:
    is_distance = any(word in _DISTANCE_WORDS for word in family.split())
    classes = [name for name in curves if name.count("/") == 2]
    means = {name.removeprefix(VALIDATION): values for name, values in curves.items() if name not in classes}
    for number, name in enumerate(classes, start=1):
        _draw_curve(axes, epochs, curves[name], name.rsplit("/", 1)[1].replace("_", " "), class_colour(number), 1.3)
    if not means:
        means = {"mean over classes": mean_over_classes([curves[name] for name in classes])}
    for number, (name, values) in enumerate(means.items()):
        label = "mean" if len(means) == 1 and classes else name.replace("_", " ")
        _draw_curve(axes, epochs, values, label, INK if number == 0 else class_colour(len(classes) + number), 2.2)
    first = next(iter(means.values()))
    if np.isfinite(first).any():
        best = int(np.nanargmin(first) if is_distance else np.nanargmax(first))
        text = f"best {first[best]:.3g} (epoch {epochs[best]:.0f})"
        axes.plot(epochs[best], first[best], "*", color=INK, markersize=11, label=text, zorder=5)
    name = family.upper() if is_distance and len(family) <= 4 else family.capitalize()
    axes.set(title=f"Validation: {name}", ylabel=f"{name} [mm]" if is_distance else name)
    values = _finite(curves)
    if values.min() >= 0 and values.max() <= 1:
        axes.set_ylim(-0.02, 1.02)
    elif is_distance:
        axes.set_ylim(bottom=0)


def mean_over_classes(curves: list[np.ndarray]) -> np.ndarray:
    """The mean of curves (epochs,) at each epoch, without those that have no value there."""
    table = np.stack(curves)
    counts = np.isfinite(table).sum(axis=0)
    return np.where(counts > 0, np.nansum(table, axis=0) / np.maximum(counts, 1), np.nan)


def _finite(curves: Mapping[str, np.ndarray]) -> np.ndarray:
    values = np.concatenate([np.empty(0), *curves.values()])
    return values[np.isfinite(values)]


def _draw_curve(
    axes: Axes, epochs: np.ndarray, values: np.ndarray, label: str | None, colour: str, linewidth: float
) -> None:
    """Draw the finite values, joined; marked one by one where few, pale under their running mean where many."""
    finite = np.isfinite(values)
    x, y = epochs[finite], values[finite]
    marker = "o" if len(x) <= _MARKED else None
    if len(x) >= _SMOOTHED:
        axes.plot(x, y, color=colour, linewidth=0.7, alpha=0.3)
        y = running_mean(y, max(5, len(y) // 40))
    axes.plot(x, y, color=colour, linewidth=linewidth, marker=marker, markersize=2 + linewidth, label=label)


def running_mean(values: np.ndarray, window: int) -> np.ndarray:
    """Centred mean over at most `window` values, fewer at the ends."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    places = np.arange(len(values))
    first = np.maximum(places - window // 2, 0)
    last = np.minimum(places + window // 2 + 1, len(values))
    return (sums[last] - sums[first]) / (last - first)


def _finish(axes: Axes, epochs: np.ndarray) -> None:
    first, last = float(np.nanmin(epochs)), float(np.nanmax(epochs))
    room = max(0.5, 0.02 * (last - first))
    axes.set_xlim(first - room, last + room)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=8, steps=[1, 2, 5, 10], integer=True, min_n_ticks=1))
    axes.set_xlabel("epoch")
    axes.grid(color="0.9", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    _, labels = axes.get_legend_handles_labels()
    if labels:
        columns = math.ceil(len(labels) / 16)
        axes.legend(loc="upper left", bbox_to_anchor=(1, 1), fontsize=8.5, frameon=False, ncols=columns)
