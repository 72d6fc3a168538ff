"""The box that holds every scan."""

import nibabel as nib
import numpy as np

from custom.data import volume_size
from custom.networks.type_classifier import CLASSIFIER


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
    # right-left 4 and 8 mm, front-back 12 and 18, head-feet 30 and 8
    assert volume_size(tmp_path, plan, [1, 1, 4]) == [8, 18, 8]
    assert volume_size(tmp_path, {**plan, "orientation": "SAR"}, [1, 1, 4]) == [30, 18, 2]
    assert volume_size(tmp_path, {**plan, "network": {"name": CLASSIFIER}}, [1, 1, 4]) == [1, 2, 3]
