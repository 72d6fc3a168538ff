"""Whether a label map that is there already can be that of a DICOM series."""

from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError, SpatialImage

from ..errors import InputError
from ..io.dicom_series import series_of, sorted_slices, stack_affine

TOLERANCE_MM = 0.01  # NIfTI keeps the affine in float32


def has_another_grid(label: Path, scan: str) -> bool:
    """Whether a NIfTI file is there and lies on another grid (shape, affine) than a series.

    False where either cannot be read: such a series is left out, such a label map replaced.
    """
    try:
        slices = sorted_slices(series_of(scan))
        image = nib.load(label)
    except (InputError, OSError, EOFError, ImageFileError, HeaderDataError):
        return False
    assert isinstance(image, SpatialImage)
    rows, columns = slices[0].shape
    if image.shape != (columns, rows, len(slices)):
        return True
    return not np.allclose(image.affine, stack_affine(slices), atol=TOLERANCE_MM)
