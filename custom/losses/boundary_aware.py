"""BATseg's boundary-aware loss between a predicted and a true surface distance field."""

import torch
import torch.nn.functional as F
from torch import nn

from ..errors import InputError

BASES = ("l1", "l2", "ce")
WEIGHTINGS = ("squared", "detached", "none")


class BoundaryAwareLoss(nn.Module):
    """A voxel-wise distance between fields, weighted by its own squared error (BATseg, Eq. 3; ablations of Group 4).

    With the defaults, (f - g)^2 * |f - g| averaged over voxels and foreground channels, in float32. The minus sign
    printed in Eq. 3 would make the loss unbounded below.

    Args:
        base: "l1" |f - g| (the paper's), "l2" (f - g)^2, or "ce" the binary cross-entropy of f against g, which needs
            both fields in [0, 1].
        weighting: "squared" multiplies by (f - g)^2, with gradient through both factors (the paper's); "detached" by
            the same factor without its gradient; "none" by nothing.
        bounded: whether the fields lie in [0, 1].
    """

    def __init__(self, base: str = "l1", weighting: str = "squared", bounded: bool = True) -> None:
        super().__init__()
        for name, value, choices in (("base", base, BASES), ("weighting", weighting, WEIGHTINGS)):
            if value not in choices:
                raise InputError(f"BoundaryAwareLoss: {name} is {value!r}; use one of {', '.join(choices)}")
        if base == "ce" and not bounded:
            raise InputError(
                "BoundaryAwareLoss: base 'ce' needs fields in [0, 1]: pass normalised, truncated, clipped ones"
            )
        self.base = base
        self.weighting = weighting

    def forward(self, prediction: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
        """The mean loss, a scalar.

        Args:
            prediction: predicted field (batch, channels, *spatial); channel 0 is background and not supervised, unless
                it is the only channel (class-agnostic field).
            truth: true field of the same shape.

        Raises InputError: when the shapes differ.
        """
        if prediction.shape != truth.shape:
            raise InputError(
                f"BoundaryAwareLoss: the predicted field is {tuple(prediction.shape)}, the true one "
                f"{tuple(truth.shape)}; distance_channels of the network must match SurfaceDistanceField"
            )
        with torch.autocast(prediction.device.type, enabled=False):
            return boundary_aware(foreground(prediction), foreground(truth), self.base, self.weighting).mean()


def foreground(field: torch.Tensor) -> torch.Tensor:
    """The supervised channels of a field (batch, channels, *spatial), in float32."""
    return (field[:, 1:] if field.shape[1] > 1 else field).float()


def boundary_aware(prediction: torch.Tensor, truth: torch.Tensor, base: str, weighting: str) -> torch.Tensor:
    """The loss of every voxel, of the shape of both fields."""
    error = prediction - truth
    if base == "ce":
        distance = F.binary_cross_entropy(prediction, truth, reduction="none")
    else:
        distance = error.abs() if base == "l1" else error.square()
    if weighting == "none":
        return distance
    weight = error.square()
    return distance * (weight.detach() if weighting == "detached" else weight)
