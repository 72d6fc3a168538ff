import itertools
import math

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.engines import SupervisedEvaluator
from monai.handlers import IgniteMetricHandler, from_engine
from monai.metrics import compute_hausdorff_distance
from monai.transforms import Compose

from custom.errors import InputError
from custom.metrics import HausdorffDistance95, hausdorff_distance_95

SPACINGS = {2: (0.5, 3.0), 3: (3.3, 0.47, 1.0)}


def surface_points(mask, spacing):
    """Millimetre positions of the voxels with a face neighbour outside the mask or the image."""
    inside = {tuple(place) for place in np.argwhere(mask)}
    steps = [sign * np.eye(mask.ndim, dtype=int)[axis] for axis in range(mask.ndim) for sign in (-1, 1)]
    surface = [place for place in inside if any(tuple(np.add(place, step)) not in inside for step in steps)]
    return np.array(surface) * spacing


def brute_force(pred, truth, spacing, convention):
    a, b = surface_points(pred, spacing), surface_points(truth, spacing)
    distances = np.linalg.norm(a[:, None] - b[None], axis=-1)
    there, back = distances.min(axis=1), distances.min(axis=0)
    if convention == "pooled":
        return np.percentile(np.concatenate([there, back]), 95)
    return max(np.percentile(there, 95), np.percentile(back, 95))


def random_masks(seed, dims):
    rng = np.random.default_rng(seed)
    shape = rng.integers(4, 9, dims)
    pred, truth = (rng.random(shape) < density for density in rng.uniform(0.02, 0.9, 2))
    pred.flat[rng.integers(pred.size)] = truth.flat[rng.integers(truth.size)] = True
    return pred, truth


CASES = list(itertools.product(range(15), (2, 3)))


@pytest.mark.parametrize("convention", ["pooled", "larger"])
@pytest.mark.parametrize(("seed", "dims"), CASES)
def test_equals_all_pairs_of_surface_voxels(seed, dims, convention):
    pred, truth = random_masks(seed, dims)
    expected = brute_force(pred, truth, SPACINGS[dims], convention)
    assert hausdorff_distance_95(pred, truth, SPACINGS[dims], convention) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(("seed", "dims"), CASES)
def test_larger_agrees_with_monai(seed, dims):
    pred, truth = random_masks(seed, dims)
    expected = compute_hausdorff_distance(
        torch.tensor(pred)[None, None],
        torch.tensor(truth)[None, None],
        include_background=True,
        percentile=95,
        spacing=SPACINGS[dims],
    ).item()
    assert hausdorff_distance_95(pred, truth, SPACINGS[dims], "larger") == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("convention", ["pooled", "larger"])
def test_two_points_two_millimetres_apart(convention):
    pred, truth = torch.zeros(2, 9, 9, 9, dtype=torch.bool)
    pred[4, 4, 4] = truth[4, 6, 4] = True
    assert hausdorff_distance_95(pred, truth, (5.0, 1.0, 7.0), convention) == 2.0
    assert hausdorff_distance_95(pred, truth, (0.5, 0.5, 0.5), convention) == 1.0


def test_the_conventions_differ_where_a_small_structure_has_a_large_false_part():
    truth, pred = np.zeros((2, 41), dtype=bool)
    truth[:1] = pred[0] = pred[40] = True
    # truth to prediction: 0; prediction to truth: 0 and 40
    assert hausdorff_distance_95(pred, truth, [1.0], "larger") == pytest.approx(38.0)
    assert hausdorff_distance_95(pred, truth, [1.0], "pooled") == pytest.approx(36.0)


def test_equal_masks_are_at_distance_zero_also_at_the_border():
    mask = np.zeros((5, 6, 7), dtype=bool)
    mask[:3, :, 2:] = True
    assert hausdorff_distance_95(mask, mask, SPACINGS[3]) == 0.0
    assert hausdorff_distance_95(np.ones((3, 3)), np.ones((3, 3)), SPACINGS[2]) == 0.0


