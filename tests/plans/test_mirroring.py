import pytest

from custom.plans.mirroring import mirror_axes, one_sided, paired_by_side


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("left_kidney", "right_kidney"),
        ("parotid_left", "parotid_right"),
        ("Kidney (L)", "Kidney (R)"),
        ("Left Lung", "right lung"),
        ("kidneyL", "kidneyR"),
        ("LKidney", "RKidney"),
        ("ParotidLeft", "ParotidRight"),
        ("rib-left-7", "rib-right-7"),
        ("lung lt upper", "lung rt upper"),
        ("lh_hippocampus", "rh_hippocampus"),  # FreeSurfer's hemispheres
        ("lkid", "rkid"),
        ("Lkidney", "Rkidney"),
    ],
)
def test_pairs_by_side(left, right):
    assert paired_by_side(["liver", right, left]) == [(left, right)]


@pytest.mark.parametrize(
    "classes",
    [
        ["Anterior", "Posterior"],
        ["left_atrium"],
        ["lkid", "liver"],
        ["left_kidney", "right_lung"],
        ["rib_left_7", "rib_right_8"],
        ["liver", "renal", "larynx"],  # letters l and r within words
        ["left", "right"],  # sides of nothing
        ["L", "R"],
        ["left_right_shunt", "shunt"],
    ],
)
def test_no_pairs(classes):
    assert paired_by_side(classes) == []


def test_left_right_axis_is_left_out_wherever_it_lies():
    pair = ["left_kidney", "right_kidney"]
    assert mirror_axes("SAR", pair) == [0, 1]
    assert mirror_axes("RSA", pair) == [1, 2]
    assert mirror_axes("SAR", ["liver", "tumour"]) == [0, 1, 2]
    assert mirror_axes("SAR", ["liver", "renal", "lkid"]) == [0, 1, 2], "letters l and r within words"


def test_a_class_of_one_side_alone_would_be_taught_for_its_unlabelled_twin():
    assert mirror_axes("RAS", ["left_hippocampus"]) == [1, 2]
    assert one_sided(["left_hippocampus", "tumour"]) == ["left_hippocampus"]


def test_lumbar_vertebrae_are_on_no_side():
    spine = ["T12", *(f"L{number}" for number in range(1, 6)), "vertebra_L6", "vertebrae_L3"]
    assert mirror_axes("RAS", spine) == [0, 1, 2]
    assert one_sided(spine) == []
    assert paired_by_side(["L1", "R1", "L2"]) == [("L1", "R1")], "of which each has its twin"
