"""Closed shapes as signed distances (mm, negative inside), evaluated on whatever points are asked for.

Distances are of first order: exact on the surface, of the right sign everywhere, and near the surface close enough to
mm for partial volumes and rims. Points are three broadcastable float32 arrays: x right, y anterior, z superior.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy.interpolate import CubicSpline

Bounds = tuple[np.ndarray, np.ndarray]


class Shape(Protocol):
    """What an organ's form must offer."""

    def bounds(self) -> Bounds:
        """Lowest and highest corner of a box around the shape."""

    def distance(self, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        """Signed distance of the points to the surface."""


@dataclass(frozen=True)
class Ellipsoid:
    """Ellipsoid; the rows of `axes` are its unit vectors."""

    centre: np.ndarray
    radii: np.ndarray
    axes: np.ndarray

    def bounds(self) -> Bounds:
        """Tight box."""
        reach = np.sqrt(((self.axes * self.radii[:, None]) ** 2).sum(axis=0))
        return self.centre - reach, self.centre + reach

    def distance(self, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        """First-order distance (level set over its gradient)."""
        level, gradient = np.float32(0), np.float32(0)
        offsets = [p - np.float32(c) for p, c in zip((x, y, z), self.centre, strict=True)]
        for axis, radius in zip(self.axes.astype(np.float32), self.radii.astype(np.float32), strict=True):
            scaled = sum((a * o for a, o in zip(axis, offsets, strict=True)), start=np.float32(0)) / radius
            level = level + scaled**2
            gradient = gradient + (scaled / radius) ** 2
        level = np.sqrt(level) + np.float32(1e-6)
        return (level - 1) * level / (np.sqrt(gradient) + np.float32(1e-6))


@dataclass(frozen=True)
class Tube:
    """A chain of round cones along `points` (n, 3) with `radii` (n,); `flatness` above 1 flattens it front to back."""

    points: np.ndarray
    radii: np.ndarray
    flatness: float = 1.0

    def bounds(self) -> Bounds:
        """Box around all balls."""
        reach = self.radii[:, None]
        return (self.points - reach).min(axis=0), (self.points + reach).max(axis=0)

    def pieces(self, cones: int) -> list[Tube]:
        """The same tube in pieces of at most so many cones, whose boxes are fuller than one around a bent tube."""
        starts = range(0, len(self.points) - 1, cones)
        return [
            Tube(self.points[start : start + cones + 1], self.radii[start : start + cones + 1], self.flatness)
            for start in starts
        ]

    def distance(self, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        """Distance to the nearest of the cones, each taken as a segment whose radius changes along it."""
        nearest = np.full(np.broadcast_shapes(x.shape, y.shape, z.shape), np.inf, np.float32)
        stretch = np.array([1.0, self.flatness, 1.0])
        points = (self.points * stretch).astype(np.float32)
        radii = self.radii.astype(np.float32)
        y = y * np.float32(self.flatness)
        for start, end, first, last in zip(points[:-1], points[1:], radii[:-1], radii[1:], strict=True):
            along = end - start
            dx, dy, dz = x - start[0], y - start[1], z - start[2]
            part = (dx * along[0] + dy * along[1] + dz * along[2]) / (along**2).sum()
            part = np.clip(part, 0, 1)
            dx -= part * along[0]
            dy -= part * along[1]
            dz -= part * along[2]
            gap = np.sqrt(dx * dx + dy * dy + dz * dz)
            gap -= first + part * (last - first)
            np.minimum(nearest, gap, out=nearest)
        return nearest


@dataclass(frozen=True)
class Fins:
    """Upright plates: segments `ends` (n, 2, 2) in the axial plane, `thickness` mm thick, `height` mm high.

    The plates stand on the sloping axis of an adrenal gland: `lean` is the shift (x, y) per mm upwards.
    """

    ends: np.ndarray
    thickness: float
    bottom: float
    height: float
    lean: tuple[float, float]

    def bounds(self) -> Bounds:
        """Box around the leaning plates."""
        shift = 0.5 * self.height * np.abs(self.lean)
        reach = shift + self.thickness / 2
        low, high = self.ends.min(axis=(0, 1)) - reach, self.ends.max(axis=(0, 1)) + reach
        return np.array([*low, self.bottom]), np.array([*high, self.bottom + self.height])

    def distance(self, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        """Distance to the plates, whose upper and lower edges are rounded."""
        above = z - np.float32(self.bottom + self.height / 2)
        x, y = x - np.float32(self.lean[0]) * above, y - np.float32(self.lean[1]) * above
        nearest = np.full(np.broadcast_shapes(x.shape, y.shape, z.shape), np.inf, np.float32)
        for start, end in self.ends.astype(np.float32):
            along = end - start
            dx, dy = x - start[0], y - start[1]
            part = np.clip((dx * along[0] + dy * along[1]) / (along**2).sum(), 0, 1)
            np.minimum(nearest, np.hypot(dx - part * along[0], dy - part * along[1]), out=nearest)
        half = np.float32(self.thickness / 2)
        beyond = np.maximum(np.abs(above) - np.float32(self.height / 2) + half, 0)
        return np.hypot(nearest, beyond) - half


@dataclass(frozen=True)
class HalfSpace:
    """The side of a plane that `normal` (any length) points away from; without bounds of its own."""

    point: np.ndarray
    normal: np.ndarray

    def bounds(self) -> Bounds:
        """Endless."""
        return np.full(3, -np.inf), np.full(3, np.inf)

    def distance(self, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        """Exact distance to the plane."""
        normal = (self.normal / np.linalg.norm(self.normal)).astype(np.float32)
        point = self.point.astype(np.float32)
        return (x - point[0]) * normal[0] + (y - point[1]) * normal[1] + (z - point[2]) * normal[2]


@dataclass(frozen=True)
class Common:
    """What all `parts` share, its edges rounded with `rounding` mm."""

    parts: tuple[Shape, ...]
    rounding: float

    def bounds(self) -> Bounds:
        """Box that all parts share."""
        lows, highs = zip(*(part.bounds() for part in self.parts), strict=True)
        return np.max(lows, axis=0), np.min(highs, axis=0)

    def distance(self, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        """Distance to the rounded intersection."""
        return round_common([part.distance(x, y, z) for part in self.parts], self.rounding)


@dataclass(frozen=True)
class Without:
    """`whole` without `notch`, the rim of the notch rounded with `rounding` mm."""

    whole: Shape
    notch: Shape
    rounding: float

    def bounds(self) -> Bounds:
        """Box of the whole."""
        return self.whole.bounds()

    def distance(self, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        """Distance to the rounded difference."""
        return round_common([self.whole.distance(x, y, z), -self.notch.distance(x, y, z)], self.rounding)


def round_common(distances: Sequence[np.ndarray], rounding: float) -> np.ndarray:
    """Intersection of shapes given by their distances; edges between them get the radius `rounding` (mm)."""
    radius = np.float32(rounding)
    outside, deepest = np.float32(0), np.float32(-np.inf)
    for distance in distances:
        shifted = distance + radius
        outside = outside + np.maximum(shifted, 0) ** 2
        deepest = np.maximum(deepest, shifted)
    return np.sqrt(outside) + np.minimum(deepest, 0) - radius


def straight_tube(rows: Sequence[Sequence[float]] | np.ndarray) -> Tube:
    """A tube straight from row to row (x, y, z, radius)."""
    table = np.asarray(rows, float)
    return Tube(table[:, :3], table[:, 3])


def smooth_tube(table: np.ndarray, step_mm: float = 9.0, flatness: float = 1.0) -> Tube:
    """A tube without kinks through the rows (x, y, z, radius) of `table`, in pieces of about `step_mm`."""
    gaps = np.linalg.norm(np.diff(table[:, :3], axis=0), axis=1)
    # parameter: square root of the chords (centripetal), which keeps a spline from overshooting at uneven gaps
    knots = np.concatenate([[0.0], np.cumsum(np.sqrt(gaps))])
    places = [
        np.linspace(knots[i], knots[i + 1], max(int(np.ceil(gap / step_mm)), 1), endpoint=False)
        for i, gap in enumerate(gaps)
    ]
    curve = CubicSpline(knots, table[:, :3], bc_type="natural")
    at = np.concatenate([*places, knots[-1:]])
    return Tube(curve(at), np.interp(at, knots, table[:, 3]), flatness)


def turned_axes(direction: Sequence[float], towards: Sequence[float]) -> np.ndarray:
    """Unit vectors (rows): `direction`, the part of `towards` across it, and the third across both."""
    first = np.asarray(direction, float) / np.linalg.norm(direction)
    second = np.asarray(towards, float) - np.dot(towards, first) * first
    second /= np.linalg.norm(second)
    return np.stack([first, second, np.cross(first, second)])
