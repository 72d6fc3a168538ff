"""Odd values that the gate lets through, followed until the objects of the run are built: never a traceback."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from copy import deepcopy
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from monai.bundle import ConfigParser

from custom.__main__ import COMMANDS
from custom.errors import InputError, one_line
from custom.io.run_lock import let_go
from custom.options.bundle_options import bundle_options
from custom.options.command_line import call, options_of
from custom.options.gate import literal
from custom.options.kinds import ANYTHING, PATH, TEXT, Option
from custom.plans import PLAN_FILE, write_plan
from custom.workflows.bundle_run import InnerWorkflow

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
SMALL = {"study": {"folds": [0], "num_folds": 2}}
# of a path what matters is whether it exists, is a folder, can be made and how it is written
PATHS = ("0", "2024", "2026_01_15", "a b", "a#b", "@plan", "$x y", "~", "it's", "/dev/null", "/nowhere/scan.nii.gz", "..")
TEXTS = ("", "0", "a b", "a#b", "@plan", "$HOME", "{a: 1}", "x" * 5000, "名前")
LEFT_ALONE = ("bundle_root",)  # names the config that is run


@pytest.fixture(scope="module")
def toys(tmp_path_factory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("toys")
    data = write_dataset(folder / "data")
    return {"dataset_dir": str(data), "cohort": str(partial_cohort(folder / "cohort", data)), "folder": str(folder)}


@pytest.fixture(autouse=True)
def quickly(monkeypatch, tmp_path) -> Iterator[None]:
    read = lru_cache(ConfigParser.load_config_file)
    monkeypatch.setattr(ConfigParser, "load_config_file", lambda filepath, **_: deepcopy(read(str(filepath))))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)
    torch.use_deterministic_algorithms(False)
    let_go()


def accepted(option: Option) -> Iterator[tuple[str, Any]]:
    """The odd values that pass the gate, each meaning once, as typed and as meant."""
    seen = set()
    values = {PATH: PATHS, TEXT: TEXTS}.get(option.kind, ODD_VALUES)
    for text in PATHS if "path" in option.kind.expected else values:
        try:
            meant = option.checked(text)
        except InputError:
            continue
        if repr(meant) not in seen:
            seen.add(repr(meant))
            yield text, meant


def small_run(root: Path, configs: str, toys: dict[str, str], work: Path) -> dict[str, Any]:
    """The options of a run of seconds."""
    models = work / "models"
    if not models.exists():
        models.mkdir()
        write_plan(work / "tiny.yaml", PLANS[root.name])
        write_plan(models / PLAN_FILE, PLANS[root.name])
    options = {"bundle_root": str(root), "output_dir": str(work / "output"), "ckpt_dir": str(models), **OVERLAYS[root.name]}
    options = {**options, "dataset_dir": toys["dataset_dir"], "work_dir": str(work / "work"), "cohort": toys["cohort"]}
    options |= {"plan": str(work / "tiny.yaml"), "dry_run": True, **SMALL.get(configs, {})}
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


def every_run(project: Path) -> list[tuple[Path, str]]:
    roots = [project / "bundles" / name for name in PLANS]
    return [(root, one) for root in roots for one in RUNS if (root / "configs" / f"{one.split('+')[0]}.yaml").exists()]


def follow(project: Path, toys: dict[str, str], work: Path, report: Callable[[str], None]) -> None:
    for root, configs in every_run(project):
        for name, option in options_of_run(root, configs).items():
            if name in LEFT_ALONE or option.kind is ANYTHING:
                continue
            for text, meant in accepted(option):
                options = {**small_run(root, configs, toys, work), name: literal(meant)}
                try:
                    build(root, configs, options)
                except Exception as error:
                    if one_line(error) is None:
                        report(f"{root.name} {configs} --{name} {text[:40]!r}: {type(error).__name__} {causes(error)}")
                finally:
                    let_go()


def causes(error):
    from custom.errors import causes_of
    return " <- ".join(f"{type(e).__name__}: {' '.join(str(e).split())[:120]}" for e in causes_of(error)[-2:])


def options_of_run(root: Path, configs: str) -> dict[str, Option]:
    files = bundle_options(root / "configs")
    known: dict[str, Option] = {}
    for name in configs.split("+"):
        known.update(files[name])
    return known
