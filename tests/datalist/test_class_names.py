import pytest

from custom.datalist.class_names import checked_class_names, comparable, same_names, swapped_name
from custom.errors import InputError


@pytest.mark.parametrize(
    "names", [["liver"], ("liver", "left kidney"), ["1", "2"], ["Läsion", "腫瘍"], [f"c{n}" for n in range(254)]]
)
def test_names_that_can_be_used_stay_as_they_are(names):
    assert checked_class_names(names, "classes") == list(names)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ("liver", "classes is 'liver'; it must be a list of class names in the order of their ids from 1"),
        ([], r"classes is \[\]; it must be a list"),
        (None, "classes is None; it must be a list"),
        ({"1": "liver"}, "classes is {'1': 'liver'}; it must be a list"),
        ([1, 2], "classes has 1 for class 1; a name is a word"),
        (["liver", " "], "classes has ' ' for class 2"),
        (["liver\n"], "classes has 'liver.n' for class 1"),
        (["2", "1"], "classes names class 1 '2', which reads as another id"),
        (["liver", "Background"], "classes names Background, which is always 0; leave it out"),
        (["liver", "ignore"], "classes names ignore, a label which is not supported"),
        (["liver", "liver"], "classes names liver twice; give every class its own name"),
        (["left kidney", "Left_Kidney"], "classes names left kidney and Left_Kidney, which are read as one"),
        ([f"c{n}" for n in range(255)], "classes has 255 names; at most 254 fit 8-bit labels"),
    ],
)
def test_names_that_cannot_be_used(names, message):
    with pytest.raises(InputError, match=f"^{message}"):
        checked_class_names(names, "classes")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Left Kidney", "left_kidney"),
        ("Anterior", "anterior"),
        ("LeftKidney", "left-kidney"),
        ("tumor", "Tumour"),
        ("Esophagus", "oesophagus"),
        ("haematoma", "hematoma"),
        ("Läsion", "la\u0308sion"),
    ],
)
def test_spellings_of_one_name(one, other):
    assert comparable(one) == comparable(other)
    assert same_names([one, "spleen"], [other, "Spleen"])


@pytest.mark.parametrize(("one", "other"), [("liver", "spleen"), ("ER+", "ER-"), ("grade 1", "grade 2")])
def test_other_names(one, other):
    assert comparable(one) != comparable(other)
    assert not same_names([one], [other])


def test_classes_may_be_renamed_but_not_swapped():
    described = {1: "RK", 2: "LK"}
    assert swapped_name(["right_kidney", "left_kidney"], described) is None
    assert swapped_name(["lk", "rk"], described) == "2 is LK there, but 1 here (1 lk, 2 rk)".replace("LK", "lk")
