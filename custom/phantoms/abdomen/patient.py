"""How a patient differs from the textbook and lies in the scanner: every shape is moved, scaled, bent and turned."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from ..ripples import Ripples, draw_ripples
from ..shapes import Column, Ellipsoid, HalfSpace, Tube, Vector, straight_column, turned_axes


@dataclass(frozen=True)
class Patient:
    """Textbook coordinates (mm; x right, y anterior, z superior of the first lumbar vertebra) to the scanner's."""

    size: float  # scanner mm per textbook mm
    turn: np.ndarray  # rotation matrix
    shift: np.ndarray  # of the textbook's origin, in scanner mm
    bends: tuple[Ripples, Ripples, Ripples]
    bend_mm: float

    def place(self, points: Vector) -> np.ndarray:
        """Points (..., 3) in scanner mm."""
        table = np.asarray(points, float)
        x, y, z = np.moveaxis(table, -1, 0)
        bent = table + self.bend_mm * np.stack([bend((x, y, z)) for bend in self.bends], axis=-1)
        return self.size * bent @ self.turn.T + self.shift

    def ellipsoid(
        self, centre: Vector, radii: Vector, direction: Vector = (1, 0, 0), towards: Vector = (0, 1, 0)
    ) -> Ellipsoid:
        """An ellipsoid whose first axis points in `direction`, the second `towards` as far as that allows."""
        axes = turned_axes(direction, towards) @ self.turn.T
        return Ellipsoid(self.place(centre), self.size * np.asarray(radii, float), axes)

    def tube(self, rows: Sequence[Vector] | np.ndarray, shift: Vector | float = 0.0, calibre: float = 1.0) -> Tube:
        """A tube through the rows (x, y, z, radius), shifted as a whole, its radius scaled by `calibre`."""
        table = np.asarray(rows, float)
        return Tube(np.column_stack([self.place(table[:, :3] + shift), self.size * calibre * table[:, 3]]))

    def half_space(self, point: Vector, normal: Vector) -> HalfSpace:
        """The side of a plane that `normal` points away from."""
        return HalfSpace(self.place(point), self.turn @ np.asarray(normal, float))

    def column(self, y: float, radius_x: float, radius_y: float) -> Column:
        """An upright column in the midline."""
        return straight_column(self.shift[0], self.shift[1] + self.size * y, self.size * radius_x, self.size * radius_y)


def draw_patient(rng: np.random.Generator, shift: Vector) -> Patient:
    """Small and large patients, tilted by a few degrees."""
    bends = (draw_ripples(rng, (170, 380)), draw_ripples(rng, (170, 380)), draw_ripples(rng, (170, 380)))
    turn = Rotation.from_euler("xyz", rng.normal(0, (1.5, 1.5, 3.0)), degrees=True).as_matrix()
    size = float(np.clip(rng.normal(1.0, 0.045), 0.9, 1.1))
    return Patient(size, turn, np.asarray(shift) + rng.normal(0, (5, 5, 0)), bends, rng.uniform(1.5, 3.5))
