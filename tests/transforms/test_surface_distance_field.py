"""The surface distance field against hand-computed lines, brute force and the whole-volume definition (Eq. 1-2)."""

from __future__ import annotations

import itertools

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import Compose
from scipy.ndimage import distance_transform_edt, gaussian_filter

from custom.errors import InputError, find_input_error
from custom.transforms.surface_distance_field import (
    SurfaceDistanceField,
    SurfaceDistanceFieldd,
    separate_boxes,
    surface_distance_field,
)

OPTIONS = [
    {"truncation": truncation, "normalize": normalize, "clip": clip}
    for truncation, normalize, clip in itertools.product((0.5, 1.0, 2.0, 3.0, None), (True, False), (True, False))
]


def whole_volume(mask, spacing, truncation=1.0, normalize=True, clip=True):
    """The definition, on the whole volume, float64."""
    if not mask.any():
        return np.zeros(mask.shape)
    if mask.all():
        return np.ones(mask.shape)
    inside = distance_transform_edt(mask, sampling=spacing)
    outside = distance_transform_edt(~mask, sampling=spacing)
    return field_from_distances(mask, inside, outside, truncation, normalize, clip)


def field_from_distances(mask, inside, outside, truncation, normalize, clip):
    dmax = inside[mask].max()
    signed = np.where(mask, inside, -outside)
    values = (signed / dmax + 1) / 2 if normalize else signed
    if truncation is None:
        return values
    values = np.where(mask | (np.abs(signed) <= truncation * dmax), values, 0)
    return np.maximum(values, 0) if normalize and clip else values


def all_pairs(mask, spacing):
    """Distance of every voxel of `mask` to the nearest one outside it, without any distance transform."""
    points = np.argwhere(np.ones_like(mask)).reshape(*mask.shape, mask.ndim) * np.asarray(spacing)
    distance = np.zeros(mask.shape)
    for voxel in np.argwhere(mask):
        squares = (points[~mask] - points[tuple(voxel)]) ** 2
        distance[tuple(voxel)] = np.sqrt(squares.sum(-1)).min()
    return distance


def random_labels(seed):
    """Label map, number of classes and spacing: blobs, boxes at borders, lone voxels, noise, far parts or one fill."""
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(4, 30, size=2 + seed % 2)) if seed % 7 else tuple(rng.integers(3, 14, size=3))
    spacings = [(1.0, 1.0, 1.0), (2.0, 2.0, 2.0), (3.3, 0.47, 0.47), (0.47, 0.47, 0.47), (0.7, 1.9, 1.1), (5, 0.5, 1)]
    spacing = spacings[rng.integers(len(spacings))][: len(shape)]
    num_classes = int(rng.integers(2, 6))
    labels = np.zeros(shape, np.uint8)
    kind = seed % 6
    if kind == 0:
        smooth = np.stack([gaussian_filter(rng.normal(size=shape), rng.uniform(1, 3)) for _ in range(num_classes)])
        smooth[0] += rng.uniform(0, 0.2)
        labels[...] = smooth.argmax(0)
    elif kind == 1:
        for class_id in range(1, num_classes):
            labels[random_box(rng, shape, at_border=True)] = class_id
    elif kind == 2:
        for _ in range(rng.integers(1, 8)):
            labels[tuple(rng.integers(size) for size in shape)] = rng.integers(1, num_classes)
    elif kind == 3:
        labels[...] = np.where(rng.random(shape) < rng.uniform(0.02, 0.9), rng.integers(0, num_classes, shape), 0)
    elif kind == 4:
        for _ in range(rng.integers(2, 6)):
            labels[random_box(rng, shape, at_border=False)] = rng.integers(1, num_classes)
    else:
        labels[...] = num_classes - 1
        if seed % 4:
            labels[tuple(rng.integers(size) for size in shape)] = 0
    return labels, num_classes, spacing


