"""The whole recipe on a cohort of a few voxels: what it writes, what it refuses, and that nothing is done twice."""

import errno
import json
import os
import resource
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from custom.cohort.manifest import read_cohort
from custom.cohort.merge_pseudo_label import merge_pseudo_label
from custom.errors import find_input_error, input_error_message
from custom.io.checksums import sha256
from custom.io.run_lock import run_lock
from custom.plans import write_plan

from ..small_bundle import AFFINE, SHAPE
from .tiny_cohort import (
    ANNOTATED,
    BRIGHT,
    CASES,
    CLASSES,
    LESION,
    PLAN,
    RECIPE,
    STAGES,
    TRAINING,
    Pipeline,
    save,
    voxels,
    write_tiny_cohort,
)

FILLED = {"2_lesions": "dataset2", "3_both": "dataset1", "4_partial": "dataset3", "5_small": "dataset4"}
SHORT = RECIPE[:2]
TABLES = ("study.md", "study.tex", "scores.csv", "comparisons.csv", "comparisons_per_class.csv", "case_scores.csv")
WRITTEN_ANYWAY = ("lock", "lock.json", "report.md", "report.html", *TABLES)
IGNORED = 255


@pytest.fixture(scope="module")
def finished(project, tmp_path_factory) -> Pipeline:
    """All five stages, run once with their pictures; not to be changed."""
    folder = tmp_path_factory.mktemp("finished")
    pipeline = Pipeline(project, write_tiny_cohort(folder / "cohort"), folder / "work")
    pipeline.run()
    return pipeline


@pytest.fixture
def copy(project, finished, tmp_path, without_pictures) -> Pipeline:
    """A copy of the finished run with its cohort, to be changed."""
    shutil.copytree(finished.manifest.parent, tmp_path / "cohort")
    shutil.copytree(finished.work, tmp_path / "work")
    return Pipeline(project, tmp_path / "cohort" / "cohort.json", tmp_path / "work")


@pytest.fixture
def fresh(project, tmp_path, without_pictures):
    """Makes a pipeline of its own cohort that has not run, by default of the first two stages."""

    def make(cases=None, validation=2, **changes) -> Pipeline:
        manifest = write_tiny_cohort(tmp_path / "cohort", cases, validation)
        return Pipeline(project, manifest, tmp_path / "work", **{"recipe": SHORT, **changes})

    return make


def message(pipeline: Pipeline, **options) -> str:
    """The line of a run that must not go through; MONAI wraps the error several times."""
    with pytest.raises(Exception) as caught:
        pipeline.run(**options)
    error = find_input_error(caught.value)
    assert error is not None, caught.value
    line = input_error_message(error)
    assert len(line.splitlines()) == 1
    return line


def content(file: Path):
    return json.loads(file.read_text())


def record(pipeline: Pipeline, stage: str) -> dict:
    return content(pipeline.stage(stage) / "record.json")


def states(pipeline: Pipeline) -> dict[str, tuple[int, int]]:
    """What would change if a file were written again."""
    files = [file for file in pipeline.work.rglob("*") if file.is_file() and file.name not in WRITTEN_ANYWAY]
    return {str(file.relative_to(pipeline.work)): (file.stat().st_mtime_ns, file.stat().st_size) for file in files}


def weights(pipeline: Pipeline, stage: str) -> dict[str, torch.Tensor]:
    return torch.load(pipeline.stage(stage) / "models" / "model.pt", weights_only=True)


