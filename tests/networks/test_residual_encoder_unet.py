"""nnU-Net's residual encoder against the parameters of the original, and its blocks against their definition."""

import pytest
import torch
from torch.nn import functional as F

from custom.errors import InputError
from custom.networks.residual_encoder_unet import ResidualBlock, ResidualEncoderUNet

SIX_LEVELS = {
    "kernel_size": [[1, 3, 3], 3, 3, 3, 3, 3],
    "strides": [1, [1, 2, 2], 2, 2, 2, 2],
    "filters": [32, 64, 128, 256, 320, 320],
}
SMALL = {"kernel_size": [[1, 3, 3], 3], "strides": [1, [1, 2, 2]], "filters": [4, 8], "blocks": [1, 2]}


def test_as_many_parameters_as_nnunets_own():
    """dynamic-network-architectures 0.4.4, blocks 1, 3, 4, 6, 6, 6 and one convolution per decoder level."""
    network = ResidualEncoderUNet(3, 1, 3, **SIX_LEVELS)
    assert sum(one.numel() for one in network.parameters()) == 102_268_079


def test_logits_of_every_decoder_level():
    network = ResidualEncoderUNet(3, 2, 3, [3] * 3, [1, 2, [1, 2, 2]], [4, 8, 8])
    shapes = [tuple(one.shape) for one in network(torch.randn(1, 2, 4, 8, 12))]
    assert shapes == [(1, 3, 4, 8, 12), (1, 3, 2, 4, 6)]
    assert network.eval()(torch.randn(1, 2, 4, 8, 12)).shape == (1, 3, 4, 8, 12)


def test_every_block_begins_as_its_shortcut():
    """As nnU-Net's do: init_last_bn_before_add_to_0."""
    network = ResidualEncoderUNet(3, 1, 2, [3] * 3, [1, 2, 2], [4, 8, 8], [1, 2, 1])
    x = torch.randn(2, 8, 4, 4, 4)
    assert torch.equal(network.encoder[1][1](x), F.leaky_relu(x, 0.01))


def test_every_parameter_learns():
    """But for those before a weight that begins at 0, which learn from the second step on."""
    network = ResidualEncoderUNet(3, 1, 2, [3] * 3, [1, 2, 2], [4, 8, 8], [1, 2, 1])
    sum(one.square().sum() for one in network(torch.randn(2, 1, 8, 8, 8))).backward()
    assert all(one.grad is not None and one.grad.isfinite().all() for one in network.parameters())


def test_a_block_whose_convolutions_answer_nothing_passes_its_input_on():
    """With stride 2 averaged, and negative values through LeakyReLU."""
    x = torch.randn(1, 4, 4, 4, 4)
    for stride, expected in ((1, x), (2, F.avg_pool3d(x, 2))):
        block = ResidualBlock(3, 4, 4, 3, stride)
        torch.nn.init.zeros_(block.convolutions[1].adn.N.weight)
        torch.testing.assert_close(block(x), F.leaky_relu(expected, 0.01))


def test_lists_of_different_lengths_are_refused():
    with pytest.raises(InputError, match="have 2, 2, 2 and 3 entries; give each one per level"):
        ResidualEncoderUNet(3, 1, 2, **{**SMALL, "blocks": [1, 1, 1]})
