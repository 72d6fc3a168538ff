"""The random patch: forced foreground, image and label together, probabilities, metadata."""

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import ClassesToIndicesd

from custom.transforms import RandWarpedPatchd

INDICES = ClassesToIndicesd(keys="label", num_classes=3)


def case(shape=(10, 12, 14), lesion=(2, 9, 13)):
    label = torch.zeros(1, *shape)
    label[(0, *lesion)] = 2
    return INDICES({"image": 10 * label, "label": label})


def patches(transform, data, forced, count=30):
    transform.set_random_state(0)
    return [transform({**data, "forced_foreground": forced}) for _ in range(count)]


def test_forced_patch_holds_the_lesion_of_one_voxel_at_the_border():
    transform = RandWarpedPatchd(["image", "label"], (4, 4, 4), modes="nearest", rotate_prob=0, scale_prob=0)
    for patch in patches(transform, case(), forced=True):
        assert patch["label"].sum() == 2
        assert torch.equal(patch["image"], 10 * patch["label"])
        assert "label_cls_indices" not in patch
    free = [patch["label"].sum().item() for patch in patches(transform, case(), forced=False, count=200)]
    assert 0 < np.count_nonzero(free) < 60


def test_case_without_foreground_is_cut_anywhere():
    empty = INDICES({"image": torch.rand(1, 10, 12, 14), "label": torch.zeros(1, 10, 12, 14)})
    transform = RandWarpedPatchd(["image", "label"], (4, 4, 4), modes="nearest")
    for patch in patches(transform, empty, forced=True):
        assert patch["image"].shape == (1, 4, 4, 4)


def test_volume_smaller_than_the_patch_is_padded_with_zero():
    transform = RandWarpedPatchd(["image", "label"], (16, 16, 16), modes="nearest", rotate_prob=0, scale_prob=0)
    patch = patches(transform, case(), forced=True, count=1)[0]
    assert patch["label"].shape == (1, 16, 16, 16)
    assert patch["label"].sum() == 2


def test_image_and_label_are_warped_alike():
    ramp = torch.arange(20.0).reshape(1, 20, 1, 1).expand(1, 20, 20, 20).contiguous()
    data = INDICES({"image": ramp, "label": (ramp >= 10).float(), "inside": torch.ones_like(ramp)})
    transform = RandWarpedPatchd(
        ["image", "label", "inside"],
        (9, 9, 9),
        modes=["bilinear", "nearest", "bilinear"],
        rotate_prob=1,
        scale_prob=1,
    )
    for patch in patches(transform, data, forced=True):
        clear = ((patch["image"] - 9.5).abs() > 1) & (patch["inside"] > 0.999)
        assert clear.any()
        assert torch.equal((patch["image"] >= 9.5)[clear], (patch["label"] > 0)[clear])


@pytest.mark.parametrize(("rotate", "scale", "share"), [(0, 0, 0), (1, 0, 1), (0, 1, 1), (0.2, 0.2, 0.36)])
def test_probabilities_are_independent(rotate, scale, share):
    transform = RandWarpedPatchd("image", (4, 4, 4), rotate_prob=rotate, scale_prob=scale)
    transform.set_random_state(0)
    warped = [transform.random_matrix() is not None for _ in range(2000)]
    assert np.mean(warped) == pytest.approx(share, abs=0.04)


def test_anisotropic_patch_is_turned_in_its_plane_by_any_angle():
    transform = RandWarpedPatchd("image", (3, 16, 16), rotate_prob=1, scale_prob=1)
    transform.set_random_state(0)
    matrices = [transform.random_matrix() for _ in range(300)]
    assert all(np.allclose(matrix[0], [1, 0, 0]) and np.allclose(matrix[:, 0], [1, 0, 0]) for matrix in matrices)
    angles = np.degrees([np.arctan2(matrix[2, 1], matrix[1, 1]) for matrix in matrices])
    assert angles.min() < -150
    assert angles.max() > 150
    scales = [np.sqrt(np.linalg.det(matrix)) for matrix in matrices]
    assert 0.7 <= min(scales) < 0.75
    assert 1.35 < max(scales) <= 1.4


def test_isotropic_patch_is_turned_by_at_most_thirty_degrees_per_axis():
    transform = RandWarpedPatchd("image", (8, 8, 8), rotate_prob=1, scale_prob=0)
    transform.set_random_state(0)
    for _ in range(200):
        turn = transform.random_matrix()
        total = np.degrees(np.arccos(np.clip((np.trace(turn) - 1) / 2, -1, 1)))
        assert 0 < total < 55, "three turns of 30 degrees"


