"""The command that makes a bundle of its own out of a training, with the overlays it was trained with merged in.

MONAI Label, MONAI Deploy and `monai.bundle.load` read configs/train.yaml and configs/inference.yaml, and no overlays.
"""

from __future__ import annotations

import json
import logging
import pickle
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import yaml
from monai.bundle import ConfigParser

from ..atomic_write import TEMPORARY_PREFIX
from ..data.channel_names import channel_name
from ..engines.training_checkpoint import SETTINGS_FILE
from ..errors import InputError
from .code_name import package_name, renamed
from .contents import bundle_contents, code_contents
from .releasing import read_metadata
from .weights import BESIDE, MODEL

logger = logging.getLogger(__name__)

MERGED = ("train", "inference")  # configs that stand alone
LAID_OVER = ("evaluate", "multi_gpu_train", "inference_exported", "inference_trt")  # what a run lays over those
TAGS = ("data_tag", "method_tag")  # sub-folders of models/ and output/, of which this bundle needs none
START = "models/model_start.pt"  # the weights once more: a training in MONAI Label replaces model.pt
SETTINGS = ("class_names", "spacing", "patch_size", "normalisation")  # of a training, that inference must share


def trained_bundle(
    bundle: str, output: str, overlays: str | Sequence[str] = "", weights: str = "", modality: str = ""
) -> None:
    """Write a folder that trains and infers with trained weights alone, without overlays and without this project.

    MONAI Label serves it from the `model` folder of its monaibundle app, under the folder's name. It holds the
    bundle's configs with the overlays merged in, metadata with the trained classes and patch, its own copy of the code,
    and under models/ the weights twice: model.pt, which trainings in the folder replace, and model_start.pt.

    Args:
        bundle: folder of the bundle that was trained, e.g. bundles/batseg_spine.
        output: the folder to write, which must not exist; its name becomes the bundle's.
        overlays: those of the training, separated by commas: names in the bundle's configs/ (hippocampus) or files.
        weights: the trained model.pt; by default the one where a training with these overlays leaves it.
        modality: of the images where it is not the bundle's, e.g. CT; stated in the metadata.

    Raises:
        InputError: a folder or file is not what it should be, or the weights are of another network or other settings.
    """
    root, target = Path(bundle), Path(output)
    if target.exists():
        raise InputError(f"--output {target} exists: remove it or pass another folder")
    metadata = read_metadata(root)
    package = package_name(target.name, str(metadata["version"]))
    files = bundle_files(root, package) | code_contents(package)
    above = overlay_files(root, overlays)
    merged = {name: merged_config(root / "configs" / f"{name}.yaml", above) for name in MERGED}
    model = Path(weights) if weights else default_weights(root, merged["inference"])
    inference = ConfigParser(merged["inference"])
    refuse_other_weights(model, inference)
    for name, config in merged.items():
        files[f"configs/{name}.yaml"] = config_text(config, [f"{name}.yaml", *(file.name for file in above)], package)
    metadata = trained_metadata(metadata, inference, target.name, modality)
    files["configs/metadata.json"] = (json.dumps(metadata, indent=4) + "\n").encode("utf-8")
    files |= weight_files(model)
    write_folder(target, files)
    logger.info("%s: %s for %s", target, model, ", ".join(inference.get_parsed_content("class_names")))


def bundle_files(root: Path, package: str) -> dict[str, bytes]:
    """Path in the bundle -> content of the files that stay as they are: no overlays, no other configs."""
    kept = {f"configs/{name}.yaml" for name in LAID_OVER}
    files = bundle_contents(root, package)
    return {path: content for path, content in files.items() if path in kept or not path.endswith(".yaml")}


def overlay_files(root: Path, overlays: str | Sequence[str]) -> list[Path]:
    """The files of overlays given as a file or as a name in the bundle's configs/.

    Raises:
        InputError: there is no such file.
    """
    given = overlays.split(",") if isinstance(overlays, str) else [str(overlay) for overlay in overlays]
    found = []
    for name in filter(None, given):
        places = [Path(name), root / "configs" / f"{name}.yaml"]
        file = next((place for place in places if place.is_file()), None)
        if file is None:
            raise InputError(f"--overlays {name}: there is neither a file {places[0]} nor {places[1]}")
        found.append(file)
    return found


