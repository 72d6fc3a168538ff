"""Warps by hand: exact crops, quarter turns, scales, and agreement with scipy's interpolation."""

import numpy as np
import pytest
import torch
from scipy.ndimage import map_coordinates

from custom.transforms.warped_patch import in_plane, rotation_and_scale, warped_patch

VOLUME = torch.arange(5 * 6 * 7, dtype=torch.float32).reshape(1, 5, 6, 7)


def test_plain_crop_copies_and_pads_with_zero():
    patch = warped_patch(VOLUME, np.array([3, -1, 2]), (3, 4, 2), None, "bilinear")
    expected = torch.zeros(1, 3, 4, 2)
    expected[:, :2, 1:] = VOLUME[:, 3:5, 0:3, 2:4]
    assert torch.equal(patch, expected)
    patch[:] = -1
    assert VOLUME.min() == 0, "the volume is not touched"


@pytest.mark.parametrize("mode", ["bilinear", "nearest"])
def test_identity_map_equals_the_crop(mode):
    start, size = np.array([1, -2, 3]), (4, 6, 5)
    crop = warped_patch(VOLUME, start, size, None, mode)
    assert torch.allclose(warped_patch(VOLUME, start, size, np.eye(3), mode), crop, atol=1e-3)


def test_quarter_turn_is_rot90():
    square = torch.rand(1, 5, 5)
    turned = warped_patch(square, np.array([0, 0]), (5, 5), rotation_and_scale([np.pi / 2], 1.0), "bilinear")
    # voxel (1, 0) of the patch shows (0, 1) of the square, both from the centre
    assert torch.allclose(turned, torch.rot90(square, -1, (1, 2)), atol=1e-5)


def test_scale_two_shows_every_second_voxel():
    line = torch.arange(9.0).reshape(1, 9, 1).expand(1, 9, 9).contiguous()
    patch = warped_patch(line, np.array([3, 3]), (3, 3), rotation_and_scale([0.0], 2.0), "bilinear")
    assert patch[0, :, 1].tolist() == pytest.approx([2, 4, 6], abs=1e-5)


@pytest.mark.parametrize("mode", ["bilinear", "nearest"])
@pytest.mark.parametrize("matrix", [None, rotation_and_scale([0.3, -0.2, 0.1], 1.2)])
def test_displacement_of_zero_changes_nothing(mode, matrix):
    start, size = np.array([1, -2, 3]), (4, 6, 5)
    plain = warped_patch(VOLUME, start, size, matrix, mode)
    assert torch.allclose(warped_patch(VOLUME, start, size, matrix, mode, torch.zeros(*size, 3)), plain, atol=1e-3)


@pytest.mark.parametrize("mode", ["bilinear", "nearest"])
def test_constant_displacement_is_a_shift_of_the_crop(mode):
    """By more than the patch: what it shows lies wholly outside the box of the undisplaced patch."""
    start, size = np.array([0, 1, 1]), (3, 2, 2)
    shift = torch.tensor([2.0, -1.0, 4.0])
    patch = warped_patch(VOLUME, start, size, None, mode, shift.expand(*size, 3))
    assert torch.allclose(patch, VOLUME[:, 2:5, 0:2, 5:7], atol=1e-3)


def test_displacement_is_mapped_by_the_matrix():
    """A scale of two: one voxel of the patch is two of the volume."""
    line = torch.arange(15.0).reshape(1, 15, 1).expand(1, 15, 15).contiguous()
    displacement = torch.tensor([1.0, 0.0]).expand(3, 3, 2)
    patch = warped_patch(line, np.array([6, 6]), (3, 3), rotation_and_scale([0.0], 2.0), "bilinear", displacement)
    assert patch[0, :, 1].tolist() == pytest.approx([7, 9, 11], abs=1e-5)


def test_in_plane_warp_never_mixes_slices():
    volume = torch.arange(4.0).reshape(1, 4, 1, 1).expand(1, 4, 20, 20).contiguous()
    matrix = in_plane(rotation_and_scale([0.7], 0.8), 0)
    patch = warped_patch(volume, np.array([0, 6, 6]), (4, 8, 8), matrix, "bilinear")
    assert torch.allclose(patch, volume[:, :, :8, :8], atol=1e-5)


@pytest.mark.parametrize("elastic", [False, True])
@pytest.mark.parametrize("mode", ["bilinear", "nearest"])
def test_agrees_with_scipy(mode, elastic):
    random = np.random.RandomState(0)
    volume = random.rand(12, 14, 16)
    matrix = rotation_and_scale(random.uniform(-0.5, 0.5, 3), 0.9)
    start, size = np.array([3, 4, 2]), (6, 6, 8)
    centre = start + (np.asarray(size) - 1) / 2
    steps = np.stack(np.meshgrid(*(np.arange(n) - (n - 1) / 2 for n in size), indexing="ij"), -1)
    displacement = random.uniform(-3, 3, (*size, 3)) if elastic else np.zeros((*size, 3))
    points = ((steps + displacement) @ matrix.T + centre).transpose(3, 0, 1, 2)
    order = 1 if mode == "bilinear" else 0
    expected = map_coordinates(volume, points, order=order, mode="grid-constant")
    given = torch.as_tensor(displacement) if elastic else None
    patch = warped_patch(torch.as_tensor(volume)[None], start, size, matrix, mode, given)[0].numpy()
    assert np.allclose(patch, expected, atol=1e-4)


def test_dtype_and_channels_are_kept():
    label = (VOLUME > 100).to(torch.uint8).repeat(2, 1, 1, 1)
    patch = warped_patch(label, np.array([0, 0, 0]), (5, 6, 7), rotation_and_scale([0.3, 0, 0], 1.1), "nearest")
    assert patch.dtype == torch.uint8
    assert patch.shape == (2, 5, 6, 7)
    assert set(patch.unique().tolist()) <= {0, 1}


def test_rotations_are_rotations():
    turn = rotation_and_scale([0.3, -1.2, 2.0], 1.0)
    assert np.allclose(turn @ turn.T, np.eye(3))
    assert np.linalg.det(turn) == pytest.approx(1)
    assert np.linalg.det(rotation_and_scale([0.3, -1.2, 2.0], 1.3)) == pytest.approx(1.3**3)
    assert np.allclose(rotation_and_scale([np.pi / 2], 1.0) @ [1, 0], [0, 1])
    about_the_first_axis = rotation_and_scale([np.pi / 2, 0, 0], 1.0)
    assert np.allclose(about_the_first_axis @ [0, 1, 0], [0, 0, 1])
