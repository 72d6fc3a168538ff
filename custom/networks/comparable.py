"""Settings of other networks to compare with a plan's own on any data set: its levels, and a patch near its own."""

import math
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

LEVELS = ("filters", "strides", "kernel_size")
MORE_VOXELS = 1.05  # that a patch may have, times the plan's: within what memory is planned for


def same_levels(name: str, network: Mapping[str, Any]) -> dict[str, Any]:
    """An architecture with the features, strides and kernels of a plan's network, as far as that states them."""
    return {"name": name, **{key: network[key] for key in LEVELS if key in network}}


def patch_in_multiples(patch_size: Sequence[int], multiple: int) -> list[int]:
    """The patch of multiples that is nearest to a plan's in shape and has at most 5 % more voxels.

    It has two multiples along one axis at least, as networks cannot normalise a deepest feature map of a single voxel;
    for a tiny plan that is more voxels.

    >>> patch_in_multiples([128, 128, 128], 32), patch_in_multiples([12, 256, 512], 32)
    ([128, 128, 128], [32, 160, 320])
    """
    most = MORE_VOXELS * math.prod(patch_size)
    axes = [range(multiple, max(patch_size) + multiple, multiple)] * len(patch_size)
    candidates = [list(sizes) for sizes in product(*axes) if max(sizes) > multiple and math.prod(sizes) <= most]
    if not candidates:
        longest = max(range(len(patch_size)), key=lambda axis: patch_size[axis])
        return [multiple * (2 if axis == longest else 1) for axis in range(len(patch_size))]

    def distance(sizes: Sequence[int]) -> float:
        return sum(math.log(size / wanted) ** 2 for size, wanted in zip(sizes, patch_size, strict=True))

    return min(candidates, key=distance)
