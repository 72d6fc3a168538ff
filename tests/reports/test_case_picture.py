"""Slices and pictures of hand-built cases."""

from __future__ import annotations

from dataclasses import replace

import matplotlib.image
import numpy as np
import pytest

from custom.errors import InputError
from custom.reports.case_picture import (
    draw_cases,
    region_of_interest,
    slice_case,
    slice_with_most_foreground,
    slicing_axis,
)
from custom.reports.drawing import class_colour

from .pictures import has_colour


def read_picture(path):
    picture = matplotlib.image.imread(path)
    assert picture.ndim == 3
    return picture


def case(shape=(6, 20, 24), spacing=(3.0, 1.0, 1.0), with_field=True, **kwargs):
    image = np.random.default_rng(0).normal(size=shape)
    truth, prediction = np.zeros(shape, int), np.zeros(shape, int)
    truth[4, 5:9, 6:10] = 1
    prediction[4, 5:9, 7:11] = 2
    field = truth * 0.75 if with_field else None
    return slice_case("case_a", image, truth, prediction, spacing, field, **kwargs)


@pytest.mark.parametrize(
    ("spacing", "axis"),
    [((3.3, 0.47, 0.47), 0), ((0.8, 0.8, 2.5), 2), ((0.7, 4.0, 0.7), 1), ((2, 2, 2), 2), ((1.0, 1.05, 0.98), 2)],
)
def test_slices_lie_across_the_coarsest_axis_and_are_axial_on_isotropic_grids(spacing, axis):
    assert slicing_axis(spacing) == axis


def test_the_slice_has_most_truth_else_most_prediction_else_is_the_middle():
    empty, truth, prediction = (np.zeros((5, 4, 4), int) for _ in range(3))
    truth[1, 0, 0], truth[3, :2, 0] = 1, 2
    prediction[0] = 1
    assert slice_with_most_foreground(truth, prediction, axis=0) == 3
    assert slice_with_most_foreground(empty, prediction, axis=0) == 0
    assert slice_with_most_foreground(empty, empty, axis=0) == 2


def test_of_slices_with_equally_much_truth_the_middle_one_is_shown():
    truth = np.zeros((9, 4, 4), int)
    truth[2:7, 1, 1] = 1
    assert slice_with_most_foreground(truth, truth, axis=0) == 4


@pytest.mark.parametrize(
    ("axis", "sides", "corner"),
    [
        (0, ("A", "P", "S", "I"), (0, -1, -1)),
        (1, ("R", "L", "S", "I"), (-1, 0, -1)),
        (2, ("R", "L", "A", "P"), (-1, -1, 0)),
    ],
)
def test_the_page_shows_superior_up_anterior_left_and_the_right_side_left(axis, sides, corner):
    shape = tuple(1 if a == axis else n for a, n in enumerate((3, 4, 5)))
    image, label = np.zeros(shape), np.zeros(shape, int)
    image[corner] = 1  # the corner at the upper left of the page
    picture = slice_case("c", image, label, label, (1, 2, 3), axis=axis)
    assert picture.sides == sides
    assert picture.image[0, 0] == 255
    assert picture.image.sum() == 255
    assert picture.image.shape == {0: (5, 4), 1: (5, 3), 2: (4, 3)}[axis]
    assert picture.pixel_mm == {0: (3, 2), 1: (3, 1), 2: (2, 1)}[axis]


def test_the_field_is_shown_within_its_range():
    shape = (1, 2, 2)
    label = np.ones(shape, int)
    field = np.array([[[-0.2, 0.4], [0.8, 7.0]]])
    picture = slice_case("c", np.zeros(shape), label, label, (2, 1, 1), field)
    np.testing.assert_allclose(picture.field, [[1, 0.4], [0.8, 0]], atol=1e-3)


