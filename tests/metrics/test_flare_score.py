"""The rules of FLARE on hand-built label maps, and against the organisers' procedure built on their package."""

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.data import DataLoader, Dataset, MetaTensor
from monai.engines import SupervisedEvaluator
from monai.handlers import IgniteMetricHandler, from_engine
from monai.transforms import Compose

from custom.errors import InputError
from custom.metrics import FlareDice, FlareSurfaceDice, axial_axis_of, flare_dice, flare_rules, flare_scores
from custom.metrics.flare_score import FLARE_TOLERANCES, FLARE_TUBULAR

SPACING = tuple(float(size) for size in np.float32([0.8, 0.8, 2.5]))
LIVER, AORTA, OESOPHAGUS, TUMOUR = 1, 5, 10, 14


def boxes(**placed):
    """A label map of 24 x 20 x 16 voxels; each class id has a box of slices."""
    labels = np.zeros((24, 20, 16), dtype=np.uint8)
    for name, box in placed.items():
        labels[box] = int(name.removeprefix("class_"))
    return labels


def box(x, y, z):
    return slice(*x), slice(*y), slice(*z)


def affine_towards(codes, spacing=(1, 1, 1)):
    """The affine of a volume whose axes point to these sides of the patient."""
    affine = np.eye(4)
    affine[:3, :3] = 0
    for axis, (world, direction) in enumerate(nib.orientations.axcodes2ornt(codes)):
        affine[int(world), axis] = direction * spacing[axis]
    return affine


def procedure_of_the_organisers(prediction, truth, spacing, drop_last_slice=True, axial_axis=2):
    """DSC and NSD of one case, written from the rules on whole volumes with the package's own functions."""
    package = pytest.importorskip("surface_distance", reason="surface-distance is not installed")
    scores = []
    for class_id, tolerance in enumerate(FLARE_TOLERANCES, start=1):
        true, predicted = truth == class_id, prediction == class_id
        if not true.any():
            scores.append((0.0, 0.0) if predicted.any() else (1.0, 1.0))
            continue
        if class_id in (5, 6, 10):
            others = tuple(axis for axis in range(3) if axis != axial_axis)
            slices = np.flatnonzero(true.any(axis=others))
            kept = np.arange(slices[0], slices[-1] + (0 if drop_last_slice else 1))
            true, predicted = true.take(kept, axial_axis), predicted.take(kept, axial_axis)
        dice = 2 * (true & predicted).sum() / (true.sum() + predicted.sum())
        distances = package.compute_surface_distances(true, predicted, spacing)
        scores.append((dice, 0 if dice < 0.2 else package.compute_surface_dice_at_tolerance(distances, tolerance)))
    return np.array(scores).T


