"""The scores of a study's cases, in a file of their own, and `python -m custom compare`: tables from such files."""

import logging
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ..errors import InputError
from ..io.json_file import read_json
from ..io.write_errors import reporting_unwritable
from .study_tables import TABLES, Score, write_tables
from .text_table import Row, read_csv, write_csv

logger = logging.getLogger(__name__)

CASE_SCORES = "case_scores.csv"
METRICS = "metrics.json"  # of an evaluation, next to its scores of cases
SOURCE = ("method", "seed", "fold")
PLACE = (*SOURCE, "case", "class")
NOT_METRICS = (*PLACE, "truth_voxels", "predicted_voxels", "truth_ml")


class Evaluation(NamedTuple):
    """Where the scores of a method on one held-out fold are, by the training with one seed."""

    method: str
    seed: int | str
    fold: int | str
    file: Path


def read_scores(evaluations: Sequence[Evaluation]) -> list[Score]:
    """The scores in `metrics_per_case.csv` of a study's evaluations; one that is not there yet is left out."""
    return [
        score
        for one in evaluations
        if one.file.is_file()
        for row in read_csv(one.file)
        for score in row_scores(one.method, training_of(one.seed, one.fold), row, one.file)
    ]


def training_of(seed: int | str, fold: int | str) -> str:
    """The name of a training among those of a method."""
    return f"seed {seed}, fold {fold}"


def row_scores(method: str, training: str, row: Mapping[str, str], file: Path) -> list[Score]:
    """What a row says of one class of one case. Raises InputError: a value of it is no finite number."""
    scores = []
    for metric, cell in row.items():
        if metric in NOT_METRICS or not cell:
            continue
        try:
            value = float(cell)
        except (TypeError, ValueError):
            value = math.nan
        if not math.isfinite(value):
            raise InputError(
                f"{file}: {metric} of {row['case']} is {cell!r}; a score is a number, or empty where there is none: "
                "correct or restore the file"
            )
        scores.append(Score(method, metric, row["case"], row["class"], value, training))
    return scores


def scoring_rules(evaluations: Iterable[Evaluation]) -> list[str]:
    """How the metrics of some evaluations are defined, in words, each rule once; with the methods where they differ."""
    methods: dict[str, dict[str, None]] = {}
    for one in evaluations:
        for rule in read_json(one.file.with_name(METRICS), {}).get("rules") or ():
            methods.setdefault(str(rule), {})[one.method] = None
    every = {name for own in methods.values() for name in own}
    return [rule if own.keys() == every else f"{', '.join(own)}: {rule}" for rule, own in methods.items()]


def write_case_scores(file: Path, evaluations: Sequence[Evaluation]) -> None:
    """Put the `metrics_per_case.csv` of evaluations into one file; one that is not there yet is left out."""
    rows: list[Row] = []
    for one in evaluations:
        if one.file.is_file():
            rows += [{**dict(zip(SOURCE, one, strict=False)), **row} for row in read_csv(one.file)]
    columns = list(dict.fromkeys(key for row in rows for key in row)) or list(PLACE)
    write_csv(file, rows, columns)


def compare(scores: str | Path, reference: str, output: str | Path, title: str = "Study") -> None:
    """Make the tables and tests of a study or a recipe from the scores of its cases, also of several machines' parts.

    Writes study.md, study.tex, scores.csv, comparisons.csv and comparisons_per_class.csv.

    Args:
        scores: the work_dir of a study, its case_scores.csv, or a folder with several as .csv files, of the same cases.
        reference: the method that the others are compared with.
        output: the folder of the tables.
        title: above them.

    Raises:
        InputError: a file has no such scores, two have the same ones, no method is called `reference`, or the folder
            cannot be written.
    """
    found, class_names = read_case_scores(scores)
    if not found:
        raise InputError(f"{scores}: no scores yet; run the study, or pass another file or folder")
    methods = dict.fromkeys(one.method for one in found)
    if reference not in methods:
        raise InputError(f"{scores}: no method is called {reference}; pass as --reference one of {', '.join(methods)}")
    with reporting_unwritable(output, "pass another --output"):
        text = write_tables(Path(output), title, found, class_names, reference)
    logger.info("\n%s\nwritten to %s", text, output)


def read_case_scores(place: str | Path) -> tuple[list[Score], list[str]]:
    """The scores in a file, a study's or the .csv files of a folder, and the classes in the order of the first file.

    Raises InputError: there is none, or a case and class is there twice by one method and seed: of the same fold, or of
    different folds in two files, in which case one of the trainings may have seen it. (In one file it is data that none
    of the folds' trainings saw.)
    """
    is_study = (Path(place) / TABLES).is_file()  # which has other .csv files, too
    place = Path(place) / CASE_SCORES if is_study else Path(place)
    files = sorted(place.glob("*.csv")) if place.is_dir() else [place]
    if not files:
        raise InputError(f"{place}: no .csv file; pass a study's {CASE_SCORES}, or a folder with several")
    scores: list[Score] = []
    seen: dict[tuple[str, ...], dict[str, Path]] = {}  # method, seed, case, class -> fold -> file
    for file in files:
        for row in read_csv(file):
            if absent := [key for key in PLACE if not row.get(key)]:
                raise InputError(f"{file}: a row without {absent[0]}; pass a study's {CASE_SCORES}")
            key, own = tuple(row[name] for name in PLACE if name != "fold"), row["fold"]
            folds = seen.setdefault(key, {})
            if own in folds:
                raise InputError(f"{file}: the scores of {' '.join(key)} are in {folds[own]} already; pass one of them")
            for fold, other in folds.items():
                if other != file:
                    what = f"{' '.join(key)} is of fold {own}, but in {other} of fold {fold}"
                    raise InputError(f"{file}: {what}: parts of a study have the same folds; pass one of them")
            folds[own] = file
            scores += row_scores(row["method"], training_of(row["seed"], own), row, file)
    return scores, list(dict.fromkeys(key[-1] for key in seen))
