"""What surrounds the canal in a sagittal T2-weighted plane: vertebrae, discs, fat, muscle, skin, air.

Signals are relative to cerebrospinal fluid, which is 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .anatomy import Spine, ellipse_distance


@dataclass(frozen=True)
class Tissue:
    """What was drawn for the surroundings of one spine."""

    marrow: float
    fat: float
    muscle: float
    ligament: float
    airway: float  # signal of the tube in front of the spine: airway or vessel
    airway_gap_mm: float
    skin_mm: float  # from the canal's axis backwards
    subcutis_mm: float
    disc_part: float  # of a level's height
    disc_signal: np.ndarray  # per level, wrapped around
    marrow_gain: np.ndarray
    bulge_mm: np.ndarray  # of each disc into the canal
    clefts: float  # how far spinous processes point downwards, in mm per mm


def draw_tissue(rng: np.random.Generator) -> Tissue:
    """Varied contrast, some discs degenerated (dark) and bulging, some vertebrae fatty."""
    levels = 32
    degenerated = rng.uniform(size=levels) < rng.uniform(0.05, 0.6)
    bulging = rng.uniform(size=levels) < 0.3
    return Tissue(
        marrow=rng.uniform(0.3, 0.5),
        fat=rng.uniform(0.65, 0.95),
        muscle=rng.uniform(0.18, 0.3),
        ligament=rng.uniform(0.06, 0.14),
        airway=rng.uniform(0.02, 0.12),
        airway_gap_mm=rng.uniform(7, 13),
        skin_mm=rng.uniform(46, 64),
        subcutis_mm=rng.uniform(7, 18),
        disc_part=rng.uniform(0.2, 0.3),
        disc_signal=np.where(degenerated, rng.uniform(0.1, 0.25, levels), rng.uniform(0.45, 0.8, levels)),
        marrow_gain=rng.uniform(0.85, 1.15, levels),
        bulge_mm=np.where(bulging, rng.uniform(0.5, 2.6, levels), 0.0),
        clefts=rng.uniform(0.3, 0.75),
    )


def edge(distance: np.ndarray, width_mm: float = 0.8) -> np.ndarray:
    """Part of a tissue at a signed distance (mm) from its surface: 1 inside, 0 outside, a ramp between."""
    return np.clip(np.float32(0.5) - distance / np.float32(width_mm), 0, 1)


def paint(plane: np.ndarray, part: np.ndarray, signal: np.ndarray | float) -> None:
    """Cover `plane` in place with `signal` where `part` is 1, proportionally below."""
    plane += part * (np.asarray(signal, np.float32) - plane)


class Surroundings:
    """Painter of one phantom's planes; everything that does not depend on the slice is computed once.

    `ahead` and `along` are the straightened coordinates of one sagittal plane's pixels.
    """

    def __init__(self, spine: Spine, tissue: Tissue, ahead: np.ndarray, along: np.ndarray, slice_mm: float) -> None:
        self.spine, self.tissue, self.ahead, self.slice_mm = spine, tissue, ahead, slice_mm
        number = spine.level_number(along)
        nearest = np.rint(number)
        level = nearest.astype(np.int64) % len(tissue.disc_signal)
        pitch = (spine.pitch_mm / (1 + spine.pitch_gain * along / 100)).astype(np.float32)
        self.from_disc = ((number - nearest) * pitch).astype(np.float32)  # mm above the disc's middle
        self.disc_half = tissue.disc_part * pitch / 2
        self.body_half = pitch / 2 - self.disc_half
        body_level = np.floor(number).astype(np.int64) % len(tissue.disc_signal)
        self.marrow = (tissue.marrow * tissue.marrow_gain[body_level]).astype(np.float32)
        self.disc_signal = tissue.disc_signal[level].astype(np.float32)
        self.bulge = tissue.bulge_mm[level].astype(np.float32)
        # from the vertebra's middle, bowed so that end plates are concave
        self.from_body = (number - np.floor(number) - 0.5).astype(np.float32) * pitch
        self.behind_body = ahead - np.float32(spine.sac_radii[1] + 1.8)
        slanted = number + (np.maximum(-ahead, 0) * tissue.clefts) / spine.pitch_mm - 0.35
        self.from_process = ((slanted - np.rint(slanted)) * pitch).astype(np.float32)
        self.pitch = pitch

    def plane(self, across: np.ndarray, texture: np.ndarray) -> np.ndarray:
        """Signal of the plane at `across` (mm right of the axis, per pixel); `texture` has zero mean, unit size."""
        signal = np.full_like(self.ahead, self.tissue.muscle)
        paint(signal, edge(-self.behind_body), 0.75 * self.tissue.muscle + 0.06)
        self._paint_back(signal, texture)
        self._paint_front(signal, across)
        side = np.abs(across)
        self._paint_foramina(signal, side)
        self._paint_bodies(signal, side)
        self._paint_processes(signal, side)
        signal *= 1 + np.float32(0.1) * texture
        paint(signal, edge(self.ahead + np.float32(self.tissue.skin_mm), 1.5), 0.01)
        return signal

    def paint_bulges(self, plane: np.ndarray, band: tuple[slice, slice], across: np.ndarray) -> None:
        """Discs that bulge into the canal, onto the band of a plane that holds the canal, in place."""
        if not self.bulge[band].any():
            return
        size = np.maximum(self.bulge[band], 0.1)
        distance = ellipse_distance(self.behind_body[band] + 1.5, self.from_disc[band], size + 1.5, 1.2 + size)
        middle = edge(np.abs(across) - np.float32(0.6 * self.spine.sac_radii[0]), self.slice_mm)
        paint(plane, (self.bulge[band] > 0) * middle * edge(distance), self.tissue.ligament)

    def _paint_back(self, signal: np.ndarray, texture: np.ndarray) -> None:
        """Streaks of fat in the muscle, then the layer beneath the skin."""
        streaks = np.clip(texture - 1.1, 0, 1) * (self.ahead < -self.spine.sac_radii[1] - 4)
        paint(signal, np.float32(0.6) * streaks, self.tissue.fat)
        depth = self.tissue.skin_mm - self.tissue.subcutis_mm
        paint(signal, edge(self.ahead + np.float32(depth), 2.0), self.tissue.fat)

    def _paint_front(self, signal: np.ndarray, across: np.ndarray) -> None:
        """A dark tube (airway, aorta) in front of the vertebrae, near the midline."""
        middle = self.spine.sac_radii[1] + 1.8 + self.spine.body_depth_mm + self.tissue.airway_gap_mm + 6
        distance = ellipse_distance(across - 3, self.ahead - np.float32(middle), np.float32(9), np.float32(6))
        paint(signal, edge(distance, 1.5), self.tissue.airway)

    def _paint_foramina(self, signal: np.ndarray, side: np.ndarray) -> None:
        """Beside the sac: pedicles and joints, between them rounded windows of fat with the dark nerve root."""
        depth = np.float32(self.spine.sac_radii[1])
        beside = edge(self.spine.sac_radii[0] - 1 - side, self.slice_mm)
        beside = beside * edge(side - np.float32(self.spine.body_half_width_mm), self.slice_mm)
        column = np.abs(self.ahead + 2) - np.float32(depth + 4)
        self._paint_bone(signal, np.maximum(column, np.abs(self.from_disc) - self.pitch), beside)
        window = self.from_disc - 0.1 * self.pitch
        fat = ellipse_distance(window, self.ahead, np.float32(0.3) * self.pitch, depth * np.float32(0.95))
        paint(signal, beside * edge(fat - 0.8), self.tissue.ligament)
        paint(signal, beside * edge(fat), 0.85 * self.tissue.fat)
        root = ellipse_distance(window - 0.05 * self.pitch, self.ahead, np.float32(2.6), np.float32(2.2))
        paint(signal, beside * edge(root), 0.35)

    def _paint_bodies(self, signal: np.ndarray, side: np.ndarray) -> None:
        """Discs (dark ring, nucleus by age, bulge) between vertebral bodies with the basivertebral vein."""
        width = np.float32(self.spine.body_half_width_mm)
        depth = self.spine.body_depth_mm * np.sqrt(np.maximum(1 - (side / (1.15 * width)) ** 2, 0.05))
        inside = edge(side - width, self.slice_mm)
        middle = np.float32(self.spine.body_depth_mm / 2)
        forward = np.abs(self.behind_body - middle) + (self.spine.body_depth_mm - depth) / 2
        paint(signal, inside * edge(forward - middle - 1.6), self.tissue.ligament)
        ring = ellipse_distance(self.behind_body - middle, self.from_disc, middle - 1, self.disc_half * 0.75)
        paint(signal, inside * edge(np.maximum(ring, forward - middle), 2.0), self.disc_signal)
        waist = 1.2 * (1 - (self.from_body / self.body_half) ** 2)
        cupping = 0.9 * (1 - ((self.behind_body - middle) / middle) ** 2)
        body = np.maximum(forward - middle + waist, np.abs(self.from_body) - self.body_half + np.maximum(cupping, 0))
        self._paint_bone(signal, body, inside)
        vein = np.maximum(np.abs(self.from_body) - 1.3, np.abs(self.behind_body - 3) - np.float32(5))
        paint(signal, edge(side - 3, self.slice_mm) * np.float32(0.6) * edge(vein, 2.0), 0.75)

    def _paint_processes(self, signal: np.ndarray, side: np.ndarray) -> None:
        """Behind the canal: yellow ligament and fat, laminae, and spinous processes that slant downwards."""
        back = -self.ahead - np.float32(self.spine.sac_radii[1])
        near = np.maximum(back - 5, -back)
        paint(signal, edge(near) * edge(side - 9, self.slice_mm), 0.9 * self.tissue.fat)
        lamina = ellipse_distance(self.from_process, back - 5.5, 0.3 * self.pitch, np.float32(3.6))
        self._paint_bone(signal, lamina, edge(side - 13, self.slice_mm))
        longest = np.float32(0.55 * (self.tissue.skin_mm - self.tissue.subcutis_mm - self.spine.sac_radii[1]))
        between = np.maximum(np.abs(back - 6 - longest / 2) - longest / 2, 0)
        paint(signal, edge(between) * edge(side - 3, self.slice_mm) * np.float32(0.5), 0.7 * self.tissue.fat)
        process = ellipse_distance(self.from_process, back - 5 - longest / 2, 0.27 * self.pitch, longest / 2)
        self._paint_bone(signal, process, edge(side - 4, self.slice_mm))

    def _paint_bone(self, signal: np.ndarray, distance: np.ndarray, within: np.ndarray) -> None:
        """A dark cortical line around marrow."""
        paint(signal, within * edge(distance - 0.4), self.tissue.ligament)
        paint(signal, within * edge(distance + 0.8), self.marrow)
