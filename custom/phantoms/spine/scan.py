"""The scanner: a sagittal stack's grid after Table 1 of the BATseg paper, coil shading, contrast and noise."""

import numpy as np
from scipy.spatial.transform import Rotation

from ..grid import Grid, centred_grid
from .tumours import TumourType

IN_PLANE_RANGE_MM = (0.34, 1.06)
SLICE_RANGE_MM = (1.5, 8.0)
NUM_SLICES_RANGE = (9, 36)


def draw_grid(
    rng: np.random.Generator,
    kind: TumourType,
    extent_mm: tuple[float, float],
    in_plane_mm: tuple[float, float] | None = None,
) -> Grid:
    """Slices along x, spacings around the paper's means for the type; in-plane even in `in_plane_mm` if given."""
    in_plane = draw_spacing(rng, kind.in_plane_mm, 0.2, IN_PLANE_RANGE_MM)
    if in_plane_mm is not None:
        in_plane = round(float(rng.uniform(*in_plane_mm)), 3)
    thickness = draw_spacing(rng, kind.slice_mm, 0.17, SLICE_RANGE_MM)
    slices = int(np.clip(round(rng.normal(43, 4) / thickness), *NUM_SLICES_RANGE))
    shape = (slices, round(extent_mm[0] / in_plane), round(extent_mm[1] / in_plane))
    turn = Rotation.from_euler("xyz", rng.normal(0, 3, 3), degrees=True).as_matrix()
    return centred_grid(shape, (thickness, in_plane, in_plane), rng.normal(0, 15, 3), turn)


def draw_spacing(rng: np.random.Generator, mean: float, spread: float, bounds: tuple[float, float]) -> float:
    """Log-normal of the given mean and relative spread, clipped, in whole micrometres."""
    sigma = np.sqrt(np.log1p(spread**2))
    return round(float(np.clip(rng.lognormal(np.log(mean) - sigma**2 / 2, sigma), *bounds)), 3)


def acquire(rng: np.random.Generator, signal: np.ndarray) -> np.ndarray:
    """The scan (int16) of a noiseless signal: contrast, shading by the coil at the back, Rician noise, gain."""
    x, y, z = (np.linspace(-1, 1, size, dtype=np.float32) for size in signal.shape)
    right, front, up, ends = rng.normal((0, -0.3, 0, -0.18), (0.06, 0.2, 0.12, 0.18)).astype(np.float32)
    signal = np.maximum(signal, 0) ** np.float32(rng.uniform(0.85, 1.2))
    signal *= np.exp((right * x)[:, None, None] + (front * y)[:, None] + up * z + ends * z**2)
    real, imaginary = rng.standard_normal((2, *signal.shape), dtype=np.float32) * np.float32(rng.uniform(0.03, 0.09))
    return np.rint(np.hypot(real + signal, imaginary) * np.float32(rng.uniform(400, 1400))).astype(np.int16)
