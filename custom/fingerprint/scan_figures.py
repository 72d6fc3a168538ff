"""What one scan is like, in figures that do not depend on how its file stores it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.affines import voxel_sizes

AXES = "RAS"
POSITIVE = {"L": "R", "R": "R", "P": "A", "A": "A", "I": "S", "S": "S"}  # axis a code lies along, by its positive end
PERCENTILES = (0.5, 50.0, 99.5)
MOST_VOXELS = 1 << 20  # that percentiles are taken of; more change their third digit


@dataclass(frozen=True)
class ChannelFigures:
    """Intensities of a whole scan's channel: mean, deviation, percentiles 0.5, 50 and 99.5, see `autocorrelation`."""

    mean: float
    sd: float
    low: float
    median: float
    high: float
    autocorrelation: float


@dataclass(frozen=True)
class ScanFigures:
    """One scan; sizes of its axes by the anatomical axis that they are nearest to.

    Args:
        axes: the order of the axes in the file, by their positive ends, such as RAS or, of sagittal slices, ASR.
        tilt: largest angle of an axis to its anatomical one, degrees.
        spacing, extent: mm along R, A and S.
        channels: intensities.
    """

    axes: str
    tilt: float
    spacing: tuple[float, ...]
    extent: tuple[float, ...]
    channels: tuple[ChannelFigures, ...]


def scan_figures(shape: Sequence[int], affine: np.ndarray, channels: Sequence[np.ndarray]) -> ScanFigures:
    """Figures of a scan.

    Args:
        shape: its voxels (x, y, z).
        affine: (4, 4), voxels to millimetres, RAS.
        channels: of each its intensities in the scan's units, or `evenly_spread` ones of them.
    """
    sizes = voxel_sizes(affine)
    axes = "".join(POSITIVE[str(code)] for code in nib.aff2axcodes(affine))
    places = [axes.index(axis) for axis in AXES]
    cosines = [abs(affine[AXES.index(axis), column]) / sizes[column] for column, axis in enumerate(axes)]
    return ScanFigures(
        axes=axes,
        tilt=round(float(np.degrees(np.arccos(np.clip(min(cosines), 0, 1)))), 2),
        spacing=tuple(round(float(sizes[place]), 4) for place in places),
        extent=tuple(round(float(sizes[place] * shape[place]), 2) for place in places),
        channels=tuple(map(channel_figures, channels)),
    )


def channel_figures(voxels: np.ndarray) -> ChannelFigures:
    """Intensities of an array of any shape."""
    values = np.asarray(voxels, dtype=np.float64)
    low, median, high = map(float, np.percentile(values, PERCENTILES))
    return ChannelFigures(float(values.mean()), float(values.std()), low, median, high, autocorrelation(values))


def autocorrelation(values: np.ndarray) -> float:
    """Correlation of neighbouring voxels along the axis where it is least: near 1 in a scan, 0 in noise.

    It is that of the voxels in places 0 and 1, 2 and 3, ..., which `evenly_spread` leaves neighbours.
    """
    found = [1.0]
    for axis, size in enumerate(values.shape):
        along = np.moveaxis(values, axis, 0)[: size // 2 * 2]
        first, second = along[::2].ravel(), along[1::2].ravel()
        if size > 1 and first.std() > 0 and second.std() > 0:
            found.append(float(np.corrcoef(first, second)[0, 1]))
    return min(found)


def evenly_spread(voxels: np.ndarray) -> np.ndarray:
    """Every n-th pair of neighbours along each axis of (x, y, z), so that about a million voxels are left."""
    step = math.ceil((voxels.size / MOST_VOXELS) ** (1 / 3))
    return voxels[np.ix_(*(np.flatnonzero(np.arange(size) // 2 % step == 0) for size in voxels.shape))]


def figures_from_json(entry: dict[str, Any]) -> ScanFigures:
    """What `dataclasses.asdict` gave, after JSON."""
    channels = tuple(ChannelFigures(**one) for one in entry["channels"])
    sizes = {key: tuple(entry[key]) for key in ("spacing", "extent")}
    return ScanFigures(**{**entry, **sizes, "channels": channels})
