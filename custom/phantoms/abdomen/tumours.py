"""Tumours: uneven lumps inside a liver, kidney, pancreas or spleen that has already been painted."""

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np
from scipy.ndimage import distance_transform_edt

from ...errors import InputError
from ..canvas import Canvas, volume_threshold
from ..ripples import draw_ripples
from ..shapes import Ellipsoid
from .organs import ORGAN_ID

TUMOUR_ID = ORGAN_ID["tumour"]
CHANCES_OF_COUNT = (0.6, 0.27, 0.13)  # one, two, three
HOSTS = {"liver": 0.6, "pancreas": 0.1, "left_kidney": 0.1, "right_kidney": 0.1, "spleen": 0.1}
LARGEST_PART = 0.2  # of its host
CONTRAST_HU = (-60.0, -30.0)  # to the host


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


def tumour_choice(values: Mapping[str, float]) -> TumourChoice:
    """The choice with these values instead of its own. Raises `InputError` for a name it has not."""
    known = [field.name for field in fields(TumourChoice)]
    for name in values:
        if name not in known:
            raise InputError(f"tumours: there is no {name!r}; name any of {', '.join(known)}")
    return TumourChoice(**values)


def draw_count(rng: np.random.Generator, chance: float) -> int:
    """1 to 3 in a part of the patients, else 0."""
    return int(rng.choice([1, 2, 3], p=CHANCES_OF_COUNT)) if rng.uniform() < chance else 0


def add_tumour(
    rng: np.random.Generator, canvas: Canvas, organs: np.ndarray, voxel_ml: float, choice: TumourChoice
) -> None:
    """Paint and label one tumour, if an organ that can hold one is in view; `organs` are labels without tumours."""
    largest_ml = LARGEST_PART * voxel_ml * np.bincount(organs.ravel(), minlength=TUMOUR_ID)
    hosts = [name for name in HOSTS if largest_ml[ORGAN_ID[name]] > 2 * TumourChoice.smallest_ml]
    if not hosts:
        return
    chances = np.array([HOSTS[name] for name in hosts])
    host = str(rng.choice(hosts, p=chances / chances.sum()))
    largest = min(choice.largest_ml, largest_ml[ORGAN_ID[host]])
    volume = float(min(max(rng.lognormal(np.log(choice.median_ml), 1.0), choice.smallest_ml), largest))
    radius = float((3000 * volume / (4 * np.pi)) ** (1 / 3))
    shape = Ellipsoid(draw_place(rng, canvas, host, radius), radius * np.exp(rng.normal(0, 0.12, 3)), np.eye(3))
    # a margin of the radius: what the host's surface takes away is made up for on the other sides
    box = canvas.box(shape, radius)
    ripples = draw_ripples(rng, (1.3 * radius, 3.0 * radius), 4)(canvas.points)[box]
    distance = canvas.distance(shape, box) + np.float32(0.1 * radius) * ripples
    free = canvas.label[box] == ORGAN_ID[host]
    distance[~free] = np.inf
    surface = np.float32(volume_threshold(distance, volume / voxel_ml))
    mask = distance <= surface
    contrast = choice.contrast * rng.uniform(*CONTRAST_HU)
    canvas.blend(box, distance - surface, canvas.signal[box][mask].mean() + contrast)
    canvas.label[box][mask] = TUMOUR_ID


def draw_place(rng: np.random.Generator, canvas: Canvas, host: str, radius: float) -> np.ndarray:
    """Point (x, y, z) in mm of a tumour's middle: anywhere in the organ where most of a ball of `radius` has room."""
    free = canvas.label == ORGAN_ID[host]
    box = tuple(slice(int(at.min()), int(at.max()) + 1) for at in np.nonzero(free))
    axes = [points.ravel() for points in canvas.points]
    spacing = [float(axis[1] - axis[0]) for axis in axes]
    depth = distance_transform_edt(np.pad(free[box], 1), sampling=spacing)[1:-1, 1:-1, 1:-1]
    places = np.argwhere(depth >= min(0.75 * radius, 0.8 * depth.max()))
    place = places[rng.integers(len(places))]
    return np.array([axis[part][index] for axis, part, index in zip(axes, box, place, strict=True)])
