"""Look over a stage's pseudo-labels: which cases are unlike the annotated ones."""

import logging
from collections.abc import Iterator, Sequence

from ..cohort.manifest import Cohort, CohortCase
from ..fingerprint.label_statistics import many
from ..io.json_file import read_json
from ..reports.contact_sheet import SheetCase, draw_contact_sheet
from ..reports.pseudo_label_review import (
    ClassDistribution,
    Suspicion,
    annotated_distribution,
    ranked_by_case,
    suspicions,
    write_review,
)
from .recipe import Fill
from .work_folder import StageFolder, record_of

logger = logging.getLogger(__name__)


def annotated_classes(cohort: Cohort, cases: Sequence[CohortCase]) -> dict[int, ClassDistribution]:
    """What each class is like in the cases annotated for it."""
    labelled = [case for case in cases if case.label is not None]
    files, names = [str(case.label) for case in labelled], [case.name for case in labelled]
    statistics = many(files, range(1, cohort.num_classes), names=names, description="measuring annotated labels")
    return annotated_distribution(zip(statistics, (case.annotated for case in labelled), strict=True))


def review_stage(
    folder: StageFolder,
    fills: Sequence[tuple[Fill, Sequence[CohortCase]]],
    cohort: Cohort,
    distribution: dict[int, ClassDistribution],
    window: tuple[float, float] | None,
) -> int:
    """Write the table of suspicious cases and the contact sheet of a stage; returns how many there are.

    `fills` has each group with its labelled cases, `distribution` is that of the annotated cases; intensities at the
    ends of `window` are shown black and white, None: each slice's own.
    """
    rows = [row for fill, cases in fills for row in group_suspicions(folder, fill, cases, cohort, distribution)]
    count = write_review(folder.review, rows)
    files = {
        case.name: (case.image, str(folder.pseudo_label(fill.group, case.name)))
        for fill, cases in fills
        for case in cases
    }
    sheet = [
        SheetCase(name, image, label, [row.caption for row in found], focus=found[0].class_name)
        for name, found in ranked_by_case(rows).items()
        for image, label in [files[name]]
    ]
    draw_contact_sheet(sheet, folder.review / "contact_sheet.png", cohort.classes, window=window)
    if count:
        logger.info("%d of %d pseudo-labels look suspicious: %s", count, len(files), folder.review)
    return count


def group_suspicions(
    folder: StageFolder,
    fill: Fill,
    cases: Sequence[CohortCase],
    cohort: Cohort,
    distribution: dict[int, ClassDistribution],
) -> Iterator[Suspicion]:
    """The suspicions about each case's filled classes."""
    files, names = [folder.pseudo_label(fill.group, case.name) for case in cases], [case.name for case in cases]
    statistics = many(files, range(1, cohort.num_classes), names=names, description=f"reviewing {fill.group}")
    held_back = read_json(folder.held_back, {}).get(fill.group, {})
    for case, file, found in zip(cases, files, statistics, strict=True):
        out = {*case.annotated, *cohort.class_ids(list(held_back.get(case.name, {})))}
        filled = [number for number in fill.classes if number not in out]
        record = read_json(record_of(file), {})
        confidence = {cohort.classes.index(name) + 1: value for name, value in record.get("confidence", {}).items()}
        yield from suspicions(found, confidence, distribution, cohort.classes, cohort.lesions, filled)
