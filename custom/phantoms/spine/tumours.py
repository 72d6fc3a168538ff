"""The four tumour types: where each sits, its shape, and what it does to cord and dura.

Type frequencies and volumes follow Table 1 of the BATseg paper; the shapes are textbook descriptions:
meningioma - dome on the dura beside a displaced, flattened cord; ependymoma - central, smooth, spindle-like;
astrocytoma - eccentric, long, irregular; hemangioblastoma - nodule on the cord's dorsal surface beside a syrinx.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from .anatomy import Canal, Spine, smooth_profile, support_radius

TUMOURS = ("meningioma", "ependymoma", "astrocytoma", "hemangioblastoma")
PATIENTS = {"meningioma": 247, "ependymoma": 203, "astrocytoma": 101, "hemangioblastoma": 102}
VOLUME_CM3 = {  # mean, standard deviation
    "meningioma": (2.8, 2.4),
    "ependymoma": (4.9, 5.2),
    "astrocytoma": (5.8, 6.0),
    "hemangioblastoma": (2.5, 3.7),
}
VOLUME_RANGE_CM3 = (0.3, 20.0)
WITHIN_CORD = ("ependymoma", "astrocytoma")
ELONGATION = {  # length along the spine over depth
    "meningioma": (1.1, 1.9),
    "ependymoma": (1.5, 3.2),
    "astrocytoma": (1.9, 4.2),
    "hemangioblastoma": (0.95, 1.7),
}
EMBEDDED = {"meningioma": 0.0, "hemangioblastoma": 0.6}  # how deep in the cord, in parts of the tumour's radius
OUTSIDE_COST_PER_MM = 1.0  # of a tumour's level, where it would leave its compartment


@dataclass(frozen=True)
class Ellipsoid:
    """A lump in straightened coordinates: centre (across, ahead, along) and radii in mm."""

    centre: tuple[float, float, float]
    radii: tuple[float, float, float]


@dataclass(frozen=True)
class Waves:
    """A smooth random field of zero mean and unit variance: a sum of plane waves."""

    vectors: np.ndarray  # (n, 3), radians per mm
    phases: np.ndarray

    def __call__(self, *point: np.ndarray) -> np.ndarray:
        """The field at points given by three broadcastable coordinate arrays in mm."""
        total = np.zeros(np.broadcast_shapes(*(p.shape for p in point)), np.float32)
        for vector, phase in zip(self.vectors, self.phases, strict=True):
            total += np.cos(point[0] * vector[0] + point[1] * vector[1] + point[2] * vector[2] + phase)
        return total * np.float32(np.sqrt(2 / len(self.phases)))


def draw_waves(
    rng: np.random.Generator, wavelength_mm: tuple[float, float, float], spread: float = 1.0, count: int = 10
) -> Waves:
    """Waves of about the given length along each axis; `spread` 1 mixes lengths over two octaves, 0 has one."""
    lengths = np.asarray(wavelength_mm) * 2.0 ** (spread * rng.uniform(-1, 1, (count, 1)))
    headings = rng.normal(size=(count, 3))
    headings /= np.linalg.norm(headings, axis=1, keepdims=True)
    vectors = (2 * np.pi * headings / lengths).astype(np.float32)
    return Waves(vectors, rng.uniform(0, 2 * np.pi, count).astype(np.float32))


@dataclass(frozen=True)
class Tumour:
    """One tumour in straightened coordinates.

    Its axes are: across `direction`, along `direction` (both in the transverse plane), along the spine. The centre
    lies `offset_mm` from the canal's axis along `direction`.
    """

    name: str
    volume_mm3: float
    direction: tuple[float, float]
    offset_mm: float
    along_mm: float
    radii: tuple[float, float, float]
    dome: float  # meningioma: distance of the centre from the dura in parts of its radius
    unevenness: float  # relative amplitude of the surface
    surface: Waves
    cysts: tuple[Ellipsoid, ...]

    def local(
        self, across: np.ndarray, ahead: np.ndarray, along: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Straightened coordinates (broadcastable) to mm along the tumour's own axes."""
        u, v = self.direction
        return ahead * u - across * v, across * u + ahead * v - self.offset_mm, along - self.along_mm


def draw_volume_cm3(rng: np.random.Generator, tumour: str) -> float:
    """Log-normal volume with the paper's mean and standard deviation for the type, clipped to a sane range."""
    mean, deviation = VOLUME_CM3[tumour]
    variance = np.log1p((deviation / mean) ** 2)
    volume = rng.lognormal(np.log(mean) - variance / 2, np.sqrt(variance))
    return float(np.clip(volume, *VOLUME_RANGE_CM3))


