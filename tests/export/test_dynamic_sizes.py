"""Sizes that networks take, against what they do take."""

import pytest
import torch

from custom.export.dynamic_sizes import dynamic_sizes, least_sizes
from custom.networks import NativeScaleDynUNet

MULTIPLE = [2, 4, 4]


@pytest.fixture(scope="module")
def network():
    kernels = [[1, 3, 3], 3, 3]
    return NativeScaleDynUNet(3, 1, 2, kernel_size=kernels, strides=[1, [1, 2, 2], 2], filters=[4, 8, 8]).eval()


def program_of(network, patch):
    example = torch.zeros(2, 1, *least_sizes(MULTIPLE, patch))
    return torch.export.export(network, (example,), dynamic_shapes=(dynamic_sizes(MULTIPLE, patch),)).module()


def test_a_program_takes_every_multiple_from_two_voxels_at_the_lowest_level_on(network):
    program = program_of(network, (16, 16, 16))
    for shape in ((1, 1, 4, 8, 12), (5, 1, 6, 20, 8)):
        image = torch.randn(shape)
        with torch.no_grad():
            assert torch.allclose(program(image), network(image), atol=1e-5)
    with pytest.raises(AssertionError, match="Guard failed"):
        program(torch.zeros(1, 1, 5, 8, 8))


def test_an_axis_on_which_the_patch_has_one_such_voxel_is_fixed(network):
    assert least_sizes(MULTIPLE, (2, 16, 16)) == [2, 8, 8]
    program = program_of(network, (2, 16, 16))
    image = torch.randn(1, 1, 2, 12, 8)
    with torch.no_grad():
        assert torch.allclose(program(image), network(image), atol=1e-5)
