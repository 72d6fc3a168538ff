"""Tables of a study from hand-made scores."""

import csv
import math
import re

import pytest

from custom.reports.case_scores import Evaluation, collect_scores
from custom.reports.study_tables import (
    Score,
    class_comparison_rows,
    comparison_rows,
    latex,
    score_rows,
    write_tables,
)
from custom.reports.text_table import markdown_table

HEADER = "case,class,dice,hd95_mm,truth_voxels,predicted_voxels\n"
CLASSES = ["liver", "left_kidney"]


@pytest.fixture
def evaluations(tmp_path):
    """Two methods of two folds and two seeds; base lacks the second seed of a. Patient c has no left kidney."""
    texts = {
        ("ours", 0, 0): "a,liver,0.8,2.0,9,9\na,left_kidney,0.6,4.0,9,9\n",
        ("ours", 1, 0): "a,liver,0.9,4.0,9,9\na,left_kidney,0.8,6.0,9,9\n",
        ("ours", 0, 1): "c,liver,0.5,1.0,9,9\nc,left_kidney,,,0,0\n",
        ("base", 0, 0): "a,liver,0.7,3.0,9,9\na,left_kidney,0.5,450,9,0\n",
        ("base", 0, 1): "c,liver,0.6,2.0,9,9\nc,left_kidney,,,0,0\n",
    }
    found = [Evaluation(*place, tmp_path / f"{'_'.join(map(str, place))}.csv") for place in texts]
    for one, text in zip(found, texts.values(), strict=True):
        one.file.write_text(HEADER + text)
    return found


def test_means_over_patients_of_means_over_seeds(evaluations):
    rows = {
        (row["method"], row["metric"], row["class"]): row
        for row in score_rows(collect_scores(evaluations).scores, CLASSES, {})
    }
    liver = rows["ours", "dice", "liver"]
    assert (liver["patients"], liver["mean"]) == (2, pytest.approx((0.85 + 0.5) / 2))
    kidney = rows["ours", "dice", "left_kidney"]
    assert (kidney["patients"], kidney["mean"], kidney["sd"]) == (1, pytest.approx(0.7), None)
    joint = rows["ours", "dice", "mean of classes"]
    assert joint["mean"] == pytest.approx((0.675 + 0.7) / 2), "the mean of the classes' means"
    assert joint["median"] == joint["patient_mean"] == pytest.approx((0.775 + 0.5) / 2), "of the patients' own means"
    assert rows["base", "hd95_mm", "left_kidney"]["mean"] == 450


def test_differences_are_over_patients_with_the_same_seeds(evaluations):
    dice, hd95 = comparison_rows(collect_scores(evaluations).scores, "base")
    assert (dice["method"], dice["reference"], dice["patients"]) == ("ours", "base", 2)
    assert dice["difference"] == pytest.approx(((0.7 - 0.6) + (0.5 - 0.6)) / 2), "the seed that only ours has is out"
    assert hd95["difference"] == pytest.approx(((3 - 226.5) + (1 - 2)) / 2)


def test_only_patients_that_both_have_are_compared(evaluations):
    assert [row["patients"] for row in comparison_rows(collect_scores(evaluations[:4]).scores, "base")] == [1, 1]


def test_only_classes_that_both_have_are_compared():
    """A patient's mean over other classes would be another quantity."""
    base = [Score("base", "wrong_type", "a", "liver", 0.0), Score("base", "wrong_type", "a", "left_kidney", 1.0)]
    (row,) = comparison_rows([*base, Score("ours", "wrong_type", "a", "liver", 0.0)], "base")
    assert (row["patients"], row["difference"]) == (1, 0)


def test_only_classes_of_seeds_that_both_have_are_compared():
    """Of seed 1 ours has no kidney, so base's kidney there has nothing to be paired with."""
    base = [
        Score("base", "dice", "a", label, x, seed) for label, x, seed in [("liver", 0.5, "0"), ("kidney", 0.9, "1")]
    ]
    ours = [Score("ours", "dice", "a", label, 0.6, "0") for label in ("liver", "kidney")]
    (row,) = comparison_rows([*base, *ours], "base")
    assert (row["patients"], row["difference"]) == (1, pytest.approx(0.1))


