"""A bundle's configs as named on the command line: its folder, and the overlays and settings of a training."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from monai.bundle import ConfigParser

from .engines.training_checkpoint import SETTINGS_FILE
from .errors import InputError, causes_of, find_input_error
from .options import option_list

NETWORK = "network_def"
SHARED = ("class_names", "spacing", "patch_size", "normalisation")  # settings of a training, that inference must share
OTHER_TRAINING = "pass the --overlays and --settings of the training, or other --weights"


def config_file(root: Path, name: str) -> Path:
    """One of the files in a bundle's configs/, such as metadata.json.

    Raises:
        InputError: there is none, so `root` is no bundle's folder.
    """
    file = root / "configs" / name
    if not file.is_file():
        raise InputError(f"{root} has no configs/{name}: pass the folder of a bundle")
    return file


def metadata_file(root: Path) -> Path:
    """The bundle's configs/metadata.json.

    Raises:
        InputError: `root` is no bundle's folder.
    """
    return config_file(root, "metadata.json")


def overlay_files(root: Path, overlays: Any) -> list[Path]:
    """The files of overlays, each given as a file or as a name in the bundle's configs/, with or without its ending.

    Args:
        root: the bundle's folder.
        overlays: several as a list, or with "," between.

    Raises:
        InputError: there is no such file.
    """
    found = []
    for name in option_list(overlays):
        places = [Path(name).expanduser(), root / "configs" / f"{name.removesuffix('.yaml')}.yaml"]
        file = next((place for place in places if place.is_file()), None)
        if file is None:
            raise InputError(f"--overlays {name}: there is neither a file {places[0]} nor {places[1]}")
        found.append(file)
    return found


def known_settings(settings: Any, *configs: Mapping[str, Any]) -> dict[str, Any]:
    """The settings as given on the command line: ids of configs -> values.

    Raises:
        InputError: they are no mapping, or none of the configs has one of them.
    """
    if not isinstance(settings, Mapping | None):
        raise InputError(f"--settings {settings!r}: pass a mapping, such as \"{{'filters': [16, 32, 64]}}\"")
    found = {str(name): value for name, value in (settings or {}).items()}
    for name in found:
        if not any(entry_of(name) in config for config in configs):
            raise InputError(f"--settings: the configs have no {name!r}; correct its name")
    return found


def entry_of(name: str) -> str:
    """The top-level entry of a config that an id is in.

    >>> entry_of("train#trainer::max_epochs"), entry_of("filters")
    ('train', 'filters')
    """
    return name.replace("::", "#").split("#")[0]


def made_entry(parser: ConfigParser, entry: str, root: Path) -> Any:
    """An entry of a bundle's inference config, made.

    Raises:
        InputError: it cannot be; MONAI says so in a traceback of many wrapped exceptions.
    """
    try:
        return parser.get_parsed_content(entry)
    except (ModuleNotFoundError, RuntimeError) as error:
        reason = " ".join(str(find_input_error(error) or causes_of(error)[-1]).split())[:200]
        raise InputError(
            f"{root}: {entry} of the inference config cannot be made ({reason}): correct it, its overlays or settings"
        ) from error


def refuse_other_training(model: Path, inference: ConfigParser) -> None:
    """Raise an `InputError` where the weights were trained with other settings than a config's, as far as is known."""
    file = model.with_name(SETTINGS_FILE)
    trained = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    for key in sorted(set(SHARED) & set(trained) & set(inference.get())):
        value = inference.get_parsed_content(key)
        if trained[key] != value:
            raise InputError(f"{model} was trained with {key} {trained[key]}, not {value}: {OTHER_TRAINING}")
