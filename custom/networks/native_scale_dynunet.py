"""nnU-Net's plain U-Net with deep supervision at the native scale of every decoder level."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from monai.networks.blocks.dynunet_block import UnetOutBlock
from monai.networks.nets import DynUNet
from torch import nn

from ..errors import InputError


class NativeScaleDynUNet(DynUNet):
    """`DynUNet` whose supervision heads answer at their own resolution, and whose weights always load.

    MONAI's `DynUNet(deep_supervision=True)` resizes every head to full size and stacks them, keeps its heads as Python
    state that cannot be scripted, and its checkpoint does not load strictly without deep supervision. Here the heads
    are always built and only used in training.

    Input: (batch, in_channels, *spatial); each spatial size is a multiple of the product of its strides.
    Output in eval mode, and always when scripted: logits (batch, out_channels, *spatial).
    Output in training mode: a list of logits, finest first, one for every decoder level (`len(strides) - 1` of them),
    level i at the resolution of encoder level i - what `monai.losses.DeepSupervisionLoss` takes.

    Args:
        spatial_dims: 2 or 3.
        in_channels: channels of the image.
        out_channels: number of classes, background included.
        kernel_size: convolution kernel of each level, finest first.
        strides: stride of each level's first convolution; the first one is 1.
        filters: features of each level.
        options: further arguments of `monai.networks.nets.DynUNet`.
    """

    def __init__(
        self,
        spatial_dims: int,
        in_channels: int,
        out_channels: int,
        kernel_size: Sequence[Sequence[int] | int],
        strides: Sequence[Sequence[int] | int],
        filters: Sequence[int],
        **options: Any,
    ) -> None:
        super().__init__(
            spatial_dims=spatial_dims,
            in_channels=in_channels,
            out_channels=out_channels,
            kernel_size=kernel_size,
            strides=strides,
            upsample_kernel_size=strides[1:],
            filters=filters,
            trans_bias=options.pop("trans_bias", True),  # as in nnU-Net
            **options,
        )
        # the same modules under a second name, which would double the keys of every checkpoint
        del self.skip_layers
        self.supervision_heads = nn.ModuleList(self.get_output_block(level) for level in range(1, len(strides) - 1))
        self.supervision_heads.apply(self.initialize_weights)

    def forward(self, x: torch.Tensor) -> Any:
        """Logits, or in training the list of logits of all decoder levels, finest first."""
        features = self.decode(x)
        logits = self.output_block(features[0])
        if self.training and not torch.jit.is_scripting():
            return self.training_output(logits, features)
        return logits

    def decode(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Decoder features (batch, filters[i], *spatial / strides) of every level i, finest first."""
        x = self.input_block(x)
        skips = [x]
        for downsample in self.downsamples:
            x = downsample(x)
            skips.append(x)
        x = self.bottleneck(x)
        features: list[torch.Tensor] = []
        for upsample in self.upsamples:
            x = upsample(x, skips.pop())
            features.insert(0, x)
        return features

    @torch.jit.unused
    def training_output(self, logits: torch.Tensor, features: list[torch.Tensor]) -> Any:
        """The logits of every decoder level, finest first."""
        return [logits] + [head(level) for head, level in zip(self.supervision_heads, features[1:], strict=True)]

    def shared_parameters(self) -> list[nn.Parameter]:
        """Parameters of the finest decoder block: the last that the finest logits and a distance head share."""
        return list(self.upsamples[-1].parameters())


def check_patch_size(patch_size: Sequence[int], strides: Sequence[Sequence[int] | int]) -> None:
    """Refuse a patch that the network cannot halve evenly.

    Raises:
        InputError: naming the axis' size and the multiple it must be.
    """
    total = [math.prod(stride if isinstance(stride, int) else stride[axis] for stride in strides) for axis in (0, 1, 2)]
    if any(size % multiple for size, multiple in zip(patch_size, total, strict=True)):
        raise InputError(
            f"patch_size {list(patch_size)} does not fit the strides: pass multiples of {total}, axis by axis"
        )


def pointwise_head(spatial_dims: int, in_channels: int, out_channels: int, bias: float) -> UnetOutBlock:
    """One convolution of kernel 1 with a given initial bias."""
    head = UnetOutBlock(spatial_dims, in_channels, out_channels)
    head.apply(DynUNet.initialize_weights)
    nn.init.constant_(head.conv.conv.bias, bias)
    return head
