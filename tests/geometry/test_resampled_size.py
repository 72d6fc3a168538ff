"""Voxel sizes that cannot be those of a patient."""

import numpy as np
import pytest

from custom.errors import InputError
from custom.geometry.resampled_size import in_axis_order, refuse_absurd_size


@pytest.mark.parametrize("spacing", [(0.4, 0.4, 5.0), (7.0, 0.7, 0.7), (3.0, 3.0, 3.0)])
def test_sizes_of_scanners_are_true(spacing):
    refuse_absurd_size("a.nii.gz", (512, 512, 120), spacing, (1.0, 1.0, 3.0))


def test_one_slice_is_no_fault():
    refuse_absurd_size("a.nii.gz", (512, 512, 1), (0.7, 0.7, 1.0), (1.0, 1.0, 8.0))


def test_metres_taken_for_millimetres_leave_nothing():
    with pytest.raises(InputError) as error:
        refuse_absurd_size("a.nii.gz", (512, 512, 120), (0.0007, 0.0007, 0.005), (1.0, 1.0, 3.0))
    assert str(error.value) == (
        "a.nii.gz: 512 x 512 x 120 voxels of 0.0007 x 0.0007 x 0.005 mm are less than a voxel of 1 x 1 x 3 mm along an "
        "axis; correct the voxel size, or the units, in its header"
    )


@pytest.mark.parametrize("spacing", [(700.0, 700.0, 5000.0), (1e30, 1.0, 1.0)])
def test_microns_taken_for_millimetres_fill_any_memory(spacing):
    with pytest.raises(InputError, match=r"^a.nii.gz: 512 x 512 x 120 voxels of .* mm would take .* GiB of memory"):
        refuse_absurd_size("a.nii.gz", (512, 512, 120), spacing, (0.5, 0.5, 0.5))


def test_a_single_axis_that_vanishes_is_named():
    with pytest.raises(InputError, match="less than a voxel"):
        refuse_absurd_size("a.nii.gz", (512, 512, 120), (0.7, 0.7, 0.003), (1.0, 1.0, 3.0))


def test_sizes_along_the_axes_of_a_network():
    affine = np.array([[0.0, -2.0, 0, 3], [0, 0, 3.0, -5], [-1.0, 0, 0, 9], [0, 0, 0, 1]])  # I, L, A
    assert in_axis_order((9, 11, 5), affine, "RAS") == ([11, 5, 9], [2.0, 3.0, 1.0])
    assert in_axis_order((9, 11, 5), affine, "SAR") == ([9, 5, 11], [1.0, 3.0, 2.0])


def test_a_scan_of_which_cropping_leaves_nothing_is_not_called_small():
    with pytest.raises(InputError, match=r"^a.nii.gz: nothing is left of it where it is cropped to what is not 0"):
        refuse_absurd_size("a.nii.gz", (0, 0, 0), (0.7, 0.7, 1.0), (1.0, 1.0, 1.0))
