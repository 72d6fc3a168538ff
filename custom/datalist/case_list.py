"""A data list kept in a file, so that a config that names it stays short whatever the number of cases."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..io.atomic_write import write_json


def write_case_list(file: str | Path, cases: Sequence[dict[str, Any]]) -> None:
    """Keep a list of case dictionaries, to be read by `read_case_list`."""
    write_json(file, list(cases))


def read_case_list(file: str | Path) -> list[dict[str, Any]]:
    """The case dictionaries of a list; a config that names the file stays short whatever their number."""
    cases: list[dict[str, Any]] = json.loads(Path(file).read_text(encoding="utf-8"))
    return cases
