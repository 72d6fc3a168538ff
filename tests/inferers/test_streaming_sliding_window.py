"""Streaming inference: equal to the plain route, in the scan's own geometry, with few windows and little memory."""

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.data import DataLoader, MetaTensor, decollate_batch
from monai.transforms import (
    Compose,
    CropForegroundd,
    EnsureChannelFirstd,
    Invertd,
    LoadImaged,
    NormalizeIntensityd,
    Orientationd,
    SaveImaged,
    Spacingd,
)
from torch.utils._python_dispatch import TorchDispatchMode

from custom.inferers import StreamingSlidingWindowInferer
from custom.inferers.efficient_windows import WindowPlan
from custom.inferers.sliding_window import mirrored_mean, pad_to_window
from custom.io import ScanReader
from custom.transforms import PathSafeSpacingd
from tests.plain_route import argmax_on_native_grid, even_windows, mean_scores

WINDOW = (8, 16, 12)
OBLIQUE = [[0.9553, -0.2955, 0], [0.2955, 0.9553, 0], [0, 0, 1]]
GEOMETRIES = {
    "RAS": ("RAS", np.eye(3)),
    "LPS": ("LPS", np.eye(3)),
    "permuted": ("SLA", np.eye(3)),
    "oblique": ("LIP", np.array(OBLIQUE)),
}
TILTS = {  # a gantry's: each axial slice lies a little to the front of the one below; the second turns the scan as well
    "tilted": ("LPS", np.array([[1, 0, 0], [0, 1, 0.25], [0, 0, 1]])),
    "tilted, oblique": ("PIR", np.array(OBLIQUE) @ [[1, 0.1, 0], [0, 1, -0.3], [0, 0, 1]]),
}
AVERAGES = ["probabilities", "logits"]


@pytest.fixture
def store(tmp_path):
    """Stores a volume (x, y, z) of some spacing under other axes and a turned affine; returns the file."""

    def write(volume, spacing=(1.1, 0.9, 2.6), geometry="RAS"):
        codes, turn = {**GEOMETRIES, **TILTS}[geometry]
        affine = np.eye(4)
        affine[:3, :3] = np.diag(spacing)
        affine[:3, 3] = -31.5, 17.25, 104
        image = nib.Nifti1Image(np.asarray(volume, np.float32), affine)
        start = nib.orientations.io_orientation(affine)
        image = image.as_reoriented(nib.orientations.ornt_transform(start, nib.orientations.axcodes2ornt(codes)))
        affine = image.affine.copy()
        affine[:3] = turn @ affine[:3]
        file = tmp_path / f"scan_{geometry}.nii.gz"
        nib.save(nib.Nifti1Image(np.asarray(image.dataobj), affine), file)
        return file

    return write


def preparation(spacing=(4.0, 1.6, 1.3), crop=False, axes="SAR"):
    steps = [LoadImaged("image"), EnsureChannelFirstd("image"), Orientationd("image", axcodes=axes, labels=None)]
    steps += [CropForegroundd("image", source_key="image", allow_smaller=True)] if crop else []
    return Compose([*steps, Spacingd("image", pixdim=spacing, mode="bilinear")])


def batch(file, **options):
    return next(iter(DataLoader([preparation(**options)({"image": file})], batch_size=1)))["image"]


def random_network(classes):
    torch.manual_seed(classes)
    convolution = torch.nn.Conv3d(1, classes, 3, padding=1)
    torch.nn.init.normal_(convolution.weight, std=1.5)
    return convolution.eval().requires_grad_(False)


def plain_result(image, network, stored, windows, average="probabilities"):
    """Labels and largest probabilities (*native), by the plain route."""
    scores = mean_scores(image.as_tensor(), network, windows, average == "probabilities")
    mapping = np.linalg.inv(image.affine.numpy().reshape(4, 4)) @ stored.affine
    axes = np.abs(mapping[:3, :3]).argmax(axis=1)
    coordinates = [mapping[i, axis] * np.arange(stored.shape[axis]) + mapping[i, 3] for i, axis in enumerate(axes)]
    labels, largest = argmax_on_native_grid(scores, coordinates, average == "logits")
    return labels.transpose(np.argsort(axes)), largest.transpose(np.argsort(axes))


