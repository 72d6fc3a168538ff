"""Pseudo-labels of blocks of known volume, next to annotated ones."""

from __future__ import annotations

import csv
import json
import math

import nibabel as nib
import numpy as np
import pytest

from custom.cohort.manifest import Cohort, CohortCase
from custom.reports.pseudo_label_review import COMPONENTS, CONFIDENCE, MISSING, UNREADABLE, VOLUME
from custom.workflows.recipe import Fill
from custom.workflows.review_pseudo_labels import annotated_classes, group_suspicions, review_stage
from custom.workflows.work_folder import StageFolder, record_of

LIVER, SPLEEN, TUMOUR = 1, 2, 3
COHORT = Cohort("c", ("liver", "spleen", "tumour"), (TUMOUR,), ())
SHAPE = (20, 20, 12)
AFFINE = np.diag([10.0, 10, 10, 1])  # 1 ml a voxel


def label(liver=400, spleen=40, tumour=0):
    """Blocks of full rows along the first axis, each class in slices of its own."""
    found = np.zeros(SHAPE, np.uint8)
    for number, (voxels, first) in enumerate(((liver, 0), (spleen, 4), (tumour, 8)), start=1):
        block = np.zeros(SHAPE[0] * SHAPE[1] * 3, np.uint8)
        block[:voxels] = number
        found[..., first : first + 3] = block.reshape(SHAPE[0], SHAPE[1], 3, order="F")
    return found


def save(file, volume):
    file.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(volume, AFFINE), file)
    return str(file)


@pytest.fixture
def annotated(tmp_path):
    """Six cases annotated for all classes, two for the liver alone and one for nothing."""

    def make(name, ids, volume):
        return CohortCase(name, "", save(tmp_path / "labels" / f"{name}.nii.gz", volume) if ids else None, ids)

    cases = [make(f"all_{i}", (1, 2, 3), label(400 + 10 * i, 40 + i, 5 * i)) for i in range(6)]
    cases += [make(f"liver_{i}", (LIVER,), label(425, 0)) for i in range(2)]
    return [*cases, make("bare", (), None)]


@pytest.fixture
def folder(tmp_path):
    return StageFolder(tmp_path / "stages" / "2")


@pytest.fixture
def review(tmp_path, folder, annotated):
    """Reviews predictions {case: (its volume, ids annotated in it, confidence)}; gives rows and the count."""

    def reviewed(classes=(LIVER, SPLEEN, TUMOUR), **predicted):
        cases = []
        for name, (volume, ids, confidence) in predicted.items():
            image = save(tmp_path / "images" / f"{name}.nii.gz", np.random.RandomState(0).rand(*SHAPE))
            cases.append(CohortCase(name, image, "somewhere" if ids else None, ids))
            file = folder.pseudo_label("group", name)
            save(file, volume)
            record_of(file).write_text(json.dumps({"case": name, "confidence": confidence}))
        fill = Fill("group", "1", classes, tuple(cases))
        count = review_stage(folder, [(fill, cases)], COHORT, annotated_classes(COHORT, annotated), (-160, 240))
        with (folder.review / "suspicious.csv").open() as lines:
            return [(row["case"], row["class"], row["reason"]) for row in csv.DictReader(lines)], count

    return reviewed


def test_a_class_is_judged_by_the_cases_annotated_for_it(annotated):
    found = annotated_classes(COHORT, annotated)
    assert {number: one.cases for number, one in found.items()} == {LIVER: 8, SPLEEN: 6, TUMOUR: 6}
    assert found[SPLEEN].share_present == 1, "a liver annotator's silence about the spleen says nothing"
    assert found[LIVER].log_volume == pytest.approx(math.log(425), rel=1e-3)
    assert found[TUMOUR].share_present == 5 / 6


def test_usual_predictions_need_no_look(review, folder):
    sure = {"liver": 0.9, "spleen": 0.8}
    rows, count = review(a=(label(), (), sure), b=(label(430, 44, 10), (), sure))
    assert (rows, count) == ([], 0)
    assert not (folder.review / "contact_sheet.png").exists()


def test_each_unusual_prediction_is_named_with_its_reason(review, folder):
    torn = label()
    torn[:, :, 4:7] = 0
    torn[::3, 0, 4] = SPLEEN  # seven pieces
    rows, count = review(
        usual=(label(), (), {"liver": 0.9, "spleen": 0.9}),
        lacks_liver=(label(liver=0), (), {"spleen": 0.9}),
        unsure=(label(tumour=10), (), {"liver": 0.9, "spleen": 0.9, "tumour": 0.4}),
        large=(label(spleen=400), (), {"liver": 0.9, "spleen": 0.9}),
        torn=(torn, (), {}),
    )
    assert set(rows) == {
        ("lacks_liver", "liver", MISSING),
        ("unsure", "tumour", CONFIDENCE),
        ("large", "spleen", VOLUME),
        ("torn", "spleen", COMPONENTS),
        ("torn", "spleen", VOLUME),
    }
    assert rows[0][0] == "lacks_liver", "the worst first"
    assert (count, len(rows)) == (4, 5)
    assert (folder.review / "contact_sheet.png").stat().st_size > 0


def test_what_the_annotator_did_is_not_judged(review):
    rows, _ = review(a=(label(liver=0, spleen=0), (LIVER,), {}), b=(label(liver=0, spleen=0), (LIVER, SPLEEN), {}))
    assert rows == [("a", "spleen", MISSING)]


def test_a_class_that_the_model_does_not_know_is_not_missing(review):
    rows, _ = review(classes=(SPLEEN,), a=(label(liver=0), (), {}))
    assert rows == []


def test_an_unreadable_prediction_is_the_first_to_look_at(review, folder):
    review(a=(label(), (), {}))
    file = folder.pseudo_label("group", "a")
    file.write_bytes(file.read_bytes()[:-20])
    case = CohortCase("a", "", None, ())
    found = list(group_suspicions(folder, Fill("group", "1", (LIVER,), (case,)), [case], COHORT, {}))
    assert [(one.case, one.reason) for one in found] == [("a", UNREADABLE)]
