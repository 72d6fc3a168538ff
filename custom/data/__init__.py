"""Prepared cases: the data lists of a run, the cache on disk, training patches and their order."""

from .inference_datalist import inference_datalist
from .knight import prepare_knight
from .labelled_datalist import labelled_datalist
from .patch_dataset import EpochSampler, PatchDataset, ValidationSampler
from .scan_dataset import ScanDataset, ScanLoader
from .training_intensity import FLARE22_INTENSITY, training_intensity
from .training_scans import training_scans
from .typed_datalist import typed_datalist
from .volume_size import volume_size
