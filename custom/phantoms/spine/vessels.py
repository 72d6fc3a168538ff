"""Vessels in and around the dural sac that enhance as tumours do and are none: what false components are made of."""

from dataclasses import dataclass

import numpy as np

from ..shapes import Ellipsoid
from .canal import Canal
from .tumours import Tumour

CLEARANCE_MM = 8.0  # between a vessel and the tumour, along the spine
SIGNAL = (0.55, 1.0)  # in parts of fat's, as tumours


@dataclass(frozen=True)
class Vessel:
    """A stretch of an epidural or a perimedullary vein, thin and long."""

    shape: Ellipsoid
    signal: float


def draw_vessels(rng: np.random.Generator, canal: Canal, tumour: Tumour, length_mm: float, most: int) -> list[Vessel]:
    """None to `most` vessels, each on the surface of the cord or of the sac, away from the tumour."""
    vessels = []
    for _ in range(int(rng.integers(0, most + 1))):
        along = float(rng.uniform(-0.45, 0.45) * length_mm)
        radii = np.array([rng.uniform(1, 1.8), rng.uniform(1, 1.8), rng.uniform(5, 14)])
        angle, column = rng.uniform(0, 2 * np.pi), canal.sac if rng.uniform() < 0.5 else canal.cord
        signal = float(rng.uniform(*SIGNAL))
        if abs(along - tumour.along_mm) < tumour.radii[2] + radii[2] + CLEARANCE_MM:
            continue
        x, y, wide, deep = (float(value) for value in column.section(np.array(along)))
        centre = np.array([x + (wide + 0.8) * np.cos(angle), y + (deep + 0.8) * np.sin(angle), along])
        vessels.append(Vessel(Ellipsoid(centre, radii, np.eye(3)), signal))
    return vessels
