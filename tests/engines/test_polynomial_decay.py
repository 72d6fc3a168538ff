"""nnU-Net's schedule in numbers."""

import pytest

from custom.engines import polynomial_decay


def test_by_hand():
    factor = polynomial_decay(1000)
    assert factor(0) == 1
    assert factor(500) == pytest.approx(0.5**0.9)
    assert factor(1000) == 0
    assert factor(1001) == 0
    assert 0.01 * (factor(0) - factor(1)) == pytest.approx(1e-5, rel=0.1), "the paper's 0.00001 an epoch"
