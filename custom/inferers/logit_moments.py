"""The distribution of a scan's foreground logits, by its first two moments, from parts of an image."""

from typing import NamedTuple

import torch


class MomentSums(NamedTuple):
    """Sums over the foreground of one class: voxels, logits (classes,), products of logits (classes, classes)."""

    voxels: int
    logits: list[float]
    products: list[list[float]]


class LogitMoments:
    """Sums over the voxels given each class of the foreground logits, less the background's, and of their products.

    Mean and covariance follow from them, so that nothing of the size of an image is kept. `sums` has those of each
    class that was given to some voxel: {class id: MomentSums}.
    """

    def __init__(self) -> None:
        self.totals: dict[int, torch.Tensor] = {}

    def add(self, scores: torch.Tensor, labels: torch.Tensor) -> None:
        """Take in the logits (classes, ...) of some voxels, background first, and the classes given to them (...)."""
        for class_id in labels.unique().tolist():
            if class_id:
                chosen = scores[:, labels == class_id].cpu().double()  # few voxels, also where MPS has no float64
                own = chosen[1:] - chosen[:1]
                # with a 1 in front of every voxel's logits, one product holds their number, sum and products
                augmented = torch.cat((torch.ones_like(own[:1]), own))
                self.totals[class_id] = self.totals.get(class_id, 0) + augmented @ augmented.T

    @property
    def sums(self) -> dict[int, MomentSums]:
        """What was added up, by class id."""
        return {
            class_id: MomentSums(round(float(total[0, 0])), total[0, 1:].tolist(), total[1:, 1:].tolist())
            for class_id, total in self.totals.items()
        }