def test_methods_without_a_common_training_are_not_compared():
    scores = [Score("base", "dice", "a", "liver", 0.5, "seed 0"), Score("ours", "dice", "a", "liver", 0.6, "seed 1")]
    (row,) = comparison_rows(scores, "base")
    assert row["patients"] == 0
    assert math.isnan(row["difference"])


def test_false_components_belong_to_no_class():
    """They are counted over all classes, so the same test would stand in every class's row."""
    scores = [
        Score(method, metric, case, label, value)
        for method, value in (("base", 1.0), ("ours", 2.0))
        for metric in ("dice", "false_components")
        for case in "ab"
        for label in ("liver", "kidney")
    ]
    per_class = class_comparison_rows(scores, ["kidney", "liver"], {}, "base")
    assert {row["metric"] for row in per_class} == {"dice"}
    assert [row["class"] for row in per_class] == ["kidney", "liver"], "the order of their ids, not of the scores"
    assert {row["metric"] for row in comparison_rows(scores, "base")} == {"dice", "false_components"}
    ours = [row for row in score_rows(scores, ["liver", "kidney"], {}) if row["method"] == "ours"]
    means = {row["class"]: row["mean"] for row in ours if row["metric"] == "false_components"}
    assert means == {"liver": None, "kidney": None, "mean of classes": 2}


def test_a_scan_without_lesions_counts_once_among_false_components():
    """It has a count for each class, a scan with a lesion one for its own alone."""
    lesions = [Score("a", "false_components", f"lesion{n}", "type1" if n < 2 else "type2", 1.0) for n in range(4)]
    healthy = [Score("a", "false_components", f"healthy{n}", f"type{m}", 0.0) for n in range(4) for m in (1, 2)]
    rows = score_rows([*lesions, *healthy], ["type1", "type2"], {})
    assert rows[-1]["mean"] == rows[-1]["patient_mean"] == 0.5


def test_groups_of_classes_have_a_mean_and_tests_of_their_own(tmp_path):
    """Table 6 of the FLARE23 paper: organs, and apart from them the tumour, which patient b lacks."""
    values = {"base": (0.8, 0.6, 0.1), "ours": (0.9, 0.7, 0.0)}
    scores = [
        Score(method, "dice", case, label, value)
        for method, own in values.items()
        for case in "ab"
        for label, value in zip(("liver", "spleen", "tumour"), own, strict=True)
        if (case, label) != ("b", "tumour")
    ]
    groups = {"organs": ["liver", "spleen", "absent"], "tumour": ["tumour"]}
    classes = ["liver", "spleen", "tumour"]
    rows = {row["class"]: row for row in score_rows(scores, classes, groups) if row["method"] == "ours"}
    assert list(rows) == [*classes, "organs", "mean of classes"], "a group of one class is that class"
    assert (rows["organs"]["patients"], rows["organs"]["mean"]) == (2, pytest.approx(0.8))
    assert rows["mean of classes"]["mean"] == pytest.approx(1.6 / 3)
    text = write_tables(tmp_path, "Stages", scores, classes, groups, "base")
    assert "| organs: Dice | mean of classes: Dice |" in text
    assert "each patient the mean of organs:" in text
    organs = text.partition("mean of organs:")[2]
    assert "| ours | base | Dice | 2 | +0.100 |" in organs
    assert "| ours | base | Dice | 2 | +0.067 |" in text, "of all classes, the tumour too"
    tested = {row["class"] for row in class_comparison_rows(scores, classes, groups, "base")}
    assert tested == {*classes, "organs"}


def test_a_method_without_a_metric_of_the_table_has_a_dash(tmp_path):
    scores = [Score("both", "dice", "a", "liver", 0.5), Score("both", "nsd", "a", "liver", 0.25)]
    text = write_tables(tmp_path, "Study", [*scores, Score("one", "dice", "a", "liver", 0.75)], ["liver"], {}, "both")
    assert "| one | 1 | 0.750 / - | 0.750 / - |" in text


