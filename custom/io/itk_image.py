"""MetaImage and NRRD files, through SimpleITK.

Not MONAI's ITKReader and ITKWriter: `itk` takes twice the disk space of SimpleITK, and its classes, made when first
used, are not for the threads in which scans are checked.
"""

import re
from pathlib import Path
from typing import Any

import numpy as np
from monai.data.utils import orientation_ras_lps

from ..errors import InputError
from .image_formats import ending_of
from .itk_header import ItkHeader
from .optional_package import needed_package

IMAGE_IO = {".mha": "MetaImageIO", ".mhd": "MetaImageIO", ".nrrd": "NrrdImageIO", ".nhdr": "NrrdImageIO"}
NO_REASON = re.compile(r"Reason: (Success|Resource temporarily unavailable)")  # of damaged MetaImage files
RENAME = "rename the file or the folder, for example with convmv"


def read_itk_image(file: str | Path) -> tuple[np.ndarray, np.ndarray]:
    """Voxels (x, y, z) as stored, with a last axis for more than one channel, and affine (4 x 4, RAS, mm).

    The affine is the identity where there are not three axes.

    Raises:
        InputError: SimpleITK is missing, or ITK would read something else than the file says, see `ItkHeader`.
        OSError: the file cannot be read, with ITK's reason in one line.
    """
    sitk = simple_itk(file)
    header = ItkHeader(file)
    header.refuse_unclear()
    image = read_with(sitk, str(file), imageIO=IMAGE_IO[ending_of(file).lower()])  # ITK knows .mha, not .MHA
    if image.GetSize()[3:] == (1,):  # one time point
        image = image[:, :, :, 0]
    voxels = sitk.GetArrayFromImage(image)  # (z, y, x, channels)
    header.refuse_lost_voxels(voxels)
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

    Raises InputError: SimpleITK is missing, or ITK cannot open a file of that name.
    """
    sitk = simple_itk(file)
    _refuse_name(file)
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


def itk_can_open(file: str | Path) -> bool:
    """Whether a path is UTF-8: any other ends the whole process in ITK. Some network drives have such names."""
    return not any("\ud800" <= letter <= "\udfff" for letter in str(file))


def read_with(sitk: Any, file: str, **options: Any) -> Any:
    """`sitk.ReadImage`, whose errors, of several lines, name the place in ITK's source before the reason.

    Raises:
        InputError: ITK cannot open a file of that name.
        OSError: the file cannot be read.
    """
    _refuse_name(file)
    try:
        return sitk.ReadImage(file, **options)
    except RuntimeError as error:
        reason = re.sub(r"\(0x[0-9a-f]+\)", "", str(error).split("ERROR:")[-1])  # without an object's address
        reason = NO_REASON.sub("", reason.split("[nrrd]")[-1])  # NRRD's chain of calls ends in the reason
        raise OSError(" ".join(reason.split())) from error


def _refuse_name(file: str | Path) -> None:
    if not itk_can_open(file):
        raise InputError(f"{file}: its path is not UTF-8, which ITK cannot open: {RENAME}")
