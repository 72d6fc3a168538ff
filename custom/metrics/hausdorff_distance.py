"""The 95th-percentile Hausdorff distance in both conventions, with a fixed distance for missed structures."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from monai.config import NdarrayOrTensor
from monai.data import MetaTensor
from monai.metrics import CumulativeIterationMetric
from monai.metrics.utils import do_metric_reduction, get_edge_surface_distance
from monai.utils import MetricReduction, convert_to_numpy

from ..errors import InputError
from ..geometry.file_affine import file_spacing
from .class_ids import check_class_ids
from .reduction import mean_over_classes

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
    """95th-percentile Hausdorff distance between the surfaces of two masks of one structure.

    The surface is made of the mask's voxels that have a face neighbour outside it (or outside the image).

    Args:
        pred: predicted mask, 2D or 3D, non-zero inside.
        truth: true mask of the same shape.
        spacing: voxel size in mm along each axis, or one number for all; None means 1 mm.
        convention: "pooled" or "larger", see `CONVENTIONS`.
        missing_mm: the distance of a structure the prediction lacks (450 mm in the BATseg paper, section 1 "Metrics").

    Returns:
        Millimetres; nan where the truth is empty, since the patient does not have the structure.

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


class HausdorffDistance95(CumulativeIterationMetric):
    """HD95 of every case and class, kept as (cases, classes) with nan where a case does not have the class.

    Predictions and truths are class ids: lists of (1, *spatial) or batches (B, 1, *spatial). The voxel size is that of
    the truth where it is a `MetaTensor`.

    Args:
        num_classes: classes with the background, which is not scored.
        convention: "pooled" or "larger", see `CONVENTIONS`.
        spacing: voxel size in mm for truths that carry none; None means 1 mm.

    In an evaluator: `monai.handlers.IgniteMetricHandler(metric_fn=HausdorffDistance95(num_classes=5), ...)`.
    """

    def __init__(
        self,
        num_classes: int,
        convention: str = "pooled",
        spacing: float | Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        _check_convention(convention)
        self.num_classes = num_classes
        self.convention = convention
        self.spacing = spacing

    def _compute_tensor(self, y_pred: torch.Tensor, y: torch.Tensor, **_: Any) -> torch.Tensor:  # type: ignore[override]
        """(B, 1, *spatial) predicted and true class ids to (B, classes) distances."""
        check_class_ids("HD95", y_pred, y)
        rows = [self._distances(pred, truth) for pred, truth in zip(y_pred, y, strict=True)]
        return torch.tensor(rows, dtype=torch.float32, device=y_pred.device)

    def _distances(self, pred: torch.Tensor, truth: torch.Tensor) -> list[float]:
        """One distance per class of one case, class ids (1, *spatial)."""
        own_spacing = _voxel_size(truth)
        spacing = self.spacing if own_spacing is None else own_spacing
        predicted, true = convert_to_numpy(pred)[0], convert_to_numpy(truth)[0]
        return [
            hausdorff_distance_95(predicted == i, true == i, spacing, self.convention)
            for i in range(1, self.num_classes)
        ]

    def aggregate(self, reduction: MetricReduction | str | None = None) -> torch.Tensor:
        """The mean over classes of the class means so far, a scalar; or MONAI's reduction of that name.

        Raises:
            ValueError: before the first case.
        """
        values = self.get_buffer()
        if not isinstance(values, torch.Tensor):
            raise ValueError("HD95: no case has been evaluated yet")
        return mean_over_classes(values) if reduction is None else do_metric_reduction(values, reduction)[0]


def _check_convention(convention: str) -> None:
    if convention not in CONVENTIONS:
        raise InputError(f"HD95: unknown convention {convention!r}; choose one of {', '.join(CONVENTIONS)}")


def _spacing_per_axis(spacing: float | Sequence[float] | None, axes: int) -> tuple[float, ...]:
    if spacing is None:
        return (1.0,) * axes
    values = tuple(float(size) for size in np.atleast_1d(np.asarray(spacing, dtype=float)))
    if len(values) not in (1, axes) or not all(np.isfinite(size) and size > 0 for size in values):
        raise InputError(f"HD95: spacing {values} for a mask of {axes} axes; give one positive size in mm per axis")
    return values if len(values) == axes else values * axes


def _voxel_size(truth: torch.Tensor) -> list[float] | None:
    """Voxel size of a (1, *spatial) tensor that knows it; 2D images keep 3D affines, hence the cut."""
    return file_spacing(truth)[: truth.ndim - 1] if isinstance(truth, MetaTensor) else None


def _directed_surface_distances(
    pred: np.ndarray, truth: np.ndarray, spacing: tuple[float, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """Distance of every surface voxel of `pred` to the surface of `truth`, and the reverse; both masks not empty."""
    # MONAI crops too, but its search for the box takes ten times as long as the distances of a tumour in a CT.
    box = _bounding_box(pred | truth)
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


def _bounding_box(mask: np.ndarray) -> tuple[slice, ...]:
    axes = range(mask.ndim)
    inside = [np.flatnonzero(mask.any(axis=tuple(other for other in axes if other != axis))) for axis in axes]
    return tuple(slice(int(places[0]), int(places[-1]) + 1) for places in inside)
