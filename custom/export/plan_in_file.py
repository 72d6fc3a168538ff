"""The plan that an exported file carries: what its network is for."""

import json
import zipfile
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..plans import PLAN_FILE, Plan, checked, read_plan
from .formats import ONNX, readable_format
from .onnx_session import onnx_session

CARRIED = "export.json"
PLAN, FACTS = "planned", "export"  # its entries; the first is also that of inference.yaml
MULTIPLES = "sizes_are_multiples_of"


def carried_plan(file: str | Path) -> Plan:
    """The plan inside an exported file, else the one next to it: MONAI's own exports carry none.

    Raises InputError: there is no such file, it cannot be read, or no plan is there.
    """
    path = Path(file)
    content = carried_content(path)
    if PLAN in content:
        return checked(content[PLAN], f"{path}: the plan in it")
    neighbour = path.with_name(PLAN_FILE)
    if not neighbour.is_file():
        raise InputError(
            f"{path} does not say what its network was trained for: export it with `python -m custom export`, or put "
            f"the training's {PLAN_FILE} next to it"
        )
    return read_plan(neighbour)


def carried_content(file: Path) -> dict[str, Any]:
    """The content of export.json in a file; nothing in one by MONAI's commands.

    Raises InputError: there is no such file, or it cannot be read.
    """
    with readable_format(file) as kind:
        text = text_in_onnx(file) if kind == ONNX else text_in_archive(file)
        content: dict[str, Any] = json.loads(text) if text else {}
        return content


def text_in_archive(file: Path) -> str:
    """export.json inside an archive of PyTorch, or nothing."""
    with zipfile.ZipFile(file) as archive:
        names = [name for name in archive.namelist() if name.endswith(f"/extra/{CARRIED}")]
        return archive.read(names[0]).decode("utf-8") if names else ""


def text_in_onnx(file: Path) -> str:
    """export.json among the properties of an ONNX file, or nothing."""
    properties = onnx_session(file, computes=False).get_modelmeta().custom_metadata_map
    return str(properties.get(CARRIED, ""))
