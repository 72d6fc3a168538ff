"""The normalised surface Dice of two masks by the areas of their surfaces, exact at the tolerance."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from monai.config import NdarrayOrTensor
from monai.metrics.utils import get_code_to_measure_table
from monai.utils import convert_to_numpy
from scipy import ndimage
from scipy.spatial import KDTree

from ..geometry.file_affine import file_spacing
from .class_metric import ClassMetric

_INSIDE = 255  # code of a corner whose eight voxels all belong to the mask


class SurfaceDice(ClassMetric):
    """NSD of every case and class, kept as (cases, classes) with nan where a case does not have the class.

    A class that the prediction lacks scores 0, as in `ClassMeanDice`; FLARE has rules of its own
    (`FlareSurfaceDice`). The voxel size is that of the truth where it is a `MetaTensor`, else 1 mm.

    Args:
        num_classes: classes with the background, which is not scored.
        tolerances: mm, one for each class or one for all.
    """

    def __init__(self, num_classes: int, tolerances: float | Sequence[float] = 1.0) -> None:
        super().__init__()
        one = isinstance(tolerances, int | float)
        self.tolerances: list[float] = [tolerances] * (num_classes - 1) if one else list(tolerances)  # type: ignore

    def _scores(self, prediction: torch.Tensor, truth: torch.Tensor) -> list[float]:
        spacing = file_spacing(truth)
        predicted, true = convert_to_numpy(prediction), convert_to_numpy(truth)
        return [
            class_surface_dice(predicted == number, true == number, spacing, tolerance)
            for number, tolerance in enumerate(self.tolerances, start=1)
        ]


def nsd_rule(scoring: Mapping[str, Any]) -> str:
    """The tolerance of a plan's `scoring` in words, for the header of a table."""
    given = scoring["nsd_tolerance_mm"]
    tolerances = given if isinstance(given, list) else [given]
    return f"NSD tolerance: {', '.join(f'{one:g}' for one in tolerances)} mm; 0 where the prediction lacks the class"


def class_surface_dice(
    prediction: np.ndarray, truth: np.ndarray, spacing: Sequence[float], tolerance_mm: float
) -> float:
    """`normalised_surface_dice` of two masks in the box around them; nan where the truth is empty."""
    if not truth.any():
        return float("nan")
    box = ndimage.find_objects((prediction | truth).view(np.uint8))[0]
    return normalised_surface_dice(prediction[box], truth[box], spacing, tolerance_mm)


def normalised_surface_dice(
    prediction: NdarrayOrTensor, truth: NdarrayOrTensor, spacing: Sequence[float], tolerance_mm: float
) -> float:
    """Part of the two surfaces' joint area that lies within a tolerance of the other surface, in 0..1.

    The surface of a mask is made of elements (surfels) at the corners of its voxels: each corner whose eight voxels do
    not all belong to the mask, nor all to its outside, has one, of the area that marching cubes would give it (Nikolov
    et al., "Deep learning to achieve clinically applicable segmentation of head and neck anatomy for radiotherapy",
    2018; the `surface-distance` package). Beyond the image all is outside.

    Args:
        prediction: mask (X, Y, Z), non-zero inside.
        truth: mask of the same shape.
        spacing: voxel size in mm along each axis.
        tolerance_mm: distance up to which, itself included, an element counts as found.

    Returns:
        1 where both masks are empty, 0 where exactly one is.
    """
    # MONAI's compute_surface_dice(use_subvoxels=True) compares single-precision distances: at the spacing of a file,
    # 0.8 mm in single precision, five voxels are farther than 4 mm but count as found: up to 0.03 of the score.
    masks = [convert_to_numpy(mask).astype(bool, copy=False) for mask in (prediction, truth)]
    voxel_mm = np.asarray(spacing, dtype=float)
    empty = [not mask.any() for mask in masks]
    if any(empty):
        return float(all(empty))
    table, weights = (tensor.numpy() for tensor in get_code_to_measure_table(voxel_mm.tolist()))
    (corners, areas), (other_corners, other_areas) = (_surface_elements(mask, weights[0, 0], table) for mask in masks)
    near = _within(corners, other_corners, voxel_mm, tolerance_mm)
    other_near = _within(other_corners, corners, voxel_mm, tolerance_mm)
    return float((areas[near].sum() + other_areas[other_near].sum()) / (areas.sum() + other_areas.sum()))


def _surface_elements(mask: np.ndarray, weights: np.ndarray, areas: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Grid positions (N, 3) of the corners on the surface of a mask and their areas (N,) in mm^2.

    `weights` (2, 2, 2) code the eight voxels around a corner as one byte, `areas` (256,) are those of the codes.
    """
    padded = np.pad(mask, 1).view(np.uint8)
    codes = np.zeros([size + 1 for size in mask.shape], dtype=np.uint8)
    for offset in np.ndindex(weights.shape):
        voxel = padded[tuple(slice(start, start + size) for start, size in zip(offset, codes.shape, strict=True))]
        codes += voxel * np.uint8(weights[offset])
    on_surface = (codes != 0) & (codes != _INSIDE)
    return np.argwhere(on_surface), areas[codes[on_surface]].astype(float)


def _within(corners: np.ndarray, others: np.ndarray, voxel_mm: np.ndarray, tolerance_mm: float) -> np.ndarray:
    """For each of the corners (N, 3), whether its nearest among the others lies within the tolerance.

    The tree follows the surfaces alone, whatever voids lie between them, and only as far as the tolerance.
    """
    reach = tolerance_mm * (1 + 1e-9) + 1e-9
    _, nearest = KDTree(others * voxel_mm).query(corners * voxel_mm, distance_upper_bound=reach)
    within = nearest < len(others)
    # Steps along the grid times the voxel size: the rounding of a distance transform, which decides at the tolerance.
    steps = corners[within] - others[nearest[within]]
    within[within] = np.sqrt(((steps * voxel_mm) ** 2).sum(axis=1)) <= tolerance_mm
    return within
