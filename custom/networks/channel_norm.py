"""LayerNorm for feature maps."""

import torch
from torch import nn


class ChannelNorm(nn.LayerNorm):
    """LayerNorm over the channels of (batch, channels, *sizes)."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The same shape."""
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)
