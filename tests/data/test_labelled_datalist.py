"""The cases of a run from a manifest and from a folder."""

from __future__ import annotations

import json

import nibabel as nib
import numpy as np
import pytest

from custom.cohort.manifest import Cohort, CohortCase, case_entry, write_cohort
from custom.data.labelled_datalist import labelled_datalist
from custom.errors import InputError

CLASSES = ("liver", "tumour")


def save(file, volume):
    file.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(volume, np.eye(4)), file)
    return str(file)


def make_case(folder, name, annotated, use="training", value=1):
    image = save(folder / "imagesTr" / f"{name}.nii.gz", np.arange(60, dtype=np.float32).reshape(3, 4, 5))
    label = np.zeros((3, 4, 5), np.uint8)
    label[0] = value
    file = save(folder / "labelsTr" / f"{name}.nii.gz", label) if annotated else None
    return CohortCase(name, image, file, annotated, use)


@pytest.fixture
def manifest(tmp_path):
    """Two annotated training cases, one without a label, two validation cases."""
    cases = (
        make_case(tmp_path, "a", (1, 2)),
        make_case(tmp_path, "b", ()),
        make_case(tmp_path, "c", (2,), value=2),
        make_case(tmp_path, "v", (1, 2), "validation"),
        make_case(tmp_path, "w", (1,), "validation"),
    )
    write_cohort(tmp_path / "cohort.json", Cohort("cohort", CLASSES, (2,), cases))
    return tmp_path / "cohort.json"


def listed(folder, **annotated):
    return [
        {
            "image": str(folder / "imagesTr" / f"{name}.nii.gz"),
            "label": str(folder / "labelsTr" / f"{name}.nii.gz"),
            "annotated": ids,
        }
        for name, ids in annotated.items()
    ]


def test_a_manifests_sections(manifest, tmp_path):
    assert labelled_datalist(manifest, "training", CLASSES) == listed(tmp_path, a=[1, 2], c=[2])
    assert labelled_datalist(str(manifest), "validation", list(CLASSES)) == listed(tmp_path, v=[1, 2], w=[1])


def test_folds_are_a_folders_own(manifest, tmp_path):
    found = labelled_datalist(manifest, "training", CLASSES, fold=3, num_folds=5, folds_file=tmp_path / "folds.json")
    assert found == listed(tmp_path, a=[1, 2], c=[2])
    assert not (tmp_path / "folds.json").exists()


def test_a_folders_folds_without_annotated_classes(tmp_path):
    names = [f"case_{number}" for number in range(4)]
    for number, name in enumerate(names):
        make_case(tmp_path, name, (1, 2), value=1 + number % 2)
    entries = [{"image": f"imagesTr/{name}.nii.gz", "label": f"labelsTr/{name}.nii.gz"} for name in names]
    (tmp_path / "dataset.json").write_text(json.dumps({"training": entries}))
    options = {"class_names": CLASSES, "fold": 1, "num_folds": 2, "folds_file": tmp_path / "folds.json"}
    training = labelled_datalist(tmp_path, "training", num_channels=1, **options)
    validation = labelled_datalist(tmp_path, "validation", **options)
    assert len(training) == len(validation) == 2
    assert sorted(case["image"] for case in [*training, *validation]) == [
        str(tmp_path / "imagesTr" / f"{name}.nii.gz") for name in names
    ]
    assert all(set(case) == {"image", "label"} for case in training)


def test_a_manifests_files_are_checked_before_training(manifest, tmp_path):
    save(tmp_path / "labelsTr" / "c.nii.gz", np.full((3, 4, 5), 3, np.uint8))
    with pytest.raises(InputError) as error:
        labelled_datalist(manifest, "training", CLASSES, facts_file=tmp_path / "facts.json")
    assert str(error.value) == (
        f"1 of 2 cases cannot be used: {tmp_path}/labelsTr/c.nii.gz: label values 3 are outside the classes 0 to 2; "
        "correct the label or class_names"
    )
    assert len(json.loads((tmp_path / "facts.json").read_text())["entries"]) == 2
    assert len(labelled_datalist(manifest, "training", CLASSES, validate=False)) == 2


def test_a_section_that_is_none(manifest):
    with pytest.raises(InputError, match=r"^section is 'test'; it must be one of training, validation$"):
        labelled_datalist(manifest, "test", CLASSES)


@pytest.mark.parametrize("names", [("tumour", "liver"), ("liver",), ("liver", "tumour", "spleen")])
def test_other_classes_than_the_configs_are_refused(manifest, names):
    with pytest.raises(InputError) as error:
        labelled_datalist(manifest, "training", names)
    assert str(error.value) == (
        f"{manifest} has the classes liver, tumour, the config {', '.join(names)}: pass the plan of this data set"
    )


def test_the_configs_classes_may_be_any_sequence(manifest):
    assert labelled_datalist(manifest, "training", list(CLASSES)) == labelled_datalist(manifest, "training", CLASSES)


def test_an_unlabelled_case_has_neither_label_nor_classes():
    assert case_entry(CohortCase("b", "/d/b.nii.gz", None, ())) == {"image": "/d/b.nii.gz"}