@pytest.mark.parametrize("geometry", GEOMETRIES)
@pytest.mark.parametrize("crop", [False, True])
@pytest.mark.parametrize("average", AVERAGES)
def test_exact_return_equals_the_plain_route_voxel_for_voxel(store, geometry, crop, average):
    volume = np.random.default_rng(0).normal(1, 2, (41, 37, 23))
    if crop:
        volume[:7], volume[:, 33:], volume[..., :5] = 0, 0, 0
        volume = np.abs(volume)
    file = store(volume, geometry=geometry)
    stored = nib.load(file)
    image, network = batch(file, crop=crop), random_network(7)
    inferer = StreamingSlidingWindowInferer(WINDOW, average, confidence=True)
    result = inferer(image, network)
    windows = list(even_windows(image.shape[2:], WINDOW))
    labels, largest = plain_result(image, network, stored, windows, average)
    assert result.dtype == torch.uint8
    assert result.shape == (1, 2, *stored.shape)
    assert np.array_equal(result[0, 0].numpy(), labels)
    assert np.abs(result[0, 1].numpy() - 255 * largest).max() <= 0.501
    assert np.array_equal(result.affine.numpy().reshape(4, 4), stored.affine)
    assert len(np.unique(labels)) == 7
    assert inferer.report["windows"] == inferer.report["windows_all"] == len(windows)


@pytest.mark.parametrize("average", AVERAGES)
def test_exact_return_on_a_real_scan(shared_data, average):
    """15 classes on a CT of 3 mm, seen at 5 x 3.6 x 3.6 mm."""
    file = shared_data / "ct" / "torso.nii.gz"
    image = batch(file, spacing=(5.0, 3.6, 3.6))
    image = (image - image.mean()) / image.std()
    network, window = random_network(15), (32, 64, 96)
    result = StreamingSlidingWindowInferer(window, average)(image, network)
    labels, _ = plain_result(image, network, nib.load(file), even_windows(image.shape[2:], window), average)
    assert np.array_equal(result[0, 0].numpy(), labels)
    assert len(np.unique(labels)) == 15


def assert_agrees_with_invertd(transforms, file, network, inferer, window=WINDOW):
    """MONAI's inverse of every transform on all scores: the label differs only between equals (to 1e-4)."""
    data = transforms({"image": file})
    image = data["image"][None]
    result = inferer(image, network)[0, 0].numpy()

    def mirrored(x):
        return mirrored_mean(network, x, inferer.mirror_axes)

    padded, inner = pad_to_window(image.as_tensor(), window)
    windows = even_windows(padded.shape[2:], window)
    scores = mean_scores(padded, mirrored, windows, not inferer.logits)[(slice(None), *inner)]
    data["pred"] = MetaTensor(scores, meta=data["image"].meta)
    native = Invertd("pred", transforms, orig_keys="image", nearest_interp=False)(data)["pred"].as_tensor()
    highest = native.topk(2, dim=0).values
    undecided = (highest[0] - highest[1] < 1e-4).numpy()
    assert undecided.mean() < 1e-3
    assert result.shape == tuple(native.shape[1:])
    assert np.array_equal(result[~undecided], native.argmax(dim=0).numpy()[~undecided])
    assert len(np.unique(result)) == len(native)


@pytest.mark.parametrize("geometry", [*GEOMETRIES, *TILTS])
@pytest.mark.parametrize("average", AVERAGES)
@pytest.mark.parametrize("spacing", [(4.0, 1.6, 1.3), (1.9, 0.7, 1.0)])
def test_exact_return_agrees_with_invertd(store, geometry, average, spacing):
    file = store(np.random.default_rng(1).normal(0, 2, (41, 37, 23)), geometry=geometry)
    inferer = StreamingSlidingWindowInferer(WINDOW, average)
    assert_agrees_with_invertd(preparation(spacing), file, random_network(5), inferer)


