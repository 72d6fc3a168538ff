"""nnU-Net's weights in our networks: the same answers as its layers written out, at every level."""

import pytest
import torch

from custom.errors import InputError
from custom.networks import build_network
from custom.networks.nnunet_weights import from_nnunet, to_nnunet

from .nnunet_reference import answer, random_weights

LEVELS = {
    "filters": [4, 6, 8, 8],
    "strides": [[1, 1, 1], [1, 2, 2], [2, 2, 2], [2, 1, 2]],
    "kernel_size": [[1, 3, 3], [3, 3, 3], [3, 3, 3], [3, 3, 3]],
}
PLAIN = {"name": "NativeScaleDynUNet", **LEVELS, "convolutions": 2}
LONGER = {**PLAIN, "convolutions": 3}
RESIDUAL = {"name": "ResidualEncoderUNet", **LEVELS, "blocks": [1, 2, 1, 2]}
NETWORKS = pytest.mark.parametrize(
    "network", [PLAIN, LONGER, RESIDUAL], ids=["plain", "three convolutions", "residual"]
)
SIZES = [8, 16, 16]


@NETWORKS
def test_the_same_logits_at_every_level(network):
    weights = random_weights(network, 2, 3)
    ours = build_network(network, 2, 3, SIZES)
    ours.load_state_dict(from_nnunet(weights, network), strict=True)
    image = torch.randn(1, 2, *SIZES)
    with torch.no_grad():
        found, wanted = ours.train()(image), answer(weights, network, image)
    assert len(found) == 3
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


@NETWORKS
def test_back_under_every_name_that_nnunet_loads(network):
    weights = random_weights(network, 2, 3)
    ours = from_nnunet(weights, network)
    back = to_nnunet(ours, network)
    assert {key: value.shape for key, value in back.items()} == {key: value.shape for key, value in weights.items()}
    assert all(torch.equal(one, ours[key]) for key, one in from_nnunet(back, network).items())
    image = torch.randn(1, 2, *SIZES)
    with torch.no_grad():
        for one, other in zip(answer(back, network, image), answer(weights, network, image), strict=True):
            torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


def test_of_parallel_and_compiled_trainings():
    weights = random_weights(PLAIN, 2, 3)
    wrapped = {f"module._orig_mod.{key}": value for key, value in weights.items()}
    assert from_nnunet(wrapped, PLAIN).keys() == from_nnunet(weights, PLAIN).keys()


def test_another_network():
    weights = random_weights(PLAIN, 2, 3)
    with pytest.raises(InputError, match=r"the checkpoint has no encoder.stages.0.0.convs.2.conv.weight"):
        from_nnunet(weights, LONGER)
    with pytest.raises(
        InputError, match=r"has encoder.stages.0.0.convs.2.conv.weight, which the network of plans.json does"
    ):
        from_nnunet(random_weights(LONGER, 2, 3), PLAIN)
