"""Label map to surface distance field: the regression target of BATseg's distance head (Eq. 1-2).

Beyond `truncation * dmax` the field is zero, so distances are only computed near each class: inside on the class's
bounding box, outside on that box grown by this reach. The result equals the whole-volume definition exactly, since
the nearest voxel of every distance that counts lies in these boxes.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import torch
from monai.config import KeysCollection
from monai.config.type_definitions import NdarrayOrTensor
from monai.data import MetaTensor
from monai.transforms import MapTransform, Transform
from monai.utils import TransformBackends, convert_to_dst_type, ensure_tuple
from scipy import ndimage

from ..errors import InputError

Box = tuple[slice, ...]


class SurfaceDistanceField(Transform):
    """Distance to the surface of each class, positive inside, as BATseg's Eq. 1-2 define it.

    With d the signed Euclidean distance of a voxel to the class (inside: to the nearest voxel not of the class;
    outside: minus the distance to the nearest voxel of the class) and dmax its maximum over the class, a voxel's value
    is ``(d / dmax + 1) / 2`` where ``d >= -truncation * dmax``, else exactly 0. A class that is absent gives zeros; one
    that fills the whole volume has no surface and gives 1 everywhere, also un-normalised.

    Args:
        num_classes: number of classes, background included.
        unit: "mm" measures with the spacing of a `MetaTensor` (1 for plain arrays), "voxel" with 1 on every axis.
        truncation: reach outside the class in multiples of dmax (the paper's c); None: the formula everywhere, which
            needs the whole-volume transform outside the class.
        normalize: False gives d itself, in the unit, under the same truncation.
        class_agnostic: one channel for the union of all foreground classes.
        clip: raise negative normalised values of a truncated field to 0. Such values exist beyond dmax only, so with
            the clip every truncation >= 1 gives the same field; without it 2 and 3 reach down to -0.5 and -1.
    """

    backend = [TransformBackends.TORCH, TransformBackends.NUMPY]

    def __init__(
        self,
        num_classes: int,
        unit: Literal["mm", "voxel"] = "mm",
        truncation: float | None = 1.0,
        normalize: bool = True,
        class_agnostic: bool = False,
        clip: bool = True,
    ) -> None:
        name = type(self).__name__
        if num_classes < 2:
            raise InputError(f"{name}: num_classes is {num_classes}; give 2 or more, background included")
        if unit not in ("mm", "voxel"):
            raise InputError(f"{name}: unit is {unit!r}; give 'mm' or 'voxel'")
        if truncation is not None and not 0 < truncation < np.inf:
            raise InputError(f"{name}: truncation is {truncation}; give a positive number, or None for no truncation")
        self.num_classes = num_classes
        self.unit = unit
        self.truncation = truncation
        self.normalize = normalize
        self.class_agnostic = class_agnostic
        self.clip = clip

    def __call__(self, label: NdarrayOrTensor, spacing: Sequence[float] | None = None) -> NdarrayOrTensor:
        """Field (num_classes, *spatial) in float32, channel 0 zero; class-agnostic (1, *spatial).

        Args:
            label: class ids (1, *spatial) in 2D or 3D, integer-valued in any dtype.
            spacing: mm per axis, in place of the metadata's; without effect where the unit is "voxel".

        Raises:
            InputError: the label's shape, values or spacing cannot be used.
        """
        if label.ndim not in (3, 4) or label.shape[0] != 1:
            raise InputError(
                f"{type(self).__name__}: label has shape {tuple(label.shape)}; "
                "give one channel of class ids, (1, H, W) or (1, H, W, D)"
            )
        field = surface_distance_field(
            _to_numpy(label)[0],
            self.num_classes,
            self._spacing(label, spacing),
            self.truncation,
            self.normalize,
            self.class_agnostic,
            self.clip,
        )
        return convert_to_dst_type(field, label, dtype=torch.float32 if torch.is_tensor(label) else np.float32)[0]

    def _spacing(self, label: NdarrayOrTensor, spacing: Sequence[float] | None) -> tuple[float, ...]:
        dimensions = label.ndim - 1
        if self.unit == "voxel":
            return (1.0,) * dimensions
        if spacing is None:
            known = label.pixdim[:dimensions] if isinstance(label, MetaTensor) else (1.0,) * dimensions
        else:
            known = spacing
        values = tuple(float(value) for value in known)
        if len(values) != dimensions or not all(0 < value < np.inf for value in values):
            raise InputError(
                f"{type(self).__name__}: spacing is {values} for a label of shape {tuple(label.shape)}; "
                f"give {dimensions} positive numbers in mm, correct the scan's affine, or use unit='voxel'"
            )
        return values


class SurfaceDistanceFieldd(MapTransform):
    """Dictionary form of `SurfaceDistanceField`: the field of the label under `keys` is written to `output_key`.

    Apply it after every spatial transform: a distance field does not survive interpolation.

    Args:
        keys: key of the label; with several, `output_key` holds as many.
        num_classes: number of classes, background included.
        unit: see `SurfaceDistanceField`, as for all options up to `clip`.
        truncation: reach outside the class in multiples of dmax, None for no truncation.
        normalize: False gives the signed distance itself.
        class_agnostic: one channel for all foreground classes.
        clip: raise negative normalised values of a truncated field to 0.
        spacing: mm per axis in place of the metadata's, e.g. where a random zoom has changed the affine.
        output_key: key of the field.
        allow_missing_keys: pass dictionaries without the label through unchanged.
    """

    backend = SurfaceDistanceField.backend

    def __init__(
        self,
        keys: KeysCollection = "label",
        num_classes: int | None = None,
        unit: Literal["mm", "voxel"] = "mm",
        truncation: float | None = 1.0,
        normalize: bool = True,
        class_agnostic: bool = False,
        clip: bool = True,
        spacing: Sequence[float] | None = None,
        output_key: KeysCollection = "surface_distance",
        allow_missing_keys: bool = False,
    ) -> None:
        if num_classes is None:
            raise InputError(f"{type(self).__name__}: num_classes is missing; give it, background included")
        super().__init__(keys, allow_missing_keys)
        self.output_keys = ensure_tuple(output_key)
        if len(self.output_keys) != len(self.keys):
            raise InputError(
                f"{type(self).__name__}: {len(self.keys)} keys {self.keys} but {len(self.output_keys)} output keys "
                f"{self.output_keys}; give one output key per key"
            )
        self.spacing = spacing
        self.transform = SurfaceDistanceField(num_classes, unit, truncation, normalize, class_agnostic, clip)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """A copy of `data` with the field added; an error names key and file as well."""
        output = dict(data)
        for key, output_key in self.key_iterator(output, self.output_keys):
            label = output[key]
            try:
                output[output_key] = self.transform(label, self.spacing)
            except InputError as error:
                file = label.meta.get("filename_or_obj") if isinstance(label, MetaTensor) else None
                source = f"key '{key}', file {file}" if file else f"key '{key}'"
                raise InputError(f"{source}: {error}") from error
        return output


def surface_distance_field(
    labels: np.ndarray,
    num_classes: int,
    spacing: Sequence[float],
    truncation: float | None = 1.0,
    normalize: bool = True,
    class_agnostic: bool = False,
    clip: bool = True,
) -> np.ndarray:
    """Field (num_classes, *spatial), or (1, *spatial) class-agnostic, in float32 of the class ids `labels` (*spatial).

    Raises:
        InputError: a value of `labels` is not one of the class ids 0 to num_classes - 1.
    """
    field = np.zeros((1 if class_agnostic else num_classes, *labels.shape), np.float32)
    foreground = labels != 0
    box = bounding_box(foreground)
    if box is None:
        return field
    # Zero is a valid id, so whatever is invalid lies in the foreground's box: one pass over the volume is enough.
    ids = _valid_ids(labels[box], num_classes, labels.shape)
    if class_agnostic:
        _write_class(field[0], foreground, True, box, spacing, truncation, normalize, clip)
        return field
    for class_id, inner in enumerate(ndimage.find_objects(ids, num_classes - 1), start=1):
        if inner is not None:
            class_box = _nested(box, inner)
            _write_class(field[class_id], labels, class_id, class_box, spacing, truncation, normalize, clip)
    return field


def bounding_box(mask: np.ndarray) -> Box | None:
    """Smallest box that holds all true voxels, None where there is none."""
    box: list[slice] = []
    for axis in range(mask.ndim):
        occupied = np.flatnonzero(_occupied(mask[tuple(box)], axis))
        if not occupied.size:
            return None
        box.append(slice(int(occupied[0]), int(occupied[-1]) + 1))
    return tuple(box)


def separate_boxes(mask: np.ndarray, gaps: Sequence[int]) -> list[Box]:
    """Boxes that together hold all true voxels, any two at least `gaps[axis]` empty planes apart along some axis.

    The two kidneys, or several lesions, take far less volume apart than together.
    """
    for axis, gap in enumerate(gaps):
        runs = _runs(_occupied(mask, axis), gap)
        if runs != [slice(0, mask.shape[axis])]:
            parts = [tuple(run if i == axis else slice(0, size) for i, size in enumerate(mask.shape)) for run in runs]
            return [_nested(part, box) for part in parts for box in separate_boxes(mask[part], gaps)]
    return [tuple(slice(0, size) for size in mask.shape)]


def _write_class(
    field: np.ndarray,
    labels: np.ndarray,
    class_id: int,
    box: Box,
    spacing: Sequence[float],
    truncation: float | None,
    normalize: bool,
    clip: bool,
) -> None:
    """Write the field of the class that occupies `box` of `labels` into the zeros `field`."""
    shape = labels.shape
    mask = labels[box] == class_id
    if mask.shape == shape and mask.all():
        field[...] = 1
        return
    # One empty voxel around a part holds the nearest voxel not of the class of every voxel in it.
    parts = [_nested(box, part) for part in separate_boxes(mask, [1] * mask.ndim)]
    inside = [_inside_distance(labels, class_id, part, spacing) for part in parts]
    dmax = max(float(distance.max()) for distance in inside)

    limit = np.inf if truncation is None else truncation * dmax
    if clip and normalize and truncation is not None:
        limit = min(limit, dmax)  # beyond dmax all values are negative and clipped to the 0 that is already there
    for region in _reached(mask, box, shape, limit, spacing):
        distance = ndimage.distance_transform_edt(labels[region] != class_id, sampling=spacing)
        near = distance <= limit
        np.copyto(field[region], _scaled(np.negative(distance, out=distance), dmax, normalize), "same_kind", near)
    for part, distance in zip(parts, inside, strict=True):
        np.copyto(field[part], _scaled(distance, dmax, normalize), "same_kind", labels[part] == class_id)


def _inside_distance(labels: np.ndarray, class_id: int, part: Box, spacing: Sequence[float]) -> np.ndarray:
    grown = _grown(part, [1] * labels.ndim, labels.shape)
    distance = ndimage.distance_transform_edt(labels[grown] == class_id, sampling=spacing)
    return distance[tuple(slice(p.start - g.start, p.stop - g.start) for p, g in zip(part, grown, strict=True))]


def _reached(mask: np.ndarray, box: Box, shape: tuple[int, ...], limit: float, spacing: Sequence[float]) -> list[Box]:
    """Disjoint boxes of the volume that hold every voxel within `limit` of the `mask`, which occupies `box`."""
    if not np.isfinite(limit):
        return [tuple(slice(0, size) for size in shape)]
    reach = [int(limit / step + 1e-6) for step in spacing]  # a quotient may be rounded to just below an integer
    return [_grown(_nested(box, part), reach, shape) for part in separate_boxes(mask, [2 * r for r in reach])]


def _scaled(distance: np.ndarray, dmax: float, normalize: bool) -> np.ndarray:
    """Eq. 1 in place: signed distance to (d / dmax + 1) / 2."""
    if normalize:
        distance /= dmax
        distance += 1
        distance /= 2
    return distance


def _valid_ids(labels: np.ndarray, num_classes: int, shape: tuple[int, ...]) -> np.ndarray:
    """The class ids as integers; `shape` is the whole volume's, for the message."""
    with np.errstate(invalid="ignore"):
        ids = labels.astype(np.int32)
    if (ids == labels).all() and ids.min() >= 0 and ids.max() < num_classes:
        return ids
    value = labels[(ids != labels) | (ids < 0) | (ids >= num_classes)].flat[0]
    raise InputError(
        f"{SurfaceDistanceField.__name__}: label of shape {(1, *shape)} holds class {value:.9g}, which is not one of "
        f"the ids 0 to {num_classes - 1}; correct or remap the label, or raise num_classes={num_classes}"
    )


def _occupied(mask: np.ndarray, axis: int) -> np.ndarray:
    return np.logical_or.reduce(mask, axis=tuple(i for i in range(mask.ndim) if i != axis))


def _runs(occupied: np.ndarray, gap: int) -> list[slice]:
    """Runs of true entries; those with fewer than `gap` false entries between them count as one."""
    runs: list[slice] = []
    for (run,) in ndimage.find_objects(ndimage.label(occupied)[0]):
        if runs and run.start - runs[-1].stop < gap:
            runs[-1] = slice(runs[-1].start, run.stop)
        else:
            runs.append(run)
    return runs


def _grown(box: Box, margin: Sequence[int], shape: tuple[int, ...]) -> Box:
    return tuple(
        slice(max(side.start - more, 0), min(side.stop + more, size))
        for side, more, size in zip(box, margin, shape, strict=True)
    )


def _nested(outer: Box, inner: Box) -> Box:
    """The box `inner`, given in coordinates of `outer`, in coordinates of the volume."""
    return tuple(slice(o.start + i.start, o.start + i.stop) for o, i in zip(outer, inner, strict=True))


def _to_numpy(label: NdarrayOrTensor) -> np.ndarray:
    if not isinstance(label, torch.Tensor):
        return label
    plain = label.as_tensor() if isinstance(label, MetaTensor) else label
    plain = plain.detach().cpu()
    return (plain.float() if plain.dtype == torch.bfloat16 else plain).numpy()
