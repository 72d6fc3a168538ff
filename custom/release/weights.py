"""Which trained weights a release carries, and that they say where they come from."""

from __future__ import annotations

import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from monai.bundle import ConfigParser

from ..errors import InputError

MODEL = "models/model.pt"
NONE = "none"
ORIGIN = "origin"  # the entry of eval_metrics that says what the weights were trained on
# statistics that images are normalised with, and the settings of the training: inference reads both beside the weights
BESIDE = ("intensity.json", "training.json")


def parse_weights(weights: str | Sequence[str], bundles: Sequence[str]) -> dict[str, Path | None]:
    """Bundle -> the file to release as its models/model.pt, None for none, from NAME=FILE, NAME=none.

    Raises:
        InputError: something else was given, or a bundle that is not released, or a file that is not there.
    """
    given = [weights] if isinstance(weights, str) else list(weights)
    found: dict[str, Path | None] = {}
    for entry in [part for text in given for part in str(text).split(",") if part]:
        name, _, file = entry.partition("=")
        if name not in bundles or not file:
            raise InputError(f"--weights {entry}: give NAME=FILE or NAME={NONE} with NAME one of {', '.join(bundles)}")
        if file != NONE and not Path(file).is_file():
            raise InputError(f"--weights {entry}: there is no file {file}")
        found[name] = None if file == NONE else Path(file)
    return found


def weights_contents(file: Path | None, root: Path, metadata: Mapping[str, Any]) -> dict[str, bytes]:
    """Path in the bundle -> content of the weights and of what inference reads beside them; nothing for None.

    Args:
        file: the weights.
        root: the bundle's folder.
        metadata: the bundle's.

    Raises:
        InputError: the metadata state no scores and origin, or the weights do not fit the network of inference.yaml.
    """
    if file is None:
        return {}
    metrics = metadata.get("eval_metrics") or {}
    if not str(metrics.get(ORIGIN, "")).strip() or len(metrics) < 2:
        raise InputError(
            f"{root / 'configs' / 'metadata.json'}: eval_metrics states no measured score with its `{ORIGIN}` (data "
            f"and training of the weights) for {file}: state both, or pass --weights {root.name}={NONE}"
        )
    refuse_other_network(file, root)
    beside = [file.with_name(name) for name in BESIDE]
    return {MODEL: file.read_bytes()} | {f"models/{one.name}": one.read_bytes() for one in beside if one.is_file()}


def refuse_other_network(file: Path, root: Path) -> None:
    """Raise an `InputError` unless the file is a flat dictionary of tensors that fits network_def of inference.yaml."""
    parser = ConfigParser()
    parser.read_config(str(root / "configs" / "inference.yaml"))
    try:
        tensors = torch.load(file, map_location="cpu", weights_only=True)
        parser.get_parsed_content("network_def").load_state_dict(tensors)
    except (RuntimeError, EOFError, AttributeError, TypeError, pickle.UnpicklingError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{file} does not hold the weights of {root.name}'s network: {reason}") from error
