"""What a user may give for an option: kinds of values, each read from text as typed or from YAML, and said in words."""

import ast
import json
import math
import os
import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from ..errors import InputError

MOST = 10**9  # of any whole number: what is larger was mistyped
LONGEST = 80  # characters of a value in a message
NOTHING = (None, "", "null", "none", "None", "~")
CONTROL = re.compile(r"[\x00-\x1f\x7f]")
GROUPED = re.compile(r"[+-]?\d{1,3}(_\d{3})+")
FOLDER_NAME = re.compile(r"[\w.-]*")
FILE_NAME = re.compile(r"[A-Za-z0-9][\w.-]*")  # on every system


@dataclass(frozen=True)
class Kind:
    """Values of one kind: `expected` completes "pass ...", `read` makes such a value or raises ValueError.

    `read` takes text as it was typed, or what YAML or Python made of it.
    """

    expected: str
    read: Callable[[Any], Any]


@dataclass(frozen=True)
class Option:
    """One thing a user may set: its name, kind, default as written, and meaning."""

    name: str
    kind: Kind
    default: str = ""
    meaning: str = ""

    def checked(self, value: Any, where: str = "--") -> Any:
        """The value that is meant. Raises InputError: there is none; `where` precedes the name in the message."""
        try:
            return self.kind.read(value)
        except (TypeError, ValueError, OverflowError) as error:
            reason = f"{error}; " if isinstance(error, ReasonError) else ""
            raise InputError(f"{where}{self.name} {shown(value)}: {reason}pass {self.kind.expected}") from error


class ReasonError(ValueError):
    """Why a value is not of its kind, where that is worth a word."""


def shown(value: Any) -> str:
    """A value for a message, as a shell takes it where it was typed."""
    text = CONTROL.sub(lambda found: repr(found[0])[1:-1], value if isinstance(value, str) else repr(value))
    return shlex.quote(text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}...")


def as_typed(value: Any) -> str:
    """A value as it is typed in a shell.

    >>> as_typed([1.5, 2]), as_typed("it's"), as_typed(True)
    ('"[1.5,2]"', '"it\'s"', 'true')
    """
    text = value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
    return shlex.quote(text)


def whole(least: int = 0, most: int = MOST) -> Kind:
    """Whole numbers; 100.0 and "1e2" are some."""

    def read(value: Any) -> int:
        found = _number(value)
        if found != int(found) or not least <= found <= most:
            raise ValueError
        return int(found)

    return Kind(f"a whole number {_range(least, most)}", read)


def number(least: float = -math.inf, most: float = math.inf, above: bool = False) -> Kind:
    """Finite numbers; `above`: more than `least`. YAML takes 1e-3 for a word, here it is one."""

    def read(value: Any) -> float:
        found = float(_number(value))
        if not least <= found <= most or (above and found == least):
            raise ValueError
        return found

    return Kind(f"a number {f'above {least:g}' if above else _range(least, most)}".strip(), read)


def choice(*words: str) -> Kind:
    """One of some words."""

    def read(value: Any) -> str:
        return words[words.index(_text(value))]

    return Kind(f"{', '.join(words[:-1])} or {words[-1]}", read)


def either(kind: Kind, *words: str) -> Kind:
    """Values of a kind, or one of some words."""
    return Kind(
        f"{kind.expected}, or {' or '.join(words)}", lambda value: value if value in words else kind.read(value)
    )


def or_nothing(kind: Kind, nothing: Any = None) -> Kind:
    """Values of a kind, or null; `nothing` is what null becomes."""
    word = '""' if nothing == "" else "null"
    return Kind(f"{kind.expected}, or {word}", lambda value: nothing if value in NOTHING else kind.read(value))


def several(kind: Kind, count: int = 0, example: str = "") -> Kind:
    """A list of values of a kind, of some length or any: [1, 2], (1, 2) or 1,2."""

    def read(value: Any) -> list[Any]:
        found = structure(value)
        found = found.split(",") if isinstance(found, str) and "," in found else found
        if not isinstance(found, list | tuple) or (count and len(found) != count):
            raise ValueError
        return [kind.read(one) for one in found]

    each = kind.expected if kind.expected.startswith(("a list", "one of")) else kind.expected.removeprefix("a ")
    like = f', such as "{example}"' if example else ""
    return Kind(f"a list of {count or 'any number'} of: {each}{like}", read)


