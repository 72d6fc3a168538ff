"""A training run as a CSV of one row per epoch, and as a picture of its curves."""

import csv
import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import ignite.distributed as idist
import torch
from ignite.engine import Engine, Events
from monai.utils import CommonKeys

from ..errors import InputError
from ..io.write_errors import unwritable
from ..networks.distance_head import FIELD_RESPONSE
from ..processes import is_first, together, world_size
from ..reports.text_table import write_csv
from ..reports.training_curves import (
    EPOCH,
    GRADIENT_NORM,
    LEARNING_RATE,
    LOSS,
    LOSS_TERM,
    VALIDATION,
    draw_training_curves,
)

logger = logging.getLogger(__name__)

ITERATIONS, SECONDS = "iterations", "seconds"
FIRST_COLUMNS = (EPOCH, ITERATIONS, SECONDS, LEARNING_RATE, LOSS)

Row = dict[str, str]


class TrainingLog:
    """Log each epoch of a MONAI trainer as a row of a CSV file and redraw the curves.

    Columns: epoch; iterations since the start of training; seconds of the epoch's iterations, without validation; the
    learning rate of its last iteration; loss and each `loss/TERM`, means over the epoch's iterations and all processes;
    `gradient_norm/NAME` and `field_response/CLASS`, from `trainer.state` where something keeps them; after a validation
    `validation/METRIC` and `validation/METRIC/CLASS`, see `validation_columns`. `engine.state.epoch_log` has the
    numbers of the epoch by column in the first process, which alone writes.

    The loss is summed on its device and read once per epoch; a trainer with `decollate=True` reads it itself in each
    iteration, which makes a GPU wait.

    A run that starts at epoch 1 begins a new log; the old one is kept as `LOG_FILE.previous`. One that resumes goes on
    in the old log without its later rows. A disk that fills up during the run costs a warning, not the run.

    Args:
        curves_file: PNG of the curves; None draws none.
        loss: the loss function, whose mapping `terms`, if it has one, holds the named terms of the last iteration.
        evaluator: the engine that validates, from a handler that is attached earlier.
    """

    def __init__(
        self,
        log_file: str | Path,
        curves_file: str | Path | None = None,
        loss: Any = None,
        evaluator: Engine | None = None,
        class_names: Sequence[str] = (),
        title: str = "",
    ) -> None:
        self.log_file = Path(log_file)
        self.curves_file = None if curves_file is None else Path(curves_file)
        self.loss = loss
        self.evaluator = evaluator
        self.class_names = list(class_names)
        self.title = title
        self.rows: list[Row] | None = None  # until the first epoch of a run
        self.learning_rate = float("nan")
        self.start_seconds = self.end_seconds = 0.0
        self.sums: dict[str, torch.Tensor] = {}  # of the epoch's iterations, by column
        self.validation: dict[str, float] = {}

    def attach(self, engine: Engine) -> None:
        """Follow the training of `engine`, and the validations of the evaluator."""
        engine.add_event_handler(Events.STARTED, self._expect_new_run)
        engine.add_event_handler(Events.EPOCH_STARTED, self._start_epoch)
        engine.add_event_handler(Events.ITERATION_STARTED, self._note_learning_rate)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._add_iteration)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self._log_epoch)
        if self.evaluator is not None:
            self.evaluator.add_event_handler(Events.COMPLETED, self._take_validation)

    def _expect_new_run(self, _: Engine) -> None:
        self.rows = None

    def _start_epoch(self, engine: Engine) -> None:
        # Checkpoints are loaded by other handlers of STARTED, so only now is it known where the run goes on.
        if self.rows is None:
            self.rows = self._old_rows(done=engine.state.epoch - 1) if is_first() else []
        self.sums, self.validation = {}, {}
        self.start_seconds = self.end_seconds = time.perf_counter()

    def _old_rows(self, done: int) -> list[Row]:
        """The rows of `done` epochs, with which the log is written again."""
        rows: list[Row] = []
        try:
            if self.log_file.exists() and done == 0:
                self.log_file.replace(self.log_file.with_name(f"{self.log_file.name}.previous"))
            elif self.log_file.exists():
                rows = [row for row in read_rows(self.log_file) if int(row[EPOCH]) <= done]
            write_rows(self.log_file, rows)
        except (KeyError, ValueError, csv.Error) as error:  # no column of epochs, no number in it, no text
            raise InputError(f"{self.log_file}: no training log to go on with ({error}); move it away") from error
        except OSError as error:
            raise unwritable(error, self.log_file, "pass another --output_dir") from error
        return rows

    def _note_learning_rate(self, engine: Any) -> None:
        # Schedules step when iterations or epochs complete, after which the optimizer holds the rate of what follows.
        self.learning_rate = float(engine.optimizer.param_groups[0]["lr"])

    def _add_iteration(self, engine: Engine) -> None:
        output: Any = engine.state.output
        first: Any = output[0] if isinstance(output, list) else output
        terms = {LOSS_TERM + name: value for name, value in (getattr(self.loss, "terms", None) or {}).items()}
        for name, value in {LOSS: first[CommonKeys.LOSS], **terms}.items():
            self.sums[name] = self.sums.get(name, 0) + torch.as_tensor(value).detach().float()
        self.end_seconds = time.perf_counter()

    def _log_epoch(self, engine: Any) -> None:
        means = mean_over_processes(self.sums, engine.state.epoch_length)
        if self.rows is None or not is_first():
            return
        norms = getattr(engine.state, "gradient_norms", None) or {}
        numbers = {
            LEARNING_RATE: self.learning_rate,
            **means,
            **{GRADIENT_NORM + name: float(value) for name, value in norms.items()},
            **{f"{FIELD_RESPONSE}/{name}": one for name, one in getattr(engine.state, "field_response", {}).items()},
            **self.validation,
        }
        engine.state.epoch_log = numbers
        row = {
            EPOCH: str(engine.state.epoch),
            ITERATIONS: str(engine.state.iteration),
            SECONDS: f"{self.end_seconds - self.start_seconds:.3f}",
            **{name: f"{value:.8g}" for name, value in numbers.items()},
        }
        self.rows.append(row)
        try:
            write_rows(self.log_file, self.rows)
        except OSError as error:
            logger.warning("%s: not written (%s); the next epoch tries again", self.log_file, error)
        if self.curves_file is not None:
            try:
                draw_training_curves(self.log_file, self.curves_file, self.title)
            except (OSError, InputError) as error:
                logger.warning("%s: not drawn (%s)", self.curves_file, error)

    def _take_validation(self, engine: Engine) -> None:
        details = getattr(engine.state, "metric_details", {})
        self.validation = validation_columns(engine.state.metrics, details, self.class_names)


