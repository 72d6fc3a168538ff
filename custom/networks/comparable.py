"""Settings of other networks to compare with a plan's own on any data set: its levels, and a patch near its own."""

import math
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

from ..errors import InputError

LEVELS = ("filters", "strides", "kernel_size")
MORE_VOXELS = 1.05  # that a patch may have: within what memory is planned for


def same_levels(name: str, network: Mapping[str, Any]) -> dict[str, Any]:
    """An architecture with the features, strides and kernels of a plan's network.

    Raises InputError: the plan's network is none that states them.
    """
    missing = [key for key in LEVELS if not network.get(key)]
    if missing:
        raise InputError(
            f"the plan's network is {network.get('name')}, which states no {missing[0]}: give {name} its own "
            f"{', '.join(LEVELS)}"
        )
    return {"name": name, **{key: network[key] for key in LEVELS}}


def patch_in_multiples(patch_size: Sequence[int], multiple: int) -> list[int]:
    """The patch for a network that takes multiples alone, nearest to a plan's in shape and with no more voxels.

    It has two multiples along one axis at least, as networks cannot normalise a deepest feature map of a single voxel.

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
