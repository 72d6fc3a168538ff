"""What makes any bundle small: a toy data set of a few voxels, a tiny plan, and a training of seconds."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from custom.cohort.manifest import Cohort, CohortCase, write_cohort

CASES = 10
SHAPE = (12, 14, 16)
# one flipped axis and a slight rotation, so that nothing works by accident of an identity affine
TURN = np.array([[-1.0, 0, 0], [0, np.cos(0.1), -np.sin(0.1)], [0, np.sin(0.1), np.cos(0.1)]])
AFFINE = np.eye(4)
AFFINE[:3, :3] = TURN @ np.diag([1.2, 1.0, 1.0])
AFFINE[:3, 3] = [5, -7, 11]

TINY_PLAN = {
    "name": "tiny",
    "classes": ["dark", "bright"],
    "channels": ["T1"],
    "orientation": "RAS",
    "spacing": [1.5, 1.1, 1.0],  # not the scans' own
    "normalisation": "zscore",
    "patch_size": [8, 8, 8],
    "batch_size": 2,
    "mirror_axes": [0, 1, 2],
    "network": {"name": "NativeScaleDynUNet", "filters": [4, 8, 16], "strides": [1, 2, 2], "kernel_size": [3, 3, 3]},
}
TINY_FLARE_PLAN = {
    **TINY_PLAN,
    "channels": ["CT"],
    "orientation": "SAR",
    "spacing": [1.1, 1.0, 1.5],  # superior-inferior, anterior-posterior, right-left
    "normalisation": "ct",
    "mirror_axes": [0, 1],
    "prediction": {"windows": "efficient", "min_foreground_voxels": 4},
    "scoring": {"groups": {"both": ["dark", "bright"]}, "tubular": [], "nsd_tolerance_mm": 1.0},
}
SHORT = {"epochs": 2, "iterations_per_epoch": 4, "num_workers": 0, "amp": False}
SHORT_FLARE = {**SHORT, "elastic_magnitude": 1.0, "elastic_spacing": 4.0}
PLANS = {"batseg_spine": TINY_PLAN, "flare_pseudolabel": TINY_FLARE_PLAN}
OVERLAYS = {"batseg_spine": SHORT, "flare_pseudolabel": SHORT_FLARE}


def write_case(folder: Path, name: str, seed: int) -> None:
    """A noisy volume with one dark and one bright box, the classes 1 and 2."""
    random = np.random.RandomState(seed)
    label = np.zeros(SHAPE, np.uint8)
    for value in (1, 2):
        corner = [random.randint(0, size - 4) for size in SHAPE]
        label[tuple(slice(first, first + 4) for first in corner)] = value
    image = random.normal(0, 0.2, SHAPE) + np.choose(label, [0, -2, 2])
    for kind, volume in (("imagesTr", image.astype(np.float32)), ("labelsTr", label)):
        (folder / kind).mkdir(parents=True, exist_ok=True)
        nib.save(nib.Nifti1Image(volume, AFFINE), folder / kind / f"{name}.nii.gz")


def write_dataset(folder: Path) -> Path:
    """Medical Segmentation Decathlon layout."""
    names = [f"box_{index:02d}" for index in range(CASES)]
    for index, name in enumerate(names):
        write_case(folder, name, index)
    listing = [{"image": f"./imagesTr/{name}.nii.gz", "label": f"./labelsTr/{name}.nii.gz"} for name in names]
    (folder / "dataset.json").write_text(json.dumps({"training": listing}))
    return folder


def partial_cohort(folder: Path, dataset: Path) -> Path:
    """A manifest of the data set's cases: annotated for both classes, for one, for none, and two for validation."""
    cases = []
    for index in range(CASES):
        name = f"box_{index:02d}"
        image, label = (dataset / kind / f"{name}.nii.gz" for kind in ("imagesTr", "labelsTr"))
        annotated = [(1, 2), (1,), (2,), ()][index % 4] if index < CASES - 2 else (1, 2)
        use = "training" if index < CASES - 2 else "validation"
        if len(annotated) == 1:
            values = np.asarray(nib.load(label).dataobj)
            label = folder / "labels" / label.name
            label.parent.mkdir(parents=True, exist_ok=True)
            nib.save(nib.Nifti1Image(np.where(np.isin(values, annotated), values, 0).astype(np.uint8), AFFINE), label)
        cases.append(CohortCase(name, str(image), str(label) if annotated else None, annotated, use))
    write_cohort(folder / "cohort.json", Cohort("boxes", ("dark", "bright"), (), tuple(cases)))
    return folder / "cohort.json"


def write_cohort_of_groups(file: Path, groups: Mapping[str, Mapping[str, Any]]) -> Path:
    """A manifest with two cases of every group and two of validation, whose images nobody opens; returns its file.

    Args:
        file: to write.
        groups: as in pipeline.yaml: name -> the classes annotated, or whether any are.
    """
    classes = tuple(dict.fromkeys(name for rule in groups.values() for name in rule.get("annotated", ())))
    everything = tuple(range(1, len(classes) + 1))
    annotated = []
    for rule in groups.values():
        ids = tuple(sorted(classes.index(name) + 1 for name in rule.get("annotated", ())))
        annotated += 2 * [ids or everything[: bool(rule.get("any_annotated"))]]
    uses = ["training"] * len(annotated) + ["validation"] * 2
    cases = [
        CohortCase(f"case_{number}", f"image_{number}.nii.gz", f"label_{number}.nii.gz" if ids else None, ids, use)
        for number, (ids, use) in enumerate(zip([*annotated, everything, everything], uses, strict=True))
    ]
    write_cohort(file, Cohort("groups", classes, (), tuple(cases)))
    return file