def structure(value: Any) -> Any:
    """What text means as a list, mapping or scalar, in Python's or YAML's way; other values as they are."""
    if not isinstance(value, str):
        return value
    try:
        return ast.literal_eval(value.strip())
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        pass
    try:
        return yaml.safe_load(value)
    except (yaml.YAMLError, ValueError, RecursionError):
        raise ValueError from None


def expanded(path: str) -> str:
    """A path with ~ and ~user replaced by their folders: the one place where that is done."""
    return os.path.expanduser(path)  # noqa: PTH111  pathlib raises where there is no such user


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError
    if isinstance(value, str) and "_" in value and not GROUPED.fullmatch(value.strip()):  # 2026_01_15 is a date
        raise ValueError
    found = int(value) if isinstance(value, int) else float(value)
    if not math.isfinite(found):
        raise ValueError
    return found


def _range(least: float, most: float) -> str:
    if math.isinf(least) and math.isinf(most):
        return ""
    return f"of at least {least:.10g}" if most in (MOST, math.inf) else f"from {least:.10g} to {most:.10g}"


def _text(value: Any) -> str:
    """Text as it is, or without the quotes that make text of a number."""
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    text = _typed(value).strip()
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"" and text.count(text[0]) == 2:
        return text[1:-1]
    return value


def _typed(value: Any) -> str:
    if not isinstance(value, str):
        raise ReasonError(f"was read as {type(value).__name__}, not as text; write it in quotes")
    return value


def _one_line(value: Any) -> str:
    text = _text(value)
    if CONTROL.search(text):
        raise ReasonError("it holds a control character")
    text.encode()  # a lone surrogate, of a file name that is no UTF-8, cannot be written to any of our files
    return text


def _path(value: Any) -> str:
    text = _one_line(value)
    if not text.strip():
        raise ReasonError("it is empty")
    if text in ("null", "None"):
        raise ReasonError(f"it is no path (for a folder of that name: ./{text})")
    if text.startswith("~") and not expanded(text).startswith("/"):
        raise ReasonError(f"there is no such user (for a folder of that name: ./{text})")
    return expanded(text)


def _folder_name(value: Any) -> str:
    text = _text(value)
    if not FOLDER_NAME.fullmatch(text) or text in (".", ".."):
        raise ValueError
    return text


def _switch(value: Any) -> bool:
    word = str(value).strip().lower()
    if word in ("true", "yes", "on", "1"):
        return True
    if word in ("false", "no", "off", "0"):
        return False
    raise ValueError


def _mapping(value: Any) -> dict[str, Any]:
    found = structure(value)
    if not isinstance(found, Mapping) or not all(isinstance(key, str) for key in found):
        raise ValueError
    return _plain(found)


def _mappings(value: Any) -> list[dict[str, Any]]:
    found = structure(value)
    if not isinstance(found, list | tuple) or not found:
        raise ValueError
    return [_mapping(one) for one in found]


def _names(value: Any) -> list[str]:
    if value is None:
        return []
    if isinstance(value, str):
        text = value.strip()
        value = re.split("[;,]", text[1:-1] if text[:1] + text[-1:] in ("[]", "()") else text)
    if not isinstance(value, list | tuple):
        raise ValueError
    return [name for one in value if (name := _one_line(one.strip() if isinstance(one, str) else one))]


def _name_or_number(value: Any) -> str:
    return str(_number(value)) if isinstance(value, int | float) else _one_line(value)


def _names_or_numbers(value: Any) -> list[str]:
    if isinstance(value, list | tuple):
        return [_name_or_number(one) for one in value]
    return _names(_name_or_number(value))


def _plain(value: Any) -> Any:
    """Lists for tuples throughout, so that equal settings are equal however they were written."""
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list | tuple) else value


SWITCH = Kind("true or false", _switch)
TEXT = Kind("text in one line", _one_line)
TYPED = Kind("text", _typed)
PATH = Kind("a path", _path)
OPTIONAL_PATH = or_nothing(PATH, "")
FOLDER_NAME_PART = Kind("letters, digits, _, - and . only", _folder_name)
SHARE = number(0, 1)
POSITIVE = number(0, above=True)
NAMES = Kind("names with , between", _names)  # or ;
NAME_OR_NUMBER = Kind("a name or a number", _name_or_number)
NAMES_OR_NUMBERS = Kind("all, or names or numbers with , between", _names_or_numbers)
MAPPING = Kind('a mapping, such as "{key: value}"', _mapping)
MAPPINGS = Kind("a list of mappings", _mappings)
ANYTHING = Kind("a value", _plain)
