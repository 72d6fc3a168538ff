"""What losses, exports, checks and the distance head ask of a network, whichever it is.

A network answers for itself with methods called as functions here (`size_multiple`, `supervision_scales`,
`segmentation_head`, `shared_parameters`); one that takes images of a single size has that size as its multiple and an
attribute `single_size`, true. Of any other, MONAI's included, the answer is in a table or found by a dry run.
"""

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from inspect import ismethod
from typing import Any

import torch
from monai.networks.nets import UNETR, DynUNet, MedNeXt, SegResNet, SwinUNETR, UNet, VNet
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from ..errors import InputError
from .dry_run import dry_run, input_channels, spatial_dims

# the module that the features enter
SEGMENTATION_HEADS: dict[type[nn.Module], str] = {
    DynUNet: "output_block",
    MedNeXt: "out_0",
    SegResNet: "conv_final.2",
    SwinUNETR: "out",
    UNet: "model.2",  # its features have the first level's stride
    UNETR: "out",
    VNet: "out_tr.conv_block",
}
SIZE_MULTIPLES: dict[type[nn.Module], Callable[[Any], list[int]]] = {
    SwinUNETR: lambda network: [network.patch_size**5] * spatial_dims(network),
    UNETR: lambda network: [tokens * size for tokens, size in zip(network.feat_size, network.patch_size, strict=True)],
}
SINGLE_SIZE = (UNETR,)
HIGHEST_POWER = 7  # of two, that is tried as a size multiple
AMPLE = 2**HIGHEST_POWER  # voxels along an axis that is not in question


def size_multiple(network: nn.Module) -> list[int]:
    """The numbers, one per axis, of which an image's sizes must be multiples: the network's total stride.

    Of a network that does not say, the least powers of two of which it takes the threefold. Raises InputError: it takes
    no size that was tried.
    """
    network = bare_network(network)
    stated = own_answer(network, "size_multiple") or listed(SIZE_MULTIPLES, network, lambda _: [])(network)
    if stated:
        return [int(number) for number in stated]
    axes = range(spatial_dims(network))

    def least_power(axis: int) -> int:
        def takes(power: int) -> bool:
            return answers_at_its_size(network, [3 * 2**power if other == axis else AMPLE for other in axes])

        return bisect_left(range(HIGHEST_POWER + 1), True, key=takes)

    powers = [least_power(axis) for axis in axes]
    if max(powers) > HIGHEST_POWER:
        raise InputError(
            f"{type(network).__name__} does not answer an image with one tensor of the image's size: it is no network "
            f"for segmentation, or takes no multiple of {AMPLE} voxels"
        )
    return [2**power for power in powers]


def check_patch_size(network: nn.Module, patch_size: Sequence[int]) -> None:
    """Refuse a patch that the network cannot halve evenly, or cannot be trained on at all.

    Raises InputError: naming the axes' sizes and the multiples they must be, or what the network says of them.
    """
    multiple = size_multiple(network)
    if min(multiple) < 1:
        raise InputError(f"architecture: strides multiply to {multiple}; give each level strides of at least 1")
    if len(patch_size) != len(multiple) or any(size % one for size, one in zip(patch_size, multiple, strict=True)):
        raise InputError(
            f"patch_size {list(patch_size)} does not fit the network: pass multiples of {multiple}, axis by axis"
        )
    try:
        dry_run(network, patch_size, training=True)
        answer, _ = dry_run(network, patch_size)
    except Exception as error:  # networks refuse sizes with anything
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise InputError(
            f"architecture: the network cannot be trained on a patch of {list(patch_size)} ({reason}): pass a larger "
            "--patch_size, or odd kernels and fewer levels"
        ) from error
    if isinstance(answer, torch.Tensor) and list(answer.shape[2:]) != list(patch_size):
        raise InputError(
            f"architecture: the network answers a patch of {list(patch_size)} with {list(answer.shape[2:])} voxels: "
            "give its first level strides of 1"
        )


