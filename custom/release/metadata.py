"""A bundle's configs/metadata.json."""

import re
from pathlib import Path
from typing import Any

from ..bundle_configs import config_file
from ..errors import InputError
from ..io.json_file import json_content

VERSION = re.compile(r"\d+\.\d+\.\d+(?:[a-z0-9.]*)")


def read_metadata(root: Path) -> dict[str, Any]:
    """The bundle's metadata. Raises InputError: `root` is no bundle's folder, or the file holds no JSON object."""
    file = config_file(root, "metadata.json")
    metadata = json_content(file, " is no JSON ({}): correct it")
    if not isinstance(metadata, dict):
        raise InputError(f"{file} holds no JSON object: correct it as in other bundles")
    return metadata


def released_metadata(root: Path) -> dict[str, Any]:
    """The bundle's metadata, of a version that can be released.

    Raises InputError: as `read_metadata`, or they have no version that the changelog explains.
    """
    file, metadata = config_file(root, "metadata.json"), read_metadata(root)
    version = metadata.get("version")
    if not VERSION.fullmatch(str(version)):
        raise InputError(f"{file}: version is {version!r}: write it as 0.1.0")
    if version not in (metadata.get("changelog") or {}):
        raise InputError(f"{file}: the changelog has no entry {version}: write what this version brings")
    return metadata
