"""Trained weights for evaluation and inference."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ignite.engine import Events
from torch import nn

from .fitting_weights import load_fitting_weights, refuse_missing_weights
from .training_checkpoint import SETTINGS_FILE, refuse_other_settings


class LoadWeights:
    """Load a flat dictionary of tensors into a network when an engine starts.

    Args:
        file: e.g. `models/model.pt`.
        network: takes the weights, strictly.
        settings: where given, they must equal those in `training.json` beside the weights, if that is there: scores on
            another fold would be scores on training cases.
    """

    def __init__(self, file: str, network: nn.Module, settings: Mapping[str, Any] | None = None) -> None:
        self.file = Path(file)
        self.network = network
        self.settings = dict(settings or {})

    def attach(self, engine: Any) -> None:
        """Load before `engine` runs."""
        engine.add_event_handler(Events.STARTED, self)

    def __call__(self, _engine: Any) -> None:
        """Load the weights.

        Raises:
            InputError: the file is missing, unreadable, of another network or trained with other settings.
        """
        refuse_missing_weights(self.file, "train first (same overlays, same --ckpt_dir) or pass --checkpoint FILE")
        trained = self.file.with_name(SETTINGS_FILE)
        if self.settings and trained.is_file():
            refuse_other_settings(self.file, json.loads(trained.read_text(encoding="utf-8")), self.settings)
        load_fitting_weights(
            self.file, self.network, "pass the overlays it was trained with, or another file as --checkpoint"
        )
