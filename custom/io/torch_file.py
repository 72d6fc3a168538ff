"""PyTorch's files read as data alone; whatever is wrong with one is a single line."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from ..errors import InputError

MAGIC = {
    b"\x89HDF": "HDF5 (Keras, TensorFlow)",
    b"\x93NUM": "NumPy",
    b"\x1f\x8b": "gzip",
    b"<!DO": "a web page",
    b"vers": "a pointer of Git LFS: fetch the file itself",
}
EXPORTED = "an exported network: pass it as --exported with configs/inference_exported.yaml"
LISTED_KEYS = 4


def load_mapping(file: Path, remedy: str) -> dict[str, Any]:
    """The dictionary in a file of `torch.save`, on the CPU, without running code of the file.

    Raises InputError: truncated, of another program or format, or no dictionary; ends with `remedy`.
    """
    try:
        content = torch.load(file, map_location="cpu", weights_only=True)
    except MemoryError:
        raise
    except Exception as error:  # a damaged file may fail anywhere in zip, pickle and torch
        raise InputError(f"{file} cannot be read ({_reason(file, error)}): {remedy}") from error
    if not isinstance(content, Mapping):
        raise InputError(f"{file} holds a {type(content).__name__}, no dictionary: {remedy}")
    return dict(content)


def load_tensors(file: Path, remedy: str) -> dict[str, torch.Tensor]:
    """A network's weights: a flat dictionary of finite tensors.

    Raises InputError: it holds something else, such as a checkpoint of a trainer; ends with `remedy`.
    """
    content = load_mapping(file, remedy)
    if not content or not all(isinstance(key, str) and torch.is_tensor(value) for key, value in content.items()):
        keys = ", ".join(list(map(str, content))[:LISTED_KEYS]) or "nothing"
        raise InputError(f"{file} holds {keys}{', ...' * (len(content) > LISTED_KEYS)}, no plain weights: {remedy}")
    broken = [key for key, value in content.items() if value.is_floating_point() and not value.isfinite().all()]
    if broken:
        raise InputError(f"{file} holds weights that are NaN or infinite ({broken[0]}): {remedy}")
    return content


def _reason(file: Path, error: Exception) -> str:
    """What the file seems to be, for a user."""
    if not file.is_file():
        return "it is a folder" if file.is_dir() else "there is no such file"
    try:
        with file.open("rb") as opened:
            start = opened.read(4)
    except OSError as unreadable:
        return str(unreadable.strerror)
    if "TorchScript" in str(error) or "jit" in str(error) or file.suffix in (".pt2", ".onnx", ".ts"):
        return EXPORTED
    known = next((name for magic, name in MAGIC.items() if start.startswith(magic)), None)
    if known or not start:
        return f"it is {known}" if known else "it is empty"
    if "Weights only load failed" in str(error) and "Unsupported global" in str(error):
        return "it holds objects of another program, which could run code"
    return "it is damaged, or of another format"
