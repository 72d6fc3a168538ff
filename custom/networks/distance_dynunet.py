"""BATseg's network: nnU-Net's U-Net with a second head for the surface distance field."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from ..errors import InputError
from .native_scale_dynunet import NativeScaleDynUNet, pointwise_head

BACKGROUND_LOGIT = -4.0  # sigmoid(-4) = 0.018: the field starts near 0, which almost every voxel's truth is


class DistanceDynUNet(NativeScaleDynUNet):
    """`NativeScaleDynUNet` with a distance head on the features that feed the segmentation head (BATseg, Fig. 1).

    The head is one convolution of kernel 1, without deep supervision; it is not computed in eval mode.

    Output in eval mode, and always when scripted: logits (batch, out_channels, *spatial).
    Output in training mode: (list of logits as in `NativeScaleDynUNet`, field (batch, distance_channels, *spatial)).

    Args:
        distance_channels: channels of the field: the number of classes, background (unsupervised) included; 1 for the
            class-agnostic field of the ablation; 0 for no head, which is nnU-Net's network (the baseline).
        distance_activation: "sigmoid" for the normalised field, in [0, 1], or "linear" for fields that are not
            normalised (ablation).
        spatial_dims, in_channels, out_channels, kernel_size, strides, filters, options: see `NativeScaleDynUNet`.
    """

    def __init__(
        self,
        spatial_dims: int,
        in_channels: int,
        out_channels: int,
        kernel_size: Sequence[Sequence[int] | int],
        strides: Sequence[Sequence[int] | int],
        filters: Sequence[int],
        distance_channels: int,
        distance_activation: str = "sigmoid",
        **options: Any,
    ) -> None:
        if distance_activation not in ("sigmoid", "linear"):
            raise InputError(
                f"DistanceDynUNet: distance_activation is {distance_activation!r}; use 'sigmoid' or 'linear'"
            )
        super().__init__(spatial_dims, in_channels, out_channels, kernel_size, strides, filters, **options)
        self.distance_activation = distance_activation
        bias = BACKGROUND_LOGIT if distance_activation == "sigmoid" else 0.0
        self.distance_head = (
            pointwise_head(spatial_dims, filters[0], distance_channels, bias) if distance_channels else None
        )

    @torch.jit.unused
    def training_output(self, logits: torch.Tensor, features: list[torch.Tensor]) -> Any:
        """The logits of every decoder level, finest first, and the distance field where there is a head."""
        scales = super().training_output(logits, features)
        if self.distance_head is None:
            return scales
        field = self.distance_head(features[0]).float()
        return scales, torch.sigmoid(field) if self.distance_activation == "sigmoid" else field
