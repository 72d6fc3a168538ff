"""Other networks with a plan's levels and a patch near its own, for data sets of any shape."""

import math

import pytest
import torch
from monai.bundle import ConfigParser

from custom.errors import InputError
from custom.networks import build_network, patch_in_multiples, same_levels

from .architectures import OURS, SWIN


@pytest.mark.parametrize(
    "patch",
    [[12, 256, 512], [128, 128, 128], [40, 56, 40], [12, 48, 64], [64, 192, 160], [20, 320, 256], [28, 256, 256]],
)
def test_a_patch_near_the_plans(patch):
    """Multiples, no more memory than planned, and as alike in shape as a brute-force search finds."""
    found = patch_in_multiples(patch, 32)
    assert all(size % 32 == 0 for size in found)
    assert max(found) >= 64
    steps = range(32, 545, 32)
    fitting = [
        (one, two, three)
        for one in steps
        for two in steps
        for three in steps
        if one * two * three <= 1.05 * math.prod(patch) and max(one, two, three) > 32
    ]
    unlike = [sum(math.log(a / b) ** 2 for a, b in zip(sizes, patch, strict=True)) for sizes in [found, *fitting]]
    if fitting:
        assert tuple(found) in fitting
        assert unlike[0] == pytest.approx(min(unlike))


def test_a_patch_smaller_than_any_grows_along_its_longest_axis():
    assert patch_in_multiples([16, 24, 16], 32) == [32, 64, 32]


def test_the_networks_of_the_study_take_it(project):
    """A network of five poolings has two voxels left in its deepest feature map, so that it can be trained."""
    patch = patch_in_multiples([12, 24, 24], 32)
    network = build_network({**SWIN, "feature_size": 12}, 1, 2, patch).train()
    assert torch.isfinite(network(torch.rand(1, 1, *patch))).all()


def test_levels_of_the_plan(project):
    """Features, strides and kernels; convolutions a level are the network's own."""
    plan = ConfigParser.load_config_file(project / "bundles" / "batseg_spine" / "configs" / "plans" / "spine.yaml")
    architecture = same_levels("ResidualEncoderUNet", {**plan["network"], "convolutions": 2})
    assert architecture == {**plan["network"], "name": "ResidualEncoderUNet"}
    small = same_levels("ResidualEncoderUNet", OURS)
    assert (
        build_network(small, 1, 2, [32, 32, 64]).size_multiple()
        == build_network(OURS, 1, 2, [32, 32, 64]).size_multiple()
    )


def test_a_plan_without_levels():
    """What is missing is said where the network is made, so that a study's other rows can be run."""
    with pytest.raises(InputError, match="ResidualEncoderUNet needs kernel_size and strides and filters"):
        build_network(same_levels("ResidualEncoderUNet", {"name": "SwinUNETR"}), 1, 2, [32, 32, 64])
