"""The scores of a study's cases: rows of its evaluations, or of files that hold them (`case_scores.csv`)."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from ..errors import InputError
from ..io.json_file import read_json
from .study_tables import TABLES, Score
from .text_table import read_csv, write_csv

CASE_SCORES = "case_scores.csv"
METRICS = "metrics.json"  # of an evaluation, next to its scores of cases
SOURCE = ("method", "seed", "fold")
PLACE = (*SOURCE, "case", "class")
SIZES = TRUTH, PREDICTED, TRUTH_ML = ("truth_voxels", "predicted_voxels", "truth_ml")


class Evaluation(NamedTuple):
    """Where the scores of a method on one held-out fold are, by the training with one seed."""

    method: str
    seed: int | str
    fold: int | str
    file: Path


@dataclass(frozen=True)
class CaseScores:
    """What every method scored for every class of every case: rows as in `case_scores.csv`, all numbers checked.

    An empty cell says that there is no such score, for example because the case lacks the class. `groups`: name ->
    classes with a joint mean of their own, as their plan has them, such as organs apart from tumours.
    """

    rows: Sequence[Mapping[str, str]]
    groups: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @cached_property
    def methods(self) -> list[str]:
        """Those with a score, in order of first appearance."""
        return list(dict.fromkeys(one.method for one in self.scores))

    @cached_property
    def class_names(self) -> list[str]:
        """Every class with a row, even without scores, in order of first appearance."""
        return list(dict.fromkeys(row["class"] for row in self.rows))

    @cached_property
    def scores(self) -> list[Score]:
        """One for every cell that is not empty."""
        return [
            Score(row["method"], metric, row["case"], row["class"], float(cell), training_of(row["seed"], row["fold"]))
            for row in self.rows
            for metric, cell in row.items()
            if metric not in (*PLACE, *SIZES) and cell
        ]

    @cached_property
    def volumes(self) -> dict[tuple[str, str], float]:
        """(case, class) -> volume of its truth in ml, where the rows say it."""
        return {(row["case"], row["class"]): float(row[TRUTH_ML]) for row in self.rows if row.get(TRUTH_ML)}


def collect_scores(evaluations: Sequence[Evaluation]) -> CaseScores:
    """The scores in `metrics_per_case.csv` of a study's evaluations; one that is not there yet is left out."""
    rows = [
        {"method": one.method, "seed": str(one.seed), "fold": str(one.fold), **row}
        for one in evaluations
        if one.file.is_file()
        for row in checked_rows(one.file, PLACE[len(SOURCE) :])
    ]
    kept = (read_json(one.file.with_name(METRICS), {}) for one in evaluations)
    return CaseScores(rows, next((found["groups"] for found in kept if found.get("groups")), {}))


def training_of(seed: int | str, fold: int | str) -> str:
    """The name of a training among those of a method."""
    return f"seed {seed}, fold {fold}"


def checked_rows(file: Path, place: Sequence[str]) -> list[dict[str, str]]:
    """The rows of a table of cases, of which the columns `place` say what a row's scores are of.

    Raises InputError: one of these is missing, two rows are of the same, or a score is no number.
    """
    rows = read_csv(file)
    seen = set()
    for row in rows:
        if missing := [name for name in place if name not in row]:
            raise InputError(
                f"{file}: no column {missing[0]}; pass a study's {CASE_SCORES}, with commas between columns"
            )
        if empty := [name for name in place if not row[name]]:
            raise InputError(f"{file}: a row without {empty[0]}; correct or restore the file")
        key = tuple(row[name] for name in place)
        if key in seen:
            raise InputError(f"{file}: two rows of {' '.join(key)}; correct or restore the file")
        seen.add(key)
        for column, cell in row.items():
            if column not in PLACE and cell and not is_number(cell):
                what = column or "a cell beyond the last column"
                raise InputError(
                    f"{file}: {what} of {row['case']} is {cell!r}; a value is a number, or empty where there is none: "
                    "correct or restore the file"
                )
    return rows


def is_number(cell: object) -> bool:
    """Whether a cell is a finite number; one beyond the last column is a list."""
    try:
        return isinstance(cell, str) and math.isfinite(float(cell))
    except ValueError:
        return False


