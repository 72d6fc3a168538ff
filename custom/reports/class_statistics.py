"""How many cases are annotated for each class of a cohort, as a table and as a bar chart (Figure 1 of the paper)."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from ..cohort.manifest import Cohort, CohortCase
from .drawing import INK, class_colour, new_figure, save_picture
from .text_table import Row, aligned

LISTED_SETS = 10  # of a group; pooled data annotated by the values present have hundreds
_PALE = 0.35


def class_statistics(cohort: Cohort, volumes_ml: Mapping[str, Mapping[int, float]]) -> list[Row]:
    """One row per class: training cases annotated and present, total and mean volume, validation cases annotated.

    Args:
        cohort: whose annotated classes count.
        volumes_ml: case name -> class id -> volume in its label (ml), classes without a voxel left out.

    Returns:
        Rows with class, annotated, present (annotated and with at least one voxel), total_ml, mean_ml (over the cases
        where it is present; None without any) and validation.
    """
    rows: list[Row] = []
    for number, name in enumerate(cohort.classes, start=1):
        annotated = [case for case in cohort.training if number in case.annotated]
        volumes = [volume for case in annotated if (volume := volumes_ml[case.name].get(number, 0)) > 0]
        counts = {"annotated": len(annotated), "present": len(volumes), "total_ml": sum(volumes)}
        mean = sum(volumes) / len(volumes) if volumes else None
        validation = sum(number in case.annotated for case in cohort.validation)
        rows.append({"class": name, **counts, "mean_ml": mean, "validation": validation})
    return rows


def format_class_statistics(rows: Sequence[Row]) -> str:
    """The rows of `class_statistics` as aligned text."""
    keys = ["class", "annotated", "present", "total_ml", "mean_ml", "validation"]
    cells = [[_millilitres(row[key]) if key.endswith("_ml") else str(row[key]) for key in keys] for row in rows]
    return "\n".join(aligned([[key.replace("_", " ") for key in keys], *cells]))


def format_annotated_sets(cohort: Cohort, groups: Mapping[str, Sequence[CohortCase]]) -> str:
    """Each distinct set of annotated classes with its training cases, under its group (see `manifest.group_cases`)."""
    lines = []
    for group, cases in groups.items():
        lines.append(f"{group}: {len(cases)} cases")
        sets = sorted(Counter(case.annotated for case in cases).items(), key=lambda item: (-item[1], item[0]))
        width = max((len(str(count)) for _, count in sets), default=0)
        lines += [f"  {count:>{width}}  {describe_classes(cohort, one)}" for one, count in sets[:LISTED_SETS]]
        hidden = sets[LISTED_SETS:]
        if hidden:
            lines.append(f"  and {sum(count for _, count in hidden)} cases of {len(hidden)} further sets")
    return "\n".join(lines)


def describe_classes(cohort: Cohort, ids: Sequence[int]) -> str:
    """A set of classes in the fewest words: "nothing", "all 14 classes", "all but tumour", or the names.

    >>> from custom.cohort.manifest import Cohort
    >>> cohort = Cohort("", ("liver", "spleen", "pancreas", "tumour"), (4,), ())
    >>> describe_classes(cohort, (1, 2, 3)), describe_classes(cohort, (1, 4))
    ('all but tumour', 'liver, tumour')
    """
    missing = [name for number, name in enumerate(cohort.classes, start=1) if number not in ids]
    if not ids:
        return "nothing"
    if not missing:
        return f"all {len(cohort.classes)} classes"
    if len(missing) < len(ids):
        return f"all but {', '.join(missing)}"
    return ", ".join(cohort.class_names(ids))


def draw_class_statistics(cohort: Cohort, rows: Sequence[Row], picture_file: str | Path) -> None:
    """Write a PNG with a bar per class: training cases annotated (pale) and with the class present (solid).

    `rows` are those of `class_statistics`.
    """
    figure = new_figure(8.0, 1.7 + 0.34 * len(rows))
    axes = figure.add_subplot()
    largest = max(1, *(row["annotated"] for row in rows))
    for place, row in enumerate(rows):
        colour = class_colour(place + 1)
        axes.barh(place, row["annotated"], height=0.72, color=colour, alpha=_PALE, linewidth=0)
        axes.barh(place, row["present"], height=0.72, color=colour, linewidth=0)
        number = str(row["annotated"])
        if row["present"] != row["annotated"]:
            number += f" ({row['present']} present)"
        white = {"facecolor": "white", "linewidth": 0, "pad": 1}  # over the grid's lines
        axes.text(row["annotated"] + 0.01 * largest, place, number, va="center", fontsize=9, color=INK, bbox=white)
    axes.set_yticks(range(len(rows)), [row["class"].replace("_", " ") for row in rows])
    axes.set_ylim(len(rows) - 0.5, -0.5)  # the first class on top
    axes.set_xlim(0, 1.3 * largest)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    axes.set_xlabel("training cases")
    axes.grid(axis="x", color="0.9")
    axes.set_axisbelow(True)
    axes.tick_params(axis="y", length=0)
    axes.spines[["top", "right", "left"]].set_visible(False)
    if any(row["present"] != row["annotated"] for row in rows):
        meanings = {"in the label": 1, "annotated, not there": _PALE}
        patches = [Patch(facecolor="0.4", alpha=alpha, label=label) for label, alpha in meanings.items()]
        figure.legend(handles=patches, loc="outside lower center", ncols=2, fontsize=9, frameon=False)
    unlabelled = sum(not case.annotated for case in cohort.training)
    counts = f"{len(cohort.training)} training cases, {unlabelled} of them without any annotation"
    figure.suptitle(f"{cohort.name}: cases annotated for each class\n{counts}", fontsize=12, color=INK)
    save_picture(figure, picture_file)


def _millilitres(volume: float | None) -> str:
    """Three figures at least: classes range from adrenal glands to whole livers."""
    return "-" if volume is None else f"{volume:,.0f}" if volume >= 100 else f"{volume:.3g}"
