"""An exported network in place of the one a config builds."""

from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from monai.utils import convert_to_tensor
from torch import nn
from torch.export.passes import move_to_device_pass

from ..errors import InputError
from .formats import ONNX, TORCH_EXPORT, TORCHSCRIPT, readable_format
from .onnx_session import CPU, onnx_session
from .plan_in_file import FACTS, MULTIPLES, carried_content
from .torch_export_archive import refuse_pickled_objects

Predictor = Callable[[torch.Tensor], torch.Tensor]


class ExportedNetwork(nn.Module):
    """A file's network as a module without weights of its own, for engines and inferers; it cannot be trained.

    Args:
        predict: images (batch, channels, *spatial) -> logits (batch, classes, *spatial).
        multiple: the numbers of which the images' sizes must be multiples, where known.
    """

    def __init__(self, predict: Predictor, multiple: Sequence[int] = (1, 1, 1)) -> None:
        super().__init__()
        self.predict = (predict,)  # in a tuple no module of this one: programs of torch.export refuse `eval()`
        self.multiple = tuple(multiple)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Logits."""
        return self.predict[0](convert_to_tensor(image, track_meta=False))

    def size_multiple(self) -> list[int]:
        """The numbers of which the images' sizes must be multiples, 1 where the file does not say."""
        return list(self.multiple)


def load_exported(file: str | Path, device: str | torch.device = "cpu") -> ExportedNetwork:
    """The network in a .ts, .pt2 or .onnx file (the ending says which), on a device.

    The first two are programs of PyTorch: load only those of people whom you would let run code on your machine. An
    ONNX file is arithmetic alone. Raises InputError: there is no such file, it cannot be read, or onnxruntime is
    missing.
    """
    path, place = Path(file), torch.device(device)
    with readable_format(path) as kind:
        load = {TORCHSCRIPT: load_torchscript, TORCH_EXPORT: load_program, ONNX: load_onnx}[kind]
        return ExportedNetwork(load(path, place), carried_content(path).get(FACTS, {}).get(MULTIPLES, (1, 1, 1)))


def load_tensorrt(file: str | Path, device: str | torch.device = "cuda") -> ExportedNetwork:
    """The network that `python -m monai.bundle trt_export` wrote; arguments as of `load_exported`.

    Raises InputError: torch_tensorrt is missing, the device is no NVIDIA GPU, or the file cannot be used.
    """
    try:
        import_module("torch_tensorrt")  # which teaches torch.jit.load its engines
    except (ImportError, OSError) as error:
        remedy = "pip install torch-tensorrt, or leave out configs/inference_trt.yaml"
        raise InputError(f"TensorRT needs the package torch_tensorrt of this PyTorch's version: {remedy}") from error
    if torch.device(device).type != "cuda":
        raise InputError(f"TensorRT needs an NVIDIA GPU, not device {device}: leave out configs/inference_trt.yaml")
    return load_exported(file, device)


def load_torchscript(file: Path, device: torch.device) -> Predictor:
    """A TorchScript archive."""
    network: Predictor = torch.jit.load(str(file), map_location=device).eval()
    return network


def load_program(file: Path, device: torch.device) -> Predictor:
    """A program of torch.export."""
    refuse_pickled_objects(file)
    program = torch.export.load(file)
    if device.type != "cpu":
        program = move_to_device_pass(program, device)
    network: Predictor = program.module()
    return network


def load_onnx(file: Path, device: torch.device) -> Predictor:
    """An ONNX file in onnxruntime, on the GPU where the device is one and onnxruntime's build for it is installed."""
    session = onnx_session(file, [*(["CUDAExecutionProvider"] if device.type == "cuda" else []), CPU])
    name = session.get_inputs()[0].name

    def predict(image: torch.Tensor) -> torch.Tensor:
        values: Any = session.run(None, {name: image.float().cpu().numpy()})[0]
        return torch.from_numpy(values).to(image.device)

    return predict
