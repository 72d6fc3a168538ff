"""The surface Dice is that of the `surface-distance` package, to the last surface element at the tolerance."""

import itertools

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.metrics import compute_surface_dice
from scipy import ndimage

from custom.metrics import SurfaceDice, normalised_surface_dice

ANISOTROPIC = (3.3, 0.47, 1.0)
OF_A_FILE = tuple(float(size) for size in np.float32([0.8, 0.8, 2.5]))  # files hold single precision
SPACINGS = [(1.0, 1.0, 1.0), (0.7, 0.9, 5.0), ANISOTROPIC, (0.4, 0.4, 2.0), OF_A_FILE]
TOLERANCES = (1, 2, 3, 5, 7)


def package_value(prediction, truth, spacing, tolerance):
    package = pytest.importorskip("surface_distance", reason="surface-distance is not installed")
    distances = package.compute_surface_distances(truth, prediction, spacing)
    return package.compute_surface_dice_at_tolerance(distances, tolerance)


def blobs(rng, shape=(22, 19, 16)):
    """A few round structures; some are cut by the border of the image."""
    return ndimage.gaussian_filter(rng.standard_normal(shape), 2) > 0.06


@pytest.mark.parametrize(("seed", "spacing"), enumerate(SPACINGS * 2))
def test_agrees_with_the_package_on_random_blobs(seed, spacing):
    rng = np.random.default_rng(seed)
    truth = blobs(rng)
    for prediction in (blobs(rng), ndimage.binary_dilation(truth), np.roll(truth, 5, axis=0)):
        for tolerance in TOLERANCES:
            expected = package_value(prediction, truth, spacing, tolerance)
            assert normalised_surface_dice(prediction, truth, spacing, tolerance) == pytest.approx(expected, abs=1e-6)


def test_monai_takes_what_is_beyond_the_tolerance_at_the_spacing_of_files():
    """The reason for the function: once this fails, MONAI's own will do."""
    truth = np.zeros((20, 8, 8), dtype=bool)
    truth[3:9, 2:6, 2:6] = True
    prediction = np.roll(truth, 5, axis=0)  # by 4.00000006 mm
    ours = normalised_surface_dice(prediction, truth, OF_A_FILE, 4)
    masks = (torch.from_numpy(mask)[None, None] for mask in (prediction, truth))
    monai = compute_surface_dice(*masks, [4.0], include_background=True, spacing=OF_A_FILE, use_subvoxels=True).item()
    assert ours == pytest.approx(package_value(prediction, truth, OF_A_FILE, 4), abs=1e-6)
    assert monai > ours + 0.1


def test_agrees_with_the_package_on_a_real_abdomen(shared_data):
    file = shared_data / "ct" / "abdomen_label.nii.gz"
    if not file.is_file():
        pytest.skip(f"{file} is absent")
    scan = nib.load(file)
    labels, spacing = np.asarray(scan.dataobj), scan.header.get_zooms()
    present = [class_id for class_id in range(1, 15) if (labels == class_id).any()]
    assert len(present) == 12
    for class_id in present:
        truth = labels == class_id
        for prediction in (np.roll(truth, (2, -1, 1), (0, 1, 2)), ndimage.binary_dilation(truth)):
            expected = package_value(prediction, truth, spacing, 3)
            assert normalised_surface_dice(prediction, truth, spacing, 3) == pytest.approx(expected, abs=1e-6)
            assert 0.1 < expected <= 1


def test_two_cubes_four_millimetres_apart():
    truth, prediction = np.zeros((2, 12, 9, 9), dtype=bool)
    truth[2:5, 3:6, 3:6] = prediction[4:7, 3:6, 3:6] = True
    assert normalised_surface_dice(prediction, truth, (2, 3, 5), 4) == 1.0
    assert 0 < normalised_surface_dice(prediction, truth, (2, 3, 5), 3.99) < 1
    assert normalised_surface_dice(prediction, truth, (1, 3, 5), 2) == 1.0


def test_voxels_side_by_side_share_four_of_their_eight_corners():
    truth, prediction = np.zeros((2, 4, 3, 3), dtype=bool)
    truth[1, 1, 1] = prediction[2, 1, 1] = True
    assert normalised_surface_dice(prediction, truth, (2, 3, 5), 0) == pytest.approx(0.5)
    assert normalised_surface_dice(prediction, truth, (2, 3, 5), 2) == 1.0


def test_a_plane_through_the_whole_image_counts_by_area():
    """A slab and one thicker by a tenth: all surface but the moved plane and the rims agree."""
    truth, prediction = np.zeros((2, 30, 12, 12), dtype=bool)
    truth[5:15], prediction[5:16] = True, True
    assert normalised_surface_dice(prediction, truth, (1, 1, 1), 1) == 1.0
    strict = normalised_surface_dice(prediction, truth, (1, 1, 1), 0)
    assert strict == pytest.approx(package_value(prediction, truth, (1, 1, 1), 0), abs=1e-6)
    assert 0.5 < strict < 0.9


@pytest.mark.parametrize("kind", [np.uint8, np.float32, torch.Tensor])
def test_equal_masks_of_any_kind_score_one(kind):
    mask = blobs(np.random.default_rng(1))
    given = torch.from_numpy(mask) if kind is torch.Tensor else mask.astype(kind)
    assert normalised_surface_dice(given, given, ANISOTROPIC, 0) == 1.0
    assert normalised_surface_dice(np.ones((2, 3, 4)), np.ones((2, 3, 4)), ANISOTROPIC, 0) == 1.0


def test_symmetric_and_never_falling_with_the_tolerance():
    rng = np.random.default_rng(2)
    a, b = blobs(rng), blobs(rng)
    values = [normalised_surface_dice(a, b, ANISOTROPIC, tolerance) for tolerance in (0, 1, 2, 4, 8, 100)]
    assert values == sorted(values)
    assert values[-1] == 1.0
    assert normalised_surface_dice(b, a, ANISOTROPIC, 2) == pytest.approx(values[2], abs=1e-12)


def test_empty_masks():
    some, none = np.ones((3, 3, 3), dtype=bool), np.zeros((3, 3, 3), dtype=bool)
    scores = {
        (a.any(), b.any()): normalised_surface_dice(a, b, (1, 1, 1), 9)
        for a, b in itertools.product((some, none), repeat=2)
    }
    assert scores == {(True, True): 1.0, (True, False): 0.0, (False, True): 0.0, (False, False): 1.0}


def test_the_metric_scores_the_classes_that_a_case_has_in_its_own_millimetres():
    truth, prediction = torch.zeros(1, 1, 12, 12, 12), torch.zeros(1, 1, 12, 12, 12)
    truth[..., 2:8, 2:8, 2:8] = 1
    truth[..., 10, 10, 10] = 2
    prediction[..., 3:9, 2:8, 2:8] = 1  # shifted by a voxel of 2 mm
    affine = torch.diag(torch.tensor([2.0, 1, 1, 1]))
    for tolerance, least, most in ((1.9, 0.3, 0.95), (2.0, 1, 1)):
        metric = SurfaceDice(4, [tolerance, 1, 1])
        metric([MetaTensor(prediction[0], affine=affine)], [MetaTensor(truth[0], affine=affine)])
        shifted, missing, absent = metric.get_buffer()[0].tolist()
        whole = normalised_surface_dice(prediction[0, 0] == 1, truth[0, 0] == 1, (2, 1, 1), tolerance)
        assert shifted == pytest.approx(whole)
        assert least <= shifted <= most
        assert missing == 0
        assert np.isnan(absent)
