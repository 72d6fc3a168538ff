"""Scans and label maps in and out: NIfTI, MetaImage, NRRD, DICOM series and DICOM-SEG; atomic writes."""

from .dicom_segmentation import dicom_segmentation_writer, require_dicom_segmentation
from .label_writer import LabelFolder, LabelWriter
from .scan_reader import ScanReader