@pytest.mark.parametrize("geometry", [*GEOMETRIES, *TILTS])
def test_mirrored_logits_on_sagittal_slices_agree_with_invertd(store, geometry):
    """As in batseg_spine: right-left first, slices thicker than those of the window are wide, all axes mirrored."""
    file = store(np.random.default_rng(2).normal(0, 2, (11, 47, 53)), (3.9, 0.8, 0.7), geometry)
    inferer = StreamingSlidingWindowInferer(WINDOW, "logits", mirror_axes=(0, 1, 2))
    assert_agrees_with_invertd(preparation((3.3, 0.9, 0.9), axes="RAS"), file, random_network(5), inferer)


REAL = {
    "spine/t2.nii.gz": ((3.3, 0.8, 0.8), (12, 32, 48)),
    "spine/t2_axial_thick.nii.gz": ((3.3, 1.4, 1.4), (12, 64, 64)),
    "spine/t2_lumbar.nii.gz": ((3.3, 1.1, 1.1), (12, 96, 128)),
    "hippocampus/imagesTr": ((1.0, 1.0, 1.0), (40, 56, 40)),
    "ct/torso.nii.gz": ((4.0, 2.5, 2.5), (32, 64, 96)),
}


@pytest.mark.parametrize("name", REAL)
def test_mirrored_logits_of_real_scans_agree_with_invertd(shared_data, name):
    spacing, window = REAL[name]
    file = shared_data / name
    file = min(file.iterdir()) if file.is_dir() else file
    if not file.is_file():
        pytest.skip(f"no {file}")
    transforms = Compose(
        [
            LoadImaged("image", reader=ScanReader, ensure_channel_first=True),
            Orientationd("image", axcodes="RAS", labels=None),
            PathSafeSpacingd("image", pixdim=spacing, mode="bilinear", dtype=torch.float32),
            NormalizeIntensityd("image", channel_wise=True),
        ]
    )
    inferer = StreamingSlidingWindowInferer(window, "logits", mirror_axes=(0, 1))
    assert_agrees_with_invertd(transforms, str(file), random_network(5), inferer, window)


def blob(shape=(44, 40, 30)):
    """A smooth bump off the centre, 1 at its top."""
    x, y, z = np.ogrid[tuple(slice(0, n) for n in shape)]
    return np.exp(-(((x - 16) / 9) ** 2) - ((y - 25) / 7) ** 2 - ((z - 13) / 5) ** 2)


def brighter_than(threshold):
    return lambda x: torch.cat([torch.zeros_like(x), 50 * (x - threshold)], dim=1)


@pytest.mark.parametrize("geometry", [*GEOMETRIES, *TILTS])
@pytest.mark.parametrize("return_grid", ["exact", "fast"])
def test_saved_labels_have_the_geometry_of_the_scan(store, tmp_path, geometry, return_grid):
    """Without Invertd: what SaveImaged writes lies on the scan's voxels, where the scan is bright."""
    file = store(blob(), geometry=geometry)
    image = batch(file, spacing=(2.0, 1.0, 1.0))
    result = StreamingSlidingWindowInferer(WINDOW, return_grid=return_grid)(image, brighter_than(0.5))
    (item,) = decollate_batch({"pred": result})
    options = {"output_postfix": "seg", "separate_folder": False, "resample": False, "print_log": False}
    SaveImaged("pred", output_dir=tmp_path / "out", **options)(item)
    written, stored = nib.load(tmp_path / "out" / f"scan_{geometry}_seg.nii.gz"), nib.load(file)
    assert written.shape == stored.shape
    assert np.allclose(written.affine, stored.affine, atol=1e-5)
    scan, labels = stored.get_fdata(), written.get_fdata()
    decided = np.abs(scan - 0.5) > 0.2
    assert np.array_equal(labels[decided], scan[decided] > 0.5)
    assert labels.sum() == pytest.approx((scan > 0.5).sum(), rel=0.05 if geometry in GEOMETRIES else 0.07)


