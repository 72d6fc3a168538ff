"""model_info.json, which lists releases: NAME_vVERSION -> checksum and address of its archive."""

from pathlib import Path
from typing import Any

from ..errors import InputError
from ..io.json_file import json_content

MODEL_INFO = "model_info.json"


def read_model_info(file: Path) -> dict[str, dict[str, Any]]:
    """The entries of a model_info.json. Raises InputError: the file cannot be read as such."""
    entries = json_content(file, " cannot be read as JSON ({}): correct it, or take another")
    if not isinstance(entries, dict) or not all(isinstance(entry, dict) for entry in entries.values()):
        raise InputError(f"{file} is no list of NAME_vVERSION with checksums: correct it, or take another")
    return entries