def draw_tumour(
    rng: np.random.Generator, name: str, volume_cm3: float, spine: Spine, extent_mm: tuple[float, float]
) -> Tumour:
    """Shape and place of a tumour of the given type and volume in `spine`."""
    volume = 1000 * volume_cm3
    longest = 0.33 * extent_mm[1]
    dome = draw_dome(rng, name)
    direction = draw_direction(rng, name)
    elongation = rng.uniform(*ELONGATION[name])
    ratios = (rng.uniform(0.95, 1.25), 1.0, elongation)
    if name in WITHIN_CORD:
        radii = fit_radii(volume, ratios, (1.05 * spine.sac_radii[0], 1.1 * spine.sac_radii[1]), longest)
        eccentricity = rng.uniform(0.3, 0.5) if name == "astrocytoma" else rng.normal(0, 0.1)
        offset = eccentricity * spine.cord_radii[1]
    else:
        room = float(support_radius(spine.sac_radii, direction))
        part = (2 + 3 * dome - dome**3) / 4  # of the ellipsoid that lies inside the dura
        radii = fit_radii(volume / part, ratios, (1.25 * spine.sac_radii[0], 1.8 * room / (1 + dome)), longest)
        # at its distance from where the dura will be once the mass has widened it
        offset = room * dome_widening(spine, direction, radii[1], dome, name) - dome * radii[1]
    span = max(0.5 * extent_mm[1] - 1.35 * radii[2] - 6, 0.0)
    lowest = max(-span, min(spine.conus_mm + 0.6 * radii[2], 0.5 * span))
    along = rng.uniform(lowest, span)
    tumour = Tumour(
        name=name,
        volume_mm3=volume,
        direction=direction,
        offset_mm=float(offset),
        along_mm=along,
        radii=radii,
        dome=dome,
        unevenness={"meningioma": 0.04, "ependymoma": 0.06, "astrocytoma": 0.13, "hemangioblastoma": 0.05}[name],
        surface=draw_waves(rng, (1.9 * radii[0], 1.9 * radii[1], 1.2 * radii[2]), 0.3),
        cysts=(),
    )
    return replace(tumour, cysts=draw_cysts(rng, tumour, spine, 0.2 * extent_mm[1]))


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


def draw_dome(rng: np.random.Generator, name: str) -> float:
    """Distance of a surface tumour's centre from the dura in parts of its radius: a meningioma sits on a broad base."""
    return float({"meningioma": rng.uniform(0.1, 0.6)}.get(name, 1.0))


def draw_direction(rng: np.random.Generator, name: str) -> tuple[float, float]:
    """Where in the transverse plane the tumour lies: dorsal for a hemangioblastoma, anywhere for the others."""
    angle = -np.pi / 2 + rng.normal(0, 0.35) if name == "hemangioblastoma" else rng.uniform(0, 2 * np.pi)
    return (0.0, 1.0) if name == "ependymoma" else (float(np.cos(angle)), float(np.sin(angle)))


def draw_cysts(rng: np.random.Generator, tumour: Tumour, spine: Spine, longest: float) -> tuple[Ellipsoid, ...]:
    """Fluid in the cord beside the tumour, never labelled: polar cysts, or the syrinx of a hemangioblastoma."""
    chance = {"meningioma": 0.0, "ependymoma": 0.5, "astrocytoma": 0.2, "hemangioblastoma": 0.8}[tumour.name]
    syrinx = tumour.name == "hemangioblastoma"
    half_length = tumour.radii[2]
    cysts = []
    for pole in (-1, 1):
        if rng.uniform() >= chance:
            continue
        wide = spine.cord_radii[1] * rng.uniform(*((0.65, 1.15) if syrinx else (0.4, 0.8)))
        length = min(rng.uniform(12, 38) if syrinx else rng.uniform(0.25, 0.6) * half_length + 4, longest)
        # a syrinx reaches beneath the nodule, a polar cyst begins at the tumour's end
        start = (0.2 if syrinx else 0.97) * half_length
        side = (-0.15 if syrinx else 0.5) * tumour.offset_mm
        middle = (
            side * tumour.direction[0],
            side * tumour.direction[1],
            tumour.along_mm + pole * (start + 0.9 * length),
        )
        cysts.append(Ellipsoid(middle, (wide * rng.uniform(1.0, 1.3), wide, length)))
    return tuple(cysts)


def displace_canal(canal: Canal, spine: Spine, tumour: Tumour) -> Canal:
    """The canal with the tumour's mass effect: cord pushed aside or blown up, dura and bone remodelled."""
    canal = swell_cord(canal, tumour) if tumour.name in WITHIN_CORD else push_cord_aside(canal, spine, tumour)
    return widen_sac(swell_around_cysts(canal, tumour.cysts))


def dome_widening(spine: Spine, direction: tuple[float, float], height: float, dome: float, name: str) -> float:
    """Factor by which the sac widens so that the tumour leaves half the cord's width and some fluid."""
    free = height * (1 + dome - EMBEDDED[name])
    needed = (free + 1.5 + support_radius(spine.cord_radii, direction)) / 2
    return float(np.clip(needed / support_radius(spine.sac_radii, direction), 1.0, 1.6))


