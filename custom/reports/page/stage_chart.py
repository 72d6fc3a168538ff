"""The score of each stage of a recipe (Figure 3 of the FLARE23 paper)."""

from collections.abc import Sequence

from ..stage_records import Record, score_groups, score_of, split_controls, stage_name
from .chart import Chart, Shape, series

TITLES = {"dice": "DSC", "nsd": "NSD"}
FEW_GROUPS = 3  # of scores, up to which each has its figures in the chart and in the table


def main_groups(records: Sequence[Record]) -> list[str]:
    """The groups of scores that are shown with figures: all, or where they are many the last, which is their mean."""
    groups = score_groups(records)
    return groups if len(groups) <= FEW_GROUPS else groups[-1:]


def stage_charts(records: Sequence[Record]) -> list[Chart]:
    """A chart for each metric: a curve over the stages for each group of classes, controls as level lines.

    Of many groups only the mean has figures and controls.
    """
    charts = (stage_chart(records, metric) for metric in TITLES)
    return [chart for chart in charts if chart.shapes]


def stage_chart(records: Sequence[Record], metric: str) -> Chart:
    """One metric of all stages."""
    stages, controls = split_controls(records)
    chart = Chart(f"{TITLES[metric]} of each stage", y_label=TITLES[metric], height=300, bottom=56, width=560)
    groups, main = score_groups(records), main_groups(records)
    known = [value for one in records for group in groups if (value := score_of(one, group, metric)) is not None]
    if not known:
        return chart
    y = chart.y_scale(known)
    step = (chart.width - chart.left - chart.right) / max(1, len(stages))
    places = [chart.left + (number + 0.5) * step for number in range(len(stages))]
    chart.x_ticks = [(x, stage_name(one)) for x, one in zip(places, stages, strict=True)]
    for number, group in enumerate(groups):
        scored = [
            (x, value)
            for x, one in zip(places, stages, strict=True)
            if (value := score_of(one, group, metric)) is not None
        ]
        points = [(x, y(value)) for x, value in scored]
        chart.shapes.append(Shape("line", points, series(number), group, look="thick" if group in main else ""))
        for (x, at), (_, value) in zip(points, scored, strict=True):
            chart.shapes.append(Shape("dot", [(x, at)], series(number), f"{group}: {value:.3f}"))
            if group in main:
                chart.shapes.append(Shape("text", [(x, at - 8)], series(number), text=f"{value:.3f}"))
        chart.legend.append((series(number), group))
        for control in controls if group in main else ():
            level = score_of(control, group, metric)
            if level is not None:
                ends = [(chart.left, y(level)), (chart.width - chart.right, y(level))]
                words = f"control {stage_name(control)}, {group}: {level:.3f}"
                chart.shapes.append(Shape("line", ends, series(number), words, look="dash1"))
                chart.legend.append((series(number), f"{group}: {stage_name(control)} (dashed)"))
    return chart
