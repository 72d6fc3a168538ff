"""What the metrics take: maps of class ids."""

import torch

from ..errors import InputError


def check_class_ids(metric: str, prediction: torch.Tensor, truth: torch.Tensor) -> None:
    """Refuse batches other than (B, 1, *spatial) of one shape. Raises InputError: naming the metric and the shape."""
    for what, ids in (("prediction", prediction), ("truth", truth)):
        if ids.shape[1] != 1:
            raise InputError(
                f"{metric}: {what} of shape {tuple(ids.shape[1:])} is not a map of class ids in one channel; "
                "leave AsDiscreted(to_onehot) out of the postprocessing"
            )
    if prediction.shape != truth.shape:
        shapes = f"prediction of shape {tuple(prediction.shape[1:])} and truth of shape {tuple(truth.shape[1:])}"
        raise InputError(f"{metric}: {shapes} are not on one grid; resample one onto the other")
