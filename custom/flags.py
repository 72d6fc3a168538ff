"""True or false from the command line, where `--amp false` arrives as a word."""

from __future__ import annotations

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
