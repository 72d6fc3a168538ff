"""The models in bundles/*/models: what their model.yaml states holds, on cases that they have not seen."""

import re

import nibabel as nib
import numpy as np
import pytest
import torch
import yaml

from custom.io.checksums import sha256
from custom.plans import read_plan
from custom.workflows.label import label
from custom.workflows.models import known_models

from ..conftest import PROJECT

MODELS = sorted(PROJECT.glob("bundles/*/models/*/model.yaml"))
NAMES = [file.parent.name for file in MODELS]
STATED = ("origin", "data_license", "scores", "command", "seed", "sha256")


def test_both_bundles_ship_one():
    assert {file.parents[2].name for file in MODELS} == {"batseg_spine", "flare_pseudolabel"}
    assert set(NAMES) <= set(known_models())


@pytest.mark.parametrize("file", MODELS, ids=NAMES)
def test_what_is_stated(file):
    stated = yaml.safe_load(file.read_text())
    assert all(stated[key] not in ("", None) for key in STATED)
    weights = file.with_name("model.pt")
    assert weights.stat().st_size < 25e6
    assert sha256(weights) == stated["sha256"]
    assert all(value.isfinite().all() for value in torch.load(weights, weights_only=True).values())


@pytest.mark.parametrize("file", MODELS, ids=NAMES)
def test_which_classes_are_types_is_as_in_the_plan_of_its_name(file):
    """Else --typing would merge the parts of an organ into one."""
    own, named = (
        read_plan(one)
        for one in (file.with_name("plan.yaml"), file.parents[2] / "configs" / "plans" / f"{file.parent.name}.yaml")
    )
    assert own["types"] == named["types"]


@pytest.mark.parametrize("file", MODELS, ids=NAMES)
def test_unseen_cases_score_as_stated(file, shared_data, tmp_path):
    """The first three of them, within 0.06 of the stated mean of all."""
    stated, classes = yaml.safe_load(file.read_text()), read_plan(file.with_name("plan.yaml"))["classes"]
    data = shared_data / file.parent.name
    scores = []
    for case in re.findall(r"\b[a-z]+_\d+\b", stated["scores"]["cases"])[:3]:
        label(data / "imagesTr" / f"{case}.nii.gz", tmp_path / case, model=str(file.parent), pictures=False)
        found, truth = (
            np.asarray(nib.load(folder / f"{case}.nii.gz").dataobj) for folder in (tmp_path / case, data / "labelsTr")
        )
        each = [(found == value, truth == value) for value in range(1, len(classes) + 1)]
        scores += [2 * (ours & theirs).sum() / (ours.sum() + theirs.sum()) for ours, theirs in each]
    assert len(scores) == 3 * len(classes)
    assert np.mean(scores) == pytest.approx(stated["scores"]["dice_mean"], abs=0.06)
