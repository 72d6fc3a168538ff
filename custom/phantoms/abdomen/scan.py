"""The scanner: a CT's grid, its stored orientation, and noise."""

import nibabel as nib
import numpy as np

from ...errors import InputError
from ..grid import Grid, centred_grid

Range = tuple[float, float]

SPACING_MM: tuple[Range, Range] = ((2.0, 5.0), (0.65, 0.9))  # slice distance, pixel size
SPACING_LIMITS_MM: tuple[Range, Range] = ((0.5, 10.0), (0.4, 6.0))
HEIGHT_MM = (200.0, 260.0)
STORED = ("LPS", "RAS", "LAS", "RPS", "LPI")  # what DICOM converters and public data sets write
LOWEST_HU, HIGHEST_HU = -1024, 3071


def check_spacing(spacing_mm: tuple[Range, Range]) -> None:
    """Raise `InputError` for a range that is none, or that no CT has."""
    steps = zip(("slice distance", "pixel size"), spacing_mm, SPACING_LIMITS_MM, strict=True)
    for name, (low, high), (least, most) in steps:
        if not least <= low <= high <= most:
            raise InputError(f"spacing_mm: {name} {(low, high)} is no (low, high) within {least} to {most} mm")


def draw_grid(rng: np.random.Generator, body_mm: tuple[float, float], spacing_mm: tuple[Range, Range]) -> Grid:
    """A grid (columns, rows, slices) around a body of the given width and depth."""
    thickness, pixel = (round(float(rng.uniform(*limits)), 3) for limits in spacing_mm)
    width, depth = body_mm + rng.uniform(-10, 30, 2)
    shape = (round(width / pixel), round(depth / pixel), round(rng.uniform(*HEIGHT_MM) / thickness))
    return centred_grid(shape, (pixel, pixel, thickness), np.round(rng.normal(0, (10, 20, 200)), 2))


def acquire(rng: np.random.Generator, hu: np.ndarray) -> np.ndarray:
    """The scan (int16) of noiseless HU."""
    noise = rng.standard_normal(hu.shape, dtype=np.float32) * np.float32(rng.uniform(8, 25))
    return np.clip(np.rint(hu + noise), LOWEST_HU, HIGHEST_HU).astype(np.int16)


def store(volume: np.ndarray, affine: np.ndarray, axcodes: str) -> tuple[np.ndarray, np.ndarray]:
    """A volume turned to the orientation of its file, and the file's affine."""
    ornt = nib.orientations
    order = ornt.ornt_transform(ornt.io_orientation(affine), ornt.axcodes2ornt(axcodes))
    return ornt.apply_orientation(volume, order), affine @ ornt.inv_ornt_aff(order, volume.shape)
