"""Equal seeds give equal initial weights."""

import torch

from custom.engines import set_seed


def test_equal_seeds_equal_weights():
    weights = []
    for seed in (3, 3, 4):
        set_seed(seed)
        weights.append(torch.nn.Linear(4, 4).weight)
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_speed_instead_of_determinism():
    set_seed(0, deterministic=False)
    assert torch.backends.cudnn.benchmark
    set_seed(0)
    assert torch.backends.cudnn.deterministic
    assert not torch.backends.cudnn.benchmark