def mean_over_processes(sums: Mapping[str, torch.Tensor], iterations: int) -> dict[str, float]:
    """Means of what was added up in the same number of iterations of each process; reads the device once."""
    if not sums:
        return {}
    means: Any = torch.stack(list(sums.values())) / iterations
    if together():
        means = idist.all_reduce(means) / world_size()
    return dict(zip(sums, means.tolist(), strict=True))


def validation_columns(
    metrics: Mapping[str, Any], details: Mapping[str, Any], class_names: Sequence[str]
) -> dict[str, float]:
    """An evaluator's metrics by the name of their column: each as a scalar, and as the mean of each class.

    Args:
        metrics: name -> scalar.
        details: name -> (cases, classes), nan where a case does not count for the class.
        class_names: the foreground classes.
    """
    columns: dict[str, float] = {}
    for name, value in metrics.items():
        columns[VALIDATION + name] = float(value)
        if name in details and len(class_names) > 1:
            means = torch.nanmean(torch.as_tensor(details[name]), dim=0).tolist()
            columns |= {f"{VALIDATION}{name}/{one}": mean for one, mean in zip(class_names, means, strict=True)}
    return columns


def read_rows(log_file: Path) -> list[Row]:
    """The rows of a log as text, so that they are written back as they were."""
    with log_file.open(newline="", encoding="utf-8") as file:
        return [{key: value for key, value in row.items() if key and value} for row in csv.DictReader(file)]


def write_rows(log_file: Path, rows: Sequence[Row]) -> None:
    """Write the log whole, atomically: the columns every log has, then the others in the order they came."""
    write_csv(log_file, rows, list(dict.fromkeys([*FIRST_COLUMNS, *(name for row in rows for name in row)])))
