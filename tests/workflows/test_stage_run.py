"""A stage's steps, with trainings and predictions replaced by notes of what was asked for."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import pytest

from custom.errors import InputError
from custom.io.atomic_write import write_json
from custom.io.checksums import sha256
from custom.workflows import stage_run
from custom.workflows.stage_run import model_stages

from .noted_stages import FILLED, SETTINGS, with_recipe


def test_a_stage_labels_merges_trains_and_is_recorded(pipeline):
    pipeline.run("1_liver", "2_both")
    assert pipeline.bundle.asked == ["train 1_liver", "inference of bare with 1_liver", "train 2_both"]
    model = sha256(pipeline.work.stage("1_liver").model)
    record = pipeline.record("2_both")
    assert record.pop("begun") <= record.pop("finished")
    assert {"this project", "Python", "Pytorch", "MONAI"} <= record.pop("versions").keys()
    assert record["fill"][0].pop("seconds") >= 0
    assert record == {
        "stage": "2_both",
        "needs": ["1_liver"],
        "state": "done",
        "train": ["liver", "bare"],
        "cases": {"liver": 2, "bare": 3},
        "filled_by": {"bare": "2_both"},
        "plan": "tiny",
        "overlays": ["few_steps"],
        "unannotated": "background",
        "control": False,
        "epochs": 2,
        "excluded": 0,
        "fill": [
            {
                "group": "bare",
                "model_stage": "1_liver",
                "model_sha256": model,
                "classes": ["liver"],
                "cases": 3,
                "held_back": [],
            },
        ],
        "suspicious": 0,
        "labelled_cases": 5,
        "model_sha256": sha256(pipeline.work.stage("2_both").model),
        "training_seconds": 3.8,
        "scores": {"liver": {"dice": 0.5, "dice_sd": None, "nsd": 0.25, "nsd_sd": None, "cases": 1}},
        "test_scores": {},
        "learnt": ["liver"],
    }
    merged = json.loads((pipeline.work.stage("2_both").path / "labels" / "u1.json").read_text())
    assert (merged["model"], merged["filled"]) == ({"stage": "1_liver", "sha256": model}, ["liver"])
    assert merged["volumes_ml"] == {"liver": 0.128}  # 16 voxels of 8 mm3
    assert json.loads(pipeline.work.stage("2_both").inputs.read_text())["stage"] == "2_both"
    assert pipeline.record("1_liver")["overlays"] == ["few_steps", "long"]


def test_what_the_training_is_asked_for(pipeline):
    pipeline.run("1_liver", "2_both", "3_again")
    folder = pipeline.work.stage("2_both")
    names, first = pipeline.bundle.runs[0]
    assert names == ["train", "few_steps", "long"]
    assert (first["learning_rate"], first["plan"], first["num_workers"]) == (0.1, pipeline.plan, 0)
    _, second = pipeline.bundle.runs[2]
    assert (second["unannotated"], second["resume"], second["learning_rate"]) == ("background", True, 0.5)
    assert (second["ckpt_dir"], second["cache_dir"]) == (str(folder.models), str(folder.cache))
    assert second["train#dataset#data"] == f"$datalist.read_case_list('{folder.case_list}')"
    listed = json.loads(folder.case_list.read_text())
    data = pipeline.cohort.cases
    assert listed[0] == {"image": data[0].image, "label": data[0].label, "annotated": [1]}
    assert listed[2] == {"image": data[2].image, "label": str(folder.merged("u0")), "annotated": [1]}
    validation = [{"image": data[-1].image, "label": data[-1].label, "annotated": [1]}]
    assert json.loads(folder.validation_list.read_text()) == validation
    assert first["intensity"] == second["intensity"] == {"mean": 79.4}, "the cohort's"
    third = json.loads(pipeline.work.stage("3_again").case_list.read_text())
    assert [entry["label"] for entry in third] == [str(folder.merged(name)) for name in ("u0", "u1", "u2")]
    assert pipeline.bundle.runs[3][1]["unannotated"] == "no_gradient"


@pytest.mark.parametrize(("names", "refused"), [(["Liver"], False), (["spleen"], True), ("liver", True), ([1], True)])
def test_classes_are_the_cohorts_however_they_are_spelt(pipeline, names, refused):
    """A setting would go unnoticed otherwise: the stages' case lists hold ids alone."""
    settings = replace(SETTINGS, training={**SETTINGS.training, "plan": pipeline.plan, "class_names": names})
    (stage, *_) = pipeline.stages(settings).values()
    if refused:
        with pytest.raises(
            InputError, match=r"^stage 1_liver: (plan .* is for spleen, the cohort has liver|class_names)"
        ):
            stage.refuse_other_classes()
    else:
        stage.refuse_other_classes()
        assert stage.training_overrides()["class_names"] == ["liver"]


