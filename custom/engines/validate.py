"""When a training is validated."""

from typing import Any

from ignite.engine import Events
from monai.handlers import ValidationHandler


class ValidateAtInterval(ValidationHandler):
    """`monai.handlers.ValidationHandler` that also validates the last epoch, whose weights are the ones to report."""

    def attach(self, engine: Any) -> None:
        """Validate when epochs of `engine` end."""

        def due(trainer: Any, epoch: int) -> bool:
            return epoch % self.interval == 0 or epoch == trainer.state.max_epochs

        engine.add_event_handler(Events.EPOCH_COMPLETED(event_filter=due), self)


class StopAfterEpoch:
    """End this session of a training early, as if interrupted; a resumed one follows the same schedule.

    With 0 or None it does not stop.
    """

    def __init__(self, epoch: int | None) -> None:
        self.epoch = epoch

    def attach(self, engine: Any) -> None:
        """Stop `engine` when the epoch ends; attach it before `TrainingCheckpoint`, which then saves this epoch."""
        if self.epoch:
            engine.add_event_handler(Events.EPOCH_COMPLETED, self)
            engine.add_event_handler(Events.EPOCH_STARTED, self.resumed)

    def __call__(self, engine: Any) -> None:
        """Stop after the chosen epoch."""
        if engine.state.epoch == self.epoch:
            engine.terminate()

    def resumed(self, engine: Any) -> None:
        """Stop before an epoch beyond the chosen one: the training was resumed from there."""
        if self.epoch and engine.state.epoch > self.epoch:
            engine.state.epoch -= 1  # of which nothing is done
            engine.terminate()
