"""Training curves of several methods in one chart, each the mean of its trainings."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ..metric_table import title_of
from ..training_curves import EPOCH, GRADIENT_NORM, LOSS, VALIDATION, read_training_log
from .chart import Chart, Shape, series

POINTS = 200  # of a curve at most
Curve = tuple[np.ndarray, np.ndarray]  # epochs and values


def training_charts(logs: Mapping[str, Sequence[Path]]) -> list[Chart]:
    """Loss, each validation metric's mean and each gradient norm over the epochs, one curve a method."""
    columns = {name: [read_training_log(file) for file in files if has_epochs(file)] for name, files in logs.items()}
    names = list(dict.fromkeys(key for runs in columns.values() for run in runs for key in run))
    wanted = [key for key in names if key == LOSS or key.startswith(GRADIENT_NORM)]
    wanted[1:1] = [key for key in names if key.startswith(VALIDATION) and key.count("/") == 1]
    charts = (curve_chart(key, {name: mean_curve(runs, key) for name, runs in columns.items()}) for key in wanted)
    return [chart for chart in charts if chart.shapes]


def has_epochs(log: Path) -> bool:
    """Whether a training's log is there and has a row below its titles."""
    return log.is_file() and len(log.read_text(encoding="utf-8").splitlines()) > 1


def mean_curve(runs: Sequence[Mapping[str, np.ndarray]], key: str) -> Curve:
    """The mean over runs at each epoch that any has a value for."""
    values: dict[float, list[float]] = {}
    for run in runs:
        for epoch, value in zip(run[EPOCH], run.get(key, ()), strict=False):
            if math.isfinite(value):
                values.setdefault(float(epoch), []).append(float(value))
    epochs = np.array(sorted(values))
    return epochs, np.array([np.mean(values[epoch]) for epoch in epochs])


def curve_chart(key: str, curves: Mapping[str, Curve]) -> Chart:
    """One quantity of all methods."""
    chart = Chart(title_of_column(key), x_label="epoch", y_label="")
    drawn = {name: thinned(curve) for name, curve in curves.items()}
    known = np.concatenate([y for _, y in drawn.values()]) if drawn else np.array([])
    x = chart.x_scale([float(one) for epochs, _ in drawn.values() for one in epochs])
    is_log = bool(len(known)) and known.min() > 0 and known.max() / known.min() > 30
    y = chart.y_scale(known.tolist(), is_log)
    for number, (name, (epochs, values)) in enumerate(drawn.items()):
        if len(epochs):
            points = [(x(float(a)), y(float(b))) for a, b in zip(epochs, values, strict=True)]
            words = f"{name}: {values[-1]:.4g} at epoch {epochs[-1]:g}"
            chart.shapes.append(Shape("line", points, series(number), words, look=f"dash{number // 10}"))
            chart.shapes.append(Shape("dot", points[-1:], series(number), words))
            chart.legend.append((series(number), name))
    return chart


def thinned(curve: Curve) -> Curve:
    """At most so many points, each the mean of its neighbours."""
    epochs, values = curve
    if len(epochs) <= POINTS:
        return curve
    parts = np.array_split(np.arange(len(epochs)), POINTS)
    return np.array([epochs[part].mean() for part in parts]), np.array([values[part].mean() for part in parts])


def title_of_column(key: str) -> str:
    """The words for a column of a training's log."""
    if key == LOSS:
        return "Training loss"
    kind, _, name = key.partition("/")
    if f"{kind}/" == VALIDATION:
        return f"Validation: {title_of(name)}"
    return f"Gradient norm: {name.replace('_', ' ')}"
