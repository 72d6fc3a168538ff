"""The cases of a run: what a config asks for with a data set's folder, a section and a fold."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import InputError
from .folds import load_folds, load_or_make_folds
from .image_formats import ending_of
from .inspection import foreground_classes, inspect_cases, only_usable, raise_on_problems
from .label_names import label_names, with_suffix
from .layouts import case_name, files_below, image_files, scan_folder, test_images, training_cases
from .other_grid import has_another_grid
from .shear import with_shear_problems

logger = logging.getLogger(__name__)

SECTIONS = ("training", "validation", "all")
DICOM_SEG = "dicom_seg"
# what inference writes beside a label map: suffix of its name and ending, "" for the label map's own
BESIDE = {DICOM_SEG: ("", ".dcm"), "confidence": ("_confidence", ""), "case_record": ("", ".json")}


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
    beside: Mapping[str, bool] | None = None,
    right_angles: bool = False,
) -> list[dict[str, Any]]:
    """The scans to predict as ``{"image"}``, see `layouts.test_images`; none where all are labelled already.

    Args:
        dataset_dir: a folder of scans in any format, one scan, or a data set.
        output_dir: folder of the label maps.
        overwrite: False leaves out scans that have a label map, and all that is to be `beside` it, in `output_dir`.
        validate: read every scan first and leave out one that cannot be used, with one warning line.
        num_channels: channels of the network's image.
        beside: which of `BESIDE` are written as well.
        right_angles: also leave out scans with sheared axes, for inferers that return label maps axis by axis.

    Raises:
        InputError: there are no scans, none can be used, a label map would replace a scan, another label map or that
            of another series, or `output_dir` holds scans: the next run would take label maps for scans.
    """
    cases = test_images(dataset_dir)
    labels = {image_files(case)[0]: case for case in cases}
    targets = {scan: Path(output_dir) / name for scan, name in label_names(cases, dataset_dir).items()}
    _refuse_folder_of_scans(output_dir, [scan_folder(dataset_dir), *map(_folder_of, labels)])
    if any(not ending_of(scan) for scan in labels):
        _tell_of_other_scans(scan_folder(dataset_dir), Path(output_dir))
    for scan, target in targets.items():
        if target.resolve() == Path(scan).resolve():
            raise InputError(f"{scan} would be replaced by its label map: pass another --output_dir")
        if not ending_of(scan) and has_another_grid(target, scan):  # its name is that of folders, not its own
            raise InputError(
                f"{target} is there and lies on another grid than {scan}, as the label map of another series: pass "
                "another --output_dir, or remove it"
            )
    if not overwrite:
        cases = [case for scan, case in labels.items() if not _is_finished(scan, targets[scan], beside or {})]
        logger.info("%d of %d scans are already labelled in %s", len(labels) - len(cases), len(labels), output_dir)
    _check_channels(cases, num_channels)
    if not validate or not cases:
        return cases
    facts = inspect_cases(cases, description="checking scans")
    return only_usable(cases, [with_shear_problems(fact) for fact in facts] if right_angles else facts)


def _is_finished(scan: str, label: Path, beside: Mapping[str, bool]) -> bool:
    """Whether a scan's label map and the files wanted beside it are there; only a DICOM series has a DICOM-SEG."""
    names = [{"subject": label.name}]
    for kind, wanted in beside.items():
        if wanted and not (kind == DICOM_SEG and ending_of(scan)):
            names.append(with_suffix(names[0], *BESIDE[kind]))
    return all(label.with_name(name["subject"]).exists() for name in names)


def _folder_of(scan: str) -> Path:
    """The folder that holds a scan's files; a DICOM series may go by it."""
    path = Path(scan)
    return path if path.is_dir() else path.parent


def _refuse_folder_of_scans(output_dir: str | Path, folders: Sequence[Path]) -> None:
    if Path(output_dir).resolve() in {folder.resolve() for folder in folders}:
        raise InputError(
            f"{output_dir} holds the scans, among which label maps would be taken for scans: pass another --output_dir"
        )


def _tell_of_other_scans(folder: Path, output_dir: Path) -> None:
    """One warning line about scans in sub-folders, where only DICOM is looked for; label maps apart."""
    others = [file for file in files_below(folder) if not file.resolve().is_relative_to(output_dir.resolve())]
    if others:
        logger.warning(
            "%d files in sub-folders, such as %s, are not labelled: only DICOM is looked for there; pass their folder",
            len(others),
            others[0],
        )


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