ELASTIC = {"elastic_prob": 1, "elastic_magnitude": 3, "elastic_spacing": 8}


def test_image_and_label_are_deformed_alike():
    ramp = torch.arange(20.0).reshape(1, 20, 1, 1).expand(1, 20, 20, 20).contiguous()
    data = INDICES({"image": ramp, "label": (ramp >= 10).float(), "inside": torch.ones_like(ramp)})
    modes = ["bilinear", "nearest", "bilinear"]
    transform = RandWarpedPatchd(["image", "label", "inside"], (9, 9, 9), modes=modes, **ELASTIC)
    bent = 0
    for patch in patches(transform, data, forced=True):
        clear = ((patch["image"] - 9.5).abs() > 1) & (patch["inside"] > 0.999)
        assert torch.equal((patch["image"] >= 9.5)[clear], (patch["label"] > 0)[clear])
        steps = patch["image"].diff(dim=1)[patch["inside"][:, 1:] > 0.999]
        bent += bool(steps.std() > 0.02)
    assert bent == 30, "no patch shows the ramp straight"


def test_without_elastic_probability_the_random_numbers_are_those_of_before():
    """The draws of rotation and scale, by hand."""
    transform = RandWarpedPatchd("image", (8, 8, 8), rotate_prob=1, scale_prob=0)
    transform.set_random_state(0)
    patch = transform({"image": torch.rand(1, 12, 12, 12)})
    random = np.random.RandomState(0)
    random.randint(0, 5, 3), random.rand(2), random.uniform(0, 1, 3)
    assert patch["image"].shape == (1, 8, 8, 8)
    assert transform.R.rand() == random.rand()


def test_elastic_probability():
    transform = RandWarpedPatchd("image", (4, 4, 4), **{**ELASTIC, "elastic_prob": 0.3})
    transform.set_random_state(0)
    deformed = [transform.random_displacement() is not None for _ in range(1000)]
    assert np.mean(deformed) == pytest.approx(0.3, abs=0.05)


@pytest.mark.parametrize(("size", "still"), [((4, 16, 16), 0), ((16, 16, 4), 2), ((8, 16, 16), None), ((16, 16), None)])
def test_anisotropic_patch_is_deformed_in_its_planes_only(size, still):
    transform = RandWarpedPatchd("image", size, **ELASTIC)
    transform.set_random_state(0)
    displacement = transform.random_displacement()
    assert displacement.shape == (*size, len(size))
    moved = [bool(displacement[..., axis].abs().max() > 0) for axis in range(len(size))]
    assert moved == [axis != still for axis in range(len(size))]
    assert displacement.abs().max() < 3


def test_magnitude_that_would_fold_the_patch_is_refused():
    with pytest.raises(ValueError, match=r"elastic_magnitude 12.0 with elastic_spacing 8 could fold .* from 0 to 3.2"):
        RandWarpedPatchd("image", (8, 8, 8), elastic_prob=1, elastic_spacing=8)


def test_metadata_are_kept_and_a_plain_crop_knows_its_place():
    affine = torch.tensor([[2.0, 0, 0, 10], [0, 3, 0, 20], [0, 0, 4, 30], [0, 0, 0, 1]], dtype=torch.float64)
    image = MetaTensor(torch.rand(1, 8, 8, 8), affine=affine, meta={"filename_or_obj": "scan.nii.gz"})
    transform = RandWarpedPatchd("image", (4, 4, 4), rotate_prob=0, scale_prob=0)
    transform.set_random_state(1)
    patch = transform({"image": image})["image"]
    assert patch.meta["filename_or_obj"] == "scan.nii.gz"
    assert patch.pixdim.tolist() == pytest.approx([2, 3, 4])
    start = ((patch.affine - affine)[:3, 3] / torch.tensor([2, 3, 4])).round().int().tolist()
    assert torch.equal(patch.as_tensor(), image.as_tensor()[(slice(None), *(slice(s, s + 4) for s in start))])


def test_same_seed_same_patch():
    transform = RandWarpedPatchd(["image", "label"], (6, 6, 6), modes="nearest", rotate_prob=1)
    first = patches(transform, case(), forced=True, count=5)
    second = patches(transform, case(), forced=True, count=5)
    assert all(torch.equal(a["image"], b["image"]) for a, b in zip(first, second, strict=True))


def test_axes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"volume of shape \(8, 8\) and patch_size \(4, 4, 4\) differ in axes"):
        RandWarpedPatchd("image", (4, 4, 4))({"image": torch.zeros(1, 8, 8)})
