"""A canvas: a slab of the scan in Hounsfield units and labels, onto which shapes are painted one over the other."""

from __future__ import annotations

import numpy as np

from .pose import Pose
from .ripples import Axes
from .shapes import Shape, Tube, round_common
from .tissue import AIR, FAT

Box = tuple[slice, slice, slice]
Value = np.ndarray | float
FAR_MM, CONES_AT_ONCE = 1000.0, 2


class Canvas:
    """HU (float32) and label (uint8) of the grid with the scanner coordinates `axes`, both (z, y, x).

    Args:
        pose: places the anatomy in the scanner.
        axes: scanner coordinates x, y, z of columns, rows and slices.
        partial_mm: width (scanner mm) over which a surface mixes the tissues of its two sides.
        uneven_mm: field (z, y, x) by which surfaces are raised.
        texture: field (z, y, x) in HU, added to whatever is painted as parenchyma.
    """

    def __init__(self, pose: Pose, axes: Axes, partial_mm: float, uneven_mm: np.ndarray, texture: np.ndarray) -> None:
        self.pose, self.axes = pose, axes
        self.points = pose.to_anatomy(axes)
        self.partial_mm = np.float32(partial_mm / pose.size)
        self.uneven_mm, self.texture = uneven_mm, texture
        self.hu = np.full(uneven_mm.shape, AIR, np.float32)
        self.label = np.zeros(uneven_mm.shape, np.uint8)
        self.room = np.full(uneven_mm.shape, -np.inf, np.float32)  # distance out of the abdominal cavity

    def box(self, low: np.ndarray, high: np.ndarray) -> Box | None:
        """The part of the canvas that an anatomical box can reach, or None."""
        lows, highs = self.pose.to_scanner((np.maximum(low, -500.0), np.minimum(high, 500.0)))
        slices = []
        for axis, first, last in zip(self.axes[::-1], lows[::-1], highs[::-1], strict=True):
            start, stop = np.searchsorted(axis, (first, last))
            if start == stop:
                return None
            slices.append(slice(int(start), int(stop)))
        return slices[0], slices[1], slices[2]

    def sample(self, shape: Shape, margin_mm: float = 0.0, uneven: float = 1.0) -> tuple[Box, np.ndarray] | None:
        """Where a shape may be, and its distance there, roughened by `uneven` times the canvas's field."""
        low, high = shape.bounds()
        reach = margin_mm + 4 + 0.5 * self.partial_mm
        box = self.box(low - reach, high + reach)
        if box is None:
            return None
        if isinstance(shape, Tube):
            distance = self._tube_distance(shape, box, reach)
        else:
            distance = shape.distance(*(p[box] for p in self.points))
        return box, distance + np.float32(uneven) * self.uneven_mm[box]

    def _tube_distance(self, tube: Tube, box: Box, reach: float) -> np.ndarray:
        """Distance to a tube, true within `reach` of it and large elsewhere, each piece computed where it is near."""
        distance = np.full(self.hu[box].shape, FAR_MM, np.float32)
        for piece in tube.pieces(CONES_AT_ONCE):
            low, high = piece.bounds()
            near = self.box(low - reach, high + reach)
            if near is not None:
                inner = tuple(
                    slice(part.start - whole.start, part.stop - whole.start)
                    for part, whole in zip(near, box, strict=True)
                )
                view = distance[inner]
                np.minimum(view, piece.distance(*(p[near] for p in self.points)), out=view)
        return distance

    def edge(self, distance: np.ndarray) -> np.ndarray:
        """Part of a voxel that lies inside a surface at a signed distance: 1 inside, 0 outside, a ramp between."""
        return np.clip(np.float32(0.5) - distance / self.partial_mm, 0, 1)

    def paint(self, box: Box, part: np.ndarray, value: Value) -> None:
        """Cover the HU of `box` with `value` where `part` is 1, proportionally below."""
        hu = self.hu[box]
        hu += part * (np.asarray(value, np.float32) - hu)

    def cover(
        self,
        shape: Shape,
        value: Value,
        organ: int = 0,
        rim_mm: float = 0.0,
        uneven: float = 1.0,
        in_room: bool = False,
    ) -> tuple[Box, np.ndarray] | None:
        """Paint a shape over everything and label it `organ`, with a rim of fat that keeps its neighbours away.

        Returns:
            Box and distance for what is painted within it, or None where the slab does not reach it.
        """
        found = self.sample(shape, rim_mm, uneven)
        if found is None:
            return None
        box, distance = found
        if in_room:
            distance = round_common([distance, self.room[box]], 4.0)
        label = self.label[box]
        if rim_mm > 0:
            self.paint(box, self.edge(distance - np.float32(rim_mm)), FAT)
            label[distance < rim_mm] = 0
        self.paint(box, self.edge(distance), value + self.texture[box])
        label[distance < 0] = organ
        return box, distance

    def add_between(self, shape: Shape, value: Value, uneven: float = 0.3) -> None:
        """Paint a shape where no organ is labelled."""
        found = self.sample(shape, uneven=uneven)
        if found is not None:
            box, distance = found
            self.paint(box, self.edge(distance) * (self.label[box] == 0), value)
