"""Which image sizes an exported network takes, in the form PyTorch's exporters take."""

from collections.abc import Sequence
from typing import Any

from torch.export import Dim

FEWEST = 2  # voxels at the lowest level: a program traced for any size takes no 1, which broadcasts


def least_sizes(multiple: Sequence[int], patch_size: Sequence[int]) -> list[int]:
    """The least sizes of an image, with which the network is traced; where the patch is smaller, that is the only size.

    The sizes must be multiples of `multiple` (`networks.size_multiple`).

    >>> least_sizes([2, 4, 4], patch_size=[2, 32, 32])
    [2, 8, 8]
    """
    return [min(FEWEST * number, size) for number, size in zip(multiple, patch_size, strict=True)]


def dynamic_sizes(multiple: Sequence[int], patch_size: Sequence[int]) -> dict[int, Any]:
    """Dimension -> how it may vary, of images (batch, channels, *sizes); dimensions left out are fixed."""
    sizes: dict[int, Any] = {0: Dim("batch", min=1)}
    for axis, (number, patch) in enumerate(zip(multiple, patch_size, strict=True)):
        if patch >= FEWEST * number:
            sizes[axis + 2] = number * Dim(f"steps_{axis}", min=FEWEST)
    return sizes
