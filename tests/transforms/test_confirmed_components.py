"""Components that the distance field confirms stay, others go, and nothing else changes."""

import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from custom.errors import InputError
from custom.transforms import DropUnconfirmed, DropUnconfirmedd, SurfaceDistanceField
from custom.transforms.confirmed_components import confirmed_components

AFFINE = torch.diag(torch.tensor([3.3, 0.5, 0.5, 1.0]))


def two_lesions() -> np.ndarray:
    """A lesion of class 1 of 5 x 8 x 8 voxels, and fragments of class 1 (2 x 2 x 2) and 2 (1 x 3 x 3)."""
    labels = np.zeros((12, 24, 24), np.uint8)
    labels[2:7, 2:10, 2:10] = 1
    labels[9:11, 20:22, 20:22] = 1
    labels[1:2, 15:18, 3:6] = 2
    return labels


def true_field(truth: np.ndarray) -> np.ndarray:
    """Of any class."""
    return SurfaceDistanceField(3)(truth[None])[1:].max(axis=0)


def test_a_perfect_field_confirms_every_true_component():
    labels = two_lesions()
    kept, dropped = confirmed_components(labels, true_field(labels))
    assert np.array_equal(kept, labels)
    assert dropped == 0


@pytest.mark.parametrize(("threshold", "stays"), [(0.5, True), (0.6, False)])
def test_a_lesion_much_smaller_than_the_largest_of_its_class_needs_a_lower_threshold(threshold, stays):
    """Its deepest voxel is 1 deep, the class's 7: a field of 4 / 7."""
    labels = np.zeros((16, 16, 20), np.uint8)
    labels[1:14, 1:14, 1:14] = 1
    labels[15, 15, 18] = 1
    kept, _ = confirmed_components(labels, true_field(labels), threshold)
    assert kept[15, 15, 18] == stays
    assert kept[7, 7, 7] == 1


def test_a_perfect_field_drops_what_is_not_there():
    labels, truth = two_lesions(), two_lesions()
    truth[9:11], truth[truth == 2] = 0, 0
    kept, dropped = confirmed_components(labels, true_field(truth))
    assert np.array_equal(kept, truth)
    assert dropped == 2
    assert labels[10, 21, 21] == 1, "the input is left alone"


def test_nothing_is_dropped_of_a_class_that_the_head_knows_nothing_of():
    """Its field is 0 everywhere; the false component of the other class goes."""
    labels, truth = two_lesions(), two_lesions()
    truth[9:11], truth[truth == 2] = 0, 0
    kept, dropped = confirmed_components(labels, true_field(truth), spared=[2])
    assert np.array_equal(kept, np.where(labels == 2, 2, truth))
    assert dropped == 1
    volume = torch.from_numpy(np.stack([labels, (255 * true_field(truth)).astype(np.uint8)]))
    assert np.array_equal(DropUnconfirmed(spared=[2])(volume)[0], kept)


def test_a_component_of_another_class_than_the_field_says_stays():
    """There is a lesion; of which type it is, consensus does not ask."""
    labels, truth = two_lesions(), two_lesions()
    truth[truth == 2] = 1
    kept, dropped = confirmed_components(labels, true_field(truth))
    assert dropped == 0
    assert np.array_equal(kept, labels)


@pytest.mark.parametrize(("share", "stays"), [(0.0, True), (0.25, True), (0.26, False)])
def test_the_share_of_voxels_decides(share, stays):
    labels, field = np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 4))
    labels[:2, :2, :2] = 1  # 8 voxels
    field[0, 0, :2] = 0.5  # 2 of them, at the threshold
    kept, _ = confirmed_components(labels, field, 0.5, share)
    assert kept.any() == stays


def test_a_share_of_zero_still_asks_for_a_voxel():
    labels = np.ones((2, 2, 2), np.uint8)
    assert not confirmed_components(labels, np.full(labels.shape, 0.49), 0.5, 0.0)[0].any()


def test_voxels_that_touch_by_a_corner_are_one_component():
    labels, field = np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 4))
    labels[1, 1, 1] = labels[2, 2, 2] = 1
    field[1, 1, 1] = 1
    assert confirmed_components(labels, field)[0].sum() == 2


def test_many_random_components_against_one_by_one():
    """Brute force: flood every component voxel by voxel."""
    random = np.random.default_rng(0)
    labels = random.choice(3, (7, 9, 8), p=(0.8, 0.1, 0.1)).astype(np.uint8)
    field = random.random(labels.shape)
    kept, dropped = confirmed_components(labels, field, 0.5, 0.4)
    expected, count, seen = labels.copy(), 0, np.zeros(labels.shape, bool)
    for start in np.argwhere(labels):
        if seen[tuple(start)]:
            continue
        component, front = [], [tuple(start)]
        seen[tuple(start)] = True
        while front:
            voxel = front.pop()
            component.append(voxel)
            for step in np.ndindex(3, 3, 3):
                near = tuple(np.array(voxel) + step - 1)
                inside = all(0 <= one < size for one, size in zip(near, labels.shape, strict=True))
                if inside and not seen[near] and labels[near] == labels[voxel]:
                    seen[near] = True
                    front.append(near)
        inside = [field[voxel] >= 0.5 for voxel in component]
        if not any(inside) or np.mean(inside) < 0.4:
            count += 1
            for voxel in component:
                expected[voxel] = 0
    assert np.array_equal(kept, expected)
    assert dropped == count > 5


def test_the_transform_keeps_geometry_and_type_and_says_how_many_went():
    labels = two_lesions()
    field = np.where(labels == 1, 255, 50).astype(np.uint8)
    volume = MetaTensor(torch.as_tensor(np.stack([labels, field])), affine=AFFINE)
    output = DropUnconfirmedd("pred")({"pred": volume})
    assert output["pred"].shape == (1, *labels.shape)
    assert output["pred"].dtype == torch.uint8
    assert torch.equal(output["pred"].affine, volume.affine)
    assert output["dropped_components"] == 1
    assert "type" not in output
    assert set(np.unique(output["pred"])) == {0, 1}
    assert isinstance(DropUnconfirmed()(np.stack([labels, field])), np.ndarray)


@pytest.mark.parametrize(("level", "kept"), [(255, "glioma"), (50, None)])
def test_a_scan_in_which_nothing_is_left_has_no_type(level, kept):
    labels = two_lesions()
    volume = torch.as_tensor(np.stack([labels, np.full_like(labels, level)]))
    output = DropUnconfirmedd("pred")({"pred": volume, "type": "glioma", "type_probabilities": {"glioma": 1.0}})
    assert output["type"] == kept
    assert output["type_probabilities"] == ({"glioma": 1.0} if kept else {})


@pytest.mark.parametrize("options", [{"threshold": 0}, {"threshold": 1.5}, {"share": -0.1}, {"share": 2}])
def test_refused(options):
    with pytest.raises(InputError, match="give a threshold above 0 up to 1 and a share from 0 to 1"):
        DropUnconfirmed(**options)
