"""Eq. 4: the sum of its terms, with and without a distance head."""

import pytest
import torch
from monai.losses import DeepSupervisionLoss, DiceCELoss

from custom.losses import BoundaryAwareLoss, JointLoss, supervision_weights

DICE_CE = DiceCELoss(include_background=False, softmax=True, to_onehot_y=True, smooth_nr=1e-5, smooth_dr=1e-5)


def segmentation_loss() -> DeepSupervisionLoss:
    return DeepSupervisionLoss(DICE_CE, weights=supervision_weights(3))


@pytest.fixture
def prediction():
    generator = torch.Generator().manual_seed(0)
    scales = [torch.randn(2, 3, size, size, size, generator=generator, requires_grad=True) for size in (8, 4, 2)]
    return scales, torch.rand(2, 3, 8, 8, 8, generator=generator, requires_grad=True)


@pytest.fixture
def target():
    generator = torch.Generator().manual_seed(1)
    return {
        "label": torch.randint(0, 3, (2, 1, 8, 8, 8), generator=generator).float(),
        "surface_distance": torch.rand(2, 3, 8, 8, 8, generator=generator),
    }


def test_sum_of_its_terms(prediction, target):
    loss = JointLoss(segmentation_loss(), BoundaryAwareLoss(), weight=3.0)
    total = loss(prediction, target)
    expected = segmentation_loss()(prediction[0], target["label"]) + 3 * BoundaryAwareLoss()(
        prediction[1], target["surface_distance"]
    )
    assert total.item() == pytest.approx(expected.item(), rel=1e-6)
    assert set(loss.terms) == {"segmentation", "boundary_aware"}
    assert (loss.terms["segmentation"] + 3 * loss.terms["boundary_aware"]).item() == pytest.approx(total.item())


def test_without_distance_head(prediction, target):
    loss = JointLoss(segmentation_loss())
    assert torch.equal(loss(prediction[0], target), segmentation_loss()(prediction[0], target["label"]))
    assert set(loss.terms) == {"segmentation"}


def test_native_scale_supervision_weighs_each_level_against_the_nearest_label(prediction, target):
    """Level 1 sees the label at half size, nearest: the mean over levels with weights 2/3, 1/3, 0."""
    scales, label = prediction[0], target["label"]
    half = label[:, :, 1::2, 1::2, 1::2]
    expected = 2 / 3 * DICE_CE(scales[0], label) + 1 / 3 * DICE_CE(scales[1], half)
    assert segmentation_loss()(scales, label).item() == pytest.approx(expected.item(), rel=1e-6)


def test_dice_and_cross_entropy_are_nnunets_plus_one():
    """Two voxels, two classes, by hand: CE = -mean log p(true); soft Dice of the foreground alone."""
    logits = torch.log(torch.tensor([[[0.75, 0.25], [0.25, 0.75]]])).reshape(1, 2, 2, 1, 1)
    label = torch.tensor([0.0, 1.0]).reshape(1, 1, 2, 1, 1)
    cross_entropy = -torch.log(torch.tensor(0.75))
    dice = (2 * 0.75 + 1e-5) / (1 + 1 + 1e-5)
    assert DICE_CE(logits, label).item() == pytest.approx((cross_entropy + 1 - dice).item(), rel=1e-5)


def test_a_further_loss_sees_the_finest_logits(prediction, target):
    loss = JointLoss(segmentation_loss(), BoundaryAwareLoss(), 3.0, DICE_CE, 0.5)
    plain = JointLoss(segmentation_loss(), BoundaryAwareLoss(), 3.0)
    expected = plain(prediction, target) + 0.5 * DICE_CE(prediction[0][0], target["label"])
    assert loss(prediction, target).item() == pytest.approx(expected.item(), rel=1e-6)
    assert loss.terms["extra"].item() == pytest.approx(DICE_CE(prediction[0][0], target["label"]).item())
    alone = JointLoss(DICE_CE, extra=DICE_CE)
    assert alone(prediction[0][0], target).item() == pytest.approx(2 * loss.terms["extra"].item(), rel=1e-6)


def test_balanced_weights_are_set_from_outside(prediction, target):
    loss = JointLoss(segmentation_loss(), BoundaryAwareLoss(), "balanced", None, "balanced")
    assert loss.balanced == ["boundary_aware"], "a loss that is not there needs no weight"
    before = loss(prediction, target)
    loss.weights["boundary_aware"] = 11.0
    assert (loss.total() - before).item() == pytest.approx(10 * loss.terms["boundary_aware"].item(), rel=1e-5)
