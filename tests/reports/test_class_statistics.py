import numpy as np
import pytest
from matplotlib.image import imread

from custom.cohort.manifest import Cohort, CohortCase, group_cases
from custom.reports.class_statistics import (
    LISTED_SETS,
    class_statistics,
    describe_classes,
    draw_class_statistics,
    format_annotated_sets,
    format_class_statistics,
)

CLASSES = ("liver", "left_kidney", "tumour")


def case(name, annotated, use="training"):
    return CohortCase(name, f"/{name}.nii.gz", f"/{name}_label.nii.gz" if annotated else None, annotated, use)


@pytest.fixture
def cohort():
    cases = (case("a", (1, 2)), case("b", (1, 3)), case("c", (1,)), case("d", ()), case("v", (1, 2, 3), "validation"))
    return Cohort("abdomen", CLASSES, (3,), cases)


VOLUMES = {"a": {1: 1200.0, 3: 5.0}, "b": {1: 1000.0, 3: 0.25}, "c": {1: 800.0}, "v": {1: 1.0, 2: 2.0}}


def test_counts_and_volumes_are_those_of_annotated_training_cases(cohort):
    rows = class_statistics(cohort, VOLUMES)
    assert rows[0] == {
        "class": "liver", "annotated": 3, "present": 3, "total_ml": 3000.0, "mean_ml": 1000.0, "validation": 1
    }  # fmt: skip
    assert rows[1] == {
        "class": "left_kidney", "annotated": 1, "present": 0, "total_ml": 0, "mean_ml": None, "validation": 1
    }  # fmt: skip
    assert (rows[2]["annotated"], rows[2]["present"], rows[2]["total_ml"]) == (1, 1, 0.25)  # not the 5 ml of case a


def test_table(cohort):
    lines = format_class_statistics(class_statistics(cohort, VOLUMES)).splitlines()
    assert lines[0].split() == ["class", "annotated", "present", "total", "ml", "mean", "ml", "validation"]
    assert set(lines[1]) == {"-"}
    assert [line.split() for line in lines[2:]] == [
        ["liver", "3", "3", "3,000", "1,000", "1"],
        ["left_kidney", "1", "0", "0", "-", "1"],
        ["tumour", "1", "1", "0.25", "0.25", "1"],
    ]
    assert len({len(line) for line in lines}) == 1


def test_annotated_sets_stand_under_their_groups(cohort):
    rules = {"some": {"any_annotated": True}, "none": {"any_annotated": False}}
    assert format_annotated_sets(cohort, group_cases(cohort.training, rules, cohort)).splitlines() == [
        "some: 3 cases",
        "  1  liver",
        "  1  all but tumour",
        "  1  all but left_kidney",
        "none: 1 cases",
        "  1  nothing",
    ]


def test_of_many_sets_the_rest_is_counted():
    sets = [(number,) for number in range(1, LISTED_SETS + 3)] * 2
    cases = tuple(case(f"c{number}", annotated) for number, annotated in enumerate(sets))
    many = Cohort("many", tuple(f"class{number}" for number in range(40)), (), cases)
    lines = format_annotated_sets(many, {"all": cases}).splitlines()
    assert len(lines) == LISTED_SETS + 2
    assert lines[-1].strip() == "and 4 cases of 2 further sets"


@pytest.mark.parametrize(
    ("ids", "text"),
    [((), "nothing"), ((1, 2, 3), "all 3 classes"), ((1, 2), "all but tumour"), ((3,), "tumour")],
)
def test_sets_in_words(cohort, ids, text):
    assert describe_classes(cohort, ids) == text


def bar_lengths(cohort, rows, tmp_path):
    """Pixels from the left to the right end of everything coloured, per bar from the top."""
    draw_class_statistics(cohort, rows, tmp_path / "chart.png")
    picture = imread(tmp_path / "chart.png")[..., :3]
    coloured = np.ptp(picture, axis=2) > 0.05
    rows_with_bars = np.flatnonzero(coloured.sum(axis=1) > 20)
    bands = np.split(rows_with_bars, np.flatnonzero(np.diff(rows_with_bars) > 3) + 1)
    return [int(coloured[band[len(band) // 2]].sum()) for band in bands if len(band)]


def test_bars_are_as_long_as_the_number_of_annotated_cases(cohort, tmp_path):
    liver, kidney, tumour = bar_lengths(cohort, class_statistics(cohort, VOLUMES), tmp_path)
    assert liver == pytest.approx(3 * tumour, rel=0.02)
    assert kidney == pytest.approx(tumour, rel=0.02)  # annotated, though never present


def test_a_chart_without_any_annotation_is_drawn(tmp_path):
    empty = Cohort("empty", CLASSES, (), (case("a", ()),))
    assert bar_lengths(empty, class_statistics(empty, {}), tmp_path) == []
