"""Progress bars over whole runs."""

import sys
from typing import Any

from ignite.engine import Events
from tqdm import tqdm

from ..processes import is_first

REFRESH = 10  # iterations between two readings of the loss: reading one waits for the GPU


class Progress:
    """One bar over all iterations of an engine's run, with the epoch and the loss of a trainer.

    ignite's `ProgressBar` restarts every epoch and never shows when a training of a thousand epochs will end.
    Shown by the first process only; in a log file one line every half minute.
    """

    def __init__(self, description: str) -> None:
        self.description = description.strip()  # the name of a run may be empty
        self.bar: tqdm | None = None

    def attach(self, engine: Any) -> None:
        """Follow every iteration of `engine`."""
        engine.add_event_handler(Events.EPOCH_STARTED, self.open)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self.step)
        engine.add_event_handler(Events.COMPLETED | Events.TERMINATE, self.close)
        engine.add_event_handler(Events.EXCEPTION_RAISED, self.close_and_raise)

    def open(self, engine: Any) -> None:
        """Start the bar, where a resumed run or a single evaluation stands."""
        if self.bar is not None or not is_first():
            return
        length, first = engine.state.epoch_length, engine.state.epoch - 1
        evaluates = not hasattr(engine, "optimizer")
        self.bar = tqdm(
            total=length if evaluates else engine.state.max_epochs * length,
            initial=0 if evaluates else first * length,
            desc=self.description,
            unit="case" if evaluates else "it",
            mininterval=0.5 if sys.stderr.isatty() else 30,
            dynamic_ncols=True,
        )

    def step(self, engine: Any) -> None:
        """One iteration more."""
        if self.bar is None:
            return
        if hasattr(engine, "optimizer") and engine.state.iteration % REFRESH == 1:
            loss = float(engine.state.output["loss"].detach())
            self.bar.set_postfix_str(
                f"epoch {engine.state.epoch}/{engine.state.max_epochs}, loss {loss:.3f}", refresh=False
            )
        self.bar.update()

    def close(self, _engine: Any) -> None:
        """End the bar."""
        if self.bar is not None:
            self.bar.close()
            self.bar = None

    def close_and_raise(self, engine: Any, error: BaseException) -> None:
        """End the bar before the error is shown."""
        self.close(engine)
        raise error