def scoring_rules(evaluations: Iterable[Evaluation]) -> list[str]:
    """How the metrics of some evaluations are defined, in words, each rule once; with the methods where they differ."""
    methods: dict[str, dict[str, None]] = {}
    for one in evaluations:
        for rule in read_json(one.file.with_name(METRICS), {}).get("rules") or ():
            methods.setdefault(str(rule), {})[one.method] = None
    every = {name for own in methods.values() for name in own}
    return [rule if own.keys() == every else f"{', '.join(own)}: {rule}" for rule, own in methods.items()]


def write_case_scores(file: Path, scores: CaseScores) -> None:
    """Put all rows into one file."""
    columns = list(dict.fromkeys(key for row in scores.rows for key in row)) or list(PLACE)
    write_csv(file, scores.rows, columns)


def read_case_scores(place: str | Path) -> CaseScores:
    """The scores of a file, of a study, or of all .csv files in a folder.

    Raises InputError: there is none, files are of different classes, and so of different studies, two have a case and
    class by one method, seed and fold, or a case in different folds. (In one file it is data that none of the folds'
    trainings saw.)
    """
    place = Path(place)
    files = sorted(place.glob("*.csv")) if place.is_dir() else [place]
    if is_study(place):  # which has other .csv files, too
        files = [place / CASE_SCORES]
        refuse_other_parts(place)
    if not files:
        raise InputError(f"{place}: no .csv file; pass a study's {CASE_SCORES}, or a folder with several")
    parts = {file: checked_rows(file, PLACE) for file in files}
    refuse_other_classes(parts)
    refuse_other_folds(parts)
    refuse_repeated(parts)
    return CaseScores([row for rows in parts.values() for row in rows])


def is_study(place: Path) -> bool:
    """Whether a folder holds the tables of a study."""
    return (place / TABLES).is_file()


def refuse_other_parts(study: Path) -> None:
    """Raise an `InputError` where a study's folder holds more scores of cases than its own."""
    for file in sorted(study.glob("*.csv")):
        if file.name != CASE_SCORES and set(PLACE) <= set(next(iter(read_csv(file)), {})):
            what = "a study's folder holds its own scores alone"
            raise InputError(f"{file}: {what}; pass a folder with the {CASE_SCORES} of each part")


def refuse_other_classes(parts: Mapping[Path, Sequence[Mapping[str, str]]]) -> None:
    """Raise an `InputError` where two files have different classes: means over both would be of neither data set."""
    classes = {file: {row["class"] for row in rows} for file, rows in parts.items() if rows}
    for (first, own), (second, others) in pairwise(classes.items()):
        if own != others:
            what = f"{second} and {first} are of different classes ({', '.join(sorted(own ^ others))} in one alone)"
            raise InputError(f"{what}: pass scores of one data set")


def refuse_other_folds(parts: Mapping[Path, Sequence[Mapping[str, str]]]) -> None:
    """Raise an `InputError` where two files have a case, by one seed, in different folds.

    Trainings of one of them may have seen it, and methods that were trained on different cases are no pair.
    """
    first: dict[tuple[str, str], tuple[Path, set[str]]] = {}
    for file, rows in parts.items():
        own: dict[tuple[str, str], set[str]] = {}
        for row in rows:
            own.setdefault((row["seed"], row["case"]), set()).add(row["fold"])
        for (seed, case), folds in own.items():
            other, others = first.setdefault((seed, case), (file, folds))
            if folds != others:
                ours, theirs = (", ".join(sorted(one)) for one in (folds, others))
                what = f"{case} is of fold {ours}, but in {other} of fold {theirs} (seed {seed})"
                raise InputError(f"{file}: {what}: parts of a study have the same folds; pass one of them")


def refuse_repeated(parts: Mapping[Path, Sequence[Mapping[str, str]]]) -> None:
    """Raise an `InputError` where two files have a case and class by one method, seed and fold."""
    found: dict[tuple[str, ...], Path] = {}
    for file, rows in parts.items():
        for row in rows:
            key = tuple(row[name] for name in PLACE)
            if (other := found.setdefault(key, file)) != file:
                raise InputError(f"{file}: the scores of {' '.join(key)} are in {other} already; pass one of them")
