import math

import numpy as np
import pytest
import torch
from monai.data import MetaTensor, decollate_batch, list_data_collate

from custom.metrics import FlareDice, FlareSurfaceDice, mean_over_classes
from custom.transforms import CopyToMetad

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


@pytest.mark.parametrize("metric", [FlareDice, FlareSurfaceDice])
def test_a_class_that_is_not_annotated_in_a_case_is_not_scored_in_it(metric):
    """The truth without it does not say that it is absent: found or not, the prediction is neither right nor wrong."""
    score = metric(num_classes=4)
    truth = torch.zeros(1, 6, 6, 6)
    truth[:, :3] = 1
    found = truth.clone()
    found[:, 4:] = 3
    whole = MetaTensor(truth, meta={"affine": torch.eye(4)})
    for annotated in ({"annotated": [1, 2]}, {}):  # the second: a complete label
        case = CopyToMetad("label", "annotated")({"label": whole.clone(), **annotated})
        (case,) = decollate_batch(list_data_collate([case]))  # as an engine hands it on
        for prediction in (found, truth):
            score([prediction], [case["label"]])
    np.testing.assert_array_equal(score.get_buffer().numpy(), [[1, 1, NAN], [1, 1, NAN], [1, 1, 0], [1, 1, 1]])
