import json
import logging
from collections import Counter
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from custom.cohort.manifest import FLARE_CLASSES, default_group_rules, group_cases, read_cohort
from custom.errors import InputError
from custom.workflows.cohort_builder import build_cohort

AFFINE = np.diag([-2.0, 3.0, 5.0, 1.0])  # 30 mm3 a voxel
THIRDS = "anterior:1/3,posterior:1/3,none:1/3"
ORGANS = tuple(range(1, 14))


def save_label(path, *classes):
    """One voxel of each class, three of the first."""
    voxels = np.zeros((4, 5, 6), np.uint8)
    voxels.ravel()[: len(classes)] = classes
    voxels.ravel()[-2:] = classes[0] if classes else 0
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(voxels, AFFINE), path)


def touch(path):
    """Images are never opened: these are empty files."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()


def data_set(root, labels, classes=("anterior", "posterior")):
    """nnU-Net layout: case name -> classes of its label."""
    for name, found in labels.items():
        touch(root / "imagesTr" / f"{name}_0000.nii.gz")
        save_label(root / "labelsTr" / f"{name}.nii.gz", *found)
    content = {"name": "Test", "labels": {"background": 0, **{name: i for i, name in enumerate(classes, start=1)}}}
    (root / "dataset.json").write_text(json.dumps(content))
    return root


@pytest.fixture
def complete(tmp_path):
    return data_set(tmp_path / "data", {f"case_{number:02d}": (1, 2) for number in range(20)})


@pytest.fixture
def flare(tmp_path):
    """The paper's four data sets in one folder, under names that do not tell them apart, and a validation case."""
    sets = [ORGANS, (1, 2, 3, 4, 13, 14), (1, 5), (14,)]
    for number, classes in enumerate(sets, start=1):
        touch(tmp_path / "data" / "imagesTr2200" / f"FLARE23_{number:04d}_0000.nii.gz")
        save_label(tmp_path / "data" / "labelsTr2200" / f"FLARE23_{number:04d}.nii.gz", *classes)
    touch(tmp_path / "data" / "unlabeledTr1800" / "FLARE23_2201_0000.nii.gz")
    touch(tmp_path / "data" / "imagesVal" / "FLAREVal_0001_0000.nii.gz")
    save_label(tmp_path / "data" / "labelsVal" / "FLAREVal_0001.nii.gz", *ORGANS, 14)
    return tmp_path / "data"


def annotated(cohort):
    return {case.name: case.annotated for case in cohort.cases}


