"""A scan with its truth and predictions, cropped around them, small enough to be embedded in a page."""

import base64
import gzip
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import nibabel as nib
import numpy as np
from monai.transforms import generate_spatial_bounding_box

from ...errors import InputError
from ...fingerprint.label_statistics import read_label_map
from ...geometry.canonical_axes import to_ras
from ...ignore_index import IGNORE_INDEX
from ...io.volume import read_volume
from ..case_picture import grey_levels

MARGIN_MM = 20.0
MOST_VOXELS = 3_000_000  # of a cropped volume; beyond them every second voxel along the finest axes is taken
PERCENTILES = (0.5, 99.5)


class CaseVolumes(NamedTuple):
    """Arrays (X, Y, Z) in RAS of one grid: the scan in grey levels of 8 bits, and label maps by name, the truth first.

    `low` and `high` are the intensities of grey level 0 and 255.
    """

    image: np.ndarray
    labels: dict[str, np.ndarray]
    spacing: tuple[float, float, float]
    low: float
    high: float
    note: str


def load_case(image: str | Path, labels: Mapping[str, str | Path], margin_mm: float = MARGIN_MM) -> CaseVolumes:
    """Read a case, cropped to all its labels and a margin (or whole, without any foreground).

    Raises InputError: a file is missing or damaged, or the grids differ.
    """
    maps, spacing = {}, (1.0, 1.0, 1.0)
    for name, file in labels.items():
        maps[name], spacing = to_ras(*read_label_map(file))
    volume = read_volume(str(image))
    scan, spacing = to_ras(volume.voxels, volume.affine)
    for name, one in maps.items():
        if one.shape != scan.shape:
            raise InputError(f"{labels[name]}: shape {one.shape} differs from {scan.shape} of {image}")
    box = foreground_box(list(maps.values()), spacing, margin_mm)
    step = coarser(tuple(part.stop - part.start for part in box), spacing)
    part = tuple(slice(one.start, one.stop, jump) for one, jump in zip(box, step, strict=True))
    values = scan[part].astype(np.float32) * volume.slope + volume.intercept
    low, high = grey_range(values)
    grey = grey_levels(values, low, high)
    cropped = {name: np.where(one[part] == IGNORE_INDEX, 0, one[part]).astype(np.uint8) for name, one in maps.items()}
    taken = " x ".join(str(size) for size in grey.shape)
    whole = " x ".join(str(size) for size in scan.shape)
    note = f"{taken} of {whole} voxels" + (f", 1 in {max(step)} along the finest axes" if max(step) > 1 else "")
    sizes = tuple(float(size * jump) for size, jump in zip(spacing, step, strict=True))
    return CaseVolumes(grey, cropped, (sizes[0], sizes[1], sizes[2]), low, high, note)


def foreground_box(maps: list[np.ndarray], spacing: tuple[float, float, float], margin_mm: float) -> tuple[slice, ...]:
    """The box around all foreground, grown by a margin; the whole volume without any."""
    any_class = np.any([(one > 0) & (one != IGNORE_INDEX) for one in maps], axis=0)
    if not any_class.any():
        return tuple(slice(0, size) for size in any_class.shape)
    margin = [round(margin_mm / one) for one in spacing]
    return tuple(map(slice, *generate_spatial_bounding_box(any_class[None], margin=margin, allow_smaller=True)))


def coarser(shape: tuple[int, ...], spacing: tuple[float, float, float], most: int = MOST_VOXELS) -> list[int]:
    """The step along each axis with which at most so many voxels are taken, the finest axes' first."""
    step = [1, 1, 1]
    while np.prod([-(-size // jump) for size, jump in zip(shape, step, strict=True)]) > most:
        finest = min(size * jump for size, jump in zip(spacing, step, strict=True))
        step = [jump * 2 if size * jump < 1.5 * finest else jump for size, jump in zip(spacing, step, strict=True)]
    return step


def grey_range(values: np.ndarray) -> tuple[float, float]:
    """The intensities of black and white."""
    finite = values[np.isfinite(values)]
    low, high = (float(one) for one in np.percentile(finite, PERCENTILES)) if finite.size else (0.0, 1.0)
    return (low, high) if high > low else (low, low + 1)


def as_nifti(voxels: np.ndarray, volumes: CaseVolumes, is_scan: bool = False) -> str:
    """A gzipped NIfTI file in base64, its origin at the first voxel; a scan's levels stand for its intensities."""
    image = nib.Nifti1Image(voxels, np.diag([*volumes.spacing, 1.0]))
    image.header.set_xyzt_units("mm")
    if is_scan:
        image.header.set_slope_inter((volumes.high - volumes.low) / 255, volumes.low)
    return base64.b64encode(gzip.compress(image.to_bytes(), 9, mtime=0)).decode("ascii")
