"""A cohort of a few voxels, partly annotated, and an overlay with which the whole recipe takes seconds."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import yaml
from monai.bundle import run as run_bundle

from custom.cohort.manifest import Cohort, CohortCase, write_cohort
from custom.errors import ScansLeftOutError, find_input_error
from custom.plans import write_plan

from ..small_bundle import AFFINE, SHAPE

CLASSES = ("dark", "bright", "lesion")
DARK, BRIGHT, LESION = 1, 2, 3
LEVEL = (0.0, -2.0, 2.0, 4.0)  # intensity of background and classes
ANNOTATED = {"dataset1": (DARK, BRIGHT), "dataset2": (BRIGHT, LESION), "dataset3": (DARK,), "dataset4": ()}
CASES = {"dataset1": 3, "dataset2": 3, "dataset3": 2, "dataset4": 3}
VALIDATION = 2

GROUPS = {
    "dataset1": {"annotated": ["dark", "bright"]},
    "dataset2": {"annotated": ["bright", "lesion"]},
    "dataset3": {"any_annotated": True},
    "dataset4": {"any_annotated": False},
}
RECIPE = [
    {"name": "1_organs", "train": ["dataset1"]},
    {"name": "2_lesions", "fill": {"dataset2": "1_organs"}, "train": ["dataset2"]},
    {"name": "3_both", "fill": {"dataset1": "2_lesions"}, "train": ["dataset1", "dataset2"], "start_from": "2_lesions"},
    {"name": "4_partial", "fill": {"dataset3": "3_both"}, "train": ["dataset1", "dataset2", "dataset3"]},
    {"name": "5_small", "fill": {"dataset4": "4_partial"}, "train": ["dataset1", "dataset2", "dataset3", "dataset4"]},
]
STAGES = [stage["name"] for stage in RECIPE]
PLAN = {
    "name": "tiny",
    "classes": list(CLASSES),
    "channels": ["CT"],
    "orientation": "SAR",
    "spacing": [1.5, 1.1, 1.0],  # not the scans' own
    "normalisation": "ct",
    "patch_size": [8, 8, 8],
    "batch_size": 2,
    "mirror_axes": [0, 1],
    "network": {"name": "NativeScaleDynUNet", "filters": [4, 8, 16], "strides": [1, 2, 2], "kernel_size": [3, 3, 3]},
    "scoring": {"groups": {"organs": ["dark", "bright"], "lesion": ["lesion"]}, "nsd_tolerance_mm": 1.0},
}
TRAINING = {
    "epochs": 2,
    "iterations_per_epoch": 3,
    "learning_rate": 0.01,
    "seed": 5,  # gives a network that finds every class somewhere, so that there is something to merge
    "elastic_magnitude": 1.0,
    "elastic_spacing": 5.0,
}
OVERLAY = {
    "groups": GROUPS,
    "recipe": RECIPE,
    "training": TRAINING,
    "runtime": {"num_workers": 0, "amp": False},
    "window": [-3, 5],
}


def write_tiny_cohort(folder: Path, cases: dict[str, int] | None = None, validation: int = VALIDATION) -> Path:
    """Boxes in noise with a lesion inside the bright one, annotated as the groups say; returns the manifest."""
    groups = [group for group, count in (cases or CASES).items() for _ in range(count)]
    listed = [write_case(folder, f"case_{n:02d}", n, ANNOTATED[group]) for n, group in enumerate(groups)]
    every = (DARK, BRIGHT, LESION)
    listed += [write_case(folder, f"held_{n:02d}", 100 + n, every, "validation") for n in range(validation)]
    manifest = folder / "cohort.json"
    write_cohort(manifest, Cohort("boxes", CLASSES, (LESION,), tuple(listed), "given"))
    return manifest


def write_case(folder: Path, name: str, seed: int, annotated: Sequence[int], use: str = "training") -> CohortCase:
    """A noisy volume of two boxes, of which the bright one holds a lesion, and the annotated part of its label."""
    random = np.random.RandomState(seed)
    truth = np.zeros(SHAPE, np.uint8)
    corners = [[random.randint(half, size // 2 - 4 + half) for size in SHAPE[1:]] for half in (0, 7)]
    for value, corner in zip((DARK, BRIGHT), corners, strict=True):
        x = random.randint(0, SHAPE[0] - 5)
        truth[x : x + 5, corner[0] : corner[0] + 5, corner[1] : corner[1] + 5] = value
        if value == BRIGHT:
            truth[x + 1 : x + 3, corner[0] + 1 : corner[0] + 3, corner[1] + 2 : corner[1] + 4] = LESION
    image = random.normal(0, 0.2, SHAPE) + np.take(LEVEL, truth)
    save(folder / "images" / f"{name}.nii.gz", image.astype(np.float32))
    if not annotated:
        return CohortCase(name, str(folder / "images" / f"{name}.nii.gz"), None, ())
    organ = np.where((truth == LESION) & (LESION not in annotated), BRIGHT, truth)
    label = np.where(np.isin(organ, annotated), organ, 0).astype(np.uint8)
    save(folder / "labels" / f"{name}.nii.gz", label)
    files = [str(folder / kind / f"{name}.nii.gz") for kind in ("images", "labels")]
    return CohortCase(name, *files, tuple(annotated), use)


def save(file: Path, volume: np.ndarray, affine: np.ndarray = AFFINE) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(volume, affine), file)


def voxels(file: Path | str) -> np.ndarray:
    return np.asarray(nib.load(file).dataobj)


class Pipeline:
    """Runs pipeline.yaml on a cohort in this process, as `python -m monai.bundle run` does in its own."""

    def __init__(self, project: Path, manifest: Path, work: Path, **changes) -> None:
        self.root = project / "bundles" / "flare_pseudolabel"
        self.manifest = manifest
        self.work = work
        self.overlay = work.with_name(f"{work.name}.yaml")
        self.overlay.parent.mkdir(parents=True, exist_ok=True)
        self.plan = work.with_name(f"{work.name}_plan.yaml")
        write_plan(self.plan, PLAN)
        self.write_overlay(**changes)

    def write_overlay(self, **changes) -> None:
        self.overlay.write_text(yaml.safe_dump({**OVERLAY, "plan": str(self.plan), **changes}, sort_keys=False))

    def options(self, **options) -> dict:
        return {
            "config_file": [str(self.root / "configs" / "pipeline.yaml"), str(self.overlay)],
            "meta_file": str(self.root / "configs" / "metadata.json"),
            "bundle_root": str(self.root),
            "cohort": str(self.manifest),
            "work_dir": str(self.work),
            **options,
        }

    def arguments(self, **options) -> list[str]:
        """The same for the command line."""
        return [text for key, value in self.options(**options).items() for text in (f"--{key}", str(value))]

    def run(self, **options) -> None:
        before = Path.cwd()
        os.chdir(self.root)
        try:
            run_bundle(**self.options(**options))
        finally:
            os.chdir(before)

    def run_without(self, names: str, **options) -> None:
        """The same, where the run is to say at its end that it left cases out."""
        with pytest.raises(Exception) as caught:
            self.run(**options)
        ending = find_input_error(caught.value)
        assert isinstance(ending, ScansLeftOutError), caught.value
        assert f" left out: {names}; reasons in {self.work / 'excluded.json'}" in str(ending)

    def stage(self, name: str) -> Path:
        return self.work / "stages" / name
