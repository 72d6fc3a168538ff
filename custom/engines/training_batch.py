"""What a training batch holds for the network and for the loss."""

from collections.abc import Mapping
from typing import Any

import torch

TARGETS = ("label", "surface_distance", "annotated", "type")


def prepare_training_batch(
    batch: Mapping[str, torch.Tensor], device: str | torch.device | None = None, non_blocking: bool = False, **to: Any
) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """The image (batch, channels, *spatial) and the targets present in the batch, on the device.

    MONAI's `PrepareBatchExtraInput` hands extra keys to the network; the distance field and the annotated
    classes belong to the loss.
    """
    targets = {key: batch[key].to(device=device, non_blocking=non_blocking, **to) for key in TARGETS if key in batch}
    return batch["image"].to(device=device, non_blocking=non_blocking, **to), targets
