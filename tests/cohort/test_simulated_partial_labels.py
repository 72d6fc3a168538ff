import struct
from collections import Counter
from fractions import Fraction

import nibabel as nib
import numpy as np
import pytest

from custom.cohort.simulated_partial_labels import (
    Part,
    draw_held_out,
    draw_parts,
    is_reduced_label,
    largest_remainder,
    parse_parts,
    write_reduced_label,
)
from custom.errors import InputError
from custom.io.volume import read_volume

CLASSES = ("anterior", "posterior", "tumour")
NAMES = [f"case_{number:03d}" for number in range(100)]
THIRDS = [Part((1,), Fraction(1, 3)), Part((2,), Fraction(1, 3)), Part((), Fraction(1, 3))]
OBLIQUE = np.array([[0, 0.3, -0.8, 5], [0.1, -0.8, 0, 0], [-3.0, 0, 0.2, 0], [0, 0, 0, 1]])


def test_parts_are_read():
    parts = parse_parts("anterior:1/3, posterior;3:0.25 ,none: 1 / 3,all:1/12", CLASSES)
    assert [part.kept for part in parts] == [(1,), (2, 3), (), (1, 2, 3)]
    assert [part.share for part in parts] == [Fraction(1, 3), Fraction(1, 4), Fraction(1, 3), Fraction(1, 12)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("anterior", "'anterior' names no classes or no share; write it as \"anterior:1/3,none:2/3\""),
        ("", "'' names no classes or no share"),
        ("anterior:x", "the share 'x' of anterior is not a positive number"),
        ("anterior:1/0", "the share '1/0' of anterior is not a positive number"),
        ("anterior:-1", "the share '-1' of anterior is not a positive number"),
        ("liver:1/2,none:1/2", "partial: 'liver' is none of the 3 classes anterior, posterior, tumour"),
    ],
)
def test_parts_that_cannot_be_read(text, message):
    with pytest.raises(InputError) as error:
        parse_parts(text, CLASSES)
    assert message in str(error.value)


def test_every_case_falls_into_one_part_of_the_right_size():
    drawn = draw_parts(NAMES, THIRDS, seed=0)
    assert list(drawn) == NAMES
    assert Counter(drawn.values()) == {(1,): 34, (2,): 33, (): 33}


def test_what_is_left_over_goes_to_the_largest_remainders():
    # 60 * 247/653 = 22.70, 18.65, 9.28, 9.37
    assert largest_remainder([247, 203, 101, 102], 60) == [23, 19, 9, 9]
    assert largest_remainder([247, 203, 101, 102], 653) == [247, 203, 101, 102]


def test_numbers_of_cases_are_exact():
    parts = [Part((1,), Fraction(7)), Part((), Fraction(93))]
    assert Counter(draw_parts(NAMES, parts, seed=0).values()) == {(1,): 7, (): 93}


def test_rounded_shares_are_taken_as_they_are_meant():
    parts = [Part(kept, Fraction("0.333")) for kept in ((1,), (2,), ())]
    assert Counter(draw_parts(NAMES[:99], parts, seed=0).values()) == {(1,): 33, (2,): 33, (): 33}


def test_one_part_may_be_all_of_it():
    assert set(draw_parts(NAMES, [Part((1,), Fraction(1))], seed=0).values()) == {(1,)}


def test_the_draw_depends_on_the_seed_alone():
    drawn = draw_parts(NAMES, THIRDS, seed=0)
    assert draw_parts(NAMES[::-1], THIRDS, seed=0) == drawn
    assert draw_parts(NAMES, THIRDS, seed=1) != drawn


@pytest.mark.parametrize(
    ("shares", "message"),
    [
        ((Fraction(1, 3), Fraction(1, 3)), "its shares add up to 0.667, not 1; change them, or add a part such as"),
        ((Fraction(3, 4), Fraction(1, 2)), "its shares add up to 1.25, not 1"),
        ((Fraction(10), Fraction(20)), "its numbers add up to 30, but there are 100 training cases"),
    ],
)
def test_parts_that_do_not_make_up_the_whole(shares, message):
    with pytest.raises(InputError, match=message):
        draw_parts(NAMES, [Part((number,), share) for number, share in enumerate(shares, start=1)], seed=0)