def test_metadata_with_and_without_a_batch_axis(store):
    """A `DataLoader` adds a batch axis to the metadata, MONAI Label only to the image: both come back as they came."""
    file = store(blob())
    loaded = preparation()({"image": file})["image"]
    inferer = StreamingSlidingWindowInferer(WINDOW)
    collated, alone = inferer(batch(file), brighter_than(0.5)), inferer(loaded[None], brighter_than(0.5))
    assert collated.as_tensor().equal(alone.as_tensor())
    assert collated.sum() > 0
    (item,) = decollate_batch(collated)
    for result in (item, alone[0]):
        assert result.shape == (1, 44, 40, 30)
        assert result.affine.shape == (4, 4)
        assert str(result.meta["filename_or_obj"]) == str(file)
        assert not result.applied_operations


@pytest.mark.parametrize("average", AVERAGES)
def test_on_the_network_grid(store, average):
    image, network = batch(store(np.random.default_rng(2).normal(0, 2, (41, 37, 23)))), random_network(4)
    inferer = StreamingSlidingWindowInferer(WINDOW, average, return_grid="network", confidence=True)
    result = inferer(image, network)
    scores = mean_scores(image.as_tensor(), network, even_windows(image.shape[2:], WINDOW), average == "probabilities")
    largest, labels = (scores.softmax(dim=0) if average == "logits" else scores).max(dim=0)
    assert result.affine.equal(image.affine)
    assert result.dtype == torch.uint8
    assert result[0, 0].as_tensor().equal(labels.byte())
    assert (result[0, 1].as_tensor() - 255 * largest).abs().max() <= 0.501
    expected = {i: largest[labels == i].mean().item() for i in (1, 2, 3)}
    assert inferer.report["confidence"] == pytest.approx(expected, abs=1e-5)


def test_a_tensor_without_geometry():
    image = torch.rand(1, 1, 5, 20, 9)
    result = StreamingSlidingWindowInferer(WINDOW, return_grid="network")(image, brighter_than(0.5))
    assert type(result) is torch.Tensor
    assert result.equal((image > 0.5).byte())
    with pytest.raises(ValueError, match="read it with LoadImaged, or pass return_grid 'network'"):
        StreamingSlidingWindowInferer(WINDOW)(image, brighter_than(0.5))


@pytest.mark.parametrize(
    "options",
    [
        {"average": "logits"},
        {"mirror_axes": (0, 2)},
        {"autocast": torch.bfloat16},
        {"windows": "lateral"},
        {"windows": "efficient", "min_foreground_voxels": 0},
    ],
)
@pytest.mark.parametrize("size", [(21, 30, 24), (5, 20, 9)])
def test_pointwise_network_is_reproduced(options, size):
    """With every option a network that looks at single voxels labels each voxel as it would alone."""
    image = torch.rand(1, 2, *size)
    network = torch.nn.Conv3d(2, 2, 1)
    with torch.no_grad():
        network.weight.copy_(torch.tensor([[0.0, 0.0], [4.0, -4.0]]).reshape(2, 2, 1, 1, 1))
        network.bias.zero_()
    result = StreamingSlidingWindowInferer(WINDOW, return_grid="network", **options)(image, network)
    difference = image[:, :1] - image[:, 1:]
    decided = difference.abs() > 0.02
    assert result[decided].equal((difference > 0).byte()[decided])


def test_multiple_outputs_in_training_mode():
    image = torch.rand(1, 1, 9, 20, 14, requires_grad=True)
    inferer = StreamingSlidingWindowInferer(WINDOW, return_grid="network")
    network = brighter_than(0.5)
    result = inferer(image, lambda x: ([network(x), x[..., ::2]], x))
    assert result.equal((image > 0.5).byte())


