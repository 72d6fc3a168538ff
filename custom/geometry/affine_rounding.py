"""Affines without the rounding of the headers that they come from.

MONAI's Spacing lays its grid from a corner of the image where the axes are orthogonal to 1e-8, and around its middle
elsewhere; and a size of half a voxel more or less is decided by the last digit of the spacing. NIfTI rounds both to
single precision, DICOM to some digits of text: without it a scan has one grid, and one label map, in every format.
"""

import nibabel as nib
import numpy as np

SHEAR = 1e-4  # cosine between two axes from which on they are not meant to be orthogonal
DIGITS = 6  # of a spacing that single precision keeps, after the length of an oblique axis is taken
HAIR = 1e-9  # share by which spacings grow: 16 voxels of 1.5 mm are 23.5 of 1 mm, and the last bit would round them


def without_header_rounding(affine: np.ndarray) -> np.ndarray:
    """An affine (4 x 4) with axes orthogonal to double precision and spacing (mm) of six digits, and a hair.

    One with shear, or that is not invertible, is returned as it is. Scans that differ in the order and direction of
    their axes alone get affines that do so to the last bit.
    """
    axes = nib.orientations.io_orientation(affine)
    if not np.isfinite(axes).all():
        return affine
    order = np.argsort(axes[:, 0])
    signs = axes[order, 1]
    columns = affine[:3, order] * signs
    spacing = np.linalg.norm(columns, axis=0)
    directions = columns / spacing
    if np.abs(directions.T @ directions - np.eye(3)).max() > SHEAR:
        return affine
    left, _, right = np.linalg.svd(directions)
    spacing = np.array([float(f"{size:.{DIGITS}g}") for size in spacing]) * (1 + HAIR)
    result = affine.copy()
    result[:3, order] = left @ right * spacing * signs
    return result