def test_test_cases_are_scored_by_the_rules_of_the_validation_cases(pipeline, monkeypatch):
    (stage, *_) = pipeline.stages(replace(SETTINGS, training={**SETTINGS.training, "drop_last_slice": True})).values()
    asked: dict = {}
    monkeypatch.setattr("custom.workflows.stage_run.run_config", lambda *options: asked.update(options[2]) or {})
    stage.score()
    assert asked["drop_last_slice"] is True
    assert "epochs" not in asked


def test_a_plans_or_users_statistics_go_before_the_cohorts(pipeline):
    own = {"mean": 1.0}
    settings = replace(SETTINGS, training={**SETTINGS.training, "plan": pipeline.plan, "intensity": own})
    (stage, *_) = pipeline.stages(settings).values()
    assert stage.training_overrides()["intensity"] == own


def test_a_finished_stage_is_not_touched(pipeline):
    pipeline.run("1_liver", "2_both")
    files = {file: file.stat().st_mtime_ns for file in pipeline.work.path.rglob("*") if file.is_file()}
    pipeline.run("1_liver", "2_both")
    assert len(pipeline.bundle.runs) == 3
    assert {file: file.stat().st_mtime_ns for file in pipeline.work.path.rglob("*") if file.is_file()} == files


def test_prepared_cases_go_when_a_stage_is_done(pipeline):
    cache = pipeline.work.stage("1_liver").cache
    pipeline.run("1_liver", keep_cache=True)
    assert cache.exists()
    pipeline.run("1_liver")  # as after a kill between the last record and the deletion
    assert not cache.exists()


@pytest.mark.parametrize("kept", ["all but the record", "the predictions"])
def test_a_killed_stage_goes_on_where_it_was(pipeline, kept):
    """The training is always asked to go on: how much of it is left its own checkpoint knows."""
    pipeline.run("1_liver", "2_both")
    folder = pipeline.work.stage("2_both")
    done = pipeline.record("2_both")
    write_json(folder.record, {**done, "state": "running"})
    if kept == "the predictions":
        for file in (folder.path / "labels").iterdir():
            file.unlink()
    labels = {file: file.read_bytes() for file in folder.path.rglob("*.nii.gz")}
    pipeline.bundle.runs.clear()
    pipeline.run("2_both")
    assert pipeline.bundle.asked == ["train 2_both"]
    assert {file: file.read_bytes() for file in labels} == labels
    again = pipeline.record("2_both")
    assert again["begun"] == done["begun"]
    assert {**again, "finished": 0, "fill": 0} == {**done, "finished": 0, "fill": 0}


def test_a_bad_scan_is_left_out_of_this_and_later_stages(pipeline):
    pipeline.bundle.bad_scans = {pipeline.groups["bare"][1].image}
    pipeline.run("1_liver", "2_both", "3_again")
    assert pipeline.work.excluded() == {"u1": f"{pipeline.groups['bare'][1].image}: torn"}
    record = pipeline.record("2_both")
    assert (record["cases"]["bare"], record["labelled_cases"], record["excluded"]) == (2, 4, 1)
    assert [
        Path(entry["label"]).name for entry in json.loads(pipeline.work.stage("3_again").case_list.read_text())
    ] == [
        "u0.nii.gz",
        "u2.nii.gz",
    ]


