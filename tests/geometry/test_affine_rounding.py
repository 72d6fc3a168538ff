"""The affine that was meant, of what single precision and text leave of it."""

import itertools

import numpy as np
import pytest

from custom.geometry.affine_rounding import without_header_rounding

from ..io.scan_files import turned

SPACING = (0.9, 1.5, 0.683594)
AFFINE = turned("RAS", (10, -20, 30), SPACING)


@pytest.mark.parametrize("kept", [lambda a: a.astype(np.float32).astype(float), lambda a: np.round(a, 7), np.array])
def test_what_was_meant(kept):
    result = without_header_rounding(kept(AFFINE))
    lengths = np.linalg.norm(result[:3, :3], axis=0)
    assert np.allclose(lengths, SPACING, rtol=2e-9, atol=0)
    directions = result[:3, :3] / lengths
    assert np.allclose(directions.T @ directions, np.eye(3), rtol=0, atol=1e-15)
    assert np.allclose(result, AFFINE, rtol=0, atol=1e-6)


def test_a_hair_more_than_the_spacing():
    assert 0 < np.diag(without_header_rounding(np.diag([0.9, 1.5, 2, 1])))[0] - 0.9 < 1e-8


def test_order_and_direction_of_the_axes_change_no_bit():
    expected = without_header_rounding(AFFINE)
    for order, signs in itertools.product(itertools.permutations(range(3)), itertools.product((1, -1), repeat=3)):
        stored = AFFINE.copy()
        stored[:3, :3] = AFFINE[:3, order] * signs
        assert np.array_equal(without_header_rounding(stored)[:3, :3], expected[:3, order] * signs)


def test_shear_is_meant():
    sheared = AFFINE.copy()
    sheared[:3, 2] += 0.01 * AFFINE[:3, 0]
    assert np.array_equal(without_header_rounding(sheared), sheared)


def test_nothing_can_be_done_without_three_axes():
    flat = np.diag([1.0, 1, 0, 1])
    assert np.array_equal(without_header_rounding(flat), flat)
