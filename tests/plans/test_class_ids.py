"""Names to ids."""

from custom.plans import class_ids

CLASSES = ("liver", "tumour")


def test_names_that_other_data_lack_are_passed_over():
    assert class_ids(["aorta", "tumour", "liver"], CLASSES) == [2, 1]
    assert class_ids([], CLASSES) == []
