"""What layers would make, without a trace in the network."""

import pytest
import torch
from torch import nn

from custom.errors import InputError
from custom.networks.dry_run import dry_run, input_channels, spatial_dims


def halving() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv3d(2, 4, 3, stride=2, padding=1), nn.BatchNorm3d(4), nn.Dropout(), nn.ConvTranspose3d(4, 3, 2, stride=2)
    )


def test_outputs_in_the_order_of_execution():
    answer, layers = dry_run(halving(), [8, 6, 4])
    assert [(one.name, tuple(one.output.shape)) for one in layers] == [("0", (1, 4, 4, 3, 2)), ("3", (1, 3, 8, 6, 4))]
    assert layers[-1].output is answer


@pytest.mark.parametrize("training", [True, False])
def test_leaves_the_network_and_the_random_numbers_as_they_are(training):
    network = halving().train(not training)
    network[1].train(training)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    modes = [module.training for module in network.modules()]
    torch.manual_seed(0)
    state = torch.get_rng_state()
    dry_run(network, [8, 8, 8], training)
    assert torch.equal(torch.get_rng_state(), state)
    assert [module.training for module in network.modules()] == modes
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    assert not any(module._forward_hooks for module in network.modules())
    assert network(torch.zeros(2, 2, 8, 8, 8)).device.type == "cpu"


def test_takes_no_memory():
    """A petabyte of voxels."""
    answer, _ = dry_run(halving(), [2**16] * 3)
    assert tuple(answer.shape) == (1, 3, *(2**16,) * 3)


def test_image_of_the_network():
    assert (input_channels(halving()), spatial_dims(halving())) == (2, 3)
    assert spatial_dims(nn.Sequential(nn.Conv2d(5, 1, 1))) == 2
    with pytest.raises(InputError, match="Linear has no convolution: it is no segmentation network"):
        spatial_dims(nn.Linear(1, 1))
