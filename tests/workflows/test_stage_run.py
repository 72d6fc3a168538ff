"""Stages whose trainings and predictions are replaced by notes of what was asked for."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from custom.cohort.manifest import Cohort, CohortCase
from custom.errors import InputError
from custom.io.atomic_write import write_json
from custom.io.checksums import sha256
from custom.plans import write_plan
from custom.workflows import stage_run
from custom.workflows.chain import Chain
from custom.workflows.recipe import parse_recipe, plan_stages
from custom.workflows.stage_run import PipelineSettings, StageRun, model_stages
from custom.workflows.work_folder import WorkFolder

from .tiny_cohort import PLAN as TINY_PLAN

RECIPE = (
    {"name": "1_liver", "train": ["liver"], "settings": {"learning_rate": 0.1}, "overlays": ["long"]},
    {"name": "2_both", "train": ["liver", "bare"], "fill": {"bare": "1_liver"}, "inference": {"windows": "efficient"}},
    {"name": "3_again", "train": ["bare"], "unannotated": "no_gradient"},
    {"name": "alone", "train": ["liver"], "labels": "annotated", "control": True},
)
PLAN = {**TINY_PLAN, "classes": ["liver"]}
SETTINGS = PipelineSettings(
    bundle_root=Path("/bundle"),
    overlays=("few_steps",),
    training={"epochs": 2, "learning_rate": 0.5},
    inference={"windows": "all"},
    runtime={"num_workers": 0},
    keep_cache=False,
    window=(-3, 5),
)


def save(file, volume):
    file.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(volume, np.diag([2.0, 2, 2, 1])), file)
    return str(file)


class Bundle:
    """In the place of `run_config`: writes what train.yaml and inference.yaml leave, and keeps what they were asked."""

    def __init__(self, work: WorkFolder) -> None:
        self.work = work
        self.runs: list[tuple[list[str], dict]] = []
        self.bad_scans: set[str] = set()
        self.unscored: dict[str, str] = {}
        self.error: Exception | None = None

    def __call__(self, root: Path, names: list[str], overrides: dict) -> dict[str, str]:
        assert root == Path("/bundle")
        self.runs.append((names, overrides))
        if self.error is not None:
            raise RuntimeError("Failed to evaluate") from self.error
        return (self.train if names[0] == "train" else self.predict)(overrides)

    def predict(self, overrides: dict) -> dict[str, str]:
        left_out = {}
        list_file = Path(overrides["dataset#data"].split("'")[1])
        assert Path(overrides["checkpoint"]).exists()
        for entry in json.loads(list_file.read_text()):
            if entry["image"] in self.bad_scans:
                left_out[entry["image"]] = f"{entry['image']}: torn"
                continue
            name = entry["output_name"]
            label = np.zeros((4, 4, 4), np.uint8)
            label[0] = 1
            save(Path(overrides["output_dir"]) / name, label)
            record = Path(overrides["output_dir"]) / name.replace(".nii.gz", ".json")
            write_json(record, {"confidence": {"liver": 0.9}, **overrides["record_facts"]})
        return left_out

    def train(self, overrides: dict) -> dict[str, str]:
        models, output = Path(overrides["ckpt_dir"]), Path(overrides["output_dir"])
        write_json(models / "model.pt", overrides["run_name"])
        write_plan(models / "plan.yaml", {**PLAN, "training": {"epoch": overrides["epochs"]}})
        write_json(Path(overrides["cache_dir"]) / "0.npy", 0)
        output.mkdir(parents=True, exist_ok=True)
        (output / "log.csv").write_text("epoch,seconds,loss\n1,1.25,0.5\n2,2.5,0.4\n")
        summary = {"liver": {"cases": 1, "dice_mean": 0.5, "dice_sd": None, "nsd_mean": 0.25, "nsd_sd": None}}
        write_json(output / "validation" / "metrics.json", {"summary": summary})
        return self.unscored

    @property
    def asked(self) -> list[str]:
        return [f"{names[0]} {overrides['run_name']}" for names, overrides in self.runs]


class Stages(Chain):
    noun, option = "stage", "--stages"


@pytest.fixture
def pipeline(tmp_path, monkeypatch):
    """Runs stages by name, each again from what is on the disk."""
    label = np.zeros((4, 4, 4), np.uint8)
    label[0] = 1

    def make(name, annotated, use="training"):
        image = save(tmp_path / "data" / f"{name}.nii.gz", np.random.RandomState(0).rand(4, 4, 4))
        file = save(tmp_path / "data" / f"{name}_label.nii.gz", label) if annotated else None
        return CohortCase(name, image, file, annotated, use)

    bare = [make(name, ()) for name in ("u0", "u1", "u2")]
    cases = (make("l0", (1,)), make("l1", (1,)), *bare, make("v", (1,), "validation"))
    work = WorkFolder(tmp_path / "work")
    bundle = Bundle(work)
    monkeypatch.setattr(stage_run, "run_config", bundle)
    monkeypatch.setattr(StageRun, "inputs", lambda stage: {"stage": stage.name})
    write_json(work.intensity, {"mean": 79.4})
    write_plan(tmp_path / "plan.yaml", PLAN)
    with_plan = replace(SETTINGS, training={**SETTINGS.training, "plan": str(tmp_path / "plan.yaml")})

    class Pipeline:
        plan = str(tmp_path / "plan.yaml")
        cohort = Cohort("cohort", ("liver",), (), cases)
        groups = {"liver": list(cases[:2]), "bare": bare}
        planned = {one.stage.name: one for one in plan_stages(parse_recipe(RECIPE, list(groups)), groups)}

        def stages(self, settings=with_plan):
            every = [*self.planned.values()]
            found = [StageRun(one, every, self.cohort, self.groups, work, settings, dict) for one in every]
            return {one.name: one for one in found}

        def run(self, *names, **settings):
            chain = Stages([*self.stages(replace(with_plan, **settings)).values()], work.path)
            for name in names:
                chain.do(chain.runs[name])

        def record(self, name):
            return json.loads(work.stage(name).record.read_text())

    found = Pipeline()
    found.work, found.bundle = work, bundle
    return found


def test_a_stage_labels_merges_trains_and_is_recorded(pipeline):
    pipeline.run("1_liver", "2_both")
    assert pipeline.bundle.asked == ["train 1_liver", "inference of bare with 1_liver", "train 2_both"]
    model = sha256(pipeline.work.stage("1_liver").model)
    record = pipeline.record("2_both")
    assert record.pop("begun") <= record.pop("finished")
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


def test_a_prediction_needs_the_models_folder_alone(pipeline):
    pipeline.run("1_liver", "2_both")
    names, asked = pipeline.bundle.runs[1]
    assert names == ["inference"]
    assert not {"plan", "learning_rate", "class_names", "intensity"} & set(asked), (
        "the plan next to the weights says it"
    )
    assert asked["ckpt_dir"] == str(pipeline.work.stage("1_liver").models)
    assert asked["windows"] == "all", "2_both's own choice is for its own model"
    assert asked["checkpoint"] == str(pipeline.work.stage("1_liver").model)
    assert asked["output_dir"] == str(pipeline.work.stage("2_both").pseudo_labels("bare"))
    assert asked["confidence"] is False
    entries = json.loads(Path(asked["dataset_dir"]).read_text())
    assert entries[0] == {"image": pipeline.groups["bare"][0].image, "output_name": "u0.nii.gz"}
    assert asked["record_facts"] == {
        "stage": "2_both",
        "model": {"stage": "1_liver", "sha256": sha256(pipeline.work.stage("1_liver").model)},
    }


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


def test_the_seconds_of_labelling_are_those_of_its_cases_whichever_run_labelled_them(pipeline):
    pipeline.run("1_liver", "2_both")
    for name, seconds in {"u0": 10.04, "u1": 2}.items():
        write_json(
            pipeline.work.stage("2_both").pseudo_label("bare", name).with_name(f"{name}.json"), {"seconds": seconds}
        )
    assert pipeline.stages()["2_both"].result()["fill"][0]["seconds"] == 12.0


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


FILLED = {"train": ["liver", "bare"], "fill": {"bare": "1_liver"}, "unannotated": "marginal"}


def with_recipe(pipeline, *stages):
    recipe = [{"name": "1_liver", "train": ["liver"]}, *stages]
    planned = plan_stages(parse_recipe(recipe, list(pipeline.groups)), pipeline.groups)
    pipeline.planned = {one.stage.name: one for one in planned}
    return pipeline


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


def test_labels_of_the_same_model_are_taken_over(pipeline):
    stages = [{"name": name, **FILLED, "control": True} for name in ("2_one", "3_other")]
    with_recipe(pipeline, *stages).run("1_liver", "2_one", "3_other")
    assert pipeline.bundle.asked == ["train 1_liver", "inference of bare with 1_liver", "train 2_one", "train 3_other"]
    files = [pipeline.work.stage(name).pseudo_label("bare", "u2") for name in ("2_one", "3_other")]
    assert files[0].read_bytes() == files[1].read_bytes()
    assert pipeline.record("3_other")["labelled_cases"] == 5


def test_a_second_model_labels_the_group_for_the_agreement(pipeline):
    """Both find the same, so nothing is held back; the labels that are merged are the first one's."""
    second = {"name": "2_again", "train": ["liver"]}
    third = {"name": "3_both", **FILLED, "merge": {"min_agreement": 0.9, "agree_with": "2_again"}}
    with_recipe(pipeline, second, third).run("1_liver", "2_again", "3_both")
    assert pipeline.bundle.asked[2:] == [
        "inference of bare with 1_liver",
        "inference of bare with 2_again",
        "train 3_both",
    ]
    assert pipeline.record("3_both")["needs"] == ["1_liver", "2_again"]
    folder = pipeline.work.stage("3_both")
    assert folder.second_label("bare", "u0").exists()
    assert json.loads(folder.held_back.read_text()) == {"bare": {}}
    assert json.loads((folder.path / "labels" / "u0.json").read_text())["model"]["stage"] == "1_liver"
