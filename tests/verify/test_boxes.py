"""Data sets of boxes."""

import nibabel as nib
import numpy as np

from custom.cohort.manifest import group_cases, read_cohort
from custom.data import labelled_datalist
from custom.verify.boxes import box_labels, write_box_cohort, write_boxes

GROUPS = {"one": {"annotated": ["left", "right"]}, "two": {"any_annotated": True}, "three": {"any_annotated": False}}


def test_every_label_has_every_class_and_seeds_differ():
    labels = [box_labels(15, seed) for seed in range(3)]
    assert all(np.array_equal(np.unique(label), np.arange(15)) for label in labels)
    assert not np.array_equal(labels[0], labels[1])


def test_a_data_set_that_the_bundles_read(tmp_path):
    cases = labelled_datalist(write_boxes(tmp_path, 3), "training", ["one", "two"], fold="all")
    assert len(cases) == 6
    image, label = (nib.load(cases[0][key]) for key in ("image", "label"))
    means = [image.get_fdata()[np.asarray(label.dataobj) == value].mean() for value in range(3)]
    assert np.allclose(means, [0, 20, 40], atol=1)
    assert not np.allclose(image.affine, np.diag(np.diag(image.affine))), "no axis lies along the patient's"


def test_a_cohort_with_cases_of_every_group(tmp_path):
    cohort = read_cohort(write_box_cohort(tmp_path, ["left", "right", "lesion"], GROUPS))
    groups = group_cases(cohort.training, GROUPS, cohort)
    assert {name: len(cases) for name, cases in groups.items()} == {"one": 2, "two": 2, "three": 2}
    assert [case.annotated for case in cohort.validation] == 2 * [(1, 2, 3)]
    for case in cohort.training:
        if case.label:
            assert set(np.unique(np.asarray(nib.load(case.label).dataobj))) == {0, *case.annotated}
