"""Metrics of an evaluation as rows, as a summary over cases and as a table for the terminal."""

from collections.abc import Mapping, Sequence, Set

import numpy as np

from ..errors import InputError
from .text_table import Row, aligned

MEAN_OF_CLASSES = "mean of classes"
# column: title in the printed table, decimals
PRINTED = {
    **{"dice": ("Dice", 3), "nsd": ("NSD", 3), "hd95_mm": ("HD95 [mm]", 1)},
    **{"lesion_f1": ("lesion F1", 3), "false_components": ("false components", 2), "wrong_type": ("wrong type", 3)},
}
CASE_WIDE = ("false_components",)  # one count for all classes of a case, and for a case that has none
_MOST_COLUMNS = 8  # classes next to each other in the comparison with other predictors; more stand below each other


def per_case_rows(
    case_names: Sequence[str], class_names: Sequence[str], columns: Mapping[str, np.ndarray]
) -> list[Row]:
    """One row per case and class, from columns of shape (cases, classes); nan becomes an empty cell (None)."""
    return [
        {"case": case, "class": name, **{title: _cell(values[i, c]) for title, values in columns.items()}}
        for i, case in enumerate(case_names)
        for c, name in enumerate(class_names)
    ]


def summary(
    class_names: Sequence[str],
    metrics: Mapping[str, np.ndarray],
    missing: np.ndarray | None = None,
    groups: Mapping[str, Sequence[str]] | None = None,
) -> list[Row]:
    """Per class, per group of classes and last for the mean of classes: cases, mean, deviation and median over cases.

    A class counts the cases that have it. The rows of groups and of all classes count cases that have any of theirs;
    their mean is the mean of the class means, their deviation and median are over the cases' own means. What is counted
    over all classes of a case (`CASE_WIDE`) is no class's, and its mean is over the cases.

    Args:
        class_names: the foreground classes.
        metrics: name to values of shape (cases, classes), nan where a case does not have the class; the first says
            which cases do, as false components also count where there is no lesion.
        missing: (cases, classes), true where the case has the class and the prediction lacks it.
        groups: name to names of classes, with a row each unless it has no class or is one class of its own name;
            InputError for an unknown class or the name of another row.

    Returns:
        Rows with class, cases, `<metric>_mean`, `<metric>_sd` (of the sample, n - 1; None below two cases),
        `<metric>_median` and, where given, missing. None where no case has the class.
    """
    per_class = [
        _summary_row(name, {key: _of_class(key, values, c) for key, values in metrics.items()})
        for c, name in enumerate(class_names)
    ]
    if missing is not None:
        for row, count in zip(per_class, missing.sum(axis=0), strict=True):
            row["missing"] = int(count)
    joint = {**joint_rows(class_names, groups), MEAN_OF_CLASSES: list(range(len(class_names)))}
    return [*per_class, *(_joint_row(name, members, per_class, metrics) for name, members in joint.items())]


def joint_rows(class_names: Sequence[str], groups: Mapping[str, Sequence[str]] | None) -> dict[str, list[int]]:
    """The groups that have a row of their own in a summary, with the places of their classes.

    Raises InputError: as `summary`.
    """
    rows = {}
    for name, members in (groups or {}).items():
        unknown = [member for member in members if member not in class_names]
        if unknown:
            known = ", ".join(class_names)
            raise InputError(f"group {name!r}: no class is called {', '.join(unknown)}; the classes are {known}")
        if name == MEAN_OF_CLASSES or (name in class_names and list(members) != [name]):
            raise InputError(f"group {name!r} with {', '.join(members)}: another row has this name; give it another")
        if members and name not in class_names:
            rows[name] = [list(class_names).index(member) for member in members]
    return rows


def majority_class_dice(truth_voxels: np.ndarray) -> np.ndarray:
    """Mean Dice per class of a predictor that outlines all foreground perfectly and always names one class.

    That class is the one most cases have (then the one with most voxels, then the first), counted on these very cases,
    which flatters the predictor. In a case with other classes too, its Dice is 2 |M| / (|M| + |all|). `truth_voxels`
    counts the true voxels (cases, classes).

    Returns:
        (classes,) means over the cases that have the class; nan where none has it.
    """
    voxels = np.asarray(truth_voxels, dtype=float)
    cases = (voxels > 0).sum(axis=0)
    majority = max(range(voxels.shape[1]), key=lambda c: (cases[c], voxels[:, c].sum(), -c))
    dice = np.where(cases > 0, 0.0, np.nan)
    own = voxels[voxels[:, majority] > 0]
    if len(own):
        dice[majority] = np.mean(2 * own[:, majority] / (own[:, majority] + own.sum(axis=1)))
    return dice


