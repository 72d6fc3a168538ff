"""Tables and a page from scores alone."""

import json
import sys

import pytest

from custom.errors import InputError
from custom.reports.case_scores import CASE_SCORES, CaseScores, Evaluation, collect_scores, write_case_scores
from custom.reports.page import compare, write_report
from custom.reports.study_tables import FILES

from ..two_methods import HEADER, two_methods
from .page_folders import USAGE
from .test_report_command import read, words


@pytest.fixture
def evaluations(tmp_path) -> list[Evaluation]:
    return two_methods(tmp_path)


@pytest.fixture
def place(tmp_path):
    (tmp_path / "parts").mkdir()
    return tmp_path / "parts"


def test_parts_of_several_machines_give_the_tables_of_the_whole(evaluations, place, tmp_path):
    write_case_scores(tmp_path / CASE_SCORES, collect_scores(evaluations))
    write_case_scores(place / "first.csv", collect_scores(evaluations[:2]))
    write_case_scores(place / "second.csv", collect_scores(evaluations[2:]))
    compare(tmp_path / CASE_SCORES, "base", tmp_path / "whole")
    compare(place, "base", tmp_path / "pooled")
    for name in FILES:
        assert (tmp_path / "pooled" / name).read_text() == (tmp_path / "whole" / name).read_text()
    assert "| ours | 2 | 0.550 | 0.700 |" in (tmp_path / "pooled" / "study.md").read_text(), "a's seeds are averaged"


def test_a_study_that_has_scored_nothing_is_no_comparison(place):
    write_case_scores(place / CASE_SCORES, CaseScores([]))
    with pytest.raises(InputError, match=f"{place}: no scores yet"):
        compare(place, "base", place / "out")


def test_tables_among_the_parts_would_be_read_as_scores(evaluations, place):
    write_case_scores(place / "first.csv", collect_scores(evaluations))
    with pytest.raises(
        InputError, match=f"--output {place}: its tables would be read as scores next time; pass another"
    ):
        compare(place, "base", place)
    assert len(list(place.iterdir())) == 1


def test_the_reference_is_one_of_the_methods(evaluations, place):
    write_case_scores(place / CASE_SCORES, collect_scores(evaluations))
    with pytest.raises(InputError, match=f"{place}: no method is called nnunet; pass as --reference one of base, ours"):
        compare(place, "nnunet", place / "out")


def test_a_reference_without_scores_is_none(place):
    """Every difference from it would be nothing."""
    (place / CASE_SCORES).write_text("method,seed,fold,case,class,dice\nbase,0,0,a,liver,\nours,0,0,a,liver,0.5\n")
    with pytest.raises(InputError, match="no method is called base; pass as --reference one of ours"):
        compare(place / CASE_SCORES, "base", place / "out")


def test_the_page_has_what_scores_alone_are_enough_for(tmp_path):
    """And nothing of runs, curves or scans, of which it knows nothing."""
    rows = [
        f"{method},{seed},0,{case},{label},{dice},{size},{size},{size / 1000}"
        for method, dice in (("base", 0.5), ("ours", 0.7))
        for seed in (0, 1)
        for case, label, size in (("p1", "cyst", 90), ("p1", "<b>", 0), ("p2", "cyst", 0), ("p2", "<b>", 4000))
    ]
    head = "method,seed,fold,case,class,dice,truth_voxels,predicted_voxels,truth_ml"
    (tmp_path / CASE_SCORES).write_text("\n".join([head, *rows]) + "\n")
    (tmp_path / "report.html").write_text("the study's own")
    compare(tmp_path / CASE_SCORES, "base", tmp_path, title="Cysts & others")
    text = words(read(tmp_path / "scores.html"))
    for words_of_page in ("Cysts & others", "2 patients scored", "classes: cyst, <b>", "reference: base"):
        assert words_of_page in text
    headings = (
        "Scores",
        "Spread over patients",
        "Cases, the worst first",
        "Dice against volume",
        "Confusion between types",
    )
    assert all(heading in text for heading in headings)
    assert not any(
        word in text for word in ("runs done", "Training curves", "Settings and data", "kept its label maps")
    )
    assert (tmp_path / "report.html").read_text() == "the study's own"


def write_evaluations(folder, dice, classes=("liver", "spleen", "tumour")):
    """What evaluate.yaml writes for each model, with the groups of its plan."""
    for model, value in dice.items():
        place = folder / model / "evaluation"
        place.mkdir(parents=True)
        rows = [f"{case},{label},{value},9,9" for case in ("p1", "p2") for label in classes]
        (place / "metrics_per_case.csv").write_text("\n".join([HEADER.strip(), *rows]) + "\n")
        facts = {"rules": ["Dice of 1 where both are empty"], "groups": {"organs": list(classes[:2])}}
        (place / "metrics.json").write_text(json.dumps(facts))
    (folder / "efficiency").mkdir(exist_ok=True)
    (folder / "efficiency" / "small.json").write_text(json.dumps(USAGE))


def test_evaluations_of_any_models(tmp_path):
    """Tables 6 and 7 of the FLARE23 paper, without a study or a recipe."""
    write_evaluations(tmp_path / "models", {"big": 0.75, "small": 0.5})
    compare(tmp_path / "models", "big", tmp_path / "out")
    text = (tmp_path / "out" / "study.md").read_text()
    assert "organs: Dice" in text
    assert "| small | big | Dice | 2 | -0.250 |" in text
    assert text.endswith("\n\nDice of 1 where both are empty\n")
    write_report(tmp_path / "models", viewer="slices")
    for page in (tmp_path / "out" / "scores.html", tmp_path / "models" / "report.html"):
        assert "organs: Dice" in words(read(page))
        assert "Dice of 1 where both are empty" in words(read(page))
    text = words(read(tmp_path / "models" / "report.html"))
    assert "Commands under python -m custom measure" in text
    assert "95 % interval" not in text, "nobody has said against which model"
    write_evaluations(tmp_path / "models", {"other": 0.5}, ("liver", "spleen", "kidney"))
    for command in (
        lambda: compare(tmp_path / "models", "big", tmp_path / "out"),
        lambda: write_report(tmp_path / "models"),
    ):
        with pytest.raises(
            InputError, match=r"different classes \(kidney, tumour in one alone\): pass scores of one data"
        ):
            command()


def test_without_jinja2_the_tables_are_there(evaluations, place, monkeypatch, caplog):
    write_case_scores(place / CASE_SCORES, collect_scores(evaluations))
    monkeypatch.setitem(sys.modules, "jinja2", None)
    (place / "out").mkdir()
    (place / "out" / "scores.html").write_text("of other scores")
    compare(place / CASE_SCORES, "base", place / "out")
    assert (place / "out" / "study.md").is_file()
    assert not (place / "out" / "scores.html").exists()
    assert "scores.html: not written (the page needs the package jinja2: pip install jinja2)" in caplog.text
