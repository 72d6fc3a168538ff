"""The labelled cases of a run: from a cohort manifest, or from a data set's folder with folds."""

import logging
from collections.abc import Sequence
from itertools import compress
from pathlib import Path
from typing import Any

from ..cohort.manifest import case_entry, read_cohort
from ..datalist.class_names import checked_class_names, same_names
from ..datalist.dataset_json import LISTING, read_listing, refuse_other_names
from ..datalist.fixed_split import TEST, held_out_cases
from ..datalist.folder_layouts import case_name, training_cases
from ..datalist.folds import load_folds, load_or_make_folds, read_folds
from ..datalist.left_out import LeftOut
from ..errors import InputError
from ..fingerprint.data_check import absent_classes, foreground_classes, only_usable, raise_on_problems
from ..fingerprint.dataset_fingerprint import check_cases
from ..processes import is_first, on_first
from .inference_datalist import check_channels

logger = logging.getLogger(__name__)

SECTIONS = ("training", "validation", "test")


def labelled_datalist(
    dataset_dir: str | Path,
    section: str,
    class_names: Sequence[str],
    facts_file: str | Path | None = None,
    validate: bool = True,
    num_channels: int | None = None,
    fold: int | str = 0,
    num_folds: int = 5,
    folds_file: str | Path | None = None,
    seed: int = 0,
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
        fold: 0 to `num_folds` - 1; "test": the test cases of a fixed split, see `held_out_cases`; or "all": training
            and validation are then both every case, so that scores on the validation cases are scores on training
            cases.
        num_folds: number of folds, balanced over the foreground classes that the cases have.
        folds_file: JSON; read where it exists, else written. None makes the same folds each time. Of fold "test" the
            split, if it is one.
        seed: of the folds, when they are made.
        left_out: takes the section's cases that cannot be used; without it any such case is refused.
        normalisation: of the plan.
        other_data: no folds are asked for, as these are data that a training has not seen; cases named as those of its
            `folds_file` get a warning.
        partly_annotated: whether cases of a manifest may lack annotations of some classes; without it they are refused.

    Raises InputError: the data, a file or an argument cannot be used.
    """
    if section not in SECTIONS:
        raise InputError(f"section is {section!r}; it must be one of {', '.join(SECTIONS)}")
    class_names = checked_class_names(class_names, "class_names")
    is_folder = Path(dataset_dir).suffix != ".json"
    if is_folder and section == "test":
        raise InputError(f"{dataset_dir} is a folder, of which folds are validated; test cases are those of a manifest")
    held_out = _fold_number(fold, num_folds) if is_folder else None
    cases = (
        _cases_of_folder(dataset_dir, class_names) if is_folder else _cases_of_cohort(dataset_dir, section, class_names)
    )
    if other_data:
        _warn_of_seen_cases([case_name(case) for case in cases], folds_file)
    if not partly_annotated:
        _refuse_partly_annotated(cases, class_names, dataset_dir)
    check_channels(cases, num_channels)
    facts = []
    if validate:
        facts = on_first(lambda: check_cases(cases, len(class_names) + 1, facts_file, normalisation=normalisation))
    if left_out is None:
        raise_on_problems(facts)
    known = {fact.name: fact.foreground for fact in facts}
    if held_out == TEST:
        in_fold = set(held_out_cases(dataset_dir, [case_name(case) for case in cases], folds_file))
    elif isinstance(held_out, int):
        if not validate and folds_file is not None and Path(folds_file).exists():  # no label is read for their sake
            folds = load_folds(folds_file, [case_name(case) for case in cases], num_folds)
        else:
            known = known if validate else on_first(lambda: foreground_classes(cases))
            folds = load_or_make_folds(folds_file, known, num_folds, seed)
        in_fold = set(folds[held_out])
    if held_out is not None:
        chosen = [(case_name(case) in in_fold) == (section == "validation") for case in cases]
        cases, facts = list(compress(cases, chosen)), list(compress(facts, chosen))
    if known:
        _say_what_is_absent([known[case_name(case)] for case in cases], section, class_names, dataset_dir)
    return only_usable(cases, facts, left_out) if validate and left_out is not None else cases


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
    known = {name for fold in read_folds(folds_file) for name in fold}
    seen = sorted(known.intersection(names))
    if seen:
        what = "%d of %d cases are named as cases of the training, such as %s (%s): if they are, their scores flatter"
        logger.warning(what, len(seen), len(names), seen[0], folds_file)


def _cases_of_folder(dataset_dir: str | Path, class_names: Sequence[str]) -> list[dict[str, Any]]:
    root = Path(dataset_dir).resolve()
    cases = training_cases(root)
    refuse_other_names(read_listing(root), root / LISTING, class_names)
    return cases


def _cases_of_cohort(dataset: str | Path, section: str, class_names: Sequence[str]) -> list[dict[str, Any]]:
    cohort = read_cohort(dataset)
    if not same_names(cohort.classes, class_names):
        raise InputError(
            f"{dataset} has the classes {', '.join(cohort.classes)}, the plan {', '.join(class_names)}: "
            "pass a plan, or weights, of this data set"
        )
    cases = [case_entry(case) for case in getattr(cohort, section) if case.label is not None]
    if section == "test" and not cases:
        raise InputError(f"{dataset} lists no test case; make it with --test, or pass another manifest")
    if section == "training" and not cases:
        raise InputError(f"{dataset} lists no training case with a label; annotate some, or pass another manifest")
    return cases


def _refuse_partly_annotated(cases: Sequence[dict[str, Any]], class_names: Sequence[str], dataset: str | Path) -> None:
    for case in cases:
        missing = [name for number, name in enumerate(class_names, 1) if number not in case.get("annotated", [number])]
        if missing:
            what = f"case {case_name(case)} is not annotated for {', '.join(missing)}, which would be taken for absent"
            raise InputError(f"{dataset}: {what}; leave such cases out, or train with flare_pseudolabel")


def _fold_number(fold: int | str, num_folds: int) -> int | str | None:
    """`fold` as an index, `TEST` for a fixed split, None for "all"."""
    if fold in ("all", TEST):
        return None if fold == "all" else TEST
    if num_folds < 2:
        raise InputError(f"num_folds is {num_folds}; pass --num_folds 2 or more, or --fold all")
    try:
        number = int(fold)
    except (TypeError, ValueError):
        number = -1
    if not 0 <= number < num_folds:
        raise InputError(f'fold is {fold!r}; it must be 0 to {num_folds - 1} (num_folds - 1), "test" or "all"')
    return number
