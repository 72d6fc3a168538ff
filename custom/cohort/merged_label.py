"""A case's pseudo-label merged into its own label, as files: a label map and a record of which voxel came from whom."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from ..errors import InputError
from ..fingerprint.label_statistics import read_label_map
from ..geometry.voxel_volume import voxel_ml
from ..ignore_index import IGNORE_INDEX
from ..io.atomic_write import replacing, write_json
from ..io.nifti_header import label_header
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
    entries: Mapping[str, Any] | None = None,
) -> None:
    """Write the merged label, on the grid of the pseudo-label; last, its record in JSON next to it.

    Args:
        pseudo_file: NAME.nii.gz; where `confidence` is not 0, NAME_confidence.nii.gz lies next to it.
        entries: further entries of the record, e.g. the model.

    Raises InputError: the labels do not fit together; the case is named.
    """
    sure_file = pseudo_file.with_name(pseudo_file.name.replace(".nii", "_confidence.nii"))
    try:
        pseudo = read_label_map(pseudo_file)
        label = None if case.label is None else read_label_map(case.label).voxels
        sure = read_label_map(sure_file).voxels if confidence else None
        merged = merge_pseudo_label(
            label, pseudo.voxels, case.annotated, fill, cohort.lesions, lesions_overwrite, sure, confidence
        ).numpy()
    except InputError as error:
        raise InputError(f"{case.image}: {error}") from error
    with replacing(target) as temporary:
        nib.save(nib.Nifti1Image(merged, None, label_header(str(pseudo_file), merged.shape)), temporary)
    counts = np.bincount(merged.ravel(), minlength=256)
    volumes_ml = counts * voxel_ml(pseudo.affine)
    record = {
        "case": case.name,
        **(entries or {}),
        "image": case.image,
        "label": case.label,
        "annotated": list(cohort.class_names(case.annotated)),
        "filled": list(cohort.class_names([number for number in fill if number not in case.annotated])),
        "lesions_overwrite": lesions_overwrite,
        "confidence": confidence,
        "volumes_ml": {name: round(float(volumes_ml[i]), 3) for i, name in enumerate(cohort.classes, start=1)},
        "ignored_voxels": int(counts[IGNORE_INDEX]),
    }
    write_json(target.with_name(target.name.removesuffix(".nii.gz") + ".json"), record)
