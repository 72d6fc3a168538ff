"""nnFormer against what its paper states, and against attention computed window by window."""

import pytest
import torch
from torch.nn import functional as F

from custom.networks.nnformer import CrossAttentionBlock, NNFormer

from .bright_box import dice_after

SMALL = {"embed_dim": 8, "depths": (2, 2), "num_heads": (1, 2), "window_size": (2, 2)}


def test_as_many_parameters_as_published():
    with torch.device("meta"):
        network = NNFormer(in_channels=1, out_channels=5)
    assert sum(one.numel() for one in network.parameters()) == pytest.approx(37.5e6, rel=0.01)


@pytest.mark.parametrize("sizes", [(8, 16, 24), (24, 8, 8)])
def test_logits_have_the_images_sizes(sizes):
    """With windows of 2 that 3 tokens do not fill."""
    network = NNFormer(2, 3, **SMALL).eval()
    assert network(torch.randn(1, 2, *sizes)).shape == (1, 3, *sizes)


def test_every_parameter_learns():
    """Without drop path, which in training may pass a whole batch by a block."""
    network = NNFormer(1, 2, **SMALL).eval()
    network(torch.randn(2, 1, 8, 16, 16)).square().sum().backward()
    assert all(one.grad is not None and one.grad.abs().sum() > 0 for one in network.parameters())


def test_upsampled_features_ask_the_encoders_window_by_window():
    """What is asked is changed in one window of the encoder's features: the others answer as before."""
    torch.manual_seed(0)
    block = CrossAttentionBlock(dim=4, heads=2, window=2, drop_path=0.0).eval()
    queries, answers = torch.randn(2, 1, 4, 4, 4, 4, generator=torch.Generator().manual_seed(1)).unbind()
    changed = answers.clone()
    changed[..., 2:, 2:, 2:] = 0
    with torch.no_grad():
        difference = (block(queries, changed) - block(queries, answers)).abs().amax(dim=(0, 1))
    assert difference[2:, 2:, 2:].min() > 0
    difference[2:, 2:, 2:] = 0
    assert difference.max() == 0


def test_cross_attention_is_softmax_of_queries_and_keys_with_position_bias():
    torch.manual_seed(0)
    attention = CrossAttentionBlock(dim=4, heads=1, window=2, drop_path=0.0).attention
    queries, answers = torch.randn(2, 1, 8, 4).unbind()
    key, value = F.linear(answers, attention.qkv.weight, attention.qkv.bias).chunk(2, dim=-1)
    places = torch.cartesian_prod(*[torch.arange(2)] * 3)
    steps = places[:, None] - places[None] + 1  # 0 to 2 along each axis
    bias = attention.relative_position_bias_table[steps @ torch.tensor([9, 3, 1]), 0]
    expected = torch.softmax(queries @ key.mT / 2 + bias, dim=-1) @ value
    expected = F.linear(expected, attention.proj.weight, attention.proj.bias)
    torch.testing.assert_close(attention(queries, answers), expected)


def test_it_learns_a_bright_box():
    torch.manual_seed(0)
    assert dice_after(NNFormer(1, 2, **SMALL), 80) > 0.9
