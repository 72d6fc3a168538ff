"""Lesions that are found, missed, invented and mistaken, in hand-built volumes."""

import numpy as np
import pytest
import torch

from custom.errors import InputError
from custom.metrics import LesionDetection, lesion_scores

NAN = float("nan")


def volume(**boxes: int) -> np.ndarray:
    """Cubes of 3 voxels at the places a to d of a volume, with the class given for each."""
    labels = np.zeros((5, 10, 20), np.uint8)
    for place, class_id in boxes.items():
        x = 5 * "abcd".index(place)
        labels[1:4, 1:4, x : x + 3] = class_id
    return labels


def scores(prediction, truth):
    return [list(one) for one in lesion_scores(prediction, truth, 3)]


@pytest.mark.parametrize(
    ("predicted", "true", "f1", "false", "wrong"),
    [
        ({"a": 1}, {"a": 1}, [1, NAN], [0, NAN], [0, NAN]),
        ({}, {"a": 1}, [0, NAN], [0, NAN], [NAN, NAN]),
        ({"b": 1}, {"a": 1}, [0, NAN], [1, NAN], [NAN, NAN]),
        ({"a": 1, "c": 1, "d": 2}, {"a": 1}, [2 / 3, NAN], [2, NAN], [0, NAN]),  # c is a false positive of class 1
        ({"a": 2}, {"a": 1}, [0, NAN], [0, NAN], [1, NAN]),  # at the right place under the wrong name
        ({"a": 2, "b": 1, "c": 2}, {"a": 1, "b": 1, "c": 2}, [2 / 3, 2 / 3], [0, 0], [0.5, 0]),
        ({"a": 1, "b": 2}, {}, [NAN, NAN], [2, 2], [NAN, NAN]),  # a healthy scan: all that is found is false
        ({}, {}, [NAN, NAN], [0, 0], [NAN, NAN]),
    ],
)
def test_by_hand(predicted, true, f1, false, wrong):
    np.testing.assert_allclose(scores(volume(**predicted), volume(**true)), [f1, false, wrong])


def test_a_sliver_does_not_find_a_lesion_but_is_not_false():
    truth, prediction = volume(a=1), volume()
    prediction[1, 1, 0:2] = 1  # 2 of 27 voxels
    assert lesion_scores(prediction, truth, 3).lesion_f1[0] == 0
    assert lesion_scores(prediction, truth, 3).false_components[0] == 0
    prediction[1, 1, 0:3] = 1  # 3 of 27: an IoU of 1/9
    assert lesion_scores(prediction, truth, 3).lesion_f1[0] == 1


def test_fragments_of_one_lesion_find_it_once():
    truth, prediction = volume(a=1), volume(a=1)
    prediction[2] = 0  # two halves
    assert lesion_scores(prediction, truth, 3).lesion_f1[0] == pytest.approx(2 / 3)


def test_one_component_over_two_lesions_finds_one():
    truth, prediction = volume(a=1, b=1), volume()
    prediction[1:4, 1:4, :8] = 1
    assert lesion_scores(prediction, truth, 3).lesion_f1[0] == pytest.approx(2 / 3)


def test_the_name_that_most_predicted_voxels_have_counts():
    truth, prediction = volume(a=1), volume(a=1)
    prediction[1:3, 1:4, :3] = 2  # two planes of three
    assert lesion_scores(prediction, truth, 3).wrong_type[0] == 1
    prediction[2, 1:4, :3] = 1
    assert lesion_scores(prediction, truth, 3).wrong_type[0] == 0


def test_lesions_that_touch_by_a_corner_are_one():
    truth = np.zeros((4, 4, 4), np.uint8)
    truth[1, 1, 1] = truth[2, 2, 2] = 1
    assert lesion_scores(truth, truth, 2).lesion_f1[0] == 1
    assert lesion_scores(np.where(np.arange(4) < 2, truth, 0), truth, 2).lesion_f1[0] == 1, "half of one lesion"


def test_the_metric_averages_over_the_cases_that_have_a_class():
    metric = LesionDetection(3, "false_components")
    for predicted, true in (({"b": 1}, {"a": 1}), ({"a": 1}, {"a": 1}), ({"a": 2, "c": 2, "d": 2}, {"a": 2})):
        maps = [torch.as_tensor(volume(**boxes))[None, None] for boxes in (predicted, true)]
        metric(*maps)
    assert metric.get_buffer().shape == (3, 2)
    assert float(metric.aggregate()) == pytest.approx((0.5 + 2) / 2)


def test_refused():
    with pytest.raises(InputError, match="score is 'f1'; use one of lesion_f1, false_components, wrong_type"):
        LesionDetection(3, "f1")