class ClassReader:
    """Reads the class of each voxel off the first channel, notes the window's first voxel from the others."""

    def __init__(self, num_classes=7):
        self.num_classes = num_classes
        self.starts = []

    def __call__(self, windows):
        self.starts += [tuple(window[1:, 0, 0, 0].long().tolist()) for window in windows]
        classes = torch.nn.functional.one_hot(windows[:, 0].long(), self.num_classes)
        return 20.0 * classes.movedim(-1, 1)


SIZE = (24, 64, 48)  # three times the window and more: starts along z every 4, along y 16, 24, 32, along x 12, 18, 24


def run(labels, windows="efficient", **options):
    """Predicted labels, the starts of the windows run, and the report."""
    positions = torch.stack(torch.meshgrid(*(torch.arange(float(n)) for n in SIZE), indexing="ij"))
    image = torch.cat([labels[None].float(), positions])[None]
    network = ClassReader()
    inferer = StreamingSlidingWindowInferer(WINDOW, windows=windows, return_grid="network", **options)
    result = inferer(image, network)[0, 0]
    assert inferer.report["windows"] == len(network.starts)
    assert inferer.report["windows_all"] == 5 * 7 * 7
    return result, network.starts


def around(z):
    return [(z, y, x) for y in (16, 24, 32) for x in (12, 18, 24)]


CENTRE_Y, CENTRE_X = slice(24, 40), slice(18, 30)


def test_an_empty_volume_takes_every_other_centre_window():
    result, starts = run(torch.zeros(SIZE))
    assert starts == [(0, 24, 18), (8, 24, 18), (16, 24, 18)]
    assert not result.any()


def test_an_organ_is_labelled_from_all_nine_windows():
    labels = torch.zeros(SIZE, dtype=torch.uint8)
    labels[8:16, 20:44, 14:34] = 3
    result, starts = run(labels)
    assert starts[:2] == [(0, 24, 18), (8, 24, 18)]  # nothing in the first: it is dropped, and plane 4 skipped
    assert starts[2:10] == [place for place in around(8) if place != (8, 24, 18)]
    assert starts[10:] == [(12, 24, 18)]  # holds 768 voxels of it: dropped, and plane 16 skipped
    assert result.equal(labels)


def test_what_a_dropped_or_skipped_window_alone_sees_is_lost():
    labels = torch.zeros(SIZE, dtype=torch.uint8)
    labels[1:3, CENTRE_Y, CENTRE_X] = 3  # 384 voxels, in the first row of windows only
    labels[6, 30, 20] = 4  # in the first and second row
    result, starts = run(labels)
    assert starts == [(0, 24, 18), (8, 24, 18), (16, 24, 18)]
    assert not result.any()
    assert run(labels, min_foreground_voxels=300)[0].equal(labels)
    assert run(labels, "all")[0].equal(labels)
    assert run(labels, "lateral")[0].equal(labels)


def test_neighbouring_rows_label_the_planes_of_a_dropped_one():
    labels = torch.zeros(SIZE, dtype=torch.uint8)
    labels[6:8, CENTRE_Y, CENTRE_X] = 2
    labels[8:12, CENTRE_Y, CENTRE_X] = 3
    result, starts = run(labels, min_foreground_voxels=500)
    assert (4, 24, 18) not in starts  # 384 voxels at plane 0: dropped, plane 4 skipped
    assert result[8:].equal(labels[8:])
    assert not result[:8].any()


def test_tubes_are_followed_along_y_only():
    labels = torch.zeros(SIZE, dtype=torch.uint8)
    labels[:, 26:38, 14:34] = 5  # leaves the centre window along x
    _, starts = run(labels)
    assert starts == [(z, 24, 18) for z in (0, 4, 8, 12, 16)]
    labels[:, 18:30, 20:28] = 6  # leaves it towards low y
    result, starts = run(labels)
    assert starts == [(z, y, 18) for z in (0, 4, 8, 12, 16) for y in (24, 16)]
    seen = labels.clone()
    seen[..., :18] = seen[..., 30:] = 0
    assert result.equal(seen)


