"""nnFormer: a U-shaped network of Swin transformer blocks whose decoder attends to the encoder's features."""

from collections.abc import Sequence

import numpy as np
import torch
from monai.networks.blocks import MLPBlock
from monai.networks.layers import DropPath
from monai.networks.nets.swin_unetr import (
    BasicLayer,
    WindowAttention,
    get_window_size,
    window_partition,
    window_reverse,
)
from torch import nn
from torch.nn import functional as F

from .channel_norm import ChannelNorm

MLP_RATIO = 4
PATCH = 4  # voxels along an axis that the embedding makes one token of


class NNFormer(nn.Module):
    """nnFormer (Zhou et al., IEEE Trans. Image Processing 2023), in the setting for tumours.

    Sizes of the image: multiples of 4 times 2 for each further stage (32 with four stages); windows that do not fit are
    padded. No deep supervision. Output: logits (batch, out_channels, *sizes).

    Args:
        in_channels: channels of the image.
        out_channels: number of classes, background included.
        embed_dim: channels of the first stage; every further one has twice as many.
        depths: transformer blocks of each stage; the decoder has as many.
        num_heads: attention heads of each stage.
        window_size: tokens along an axis of each stage's windows.
        drop_path_rate: the last encoder block's chance of being left out in training; it rises to it linearly.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        embed_dim: int = 96,
        depths: Sequence[int] = (2, 2, 2, 2),
        num_heads: Sequence[int] = (3, 6, 12, 24),
        window_size: Sequence[int] = (4, 4, 8, 4),
        drop_path_rate: float = 0.2,
    ) -> None:
        super().__init__()
        self.in_channels = in_channels
        dims = [embed_dim * 2**stage for stage in range(len(depths))]
        rates = np.linspace(0, drop_path_rate, sum(depths)).tolist()
        half = embed_dim // 2
        self.embedding = nn.Sequential(
            *strided_step(in_channels, half),
            nn.GELU(),
            ChannelNorm(half),
            *strided_step(half, embed_dim),
            ChannelNorm(embed_dim),
        )
        self.encoder, self.norms, self.down = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        self.decoder, self.up = nn.ModuleList(), nn.ModuleList()
        for stage, (dim, depth, heads, window) in enumerate(zip(dims, depths, num_heads, window_size, strict=True)):
            first = sum(depths[:stage])
            self.encoder.append(swin_blocks(dim, depth, heads, window, rates[first : first + depth]))
            self.norms.append(ChannelNorm(dim))
            if stage + 1 < len(dims):
                self.down.append(nn.Sequential(nn.GELU(), ChannelNorm(dim), strided_convolution(dim, 2 * dim)))
                self.up.append(nn.Sequential(ChannelNorm(2 * dim), nn.ConvTranspose3d(2 * dim, dim, 2, stride=2)))
                self.decoder.append(DecoderStage(dim, depth, heads, window, rates[first : first + depth]))
        self.head = nn.ConvTranspose3d(embed_dim, out_channels, PATCH, stride=PATCH)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Logits of an image (batch, channels, *sizes)."""
        x = self.embedding(image)
        skips = []
        for blocks, norm, down in zip(self.encoder, self.norms, (*self.down, None), strict=True):
            x = blocks(x)
            skips.append(norm(x))
            x = down(x) if down else x
        x = skips.pop()
        for up, decode in zip(reversed(self.up), reversed(self.decoder), strict=True):
            x = decode(up(x), skips.pop())
        return self.head(x)

    def size_multiple(self) -> list[int]:
        """The total stride, see `contract`."""
        return [PATCH * 2 ** len(self.down)] * 3


class DecoderStage(nn.Module):
    """A block that attends from the upsampled features to the encoder's, then shifted Swin blocks."""

    def __init__(self, dim: int, depth: int, heads: int, window: int, drop_path: Sequence[float]) -> None:
        super().__init__()
        self.cross = CrossAttentionBlock(dim, heads, window, drop_path[0])
        # one layer more than needed, as MONAI's shift every second one, of which the first is not run
        self.swin = swin_blocks(dim, depth, heads, window, drop_path)
        self.swin.blocks = self.swin.blocks[1:]

    def forward(self, upsampled: torch.Tensor, skip: torch.Tensor) -> torch.Tensor:
        """Features (batch, dim, *sizes) of both kinds -> features of the same shape."""
        return self.swin(self.cross(upsampled, skip))


