"""What Ignite's engines need from us: batches, handlers, devices."""

from ..processes import world_size
from .case_gallery import CaseGallery
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
from .field_response import FieldResponse
from .fit_temperature import FitTemperature
from .fit_typing import FitTyping
from .freed_memory import keep_freed_memory
from .gradient_clipping import GradientClipping
from .gradient_norms import GradientNorms
from .inference_record import CaseRecord
from .keep_predictions import KeepPredictions
from .load_weights import LoadWeights, refuse_missing_weights
from .loading_processes import loading_context
from .metrics_report import MetricsReport
from .mlflow_record import MLflowRecord
from .mlflow_store import mlflow_store
from .one_training import claim_folders
from .polynomial_decay import polynomial_decay
from .progress_bar import Progress
from .scan_evaluator import ScanEvaluator
from .seed import EpochSeed, set_seed
from .tensorboard_log import TensorBoardLog
from .training_batch import prepare_training_batch
from .training_checkpoint import TrainingCheckpoint
from .training_log import TrainingLog
from .untrained_baseline import UntrainedBaseline
from .validate import StopAfterEpoch, ValidateAtInterval
from .writable_folders import make_writable
