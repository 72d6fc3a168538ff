"""Trained weights for evaluation and inference."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ignite.engine import Events
from torch import nn

from ..plans import PLAN_FILE
from .fitting_weights import load_fitting_weights, refuse_missing_weights


class LoadWeights:
    """Load a flat dictionary of tensors into a network when an engine starts.

    Args:
        file: e.g. `models/model.pt`.
        network: takes the weights, strictly.
    """

    def __init__(self, file: str, network: nn.Module) -> None:
        self.file = Path(file)
        self.network = network

    def attach(self, engine: Any) -> None:
        """Load before `engine` runs."""
        engine.add_event_handler(Events.STARTED, self)

    def __call__(self, _engine: Any) -> None:
        """Load the weights. Raises InputError: the file is missing, unreadable or of another network."""
        refuse_missing_weights(self.file, "train first, or pass the training's --ckpt_dir or --checkpoint FILE")
        plan = self.file.with_name(PLAN_FILE)
        of_another = f"the plan next to it, {plan}, is of another training"
        load_fitting_weights(self.file, self.network, of_another if plan.is_file() else "pass weights of this network")
