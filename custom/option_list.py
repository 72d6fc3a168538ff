"""Several values in one option of the command line."""

from __future__ import annotations

from typing import Any


def option_list(given: Any) -> list[str]:
    """The values of an option that takes several with "," between, however the command line has parsed it.

    >>> option_list("hippocampus, big.yaml,"), option_list(("one", 2024)), option_list(2024), option_list(None)
    (['hippocampus', 'big.yaml'], ['one', '2024'], ['2024'], [])
    """
    if given is None:
        return []
    values = given if isinstance(given, list | tuple) else [given]
    return [part.strip() for value in values for part in str(value).split(",") if part.strip()]
