import json

import pytest

from custom.errors import InputError
from custom.plans.dataset_description import described_data


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
    held_out = {**liver, "name": "c", "image": "c.nii.gz", "label": "lc.nii.gz", "use": "validation"}
    found = described_data(manifest(tmp_path, [liver, unlabelled, held_out]))
    assert (found.name, found.classes, found.channels) == ("FLARE", ["liver", "spleen"], [])
    assert found.cases == [
        {"image": str(tmp_path / "a.nii.gz"), "label": str(tmp_path / "la.nii.gz"), "annotated": [1]}
    ]


def test_manifest_without_labels_is_refused(tmp_path):
    with pytest.raises(InputError, match="lists no training case with a label"):
        described_data(manifest(tmp_path, [{"name": "b", "image": "b.nii.gz", "label": None}]))
