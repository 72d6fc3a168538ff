"""What enters: data set layouts, cohorts, checks of a whole list, folds, training patches, phantoms."""

from .abdomen_phantom import write_abdomen_phantoms
from .atomic_nifti import AtomicNibabelWriter
from .dicom_segmentation import dicom_segmentation_writer, require_dicom_segmentation
from .foreground_intensity import FLARE22_INTENSITY, foreground_intensity, read_intensity
from .knight import prepare_knight
from .label_names import LabelNames, label_file
from .label_writer import LabelFolder, LabelWriter
from .labelled_cases import class_ids, labelled_cases, read_case_list
from .patch_dataset import EpochSampler, PatchDataset, ValidationSampler
from .scan_reader import ScanReader
from .spine_phantom import write_spine_phantoms
from .splits import inference_cases, split_cases

__all__ = [
    "FLARE22_INTENSITY",
    "AtomicNibabelWriter",
    "EpochSampler",
    "LabelFolder",
    "LabelNames",
    "LabelWriter",
    "PatchDataset",
    "ScanReader",
    "ValidationSampler",
    "class_ids",
    "dicom_segmentation_writer",
    "foreground_intensity",
    "inference_cases",
    "label_file",
    "labelled_cases",
    "prepare_knight",
    "read_case_list",
    "read_intensity",
    "require_dicom_segmentation",
    "split_cases",
    "write_abdomen_phantoms",
    "write_spine_phantoms",
]
