"""Where native voxels lie on the network's grid, and that stored geometry comes back."""

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from custom.geometry.native_grid import GridAxis, native_grid, native_grid_of, nearest_on_native_grid

SAR = np.array([[0, 0, 2.0, -10], [0, 3, 0, 20], [4, 0, 0, 5], [0, 0, 0, 1]])  # voxels (z, y, x) of 4 x 3 x 2 mm


def test_axes_by_hand():
    """Stored as right-to-left, anterior-to-posterior, up, with voxels of 1 x 1.5 x 8 mm."""
    native = np.array([[-1.0, 0, 0, 10], [0, -1.5, 0, 50], [0, 0, 8, 1], [0, 0, 0, 1]])
    z, y, x = native_grid(SAR, (9, 11, 13), native, (21, 22, 5)).axes
    assert z == GridAxis(native_axis=2, native_size=5, size=9, scale=2.0, offset=-1.0)
    assert y == GridAxis(native_axis=1, native_size=22, size=11, scale=-0.5, offset=10.0)
    assert x == GridAxis(native_axis=0, native_size=21, size=13, scale=-0.5, offset=10.0)


def test_interpolation_by_hand():
    axis = GridAxis(native_axis=0, native_size=6, size=3, scale=0.75, offset=-0.75)  # at -0.75 0 0.75 1.5 2.25 3
    assert axis.inside == slice(1, 5)
    assert axis.lower.tolist() == [0, 0, 0, 1, 2, 2]
    assert axis.upper.tolist() == [0, 0, 1, 2, 2, 2]
    assert axis.weight.tolist() == [0, 0, 0.75, 0.5, 0, 0]
    assert axis.nearest.tolist() == [0, 0, 1, 2, 2, 2]
    assert axis.touching(slice(0, 1)) == slice(1, 3)
    assert axis.touching(slice(1, 2)) == slice(2, 4)
    assert axis.touching(slice(2, 3)) == slice(3, 5)
    assert axis.reads(slice(1, 4)) == slice(0, 3)


def test_half_a_voxel_outside_still_belongs_to_the_image():
    axis = GridAxis(native_axis=0, native_size=5, size=2, scale=0.5, offset=-0.5)  # at -0.5 0 0.5 1 1.5
    assert axis.inside == slice(0, 5)
    assert GridAxis(0, 5, 2, 0.5, -0.6).inside == slice(1, 5)
    assert GridAxis(0, 5, 2, 0.5, 100.0).inside == slice(0, 0)


def rotated(degrees):
    a = np.radians(degrees)
    return np.array([[np.cos(a), -np.sin(a), 0, 0], [np.sin(a), np.cos(a), 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])


def test_two_grids_turned_the_same_way_are_parallel():
    turn = rotated(17)
    native = np.diag([1, 1.5, 8, 1.0])
    (z, _, x) = native_grid(turn @ SAR, (9, 9, 9), turn @ native, (9, 9, 9)).axes
    assert (z.native_axis, x.native_axis) == (2, 0)
    assert z.scale == pytest.approx(2)
    assert x.offset == pytest.approx(5)


def test_rounding_of_a_stored_affine_is_no_shear():
    native = np.diag([1, 1.5, 8, 1.0])
    native[0, 1] = 1e-5
    assert native_grid(SAR, (9, 9, 9), native, (512, 512, 512)).axes[2].native_axis == 0


SHEARED = np.array([[1, 0.1, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
TILT = np.array([[1, 0, 0, 0], [0, 1, 0.4, 0], [0, 0.2, 1, 0], [0, 0, 0, 1]])


@pytest.mark.parametrize("native", [rotated(1), rotated(40), SHEARED])
def test_turned_or_sheared_grids_have_a_native_axis_for_each_of_the_networks(native):
    grid = native_grid(SAR, (9, 9, 9), native, (20, 30, 40))
    assert grid.size == (40, 30, 20)
    where, inside = grid.plane(25)
    for row, column in np.ndindex(inside.shape):
        position = np.linalg.solve(SAR, native @ [column, row, 25, 1])[:3]
        assert where[:, row, column] == pytest.approx(np.clip(position, 0, 8))
        assert inside[row, column] == ((position >= -0.5) & (position <= 8.5)).all()


@pytest.mark.parametrize("native", [rotated(40), SHEARED @ TILT])
def test_planes_near_are_all_that_reach_the_networks_planes(native):
    grid = native_grid(SAR, (9, 9, 9), native, (20, 30, 40))
    assert grid.directions is not None
    near = set(grid.planes_near(3, 5))
    for index in range(grid.size[0]):
        first = grid.plane(index)[0][0]
        assert index in near or not ((first > 2) & (first < 5)).any()
    assert len(near) < 40


def test_an_image_that_does_not_know_its_file_is_refused():
    with pytest.raises(ValueError, match="read it with LoadImaged, or pass return_grid 'network'"):
        native_grid_of(torch.zeros(1, 1, 3, 3, 3))
    with pytest.raises(ValueError, match="no original_affine and spatial_shape"):
        native_grid_of(MetaTensor(torch.zeros(1, 1, 3, 3, 3)))


@pytest.mark.parametrize("codes", ["RAS", "LPS", "SAR", "PIR"])
@pytest.mark.parametrize("turn", [np.eye(4), rotated(3), SHEARED])
def test_nearest_labels_lie_where_the_network_saw_them(codes, turn):
    """Every native voxel has the label of the network voxel at its place in millimetres."""
    labels = torch.arange(1, 1 + 5 * 6 * 7, dtype=torch.uint8).reshape(1, 5, 6, 7)
    native_affine, native_size = stored(codes, (12, 13, 14), (1.7, 1.9, 1.3))
    native_affine = turn @ native_affine
    grid = native_grid(SAR, labels.shape[1:], native_affine, native_size)
    native = nearest_on_native_grid(labels, grid, [0])[0].numpy()
    assert native.shape == native_size
    for voxel in np.ndindex(native.shape):
        position = np.linalg.solve(SAR, native_affine @ [*voxel, 1])[:3]
        nearest = np.floor(position + 0.5).astype(int)
        inside = ((position >= -0.5) & (position <= np.array([4.5, 5.5, 6.5]))).all()
        expected = labels[0][tuple(np.clip(nearest, 0, [4, 5, 6]))] if inside else 0
        assert native[voxel] == expected


def stored(codes, size, spacing):
    """Affine and shape of a scan of `size` voxels of `spacing` along (x, y, z) when stored with other axes."""
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = -11.3, 18.9, 4.1
    turn = nib.orientations.ornt_transform(
        nib.orientations.io_orientation(affine), nib.orientations.axcodes2ornt(codes)
    )
    stored_affine = affine @ nib.orientations.inv_ornt_aff(turn, size)
    return stored_affine, tuple(np.array(size)[np.argsort(turn[:, 0])].tolist())
