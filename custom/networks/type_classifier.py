"""The type of a whole scan's tumour: an encoder, the mean of its features over the scan, and a perceptron.

The second stage of the BATseg paper's two-stage baselines (Tables 3 and 4).
"""

from collections.abc import Mapping, Sequence
from inspect import signature
from itertools import pairwise
from typing import Any

import torch
from monai.networks.nets import ResNet
from torch import nn

from ..errors import InputError
from ..nearest_name import did_you_mean
from .build import made_network, name_and_options
from .dry_run import dry_run
from .unet_encoder import UNetEncoder

HIDDEN = (1024, 512, 256)  # the paper's
CLASSIFIER = "TypeClassifier"  # name of the network in a plan
UNET = "NativeScaleDynUNet"  # the network whose encoder `UNetEncoder` is


class ResNet101(ResNet):
    """MONAI's 3D ResNet of bottleneck blocks without its last layer, for scans of `in_channels` channels.

    Args:
        layers: blocks of each stage, by default ResNet101's.
        widths: features of each stage; four times as many leave it.
        first_stride: of the first convolution, 1 in MONAI and 2 in the original: an eighth of the work.
    """

    def __init__(
        self,
        in_channels: int,
        layers: Sequence[int] = (3, 4, 23, 3),
        widths: Sequence[int] = (64, 128, 256, 512),
        first_stride: int = 1,
    ) -> None:
        options: dict[str, Any] = {"n_input_channels": in_channels, "conv1_t_stride": first_stride}
        super().__init__("bottleneck", list(layers), list(widths), feed_forward=False, **options)
        self.features = 4 * widths[-1]


ENCODERS: Mapping[str, type[nn.Module]] = {one.__name__: one for one in (UNetEncoder, ResNet101)}


class TypeClassifier(nn.Module):
    """Logits (batch, types) of scans (batch, channels, *sizes).

    Args:
        encoder: answers with `encoder.features` numbers for each scan.
        num_types: types to tell apart.
    """

    def __init__(self, encoder: nn.Module, num_types: int) -> None:
        super().__init__()
        self.encoder = encoder
        sizes = [int(encoder.features), *HIDDEN]  # type: ignore[arg-type]
        layers = [layer for size, next_size in pairwise(sizes) for layer in (nn.Linear(size, next_size), nn.ReLU())]
        self.perceptron = nn.Sequential(*layers, nn.Linear(sizes[-1], num_types))

    def forward(self, scan: torch.Tensor) -> torch.Tensor:
        """Logits of the types."""
        return self.perceptron(self.encoder(scan))

    def shared_parameters(self) -> list[nn.Parameter]:
        """Those of the perceptron, see `contract`."""
        return list(self.perceptron.parameters())


def build_classifier(
    architecture: Mapping[str, Any], in_channels: int, num_types: int, volume_size: Sequence[int]
) -> TypeClassifier:
    """The classifier that a plan's `network` describes, see `classifier_architecture`.

    Args:
        volume_size: voxels of the smallest scan it will see.

    Raises InputError: there is no such encoder, an option is none of its own, or the scans are too small for it.
    """
    _, options = name_and_options(architecture)
    encoder, options = name_and_options(options.get("encoder") or {})
    network = TypeClassifier(made_network(encoder_class(encoder), {**options, "in_channels": in_channels}), num_types)
    try:
        dry_run(network, volume_size)
    except Exception as error:  # instances of a single voxel cannot be normalised
        raise InputError(
            f"classifier: {encoder} leaves nothing of scans of {list(volume_size)} voxels "
            f"({' '.join(str(error).split())[:100]}): give it fewer levels, or pass a larger --patch_size"
        ) from error
    return network


def classifier_architecture(encoder: Mapping[str, Any], network: Mapping[str, Any]) -> dict[str, Any]:
    """A plan's `network` for a classifier.

    Args:
        encoder: `name`, one of `ENCODERS`, and its options; a `UNetEncoder` without levels takes those of `network`.
        network: of the plan at hand; a classifier's is kept.

    Raises InputError: a `UNetEncoder` without levels, where `network` is no plain U-Net.
    """
    if network.get("name") == CLASSIFIER:
        return dict(network)
    name, options = name_and_options(encoder)
    if name == UNetEncoder.__name__ and not options:
        if network.get("name") != UNET:
            raise InputError(
                f"classifier: the plan's network is {network.get('name')}, of which {name} takes no levels: give it "
                "filters, strides and kernel_size"
            )
        known = signature(UNetEncoder).parameters  # the decoder's options apart
        options = {key: value for key, value in network.items() if key in known}
    return {"name": CLASSIFIER, "encoder": {"name": name, **options}}


def encoder_class(name: str) -> type[nn.Module]:
    """The class of an encoder. Raises InputError: there is none of this name."""
    if name not in ENCODERS:
        known = ", ".join(ENCODERS)
        raise InputError(f"classifier: there is no encoder {name!r}{did_you_mean(name, ENCODERS)}; there are {known}")
    return ENCODERS[name]
