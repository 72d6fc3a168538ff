"""Which classes of a group's pseudo-labels are held back, from the files that a stage leaves."""

from __future__ import annotations

import logging

import nibabel as nib
import numpy as np
import pytest

from custom.cohort.manifest import Cohort, CohortCase
from custom.io.atomic_write import write_json
from custom.workflows.judge_pseudo_labels import judge_group
from custom.workflows.recipe import Fill, Stage
from custom.workflows.work_folder import StageFolder, WorkFolder, record_of

CLASSES = ("liver", "spleen", "tumour")
COHORT = Cohort("c", CLASSES, (3,), ())
CASES = (CohortCase("a", "a.nii.gz", "a_label.nii.gz", (1,)), CohortCase("b", "b.nii.gz", None, ()))
FILL = Fill("group", "teacher", (1, 2, 3), CASES)


@pytest.fixture
def folders(tmp_path):
    """The labels of two cases, a teacher that is bad at the liver, and confidences."""
    work = WorkFolder(tmp_path)
    own, teacher = work.stage("pupil"), work.stage("teacher")
    write_json(teacher.scores, {"summary": {"liver": {"dice_mean": 0.3}, "spleen": {"dice_mean": 0.8}}})
    for case, confidence in {
        "a": {"liver": 0.9, "spleen": 0.6},
        "b": {"liver": 0.9, "spleen": 0.8, "tumour": 0.4},
    }.items():
        file = own.pseudo_label("group", case)
        write_json(record_of(file), {"confidence": confidence})
        write_label(file, liver=4, spleen=4)
    return own, teacher


def write_label(file, liver, spleen):
    voxels = np.zeros((4, 4, 4), np.uint8)
    voxels[0, 0, :liver], voxels[1, 0, :spleen] = 1, 2
    file.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(voxels, np.eye(4)), file)


def judge(folders, **thresholds):
    return judge_group(Stage("pupil", ("group",), {"group": "teacher"}, **thresholds), FILL, CASES, COHORT, *folders)


def test_nothing_is_held_back_by_default(folders):
    assert judge(folders) == {}


def test_a_bad_teacher_is_not_asked_where_the_class_is_missing(folders, caplog):
    caplog.set_level(logging.INFO)
    assert judge(folders, min_dice=0.5) == {"b": {"liver": "validation Dice 0.30 below 0.5"}}, "a has its own liver"
    line = "group: liver stays unannotated in 1 of 1 cases: validation Dice 0.30 below 0.5 (1)"
    assert [record.getMessage() for record in caplog.records] == [line]


def test_doubtful_cases(folders):
    found = judge(folders, min_class_confidence=0.7)
    assert found == {"a": {"spleen": "confidence below 0.7"}, "b": {"tumour": "confidence below 0.7"}}


def test_two_models_must_agree(folders):
    own, _ = folders
    write_label(own.second_label("group", "a"), liver=4, spleen=1)  # Dice 2 / 5
    write_label(own.second_label("group", "b"), liver=4, spleen=4)
    found = judge(folders, min_agreement=0.5, agree_with="other")
    assert found == {"a": {"spleen": "agreement below 0.5"}}


def test_what_the_teacher_has_not_learnt_is_never_filled(folders):
    """All of its cases were without spleen in the end, though its recipe says that it knows it."""
    _, teacher = folders
    write_json(teacher.record, {"learnt": ["liver", "tumour"]})
    assert judge(folders) == {"a": {"spleen": "not learnt by teacher"}, "b": {"spleen": "not learnt by teacher"}}


def test_a_second_model_that_has_not_learnt_a_class_has_no_say_in_it(folders):
    """It finds no spleen anywhere: that neither agrees nor disagrees."""
    own, teacher = folders
    second = teacher.path.with_name("second")
    for case in "ab":
        write_label(own.second_label("group", case), liver=4, spleen=0)
    write_json(StageFolder(second).record, {"learnt": ["liver", "tumour"]})
    stage = Stage("pupil", ("group",), {"group": "teacher"}, min_agreement=0.5, agree_with="second")
    found = judge_group(stage, FILL, CASES, COHORT, own, teacher, StageFolder(second))
    assert found == {"a": {"spleen": "not learnt by second"}, "b": {"spleen": "not learnt by second"}}
