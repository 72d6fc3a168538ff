"""A cross-validation described as data: killed, resumed, redone; with a bundle of two lines and with a real one."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
from pathlib import Path

import pytest
import yaml
from monai.bundle import ConfigWorkflow

from custom.cohort.manifest import Cohort, CohortCase, write_cohort
from custom.errors import InputError, find_input_error
from custom.plans import write_plan
from custom.workflows import Chain, config_run, config_runs
from custom.workflows.changes import changes

from ..bundles.conftest import rows
from ..small_bundle import OVERLAYS, PLANS, write_dataset

TRAIN = {
    "imports": ["$from tests.workflows import test_config_run as here"],
    "bundle_root": ".",
    "dataset_dir": "",
    "output_dir": "",
    "ckpt_dir": "",
    "fold": 0,
    "epochs": 3,
    "num_workers": 0,
    "resume": False,
    "initialize": [],
    "run": ["$here.train(@dataset_dir, @ckpt_dir, @fold, @epochs, @resume)"],
}
EVALUATE = {"run": ["$here.evaluate(@ckpt_dir, @output_dir, @fold)"]}
# what a user writes
CROSS_VALIDATION = """
work_dir: work
data: $@bundle + '/data'
on_change: refuse
epochs: 3
workers: 0
runs:
  - {name: train_0, config: train, overrides: {fold: 0}}
  - {name: score_0, config: [train, evaluate], overrides: {fold: 0, ckpt_dir: "{needs.train_0.ckpt_dir}"}}
  - {name: train_1, config: train, overrides: {fold: 1}}
  - {name: score_1, config: [train, evaluate], overrides: {fold: 1, ckpt_dir: "{needs.train_1.ckpt_dir}"}}
chain:
  _target_: custom.workflows.Chain
  work_dir: '@work_dir'
  on_change: '@on_change'
  runs:
    _target_: custom.workflows.config_runs
    runs: '@runs'
    work_dir: '@work_dir'
    bundle_root: '@bundle'
    overrides: {epochs: '@epochs', dataset_dir: '@data'}
    runtime: {num_workers: '@workers'}
