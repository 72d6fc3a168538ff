"""The statistics that a training normalises CT with: planned, those of the training it resumes, or measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..fingerprint.foreground_intensity import foreground_intensity
from ..plans import PLAN_FILE, read_plan

# FLARE22's foreground (methods of the FLARE23 paper); its clip limits are the 0.5 and 99.5 percentiles
FLARE22_INTENSITY = {"lower": -972.0, "upper": 294.0, "mean": 79.4, "sd": 142.0}


def training_intensity(
    normalisation: str, planned: Mapping[str, Any] | None, cases: Sequence[dict[str, Any]], resumed: str | Path = ""
) -> dict[str, Any] | None:
    """Percentiles, mean and deviation of the foreground's intensities; None where nothing is normalised by them.

    Args:
        normalisation: of the plan.
        planned: the plan's statistics, where it has some.
        cases: the training cases, measured where nothing else tells.
        resumed: folder of the training that is gone on with; empty for a new one.
    """
    if normalisation != "ct":
        return None
    if planned is not None:
        return dict(planned)
    earlier = Path(resumed) / PLAN_FILE
    if resumed and earlier.is_file() and (kept := read_plan(earlier)["intensity"]):
        return dict(kept)
    return foreground_intensity(cases)
