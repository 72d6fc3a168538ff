"""Whether what is there already, where a label map is to be, can be one that was written here before."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
from nibabel.spatialimages import SpatialImage

from ..errors import InputError
from ..geometry.grid_distance import GRID_TOLERANCE_MM, grid_distance
from ..io.dicom_series import series_of, sorted_slices, stack_affine
from ..io.image_formats import is_nifti
from ..io.nifti_header import UNREADABLE

LABELS = "labels"


def has_another_grid(label: Path, scan: str) -> bool:
    """Whether a NIfTI file is there and lies on another grid (shape, affine) than a series.

    False where either cannot be read: such a series is left out, such a label map replaced.
    """
    try:
        slices = sorted_slices(series_of(scan))
        image = nib.load(label)
    except (InputError, *UNREADABLE):
        return False
    assert isinstance(image, SpatialImage)
    rows, columns = slices[0].shape
    shape = (columns, rows, len(slices))
    return image.shape != shape or grid_distance(image.affine, stack_affine(slices), shape) > GRID_TOLERANCE_MM


def refuse_other_files(targets: Sequence[Path]) -> None:
    """Refuse to replace a data set's labels, which may be made by hand, or NIfTI files that are no label maps of ours.

    Ours are unsigned integers; other programs' may be, too, so a folder labelsX next to imagesX is refused by its name.
    Raises InputError: names the file.
    """
    for target in targets:
        if not target.is_file():
            continue
        folder = target.resolve().parent
        beginning, rest = folder.name[: len(LABELS)], folder.name[len(LABELS) :]
        if beginning.lower() == LABELS and (folder.parent / f"images{rest}").is_dir():
            raise InputError(
                f"{target} is the label of a case in images{rest}, perhaps made by hand: pass another --output_dir, or "
                "remove it"
            )
        try:
            image: Any = nib.load(target) if is_nifti(target) else None
        except UNREADABLE:
            continue
        if image is not None and (kind := image.get_data_dtype()).kind != "u":
            raise InputError(
                f"{target} is there and is no label map that was written here ({kind} voxels): pass another "
                "--output_dir, or remove it"
            )
