"""Scans of every format as MONAI loads them."""

from collections.abc import Sequence
from typing import Any

import nibabel as nib
import numpy as np
from monai.config import PathLike
from monai.data import ImageReader, NibabelReader
from monai.utils import MetaKeys, SpaceKeys, ensure_tuple

from ..errors import InputError
from ..geometry.affine_rounding import without_header_rounding
from ..geometry.file_affine import STORED_AFFINE
from ..geometry.grid_distance import GRID_TOLERANCE_MM, grid_distance
from .dicom_series import read_series, series_of
from .file_content import refuse_other_content
from .image_formats import ending_of, is_itk, is_nifti
from .itk_image import read_itk_image
from .nifti_header import affine_in_mm, corrected, refuse_impossible
from .scan_check import naming, refuse_unusable

MODALITY = "modality"  # entry of the metadata of DICOM series


class ScanReader(ImageReader):
    """NIfTI, MetaImage, NRRD and DICOM series, for `LoadImaged(reader=...)`.

    Several files are the channels of one scan. See `dicom_series.Series.scan` for the path of a series. Affines are
    RAS, `affine` and `original_affine` without the rounding of the header, see `header_rounding`.
    """

    def verify_suffix(self, filename: Sequence[PathLike] | PathLike) -> bool:
        """Any: a DICOM file may have any name."""
        return True

    def read(self, data: Sequence[PathLike] | PathLike, **_: Any) -> tuple[str, ...]:
        """The paths alone.

        Where reading fails here, MONAI goes on to other readers, of which one may take a damaged series for a sound
        one.
        """
        return tuple(str(file) for file in ensure_tuple(data))

    def get_data(self, img: tuple[str, ...]) -> tuple[np.ndarray, dict[str, Any]]:
        """Voxels (x, y, z), or (channels, x, y, z) of several files, and the metadata that MONAI needs.

        Raises InputError: a file cannot be read or is no scan, a package is missing, a series is no even stack, or
        channels lie on different grids.
        """
        voxels, meta = _read_file(img[0]) if len(img) == 1 else _read_channels(img)
        stored = np.asarray(meta[MetaKeys.AFFINE])
        affine = without_header_rounding(stored)
        geometry = {MetaKeys.AFFINE: affine, MetaKeys.ORIGINAL_AFFINE: affine.copy(), STORED_AFFINE: stored}
        return voxels, {**meta, **geometry}


def read_scan(file: str) -> tuple[np.ndarray, np.ndarray]:
    """Voxels (x, y, z) in the scan's units and affine (4 x 4, RAS, mm) of one file or series, as MONAI reads NIfTI."""
    if is_nifti(file):
        voxels, meta = _read_nifti(file)
        return voxels, meta[MetaKeys.AFFINE]
    with naming(file):
        voxels, affine = read_itk_image(file) if is_itk(file) else read_series(file)
    refuse_unusable(file, voxels.shape, voxels.dtype, affine)
    return voxels, affine


def _read_nifti(file: str) -> tuple[np.ndarray, dict[str, Any]]:
    """What MONAI reads, but the affine in millimetres."""
    reader = NibabelReader(squeeze_non_spatial_dims=True)  # axes of channels or time that have one entry
    reader.filenames = (file,)
    with naming(file):
        voxels, meta = reader.get_data(_nifti_image(file))
    return voxels, {**meta, MetaKeys.AFFINE: affine_in_mm(meta[MetaKeys.AFFINE], meta)}


def _nifti_image(file: str) -> Any:
    """One file, its header checked and corrected."""
    with naming(file):
        refuse_other_content(file)
        image: Any = nib.load(file)
        refuse_impossible(image, file)
        shape = [*image.shape[:3], *(size for size in image.shape[3:] if size != 1)]
        refuse_unusable(file, shape, image.get_data_dtype(), np.asarray(image.affine))
        return corrected(image)


def _read_file(file: str) -> tuple[np.ndarray, dict[str, Any]]:
    """Voxels (x, y, z) of one file or series, and its metadata."""
    if is_nifti(file):
        return _read_nifti(file)
    voxels, affine = read_scan(file)
    meta: dict[str, Any] = {
        MetaKeys.AFFINE: affine,
        MetaKeys.SPACE: SpaceKeys.RAS,
        MetaKeys.SPATIAL_SHAPE: np.asarray(voxels.shape),
        MetaKeys.ORIGINAL_CHANNEL_DIM: float("nan"),
    }
    if not ending_of(file):
        meta[MODALITY] = series_of(file).modality
    return voxels, meta


def _read_channels(files: Sequence[str]) -> tuple[np.ndarray, dict[str, Any]]:
    """Voxels (channels, x, y, z) of several files on one grid, and the metadata of the first.

    One by one: MONAI, given all, asks for affines that are equal to five digits, which programs that write the same
    grid by its quaternion do not reach.
    """
    scans = [_read_file(file) for file in files]
    voxels, meta = scans[0]
    for file, (others, other) in zip(files, scans, strict=True):
        apart = grid_distance(other[MetaKeys.AFFINE], meta[MetaKeys.AFFINE], voxels.shape)
        if others.shape != voxels.shape or apart > GRID_TOLERANCE_MM:
            raise InputError(f"{file}: lies on another grid than {files[0]}; bring all channels onto one")
    return np.stack([others for others, _ in scans]), {**meta, MetaKeys.ORIGINAL_CHANNEL_DIM: 0}
