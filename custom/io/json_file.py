"""JSON files read; what is damaged is refused in a line."""

import json
from pathlib import Path
from typing import Any

from ..errors import InputError


def json_content(file: str | Path, fault: str) -> Any:
    """The content of a JSON file, with or without a byte order mark.

    Raises InputError: it cannot be read; `fault` follows the file's name, with the reason in place of {}.
    """
    try:
        return json.loads(Path(file).read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise InputError(f"{file}{fault.format(error)}") from error


def read_json(file: Path, absent: Any) -> Any:
    """The content of a JSON file of a work folder, `absent` where there is none.

    Raises InputError: the file is damaged, or no object or list where `absent` is one.
    """
    try:
        content = json_content(file, ": cannot be read as JSON ({}); restore or remove it")
    except InputError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            return absent
        raise
    if absent is not None and not isinstance(content, type(absent)):
        raise InputError(f"{file}: holds a {type(content).__name__}, no {type(absent).__name__}; restore or remove it")
    return content