def format_table(
    rows: Sequence[Row],
    data: str,
    cases: int,
    notes: Sequence[str] = (),
    baselines: Mapping[str, Mapping[str, float | None]] | None = None,
    metric_titles: Mapping[str, str] | None = None,
) -> str:
    """The rows of `summary` as aligned text, with the mean Dice of other predictors below.

    Args:
        rows: of `summary`.
        data, cases, notes: what was evaluated, on how many cases, and further lines, for the header.
        baselines: name to Dice per class; classes may be absent.
        metric_titles: metric to its title, for titles other than those of `PRINTED`.
    """
    header = [f"{data}: {cases} case{'' if cases == 1 else 's'}, mean +- sd over cases", *notes]
    metrics = [key.removesuffix("_mean") for key in rows[0] if key.endswith("_mean")]
    titles = ["class", "cases"]
    for metric in metrics:
        titles += [(metric_titles or {}).get(metric) or title_of(metric), "median"]
    if "missing" in rows[0]:
        titles.append("missing")
    lines = [*header, *aligned([titles, *(_printed_cells(row, metrics) for row in rows)])]
    if baselines:
        lines += ["", *aligned(_comparison(rows, baselines))]
    return "\n".join(lines)


def _cell(value: np.generic) -> int | float | None:
    """A number for a file: six decimals are finer than single precision and any scanner."""
    if np.issubdtype(value.dtype, np.floating):
        return None if np.isnan(value) else round(float(value), 6)
    return int(value)


def _summary_row(name: str, metrics: Mapping[str, np.ndarray]) -> Row:
    present = {key: values[~np.isnan(values)].astype(float) for key, values in metrics.items()}
    row: Row = {"class": name, "cases": len(next(iter(present.values()), ()))}
    for key, values in present.items():
        row[f"{key}_mean"] = _cell(values.mean()) if len(values) else None
        row[f"{key}_sd"] = _cell(values.std(ddof=1)) if len(values) > 1 else None
        row[f"{key}_median"] = _cell(np.median(values)) if len(values) else None
    return row


def _of_class(metric: str, values: np.ndarray, c: int) -> np.ndarray:
    """The column of a class, empty where it is no class's."""
    return values[:, c] if metric not in CASE_WIDE else np.full(len(values), np.nan)


def _joint_row(name: str, members: Sequence[int], per_class: Sequence[Row], metrics: Mapping[str, np.ndarray]) -> Row:
    """The row of several classes, given by their places."""
    row = _summary_row(name, {key: _mean_over_classes_per_case(v[:, list(members)]) for key, v in metrics.items()})
    for key in (one for one in metrics if one not in CASE_WIDE):
        means = [per_class[c][f"{key}_mean"] for c in members if per_class[c][f"{key}_mean"] is not None]
        row[f"{key}_mean"] = _cell(np.mean(means)) if means else None
    if "missing" in per_class[0]:
        row["missing"] = sum(per_class[c]["missing"] for c in members)
    return row


def _mean_over_classes_per_case(values: np.ndarray) -> np.ndarray:
    """(cases, classes) to (cases,), nan for a case without any class."""
    return np.ma.array(values, mask=np.isnan(values)).mean(axis=1).filled(np.nan)


def title_of(metric: str) -> str:
    """The title of a metric's column."""
    return PRINTED.get(metric, (metric.replace("_", " "), 3))[0]


def number_text(value: float | None, metric: str, sign: str = "") -> str:
    """A metric's value with its decimals, a dash where there is none."""
    return "-" if value is None or np.isnan(value) else f"{value:{sign}.{PRINTED.get(metric, (metric, 3))[1]}f}"


def _printed_cells(row: Row, metrics: Sequence[str]) -> list[str]:
    cells = [row["class"], str(row["cases"])]
    for metric in metrics:
        mean, deviation = (number_text(row[f"{metric}_{part}"], metric) for part in ("mean", "sd"))
        spread = mean if deviation == "-" else f"{mean} +- {deviation}"
        cells += [spread, number_text(row[f"{metric}_median"], metric)]
    if "missing" in row:
        cells.append(str(row["missing"]))
    return cells


def _comparison(rows: Sequence[Row], baselines: Mapping[str, Mapping[str, float | None]]) -> list[list[str]]:
    """Cells of the second table: one line per predictor, one column per class and for the mean of classes.

    Many classes are lines and the predictors columns.
    """
    model = {row["class"]: row.get("dice_mean") for row in rows[:-1]}
    classes = [name for name in model if any(name in values for values in baselines.values())]  # groups are not
    found = {row["class"] for row in rows if row["cases"] > 0}
    cells = [["mean Dice", *classes, MEAN_OF_CLASSES]]
    for name, values in {"this model": model, **baselines}.items():
        means = [*map(values.get, classes), _mean_of_known(values, classes, found)]
        cells.append([name, *(number_text(value, "dice") for value in means)])
    return [list(line) for line in zip(*cells, strict=True)] if len(classes) > _MOST_COLUMNS else cells


def _mean_of_known(values: Mapping[str, float | None], members: Sequence[str], found: Set[str]) -> float | None:
    """The mean over the classes; None where it would be over fewer than the model's, which would not compare."""
    known = [value for value in map(values.get, members) if value is not None and not np.isnan(value)]
    return float(np.mean(known)) if known and len(known) >= len(found & set(members)) else None
