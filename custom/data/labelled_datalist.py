"""The labelled cases of a run: from a cohort manifest, or from a data set's folder with folds."""

import logging
from collections.abc import Sequence
from itertools import compress
from pathlib import Path
from typing import Any

from ..cohort.manifest import case_entry, read_cohort
from ..datalist.class_names import checked_class_names, same_names
from ..datalist.dataset_json import LISTING, read_listing, refuse_other_channels, refuse_other_names
from ..datalist.folder_layouts import case_name, training_cases
from ..datalist.held_out import ALL, HeldOut
from ..datalist.kept_folds import names_in
from ..datalist.left_out import LeftOut
from ..errors import InputError
from ..fingerprint.data_check import absent_classes, foreground_classes, only_usable, raise_on_problems
from ..fingerprint.dataset_fingerprint import check_cases
from ..processes import is_first, on_first
from .inference_datalist import check_channels

logger = logging.getLogger(__name__)

WITHOUT_CASES = {
    "training": "annotate some, or pass another manifest",
    "validation": "make it with --validation, or score every case of other data with --other_data true",
    "test": "make it with --test, or pass another manifest",
}
SECTIONS = tuple(WITHOUT_CASES)


def labelled_datalist(
    dataset_dir: str | Path,
    section: str,
    class_names: Sequence[str],
    facts_file: str | Path | None = None,
    validate: bool = True,
    num_channels: int | None = None,
    channels: Sequence[str] = (),
    held_out: HeldOut | None = None,
    left_out: LeftOut | None = None,
    normalisation: str = "zscore",
    other_data: bool = False,
    partly_annotated: bool = True,
) -> list[dict[str, Any]]:
    """The labelled cases of one section as ``{"image", "label"}``, of a manifest with ``"annotated"`` (class ids) too.

    Args:
        dataset_dir: a cohort manifest (.json), whose cases say themselves what they are used for, or a folder in
            Medical Segmentation Decathlon or nnU-Net raw layout.
        section: "training" (of a folder every fold but `fold`), "validation" (`fold` alone) or, of a manifest, "test".
        class_names: the classes; a manifest must have the same in the same order.
        facts_file: JSON in which the findings of the integrity check are kept: the next check reads only what changed.
        validate: read every file first and refuse data with problems. Without it, and with an existing folds file, no
            file is opened here; else labels are read for the sake of the folds.
        num_channels: channels of the network's image.
        channels: their names in the plan; those of a folder's dataset.json may not stand in another order.
        held_out: of a folder, the cases to validate on; by default the first of five folds. With fold "all" training
            and validation are both every case. Of a manifest only whether the training is over counts.
        left_out: takes the section's cases that cannot be used; without it any such case is refused.
        normalisation: of the plan.
        other_data: every labelled case is one of the section, as these are data that a training has not seen; cases
            named as those of its folds get a warning.
        partly_annotated: whether cases of a manifest may lack annotations of some classes; without it they are refused.

    Raises InputError: the data, a file or an argument cannot be used.
    """
    class_names = checked_class_names(class_names, "class_names")
    held_out = held_out or HeldOut()
    is_folder = _is_folder(dataset_dir, section)
    parted = is_folder and held_out.number() != ALL
    if is_folder and other_data and held_out.fold != ALL:
        raise InputError(
            f"--fold {held_out.fold} with --other_data true, which scores every case: leave one of them out"
        )
    cases = (
        _cases_of_folder(dataset_dir, class_names, channels)
        if is_folder
        else _cases_of_cohort(dataset_dir, SECTIONS if other_data else (section,), class_names, held_out.trained)
    )
    names = [case_name(case) for case in cases]
    if other_data:
        _warn_of_seen_cases(names, held_out.folds_file)
    if not partly_annotated:
        _refuse_partly_annotated(cases, class_names, dataset_dir)
    check_channels(cases, num_channels)
    facts = []
    if validate:
        facts = on_first(lambda: check_cases(cases, len(class_names) + 1, facts_file, normalisation=normalisation))
    if left_out is None:
        raise_on_problems(facts)
    present = [fact.foreground for fact in facts]
    if parted:
        file = held_out.file(dataset_dir)
        if not validate and held_out.are_made(file):
            present = list(on_first(lambda: foreground_classes(cases)).values())
        in_fold = held_out.names(file, names, present)
        if section == "training":
            on_first(lambda: held_out.keep(file))
        chosen = [(name in in_fold) == (section == "validation") for name in names]
        cases, facts = list(compress(cases, chosen)), list(compress(facts, chosen))
        present = list(compress(present, chosen))
    if present:
        _say_what_is_absent(present, section, class_names, dataset_dir)
    return only_usable(cases, facts, left_out) if validate and left_out is not None else cases


