"""How far apart two grids of voxels lie."""

from collections.abc import Sequence
from itertools import product

import numpy as np

# rounding of a header's quaternion moves a corner by less, a voxel of any scan is larger
GRID_TOLERANCE_MM = 1e-2


def grid_distance(affine: np.ndarray, other: np.ndarray, shape: Sequence[int]) -> float:
    """The largest distance, in mm, between a corner voxel of one grid and the same of another.

    Args:
        affine, other: 4 x 4, mm.
        shape: of both.

    >>> grid_distance(np.eye(4), np.diag([1, 1, 1.1, 1]), (5, 5, 11))
    1.0
    """
    corners = np.array([(*corner, 1) for corner in product(*((0, size - 1) for size in shape))])
    return round(float(np.linalg.norm(corners @ (np.asarray(affine) - np.asarray(other)).T, axis=1).max()), 9)
