"""How strongly each term of the loss pulls at the shared features, and weights that let all pull equally."""

import math
from collections.abc import Sequence
from typing import Any

import ignite.distributed as idist
import torch
from monai.engines.utils import IterationEvents
from monai.utils import CommonKeys

from ..losses import JointLoss, TypeLoss
from ..losses.segmentation_and_distance import SEGMENTATION
from ..processes import world_size

# the boundary-aware term's gradient, a hundredth of the segmentation's, all but vanishes on patches without foreground,
# where a weight without limit would make noise of it
LARGEST_WEIGHT = 1000.0


class GradientNorms:
    """Gradient norm of each term of a loss such as `JointLoss` in `engine.state.gradient_norms`, once an epoch.

    BATseg's distance term fades quadratically near its optimum, so what it contributes is measured, not assumed. One
    extra backward pass per term through those parameters, on the first batch of an epoch, whose shares in several
    processes are averaged. All terms share the `parameters`, e.g. `networks.shared_parameters(network)`.

    Where the loss has terms whose weight is "balanced", the norms are measured for every batch, and each such term gets
    the weight with which its gradient is as long as the segmentation's, 1000 at most. It depends on the batch alone: a
    training that resumes goes on with the same weights.
    """

    def __init__(self, loss: JointLoss | TypeLoss, parameters: Sequence[torch.nn.Parameter]) -> None:
        self.loss = loss
        self.parameters = list(parameters)

    def attach(self, engine: Any) -> None:
        """Measure between the loss and its backward pass."""
        engine.add_event_handler(IterationEvents.LOSS_COMPLETED, self)

    def __call__(self, engine: Any) -> None:
        """Measure on the first batch of an epoch, or where weights are balanced on every batch, whose loss changes."""
        first = (engine.state.iteration - 1) % engine.state.epoch_length == 0
        loss: Any = self.loss
        balanced = getattr(loss, "balanced", [])  # a classifier's has one term
        if not first and not balanced:
            return
        # under float16 the boundary-aware gradient of a voxel would round to 0
        scaler = getattr(engine, "scaler", None)
        scale = float(scaler.get_scale()) if scaler is not None and scaler.is_enabled() else 1.0
        norms = {name: gradient_norm(term, self.parameters, scale) for name, term in loss.terms.items()}
        if first:
            engine.state.gradient_norms = norms
        for name in balanced:
            loss.weights[name] = balancing_weight(norms[SEGMENTATION], norms[name])
        if balanced:
            engine.state.output[CommonKeys.LOSS] = loss.total()


def balancing_weight(wanted: float, norm: float) -> float:
    """The weight with which a gradient of `norm` is as long as `wanted`, 1000 at most; 1 where either is not finite.

    >>> balancing_weight(0.5, 0.01), balancing_weight(0.5, 0.0), balancing_weight(float("nan"), 0.1)
    (50.0, 1000.0, 1.0)
    """
    if not math.isfinite(wanted) or not math.isfinite(norm):
        return 1.0  # half precision overflowed: the scaler leaves this step out
    return min(wanted / norm, LARGEST_WEIGHT) if norm else LARGEST_WEIGHT


def gradient_norm(term: torch.Tensor, parameters: Sequence[torch.nn.Parameter], scale: float = 1.0) -> float:
    """L2 norm of d term / d parameters, averaged over processes; the graph is kept, `scale` is used on the way."""
    gradients = torch.autograd.grad(
        term * scale, parameters, retain_graph=True, allow_unused=True, materialize_grads=True
    )
    own = torch.cat([gradient.flatten() for gradient in gradients])
    total: torch.Tensor = idist.all_reduce(own)  # type: ignore[assignment]
    return float(total.norm()) / world_size() / scale
