"""Dice + cross-entropy on the voxels whose class is certain."""

from collections.abc import Sequence

import ignite.distributed as idist
import torch
import torch.nn.functional as F
from monai.losses import MaskedDiceLoss
from torch import nn

from ..errors import InputError
from ..ignore_index import IGNORE_INDEX
from ..processes import world_size

SMOOTH = 1e-5  # added to numerator and denominator of Dice


class IgnoringDiceCELoss(nn.Module):
    """nnU-Net's Dice + cross-entropy, for which voxels of one label value do not exist.

    Without such voxels it equals `monai.losses.DiceCELoss(include_background=False, softmax=True, to_onehot_y=True)`
    with the smoothing 1e-5. With them the cross-entropy is the mean over the other voxels, Dice leaves them out of
    every sum, and their logits get a gradient of exactly 0. Where every voxel is ignored the loss is 0.

    Args:
        batch: one Dice for the whole batch instead of one for each patch.
        class_weights: of the classes' voxels in the cross-entropy, background first; None: all weigh the same. Dice,
            which weighs classes instead of voxels already, has none.
    """

    def __init__(self, batch: bool = False, class_weights: Sequence[float] | None = None) -> None:
        super().__init__()
        self.class_weights = None if class_weights is None else torch.as_tensor(class_weights, dtype=torch.float32)
        # DiceCELoss has no ignore_index, and DiceLoss has one from MONAI 1.6.1 on only; the mask does the same
        self.dice = MaskedDiceLoss(
            include_background=False, softmax=True, to_onehot_y=True, smooth_nr=SMOOTH, smooth_dr=SMOOTH, batch=batch
        )

    def forward(self, logits: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
        """The loss, a scalar.

        Args:
            logits: (batch, classes, *spatial), background first.
            label: class ids or the ignored value (batch, 1, *spatial), of any dtype.

        Raises InputError: there are not as many weights as classes.
        """
        weights = self.class_weights
        if weights is not None and len(weights) != logits.shape[1]:
            numbers = f"{len(weights)} numbers for {logits.shape[1]} classes"
            raise InputError(f"class_weights are {numbers}; give one for each, the background's first")
        dice: torch.Tensor = self.dice(logits, label, mask=label != IGNORE_INDEX)
        return dice + mean_cross_entropy(logits, label[:, 0].long(), weights)


def mean_cross_entropy(logits: torch.Tensor, label: torch.Tensor, weights: torch.Tensor | None = None) -> torch.Tensor:
    """Cross-entropy of logits (batch, classes, *spatial) against ids (batch, *spatial), mean over the valid voxels.

    With `weights` (classes,) it is the mean weighted by that of each voxel's class. PyTorch's own mean is nan, with nan
    gradients, where no voxel is valid; here it is 0. Several processes, whose losses are averaged, all divide by the
    mean of their denominators, so that each voxel weighs as it does in one process.
    """
    valid = label != IGNORE_INDEX
    weights = None if weights is None else weights.to(logits)
    total = F.cross_entropy(logits, label, weights, ignore_index=IGNORE_INDEX, reduction="sum")
    own = valid.sum().to(total) if weights is None else weights[label[valid]].sum()
    every: torch.Tensor = idist.all_reduce(own.detach())  # type: ignore[assignment]
    return total / (every / world_size()).clamp(min=torch.finfo(total.dtype).tiny)
