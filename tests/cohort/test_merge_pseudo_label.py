"""Merging on strips of voxels, rule by rule, and against a naive loop."""

import itertools

import numpy as np
import pytest
import torch

from custom.cohort.merge_pseudo_label import merge_pseudo_label
from custom.errors import InputError
from custom.ignore_index import IGNORE_INDEX

LIVER, SPLEEN, KIDNEY, TUMOUR, CYST = 1, 2, 3, 4, 5
LESIONS = (TUMOUR, CYST)


def bytes_of(*values):
    return torch.tensor([values], dtype=torch.uint8)


def merge(label, pseudo, annotated, fill, **options):
    strip = None if label is None else bytes_of(*label)
    merged = merge_pseudo_label(strip, bytes_of(*pseudo), annotated, fill, **options)
    assert merged.dtype == torch.uint8
    return merged[0].tolist()


def naive(label, pseudo, annotated, fill, lesions, lesions_overwrite, confidence, threshold):
    """The rules voxel by voxel, in words."""
    merged = np.zeros(pseudo.shape, np.uint8)
    missing = [one for one in fill if one not in annotated]
    for voxel in np.ndindex(pseudo.shape):
        true = 0 if label is None else label[voxel]
        if true == IGNORE_INDEX:
            merged[voxel] = IGNORE_INDEX
            continue
        if true not in annotated:
            true = 0
        doubtful = bool(missing) and threshold > 0 and confidence[voxel] < threshold * 255
        if true == 0:
            merged[voxel] = IGNORE_INDEX if doubtful else pseudo[voxel] if pseudo[voxel] in missing else 0
        else:
            lesion = pseudo[voxel] in missing and pseudo[voxel] in lesions
            overwrites = lesions_overwrite and lesion and true not in lesions and not doubtful
            merged[voxel] = pseudo[voxel] if overwrites else true
    return merged


def test_only_missing_classes_that_the_network_knows_are_filled():
    pseudo = [0, LIVER, SPLEEN, KIDNEY]
    assert merge([0, 0, 0, 0], pseudo, [LIVER], [LIVER, SPLEEN]) == [0, 0, SPLEEN, 0]


def test_annotated_foreground_wins_over_organs():
    assert merge([LIVER, LIVER, 0], [SPLEEN, 0, SPLEEN], [LIVER], [LIVER, SPLEEN]) == [LIVER, LIVER, SPLEEN]


def test_background_stays_where_the_pseudo_label_has_an_annotated_class():
    assert merge([0, LIVER], [LIVER, 0], [LIVER], [LIVER, SPLEEN]) == [0, LIVER]


@pytest.mark.parametrize(("overwrite", "inside"), [(True, TUMOUR), (False, LIVER)])
def test_missing_lesion_overwrites_an_annotated_organ(overwrite, inside):
    merged = merge(
        [LIVER, LIVER, 0],
        [TUMOUR, LIVER, TUMOUR],
        [LIVER],
        [LIVER, TUMOUR],
        lesions=LESIONS,
        lesions_overwrite=overwrite,
    )
    assert merged == [inside, LIVER, TUMOUR]


def test_annotated_lesion_is_never_overwritten():
    merged = merge([CYST, LIVER], [TUMOUR, TUMOUR], [LIVER, CYST], [TUMOUR], lesions=LESIONS)
    assert merged == [CYST, TUMOUR]


def test_annotated_lesion_class_overwrites_nothing():
    assert merge([LIVER, 0], [TUMOUR, TUMOUR], [LIVER, TUMOUR], [SPLEEN, TUMOUR], lesions=LESIONS) == [LIVER, 0]


def test_lesion_outside_fill_overwrites_nothing():
    assert merge([LIVER, 0], [TUMOUR, TUMOUR], [LIVER], [SPLEEN], lesions=LESIONS) == [LIVER, 0]


@pytest.mark.parametrize("label", [None, [0, 0, 0, 0], [LIVER, SPLEEN, 0, 0]])
def test_unlabelled_case_takes_the_pseudo_label_of_the_filled_classes(label):
    assert merge(label, [0, LIVER, SPLEEN, TUMOUR], [], [LIVER, TUMOUR], lesions=LESIONS) == [0, LIVER, 0, TUMOUR]


