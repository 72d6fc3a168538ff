"""Label a group of cases with a stage's model, and merge what it found into their own labels."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import torch
from nibabel.spatialimages import SpatialImage
from tqdm import tqdm

from ..cohort.manifest import Cohort, CohortCase
from ..cohort.merge_pseudo_label import merge_pseudo_label
from ..datalist.output_names import CaseNames
from ..errors import InputError, find_input_error, input_error_message
from ..ignore_index import IGNORE_INDEX
from ..io.atomic_write import replacing, write_json
from ..processes import gathered, is_first, on_first, own_share
from .disk_trouble import REMEDY, disk_trouble
from .recipe import Fill, PlannedStage
from .work_folder import StageFolder, is_finished, record_of

logger = logging.getLogger(__name__)

FAILURES_IN_A_ROW = 3  # of different cases: then it is not the cases
ELSEWHERE = "correct the cause, then run the same command again; what is finished is kept"
LONGEST_REASON = 300  # letters

Predict = Callable[[Sequence[CohortCase]], None]


def predict_cases(
    cases: Sequence[CohortCase], label_of: Callable[[CohortCase], Path], predict: Predict
) -> dict[str, str]:
    """Let `predict` label every case that has no finished label; a case it fails on is set aside.

    Cases are shared among the processes of torchrun. `predict` writes the cases in the order given, so the first
    unfinished one is the one it failed on, and the rest is taken up again behind it.

    Args:
        cases: all cases of the group.
        label_of: the file a case's label is written to.
        predict: labels some cases.

    Returns:
        Name -> reason of the cases set aside, of all processes.

    Raises:
        InputError: what failed is not a case: the disk, the weights, or several cases in a row.
    """
    remaining = own_unfinished(cases, label_of)
    failed: dict[str, str] = {}
    in_a_row = 0
    while remaining:
        before = len(remaining)
        try:
            predict(remaining)
        except Exception as error:
            remaining = [case for case in remaining if not is_finished(label_of(case))]
            if not remaining:
                raise
            in_a_row = in_a_row + 1 if len(remaining) == before else 1
            reason = failure_of_case(error, remaining[0], in_a_row)
            logger.warning("set aside: %s: %s", remaining[0].name, reason)
            failed[remaining.pop(0).name] = reason
        else:
            break
    return gathered(failed)


def own_unfinished(cases: Sequence[CohortCase], label_of: Callable[[CohortCase], Path]) -> list[CohortCase]:
    """The unfinished cases that fall to this process.

    The first process looks which they are: another that looked a moment later might find one done already, and would
    count off others than the rest expect of it.
    """
    names = set(on_first(lambda: [case.name for case in cases if not is_finished(label_of(case))]))
    return own_share([case for case in cases if case.name in names])


def failure_of_case(error: Exception, case: CohortCase, in_a_row: int) -> str:
    """Why a case could not be labelled; raises where the case is not to blame."""
    trouble = disk_trouble(error)
    if trouble is not None and not any(file in trouble for file in (case.image, case.label) if file):
        raise InputError(f"{trouble}: {REMEDY}") from error
    known = find_input_error(error)
    if known is not None and case.image not in str(known):
        raise InputError(input_error_message(known)) from error
    innermost = error
    while innermost.__cause__ is not None and isinstance(innermost.__cause__, Exception):
        innermost = innermost.__cause__
    text = input_error_message(known) if known is not None else f"{type(innermost).__name__}: {innermost}"
    reason = " ".join(text.split())[:LONGEST_REASON]
    if not reason.startswith(case.image):
        reason = f"{case.image}: {reason}"
    if in_a_row >= FAILURES_IN_A_ROW:
        raise InputError(f"{in_a_row} cases in a row could not be labelled, the last: {reason}; {ELSEWHERE}") from error
    return reason


def prediction_overrides(
    cases_file: Path, cases: Sequence[CohortCase], folder: Path, model: StageFolder, facts: Mapping[str, Any]
) -> dict[str, Any]:
    """Ids of inference.yaml for predictions of listed cases with a stage's model, named by case."""
    names = {str(case.image): case.name for case in cases}
    return {
        "dataset_dir": str(cases_file),
        "dataset#data": f"$datalist.read_case_list({str(cases_file)!r})",
        "output_dir": str(folder),
        "ckpt_dir": str(model.models),
        "checkpoint": str(model.model),
        "intensity_file": str(model.models / "intensity.json"),
        "case_records": True,
        "record_facts": dict(facts),
        "label_formatter": CaseNames(names),
        "confidence_formatter": CaseNames(names, "_confidence"),
    }