class CrossAttentionBlock(nn.Module):
    """Within each window, the upsampled features ask and the encoder's features answer (section III-D)."""

    def __init__(self, dim: int, heads: int, window: int, drop_path: float) -> None:
        super().__init__()
        self.window = (window,) * 3
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.attention = CrossWindowAttention(dim, heads, self.window)
        self.drop_path = DropPath(drop_path)
        self.mlp = MLPBlock(dim, MLP_RATIO * dim, act="GELU", dropout_mode="swin")

    def forward(self, upsampled: torch.Tensor, skip: torch.Tensor) -> torch.Tensor:
        """(batch, dim, *sizes) of both kinds -> (batch, dim, *sizes)."""
        queries, answers = upsampled.movedim(1, -1), skip.movedim(1, -1)
        x = queries + answers
        x = x + self.drop_path(self.attend(self.norm1(queries), self.norm1(answers)))
        x = x + self.drop_path(self.mlp(self.norm2(x)))
        return x.movedim(-1, 1)

    def attend(self, queries: torch.Tensor, answers: torch.Tensor) -> torch.Tensor:
        """Attention window by window, of features (batch, *sizes, dim); at the far ends windows are padded."""
        sizes = queries.shape[1:4]
        window = get_window_size(sizes, self.window)
        missing = [-size % width for size, width in zip(sizes, window, strict=True)]
        padding = (0, 0, 0, missing[2], 0, missing[1], 0, missing[0])
        queries, answers = F.pad(queries, padding), F.pad(answers, padding)
        asked = self.attention(window_partition(queries, window), window_partition(answers, window))
        whole = window_reverse(asked.reshape(-1, *window, asked.shape[-1]), window, queries.shape[:4])
        return whole[:, : sizes[0], : sizes[1], : sizes[2]]


class CrossWindowAttention(WindowAttention):
    """MONAI's window attention with its relative position bias, asked by other tokens than it looks at."""

    relative_position_index: torch.Tensor

    def __init__(self, dim: int, heads: int, window: Sequence[int]) -> None:
        super().__init__(dim, heads, window, qkv_bias=True)
        self.qkv = nn.Linear(dim, 2 * dim)  # keys and values; the queries are the features as they are

    def forward(self, queries: torch.Tensor, answers: torch.Tensor) -> torch.Tensor:
        """Tokens (windows, tokens, dim) of both kinds -> (windows, tokens, dim)."""
        windows, tokens, dim = queries.shape
        heads = (windows, tokens, self.num_heads, dim // self.num_heads)
        query = queries.view(heads).transpose(1, 2)
        key, value = (part.view(heads).transpose(1, 2) for part in self.qkv(answers).chunk(2, dim=-1))
        index = self.relative_position_index[:tokens, :tokens].reshape(-1)
        bias = self.relative_position_bias_table[index].view(1, tokens, tokens, -1).permute(0, 3, 1, 2)
        attended = F.scaled_dot_product_attention(query, key, value, attn_mask=bias.to(query.dtype))
        return self.proj(attended.transpose(1, 2).reshape(windows, tokens, dim))


def strided_step(in_channels: int, channels: int) -> list[nn.Module]:
    """Half of the embedding: a convolution of stride 2 and one of stride 1, GELU and LayerNorm between."""
    smaller = strided_convolution(in_channels, channels)
    return [smaller, nn.GELU(), ChannelNorm(channels), nn.Conv3d(channels, channels, 3, padding=1)]


def strided_convolution(in_channels: int, out_channels: int) -> nn.Conv3d:
    """Halves the sizes."""
    return nn.Conv3d(in_channels, out_channels, 3, stride=2, padding=1)


def swin_blocks(dim: int, depth: int, heads: int, window: int, drop_path: Sequence[float]) -> BasicLayer:
    """Swin blocks of which every second one has shifted windows."""
    return BasicLayer(
        dim, depth, heads, (window,) * 3, list(drop_path), mlp_ratio=MLP_RATIO, qkv_bias=True, norm_layer=nn.LayerNorm
    )
