"""Ids of annotated classes to booleans, one per class."""

import pytest
import torch
from monai.data import list_data_collate

from custom.errors import InputError
from custom.transforms import AnnotatedClassesd


def test_ids_become_booleans_with_background_first_and_true():
    case = {"annotated": [3, 1], "image": 0}
    result = AnnotatedClassesd("annotated", num_classes=5)(case)
    assert result["annotated"].tolist() == [True, True, False, True, False]
    assert result["annotated"].dtype == torch.bool
    assert case["annotated"] == [3, 1]


def test_nothing_annotated_leaves_background():
    assert AnnotatedClassesd("annotated", num_classes=3)({"annotated": []})["annotated"].tolist() == [
        True,
        False,
        False,
    ]


def test_without_the_key_every_class_is_annotated():
    assert AnnotatedClassesd("annotated", num_classes=3)({"image": 0})["annotated"].tolist() == [True, True, True]


def test_cases_become_a_batch():
    transform = AnnotatedClassesd("annotated", num_classes=3)
    batch = list_data_collate([transform({"annotated": [2]}), transform({})])
    assert batch["annotated"].tolist() == [[True, False, True], [True, True, True]]


@pytest.mark.parametrize("ids", [[3], [0], [-1]])
def test_ids_out_of_range_are_refused(ids):
    with pytest.raises(InputError, match=r"give ids from 1 to 2, or raise num_classes=3"):
        AnnotatedClassesd("annotated", num_classes=3)({"annotated": ids})
