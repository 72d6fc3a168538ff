"""Archives of torch.export that hold more than tensors are not loaded: unpickling such parts runs code."""

import io
import json
import re
import zipfile
from pathlib import Path

import torch

from ..errors import InputError

PICKLED = re.compile(r"^(?!.*/extra/).*\.pt$")  # parts for `torch.load`: the example a program was traced with
PAYLOADS = re.compile(r"/data/(weights|constants)/[^/]*_config\.json$")  # lists of numbers, each raw or pickled
RAW = ("weight_", "tensor_")  # how names of parts begin that are numbers, not objects


def refuse_pickled_objects(file: Path) -> None:
    """Raise an `InputError` where loading the archive would unpickle anything but tensors.

    `torch.export.load` then unpickles without restriction. What it does not unpickle is a program all the same, with
    expressions in Python: this check does not make a stranger's file safe.
    """
    with zipfile.ZipFile(file) as archive:
        for name in archive.namelist():
            pickled = PICKLED.search(name) and not holds_tensors(archive.read(name))
            if pickled or (PAYLOADS.search(name) and not lists_tensors(archive.read(name))):
                raise InputError(f"{file}: {name} holds more than tensors; it is not loaded, as that could run code")


def holds_tensors(content: bytes) -> bool:
    """Whether a pickled part, which may be empty, is made of tensors and containers."""
    if not content:
        return True
    try:
        torch.load(io.BytesIO(content), weights_only=True)
    except Exception:  # it fails in many ways on what is no pickle of tensors
        return False
    return True


def lists_tensors(content: bytes) -> bool:
    """Whether all weights or constants of a list are raw numbers."""
    payloads = json.loads(content)["config"].values()
    return not any(payload["use_pickle"] or not payload["path_name"].startswith(RAW) for payload in payloads)
