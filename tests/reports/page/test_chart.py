"""Axes and marks of charts."""

import pytest

from custom.reports.page.box_plot import box_plot
from custom.reports.page.chart import Chart, limits
from custom.reports.page.curve_chart import POINTS, training_charts
from custom.reports.page.stage_chart import stage_charts
from custom.reports.page.volume_chart import VolumePoint, volume_charts

from ..stage_chain import CONTROLS, records
from .page_folders import write_log


def test_scores_are_drawn_from_0_to_1_and_distances_from_0():
    assert limits([0.3, 0.9]) == (0.0, 1.0)
    assert limits([2, 40]) == (0.0, pytest.approx(41.9))
    assert limits([]) == (0.0, 1.0)
    assert limits([5.0, float("nan")])[0] < 5


def test_axes_grow_to_the_right_and_upwards():
    chart = Chart("a")
    x, y = chart.x_scale([1, 100], is_log=True), chart.y_scale([0, 1])
    assert x(1) < x(10) < x(100)
    assert x(10) - x(1) == pytest.approx(x(100) - x(10), abs=0.2), "decades are of one length"
    assert y(1) < y(0), "pixels count downwards"
    assert [text for _, text in chart.y_ticks] == ["0", "0.2", "0.4", "0.6", "0.8", "1"]
    assert x(1e9) == chart.width - chart.right, "what lies beyond is at the end"


def test_a_box_says_its_quartiles():
    chart = box_plot("Dice", "dice", {"a": {f"case{n}": n / 8 for n in range(9)}, "nobody": {}})
    (rectangle,) = (shape for shape in chart.shapes if shape.kind == "bar")
    assert rectangle.title == "9 patients, median 0.500, quartiles 0.250 and 0.750"
    assert len([shape for shape in chart.shapes if shape.kind == "dot"]) == 9
    assert [name for _, name in chart.y_ticks] == ["a", "nobody"]


def test_curves_are_means_over_trainings(tmp_path):
    logs = [tmp_path / name / "log.csv" for name in "ab"]
    for log, left in zip(logs, (0.1, 0.3), strict=True):
        write_log(log, left, epochs=3 * POINTS)
    charts = {chart.title: chart for chart in training_charts({"ours": [*logs, tmp_path / "later.csv"]})}
    assert list(charts) == ["Training loss", "Validation: Dice", "Gradient norm: segmentation"]
    curve, end = charts["Training loss"].shapes
    assert len(curve.points) == POINTS
    assert end.title == "ours: 0.2 at epoch 599"


def test_volumes_are_named_and_thinned():
    points = [VolumePoint(f"c{n}", "m", 10.0 ** (n / 500), 0.5) for n in range(1200)]
    (chart,) = volume_charts("dice", {"ours": points}, ["m", "e"])
    assert chart.shapes[0].title == "c0, m: 1 ml, 0.500"
    assert len(chart.shapes) == 400
    assert chart.note == "1 in 3 of 1200, by volume"


def test_classes_keep_their_colours():
    """The second patient's class has the first id; a class that nobody has is not in the legend."""
    points = [VolumePoint("a", "e", 1.0, 0.5), VolumePoint("b", "m", 2.0, 0.5)]
    (chart,) = volume_charts("dice", {"ours": points}, ["m", "x", "e"])
    assert [name for _, name in chart.legend] == ["m", "e"]
    colours = {name: number for number, name in chart.legend}
    assert {shape.title.split(": ")[0][-1]: shape.series for shape in chart.shapes} == colours
    (other,) = volume_charts("dice", {"ours": points[:1]}, ["m", "x", "e"])
    assert other.shapes[0].series == colours["e"]


def test_stages_and_controls():
    dice, nsd = stage_charts([*records(), *CONTROLS])
    assert [text for _, text in dice.x_ticks] == ["one", "two", "three", "four"]
    assert [shape.text for shape in dice.shapes if shape.kind == "text"] == ["0.700", "0.650", "0.200"]
    assert [name for _, name in dice.legend][:1] == ["organs"]
    assert any("annotations alone" in name for _, name in dice.legend)
    assert nsd.title == "NSD of each stage"
    assert stage_charts([{"stage": "one"}]) == []