def push_cord_aside(canal: Canal, spine: Spine, tumour: Tumour) -> Canal:
    """A tumour at the dura: the cord yields along its direction, and is flattened where there is no room."""
    _, height, length = tumour.radii
    u = tumour.direction
    relative = (canal.along - tumour.along_mm) / length
    bump = np.sqrt(np.maximum(1 - relative**2, 0))
    widening = dome_widening(spine, u, height, tumour.dome, tumour.name)
    widenings = 1 + (widening - 1) * np.exp(-0.5 * (relative / 0.9) ** 4)
    sac = canal.sac_across * widenings, canal.sac_ahead * widenings
    room = support_radius(sac, u)
    mass = np.where(bump > 0, height * (tumour.dome + bump - EMBEDDED[tumour.name]), 0) + 0.7
    cord = support_radius((canal.cord_across, canal.cord_ahead), u)
    squeeze = np.clip((2 * room - mass - 0.7) / (2 * cord), 0.45, 1.0)
    return replace(
        canal,
        sac_across=sac[0],
        sac_ahead=sac[1],
        shift=smooth_profile(np.minimum(room - mass - squeeze * cord, 0.0), 3.0),
        squeeze=smooth_profile(squeeze),
        stretch=smooth_profile(squeeze) ** -0.5,
        direction=u,
    )


def swell_cord(canal: Canal, tumour: Tumour) -> Canal:
    """A tumour within the cord blows it up, a little to the tumour's side."""
    u, v = tumour.direction
    wide, deep, length = tumour.radii
    reach = 0.5 * abs(tumour.offset_mm)
    bump = np.sqrt(np.maximum(1 - ((canal.along - tumour.along_mm) / (1.1 * length)) ** 2, 0))
    across = 1.03 * np.hypot(wide * v, deep * u) + reach * abs(u) + 1.0
    ahead = 1.03 * np.hypot(wide * u, deep * v) + reach * abs(v) + 1.0
    return replace(
        canal,
        cord_across=smooth_profile(smooth_maximum(canal.cord_across, bump * across)),
        cord_ahead=smooth_profile(smooth_maximum(canal.cord_ahead, bump * ahead)),
        shift=smooth_profile(0.5 * tumour.offset_mm * bump),
        direction=tumour.direction,
    )


def swell_around_cysts(canal: Canal, cysts: tuple[Ellipsoid, ...]) -> Canal:
    """A rim of cord is left around every cyst."""
    across, ahead = canal.cord_across, canal.cord_ahead
    for cyst in cysts:
        bump = np.sqrt(np.maximum(1 - ((canal.along - cyst.centre[2]) / (1.1 * cyst.radii[2])) ** 2, 0))
        across = smooth_maximum(across, (cyst.radii[0] + 1.3) * bump)
        ahead = smooth_maximum(ahead, (cyst.radii[1] + 1.1) * bump)
    return replace(canal, cord_across=smooth_profile(across), cord_ahead=smooth_profile(ahead))


def widen_sac(canal: Canal) -> Canal:
    """The dura yields where the cord would touch it, leaving a film of fluid."""
    u, v = canal.direction
    across = canal.cord_across + np.abs(canal.shift * u) + 0.8
    ahead = canal.cord_ahead * canal.squeeze + np.abs(canal.shift * v) + 0.8
    return replace(
        canal,
        sac_across=smooth_profile(np.maximum(canal.sac_across, across)),
        sac_ahead=smooth_profile(np.maximum(canal.sac_ahead, ahead)),
    )


def smooth_maximum(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Maximum of two non-negative profiles without a kink (8-norm)."""
    return (a**8 + b**8) ** 0.125


def tumour_level(
    tumour: Tumour, canal: Canal, across: np.ndarray, ahead: np.ndarray, along: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Level function of the tumour (about 1 on its surface, rising outwards), and mm per unit of level.

    Leaving its compartment (the sac, and for a meningioma also entering the cord) costs extra level, so that the
    tumour hugs the dura and the cord.
    """
    local = tumour.local(across, ahead, along)
    scaled = [p / np.float32(r) for p, r in zip(local, tumour.radii, strict=True)]
    level = np.sqrt(sum(s**2 for s in scaled)) + np.float32(1e-4)
    gradient = np.sqrt(sum((s / np.float32(r)) ** 2 for s, r in zip(scaled, tumour.radii, strict=True))) / level
    level = level / (1 + np.clip(tumour.unevenness * tumour.surface(*local), -0.45, 0.6))
    outside = np.maximum(canal.sac_distance(across, ahead) + 0.3, 0)
    if tumour.name == "meningioma":
        outside = outside + np.maximum(0.3 - canal.cord_distance(across, ahead), 0)
    return level + OUTSIDE_COST_PER_MM * outside, 1 / np.maximum(gradient, 1e-3)


def level_for_volume(levels: np.ndarray, voxel_mm3: float, volume_mm3: float) -> float:
    """The level inside which the voxels come closest to `volume_mm3`; exact to a voxel."""
    count = int(np.clip(round(volume_mm3 / voxel_mm3), 1, levels.size))
    return float(np.partition(levels, count - 1, axis=None)[count - 1])
