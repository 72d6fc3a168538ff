"""Scores of cases from hand-made files: pooled, told apart, refused where they cannot be told apart."""

import json
from pathlib import Path

import pytest

from custom.errors import InputError
from custom.reports.case_scores import (
    CASE_SCORES,
    CaseScores,
    Evaluation,
    collect_scores,
    read_case_scores,
    scoring_rules,
    write_case_scores,
)
from custom.reports.study_tables import Score

from .two_methods import HEADER, two_methods


@pytest.fixture
def evaluations(tmp_path) -> list[Evaluation]:
    return two_methods(tmp_path)


@pytest.fixture
def place(tmp_path) -> Path:
    (tmp_path / "parts").mkdir()
    return tmp_path / "parts"


def test_one_file_holds_what_the_evaluations_do(evaluations, place):
    missing = Evaluation("later", 0, 0, place / "not_there.csv")
    write_case_scores(place / CASE_SCORES, collect_scores([*evaluations, missing]))
    found = read_case_scores(place / CASE_SCORES)
    assert found == collect_scores(evaluations)
    assert found.class_names == ["liver", "kidney"]
    assert found.methods == ["base", "ours"]
    assert found.scores[0] == Score("base", "dice", "a", "liver", 0.5, "seed 0, fold 0")
    assert len(found.scores) == 8, "without the kidney of b, which has no score"
    lines = (place / CASE_SCORES).read_text().splitlines()
    assert lines[0] == "method,seed,fold,case,class,dice,truth_voxels,predicted_voxels"
    assert lines[-1] == "ours,0,1,b,kidney,,0,0", "a class that the case does not have keeps its row"


def test_excel_begins_a_table_with_a_byte_order_mark(place):
    (place / CASE_SCORES).write_text("method,seed,fold,case,class,dice\nours,0,0,a,liver,0.5\n", encoding="utf-8-sig")
    assert read_case_scores(place / CASE_SCORES).methods == ["ours"]


def test_an_evaluation_that_has_a_case_twice_is_refused(evaluations):
    """The means would be over both, the comparisons of one."""
    file = evaluations[0].file
    file.write_text(file.read_text() + "a,liver,0.9,9,9\n")
    with pytest.raises(InputError, match=f"{file}: two rows of a liver; correct or restore the file"):
        collect_scores(evaluations)


def test_a_study_without_scores(place):
    write_case_scores(place / CASE_SCORES, CaseScores([]))
    assert read_case_scores(place / CASE_SCORES) == CaseScores([])


def test_a_study_has_other_csv_files_too(evaluations, place):
    write_case_scores(place / CASE_SCORES, collect_scores(evaluations))
    (place / "study.md").write_text("# Study")
    (place / "scores.csv").write_text("method,metric\nours,dice\n")
    assert read_case_scores(place) == read_case_scores(place / CASE_SCORES)


def test_the_same_scores_twice_are_refused(evaluations, place):
    """Else the cases of one machine would count double."""
    write_case_scores(place / "first.csv", collect_scores(evaluations[:3]))
    write_case_scores(place / "second.csv", collect_scores(evaluations[2:]))
    with pytest.raises(
        InputError, match=r"second.csv: the scores of ours 0 0 a liver are in .*first.csv already; pass"
    ):
        read_case_scores(place)


def test_folds_that_differ_are_refused(evaluations, place):
    """A case that two machines held out in different folds was in the training of one of them."""
    write_case_scores(place / "first.csv", collect_scores(evaluations[:2]))
    write_case_scores(place / "second.csv", collect_scores([evaluations[0]._replace(fold=3)]))
    with pytest.raises(InputError, match=r"second.csv: a is of fold 3, but in .*first.csv of fold 0 "):
        read_case_scores(place)


def test_methods_that_were_trained_on_different_folds_are_no_pair(evaluations, place):
    write_case_scores(place / "first.csv", collect_scores(evaluations[:1]))
    write_case_scores(place / "second.csv", collect_scores([evaluations[0]._replace(method="ours", fold=3)]))
    with pytest.raises(InputError, match=r"second.csv: a is of fold 3, but in .*first.csv of fold 0 \(seed 0\)"):
        read_case_scores(place)


