"""The B-spline displacement: constants, lines, bounds, smoothness and the absence of folds."""

import numpy as np
import pytest
import torch
from scipy.interpolate import BSpline

from custom.transforms.elastic_displacement import NO_FOLD, elastic_displacement, lattice_size, spline_weights

SIZE, SPACING = (9, 14, 11), 4.0


def lattice(values=None):
    shape = (3, *lattice_size(SIZE, SPACING))
    return torch.as_tensor(np.random.RandomState(0).uniform(-1, 1, shape) if values is None else values)


@pytest.mark.parametrize(("length", "spacing"), [(9, 4.0), (8, 2.5), (1, 3.0), (20, 40.0), (13, 4.0)])
def test_weights_are_those_of_the_cubic_b_spline(length, spacing):
    weights = spline_weights(length, spacing).numpy()
    assert np.allclose(weights.sum(1), 1)
    assert weights.min() >= 0
    basis = BSpline.basis_element(np.arange(-2, 3), extrapolate=False)
    positions = np.arange(length)[:, None] / spacing - (np.arange(weights.shape[1]) - 1)
    assert np.allclose(weights, np.nan_to_num(basis(positions)))


def test_equal_control_points_move_every_voxel_alike():
    move = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)
    control = move.reshape(3, 1, 1, 1).expand(3, *lattice_size(SIZE, SPACING))
    field = elastic_displacement(control, SIZE, SPACING)
    assert field.shape == (*SIZE, 3)
    assert torch.allclose(field, move.expand(*SIZE, 3))


def test_control_points_on_a_line_give_that_line():
    """Cubic B-splines reproduce linear functions: point j of axis 1 lies at voxel (j - 1) * spacing."""
    points = lattice_size(SIZE, SPACING)
    control = torch.zeros(3, *points, dtype=torch.float64)
    control[2] = ((torch.arange(points[1]) - 1) * SPACING).reshape(1, -1, 1)
    field = elastic_displacement(control, SIZE, SPACING)
    assert torch.allclose(field[..., 2], torch.arange(14.0, dtype=torch.float64).reshape(1, -1, 1).expand(SIZE))
    assert torch.equal(field[..., :2], torch.zeros(*SIZE, 2, dtype=torch.float64))


def test_equals_the_sum_over_all_control_points():
    control = lattice()
    weights = [spline_weights(length, SPACING) for length in SIZE]
    expected = torch.einsum("dabc,ia,jb,kc->ijkd", control, *weights)
    assert torch.allclose(elastic_displacement(control, SIZE, SPACING), expected)


def test_one_control_point_moves_two_spacings_around_it_and_nothing_else():
    control = torch.zeros(1, *lattice_size([33], 4.0))
    control[0, 5] = 3  # at voxel 16
    field = elastic_displacement(control, [33], 4.0)[:, 0]
    assert torch.equal(field.nonzero().flatten(), torch.arange(9, 24))
    assert field.argmax() == 16
    assert field[16].item() == pytest.approx(2)
    assert torch.allclose(field, field.flip(0))


def test_no_voxel_moves_further_than_a_control_point_and_neighbours_move_alike():
    field = elastic_displacement(lattice(), SIZE, SPACING)
    assert field.abs().max() < 1
    assert all(field.diff(dim=axis).abs().max() < 1.5 / SPACING for axis in range(3))
    assert field.std() == pytest.approx(0.2, abs=0.05), "a fifth of the greatest"


def test_no_folds_at_the_greatest_magnitude():
    """Random signs are the roughest lattice: the Jacobian of p + displacement stays positive everywhere."""
    for seed in range(5):
        signs = np.random.RandomState(seed).choice([-1.0, 1.0], (3, *lattice_size((24, 24, 24), 8.0)))
        field = elastic_displacement(torch.as_tensor(NO_FOLD * 8.0 * signs), (24, 24, 24), 8.0).numpy()
        gradients = [np.stack(np.gradient(field[..., axis]), -1) for axis in range(3)]
        jacobian = np.linalg.det(np.stack(gradients, -2) + np.eye(3))
        assert jacobian.min() > 0
