"""What MONAI's `--tracking mlflow` leaves out of a run: settings, curves, tables and pictures."""

import logging
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch
from ignite.engine import Engine, Events
from monai.handlers import MLFlowHandler
from monai.utils import CommonKeys, optional_import

from ..io.atomic_write import TEMPORARY_PREFIX
from ..options.gate import running_workflow
from ..reports.training_curves import VALIDATION
from .training_log import validation_columns

logger = logging.getLogger(__name__)
entities, _ = optional_import("mlflow.entities")
MlflowException, _ = optional_import("mlflow.exceptions", name="MlflowException")

OUTPUT_DIR, KIND = "output_dir", "kind"  # tags by which a run is found again
LONGEST_VALUE = 500  # characters of a parameter; MLflow allows some thousands, depending on the store
GOES_ON = "the run goes on, its curves follow when the store answers, and its tables are in"
LONGEST_PAUSE = 64  # epochs between two tries
LARGEST_BATCH = 1000  # metrics that MLflow takes at once
PATIENCE = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "10", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1"}  # seconds, and 1 s between
ITERATION_LOSS = "loss_of_iteration"
PICTURES, TABLES, CONFIG = "pictures", "tables", "config"


class MLflowRecord:
    """Complete the record that `--tracking mlflow` makes of a run, and see to it that it is the right run.

    MONAI's `MLFlowHandler` logs the loss of every iteration and the evaluator's metrics, into whatever run it finds
    unfinished. This one adds the parameters, by epoch what `TrainingLog` logs or the evaluator's metrics per class, and
    as artifacts the executed config, tables and pictures, after every validation and at the end.

    A training that resumes goes on in the run of the training before it with the same output folder; anything else is a
    run of its own. Without MONAI's handler on the engine nothing is done; with several processes only the first has it.

    A store that fails, full or locked or not to be reached, costs one warning and seconds, not the run: also of MONAI's
    handler, which would end it, and with MLflow's own patience of minutes a call. It is tried again when an epoch ends,
    after 1, 2, 4, ... and then every `LONGEST_PAUSE` epochs, and takes what it missed but the losses of iterations.

    Args:
        kind: what is run, such as "training": the name of the run, with the time.
        output_dir: folder of the files.
        parameters: settings by name.
        plan: what the network is for, of which every entry and every entry of `training` is a parameter.
        files: names or patterns (`*.csv`) of tables and pictures within `output_dir`.
        evaluator: the engine that validates during a training, whose metrics go to the same run.
        class_names: the foreground classes, for an evaluator's metrics.
    """

    def __init__(
        self,
        kind: str,
        output_dir: str | Path,
        parameters: Mapping[str, Any] | None = None,
        plan: Mapping[str, Any] | None = None,
        files: Sequence[str] = (),
        evaluator: Engine | None = None,
        class_names: Sequence[str] = (),
    ) -> None:
        self.kind = kind
        self.output_dir = Path(output_dir).absolute()
        entries = {key: value for key, value in (plan or {}).items() if key not in ("training", "fingerprint")}
        self.parameters = {**entries, **(plan or {}).get("training", {}), **(parameters or {})}
        self.files = list(files)
        self.evaluator = evaluator
        self.class_names = list(class_names)
        self.tracker: MLFlowHandler | None = None
        self.trackers: list[MLFlowHandler] = []
        self.resumes = False
        self.run_id = ""
        self.recording = False
        self.warned, self.just_tried = False, False
        self.failures, self.pause = 0, 0  # in a row; epochs until the store is tried again
        self.pending: list[Any] = []  # metrics that it has not taken yet

    def attach(self, engine: Engine) -> None:
        """Follow `engine`; attach it last: the run is chosen before MONAI's handler, which comes after, starts."""
        engine.add_event_handler(Events.STARTED, self.start)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self.epoch_completed)
        engine.add_event_handler(Events.COMPLETED, self.completed)

    def start(self, engine: Engine) -> None:
        """Choose the run, hand it to MONAI's handlers and log the parameters."""
        self.tracker = tracker_of(engine)
        if self.tracker is None:
            return
        # its own way takes the loss from decollated items, and mixes its steps with those of the epochs' mean
        self.tracker.output_transform, self.tracker.tag_name = loss_of, ITERATION_LOSS
        trackers = {one: tracker_of(one) for one in (engine, self.evaluator)}
        for one, tracker in trackers.items():
            if one is not None and tracker is not None:
                replace_handlers(one, tracker, lambda handler: partial(self.handle, handler))
        self.trackers = [one for one in trackers.values() if one is not None]
        self.resumes = engine.state.epoch > 0
        lose_patience()
        with self.warning():
            self.begin(self.tracker)

    def begin(self, tracker: MLFlowHandler) -> None:
        """Choose the run, hand it to MONAI's handlers and log the parameters, once."""
        if self.run_id:
            return
        run = self.choose_run(tracker, self.resumes)
        settings = {allowed_name(name): str(value)[:LONGEST_VALUE] for name, value in self.parameters.items()}
        # MLflow refuses to change the parameters of a run that goes on
        new = [entities.Param(name, value) for name, value in settings.items() if name not in run.data.params]
        tracker.client.log_batch(run.info.run_id, params=new)
        for one in self.trackers:
            one.cur_run = run
        self.run_id = run.info.run_id
        workflow = running_workflow()
        if workflow is not None:  # the executed config, which MONAI would write before our gate has seen it
            file = f"{CONFIG}/config_{time.strftime('%Y%m%d_%H%M%S')}.json"
            tracker.client.log_dict(self.run_id, workflow.parser.get(), file)

    @contextmanager
    def warning(self) -> Iterator[None]:
        """Do what a store may fail at; where it does, no more is recorded until it is tried again."""
        try:
            self.recording = True
            yield
            self.failures = 0
        except (OSError, MlflowException) as error:
            self.recording, self.just_tried = False, True
            self.pause = min(2**self.failures, LONGEST_PAUSE)
            self.failures += 1
            if not self.warned:
                said = " ".join(str(error).split())[:LONGEST_VALUE]
                logger.warning("not recorded by MLflow: %s; %s %s", said, GOES_ON, self.output_dir)
            self.warned = True

    def handle(self, handler: Callable[..., None], *engine: Engine) -> None:
        """Call one of MONAI's handlers, unless the store has failed since the last epoch."""
        if self.recording:
            with self.warning():
                handler(*engine)

    def choose_run(self, tracker: MLFlowHandler, resumes: bool) -> Any:
        """The last run of this kind with this output folder where it is gone on with, else a new one."""
        client = tracker.client
        found = client.get_experiment_by_name(tracker.experiment_name)
        place = {"artifact_location": tracker.artifact_location}
        experiment = found.experiment_id if found else client.create_experiment(tracker.experiment_name, **place)
        tags = {KIND: self.kind, OUTPUT_DIR: str(self.output_dir)}
        every = client.search_runs([experiment], order_by=["attributes.start_time DESC"])
        earlier = [run for run in every if tags.items() <= run.data.tags.items()]
        if resumes and earlier:
            client.update_run(earlier[0].info.run_id, status="RUNNING")
            return client.get_run(earlier[0].info.run_id)
        for run in earlier:
            if run.info.status == "RUNNING":
                client.set_terminated(run.info.run_id, "KILLED")
        name = tracker.run_name or f"{self.kind} {time.strftime('%Y-%m-%d %H:%M:%S')}"
        return client.create_run(experiment, run_name=name, tags=tags)

    def epoch_completed(self, engine: Any) -> None:
        """Log the numbers of the epoch, and the files if it was validated."""
        if self.tracker is None:
            return
        details = getattr(engine.state, "metric_details", {})
        logged = getattr(engine.state, "epoch_log", None)
        numbers = logged or validation_columns(engine.state.metrics, details, self.class_names)
        at = int(time.time() * 1000), engine.state.epoch
        self.pending += [entities.Metric(allowed_name(name), value, *at) for name, value in numbers.items()]
        self.pause -= 1
        self.just_tried = False
        if self.pause > 0:
            return
        with self.warning():
            self.catch_up(self.tracker)
            if any(name.startswith(VALIDATION) for name in numbers):
                self.log_files(self.tracker)

    def catch_up(self, tracker: MLFlowHandler) -> None:
        """Log what the store has not taken yet."""
        self.begin(tracker)
        while self.pending:
            tracker.client.log_batch(self.run_id, metrics=self.pending[:LARGEST_BATCH])
            del self.pending[:LARGEST_BATCH]

    def completed(self, _: Engine) -> None:
        """Log the files as they are in the end, and end the run where MONAI's handler does not."""
        if self.tracker is None or self.just_tried:
            return
        with self.warning():
            self.catch_up(self.tracker)
            self.log_files(self.tracker)
            if not self.tracker.close_on_complete:
                self.tracker.close()

    def log_files(self, tracker: MLFlowHandler) -> None:
        """Log the tables and pictures that there are."""
        for pattern in self.files:
            for file in sorted(self.output_dir.glob(pattern)):
                if not file.name.startswith(TEMPORARY_PREFIX):  # left by a run that was killed
                    folder = PICTURES if file.suffix == ".png" else TABLES
                    tracker.client.log_artifact(self.run_id, str(file), folder)


