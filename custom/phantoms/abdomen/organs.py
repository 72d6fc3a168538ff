"""The organs of one patient. Places are textbook ones in mm (x right, y anterior, z superior of L1), varied."""

import numpy as np

from ...cohort.manifest import FLARE_CLASSES
from ..shapes import Common, Outside, Shape
from .patient import Patient

CLASSES, ORGANS = FLARE_CLASSES, FLARE_CLASSES[:-1]
ORGAN_ID = {name: number for number, name in enumerate(CLASSES, start=1)}

# tubes: x, y, z, radius
AORTA = [(-15, -38, 190, 13), (-15, -36, 140, 12.5), (-12, -31, 90, 12), (-5, -13, 0, 10), (-3, -14, -98, 8.5)]
VENA_CAVA = [(19, -15, -100, 10), (22, -11, 0, 11), (29, -13, 72, 12), (25, 0, 100, 12), (22, 7, 114, 12)]
OESOPHAGUS = [(-2, -20, 190, 9), (-4, -18, 145, 9), (-11, -10, 115, 9), (-17, -3, 98, 8.5), (-33, -1, 90, 8.5)]
STOMACH = [(-58, -12, 88, 31), (-62, 2, 68, 31), (-64, 22, 42, 26), (-56, 42, 16, 22), (-34, 54, 0, 19)]
PYLORUS = [(-4, 54, -4, 16), (18, 47, 1, 11), (30, 40, 5, 8)]
DUODENUM = [(32, 39, 6, 11), (45, 27, 9, 11), (52, 10, 2, 11), (48, 4, -48, 11.5), (34, 8, -64, 11), (-30, 19, -36, 10)]
PANCREAS = [(32, 12, -36, 9), (33, 14, -18, 14), (27, 18, -4, 13), (-10, 26, 11, 10.5), (-78, -12, 36, 8.5)]
GALLBLADDER = [(52, 34, 8, 5), (56, 44, 0, 10), (62, 56, -13, 15.5), (65, 63, -25, 15)]
PORTAL_VEIN = [(10, 9, -80, 5), (12, 10, -20, 6), (24, 9, 18, 7), (40, 13, 36, 7), (66, 8, 46, 5)]


def draw_organs(rng: np.random.Generator, patient: Patient, room: Shape, sink: float) -> dict[str, Shape]:
    """The organs, and the portal vein, in the order in which they are painted; each varies by itself.

    Args:
        room: the cavity below the diaphragm.
        sink: how far (mm) breath has moved the upper organs upwards.
    """

    def moved(spread: tuple[float, float, float], follows: float) -> np.ndarray:
        return rng.normal((0, 0, follows * sink), spread)

    head = moved((4, 3, 4), 0.3)  # of the pancreas, with the duodenum around it
    vessels = rng.normal(0, (2, 1.5, 0))
    stomach = patient.tube(STOMACH + PYLORUS, moved((3, 3, 3), 0.5), 0.97 * log_normal(rng, 0.1))
    return {
        "liver": draw_liver(rng, patient, room, sink),
        "portal_vein": patient.tube(PORTAL_VEIN, 0.5 * head),
        "spleen": Common((draw_spleen(rng, patient, moved((3, 4, 5), 1)), room)),
        "gallbladder": patient.tube(GALLBLADDER, moved((4, 3, 3), 0.6), log_normal(rng, 0.1)),
        "stomach": Common((stomach, room)),
        "right_kidney": draw_kidney(rng, patient, 1, moved((3, 3, 7), 0.5)),
        "left_kidney": draw_kidney(rng, patient, -1, moved((3, 3, 7), 0.5)),
        "pancreas": patient.tube(PANCREAS, head, log_normal(rng, 0.08)),
        "duodenum": patient.tube(DUODENUM, 0.7 * head, log_normal(rng, 0.07)),
        "right_adrenal": draw_adrenal(rng, patient, 1, moved((1.5, 1.5, 3), 0.5)),
        "left_adrenal": draw_adrenal(rng, patient, -1, moved((1.5, 1.5, 3), 0.5)),
        "inferior_vena_cava": patient.tube(VENA_CAVA, vessels, 0.93 * log_normal(rng, 0.09)),
        "aorta": patient.tube(AORTA, vessels, log_normal(rng, 0.08)),
        "oesophagus": patient.tube(OESOPHAGUS, moved((1, 1, 0), 0.5), 0.97 * log_normal(rng, 0.06)),
    }


def log_normal(rng: np.random.Generator, deviation: float) -> float:
    """A factor around 1 that is at most two deviations away from it."""
    return float(np.exp(deviation * np.clip(rng.normal(), -2, 2)))


def draw_liver(rng: np.random.Generator, patient: Patient, room: Shape, sink: float) -> Shape:
    """A large ovoid, cut by the visceral surface below and the retroperitoneum behind."""
    depth, reach = rng.normal(0, 6), rng.normal(0, 8)
    ovoid = patient.ellipsoid((44 - reach / 2, 6, 22 + sink), (130 + reach / 2, 108, 112))
    visceral = patient.half_space((105, 0, sink - 62 - depth), (-rng.normal(0.78, 0.05), 0.12, -1.0))
    return Common((ovoid, visceral, patient.half_space((40, -26, 40), (-0.55, -1.0, -0.1)), room))


def draw_spleen(rng: np.random.Generator, patient: Patient, shift: np.ndarray) -> Shape:
    """A slice of an orange along the tenth rib, hollowed towards the stomach."""
    centre, scale = np.array([-96, -36, 46]) + shift, log_normal(rng, 0.09)
    whole = patient.ellipsoid(centre, scale * np.array([62, 35, 48]), (-0.25, -0.5, 0.8), (1.0, 0.45, 0.3))
    return Common((whole, Outside(patient.ellipsoid(centre + scale * np.array([62, 28, 8]), (44 * scale,) * 3))))


def draw_kidney(rng: np.random.Generator, patient: Patient, side: int, shift: np.ndarray) -> Shape:
    """A bean without its sinus: upper pole medial and posterior, hilum to the front; the right one lies lower."""
    centre = np.array([65 * side, -43, -9 if side > 0 else 7]) + shift
    axes = (-0.24 * side, -0.2, 0.95), (-0.86 * side, 0.5, 0.0)
    scale = log_normal(rng, 0.045)
    sinus = centre + 24 * scale * np.array(axes[1])
    bean = patient.ellipsoid(centre, scale * np.array([53, 26, 27.5]), *axes)
    return Common((bean, Outside(patient.ellipsoid(sinus, scale * np.array([22, 20, 9.5]), *axes))))


def draw_adrenal(rng: np.random.Generator, patient: Patient, side: int, shift: np.ndarray) -> Shape:
    """A flat upright leaf: behind the vena cava, or next to the crus of the diaphragm."""
    centre = np.array([33, -39, 53] if side > 0 else [-35, -30, 46]) + shift
    radii = log_normal(rng, 0.08) * np.array([17, 11, 5.8])
    return patient.ellipsoid(centre, radii, (0, -0.15, 1), (0.35 * side, -1, 0))
