"""An ONNX file: opened by onnxruntime, and files inside it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from monai.utils import optional_import

from ..errors import InputError

onnx, _ = optional_import("onnx")
onnxruntime, has_onnxruntime = optional_import("onnxruntime")
CPU = "CPUExecutionProvider"


def onnx_session(file: Path, providers: Sequence[str] = (CPU,), computes: bool = True) -> Any:
    """The session, on the first of `providers` that onnxruntime's build has; InputError where onnxruntime is missing.

    Without `computes` it is not optimised, where only its properties are read.
    """
    if not has_onnxruntime:
        raise InputError(f"{file} needs onnxruntime: pip install onnxruntime (on a GPU onnxruntime-gpu)")
    options = onnxruntime.SessionOptions()
    if not computes:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    there = [provider for provider in providers if provider in onnxruntime.get_available_providers()]
    return onnxruntime.InferenceSession(str(file), options, providers=there)


def add_onnx_metadata(file: Path, contents: Mapping[str, str]) -> None:
    """Add name -> text to the model's properties, which `onnxruntime` gives as `custom_metadata_map`."""
    model = onnx.load(str(file))
    onnx.helper.set_model_props(model, dict(contents))
    onnx.save(model, str(file))
