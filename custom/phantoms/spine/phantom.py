"""One phantom: spine, tumour and scan put together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter

from ...errors import InputError
from .anatomy import Canal, Spine, draw_spine, resting_canal
from .scanner import SUB_SLICES, Acquisition, acquire, draw_acquisition
from .signal import Contents, draw_contents, paint_cord, paint_fluid, paint_tumour
from .tissue import Surroundings, Tissue, draw_tissue
from .tumours import (
    PATIENTS,
    TUMOURS,
    Tumour,
    displace_canal,
    draw_tumour,
    draw_volume_cm3,
    level_for_volume,
    tumour_level,
)

SMALLEST_EXTENT_MM = (60.0, 80.0)


@dataclass(frozen=True)
class SpinePhantom:
    """A generated scan: image (int16) and label (uint8) of one shape (slices, anterior, superior), affine in mm, RAS.

    The label is 0 outside the tumour and 1 + the type's place in `TUMOURS` within; `volume_cm3` is the labelled volume.
    """

    image: np.ndarray
    label: np.ndarray
    affine: np.ndarray
    tumour: str
    volume_cm3: float


@dataclass(frozen=True)
class Scene:
    """Everything drawn for one phantom, before any pixel is computed."""

    spine: Spine
    canal: Canal
    tumour: Tumour
    tissue: Tissue
    contents: Contents
    acquisition: Acquisition

    def plane_points(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(axis position across, ahead, along) of the pixels of any sagittal plane, float32 (anterior, superior)."""
        y, z = np.meshgrid(self.acquisition.axis_mm(1), self.acquisition.axis_mm(2), indexing="ij")
        first, ahead, along = (p.astype(np.float32) for p in self.spine.straighten(y, z))
        return first, ahead, along


def make_spine_phantom(
    seed: int,
    tumour: str | None = None,
    extent_mm: tuple[float, float] = (120.0, 200.0),
    in_plane_mm: tuple[float, float] | None = None,
) -> SpinePhantom:
    """A phantom of a sagittal T2-weighted spine MRI with one tumour; the same arguments give the same arrays.

    Args:
        seed: decides everything that is drawn.
        tumour: one of `TUMOURS`; None draws it with the paper's frequencies.
        extent_mm: field of view, anterior-posterior and superior-inferior.
        in_plane_mm: range of the pixel size, instead of the paper's; larger pixels make quick demonstrations.

    Raises:
        InputError: an unknown tumour, or a field of view too small for a spine.
    """
    scene_seed, scan_seed = np.random.SeedSequence(seed).spawn(2)
    scene = draw_scene(np.random.default_rng(scene_seed), tumour, extent_mm, in_plane_mm)
    rng = np.random.default_rng(scan_seed)
    signal, mask = render(scene, rng)
    return SpinePhantom(
        image=acquire(rng, signal, scene.acquisition),
        label=mask.astype(np.uint8) * np.uint8(1 + TUMOURS.index(scene.tumour.name)),
        affine=scene.acquisition.affine,
        tumour=scene.tumour.name,
        volume_cm3=float(mask.sum()) * scene.acquisition.voxel_mm3 / 1000,
    )


def draw_scene(
    rng: np.random.Generator,
    tumour: str | None,
    extent_mm: tuple[float, float],
    in_plane_mm: tuple[float, float] | None = None,
) -> Scene:
    """Draw anatomy, tumour and acquisition."""
    if extent_mm[0] < SMALLEST_EXTENT_MM[0] or extent_mm[1] < SMALLEST_EXTENT_MM[1]:
        raise InputError(f"extent_mm: {tuple(extent_mm)} holds no spine; give at least {SMALLEST_EXTENT_MM} mm")
    if in_plane_mm is not None and not 0.2 <= in_plane_mm[0] <= in_plane_mm[1] <= 3:
        raise InputError(
            f"in_plane_mm: {tuple(in_plane_mm)} is no range of pixel sizes; give (low, high) in 0.2 to 3 mm"
        )
    if tumour is None:
        frequencies = np.array([PATIENTS[name] for name in TUMOURS], dtype=float)
        tumour = str(rng.choice(TUMOURS, p=frequencies / frequencies.sum()))
    if tumour not in TUMOURS:
        raise InputError(f"tumour: '{tumour}' is no type of tumour; choose one of {', '.join(TUMOURS)}")
    volume = draw_volume_cm3(rng, tumour)
    acquisition = draw_acquisition(rng, tumour, extent_mm, in_plane_mm)
    spine = draw_spine(rng, extent_mm)
    mass = draw_tumour(rng, tumour, volume, spine, extent_mm)
    length = 1.3 * extent_mm[1]
    return Scene(
        spine=spine,
        canal=displace_canal(resting_canal(spine, length), spine, mass),
        tumour=mass,
        tissue=draw_tissue(rng),
        contents=draw_contents(rng, spine, mass, extent_mm[1]),
        acquisition=acquisition,
    )


