"""Cross-entropy of a scan's type."""

from collections.abc import Mapping

import torch
from torch import nn
from torch.nn import functional as F


class TypeLoss(nn.Module):
    """Cross-entropy between logits (batch, types) and the target's "type" (batch,), counted from 0; kept in `terms`."""

    def __init__(self) -> None:
        super().__init__()
        self.terms: dict[str, torch.Tensor] = {}

    def forward(self, logits: torch.Tensor, target: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """A scalar."""
        self.terms = {"type": F.cross_entropy(logits, target["type"])}
        return self.terms["type"]
