"""A data set of a few voxels and an overlay that makes the bundle small enough to train in seconds."""

import json
import os
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import yaml
from monai.bundle import run as run_bundle

CASES = 10
SHAPE = (12, 14, 16)
# one flipped axis and a slight rotation, so that nothing works by accident of an identity affine
TURN = np.array([[-1.0, 0, 0], [0, np.cos(0.1), -np.sin(0.1)], [0, np.sin(0.1), np.cos(0.1)]])
AFFINE = np.eye(4)
AFFINE[:3, :3] = TURN @ np.diag([1.2, 1.0, 1.0])
AFFINE[:3, 3] = [5, -7, 11]

TINY = {
    "data_tag": "tiny",
    "class_names": ["dark", "bright"],
    "spacing": [1.5, 1.1, 1.0],  # not the scans' own
    "patch_size": [8, 8, 8],
    "filters": [4, 8, 16],
    "strides": [1, 2, 2],
    "kernel_size": [3, 3, 3],
    "epochs": 2,
    "iterations_per_epoch": 4,
    "num_workers": 0,
    "amp": False,
}


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


class Bundle:
    """Runs a bundle's configs in this process, as `python -m monai.bundle run` does in its own."""

    def __init__(self, root: Path, dataset: Path, work: Path) -> None:
        self.root = root
        self.dataset = dataset
        self.work = work
        self.overlay = work / "tiny.yaml"
        self.overlay.write_text(yaml.safe_dump(TINY))

    def files(self, *names: str) -> list[str]:
        return [str(self.root / "configs" / f"{name}.yaml") for name in names] + [str(self.overlay)]

    def options(self, **options) -> dict:
        return {
            "bundle_root": str(self.root),
            "dataset_dir": str(self.dataset),
            "output_dir": str(self.work / "output"),
            "ckpt_dir": str(self.work / "models"),
            **options,
        }

    def run(self, *names: str, run_id=None, **options) -> None:
        """Lay the overlay over the named configs and run them."""
        before = Path.cwd()
        os.chdir(self.root)
        try:
            run_bundle(
                run_id=run_id,
                config_file=self.files(*names),
                meta_file=str(self.root / "configs" / "metadata.json"),
                **self.options(**options),
            )
        finally:
            os.chdir(before)


@pytest.fixture(scope="session")
def tiny_dataset(tmp_path_factory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def batseg(project, tiny_dataset, tmp_path) -> Bundle:
    return Bundle(project / "bundles" / "batseg_spine", tiny_dataset, tmp_path)


@pytest.fixture(scope="module")
def trained(project, tiny_dataset, tmp_path_factory) -> Bundle:
    """The bundle after a training, shared by the tests of a module."""
    bundle = Bundle(project / "bundles" / "batseg_spine", tiny_dataset, tmp_path_factory.mktemp("trained"))
    bundle.run("train", baselines="true")
    return bundle
