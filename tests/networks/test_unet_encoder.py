"""The U-Net's encoder against the U-Net it comes from and what the paper states."""

import pytest
import torch

from custom.networks import NativeScaleDynUNet
from custom.networks.unet_encoder import UNetEncoder
from custom.plans import read_plan

SMALL = {"filters": [4, 8, 16], "strides": [1, [1, 2, 2], 2], "kernel_size": [[1, 3, 3], 3, 3]}


@pytest.mark.parametrize(("plan", "millions"), [("spine", 19.4), ("knight", 14.0)])
def test_as_many_parameters_as_published(project, plan, millions):
    options = read_plan(project / "bundles" / "batseg_spine" / "configs" / "plans" / f"{plan}.yaml")["network"]
    with torch.device("meta"):
        encoder = UNetEncoder(1, **{key: value for key, value in options.items() if key != "name"})
    assert sum(one.numel() for one in encoder.parameters()) == pytest.approx(millions * 1e6, rel=0.01)
    assert encoder.features == 320


def test_the_means_of_the_unets_deepest_features():
    torch.manual_seed(0)
    unet = NativeScaleDynUNet(3, 2, 3, **SMALL)
    encoder = UNetEncoder(2, **SMALL)
    modules = [unet.input_block, *unet.downsamples, unet.bottleneck]
    for own, its in zip(encoder.levels, modules, strict=True):
        own.load_state_dict(its.state_dict())
    image = torch.randn(2, 2, 8, 12, 9)  # of any sizes: nothing is added to a decoder's
    features = image
    for module in modules:
        features = module(features)
    torch.testing.assert_close(encoder(image), features.mean(dim=(2, 3, 4)))
