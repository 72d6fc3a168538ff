"""One phantom: a gadolinium-enhanced T1 scan of a spine with one tumour. Signals are relative to fat's."""

from dataclasses import dataclass, replace

import numpy as np

from ...errors import InputError
from ..canvas import Canvas, volume_threshold
from ..grid import Grid
from ..ripples import draw_ripples
from ..shapes import Common, Ellipsoid, HalfSpace, Points, Shape, Slabs, straight_column
from .canal import Canal, Spine, draw_spine, remodel
from .scan import acquire, draw_grid
from .tumours import TUMOURS, Tumour, draw_tumour
from .vessels import Vessel, draw_vessels

SMALLEST_EXTENT_MM = (60.0, 80.0)
SUB_SLICES = 3  # samples across a slice, whose mean is the slice; odd, so that their median decides the label
AIR, DARK = 0.02, 0.1  # dark: compact bone, dura, ligament
SIGNALS = {  # evenly drawn for every patient
    "fluid": (0.15, 0.25),
    "cord": (0.42, 0.5),
    "muscle": (0.36, 0.46),
    "disc": (0.32, 0.42),
    "marrow": (0.5, 0.72),
    "viscera": (0.4, 0.7),
    "vessel": (0.6, 0.95),  # enhances
}


@dataclass(frozen=True)
class SpinePhantom:
    """A generated scan: image (int16) and label (uint8) of one shape (slices, anterior, superior), affine in mm, RAS.

    The label is 0 outside the tumour and 1 + the type's place in `TUMOURS` within.
    """

    image: np.ndarray
    label: np.ndarray
    affine: np.ndarray


@dataclass(frozen=True)
class Scene:
    """Everything drawn for one phantom, before any pixel is computed."""

    spine: Spine
    tumour: Tumour
    canal: Canal
    grid: Grid
    vessels: tuple[Vessel, ...] = ()

    def points(self) -> Points:
        """Straightened coordinates of the samples, `SUB_SLICES` for each slice."""
        return self.spine.straighten(*self.grid.points(SUB_SLICES))

    def tumour_distance(self, points: Points) -> np.ndarray:
        """Distance (mm) to the tumour, raised where it would leave its compartment, so that it hugs cord and dura."""
        distance = self.tumour.distance(points)
        if self.tumour.kind.within_cord:
            return distance + 2 * np.maximum(self.canal.cord.distance(points) + 0.3, 0)
        distance = distance + 2 * np.maximum(self.canal.sac.distance(points), 0)
        if not self.tumour.kind.embedded:
            distance = distance + 2 * np.maximum(0.3 - self.canal.cord.distance(points), 0)
        return distance


def make_spine_phantom(
    seed: int,
    tumour: str,
    extent_mm: tuple[float, float] = (120.0, 200.0),
    in_plane_mm: tuple[float, float] | None = None,
    vessels: int = 0,
) -> SpinePhantom:
    """A phantom of a sagittal scan with one tumour; the same arguments give the same arrays.

    Args:
        tumour: one of `TUMOURS`.
        extent_mm: field of view, anterior-posterior and superior-inferior.
        in_plane_mm: range of the pixel size, instead of the paper's; larger pixels make quick demonstrations.
        vessels: most vessels in and around the sac that enhance like a tumour; all else is the same without them.

    Raises InputError: an unknown tumour, or a field of view too small for a spine.
    """
    rng = np.random.default_rng(seed)
    scene = draw_scene(rng, tumour, extent_mm, in_plane_mm)
    if vessels:
        drawn = draw_vessels(np.random.default_rng([seed, 1]), scene.canal, scene.tumour, extent_mm[1], vessels)
        scene = replace(scene, vessels=tuple(drawn))
    signal, mask = render(rng, scene)
    number = np.uint8(1 + list(TUMOURS).index(tumour))
    return SpinePhantom(acquire(rng, signal), mask * number, scene.grid.affine)


def draw_scene(
    rng: np.random.Generator,
    tumour: str,
    extent_mm: tuple[float, float],
    in_plane_mm: tuple[float, float] | None = None,
) -> Scene:
    """Draw spine, tumour and the scan's grid."""
    if extent_mm[0] < SMALLEST_EXTENT_MM[0] or extent_mm[1] < SMALLEST_EXTENT_MM[1]:
        raise InputError(f"extent_mm: {tuple(extent_mm)} holds no spine; give at least {SMALLEST_EXTENT_MM} mm")
    if in_plane_mm is not None and not 0.2 <= in_plane_mm[0] <= in_plane_mm[1] <= 3:
        raise InputError(f"in_plane_mm: {tuple(in_plane_mm)} is no (low, high) within 0.2 to 3 mm")
    if tumour not in TUMOURS:
        raise InputError(f"tumour: '{tumour}' is no type of tumour; choose one of {', '.join(TUMOURS)}")
    grid = draw_grid(rng, TUMOURS[tumour], extent_mm, in_plane_mm)
    spine = draw_spine(rng, extent_mm[0])
    mass = draw_tumour(rng, tumour, spine.cord, spine.sac, extent_mm[1])
    return Scene(spine, mass, remodel(spine, mass), grid)


