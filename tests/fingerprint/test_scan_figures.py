"""Figures of a scan: the same however its file stores it."""

import numpy as np
import pytest

from custom.fingerprint.scan_figures import autocorrelation, evenly_spread, scan_figures

SPACING = np.array([1.0, 2.0, 3.0])  # mm along R, A, S


def figures(axes, signs=(1, 1, 1), turn=0.0):
    """Of a volume of 10 x 20 x 30 voxels along R, A and S, whose first axis lies along `axes[0]`, ..."""
    affine = np.eye(4)
    for column, (axis, sign) in enumerate(zip(axes, signs, strict=True)):
        affine[:3, column] = sign * SPACING[axis] * np.eye(3)[axis]
    angle = np.radians(turn)
    turned = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    affine[:3, :3] = turned @ affine[:3, :3]
    shape = [(10, 20, 30)[axis] for axis in axes]
    return scan_figures(shape, affine, [np.arange(101.0)])


@pytest.mark.parametrize(("axes", "name"), [((0, 1, 2), "RAS"), ((2, 1, 0), "SAR"), ((1, 2, 0), "ASR")])
def test_sizes_are_those_of_the_anatomical_axes(axes, name):
    found = figures(axes, (-1, 1, -1))
    assert (found.axes, found.spacing, found.extent) == (name, (1, 2, 3), (10, 40, 90))
    assert found.tilt == 0


def test_the_tilt_is_the_largest_angle():
    assert figures((0, 1, 2), turn=20).tilt == pytest.approx(20, abs=0.01)


def test_percentiles():
    (channel,) = figures((0, 1, 2)).channels
    assert (channel.low, channel.median, channel.high, channel.mean) == (0.5, 50, 99.5, 50)


def test_voxels_of_a_large_scan_are_spread_over_all_of_it():
    voxels = np.broadcast_to(np.arange(512.0), (256, 128, 512))
    some = evenly_spread(voxels)
    assert 1e5 < some.size < 2e6
    assert some.mean() == pytest.approx(voxels.mean(), abs=2)
    assert evenly_spread(np.zeros((10, 10, 10))).size == 1000


def test_autocorrelation_is_that_of_the_axis_where_neighbours_differ_most():
    random = np.random.default_rng(0)
    smooth = np.linspace(0, 1, 40)[:, None, None] + np.linspace(0, 1, 40)[:, None] + np.zeros(40)
    assert autocorrelation(smooth) > 0.99
    assert autocorrelation(np.zeros((4, 4, 4))) == 1
    assert autocorrelation(np.arange(4.0).reshape(2, 2, 1)) == pytest.approx(1), "one slice"
    assert abs(autocorrelation(random.normal(size=(40, 40, 40)))) < 0.02
    stacked = smooth + random.normal(size=40)  # every slice with an offset of its own
    first, second = stacked[..., :-1:2].ravel(), stacked[..., 1::2].ravel()
    assert autocorrelation(stacked) == pytest.approx(np.corrcoef(first, second)[0, 1])


def test_spread_voxels_stay_neighbours():
    voxels = np.cos(np.arange(300))[:, None, None] + np.zeros((300, 100, 300))
    assert evenly_spread(voxels).size < voxels.size / 4
    assert autocorrelation(evenly_spread(voxels)) == pytest.approx(np.cos(1), abs=0.1)
