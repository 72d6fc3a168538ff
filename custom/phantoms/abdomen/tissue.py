"""Hounsfield units of one patient: organs in the late arterial or the portal venous phase of a contrast medium."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

AIR, LUNG, GAS, FAT = -1000.0, -850.0, -930.0, -100.0

PHASES = ("arterial", "portal_venous")
ENHANCEMENT: Mapping[str, tuple[tuple[float, float], tuple[float, float]]] = {
    # mean and deviation between patients, arterial then portal venous
    "liver": ((72, 7), (108, 9)),
    "kidney_cortex": ((195, 16), (190, 14)),
    "kidney_medulla": ((105, 12), (172, 14)),
    "spleen": ((138, 12), (121, 8)),
    "pancreas": ((106, 8), (94, 7)),
    "aorta": ((290, 30), (155, 11)),
    "inferior_vena_cava": ((112, 13), (138, 10)),
    "adrenal": ((82, 7), (74, 6)),
    "gallbladder": ((9, 5), (9, 5)),
    "oesophagus": ((52, 5), (56, 5)),
    "stomach_wall": ((82, 7), (80, 7)),
    "duodenum_wall": ((78, 6), (76, 6)),
    "portal_vein": ((128, 12), (168, 11)),
    "hepatic_vein": ((78, 6), (148, 10)),
    "heart": ((210, 20), (150, 10)),
    "bowel_wall": ((76, 7), (80, 7)),
    "muscle": ((57, 4), (62, 4)),
    "disc": ((85, 6), (85, 6)),
    "marrow": ((200, 35), (205, 35)),
    "cortex": ((560, 70), (560, 70)),
    "fluid": ((12, 5), (12, 5)),
}
CONTENTS_OF_STOMACH = {"water": (8.0, 25.0), "food": (35.0, 60.0), "oral contrast": (130.0, 220.0)}
CHANCES_OF_CONTENTS = (0.6, 0.25, 0.15)


@dataclass(frozen=True)
class Tissue:
    """What was drawn for one patient; `hu` holds the keys of `ENHANCEMENT` and the contents of stomach and bowel."""

    phase: str
    hu: Mapping[str, float]
    grain_hu: float  # uneven parenchyma: standard deviation of a texture of 12 to 30 mm


def draw_tissue(rng: np.random.Generator) -> Tissue:
    """One phase for the whole patient, every organ around its mean."""
    phase = int(rng.integers(len(PHASES)))
    hu = {}
    for name, rows in ENHANCEMENT.items():
        mean, deviation = rows[phase]
        hu[name] = mean + deviation * float(np.clip(rng.normal(), -2, 2))
    content = rng.choice(list(CONTENTS_OF_STOMACH), p=CHANCES_OF_CONTENTS)
    hu["stomach_content"] = float(rng.uniform(*CONTENTS_OF_STOMACH[content]))
    hu["duodenum_content"] = float(rng.uniform(15, 45))
    hu["bowel_content"] = float(rng.uniform(10, 50))
    hu["stool"] = float(rng.uniform(20, 70))
    return Tissue(PHASES[phase], hu, float(rng.uniform(2, 5)))
