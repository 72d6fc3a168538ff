"""What is fitted to the cases of an evaluation: something of each is kept, and a file is written of all at the end."""

from typing import Any

from ignite.engine import Engine, Events

from ..errors import InputError
from ..processes import world_size


class FitToCases:
    """Base of handlers that fit a file's content to all cases of one run: `collect` each, then `write`.

    Args:
        file: written.
        inferer: has the `report` of the last case, see `StreamingSlidingWindowInferer`.
    """

    what = "this"  # is fitted, for messages

    def __init__(self, file: str, inferer: Any) -> None:
        self.file = file
        self.inferer = inferer
        self.cases: list[Any] = []  # None for a case that has nothing to fit to

    def attach(self, engine: Engine) -> None:
        """Follow every case of `engine`."""
        engine.add_event_handler(Events.STARTED, self.start)
        engine.add_event_handler(Events.ITERATION_COMPLETED, lambda of: self.cases.append(self.collect(of)))
        engine.add_event_handler(Events.COMPLETED, self.write)

    def keep_first(self, cases: int) -> None:
        """Forget all cases but the first."""
        del self.cases[cases:]

    def start(self, _: Engine) -> None:
        """Forget what there is. Raises `InputError` with several processes, each of which has a part of the cases."""
        if world_size() > 1:
            raise InputError(f"{self.what} is fitted by one process: run this without torchrun")
        self.cases = []

    def collect(self, engine: Any) -> Any:
        """What is kept of the case that the engine has just predicted."""
        raise NotImplementedError

    def write(self, _: Engine) -> None:
        """Write the file. Raises `InputError` where the cases do not suffice."""
        raise NotImplementedError
