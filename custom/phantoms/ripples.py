"""Smooth random fields as sums of products of cosines: cheap on grids whose axes are straight."""

from dataclasses import dataclass

import numpy as np

from .shapes import Points


@dataclass(frozen=True)
class Ripples:
    """A field of zero mean and unit variance over points in mm."""

    frequencies: np.ndarray  # (terms, 3), radians per mm
    phases: np.ndarray  # (terms, 3)

    def __call__(self, points: Points) -> np.ndarray:
        """The field at three broadcastable coordinate arrays, float32."""
        total = np.zeros(np.broadcast_shapes(*(p.shape for p in points)), np.float32)
        for frequency, phase in zip(self.frequencies, self.phases, strict=True):
            x, y, z = (np.cos(p * f + s).astype(np.float32) for p, f, s in zip(points, frequency, phase, strict=True))
            total += x * z * y
        return total * np.float32(np.sqrt(8 / len(self.phases)))


def draw_ripples(rng: np.random.Generator, wavelength_mm: tuple[float, float], terms: int = 6) -> Ripples:
    """Ripples whose wavelengths along each axis lie in the given range."""
    lengths = rng.uniform(*wavelength_mm, (terms, 3))
    return Ripples(2 * np.pi / lengths, rng.uniform(0, 2 * np.pi, (terms, 3)))
