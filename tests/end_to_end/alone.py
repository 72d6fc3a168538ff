"""An environment with everything the bundles need but this project, and programs that run in it."""

from __future__ import annotations

import os
import site
import subprocess
import venv
from collections.abc import Mapping, Sequence
from pathlib import Path


def environment_without_project(folder: Path) -> Path:
    """The python of a new virtual environment that finds the installed packages, without this project.

    A `.pth` file names the folder the packages lie in. The `.pth` files of that folder itself are not read then, and an
    editable installation of the project is one of them.
    """
    venv.create(folder, with_pip=False, symlinks=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    (packages / "installed.pth").write_text("\n".join(site.getsitepackages()))
    return folder / "bin" / "python"


def begin(python: Path, arguments: Sequence[str], folder: Path, **variables: str) -> subprocess.Popen[str]:
    """Start the environment's python in a folder, on one thread and without a GPU."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    settings: Mapping[str, str] = {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "no_proxy": "127.0.0.1"}
    return subprocess.Popen(
        [str(python), *arguments],
        cwd=folder,
        env={**kept, **settings, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def end(process: subprocess.Popen[str]) -> str:
    """Wait for it; what it wrote."""
    output, errors = process.communicate(timeout=300)
    assert process.returncode == 0, f"{process.args}\n{output[-2000:]}\n{errors[-4000:]}"
    return output


def together(python: Path, commands: Sequence[tuple[Sequence[str], Path]]) -> list[str]:
    """Run several at once, each in its folder; importing takes most of their time."""
    return [end(process) for process in [begin(python, arguments, folder) for arguments, folder in commands]]
