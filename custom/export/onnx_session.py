"""An ONNX file opened by onnxruntime."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from monai.utils import optional_import

from ..errors import InputError

onnxruntime, has_onnxruntime = optional_import("onnxruntime")
CPU = "CPUExecutionProvider"


def onnx_session(file: Path, providers: Sequence[str] = (CPU,), computes: bool = True) -> Any:
    """The session.

    Args:
        file: the ONNX file.
        providers: where it computes: the first of these that onnxruntime's build has.
        computes: False spares optimising it, where only its properties are read.

    Raises:
        InputError: onnxruntime is missing.
    """
    if not has_onnxruntime:
        raise InputError(f"{file} needs onnxruntime: pip install onnxruntime (on a GPU onnxruntime-gpu)")
    options = onnxruntime.SessionOptions()
    if not computes:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    there = [provider for provider in providers if provider in onnxruntime.get_available_providers()]
    return onnxruntime.InferenceSession(str(file), options, providers=there)
