"""The tables of a study: every method's scores in the papers' layout, and its difference from a reference method."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..io.atomic_write import write_text
from ..metrics.paired_comparison import compare_paired, holm
from .metric_table import CASE_WIDE, MEAN_OF_CLASSES, number_text, title_of
from .text_table import Row, markdown_table, write_csv

LAYOUTS = (("dice", "hd95_mm"), ("dice", "nsd"))  # per class in the papers' tables: BATseg's, FLARE23's
DASH = "-"
LATEX = str.maketrans(
    {
        **{letter: rf"\{letter}" for letter in "_%&#${}"},
        **{"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "±": r"$\pm$"},
    }
)
TABLES = "study.md"
FILES = (TABLES, "study.tex", "scores.csv", "comparisons.csv", "comparisons_per_class.csv")
FIRST_NOTE = (
    "Means over patients (of their means over seeds); a class counts the patients that have it, and the mean of "
    "classes is the mean of their means"
)
SPREAD_NOTE = "Mean ± standard deviation (median) over patients, each the mean of its classes"
COMPARISON_NOTE = (
    "Differences are over patients, each the mean of its classes, on the seeds and folds that both methods have: "
    "percentile bootstrap, Wilcoxon's signed-rank test, Holm's correction within a metric"
)


class Score(NamedTuple):
    """A metric's value for one class of one patient, by one training of a method."""

    method: str
    metric: str
    case: str
    label: str
    value: float
    training: str = ""  # its seed and held-out fold


def joint_classes(class_names: Sequence[str], groups: Mapping[str, Sequence[str]]) -> dict[str, Sequence[str]]:
    """The groups that have a row of their own; a group of one class, with its name, is that class."""
    return {name: members for name, members in groups.items() if name not in class_names}


def score_rows(scores: Sequence[Score], class_names: Sequence[str], groups: Mapping[str, Sequence[str]]) -> list[Row]:
    """One row for every method, metric and class, for every group of classes, and for the mean of all classes.

    A patient's score is the mean over seeds; a class counts the patients that have it. The mean of classes is the mean
    of their means, as in the papers; its `patient_mean`, deviation and median are over the patients' own means. What is
    counted over all classes of a patient is no class's, and has that mean alone.
    """
    rows = []
    for method, metric in dict.fromkeys((score.method, score.metric) for score in scores):
        means = patient_means([one for one in scores if (one.method, one.metric) == (method, metric)])
        own = {} if metric in CASE_WIDE else means
        per_class = {name: [x for (_, label), x in own.items() if label == name] for name in class_names}
        lines = {name: _spread(values) for name, values in per_class.items()}
        for name, members in joint_classes(class_names, groups).items():
            theirs = {key: value for key, value in own.items() if key[1] in members}
            lines[name] = _joint(theirs, [lines[one] for one in members if one in lines])
        lines[MEAN_OF_CLASSES] = _joint(means, [lines[one] for one in class_names])
        rows += [{"method": method, "metric": metric, "class": name, **row} for name, row in lines.items()]
    return rows


def comparison_rows(scores: Sequence[Score], reference: str) -> list[Row]:
    """Every method against the reference, on the patients that both have: one row for every metric.

    A patient's score is the mean over the trainings (seed and fold) and the classes that both methods have a score of;
    where they share none there are no patients. P values of a metric are adjusted for its number of comparisons.
    """
    rows: list[Row] = []
    for metric in dict.fromkeys(score.metric for score in scores):
        values: dict[str, dict[tuple[str, str, str], Score]] = defaultdict(dict)
        for one in scores:
            if one.metric == metric:
                values[one.method][one.case, one.label, one.training] = one
        base, found = values.pop(reference, {}), {}
        for method, own in values.items():
            common = sorted(own.keys() & base.keys())
            pairs = (case_means(patient_means([one[key] for key in common])) for one in (own, base))
            ours, theirs = (list(means.values()) for means in pairs)
            found[method] = compare_paired(ours, theirs)
        adjusted = holm([one.p_value for one in found.values()])
        rows += [
            {"method": method, "reference": reference, "metric": metric, **one._asdict(), "p_holm": p}
            for (method, one), p in zip(found.items(), adjusted, strict=True)
        ]
    return rows


def class_comparison_rows(
    scores: Sequence[Score], class_names: Sequence[str], groups: Mapping[str, Sequence[str]], reference: str
) -> list[Row]:
    """The same for each class and group by itself; p values are adjusted within one of them and a metric."""
    of_classes = [score for score in scores if score.metric not in CASE_WIDE]
    members = {**{name: [name] for name in class_names}, **joint_classes(class_names, groups)}
    return [
        {"class": name, **row}
        for name, own in members.items()
        for row in comparison_rows([score for score in of_classes if score.label in own], reference)
    ]


def patient_means(scores: Sequence[Score]) -> dict[tuple[str, str], float]:
    """(case, class) -> mean over seeds, of one method and metric."""
    values: dict[tuple[str, str], list[float]] = defaultdict(list)
    for score in scores:
        values[score.case, score.label].append(score.value)
    return {key: float(np.mean(one)) for key, one in values.items()}


def case_means(means: Mapping[tuple[str, str], float]) -> dict[str, float]:
    """Case -> mean over the classes that it has."""
    values: dict[str, list[float]] = defaultdict(list)
    for (case, _), value in means.items():
        values[case].append(value)
    return {case: float(np.mean(one)) for case, one in values.items()}


