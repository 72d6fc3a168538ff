"""The commands that pages and configs show, taken from them and run with small data and small networks."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import fire
import monai.bundle

from custom.__main__ import COMMANDS
from custom.options.command_line import call, split_arguments

from ..readme_commands import config_names

PLACEHOLDER = "/path/to/"
SINGLE = re.compile(r"--config_file (configs/\w+\.yaml)")
SEVERAL = re.compile(r"--config_file \"\[(.*?)\]\"")
PYTHON_BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)


def python_blocks(file: Path) -> list[str]:
    """The Python that a page shows."""
    return PYTHON_BLOCK.findall(file.read_text(encoding="utf-8"))


def copy_of_bundle(project: Path, name: str, folder: Path) -> Path:
    """The bundle as it is shipped, without what was trained in it."""
    for part in ("configs", "docs"):
        shutil.copytree(project / "bundles" / name / part, folder / "bundles" / name / part)
    (folder / "bundles" / name / "models").mkdir()
    return folder / "bundles" / name


def with_overlays(block: str, overlays: Mapping[str, Path]) -> str:
    """The block with an overlay at the end of every list of configs.

    Args:
        block: shell commands.
        overlays: config -> the overlay for lists of which it is the last one here; "": for other lists.
    """
    quote = r"\"" if " measure " in block else '"'  # whose command stands within quotes

    def several(match: re.Match[str]) -> str:
        names = config_names(match.group(1))
        overlay = next((overlays[name] for name in reversed(names) if name in overlays), overlays[""])
        return f"--config_file {quote}[{match.group(1)},'{overlay}']{quote}"

    return SEVERAL.sub(several, SINGLE.sub(r"""--config_file "['\1']" """.rstrip(), block))


def with_paths(block: str, paths: Mapping[str, Path]) -> str:
    """The block with what follows /path/to/ replaced, as far as it is known."""
    for name in sorted(paths, key=len, reverse=True):
        block = re.sub(rf"{PLACEHOLDER}{re.escape(name)}(?![\w.])", str(paths[name]), block)
    return block


class Places:
    """What stands for the placeholders of the commands.

    Args:
        paths: what follows /path/to/ -> the path.
        overlays: config -> the small overlay to end a list with of which it is the last one here; "": of other lists.
    """

    def __init__(self, paths: Mapping[str, Path], overlays: Mapping[str, Path]) -> None:
        self.paths = dict(paths)
        self.overlays = dict(overlays)

    def adapted(self, block: str) -> str:
        """The block with its placeholders filled and the small overlay at the end of every list of configs."""
        block = with_paths(with_overlays(block, self.overlays), self.paths)
        assert PLACEHOLDER not in block
        return block


def run(block: str, places: Places, folder: Path) -> str:
    """Run a block as a user's shell would, stopping at the first error; returns what it said."""
    result = subprocess.run(
        ["bash", "-euc", places.adapted(block)],
        cwd=folder,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        timeout=550,
        check=False,
    )
    assert result.returncode == 0, f"{block}\n{result.stdout[-1500:]}\n{result.stderr[-3000:]}"
    return result.stdout + result.stderr


def run_here(command: str, places: Places, folder: Path) -> None:
    """Run one `python -m monai.bundle` or `python -m custom` command in this process: importing takes seconds."""
    python, option, module, *arguments = shlex.split(places.adapted(command))
    assert (python, option) == ("python", "-m")
    before = Path.cwd()
    os.chdir(folder)
    try:
        if module == "custom":
            call(arguments[0], COMMANDS, *split_arguments(arguments[1:]))
        else:
            fire.Fire(monai.bundle, command=arguments, name=module)
    finally:
        os.chdir(before)
