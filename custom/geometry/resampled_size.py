"""How many voxels a scan has at another spacing, and whether that can be true."""

from collections.abc import Sequence

import nibabel as nib
import numpy as np
import psutil

from ..errors import InputError

SEVERAL = 8  # voxels along an axis that one voxel of the network cannot stand for
COORDINATE_BYTES, CHANNEL_BYTES = 12, 8  # that resampling takes for each voxel: where it lies; twice its value
GIB = 2**30


def refuse_absurd_size(
    name: str, size: Sequence[int], spacing: Sequence[float], target: Sequence[float], channels: int = 1
) -> None:
    """Refuse a scan whose voxel sizes cannot be those of a patient.

    Args:
        name: of its file.
        size, spacing: voxels and their size (mm) along each axis.
        target: the spacing (mm) that it is to be resampled to.
        channels: of the scan.

    Raises InputError: nothing is left of the scan, or would be of several voxels along an axis, or so many take more
    memory than there is.
    """
    lengths = np.asarray(size) * np.asarray(spacing, dtype=float) / np.asarray(target, dtype=float)
    needed = np.maximum(np.round(lengths), 1).prod() * (COORDINATE_BYTES + CHANNEL_BYTES * channels)
    memory = psutil.virtual_memory().total
    what = f"{name}: {_text(size)} voxels of {_text(spacing)} mm"
    remedy = "correct the voxel size, or the units, in its header"
    if 0 in size:  # of what float32 cannot tell from 0, say
        raise InputError(f"{name}: nothing is left of it where it is cropped to what is not 0; export it again")
    if np.any((lengths < 0.5) & (np.asarray(size) >= SEVERAL)) or np.all(lengths < 1.5):
        raise InputError(f"{what} are less than a voxel of {_text(target)} mm along an axis; {remedy}")
    if needed > memory:
        raise InputError(
            f"{what} would take {needed / GIB:.3g} GiB of memory at {_text(target)} mm, of which there are "
            f"{memory / GIB:.3g}; {remedy}"
        )


def in_axis_order(size: Sequence[int], affine: np.ndarray, codes: str) -> tuple[list[int], list[float]]:
    """Voxels and their size (mm) along the axes `codes`, such as RAS, of a volume of `size` with an affine (4 x 4)."""
    turned = nib.orientations.ornt_transform(
        nib.orientations.io_orientation(affine), nib.orientations.axcodes2ornt(tuple(codes))
    )
    order = np.argsort(turned[:, 0])
    return np.asarray(size)[order].tolist(), np.linalg.norm(affine[:3, :3], axis=0)[order].tolist()


def _text(values: Sequence[float]) -> str:
    return " x ".join(f"{value:.5g}" for value in values)
