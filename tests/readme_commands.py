"""The commands that pages and the heads of configs show."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

BLOCK = re.compile(r"```bash\n(.*?)```", re.DOTALL)
HEADER_COMMAND = re.compile(r"^#   (?=\S)((?:.*\\\n)*.*\n)", re.MULTILINE)
CONFIG = re.compile(r"configs/(\w+)\.yaml")
PROGRAMS = ("python ", "torchrun ")
# what a command or config names -> the package without which it cannot run; none of them comes with the project
OPTIONAL = {"trt": "torch_tensorrt", "tracking mlflow": "mlflow", "dicom_seg": "highdicom", ".onnx": "onnxruntime"}


def blocks(file: Path) -> list[str]:
    """The shell blocks of a page that run a bundle or a command of its code."""
    return [block for block in BLOCK.findall(file.read_text(encoding="utf-8")) if " -m " in block]


def header_commands(config: Path) -> list[str]:
    """The commands in a config's first comment, each in one line."""
    header = config.read_text(encoding="utf-8").split("\n\n", 1)[0] + "\n"
    return [re.sub(r"\\\n#\s*", "", command).strip() for command in HEADER_COMMAND.findall(header)]


def commands(block: str) -> list[str]:
    """The single commands of a shell block, loops around them left out, each in one line."""
    lines = re.sub(r"\\\n\s*", "", block).splitlines()
    return [line.strip() for line in lines if line.strip().startswith(PROGRAMS)]


def config_names(command: str) -> tuple[str, ...]:
    """The configs a command lays over one another."""
    return tuple(CONFIG.findall(command))


def documented_commands(root: Path) -> list[tuple[str, str]]:
    """File and command of every command in the page and in the heads of the configs."""
    page = [("docs/README.md", one) for block in blocks(root / "docs" / "README.md") for one in commands(block)]
    heads = [(f"configs/{file.name}", one) for file in config_files(root) for one in header_commands(file)]
    return page + heads


def documented_configs(root: Path) -> list[tuple[str, ...]]:
    """The combinations of the bundle's configs that its documented commands run."""
    own = {file.stem for file in config_files(root)}
    found = {config_names(command) for _, command in documented_commands(root) if "monai.bundle run" in command}
    return sorted(names for names in found if names and own.issuperset(names))


def config_files(root: Path) -> list[Path]:
    """The bundle's YAML configs."""
    return sorted((root / "configs").glob("*.yaml"))


def missing_package(words: str) -> str:
    """The package that a command or the names of configs need and that is not installed, else nothing."""
    needed = [package for word, package in OPTIONAL.items() if word in words and find_spec(package) is None]
    return needed[0] if needed else ""
