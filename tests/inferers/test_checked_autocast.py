"""Mixed precision that refuses to compute wrongly."""

from copy import deepcopy

import pytest
import torch
from monai.networks.nets import UNet
from torch import nn

from custom.errors import InputError
from custom.inferers.checked_autocast import CheckedAutocast, checked_convolutions
from custom.networks import build_network

CPU = torch.device("cpu")
ARCHITECTURE = {"name": "NativeScaleDynUNet", "filters": [4, 8, 16], "strides": [1, 2, 2], "kernel_size": [3, 3, 3]}


class HalfOfTheChannels(torch.autograd.Function):
    """Passes values on and loses half of the gradient, as a kernel that leaves a part of its result as it was."""

    @staticmethod
    def forward(ctx, weight):
        return weight.clone()

    @staticmethod
    def backward(ctx, gradient):
        gradient = gradient.clone()
        gradient[::2] = 0
        return gradient


class WrongGradient(nn.Conv3d):
    """A convolution whose weights learn wrongly in bfloat16 on maps of two voxels in depth."""

    def forward(self, image):
        wrong = torch.is_autocast_enabled("cpu") and image.shape[2] == 2
        return self._conv_forward(image, HalfOfTheChannels.apply(self.weight) if wrong else self.weight, self.bias)


class WrongValue(nn.Conv3d):
    """A convolution that is wrong in bfloat16 by a tenth."""

    def forward(self, image):
        return super().forward(image) * (1.1 if torch.is_autocast_enabled("cpu") else 1)


def run(network, image, autocast):
    with autocast(network, CPU):
        return network(image)


def hooks_of(network):
    return sum(len(module._forward_hooks) for module in network.modules())


def test_wrong_gradient_is_refused_where_it_is_wrong():
    network = nn.Sequential(nn.Conv3d(1, 4, 3, padding=1), WrongGradient(4, 4, 3, padding=1))
    run(network, torch.rand(1, 1, 4, 4, 4), CheckedAutocast(torch.bfloat16))
    message = r"convolution 1 wrongly in bfloat16 .* maps of 2 x 4 x 4 voxels: pass --cpu_bfloat16 false"
    with pytest.raises(InputError, match=message):
        run(network, torch.rand(1, 1, 2, 4, 4), CheckedAutocast(torch.bfloat16))
    assert hooks_of(network) == 0


def test_without_gradients_only_the_output_must_be_right():
    with torch.no_grad():
        image = torch.rand(1, 1, 2, 4, 4)
        run(WrongGradient(1, 4, 3, padding=1), image, CheckedAutocast(torch.bfloat16))
        with pytest.raises(InputError, match="wrongly in bfloat16"):
            run(WrongValue(1, 4, 3, padding=1), image, CheckedAutocast(torch.bfloat16))


def test_weights_that_are_not_finite_are_not_bfloat16s_fault():
    network = nn.Conv3d(1, 4, 3, padding=1)
    network.weight.data[0] = torch.nan
    assert not run(network, torch.rand(1, 1, 4, 4, 4), CheckedAutocast(torch.bfloat16)).isfinite().all()


def test_other_precisions_and_functions_are_not_checked():
    image = torch.rand(1, 1, 2, 4, 4)
    network = WrongValue(1, 4, 3, padding=1)
    run(network, image, CheckedAutocast())
    autocast = CheckedAutocast(torch.bfloat16)
    with autocast(network.forward, CPU):
        network(image)


def test_checked_once():
    network = nn.Sequential(nn.Conv3d(1, 1, 1), nn.Conv3d(1, 1, 1))
    autocast, image = CheckedAutocast(torch.bfloat16), torch.rand(1, 1, 4, 4, 4)
    with autocast(network, CPU):
        assert hooks_of(network) == 2
        network(image)
    with autocast(network, CPU):
        assert hooks_of(network) == 0


def test_a_check_changes_nothing():
    """Weights, gradients, random numbers and output of a step are those without a check."""
    torch.manual_seed(0)
    network = UNet(3, 1, 2, (4, 8), (2,), dropout=0.5, norm="batch")
    twin, image = deepcopy(network), torch.rand(2, 1, 8, 8, 8)
    outputs = []
    for model, context in ((network, checked_convolutions(network)), (twin, torch.enable_grad())):
        torch.manual_seed(1)
        with torch.autocast("cpu", dtype=torch.bfloat16), context:
            outputs.append(model(image))
        outputs[-1].float().square().mean().backward()
    assert torch.equal(*outputs)
    for (name, one), (_, other) in zip(network.named_parameters(), twin.named_parameters(), strict=True):
        assert torch.equal(one.grad, other.grad), name
    for one, other in zip(network.buffers(), twin.buffers(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("patch", [(8, 16, 16), (16, 16, 12), (12, 20, 16)])
def test_bfloat16_learns_what_single_precision_does_or_is_refused(patch):
    """PyTorch 2.13 leaves memory as it was in gradients of maps of two voxels in depth (here 8 x 16 x 16)."""
    torch.manual_seed(0)
    network = build_network(ARCHITECTURE, 1, 3, patch, 0)
    image = torch.rand(2, 1, *patch)
    gradients = []
    for dtype in (None, torch.bfloat16):
        network.zero_grad()
        try:
            logits = run(network, image, CheckedAutocast(dtype))
        except InputError:
            assert min(patch) // 4 < 3
            return
        sum(scale.float().square().mean() for scale in logits).backward()
        gradients.append(torch.cat([p.grad.flatten() for p in network.parameters()]))
    exact, rounded = gradients
    assert (rounded - exact).norm() < 0.2 * exact.norm()
