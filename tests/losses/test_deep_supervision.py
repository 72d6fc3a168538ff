"""nnU-Net's weights of the decoder levels."""

import pytest

from custom.losses import supervision_weights


@pytest.mark.parametrize(
    ("levels", "weights"),
    [(1, [1]), (2, [1, 0]), (3, [2 / 3, 1 / 3, 0]), (5, [8 / 15, 4 / 15, 2 / 15, 1 / 15, 0])],
)
def test_halved_per_level_coarsest_zero_sum_one(levels, weights):
    assert supervision_weights(levels) == pytest.approx(weights)
