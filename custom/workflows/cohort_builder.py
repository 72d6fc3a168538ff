"""The command that makes a cohort manifest of a FLARE, nnU-Net or Decathlon folder, or of a CSV."""

import dataclasses
import logging
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial as bound
from pathlib import Path
from typing import Any

import numpy as np

from ..cohort.annotation import (
    GIVEN,
    SOURCE,
    VALUES,
    WAYS,
    Ids,
    annotated_as_given,
    annotated_by_source,
    annotated_by_values,
    parse_classes,
    table_named,
    with_given_table,
)
from ..cohort.manifest import (
    FLARE_CLASSES,
    TEST,
    TRAINING,
    VALIDATION,
    Cohort,
    CohortCase,
    default_group_rules,
    group_cases,
    listed,
    raise_faults,
    write_cohort,
)
from ..cohort.simulated_partial_labels import (
    draw_held_out,
    draw_parts,
    is_reduced_label,
    parse_parts,
    write_reduced_label,
)
from ..cohort.sources import CohortSource, FoundCase, find_cases
from ..datalist.class_names import checked_class_names
from ..errors import InputError
from ..fingerprint.data_check import inspect_case
from ..geometry.voxel_volume import voxel_ml
from ..io.write_errors import reporting_unwritable
from ..options.kinds import NAMES, expanded
from ..progress import map_with_progress
from ..reports.class_statistics import (
    class_statistics,
    draw_class_statistics,
    format_annotated_sets,
    format_class_statistics,
)

logger = logging.getLogger(__name__)

LESION_WORD = re.compile(r"tumou?r|lesion|cancer|metasta")
PICTURE = "class_statistics.png"
REDUCED_LABELS = "labels"
NO_CLASS = "none"
OUTSIZED = 10  # times the median volume
WRITABLE = "choose a place that can be written"

Names = str | Sequence[str]


