"""What a stage's result depends on, and what of it changed since the stage was begun."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from .. import __version__
from ..cohort.manifest import Cohort, CohortCase
from ..errors import InputError
from .recipe import PlannedStage

LISTED_CHANGES = 8


def stage_inputs(
    planned: PlannedStage,
    cohort: Cohort,
    validation: Sequence[CohortCase],
    common: Mapping[str, Any],
    configs: Mapping[str, str],
    checksums: Mapping[str, str],
) -> dict[str, Any]:
    """Everything the stage's labels, weights and scores follow from, as JSON.

    Args:
        planned: the stage.
        cohort: gives the classes.
        validation: the cases every stage is scored on.
        common: settings of all stages.
        configs: name -> check sum of the config files the stage uses.
        checksums: file -> check sum of the cases' files.
    """
    used = {one.case.name: one.case for one in planned.training}
    used |= {case.name: case for fill in planned.fills for case in fill.cases}
    trained = {one.case.name: [one.filled_by, list(one.annotated)] for one in planned.training}
    content = {
        "version": __version__,
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
    return dict(json.loads(json.dumps(content)))


def changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What differs between two inputs of a stage, a line each: key, old value, new value."""
    return _differences(before, now, "")


def shortened(lines: Sequence[str]) -> str:
    """Several changes in one line."""
    shown = "; ".join(lines[:LISTED_CHANGES])
    hidden = len(lines) - LISTED_CHANGES
    return shown + (f"; and {hidden} more" if hidden > 0 else "")


def config_checksums(bundle_root: str | Path, names: Sequence[str], checksum: Any) -> dict[str, str]:
    """Name -> check sum of configs of a bundle.

    Raises:
        InputError: a config cannot be read.
    """
    files = {name: Path(bundle_root) / "configs" / f"{name}.yaml" for name in names}
    try:
        return {name: checksum(file) for name, file in files.items()}
    except OSError as error:
        raise InputError(
            f"{error.filename}: cannot be read ({error.strerror}); correct the name in overlays"
        ) from error


def _case(case: CohortCase, checksums: Mapping[str, str]) -> dict[str, Any]:
    label = checksums[case.label] if case.label else None
    return {"image": checksums[case.image], "label": label, "annotated": list(case.annotated)}


def _differences(before: Any, now: Any, key: str) -> list[str]:
    if before == now:
        return []
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        lines = []
        for name in [*before, *(one for one in now if one not in before)]:
            path = f"{key} {name}".strip()
            if name not in now:
                lines.append(f"{path} is gone")
            elif name not in before:
                lines.append(f"{path} is new")
            else:
                lines += _differences(before[name], now[name], path)
        return lines
    return [f"{key} {_short(before)} -> {_short(now)}"]


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:12] + "..."
