"""Which cases of a cohort can be used; each of the others is excluded with its reason."""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..cohort.manifest import Cohort, CohortCase, case_entry
from ..errors import InputError
from ..fingerprint.data_check import CLIPPED, CaseFacts, absent_classes
from ..fingerprint.dataset_fingerprint import check_cases
from ..geometry.resampled_size import in_axis_order, refuse_absurd_size
from ..plans import Plan

logger = logging.getLogger(__name__)


def unusable_cases(cohort: Cohort, facts_file: str | Path, plans: Sequence[Plan] = ()) -> dict[str, str]:
    """Name -> reason of every case whose files cannot be used, all of them read once and remembered in `facts_file`.

    `plans` are those that its scans are prepared by.
    """
    entries = [case_entry(case) for case in cohort.cases]
    normalisation = next((plan["normalisation"] for plan in plans if plan["normalisation"] != CLIPPED), CLIPPED)
    facts = check_cases(
        entries, cohort.num_classes, facts_file, description="checking cases", normalisation=normalisation
    )
    found = {}
    for case, fact in zip(cohort.cases, facts, strict=True):
        problems = [*fact.problems, *unannotated_values(case, fact, cohort), *absurd_sizes(fact, plans)]
        if problems:
            found[case.name] = "; also ".join(problems)
    training = {case.name for case in cohort.training if case.label is not None and case.name not in found}
    labelled = [fact.foreground for case, fact in zip(cohort.cases, facts, strict=True) if case.name in training]
    absent = absent_classes(labelled, cohort.classes, cohort.name) if labelled else []
    if absent:
        logger.warning("%s: no training label holds %s, which will not be learnt", cohort.name, ", ".join(absent))
    return found


def unannotated_values(case: CohortCase, fact: CaseFacts, cohort: Cohort) -> list[str]:
    """A problem where a label holds classes that the manifest does not count as annotated in it."""
    extra = [value for value in fact.foreground if 0 < value < cohort.num_classes and value not in case.annotated]
    if not extra or case.label is None:
        return []
    names = ", ".join(cohort.class_names(extra))
    return [f"{case.label}: holds {names}, which the manifest does not list as annotated; correct either of them"]


def absurd_sizes(fact: CaseFacts, plans: Sequence[Plan]) -> list[str]:
    """A problem where a scan's voxel sizes cannot be true for the spacing of a plan."""
    try:
        for plan in plans if not fact.problems else ():
            size, spacing = in_axis_order(fact.shape, np.array(fact.affine), plan["orientation"])
            refuse_absurd_size(fact.images[0], size, spacing, plan["spacing"])
    except InputError as error:
        return [str(error)]
    return []