def build_cohort(
    source: str | Path,
    output: str | Path,
    classes: Names | None = None,
    lesions: Names | None = None,
    annotated_by: str | None = None,
    annotated: Names | None = None,
    validation: float | str = 0,
    test: float | str = 0,
    withhold: float | str = 0,
    partial: str | None = None,
    seed: int = 0,
    name: str | None = None,
    num_workers: int | None = None,
) -> str:
    """Write a cohort manifest, say how it was decided what is annotated, and show the statistics of its classes.

    Every label is read once; a label that cannot be read is listed and its case left out. Images are not opened.
    Next to the manifest, class_statistics.png shows in how many cases each class is annotated.

    Args:
        source: a FLARE folder (imagesTr2200, labelsTr2200, unlabeledTr1800, imagesVal, ...), a data set in nnU-Net or
            Decathlon layout, or a CSV with the columns image, label, annotated, source, use, name (only image is
            needed; paths relative to the CSV; "annotated" holds class names or ids with ";" between).
        output: the manifest, such as cohort.json, or its folder.
        classes: class names in the order of the label values from 1, with "," between. By default those of
            dataset.json; of files with FLARE in their path, FLARE's 14.
        lesions: which of them lie inside others, or "none"; by default those named tumour, lesion, cancer, metastasis.
        annotated_by: "values" (a class is annotated in a case if its label has a voxel of it), "source" (if any label
            of its source group has; a group is one value of the CSV's column source, or one prefix of the names in one
            folder, such as AMOS of AMOS_0001) or "given" (CSV column "annotated", or the next argument). By default
            given where there is something given, source for a data set with dataset.json or a CSV with sources, else
            values.
        annotated: class names or ids annotated in every label, with ";" or "," between; or, for a folder, a CSV with
            the columns case and annotated, whose cells hold such names or ids with ";" or blanks between.
        validation: how many of the completely annotated training cases to keep out of training, a number (40) or a
            share (0.1), drawn by `seed`. Complete means every class, where no case is so every class but lesions.
        test: the same for test cases, drawn first: finished models are scored on them, and nothing is decided by them.
        withhold: how many of the partly annotated training cases to take the labels from, a number or a share, drawn
            by `seed` among all that are neither complete nor unlabelled. They are unlabelled cases of an experiment.
        partial: written as "anterior:1/3,posterior:1/3,none:1/3", makes a partial-label cohort out of fully annotated
            data. Each part names the classes that stay annotated (with ";" between, or "none" or "all") and its share
            of the training cases, a fraction or, in every part, a number; the draw is by `seed`. Reduced labels are
            written to labels/ next to the manifest. Validation cases are drawn first and stay complete.
        seed: of all draws.
        name: of the cohort; by default that of dataset.json or the folder.
        num_workers: threads that read and write labels.

    Returns:
        The manifest's path.

    Raises:
        InputError: the source or an argument cannot be used, a label holds values outside the classes, no case is left,
            or a file cannot be written.
    """
    path, manifest = Path(source), _manifest_path(Path(output))
    given = [] if classes is None else checked_class_names(NAMES.read(classes), "--classes")
    found = find_cases(path, given)
    if table := table_named(annotated):
        cases = with_given_table(found.cases, Path(expanded(table)))
        found, annotated = dataclasses.replace(found, cases=tuple(cases)), None
    if not found.classes and not is_flare(path, found.cases):
        raise InputError(
            f"{source}: nothing names its classes; pass --classes liver,tumour, in the order of their label values, or "
            "add a dataset.json with labels (FLARE's 14 are taken for files of FLARE alone)"
        )
    class_names = found.classes or FLARE_CLASSES
    origin = "as given" if given else "those of dataset.json" if found.classes else "FLARE's, as nothing names others"
    logger.info("classes: %s: %s", origin, ", ".join(f"{id_} {one}" for id_, one in enumerate(class_names, start=1)))
    lesion_ids = _lesion_ids(lesions, class_names)
    parts = None if partial is None else parse_parts(partial, class_names)
    way = None if parts is not None else _way(annotated_by, annotated, found)
    if way is None and (annotated_by is not None or annotated is not None):
        raise InputError("partial takes every class as annotated in every label; leave out annotated_by and annotated")

    volumes_ml = _read_labels(found.cases, len(class_names), num_workers, path)
    usable = [case for case in found.cases if case.label is None or case.name in volumes_ml]
    present = {case: tuple(sorted(volumes)) for case, volumes in volumes_ml.items()}
    if way is None:
        how = f"seed {seed}: {partial}"
        sets = dict.fromkeys(present, tuple(range(1, len(class_names) + 1)))
        logger.info("annotated: every class in every label, then reduced by %s", how)
    else:
        sets, how = _annotated(way, annotated, usable, present, class_names, path)

    cohort = Cohort(name or found.name, class_names, lesion_ids, _decided(usable, sets), how)
    cohort = _hold_out(cohort, test, TEST, seed)
    cohort = _hold_out(cohort, validation, VALIDATION, seed)
    if parts is not None:
        drawn = draw_parts([case.name for case in cohort.training if case.label is not None], parts, seed)
        cohort = _reduce(cohort, drawn, manifest, num_workers)
    cohort = _withhold(cohort, withhold, seed)
    write_cohort(manifest, cohort, f"made from {path.absolute()}")
    _warn_of_outsized(cohort, volumes_ml)
    _show(cohort, volumes_ml, manifest)
    return str(manifest)


def _manifest_path(output: Path) -> Path:
    if output.suffix.lower() == ".json" and not output.is_dir():
        return output
    if output.is_file():
        raise InputError(f"output is the file {output}; pass the manifest's path, ending in .json, or a folder")
    return output / "cohort.json"


def is_flare(source: Path, cases: Sequence[FoundCase]) -> bool:
    """Whether the source, a case or its folder is called FLARE."""
    return any("flare" in "/".join([source.name, *Path(case.image).parts[-3:]]).lower() for case in cases)


def _lesion_ids(lesions: Names | None, classes: Sequence[str]) -> Ids:
    if lesions is None:
        return tuple(number for number, name in enumerate(classes, start=1) if LESION_WORD.search(name.lower()))
    words = NAMES.read(lesions)
    return () if words in ([], [NO_CLASS]) else parse_classes(";".join(words), classes, "lesions")


