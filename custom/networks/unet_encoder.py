"""The encoder of nnU-Net's plain U-Net as a network of its own: one feature vector for each scan."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from .native_scale_dynunet import NativeScaleDynUNet


class UNetEncoder(nn.Module):
    """Means over the scan of the deepest features of a `NativeScaleDynUNet` without its decoder.

    Args:
        in_channels: channels of the image.
        filters, strides, kernel_size: of each level, finest first.
        convolutions, dropout, res_block: as in `NativeScaleDynUNet`.
    """

    def __init__(
        self,
        in_channels: int,
        filters: Sequence[int],
        strides: Sequence[Sequence[int] | int],
        kernel_size: Sequence[Sequence[int] | int],
        convolutions: int = 2,
        dropout: Any = None,
        res_block: bool = False,
    ) -> None:
        super().__init__()
        options: dict[str, Any] = {"convolutions": convolutions, "dropout": dropout, "res_block": res_block}
        whole = NativeScaleDynUNet(3, in_channels, 2, kernel_size, strides, filters, **options)
        self.levels = nn.Sequential(whole.input_block, *whole.downsamples, whole.bottleneck)
        self.features = filters[-1]

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """(batch, in_channels, *sizes) of any sizes -> (batch, features)."""
        return self.levels(image).flatten(2).mean(2)
