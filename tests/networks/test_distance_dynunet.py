"""BATseg's network: the paper's sizes, the distance head, what it leaves out in eval."""

import pytest
import torch

from custom.networks import DistanceDynUNet, NativeScaleDynUNet

SPINE = {
    "in_channels": 1,
    "out_channels": 5,
    "strides": [1, [1, 2, 2], [1, 2, 2], 2, [1, 2, 2], [1, 2, 2], [1, 2, 2]],
    "filters": [32, 64, 128, 256, 320, 320, 320],
    "distance_channels": 5,
}
SMALL = {
    "in_channels": 1,
    "out_channels": 3,
    "kernel_size": [3, 3, 3],
    "strides": [1, 2, 2],
    "filters": [4, 8, 16],
}


def millions(network: torch.nn.Module) -> float:
    return sum(parameter.numel() for parameter in network.parameters()) / 1e6


@pytest.mark.parametrize(("kernel", "size"), [([1, 3, 3], 44.47), ([1, 1, 1], 44.39)])
def test_spine_network_has_the_papers_size(kernel, size):
    """The paper says 44.3 M; both readings of its first two kernels are within 0.2 M."""
    network = DistanceDynUNet(3, kernel_size=[kernel, kernel, 3, 3, 3, 3, 3], **SPINE)
    assert millions(network) == pytest.approx(size, abs=0.01)
    assert millions(network) == pytest.approx(44.3, abs=0.2)


def test_knight_network_has_the_papers_size():
    network = DistanceDynUNet(3, 1, 3, [3] * 6, [1] + [2] * 5, [32, 64, 128, 256, 320, 320], distance_channels=3)
    assert millions(network) == pytest.approx(31.2, abs=0.05)


def test_field_is_bounded_and_starts_near_zero():
    torch.manual_seed(0)
    scales, field = DistanceDynUNet(3, distance_channels=3, **SMALL)(torch.randn(2, 1, 8, 8, 8))
    assert [tuple(scale.shape) for scale in scales] == [(2, 3, 8, 8, 8), (2, 3, 4, 4, 4)]
    assert field.shape == (2, 3, 8, 8, 8)
    assert field.dtype == torch.float32
    assert field.min() >= 0
    assert field.max() <= 1
    assert field.median() < 0.05


def test_linear_head_is_not_bounded():
    torch.manual_seed(0)
    network = DistanceDynUNet(3, distance_channels=1, distance_activation="linear", **SMALL)
    _, field = network(10 * torch.randn(2, 1, 8, 8, 8))
    assert field.shape[1] == 1
    assert field.min() < 0
    assert field.max() > 1


def test_without_head_it_is_the_baseline():
    network = DistanceDynUNet(3, distance_channels=0, **SMALL)
    baseline = NativeScaleDynUNet(3, **SMALL)
    baseline.load_state_dict(network.state_dict(), strict=True)
    image = torch.rand(1, 1, 8, 8, 8)
    for ours, theirs in zip(network(image), baseline(image), strict=True):
        assert torch.equal(ours, theirs)


def test_head_is_not_computed_in_eval():
    network = DistanceDynUNet(3, distance_channels=3, **SMALL).eval()
    network.distance_head.register_forward_hook(lambda *_: pytest.fail("the distance head ran"))
    assert network(torch.rand(1, 1, 8, 8, 8)).shape == (1, 3, 8, 8, 8)


def test_scripts_in_eval_and_its_checkpoint_loads_strictly():
    network = DistanceDynUNet(3, distance_channels=3, **SMALL).eval()
    image = torch.rand(1, 1, 8, 8, 8)
    scripted = torch.jit.script(network)
    assert torch.equal(scripted(image), network(image))
    DistanceDynUNet(3, distance_channels=3, **SMALL).load_state_dict(scripted.state_dict(), strict=True)


def test_unknown_activation_is_refused():
    with pytest.raises(ValueError, match="distance_activation is 'relu'; use 'sigmoid' or 'linear'"):
        DistanceDynUNet(3, distance_channels=3, distance_activation="relu", **SMALL)