def test_flare_folder_is_decided_from_the_values(flare, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    output = build_cohort(flare, tmp_path / "cohort.json")
    assert output == str(tmp_path / "cohort.json")
    cohort = read_cohort(output)
    assert (cohort.classes, cohort.lesions) == (FLARE_CLASSES, (14,))
    assert annotated(cohort) == {
        "FLARE23_0001": ORGANS,
        "FLARE23_0002": (1, 2, 3, 4, 13, 14),
        "FLARE23_0003": (1, 5),
        "FLARE23_0004": (14,),
        "FLARE23_2201": (),
        "FLAREVal_0001": (*ORGANS, 14),
    }
    assert cohort.annotation_source.startswith("values present")
    assert "counts as NOT annotated" in caplog.text
    groups = group_cases(cohort.training, default_group_rules(cohort), cohort)
    assert [len(cases) for cases in groups.values()] == [1, 1, 2, 1]
    assert [case.name for case in cohort.validation] == ["FLAREVal_0001"]


def test_the_classes_of_other_data_are_not_guessed(complete, tmp_path):
    (complete / "dataset.json").unlink()
    with pytest.raises(InputError, match="nothing names its classes; pass --classes liver,tumour"):
        build_cohort(complete, tmp_path / "cohort.json")
    assert read_cohort(build_cohort(complete, tmp_path / "c.json", classes="a,b")).classes == ("a", "b")


def test_statistics_are_logged_and_drawn(flare, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    build_cohort(flare, tmp_path / "out")
    table = [line.split() for line in caplog.text.splitlines()]
    assert ["liver", "3", "3", "0.27", "0.09", "1"] in table  # three voxels of 30 mm3 in each of three labels
    assert ["tumour", "2", "2", "0.12", "0.06", "1"] in table
    assert "dataset1: 1 cases\n  1  all but tumour\n" in caplog.text
    assert (tmp_path / "out" / "class_statistics.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "out" / "cohort.json").is_file()


def test_a_data_set_is_decided_from_its_source(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    data = data_set(tmp_path / "data", {"A_1": (1,), "A_2": (2,), "B_1": (2,)})
    cohort = read_cohort(build_cohort(data, tmp_path))
    assert annotated(cohort) == {"A_1": (1, 2), "A_2": (1, 2), "B_1": (2,)}
    assert cohort.annotation_source.startswith("source group")
    assert "group A, 2 cases: anterior, posterior" in caplog.text
    by_values = read_cohort(build_cohort(data, tmp_path, annotated_by="values"))
    assert annotated(by_values) == {"A_1": (1,), "A_2": (2,), "B_1": (2,)}


def test_given_for_every_label_as_the_command_line_passes_it(tmp_path):
    data = data_set(tmp_path / "data", {"a": (1,), "b": (2,)})
    for words in ("anterior;posterior", ("anterior", "posterior"), "1,2"):
        cohort = read_cohort(build_cohort(data, tmp_path, annotated=words))
        assert annotated(cohort) == {"a": (1, 2), "b": (1, 2)}
        assert cohort.annotation_source.startswith("given for every label: ")


def test_csv_says_what_is_annotated(tmp_path):
    data_set(tmp_path, {"a": (1,), "b": (2,)})
    rows = ["image,label,annotated", "imagesTr/a_0000.nii.gz,labelsTr/a.nii.gz,liver;spleen"]
    rows += ["imagesTr/b_0000.nii.gz,labelsTr/b.nii.gz,spleen", "c.nii.gz,,"]
    touch(tmp_path / "c.nii.gz")
    (tmp_path / "cases.csv").write_text("\n".join(rows))
    cohort = read_cohort(build_cohort(tmp_path / "cases.csv", tmp_path / "cohort.json", classes=["liver", "spleen"]))
    assert annotated(cohort) == {"a": (1, 2), "b": (2,), "c": ()}
    assert cohort.annotation_source == "given"
    assert json.loads((tmp_path / "cohort.json").read_text())["cases"][0]["image"] == "imagesTr/a_0000.nii.gz"


def test_csv_with_sources(tmp_path):
    data_set(tmp_path, {"a": (1,), "b": (2,), "c": (2,)})
    rows = [f"imagesTr/{name}_0000.nii.gz,labelsTr/{name}.nii.gz,{one}" for name, one in zip("abc", "XXY", strict=True)]
    (tmp_path / "cases.csv").write_text("\n".join(["image,label,source", *rows]))
    cohort = read_cohort(build_cohort(tmp_path / "cases.csv", tmp_path / "out.json", classes="liver,spleen"))
    assert annotated(cohort) == {"a": (1, 2), "b": (1, 2), "c": (2,)}
    assert [case.source for case in cohort.cases] == ["X", "X", "Y"]


@pytest.mark.parametrize(
    ("lesions", "expected"), [(None, (2,)), ("none", ()), ("kidney", (1,)), (("kidney", "Cancer"), (1, 2))]
)
def test_lesions(tmp_path, lesions, expected):
    data = data_set(tmp_path / "data", {"a": (1, 2)}, classes=("kidney", "cancer"))
    assert read_cohort(build_cohort(data, tmp_path, lesions=lesions)).lesions == expected


def test_a_label_without_anything_makes_an_unlabelled_case(tmp_path, caplog):
    data = data_set(tmp_path / "data", {"a": (1, 2), "b": ()})
    cohort = read_cohort(build_cohort(data, tmp_path, annotated_by="values"))
    assert [(case.name, case.label is None) for case in cohort.cases] == [("a", False), ("b", True)]
    assert "nothing is annotated in 1 label(s): unlabelled cases, left out of validation and test: b" in caplog.text


def test_an_unreadable_label_is_listed_and_its_case_left_out(complete, tmp_path, caplog):
    damaged = complete / "labelsTr" / "case_03.nii.gz"
    damaged.write_bytes(damaged.read_bytes()[:60])
    cohort = read_cohort(build_cohort(complete, tmp_path))
    assert len(cohort.cases) == 19
    assert "case_03" not in annotated(cohort)
    assert f"left out: {damaged}: cannot be read" in caplog.text


def test_nothing_but_unreadable_labels(tmp_path):
    data = data_set(tmp_path / "data", {"a": (1, 2)})
    (data / "labelsTr" / "a.nii.gz").write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"none of 1 cases can be used, the first: .*cannot be read"):
        build_cohort(data, tmp_path)


@pytest.mark.parametrize(("amount", "count"), [(5, 5), (0.25, 5), ("1/4", 5), (0, 0)])
def test_validation_is_drawn_from_the_complete_cases(complete, tmp_path, caplog, amount, count):
    for number in range(10):  # and these are not complete
        touch(complete / "imagesTr" / f"partial{number}.nii.gz")
        save_label(complete / "labelsTr" / f"partial{number}.nii.gz", 1)
    cohort = read_cohort(build_cohort(complete, tmp_path, annotated_by="values", validation=amount))
    assert len(cohort.validation) == count
    assert all(case.annotated == (1, 2) for case in cohort.validation)
    assert len(cohort.cases) == 30
    assert ("there are no validation cases" in caplog.text) == (count == 0)


def test_test_cases_are_drawn_first_and_never_validated_or_trained_on(complete, tmp_path):
    cohort = read_cohort(build_cohort(complete, tmp_path / "a", validation=3, test=5))
    assert [len(group) for group in (cohort.training, cohort.validation, cohort.test)] == [12, 3, 5]
    other = read_cohort(build_cohort(complete, tmp_path / "b", validation=9, test=5))
    assert other.test == cohort.test, "whatever becomes of the others"
    with pytest.raises(InputError, match="test is 20, but only 20 training cases are annotated completely"):
        build_cohort(complete, tmp_path / "c", test=20)


def test_labels_are_withheld_from_partly_annotated_cases_alone(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    labels = {f"whole_{n}": (1, 2) for n in range(4)} | {f"part_{n}": (1,) for n in range(6)} | {"empty_0": ()}
    options = {"annotated_by": "values", "withhold": "1/3", "seed": 3}
    cohort = read_cohort(build_cohort(data_set(tmp_path / "data", labels), tmp_path, **options))
    bare = {case.name for case in cohort.cases if case.label is None} - {"empty_0"}
    assert len(bare) == 2 and all(name.startswith("part") for name in bare)
    assert all(case.annotated == () for case in cohort.cases if case.name in bare)
    assert "withhold: the labels of 2 of 6 partly annotated cases, by seed 3" in caplog.text
    again = read_cohort(build_cohort(tmp_path / "data", tmp_path / "again", **options))
    assert [(case.name, case.annotated) for case in again.cases] == [(c.name, c.annotated) for c in cohort.cases]


def test_a_table_says_what_is_annotated_in_the_cases_of_a_folder(tmp_path):
    data = data_set(tmp_path / "data", {"a": (1, 2), "b": (1,), "c": (2,)})
    table = tmp_path / "annotated.csv"
    table.write_text("case,annotated\na,anterior posterior\nb.nii.gz,1;2\nc,Posterior\n")
    cohort = read_cohort(build_cohort(data, tmp_path, annotated=[str(table)]))
    assert annotated(cohort) == {"a": (1, 2), "b": (1, 2), "c": (2,)}


def test_an_organ_far_larger_than_in_the_other_cases_is_named(complete, tmp_path, caplog):
    voxels = np.zeros((4, 5, 6), np.uint8)
    voxels[0], voxels[1, 0, 0] = 1, 2  # 30 voxels, where the others have 3
    nib.save(nib.Nifti1Image(voxels, AFFINE), complete / "labelsTr" / "case_03.nii.gz")
    build_cohort(complete, tmp_path, validation=1)
    assert not [line for line in caplog.messages if "look at its label" in line], "ten times is not more than ten"
    voxels[1] = 1
    nib.save(nib.Nifti1Image(voxels, AFFINE), complete / "labelsTr" / "case_03.nii.gz")
    build_cohort(complete, tmp_path, validation=1)
    line = "case case_03: anterior has 2 ml, 20 times the median of its 20 cases; look at its label"
    assert [one for one in caplog.messages if "look at its label" in one] == [line]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("case,annotated\na,anterior\n", 'case b has no "annotated"; fill that column'),
        ("case,annotated\na,1\nb,2\nz,1\n", "annotated.csv: case z: there is no such scan; correct the name or remove"),
        ("case,annotated\na,1\nb,2\nb,1\n", "annotated.csv: case b: has 2 rows; keep one"),
        ("case;annotated\na;1\n", "annotated.csv: has case;annotated; give it the columns case and annotated"),
        ("", "annotated.csv: has no row; give it the columns case and annotated, and a row for each case"),
        ("case,annotated\na,1\nb,front\n", "case b: annotated: 'front' is none of the 2 classes"),
    ],
)
def test_table_faults(tmp_path, text, message):
    data = data_set(tmp_path / "data", {"a": (1,), "b": (2,)})
    (tmp_path / "annotated.csv").write_text(text)
    with pytest.raises(InputError) as error:
        build_cohort(data, tmp_path, annotated=str(tmp_path / "annotated.csv"))
    assert message in str(error.value)


def test_without_complete_cases_those_with_every_organ_are_held_out(flare, tmp_path):
    save_label(flare / "labelsTr2200" / "FLARE23_0003.nii.gz", *ORGANS)
    cohort = read_cohort(build_cohort(flare, tmp_path, validation=1))
    assert {case.name for case in cohort.validation} - {"FLAREVal_0001"} <= {"FLARE23_0001", "FLARE23_0003"}
    assert len(cohort.validation) == 2


def partial(source, output, **options):
    return read_cohort(build_cohort(source, output, **{"partial": THIRDS, "validation": 5, **options}))


def test_a_partial_cohort_by_seed(complete, tmp_path):
    cohort = partial(complete, tmp_path / "out")
    assert Counter(case.annotated for case in cohort.training) == {(1,): 5, (2,): 5, (): 5}
    for case in cohort.training:
        if not case.annotated:
            assert case.label is None
            continue
        assert Path(case.label) == tmp_path / "out" / "labels" / f"{case.name}.nii.gz"
        reduced, whole = nib.load(case.label), nib.load(complete / "labelsTr" / f"{case.name}.nii.gz")
        expected = np.where(np.asarray(whole.dataobj) == case.annotated[0], case.annotated[0], 0)
        np.testing.assert_array_equal(np.asarray(reduced.dataobj), expected)
        np.testing.assert_array_equal(reduced.affine, whole.affine)
    assert len(list((tmp_path / "out" / "labels").iterdir())) == 10
    assert cohort.annotation_source == f"seed 0: {THIRDS}"


def test_validation_cases_stay_complete_and_the_same_for_every_draw(complete, tmp_path):
    cohorts = [partial(complete, tmp_path / "a"), partial(complete, tmp_path / "b", partial="all:1/2,anterior:1/2")]
    for cohort in cohorts:
        assert cohort.validation == cohorts[0].validation
        assert {case.annotated for case in cohort.validation} == {(1, 2)}
        assert all(Path(case.label).parent == complete / "labelsTr" for case in cohort.validation)
    assert Counter(case.annotated for case in cohorts[1].training) == {(1, 2): 8, (1,): 7}
    other = partial(complete, tmp_path / "c", seed=1)
    assert other.validation != cohorts[0].validation


def test_a_draw_can_be_repeated_in_its_place(complete, tmp_path):
    first = partial(complete, tmp_path / "out")
    assert partial(complete, tmp_path / "out") == first
    elsewhere = partial(complete, tmp_path / "elsewhere")
    assert annotated(elsewhere) == annotated(first)


def test_unlabelled_cases_take_no_part_in_the_draw(complete, tmp_path):
    touch(complete / "unlabeled" / "extra.nii.gz")
    cohort = partial(complete, tmp_path, partial="anterior:15")
    assert Counter(case.annotated for case in cohort.training) == {(1,): 15, (): 1}


def test_another_draw_in_its_place_leaves_no_label_of_the_first(complete, tmp_path):
    partial(complete, tmp_path)
    second = partial(complete, tmp_path, partial="posterior:2,none:13")
    files = {case.label for case in second.training if case.label}
    assert {str(file) for file in (tmp_path / "labels").iterdir()} == files
    assert len(files) == 2


def test_an_interrupted_draw_leaves_no_manifest_with_labels_of_another(complete, tmp_path, monkeypatch):
    partial(complete, tmp_path)
    monkeypatch.setattr("custom.workflows.cohort_builder.write_cohort", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        partial(complete, tmp_path, seed=1)
    assert not (tmp_path / "cohort.json").exists()


def test_labels_of_the_source_are_never_replaced(tmp_path):
    for number in range(4):
        touch(tmp_path / "images" / f"case{number}.nii.gz")
        save_label(tmp_path / "labels" / f"case{number}.nii.gz", 1, 2)
    before = {file: file.read_bytes() for file in (tmp_path / "labels").iterdir()}
    with pytest.raises(InputError, match=r"exists and is none of .*; pass an output in another folder"):
        build_cohort(tmp_path, tmp_path, classes="a,b", partial="a:4")
    assert {file: file.read_bytes() for file in (tmp_path / "labels").iterdir()} == before


def test_labels_of_another_manifest_are_never_replaced(complete, tmp_path):
    first = partial(complete, tmp_path / "seed0.json")
    with pytest.raises(InputError, match=r"exists and is none of .*seed1\.json; pass an output in another folder"):
        partial(complete, tmp_path / "seed1.json", partial="anterior:15")
    assert read_cohort(tmp_path / "seed0.json") == first


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"annotated_by": "names"}, "annotated_by is 'names'; it must be one of values, source, given"),
        ({"annotated_by": "given"}, "annotated_by is given, but nothing is: pass --annotated"),
        ({"annotated_by": "values", "annotated": "1"}, "annotated names classes, but annotated_by is values"),
        ({"annotated": "liver"}, "annotated: 'liver' is none of the 2 classes anterior, posterior; correct it"),
        ({"annotated": "anterior"}, "20 faults: case case_00: its label holds voxels of posterior"),
        ({"annotated_by": "source", "partial": THIRDS}, "partial takes every class as annotated in every label"),
        ({"partial": "liver:1/2,none:1/2"}, "partial: 'liver' is none of the 2 classes"),
        ({"partial": "anterior:1/2"}, "its shares add up to 0.5, not 1"),
        ({"lesions": "liver"}, "lesions: 'liver' is none of the 2 classes"),
        ({"classes": "anterior"}, "label values 2 are outside the classes 1 to 1; correct the label, or name all"),
        ({"classes": "a,a"}, "classes names a twice; give every class its own name"),
        ({"classes": ""}, "--classes is []; it must be a list of class names in the order of their ids"),
        ({"validation": 20}, "validation is 20, but only 20 training cases are annotated completely"),
        ({"validation": "some"}, "validation is 'some'; pass a number of cases such as 40 or a share such as 0.1"),
    ],
)
def test_faults(complete, tmp_path, options, message):
    with pytest.raises(InputError) as error:
        build_cohort(complete, tmp_path / "out", **options)
    assert message in str(error.value)
    assert not (tmp_path / "out" / "cohort.json").exists()


