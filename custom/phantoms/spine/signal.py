"""Signal inside the canal: fluid, cord, roots, flow voids, cysts and the tumour's own texture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .anatomy import Canal, Spine
from .tissue import edge, paint
from .tumours import Ellipsoid, Tumour, Waves, draw_waves


@dataclass(frozen=True)
class Blob:
    """A small ellipsoid of its own signal, straightened coordinates."""

    shape: Ellipsoid
    signal: float
    opacity: float = 1.0


@dataclass(frozen=True)
class Contents:
    """What was drawn for the inside of one canal; signals relative to fluid."""

    fluid: float
    cord: float
    oedema: float  # rise of the cord's signal beside the tumour
    oedema_length_mm: float
    roots: float
    blobs: tuple[Blob, ...]  # distractors and vessels in the fluid, beneath the tumour
    tumour: float
    variation: float
    texture: Waves
    margin_mm: float
    spots: tuple[Blob, ...]  # flow voids, calcification: inside the tumour
    caps: tuple[float, float]  # opacity of the dark caps at the lower and the upper pole


def draw_contents(rng: np.random.Generator, spine: Spine, tumour: Tumour, length_mm: float) -> Contents:
    """Signals and small structures; the ranges of the four types overlap on purpose."""
    cord = rng.uniform(0.36, 0.45)
    low, high, variation, margin = {
        "meningioma": (cord - 0.04, cord + 0.1, rng.uniform(0.01, 0.04), rng.uniform(0.4, 0.8)),
        "ependymoma": (cord + 0.06, cord + 0.26, rng.uniform(0.09, 0.18), rng.uniform(0.5, 1.0)),
        "astrocytoma": (cord + 0.18, cord + 0.38, rng.uniform(0.03, 0.08), rng.uniform(1.6, 4.0)),
        "hemangioblastoma": (cord + 0.3, cord + 0.5, rng.uniform(0.02, 0.06), rng.uniform(0.4, 0.9)),
    }[tumour.name]
    caps = rng.uniform(0.6, 0.95, 2) * (rng.uniform(size=2) < 0.7) if tumour.name == "ependymoma" else (0.0, 0.0)
    grain = rng.uniform(6, 12) if tumour.name == "astrocytoma" else rng.uniform(4, 9)
    return Contents(
        fluid=rng.uniform(0.9, 1.05),
        cord=cord,
        oedema=0.0 if tumour.name == "meningioma" else rng.uniform(0, 0.16),
        oedema_length_mm=tumour.radii[2] * rng.uniform(1.1, 1.9),
        roots=rng.uniform(0.3, 0.6),
        blobs=(*draw_flow_voids(rng, spine, length_mm), *draw_vessels(rng, spine, tumour)),
        tumour=rng.uniform(low, high),
        variation=variation,
        texture=draw_waves(rng, (grain, grain, grain), count=24),
        margin_mm=margin,
        spots=draw_spots(rng, tumour),
        caps=(float(caps[0]), float(caps[1])),
    )


def draw_flow_voids(rng: np.random.Generator, spine: Spine, length_mm: float) -> tuple[Blob, ...]:
    """Grey clouds in the fluid behind the cord where it pulsates: no tumours, though they may look like one."""
    blobs = []
    for _ in range(rng.poisson(2.0)):
        ahead = -rng.uniform(0.7, 0.95) * spine.sac_radii[1] * rng.choice([1, 1, 1, -1])
        centre = (rng.normal(0, 3), ahead, rng.uniform(-0.5, 0.5) * length_mm)
        radii = (rng.uniform(2, 5), rng.uniform(1.0, 2.2), rng.uniform(3, 12))
        blobs.append(Blob(Ellipsoid(centre, radii), rng.uniform(0.3, 0.6), rng.uniform(0.4, 0.9)))
    return tuple(blobs)


def draw_vessels(rng: np.random.Generator, spine: Spine, tumour: Tumour) -> tuple[Blob, ...]:
    """Dark dots of a hemangioblastoma's feeding vessels along the back of the cord; rarely beside other tumours."""
    number = rng.poisson(7 if tumour.name == "hemangioblastoma" else 0.5)
    blobs = []
    for _ in range(number):
        along = tumour.along_mm + rng.choice([-1, 1]) * (tumour.radii[2] + rng.uniform(-2, 22))
        ahead = -rng.uniform(0.72, 0.92) * spine.sac_radii[1]
        size = rng.uniform(0.7, 1.4)
        blobs.append(Blob(Ellipsoid((rng.normal(0, 2.5), ahead, along), (2 * size, size, 1.6 * size)), 0.1))
    return tuple(blobs)


