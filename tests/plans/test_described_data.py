import json
from pathlib import Path

import pytest

from custom.errors import InputError
from custom.plans.described_data import channel_names, class_names, described_data

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
        ({"background": 0, "whole tumour": [1, 2]}, "makes whole tumour a region of several labels"),
        ({"background": 0, "liver": 1, "ignore": 2}, "has an ignore label"),
        ({"background": 0, "liver": 1, "tumour": 3}, "has the values 1, 3; number the classes from 1"),
        ({"background": 0, "liver": None}, "has None for an id; write a whole number"),
        (["liver"], "must be an object"),
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


def test_folder_without_description(tmp_path):
    for name in ("imagesTr/a.nii.gz", "labelsTr/a.nii.gz"):
        (tmp_path / "data" / name).parent.mkdir(parents=True)
        (tmp_path / "data" / name).touch()
    found = described_data(tmp_path / "data")
    assert (found.name, found.classes, found.channels, len(found.cases)) == ("data", [], [], 1)


def manifest(tmp_path, cases):
    file = tmp_path / "cohort.json"
    file.write_text(json.dumps({"name": "FLARE", "classes": ["liver", "spleen"], "cases": cases}))
    return file


def test_manifest_gives_its_labelled_training_cases(tmp_path):
    liver = {"name": "a", "image": "a.nii.gz", "label": "la.nii.gz", "annotated": ["liver"]}
    unlabelled = {"name": "b", "image": "b.nii.gz", "label": None}
    held_out = {**liver, "name": "c", "image": "c.nii.gz", "use": "validation"}
    found = described_data(manifest(tmp_path, [liver, unlabelled, held_out]))
    assert (found.name, found.classes, found.channels) == ("FLARE", ["liver", "spleen"], [])
    assert found.cases == [
        {"image": str(tmp_path / "a.nii.gz"), "label": str(tmp_path / "la.nii.gz"), "annotated": [1]}
    ]


def test_manifest_without_labels_is_refused(tmp_path):
    with pytest.raises(InputError, match="lists no training case with a label"):
        described_data(manifest(tmp_path, [{"name": "b", "image": "b.nii.gz", "label": None}]))
