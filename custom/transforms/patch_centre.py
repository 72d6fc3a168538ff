"""Where a training patch is taken: nnU-Net's class-uniform forced foreground."""

from collections.abc import Sequence

import numpy as np


def forced_centre(
    indices: Sequence[np.ndarray], shape: Sequence[int], random: np.random.RandomState
) -> np.ndarray | None:
    """A voxel of a class drawn uniformly among the foreground classes present.

    MONAI's `RandCropByLabelClassesd` fails when every weighted class is absent, and `RandCropByPosNegLabeld` weighs
    classes by their voxels.

    Args:
        indices: per class, background first, flat indices into the volume of voxels of that class (possibly none), as
            `monai.transforms.ClassesToIndices` gives them.

    Returns:
        voxel coordinates (spatial_dims,), or None when no foreground class is present.
    """
    present = [voxels for voxels in indices[1:] if len(voxels) > 0]
    if not present:
        return None
    voxels = present[random.randint(len(present))]
    return np.asarray(np.unravel_index(int(voxels[random.randint(len(voxels))]), tuple(shape)))


def uniform_start(shape: Sequence[int], patch: Sequence[int], random: np.random.RandomState) -> np.ndarray:
    """First voxel (spatial_dims,) of a patch drawn uniformly within `start_range`."""
    low, high = start_range(shape, patch)
    return np.asarray([random.randint(first, last + 1) for first, last in zip(low, high, strict=True)])


def start_around(centre: np.ndarray, shape: Sequence[int], patch: Sequence[int]) -> np.ndarray:
    """First voxel (spatial_dims,) of the admissible patch whose centre is nearest to `centre`."""
    low, high = start_range(shape, patch)
    return np.clip(np.asarray(centre) - np.asarray(patch) // 2, low, high)


def start_range(shape: Sequence[int], patch: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """Least and greatest first voxel per axis; a volume smaller than the patch lies in its middle."""
    size, width = np.asarray(shape), np.asarray(patch)
    missing = np.maximum(width - size, 0)
    low = -(missing // 2)
    return low, size + missing - missing // 2 - width
