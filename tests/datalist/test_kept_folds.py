"""What a training has held out, wherever its file of folds comes from."""

import json

import pytest

from custom.datalist.fixed_split import read_split, write_split
from custom.datalist.folds import read_folds, write_folds
from custom.datalist.kept_folds import folds_of_training, keep_folds, names_in
from custom.errors import InputError

TYPES = {"a": (1,), "b": (1,), "c": (2,)}


@pytest.fixture
def files(tmp_path):
    (tmp_path / "models").mkdir()
    write_folds(tmp_path / "folds.json", [["a", "b"], ["c"]], TYPES)
    write_folds(tmp_path / "others.json", [["a"], ["b", "c"]], TYPES)
    (tmp_path / "split.csv").write_text("case,split\na,training\nb,training\nc,test\n")
    return tmp_path


@pytest.mark.parametrize(("name", "read"), [("folds.json", read_folds), ("split.csv", read_split)])
def test_a_copy_says_the_same(files, name, read):
    kept = files / "models" / "folds.json"
    keep_folds(files / name, kept)
    assert read(kept) == read(files / name)
    assert names_in(kept) == {"a", "b", "c"}
    keep_folds(kept, kept)
    assert json.loads(kept.read_text())


def test_a_trainings_own_folds_are_taken(files):
    kept = files / "models" / "folds.json"
    assert folds_of_training(files / "folds.json", kept) == files / "folds.json", "none are kept"
    keep_folds(files / "folds.json", kept)
    for named in (kept, files / "folds.json", files / "absent.json", None):
        assert folds_of_training(named, kept) == kept


def test_other_folds_are_refused(files):
    kept = files / "models" / "folds.json"
    keep_folds(files / "folds.json", kept)
    with pytest.raises(InputError, match=r"others\.json holds out other cases than .*models.folds\.json"):
        folds_of_training(files / "others.json", kept)


def test_a_training_that_kept_none_needs_them(files):
    with pytest.raises(InputError, match="is missing, which says what cases the training has not seen: pass its --fo"):
        folds_of_training(None, files / "models" / "folds.json")


def test_of_a_fixed_split_folds_say_nothing(files):
    kept = files / "models" / "folds.json"
    keep_folds(files / "split.csv", kept)
    assert folds_of_training(files / "folds.json", kept, fixed=True) == kept
    write_split(files / "other.json", ["a", "c"], ["b"], "")
    with pytest.raises(InputError, match="holds out other cases"):
        folds_of_training(files / "other.json", kept, fixed=True)
