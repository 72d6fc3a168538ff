"""How sure a prediction is of each class."""

import torch

MAX_CLASSES = 256


class ClassConfidence:
    """Mean of the largest probability over the voxels given each class, from parts of an image."""

    def __init__(self) -> None:
        self.voxels = torch.zeros(MAX_CLASSES, dtype=torch.float64)
        self.total = torch.zeros(MAX_CLASSES, dtype=torch.float64)

    def add(self, largest: torch.Tensor, labels: torch.Tensor) -> None:
        """Take in the largest probability of some voxels and the class ids it belongs to, of the same shape."""
        ids = labels.flatten().long()
        self.voxels += torch.bincount(ids, minlength=MAX_CLASSES).cpu()
        exact = torch.float32 if largest.device.type == "mps" else torch.float64  # which MPS does not have
        self.total += torch.bincount(ids, largest.flatten().to(exact), minlength=MAX_CLASSES).cpu()

    def means(self) -> dict[int, float]:
        """The mean of each foreground class that was given to some voxel."""
        pairs = enumerate(zip(self.total.tolist(), self.voxels.tolist(), strict=True))
        return {class_id: total / voxels for class_id, (total, voxels) in pairs if class_id and voxels}
