"""The sections of a page that show scores: tables in the papers' layout, boxes, volumes, confusion."""

import math
from collections.abc import Mapping, Sequence

from ..case_scores import CaseScores, scoring_rules
from ..metric_table import MEAN_OF_CLASSES, number_text, title_of
from ..study_tables import (
    COMPARISON_NOTE,
    FIRST_NOTE,
    SPREAD_NOTE,
    case_means,
    class_comparison_rows,
    comparison_cells,
    comparison_rows,
    method_cells,
    patient_means,
    score_rows,
    spread_cells,
)
from ..text_table import Row
from .box_plot import box_plot
from .confusion import NOTHING, class_order, type_confusion, voxel_confusion
from .page_parts import Cell, Section, Table, count_text, heat_table
from .results import CONFUSION, RECIPE, Method, Results
from .volume_chart import VolumePoint, volume_charts

FEW_CLASSES = 6  # up to which each class has its own boxes of all methods
WORST_SHOWN, FEW_ROWS = 15, 8
DICE = "dice"
BACKGROUND = "background"

Means = dict[str, dict[tuple[str, str], float]]  # method -> (case, class) -> mean over seeds


def means_of(scored: CaseScores, metric: str, methods: Sequence[Method]) -> Means:
    """Every method's scores of patients, of those that have any yet."""
    own = {one.name: [s for s in scored.scores if (s.method, s.metric) == (one.name, metric)] for one in methods}
    return {name: patient_means(values) for name, values in own.items()}


def score_section(results: Results, scored: CaseScores) -> Section:
    """The papers' tables: methods by classes for a study, organs by stages (Table 6) for a recipe; and differences."""
    scores, class_names = scored.scores, scored.class_names
    rows = score_rows(scores, class_names, scored.groups)
    tables = []
    if results.kind == RECIPE and rows:
        words = f"Means and standard deviations over the {results.scored}"
        tables.append(Table(organ_cells(rows), words))
    elif rows:
        tables.append(Table(method_cells(rows), FIRST_NOTE))
        tables.append(Table(spread_cells(rows), SPREAD_NOTE))
    compared = comparison_rows(scores, results.reference) if results.reference else []  # of evaluations there is none
    if compared:
        tables.append(Table(comparison_cells(compared), COMPARISON_NOTE))
    if compared and len(class_names) > 1:
        by_class = class_comparison_rows(scores, class_names, scored.groups, results.reference)
        lines = [
            [name, *cells]
            for name, cells in zip(
                ["class", *(one["class"] for one in by_class)], comparison_cells(by_class), strict=True
            )
        ]
        words = "The same for each class and group; Holm's correction within one of them and a metric"
        tables.append(Table(lines, words, FEW_ROWS))
    rules = scoring_rules(source for one in results.methods for source in one.sources)
    return Section("scores", "Scores", rules, tables)


def organ_cells(rows: Sequence[Row]) -> list[list[str]]:
    """Titles and a line for each class, group and all, as Table 6 of the FLARE23 paper: per method DSC and NSD."""
    known = {(row["method"], row["metric"], row["class"]): row for row in rows}
    columns = list(dict.fromkeys((method, metric) for method, metric, _ in known))
    title = {DICE: "DSC", "nsd": "NSD"}
    lines = [["class", *(f"{method}: {title.get(metric, title_of(metric))}" for method, metric in columns)]]
    for name in dict.fromkeys(row["class"] for row in rows):
        cells = []
        for method, metric in columns:
            row = known.get((method, metric, name), {})
            mean, spread = (number_text(row.get(key), metric) for key in ("mean", "sd"))
            cells.append(mean if spread == "-" else f"{mean} ± {spread}")
        lines.append([name, *cells])
    return lines


