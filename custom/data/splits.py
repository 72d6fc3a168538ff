"""The cases of a run: what a config asks for with a data set's folder, a section and a fold."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import InputError
from .folds import load_folds, load_or_make_folds
from .inspection import foreground_classes, inspect_cases, only_usable, raise_on_problems
from .label_names import label_names
from .layouts import case_name, image_files, test_images, training_cases

logger = logging.getLogger(__name__)

SECTIONS = ("training", "validation", "all")


def split_cases(
    dataset_dir: str | Path,
    section: str,
    num_classes: int,
    fold: int | str = 0,
    num_folds: int = 5,
    folds_file: str | Path | None = None,
    facts_file: str | Path | None = None,
    validate: bool = True,
    seed: int = 0,
    num_channels: int | None = None,
) -> list[dict[str, Any]]:
    """The labelled cases of one section as ``{"image", "label"}``, sorted by name.

    Args:
        dataset_dir: a data set in Medical Segmentation Decathlon or nnU-Net raw layout.
        section: "training" (every fold but `fold`), "validation" (`fold` alone) or "all".
        num_classes: classes of the labels, background included.
        fold: 0 to `num_folds` - 1, or "all": training and validation are then both every case, so that scores on the
            validation cases are scores on training cases.
        num_folds: number of folds, balanced over the foreground classes that the cases have.
        folds_file: JSON; read where it exists, else written. None makes the same folds anew each time.
        facts_file: JSON in which the findings of the data check are kept: the next check reads only what changed.
        validate: read every file of the data set first and refuse data with problems. Without it, and with an existing
            folds file, no file is opened here; else labels are read for the sake of the folds.
        seed: of the folds, when they are made.
        num_channels: channels of the network's image.

    Raises:
        InputError: the data, a file or an argument cannot be used.
    """
    if section not in SECTIONS:
        raise InputError(f"section is {section!r}; it must be one of {', '.join(SECTIONS)}")
    held_out = _fold_number(fold, num_folds)
    cases = training_cases(dataset_dir)
    _check_channels(cases, num_channels)
    strata = None
    if validate:
        facts = inspect_cases(cases, num_classes, facts_file)
        raise_on_problems(facts)
        strata = {fact.name: fact.foreground for fact in facts}
    if section == "all" or held_out is None:
        return cases
    folds = _folds(cases, strata, folds_file, num_folds, seed)
    in_fold = set(folds[held_out])
    return [case for case in cases if (case_name(case) in in_fold) == (section == "validation")]


def inference_cases(
    dataset_dir: str | Path,
    output_dir: str | Path,
    overwrite: bool = True,
    validate: bool = True,
    num_channels: int | None = None,
) -> list[dict[str, Any]]:
    """The scans to predict as ``{"image"}``, see `layouts.test_images`; none where all are labelled already.

    Args:
        dataset_dir: a folder of scans in any format, one scan, or a data set.
        output_dir: folder of the label maps.
        overwrite: False leaves out scans that have a label map in `output_dir`.
        validate: read every scan first and leave out one that cannot be used, with one warning line.
        num_channels: channels of the network's image.

    Raises:
        InputError: there are no scans, none can be used, or a label map would replace a scan or another label map.
    """
    cases = test_images(dataset_dir)
    labels = {image_files(case)[0]: case for case in cases}
    targets = {scan: Path(output_dir) / name for scan, name in label_names(labels).items()}
    for scan, target in targets.items():
        if target.resolve() == Path(scan).resolve():
            raise InputError(f"{scan} would be replaced by its label map: pass another --output_dir")
    if not overwrite:
        cases = [case for scan, case in labels.items() if not targets[scan].exists()]
        logger.info("%d of %d scans are already labelled in %s", len(labels) - len(cases), len(labels), output_dir)
    _check_channels(cases, num_channels)
    if not validate or not cases:
        return cases
    return only_usable(cases, inspect_cases(cases, description="checking scans"))


def _check_channels(cases: Sequence[dict[str, Any]], num_channels: int | None) -> None:
    """Every case has as many channel files as the network takes; 3D volumes hold one channel each."""
    for case in cases:
        found = len(image_files(case))
        if num_channels is not None and found != num_channels:
            raise InputError(
                f"{image_files(case)[0]}: {found} channel(s) where the network takes {num_channels}: "
                f"pass --num_channels {found} or leave the others out"
            )


def _fold_number(fold: int | str, num_folds: int) -> int | None:
    """`fold` as an index, None for "all"."""
    if fold == "all":
        return None
    try:
        number = int(fold)
    except (TypeError, ValueError):
        number = -1
    if not 0 <= number < num_folds:
        raise InputError(f'fold is {fold!r}; it must be 0 to {num_folds - 1} (num_folds - 1) or "all"')
    return number


def _folds(
    cases: Sequence[dict[str, Any]],
    strata: dict[str, tuple[int, ...]] | None,
    folds_file: str | Path | None,
    num_folds: int,
    seed: int,
) -> list[list[str]]:
    """The folds; labels are read only where neither the data check nor a file tells."""
    if strata is None:
        if folds_file is not None and Path(folds_file).exists():
            return load_folds(folds_file, [case_name(case) for case in cases], num_folds)
        strata = foreground_classes(cases)
    return load_or_make_folds(folds_file, strata, num_folds, seed)