def supervision_scales(network: nn.Module) -> int:
    """Number of logits that the network answers with in training, one for every scale.

    Raises InputError: they are not logits (batch, classes, *sizes) of one scale each.
    """
    network = bare_network(network)
    stated = own_answer(network, "supervision_scales")
    if stated:
        return int(stated)
    answer, _ = dry_run(network, ample_sizes(network), training=True)
    scales = answer if isinstance(answer, list | tuple) else [answer]
    if any(not isinstance(one, torch.Tensor) or one.dim() != spatial_dims(network) + 2 for one in scales):
        raise InputError(
            f"{type(network).__name__} answers in training with something else than logits of each scale: turn that "
            "off, or take NativeScaleDynUNet"
        )
    return len(scales)


def segmentation_head(network: nn.Module) -> str:
    """Dotted name of the module that makes the finest logits of the features.

    Of a network that is not listed, the convolution whose output is the network's answer. Raises InputError: there is
    no such module.
    """
    network = bare_network(network)
    stated = own_answer(network, "segmentation_head") or listed(SEGMENTATION_HEADS, network, "")
    if stated:
        return str(stated)
    answer, layers = dry_run(network, ample_sizes(network))
    if not layers or layers[-1].output is not answer:
        raise InputError(
            f"{type(network).__name__} does not end in a convolution whose input a second head could share"
        )
    return layers[-1].name


def feature_channels(network: nn.Module) -> int:
    """Channels of the features that enter the segmentation head."""
    network = bare_network(network)
    return input_channels(network.get_submodule(segmentation_head(network)))


def with_features(network: nn.Module, head: str, image: torch.Tensor) -> tuple[Any, torch.Tensor]:
    """The network's answer to an image, and the features (batch, channels, *sizes) that entered a module of it.

    The network is a bare one, `head` the dotted name of the module, such as the segmentation head's.
    """
    entered: list[torch.Tensor] = []
    # only for this call: a hook that stays would be compiled by TorchScript
    hook = network.get_submodule(head).register_forward_pre_hook(lambda _, inputs: entered.append(inputs[0]))
    try:
        return network(image), entered[0]
    finally:
        hook.remove()


def shared_parameters(network: nn.Module) -> list[nn.Parameter]:
    """Parameters of the last block, or of the last layer, before the segmentation head: all heads share them."""
    network = bare_network(network)
    stated = own_answer(network, "shared_parameters")
    if stated:
        return list(stated)
    head = segmentation_head(network)
    _, layers = dry_run(network, ample_sizes(network))
    inside = [f"{one.name}.".startswith(f"{head}.") for one in layers]
    return list(network.get_submodule(layers[inside.index(True) - 1].name).parameters())


def bare_network(network: nn.Module) -> nn.Module:
    """The network alone, out of a distance head and of DistributedDataParallel."""
    if isinstance(network, DistributedDataParallel):
        return bare_network(network.module)
    inner = own_answer(network, "wrapped_network")
    return network if inner is None else bare_network(inner)


def own_answer(network: nn.Module, question: str) -> Any:
    """What a network answers itself; None where it has no such method."""
    method = getattr(network, question, None)  # of FlexibleUNet, `segmentation_head` is a module
    return method() if ismethod(method) else None


def listed(table: Mapping[type[nn.Module], Any], network: nn.Module, otherwise: Any) -> Any:
    """The entry of a network's class, or of one that it derives from."""
    return next((entry for kind, entry in table.items() if isinstance(network, kind)), otherwise)


def ample_sizes(network: nn.Module) -> list[int]:
    """Sizes of an image that the network takes."""
    if isinstance(network, SINGLE_SIZE) or getattr(network, "single_size", False):
        return size_multiple(network)
    return [AMPLE] * spatial_dims(network)


def answers_at_its_size(network: nn.Module, sizes: Sequence[int]) -> bool:
    """Whether a network answers an image with one tensor of the same sizes."""
    try:
        answer, _ = dry_run(network, sizes)
    except Exception:  # networks refuse sizes with anything
        return False
    return isinstance(answer, torch.Tensor) and list(answer.shape[2:]) == list(sizes)