initialize: []
run: [$@chain.run()]
"""
trained: list[str] = []  # fold and epoch of every step, in this process


def train(data: str, models: str, fold: int, epochs: int, resume: bool) -> None:
    """One line an epoch, after those that are there; killed before the epoch that a file names."""
    assert resume
    assert (Path(data) / "scan").exists()
    file = Path(models) / "model.txt"
    file.parent.mkdir(parents=True, exist_ok=True)
    done = file.read_text() if file.exists() else ""
    for epoch in range(done.count("\n"), epochs):
        if Path("kill").read_text() == f"{fold}.{epoch}":
            os.kill(os.getpid(), signal.SIGKILL)
        trained.append(f"{fold}.{epoch}")
        with file.open("a") as lines:
            lines.write(f"{fold}\n")


def evaluate(models: str, output: str, fold: int) -> None:
    epochs = (Path(models) / "model.txt").read_text().count(f"{fold}\n")
    folder = Path(output) / "evaluation"
    folder.mkdir(parents=True)
    summary = {"liver": {"cases": 2, "dice_mean": epochs / 10, "dice_median": 0.5, "hd95_mean": 4.0}}
    (folder / "metrics.json").write_text(json.dumps({"summary": summary}))


@pytest.fixture
def bundle(tmp_path, monkeypatch) -> Path:
    root = tmp_path / "bundle"
    (root / "configs").mkdir(parents=True)
    for name, content in {"train": TRAIN, "evaluate": EVALUATE}.items():
        (root / "configs" / f"{name}.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    (root / "configs" / "metadata.json").write_text('{"version": "0.1"}')
    (root / "data").mkdir()
    (root / "data" / "scan").write_text("bright")
    (tmp_path / "kill").write_text("")
    (tmp_path / "chain.yaml").write_text(CROSS_VALIDATION)
    monkeypatch.chdir(tmp_path)
    trained.clear()
    return root


def run(bundle: Path, **options) -> None:
    """As `python -m monai.bundle run --config_file chain.yaml --key value`."""
    workflow = ConfigWorkflow(
        "chain.yaml", workflow_type=None, logging_file=False, bundle=str(bundle), meta_file=None, **options
    )
    workflow.initialize()
    workflow.run()


def message(bundle: Path, **options) -> str:
    with pytest.raises(Exception) as error:
        run(bundle, **options)
    return str(find_input_error(error.value))


def scores() -> dict[str, float]:
    records = [json.loads(file.read_text()) for file in Path("work/runs").glob("score_*/record.json")]
    return {record["run"]: record["scores"]["liver"]["dice"] for record in records if record["state"] == "done"}


def test_a_cross_validation_is_killed_and_goes_on(bundle):
    Path("kill").write_text("1.2")
    process = multiprocessing.get_context("fork").Process(target=run, args=(bundle,))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert scores() == {"score_0": 0.3}
    Path("kill").write_text("")
    run(bundle)
    assert trained == ["1.2"], "what the kill left undone"
    assert scores() == {"score_0": 0.3, "score_1": 0.3}
    run(bundle, workers=2)
    assert trained == ["1.2"], "nothing is done twice, whatever the runtime"
    record = json.loads(Path("work/runs/score_1/record.json").read_text())
    assert record["needs"] == ["train_1"]
    assert record["scores"] == {"liver": {"cases": 2, "dice": 0.3, "hd95": 4.0}}


def test_changed_settings_data_and_configs_are_refused_or_redone(bundle):
    run(bundle)
    assert "run train_0 was begun with other settings or data: overrides epochs 3 -> 2" in message(bundle, epochs=2)
    (bundle / "data" / "scan").write_text("dark")
    assert "overrides dataset_dir scan" in message(bundle)
    (bundle / "data" / "scan").write_text("bright")
    with (bundle / "configs" / "evaluate.yaml").open("a") as config:
        config.write("# a remark\n")
    line = message(bundle)
    assert "run score_0 was begun with other settings or data: configs evaluate" in line
    assert "That would redo score_0, score_1:" in line

    trained.clear()
    run(bundle, on_change="redo")
    assert trained == [], "trainings do not follow from it"
    run(bundle, on_change="redo", epochs=2)
    assert trained == ["0.0", "0.1", "1.0", "1.1"]
    assert scores() == {"score_0": 0.2, "score_1": 0.2}
    assert sorted(path.name for path in Path("work/replaced").iterdir()) == [
        *("score_0.1", "score_0.2", "score_1.1", "score_1.2", "train_0.1", "train_1.1"),
    ]


def test_work_folder_and_data_can_move(bundle):
    run(bundle)
    trained.clear()
    Path("work").rename("moved")
    (bundle / "data").rename("data")
    run(
        bundle, work_dir="moved", **{"chain#runs#overrides": {"epochs": 3, "dataset_dir": str(Path("data").absolute())}}
    )
    assert trained == []


def test_data_behind_links_count_and_the_work_folder_among_them_does_not(bundle, tmp_path):
    """Linked folders are how large data are put together; also one that leads back to where it lies."""
    data, elsewhere = tmp_path / "linked", tmp_path / "elsewhere"
    for folder in (data, elsewhere):
        folder.mkdir()
    (elsewhere / "a.nii.gz").write_text("first")
    (data / "labelsTr").symlink_to(elsewhere)
    (elsewhere / "back").symlink_to(data)
    (elsewhere / "gone.nii.gz").symlink_to(tmp_path / "nowhere")
    entry = {"name": "a", "config": "train", "overrides": {"dataset_dir": str(data)}}
    (one,) = config_runs([entry], data / "work", bundle)
    before = one.inputs()
    assert list(before["overrides"]["dataset_dir"]) == ["labelsTr/a.nii.gz"]
    (data / "work" / "runs").mkdir()
    (data / "work" / "runs" / "log.txt").write_text("new")
    assert one.inputs() == before
    (elsewhere / "a.nii.gz").write_text("corrected")
    (change,) = changes(before, one.inputs())
    assert change.startswith("overrides dataset_dir labelsTr/a.nii.gz")


def test_the_content_of_a_plan_counts_not_its_name(bundle, tmp_path):
    """By a name, or by a file in the current folder, as users give it."""
    with (bundle / "configs" / "train.yaml").open("a") as config:
        config.write("plan: ''\n")
    for file, given in ((bundle / "configs" / "plans" / "own.yaml", "own"), (tmp_path / "plan.yaml", "plan.yaml")):
        file.parent.mkdir(exist_ok=True)
        write_plan(file, PLANS["batseg_spine"])
        (one,) = config_runs([{"name": "a", "config": "train", "overrides": {"plan": given}}], "work", bundle)
        before = one.inputs()
        write_plan(file, {**PLANS["batseg_spine"], "batch_size": 7})
        assert changes(before, one.inputs()) == ["overrides plan batch_size 2 -> 7"]


def test_the_scans_of_a_manifest_count(bundle, tmp_path):
    files = {kind: tmp_path / kind / "a.nii.gz" for kind in ("images", "labels")}
    for file in files.values():
        file.parent.mkdir()
        file.write_text("whole")
    case = CohortCase("a", str(files["images"]), str(files["labels"]), (1,))
    write_cohort(tmp_path / "cohort.json", Cohort("c", ("liver",), (), (case,)))
    entry = {"name": "a", "config": "train", "overrides": {"dataset_dir": str(tmp_path / "cohort.json")}}
    (one,) = config_runs([entry], tmp_path / "work", bundle)
    before = one.inputs()
    files["labels"].write_text("other")
    assert changes(before, one.inputs())[0].startswith("overrides dataset_dir a label")


def test_references(bundle, tmp_path):
    runs = [
        {"name": "train.a", "config": "train", "overrides": {"fold": 4}},
        {"name": "b", "config": "train", "needs": "train.a", "overrides": {"epochs": "{needs.train.a.fold}"}},
        {
            "name": "c",
            "config": "evaluate",
            "overrides": {"run": ["{needs.train.a.ckpt_dir}/model.pt", {"file": "{folder}/x"}], "run#n": 1},
        },
    ]
    made = {run.name: run for run in config_runs(runs, tmp_path, bundle)}
    assert made["b"].values()["epochs"] == "4"
    assert [run.needs for run in made.values()] == [(), ("train.a",), ("train.a",)]
    folder = tmp_path / "runs"
    assert made["c"].values() == {
        "run": [f"{folder}/train.a/models/model.pt", {"file": f"{folder}/c/x"}],
        "run#n": 1,
    }
    assert made["train.a"].values() == {
        "output_dir": f"{folder}/train.a/output",
        "ckpt_dir": f"{folder}/train.a/models",
        "resume": True,
        "fold": 4,
    }


A = {"name": "a", "config": "train"}


@pytest.mark.parametrize(
    ("runs", "line"),
    [
        ([{**A, "after": "b"}], "run a: unknown key 'after'; use name, needs, config"),
        ([{"name": "a"}], "run a: give it config, one or several names"),
        ([{**A, "command": "export"}], "run a: unknown key 'command'; use name, needs, config, overrides"),
        ([A, A], "run 'a': the name must be usable as a folder's and differ from all others"),
        ([{**A, "name": "../a"}], "run '../a': the name must be usable"),
        ([{**A, "needs": ["b"]}], "run a: needs 'b', which is no earlier run; name one"),
        ([{**A, "overrides": {"fold": "{needs.b.fold}"}}], "run a: needs 'b', which is no earlier run"),
        ([A, {**A, "name": "b", "overrides": {"fold": "{needs.a.fold}"}}], "run b: {needs.a.fold} is unknown; a sets"),
        ([{**A, "overrides": {"epoch": 3}}], "run a: no config has a setting 'epoch' (did you mean epochs?); correct"),
        ([{**A, "overrides": {"ckpt_dir": "/m"}}], "run a: ckpt_dir is in the run's own folder; leave it out"),
        ([{**A, "config": "trian"}], "{bundle}/configs/trian.yaml: no such config; correct its name"),
    ],
)  # fmt: skip
def test_data_that_cannot_be_meant(bundle, runs, line):
    with pytest.raises(InputError) as error:
        config_runs(runs, "work", bundle)
    assert str(error.value).startswith(line.replace("{bundle}", str(bundle)))


def test_common_settings_that_cannot_be_meant(bundle):
    with pytest.raises(InputError, match="all runs: no config has a setting 'workers'"):
        config_runs([A], "work", bundle, runtime={"workers": 2})
    with pytest.raises(InputError, match="run a: output_dir is in the run's own folder"):
        config_runs([A], "work", bundle, overrides={"output_dir": "/out"})


def test_several_processes_train_together_and_do_nothing_else(bundle, monkeypatch):
    asked = []
    monkeypatch.setattr(config_run, "together", lambda: True)
    monkeypatch.setattr(config_run, "run_config", lambda root, names, values: asked.append(names))
    (bundle / "configs" / "inference.yaml").write_text("dataset_dir: ''")
    runs = [{"name": "b", "config": ["train", "evaluate"]}, {"name": "c", "config": "inference"}]
    made = config_runs(runs, "work", bundle)
    made[0].execute()
    assert asked == [["train", "multi_gpu_train", "evaluate"]]
    with pytest.raises(InputError, match="inference is for one process: run it without torchrun"):
        made[1].execute()


def test_two_folds_of_a_real_bundle(project, tmp_path, without_pictures):
    dataset = write_dataset(tmp_path / "data")
    plan = tmp_path / "plan.yaml"
    write_plan(plan, PLANS["batseg_spine"])
    common = {**OVERLAYS["batseg_spine"], "plan": str(plan), "dataset_dir": str(dataset), "num_folds": 2}
    common["tensorboard"] = False
    runtime = {key: common.pop(key) for key in ("num_workers", "amp")}
    listed = yaml.safe_load(CROSS_VALIDATION)["runs"]
    runs = config_runs(listed, tmp_path / "work", project / "bundles" / "batseg_spine", common, runtime)
    Chain(runs, tmp_path / "work").run()
    held = []
    for name in ("score_0", "score_1"):
        record = json.loads((tmp_path / "work" / "runs" / name / "record.json").read_text())
        assert record["scores"]["dark"]["cases"] == 5
        report = tmp_path / "work" / "runs" / name / "output" / "evaluation" / "metrics_per_case.csv"
        held.append({row["case"] for row in rows(report)})
    assert len(held[0] | held[1]) == 10, "each case is scored once"
