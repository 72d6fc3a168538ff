"""What Ignite's engines need from us: batches, handlers, devices."""

from ..processes import world_size
from .batch import prepare_training_batch
from .case_gallery import CaseGallery
from .case_record import CaseRecord
from .device import (
    amp_options,
    cpu_autocast,
    default_device,
    join_processes,
    join_processes_if_any,
    leave_processes,
    require_device,
    uses_amp,
)
from .fitting_weights import LoadWeights
from .gradient_clipping import GradientClipping
from .gradient_norms import GradientNorms
from .loading_processes import loading_context
from .metrics_report import MetricsReport
from .mlflow_record import MLflowRecord
from .polynomial_decay import polynomial_decay
from .progress import Progress
from .seed import set_seed
from .tensorboard_log import TensorBoardLog
from .training_checkpoint import TrainingCheckpoint
from .training_log import TrainingLog
from .untrained_baseline import UntrainedBaseline
from .validate import StopAfterEpoch, ValidateAtInterval
from .writable import make_writable

__all__ = [
    "CaseGallery",
    "CaseRecord",
    "GradientClipping",
    "GradientNorms",
    "LoadWeights",
    "MLflowRecord",
    "MetricsReport",
    "Progress",
    "StopAfterEpoch",
    "TensorBoardLog",
    "TrainingCheckpoint",
    "TrainingLog",
    "UntrainedBaseline",
    "ValidateAtInterval",
    "amp_options",
    "cpu_autocast",
    "default_device",
    "join_processes",
    "join_processes_if_any",
    "leave_processes",
    "loading_context",
    "make_writable",
    "polynomial_decay",
    "prepare_training_batch",
    "require_device",
    "set_seed",
    "uses_amp",
    "world_size",
]
