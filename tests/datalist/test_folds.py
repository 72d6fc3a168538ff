import json
import re
from collections import Counter

import numpy as np
import pytest

from custom.datalist.folds import load_folds, load_or_make_folds, make_folds, read_folds, write_folds
from custom.errors import InputError


def random_strata(seed):
    generator = np.random.default_rng(seed)
    types = [(), (1,), (2,), (3,), (1, 2), (4,)]
    chosen = generator.choice(len(types), size=generator.integers(10, 120), p=[0.05, 0.5, 0.2, 0.1, 0.05, 0.1])
    return {f"case_{number:03d}": types[kind] for number, kind in enumerate(chosen)}


@pytest.mark.parametrize("seed", range(30))
def test_every_stratum_and_the_whole_are_spread_evenly(seed):
    strata = random_strata(seed)
    num_folds = 2 + seed % 6
    folds = make_folds(strata, num_folds, seed)
    assert sorted(name for fold in folds for name in fold) == sorted(strata)
    sizes = [len(fold) for fold in folds]
    assert len(sizes) == num_folds
    assert max(sizes) - min(sizes) <= 1
    for stratum in set(strata.values()):
        spread = [sum(strata[name] == stratum for name in fold) for fold in folds]
        assert max(spread) - min(spread) <= 1


def test_the_papers_type_frequencies():
    types = {1: 247, 2: 203, 3: 101, 4: 102}
    strata = {f"{kind}_{number}": (kind,) for kind, count in types.items() for number in range(count)}
    for fold in make_folds(strata):
        counts = Counter(strata[name][0] for name in fold)
        assert len(fold) in (130, 131)
        assert all(counts[kind] in (count // 5, count // 5 + 1) for kind, count in types.items())


def test_order_of_the_cases_has_no_influence_and_the_seed_has():
    strata = random_strata(1)
    turned = dict(reversed(strata.items()))
    assert make_folds(strata, seed=3) == make_folds(turned, seed=3)
    assert make_folds(strata, seed=3) != make_folds(strata, seed=4)


def test_refused_numbers():
    with pytest.raises(
        InputError, match=r"num_folds is 5 for 2 case\(s\); add cases, or pass --num_folds 2 or --fold all"
    ):
        make_folds({"a": (1,), "b": (1,)})
    with pytest.raises(InputError, match="pass --num_folds 2 or more"):
        make_folds({"a": (1,), "b": (1,)}, num_folds=1)


def test_file_is_written_once_and_then_decides(tmp_path):
    path = tmp_path / "new" / "folds.json"
    strata = random_strata(2)
    folds = load_or_make_folds(path, strata, seed=7)
    assert folds == make_folds(strata, seed=7) == read_folds(path)
    written = path.read_bytes()
    assert load_or_make_folds(path, strata, seed=8) == folds
    assert path.read_bytes() == written


@pytest.mark.parametrize("cases", range(6))
def test_the_number_of_folds_that_is_advised_is_taken(cases):
    strata = {str(number): (1,) for number in range(cases)}
    for asked in range(8):
        try:
            make_folds(strata, asked)
        except InputError as error:
            advised = re.search(r"--num_folds (\d+)", str(error))
            assert "--fold all" in str(error)
            if advised and cases > 1:
                assert sum(map(len, make_folds(strata, int(advised[1])))) == cases


def test_no_file_makes_the_same_folds_each_time():
    assert load_or_make_folds(None, random_strata(2), seed=7) == make_folds(random_strata(2), seed=7)


def test_a_person_can_read_the_file(tmp_path):
    write_folds(tmp_path / "f.json", [["a", "c"], ["b"]], {"a": (1, 3), "b": (), "c": (3,)}, seed=5)
    assert json.loads((tmp_path / "f.json").read_text()) == {
        "version": 1,
        "seed": 5,
        "folds": [
            {"num_cases": 2, "cases_with_class": {"1": 1, "3": 2}, "classes_of_case": {"a": "1 3", "c": "3"}},
            {"num_cases": 1, "cases_with_class": {"1": 0, "3": 0, "none": 1}, "classes_of_case": {"b": "none"}},
        ],
    }


def test_other_data_are_refused_with_counts_and_examples(tmp_path):
    path = tmp_path / "folds.json"
    write_folds(path, [["a", "c"], ["b"]], dict.fromkeys("abc", (1,)))
    with pytest.raises(InputError) as error:
        load_or_make_folds(path, dict.fromkeys("abxy", (1,)), num_folds=2)
    assert str(error.value) == (
        f"{path} was made for other data: 2 cases of the data are not in it, such as x, "
        "and 1 of its cases are not in the data, such as c; pass --other_data true to score them all, "
        "another --ckpt_dir to train on them, or another --folds_file"
    )
    with pytest.raises(InputError, match="has 2 folds, not num_folds = 5"):
        load_folds(path, "abc")


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        '{"version": 9, "folds": []}',
        '{"version": 1}',
        '{"version": 1, "folds": [3]}',
        '{"version": 1, "folds": [{"classes_of_case": [[]]}]}',
    ],
)
def test_damaged_file_is_refused(tmp_path, text):
    path = tmp_path / "folds.json"
    path.write_text(text)
    with pytest.raises(InputError, match=r"folds.json is no file of folds, version 1; delete it"):
        read_folds(path)


def test_case_in_two_folds_is_refused(tmp_path):
    path = tmp_path / "folds.json"
    write_folds(path, [["a", "b"], ["b"]], dict.fromkeys("ab", (1,)))
    with pytest.raises(InputError, match="case b lies in more than one fold"):
        read_folds(path)


def test_unreadable_and_unwritable_file(tmp_path):
    with pytest.raises(InputError, match=r"none.json cannot be read \(No such file"):
        read_folds(tmp_path / "none.json")
    (tmp_path / "file").touch()
    with pytest.raises(
        InputError, match=r"file/folds.json cannot be written \(.+\): pass a --folds_file in another folder"
    ):
        load_or_make_folds(tmp_path / "file" / "folds.json", dict.fromkeys("ab", (1,)), num_folds=2)
