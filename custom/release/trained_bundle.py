"""The command that makes a bundle of its own out of a training, with the overlays it was trained with merged in.

MONAI Label reads configs/train.yaml and configs/inference.yaml, `monai.bundle.load` configs/infer.json, and a release
carries weights of inference.yaml's network: none of them takes overlays.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from monai.bundle import ConfigParser

from ..bundle_configs import (
    NETWORK,
    OTHER_TRAINING,
    config_file,
    entry_of,
    known_settings,
    made_entry,
    overlay_files,
    refuse_other_training,
)
from ..engines.fitting_weights import load_fitting_weights
from ..engines.writable import make_writable
from ..errors import InputError
from .bundle_code import code_folder, importable
from .channel_names import channel_name
from .code_name import PROJECT, package_name, renamed
from .contents import bundle_contents, code_contents
from .folder import write_folder
from .metadata import released_metadata
from .network_config import PATH, network_config
from .trained_page import trained_pages
from .weights import MODEL, weight_files

logger = logging.getLogger(__name__)

MERGED = ("train", "inference")  # configs that stand alone
LAID_OVER = ("evaluate", "multi_gpu_train", "inference_exported", "inference_trt")  # what a run lays over those
TAGS = ("data_tag", "method_tag")  # sub-folders of models/ and output/, of which this bundle needs none
START = "models/model_start.pt"  # the weights once more: a training in MONAI Label replaces model.pt


def trained_bundle(
    bundle: str,
    output: str,
    overlays: str | Sequence[str] = "",
    weights: str = "",
    settings: Mapping[str, Any] | None = None,
    modality: str = "",
) -> None:
    """Write a folder that trains and infers with trained weights alone, without overlays and without this project.

    MONAI Label serves it from the `model` folder of its monaibundle app, under the folder's name, and
    `monai.bundle.load(NAME, workflow_type="infer")` returns its network. It holds the bundle's configs with the
    overlays merged in, metadata with the trained classes and patch, its own copy of the code, and under models/ the
    weights twice: model.pt, which trainings in the folder replace, and model_start.pt.

    Args:
        bundle: folder of the bundle that was trained, e.g. bundles/batseg_spine, or an unpacked release.
        output: the folder to write, which must not exist; its name becomes the bundle's.
        overlays: configs of the bundle (hippocampus), or files, that the network was trained with, with "," between.
        weights: the trained model.pt; by default the one where a training with these overlays leaves it.
        settings: other values of the training's configs, such as "{'filters': [16, 32, 64]}"; they are merged in, too.
        modality: of the images where it is not the bundle's, e.g. CT; stated in the metadata.

    Raises:
        InputError: a folder or file is not what it should be, or the weights are of another network or other settings.
    """
    root, target = Path(str(bundle)).expanduser(), Path(str(output)).expanduser()
    if target.exists() or target.is_symlink():
        raise InputError(f"--output {target} exists: remove it or pass another folder")
    metadata = released_metadata(root)
    package = package_name(target.name, str(metadata["version"]))
    code = code_folder(root)
    above = overlay_files(root, overlays)
    merged = merged_configs(root, above, settings)
    inference = ConfigParser(merged["inference"])
    model = Path(str(weights)).expanduser() if weights else default_weights(root, merged["inference"])
    files = bundle_files(root, package) | code_contents(package, code)
    with importable(root):
        load_fitting_weights(model, made_entry(inference, NETWORK, root), OTHER_TRAINING)
        refuse_other_training(model, inference)
        files[PATH] = network_config(inference, root, package)
        metadata = trained_metadata(metadata, inference, target.name, str(modality))
    sources = [*(file.name for file in above), *(["settings"] if settings else [])]
    for name, config in merged.items():
        text = heading([f"{name}.yaml", *sources]) + renamed(config_text(config), package, code.name)
        files[f"configs/{name}.yaml"] = text.encode("utf-8")
    files["configs/metadata.json"] = (json.dumps(metadata, indent=4) + "\n").encode("utf-8")
    files |= weight_files(model)
    files[START] = files[MODEL]
    files |= trained_pages(files, merged["train"], root.resolve().name, package)
    make_writable(str(target.parent), remedy="pass another --output")
    write_folder(target, files)
    logger.info("%s: %s for %s", target, model, ", ".join(inference.get_parsed_content("class_names")))


def bundle_files(root: Path, package: str) -> dict[str, bytes]:
    """Path in the bundle -> content of the files that stay as they are: no overlays, no other configs."""
    kept = {f"configs/{name}.yaml" for name in LAID_OVER}
    files = bundle_contents(root, package)
    return {path: content for path, content in files.items() if path in kept or not path.endswith(".yaml")}


def merged_configs(root: Path, overlays: Sequence[Path], settings: Any) -> dict[str, dict[str, Any]]:
    """The configs that stand alone, with overlays laid over each as MONAI's `run` does, and with its settings.

    What an overlay sets for the other config only, such as an optimizer, stays out: tools make every entry they find.

    Raises:
        InputError: one is missing, or the settings are none of theirs.
    """
    files = {name: [config_file(root, f"{name}.yaml"), *overlays] for name in MERGED}
    own = {name: set(ConfigParser.load_config_file(str(files[name][0]))) for name in MERGED}
    parsers = {name: ConfigParser(ConfigParser.load_config_files(list(map(str, files[name])))) for name in MERGED}
    known = known_settings(settings, *(parser.get() for parser in parsers.values()))
    for parser in parsers.values():
        parser.update({name: value for name, value in known.items() if entry_of(name) in parser})
    foreign = {name: set().union(*own.values()) - own[name] for name in MERGED}
    return {
        name: {key: value for key, value in parser.get().items() if key not in foreign[name]}
        for name, parser in parsers.items()
    }


def default_weights(root: Path, inference: Mapping[str, Any]) -> Path:
    """Where a training with these overlays leaves its weights."""
    return root.joinpath("models", *(str(inference[tag]) for tag in TAGS), Path(MODEL).name)


def heading(sources: Sequence[str]) -> str:
    """Where a merged config comes from."""
    return f"# {', then '.join(sources)}, merged by `python -m {PROJECT} trained_bundle`, where the comments are.\n\n"


def config_text(config: Mapping[str, Any]) -> str:
    """A merged config as YAML."""
    plain = dict(config) | dict.fromkeys(TAGS, "")
    return yaml.safe_dump(plain, sort_keys=False, default_flow_style=None, width=120)


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
