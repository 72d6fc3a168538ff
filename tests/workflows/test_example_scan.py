"""The example scan: a box around a point, where it was."""

import nibabel as nib
import numpy as np
import pytest

from custom.errors import InputError
from custom.workflows.example_scan import cropped, example_scan


@pytest.mark.parametrize("signs", [(1, 1, 1), (-1, 1, -1)])
def test_a_crop_keeps_its_place(signs):
    affine = np.diag([*np.multiply(signs, (1.0, 2.0, 1.0)), 1.0])
    affine[:3, 3] = np.multiply(signs, (-20, -30, -20))
    voxels = np.arange(40 * 30 * 40, dtype=np.float32).reshape(40, 30, 40)
    centre = tuple(np.multiply(signs, (3.0, 4.0, -5.0)))
    crop = cropped(nib.Nifti1Image(voxels, affine), centre, (10.0, 20.0, 12.0))
    box, moved = np.asarray(crop.dataobj), crop.affine
    assert box.shape == (10, 10, 12)
    index = np.rint(np.linalg.solve(affine, [*nib.affines.apply_affine(moved, (2, 3, 4)), 1.0])[:3]).astype(int)
    assert voxels[tuple(index)] == box[2, 3, 4]
    middle = nib.affines.apply_affine(moved, (np.array(box.shape) - 1) / 2)
    assert np.abs(middle - centre).max() <= 2


def test_a_point_outside_is_refused():
    with pytest.raises(InputError, match="lies outside the template"):
        cropped(nib.Nifti1Image(np.zeros((5, 5, 5), np.float32), np.eye(4)), (50.0, 0.0, 0.0), (2.0, 2.0, 2.0))


def test_the_name_of_another_format_is_refused():
    with pytest.raises(InputError, match=r"give a file whose name ends with \.nii\.gz"):
        example_scan("scan.mha")
