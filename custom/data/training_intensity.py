"""The statistics that a training normalises CT with: planned, those of the training it resumes, or measured."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..fingerprint.case_intensity import ct_intensity, intensity_statistics
from ..fingerprint.data_check import raise_on_problems
from ..fingerprint.dataset_fingerprint import read_records
from ..plans import PLAN_FILE, read_plan
from ..processes import on_first

# FLARE22's foreground (methods of the FLARE23 paper); its clip limits are the 0.5 and 99.5 percentiles
FLARE22_INTENSITY = {"lower": -972.0, "upper": 294.0, "mean": 79.4, "sd": 142.0}


def training_intensity(
    normalisation: str,
    planned: Mapping[str, Any] | None,
    cases: Sequence[dict[str, Any]],
    resumed: str | Path = "",
    facts_file: str | Path | None = None,
) -> dict[str, Any] | None:
    """Percentiles, mean and deviation of the foreground's intensities; None where nothing is normalised by them.

    Args:
        normalisation: of the plan.
        planned: the plan's statistics, where it has some.
        cases: the training cases, measured where neither plan nor earlier weights have the values.
        resumed: folder of the training that is gone on with or whose weights are; empty for a new one.
        facts_file: JSON in which the findings of the data check are kept, so that no file is read twice.
    """
    if normalisation != "ct":
        return None
    if planned is not None:
        return dict(planned)
    earlier = Path(resumed) / PLAN_FILE
    if resumed and earlier.is_file() and (kept := read_plan(earlier)["intensity"]):
        return dict(kept)
    return on_first(lambda: measured_intensity(cases, facts_file))


def measured_intensity(cases: Sequence[dict[str, Any]], facts_file: str | Path | None = None) -> dict[str, Any]:
    """nnU-Net's statistics of the annotated foreground of all cases.

    Raises InputError: no foreground, all of it of one intensity, or scans of several channels.
    """
    records = read_records(cases, cache_file=facts_file, description="foreground intensities")
    raise_on_problems([record.facts for record in records])
    several = next((record for record in records if len(record.intensities) > 1), None)
    if several is not None:
        raise InputError(f"{several.facts.images[0]}: one of several channels; CT has one: pass normalisation zscore")
    return ct_intensity(intensity_statistics([record.intensities[0] for record in records]), len(records))
