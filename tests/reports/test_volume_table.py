"""Volumes: voxels times the voxel's volume."""

import numpy as np
import pytest

from custom.reports.volume_table import COLUMNS, describe_volumes, edge_ids, empty_scans, volume_rows


def test_a_box_of_known_volume_on_a_sheared_grid():
    label = np.zeros((10, 10, 10), np.uint8)
    label[:2, :5, :10] = 1  # 100 voxels
    affine = np.diag([2.0, -3.0, 5.0, 1.0])
    affine[0, 1] = 1.5  # shear, which leaves volumes as they are
    rows = volume_rows("a", label, affine, ["liver", "spleen"], {"liver": 0.9}, "odd")
    assert rows[0] == dict(zip(COLUMNS, ("a", "liver", 100, pytest.approx(3.0), 0.9, "yes", "odd"), strict=True))
    assert rows[1] == dict(zip(COLUMNS, ("a", "spleen", 0, 0.0, None, "", "odd"), strict=True))
    assert describe_volumes(rows)[2].split() == ["a", "liver", ">", "3", "0.90"]
    assert describe_volumes(rows)[3].split() == ["a", "spleen", "0"]
    assert describe_volumes(rows)[-1].startswith("> : it reaches the scan's edge")


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("place", [0, -1])
def test_what_touches_a_face_reaches_the_edge(axis, place):
    label = np.zeros((4, 5, 6), np.uint8)
    label[1:3, 1:3, 1:3] = 1
    assert edge_ids(label) == {0}
    np.moveaxis(label, axis, 0)[place, 2, 2] = 2
    assert edge_ids(label) == {0, 2}


def test_the_faces_of_one_slice_are_no_edge():
    label = np.zeros((4, 5, 1), np.uint8)
    label[1:3, 1:3] = 1
    assert edge_ids(label) == {0}


def test_scans_without_any_class_are_named():
    empty, found = np.zeros((3, 3, 3), np.uint8), np.ones((3, 3, 3), np.uint8)
    rows = [
        row for name, one in (("a", empty), ("b", found)) for row in volume_rows(name, one, np.eye(4), "xy", {}, "")
    ]
    assert empty_scans(rows) == ["a"]
    assert not any(line.startswith(">") for line in describe_volumes(rows[:2]))
