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


SCAN = torch.linspace(0, 1000, 10**3).reshape(1, 10, 10, 10)


def image(change) -> MetaTensor:
    """A scan with other values in its first plane."""
    scan = SCAN.clone()
    scan[:, 0] = change
    return MetaTensor(scan, meta={"filename_or_obj": "/scans/a.nii.gz"})


@pytest.mark.parametrize("value", [-3.4e38, 1e36, -(2.0**31), float("nan"), float("inf")])
def test_intensities_that_leave_nothing_of_the_image_are_named(value):
    """Where 3.4e38 is squared the deviation is infinite, and the whole scan 0: a label map of background."""
    with pytest.raises(InputError, match=r"^/scans/a.nii.gz: .* leave nothing of the image when they are normalised"):
        NormaliseIntensityd("image", "zscore")({"image": image(value)})


def test_ct_is_clipped_first_so_that_padding_of_any_size_is_air():
    found = NormaliseIntensityd("image", "ct", CT)({"image": image(-3.4e38)})["image"]
    assert torch.equal(found[:, 0], torch.full((1, 10, 10), -6.0))


def test_a_blank_image_stays_blank():
    assert NormaliseIntensityd("image", "zscore")({"image": torch.full((1, 4, 4, 4), 5.0)})["image"].unique() == 0
