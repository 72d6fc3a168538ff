"""LayerNorm over channels, voxel by voxel."""

import torch

from custom.networks.channel_norm import ChannelNorm


def test_each_voxel_is_normalised_over_its_channels():
    x = torch.randn(2, 8, 3, 4, 5) * torch.linspace(1, 9, 5) + 7
    normalised = ChannelNorm(8)(x)
    assert normalised.shape == x.shape
    torch.testing.assert_close(normalised.mean(1), torch.zeros(2, 3, 4, 5), rtol=0, atol=1e-5)
    torch.testing.assert_close(normalised.var(1, unbiased=False), torch.ones(2, 3, 4, 5), rtol=1e-3, atol=0)
