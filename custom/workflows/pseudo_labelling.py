"""Label a group of cases with a stage's model, and merge what it found into their own labels."""

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tqdm import tqdm

from ..cohort.manifest import Cohort, CohortCase, case_entry
from ..cohort.merged_label import merge_case
from ..datalist.left_out import reason_of
from ..errors import InputError
from ..io.json_file import read_json
from ..processes import gathered, is_first, on_first, own_share
from .disk_errors import disk_trouble
from .recipe import Fill, PlannedStage
from .work_folder import StageFolder, is_finished

logger = logging.getLogger(__name__)

FAILURES = 3  # of all cases of a group: then it is not the cases
ELSEWHERE = "correct the cause, then run the same command again; what is finished is kept"

Label = Callable[[Sequence[CohortCase]], dict[str, str]]


def label_cases(cases: Sequence[CohortCase], label_of: Callable[[str], Path], label: Label) -> dict[str, str]:
    """Let `label` label every case that has no finished label.

    Args:
        cases: all cases of the group, shared among the processes of torchrun.
        label_of: name of a case -> the file its label is written to.
        label: labels some cases and returns name -> reason of those that it left out.

    Returns:
        Name -> reason of the cases left out, of all processes.

    Raises InputError: several cases, and no other, were left out.
    """
    # rank 0 looks which are left: a rank that looks later finds fewer, and would take others than the rest expect
    left = on_first(lambda: {case.name for case in cases if not is_finished(label_of(case.name))})
    remaining = own_share([case for case in cases if case.name in left])
    try:
        own = label(remaining) if remaining else {}
    except Exception as error:
        trouble = disk_trouble(error)  # of inference it names another remedy
        if trouble is None:
            raise
        raise trouble from error
    failed = gathered(own)
    if len(failed) == len(cases) >= FAILURES:
        reason = next(iter(failed.values()))
        raise InputError(f"none of {len(cases)} cases could be labelled, the first: {reason}; {ELSEWHERE}")
    return failed


def merge_group(
    planned: PlannedStage, fill: Fill, cases: Sequence[CohortCase], cohort: Cohort, folder: StageFolder, checksum: str
) -> dict[str, str]:
    """Write the merged label and its record for every case of a group that has none; as `label_cases`."""
    stage, held_back = planned.stage, read_json(folder.held_back, {}).get(fill.group, {})
    facts = {"stage": stage.name, "model": {"stage": fill.model_stage, "sha256": checksum}}

    def merge(todo: Sequence[CohortCase]) -> dict[str, str]:
        failed = {}
        for case in tqdm(todo, desc=f"merging {fill.group}", unit="case", disable=not is_first()):
            files = folder.pseudo_label(fill.group, case.name), folder.merged(case.name)
            reasons = held_back.get(case.name, {})
            classes = [number for number in fill.classes if cohort.classes[number - 1] not in reasons]
            entries = {**facts, "held_back": reasons}
            try:
                merge_case(case, cohort, *files, classes, stage.lesions_overwrite, stage.confidence, entries)
            except Exception as error:  # of a damaged file in nibabel, zlib, numpy or MONAI
                failed[case.name] = reason_of(error, case_entry(case))
                logger.warning("left out: %s", failed[case.name])
                folder.merged(case.name).unlink(missing_ok=True)
        return failed

    return label_cases(cases, folder.merged, merge)


def by_name(reasons: Mapping[str, str], cases: Sequence[CohortCase]) -> dict[str, str]:
    """Image -> reason, by the names of the cases."""
    return {case.name: reasons[case.image] for case in cases if case.image in reasons}
