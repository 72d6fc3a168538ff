"""Smooth random fields as sums of products of cosines: cheap on any grid whose axes are straight."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Axes = tuple[np.ndarray, np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Ripples:
    """A field of zero mean and unit variance over (x, y, z) in mm."""

    frequencies: np.ndarray  # (terms, 3), radians per mm
    phases: np.ndarray  # (terms, 3)

    def __call__(self, axes: Axes) -> np.ndarray:
        """The field (z, y, x), float32, on the grid of three coordinate vectors x, y, z."""
        total = np.zeros((len(axes[2]), len(axes[1]), len(axes[0])), np.float32)
        for frequency, phase in zip(self.frequencies, self.phases, strict=True):
            x, y, z = (
                np.cos(axis * f + p).astype(np.float32) for axis, f, p in zip(axes, frequency, phase, strict=True)
            )
            total += (z[:, None] * y)[:, :, None] * x
        return total * np.float32(np.sqrt(8 / len(self.phases)))


def draw_ripples(rng: np.random.Generator, wavelength_mm: tuple[float, float], terms: int = 5) -> Ripples:
    """Ripples whose wavelengths along each axis lie in the given range."""
    lengths = rng.uniform(*wavelength_mm, (terms, 3))
    return Ripples(2 * np.pi / lengths, rng.uniform(0, 2 * np.pi, (terms, 3)))