def box_section(results: Results, scored: CaseScores) -> Section:
    """Boxes of every metric over patients, and of Dice for every class."""
    charts = []
    class_names = scored.class_names
    for metric in dict.fromkeys(one.metric for one in scored.scores):
        means = means_of(scored, metric, results.methods)
        every = {name: case_means(one) for name, one in means.items()}
        charts.append(box_plot(f"{title_of(metric)}, {MEAN_OF_CLASSES}", metric, every))
        if metric == DICE and 1 < len(class_names) <= FEW_CLASSES:
            for name in class_names:
                own = {method: of_class(one, name) for method, one in means.items()}
                charts.append(box_plot(f"{title_of(metric)}, {name}", metric, own))
        elif metric == DICE and len(class_names) > 1 and results.reference in means:
            own = {name: of_class(means[results.reference], name) for name in class_names}
            charts.append(box_plot(f"{title_of(metric)} of {results.reference}", metric, own))
    words = (
        "Box: quartiles and median; whiskers reach 1.5 times the box; every dot is a patient, named where you point."
    )
    return Section("boxes", "Spread over patients", [words], charts=charts)


def of_class(means: Mapping[tuple[str, str], float], name: str) -> dict[str, float]:
    """Case -> score of one class."""
    return {case: value for (case, label), value in means.items() if label == name}


def volume_section(results: Results, scored: CaseScores) -> Section:
    """Dice against the volume of the truth."""
    points = {
        method: [
            VolumePoint(case, label, scored.volumes[case, label], x)
            for (case, label), x in own.items()
            if scored.volumes.get((case, label))
        ]
        for method, own in means_of(scored, DICE, results.methods).items()
    }
    charts = volume_charts(DICE, {method: own for method, own in points.items() if own}, scored.class_names)
    return Section("volumes", "Dice against volume", ["Every dot is a class of a patient."], charts=charts)


def confusion_section(results: Results, scored: CaseScores) -> Section:
    """Patients, where each has one type, and voxels by true and predicted class."""
    tables, is_typed = [], False
    class_names = scored.class_names
    for one in results.methods:
        types = type_confusion(row for row in scored.rows if row["method"] == one.name)
        if types and len(class_names) > 1:
            is_typed = True
            right = sum(count for (true, given), count in types.items() if true == given)
            caption = f"{one.name}: patients, {count_text(right)} of {sum(types.values()):.0f} given their type"
            rows = [name for name in class_order(types, class_names) if name != NOTHING]
            tables.append(heat_table(types, rows, [*class_names, NOTHING], caption, percent=False))
        voxels = voxel_confusion([folder / CONFUSION for folder in one.evaluations])
        if voxels:
            order = [name for name in class_order(voxels, class_names) if name != BACKGROUND]
            caption = f"{one.name}: voxels of the true class, mean share over patients"
            tables.append(heat_table(voxels, order, [*order, BACKGROUND], caption, percent=True))
    if not is_typed:
        return Section("confusion", "Confusion between classes", [], tables)
    words = ["The type of a patient is that of most predicted voxels; of several seeds each counts as a fraction."]
    return Section("confusion", "Confusion between types", words, tables)


def worst_table(results: Results, scored: CaseScores, links: Mapping[str, str]) -> Table:
    """All patients, the worst first: mean of all methods' Dice, then of each; `links`: case -> its id in the page."""
    per_case = {name: case_means(one) for name, one in means_of(scored, DICE, results.methods).items()}
    per_case = {name: one for name, one in per_case.items() if one}
    volumes: dict[str, float] = {}
    for (case, _), ml in scored.volumes.items():
        volumes[case] = volumes.get(case, 0.0) + ml
    means = {
        case: sum(found) / len(found)
        for case in dict.fromkeys(case for one in per_case.values() for case in one)
        if (found := [one[case] for one in per_case.values() if case in one])
    }
    lines: list[list[str | Cell]] = [["case", "truth [ml]", "mean", *per_case]]
    for case in sorted(means, key=lambda name: (means[name], name)):
        own = [one.get(case, math.nan) for one in per_case.values()]
        cells = [Cell(number_text(x, DICE), None if math.isnan(x) else x) for x in (means[case], *own)]
        volume = f"{volumes[case]:.3g}" if case in volumes else "-"
        lines.append([Cell(case, link=links.get(case, "")), volume, *cells])
    return Table(lines, "Mean Dice of each patient's classes, the worst first", shown=WORST_SHOWN)
