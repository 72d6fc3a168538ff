"""What the metrics take: maps of class ids."""

from __future__ import annotations

import torch

from ..errors import InputError


def check_class_ids(metric: str, prediction: torch.Tensor, truth: torch.Tensor) -> None:
    """Refuse batches other than (B, 1, *spatial). Raises InputError: naming the metric and the shape."""
    for what, ids in (("prediction", prediction), ("truth", truth)):
        if ids.shape[1] != 1:
            raise InputError(
                f"{metric}: {what} of shape {tuple(ids.shape[1:])} is not a map of class ids in one channel; "
                "leave AsDiscreted(to_onehot) out of the postprocessing"
            )
