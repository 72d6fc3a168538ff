"""Scores of patients as boxes, one a method."""

from collections.abc import Mapping

from matplotlib.cbook import boxplot_stats

from ..metric_table import number_text, title_of
from .chart import Chart, Scale, Shape, series

ROW, LETTER = 26, 7  # pixels: of a box, of a letter
LETTERS = 22  # of a name, which the template cuts there
DOTS = 150  # patients up to which each is a dot


def box_plot(title: str, metric: str, groups: Mapping[str, Mapping[str, float]]) -> Chart:
    """Boxes from the first to the third quartile with the median; whiskers reach 1.5 times as far (Tukey).

    Args:
        groups: name -> patient -> score; the names stand at the boxes. Patients show as dots where few, else those
            beyond the whiskers.
    """
    left = 16 + LETTER * min(LETTERS, max(map(len, groups), default=0))
    chart = Chart(title, x_label=title_of(metric), height=56 + ROW * max(1, len(groups)), left=left, top=6)
    scale = chart.x_scale([one for values in groups.values() for one in values.values()])
    for number, (name, values) in enumerate(groups.items()):
        middle = chart.top + ROW * (number + 0.5)
        chart.y_ticks.append((middle, name))
        if values:
            chart.shapes += box(scale, middle, series(number), metric, values)
    return chart


def box(scale: Scale, middle: float, colour: int, metric: str, values: Mapping[str, float]) -> list[Shape]:
    """The shapes of one box."""
    found = boxplot_stats(list(values.values()))[0]
    q1, q3, median, low, high = (scale(found[key]) for key in ("q1", "q3", "med", "whislo", "whishi"))
    texts = {key: number_text(float(found[key]), metric) for key in ("q1", "q3", "med")}
    words = f"{len(values)} patients, median {texts['med']}, quartiles {texts['q1']} and {texts['q3']}"
    shapes = [
        Shape("line", [(low, middle), (high, middle)], colour),
        Shape("bar", [(q1, middle - 8), (max(q3, q1 + 1), middle + 8)], colour, words, look="box"),
        Shape("line", [(median, middle - 8), (median, middle + 8)], colour, look="thick"),
    ]
    is_shown = {one: len(values) <= DOTS or not found["whislo"] <= x <= found["whishi"] for one, x in values.items()}
    for number, (case, value) in enumerate((one, x) for one, x in values.items() if is_shown[one]):
        spread = ((number * 7) % 11 - 5) * 0.9  # so that equal scores are seen apart
        words = f"{case}: {number_text(value, metric)}"
        shapes.append(Shape("dot", [(scale(value), middle + spread)], colour, words, look="small"))
    return shapes
