"""MONAI's boundary losses under their names, in single precision."""

import pytest
import torch

from custom.errors import InputError
from custom.losses import extra_loss


def prediction(shift: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Nearly certain logits (1, 2, ...) of a cube that is moved by some voxels, and its label."""
    label, moved = torch.zeros(1, 1, 12, 12, 12), torch.zeros(12, 12, 12)
    label[..., 3:7, 3:7, 3:7] = 1
    moved[3 + shift : 7 + shift, 3:7, 3:7] = 1
    return 20 * torch.stack([1 - moved, moved])[None], label


@pytest.mark.parametrize("name", ["hausdorff", "boundary", "components"])
def test_the_farther_away_the_more_it_costs(name):
    costs = [float(extra_loss(name)(*prediction(shift))) for shift in (0, 1, 2, 4)]
    assert costs == sorted(costs)
    assert costs[-1] > costs[0]


@pytest.mark.parametrize("name", ["hausdorff", "boundary", "components"])
def test_half_precision_does_not_overflow(name):
    logits, label = prediction(4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = extra_loss(name)(logits.bfloat16().requires_grad_(), label)
    assert loss.dtype == torch.float32
    assert torch.isfinite(loss)


def test_names():
    assert extra_loss("none") is None
    with pytest.raises(InputError, match="extra_loss is 'dice'; use one of none, hausdorff, boundary, components"):
        extra_loss("dice")
