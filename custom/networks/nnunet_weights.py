"""Weights of nnU-Net's plain and residual encoder U-Nets under the names of the same networks here, and back."""

from collections.abc import Iterator, Mapping
from typing import Any

import torch

from ..errors import InputError
from ..plans.topology import residual_blocks
from .residual_encoder_unet import ResidualEncoderUNet

Weights = Mapping[str, torch.Tensor]
TWICE = ("all_modules.", "decoder.encoder.")  # the same tensors under second names


def from_nnunet(weights: Weights, network: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    """nnU-Net's weights under our names.

    The biases of a plain U-Net's convolutions are left out: the normalisation after each subtracts them again.

    Args:
        weights: `network_weights` of nnU-Net's checkpoint.
        network: the network's entry of a plan.

    Raises InputError: a tensor is missing, or one has no place in the network.
    """
    plain = {key.removeprefix("module.").removeprefix("_orig_mod."): value for key, value in weights.items()}
    plain = {key: value for key, value in plain.items() if not any(part in key for part in TWICE)}
    found = {}
    for ours, theirs in names(network):
        if theirs not in plain:
            raise InputError(f"the checkpoint has no {theirs}: its network is not that of plans.json")
        found[ours] = plain.pop(theirs)
    left = [key for key in plain if not is_cancelled(key, network)]
    if left:
        raise InputError(f"the checkpoint has {left[0]}, which the network of plans.json does not have")
    return found


def to_nnunet(weights: Weights, network: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    """Our weights under all names by which nnU-Net loads them; biases that it alone has are 0."""
    found: dict[str, torch.Tensor] = {}
    for ours, theirs in names(network):
        found[theirs] = weights[ours]
        bias = theirs.removesuffix("weight") + "bias"
        if theirs.endswith(".conv.weight") and is_cancelled(bias, network):
            found[bias] = torch.zeros(len(weights[ours]))
    for key in list(found):
        for kind, place in ((".conv.", ".all_modules.0."), (".norm.", ".all_modules.1.")):
            if kind in key:
                found[key.replace(kind, place)] = found[key]
    return found | {f"decoder.{key}": value for key, value in found.items() if key.startswith("encoder.")}


def names(network: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Our name and nnU-Net's of every tensor of a network's."""
    residual = network["name"] == ResidualEncoderUNet.__name__
    units = residual_units(network) if residual else plain_units(network)
    for convolution, normalisation, theirs, biased in units:
        yield f"{convolution}.weight", f"{theirs}.conv.weight"
        if biased:
            yield f"{convolution}.bias", f"{theirs}.conv.bias"
        for one in ("weight", "bias"):
            yield f"{normalisation}.{one}", f"{theirs}.norm.{one}"
    deepest = len(network["filters"]) - 1
    for step in range(deepest):  # from the deepest level up, as nnU-Net counts
        level = deepest - 1 - step
        if residual:
            up, head = f"ups.{level}", f"heads.{level}"
        else:
            up = f"upsamples.{step}.transp_conv.conv"
            head = f"supervision_heads.{level - 1}.conv.conv" if level else "output_block.conv.conv"
        for one in ("weight", "bias"):
            yield f"{up}.{one}", f"decoder.transpconvs.{step}.{one}"
            yield f"{head}.{one}", f"decoder.seg_layers.{step}.{one}"


def plain_units(network: Mapping[str, Any]) -> Iterator[tuple[str, str, str, bool]]:
    """Of every convolution with its normalisation: our names of both, nnU-Net's of the pair, whether it has a bias."""
    deepest, count = len(network["filters"]) - 1, int(network.get("convolutions", 2))
    encoder = ["input_block", *(f"downsamples.{level}" for level in range(deepest - 1)), "bottleneck"]
    blocks = [(block, f"encoder.stages.{level}.0") for level, block in enumerate(encoder)]
    blocks += [(f"upsamples.{step}.conv_block", f"decoder.stages.{step}") for step in range(deepest)]
    for block, theirs in blocks:
        first = block if count == 2 else f"{block}.0"  # MONAI's block of two
        for one in range(count):
            ours = (f"{first}.conv{one + 1}.conv", f"{first}.norm{one + 1}")
            if one > 1:
                ours = (f"{block}.{one - 1}.conv", f"{block}.{one - 1}.adn.N")
            yield *ours, f"{theirs}.convs.{one}", False


def residual_units(network: Mapping[str, Any]) -> Iterator[tuple[str, str, str, bool]]:
    """As `plain_units`."""
    filters, blocks = network["filters"], network.get("blocks") or residual_blocks(len(network["filters"]))
    yield "stem.conv", "stem.adn.N", "encoder.stem.convs.0", True
    for level, features in enumerate(filters):
        for block in range(blocks[level]):
            theirs = f"encoder.stages.{level}.blocks.{block}"
            for one in (0, 1):
                ours = f"encoder.{level}.{block}.convolutions.{one}"
                yield f"{ours}.conv", f"{ours}.adn.N", f"{theirs}.conv{one + 1}", True
            if block == 0 and features != filters[max(level - 1, 0)]:
                shortcut, stride = f"encoder.{level}.0.shortcut.1", network["strides"][level]
                strided = max(stride if isinstance(stride, list | tuple) else [stride]) > 1
                yield f"{shortcut}.conv", f"{shortcut}.adn.N", f"{theirs}.skip.{int(strided)}", False
    for step in range(len(filters) - 1):
        ours = f"decoder.{len(filters) - 2 - step}"
        yield f"{ours}.conv", f"{ours}.adn.N", f"decoder.stages.{step}.convs.0", True


def is_cancelled(key: str, network: Mapping[str, Any]) -> bool:
    """Whether nnU-Net's name is that of a bias without effect, which the plain U-Net here does not have."""
    return key.endswith(".conv.bias") and network["name"] != ResidualEncoderUNet.__name__
