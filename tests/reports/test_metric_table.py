import csv
import math

import numpy as np
import pytest

from custom.reports.metric_table import (
    MEAN_OF_CLASSES,
    format_table,
    majority_class_dice,
    per_case_rows,
    summary,
    write_csv,
)

NAN = float("nan")
CLASSES = ["meningioma", "ependymoma", "astrocytoma"]
# four cases; nobody has an astrocytoma
DICE = np.array([[0.9, NAN, NAN], [0.5, 0.2, NAN], [0.7, NAN, NAN], [NAN, 0.6, NAN]], dtype=np.float32)
HD95 = np.array([[2.0, NAN, NAN], [450.0, 30.0, NAN], [4.0, NAN, NAN], [NAN, 10.0, NAN]])
MISSING = HD95 == 450


@pytest.fixture
def rows():
    return summary(CLASSES, {"dice": DICE, "hd95_mm": HD95}, MISSING)


def row_of(rows, name):
    return next(row for row in rows if row["class"] == name)


def test_per_case_rows_leave_absent_classes_empty():
    rows = per_case_rows(["a", "b"], CLASSES[:2], {"dice": DICE[:2, :2], "voxels": np.array([[5, 0], [7, 8]])})
    assert rows == [
        {"case": "a", "class": "meningioma", "dice": 0.9, "voxels": 5},
        {"case": "a", "class": "ependymoma", "dice": None, "voxels": 0},
        {"case": "b", "class": "meningioma", "dice": 0.5, "voxels": 7},
        {"case": "b", "class": "ependymoma", "dice": 0.2, "voxels": 8},
    ]


def test_class_rows_are_over_the_cases_that_have_the_class(rows):
    meningioma = row_of(rows, "meningioma")
    assert (meningioma["cases"], meningioma["missing"]) == (3, 1)
    assert meningioma["dice_mean"] == pytest.approx(0.7)
    assert meningioma["dice_sd"] == pytest.approx(0.2)
    assert meningioma["hd95_mm_mean"] == pytest.approx(152.0)
    assert meningioma["hd95_mm_median"] == 4.0
    assert row_of(rows, "ependymoma")["dice_sd"] == pytest.approx(math.sqrt(0.08), abs=1e-6)


def test_a_class_without_cases_has_no_numbers(rows):
    assert row_of(rows, "astrocytoma") == {
        "class": "astrocytoma",
        "cases": 0,
        **{f"{metric}_{part}": None for metric in ("dice", "hd95_mm") for part in ("mean", "sd", "median")},
        "missing": 0,
    }


def test_overall_row_is_the_mean_of_class_means_with_the_spread_over_cases(rows):
    overall = rows[-1]
    assert overall["class"] == MEAN_OF_CLASSES
    assert (overall["cases"], overall["missing"]) == (4, 1)
    assert overall["dice_mean"] == pytest.approx((0.7 + 0.4) / 2)
    per_case = [0.9, 0.35, 0.7, 0.6]
    assert overall["dice_sd"] == pytest.approx(np.std(per_case, ddof=1), abs=1e-6)
    assert overall["dice_median"] == pytest.approx(0.65)
    assert overall["hd95_mm_mean"] == pytest.approx((152 + 20) / 2)


def test_one_case_has_no_deviation():
    row = summary(["cord"], {"dice": np.array([[0.4]])})[0]
    assert row == {"class": "cord", "cases": 1, "dice_mean": 0.4, "dice_sd": None, "dice_median": 0.4}


def test_majority_predictor_scores_one_on_its_own_cases_and_zero_on_others():
    voxels = np.array([[10, 0, 0], [300, 0, 0], [0, 1000, 0]])
    np.testing.assert_array_equal(majority_class_dice(voxels), [1, 0, NAN])


def test_majority_predictor_takes_other_classes_of_a_case_for_its_own():
    # cases with the majority class: 10 of 10 + 30 voxels, and alone
    assert majority_class_dice(np.array([[10, 30], [5, 0]]))[0] == pytest.approx((20 / 50 + 1) / 2)


def test_equally_frequent_classes_are_told_apart_by_their_voxels():
    np.testing.assert_allclose(majority_class_dice(np.array([[20, 60], [30, 30]])), [0, (120 / 140 + 60 / 90) / 2])
    np.testing.assert_array_equal(majority_class_dice(np.array([[5, 0], [0, 5]])), [1, 0])


def test_majority_predictor_without_any_foreground():
    assert np.isnan(majority_class_dice(np.zeros((2, 2)))).all()


def test_table_shows_every_number_under_its_title(rows):
    baselines = {"untrained network": {"meningioma": 0.01, "ependymoma": 0.03}, "one class": {"meningioma": 0.25}}
    text = format_table(rows, "phantoms, fold 0", 4, ["HD95: a note"], baselines)
    assert text.splitlines() == [
        "phantoms, fold 0: 4 cases, mean +- sd over cases",
        "HD95: a note",
        "class            cases            Dice  median       HD95 [mm]  median  missing",
        "-------------------------------------------------------------------------------",
        "meningioma           3  0.700 +- 0.200   0.700  152.0 +- 258.1     4.0        1",
        "ependymoma           2  0.400 +- 0.283   0.400    20.0 +- 14.1    20.0        0",
        "astrocytoma          0               -       -               -       -        0",
        "mean of classes      4  0.550 +- 0.229   0.650   86.0 +- 117.4     7.0        1",
        "",
        "mean Dice          meningioma  ependymoma  astrocytoma  mean of classes",
        "-----------------------------------------------------------------------",
        "this model              0.700       0.400            -            0.550",
        "untrained network       0.010       0.030            -            0.020",
        "one class               0.250           -            -                -",
    ]


def test_table_without_baselines_has_no_second_part():
    rows = summary(["cord"], {"dice": np.array([[0.4]])})
    assert format_table(rows, "one scan", 1).splitlines() == [
        "one scan: 1 case, mean +- sd over cases",
        "class            cases   Dice  median",
        "-------------------------------------",
        "cord                 1  0.400   0.400",
        "mean of classes      1  0.400   0.400",
    ]


def test_csv_reads_back_and_replaces_what_was_there(tmp_path):
    path = tmp_path / "new" / "cases.csv"
    write_csv(path, [{"case": "old", "dice": 1}])
    write_csv(path, [{"case": 'with "quotes", commas', "dice": 0.25}, {"case": "ü", "dice": None}])
    with path.open(encoding="utf-8", newline="") as file:
        assert list(csv.DictReader(file)) == [
            {"case": 'with "quotes", commas', "dice": "0.25"},
            {"case": "ü", "dice": ""},
        ]
    assert [entry.name for entry in path.parent.iterdir()] == ["cases.csv"]
