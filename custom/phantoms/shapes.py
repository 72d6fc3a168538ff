"""Shapes as signed distances (mm, negative inside) of first order: exact on the surface, of the right sign elsewhere.

Points are three broadcastable arrays: x right, y anterior, z superior.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import pairwise, starmap

import numpy as np

Points = tuple[np.ndarray, np.ndarray, np.ndarray]
Bounds = tuple[np.ndarray, np.ndarray]
Vector = Sequence[float] | np.ndarray
Section = tuple[np.ndarray | float, np.ndarray | float, np.ndarray | float, np.ndarray | float]


class Shape:
    """What can be painted."""

    def bounds(self) -> Bounds:
        """Lowest and highest corner of a box around the shape; endless unless a shape knows better."""
        return np.full(3, -np.inf), np.full(3, np.inf)

    def distance(self, points: Points) -> np.ndarray:
        """Signed distance of the points to the surface."""
        raise NotImplementedError


@dataclass(frozen=True)
class Ellipsoid(Shape):
    """Ellipsoid; the rows of `axes` are its unit vectors."""

    centre: np.ndarray
    radii: np.ndarray
    axes: np.ndarray

    def bounds(self) -> Bounds:
        """Tight box."""
        reach = np.sqrt(((self.axes * self.radii[:, None]) ** 2).sum(axis=0))
        return self.centre - reach, self.centre + reach

    def distance(self, points: Points) -> np.ndarray:
        """Level over its gradient."""
        offsets = [p - np.float32(c) for p, c in zip(points, self.centre, strict=True)]
        level, gradient = np.float32(0), np.float32(0)
        for axis, radius in zip(self.axes.astype(np.float32), self.radii.astype(np.float32), strict=True):
            scaled = (axis[0] * offsets[0] + axis[1] * offsets[1] + axis[2] * offsets[2]) / radius
            level, gradient = level + scaled**2, gradient + (scaled / radius) ** 2
        return level_distance(level, gradient)


@dataclass(frozen=True)
class Column(Shape):
    """Upright column of elliptic `section`: of heights z, the centre x and y and the radii along x and y."""

    section: Callable[[np.ndarray], Section]

    def distance(self, points: Points) -> np.ndarray:
        """Distance within the axial plane."""
        x, y, radius_x, radius_y = (np.asarray(value, np.float32) for value in self.section(points[2]))
        u, v = (points[0] - x) / radius_x, (points[1] - y) / radius_y
        return level_distance(u**2 + v**2, (u / radius_x) ** 2 + (v / radius_y) ** 2)


@dataclass(frozen=True)
class Tube(Shape):
    """A chain of round cones along the rows (x, y, z, radius) of `table`."""

    table: np.ndarray

    def bounds(self) -> Bounds:
        """Box around all balls."""
        points, reach = self.table[:, :3], self.table[:, 3:]
        return (points - reach).min(axis=0), (points + reach).max(axis=0)

    def distance(self, points: Points) -> np.ndarray:
        """Distance to the nearest cone, each a segment whose radius changes along it."""

        def distance_to_cone(start: np.ndarray, end: np.ndarray) -> np.ndarray:
            along = end - start
            offsets = [p - s for p, s in zip(points, start[:3], strict=True)]
            part = sum(o * a for o, a in zip(offsets, along, strict=False)) / (along[:3] ** 2).sum()
            part = np.clip(part, 0, 1)
            squares = sum((o - part * a) ** 2 for o, a in zip(offsets, along, strict=False))
            return np.sqrt(squares) - (start[3] + part * along[3])

        return reduce(np.minimum, starmap(distance_to_cone, pairwise(self.table.astype(np.float32))))


@dataclass(frozen=True)
class HalfSpace(Shape):
    """The side of a plane that `normal` (any length) points away from."""

    point: np.ndarray
    normal: np.ndarray

    def distance(self, points: Points) -> np.ndarray:
        """Exact distance to the plane."""
        unit = np.asarray(self.normal, np.float32) / np.float32(np.linalg.norm(self.normal))
        return np.asarray(sum(n * (p - np.float32(c)) for n, p, c in zip(unit, points, self.point, strict=True)))


@dataclass(frozen=True)
class Slabs(Shape):
    """Level slabs, `thickness` high, one around every height `first + n * pitch`."""

    first: float
    pitch: float
    thickness: float

    def distance(self, points: Points) -> np.ndarray:
        """Exact distance to the nearest face."""
        number = (points[2] - np.float32(self.first)) / np.float32(self.pitch)
        return np.abs(number - np.rint(number)) * np.float32(self.pitch) - np.float32(self.thickness / 2)


@dataclass(frozen=True)
class Common(Shape):
    """What all `parts` share."""

    parts: Sequence[Shape]

    def bounds(self) -> Bounds:
        """Box that all parts share."""
        lows, highs = zip(*(part.bounds() for part in self.parts), strict=True)
        return np.max(lows, axis=0), np.min(highs, axis=0)

    def distance(self, points: Points) -> np.ndarray:
        """The largest of the parts' distances."""
        return reduce(np.maximum, (part.distance(points) for part in self.parts))


@dataclass(frozen=True)
class Outside(Shape):
    """Everything but a shape."""

    shape: Shape

    def distance(self, points: Points) -> np.ndarray:
        """The shape's distance with the other sign."""
        return -self.shape.distance(points)


def straight_column(x: float, y: float, radius_x: float, radius_y: float) -> Column:
    """A column of the same section at all heights."""
    return Column(lambda _: (x, y, radius_x, radius_y))


def level_distance(level: np.ndarray, gradient: np.ndarray) -> np.ndarray:
    """Distance to an ellipsoid from the sums of (offset / radius)^2 and of (offset / radius^2)^2."""
    root = np.sqrt(level) + np.float32(1e-6)
    return (root - 1) * root / (np.sqrt(gradient) + np.float32(1e-6))


def turned_axes(direction: Vector, towards: Vector) -> np.ndarray:
    """Unit vectors (rows): `direction`, the part of `towards` across it, and the third across both."""
    first = np.asarray(direction, float) / np.linalg.norm(direction)
    second = np.asarray(towards, float) - np.dot(towards, first) * first
    second /= np.linalg.norm(second)
    return np.stack([first, second, np.cross(first, second)])
