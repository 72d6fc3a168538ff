"""Cross-entropy of a scan's type."""

import math

import torch

from custom.losses import TypeLoss


def test_undecided_among_four_types_costs_ln_4():
    loss = TypeLoss()
    value = loss(torch.zeros(2, 4), {"type": torch.tensor([0, 3])})
    torch.testing.assert_close(value, torch.tensor(math.log(4)))
    assert loss.terms == {"type": value}
