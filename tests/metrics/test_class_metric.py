import math

import torch

from custom.metrics import mean_over_classes

NAN = float("nan")


def test_classes_weigh_the_same_however_many_cases_they_have():
    values = torch.tensor([[1.0, NAN], [1.0, NAN], [1.0, NAN], [NAN, 0.0]])
    assert mean_over_classes(values).item() == 0.5


def test_a_class_no_case_has_is_left_out():
    values = torch.tensor([[0.6, NAN, 0.2], [0.8, NAN, NAN]])
    assert math.isclose(mean_over_classes(values).item(), (0.7 + 0.2) / 2, rel_tol=1e-6)


def test_without_any_class_the_mean_is_nan_and_the_values_are_untouched():
    values = torch.full((2, 3), NAN)
    assert mean_over_classes(values).isnan()
    assert values.isnan().all()
