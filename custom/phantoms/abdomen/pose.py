"""How a patient lies in the scanner: size, tilt, place, and a smooth deformation that makes every anatomy its own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from .ripples import Axes, Ripples, draw_ripples
from .shapes import Bounds

SLOW_MM = (170.0, 380.0)  # wavelengths of the deformation


@dataclass(frozen=True)
class Pose:
    """Between scanner coordinates and those of the anatomy (both mm; x right, y anterior, z superior)."""

    size: float  # scanner mm per anatomical mm
    turn: np.ndarray  # rotation, anatomy to scanner
    shift: np.ndarray  # of the anatomy's origin, in scanner mm
    bends: tuple[Ripples, Ripples, Ripples]
    bend_mm: float  # typical displacement by the bends along each axis
    reach_mm: float  # no point of a scan is displaced farther

    def to_anatomy(self, axes: Axes) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Anatomical (x, y, z), each float32 (z, y, x), of the grid of three scanner coordinate vectors."""
        inverse = self.turn.T / self.size
        columns = [(axis - offset).astype(np.float32) for axis, offset in zip(axes, self.shift, strict=True)]
        x, y, z = columns[0], columns[1][:, None], columns[2][:, None, None]
        a, b, c = (
            np.float32(row[0]) * x
            + np.float32(row[1]) * y
            + np.float32(row[2]) * z
            + np.float32(self.bend_mm) * bend(axes)
            for row, bend in zip(inverse, self.bends, strict=True)
        )
        return a, b, c

    def to_scanner(self, bounds: Bounds) -> Bounds:
        """Scanner box that holds an anatomical box."""
        low, high = bounds
        middle, half = (low + high) / 2, (high - low) / 2 + self.reach_mm
        centre = self.size * self.turn @ middle + self.shift
        reach = self.size * np.abs(self.turn) @ half
        return centre - reach, centre + reach


def draw_pose(rng: np.random.Generator) -> Pose:
    """Small and large patients, tilted by a few degrees; not yet placed along the couch."""
    tilt = np.deg2rad(rng.normal(0, (2.0, 2.0, 3.0)))
    bends = (draw_ripples(rng, SLOW_MM, 4), draw_ripples(rng, SLOW_MM, 4), draw_ripples(rng, SLOW_MM, 4))
    bend_mm = rng.uniform(1.5, 3.5)
    everywhere = np.arange(-200.0, 201.0, 20.0)
    largest = max(float(np.abs(bend((everywhere,) * 3)).max()) for bend in bends)
    return Pose(
        size=float(np.clip(rng.normal(1.0, 0.045), 0.9, 1.1)),
        turn=Rotation.from_euler("xyz", tilt).as_matrix(),
        shift=rng.normal(0, (5, 5, 0)),
        bends=bends,
        bend_mm=bend_mm,
        reach_mm=1.1 * bend_mm * largest,  # waves this long do not rise by a tenth between two samples
    )
