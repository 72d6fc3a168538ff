"""A picture of a training run: losses, validation metrics, learning rate and gradient norms over the epochs."""

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from scipy.ndimage import uniform_filter1d

from ..errors import InputError
from .drawing import INK, class_colour, new_figure, save_picture
from .metric_table import title_of
from .text_table import read_csv

# The columns of the log, apart from those with a prefix: "loss/TERM", "gradient_norm/NAME", "validation/METRIC" and
# "validation/METRIC/CLASS".
EPOCH, LEARNING_RATE, LOSS = "epoch", "learning_rate", "loss"
LOSS_TERM, GRADIENT_NORM, VALIDATION = "loss/", "gradient_norm/", "validation/"

_PANEL = (6.2, 3.4)  # inches: width, height
_MARKED = 40  # points up to which each is marked
_SMOOTHED = 100  # points from which a running mean is drawn over the pale values
_LABELS = {  # kind of panel: title, label of the axis
    LOSS: ("Training loss", "loss, mean over the epoch"),
    LEARNING_RATE: ("Learning rate", "learning rate"),
    GRADIENT_NORM: ("Gradient norms", "L2 norm of the gradient"),
}


def draw_training_curves(log_file: str | Path, picture_file: str | Path, title: str = "") -> None:
    """Write a PNG of the curves in a CSV log of one row per epoch (`custom.engines.TrainingLog` writes such a log).

    Panels: the loss and its terms; each validation metric, per class and as mean; the learning rate; the gradient
    norms. A panel without values is left out. Values that span decades are drawn on a logarithmic axis. Raises
    InputError: the log is missing, has no row, or holds something else than numbers.
    """
    columns = read_training_log(log_file)
    panels = panels_of(columns)
    rows = -(-len(panels) // 2)
    figure = new_figure(2 * _PANEL[0], rows * _PANEL[1] + (0.4 if title else 0))
    grid = figure.add_gridspec(rows, 2)
    for number, (kind, names) in enumerate(panels.items()):
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

    Raises InputError: as `draw_training_curves`.
    """
    path = Path(log_file)
    if not path.is_file():
        raise InputError(f"{path}: no such training log; train first, or give the log's place")
    rows = read_csv(path)
    if not rows or EPOCH not in rows[0]:
        raise InputError(f"{path}: not a training log with a column {EPOCH!r} and a row per epoch; train first")
    try:
        return {name: np.array([float(row[name] or "nan") for row in rows]) for name in rows[0]}
    except (TypeError, ValueError) as error:
        raise InputError(f"{path}: not a training log ({error}); repair the row or remove it") from error


def panels_of(columns: Mapping[str, np.ndarray]) -> dict[str, list[str]]:
    """Kind of panel -> its columns that have a value; the kinds of validation panels are as "validation/dice"."""
    filled = [name for name, values in columns.items() if np.isfinite(values).any()]
    metrics = ("/".join(name.split("/")[:2]) for name in filled if name.startswith(VALIDATION))
    kinds = dict.fromkeys([LOSS, *metrics, LEARNING_RATE, GRADIENT_NORM])
    panels = {kind: [name for name in filled if f"{name}/".startswith(f"{kind.rstrip('/')}/")] for kind in kinds}
    return {kind: names for kind, names in panels.items() if names} or {LOSS: []}


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


def _draw_metric(axes: Axes, epochs: np.ndarray, kind: str, curves: Mapping[str, np.ndarray]) -> None:
    """A metric of each class and, in black with its best epoch, as mean."""
    metric = kind.removeprefix(VALIDATION)
    is_distance = metric.endswith("_mm")
    classes = [name for name in curves if name != kind]
    for number, name in enumerate(classes, start=1):
        _draw_curve(axes, epochs, curves[name], name.rsplit("/", 1)[1].replace("_", " "), class_colour(number), 1.3)
    if kind in curves:
        mean = curves[kind]
        _draw_curve(axes, epochs, mean, "mean" if classes else None, INK, 2.2)
        best = int(np.nanargmin(mean) if is_distance else np.nanargmax(mean))
        text = f"best {mean[best]:.3g} (epoch {epochs[best]:.0f})"
        axes.plot(epochs[best], mean[best], "*", color=INK, markersize=11, label=text, zorder=5)
    title = title_of(metric)
    axes.set(title=f"Validation: {title}", ylabel=title)
    values = _finite(curves)
    if values.min() >= 0 and values.max() <= 1:
        axes.set_ylim(-0.02, 1.02)
    elif is_distance:
        axes.set_ylim(bottom=0)


def _finite(curves: Mapping[str, np.ndarray]) -> np.ndarray:
    values = np.array(list(curves.values()))
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
        y = uniform_filter1d(y, max(5, len(y) // 40), mode="nearest")
    axes.plot(x, y, color=colour, linewidth=linewidth, marker=marker, markersize=2 + linewidth, label=label)


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
