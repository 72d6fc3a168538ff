"""How strongly each term of the loss pulls at the shared features."""

from collections.abc import Sequence
from typing import Any

import ignite.distributed as idist
import torch
from monai.engines.utils import IterationEvents

from ..losses import JointLoss, TypeLoss
from ..processes import world_size


class GradientNorms:
    """Gradient norm of each term of a loss such as `JointLoss` in `engine.state.gradient_norms`, once an epoch.

    BATseg's distance term fades quadratically near its optimum, so what it contributes is measured, not assumed. One
    extra backward pass per term through those parameters, on the first batch of an epoch, whose shares in several
    processes are averaged. All terms share the `parameters`, e.g. `networks.shared_parameters(network)`.
    """

    def __init__(self, loss: JointLoss | TypeLoss, parameters: Sequence[torch.nn.Parameter]) -> None:
        self.loss = loss
        self.parameters = list(parameters)

    def attach(self, engine: Any) -> None:
        """Measure between the loss and its backward pass."""
        engine.add_event_handler(IterationEvents.LOSS_COMPLETED, self)

    def __call__(self, engine: Any) -> None:
        """Measure on the first batch of an epoch."""
        if (engine.state.iteration - 1) % engine.state.epoch_length:
            return
        engine.state.gradient_norms = {
            name: gradient_norm(term, self.parameters) for name, term in self.loss.terms.items()
        }


def gradient_norm(term: torch.Tensor, parameters: Sequence[torch.nn.Parameter]) -> float:
    """L2 norm of d term / d parameters, averaged over processes; the graph is kept."""
    gradients = torch.autograd.grad(term, parameters, retain_graph=True, allow_unused=True, materialize_grads=True)
    own = torch.cat([gradient.flatten() for gradient in gradients])
    total: torch.Tensor = idist.all_reduce(own)  # type: ignore[assignment]
    return float(total.norm()) / world_size()
