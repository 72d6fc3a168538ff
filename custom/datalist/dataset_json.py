"""What a data set says of itself in dataset.json, in Decathlon's or in nnU-Net's form."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..io.json_file import json_content
from .class_names import checked_class_names, differing_name

LISTING = "dataset.json"
REMEDY = "correct it, or pass the names as --classes, in the order of the label values from 1"


def read_listing(root: Path) -> dict[str, Any]:
    """The content of dataset.json, or nothing where there is none."""
    file = root / LISTING
    if not file.is_file():
        return {}
    fault = " is not readable JSON ({}); correct it, or remove it to use imagesTr and labelsTr as they are"
    content = json_content(file, fault)
    if not isinstance(content, dict):
        raise InputError(f"{file} must hold an object, not a {type(content).__name__}; correct or remove it")
    return content


def class_names(listing: Mapping[str, Any], file: Path) -> list[str]:
    """Names of the foreground classes in the order of their ids, empty without "labels".

    Decathlon writes ``{"0": "background", "1": "liver"}``, nnU-Net ``{"background": 0, "liver": 1}``. Raises
    InputError: regions of several labels, an ignore label, ids that leave one out, or names that cannot be used.
    """
    labels = listing.get("labels") or {}
    pairs = _ids_and_names(labels)
    if not isinstance(labels, Mapping) or len(pairs) != len(labels):
        raise InputError(f'{file}: "labels" is {labels}, no single whole number for each class; {REMEDY}')
    _refuse_ignore_label(pairs, file)
    named = [(value, name) for value, name in pairs if value != 0]
    if [value for value, _ in named] != list(range(1, len(named) + 1)):
        values = ", ".join(str(value) for value, _ in pairs)
        raise InputError(f'{file}: "labels" has the values {values}, not 0, 1, 2, ...; {REMEDY}')
    return checked_class_names([name for _, name in named], f'{file}: "labels"') if named else []


def described_names(listing: Mapping[str, Any]) -> dict[int, str]:
    """Id -> name of the foreground classes that "labels" describes by one number; regions of several are left out."""
    return {value: name for value, name in _ids_and_names(listing.get("labels") or {}) if value != 0}


def refuse_other_names(listing: Mapping[str, Any], file: Path, names: Sequence[str]) -> None:
    """Refuse class names that contradict those of dataset.json; spelling apart, see `class_names.comparable`.

    Raises InputError: names the first contradiction.
    """
    described = described_names(listing)
    _refuse_ignore_label(described.items(), file)
    found = differing_name(names, described)
    if found:
        raise InputError(f'{file}: label {found}; correct "labels" there, or pass a plan, or weights, of this data set')


def listed_cases(listing: Mapping[str, Any]) -> Any:
    """Decathlon's "training", or nnU-Net's "dataset" in the form of that; None without either."""
    dataset = listing.get("dataset")
    if not listing.get("training") and isinstance(dataset, Mapping):
        return [
            {"image": one.get("images"), "label": one.get("label")} if isinstance(one, Mapping) else one
            for one in dataset.values()
        ]
    return listing.get("training")


def channel_names(listing: Mapping[str, Any], file: Path) -> list[str]:
    """Names of the channels by number, of nnU-Net's "channel_names" or Decathlon's "modality".

    Raises InputError: neither an object nor a list.
    """
    names = listing.get("channel_names") or listing.get("modality") or []
    if isinstance(names, dict):
        return [str(names[key]) for key in sorted(names, key=lambda key: (len(key), key))]
    if isinstance(names, list):
        return [str(name) for name in names]
    raise InputError(f'{file}: "channel_names" is {names!r}; write an object such as {{"0": "CT"}}')


def refuse_other_channels(listing: Mapping[str, Any], file: Path, names: Sequence[str]) -> None:
    """Refuse the channels of a plan where dataset.json has the same in another order.

    Raises InputError: names the first channel that differs.
    """
    described, planned = ([name.casefold() for name in some] for some in (channel_names(listing, file), names))
    if described != planned and sorted(described) == sorted(planned):
        number = next(index for index, name in enumerate(planned) if name != described[index])
        raise InputError(
            f"{file}: channel {number} is {described[number]}, in the plan {planned[number]}: the channels stand in "
            "another order; number the files as the plan does, or pass a plan, or weights, of this data set"
        )


def channel_count(listing: Mapping[str, Any]) -> int | None:
    """How many channels nnU-Net's dataset.json names, or None."""
    names = listing.get("channel_names")
    return len(names) if isinstance(names, dict | list) and names else None


def _refuse_ignore_label(pairs: Iterable[tuple[int, str]], file: Path) -> None:
    if any(name.casefold() == "ignore" for _, name in pairs):
        raise InputError(f'{file}: "labels" has an ignore label, which is not supported; remove it and its cases')


def _ids_and_names(labels: Any) -> list[tuple[int, str]]:
    """Sorted ids and names of the entries that have a single whole number."""
    entries = labels.items() if isinstance(labels, Mapping) else ()
    pairs = [(str(value).strip().removesuffix(".0"), name) for value, name in map(_id_and_name, entries)]
    return sorted((int(value), name) for value, name in pairs if value.isdecimal())


def _id_and_name(entry: tuple[Any, Any]) -> tuple[Any, str]:
    """Decathlon's keys are the ids, nnU-Net's are the names."""
    key, value = entry
    return (key, str(value)) if key.isdecimal() and isinstance(value, str) and not value.isdecimal() else (value, key)
