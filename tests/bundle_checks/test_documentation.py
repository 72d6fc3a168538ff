"""docs/README.md: its sections, and commands that exist."""

import inspect
import re
import shlex
from itertools import pairwise

import monai.bundle
import pytest

from ..readme_commands import BLOCK, config_names, documented_commands

SECTIONS = [
    *("Model Overview", "Data", "Training configuration", "Input", "Output", "Performance", "bundle commands"),
    *("References", "License"),
]
LEFTOVER = re.compile(r"TODO|FIXME|XXX|TBD|lorem ipsum|<[a-z_ ]+>|^[A-Z]{2,}$", re.MULTILINE)


@pytest.fixture
def text(root) -> str:
    """The page without its commands."""
    return BLOCK.sub("", (root / "docs" / "README.md").read_text(encoding="utf-8"))


def test_sections_are_the_model_zoos_in_its_order(text):
    headings = [line[2:].strip() for line in text.splitlines() if line.startswith("# ")]
    assert [heading for heading in headings if heading in SECTIONS] == SECTIONS


def test_nothing_waits_to_be_filled_in(text):
    assert LEFTOVER.findall(text) == []


def test_commands_name_programs_configs_plans_and_options_that_exist(bundle):
    shown = documented_commands(bundle.root)
    assert [f"{where}: `{command}`: {fault}" for where, command in shown for fault in faults(bundle, command)] == []


def faults(bundle, command: str) -> list[str]:
    """What a command line, or the one within its quotes, names that does not exist."""
    words = shlex.split(command)
    if "-m" not in words[:-2]:
        return ["no module is run"]
    start = words.index("-m") + 1
    module, name, arguments = words[start], words[start + 1], words[start + 2 :]
    offered = {"monai.bundle": vars(monai.bundle), bundle.package: bundle.module("__main__").COMMANDS}
    if name not in offered.get(module, {}):
        return [f"there is no command {module} {name}"]
    configs = config_names(command)
    missing = [one for one in configs if not (bundle.root / "configs" / f"{one}.yaml").is_file()]
    if missing:
        return [f"there is no configs/{missing[0]}.yaml"]
    parameters = inspect.signature(offered[module][name]).parameters
    known = set(parameters)
    if any(one.kind is one.VAR_KEYWORD for one in parameters.values()):  # values of configs
        known |= set(bundle.parser(*(configs or ("train",))).get())  # a shell's loop may name the configs
    found = [fault for word in arguments if " -m " in word for fault in faults(bundle, word)]
    options = [word[2:].partition("=")[0] for word in arguments if word.startswith("--")]
    found += [f"--{option} is no option" for option in options if not {option, option.split("#")[0]} & known]
    plans = [plan for option, plan in pairwise(arguments) if option == "--plan"]
    own = {file.stem for file in (bundle.root / "configs" / "plans").glob("*.yaml")}
    return found + [f"there is no plan {plan}" for plan in plans if plan.isidentifier() and plan not in own]
