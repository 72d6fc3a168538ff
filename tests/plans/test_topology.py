import pytest
import torch

from custom.networks.native_scale_dynunet import NativeScaleDynUNet
from custom.plans.topology import feature_map_size, plan_topology


def levels(text):
    return tuple(tuple(map(int, level)) for level in text.split())


def test_isotropic_patch_is_halved_until_four_voxels_remain():
    topology = plan_topology([1, 1, 1], [128, 128, 128])
    assert topology.strides == levels("111 222 222 222 222 222")
    assert topology.kernel_size == levels("333 333 333 333 333 333")
    assert topology.filters == (32, 64, 128, 256, 320, 320)
    assert topology.total_stride == (32, 32, 32)


def test_thick_slices_wait_until_the_others_are_within_a_factor_of_two():
    topology = plan_topology([3.3, 0.47, 0.47], [12, 448, 320])
    assert topology.strides == levels("111 122 122 222 122 122 122")  # BATseg's spine network, printed in the paper
    assert topology.kernel_size == levels("133 133 333 333 333 333 333")
    assert topology.total_stride == (2, 64, 64)


def test_exactly_twice_the_finest_spacing_is_not_near():
    assert plan_topology([2, 1, 1], [64, 64, 64]).kernel_size[0] == (1, 3, 3)
    assert plan_topology([1.999, 1, 1], [64, 64, 64]).kernel_size[0] == (3, 3, 3)


@pytest.mark.parametrize(("size", "pooled"), [(11, 0), (12, 1), (22, 1), (23, 2)])
def test_an_axis_alone_needs_three_times_the_smallest_edge(size, pooled):
    topology = plan_topology([1, 1, 1], [size, 7, 7])
    assert topology.total_stride == (2**pooled, 1, 1)


def test_patch_is_padded_to_multiples_of_the_total_stride():
    assert plan_topology([1, 1, 1], [36, 50, 35]).patch_size == (40, 56, 40)
    assert plan_topology([1, 1, 1], [35.5, 50, 35]).patch_size == (40, 56, 40)  # a median may end in a half
    assert plan_topology([1, 1, 1], [7, 7, 6.5]).patch_size == (7, 7, 7)


def test_too_small_a_patch_has_one_level():
    topology = plan_topology([1, 1, 1], [7, 7, 7])
    assert (topology.strides, topology.kernel_size) == (levels("111"), levels("333"))


@pytest.mark.parametrize(
    ("spacing", "patch", "outputs", "expected"),
    [
        ([1, 1, 1], [40, 56, 40], 3, 19_174_400),
        ([3.3, 0.47, 0.47], [12, 448, 320], 5, 514_348_800),
        ([2, 2, 2], [128, 128, 128], 3, 452_796_416),
        ([2.5, 0.8, 0.8], [48, 192, 192], 15, 496_972_800),
    ],
)
def test_feature_map_size_is_that_of_plain_conv_unet(spacing, patch, outputs, expected):
    """`compute_conv_feature_map_size` of dynamic_network_architectures 0.4.4, measured."""
    assert feature_map_size(plan_topology(spacing, patch), outputs) == expected


@pytest.mark.parametrize("spacing", [[1, 1, 1], [3, 1, 1]])
def test_feature_map_size_counts_what_convolutions_write(spacing):
    topology = plan_topology(spacing, [16, 32, 16])
    network = NativeScaleDynUNet(3, 1, 3, topology.kernel_size, topology.strides, topology.filters).eval()
    written = []
    for module in network.modules():
        if isinstance(module, torch.nn.Conv3d | torch.nn.ConvTranspose3d):
            module.register_forward_hook(lambda _module, _inputs, output: written.append(output.numel()))
    with torch.no_grad():
        network(torch.zeros(1, 1, *topology.patch_size))
    assert feature_map_size(topology, 3) == sum(written)


@pytest.mark.parametrize(
    ("spacing", "patch", "classes", "millions"),
    [([3.3, 0.47, 0.47], [12, 448, 320], 5, 44.3), ([2, 2, 2], [128, 128, 128], 3, 31.2)],
)
def test_planned_networks_have_the_parameters_the_batseg_paper_prints(spacing, patch, classes, millions):
    topology = plan_topology(spacing, patch)
    with torch.device("meta"):
        network = NativeScaleDynUNet(
            3,
            1,
            classes,
            topology.kernel_size,
            topology.strides,
            topology.filters,
            decoder_kernel_size=topology.kernel_size[:-1],
        )
    assert sum(parameter.numel() for parameter in network.parameters()) / 1e6 == pytest.approx(millions, abs=0.06)