def draw_spots(rng: np.random.Generator, tumour: Tumour) -> tuple[Blob, ...]:
    """Dark dots within: flow voids (hemangioblastoma), calcification (some meningiomas); small cysts (some others)."""
    name, size = tumour.name, min(tumour.radii)
    if name == "hemangioblastoma":
        drawn = [(rng.uniform(0.7, 1.5), 0.1) for _ in range(rng.poisson(0.5 * size) + 1)]
    elif name == "meningioma":
        drawn = [(rng.uniform(1.0, 0.35 * size + 1), 0.15)] if rng.uniform() < 0.2 else []
    else:
        drawn = [(rng.uniform(1.0, 0.3 * size + 1), rng.choice([0.15, 0.95, 0.95])) for _ in range(rng.poisson(1.0))]
    u, v = tumour.direction
    spots = []
    for radius, signal in drawn:
        place = rng.normal(size=3)
        place *= 0.75 * rng.uniform() ** (1 / 3) / np.linalg.norm(place) * np.asarray(tumour.radii)
        forward = tumour.offset_mm + place[1]
        centre = (forward * u - place[0] * v, forward * v + place[0] * u, tumour.along_mm + place[2])
        spots.append(Blob(Ellipsoid(centre, (1.5 * radius, radius, radius)), float(signal)))
    return tuple(spots)


def paint_fluid(
    plane: np.ndarray, spine: Spine, canal: Canal, contents: Contents, points: tuple[np.ndarray, ...]
) -> None:
    """Dura, fluid, flow voids and roots onto `plane` in place; `points` are its pixels' straightened coordinates."""
    across, ahead, along = points
    sac = canal.sac_distance(across, ahead)
    paint(plane, edge(sac - 0.7), 0.12)
    inside = edge(sac + 0.1)
    paint(plane, inside, contents.fluid)
    if np.isfinite(spine.conus_mm):
        strands = np.cos(across * 1.9 + ahead * 2.4 + 0.8 * np.cos(along / 15)) * 0.5 + 0.5
        below = edge(along - spine.conus_mm, 15.0) * edge(ahead - 1.5, 4.0)
        paint(plane, inside * below * strands * np.float32(0.7), contents.roots)
    for blob in contents.blobs:
        paint_blob(plane, blob, points, inside)


def paint_cord(
    plane: np.ndarray, canal: Canal, tumour: Tumour, contents: Contents, points: tuple[np.ndarray, ...]
) -> None:
    """Cord, with oedema beside the tumour, and its cysts onto `plane` in place."""
    across, ahead, along = points
    cord = canal.cord_distance(across, ahead)
    swelling = np.exp(-(np.abs((along - tumour.along_mm) / np.float32(contents.oedema_length_mm)) ** 3))
    core = edge(cord + 2.0, 2.0) * np.float32(0.04)  # grey matter, a little brighter
    paint(plane, edge(cord), contents.cord + contents.oedema * swelling + core)
    for cyst in tumour.cysts:
        paint_blob(plane, Blob(cyst, 0.95 * contents.fluid), points, edge(cord + 0.6))


def paint_blob(plane: np.ndarray, blob: Blob, points: tuple[np.ndarray, ...], within: np.ndarray | float = 1.0) -> None:
    """An ellipsoid with a soft surface onto `plane` in place, where `within` allows it."""
    (x, y, z), radii = blob.shape.centre, blob.shape.radii
    across, ahead, along = points
    if np.abs(across - x).min() > radii[0] + 1:
        return
    rows = np.flatnonzero((np.abs(along - z) < radii[2] + 1).any(axis=0))
    if not len(rows):
        return
    near = (slice(None), slice(rows[0], rows[-1] + 1))
    scaled = ((across[near] - x) / radii[0], (ahead[near] - y) / radii[1], (along[near] - z) / radii[2])
    distance = (np.sqrt(sum(s**2 for s in scaled)) - 1) * np.float32(min(radii))
    allowed = within[near] if isinstance(within, np.ndarray) else within
    paint(plane[near], np.float32(blob.opacity) * edge(distance) * allowed, blob.signal)


def paint_tumour(
    plane: np.ndarray,
    tumour: Tumour,
    contents: Contents,
    level: np.ndarray,
    mm_per_level: np.ndarray,
    points: tuple[np.ndarray, ...],
) -> None:
    """The tumour onto `plane` in place; `level` is 1 on its surface."""
    signal = contents.tumour + contents.variation * contents.texture(*points)
    for spot in contents.spots:
        paint_blob(signal, spot, points)
    height = (points[2] - tumour.along_mm) / np.float32(tumour.radii[2])
    for pole, opacity in zip((-1, 1), contents.caps, strict=True):
        shell = np.clip((pole * height - 0.55) / 0.2, 0, 1) * np.clip((level - 0.72) / 0.12, 0, 1)
        paint(signal, np.float32(opacity) * shell, 0.12)
    paint(plane, edge((level - 1) * mm_per_level, contents.margin_mm), signal)
