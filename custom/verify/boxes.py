"""Data sets of coloured boxes, of a few kilobytes, on which a check can run configs in a second."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from ..cohort.manifest import Cohort, CohortCase, write_cohort

CASES = 6
GRID = (4, 4, 5)  # boxes
EDGE = 4  # voxels
CONTRAST = 20.0  # between the intensities of two classes
NOISE = 2.0
# flipped and turned, so that nothing works by accident of an identity affine
TURN = 0.1
AFFINE = np.array(
    [
        [-1.2, 0.0, 0.0, 5.0],
        [0.0, np.cos(TURN), -np.sin(TURN), -7.0],
        [0.0, np.sin(TURN), np.cos(TURN), 11.0],
        [0.0, 0.0, 0.0, 1.0],
    ]
)


def write_boxes(folder: Path, num_classes: int) -> Path:
    """A data set in Medical Segmentation Decathlon layout with labels 0 to `num_classes` - 1; returns `folder`."""
    names = [f"box_{number}" for number in range(CASES)]
    for number, name in enumerate(names):
        label = box_labels(num_classes, number)
        image = CONTRAST * label + np.random.default_rng(number).normal(0, NOISE, label.shape)
        write_volume(folder / "imagesTr" / f"{name}.nii.gz", image.astype(np.float32))
        write_volume(folder / "labelsTr" / f"{name}.nii.gz", label)
    listing = [{"image": f"./imagesTr/{name}.nii.gz", "label": f"./labelsTr/{name}.nii.gz"} for name in names]
    (folder / "dataset.json").write_text(json.dumps({"training": listing}), encoding="utf-8")
    return folder


def box_labels(num_classes: int, seed: int) -> np.ndarray:
    """A label map of boxes, uint8: every class in turn, in an order of the seed's."""
    order = np.random.default_rng(seed).permutation(np.prod(GRID)) % num_classes
    return np.kron(order.reshape(GRID), np.ones((EDGE,) * 3)).astype(np.uint8)


def write_volume(file: Path, volume: np.ndarray) -> None:
    """One NIfTI file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(volume, AFFINE), file)


def write_box_cohort(folder: Path, classes: Sequence[str], groups: Mapping[str, Mapping[str, Any]]) -> Path:
    """A cohort manifest with two cases of every group of a recipe and two of validation; returns its file.

    Args:
        folder: where everything is written.
        classes: names of the classes.
        groups: as in pipeline.yaml: name -> the classes annotated, or whether any are.
    """
    everything = tuple(range(1, len(classes) + 1))
    annotated = []
    for rule in groups.values():
        ids = tuple(classes.index(name) + 1 for name in rule.get("annotated", ()))
        annotated += 2 * [ids or ((1,) if rule.get("any_annotated") else ())]
    cases = []
    for number, known in enumerate([*annotated, everything, everything]):
        label = box_labels(len(classes) + 1, number)
        image, truth = folder / "images" / f"box_{number}.nii.gz", folder / "labels" / f"box_{number}.nii.gz"
        write_volume(image, (CONTRAST * label).astype(np.int16))
        write_volume(truth, np.where(np.isin(label, known), label, 0).astype(np.uint8))
        use = "training" if number < len(annotated) else "validation"
        cases.append(CohortCase(f"box_{number}", str(image), str(truth) if known else None, known, use))
    write_cohort(folder / "cohort.json", Cohort("boxes", tuple(classes), (), tuple(cases)))
    return folder / "cohort.json"
