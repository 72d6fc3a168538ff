"""BATseg's joint loss: segmentation at every scale and the distance field at the finest."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from .boundary_aware import BoundaryAwareLoss


class JointLoss(nn.Module):
    """Cross-entropy + Dice + boundary-aware loss (BATseg, Eq. 4).

    The last forward's terms, unweighted scalars still in the graph, are in `terms` ("segmentation", "boundary_aware"):
    the boundary-aware term is small (1e-3 to 1e-2) compared to the others, so what it contributes is worth logging.

    Args:
        segmentation: loss of the logits, or of the list of native-scale logits, against the label; usually
            `monai.losses.DeepSupervisionLoss` around `DiceCELoss`.
        boundary_aware: loss of the field; None where the network has no distance head.
        weight: weight of the boundary-aware term, 1 in the paper.
    """

    def __init__(
        self, segmentation: nn.Module, boundary_aware: BoundaryAwareLoss | None = None, weight: float = 1.0
    ) -> None:
        super().__init__()
        self.segmentation = segmentation
        self.boundary_aware = boundary_aware
        self.weight = weight
        self.terms: dict[str, torch.Tensor] = {}

    def forward(self, prediction: Any, target: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """The weighted sum of the terms, a scalar.

        Args:
            prediction: (logits or list of logits, field) from a network with a distance head, else the logits alone.
            target: "label" (batch, 1, *spatial) and, with a distance head, "surface_distance" of the field's shape.
        """
        if self.boundary_aware is None:
            self.terms = {"segmentation": self.segmentation(prediction, target["label"])}
            return self.terms["segmentation"]
        logits, field = prediction
        self.terms = {
            "segmentation": self.segmentation(logits, target["label"]),
            "boundary_aware": self.boundary_aware(field, target["surface_distance"]),
        }
        return self.terms["segmentation"] + self.weight * self.terms["boundary_aware"]
