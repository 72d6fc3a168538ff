"""The 95th-percentile Hausdorff distance in both conventions, with a fixed distance for missed structures."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
import torch
from monai.config import NdarrayOrTensor
from monai.data import MetaTensor
from monai.metrics.utils import get_edge_surface_distance
from monai.utils import convert_to_numpy
from scipy import ndimage

from ..errors import InputError
from ..geometry.file_affine import file_spacing
from .class_metric import ClassMetric

CONVENTIONS = {
    "pooled": "95th percentile of the pooled directed distances, as MedPy",
    "larger": "larger of the two directed 95th percentiles, as MONAI",
}
MISSING_MM = 450.0


def hausdorff_distance_95(
    pred: NdarrayOrTensor,
    truth: NdarrayOrTensor,
    spacing: float | Sequence[float] | None = None,
    convention: str = "pooled",
    missing_mm: float = MISSING_MM,
) -> float:
    """95th-percentile Hausdorff distance (mm) between the surfaces of two masks; nan where the truth is empty.

    The surface is made of the mask's voxels that have a face neighbour outside it (or outside the image).

    Args:
        pred, truth: masks of one shape, 2D or 3D, non-zero inside.
        spacing: voxel size in mm along each axis, or one number for all; None means 1 mm.
        convention: "pooled" or "larger", see `CONVENTIONS`.
        missing_mm: the distance of a structure the prediction lacks (450 mm in the BATseg paper, section 1 "Metrics").

    Raises:
        InputError: for masks of different shapes, a spacing that does not fit them or an unknown convention.
    """
    _check_convention(convention)
    pred_mask, truth_mask = (convert_to_numpy(mask).astype(bool) for mask in (pred, truth))
    if pred_mask.shape != truth_mask.shape:
        raise InputError(
            f"HD95: prediction of shape {pred_mask.shape} and truth of shape {truth_mask.shape} are not on one grid; "
            "resample one onto the other"
        )
    spacing_mm = _spacing_per_axis(spacing, truth_mask.ndim)
    if not truth_mask.any():
        return float("nan")
    if not pred_mask.any():
        return float(missing_mm)
    directed = _directed_surface_distances(pred_mask, truth_mask, spacing_mm)
    groups = [np.concatenate(directed)] if convention == "pooled" else directed
    return float(max(np.percentile(group, 95) for group in groups))


class HausdorffDistance95(ClassMetric):
    """HD95 of every case and class, kept as (cases, classes) with nan where a case does not have the class.

    The voxel size is that of the truth where it is a `MetaTensor`.

    Args:
        num_classes: classes with the background, which is not scored.
        convention: "pooled" or "larger", see `CONVENTIONS`.
        spacing: voxel size in mm for truths that carry none; None means 1 mm.
    """

    def __init__(
        self, num_classes: int, convention: str = "pooled", spacing: float | Sequence[float] | None = None
    ) -> None:
        super().__init__()
        _check_convention(convention)
        self.num_classes = num_classes
        self.convention = convention
        self.spacing = spacing

    def _scores(self, prediction: torch.Tensor, truth: torch.Tensor) -> list[float]:
        # 2D images keep 3D affines, hence the cut
        spacing = file_spacing(truth)[: truth.ndim] if isinstance(truth, MetaTensor) else self.spacing
        predicted, true = convert_to_numpy(prediction), convert_to_numpy(truth)
        return [
            hausdorff_distance_95(predicted == i, true == i, spacing, self.convention)
            for i in range(1, self.num_classes)
        ]


def _check_convention(convention: str) -> None:
    if convention not in CONVENTIONS:
        raise InputError(f"HD95: unknown convention {convention!r}; choose one of {', '.join(CONVENTIONS)}")


def _spacing_per_axis(spacing: float | Sequence[float] | None, axes: int) -> tuple[float, ...]:
    values = tuple(np.atleast_1d(np.asarray(1 if spacing is None else spacing, dtype=float)).tolist())
    if len(values) not in (1, axes) or not all(np.isfinite(size) and size > 0 for size in values):
        raise InputError(f"HD95: spacing {values} for a mask of {axes} axes; give one positive size in mm per axis")
    return values if len(values) == axes else values * axes


def _directed_surface_distances(
    pred: np.ndarray, truth: np.ndarray, spacing: tuple[float, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """Distance of every surface voxel of `pred` to the surface of `truth`, and the reverse; both masks not empty."""
    # MONAI crops too, but its search for the box takes ten times as long as the distances of a tumour in a CT.
    box = ndimage.find_objects((pred | truth).view(np.uint8))[0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # MONAI 1.6 calls its own deprecated option
        distances = get_edge_surface_distance(
            torch.from_numpy(pred[box]),
            torch.from_numpy(truth[box]),
            spacing=spacing,
            symmetric=True,
            warn_empty=False,
        )[1]
    return distances[0].numpy(), distances[-1].numpy()
