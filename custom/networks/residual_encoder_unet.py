"""nnU-Net's U-Net with a residual encoder (ResEnc): deeper towards the bottom, one convolution per decoder level."""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from monai.networks.blocks import Convolution
from monai.networks.layers.factories import Conv, Pool
from monai.networks.nets import DynUNet
from monai.utils import ensure_tuple_rep
from torch import nn
from torch.nn import functional as F

from ..errors import InputError
from ..plans.topology import residual_blocks

SLOPE = 0.01  # of LeakyReLU
Size = Sequence[int] | int


class ResidualEncoderUNet(nn.Module):
    """The network of nnU-Net's presets ResEnc-M, L and XL (Isensee et al., nnU-Net Revisited, MICCAI 2024).

    Output in eval mode: logits (batch, out_channels, *spatial). In training mode: a list of logits, finest first, one
    for every decoder level at its own resolution. The presets differ in the memory for patch and batch.

    Args:
        kernel_size: convolution kernel of each level, finest first.
        strides: stride of each level's first block; the first one is 1.
        filters: features of each level.
        blocks: residual blocks of each level; None: the presets' 1, 3, 4, 6, and 6 for each further level.
    """

    def __init__(
        self,
        spatial_dims: int,
        in_channels: int,
        out_channels: int,
        kernel_size: Sequence[Size],
        strides: Sequence[Size],
        filters: Sequence[int],
        blocks: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        blocks = residual_blocks(len(filters)) if blocks is None else blocks
        if not len(kernel_size) == len(strides) == len(filters) == len(blocks):
            raise InputError(
                f"ResidualEncoderUNet: kernel_size, strides, filters and blocks have {len(kernel_size)}, "
                f"{len(strides)}, {len(filters)} and {len(blocks)} entries; give each one per level"
            )
        self.dims, self.strides = spatial_dims, strides
        self.stem = unit(spatial_dims, in_channels, filters[0], kernel_size[0])
        levels = zip([filters[0], *filters[:-1]], filters, kernel_size, strides, blocks, strict=True)
        self.encoder = nn.ModuleList(
            nn.Sequential(
                ResidualBlock(spatial_dims, before, features, kernel, stride),
                *(ResidualBlock(spatial_dims, features, features, kernel, 1) for _ in range(count - 1)),
            )
            for before, features, kernel, stride, count in levels
        )
        transposed = Conv[Conv.CONVTRANS, spatial_dims]
        self.ups = nn.ModuleList(
            transposed(below, above, stride, stride)
            for (above, below), stride in zip(pairwise(filters), strides[1:], strict=True)
        )
        self.decoder = nn.ModuleList(
            unit(spatial_dims, 2 * features, features, kernel)
            for features, kernel in zip(filters[:-1], kernel_size[:-1], strict=True)
        )
        self.heads = nn.ModuleList(Conv[Conv.CONV, spatial_dims](one, out_channels, 1) for one in filters[:-1])
        self.apply(DynUNet.initialize_weights)
        for module in self.modules():  # as in nnU-Net every block begins as its shortcut alone
            if isinstance(module, ResidualBlock):
                nn.init.zeros_(module.get_parameter("convolutions.1.adn.N.weight"))

    def forward(self, x: torch.Tensor) -> Any:
        """Logits, or in training the list of logits of all decoder levels, finest first."""
        x = self.stem(x)
        skips: list[torch.Tensor] = []
        for stage in self.encoder:
            x = stage(x)
            skips.append(x)
        levels: list[torch.Tensor] = []
        for up, block, skip in zip(self.ups[::-1], self.decoder[::-1], skips[-2::-1], strict=True):
            x = block(torch.cat((up(x), skip), dim=1))
            levels.insert(0, x)
        if self.training:
            return [head(level) for head, level in zip(self.heads, levels, strict=True)]
        return self.heads[0](x)

    def size_multiple(self) -> list[int]:
        """The products of the strides, axis by axis, see `contract`."""
        return [math.prod(ensure_tuple_rep(one, self.dims)[axis] for one in self.strides) for axis in range(self.dims)]

    def supervision_scales(self) -> int:
        """Number of logits in training."""
        return len(self.heads)

    def segmentation_head(self) -> str:
        """Name of the module that makes the finest logits."""
        return "heads.0"


class ResidualBlock(nn.Module):
    """Two convolutions added to their input, which is averaged to a smaller size and projected to other features."""

    def __init__(self, dims: int, in_channels: int, features: int, kernel_size: Size, stride: Size) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            unit(dims, in_channels, features, kernel_size, stride),
            unit(dims, features, features, kernel_size, activated=False),
        )
        smaller = Pool[Pool.AVG, dims](stride, stride) if max(ensure_tuple_rep(stride, dims)) > 1 else nn.Identity()
        other = unit(dims, in_channels, features, 1, activated=False, bias=False)
        self.shortcut = nn.Sequential(smaller, other if in_channels != features else nn.Identity())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, in_channels, *sizes) -> (batch, features, *sizes / stride)."""
        return F.leaky_relu(self.convolutions(x) + self.shortcut(x), SLOPE)


def unit(
    dims: int,
    in_channels: int,
    features: int,
    kernel_size: Size,
    stride: Size = 1,
    activated: bool = True,
    bias: bool = True,
) -> Convolution:
    """Convolution, instance normalisation and LeakyReLU."""
    return Convolution(
        dims,
        in_channels,
        features,
        strides=stride,
        kernel_size=kernel_size,
        adn_ordering="NA" if activated else "N",
        act=("leakyrelu", {"inplace": True, "negative_slope": SLOPE}),
        norm=("INSTANCE", {"affine": True}),
        bias=bias,
    )
