"""The formats networks are exported to, by name and by ending."""

from __future__ import annotations

from pathlib import Path

from ..errors import InputError

TORCHSCRIPT, TORCH_EXPORT, ONNX = "torchscript", "torch_export", "onnx"
ENDINGS = {".ts": TORCHSCRIPT, ".pt2": TORCH_EXPORT, ".onnx": ONNX}


def format_of(file: Path) -> str:
    """The format that a file's ending tells.

    Raises:
        InputError: it is none of them.
    """
    if file.suffix not in ENDINGS:
        endings = ", ".join(f"{ending} ({kind})" for ending, kind in ENDINGS.items())
        raise InputError(f"{file}: the ending tells the format; use one of {endings}")
    return ENDINGS[file.suffix]
