"""The labelled cases of a run: from a cohort manifest, or from a data set's folder with folds."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..atomic_write import write_json
from ..errors import InputError
from .cohort import Cohort, CohortCase, read_cohort
from .inspection import inspect_cases, raise_on_problems
from .shear import with_shear_problems
from .splits import split_cases

SECTIONS = ("training", "validation")


def labelled_cases(
    dataset: str | Path,
    section: str,
    class_names: Sequence[str],
    facts_file: str | Path | None = None,
    validate: bool = True,
    num_channels: int | None = None,
    **folds: Any,
) -> list[dict[str, Any]]:
    """The labelled cases of one section as ``{"image", "label"}``, of a manifest with ``"annotated"`` (class ids) too.

    Args:
        dataset: a cohort manifest (.json), whose cases say themselves what they are used for, or a data set's folder.
        section: "training" or "validation".
        class_names: the classes; a manifest must have the same in the same order.
        facts_file: JSON in which the findings of the data check are kept.
        validate: read every file first and refuse data with problems, in validation sheared axes among them: label maps
            return to the scans' grids axis by axis.
        num_channels: channels of the network's image; scans of a manifest have one.
        folds: `fold`, `num_folds`, `folds_file` of `splits.split_cases`, for a folder.

    Raises:
        InputError: the data, a file or an argument cannot be used.
    """
    if section not in SECTIONS:
        raise InputError(f"section is {section!r}; it must be one of {', '.join(SECTIONS)}")
    num_classes = len(class_names) + 1
    if Path(dataset).suffix != ".json":
        options = {**folds, "facts_file": facts_file, "validate": validate, "num_channels": num_channels}
        cases = split_cases(dataset, section, num_classes, **options)
    else:
        cases = _cases_of_cohort(dataset, section, class_names)
        if validate:
            raise_on_problems(inspect_cases(cases, num_classes, facts_file))
    if validate and section == "validation":
        facts = inspect_cases(cases, num_classes, facts_file)  # which remembers them
        raise_on_problems([with_shear_problems(fact) for fact in facts])
    return cases


def _cases_of_cohort(dataset: str | Path, section: str, class_names: Sequence[str]) -> list[dict[str, Any]]:
    cohort = read_cohort(dataset)
    check_class_names(cohort, class_names, dataset)
    chosen = cohort.training if section == "training" else cohort.validation
    cases = [case_entry(case) for case in chosen if case.label is not None]
    if section == "training" and not cases:
        raise InputError(f"{dataset} lists no training case with a label; annotate some, or pass another manifest")
    return cases


def check_class_names(cohort: Cohort, class_names: Sequence[str], manifest: str | Path) -> None:
    """Refuse a cohort of other classes than the config's.

    Raises:
        InputError: naming both.
    """
    if list(cohort.classes) != list(class_names):
        raise InputError(
            f"{manifest} has the classes {', '.join(cohort.classes)}, the config {', '.join(class_names)}: "
            "pass the overlay of this data set, or class_names, score_groups and tubular that fit"
        )


def case_entry(case: CohortCase) -> dict[str, Any]:
    """A case of a cohort as transforms take it."""
    entry: dict[str, Any] = {"image": case.image}
    if case.label is not None:
        entry |= {"label": case.label, "annotated": list(case.annotated)}
    return entry


def write_case_list(file: str | Path, cases: Sequence[dict[str, Any]]) -> None:
    """Keep a list of case dictionaries, to be read by `read_case_list`."""
    write_json(file, list(cases))


def read_case_list(file: str | Path) -> list[dict[str, Any]]:
    """The case dictionaries of a list; a config that names the file stays short whatever their number."""
    cases: list[dict[str, Any]] = json.loads(Path(file).read_text(encoding="utf-8"))
    return cases


def class_ids(names: Sequence[str], class_names: Sequence[str]) -> list[int]:
    """Ids (from 1) of those `names` that are among `class_names`, so that lists for other data do no harm."""
    return [class_names.index(name) + 1 for name in names if name in class_names]