def blobs():
    """Three classes of smooth shape in 3D, touching each other and the border."""
    smooth = gaussian_filter(np.random.default_rng(0).normal(size=(4, 14, 17, 12)), (0, 2.5, 2.5, 2.5))
    return smooth.argmax(0)


def random_box(rng, shape, at_border):
    extent = [int(rng.integers(1, max(2, size // 3))) for size in shape]
    start = [int(rng.integers(0, size - e + 1)) for size, e in zip(shape, extent, strict=True)]
    if at_border:
        axis = rng.integers(len(shape))
        start[axis] = rng.choice([0, shape[axis] - extent[axis]])
    return tuple(slice(s, s + e) for s, e in zip(start, extent, strict=True))


@pytest.mark.parametrize("seed", range(200))
def test_equals_the_whole_volume_definition_exactly(seed):
    labels, num_classes, spacing = random_labels(seed)
    for options in ({}, OPTIONS[seed % len(OPTIONS)]):
        field = surface_distance_field(labels, num_classes, spacing, **options)
        assert field.dtype == np.float32
        assert not field[0].any()
        for class_id in range(1, num_classes):
            expected = whole_volume(labels == class_id, spacing, **options)
            np.testing.assert_array_equal(field[class_id], expected.astype(np.float32))
        union = surface_distance_field(labels, num_classes, spacing, class_agnostic=True, **options)
        np.testing.assert_array_equal(union[0], whole_volume(labels > 0, spacing, **options).astype(np.float32))


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (4.0, 0.5, 0.5)])
@pytest.mark.parametrize("options", OPTIONS)
def test_equals_all_pairs_of_voxels_exactly(spacing, options):
    """These spacings have short binary fractions, so that every square and sum is exact in any order."""
    labels = np.random.default_rng(0).integers(0, 3, (6, 5, 7)) * (np.indices((6, 5, 7)).sum(0) < 9)
    for class_id in (1, 2):
        mask = labels == class_id
        expected = field_from_distances(mask, all_pairs(mask, spacing), all_pairs(~mask, spacing), **options)
        field = surface_distance_field(mask.astype(np.uint8), 2, spacing, **options)[1]
        np.testing.assert_array_equal(field, expected.astype(np.float32))


def at_two_millimetres(file):
    """Nearest-voxel resampling by picking rows, columns and slices."""
    image = nib.load(file)
    labels = np.asanyarray(image.dataobj)
    picked = [
        (np.arange(1, size * zoom, 2.0) / zoom).astype(int)
        for size, zoom in zip(labels.shape, image.header.get_zooms(), strict=True)
    ]
    return labels[np.ix_(*picked)]


@pytest.mark.parametrize("case", ["case_00000", "case_00003", "case_00007"])
def test_equals_the_whole_volume_definition_on_kits_masks(shared_data, case):
    labels = at_two_millimetres(shared_data / "kidney_masks" / f"{case}.nii.gz")
    spacing = (2.0, 2.0, 2.0)
    affine = np.diag([*spacing, 1.0])
    field = SurfaceDistanceField(3)(MetaTensor(torch.from_numpy(labels[None]), affine=affine)).numpy()
    for class_id in (1, 2):
        mask = labels == class_id
        assert mask.any()
        np.testing.assert_array_equal(field[class_id], whole_volume(mask, spacing).astype(np.float32))


# A line of 19 voxels whose voxels 7 to 11 belong to the class: inside distances 1 2 3 2 1 (times the spacing).
LINE = np.zeros((1, 1, 19), np.int64)
LINE[..., 7:12] = 1


def mirrored(half):
    """The line's 19 values from those of voxels 0 to 9; the line is its own mirror image."""
    assert len(half) == 10
    return np.array([*half, *half[-2::-1]])


@pytest.mark.parametrize(
    ("options", "half"),
    [
        ({}, [0, 0, 0, 0, 0, 1 / 6, 1 / 3, 2 / 3, 5 / 6, 1]),
        ({"truncation": 2}, [0, 0, 0, 0, 0, 1 / 6, 1 / 3, 2 / 3, 5 / 6, 1]),
        ({"truncation": 3}, [0, 0, 0, 0, 0, 1 / 6, 1 / 3, 2 / 3, 5 / 6, 1]),
        ({"truncation": 0.4}, [0, 0, 0, 0, 0, 0, 1 / 3, 2 / 3, 5 / 6, 1]),
        ({"truncation": 2, "clip": False}, [0, -1 / 2, -1 / 3, -1 / 6, 0, 1 / 6, 1 / 3, 2 / 3, 5 / 6, 1]),
        ({"truncation": 3, "clip": False}, [-2 / 3, -1 / 2, -1 / 3, -1 / 6, 0, 1 / 6, 1 / 3, 2 / 3, 5 / 6, 1]),
        ({"truncation": None}, [-2 / 3, -1 / 2, -1 / 3, -1 / 6, 0, 1 / 6, 1 / 3, 2 / 3, 5 / 6, 1]),
        ({"normalize": False}, [0, 0, 0, 0, -3, -2, -1, 1, 2, 3]),
        ({"normalize": False, "truncation": 2}, [0, -6, -5, -4, -3, -2, -1, 1, 2, 3]),
        ({"normalize": False, "truncation": 3}, [-7, -6, -5, -4, -3, -2, -1, 1, 2, 3]),
        ({"normalize": False, "truncation": None}, [-7, -6, -5, -4, -3, -2, -1, 1, 2, 3]),
    ],
)
def test_hand_computed_line(options, half):
    field = SurfaceDistanceField(2, **options)(LINE)
    np.testing.assert_array_equal(field[0], 0)
    np.testing.assert_allclose(field[1, 0], mirrored(half), rtol=1e-6, atol=1e-16)


def test_truncation_three_ends_at_three_dmax():
    line = np.zeros((1, 1, 12), np.uint8)
    line[..., 0] = 1  # one voxel at the border: dmax 1
    field = SurfaceDistanceField(2, truncation=3, clip=False)(line)
    np.testing.assert_array_equal(field[1, 0], [1, 0, -0.5, -1, 0, 0, 0, 0, 0, 0, 0, 0])


def test_millimetres_are_the_spacing_times_voxels_on_a_line():
    millimetres = SurfaceDistanceField(2, normalize=False)(LINE, spacing=(1, 2.5))
    voxels = SurfaceDistanceField(2, normalize=False, unit="voxel")(LINE, spacing=(1, 2.5))
    np.testing.assert_array_equal(voxels[1, 0], mirrored([0, 0, 0, 0, -3, -2, -1, 1, 2, 3]))
    np.testing.assert_array_equal(millimetres[1, 0], 2.5 * voxels[1, 0])


def test_unit_decides_which_neighbours_are_near_on_an_anisotropic_grid():
    label = np.zeros((1, 5, 5), np.uint8)
    label[0, 2, 2] = 1
    label = MetaTensor(torch.from_numpy(label), affine=torch.diag(torch.tensor([3.0, 1.0, 1.0])))
    voxel = SurfaceDistanceField(2, unit="voxel", normalize=False)(label)[1]
    assert (voxel[1, 2], voxel[3, 2], voxel[2, 1], voxel[2, 3]) == (-1, -1, -1, -1)
    millimetres = SurfaceDistanceField(2, unit="mm", normalize=False)(label)[1]
    assert (millimetres[1, 2], millimetres[3, 2], millimetres[2, 1], millimetres[2, 3]) == (0, 0, -1, -1)
    untruncated = SurfaceDistanceField(2, unit="mm", normalize=False, truncation=None)(label)[1]
    assert (untruncated[1, 2], untruncated[2, 1]) == (-3, -1)
    assert untruncated[1, 1] == pytest.approx(-(10**0.5))


def test_classes_are_independent_and_class_agnostic_is_their_union():
    label = np.zeros((1, 1, 12), np.uint8)
    label[..., 3:6] = 1
    label[..., 6:9] = 2
    each = SurfaceDistanceField(4)(label)
    assert each.shape == (4, 1, 12)
    np.testing.assert_array_equal(each[1, 0], [0, 0, 0.25, 0.75, 1, 0.75, 0.25, 0, 0, 0, 0, 0])
    np.testing.assert_array_equal(each[2, 0], [0, 0, 0, 0, 0, 0.25, 0.75, 1, 0.75, 0.25, 0, 0])
    np.testing.assert_array_equal(each[[0, 3]], 0)
    union = SurfaceDistanceField(4, class_agnostic=True)(label)
    assert union.shape == (1, 1, 12)
    sixths = np.array([0, 1, 2, 4, 5, 6, 6, 5, 4, 2, 1, 0]) / 6
    np.testing.assert_allclose(union[0, 0], sixths, rtol=1e-6)


def test_dmax_is_taken_over_all_parts_of_a_class():
    label = np.zeros((1, 1, 40), np.uint8)
    label[..., 5:10] = 1
    label[..., 30] = 1  # a lone voxel, as deep as it can be, is not at 1
    field = SurfaceDistanceField(2)(label)[1, 0]
    np.testing.assert_allclose(field[28:33], np.array([1, 2, 4, 2, 1]) / 6, rtol=1e-6)
    assert field[7] == 1


def test_one_voxel_lesion_is_one_inside_and_zero_elsewhere():
    label = np.zeros((1, 9, 9, 9), np.uint8)
    label[0, 4, 5, 3] = 1
    np.testing.assert_array_equal(SurfaceDistanceField(2)(label, spacing=(3.3, 0.47, 0.47))[1], label[0])


def test_the_volume_border_is_no_surface():
    line = np.zeros((1, 1, 8), np.uint8)
    line[..., :3] = 1
    field = SurfaceDistanceField(2, normalize=False)(line)
    np.testing.assert_array_equal(field[1, 0], [3, 2, 1, -1, -2, -3, 0, 0])


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("shape", [(4, 6), (3, 4, 5)])
def test_a_class_that_fills_the_volume_is_one_and_an_absent_one_zero(options, shape):
    field = SurfaceDistanceField(4, **options)(np.full((1, *shape), 2))
    np.testing.assert_array_equal(field[2], 1)
    np.testing.assert_array_equal(field[[0, 1, 3]], 0)
    empty = SurfaceDistanceField(4, **options)(np.zeros((1, *shape)))
    np.testing.assert_array_equal(empty, np.zeros((4, *shape)))
    np.testing.assert_array_equal(SurfaceDistanceField(4, class_agnostic=True, **options)(np.ones((1, *shape))), 1)


def test_flips_and_axis_permutations_carry_over_to_the_field():
    labels, num_classes = blobs(), 4
    spacing = (4.0, 0.5, 1.0)
    transform = SurfaceDistanceField(num_classes)
    field = transform(labels[None], spacing)
    assert len(np.unique(field)) > 5
    for axes in itertools.permutations(range(3)):
        moved = transform(labels.transpose(axes)[None], [spacing[axis] for axis in axes])
        np.testing.assert_array_equal(moved, field.transpose(0, *(axis + 1 for axis in axes)))
    for axis in range(3):
        np.testing.assert_array_equal(transform(np.flip(labels, axis)[None], spacing), np.flip(field, axis + 1))


@pytest.mark.parametrize("scale", [0.5, 3.7])
def test_the_normalised_field_does_not_depend_on_the_scale_of_the_spacing(scale):
    labels, num_classes = blobs(), 4
    spacing = np.array([3.3, 0.47, 0.9])
    normalised = SurfaceDistanceField(num_classes)
    np.testing.assert_allclose(normalised(labels[None], scale * spacing), normalised(labels[None], spacing), atol=1e-6)
    plain = SurfaceDistanceField(num_classes, normalize=False, truncation=None)
    np.testing.assert_allclose(plain(labels[None], scale * spacing), scale * plain(labels[None], spacing), rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int64, np.float16, np.float32, np.float64])
def test_numpy_and_torch_give_the_same_field_in_any_dtype(dtype):
    label = np.ascontiguousarray(LINE.astype(dtype))
    before = label.copy()
    expected = SurfaceDistanceField(3)(LINE)
    from_numpy = SurfaceDistanceField(3)(label)
    from_torch = SurfaceDistanceField(3)(torch.from_numpy(label))
    assert isinstance(from_numpy, np.ndarray) and from_numpy.dtype == np.float32
    assert type(from_torch) is torch.Tensor and from_torch.dtype == torch.float32
    np.testing.assert_array_equal(from_numpy, expected)
    np.testing.assert_array_equal(from_torch.numpy(), expected)
    np.testing.assert_array_equal(label, before)


def test_a_boolean_mask():
    field = SurfaceDistanceField(2)(torch.from_numpy(LINE).to(torch.bool))
    np.testing.assert_array_equal(field.numpy(), SurfaceDistanceField(2)(LINE))


def test_meta_tensor_gives_spacing_and_keeps_metadata():
    affine = np.diag([4.0, 0.5, 2.0, 1.0])
    affine[:3, 3] = [5, 6, 7]
    labels = blobs()
    label = MetaTensor(torch.from_numpy(labels[None]), affine=affine, meta={"filename_or_obj": "a.nii.gz"})
    field = SurfaceDistanceField(4)(label)
    assert isinstance(field, MetaTensor)
    np.testing.assert_array_equal(field.affine, affine)
    assert field.meta["filename_or_obj"] == "a.nii.gz"
    np.testing.assert_array_equal(field.numpy(), SurfaceDistanceField(4)(labels[None], spacing=(4.0, 0.5, 2.0)))
    assert not np.array_equal(field.numpy(), SurfaceDistanceField(4)(labels[None]))


def test_rotated_affine_gives_the_length_of_its_columns():
    affine = np.array([[0, -3.0, 0, 1], [2.0, 0, 0, 2], [0, 0, 1.5, 3], [0, 0, 0, 1]])
    labels = blobs()
    field = SurfaceDistanceField(4)(MetaTensor(torch.from_numpy(labels[None]), affine=affine))
    np.testing.assert_array_equal(field.numpy(), SurfaceDistanceField(4)(labels[None], spacing=(2.0, 3.0, 1.5)))


def test_a_slice_with_the_affine_of_its_scan_uses_the_first_two_axes():
    label = MetaTensor(torch.from_numpy(LINE), affine=np.diag([1.0, 2.5, 9.0, 1.0]))
    field = SurfaceDistanceField(2, normalize=False)(label)
    np.testing.assert_array_equal(field[1, 0].numpy(), 2.5 * mirrored([0, 0, 0, 0, -3, -2, -1, 1, 2, 3]))


def test_dictionary_form_adds_the_field_and_leaves_the_rest():
    data = {"image": np.ones((1, 1, 19)), "label": LINE}
    output = SurfaceDistanceFieldd(num_classes=3, truncation=2, clip=False)(data)
    assert set(output) == {"image", "label", "surface_distance"}
    assert set(data) == {"image", "label"}
    assert output["label"] is LINE
    expected = SurfaceDistanceField(3, truncation=2, clip=False)(LINE)
    np.testing.assert_array_equal(output["surface_distance"], expected)


def test_dictionary_form_with_another_key():
    transform = SurfaceDistanceFieldd("mask", num_classes=2, normalize=False)
    label = MetaTensor(torch.from_numpy(LINE), affine=np.diag([1.0, 2.5, 9.0, 1.0]))
    field = transform({"mask": label})["surface_distance"]
    np.testing.assert_array_equal(field[1, 0].numpy(), 2.5 * mirrored([0, 0, 0, 0, -3, -2, -1, 1, 2, 3]))


def test_dictionary_form_without_a_label():
    with pytest.raises(KeyError, match="label"):
        SurfaceDistanceFieldd(num_classes=2)({"image": 1})


@pytest.mark.parametrize("value", [3, 7, -1, 0.5, 1.25, np.nan, np.inf, 1e20])
def test_values_outside_the_classes_are_named(value):
    label = LINE.astype(np.float64)
    label[0, 0, 3] = value
    expected = rf"^SurfaceDistanceField: label of shape \(1, 1, 19\) holds class {value:.9g}, ".replace("+", r"\+")
    for agnostic in (False, True):
        with pytest.raises(ValueError, match=expected) as caught:
            SurfaceDistanceField(3, class_agnostic=agnostic)(label)
        assert "ids 0 to 2" in str(caught.value)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("shape", [(19,), (5, 5), (2, 5, 5), (3, 4, 5, 6), (1, 1, 4, 5, 6)])
def test_shapes_other_than_one_channel_in_2d_or_3d_are_named(shape):
    with pytest.raises(InputError, match=r"^SurfaceDistanceField: label has shape \(.*; give one channel") as caught:
        SurfaceDistanceField(2)(np.zeros(shape))
    assert str(shape) in str(caught.value)


def test_dictionary_errors_name_key_file_shape_and_class():
    meta = {"filename_or_obj": "/scans/case_7_label.nii.gz"}
    label = MetaTensor(torch.full((1, 4, 4, 4), 9), affine=np.eye(4), meta=meta)
    with pytest.raises(RuntimeError) as caught:
        Compose([SurfaceDistanceFieldd(num_classes=3)])({"label": label})
    message = str(find_input_error(caught.value))
    assert message == (
        "key 'label', file /scans/case_7_label.nii.gz: SurfaceDistanceField: label of shape (1, 4, 4, 4) "
        "holds class 9, which is not one of the ids 0 to 2; correct or remap the label, or raise num_classes=3"
    )
    with pytest.raises(InputError, match=r"^key 'mask': SurfaceDistanceField: label has shape \(4, 4\)"):
        SurfaceDistanceFieldd("mask", num_classes=3)({"mask": np.zeros((4, 4))})


@pytest.mark.parametrize("spacing", [(1, 0), (1, -2), (1, np.nan), (1, np.inf), (1, 1, 1), (1,)])
def test_unusable_spacing_is_named(spacing):
    with pytest.raises(InputError, match=r"spacing is \(.* for a label of shape \(1, 1, 19\); give 2 positive"):
        SurfaceDistanceField(2)(LINE, spacing=spacing)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_classes": 1}, "num_classes is 1; give 2 or more"),
        ({"num_classes": 2, "unit": "cm"}, "unit is 'cm'; give 'mm' or 'voxel'"),
        ({"num_classes": 2, "truncation": 0}, "truncation is 0; give a positive number"),
        ({"num_classes": 2, "truncation": -1.0}, "truncation is -1.0; give a positive number"),
        ({"num_classes": 2, "truncation": float("nan")}, "truncation is nan"),
    ],
)
def test_options_that_make_no_sense_are_named(options, message):
    with pytest.raises(InputError, match=message):
        SurfaceDistanceField(**options)


def test_separate_boxes_hold_every_voxel_and_keep_their_distance():
    mask = np.zeros((20, 30), bool)
    mask[2:5, 3:6] = True
    mask[4:9, 12:15] = True  # 6 empty columns from the first
    mask[15, 4] = True  # 10 empty rows from the first, 6 from the second
    first, second, third = (slice(2, 5), slice(3, 6)), (slice(4, 9), slice(12, 15)), (slice(15, 16), slice(4, 5))
    assert separate_boxes(mask, [6, 7]) == [(slice(2, 9), slice(3, 15)), third]
    assert separate_boxes(mask, [6, 6]) == separate_boxes(mask) == [first, second, third]
    assert separate_boxes(mask, [7, 7]) == [(slice(2, 16), slice(3, 15))]
