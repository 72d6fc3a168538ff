"""Which cases of a cohort can be used; each of the others is excluded with its reason."""

from __future__ import annotations

from pathlib import Path

from ..cohort.manifest import Cohort, CohortCase, case_entry
from ..fingerprint.data_check import CaseFacts
from ..fingerprint.dataset_fingerprint import check_cases


def unusable_cases(cohort: Cohort, facts_file: str | Path) -> dict[str, str]:
    """Name -> reason of every case whose files cannot be used, all of them read once and remembered in `facts_file`."""
    entries = [case_entry(case) for case in cohort.cases]
    facts = check_cases(entries, cohort.num_classes, facts_file, description="checking cases")
    found = {}
    for case, fact in zip(cohort.cases, facts, strict=True):
        problems = [*fact.problems, *unannotated_values(case, fact, cohort)]
        if problems:
            found[case.name] = "; also ".join(problems)
    return found


def unannotated_values(case: CohortCase, fact: CaseFacts, cohort: Cohort) -> list[str]:
    """A problem where a label holds classes that the manifest does not count as annotated in it."""
    extra = [value for value in fact.foreground if 0 < value < cohort.num_classes and value not in case.annotated]
    if not extra or case.label is None:
        return []
    names = ", ".join(cohort.class_names(extra))
    return [f"{case.label}: holds {names}, which the manifest does not list as annotated; correct either of them"]
