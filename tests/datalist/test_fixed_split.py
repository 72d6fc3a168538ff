"""A fixed split: what is read, and what is refused."""

from __future__ import annotations

import json

import pytest

from custom.datalist.fixed_split import held_out_cases, read_split, split_file_of, write_split
from custom.datalist.folds import write_folds
from custom.errors import InputError


def test_json_and_csv_say_the_same(tmp_path):
    write_split(tmp_path / "split.json", ["b", "a"], ["c"], "a challenge")
    (tmp_path / "split.csv").write_text("case,split\na,training\nb, Training\nc,test\n")
    split = {"training": ["a", "b"], "test": ["c"]}
    assert read_split(tmp_path / "split.json") == read_split(tmp_path / "split.csv") == split
    assert json.loads((tmp_path / "split.json").read_text())["source"] == "a challenge"


def test_the_data_sets_own_split_unless_one_is_named(tmp_path):
    own = tmp_path / "split.json"
    write_split(own, ["a", "b"], ["c", "gone"], "")
    assert held_out_cases(own, ["a", "b", "c"]) == ["c", "gone"]
    assert split_file_of(tmp_path) == split_file_of(tmp_path, tmp_path / "absent.json") == own
    write_split(tmp_path / "other.json", ["a", "c"], ["b"], "")
    assert split_file_of(tmp_path, tmp_path / "other.json") == tmp_path / "other.json"
    write_folds(tmp_path / "folds.json", [["a", "b"], ["c"]], {"a": (1,), "b": (1,), "c": (1,)})
    assert split_file_of(tmp_path, tmp_path / "folds.json") == own, "folds are no split"


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("split.json", "[", "is no split"),
        ("split.json", '{"training": ["a"]}', "is no split"),
        ("split.json", '{"training": ["a"], "test": ["a"]}', "case a is there twice"),
        ("split.json", '{"training": ["a", "b"], "test": []}', "no case is for test"),
        ("split.csv", "case,side\na,test\n", "is no split"),
        ("split.csv", "case,split\na,validation\n", "is no split"),
        ("split.csv", "case,split\na,training\nx,test\n", "lacks 1 cases of the data, such as b"),
        ("split.csv", "case,split\na,training\nb,training\nx,test\n", "no case of the data is for test"),
    ],
)
def test_refused(tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        held_out_cases(tmp_path / name, ["a", "b"])
    assert str(tmp_path / name) in str(caught.value)


def test_no_split_at_all(tmp_path):
    with pytest.raises(InputError, match=r'fold "test": there is no split at .*split\.json; pass one as --folds_file'):
        split_file_of(tmp_path, tmp_path / "folds.json")
