"""The bundles made small enough to train in seconds, on a toy data set."""

import csv
import os
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
import yaml
from monai.bundle import ConfigParser
from monai.bundle import run as run_bundle

from custom.errors import ScansLeftOutError, find_input_error
from custom.plans import PLAN_FILE, write_plan

from ..small_bundle import OVERLAYS, PLANS, partial_cohort, write_dataset


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return torch.load(folder / "model.pt", weights_only=True)


def equal(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)


def rows(file: Path) -> list[dict[str, str]]:
    with file.open() as lines:
        return list(csv.DictReader(lines))


def columns_of(table: list[dict[str, str]], other: list[dict[str, str]]) -> list[dict[str, str]]:
    """A table with the columns of another alone: an evaluation has more of them than a training's validation."""
    return [{key: row[key] for key in other[0]} for row in table]


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

    def ending(self, *names: str, **options) -> str:
        """How a run ends that leaves scans out."""
        with pytest.raises(Exception) as caught:
            self.run(*names, **options)
        error = find_input_error(caught.value)
        assert isinstance(error, ScansLeftOutError), caught.value
        return str(error)


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
