"""What the command line gives as words: switches, and several values in one option."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from .errors import InputError


def is_on(value: bool | str | int) -> bool:
    """Whether a switch is on: true, yes, on, 1 (any case) or their opposites.

    >>> is_on("false"), is_on(True)
    (False, True)
    """
    word = str(value).strip().lower()
    if word in ("true", "yes", "on", "1"):
        return True
    if word in ("false", "no", "off", "0"):
        return False
    raise InputError(f"{value!r} is neither true nor false: pass one of these two")


def switches(**given: bool | str | int) -> SimpleNamespace:
    """The switches of a config by name, each True or False: on the command line, `--amp false` arrives as a word.

    Raises:
        InputError: names the switch that is neither.
    """
    found = SimpleNamespace()
    for name, value in given.items():
        try:
            setattr(found, name, is_on(value))
        except InputError:
            raise InputError(f"--{name} {value}: pass true or false") from None
    return found


def option_list(given: Any) -> list[str]:
    """The values of an option that takes several with "," between, however the command line has parsed it.

    >>> option_list("hippocampus, big.yaml,"), option_list(("one", 2024)), option_list(2024), option_list(None)
    (['hippocampus', 'big.yaml'], ['one', '2024'], ['2024'], [])
    """
    if given is None:
        return []
    values = given if isinstance(given, list | tuple) else [given]
    return [part.strip() for value in values for part in str(value).split(",") if part.strip()]
