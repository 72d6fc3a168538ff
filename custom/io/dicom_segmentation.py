"""DICOM segmentation objects: the label map of a DICOM series as other DICOM software reads it, through highdicom."""

import logging
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from monai.config import PathLike
from monai.data import ImageWriter
from monai.utils import ImageMetaKey, convert_data_type

from .. import __version__
from ..errors import InputError
from .atomic_write import replacing
from .dicom_series import series_of, sorted_slices
from .image_formats import ending_of
from .optional_package import needed_package
from .write_errors import reporting_unwritable

logger = logging.getLogger(__name__)

PROJECT = "monai-segmentation-bundles"
SERIES_NUMBER_OFFSET = 1000  # behind the numbers that scanners give


class DicomSegmentationWriter(ImageWriter):
    """A DICOM-SEG of each label map of a DICOM series, for `SaveImaged(writer=...)`; scans in files are passed over.

    Args:
        class_names: the foreground classes.
    """

    def __init__(self, class_names: Sequence[str], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.class_names = list(class_names)
        self.labels = np.empty((0, 0, 0))
        self.scan = ""

    def set_data_array(self, data_array: Any, **_: Any) -> None:
        """Take a label map (1, columns, rows, slices) on the grid of its series."""
        self.labels = convert_data_type(data_array, np.ndarray)[0][0]

    def set_metadata(self, meta_dict: Any, **_: Any) -> None:
        """Take the path of the series."""
        self.scan = str(meta_dict[ImageMetaKey.FILENAME_OR_OBJ])

    def write(self, filename: PathLike, verbose: bool = False, **_: Any) -> None:
        """Write the file whole or not at all; a series whose header does not allow for it gets none, with a warning."""
        if ending_of(self.scan):
            return
        try:
            segmentation = dicom_segmentation(self.scan, self.labels, self.class_names)
            with reporting_unwritable(filename), replacing(str(filename)) as temporary:
                segmentation.save_as(temporary)
        except InputError:
            raise
        except (AttributeError, ValueError, TypeError, KeyError) as error:  # highdicom, of headers that lack something
            logger.warning("%s: no DICOM-SEG can refer to it (%s)", self.scan, " ".join(str(error).split()))


def dicom_segmentation_writer(class_names: Sequence[str]) -> Callable[..., DicomSegmentationWriter]:
    """What makes a `DicomSegmentationWriter`, in the form `SaveImaged(writer=...)` takes."""
    return partial(DicomSegmentationWriter, class_names)


def require_dicom_segmentation(wanted: bool) -> None:
    """Refuse DICOM-SEG before anything is computed where its package is missing.

    Raises InputError: it is wanted, and highdicom is not installed.
    """
    if wanted:
        _highdicom()


def dicom_segmentation(scan: str | Path, labels: np.ndarray, class_names: Sequence[str]) -> Any:
    """The segmentation object of a series.

    Args:
        scan: path of the series, see `dicom_series.Series.scan`.
        labels: (columns, rows, slices), on the grid of the series, slices in the order of `sorted_slices`.
        class_names: of the values 1, 2, ...; each is a binary segment, also where it is empty.

    Raises:
        InputError: a package is missing.
        AttributeError, ValueError, TypeError, KeyError: highdicom misses something in the headers of the series.
    """
    highdicom = _highdicom()
    pydicom = needed_package("pydicom", "pydicom", "DICOM-SEG")
    series = series_of(scan)
    slices = sorted_slices(series)
    source = [pydicom.dcmread(piece.file, stop_before_pixels=True, force=True) for piece in slices]
    about = source[0].get("SeriesDescription") or series.folder.name  # SimpleITK's text does not know character sets
    return highdicom.seg.Segmentation(
        source_images=source,
        pixel_array=np.ascontiguousarray(labels.T.astype(np.uint8)),
        segmentation_type=highdicom.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=[_segment(highdicom, number, name) for number, name in enumerate(class_names, 1)],
        series_instance_uid=highdicom.UID(),
        series_number=SERIES_NUMBER_OFFSET + int(series.number or 0),
        series_description=f"Segmentation of {about}"[:64],
        sop_instance_uid=highdicom.UID(),
        instance_number=1,
        manufacturer=PROJECT,
        manufacturer_model_name=PROJECT,
        software_versions=__version__,
        device_serial_number="0",
        omit_empty_frames=bool(labels.any()),
    )


def _segment(highdicom: Any, number: int, name: str) -> Any:
    """A class under its own name; what kind of tissue it is no config says, so its code is the general one."""
    codes = needed_package("pydicom.sr.codedict", "pydicom", "DICOM-SEG").codes
    return highdicom.seg.SegmentDescription(
        segment_number=number,
        segment_label=name,
        segmented_property_category=codes.SCT.Tissue,
        segmented_property_type=codes.SCT.Tissue,
        algorithm_type=highdicom.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=highdicom.AlgorithmIdentificationSequence(
            name=PROJECT, version=__version__, family=codes.DCM.ArtificialIntelligence
        ),
    )


def _highdicom() -> Any:
    return needed_package("highdicom", "highdicom", "--dicom_seg true")
