"""Which windows of an image a sliding-window prediction runs, and in which order."""

import math
from collections.abc import Collection, Sequence
from itertools import product
from typing import NamedTuple

import torch

from ..errors import InputError
from .sliding_window import even_starts

STEP = 0.5  # of the window's size
MIN_FACE_VOXELS = 10
WINDOW_PLANS = ("all", "efficient", "lateral")
Window = tuple[slice, slice, slice]
Place = tuple[int, int]  # of a window in its row, along y and x; around a centre window, -1, 0 or 1


class WindowRow(NamedTuple):
    """The windows that start at one plane: the one that is always run, and those that may follow it."""

    start: int
    first: Window
    others: dict[Place, Window]


class WindowPlan:
    """The order of windows, and the rules by which some are left out.

    - "all": every window of a grid spread evenly at half-window steps over all axes. Nothing is lost.
    - "efficient" (Huang et al., FLARE22): evenly spread along z, at most three starts along y and x (`central_starts`).
      Of each z the centre window comes first. Where it holds fewer than `min_foreground_voxels` voxels of foreground it
      is dropped, and the next z is skipped too; where it holds tubular classes only, just its neighbours along y whose
      shared face holds more than `MIN_FACE_VOXELS` voxels of foreground follow; else all others do. Lost: what lies
      outside the central two windows in-plane, next to a centre window that sees too little, tubular parts next to the
      centre along x, and in a skipped z whatever its neighbours do not cover.
    - "lateral": the same windows, none dropped; those around the centre are run only where the centre window's
      foreground touches a face towards one of them. Lost: what lies outside the central two windows, and whatever
      stands next to the centre window without reaching into it.

    What no window covers is background. The first axis of an image is z (planes), then y, then x.

    Args:
        windows: "all", "efficient" or "lateral"; InputError for another.
        tubular: class ids of the long thin organs.
        min_foreground_voxels: 1000 are 5.8 mL at 4 x 1.2 x 1.2 mm.
    """

    def __init__(
        self,
        windows: str = "all",
        tubular: Sequence[int] = (5, 6, 10),
        min_foreground_voxels: int = 1000,
    ) -> None:
        if windows not in WINDOW_PLANS:
            raise InputError(f"windows is {windows!r}; use one of {', '.join(WINDOW_PLANS)}")
        self.windows = windows
        self.tubular = tuple(tubular)
        self.min_foreground_voxels = min_foreground_voxels

    @property
    def looks_at_labels(self) -> bool:
        """Whether the windows that follow depend on what the first one of a row shows."""
        return self.windows != "all"

    def rows(self, size: Sequence[int], window: Sequence[int]) -> list[WindowRow]:
        """The rows of an image of `size` voxels (z, y, x), each at least the window's, in order of their starts."""
        starts = central_starts if self.looks_at_labels else plain_starts
        depth, height, width = window
        y_starts, x_starts = starts(size[1], height), starts(size[2], width)
        rows = []
        for z in even_starts(size[0], depth, STEP):
            row = {
                (i, j): (slice(z, z + depth), slice(y, y + height), slice(x, x + width))
                for (i, y), (j, x) in product(y_starts.items(), x_starts.items())
            }
            rows.append(WindowRow(z, row.pop((0, 0)), row))
        return rows

    def following(self, labels: torch.Tensor, others: Collection[Place]) -> list[Place] | None:
        """The places among `others` to run after a centre window with these labels (z, y, x); None: drop it."""
        if self.windows == "lateral":
            return list(others) if touches_neighbour(labels, others) else []
        if int(labels.count_nonzero()) < self.min_foreground_voxels:
            return None
        if set(labels.unique().tolist()) - {0} <= set(self.tubular):
            return tubular_places(labels, others)
        return list(others)


def count_plain_windows(size: Sequence[int], window: Sequence[int]) -> int:
    """Number of windows of the plain grid, spread evenly at half-window steps over all axes of an image of any size."""
    return math.prod(len(plain_starts(max(one, width), width)) for one, width in zip(size, window, strict=True))


def plain_starts(size: int, window: int) -> dict[int, int]:
    """First voxels of the plain grid's windows along an axis, by their number."""
    return dict(enumerate(even_starts(size, window, STEP)))


def central_starts(size: int, window: int) -> dict[int, int]:
    """First voxels of the windows below (-1), at (0) and above (1) the centre of an axis, those that exist apart.

    At most the central two windows are seen.

    >>> central_starts(100, 20), central_starts(30, 20), central_starts(20, 20)
    ({-1: 30, 0: 40, 1: 50}, {-1: 0, 0: 5, 1: 10}, {0: 0})
    """
    if size > 2 * window:
        middle = round(size / 2)
        starts = (middle - window, middle - window // 2, middle)
    else:
        starts = (0, (size - window) // 2, size - window)
    centre = starts[1]
    return {side: start for side, start in zip((-1, 0, 1), starts, strict=True) if side == 0 or start != centre}


def tubular_places(labels: torch.Tensor, others: Collection[Place]) -> list[Place]:
    """The neighbours along y whose shared face holds more than `MIN_FACE_VOXELS` voxels of foreground."""
    faces = {(-1, 0): labels[:, 0], (1, 0): labels[:, -1]}
    return [place for place in faces if place in others and int(faces[place].count_nonzero()) > MIN_FACE_VOXELS]


def touches_neighbour(labels: torch.Tensor, others: Collection[Place]) -> bool:
    """Whether foreground lies on one of the four lateral faces beyond which there is another window."""
    faces = {(-1, 0): labels[:, 0], (1, 0): labels[:, -1], (0, -1): labels[:, :, 0], (0, 1): labels[:, :, -1]}
    return any(bool(face.any()) for place, face in faces.items() if place in others)
