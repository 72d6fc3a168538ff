"""Gradient-norm clipping between the backward pass and the optimizer's step."""

from typing import Any

import torch
from monai.engines.utils import IterationEvents


class GradientClipping:
    """Clip the norm of all gradients of a MONAI trainer's network; MONAI's and ignite's handlers have none.

    `max_norm` is the largest L2 norm of all gradients together.
    """

    def __init__(self, max_norm: float = 12.0) -> None:
        self.max_norm = max_norm

    def attach(self, engine: Any) -> None:
        """Clip after every backward pass of `engine`."""
        engine.add_event_handler(IterationEvents.BACKWARD_COMPLETED, self)

    def __call__(self, engine: Any) -> None:
        """Clip in place, after undoing the loss scale of mixed precision."""
        if engine.amp and engine.scaler is not None:
            engine.scaler.unscale_(engine.optimizer)
        torch.nn.utils.clip_grad_norm_(engine.network.parameters(), self.max_norm)
