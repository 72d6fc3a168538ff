"""Pseudo-labels into the gaps of a partial label: annotated classes are the annotator's, the others the network's."""

from collections.abc import Sequence

import torch
from monai.config.type_definitions import NdarrayOrTensor
from monai.utils import convert_to_tensor

from ..errors import InputError
from ..ignore_index import IGNORE_INDEX


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
        label: class ids in uint8, of any shape, as `read_label_map` gives them; None for an unlabelled case.
        pseudo: the network's class ids, of the same shape and type.
        annotated: ids of the classes annotated in the label.
        fill: ids of the classes that the network knows.
        lesions: ids of the classes that lie inside others.
        lesions_overwrite: whether a missing lesion takes an annotated organ's voxel.
        confidence: of the pseudo-label, of its shape and type, 255 meaning 1; needed where there is a threshold.
        threshold: least confidence, 0 to 1; 0 trusts every voxel.

    Returns:
        uint8 class ids of the same shape.

    Raises InputError: shapes differ, or the pseudo-label has `IGNORE_INDEX`.
    """
    predicted = convert_to_tensor(pseudo, track_meta=False)
    truth = torch.zeros_like(predicted) if label is None else convert_to_tensor(label, track_meta=False)
    _check_shape(predicted, truth, "pseudo-label")
    if predicted.max() == IGNORE_INDEX:
        raise InputError(f"merge_pseudo_label: the pseudo-label holds {IGNORE_INDEX}; label the case again")
    missing = set(fill) - set(annotated)

    ignored = truth == IGNORE_INDEX
    merged = truth * _is_one_of(truth, annotated)
    background = (merged == 0) & ~ignored
    takes = background & _is_one_of(predicted, missing)
    if lesions_overwrite:
        organ = _is_one_of(merged, set(annotated) - set(lesions))
        takes |= organ & _is_one_of(predicted, missing & set(lesions))
    if threshold > 0 and missing:
        sure = convert_to_tensor(confidence, track_meta=False)
        _check_shape(sure, truth, "confidence")
        doubtful = sure < threshold * 255
        takes &= ~doubtful
        ignored |= background & doubtful
    return torch.where(takes, predicted, merged).masked_fill_(ignored, IGNORE_INDEX)


def _is_one_of(volume: torch.Tensor, ids: set[int] | Sequence[int]) -> torch.Tensor:
    """Where a volume has one of the ids; class by class, in one byte a voxel, where an indexed table takes eight."""
    found = torch.zeros_like(volume, dtype=torch.bool)
    for one in ids:
        found |= volume == one
    return found


def _check_shape(values: torch.Tensor, truth: torch.Tensor, name: str) -> None:
    if values.shape != truth.shape:
        shapes = f"the {name} has shape {tuple(values.shape)}, the label {tuple(truth.shape)}"
        raise InputError(f"merge_pseudo_label: {shapes}; both must lie on one grid")