def _way(annotated_by: str | None, annotated: Names | None, found: CohortSource) -> str:
    """How it is decided what is annotated; the default depends on what the source says."""
    if annotated_by not in (None, *WAYS):
        raise InputError(f"annotated_by is {annotated_by!r}; it must be one of {', '.join(WAYS)}")
    if annotated is not None and annotated_by not in (None, GIVEN):
        raise InputError(f"annotated names classes, but annotated_by is {annotated_by}; leave one of the two out")
    is_given = annotated is not None or any(case.given is not None for case in found.cases)
    if annotated_by == GIVEN and not is_given:
        raise InputError(
            'annotated_by is given, but nothing is: pass --annotated "liver;spleen", or a CSV with a column annotated'
        )
    return annotated_by or (GIVEN if is_given else SOURCE if found.states_sources else VALUES)


def _annotated(
    way: str,
    annotated: Names | None,
    cases: Sequence[FoundCase],
    present: Mapping[str, Ids],
    classes: Sequence[str],
    path: Path,
) -> tuple[dict[str, Ids], str]:
    """Case name -> annotated classes, and one line that says how this was decided."""
    if way == VALUES:
        return annotated_by_values(present), "values present: a class is annotated where its label has a voxel of it"
    if way == SOURCE:
        sets = annotated_by_source(cases, present, classes)
        return sets, "source group: a class is annotated where any label of the same source has a voxel of it"
    everywhere = None if annotated is None else ";".join(NAMES.read(annotated))
    sets = annotated_as_given(cases, present, classes, everywhere, path)
    return sets, "given" if everywhere is None else f"given for every label: {everywhere}"


def _read_labels(
    cases: Sequence[FoundCase], num_classes: int, num_workers: int | None, path: Path
) -> dict[str, dict[int, float]]:
    """Case name -> class -> volume in its label (ml); a label that cannot be read is logged and missing here."""
    labelled = [case for case in cases if case.label is not None]
    entries: list[dict[str, Any]] = [{"image": [], "label": case.label} for case in labelled]
    read = map_with_progress(inspect_case, entries, "reading labels", num_workers=num_workers)
    volumes: dict[str, dict[int, float]] = {}
    outside, bad = [], []
    for case, label in zip(labelled, read, strict=True):
        if label.problems:
            bad.append(label.problems[0])
            continue
        odd = [value for value in label.label_voxels if not 0 <= value <= num_classes]
        if odd:
            outside.append(
                f"{case.label}: label values {listed(odd)} are outside the classes 1 to {num_classes}; correct the "
                "label, or name all classes with --classes"
            )
        one_ml = voxel_ml(label.affine)
        volumes[case.name] = {value: count * one_ml for value, count in label.label_voxels.items() if value}
    raise_faults(path, outside)
    for problem in bad:
        logger.warning("left out: %s", problem)
    if bad and len(bad) == len(cases):
        raise InputError(f"{path}: none of {len(cases)} cases can be used, the first: {bad[0]}")
    return volumes


def _decided(cases: Sequence[FoundCase], sets: Mapping[str, Ids]) -> tuple[CohortCase, ...]:
    """The cases with their annotated classes; a label without any makes no labelled case."""
    empty = [case.name for case in cases if case.label is not None and not sets.get(case.name)]
    if empty:
        what = "nothing is annotated in %d label(s): unlabelled cases, left out of validation and test: %s"
        logger.warning(what, len(empty), listed(empty))
    decided = []
    for case in cases:
        ids = sets.get(case.name, ())
        if case.name not in empty or case.use == TRAINING:
            label = case.label if ids else None
            decided.append(CohortCase(case.name, case.image, label, ids, case.use, case.source))
    return tuple(decided)


def _hold_out(cohort: Cohort, amount: float | str, use: str, seed: int) -> Cohort:
    """The cohort with `amount` of its completely annotated training cases used for validation or test instead."""
    complete = [case.name for case in _complete(cohort)]
    drawn = draw_held_out(complete, amount, seed, use)
    _log_drawn(f"{use}:", drawn, complete, "completely", seed)
    return _changed(cohort, drawn, use=use)


def _withhold(cohort: Cohort, amount: float | str, seed: int) -> Cohort:
    """The cohort without the labels of `amount` of its partly annotated training cases."""
    complete = {case.name for case in _complete(cohort)}
    partly = [case.name for case in cohort.training if case.label is not None and case.name not in complete]
    drawn = draw_held_out(partly, amount, seed, "withhold", "annotated in part")
    _log_drawn("withhold: the labels of", drawn, partly, "partly", seed)
    return _changed(cohort, drawn, label=None, annotated=())


