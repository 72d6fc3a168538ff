"""A bundle of two small configs, run inside this process."""

from __future__ import annotations

import json
import weakref
from pathlib import Path

import pytest
import yaml

from custom.errors import InputError, find_input_error
from custom.io.checksums import sha256
from custom.workflows.bundle_run import checked_settings, config_checksums, known_settings, run_config

alive: weakref.WeakSet = weakref.WeakSet()
loaders: list = []

HEADING = "# ---- what you may change ----\n"
BASE = {
    "imports": ["$from pathlib import Path", "$from tests.workflows import test_bundle_run as here"],
    "bundle_root": ".",
    "folder": "$@bundle_root + '/output'",
    "epochs": 1000,
    "stop_epoch": 0,
    "network": {"width": 16, "depth": 5},
    "held": "$here.Held()",
    "initialize": ["$Path(@folder).mkdir()"],
    "run": ["$here.note(@held, @folder, [@epochs, @network#width, @network#depth])"],
    "finalize": ["$(Path(@folder) / 'finalized').touch()"],
}


class Held:
    """Stands for a network on a GPU."""

    def __init__(self) -> None:
        alive.add(self)
        self.itself = self  # as networks and engines are: freed by the garbage collector alone


def note(_held: Held, folder: str, values: list) -> None:
    if values[0] == 0:
        raise InputError("epochs is 0; pass a positive number")
    Path(folder, "values.json").write_text(json.dumps(values))


@pytest.fixture
def bundle(tmp_path):
    (tmp_path / "configs").mkdir()
    for name, content in {"train": BASE, "small": {"network#width": 8, "epochs": 10}}.items():
        text = HEADING * (name == "train") + yaml.safe_dump(content, sort_keys=False)
        (tmp_path / "configs" / f"{name}.yaml").write_text(text)
    (tmp_path / "configs" / "metadata.json").write_text('{"version": "0.1"}')
    return tmp_path


def run_loader(loader) -> None:
    """Run an epoch, and keep the process that loaded it for the test."""
    assert list(loader) == [0, 1]
    loaders.extend(loader._iterator._workers)


def values(bundle):
    return json.loads((bundle / "output" / "values.json").read_text())


def test_configs_lie_over_one_another_and_overrides_over_all(bundle):
    run_config(bundle, ["train", "small"], {"epochs": 3, "network#depth": 4})
    assert values(bundle) == [3, 8, 4]


class LeftOut:
    reasons = {"/scans/a.nii.gz": "torn"}


def test_the_scans_that_a_run_left_out_are_its_result(bundle):
    assert run_config(bundle, ["train"], {"left_out": "$here.LeftOut()"}) == LeftOut.reasons


def test_one_config_alone(bundle):
    run_config(bundle, ["train"], {})
    assert values(bundle) == [1000, 16, 5]


def test_what_is_known_of_configs_before_they_run(bundle):
    found = config_checksums(bundle, ["train", "small"])
    assert found == {name: sha256(bundle / "configs" / f"{name}.yaml") for name in ("train", "small")}
    known = known_settings(bundle, ("train", "small"))
    assert {"epochs", "network", "run"} <= known


def test_settings_are_checked_by_what_configs_have(bundle):
    meant = checked_settings("stage 1", bundle, ("train", "small"), {"network#depth": 3, "epochs": "1e2"})
    assert meant == {"network#depth": 3, "epochs": 100}
    for settings, said in (
        ({"netwrok#depth": 3}, r"stage 1: no config has a setting 'netwrok#depth' \(did you mean network\?\)"),
        ({"epochs": 0}, "stage 1: epochs 0: pass a whole number of at least 1"),
        ({"stop_epoch": 3}, "stage 1: stop_epoch ends a training that would then count as done; leave it out"),
    ):
        with pytest.raises(InputError, match=said):
            checked_settings("stage 1", bundle, ("train", "small"), settings)


@pytest.mark.parametrize("name", ["a#b", "a@epochs", "$a", "a%b"])
def test_a_path_is_taken_as_it_is(bundle, name):
    run_config(bundle, ["train"], {"folder": str(bundle / name)})
    assert json.loads((bundle / name / "values.json").read_text()) == [1000, 16, 5]


def test_a_config_that_is_not_there(bundle):
    for read in (config_checksums, known_settings):
        with pytest.raises(InputError) as error:
            read(bundle, ("smal",))
        assert str(error.value).startswith(f"{bundle}/configs/smal.yaml: no such config; correct its name")


def test_the_group_of_processes_that_finalize_would_leave_stays(bundle):
    run_config(bundle, ["train"], {})
    assert not (bundle / "output" / "finalized").exists()


@pytest.mark.parametrize("epochs", [1, 0])
def test_nothing_of_a_run_stays_in_memory(bundle, epochs):
    try:
        run_config(bundle, ["train"], {"epochs": epochs})
    except RuntimeError as error:
        assert str(find_input_error(error)) == "epochs is 0; pass a positive number"
        assert epochs == 0
    run_config(bundle, ["train"], {"folder": str(bundle / "next")})
    assert len(alive) == 0


def test_no_warning_for_every_one_of_many_runs(bundle, recwarn):
    run_config(bundle, ["train"], {})
    assert [str(one.message) for one in recwarn if "parsing config_file" in str(one.message)] == []


def test_persistent_loading_processes_end_by_themselves(bundle):
    """Else PyTorch waits five seconds and terminates them: their exit code is then that of the signal."""
    loader = {
        "_target_": "torch.utils.data.DataLoader",
        "dataset": "$range(2)",
        "batch_size": None,
        "num_workers": 1,
        "persistent_workers": True,
    }
    loaders.clear()
    run_config(
        bundle, ["train"], {"train": {"dataloader": loader}, "run": ["$here.run_loader(@train#dataloader)"], "held": 0}
    )
    assert [process.exitcode for process in loaders] == [0]
