"""FLARE's scores: Dice and surface Dice of every class under the rules of the challenge."""

from collections.abc import Iterator, Sequence

import nibabel as nib
import numpy as np
import torch
from monai.config import NdarrayOrTensor
from monai.data import MetaTensor
from monai.utils import convert_to_numpy
from scipy import ndimage

from ..errors import InputError
from ..geometry.file_affine import file_spacing
from .class_metric import ClassMetric
from .surface_dice import normalised_surface_dice

# mm, of the class ids 1-14: liver, right kidney, spleen, pancreas, aorta, inferior vena cava, right and left adrenal,
# gallbladder, oesophagus, stomach, duodenum, left kidney, tumour
FLARE_TOLERANCES = (5.0, 3.0, 3.0, 5.0, 2.0, 2.0, 2.0, 2.0, 2.0, 3.0, 5.0, 7.0, 3.0, 2.0)
FLARE_TUBULAR = (5, 6, 10)  # aorta, vena cava, oesophagus: truths end where their annotators stopped
LEAST_DICE = 0.2  # below it the surface Dice is 0


def flare_scores(
    prediction: NdarrayOrTensor,
    truth: NdarrayOrTensor,
    spacing: Sequence[float],
    tolerances: Sequence[float] = FLARE_TOLERANCES,
    tubular: Sequence[int] = FLARE_TUBULAR,
    drop_last_slice: bool = False,
    axial_axis: int = 2,
) -> tuple[np.ndarray, np.ndarray]:
    """Dice (DSC) and normalised surface Dice (NSD) of every class of one case by the rules of FLARE22 and FLARE23.

    A class that neither has scores 1 and 1, one that only one of them has 0 and 0; where the DSC is below 0.2 the NSD
    is 0. Of a tubular class only the slices from the first to the last of its truth count, where it has any.

    Args:
        prediction, truth: class ids (X, Y, Z), 0 background, on one grid; InputError for others than 0 to K.
        spacing: voxel size in mm along each axis.
        tolerances: in mm, of the classes 1 to K; their number is the number of classes.
        tubular: ids of the tubular classes.
        drop_last_slice: leave the last slice of a tubular truth out, as the organisers' code does. A truth of one slice
            keeps it: there the organisers' code divides by zero.
        axial_axis: axis of the slices, see `axial_axis_of`.

    Returns:
        DSC and NSD, each (K,).
    """
    maps = _label_maps(prediction, truth, len(tolerances))
    dsc, nsd = np.zeros((2, len(tolerances)))
    for class_id, masks in _class_masks(*maps, len(tolerances), tubular, drop_last_slice, axial_axis):
        dsc[class_id - 1] = _dice(*masks)
        if dsc[class_id - 1] >= LEAST_DICE:
            nsd[class_id - 1] = normalised_surface_dice(*masks, spacing, tolerances[class_id - 1])
    return dsc, nsd


def flare_dice(
    prediction: NdarrayOrTensor,
    truth: NdarrayOrTensor,
    num_classes: int = len(FLARE_TOLERANCES),
    tubular: Sequence[int] = FLARE_TUBULAR,
    drop_last_slice: bool = False,
    axial_axis: int = 2,
) -> np.ndarray:
    """The DSC of `flare_scores` alone, (K,), for K = `num_classes` without the background."""
    maps = _label_maps(prediction, truth, num_classes)
    classes = _class_masks(*maps, num_classes, tubular, drop_last_slice, axial_axis)
    return np.array([_dice(*masks) for _, masks in classes])


def axial_axis_of(affine: NdarrayOrTensor) -> int:
    """The axis of a volume that is nearest to the patient's superior-inferior, from its affine (4, 4)."""
    orientation = nib.orientations.io_orientation(convert_to_numpy(affine))
    return int(np.flatnonzero(orientation[:, 0] == 2)[0])


def flare_rules(
    class_names: Sequence[str],
    tolerances: float | Sequence[float],
    tubular: Sequence[int] = (),
    drop_last_slice: bool = False,
) -> list[str]:
    """The rules in words, for the header of a table; arguments as those of `FlareMetric`."""
    by_limit: dict[float, list[str]] = {}
    for name, limit in zip(class_names, _limits(tolerances, len(class_names)), strict=True):
        by_limit.setdefault(limit, []).append(name)
    listed = [f"{limit:g} mm {', '.join(names)}" for limit, names in sorted(by_limit.items())]
    rules = [
        f"NSD tolerances: {'; '.join(listed) if len(listed) > 1 else f'{next(iter(by_limit)):g} mm'}",
        f"class in neither truth nor prediction: 1 and 1, in one alone: 0 and 0; NSD is 0 where DSC < {LEAST_DICE:g}",
    ]
    if tubular:
        names = ", ".join(class_names[class_id - 1] for class_id in tubular)
        last = "the last but one" if drop_last_slice else "the last"
        rules.append(f"{names}: scored from the first to {last} slice of the truth")
    return rules


