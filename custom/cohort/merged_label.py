"""A case's pseudo-label merged into its own label, as files: a label map and a record of which voxel came from whom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import torch
from nibabel.spatialimages import SpatialImage

from ..errors import InputError
from ..ignore_index import IGNORE_INDEX
from ..io.atomic_write import replacing, write_json
from .manifest import Cohort, CohortCase
from .merge_pseudo_label import merge_pseudo_label


def merge_case(
    case: CohortCase,
    cohort: Cohort,
    pseudo_file: Path,
    target: Path,
    fill: Sequence[int],
    lesions_overwrite: bool = True,
    confidence: float = 0.0,
    facts: Mapping[str, Any] | None = None,
) -> None:
    """Write the merged label, on the grid of the pseudo-label; last, its record in JSON next to it.

    Args:
        case: gives the annotator's label, if there is one.
        cohort: gives the names of the classes, and which are lesions.
        pseudo_file: NAME.nii.gz; where `confidence` is not 0, NAME_confidence.nii.gz lies next to it.
        target: the merged label, .nii.gz.
        fill: ids of the classes that the network knows.
        lesions_overwrite: see `merge_pseudo_label`.
        confidence: its threshold.
        facts: further entries of the record, e.g. the model.

    Raises:
        InputError: the labels do not fit together; the case is named.
    """
    pseudo, image = read_labels(pseudo_file)
    label = None if case.label is None else read_labels(Path(case.label))[0]
    sure_file = pseudo_file.with_name(pseudo_file.name.replace(".nii", "_confidence.nii"))
    sure = read_labels(sure_file)[0] if confidence else None
    try:
        merged = merge_pseudo_label(
            label, pseudo, case.annotated, fill, cohort.lesions, lesions_overwrite, sure, confidence
        ).numpy()
    except InputError as error:
        raise InputError(f"{case.image}: {error}") from error
    with replacing(target) as temporary:
        nib.save(nib.Nifti1Image(merged, image.affine), temporary)
    counts = np.bincount(merged.ravel(), minlength=256)
    voxel_ml = abs(float(np.linalg.det(np.asarray(image.affine)[:3, :3]))) / 1000
    record = {
        "case": case.name,
        **(facts or {}),
        "image": case.image,
        "label": case.label,
        "annotated": list(cohort.class_names(case.annotated)),
        "filled": list(cohort.class_names([number for number in fill if number not in case.annotated])),
        "lesions_overwrite": lesions_overwrite,
        "confidence": confidence,
        "volumes_ml": {name: round(float(counts[i] * voxel_ml), 3) for i, name in enumerate(cohort.classes, start=1)},
        "ignored_voxels": int(counts[IGNORE_INDEX]),
    }
    write_json(target.with_name(target.name.removesuffix(".nii.gz") + ".json"), record)


def read_labels(file: Path) -> tuple[torch.Tensor, SpatialImage]:
    """A label map in uint8 with the file it came from."""
    image: Any = nib.load(file)
    return torch.from_numpy(np.asarray(np.rint(np.asanyarray(image.dataobj)), dtype=np.uint8)), image
