"""One scan's voxels as stored, read to its last byte and refused where they cannot be a scan."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import nibabel as nib
import numpy as np
from nibabel.affines import voxel_sizes

from ..errors import InputError
from .file_content import refuse_other_content
from .image_formats import ending_of, is_itk, is_nifti
from .itk_header import ItkHeader
from .nifti_header import affine_in_mm, corrected
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

    Voxels of NIfTI are as stored, those of the other formats in the scan's units.

    Raises:
        InputError: missing, damaged, not three axes, not plain numbers, or without a usable affine; a DICOM series
            that is no even stack.
    """
    path = Path(file)
    if not path.exists():
        raise InputError(f"{file}: does not exist; restore it or take it out of the data list")
    try:
        if ending_of(path):
            refuse_other_content(path)
        volume = _read_nifti(path) if is_nifti(path) else Volume(file, *read_scan(file)[::-1], 1.0, 0.0)
    except InputError:
        raise
    except PermissionError as error:
        raise InputError(f"{file}: cannot be read ({error.strerror}); correct its permissions") from error
    except Exception as error:  # a damaged header or stream fails in nibabel, zlib, struct or numpy alike
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise InputError(f"{file}: cannot be read ({reason}); copy or export it again") from error
    shape = volume.voxels.shape
    if len(shape) != 3 or 0 in shape:
        remedy = "3D is needed: save the whole volume as one file"
        if len(shape) > 3:
            remedy = "3D is needed: save one file for each channel or time point"
        raise InputError(f"{file}: has shape {shape_text(shape)}, {len(shape)}D; {remedy}")
    if volume.voxels.dtype.kind not in "biuf":
        raise InputError(f"{file}: voxels are of type {volume.voxels.dtype}, not numbers; save it as one grey channel")
    if not _is_grid(volume.affine):
        raise InputError(
            f"{file}: affine {affine_text(volume.affine)} is not invertible; set its spacing and orientation"
        )
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
        if image.dataobj.offset < kind.header_class.single_vox_offset:
            raise InputError(f"{path}: its voxels begin inside its header (vox_offset); export it again")
        voxels = np.asarray(image.dataobj.get_unscaled())
        if set(voxels.shape[3:]) == {1}:  # axes of channels or time that have one entry
            voxels = voxels.reshape(voxels.shape[:3])
        if packed:
            stream.read(1)  # at the end of the stream gzip compares checksum and length
    if _is_grid(np.asarray(image.affine)):
        image = corrected(image)
    affine = affine_in_mm(image.affine, image.header)
    return Volume(str(path), affine, voxels, float(image.dataobj.slope), float(image.dataobj.inter))


def _is_grid(affine: np.ndarray) -> bool:
    """Finite, and the three axes span a volume."""
    finite = np.isfinite(affine).all()
    return bool(finite and abs(np.linalg.det(affine[:3, :3])) > 1e-6 * voxel_sizes(affine).prod() > 0)


def shape_text(shape: Sequence[int]) -> str:
    """A shape as people write it: 512 x 512 x 90."""
    return " x ".join(str(int(size)) for size in shape)


def affine_text(affine: np.ndarray, digits: int = 6) -> str:
    """The three rows of an affine that matter, in one line."""
    return "[" + "; ".join(" ".join(f"{value:.{digits}g}" for value in row) for row in affine[:3]) + "]"
