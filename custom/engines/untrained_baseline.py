"""The score of the network before its first step, to be shown with the trained one."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from ignite.engine import Events

from ..io.atomic_write import write_json
from ..processes import is_first


class UntrainedBaseline:
    """Validate the untrained network and write its mean Dice per class to a JSON file.

    Args:
        evaluator: a MONAI evaluator with details (cases, classes) of its metric "dice", nan where a class is absent.
        file: where the scores go: {"untrained network": {class: Dice}}.
    """

    def __init__(self, evaluator: Any, file: str, class_names: Sequence[str]) -> None:
        self.evaluator = evaluator
        self.file = Path(file)
        self.class_names = list(class_names)

    def attach(self, engine: Any) -> None:
        """Measure before the first epoch of `engine`, not when it resumes."""
        engine.add_event_handler(Events.EPOCH_STARTED(once=1), self)

    def __call__(self, _engine: Any) -> None:
        """Measure and write."""
        self.evaluator.run()
        self.evaluator.state.best_metric, self.evaluator.state.best_metric_epoch = -1, -1
        if is_first():
            means = torch.nanmean(self.evaluator.state.metric_details["dice"], dim=0).tolist()
            scores = [None if math.isnan(mean) else mean for mean in means]  # JSON knows no nan
            write_json(self.file, {"untrained network": dict(zip(self.class_names, scores, strict=True))})
