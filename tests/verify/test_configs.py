"""Configs with entries that cannot be made or have other names."""

import pytest
import torch.distributed as dist

from custom.errors import InputError
from custom.verify import documented
from custom.verify.bundle_folder import BundleFolder
from custom.verify.configs import (
    check_combination,
    check_entries,
    check_inference_properties,
    config_sets,
    lone_process,
    reason,
)

INFERENCE = "configs/inference.yaml"


def replace(root, config, old, new):
    file = root / config
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def test_combinations_are_those_that_are_documented(project, tmp_path):
    sets = config_sets(BundleFolder(project / "bundles" / "batseg_spine", tmp_path))
    assert {("train",), ("train", "evaluate"), ("train", "multi_gpu_train"), ("inference",), ("train", "demo")} <= sets


def test_an_entry_with_a_fault_is_named(copied, tmp_path):
    root = copied("batseg_spine")
    replace(root, INFERENCE, "mirror_axes: $@mirror_axes if", "mirror_axes: $@mirrored_axes if")
    with pytest.raises(InputError, match=r"inference\.yaml: inferer cannot be made: .*mirrored_axes"):
        check_combination(BundleFolder(root, tmp_path), ("inference",))


def test_a_config_that_no_command_shows(copied, tmp_path):
    root = copied("batseg_spine")
    (root / "configs" / "forgotten.yaml").write_text("epochs: 3\n")
    with pytest.raises(InputError, match=r"forgotten\.yaml: in no documented command"):
        check_entries(BundleFolder(root, tmp_path))


def test_a_property_of_another_name(copied, tmp_path):
    root = copied("batseg_spine")
    replace(root, INFERENCE, "evaluator:\n", "predictor:\n")
    replace(root, INFERENCE, "@evaluator.run()", "@predictor.run()")
    with pytest.raises(InputError, match=r"inference\.yaml: MONAI misses Property 'evaluator'"):
        check_inference_properties(BundleFolder(root, tmp_path))


def test_what_is_left_out_for_want_of_a_package_is_said(copied, tmp_path, monkeypatch):
    monkeypatch.setattr(documented, "OPTIONAL", {"demo": "no_such_package"})
    root = copied("batseg_spine")
    for file in (root / "configs").glob("*.yaml"):
        if file.stem not in ("train", "inference", "demo", "multi_gpu_train"):
            file.unlink()
    remark = check_entries(BundleFolder(root, tmp_path))
    assert remark == "demo.yaml left out, which needs no_such_package"


def test_process_group_ends():
    with lone_process():
        assert dist.get_world_size() == 1
    assert not dist.is_initialized()


def test_reason_is_the_innermost_cause():
    try:
        try:
            raise KeyError("deep\nreason")
        except KeyError as error:
            raise RuntimeError("Failed to evaluate") from error
    except RuntimeError as error:
        assert reason(error) == r"KeyError: 'deep\nreason'"
    assert reason(InputError("known")) == "known"
