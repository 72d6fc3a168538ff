"""The trunk around the organs: fat, muscular wall, diaphragm, skeleton, as functions of anatomical coordinates.

Anatomical frame in mm: x right, y anterior, z superior. x = 0 is the midline, y = 0 the middle of the trunk's depth,
z = 0 the transpyloric plane (first lumbar vertebra).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .shapes import Ellipsoid, Shape, straight_tube, turned_axes

WALL_MIDDLE_Y = -4.0
HALF_WIDTH, HALF_DEPTH = 143.0, 94.0  # outer surface of the muscles
SQUARENESS = 0.35  # 0 is an ellipse, 1 a rectangle
VERTEBRA_MM = 33.0  # height of a vertebra with its disc
RIB_PITCH_MM, RIB_SLOPE = 27.0, 0.38


@dataclass(frozen=True)
class Trunk:
    """What was drawn for one trunk."""

    wall_mm: float  # thickness of the muscles around the cavity
    fat_mm: tuple[float, float, float]  # beneath the skin: front, sides, back
    dome_right: tuple[float, float, float]  # highest point of the diaphragm
    dome_left: tuple[float, float, float]
    tendon: float  # height of the diaphragm's middle
    disc_phase: float
    rib_phase: float

    def wall_distance(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Distance to the outer surface of the muscles, along the ray from the middle; negative inside."""
        u, v = (x * np.float32(1 / HALF_WIDTH)) ** 2, ((y - WALL_MIDDLE_Y) * np.float32(1 / HALF_DEPTH)) ** 2
        level = np.sqrt(np.maximum(u + v - np.float32(SQUARENESS) * u * v, np.float32(0.01)))
        return np.hypot(x, y - np.float32(WALL_MIDDLE_Y)) * (1 - 1 / level)

    def fat_thickness(self, y: np.ndarray) -> np.ndarray:
        """Thickness of the subcutaneous fat."""
        front, side, back = (np.float32(t) for t in self.fat_mm)
        v = np.clip((y - np.float32(WALL_MIDDLE_Y)) * np.float32(1 / HALF_DEPTH), -1, 1)
        return side + (front - side) * np.maximum(v, 0) + (back - side) * np.maximum(-v, 0)

    def diaphragm_distance(self, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        """Distance above the diaphragm (negative below): two domes beside a flat tendon, steep towards the back."""
        height = np.float32(self.tendon) - np.float32(0.003) * x**2 - 0.02 * np.maximum(np.abs(y) - 30, 0) ** 2
        slope = 0.6 + 0 * height
        for middle_x, middle_y, top in (self.dome_right, self.dome_left):
            dx, dy = x - np.float32(middle_x), y - np.float32(middle_y)
            fall = np.float32(0.0105) * dx**2 + (np.float32(0.0095) - 0.0025 * np.sign(dy)) * dy**2
            dome = np.float32(top) - fall * (np.float32(0.45) + np.float32(0.0065) * fall)  # flat, then steep
            steepness = np.float32(0.021) * np.hypot(dx, dy) * (np.float32(0.45) + np.float32(0.013) * fall)
            slope = np.where(dome > height, steepness, slope)
            height = np.maximum(height, dome)
        return (z - height) / np.sqrt(1 + slope**2)

    def skin_box(self) -> tuple[float, float]:
        """Width and depth of the whole body."""
        front, side, back = self.fat_mm
        return 2 * (HALF_WIDTH + side), 2 * HALF_DEPTH + front + back


def draw_trunk(rng: np.random.Generator) -> Trunk:
    """Thin to stout patients in inspiration or expiration."""
    stoutness = rng.uniform(0, 1)
    breath = rng.normal(0, 6)
    return Trunk(
        wall_mm=rng.uniform(11, 15),
        fat_mm=(
            float(8 + 22 * stoutness * rng.uniform(0.7, 1.2)),
            float(7 + 20 * stoutness * rng.uniform(0.7, 1.2)),
            float(8 + 18 * stoutness * rng.uniform(0.7, 1.2)),
        ),
        dome_right=(rng.normal(66, 4), rng.normal(14, 4), 110 + breath),
        dome_left=(rng.normal(-66, 4), rng.normal(12, 4), 100 + breath + rng.normal(0, 4)),
        tendon=94 + 0.7 * breath,
        disc_phase=rng.uniform(0, 1),
        rib_phase=rng.uniform(0, 1),
    )


def spine_y(z: np.ndarray) -> np.ndarray:
    """Middle of the vertebral bodies: the lumbar spine bows forwards, the thoracic one backwards."""
    return -42 - np.float32(0.0006) * (z + 50) ** 2


def bodies_distance(x: np.ndarray, behind: np.ndarray) -> np.ndarray:
    """Distance to the column of vertebral bodies and discs; `behind` is y from the bodies' middle."""
    level = np.sqrt((x / 23) ** 2 + (behind / 16.5) ** 2) + np.float32(1e-3)
    return np.hypot(x, behind) * (1 - 1 / np.maximum(level, np.float32(0.05)))


def arches_distance(x: np.ndarray, behind: np.ndarray, from_disc: np.ndarray) -> np.ndarray:
    """Distance to the bony ring around the canal with its spinous and transverse processes."""
    ring = np.abs(np.hypot(x, behind + 26) - np.float32(11.5)) - 3
    low = np.abs(from_disc - np.float32(0.6)) * VERTEBRA_MM
    spinous = np.maximum(np.maximum(np.abs(x) - 3.5, np.abs(behind + 43) - 11), low - 9)
    transverse = np.maximum(np.maximum(np.abs(x) - 36, np.abs(behind + 22) - 4), low - 5)
    return np.minimum(np.minimum(ring, spinous), transverse)


def ribs_distance(wall: np.ndarray, y: np.ndarray, z: np.ndarray, phase: float, wall_mm: float) -> np.ndarray:
    """Distance to ribs that slope down to the front within the wall and end above the costal arch."""
    number = (z + np.float32(RIB_SLOPE) * y) * np.float32(1 / RIB_PITCH_MM) + np.float32(phase)
    across = (number - np.rint(number)) * np.float32(RIB_PITCH_MM)
    rib = np.hypot(across, np.float32(1.5) * (wall + np.float32(0.55 * wall_mm))) - np.float32(5.5)
    below_arch = -25 + 0.75 * np.maximum(y + 70, 0) - z
    return np.maximum(rib, below_arch)


def back_muscles() -> list[Shape]:
    """Psoas, quadratus lumborum, erector spinae on both sides, and the crura of the diaphragm."""
    muscles: list[Shape] = [
        straight_tube([(6, -26, 96, 4), (13, -30, 60, 5.5), (17, -29, 20, 5), (15, -26, -15, 3)]),
        straight_tube([(-20, -34, 96, 4), (-21, -32, 60, 5.5), (-21, -29, 20, 5), (-16, -26, -10, 3)]),
    ]
    for side in (-1, 1):
        psoas = [(24, -47, 10, 7), (31, -44, -30, 13), (38, -41, -70, 17), (46, -36, -150, 20)]
        lumborum = [(56, -76, 20, 8), (62, -73, -40, 11), (70, -70, -150, 12)]
        erector = [(27, -84, 190, 16), (30, -79, 40, 20), (31, -75, -50, 22), (32, -74, -150, 22)]
        muscles += [
            straight_tube([(side * x, y, z, radius) for x, y, z, radius in rows]) for rows in (psoas, lumborum, erector)
        ]
    return muscles


def iliac_wings() -> list[Shape]:
    """The crests of the pelvis at the lower end of the field of view."""
    return [
        Ellipsoid(
            np.array([98.0 * side, -38.0, -138.0]),
            np.array([9.0, 34.0, 40.0]),
            turned_axes((side * 0.93, 0.3, 0.2), (side * -0.3, 0.95, 0)),
        )
        for side in (-1, 1)
    ]


def heart() -> Shape:
    """The lower half of the heart on the diaphragm, left of the middle."""
    return Ellipsoid(
        np.array([-22.0, 26.0, 140.0]), np.array([58.0, 42.0, 40.0]), turned_axes((-0.9, 0.4, -0.1), (0, 0, 1))
    )


def spinal_canal() -> Shape:
    """The dural sac."""
    heights = np.linspace(-150, 190, 9)
    return straight_tube([(0.0, float(spine_y(z)) - 26, float(z), 8.0) for z in heights])
