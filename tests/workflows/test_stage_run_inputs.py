"""What a stage follows from, and what is said when some of it changed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from unittest import mock

import pytest

from custom.cohort.manifest import Cohort, CohortCase
from custom.workflows.changes import changes
from custom.workflows.pipeline_settings import PipelineSettings
from custom.workflows.recipe import parse_recipe, plan_stages
from custom.workflows.stage_run import StageRun
from custom.workflows.work_folder import WorkFolder


def case(name, annotated=(1,), use="training"):
    return CohortCase(name, f"/d/{name}.nii.gz", f"/d/{name}_l.nii.gz" if annotated else None, annotated, use)


A, B, BARE, HELD = case("a"), case("b", (1, 2)), case("u", ()), case("v", (1, 2), "validation")
GROUPS = {"some": [A, B], "none": [BARE]}
RECIPE = (
    {"name": "one", "train": ["some"], "settings": {"epochs": 10}},
    {"name": "two", "train": ["some", "none"], "fill": {"none": "one"}, "overlays": ["big"]},
)


def inputs(
    recipe=RECIPE, groups=GROUPS, stage=1, common=None, configs=None, classes=("liver", "tumour"), spacing=1, **files
):
    """The inputs of a stage; `files` are names of cases with other checksums than 0."""
    planned = plan_stages(parse_recipe(recipe, list(groups)), groups)
    cohort = Cohort("c", classes, (2,), (*(one for group in groups.values() for one in group), HELD))
    names = [file for one in cohort.cases for file in (one.image, one.label) if file]
    checksums = dict.fromkeys(names, "0" * 64) | {f"/d/{name}.nii.gz": value for name, value in files.items()}
    common = common or {"training": {"epochs": 2}, "inference": {}}
    settings = PipelineSettings(Path("/bundle"), (), runtime={}, keep_cache=False, window=None, **common)
    run = StageRun(planned[stage], planned, cohort, groups, WorkFolder("/work"), settings, lambda: checksums)
    found = {"train": "1" * 64} if configs is None else configs
    checksums_of_configs = mock.patch("custom.workflows.stage_run.config_checksums", return_value=found)
    with checksums_of_configs, mock.patch.object(PipelineSettings, "plan", return_value={"spacing": spacing}):
        return json.loads(json.dumps(run.inputs()))


def with_stage(**changed):
    return (RECIPE[0], {**RECIPE[1], **changed})


def test_the_inputs_as_json():
    content = inputs()
    assert content["stage"]["fill"] == {"none": "one"}
    assert content["fills"] == {"none": ["one", [1, 2]]}
    assert content["trained"] == {"a": [None, [1]], "b": [None, [1, 2]], "u": ["two", [1, 2]]}
    assert content["cases"]["u"] == {"image": "0" * 64, "label": None, "annotated": []}
    assert list(content["validation"]) == ["v"]


def test_equal_inputs_have_no_changes():
    assert changes(json.loads(json.dumps(inputs())), inputs()) == []


def test_a_stage_depends_on_the_cases_it_uses_alone():
    assert changes(inputs(stage=0), inputs(stage=0, u="9" * 64)) == []
    assert changes(inputs(stage=1), inputs(stage=1, u="9" * 64)) != []


SHORT = '"00000000000... -> "99999999999...'


@pytest.mark.parametrize(
    ("now", "lines"),
    [
        ({"common": {"training": {"epochs": 3}, "inference": {}}}, ["common training epochs 2 -> 3"]),
        ({"common": {"training": {}, "inference": {"mirrored": True}}},
         ["common training epochs is gone", "common inference mirrored is new"]),
        ({"u": "9" * 64}, [f"cases u image {SHORT}"]),
        ({"a_l": "9" * 64}, [f"cases a label {SHORT}"]),
        ({"v": "9" * 64}, [f"validation v image {SHORT}"]),
        ({"u": "missing"}, ['cases u image "00000000000... -> "missing"']),
        ({"groups": {**GROUPS, "none": [BARE, case("w", ())]}}, ["cases w is new", "trained w is new"]),
        ({"groups": {**GROUPS, "some": [A]}},
         ["fills none [\"one\", [1, 2]] -> [\"one\", [1]]", "cases b is gone", "trained b is gone",
          "trained u [\"two\", [1, 2]] -> [\"two\", [1]]"]),
        ({"groups": {**GROUPS, "some": [replace(A, annotated=(1, 2)), B]}},
         ["cases a annotated [1] -> [1, 2]", "trained a [null, [1]] -> [null, [1, 2]]"]),
        ({"recipe": with_stage(overlays=[])}, ['stage overlays ["big"] -> []']),
        ({"recipe": with_stage(merge={"confidence": 0.6})}, ["stage confidence 0.0 -> 0.6"]),
        ({"recipe": with_stage(settings={"seed": 1})}, ["stage settings seed is new"]),
        ({"configs": {"train": "2" * 64, "big": "1" * 64}},
         ['configs train "11111111111... -> "22222222222...', "configs big is new"]),
        ({"spacing": 2}, ["plan spacing 1 -> 2"]),
        ({"common": {"training": {"epochs": 2, "plan": "elsewhere/the_same.yaml"}, "inference": {}}}, []),
        ({"classes": ("liver", "lesion")}, ['classes ["liver", "tumour"] -> ["liver", "lesion"]']),
    ],
)  # fmt: skip
def test_what_changed_is_named(now, lines):
    assert changes(inputs(), inputs(**now)) == lines