@dataclass(frozen=True)
class Lesion:
    """The tumour sampled in its box: slices, then rows and columns of the band of pixels around the canal."""

    slices: slice
    box: tuple[slice, slice]
    level: np.ndarray  # (slices, SUB_SLICES, rows, columns), 1 on the surface
    mm_per_level: np.ndarray

    def voxels(self) -> np.ndarray:
        """Mask (slices, rows, columns) of the voxels of which at least half is tumour."""
        return np.sort(self.level, axis=1)[:, SUB_SLICES // 2] <= 1


def render(scene: Scene, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """(noiseless signal float32, tumour mask bool) of all slices, each the mean of its samples across the slice."""
    acquisition, tumour, contents = scene.acquisition, scene.tumour, scene.contents
    first, ahead, along = scene.plane_points()
    band = canal_band(scene, ahead)
    near_first, near_ahead, near_along = first[band], ahead[band], along[band]
    canal = scene.canal.at(near_along)
    lesion = sample_lesion(scene, canal, near_first, near_ahead, near_along)
    surroundings = Surroundings(scene.spine, scene.tissue, ahead, along, acquisition.spacing_mm[0])
    texture = tissue_texture(rng, acquisition)
    signal = np.empty(acquisition.shape, np.float32)
    for index, positions in enumerate(acquisition.sub_slices_mm()):
        across = np.float32(acquisition.axis_mm(0)[index]) - first
        signal[index] = surroundings.plane(across, texture[index])
        outside = signal[index][band].copy()
        samples = np.zeros_like(outside)
        for sample, x in enumerate(positions):
            plane = outside.copy()
            points = (np.float32(x) - near_first, near_ahead, near_along)
            paint_fluid(plane, scene.spine, canal, contents, points)
            surroundings.paint_bulges(plane, band, points[0])
            paint_cord(plane, canal, tumour, contents, points)
            if lesion.slices.start <= index < lesion.slices.stop:
                place = index - lesion.slices.start, sample
                paint_tumour(
                    plane[lesion.box],
                    tumour,
                    contents,
                    lesion.level[place],
                    lesion.mm_per_level[place],
                    tuple(p[lesion.box] for p in points),
                )
            samples += plane
        signal[index][band] = samples / SUB_SLICES
    mask = np.zeros(acquisition.shape, bool)
    rows, columns = lesion.box
    mask[lesion.slices, band[0]][:, rows, columns] = lesion.voxels()
    return signal, mask


def canal_band(scene: Scene, ahead: np.ndarray) -> tuple[slice, slice]:
    """The rows of pixels that the dura reaches in any column."""
    return span((np.abs(ahead) < 2 + scene.canal.sac_ahead.max()).any(axis=1)), slice(None)


def span(wanted: np.ndarray) -> slice:
    """The smallest slice that holds every True of a 1-D mask."""
    found = np.flatnonzero(wanted)
    return slice(int(found[0]), int(found[-1]) + 1) if len(found) else slice(0, 0)


def sample_lesion(scene: Scene, canal: Canal, first: np.ndarray, ahead: np.ndarray, along: np.ndarray) -> Lesion:
    """Sample the tumour where it may be, its level scaled so that the labelled voxels have the drawn volume."""
    acquisition, tumour = scene.acquisition, scene.tumour
    reach = 1.7 * max(tumour.radii[:2]) + 4
    middle = tumour.offset_mm * np.asarray(tumour.direction)
    near = (np.abs(along - tumour.along_mm) < 1.6 * tumour.radii[2] + 4) & (np.abs(ahead - middle[1]) < reach)
    box = span(near.any(axis=1)), span(near.any(axis=0))
    first, ahead, along = first[box], ahead[box], along[box]
    positions = acquisition.sub_slices_mm()
    slices = span((np.abs(positions - first.mean() - middle[0]) < reach).any(axis=1))
    across = positions[slices].astype(np.float32)[..., None, None] - first
    level, mm_per_level = tumour_level(tumour, canal.crop(box), across, ahead, along)
    median = np.sort(level, axis=1)[:, SUB_SLICES // 2]
    surface = np.float32(level_for_volume(median, acquisition.voxel_mm3, tumour.volume_mm3))
    return Lesion(slices, box, level / surface, mm_per_level * surface)


def tissue_texture(rng: np.random.Generator, acquisition: Acquisition) -> np.ndarray:
    """Smooth noise of unit size per slice, a few millimetres fine, stretched along the spine."""
    coarse = [max(round(size * acquisition.spacing_mm[1] / 1.5), 4) for size in acquisition.shape[1:]]
    noise = gaussian_filter(rng.standard_normal((acquisition.shape[0], *coarse), dtype=np.float32), (0.6, 0.9, 2.2))
    return resize_planes(noise / noise.std(), acquisition.shape[1:])


def resize_planes(planes: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Linear interpolation of every plane (first axis) to `shape`."""
    for axis, size in enumerate(shape, start=1):
        position = np.linspace(0, planes.shape[axis] - 1, size, dtype=np.float32)
        lower = np.minimum(position.astype(int), planes.shape[axis] - 2)
        weight = np.expand_dims(position - lower, tuple(range(1, planes.ndim - axis)))
        below, above = planes.take(lower, axis), planes.take(lower + 1, axis)
        planes = below + weight * (above - below)
    return planes
