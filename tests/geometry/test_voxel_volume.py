"""The volume of a voxel, of any grid."""

import numpy as np
import pytest

from custom.geometry.voxel_volume import voxel_ml


def test_a_voxel_has_the_volume_that_its_edges_span():
    sheared = [[2, 1, 0, 7], [0, 3, 0, 8], [0, 0, 5, 9], [0, 0, 0, 1]]
    for affine in (np.diag([2, -3, 5, 1]), sheared):
        assert voxel_ml(affine) == pytest.approx(0.03)
