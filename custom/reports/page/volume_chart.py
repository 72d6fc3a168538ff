"""A score against the volume of what was to be found: small lesions are the hard ones."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ..metric_table import number_text, title_of
from .chart import Chart, Shape, series

MOST = 500  # dots of a chart


class VolumePoint(NamedTuple):
    """A class of one patient."""

    case: str
    label: str
    ml: float
    score: float


def volume_charts(metric: str, points: Mapping[str, Sequence[VolumePoint]], class_names: Sequence[str]) -> list[Chart]:
    """A chart for each method on the same axes, a dot for each class of each patient; each class has its own colour."""
    every = [one for own in points.values() for one in own]
    colours = {name: series(number) for number, name in enumerate(class_names)}
    seen = {one.label for one in every}
    charts = []
    for method, own in points.items():
        chart = Chart(method, x_label="volume of the truth [ml]", y_label=title_of(metric), height=240)
        x = chart.x_scale([one.ml for one in every], is_log=True)
        y = chart.y_scale([one.score for one in every])
        step = max(1, -(-len(own) // MOST))
        shown = sorted(own, key=lambda one: one.ml)[::step]
        chart.note = f"1 in {step} of {len(own)}, by volume" if step > 1 else ""
        for one in shown:
            words = f"{one.case}, {one.label}: {one.ml:.3g} ml, {number_text(one.score, metric)}"
            chart.shapes.append(Shape("dot", [(x(one.ml), y(one.score))], colours[one.label], words))
        chart.legend = [(number, name) for name, number in colours.items() if name in seen] if len(seen) > 1 else []
        charts.append(chart)
    return charts