def test_parts_among_the_files_of_a_study_are_not_passed_over(evaluations, place):
    write_case_scores(place / CASE_SCORES, collect_scores(evaluations[:1]))
    (place / "study.md").write_text("# Study")
    write_case_scores(place / "other.csv", collect_scores(evaluations[1:]))
    with pytest.raises(InputError, match=r"other.csv: a study's folder holds its own scores alone; pass a folder"):
        read_case_scores(place)


def test_files_of_different_studies_are_refused(evaluations, place):
    """Means over patients of two data sets are of neither."""
    write_case_scores(place / "first.csv", collect_scores(evaluations))
    head = "method,seed,fold,case,class,dice\n"
    (place / "second.csv").write_text(head)
    assert read_case_scores(place) == collect_scores(evaluations), "a part that has not scored anything yet"
    (place / "second.csv").write_text(head + "base,0,0,x,liver,0.5\nbase,0,0,x,spleen,0.5\n")
    with pytest.raises(
        InputError, match=r"second.csv and .*first.csv are of different classes \(kidney, spleen in one"
    ):
        read_case_scores(place)


def test_data_that_no_fold_has_seen_may_be_scored_by_each(evaluations, place):
    """In one study: an evaluation with other_data."""
    write_case_scores(place / CASE_SCORES, collect_scores([evaluations[0], evaluations[0]._replace(fold=3)]))
    found = read_case_scores(place / CASE_SCORES)
    assert {one.training for one in found.scores} == {"seed 0, fold 0", "seed 0, fold 3"}


def test_the_rules_of_the_metrics_are_told_once_and_with_the_methods_where_they_differ(evaluations, tmp_path):
    for number, one in enumerate(evaluations):
        tolerance = 1 if one.method == "base" else 2
        (tmp_path / str(number)).mkdir()
        evaluations[number] = one._replace(file=tmp_path / str(number) / "metrics_per_case.csv")
        rules = {"rules": ["HD95: pooled", f"NSD: {tolerance} mm"], "notes": ["1 of 9 cases left out"]}
        (tmp_path / str(number) / "metrics.json").write_text(json.dumps(rules))
    assert scoring_rules(evaluations) == ["HD95: pooled", "base: NSD: 1 mm", "ours: NSD: 2 mm"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEADER + "a,liver,0.5,9,9\n", "no column method; pass a study's case_scores.csv, with commas between columns"),
        ("method;seed;fold;case;class\nours;0;0;a;liver\n", "no column method; pass"),
        ("method,seed,fold,case,class,dice\nours,0,,a,liver,0.5\n", "a row without fold"),
        ("method,seed,fold,case,class,dice\n" + 2 * "ours,0,0,a,liver,0.5\n", "two rows of ours 0 0 a liver; correct"),
        ("method,seed,fold,case,class,truth_ml\nours,0,0,a,liver,small\n", "truth_ml of a is 'small'; a value is"),
        ("method,seed,fold,case,class,dice\nours,0,0,a,liver,good\n", "dice of a is 'good'"),
        ("method,seed,fold,case,class,dice\nours,0,0,a,liver,nan\n", "dice of a is 'nan'"),
        ("method,seed,fold,case,class,dice\nours,0,0,a,liver,inf\n", "dice of a is 'inf'"),
        ("method,seed,fold,case,class,dice\nours,0,0,a,liver,0.5,7\n", "a cell beyond the last column of a is"),
        (b"\xff\xfe", "cannot be read"),
    ],
)
def test_other_files_are_refused_by_name(text, message, place):
    file = place / "scores.csv"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InputError, match=message) as raised:
        read_case_scores(file)
    assert str(file) in str(raised.value)


def test_nothing_to_read(place):
    with pytest.raises(InputError, match=r"no \.csv file"):
        read_case_scores(place)
    with pytest.raises(InputError, match="cannot be read"):
        read_case_scores(place / "nowhere.csv")
