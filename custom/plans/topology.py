"""Levels of a U-Net for a patch and a spacing, and how large its feature maps are: nnU-Net v2.8.1's rules."""

import math
from collections.abc import Sequence
from typing import NamedTuple

SMALLEST_EDGE = 4  # voxels of a feature map
LARGEST_RATIO = 2  # an axis is pooled, and convolved, while its spacing is less than this times the finest
FIRST_FEATURES = 32
MOST_FEATURES = 320
RESIDUAL_BLOCKS = (1, 3, 4, 6)  # of each level of a residual encoder, the last for all further levels
CONVOLUTIONS = 2  # of each level, in encoder and decoder alike


class Topology(NamedTuple):
    """A U-Net's levels, finest first; `patch_size` is padded to multiples of the total stride of each axis."""

    patch_size: tuple[int, ...]
    strides: tuple[tuple[int, ...], ...]
    kernel_size: tuple[tuple[int, ...], ...]

    @property
    def total_stride(self) -> tuple[int, ...]:
        """Product of the strides of each axis."""
        return tuple(math.prod(level) for level in zip(*self.strides, strict=True))

    @property
    def filters(self) -> tuple[int, ...]:
        """Features of each level."""
        return tuple(min(MOST_FEATURES, FIRST_FEATURES * 2**level) for level in range(len(self.strides)))


def plan_topology(spacing: Sequence[float], patch_size: Sequence[float]) -> Topology:
    """Pool each axis while its feature map stays large enough and its spacing near the finest.

    nnU-Net's `network_topology.get_pool_and_conv_props`. An axis is pooled while its feature map has 8 voxels or more
    and its spacing is less than twice the finest of such axes; one that is left alone needs 12. An axis is convolved
    (kernel 3, else 1) from the level on where its spacing is less than twice the finest; in the deepest level all are.

    Args:
        spacing: mm of each axis.
        patch_size: voxels of each axis; need not be whole, a median may end in a half.
    """
    sizes, steps = [float(size) for size in patch_size], [float(step) for step in spacing]
    strides, kernels = [(1,) * len(sizes)], []
    kernel = (1,) * len(sizes)
    while pooled := _pooled_axes(sizes, steps):
        near = [step / min(steps) < LARGEST_RATIO for step in steps]
        kernel = tuple(3 if wide == 3 or close else 1 for wide, close in zip(kernel, near, strict=True))
        kernels.append(kernel)
        strides.append(tuple(2 if axis in pooled else 1 for axis in range(len(sizes))))
        for axis in pooled:
            sizes[axis], steps[axis] = math.ceil(sizes[axis] / 2), steps[axis] * 2
    kernels.append((3,) * len(sizes))
    total = [math.prod(level) for level in zip(*strides, strict=True)]
    padded = tuple(math.ceil(size / multiple) * multiple for size, multiple in zip(patch_size, total, strict=True))
    return Topology(padded, tuple(strides), tuple(kernels))


def feature_map_size(topology: Topology, num_outputs: int) -> int:
    """Sum of the voxels of all feature maps of a U-Net: what nnU-Net limits for the sake of memory.

    `compute_conv_feature_map_size` of its PlainConvUNet: per level two convolutions in the encoder, in the decoder one
    transposed convolution and two convolutions, and the logits (`num_outputs`, background included) at full resolution.
    """
    size = list(topology.patch_size)
    total = num_outputs * math.prod(size)
    for level, (stride, features) in enumerate(zip(topology.strides, topology.filters, strict=True)):
        size = [edge // step for edge, step in zip(size, stride, strict=True)]
        maps = CONVOLUTIONS
        if level < len(topology.strides) - 1:
            maps += 1 + CONVOLUTIONS
        total += maps * features * math.prod(size)
    return total


def residual_blocks(levels: int) -> list[int]:
    """Blocks of each level of nnU-Net's residual encoders, of all its presets."""
    return [RESIDUAL_BLOCKS[min(level, len(RESIDUAL_BLOCKS) - 1)] for level in range(levels)]


def _pooled_axes(sizes: Sequence[float], spacing: Sequence[float]) -> list[int]:
    """The axes that the next level halves; none ends the network."""
    large = [axis for axis, size in enumerate(sizes) if size >= 2 * SMALLEST_EDGE]
    finest = min((spacing[axis] for axis in large), default=0.0)
    chosen = [axis for axis in large if spacing[axis] / finest < LARGEST_RATIO]
    alone_and_small = len(chosen) == 1 and sizes[chosen[0]] < 3 * SMALLEST_EDGE
    return [] if alone_and_small else chosen
