"""Stages whose trainings and predictions are replaced by notes of what was asked for."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np

from custom.cohort.manifest import Cohort, CohortCase
from custom.io.atomic_write import write_json
from custom.plans import write_plan
from custom.workflows import stage_labelling, stage_run
from custom.workflows.chain import Chain
from custom.workflows.pipeline_settings import PipelineSettings
from custom.workflows.recipe import parse_recipe, plan_stages
from custom.workflows.stage_run import StageRun
from custom.workflows.work_folder import WorkFolder

from .tiny_cohort import PLAN as TINY_PLAN

FILLED = {"train": ["liver", "bare"], "fill": {"bare": "1_liver"}, "unannotated": "marginal"}
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


def with_recipe(pipeline, *stages):
    recipe = [{"name": "1_liver", "train": ["liver"]}, *stages]
    planned = plan_stages(parse_recipe(recipe, list(pipeline.groups)), pipeline.groups)
    pipeline.planned = {one.stage.name: one for one in planned}
    return pipeline


def noted_pipeline(tmp_path, monkeypatch):
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
    for module in (stage_run, stage_labelling):
        monkeypatch.setattr(module, "run_config", bundle)
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
