"""The geometry in a NIfTI header: its unit of length, and both forms with their codes."""

import math
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from monai.data.utils import correct_nifti_header_if_necessary
from nibabel.filebasedimages import ImageFileError
from nibabel.openers import ImageOpener
from nibabel.spatialimages import HeaderDataError

from ..errors import InputError
from .image_formats import is_nifti
from .scan_check import shape_text

UNREADABLE = (OSError, EOFError, zlib.error, ImageFileError, HeaderDataError)  # what nibabel says of damaged files
DEFLATE = 1100  # gzip shrinks no more
MILLIMETRES = {1: 1000.0, 3: 0.001}  # of metre and micron; 2 is mm, and what is unknown counts as mm
GEOMETRY = (
    *("pixdim", "xyzt_units", "qform_code", "sform_code", "quatern_b", "quatern_c", "quatern_d"),
    *("qoffset_x", "qoffset_y", "qoffset_z", "srow_x", "srow_y", "srow_z"),
)


def affine_in_mm(affine: Any, header: Any) -> np.ndarray:
    """The affine of a NIfTI image, whose header may be in metres or microns, in millimetres.

    nibabel and MONAI leave the unit out of account, ITK does not. `header` is nibabel's, or the same as a mapping.
    """
    scale = MILLIMETRES.get(int(header["xyzt_units"]) & 7, 1.0) if "xyzt_units" in header else 1.0
    return np.diag([scale, scale, scale, 1.0]) @ np.asarray(affine, dtype=float)


def refuse_impossible(image: Any, file: str | Path) -> None:
    """Refuse a header by which voxels begin inside it, or are more than the file can hold.

    Raises InputError: names the file and what to do.
    """
    single: Any = type(image).header_class
    if image.dataobj.offset < single.single_vox_offset:
        raise InputError(f"{file}: its voxels begin inside its header (vox_offset); export it again")
    if int(image.header["sform_code"]) <= 0 and 0 in _stored_voxel_size(single, file):
        raise InputError(f"{file}: says no voxel size (pixdim 0); export it again")
    shape = [int(size) for size in image.shape]
    needed = math.prod(shape) * image.get_data_dtype().itemsize
    most = Path(file).stat().st_size * (DEFLATE if str(file).lower().endswith(".gz") else 1)
    if min(shape, default=0) > 0 and needed > most:
        raise InputError(
            f"{file}: its header says {shape_text(shape)} voxels, more than the file holds; copy or export it again"
        )


def _stored_voxel_size(header_class: Any, file: str | Path) -> list[float]:
    """The pixdim of a file, of which nibabel makes 1 where it is 0."""
    with ImageOpener(str(file)) as stream:
        return [float(size) for size in header_class.from_fileobj(stream, check=False)["pixdim"][1:4]]


def corrected(image: Any) -> Any:
    """A NIfTI image as MONAI corrects it when it loads one, but never by a form that is not valid.

    MONAI believes voxel sizes (pixdim) that disagree with the sform, and puts the qform in its place, valid or not.
    """
    if int(image.header["sform_code"]) > 0 and int(image.header["qform_code"]) == 0:
        zooms = image.header.get_zooms()
        image.header.set_zooms((*nib.affines.voxel_sizes(image.affine), *zooms[3:])[: len(zooms)])
    return correct_nifti_header_if_necessary(image)


def says_no_orientation(meta: Mapping[str, Any]) -> bool:
    """Whether the metadata of a NIfTI image say that neither of its forms is valid: nibabel then takes LAS."""
    codes = [meta.get(key) for key in ("sform_code", "qform_code")]
    return None not in codes and max(int(np.asarray(code)) for code in codes) <= 0


def three_axes(shape: Sequence[int]) -> tuple[int, ...]:
    """The shape without further axes of one entry, with which some programs write 3D scans."""
    return (*shape[:3], *(size for size in shape[3:] if size != 1))


def label_header(scan: str, shape: Sequence[int]) -> nib.Nifti1Header | None:
    """A header of 8-bit label maps with the geometry of a scan's, to the bit; None where that is no NIfTI of the shape.

    ITK, 3D Slicer and nibabel choose differently between sform and qform, and place a scan without either each at its
    own will: only equal headers lie at one place for all of them.
    """
    try:
        known: Any = nib.load(scan).header if is_nifti(scan) else None
    except UNREADABLE:
        known = None
    if known is None or three_axes(known.get_data_shape()) != tuple(shape):
        return None
    header = nib.Nifti1Header()
    header.set_data_dtype(np.uint8)
    header.set_data_shape(tuple(shape))
    for field in GEOMETRY:
        header[field] = known[field]
    return header