def lose_patience() -> None:
    """Let a server that does not answer fail within seconds, unless the environment says otherwise."""
    for name, value in PATIENCE.items():
        os.environ.setdefault(name, value)
    logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)  # which warns of every retry


def tracker_of(engine: Engine | None) -> MLFlowHandler | None:
    """MONAI's MLflow handler on an engine, if there is one; ignite has no public way to ask."""
    registered = [] if engine is None else engine._event_handlers[Events.STARTED]
    owners = (getattr(handler, "__self__", None) for handler, *_ in registered)
    return next((owner for owner in owners if isinstance(owner, MLFlowHandler)), None)


def replace_handlers(engine: Engine, owner: Any, replacement: Callable[[Callable], Callable]) -> None:
    """Put others in the place of the handlers of an object on an engine, also of those about to be called."""
    for handlers in engine._event_handlers.values():
        for place, (handler, arguments, options) in enumerate(handlers):
            if getattr(handler, "__self__", None) is owner:
                handlers[place] = (replacement(handler), arguments, options)


def loss_of(output: Any) -> torch.Tensor:
    """The loss of a trainer's iteration, decollated or not."""
    first = output[0] if isinstance(output, list) else output
    loss: torch.Tensor = first[CommonKeys.LOSS]
    return loss


def allowed_name(name: str) -> str:
    """A name that MLflow takes: letters, digits, and _ - . / : and blanks."""
    return re.sub(r"[^\w\-./: ]", "_", name)
