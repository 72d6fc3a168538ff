"""Volumes: voxels times the voxel's volume."""

import numpy as np
import pytest

from custom.reports.volume_table import COLUMNS, describe_volumes, volume_rows


def test_a_box_of_known_volume_on_a_sheared_grid():
    label = np.zeros((10, 10, 10), np.uint8)
    label[:2, :5, :10] = 1  # 100 voxels
    affine = np.diag([2.0, -3.0, 5.0, 1.0])
    affine[0, 1] = 1.5  # shear, which leaves volumes as they are
    rows = volume_rows("a", label, affine, ["liver", "spleen"], {"liver": 0.9}, "odd")
    assert rows[0] == dict(zip(COLUMNS, ("a", "liver", 100, pytest.approx(3.0), 0.9, "odd"), strict=True))
    assert rows[1] == dict(zip(COLUMNS, ("a", "spleen", 0, 0.0, None, "odd"), strict=True))
    assert describe_volumes(rows)[2].split() == ["a", "liver", "3", "0.90"]
    assert describe_volumes(rows)[3].split() == ["a", "spleen", "0"]