def _is_folder(dataset_dir: str | Path, section: str) -> bool:
    """Whether the data set is a folder, not a manifest, and the section one that it has."""
    if section not in SECTIONS:
        raise InputError(f"section is {section!r}; it must be one of {', '.join(SECTIONS)}")
    if Path(dataset_dir).name == LISTING:
        raise InputError(f"{dataset_dir}: pass the folder that holds it, {Path(dataset_dir).parent}")
    is_folder = Path(dataset_dir).suffix != ".json"
    if is_folder and section == "test":
        raise InputError(f"{dataset_dir} is a folder, of which folds are validated; test cases are those of a manifest")
    return is_folder


def _say_what_is_absent(
    present: Sequence[tuple[int, ...]], section: str, class_names: Sequence[str], dataset: str | Path
) -> None:
    """Warn of classes that no label has, and of no class at all where that is fine: a training may score nothing."""
    if section == "training":
        absent = absent_classes(present, class_names, f"{dataset}, {len(present)} training cases")
        if absent and is_first():
            what = "will not be learnt; check the labels, or plan without it"
            logger.warning("%s: no training label holds %s, which %s", dataset, ", ".join(absent), what)
    elif not any(present) and is_first():
        logger.warning(
            "%s: no label of the %d %s cases holds a class: nothing is scored", dataset, len(present), section
        )


def _warn_of_seen_cases(names: Sequence[str], folds_file: str | Path | None) -> None:
    """One line where data that are called other data hold cases of the training by their names."""
    if folds_file is None or not Path(folds_file).exists() or not is_first():
        return
    seen = sorted(names_in(folds_file).intersection(names))
    if seen:
        what = "%d of %d cases are named as cases of the training, such as %s (%s): if they are, their scores flatter"
        logger.warning(what, len(seen), len(names), seen[0], folds_file)


def _cases_of_folder(
    dataset_dir: str | Path, class_names: Sequence[str], channels: Sequence[str]
) -> list[dict[str, Any]]:
    root = Path(dataset_dir).resolve()
    cases, listing = training_cases(root), read_listing(root)
    refuse_other_names(listing, root / LISTING, class_names)
    refuse_other_channels(listing, root / LISTING, channels)
    return cases


def _cases_of_cohort(
    dataset: str | Path, sections: Sequence[str], class_names: Sequence[str], trained: bool
) -> list[dict[str, Any]]:
    cohort = read_cohort(dataset)
    if not same_names(cohort.classes, class_names):
        raise InputError(
            f"{dataset} has the classes {', '.join(cohort.classes)}, the plan {', '.join(class_names)}: "
            "pass a plan, or weights, of this data set"
        )
    cases = [case_entry(case) for name in sections for case in getattr(cohort, name) if case.label is not None]
    if not cases and (trained or "validation" not in sections):
        remedy = WITHOUT_CASES[sections[0]] if len(sections) == 1 else "annotate some"
        raise InputError(f"{dataset} lists no {' or '.join(sections)} case with a label; {remedy}")
    if not cases and is_first():
        logger.warning("%s lists no validation case with a label: nothing is scored during the training", dataset)
    return cases


def _refuse_partly_annotated(cases: Sequence[dict[str, Any]], class_names: Sequence[str], dataset: str | Path) -> None:
    for case in cases:
        missing = [name for number, name in enumerate(class_names, 1) if number not in case.get("annotated", [number])]
        if missing:
            what = f"case {case_name(case)} is not annotated for {', '.join(missing)}, which would be taken for absent"
            raise InputError(f"{dataset}: {what}; leave such cases out, or train with flare_pseudolabel")
