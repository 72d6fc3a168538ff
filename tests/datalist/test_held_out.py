"""What a training holds out, without a data set: by names and their classes alone."""

import json

import pytest

from custom.datalist import HeldOut
from custom.datalist.held_out import ALL
from custom.errors import InputError

NAMES = ["a", "b", "c", "d"]
CLASSES = [(1,), (1,), (2,), (2,)]


def test_folds_part_the_names():
    parts = [HeldOut(fold, num_folds=2).names(None, NAMES, CLASSES) for fold in (0, 1)]
    assert sorted([*parts[0], *parts[1]]) == NAMES
    assert all(len(part & {"a", "b"}) == len(part & {"c", "d"}) == 1 for part in parts), "each has one of each class"


def test_a_file_of_folds_needs_no_classes(tmp_path):
    file = tmp_path / "folds.json"
    made = HeldOut("1", num_folds=2, folds_file=file)
    assert made.are_made(made.file(tmp_path))
    first = made.names(file, NAMES, CLASSES)
    assert not made.are_made(file)
    assert made.names(file, NAMES, []) == first


@pytest.mark.parametrize(("fold", "number"), [("all", ALL), ("test", "test"), ("3", 3), (4, 4)])
def test_numbers(fold, number):
    assert HeldOut(fold).number() == number


@pytest.mark.parametrize("fold", [-1, 5, "2.5", None, [0]])
def test_no_such_fold(fold):
    with pytest.raises(InputError, match=r'it must be 0 to 4 \(num_folds - 1\), "test" or "all"'):
        HeldOut(fold).number()


def test_one_fold_is_none():
    with pytest.raises(InputError, match="num_folds is 1; pass --num_folds 2 or more, or --fold all"):
        HeldOut(num_folds=1).number()


def test_a_training_keeps_its_folds_and_goes_on_with_them(tmp_path):
    named, kept = tmp_path / "named.json", tmp_path / "models" / "folds.json"
    training = HeldOut(0, num_folds=2, folds_file=named, kept_file=kept)
    held_out = training.names(named, NAMES, CLASSES)
    training.keep(named)
    assert json.loads(kept.read_text()) == json.loads(named.read_text())
    named.unlink()
    for later in (HeldOut(0, 2, named, kept, resume=True), HeldOut(0, 2, named, kept, trained=True)):
        file = later.file(tmp_path)
        assert file == kept
        assert later.names(file, NAMES, []) == held_out


def test_a_training_that_begins_takes_no_folds_of_an_earlier_one(tmp_path):
    kept = tmp_path / "folds.json"
    HeldOut(0, num_folds=2, folds_file=kept).names(kept, NAMES, CLASSES)
    assert HeldOut(0, 2, None, kept).file(tmp_path) is None


def test_an_evaluation_keeps_nothing(tmp_path):
    named = tmp_path / "named.json"
    HeldOut(0, num_folds=2).names(named, NAMES, CLASSES)
    HeldOut(0, 2, named, tmp_path / "kept.json", trained=True).keep(named)
    assert not (tmp_path / "kept.json").exists()


def test_the_split_of_a_folder_is_found(tmp_path):
    (tmp_path / "split.json").write_text(json.dumps({"training": ["a", "b"], "test": ["c", "d"]}))
    held_out = HeldOut("test")
    file = held_out.file(tmp_path)
    assert not held_out.are_made(file)
    assert held_out.names(file, NAMES, []) == {"c", "d"}
