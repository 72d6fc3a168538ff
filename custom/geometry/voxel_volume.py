"""The volume of a voxel."""

from typing import Any

import numpy as np


def voxel_ml(affine: Any) -> float:
    """In ml, by an affine (4, 4) in mm, also of a sheared grid."""
    return abs(float(np.linalg.det(np.asarray(affine, dtype=float)[:3, :3]))) / 1000
