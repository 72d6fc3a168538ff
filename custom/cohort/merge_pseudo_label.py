"""Pseudo-labels into the gaps of a partial label: annotated classes are the annotator's, the others the network's."""

from collections.abc import Sequence
from typing import Any

import torch
from monai.config.type_definitions import NdarrayOrTensor
from monai.utils import convert_to_tensor

from ..errors import InputError
from ..ignore_index import IGNORE_INDEX
from ..number_text import exact


def merge_pseudo_label(
    label: NdarrayOrTensor | None,
    pseudo: NdarrayOrTensor,
    annotated: Sequence[int],
    fill: Sequence[int],
    lesions: Sequence[int] = (),
    lesions_overwrite: bool = True,
    confidence: NdarrayOrTensor | None = None,
    threshold: float = 0.0,
) -> torch.Tensor:
    """A label whose annotated classes are the annotator's and whose other classes are the network's.

    With the missing classes, those in `fill` and not in `annotated`:

    - A voxel of an annotated class keeps it, except that a missing lesion takes an annotated organ's voxel where
      `lesions_overwrite`: lesions lie inside organs. An annotated lesion is never overwritten.
    - Elsewhere a voxel takes the pseudo-label's class if that is missing. If it is annotated, the voxel stays
      background: the annotator said that it is not this class.
    - A label's voxel of a class that is not annotated counts as background.
    - Where the confidence is below the threshold, nothing is taken, and background becomes `IGNORE_INDEX`: which of the
      missing classes it has, if any, is unknown. A case without missing classes has no such voxels.
    - A voxel that is `IGNORE_INDEX` in the label stays it.

    Args:
        label: class ids, of any shape; None for an unlabelled case.
        pseudo: the network's class ids, of the same shape.
        annotated: ids of the classes annotated in the label.
        fill: ids of the classes that the network knows.
        lesions: ids of the classes that lie inside others.
        lesions_overwrite: whether a missing lesion takes an annotated organ's voxel.
        confidence: of the pseudo-label, of its shape: 0 to 1, or 0 to 255 in uint8.
        threshold: least confidence, 0 to 1; 0 trusts every voxel.

    Returns:
        uint8 class ids of the same shape.

    Raises InputError: shapes differ, ids are out of range, or a threshold lacks its confidence.
    """
    _require(0 <= threshold <= 1, f"threshold is {threshold}; give 0 to 1")
    for name, ids in (("annotated", annotated), ("fill", fill), ("lesions", lesions)):
        fits = all(0 < one < IGNORE_INDEX for one in ids)
        _require(fits, f"{name} is {list(ids)}; give class ids from 1 to {IGNORE_INDEX - 1}")
    predicted = _class_ids(pseudo, "pseudo-label", IGNORE_INDEX - 1)
    truth = torch.zeros_like(predicted) if label is None else _class_ids(label, "label", IGNORE_INDEX)
    _check_shape(predicted, truth, "pseudo-label")
    missing = set(fill) - set(annotated)

    ignored = truth == IGNORE_INDEX
    merged = truth * _is_one_of(truth, annotated)
    background = (merged == 0) & ~ignored
    takes = background & _is_one_of(predicted, missing)
    if lesions_overwrite:
        organ = _is_one_of(merged, set(annotated) - set(lesions))
        takes |= organ & _is_one_of(predicted, missing & set(lesions))
    if threshold > 0 and missing:
        doubtful = _is_doubtful(confidence, threshold, truth)
        takes &= ~doubtful
        ignored |= background & doubtful
    return torch.where(takes, predicted, merged).masked_fill_(ignored, IGNORE_INDEX)


def _is_one_of(volume: torch.Tensor, ids: set[int] | Sequence[int]) -> torch.Tensor:
    """Where a volume has one of the ids; class by class, in one byte a voxel, where an indexed table takes eight."""
    found = torch.zeros_like(volume, dtype=torch.bool)
    for one in ids:
        found |= volume == one
    return found


def _is_doubtful(confidence: NdarrayOrTensor | None, threshold: float, truth: torch.Tensor) -> torch.Tensor:
    _require(confidence is not None, f"threshold {threshold} needs a confidence; give it, or threshold 0")
    values = convert_to_tensor(confidence, track_meta=False, device=truth.device)
    _check_shape(values, truth, "confidence")
    if values.dtype == torch.uint8:
        return values < threshold * 255
    low, high = values.aminmax()
    _require(
        values.is_floating_point() and not low < 0 and not high > 1,
        f"the confidence is {values.dtype} from {exact(float(low))} to {exact(float(high))}; "
        "give floating point from 0 to 1, or uint8 from 0 to 255",
    )
    return ~(values >= threshold)  # nan is doubtful


def _class_ids(volume: NdarrayOrTensor, name: str, highest: int) -> torch.Tensor:
    """A volume as uint8, after checking that it holds integers from 0 to `highest`."""
    values = convert_to_tensor(volume, track_meta=False)
    low, high = values.aminmax()
    ids = values.to(torch.uint8)
    _require(
        low >= 0 and high <= highest and torch.equal(values, ids.to(values.dtype)),
        f"the {name} holds values from {exact(float(low))} to {exact(float(high))}; "
        f"give integer class ids from 0 to {highest}",
    )
    return ids


def _check_shape(values: torch.Tensor, truth: torch.Tensor, name: str) -> None:
    shapes = f"the {name} has shape {tuple(values.shape)}, the label {tuple(truth.shape)}"
    _require(values.shape == truth.shape, f"{shapes}; both must lie on one grid")


def _require(holds: Any, fault: str) -> None:
    if not holds:
        raise InputError(f"merge_pseudo_label: {fault}")
