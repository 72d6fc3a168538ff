"""From per-case, per-class values to the one number papers print."""

import torch
from monai.metrics.utils import do_metric_reduction
from monai.utils import MetricReduction


def mean_over_classes(values: torch.Tensor) -> torch.Tensor:
    """The mean over classes of each class's mean over the cases that have it.

    Args:
        values: (cases, classes), nan where a case does not have the class.

    Returns:
        A scalar; a class that no case has is left out, and without any class at all it is nan.
    """
    per_class, cases = do_metric_reduction(values.clone(), MetricReduction.MEAN_BATCH)
    return per_class[cases > 0].mean()