def test_evaluations_that_are_not_there_yet_are_left_out(evaluations, tmp_path):
    later = Evaluation("ours", 1, 1, tmp_path / "later.csv")
    assert collect_scores([*evaluations[:3], later]).scores == collect_scores(evaluations[:3]).scores


def test_files(evaluations, tmp_path):
    rules = ["HD95: pooled"]
    text = write_tables(tmp_path / "out", "Kidneys", collect_scores(evaluations).scores, CLASSES, {}, "base", rules)
    assert text.startswith("# Kidneys\n\nMeans over patients (of")
    assert "\n\n| method | patients | liver: Dice / HD95 [mm] | left_kidney:" in text
    assert "| ours | 2 | 0.675 / 2.0 | 0.700 / 5.0 | 0.688 / 3.5 |" in text
    assert "| ours | 0.637 ± 0.194 (0.637) | 2.5 ± 2.1 (2.5) |" in text
    assert "| ours | base | Dice | 2 | +0.000 |" in text
    assert text.endswith("\n\nHD95: pooled\n")
    assert (tmp_path / "out" / "study.md").read_text() == text
    with (tmp_path / "out" / "scores.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 2 * 2 * 3
    tex = (tmp_path / "out" / "study.tex").read_text()
    assert tex.count(r"\begin{tabular}") == tex.count(r"\end{tabular}") == 3
    assert r"left\_kidney" in tex
    assert r"0.637 $\pm$ 0.194 (0.637)" in tex


def test_without_hd95_the_table_has_dice_and_nsd(tmp_path):
    """As Table 6 of the FLARE23 paper."""
    values = {"dice": 0.5, "nsd": 0.75}
    scores = [Score("small", name, "case", label, x) for name, x in values.items() for label in ("liver", "spleen")]
    text = write_tables(tmp_path, "Organs", scores, ["liver", "spleen"], {}, "small")
    assert "| small | 1 | 0.500 / 0.750 | 0.500 / 0.750 | 0.500 / 0.750 |" in text


@pytest.mark.parametrize("letters", ["a & b#", r"$x_1^2$ \ {~}", "100 %"])
def test_letters_that_latex_would_take_for_its_own(letters):
    """Each is escaped, so that a line has as many cells as its titles."""
    line = latex([["a", "b"], [letters, "1"]]).splitlines()[4]
    plain = line.replace(r"\textbackslash{}", "").replace(r"\textasciitilde{}", "").replace(r"\textasciicircum{}", "")
    unescaped = re.sub(r"\\[_%&#${}]", "", plain.removesuffix(r" \\"))
    assert unescaped.count("&") == 1, "the one between the cells"
    assert not set(unescaped) & set("_%#${}^~\\")


def test_a_table_in_both_languages():
    lines = [["method", "95 %"], ["a_b", "1"]]
    assert markdown_table(lines, numbers=True) == "| method | 95 % |\n| --- | ---: |\n| a_b | 1 |"
    assert latex(lines).splitlines()[2:5] == [r"method & 95 \% \\", r"\midrule", r"a\_b & 1 \\"]


def test_metrics_beyond_the_papers_are_in_the_second_table(tmp_path):
    values = {"dice": 0.5, "hd95_mm": 4.0, "lesion_f1": 0.25, "false_components": 3.0}
    scores = [Score("plain", name, "case", label, x) for name, x in values.items() for label in ("a", "b")]
    text = write_tables(tmp_path, "Study", scores, ["a", "b"], {}, "plain")
    assert "| plain | 1 | 0.500 / 4.0 | 0.500 / 4.0 | 0.500 / 4.0 |" in text
    assert "| method | Dice | HD95 [mm] | lesion F1 | false components |" in text
    assert "| plain | 0.500 | 4.0 | 0.250 | 3.00 |" in text
