"""Odd values that the gate lets through, followed until the objects of the run are built: never a traceback."""

from __future__ import annotations

import logging
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from monai.bundle import ConfigParser

from custom.__main__ import COMMANDS
from custom.errors import InputError, causes_of, one_line
from custom.io.run_lock import let_go
from custom.options.bundle_options import bundle_options
from custom.options.command_line import call, options_of
from custom.options.gate import literal
from custom.options.kinds import ANYTHING, TEXT, Option
from custom.phantoms.abdomen import dataset as abdomen
from custom.phantoms.spine import dataset as spine
from custom.plans import PLAN_FILE, read_plan, write_plan
from custom.workflows.bundle_run import InnerWorkflow
from custom.workflows.nnunet_models import network_of, to_nnunet

from ..odd_values import ODD_VALUES
from ..small_bundle import OVERLAYS, PLANS, partial_cohort, write_cohort_of_groups, write_dataset

# config -> what is built of it, after its `initialize`
RUNS = {
    "train": ("used_plan", "train#trainer"),
    "train+evaluate": ("validate#evaluator",),
    "inference": ("evaluator",),
    "pipeline": ("pipeline",),
    "study": ("study",),
}
SMALL = {"study": {"folds": [0], "num_folds": 2}, "train+evaluate": {"other_data": True}}  # of no training here
# of a path what matters is whether it exists, is a folder, can be made and how it is written
PATHS = (
    "0",
    "2024",
    "2026_01_15",
    "a b",
    "a#b",
    "@plan",
    "$x y",
    "~",
    "it's",
    "/dev/null",
    "nowhere/scan.nii.gz",
    "..",
)
TEXTS = ("", "0", "a b", "a#b", "@plan", "$HOME", "{a: 1}", "x" * 5000, "名前")
NOT_THERE = [("batseg_spine", "pipeline"), ("flare_pseudolabel", "study")]
LEFT_ALONE = ("bundle_root",)  # names the config that is run


@pytest.fixture(scope="module")
def toys(tmp_path_factory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("toys")
    data = write_dataset(folder / "data")
    scores = folder / "case_scores.csv"
    scores.write_text("method,seed,fold,case,class,dice\nplain,0,0,a,dark,0.5\nbetter,0,0,a,dark,0.6\n")
    cohort = partial_cohort(folder / "cohort", data)
    (folder / "model").mkdir()
    write_plan(folder / "model" / PLAN_FILE, PLANS["batseg_spine"])
    network = network_of(read_plan(folder / "model" / PLAN_FILE))
    torch.save(network.state_dict(), folder / "model" / "model.pt")
    to_nnunet(folder / "model", folder / "results")
    places = {"dataset_dir": data, "cohort": cohort, "folder": folder, "scores": scores}
    places |= {"model": folder / "model", "results": folder / "results"}
    return {name: str(place) for name, place in places.items()}


@pytest.fixture(autouse=True)
def quickly(monkeypatch, tmp_path) -> Iterator[None]:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)
    torch.use_deterministic_algorithms(False)
    let_go()


def accepted(option: Option) -> list[tuple[str, Any]]:
    """The odd values that pass the gate, each meaning once, as typed and as meant."""
    found: dict[str, tuple[str, Any]] = {}
    values = PATHS if "path" in option.kind.expected else TEXTS if option.kind is TEXT else ODD_VALUES
    for text in values:
        try:
            meant = option.checked(text)
        except InputError:
            continue
        found.setdefault(repr(meant), (text, meant))
    return list(found.values())


def some(values: list[tuple[str, Any]], name: str) -> list[tuple[str, Any]]:
    """As many as a test has time for, others for other options; ODD_VALUES_EACH=99 in the environment: all."""
    count = min(len(values), int(os.environ.get("ODD_VALUES_EACH", "1")))
    return random.Random(name).sample(values, count)


def small_run(root: Path, configs: str, toys: dict[str, str], work: Path) -> dict[str, Any]:
    """The options of a run of seconds."""
    models = work / "models"
    if not models.exists():
        models.mkdir()
        write_plan(work / "tiny.yaml", PLANS[root.name])
        write_plan(models / PLAN_FILE, PLANS[root.name])
        (models / "model.pt").touch()  # an evaluation begins with it
    options = {
        "bundle_root": str(root),
        "output_dir": str(work / "output"),
        "ckpt_dir": str(models),
        **OVERLAYS[root.name],
    }
    options = {**options, "dataset_dir": toys["dataset_dir"], "work_dir": str(work / "work"), "cohort": toys["cohort"]}
    options |= {"plan": str(work / "tiny.yaml"), "dry_run": True, "cache_rate": 0.0, **SMALL.get(configs, {})}
    if configs == "pipeline":
        groups = ConfigParser.load_config_file(root / "configs" / "pipeline.yaml")["groups"]
        options["cohort"] = str(write_cohort_of_groups(work / "groups.json", groups))
        options.pop("plan")
    known = ConfigParser.load_config_files([str(root / "configs" / f"{one}.yaml") for one in configs.split("+")])
    if "evaluate" in configs:
        options.pop("plan")
    return {name: value for name, value in options.items() if name in known}


