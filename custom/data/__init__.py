"""What enters: data set layouts, checks of a whole list, folds, training patches, phantoms."""

from .atomic_nifti import AtomicNibabelWriter
from .knight import prepare_knight
from .label_names import label_file
from .patch_dataset import EpochSampler, PatchDataset, ValidationSampler
from .spine_phantom import write_spine_phantoms
from .splits import inference_cases, split_cases

__all__ = [
    "AtomicNibabelWriter",
    "EpochSampler",
    "PatchDataset",
    "ValidationSampler",
    "inference_cases",
    "label_file",
    "prepare_knight",
    "split_cases",
    "write_spine_phantoms",
]