def test_far_from_the_origin_of_a_large_grid_nothing_changes():
    pred, truth = random_masks(3, 3)
    large_pred, large_truth = np.zeros((2, 60, 70, 80), dtype=bool)
    place = tuple(slice(31, 31 + size) for size in pred.shape)
    large_pred[place], large_truth[place] = pred, truth
    expected = hausdorff_distance_95(pred, truth, SPACINGS[3])
    assert hausdorff_distance_95(large_pred, large_truth, SPACINGS[3]) == expected


def test_missed_structure_counts_450_mm_and_an_absent_one_does_not_count():
    some, none = torch.ones(3, 3, 3, dtype=torch.bool), torch.zeros(3, 3, 3, dtype=torch.bool)
    assert hausdorff_distance_95(none, some, SPACINGS[3]) == 450.0
    assert math.isnan(hausdorff_distance_95(some, none, SPACINGS[3]))
    assert math.isnan(hausdorff_distance_95(none, none, SPACINGS[3]))


def test_an_unknown_convention_is_named():
    with pytest.raises(InputError, match="unknown convention 'median'; choose one of pooled, larger"):
        HausdorffDistance95(2, "median")


def test_maps_on_two_grids_are_refused():
    with pytest.raises(InputError, match=r"prediction of shape \(1, 3, 4\) and truth of .* are not on one grid"):
        HausdorffDistance95(2)([torch.ones(1, 3, 4)], [torch.ones(1, 3, 3)])


def points(*places, size=12):
    """Class ids (1, size, size) with one voxel of each class at (place, its id); None leaves the class out."""
    ids = torch.zeros(1, size, size)
    for class_id, place in enumerate(places, start=1):
        if place is not None:
            ids[0, place, class_id] = class_id
    return ids


# class 1 one, then three voxels off; class 2 missed, then absent; class 3 absent in both cases
PRED = [points(1, None, 5), points(4, 2, None)]
TRUTH = [points(2, 7, None), points(1, None, None)]
VALUES = torch.tensor([[1, 450, torch.nan], [3, torch.nan, torch.nan]])


def test_metric_keeps_every_case_and_class():
    metric = HausdorffDistance95(4)
    metric(PRED, TRUTH)
    torch.testing.assert_close(metric.get_buffer(), VALUES, equal_nan=True)
    torch.testing.assert_close(metric.aggregate("mean_batch"), torch.tensor([2.0, 450.0, 0.0]))
    assert metric.aggregate().item() == 226.0
    metric.reset()
    with pytest.raises(ValueError, match="no case"):
        metric.aggregate()


def test_metric_takes_batches_and_lists_alike():
    metric = HausdorffDistance95(4)
    values = metric(torch.stack(PRED), torch.stack(TRUTH))
    torch.testing.assert_close(values, VALUES, equal_nan=True)


def test_spacing_comes_from_the_truth_of_each_case():
    affines = [torch.diag(torch.tensor([size, 9.0, 1.0, 1.0])) for size in (2.0, 0.5)]
    known = [MetaTensor(truth, affine=affine) for truth, affine in zip(TRUTH, affines, strict=True)]
    assert HausdorffDistance95(4)(PRED, known)[:, 0].tolist() == [2.0, 1.5]


def test_one_channel_per_class_is_refused():
    with pytest.raises(
        InputError, match=r"HausdorffDistance95: prediction of shape \(4, 12, 12\) is not a map of class ids"
    ):
        HausdorffDistance95(4)(torch.zeros(1, 4, 12, 12), TRUTH[0][None])


def test_handler_gives_the_evaluator_scalar_and_details():
    batches = [{"image": pred[None], "label": truth[None]} for pred, truth in zip(PRED, TRUTH, strict=True)]
    evaluator = SupervisedEvaluator(
        device=torch.device("cpu"),
        val_data_loader=batches,
        network=torch.nn.Identity(),
        postprocessing=Compose([]),
        key_val_metric={
            "hd95_mm": IgniteMetricHandler(
                metric_fn=HausdorffDistance95(4), output_transform=from_engine(["pred", "label"])
            )
        },
    )
    evaluator.run()
    assert evaluator.state.metrics["hd95_mm"] == 226.0
    torch.testing.assert_close(evaluator.state.metric_details["hd95_mm"], VALUES, equal_nan=True)
