"""A further loss of the finest logits next to Dice + cross-entropy: for comparison with the distance head's."""

import torch
from monai.losses import BoundaryLoss, HausdorffDTLoss
from torch import nn

from ..errors import InputError
from .component_dice import ComponentDiceCELoss

NONE = "none"
EXTRA_LOSSES = (NONE, "hausdorff", "boundary", "components")


class FloatLoss(nn.Module):
    """A loss in single precision whatever the autocast: squares of distances overflow in half precision."""

    def __init__(self, loss: nn.Module) -> None:
        super().__init__()
        self.loss = loss

    def forward(self, logits: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
        """The loss, a scalar, of logits (batch, classes, *spatial) and class ids (batch, 1, *spatial)."""
        with torch.autocast(logits.device.type, enabled=False):
            loss: torch.Tensor = self.loss(logits.float(), label.float())
            return loss


def extra_loss(name: str) -> nn.Module | None:
    """A loss by its name; None for "none". Distances are in voxels.

    "hausdorff": MONAI's `HausdorffDTLoss` (Karimi 2019); "boundary": MONAI's `BoundaryLoss` (Kervadec 2019), which may
    be negative; "components": `ComponentDiceCELoss`. Raises InputError: there is none of that name.
    """
    options = {"include_background": False, "softmax": True, "to_onehot_y": True}
    if name not in EXTRA_LOSSES:
        raise InputError(f"extra_loss is {name!r}; use one of {', '.join(EXTRA_LOSSES)}")
    if name == "components":
        return ComponentDiceCELoss()
    kinds = {"hausdorff": HausdorffDTLoss, "boundary": BoundaryLoss}
    return FloatLoss(kinds[name](**options)) if name in kinds else None
