"""Volumes turned to the patient's axes."""

import nibabel as nib
import numpy as np


def to_ras(volume: np.ndarray, affine: np.ndarray) -> tuple[np.ndarray, tuple[float, float, float]]:
    """A view (X, Y, Z) with the axes right, anterior, superior, as near as the grid has them, and its spacing (mm).

    The affine (4 x 4) is RAS in mm.
    """
    orientation = nib.orientations.io_orientation(affine)
    spacing = np.linalg.norm(affine[:3, :3], axis=0)[np.argsort(orientation[:, 0])]
    turned = nib.orientations.apply_orientation(volume, orientation)
    return turned, (float(spacing[0]), float(spacing[1]), float(spacing[2]))