def build(root: Path, configs: str, options: dict[str, Any]) -> ConfigParser:
    """Initialise a run and build its objects; nothing is run."""
    files = [str(root / "configs" / f"{name}.yaml") for name in configs.split("+")]
    workflow = InnerWorkflow(config_file=files, logging_file=False, workflow_type=None, **options)
    workflow.initialize()
    for name in RUNS[configs]:
        workflow.parser.get_parsed_content(name)
    return workflow.parser


def options_of_run(root: Path, configs: str) -> dict[str, Option]:
    """Of its last config: those of train.yaml are tried once."""
    known = bundle_options(root / "configs")[configs.rpartition("+")[2]]
    return {name: one for name, one in known.items() if name not in LEFT_ALONE and one.kind is not ANYTHING}


RUNS_OF_BUNDLES = [(bundle, one) for bundle in PLANS for one in RUNS if (bundle, one) not in NOT_THERE]


@pytest.mark.parametrize(("bundle", "configs"), RUNS_OF_BUNDLES)
def test_no_accepted_value_of_a_run_is_more_than_a_line(project, toys, tmp_path, bundle, configs):
    """Each option alone with some odd values: the run is built, or refused in one line."""
    root = project / "bundles" / bundle
    build(root, configs, small_run(root, configs, toys, tmp_path))
    faults = []
    for name, option in options_of_run(root, configs).items():
        for text, meant in some(accepted(option), name):
            options = {**small_run(root, configs, toys, tmp_path), name: literal(meant)}
            try:
                build(root, configs, options)
            except Exception as error:
                faults += fault(error, name, text)
            finally:
                let_go()
    assert not faults, "\n".join(faults)


def fault(error: Exception, name: str, text: str) -> list[str]:
    """What a user would see pages of, if anything."""
    last = causes_of(error)[-1]
    return [] if one_line(error) is not None else [f"--{name} {text[:40]!r}: {type(last).__name__}: {last}"]


VALID: dict[str, dict[str, Any]] = {
    "add_model": {
        "bundle": "bundle",
        "name": "one",
        "ckpt_dir": "folder",
        "origin": "a test",
        "data_license": "none",
        "scores": "{dice: 0.5}",
        "command": "true",
    },
    "abdomen_phantoms": {"folder": "new"},
    "cohort": {"source": "dataset_dir", "output": "cohort.json"},
    "compare": {"scores": "scores", "reference": "plain", "output": "tables"},
    "example_scan": {"output": "scan.nii.gz"},
    "export": {"bundle": "bundle", "output": "model.ts"},
    "from_nnunet": {"model_dir": "results", "output_dir": "taken"},
    "label": {"scans": "dataset_dir", "output": "labels", "model": "folder"},
    "measure": {"command": "true"},
    "options": {"bundle": "bundle"},
    "plan": {"dataset_dir": "dataset_dir", "output": "plan.yaml"},
    "prepare_knight": {"kits_dir": "dataset_dir", "knight_json": "cohort", "output_dir": "new"},
    "release": {"output": "dist", "source": "folder"},
    "report": {"folder": "folder"},
    "spine_phantoms": {"folder": "new"},
    "to_nnunet": {"ckpt_dir": "model", "output_dir": "given"},
    "trained_bundle": {"bundle": "bundle", "output": "own"},
}


@pytest.mark.parametrize("command", COMMANDS)
def test_no_accepted_value_of_a_command_is_more_than_a_line(command, project, toys, monkeypatch):
    """Each option alone with some odd values: the command does its work, or is refused in one line."""
    for module in (spine, abdomen):
        monkeypatch.setattr(module, "write_folder", lambda *_, **__: None)
    places = {**toys, "bundle": str(project / "bundles" / "batseg_spine")}
    given = {name: places.get(value, value) for name, value in VALID[command].items()}
    faults = []
    for name, option in options_of(COMMANDS[command]).items():
        if (command, name) == ("measure", "command"):
            continue  # a value is a program, which would be run, such as yes
        for text, _ in some(accepted(option), name):
            try:
                call(command, COMMANDS, {**given, name: text})
            except SystemExit:  # measure ends as its command did
                pass
            except Exception as error:
                faults += fault(error, name, text)
    assert not faults, "\n".join(faults)
