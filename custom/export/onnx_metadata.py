"""Files inside an ONNX file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from monai.utils import optional_import

onnx, _ = optional_import("onnx")


def add_onnx_metadata(file: Path, contents: Mapping[str, str]) -> None:
    """Add name -> text to the model's properties, which `onnxruntime` gives as `custom_metadata_map`."""
    model = onnx.load(str(file))
    onnx.helper.set_model_props(model, dict(contents))
    onnx.save(model, str(file))
