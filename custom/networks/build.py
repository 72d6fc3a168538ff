"""A network from its description in a plan."""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from monai.networks import nets
from torch import nn

from ..errors import InputError
from ..nearest_name import did_you_mean
from .contract import check_patch_size
from .distance_head import Activation, DistanceHead
from .native_scale_dynunet import NativeScaleDynUNet
from .nnformer import NNFormer
from .residual_encoder_unet import ResidualEncoderUNet
from .ux_net import UXNet

OWN_NETWORKS: dict[str, type[nn.Module]] = {
    one.__name__: one for one in (NativeScaleDynUNet, NNFormer, ResidualEncoderUNet, UXNet)
}
# those of monai.networks.nets that are for segmentation, and whose making computes and downloads nothing
MONAI_NETWORKS = (
    "AttentionUnet",
    "BasicUNet",
    "DynUNet",
    "FlexibleUNet",
    "MedNeXt",
    "SegResNet",
    "SegResNetDS",
    "SwinUNETR",
    "UNet",
    "UNETR",
    "VNet",
)
NAME = "name"
GIVEN = ("in_channels", "out_channels", "spatial_dims", "img_size")  # by the rest of a plan
DOWNLOADING = "pretrained"
DROPOUT = ("dropout", "dropout_prob", "dropout_rate", "drop_rate")  # what classes call it


def build_network(
    architecture: Mapping[str, Any],
    in_channels: int,
    out_channels: int,
    patch_size: Sequence[int],
    distance_channels: int = 0,
    distance_activation: Activation = "sigmoid",
    dropout: float | None = None,
) -> nn.Module:
    """The network that an architecture describes, with a distance head where `distance_channels` is not 0.

    An architecture is data, so that a plan which came with someone's weights runs no other code than the networks'.

    Args:
        architecture: `name`, one of `OWN_NETWORKS` and `MONAI_NETWORKS`, and options of its class, which are numbers,
            words and lists, e.g. `{"name": "SwinUNETR", "feature_size": 24}`.
        out_channels: number of classes, background included.
        distance_channels: channels of the distance field, see `DistanceHead`; 0 for no such head.
        distance_activation: likewise.
        dropout: dropout, under the class's own name for it; MONAI Label's epistemic scoring passes it.

    Raises InputError: there is no such network, an option is none of its own or unusable, or the patch does not fit it.
    """
    name, options = name_and_options(architecture)
    kind = network_class(name)
    known = list(inspect.signature(kind).parameters)
    for option in options:
        refuse_option(option, name, known)
    given = {"in_channels": in_channels, "out_channels": out_channels, "spatial_dims": 3, "img_size": tuple(patch_size)}
    options |= {key: value for key, value in given.items() if key in known}
    if dropout is not None:
        options[dropout_option(known, name)] = dropout
    network = made_network(kind, options)
    check_patch_size(network, patch_size)
    return DistanceHead(network, distance_channels, distance_activation) if distance_channels else network


def name_and_options(architecture: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """The name of a network and its options, all plain values.

    Raises InputError: there is no name, or a value could be code.
    """
    if not isinstance(architecture, Mapping) or not isinstance(architecture.get(NAME), str):
        raise InputError(f"architecture is {architecture!r}: give a network's {NAME} and its options, as key: value")
    for key, value in architecture.items():
        refuse_code(str(key), value)
    return architecture[NAME], {str(key): value for key, value in architecture.items() if key != NAME}


def refuse_code(option: str, value: Any) -> None:
    """Raise an `InputError` where an option is, or holds, something else than numbers and words."""
    if isinstance(value, Mapping):
        for key, one in value.items():
            refuse_code(option, key)
            refuse_code(option, one)
    elif isinstance(value, list | tuple):
        for one in value:
            refuse_code(option, one)
    elif not isinstance(value, str | int | float | None) or (isinstance(value, str) and value[:1] in ("$", "@", "_")):
        raise InputError(
            f"architecture: {option} holds {value!r}; give numbers, words or lists of them, no expressions"
        )


def network_class(name: str) -> type[nn.Module]:
    """The class of a network. Raises InputError: none has this name; the nearest is named."""
    known = (*OWN_NETWORKS, *MONAI_NETWORKS)
    if name not in known:
        raise InputError(
            f"architecture: there is no network {name!r}{did_you_mean(name, known)}; there are {', '.join(known)}"
        )
    kind: type[nn.Module] = OWN_NETWORKS[name] if name in OWN_NETWORKS else getattr(nets, name)
    return kind


def refuse_option(option: str, name: str, known: Sequence[str]) -> None:
    """Raise an `InputError` where a network has no such option, or a plan may not set it."""
    if option in GIVEN:
        raise InputError(f"architecture: leave out {option} of {name}: it follows from the channels, classes and patch")
    if option == DOWNLOADING:
        raise InputError(f"architecture: leave out {option} of {name}, with which it would download weights")
    if option not in known:
        raise InputError(f"architecture: {name} has no option {option!r}{did_you_mean(option, known)}")


def dropout_option(known: Sequence[str], name: str) -> str:
    """What a class calls its dropout. Raises InputError: it has none."""
    for option in DROPOUT:
        if option in known:
            return option
    raise InputError(f"architecture: {name} has no dropout")


def made_network(kind: type[nn.Module], options: Mapping[str, Any]) -> nn.Module:
    """A network of these options. Raises InputError: it does not take them, or a package is missing."""
    needed = [name for name, one in inspect.signature(kind).parameters.items() if one.default is one.empty]
    if missing := [name for name in needed if name not in options]:
        raise InputError(f"architecture: {kind.__name__} needs {' and '.join(missing)}")
    try:
        return kind(**options)
    except InputError:
        raise
    except Exception as error:  # whatever a network says of its options, an assertion or a missing package included
        reason = " ".join(str(error).split("\n\n")[0].split()) or type(error).__name__
        given = ", ".join(f"{key} {value}" for key, value in options.items())
        raise InputError(f"architecture: {kind.__name__} cannot be made with {given}: {reason}") from error
