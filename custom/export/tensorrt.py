"""A network compiled by TensorRT."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import torch

from ..errors import InputError
from .exported_network import ExportedNetwork, load_exported


def load_tensorrt(file: str | Path, device: str | torch.device = "cuda") -> ExportedNetwork:
    """The network that `python -m monai.bundle trt_export` wrote; arguments as of `load_exported`.

    Raises:
        InputError: torch_tensorrt is missing, the device is no NVIDIA GPU, or the file cannot be used.
    """
    try:
        import_module("torch_tensorrt")  # which teaches torch.jit.load its engines
    except (ImportError, OSError) as error:
        raise InputError(
            "TensorRT needs the package torch_tensorrt of this PyTorch's version (pip install torch-tensorrt) and an "
            "NVIDIA GPU; without them leave out configs/inference_trt.yaml"
        ) from error
    if torch.device(device).type != "cuda":
        raise InputError(f"TensorRT needs an NVIDIA GPU, not device {device}: leave out configs/inference_trt.yaml")
    return load_exported(file, device)
