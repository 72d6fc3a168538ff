"""Streamed arg-max against interpolating every probability at once."""

import numpy as np
import pytest
import torch

from custom.geometry.native_grid import GridAxis, NativeGrid
from custom.inferers.streaming_argmax import NativeArgmax, NetworkArgmax
from tests.plain_route import argmax_on_native_grid

CPU = torch.device("cpu")


def streamed(scores, grid, pieces, confidence=True, logits=False):
    native = NativeArgmax(grid, logits, confidence, CPU)
    for planes in scores.split(pieces, dim=1):
        native.add(planes)
    return native.volume.numpy()


def make_grid(size, scales, native_size=(23, 29, 31)):
    """Native axes in the order x, z, y; a negative scale runs the other way; borders stand out on both sides."""
    order = (1, 2, 0)
    axes = []
    for native_axis, length, scale in zip(order, size, scales, strict=True):
        span = scale * (native_size[native_axis] - 1)
        axes.append(GridAxis(native_axis, native_size[native_axis], length, scale, (length - 1 - span) / 2 + 0.13))
    return NativeGrid(axes)


@pytest.mark.parametrize("scales", [(0.3, 0.5, 0.4), (-0.37, 0.9, -0.61), (2.3, -1.9, 1.4), (1.0, -1.0, 1.0)])
@pytest.mark.parametrize("pieces", [1, 3, 8])
@pytest.mark.parametrize("sharpness", [0.3, 8.0])
def test_equals_the_plain_route_voxel_for_voxel(scales, pieces, sharpness):
    size = (13, 17, 19)
    grid = make_grid(size, scales)
    probabilities = (sharpness * torch.randn(6, *size)).softmax(dim=0)
    coordinates = [axis.scale * np.arange(axis.native_size) + axis.offset for axis in grid.axes]
    labels, largest = argmax_on_native_grid(probabilities, coordinates)
    volume = streamed(probabilities, grid, pieces)
    order = [axis.native_axis for axis in grid.axes]
    assert np.array_equal(volume[0].transpose(order), labels)
    assert np.array_equal(volume[1].transpose(order), np.round(largest * np.float32(255)).astype(np.uint8))
    assert len(np.unique(labels)) == 6


@pytest.mark.parametrize("scales", [(0.3, 0.5, 0.4), (-0.37, 0.9, -0.61), (2.3, -1.9, 1.4)])
@pytest.mark.parametrize("sharpness", [0.3, 8.0])
def test_logits_of_either_sign_equal_the_plain_route(scales, sharpness):
    size = (13, 17, 19)
    grid = make_grid(size, scales)
    logits = sharpness * torch.randn(6, *size) - torch.arange(6).reshape(6, 1, 1, 1)
    coordinates = [axis.scale * np.arange(axis.native_size) + axis.offset for axis in grid.axes]
    labels, largest = argmax_on_native_grid(logits, coordinates, softmax=True)
    order = [axis.native_axis for axis in grid.axes]
    volume = streamed(logits, grid, 3, logits=True)
    assert np.array_equal(volume[0].transpose(order), labels)
    assert np.abs(volume[1].transpose(order) - 255 * largest).max() <= 0.501
    assert np.array_equal(streamed(logits, grid, 3, confidence=False, logits=True)[0], volume[0])


def test_a_class_that_is_second_everywhere_wins_in_between():
    """Its logit is 9 on both sides, where another has 10 and then -10: halfway between, the others are at 0."""
    logits = torch.tensor([[-10.0, -10.0], [10.0, -10.0], [9.0, 9.0], [-10.0, 10.0]]).reshape(4, 2, 1, 1)
    grid = NativeGrid([GridAxis(0, 3, 2, 0.5, 0.0), GridAxis(1, 1, 1, 1.0, 0.0), GridAxis(2, 1, 1, 1.0, 0.0)])
    assert streamed(logits, grid, 1, confidence=False, logits=True).ravel().tolist() == [1, 2, 3]


