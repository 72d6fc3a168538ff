"""The box that holds every scan."""

import nibabel as nib
import numpy as np

from custom.data import volume_size
from custom.networks.type_classifier import CLASSIFIER


def test_the_largest_of_each_axis_in_the_plans_order(tmp_path):
    """4 x 6 x 10 voxels of 1 x 2 x 3 mm, the second scan lying on its side."""
    scans = {"flat": ((4, 6, 10), np.diag([1, 2, 3, 1])), "side": ((8, 4, 6), np.diag([1, 2, 3, 1])[[1, 2, 0, 3]])}
    for name, (shape, affine) in scans.items():
        image = np.random.RandomState(0).rand(*shape).astype(np.float32)
        nib.save(nib.Nifti1Image(image, affine.astype(float)), tmp_path / f"{name}.nii")
    cases = [{"image": str(tmp_path / f"{name}.nii")} for name in scans]
    plan = {"network": {"name": "any"}, "orientation": "RAS", "patch_size": [1, 2, 3]}
    # right-left 4 and 18 mm, front-back 12 and 8, head-feet 30 and 8
    assert volume_size(cases, plan, [1, 1, 4]) == [18, 12, 8]
    assert volume_size(cases, {**plan, "orientation": "SAR"}, [1, 1, 4]) == [30, 12, 5]
    assert volume_size(cases, {**plan, "network": {"name": CLASSIFIER}}, [1, 1, 4]) == [1, 2, 3]
