"""The scanner: a sagittal stack's grid after Table 1 of the BATseg paper, coil shading, resolution and noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.spatial.transform import Rotation

IN_PLANE_MM = {"meningioma": 0.60, "ependymoma": 0.52, "astrocytoma": 0.58, "hemangioblastoma": 0.56}
SLICE_MM = {"meningioma": 4.0, "ependymoma": 3.8, "astrocytoma": 3.7, "hemangioblastoma": 3.6}
IN_PLANE_RANGE_MM = (0.34, 1.06)
SLICE_RANGE_MM = (1.5, 8.0)
NUM_SLICES_RANGE = (9, 36)
SUB_SLICES = 3  # samples across a slice, whose mean is the slice; odd, so that their median decides the label


@dataclass(frozen=True)
class Acquisition:
    """Grid and quality of one scan. Axis 0 counts slices left to right, 1 pixels to anterior, 2 to superior."""

    shape: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    affine: np.ndarray
    noise: float  # standard deviation per channel, relative to fluid
    blur_pixels: float
    gamma: float
    gain: float  # of the stored integers
    shading: np.ndarray  # coefficients of the coil's sensitivity, see `shade`

    @property
    def voxel_mm3(self) -> float:
        """Volume of a voxel."""
        return float(np.prod(self.spacing_mm))

    def axis_mm(self, axis: int) -> np.ndarray:
        """Voxel centres along an axis in mm, zero in the middle."""
        return (np.arange(self.shape[axis]) - (self.shape[axis] - 1) / 2) * self.spacing_mm[axis]

    def sub_slices_mm(self) -> np.ndarray:
        """Positions of the samples across the slices, shape (slices, SUB_SLICES)."""
        steps = (np.arange(SUB_SLICES) - (SUB_SLICES - 1) / 2) / SUB_SLICES
        return self.axis_mm(0)[:, None] + steps * self.spacing_mm[0]


def draw_acquisition(
    rng: np.random.Generator,
    tumour: str,
    extent_mm: tuple[float, float],
    in_plane_mm: tuple[float, float] | None = None,
) -> Acquisition:
    """Spacings around the paper's means for the type (in-plane: uniform in `in_plane_mm` where given)."""
    in_plane = draw_spacing(rng, IN_PLANE_MM[tumour], 0.2, IN_PLANE_RANGE_MM)
    if in_plane_mm is not None:
        in_plane = round(float(rng.uniform(*in_plane_mm)), 3)
    thickness = draw_spacing(rng, SLICE_MM[tumour], 0.17, SLICE_RANGE_MM)
    slices = int(np.clip(round(rng.normal(43, 4) / thickness), *NUM_SLICES_RANGE))
    shape = (slices, max(round(extent_mm[0] / in_plane), 1), max(round(extent_mm[1] / in_plane), 1))
    spacing = (thickness, in_plane, in_plane)
    return Acquisition(
        shape=shape,
        spacing_mm=spacing,
        affine=oblique_affine(shape, spacing, np.deg2rad(rng.normal(0, 3, 3)), rng.normal(0, 15, 3)),
        noise=rng.uniform(0.02, 0.045),
        blur_pixels=rng.uniform(0.4, 0.75),
        gamma=rng.uniform(0.85, 1.2),
        gain=rng.uniform(400, 1400),
        shading=rng.normal((0, -0.15, 0, -0.12), (0.06, 0.1, 0.12, 0.12)),
    )


def draw_spacing(rng: np.random.Generator, mean: float, spread: float, bounds: tuple[float, float]) -> float:
    """Log-normal of the given mean and relative spread, clipped, in whole micrometres."""
    sigma = np.sqrt(np.log1p(spread**2))
    return round(float(np.clip(rng.lognormal(np.log(mean) - sigma**2 / 2, sigma), *bounds)), 3)


def oblique_affine(
    shape: tuple[int, int, int], spacing_mm: tuple[float, float, float], angles: np.ndarray, middle_mm: np.ndarray
) -> np.ndarray:
    """RAS affine of a stack whose middle lies at `middle_mm`, turned by `angles` (radians) about x, y and z."""
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_euler("xyz", angles).as_matrix() * np.asarray(spacing_mm)
    affine[:3, 3] = middle_mm - affine[:3, :3] @ ((np.asarray(shape) - 1) / 2)
    return affine


def acquire(rng: np.random.Generator, signal: np.ndarray, acquisition: Acquisition) -> np.ndarray:
    """The scan (int16) of a noiseless signal (float32, fluid 1): contrast, shading, resolution, Rician noise."""
    signal = np.maximum(signal, 0) ** np.float32(acquisition.gamma)
    for axis in (1, 2):
        signal = gaussian_filter1d(signal, acquisition.blur_pixels, axis=axis, truncate=3)
    signal *= shade(acquisition)
    real, imaginary = rng.standard_normal((2, *signal.shape), dtype=np.float32) * np.float32(acquisition.noise)
    real += signal
    return np.rint(np.sqrt(real**2 + imaginary**2) * np.float32(acquisition.gain)).astype(np.int16)


def shade(acquisition: Acquisition) -> np.ndarray:
    """Sensitivity of the spine coil: smooth, stronger near the back, fading at the ends of the field of view."""
    x, y, z = (np.linspace(-1, 1, size, dtype=np.float32) for size in acquisition.shape)
    right, front, up, ends = (np.float32(c) for c in acquisition.shading)
    exponent = (right * x)[:, None, None] + (2 * front * y)[:, None] + (up * z + 1.5 * ends * z**2)
    return np.exp(exponent)
