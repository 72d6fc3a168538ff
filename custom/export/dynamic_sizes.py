"""Which image sizes an exported U-Net takes, as PyTorch's exporters are told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from torch.export import Dim

Strides = Sequence[Sequence[int] | int]
FEWEST = 2  # voxels at the lowest level: a program traced for any size takes no 1, which broadcasts


def multiples(strides: Strides) -> list[int]:
    """The numbers of which an image's sizes must be multiples, axis by axis: the products of the levels' strides.

    >>> multiples([1, [1, 2, 2], 2])
    [2, 4, 4]
    """
    return [int(total) for total in np.prod([np.broadcast_to(stride, 3) for stride in strides], axis=0)]


def least_sizes(strides: Strides, patch_size: Sequence[int]) -> list[int]:
    """The least sizes of an image, with which the network is traced; where the patch is smaller, that is the only size.

    >>> least_sizes([1, [1, 2, 2], 2], patch_size=[2, 32, 32])
    [2, 8, 8]
    """
    return [min(FEWEST * number, size) for number, size in zip(multiples(strides), patch_size, strict=True)]


def dynamic_sizes(strides: Strides, patch_size: Sequence[int]) -> dict[int, Any]:
    """Dimension -> how it may vary, of images (batch, channels, *sizes); dimensions left out are fixed."""
    sizes: dict[int, Any] = {0: Dim("batch", min=1)}
    for axis, (number, patch) in enumerate(zip(multiples(strides), patch_size, strict=True)):
        if patch >= FEWEST * number:
            sizes[axis + 2] = number * Dim(f"steps_{axis}", min=FEWEST)
    return sizes
