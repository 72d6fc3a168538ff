import numpy as np
import pytest

from custom.plans.decisions import Decision, decisions, table, warnings
from custom.plans.planner import make_plan_of

from .test_planner import fingerprint

ISOTROPIC = ([[1, 1, 1]] * 10, [[80, 90, 70]] * 10)


def found(classes=("liver",), channels=("MRI",), spacings=ISOTROPIC[0], shapes=ISOTROPIC[1], **changes):
    """Warnings and decisions of a data set, the latter by what they decide."""
    data = fingerprint(spacings, shapes, channels=len(channels), classes=len(classes), **changes)
    plan, figures = make_plan_of(data, classes, channels)
    return warnings(plan, data), {one.what: one for one in decisions(plan, figures, data, 8)}


def test_sound_data_give_no_warnings():
    assert found()[0] == []


def test_a_file_oriented_unlike_the_rest_is_named():
    lines, rows = found(orientations=("LPS",) * 9 + ("RAS",))
    assert len(lines) == 1
    assert lines[0].startswith("1 of 10 files are not oriented LPS as the others: case_9 (RAS); make sure")
    assert rows["files"].value == "LPS (9), RAS (1)"


def test_of_many_odd_orientations_five_are_named():
    orientations = ("LPS",) * 7 + ("RAS",) * 6
    lines, _ = found(spacings=[[1, 1, 1]] * 13, shapes=[[80, 90, 70]] * 13, orientations=orientations)
    assert lines[0].startswith("6 of 13 files are not oriented LPS as the others: case_7 (RAS), ")
    assert ", case_11 (RAS) and 1 more; make sure" in lines[0]


@pytest.mark.parametrize(("coarsest", "count"), [(3.0, 0), (3.1, 1)])
def test_spacings_spread_over_a_factor_of_three(coarsest, count):
    lines, _ = found(spacings=[[1, 1, 1]] * 9 + [[1, 1, coarsest]])
    assert len(lines) == count
    assert all(line.startswith("spacings along R spread from 1 to 3.1 mm") for line in lines)


def test_class_in_fewer_than_five_cases():
    lines, _ = found(classes=("liver", "spleen", "cyst"), present=(5, 4, 3), annotated=(10, 10, 6))
    assert lines[0].startswith("class spleen is present in 4 cases, fewer than 5")
    assert lines[1].startswith("class cyst is present in 3 cases (of 6 annotated for it), fewer than 5")
    assert len(lines) == 2


@pytest.mark.parametrize(("share", "count"), [(0.001, 0), (0.0004, 1)])
def test_little_foreground(share, count):
    lines, _ = found(foreground_share=share)
    assert len(lines) == count
    assert all("are 0.0004 of the median scan, less than 0.1%" in line for line in lines)


def test_each_decision_has_a_reason():
    _, rows = found(classes=("left_kidney", "right_kidney"), channels=("CT",))
    assert all(row.value and row.why for row in rows.values())
    assert rows["mirroring"] == Decision(
        "mirroring", "axis 0 (S), axis 1 (A)", "not left-right: left_kidney and right_kidney differ by side"
    )
    assert rows["normalisation"].value == "CT, -10 to 120"
    assert rows["levels"].value == "1x1x1, 2x2x2 (4)"
    assert "3d_lowres" not in rows["patch"].why


def test_reasons_of_thick_slices_and_large_scans():
    spacings, shapes = [[5, 0.7, 0.7]] * 10, [[40, 512, 512]] * 10
    _, rows = found(spacings=spacings, shapes=shapes)
    assert "10th percentile" in rows["spacing, mm"].why
    assert "kernels 1x3x3 first (7.1 times coarser slices)" in rows["levels"].why
    _, rows = found(spacings=[[1, 1, 1]] * 10, shapes=[[500, 500, 500]] * 10)
    assert "% of the median scan, less than 25%: nnU-Net would consider 3d_lowres, too" in rows["patch"].why


@pytest.mark.parametrize(
    ("cases", "size", "batch", "reason"),
    [
        (10, 300, "2", "2 at least; more memory goes into the patch"),
        (60, 40, "3", "5 % of the voxels of 60 scans"),
        (4000, 40, "82", "as many patches as fit the memory"),
    ],
)
def test_reason_of_the_batch(cases, size, batch, reason):
    _, rows = found(spacings=[[1, 1, 1]] * cases, shapes=[[size] * 3] * cases)
    assert rows["batch"] == Decision("batch", batch, reason)


def test_zscore_of_cropped_scans_says_what_nnunet_would_do():
    _, rows = found(relative_size=0.4)
    assert "nnU-Net takes non-zero voxels only (cropping leaves 40%)" in rows["normalisation"].why
    _, rows = found(channels=("CT", "PET"))
    assert "nnU-Net would clip channel CT alone" in rows["normalisation"].why
    _, rows = found(channels=("noNorm", "PET"))
    assert "nnU-Net would not: a channel is called noNorm, PET" in rows["normalisation"].why


def test_table_is_aligned():
    lines = table([Decision("a", "1", "first"), Decision("longer", "12 x 3", "second")])
    assert lines == ["a       1       first", "longer  12 x 3  second"]


def test_figures_are_numbers_that_yaml_can_write():
    data = fingerprint(*ISOTROPIC)
    plan, _ = make_plan_of(data, ["liver"], ["MRI"])

    def plain(value):
        if isinstance(value, dict):
            return all(isinstance(key, str) and plain(item) for key, item in value.items())
        if isinstance(value, list):
            return all(map(plain, value))
        return value is None or (isinstance(value, str | int | float) and not isinstance(value, np.generic))

    assert plain(plan)
