"""The command that writes a trained network as TorchScript, torch.export or ONNX file."""

import json
import logging
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from monai.bundle import ConfigParser, ckpt_export, onnx_export
from torch import nn

from ..bundle_configs import NETWORK, config_file, made_entry
from ..engines.load_weights import load_fitting_weights, refuse_missing_weights
from ..engines.writable_folders import make_writable
from ..errors import InputError
from ..io.atomic_write import TEMPORARY_PREFIX
from ..networks import size_multiple
from .accurate_instance_norm import TRANSLATIONS, has_onnxscript
from .dynamic_sizes import dynamic_sizes, least_sizes
from .formats import TORCH_EXPORT, TORCHSCRIPT, format_of
from .onnx_session import add_onnx_metadata
from .plan_in_file import CARRIED, FACTS, MULTIPLES, PLAN
from .plan_metadata import plan_metadata

logger = logging.getLogger(__name__)

FITTING = "its plan.yaml is of another training; restore it, or pass other weights"


def export(bundle: str | Path, output: str | Path, ckpt_dir: str | Path = "", checkpoint: str | Path = "") -> str:
    """Write a trained network as a file that runs without this project.

    TorchScript (.ts) needs PyTorch only, also from C++; torch.export (.pt2) is PyTorch's successor to it; ONNX (.onnx)
    runs in onnxruntime and many others. All take batches and images of any size that the network can halve evenly. Each
    file carries the metadata, the inference config and export.json: the plan (classes, spacing, patch, statistics for
    CT) and of which numbers an image's sizes must be multiples. Scans must be prepared as the inference config says.
    Files of others: .ts and .pt2 are programs, which can do whatever you can, an .onnx file is arithmetic alone.

    Args:
        bundle: folder of the bundle.
        output: the file; its ending, .ts, .pt2 or .onnx, chooses the format.
        ckpt_dir: folder of the training, with model.pt and plan.yaml; by default the bundle's models.
        checkpoint: other weights, with their plan.yaml next to them.

    Returns:
        The file's path.

    Raises:
        InputError: there is no such bundle, config or file of weights, the weights do not fit their plan, or the folder
            of the file cannot be written.
    """
    root, file = Path(bundle), Path(output)
    kind = format_of(file)
    configs = [config_file(root, name) for name in ("metadata.json", "inference.yaml")]
    model = trained_weights(root, ckpt_dir, checkpoint)
    parser = ConfigParser()
    parser.read_meta(str(configs[0]))
    parser.read_config(str(configs[1]))
    parser.update({"bundle_root": str(root), "checkpoint": str(model)})
    network = made_entry(parser, NETWORK, root)
    load_fitting_weights(model, network, FITTING)
    make_writable(str(file.parent), remedy="pass another --output")
    # under its own name, which a TorchScript archive keeps inside
    with tempfile.TemporaryDirectory(dir=file.parent, prefix=TEMPORARY_PREFIX) as folder:
        carried = write_carried(Path(folder), configs, parser, kind)
        temporary = Path(folder) / file.name
        if kind == TORCH_EXPORT:
            write_program(network, parser, carried, temporary)
        else:
            write_with_monai(kind, model, parser, carried, temporary)
        temporary.replace(file)
    logger.info("%s: %s of %s", file, kind, model)
    return str(file)


def trained_weights(root: Path, ckpt_dir: str | Path = "", checkpoint: str | Path = "") -> Path:
    """The weights that a command names: a file, those in a training's folder, or those in a bundle's models.

    Raises InputError: there are none.
    """
    folder = Path(ckpt_dir) if ckpt_dir else root / "models"
    model = Path(checkpoint) if checkpoint else folder / "model.pt"
    refuse_missing_weights(model, "pass the --ckpt_dir of a training")
    return model


def write_carried(folder: Path, configs: Sequence[Path], parser: ConfigParser, kind: str) -> list[Path]:
    """Write what a file carries.

    metadata.json is the bundle's, but for what the plan says, inference.json the config with the plan in it, and
    export.json the plan and what else a user must know.

    `configs` are the bundle's metadata.json and inference.yaml, `parser` that of both with the weights as `checkpoint`.
    """
    metadata, config = configs
    plan, multiple = parser.get_parsed_content(PLAN), multiple_of(parser)
    facts = {
        "format": kind,
        "version": parser["_meta_"]["version"],
        "input": "image (batch, channels, *sizes), float32",
        "output": "pred (batch, background and classes, *sizes), logits",
        MULTIPLES: multiple,
        "sizes_are_at_least": least_sizes(multiple, plan["patch_size"]),
    }
    stated = json.loads(metadata.read_text(encoding="utf-8"))
    contents = {
        metadata.name: plan_metadata(stated, plan, str(stated.get("name", ""))),
        f"{config.stem}.json": {**ConfigParser.load_config_file(str(config)), PLAN: plan},
        CARRIED: {PLAN: plan, FACTS: facts},
    }
    for name, content in contents.items():
        (folder / name).write_text(json.dumps(content, indent=2), encoding="utf-8")
    return [folder / name for name in contents]


def write_with_monai(kind: str, weights: Path, parser: ConfigParser, configs: Sequence[Path], file: Path) -> None:
    """TorchScript or ONNX, by MONAI's own commands."""
    options: dict[str, Any] = {
        "net_id": NETWORK,
        "filepath": str(file),
        "ckpt_file": str(weights),
        "meta_file": str(configs[0]),
        "config_file": [str(config) for config in configs[1:]],
    }
    if kind == TORCHSCRIPT:
        ckpt_export(**options)
        return
    if not has_onnxscript:
        raise InputError(f"{file.name} needs the packages onnx and onnxscript: pip install onnx onnxscript")
    example = example_image(parser)
    converter = {
        "input_names": ["image"],
        "output_names": ["pred"],
        "dynamic_shapes": (sizes_of(parser),),
        "custom_translation_table": TRANSLATIONS,
        "external_data": False,
        "verbose": False,
    }
    onnx_export(**options, use_trace=True, input_shape=list(example.shape), converter_kwargs=converter)
    add_onnx_metadata(file, carried_files(configs))


def write_program(network: nn.Module, parser: ConfigParser, configs: Sequence[Path], file: Path) -> None:
    """torch.export's archive; MONAI has no command for it."""
    program = torch.export.export(network.eval(), (example_image(parser),), dynamic_shapes=(sizes_of(parser),))
    torch.export.save(program, file, extra_files=carried_files(configs))


def example_image(parser: ConfigParser) -> torch.Tensor:
    """A small batch to trace with, of two: one would be taken as fixed."""
    sizes = least_sizes(multiple_of(parser), parser.get_parsed_content("patch_size"))
    return torch.zeros(2, parser.get_parsed_content("num_channels"), *sizes)


def sizes_of(parser: ConfigParser) -> dict[int, Any]:
    """Which sizes the exported network takes."""
    return dynamic_sizes(multiple_of(parser), parser.get_parsed_content("patch_size"))


def multiple_of(parser: ConfigParser) -> list[int]:
    """The numbers of which an image's sizes must be multiples."""
    return size_multiple(parser.get_parsed_content(NETWORK))


def carried_files(configs: Sequence[Path]) -> dict[str, str]:
    """Name -> content of the configs as JSON, as `monai.bundle.ckpt_export` embeds them."""
    return {f"{config.stem}.json": json.dumps(ConfigParser.load_config_file(str(config))) for config in configs}
