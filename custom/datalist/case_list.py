"""A data list kept in a file, so that a config that names it stays short whatever the number of cases."""

from pathlib import Path
from typing import Any

from ..errors import InputError
from ..io.json_file import json_content


def read_case_list(file: str | Path) -> list[dict[str, Any]]:
    """The case dictionaries of a list; a config that names the file stays short whatever their number.

    Raises InputError: the file is damaged.
    """
    cases = json_content(file, ": cannot be read as a list of cases ({}); remove it, and run again")
    if not isinstance(cases, list) or not all(isinstance(case, dict) and "image" in case for case in cases):
        raise InputError(f"{file}: is no list of cases; remove it, and run again")
    return cases
