"""What the voxels, and the patients, of each true class were taken for."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ...errors import InputError
from ..case_scores import PREDICTED, TRUTH
from ..text_table import read_csv

NOTHING = "nothing"
Table = dict[tuple[str, str], float]  # (true, predicted) -> share


def voxel_confusion(files: Iterable[Path]) -> Table:
    """The share of each true class's voxels that was given each class, as mean over patients that have the class.

    `files` are the `confusion.csv` of the evaluations, of which each counts for itself. Raises InputError: one is
    damaged.
    """
    shares: dict[tuple[str, str], list[float]] = defaultdict(list)
    for file in files:
        by_case: dict[tuple[str, str], dict[str, int]] = defaultdict(dict)
        try:
            for row in read_csv(file) if file.is_file() else ():
                by_case[row["case"], row["truth"]][row["predicted"]] = int(row["voxels"])
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"{file}: is no table of confused voxels; restore or remove it") from error
        for (_, true), counts in by_case.items():
            total = sum(counts.values())
            for given, voxels in counts.items():
                shares[true, given].append(voxels / total)
            shares[true, ""].append(1.0)  # counts the patients
    return {(true, given): sum(own) / len(shares[true, ""]) for (true, given), own in shares.items() if given}


def type_confusion(rows: Iterable[Mapping[str, str]]) -> Table:
    """How many patients of each true type were given each type, where every patient has one type alone; else nothing.

    The predicted type is that of most predicted voxels. `rows` are those of one method, see `CaseScores`; a patient of
    several trainings (seeds) counts in each by its part.
    """
    by_training: dict[tuple[str, str, str], list[Mapping[str, str]]] = defaultdict(list)
    for row in rows:
        if not (row.get(TRUTH) and row.get(PREDICTED)):
            return {}
        by_training[row["seed"], row["fold"], row["case"]].append(row)
    types: dict[str, list[tuple[str, str]]] = defaultdict(list)  # of each patient, by each training
    for (_, _, case), own in by_training.items():
        true = [row["class"] for row in own if float(row[TRUTH]) > 0]
        given = {row["class"]: float(row[PREDICTED]) for row in own}
        if len(true) > 1:
            return {}
        if true:
            most = max(given, key=lambda name: given[name]) if any(given.values()) else NOTHING
            types[case].append((true[0], most))
    table: dict[tuple[str, str], float] = defaultdict(float)
    for found in types.values():
        for pair in found:
            table[pair] += 1 / len(found)
    return dict(table)


def class_order(table: Table, class_names: Sequence[str]) -> list[str]:
    """The classes of a table in their usual order, what is no class last."""
    found = dict.fromkeys(name for key in table for name in key)
    return [name for name in class_names if name in found] + [name for name in found if name not in class_names]
