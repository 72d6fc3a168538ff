"""The commands that pages and configs show, taken from them and run with small data and small networks."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import fire
import monai.bundle

from custom.__main__ import COMMANDS

BLOCK = re.compile(r"```bash\n(.*?)```", re.DOTALL)
HEADER_COMMAND = re.compile(r"^#   (?=\S)((?:.*\\\n)*.*\n)", re.MULTILINE)
SINGLE = re.compile(r"--config_file (configs/\w+\.yaml)")
SEVERAL = re.compile(r"--config_file \"\[(.*?)\]\"")


def blocks(file: Path) -> list[str]:
    """The shell blocks of a page that run a bundle or a command of the project."""
    return [block for block in BLOCK.findall(file.read_text()) if "-m monai.bundle" in block or "-m custom" in block]


def header_commands(config: Path) -> list[str]:
    """The commands in a config's first comment, each in one line."""
    header = config.read_text().split("\n\n", 1)[0] + "\n"
    return [re.sub(r"\\\n#\s*", "", command).strip() for command in HEADER_COMMAND.findall(header)]


def copy_of_bundle(project: Path, name: str, folder: Path) -> Path:
    """The bundle as it is shipped, without what was trained in it."""
    for part in ("configs", "docs"):
        shutil.copytree(project / "bundles" / name / part, folder / "bundles" / name / part)
    (folder / "bundles" / name / "models").mkdir()
    return folder / "bundles" / name


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
        quote = r"\"" if "custom measure" in block else '"'  # there the command is within quotes

        def several(match: re.Match[str]) -> str:
            names = re.findall(r"configs/(\w+)\.yaml", match.group(1))
            overlay = next(
                (self.overlays[name] for name in reversed(names) if name in self.overlays), self.overlays[""]
            )
            return f"--config_file {quote}[{match.group(1)},'{overlay}']{quote}"

        block = SEVERAL.sub(several, SINGLE.sub(r"""--config_file "['\1']" """.rstrip(), block))
        for name in sorted(self.paths, key=len, reverse=True):
            block = re.sub(rf"/path/to/{re.escape(name)}(?![\w.])", str(self.paths[name]), block)
        assert "/path/to" not in block
        return block


def run(block: str, places: Places, folder: Path) -> str:
    """Run a block as a user's shell would, stopping at the first error; returns what it said."""
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "CUDA_VISIBLE_DEVICES": "",
    }
    result = subprocess.run(
        ["bash", "-euc", places.adapted(block)],
        cwd=folder,
        env=environment,
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
        fire.Fire({"monai.bundle": monai.bundle, "custom": COMMANDS}[module], command=arguments, name=module)
    finally:
        os.chdir(before)
