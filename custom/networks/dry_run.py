"""A network run on tensors that have shapes and no values: what its layers make of an image, without memory or time."""

from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Any, NamedTuple

import torch
from torch import nn

from ..errors import InputError

CONVOLUTIONS = (nn.Conv2d, nn.Conv3d, nn.ConvTranspose2d, nn.ConvTranspose3d)
LAYERS = (*CONVOLUTIONS, nn.Linear)


class LayerOutput(NamedTuple):
    """What a layer, known by its dotted name in the network, answered."""

    name: str
    output: torch.Tensor


def dry_run(network: nn.Module, sizes: Sequence[int], training: bool = False) -> tuple[Any, list[LayerOutput]]:
    """Answer to an image (1, channels, *sizes), and the output of every convolution and linear layer, as executed.

    A copy without values runs on PyTorch's meta device; the network is left as it is.

    Raises:
        Exception: whatever the network raises for an image of these sizes.
    """
    outputs: list[LayerOutput] = []

    def keep(name: str) -> Callable[..., None]:
        return lambda _, __, output: outputs.append(LayerOutput(name, output))

    copy = valueless_copy(network).train(training)
    for name, module in copy.named_modules():
        if isinstance(module, LAYERS):
            module.register_forward_hook(keep(name))
    with torch.no_grad():
        return copy(torch.zeros(1, input_channels(network), *sizes, device="meta")), outputs


def valueless_copy(network: nn.Module) -> nn.Module:
    """A copy with parameters and buffers on the meta device; no value is copied."""
    known: dict[int, Any] = {id(one): nn.Parameter(one.detach().to("meta")) for one in network.parameters()}
    known |= {id(one): one.to("meta") for one in network.buffers()}
    return deepcopy(network, known)


def first_convolution(network: nn.Module) -> nn.Module:
    """The first convolution of a network, or of a part of it. Raises InputError: it has none."""
    for module in network.modules():
        if isinstance(module, CONVOLUTIONS):
            return module
    raise InputError(f"{type(network).__name__} has no convolution: it is no segmentation network")


def input_channels(network: nn.Module) -> int:
    """Channels of the image that a network, or a part of it, takes."""
    stated = getattr(network, "in_channels", None)
    return stated if isinstance(stated, int) else int(first_convolution(network).in_channels)  # type: ignore[arg-type]


def spatial_dims(network: nn.Module) -> int:
    """2 or 3."""
    return len(first_convolution(network).kernel_size)  # type: ignore[arg-type]
