"""Tumours: lobulated lumps inside a liver, kidney, pancreas or spleen that has already been painted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import distance_transform_edt

from ...errors import InputError
from .anatomy import ORGAN_ID, ORGANS
from .ripples import Axes, draw_ripples

TUMOUR_ID = len(ORGANS) + 1
CHANCES_OF_COUNT = (0.6, 0.27, 0.13)  # one, two, three
HOSTS = {"liver": 0.45, "pancreas": 0.2, "left_kidney": 0.13, "right_kidney": 0.13, "spleen": 0.09}
LARGEST_PART = 0.2  # of its host
CONTRAST_HU = {"hypodense": (-60.0, -30.0), "hyperdense": (28.0, 50.0)}
CHANCE_HYPERDENSE = {"liver": 0.25}
SEARCH_MM = 4.0  # grid on which a place is searched


@dataclass(frozen=True)
class TumourChoice:
    """Which tumours patients have.

    `chance` is that of a patient to have any. Volumes are lognormal about the median, within the smallest and the
    largest, and at most `LARGEST_PART` of the host. `contrast` is a factor of the usual contrast to the host.
    """

    chance: float = 0.65
    smallest_ml: float = 0.5
    median_ml: float = 6.0
    largest_ml: float = 40.0
    contrast: float = 1.0

    def __post_init__(self) -> None:
        in_order = 0 < self.smallest_ml <= self.median_ml <= self.largest_ml
        if not (in_order and 0 <= self.chance <= 1 and self.contrast > 0):
            raise InputError(f"tumours: {self} needs a chance of 0 to 1, volumes in order and a contrast above 0")


@dataclass(frozen=True)
class Tumour:
    """One tumour as it was painted."""

    host: str
    volume_ml: float
    contrast_hu: float  # to the host's tissue that it replaces


def draw_count(rng: np.random.Generator, chance: float) -> int:
    """1 to 3 in a part of the patients, else 0."""
    return int(rng.choice([1, 2, 3], p=CHANCES_OF_COUNT)) if rng.uniform() < chance else 0


def add_tumour(
    rng: np.random.Generator,
    hu: np.ndarray,
    organs: np.ndarray,
    tumours: np.ndarray,
    axes: Axes,
    partial_mm: float,
    choice: TumourChoice,
) -> Tumour | None:
    """Paint one tumour into HU and the mask `tumours`, in place; all arrays are (z, y, x).

    Returns:
        What was painted, or None where no organ that could hold a tumour is in view.
    """
    spacing = np.array([axis[1] - axis[0] for axis in axes[::-1]])
    voxel_ml = float(np.prod(spacing)) / 1000
    counts = np.bincount(organs.ravel(), minlength=TUMOUR_ID)
    hosts = [name for name in HOSTS if LARGEST_PART * counts[ORGAN_ID[name]] * voxel_ml > 2 * TumourChoice.smallest_ml]
    if not hosts:
        return None
    chances = np.array([HOSTS[name] for name in hosts])
    host = str(rng.choice(hosts, p=chances / chances.sum()))
    largest = min(choice.largest_ml, LARGEST_PART * counts[ORGAN_ID[host]] * voxel_ml)
    volume = float(min(max(rng.lognormal(np.log(choice.median_ml), 1.0), choice.smallest_ml), largest))
    radius = float((3000 * volume / (4 * np.pi)) ** (1 / 3))
    free = (organs == ORGAN_ID[host]) & ~tumours
    centre = draw_place(rng, free, spacing, radius)
    box, level = lump(rng, centre, radius, axes)
    free = free[box]
    level[~free] = np.inf
    surface = np.float32(level_for_volume(level, voxel_ml, volume))
    mask = level <= surface
    if not mask.any():
        return None
    hyperdense = rng.uniform() < CHANCE_HYPERDENSE.get(host, 0.0)
    contrast = choice.contrast * float(rng.uniform(*CONTRAST_HU["hyperdense" if hyperdense else "hypodense"]))
    value = np.float32(hu[box][mask].mean() + contrast)
    part = np.clip(0.5 + (surface - level) * np.float32(radius / partial_mm), 0, 1)
    hu[box] += part * free * (value - hu[box])
    tumours[box] |= mask
    return Tumour(host, float(mask.sum()) * voxel_ml, contrast)


def draw_place(rng: np.random.Generator, free: np.ndarray, spacing: np.ndarray, radius: float) -> np.ndarray:
    """Voxel (z, y, x) of a tumour's middle: anywhere in the organ where most of a ball of `radius` mm has room."""
    box = tuple(slice(int(at.min()), int(at.max()) + 1) for at in np.nonzero(free))
    steps = np.maximum(np.rint(SEARCH_MM / spacing), 1).astype(int)
    thinned = np.pad(free[box][tuple(slice(None, None, step) for step in steps)], 1)
    depth = distance_transform_edt(thinned, sampling=spacing * steps)[1:-1, 1:-1, 1:-1]
    places = np.argwhere(depth >= min(0.75 * radius, 0.8 * depth.max()))
    start = np.array([part.start for part in box])
    return np.asarray(start + steps * places[rng.integers(len(places))])


def lump(
    rng: np.random.Generator, centre: np.ndarray, radius: float, axes: Axes
) -> tuple[tuple[slice, ...], np.ndarray]:
    """(box, level) of a lobulated spheroid around a voxel: the level is about 1 on its surface."""
    radii = radius * np.exp(rng.normal(0, 0.12, 3))
    waves = draw_ripples(rng, (1.3 * radius, 3.0 * radius), 4)
    middle = [axis[index] for axis, index in zip(axes, centre[::-1], strict=True)]
    # twice the radius: what the host's surface takes away is made up for on the other sides
    box = tuple(
        slice(*np.searchsorted(axis, (at - 2 * radius - 1e-6, at + 2 * radius + 1e-6)))
        for axis, at in zip(axes[::-1], middle[::-1], strict=True)
    )
    near = tuple(axis[part] - at for axis, part, at in zip(axes, box[::-1], middle, strict=True))
    x, y, z = ((axis / size).astype(np.float32) for axis, size in zip(near, radii, strict=True))
    level = np.sqrt(x**2 + y[:, None] ** 2 + z[:, None, None] ** 2)
    return box, level / (1 + np.clip(np.float32(0.1) * waves((near[0], near[1], near[2])), -0.3, 0.3))


def level_for_volume(levels: np.ndarray, voxel_ml: float, volume_ml: float) -> float:
    """The level inside which the voxels come closest to a volume; at least one, at most those of finite level."""
    count = int(np.clip(round(volume_ml / voxel_ml), 1, max(int(np.isfinite(levels).sum()), 1)))
    return float(np.partition(levels, count - 1, axis=None)[count - 1])
