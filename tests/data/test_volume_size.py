"""The box that holds every scan."""

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from custom.data import volume_size
from custom.errors import InputError
from custom.networks.type_classifier import CLASSIFIER
from custom.transforms import PathSafeSpacingd


def test_the_largest_of_each_axis_in_the_plans_order(tmp_path):
    """Voxels of 1 x 2 x 3 mm, in the second scan along z, x and y."""
    lengths = np.diag([1.0, 2, 3, 1])
    scans = {"straight": ((4, 6, 10), lengths), "turned": ((8, 4, 6), lengths[[1, 2, 0, 3]])}
    for name, (shape, affine) in scans.items():
        for folder, volume in (("imagesTr", np.random.default_rng(0).random(shape)), ("labelsTr", np.ones(1))):
            (tmp_path / folder).mkdir(exist_ok=True)
            full = np.resize(volume, shape).astype(np.float32)
            nib.save(nib.Nifti1Image(full, affine), tmp_path / folder / f"{name}.nii.gz")
    plan = {"network": {"name": "any"}, "orientation": "RAS", "patch_size": [1, 2, 3]}
    # from the first voxel's centre to the last one's: right-left 3 and 6 mm, front-back 10 and 15, head-feet 27 and 6
    assert volume_size(tmp_path, plan, [1, 1, 4]) == [7, 16, 8]
    assert volume_size(tmp_path, {**plan, "orientation": "SAR"}, [1, 1, 4]) == [28, 16, 3]
    assert volume_size(tmp_path, {**plan, "network": {"name": CLASSIFIER}}, [1, 1, 4]) == [1, 2, 3]


@pytest.mark.parametrize("own", [0.5, 0.7, 1.3])
def test_a_resampled_scan_fits_exactly_or_with_one_voxel_to_spare(tmp_path, own):
    size, affine = (10, 7, 12), np.diag([own, own, own, 1])
    for folder in ("imagesTr", "labelsTr"):
        (tmp_path / folder).mkdir()
        volume = np.random.default_rng(0).random(size).round() if folder == "labelsTr" else np.ones(size)
        nib.save(nib.Nifti1Image(volume.astype(np.float32), affine), tmp_path / folder / "a.nii.gz")
    nib.save(nib.Nifti1Image(np.random.default_rng(1).random(size), affine), tmp_path / "imagesTr" / "a.nii.gz")
    plan = {"network": {"name": "any"}, "orientation": "RAS", "patch_size": [1, 2, 3]}
    scan = MetaTensor(torch.zeros(1, *size), affine=torch.from_numpy(affine))
    resampled = PathSafeSpacingd("image", [1, 1, 1], dtype=torch.float32)({"image": scan})["image"]
    spare = np.subtract(volume_size(tmp_path, plan, [1, 1, 1]), resampled.shape[1:])
    assert set(spare) <= {0, 1}, "halves are rounded to even there, up here"


def test_a_scan_that_cannot_be_read_is_one_line(tmp_path):
    for folder in ("imagesTr", "labelsTr"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.nii.gz").touch()
    with pytest.raises(InputError, match=r"a\.nii\.gz"):
        volume_size(tmp_path, {"network": {"name": "any"}, "orientation": "RAS", "patch_size": [1, 2, 3]}, [1, 1, 1])