def test_lateral_windows_follow_only_what_leaves_the_centre_one():
    labels = torch.zeros(SIZE, dtype=torch.uint8)
    labels[0:6, 30:34, 20:28] = 1
    labels[18:, 30:50, 20:28] = 1
    result, starts = run(labels, "lateral")
    assert sorted(starts) == sorted([(0, 24, 18), (4, 24, 18), (8, 24, 18), *around(12), *around(16)])
    labels[:, 48:] = 0  # more than one window from the centre
    assert result.equal(labels)


def test_outside_the_central_two_windows_is_background():
    labels = torch.ones(SIZE, dtype=torch.uint8)
    result, starts = run(labels, min_foreground_voxels=1)
    expected = torch.zeros(SIZE, dtype=torch.uint8)
    expected[:, 16:48, 12:36] = 1
    assert result.equal(expected)
    assert len(starts) == 5 * 9


def test_efficient_plan_equals_the_plain_route_over_its_windows(store):
    file = store(np.random.default_rng(3).normal(0, 2, (70, 75, 33)))
    stored = nib.load(file)
    image, network = batch(file), random_network(7)
    inferer = StreamingSlidingWindowInferer(WINDOW, windows="efficient")
    result = inferer(image, network)[0, 0].numpy()
    rows = WindowPlan("efficient").rows(image.shape[2:], WINDOW)
    windows = [window for row in rows for window in (row.first, *row.others.values())]
    labels, _ = plain_result(image, network, stored, windows)
    assert np.array_equal(result, labels)
    assert inferer.report["windows"] == len(windows) < inferer.report["windows_all"]


class LargestTensors(TorchDispatchMode):
    """Notes the most elements of a tensor that any operation gave, floating point and other."""

    def __init__(self):
        super().__init__()
        self.floating = self.other = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, (tuple, list)) else [result]:
            if isinstance(tensor, torch.Tensor) and tensor.is_floating_point():
                self.floating = max(self.floating, tensor.numel())
            elif isinstance(tensor, torch.Tensor):
                self.other = max(self.other, tensor.numel())
        return result


@pytest.mark.parametrize("return_grid", ["exact", "fast", "network"])
@pytest.mark.parametrize("geometry", ["RAS", "tilted"])
@pytest.mark.parametrize("average", AVERAGES)
def test_no_volume_of_scores_ever_exists(store, return_grid, geometry, average):
    classes = 15
    file = store(np.random.default_rng(0).normal(0, 2, (40, 44, 150)), (0.8, 0.8, 1.0), geometry)
    image = batch(file, spacing=(2.0, 1.6, 1.6))
    inferer = StreamingSlidingWindowInferer(WINDOW, average, return_grid=return_grid)
    with LargestTensors() as largest:
        result = inferer(image, random_network(classes))
    slab = classes * WINDOW[0] * image[0, 0, 0].numel()
    assert largest.floating <= slab < classes * image.numel() / 9
    assert largest.floating < result.numel() or return_grid == "network"
    assert largest.other <= max(result.numel(), slab)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"average": "scores"}, "average is 'scores'; use one of probabilities, logits"),
        ({"windows": "some"}, "windows is 'some'; use one of all, efficient, lateral"),
        ({"return_grid": "native"}, "return_grid is 'native'; use one of exact, fast, network"),
    ],
)
def test_unknown_options(options, message):
    with pytest.raises(ValueError, match=message):
        StreamingSlidingWindowInferer(WINDOW, **options)


@pytest.mark.parametrize("shape", [(2, 1, 8, 16, 12), (1, 8, 16, 12)])
def test_one_volume_at_a_time(shape):
    with pytest.raises(ValueError, match=r"use images \(1, channels, z, y, x\), one at a time"):
        StreamingSlidingWindowInferer(WINDOW, return_grid="network")(torch.zeros(shape), brighter_than(0.5))


