import math

import numpy as np
import pytest

from custom.errors import InputError
from custom.reports.metric_table import (
    MEAN_OF_CLASSES,
    format_table,
    majority_class_dice,
    per_case_rows,
    summary,
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


GROUPS = {"frequent": ["meningioma", "ependymoma"], "absent": ["astrocytoma"], "none": [], "ependymoma": ["ependymoma"]}


def test_a_group_is_the_mean_of_its_class_means_with_the_spread_over_cases():
    rows = summary(CLASSES, {"dice": DICE, "hd95_mm": HD95}, MISSING, GROUPS)
    assert [row["class"] for row in rows] == [*CLASSES, "frequent", "absent", MEAN_OF_CLASSES]
    frequent = row_of(rows, "frequent")
    assert frequent == {**row_of(rows, MEAN_OF_CLASSES), "class": "frequent"}
    assert (frequent["cases"], frequent["missing"]) == (4, 1)
    assert frequent["dice_mean"] == pytest.approx((0.7 + 0.4) / 2)
    assert {**row_of(rows, "absent"), "class": ""} == {**row_of(rows, "astrocytoma"), "class": ""}
    assert rows[:3] == summary(CLASSES, {"dice": DICE, "hd95_mm": HD95}, MISSING)[:3]


def test_organs_and_tumour_are_told_apart():
    scores = np.array([[0.9, 0.7, 0.1], [0.7, 0.5, 1.0]])
    rows = summary(
        ["liver", "spleen", "tumour"], {"nsd": scores}, groups={"organs": ["liver", "spleen"], "tumour": ["tumour"]}
    )
    assert {row["class"]: row["nsd_mean"] for row in rows} == pytest.approx(
        {"liver": 0.8, "spleen": 0.6, "tumour": 0.55, "organs": 0.7, MEAN_OF_CLASSES: 0.65}
    )
    assert row_of(rows, "organs")["nsd_sd"] == pytest.approx(np.std([0.8, 0.6], ddof=1), abs=1e-6)
    table = format_table(rows, "phantoms", 2, metric_titles={"nsd": "surface"}).splitlines()
    assert table[1].split() == ["class", "cases", "surface", "median"]
    assert table[6].split() == ["organs", "2", "0.700", "+-", "0.141", "0.700"]
    assert "NSD" in format_table(rows, "phantoms", 2)


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ({"organs": ["liver"]}, "group 'organs': no class is called liver; the classes are meningioma, ependymoma"),
        ({"meningioma": ["ependymoma"]}, "group 'meningioma' with ependymoma: another row has this name"),
        ({MEAN_OF_CLASSES: ["ependymoma"]}, "another row has this name; give it another"),
    ],
)
def test_groups_that_do_not_fit_are_named(groups, message):
    with pytest.raises(InputError, match=message):
        summary(CLASSES, {"dice": DICE}, groups=groups)


def test_other_predictors_are_compared_class_by_class_not_by_groups():
    baselines = {"untrained network": {"meningioma": 0.01, "ependymoma": 0.03, "astrocytoma": None}}
    rows = summary(CLASSES, {"dice": DICE}, groups=GROUPS)
    assert format_table(rows, "phantoms", 4, baselines=baselines).splitlines()[-4:] == [
        "mean Dice          meningioma  ependymoma  astrocytoma  mean of classes",
        "-----------------------------------------------------------------------",
        "this model              0.700       0.400            -            0.550",
        "untrained network       0.010       0.030            -            0.020",
    ]


def test_many_classes_stand_below_each_other_in_the_comparison():
    names = [f"class {number}" for number in range(1, 15)]
    rows = summary(names, {"dice": np.full((2, 14), 0.5)}, groups={"organs": names[:13]})
    baselines = {"untrained network": dict.fromkeys(names, 0.25)}
    text = format_table(rows, "phantoms", 2, baselines=baselines).splitlines()
    assert text[-17].split() == ["mean", "Dice", "this", "model", "untrained", "network"]
    assert [line.split()[-2:] for line in text[-15:]] == [["0.500", "0.250"]] * 15
    assert [line.split("  ")[0] for line in text[-2:]] == ["class 14", MEAN_OF_CLASSES]


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
    untrained = {"meningioma": 0.01, "ependymoma": 0.03, "astrocytoma": None}
    baselines = {"untrained network": untrained, "one class": {"meningioma": 0.25}}
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
