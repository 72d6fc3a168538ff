"""Cases merged by hand-written files: classes 1 liver, 2 spleen, 3 tumour."""

from __future__ import annotations

import json
import time

import nibabel as nib
import numpy as np
import pytest

from custom.cohort.manifest import Cohort, CohortCase
from custom.cohort.merged_label import merge_case

OBLIQUE = np.array([[-0.7, 0.1, 0.3, 12.5], [0.05, 0.8, -0.4, -30.25], [0.02, 0.2, 2.4, 7.0], [0, 0, 0, 1]])
SHAPE = (2, 3, 4)
COHORT = Cohort("c", ("liver", "spleen", "tumour"), (3,), ())
# the first voxels of a row each; all others are 0
LABEL = [1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0]
PSEUDO = [1, 3, 0, 2, 2, 1, 2, 3, 1, 2, 0, 3]
CONFIDENCE = [255] * 9 + [100, 100, 100]
MERGED = [1, 3, 1, 1, 1, 1, 2, 3, 0, 2, 0, 3]  # where liver is annotated, with a tumour as the only other class
VOXEL_ML = abs(np.linalg.det(OBLIQUE[:3, :3])) / 1000


def volume(values):
    found = np.zeros(SHAPE, np.uint8)
    found.reshape(-1)[: len(values)] = values
    return found


def save(file, values, affine=OBLIQUE):
    file.parent.mkdir(parents=True, exist_ok=True)
    array = volume(values) if isinstance(values, list) else values
    nib.save(nib.Nifti1Image(array, affine), file)
    return str(file)


@pytest.fixture
def merge(tmp_path):
    """Merges a case by hand-written files; gives label, record and file."""
    target, pseudo_file = tmp_path / "merged" / "x.nii.gz", tmp_path / "pseudo" / "x.nii.gz"
    entries = {"stage": "2_both", "model": {"stage": "1_organs", "sha256": "c0ffee"}}

    def merged(label=LABEL, annotated=(1,), pseudo=PSEUDO, classes=(1, 2, 3), sure=None, **options):
        file = None if label is None else save(tmp_path / "labels" / "x.nii.gz", label)
        one = CohortCase("x", "/scans/x.nii.gz", file, annotated if file else ())
        save(pseudo_file, pseudo)
        if sure is not None:
            save(pseudo_file.with_name("x_confidence.nii.gz"), sure)
        merge_case(one, COHORT, pseudo_file, target, classes, entries=entries, **options)
        image = nib.load(target)
        return np.asarray(image.dataobj), json.loads(target.with_name("x.json").read_text()), image

    return merged


def test_the_merged_label_and_its_record(merge, tmp_path):
    label, record, _ = merge()
    assert label.dtype == np.uint8
    np.testing.assert_array_equal(label, volume(MERGED))
    assert record == {
        "case": "x",
        "stage": "2_both",
        "model": {"stage": "1_organs", "sha256": "c0ffee"},
        "image": "/scans/x.nii.gz",
        "label": f"{tmp_path}/labels/x.nii.gz",
        "annotated": ["liver"],
        "filled": ["spleen", "tumour"],
        "lesions_overwrite": True,
        "confidence": 0.0,
        "volumes_ml": {
            "liver": round(5 * VOXEL_ML, 3),
            "spleen": round(2 * VOXEL_ML, 3),
            "tumour": round(3 * VOXEL_ML, 3),
        },
        "ignored_voxels": 0,
    }


def test_geometry_is_that_of_the_prediction_oblique_and_flipped(merge):
    _, _, image = merge()
    np.testing.assert_allclose(image.affine, OBLIQUE, atol=1e-6)
    assert image.shape == SHAPE


def test_a_tumour_is_kept_out_of_annotated_organs_where_wanted(merge):
    label, record, _ = merge(lesions_overwrite=False)
    np.testing.assert_array_equal(label, volume([1, 1, *MERGED[2:]]))
    assert record["lesions_overwrite"] is False


def test_voxels_of_low_confidence_are_ignored_and_counted(merge):
    label, record, _ = merge(sure=CONFIDENCE, confidence=0.5)
    expected = volume([*MERGED[:9], 255, 255, 255])
    expected.reshape(-1)[12:] = 255  # where the confidence is 0
    np.testing.assert_array_equal(label, expected)
    assert (record["ignored_voxels"], record["confidence"]) == (15, 0.5)
    assert record["volumes_ml"]["tumour"] == round(2 * VOXEL_ML, 3)


def test_without_a_threshold_no_confidence_is_looked_at(merge):
    label, record, _ = merge(sure=CONFIDENCE)
    np.testing.assert_array_equal(label, volume(MERGED))
    assert record["ignored_voxels"] == 0


def test_an_unlabelled_case_takes_what_the_model_knows(merge):
    label, record, _ = merge(label=None, classes=(1, 2), pseudo=[1, 2, 0, 2])
    np.testing.assert_array_equal(label, volume([1, 2, 0, 2]))
    assert (record["label"], record["annotated"], record["filled"]) == (None, [], ["liver", "spleen"])


def test_merged_twice_is_equal_to_the_byte(merge, tmp_path):
    merge()
    once = (tmp_path / "merged" / "x.nii.gz").read_bytes()
    time.sleep(0.01)
    merge()
    assert (tmp_path / "merged" / "x.nii.gz").read_bytes() == once
