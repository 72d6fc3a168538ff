"""A data set of a few voxels, and plans and overlays that make the bundles small enough to train in seconds."""

import csv
import json
import os
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
import yaml
from monai.bundle import ConfigParser
from monai.bundle import run as run_bundle

from custom.cohort.manifest import Cohort, CohortCase, write_cohort
from custom.plans import PLAN_FILE, write_plan

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


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return torch.load(folder / "model.pt", weights_only=True)


def equal(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)


def rows(file: Path) -> list[dict[str, str]]:
    with file.open() as lines:
        return list(csv.DictReader(lines))


def read_labels(file: Path) -> np.ndarray:
    return np.asarray(nib.load(file).dataobj)


class Bundle:
    """Runs a bundle's configs in this process, as `python -m monai.bundle run` does in its own."""

    def __init__(self, root: Path, dataset: Path, work: Path) -> None:
        self.root = root
        self.dataset = dataset
        self.work = work
        self.plan = work / "tiny.yaml"
        write_plan(self.plan, PLANS[root.name])
        self.models = work / "models"
        self.models.mkdir(exist_ok=True)
        self.overlay = work / "short.yaml"
        self.overlay.write_text(yaml.safe_dump(OVERLAYS[root.name]))

    def save_plan(self, **entries) -> None:
        """What the weights in its models are for: the tiny plan with other entries."""
        write_plan(self.models / PLAN_FILE, {**PLANS[self.root.name], **entries})

    def files(self, *names: str) -> list[str]:
        return [str(self.root / "configs" / f"{name}.yaml") for name in names] + [str(self.overlay)]

    def options(self, *names: str, **options) -> dict:
        """The folders, and of a training the plan: evaluation and inference find theirs next to the weights."""
        return {
            "bundle_root": str(self.root),
            "dataset_dir": str(self.dataset),
            "output_dir": str(self.work / "output"),
            "ckpt_dir": str(self.models),
            **({"plan": str(self.plan)} if "train" in names and "evaluate" not in names else {}),
            **options,
        }

    def parser(self, *names: str, **options) -> ConfigParser:
        """The named configs with the overlay, to take single entries of them."""
        parser = ConfigParser()
        parser.read_config(self.files(*names))
        parser.update(self.options(*names, **options))
        return parser

    def run(self, *names: str, run_id=None, **options) -> None:
        """Lay the overlay over the named configs and run them."""
        before = Path.cwd()
        os.chdir(self.root)
        try:
            run_bundle(
                run_id=run_id,
                config_file=self.files(*names),
                meta_file=str(self.root / "configs" / "metadata.json"),
                **self.options(*names, **options),
            )
        finally:
            os.chdir(before)


@pytest.fixture(scope="session")
def tiny_dataset(tmp_path_factory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def tiny_cohort(tiny_dataset, tmp_path_factory) -> Path:
    return partial_cohort(tmp_path_factory.mktemp("cohort"), tiny_dataset)


@pytest.fixture
def batseg(project, tiny_dataset, tmp_path) -> Bundle:
    return Bundle(project / "bundles" / "batseg_spine", tiny_dataset, tmp_path)


@pytest.fixture
def flare(project, tiny_dataset, tmp_path) -> Bundle:
    return Bundle(project / "bundles" / "flare_pseudolabel", tiny_dataset, tmp_path)


@pytest.fixture(scope="session")
def trained(project, tiny_dataset, tmp_path_factory) -> Bundle:
    """The spine bundle after a training, shared by all tests, which write elsewhere."""
    bundle = Bundle(project / "bundles" / "batseg_spine", tiny_dataset, tmp_path_factory.mktemp("trained"))
    bundle.run("train", baselines="true")
    return bundle


@pytest.fixture(scope="session")
def trained_flare(project, tiny_dataset, tmp_path_factory) -> Bundle:
    """The FLARE bundle after a training on one fold of the data set, shared by all tests, which write elsewhere."""
    bundle = Bundle(project / "bundles" / "flare_pseudolabel", tiny_dataset, tmp_path_factory.mktemp("trained_flare"))
    bundle.run("train")
    return bundle


@pytest.fixture(params=["trained", "trained_flare"])
def trained_bundle(request) -> Bundle:
    """Each bundle after a training."""
    return request.getfixturevalue(request.param)
