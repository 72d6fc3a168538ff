"""Label map to surface distance field: the regression target of BATseg's distance head (Eq. 1-2).

Beyond `truncation * dmax` the field is zero, so distances are only computed near each class: inside on the class's
bounding box, outside on that box grown by this reach. The result equals the whole-volume definition exactly, since
the nearest voxel of every distance that counts lies in these boxes.
"""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import torch
from monai.config import KeysCollection
from monai.config.type_definitions import NdarrayOrTensor
from monai.data import MetaTensor
from monai.transforms import MapTransform, Transform
from monai.transforms.utils import generate_spatial_bounding_box
from monai.utils import TransformBackends, convert_to_dst_type, convert_to_numpy
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

        Raises InputError: the label's shape, values or spacing cannot be used.
        """
        if label.ndim not in (3, 4) or label.shape[0] != 1:
            raise InputError(
                f"{type(self).__name__}: label has shape {tuple(label.shape)}; "
                "give one channel of class ids, (1, H, W) or (1, H, W, D)"
            )
        ids, size = convert_to_numpy(label)[0], self._spacing(label, spacing)
        options = (self.truncation, self.normalize, self.class_agnostic, self.clip)
        field = surface_distance_field(ids, self.num_classes, size, *options)
        return convert_to_dst_type(field, label, dtype=torch.float32 if torch.is_tensor(label) else np.float32)[0]

    def _spacing(self, label: NdarrayOrTensor, spacing: Sequence[float] | None) -> tuple[float, ...]:
        dimensions = label.ndim - 1
        if self.unit == "voxel":
            return (1.0,) * dimensions
        if spacing is None:
            spacing = label.pixdim[:dimensions] if isinstance(label, MetaTensor) else (1.0,) * dimensions
        values = tuple(float(value) for value in spacing)
        if len(values) != dimensions or not all(0 < value < np.inf for value in values):
            raise InputError(
                f"{type(self).__name__}: spacing is {values} for a label of shape {tuple(label.shape)}; "
                f"give {dimensions} positive numbers in mm, correct the scan's affine, or use unit='voxel'"
            )
        return values


class SurfaceDistanceFieldd(MapTransform):
    """Dictionary form of `SurfaceDistanceField`: the field of the label under `keys` is written to "surface_distance".

    Apply it after every spatial transform: a distance field does not survive interpolation. The options are those of
    `SurfaceDistanceField`.
    """

    backend = SurfaceDistanceField.backend

    def __init__(self, keys: KeysCollection = "label", num_classes: int = 0, **options: Any) -> None:
        super().__init__(keys)
        self.transform = SurfaceDistanceField(num_classes, **options)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """A copy of `data` with the field added; an error names key and file as well."""
        output = dict(data)
        for key in self.key_iterator(output):
            label = output[key]
            try:
                output["surface_distance"] = self.transform(label)
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

    Raises InputError: a value of `labels` is not one of the class ids 0 to num_classes - 1.
    """
    field = np.zeros((1 if class_agnostic else num_classes, *labels.shape), np.float32)
    foreground = labels != 0
    if not foreground.any():
        return field
    box = tuple(map(slice, *generate_spatial_bounding_box(foreground[None])))
    # Zero is a valid id, so whatever is invalid lies in the foreground's box: one pass over the volume is enough.
    ids = _valid_ids(labels[box], num_classes, labels.shape)
    reach = np.inf if truncation is None else truncation
    if clip and normalize and truncation is not None:
        reach = min(reach, 1.0)  # beyond dmax all values are negative and clipped to the 0 that is already there
    if class_agnostic:
        _write_class(field[0], foreground, box, spacing, reach, normalize)
        return field
    for class_id, inner in enumerate(ndimage.find_objects(ids, num_classes - 1), start=1):
        if inner is not None:
            _write_class(field[class_id], labels == class_id, _nested(box, inner), spacing, reach, normalize)
    return field


def separate_boxes(mask: np.ndarray, gaps: Sequence[int] = (1, 1, 1)) -> list[Box]:
    """Boxes that together hold all true voxels, any two at least `gaps[axis]` empty planes apart along some axis.

    The two kidneys, or several lesions, take far less volume apart than together.
    """
    whole = tuple(slice(0, size) for size in mask.shape)
    for axis, gap in zip(range(mask.ndim), gaps, strict=False):
        occupied = mask.any(axis=tuple(i for i in range(mask.ndim) if i != axis))
        runs: list[slice] = []
        for (run,) in ndimage.find_objects(ndimage.label(occupied)[0]):
            near = runs and run.start - runs[-1].stop < gap
            runs.append(slice(runs.pop().start, run.stop) if near else run)
        if runs != [whole[axis]]:
            parts = [(*whole[:axis], run, *whole[axis + 1 :]) for run in runs]
            return [_nested(part, box) for part in parts for box in separate_boxes(mask[part], gaps)]
    return [whole]


def _write_class(
    field: np.ndarray, mask: np.ndarray, box: Box, spacing: Sequence[float], reach: float, normalize: bool
) -> None:
    """Write the field of a class, whose voxels `mask` (*spatial) lie in `box`, into the zeros `field`.

    `reach` is how far outside the class, in dmax, the field is not zero.
    """
    if mask.all():
        field[...] = 1
        return
    # One empty voxel around a part holds the nearest voxel not of the class of every voxel in it.
    parts = [_grown(_nested(box, part), [1] * mask.ndim, mask.shape) for part in separate_boxes(mask[box])]
    inside = [ndimage.distance_transform_edt(mask[part], sampling=spacing) for part in parts]
    dmax = max(float(distance.max()) for distance in inside)
    limit = reach * dmax
    reached = [tuple(slice(0, size) for size in mask.shape)]
    if np.isfinite(limit):
        margin = [int(limit / step + 1e-6) for step in spacing]  # a quotient may be rounded to just below an integer
        apart = separate_boxes(mask[box], [2 * voxels for voxels in margin])
        reached = [_grown(_nested(box, part), margin, mask.shape) for part in apart]
    for region in reached:
        distance = ndimage.distance_transform_edt(~mask[region], sampling=spacing)
        near = distance <= limit
        np.copyto(field[region], _scaled(np.negative(distance, out=distance), dmax, normalize), "same_kind", near)
    for part, distance in zip(parts, inside, strict=True):
        np.copyto(field[part], _scaled(distance, dmax, normalize), "same_kind", mask[part])


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


def _grown(box: Box, margin: Sequence[int], shape: tuple[int, ...]) -> Box:
    return tuple(
        slice(max(side.start - more, 0), min(side.stop + more, size))
        for side, more, size in zip(box, margin, shape, strict=True)
    )


def _nested(outer: Box, inner: Box) -> Box:
    """The box `inner`, given in coordinates of `outer`, in coordinates of the volume."""
    return tuple(slice(o.start + i.start, o.start + i.stop) for o, i in zip(outer, inner, strict=True))
