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
        if all(is_nifti(file) for file in img):
            voxels, meta = _read_nifti(img)
        else:
            voxels, meta = _read_channels(img)
        stored = np.asarray(meta[MetaKeys.AFFINE])
        affine = without_header_rounding(stored)
        geometry = {MetaKeys.AFFINE: affine, MetaKeys.ORIGINAL_AFFINE: affine.copy(), STORED_AFFINE: stored}
        return voxels, {**meta, **geometry}


def read_scan(file: str) -> tuple[np.ndarray, np.ndarray]:
    """Voxels (x, y, z) in the scan's units and affine (4 x 4, RAS, mm) of one file or series, as MONAI reads NIfTI."""
    if is_nifti(file):
        voxels, meta = _read_nifti((file,))
        return voxels, meta[MetaKeys.AFFINE]
    with naming(file):
        voxels, affine = read_itk_image(file) if is_itk(file) else read_series(file)
    refuse_unusable(file, voxels.shape, voxels.dtype, affine)
    return voxels, affine


def _read_nifti(files: Sequence[str]) -> tuple[np.ndarray, dict[str, Any]]:
    """What MONAI reads, but the affine in millimetres."""
    reader = NibabelReader(squeeze_non_spatial_dims=True)  # axes of channels or time that have one entry
    reader.filenames = files
    with naming(files[0]):
        voxels, meta = reader.get_data([_nifti_image(file) for file in files])
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


def _read_channels(files: Sequence[str]) -> tuple[np.ndarray, dict[str, Any]]:
    """Voxels (x, y, z) of one file, (channels, x, y, z) of several, and their metadata."""
    scans = [read_scan(file) for file in files]
    voxels, affine = scans[0]
    for file, (others, other_affine) in zip(files, scans, strict=True):
        if others.shape != voxels.shape or not np.allclose(other_affine, affine, atol=1e-3):
            raise InputError(f"{file}: lies on another grid than {files[0]}; bring all channels onto one")
    meta: dict[str, Any] = {
        MetaKeys.AFFINE: affine,
        MetaKeys.SPACE: SpaceKeys.RAS,
        MetaKeys.SPATIAL_SHAPE: np.asarray(voxels.shape),
        MetaKeys.ORIGINAL_CHANNEL_DIM: float("nan") if len(files) == 1 else 0,
    }
    if not ending_of(files[0]):
        meta[MODALITY] = series_of(files[0]).modality
    return voxels if len(files) == 1 else np.stack([others for others, _ in scans]), meta
