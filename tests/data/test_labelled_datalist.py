"""The cases of a run from a manifest and from a folder."""

from __future__ import annotations

import json

import nibabel as nib
import numpy as np
import pytest

from custom.cohort.manifest import Cohort, CohortCase, case_entry, write_cohort
from custom.errors import InputError

from .conftest import listed_cases

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
    assert listed_cases(manifest, "training", CLASSES) == listed(tmp_path, a=[1, 2], c=[2])
    assert listed_cases(str(manifest), "validation", list(CLASSES)) == listed(tmp_path, v=[1, 2], w=[1])


def test_folds_are_a_folders_own(manifest, tmp_path):
    found = listed_cases(manifest, "training", CLASSES, fold=3, num_folds=5, folds_file=tmp_path / "folds.json")
    assert found == listed(tmp_path, a=[1, 2], c=[2])
    assert not (tmp_path / "folds.json").exists()


def test_a_folders_folds_without_annotated_classes(tmp_path):
    names = [f"case_{number}" for number in range(4)]
    for number, name in enumerate(names):
        make_case(tmp_path, name, (1, 2), value=1 + number % 2)
    entries = [{"image": f"imagesTr/{name}.nii.gz", "label": f"labelsTr/{name}.nii.gz"} for name in names]
    (tmp_path / "dataset.json").write_text(json.dumps({"training": entries}))
    options = {"class_names": CLASSES, "fold": 1, "num_folds": 2, "folds_file": tmp_path / "folds.json"}
    training = listed_cases(tmp_path, "training", num_channels=1, **options)
    validation = listed_cases(tmp_path, "validation", **options)
    assert len(training) == len(validation) == 2
    assert sorted(case["image"] for case in [*training, *validation]) == [
        str(tmp_path / "imagesTr" / f"{name}.nii.gz") for name in names
    ]
    assert all(set(case) == {"image", "label"} for case in training)


def test_a_manifests_files_are_checked_before_training(manifest, tmp_path):
    save(tmp_path / "labelsTr" / "c.nii.gz", np.full((3, 4, 5), 3, np.uint8))
    with pytest.raises(InputError) as error:
        listed_cases(manifest, "training", CLASSES, facts_file=tmp_path / "facts.json")
    assert str(error.value) == (
        f"1 of 2 cases cannot be used: {tmp_path}/labelsTr/c.nii.gz: label values 3 are outside the classes 0 to 2; "
        "correct the label or class_names"
    )
    assert len(json.loads((tmp_path / "facts.json").read_text())["entries"]) == 2
    assert len(listed_cases(manifest, "training", CLASSES, validate=False)) == 2


def test_a_section_that_is_none(manifest):
    with pytest.raises(InputError, match=r"^section is 'tests'; it must be one of training, validation, test$"):
        listed_cases(manifest, "tests", CLASSES)


def test_test_cases_are_those_of_a_manifest(manifest, tmp_path):
    with pytest.raises(InputError, match="lists no test case with a label; make it with --test, or pass another"):
        listed_cases(manifest, "test", CLASSES)
    cases = (make_case(tmp_path, "a", (1, 2)), make_case(tmp_path, "t", (1, 2), "test"))
    write_cohort(manifest, Cohort("cohort", CLASSES, (2,), cases))
    assert listed_cases(manifest, "test", CLASSES) == listed(tmp_path, t=[1, 2])
    assert listed_cases(manifest, "training", CLASSES) == listed(tmp_path, a=[1, 2])
    with pytest.raises(InputError, match="is a folder, of which folds are validated; test cases are those of a manif"):
        listed_cases(tmp_path, "test", CLASSES)


def test_every_labelled_case_of_other_data_is_scored(manifest, tmp_path):
    found = listed_cases(manifest, "validation", CLASSES, other_data=True, trained=True)
    assert found == listed(tmp_path, a=[1, 2], c=[2], v=[1, 2], w=[1])
    with pytest.raises(InputError, match="--fold 1 with --other_data true, which scores every case"):
        listed_cases(tmp_path, "validation", CLASSES, fold=1, other_data=True)


def test_without_validation_cases_a_training_says_so_and_an_evaluation_ends(manifest, tmp_path, caplog):
    write_cohort(manifest, Cohort("cohort", CLASSES, (2,), (make_case(tmp_path, "a", (1, 2)),)))
    assert listed_cases(manifest, "validation", CLASSES) == []
    assert "lists no validation case with a label: nothing is scored during the training" in caplog.text
    with pytest.raises(InputError, match="lists no validation case with a label; make it with --validation"):
        listed_cases(manifest, "validation", CLASSES, trained=True)


