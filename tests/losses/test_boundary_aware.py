"""Eq. 3 and the ablations of Group 4 against values computed by hand."""

import math

import pytest
import torch

from custom.losses import BoundaryAwareLoss

# one batch entry, background + one class, two voxels; errors of the class are 0.5 and -0.2
PREDICTION = torch.tensor([[[0.9, 0.9], [0.9, 0.3]]])
TRUTH = torch.tensor([[[0.0, 0.0], [0.4, 0.5]]])


def cross_entropy(f: float, g: float) -> float:
    return -(g * math.log(f) + (1 - g) * math.log(1 - f))


CE = (cross_entropy(0.9, 0.4), cross_entropy(0.3, 0.5))


@pytest.mark.parametrize("weighting", ["squared", "detached"])
@pytest.mark.parametrize(
    ("base", "expected"),
    [
        ("l1", (0.5**3 + 0.2**3) / 2),
        ("l2", (0.5**4 + 0.2**4) / 2),
        ("ce", (0.25 * CE[0] + 0.04 * CE[1]) / 2),
    ],
)
def test_weighted_by_the_squared_error(base, weighting, expected):
    assert BoundaryAwareLoss(base, weighting)(PREDICTION, TRUTH).item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(("base", "expected"), [("l1", 0.35), ("l2", (0.25 + 0.04) / 2), ("ce", (CE[0] + CE[1]) / 2)])
def test_without_weight(base, expected):
    assert BoundaryAwareLoss(base, "none")(PREDICTION, TRUTH).item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("weighting", "slopes"),
    [("squared", (3 * 0.5**2, -3 * 0.2**2)), ("detached", (0.5**2, -(0.2**2))), ("none", (1.0, -1.0))],
)
def test_gradient_flows_through_the_factors_it_should(weighting, slopes):
    """d/de of |e|^3 is 3 e^2 sign(e); with the factor detached e^2 sign(e); without it sign(e)."""
    prediction = PREDICTION.clone().requires_grad_()
    BoundaryAwareLoss("l1", weighting)(prediction, TRUTH).backward()
    assert prediction.grad[0, 1].tolist() == pytest.approx([slope / 2 for slope in slopes], rel=1e-5)
    assert prediction.grad[0, 0].abs().sum() == 0, "background is not supervised"


def test_single_channel_of_the_class_agnostic_field_is_supervised():
    loss = BoundaryAwareLoss("l1", "none")(torch.full((1, 1, 4), 0.25), torch.zeros(1, 1, 4))
    assert loss.item() == pytest.approx(0.25)


def test_an_absent_class_stays_in_the_mean():
    """A third, all-zero channel that is predicted right halves the mean over the foreground channels."""
    prediction = torch.cat([PREDICTION, torch.zeros(1, 1, 2)], dim=1)
    truth = torch.cat([TRUTH, torch.zeros(1, 1, 2)], dim=1)
    assert BoundaryAwareLoss()(prediction, truth).item() == pytest.approx((0.5**3 + 0.2**3) / 4, rel=1e-6)


def test_equal_fields_have_no_loss_and_no_gradient():
    prediction = TRUTH.clone().requires_grad_()
    loss = BoundaryAwareLoss()(prediction, TRUTH)
    loss.backward()
    assert loss.item() == 0
    assert prediction.grad.abs().sum() == 0


def test_half_precision_is_computed_in_float32():
    """An error of 0.01 cubed, 1e-6, is below what float16 resolves near 0 when averaged over many voxels."""
    loss = BoundaryAwareLoss()(torch.full((1, 1, 1000), 0.01, dtype=torch.float16), torch.zeros(1, 1, 1000))
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(1e-6, rel=1e-2)


def test_refusals():
    with pytest.raises(ValueError, match="base is 'l3'; use one of l1, l2, ce"):
        BoundaryAwareLoss(base="l3")
    with pytest.raises(ValueError, match="weighting is 'cubed'; use one of squared, detached, none"):
        BoundaryAwareLoss(weighting="cubed")
    with pytest.raises(ValueError, match=r"base 'ce' needs fields in \[0, 1\]"):
        BoundaryAwareLoss(base="ce", bounded=False)
    with pytest.raises(ValueError, match=r"predicted field is \(1, 1, 4\), the true one \(1, 2, 4\)"):
        BoundaryAwareLoss()(torch.zeros(1, 1, 4), torch.zeros(1, 2, 4))