def test_only_a_slice_is_kept_and_in_few_bytes():
    picture = case(shape=(6, 64, 128))
    assert picture.truth.shape == (128, 64)
    held = sum(array.nbytes for array in (picture.image, picture.truth, picture.prediction, picture.field))
    assert held == 64 * 128 * 5
    assert all(a.base is None for a in (picture.image, picture.truth, picture.prediction, picture.field))


def test_constant_and_nan_intensities_can_be_shown():
    label = np.ones((1, 3, 3), int)
    assert slice_case("c", np.full((1, 3, 3), 7.0), label, label, (2, 1, 1)).image.dtype == np.uint8
    image = np.zeros((1, 3, 3))
    image[0, 1, 1] = np.nan
    assert slice_case("c", image, label, label, (2, 1, 1)).image.max() <= 255


def test_the_region_surrounds_the_foreground_within_the_view_and_keeps_its_proportions():
    foreground = np.zeros((200, 100), bool)
    foreground[0:20, 90:100] = True
    top, bottom, left, right = region_of_interest(foreground)
    assert top >= 0
    assert bottom >= 20
    assert left <= 90
    assert right <= 100
    assert (bottom - top) / (right - left) == pytest.approx(2)
    assert bottom - top < 60


def test_a_single_pixel_is_enlarged_in_its_surroundings():
    foreground = np.zeros((100, 100), bool)
    foreground[50, 30] = True
    assert region_of_interest(foreground) == pytest.approx((40.5, 60.5, 20.5, 40.5))


def test_there_is_no_region_without_foreground_or_where_it_is_most_of_the_view():
    foreground = np.zeros((10, 10), bool)
    assert region_of_interest(foreground) is None
    foreground[1:9, 4] = True
    assert region_of_interest(foreground) is None


def test_the_picture_shows_each_class_in_its_colour(tmp_path):
    draw_cases([replace(case(), caption="best")], tmp_path / "new" / "cases.png", ["benign", "cancer"])
    picture = read_picture(tmp_path / "new" / "cases.png")
    assert picture[..., :3].std() > 0.1
    assert has_colour(picture, class_colour(1))
    assert has_colour(picture, class_colour(2))
    assert not has_colour(picture, class_colour(3))
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["cases.png"]


def test_a_row_per_case_and_a_column_more_with_a_field(tmp_path):
    draw_cases([case()], tmp_path / "one.png", ["a", "b"])
    draw_cases([case(), case(), case()], tmp_path / "three.png", ["a", "b"])
    draw_cases([case(with_field=False)], tmp_path / "plain.png", ["a", "b"])
    draw_cases([case(with_field=False), case()], tmp_path / "mixed.png", ["a", "b"])
    one, three, plain, mixed = (read_picture(tmp_path / f"{n}.png") for n in ("one", "three", "plain", "mixed"))
    assert three.shape[0] > 2.5 * one.shape[0]
    assert three.shape[1] == one.shape[1] == mixed.shape[1]
    assert plain.shape[1] < 0.85 * one.shape[1]


def test_cases_without_any_label_and_classes_without_a_name_can_be_drawn(tmp_path):
    empty = np.zeros((2, 8, 8), int)
    draw_cases([slice_case("e", np.zeros((2, 8, 8)), empty, empty, (2, 1, 1)), case()], tmp_path / "x.png", [])
    assert read_picture(tmp_path / "x.png").std() > 0.05


def test_grids_that_differ_are_named():
    label = np.zeros((2, 3, 4), int)
    with pytest.raises(InputError, match=r"case_7: .*image \(2, 3, 5\), truth \(2, 3, 4\)"):
        slice_case("case_7", np.zeros((2, 3, 5)), label, label, (1, 1, 1))
    with pytest.raises(InputError, match=r"one grid \(X, Y, Z\)"):
        slice_case("case_7", np.zeros((3, 5)), np.zeros((3, 5)), np.zeros((3, 5)), (1, 1))


def test_no_case_is_an_error(tmp_path):
    with pytest.raises(InputError, match="no case to draw"):
        draw_cases([], tmp_path / "x.png", ["a"])