def test_label_files_of_one_name_are_told_apart(tmp_path, caplog):
    """KiTS's layout: CASE/segmentation.nii.gz; the last one's label is empty."""
    cases = []
    for number in range(3):
        case = make_case(tmp_path / str(number), "segmentation", (1, 2), value=1 + number if number < 2 else 0)
        cases.append(CohortCase(f"case_{number}", case.image, case.label, case.annotated, "training"))
    write_cohort(tmp_path / "cohort.json", Cohort("cohort", CLASSES, (2,), tuple(cases)))
    assert len(listed_cases(tmp_path / "cohort.json", "training", CLASSES)) == 3
    assert "will not be learnt" not in caplog.text


@pytest.mark.parametrize("names", [("tumour", "liver"), ("liver",), ("liver", "tumour", "spleen")])
def test_other_classes_than_the_plans_are_refused(manifest, names):
    with pytest.raises(InputError) as error:
        listed_cases(manifest, "training", names)
    assert str(error.value) == (
        f"{manifest} has the classes liver, tumour, the plan {', '.join(names)}: "
        "pass a plan, or weights, of this data set"
    )


@pytest.fixture
def folder(tmp_path):
    """Four cases, of which three hold class 1 and one class 2; nothing says what the classes are called."""
    for number in range(4):
        make_case(tmp_path, f"case_{number}", (1, 2), value=2 if number == 3 else 1)
    return tmp_path


DECATHLON = {"0": "background", "1": "Liver", "2": "tumor"}
NNUNET = {"background": 0, "Liver": 1, "tumor": 2}
PARTLY_REGIONS = {"background": 0, "liver and tumour": [1, 2], "tumour": 2}


@pytest.mark.parametrize("labels", [None, {}, [], DECATHLON, NNUNET, PARTLY_REGIONS])
def test_names_that_mean_the_same_are_no_contradiction(folder, labels):
    (folder / "dataset.json").write_text(json.dumps({} if labels is None else {"labels": labels}))
    assert len(listed_cases(folder, "training", CLASSES, num_folds=2)) == 2


@pytest.mark.parametrize("section", ["training", "validation"])
@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ({"0": "background", "1": "tumour", "2": "liver"}, "label 1 is tumour there, but liver here"),
        ({"background": 0, "liver": 2, "tumour": 1}, "label 1 is tumour there, but liver here (1 liver, 2 tumour)"),
        ({"background": 0, "anterior": 1, "posterior": 2}, "label 1 is anterior there, but liver here"),
        ({**NNUNET, "spleen": 3}, "label 3 is spleen there, but no class here"),
        ({"background": 1, "liver": 0}, "label 1 is background there, but liver here"),
        ({"background": 0, "both": [1, 2], "liver": 2}, "label 2 is liver there, but tumour here"),
        ({**NNUNET, "ignore": 3}, "has an ignore label, which is not supported"),
    ],
)
def test_names_that_contradict_the_data_sets_own_are_refused(folder, section, labels, said):
    (folder / "dataset.json").write_text(json.dumps({"labels": labels}))
    with pytest.raises(InputError) as error:
        listed_cases(folder, section, CLASSES, num_folds=2)
    assert str(error.value).startswith(f"{folder}/dataset.json: ")
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_a_class_that_no_label_holds_is_named(folder, caplog):
    assert listed_cases(folder, "training", (*CLASSES, "spleen"), fold="all")
    assert f"{folder}: no training label holds spleen, which will not be learnt" in caplog.text


@pytest.mark.parametrize("dataset", ["folder", "manifest"])
def test_labels_without_any_class_are_refused_before_training(folder, tmp_path, dataset):
    cases = tuple(make_case(tmp_path, f"case_{number}", (1, 2), value=0) for number in range(4))
    write_cohort(tmp_path / "cohort.json", Cohort("cohort", CLASSES, (2,), cases))
    source = folder if dataset == "folder" else tmp_path / "cohort.json"
    with pytest.raises(
        InputError, match=rf"^{source}, \d training cases: no label holds a voxel of any class \(1 to 2\)"
    ):
        listed_cases(source, "training", CLASSES, fold="all")


