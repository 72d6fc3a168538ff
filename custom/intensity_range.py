"""Intensities so far beyond all others that the mean and deviation of a scan leave nothing of them."""

from typing import Any

LARGE = 1e9  # no scan has such intensities, but signs for "no value" are
OVERFLOW = 1e14  # the squares of a whole scan's add up to infinity in single precision
STEPS = 2**24  # single precision tells so many numbers of one size apart
DROWNED = 0.01  # share of the voxels that may lie below such a step


def is_drowned(values: Any) -> bool:
    """Whether some intensities (numpy or torch, any shape) leave nothing of the others in single precision."""
    largest = max(abs(float(values.min())), abs(float(values.max())))
    if not LARGE < largest <= OVERFLOW:
        return largest > OVERFLOW
    drowned = (values != 0) & (abs(values) < largest / STEPS)
    return float(drowned.sum()) > DROWNED * drowned.reshape(-1).shape[0]
