"""Which windows are run: starts by hand, the rules that skip, drop and follow."""

import pytest
import torch

from custom.inferers.efficient_windows import WindowPlan, central_starts, count_plain_windows

WINDOW = (8, 16, 24)


@pytest.mark.parametrize(
    ("size", "window", "starts"),
    [
        (100, 20, {-1: 30, 0: 40, 1: 50}),  # more than twice the window: only the central two windows are seen
        (41, 20, {-1: 0, 0: 10, 1: 20}),
        (40, 20, {-1: 0, 0: 10, 1: 20}),
        (31, 20, {-1: 0, 0: 5, 1: 11}),
        (21, 20, {0: 0, 1: 1}),  # the window below the centre would be the centre one
        (20, 20, {0: 0}),
    ],
)
def test_central_starts_by_hand(size, window, starts):
    assert central_starts(size, window) == starts


@pytest.mark.parametrize("size", range(9, 60))
def test_central_windows_lie_inside_the_image(size):
    starts = central_starts(size, 9)
    assert all(0 <= start <= size - 9 for start in starts.values())
    assert list(starts.values()) == sorted(set(starts.values()))


def test_rows_around_a_centre():
    rows = WindowPlan("efficient").rows((17, 40, 100), WINDOW)
    assert [row.start for row in rows] == [0, 3, 6, 9]
    first = rows[0]
    assert first.first == (slice(0, 8), slice(12, 28), slice(38, 62))
    assert len(first.others) == 8
    assert first.others[-1, 1] == (slice(0, 8), slice(4, 20), slice(50, 74))


def test_plain_rows_hold_every_window():
    size = (17, 40, 100)
    rows = WindowPlan("all").rows(size, WINDOW)
    windows = [window for row in rows for window in (row.first, *row.others.values())]
    assert len(windows) == count_plain_windows(size, WINDOW) == 4 * 4 * 8
    seen = torch.zeros(size)
    for window in windows:
        seen[window] += 1
    assert seen.min() >= 1


def test_an_image_smaller_than_the_window_has_one_window():
    assert count_plain_windows((3, 5, 7), WINDOW) == 1


def _labels(**boxes):
    """A centre window's labels: class_id=(slices)."""
    labels = torch.zeros(WINDOW, dtype=torch.long)
    for name, box in boxes.items():
        labels[box] = int(name.removeprefix("class_"))
    return labels


ALL_SIDES = [(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1) if (y, x) != (0, 0)]
MIDDLE = (slice(2, 6), slice(4, 12), slice(8, 16))  # 256 voxels


class TestEfficient:
    plan = WindowPlan("efficient", tubular=(5, 6), min_foreground_voxels=256)

    def test_too_little_foreground_is_dropped(self):
        labels = _labels(class_1=MIDDLE)
        assert self.plan.following(labels, ALL_SIDES) == ALL_SIDES
        labels[2, 4, 8] = 0
        assert self.plan.following(labels, ALL_SIDES) is None

    def test_tubular_classes_alone_are_followed_along_y_where_they_leave(self):
        middle = _labels(class_5=MIDDLE)
        assert self.plan.following(middle, ALL_SIDES) == []
        reaches_low_y = _labels(class_5=(slice(2, 6), slice(0, 12), slice(8, 16)))
        assert self.plan.following(reaches_low_y, ALL_SIDES) == [(-1, 0)]
        both = _labels(
            class_5=(slice(2, 6), slice(0, 8), slice(8, 16)), class_6=(slice(2, 6), slice(8, 16), slice(8, 16))
        )
        assert self.plan.following(both, ALL_SIDES) == [(-1, 0), (1, 0)]
        along_x = _labels(class_6=(slice(2, 6), slice(4, 12), slice(0, 24)))
        assert self.plan.following(along_x, ALL_SIDES) == []

    def test_a_face_counts_from_eleven_voxels_on(self):
        labels = _labels(class_5=MIDDLE)
        labels[0, -1, :10] = 5
        assert self.plan.following(labels, ALL_SIDES) == []
        labels[0, -1, 10] = 6
        assert self.plan.following(labels, ALL_SIDES) == [(1, 0)]

    def test_one_voxel_of_another_organ_runs_all_others(self):
        labels = _labels(class_5=MIDDLE)
        labels[3, 5, 9] = 4
        assert self.plan.following(labels, ALL_SIDES) == ALL_SIDES

    def test_only_windows_that_exist_are_run(self):
        low_y = _labels(class_5=(slice(2, 6), slice(0, 16), slice(8, 16)))
        assert self.plan.following(low_y, [(1, 0)]) == [(1, 0)]


class TestLateral:
    plan = WindowPlan("lateral")

    def test_foreground_in_the_middle_needs_no_other_window(self):
        assert self.plan.following(_labels(class_1=MIDDLE), ALL_SIDES) == []
        assert self.plan.following(_labels(), ALL_SIDES) == []
        through_z = _labels(class_1=(slice(0, 8), slice(4, 12), slice(8, 16)))
        assert self.plan.following(through_z, ALL_SIDES) == []

    @pytest.mark.parametrize("voxel", [(3, 0, 9), (3, 15, 9), (3, 5, 0), (3, 5, 23)])
    def test_one_voxel_on_a_lateral_face_runs_all_others(self, voxel):
        labels = _labels()
        labels[voxel] = 1
        assert self.plan.following(labels, ALL_SIDES) == ALL_SIDES

    def test_a_face_at_the_border_of_the_image_does_not_count(self):
        labels = _labels(class_1=(slice(2, 6), slice(0, 16), slice(8, 16)))
        assert self.plan.following(labels, [(0, -1), (0, 1)]) == []


def test_unknown_plan():
    with pytest.raises(ValueError, match="windows is 'some'; use one of all, efficient, lateral"):
        WindowPlan("some")