def test_label_of_a_class_that_is_not_annotated_counts_as_background():
    assert merge([SPLEEN, SPLEEN, LIVER], [KIDNEY, SPLEEN, 0], [LIVER], [KIDNEY]) == [KIDNEY, 0, LIVER]


def test_doubtful_background_is_ignored_whatever_the_pseudo_label_says():
    label = [0, 0, 0, LIVER, LIVER]
    pseudo = [SPLEEN, LIVER, 0, SPLEEN, TUMOUR]
    low, high = bytes_of(*5 * [100]), bytes_of(*5 * [150])
    options = {"annotated": [LIVER], "fill": [LIVER, SPLEEN, TUMOUR], "lesions": LESIONS, "threshold": 0.5}
    x = IGNORE_INDEX
    assert merge(label, pseudo, confidence=low, **options) == [x, x, x, LIVER, LIVER], "and the organ is kept"
    assert merge(label, pseudo, confidence=high, **options) == [SPLEEN, 0, 0, LIVER, TUMOUR]


def test_a_case_without_missing_classes_has_no_doubtful_voxel():
    options = {"annotated": [LIVER, SPLEEN], "fill": [LIVER], "threshold": 0.5}
    assert merge([0, LIVER, 0], [LIVER, 0, 0], confidence=bytes_of(0, 0, 0), **options) == [0, LIVER, 0]


def test_confidence_at_the_threshold_is_trusted():
    options = {"annotated": [], "fill": [LIVER], "confidence": bytes_of(51, 50, 0), "threshold": 0.2}
    assert merge(None, [LIVER, LIVER, LIVER], **options) == [LIVER, IGNORE_INDEX, IGNORE_INDEX]


def test_voxels_already_ignored_stay_so():
    x = IGNORE_INDEX
    merged = merge([x, x, 0], [TUMOUR, 0, SPLEEN], [LIVER], [SPLEEN, TUMOUR], lesions=LESIONS)
    assert merged == [x, x, SPLEEN]
    assert merge([x, 0], [LIVER, LIVER], [], [LIVER]) == [x, LIVER]


@pytest.mark.parametrize(("seed", "lesions_overwrite"), itertools.product(range(15), (True, False)))
def test_agrees_with_the_naive_loop(seed, lesions_overwrite):
    random = np.random.RandomState(seed)
    shape = (1, 5, 6, 4)
    label = random.choice([0, 0, 1, 2, 3, 4, 5, IGNORE_INDEX], shape).astype(np.uint8) if seed % 5 else None
    pseudo = random.randint(0, 6, shape).astype(np.uint8)
    confidence = random.randint(0, 256, shape).astype(np.uint8)
    annotated = [] if label is None else sorted(random.choice(5, random.randint(0, 6), replace=False) + 1)
    fill = sorted(random.choice(5, random.randint(0, 6), replace=False) + 1)
    options = (
        annotated,
        fill,
        LESIONS,
        lesions_overwrite,
        confidence,
        float(random.choice([0, 0.3, 0.8])),
    )
    before = None if label is None else label.copy()
    merged = merge_pseudo_label(label, pseudo, *options)
    assert np.array_equal(merged.numpy(), naive(label, pseudo, *options))
    assert label is None or np.array_equal(label, before), "the label itself is not touched"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pseudo": bytes_of(1, 1, 1)}, r"the pseudo-label has shape \(1, 3\), the label \(1, 2\)"),
        ({"confidence": bytes_of(1, 1, 1), "threshold": 0.5}, r"the confidence has shape \(1, 3\), the label \(1, 2\)"),
        ({"pseudo": bytes_of(1, 255)}, "the pseudo-label holds 255; label the case again"),
    ],
)
def test_unusable_input_is_named(options, message):
    ones = bytes_of(1, 1)
    with pytest.raises(InputError, match=message):
        merge_pseudo_label(**{"label": ones, "pseudo": ones, "annotated": [1], "fill": [1, 2], **options})
