"""The grid of a scan."""

from dataclasses import dataclass

import numpy as np

from .shapes import Points


@dataclass(frozen=True)
class Grid:
    """Voxels along x, y and z (right, anterior, superior, but for the tilt that `affine` may have)."""

    shape: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    affine: np.ndarray

    @property
    def voxel_mm3(self) -> float:
        """Volume of a voxel."""
        return float(np.prod(self.spacing_mm))

    def points(self, samples: int = 1) -> Points:
        """Coordinates in mm, zero in the middle, of so many `samples` for each voxel along x, in sparse arrays."""
        sizes = (self.shape[0] * samples, *self.shape[1:])
        steps = (self.spacing_mm[0] / samples, *self.spacing_mm[1:])
        axes = ((np.arange(size) - (size - 1) / 2) * step for size, step in zip(sizes, steps, strict=True))
        x, y, z = np.meshgrid(*axes, indexing="ij", sparse=True)
        return x, y, z


def centred_grid(
    shape: tuple[int, int, int],
    spacing_mm: tuple[float, float, float],
    centre_mm: np.ndarray,
    turn: np.ndarray | None = None,
) -> Grid:
    """A grid whose middle lies at `centre_mm` of the world, turned by the rotation matrix `turn`."""
    affine = np.eye(4)
    affine[:3, :3] = (np.eye(3) if turn is None else turn) * spacing_mm
    affine[:3, 3] = centre_mm - affine[:3, :3] @ ((np.asarray(shape) - 1) / 2)
    return Grid(shape, spacing_mm, affine)
