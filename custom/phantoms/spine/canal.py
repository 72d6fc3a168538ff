"""The spinal canal: a curved axis, the dural sac around it and the cord inside, both remodelled by a tumour."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..shapes import Column, Points, Section
from .tumours import Tumour, support_radius


@dataclass(frozen=True)
class Spine:
    """What was drawn for one spine, mm; radii are (right-left, front-back)."""

    bow: tuple[float, float, float]  # front-back place of the axis at height 0, and its linear and quadratic departure
    sway: tuple[float, float]  # the same to the right: place, linear; all departures at 100 mm from height 0
    cord: tuple[float, float]
    sac: tuple[float, float]
    body: tuple[float, float]  # radii of the vertebral bodies
    pitch: float  # from one disc to the next
    first_disc: float

    def straighten(self, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> Points:
        """Image points (right, anterior, superior) to (right of the canal's axis, ahead of it, along it)."""
        t = z / 100
        return x - (self.sway[0] + self.sway[1] * t), y - (self.bow[0] + self.bow[1] * t + self.bow[2] * t**2), z


def draw_spine(rng: np.random.Generator, depth_mm: float) -> Spine:
    """A spine somewhere between neck and loin, in a field of view `depth_mm` deep."""
    level = rng.uniform()

    def between(neck: float, loin: float) -> float:
        return (neck + (loin - neck) * level) * rng.uniform(0.92, 1.08)

    pitch = between(18, 29)
    return Spine(
        bow=(rng.uniform(-0.12, 0.0) * depth_mm, rng.normal(0, 4), rng.uniform(-10, 10)),
        sway=(rng.uniform(-3, 3), rng.normal(0, 1.5)),
        cord=(between(6.3, 5.0), between(4.1, 3.9)),
        sac=(between(10.5, 9.5), between(7.2, 7.6)),
        body=(between(12, 20), between(8.5, 15)),
        pitch=pitch,
        first_disc=rng.uniform(0, pitch),
    )


@dataclass(frozen=True)
class Canal:
    """The cord, and the sac that the dura encloses."""

    cord: Column
    sac: Column


def remodel(spine: Spine, tumour: Tumour) -> Canal:
    """The canal with the tumour's mass effect.

    A tumour within the cord swells it; one on the dura widens the sac, pushes the cord aside and flattens it.
    """
    (u, v), (wide, deep, _) = tumour.direction, tumour.radii
    if tumour.kind.within_cord:
        shift = 0.5 * tumour.offset_mm
        cord = (
            max(spine.cord[0], float(np.hypot(wide * v, deep * u)) + abs(u) * shift + 1.0),
            max(spine.cord[1], float(np.hypot(wide * u, deep * v)) + abs(v) * shift + 1.0),
        )
    else:
        inner = tumour.offset_mm - deep * (1 - tumour.kind.embedded)
        resting = support_radius(spine.cord, tumour.direction)
        flat = float(np.clip((tumour.dura_mm + inner - 1.4) / (2 * resting), 0.45, 1.0))
        cord = (spine.cord[0] * (1 - (1 - flat) * abs(u)), spine.cord[1] * (1 - (1 - flat) * abs(v)))
        shift = min(inner - 0.7 - support_radius(cord, tumour.direction), 0.0)
    widening = max(tumour.dura_mm / support_radius(spine.sac, tumour.direction), 1.0)
    reach = np.abs([u, v]) * abs(shift) + cord + 0.8  # a film of fluid is left around the cord
    sac = np.maximum(np.asarray(spine.sac) * widening, reach)
    return Canal(
        bulging((0, 0, *spine.cord), (u * shift, v * shift, *cord), tumour),
        bulging((0, 0, *spine.sac), (0, 0, *sac), tumour),
    )


def bulging(resting: Sequence[float], pushed: Sequence[float], tumour: Tumour) -> Column:
    """A column whose section (x, y, radii) passes from `resting` to `pushed` where the tumour is."""

    def section(along: np.ndarray) -> Section:
        near = tumour.near(along)
        x, y, radius_x, radius_y = (start + (end - start) * near for start, end in zip(resting, pushed, strict=True))
        return x, y, radius_x, radius_y

    return Column(section)
