"""The U-Net with native-scale supervision: shapes, modes, weights, scripting."""

import pytest
import torch

from custom.errors import InputError
from custom.networks import NativeScaleDynUNet, check_patch_size

SMALL = {
    "spatial_dims": 3,
    "in_channels": 1,
    "out_channels": 3,
    "kernel_size": [[1, 3, 3], 3, 3, 3],
    "strides": [1, [1, 2, 2], 2, 2],
    "filters": [4, 6, 8, 10],
}


@pytest.fixture
def network() -> NativeScaleDynUNet:
    torch.manual_seed(0)
    return NativeScaleDynUNet(**SMALL)


def test_training_gives_logits_of_every_decoder_level_at_its_own_scale(network):
    scales = network.train()(torch.rand(2, 1, 8, 16, 24))
    assert [tuple(scale.shape) for scale in scales] == [(2, 3, 8, 16, 24), (2, 3, 8, 8, 12), (2, 3, 4, 4, 6)]


def test_eval_gives_the_finest_logits_of_training(network):
    image = torch.rand(1, 1, 8, 16, 24)
    finest = network.train()(image)[0]
    assert torch.equal(network.eval()(image), finest)


def test_training_checkpoint_loads_strictly_and_has_each_weight_once(network):
    other = NativeScaleDynUNet(**SMALL)
    other.load_state_dict(network.state_dict(), strict=True)
    assert len(network.state_dict()) == len(list(network.parameters()))


def test_scripts_in_eval(network):
    network.eval()
    image = torch.rand(1, 1, 8, 16, 24)
    assert torch.equal(torch.jit.script(network)(image), network(image))


@pytest.mark.parametrize(("patch", "fits"), [((8, 16, 24), True), ((12, 16, 24), True), ((8, 12, 24), False)])
def test_patch_must_be_a_multiple_of_the_total_stride(patch, fits):
    if fits:
        check_patch_size(patch, SMALL["strides"])
    else:
        with pytest.raises(InputError, match=r"\[8, 12, 24\] does not fit the strides: pass multiples of \[4, 8, 8\]"):
            check_patch_size(patch, SMALL["strides"])


def test_two_dimensions():
    network = NativeScaleDynUNet(2, 1, 2, [3, 3, 3], [1, 2, 2], [4, 8, 16])
    assert [tuple(scale.shape) for scale in network(torch.rand(1, 1, 16, 16))] == [(1, 2, 16, 16), (1, 2, 8, 8)]


def test_shared_parameters_are_what_the_finest_logits_and_no_coarser_ones_depend_on(network):
    finest, coarser, _ = network.train()(torch.rand(1, 1, 8, 16, 16))
    weights = [parameter for parameter in network.shared_parameters() if parameter.dim() > 1]
    assert all(
        gradient.abs().sum() > 0 for gradient in torch.autograd.grad(finest.square().sum(), weights, retain_graph=True)
    )
    assert all(gradient is None for gradient in torch.autograd.grad(coarser.sum(), weights, allow_unused=True))
