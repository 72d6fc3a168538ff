"""A canvas: later paint covers earlier, surfaces mix what is on their sides, and a box never cuts a shape."""

import numpy as np
import pytest

from custom.phantoms.canvas import Canvas, volume_threshold
from custom.phantoms.grid import centred_grid
from custom.phantoms.shapes import Common, Ellipsoid, HalfSpace, Outside, straight_column

GRID = centred_grid((24, 20, 16), (1.0, 1.0, 2.0), np.array([5.0, 6.0, 7.0]))
BALL = Ellipsoid(np.array([2.0, -1.0, 3.0]), np.full(3, 6.0), np.eye(3))


def test_a_grid_puts_its_middle_where_asked_and_samples_its_voxels():
    world = GRID.affine @ (11.5, 9.5, 7.5, 1)
    np.testing.assert_allclose(world, (5, 6, 7, 1))
    x, _, z = GRID.points(samples=3)
    assert x.shape == (72, 1, 1) and z.shape == (1, 1, 16)
    np.testing.assert_allclose(x.ravel().reshape(24, 3).mean(axis=1), GRID.points()[0].ravel())
    assert GRID.voxel_mm3 == 2


def test_painted_signal_and_label_are_the_shapes_and_its_edge_is_half_and_half():
    canvas = Canvas(GRID.points(), 10.0, soft_mm=1.0)
    canvas.paint(HalfSpace(np.zeros(3), np.array([1.0, 0, 0])), 50.0)
    canvas.paint(BALL, 100.0, label=3)
    distance = BALL.distance(GRID.points())
    np.testing.assert_array_equal(canvas.label == 3, distance < 0)
    assert (canvas.signal[distance < -0.5] == 100).all()
    left = np.broadcast_to(GRID.points()[0] < 0, distance.shape)
    np.testing.assert_allclose(canvas.signal[left & (distance > 0.5)], 50)
    mixed = np.abs(distance) < 0.5
    np.testing.assert_allclose(
        canvas.signal[mixed & left], (50 + 50 * np.clip(0.5 - distance, 0, 1))[mixed & left], rtol=1e-4
    )


def test_growing_moves_the_surface_and_no_label_keeps_labels():
    canvas = Canvas(GRID.points(), 0.0, soft_mm=0.5)
    canvas.paint(BALL, 1.0, label=1)
    canvas.paint(BALL, 2.0, grow_mm=-2.0)
    distance = BALL.distance(GRID.points())
    assert (canvas.signal[distance < -2.3] == 2).all() and (canvas.label[distance < 0] == 1).all()
    canvas.paint(BALL, 3.0, label=0, grow_mm=1.5)
    assert not canvas.label.any() and (canvas.signal[distance < 1.2] == 3).all()


@pytest.mark.parametrize("shape", [BALL, Common((BALL, Outside(straight_column(2, -1, 3, 3)))), Outside(BALL)])
def test_a_box_holds_every_point_of_its_shape(shape):
    x, y, z = GRID.points()
    points = (x + 0.2 * z, y, z)  # a sheared grid, as the spine's
    canvas = Canvas(points, 0.0, soft_mm=1.0)
    inside = shape.distance(points) < 0
    outside_box = np.ones(inside.shape, bool)
    outside_box[canvas.box(shape)] = False
    assert not (inside & outside_box).any()


def test_a_shape_out_of_view_changes_nothing():
    canvas = Canvas(GRID.points(), 7.0, soft_mm=1.0)
    canvas.paint(Ellipsoid(np.array([200.0, 0, 0]), np.full(3, 5.0), np.eye(3)), 1.0, label=1)
    assert (canvas.signal == 7).all() and not canvas.label.any()


def test_the_threshold_holds_the_voxels_nearest_to_the_volume():
    distances = np.random.default_rng(0).permutation(1000).astype(np.float32)
    assert (distances <= volume_threshold(distances, 250.4)).sum() == 250
    assert (distances <= volume_threshold(distances, 0.1)).sum() == 1, "never empty"
    distances[100:] = np.inf
    assert (distances <= volume_threshold(distances, 500)).sum() == 100, "never outside the host"
