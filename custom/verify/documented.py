"""The commands that a bundle's page and the heads of its configs show."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

BLOCK = re.compile(r"```bash\n(.*?)```", re.DOTALL)
HEADER_COMMAND = re.compile(r"^#   (?=\S)((?:.*\\\n)*.*\n)", re.MULTILINE)
SINGLE = re.compile(r"--config_file (configs/\w+\.yaml)")
SEVERAL = re.compile(r"--config_file \"\[(.*?)\]\"")
CONFIG = re.compile(r"configs/(\w+)\.yaml")
PLACEHOLDER = "/path/to/"
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


def missing_package(words: str) -> str:
    """The package that a command or the names of configs need and that is not installed, else nothing."""
    needed = [package for word, package in OPTIONAL.items() if word in words and find_spec(package) is None]
    return needed[0] if needed else ""
