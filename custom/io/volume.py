"""One scan's voxels as stored, read to its last byte and refused where they cannot be a scan."""

import gzip
from pathlib import Path
from typing import Any, NamedTuple

import nibabel as nib
import numpy as np

from ..errors import InputError
from .file_content import refuse_other_content
from .image_formats import ending_of, is_itk, is_nifti
from .itk_header import ItkHeader
from .nifti_header import affine_in_mm, corrected, refuse_impossible
from .scan_check import is_grid, naming, refuse_unusable
from .scan_reader import read_scan


class Volume(NamedTuple):
    """A scan as it was read: `voxels` (x, y, z) are to be multiplied by `slope` and added to `intercept`."""

    file: str
    affine: np.ndarray
    voxels: np.ndarray
    slope: float
    intercept: float


def read_volume(file: str) -> Volume:
    """One 3D scan of any format, read to its last byte (gzip's checksum included).

    Voxels of NIfTI are as stored, those of the other formats in the scan's units. Raises InputError: missing, damaged,
    not three axes, not plain numbers, or without a usable affine; a DICOM series that is no even stack.
    """
    path = Path(file)
    if not path.exists():
        raise InputError(f"{file}: does not exist; restore it or take it out of the data list")
    with naming(file):
        if ending_of(path):
            refuse_other_content(path)
        volume = _read_nifti(path) if is_nifti(path) else Volume(file, *read_scan(file)[::-1], 1.0, 0.0)
    refuse_unusable(file, volume.voxels.shape, volume.voxels.dtype, volume.affine)
    if is_itk(path):
        ItkHeader(path).warn_of_no_orientation()
    return volume


def _read_nifti(path: Path) -> Volume:
    packed = path.name.lower().endswith(".gz")
    stream: Any
    with gzip.open(path) if packed else path.open("rb") as stream:
        start = stream.read(nib.Nifti2Header.sizeof_hdr)
        stream.seek(0)
        kind = nib.Nifti2Image if nib.Nifti2Header.may_contain_header(start) else nib.Nifti1Image
        image: Any = kind.from_stream(stream)
        refuse_impossible(image, path)
        voxels = np.asarray(image.dataobj.get_unscaled())
        if set(voxels.shape[3:]) == {1}:  # axes of channels or time that have one entry
            voxels = voxels.reshape(voxels.shape[:3])
        if packed:
            stream.read(1)  # at the end of the stream gzip compares checksum and length
    if is_grid(np.asarray(image.affine)):
        image = corrected(image)
    affine = affine_in_mm(image.affine, image.header)
    return Volume(str(path), affine, voxels, float(image.dataobj.slope), float(image.dataobj.inter))
