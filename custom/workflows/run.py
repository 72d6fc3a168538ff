"""One run of a chain: a training, a prediction, an evaluation, a stage of a recipe."""

import shutil
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from .record import RunFolder


class Run(ABC):
    """What a `Chain` asks of a run. With torchrun `execute` is called on all ranks, everything else on rank 0.

    Attributes:
        name: unique in the chain.
        needs: names of the earlier runs that its result follows from.
        folder: where it writes.
        shares: names of earlier runs of which some parts are also its own; it begins its parts after theirs.
    """

    name: str
    needs: Sequence[str]
    folder: RunFolder
    shares: Sequence[str] = ()

    @abstractmethod
    def inputs(self) -> dict[str, Any]:
        """Everything else that the result follows from, as JSON: a run with other inputs is another run."""

    @abstractmethod
    def execute(self) -> None:
        """Do what is left. It may be killed at any moment, and is then called again in another process."""

    def parts(self) -> list[str]:
        """What is left of it that several processes may do at once, before `execute`; the runs it needs are done."""
        return []

    def is_part_done(self, part: str) -> bool:
        """Whether nothing of a part is left."""
        return part not in self.parts()

    def execute_part(self, part: str) -> None:
        """Do what is left of one part; as `execute`."""
        raise NotImplementedError(part)

    def description(self) -> dict[str, Any]:
        """What the record says from the beginning, as JSON."""
        return {}

    def result(self) -> dict[str, Any]:
        """What the record says at the end, as JSON."""
        return {}

    def clean(self) -> None:
        """Delete what a finished run needs no more: its prepared cases."""
        shutil.rmtree(self.folder.cache, ignore_errors=True)
