"""The affine as a file states it, kept with the one that its scan is resampled by."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from monai.data import MetaTensor
from monai.data.utils import affine_to_spacing
from monai.utils import convert_to_numpy

STORED_AFFINE = "stored_affine"  # key of a scan's metadata
SAME_GRID = 1e-3  # mm, per voxel: the rounding of a header is less


def file_affine(affine: Any, meta: Mapping[str, Any] | None) -> np.ndarray:
    """The very affine (4 x 4) of the file a volume was read from where it lies on that file's grid, else its own.

    Label maps are written with it, and scores measured by it: at a tolerance the last digit of a voxel's size decides.
    Affine and metadata are the volume's as it is now.
    """
    own: np.ndarray = convert_to_numpy(affine)
    stored = (meta or {}).get(STORED_AFFINE)
    if stored is None:
        return own
    stored = convert_to_numpy(stored)
    return stored if stored.shape == own.shape and np.allclose(own, stored, rtol=0, atol=SAME_GRID) else own


def file_spacing(volume: torch.Tensor) -> list[float]:
    """The voxel size (mm) that the file of a volume states, along each axis of the volume; 1 mm without a file."""
    if not isinstance(volume, MetaTensor):
        return [1.0] * volume.ndim
    affine = torch.as_tensor(file_affine(volume.affine, volume.meta))
    spacing: list[float] = affine_to_spacing(affine, r=volume.spatial_ndim).tolist()
    return spacing[: volume.ndim]  # 2D images keep 3D affines
