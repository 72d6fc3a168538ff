"""The gate of a bundle run: every value that a user gave passes its option's description, before anything is done."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from inspect import signature
from pathlib import Path
from types import FrameType
from typing import Any

from monai.bundle import BundleWorkflow, ConfigComponent, ConfigParser, run
from monai.bundle.properties import InferProperties, MetaProperties, TrainProperties
from monai.bundle.utils import DEFAULT_MLFLOW_SETTINGS, ID_SEP_KEY

from .bundle_options import options_by_name
from .command_line import split_arguments
from .errors import InputError, causes_of
from .options import Option, did_you_mean, shown

REFERENCE = re.compile(r"@(\w+)")
# ids that MONAI and MONAI Label read, and arguments of MONAI's command
THEIRS = {
    *("imports", "initialize", "run", "finalize", "training", "displayable_configs", "save_execute_config", "_meta_"),
    *(re.split("::|#", one["id"])[0] for one in {**TrainProperties, **InferProperties, **MetaProperties}.values()),
    *DEFAULT_MLFLOW_SETTINGS["configs"],
}


def check_options() -> None:
    """Check what the user gave in the config that is being run, and put in the value that is meant.

    Paths are expanded, words become numbers and switches, tuples lists. A value that MONAI or fire changed on its way
    (2026_01_15, 007, None, `#` and what follows it) is taken as it was typed.

    Raises:
        InputError: an option is unknown, or a value is not of its kind; names it, the value and what to pass.
    """
    workflow = running_workflow()
    parser: ConfigParser = workflow.parser
    options = options_by_name(Path(workflow.config_root_path))
    typed = getattr(workflow, "command_line", None)  # `run_config` says that there is none
    typed = typed_options() if typed is None else typed
    refuse_unknown(parser, typed)
    for name, option in options.items():
        if name in typed:
            parser[name] = literal(option.checked(evaluated(parser, option, typed[name])))
        elif name in parser.config and not is_reference(parser, name):
            parser[name] = literal(option.checked(as_written(option, parser[name]), "in the configs, "))
    parser.parse(reset=True)


def running_workflow() -> Any:
    """The workflow that evaluates the expression which called us: MONAI hands it to none."""
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        if isinstance(workflow := frame.f_locals.get("self"), BundleWorkflow):
            return workflow
        frame = frame.f_back
    raise RuntimeError("the gate is part of a MONAI bundle's `initialize`")


def typed_options() -> dict[str, str]:
    """Option -> its text, where this process is `python -m monai.bundle run`, apart from MONAI's own arguments."""
    program, *arguments = sys.argv
    if Path(program).parts[-3:] != ("monai", "bundle", "__main__.py"):
        return {}
    own = signature(run).parameters
    return {name: text for name, text in split_arguments(arguments)[0].items() if name not in own}


def refuse_unknown(parser: ConfigParser, typed: Mapping[str, str]) -> None:
    """Refuse an id that nothing in the config refers to and MONAI does not read: it would change nothing, silently."""
    used = THEIRS | set(REFERENCE.findall(str(parser.config)))
    for name in [*parser.config, *(one for one in typed if "#" not in one and ID_SEP_KEY not in one)]:
        if name not in used:
            dashes = "--" if name in typed else ""
            raise InputError(f"{dashes}{name}: no config has such an option{did_you_mean(name, used - THEIRS)}")


def evaluated(parser: ConfigParser, option: Option, text: str) -> Any:
    """What was typed, or what an expression among it gives."""
    if not text.startswith("$"):
        return text
    try:
        return parser.get_parsed_content(option.name)
    except Exception as error:  # whatever an expression raises; of $HOME a NameError
        raise InputError(
            f"--{option.name} {shown(text)}: $ begins an expression of MONAI's, and this is none ({reason_of(error)}); "
            f"for a name that begins so write {shown('./' + text)}"
        ) from error


def is_reference(parser: ConfigParser, name: str) -> bool:
    """Whether a config leaves a value to an expression, another id or a component."""
    value = parser[name]
    if isinstance(value, str):
        return value.startswith("$") or (value.startswith("@") and value[1:] in parser)
    return bool(ConfigComponent.is_instantiable(value))


def as_written(option: Option, value: Any) -> Any:
    """A value of a config file. Raises InputError: MONAI takes it for an id, or has made :: of # in it."""
    if isinstance(value, str) and (ID_SEP_KEY in value or REFERENCE.fullmatch(value)):
        raise InputError(
            f"{option.name} {shown(value)}: in a config @, # and :: make ids, and there is none like this; pass "
            f"--{option.name} on the command line, or rename what it names"
        )
    return value


def literal(value: Any) -> Any:
    """A value as a config holds it, in which MONAI finds no id, reference or expression; text only where it would.

    >>> literal("/data/a#b"), literal("/data/a")
    ("$'/data/a\\\\x23b'", '/data/a')
    """
    if not isinstance(value, str) or not (value[:1] in ("$", "@", "%") or "#" in value):
        return value
    return "$" + re.sub("[#@]", lambda found: f"\\x{ord(found[0]):02x}", repr(value))


def reason_of(error: BaseException) -> str:
    """The innermost cause in a few words: MONAI wraps it several times."""
    return " ".join(str(causes_of(error)[-1]).split())[:100]
