"""An environment with what a release says it needs, and nothing else; programs that run in it."""

from __future__ import annotations

import json
import os
import subprocess
import venv
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement

STATED_APART = {"monai_version": "monai", "numpy_version": "numpy", "pytorch_version": "torch"}
NOT_LINKED = ("..", "__pycache__")  # programs in bin/, and compiled files of single modules


def required_packages(metadata: Path) -> set[str]:
    """The packages that a bundle's metadata.json asks for; those it calls optional are not among them."""
    content = json.loads(metadata.read_text())
    return {name for key, name in STATED_APART.items() if key in content} | set(content["required_packages_version"])


def environment_of(packages: Iterable[str], folder: Path) -> Path:
    """The python of a new virtual environment that holds packages, as installed here, and what these require.

    Its site-packages are links to theirs, so nothing else can be imported: not this project, and no package that only
    its tests or extras need.
    """
    venv.create(folder, with_pip=False, symlinks=True)
    (target,) = folder.glob("lib/python*/site-packages")
    for package in with_requirements(packages):
        for name in {file.parts[0] for file in package.files or ()}.difference(NOT_LINKED):
            if not (target / name).exists():  # some share a folder
                (target / name).symlink_to(Path(str(package.locate_file(name))))
    return folder / "bin" / "python"


def with_requirements(packages: Iterable[str]) -> list[Distribution]:
    """The installed packages of these names and of all that these require, without extras."""
    found: dict[str, Distribution] = {}
    names = list(packages)
    while names:
        package = distribution(names.pop())
        if found.setdefault(package.name, package) is package:
            required = map(Requirement, package.requires or ())
            names += [one.name for one in required if one.marker is None or one.marker.evaluate({"extra": ""})]
    return list(found.values())


def begin(python: Path, command: Sequence[str], folder: Path) -> subprocess.Popen[str]:
    """Start a command, in which `python` is the environment's, in a folder."""
    settings = settings_of(python)
    pipe = subprocess.PIPE
    return subprocess.Popen(list(command), cwd=folder, env=settings, stdout=pipe, stderr=pipe, text=True)


def settings_of(python: Path) -> dict[str, str]:
    """Variables for programs: this python first, one thread, no GPU, nothing of the environment of these tests."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "VIRTUAL_ENV"))}
    settings: Mapping[str, str] = {
        "OMP_NUM_THREADS": "1",
        "CUDA_VISIBLE_DEVICES": "",
        "no_proxy": "127.0.0.1,localhost",
        "PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}",
    }
    return {**kept, **settings}


def end(process: subprocess.Popen[str]) -> str:
    """Wait for it; what it wrote."""
    output, errors = process.communicate(timeout=1500)
    assert process.returncode == 0, f"{process.args}\n{output[-2000:]}\n{errors[-4000:]}"
    return output


def together(python: Path, commands: Sequence[tuple[Sequence[str], Path]]) -> list[str]:
    """Run several at once, each in its folder; importing takes most of their time."""
    return [end(process) for process in [begin(python, command, folder) for command, folder in commands]]
