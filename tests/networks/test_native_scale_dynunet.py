"""The U-Net with native-scale supervision: shapes, modes, weights, scripting."""

import pytest
import torch
from monai.networks.nets import DynUNet

from custom.errors import InputError
from custom.networks import NativeScaleDynUNet

SMALL = {
    "spatial_dims": 3,
    "in_channels": 1,
    "out_channels": 3,
    "kernel_size": [[1, 3, 3], 3, 3, 3],
    "strides": [1, [1, 2, 2], 2, 2],
    "filters": [4, 6, 8, 10],
}


# FLARE23's networks as nnU-Net plans them: the first level's voxels are more than twice as thick as wide
FIRST_FLAT = [[1, 3, 3], 3, 3, 3, 3, 3]
BIG = {
    "kernel_size": FIRST_FLAT,
    "strides": [1, [1, 2, 2], 2, 2, 2, [1, 2, 2]],
    "filters": [32, 64, 128, 256, 512, 512],
    "convolutions": 3,
}
LITTLE = {
    "kernel_size": FIRST_FLAT[:5],
    "strides": [1, [1, 2, 2], 2, 2, 2],
    "filters": [16, 32, 64, 128, 256],
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


def test_its_size_multiple_is_the_product_of_the_strides(network):
    assert network.size_multiple() == [4, 8, 8]
    network(torch.rand(1, 1, 4 * 2, 8 * 3, 8))
    with pytest.raises(RuntimeError):
        network(torch.rand(1, 1, 8, 12, 24))


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


def parameters_of(network: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize(("options", "count"), [(BIG, 84_855_275), (LITTLE, 5_629_260)])
def test_parameters_of_flare23s_networks(options, count):
    """The paper's 82-85 million and 5.63 million, supervision heads included."""
    assert parameters_of(NativeScaleDynUNet(3, 1, 15, **options)) == count


def counts_by_hand(convolutions):
    """SMALL with skip-level kernels: weights of every convolution, normalisation and head, level by level."""
    filters, volumes, ups = SMALL["filters"], [9, 27, 27, 27], [4, 8, 8]
    total = 0
    for level, (inputs, features) in enumerate(zip([1, *filters], filters, strict=False)):
        convolution = volumes[level] * features
        total += convolution * (inputs + (convolutions - 1) * features) + 2 * features * convolutions
    for level, features in enumerate(filters[:-1]):
        convolution = volumes[level] * features
        total += ups[level] * filters[level + 1] * features + features
        total += convolution * (2 * features + (convolutions - 1) * features) + 2 * features * convolutions
        total += 3 * features + 3
    return total


@pytest.mark.parametrize("convolutions", [2, 3, 4])
def test_every_level_has_that_many_convolutions_with_the_kernels_asked_for(convolutions):
    network = NativeScaleDynUNet(**SMALL, convolutions=convolutions)
    assert parameters_of(network) == counts_by_hand(convolutions)


def test_more_convolutions_keep_modes_scales_and_scripting():
    torch.manual_seed(0)
    network = NativeScaleDynUNet(**SMALL, convolutions=3)
    image = torch.rand(2, 1, 8, 16, 24)
    scales = network.train()(image)
    assert [tuple(scale.shape) for scale in scales] == [(2, 3, 8, 16, 24), (2, 3, 8, 8, 12), (2, 3, 4, 4, 6)]
    network.eval()
    assert torch.equal(network(image), scales[0])
    assert torch.equal(torch.jit.script(network)(image), network(image))
    other = NativeScaleDynUNet(**SMALL, convolutions=3)
    other.load_state_dict(network.state_dict(), strict=True)
    assert len(network.state_dict()) == len(list(network.parameters()))


def test_two_convolutions_and_its_decoder_kernels_are_monais_network():
    """The same seed gives MONAI's weights under MONAI's names, and MONAI's answer."""
    torch.manual_seed(0)
    ours = NativeScaleDynUNet(**SMALL, decoder_kernel_size=SMALL["kernel_size"][1:]).eval()
    torch.manual_seed(0)
    monais = DynUNet(**SMALL, upsample_kernel_size=SMALL["strides"][1:], trans_bias=True).eval()
    weights = {name: value for name, value in monais.state_dict().items() if not name.startswith("skip_layers")}
    assert list(weights) == [name for name in ours.state_dict() if not name.startswith("supervision_heads")]
    assert all(torch.equal(value, ours.state_dict()[name]) for name, value in weights.items())
    image = torch.rand(1, 1, 8, 16, 16)
    assert torch.equal(ours(image), monais(image))


def test_weights_are_he_normal():
    """Standard deviation sqrt(2 / ((1 + 0.01^2) fan_in)) of every 3 x 3 x 3 convolution, the added ones included."""
    torch.manual_seed(0)
    network = NativeScaleDynUNet(3, 1, 2, [3, 3, 3], [1, 2, 2], [16, 24, 32], convolutions=3)
    weights = [p for name, p in network.named_parameters() if p.dim() == 5 and p.shape[-1] == 3 and p[0].numel() > 27]
    assert len(weights) == 14
    for weight in weights:
        assert weight.std().item() * weight[0].numel() ** 0.5 == pytest.approx(2**0.5, rel=0.05)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"convolutions": 1}, "convolutions is 1; give 2 or more"),
        ({"decoder_kernel_size": [3, 3]}, "decoder_kernel_size has 2 entries; give one per decoder level, 3"),
    ],
)
def test_unusable_options_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        NativeScaleDynUNet(**SMALL, **options)
