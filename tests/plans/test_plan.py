"""Plan files: what is read is what was written, and what no network could be for is refused in one line."""

import datetime

import numpy as np
import pytest
import torch
import yaml

from custom.errors import InputError
from custom.plans import checked, read_plan, write_plan

PLAN = {
    "classes": ["dark", "bright"],
    "channels": ["T1"],
    "orientation": "RAS",
    "spacing": [1.5, 1.1, 1.0],
    "normalisation": "zscore",
    "patch_size": [8, 8, 8],
    "mirror_axes": [0, 2],
    "network": {"name": "NativeScaleDynUNet", "filters": [4, 8], "strides": [1, [1, 2, 2]], "kernel_size": [3, 3]},
}
CT = {"lower": -9.5, "upper": 9.0, "mean": 0.25, "sd": 1.0, "cases": 8}
WHOLE = {
    **{"name": "boxes", **PLAN, "normalisation": "ct", "intensity": CT, "batch_size": 3, "distance_channels": 3},
    "prediction": {"windows": "efficient"},
    "scoring": {"tubular": ["dark"], "nsd_tolerance_mm": [1, 2.5], "groups": {"all": ["dark", "bright"]}},
    **{"fingerprint": {"cases": 8}, "training": {"fold": "all", "epoch": 2, "class_weights": None}},
    "code_version": "0.1.0",
}


def refused(content) -> str:
    with pytest.raises(InputError) as error:
        checked(content, "some/plan.yaml")
    assert "\n" not in str(error.value)
    assert str(error.value).startswith("some/plan.yaml: ")
    return str(error.value).removeprefix("some/plan.yaml: ")


def test_optional_entries_are_filled_in():
    plan = checked(PLAN, "")
    assert {key: plan[key] for key in PLAN} == PLAN
    assert plan["batch_size"] == 2
    assert plan["scoring"] == {"tubular": [], "nsd_tolerance_mm": 1.0, "groups": {}}
    assert plan["prediction"] == plan["training"] == plan["fingerprint"] == {}
    assert plan["intensity"] is plan["distance_channels"] is None
    assert checked({**PLAN, "scoring": {"tubular": ["dark"]}}, "")["scoring"]["nsd_tolerance_mm"] == 1.0


@pytest.mark.parametrize("plan", [PLAN, WHOLE])
def test_what_is_written_is_read(tmp_path, plan):
    write_plan(tmp_path / "plan.yaml", checked(plan, ""))
    assert read_plan(tmp_path / "plan.yaml") == checked(plan, "")


def test_entries_are_written_in_one_order_and_lists_in_one_line(tmp_path):
    for number, plan in enumerate((WHOLE, dict(reversed(WHOLE.items())))):
        write_plan(tmp_path / f"{number}.yaml", plan)
    text = (tmp_path / "0.yaml").read_text()
    assert text == (tmp_path / "1.yaml").read_text()
    assert list(yaml.safe_load(text)) == list(WHOLE)
    assert "\nspacing: [1.5, 1.1, 1.0]\n" in text
    assert text.startswith("# ")


def test_numbers_of_numpy_and_torch_are_written_as_numbers(tmp_path):
    counted = {
        "spacing": np.float32([1.5, 0.5, 1.0]),
        "patch_size": (np.int64(8), 8, torch.tensor(8)),
        "intensity": {**CT, "mean": np.float64(0.25)},
    }
    write_plan(tmp_path / "plan.yaml", {**PLAN, **counted})
    plan = read_plan(tmp_path / "plan.yaml")
    assert plan["spacing"] == [1.5, 0.5, 1.0]
    assert plan["patch_size"] == [8, 8, 8]
    assert plan["intensity"] == CT
    assert checked({**PLAN, **counted}, "") == plan


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("classes", "liver", "a list of class names"),
        ("channels", ["T1", "T1"], "a list of different names"),
        ("orientation", "RAP", "three letters such as RAS"),
        ("orientation", "RASL", "three letters such as RAS"),
        ("spacing", [1, 1], "three sizes in mm above 0"),
        ("spacing", [1, 0, 1], "three sizes in mm above 0"),
        ("spacing", [1, float("nan"), 1], "three sizes in mm above 0"),
        ("spacing", 1.0, "three sizes in mm above 0"),
        ("normalisation", "mri", "ct or zscore"),
        ("intensity", {**CT, "upper": -10}, "lower < upper and sd > 0"),
        ("intensity", {**CT, "sd": 0}, "lower < upper and sd > 0"),
        ("intensity", {"lower": 0, "upper": 1}, "a mapping of numbers lower, upper, mean, sd"),
        ("intensity", {**CT, "mean": float("inf")}, "a mapping of numbers"),
        ("patch_size", [8, 8, 8.5], "three sizes in voxels"),
        ("patch_size", [8, 8, True], "three sizes in voxels"),
        ("batch_size", 0, "a number of patches"),
        ("mirror_axes", [3], "a list of axes among 0, 1, 2"),
        ("mirror_axes", [[0]], "a list of axes among 0, 1, 2"),
        ("types", ["grey"], "a list of those classes that are types of one kind of lesion"),
        ("types", "dark", "a list of those classes that are types of one kind of lesion"),
        ("network", "SwinUNETR", "a mapping with the network's name"),
        ("network", {"filters": [4]}, "a mapping with the network's name"),
        ("distance_channels", -1, "the number of channels of the distance field"),
        ("prediction", {"mirrored": "false"}, "mirrored (true or false)"),
        ("prediction", {"windows": "few"}, "windows (all, efficient, lateral)"),
        ("prediction", {"window": "all"}, "a mapping of mirrored"),
        ("scoring", {"nsd_tolerance_mm": [1, 2, 3]}, "one or one for each class"),
        ("scoring", {"nsd_tolerance_mm": [1]}, "one or one for each class"),
        ("scoring", {"nsd_tolerance_mm": 0}, "above 0"),
        ("scoring", {"nsd_tolerances_mm": 3.0}, "a mapping with nsd_tolerance_mm"),
        ("scoring", {"tubular": "dark"}, "lists of classes"),
        ("scoring", {"groups": {"all": "dark"}}, "lists of classes"),
        ("scoring", [1], "a mapping"),
        ("training", [1], "a mapping"),
    ],
)
def test_an_impossible_value_is_refused(key, value, expected):
    said = refused({**PLAN, key: value})
    assert said.startswith(f"{key} is ")
    assert expected in said


@pytest.mark.parametrize("key", PLAN)
def test_a_missing_or_empty_entry_is_named(key):
    for content in ({other: value for other, value in PLAN.items() if other != key}, {**PLAN, key: None}):
        assert refused(content).startswith(f"lacks {key}; a plan has name, classes, ")


def test_what_is_no_plan():
    assert refused(["classes"]).startswith("is no plan, which is a mapping with classes, channels")
    assert refused({**PLAN, "spacings": [1, 1, 1]}).startswith("has an unknown entry 'spacings'; a plan has ")
    assert "cannot stand in a plan" in refused({**PLAN, "training": {"day": datetime.date(2026, 1, 1)}})


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"classes: [dark", "is not readable YAML (while parsing a flow sequence"),
        (b"\xff\xfe", "is not readable YAML"),
        (b"name: !!python/object:os.system {}", "is not readable YAML"),
        (b"name: 2026-13-01", "is not readable YAML"),
        (b"", "is no plan"),
        (None, "cannot be read (No such file or directory)"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_line(tmp_path, content, said):
    file = tmp_path / "plan.yaml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(InputError) as error:
        read_plan(file)
    assert str(error.value).startswith(f"{file}: {said}")
    assert "\n" not in str(error.value)
