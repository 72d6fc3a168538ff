"""BATseg's second head, for the surface distance field, on any network."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

import torch
from monai.networks.layers.factories import Conv
from torch import nn
from torch.nn import functional as F

from ..errors import InputError
from .contract import feature_channels, segmentation_head, with_features
from .dry_run import spatial_dims

logger = logging.getLogger(__name__)

Activation = Literal["sigmoid", "linear"]
FIELD_RESPONSE = "field_response"  # in a plan's "training": class -> response
JOINT = "foreground"  # the name of the union of all classes
BOUNDS = ("field_normalize", "field_truncate", "field_clip")  # options of which none may be off for a field in [0, 1]
BACKGROUND_LOGIT = -4.0  # sigmoid(-4) = 0.018: the field starts near 0, which almost every voxel's truth is
LEAST_RESPONSE = 0.02  # of a class that has been learnt: with less, the field is no higher inside than it began


class DistanceHead(nn.Module):
    """A network with a distance head on the features that enter its segmentation head (BATseg, Fig. 1).

    The head is one convolution of kernel 1, without deep supervision; it is not computed in eval mode. Where
    features are coarser than logits, as in `monai.networks.nets.UNet`, the field is interpolated to the logits' size.
    `LogitsAndField` computes it in eval mode, too.

    Output in eval mode, and always when scripted: the network's, logits (batch, out_channels, *sizes).
    Output in training mode: (the network's logits or list of logits, field (batch, channels, *sizes) in float32).

    Args:
        network: the network, see `contract`.
        channels: channels of the field: the number of classes, background (unsupervised) included; 1 for the
            class-agnostic field of the ablation.
        activation: "sigmoid" for the normalised field, in [0, 1], or "linear" for fields that are not normalised
            (ablation).

    Raises InputError: there is no such activation, or the network has no features to share.
    """

    def __init__(self, network: nn.Module, channels: int, activation: Activation = "sigmoid") -> None:
        super().__init__()
        if activation not in get_args(Activation):
            raise InputError(f"DistanceHead: activation is {activation!r}; use 'sigmoid' or 'linear'")
        self.network = network
        self.activation = activation
        self.segmentation_head = segmentation_head(network)
        self.head = Conv[Conv.CONV, spatial_dims(network)](feature_channels(network), channels, kernel_size=1)
        nn.init.kaiming_normal_(self.head.weight, a=0.01)
        nn.init.constant_(self.head.bias, BACKGROUND_LOGIT if activation == "sigmoid" else 0.0)

    def forward(self, image: torch.Tensor) -> Any:
        """Logits, or in training the network's answer and the field."""
        if self.training and not torch.jit.is_scripting():
            return self.training_output(image)
        return self.network(image)

    @torch.jit.unused
    def training_output(self, image: torch.Tensor) -> Any:
        """The network's logits, or list of logits, and the distance field."""
        logits, features = with_features(self.network, self.segmentation_head, image)
        field = self.head(features).float()
        if field.shape[2:] != image.shape[2:]:
            mode = "trilinear" if field.dim() == 5 else "bilinear"
            field = F.interpolate(field, size=image.shape[2:], mode=mode, align_corners=False)
        return logits, torch.sigmoid(field) if self.activation == "sigmoid" else field

    def wrapped_network(self) -> nn.Module:
        """The network itself, which `contract` asks."""
        return self.network


class LogitsAndField(nn.Module):
    """A network with a distance head as one that answers with one tensor: its logits, then the field of any class.

    That is the largest of the classes' fields, each divided by how much of the true field the head answers in training,
    where it has learnt the class, and 1 at most: how deep inside of anything a voxel lies, whatever its class. For
    predictions that look at the field: both are averaged over windows and mirrors in the same way.

    Args:
        network: a `DistanceHead` of any network.
        response: of each class, or one for a joint field, see `field_response`; not known: 1.
    """

    def __init__(self, network: nn.Module, response: Sequence[float | None]) -> None:
        super().__init__()
        self.network = network
        self.response = [one if one is not None and one >= LEAST_RESPONSE else 1.0 for one in response]

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """(batch, classes + 1, *sizes), float32."""
        logits, field = self.network.training_output(image)  # type: ignore[operator]
        fields = field[:, -len(self.response) :]  # the first of several channels is that of background
        response = fields.new_tensor(self.response).reshape(-1, *[1] * (fields.dim() - 2))
        any_class = (fields / response).amax(dim=1, keepdim=True).clamp(max=1)
        return torch.cat((logits if isinstance(logits, torch.Tensor) else logits[0], any_class), dim=1).float()


def field_response(plan: Mapping[str, Any]) -> list[float | None]:
    """How much of the true field a trained head answers in each class, as its training found; one for a joint field.

    None: not known, as no patch of the last epoch had the class, or the training was of an earlier version.
    """
    found = plan["training"].get(FIELD_RESPONSE) or {}
    joint = JOINT in found and JOINT not in plan["classes"]
    return [found[JOINT]] if joint else [found.get(name) for name in plan["classes"]]


def unlearnt_classes(plan: Mapping[str, Any]) -> list[int]:
    """Ids of the classes whose field a trained head has not learnt, so that it can confirm nothing of them."""
    classes, response = range(1, len(plan["classes"]) + 1), field_response(plan)
    of_class = response if len(response) == len(classes) else response * len(classes)  # a joint field's
    return [one for one, found in zip(classes, of_class, strict=True) if found is not None and found < LEAST_RESPONSE]


def require_distance_field(wanted: bool, network: nn.Module, plan: Mapping[str, Any], source: str) -> None:
    """Refuse a consensus that a network cannot give, and warn of one whose scale is not known.

    Args:
        wanted: whether it is asked for.
        plan: that next to the weights, whose "training" has the options of the training.
        source: the file of the weights, for the message.

    Raises InputError: the network has no distance head, or its field does not lie in [0, 1].
    """
    if not wanted:
        return
    remedy = "leave --consensus out, or pass weights of a training with the method's own field"
    if not isinstance(network, DistanceHead):
        raise InputError(f"--consensus true: the network of {source} has no distance head; {remedy}")
    off = [option for option in BOUNDS if not plan["training"].get(option, True)]
    if off:
        raise InputError(
            f"--consensus true: {source} was trained with {off[0]} false, so its field has no scale; {remedy}"
        )
    if None in field_response(plan):
        logger.warning(
            "--consensus true: the plan next to %s does not say how much of its field it answers in every class "
            "(field_response): compare the label maps with those without consensus",
            source,
        )
    if unlearnt := unlearnt_classes(plan):
        names = ", ".join(plan["classes"][one - 1] for one in unlearnt)
        logger.warning(
            "--consensus true: the distance head of %s has not learnt %s, which is left as it is", source, names
        )
