"""The curves of a training and its pictures as TensorBoard events."""

import logging
import math
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ignite.engine import Engine, Events
from matplotlib.image import imread
from monai.utils import optional_import

from ..reports.training_curves import VALIDATION

logger = logging.getLogger(__name__)
SummaryWriter, has_tensorboard = optional_import("torch.utils.tensorboard", name="SummaryWriter")


class TensorBoardLog:
    """What `TrainingLog` logs of each epoch, and pictures, as events of which every step is an epoch.

    MONAI's `TensorBoardStatsHandler` would read the loss in every iteration, which makes a GPU wait, and knows no
    values per class. Only the first process writes. Events that cannot be written, or a missing package `tensorboard`,
    cost a warning, not the run.

    A training that begins moves what is in the folder to `FOLDER.previous`. One that resumes goes on there: TensorBoard
    shows nothing of an earlier session from that epoch on.

    Args:
        pictures: name to the picture file that a validation draws, such as the case gallery.
    """

    def __init__(self, log_dir: str | Path, pictures: Mapping[str, str | Path] | None = None) -> None:
        self.folder = Path(log_dir)
        self.pictures = {name: Path(file) for name, file in (pictures or {}).items()}
        self.writer: Any = None

    def attach(self, engine: Engine) -> None:
        """Write when epochs of `engine` end; attach it after the validation and `TrainingLog`."""
        if not has_tensorboard:
            logger.warning("no TensorBoard events: pip install tensorboard, or pass --tensorboard false to do without")
            return
        engine.add_event_handler(Events.EPOCH_COMPLETED, self.write_epoch)
        engine.add_event_handler(Events.COMPLETED, self.close)

    def write_epoch(self, engine: Any) -> None:
        """Write the numbers of the epoch, and the pictures if it was validated."""
        numbers: dict[str, float] = getattr(engine.state, "epoch_log", {})
        if not numbers:
            return
        step = engine.state.epoch
        try:
            if self.writer is None:
                self.open(step)
            for name, value in numbers.items():
                if math.isfinite(value):
                    self.writer.add_scalar(name, value, step)
            if any(name.startswith(VALIDATION) for name in numbers):
                for name, file in self.pictures.items():
                    if file.is_file():
                        self.writer.add_image(name, imread(file), step, dataformats="HWC")
            self.writer.flush()
        except (OSError, SyntaxError) as error:  # the latter of a picture that was not written whole
            logger.warning("%s: not written (%s)", self.folder, error)

    def open(self, step: int) -> None:
        """Begin a file of events at the epoch where the training stands."""
        if step <= 1 and self.folder.is_dir():
            previous = self.folder.with_name(f"{self.folder.name}.previous")
            shutil.rmtree(previous, ignore_errors=True)
            self.folder.replace(previous)
        self.writer = SummaryWriter(str(self.folder), purge_step=step)

    def close(self) -> None:
        """End the file of events."""
        writer, self.writer = self.writer, None
        try:
            if writer is not None:
                writer.close()
        except OSError as error:
            logger.warning("%s: not written (%s)", self.folder, error)