def render(rng: np.random.Generator, scene: Scene) -> tuple[np.ndarray, np.ndarray]:
    """(signal float32, tumour mask bool) of all slices, without noise; a slice is the mean of its samples."""
    signals = {name: float(rng.uniform(*limits)) for name, limits in SIGNALS.items()}
    canvas = Canvas(scene.points(), signals["muscle"], scene.grid.spacing_mm[1])
    paint_surroundings(rng, canvas, scene.spine, signals)
    paint_canal(rng, canvas, scene, signals)
    for vessel in scene.vessels:
        canvas.paint(vessel.shape, vessel.signal)
    distance = scene.tumour_distance(canvas.points)
    in_slices = (scene.grid.shape[0], SUB_SLICES, *scene.grid.shape[1:])
    middle = np.median(distance.reshape(in_slices), axis=1)  # so that half of a voxel decides its label
    surface = np.float32(volume_threshold(middle, scene.tumour.volume_mm3 / scene.grid.voxel_mm3))
    paint_tumour(rng, canvas, scene.tumour, distance - surface, signals)
    canvas.signal *= 1 + np.float32(0.06) * draw_ripples(rng, (6, 25), 12)(canvas.points)
    return canvas.signal.reshape(in_slices).mean(axis=1), middle <= surface


def paint_surroundings(rng: np.random.Generator, canvas: Canvas, spine: Spine, signals: dict[str, float]) -> None:
    """Fat beneath the skin, what lies before the spine, vertebrae with discs and processes."""
    skin, thickness = rng.uniform(46, 64), rng.uniform(7, 18)
    canvas.paint(HalfSpace(np.array([0, thickness - skin, 0]), np.array([0, 1, 0])), 1.0)
    canvas.paint(HalfSpace(np.array([0, -skin, 0]), np.array([0, 1, 0])), AIR)
    back = spine.sac[1] + 1.8  # of the vertebral bodies
    front = back + 2 * spine.body[1]
    canvas.paint(HalfSpace(np.array([0, front + 1, 0]), np.array([0, -1, 0])), signals["viscera"])
    canvas.paint(straight_column(rng.uniform(-8, 8), front + rng.uniform(7, 12), 6, 6), signals["vessel"])
    bodies = straight_column(0, back + spine.body[1], *spine.body)
    between = Slabs(spine.first_disc + spine.pitch / 2, spine.pitch, spine.pitch * rng.uniform(0.7, 0.8))
    canvas.paint(bodies, DARK, grow_mm=1.6)
    canvas.paint(bodies, signals["disc"])
    paint_bone(canvas, Common((bodies, between)), signals)
    canvas.paint(straight_column(0, -back - 3, 8, 4), 1.0)  # fat behind the dura
    arches = Slabs(spine.first_disc + rng.uniform(0, spine.pitch), spine.pitch, 0.5 * spine.pitch)
    paint_bone(canvas, Common((straight_column(0, -back - 13, 4, 10), arches)), signals)


def paint_bone(canvas: Canvas, shape: Shape, signals: dict[str, float]) -> None:
    """A dark compact shell around marrow."""
    canvas.paint(shape, DARK)
    canvas.paint(shape, signals["marrow"], grow_mm=-1.2)


def paint_canal(rng: np.random.Generator, canvas: Canvas, scene: Scene, signals: dict[str, float]) -> None:
    """Dura, fluid, cord, and cysts in the cord at the tumour's poles, which are not labelled."""
    canvas.paint(scene.canal.sac, DARK, grow_mm=0.7)
    canvas.paint(scene.canal.sac, signals["fluid"])
    canvas.paint(scene.canal.cord, signals["cord"])
    tumour = scene.tumour
    for pole in (-1, 1):
        length = rng.uniform(6, 16)
        radii = np.array([*(rng.uniform(0.6, 0.95) * np.asarray(scene.spine.cord)), length])
        if rng.uniform() < tumour.kind.cyst_chance:
            along = tumour.along_mm + pole * (0.7 * tumour.radii[2] + length)
            x, y, _, _ = (float(value) for value in scene.canal.cord.section(np.array(along)))
            cyst = Ellipsoid(np.array([x, y, along]), radii, np.eye(3))
            canvas.paint(cyst, signals["cord"], grow_mm=1.2)
            canvas.paint(cyst, signals["fluid"])


def paint_tumour(
    rng: np.random.Generator, canvas: Canvas, tumour: Tumour, distance: np.ndarray, signals: dict[str, float]
) -> None:
    """The tumour, enhancing evenly or around a core that does not."""
    signal: np.ndarray | float = rng.uniform(*tumour.kind.enhancement)
    rim = rng.uniform(0.2, 0.45) * min(tumour.radii)
    if rng.uniform() < tumour.kind.ring_chance:
        core = np.clip(0.5 - (distance + np.float32(rim)) / 2, 0, 1)
        signal = signal + core * np.float32(rng.uniform(0.8, 1.0) * signals["cord"] - signal)
    canvas.blend((slice(None),) * 3, distance, signal)
