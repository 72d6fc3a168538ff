"""Label a group of cases with a stage's model, and merge what it found into their own labels."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from tqdm import tqdm

from ..cohort.manifest import Cohort, CohortCase
from ..cohort.merged_label import merge_case
from ..errors import InputError, find_input_error, input_error_message
from ..processes import gathered, is_first, on_first, own_share
from .disk_errors import REMEDY, disk_trouble
from .recipe import Fill, PlannedStage
from .work_folder import StageFolder, is_finished

logger = logging.getLogger(__name__)

FAILURES_IN_A_ROW = 3  # of different cases: then it is not the cases
ELSEWHERE = "correct the cause, then run the same command again; what is finished is kept"
LONGEST_REASON = 300  # letters

Label = Callable[[Sequence[CohortCase]], None]


def label_cases(cases: Sequence[CohortCase], label_of: Callable[[str], Path], label: Label) -> dict[str, str]:
    """Let `label` label every case that has no finished label; a case it fails on is excluded.

    Cases are shared among the processes of torchrun. `label` takes the cases in the order given, so the first
    unfinished one is the one it failed on, and the rest is taken up again behind it.

    Args:
        cases: all cases of the group.
        label_of: name of a case -> the file its label is written to.
        label: labels some cases.

    Returns:
        Name -> reason of the excluded cases, of all processes. InputError where what failed is not a case: the disk,
        the weights, or several cases in a row.
    """
    # rank 0 looks which are left: a rank that looks later finds fewer, and would take others than the rest expect
    left = on_first(lambda: {case.name for case in cases if not is_finished(label_of(case.name))})
    remaining = own_share([case for case in cases if case.name in left])
    failed: dict[str, str] = {}
    in_a_row = 0
    while remaining:
        before = len(remaining)
        try:
            label(remaining)
        except Exception as error:  # of a damaged file in nibabel, zlib, numpy or MONAI
            remaining = [case for case in remaining if not is_finished(label_of(case.name))]
            if not remaining:
                raise
            in_a_row = in_a_row + 1 if len(remaining) == before else 1
            reason = failure_of_case(error, remaining[0], in_a_row)
            logger.warning("excluded: %s: %s", remaining[0].name, reason)
            failed[remaining.pop(0).name] = reason
        else:
            break
    return gathered(failed)


def failure_of_case(error: Exception, case: CohortCase, in_a_row: int) -> str:
    """Why a case could not be labelled; raises where the case is not to blame."""
    trouble = disk_trouble(error)
    if trouble is not None and not any(file in trouble for file in (case.image, case.label) if file):
        raise InputError(f"{trouble}: {REMEDY}") from error
    known = find_input_error(error)
    if known is not None and case.image not in str(known):
        raise InputError(input_error_message(known)) from error
    innermost = error
    while isinstance(innermost.__cause__, Exception):
        innermost = innermost.__cause__
    text = input_error_message(known) if known is not None else f"{type(innermost).__name__}: {innermost}"
    reason = " ".join(text.split())[:LONGEST_REASON]
    if not reason.startswith(case.image):
        reason = f"{case.image}: {reason}"
    if in_a_row >= FAILURES_IN_A_ROW:
        raise InputError(f"{in_a_row} cases in a row could not be labelled, the last: {reason}; {ELSEWHERE}") from error
    return reason


def merge_group(
    planned: PlannedStage, fill: Fill, cases: Sequence[CohortCase], cohort: Cohort, folder: StageFolder, checksum: str
) -> dict[str, str]:
    """Write the merged label and its record for every case of a group that has none; as `label_cases`."""
    stage = planned.stage
    facts = {"stage": stage.name, "model": {"stage": fill.model_stage, "sha256": checksum}}

    def merge(todo: Sequence[CohortCase]) -> None:
        for case in tqdm(todo, desc=f"merging {fill.group}", unit="case", disable=not is_first()):
            files = folder.pseudo_label(fill.group, case.name), folder.merged(case.name)
            merge_case(case, cohort, *files, fill.classes, stage.lesions_overwrite, stage.confidence, facts)

    return label_cases(cases, folder.merged, merge)
