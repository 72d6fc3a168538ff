"""Mixed precision that refuses to compute wrongly."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from ..errors import InputError

Convolution = nn.Conv3d | nn.ConvTranspose3d
LARGEST_ERROR = 0.05  # of the norm; rounding to bfloat16 costs 0.003


class CheckedAutocast:
    """Autocast to `dtype`, for whose first use every convolution of the network is compared with single precision.

    PyTorch's oneDNN miscomputes some in bfloat16 on CPUs: with kernels of 3 and feature maps of 2 voxels in depth,
    PyTorch 2.13 leaves much of the weights' gradient as the memory was (see also pytorch/pytorch#169688), so a
    training learns badly, or ends in NaN, and nothing says why. None as `dtype`: whatever is in force already.
    """

    def __init__(self, dtype: torch.dtype | None = None) -> None:
        self.dtype = dtype
        self.checked = dtype is None

    @contextmanager
    def __call__(self, network: Callable[..., Any], device: torch.device) -> Iterator[None]:
        """The network's precision inside the block. Raises InputError there: a convolution that is computed wrongly."""
        if self.dtype is None:
            yield
            return
        with torch.autocast(device.type, dtype=self.dtype):
            if self.checked or not isinstance(network, nn.Module):
                yield
                return
            with checked_convolutions(network):
                yield
            self.checked = True


@contextmanager
def checked_convolutions(network: nn.Module) -> Iterator[None]:
    """Check each 3D convolution of a network as it is called, once for every shape of its input."""
    seen = set()

    def check(name: str, module: Convolution, features: torch.Tensor) -> None:
        case = (type(module), module.weight.shape, module.stride, module.padding, features.shape)
        if case not in seen:
            seen.add(case)
            refuse_wrong_convolution(name, module, features)

    hooks = [
        module.register_forward_hook(lambda module, inputs, _, name=name: check(name, module, inputs[0]))
        for name, module in network.named_modules()
        if isinstance(module, Convolution)
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def refuse_wrong_convolution(name: str, module: Convolution, features: torch.Tensor) -> None:
    """Compare a convolution and, in training, its gradients under autocast with those in single precision.

    Raises InputError: they differ by more than rounding.
    """
    training = torch.is_grad_enabled()
    rounded = convolution_and_gradients(module, features, training)  # first, in memory that holds no right results
    with torch.autocast(features.device.type, enabled=False):
        exact = convolution_and_gradients(module, features, training)
    if any(map(differs, rounded, exact)):
        voxels = " x ".join(str(length) for length in features.shape[2:])
        raise InputError(
            f"PyTorch {torch.__version__} computes the convolution {name} wrongly in bfloat16 on this CPU, with "
            f"feature maps of {voxels} voxels: pass --cpu_bfloat16 false, or strides or a patch that leave 3 along "
            "each axis"
        )


def convolution_and_gradients(module: Convolution, features: torch.Tensor, gradients: bool) -> list[torch.Tensor]:
    """A convolution's output, and of a fixed random sum of it the gradients by the features and by the weights."""
    features = features.detach().float().requires_grad_(gradients)
    output = module.forward(features)  # not module(): that would call the hook that asks
    if not gradients:
        return [output]
    generator = torch.Generator().manual_seed(0)
    factors = torch.randn(output.shape, generator=generator).to(output)
    return [output.detach(), *torch.autograd.grad(output, (features, module.weight), factors)]


def differs(rounded: torch.Tensor, exact: torch.Tensor) -> bool:
    """Whether values differ by more than rounding; those that are not even exactly finite are others' to refuse."""
    error, norm = (rounded.double() - exact.double()).norm(), exact.double().norm()
    return bool(norm.isfinite()) and not error <= LARGEST_ERROR * norm
