"""The curves of a training and its pictures as TensorBoard events."""

from __future__ import annotations

import logging
import math
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from ignite.engine import Engine, Events
from matplotlib.image import imread
from monai.handlers import TensorBoardStatsHandler
from monai.utils import optional_import

from ..reports.training_curves import VALIDATION

logger = logging.getLogger(__name__)
SummaryWriter, has_tensorboard = optional_import("torch.utils.tensorboard", name="SummaryWriter")


class TensorBoardLog(TensorBoardStatsHandler):
    """`monai.handlers.TensorBoardStatsHandler` for what `TrainingLog` logs of each epoch, and pictures.

    MONAI's own writing would read the loss in every iteration, which makes a GPU wait, and knows no values per class.
    Every step is an epoch. Only the first process writes. Events that cannot be written, or a missing package
    `tensorboard`, cost a warning, not the run.

    Args:
        log_dir: folder of the events; see `ContinuedEvents` for what becomes of events in it.
        pictures: name to the picture file that a validation draws, such as the case gallery.
    """

    def __init__(self, log_dir: str | Path, pictures: Mapping[str, str | Path] | None = None) -> None:
        events: Any = ContinuedEvents(log_dir)
        super().__init__(summary_writer=events, iteration_log=False, epoch_event_writer=self.write_epoch)
        self.pictures = {name: Path(file) for name, file in (pictures or {}).items()}
        self.events = events

    def attach(self, engine: Engine) -> None:
        """Write when epochs of `engine` end; attach it after the validation and `TrainingLog`."""
        if not has_tensorboard:
            logger.warning("no TensorBoard events: pip install tensorboard, or pass --tensorboard false to do without")
            return
        super().attach(engine)
        engine.add_event_handler(Events.COMPLETED, self.close)

    def write_epoch(self, engine: Any, events: ContinuedEvents) -> None:
        """Write the numbers of the epoch, and the pictures if it was validated."""
        numbers: dict[str, float] = getattr(engine.state, "epoch_log", {})
        if not numbers:
            return
        step = engine.state.epoch
        try:
            for name, value in numbers.items():
                if math.isfinite(value):
                    events.add_scalar(name, value, step)
            if any(name.startswith(VALIDATION) for name in numbers):
                for name, file in self.pictures.items():
                    if file.is_file():
                        events.add_picture(name, imread(file), step)
            events.flush()
        except (OSError, SyntaxError) as error:  # the latter of a picture that was not written whole
            logger.warning("%s: not written (%s)", events.folder, error)

    def close(self) -> None:
        """End the file of events."""
        try:
            self.events.close()
        except OSError as error:
            logger.warning("%s: not written (%s)", self.events.folder, error)


class ContinuedEvents:
    """The events of a training in one folder, also if it is interrupted and goes on.

    Opened with the first value, whose step is where the training stands. From step 1 on it is a new one: what is in
    the folder moves to `FOLDER.previous`. From a later step on, TensorBoard shows nothing of an earlier
    session from that step on: it was overtaken by the resume.

    Args:
        folder: where the files of events go.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self._writer: Any = None

    def add_scalar(self, name: str, value: float, step: int) -> None:
        """Add one number."""
        self._open(step).add_scalar(name, value, step)

    def add_picture(self, name: str, pixels: np.ndarray, step: int) -> None:
        """Add a picture (height, width, channels), floats in 0..1 or bytes."""
        self._open(step).add_image(name, pixels, step, dataformats="HWC")

    def flush(self) -> None:
        """Bring to the disk what was added."""
        if self._writer is not None:
            self._writer.flush()

    def close(self) -> None:
        """End the file; the next value begins another."""
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()

    def _open(self, step: int) -> Any:
        if self._writer is None:
            if step <= 1 and self.folder.is_dir():
                previous = self.folder.with_name(f"{self.folder.name}.previous")
                shutil.rmtree(previous, ignore_errors=True)
                self.folder.replace(previous)
            self._writer = SummaryWriter(str(self.folder), purge_step=step)
        return self._writer
