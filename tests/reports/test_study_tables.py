"""Tables of a study from hand-made scores."""

import csv

import pytest

from custom.reports.case_scores import read_scores
from custom.reports.study_tables import Score, comparison_rows, latex, score_rows, write_tables
from custom.reports.text_table import markdown_table

HEADER = "case,class,dice,hd95_mm,truth_voxels,predicted_voxels\n"
CLASSES = ["liver", "left_kidney"]


@pytest.fixture
def files(tmp_path):
    """Two methods of two folds; ours twice, with two seeds. Patient c has no left kidney."""
    folds = {
        "ours": [
            "a,liver,0.8,2.0,9,9\na,left_kidney,0.6,4.0,9,9\n",
            "a,liver,0.9,4.0,9,9\na,left_kidney,0.8,6.0,9,9\n",
            "c,liver,0.5,1.0,9,9\nc,left_kidney,,,0,0\n",
        ],
        "base": ["a,liver,0.7,3.0,9,9\na,left_kidney,0.5,450,9,0\n", "c,liver,0.6,2.0,9,9\nc,left_kidney,,,0,0\n"],
    }
    found = {method: [tmp_path / f"{method}{i}.csv" for i in range(len(texts))] for method, texts in folds.items()}
    for method, paths in found.items():
        for path, text in zip(paths, folds[method], strict=True):
            path.write_text(HEADER + text)
    return found


def test_means_over_patients_of_means_over_seeds(files):
    rows = {(row["method"], row["metric"], row["class"]): row for row in score_rows(read_scores(files), CLASSES)}
    liver = rows["ours", "dice", "liver"]
    assert (liver["patients"], liver["mean"]) == (2, pytest.approx((0.85 + 0.5) / 2))
    kidney = rows["ours", "dice", "left_kidney"]
    assert (kidney["patients"], kidney["mean"], kidney["sd"]) == (1, pytest.approx(0.7), None)
    joint = rows["ours", "dice", "mean of classes"]
    assert joint["mean"] == pytest.approx((0.675 + 0.7) / 2), "the mean of the classes' means"
    assert joint["median"] == pytest.approx((0.775 + 0.5) / 2), "of the patients' own means"
    assert rows["base", "hd95_mm", "left_kidney"]["mean"] == 450


def test_differences_are_over_patients(files):
    dice, hd95 = comparison_rows(read_scores(files), "base")
    assert (dice["method"], dice["reference"], dice["patients"]) == ("ours", "base", 2)
    assert dice["difference"] == pytest.approx(((0.775 - 0.6) + (0.5 - 0.6)) / 2)
    assert hd95["difference"] == pytest.approx(((4 - 226.5) + (1 - 2)) / 2)


def test_only_patients_that_both_have_are_compared(files):
    files["base"] = files["base"][:1]
    assert [row["patients"] for row in comparison_rows(read_scores(files), "base")] == [1, 1]


def test_only_classes_that_both_have_are_compared():
    """A patient's mean over other classes would be another quantity."""
    base = [Score("base", "wrong_type", "a", "liver", 0.0), Score("base", "wrong_type", "a", "left_kidney", 1.0)]
    (row,) = comparison_rows([*base, Score("ours", "wrong_type", "a", "liver", 0.0)], "base")
    assert (row["patients"], row["difference"]) == (1, 0)


def test_evaluations_that_are_not_there_yet_are_left_out(files, tmp_path):
    assert len(read_scores({"ours": [*files["ours"], tmp_path / "later.csv"]})) == 10


def test_files(files, tmp_path):
    text = write_tables(tmp_path / "out", "Kidneys", read_scores(files), CLASSES, "base")
    assert text.startswith("# Kidneys\n\n| method | patients | liver: Dice / HD95 [mm] | left_kidney:")
    assert "| ours | 2 | 0.675 / 2.0 | 0.700 / 5.0 | 0.688 / 3.5 |" in text
    assert "| ours | base | Dice | 2 | +0.038 |" in text
    assert (tmp_path / "out" / "study.md").read_text() == text
    with (tmp_path / "out" / "scores.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 2 * 2 * 3
    tex = (tmp_path / "out" / "study.tex").read_text()
    assert tex.count(r"\begin{tabular}") == tex.count(r"\end{tabular}") == 2
    assert r"left\_kidney" in tex


def test_a_table_in_both_languages():
    lines = [["method", "95 %"], ["a_b", "1"]]
    assert markdown_table(lines, numbers=True) == "| method | 95 % |\n| --- | ---: |\n| a_b | 1 |"
    assert latex(lines).splitlines()[2:5] == [r"method & 95 \% \\", r"\midrule", r"a\_b & 1 \\"]


def test_metrics_beyond_the_papers_have_a_table_of_their_own(tmp_path):
    scores = [
        Score("plain", metric, "case", label, value)
        for metric, value in (("dice", 0.5), ("hd95_mm", 4.0), ("lesion_f1", 0.25), ("false_components", 3.0))
        for label in ("a", "b")
    ]
    text = write_tables(tmp_path, "Study", scores, ["a", "b"], "plain")
    assert "| plain | 1 | 0.500 / 4.0 | 0.500 / 4.0 | 0.500 / 4.0 |" in text
    assert "| method | lesion F1 | false components |" in text
    assert "| plain | 0.250 | 3.00 |" in text