def test_output_that_cannot_be_written(complete, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"pass the manifest's path, ending in \.json, or a folder"):
        build_cohort(complete, tmp_path / "file")
    with pytest.raises(InputError, match="cannot be written"):
        build_cohort(complete, tmp_path / "file" / "cohort.json")
    with pytest.raises(InputError, match="labels cannot be written"):
        build_cohort(complete, tmp_path / "file" / "cohort.json", partial="anterior:20")


def test_shared_hippocampus(shared_data, tmp_path):
    source = shared_data / "hippocampus"
    if not source.is_dir():
        pytest.skip(f"no hippocampus data at {source}")
    cohort = read_cohort(build_cohort(source, tmp_path, partial=THIRDS, validation=40))
    assert (cohort.classes, cohort.lesions) == (("anterior", "posterior"), ())
    assert (len(cohort.cases), len(cohort.validation)) == (200, 40)
    assert Counter(case.annotated for case in cohort.training) == {(1,): 54, (2,): 53, (): 53}
    assert len(list((tmp_path / "labels").iterdir())) == 107
    whole = read_cohort(build_cohort(source, tmp_path / "whole", validation=40))
    assert {case.annotated for case in whole.cases} == {(1, 2)}
    assert [case.name for case in whole.validation] == [case.name for case in cohort.validation]
