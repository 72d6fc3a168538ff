"""Pseudo-labels into the gaps of a partial label: annotated classes are the annotator's, the others the network's."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import torch
from monai.config import KeysCollection
from monai.config.type_definitions import NdarrayOrTensor
from monai.data import MetaTensor
from monai.transforms import MapTransform, Transform
from monai.utils import TransformBackends, convert_to_dst_type, convert_to_tensor

from ..errors import InputError
from ..ignore_value import IGNORE_VALUE


class MergePseudoLabel(Transform):
    """Fill the unannotated classes of a label from a pseudo-label; the rules are `merge_pseudo_label`'s.

    Args:
        fill: ids of the classes that the network behind the pseudo-labels knows.
        lesions: ids of the classes that lie inside others.
        lesions_overwrite: whether a pseudo lesion replaces an annotated organ.
        threshold: confidence, 0 to 1, below which a voxel is doubtful; 0 for none.
        ignore_value: label of doubtful voxels.
    """

    backend = [TransformBackends.TORCH, TransformBackends.NUMPY]

    def __init__(
        self,
        fill: Sequence[int],
        lesions: Sequence[int] = (),
        lesions_overwrite: bool = True,
        threshold: float = 0.0,
        ignore_value: int = IGNORE_VALUE,
    ) -> None:
        self.fill = tuple(fill)
        self.lesions = tuple(lesions)
        self.lesions_overwrite = lesions_overwrite
        self.threshold = threshold
        self.ignore_value = ignore_value

    def __call__(  # type: ignore[override]
        self,
        label: NdarrayOrTensor | None,
        pseudo: NdarrayOrTensor,
        annotated: Sequence[int],
        confidence: NdarrayOrTensor | None = None,
    ) -> NdarrayOrTensor:
        """The merged label in uint8, with the container and metadata of the label, or of the pseudo-label if None."""
        merged = merge_pseudo_label(
            label,
            pseudo,
            annotated,
            self.fill,
            self.lesions,
            self.lesions_overwrite,
            confidence,
            self.threshold,
            self.ignore_value,
        )
        return convert_to_dst_type(merged, pseudo if label is None else label, dtype=torch.uint8)[0]


class MergePseudoLabeld(MapTransform):
    """Dictionary form of `MergePseudoLabel`; the filled classes join the annotated ones of the case.

    A case without the annotated key has every class annotated and stays as it is; one without a label is unlabelled.

    Args:
        keys: key of the label, absent in an unlabelled case.
        pseudo_key: key of the pseudo-label.
        confidence_key: key of its confidence; only read with a threshold.
        annotated_key: key of the ids annotated in the case, a list.
        fill: see `MergePseudoLabel`, as for all options up to `ignore_value`.
        lesions: ids of the classes that lie inside others.
        lesions_overwrite: whether a pseudo lesion replaces an annotated organ.
        threshold: confidence below which a voxel is doubtful.
        ignore_value: label of doubtful voxels.
        allow_missing_keys: pass a case without pseudo-label through unchanged.
    """

    backend = MergePseudoLabel.backend

    def __init__(
        self,
        keys: KeysCollection = "label",
        pseudo_key: str = "pseudo_label",
        confidence_key: str = "confidence",
        annotated_key: str = "annotated",
        fill: Sequence[int] = (),
        lesions: Sequence[int] = (),
        lesions_overwrite: bool = True,
        threshold: float = 0.0,
        ignore_value: int = IGNORE_VALUE,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.pseudo_key = pseudo_key
        self.confidence_key = confidence_key
        self.annotated_key = annotated_key
        self.transform = MergePseudoLabel(fill, lesions, lesions_overwrite, threshold, ignore_value)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """A copy of `data` with the merged label and the classes it now has; an error names the files as well."""
        output = dict(data)
        if self.pseudo_key not in output:
            if self.allow_missing_keys:
                return output
            raise InputError(f"{type(self).__name__}: key '{self.pseudo_key}' is missing; give the pseudo-label")
        for key in self.keys:
            output |= self.merged(key, data)
        return output

    def merged(self, key: Hashable, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """The entries of the case that merging changes."""
        label, pseudo = data.get(key), data[self.pseudo_key]
        known = data.get(self.annotated_key)
        if label is None:
            annotated = []
        elif known is None:
            return {}
        else:
            annotated = [int(one) for one in known]
        confidence = data.get(self.confidence_key) if self.transform.threshold > 0 else None
        try:
            merged = self.transform(label, pseudo, annotated, confidence)
        except InputError as error:
            sources = [f"'{one}'{_file_of(volume)}" for one, volume in ((key, label), (self.pseudo_key, pseudo))]
            raise InputError(f"{' and '.join(sources)}: {error}") from error
        return {key: merged, self.annotated_key: sorted({*annotated, *self.transform.fill})}


def merge_pseudo_label(
    label: NdarrayOrTensor | None,
    pseudo: NdarrayOrTensor,
    annotated: Sequence[int],
    fill: Sequence[int],
    lesions: Sequence[int] = (),
    lesions_overwrite: bool = True,
    confidence: NdarrayOrTensor | None = None,
    threshold: float = 0.0,
    ignore_value: int = IGNORE_VALUE,
) -> torch.Tensor:
    """A label whose annotated classes are the annotator's and whose other classes are the network's.

    With the missing classes, those in `fill` and not in `annotated`:

    - A voxel of an annotated class keeps it, except that a missing lesion takes an annotated organ's voxel where
      `lesions_overwrite`: lesions lie inside organs. An annotated lesion is never overwritten.
    - Elsewhere a voxel takes the pseudo-label's class if that is missing. If it is annotated, the voxel stays
      background: the annotator said that it is not this class.
    - A label's voxel of a class that is not annotated counts as background.
    - Where the confidence is below the threshold, nothing is taken, and background becomes `ignore_value`: which of the
      missing classes it has, if any, is unknown. A case without missing classes has no such voxels.
    - A voxel that is `ignore_value` in the label stays it.

    Args:
        label: class ids, of any shape; None for an unlabelled case.
        pseudo: the network's class ids, of the same shape.
        annotated: ids of the classes annotated in the label.
        fill: ids of the classes that the network knows.
        lesions: ids of the classes that lie inside others.
        lesions_overwrite: whether a missing lesion takes an annotated organ's voxel.
        confidence: of the pseudo-label, of its shape: 0 to 1, or 0 to 255 in uint8.
        threshold: least confidence, 0 to 1; 0 trusts every voxel.
        ignore_value: label of doubtful voxels, above every class id and at most 255.

    Returns:
        uint8 class ids of the same shape.

    Raises:
        InputError: shapes differ, ids are out of range, or a threshold lacks its confidence.
    """
    _check_options(annotated, fill, lesions, threshold, ignore_value)
    predicted = _class_ids(pseudo, "pseudo-label", ignore_value - 1)
    truth = torch.zeros_like(predicted) if label is None else _class_ids(label, "label", ignore_value)
    _check_shape(predicted, truth, "pseudo-label")
    missing = set(fill) - set(annotated)

    ignored = truth == ignore_value
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
    return torch.where(takes, predicted, merged).masked_fill_(ignored, ignore_value)


def _is_one_of(volume: torch.Tensor, ids: set[int] | Sequence[int]) -> torch.Tensor:
    """Where a volume has one of the ids; class by class, in one byte a voxel, where an indexed table takes eight."""
    found = torch.zeros_like(volume, dtype=torch.bool)
    for one in ids:
        found |= volume == one
    return found


def _is_doubtful(confidence: NdarrayOrTensor | None, threshold: float, truth: torch.Tensor) -> torch.Tensor:
    if confidence is None:
        raise InputError(f"merge_pseudo_label: threshold {threshold} needs a confidence; give it, or threshold 0")
    values = convert_to_tensor(confidence, track_meta=False, device=truth.device)
    _check_shape(values, truth, "confidence")
    if values.dtype == torch.uint8:
        return values < threshold * 255
    low, high = values.aminmax()
    if not values.is_floating_point() or low < 0 or high > 1:
        raise InputError(
            f"merge_pseudo_label: the confidence is {values.dtype} from {float(low):.6g} to {float(high):.6g}; "
            "give floating point from 0 to 1, or uint8 from 0 to 255"
        )
    return ~(values >= threshold)  # nan is doubtful


def _class_ids(volume: NdarrayOrTensor, name: str, highest: int) -> torch.Tensor:
    """A volume as uint8, after checking that it holds integers from 0 to `highest`."""
    values = convert_to_tensor(volume, track_meta=False)
    low, high = values.aminmax()
    if low < 0 or high > highest or not torch.equal(values, (ids := values.to(torch.uint8)).to(values.dtype)):
        raise InputError(
            f"merge_pseudo_label: the {name} holds values from {float(low):.6g} to {float(high):.6g}; "
            f"give integer class ids from 0 to {highest}"
        )
    return ids


def _check_shape(values: torch.Tensor, truth: torch.Tensor, name: str) -> None:
    if values.shape != truth.shape:
        raise InputError(
            f"merge_pseudo_label: the {name} has shape {tuple(values.shape)}, the label {tuple(truth.shape)}; "
            "both must lie on one grid"
        )


def _check_options(
    annotated: Sequence[int], fill: Sequence[int], lesions: Sequence[int], threshold: float, ignore_value: int
) -> None:
    if not 1 < ignore_value <= 255:
        raise InputError(f"merge_pseudo_label: ignore_value is {ignore_value}; give 2 to 255, above every class id")
    if not 0 <= threshold <= 1:
        raise InputError(f"merge_pseudo_label: threshold is {threshold}; give 0 to 1")
    for name, ids in (("annotated", annotated), ("fill", fill), ("lesions", lesions)):
        if any(not 0 < one < ignore_value for one in ids):
            raise InputError(f"merge_pseudo_label: {name} is {list(ids)}; give class ids from 1 to {ignore_value - 1}")


def _file_of(volume: Any) -> str:
    file = volume.meta.get("filename_or_obj") if isinstance(volume, MetaTensor) else None
    return f" (file {file})" if file else ""
