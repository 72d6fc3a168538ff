"""The cases of a data set to plan for, and what its description calls classes and channels."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ..cohort.manifest import case_entry, read_cohort
from ..datalist.layouts import read_listing, training_cases
from ..errors import InputError


class DescribedData(NamedTuple):
    """Labelled training cases; `classes` and `channels` are empty where the data set does not name them."""

    name: str
    cases: list[dict[str, Any]]
    classes: list[str]
    channels: list[str]


def described_data(dataset: str | Path) -> DescribedData:
    """Read the description of a cohort manifest (.json) or of a folder in Decathlon or nnU-Net layout.

    Raises:
        InputError: missing or damaged, or with labels that cannot be used as they are.
    """
    if Path(dataset).suffix == ".json":
        return _of_manifest(dataset)
    cases = training_cases(dataset)
    root = Path(dataset).expanduser().resolve()
    listing = read_listing(root)
    file = root / "dataset.json"
    return DescribedData(
        str(listing.get("name") or root.name), cases, class_names(listing, file), channel_names(listing, file)
    )


def class_names(listing: Mapping[str, Any], file: Path) -> list[str]:
    """Names of the foreground classes in the order of their ids, of "labels" in either layout's form.

    Decathlon writes ``{"0": "background", "1": "liver"}``, nnU-Net ``{"background": 0, "liver": 1}``.

    Raises:
        InputError: regions of several labels, an ignore label, or ids that leave one out.
    """
    labels = listing.get("labels")
    if not labels:
        return []
    if not isinstance(labels, dict):
        raise InputError(f'{file}: "labels" must be an object such as {{"background": 0, "liver": 1}}; correct it')
    regions = [name for name, value in labels.items() if isinstance(value, list)]
    if regions:
        raise InputError(
            f'{file}: "labels" makes {regions[0]} a region of several labels, which is not supported; give each class '
            "one value, and list regions as groups for scoring"
        )
    named = {_whole(value, file): str(name) for value, name in map(_id_and_name, labels.items())}
    ignored = [name for name in named.values() if name.casefold() == "ignore"]
    if ignored:
        raise InputError(f'{file}: "labels" has an ignore label, which is not supported here; remove those cases')
    ids = sorted(set(named) - {0})
    if ids != list(range(1, len(ids) + 1)):
        raise InputError(f'{file}: "labels" has the values {", ".join(map(str, ids))}; number the classes from 1')
    return [named[number] for number in ids]


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


def _of_manifest(file: str | Path) -> DescribedData:
    cohort = read_cohort(file)
    cases = [case_entry(case) for case in cohort.training if case.label is not None]
    if not cases:
        raise InputError(f"{file} lists no training case with a label; annotate some, or pass another manifest")
    return DescribedData(cohort.name or Path(file).stem, cases, list(cohort.classes), [])


def _id_and_name(entry: tuple[str, Any]) -> tuple[Any, str]:
    """Decathlon's keys are the ids, nnU-Net's are the names."""
    key, value = entry
    return (key, str(value)) if key.isdecimal() and isinstance(value, str) and not value.isdecimal() else (value, key)


def _whole(value: Any, file: Path) -> int:
    try:
        return int(value)
    except (TypeError, ValueError):
        raise InputError(f'{file}: "labels" has {value!r} for an id; write a whole number') from None
