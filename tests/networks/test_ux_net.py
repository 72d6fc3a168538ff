"""3D UX-Net against what its paper states."""

import pytest
import torch

from custom.networks.ux_net import UXBlock, UXNet

from .bright_box import dice_after

SMALL = {"dims": (4, 8), "depths": (1, 1), "hidden_size": 16}


def test_as_many_parameters_as_published():
    with torch.device("meta"):
        network = UXNet(in_channels=1, out_channels=14)
    assert sum(one.numel() for one in network.parameters()) == pytest.approx(53.0e6, rel=0.01)


def test_logits_have_the_images_sizes():
    assert UXNet(2, 3, **SMALL).eval()(torch.randn(1, 2, 8, 4, 12)).shape == (1, 3, 8, 4, 12)


def test_every_parameter_learns():
    network = UXNet(1, 2, **SMALL)
    network(torch.randn(2, 1, 16, 16, 16)).square().sum().backward()
    assert all(one.grad is not None and one.grad.isfinite().all() for one in network.parameters())
    assert sum(one.grad.abs().sum() > 0 for one in network.parameters()) > 0.9 * len(list(network.parameters()))


def test_a_block_mixes_each_channel_with_its_neighbourhood_alone():
    """LayerNorm apart, which knows all channels of a voxel: a voxel farther than 3 away changes nothing."""
    block = UXBlock(4)
    torch.nn.init.ones_(block.scale)
    image = torch.zeros(1, 4, 9, 9, 9)
    far = image.clone()
    far[..., 0] = 1
    with torch.no_grad():
        difference = (block(far) - block(image)).abs().amax(dim=(0, 1, 2, 3))
    assert (difference > 0).tolist() == [True] * 4 + [False] * 5


def test_a_block_starts_near_the_identity():
    x = torch.randn(1, 4, 8, 8, 8)
    torch.testing.assert_close(UXBlock(4)(x), x, rtol=0, atol=1e-4)


def test_it_learns_a_bright_box():
    torch.manual_seed(0)
    assert dice_after(UXNet(1, 2, **SMALL), 30) > 0.9
