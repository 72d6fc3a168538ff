"""BATseg's joint loss: segmentation at every scale and the distance field at the finest, and what else is tried."""

from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import nn

from .boundary_aware import BoundaryAwareLoss

SEGMENTATION, BOUNDARY_AWARE, EXTRA = "segmentation", "boundary_aware", "extra"
BALANCED = "balanced"
Weight = float | Literal["balanced"]


class JointLoss(nn.Module):
    """Cross-entropy + Dice + boundary-aware loss (BATseg, Eq. 4), and one more where it is given.

    The last forward's terms, unweighted scalars still in the graph, are in `terms` ("segmentation", "boundary_aware",
    "extra"): the boundary-aware term is small (1e-3 to 1e-2) compared to the others, so what it contributes is worth
    logging.

    Args:
        segmentation: loss of the logits, or of the list of native-scale logits, against the label; usually
            `monai.losses.DeepSupervisionLoss` around `DiceCELoss`.
        boundary_aware: loss of the field; None where the network has no distance head.
        weight: weight of the boundary-aware term, 1 in the paper. "balanced": 1 until someone sets `weights`, as
            `custom.engines.GradientNorms` does for every batch.
        extra: loss of the finest logits against the label, see `extra_loss`.
        extra_weight: its weight, likewise.
    """

    def __init__(
        self,
        segmentation: nn.Module,
        boundary_aware: BoundaryAwareLoss | None = None,
        weight: Weight = 1.0,
        extra: nn.Module | None = None,
        extra_weight: Weight = 1.0,
    ) -> None:
        super().__init__()
        self.segmentation = segmentation
        self.boundary_aware = boundary_aware
        self.extra = extra
        given = {BOUNDARY_AWARE: (boundary_aware, weight), EXTRA: (extra, extra_weight)}
        self.balanced = [name for name, (loss, one) in given.items() if loss is not None and one == BALANCED]
        self.weights = {name: 1.0 if one == BALANCED else float(one) for name, (_, one) in given.items()}
        self.terms: dict[str, torch.Tensor] = {}

    def forward(self, prediction: Any, target: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """The weighted sum of the terms, a scalar.

        Args:
            prediction: (logits or list of logits, field) from a network with a distance head, else the logits alone.
            target: "label" (batch, 1, *spatial) and, with a distance head, "surface_distance" of the field's shape.
        """
        logits, field = (prediction, None) if self.boundary_aware is None else prediction
        self.terms = {SEGMENTATION: self.segmentation(logits, target["label"])}
        if self.boundary_aware is not None:
            self.terms[BOUNDARY_AWARE] = self.boundary_aware(field, target["surface_distance"])
        if self.extra is not None:
            finest = logits if isinstance(logits, torch.Tensor) else logits[0]
            self.terms[EXTRA] = self.extra(finest, target["label"])
        return self.total()

    def total(self) -> torch.Tensor:
        """The sum of the last forward's terms under the weights as they are now."""
        total = self.terms[SEGMENTATION]
        for name, term in self.terms.items():
            if name != SEGMENTATION:
                total = total + self.weights[name] * term
        return total
