"""The cases of a data set to plan for, and what its description calls classes and channels."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ..cohort.manifest import case_entry, read_cohort
from ..datalist.class_names import checked_class_names, differing_name
from ..datalist.dataset_json import LISTING, channel_names, class_names, described_names, read_listing
from ..datalist.folder_layouts import training_cases
from ..errors import InputError


class DescribedData(NamedTuple):
    """Labelled training cases; `classes` and `channels` are empty where the data set does not name them."""

    name: str
    cases: list[dict[str, Any]]
    classes: list[str]
    channels: list[str]


def described_data(dataset: str | Path, classes: Sequence[str] = ()) -> DescribedData:
    """Read the description of a cohort manifest (.json) or of a folder in Decathlon or nnU-Net layout.

    Args:
        dataset: manifest or folder.
        classes: names of the classes, where the description does not say; they may not contradict it.

    Raises InputError: missing or damaged, or with labels that cannot be used as they are.
    """
    given = checked_class_names(classes, "--classes") if classes else []
    if Path(dataset).name == LISTING:
        raise InputError(f"{dataset}: pass the folder that holds it, {Path(dataset).parent}")
    if Path(dataset).suffix == ".json":
        cohort = read_cohort(dataset)
        labelled = [case_entry(case) for case in cohort.training if case.label is not None]
        if not labelled:
            raise InputError(f"{dataset} lists no training case with a label; annotate some, or pass another manifest")
        _refuse_others(given, dict(enumerate(cohort.classes, start=1)), dataset)
        return DescribedData(cohort.name or Path(dataset).stem, labelled, list(cohort.classes), [])
    root = Path(dataset).resolve()
    cases, listing, file = training_cases(dataset), read_listing(root), root / LISTING
    name = str(listing.get("name") or root.name)
    _refuse_others(given, described_names(listing), file)
    return DescribedData(name, cases, given or class_names(listing, file), channel_names(listing, file))


def _refuse_others(given: Sequence[str], described: Mapping[int, str], source: str | Path) -> None:
    found = differing_name(given, described) if given else None
    if found:
        raise InputError(f"--classes: {found}, in {source}; leave --classes out, or correct either")
