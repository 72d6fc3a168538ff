"""More than two convolutions per level of a U-Net."""

from collections.abc import Sequence
from typing import Any

import torch
from monai.networks.blocks import Convolution
from torch import nn


class StackedConvolutions(nn.Module):
    """A block followed by more units of convolution, normalisation and activation at its own resolution and features.

    MONAI's U-Net blocks have two such units and no option for more.

    Args:
        extra: number of units added.
        channels: features in and out of each unit.
        kernel_size: convolution kernel, odd on every axis.
    """

    def __init__(
        self,
        block: nn.Module,
        extra: int,
        spatial_dims: int,
        channels: int,
        kernel_size: Sequence[int] | int,
        norm_name: Any,
        act_name: Any,
        dropout: Any = None,
    ) -> None:
        super().__init__()
        self.block = block
        self.added = nn.Sequential(
            *(
                Convolution(
                    spatial_dims,
                    channels,
                    channels,
                    kernel_size=kernel_size,
                    adn_ordering="DNA",
                    act=act_name,
                    norm=norm_name,
                    dropout=dropout,
                    bias=False,
                )
                for _ in range(extra)
            )
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Features (batch, channels, *spatial) of the block's output."""
        features: torch.Tensor = self.added(self.block(x))
        return features
