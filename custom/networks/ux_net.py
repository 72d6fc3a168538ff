"""3D UX-Net: a U-shaped network whose encoder is of large depthwise convolutions."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from monai.networks.blocks import UnetOutBlock, UnetrBasicBlock, UnetrUpBlock
from torch import nn

from .channel_norm import ChannelNorm

LAYER_SCALE = 1e-6  # a block starts as the identity, nearly


class UXNet(nn.Module):
    """3D UX-Net (Lee et al., ICLR 2023).

    Sizes of the image: multiples of 2 for the stem and each stage (16 with four stages). No deep supervision. Output:
    logits (batch, out_channels, *sizes).

    Args:
        in_channels: channels of the image.
        out_channels: number of classes, background included.
        dims: channels of each encoder stage; the last convolution of the encoder has `hidden_size`.
        depths: blocks of each encoder stage.
        hidden_size: channels at the bottom.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        dims: Sequence[int] = (48, 96, 192, 384),
        depths: Sequence[int] = (2, 2, 2, 2),
        hidden_size: int = 768,
    ) -> None:
        super().__init__()
        self.stages, self.norms = nn.ModuleList(), nn.ModuleList()
        for stage, (dim, depth) in enumerate(zip(dims, depths, strict=True)):
            if stage == 0:
                smaller = [nn.Conv3d(in_channels, dim, 7, stride=2, padding=3), ChannelNorm(dim, eps=1e-6)]
            else:
                before = dims[stage - 1]
                smaller = [ChannelNorm(before, eps=1e-6), nn.Conv3d(before, dim, 2, stride=2)]
            self.stages.append(nn.Sequential(*smaller, *(UXBlock(dim) for _ in range(depth))))
            self.norms.append(ChannelNorm(dim, eps=1e-6))
        inputs, outputs = [in_channels, *dims], [*dims, hidden_size]
        options: dict[str, Any] = {"spatial_dims": 3, "kernel_size": 3, "norm_name": "instance", "res_block": True}
        self.skips = nn.ModuleList(
            UnetrBasicBlock(in_channels=i, out_channels=o, stride=1, **options)
            for i, o in zip(inputs, outputs, strict=True)
        )
        self.ups = nn.ModuleList(
            UnetrUpBlock(in_channels=above, out_channels=below, upsample_kernel_size=2, **options)
            for below, above in pairwise(outputs)
        )
        self.last = UnetrBasicBlock(in_channels=dims[0], out_channels=dims[0], stride=1, **options)
        self.head = UnetOutBlock(spatial_dims=3, in_channels=dims[0], out_channels=out_channels)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Logits of an image (batch, channels, *sizes)."""
        x, skips = image, [self.skips[0](image)]
        for stage, norm, skip in zip(self.stages, self.norms, self.skips[1:], strict=True):
            x = stage(x)
            skips.append(skip(norm(x)))
        x = skips.pop()
        for up in reversed(self.ups):
            x = up(x, skips.pop())
        return self.head(self.last(x))

    def size_multiple(self) -> list[int]:
        """The total stride, see `contract`."""
        return [2 ** len(self.stages)] * 3

    def segmentation_head(self) -> str:
        """Name of the module that the features enter."""
        return "head"


class UXBlock(nn.Module):
    """A depthwise convolution of kernel 7, LayerNorm, and per channel an expansion by 4 and back (Fig. 2)."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv3d(dim, dim, 7, padding=3, groups=dim),
            ChannelNorm(dim, eps=1e-6),
            nn.Conv3d(dim, 4 * dim, 1, groups=dim),
            nn.GELU(),
            nn.Conv3d(4 * dim, dim, 1, groups=dim),
        )
        self.scale = nn.Parameter(torch.full((dim, 1, 1, 1), LAYER_SCALE))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, dim, *sizes), the same shape."""
        return x + self.scale * self.layers(x)
