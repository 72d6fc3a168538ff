"""Weights that must be there, and be those of a network."""

from __future__ import annotations

import pickle
from pathlib import Path

import torch
from torch import nn

from ..errors import InputError
from .large_files import bundle_that_lists, download_command


def load_fitting_weights(file: Path, network: nn.Module, remedy: str) -> None:
    """Load a flat dictionary of tensors into a network, strictly.

    MONAI's `CheckpointLoader` reports a wrong file as pages of layer names.

    Args:
        file: e.g. `models/model.pt`.
        network: takes the weights.
        remedy: what to do about wrong ones, at the end of the message.

    Raises:
        InputError: the file is missing, unreadable or of another network.
    """
    refuse_missing_weights(file, remedy)
    try:
        weights = torch.load(file, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, LookupError, pickle.UnpicklingError) as error:
        raise InputError(f"{file} cannot be read as weights: {remedy}") from error
    try:
        network.load_state_dict(weights)
    except (RuntimeError, AttributeError, TypeError) as error:
        raise InputError(f"{file} does not fit the network ({first_layer(error)}): {remedy}") from error


def refuse_missing_weights(file: Path, remedy: str) -> None:
    """Raise an `InputError` where there is no such file, with its download as the remedy where a release lists it."""
    if not file.is_file():
        root = bundle_that_lists(file)
        download = f"download them with `{download_command(root)}`" if root else ""
        raise InputError(f"no trained weights at {file}: {download or remedy}")


def first_layer(error: Exception) -> str:
    """What is wrong with the first layer, which says enough: the message is a heading and one line per layer."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[min(1, len(lines) - 1)].strip()[:200]
