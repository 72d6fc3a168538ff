"""A training run as a CSV of one row per epoch, and as a picture of its curves."""

from __future__ import annotations

import csv
import logging
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import ignite.distributed as idist
import numpy as np
import torch
from ignite.engine import Engine, Events
from monai.utils import CommonKeys, convert_to_numpy

from ..errors import InputError
from ..io.write_errors import unwritable
from ..processes import is_first, together
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
COLUMN_KINDS = (LOSS_TERM, GRADIENT_NORM, VALIDATION)

Row = dict[str, str]


class TrainingLog:
    """Log each epoch of a MONAI trainer as a row of a CSV file and redraw the curves.

    Columns: epoch; iterations since the start of training; seconds of the epoch's iterations, without validation; the
    learning rate of its last iteration; loss and each `loss/TERM`, means over the epoch's iterations and all processes;
    `gradient_norm/NAME`, from `trainer.state.gradient_norms` where something keeps it; after a validation
    `validation/METRIC` and `validation/METRIC/CLASS`, see `validation_columns`. `engine.state.epoch_log` has the
    numbers of the epoch by column in the first process, which alone writes.

    The loss is summed on its device and read once per epoch; a trainer with `decollate=True` reads it itself in each
    iteration, which makes a GPU wait.

    A run that starts at epoch 1 begins a new log; the old one is kept as `LOG_FILE.previous`. One that resumes goes on
    in the old log without its later rows. A disk that fills up during the run costs a warning, not the run.

    Args:
        log_file: the CSV.
        curves_file: PNG of the curves; None draws none.
        optimizer: gives the learning rate, of its first parameter group; by default the trainer's.
        loss: the loss function, whose mapping `terms`, if it has one, holds the named terms of the last iteration.
        evaluator: the engine that validates, from any handler of the trainer.
        class_names: the foreground classes, in the order of the metrics' channels.
        title: title of the picture.
    """

    def __init__(
        self,
        log_file: str | Path,
        curves_file: str | Path | None = None,
        optimizer: torch.optim.Optimizer | None = None,
        loss: Any = None,
        evaluator: Engine | None = None,
        class_names: Sequence[str] = (),
        title: str = "",
    ) -> None:
        self.log_file = Path(log_file)
        self.curves_file = None if curves_file is None else Path(curves_file)
        self.optimizer = optimizer
        self.loss = loss
        self.evaluator = evaluator
        self.class_names = list(class_names)
        self.title = title
        self._rows: list[Row] | None = None  # until the first epoch of a run
        self._epoch = 0
        self._learning_rate = float("nan")
        self._start_seconds = self._end_seconds = 0.0
        self._sums: dict[str, torch.Tensor] = {}
        self._counts: dict[str, int] = {}
        self._validation: dict[str, float] = {}

    def attach(self, engine: Engine) -> None:
        """Follow the training of `engine`, and the validations of the evaluator, wherever they are attached."""
        if self.optimizer is None:
            self.optimizer = getattr(engine, "optimizer", None)
        engine.add_event_handler(Events.STARTED, self._expect_new_run)
        engine.add_event_handler(Events.EPOCH_STARTED, self._start_epoch)
        engine.add_event_handler(Events.ITERATION_STARTED, self._note_learning_rate)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._add_iteration)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self._log_epoch)
        if self.evaluator is not None:
            self.evaluator.add_event_handler(Events.COMPLETED, self._take_validation)

    def _expect_new_run(self, _: Engine) -> None:
        self._rows = None

    def _start_epoch(self, engine: Engine) -> None:
        # Checkpoints are loaded by other handlers of STARTED, so only now is it known where the run goes on.
        if self._rows is None:
            self._rows = self._old_rows(done=engine.state.epoch - 1) if is_first() else []
        self._epoch = engine.state.epoch
        self._sums, self._counts, self._validation = {}, {}, {}
        self._start_seconds = self._end_seconds = time.perf_counter()

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

    def _note_learning_rate(self, _: Engine) -> None:
        # Schedules step when iterations or epochs complete, after which the optimizer holds the rate of what follows.
        if self.optimizer is not None:
            self._learning_rate = float(self.optimizer.param_groups[0]["lr"])

    def _add_iteration(self, engine: Engine) -> None:
        output: Any = engine.state.output
        first: Any = output[0] if isinstance(output, list) else output
        self._add(LOSS, first[CommonKeys.LOSS])
        for name, value in (getattr(self.loss, "terms", None) or {}).items():
            self._add(LOSS_TERM + name, value)
        self._end_seconds = time.perf_counter()

    def _add(self, name: str, value: torch.Tensor | float) -> None:
        tensor = torch.as_tensor(value).detach().float()
        self._sums[name] = self._sums.get(name, 0) + tensor
        self._counts[name] = self._counts.get(name, 0) + 1

    def _log_epoch(self, engine: Engine) -> None:
        means = mean_over_processes(self._sums, self._counts)
        if self._rows is None or not is_first():
            return
        norms = getattr(engine.state, "gradient_norms", None) or {}
        numbers = {
            LEARNING_RATE: self._learning_rate,
            **means,
            **{GRADIENT_NORM + name: float(value) for name, value in norms.items()},
            **self._validation,
        }
        cast(Any, engine.state).epoch_log = numbers
        row = {
            EPOCH: str(self._epoch),
            ITERATIONS: str(engine.state.iteration),
            SECONDS: f"{self._end_seconds - self._start_seconds:.3f}",
            **_cells(numbers),
        }
        self._rows.append(row)
        self._write()
        if self.curves_file is not None:
            try:
                draw_training_curves(self.log_file, self.curves_file, self.title)
            except (OSError, InputError) as error:
                logger.warning("%s: not drawn (%s)", self.curves_file, error)

    def _take_validation(self, engine: Engine) -> None:
        """Keep the metrics for this epoch's row, or add them to it where the epoch was logged before its validation."""
        self._validation = validation_columns(
            engine.state.metrics, getattr(engine.state, "metric_details", {}), self.class_names
        )
        if self._rows and self._epoch > 0 and self._rows[-1][EPOCH] == str(self._epoch):
            self._rows[-1].update(_cells(self._validation))
            self._write()

    def _write(self) -> None:
        try:
            write_rows(self.log_file, self._rows or [])
        except OSError as error:
            logger.warning("%s: not written (%s); the next epoch tries again", self.log_file, error)


