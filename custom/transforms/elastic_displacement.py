"""Smooth displacement of a patch: free-form deformation by cubic B-splines (Rueckert et al. 1999)."""

from collections.abc import Sequence

import torch

# displacements below spacing / 2.48 cannot fold space (Choi and Lee 2000, Theorem 2; 2D allows 1 / 2.05)
NO_FOLD = 0.4


def elastic_displacement(control: torch.Tensor, size: Sequence[int], spacing: float) -> torch.Tensor:
    """Displacement of every voxel of a patch from those of a lattice of control points.

    A voxel's displacement is a weighted mean of the control points around it, so none exceeds the largest of theirs,
    equal ones displace every voxel alike, and it is twice continuously differentiable.

    Args:
        control: displacements (spatial_dims, *lattice_size(size, spacing)) along each axis, in voxels.
        size: voxels of the patch.
        spacing: distance of the control points in voxels.

    Returns:
        (*size, spatial_dims) in voxels.
    """
    field = control
    for axis, length in enumerate(size, start=1):
        weights = spline_weights(length, spacing).to(field)
        field = torch.tensordot(field, weights, dims=([axis], [1])).movedim(-1, axis)
    return field.movedim(0, -1)


def lattice_size(size: Sequence[int], spacing: float) -> tuple[int, ...]:
    """Control points along each axis of a patch; the first lies one spacing before the patch."""
    return tuple(int((length - 1) / spacing) + 4 for length in size)


def spline_weights(length: int, spacing: float) -> torch.Tensor:
    """Weights (length, control points) of the control points along one axis at each of its voxels."""
    (points,) = lattice_size([length], spacing)
    voxels = torch.arange(length, dtype=torch.float64)[:, None] / spacing
    distance = (voxels - (torch.arange(points, dtype=torch.float64) - 1)).abs()
    near = 2 / 3 - distance**2 + distance**3 / 2
    far = (2 - distance).clamp(min=0) ** 3 / 6
    return torch.where(distance < 1, near, far)