@pytest.mark.parametrize(("amount", "count"), [(0, 0), (7, 7), ("7", 7), (0.1, 10), ("1/3", 33), (0.001, 1), (0.0, 0)])
def test_cases_held_out(amount, count):
    held_out = draw_held_out(NAMES, amount, seed=0)
    assert len(set(held_out)) == count
    assert held_out == sorted(held_out)
    assert set(held_out) <= set(NAMES)
    assert draw_held_out(NAMES[::-1], amount, seed=0) == held_out


def test_another_seed_holds_out_others():
    assert draw_held_out(NAMES, 10, seed=0) != draw_held_out(NAMES, 10, seed=1)


@pytest.mark.parametrize("amount", [-1, 1.5, "many", "1/0", float("nan")])
def test_no_amount(amount):
    with pytest.raises(InputError, match=r"pass a number of cases such as 40 or a share such as 0\.1"):
        draw_held_out(NAMES, amount, seed=0)


@pytest.mark.parametrize("names", [[], NAMES[:5]])
def test_one_complete_case_must_remain(names):
    with pytest.raises(InputError, match=f"only {len(names)} training cases are annotated completely"):
        draw_held_out(names, 5, seed=0)


def save(path, voxels):
    nib.save(nib.Nifti1Image(voxels, OBLIQUE), path)
    return str(path)


@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.float32])
def test_only_the_kept_classes_remain_on_the_same_grid(tmp_path, kind):
    voxels = np.random.default_rng(0).integers(0, 4, (5, 6, 7)).astype(kind)
    label = save(tmp_path / "label.nii.gz", voxels)
    write_reduced_label(label, tmp_path / "labels" / "case.nii.gz", (1, 3), "mine")
    reduced = read_volume(str(tmp_path / "labels" / "case.nii.gz"))
    np.testing.assert_array_equal(reduced.voxels, np.where(voxels == 2, 0, voxels))
    np.testing.assert_array_equal(reduced.affine, nib.load(label).affine)
    assert (reduced.voxels.dtype, reduced.slope, reduced.intercept) == (np.uint8, 1, 0)


def test_stored_values_are_scaled_before_classes_are_told_apart(tmp_path):
    nib.save(nib.Nifti1Image(np.arange(0, 8, 2, np.int16).reshape(2, 2, 1), np.eye(4)), tmp_path / "label.nii")
    with (tmp_path / "label.nii").open("r+b") as file:  # nibabel itself only writes the slope it chooses
        file.seek(112)
        file.write(struct.pack("<f", 0.5))
    assert read_volume(str(tmp_path / "label.nii")).voxels.ravel().tolist() == [0, 2, 4, 6]
    write_reduced_label(str(tmp_path / "label.nii"), tmp_path / "case.nii.gz", (1, 3), "mine")
    assert read_volume(str(tmp_path / "case.nii.gz")).voxels.ravel().tolist() == [0, 1, 0, 3]


def test_files_are_known_by_their_mark(tmp_path):
    label = save(tmp_path / "label.nii.gz", np.ones((2, 2, 2), np.uint8))
    long = "reduced for " + 100 * "x"
    for mark in ("mine", long):
        write_reduced_label(label, tmp_path / "own.nii.gz", (1,), mark)
        assert is_reduced_label(tmp_path / "own.nii.gz", mark)
        assert not is_reduced_label(tmp_path / "own.nii.gz", "another")
    (tmp_path / "text.nii.gz").write_text("no label")
    for other in ("label.nii.gz", "text.nii.gz", "missing.nii.gz"):
        assert not is_reduced_label(tmp_path / other, "mine")
