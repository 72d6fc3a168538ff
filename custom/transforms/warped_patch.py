"""Rotation, scale, elastic deformation and crop in one interpolation."""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from scipy.spatial.transform import Rotation


def warped_patch(
    volume: torch.Tensor,
    start: np.ndarray,
    size: Sequence[int],
    matrix: np.ndarray | None,
    mode: str,
    displacement: torch.Tensor | None = None,
) -> torch.Tensor:
    """The patch of a volume seen through a linear map about the patch's centre; outside the volume lies 0.

    Voxel p of the patch, relative to the patch's centre, shows the volume at `matrix @ (p + displacement)` from the
    same centre.

    Args:
        volume: (channels, *spatial), any dtype; 2 or 3 spatial axes.
        start: first voxel of the patch in the volume, may be negative.
        size: voxels of the patch.
        matrix: (spatial_dims, spatial_dims) in voxel units; None for the identity.
        mode: "bilinear" (linear in 3D too) or "nearest".
        displacement: (*size, spatial_dims) in voxels; None for none. Without a matrix too it is a plain crop, which
            copies exactly.

    Returns:
        (channels, *size), of the volume's dtype.
    """
    if matrix is None:
        if displacement is None:
            return padded_crop(volume, start, np.asarray(size))
        matrix = np.eye(len(size))
    centre = start + (np.asarray(size) - 1) / 2
    first, length = source_box(centre, size, matrix, displacement)
    box = padded_crop(volume, first, length).float()
    grid = sampling_grid(centre - first, size, matrix, length, displacement).to(box.device)
    patch = F.grid_sample(box[None], grid[None], mode=mode, padding_mode="zeros", align_corners=False)[0]
    return patch.to(volume.dtype)


def padded_crop(volume: torch.Tensor, start: np.ndarray, size: np.ndarray) -> torch.Tensor:
    """`size` voxels of (channels, *spatial) from `start` on, a copy; 0 outside the volume."""
    shape = np.asarray(volume.shape[1:])
    low, high = np.clip(start, 0, shape), np.clip(start + size, 0, shape)
    patch = volume.new_zeros((volume.shape[0], *(int(length) for length in size)))
    channels: tuple[slice, ...] = (slice(None),)
    inside = tuple(slice(int(a), int(b)) for a, b in zip(low - start, high - start, strict=True))
    source = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    patch[channels + inside] = volume[channels + source]
    return patch


def source_box(
    centre: np.ndarray, size: Sequence[int], matrix: np.ndarray, displacement: torch.Tensor | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """First voxel and voxel counts of the box that holds everything a warped patch shows, with its neighbours."""
    half = (np.asarray(size) - 1) / 2
    if displacement is not None:
        half = half + displacement.abs().flatten(0, -2).amax(0).cpu().numpy()
    reach = np.abs(matrix) @ half
    first = np.floor(centre - reach - 1).astype(int)
    return first, np.ceil(centre + reach + 1).astype(int) - first + 1


def sampling_grid(
    centre: np.ndarray,
    size: Sequence[int],
    matrix: np.ndarray,
    box: np.ndarray,
    displacement: torch.Tensor | None = None,
) -> torch.Tensor:
    """Where each voxel of the patch looks, (*size, spatial_dims), in `grid_sample`'s coordinates of a box.

    Args:
        centre: patch centre in voxels of the box.
        matrix: linear map from the patch to the box, in voxels.
        box: voxels of the box.
        displacement: (*size, spatial_dims) in voxels of the patch, or None.
    """
    axes = [torch.arange(length, dtype=torch.float32) - (length - 1) / 2 for length in size]
    offset = torch.as_tensor(centre, dtype=torch.float32)
    linear = torch.as_tensor(matrix, dtype=torch.float32)
    # sum of one broadcast term per axis: the full coordinate grid is built once
    grid: torch.Tensor = offset
    for axis, steps in enumerate(axes):
        view = steps.reshape([-1 if index == axis else 1 for index in range(len(axes))] + [1])
        grid = grid + view * linear[:, axis]
    if displacement is not None:
        grid = grid + displacement.to(grid) @ linear.T
    lengths = torch.as_tensor(box, dtype=torch.float32)
    return ((2 * grid + 1) / lengths - 1).flip(-1)


def rotation_and_scale(angles: Sequence[float], scale: float) -> np.ndarray:
    """Linear map of a rotation by `angles` (radians; one for 2D, about axes 0, 1, 2 in turn for 3D) and a scaling.

    A scale above 1 shows more of the volume: objects become smaller.
    """
    if len(angles) == 1:
        cos, sin = np.cos(angles[0]), np.sin(angles[0])
        return np.array([[cos, -sin], [sin, cos]]) * scale
    return Rotation.from_euler("XYZ", angles).as_matrix() * scale


def in_plane(matrix: np.ndarray, axis: int) -> np.ndarray:
    """The 3D map (3, 3) that applies a 2D one (2, 2) to every slice along `axis`."""
    whole = np.eye(3)
    plane = [index for index in range(3) if index != axis]
    whole[np.ix_(plane, plane)] = matrix
    return whole
