"""Trained weights for evaluation and inference."""

from __future__ import annotations

import json
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from ignite.engine import Events
from torch import nn

from ..errors import InputError
from .training_checkpoint import SETTINGS_FILE, refuse_other_settings


class LoadWeights:
    """Load a flat dictionary of tensors into a network when an engine starts.

    MONAI's `CheckpointLoader` reports a wrong file as pages of layer names.

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
        if not self.file.is_file():
            raise InputError(
                f"no trained weights at {self.file}: train first (same overlays, same --ckpt_dir) "
                "or pass --checkpoint FILE"
            )
        trained = self.file.with_name(SETTINGS_FILE)
        if self.settings and trained.is_file():
            refuse_other_settings(self.file, json.loads(trained.read_text(encoding="utf-8")), self.settings)
        try:
            weights = torch.load(self.file, map_location="cpu", weights_only=True)
        except (RuntimeError, EOFError, pickle.UnpicklingError) as error:
            raise InputError(
                f"{self.file} cannot be read as weights: train again or pass another --checkpoint"
            ) from error
        try:
            self.network.load_state_dict(weights)
        except RuntimeError as error:
            # the message is a heading and one line per layer: the first layer says enough
            reason = str(error).strip().splitlines()[1].strip()[:200]
            raise InputError(
                f"{self.file} does not fit the network ({reason}): pass the overlays it was trained with"
            ) from error
