"""What was typed on a command line, before anything made numbers of it; and `python -m custom COMMAND`."""

from __future__ import annotations

import inspect
import re
import types
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

from .errors import InputError
from .options import (
    MAPPING,
    NAME_OR_NUMBER,
    NAMES,
    OPTIONAL_PATH,
    PATH,
    SWITCH,
    TEXT,
    Kind,
    Option,
    did_you_mean,
    number,
    or_nothing,
    several,
    whole,
)

FLAG = re.compile(r"--|-[a-zA-Z]")
SCALARS: Mapping[Any, Kind] = {bool: SWITCH, int: whole(), float: number(), str: TEXT}
Command = Callable[..., Any]


def split_arguments(arguments: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Option -> its text, and what stands alone, as fire splits a command line: --key value, --key=value, --switch.

    As there, --no-X or --noX alone is --X false.

    >>> split_arguments(["--data", "2026_01_15", "--resume", "--lr=1e-3", "cohort"])
    ({'data': '2026_01_15', 'resume': 'True', 'lr': '1e-3'}, ['cohort'])
    """
    named: dict[str, str] = {}
    alone: list[str] = []
    rest = list(arguments)
    while rest:
        argument = rest.pop(0)
        if not FLAG.match(argument):
            alone.append(argument)
            continue
        key, equals, text = argument.lstrip("-").partition("=")
        key = key.replace("-", "_")
        if not equals and rest and not FLAG.match(rest[0]):
            text = rest.pop(0)
        elif not equals:
            key, text = (key[2:].lstrip("_"), "False") if key.startswith("no") else (key, "True")
        named[key] = text
    return named, alone


def call(command: str, functions: Mapping[str, Command], named: Mapping[str, Any], alone: Sequence[Any] = ()) -> Any:
    """Call the function of a command with checked values, `alone` for its parameters in their order.

    Raises:
        InputError: there is no such command or option, one is missing, or a value is not of its kind.
    """
    if command not in functions:
        raise InputError(f"there is no command {command!r}{did_you_mean(command, functions)}: {', '.join(functions)}")
    options = options_of(functions[command])
    help_page = f"python -m custom {command} --help explains it"
    if len(alone) > len(options):
        raise InputError(f"{command}: {alone[len(options)]!r} belongs to no option; {help_page}")
    given = {**dict(zip(options, alone, strict=False)), **named}
    for name in given:
        if name not in options:
            raise InputError(f"{command} has no option --{name}{did_you_mean(name, options)}; {help_page}")
    parameters = inspect.signature(functions[command]).parameters
    missing = [f"--{name}" for name, one in parameters.items() if one.default is one.empty and name not in given]
    if missing:
        raise InputError(f"{command} needs {' and '.join(missing)}; {help_page}")
    return functions[command](**{name: options[name].checked(value) for name, value in given.items()})


def options_of(function: Command) -> dict[str, Option]:
    """The options of a command, from its function's annotations: `str | Path` is a path, `str` other text."""
    kinds = get_type_hints(function)
    return {
        name: Option(name, kind_of(kinds[name], one.default))
        for name, one in inspect.signature(function).parameters.items()
    }


def kind_of(annotation: Any, default: Any) -> Kind:
    """The kind of value that an annotation means."""
    if annotation in SCALARS:
        return SCALARS[annotation]
    if get_origin(annotation) is tuple:
        parts = get_args(annotation)
        return several(kind_of(parts[0], None), len(parts))
    if get_origin(annotation) not in (Union, types.UnionType):
        return MAPPING
    parts = [part for part in get_args(annotation) if part is not type(None)]
    if Path in parts:
        kind = OPTIONAL_PATH if default == "" else PATH
    elif float in parts and str in parts:
        kind = NAME_OR_NUMBER
    else:
        kind = NAMES if len(parts) > 1 else kind_of(parts[0], None)
    return or_nothing(kind) if type(None) in get_args(annotation) else kind
