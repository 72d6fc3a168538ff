"""The 95th-percentile Hausdorff distance in both conventions, with a fixed distance for missed structures."""

import warnings
from collections.abc import Sequence

import numpy as np
import torch
from monai.config import NdarrayOrTensor
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


def hd95_rules(convention: str) -> list[str]:
    """The convention in words, for the header of a table. Raises InputError: there is none of that name."""
    if convention not in CONVENTIONS:
        raise InputError(f"HD95: unknown convention {convention!r}; choose one of {', '.join(CONVENTIONS)}")
    return [f"HD95: {CONVENTIONS[convention]}; {MISSING_MM:g} mm where the prediction lacks the class"]


def hausdorff_distance_95(
    pred: NdarrayOrTensor, truth: NdarrayOrTensor, spacing: Sequence[float], convention: str = "pooled"
) -> float:
    """95th-percentile Hausdorff distance (mm) between the surfaces of two masks; nan where the truth is empty.

    The surface is made of the mask's voxels that have a face neighbour outside it (or outside the image). A structure
    that the prediction lacks is at 450 mm (BATseg, section 1 "Metrics").

    Args:
        pred, truth: masks of one shape, 2D or 3D, non-zero inside.
        spacing: voxel size in mm along each axis.
        convention: "pooled" or "larger", see `CONVENTIONS`.
    """
    pred_mask, truth_mask = (convert_to_numpy(mask).astype(bool) for mask in (pred, truth))
    if not truth_mask.any():
        return float("nan")
    if not pred_mask.any():
        return MISSING_MM
    directed = _directed_surface_distances(pred_mask, truth_mask, spacing)
    groups = [np.concatenate(directed)] if convention == "pooled" else directed
    return float(max(np.percentile(group, 95) for group in groups))


class HausdorffDistance95(ClassMetric):
    """HD95 of every case and class, kept as (cases, classes) with nan where a case does not have the class.

    The voxel size is that of the truth where it is a `MetaTensor`, else 1 mm.

    Args:
        num_classes: classes with the background, which is not scored.
        convention: "pooled" or "larger", see `CONVENTIONS`; InputError for another.
    """

    def __init__(self, num_classes: int, convention: str = "pooled") -> None:
        super().__init__()
        self.rules = hd95_rules(convention)
        self.num_classes = num_classes
        self.convention = convention

    def _scores(self, prediction: torch.Tensor, truth: torch.Tensor) -> list[float]:
        spacing = file_spacing(truth)
        predicted, true = convert_to_numpy(prediction), convert_to_numpy(truth)
        return [
            hausdorff_distance_95(predicted == i, true == i, spacing, self.convention)
            for i in range(1, self.num_classes)
        ]


def _directed_surface_distances(
    pred: np.ndarray, truth: np.ndarray, spacing: Sequence[float]
) -> tuple[np.ndarray, np.ndarray]:
    """Distance of every surface voxel of `pred` to the surface of `truth`, and the reverse; both masks not empty."""
    # MONAI crops too, but its search for the box takes ten times as long as the distances of a tumour in a CT.
    box = ndimage.find_objects((pred | truth).view(np.uint8))[0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # MONAI 1.6 calls its own deprecated option
        distances = get_edge_surface_distance(
            torch.from_numpy(pred[box]),
            torch.from_numpy(truth[box]),
            spacing=list(spacing),
            symmetric=True,
            warn_empty=False,
        )[1]
    return distances[0].numpy(), distances[-1].numpy()
