"""Forced foreground: uniform over classes, not over voxels; patches stay admissible."""

import numpy as np
import pytest

from custom.transforms.patch_centre import forced_centre, start_around, start_range, uniform_start

SHAPE = (6, 7, 8)


def indices_of(label: np.ndarray, classes: int) -> list[np.ndarray]:
    return [np.flatnonzero(label == value) for value in range(classes)]


def test_classes_present_are_equally_likely_whatever_their_size():
    label = np.zeros(SHAPE, int)
    label[:3] = 1
    label[5, 5, 5] = 3  # one voxel; class 2 is absent
    random = np.random.RandomState(0)
    centres = [tuple(forced_centre(indices_of(label, 4), SHAPE, random)) for _ in range(2000)]
    share = np.mean([label[centre] == 3 for centre in centres])
    assert share == pytest.approx(0.5, abs=0.05)
    assert all(label[centre] in (1, 3) for centre in centres)
    assert len(set(centres)) > 150, "every voxel of a class is drawn"


def test_no_foreground_no_centre():
    assert forced_centre(indices_of(np.zeros(SHAPE, int), 4), SHAPE, np.random.RandomState(0)) is None
    assert forced_centre([], SHAPE, np.random.RandomState(0)) is None


def test_uniform_start_reaches_every_admissible_place_and_no_other():
    random = np.random.RandomState(0)
    starts = {tuple(uniform_start((5, 3), (3, 3), random)) for _ in range(300)}
    assert starts == {(0, 0), (1, 0), (2, 0)}


@pytest.mark.parametrize(
    ("size", "patch", "low", "high"), [(10, 4, 0, 6), (4, 4, 0, 0), (3, 6, -1, -1), (3, 5, -1, -1), (4, 6, -1, -1)]
)
def test_a_smaller_volume_lies_in_the_middle(size, patch, low, high):
    """A volume of 3 in a patch of 6 has 1 voxel before and 2 after it."""
    first, last = start_range((size,), (patch,))
    assert (first[0], last[0]) == (low, high)


def test_start_around_centres_unless_the_border_is_near():
    assert start_around(np.array([5, 5, 5]), (20, 20, 20), (4, 4, 4)).tolist() == [3, 3, 3]
    assert start_around(np.array([0, 19, 5]), (20, 20, 20), (4, 4, 4)).tolist() == [0, 16, 3]