def test_validation_labels_without_any_class_are_said(tmp_path, caplog):
    for number in range(4):
        make_case(tmp_path, f"case_{number}", (1, 2), value=int(number == 3))
    scored = {fold: listed_cases(tmp_path, "validation", ("liver",), fold=fold, num_folds=4) for fold in range(4)}
    assert sum(map(len, scored.values())) == 4
    assert caplog.text.count("no label of the 1 validation cases holds a class: nothing is scored") == 3


def test_the_configs_classes_may_be_any_sequence(manifest):
    assert listed_cases(manifest, "training", list(CLASSES)) == listed_cases(manifest, "training", CLASSES)


def test_an_unlabelled_case_has_neither_label_nor_classes():
    assert case_entry(CohortCase("b", "/d/b.nii.gz", None, ())) == {"image": "/d/b.nii.gz"}


def test_partly_annotated_cases_are_refused_where_an_absent_class_would_be_read_into_them(manifest):
    assert len(listed_cases(manifest, "training", CLASSES)) == 2
    said = r"cohort.json: case c is not annotated for liver, which would be taken for absent; leave such cases out"
    with pytest.raises(InputError, match=said):
        listed_cases(manifest, "training", CLASSES, partly_annotated=False)


def test_channels_in_another_order_than_the_plans_are_refused(folder):
    (folder / "dataset.json").write_text(json.dumps({"modality": {"0": "T2", "1": "T1"}}))
    with pytest.raises(InputError, match="channel 0 is t2, in the plan t1: the channels stand in another order"):
        listed_cases(folder, "training", CLASSES, channels=["T1", "T2"], num_folds=2)
    assert len(listed_cases(folder, "training", CLASSES, channels=["t2", "t1"], num_folds=2)) == 2
    assert len(listed_cases(folder, "training", CLASSES, channels=["MRI"], num_folds=2)) == 2, "another name only"


class TestFoldsOfATraining:
    def options(self, folder, **others):
        return {"num_folds": 2, "kept_file": folder / "models" / "folds.json", **others}

    def held_out(self, folder, **others):
        return [case["label"] for case in listed_cases(folder, "validation", CLASSES, **others)]

    def test_they_are_kept_next_to_its_weights(self, folder):
        shared = {"folds_file": folder / "shared.json", "seed": 3}
        training = listed_cases(folder, "training", CLASSES, **self.options(folder, **shared))
        own = self.options(folder, folds_file=folder / "models" / "folds.json")
        held_out = self.held_out(folder, trained=True, **own)
        assert len(held_out) == 2
        assert not {case["label"] for case in training} & set(held_out)
        assert held_out == self.held_out(folder, resume=True, **own)

    def test_an_evaluation_never_makes_folds(self, folder):
        own = self.options(folder, folds_file=folder / "models" / "folds.json")
        with pytest.raises(
            InputError, match=r"folds\.json is missing, which says what cases the training has not seen"
        ):
            self.held_out(folder, trained=True, **own)
        assert not (folder / "models").exists()

    def test_other_folds_end_a_resumed_training(self, folder):
        listed_cases(folder, "training", CLASSES, **self.options(folder, folds_file=folder / "a.json", seed=0))
        seed = next(
            seed
            for seed in range(1, 99)
            if self.held_out(folder, num_folds=2, seed=seed) != self.held_out(folder, num_folds=2)
        )
        self.held_out(folder, num_folds=2, folds_file=folder / "b.json", seed=seed)
        for how in ("resume", "trained"):
            with pytest.raises(InputError, match=r"b\.json holds out other cases than .*folds\.json"):
                self.held_out(folder, **self.options(folder, folds_file=folder / "b.json"), **{how: True})

    def test_a_split_stays_that_of_the_training(self, folder):
        sides = [f"case_{number},{'test' if number == 1 else 'training'}" for number in range(4)]
        (folder / "split.csv").write_text("\n".join(["case,split", *sides]))
        listed_cases(folder, "training", CLASSES, **self.options(folder, fold="test", folds_file=folder / "split.csv"))
        (folder / "split.json").write_text(json.dumps({"training": ["case_1", "case_2", "case_3"], "test": ["case_0"]}))
        own = self.options(folder, fold="test", folds_file=folder / "models" / "folds.json")
        assert self.held_out(folder, trained=True, **own) == [f"{folder}/labelsTr/case_1.nii.gz"]
