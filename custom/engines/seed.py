"""Equal weights from equal seeds."""

from typing import Any

import torch
from ignite.engine import Events
from monai.utils import set_determinism

from ..processes import rank

PROCESSES = 1 << 16  # a seed of its own for each process of an epoch


def set_seed(seed: int, deterministic: bool = True) -> None:
    """Seed the network's initial weights; with `deterministic`, cuDNN computes the same values every time."""
    set_determinism(seed=seed)
    if not deterministic:
        torch.backends.cudnn.deterministic = False
        torch.backends.cudnn.benchmark = True


class EpochSeed:
    """Seed what a network itself draws, such as dropout, from the epoch's number: a resumed training draws the same.

    Patches and their augmentation have seeds of their own, by their numbers.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def attach(self, engine: Any) -> None:
        """Seed at the start of each epoch of `engine`."""
        engine.add_event_handler(Events.EPOCH_STARTED, self)

    def __call__(self, engine: Any) -> None:
        """Each process draws other numbers."""
        torch.manual_seed(hash((self.seed, engine.state.epoch * PROCESSES + rank())) % (1 << 63))
