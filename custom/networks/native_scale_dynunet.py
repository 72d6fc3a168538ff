"""nnU-Net's plain U-Net with deep supervision at the native scale of every decoder level."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from monai.networks.blocks import Convolution
from monai.networks.blocks.dynunet_block import UnetUpBlock
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
        kernel_size: convolution kernel of each level, finest first.
        strides: stride of each level's first convolution; the first one is 1.
        filters: features of each level.
        convolutions: convolutions of each encoder and decoder level, each followed by normalisation and activation.
        decoder_kernel_size: convolution kernel of each decoder level, finest first. None: those of the encoder's level,
            as in nnU-Net; MONAI's own are `kernel_size[1:]`, those of the level below.
        norm_name, act_name, dropout, res_block: as in `monai.networks.nets.DynUNet`.
        trans_bias: whether transposed convolutions have a bias, as in nnU-Net.
    """

    def __init__(
        self,
        spatial_dims: int,
        in_channels: int,
        out_channels: int,
        kernel_size: Sequence[Sequence[int] | int],
        strides: Sequence[Sequence[int] | int],
        filters: Sequence[int],
        convolutions: int = 2,
        decoder_kernel_size: Sequence[Sequence[int] | int] | None = None,
        norm_name: Any = ("INSTANCE", {"affine": True}),
        act_name: Any = ("leakyrelu", {"inplace": True, "negative_slope": 0.01}),
        dropout: Any = None,
        res_block: bool = False,
        trans_bias: bool = True,
    ) -> None:
        if not all(isinstance(levels, list | tuple) and len(levels) > 2 for levels in (filters, strides, kernel_size)):
            raise InputError("NativeScaleDynUNet: filters, strides and kernel_size are lists of three levels or more")
        if convolutions < 2:
            raise InputError(f"NativeScaleDynUNet: convolutions is {convolutions}; give 2 or more per level")
        if decoder_kernel_size is not None and len(decoder_kernel_size) != len(strides) - 1:
            raise InputError(
                f"NativeScaleDynUNet: decoder_kernel_size has {len(decoder_kernel_size)} entries; "
                f"give one per decoder level, {len(strides) - 1}"
            )
        # before the constructor, which builds the decoder from it
        self.decoder_kernel_size = kernel_size[:-1] if decoder_kernel_size is None else decoder_kernel_size
        super().__init__(
            spatial_dims=spatial_dims,
            in_channels=in_channels,
            out_channels=out_channels,
            kernel_size=kernel_size,
            strides=strides,
            upsample_kernel_size=strides[1:],
            filters=filters,
            norm_name=norm_name,
            act_name=act_name,
            dropout=dropout,
            res_block=res_block,
            trans_bias=trans_bias,
        )
        # the same modules under a second name, which would double the keys of every checkpoint
        del self.skip_layers
        self.supervision_heads = nn.ModuleList(self.get_output_block(level) for level in range(1, len(strides) - 1))
        self.supervision_heads.apply(self.initialize_weights)
        if convolutions > 2:
            self.add_convolutions(convolutions - 2)

    def get_upsamples(self) -> nn.ModuleList:
        """The decoder's blocks, coarsest first, with the decoder's own kernels."""
        return self.get_module_list(
            list(self.filters[:0:-1]),
            list(self.filters[-2::-1]),
            self.decoder_kernel_size[::-1],
            self.strides[:0:-1],
            UnetUpBlock,  # type: ignore[arg-type]
            self.upsample_kernel_size[::-1],
            trans_bias=self.trans_bias,
        )

    def add_convolutions(self, extra: int) -> None:
        """Let each block of the encoder and the decoder be followed by `extra` convolutions of its own kernel.

        MONAI's blocks have two units of convolution, normalisation and activation, and no option for more.
        """
        unit: dict[str, Any] = {"adn_ordering": "DNA", "act": self.act_name, "norm": self.norm_name, "bias": False}

        def longer(block: nn.Module, level: int, kernel_size: Sequence[int] | int) -> nn.Sequential:
            options = {**unit, "kernel_size": kernel_size, "dropout": self.dropout}
            features = self.filters[level]
            added = [Convolution(self.spatial_dims, features, features, **options) for _ in range(extra)]
            return nn.Sequential(block, *(one.apply(self.initialize_weights) for one in added))

        deepest = len(self.strides) - 1
        self.input_block = longer(self.input_block, 0, self.kernel_size[0])
        for level in range(1, deepest):
            self.downsamples[level - 1] = longer(self.downsamples[level - 1], level, self.kernel_size[level])
        self.bottleneck = longer(self.bottleneck, deepest, self.kernel_size[deepest])
        for level, upsample in enumerate(reversed(self.upsamples)):
            upsample.conv_block = longer(upsample.conv_block, level, self.decoder_kernel_size[level])

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

    def size_multiple(self) -> list[int]:
        """The numbers, axis by axis, of which an image's sizes must be multiples: the products of the strides."""
        axes = range(self.spatial_dims)
        return [math.prod(one if isinstance(one, int) else one[axis] for one in self.strides) for axis in axes]

    def supervision_scales(self) -> int:
        """Number of logits in training, one for every decoder level."""
        return len(self.supervision_heads) + 1

    def shared_parameters(self) -> list[nn.Parameter]:
        """Parameters of the finest decoder block: the last that the finest logits and a distance head share."""
        return list(self.upsamples[-1].parameters())
