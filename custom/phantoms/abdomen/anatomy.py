"""The organs of one patient as closed shapes in the trunk's anatomical frame, and what lies between them.

The tables give textbook positions (mm; x right, y anterior, z superior of the first lumbar vertebra) that every patient
varies: organs are moved and scaled, each by itself, before the whole patient is bent and scaled.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from .shapes import Common, Ellipsoid, Fins, HalfSpace, Shape, Tube, Without, smooth_tube, straight_tube, turned_axes
from .trunk import Trunk

ORGANS = (
    "liver",
    "right_kidney",
    "spleen",
    "pancreas",
    "aorta",
    "inferior_vena_cava",
    "right_adrenal",
    "left_adrenal",
    "gallbladder",
    "oesophagus",
    "stomach",
    "duodenum",
    "left_kidney",
)
CLASSES = (*ORGANS, "tumour")
ORGAN_ID = {name: number for number, name in enumerate(CLASSES, start=1)}

# tubes: x, y, z, radius
AORTA = [(-15, -38, 190, 13), (-15, -36, 140, 12.5), (-12, -31, 90, 12), (-7, -19, 40, 11), (-5, -13, 0, 10)]
AORTA += [(-4, -13, -50, 9), (-3, -14, -98, 8.5)]  # here it divides
ILIACS = [(-3, -14, -98, 7), (16, -16, -120, 6), (36, -24, -160, 6)]
VENA_CAVA = [(19, -15, -100, 10), (20, -13, -50, 10.5), (22, -11, 0, 11), (26, -13, 40, 11.5), (29, -13, 72, 12)]
VENA_CAVA += [(25, 0, 100, 12), (22, 7, 114, 12)]  # here it enters the heart
OESOPHAGUS = [(-2, -20, 190, 9), (-4, -18, 145, 9), (-11, -10, 115, 9), (-17, -3, 98, 8.5), (-33, -1, 90, 8.5)]
STOMACH = [(-58, -12, 88, 31), (-62, 2, 68, 31), (-64, 22, 42, 26), (-56, 42, 16, 22), (-34, 54, 0, 19)]
STOMACH += [(-4, 54, -4, 16), (18, 47, 1, 11), (30, 40, 5, 8)]
DUODENUM = [(32, 39, 6, 11), (45, 27, 9, 11), (52, 10, 2, 11), (51, 2, -22, 11), (48, 4, -48, 11.5)]
DUODENUM += [(34, 8, -64, 11), (8, 11, -66, 10), (-16, 15, -58, 10), (-30, 19, -36, 10)]
PANCREAS = [(32, 12, -36, 9), (33, 14, -18, 14), (27, 18, -4, 13), (12, 25, 4, 9.5), (-10, 26, 11, 10.5)]
PANCREAS += [(-36, 12, 19, 11), (-60, -2, 28, 10), (-78, -12, 36, 8)]
GALLBLADDER = [(52, 34, 8, 5), (56, 44, 0, 10), (62, 56, -13, 15.5), (65, 63, -25, 15)]
PORTAL_VEIN = [
    (10, 9, -80, 4.5),
    (11, 10, -40, 5.5),
    (13, 10, -4, 6.5),
    (24, 9, 18, 7),
    (40, 13, 36, 7),
    (66, 8, 46, 5),
]
LEFT_PORTAL_VEIN = [(40, 13, 36, 6), (14, 32, 52, 4.5), (-20, 42, 62, 3)]
SPLENIC_VEIN = [(13, 10, 0, 5.5), (-18, 13, 10, 5), (-56, -14, 26, 4.5), (-84, -24, 42, 4)]
MESENTERIC_ARTERY = [(-4, 2, -4, 4), (-3, 14, -24, 4), (-4, 18, -90, 3)]
HEPATIC_VEINS = (
    [(30, -8, 88, 6), (62, -8, 80, 5), (98, -14, 52, 3)],
    [(28, -4, 90, 5.5), (46, 24, 76, 4.5), (60, 44, 40, 3)],
    [(24, -2, 90, 5), (2, 24, 78, 4), (-24, 42, 70, 3)],
)
ASCENDING_COLON = [(106, -18, -170, 24), (108, -18, -100, 23), (102, -16, -62, 21), (88, 22, -56, 19)]
TRANSVERSE_COLON = [(88, 22, -56, 19), (66, 58, -62, 19), (20, 70, -66, 19), (-40, 68, -48, 19), (-86, 50, -14, 18)]
DESCENDING_COLON = [(-86, 50, -14, 18), (-102, 34, 20, 19), (-110, 14, 14, 18), (-112, -16, -22, 16)]
DESCENDING_COLON += [(-112, -28, -80, 15), (-104, -28, -170, 15)]
COLON = (ASCENDING_COLON, TRANSVERSE_COLON, DESCENDING_COLON)
SMALL_BOWEL_STARTS = (
    (-62, 34, -26),
    (-52, 40, -62),
    (-72, 20, -70),
    (-30, 46, -92),
    (20, 42, -96),
    (62, 34, -92),
    (-64, 20, -116),
    (48, 20, -124),
    (0, 50, -130),
    (84, 4, -100),
    (30, 62, -84),
    (-20, 62, -70),
    (-84, -6, -96),
    (-40, 10, -100),
    (4, 36, -112),
    (56, 50, -108),
    (-36, 62, -112),
)


@dataclass(frozen=True)
class Kidney:
    """The labelled organ is the bean without its sinus, which holds fat around the pelvis."""

    bean: Ellipsoid
    sinus: Ellipsoid
    pelvis: Ellipsoid


@dataclass(frozen=True)
class Anatomy:
    """Shapes of one patient; `organs` has those of `ORGANS` that are one closed shape, all but the kidneys."""

    trunk: Trunk
    organs: Mapping[str, Shape]
    right_kidney: Kidney
    left_kidney: Kidney
    colon: tuple[Tube, ...]
    small_bowel: tuple[Tube, ...]
    portal_veins: tuple[Tube, ...]
    hepatic_veins: tuple[Tube, ...]
    arteries: tuple[Tube, ...]
    renal_veins: tuple[Tube, ...]
    perirenal_fat_mm: float
    gas_y: float  # gas in the stomach lies above this height over the couch (mm of the anatomical y)


def draw_anatomy(rng: np.random.Generator, trunk: Trunk) -> Anatomy:
    """Organs of a patient with the given trunk; whatever hangs on the diaphragm follows its breath."""
    sink = 0.6 * (trunk.tendon - 94)
    upper = np.array([0, 0, sink])
    right, left = draw_kidney(rng, 1, 0.5 * upper), draw_kidney(rng, -1, 0.5 * upper)
    head = rng.normal(0, (4, 3, 4)) + 0.3 * upper  # of the pancreas, with the duodenum around it
    vessels = rng.normal(0, (2, 1.5, 0))
    organs = {
        "liver": draw_liver(rng, upper),
        "spleen": draw_spleen(rng, upper),
        "pancreas": draw_tube(rng, PANCREAS, head, calibre=(1.0, 0.08), flatness=1.05),
        "aorta": draw_tube(rng, AORTA, vessels, sway_mm=1.0, calibre=(1.0, 0.08)),
        "inferior_vena_cava": draw_tube(rng, VENA_CAVA, vessels, sway_mm=1.0, calibre=(0.97, 0.09), flatness=1.15),
        "right_adrenal": draw_adrenal(rng, 1, 0.5 * upper),
        "left_adrenal": draw_adrenal(rng, -1, 0.5 * upper),
        "gallbladder": draw_tube(rng, GALLBLADDER, 0.6 * upper + rng.normal(0, (4, 3, 3)), calibre=(1.0, 0.1)),
        "oesophagus": draw_tube(rng, OESOPHAGUS, 0.5 * upper, sway_mm=1.0, calibre=(1.0, 0.06), flatness=1.1),
        "stomach": draw_tube(rng, STOMACH, 0.5 * upper, sway_mm=3.0, calibre=(0.97, 0.1), fixed_ends=True),
        "duodenum": draw_tube(rng, DUODENUM, 0.7 * head, calibre=(1.0, 0.07), fixed_ends=True),
    }
    return Anatomy(
        trunk=trunk,
        organs=organs,
        right_kidney=right,
        left_kidney=left,
        colon=tuple(draw_tube(rng, rows, sway_mm=5.0, calibre=(1.0, 0.12)) for rows in COLON),
        small_bowel=draw_small_bowel(rng),
        portal_veins=(
            draw_tube(rng, PORTAL_VEIN, 0.5 * head, sway_mm=1.0),
            draw_tube(rng, LEFT_PORTAL_VEIN, 0.5 * upper, sway_mm=1.0),
            draw_tube(rng, SPLENIC_VEIN, 0.5 * head, sway_mm=1.0),
        ),
        hepatic_veins=tuple(draw_tube(rng, rows, 0.5 * upper) for rows in HEPATIC_VEINS),
        arteries=(
            straight_tube(np.array(ILIACS) + np.array([*vessels, 0])),
            straight_tube(np.array(ILIACS) * (-1, 1, 1, 1) + np.array([-6 + vessels[0], vessels[1], 0, 0])),
            draw_tube(rng, MESENTERIC_ARTERY, vessels),
        ),
        renal_veins=(renal_vein(right, (20, -11)), renal_vein(left, (18, -2))),
        perirenal_fat_mm=float(np.interp(trunk.fat_mm[1], (7, 27), (2.5, 8)) * rng.uniform(0.8, 1.2)),
        gas_y=float(rng.normal(42, 8)),
    )


def draw_tube(
    rng: np.random.Generator,
    rows: Sequence[Sequence[float]],
    shift: np.ndarray | float = 0.0,
    sway_mm: float = 2.0,
    calibre: tuple[float, float] = (1.0, 0.05),
    flatness: float = 1.0,
    fixed_ends: bool = False,
) -> Tube:
    """A tube of a table, shifted as a whole, every point swayed, the radius scaled by (mean, deviation)."""
    table = np.array(rows, float)
    sway = rng.normal(0, sway_mm, (len(table), 3))
    if fixed_ends:
        sway[[0, -1]] = 0
    table[:, :3] += sway + shift
    table[:, 3] *= log_normal(rng, *calibre)
    return smooth_tube(table, flatness=flatness)


def log_normal(rng: np.random.Generator, mean: float, deviation: float) -> float:
    """A factor that is never far from its mean: log-normal, at most two deviations away."""
    return mean * float(np.exp(deviation * np.clip(rng.normal(), -2, 2)))


def draw_liver(rng: np.random.Generator, shift: np.ndarray) -> Shape:
    """What two planes leave of a large ovoid: the visceral surface below, the retroperitoneum behind.

    The diaphragm and the wall cut it when it is drawn; how far it reaches down and left makes its size.
    """
    depth, reach = rng.normal(0, 6), rng.normal(0, 8)
    slope = rng.normal(0.78, 0.05)
    return Common(
        (
            Ellipsoid(
                np.array([44.0 - reach / 2, 6.0, 22.0]) + shift,
                np.array([130.0 + reach / 2, 108.0, 112.0]),
                np.eye(3),
            ),
            HalfSpace(np.array([105.0, 0.0, -62.0 - depth]) + shift, np.array([-slope, 0.12, -1.0])),
            HalfSpace(np.array([40.0, -26.0, 40.0]), np.array([-0.55, -1.0, -0.1])),
        ),
        rounding=9.0,
    )


def draw_spleen(rng: np.random.Generator, shift: np.ndarray) -> Shape:
    """A slice of an orange along the tenth rib, hollowed towards the stomach."""
    centre = np.array([-98.0, -38.0, 46.0]) + shift + rng.normal(0, (3, 4, 5))
    scale = log_normal(rng, 1.0, 0.09)
    axes = turned_axes((-0.25 + rng.normal(0, 0.1), -0.5 + rng.normal(0, 0.1), 0.8), (1.0, 0.45, 0.3))
    whole = Ellipsoid(centre, np.array([66.0, 37.0, 50.0]) * scale, axes)
    hollow = centre + np.array([62.0, 28.0, 8.0]) * scale
    return Without(whole, Ellipsoid(hollow, np.full(3, 44.0 * scale), np.eye(3)), 5.0)


def draw_kidney(rng: np.random.Generator, side: int, shift: np.ndarray) -> Kidney:
    """Upper pole medial and posterior, hilum to the front and the middle; the right kidney lies lower."""
    centre = np.array([65.0 * side, -43.0, -9.0 if side > 0 else 7.0]) + shift + rng.normal(0, (3, 3, 7))
    scale = log_normal(rng, 1.0, 0.045)
    tilt = rng.normal(0, 0.05, 2)
    axes = turned_axes((-0.24 * side + tilt[0], -0.2 + tilt[1], 0.95), (-0.86 * side, 0.5, 0.0))
    bean = Ellipsoid(centre, scale * np.array([53.0, 26.0, 27.5]), axes)
    sinus_centre = centre + scale * 24.0 * axes[1]
    sinus = Ellipsoid(sinus_centre, scale * np.array([22.0, 20.0, 9.5]), axes)
    return Kidney(bean, sinus, Ellipsoid(sinus_centre, 0.45 * sinus.radii, axes))


def draw_adrenal(rng: np.random.Generator, side: int, shift: np.ndarray) -> Fins:
    """A body with two limbs, like an inverted Y in the axial plane: behind the vena cava, left of the crus."""
    if side > 0:
        ends = np.array([[(30, -32), (28, -46)], [(30, -34), (41, -45)]], float)
        bottom, lean = 42.0, (-0.1, -0.15)
    else:
        ends = np.array([[(-33, -23), (-30, -38)], [(-33, -24), (-45, -36)]], float)
        bottom, lean = 34.0, (0.15, -0.15)
    turn = Rotation.from_euler("z", rng.normal(0, 0.12)).as_matrix()[:2, :2]
    middle = ends.mean(axis=(0, 1))
    ends = (ends - middle) @ turn.T * log_normal(rng, 1.0, 0.06) + middle + shift[:2] + rng.normal(0, 1.5, 2)
    height = 24.0 * log_normal(rng, 1.0, 0.08)
    return Fins(ends, rng.uniform(5.8, 6.8), bottom + shift[2] + rng.normal(0, 3), height, lean)


def draw_small_bowel(rng: np.random.Generator) -> tuple[Tube, ...]:
    """Coiled loops in front of the spine, below the stomach: wandering tubes of some 25 mm."""
    loops = []
    for start in SMALL_BOWEL_STARTS:
        point = np.array(start, float) + rng.normal(0, 6, 3)
        heading = rng.normal(size=3)
        rows = []
        for _ in range(8):
            rows.append((*point, rng.uniform(10.5, 15)))
            heading = heading / np.linalg.norm(heading) + rng.normal(0, 0.7, 3)
            heading += (np.array(start) - point) / 45  # a coil stays where it began
            point = point + 24 * heading / np.linalg.norm(heading)
        loops.append(straight_tube(rows))
    return tuple(loops)


def renal_vein(kidney: Kidney, target: tuple[float, float]) -> Tube:
    """From the hilum to a vessel at `target` (x, y), a little lower than the hilum."""
    hilum = kidney.pelvis.centre
    end = np.array([*target, hilum[2] + 2])
    middle = (hilum + end) / 2 + np.array([0, 3, 2])
    return smooth_tube(np.column_stack([np.stack([hilum, middle, end]), [5.0, 4.5, 5.0]]))
