"""Intensities brought to a scale that a plan names."""

import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from custom.errors import InputError
from custom.transforms import NormaliseIntensityd

CT = {"lower": -100.0, "upper": 300.0, "mean": 50.0, "sd": 25.0}


def test_ct_is_clipped_to_the_foreground_and_scaled_by_its_mean_and_deviation():
    scan = torch.tensor([[[[-1000.0, -100.0, 50.0, 75.0, 300.0, 2000.0]]]])
    found = NormaliseIntensityd("image", "ct", CT)({"image": scan, "label": scan})
    assert torch.allclose(found["image"][0, 0, 0], torch.tensor([-6.0, -6.0, 0.0, 1.0, 10.0, 10.0]))
    assert found["label"] is scan


def test_anything_else_has_mean_0_and_deviation_1_in_every_channel():
    random = np.random.default_rng(0)
    scan = np.stack([random.normal(5, 2, (6, 7, 8)), random.normal(-100, 30, (6, 7, 8))]).astype(np.float32)
    found = NormaliseIntensityd("image", "zscore")({"image": MetaTensor(scan, meta={"filename_or_obj": "a.nii"})})[
        "image"
    ]
    assert found.meta["filename_or_obj"] == "a.nii"
    assert torch.allclose(found.mean((1, 2, 3)).as_tensor(), torch.zeros(2), atol=1e-5)
    assert torch.allclose(found.std((1, 2, 3), correction=0).as_tensor(), torch.ones(2), atol=1e-5)


@pytest.mark.parametrize(("name", "intensity"), [("ct", None), ("minmax", CT)])
def test_what_cannot_be_done_is_named(name, intensity):
    with pytest.raises(InputError, match=f"normalisation is '{name}'"):
        NormaliseIntensityd("image", name, intensity)
