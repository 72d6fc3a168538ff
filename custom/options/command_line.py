"""What was typed on a command line, before anything made numbers of it; and `python -m custom COMMAND`."""

import inspect
import re
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

from ..errors import InputError
from ..nearest_name import did_you_mean
from . import kinds
from .kinds import Kind, Option

FLAG = re.compile(r"--|-[a-zA-Z]")
SCALARS: Mapping[Any, Kind] = {bool: kinds.SWITCH, int: kinds.whole(), float: kinds.number(), str: kinds.TYPED}
Command = Callable[..., Any]


def split_arguments(arguments: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Option -> its text, and what stands alone, as fire splits a command line: --key value, --key=value, --switch.

    As there, --noX alone is --X false.

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
            key, text = (key[2:], "False") if key.startswith("no") else (key, "True")
        named[key] = text
    return named, alone


def call(command: str, functions: Mapping[str, Command], named: Mapping[str, Any], alone: Sequence[Any] = ()) -> Any:
    """Call the function of a command with checked values, `alone` for its parameters in their order.

    What is None is left to its default. Raises InputError: there is no such command or option, one is missing, or a
    value is not of its kind.
    """
    if command not in functions:
        raise InputError(f"there is no command {command!r}{did_you_mean(command, functions)}: {', '.join(functions)}")
    options = options_of(functions[command])
    help_page = f"python -m custom {command} --help explains it"
    if len(alone) > len(options):
        raise InputError(f"{command}: {alone[len(options)]!r} belongs to no option; {help_page}")
    in_order = dict(zip(options, alone, strict=False))
    by_name = {whole_name(key, options): one for key, one in named.items()}
    if twice := in_order.keys() & {key for key, one in by_name.items() if one is not None}:
        name = min(twice)
        raise InputError(f"{command}: --{name} {by_name[name]} is given as {in_order[name]!r} as well; {help_page}")
    given = {**in_order, **by_name}
    given = {name: value for name, value in given.items() if value is not None}
    for name in given:
        if name not in options:
            raise InputError(f"{command} has no option --{name}{did_you_mean(name, options)}; {help_page}")
    parameters = inspect.signature(functions[command]).parameters
    missing = [f"--{name}" for name, one in parameters.items() if one.default is one.empty and name not in given]
    if missing:
        raise InputError(f"{command} needs {' and '.join(missing)}; {help_page}")
    return functions[command](**{name: options[name].checked(value) for name, value in given.items()})


def whole_name(name: str, options: Iterable[str]) -> str:
    """The option that a single letter abbreviates, as fire's help offers it: the only one that begins with it.

    >>> whole_name("m", ["scan", "model"]), whole_name("s", ["scan", "seed"])
    ('model', 's')
    """
    fitting = [option for option in options if len(name) == 1 and option.startswith(name)]
    return fitting[0] if len(fitting) == 1 else name


def options_of(function: Command) -> dict[str, Option]:
    """The options of a command, from its function's annotations: `str | Path` is a path, `str` other text."""
    hints = get_type_hints(function)
    return {
        name: Option(name, kind_of(hints.get(name, str), one.default))
        for name, one in inspect.signature(function).parameters.items()
    }


def kind_of(annotation: Any, default: Any) -> Kind:
    """The kind of value that an annotation means."""
    if annotation in SCALARS:
        return SCALARS[annotation]
    if get_origin(annotation) is tuple:
        each = get_args(annotation)
        return kinds.several(kind_of(each[0], None), len(each))
    if get_origin(annotation) not in (Union, types.UnionType):
        return kinds.MAPPING
    parts = [part for part in get_args(annotation) if part is not type(None)]
    if Path in parts:
        return kinds.OPTIONAL_PATH if default == "" else kinds.PATH
    if len(parts) > 1:
        return kinds.NAME_OR_NUMBER if float in parts else kinds.NAMES
    kind = kind_of(parts[0], None)
    return kind if parts == [str] else kinds.or_nothing(kind)