def _log_drawn(what: str, drawn: Sequence[str], names: Sequence[str], how: str, seed: int) -> None:
    if drawn:
        logger.info("%s %d of %d %s annotated cases, by seed %d", what, len(drawn), len(names), how, seed)


def _changed(cohort: Cohort, names: Collection[str], **changes: Any) -> Cohort:
    """The cohort with some cases changed."""
    cases = (dataclasses.replace(one, **changes) if one.name in names else one for one in cohort.cases)
    return dataclasses.replace(cohort, cases=tuple(cases))


def _complete(cohort: Cohort) -> list[CohortCase]:
    """The training cases annotated for every class; where there are none, for every class but lesions."""
    complete = [case for case in cohort.training if len(case.annotated) == len(cohort.classes)]
    if complete or not cohort.organs:
        return complete
    return [case for case in cohort.training if set(cohort.organs) <= set(case.annotated)]


def _reduce(cohort: Cohort, drawn: Mapping[str, Ids], manifest: Path, num_workers: int | None) -> Cohort:
    """The cohort with the labels of the drawn cases reduced to their classes, written next to the manifest.

    An earlier manifest goes first, since its labels are replaced: a manifest means that its labels are complete.
    """
    folder, mark = manifest.absolute().parent / REDUCED_LABELS, f"reduced for {manifest.name}"
    cases: list[CohortCase] = []
    targets: list[Path] = []
    work: list[Callable[[], None]] = []
    for case in cohort.cases:
        kept = drawn.get(case.name, case.annotated)
        label = case.label if kept else None
        if label is not None and kept != case.annotated:
            targets.append(folder / f"{case.name}.nii.gz")
            work.append(bound(write_reduced_label, label, targets[-1], kept, mark))
            label = str(targets[-1])
        cases.append(dataclasses.replace(case, label=label, annotated=kept))
    foreign = [target for target in targets if target.exists() and not is_reduced_label(target, mark)]
    if foreign:
        raise InputError(f"{foreign[0]} exists and is none of {manifest}; pass an output in another folder")
    with reporting_unwritable(folder, WRITABLE):
        manifest.unlink(missing_ok=True)
        for earlier in set(folder.glob("*.nii.gz")) - set(targets):
            if is_reduced_label(earlier, mark):
                earlier.unlink()
        list(map_with_progress(lambda write: write(), work, "writing labels", num_workers=num_workers))
    return dataclasses.replace(cohort, cases=tuple(cases))


def _warn_of_outsized(cohort: Cohort, volumes_ml: Mapping[str, Mapping[int, float]]) -> None:
    """Name the organs far larger than in other cases: a body contour in the place of a spinal cord was found so."""
    for number in cohort.organs:
        volumes = {name: found[number] for name, found in volumes_ml.items() if found.get(number)}
        typical = float(np.median([*volumes.values()])) if volumes else 0.0
        for name, volume in volumes.items():
            if volume > OUTSIZED * typical:
                times = f"{volume / typical:.0f} times the median of its {len(volumes)} cases"
                logger.warning(
                    "case %s: %s has %.0f ml, %s; look at its label", name, cohort.classes[number - 1], volume, times
                )


def _show(cohort: Cohort, volumes_ml: Mapping[str, Mapping[int, float]], manifest: Path) -> None:
    """Log the tables and draw the picture."""
    rows = class_statistics(cohort, volumes_ml)
    logger.info("\n%s\n", format_class_statistics(rows))
    groups = group_cases(cohort.training, default_group_rules(cohort), cohort)
    logger.info("training cases by annotated classes:\n%s\n", format_annotated_sets(cohort, groups))
    picture = manifest.parent / PICTURE
    with reporting_unwritable(picture, WRITABLE):
        draw_class_statistics(cohort, rows, picture)
    counts = f"{len(cohort.training)} training cases, {len(cohort.validation)} validation cases"
    counts += f", {len(cohort.test)} test cases" if cohort.test else ""
    lesions = ", ".join(cohort.class_names(cohort.lesions)) or "none"
    logger.info("%s: %s; lesions: %s; chart in %s", cohort.name, counts, lesions, picture)
    if not cohort.validation:
        several = len(_complete(cohort)) > 1
        remedy = "pass --validation 0.1 to keep a tenth of the complete cases out" if several else "annotate some fully"
        logger.warning("there are no validation cases; %s", remedy)
