"""One phantom: patient, scan and tumours put together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from ...errors import InputError
from .anatomy import Anatomy, draw_anatomy
from .canvas import Canvas
from .painting import paint_patient
from .pose import Pose, draw_pose
from .ripples import Ripples, draw_ripples
from .scanner import Acquisition, Range, acquire, couch_hu, draw_acquisition
from .tissue import Tissue, draw_tissue
from .trunk import HALF_DEPTH, WALL_MIDDLE_Y, Trunk, draw_trunk
from .tumours import TUMOUR_ID, Tumour, TumourChoice, add_tumour, draw_count

SPACING_MM: tuple[Range, Range] = ((2.0, 5.0), (0.65, 0.9))
EXTENT_MM: tuple[Range, Range, Range] = ((300.0, 380.0), (220.0, 280.0), (190.0, 260.0))
SMALLEST_EXTENT_MM = (260.0, 180.0, 140.0)  # less cuts organs away altogether
SPACING_LIMITS_MM: tuple[Range, Range] = ((0.5, 10.0), (0.4, 6.0))
ORGANS_FROM_MM, ORGANS_TO_MM = -84.0, 116.0  # of the anatomical z
COUCH_IN_VIEW_MM = 6.0  # the body lies so much in front of the middle of the field of view
SLAB_VOXELS = 2**20  # painted at once: bounds the memory of a large scan


@dataclass(frozen=True)
class AbdomenPhantom:
    """A generated scan as its file holds it: image (int16, HU), labels (uint8) of one shape, and the affine.

    `label` has the ids of `CLASSES`; `organs` is the same without tumours, the host in their place.
    """

    image: np.ndarray
    label: np.ndarray
    organs: np.ndarray
    affine: np.ndarray
    phase: str
    tumours: tuple[Tumour, ...]


@dataclass(frozen=True)
class Scene:
    """Everything drawn for one phantom, before any voxel is computed."""

    anatomy: Anatomy
    tissue: Tissue
    pose: Pose
    acquisition: Acquisition
    uneven: Ripples
    uneven_mm: float
    texture: Ripples
    pockets: Ripples


def make_abdomen_phantom(
    seed: int,
    spacing_mm: tuple[Range, Range] = SPACING_MM,
    extent_mm: tuple[Range, Range, Range] = EXTENT_MM,
    choice: TumourChoice | None = None,
) -> AbdomenPhantom:
    """A phantom of a contrast-enhanced abdominal CT; the same arguments give the same arrays.

    Args:
        seed: decides everything that is drawn.
        spacing_mm: ranges of the slice distance and of the pixel size.
        extent_mm: ranges of the field of view: left-right, front-back, head-foot.
        choice: which tumours patients have; None: the usual.

    Raises:
        InputError: ranges that hold no abdominal CT.
    """
    check_ranges(spacing_mm, extent_mm)
    scene_seed, scan_seed = np.random.SeedSequence(seed).spawn(2)
    scene = draw_scene(np.random.default_rng(scene_seed), spacing_mm, extent_mm)
    rng = np.random.default_rng(scan_seed)
    hu, organs = render(scene)
    label, tumours = grow_tumours(rng, scene, hu, organs, choice or TumourChoice())
    store = scene.acquisition.store
    image, affine = store(acquire(rng, hu, scene.acquisition))
    return AbdomenPhantom(image, store(label)[0], store(organs)[0], affine, scene.tissue.phase, tumours)


def check_ranges(spacing_mm: tuple[Range, Range], extent_mm: tuple[Range, Range, Range]) -> None:
    """Raise `InputError` for a range that is none, or with which no abdomen can be shown."""
    steps = zip(("slice distance", "pixel size"), spacing_mm, SPACING_LIMITS_MM, strict=True)
    for name, (low, high), (least, most) in steps:
        if not least <= low <= high <= most:
            raise InputError(f"spacing_mm: {name} {(low, high)} is no (low, high) within {least} to {most} mm")
    sides = zip(("left-right", "front-back", "head-foot"), extent_mm, SMALLEST_EXTENT_MM, strict=True)
    for name, (low, high), least in sides:
        if not least <= low <= high <= 600:
            raise InputError(f"extent_mm: {name} {(low, high)} is no (low, high) within {least} to 600 mm")


def draw_scene(
    rng: np.random.Generator, spacing_mm: tuple[Range, Range], extent_mm: tuple[Range, Range, Range]
) -> Scene:
    """Draw patient and acquisition, and lay the patient into the field of view."""
    trunk, pose, tissue = draw_trunk(rng), draw_pose(rng), draw_tissue(rng)
    anatomy = draw_anatomy(rng, trunk)
    width, depth = (pose.size * side for side in trunk.skin_box())
    acquisition = draw_acquisition(rng, (width, depth), spacing_mm, extent_mm)
    height = acquisition.shape[0] * acquisition.spacing_mm[0]
    return Scene(
        anatomy=anatomy,
        tissue=tissue,
        pose=lay_down(rng, pose, trunk, height),
        acquisition=acquisition,
        uneven=draw_ripples(rng, (28, 80), 8),
        uneven_mm=rng.uniform(0.8, 1.4),
        texture=draw_ripples(rng, (11, 40), 10),
        pockets=draw_ripples(rng, (30, 70), 6),
    )


def lay_down(rng: np.random.Generator, pose: Pose, trunk: Trunk, height_mm: float) -> Pose:
    """Centre the body; along the couch the field of view takes in all organs where it is high enough for them."""
    spare = height_mm / pose.size - (ORGANS_TO_MM - ORGANS_FROM_MM)
    below = ORGANS_FROM_MM - spare * rng.uniform(0.25, 0.75)
    front, _, back = trunk.fat_mm
    middle = WALL_MIDDLE_Y + (front - back) / 2
    place = np.array([0.0, COUCH_IN_VIEW_MM - pose.size * middle, -height_mm / 2 - pose.size * below])
    return replace(pose, shift=pose.shift + place)


def render(scene: Scene) -> tuple[np.ndarray, np.ndarray]:
    """(noiseless HU float32, organ ids uint8), both (z, y, x), without tumours."""
    acquisition, pose, trunk = scene.acquisition, scene.pose, scene.anatomy.trunk
    hu = np.empty(acquisition.shape, np.float32)
    organs = np.empty(acquisition.shape, np.uint8)
    x, y, z = acquisition.axes()
    back = pose.size * (WALL_MIDDLE_Y - HALF_DEPTH - trunk.fat_mm[2]) + pose.shift[1]
    couch, is_couch = couch_hu((x, y, z), back + 3)
    for slab in slabs(acquisition.shape):
        axes = (x, y, z[slab])
        uneven = np.float32(scene.uneven_mm) * scene.uneven(axes)
        texture = np.float32(scene.tissue.grain_hu) * scene.texture(axes)
        canvas = Canvas(pose, axes, acquisition.partial_mm, uneven, texture)
        canvas.hu[:, is_couch] = couch[is_couch]
        paint_patient(canvas, scene.anatomy, scene.tissue, scene.pockets)
        hu[slab], organs[slab] = canvas.hu, canvas.label
    return hu, organs


def slabs(shape: tuple[int, int, int]) -> Iterator[slice]:
    """Runs of slices of about `SLAB_VOXELS`."""
    step = max(SLAB_VOXELS // (shape[1] * shape[2]), 1)
    for start in range(0, shape[0], step):
        yield slice(start, min(start + step, shape[0]))


def grow_tumours(
    rng: np.random.Generator,
    scene: Scene,
    hu: np.ndarray,
    organs: np.ndarray,
    choice: TumourChoice,
) -> tuple[np.ndarray, tuple[Tumour, ...]]:
    """Paint the patient's tumours into `hu`; returns the complete label map and what was painted."""
    mask = np.zeros(organs.shape, bool)
    acquisition = scene.acquisition
    grown = [
        add_tumour(rng, hu, organs, mask, acquisition.axes(), acquisition.partial_mm, choice)
        for _ in range(draw_count(rng, choice.chance))
    ]
    label = np.where(mask, np.uint8(TUMOUR_ID), organs)
    return label, tuple(tumour for tumour in grown if tumour is not None)
