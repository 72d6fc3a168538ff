"""A score of every case and class, averaged as papers do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from monai.metrics import CumulativeIterationMetric
from monai.metrics.utils import do_metric_reduction
from monai.utils import MetricReduction

from .class_maps import check_class_ids
from .reduction import mean_over_classes


class ClassMetric(CumulativeIterationMetric):
    """Scores kept as (cases, classes), nan where a case does not count for the class.

    Predictions and truths are class ids: lists of (1, *spatial) or batches (B, 1, *spatial).
    """

    def _scores(self, prediction: torch.Tensor, truth: torch.Tensor) -> np.ndarray | Sequence[float]:
        """A score per class of one case, class ids (*spatial)."""
        raise NotImplementedError

    def _compute_tensor(self, y_pred: torch.Tensor, y: torch.Tensor, **_: Any) -> torch.Tensor:  # type: ignore[override]
        check_class_ids(type(self).__name__, y_pred, y)
        rows = [self._scores(pred[0], truth[0]) for pred, truth in zip(y_pred, y, strict=True)]
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
