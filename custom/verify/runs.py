"""The page's commands, run as they stand on boxes with a tiny network."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

import fire
import monai.bundle
import yaml

from ..errors import InputError
from ..release.code_name import PROJECT
from .boxes import write_box_cohort
from .bundle_folder import BundleFolder
from .configs import reason
from .documented import PLACEHOLDER, blocks, commands, config_names, missing_package, with_overlays, with_paths
from .small_run import EXPORTED, boxes, class_names, small_values

SHIPPED = ("configs", "docs")


def check_runs(bundle: BundleFolder) -> None:
    """Every command of docs/README.md that boxes can stand in for runs without an error, one after the other.

    Left out, checked by their options only, are those that need other data (a challenge's folders), several processes
    or a shell's loop.
    """
    copy = copy_of(bundle)
    with within(copy):
        for command in runnable_commands(bundle):
            try:
                run_here(bundle, command)
            except (Exception, SystemExit) as error:
                raise InputError(f"docs/README.md: `{command[:100]}` fails: {reason(error)}; correct it") from error


def runnable_commands(bundle: BundleFolder) -> list[str]:
    """The commands of the page, with boxes for data and small overlays, that one process can run."""
    known, found = places(bundle), []
    for command in [one for block in blocks(bundle.root / "docs" / "README.md") for one in commands(block)]:
        names, filled = config_names(command), with_paths(command, known)
        if is_simple(command) and names and PLACEHOLDER not in filled and not missing_package(command):
            found.append(with_overlays(filled, {"": small_overlay(bundle, names)}))
    return found


def is_simple(command: str) -> bool:
    """Whether it is a program of this process and of no loop, and reads no exported network, which none wrote here."""
    return command.startswith("python ") and "$" not in command and EXPORTED not in command


def places(bundle: BundleFolder) -> dict[str, Path]:
    """What stands for /path/to/NAME."""
    folder = bundle.scratch / "runs"
    classes = class_names(bundle, "train")
    dataset = boxes(folder / "dataset", len(classes) + 1)
    known = {"dataset": dataset, "scans": dataset / "imagesTr", "labels": folder / "labels", "work": folder / "work"}
    if (bundle.root / "configs" / "pipeline.yaml").is_file():
        known["cohort.json"] = write_box_cohort(folder / "cohort", classes, bundle.parser("pipeline")["groups"])
    return known


def small_overlay(bundle: BundleFolder, names: tuple[str, ...]) -> Path:
    """A config that makes the named ones small."""
    file = bundle.scratch / f"small_{'_'.join(names)}.yaml"
    file.write_text(yaml.safe_dump(small_values(bundle, *names)), encoding="utf-8")
    return file


def copy_of(bundle: BundleFolder) -> Path:
    """The bundle as it is shipped, without weights, in the scratch folder: its commands write beside its configs."""
    copy = bundle.scratch / "copy" / bundle.name
    own = [] if bundle.package == PROJECT else [bundle.package]
    for part in (*SHIPPED, *own):
        shutil.copytree(bundle.root / part, copy / part, dirs_exist_ok=True)
    (copy / "models").mkdir(exist_ok=True)
    return copy


@contextmanager
def within(folder: Path) -> Iterator[None]:
    """A working directory, in which `python` is the one that runs this."""
    before, programs = Path.cwd(), os.environ.get("PATH", "")
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{programs}"
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)
        os.environ["PATH"] = programs


def run_here(bundle: BundleFolder, command: str) -> None:
    """Run `python -m MODULE COMMAND ...` in this process: importing takes seconds.

    Raises:
        SystemExit: the command was not understood, or ended as failed.
    """
    _, _, module, *arguments = shlex.split(command)
    component = monai.bundle if module == "monai.bundle" else import_module(f"{bundle.package}.__main__").COMMANDS
    try:
        fire.Fire(component, command=arguments, name=module)
    except SystemExit as end:
        if end.code:
            raise
