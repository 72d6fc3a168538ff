"""The cases of a folder, parted into training and validation by folds."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest

from custom.errors import InputError

from .conftest import listed_cases, write


def split_datalist(folder, section, num_classes, fold=0, num_folds=5, **options):
    class_names = [f"class {number}" for number in range(1, num_classes)]
    return listed_cases(folder, section, class_names, fold=fold, num_folds=num_folds, **options)


def names(cases):
    return [case["label"][-10:-7] for case in cases]


def spoil(data):
    """A label that does not fit its scan."""
    write(data / "labelsTr" / "c03.nii.gz", np.zeros((4, 4, 5), np.uint8))


def test_training_and_validation_part_the_data(data):
    everything = names(split_datalist(data, "training", 3, fold="all"))
    validated = []
    for fold in range(4):
        training = names(split_datalist(data, "training", 3, fold, num_folds=4))
        validation = names(split_datalist(data, "validation", 3, fold, num_folds=4))
        assert sorted(training + validation) == everything
        assert [int(name[1:]) >= 8 for name in validation] == [False, False, True]  # two of type 1, one of type 2
        validated += validation
    assert sorted(validated) == everything == [f"c{number:02d}" for number in range(12)]


def test_items_hold_image_and_label_alone(data):
    assert split_datalist(data, "training", 3, fold="all")[0] == {
        "image": f"{data}/imagesTr/c00.nii.gz",
        "label": f"{data}/labelsTr/c00.nii.gz",
    }


def test_fold_all_trains_and_validates_on_everything(data):
    for section in ("training", "validation"):
        assert len(split_datalist(data, section, 3, "all")) == 12


def test_a_fixed_split_holds_out_its_test_cases(data):
    sides = [("test" if number in (3, 9) else "training") for number in range(12)]
    lines = [f"c{number:02d},{side}" for number, side in enumerate(sides)]
    (data / "split.csv").write_text("\n".join(["case,split", *lines]))
    for validate in (True, False):
        options = {"fold": "test", "folds_file": data / "split.csv", "validate": validate}
        assert names(split_datalist(data, "validation", 3, **options)) == ["c03", "c09"]
        assert len(split_datalist(data, "training", 3, **options)) == 10


def test_fold_given_as_text(data):
    assert split_datalist(data, "validation", 3, "2") == split_datalist(data, "validation", 3, 2)


@pytest.mark.parametrize("fold", [-1, 5, "first", None])
def test_fold_out_of_range(data, fold):
    with pytest.raises(InputError, match=r'it must be 0 to 4 \(num_folds - 1\), "test" or "all"'):
        split_datalist(data, "training", 3, fold)


def test_unknown_section(data):
    with pytest.raises(InputError, match="section is 'tests'; it must be one of training, validation, test"):
        split_datalist(data, "tests", 3)


def test_second_call_reads_nothing(data, tmp_path, reads):
    files = {"folds_file": tmp_path / "folds.json", "facts_file": tmp_path / "facts.json"}
    split_datalist(data, "training", 3, **files)
    assert len(reads) == 24
    split_datalist(data, "validation", 3, **files)
    assert len(reads) == 24


def test_problems_are_refused_with_a_first_line_that_says_all(data):
    spoil(data)
    with pytest.raises(InputError) as error:
        split_datalist(data, "training", 3)
    first = str(error.value).splitlines()[0]
    assert first.startswith(f"1 of 12 cases cannot be used: {data}/labelsTr/c03.nii.gz: shape 4 x 4 x 5 differs from")
    assert first.endswith("; bring both onto one grid")


def test_labels_outside_the_classes_are_refused(data):
    with pytest.raises(
        InputError, match=r"4 of 12 cases cannot be used: .*label values 2 are outside the classes 0 to 1"
    ):
        split_datalist(data, "training", 2)


def test_without_validation_labels_are_read_for_the_folds_alone(data, tmp_path, reads):
    expected = split_datalist(data, "training", 3)
    del reads[:]
    folds_file = tmp_path / "folds.json"
    assert split_datalist(data, "training", 3, folds_file=folds_file, validate=False) == expected
    assert sorted(reads) == [f"{data}/labelsTr/c{number:02d}.nii.gz" for number in range(12)]
    del reads[:]
    assert split_datalist(data, "training", 3, folds_file=folds_file, validate=False) == expected
    assert reads == []


def test_without_validation_problems_pass(data):
    spoil(data)
    assert len(split_datalist(data, "training", 2, validate=False)) == 9


def test_folds_file_of_other_data_is_refused(data, tmp_path):
    folds_file = tmp_path / "folds.json"
    split_datalist(data, "training", 3, folds_file=folds_file)
    for kind in ("images", "labels"):
        (data / f"{kind}Tr" / "c05.nii.gz").unlink()
    for validate in (True, False):
        with pytest.raises(InputError, match="1 of its cases are not in the data, such as c05; pass --other_data true"):
            split_datalist(data, "training", 3, folds_file=folds_file, validate=validate)


def test_folds_file_decides_over_the_seed(data, tmp_path):
    folds_file = tmp_path / "folds.json"
    first = split_datalist(data, "validation", 3, folds_file=folds_file, seed=1)
    assert split_datalist(data, "validation", 3, folds_file=folds_file, seed=2) == first
    assert split_datalist(data, "validation", 3, seed=2) != first


def test_more_folds_than_cases(data):
    with pytest.raises(InputError, match="num_folds is 13 for 12 case"):
        split_datalist(data, "training", 3, num_folds=13)


@pytest.mark.parametrize("key", ["folds_file", "facts_file"])
def test_unwritable_files(data, tmp_path, key):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"file/x.json cannot be written .* pass "):
        split_datalist(data, "training", 3, **{key: tmp_path / "file" / "x.json"})


def both_sections(data, output):
    files = {"folds_file": output / "folds.json", "facts_file": output / "facts.json"}
    return [split_datalist(data, section, 3, 1, 4, **files) for section in ("training", "validation")]


def test_processes_at_once_agree(data, tmp_path):
    output = tmp_path / "out"
    with ProcessPoolExecutor(4, mp_context=multiprocessing.get_context("fork")) as pool:
        runs = [run.result() for run in [pool.submit(both_sections, data, output) for _ in range(4)]]
    assert runs == 4 * [[split_datalist(data, section, 3, 1, 4) for section in ("training", "validation")]]
    assert sorted(path.name for path in output.iterdir()) == ["facts.json", "folds.json"]


def test_hippocampus_parts_into_160_and_40(shared_data, tmp_path):
    files = {"folds_file": tmp_path / "folds.json", "facts_file": tmp_path / "facts.json"}
    folder = shared_data / "hippocampus"
    classes = ["anterior", "posterior"]  # dataset.json: Anterior, Posterior
    training = listed_cases(folder, "training", classes, **files)
    validation = listed_cases(folder, "validation", classes, **files)
    assert (len(training), len(validation)) == (160, 40)
    assert not {case["label"] for case in training} & {case["label"] for case in validation}