def test_a_validation_case_that_cannot_be_scored_is_excluded(pipeline):
    (scan,) = [case.image for case in pipeline.cohort.validation]
    pipeline.bundle.unscored = {scan: f"{scan}: needs more memory than there is"}
    pipeline.run("1_liver")
    assert pipeline.work.excluded() == {"v": f"{scan}: needs more memory than there is"}


def test_a_case_that_an_earlier_stage_left_out_stays_out_when_the_list_is_lost(pipeline):
    pipeline.bundle.bad_scans = {pipeline.groups["bare"][1].image}
    pipeline.run("1_liver", "2_both")
    pipeline.work.excluded_file.unlink()
    pipeline.run("3_again")
    reason = f"{pipeline.groups['bare'][1].image}: stage 2_both left it without a label"
    assert pipeline.work.excluded() == {"u1": reason}
    assert pipeline.record("3_again")["labelled_cases"] == 2


def test_a_stage_without_a_usable_case(pipeline):
    pipeline.work.exclude({"l0": "torn", "l1": "torn"})
    with pytest.raises(InputError) as error:
        pipeline.run("1_liver")
    assert str(error.value) == (
        f"stage 1_liver: every case is excluded, or all of its classes held back, see {pipeline.work.excluded_file}"
    )


@pytest.mark.parametrize(("stage", "source"), [("2_both", "1_liver"), ("3_again", "2_both")])
def test_a_stage_before_the_one_it_needs(pipeline, stage, source):
    if stage == "3_again":
        pipeline.run("1_liver")
    with pytest.raises(InputError) as error:
        pipeline.run(stage)
    assert str(error.value) == (
        f"stage {stage} needs stage {source}, which is not done: run that one first (--stages {source}, or all)"
    )
    assert not pipeline.work.stage(stage).path.exists()


def test_a_diverged_training_names_its_stage(pipeline):
    pipeline.bundle.error = InputError("the training diverged in epoch 3")
    with pytest.raises(InputError) as error:
        pipeline.run("1_liver")
    assert str(error.value).startswith("stage 1_liver: the training diverged in epoch 3 (in a pipeline ")
    assert pipeline.record("1_liver")["state"] == "running"


def test_an_error_of_the_code_keeps_its_traceback(pipeline):
    pipeline.bundle.error = ZeroDivisionError()
    with pytest.raises(RuntimeError, match="Failed to evaluate"):
        pipeline.run("1_liver")


def test_several_processes_train_together(pipeline, monkeypatch):
    monkeypatch.setattr(stage_run, "together", lambda: True)
    pipeline.run("1_liver")
    assert pipeline.bundle.runs[0][0] == ["train", "few_steps", "long", "multi_gpu_train"]


def test_the_stages_a_stage_rests_on(pipeline):
    found = {name: model_stages(one) for name, one in pipeline.planned.items()}
    assert found == {"1_liver": [], "2_both": ["1_liver"], "3_again": ["2_both"], "alone": []}


def test_cases_with_every_class_held_back_are_not_trained_on(pipeline):
    """The teacher's Dice is 0.5."""
    with_recipe(pipeline, {"name": "2_both", **FILLED, "merge": {"min_dice": 0.6}}).run("1_liver", "2_both")
    folder = pipeline.work.stage("2_both")
    assert [Path(one["image"]).name for one in json.loads(folder.case_list.read_text())] == ["l0.nii.gz", "l1.nii.gz"]
    reason = "validation Dice 0.50 below 0.6"
    assert json.loads(folder.held_back.read_text())["bare"]["u0"] == {"liver": reason}
    assert nib.load(folder.merged("u0")).get_fdata().max() == 0
    held_back = pipeline.record("2_both")["fill"][0]["held_back"]
    assert held_back == [f"liver stays unannotated in 3 of 3 cases: {reason} (3)"]
