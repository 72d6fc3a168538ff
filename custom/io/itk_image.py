"""MetaImage and NRRD files, through SimpleITK.

Not MONAI's ITKReader and ITKWriter: `itk` takes twice the disk space of SimpleITK, and its classes, made when first
used, are not for the threads in which scans are checked.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
from monai.data.utils import orientation_ras_lps

from .image_formats import ending_of
from .optional_package import needed_package

IMAGE_IO = {".mha": "MetaImageIO", ".mhd": "MetaImageIO", ".nrrd": "NrrdImageIO", ".nhdr": "NrrdImageIO"}


def read_itk_image(file: str | Path) -> tuple[np.ndarray, np.ndarray]:
    """Voxels (x, y, z) as stored, with a last axis for more than one channel, and affine (4 x 4, RAS, mm).

    The affine is the identity where there are not three axes.

    Raises:
        InputError: SimpleITK is missing.
        OSError: the file cannot be read, with ITK's reason in one line.
    """
    sitk = simple_itk(file)
    image = read_with(sitk, str(file), imageIO=IMAGE_IO[ending_of(file).lower()])  # ITK knows .mha, not .MHA
    voxels = sitk.GetArrayFromImage(image)  # (z, y, x, channels)
    if image.GetNumberOfComponentsPerPixel() > 1:
        return np.moveaxis(voxels.T, 0, -1), np.eye(4)
    if image.GetDimension() != 3:
        return voxels.T, np.eye(4)
    affine = np.eye(4)
    affine[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    affine[:3, 3] = image.GetOrigin()
    return voxels.T, orientation_ras_lps(affine)


def write_itk_image(file: str | Path, voxels: np.ndarray, affine: np.ndarray) -> None:
    """Write voxels (x, y, z) with an affine (4 x 4, RAS, mm), compressed.

    Raises:
        InputError: SimpleITK is missing.
    """
    sitk = simple_itk(file)
    image = sitk.GetImageFromArray(np.ascontiguousarray(voxels.T))
    lps = orientation_ras_lps(np.asarray(affine, dtype=float))
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    image.SetSpacing(spacing.tolist())
    image.SetDirection((lps[:3, :3] / spacing).ravel().tolist())
    image.SetOrigin(lps[:3, 3].tolist())
    sitk.WriteImage(image, str(file), useCompression=True)


def simple_itk(file: str | Path) -> Any:
    """The module SimpleITK, needed for `file`."""
    return needed_package("SimpleITK", "SimpleITK", f"{file}: this format")


def read_with(sitk: Any, file: str, **options: Any) -> Any:
    """`sitk.ReadImage`, whose errors, of several lines, name the place in ITK's source before the reason.

    Raises:
        OSError: the file cannot be read.
    """
    try:
        return sitk.ReadImage(file, **options)
    except RuntimeError as error:
        reason = re.sub(r"\(0x[0-9a-f]+\)", "", str(error).split("ERROR:")[-1])  # without an object's address
        raise OSError(" ".join(reason.split())) from error