def mean_over_processes(sums: Mapping[str, torch.Tensor], counts: Mapping[str, int]) -> dict[str, float]:
    """Means of what all processes added up, by name; reads each device once."""
    names = sorted(sums)
    values = torch.stack([sums[name] for name in names]).tolist() if names else []
    own = {name: (value, counts[name]) for name, value in zip(names, values, strict=True)}
    every = cast(list[dict[str, tuple[float, int]]], idist.all_gather(own)) if together() else [own]
    totals: defaultdict[str, np.ndarray] = defaultdict(lambda: np.zeros(2))
    for part in every:
        for name, total in part.items():
            totals[name] += total
    return {name: float(total / number) for name, (total, number) in totals.items()}


def validation_columns(
    metrics: Mapping[str, Any], details: Mapping[str, Any], class_names: Sequence[str]
) -> dict[str, float]:
    """An evaluator's metrics by the name of their column.

    A scalar gives one column, a vector or mapping one per class, and so do details of shape (cases, classes), as means
    over the cases with a value. Metrics that are something else are left out.
    """
    columns: dict[str, float] = {}
    for name, value in metrics.items():
        if isinstance(value, Mapping):
            columns |= {f"{VALIDATION}{name}/{key}": float(one) for key, one in value.items()}
            continue
        values = _as_numbers(value)
        per_class = values if values.ndim == 1 and values.size > 1 else None
        if values.size == 1:
            columns[VALIDATION + name] = float(values.item())
            cases = _as_numbers(details.get(name))
            per_class = np.ma.masked_invalid(cases).mean(axis=0).filled(np.nan) if cases.ndim == 2 else None
        if per_class is not None and per_class.size > 1:
            names = _names_of_channels(per_class.size, class_names)
            columns |= {f"{VALIDATION}{name}/{one}": float(v) for one, v in zip(names, per_class, strict=True)}
    return columns


def _as_numbers(value: Any) -> np.ndarray:
    """Floats in their shape; none where the value is no number."""
    try:
        return np.empty(0) if value is None else np.asarray(convert_to_numpy(value), dtype=float)
    except (TypeError, ValueError):
        return np.empty(0)


def _names_of_channels(number: int, class_names: Sequence[str]) -> list[str]:
    for names in (list(class_names), ["background", *class_names]):
        if number == len(names):
            return names
    return [f"class_{c}" for c in range(1, number + 1)]


def read_rows(log_file: Path) -> list[Row]:
    """The rows of a log as text, so that they are written back as they were."""
    with log_file.open(newline="", encoding="utf-8") as file:
        return [{key: value for key, value in row.items() if key and value} for row in csv.DictReader(file)]


def write_rows(log_file: Path, rows: Sequence[Row]) -> None:
    """Write the log whole, atomically: the columns every log has, then the others by kind, in the order they came."""
    seen = dict.fromkeys(name for row in rows for name in row if name not in FIRST_COLUMNS)
    others = sorted(seen, key=lambda name: [not name.startswith(kind) for kind in COLUMN_KINDS])
    write_csv(log_file, rows, [*FIRST_COLUMNS, *others])


def _cells(values: Mapping[str, float]) -> Row:
    return {name: f"{value:.8g}" for name, value in values.items()}
