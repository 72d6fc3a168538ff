"""Distances to shapes agree with brute force, boxes hold their shapes, and ripples are what they claim."""

import numpy as np
import pytest
from scipy.spatial import KDTree

from custom.phantoms.ripples import draw_ripples
from custom.phantoms.shapes import (
    Common,
    Ellipsoid,
    HalfSpace,
    Outside,
    Slabs,
    Tube,
    straight_column,
    turned_axes,
)

BALL = Ellipsoid(np.zeros(3), np.full(3, 10.0), np.eye(3))


@pytest.mark.parametrize(
    "shape",
    [
        Ellipsoid(np.array([1.0, -2.0, 0.5]), np.array([9.0, 6.0, 7.0]), turned_axes((1, 1, 0), (0, 1, 1))),
        Tube(np.array([(-6.0, -4.0, -5.0, 3.0), (0.0, 0.0, 3.0, 4.0), (7.0, 2.0, 4.0, 3.5)])),
        Common((BALL, HalfSpace(np.zeros(3), np.array([1, 1, 0])), Outside(straight_column(-4, 0, 2, 3)))),
        Common((straight_column(0, 2, 7, 5), Slabs(1.0, 9.0, 5.0))),
    ],
    ids=["ellipsoid", "tube", "common", "slabs"],
)
def test_distances_agree_with_brute_force_near_the_surface_and_bounds_hold(shape):
    axis = np.arange(-13.0, 13.5, 1.6)
    grid = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)
    distance = shape.distance(tuple(grid.astype(np.float32).T))
    low, high = shape.bounds()
    inside = distance < 0
    assert inside.sum() > 50
    assert (grid[inside] >= low - 1e-3).all() and (grid[inside] <= high + 1e-3).all()
    to_inside, to_outside = (KDTree(grid[side]).query(grid)[0] for side in (inside, ~inside))
    brute = np.where(inside, to_outside, to_inside)
    # the nearest grid point of the other side is up to a cell beyond the surface; outside corners distances are less
    near = (brute < 4) & inside
    assert np.abs(np.abs(distance) - brute)[near].max() < 2.8


def test_a_ball_a_tube_and_a_column_are_exact():
    x = np.linspace(1, 30, 40, dtype=np.float32)
    points = (x, 0 * x, 0 * x)
    np.testing.assert_allclose(BALL.distance(points), x - 10, atol=1e-3)
    np.testing.assert_allclose(Tube(np.array([(0.0, 0, -50, 4), (0, 0, 50, 4)])).distance(points), x - 4, atol=1e-4)
    np.testing.assert_allclose(straight_column(0, 0, 4, 4).distance(points), x - 4, atol=1e-3)
    np.testing.assert_allclose(Outside(BALL).distance(points), 10 - x, atol=1e-3)


def test_ripples_have_unit_variance_and_do_not_depend_on_the_grid():
    axes = np.meshgrid(*(np.arange(-300.0, 300.0, 10.0),) * 3, indexing="ij", sparse=True)
    field = np.stack([draw_ripples(np.random.default_rng(seed), (30, 70))(axes) for seed in range(10)])
    assert field.mean() == pytest.approx(0, abs=0.05) and field.std() == pytest.approx(1, abs=0.1)
    ripples = draw_ripples(np.random.default_rng(0), (30, 70))
    part = ripples((axes[0][10:20], axes[1][:, 5:6], axes[2]))
    np.testing.assert_array_equal(ripples(axes)[10:20, 5:6], part)
