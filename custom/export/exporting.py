"""The command that writes a trained network as TorchScript, torch.export or ONNX file."""

from __future__ import annotations

import json
import logging
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from monai.bundle import ConfigParser, ckpt_export, onnx_export
from torch import nn

from ..atomic_write import TEMPORARY_PREFIX
from ..engines.load_weights import LoadWeights
from ..engines.writable import make_writable
from ..errors import InputError
from .accurate_instance_norm import TRANSLATIONS, has_onnxscript
from .dynamic_sizes import dynamic_sizes, least_sizes, multiples
from .formats import TORCH_EXPORT, TORCHSCRIPT, format_of
from .onnx_metadata import add_onnx_metadata

logger = logging.getLogger(__name__)

NETWORK = "network_def"
INTENSITY_FILE = "intensity.json"
FACTS = ("class_names", "spacing", "patch_size")


def export(
    bundle: str | Path,
    output: str | Path,
    checkpoint: str | Path | None = None,
    overlays: str | Sequence[str] = (),
    settings: Mapping[str, Any] | None = None,
) -> str:
    """Write a trained network as a file that runs without this project.

    TorchScript (.ts) needs PyTorch only, also from C++; torch.export (.pt2) is PyTorch's successor to it; ONNX (.onnx)
    runs in onnxruntime and many others. All take batches and images of any size that the network can halve evenly. Each
    file carries the metadata, the inference config with its overlays, and what its user must know (export.json):
    classes, spacing, patch, statistics for CT, and of which numbers an image's sizes must be multiples. Scans must be
    prepared as the inference config says.

    Args:
        bundle: folder of the bundle.
        output: the file; its ending, .ts, .pt2 or .onnx, chooses the format.
        checkpoint: the weights; by default where the training with these overlays leaves them.
        overlays: configs of the bundle (hippocampus), or files, that the network was trained with, with "," between.
        settings: values of inference.yaml's first block, as in training, such as "{'filters': [16, 32, 64]}".

    Returns:
        The file's path.

    Raises:
        InputError: there is no such bundle, config, setting or checkpoint, the weights do not fit, or the folder of the
            file cannot be written.
    """
    root, file = Path(bundle).expanduser(), Path(output).expanduser()
    kind = format_of(file)
    configs = config_files(root, overlays)
    changed = settings_of(settings)
    parser = read_configs(configs, {"bundle_root": str(root), **changed})
    weights = Path(checkpoint or parser.get_parsed_content("checkpoint")).expanduser()
    network = parser.get_parsed_content(NETWORK)
    LoadWeights(str(weights), network)(None)
    facts = {"format": kind, **export_facts(parser, weights)}
    make_writable(str(file.parent))
    # under its own name, which a TorchScript archive keeps inside
    with tempfile.TemporaryDirectory(dir=file.parent, prefix=TEMPORARY_PREFIX) as folder:
        carried = [*configs, write_settings(Path(folder), changed, facts)]
        temporary = Path(folder) / file.name
        if kind == TORCH_EXPORT:
            write_program(network, parser, carried, temporary)
        else:
            write_with_monai(kind, weights, parser, carried, temporary)
        temporary.replace(file)
    logger.info("%s: %s of %s", file, kind, weights)
    return str(file)


def config_files(root: Path, overlays: str | Sequence[str]) -> list[Path]:
    """metadata.json, inference.yaml and the overlays: names of the bundle's configs, or files.

    Raises:
        InputError: naming the file that is missing.
    """
    names = overlays.split(",") if isinstance(overlays, str) else overlays
    files = [root / "configs" / "metadata.json", root / "configs" / "inference.yaml"]
    for name in (name.strip() for name in names if name.strip()):
        files.append(Path(name) if Path(name).is_file() else root / "configs" / f"{name.removesuffix('.yaml')}.yaml")
    for file in files:
        if not file.is_file():
            raise InputError(f"{file} does not exist: pass the folder of a bundle and names of its configs")
    return files


def read_configs(configs: Sequence[Path], settings: Mapping[str, Any]) -> ConfigParser:
    """The parser of the configs, the first of which is the metadata, with settings.

    Raises:
        InputError: the configs have no such setting.
    """
    parser = ConfigParser()
    parser.read_meta(str(configs[0]))
    parser.read_config([str(file) for file in configs[1:]])
    for name in settings:
        if name.split("#")[0].split("::")[0] not in parser:
            raise InputError(f"the inference config has no setting {name!r}; correct its name")
    parser.update(dict(settings))
    return parser


def settings_of(settings: Any) -> dict[str, Any]:
    """The settings as given on the command line.

    Raises:
        InputError: they are no mapping.
    """
    if not isinstance(settings, Mapping | None):
        raise InputError(f"settings is {settings!r}; pass a mapping, such as \"{{'filters': [16, 32, 64]}}\"")
    return dict(settings or {})


def export_facts(parser: ConfigParser, weights: Path) -> dict[str, Any]:
    """What a user of the file must know, without evaluating the config.

    Also the statistics that CT is normalised with, where the training left them beside the weights.
    """
    known = {name: parser.get_parsed_content(name) for name in FACTS}
    intensity = weights.with_name(INTENSITY_FILE)
    if intensity.is_file():
        known["intensity"] = json.loads(intensity.read_text(encoding="utf-8"))
    return {
        "version": parser["_meta_"]["version"],
        **known,
        "input": "image (batch, channels, *sizes), float32",
        "output": "pred (batch, background and classes, *sizes), logits",
        "num_channels": parser.get_parsed_content("num_channels"),
        "sizes_are_multiples_of": multiples(parser.get_parsed_content("strides")),
        "sizes_are_at_least": least_sizes(
            parser.get_parsed_content("strides"), parser.get_parsed_content("patch_size")
        ),
    }


def write_settings(folder: Path, settings: Mapping[str, Any], facts: Mapping[str, Any]) -> Path:
    """export.json: an overlay of the settings, with the facts under `export`."""
    file = folder / "export.json"
    file.write_text(json.dumps({**settings, "export": facts}, indent=2), encoding="utf-8")
    return file


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
    sizes = least_sizes(parser.get_parsed_content("strides"), parser.get_parsed_content("patch_size"))
    return torch.zeros(2, parser.get_parsed_content("num_channels"), *sizes)


def sizes_of(parser: ConfigParser) -> dict[int, Any]:
    """Which sizes the exported network takes."""
    return dynamic_sizes(parser.get_parsed_content("strides"), parser.get_parsed_content("patch_size"))


def carried_files(configs: Sequence[Path]) -> dict[str, str]:
    """Name -> content of the configs as JSON, as `monai.bundle.ckpt_export` embeds them."""
    return {f"{config.stem}.json": json.dumps(ConfigParser.load_config_file(str(config))) for config in configs}
