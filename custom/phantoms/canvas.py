"""A canvas: signal and labels of a scan's grid, onto which shapes are painted one over the other."""

import numpy as np

from .shapes import Points, Shape

Box = tuple[slice, ...]


class Canvas:
    """`signal` (float32) and `label` (uint8) on a grid.

    Args:
        points: coordinates of the grid's points in the frame of the shapes, three arrays that broadcast to its shape.
        background: signal before anything is painted.
        soft_mm: width over which a surface mixes the signals of its two sides (partial volume).
        uneven_mm: field on the grid by which surfaces are lowered.
    """

    def __init__(self, points: Points, background: float, soft_mm: float, uneven_mm: np.ndarray | None = None) -> None:
        x, y, z = (p.astype(np.float32) for p in points)
        self.points: Points = (x, y, z)
        shape = np.broadcast_shapes(x.shape, y.shape, z.shape)
        self.soft_mm = np.float32(soft_mm)
        self.uneven_mm = uneven_mm
        self.signal = np.full(shape, background, np.float32)
        self.label = np.zeros(shape, np.uint8)

    def box(self, shape: Shape, margin_mm: float = 0.0) -> Box:
        """The part of the grid that may lie within `margin_mm` of a shape."""
        low, high = shape.bounds()
        starts, stops = [0, 0, 0], [*map(int, self.signal.shape)]
        for points, first, last in zip(self.points, low - margin_mm, high + margin_mm, strict=True):
            inside = (points >= first) & (points <= last)
            for axis in range(3):
                if inside.shape[axis] > 1:
                    hit = np.flatnonzero(inside.any(axis=tuple({0, 1, 2} - {axis})))
                    starts[axis] = max(starts[axis], int(hit[0]) if len(hit) else stops[axis])
                    stops[axis] = min(stops[axis], int(hit[-1]) + 1 if len(hit) else 0)
        return tuple(slice(start, max(start, stop)) for start, stop in zip(starts, stops, strict=True))

    def distance(self, shape: Shape, box: Box) -> np.ndarray:
        """Signed distance (mm) of the grid's points in `box` to a shape with uneven surfaces."""
        x, y, z = (
            p[tuple(part if p.shape[axis] > 1 else slice(None) for axis, part in enumerate(box))] for p in self.points
        )
        distance = shape.distance((x, y, z))
        return distance if self.uneven_mm is None else distance + self.uneven_mm[box]

    def paint(self, shape: Shape, signal: float, label: int | None = None, grow_mm: float = 0.0) -> None:
        """Paint a shape over everything; its voxels get `label` (None: keep theirs).

        The paint ends `grow_mm` outside the shape's surface.
        """
        box = self.box(shape, grow_mm + float(self.soft_mm) + 4)
        distance = self.distance(shape, box) - np.float32(grow_mm)
        self.blend(box, distance, signal)
        if label is not None:
            self.label[box][np.broadcast_to(distance < 0, self.label[box].shape)] = label

    def blend(self, box: Box, distance: np.ndarray, signal: np.ndarray | float) -> None:
        """Cover what lies inside a surface, at a signed distance, with `signal`."""
        part = np.clip(np.float32(0.5) - distance / self.soft_mm, 0, 1)
        view = self.signal[box]
        view += part * (np.asarray(signal, np.float32) - view)


def volume_threshold(distance: np.ndarray, voxels: float) -> float:
    """The distance within which about `voxels` voxels lie: at least one, at most those of finite distance."""
    count = int(np.clip(round(voxels), 1, max(int(np.isfinite(distance).sum()), 1)))
    return float(np.partition(distance, count - 1, axis=None)[count - 1])
