"""Dice averaged as the paper does: over the patients that have a class, then over the classes."""

import torch
from monai.metrics import DiceMetric
from monai.utils import MetricReduction

from .class_metric import mean_over_classes


class ClassMeanDice(DiceMetric):
    """MONAI's Dice of each case and class (nan where the case lacks the class), averaged class by class.

    MONAI's own "mean" averages the classes of each patient first and then the patients, so that a frequent tumour
    type outweighs a rare one; "mean_batch" has the right order but scores a class that no patient has as 0.

    Predictions and truths are class ids: lists of (1, *spatial) or batches (B, 1, *spatial).

    The background is one of `num_classes` but not scored. In an evaluator:
    `monai.handlers.IgniteMetricHandler(metric_fn=ClassMeanDice(num_classes=5), ...)`.
    """

    def __init__(self, num_classes: int) -> None:
        super().__init__(include_background=False, reduction=MetricReduction.MEAN_BATCH, num_classes=num_classes)

    def aggregate(
        self, reduction: MetricReduction | str | None = None
    ) -> torch.Tensor | tuple[torch.Tensor, torch.Tensor]:
        """The mean over classes of the class means, a scalar; with `reduction`, MONAI's reduction of that name."""
        values = self.get_buffer()
        if reduction is not None or not isinstance(values, torch.Tensor):
            return super().aggregate(reduction)
        return mean_over_classes(values)
