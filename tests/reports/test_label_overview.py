"""The picture of a labelled scan."""

import matplotlib.image
import numpy as np
import pytest

from custom.reports.drawing import class_colour
from custom.reports.label_overview import draw_label_overview, slice_with_most_classes

from .pictures import has_colour


def test_the_slice_shows_most_classes_then_most_of_them():
    label = np.zeros((6, 8, 9), np.uint8)
    label[1, :, :] = 1  # much of one class
    label[3, 2:4, 2] = 1
    label[3, 5, 5] = 2
    label[4, 2:4, 2:5] = 1
    label[4, 5, 5] = 2
    assert slice_with_most_classes(label, 0) == 4
    assert slice_with_most_classes(np.zeros_like(label), 2) == 4


@pytest.mark.parametrize(("value", "shown"), [(2, True), (0, False)])
def test_the_picture_shows_what_was_found(tmp_path, value, shown):
    label = np.zeros((20, 30, 10), np.uint8)
    label[5:9, 5:9, 3:7] = value
    image = np.random.RandomState(0).rand(20, 30, 10)
    draw_label_overview(tmp_path / "a.png", "a", image, label, (1, 1, 3), ["x", "y"], {"y": 0.2}, note="odd" * shown)
    picture = matplotlib.image.imread(tmp_path / "a.png")
    assert has_colour(picture, class_colour(2)) is shown
