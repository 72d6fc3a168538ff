"""The trunk around the organs: fat, muscles, lungs above the diaphragm, bones, heart and colon."""

import numpy as np

from ..canvas import Canvas
from ..shapes import Common, Outside, Shape, Slabs
from .patient import Patient

FAT, LUNG = -100.0, -850.0
MIDDLE_Y = -4.0
RADII = (148.0, 97.0)  # outer surface of the muscles, along x and y
SHELL_MM = 2.2  # of compact bone

# tubes: x, y, z, radius
PSOAS = [(24, -47, 10, 7), (31, -44, -30, 13), (38, -41, -70, 17), (46, -36, -150, 20)]
BACK = [(27, -82, 190, 16), (30, -78, 40, 18), (31, -76, -50, 20), (32, -74, -150, 20)]
COLON_RIGHT = [(106, -18, -170, 24), (102, -16, -62, 21), (88, 22, -56, 19), (66, 58, -62, 19), (-40, 68, -48, 19)]
COLON_LEFT = [(-40, 68, -48, 19), (-86, 50, -14, 18), (-110, 14, 14, 18), (-112, -16, -22, 16), (-112, -28, -80, 15)]


def paint_trunk(
    rng: np.random.Generator, canvas: Canvas, patient: Patient, hu: dict[str, float], fat_mm: float, breath: float
) -> Shape:
    """Paint the trunk of a patient with `fat_mm` beneath the skin, whose diaphragm stands `breath` mm higher.

    Returns:
        The room that is left for organs.
    """
    muscle_mm = rng.uniform(11, 15)
    cavity = around(patient, -muscle_mm)
    domes = (
        patient.ellipsoid((68, 8, 0), (84, 98, 110 + breath)),
        patient.ellipsoid((-68, 8, 0), (84, 98, 100 + breath + rng.normal(0, 4))),
        patient.ellipsoid((0, 8, 0), (90, 90, 92 + breath)),
    )
    above = Common([Outside(dome) for dome in domes])
    mediastinum = patient.tube([(-4, -12, 60, 26), (-4, -12, 240, 26)])
    heart = patient.ellipsoid((-22, 26, 140), (58, 42, 40), (-0.9, 0.4, -0.1), (0, 0, 1))
    canvas.paint(around(patient, fat_mm), FAT)
    canvas.paint(around(patient, 0.0), hu["muscle"])
    canvas.paint(cavity, FAT)
    canvas.paint(Common((cavity, above, Outside(mediastinum))), LUNG)
    canvas.paint(Common((heart, above)), hu["heart"])
    for rows in (PSOAS, BACK):
        for side in (1, -1):
            canvas.paint(patient.tube(np.array(rows) * (side, 1, 1, 1)), hu["muscle"])
    paint_spine(rng, canvas, patient, hu)
    shift = rng.normal(0, 6, 3)
    for rows in (COLON_RIGHT, COLON_LEFT):
        canvas.paint(Common((patient.tube(rows, shift), cavity)), hu["colon"])
    return Common((cavity, Outside(above)))


def around(patient: Patient, distance_mm: float) -> Shape:
    """The trunk up to `distance_mm` outside its muscles."""
    return patient.column(MIDDLE_Y, RADII[0] + distance_mm, RADII[1] + distance_mm)


def paint_spine(rng: np.random.Generator, canvas: Canvas, patient: Patient, hu: dict[str, float]) -> None:
    """Vertebral bodies with discs between, and spinous processes."""
    bodies, pitch = patient.column(-44, 23, 16.5), 33 * patient.size
    first = rng.uniform(0, pitch)
    spines = Common((patient.column(-78, 7, 16), Slabs(first + 0.3 * pitch, pitch, 0.5 * pitch)))
    canvas.paint(bodies, hu["disc"])
    for bone in (Common((bodies, Slabs(first, pitch, 0.78 * pitch))), spines):
        canvas.paint(bone, hu["cortex"])
        canvas.paint(bone, hu["marrow"], grow_mm=-SHELL_MM)
