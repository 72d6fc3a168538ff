"""Each class keeps its largest component."""

import numpy as np
import torch
from monai.data import MetaTensor

from custom.transforms import KeepLargestComponentsd
from custom.transforms.largest_components import largest_components

AFFINE = torch.diag(torch.tensor([3.0, 1.0, 1.0, 1.0]))


def organs() -> tuple[np.ndarray, np.ndarray]:
    """Two organs, one inside the box of the other, with fragments; and without."""
    clean = np.zeros((8, 10, 10), np.uint8)
    clean[1:4, 1:7, 1:7] = 3
    clean[2, 3:5, 3:5] = 1
    labels = clean.copy()
    labels[6, 8, 8:10] = 1
    labels[6:8, 1:3, 1:3] = 3
    labels[5, 9, 0] = 3
    return labels, clean


def test_fragments_become_background_and_the_other_classes_stay():
    labels, clean = organs()
    before = labels.copy()
    assert np.array_equal(largest_components(labels), clean)
    assert np.array_equal(labels, before), "the input is left alone"
    assert np.array_equal(largest_components(clean), clean)


def test_voxels_that_touch_by_a_corner_are_one_component():
    labels = np.zeros((4, 4, 4), np.uint8)
    labels[0, 0, 0] = labels[1, 1, 1] = 2
    labels[3, 3, 3] = 2
    assert largest_components(labels).sum() == 4


def test_largest_by_voxels_not_by_extent():
    labels = np.zeros((6, 6, 12), np.uint8)
    labels[0, 0, :] = 1  # 12 voxels in a line
    labels[3:6, 3:6, 3:6] = 1  # 27
    assert largest_components(labels).sum() == 27


def test_nothing_stays_nothing():
    assert not largest_components(np.zeros((3, 3, 3), np.uint8)).any()


def test_a_scan_keeps_its_geometry_and_type():
    labels, clean = organs()
    scan = MetaTensor(torch.from_numpy(labels[None]), affine=AFFINE)
    output = KeepLargestComponentsd(keys="pred")({"pred": scan, "image": 1})
    assert output["image"] == 1
    assert output["pred"].dtype == torch.uint8
    assert torch.equal(output["pred"].affine, scan.affine)
    assert np.array_equal(output["pred"].numpy()[0], clean)
