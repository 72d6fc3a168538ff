import numpy as np
import pytest

from custom.geometry.grid_distance import grid_distance


def test_the_corner_that_moves_most_counts():
    affine = np.diag([-0.5, 0.8, 3.0, 1.0])
    assert grid_distance(affine, affine, (40, 50, 20)) == 0
    moved = affine.copy()
    moved[:3, 3] = (3, 0, 4)
    assert grid_distance(affine, moved, (40, 50, 20)) == 5
    stretched = np.diag([-0.5, 0.8, 3.1, 1.0])
    assert grid_distance(affine, stretched, (40, 50, 20)) == pytest.approx(1.9), "19 steps of 0.1 mm"
    assert grid_distance(affine, stretched, (40, 50, 1)) == 0, "a lone slice lies where it lies"


def test_a_turn_moves_the_corner_farthest_from_its_centre():
    angle = np.deg2rad(1)
    turned = np.eye(4)
    turned[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    assert grid_distance(np.eye(4), turned, (31, 41, 5)) == pytest.approx(2 * np.sin(angle / 2) * 50)
