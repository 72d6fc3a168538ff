"""docs/README.md: its sections, leftovers, and commands that exist."""

from __future__ import annotations

import inspect
import re
import shlex
from collections.abc import Callable
from importlib import import_module
from typing import Any

import monai.bundle

from ..errors import InputError
from .bundle_folder import BundleFolder
from .documented import BLOCK, blocks, commands, config_names, header_commands

SECTIONS = (
    *("Model Overview", "Data", "Training configuration", "Input", "Output", "Performance", "bundle commands"),
    *("References", "License"),
)
LEFTOVER = re.compile(r"TODO|FIXME|XXX|TBD|lorem ipsum|<[a-z_ ]+>|^[A-Z]{2,}$", re.MULTILINE)


def check_sections(bundle: BundleFolder) -> None:
    """The page has the sections of the model zoo, in its order, and nothing that waits to be filled in."""
    text = BLOCK.sub("", bundle.page)
    headings = [line[2:].strip() for line in text.splitlines() if line.startswith("# ")]
    present = [heading for heading in headings if heading in SECTIONS]
    if present != list(SECTIONS):
        raise InputError(
            f"docs/README.md has the sections {', '.join(present)}; it needs, in order, {', '.join(SECTIONS)}"
        )
    leftover = LEFTOVER.search(text)
    if leftover:
        raise InputError(f"docs/README.md: {leftover.group()!r} waits to be filled in; do that or remove it")


def check_commands(bundle: BundleFolder) -> None:
    """Every command of the page and of the configs' heads names programs, configs and options that exist."""
    page = bundle.root / "docs" / "README.md"
    shown = {command: "docs/README.md" for block in blocks(page) for command in commands(block)}
    for config in sorted((bundle.root / "configs").glob("*.yaml")):
        shown |= dict.fromkeys(header_commands(config), f"configs/{config.name}")
    for command, where in shown.items():
        try:
            check_command(bundle, command)
        except InputError as error:
            raise InputError(f"{where}: `{command[:100]}`: {error}") from error


def check_command(bundle: BundleFolder, command: str) -> None:
    """One command line, and the one within its quotes, if there is one.

    Raises:
        InputError: what of it does not exist.
    """
    words = shlex.split(command)
    if "-m" not in words[:-2]:
        raise InputError("no module is run; write python -m MODULE COMMAND")
    start = words.index("-m") + 1
    module, name, arguments = words[start], words[start + 1], words[start + 2 :]
    function = bundle_function(name) if module == "monai.bundle" else package_function(bundle, module, name)
    known = set(inspect.signature(function).parameters)
    if function is monai.bundle.run:
        known |= config_ids(bundle, config_names(command))
    for word in arguments:
        if " -m " in word:
            check_command(bundle, word)
        option = word.removeprefix("--").partition("=")[0]
        if word.startswith("--") and option not in known and option.split("#")[0] not in known:
            raise InputError(f"{word} is no option; one of {', '.join(sorted(known))[:200]}")


def bundle_function(name: str) -> Callable[..., Any]:
    """A command of MONAI's bundles."""
    function = getattr(monai.bundle, name, None)
    if not callable(function):
        raise InputError(f"monai.bundle has no command {name}")
    return function


def package_function(bundle: BundleFolder, module: str, name: str) -> Callable[..., Any]:
    """A command of the bundle's code."""
    if module != bundle.package:
        raise InputError(f"the bundle's code is called {bundle.package}, not {module}")
    offered = import_module(f"{module}.__main__").COMMANDS
    if name not in offered:
        raise InputError(f"{module} has no command {name}; it has {', '.join(sorted(offered))}")
    return offered[name]


def config_ids(bundle: BundleFolder, names: tuple[str, ...]) -> set[str]:
    """Top-level ids of configs laid over one another; of train.yaml where the command leaves them to the shell."""
    for name in names:
        if not (bundle.root / "configs" / f"{name}.yaml").is_file():
            raise InputError(f"there is no configs/{name}.yaml")
    return set(bundle.parser(*(names or ("train",))).get())