def merge_group(
    planned: PlannedStage, fill: Fill, cases: Sequence[CohortCase], cohort: Cohort, folder: StageFolder, checksum: str
) -> dict[str, str]:
    """Write the merged label and its record for every case of a group that has none.

    Returns:
        Name -> reason of the cases set aside, of all processes.

    Raises:
        InputError: what failed is not a case: the disk, or several cases in a row.
    """
    todo = own_unfinished(cases, lambda case: folder.merged(case.name))
    failed: dict[str, str] = {}
    in_a_row = 0
    for case in tqdm(todo, desc=f"merging {fill.group}", unit="case", disable=not is_first() or not todo):
        try:
            merge_case(planned, fill, case, cohort, folder, checksum)
            in_a_row = 0
        except Exception as error:  # a damaged file fails in nibabel, zlib or numpy alike
            in_a_row += 1
            failed[case.name] = failure_of_case(error, case, in_a_row)
            logger.warning("set aside: %s: %s", case.name, failed[case.name])
    return gathered(failed)


def merge_case(
    planned: PlannedStage, fill: Fill, case: CohortCase, cohort: Cohort, folder: StageFolder, checksum: str
) -> None:
    """Merge one case's pseudo-label into its own label; the record is written last."""
    stage = planned.stage
    pseudo_file = folder.pseudo_label(fill.group, case.name)
    pseudo, image = read_labels(pseudo_file)
    label = None if case.label is None else read_labels(Path(case.label))[0]
    confidence = None
    if stage.confidence:
        confidence = read_labels(pseudo_file.with_name(f"{case.name}_confidence.nii.gz"))[0]
    try:
        merged = merge_pseudo_label(
            label,
            pseudo,
            case.annotated,
            fill.classes,
            cohort.lesions,
            lesions_overwrite=stage.lesions_overwrite,
            confidence=confidence,
            threshold=stage.confidence,
        ).numpy()
    except InputError as error:
        raise InputError(f"{case.image}: {error}") from error
    target = folder.merged(case.name)
    write_label(target, merged, image)
    write_json(record_of(target), merged_record(planned, fill, case, cohort, merged, image, checksum))


def merged_record(
    planned: PlannedStage,
    fill: Fill,
    case: CohortCase,
    cohort: Cohort,
    merged: np.ndarray,
    image: SpatialImage,
    checksum: str,
) -> dict[str, Any]:
    """Which voxel came from whom: the record beside a merged label."""
    filled = [number for number in fill.classes if number not in case.annotated]
    counts = np.bincount(merged.ravel(), minlength=256)
    voxel_ml = abs(float(np.linalg.det(np.asarray(image.affine)[:3, :3]))) / 1000
    return {
        "case": case.name,
        "stage": planned.stage.name,
        "model": {"stage": fill.model_stage, "sha256": checksum},
        "image": case.image,
        "label": case.label,
        "annotated": list(cohort.class_names(case.annotated)),
        "filled": list(cohort.class_names(filled)),
        "lesions_overwrite": planned.stage.lesions_overwrite,
        "confidence": planned.stage.confidence,
        "volumes_ml": {name: round(float(counts[i] * voxel_ml), 3) for i, name in enumerate(cohort.classes, start=1)},
        "ignored_voxels": int(counts[IGNORE_INDEX]),
    }


def read_labels(file: Path) -> tuple[torch.Tensor, SpatialImage]:
    """A label map in uint8 with the file it came from."""
    image: Any = nib.load(file)
    return torch.from_numpy(np.asarray(np.rint(np.asanyarray(image.dataobj)), dtype=np.uint8)), image


def write_label(file: Path, label: np.ndarray, like: SpatialImage) -> None:
    """Write a label map on the grid of another file, atomically."""
    with replacing(file) as temporary:
        nib.save(nib.Nifti1Image(label, like.affine), temporary)
