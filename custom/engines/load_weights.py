"""Weights that must be there, and be those of a network."""

from pathlib import Path
from typing import Any

from ignite.engine import Events
from torch import nn

from ..errors import InputError
from ..io.torch_file import load_tensors
from ..plans import PLAN_FILE
from .large_files import bundle_that_lists, download_command

TRAIN_FIRST = "train first, or pass the training's --ckpt_dir or --checkpoint FILE"


def load_fitting_weights(file: Path, network: nn.Module, remedy: str) -> None:
    """Load a flat dictionary of tensors from `file`, e.g. `models/model.pt`, into a network, strictly.

    MONAI's `CheckpointLoader` reports a wrong file as pages of layer names. An InputError says that the
    file is unreadable, or, ending with `remedy`, missing or of another network.
    """
    refuse_missing_weights(file, remedy)
    weights = load_tensors(file, "restore it, or pass other weights")
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        raise InputError(f"{file} does not fit the network ({first_layer(error)}): {remedy}") from error


def refuse_missing_weights(file: str | Path, remedy: str = TRAIN_FIRST) -> None:
    """Raise an `InputError` where there is no such file, with its download as the remedy where a release lists it."""
    if not Path(file).is_file():
        root = bundle_that_lists(Path(file))
        download = f"download them with `{download_command(root)}`" if root else ""
        raise InputError(f"no trained weights at {file}: {download or remedy}")


def first_layer(error: Exception) -> str:
    """What is wrong with the first layer, which says enough: the message is a heading and one line per layer."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[min(1, len(lines) - 1)].strip()[:200]


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
        refuse_missing_weights(self.file)
        plan = self.file.with_name(PLAN_FILE)
        of_another = f"the plan next to it, {plan}, is of another training"
        load_fitting_weights(self.file, self.network, of_another if plan.is_file() else "pass weights of this network")
