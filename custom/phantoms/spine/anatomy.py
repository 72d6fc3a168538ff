"""The spine of a phantom: a curved axis, the dural sac around it and the cord inside, as profiles along the axis.

Image frame in mm: x right, y anterior, z superior, origin in the middle of the field of view. Along the curved axis
of the canal a point has the coordinates (across, ahead, along): right of it, anterior of it, and position on it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.ndimage import gaussian_filter1d

PROFILE_STEP_MM = 0.5


@dataclass(frozen=True)
class Region:
    """Typical sizes (mm) of one part of the spine; `bend_mm` is how far the axis departs ahead over 100 mm."""

    pitch: tuple[float, float]
    body_depth: tuple[float, float]
    body_half_width: tuple[float, float]
    cord: tuple[float, float]
    sac: tuple[float, float]
    bend: tuple[float, float]
    has_conus: bool = False


REGIONS = {
    "cervical": Region((17, 20), (16, 19), (11, 14), (6.3, 4.1), (10.5, 7.2), (-14, 2)),
    "thoracic": Region((21, 25), (23, 28), (15, 18), (4.9, 3.7), (9.0, 7.0), (0, 14)),
    "thoracolumbar": Region((26, 31), (27, 33), (18, 22), (5.0, 4.0), (10.0, 7.8), (-10, 6), has_conus=True),
}


@dataclass(frozen=True)
class Spine:
    """What was drawn for one spine. Radii are (right-left, anterior-posterior) in mm."""

    region: str
    canal_ahead_mm: float  # anterior of the middle of the field of view, at mid height
    canal_across_mm: float
    bend: tuple[float, float, float]  # mm at 100 mm from the middle: linear, quadratic, cubic
    sway: tuple[float, float]  # the same to the right: linear, quadratic
    cord_radii: tuple[float, float]
    sac_radii: tuple[float, float]
    conus_mm: float  # position along the axis below which the cord tapers; -inf without conus
    pitch_mm: float  # from one disc to the next
    pitch_gain: float  # by which part vertebrae shorten over 100 mm upwards
    pitch_phase: float
    body_depth_mm: float
    body_half_width_mm: float

    def level_number(self, along: np.ndarray) -> np.ndarray:
        """Continuous count of vertebral levels: discs lie around the integers."""
        return self.pitch_phase + (along + self.pitch_gain * along**2 / 200) / self.pitch_mm

    def axis(self, along: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(across, ahead, slope of ahead) of the canal axis at `along`, in the image frame."""
        t = along / 100
        linear, quadratic, cubic = self.bend
        ahead = self.canal_ahead_mm + linear * t + quadratic * t**2 + cubic * t**3
        slope = (linear + 2 * quadratic * t + 3 * cubic * t**2) / 100
        across = self.canal_across_mm + self.sway[0] * t + self.sway[1] * t**2
        return across, ahead, slope

    def straighten(self, y: np.ndarray, z: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Image points of one sagittal plane to (axis position across, ahead of the axis, along the axis)."""
        along = z
        for _ in range(3):  # fixed point of: the foot of the perpendicular from (y, z) on the axis
            _, ahead, slope = self.axis(along)
            along = z + slope * (y - ahead)
        across, ahead, slope = self.axis(along)
        return across, (y - ahead) * np.sqrt(1 + slope**2), along


def draw_spine(rng: np.random.Generator, extent_mm: tuple[float, float]) -> Spine:
    """A spine whose canal crosses a field of view of `extent_mm` (anterior-posterior, superior-inferior)."""
    name = str(rng.choice(list(REGIONS)))
    region = REGIONS[name]
    size = rng.uniform(0.92, 1.1)
    ahead = rng.uniform(-0.12, 0.0) * extent_mm[0]
    conus = rng.uniform(-0.35, -0.1) * extent_mm[1]
    return Spine(
        region=name,
        canal_ahead_mm=ahead,
        canal_across_mm=rng.uniform(-3, 3),
        bend=(rng.normal(0, 4), rng.uniform(*region.bend), rng.normal(0, 4)),
        sway=(rng.normal(0, 1.5), rng.normal(0, 1.5)),
        cord_radii=(region.cord[0] * size, region.cord[1] * size * rng.uniform(0.92, 1.08)),
        sac_radii=(region.sac[0] * size * rng.uniform(0.95, 1.05), region.sac[1] * size * rng.uniform(0.9, 1.12)),
        conus_mm=conus if region.has_conus else -np.inf,
        pitch_mm=rng.uniform(*region.pitch),
        pitch_gain=rng.uniform(0.08, 0.18),
        pitch_phase=rng.uniform(0, 1),
        body_depth_mm=rng.uniform(*region.body_depth),
        body_half_width_mm=rng.uniform(*region.body_half_width),
    )


@dataclass(frozen=True)
class Canal:
    """Profiles along the axis (arrays of one shape) of the dural sac and the cord.

    A mass moves the cord by `shift` along the unit vector `direction` (across, ahead), multiplies its size along it by
    `squeeze` and across it by `stretch`.
    """

    along: np.ndarray
    sac_across: np.ndarray
    sac_ahead: np.ndarray
    cord_across: np.ndarray
    cord_ahead: np.ndarray
    shift: np.ndarray
    squeeze: np.ndarray
    stretch: np.ndarray
    direction: tuple[float, float] = (0.0, 1.0)

    def at(self, along: np.ndarray) -> Canal:
        """The same profiles, interpolated at the positions `along` (any shape), float32."""
        position = (along - self.along[0]) / (self.along[1] - self.along[0])
        lower = np.clip(position.astype(np.int32), 0, len(self.along) - 2)
        weight = np.clip(position - lower, 0, 1).astype(np.float32)

        def interpolate(profile: np.ndarray) -> np.ndarray:
            values = profile.astype(np.float32)
            return values[lower] + weight * (values[lower + 1] - values[lower])

        return self._with_profiles(interpolate, along)

    def crop(self, index: tuple[slice, ...]) -> Canal:
        """The part of every profile array that `index` selects."""
        return self._with_profiles(lambda profile: profile[index], self.along[index])

    def _with_profiles(self, change: Callable[[np.ndarray], np.ndarray], along: np.ndarray) -> Canal:
        changed: dict[str, Any] = {name: change(getattr(self, name)) for name in PROFILES}
        return replace(self, along=along, **changed)

    def sac_distance(self, across: np.ndarray, ahead: np.ndarray) -> np.ndarray:
        """Approximate signed distance (mm) to the dura, negative inside; the profiles broadcast to the points."""
        return ellipse_distance(across, ahead, self.sac_across, self.sac_ahead)

    def cord_distance(self, across: np.ndarray, ahead: np.ndarray) -> np.ndarray:
        """Approximate signed distance (mm) to the cord's surface, negative inside."""
        u, v = self.direction
        forward = (across * u + ahead * v - self.shift) / self.squeeze
        sideways = (ahead * u - across * v) / self.stretch
        return ellipse_distance(
            forward * u - sideways * v, forward * v + sideways * u, self.cord_across, self.cord_ahead
        )


PROFILES = ("sac_across", "sac_ahead", "cord_across", "cord_ahead", "shift", "squeeze", "stretch")


def ellipse_distance(x: np.ndarray, y: np.ndarray, radius_x: np.ndarray, radius_y: np.ndarray) -> np.ndarray:
    """First-order signed distance to an ellipse, negative inside; exact for a circle outside its middle."""
    scaled_x, scaled_y = x / radius_x, y / radius_y
    level = np.sqrt(scaled_x**2 + scaled_y**2) + 1e-6
    gradient = np.sqrt((scaled_x / radius_x) ** 2 + (scaled_y / radius_y) ** 2) / level + 1e-6
    return (level - 1) / gradient


def support_radius(
    radii: tuple[np.ndarray, np.ndarray] | tuple[float, float], direction: tuple[float, float]
) -> np.ndarray:
    """Distance from the middle of an ellipse to its edge along a unit vector."""
    return 1 / np.sqrt((direction[0] / np.asarray(radii[0])) ** 2 + (direction[1] / np.asarray(radii[1])) ** 2)


def resting_canal(spine: Spine, length_mm: float) -> Canal:
    """The canal without a tumour, over `length_mm` around the middle: cord of even size, tapering at the conus."""
    along = np.arange(-length_mm / 2, length_mm / 2 + PROFILE_STEP_MM, PROFILE_STEP_MM)
    ones = np.ones_like(along)
    # below the conus a thread of 0.6 mm (the filum) is left, so that no radius is zero
    taper = 1 / (1 + np.exp(-(along - spine.conus_mm) / 5)) if np.isfinite(spine.conus_mm) else ones
    swell = 1 + 0.04 * np.cos(2 * np.pi * spine.level_number(along))
    return Canal(
        along=along,
        sac_across=spine.sac_radii[0] * ones,
        sac_ahead=spine.sac_radii[1] * (2 - swell),
        cord_across=np.maximum(spine.cord_radii[0] * taper, 0.6),
        cord_ahead=np.maximum(spine.cord_radii[1] * taper, 0.6),
        shift=0 * ones,
        squeeze=ones,
        stretch=ones,
    )


def smooth_profile(profile: np.ndarray, width_mm: float = 2.0) -> np.ndarray:
    """Gaussian smoothing along the axis."""
    return gaussian_filter1d(profile, width_mm / PROFILE_STEP_MM, mode="nearest")
