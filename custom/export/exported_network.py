"""An exported network in place of the one a config builds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from monai.utils import convert_to_tensor, optional_import
from torch import nn
from torch.export.passes import move_to_device_pass

from ..errors import InputError
from .formats import TORCH_EXPORT, TORCHSCRIPT, format_of

onnxruntime, has_onnxruntime = optional_import("onnxruntime")
Predictor = Callable[[torch.Tensor], torch.Tensor]


class ExportedNetwork(nn.Module):
    """A file's network as a module without weights of its own, for engines and inferers; it cannot be trained.

    Args:
        predict: images (batch, channels, *spatial) -> logits (batch, classes, *spatial).
    """

    def __init__(self, predict: Predictor) -> None:
        super().__init__()
        self.predict = (predict,)  # in a tuple no module of this one: programs of torch.export refuse `eval()`

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Logits."""
        return self.predict[0](convert_to_tensor(image, track_meta=False))


def load_exported(file: str | Path, device: str | torch.device = "cpu") -> ExportedNetwork:
    """The network in a .ts, .pt2 or .onnx file, on a device.

    Raises:
        InputError: there is no such file, it cannot be read, or onnxruntime is missing.
    """
    path, place = Path(file), torch.device(device)
    kind = format_of(path)
    if not path.is_file():
        raise InputError(f"no exported network at {path}: write it with `export` first, or pass another --exported")
    load = {TORCHSCRIPT: load_torchscript, TORCH_EXPORT: load_program}.get(kind, load_onnx)
    try:
        return ExportedNetwork(load(path, place))
    except InputError:
        raise
    except Exception as error:  # each format has errors of its own
        reason = str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
        raise InputError(f"{path} cannot be read as {kind} ({reason}): export the network again") from error


def load_torchscript(file: Path, device: torch.device) -> Predictor:
    """A TorchScript archive."""
    network: Predictor = torch.jit.load(str(file), map_location=device).eval()
    return network


def load_program(file: Path, device: torch.device) -> Predictor:
    """A program of torch.export."""
    program = torch.export.load(file)
    if device.type != "cpu":
        program = move_to_device_pass(program, device)
    network: Predictor = program.module()
    return network


def load_onnx(file: Path, device: torch.device) -> Predictor:
    """An ONNX file in onnxruntime, on the GPU where the device is one and onnxruntime's build for it is installed."""
    if not has_onnxruntime:
        raise InputError(f"{file} needs onnxruntime: pip install onnxruntime (on a GPU onnxruntime-gpu)")
    wanted = ["CUDAExecutionProvider"] if device.type == "cuda" else []
    providers = [one for one in (*wanted, "CPUExecutionProvider") if one in onnxruntime.get_available_providers()]
    session = onnxruntime.InferenceSession(str(file), providers=providers)
    name = session.get_inputs()[0].name

    def predict(image: torch.Tensor) -> torch.Tensor:
        values: Any = session.run(None, {name: image.float().cpu().numpy()})[0]
        return torch.from_numpy(values).to(image.device)

    return predict
