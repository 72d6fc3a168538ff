"""Spacing, patch, network and batch for a set of scans: nnU-Net v2.8.1's default planner for `3d_fullres`.

Pure arithmetic on spacings and shapes: no files, no orientations. Axes are in any order; the plan's order is the
coarsest first, then the others as they come.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..errors import InputError
from .topology import Topology, feature_map_size, plan_topology

REFERENCE_FEATURE_MAPS = 560_000_000  # sum of feature map sizes (of one sample) that fits ...
REFERENCE_MEMORY_GB = 8.0  # ... this memory ...
REFERENCE_BATCH = 2  # ... with this batch
SMALLEST_BATCH = 2
LARGEST_SHARE = 0.05  # of the data set's voxels in one batch
FIRST_PATCH_VOXELS = 256**3  # larger than what fits: it is reduced from there
ANISOTROPY = 3.0  # an axis this many times coarser than the others is anisotropic
ANISOTROPIC_PERCENTILE = 10.0  # of the spacings, the target of such an axis
LOWRES_COVERAGE = 0.25  # of the median scan: below that nnU-Net considers a configuration of lower resolution, too


class Configuration(NamedTuple):
    """A patch, its network and batch; `estimate` is the sum of the network's feature map sizes for one sample."""

    topology: Topology
    batch_size: int
    estimate: int


class TargetSpacing(NamedTuple):
    """Millimetres of each axis; `anisotropic`: the axis whose slices are so thick that not its median was taken."""

    spacing: tuple[float, ...]
    anisotropic: int | None


class FullResolution(NamedTuple):
    """nnU-Net's `3d_fullres`; all but `order` in the plan's axis order.

    `order` are the given axes in the plan's order. `median_shape` is that of the scans after resampling.
    """

    order: tuple[int, ...]
    spacing: tuple[float, ...]
    anisotropic: bool
    median_shape: tuple[float, ...]
    configuration: Configuration

    @property
    def coverage(self) -> float:
        """Share of the median scan's voxels that one patch covers; more than 1 where the patch is larger."""
        return math.prod(self.configuration.topology.patch_size) / math.prod(self.median_shape)


def plan_full_resolution(
    spacings: np.ndarray, shapes: np.ndarray, num_outputs: int, memory_gb: float = REFERENCE_MEMORY_GB
) -> FullResolution:
    """Everything nnU-Net's `3d_fullres` configuration states, from the scans' spacings and shapes.

    Args:
        spacings: (cases, 3), mm.
        shapes: (cases, 3), voxels after cropping to non-zero.
        num_outputs: classes with the background.
        memory_gb: of the graphics card; 8 is nnU-Net's default.

    Raises InputError: scans of one slice, or too little memory for a patch that can be pooled.
    """
    target = target_spacing(spacings, shapes)
    coarsest = int(np.argmax(target.spacing))
    order = (coarsest, *(axis for axis in range(len(target.spacing)) if axis != coarsest))
    spacing = np.array(target.spacing)[list(order)]
    resampled = np.rint(np.asarray(spacings) / np.array(target.spacing) * np.asarray(shapes))
    median_shape = np.median(resampled, axis=0)[list(order)]
    if median_shape.min() <= 1:
        raise InputError(
            f"the median scan has {median_shape.min():g} slice along its shortest axis; networks here are 3D: "
            "pass volumes, or stack the slices of each patient into one"
        )
    voxels = median_shape.prod() * len(np.asarray(shapes))
    configuration = plan_configuration(spacing, median_shape, voxels, num_outputs, memory_gb)
    return FullResolution(
        order,
        tuple(spacing.tolist()),
        target.anisotropic is not None,
        tuple(median_shape.tolist()),
        configuration,
    )


def target_spacing(spacings: np.ndarray, shapes: np.ndarray) -> TargetSpacing:
    """The median per axis; of one with thick slices the 10th percentile, never finer than the other axes.

    Thick: more than 3 times coarser than the others and with less than a third of their voxels, in medians. The median
    of such an axis would interpolate too few slices (ACDC: 10 mm, where some scans have 5).
    """
    target = np.percentile(spacings, 50, axis=0)
    size = np.percentile(shapes, 50, axis=0)
    coarsest = int(np.argmax(target))
    others = [axis for axis in range(len(target)) if axis != coarsest]
    coarse = target[coarsest] > ANISOTROPY * target[others].max()
    few = size[coarsest] * ANISOTROPY < size[others].min()
    if coarse and few:
        finer = np.percentile(np.asarray(spacings)[:, coarsest], ANISOTROPIC_PERCENTILE)
        limit = target[others].max()
        target[coarsest] = finer if finer >= limit else limit + 1e-5
    return TargetSpacing(tuple(target.tolist()), coarsest if coarse and few else None)


def plan_configuration(
    spacing: Sequence[float] | np.ndarray,
    median_shape: Sequence[float] | np.ndarray,
    dataset_voxels: float,
    num_outputs: int,
    memory_gb: float = REFERENCE_MEMORY_GB,
) -> Configuration:
    """The largest patch that fits, with its network; a batch above 2 only where a small patch leaves memory.

    The patch starts with the shape of a cube in mm, clipped to the median scan. While its feature maps exceed the
    memory, the axis that is largest against the median scan loses one multiple of its stride (which may change with
    it), and the levels are planned again.

    Args:
        median_shape: of the scans on that spacing.
        dataset_voxels: of all scans on that spacing.

    Raises InputError: too little memory for a patch that can be pooled.
    """
    steps: list[float] = np.asarray(spacing).tolist()
    median: list[float] = np.asarray(median_shape).tolist()
    limit = REFERENCE_FEATURE_MAPS * (memory_gb / REFERENCE_MEMORY_GB)
    cube = (FIRST_PATCH_VOXELS * math.prod(steps)) ** (1 / len(steps)) / np.asarray(steps)
    topology = plan_topology(steps, np.minimum(np.rint(cube), median).tolist())
    while (estimate := feature_map_size(topology, num_outputs)) > limit:
        topology = _reduced(topology, steps, median, memory_gb)
    fitting = round(limit / estimate * REFERENCE_BATCH)
    covering = round(dataset_voxels * LARGEST_SHARE / math.prod(topology.patch_size))
    return Configuration(topology, max(min(fitting, covering), SMALLEST_BATCH), estimate)


def _reduced(topology: Topology, spacing: Sequence[float], median_shape: Sequence[float], memory_gb: float) -> Topology:
    """The next smaller patch.

    Of axes equally large against the median scan the last is reduced, as numpy's stable sort leaves it.
    """
    patch = list(topology.patch_size)
    axis = int(np.argsort([size / median for size, median in zip(patch, median_shape, strict=True)], kind="stable")[-1])
    smaller = [size - (topology.total_stride[axis] if place == axis else 0) for place, size in enumerate(patch)]
    patch[axis] -= plan_topology(spacing, smaller).total_stride[axis]
    reduced = plan_topology(spacing, patch)
    if patch[axis] < 1 or len(reduced.strides) == 1:
        raise InputError(f"memory_gb {memory_gb:g} is too little for a patch of this data; pass more")
    return reduced
