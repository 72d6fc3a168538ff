"""Resampling next to entries that are no metadata, as MONAI Label hands data on."""

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import Compose, Invertd, LoadImaged, Orientationd, Spacingd

from custom.errors import InputError
from custom.geometry.native_grid import native_grid_of
from custom.transforms import PathSafeSpacingd

AFFINE = np.array([[0.0, -0.7, 0, 3], [0, 0, 3.3, -5], [-0.8, 0, 0, 9], [0, 0, 0, 1]])
SHAPE = (9, 11, 5)


@pytest.fixture
def scan(tmp_path) -> str:
    file = tmp_path / "scan.nii.gz"
    nib.save(nib.Nifti1Image(np.random.RandomState(0).rand(*SHAPE).astype(np.float32), AFFINE), file)
    return str(file)


def loaded(scan: str, image_only: bool = True) -> dict:
    data = {"image": scan, "image_path": scan}
    return LoadImaged("image", image_only=image_only, ensure_channel_first=True)(data)


def test_monai_itself_fails_on_a_path_beside_the_image(scan):
    """Where this no longer fails, MONAI's own transform can take the place of ours."""
    with pytest.raises(AttributeError, match="'str' object has no attribute 'update'"):
        Spacingd("image", pixdim=(1.0, 1.5, 2.0))(loaded(scan))


def test_everything_but_the_image_stays(scan):
    prior = MetaTensor(torch.ones(1, 2, 2, 2))
    data = {**loaded(scan), "image_prior": prior, "other": 1, 5: "a number for a key"}
    result = PathSafeSpacingd("image", pixdim=(1.0, 1.5, 2.0))(data)
    assert list(result) == list(data), "the order too, which is that of the answer's parts"
    assert result["image_path"] == scan
    assert result["image_prior"] is prior
    assert result[5] == "a number for a key"
    assert data["image"].shape == (1, *SHAPE), "the data given are not changed"


@pytest.mark.parametrize("image_only", [True, False])
def test_the_image_and_its_metadata_are_those_of_monai(scan, image_only):
    data = loaded(scan, image_only)
    options = {"pixdim": (1.0, 1.5, 2.0), "mode": "bilinear"}
    ours = PathSafeSpacingd("image", **options)(data)
    del data["image_path"]
    monai = Spacingd("image", **options)(data)
    assert torch.equal(ours["image"], monai["image"])
    assert np.array_equal(ours["image"].affine, monai["image"].affine)
    assert ours["image"].applied_operations[-1]["class"] == monai["image"].applied_operations[-1]["class"]
    if not image_only:
        assert np.array_equal(ours["image_meta_dict"]["affine"], monai["image"].affine)


def test_invertd_returns_to_the_scan_and_the_native_grid_is_known(scan):
    steps = Compose(
        [Orientationd("image", axcodes="SAR", labels=None), PathSafeSpacingd("image", pixdim=(2.0, 1.0, 1.0))]
    )
    data = steps(loaded(scan))
    assert data["image"].shape != (1, *SHAPE)
    grid = native_grid_of(data["image"][None])
    assert sorted(grid.size) == sorted(SHAPE)
    data["pred"] = data["image"]
    inverted = Invertd("pred", transform=steps, orig_keys="image")(data)
    assert inverted["pred"].shape == (1, *SHAPE)
    assert np.allclose(inverted["pred"].affine, AFFINE)
    assert inverted["image_path"] == scan


def test_a_voxel_size_that_cannot_be_true_is_named_before_it_fills_the_memory(scan, tmp_path):
    file = tmp_path / "absurd.nii.gz"
    image = nib.load(scan)
    nib.save(nib.Nifti1Image(np.asarray(image.dataobj), AFFINE * np.array([[1e6], [1e6], [1e6], [1]])), file)
    with pytest.raises(InputError, match=f"^{file}: 9 x 11 x 5 voxels of 8e\\+05 x 7e\\+05 x 3.3e\\+06 mm would take "):
        PathSafeSpacingd("image", pixdim=(1.0, 1.5, 2.0))(loaded(str(file)))
