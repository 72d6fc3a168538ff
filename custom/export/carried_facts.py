"""What a file says of the network in it, and whether a config asks for that network."""

from __future__ import annotations

import json
import logging
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..fingerprint.foreground_intensity import read_intensity
from .formats import ONNX, readable_format
from .onnx_session import onnx_session

logger = logging.getLogger(__name__)

CARRIED = "export.json"
FACTS = "export"  # the entry of that file
INTENSITY = "intensity"
MULTIPLES = "sizes_are_multiples_of"


def carried_facts(file: Path) -> dict[str, Any]:
    """The facts that `export` wrote into a file; none in one by MONAI's commands.

    Raises:
        InputError: there is no such file, or it cannot be read.
    """
    with readable_format(file) as kind:
        text = text_in_onnx(file) if kind == ONNX else text_in_archive(file)
        facts: dict[str, Any] = json.loads(text)[FACTS] if text else {}
        return facts


def text_in_archive(file: Path) -> str:
    """export.json inside an archive of PyTorch, or nothing."""
    with zipfile.ZipFile(file) as archive:
        names = [name for name in archive.namelist() if name.endswith(f"/extra/{CARRIED}")]
        return archive.read(names[0]).decode("utf-8") if names else ""


def text_in_onnx(file: Path) -> str:
    """export.json among the properties of an ONNX file, or nothing."""
    properties = onnx_session(file, computes=False).get_modelmeta().custom_metadata_map
    return str(properties.get(CARRIED, ""))


def refuse_other_network(file: Path, expected: Mapping[str, Any]) -> None:
    """Raise an `InputError` that names the first fact in which the network is not the one that a config is for.

    A file without facts is taken with a warning.

    Args:
        file: an exported network.
        expected: fact -> the config's value.
    """
    facts = carried_facts(file)
    if not facts:
        logger.warning(
            "%s does not say what its network was trained for (python -m custom export writes that): it must be %s",
            file,
            ", ".join(f"{name} {value}" for name, value in expected.items()),
        )
        return
    for name, value in expected.items():
        if facts.get(name) != value:
            raise InputError(
                f"{file} is a network of {name} {facts.get(name)}, not {value}: pass the configs and settings that it "
                "was exported with, or another --exported"
            )


def intensity_of(file: str | Path, otherwise: str | Path) -> dict[str, Any]:
    """The statistics that a network's CT images are normalised with: those in its file, else those of another file.

    Args:
        file: an exported network.
        otherwise: an intensity.json, see `read_intensity`.

    Raises:
        InputError: a file is missing or cannot be read.
    """
    carried: dict[str, Any] | None = carried_facts(Path(file)).get(INTENSITY)
    return read_intensity(otherwise) if carried is None else carried
