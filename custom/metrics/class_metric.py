"""A score of every case and class, averaged as papers do."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from monai.metrics import CumulativeIterationMetric
from monai.metrics.utils import do_metric_reduction
from monai.utils import MetricReduction

from ..errors import InputError

ANNOTATED = "annotated"  # in a truth's metadata: the ids of the classes that were looked for, of partly annotated cases


class ClassMetric(CumulativeIterationMetric):
    """Scores kept as (cases, classes), nan where a case does not count for the class.

    Predictions and truths are class ids: lists of (1, *spatial) or batches (B, 1, *spatial). A case does not count for
    classes that are not annotated in it: a truth without them does not say that they are absent.
    """

    def _scores(self, prediction: torch.Tensor, truth: torch.Tensor) -> np.ndarray | Sequence[float]:
        """A score per class of one case, class ids (*spatial)."""
        raise NotImplementedError

    def _compute_tensor(self, y_pred: torch.Tensor, y: torch.Tensor, **_: Any) -> torch.Tensor:  # type: ignore[override]
        check_class_ids(type(self).__name__, y_pred, y)
        rows = [only_annotated(self._scores(pred[0], truth[0]), truth) for pred, truth in zip(y_pred, y, strict=True)]
        return torch.as_tensor(np.stack(rows), dtype=torch.float32, device=y_pred.device)

    def aggregate(self, reduction: MetricReduction | str | None = None) -> torch.Tensor:
        """The mean over classes of the class means so far, a scalar; or MONAI's reduction of that name.

        Raises:
            ValueError: before the first case.
        """
        values = self.get_buffer()
        if not isinstance(values, torch.Tensor):
            raise ValueError(f"{type(self).__name__}: no case has been evaluated yet")
        return mean_over_classes(values) if reduction is None else do_metric_reduction(values, reduction)[0]


def only_annotated(scores: np.ndarray | Sequence[float], truth: torch.Tensor) -> np.ndarray:
    """The scores of the classes 1 to K, nan where the metadata of the truth leave the class out of `ANNOTATED`."""
    row = np.array(scores, dtype=np.float64)
    annotated = getattr(truth, "meta", {}).get(ANNOTATED)
    if annotated is not None:
        row[~np.isin(np.arange(1, len(row) + 1), [int(class_id) for class_id in annotated])] = np.nan
    return row


def mean_over_classes(values: torch.Tensor) -> torch.Tensor:
    """The mean over classes of each class's mean over the cases that have it.

    Args:
        values: (cases, classes), nan where a case does not have the class.

    Returns:
        A scalar; a class that no case has is left out, and without any class at all it is nan.
    """
    per_class, cases = do_metric_reduction(values.clone(), MetricReduction.MEAN_BATCH)
    return per_class[cases > 0].mean()


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
