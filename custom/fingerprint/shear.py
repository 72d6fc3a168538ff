"""Axes that are not at right angles, as those of a CT whose gantry was tilted."""

from __future__ import annotations

import dataclasses

import numpy as np

from ..geometry.affine_rounding import SHEAR
from .integrity import CaseFacts


def shear(affine: np.ndarray) -> float:
    """The largest cosine between two axes of an affine (4 x 4): 0 where all are at right angles."""
    directions = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    return float(np.abs(np.triu(directions.T @ directions, k=1)).max())


def shear_problems(facts: CaseFacts) -> list[str]:
    """A line where the axes of a scan are sheared: label maps cannot return to its grid axis by axis.

    A shear that `ScanReader` takes for the rounding of a header is none.
    """
    if not facts.affine or shear(np.array(facts.affine)) <= SHEAR:
        return []
    return [f"{facts.images[0]}: its axes are sheared (gantry tilt); resample it onto a grid with right angles"]


def with_shear_problems(facts: CaseFacts) -> CaseFacts:
    """The facts with a shear among the problems."""
    return dataclasses.replace(facts, problems=[*facts.problems, *shear_problems(facts)])
