"""What a label map holds: volume and connected components of each class, one map in memory at a time."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy import ndimage

from ..datalist.folder_layouts import scan_name
from ..errors import InputError
from ..geometry.voxel_volume import voxel_ml
from ..io.volume import read_volume
from ..number_text import exact
from ..progress import map_with_progress
from .data_check import count_values

SMALLEST_COMPONENT_ML = 0.1


@dataclass(frozen=True)
class LabelStatistics:
    """One label map: the volume (ml) and the number of components of each class.

    `problem` is empty, or one line that says why the file could not be read; the rest is then empty too.
    """

    name: str
    volumes_ml: Mapping[int, float] = field(default_factory=dict)
    components: Mapping[int, int] = field(default_factory=dict)
    problem: str = ""


class LabelMap(NamedTuple):
    """Class ids as uint8 (X, Y, Z), as they lie in the file, with the file's affine."""

    voxels: np.ndarray
    affine: np.ndarray


def label_statistics(file: str | Path, class_ids: Collection[int], name: str = "") -> LabelStatistics:
    """Read a label map and describe its classes; other values than `class_ids` are passed over.

    Components smaller than `SMALLEST_COMPONENT_ML` are not counted. `name` is by default the file's, without ending.
    Raises InputError: the file is unreadable, not 3D, or holds something else than whole numbers from 0 to 255.
    """
    label = read_label_map(file)
    counts = count_values(label.voxels)
    one_ml = voxel_ml(label.affine)
    components = dict.fromkeys(class_ids, 0)
    boxes = ndimage.find_objects(label.voxels, max_label=max(class_ids, default=0))
    for class_id in class_ids:
        if (box := boxes[class_id - 1]) is not None:
            components[class_id] = count_components(label.voxels[box] == class_id, one_ml)
    volumes_ml = {class_id: counts.get(class_id, 0) * one_ml for class_id in class_ids}
    return LabelStatistics(name or scan_name(file), volumes_ml, components)


def many(
    files: Sequence[str | Path],
    class_ids: Collection[int],
    num_workers: int | None = None,
    names: Sequence[str] | None = None,
    description: str = "measuring labels",
) -> Iterator[LabelStatistics]:
    """`label_statistics` of every file, in order, in threads under a progress bar; an unreadable one has a `problem`.

    Each thread holds one label map.
    """

    def measure(named: tuple[str | Path, str]) -> LabelStatistics:
        file, name = named
        try:
            return label_statistics(file, class_ids, name)
        except InputError as error:
            return LabelStatistics(name, problem=str(error))

    named = list(zip(files, names or map(scan_name, files), strict=True))
    return map_with_progress(measure, named, description, num_workers=num_workers)


def count_components(mask: np.ndarray, one_ml: float) -> int:
    """The number of 26-connected components (a thin oblique vessel on thick slices touches by its corners only)."""
    labelled, _ = ndimage.label(mask, structure=np.ones((3,) * mask.ndim, dtype=bool))
    sizes = np.bincount(labelled.ravel())[1:] * one_ml
    # a component of just that volume counts, whichever way its sum is rounded
    return int((sizes >= SMALLEST_COMPONENT_ML * (1 - 1e-6)).sum())


def read_label_map(file: str | Path) -> LabelMap:
    """Read class ids from a NIfTI file.

    Raises InputError: the file is unreadable, not 3D, or holds something else than whole numbers from 0 to 255.
    """
    volume = read_volume(str(file))
    if volume.voxels.dtype == np.uint8 and (volume.slope, volume.intercept) == (1, 0):
        return LabelMap(volume.voxels, volume.affine)
    values = np.array(list(count_values(volume.voxels))) * volume.slope + volume.intercept
    odd = [value for value in values.tolist() if not (0 <= value <= 255 and float(np.float32(value)).is_integer())]
    if odd:
        shown = ", ".join(map(exact, odd[:3]))
        raise InputError(f"{file}: not class ids: {shown}; save the label as whole numbers from 0 to 255")
    voxels: np.ndarray = np.empty(volume.voxels.shape, dtype=np.uint8, order="F")
    for index in range(voxels.shape[-1]):  # slice by slice: scaled values need eight bytes a voxel
        voxels[..., index] = np.rint(volume.voxels[..., index] * volume.slope + volume.intercept)
    return LabelMap(voxels, volume.affine)
