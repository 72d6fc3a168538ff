"""One phantom: patient, scan and tumours put together."""

from dataclasses import dataclass

import numpy as np

from ..canvas import Canvas
from ..ripples import draw_ripples
from ..shapes import Common, HalfSpace, Shape
from .organs import ORGAN_ID, draw_organs
from .patient import draw_patient
from .scan import SPACING_MM, STORED, Range, acquire, check_spacing, draw_grid, store
from .trunk import FAT, MIDDLE_Y, RADII, paint_trunk
from .tumours import TumourChoice, add_tumour, draw_count

AIR, GAS = -1000.0, -930.0
HU = {  # mean and deviation between patients, in the late arterial and in the portal venous phase of a contrast medium
    "liver": ((72, 7), (108, 9)),
    "kidney": ((165, 16), (185, 14)),
    "spleen": ((138, 12), (121, 8)),
    "pancreas": ((106, 8), (94, 7)),
    "aorta": ((290, 30), (155, 11)),
    "inferior_vena_cava": ((112, 13), (138, 10)),
    "adrenal": ((82, 7), (74, 6)),
    "gallbladder": ((9, 5), (9, 5)),
    "oesophagus": ((52, 5), (56, 5)),
    "stomach": ((82, 7), (80, 7)),
    "duodenum": ((78, 6), (76, 6)),
    "portal_vein": ((128, 12), (168, 11)),
    "heart": ((210, 20), (150, 10)),
    "muscle": ((57, 4), (62, 4)),
    "disc": ((85, 6), (85, 6)),
    "marrow": ((200, 35), (205, 35)),
    "cortex": ((560, 70), (560, 70)),
    "colon": ((40, 15), (40, 15)),
    "food": ((30, 20), (30, 20)),  # in stomach and duodenum
}
ORGANS_FROM_MM, ORGANS_TO_MM = -84.0, 116.0  # of the textbook's z
WALL_MM = 4.0  # of stomach and duodenum
RIM_MM = 1.0  # of fat around organs, so that neighbours can be distinguished
NO_RIM = ("liver", "portal_vein", "gallbladder")


@dataclass(frozen=True)
class AbdomenPhantom:
    """A generated scan as its file holds it: image (int16, HU), labels (uint8) of one shape, and the affine.

    `label` has the ids of `CLASSES`; `organs` is the same without tumours, the host in their place.
    """

    image: np.ndarray
    label: np.ndarray
    organs: np.ndarray
    affine: np.ndarray


def make_abdomen_phantom(
    seed: int, spacing_mm: tuple[Range, Range] = SPACING_MM, choice: TumourChoice | None = None
) -> AbdomenPhantom:
    """A phantom of a contrast-enhanced abdominal CT; the same arguments give the same arrays.

    Args:
        spacing_mm: ranges of the slice distance and of the pixel size.

    Raises InputError: ranges that no CT has.
    """
    check_spacing(spacing_mm)
    choice = choice or TumourChoice()
    rng = np.random.default_rng(seed)
    fat_mm, breath = rng.uniform(7, 27), rng.normal(0, 6)
    grid = draw_grid(rng, (2 * (RADII[0] + fat_mm), 2 * (RADII[1] + fat_mm)), spacing_mm)
    spare = grid.shape[2] * grid.spacing_mm[2] - (ORGANS_TO_MM - ORGANS_FROM_MM)
    patient = draw_patient(rng, (0, -MIDDLE_Y, spare * rng.uniform(-0.25, 0.25) - (ORGANS_TO_MM + ORGANS_FROM_MM) / 2))
    hu = draw_hu(rng)
    points = grid.points()
    uneven = np.float32(rng.uniform(0.8, 1.4)) * draw_ripples(rng, (28, 80), 8)(points)
    canvas = Canvas(points, AIR, grid.voxel_mm3 ** (1 / 3), uneven)
    room = paint_trunk(rng, canvas, patient, hu, fat_mm, breath)
    gas = HalfSpace(patient.place((0, rng.normal(42, 8), 0)), np.array([0, -1, 0]))
    paint_organs(canvas, draw_organs(rng, patient, room, 0.4 * breath), gas, hu)
    organs = canvas.label.copy()
    for _ in range(draw_count(rng, choice.chance)):
        add_tumour(rng, canvas, organs, grid.voxel_mm3 / 1000, choice)
    canvas.signal += np.float32(rng.uniform(2, 5)) * draw_ripples(rng, (11, 40), 10)(points)  # uneven parenchyma
    stored = str(rng.choice(STORED))
    image, affine = store(acquire(rng, canvas.signal), grid.affine, stored)
    label, organs = (store(array, grid.affine, stored)[0] for array in (canvas.label, organs))
    return AbdomenPhantom(image, label, organs, affine)


def draw_hu(rng: np.random.Generator) -> dict[str, float]:
    """HU of every tissue around its mean, in one phase for the whole patient."""
    phase = int(rng.integers(2))
    hu = {name: both[phase][0] + both[phase][1] * float(np.clip(rng.normal(), -2, 2)) for name, both in HU.items()}
    return hu | {f"{side}_{name}": hu[name] for side in ("right", "left") for name in ("kidney", "adrenal")}


def paint_organs(canvas: Canvas, organs: dict[str, Shape], gas: HalfSpace, hu: dict[str, float]) -> None:
    """Paint and label the organs in their order; stomach and duodenum have contents, with `gas` in the stomach."""
    for name, organ in organs.items():
        if name not in NO_RIM:
            canvas.paint(organ, FAT, 0, RIM_MM)
        canvas.paint(organ, hu[name], ORGAN_ID.get(name))
        if name in ("stomach", "duodenum"):
            canvas.paint(organ, hu["food"], grow_mm=-WALL_MM)
        if name == "stomach":
            canvas.paint(Common((organ, gas)), GAS, grow_mm=-WALL_MM)
