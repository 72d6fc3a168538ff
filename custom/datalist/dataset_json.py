"""What a data set says of itself in dataset.json, in Decathlon's or in nnU-Net's form."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import InputError

LISTING = "dataset.json"


def read_listing(root: Path) -> dict[str, Any]:
    """The content of dataset.json, or nothing where there is none."""
    file = root / LISTING
    if not file.is_file():
        return {}
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(
            f"{file} is not readable JSON ({error}); correct it, or remove it to use imagesTr and labelsTr as they are"
        ) from error
    if not isinstance(content, dict):
        raise InputError(f"{file} must hold an object, not a {type(content).__name__}; correct or remove it")
    return content


def class_names(listing: Mapping[str, Any], file: Path) -> list[str]:
    """Names of the foreground classes in the order of their ids, empty without "labels".

    Decathlon writes ``{"0": "background", "1": "liver"}``, nnU-Net ``{"background": 0, "liver": 1}``.

    Raises:
        InputError: regions of several labels, an ignore label, or ids that leave one out.
    """
    labels = listing.get("labels") or {}
    remedy = "correct it, or pass the names as --classes, in the order of the label values from 1"
    try:
        pairs = sorted((int(value), str(name)) for value, name in map(_id_and_name, labels.items()))
    except (AttributeError, TypeError, ValueError):
        raise InputError(f'{file}: "labels" is {labels}, no single whole number for each class; {remedy}') from None
    named = [(value, name) for value, name in pairs if value != 0]
    if [value for value, _ in named] != list(range(1, len(named) + 1)):
        values = ", ".join(str(value) for value, _ in pairs)
        raise InputError(f'{file}: "labels" has the values {values}, not 0, 1, 2, ...; {remedy}')
    if any(name.casefold() == "ignore" for _, name in named):
        raise InputError(f'{file}: "labels" has an ignore label, which is not supported; remove it and its cases')
    return [name for _, name in named]


def channel_names(listing: Mapping[str, Any], file: Path) -> list[str]:
    """Names of the channels by number, of nnU-Net's "channel_names" or Decathlon's "modality".

    Raises:
        InputError: neither an object nor a list.
    """
    names = listing.get("channel_names") or listing.get("modality") or []
    if isinstance(names, dict):
        return [str(names[key]) for key in sorted(names, key=lambda key: (len(key), key))]
    if isinstance(names, list):
        return [str(name) for name in names]
    raise InputError(f'{file}: "channel_names" is {names!r}; write an object such as {{"0": "CT"}}')


def channel_count(listing: Mapping[str, Any]) -> int | None:
    """How many channels nnU-Net's dataset.json names, or None."""
    names = listing.get("channel_names")
    return len(names) if isinstance(names, dict | list) and names else None


def _id_and_name(entry: tuple[str, Any]) -> tuple[Any, str]:
    """Decathlon's keys are the ids, nnU-Net's are the names."""
    key, value = entry
    return (key, str(value)) if key.isdecimal() and isinstance(value, str) and not value.isdecimal() else (value, key)