@pytest.mark.parametrize("pieces", [1, 3, 13])
@pytest.mark.parametrize("logits", [False, True])
def test_point_by_point_equals_axis_by_axis(pieces, logits):
    """Directions that are parallel after all give what parallel axes give, but for what is equal to 1e-4."""
    size = (13, 17, 19)
    parallel = make_grid(size, (0.3, -0.5, 0.4))
    points = NativeGrid(parallel.axes, np.diag([axis.scale for axis in parallel.axes]))
    scores = 3 * torch.randn(4, *size)
    scores = scores if logits else scores.softmax(dim=0)
    one, other = (streamed(scores, grid, pieces, logits=logits) for grid in (parallel, points))
    assert (one[0] != other[0]).mean() < 1e-3
    assert np.abs(one[1].astype(int) - other[1]).max() <= 1


def test_one_class_in_a_corner_of_one_plane():
    """A lesion of one voxel spreads to the native voxels nearer to it than halfway, in its slab and across slabs."""
    probabilities = torch.zeros(3, 8, 5, 5)
    probabilities[0] = 1
    probabilities[:, 3, 4, 0] = torch.tensor([0.0, 0.0, 1.0])
    grid = NativeGrid([GridAxis(i, 4 * length, length, 0.25, 0.0) for i, length in enumerate((8, 5, 5))])
    for pieces in (1, 4, 8):
        labels = streamed(probabilities, grid, pieces, confidence=False)[0]
        where = np.argwhere(labels == 2)
        assert where.min(axis=0).tolist() == [11, 15, 0]
        assert where.max(axis=0).tolist() == [13, 18, 1]  # the last coordinates are 0.5 outside at most
        assert set(np.unique(labels)) == {0, 2}


def test_a_class_wins_that_is_hardly_more_probable_than_the_others():
    probabilities = torch.full((4, 6, 7, 8), 0.25)
    probabilities[:, 2:5, 3:6, 1:4] = torch.tensor([0.249, 0.25, 0.249, 0.252]).reshape(4, 1, 1, 1)
    grid = NativeGrid([GridAxis(i, length, length, 1.0, 0.0) for i, length in enumerate((6, 7, 8))])
    expected = np.zeros((6, 7, 8))
    expected[2:5, 3:6, 1:4] = 3
    assert np.array_equal(streamed(probabilities, grid, 2, confidence=False)[0], expected)


def test_the_lower_class_wins_a_tie():
    probabilities = torch.zeros(4, 2, 3, 3)
    probabilities[1:3] = 0.5
    grid = NativeGrid([GridAxis(i, length, length, 1.0, 0.0) for i, length in enumerate((2, 3, 3))])
    assert (streamed(probabilities, grid, 1) == np.array([1, 128]).reshape(2, 1, 1, 1)).all()
    assert (streamed(torch.full((4, 2, 3, 3), 0.25), grid, 2)[0] == 0).all()


def test_outside_the_network_grid_is_certain_background():
    probabilities = torch.zeros(2, 2, 2, 2)
    probabilities[1] = 1
    grid = NativeGrid([GridAxis(i, 10, 2, 0.5, -2.0) for i in range(3)])
    labels, confidence = streamed(probabilities, grid, 1)
    expected = np.zeros((10, 10, 10))
    expected[3:8, 3:8, 3:8] = 1  # coordinates -0.5 to 1.5
    assert np.array_equal(labels, expected)
    assert (confidence == 255).all()


def test_on_the_grid_of_the_probabilities():
    probabilities = torch.randn(5, 7, 3, 4).softmax(dim=0)
    network = NetworkArgmax((7, 3, 4), True, CPU)
    for planes in probabilities.split(3, dim=1):
        network.add(*planes.max(dim=0))
    assert network.volume[0].equal(probabilities.argmax(dim=0).byte())
    assert network.volume[1].equal((255 * probabilities.amax(dim=0)).round().byte())