class FlareMetric(ClassMetric):
    """A FLARE score of every case and class, kept as (cases, K); absent classes count, see `flare_scores`.

    Voxel size and the axis of the slices are those of the truth's affine; without one 1 mm and the last axis.

    Args:
        num_classes: classes with the background, K + 1.
        tubular: ids scored between the first and last slice of the truth.
        drop_last_slice: as in `flare_scores`.
        tolerances: of the surface Dice in mm, one for each class or one for all.
    """

    def __init__(
        self,
        num_classes: int,
        tubular: Sequence[int] = (),
        drop_last_slice: bool = False,
        tolerances: float | Sequence[float] = 1.0,
    ) -> None:
        super().__init__()
        self.tolerances = _limits(tolerances, num_classes - 1)
        self.tubular = tuple(tubular)
        self.drop_last_slice = drop_last_slice


class FlareDice(FlareMetric):
    """FLARE's DSC of every case and class; arguments and inputs as `FlareMetric`'s."""

    def _scores(self, prediction: torch.Tensor, truth: torch.Tensor) -> np.ndarray:
        rules = self.tubular, self.drop_last_slice, _axial_axis(truth)
        return flare_dice(prediction, truth, len(self.tolerances), *rules)


class FlareSurfaceDice(FlareMetric):
    """FLARE's NSD of every case and class; arguments and inputs as `FlareMetric`'s."""

    def _scores(self, prediction: torch.Tensor, truth: torch.Tensor) -> np.ndarray:
        rules = self.tolerances, self.tubular, self.drop_last_slice, _axial_axis(truth)
        return flare_scores(prediction, truth, file_spacing(truth), *rules)[1]


def _limits(tolerances: float | Sequence[float], classes: int) -> list[float]:
    """The tolerance of each class."""
    return [tolerances] * classes if isinstance(tolerances, int | float) else list(tolerances)


def _axial_axis(truth: torch.Tensor) -> int:
    return axial_axis_of(truth.affine) if isinstance(truth, MetaTensor) else 2


def _label_maps(prediction: NdarrayOrTensor, truth: NdarrayOrTensor, classes: int) -> tuple[np.ndarray, np.ndarray]:
    maps = {"prediction": convert_to_numpy(prediction), "truth": convert_to_numpy(truth)}
    for what, ids in maps.items():
        if ids.size and not (ids.min() >= 0 and ids.max() <= classes):
            found = f"{what} has values from {ids.min()} to {ids.max()}"
            raise InputError(f"FLARE score: {found}; give class ids from 0 to {classes}")
    smallest = np.min_scalar_type(classes)  # one byte a voxel: 50 MB for a CT
    return maps["prediction"].astype(smallest, copy=False), maps["truth"].astype(smallest, copy=False)


def _class_masks(
    prediction: np.ndarray,
    truth: np.ndarray,
    classes: int,
    tubular: Sequence[int],
    drop_last_slice: bool,
    axial_axis: int,
) -> Iterator[tuple[int, tuple[np.ndarray, np.ndarray]]]:
    """Class by class, the id and both masks in the box around them: never more than two masks at a time."""
    found = [ndimage.find_objects(ids, max_label=classes) for ids in (prediction, truth)]
    for class_id, boxes in enumerate(zip(*found, strict=True), start=1):
        box = _union([box for box in boxes if box is not None])
        true_box = boxes[1]
        if class_id in tubular and true_box is not None:
            slices = true_box[axial_axis]
            if drop_last_slice:
                slices = slice(slices.start, max(slices.stop - 1, slices.start + 1))
            box = (*box[:axial_axis], slices, *box[axial_axis + 1 :])
        yield class_id, (prediction[box] == class_id, truth[box] == class_id)


def _union(boxes: Sequence[tuple[slice, ...]]) -> tuple[slice, ...]:
    """The box around up to two boxes, empty without any."""
    if not boxes:
        return (slice(0, 0),) * 3
    return tuple(
        slice(min(one.start for one in axis), max(one.stop for one in axis)) for axis in zip(*boxes, strict=True)
    )


def _dice(prediction: np.ndarray, truth: np.ndarray) -> float:
    """Dice of two masks, 1 where both are empty."""
    size = np.count_nonzero(prediction) + np.count_nonzero(truth)
    return 2 * np.count_nonzero(prediction & truth) / size if size else 1.0