def method_cells(rows: Sequence[Row]) -> list[list[str]]:
    """Titles and a line for each method, as Table 3 of the BATseg paper: per class the means of Dice and HD95.

    Without HD95 those of Dice and NSD, as Table 6 of the FLARE23 paper.
    """
    found = list(dict.fromkeys(row["metric"] for row in rows))
    metrics = next((layout for layout in LAYOUTS if set(layout) <= set(found)), found)
    known = {(row["method"], row["metric"], row["class"]): row for row in rows}
    columns = dict.fromkeys(row["class"] for row in rows)
    lines = [["method", "patients", *(f"{name}: {' / '.join(map(title_of, metrics))}" for name in columns)]]
    for method in dict.fromkeys(row["method"] for row in rows):
        counts = [row["patients"] for m in metrics if (row := known.get((method, m, MEAN_OF_CLASSES)))]
        cells = [" / ".join(_mean_text(known.get((method, m, name)), m) for m in metrics) for name in columns]
        lines.append([method, str(max(counts, default=0)), *cells])
    return lines


def spread_cells(rows: Sequence[Row]) -> list[list[str]]:
    """Titles and a line for each method: mean, deviation and median of every metric over patients."""
    metrics = list(dict.fromkeys(row["metric"] for row in rows))
    joint = {(row["method"], row["metric"]): row for row in rows if row["class"] == MEAN_OF_CLASSES}
    lines = [["method", *map(title_of, metrics)]]
    for method in dict.fromkeys(row["method"] for row in rows):
        lines.append([method, *(_spread_text(joint.get((method, metric)), metric) for metric in metrics)])
    return lines


def comparison_cells(rows: Sequence[Row]) -> list[list[str]]:
    """Titles and a line for each comparison."""
    lines = [["method", "against", "metric", "patients", "difference", "95 % interval", "p", "p (Holm)"]]
    for row in rows:
        low, high = (number_text(row[key], row["metric"], "+") for key in ("low", "high"))
        difference = number_text(row["difference"], row["metric"], "+")
        chances = [DASH if np.isnan(row[key]) else f"{row[key]:.2g}" for key in ("p_value", "p_holm")]
        named = [row["method"], row["reference"], title_of(row["metric"]), str(row["patients"])]
        lines.append([*named, difference, f"{low} to {high}", *chances])
    return lines


def write_tables(
    folder: Path,
    title: str,
    scores: Sequence[Score],
    class_names: Sequence[str],
    groups: Mapping[str, Sequence[str]],
    reference: str,
    rules: Sequence[str] = (),
) -> str:
    """Write the files of a study; returns the text of `study.md`, which ends with `rules`, those of its metrics.

    `groups`: name -> classes with a joint mean of their own, such as organs apart from tumours.
    """
    rows, compared = score_rows(scores, class_names, groups), comparison_rows(scores, reference)
    per_class = class_comparison_rows(scores, class_names, groups, reference)
    tables = {FIRST_NOTE: method_cells(rows), SPREAD_NOTE: spread_cells(rows)}
    tables |= {COMPARISON_NOTE: comparison_cells(compared)} if compared else {}
    for name in joint_classes(class_names, groups):
        own = [row for row in per_class if row["class"] == name]
        tables |= {f"The same, each patient the mean of {name}": comparison_cells(own)} if own else {}
    parts = [f"{note}:\n\n{markdown_table(table, numbers=True)}" for note, table in tables.items()]
    text = "\n\n".join([f"# {title}", *parts, *rules]) + "\n"
    write_csv(folder / "scores.csv", rows)
    write_csv(folder / "comparisons.csv", compared, list(compared[0]) if compared else ["method"])
    write_csv(folder / "comparisons_per_class.csv", per_class, list(per_class[0]) if per_class else ["class"])
    write_text(folder / TABLES, text)
    write_text(folder / "study.tex", "\n\n".join(map(latex, tables.values())) + "\n")
    return text


def latex(lines: Sequence[Sequence[str]]) -> str:
    """A table of LaTeX, for the package booktabs."""
    escaped = [[cell.translate(LATEX) for cell in line] for line in lines]
    rows = [" & ".join(line) + r" \\" for line in escaped]
    head = [rf"\begin{{tabular}}{{l{'r' * (len(lines[0]) - 1)}}}", r"\toprule", rows[0], r"\midrule"]
    return "\n".join([*head, *rows[1:], r"\bottomrule", r"\end{tabular}"])


def _joint(means: Mapping[tuple[str, str], float], rows: Sequence[Row]) -> Row:
    """The row of several classes: the mean of their rows' means; the rest is over the patients' own means."""
    known = [row["mean"] for row in rows if row["mean"] is not None]
    return _spread(list(case_means(means).values())) | ({"mean": float(np.mean(known))} if known else {})


def _spread(values: Sequence[float]) -> Row:
    mean = float(np.mean(values)) if values else None
    return {
        "patients": len(values),
        "mean": mean,
        "patient_mean": mean,
        "sd": float(np.std(values, ddof=1)) if len(values) > 1 else None,
        "median": float(np.median(values)) if values else None,
    }


def _mean_text(row: Row | None, metric: str) -> str:
    return DASH if row is None else number_text(row["mean"], metric)


def _spread_text(row: Row | None, metric: str) -> str:
    if row is None or row["patient_mean"] is None:
        return DASH
    mean, sd, median = (number_text(row[key], metric) for key in ("patient_mean", "sd", "median"))
    return mean if sd == DASH else f"{mean} ± {sd} ({median})"