def test_networks_that_cannot_be_labelled():
    image = torch.zeros(1, 1, *WINDOW)
    inferer = StreamingSlidingWindowInferer(WINDOW, return_grid="network")
    with pytest.raises(ValueError, match="the network gives 1 channels; use one with a channel for each of 2 to 255"):
        inferer(image, lambda x: x)
    with pytest.raises(ValueError, match="not finite"):
        inferer(image, lambda x: torch.cat([x / x, x], dim=1))


class LogitsWithField(torch.nn.Module):
    """The last channel is a field in [0, 1]."""

    def __init__(self, classes):
        super().__init__()
        self.classes, self.field = random_network(classes), random_network(1)

    def forward(self, image):
        return torch.cat((self.classes(image), self.field(image).sigmoid()), dim=1)


@pytest.mark.parametrize("geometry", ["oblique", "tilted, oblique"])
@pytest.mark.parametrize("return_grid", ["exact", "fast"])
def test_the_field_comes_last(store, geometry, return_grid):
    """Against the mean field of all windows, interpolated to the native grid by MONAI."""
    file = store(np.random.default_rng(3).normal(0, 2, (29, 31, 23)), geometry=geometry)
    transforms, network = preparation(), LogitsWithField(4)
    data = transforms({"image": file})
    image = data["image"][None]
    options = {"return_grid": return_grid, "mirror_axes": (1,)}
    result = StreamingSlidingWindowInferer(WINDOW, "logits", field=True, **options)(image, network)
    plain = StreamingSlidingWindowInferer(WINDOW, "logits", **options)(image, network.classes)
    labels, field = result[0].as_tensor()
    assert torch.equal(labels, plain[0, 0].as_tensor()), "labels are those without a field"

    def mirrored(x):
        return mirrored_mean(network.forward, x, (1,))

    padded, inner = pad_to_window(image.as_tensor(), WINDOW)
    means = mean_scores(padded, mirrored, even_windows(padded.shape[2:], WINDOW), False)[(slice(None), *inner)]
    data["pred"] = MetaTensor(means[4:], meta=data["image"].meta)
    nearest = return_grid == "fast"
    native = Invertd("pred", transforms, orig_keys="image", nearest_interp=nearest)(data)["pred"].as_tensor()
    error = (field / 255 - native[0]).abs()[labels > 0]
    if nearest:  # where a voxel lies half between two, rounding decides
        assert (error > 0.003).float().mean() < 0.02
    else:
        assert error.max() < 0.003
    assert not field[labels == 0].any()


def test_a_field_on_the_grid_of_the_network_beside_confidences():
    network, image = LogitsWithField(3), torch.randn(1, 1, 9, 18, 14)
    inferer = StreamingSlidingWindowInferer(
        WINDOW, "logits", return_grid="network", confidence=True, field=True, logit_moments=True
    )
    labels, confidence, field = inferer(image, network)[0]
    scores = mean_scores(image, network, even_windows(image.shape[2:], WINDOW), False)
    expected = scores[3] * (labels > 0)
    assert (field - 255 * expected).abs().max() <= 0.501
    assert (confidence - 255 * scores[:3].softmax(0).amax(0)).abs().max() <= 0.501
    chosen = (scores[1:3] - scores[:1])[:, labels == 2].double()
    voxels, logits, products = inferer.report["logit_moments"][2]
    assert voxels == chosen.shape[1]
    assert logits == pytest.approx(chosen.sum(dim=1).tolist(), rel=1e-5)
    assert np.allclose(products, chosen @ chosen.T, rtol=1e-5)


@pytest.mark.parametrize("options", [{"field": True}, {"logit_moments": True}])
def test_fields_and_moments_are_of_logits(options):
    with pytest.raises(ValueError, match="fields and moments of logits need average 'logits'"):
        StreamingSlidingWindowInferer(WINDOW, "probabilities", **options)
