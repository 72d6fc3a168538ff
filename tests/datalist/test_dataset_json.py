from pathlib import Path

import pytest

from custom.datalist.dataset_json import channel_names, class_names
from custom.errors import InputError

FILE = Path("dataset.json")


@pytest.mark.parametrize(
    "labels",
    [
        {"0": "background", "1": "liver", "2": "tumour"},  # Decathlon
        {"background": 0, "liver": 1, "tumour": 2},  # nnU-Net
        {"tumour": "2", "background": "0", "liver": "1"},
    ],
)
def test_class_names_in_the_order_of_their_ids(labels):
    assert class_names({"labels": labels}, FILE) == ["liver", "tumour"]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (
            {"background": 0, "whole tumour": [1, 2]},
            r"\[1, 2\].*no single whole number for each class; correct it, or pass the names as --classes",
        ),
        ({"background": 0, "liver": 1, "ignore": 2}, "has an ignore label"),
        ({"background": 0, "liver": 1, "tumour": 3}, "has the values 0, 1, 3, not 0, 1, 2"),
        ({"background": 0, "liver": 1, "other": 1}, "has the values 0, 1, 1, not 0, 1, 2"),
        ({"background": 0, "liver": None}, "None.*no single whole number"),
        (["liver"], r"\['liver'\], no single whole number"),
    ],
)
def test_labels_that_cannot_be_used(labels, message):
    with pytest.raises(InputError, match=message):
        class_names({"labels": labels}, FILE)


@pytest.mark.parametrize(
    ("listing", "expected"),
    [
        ({"modality": {"0": "CT"}}, ["CT"]),
        ({"channel_names": {"1": "T2", "0": "T1", "10": "DWI", "2": "PD"}}, ["T1", "T2", "PD", "DWI"]),
        ({"channel_names": ["T1", "T2"]}, ["T1", "T2"]),
        ({}, []),
    ],
)
def test_channel_names(listing, expected):
    assert channel_names(listing, FILE) == expected


def test_channel_names_of_another_kind():
    with pytest.raises(InputError, match="'CT'; write an object such as"):
        channel_names({"channel_names": "CT"}, FILE)
