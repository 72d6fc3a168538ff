"""Volumes turned to the patient's axes."""

import numpy as np
import pytest

from custom.geometry.canonical_axes import to_ras


def test_axes_are_right_anterior_superior_whichever_way_the_file_lies():
    volume = np.arange(24).reshape(2, 3, 4)  # axes: superior, left, anterior
    affine = np.array([[0, -2.0, 0, 0], [0, 0, 3.0, 0], [5.0, 0, 0, 0], [0, 0, 0, 1]])
    turned, spacing = to_ras(volume, affine)
    assert turned.shape == (3, 4, 2)
    assert spacing == pytest.approx((2, 3, 5))
    assert turned[0, 0, 0] == volume[0, 2, 0]  # the leftmost column is the file's last
    assert turned.base is not None
