"""The four tumour types: how large, where and of which form.

Frequencies, volumes and grids of the scans are those of Table 1 of the BATseg paper; places and forms are textbook
descriptions. Coordinates are those of the straightened canal in mm: x right, y ahead of its axis, z along it.
"""

from dataclasses import dataclass

import numpy as np

from ..ripples import Ripples, draw_ripples
from ..shapes import Ellipsoid, Points

VOLUME_RANGE_CM3 = (0.3, 20.0)


@dataclass(frozen=True)
class TumourType:
    """What is typical of a type; (mean, standard deviation) of the volume, ranges of everything drawn evenly."""

    patients: int
    volume_cm3: tuple[float, float]
    in_plane_mm: float  # mean of the scans' pixel size
    slice_mm: float
    within_cord: bool
    elongation: tuple[float, float]  # length along the spine over depth
    base: tuple[float, float]  # of a tumour on the dura: distance of its middle from the dura, in parts of its radius
    embedded: float  # how deep a tumour on the cord sits in it, in parts of its radius
    unevenness: float  # of the surface, in parts of the radius
    enhancement: tuple[float, float]  # signal in parts of fat's
    ring_chance: float  # of a core that does not enhance
    cyst_chance: float  # of fluid in the cord at a pole


TUMOURS = {
    "meningioma": TumourType(
        247, (2.8, 2.4), 0.60, 4.0, False, (1.1, 1.9), (0.1, 0.6), 0.0, 0.05, (0.6, 0.95), 0.05, 0.05
    ),
    "ependymoma": TumourType(
        203, (4.9, 5.2), 0.52, 3.8, True, (1.5, 3.2), (0.0, 0.0), 0.0, 0.05, (0.55, 0.95), 0.3, 0.3
    ),
    "astrocytoma": TumourType(
        101, (5.8, 6.0), 0.58, 3.7, True, (1.9, 4.2), (0.0, 0.0), 0.0, 0.15, (0.52, 0.85), 0.7, 0.2
    ),
    "hemangioblastoma": TumourType(
        102, (2.5, 3.7), 0.56, 3.6, False, (0.95, 1.7), (1.0, 1.0), 0.6, 0.05, (0.65, 1.05), 0.05, 0.7
    ),
}
PATIENTS = {name: kind.patients for name, kind in TUMOURS.items()}


@dataclass(frozen=True)
class Tumour:
    """One tumour; its axes lie across `direction` and along it, in the transverse plane, and along the spine."""

    name: str
    volume_mm3: float
    direction: tuple[float, float]  # unit vector (x, y)
    offset_mm: float  # of its middle from the canal's axis along `direction`
    along_mm: float
    dura_mm: float  # distance of the dura from the axis there; 0 for a tumour within the cord, which asks for no place
    radii: tuple[float, float, float]
    surface: Ripples

    @property
    def kind(self) -> TumourType:
        """What is typical of its type."""
        return TUMOURS[self.name]

    def ellipsoid(self) -> Ellipsoid:
        """The tumour with an even surface."""
        u, v = self.direction
        centre = np.array([u * self.offset_mm, v * self.offset_mm, self.along_mm])
        return Ellipsoid(centre, np.asarray(self.radii), np.array([[-v, u, 0], [u, v, 0], [0, 0, 1.0]]))

    def distance(self, points: Points) -> np.ndarray:
        """Signed distance (mm) to its uneven surface."""
        raised = np.float32(self.kind.unevenness * min(self.radii)) * self.surface(points)
        return self.ellipsoid().distance(points) + raised

    def near(self, along: np.ndarray) -> np.ndarray:
        """How much of the tumour's mass effect is felt at positions along the spine: 1 in its middle, 0 far away."""
        return np.exp(-(np.abs((along - self.along_mm) / (0.95 * self.radii[2])) ** 3))


def draw_volume_cm3(rng: np.random.Generator, tumour: str) -> float:
    """Log-normal volume with the paper's mean and standard deviation for the type, clipped to a sane range."""
    mean, deviation = TUMOURS[tumour].volume_cm3
    variance = np.log1p((deviation / mean) ** 2)
    return float(np.clip(rng.lognormal(np.log(mean) - variance / 2, np.sqrt(variance)), *VOLUME_RANGE_CM3))


def draw_tumour(
    rng: np.random.Generator,
    name: str,
    cord_mm: tuple[float, float],
    sac_mm: tuple[float, float],
    length_mm: float,
) -> Tumour:
    """A tumour of the given type in a canal.

    Cord and dural sac are given by their radii along x and y; `length_mm` of the canal are in view, around position 0.
    """
    kind = TUMOURS[name]
    volume = 1000 * draw_volume_cm3(rng, name)
    angle = rng.normal(-np.pi / 2, 0.35) if kind.embedded else rng.uniform(0, 2 * np.pi)  # dorsal, or anywhere
    direction = (float(np.cos(angle)), float(np.sin(angle)))
    ratios = (rng.uniform(0.95, 1.25), 1.0, rng.uniform(*kind.elongation))
    longest = 0.33 * length_mm
    if kind.within_cord:
        radii = fit_radii(volume, ratios, (1.05 * sac_mm[0], 1.1 * sac_mm[1]), longest)
        eccentricity = rng.uniform(0.3, 0.5) if name == "astrocytoma" else rng.uniform(0, 0.1)
        dura, offset = 0.0, eccentricity * cord_mm[1]
    else:
        base = rng.uniform(*kind.base)
        room = support_radius(sac_mm, direction)
        part = (2 + 3 * base - base**3) / 4  # of the ellipsoid that lies inside the dura
        radii = fit_radii(volume / part, ratios, (1.25 * sac_mm[0], 1.8 * room / (1 + base)), longest)
        # at its distance from where the dura will be once the mass has widened it
        free = radii[1] * (1 + base - kind.embedded)
        dura = float(np.clip((free + 1.5 + support_radius(cord_mm, direction)) / 2, room, 1.6 * room))
        offset = dura - base * radii[1]
    span = max(0.5 * length_mm - 1.35 * radii[2] - 6, 0.0)
    surface = draw_ripples(rng, (1.5 * min(radii), 4 * min(radii)), 8)
    return Tumour(name, volume, direction, offset, rng.uniform(-span, span), dura, radii, surface)


def fit_radii(
    volume: float, ratios: tuple[float, float, float], caps: tuple[float, float], longest: float
) -> tuple[float, float, float]:
    """Radii of an ellipsoid of `volume`: of the given proportions where the transverse caps leave room for them.

    What the caps take away goes into the length, and what `longest` takes away from that goes back.
    """
    size = (volume / (4 / 3 * np.pi * np.prod(ratios))) ** (1 / 3)
    first, second = (min(ratio * size, cap) for ratio, cap in zip(ratios, caps, strict=False))
    length = volume / (4 / 3 * np.pi * first * second)
    back = np.sqrt(max(length / longest, 1.0))
    return float(first * back), float(second * back), float(length / back**2)


def support_radius(radii: tuple[float, float], direction: tuple[float, float]) -> float:
    """Distance from the middle of an ellipse to its edge along a unit vector."""
    return float(1 / np.hypot(direction[0] / radii[0], direction[1] / radii[1]))
