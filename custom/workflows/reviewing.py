"""Look over a stage's pseudo-labels: which cases are unlike the annotated ones."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from typing import Any

from ..cohort.manifest import Cohort, CohortCase
from ..fingerprint.label_statistics import many
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
from .record import read_json
from .work_folder import StageFolder, record_of

logger = logging.getLogger(__name__)

SHOWN_CASES = 24


def annotated_classes(cohort: Cohort, cases: Sequence[CohortCase]) -> dict[int, ClassDistribution]:
    """What each class is like in the cases annotated for it."""
    labelled = [case for case in cases if case.label is not None]
    ids = range(1, cohort.num_classes)
    files = [str(case.label) for case in labelled]
    facts = many(files, ids, names=[case.name for case in labelled], description="measuring annotated labels")
    return annotated_distribution(zip(facts, (case.annotated for case in labelled), strict=True))


def review_stage(
    folder: StageFolder,
    fills: Sequence[tuple[Fill, Sequence[CohortCase]]],
    cohort: Cohort,
    distribution: dict[int, ClassDistribution],
    window: tuple[float, float] | None,
) -> dict[str, Any]:
    """Write the table of suspicious cases and the contact sheet of a stage; returns how many there are.

    Args:
        folder: of the stage.
        fills: each group with its labelled cases.
        cohort: gives names and lesions.
        distribution: of the annotated cases.
        window: intensities shown black and white; None: each slice's own.
    """
    rows = [row for fill, cases in fills for row in group_suspicions(folder, fill, cases, cohort, distribution)]
    counts = write_review(folder.review, rows)
    cases = {case.name: (fill, case) for fill, group in fills for case in group}
    sheet = [
        SheetCase(
            name=name,
            image_file=cases[name][1].image,
            label_file=str(folder.pseudo_label(cases[name][0].group, name)),
            caption=[row.caption for row in found],
            focus=found[0].class_name,
        )
        for name, found in ranked_by_case(rows).items()
    ]
    draw_contact_sheet(sheet, folder.review / "contact_sheet.png", cohort.classes, most=SHOWN_CASES, window=window)
    if counts["cases"]:
        logger.info("%d of %d pseudo-labels look suspicious: %s", counts["cases"], len(cases), folder.review)
    return counts


def group_suspicions(
    folder: StageFolder,
    fill: Fill,
    cases: Sequence[CohortCase],
    cohort: Cohort,
    distribution: dict[int, ClassDistribution],
) -> Iterator[Suspicion]:
    """The suspicions about each case's filled classes."""
    facts = many(
        [folder.pseudo_label(fill.group, case.name) for case in cases],
        range(1, cohort.num_classes),
        names=[case.name for case in cases],
        description=f"reviewing {fill.group}",
    )
    for case, found in zip(cases, facts, strict=True):
        filled = [number for number in fill.classes if number not in case.annotated]
        record = read_json(record_of(folder.pseudo_label(fill.group, case.name)), {})
        confidence = {cohort.classes.index(name) + 1: value for name, value in record.get("confidence", {}).items()}
        yield from suspicions(found, confidence, distribution, cohort.classes, cohort.lesions, filled)
