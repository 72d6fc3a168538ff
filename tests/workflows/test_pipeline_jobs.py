"""The stages of a recipe, and chunks of the scans that they label, in processes of their own."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from custom.io.atomic_write import write_json
from custom.processes import rank
from custom.workflows import PseudoLabelPipeline

from ..test_processes import in_two_processes
from .tiny_cohort import OVERLAY, PLAN, RECIPE, Pipeline, write_tiny_cohort

CASES = {"dataset1": 2, "dataset2": 3}


@pytest.fixture(scope="module")
def manifest(tmp_path_factory) -> Path:
    return write_tiny_cohort(tmp_path_factory.mktemp("cohort"), CASES, validation=1)


@pytest.fixture
def pipeline(project, manifest, tmp_path):
    """Makes a recipe that nobody runs."""

    def make(recipe, **options) -> PseudoLabelPipeline:
        tiny = Pipeline(project, manifest, tmp_path / "work")
        known = {"groups": OVERLAY["groups"], "plan": str(tiny.plan), "bundle_root": tiny.root}
        return PseudoLabelPipeline(manifest, tiny.work, recipe, **known, **options)

    return make


def test_groups_are_parted_into_chunks_for_each_model(pipeline):
    merge = {"min_agreement": 0.5, "agree_with": "1_organs"}
    last = {"name": "3_all", "fill": {"dataset2": "2_lesions"}, "train": ["dataset2"], "merge": merge}
    recipe = [*RECIPE[:2], {**last, "unannotated": "marginal"}]
    stage = pipeline(recipe, cases_per_job=2).runs["3_all"]
    sizes = {name: (fill.model_stage, len(fill.cases)) for name, (_, fill) in stage.labelling.chunks().items()}
    assert sizes == {
        "label_dataset2_001": ("2_lesions", 2),
        "label_dataset2_002": ("2_lesions", 1),
        "compare_dataset2_001": ("1_organs", 2),
        "compare_dataset2_002": ("1_organs", 1),
    }
    assert list(pipeline(recipe).runs["3_all"].labelling.chunks()) == ["label_dataset2_001", "compare_dataset2_001"]


def test_a_plan_that_the_user_gives_goes_before_one_of_the_training(pipeline):
    """Of an overlay's, such as the demo's."""
    (run,) = pipeline(RECIPE[:1], training={"plan": "small"}).stage_runs
    assert run.settings.plan(run.stage)["name"] == PLAN["name"]


def test_test_cases_that_could_not_be_scored_stay_excluded(pipeline):
    recipe = pipeline(RECIPE[:1])
    recipe.work.stage("1_organs").path.mkdir(parents=True)
    write_json(recipe.work.stage("1_organs").inputs, {"cases": {"a": ""}, "validation": {}, "test": {"t": ""}})
    recipe.work.exclude({"t": "torn", "of_no_stage": "torn"})
    recipe.exclude({})
    assert recipe.work.excluded() == {"t": "torn"}


def test_stages_that_label_alike_share_their_chunks(pipeline):
    """The later one begins when the first has labelled the scans, and takes the labels over."""
    rival = {**RECIPE[1], "name": "2_again", "control": True}
    runs = pipeline([*RECIPE[:2], rival]).runs
    assert (runs["2_again"].shares, runs["2_again"].needs) == (("2_lesions",), ["1_organs"])
    confident = {**rival, "merge": {"confidence": 0.5}}
    assert pipeline([*RECIPE[:2], confident]).runs["2_again"].shares == ()


def test_what_is_left_of_a_chunk_are_usable_cases_without_a_finished_label(pipeline):
    stage = pipeline(RECIPE[:2], cases_per_job=2).runs["2_lesions"]
    assert stage.parts() == ["label_dataset2_001", "label_dataset2_002"]
    stage.work.exclude({"case_04": "torn"})
    assert stage.parts() == ["label_dataset2_001"]
    for name in ("case_02", "case_03"):
        label = stage.folder.pseudo_label("dataset2", name)
        label.parent.mkdir(parents=True, exist_ok=True)
        label.touch()
        label.with_name(f"{name}.json").touch()
    assert stage.parts() == []


def test_processes_that_exclude_cases_at_once_keep_one_anothers(pipeline, tmp_path):
    work = pipeline(RECIPE[:1]).runs["1_organs"].work

    def exclude() -> list[str]:
        for number in range(50):
            work.exclude({f"{rank()}_{number}": "torn"})
        return []

    in_two_processes(exclude, tmp_path / "processes")
    assert len(work.excluded()) == 100


def test_labels_and_weights_are_those_of_stages_done_one_after_another(
    project, manifest, tmp_path, monkeypatch, quick_python, without_pictures
):
    serial, at_once = (
        Pipeline(project, manifest, tmp_path / name, recipe=RECIPE[:2], cases_per_job=2) for name in ("one", "several")
    )
    serial.run()
    monkeypatch.setattr(sys, "executable", str(quick_python / "python"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    at_once.run(jobs=2)
    logs = {str(file.parent.relative_to(at_once.work / "stages")) for file in at_once.work.rglob("job.log")}
    assert logs == {"1_organs", "2_lesions", *(f"2_lesions/jobs/label_dataset2_00{number}" for number in (1, 2))}
    for kind in ("pseudo_labels/dataset2", "labels"):
        files = [sorted((one.stage("2_lesions") / kind).glob("*.nii.gz")) for one in (serial, at_once)]
        assert [file.name for file in files[1]] == [f"case_0{number}.nii.gz" for number in (2, 3, 4)]
        assert all(one.read_bytes() == other.read_bytes() for one, other in zip(*files, strict=True))
    records = [json.loads((one.stage("2_lesions") / "record.json").read_text()) for one in (serial, at_once)]
    for key in ("model_sha256", "scores", "cases", "suspicious"):
        assert records[0][key] == records[1][key]