def same_weights(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


# ---- what a run leaves -----------------------------------------------------------------------------------------------


def test_every_stage_is_done_and_recorded(finished):
    for stage in RECIPE:
        name = stage["name"]
        done = record(finished, name)
        assert done["state"] == "done"
        assert done["cases"] == {group: CASES[group] for group in stage["train"]}
        assert done["labelled_cases"] == sum(done["cases"].values())
        assert done["model_sha256"] == sha256(finished.stage(name) / "models" / "model.pt")
        assert done["epochs"] == 2
        assert done["training_seconds"] > 0
        assert set(done["scores"]) == {"organs", "lesion"}
        assert 0 <= done["scores"]["organs"]["dice"] <= 1
        assert done["scores"]["organs"]["cases"] == 2
        assert [(fill["group"], fill["model_stage"]) for fill in done["fill"]] == list(stage.get("fill", {}).items())
        for fill in done["fill"]:
            assert fill["model_sha256"] == record(finished, fill["model_stage"])["model_sha256"]
            assert fill["cases"] == CASES[fill["group"]]
        assert not (finished.stage(name) / "cache").exists(), "prepared cases are deleted"
        assert len(list((finished.stage(name) / "output" / "tensorboard").iterdir())) == 1, "curves of its own"
    assert not (finished.work / "excluded.json").exists()
    report = (finished.work / "report.md").read_text()
    assert all(name in report for name in STAGES)
    page = (finished.work / "report.html").read_text()
    assert "5 of 5 stages done" in page
    assert "validation cases" in page
    assert page.count('<article class="case"') == 2, "label maps were kept, and can be looked at"


def test_a_model_knows_the_classes_it_was_trained_on(finished):
    known = {name: record(finished, name)["fill"][0]["classes"] for name in FILLED}
    assert known == {
        "2_lesions": ["dark", "bright"],  # dataset1 has no lesions
        "3_both": list(CLASSES),
        "4_partial": list(CLASSES),
        "5_small": list(CLASSES),
    }


@pytest.mark.parametrize("stage", FILLED)
def test_merged_labels_equal_merging_by_hand(finished, stage):
    group = FILLED[stage]
    fill = (1, 2) if stage == "2_lesions" else (1, 2, 3)
    changed = 0
    cases = [case for case in read_cohort(finished.manifest).training if case.annotated == ANNOTATED[group]]
    assert len(cases) == CASES[group]
    for case in cases:
        merged = voxels(finished.stage(stage) / "labels" / f"{case.name}.nii.gz")
        pseudo = voxels(finished.stage(stage) / "pseudo_labels" / group / f"{case.name}.nii.gz")
        label = voxels(case.label) if case.label else np.zeros(SHAPE, np.uint8)
        by_hand = merge_pseudo_label(label, pseudo, case.annotated, fill, [LESION])
        assert np.array_equal(merged, by_hand.numpy())
        annotated = label > 0
        lesion_found = (pseudo == LESION) & (LESION in fill) & (LESION not in case.annotated)
        assert np.array_equal(merged[annotated & ~lesion_found], label[annotated & ~lesion_found])
        assert np.isin(merged[merged != label], [value for value in fill if value not in case.annotated]).all()
        changed += int((merged != label).sum())
    assert changed > 0


@pytest.mark.parametrize("stage", FILLED)
def test_every_label_says_which_voxel_came_from_whom(finished, stage):
    group = FILLED[stage]
    folder = finished.stage(stage)
    model = record(finished, stage)["fill"][0]
    for file in sorted((folder / "labels").glob("*.json")):
        side = content(file)
        assert side["model"] == {"stage": model["model_stage"], "sha256": model["model_sha256"]}
        assert side["annotated"] == [CLASSES[value - 1] for value in ANNOTATED[group]]
        assert side["filled"] == [name for name in model["classes"] if name not in side["annotated"]]
        merged = voxels(file.with_name(f"{file.stem}.nii.gz"))
        bright = (merged == BRIGHT).sum() * abs(np.linalg.det(AFFINE[:3, :3])) / 1000
        assert side["volumes_ml"]["bright"] == pytest.approx(bright, abs=1e-3)
        predicted = content(folder / "pseudo_labels" / group / file.name)
        assert predicted["model"] == side["model"]
        assert predicted["case"] == side["case"] == file.stem
        assert predicted["windows"] >= 1
    assert len(list((folder / "labels").glob("*.nii.gz"))) == CASES[group]
    assert (folder / "review" / "suspicious.csv").exists()
    assert (folder / "review" / "contact_sheet.png").exists()


def test_second_run_computes_nothing_even_in_another_place(copy):
    """The work folder and the cohort were moved since: contents count, not paths or times."""
    for file in copy.manifest.parent.rglob("*.nii.gz"):
        os.utime(file)
    before = states(copy)
    copy.run()
    after = states(copy)
    rewritten = {name for name in after if before.get(name) != after[name]}
    assert rewritten <= {"checksums.json", "case_facts.json"}, "which remember files by path and time"
    assert before.keys() == after.keys()


# ---- before and meanwhile --------------------------------------------------------------------------------------------


def test_dry_run_prints_the_plan_and_writes_nothing(fresh, capsys):
    pipeline = fresh(recipe=RECIPE)
    pipeline.run(dry_run=True)
    printed = capsys.readouterr().out
    assert not pipeline.work.exists()
    assert "dataset1 3, dataset2 3, dataset3 2, dataset4 3, validation 2 cases" in printed
    assert "label 3 cases of dataset4 with the model of 4_partial" in printed
    assert "train on 11 cases" in printed


def test_stages_are_chosen_and_status_shows_them(fresh, capsys):
    pipeline = fresh(recipe=RECIPE)
    pipeline.run(status=True)
    assert capsys.readouterr().out.count("not begun") == 5
    assert not pipeline.work.exists()
    line = message(pipeline, stages="2_lesions")
    assert "stage 2_lesions needs stage 1_organs, which is not done" in line
    pipeline.run(until=1)
    pipeline.run(stages=[2])
    assert not pipeline.stage("3_both").exists()
    capsys.readouterr()
    with run_lock(pipeline.work):
        pipeline.run(status="true")
    printed = capsys.readouterr().out
    assert printed.count("not begun") == 3
    assert printed.count(" done ") == 2
    assert "is no stage" in message(pipeline, stages="six")


def test_second_run_in_one_folder_is_refused(copy):
    before = states(copy)
    with run_lock(copy.work):
        line = message(copy)
    assert "in use by another run" in line
    assert f"process {os.getpid()}" in line
    assert states(copy) == before


# ---- bad cases -------------------------------------------------------------------------------------------------------


def test_bad_cases_are_excluded_and_the_rest_goes_on(fresh):
    pipeline = fresh()
    images, labels = (pipeline.manifest.parent / kind for kind in ("images", "labels"))
    whole = (images / "case_00.nii.gz").read_bytes()
    (images / "case_00.nii.gz").write_bytes(whole[:-200])
    save(labels / "case_03.nii.gz", np.zeros((12, 14, 15), np.uint8))
    save(labels / "held_00.nii.gz", voxels(labels / "held_00.nii.gz") * 3)  # classes 6 and 9
    (images / "case_08.nii.gz").write_bytes(b"no scan")
    pipeline.run_without("case_00, case_03, case_08, held_00")
    excluded = content(pipeline.work / "excluded.json")
    assert set(excluded) == {"case_00", "case_03", "held_00", "case_08"}
    assert "case_00.nii.gz: cannot be read" in excluded["case_00"]
    assert "12 x 14 x 15" in excluded["case_03"]
    first, second = (record(pipeline, name) for name in STAGES[:2])
    assert (first["state"], first["cases"], first["labelled_cases"]) == ("done", {"dataset1": 2}, 2)
    assert (second["state"], second["cases"], second["fill"][0]["cases"]) == ("done", {"dataset2": 2}, 2)
    assert first["scores"]["organs"]["cases"] == 1
    assert not (pipeline.stage("2_lesions") / "labels" / "case_03.nii.gz").exists()
    report = (pipeline.work / "report.md").read_text()
    assert all(name in report for name in excluded)

    before = states(pipeline)
    pipeline.run_without("case_00, case_03, case_08, held_00")
    assert states(pipeline) == before, "the bad cases are not tried again"

    # repaired: a stage that went without the case is not silently done again; a case no stage has met comes back
    save(images / "case_08.nii.gz", np.random.RandomState(8).normal(size=SHAPE).astype(np.float32))
    pipeline.run_without("case_00, case_03, held_00")
    assert set(content(pipeline.work / "excluded.json")) == {"case_00", "case_03", "held_00"}
    (images / "case_00.nii.gz").write_bytes(whole)
    line = message(pipeline)
    assert "stage 1_organs was begun with other settings or data: cases case_00 image" in line
    assert "redo 1_organs, 2_lesions" in line
    pipeline.run_without("case_03, held_00", on_change="redo")
    assert set(content(pipeline.work / "excluded.json")) == {"case_03", "held_00"}
    assert record(pipeline, "1_organs")["cases"] == {"dataset1": 3}


@pytest.fixture
def unchecked(monkeypatch):
    """Let cases pass the check that then fail in the inference, e.g. since the scan was damaged meanwhile."""
    monkeypatch.setattr("custom.workflows.pipeline.unusable_cases", lambda *_: {})


PSEUDO = [RECIPE[0], {"name": "2_all", "fill": {"dataset4": "1_organs"}, "train": ["dataset1", "dataset4"]}]


def test_scan_on_which_inference_fails_is_excluded(fresh, unchecked):
    pipeline = fresh({"dataset1": 2, "dataset4": 4}, recipe=PSEUDO)
    for name in ("case_03", "case_05"):
        file = pipeline.manifest.parent / "images" / f"{name}.nii.gz"
        file.write_bytes(file.read_bytes()[:-200])
    pipeline.run_without("case_03, case_05")
    excluded = content(pipeline.work / "excluded.json")
    assert list(excluded) == ["case_03", "case_05"]
    assert "images/case_03.nii.gz" in excluded["case_03"]
    labelled = {file.name for file in (pipeline.stage("2_all") / "labels").glob("*.nii.gz")}
    assert labelled == {"case_02.nii.gz", "case_04.nii.gz"}
    assert record(pipeline, "2_all")["cases"] == {"dataset1": 2, "dataset4": 2}
    before = states(pipeline)
    pipeline.run_without("case_03, case_05")
    assert states(pipeline) == before


def test_inference_that_fails_on_every_scan_stops_the_run(fresh, unchecked, capsys):
    pipeline = fresh({"dataset1": 2, "dataset4": 5}, recipe=PSEUDO)
    for file in (pipeline.manifest.parent / "images").glob("case_0[2-6].nii.gz"):
        file.write_bytes(file.read_bytes()[:-200])
    line = message(pipeline)
    assert "none of 5 cases could be labelled, the first: " in line
    assert "case_02.nii.gz" in line
    assert not (pipeline.work / "excluded.json").exists()
    assert record(pipeline, "2_all")["state"] == "running"
    capsys.readouterr()
    pipeline.run(status=True)
    assert " interrupted " in capsys.readouterr().out
    with run_lock(pipeline.work):
        pipeline.run(status=True)
    assert " running " in capsys.readouterr().out


def test_no_validation_cases(fresh, capsys):
    pipeline = fresh({"dataset1": 2, "dataset2": 2}, validation=0)
    pipeline.run()
    assert "lists no validation cases" in capsys.readouterr().out
    for name in STAGES[:2]:
        assert record(pipeline, name)["state"] == "done"
        assert record(pipeline, name)["scores"] == {}


# ---- changes ---------------------------------------------------------------------------------------------------------


def other_epochs(pipeline):
    pipeline.write_overlay(training={**TRAINING, "epochs": 3})
    return "1_organs", "common training epochs 2 -> 3", STAGES


def other_scan(pipeline):
    save(pipeline.manifest.parent / "images" / "case_08.nii.gz", np.random.RandomState(0).normal(size=SHAPE))
    return "5_small", "cases case_08 image", ["5_small"]


def other_label(pipeline):
    file = pipeline.manifest.parent / "labels" / "case_06.nii.gz"
    save(file, np.roll(voxels(file), 1, axis=2))
    return "4_partial", "cases case_06 label", STAGES[3:]


def missing_scan(pipeline):
    (pipeline.manifest.parent / "images" / "held_00.nii.gz").unlink()
    return "1_organs", 'validation held_00 image "', STAGES


def other_annotation(pipeline):
    listing = content(pipeline.manifest)
    entry = next(case for case in listing["cases"] if case["name"] == "case_07")
    entry |= {"annotated": [], "label": None}
    pipeline.manifest.write_text(json.dumps(listing))
    return "4_partial", "cases case_07 is gone", STAGES[3:]


def other_settings_of_a_stage(pipeline):
    """The follower's own settings are as they were."""
    recipe = [*RECIPE[:3], {**RECIPE[3], "settings": {"learning_rate": 0.02}}, RECIPE[4]]
    pipeline.write_overlay(recipe=recipe)
    return "4_partial", "stage settings learning_rate is new", STAGES[3:]


def other_config(pipeline):
    root = pipeline.manifest.parent / "bundle"
    shutil.copytree(pipeline.root / "configs", root / "configs")
    with (root / "configs" / "train.yaml").open("a") as file:
        file.write("# a remark\n")
    pipeline.root = root
    return "1_organs", "configs train", STAGES


@pytest.mark.parametrize(
    "change",
    [other_epochs, other_scan, other_label, missing_scan, other_annotation, other_settings_of_a_stage, other_config],
)
def test_change_is_named_and_refused(copy, change):
    stage, what, redone = change(copy)
    before = {name: state for name, state in states(copy).items() if name != "checksums.json"}
    line = message(copy)
    assert f"stage {stage} was begun with other settings or data: {what}" in line
    assert f"would redo {', '.join(redone)}:" in line
    assert "--on_change redo" in line
    after = {name: state for name, state in states(copy).items() if name != "checksums.json"}
    assert after == before


def test_redo_does_the_changed_stage_and_its_followers_only(copy):
    other_settings_of_a_stage(copy)
    old = {name: record(copy, name)["model_sha256"] for name in STAGES}
    before = states(copy)
    copy.run(on_change="redo")
    after = states(copy)
    kept = [name for name in before if name.startswith(("stages/1_", "stages/2_", "stages/3_"))]
    assert kept
    assert all(before[name] == after[name] for name in kept)
    for name in STAGES[3:]:
        assert record(copy, name)["state"] == "done"
        assert record(copy, name)["model_sha256"] != old[name]
        assert content(copy.work / "replaced" / f"{name}.1" / "record.json")["model_sha256"] == old[name]
    copy.run()


def test_runtime_and_pictures_are_no_change(copy):
    copy.write_overlay(runtime={"num_workers": 0, "amp": True, "cpu_bfloat16": False}, window=None)
    before = states(copy)
    copy.run()
    assert {name for name, state in states(copy).items() if before.get(name) != state} <= {
        "checksums.json",
        "case_facts.json",
    }


def test_stage_taken_out_and_put_back_does_not_follow_a_stranger(copy):
    """The stage's own settings are as they were, but the model that labelled its cases was replaced meanwhile."""
    changed = [RECIPE[0], {**RECIPE[1], "settings": {"learning_rate": 0.02}}]
    copy.write_overlay(recipe=changed)
    copy.run(on_change="redo")
    copy.write_overlay(recipe=[*changed, *RECIPE[2:]])
    line = message(copy)
    assert "stage 3_both was begun with other settings or data: follows 2_lesions" in line
    assert "redo 3_both, 4_partial, 5_small" in line


def test_own_recipe(copy):
    """A stage dropped, one added, one on other terms; those that are as before are kept."""
    before = states(copy)
    smaller = copy.work.with_name("smaller_plan.yaml")
    write_plan(smaller, {**PLAN, "network": {**PLAN["network"], "filters": [4, 8, 12]}})
    recipe = [
        RECIPE[0],
        RECIPE[1],
        {"name": "rest", "fill": {"dataset3": "2_lesions", "dataset4": "2_lesions"}, "train": ["dataset3", "dataset4"]},
        {
            "name": "small",
            "fill": {"dataset1": "rest"},
            "train": ["dataset1", "dataset2"],
            "settings": {"plan": str(smaller), "epochs": 1},
        },
        {"name": "alone", "train": ["dataset1"], "labels": "annotated", "control": True},
    ]
    copy.write_overlay(recipe=recipe)
    copy.run()
    after = states(copy)
    assert all(after[name] == state for name, state in before.items() if name.startswith("stages/"))
    assert record(copy, "rest")["cases"] == {"dataset3": 2, "dataset4": 3}
    assert [fill["group"] for fill in record(copy, "rest")["fill"]] == ["dataset3", "dataset4"]
    assert record(copy, "small")["epochs"] == 1
    assert record(copy, "small")["filled_by"] == {"dataset1": "small", "dataset2": "2_lesions"}
    assert weights(copy, "small").keys() == weights(copy, "rest").keys()
    assert record(copy, "alone")["control"]
    assert record(copy, "alone")["model_sha256"] == record(copy, "1_organs")["model_sha256"], "the same training"


# ---- options of stages -----------------------------------------------------------------------------------------------


def test_doubtful_voxels_are_ignored(fresh):
    threshold = 0.3  # of four classes
    recipe = [RECIPE[0], {**RECIPE[1], "merge": {"confidence": threshold, "lesions_overwrite": False}}]
    pipeline = fresh(recipe=recipe)
    pipeline.run()
    ignored = 0
    for case in read_cohort(pipeline.manifest).training[3:6]:
        folder = pipeline.stage("2_lesions")
        files = [folder / "pseudo_labels" / "dataset2" / f"{case.name}{end}.nii.gz" for end in ("", "_confidence")]
        pseudo, confidence = map(voxels, files)
        label, merged = voxels(case.label), voxels(folder / "labels" / f"{case.name}.nii.gz")
        by_hand = merge_pseudo_label(label, pseudo, case.annotated, (1, 2), [LESION], False, confidence, threshold)
        assert np.array_equal(merged, by_hand.numpy())
        assert np.array_equal(merged == IGNORED, (label == 0) & (confidence < 255 * threshold))
        assert content(folder / "labels" / f"{case.name}.json")["ignored_voxels"] == (merged == IGNORED).sum()
        ignored += int((merged == IGNORED).sum())
    assert ignored > 0
    assert record(pipeline, "2_lesions")["state"] == "done"


def test_training_starts_from_an_earlier_model(fresh):
    """Steps too small to change a float32 leave that model's weights."""
    recipe = [RECIPE[0], {**RECIPE[1], "start_from": "1_organs", "settings": {"learning_rate": 1.0e-30}}]
    pipeline = fresh(recipe=recipe)
    pipeline.run()
    assert same_weights(weights(pipeline, "1_organs"), weights(pipeline, "2_lesions"))


def test_unannotated_classes_without_gradient(fresh):
    """The paper's alternative to filling: the same cases and steps, another loss."""
    both = {"train": ["dataset1", "dataset2"], "control": True}
    recipe = [{"name": "zero", **both}, {"name": "none", **both, "unannotated": "no_gradient"}]
    pipeline = fresh(recipe=recipe)
    pipeline.run()
    assert record(pipeline, "none")["state"] == "done"
    assert not same_weights(weights(pipeline, "zero"), weights(pipeline, "none"))


def test_prepared_cases_are_kept_on_request(fresh):
    pipeline = fresh(recipe=SHORT[:1], keep_cache=True)
    pipeline.run()
    assert len(list((pipeline.stage("1_organs") / "cache").iterdir())) == 3
    pipeline.write_overlay(recipe=SHORT[:1])
    pipeline.run()
    assert not (pipeline.stage("1_organs") / "cache").exists()


def test_settings_of_training_reach_the_inference(finished, fresh):
    """A network given once, for the training, is the one that labels."""
    pipeline = fresh(inference={})
    pipeline.run()
    assert same_weights(weights(pipeline, "2_lesions"), weights(finished, "2_lesions"))


# ---- what stops a run ------------------------------------------------------------------------------------------------


def test_diverged_training_is_one_line_with_its_stage(fresh, capsys):
    pipeline = fresh(recipe=[RECIPE[0], {**RECIPE[1], "settings": {"learning_rate": 1.0e30}}])
    line = message(pipeline)
    assert line.startswith("stage 2_lesions: the training diverged in epoch 1")
    assert not (pipeline.stage("2_lesions") / "models" / "model.pt").exists()
    capsys.readouterr()
    pipeline.run(status=True)
    printed = capsys.readouterr().out
    assert printed.count(" done ") == 1
    assert printed.count(" interrupted ") == 1
    pipeline.write_overlay(recipe=SHORT)
    pipeline.run(on_change="redo")
    assert record(pipeline, "2_lesions")["state"] == "done"


def test_unwritable_work_folder(fresh, tmp_path):
    pipeline = fresh()
    (tmp_path / "file").write_text("")
    line = message(pipeline, work_dir=str(tmp_path / "file" / "work"))
    assert "file/work cannot be written" in line
    assert "--work_dir" in line


def test_missing_and_foreign_manifest(fresh, tmp_path):
    pipeline = fresh()
    assert "/nowhere/cohort.json: cannot be read" in message(pipeline, cohort="/nowhere/cohort.json")
    assert "none of the groups" in message(pipeline, recipe=[{"name": "one", "train": ["dataset9"]}])
    assert "on_change" in message(pipeline, on_change="perhaps")


@pytest.fixture
def second_stage(finished, fresh) -> Pipeline:
    """A run of two stages that has done the first."""
    pipeline = fresh()
    shutil.copytree(finished.work, pipeline.work, ignore=shutil.ignore_patterns(*STAGES[1:]))
    pipeline.run(stages=1)
    return pipeline


def test_file_too_large_is_one_line_and_the_next_run_goes_on(finished, second_stage):
    """No file may grow beyond a limit that the system sets, which network and checkpoint hit within their writers."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    for limit in (0, 20_000, 110_000):
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
        try:
            line = message(second_stage)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert "cannot be written (File too large): free space or pass another --work_dir" in line, limit
        assert not list(second_stage.work.rglob(".tmp_*"))
    second_stage.run()
    assert same_weights(weights(second_stage, "2_lesions"), weights(finished, "2_lesions"))


WRITTEN_IN_TURN = (
    "stages/2_lesions/inputs.json",
    "stages/2_lesions/pseudo_labels/dataset2_process0.json",
    "stages/2_lesions/pseudo_labels/dataset2/case_04.nii.gz",
    "stages/2_lesions/pseudo_labels/dataset2/case_04.json",
    "stages/2_lesions/review/suspicious.csv",
    "stages/2_lesions/labels/case_04.nii.gz",
    "stages/2_lesions/labels/case_05.json",
    "stages/2_lesions/training_cases.json",
    "stages/2_lesions/output/validation/metrics.json",
    "stages/2_lesions/models/model.pt",
    "stages/2_lesions/models/resume/checkpoint.pt",
    "report.md",
)


def test_full_disk_blames_no_case(finished, second_stage, monkeypatch):
    """The disk is full at one file after the other; each run gets a little further, and what it left is used."""
    full: list[Path] = []
    move = Path.replace

    def replace(source: Path, target: Path) -> Path:
        if target in full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(target))
        return move(source, target)

    monkeypatch.setattr(Path, "replace", replace)
    for name in WRITTEN_IN_TURN:
        full[:] = [second_stage.work / name]
        line = message(second_stage)
        assert " cannot be written (" in line, name
        assert "free space or pass another --work_dir" in line, name
    full.clear()
    second_stage.run()
    assert not (second_stage.work / "excluded.json").exists()
    assert same_weights(weights(second_stage, "2_lesions"), weights(finished, "2_lesions"))
