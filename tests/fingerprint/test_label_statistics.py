"""Volumes and components of hand-built label maps."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from custom.errors import InputError
from custom.fingerprint.label_statistics import (
    LabelStatistics,
    count_components,
    label_statistics,
    many,
    read_label_map,
)

SPACING = (2.0, 2.5, 4.0)  # a voxel of 20 mm3 = 0.02 ml


def save(path, voxels, affine=None, dtype=np.uint8):
    affine = np.diag([*SPACING, 1.0]) if affine is None else affine
    nib.save(nib.Nifti1Image(np.asarray(voxels, dtype=dtype), affine), path)
    return path


def label_map():
    voxels = np.zeros((12, 10, 8), np.uint8)
    voxels[1:4, 1:6, 1:3] = 1  # 30 voxels
    voxels[8:10, 6:9, 4:6] = 1  # 12 voxels, apart from the others
    voxels[11, 0, 0] = 1  # a speck
    voxels[5, 1:9, 2] = 3
    voxels[0, 0, 1:4] = 255
    return voxels


def test_volumes_and_components(tmp_path):
    found = label_statistics(save(tmp_path / "case_7.nii.gz", label_map()), (1, 2, 3))
    assert found.name == "case_7"
    assert found.volumes_ml == pytest.approx({1: 43 * 0.02, 2: 0, 3: 8 * 0.02})
    assert found.components == {1: 2, 2: 0, 3: 1}
    assert found.problem == ""


def test_a_component_counts_from_a_tenth_of_a_millilitre_on():
    mask = np.zeros((10, 4, 1), bool)
    mask[:4, 0], mask[:5, 2] = True, True  # 4 and 5 voxels
    assert [count_components(mask, voxel_ml) for voxel_ml in (0.019, 0.02, 0.025)] == [0, 1, 2]


def test_the_volume_does_not_depend_on_how_the_grid_lies(tmp_path):
    turned = np.eye(4)
    turned[:3, :3] = np.array([[0, -1, 0], [0, 0, 1], [-1, 0, 0]]) @ np.diag(SPACING)
    found = label_statistics(save(tmp_path / "a.nii.gz", label_map(), turned), (1,))
    assert found.volumes_ml[1] == pytest.approx(43 * 0.02)


def test_voxels_that_touch_by_a_corner_are_one_component():
    mask = np.zeros((4, 4, 4), bool)
    mask[0, 0, 0] = mask[1, 1, 1] = mask[3, 3, 3] = True
    assert count_components(mask, one_ml=1.0) == 2


def test_many_keep_the_order_and_name_what_is_unreadable(tmp_path):
    files = [save(tmp_path / f"case_{i}.nii.gz", np.full((2, 2, 2 + i), 1)) for i in range(5)]
    files[2].write_bytes(files[2].read_bytes()[:40])
    found = list(many(files, (1,), num_workers=3))
    assert [one.name for one in found] == [f"case_{i}" for i in range(5)]
    assert "case_2.nii.gz" in found[2].problem
    assert found[2] == LabelStatistics("case_2", problem=found[2].problem)
    assert [one.volumes_ml[1] for one in found if not one.problem] == pytest.approx([0.16, 0.24, 0.4, 0.48])


def test_given_names_are_used(tmp_path):
    files = [save(tmp_path / f"{i}.nii", np.ones((2, 2, 2))) for i in range(2)]
    assert [one.name for one in many(files, (1,), names=["x", "y"])] == ["x", "y"]


def test_many_of_nothing_is_nothing():
    assert list(many([], (1,))) == []


@pytest.mark.parametrize("dtype", [np.int16, np.float32, np.float64])
def test_classes_are_read_from_any_type(tmp_path, dtype):
    label = read_label_map(save(tmp_path / "a.nii.gz", label_map(), dtype=dtype))
    assert label.voxels.dtype == np.uint8
    np.testing.assert_array_equal(label.voxels, label_map())


def test_scaled_labels_are_read_as_scaled(tmp_path):
    image = nib.Nifti1Image(label_map() // 2, np.eye(4))
    image.header.set_slope_inter(2, 1)
    nib.save(image, tmp_path / "a.nii.gz")
    np.testing.assert_array_equal(read_label_map(tmp_path / "a.nii.gz").voxels, label_map() // 2 * 2 + 1)


@pytest.mark.parametrize("value", [0.5, -1, 256])
def test_what_is_no_class_id_is_refused(tmp_path, value):
    voxels = np.zeros((2, 2, 2))
    voxels[0, 0, 0] = value
    file = save(tmp_path / "a.nii.gz", voxels, dtype=np.float32)
    with pytest.raises(InputError, match=rf"a\.nii\.gz: not class ids: {value:g};"):
        label_statistics(file, (1,))


def test_other_values_than_the_classes_asked_for_are_passed_over(tmp_path):
    found = label_statistics(save(tmp_path / "a.nii.gz", label_map()), (3,))
    assert set(found.volumes_ml) == set(found.components) == {3}
