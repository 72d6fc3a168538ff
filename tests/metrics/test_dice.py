import pytest
import torch
from monai.handlers import MeanDice

from custom.metrics import ClassMeanDice


def ids(*classes):
    """A row of voxels with these labels, as (1, voxels, 1, 1)."""
    return torch.tensor(classes)[None, :, None, None]


# case: truth, prediction
TRUTH = [ids(1, 1, 0, 0), ids(1, 1, 0, 0), ids(2, 2, 1, 0)]
PRED = [ids(1, 1, 0, 0), ids(1, 0, 0, 2), ids(2, 0, 0, 0)]
# Dice of class 1: 1, 2/3, 0; of class 2: -, -, 2/3 (a false positive in a case without the class does not count)
EXPECTED = torch.tensor([[1, torch.nan], [2 / 3, torch.nan], [0, 2 / 3]])


def test_values_are_nan_where_the_case_lacks_the_class():
    metric = ClassMeanDice(3)
    metric(PRED, TRUTH)
    torch.testing.assert_close(metric.get_buffer(), EXPECTED, equal_nan=True)


def test_scalar_is_the_mean_over_classes_of_the_mean_over_cases():
    metric = ClassMeanDice(3)
    metric(PRED, TRUTH)
    assert metric.aggregate().item() == pytest.approx(((1 + 2 / 3 + 0) / 3 + 2 / 3) / 2)
    torch.testing.assert_close(metric.aggregate("mean_batch"), torch.tensor([5 / 9, 2 / 3]))


def test_monai_averages_within_patients_first():
    """The reason for the class: once this fails, MONAI's own metric will do."""
    metric = MeanDice(include_background=False, num_classes=3, save_details=False)
    metric.update((PRED, TRUTH))
    assert metric.compute() == pytest.approx((1 + 2 / 3 + (0 + 2 / 3) / 2) / 3)


def test_aggregate_before_any_case_fails():
    with pytest.raises(ValueError, match="aggregate"):
        ClassMeanDice(3).aggregate()