@pytest.mark.parametrize("axial_axis", [0, 2])
@pytest.mark.parametrize("drop_last_slice", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_agrees_with_the_organisers_procedure(seed, drop_last_slice, axial_axis):
    rng = np.random.default_rng(seed)
    centres = rng.uniform(0, 1, (9, 3)) * [24, 20, 16]
    places = np.stack(np.meshgrid(*map(np.arange, (24, 20, 16)), indexing="ij"), -1)
    classes = np.array([0, 1, 3, 4, 5, 6, 10, 12, 14])
    moved = [centres, centres + rng.normal(0, 3, centres.shape)]
    nearest = [np.linalg.norm(places[..., None, :] - points, axis=-1).argmin(-1) for points in moved]
    truth, prediction = (classes[indices].astype(np.uint8) for indices in nearest)
    expected = procedure_of_the_organisers(prediction, truth, SPACING, drop_last_slice, axial_axis)
    scores = flare_scores(prediction, truth, SPACING, drop_last_slice=drop_last_slice, axial_axis=axial_axis)
    np.testing.assert_allclose(scores, expected, atol=1e-6)
    dice_alone = flare_dice(prediction, truth, drop_last_slice=drop_last_slice, axial_axis=axial_axis)
    np.testing.assert_array_equal(dice_alone, scores[0])
    assert (expected[1] < 1).sum() > 2


def test_agrees_with_the_organisers_procedure_on_a_real_abdomen(shared_data):
    file = shared_data / "ct" / "abdomen_label.nii.gz"
    if not file.is_file():
        pytest.skip(f"{file} is absent")
    scan = nib.load(file)
    truth, spacing = np.asarray(scan.dataobj).astype(np.uint8), scan.header.get_zooms()
    axis = axial_axis_of(scan.affine)
    prediction = np.roll(truth, (2, 1, -1), (0, 1, 2))
    prediction[:4, :4, :4] = OESOPHAGUS  # which is outside the scan
    expected = procedure_of_the_organisers(prediction, truth, spacing, False, axis)
    np.testing.assert_allclose(flare_scores(prediction, truth, spacing, axial_axis=axis), expected, atol=1e-6)
    assert expected[:, OESOPHAGUS - 1].tolist() == [0, 0]
    assert expected[:, TUMOUR - 1].tolist() == [1, 1]


def test_absent_classes_count_one_and_invented_or_missed_ones_zero():
    truth = boxes(class_1=box((2, 6), (2, 6), (2, 6)), class_5=box((10, 12), (2, 6), (2, 6)))
    prediction = boxes(class_1=box((2, 6), (2, 6), (2, 6)), class_10=box((10, 12), (2, 6), (2, 6)))
    dsc, nsd = flare_scores(prediction, truth, SPACING)
    expected = [1.0] * 14
    expected[AORTA - 1] = expected[OESOPHAGUS - 1] = 0.0
    assert dsc.tolist() == nsd.tolist() == expected


def test_surface_dice_is_zero_below_a_dice_of_one_fifth():
    truth = boxes(class_1=box((0, 10), (0, 2), (0, 2)))
    near, far = (boxes(class_1=box((start, start + 10), (0, 2), (0, 2))) for start in (8, 9))
    assert [flare_scores(one, truth, (0.1, 0.1, 0.1))[0][0] for one in (near, far)] == [0.2, 0.1]
    assert [flare_scores(one, truth, (0.1, 0.1, 0.1))[1][0] for one in (near, far)] == [1.0, 0.0]


def test_tubular_classes_are_scored_within_the_slices_of_the_truth_only():
    truth = boxes(class_5=box((2, 6), (2, 6), (4, 8)), class_1=box((10, 14), (2, 6), (4, 8)))
    prediction = boxes(class_5=box((2, 6), (2, 6), (0, 16)), class_1=box((10, 14), (2, 6), (0, 16)))
    dsc, nsd = flare_scores(prediction, truth, SPACING)
    assert (dsc[AORTA - 1], nsd[AORTA - 1]) == (1.0, 1.0)
    assert dsc[LIVER - 1] == 2 * 4 / (4 + 16)
    assert flare_scores(prediction, truth, SPACING, tubular=())[0][AORTA - 1] == 2 * 4 / (4 + 16)
    elsewhere = boxes(class_5=box((2, 6), (2, 6), (9, 16)))
    assert flare_scores(elsewhere, truth, SPACING)[0][AORTA - 1] == 0.0


def test_the_organisers_leave_the_last_slice_of_a_tube_out():
    truth = boxes(class_5=box((2, 6), (2, 6), (4, 8)))
    prediction = boxes(class_5=box((2, 6), (2, 6), (4, 7)))
    assert flare_dice(prediction, truth)[AORTA - 1] == 2 * 3 / (3 + 4)
    assert flare_dice(prediction, truth, drop_last_slice=True)[AORTA - 1] == 1.0
    one_slice = boxes(class_5=box((2, 6), (2, 6), (4, 5)))
    assert flare_dice(prediction, one_slice, drop_last_slice=True)[AORTA - 1] == 1.0


@pytest.mark.parametrize(("codes", "axis"), [("RAS", 2), ("LPS", 2), ("SAR", 0), ("RSA", 1), ("PIR", 1)])
def test_axial_axis_is_the_one_along_the_body(codes, axis):
    affine = affine_towards(codes)
    tilt = np.eye(4)
    tilt[:2, :2] = [[np.cos(0.5), -np.sin(0.5)], [np.sin(0.5), np.cos(0.5)]]
    for oblique in (affine, tilt @ affine, torch.as_tensor(affine)):
        assert axial_axis_of(oblique) == axis


@pytest.mark.parametrize(
    ("prediction", "message"),
    [
        (np.full((3, 3, 3), 15), "prediction has values from 15 to 15; give class ids from 0 to 14"),
        (np.full((3, 3, 3), np.nan), "prediction has values from nan to nan"),
    ],
)
def test_label_maps_that_do_not_fit_are_named(prediction, message):
    with pytest.raises(InputError, match=message):
        flare_scores(prediction, np.zeros((3, 3, 3), dtype=np.uint8), SPACING)


def map_of(labels, spacing=SPACING, axes="RAS"):
    """Class ids (1, X, Y, Z) whose axes point to `axes`."""
    affine = affine_towards(axes, spacing)
    return MetaTensor(torch.from_numpy(labels)[None], affine=torch.from_numpy(affine))


TRUTH = boxes(class_1=box((2, 12), (2, 12), (2, 12)), class_5=box((14, 18), (2, 6), (4, 8)))
OF_FLARE = {"num_classes": 15, "tubular": FLARE_TUBULAR, "tolerances": FLARE_TOLERANCES}
PRED = boxes(class_1=box((4, 14), (2, 12), (2, 12)), class_5=box((14, 18), (2, 6), (0, 8)))


@pytest.mark.parametrize("metric", [FlareDice, FlareSurfaceDice])
def test_metrics_keep_every_case_and_class_in_each_case_s_own_grid(metric):
    index = 0 if metric is FlareDice else 1
    spacings = [(0.8, 0.8, 2.5), (4.0, 4.0, 4.0)]
    expected = np.stack([flare_scores(PRED, TRUTH, spacing)[index] for spacing in spacings])
    lists = [torch.from_numpy(PRED)[None]] * 2, [map_of(TRUTH, spacing) for spacing in spacings]
    kept = metric(**OF_FLARE)
    kept(*lists)
    torch.testing.assert_close(kept.get_buffer(), torch.tensor(expected, dtype=torch.float32))
    assert kept.get_buffer().shape == (2, 14)
    assert kept.aggregate().item() == pytest.approx(expected.mean())
    torch.testing.assert_close(kept.aggregate("mean_batch"), torch.tensor(expected.mean(axis=0), dtype=torch.float32))
    kept.reset()
    with pytest.raises(ValueError, match="no case"):
        kept.aggregate()


@pytest.mark.parametrize("metric", [FlareDice, FlareSurfaceDice])
def test_slices_lie_across_the_body_however_the_axes_are_ordered(metric):
    plain = metric(**OF_FLARE)([torch.from_numpy(PRED)[None]], [map_of(TRUTH)])
    turned = [torch.from_numpy(np.ascontiguousarray(ids.transpose(2, 1, 0))) for ids in (PRED, TRUTH)]
    truth = map_of(turned[1].numpy(), SPACING[::-1], axes="SAR")
    torch.testing.assert_close(metric(**OF_FLARE)([turned[0][None]], [truth]), plain)
    assert plain[0, AORTA - 1] == 1


def test_one_tolerance_is_that_of_every_class():
    truth = boxes(class_1=box((2, 12), (2, 12), (2, 12)), class_2=box((14, 18), (2, 6), (4, 8)))
    prediction = boxes(class_1=box((5, 15), (2, 12), (2, 12)), class_2=box((18, 22), (2, 6), (4, 8)))
    arguments = [torch.from_numpy(prediction)[None].float()], [map_of(truth, (1, 1, 1)).float()]
    assert FlareSurfaceDice(num_classes=3, tolerances=3)(*arguments).tolist() == [[1, 0]]
    assert 0.5 < FlareSurfaceDice(num_classes=3, tolerances=2)(*arguments)[0, 0] < 1
    assert FlareSurfaceDice(num_classes=3, tolerances=[3, 1])(*arguments).tolist() == [[1, 0]]
    assert FlareDice(num_classes=3)(*arguments)[0].tolist() == pytest.approx([0.7, 0])


def test_one_hot_maps_are_refused():
    with pytest.raises(
        InputError, match=r"prediction of shape \(3, 4, 4, 4\) is not a map of class ids in one channel"
    ):
        FlareDice(num_classes=3)([torch.zeros(3, 4, 4, 4)], [torch.zeros(1, 4, 4, 4)])


def test_handlers_give_the_evaluator_scalars_and_details():
    data = Dataset([{"image": map_of(PRED).float(), "label": map_of(TRUTH)}] * 2)
    pair = from_engine(["pred", "label"])
    evaluator = SupervisedEvaluator(
        device=torch.device("cpu"),
        val_data_loader=DataLoader(data, batch_size=2),
        network=torch.nn.Identity(),
        postprocessing=Compose([]),
        key_val_metric={"dice": IgniteMetricHandler(metric_fn=FlareDice(**OF_FLARE), output_transform=pair)},
        additional_metrics={"nsd": IgniteMetricHandler(metric_fn=FlareSurfaceDice(**OF_FLARE), output_transform=pair)},
    )
    evaluator.run()
    dsc, nsd = flare_scores(PRED, TRUTH, SPACING)
    assert evaluator.state.metrics["dice"] == pytest.approx(dsc.mean())
    assert evaluator.state.metrics["nsd"] == pytest.approx(nsd.mean())
    np.testing.assert_allclose(evaluator.state.metric_details["nsd"], [nsd, nsd], atol=1e-6)


def test_rules_in_words_name_every_class_once():
    names = [f"c{class_id}" for class_id in range(1, 15)]
    assert flare_rules(names, FLARE_TOLERANCES, FLARE_TUBULAR) == [
        "NSD tolerances: 2 mm c5, c6, c7, c8, c9, c14; 3 mm c2, c3, c10, c13; 5 mm c1, c4, c11; 7 mm c12",
        "class in neither truth nor prediction: 1 and 1, in one alone: 0 and 0; NSD is 0 where DSC < 0.2",
        "c5, c6, c10: scored from the first to the last slice of the truth",
    ]
    assert flare_rules(["a", "b"], 1.5)[0] == "NSD tolerances: 1.5 mm"
    assert len(flare_rules(["a", "b"], 1.5)) == 2
    assert "the last but one slice" in flare_rules(names, 2, FLARE_TUBULAR, drop_last_slice=True)[2]
