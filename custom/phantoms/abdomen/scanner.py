"""The scanner: a CT's grid and stored orientation, the couch, resolution, and noise with the grain of a kernel."""

from __future__ import annotations

from dataclasses import dataclass

import nibabel as nib
import numpy as np
from scipy.ndimage import gaussian_filter1d

from .ripples import Axes

STORED = ("LPS", "RAS", "LAS", "RPS", "LPI")  # what DICOM converters and public data sets write
LOWEST_HU, HIGHEST_HU = -1024, 3071
COUCH_SHELL_HU, COUCH_FOAM_HU = -250.0, -940.0

Range = tuple[float, float]


@dataclass(frozen=True)
class Acquisition:
    """Grid and quality of one scan. Arrays are (z, y, x): slices upwards, rows to anterior, columns to the right."""

    shape: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    centre_mm: tuple[float, float, float]  # world position (x, y, z) of the grid's middle
    stored: str  # axis codes of the file
    noise_hu: float  # standard deviation in the middle of the body
    grain_mm: float  # of the noise in the plane: standard deviation of the kernel
    blur_mm: float

    def axes(self) -> Axes:
        """Coordinates (x, y, z) of columns, rows and slices in mm, zero in the middle."""
        x, y, z = (
            (np.arange(size) - (size - 1) / 2) * step
            for size, step in zip(self.shape[::-1], self.spacing_mm[::-1], strict=True)
        )
        return x, y, z

    @property
    def partial_mm(self) -> float:
        """Width over which a surface mixes two tissues: the side of a cube of the voxel's volume."""
        return float(np.prod(self.spacing_mm) ** (1 / 3))

    @property
    def voxel_ml(self) -> float:
        """Volume of a voxel."""
        return float(np.prod(self.spacing_mm)) / 1000

    def affine(self) -> np.ndarray:
        """Affine (voxel x, y, z to world, RAS) of arrays transposed to (x, y, z)."""
        affine = np.diag([*self.spacing_mm[::-1], 1.0])
        affine[:3, 3] = [centre + axis[0] for centre, axis in zip(self.centre_mm, self.axes(), strict=True)]
        return affine

    def store(self, volume: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """A volume (z, y, x) as the file holds it, and the file's affine."""
        order = nib.orientations.ornt_transform(nib.orientations.io_orientation(self.affine()), wanted(self.stored))
        turned = nib.orientations.apply_orientation(volume.T, order)
        return turned, self.affine() @ nib.orientations.inv_ornt_aff(order, volume.T.shape)


def wanted(stored: str) -> np.ndarray:
    """nibabel's description of axis codes."""
    return np.asarray(nib.orientations.axcodes2ornt(stored))


def draw_acquisition(
    rng: np.random.Generator,
    body_mm: tuple[float, float],
    spacing_mm: tuple[Range, Range],
    extent_mm: tuple[Range, Range, Range],
) -> Acquisition:
    """A grid that holds a body of the given width and depth as far as the ranges of the field of view allow."""
    thickness, pixel = (round(float(rng.uniform(*limits)), 3) for limits in spacing_mm)
    margins = rng.uniform(0, 30, 2)
    width, depth = (
        float(np.clip(body + margin, *limits))
        for body, margin, limits in zip(body_mm, margins, extent_mm[:2], strict=True)
    )
    height = rng.uniform(*extent_mm[2])
    return Acquisition(
        shape=(round(height / thickness), round(depth / pixel), round(width / pixel)),
        spacing_mm=(thickness, pixel, pixel),
        centre_mm=tuple(np.round(rng.normal(0, (10, 20, 200)), 2).tolist()),
        stored=str(rng.choice(STORED)),
        noise_hu=rng.uniform(8, 25),
        grain_mm=rng.uniform(0.45, 0.9),
        blur_mm=rng.uniform(0.4, 0.7),
    )


def couch_hu(axes: Axes, top_y: float) -> tuple[np.ndarray, np.ndarray]:
    """(HU, whether it is couch) in the axial plane (y, x): a hollow board whose upper side dips to `top_y`."""
    x, y = axes[0], axes[1][:, None]
    below = top_y + x**2 / 1500 - y
    depth = np.minimum(below, np.minimum(28 + x**2 / 2500 - below, 205 - np.abs(x)))
    return np.where(depth < 4, COUCH_SHELL_HU, COUCH_FOAM_HU).astype(np.float32), depth > 0


def acquire(rng: np.random.Generator, hu: np.ndarray, acquisition: Acquisition) -> np.ndarray:
    """The scan (int16) of noiseless HU (float32): in-plane resolution, then correlated noise, most in the middle."""
    for axis in (1, 2):
        hu = smooth(hu, acquisition.blur_mm / acquisition.spacing_mm[axis], axis)
    noise = rng.standard_normal(hu.shape, dtype=np.float32)
    for axis in (1, 2):
        noise = smooth(noise, acquisition.grain_mm / acquisition.spacing_mm[axis], axis)
    # back-projection damps the slowest noise: without this CT noise looks like cloud
    noise -= np.float32(0.7) * smooth(smooth(noise, 2.0, 1), 2.0, 2)
    noise *= np.float32(acquisition.noise_hu / noise.std())
    hu = hu + noise * bowl(acquisition.shape[1:])
    return np.clip(np.rint(hu), LOWEST_HU, HIGHEST_HU).astype(np.int16)


def smooth(volume: np.ndarray, sigma: float, axis: int) -> np.ndarray:
    """Gaussian filter along one axis; below a fifth of a pixel it would only round."""
    return gaussian_filter1d(volume, sigma, axis=axis, truncate=3) if sigma > 0.2 else volume


def bowl(shape: tuple[int, ...]) -> np.ndarray:
    """Relative noise in the axial plane: 1 in the middle, less towards the corners."""
    y, x = (np.linspace(-1, 1, size, dtype=np.float32) for size in shape)
    return np.exp(np.float32(-0.35) * (x**2 + y[:, None] ** 2))
