"""What a stage's labels, weights and scores follow from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from ..cohort.manifest import Cohort, CohortCase
from .recipe import PlannedStage


def stage_inputs(
    planned: PlannedStage,
    cohort: Cohort,
    validation: Sequence[CohortCase],
    common: Mapping[str, Any],
    configs: Mapping[str, str],
    checksums: Mapping[str, str],
) -> dict[str, Any]:
    """Everything but earlier stages that the stage's labels, weights and scores follow from, as JSON.

    Args:
        planned: the stage.
        cohort: gives the classes.
        validation: the cases every stage is scored on.
        common: settings of all stages.
        configs: name -> checksum of the config files the stage uses.
        checksums: file -> checksum of the cases' files.
    """
    used = {one.case.name: one.case for one in planned.training}
    used |= {case.name: case for fill in planned.fills for case in fill.cases}
    trained = {one.case.name: [one.filled_by, list(one.annotated)] for one in planned.training}
    return {
        "stage": asdict(planned.stage),
        "classes": list(cohort.classes),
        "lesions": list(cohort.lesions),
        "common": dict(common),
        "configs": dict(configs),
        "fills": {fill.group: [fill.model_stage, list(fill.classes)] for fill in planned.fills},
        "cases": {name: _case(case, checksums) for name, case in sorted(used.items())},
        "trained": trained,
        "validation": {case.name: _case(case, checksums) for case in validation},
    }


def _case(case: CohortCase, checksums: Mapping[str, str]) -> dict[str, Any]:
    label = checksums[case.label] if case.label else None
    return {"image": checksums[case.image], "label": label, "annotated": list(case.annotated)}
