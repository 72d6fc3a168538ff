"""What is asked of networks, of ours and of MONAI's, against what they do."""

from copy import deepcopy

import pytest
import torch
from monai.networks.nets import BasicUNetPlusPlus, DynUNet, HighResNet, SwinUNETR, UNet
from torch import nn

from custom.errors import InputError
from custom.networks import (
    DistanceHead,
    build_network,
    check_patch_size,
    feature_channels,
    segmentation_head,
    shared_parameters,
    size_multiple,
    supervision_scales,
)
from custom.networks.contract import with_features

from .architectures import FACTS, MEDNEXT, NAMES, OURS


@pytest.mark.parametrize(("architecture", "patch", "multiple", "scales", "channels"), FACTS, ids=NAMES)
def test_facts_of_every_network(architecture, patch, multiple, scales, channels):
    torch.manual_seed(0)
    network = build_network(architecture, 1, 3, patch).train()
    image = torch.rand(2, 1, *patch)
    assert size_multiple(network) == multiple
    assert supervision_scales(network) == scales
    answer, features = with_features(network, segmentation_head(network), image)
    answers = [answer] if isinstance(answer, torch.Tensor) else answer
    assert len(answers) == scales
    assert tuple(answers[0].shape) == (2, 3, *patch)
    assert features.shape[:2] == (2, channels)
    assert feature_channels(network) == channels
    shared = [one for one in shared_parameters(network) if one.dim() > 1]
    assert shared
    gradients = torch.autograd.grad(features.square().sum(), shared)
    assert all(one.abs().sum() > 0 for one in gradients), "the features depend on the shared parameters"


def test_the_measured_multiple_is_what_a_network_says_of_itself():
    ours = build_network(OURS, 1, 3, [8, 8, 8])
    monais = DynUNet(3, 1, 3, OURS["kernel_size"], OURS["strides"], OURS["strides"][1:], OURS["filters"])
    assert not hasattr(monais, "size_multiple")
    assert size_multiple(monais) == size_multiple(ours) == [2, 4, 4]
    assert size_multiple(UNet(3, 1, 2, [4, 4, 4], [(1, 2, 4), (1, 1, 2)])) == [1, 2, 8]
    assert size_multiple(UNet(2, 1, 2, [4, 4, 4], [2, 2])) == [4, 4]


def test_a_patch_must_be_a_multiple_axis_by_axis():
    network = build_network(OURS, 1, 3, [8, 8, 8])
    check_patch_size(network, [6, 4, 8])
    with pytest.raises(
        InputError, match=r"\[6, 6, 8\] does not fit the network: pass multiples of \[2, 4, 4\], axis by"
    ):
        check_patch_size(network, [6, 6, 8])
    with pytest.raises(InputError, match=r"\[8, 8\] does not fit the network"):
        check_patch_size(network, [8, 8])


def test_a_network_answers_alike_bare_with_a_head_and_in_several_processes(monkeypatch):
    network = build_network(OURS, 1, 3, [8, 8, 8])
    headed = DistanceHead(network, 3)

    class Distributed(nn.Module):
        """Stands for DistributedDataParallel, which needs processes."""

        def __init__(self, module):
            super().__init__()
            self.module = module

    monkeypatch.setattr("custom.networks.contract.DistributedDataParallel", Distributed)
    for other in (headed, Distributed(headed), Distributed(network)):
        for question in (size_multiple, supervision_scales, segmentation_head, feature_channels):
            assert question(other) == question(network)
        assert [id(one) for one in shared_parameters(other)] == [id(one) for one in shared_parameters(network)]


def test_a_network_may_answer_for_itself():
    class Own(nn.Module):
        single_size = True

        def __init__(self):
            super().__init__()
            self.first = nn.Conv3d(1, 6, 1)
            self.last = nn.Conv3d(6, 2, 1)
            self.flip = nn.Identity()

        def size_multiple(self):
            return [4, 6, 8]

        def segmentation_head(self):
            return "last"

        def forward(self, image):
            assert image.shape[2:] == (4, 6, 8)
            return self.flip(self.last(self.first(image)).flip(2))

    network = Own()
    assert size_multiple(network) == [4, 6, 8]
    assert supervision_scales(network) == 1
    assert segmentation_head(network) == "last"
    assert feature_channels(network) == 6
    assert shared_parameters(network) == list(network.first.parameters())


def test_hooks_do_not_stay():
    network = build_network(OURS, 1, 3, [8, 8, 8])
    with_features(network, "output_block", torch.rand(1, 1, 8, 8, 8))
    with pytest.raises(RuntimeError):
        with_features(network, "output_block", torch.rand(1, 2, 8, 8, 8))
    assert not any(module._forward_pre_hooks for module in network.modules())
    deepcopy(network)


@pytest.mark.parametrize(
    ("question", "network", "message"),
    [
        (
            size_multiple,
            BasicUNetPlusPlus(3, 1, 2, [4] * 6),
            "BasicUNetPlusPlus does not answer an image with one tensor",
        ),
        (size_multiple, nn.Linear(1, 1), "Linear has no convolution"),
        (segmentation_head, HighResNet(3, 1, 2), "HighResNet does not end in a convolution whose input"),
        (
            supervision_scales,
            DynUNet(3, 1, 2, [3, 3, 3, 3], [1, 2, 2, 2], [2, 2, 2], [4] * 4, deep_supervision=True),
            "DynUNet answers in training with something else than logits of each scale",
        ),
    ],
)
def test_networks_that_do_not_fit_are_refused_in_one_line(question, network, message):
    with pytest.raises(InputError, match=message) as caught:
        question(network)
    assert "\n" not in str(caught.value)


def test_the_table_of_swin_unetr_is_what_it_takes():
    """Its own check: patch_size to the power of 5."""
    network = SwinUNETR(1, 2, feature_size=12)
    assert size_multiple(network) == [32, 32, 32]
    assert supervision_scales(build_network(MEDNEXT | {"deep_supervision": False}, 1, 3, [8, 8, 8])) == 1