def merged_config(config: Path, overlays: Sequence[Path]) -> dict[str, Any]:
    """A config with overlays laid over it, as MONAI's `run` merges them."""
    return dict(ConfigParser.load_config_files([str(config), *map(str, overlays)]))


def default_weights(root: Path, inference: Mapping[str, Any]) -> Path:
    """Where a training with these overlays leaves its weights."""
    return root.joinpath("models", *(str(inference[tag]) for tag in TAGS), Path(MODEL).name)


def refuse_other_weights(file: Path, inference: ConfigParser) -> None:
    """Raise an `InputError` unless the weights fit the network and were trained with the settings of a config."""
    if not file.is_file():
        raise InputError(f"there are no weights at {file}: pass the --overlays of the training, or --weights FILE")
    settings = file.with_name(SETTINGS_FILE)
    trained = json.loads(settings.read_text(encoding="utf-8")) if settings.is_file() else {}
    for key in set(SETTINGS) & set(trained) & set(inference.get()):
        value = inference.get_parsed_content(key)
        if trained[key] != value:
            raise InputError(
                f"{file} was trained with {key} {trained[key]}, not {value}: pass the --overlays of that training, "
                f"or a YAML file with `{key}: {trained[key]}`"
            )
    try:
        tensors = torch.load(file, map_location="cpu", weights_only=True)
        inference.get_parsed_content("network_def").load_state_dict(tensors)
    except (RuntimeError, EOFError, AttributeError, TypeError, pickle.UnpicklingError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{file} does not fit the network ({reason}): pass the --overlays of the training") from error


def config_text(config: Mapping[str, Any], sources: Sequence[str], package: str) -> bytes:
    """A merged config as YAML, with the project's package called `package`."""
    heading = f"# {', then '.join(sources)}, merged by `python -m custom trained_bundle`, where the comments are.\n\n"
    body = yaml.safe_dump(dict(config) | dict.fromkeys(TAGS, ""), sort_keys=False, default_flow_style=None, width=120)
    return (heading + renamed(body, package)).encode("utf-8")


def trained_metadata(
    metadata: Mapping[str, Any], inference: ConfigParser, name: str, modality: str = ""
) -> dict[str, Any]:
    """The bundle's metadata with what the overlays changed: name, classes, channels and patch; no scores."""
    changed: dict[str, Any] = json.loads(json.dumps(metadata))
    image = changed["network_data_format"]["inputs"]["image"]
    prediction = changed["network_data_format"]["outputs"]["pred"]
    channels = inference.get_parsed_content("num_channels")
    classes = ["background", *map(channel_name, inference.get_parsed_content("class_names"))]
    image["modality"] = modality or image["modality"]
    if list(prediction["channel_def"].values()) != classes:  # another data set
        changed["task"] = f"Segmentation of {', '.join(classes[1:])}"
        changed["image_classes"] = f"channels: {channels}, modality: {image['modality']}"
        changed["label_classes"] = ", ".join(f"{number} {label}" for number, label in enumerate(classes))
        changed["pred_classes"] = f"{len(classes)} channels, logits of {', '.join(classes)}"
    if image["num_channels"] != channels:
        image |= {"num_channels": channels, "channel_def": {str(key): f"image {key}" for key in range(channels)}}
    prediction |= {"num_channels": len(classes), "channel_def": {str(key): label for key, label in enumerate(classes)}}
    image["spatial_shape"] = prediction["spatial_shape"] = inference.get_parsed_content("patch_size")
    return changed | {"name": name, "eval_metrics": {}}


def weight_files(model: Path) -> dict[str, bytes]:
    """Path in the bundle -> content of the weights and of what belongs to them."""
    beside = [file for file in map(model.with_name, BESIDE) if file.is_file()]
    content = model.read_bytes()
    return {MODEL: content, START: content} | {f"models/{file.name}": file.read_bytes() for file in beside}


def write_folder(target: Path, files: Mapping[str, bytes]) -> None:
    """Write path -> content below a folder, which appears whole or not at all."""
    temporary = target.with_name(TEMPORARY_PREFIX + target.name)
    shutil.rmtree(temporary, ignore_errors=True)
    for path, content in files.items():
        file = temporary / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    temporary.replace(target)
